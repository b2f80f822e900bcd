"""Figures of policies that learn by reward: the live view of one run, many runs in one plot, pass@k curves.

As in `plots`, a function takes `ax=None` and returns the Axes. The live view draws on a whole figure, for `LiveFigure`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from racecourse.learn.plots import BLUE, ORANGE, _axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from racecourse.reasoning.grpo import History

STYLES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
MARKS = "osD^v"


def draw_policy(figure: Figure, history: History, n_steps: int) -> None:
    """Reward, held-out accuracy, length and entropy so far, and three sampled answers of the last evaluation."""
    axes = figure.subplots(2, 3, width_ratios=(1, 1, 1.25))
    steps = [step.step for step in history.steps]
    judged = [e.step for e in history.evaluations]
    panels = [
        ("reward, training answers", steps, history.column("reward") if steps else [], BLUE),
        ("right, held-out problems", judged, history.column("accuracy"), ORANGE),
        ("tokens per answer, held out", judged, history.column("length"), BLUE),
        ("entropy, nats per token", steps, history.column("entropy") if steps else [], BLUE),
    ]
    for ax, (title, x, y, colour) in zip(axes[:, :2].flat, panels, strict=True):
        ax.plot(x, y, color=colour, marker="o" if x is judged else None, markersize=4)
        ax.set(xlim=(0, n_steps), xlabel="step")
        ax.set_title(title, fontsize=9, loc="left")
        share = "tokens" not in title and "entropy" not in title
        ax.set_ylim(*((0, 1.02) if share else (0, max([*y, 0.1]) * 1.15)))
    for ax in axes[:, 2]:
        ax.axis("off")
    last = history.evaluations[-1]
    lines = [f"answers at step {last.step}", ""]
    for prompt, answer in last.examples:
        lines += [prompt, f"   {_shortened(answer, 34)}"]
    axes[0, 2].text(0, 1, "\n".join(lines), family="monospace", fontsize=8, va="top", transform=axes[0, 2].transAxes)


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 3] + "..."


def plot_policies(
    runs: Mapping[str, Sequence[History]], field: str, *, title: str, label: str, ax: Axes | None = None
) -> Axes:
    """One line for each kind of run, the mean over its seeds; the band goes from the lowest to the highest seed.

    `field` is one of `Evaluation`'s.
    """
    ax = _axes(ax, figsize=(6.4, 3.6))
    for i, (name, histories) in enumerate(runs.items()):
        steps = [e.step for e in histories[0].evaluations]
        rows = [history.column(field) for history in histories]
        middle = [sum(values) / len(values) for values in zip(*rows, strict=True)]
        (line,) = ax.plot(steps, middle, linestyle=STYLES[i % 5], marker=MARKS[i % 5], markersize=4, label=name)
        if len(rows) > 1:
            low, high = ([f(values) for values in zip(*rows, strict=True)] for f in (min, max))
            ax.fill_between(steps, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    ax.set(xlabel="step of reinforcement learning", ylabel=label)
    ax.set_title(title, fontsize=10, loc="left")
    return ax


def plot_pass_curves(
    curves: Mapping[str, Sequence[float]], ks: Sequence[int], *, title: str, ax: Axes | None = None
) -> Axes:
    """pass@k against k, a logarithmic axis."""
    ax = _axes(ax, figsize=(6.4, 3.6))
    for i, (name, curve) in enumerate(curves.items()):
        ax.plot(ks, curve, linestyle=STYLES[i % 5], marker=MARKS[i % 5], markersize=4, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(list(ks), [str(k) for k in ks])
    ax.set(xlabel="k, answers per problem", ylabel="pass@k", ylim=(0, 1.03))
    ax.set_title(title, fontsize=10, loc="left")
    return ax
