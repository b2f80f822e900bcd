"""The last page's arithmetic: right answers per hour, per kWh and per euro of QwQ-32B and DeepSeek-R1, and how sure.

A scenario says who asks, on which chips, at which prices, and how long and how good each model's answers are. The
speeds are `racecourse.hardware.serving`'s estimates, with all that these leave out: reading prompts, idle hours, hosts,
uneven experts, speculation. Two things come on top: a fixed number of users, whom copies of a model serve, and the
cooling of the building. Left out as well: that 4 bits may cost quality, and what a wrong answer does to its reader.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from racecourse.hardware.accelerators import accelerators, check_positive, known
from racecourse.hardware.cost import Prices, TokenPrices, owned, rented
from racecourse.hardware.serving import Assumptions, Serving, most_chips_of_one, serve
from racecourse.learn.fits import known_configs
from racecourse.learn.plots import BLUE, ORANGE, _axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from racecourse.hardware.accelerators import Chip
    from racecourse.models.config import ModelConfig

QWQ, R1 = "QwQ-32B", "DeepSeek-R1"
LARGEST_COPY = 256  # chips of one copy of a mixture, at most
JOULES_PER_KWH = 3_600_000


# ------------------------------------------------------------------------------------------------------------- quality


@dataclass(frozen=True)
class Exam:
    """A test that both models took, as published. Shares are means over many answers to each problem."""

    name: str
    n_problems: int
    qwq: float  # share right
    r1: float
    testers: str
    source: str

    @property
    def ahead(self) -> float:
        """By how many points QwQ-32B is ahead."""
        return 100 * (self.qwq - self.r1)

    @property
    def error(self) -> float:
        """One standard error of that, in points, if problems are what varies and each model had its own."""
        return 100 * math.hypot(*(math.sqrt(p * (1 - p) / self.n_problems) for p in (self.qwq, self.r1)))


_NVIDIA = "Moshkov et al. 2025, OpenMath-Nemotron (arXiv 2504.16891), tables 4 and 7"
_ARENA = "MathArena's board, in AceReason-Nemotron (arXiv 2505.16400), table 2"
EXAMS = (
    Exam("AIME 2024", 30, 0.795, 0.798, "each maker its own", "Qwen's blog of 2025-03-06; arXiv 2501.12948, table 4"),
    Exam("AIME 2024", 30, 0.781, 0.791, "NVIDIA, both", _NVIDIA),
    Exam("AIME 2025", 30, 0.665, 0.643, "NVIDIA, both", _NVIDIA),
    Exam("HMMT 2024 and 2025", 196, 0.559, 0.530, "NVIDIA, both", _NVIDIA),
    Exam("AIME 2025", 30, 0.658, 0.700, "MathArena, both", _ARENA),
    Exam("HMMT February 2025", 30, 0.475, 0.417, "MathArena, both", _ARENA),
    Exam(
        "GPQA-Diamond", 198, 0.637, 0.715, "QwQ Hassid et al., R1 its maker",
        "Hassid et al. 2025 (arXiv 2505.17813), table 1; arXiv 2501.12948, table 4",
    ),
)  # fmt: skip


def pooled(exams: Sequence[Exam], name: str) -> Exam:
    """Several exams of one tester as one: every problem counts the same.

    Raises:
        ValueError: no exam, or exams of different testers.
    """
    testers = {exam.testers for exam in exams}
    if len(testers) != 1:
        raise ValueError(f"exams by {sorted(testers)} cannot be pooled; take those of one tester")
    n = sum(exam.n_problems for exam in exams)
    qwq, r1 = (sum(exam.n_problems * getattr(exam, side) for exam in exams) / n for side in ("qwq", "r1"))
    return Exam(name, n, qwq, r1, exams[0].testers, exams[0].source)


MATHS = pooled([exam for exam in EXAMS if exam.testers == "NVIDIA, both"], "256 contest problems")


# ----------------------------------------------------------------------------------------------------------- scenarios


@dataclass(frozen=True)
class Scenario:
    """Everything that is assumed. Change what you know better; dollars are converted at `eur_per_usd`.

    Raises:
        ValueError: a number that is not above 0 where it must be.
    """

    users: int = 1000  # who wait for an answer at the same time
    chip: str = "NVIDIA H800 SXM5 80GB"  # DeepSeek's own, and lesson 06's
    most_chips: int = 8192  # that can be had
    qwq_bits: int = 8  # per weight; 5 is 4 bits and their scales
    r1_bits: int = 8
    # answers
    tokens: float = 14_500  # QwQ's, thinking included: AIME 2025, 14,495 (arXiv 2505.17813, table 1)
    length_ratio: float = 12_000 / 14_500  # R1's over QwQ's: R1 took 12,000 for AIME 2025 (DeepSeek, 2025-05-28)
    prompt: float = 500  # tokens of the question: in the cache, but not billed
    qwq_right: float = MATHS.qwq  # share of answers that are right
    r1_right: float = MATHS.r1
    # speed: lesson 06's assumptions
    tokens_per_s: float = 20.0  # that each user gets at least
    bytes_per_value: int = 2  # of the cache
    memory_share: float = 0.9
    bandwidth_share: float = 0.74
    layer_us: float = 62.0
    flops_share: float = 0.4
    hidden_share: float = 1.0  # of the sending, as in DeepSeek's service; with 1 lesson 06 met its speed within 10 %
    # energy
    power_share: float = 0.7  # of the chip's TDP
    pue: float = 1.58  # energy of the building over that of its machines: Uptime Institute's mean of 2023
    # money
    usd_per_chip_hour: float = 2.0  # rent, electricity included: DeepSeek-V3's report, for an H800
    eur_per_usd: float = 1 / 1.0411  # European Central Bank, 2025-02-28
    usd_per_kwh: float = 0.13  # near what commercial customers paid in the US; counts for chips of one's own
    chip_usd: float | None = None  # price of a chip of one's own; None: rented
    years: float = 4.0  # in which it is paid off
    busy: float = 0.05  # share of these years in which it works: an hour and a bit each day

    def __post_init__(self) -> None:
        check_positive(
            users=self.users, tokens=self.tokens, length_ratio=self.length_ratio, pue=self.pue,
            qwq_right=self.qwq_right, r1_right=self.r1_right,
        )  # fmt: skip

    def answer(self, side: str) -> tuple[float, float, int]:
        """Tokens of an answer, share right, and bits per weight of "qwq" or "r1"."""
        if side == "qwq":
            return self.tokens, self.qwq_right, self.qwq_bits
        return self.tokens * self.length_ratio, self.r1_right, self.r1_bits

    def serving(self, tokens: float) -> Assumptions:
        """Lesson 06's assumptions. While answers are written their cache holds half of each on average."""
        return Assumptions(
            context=round(self.prompt + tokens / 2), tokens_per_s=self.tokens_per_s,
            bytes_per_value=self.bytes_per_value, memory_share=self.memory_share,
            bandwidth_share=self.bandwidth_share, layer_us=self.layer_us, flops_share=self.flops_share,
            hidden_share=self.hidden_share, power_share=self.power_share,
        )  # fmt: skip

    @property
    def prices(self) -> Prices:
        return Prices(self.usd_per_chip_hour, self.usd_per_kwh, self.eur_per_usd)


HOME = Scenario(
    users=1, chip="NVIDIA GeForce RTX 4090", most_chips=1, qwq_bits=5, r1_bits=5, bytes_per_value=1, memory_share=0.95,
    pue=1.0, chip_usd=2000.0, usd_per_kwh=0.30,
)  # fmt: skip
FIRM = Scenario(users=32, chip="NVIDIA H100 SXM5 80GB", most_chips=8)
SCENARIOS: Mapping[str, Scenario] = {
    "home: 1 user, 1 RTX 4090, 4 bits": HOME,
    "firm: 32 users, 8 H100": FIRM,
    "firm, R1 in 4 bits": replace(FIRM, r1_bits=5),
    "firm: 32 users, 8 H200": replace(FIRM, chip="NVIDIA H200 SXM 141GB"),
    "service: 1,000 users, H800": Scenario(),
    "service: 10,000 users, H800": Scenario(users=10_000),
}


# ------------------------------------------------------------------------------------------------------------ outcomes


@dataclass(frozen=True)
class Outcome:
    """What one model does for all users of a scenario, in the cheapest way to serve them."""

    model: str
    n_chips: int  # of all copies together
    n_copies: int
    seconds: float  # that a user waits for an answer
    answers_per_chip_hour: float
    kwh: float  # of one answer, the building's share included
    eur: float
    right: float

    @property
    def right_per_hour(self) -> float:
        """Right answers in an hour of one user's waiting."""
        return self.right * 3600 / self.seconds

    @property
    def right_per_kwh(self) -> float:
        return self.right / self.kwh

    @property
    def right_per_eur(self) -> float:
        return self.right / self.eur


@cache
def _configs() -> dict[str, ModelConfig]:
    return known_configs()  # read once: a scenario is computed thousands of times


@cache
def _chips() -> dict[str, Chip]:
    return accelerators()


def copies_for(
    scenario: Scenario, model: str, *, n_chips: int, bits: int, assume: Assumptions
) -> tuple[Serving, int] | None:
    """One copy on `n_chips`, and the fewest such copies that serve all users; None where none do."""

    def shared_by(copies: int) -> Serving | None:
        try:
            found = serve(
                model, _configs()[model], _chips()[scenario.chip], n_chips=n_chips,
                batch_size=math.ceil(scenario.users / copies), bits_per_weight=bits, assume=assume,
            )  # fmt: skip
        except ValueError:  # does not fit
            return None
        return found if found.tokens_per_s_user >= assume.tokens_per_s else None

    low, high = 0, min(scenario.users, scenario.most_chips // n_chips)  # too few copies, and enough
    best = shared_by(high) if high else None
    if best is None:
        return None
    tried = 1
    while high - low > 1:  # doubled from below at first, for the fewest are often few; then halved
        if (found := shared_by(tried)) is None:
            low = tried
        else:
            high, best = tried, found
        tried = 2 * low if found is None and 2 * low < high else (low + high) // 2
    return best, high


def outcome(scenario: Scenario, side: str, model: str | None = None) -> Outcome | None:
    """The cheapest way to serve all users with "qwq" or "r1"; None where the chips do not hold it or are too slow.

    `model` puts another model in the side's place, with the side's answers and bits: for a control.

    Raises:
        ValueError: a chip whose power, memory or speed is not known.
    """
    model = model or (QWQ if side == "qwq" else R1)
    tokens, right, bits = scenario.answer(side)
    assume, chip = scenario.serving(tokens), _chips()[scenario.chip]
    watts_each = known(chip, "tdp_w") * scenario.power_share * scenario.pue
    known(chip, "mem_gb"), known(chip, "mem_bw_gbs"), known(chip, "fp16_bf16_dense_tflops")
    most = min(scenario.most_chips, LARGEST_COPY, most_chips_of_one(_configs()[model], assume))
    best: Outcome | None = None
    for n in (2**power for power in range(most.bit_length())):
        copies = copies_for(scenario, model, n_chips=n, bits=bits, assume=assume)
        if copies is None:
            continue
        one, n_copies = copies
        n_chips, step_s = n * n_copies, one.step_s
        rate = scenario.users / step_s
        money: dict[str, Any] = {"tokens_per_second": rate, "watts": n_chips * watts_each, "prices": scenario.prices}
        if scenario.chip_usd is None:
            bill = rented(n_gpus=n_chips, **money)
        else:
            hardware_usd = n_chips * scenario.chip_usd
            bill = owned(hardware_usd=hardware_usd, years=scenario.years, busy=scenario.busy, **money)
        found = Outcome(
            model, n_chips, n_copies, seconds=tokens * step_s,
            answers_per_chip_hour=rate * 3600 / tokens / n_chips, kwh=bill.joules * tokens / 1e6 / JOULES_PER_KWH,
            eur=bill.eur * tokens / 1e6, right=right,
        )  # fmt: skip
        if best is None or found.eur < best.eur:
            best = found
    return best


def euro_ratio(scenario: Scenario, models: tuple[str, str] = (QWQ, R1)) -> float:
    """Euros for a right answer, R1 over QwQ: above 1 QwQ is cheaper.

    Infinite where R1 cannot be served, 0 where QwQ cannot.

    Raises:
        ValueError: neither can be served.
    """
    qwq, r1 = (outcome(scenario, side, model) for side, model in zip(("qwq", "r1"), models, strict=True))
    if qwq is None and r1 is None:
        raise ValueError(f"{scenario.most_chips} x {scenario.chip} serve {scenario.users} users with neither model")
    if qwq is None or r1 is None:
        return math.inf if r1 is None else 0.0
    return qwq.right_per_eur / r1.right_per_eur


def bought_eur(tokens: float, *, eur_per_usd: float, prices: TokenPrices | None = None) -> float:
    """Euros for an answer of R1 that is bought by the token, at its maker's list price; the question is not counted.

    >>> round(bought_eur(12_000, eur_per_usd=1 / 1.0411), 4)  # 12,000 x 2.19 dollars a million / 1.0411
    0.0252
    """
    return tokens / 1e6 * (prices or TokenPrices()).output * eur_per_usd


# ------------------------------------------------------------------------------------------------------------ how sure


@dataclass(frozen=True)
class Range:
    """What an assumption may be, and why."""

    low: float
    high: float
    why: str


def ranges_of(exam: Exam = MATHS) -> dict[str, Range]:
    """The uncertain assumptions by the scenario's field; the shares right with one standard error of the exam."""
    spread = {p: math.sqrt(p * (1 - p) / exam.n_problems) for p in (exam.qwq, exam.r1)}
    return {
        "length_ratio": Range(0.6, 1.2, "0.83 from two testers on one test; a guess around it"),
        "tokens": Range(8_500, 16_500, "QwQ on GPQA-Diamond 8,532, on HMMT 16,466 (arXiv 2505.17813)"),
        "hidden_share": Range(0.0, 1.0, "lesson 06: in the open it was 44 % below DeepSeek's node, hidden 10 %"),
        "flops_share": Range(0.3, 0.6, "lesson 06's table of assumptions"),
        "bandwidth_share": Range(0.6, 0.85, "0.74 fits one A100; a guess around it"),
        "layer_us": Range(40.0, 90.0, "62 fits one A100; a guess around it"),
        "memory_share": Range(0.8, 0.95, "a guess"),
        "qwq_right": Range(exam.qwq - spread[exam.qwq], exam.qwq + spread[exam.qwq], "one standard error"),
        "r1_right": Range(exam.r1 - spread[exam.r1], exam.r1 + spread[exam.r1], "one standard error"),
        "usd_per_chip_hour": Range(1.0, 4.0, "a guess; the same for both models"),
        "eur_per_usd": Range(0.85, 1.0, "the placebo: it must not matter"),
    }


def draw_ratios(scenario: Scenario, ranges: Mapping[str, Range], *, n_draws: int, seed: int = 0) -> NDArray[Any]:
    """`n_draws` ratios, each with every uncertain assumption drawn evenly from its range, all at once."""
    import numpy as np

    rng = np.random.default_rng(seed)
    values = {name: rng.uniform(its.low, its.high, n_draws).tolist() for name, its in ranges.items()}
    draws: list[dict[str, Any]] = [
        dict(zip(values, drawn, strict=True)) for drawn in zip(*values.values(), strict=True)
    ]
    return np.array([euro_ratio(replace(scenario, **drawn)) for drawn in draws])


def one_at_a_time(scenario: Scenario, ranges: Mapping[str, Range]) -> dict[str, tuple[float, float]]:
    """The ratio at the low and the high end of each range, all else as assumed; what moves it most comes first."""

    def at(name: str, value: Any) -> float:
        return euro_ratio(replace(scenario, **{name: value}))

    ends = {name: (at(name, its.low), at(name, its.high)) for name, its in ranges.items()}
    return dict(sorted(ends.items(), key=lambda item: -abs(math.log(item[1][1] / item[1][0]))))


def ratio_map(scenario: Scenario, *, users: Sequence[int], length_ratios: Sequence[float]) -> NDArray[Any]:
    """Ratios in rows of one length ratio and columns of one number of users."""
    import numpy as np

    return np.array(
        [[euro_ratio(replace(scenario, users=n, length_ratio=ratio)) for n in users] for ratio in length_ratios]
    )


# ------------------------------------------------------------------------------------------------------------- figures


def plot_ratio_map(
    ratios: NDArray[Any], *, users: Sequence[int], length_ratios: Sequence[float], title: str,
    other: NDArray[Any] | None = None, marked: float | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """The map in colours, with a line where both cost the same, and dashed that of `other`; a length ratio marked."""
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.lines import Line2D

    ax = _axes(ax, figsize=(8.4, 4.8))
    shades = LinearSegmentedColormap.from_list("verdict", [ORANGE, "white", BLUE])
    image = ax.pcolormesh(users, length_ratios, np.log2(ratios), cmap=shades, vmin=-2, vmax=2, shading="nearest")
    key = []
    for values, label in ((ratios, "equal cost, as coloured"), (other, "equal cost, the other way")):
        if values is not None:
            line = Line2D([], [], color="black", linestyle="-" if values is ratios else "--", label=label)
            ax.contour(
                users, length_ratios, np.log2(values), levels=[0.0], colors="black", linestyles=line.get_linestyle()
            )
            key.append(line)
    if marked is not None:
        ax.axhline(marked, color="#444444", linestyle=":", linewidth=1.5)
        key.append(Line2D([], [], color="#444444", linestyle=":", label=f"length ratio {marked:.2f}, as published"))
    bar = ax.figure.colorbar(image, ax=ax, ticks=[-2, -1, 0, 1, 2])
    bar.ax.set_yticklabels(["1/4 or less", "1/2", "1", "2", "4 or more"])
    bar.set_label("euros for a right answer, R1 / QwQ")
    ax.set(xscale="log", xlabel="users who wait at the same time", ylabel="tokens of an answer, R1 / QwQ")
    ax.set_title(title, loc="left", fontsize=11)
    ax.legend(handles=key, loc="upper right", fontsize=8)
    ax.grid(False)
    return ax


def plot_draws(ratios: Mapping[str, NDArray[Any]], *, title: str, ax: Axes | None = None) -> Axes:
    """For each scenario nine draws of ten as a bar, the middle as a dot, and how often QwQ is cheaper.

    Draws in which R1 cannot be served count as QwQ's and are not in the bar; where it is all of them there is an arrow.
    """
    import numpy as np

    ax = _axes(ax, figsize=(8.4, 0.6 * len(ratios) + 1.5))
    ax.axvline(1, color="#444444", linestyle="-", linewidth=1)
    for y, values in enumerate(ratios.values()):
        wins = f"QwQ cheaper in {np.mean(values > 1):.0%}"
        if np.isinf(values).all():
            ax.plot(8, y, ">", color=BLUE, markersize=9)
            ax.annotate("R1 does not fit", (8, y), (-10, 0), textcoords="offset points", va="center", ha="right")
            continue
        low, middle, high = np.quantile(values[np.isfinite(values)], [0.05, 0.5, 0.95])
        ax.plot([low, high], [y, y], "-", color=BLUE, linewidth=5, alpha=0.5, solid_capstyle="butt")
        ax.plot(middle, y, "o", color=ORANGE, markersize=7)
        ax.annotate(wins, (middle, y), (0, 8), textcoords="offset points", ha="center", fontsize=8)
    ax.set_yticks(range(len(ratios)), list(ratios))
    ax.set(ylim=(len(ratios) - 0.4, -0.7), xscale="log", xlim=(0.2, 14), xlabel="euros for a right answer, R1 / QwQ")
    ax.set_xticks([0.25, 0.5, 1, 2, 4, 8], ["1/4", "1/2", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.grid(False, axis="y")
    ax.set_title(title, loc="left", fontsize=11)
    return ax


def plot_one_at_a_time(
    ends: Mapping[str, tuple[float, float]], *, middle: float, title: str, ax: Axes | None = None
) -> Axes:
    """A bar for each assumption, from the ratio at its low end (orange) to that at its high end (blue): a tornado."""
    ax = _axes(ax, figsize=(8.4, 0.34 * len(ends) + 1.6))
    for y, (low, high) in enumerate(ends.values()):
        ax.plot([low, high], [y, y], "-", color="#BBBBBB", linewidth=7, solid_capstyle="butt")
        ax.plot(low, y, "o", color=ORANGE, label="at its low end" if y == 0 else None)
        ax.plot(high, y, "s", color=BLUE, label="at its high end" if y == 0 else None)
    ax.axvline(middle, color="#444444", linestyle=":", linewidth=1)
    ax.axvline(1, color="#444444", linestyle="-", linewidth=1)
    ax.set_yticks(range(len(ends)), list(ends))
    ax.set(ylim=(len(ends) - 0.4, -0.6), xlabel="euros for a right answer, R1 / QwQ (dotted: as assumed)")
    ax.grid(False, axis="y")
    ax.set_title(title, loc="left", fontsize=11)
    ax.legend(loc="lower right", fontsize=8)
    return ax


UNITS = {"right_per_hour": "hour of waiting", "right_per_kwh": "kWh", "right_per_eur": "euro"}


def plot_outcomes(qwq: Outcome, r1: Outcome, *, title: str, ax: Axes | None = None) -> Axes:
    """Right answers per hour, kWh and euro, R1's as a multiple of QwQ's, on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax = _axes(ax, figsize=(8.4, 2.6))
    shares = [getattr(r1, name) / getattr(qwq, name) for name in UNITS]
    ax.barh(
        list(UNITS.values()), [share - 1 for share in shares], left=1, color=[BLUE if s < 1 else ORANGE for s in shares]
    )
    for y, (name, share) in enumerate(zip(UNITS, shares, strict=True)):
        text = f"QwQ {getattr(qwq, name):,.3g}, R1 {getattr(r1, name):,.3g}"
        ax.annotate(text, (max(share, 1), y), (6, 0), textcoords="offset points", va="center", fontsize=9)
    ax.axvline(1, color="#444444", linestyle="-", linewidth=1)
    ax.set(
        xscale="log", xlim=(min(0.2, *shares) / 1.5, 4 * max(5, *shares)), ylim=(2.6, -0.6), ylabel="right answers per"
    )
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("R1 over QwQ (left of 1: QwQ gives more)")
    ax.grid(False, axis="y")
    ax.set_title(title, loc="left", fontsize=11)
    return ax
