"""Figures that the lessons share. Every function takes `ax=None`, draws, and returns the Axes; none computes.

The one-line text for those who cannot see a figure comes from where its numbers come from, or from the function's
`..._in_words` companion. Colours and dashes are set once, by `racecourse.learn.setup.style_figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.fits import Fit

BLUE, ORANGE, PALE = "#0072B2", "#D55E00", "#EEEEEE"


def _axes(ax: Axes | None, **figure_options: object) -> Axes:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **figure_options)[1]


def plot_fits(fits: Sequence[Fit], *, title: str, ax: Axes | None = None) -> Axes:
    """A grid of models and number formats: dark where the model fits. Each cell holds GB, and tokens/s at most."""
    from matplotlib.patches import Patch

    ax = _axes(ax, figsize=(7.5, 4.6))
    models, formats = list(dict.fromkeys(f.model for f in fits)), list(dict.fromkeys(f.format for f in fits))
    for fit in fits:
        x, y = formats.index(fit.format), models.index(fit.model)
        ax.add_patch(_cell(x, y, BLUE if fit.fits else PALE))
        words = f"{_short(fit.gb)} GB\n≤ {_short(fit.tokens_per_s)} tokens/s" if fit.fits else f"{_short(fit.gb)} GB"
        ax.text(x, y, words, ha="center", va="center", fontsize=9, color="white" if fit.fits else "#444444")
    ax.set(xlim=(-0.5, len(formats) - 0.5), ylim=(len(models) - 0.5, -0.5))
    ax.set_xticks(range(len(formats)), formats)
    ax.set_yticks(range(len(models)), models)
    ax.grid(False)
    ax.tick_params(length=0)
    ax.set_xlabel("number format (cells: GB of weights, tokens/s at most)")
    ax.set_ylabel("model")
    ax.set_title(title, fontsize=11, loc="left")
    key = [Patch(color=BLUE, label="fits"), Patch(color=PALE, label="too large")]
    ax.legend(handles=key, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return ax


def _cell(x: float, y: float, colour: str):
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour)


def _short(value: float) -> str:
    """Three figures, and no exponent for large numbers."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot_speeds(
    limits: dict[str, Sequence[float]], measured: Sequence[float], names: Sequence[str], ax: Axes | None = None
) -> Axes:
    """Predicted tokens per second as bars, one group per model, and what was measured as a black line across each.

    The axis is logarithmic: predictions may be wrong by factors.
    """
    ax = _axes(ax)
    width = 0.8 / len(limits)
    for i, (label, speeds) in enumerate(limits.items()):
        x = [j - 0.4 + width * (i + 0.5) for j in range(len(names))]
        bars = ax.bar(x, speeds, width * 0.92, label=label, hatch=("", "//", "..")[i % 3], edgecolor="white")
        ax.bar_label(bars, [_short(speed) for speed in speeds], fontsize=9)
    for j, speed in enumerate(measured):
        label = "measured" if j == 0 else None
        ax.plot([j - 0.45, j + 0.45], [speed, speed], color="black", linestyle="-", linewidth=2.5, label=label)
        ax.annotate(_short(speed), (j + 0.46, speed), va="center", fontsize=10, fontweight="bold")
    ax.set_yscale("log")
    ax.set_xticks(range(len(names)), names)
    ax.grid(False, axis="x")
    ax.set_xlabel("model (its weights in GB)")
    ax.set_ylabel("speed (tokens/s, logarithmic)")
    ax.set_title("How fast will it write? Three predictions and the truth")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return ax


def plot_curves(
    x: Sequence[float], curves: dict[str, Sequence[float]], *, title: str, xlabel: str, ylabel: str,
    log_y: bool = False, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Several curves over one x, told apart by colour, dash and marker."""
    ax = _axes(ax)
    for (label, y), marker in zip(curves.items(), "os^Dvx*", strict=False):
        ax.plot(x, y, marker=marker, markersize=4, label=label)
    if log_y:
        ax.set_yscale("log")
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if len(curves) > 1:
        ax.legend(frameon=False)
    return ax


def plot_agreement(expected: Sequence[float], got: Sequence[float], *, title: str, ax: Axes | None = None) -> Axes:
    """One dot per logit: the witness's value across, ours up. Equal numbers lie on the black diagonal."""
    ax = _axes(ax, figsize=(4.2, 4.2))
    ends = [min(expected), max(expected)]
    ax.plot(ends, ends, color="black", linestyle="-", linewidth=1)
    ax.scatter(expected, got, s=5, color=BLUE, alpha=0.4, linewidths=0, rasterized=True)
    ax.set(title=title, xlabel="logit of the reference", ylabel="logit of the code under test")
    return ax


def plot_losses(losses: dict[str, float], *, title: str, marks: dict[str, float], ax: Axes | None = None) -> Axes:
    """Horizontal bars of loss, smallest on top; `marks` are vertical lines to compare with."""
    ax = _axes(ax, figsize=(8.0, 0.42 * len(losses) + 1.6))
    names = sorted(losses, key=losses.__getitem__)
    ax.bar_label(ax.barh(names, [losses[name] for name in names], color=BLUE), fmt="%.2f", padding=3, fontsize=9)
    for (label, loss), dash in zip(marks.items(), ("-", "--", ":"), strict=False):
        ax.axvline(loss, color=ORANGE, linestyle=dash, label=f"{label}: {loss:.2f}")
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set_xlim(0, 1.12 * max(*losses.values(), *marks.values()))
    ax.set(title=title, xlabel="loss on the text (nats per token)", ylabel="what was changed")
    ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.32 * 5 / (len(losses) + 4)), ncols=len(marks))
    return ax


def plot_attention(weights: Sequence[Sequence[float]], tokens: Sequence[str], *, title: str, ax: Axes | None = None) -> Axes:
    """One head's weights as a picture: a row per token that looks, a column per token that is looked at."""
    ax = _axes(ax, figsize=(5.2, 5.0))
    image = ax.imshow(weights, vmin=0, vmax=1, cmap="cividis")
    ax.set_xticks(range(len(tokens)), tokens, rotation=90, fontsize=8)
    ax.set_yticks(range(len(tokens)), tokens, fontsize=8)
    ax.grid(False)
    ax.set(title=title, xlabel="token that is looked at", ylabel="token that looks")
    ax.figure.colorbar(image, ax=ax, label="attention weight (a row sums to 1)", shrink=0.75)
    return ax


def plot_next_tokens(
    tokens: Sequence[str], probabilities: Sequence[float], *, title: str, ax: Axes | None = None
) -> Axes:
    """Bars of probability, one per candidate token in the order given; what can never be drawn is marked "cut"."""
    ax = _axes(ax)
    bars = ax.barh(range(len(tokens)), probabilities, color=BLUE)
    ax.bar_label(bars, [f"{p:.3f}" if p > 0 else "cut" for p in probabilities], padding=3, fontsize=8)
    ax.set_yticks(range(len(tokens)), tokens, fontsize=9)
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set_xlim(0, 1.15 * max(probabilities))
    ax.set(title=title, xlabel="probability of being drawn", ylabel="next token")
    return ax


def plot_shares(counts: dict[str, dict[str, int]], *, title: str, ax: Axes | None = None) -> Axes:
    """One bar per model, cut into its parts' shares of the whole in percent; all models name the same parts."""
    ax = _axes(ax, figsize=(8.0, 2.8))
    left = dict.fromkeys(counts, 0.0)
    for i, part in enumerate(next(iter(counts.values()))):
        shares = [100 * parts[part] / sum(parts.values()) for parts in counts.values()]
        bars = ax.barh(list(counts), shares, left=list(left.values()), label=part, hatch=("", "//", "..", "xx")[i % 4],
                       color=f"C{i}", edgecolor="white")  # fmt: skip
        words = [f"{s:.0f}" if s >= 4 else "" for s in shares]
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
        ax.bar_label(bars, words, label_type="center", fontsize=9, bbox=box)
        left = {name: left[name] + share for name, share in zip(left, shares, strict=True)}
    ax.grid(False)
    ax.set(title=title, xlabel="share of all parameters (%)", ylabel="model", xlim=(0, 100))
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return ax
