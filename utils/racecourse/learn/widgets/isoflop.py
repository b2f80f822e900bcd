"""One training budget, every way to split it between model and data: choose the law and the budget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import Choice, Slider, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer
    from racecourse.scaling.laws import Law


def isoflop_explorer(laws: Mapping[str, Law] | None = None, *, lowest: int = 12, highest: int = 26) -> Explorer:
    """The explorer over laws by name, by default the published ones, and budgets of 10^lowest to 10^highest FLOP."""
    from racecourse.scaling.laws import PUBLISHED_LAWS

    laws = dict(laws or PUBLISHED_LAWS)

    def draw(ax: Axes, law: str, budget: float) -> str:
        return draw_isoflop(ax, law, laws[law], 10**budget)

    controls = {
        "law": Choice("Law", options=list(laws), value=list(laws)[-1]),
        "budget": Slider("Budget, 10^x FLOP", low=lowest, high=highest, step=0.25, value=min(23.75, highest)),
    }
    return explorer("One training budget, split every way", draw, controls)


def draw_isoflop(ax: Axes, name: str, law: Law, flops: float) -> str:
    """Draw the budget's curve, and those of a tenth and of ten times as much; return the optimum in words."""
    import numpy as np

    from racecourse.learn.plots import plot_isoflop
    from racecourse.scaling.laws import compute_optimal

    optimum = compute_optimal(law, flops)
    n_parameters = optimum.n_parameters * np.logspace(-1.5, 1.5, 61)
    curves = {
        f"{budget:.2g} FLOP": (
            n_parameters.tolist(),
            law.loss(n_parameters=n_parameters, n_tokens=budget / 6 / n_parameters).tolist(),
        )
        for budget in (flops / 10, flops, flops * 10)
    }
    plot_isoflop(curves, (optimum.n_parameters, optimum.loss), title=name, ax=ax)
    return (
        f"{name}: {flops:.3g} FLOP are spent best on {optimum.n_parameters:.3g} parameters and {optimum.n_tokens:.3g} "
        f"tokens, {optimum.tokens_per_parameter:.3g} per parameter, for a loss of {optimum.loss:.3f}."
    )
