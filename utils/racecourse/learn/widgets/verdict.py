"""The verdict under your own assumptions: who asks, on which chips, how long and how good the answers are.

At first it is a service with 1,000 users on H800 chips, as lesson 09 assumes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from racecourse.learn.widgets.explorer import Choice, Slider, Steps, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.verdict import Exam
    from racecourse.learn.widgets.frame import Explorer

USERS = [1, 4, 16, 32, 64, 128, 256, 512, 1000, 2000, 5000, 10_000, 20_000, 50_000]
DEFAULT: dict[str, Any] = {
    "users": 1000, "chip": "NVIDIA H800 SXM5 80GB", "most_chips": 8192, "qwq_bits": 8, "r1_bits": 8, "tokens": 14_500,
    "length_percent": 83, "exam": 0, "hidden_percent": 100, "usd_per_hour": 2.0,
}  # fmt: skip


def verdict_explorer() -> Explorer:
    """The explorer over the chips of the table whose memory, speeds and power are known."""
    from racecourse.hardware import accelerators

    needed = ("tdp_w", "mem_gb", "mem_bw_gbs", "fp16_bf16_dense_tflops")
    chips = [
        name for name, chip in accelerators().items() if all(getattr(chip, figure) is not None for figure in needed)
    ]
    exams = {f"{exam.name} ({exam.testers})": place for place, exam in enumerate(exams_offered())}
    bits = {"16": 16, "8": 8, "4, with scales 5": 5}
    controls = {
        "users": Steps("Users who wait", options=USERS, value=DEFAULT["users"]),
        "chip": Choice("Chip", options=chips, value=DEFAULT["chip"]),
        "most_chips": Steps(
            "Chips to be had", options=[2**power for power in range(14)], value=DEFAULT["most_chips"]
        ),
        "qwq_bits": Choice("Bits, QwQ-32B", options=bits, value=DEFAULT["qwq_bits"]),
        "r1_bits": Choice("Bits, R1", options=bits, value=DEFAULT["r1_bits"]),
        "tokens": Slider(
            "Tokens, QwQ-32B", low=500, high=30_000, step=500, value=DEFAULT["tokens"]
        ),
        "length_percent": Slider(
            "R1's tokens, % of it", low=30, high=200, value=DEFAULT["length_percent"]
        ),
        "exam": Choice("Quality by", options=exams, value=DEFAULT["exam"]),
        "hidden_percent": Slider(
            "Sending hidden, %", low=0, high=100, step=10, value=DEFAULT["hidden_percent"]
        ),
        "usd_per_hour": Slider(
            "USD per chip hour", low=0.2, high=8, step=0.2, value=DEFAULT["usd_per_hour"]
        ),
    }  # fmt: skip
    return explorer("The verdict under your own assumptions", draw_verdict, controls, size=(8.4, 2.8))


def exams_offered() -> tuple[Exam, ...]:
    """The pooled contest problems first, then each published test."""
    from racecourse.learn.verdict import EXAMS, MATHS

    return (MATHS, *EXAMS)


def draw_verdict(
    ax: Axes, users: int, chip: str, most_chips: int, qwq_bits: int, r1_bits: int, tokens: float,
    length_percent: float, exam: int, hidden_percent: float, usd_per_hour: float,
) -> str:  # fmt: skip
    """Draw right answers per hour, kWh and euro, R1 over QwQ-32B, and return the verdict in words."""
    from racecourse.learn.verdict import Scenario, outcome, plot_outcomes

    chosen = exams_offered()[exam]
    scenario = Scenario(
        users=users, chip=chip, most_chips=most_chips, qwq_bits=qwq_bits, r1_bits=r1_bits, tokens=tokens,
        length_ratio=length_percent / 100, qwq_right=chosen.qwq, r1_right=chosen.r1, hidden_share=hidden_percent / 100,
        usd_per_chip_hour=usd_per_hour,
    )  # fmt: skip
    found = {"QwQ-32B": outcome(scenario, "qwq"), "DeepSeek-R1": outcome(scenario, "r1")}
    words = []
    for name, its in found.items():
        if its is None:
            words.append(
                f"{name} cannot be served to {users:,} users on {most_chips:,} x {chip} at "
                f"{scenario.tokens_per_s:g} tokens/s."
            )
        else:
            words.append(
                f"{name}: chips {its.n_chips:,}, copies {its.n_copies:,}; {its.seconds:,.0f} s an answer and "
                f"{1000 * its.eur:,.2f} euros per 1,000, {its.right:.0%} right."
            )
    qwq, r1 = found.values()
    if qwq is None or r1 is None:
        ax.text(0.5, 0.5, "\n".join(words), ha="center", va="center", wrap=True, fontsize=9)
        ax.set_axis_off()
        return " ".join(words)
    ratio = qwq.right_per_eur / r1.right_per_eur
    plot_outcomes(qwq, r1, title=f"{users:,} users, {chip}, quality by {chosen.name}", ax=ax)
    cheaper = "QwQ-32B" if ratio > 1 else "R1"
    return f"{' '.join(words)} A right answer is cheaper from {cheaper}: R1's costs {ratio:.2f} times QwQ's."
