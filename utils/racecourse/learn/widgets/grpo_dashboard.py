"""One run of reinforcement learning in four panels: choose the run and the seed.

The runs are those of lesson 05, as recorded; runs of your own can stand beside them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from racecourse.learn.widgets.explorer import Choice, Toggle, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.explorer import Control
    from racecourse.learn.widgets.frame import Explorer
    from racecourse.reasoning.grpo import History

NAMES = {"rewards": "{}", "bases": "{}, from another base", "countdown": "{}, search"}  # parts that have a history
DEFAULT: dict[str, Any] = {"run": "right answer", "seed": 0, "others": True}


class Run(NamedTuple):
    """One run: where it comes from, in words, and its columns by name, of steps and of evaluations."""

    source: str
    steps: Mapping[str, Sequence[float]]
    judged: Mapping[str, Sequence[float]]


@cache
def recorded_runs() -> dict[str, dict[int, Run]]:
    """The recorded runs that have a history, by name and seed. Read without torch, which `load_runs` needs."""
    text = files("racecourse.reasoning").joinpath("data/runs.json").read_text(encoding="utf-8")
    shipped = json.loads(text)
    source = f"recorded: {shipped['made_on']}"
    found: dict[str, dict[int, Run]] = {}
    for run in shipped["runs"]:
        if run["part"] in NAMES:
            history = run["history"]
            columns = (columns_of(history[rows]) for rows in ("steps", "evaluations"))
            found.setdefault(NAMES[run["part"]].format(run["name"]), {})[run["seed"]] = Run(source, *columns)
    return found


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


def own_run(history: History) -> Run:
    """A run of this notebook; `train_grpo` returns its history, and gives it to `on_evaluation` while it goes on."""
    rows = ([vars(row) for row in history.steps], [vars(row) for row in history.evaluations])
    return Run("run in this notebook", *map(columns_of, rows))


def grpo_dashboard_explorer(mine: Mapping[str, History] | None = None) -> Explorer:
    """The explorer; at first it shows the first of your own runs, if you give any.

    Raises:
        ValueError: a run of yours that has no step, or the name of a recorded one.
    """
    runs = dict(recorded_runs())
    for name, history in (mine or {}).items():
        if name in runs:
            raise ValueError(f"{name!r} is the name of a recorded run; call yours something else")
        if not history.steps:
            raise ValueError(f"run {name!r} has no step: there is nothing to show")
        runs[name] = {0: own_run(history)}
    first = next(iter(mine)) if mine else DEFAULT["run"]

    def draw(ax: Axes, run: str, seed: int, others: bool) -> str:
        return draw_run(ax, run, seed, others, runs)

    def seeds(run: str) -> Choice:
        return Choice("Seed", options=list(runs[run]), value=next(iter(runs[run])))

    def another_run(changed: set[str], values: dict[str, Any]) -> dict[str, Control]:
        return {"seed": seeds(values["run"])} if "run" in changed else {}

    controls = {
        "run": Choice("Reward", options=list(runs), value=first),
        "seed": seeds(first),
        "others": Toggle("Other seeds, in grey", value=DEFAULT["others"]),
    }
    return explorer("Reinforcement learning, run by run", draw, controls, size=(8.4, 5.6), adapt=another_run)


def draw_run(ax: Axes, run: str, seed: int, others: bool, runs: Mapping[str, Mapping[int, Run]] | None = None) -> str:
    """Draw four panels in the place of `ax`; say in words how the run began and ended."""
    from racecourse.learn.plots import BLUE, ORANGE

    seeds = (runs or recorded_runs())[run]
    chosen = seeds[seed]
    name = run if len(seeds) == 1 else f"{run}, seed {seed}"
    figure, place = ax.figure, ax.get_subplotspec()
    assert place is not None, "an axes of a grid"
    ax.set_axis_off()
    figure.suptitle(f"{name} ({chosen.source})", fontsize=9)
    grid = place.subgridspec(2, 2)
    panels = [figure.add_subplot(grid[i]) for i in range(4)]
    grey = [its for number, its in seeds.items() if others and number != seed]

    def lines(panel: Axes, title: str, *curves: tuple[str, str, str, str]) -> None:
        """One line for each (where, column, label, style), and those of other seeds behind the first."""
        where, column, _, _ = curves[0]
        for its in grey:
            rows = getattr(its, where)
            panel.plot(rows["step"], rows[column], "-", color="#BBBBBB", linewidth=0.8)
        for (where, column, label, style), colour in zip(curves, (BLUE, ORANGE), strict=False):
            rows = getattr(chosen, where)
            if rows:  # a run without a judge has no evaluations
                marker = "o" if where == "judged" else None
                panel.plot(rows["step"], rows[column], style, color=colour, marker=marker, markersize=3, label=label)
        panel.set_title(title, fontsize=9, loc="left")
        panel.set_xlabel("step", fontsize=8)
        panel.tick_params(labelsize=8)
        panel.set_ylim(bottom=0)
        if len(panel.get_legend_handles_labels()[0]) > 1:
            panel.legend(frameon=False, fontsize=7)

    lines(panels[0], "share right, held-out problems", ("judged", "accuracy", "drawn at temperature 1", "-"),
          ("judged", "greedy", "greedy", "--"))  # fmt: skip
    lines(panels[1], "tokens per answer", ("steps", "length", "training", "-"), ("judged", "length", "held out", "--"))
    lines(panels[2], "training answers", ("steps", "reward", "mean reward", "-"),
          ("steps", "signal", "groups that teach", "--"))  # fmt: skip
    for panel in (panels[0], panels[2]):
        panel.set_ylim(0, 1.03)
    if any(chosen.steps["kl"]):
        lines(
            panels[3], "nats per token", ("steps", "entropy", "entropy", "-"), ("steps", "kl", "KL to the start", "--")
        )
    else:
        lines(panels[3], "entropy, nats per token", ("steps", "entropy", "entropy", "-"))
    return describe_run(name, chosen)


def describe_run(name: str, run: Run) -> str:
    """How a run began and ended, in words."""

    def span(where: Mapping[str, Sequence[float]], column: str, how: str) -> str:
        return f"{where[column][0]:{how}} to {where[column][-1]:{how}}"

    steps = run.steps
    held_out = ""
    if run.judged:
        held_out = (
            f"right on held-out problems from {span(run.judged, 'accuracy', '.1%')} at temperature 1 and from "
            f"{span(run.judged, 'greedy', '.1%')} greedy; "
        )
    kl = f"KL to the start {steps['kl'][-1]:.3g} at the end" if any(steps["kl"]) else "KL was not measured"
    return (
        f"{name} ({run.source}), {len(steps['step'])} steps: {held_out}tokens per answer from "
        f"{span(steps, 'length', '.1f')}; mean reward from {span(steps, 'reward', '.2f')}; entropy from "
        f"{span(steps, 'entropy', '.2f')} nats per token; groups that teach from {span(steps, 'signal', '.0%')}; {kl}."
    )
