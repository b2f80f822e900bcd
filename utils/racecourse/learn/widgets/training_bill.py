"""What a training run costs to rent: choose the model's active parameters, the tokens, the chip, its use and the price.

At first it is about DeepSeek-V3's pre-training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from racecourse.learn.widgets.explorer import Choice, Slider, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer

CHIPS = ("NVIDIA A100 SXM4 80GB", "NVIDIA H100 SXM5 80GB", "NVIDIA H800 SXM5 80GB", "NVIDIA H20", "Huawei Ascend 910C")
DEFAULT: dict[str, Any] = {"active": 37, "tokens": 14.8, "chip": "NVIDIA H800 SXM5 80GB", "mfu": 35, "price": 2.0}


def training_bill_explorer() -> Explorer:
    """The explorer. The two published runs beside yours are billed at the price that is chosen."""
    controls = {
        "active": Slider(
            "Active params, billion", low=1, high=500, value=DEFAULT["active"]
        ),
        "tokens": Slider(
            "Tokens, trillion", low=0.2, high=20, step=0.2, value=DEFAULT["tokens"]
        ),
        "chip": Choice("Chip", options=list(CHIPS), value=DEFAULT["chip"]),
        "mfu": Slider("MFU, % of bf16 peak", low=5, high=60, value=DEFAULT["mfu"]),
        "price": Slider(
            "USD per GPU hour", low=0.5, high=5, step=0.1, value=DEFAULT["price"]
        ),
    }  # fmt: skip
    return explorer("What a training run costs", draw_training_bill, controls, size=(8.4, 3.4))


def draw_training_bill(ax: Axes, active: float, tokens: float, chip: str, mfu: float, price: float) -> str:
    """Draw the bill beside two published ones and return it in words."""
    from racecourse.hardware import Prices, TrainingBill, accelerators, training_gpu_hours
    from racecourse.hardware.cost import DEEPSEEK_V3_HOURS, LLAMA_31_405B_HOURS, days
    from racecourse.learn.chips import plot_training_bills, short_name
    from racecourse.scaling.count import training_flops

    flops = training_flops(n_parameters=active * 1e9, n_tokens=tokens * 1e12)
    peak = accelerators()[chip].fp16_bf16_dense_tflops
    assert peak is not None, chip
    hours = training_gpu_hours(flops=flops, peak_tflops=peak, mfu=mfu / 100)
    prices = Prices(usd_per_gpu_hour=price)
    name = short_name(chip)
    bills = {
        "your run": TrainingBill({"training": hours}, prices),
        "DeepSeek-V3, as published": TrainingBill(DEEPSEEK_V3_HOURS, prices),
        "Llama 3.1 405B": TrainingBill(LLAMA_31_405B_HOURS, prices),
    }
    title = f"{active:g} billion parameters, {tokens:g} trillion tokens, {name}, {mfu} % MFU"
    plot_training_bills({run: bill.usd for run, bill in bills.items()}, title=title, mine="your run", ax=ax)
    return (
        f"{flops:.2e} FLOP take {hours:,.0f} hours of {name} at {mfu} % of its bf16 peak, "
        f"{days(gpu_hours=hours, n_gpus=2048):.1f} days on 2,048 chips, and {bills['your run'].usd / 1e6:,.2f} million "
        f"dollars at {price:g} an hour."
    )
