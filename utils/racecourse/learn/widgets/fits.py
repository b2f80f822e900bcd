"""Which models fit a computer, and how fast they could write: choose the computer, how many, and what stays free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import Choice, Slider, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.fits import Computer
    from racecourse.learn.widgets.frame import Explorer


def fits_explorer(computers: Sequence[Computer] | None = None) -> Explorer:
    """The explorer over `computers`, the first one chosen; by default those of the data sheets."""
    from racecourse.learn.fits import COMPUTERS, describe_fits, fit_all, known_counts, usable_gb
    from racecourse.learn.plots import plot_fits

    computers = list(computers or COMPUTERS)
    counts = known_counts()

    def draw(ax: Axes, computer: int, chips: int, reserve: int) -> str:
        chosen, share = computers[computer], reserve / 100
        fits = fit_all(chosen, counts, reserve=share, chips=chips)
        usable = usable_gb(chosen, reserve=share, chips=chips)
        plot_fits(fits, title=f"{chips} x {chosen.name}: {usable:.1f} GB usable ({chosen.source})", ax=ax)
        return describe_fits(chosen, fits, reserve=share, chips=chips)

    names = {computer.name: i for i, computer in enumerate(computers)}
    controls = {
        "computer": Choice("Computer", options=names, value=0),
        "chips": Slider("How many", low=1, high=16, value=1),
        "reserve": Slider("Memory kept free, %", low=0, high=60, step=5, value=20),
    }
    return explorer("What fits this computer", draw, controls)
