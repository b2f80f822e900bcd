"""GRPO's pieces: cases worked by hand, TRL's code on the same tensors, autograd against the definition, the loop."""

import copy
import math

import pytest
import torch

from conftest import trl_loss
from racecourse.models import ModelConfig, Transformer
from racecourse.models.hf_weights import to_hf
from racecourse.models.lora import add_lora
from racecourse.reasoning import grpo
from racecourse.reasoning.bases import CHARACTERS, character_tokenizer
from racecourse.reasoning.evaluation import judge_on
from racecourse.reasoning.grpo import (
    GRPOConfig,
    clipped_objective,
    group_advantages,
    grpo_loss,
    has_signal,
    kl_k1,
    kl_k3,
    reduce_loss,
    reinforce_loss,
    roll_out,
    token_logprobs,
    train_grpo,
    write_and_score,
)
from racecourse.reasoning.tasks import ChainedArithmetic, Problem, problems

T = torch.tensor
MASK = T([[True, True, True], [True, False, False]])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return character_tokenizer(CHARACTERS, tmp_path_factory.mktemp("characters"))


@pytest.fixture
def model(tokenizer) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(ModelConfig("llama", tokenizer.vocab_size, 16, 1, 2, 2, 8, 32, max_context=48))
    model.init_weights(0.3)
    return model


# ---------------------------------------------------------------------------------------------- worked by hand


def test_an_advantage_is_taken_within_its_own_group():
    rewards_PG = T([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]])
    plain = T([[0.75, -0.25, -0.25, -0.25], [0.25, 0.25, 0.25, -0.75]])
    assert torch.equal(group_advantages(rewards_PG, scale_by_std=False), plain)
    # a sample's standard deviation: sqrt((0.75^2 + 3 * 0.25^2) / 3) = 0.5, in both groups
    torch.testing.assert_close(group_advantages(rewards_PG, eps=0.0), plain / 0.5)


def test_a_group_of_equals_has_no_advantage_and_no_nan():
    rewards_PG = T([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    assert torch.equal(group_advantages(rewards_PG)[:2], torch.zeros(2, 2))
    assert has_signal(rewards_PG).tolist() == [False, False, True]


@pytest.mark.parametrize(("normalise", "expected"), [
    ("sequence", ((1 + 2 + 3) / 3 + 10) / 2),  # rows first, then their mean
    ("token", (1 + 2 + 3 + 10) / 4),
    ("constant", ((1 + 2 + 3) + 10) / 2 / 8),
])  # fmt: skip
def test_three_ways_to_make_one_number_of_many(normalise, expected):
    per_token_BT = T([[1.0, 2.0, 3.0], [10.0, 99.0, 99.0]])
    assert reduce_loss(per_token_BT, MASK, normalise, max_tokens=8).item() == pytest.approx(expected)


def test_an_empty_row_is_no_division_by_zero():
    for normalise in ("sequence", "token"):
        assert reduce_loss(torch.ones(1, 3), torch.zeros(1, 3, dtype=torch.bool), normalise).item() == 0.0


def test_unknown_normalisations_are_refused():
    with pytest.raises(ValueError, match="'sequence', 'token' or 'constant'"):
        reduce_loss(torch.ones(1, 1), torch.ones(1, 1).bool(), "mean")
    with pytest.raises(ValueError, match="divides by max_tokens"):
        reduce_loss(torch.ones(1, 1), torch.ones(1, 1).bool(), "constant")
    with pytest.raises(ValueError, match="normalise='mean'"):
        GRPOConfig(normalise="mean")
    with pytest.raises(ValueError, match="use 2 or more"):
        GRPOConfig(group_size=1)


def test_reinforce_by_hand():
    logprobs_BT = T([[-1.0, -2.0, -3.0], [-4.0, -5.0, -6.0]])
    assert reinforce_loss(logprobs_BT, T([2.0, -1.0]), MASK).item() == pytest.approx(-(2 * -6 + -1 * -4) / 2)


def test_reinforce_follows_the_gradient_of_the_expected_reward():
    """One token, three choices: the mean of the loss over all choices has the exact policy gradient; so has it with
    any baseline."""
    logits = T([0.3, -0.7, 0.2], requires_grad=True)
    rewards = T([1.0, 0.0, 0.5])
    (exact,) = torch.autograd.grad((logits.softmax(-1) * rewards).sum(), logits)
    for baseline in (0.0, 0.4, -3.0):
        total = torch.zeros(3)
        for choice, p in enumerate(logits.softmax(-1).tolist()):
            loss = reinforce_loss(logits.log_softmax(-1)[choice].view(1, 1), rewards[choice : choice + 1] - baseline,
                                  T([[True]]))  # fmt: skip
            total += p * torch.autograd.grad(loss, logits)[0]
        torch.testing.assert_close(-total, exact)


@pytest.mark.parametrize(("ratio", "advantage", "expected", "moves"), [
    (1.0, 2.0, 2.0, True),
    (1.25, 2.0, 2.5, True),  # within 1 + 0.28
    (1.5, 2.0, 2.56, False),  # far enough up already
    (0.5, 2.0, 1.0, True),  # went the wrong way: pulled back
    (0.5, -2.0, -1.6, False),  # far enough down already
    (1.5, -2.0, -3.0, True),  # went the wrong way
])  # fmt: skip
def test_clipping_stops_what_has_gone_far_enough_and_nothing_else(ratio, advantage, expected, moves):
    ratio_BT = T([[ratio]], requires_grad=True)
    objective = clipped_objective(ratio_BT, T([advantage]), clip_low=0.2, clip_high=0.28)
    objective.sum().backward()
    assert objective.item() == pytest.approx(expected)
    assert ratio_BT.grad.item() == pytest.approx(advantage if moves else 0.0)


def test_both_kl_estimators_have_the_divergence_as_their_mean_and_point_the_same_way():
    """Over all choices of one token, weighted by p: KL(p || ref), not KL(ref || p), which differs here."""
    p, ref = T([0.7, 0.2, 0.1]), T([0.2, 0.3, 0.5])
    right, wrong = (p * (p / ref).log()).sum().item(), (ref * (ref / p).log()).sum().item()
    assert abs(right - wrong) > 0.02
    for estimator in (kl_k1, kl_k3):
        values = estimator(p.log()[None], ref.log()[None])
        assert (p * values).sum().item() == pytest.approx(right, abs=1e-6)
    assert (kl_k1(p.log(), ref.log()) < 0).any() and (kl_k3(p.log(), ref.log()) >= 0).all()
    torch.testing.assert_close(kl_k3(T([[-1.0]]), T([[-1.5]])), T([[math.exp(-0.5) - 1 + 0.5]]))


def test_the_loss_by_hand():
    """Two rows; one token each moved; advantage 1 and -2; KL weight 0.1. Every number by a calculator."""
    logprobs, old = T([[-1.0, -1.0], [-2.0, -2.0]]), T([[-1.5, -1.0], [-2.0, -1.9]])
    reference = T([[-1.0, -0.5], [-2.0, -2.0]])
    mask = T([[True, True], [True, False]])
    # ratios: e^0.5 = 1.6487 clipped to 1.2, and 1; second row 1. KL: 0, e^0.5 - 1 - 0.5 = 0.14872; 0
    expected = ((-1.2 + (-1 + 0.1 * 0.148721)) / 2 + 2.0) / 2
    loss = grpo_loss(logprobs, old, T([1.0, -2.0]), mask, ref_logprobs_BT=reference, kl_weight=0.1)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="needs the reference"):
        grpo_loss(logprobs, old, T([1.0, -2.0]), mask, kl_weight=0.1)


# ------------------------------------------------------------------------------------ TRL on the same tensors


@pytest.mark.parametrize(
    ("normalise", "loss_type"), [("sequence", "grpo"), ("token", "dapo"), ("token", "bnpo"), ("constant", "dr_grpo")]
)
@pytest.mark.parametrize("kl_weight", [0.0, 0.04])
def test_loss_and_gradient_are_trls(normalise, loss_type, kl_weight):
    torch.manual_seed(1)
    logprobs = -torch.rand(6, 5, requires_grad=True) * 3
    logprobs.retain_grad()
    old, reference = logprobs.detach() + 0.4 * torch.randn(6, 5), logprobs.detach() + 0.3 * torch.randn(6, 5)
    advantages = torch.randn(6)
    mask = torch.arange(5) < T([5, 1, 3, 4, 2, 5])[:, None]
    theirs = trl_loss(
        logprobs, old, advantages, mask, ref_logprobs=reference, beta=kl_weight, loss_type=loss_type, epsilon_high=0.28,
        importance_sampling_level="token",
    )  # fmt: skip
    ours = grpo_loss(
        logprobs, old, advantages, mask, ref_logprobs_BT=reference, clip_low=0.2, clip_high=0.28, kl_weight=kl_weight,
        normalise=normalise, max_tokens=9,
    )  # fmt: skip
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    (our_gradient,) = torch.autograd.grad(ours, logprobs, retain_graph=True)
    (their_gradient,) = torch.autograd.grad(theirs, logprobs)
    torch.testing.assert_close(our_gradient, their_gradient)
    assert our_gradient.abs().sum() > 0


# ------------------------------------------------------------------------------------------------------------ rollouts


def test_log_probabilities_are_those_of_transformers_row_by_row(model, tokenizer):
    """Prompts of different lengths, padded together; the witness gets each row alone and unpadded."""
    hf = to_hf(model)
    rollout = roll_out(model, tokenizer, ["3+5=", "9-4+2=", "1+1="], max_new_tokens=10, temperature=0.7, seed=2)
    logprobs_BT, entropy_BT = token_logprobs(model, rollout, 1, temperature=0.7)
    for row, prompt in enumerate(["3+5=", "9-4+2=", "1+1="]):
        ids = tokenizer.encode(prompt)
        n = int(rollout.mask_BT[row].sum())
        written = rollout.written_BT[row, :n]
        with torch.no_grad():
            logits = hf(torch.cat((T(ids), written))[None]).logits[0, len(ids) - 1 : -1] / 0.7
        expected = torch.distributions.Categorical(logits=logits)
        torch.testing.assert_close(logprobs_BT[row, :n], expected.log_prob(written), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(entropy_BT[row, :n], expected.entropy(), atol=1e-4, rtol=1e-4)
        assert len(rollout.samples[row].text) == n - rollout.samples[row].ended


def test_a_packed_group_is_computed_as_its_rows_alone(model, tokenizer):
    """Values and gradients; the witness shares no prompt and packs nothing: one plain forward per row."""
    prompts = ["3+5="] * 8 + ["9-4+2="] * 8 + ["1="] * 8
    rollout = roll_out(model, tokenizer, prompts, max_new_tokens=20, seed=3)
    assert len(set(rollout.mask_BT.sum(1).tolist())) > 2
    weights_BT = torch.randn(rollout.mask_BT.shape, generator=torch.Generator().manual_seed(0)) * rollout.mask_BT
    model.requires_grad_(True)
    logprobs_BT, entropy_BT = token_logprobs(model, rollout, 8)
    packed = torch.autograd.grad((logprobs_BT * weights_BT).sum(), list(model.parameters()))
    total = torch.zeros(())
    for row, prompt in enumerate(prompts):
        ids, n = tokenizer.encode(prompt), int(rollout.mask_BT[row].sum())
        written = rollout.written_BT[row, :n]
        all_NV = model(torch.cat((T(ids), written))[None])[0, len(ids) - 1 : -1].log_softmax(-1)
        alone = all_NV.gather(-1, written[:, None])[:, 0]
        torch.testing.assert_close(logprobs_BT[row, :n], alone, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(entropy_BT[row, :n], -(all_NV.exp() * all_NV).sum(-1), atol=1e-5, rtol=1e-5)
        total = total + (alone * weights_BT[row, :n]).sum()
    for ours, theirs in zip(packed, torch.autograd.grad(total, list(model.parameters())), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("n_positions", [1, 9])
def test_logits_in_chunks_change_neither_values_nor_gradients(model, tokenizer, n_positions):
    rollout = roll_out(model, tokenizer, ["3+5="] * 4 + ["9-4+2="] * 4, max_new_tokens=12, seed=3)
    assert rollout.mask_BT.sum() % 9 and not rollout.mask_BT.all(), "a last chunk that is smaller, and padding"
    weights_BT = torch.randn(rollout.mask_BT.shape, generator=torch.Generator().manual_seed(0)) * rollout.mask_BT
    model.requires_grad_(True)
    results = []
    for logits_at_once in (grpo.LOGITS_AT_ONCE, n_positions * model.config.vocab_size):
        seen = []
        watch = model.head.register_forward_hook(lambda _, __, logits_MV, seen=seen: seen.append(len(logits_MV)))
        logprobs_BT, entropy_BT = token_logprobs(model, rollout, 4, 0.7, logits_at_once)
        gradients = torch.autograd.grad((logprobs_BT * weights_BT).sum(), list(model.parameters()))
        watch.remove()
        results.append((logprobs_BT, entropy_BT, seen, gradients))
    (whole, whole_entropy, seen_whole, expected), (chunked, chunked_entropy, seen, gradients) = results
    n_written = int(rollout.mask_BT.sum())
    assert seen_whole == [n_written]
    assert max(seen) == n_positions and sum(seen) == 2 * n_written, "forward, and again in the backward pass"
    torch.testing.assert_close(chunked, whole)
    torch.testing.assert_close(chunked_entropy, whole_entropy)
    for ours, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_the_mask_ends_with_the_end_token(model, tokenizer):
    rollout = roll_out(model, tokenizer, ["3+5="] * 64, max_new_tokens=12, seed=0)
    ended = [row for row, sample in enumerate(rollout.samples) if sample.ended]
    assert 5 < len(ended) < 64
    for row in range(64):
        n = int(rollout.mask_BT[row].sum())
        assert rollout.mask_BT[row, :n].all() and n == rollout.samples[row].n_tokens
        is_end = rollout.written_BT[row, :n] == tokenizer.eos_ids[0]
        assert is_end.sum().item() == rollout.samples[row].ended and (row not in ended or is_end[-1])


def test_parts_of_a_batch_give_the_gradient_of_the_whole(model, tokenizer):
    rollout = roll_out(model, tokenizer, ["3+5="] * 4 + ["9-4+2="] * 4, max_new_tokens=8, seed=1)
    advantages_B = torch.linspace(-1, 1, 8)
    for normalise in ("sequence", "token", "constant"):
        gradients = []
        for rows_at_once in (3, 100):
            config = GRPOConfig(
                group_size=4, normalise=normalise, rows_at_once=rows_at_once, max_new_tokens=8, clip_norm=1e9
            )
            optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
            grpo.update(model, optimizer, rollout, advantages_B, config, None)
            gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        torch.testing.assert_close(*gradients, atol=1e-6, rtol=1e-4)


# ------------------------------------------------------------------------------------------------------------ the loop


def test_a_step_without_signal_moves_no_weight(model, tokenizer):
    """Adam would go on by its momentum, which is how a solved task is unlearned."""
    before = [p.clone() for p in model.parameters()]

    def first_step_only(problem: Problem, text: str) -> float:
        first_step_only.calls += 1
        return float(len(text) % 2) if first_step_only.calls <= 8 else 1.0

    first_step_only.calls = 0
    config = GRPOConfig(n_steps=1, n_prompts=2, group_size=4, eval_every=9)
    train_grpo(model, tokenizer, ChainedArithmetic(), config, reward=first_step_only, log=None)
    after_one = [p.clone() for p in model.parameters()]
    assert any(not torch.equal(a, b) for a, b in zip(before, after_one, strict=True))
    first_step_only.calls = 0
    torch.manual_seed(0)
    with torch.no_grad():
        for p, old in zip(model.parameters(), before, strict=True):
            p.copy_(old)
    longer = GRPOConfig(n_steps=3, n_prompts=2, group_size=4, eval_every=9)
    history = train_grpo(model, tokenizer, ChainedArithmetic(), longer, reward=first_step_only, log=None)
    assert [step.signal > 0 for step in history.steps] == [True, False, False]
    assert all(torch.equal(a, b) for a, b in zip(after_one, model.parameters(), strict=True))


@pytest.mark.parametrize(
    "options", [{}, {"normalise": "constant", "scale_by_std": False}, {"n_updates": 3, "kl_weight": 0.01}]
)
def test_what_is_rewarded_becomes_likelier(model, tokenizer, options):
    """An untrained model, paid for every '7' it writes, with the sign of the loss at stake."""

    def sevens(problem: Problem, text: str) -> float:
        return text.count("7") / 8

    config = GRPOConfig(n_steps=25, n_prompts=4, group_size=16, max_new_tokens=8, learning_rate=1e-2, **options)
    history = train_grpo(model, tokenizer, ChainedArithmetic(), config, reward=sevens, log=None)
    rewards = history.column("reward")
    assert sum(rewards[-3:]) / 3 > 4 * sum(rewards[:3]) / 3
    assert all(not p.requires_grad for p in model.parameters())
    if "kl_weight" in options:
        assert history.steps[0].kl == pytest.approx(0.0, abs=1e-6) and history.steps[-1].kl > 0.01


def test_frozen_float16_with_adapters_learns_what_float32_learns(model, tokenizer):
    """A reward in the millionth loses nothing on the way back through float16 layers, where 6e-8 is the smallest."""
    rollout = roll_out(model, tokenizer, ["3+5="] * 8, max_new_tokens=8, seed=1)
    add_lora(model, rank=2)
    half = copy.deepcopy(model)
    for name, p in half.named_parameters():
        p.data = p.data if "_" in name.rpartition(".")[2] else p.data.half()
    steps = {}
    for dtype, each in (("float32", model), ("float16", half), ("unscaled", half)):
        trained = [p for p in each.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=0.0)
        scaler = torch.amp.GradScaler("cpu", enabled=dtype == "float16")
        config = GRPOConfig(group_size=8, clip_norm=1e9)
        grpo.update(each, optimizer, rollout, 1e-6 * torch.linspace(-1, 1, 8), config, None, scaler)
        steps[dtype] = torch.cat([p.grad.flatten() for p in trained])
    size = steps["float32"].norm()
    assert (steps["float16"] - steps["float32"]).norm() < 0.02 * size
    assert (steps["unscaled"] - steps["float32"]).norm() > 0.1 * size


def test_groups_without_signal_are_asked_anew(model, tokenizer):
    """Paid are only answers to problems that start with 1, 3 or 7: the groups of the others are replaced."""

    def picky(problem: Problem, text: str) -> float:
        return len(text) if problem.prompt.startswith(("1", "3", "7")) else 0.0

    shares = []
    for resample in (0, 15):
        config = GRPOConfig(n_prompts=16, group_size=4, resample=resample)
        _, rewards_PG = write_and_score(model, tokenizer, ChainedArithmetic(), picky, config, step=0)
        shares.append(has_signal(rewards_PG).float().mean().item())
    assert shares[0] < 0.6 and shares[1] == 1.0


def test_a_run_is_repeated_by_its_seed(model, tokenizer):
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    task, results = ChainedArithmetic(), []
    for seed in (0, 0, 1):
        model.load_state_dict(state)
        config = GRPOConfig(n_steps=3, n_prompts=4, group_size=4, seed=seed)
        history = train_grpo(model, tokenizer, task, config, reward=lambda _, text: len(text), log=None)
        results.append(history.column("reward"))
    assert results[0] == results[1] != results[2]


def test_the_judge_counts_what_a_plain_loop_counts(model, tokenizer):
    task = ChainedArithmetic((2, 3))
    seen = []

    class Recorder(ChainedArithmetic):
        def reward(self, problem: Problem, completion: str) -> float:
            seen.append((problem, completion))
            return super().reward(problem, completion)

    evaluation = judge_on(Recorder((2, 3)), tokenizer, n_problems=10, n_samples=8, answer_mark="#", max_new_tokens=2)(
        model
    )
    right = [task.reward(problem, text) for problem, text in seen]
    assert len(seen) == 10 * 8 + 10 * 8 + 10 and all(problem.is_test for problem, _ in seen)
    sampled, direct, greedy = right[:80], right[80:160], right[160:]
    texts = [text for _, text in seen]
    assert all(text.startswith("#") for text in texts[80:160])
    assert evaluation.accuracy == pytest.approx(sum(sampled) / 80)
    assert evaluation.direct == pytest.approx(sum(direct) / 80)
    assert evaluation.greedy == pytest.approx(sum(greedy) / 10)
    solved = sum(any(right[8 * i : 8 * i + 8]) for i in range(10)) / 10
    assert evaluation.pass_at_8 == pytest.approx(solved)
    assert evaluation.examples[0] == [problems(task, 10, split="test", seed=1)[0].prompt, texts[0]]
