"""What a chip costs to make: dies on a wafer, how many of them work, and a wafer to watch it on.

Dies are squares without gaps between them, and a die with a defect is lost. Left out: scribe lines, the wafer's edge,
defects that kill nothing, the sale of partly working dies (an H100 has 132 of its die's 144 multiprocessors on), test,
packaging and memory, which may cost more than the die. The yield models are those of textbooks; sources agree on the
formulas and not on their names, and what is `rectangular` here is called Murphy's or Seeds' by some.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from racecourse.hardware.accelerators import check_positive

MM2_PER_CM2 = 100

# Share of dies without a defect, from x, the mean number of defects on a die. All but Poisson's let defects cluster:
# at the same x they then hit fewer dies.
YIELDS: dict[str, Callable[[float, float, int], float]] = {
    "poisson": lambda x, alpha, n_layers: math.exp(-x),
    "murphy": lambda x, alpha, n_layers: (math.expm1(-x) / x) ** 2,
    "rectangular": lambda x, alpha, n_layers: -math.expm1(-2 * x) / (2 * x),
    "seeds": lambda x, alpha, n_layers: 1 / (1 + x),
    "negative-binomial": lambda x, alpha, n_layers: (1 + x / alpha) ** -alpha,
    "bose-einstein": lambda x, alpha, n_layers: (1 + x / n_layers) ** -n_layers,
}

# Foundry prices of a processed 300 mm wafer, dollars, as CSET estimated them for 2020, read in a secondary copy.
WAFER_USD_2020 = {"16/12nm": 3_984, "10nm": 5_992, "7nm": 9_346, "5nm": 16_988}


def check_density(defects_per_cm2: float) -> None:
    if not 0 <= defects_per_cm2 < math.inf:
        raise ValueError(f"defects_per_cm2={defects_per_cm2!r} is below 0 or infinite; 0.05 to 0.2 are usual")


def dies_per_wafer(die_area_mm2: float, *, wafer_diameter_mm: float = 300) -> float:
    """About how many whole dies a round wafer has: its area, minus what is lost at its edge, in dies.

    pi (d/2)^2 / S - pi d / sqrt(2 S), an approximation for dies that are much smaller than the wafer.

    >>> round(dies_per_wafer(814), 1)
    63.5

    Raises:
        ValueError: a size that is not above 0, or a die so large that the formula leaves nothing.
    """
    check_positive(die_area_mm2=die_area_mm2, wafer_diameter_mm=wafer_diameter_mm)
    area = math.pi * (wafer_diameter_mm / 2) ** 2
    dies = area / die_area_mm2 - math.pi * wafer_diameter_mm / math.sqrt(2 * die_area_mm2)
    if dies <= 0:
        limit = wafer_diameter_mm**2 / 8
        raise ValueError(f"die_area_mm2={die_area_mm2} is too large for the formula; stay below {limit:.0f} mm2")
    return dies


def die_yield(
    *, die_area_mm2: float, defects_per_cm2: float, model: str = "poisson", alpha: float = 2.0, n_layers: int = 15
) -> float:
    """Share of dies that work.

    `alpha` is for "negative-binomial" only: how evenly defects are spread, 1 is Seeds' model, infinity is Poisson's,
    2 to 3 are usual. `n_layers` is for "bose-einstein" only: the defects are split evenly over so many critical layers.

    >>> round(die_yield(die_area_mm2=814, defects_per_cm2=0.1), 3)
    0.443

    Raises:
        ValueError: an unknown model, or a number out of range.
    """
    check_positive(die_area_mm2=die_area_mm2, alpha=alpha, n_layers=n_layers)
    check_density(defects_per_cm2)
    if model not in YIELDS:
        raise ValueError(f"model={model!r} is not known; there are {', '.join(YIELDS)}")
    x = die_area_mm2 / MM2_PER_CM2 * defects_per_cm2
    return YIELDS[model](x, alpha, n_layers) if x else 1.0


def defects_for_yield(
    *, die_area_mm2: float, target_yield: float, model: str = "poisson", alpha: float = 2.0, n_layers: int = 15
) -> float:
    """Defects per cm2 at which `die_yield` is `target_yield`, by bisection.

    >>> round(defects_for_yield(die_area_mm2=665, target_yield=0.4), 3)
    0.138

    Raises:
        ValueError: a yield that is not above 0 and up to 1, or what `die_yield` refuses.
    """
    if not 0 < target_yield <= 1:
        raise ValueError(f"target_yield={target_yield!r} is not above 0 and up to 1; 40 % is 0.4")

    def too_few(defects: float) -> bool:
        return target_yield < die_yield(
            die_area_mm2=die_area_mm2, defects_per_cm2=defects, model=model, alpha=alpha, n_layers=n_layers
        )

    low, high = 0.0, 1.0
    while too_few(high):
        low, high = high, 2 * high
    for _ in range(100):  # halves the interval each time; beyond the last bit of a float nothing moves
        middle = (low + high) / 2
        low, high = (middle, high) if too_few(middle) else (low, middle)
    return low


def cost_per_good_die(
    *,
    wafer_usd: float,
    die_area_mm2: float,
    defects_per_cm2: float,
    wafer_diameter_mm: float = 300,
    model: str = "poisson",
    alpha: float = 2.0,
    n_layers: int = 15,
) -> float:
    """Dollars of wafer for every die that works.

    >>> round(cost_per_good_die(wafer_usd=WAFER_USD_2020["5nm"], die_area_mm2=814, defects_per_cm2=0.1))
    604

    Raises:
        ValueError: what `dies_per_wafer` and `die_yield` refuse.
    """
    check_positive(wafer_usd=wafer_usd)
    good_share = die_yield(
        die_area_mm2=die_area_mm2, defects_per_cm2=defects_per_cm2, model=model, alpha=alpha, n_layers=n_layers
    )
    return wafer_usd / (dies_per_wafer(die_area_mm2, wafer_diameter_mm=wafer_diameter_mm) * good_share)


class Die(NamedTuple):
    """A whole die on a wafer whose centre is (0, 0)."""

    left_mm: float
    bottom_mm: float
    side_mm: float
    n_defects: int

    @property
    def good(self) -> bool:
        return self.n_defects == 0


@dataclass(frozen=True)
class WaferMap:
    """A wafer that has been made: plain data for a plot."""

    diameter_mm: float
    dies: tuple[Die, ...]
    defects: tuple[tuple[float, float], ...]  # x and y in mm; also those that hit no whole die

    @property
    def n_good(self) -> int:
        return sum(die.good for die in self.dies)

    @property
    def good_share(self) -> float:
        return self.n_good / len(self.dies)


def throw_defects(
    *,
    die_area_mm2: float,
    defects_per_cm2: float,
    alpha: float | None = None,
    wafer_diameter_mm: float = 300,
    seed: int = 0,
) -> WaferMap:
    """Throw defects at a wafer at random and see which dies they hit.

    Without `alpha` every place is equally likely, which gives Poisson's yield. With it, each place in the grid of dies
    has its own density, drawn from a gamma distribution of mean `defects_per_cm2` and shape `alpha`: the mixture is the
    negative binomial. A cluster is as large as a die, which is what that formula takes for granted.

    Raises:
        ValueError: a number out of range, or a wafer on which no die fits.
    """
    check_positive(die_area_mm2=die_area_mm2, wafer_diameter_mm=wafer_diameter_mm, alpha=1 if alpha is None else alpha)
    check_density(defects_per_cm2)
    rng = np.random.default_rng(seed)
    side, radius = math.sqrt(die_area_mm2), wafer_diameter_mm / 2

    # Stage 1: the grid. A corner of a die, the middle of one or the middle of an edge is put at the wafer's centre.
    n = math.ceil(radius / side) + 1
    corners = np.arange(-n, n + 1) * side
    grids = [
        np.stack(np.meshgrid(corners - x * side, corners - y * side), axis=-1).reshape(-1, 2)
        for x in (0, 0.5)
        for y in (0, 0.5)
    ]
    corner_G2 = max(grids, key=lambda grid_G2: whole(grid_G2, side, radius).sum())
    whole_G = whole(corner_G2, side, radius)
    if not whole_G.any():
        raise ValueError(f"no die of {side:.1f} x {side:.1f} mm fits on a wafer of {wafer_diameter_mm} mm; shrink it")

    # Stage 2: the defects.
    clumping = 1 if alpha is None else rng.gamma(alpha, 1 / alpha, len(corner_G2))
    counts_G = rng.poisson(defects_per_cm2 / MM2_PER_CM2 * die_area_mm2 * clumping, len(corner_G2))
    xy_N2 = np.repeat(corner_G2, counts_G, axis=0) + side * rng.random((counts_G.sum(), 2))
    xy_N2 = xy_N2[np.hypot(*xy_N2.T) <= radius]

    # Stage 3: the dies that were hit, looked up from where the defects are.
    column_N, row_N = np.floor((xy_N2 - corner_G2[0]) / side).astype(int).T
    hits_G = np.bincount(row_N * len(corners) + column_N, minlength=len(corner_G2))
    dies = zip(corner_G2[whole_G].tolist(), hits_G[whole_G].tolist(), strict=True)
    return WaferMap(
        diameter_mm=wafer_diameter_mm,
        dies=tuple(Die(left, bottom, side, hits) for (left, bottom), hits in dies),
        defects=tuple((x, y) for x, y in xy_N2.tolist()),
    )


def whole(corner_G2: np.ndarray, side: float, radius: float) -> np.ndarray:
    """Which squares lie on the wafer with all four corners."""
    far_G2 = np.maximum(np.abs(corner_G2), np.abs(corner_G2 + side))
    return np.hypot(*far_G2.T) <= radius
