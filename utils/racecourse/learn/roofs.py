"""Figures of lesson 06: a roofline with points on it, predictions against measurements, and what memory is left for.

Every function takes `ax=None`, draws, and returns the Axes; the numbers come from `racecourse.hardware`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from racecourse.learn.plots import BLUE, ORANGE, _axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.models.config import ModelConfig


def attainable(intensity: float, *, gflops: float, gb_per_s: float) -> float:
    """GFLOP/s that memory and arithmetic allow at so many FLOP per byte: the roofline (Williams and others 2009).

    >>> attainable(0.5, gflops=100, gb_per_s=20), attainable(50, gflops=100, gb_per_s=20)
    (10.0, 100)
    """
    return min(gflops, gb_per_s * intensity)


def plot_roofline(
    *,
    gflops: float,
    gb_per_s: float,
    points: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    ax: Axes | None = None,
) -> Axes:
    """The roof, and for each name its points (FLOP per byte, GFLOP/s)."""
    import numpy as np

    ax = _axes(ax, figsize=(7.5, 4.2))
    ridge = gflops / gb_per_s
    seen = [x for row in points.values() for x, _ in row] + [ridge]
    x = np.geomspace(min(0.5, *seen) / 2, max(seen) * 5, 201)
    ax.plot(x, [attainable(i, gflops=gflops, gb_per_s=gb_per_s) for i in x], color="#444444", label="the roof")
    ax.axvline(ridge, color="#999999", linewidth=0.8, linestyle=":")
    for (name, row), marker in zip(points.items(), "osD^vPX*" * 9, strict=False):
        ax.plot(*zip(*row, strict=True), marker=marker, linestyle="-" if len(row) > 1 else "", label=name)
    ax.set(xscale="log", yscale="log", xlabel="intensity (FLOP per byte read)", ylabel="GFLOP/s")
    ax.set_title(title, fontsize=11, loc="left")
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_predictions(rows: Mapping[str, Sequence[tuple[float, float]]], *, title: str, ax: Axes | None = None) -> Axes:
    """Points (measured, predicted), in milliseconds, for each way of predicting, and the line where both are equal."""
    ax = _axes(ax, figsize=(5.6, 4.8))
    for (name, pairs), colour, marker in zip(rows.items(), (BLUE, ORANGE, "#888888"), "os^", strict=False):
        ax.plot(*zip(*pairs, strict=True), marker=marker, linestyle="", color=colour, label=name, alpha=0.8)
    ends = [value for pairs in rows.values() for pair in pairs for value in pair]
    line = (min(ends) / 1.3, max(ends) * 1.3)
    ax.plot(line, line, color="#444444", linewidth=1, label="predicted = measured")
    ax.set(xscale="log", yscale="log", xlabel="measured, ms per step", ylabel="predicted, ms per step")
    ax.set_title(title, fontsize=11, loc="left")
    ax.legend(frameon=False, fontsize=8)
    return ax


def plot_kv_budget(
    configs: Mapping[str, ModelConfig], *, memory_gb: float, bits_per_weight: float, marked: int = 1,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """The longest context that each of 1 to 256 conversations may have beside the weights; one number is marked."""
    from racecourse.hardware.memory import longest_context

    ax = _axes(ax, figsize=(7.5, 4.2))
    sizes = sorted({2**power for power in range(9)} | {marked})
    for name, config in configs.items():
        longest = [
            longest_context(config, memory_gb=memory_gb, batch_size=size, bits_per_weight=bits_per_weight)
            for size in sizes
        ]
        if longest[0]:
            ax.plot(sizes, [max(n, 0.5) for n in longest], marker="o", markersize=4, label=name)
    ax.axvline(marked, color="#999999", linewidth=0.8, linestyle=":")
    ax.set(
        xscale="log", yscale="log", xlabel="conversations at once", ylabel="tokens for each, at most", xlim=(0.9, 290)
    )
    ax.set_title(f"{memory_gb:,.0f} GB of memory, {bits_per_weight:g} bits a weight", fontsize=11, loc="left")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=8)
    return ax


def describe_kv_budget(
    configs: Mapping[str, ModelConfig], *, memory_gb: float, bits_per_weight: float, marked: int
) -> str:
    """The marked number in words."""
    from racecourse.hardware.memory import longest_context

    said = []
    for name, config in configs.items():
        n = longest_context(config, memory_gb=memory_gb, batch_size=marked, bits_per_weight=bits_per_weight)
        said.append(f"{name} {n:,} tokens" if n else f"{name} none: its weights do not fit")
    return f"With {marked} conversation(s) in {memory_gb:,.0f} GB at {bits_per_weight:g} bits: {'; '.join(said)}."
