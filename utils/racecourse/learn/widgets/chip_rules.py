"""A chip of your own under every rule: choose its rate, its die, its memory, its links and its market.

At first it is the H20. Chips of the table that are close to it in the figure are drawn with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from racecourse.learn.widgets.explorer import Choice, Slider, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer

SHOWN = ("H100 SXM5 80GB", "H20", "L20", "L4", "A100 SXM4 80GB", "GeForce RTX 4090 D", "T4")
DEFAULT: dict[str, Any] = {"tflops": 148, "die_mm2": 814, "memory": 4000, "links": 900, "datacenter": True}


def chip_rules_explorer() -> Explorer:
    """The explorer. Its words say what the rules of 2022, 2023 and 2026 and the letter of 2025 make of the chip."""
    controls = {
        "tflops": Slider("Dense FP16, TFLOPS", low=20, high=1600, value=DEFAULT["tflops"]),
        "die_mm2": Slider("Logic dies, mm2", low=50, high=1700, value=DEFAULT["die_mm2"]),
        "memory": Slider(
            "Memory, GB/s", low=100, high=8000, step=100, value=DEFAULT["memory"]
        ),
        "links": Slider("Links, GB/s", low=50, high=1800, step=50, value=DEFAULT["links"]),
        "datacenter": Choice(
            "Market", options={"data centres": True, "not data centres": False}, value=True
        ),
    }  # fmt: skip
    return explorer("A chip of your own under the rules", draw_design, controls, size=(9.0, 5.6))


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
