"""Figures that the lessons share. Every function takes `ax=None`, draws, and returns the Axes.

The one-line text for those who cannot see a figure is printed by the lesson that draws it. Colours and dashes are set
once, by `racecourse.learn.setup.style_figures`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.fits import Fit

BLUE, ORANGE, PALE = "#0072B2", "#D55E00", "#EEEEEE"


def _axes(ax: Axes | None, **figure_options: Any) -> Axes:
    """The given axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained", **figure_options)[1]


def plot_fits(fits: Sequence[Fit], *, title: str, ax: Axes | None = None) -> Axes:
    """A grid of models and number formats: dark where the model fits. Each cell holds GB, and tokens/s at most."""
    from matplotlib.patches import Patch

    ax = _axes(ax, figsize=(8.4, 4.8))
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


def plot_speeds(speeds: dict[str, Sequence[float]], names: Sequence[str], ax: Axes | None = None) -> Axes:
    """One row for each way of knowing the speed ("measured", "memory, ..."), one marker per model, on a log axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    ax = _axes(ax, figsize=(7.5, 3.6))
    ways = list(speeds)
    for i, name in enumerate(names):
        values = [speeds[way][i] for way in ways]
        above = 1 if i % 2 == 0 else -1
        ax.plot(values, range(len(ways)), "os^D"[i % 4], markersize=9, label=name)
        for y, value in enumerate(values):
            ax.annotate(_short(value), (value, y), (0, 9 * above), textcoords="offset points", ha="center",
                        va="bottom" if above > 0 else "top", fontsize=9)  # fmt: skip
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.margins(x=0.12)
    ax.set_ylim(len(ways) - 0.4, -0.6)
    ax.set_yticks(range(len(ways)), ways)
    ax.set_xlabel("speed (tokens/s, logarithmic)")
    ax.set_ylabel("how we know")
    ax.set_title("How fast does it write? Three predictions and the truth", loc="left")
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncol=2, frameon=False)
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


def plot_attention(
    weights: Sequence[Sequence[float]], tokens: Sequence[str], *, title: str, ax: Axes | None = None
) -> Axes:
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


def plot_load_bands(
    steps: Sequence[int], load_SE: Sequence[Sequence[float]], *, title: str, ax: Axes | None = None
) -> Axes:
    """One band per expert, as high as its share of the routed slots; bands of even shares end on the dotted lines."""
    ax = _axes(ax)
    n_experts = len(load_SE[0])
    percents_ES = [[100 * share for share in column] for column in zip(*load_SE, strict=True)]
    bottom = 0.0
    for expert, (band, percents) in enumerate(zip(ax.stackplot(steps, percents_ES), percents_ES, strict=True)):
        band.set(**_tint(expert))
        if percents[-1] >= 4:  # a thinner band has no room for its number
            ax.text(steps[-1], bottom + percents[-1] / 2, f" {expert}", va="center", fontsize=9)
        bottom += percents[-1]
        if expert:
            ax.axhline(100 * expert / n_experts, color="black", linestyle=":", linewidth=0.8)
    ax.set(title=title, xlabel="training step (numbers on the right: experts)", ylabel="share of the routed slots (%)")
    ax.set(xlim=(steps[0], steps[-1]), ylim=(0, 100))
    ax.grid(False)
    return ax


def _tint(expert: int) -> dict[str, Any]:
    """A pale fill that dark text can be read on; hatched from the eighth expert on, where colours begin again."""
    from racecourse.learn.setup import COLOURS

    again, colour = divmod(expert, len(COLOURS))
    return {"facecolor": (COLOURS[colour], 0.35), "edgecolor": "white", "hatch": ("", "///", "...", "xxx")[again % 4]}


def plot_expert_load(
    steps: Sequence[int], load_SE: Sequence[Sequence[float]], *, title: str, marked: int = -1,
    most: float | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Each expert's share of the routed slots over training: a row per expert, a column per record.

    The even share is the middle of the scale. The record `marked` is framed, and its shares stand on the right. `most`
    is the share at the bright end of the scale: give it where several figures are to be compared.
    """
    from matplotlib.patches import Rectangle

    n_records, n_experts = len(load_SE), len(load_SE[0])
    ax = _axes(ax, figsize=(7.5, 0.3 * n_experts + 1.8))
    marked %= n_records
    most = most if most is not None else max(2 / n_experts, *(max(load_E) for load_E in load_SE))
    _share_image(ax, list(zip(*load_SE, strict=True)), even=1 / n_experts, most=most)
    for colour, width in (("black", 4.0), ("white", 1.5)):
        ax.add_patch(Rectangle((marked - 0.5, -0.5), 1, n_experts, fill=False, edgecolor=colour, linewidth=width))
    apart = -(-n_records // 8)  # at most eight steps are written
    ax.set_xticks(range(0, n_records, apart), [f"{step:,}" for step in steps[::apart]])
    ax.set_yticks(range(n_experts))
    shares = ax.secondary_yaxis("right")
    shares.set_yticks(range(n_experts), [f"{100 * share:.1f}%" for share in load_SE[marked]], fontsize=8)
    shares.set_ylabel(f"at step {steps[marked]:,} (framed)")
    ax.set(title=title, xlabel="training step", ylabel="expert")
    return ax


def plot_domain_map(
    share_DE: Sequence[Sequence[float]], domains: Sequence[str], *, title: str, ax: Axes | None = None
) -> Axes:
    """Which experts a domain's tokens go to: a row per domain (sums to 1), a column per expert, percent in cells."""
    n_experts = len(share_DE[0])
    ax = _axes(ax, figsize=(min(12.0, 0.5 * n_experts + 3.2), 0.5 * len(domains) + 1.7))
    most = max(2 / n_experts, *(max(share_E) for share_E in share_DE))
    image = _share_image(ax, share_DE, even=1 / n_experts, most=most)
    for y, share_E in enumerate(share_DE):
        for x, share in enumerate(share_E):
            dark = image.norm(share) < 0.5
            ax.text(
                x, y, f"{100 * share:.0f}", ha="center", va="center", color="white" if dark else "black", fontsize=9
            )
    ax.set_xticks(range(n_experts))
    ax.set_yticks(range(len(domains)), domains)
    ax.set(title=title, xlabel="expert (cells: % of the domain's routed slots)", ylabel="domain")
    return ax


def _share_image(ax: Axes, share_RC: Sequence[Sequence[float]], *, even: float, most: float) -> Any:
    """Shares as colours that grow brighter, also in print, with the even share in the middle of the scale."""
    from matplotlib.colors import TwoSlopeNorm

    image = ax.imshow(share_RC, norm=TwoSlopeNorm(even, 0, most), cmap="cividis", aspect="auto", interpolation="none")
    bar = ax.figure.colorbar(image, ax=ax, ticks=[0, even, most])
    bar.ax.set_yticklabels(["0%", f"even: {100 * even:.3g}%", f"{100 * most:.3g}%"], fontsize=9)
    ax.grid(False)
    ax.tick_params(length=0)
    return image


class _Part(NamedTuple):
    """A token, or what a new line left of it, at its place on the page."""

    token: int
    line: int
    column: float
    text: str


VISIBLE = str.maketrans({" ": "·", "\n": "↵", "\t": "→"})
COLUMNS = 64  # characters of a line in the routing figure
GAP = 0.4  # between two tokens, in characters


def _lay_out(pieces: Sequence[str], columns: int) -> list[_Part]:
    """Tokens set like text: a line ends at a new line, or before a token that would not fit."""
    parts: list[_Part] = []
    line, column = 0, 0.0
    for token, piece in enumerate(pieces):
        for text in piece.splitlines(keepends=True):
            if column and column + len(text) > columns:
                line, column = line + 1, 0.0
            parts.append(_Part(token, line, column, text))
            column += len(text) + GAP
            if text.endswith("\n"):
                line, column = line + 1, 0.0
    return parts


def routing_size(pieces: Sequence[str], columns: int = COLUMNS) -> tuple[float, float]:
    """Inches of the figure that holds this text."""
    return 8.4, 0.42 * (_lay_out(pieces, columns)[-1].line + 1) + 0.9


def plot_routing(
    pieces: Sequence[str], expert_T: Sequence[int], *, title: str, only: int | None = None, columns: int = COLUMNS,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """A text, token by token: the small number under each box, and its tint, say which expert took the token.

    `only` picks out the tokens of one expert. Spaces, new lines and tabs are drawn as ·, ↵ and →.
    """
    from matplotlib.patches import Rectangle

    parts = _lay_out(pieces, columns)
    ax = _axes(ax, figsize=routing_size(pieces, columns))
    points_per_column = 72 * ax.get_window_extent().width / ax.figure.dpi / columns
    size = min(13.0, points_per_column / 0.602)  # this font's characters are 0.602 of its size wide
    for token, line, column, text in parts:
        expert = int(expert_T[token])
        style, ink, number_ink = _tint(expert), "black", "black"
        if only is not None:
            fill, ink, number_ink = (BLUE, "white", "black") if expert == only else ("white", "#666666", "#777777")
            style = {"facecolor": fill, "edgecolor": "#888888"}
        ax.add_patch(Rectangle((column, line - 0.44), len(text), 0.62, linewidth=0.6, **style))
        shown = "".join(c if c.isprintable() else "□" for c in text.translate(VISIBLE))
        middle = column + len(text) / 2
        ax.text(middle, line - 0.13, shown, ha="center", va="center_baseline", color=ink, size=size,
                family="monospace", parse_math=False)  # fmt: skip  # a $ in the text is no formula
        ax.text(middle, line + 0.36, str(expert), ha="center", va="center", color=number_ink, size=7.5)
    ax.set(xlim=(-0.5, columns + 0.5), ylim=(parts[-1].line + 0.6, -0.6), xticks=[], yticks=[])
    ax.set(title=title, xlabel="tokens in reading order (number under each: its expert)", ylabel="line of text")
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return ax


def plot_isoflop(
    curves: dict[str, tuple[Sequence[float], Sequence[float]]], best: tuple[float, float], *, title: str,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Predicted loss against model size, one curve per budget: (parameters, losses). `best` is marked with a star."""
    ax = _axes(ax)
    for label, (parameters, losses) in curves.items():
        ax.plot(parameters, losses, label=label)
    ax.plot(*best, "*", color="black", markersize=14, label=f"lowest: {best[0]:.3g} parameters")
    ax.set_xscale("log")
    ax.set(title=title, xlabel="parameters (logarithmic)", ylabel="predicted loss (nats per token)")
    ax.legend(frameon=False)
    return ax
