"""Wrong answers to exercise set 02."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from wrong_answers import wrong

LN2 = math.log(2)


def _nats(documents):
    return sum(n * loss for _, n, loss in documents)


def _bytes(documents):
    return sum(len(text.encode()) for text, _, _ in documents)


@wrong("bits-per-byte", says="é takes two bytes")
def letters(documents):
    return _nats(documents) / LN2 / sum(len(text) for text, _, _ in documents)


@wrong("bits-per-byte", says="these are nats per byte")
def nats_per_byte(documents):
    return _nats(documents) / _bytes(documents)


@wrong("bits-per-byte", says="multiplied by ln 2")
def times_ln_2(documents):
    return _nats(documents) * LN2 / _bytes(documents)


@wrong("bits-per-byte", says="the loss is a mean")
def loss_is_not_a_sum(documents):
    return sum(loss for _, _, loss in documents) / LN2 / _bytes(documents)


@wrong("bits-per-byte", says="bits per token; divide by the bytes")
def bits_per_token(documents):
    return _nats(documents) / LN2 / sum(n for _, n, _ in documents)


@wrong("bits-per-byte", says="bits per token, divided by the bytes")
def divides_twice(documents):
    return sum(loss / n for _, n, loss in documents) / LN2 / _bytes(documents)


@wrong("bits-per-byte", says="the mean of the documents' own numbers")
def mean_of_documents(documents):
    return sum(bits_per_byte([document]) for document in documents) / len(documents)


@wrong("bits-per-byte", says="the sum of the documents' own numbers")
def sum_of_documents(documents):
    return sum(bits_per_byte([document]) for document in documents)


@wrong("bits-per-byte", says="the mean of the two losses")
def mean_of_losses(documents):
    loss = sum(loss for _, _, loss in documents) / len(documents)
    return loss * sum(n for _, n, _ in documents) / LN2 / _bytes(documents)


@wrong("bits-per-byte", says="only the last document counts")
def last_document(documents):
    return bits_per_byte(documents[-1:])


@wrong("bits-per-byte", says="is the `return` inside the loop?")
def first_document(documents):
    return bits_per_byte(documents[:1])


@wrong("bits-per-byte", says="nothing came back")
def returns_nothing(documents):
    bits_per_byte(documents)


@wrong("bits-per-byte", hidden=True)
def two_bytes_for_every_foreign_letter(documents):
    n_bytes = sum(1 + (letter > "\x7f") for text, _, _ in documents for letter in text)
    return _nats(documents) / LN2 / n_bytes


@wrong("bits-per-byte", hidden=True)
def strips_the_text(documents):
    return bits_per_byte([(text.strip(), n, loss) for text, n, loss in documents])


@wrong("bits-per-byte", hidden=True)
def keyed_by_the_text(documents):
    return bits_per_byte(list({text: (text, n, loss) for text, n, loss in documents}.values()))


def _plan(ends, part, warmup, peak, n_trunk=None, first=1, fall=None, length=None, whole=False, steps=None):
    n_trunk = n_trunk or max(end - end // part for end in ends)
    fall = fall or (lambda i, n: 1 - math.sqrt(i / n))
    length = length or (lambda end: end // part)
    trunk = [peak * min(1.0, (s + first) / warmup) for s in range(n_trunk)]
    branches = {end: [peak * fall(i, length(end)) for i in range(length(end))] for end in ends}
    if whole:
        branches = {end: trunk[: end - len(rates)] + rates for end, rates in branches.items()}
    steps = steps if steps is not None else n_trunk + sum(map(len, branches.values()))
    return {"trunk": trunk, "branches": branches, "steps": steps}


@wrong("branched-rates", says="begins with a rate of 0")
def warms_up_from_zero(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, first=0)


@wrong("branched-rates", says="after the warm-up it stays at the peak")
def warms_up_for_ever(ends, part, warmup, peak):
    plan = _plan(ends, part, warmup, peak)
    return plan | {"trunk": [peak * (s + 1) / warmup for s in range(len(plan["trunk"]))]}


@wrong("branched-rates", says="goes on to the end of the longest run")
def trunk_to_the_end(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, n_trunk=max(ends))


@wrong("branched-rates", says="stops at the shortest run")
def trunk_of_the_shortest(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, n_trunk=min(end - end // part for end in ends))


@wrong("branched-rates", says="a branch holds its cooldown only")
def whole_runs_in_the_branches(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, whole=True)


@wrong("branched-rates", says="as long as run 40")
def one_length_for_all(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, length=lambda end: max(ends) // part)


@wrong("branched-rates", says="falls in a straight line")
def straight_line(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, fall=lambda i, n: 1 - i / n)


@wrong("branched-rates", says="falls along sqrt(1 - x)")
def root_of_what_is_left(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, fall=lambda i, n: math.sqrt(1 - i / n))


@wrong("branched-rates", says="ends with a rate of 0")
def counts_from_one(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, fall=lambda i, n: 1 - math.sqrt((i + 1) / n))


@wrong("branched-rates", says="two runs from the start")
def every_run_from_the_start(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, steps=sum(ends))


@wrong("branched-rates", says="the cooldowns are computed too")
def counts_the_trunk_only(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, steps=max(end - end // part for end in ends))


@wrong("branched-rates", says="x is i / n, not i / (n - 1)")
def ends_at_zero(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, fall=lambda i, n: 1 - math.sqrt(i / max(n - 1, 1)))


@wrong("branched-rates", hidden=True)
def trunk_rounded_down(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, n_trunk=int(max(ends) * (1 - 1 / part)))


@wrong("branched-rates", hidden=True)
def last_run_is_the_longest(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, n_trunk=ends[-1] - ends[-1] // part)


@wrong("branched-rates", hidden=True)
def rounds_the_cooldown(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, length=lambda end: round(end / part))


@wrong("branched-rates", hidden=True)
def at_least_one_step(ends, part, warmup, peak):
    return _plan(ends, part, warmup, peak, length=lambda end: max(1, end // part))


@wrong("branched-rates", hidden=True)
def sorts_what_came_in(ends, part, warmup, peak):
    ends.sort()
    return _plan(ends, part, warmup, peak)


def _adamw(w, grad, state, lr, betas, eps, decay, *, correct="mv", share=True, coupled=False, exponent=None,
           into="fresh", denominator=None, after=False, step_sign=1, decay_sign=1):  # fmt: skip
    """The right step, with one thing changed."""
    t = state["t"] + 1
    if coupled:
        grad = grad + decay * w
        decay = 0.0
    m = betas[0] * state["m"] + ((1 - betas[0]) if share else 1) * grad
    v = betas[1] * state["v"] + (1 - betas[1]) * grad.square()
    e = t if exponent is None else exponent
    c_m, c_v = (1 - betas[0] ** e if "m" in correct else 1), (1 - betas[1] ** e if "v" in correct else 1)
    m_hat, v_hat = m / c_m, v / c_v
    below = denominator(v, v_hat, c_v) if denominator else v_hat.sqrt() + eps
    step, fade = step_sign * lr * m_hat / below, decay_sign * lr * decay
    new = (w - step) * (1 - fade) if after else w - fade * w - step
    return new, {"t": t, "m": m, "v": v}


@wrong("adamw-step", says="m and v are not corrected")
def no_correction(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, correct="")


@wrong("adamw-step", says="is t counted up twice?")
def counts_twice(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, exponent=state["t"] + 2)


@wrong("adamw-step", says="m is corrected for its start at zero, v is not")
def corrects_m_only(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, correct="m")


@wrong("adamw-step", says="v is corrected for its start at zero, m is not")
def corrects_v_only(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, correct="v")


@wrong("adamw-step", says="it is 1 - beta**t")
def corrects_by_one_minus_beta(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, exponent=1)


@wrong("adamw-step", says="1 - beta**0 is 0")
def counts_too_late(w, grad, state, lr, betas, eps, weight_decay):
    new, new_state = _adamw(w, grad, state, lr, betas, eps, weight_decay)
    return (new * math.nan if state["t"] == 0 else new), new_state


@wrong("adamw-step", says="decoupled means that m never sees it")
def decay_in_the_gradient(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, coupled=True)


@wrong("adamw-step", says="taken with its share 1 - beta")
def whole_gradient_into_m(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, share=False)


@wrong("adamw-step", says="betas are swapped")
def betas_swapped(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas[::-1], eps, weight_decay)


@wrong("adamw-step", says="beta is the share of the old mean")
def beta_is_the_new_share(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, (1 - betas[0], 1 - betas[1]), eps, weight_decay)


@wrong("adamw-step", says="the mean of the squares of the gradients")
def gradient_not_squared(w, grad, state, lr, betas, eps, weight_decay):
    new, new_state = adamw_step(w, grad, state, lr, betas, eps, weight_decay)
    return new, new_state | {"v": betas[1] * state["v"] + (1 - betas[1]) * grad.abs()}


@wrong("adamw-step", says="the state keeps them as they are before")
def keeps_the_corrected_means(w, grad, state, lr, betas, eps, weight_decay):
    new, s = adamw_step(w, grad, state, lr, betas, eps, weight_decay)
    return new, {"t": s["t"], "m": s["m"] / (1 - betas[0] ** s["t"]), "v": s["v"] / (1 - betas[1] ** s["t"])}


@wrong("adamw-step", says="eps was added before v was corrected")
def eps_before_the_correction(w, grad, state, lr, betas, eps, weight_decay):
    late = lambda v, v_hat, c_v: (v.sqrt() + eps) / c_v**0.5  # noqa: E731
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, denominator=late)


@wrong("adamw-step", says="eps is inside the root")
def eps_inside_the_root(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, denominator=lambda v, h, c: (h + eps).sqrt())


@wrong("adamw-step", says="the root of v is missing")
def no_root(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, denominator=lambda v, h, c: h + eps)


@wrong("adamw-step", says="the weight decay is missing")
def no_decay(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, 0.0)


@wrong("adamw-step", says="multiplied by the learning rate too")
def decay_without_the_rate(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay / lr)


@wrong("adamw-step", says="a share of the weight before it")
def decays_after_the_step(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, after=True)


@wrong("adamw-step", says="step and decay are both subtracted")
def goes_up_both_ways(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, step_sign=-1, decay_sign=-1)


@wrong("adamw-step", says="the step goes up")
def goes_up(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, step_sign=-1)


@wrong("adamw-step", says="the decay makes the weight larger")
def decay_grows(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, decay_sign=-1)


@wrong("adamw-step", says="w or grad was changed in place")
def weight_in_place(w, grad, state, lr, betas, eps, weight_decay):
    new, new_state = adamw_step(w, grad, state, lr, betas, eps, weight_decay)
    return w.copy_(new), new_state


@wrong("adamw-step", says="the state that came in was changed")
def state_in_place(w, grad, state, lr, betas, eps, weight_decay):
    new, new_state = adamw_step(w, grad, state, lr, betas, eps, weight_decay)
    state.update(new_state)
    return new, state


@wrong("adamw-step", says="the state that came in was changed")
def means_in_place(w, grad, state, lr, betas, eps, weight_decay):
    new, new_state = adamw_step(w, grad, state, lr, betas, eps, weight_decay)
    return new, {"t": new_state["t"], "m": state["m"].copy_(new_state["m"]), "v": state["v"].copy_(new_state["v"])}


@wrong("adamw-step", hidden=True)
def correction_ends_after_five_steps(w, grad, state, lr, betas, eps, weight_decay):
    return _adamw(w, grad, state, lr, betas, eps, weight_decay, exponent=min(state["t"] + 1, 5))


@wrong("adamw-step", hidden=True)
def skips_a_zero_gradient(w, grad, state, lr, betas, eps, weight_decay):
    return adamw_step(w, grad, state, lr, betas, eps, weight_decay) if grad.any() else (w, state)


@wrong("adamw-step", hidden=True)
def always_float32(w, grad, state, lr, betas, eps, weight_decay):
    new, new_state = adamw_step(w, grad, state, lr, betas, eps, weight_decay)
    return new.float(), new_state


def _joined(pieces, weights):
    kept = [(grads, weight) for (grads, n), weight in zip(pieces, weights, strict=True) if n]
    return [sum(weight * grads[i] for grads, weight in kept) for i in range(len(kept[0][0]))]


def _shares(pieces):
    total = sum(n for _, n in pieces)
    return [n / total for _, n in pieces]


def _length(grads):
    return math.sqrt(sum(grad.square().sum().item() for grad in grads))


def _clipped(grads, limit, norm):
    return [grad * (limit / norm if norm > limit else 1.0) for grad in grads], norm


@wrong("accumulate-clip", says="every piece has the same weight")
def mean_of_the_pieces(pieces, limit):
    grads = _joined(pieces, [1 / sum(n > 0 for _, n in pieces)] * len(pieces))
    return _clipped(grads, limit, _length(grads))


@wrong("accumulate-clip", says="the sum of the pieces' means")
def sum_of_the_pieces(pieces, limit):
    grads = _joined(pieces, [1] * len(pieces))
    return _clipped(grads, limit, _length(grads))


@wrong("accumulate-clip", says="not divided by their number, 4")
def sum_over_tokens(pieces, limit):
    grads = _joined(pieces, [n for _, n in pieces])
    return _clipped(grads, limit, _length(grads))


@wrong("accumulate-clip", says="divided by the pieces")
def divided_by_the_pieces(pieces, limit):
    grads = _joined(pieces, [n / len(pieces) for _, n in pieces])
    return _clipped(grads, limit, _length(grads))


@wrong("accumulate-clip", says="changed in place")
def adds_into_the_first_piece(pieces, limit):
    grads = _joined(pieces, _shares(pieces))
    for first, grad in zip(pieces[0][0], grads, strict=True):
        first.copy_(grad)
    return _clipped(grads, limit, _length(grads))


@wrong("accumulate-clip", says="clipping never makes it longer")
def stretches_short_gradients(pieces, limit):
    grads = _joined(pieces, _shares(pieces))
    return [grad * limit / _length(grads) for grad in grads], _length(grads)


def _with_norm(norm_of):
    def answer(pieces, limit):
        grads = _joined(pieces, _shares(pieces))
        return _clipped(grads, limit, norm_of(grads))

    return answer


@wrong("accumulate-clip", says="the root is missing")
def no_root_of_the_squares(pieces, limit):
    return _with_norm(lambda grads: _length(grads) ** 2)(pieces, limit)


@wrong("accumulate-clip", says="the sum of the tensors' lengths")
def sum_of_lengths(pieces, limit):
    return _with_norm(lambda grads: sum(grad.norm().item() for grad in grads))(pieces, limit)


@wrong("accumulate-clip", says="the sum of the absolute numbers")
def sum_of_absolutes(pieces, limit):
    return _with_norm(lambda grads: sum(grad.abs().sum().item() for grad in grads))(pieces, limit)


@wrong("accumulate-clip", says="the root of the mean of the squares")
def root_mean_square(pieces, limit):
    return _with_norm(lambda grads: torch.cat([g.flatten() for g in grads]).square().mean().sqrt().item())(
        pieces, limit
    )


@wrong("accumulate-clip", says="the length of the last tensor, or the largest number")
def largest_number(pieces, limit):
    return _with_norm(lambda grads: max(grad.abs().max().item() for grad in grads))(pieces, limit)


@wrong("accumulate-clip", says="the norm is a plain number")
def norm_as_a_tensor(pieces, limit):
    grads, norm = accumulate_and_clip(pieces, limit)
    return grads, torch.tensor(norm)


@wrong("accumulate-clip", says="that is its spectral norm")
def spectral_norm(pieces, limit):
    return _with_norm(lambda grads: math.hypot(*(torch.linalg.norm(g, ord=2).item() for g in grads)))(pieces, limit)


@wrong("accumulate-clip", says="nothing was clipped")
def never_clips(pieces, limit):
    return _with_norm(_length)(pieces, math.inf)


@wrong("accumulate-clip", says="each number was clipped")
def clips_numbers(pieces, limit):
    grads = _joined(pieces, _shares(pieces))
    return [grad.clamp(-limit, limit) for grad in grads], _length(grads)


@wrong("accumulate-clip", says="each tensor was clipped by its own length")
def clips_tensors(pieces, limit):
    grads = _joined(pieces, _shares(pieces))
    return [_clipped([grad], limit, _length([grad]))[0][0] for grad in grads], _length(grads)


@wrong("accumulate-clip", says="before they were joined")
def clips_pieces(pieces, limit):
    short = [(_clipped(grads, limit, _length(grads))[0], n) for grads, n in pieces]
    return _joined(short, _shares(pieces)), _length(_joined(pieces, _shares(pieces)))


@wrong("accumulate-clip", says="the length after clipping")
def norm_after(pieces, limit):
    grads, _ = accumulate_and_clip(pieces, limit)
    return grads, _length(grads)


@wrong("accumulate-clip", says="0 * NaN is NaN")
def keeps_empty_pieces(pieces, limit):
    shares = _shares(pieces)
    grads = [sum(s * g[i] for (g, _), s in zip(pieces, shares, strict=True)) for i in range(len(pieces[0][0]))]
    return _clipped(grads, limit, _length(grads))


@wrong("accumulate-clip", says="0 / 0 is NaN")
def factor_without_a_question(pieces, limit):
    grads = _joined(pieces, _shares(pieces))
    norm = torch.tensor(_length(grads))
    return [grad * torch.minimum(limit / norm, norm / norm) for grad in grads], norm.item()


@wrong("accumulate-clip", hidden=True)
def drops_only_a_first_empty_piece(pieces, limit):
    pieces = pieces if pieces[0][1] else pieces[1:]
    return keeps_empty_pieces(pieces, limit)


@wrong("accumulate-clip", hidden=True)
def hands_back_a_lone_piece(pieces, limit):
    grads, norm = accumulate_and_clip(pieces, limit)
    return (pieces[0][0], norm) if len(pieces) == 1 and norm <= limit else (grads, norm)


@wrong("accumulate-clip", hidden=True)
def two_parameters_at_most(pieces, limit):
    grads = _joined(pieces, _shares(pieces))
    return _clipped(grads, limit, _length(grads[:2]))


def _bill(c, lengths, *, weights=None, pairs=None, per_pair=None, flop=2, factor=3, tokens=None):
    projections = c["D"] * c["C"] * 2 * (c["H"] + c["K"])
    weights = c["L"] * (projections + 3 * c["D"] * c["F"]) + c["D"] * c["V"] if weights is None else weights
    pairs = sum(n * (n + 1) // 2 for n in lengths) if pairs is None else pairs
    matrices = flop * weights * (sum(lengths) if tokens is None else tokens)
    attention = (4 * c["C"] * c["H"] * c["L"] if per_pair is None else per_pair) * pairs
    training = factor * (matrices + attention)
    over = training / (6 * c["N"] * sum(lengths))
    return {"matrices": matrices, "attention": attention, "training": training, "over_6nd": over}


def _layer(c):
    return c["D"] * c["C"] * 2 * (c["H"] + c["K"]) + 3 * c["D"] * c["F"]


@wrong("row-flops", says="a multiplication and an addition")
def one_flop_per_weight(c, lengths):
    return _bill(c, lengths, flop=1)


@wrong("row-flops", says="2 * N per token")
def every_parameter(c, lengths):
    return _bill(c, lengths, weights=c["N"])


@wrong("row-flops", says="looked up, not multiplied")
def embedding_multiplied(c, lengths):
    return _bill(c, lengths, weights=c["L"] * _layer(c) + 2 * c["D"] * c["V"])


@wrong("row-flops", says="the output head is missing")
def no_head(c, lengths):
    return _bill(c, lengths, weights=c["L"] * _layer(c))


@wrong("row-flops", says="not in every layer")
def head_in_every_layer(c, lengths):
    return _bill(c, lengths, weights=c["L"] * (_layer(c) + c["D"] * c["V"]))


@wrong("row-flops", says="keys and values have K heads")
def no_grouping_of_heads(c, lengths):
    return _bill({**c, "K": c["H"]}, lengths)


@wrong("row-flops", says="back to D, is missing")
def no_output_projection_of_heads(c, lengths):
    return _bill(c, lengths, weights=c["L"] * (_layer(c) - c["D"] * c["H"] * c["C"]) + c["D"] * c["V"])


@wrong("row-flops", says="three matrices")
def two_matrices_in_the_feed_forward(c, lengths):
    return _bill(c, lengths, weights=c["L"] * (_layer(c) - c["D"] * c["F"]) + c["D"] * c["V"])


@wrong("row-flops", says="that is one layer and the head")
def one_layer(c, lengths):
    return _bill(c, lengths, weights=_layer(c) + c["D"] * c["V"])


@wrong("row-flops", says="that is one token")
def one_token(c, lengths):
    return _bill(c, lengths, tokens=1)


@wrong("row-flops", says="of the forward pass alone")
def parts_of_training(c, lengths):
    bill = row_flops(c, lengths)
    return bill | {"matrices": 3 * bill["matrices"], "attention": 3 * bill["attention"]}


@wrong("row-flops", says="tokens look at later ones")
def not_causal(c, lengths):
    return _bill(c, lengths, pairs=sum(n * n for n in lengths))


@wrong("row-flops", says="look at earlier documents too")
def across_documents(c, lengths):
    return _bill(c, lengths, pairs=sum(lengths) * (sum(lengths) + 1) // 2)


@wrong("row-flops", says="every pair of the row")
def whole_square(c, lengths):
    return _bill(c, lengths, pairs=sum(lengths) ** 2)


@wrong("row-flops", says="a token looks at itself too")
def not_at_itself(c, lengths):
    return _bill(c, lengths, pairs=sum(n * (n - 1) // 2 for n in lengths))


@wrong("row-flops", says="half of n * n pairs")
def half_the_square(c, lengths):
    return _bill(c, lengths, pairs=sum(n * n / 2 for n in lengths))


@wrong("row-flops", says="forms its own scores")
def key_heads_for_scores(c, lengths):
    return _bill(c, lengths, per_pair=4 * c["C"] * c["K"] * c["L"])


@wrong("row-flops", says="scores and values both cost")
def scores_only(c, lengths):
    return _bill(c, lengths, per_pair=2 * c["C"] * c["H"] * c["L"])


@wrong("row-flops", says="that is one layer; there are L")
def attention_of_one_layer(c, lengths):
    return _bill(c, lengths, per_pair=4 * c["C"] * c["H"])


@wrong("row-flops", says="D is taken for H * C")
def width_for_the_heads(c, lengths):
    return _bill(c, lengths, per_pair=4 * c["D"] * c["L"])


@wrong("row-flops", says="that is the backward pass")
def backward_alone(c, lengths):
    return _bill(c, lengths, factor=2)


@wrong("row-flops", says="that is the forward pass")
def forward_alone(c, lengths):
    return _bill(c, lengths, factor=1)


@wrong("row-flops", says="the attention is missing")
def training_without_attention(c, lengths):
    bill = row_flops(c, lengths)
    return bill | {"training": 3 * bill["matrices"]}


@wrong("row-flops", says="without the 5 tokens of the row")
def over_six_n(c, lengths):
    bill = row_flops(c, lengths)
    return bill | {"over_6nd": bill["training"] / (6 * c["N"])}


@wrong("row-flops", says="not only those in the matrices")
def over_the_counted_matrices(c, lengths):
    bill = row_flops(c, lengths)
    return bill | {"over_6nd": bill["training"] / (3 * bill["matrices"])}


@wrong("row-flops", says="turn the fraction over")
def fraction_upside_down(c, lengths):
    bill = row_flops(c, lengths)
    return bill | {"over_6nd": 1 / bill["over_6nd"]}


@wrong("row-flops", hidden=True)
def floats_for_flop(c, lengths):
    return {name: float(number) for name, number in row_flops(c, lengths).items()}


@wrong("row-flops", hidden=True)
def two_documents_or_equal_ones(c, lengths):
    same_length = lengths if len(lengths) < 3 else [sum(lengths) // len(lengths)] * len(lengths)
    return row_flops(c, lengths) | {"attention": row_flops(c, same_length)["attention"]}


@wrong("row-flops", hidden=True)
def one_key_head(c, lengths):
    return row_flops({**c, "K": 1}, lengths)


def _valleys(runs, budget, *, best_of=None, hills=False, slope_of=None, cost=6, where=None):
    optima = []
    for flops in sorted({run[0] for run in runs}):
        sizes, losses = np.array([run[1:] for run in runs if run[0] == flops]).T
        p, q, _ = np.polyfit(np.log(sizes), losses, 2)
        if p > 0 or hills:
            best = best_of(sizes, losses, p, q) if best_of else math.exp(-q / (2 * p))
            optima.append((flops, float(best), flops / (cost * float(best))))
    x, y = np.log([o[0] for o in optima]), np.log([abs(o[1]) for o in optima])
    a, intercept = np.polyfit(x, y, 1)
    a = slope_of(x, y) if slope_of else a
    size = where(optima, a) if where else math.exp(intercept + a * math.log(budget))
    return {"optima": optima, "a": float(a), "n_parameters": size, "n_tokens": budget / (cost * size)}


@wrong("iso-flop", says="the best model that was trained")
def best_of_the_trained(runs, budget):
    return _valleys(runs, budget, best_of=lambda sizes, losses, p, q: sizes[losses.argmin()])


@wrong("iso-flop", says="a parabola over the sizes")
def parabola_over_sizes(runs, budget):
    def lowest(sizes, losses, p, q):
        p, q, _ = np.polyfit(sizes / sizes.max(), losses, 2)
        return -q / (2 * p) * sizes.max()

    return _valleys(runs, budget, best_of=lowest)


@wrong("iso-flop", says="is the logarithm of the size")
def keeps_the_logarithm(runs, budget):
    return _valleys(runs, budget, best_of=lambda sizes, losses, p, q: -q / (2 * p))


@wrong("iso-flop", says="the lowest point is at -q / (2 * p)")
def forgets_the_two(runs, budget):
    return _valleys(runs, budget, best_of=lambda sizes, losses, p, q: math.exp(-q / p))


@wrong("iso-flop", says="the lowest point is at -q / (2 * p)")
def forgets_the_sign(runs, budget):
    return _valleys(runs, budget, best_of=lambda sizes, losses, p, q: math.exp(q / (2 * p)))


@wrong("iso-flop", says="-q / 2 * p multiplies by p")
def forgets_the_brackets(runs, budget):
    return _valleys(runs, budget, best_of=lambda sizes, losses, p, q: math.exp(-q / 2 * p))


@wrong("iso-flop", says="exp of a log10")
def exp_of_a_log10(runs, budget):
    return _valleys(runs, budget, best_of=lambda sizes, losses, p, q: math.exp(-q / (2 * p) / math.log(10)))


@wrong("iso-flop", says="costs 6 FLOP")
def forgets_the_six(runs, budget):
    return _valleys(runs, budget, cost=1)


@wrong("iso-flop", says="from the first optimum to the last")
def slope_of_the_ends(runs, budget):
    return _valleys(runs, budget, slope_of=lambda x, y: (y[-1] - y[0]) / (x[-1] - x[0]))


@wrong("iso-flop", says="the mean of the slopes between neighbours")
def mean_of_slopes(runs, budget):
    return _valleys(runs, budget, slope_of=lambda x, y: np.mean(np.diff(y) / np.diff(x)))


@wrong("iso-flop", says="the exponent of the tokens")
def exponent_of_the_tokens(runs, budget):
    found = iso_flop(runs, budget)
    return found | {"a": 1 - found["a"]}


@wrong("iso-flop", says="ln(flops) against ln(size)")
def axes_swapped(runs, budget):
    return _valleys(runs, budget, slope_of=lambda x, y: np.polyfit(y, x, 1)[0])


@wrong("iso-flop", says="goes on from the last optimum")
def from_the_last_optimum(runs, budget):
    return _valleys(runs, budget, where=lambda optima, a: optima[-1][1] * (budget / optima[-1][0]) ** a)


@wrong("iso-flop", says="form a hill")
def keeps_hills(runs, budget):
    return _valleys(runs, budget, hills=True)


@wrong("iso-flop", says="the smallest budget comes first")
def largest_budget_first(runs, budget):
    found = iso_flop(runs, budget)
    return found | {"optima": found["optima"][::-1]}


@wrong("iso-flop", hidden=True)
def parabola_through_three_points(runs, budget):
    """Only the three lowest losses of a budget: exact on exact valleys, wrong on noisy ones."""
    budgets = {run[0] for run in runs}
    three = [run for c in budgets for run in sorted([r for r in runs if r[0] == c], key=lambda r: r[2])[:3]]
    found, all_of_them = iso_flop(three, budget), iso_flop(runs, budget)
    return found | {"optima": [o for o in found["optima"] if o[0] in {c for c, _, _ in all_of_them["optima"]}]}


@wrong("iso-flop", hidden=True)
def budgets_as_they_come(runs, budget):
    found = iso_flop(runs, budget)
    order = list(dict.fromkeys(run[0] for run in runs))
    return found | {"optima": sorted(found["optima"], key=lambda o: order.index(o[0]))}


@wrong("iso-flop", hidden=True)
def four_runs_per_budget(runs, budget):
    runs = sorted(runs, key=lambda run: run[0])
    cut = [run for i in range(0, len(runs), 4) for run in [(runs[i][0], *r[1:]) for r in runs[i : i + 4]]]
    return iso_flop(cut if len(cut) == len(runs) else runs, budget)


def _search(law, loss, cost_of, room=None):
    room = room or loss - law["E"]
    n = np.exp(np.linspace(1e-6, 30, 300_001)) * (law["A"] / room) ** (1 / law["alpha"])
    d = (law["B"] / (room - law["A"] / n ** law["alpha"])) ** (1 / law["beta"])
    i = np.argmin(cost_of(n, d))
    return float(n[i]), float(d[i])


def _found(n, d, inference_tokens, **other):
    return {"n_parameters": n, "n_tokens": d, "flops": 6 * n * d + 2 * n * inference_tokens} | other


def _checked(law, loss):
    if loss <= law["E"]:
        raise ValueError("out of reach")


@wrong("cheapest-model", says="inference is not in the cost")
def cheapest_to_train(law, loss, inference_tokens):
    _checked(law, loss)
    return _found(*_search(law, loss, lambda n, d: n * d), inference_tokens)


@wrong("cheapest-model", says="training and inference tokens cost the same in your sum")
def six_for_inference(law, loss, inference_tokens):
    return _found(*_search(law, loss, lambda n, d: n * (d + inference_tokens)), inference_tokens)


@wrong("cheapest-model", says="training and inference tokens cost the same in your sum")
def two_for_training(law, loss, inference_tokens):
    return _found(*_search(law, loss, lambda n, d: 2 * n * d + 2 * n * inference_tokens), inference_tokens)


@wrong("cheapest-model", says="a quarter of a training token")
def eight_for_training(law, loss, inference_tokens):
    return _found(*_search(law, loss, lambda n, d: 8 * n * d + 2 * n * inference_tokens), inference_tokens)


@wrong("cheapest-model", says="a sixth of a training token")
def one_for_inference(law, loss, inference_tokens):
    return _found(*_search(law, loss, lambda n, d: 6 * n * d + n * inference_tokens), inference_tokens)


@wrong("cheapest-model", says="so small a model never reaches the loss")
def keeps_sizes_that_are_too_small(law, loss, inference_tokens):
    n = np.exp(np.linspace(0, 30, 300_001))
    with np.errstate(invalid="ignore"):
        d = (law["B"] / (loss - law["E"] - law["A"] / n ** law["alpha"])) ** (1 / law["beta"])
    i = np.nanargmin(6 * n * d + 2 * n * inference_tokens)
    return _found(float(n[i]), float(d[i]), inference_tokens)


@wrong("cheapest-model", says="which cost does your search compare?")
def five_for_training(law, loss, inference_tokens):
    n, d = _search(law, loss, lambda n, d: 5 * n * d + 2 * n * inference_tokens)
    return _found(n, d, inference_tokens, flops=5 * n * d + 2 * n * inference_tokens)


@wrong("cheapest-model", says="does your search compare another cost")
def searches_with_another_cost(law, loss, inference_tokens):
    return _found(*_search(law, loss, lambda n, d: 5 * n * d + 2 * n * inference_tokens), inference_tokens)


@wrong("cheapest-model", says="20 tokens per parameter")
def twenty_tokens_per_parameter(law, loss, inference_tokens):
    return _found(*_search(law, loss, lambda n, d: np.abs(np.log(d / n / 20))), inference_tokens)


@wrong("cheapest-model", says="E has to be taken off first")
def forgets_the_floor(law, loss, inference_tokens):
    n, d = _search(law, loss, lambda n, d: 6 * n * d + 2 * n * inference_tokens, room=loss)
    return _found(n, d, inference_tokens)


@wrong("cheapest-model", says="Search more finely")
def coarse_grid(law, loss, inference_tokens):
    best = cheapest(law, loss, inference_tokens)
    n = 10 ** (round(math.log10(best["n_parameters"]) * 20) / 20)
    d = (law["B"] / (loss - law["E"] - law["A"] / n ** law["alpha"])) ** (1 / law["beta"])
    return _found(n, d, inference_tokens)


@wrong("cheapest-model", says="those of inference were added")
def tokens_of_both(law, loss, inference_tokens):
    best = cheapest(law, loss, inference_tokens)
    return best | {"n_tokens": best["n_tokens"] + inference_tokens}


@wrong("cheapest-model", says="training alone, or inference alone")
def bill_of_training(law, loss, inference_tokens):
    best = cheapest(law, loss, inference_tokens)
    return best | {"flops": 6 * best["n_parameters"] * best["n_tokens"]}


@wrong("cheapest-model", says="not 1.5")
def forgets_the_root(law, loss, inference_tokens):
    return cheapest(law | {"alpha": 1.0}, loss, inference_tokens)


@wrong("cheapest-model", says="raise a ValueError")
def no_error(law, loss, inference_tokens):
    return cheapest(law, max(loss, law["E"] + 1e-9), inference_tokens)


@wrong("cheapest-model", says="raise a ValueError")
def error_below_the_floor_only(law, loss, inference_tokens):
    if loss == law["E"]:
        return _found(math.inf, math.inf, inference_tokens)
    return cheapest(law, loss, inference_tokens)


@wrong("cheapest-model", hidden=True)
def searches_up_to_a_trillion(law, loss, inference_tokens):
    _checked(law, loss)
    best = cheapest(law, loss, inference_tokens)
    if best["n_parameters"] <= 1e12:
        return best
    return _found(1e12, best["n_tokens"], inference_tokens)


@wrong("cheapest-model", hidden=True)
def searches_up_to_fourteen_times_the_smallest(law, loss, inference_tokens):
    _checked(law, loss)
    best, smallest = cheapest(law, loss, inference_tokens), (law["A"] / (loss - law["E"])) ** (1 / law["alpha"])
    n = min(best["n_parameters"], 14 * smallest)
    d = (law["B"] / (loss - law["E"] - law["A"] / n ** law["alpha"])) ** (1 / law["beta"])
    return _found(n, d, inference_tokens)


@wrong("cheapest-model", hidden=True)
def no_floor_above_one(law, loss, inference_tokens):
    """Takes 1 for the floor that cannot be reached."""
    return cheapest(law if loss <= 1 or loss > law["E"] else law | {"E": 1.0}, loss, inference_tokens)


def _loop(weights, rate, batches, held_out, eval_every, limit, *bugs):
    """The right loop, some of its bugs put back."""
    model = Successors(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def mean_loss(ids):
        inputs, targets = (ids, ids) if "same token" in bugs else (ids[:, :-1], ids[:, 1:])
        if "token before" in bugs:
            inputs, targets = targets, inputs
        logits, pad = model(inputs).flatten(0, 1), (-100 if "padding" in bugs else PAD)
        if "mask by inputs" in bugs:
            return F.cross_entropy(logits, targets.flatten(), reduction="none")[inputs.flatten() != PAD].mean()
        how = "sum" if "sum" in bugs else "mean"
        return F.cross_entropy(logits, targets.flatten(), ignore_index=pad, reduction=how)

    losses, evaluations = [], []
    model.train()
    for step, ids in enumerate(batches):
        if "eval mode stays" not in bugs:
            model.train()
        loss = mean_loss(ids)
        if "accumulates" not in bugs:
            optimizer.zero_grad()
        if "clips early" in bugs:
            nn.utils.clip_grad_norm_(model.parameters(), limit)
        loss.backward()
        if "empties late" in bugs:
            optimizer.zero_grad()
        if "clips alone" in bugs:
            for parameter in model.parameters():
                nn.utils.clip_grad_norm_([parameter], limit)
        elif "clips early" not in bugs and "clips late" not in bugs:
            nn.utils.clip_grad_norm_(model.parameters(), 0.05 if "fixed limit" in bugs and limit < 1 else limit)
        optimizer.step()
        if "clips late" in bugs:
            nn.utils.clip_grad_norm_(model.parameters(), limit)
        losses.append(loss.item())
        if (step + ("counts from 0" not in bugs)) % (1 if "every step" in bugs else eval_every) == 0:
            if "no eval mode" not in bugs:
                model.eval()
            with torch.no_grad():
                evaluations.append(mean_loss(held_out).item())
    return {"losses": losses, "evaluations": evaluations, "weights": model.numbers(), "modes": model.modes}


@wrong("loop-bugs", says="which one should it predict?")
def all_five_bugs(weights, rate, batches, held_out, eval_every, limit):
    return train_loop_with_bugs(weights, rate, batches, held_out, eval_every, limit)


@wrong("loop-bugs", says="which one should it predict?")
def leaves_the_targets(*args):
    return _loop(*args, "same token")


@wrong("loop-bugs", says="the targets lie one place later, not earlier")
def shifts_the_other_way(*args):
    return _loop(*args, "token before")


@wrong("loop-bugs", says="predictions of padding are judged too")
def leaves_the_padding(*args):
    return _loop(*args, "padding")


@wrong("loop-bugs", says="mask by the targets")
def masks_by_the_inputs(*args):
    return _loop(*args, "mask by inputs")


@wrong("loop-bugs", says="not their mean")
def sums_the_losses(*args):
    return _loop(*args, "sum")


@wrong("loop-bugs", says="who empties it?")
def leaves_the_old_gradient(*args):
    return _loop(*args, "accumulates")


@wrong("loop-bugs", says="the weights did not move")
def empties_after_backward(*args):
    return _loop(*args, "empties late")


@wrong("loop-bugs", says="is there a gradient yet")
def leaves_the_early_clip(*args):
    return _loop(*args, "clips early", "accumulates")


@wrong("loop-bugs", says="still a step to come")
def clips_after_the_step(*args):
    return _loop(*args, "clips late")


@wrong("loop-bugs", says="still run in evaluation mode")
def leaves_evaluation_mode(*args):
    return _loop(*args, "eval mode stays")


@wrong("loop-bugs", says="the evaluation runs in training mode")
def takes_evaluation_mode_out(*args):
    return _loop(*args, "no eval mode")


@wrong("loop-bugs", says="one every two steps is asked for")
def evaluates_every_step(*args):
    return _loop(*args, "every step")


@wrong("loop-bugs", says="`step` counts from 0")
def evaluates_after_step_one(*args):
    return _loop(*args, "counts from 0")


@wrong("loop-bugs", hidden=True)
def clips_each_parameter_alone(*args):
    return _loop(*args, "clips alone")


@wrong("loop-bugs", hidden=True)
def limit_of_the_check(*args):
    return _loop(*args, "fixed limit")


@wrong("loop-bugs", hidden=True)
def cuts_all_rows_like_the_first(weights, rate, batches, held_out, eval_every, limit):
    cut = [ids[:, : (ids[0] != PAD).sum()] for ids in batches]
    return _loop(weights, rate, cut, held_out[:, : (held_out[0] != PAD).sum()], eval_every, limit)
