"""A chip of your own under every rule: choose its rate, its die, its memory, its links and its market.

At first it is the H20. Chips of the table that are close to it in the figure are drawn with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import explorer

if TYPE_CHECKING:
    from ipywidgets import VBox
    from matplotlib.axes import Axes

SHOWN = ("H100 SXM5 80GB", "H20", "L20", "L4", "A100 SXM4 80GB", "GeForce RTX 4090 D", "T4")
DEFAULT = {"tflops": 148, "die_mm2": 814, "memory": 4000, "links": 900, "datacenter": True}


def chip_rules_explorer() -> VBox:
    """The explorer. Its words say what the rules of 2022, 2023 and 2026 and the letter of 2025 make of the chip."""
    import ipywidgets as widgets

    controls = {
        "tflops": widgets.IntSlider(description="Dense FP16, TFLOPS", min=20, max=1600, value=DEFAULT["tflops"]),
        "die_mm2": widgets.IntSlider(description="Logic dies, mm2", min=50, max=1700, value=DEFAULT["die_mm2"]),
        "memory": widgets.IntSlider(
            description="Memory, GB/s", min=100, max=8000, step=100, value=DEFAULT["memory"]
        ),
        "links": widgets.IntSlider(description="Links, GB/s", min=50, max=1800, step=50, value=DEFAULT["links"]),
        "datacenter": widgets.Dropdown(
            description="Market", options=[("data centres", True), ("not data centres", False)], value=True
        ),
    }  # fmt: skip
    return explorer(draw_design, controls, size=(9.0, 5.6))


def draw_design(ax: Axes, tflops: float, die_mm2: float, memory: float, links: float, datacenter: bool) -> str:
    """Draw the chip among others and return what each rule says of it, and how fast it may write."""
    from racecourse.hardware import Chip, accelerators, classify
    from racecourse.learn.chips import plot_rule, short_name
    from racecourse.learn.fits import known_counts, most_tokens_per_s, read_per_token, weight_gb

    chip = Chip(
        name="your chip", datacenter=datacenter, fp16_bf16_dense_tflops=tflops, die_mm2=die_mm2, mem_bw_gbs=memory,
        interconnect_gbs_bidir=links,
    )  # fmt: skip
    table = accelerators()
    others = [table[f"NVIDIA {name}"] for name in SHOWN]
    found = {rule: classify(chip, rule) for rule in ("2022", "2023", "2026", "2025-letter")}
    verdicts = {
        rule: f"{c.paragraph}{', case by case' * c.case_by_case}" if c.controlled else "not controlled"
        for rule, c in found.items()
    }
    words = "; ".join(f"{rule}: {verdict}" for rule, verdict in verdicts.items())
    same = [short_name(other.name) for other in others if other.fp16_bf16_dense_tflops == tflops]
    plot_rule(others, title=words, star=chip, ax=ax)
    speed = most_tokens_per_s(memory, weight_gb(read_per_token(known_counts()["QwQ-32B"]), 16))
    like = f" As many TFLOPS as {', '.join(same)}." if same else ""
    return (
        f"{words}. {found['2023'].reason.replace('your chip', 'The chip')}{like} QwQ-32B in bf16, one conversation "
        f"at a time: {speed:.1f} tokens/s at most."
    )
