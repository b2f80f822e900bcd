"""The figures of policies that learn: what is drawn is what was measured."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from racecourse.learn.policy import draw_policy, plot_pass_curves, plot_policies
from racecourse.reasoning.evaluation import Evaluation
from racecourse.reasoning.grpo import History, Step


def history(*accuracies: float, n_steps: int = 4) -> History:
    steps = [Step(i + 1, 0.1 * i, 0.05 * i, 0.2 + 0.1 * i, 6.0 + i, 1.0 - 0.1 * i, 0.8, 0.0) for i in range(n_steps)]
    judged = [
        Evaluation(2 * i, a, a, 5.0 + i, 0.9, 0.1, [["1+2=", "#3"], ["3-1=", "2#2"], ["4+4=", "w" * 99]])
        for i, a in enumerate(accuracies)
    ]
    return History(steps, judged)


@pytest.mark.parametrize("n_steps", [0, 4])
def test_the_live_view_shows_four_curves_and_three_answers(n_steps):
    """Also before the first step, when there is an evaluation and nothing else."""
    figure = Figure()
    run = history(*((0.3,) if n_steps == 0 else (0.3, 0.6, 0.9)), n_steps=n_steps)
    draw_policy(figure, run, n_steps=4)
    by_title = {ax.get_title(loc="left"): ax for ax in figure.axes}
    held_out = by_title["right, held-out problems"].lines[0]
    assert (
        list(held_out.get_ydata()) == run.column("accuracy")
        and list(held_out.get_xdata()) == run.column("step")[: len(run.evaluations)]
    )
    assert list(by_title["reward, training answers"].lines[0].get_ydata()) == [step.reward for step in run.steps]
    assert list(by_title["entropy, nats per token"].lines[0].get_ydata()) == [step.entropy for step in run.steps]
    assert (
        list(by_title["tokens per answer, held out"].lines[0].get_ydata())
        == run.column("length")[: len(run.evaluations)]
    )
    assert all(ax.get_xlabel() == "step" for title, ax in by_title.items() if title)
    words = figure.axes[2].texts[0].get_text()
    assert "1+2=" in words and "#3" in words and "2#2" in words and "w" * 31 + "..." in words and "w" * 40 not in words
    assert f"step {run.evaluations[-1].step}" in words


def test_many_runs_are_a_mean_and_the_band_from_lowest_to_highest():
    ax = plot_policies({"a": [history(0.2, 0.4), history(0.4, 1.0)], "b": [history(0.1, 0.1)]}, "accuracy", title="t",
                       label="share right")  # fmt: skip
    first, second = ax.lines
    assert list(first.get_ydata()) == pytest.approx([0.3, 0.7]) and list(second.get_ydata()) == [0.1, 0.1]
    (band,) = ax.collections  # one run has no spread
    corners = {tuple(point) for point in band.get_paths()[0].vertices.round(6).tolist()}
    assert {(0.0, 0.2), (0.0, 0.4), (2.0, 0.4), (2.0, 1.0)} <= corners
    assert ax.get_ylabel() == "share right" and "step" in ax.get_xlabel()
    plt.close("all")


def test_pass_curves_stand_over_their_k():
    ax = plot_pass_curves({"base": [0.3, 0.5, 0.8], "after": [0.9, 0.9, 0.9]}, [1, 8, 64], title="t")
    assert [list(line.get_ydata()) for line in ax.lines] == [[0.3, 0.5, 0.8], [0.9, 0.9, 0.9]]
    assert list(ax.get_xticks()) == [1, 8, 64] and ax.get_xscale() == "log" and ax.get_xlabel().startswith("k")
    plt.close("all")
