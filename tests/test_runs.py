"""The runs of lesson 05: rewards by hand, equal compute by count, and what the shipped file says."""

import copy

import pytest
import torch

from racecourse.models.shipped import load_shipped
from racecourse.reasoning import runs
from racecourse.reasoning.evaluation import Evaluation
from racecourse.reasoning.grpo import GRPOConfig, History, Step
from racecourse.reasoning.runs import METHODS, REWARDS, Outcome, flops_of, load_runs, save_runs, spend
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
    saved = {("rewards", "random", 1): {"history": history}, ("methods", "equal compute", 0): {"outcomes": [outcome]}}
    save_runs(saved, "a machine", tmp_path / "runs.json")
    found = load_runs(tmp_path / "runs.json")
    assert set(found) == set(saved) and found["methods", "equal compute", 0]["outcomes"] == [outcome]
    assert found["rewards", "random", 1]["history"].evaluations[0].accuracy == 0.1235
    assert found["rewards", "random", 1]["history"].steps == history.steps
    assert load_runs(tmp_path / "none.json") == {} and runs.rounded([1.23456, "x", 3]) == [1.235, "x", 3]
