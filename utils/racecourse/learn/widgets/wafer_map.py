"""A wafer with defects thrown at it: choose the die, the defects, how they cluster, and the throw."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from racecourse.learn.widgets.explorer import Choice, Slider, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer

# As alpha grows, clusters vanish; with infinity there are none.
CLUSTERS = {"none: every place alike": math.inf, "weak, alpha 5": 5.0, "usual, alpha 2": 2.0, "strong, alpha 0.5": 0.5}
DEFAULT: dict[str, Any] = {"die_mm2": 814, "defects": 0.1, "alpha": math.inf, "seed": 1}


def wafer_map_explorer() -> Explorer:
    """The explorer over wafers of 300 mm."""
    controls = {
        "die_mm2": Slider("Die, mm2", low=40, high=850, value=DEFAULT["die_mm2"]),
        "defects": Slider(
            "Defects per cm2", low=0.0, high=0.5, step=0.01, value=DEFAULT["defects"]
        ),
        "alpha": Choice("Clusters", options=CLUSTERS, value=DEFAULT["alpha"]),
        "seed": Slider("Throw", low=1, high=20, value=DEFAULT["seed"]),
    }  # fmt: skip
    return explorer("A wafer with defects", draw_wafer, controls, size=(9.0, 5.4))


def draw_wafer(ax: Axes, die_mm2: float, defects: float, alpha: float, seed: int) -> str:
    """Draw the wafer and return its yield in words, beside the formula's."""
    from racecourse.hardware import die_yield, throw_defects
    from racecourse.learn.chips import plot_wafer

    clustered = alpha < math.inf
    wafer = throw_defects(die_area_mm2=die_mm2, defects_per_cm2=defects, alpha=alpha if clustered else None, seed=seed)
    expected = (
        die_yield(die_area_mm2=die_mm2, defects_per_cm2=defects, model="negative-binomial", alpha=alpha)
        if clustered
        else die_yield(die_area_mm2=die_mm2, defects_per_cm2=defects)
    )
    plot_wafer(wafer, title=f"{wafer.n_good} of {len(wafer.dies)} dies of {die_mm2:g} mm2 work", ax=ax)
    name = f"The negative binomial's (alpha {alpha:g})" if clustered else "Poisson's"
    return (
        f"{len(wafer.dies)} whole dies of {die_mm2:g} mm2, {len(wafer.defects)} defects: {wafer.n_good} dies work, "
        f"{wafer.good_share:.1%}. {name} formula says {expected:.1%}."
    )
