"""Exercise set 02's reference answers against torch, a real model and worked algebra, and what holds for this set."""

import math
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from racecourse.grading.integrity import allowed_names
from wrong_answers import Assignment

EPOCH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}


@cache
def found() -> Assignment:
    return Assignment("02_scaling_laws")


def answer(name: str) -> Any:
    return found().namespace[name]


def test_bits_per_byte_of_a_uniform_byte_model_is_eight() -> None:
    """A model that knows nothing and reads bytes spends 8 bits on each, whatever the text."""
    texts = ["plain", "naïve", "馬は走る", "🐎\n"]
    documents = [(text, len(text.encode()), math.log(256)) for text in texts]
    assert answer("bits_per_byte")(documents) == pytest.approx(8.0)


def test_bits_per_byte_agrees_with_the_probability_of_the_text() -> None:
    """-log2 of the whole text's probability, multiplied out token by token."""
    torch.manual_seed(1)
    logits_TV, ids_T, text = torch.randn(7, 11, dtype=torch.float64), torch.randint(11, (7,)), "seven tokens"
    probability = math.prod(logits_TV.softmax(-1)[t, i].item() for t, i in enumerate(ids_T))
    loss = F.cross_entropy(logits_TV, ids_T).item()
    assert answer("bits_per_byte")([(text, 7, loss)]) == pytest.approx(-math.log2(probability) / 12)


def test_a_text_cut_in_two_costs_what_it_costs_in_one_piece() -> None:
    losses, text = [0.5, 2.0, 3.5, 0.25, 1.0], "añ" + "plain" * 4
    whole = answer("bits_per_byte")([(text, 5, sum(losses) / 5)])
    cut = [(text[:2], 3, sum(losses[:3]) / 3), (text[2:], 2, sum(losses[3:]) / 2)]
    assert answer("bits_per_byte")(cut) == pytest.approx(whole)


def test_branched_rates_are_the_rates_of_whole_runs() -> None:
    """Trunk up to the branch, then the cooldown, is the run that one would do alone: Hägele's formula on its own."""
    ends, part, warmup, peak = [40, 65, 203], 6, 7, 0.02
    plan = answer("branched_rates")(ends, part, warmup, peak)
    for end in ends:
        n = end // part
        run = plan["trunk"][: end - n] + plan["branches"][end]
        alone = [peak * (s + 1) / warmup if s < warmup else peak for s in range(end - n)]
        alone += [peak * (1 - ((s - (end - n)) / n) ** 0.5) for s in range(end - n, end)]
        assert run == pytest.approx(alone)
    distinct = {
        (min(s, end - end // part), end if s >= end - end // part else 0, s) for end in ends for s in range(end)
    }
    assert plan["steps"] == len(distinct)  # steps that are the same in two runs are one


def test_the_guess_about_ten_runs() -> None:
    ends = [round(1000 * 1.5**i) for i in range(10)]
    saved = 1 - answer("branched_rates")(ends, 5, 10, 1.0)["steps"] / sum(ends)
    assert 0.5 < saved < 0.6  # "half the price", says the heading


@pytest.mark.parametrize(("betas", "eps", "decay"), [((0.9, 0.999), 1e-8, 0.1), ((0.5, 0.8), 0.3, 0.9)])
def test_adamw_step_is_torchs(betas: tuple[float, float], eps: float, decay: float) -> None:
    torch.manual_seed(3)
    parameter = nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
    optimizer = torch.optim.AdamW([parameter], lr=0.05, betas=betas, eps=eps, weight_decay=decay)
    w, zeros = parameter.detach().clone(), torch.zeros_like(parameter.detach())
    state = {"t": 0, "m": zeros, "v": zeros}
    for _ in range(9):
        parameter.grad = torch.randn_like(parameter)
        optimizer.step()
        w, state = answer("adamw_step")(w, parameter.grad, state, 0.05, betas, eps, decay)
        torch.testing.assert_close(w, parameter.detach(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(state["m"], optimizer.state[parameter]["exp_avg"])
    torch.testing.assert_close(state["v"], optimizer.state[parameter]["exp_avg_sq"])


@pytest.mark.parametrize("limit", [0.01, 1e9])
def test_accumulated_pieces_are_the_whole_batchs_clipped_gradient(limit: float) -> None:
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 4)).double()
    x_BD, targets_B = torch.randn(12, 5, dtype=torch.float64), torch.randint(1, 4, (12,))
    targets_B[[0, 1, 2, 3, 8]] = 0  # the first piece of four has nothing to judge

    def gradients(rows: slice) -> list[torch.Tensor]:
        losses_B, judged_B = F.cross_entropy(model(x_BD[rows]), targets_B[rows], reduction="none"), targets_B[rows] != 0
        return list(torch.autograd.grad((losses_B * judged_B).sum() / judged_B.sum(), list(model.parameters())))

    cuts = [slice(0, 4), slice(4, 6), slice(6, 12)]
    pieces = [(gradients(rows), int((targets_B[rows] != 0).sum())) for rows in cuts]
    assert pieces[0][0][0].isnan().any() and pieces[0][1] == 0
    grads, norm = answer("accumulate_and_clip")(pieces, limit)
    for parameter, grad in zip(model.parameters(), gradients(slice(0, 12)), strict=True):
        parameter.grad = grad
    expected = nn.utils.clip_grad_norm_(model.parameters(), limit)
    assert norm == pytest.approx(expected.item(), rel=1e-9)
    for parameter, grad in zip(model.parameters(), grads, strict=True):
        torch.testing.assert_close(grad, parameter.grad, rtol=2e-4, atol=0)  # torch divides by norm + 1e-6


def test_row_flops_counts_what_torch_counts_in_a_real_model() -> None:
    """torch's counter sees the matrices and, per document, a full square of attention; ours is causal."""
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import LlamaConfig, LlamaForCausalLM

    c = {"V": 37, "D": 12, "L": 3, "H": 6, "K": 2, "C": 4, "F": 26}
    hf = LlamaConfig(vocab_size=c["V"], hidden_size=c["D"], num_hidden_layers=c["L"], num_attention_heads=c["H"],
                     num_key_value_heads=c["K"], head_dim=c["C"], intermediate_size=c["F"], attn_implementation="eager",
                     tie_word_embeddings=False)  # fmt: skip
    model, lengths = LlamaForCausalLM(hf).eval(), [9, 4]
    c["N"] = sum(parameter.numel() for parameter in model.parameters())
    per_operation: dict[str, int] = {}
    for n in lengths:
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(torch.zeros(1, n, dtype=torch.long), use_cache=False)
        for operation, flop in counter.get_flop_counts()["Global"].items():
            per_operation[str(operation)] = per_operation.get(str(operation), 0) + flop
    bill = answer("row_flops")(c, lengths)
    squares = bill["attention"] * sum(n * n for n in lengths) / sum(n * (n + 1) / 2 for n in lengths)
    assert per_operation["aten.mm"] == bill["matrices"]
    assert per_operation["aten.bmm"] == squares
    assert bill["training"] == 3 * (bill["matrices"] + bill["attention"])
    assert bill["over_6nd"] == (bill["matrices"] + bill["attention"]) / (2 * c["N"] * 13)


def test_published_bills_with_6nd() -> None:
    """5.88e23 (Chinchilla), 3.79e25 (Llama 3.1 405B), 3.29e24 (DeepSeek-V3), and 549 tokens per parameter."""
    table = answer("PUBLISHED")
    bills = {name: 6 * n * d for name, (n, d) in table.items()}
    assert bills["Chinchilla"] == pytest.approx(5.88e23, rel=1e-3)
    assert bills["Llama 3.1 405B"] == pytest.approx(3.79e25, rel=1e-3)
    assert bills["DeepSeek-V3, active"] == pytest.approx(3.29e24, rel=2e-3)
    n, d = table["Qwen2.5-32B, QwQ's base"]
    assert round(d / n) == 549


def test_iso_flop_finds_the_laws_own_optimum() -> None:
    """Runs made by a law, its compute-optimal exponent beta / (alpha + beta) known from algebra.

    A parabola over ln N is not the law's own valley, so sizes stay close to the optimum, where it is one.
    """
    law = EPOCH
    alpha, beta = law["alpha"], law["beta"]
    scale = (alpha * law["A"] / (beta * law["B"])) ** (1 / (alpha + beta))
    runs = []
    for flops in (1e18, 1e19, 1e20, 1e21):
        best = scale * (flops / 6) ** (beta / (alpha + beta))
        for n in best * np.exp([-0.1, -0.04, 0.03, 0.11]):
            runs.append((flops, n, law["E"] + law["A"] / n**alpha + law["B"] / (flops / 6 / n) ** beta))
    out = answer("iso_flop")(runs[::-1], 5.76e23)
    assert out["a"] == pytest.approx(beta / (alpha + beta), rel=1e-4)
    assert [n for _, n, _ in out["optima"]] == pytest.approx(
        [scale * (c / 6) ** (beta / (alpha + beta)) for c in (1e18, 1e19, 1e20, 1e21)], rel=2e-3
    )
    assert out["n_tokens"] / out["n_parameters"] == pytest.approx(18.4, rel=0.01)  # Epoch's 72.2e9 at 5.76e23


def test_cheapest_without_inference_is_compute_optimal() -> None:
    """Epoch's constants at Chinchilla's budget of 5.76e23 FLOP: 72.2 billion parameters, 18.4 tokens for each."""
    n = 72.2e9
    d = 5.76e23 / 6 / n
    loss = EPOCH["E"] + EPOCH["A"] / n ** EPOCH["alpha"] + EPOCH["B"] / d ** EPOCH["beta"]
    best = answer("cheapest")(EPOCH, loss, 0)
    assert best["n_parameters"] == pytest.approx(n, rel=1e-3)
    assert best["flops"] == pytest.approx(5.76e23, rel=1e-4)


@pytest.mark.parametrize("inference_tokens", [1.0, 900.0, 29_700.0])
def test_cheapest_agrees_with_the_case_that_has_a_formula(inference_tokens: float) -> None:
    """alpha = beta = 1, A = B = 100, loss E + 1: (N - 100)^2 = 10,000 / (1 + inference / 300), set to zero by hand."""
    simple = {"E": 7.0, "A": 100.0, "alpha": 1.0, "B": 100.0, "beta": 1.0}
    n = 100 + 100 / math.sqrt(1 + inference_tokens / 300)
    d = 100 * n / (n - 100)
    best = answer("cheapest")(simple, 8.0, inference_tokens)
    assert best["n_parameters"] == pytest.approx(n, rel=1e-6)
    assert best["n_tokens"] == pytest.approx(d, rel=1e-5)
    assert best["flops"] == pytest.approx(6 * n * d + 2 * n * inference_tokens)


def test_the_model_answers_numbers() -> None:
    """What the written question's model answer and mark scheme say, recomputed."""
    n, d = 32_763_876_352, 18e12
    loss = EPOCH["E"] + EPOCH["A"] / n ** EPOCH["alpha"] + EPOCH["B"] / d ** EPOCH["beta"]
    best, own = answer("cheapest")(EPOCH, loss, 0), 6 * n * d
    assert f"{loss:.3f} {own:.2e} {best['flops']:.2e}" == "1.953 3.54e+24 1.32e+24"
    assert round(best["n_parameters"] / 1e9) == 110 and round(best["n_tokens"] / best["n_parameters"]) == 18
    assert round(own / best["flops"], 2) == 2.68
    paid_back = (own - best["flops"]) / (2 * (best["n_parameters"] - n))
    assert round(paid_back / 1e12) == 14
    used = answer("cheapest")(EPOCH, loss, 1e14)["flops"]
    assert 1 <= (own + 2 * n * 1e14) / used < 1.01


def test_the_loop_agrees_with_the_packages_training_step() -> None:
    """Same batches, targets marked as not judged, same optimiser: the package's own step gives the same losses."""
    from racecourse.scaling.corpora import NOT_JUDGED, Batch
    from racecourse.scaling.training import TrainConfig, evaluate, training_step

    torch.manual_seed(8)
    config = TrainConfig(n_steps=6, batch_size=3, learning_rate=0.5, schedule="constant", warmup_steps=0, clip_norm=0.1)
    start_VV, batches = torch.randn(7, 7), [torch.randint(1, 7, (3, 9)) for _ in range(6)]
    for ids_BT in batches:
        ids_BT[0, 5:], ids_BT[2, 3:] = 0, 0
    theirs = answer("Successors")([start_VV])
    out = answer("train_loop")([start_VV], 0.5, batches, batches[0], 3, 0.1)
    optimizer, losses, evaluations = torch.optim.SGD(theirs.parameters(), lr=0.5), [], []
    judged = [Batch(ids[:, :-1], ids[:, 1:].masked_fill(ids[:, 1:] == 0, NOT_JUDGED)) for ids in batches]
    for step, batch in enumerate(judged):
        losses.append(training_step(theirs, batch, optimizer, step, config)[0].item())
        if step in (2, 5):
            evaluations.append(evaluate(theirs, judged[0])[0])
    assert out["losses"] == pytest.approx(losses, rel=1e-5)
    assert out["evaluations"] == pytest.approx(evaluations, rel=1e-5)
    assert out["modes"] == theirs.modes
    torch.testing.assert_close(out["weights"], theirs.numbers())


def test_another_law_changes_no_points() -> None:
    """The parameters cell is what a class variant changes."""
    variant = {"LAW": {"E": 1.5, "A": 150.0, "alpha": 0.3, "B": 900.0, "beta": 0.35}, "INFERENCE_TRILLIONS": [0.5]}
    for exercise in found().exercises:
        for outcome in found().outcomes(exercise, variant):
            assert not outcome.error and not outcome.printed, f"{outcome.grade_id}: {outcome.message}"


def test_an_answer_may_import_nothing_that_is_asked_for() -> None:
    assert allowed_names(found().release) == {
        "racecourse",  # the name that the set-up cell looks for
        "racecourse.learn.hints.hint",
        "racecourse.learn.setup.start",
    }
