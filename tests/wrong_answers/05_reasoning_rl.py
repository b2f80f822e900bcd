"""Wrong answers to exercise set 05."""

import math
import re

import torch
from torch import nn

from wrong_answers import wrong

# ------------------------------------------------------------------------------------------------------ leave one out


def _all_valid(rewards_PG, valid_PG):
    return torch.ones_like(rewards_PG, dtype=torch.bool) if valid_PG is None else valid_PG


def _mean_of_valid(rewards_PG, valid_PG):
    return (rewards_PG * valid_PG).sum(1, keepdim=True) / valid_PG.sum(1, keepdim=True).clamp(min=1)


@wrong("leave-one-out", says="the sign is flipped")
def baseline_minus_reward(rewards_PG, valid_PG=None):
    return -leave_one_out(rewards_PG, valid_PG)


@wrong("leave-one-out", says="those are the rewards")
def no_baseline(rewards_PG, valid_PG=None):
    return rewards_PG * _all_valid(rewards_PG, valid_PG)


@wrong("leave-one-out", says="0.3 is the baseline")
def only_the_baseline(rewards_PG, valid_PG=None):
    return rewards_PG - leave_one_out(rewards_PG, valid_PG)


@wrong("leave-one-out", says="holds the answer itself")
def compares_with_itself_too(rewards_PG, valid_PG=None):
    valid_PG = _all_valid(rewards_PG, valid_PG)
    return (rewards_PG - _mean_of_valid(rewards_PG, valid_PG)) * valid_PG


@wrong("leave-one-out", says="compared with its column")
def along_the_prompts(rewards_PG, valid_PG=None):
    return leave_one_out(rewards_PG.T, None if valid_PG is None else valid_PG.T).T


@wrong("leave-one-out", says="compared with its column")
def mean_of_the_column(rewards_PG, valid_PG=None):
    return rewards_PG - rewards_PG.mean(0, keepdim=True)


@wrong("leave-one-out", says="from the whole batch")
def the_rest_of_the_batch(rewards_PG, valid_PG=None):
    flat = leave_one_out(rewards_PG.reshape(1, -1), None if valid_PG is None else valid_PG.reshape(1, -1))
    return flat.view(rewards_PG.shape)


@wrong("leave-one-out", says="from the whole batch")
def mean_of_the_batch(rewards_PG, valid_PG=None):
    return rewards_PG - rewards_PG.mean()


@wrong("leave-one-out", says="nothing is divided by a standard deviation")
def divides_by_the_deviation(rewards_PG, valid_PG=None):
    return leave_one_out(rewards_PG, valid_PG) / (rewards_PG.std(1, keepdim=True) + 1e-4)


@wrong("leave-one-out", says="nothing is divided by a standard deviation")
def as_grpo(rewards_PG, valid_PG=None):
    return (rewards_PG - rewards_PG.mean(1, keepdim=True)) / (rewards_PG.std(1, keepdim=True) + 1e-4)


@wrong("leave-one-out", says="the rewards that came in were changed")
def in_place(rewards_PG, valid_PG=None):
    rewards_PG -= rewards_PG - leave_one_out(rewards_PG, valid_PG)
    return rewards_PG


@wrong("leave-one-out", says="no nan is wanted")
def divides_by_zero(rewards_PG, valid_PG=None):
    valid_PG = _all_valid(rewards_PG, valid_PG)
    paid_PG = rewards_PG * valid_PG
    baseline_PG = (paid_PG.sum(1, keepdim=True) - paid_PG) / (valid_PG.sum(1, keepdim=True) - 1)
    return (rewards_PG - baseline_PG) * valid_PG


@wrong("leave-one-out", says="still stands in the baseline")
def only_hides_the_invalid(rewards_PG, valid_PG=None):
    return leave_one_out(rewards_PG) * _all_valid(rewards_PG, valid_PG)


@wrong("leave-one-out", says="number of other VALID answers")
def invalid_counts_as_nothing_paid(rewards_PG, valid_PG=None):
    valid_PG = _all_valid(rewards_PG, valid_PG)
    return leave_one_out(rewards_PG * valid_PG) * valid_PG


@wrong("leave-one-out", says="that is not valid gets advantage 0")
def advantage_for_the_invalid(rewards_PG, valid_PG=None):
    valid_PG = _all_valid(rewards_PG, valid_PG)
    return torch.where(valid_PG, leave_one_out(rewards_PG, valid_PG), rewards_PG - _mean_of_valid(rewards_PG, valid_PG))


@wrong("leave-one-out", says="it has nothing to be compared with")
def alone_keeps_its_reward(rewards_PG, valid_PG=None):
    valid_PG = _all_valid(rewards_PG, valid_PG)
    alone_P1 = valid_PG.sum(1, keepdim=True) == 1
    return torch.where(alone_P1 & valid_PG, rewards_PG, leave_one_out(rewards_PG, valid_PG))


@wrong("leave-one-out", hidden=True)
def two_others(rewards_PG, valid_PG=None):
    if valid_PG is None:
        return rewards_PG - (rewards_PG.sum(1, keepdim=True) - rewards_PG) / 2
    return leave_one_out(rewards_PG, valid_PG)


@wrong("leave-one-out", says="divide by the G - 1 others")
def divides_by_all(rewards_PG, valid_PG=None):
    valid_PG = _all_valid(rewards_PG, valid_PG)
    paid_PG = rewards_PG * valid_PG
    n_valid_P1 = valid_PG.sum(1, keepdim=True)
    baseline_PG = (paid_PG.sum(1, keepdim=True) - paid_PG) / n_valid_P1.clamp(min=1)
    return (rewards_PG - baseline_PG) * (valid_PG & (n_valid_P1 > 1))


@wrong("leave-one-out", says="with valid_PG the rewards that came in were changed")
def in_place_where_not_valid(rewards_PG, valid_PG=None):
    advantages_PG = leave_one_out(rewards_PG, valid_PG)
    if valid_PG is not None:
        rewards_PG *= valid_PG
    return advantages_PG


# ------------------------------------------------------------------------------------------------------------ written


def _is_end(ids_BT, ends):
    return torch.isin(ids_BT, torch.tensor(ends))


@wrong("written", says="the first end token is left out")
def without_the_end(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends, drop_unended) & ~_is_end(ids_BT, ends)


@wrong("written", says="goes on to its LAST end token")
def up_to_the_last_end(ids_BT, ends, drop_unended=False):
    is_end_BT = _is_end(ids_BT, ends)
    after_BT = is_end_BT.flip(1).long().cumsum(1).flip(1) > 0
    return after_BT | ~is_end_BT.any(1, keepdim=True) & (not drop_unended)


@wrong("written", says="nothing is masked in row 3")
def no_mask(ids_BT, ends, drop_unended=False):
    return torch.ones_like(ids_BT, dtype=torch.bool)


@wrong("written", says="one token too many")
def one_more(ids_BT, ends, drop_unended=False):
    mask_BT = written_mask(ids_BT, ends, drop_unended)
    return torch.cat((mask_BT[:, :1], mask_BT[:, :-1]), dim=1)


@wrong("written", says="only the end tokens are masked")
def everything_but_ends(ids_BT, ends, drop_unended=False):
    return ~_is_end(ids_BT, ends)


@wrong("written", says="argmax gives 0 there")
def argmax_of_nothing(ids_BT, ends, drop_unended=False):
    first_B = _is_end(ids_BT, ends).int().argmax(1)
    return torch.arange(ids_BT.shape[1]) <= first_B[:, None]


@wrong("written", says="the other end token")
def only_the_first_kind(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends[:1], drop_unended)


@wrong("written", says="torch.bool")
def numbers(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends, drop_unended).float()


@wrong("written", says="row 2 never ended")
def never_drops(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends)


@wrong("written", says="what it ends with now is junk")
def looks_at_the_last_token(ids_BT, ends, drop_unended=False):
    mask_BT = written_mask(ids_BT, ends)
    return mask_BT & _is_end(ids_BT, ends)[:, -1:] if drop_unended else mask_BT


@wrong("written", says="with its very last token")
def drops_full_rows(ids_BT, ends, drop_unended=False):
    mask_BT = written_mask(ids_BT, ends)
    return mask_BT & ~mask_BT.all(1, keepdim=True) if drop_unended else mask_BT


@wrong("written", says="row 2 has no end token, so all of it")
def always_drops(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends, True)


@wrong("written", says="ends = [7, 9, 4]")
def two_kinds_at_most(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends[:2], drop_unended)


@wrong("written", hidden=True)
def zero_is_padding(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends, drop_unended) & (ids_BT != 0)


@wrong("written", says="the junk between the two counts too")
def up_to_the_second_end(ids_BT, ends, drop_unended=False):
    is_end_BT = _is_end(ids_BT, ends)
    mask_BT = is_end_BT.long().cumsum(1) <= 1
    return mask_BT & is_end_BT.any(1, keepdim=True) if drop_unended else mask_BT


@wrong("written", says="row 0 goes on past 7")
def only_the_last_kind(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends[-1:], drop_unended)


@wrong("written", says="ends = [7, 9, 4]")
def from_the_first_to_the_last_kind(ids_BT, ends, drop_unended=False):
    """Right for [7, 9], as 8 does not occur."""
    return written_mask(ids_BT, list(range(ends[0], ends[-1] + 1)), drop_unended)


@wrong("written", says="ends = [5]")
def one_kind_is_none(ids_BT, ends, drop_unended=False):
    return written_mask(ids_BT, ends if len(ends) > 1 else [], drop_unended)


# ----------------------------------------------------------------------------------------------------- sequence ratio


def _ratio(new_BT, old_BT, mask_BT):
    change_BT = torch.where(mask_BT, new_BT - old_BT.detach(), 0.0)
    return (change_BT.sum(1) / mask_BT.sum(1).clamp(min=1)).exp()


def _objective(ratio, advantages, low, high, pick=torch.minimum):
    return pick(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


@wrong("sequence-ratio", says="the sign is flipped")
def the_objective_itself(*args):
    return -gspo_loss(*args)


@wrong("sequence-ratio", says="you took the larger")
def the_larger(new, old, advantages, mask, low, high):
    return -_objective(_ratio(new, old, mask), advantages, low, high, torch.maximum).mean()


@wrong("sequence-ratio", says="nothing is clipped")
def no_clip(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, mask, 1e9, 1e9)


@wrong("sequence-ratio", says="only the clipped product")
def clip_alone(new, old, advantages, mask, low, high):
    return -_objective(_ratio(new, old, mask), advantages, low, high, lambda a, b: b).mean()


@wrong("sequence-ratio", says="upwards the limit is")
def symmetric_low(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, mask, low, low)


@wrong("sequence-ratio", says="downwards the limit is")
def symmetric_high(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, mask, high, high)


@wrong("sequence-ratio", says="are swapped")
def swapped_clips(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, mask, high, low)


@wrong("sequence-ratio", says="the exponent is a sum")
def product_of_ratios(new, old, advantages, mask, low, high):
    ratio_B = (torch.where(mask, new - old.detach(), 0.0)).sum(1).exp()
    return -_objective(ratio_B, advantages, low, high).mean()


@wrong("sequence-ratio", says="the mask is missing")
def without_mask(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, torch.ones_like(mask), low, high)


@wrong("sequence-ratio", says="divided by T")
def mean_over_the_width(new, old, advantages, mask, low, high):
    ratio_B = (torch.where(mask, new - old.detach(), 0.0)).mean(1).exp()
    return -_objective(ratio_B, advantages, low, high).mean()


@wrong("sequence-ratio", says="mean of the tokens' ratios")
def mean_of_ratios(new, old, advantages, mask, low, high):
    ratio_BT = torch.where(mask, new - old.detach(), 0.0).exp() * mask
    ratio_B = ratio_BT.sum(1) / mask.sum(1).clamp(min=1)
    return -(_objective(ratio_B, advantages, low, high) * mask.any(1)).mean()


@wrong("sequence-ratio", says="as in GRPO")
def token_by_token(new, old, advantages, mask, low, high):
    ratio_BT = torch.where(mask, new - old.detach(), 0.0).exp()
    objective_BT = _objective(ratio_BT, advantages[:, None], low, high) * mask
    return -(objective_BT.sum(1) / mask.sum(1).clamp(min=1)).mean()


@wrong("sequence-ratio", says="one ratio for the whole batch")
def ratio_of_the_batch(new, old, advantages, mask, low, high):
    ratio = (torch.where(mask, new - old.detach(), 0.0).sum() / mask.sum()).exp()
    return -_objective(ratio, advantages, low, high).mean()


@wrong("sequence-ratio", says="upside down")
def old_over_new(new, old, advantages, mask, low, high):
    return -_objective(1 / _ratio(new, old, mask), advantages, low, high).mean()


@wrong("sequence-ratio", says="summed over the rows")
def sum_of_rows(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, mask, low, high) * len(new)


@wrong("sequence-ratio", says="long rows count more")
def weighted_by_length(new, old, advantages, mask, low, high):
    n_B = mask.sum(1)
    return -(_objective(_ratio(new, old, mask), advantages, low, high) * n_B).sum() / n_B.sum()


@wrong("sequence-ratio", says="a gradient flows to old_logprobs_BT")
def old_is_not_detached(new, old, advantages, mask, low, high):
    ratio_B = (torch.where(mask, new - old, 0.0).sum(1) / mask.sum(1).clamp(min=1)).exp()
    return -(_objective(ratio_B, advantages, low, high) * mask.any(1)).mean()


@wrong("sequence-ratio", says="no gradient can flow back")
def without_gradient(*args):
    return gspo_loss(*args).detach()


@wrong("sequence-ratio", says="the gradients cancel to 0")
def old_is_detached_in_place_of_a_copy(new, old, advantages, mask, low, high):
    """Detaches old only where it is another tensor: the first update learns nothing."""
    if old is not new:
        return gspo_loss(new, old, advantages, mask, low, high)
    return old_is_not_detached(new, old, advantages, mask, low, high)


@wrong("sequence-ratio", says="nan times 0 stays nan")
def multiplies_by_the_mask(new, old, advantages, mask, low, high):
    ratio_B = (((new - old.detach()) * mask).sum(1) / mask.sum(1).clamp(min=1)).exp()
    return -(_objective(ratio_B, advantages, low, high) * mask.any(1)).mean()


@wrong("sequence-ratio", says="so you divide by 0")
def empty_rows_divide_by_zero(new, old, advantages, mask, low, high):
    ratio_B = (torch.where(mask, new - old.detach(), 0.0).sum(1) / mask.sum(1)).exp()
    return -_objective(ratio_B, advantages, low, high).mean()


@wrong("sequence-ratio", says="its ratio of 1 still earns A")
def empty_rows_are_paid(new, old, advantages, mask, low, high):
    return -_objective(_ratio(new, old, mask), advantages, low, high).mean()


@wrong("sequence-ratio", says="still one of the 4 rows")
def drops_empty_rows(new, old, advantages, mask, low, high):
    some = mask.any(1)
    return gspo_loss(new[some], old[some], advantages[some], mask[some], low, high)


@wrong("sequence-ratio", says="you took the first n tokens")
def takes_the_first_n(new, old, advantages, mask, low, high):
    """As if there were no gaps in the mask."""
    front = torch.arange(mask.shape[1]) < mask.sum(1, keepdim=True)
    return gspo_loss(new, old, advantages, front, low, high)


@wrong("sequence-ratio", says="exp is missing")
def without_exp(new, old, advantages, mask, low, high):
    return -(_objective(_ratio(new, old, mask).log(), advantages, low, high) * mask.any(1)).mean()


@wrong("sequence-ratio", says="clamped to clip_low and clip_high themselves")
def clips_are_limits(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, mask, 1 - low, high - 1)


@wrong("sequence-ratio", says="smaller ratio times A")
def smaller_ratio(new, old, advantages, mask, low, high):
    ratio_B = _ratio(new, old, mask)
    return -(torch.minimum(ratio_B, ratio_B.clamp(1 - low, 1 + high)) * advantages * mask.any(1)).mean()


@wrong("sequence-ratio", says="what stands in a gap")
def up_to_the_last_written(new, old, advantages, mask, low, high):
    return gspo_loss(new, old, advantages, mask.flip(1).long().cumsum(1).flip(1) > 0, low, high)


@wrong("sequence-ratio", says="in only one of old and new")
def hides_nan_but_not_inf(new, old, advantages, mask, low, high):
    change_BT = new - old.detach()
    change_BT = change_BT.masked_fill(change_BT.isnan(), 0.0) * mask
    ratio_B = (change_BT.sum(1) / mask.sum(1).clamp(min=1)).exp()
    return -(_objective(ratio_B, advantages, low, high) * mask.any(1)).mean()


# ----------------------------------------------------------------------------------------------------------- exact KL


def _kl(logp, logq, mask):
    return (logp.exp() * (logp - logq)).sum(-1)[mask].mean()


@wrong("exact-kl", says="the wrong direction")
def reference_first(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(ref_logits, logits, mask, temperature, top)


@wrong("exact-kl", says="the fraction is upside down")
def negative_kl(*args, **options):
    return -exact_kl(*args, **options)


@wrong("exact-kl", says="these are logits")
def no_softmax(logits, ref_logits, mask, temperature=1.0, top=None):
    return _kl(logits / temperature, ref_logits / temperature, mask)


@wrong("exact-kl", says="the logarithms are of raw logits")
def softmax_of_the_weights_only(logits, ref_logits, mask, temperature=1.0, top=None):
    p = (logits / temperature).softmax(-1)
    return (p * (logits - ref_logits) / temperature).sum(-1)[mask].mean()


@wrong("exact-kl", says="is in bits")
def in_bits(*args, **options):
    return exact_kl(*args, **options) / math.log(2)


@wrong("exact-kl", says="mean over the vocabulary")
def mean_over_v(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, temperature, top) / logits.shape[-1]


@wrong("exact-kl", says="no gradient can flow back")
def as_a_number(*args, **options):
    return torch.tensor(exact_kl(*args, **options).item())


@wrong("exact-kl", says="temperature = 0.5 changed nothing")
def without_temperature(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, 1.0, top)


@wrong("exact-kl", says="multiplied by the temperature")
def hotter_is_colder(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, 1 / temperature, top)


@wrong("exact-kl", says="only the policy got the temperature")
def reference_without_temperature(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits * temperature, mask, temperature, top)


@wrong("exact-kl", says="the KL was divided by the temperature")
def divides_the_result(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, 1.0, top) / temperature


@wrong("exact-kl", says="top = 1 changed nothing")
def without_top(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, temperature)


def _ranked(logits, ref_logits, temperature, top, by=None):
    logp, logq = ((x / temperature).log_softmax(-1) for x in (logits, ref_logits))
    order = (logp if by is None else by).argsort(-1, descending=True)
    return logp.gather(-1, order), logq.gather(-1, order)


def _lump(log, top):
    return torch.cat((log[..., :top], log[..., top:].logsumexp(-1, keepdim=True)), -1)


@wrong("exact-kl", says="the rest is left out")
def without_the_rest(logits, ref_logits, mask, temperature=1.0, top=None):
    logp, logq = _ranked(logits, ref_logits, temperature, top)
    return _kl(logp[..., :top], logq[..., :top], mask)


@wrong("exact-kl", says="were made to sum to 1 again")
def renormalised(logits, ref_logits, mask, temperature=1.0, top=None):
    logp, logq = _ranked(logits, ref_logits, temperature, top)
    return _kl(logp[..., :top].log_softmax(-1), logq[..., :top].log_softmax(-1), mask)


@wrong("exact-kl", says="the first two tokens")
def the_first_columns(logits, ref_logits, mask, temperature=1.0, top=None):
    if top is None:
        return exact_kl(logits, ref_logits, mask, temperature)
    logp, logq = ((x / temperature).log_softmax(-1) for x in (logits, ref_logits))
    return _kl(_lump(logp, top), _lump(logq, top), mask)


@wrong("exact-kl", says="the reference's two likeliest")
def top_of_the_reference(logits, ref_logits, mask, temperature=1.0, top=None):
    if top in (None, 1):
        return exact_kl(logits, ref_logits, mask, temperature, top)
    logp, logq = _ranked(logits, ref_logits, temperature, top, by=ref_logits)
    return _kl(_lump(logp, top), _lump(logq, top), mask)


@wrong("exact-kl", says="each model got its own")
def each_its_own_top(logits, ref_logits, mask, temperature=1.0, top=None):
    if top in (None, 1):
        return exact_kl(logits, ref_logits, mask, temperature, top)
    logp, logq = ((x / temperature).log_softmax(-1).sort(-1, descending=True).values for x in (logits, ref_logits))
    return _kl(_lump(logp, top), _lump(logq, top), mask)


@wrong("exact-kl", says="the mask is missing")
def every_place(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, torch.ones_like(mask), temperature, top)


@wrong("exact-kl", says="divided by B * T")
def mean_over_all_places(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, temperature, top) * mask.float().mean()


@wrong("exact-kl", says="mean of each row first")
def rows_first(logits, ref_logits, mask, temperature=1.0, top=None):
    rows = [exact_kl(*row, temperature, top) for row in zip(logits, ref_logits, mask, strict=True)]
    return torch.stack(rows).mean()


@wrong("exact-kl", says="summed along each row")
def sum_per_row(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, temperature, top) * mask.sum() / len(mask)


@wrong("exact-kl", says="not softmax and then log")
def softmax_then_log(logits, ref_logits, mask, temperature=1.0, top=None):
    if top is not None:
        return exact_kl(logits, ref_logits, mask, temperature, top)
    return _kl((logits / temperature).softmax(-1).log(), (ref_logits / temperature).softmax(-1).log(), mask)


@wrong("exact-kl", says="each place has its own")
def ranks_by_the_first_place(logits, ref_logits, mask, temperature=1.0, top=None):
    if top is None:
        return exact_kl(logits, ref_logits, mask, temperature)
    logp, logq = ((x / temperature).log_softmax(-1) for x in (logits, ref_logits))
    order = logp[0, 0].argsort(descending=True)
    return _kl(_lump(logp[..., order], top), _lump(logq[..., order], top), mask)


def _with_rest(logits, ref_logits, mask, temperature, top, rest):
    """As exact_kl, but the log of the rest is what `rest` makes of its log-probabilities."""
    if top is None:
        return exact_kl(logits, ref_logits, mask, temperature)
    logs = _ranked(logits, ref_logits, temperature, top)
    return _kl(*(torch.cat((x[..., :top], rest(x[..., top:])), -1) for x in logs), mask)


@wrong("exact-kl", says="mean of its tokens' probabilities")
def mean_probability_of_the_rest(logits, ref_logits, mask, temperature=1.0, top=None):
    return _with_rest(logits, ref_logits, mask, temperature, top, lambda x: x.exp().mean(-1, keepdim=True).log())


@wrong("exact-kl", says="the logarithms of the rest were added up")
def sum_of_the_rests_logs(logits, ref_logits, mask, temperature=1.0, top=None):
    return _with_rest(logits, ref_logits, mask, temperature, top, lambda x: x.sum(-1, keepdim=True))


@wrong("exact-kl", says="mean of its log-probabilities")
def mean_of_the_rests_logs(logits, ref_logits, mask, temperature=1.0, top=None):
    return _with_rest(logits, ref_logits, mask, temperature, top, lambda x: x.mean(-1, keepdim=True))


@wrong("exact-kl", says="the rest's probability rounds to 0")
def log_of_the_rests_sum(logits, ref_logits, mask, temperature=1.0, top=None):
    return _with_rest(logits, ref_logits, mask, temperature, top, lambda x: x.exp().sum(-1, keepdim=True).log())


@wrong("exact-kl", says="one call may ask for both")
def top_without_temperature(logits, ref_logits, mask, temperature=1.0, top=None):
    return exact_kl(logits, ref_logits, mask, temperature if top is None else 1.0, top)


@wrong("exact-kl", says="were thrown together first")
def temperature_after_the_rest(logits, ref_logits, mask, temperature=1.0, top=None):
    if top is None:
        return exact_kl(logits, ref_logits, mask, temperature)
    logp, logq = (_lump(x, top) for x in _ranked(logits, ref_logits, 1.0, top))
    return exact_kl(logp, logq, mask, temperature)


@wrong("exact-kl", says="p, the weight in the sum, must not be detached")
def weight_is_detached(logits, ref_logits, mask, temperature=1.0, top=None):
    if top is not None:
        return exact_kl(logits, ref_logits, mask, temperature, top)
    logp, logq = ((x / temperature).log_softmax(-1) for x in (logits, ref_logits))
    return (logp.exp().detach() * (logp - logq)).sum(-1)[mask].mean()


@wrong("exact-kl", says="its gradient is not")
def half_a_gradient(logits, ref_logits, mask, temperature=1.0, top=None):
    right = exact_kl(logits, ref_logits, mask, temperature, top)
    return (right + right.detach()) / 2


# ------------------------------------------------------------------------------------------------------ shaped reward


def _slope(n_tokens, limit, buffer):
    if n_tokens <= limit - buffer:
        return 0.0
    return (limit - buffer - n_tokens) / buffer if n_tokens <= limit else -1.0


def _with_length(length):
    def reward(text, truth, n_tokens, limit, buffer, bonus):
        return shaped_reward(text, truth, 0, limit, buffer, bonus) + length(n_tokens, limit, buffer)

    return reward


@wrong("shaped-reward", says="the length was paid")
def pays_for_length(*args):
    return _with_length(lambda n, limit, buffer: -_slope(n, limit, buffer))(*args)


@wrong("shaped-reward", says="the cost grows little by little")
def no_slope(*args):
    return _with_length(lambda n, limit, buffer: -float(n > limit - buffer))(*args)


@wrong("shaped-reward", says="not from 0 to limit")
def slope_from_zero(*args):
    return _with_length(lambda n, limit, buffer: -min(n / limit, 1))(*args)


@wrong("shaped-reward", says="the slope lies before the limit")
def slope_behind_the_limit(*args):
    return _with_length(lambda n, limit, buffer: _slope(n, limit + buffer, buffer))(*args)


@wrong("shaped-reward", says="you count the 10 that are left")
def counts_what_is_left(*args):
    return _with_length(
        lambda n, limit, buffer: (n - limit) / buffer if limit - buffer < n <= limit else _slope(n, limit, buffer)
    )(*args)


@wrong("shaped-reward", says="101 tokens, slope from 60 to 100")
def falls_on_behind_the_limit(*args):
    return _with_length(lambda n, limit, buffer: min(0.0, (limit - buffer - n) / max(buffer, 1)))(*args)


@wrong("shaped-reward", says="buffer = 0, limit 50")
def without_buffer_no_limit(*args):
    return _with_length(lambda n, limit, buffer: _slope(n, limit, buffer) if buffer else 0.0)(*args)


def _given(text):
    _, opened, rest = text.rpartition("<answer>")
    answer, closed, _ = rest.partition("</answer>")
    return answer.strip() if opened and closed else None


def _with_verdict(verdict):
    def reward(text, truth, n_tokens, limit, buffer, bonus):
        plain = 1.0 if _given(text) == truth else -1.0
        return shaped_reward(text, truth, n_tokens, limit, buffer, bonus) - plain + verdict(text, truth)

    return reward


@wrong("shaped-reward", says="take them away before you compare")
def keeps_blanks(*args):
    return _with_verdict(lambda text, truth: 1.0 if f"<answer>{truth}</answer>" in text else -1.0)(*args)


@wrong("shaped-reward", says="it does not count 0")
def wrong_is_nothing(*args):
    return _with_verdict(lambda text, truth: float(_given(text) == truth))(*args)


@wrong("shaped-reward", says="8 stands in the thought")
def right_wherever(*args):
    return _with_verdict(lambda text, truth: 1.0 if truth in text else -1.0)(*args)


@wrong("shaped-reward", says="80 is not 8")
def begins_with_the_truth(*args):
    return _with_verdict(lambda text, truth: 1.0 if (_given(text) or "").startswith(truth) else -1.0)(*args)


@wrong("shaped-reward", says="the first answer was read")
def reads_the_first(*args):
    def verdict(text, truth):
        found = re.search(r"<answer>(.*?)</answer>", text, re.DOTALL)
        return 1.0 if found and found[1].strip() == truth else -1.0

    return _with_verdict(verdict)(*args)


@wrong("shaped-reward", says="the last <answer> is never closed")
def last_closed_pair(*args):
    def verdict(text, truth):
        found = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
        return 1.0 if found and found[-1].strip() == truth else -1.0

    return _with_verdict(verdict)(*args)


@wrong("shaped-reward", says="without <answer> there is no answer")
def needs_no_mark(*args):
    return _with_verdict(lambda text, truth: 1.0 if _given(text) == truth or text == truth else -1.0)(*args)


@wrong("shaped-reward", says="the bonus for the form is paid for a wrong answer too")
def no_bonus_for_the_wrong(text, truth, n_tokens, limit, buffer, bonus):
    return shaped_reward(text, truth, n_tokens, limit, buffer, bonus if _given(text) == truth else 0.0)


@wrong("shaped-reward", says="there is no bonus for such a form")
def any_answer_is_in_form(text, truth, n_tokens, limit, buffer, bonus):
    return shaped_reward(text, truth, n_tokens, limit, buffer, 0.0) + (bonus if "</answer>" in text else 0.0)


@wrong("shaped-reward", says="blanks between the parts are allowed")
def no_blanks_between(text, truth, n_tokens, limit, buffer, bonus):
    return shaped_reward(text, truth, n_tokens, limit, buffer, bonus if "</think><answer>" in text else 0.0)


@wrong("shaped-reward", says="re.DOTALL")
def one_line_only(text, truth, n_tokens, limit, buffer, bonus):
    """Without DOTALL the dot stops at the end of a line."""
    return shaped_reward(text, truth, n_tokens, limit, buffer, 0.0 if "\n" in text.strip() else bonus)


@wrong("shaped-reward", says="<think> stands there twice")
def forgets_to_count_the_marks(text, truth, n_tokens, limit, buffer, bonus):
    in_form = re.fullmatch(r"\s*<think>.*</think>\s*<answer>.*</answer>\s*", text, re.DOTALL)
    return shaped_reward(text, truth, n_tokens, limit, buffer, 0.0) + (bonus if in_form else 0.0)


@wrong("shaped-reward", says="the slope begins at limit - buffer")
def slope_from_buffer(*args):
    return _with_length(lambda n, limit, buffer: -min(max(n - buffer, 0) / max(limit - buffer, 1), 1.0))(*args)


@wrong("shaped-reward", says="the slope begins at limit - buffer")
def slope_from_buffer_over_buffer(*args):
    return _with_length(lambda n, limit, buffer: -max(n - buffer, 0) / max(buffer, 1) if n <= limit else -1.0)(*args)


@wrong("shaped-reward", says="divide them by the slope's length")
def divides_by_the_limit(*args):
    return _with_length(lambda n, limit, buffer: -max(n - limit + buffer, 0) / limit if n <= limit else -1.0)(*args)


@wrong("shaped-reward", says="divide them by the slope's length")
def divides_by_what_is_free(*args):
    return _with_length(
        lambda n, limit, buffer: -max(n - limit + buffer, 0) / max(limit - buffer, 1) if n <= limit else -1.0
    )(*args)


def _with_form(in_form):
    def reward(text, truth, n_tokens, limit, buffer, bonus):
        return shaped_reward(text, truth, n_tokens, limit, buffer, 0.0) + (bonus if in_form(text) else 0.0)

    return reward


MARKS = ("<think>", "</think>", "<answer>", "</answer>")


def _once(text, marks=MARKS):
    return all(text.count(mark) == 1 for mark in marks)


@wrong("shaped-reward", says="blanks are spaces and line ends")
def only_spaces_are_blanks(*args):
    pattern = r" *<think>.*</think> *<answer>.*</answer> *"
    return _with_form(lambda text: _once(text) and re.fullmatch(pattern, text, re.DOTALL))(*args)


@wrong("shaped-reward", says="there is text before <think>")
def searches_for_the_form(*args):
    pattern = r"<think>.*</think>\s*<answer>.*</answer>\s*$"
    return _with_form(lambda text: _once(text) and re.search(pattern, text, re.DOTALL))(*args)


@wrong("shaped-reward", says="there is text between </think> and <answer>")
def anything_between(*args):
    pattern = r"\s*<think>.*</think>.*<answer>.*</answer>\s*"
    return _with_form(lambda text: _once(text) and re.fullmatch(pattern, text, re.DOTALL))(*args)


@wrong("shaped-reward", says="there is text behind </answer>")
def matches_the_beginning(*args):
    pattern = r"\s*<think>.*</think>\s*<answer>.*</answer>"
    return _with_form(lambda text: _once(text) and re.match(pattern, text, re.DOTALL))(*args)


@wrong("shaped-reward", says="</think> stands there twice")
def counts_opening_marks_only(*args):
    pattern = r"\s*<think>.*</think>\s*<answer>.*</answer>\s*"
    return _with_form(lambda text: _once(text, MARKS[::2]) and re.fullmatch(pattern, text, re.DOTALL))(*args)


def _nothing_else(text):
    """Only blanks are outside of the two pairs, whatever their order."""
    rest = re.sub(r"<think>.*</think>", "", text, flags=re.DOTALL)
    return not re.sub(r"<answer>.*</answer>", "", rest, flags=re.DOTALL).strip()


@wrong("shaped-reward", says="the order is swapped")
def any_order(*args):
    return _with_form(lambda text: _once(text) and _nothing_else(text))(*args)


@wrong("shaped-reward", says="the opening <think> is missing")
def opening_mark_may_be_missing(*args):
    pattern = r"(\s*<think>)?.*</think>\s*<answer>.*</answer>\s*"

    def in_form(text):
        begun = text.lstrip().startswith("<think>") or "<think>" not in text
        return begun and _once(text, MARKS[1:]) and text.count("<think>") < 2 and re.fullmatch(pattern, text, re.DOTALL)

    return _with_form(in_form)(*args)


@wrong("shaped-reward", hidden=True)
def counts_no_closing_answer_mark(*args):
    pattern = r"\s*<think>.*</think>\s*<answer>.*</answer>\s*"
    return _with_form(lambda text: _once(text, MARKS[:3]) and re.fullmatch(pattern, text, re.DOTALL))(*args)


# -------------------------------------------------------------------------------------------------------------- holes


def _right(text, truth):
    _, mark, answer = text.rpartition("#")
    return bool(mark) and answer.strip() == truth


def _holes(probes, truths, paid, right=_right, mean=None):
    found = {}
    for name, text in probes.items():
        pay = mean(paid[name]) if mean else sum(x or 0.0 for x in paid[name]) / len(truths)
        unearned = pay - sum(right(text, truth) for truth in truths) / len(truths)
        if unearned > 1e-9:
            found[name] = unearned
    return found


@wrong("holes", says="is paid every time")
def only_what_is_never_paid(probes, truths, paid):
    return {
        name: -unearned for name, unearned in _all_unearned(probes, truths, paid).items() if unearned < -1e-9
    }  # deserved minus paid


def _all_unearned(probes, truths, paid):
    return {
        name: (sum(x or 0.0 for x in paid[name]) - sum(_right(text, t) for t in truths)) / len(truths)
        for name, text in probes.items()
    }


@wrong("holes", says="0.5 is deserved")
def luck_is_a_hole(probes, truths, paid):
    return _holes(probes, truths, paid, right=lambda text, truth: False)


@wrong("holes", says="so it is no hole and not in the dict")
def every_probe(probes, truths, paid):
    return _all_unearned(probes, truths, paid)


@wrong("holes", says="4 is the sum")
def sums_up(probes, truths, paid):
    return {name: unearned * len(truths) for name, unearned in holes(probes, truths, paid).items()}


@wrong("holes", says="behind the LAST #")
def the_first_mark(probes, truths, paid):
    return _holes(probes, truths, paid, right=lambda text, truth: text.partition("#")[2].partition("#")[0][:1] == truth)


@wrong("holes", says="has blanks at its ends")
def blanks_are_part(probes, truths, paid):
    return _holes(probes, truths, paid, right=lambda text, truth: "#" in text and text.rpartition("#")[2] == truth)


@wrong("holes", says="a text without # is never right")
def needs_no_hash(probes, truths, paid):
    return _holes(probes, truths, paid, right=lambda text, truth: text.rpartition("#")[2].strip() == truth)


@wrong("holes", says="all four problems count in the mean")
def skips_what_broke_down(probes, truths, paid):
    def mean(row):
        known = [x for x in row if x is not None]
        return sum(known) / max(len(known), 1)

    return _holes(probes, truths, paid, mean=mean)


@wrong("holes", says="-7 is not exactly 7")
def looks_for_the_truth_behind_the_mark(probes, truths, paid):
    return _holes(probes, truths, paid, right=lambda text, truth: "#" in text and truth in text.rpartition("#")[2])


@wrong("holes", says="unfair, but no hole")
def unfair_ones_too(probes, truths, paid):
    return {name: abs(x) for name, x in _all_unearned(probes, truths, paid).items() if abs(x) > 1e-9}


@wrong("holes", hidden=True)
def half_a_reward_is_a_whole(probes, truths, paid):
    return holes(probes, truths, {name: [x and 1.0 for x in row] for name, row in paid.items()})


def _float(text):
    try:
        return float(text)
    except ValueError:
        return None


@wrong("holes", says="compare texts, not numbers")
def compares_numbers(probes, truths, paid):
    def right(text, truth):
        return _right(text, truth) or ("#" in text and _float(text.rpartition("#")[2]) == _float(truth))

    return _holes(probes, truths, paid, right=right)


@wrong("holes", says="look up by name")
def pairs_by_order(probes, truths, paid):
    return holes(probes, truths, dict(zip(probes, paid.values(), strict=True)))


@wrong("holes", says="more than 1e-9 is wanted, not more than 0")
def more_than_nothing(probes, truths, paid):
    return {name: unearned for name, unearned in _all_unearned(probes, truths, paid).items() if unearned > 0}


@wrong("holes", says="is little, and a hole all the same")
def lets_a_little_pass(probes, truths, paid):
    return {name: unearned for name, unearned in _all_unearned(probes, truths, paid).items() if unearned > 0.02}


# --------------------------------------------------------------------------------------------------------- first hack


def _hack(evaluations, *, noise=None, times=2.0, reference=lambda before: before[0], paid=None, last=False):
    hits = []
    for i, e in enumerate(evaluations[1:], start=1):
        start = reference(evaluations[:i])
        p0, p = start["right"] / start["audited"], e["right"] / e["audited"]
        v0, v = p0 * (1 - p0) / start["audited"], p * (1 - p) / e["audited"]
        error = noise(v0, v) if noise else math.sqrt(v0 + v)
        more = paid(evaluations, i) if paid else e["paid"] > evaluations[0]["paid"]
        if more and p0 - p > times * error:
            hits.append(i)
    return (hits[-1] if last else hits[0]) if hits else None


@wrong("first-hack", says="is noise; it must be more than")
def any_fall(evaluations):
    return _hack(evaluations, times=0.0)


@wrong("first-hack", says="that is twice the variance")
def no_square_root(evaluations):
    return _hack(evaluations, noise=lambda v0, v: v0 + v)


@wrong("first-hack", says="less is paid than at the start")
def pay_does_not_matter(evaluations):
    return _hack(evaluations, paid=lambda es, i: True)


@wrong("first-hack", says="less is paid than at the start")
def more_paid_than_right(evaluations):
    return _hack(evaluations, paid=lambda es, i: es[i]["paid"] > es[i]["right"] / es[i]["audited"])


@wrong("first-hack", says="more than one standard error")
def one_standard_error(evaluations):
    return _hack(evaluations, times=1.0)


@wrong("first-hack", says="only the variance of the start")
def noise_of_the_start(evaluations):
    return _hack(evaluations, noise=lambda v0, v: math.sqrt(v0))


@wrong("first-hack", says="only the variance of the evaluation")
def noise_of_now(evaluations):
    return _hack(evaluations, noise=lambda v0, v: math.sqrt(v))


@wrong("first-hack", says="8 is the last")
def the_last_one(evaluations):
    return _hack(evaluations, last=True)


@wrong("first-hack", says="Compare with the start")
def against_the_one_before(evaluations):
    return _hack(evaluations, reference=lambda before: before[-1])


@wrong("first-hack", says="more than 0.40 at the start")
def paid_more_than_before(evaluations):
    return _hack(evaluations, paid=lambda es, i: es[i]["paid"] > es[i - 1]["paid"])


@wrong("first-hack", says="against the start's 0.3 that is noise")
def against_the_best(evaluations):
    return _hack(evaluations, reference=lambda before: max(before, key=lambda e: e["right"] / e["audited"]))


@wrong("first-hack", says="as much is paid as at the start")
def as_much_is_enough(evaluations):
    return _hack(evaluations, paid=lambda es, i: es[i]["paid"] >= es[0]["paid"])


@wrong("first-hack", says="more is paid and more is right")
def any_change(evaluations):
    for i, e in enumerate(evaluations):
        p0, p = evaluations[0]["right"] / evaluations[0]["audited"], e["right"] / e["audited"]
        error = math.sqrt(p0 * (1 - p0) / evaluations[0]["audited"] + p * (1 - p) / e["audited"])
        if e["paid"] > evaluations[0]["paid"] and abs(p0 - p) > 2 * error:
            return i
    return None


@wrong("first-hack", says="both variances are 0")
def no_noise_no_verdict(evaluations):
    found = first_hack(evaluations)
    certain = found is not None and evaluations[found]["right"] in (0, evaluations[found]["audited"])
    return None if certain else found


@wrong("first-hack", says="0 is the start itself")
def zero_for_none(evaluations):
    return 0


@wrong("first-hack", says="Each share has its own n")
def size_of_the_start_for_both(evaluations):
    if not evaluations:
        return None
    n = evaluations[0]["audited"]
    return first_hack([e | {"right": e["right"] / e["audited"] * n, "audited": n} for e in evaluations])


@wrong("first-hack", says="Not the errors add up")
def sum_of_two_errors(evaluations):
    """Adds the errors; the variances are what adds up."""
    return _hack(evaluations, noise=lambda v0, v: math.sqrt(v0) + math.sqrt(v))


@wrong("first-hack", says="needs enumerate(..., start=1)")
def counts_from_the_second(evaluations):
    found = first_hack(evaluations)
    return None if found is None else found - 1


@wrong("first-hack", says="the variance is not divided")
def variance_of_one_answer(evaluations):
    shares = [e["right"] / e["audited"] for e in evaluations]
    for i, (e, p) in enumerate(zip(evaluations, shares, strict=True)):
        noise = math.sqrt(shares[0] * (1 - shares[0]) + p * (1 - p))
        if e["paid"] > evaluations[0]["paid"] and shares[0] - p > 2 * noise:
            return i
    return None


@wrong("first-hack", says="nothing came back")
def returns_nothing(evaluations):
    first_hack(evaluations)


@wrong("first-hack", says="compare shares, not counts")
def counts_for_shares(evaluations):
    found = [i for i, e in enumerate(evaluations) if e["right"] < evaluations[0]["right"]]
    return next((i for i in found if evaluations[i]["paid"] > evaluations[0]["paid"]), None)


@wrong("first-hack", says="5: the variance is the mean of the two")
def mean_of_the_variances(evaluations):
    return _hack(evaluations, noise=lambda v0, v: math.sqrt((v0 + v) / 2))


@wrong("first-hack", says="a fall of 0 is not MORE than twice 0")
def twice_the_error_is_enough(evaluations):
    return _hack(evaluations, noise=lambda v0, v: math.sqrt(v0 + v) - 1e-12)


@wrong("first-hack", says="and that is enough")
def only_a_clear_rise_of_the_pay(evaluations):
    return _hack(evaluations, paid=lambda es, i: es[i]["paid"] > es[0]["paid"] + 0.03)


# --------------------------------------------------------------------------------------------------------------- LoRA


@wrong("lora", says="5: the factor alpha / r is missing")
class WithoutFactor(ManyLoRA):
    def __init__(self, weight_ND, K, r, alpha):
        super().__init__(weight_ND, K, r, r)


@wrong("lora", says="divide it by r")
class AlphaAlone(ManyLoRA):
    def __init__(self, weight_ND, K, r, alpha):
        super().__init__(weight_ND, K, r, alpha * r)


@wrong("lora", says="2.33: the factor is upside down")
class RankOverAlpha(ManyLoRA):
    def __init__(self, weight_ND, K, r, alpha):
        super().__init__(weight_ND, K, r, r * r / alpha)


@wrong("lora", says="-11: the correction was taken away")
class Subtracts(ManyLoRA):
    def __init__(self, weight_ND, K, r, alpha):
        super().__init__(weight_ND, K, r, -alpha)


@wrong("lora", says="A starts at zero")
class BothZero(ManyLoRA):
    def __init__(self, *args):
        super().__init__(*args)
        nn.init.zeros_(self.A_KrD)


@wrong("lora", says="rows of A are equal")
class AllOnes(ManyLoRA):
    def __init__(self, *args):
        super().__init__(*args)
        nn.init.ones_(self.A_KrD)


@wrong("lora", says="B must start at zero")
class BothRandom(ManyLoRA):
    def __init__(self, *args):
        super().__init__(*args)
        nn.init.normal_(self.B_KNr)


@wrong("lora", says="A_KrD has the shape")
class Transposed(ManyLoRA):
    def __init__(self, *args):
        super().__init__(*args)
        self.A_KrD = nn.Parameter(self.A_KrD.detach().transpose(1, 2))


@wrong("lora", says="trained are A and B alone")
class TrainsW(ManyLoRA):
    def __init__(self, weight_ND, *args):
        super().__init__(weight_ND, *args)
        del self.weight_ND
        self.weight_ND = nn.Parameter(weight_ND.detach().clone())


@wrong("lora", says="a gradient reaches the matrix that was handed in")
class KeepsTheGraph(ManyLoRA):
    def __init__(self, weight_ND, *args):
        super().__init__(weight_ND, *args)
        del self.weight_ND
        self.handed_in = [weight_ND]

    def forward(self, x_BTD, task_B):
        self.__dict__["weight_ND"] = self.handed_in[0]
        return super().forward(x_BTD, task_B)


@wrong("lora", says="0 at the start: x W^T is missing")
class CorrectionAlone(ManyLoRA):
    def forward(self, x_BTD, task_B):
        return super().forward(x_BTD, task_B) - x_BTD @ self.weight_ND.T


@wrong("lora", says="A and B must get gradients")
class DetachesTheAdapters(ManyLoRA):
    def forward(self, x_BTD, task_B):
        return super().forward(x_BTD, task_B).detach() + 0 * self.B_KNr.sum()


@wrong("lora", says="picked by the row's number")
class RowNumber(ManyLoRA):
    def forward(self, x_BTD, task_B):
        if len(task_B) > len(self.A_KrD):
            return super().forward(x_BTD, task_B)
        return super().forward(x_BTD, torch.arange(len(x_BTD)))


@wrong("lora", says="all adapters were added up")
class AllAtOnce(ManyLoRA):
    def forward(self, x_BTD, task_B):
        if len(task_B) > 1:
            return super().forward(x_BTD, task_B)
        change = torch.einsum("btd,krd,knr->btn", x_BTD, self.A_KrD, self.B_KNr)
        return x_BTD @ self.weight_ND.T + self.scale * change


@wrong("lora", says="B gets a gradient there and nowhere else")
class AllTheTime(ManyLoRA):
    def forward(self, x_BTD, task_B):
        change = torch.einsum("btd,krd,knr->btn", x_BTD, self.A_KrD, self.B_KNr)
        return x_BTD @ self.weight_ND.T + self.scale * change


@wrong("lora", says="adapters 0, 1, 3 and 4 are used")
class AlwaysTheLast(ManyLoRA):
    def forward(self, x_BTD, task_B):
        return super().forward(x_BTD, torch.full_like(task_B, len(self.A_KrD) - 1))


@wrong("lora", says="here it means none")
class MinusOneIsTheLast(ManyLoRA):
    def forward(self, x_BTD, task_B):
        return super().forward(x_BTD, task_B % len(self.A_KrD))


@wrong("lora", says="missing in merged")
class MergesWithoutFactor(ManyLoRA):
    def merged(self, k):
        return self.weight_ND + self.B_KNr[k] @ self.A_KrD[k]


@wrong("lora", says="merged holds the correction alone")
class MergesTheCorrection(ManyLoRA):
    def merged(self, k):
        return self.scale * self.B_KNr[k] @ self.A_KrD[k]


@wrong("lora", says="merged must not change W itself")
class MergesInPlace(ManyLoRA):
    def merged(self, k):
        with torch.no_grad():
            self.weight_ND += self.scale * self.B_KNr[k] @ self.A_KrD[k]
        return self.weight_ND


@wrong("lora", says="one matrix of shape (N, D)")
class MergesTransposed(ManyLoRA):
    def merged(self, k):
        return super().merged(k).T


@wrong("lora", says="row 0 of a mixed batch")
class TheFirstRowsTask(ManyLoRA):
    """Right for a batch of one task, and for the gradient's places by luck."""

    def forward(self, x_BTD, task_B):
        if self.B_KNr.any() and len(task_B) > 1:
            return super().forward(x_BTD, task_B[1:2].expand(len(task_B)))
        return super().forward(x_BTD, task_B)


@wrong("lora", says="49: the factor is alpha * r")
class AlphaTimesRank(ManyLoRA):
    def __init__(self, weight_ND, K, r, alpha):
        super().__init__(weight_ND, K, r, alpha * r * r)


@wrong("lora", says="no longer asks for a gradient")
class FreezesWhatWasHandedIn(ManyLoRA):
    def __init__(self, weight_ND, *args):
        super().__init__(weight_ND.requires_grad_(False), *args)


@wrong("lora", says="-1 took adapter 0")
class MinusOneIsZero(ManyLoRA):
    def forward(self, x_BTD, task_B):
        return super().forward(x_BTD, task_B.clamp(min=0))


@wrong("lora", says="no gradient flows to x")
class DetachesX(ManyLoRA):
    def forward(self, x_BTD, task_B):
        return super().forward(x_BTD.detach(), task_B)


@wrong("lora", says="through the adapter only")
class NoGradientThroughW(ManyLoRA):
    def forward(self, x_BTD, task_B):
        with torch.no_grad():
            base_BTN = x_BTD @ self.weight_ND.T
        return super().forward(x_BTD, task_B) - x_BTD @ self.weight_ND.T + base_BTN


@wrong("lora", says="through W only")
class NoGradientThroughTheAdapter(ManyLoRA):
    def forward(self, x_BTD, task_B):
        base_BTN = x_BTD @ self.weight_ND.T
        return super().forward(x_BTD.detach(), task_B) - base_BTN.detach() + base_BTN


@wrong("lora", says="adapter 0 is never used")
class AdapterZeroIsNone(ManyLoRA):
    """`if task` where `task >= 0` was meant."""

    def forward(self, x_BTD, task_B):
        return super().forward(x_BTD, torch.where(task_B > 0, task_B, -1))
