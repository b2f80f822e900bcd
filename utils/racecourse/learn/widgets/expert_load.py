"""How evenly the experts are used over training: choose the run, the layer and the step.

Without arguments it shows a made-up router in which whoever is used becomes more attractive, so that it works where
nothing was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from racecourse.learn.widgets.explorer import Choice, Slider, Steps, explorer

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer
    from racecourse.scaling.training import History


class Loads(NamedTuple):
    """What a run's records say of its experts: S records, M layers with experts, E experts."""

    steps: Sequence[int]
    load_SME: np.ndarray


def loads_of(history: History) -> Loads:
    """The loads of a training run's records."""
    import numpy as np

    return Loads(history.column("step"), np.array(history.column("load")))


def describe_load(steps: Sequence[int], load_SE: Sequence[Sequence[float]], marked: int = -1) -> str:
    """The marked record in words: the busiest expert and the idlest, beside the even share."""
    load_E = [float(load) for load in load_SE[marked]]
    busiest, idlest = (pick(range(len(load_E)), key=load_E.__getitem__) for pick in (max, min))
    return (
        f"At step {steps[marked]:,} expert {busiest} gets {load_E[busiest]:.1%} of the routed slots and "
        f"expert {idlest} {load_E[idlest]:.1%}; an even share is {1 / len(load_E):.1%}."
    )


def expert_load_explorer(histories: Mapping[str, History] | None = None) -> Explorer:
    """The explorer over several runs' histories by name. All have the same layers and records.

    Raises:
        ValueError: runs whose records were taken at different steps.
    """
    from racecourse.learn.plots import plot_expert_load

    runs = _example() if histories is None else {name: loads_of(history) for name, history in histories.items()}
    steps = list(next(iter(runs.values())).steps)
    for name, run in runs.items():
        if list(run.steps) != steps:
            raise ValueError(f"run {name!r} has records at steps {list(run.steps)}, the first run at {steps}")
    n_layers, n_experts = next(iter(runs.values())).load_SME.shape[1:]
    most = max(2 / n_experts, *(float(run.load_SME.max()) for run in runs.values()))  # colours mean the same in all

    def draw(ax: Axes, run: str, layer: int, record: int) -> str:
        load_SE = runs[run].load_SME[:, layer].tolist()
        title = f"{run}, layer {layer} of those with experts"
        plot_expert_load(steps, load_SE, title=title, marked=record, most=most, ax=ax)
        return f"{run}, layer {layer}: {describe_load(steps, load_SE, record)}"

    controls = {
        "run": Choice("Run", options=list(runs), value=next(iter(runs))),
        "layer": Slider("Layer with experts", low=0, high=n_layers - 1, value=0),
        "record": Steps("Step", options={f"{step:,}": i for i, step in enumerate(steps)}, value=len(steps) - 1),
    }
    return explorer("How evenly experts are used", draw, controls, size=(7.5, 0.3 * n_experts + 1.8))


def _example(
    n_steps: int = 400, n_tokens: int = 128, n_layers: int = 2, E: int = 8, top_k: int = 2
) -> dict[str, Loads]:
    """A made-up router: tokens choose by taste and by an expert's appeal, and whoever is chosen gains appeal."""
    import numpy as np

    rules = {"no balancing": (0.0, 0.0), "auxiliary loss": (1.05, 0.0), "bias": (0.0, 0.03)}
    runs = {}
    for name, (push_back, bias_step) in rules.items():
        random = np.random.default_rng(0)
        appeal_ME = random.normal(0, 0.3, (n_layers, E))
        bias_ME = np.zeros((n_layers, E))
        load_ZME = []
        for _ in range(n_steps):
            taste_NME = random.normal(0, 1, (n_tokens, n_layers, E))
            ranking_NME = taste_NME + appeal_ME + bias_ME
            chosen_NMk = ranking_NME.argsort(-1)[..., -top_k:]
            load_ME = (chosen_NMk[..., None] == np.arange(E)).sum((0, 2)) / (n_tokens * top_k)
            excess_ME = load_ME - 1 / E
            appeal_ME += 0.03 * (1 - push_back) * E * excess_ME
            bias_ME -= bias_step * np.sign(excess_ME)
            load_ZME.append(load_ME)
        load_SME = np.array(load_ZME).reshape(20, n_steps // 20, n_layers, E).mean(1)
        runs[name] = Loads(range(n_steps // 20, n_steps + 1, n_steps // 20), load_SME)
    return runs
