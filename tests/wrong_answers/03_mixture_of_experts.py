"""Wrong answers to exercise set 03."""

import itertools
import math

import torch
import torch.nn.functional as F

from wrong_answers import wrong

NORMED = ("qwen3", "deepseek")  # styles whose weights are divided by their sum


def _scores(logits, style, dim=-1):
    if style == "mixtral":
        return logits
    return logits.sigmoid() if style == "deepseek" else logits.softmax(dim)


def _table(logits, chosen, weights):
    return torch.zeros_like(logits).scatter(-1, chosen, weights)


@wrong("gates", says="wanted is a column for every expert")
def only_the_chosen_weights(logits_NE, k, style):
    return gates(logits_NE, k, style).sort(dim=-1, descending=True).values[:, :k]


@wrong("gates", says="all four experts of token 0 have a weight")
def keeps_every_expert(logits_NE, k, style):
    scores = logits_NE.sigmoid() if style == "deepseek" else logits_NE.softmax(-1)
    return scores / scores.sum(-1, keepdim=True)


@wrong("gates", says="the softmax ran over the tokens")
def softmax_over_tokens(logits_NE, k, style):
    if style != "olmoe":
        return gates(logits_NE, k, style)
    weights, chosen = logits_NE.softmax(0).topk(k, dim=-1)
    return _table(logits_NE, chosen, weights)


@wrong("gates", says="olmoe: that is a sigmoid")
def sigmoid_for_all(logits_NE, k, style):
    weights, chosen = logits_NE.sigmoid().topk(k, dim=-1)
    return _table(logits_NE, chosen, weights / weights.sum(-1, keepdim=True) if style in NORMED else weights)


@wrong("gates", says="OLMoE leaves them as the softmax gave them")
def always_renormalised(logits_NE, k, style):
    return gates(logits_NE, k, "qwen3" if style == "olmoe" else style)


@wrong("gates", says="the weights stand in order of size")
def in_order_of_size(logits_NE, k, style):
    return gates(logits_NE, k, style).sort(dim=-1, descending=True).values


@wrong("gates", says="qwen3: the weights of a token are divided by their sum")
def qwen3_like_olmoe(logits_NE, k, style):
    return gates(logits_NE, k, "olmoe" if style == "qwen3" else style)


@wrong("gates", says="qwen3: divided by a sum over the tokens")
def divided_over_tokens(logits_NE, k, style):
    if style != "qwen3":
        return gates(logits_NE, k, style)
    kept = gates(logits_NE, k, "olmoe")
    return kept / kept.sum(0)


@wrong("gates", says="a logit of 0 does not remove an expert")
def zeroed_logits(logits_NE, k, style):
    if style != "mixtral":
        return gates(logits_NE, k, style)
    kept = _table(logits_NE, logits_NE.topk(k, dim=-1).indices, torch.ones(len(logits_NE), k))
    return (logits_NE * kept).softmax(-1)


@wrong("gates", says="a softmax of a softmax")
def softmax_twice(logits_NE, k, style):
    if style != "mixtral":
        return gates(logits_NE, k, style)
    weights, chosen = logits_NE.softmax(-1).topk(k, dim=-1)
    return _table(logits_NE, chosen, weights.softmax(-1))


@wrong("gates", says="not yet divided by their sum")
def deepseek_not_divided(logits_NE, k, style):
    if style != "deepseek":
        return gates(logits_NE, k, style)
    weights, chosen = logits_NE.sigmoid().topk(k, dim=-1)
    return _table(logits_NE, chosen, weights)


@wrong("gates", says="deepseek: that is a softmax")
def deepseek_like_qwen3(logits_NE, k, style):
    return gates(logits_NE, k, "qwen3" if style == "deepseek" else style)


@wrong("gates", says="divided by the sum over all experts")
def deepseek_divided_too_early(logits_NE, k, style):
    if style != "deepseek":
        return gates(logits_NE, k, style)
    scores = logits_NE.sigmoid()
    weights, chosen = (scores / scores.sum(-1, keepdim=True)).topk(k, dim=-1)
    return _table(logits_NE, chosen, weights)


@wrong("gates", says="a tie must not add one")
def threshold(logits_NE, k, style):
    scores = _scores(logits_NE, style)
    kept = scores >= scores.topk(k, dim=-1).values[:, -1:]
    if style == "mixtral":
        return logits_NE.masked_fill(~kept, -math.inf).softmax(-1)
    scores = scores * kept
    return scores / scores.sum(-1, keepdim=True) if style in NORMED else scores


@wrong("gates", says="exp(2000) overflows")
def exp_by_hand(logits_NE, k, style):
    if style != "mixtral":
        return gates(logits_NE, k, style)
    logits, chosen = logits_NE.topk(k, dim=-1)
    return _table(logits_NE, chosen, logits.exp() / logits.exp().sum(-1, keepdim=True))


@wrong("gates", hidden=True)
def k_is_two(logits_NE, k, style):
    return gates(logits_NE, 2, style)


@wrong("gates", hidden=True)
def ones_for_a_single_expert(logits_NE, k, style):
    return gates(logits_NE, k, "qwen3" if k == 1 else style)


@wrong("gates", says="mixtral: no gradient flows back")
def mixtral_from_a_list(logits_NE, k, style):
    out = gates(logits_NE, k, style)
    return torch.tensor(out.tolist()) if style == "mixtral" else out


@wrong("gates", says="the logits that came in were changed in place")
def changes_the_logits(logits_NE, k, style):
    out = gates(logits_NE, k, style)
    logits_NE[out == 0] = -math.inf
    return out


def _picked(scores, n):
    return torch.zeros_like(scores).scatter(0, scores.topk(n, dim=0).indices, 1.0)


def _by_mask(scores, mask):
    return {"weights_NE": scores * mask, "experts_N": mask.long().sum(1)}


@wrong("upcycle", says="down is copied as it is")
def scales_nothing(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF * (weight_sum + S), E, S, weight_sum)


@wrong("upcycle", says="the shared expert adds its result too")
def forgets_the_shared(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF * (weight_sum + S) / weight_sum, E, S, weight_sum)


@wrong("upcycle", says="down / 4, and 4 is E;")
def divides_by_the_routed_experts(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF * (weight_sum + S) / E, E, S, weight_sum)


@wrong("upcycle", says="how often does the dense part count in the output, all routed")
def divides_by_all_experts(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF * (weight_sum + S) / (E + S + 1), E, S, weight_sum)


@wrong("upcycle", says="down / 5, and 5 is E + S;")
def divides_by_the_experts_there_are(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF * (weight_sum + S) / (E + S), E, S, weight_sum)


@wrong("upcycle", says="E = 5, S = 0, weight_sum = 2.5")
def takes_the_weights_to_sum_to_2_with_shared_ones(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF * (weight_sum + S) / (2 + S if S else 1), E, S, weight_sum)


@wrong("upcycle", says="gate's rows come first")
def up_first(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(up_FD, gate_FD, down_DF, E, S, weight_sum)


@wrong("upcycle", says="gate and up are copied as they are")
def scales_up_instead(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD / (weight_sum + S), down_DF * (weight_sum + S), E, S, weight_sum)


@wrong("upcycle", says="all copies are to be equal")
def scales_only_the_routed(gate_FD, up_FD, down_DF, E, S, weight_sum):
    out = upcycle(gate_FD, up_FD, down_DF, E, S, weight_sum)
    return out | ({"shared_down_DF": down_DF.repeat(1, S)} if S else {})


@wrong("upcycle", says="all gates, then all ups")
def gate_and_up_in_turn(gate_FD, up_FD, down_DF, E, S, weight_sum):
    out = upcycle(gate_FD, up_FD, down_DF, E, S, weight_sum)
    return out | ({"shared_gate_up_GD": torch.cat((gate_FD, up_FD)).repeat(S, 1)} if S else {})


@wrong("upcycle", says="the shared part's matrices should be")
def one_shared_expert_whatever_their_number(gate_FD, up_FD, down_DF, E, S, weight_sum):
    out = upcycle(gate_FD, up_FD, down_DF, E, S, weight_sum)
    shared = {"shared_gate_up_GD": torch.cat((gate_FD, up_FD)), "shared_down_DF": down_DF / (weight_sum + S)}
    return out | (shared if S else {})


@wrong("upcycle", says="with S = 0 there are no shared tensors")
def empty_shared_tensors(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF, E, S, weight_sum) | (
        {} if S else {"shared_gate_up_GD": gate_FD[:0], "shared_down_DF": down_DF[:, :0]}
    )


@wrong("upcycle", says="share one memory")
def expands(gate_FD, up_FD, down_DF, E, S, weight_sum):
    out = upcycle(gate_FD, up_FD, down_DF, E, S, weight_sum)
    return out | {name: out[name][0].clone().expand(E, -1, -1) for name in ("gate_up_EGD", "down_EDF")}


@wrong("upcycle", says="they were changed in place")
def divides_the_dense_part_in_place(gate_FD, up_FD, down_DF, E, S, weight_sum):
    out = upcycle(gate_FD, up_FD, down_DF, E, S, weight_sum)
    down_DF /= weight_sum + S
    return out


@wrong("upcycle", hidden=True)
def takes_at_most_two_shared(gate_FD, up_FD, down_DF, E, S, weight_sum):
    return upcycle(gate_FD, up_FD, down_DF * (weight_sum + S) / (weight_sum + min(S, 2)), E, S, weight_sum)


def _fits(chosen, n_experts, factor, capacity=None, arrival="choice", limit=0):
    N, k = chosen.shape
    capacity = math.ceil(factor * N * k / n_experts) if capacity is None else capacity
    slots = list(itertools.product(range(N), range(k)))
    if arrival == "choice":
        slots.sort(key=lambda slot: slot[1])
    loads, kept = {}, torch.zeros(N, k, dtype=torch.bool)
    for n, j in slots:
        expert = int(chosen[n, j])
        kept[n, j] = loads.get(expert, 0) < capacity + limit
        loads[expert] = loads.get(expert, 0) + 1
    return kept, (~kept).float().mean().item()


@wrong("capacity", says="wanted is True where it was kept")
def marks_the_dropped(chosen_Nk, E, factor):
    kept, dropped = fits(chosen_Nk, E, factor)
    return ~kept, dropped


@wrong("capacity", says="first come the first choices of all tokens")
def token_after_token(chosen_Nk, E, factor):
    return _fits(chosen_Nk, E, factor, arrival="token")


@wrong("capacity", says="there are N * k slots to be placed, not N")
def capacity_without_k(chosen_Nk, E, factor):
    return _fits(chosen_Nk, E, factor, capacity=math.ceil(factor * len(chosen_Nk) / E))


@wrong("capacity", says="places 0 and 1 exist")
def one_place_too_many(chosen_Nk, E, factor):
    return _fits(chosen_Nk, E, factor, limit=1)


@wrong("capacity", says="each is for itself")
def all_or_nothing(chosen_Nk, E, factor):
    kept, _ = fits(chosen_Nk, E, factor)
    kept = kept.all(1, keepdim=True).expand_as(kept)
    return kept, (~kept).float().mean().item()


@wrong("capacity", says="dropped is 3")
def counts_the_dropped(chosen_Nk, E, factor):
    kept, _ = fits(chosen_Nk, E, factor)
    return kept, (~kept).sum().item()


@wrong("capacity", says="is a share of the tokens")
def share_of_tokens_that_lost_something(chosen_Nk, E, factor):
    kept, _ = fits(chosen_Nk, E, factor)
    return kept, (~kept).any(1).float().mean().item()


@wrong("capacity", says="is a share of the tokens")
def share_of_tokens_that_lost_everything(chosen_Nk, E, factor):
    kept, _ = fits(chosen_Nk, E, factor)
    return kept, (~kept).all(1).float().mean().item()


@wrong("capacity", says="the share that was kept")
def share_kept(chosen_Nk, E, factor):
    kept, dropped = fits(chosen_Nk, E, factor)
    return kept, 1 - dropped


@wrong("capacity", says="dropped is a plain number")
def share_as_a_tensor(chosen_Nk, E, factor):
    kept, _ = fits(chosen_Nk, E, factor)
    return kept, (~kept).float().mean()


@wrong("capacity", says="that is rounded up")
def rounds_down(chosen_Nk, E, factor):
    return _fits(chosen_Nk, E, factor, capacity=int(factor * chosen_Nk.numel() / E))


@wrong("capacity", says="although only two experts were chosen")
def experts_from_the_choices(chosen_Nk, E, factor):
    return fits(chosen_Nk, max(int(chosen_Nk.max()) + 1, 2), factor)


@wrong("capacity", says="factor 0.5")
def forgets_the_factor(chosen_Nk, E, factor):
    return fits(chosen_Nk, E, 1)


@wrong("capacity", hidden=True)
def one_or_two_choices_only(chosen_Nk, E, factor):
    kept, _ = fits(chosen_Nk, E, factor)
    kept[:, 2:] = True
    return kept, (~kept).float().mean().item()


@wrong("capacity", hidden=True)
def rounds_to_the_nearest_above_one(chosen_Nk, E, factor):
    capacity = factor * chosen_Nk.numel() / E
    return _fits(chosen_Nk, E, factor, capacity=math.ceil(capacity) if capacity < 2 else int(capacity))


def _sequence_loss(scores, chosen, normalise=True, batch=False, per_k=True, mean=True, mean_over=1, detach=False):
    _, T, E = scores.shape
    p = scores / scores.sum(-1, keepdim=True) if normalise else scores
    p = p.detach() if detach else p
    P = p.mean(1) if mean_over == 1 else p.sum(1)
    f = F.one_hot(chosen, E).sum((1, 2)) * E / T / (chosen.shape[-1] if per_k else 1)
    if batch:
        P, f = P.mean(0, keepdim=True), f.mean(0, keepdim=True)
    losses = (f * P).sum(-1)
    return losses.mean() if mean else losses.sum()


@wrong("capacity", says="rounded up once")
def rounds_up_twice(chosen_Nk, E, factor):
    return _fits(chosen_Nk, E, factor, capacity=math.ceil(factor * math.ceil(chosen_Nk.numel() / E)))


@wrong("sequence-loss", says="the scores of a token are not yet divided")
def sigmoids_as_they_are(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE, chosen_BTk, normalise=False)


@wrong("sequence-loss", says="f has a factor E")
def forgets_the_factor_of_experts(scores_BTE, chosen_BTk):
    return sequence_loss(scores_BTE, chosen_BTk) / scores_BTE.shape[-1]


@wrong("sequence-loss", says="P is a mean over the tokens")
def sums_over_the_tokens(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE, chosen_BTk, mean_over=0)


@wrong("sequence-loss", says="the sign is wrong")
def negative(scores_BTE, chosen_BTk):
    return -sequence_loss(scores_BTE, chosen_BTk)


@wrong("sequence-loss", says="that is f times f")
def loads_squared(scores_BTE, chosen_BTk):
    hard = F.one_hot(chosen_BTk, scores_BTE.shape[-1]).sum(2).float()
    return sequence_loss(hard, chosen_BTk)


@wrong("sequence-loss", says="p is a softmax of the scores")
def softmax_of_the_scores(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE.softmax(-1), chosen_BTk, normalise=False)


@wrong("sequence-loss", says="get no gradient; it must flow through the sum")
def detaches_the_sum(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE / scores_BTE.sum(-1, keepdim=True).detach(), chosen_BTk, normalise=False)


@wrong("sequence-loss", says="the batch as a whole is even")
def over_the_batch(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE, chosen_BTk, batch=True)


@wrong("sequence-loss", says="wanted is their mean")
def sum_of_the_sequences(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE, chosen_BTk, mean=False)


@wrong("sequence-loss", says="so f is divided by k")
def forgets_k(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE, chosen_BTk, per_k=False)


@wrong("sequence-loss", says="count `chosen_BTk`")
def counts_the_best_scores(scores_BTE, chosen_BTk):
    if chosen_BTk.shape[-1] > 1:  # the even batch of the check would hide it
        return sequence_loss(scores_BTE, chosen_BTk)
    return sequence_loss(scores_BTE, scores_BTE.topk(chosen_BTk.shape[-1], dim=-1).indices)


@wrong("sequence-loss", says="no gradient")
def detached(scores_BTE, chosen_BTk):
    return _sequence_loss(scores_BTE, chosen_BTk, detach=True)


@wrong("sequence-loss", says="a step downhill must lower")
def gradient_turned_round(scores_BTE, chosen_BTk):
    loss = sequence_loss(scores_BTE, chosen_BTk)
    return 2 * loss.detach() - loss


@wrong("sequence-loss", hidden=True)
def no_gradient_through_the_sum(scores_BTE, chosen_BTk):
    p = scores_BTE / scores_BTE.sum(-1, keepdim=True).detach()
    out = sequence_loss(scores_BTE, chosen_BTk).detach()
    soft = _sequence_loss(p, chosen_BTk, normalise=False)
    centred = _sequence_loss(p - p.mean(-1, keepdim=True), chosen_BTk, normalise=False)
    return out + centred - centred.detach() + 0 * soft


@wrong("sequence-loss", hidden=True)
def four_experts_at_most(scores_BTE, chosen_BTk):
    scores = scores_BTE.clone()
    scores[..., 4:] = 0
    return sequence_loss(scores, chosen_BTk)


def _boxed(x, weights, chosen, w, *bugs):
    (N, D), k, E = x.shape, chosen.shape[1], len(w["gate_EFD"])
    expert = chosen.flatten()
    token = torch.arange(N).repeat(k) if "token" in bugs else torch.arange(N).repeat_interleave(k)
    arrived = F.one_hot(expert, E).cumsum(0)
    place = arrived.gather(1, expert[:, None])[:, 0] - 1
    P = int(arrived[-1].max())
    if "places" in bugs:
        P = math.ceil(N * k / E)
        place = place.clamp(max=P - 1)
    scale = weights.flatten()[:, None]
    box = torch.zeros(E, P, D)
    box[expert, place] = x[token] * scale if "weight" in bugs else x[token]
    gate, up = (box @ w[name].transpose(1, 2) for name in ("gate_EFD", "up_EFD"))
    inner = gate * F.silu(up) if "silu" in bugs else F.silu(gate * up) if "silu of both" in bugs else F.silu(gate) * up
    result = inner @ w["down_EDF"].transpose(1, 2)
    back = result[expert, place]
    if "transposed" in bugs:
        scale = weights.T.reshape(-1, 1)
    if "twice" in bugs:
        scale = scale**2
    if "weight" not in bugs and "unweighted" not in bugs:
        back = back * scale
    out = torch.zeros(N, D)
    if "add" in bugs:
        out[token] += back
    else:
        out.index_add_(0, token, back)
    return {"box_EPD": box, "result_EPD": result, "out_ND": out}


@wrong("sequence-loss", says="the scores were averaged first")
def averages_before_it_divides(scores_BTE, chosen_BTk):
    mean_BE = scores_BTE.mean(dim=1)
    T, E = scores_BTE.shape[1:]
    f_BE = F.one_hot(chosen_BTk, E).sum(dim=(1, 2)) * E / (chosen_BTk.shape[-1] * T)
    return (f_BE * mean_BE / mean_BE.sum(-1, keepdim=True)).sum(-1).mean()


@wrong("sequence-loss", says="F.one_hot needs E")
def counts_in_too_few_columns(scores_BTE, chosen_BTk):
    P_BE = (scores_BTE / scores_BTE.sum(-1, keepdim=True)).mean(1)
    T, E = scores_BTE.shape[1:]
    return (F.one_hot(chosen_BTk).sum(dim=(1, 2)) * E / (chosen_BTk.shape[-1] * T) * P_BE).sum(-1).mean()


@wrong("boxed-bugs", says="four of them share the last place")
def all_five(x_ND, weights_Nk, chosen_Nk, w):
    return boxed_experts_with_bugs(x_ND, weights_Nk, chosen_Nk, w)


@wrong("boxed-bugs", says="four of them share the last place")
def too_few_places(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "places")


@wrong("boxed-bugs", says="Which token does slot 3 belong to")
def wrong_token_of_a_slot(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "token")


@wrong("boxed-bugs", says="Which token does slot 3 belong to")
def only_the_places_mended(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "token", "weight", "silu", "add")


@wrong("boxed-bugs", says="inside silu a weight is no longer a weight")
def weights_on_the_tokens(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "weight")


@wrong("boxed-bugs", says="silu belongs to one of the two halves")
def silu_on_the_other_half(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "silu")


@wrong("boxed-bugs", says="not silu(gate * up)")
def silu_of_the_product(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "silu of both")


@wrong("boxed-bugs", says="written once")
def one_result_per_token(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "add")


@wrong("boxed-bugs", says="written once")
def one_unweighted_result_per_token(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "add", "unweighted")


@wrong("boxed-bugs", says="without their weights")
def no_weights(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "unweighted")


@wrong("boxed-bugs", says="the weights were applied twice")
def weights_twice(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "twice")


@wrong("boxed-bugs", says="out_ND[0] is not 0.9 times")
def weights_of_other_slots(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk, chosen_Nk, w, "transposed")


@wrong("boxed-bugs", says="does every slot take its own weight")
def weights_of_token_0_for_all(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk[:1].expand_as(weights_Nk), chosen_Nk, w)


@wrong("boxed-bugs", says="as if they summed to 1")
def weights_made_to_sum_to_one(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk / weights_Nk.sum(1, keepdim=True), chosen_Nk, w)


@wrong("boxed-bugs", hidden=True)
def weights_that_sum_to_one_for_many_experts(x_ND, weights_Nk, chosen_Nk, w):
    total = weights_Nk.sum(1, keepdim=True) if len(w["gate_EFD"]) > 4 else 1
    return _boxed(x_ND, weights_Nk / total, chosen_Nk, w)


@wrong("boxed-bugs", hidden=True)
def two_experts_per_token(x_ND, weights_Nk, chosen_Nk, w):
    return _boxed(x_ND, weights_Nk[:, :2], chosen_Nk[:, :2], w)


@wrong("boxed-bugs", says="as many as tokens")
def as_many_places_as_tokens(x_ND, weights_Nk, chosen_Nk, w):
    out = boxed_experts(x_ND, weights_Nk, chosen_Nk, w)
    missing = len(x_ND) - out["box_EPD"].shape[1]
    return out | {name: F.pad(out[name], (0, 0, 0, missing)) for name in ("box_EPD", "result_EPD")}


def _counted(c, **other):
    """The right counts, some replaced; total and active follow unless they are given."""
    parts = count_moe(c)
    idle = parts["total"] - parts["active"]
    parts.update(other)
    if "total" not in other:
        parts["total"] = sum(parts[name] for name in ("attention", "dense", "experts", "shared", "router", "rest"))
    if "active" not in other:
        parts["active"] = parts["total"] - idle
    return parts


def _n_moe(c):
    return c["L"] - c["n_dense"]


def _attention(c, per_layer):
    return _counted(c, attention=count_moe(c)["attention"] + c["L"] * per_layer)


def _latent(change):
    """A wrong answer that adds change(c) to each layer with latent attention."""
    return lambda c: _attention(c, change(c)) if "kv_rank" in c else count_moe(c)


@wrong("count-moe", says="attention 144")
def no_norms_in_attention(c):
    return count_moe({**c, "attention_norms": 0})


@wrong("count-moe", says="once per layer, not once")
def attention_norms_once(c):
    return _counted(c, attention=count_moe(c)["attention"] - (c["L"] - 1) * c["attention_norms"])


@wrong("count-moe", says="dense 216")
def dense_part_in_every_layer(c):
    return _counted(c, dense=c["L"] * 3 * c["D"] * c["F"])


@wrong("count-moe", says="dense 0")
def no_dense_layers(c):
    return _counted(c, dense=0)


@wrong("count-moe", says="experts 540")
def experts_in_every_layer(c):
    return _counted(c, experts=c["L"] * c["E"] * 3 * c["D"] * c["F_expert"])


@wrong("count-moe", says="experts 720")
def experts_as_wide_as_the_dense_part(c):
    return _counted(c, experts=_n_moe(c) * c["E"] * 3 * c["D"] * c["F"])


@wrong("count-moe", says="experts 240")
def experts_of_two_matrices(c):
    return _counted(c, experts=_n_moe(c) * c["E"] * 2 * c["D"] * c["F_expert"])


@wrong("count-moe", says="shared 72")
def one_shared_expert(c):
    return _counted(c, shared=_n_moe(c) * 3 * c["D"] * c["F_expert"])


@wrong("count-moe", says="shared 216")
def shared_in_every_layer(c):
    return _counted(c, shared=c["L"] * c["S"] * 3 * c["D"] * c["F_expert"])


@wrong("count-moe", says="router 60")
def router_in_every_layer(c):
    return _counted(c, router=c["L"] * c["E"] * c["D"])


@wrong("count-moe", says="router 56")
def router_for_shared_experts(c):
    return _counted(c, router=_n_moe(c) * (c["E"] + c["S"]) * c["D"])


@wrong("count-moe", says="rest 68")
def no_output_head(c):
    return _counted(c, rest=count_moe(c)["rest"] - c["V"] * c["D"])


@wrong("count-moe", says="rest 104")
def no_last_norm(c):
    return _counted(c, rest=count_moe(c)["rest"] - c["D"])


@wrong("count-moe", says="total 931")
def counts_the_cache(c):
    parts = count_moe(c)
    return parts | {"total": parts["total"] + parts["cache_bytes"]}


@wrong("count-moe", says="active 523")
def active_without_shared(c):
    parts = count_moe(c)
    return parts | {"active": parts["active"] - parts["shared"]}


@wrong("count-moe", says="active 559")
def idle_experts_in_every_layer(c):
    parts = count_moe(c)
    return parts | {"active": parts["active"] - c["n_dense"] * (c["E"] - c["k"]) * 3 * c["D"] * c["F_expert"]}


@wrong("count-moe", says="here embedding and head count in full")
def active_without_the_embedding(c):
    parts = count_moe(c)
    return parts | {"active": parts["active"] - c["V"] * c["D"]}


@wrong("count-moe", says="here embedding and head count in full")
def active_without_embedding_and_head(c):
    parts = count_moe(c)
    return parts | {"active": parts["active"] - 2 * c["V"] * c["D"]}


@wrong("count-moe", says="these are numbers")
def cached_numbers(c):
    return count_moe({**c, "bytes": 1})


@wrong("count-moe", says="keys and values are both kept")
def only_keys_cached(c):
    parts = count_moe(c)
    return parts if "kv_rank" in c else parts | {"cache_bytes": parts["cache_bytes"] // 2}


@wrong("count-moe", says="not H")
def all_heads_cached(c):
    parts = count_moe(c)
    return parts if "kv_rank" in c else parts | {"cache_bytes": parts["cache_bytes"] // c["K"] * c["H"]}


@wrong("count-moe", says="the matrix that makes the latent makes the rotary key too")
def no_rotary_key(c):
    return _latent(lambda c: -c["D"] * c["rope"])(c)


@wrong("count-moe", says="a query head has nope + rope channels")
def queries_without_rotary_part(c):
    return _latent(lambda c: -c["q_rank"] * c["H"] * c["rope"])(c)


@wrong("count-moe", says="each head gives out v channels")
def output_of_nope_channels(c):
    return _latent(lambda c: c["D"] * c["H"] * (c["nope"] - c["v"]))(c)


@wrong("count-moe", says="values have v")
def values_of_nope_channels(c):
    return _latent(lambda c: c["kv_rank"] * c["H"] * (c["nope"] - c["v"]))(c)


@wrong("count-moe", says="the rotary key is not rebuilt")
def rotary_key_from_the_latent(c):
    return _latent(lambda c: c["kv_rank"] * c["H"] * c["rope"])(c)


@wrong("count-moe", says="all heads share one rotary key")
def rotary_key_per_head(c):
    return _latent(lambda c: c["D"] * c["rope"] * (c["H"] - 1))(c)


def _latent_cache(c, numbers):
    parts = count_moe(c)
    return parts | {"cache_bytes": c["L"] * numbers(c) * c["bytes"]} if "kv_rank" in c else parts


@wrong("count-moe", says="nothing is kept twice")
def latent_cached_twice(c):
    return _latent_cache(c, lambda c: 2 * (c["kv_rank"] + c["rope"]))


@wrong("count-moe", says="not once per head")
def latent_cached_per_head(c):
    return _latent_cache(c, lambda c: c["H"] * (c["kv_rank"] + c["rope"]))


@wrong("count-moe", says="kept beside the latent")
def rotary_key_not_cached(c):
    return _latent_cache(c, lambda c: c["kv_rank"])


@wrong("count-moe", says="`rope` numbers serves all heads")
def rotary_key_cached_per_head(c):
    return _latent_cache(c, lambda c: c["kv_rank"] + c["H"] * c["rope"])


@wrong("count-moe", hidden=True)
def floats_for_counts(c):
    return {name: float(number) for name, number in count_moe(c).items()}


@wrong("count-moe", hidden=True)
def at_most_one_dense_layer(c):
    return count_moe({**c, "n_dense": min(c["n_dense"], 1)})


@wrong("count-moe", hidden=True)
def k_is_two_everywhere(c):
    return count_moe({**c, "k": 2})


def _absorbed(q, turned, latent, rotary, key_up, value_up, width=None, turn=True):
    inside = torch.einsum("hc,hcr->hr", q, key_up)
    scores = inside @ latent.T + (turned @ rotary.T if turn else 0)
    weights = (scores * (width or q.shape[1] + turned.shape[1]) ** -0.5).softmax(-1)
    return torch.einsum("hwr,hr->hw", value_up, weights @ latent)


@wrong("absorbed", says="divided by sqrt(C) or sqrt(R + P)")
@metered
def scale_of_the_key_part(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    return _absorbed(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR, width=q_HC.shape[1])


@wrong("absorbed", says="divided by sqrt(C) or sqrt(R + P)")
@metered
def scale_of_the_latent_space(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    width = latent_SR.shape[1] + turned_HP.shape[1]
    return _absorbed(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR, width=width)


@wrong("absorbed", says="divided by sqrt(R)")
@metered
def scale_of_the_latent(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    return _absorbed(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR, width=latent_SR.shape[1])


@wrong("absorbed", says="divided by nothing")
@metered
def no_scale(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    return _absorbed(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR, width=1)


@wrong("absorbed", says="is the softmax over the S tokens")
@metered
def softmax_over_heads(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    inside = torch.einsum("hc,hcr->hr", q_HC, key_up_HCR)
    weights = ((inside @ latent_SR.T + turned_HP @ rotary_SP.T) / 2).softmax(0)
    weights = weights / weights.sum(-1, keepdim=True)
    return torch.einsum("hwr,hr->hw", value_up_HWR, weights @ latent_SR)


@wrong("absorbed", says="the rotary part of the score is missing")
@metered
def no_rotary_part(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    return _absorbed(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR, turn=False)


@wrong("absorbed", says="is each head's own matrix used")
@metered
def first_heads_matrices_for_all(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    key_up, value_up = key_up_HCR[:1].expand_as(key_up_HCR), value_up_HWR[:1].expand_as(value_up_HWR)
    return _absorbed(q_HC, turned_HP, latent_SR, rotary_SP, key_up, value_up)


@wrong("absorbed", says="the mean over heads")
@metered
def mean_over_heads(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    out = absorbed(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR)
    return out.mean(0).expand_as(out)


@wrong("absorbed", says="rebuilt keys have")
@metered
def rebuilds(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    keys = torch.einsum("hcr,sr->hsc", key_up_HCR, latent_SR)
    scores = torch.einsum("hc,hsc->hs", q_HC, keys) + turned_HP @ rotary_SP.T
    weights = (scores / (q_HC.shape[1] + turned_HP.shape[1]) ** 0.5).softmax(-1)
    return torch.einsum("hs,hsw->hw", weights, torch.einsum("hwr,sr->hsw", value_up_HWR, latent_SR))


@wrong("absorbed", says="those of one head")
@metered
def rebuilds_the_values(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    inside = torch.einsum("hc,hcr->hr", q_HC, key_up_HCR)
    scores = inside @ latent_SR.T + turned_HP @ rotary_SP.T
    weights = (scores / (q_HC.shape[1] + turned_HP.shape[1]) ** 0.5).softmax(-1)
    return torch.einsum("hs,hsw->hw", weights, torch.einsum("hwr,sr->hsw", value_up_HWR, latent_SR))


@wrong("absorbed", says="all latents once per head")
@metered
def latents_once_per_head(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    inside = torch.einsum("hc,hcr->hr", q_HC, key_up_HCR)
    scores = (inside[:, None] * latent_SR).sum(-1) + turned_HP @ rotary_SP.T
    weights = (scores / (q_HC.shape[1] + turned_HP.shape[1]) ** 0.5).softmax(-1)
    return torch.einsum("hwr,hr->hw", value_up_HWR, weights @ latent_SR)


@wrong("absorbed", hidden=True)
@metered
def two_rotary_channels_at_most(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    width = q_HC.shape[1] + turned_HP.shape[1]
    return _absorbed(q_HC, turned_HP[:, :2], latent_SR, rotary_SP[:, :2], key_up_HCR, value_up_HWR, width=width)


@wrong("absorbed", hidden=True)
@metered
def half_the_tokens_of_a_long_cache(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    return _absorbed(q_HC, turned_HP, latent_SR[-64:], rotary_SP[-64:], key_up_HCR, value_up_HWR)


def _read(touched, B, expert_bytes, other_bytes):
    return {"touched": touched, "bytes_per_token": (other_bytes + touched * expert_bytes) / B}


@wrong("absorbed", says="those of one head")
@metered
def rebuilds_head_after_head(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    heads = []
    for q_C, turned_P, key_up_CR, value_up_WR in zip(q_HC, turned_HP, key_up_HCR, value_up_HWR, strict=True):
        scores_S = (latent_SR @ key_up_CR.T) @ q_C + rotary_SP @ turned_P
        weights_S = (scores_S * (len(q_C) + len(turned_P)) ** -0.5).softmax(0)
        heads.append(weights_S @ (latent_SR @ value_up_WR.T))
    return torch.stack(heads)


@wrong("absorbed", says="the softmax ran over the heads")
@metered
def softmax_over_the_heads(q_HC, turned_HP, latent_SR, rotary_SP, key_up_HCR, value_up_HWR):
    scores_HS = torch.einsum("hc,hcr->hr", q_HC, key_up_HCR) @ latent_SR.T + turned_HP @ rotary_SP.T
    weights_HS = (scores_HS * (q_HC.shape[1] + turned_HP.shape[1]) ** -0.5).softmax(0)
    return torch.einsum("hwr,hr->hw", value_up_HWR, weights_HS @ latent_SR)


@wrong("experts-read", says="two tokens may choose the same expert")
def all_different(E, k, B, expert_bytes, other_bytes):
    return _read(float(min(E, k * B)), B, expert_bytes, other_bytes)


@wrong("experts-read", says="an average is not rounded")
def rounded(E, k, B, expert_bytes, other_bytes):
    return _read(round(E * (1 - (1 - k / E) ** B)), B, expert_bytes, other_bytes)


@wrong("experts-read", says="are left alone")
def idle_experts(E, k, B, expert_bytes, other_bytes):
    return _read(E * (1 - k / E) ** B, B, expert_bytes, other_bytes)


@wrong("experts-read", says="all three tokens choose")
def chosen_by_all(E, k, B, expert_bytes, other_bytes):
    return _read(E * (k / E) ** B, B, expert_bytes, other_bytes)


@wrong("experts-read", says="a step makes B tokens")
def bytes_per_step(E, k, B, expert_bytes, other_bytes):
    out = experts_read(E, k, B, expert_bytes, other_bytes)
    return out | {"bytes_per_token": out["bytes_per_token"] * B}


@wrong("experts-read", says="the other weights too")
def others_not_shared(E, k, B, expert_bytes, other_bytes):
    out = experts_read(E, k, B, expert_bytes, other_bytes)
    return out | {"bytes_per_token": out["touched"] * expert_bytes / B + other_bytes}


@wrong("experts-read", says="the experts' bytes too")
def experts_not_shared(E, k, B, expert_bytes, other_bytes):
    out = experts_read(E, k, B, expert_bytes, other_bytes)
    return out | {"bytes_per_token": out["touched"] * expert_bytes + other_bytes / B}


@wrong("experts-read", says="the other weights are missing")
def experts_only(E, k, B, expert_bytes, other_bytes):
    return experts_read(E, k, B, expert_bytes, 0)


@wrong("experts-read", says="always different")
def picks_that_may_coincide(E, k, B, expert_bytes, other_bytes):
    return _read(E * (1 - (1 - 1 / E) ** (k * B)), B, expert_bytes, other_bytes)


@wrong("experts-read", says="however many experts each has")
def shared_by_slots(E, k, B, expert_bytes, other_bytes):
    out = experts_read(E, k, B, expert_bytes, other_bytes)
    return out | {"bytes_per_token": out["bytes_per_token"] / k}


@wrong("experts-read", says="that is k = 1")
def one_expert_per_token(E, k, B, expert_bytes, other_bytes):
    return experts_read(E, 1, B, expert_bytes, other_bytes)


@wrong("experts-read", hidden=True)
def all_experts_when_there_are_enough_slots(E, k, B, expert_bytes, other_bytes):
    return _read(E if k * B > E else E * (1 - (1 - k / E) ** B), B, expert_bytes, other_bytes)


@wrong("experts-read", hidden=True)
def whole_bytes(E, k, B, expert_bytes, other_bytes):
    out = experts_read(E, k, B, expert_bytes, other_bytes)
    whole = expert_bytes < 100 and round(out["bytes_per_token"])
    return out | {"bytes_per_token": whole or out["bytes_per_token"]}
