"""Figures of chips: where they stand under a rule, how close to its limits, what a wafer yields, what training costs.

As in `plots`, a function takes `ax=None` and returns the Axes. Left out: any figure of its own; what is drawn was
computed in `racecourse.hardware`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from racecourse.hardware import RULES, performance_density, total_processing_performance
from racecourse.learn.plots import BLUE, ORANGE, PALE, _axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.hardware import Chip, WaferMap
    from racecourse.hardware.export_rules import Rule

TPP_LIMITS, DENSITY_LIMITS = (60.0, 60_000.0), (0.14, 60.0)  # of the axes
UNKNOWN_DENSITY = 0.2  # where chips stand whose die area is not known
UNKNOWN_BELOW = 0.28
FILLS = {"3A090.a": ("#F4C7A8", ""), "3A090.b": ("#FBE8D3", "....")}  # by the paragraph's first letter, with its hatch
LABEL_AT = {"3A090.a.1": (28e3, 0.5), "3A090.a.2": (2800, 34), "3A090.b.1": (3400, 2.1), "3A090.b.2": (1960, 4.5)}
BACKED = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.6}  # behind text


def short_name(chip_name: str) -> str:
    """The part of a chip's name that tells it from others.

    >>> [short_name(name) for name in ("NVIDIA A100 SXM4 80GB", "NVIDIA GeForce RTX 4090 D", "Apple M1 (8-core GPU)")]
    ['A100', '4090 D', 'M1']
    """
    return re.sub(r"^(NVIDIA|AMD|Google|Apple|Huawei) |Instinct |GeForce RTX | SXM\d?| \d+GB| \(.*\)", "", chip_name)


def plot_rule(
    chips: Iterable[Chip], *, title: str, law: Rule = RULES["2023"], star: Chip | None = None, ax: Axes | None = None
) -> Axes:
    """TPP across, performance density up, both logarithmic, with the rule's paragraphs as areas.

    Filled dots are chips for data centres, rings are not. Chips whose die area is unknown stand in the strip at the
    bottom. `star` is drawn as a star with the grid of its figures.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import LogLocator, NullFormatter

    ax = _axes(ax, figsize=(9.0, 5.6))
    ax.set(xscale="log", yscale="log", xlim=TPP_LIMITS, ylim=DENSITY_LIMITS)
    for paragraph in reversed(law.paragraphs):  # the first to apply is drawn over the others
        left, right, bottom, top = _rectangle(paragraph.bounds)
        fill, hatch = FILLS[paragraph.name[:7]]
        ax.fill_between([left, right], bottom, top, facecolor=fill, edgecolor="#B5672E", hatch=hatch, linewidth=0.8)
    for name, place in LABEL_AT.items():
        ax.text(*place, name[6:], fontsize=12, color="#7A3E12", ha="center", va="center", bbox=BACKED)
    ax.axhline(UNKNOWN_BELOW, color="black", linewidth=0.8)
    ax.text(70, UNKNOWN_DENSITY, "die area unknown", fontsize=9, va="center", style="italic")

    places: dict[tuple[float, float], list[str]] = {}
    for chip in chips:
        x, y = _place(chip)
        ax.plot([x], [y], "o", color=BLUE, markersize=6, linestyle="", fillstyle="full" if chip.datacenter else "none")
        near = next((place for place in places if math.dist((math.log(x), math.log(y)), _log(place)) < 0.02), (x, y))
        names = places.setdefault(near, [])
        names += [short_name(chip.name)] * (short_name(chip.name) not in names)
    _write_labels(ax, {", ".join(names): place for place, names in places.items()}, [_place(star)] if star else [])
    if star is not None:
        x, y = _place(star)
        ax.plot([x], [y], "*", color="black", markersize=17, linestyle="")
        ax.axvline(x, color="black", linestyle=":", linewidth=0.8)
        ax.axhline(y, color="black", linestyle=":", linewidth=0.8)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(lambda value, _: f"{value:,g}" if value > UNKNOWN_BELOW else "")
        axis.set_minor_formatter(NullFormatter())
    ax.grid(False)
    ax.set(xlabel="TPP (dense TOPS x bits, logarithmic)", ylabel="performance density (TPP/mm2, logarithmic)")
    ax.set_title(title, loc="left", fontsize=11)
    key = [
        Patch(facecolor=FILLS["3A090.a"][0], edgecolor="#B5672E", label="3A090.a"),
        Patch(facecolor=FILLS["3A090.b"][0], edgecolor="#B5672E", hatch="....", label="3A090.b"),
        Line2D([], [], color=BLUE, marker="o", linestyle="", label="for data centres"),
        Line2D([], [], color=BLUE, marker="o", linestyle="", fillstyle="none", label="not for data centres"),
    ]
    if star is not None:
        key.append(Line2D([], [], color="black", marker="*", markersize=12, linestyle="", label=star.name))
    ax.legend(handles=key, loc="upper left", fontsize=9, frameon=False)
    return ax


def _place(chip: Chip) -> tuple[float, float]:
    return total_processing_performance(chip), performance_density(chip) or UNKNOWN_DENSITY


def _log(place: tuple[float, float]) -> tuple[float, float]:
    return math.log(place[0]), math.log(place[1])


def _rectangle(bounds: Sequence) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a paragraph on these axes; a figure that it does not ask for is free."""
    sides = {"tpp": list(TPP_LIMITS), "density": [UNKNOWN_BELOW, DENSITY_LIMITS[1]]}
    for bound in bounds:
        low, high = sides[bound.measure]
        sides[bound.measure] = [max(low, bound.at_least), min(high, bound.below)]
    if all(bound.measure == "tpp" for bound in bounds):  # then also chips of unknown area are inside
        sides["density"][0] = DENSITY_LIMITS[0]
    (left, right), (bottom, top) = sides["tpp"], sides["density"]
    return left, right, bottom, top


BESIDE = (  # where a label may stand: points from its dot, and which of its edges is there
    (7, 0, "left", "center"), (-7, 0, "right", "center"), (0, 7, "center", "bottom"), (0, -7, "center", "top"),
    (6, 6, "left", "bottom"), (-6, 6, "right", "bottom"), (6, -6, "left", "top"), (-6, -6, "right", "top"),
)  # fmt: skip


def _write_labels(
    ax: Axes, labels: Mapping[str, tuple[float, float]], more_points: Sequence[tuple[float, float]], size: float = 8.5
) -> None:
    """Each label beside its point, where it covers no point and no earlier label if there is such a place."""
    to_points = 72 / ax.figure.dpi
    at = {label: ax.transData.transform(place) * to_points for label, place in labels.items()}
    others = [ax.transData.transform(place) * to_points for place in more_points]
    taken = [(x - 4, y - 4, x + 4, y + 4) for x, y in [*at.values(), *others]]
    for label, (x, y) in at.items():
        width, height = 0.58 * size * len(label), 1.2 * size
        boxes = []
        for dx, dy, across, up in BESIDE:
            left = x + dx - {"left": 0, "center": width / 2, "right": width}[across]
            bottom = y + dy - {"bottom": 0, "center": height / 2, "top": height}[up]
            boxes.append((left, bottom, left + width, bottom + height))
        covered = [sum(_overlap(box, other) for other in taken) for box in boxes]
        best = covered.index(min(covered))
        dx, dy, across, up = BESIDE[best]
        ax.annotate(
            label, labels[label], (dx, dy), textcoords="offset points", ha=across, va=up, fontsize=size, bbox=BACKED
        )
        taken.append(boxes[best])


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """The area that two boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def plot_margins(shares: Mapping[str, float], *, title: str, ax: Axes | None = None) -> Axes:
    """A bar for each chip and limit: its figure in percent of the limit, which is the line at 100."""
    ax = _axes(ax, figsize=(8.4, 0.34 * len(shares) + 1.5))
    bars = ax.barh(list(shares), [100 * share for share in shares.values()], color=BLUE)
    ax.bar_label(bars, [f"{100 * share:.1f}" for share in shares.values()], padding=-34, color="white", fontsize=9)
    ax.axvline(100, color=ORANGE, linestyle="--", linewidth=2)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(xlabel="figure in percent of the limit (dashed: the limit)", ylabel="chip and limit", xlim=(0, 108))
    ax.set_title(title, loc="left", fontsize=11)
    return ax


def plot_wafer(wafer: WaferMap, *, title: str, ax: Axes | None = None) -> Axes:
    """A wafer with its dies and defects: plain squares work, hatched ones were hit, dots are defects."""
    from matplotlib.patches import Circle, Rectangle

    ax = _axes(ax, figsize=(5.2, 5.2))
    radius = wafer.diameter_mm / 2
    ax.add_patch(Circle((0, 0), radius, facecolor="white", edgecolor="black", linewidth=1.2))
    for die in wafer.dies:
        square = Rectangle((die.left_mm, die.bottom_mm), die.side_mm, die.side_mm, edgecolor="#555555")
        square.set(facecolor="#9CC9E3" if die.good else PALE, hatch="" if die.good else "////")
        ax.add_patch(square)
    if wafer.defects:
        x, y = zip(*wafer.defects, strict=True)
        ax.plot(x, y, ".", color=ORANGE, markersize=4, linestyle="")
    ax.set(xlim=(-1.04 * radius, 1.04 * radius), ylim=(-1.04 * radius, 1.04 * radius), aspect="equal")
    ax.set(xlabel="mm from the middle (hatched: lost, dots: defects)", ylabel="mm from the middle")
    ax.set_title(title, loc="left", fontsize=11)
    ax.grid(False)
    return ax


def plot_training_bills(
    usd: Mapping[str, float], *, title: str, mine: str | None = None, ax: Axes | None = None
) -> Axes:
    """A bar for each training run, millions of dollars on a logarithmic axis; the bar `mine` is hatched."""
    ax = _axes(ax, figsize=(8.4, 0.5 * len(usd) + 1.5))
    bars = ax.barh(
        list(usd), [dollars / 1e6 for dollars in usd.values()],
        color=[ORANGE if name == mine else BLUE for name in usd],
    )  # fmt: skip
    for bar, name in zip(bars, usd, strict=True):
        bar.set_hatch("//" if name == mine else "")
        bar.set_edgecolor("white")
    ax.bar_label(bars, [f"{dollars / 1e6:,.3g}" for dollars in usd.values()], padding=4, fontsize=10)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    ax.set_xlim(0.1, 6 * max(usd.values()) / 1e6)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(xlabel="rent of the GPU hours (million US dollars, logarithmic)", ylabel="training run")
    ax.set_title(title, loc="left", fontsize=11)
    return ax
