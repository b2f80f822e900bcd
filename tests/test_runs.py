"""The runs of lesson 05: rewards by hand, equal compute by count, and what the shipped file says."""

import copy

import pytest
import torch

from racecourse.models.shipped import load_shipped
from racecourse.reasoning import runs
from racecourse.reasoning.evaluation import Evaluation
from racecourse.reasoning.grpo import GRPOConfig, History, Step
from racecourse.reasoning.runs import METHODS, REWARDS, Outcome, flops_of, load_runs, made_on, save_runs, spend
from racecourse.reasoning.stages import Standing
from racecourse.reasoning.tasks import Problem
from racecourse.scaling import count_parameters

PROBLEM = Problem("3+5-9=", "9")


@pytest.mark.parametrize(("text", "right", "length", "leaky"), [
    ("89#9", 1, 0.4, 1), ("#9", 1, 0, 1), ("89#8", 0, 0.4, 1), ("12345678#9", 1, 1, 1), ("9999999", 0, 0, 1),
    ("", 0, 0, 0), ("#1", 0, 0, 0), ("12#3", 0, 0.4, 0),
])  # fmt: skip
def test_rewards_by_hand(text, right, length, leaky):
    for name, value in (("right answer", right), ("length", length), ("leaky verifier", leaky)):
        assert REWARDS[name](PROBLEM, text) == pytest.approx(value)


def test_the_random_reward_has_not_seen_the_text():
    paid = [REWARDS["random"](PROBLEM, text) for text in ("89#9", "") * 2000]
    assert set(paid) == {0.0, 1.0}
    assert abs(sum(paid[::2]) - sum(paid[1::2])) < 200 and 1700 < sum(paid) < 2300


def test_compute_is_counted_as_six_and_two_per_parameter_and_token():
    """Every parameter but the norms is a matrix entry; the tied embedding works once, as the head."""
    base, _ = load_shipped("chains-base")
    config = GRPOConfig(n_prompts=2, group_size=4)
    steps = [Step(1, 0.0, 0.0, 0.0, length, 0.0, 0.0, 0.0) for length in (6.0, 8.0)]
    tokens = 2 * 12 + 8 * 6.0 + 2 * 12 + 8 * 8.0  # a prompt is computed once for its group
    parameters = count_parameters(base.config).total
    assert flops_of(History(steps), base, config, n_prompt=12) == pytest.approx(8 * parameters * tokens, rel=0.05)


@pytest.mark.parametrize("method", METHODS[:-1])
def test_every_method_spends_the_budget_and_no_more(method):
    base, tokenizer = load_shipped("chains-base")
    before = copy.deepcopy(base.state_dict())
    budget = 1e11  # some ten steps
    model, outcome = spend(method, base, tokenizer, budget, teacher=base, seed=0)
    assert all(torch.equal(before[name], tensor) for name, tensor in base.state_dict().items())
    changed = any(not torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    if method == "base":
        assert outcome.flops == 0 and not changed
    else:
        assert 0.8 * budget < outcome.flops <= budget and changed


def test_unknown_methods_and_missing_teachers_are_named():
    base, tokenizer = load_shipped("chains-base")
    with pytest.raises(ValueError, match="need a teacher"):
        spend("a teacher's right answers", base, tokenizer, 1e10)
    with pytest.raises(ValueError, match="does not pay for one step"):
        spend("more of the same", base, tokenizer, 1e9)
    with pytest.raises(ValueError, match="method='magic'"):
        spend("magic", base, tokenizer, 1e10)


def test_runs_come_back_from_their_file(tmp_path):
    evaluation = Evaluation(0, 0.123456, 0.2, 6.0, 0.9, None, [["1+1=", "#2"]])
    history = History([Step(1, 0.5, 0.2, 0.3, 6.1, 0.7, 0.9, 0.0)], [evaluation])
    outcome = Outcome("base", 1.0, 0.0, 0, 0.3, 0.2, 6.0, [0.3, 0.5])
    standing = Standing("R1", "base", 0.0, 0.4, 6.2, 0.3, 0.1)
    saved = {
        ("rewards", "random", 1): {"history": history},
        ("methods", "equal compute", 0): {"outcomes": [outcome]},
        ("stages", "QwQ and R1", 2): {"standings": [standing]},
        ("countdown", "right answer", 0): {"history": history, "before": [0, 3], "after": [1, 256]},
    }
    save_runs(saved, "a machine", tmp_path / "runs.json")
    found = load_runs(tmp_path / "runs.json")
    assert set(found) == set(saved) and found["methods", "equal compute", 0]["outcomes"] == [outcome]
    assert found["stages", "QwQ and R1", 2]["standings"] == [standing]
    assert found["countdown", "right answer", 0]["after"] == [1, 256]
    assert made_on(tmp_path / "runs.json") == "a machine" and made_on(tmp_path / "none.json") == ""
    assert found["rewards", "random", 1]["history"].evaluations[0].accuracy == 0.1235
    assert found["rewards", "random", 1]["history"].steps == history.steps
    assert load_runs(tmp_path / "none.json") == {} and runs.rounded([1.23456, "x", 3]) == [1.235, "x", 3]


# ---------------------------------------------------------------------------------------------------- what is shipped


@pytest.fixture(scope="module")
def shipped():
    return load_runs()


def of_reward(shipped, name):
    return [shipped["rewards", name, seed]["history"] for seed in runs.SEEDS]


def test_everything_that_main_makes_is_shipped(shipped):
    expected = {(part, name, seed) for part, name in runs.PARTS for seed in runs.SEEDS}
    expected |= {("bases", "right answer", seed) for seed in runs.BASE_SEEDS}
    expected |= {("countdown", "right answer", seed) for seed in runs.SEARCH_SEEDS}
    assert set(shipped) == expected and "CPU" in made_on() and "2026" in made_on()


def test_the_verifiers_reward_teaches_to_think_and_the_controls_do_not(shipped):
    """What lesson 05 says of the recorded runs, for every seed: it could be false of any of them."""
    for history in of_reward(shipped, "right answer"):
        first, last = history.evaluations[0], history.evaluations[-1]
        assert last.accuracy - first.accuracy >= 0.40 and last.length > first.length + 1
        assert all(abs(e.direct - 0.1) < 0.04 for e in history.evaluations)  # no place to think: a guess among ten
        assert first.pass_at_8 > 0.8  # it was there before: chosen and sharpened
    for history in of_reward(shipped, "random"):
        assert history.evaluations[-1].accuracy < history.evaluations[0].accuracy + 0.02
    for history in of_reward(shipped, "length"):
        assert history.evaluations[-1].length > history.evaluations[0].length
    gains = {
        name: sum(h.evaluations[-1].accuracy - h.evaluations[0].accuracy for h in of_reward(shipped, name)) / 5
        for name in REWARDS
    }
    assert gains["right answer"] > gains["length"] + 0.2


def test_the_leaky_verifier_is_hacked(shipped):
    """In every seed the pay goes on rising while what is truly right falls from its best value."""
    for history in of_reward(shipped, "leaky verifier"):
        accuracy = history.column("accuracy")
        best = accuracy.index(max(accuracy))
        worst = accuracy.index(min(accuracy[best:]))
        assert accuracy[worst] < accuracy[best] - 0.1
        at_best, at_worst = (
            [step.reward for step in history.steps if abs(step.step - history.evaluations[i].step) <= 5]
            for i in (best, worst)
        )
        assert sum(at_worst) / len(at_worst) > sum(at_best) / len(at_best) > 0.7
        assert sum(at_worst) / len(at_worst) > 0.95


def test_the_searcher_cannot_do_it_before_and_counts_are_counts(shipped):
    for seed in runs.SEARCH_SEEDS:
        run = shipped["countdown", "right answer", seed]
        assert len(run["before"]) == len(run["after"]) == 100
        assert all(0 <= count <= 256 for count in run["before"] + run["after"])
        assert run["history"].evaluations[0].pass_at_8 < 0.5
        assert sum(run["after"]) > 2 * sum(run["before"])


def test_equal_compute_is_equal_within_a_tenth(shipped):
    for seed in runs.SEEDS:
        outcomes = shipped["methods", "equal compute", seed]["outcomes"]
        assert [outcome.method for outcome in outcomes] == list(METHODS)
        budget = outcomes[-1].flops
        assert all(0.9 * budget <= outcome.flops <= budget for outcome in outcomes[1:])
