"""Figures of agents: how often each is right and how sure that is, and when the jobs of a store made their steps.

As in `plots`, a function takes `ax=None` and returns the Axes. Left out: any figure of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from racecourse.learn.plots import BLUE, ORANGE, _axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def wilson_interval(n_right: int, n_tasks: int, *, z: float = 1.96) -> tuple[float, float]:
    """The shares that fit n_right of n_tasks: 95 % of such intervals hold the true share (Wilson 1927).

    It stays between 0 and 1, and 0 of 79 is no proof of 0.

    >>> [round(share, 3) for share in wilson_interval(0, 79)]
    [0.0, 0.046]
    """
    if not 0 <= n_right <= n_tasks or n_tasks == 0:
        raise ValueError(f"{n_right} right of {n_tasks} tasks cannot be")
    share, spread = n_right / n_tasks, z * z / n_tasks
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread * spread / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def plot_scores(counts: Mapping[str, tuple[int, int]], *, title: str, ax: Axes | None = None) -> Axes:
    """For each policy the percentage right as a dot on the interval that fits its (right, tasks), and the counts."""
    ax = _axes(ax, figsize=(8.4, 0.42 * len(counts) + 1.4))
    for y, (n_right, n_tasks) in enumerate(counts.values()):
        low, high = (100 * share for share in wilson_interval(n_right, n_tasks))
        ax.plot([low, high], [y, y], color=BLUE, linestyle="-", linewidth=3, solid_capstyle="butt", alpha=0.5)
        ax.plot(100 * n_right / n_tasks, y, "o", color=ORANGE, markersize=7)
        ax.annotate(f"{n_right} of {n_tasks}", (high, y), (6, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_yticks(range(len(counts)), list(counts))
    ax.set_ylim(len(counts) - 0.5, -0.5)  # the first on top
    ax.grid(False, axis="y")
    ax.set(xlabel="tasks right, % (bar: 95 % interval)", ylabel="policy", xlim=(-1, 115), xticks=range(0, 101, 20))
    ax.set_title(title, loc="left", fontsize=11)
    return ax


def plot_job_steps(times: Sequence[Sequence[float]], *, title: str, ax: Axes | None = None) -> Axes:
    """One row for each job, one dot for each step, at its seconds."""
    ax = _axes(ax, figsize=(8.4, 0.2 * len(times) + 1.4))
    for number, its_times in enumerate(times, start=1):
        ax.plot(its_times, [number] * len(its_times), ".-", color=BLUE, markersize=8, linewidth=1)
    ax.invert_yaxis()
    ax.set_yticks([n for n in range(1, len(times) + 1) if n == 1 or n % 5 == 0])
    ax.set(xlabel="seconds after the first was submitted (dot: a saved step)", ylabel="job", xlim=(0, None))
    ax.set_title(title, loc="left", fontsize=11)
    return ax
