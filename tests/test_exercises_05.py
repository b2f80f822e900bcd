"""Exercise set 05's reference answers against TRL, torch and autograd, and what holds for this set only."""

import itertools
import math
import re
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from conftest import trl_loss
from racecourse.reasoning.grpo import kl_k1, kl_k3
from wrong_answers import Assignment


@cache
def found() -> Assignment:
    return Assignment("05_reasoning_rl")


def answer(name: str) -> Any:
    return found().namespace[name]


def test_the_title_says_the_sum_of_the_printed_minutes() -> None:
    cells = found().solution.cells
    minutes = [int(n) for cell in cells for n in re.findall(r"^## .* · (\d+) minutes", cell.source, re.M)]
    assert len(minutes) == 9
    title = next(cell.source for cell in cells if cell.id == "rl-title")
    assert f"times sum to {sum(minutes)} minutes" in title


def test_leave_one_out_has_the_exact_policy_gradient_as_its_mean_and_the_groups_mean_has_less() -> None:
    """Over all 27 groups of three answers with three choices each, weighted by their probability."""
    logits = torch.tensor([0.3, -0.7, 0.2], requires_grad=True)
    rewards = torch.tensor([1.0, 0.0, 0.4])
    (exact,) = torch.autograd.grad((logits.softmax(-1) * rewards).sum(), logits)
    total = {"leave one out": torch.zeros(3), "mean of the group": torch.zeros(3)}
    for group in itertools.product(range(3), repeat=3):
        chosen = torch.tensor(group)
        paid = rewards[chosen][None]
        p = logits.softmax(-1)[chosen].prod().item()
        for name, advantages in (
            ("leave one out", answer("leave_one_out")(paid)),
            ("mean of the group", paid - paid.mean()),
        ):
            objective = (advantages[0] * logits.log_softmax(-1)[chosen]).mean()
            total[name] += p * torch.autograd.grad(objective, logits)[0]
    torch.testing.assert_close(total["leave one out"], exact)
    torch.testing.assert_close(total["mean of the group"], exact * 2 / 3)


def test_leave_one_out_among_the_valid_is_leave_one_out_of_the_group_without_the_rest() -> None:
    torch.manual_seed(0)
    rewards, valid = torch.randn(50, 6), torch.rand(50, 6) < 0.5
    out = answer("leave_one_out")(rewards, valid)
    assert not out[~valid].any()
    for row, keep, advantages in zip(rewards, valid, out, strict=True):
        if keep.sum() > 1:
            torch.testing.assert_close(advantages[keep], answer("leave_one_out")(row[keep][None])[0])
        assert advantages.sum().abs() < 1e-5


@pytest.mark.parametrize("drop", [False, True])
def test_what_was_written_is_what_a_regular_expression_finds(drop: bool) -> None:
    torch.manual_seed(1)
    ids = torch.randint(0, 10, (60, 9))
    pattern = r"[^38]*[38]" if drop else r"[^38]*[38]?"
    for row, mask in zip(ids.tolist(), answer("written_mask")(ids, [3, 8], drop).tolist(), strict=True):
        match = re.match(pattern, "".join(map(str, row)))
        assert mask == [t < (match.end() if match else 0) for t in range(9)]


def test_sequence_loss_and_its_gradient_are_trls() -> None:
    torch.manual_seed(2)
    logprobs = -torch.rand(40, 5, requires_grad=True) * 3
    logprobs.retain_grad()
    old, advantages = logprobs.detach() + 0.4 * torch.randn(40, 5), torch.randn(40)
    mask = torch.arange(5) < torch.tensor([5, 1, 0, 4, 2, 5, 3, 3] * 5)[:, None]
    theirs = trl_loss(
        logprobs, old, advantages, mask, epsilon_low=0.1, epsilon_high=0.15, importance_sampling_level="sequence"
    )
    ours = answer("gspo_loss")(logprobs, old, advantages, mask, 0.1, 0.15)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    gradients = [torch.autograd.grad(loss, logprobs, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().sum() > 0


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.0])
def test_exact_kl_is_that_of_torchs_distributions(temperature: float) -> None:
    torch.manual_seed(3)
    logits, ref_logits, mask = torch.randn(3, 4, 9) * 2, torch.randn(3, 4, 9), torch.rand(3, 4) < 0.6
    of = lambda x: torch.distributions.Categorical(logits=x / temperature)  # noqa: E731
    expected = torch.distributions.kl_divergence(of(logits), of(ref_logits))[mask].mean()
    torch.testing.assert_close(answer("exact_kl")(logits, ref_logits, mask, temperature), expected)
    values = [answer("exact_kl")(logits, ref_logits, mask, temperature, k) for k in range(1, 9)]
    assert all(a <= b + 1e-6 for a, b in itertools.pairwise(values))  # throwing together never adds
    torch.testing.assert_close(values[-1], expected)  # a rest of one token is that token


@pytest.mark.parametrize("top", [1, 3, 5])
def test_kl_of_the_likeliest_and_the_rest_is_torchs_kl_of_relabelled_tokens(top: int) -> None:
    """A token's label is its rank for the policy, and one and the same for all behind `top`; kl_div does the sum."""
    torch.manual_seed(7)
    logits, ref_logits, mask = torch.randn(2, 5, 8), torch.randn(2, 5, 8), torch.rand(2, 5) < 0.7
    p, q = logits.softmax(-1), ref_logits.softmax(-1)
    labels = (p[..., None, :] > p[..., :, None]).sum(-1).clamp(max=top)  # how many tokens are likelier
    p, q = (torch.zeros(2, 5, top + 1).scatter_add(-1, labels, x) for x in (p, q))
    expected = torch.nn.functional.kl_div(q.log(), p, reduction="none").sum(-1)[mask].mean()
    torch.testing.assert_close(answer("exact_kl")(logits, ref_logits, mask, top=top), expected)


@pytest.mark.parametrize("kl_mean", ["rows", "sums of rows"])
def test_a_drawn_kl_counts_answers_and_is_torchs(kl_mean: str) -> None:
    torch.manual_seed(8)
    exact_kl = Assignment("05_reasoning_rl", {"KL_MEAN": kl_mean}).namespace["exact_kl"]
    logits, ref_logits = torch.randn(3, 4, 9), torch.randn(3, 4, 9)
    mask = torch.arange(4) < torch.tensor([[1], [4], [2]])
    of = lambda x: torch.distributions.Categorical(logits=x)  # noqa: E731
    kl = torch.distributions.kl_divergence(of(logits), of(ref_logits))
    rows = [row[:n] for row, n in zip(kl, (1, 4, 2), strict=True)]
    expected = torch.stack([row.mean() if kl_mean == "rows" else row.sum() for row in rows]).mean()
    torch.testing.assert_close(exact_kl(logits, ref_logits, mask), expected)


def test_exact_kl_is_what_the_lessons_estimators_have_as_their_mean() -> None:
    """All choices of one token, weighted by the policy: KL(policy || reference), and not the other way round."""
    logp, logq = torch.tensor([0.7, 0.2, 0.1]).log(), torch.tensor([0.2, 0.3, 0.5]).log()
    exact = answer("exact_kl")(logp[None, None], logq[None, None], torch.tensor([[True]]))
    back = answer("exact_kl")(logq[None, None], logp[None, None], torch.tensor([[True]]))
    assert abs(exact - back) > 0.02
    for estimator in (kl_k1, kl_k3):
        torch.testing.assert_close((logp.exp() * estimator(logp, logq)).sum(), exact)


def test_the_slope_is_a_straight_line() -> None:
    import numpy as np

    text, reward = "<think>a</think><answer>1</answer>", answer("shaped_reward")
    for n in range(0, 130):
        expected = np.interp(n, [0, 60, 100, 1000], [0.0, 0.0, -1.0, -1.0])
        assert reward(text, "1", n, 100, 40, 0.0) - 1 == pytest.approx(expected)


def test_four_of_five_verifiers_have_a_hole_and_all_pay_an_honest_answer() -> None:
    verifiers = answer("VERIFIERS")
    for verifier in verifiers.values():
        assert all(verifier(f"3+4=7 #{digit}", str(digit)) == 1.0 for digit in range(10))
    lines = found().printed("holes-learn")
    said = {name: next(line for line in lines.splitlines() if line.startswith(name)) for name in verifiers}
    assert said["strict"].endswith("no hole found")
    assert said["anywhere"].split(maxsplit=1)[1] == (
        "all digits +1.0; all digits, then a guess +0.9; ten answers +0.9"  # a guess is right once in ten
    )
    assert said["any_mark"].split(maxsplit=1)[1] == "ten answers +0.9"
    assert said["generous"].split(maxsplit=1)[1] == "nothing +1.0; an empty answer +1.0"
    assert said["close_enough"].split(maxsplit=1)[1] == "not a number +1.0"
    assert lines.splitlines()[-1].strip().startswith("broke down at:")


def test_a_fall_by_luck_alone_is_called_a_hack_about_once_in_forty() -> None:
    """As the statement says: two audits of 400 with the same true share, drawn 6,000 times."""
    torch.manual_seed(5)
    draws = torch.distributions.Binomial(400, torch.tensor(0.6)).sample((6000, 2)).int().tolist()
    verdicts = [
        answer("first_hack")([{"paid": i / 2, "audited": 400, "right": right} for i, right in enumerate(pair)])
        for pair in draws
    ]
    assert 1 / 60 < sum(v == 1 for v in verdicts) / len(verdicts) < 1 / 30


def test_one_adapter_is_two_linear_layers_beside_a_frozen_one() -> None:
    """Values and gradients, by torch's own layers, row by row."""
    torch.manual_seed(6)
    N, D, K, r, alpha = 6, 9, 4, 2, 5.0
    frozen = nn.Linear(D, N, bias=False).requires_grad_(False)
    layer = answer("ManyLoRA")(frozen.weight, K, r, alpha)
    with torch.no_grad():
        layer.B_KNr.normal_()
    down, up = ([nn.Linear(*sizes, bias=False) for _ in range(K)] for sizes in ((D, r), (r, N)))
    for k in range(K):
        down[k].weight.data, up[k].weight.data = layer.A_KrD[k].detach().clone(), layer.B_KNr[k].detach().clone()
    x, tasks = torch.randn(5, 3, D), [2, 0, -1, 2, 1]
    theirs = torch.stack(
        [frozen(row) + (alpha / r * up[k](down[k](row)) if k >= 0 else 0) for row, k in zip(x, tasks, strict=True)]
    )
    ours = layer(x, torch.tensor(tasks))
    torch.testing.assert_close(ours, theirs)
    weights = torch.randn(5, 3, N)
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    for k in range(3):
        torch.testing.assert_close(layer.A_KrD.grad[k], down[k].weight.grad)
        torch.testing.assert_close(layer.B_KNr.grad[k], up[k].weight.grad)
    assert not layer.A_KrD.grad[3].any() and down[3].weight.grad is None
    for k in range(K):
        assert torch.linalg.matrix_rank(layer.merged(k) - frozen.weight, atol=1e-4) == r


@pytest.mark.parametrize("scaling, factor", [("root of r", 2.5), ("nothing", 5.0)])
def test_a_drawn_adapter_has_its_own_factor(scaling: str, factor: float) -> None:
    """alpha 5 and r 4: LoRA's factor would be 1.25."""
    torch.manual_seed(9)
    frozen = torch.randn(6, 7)
    layer = Assignment("05_reasoning_rl", {"SCALING": scaling}).namespace["ManyLoRA"](frozen, 2, 4, 5.0)
    with torch.no_grad():
        layer.B_KNr.normal_()
    x = torch.randn(1, 3, 7)
    alone = nn.functional.linear(nn.functional.linear(x, layer.A_KrD[1]), layer.B_KNr[1])
    change = layer(x, torch.tensor([1])) - layer(x, torch.tensor([-1]))
    torch.testing.assert_close(change, factor * alone)
    torch.testing.assert_close(layer.merged(1) - frozen, factor * layer.B_KNr[1] @ layer.A_KrD[1])


def test_what_an_adapter_of_qwq_counts_is_what_transformers_layers_have() -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = Qwen2Config(
        vocab_size=152064, hidden_size=5120, intermediate_size=27648, num_hidden_layers=64, num_attention_heads=40,
        num_key_value_heads=8, tie_word_embeddings=False,
    )  # fmt: skip
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
    linear = [m for name, m in model.named_modules() if isinstance(m, nn.Linear) and name.startswith("model.layers")]
    n_trained = sum(16 * (m.in_features + m.out_features) for m in linear)
    said = found().printed("lora-learn")
    assert f"trained: {n_trained:,} of {sum(p.numel() for p in model.parameters()):,} parameters" in said


def test_guesses_are_answered_by_the_cells_that_earn_nothing() -> None:
    assert "G =  8: 1.143 times, G / (G - 1) = 1.143" in found().printed("leave-one-out-learn")
    nats = [float(n) for n in re.findall(r": ([\d.]+) nats", found().printed("exact-kl-learn"))]
    assert nats[1:] == sorted(nats[1:]) and nats[-1] < nats[0]
    paid = [float(line.split()[-1]) for line in found().printed("shaped-reward-learn").splitlines()]
    assert paid == [1.3, 1.0, 0.0, -0.7, -2.0]


def test_the_model_answer_has_its_numbers_right() -> None:
    said = next(cell.source for cell in found().solution.cells if cell.id == "rl-question").split("===")[0]
    assert "1 - 0.65^8 = 0.968" in said and round(1 - 0.65**8, 3) == 0.968
    assert "1 - 0.9^8 = 0.57" in said and round(1 - 0.9**8, 2) == 0.57
    assert "pass@64 = 0.999" in said and round(1 - 0.9**64, 3) == 0.999


@pytest.mark.parametrize("percent", [30, 40])
def test_a_drawn_question_has_its_numbers_right(percent: int) -> None:
    drawn, wrong = Assignment("05_reasoning_rl", {"RIGHT_PERCENT": percent}), 1 - percent / 100
    asked, said = drawn.source_of("rl-question-text"), drawn.source_of("rl-question")
    assert f"{percent} % are right" in asked and f"is {1 - wrong**8:.2f}. After" in asked
    assert f"1 - {wrong:.2f}^8 = {1 - wrong**8:.3f}" in said
    assert not [public for public in ("0.35", "0.65", "0.97") if public in asked + said]


def test_the_printed_noise_of_exercise_7_is_right() -> None:
    text = next(cell.source for cell in found().solution.cells if cell.id == "first-hack-text")
    for right, audited, fall, twice in ((26, 80, 0.175, "0.190"), (14, 70, 0.3, "0.185")):
        p = right / audited
        error = math.sqrt(0.25 / 40 + p * (1 - p) / audited)
        assert 0.5 - p == pytest.approx(fall) and f"{2 * error:.3f}" == twice and twice in text
