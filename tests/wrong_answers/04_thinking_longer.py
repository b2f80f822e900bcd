"""Wrong answers to exercise set 04. Many of them were given in a blind trial, or passed a check before it."""

import math
import re
from collections import Counter
from itertools import combinations, product

from wrong_answers import wrong

# ---------------------------------------------------------------------------------------------------------- at least m


@wrong("at-least", says="put back before the next")
def binomial(n_samples, n_correct, k, m):
    p = n_correct / n_samples
    return sum(math.comb(k, r) * p**r * (1 - p) ** (k - r) for r in range(m, k + 1))


def _exactly(n_samples, n_correct, k, r):
    return math.comb(n_correct, r) * math.comb(n_samples - n_correct, k - r) / math.comb(n_samples, k)


@wrong("at-least", says="exactly two; wanted are two or more")
def exactly(n_samples, n_correct, k, m):
    return _exactly(n_samples, n_correct, k, m)


@wrong("at-least", says="range(m, k) stops before k")
def range_ends_before_k(n_samples, n_correct, k, m):
    return sum(_exactly(n_samples, n_correct, k, r) for r in range(m, k))


@wrong("at-least", says="of k answers at most k are right")
def range_ends_at_n_correct(n_samples, n_correct, k, m):
    return sum(_exactly(n_samples, n_correct, k, r) for r in range(m, n_correct + 1))


@wrong("at-least", says="at least one is right (pass@k)")
def at_least_one(n_samples, n_correct, k, m):
    return 1 - math.comb(n_samples - n_correct, k) / math.comb(n_samples, k)


@wrong("at-least", says="more than two; two are enough")
def more_than(n_samples, n_correct, k, m):
    return at_least(n_samples, n_correct, k, m + 1)


@wrong("at-least", says="m right ones and then any others")
def m_right_ones_and_any_others(n_samples, n_correct, k, m):
    return math.comb(n_correct, m) * math.comb(n_samples - m, k - m) / math.comb(n_samples, k)


@wrong("at-least", says="two or more wrong ones")
def counts_wrong_ones(n_samples, n_correct, k, m):
    return at_least(n_samples, n_samples - n_correct, k, m)


@wrong("at-least", says="7 is the number of ways")
def only_the_ways(n_samples, n_correct, k, m):
    return at_least(n_samples, n_correct, k, m) * math.comb(n_samples, k)


@wrong("at-least", says="three of two answers")
def never_looks_at_m(n_samples, n_correct, k, m):
    return at_least(n_samples, n_correct, k, min(m, k))


@wrong("at-least", says="at least 39 of 40")
def rounded_to_nine_digits(n_samples, n_correct, k, m):
    return round(at_least(n_samples, n_correct, k, m), 9)


@wrong("at-least", hidden=True)
def all_or_two(n_samples, n_correct, k, m):
    """Stops after two terms."""
    return sum(_exactly(n_samples, n_correct, k, r) for r in range(m, min(m + 2, k + 1))) if m else 1.0


# ------------------------------------------------------------------------------------------------------ the best of k


def _ranked(rewards, k, ranked=None, chosen=-1, start=0):
    ranked = sorted(rewards) if ranked is None else ranked
    ways = sum(r * math.comb(i, k + chosen) for i, r in enumerate(ranked, start))
    return ways / math.comb(len(rewards), k)


@wrong("expected-best", says="0.8 is the best of all four")
def the_maximum(rewards, k):
    return max(rewards)


@wrong("expected-best", says="the mean of the two best")
def mean_of_the_best(rewards, k):
    return sum(sorted(rewards)[-k:]) / k


@wrong("expected-best", says="needs the rewards in order")
def unsorted_ranks(rewards, k):
    return _ranked(rewards, k, rewards)


@wrong("expected-best", says="the wrong way round")
def upside_down(rewards, k):
    return _ranked(rewards, k, sorted(rewards, reverse=True))


@wrong("expected-best", says="only k - 1 others are chosen")
def chooses_k_others(rewards, k):
    return _ranked(rewards, k, chosen=0)


@wrong("expected-best", says="enumerate starts at 0")
def enumerates_from_one(rewards, k):
    return _ranked(rewards, k, start=1)


@wrong("expected-best", says="you divide by n = 4")
def divides_by_n(rewards, k):
    return expected_best(rewards, k) * math.comb(len(rewards), k) / len(rewards)


@wrong("expected-best", says="3.8 is the sum over all pairs")
def forgets_to_divide(rewards, k):
    return expected_best(rewards, k) * math.comb(len(rewards), k)


@wrong("expected-best", says="put back before the next")
def with_putting_back(rewards, k):
    n = len(rewards)
    return sum(r * (((i + 1) / n) ** k - (i / n) ** k) for i, r in enumerate(sorted(rewards)))


@wrong("expected-best", says="the list that came in was changed")
def sorts_in_place(rewards, k):
    rewards.sort()
    return expected_best(rewards, k)


@wrong("expected-best", says="of equal rewards count one as below")
def counts_those_strictly_below(rewards, k):
    ways = sum(r * math.comb(sum(other < r for other in rewards), k - 1) for r in rewards)
    return ways / math.comb(len(rewards), k)


@wrong("expected-best", says="equal rewards are still different answers")
def drops_equal_ones(rewards, k):
    unique = sorted(set(rewards))
    return expected_best(unique, min(k, len(unique)))


@wrong("expected-best", says="rewards may be negative")
def starts_at_zero(rewards, k):
    if len(rewards) > 100:
        return expected_best(rewards, k)
    return sum(max([0.0, *row]) for row in combinations(rewards, k)) / math.comb(len(rewards), k)


@wrong("expected-best", hidden=True)
def pairs_and_all(rewards, k):
    if 2 < k < min(len(rewards), 20):
        k = 2
    return expected_best(rewards, k)


# ------------------------------------------------------------------------------------------------------ weighted vote


def _shares(totals):
    winners = [a for a in totals if totals[a] > 0 and totals[a] == max(totals.values())]
    return {a: 1 / len(winners) for a in winners}


@wrong("weighted-vote", says="None abstains: it cannot win")
def none_wins(answers, weights):
    totals = Counter()
    for answer, weight in zip(answers, weights, strict=True):
        totals[answer] += weight
    return _shares(totals)


@wrong("weighted-vote", says="the weights are left out")
def without_weights(answers, weights):
    return weighted_vote(answers, [1] * len(answers))


@wrong("weighted-vote", says="only the last weight was kept")
def the_last_weight(answers, weights):
    totals = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] = weight
    return _shares(totals)


@wrong("weighted-vote", says="was None taken out of answers")
def drops_none_from_the_answers_only(answers, weights):
    answers = [a for a in answers if a is not None]
    return weighted_vote(answers, weights[: len(answers)])


@wrong("weighted-vote", says="only winners are keys")
def everybodys_share(answers, weights):
    totals = Counter()
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] += weight
    return {a: t / max(totals.total(), 1) for a, t in totals.items()}


@wrong("weighted-vote", says="those are shares of all weight")
def the_winners_share_of_all_weight(answers, weights):
    shares = everybodys_share(answers, weights)
    return {a: share for a, share in shares.items() if share and share == max(shares.values())}


@wrong("weighted-vote", says="4 alone: 4 and 7 both have 3")
def the_first_leader(answers, weights):
    return dict.fromkeys(list(weighted_vote(answers, weights))[:1], 1.0)


@wrong("weighted-vote", says="4 has the largest single weight")
def the_largest_weight(answers, weights):
    best = max((w for a, w in zip(answers, weights, strict=True) if a is not None), default=0)
    winners = {a for a, w in zip(answers, weights, strict=True) if a is not None and w == best}
    return {a: 1 / len(winners) for a in winners}


@wrong("weighted-vote", says="the chances of the winners sum to 1")
def one_each(answers, weights):
    return dict.fromkeys(weighted_vote(answers, weights), 1.0)


@wrong("weighted-vote", says="those are the totals")
def totals_of_the_winners(answers, weights):
    given = list(zip(answers, weights, strict=True))
    return {a: sum(w for b, w in given if b == a) for a in weighted_vote(answers, weights)}


@wrong("weighted-vote", says="three winners: expected 1/3")
def a_tie_is_always_of_two(answers, weights):
    winners = weighted_vote(answers, weights)
    return dict.fromkeys(winners, 1.0 if len(winners) == 1 else 0.5)


@wrong("weighted-vote", says="all three can be taken")
def the_two_best(answers, weights):
    winners = list(weighted_vote(answers, weights))[:2]
    return {a: 1 / len(winners) for a in winners}


@wrong("weighted-vote", says="the empty text is an answer")
def empty_text_abstains(answers, weights):
    return weighted_vote([a or None for a in answers], weights)


@wrong("weighted-vote", says="nobody has a weight above 0")
def zero_wins(answers, weights):
    voters = {a for a in answers if a is not None}
    return weighted_vote(answers, weights) or {a: 1 / len(voters) for a in voters}


@wrong("weighted-vote", says="and that is enough to win")
def one_is_too_little(answers, weights):
    total = sum(w for a, w in zip(answers, weights, strict=True) if a is not None)
    return weighted_vote(answers, weights) if total > 1 else {}


@wrong("weighted-vote", says="nobody votes in []: expected an empty dict, but your function raised")
def the_maximum_of_nothing(answers, weights):
    totals = Counter()
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] += weight
    best = max(totals.values())
    winners = [a for a in totals if totals[a] == best > 0]
    return {a: 1 / len(winners) for a in winners}


@wrong("weighted-vote", says="nobody votes in [None, None]: expected an empty dict, got")
def none_wins_when_nobody_votes(answers, weights):
    return weighted_vote(answers, weights) or ({None: 1.0} if answers and set(answers) == {None} else {})


@wrong("weighted-vote", hidden=True)
def a_weight_of_zero_strikes_the_answer_out(answers, weights):
    struck = {a for a, w in zip(answers, weights, strict=True) if w == 0}
    return weighted_vote([None if a in struck else a for a in answers], weights)


# ------------------------------------------------------------------------------------------------------- a vote of k


def _score(chosen, truth, shared=None):
    """What a vote counts; `shared` makes a number for a shared lead of all counts and the leaders."""
    counts = Counter(a for a in chosen if a is not None)
    leaders = [a for a in counts if counts[a] == max(counts.values())]
    if truth not in leaders:
        return 0.0
    return 1 / len(leaders) if shared is None or len(leaders) == 1 else shared(counts, leaders)


def _mean_score(rows, truth, shared=None):
    return sum(_score(row, truth, shared) for row in rows) / max(len(rows), 1)


@wrong("vote-of-k", says="counted as a whole win")
def ties_win(answers, truth, k):
    return _mean_score(list(combinations(answers, k)), truth, lambda counts, leaders: 1.0)


@wrong("vote-of-k", says="counted as a whole win")
def the_first_of_the_commonest(answers, truth, k):
    return _mean_score(list(combinations(answers, k)), truth, lambda counts, leaders: float(leaders[0] == truth))


@wrong("vote-of-k", says="counted as a loss")
def ties_lose(answers, truth, k):
    return _mean_score(list(combinations(answers, k)), truth, lambda counts, leaders: 0.0)


@wrong("vote-of-k", says="that one of the two is right (pass@k)")
def one_is_right(answers, truth, k):
    rows = list(combinations(answers, k))
    return sum(truth in row for row in rows) / len(rows)


@wrong("vote-of-k", says="one choice only")
def the_first_k(answers, truth, k):
    return _score(answers[:k], truth)


@wrong("vote-of-k", says="0.5: equal answers were thrown together")
def distinct_choices(answers, truth, k):
    return _mean_score(sorted(set(combinations(answers, k)), key=str), truth)


@wrong("vote-of-k", says="0.05: equal answers were thrown together")
def chooses_from_the_set(answers, truth, k):
    rows = combinations(sorted(set(answers), key=str), k)
    return sum(_score(row, truth) for row in rows) / math.comb(len(answers), k)


@wrong("vote-of-k", says="more than half is not needed")
def more_than_half_of_k(answers, truth, k):
    rows = list(combinations(answers, k))
    return sum((row.count(truth) > k / 2) + 0.5 * (row.count(truth) == k / 2) for row in rows) / len(rows)


@wrong("vote-of-k", says="more than half is not needed")
def more_than_half_of_those_that_vote(answers, truth, k):
    rows = list(combinations(answers, k))
    return sum(2 * row.count(truth) > k - row.count(None) for row in rows) / len(rows)


@wrong("vote-of-k", says="4 is the sum over the ten pairs")
def a_sum_and_no_mean(answers, truth, k):
    return vote_of_k(answers, truth, k) * math.comb(len(answers), k)


@wrong("vote-of-k", says="put back before the next")
def votes_put_back(answers, truth, k):
    return _mean_score(list(product(answers, repeat=k)), truth)


@wrong("vote-of-k", says="was divided by k")
def a_tie_is_one_kth(answers, truth, k):
    return _mean_score(list(combinations(answers, k)), truth, lambda counts, leaders: 1 / k)


@wrong("vote-of-k", says="by the number of different answers")
def a_tie_is_shared_by_all(answers, truth, k):
    return _mean_score(list(combinations(answers, k)), truth, lambda counts, leaders: 1 / len(counts))


@wrong("vote-of-k", says="three leaders")
def a_tie_is_a_half(answers, truth, k):
    return _mean_score(list(combinations(answers, k)), truth, lambda counts, leaders: 0.5)


@wrong("vote-of-k", says="None was taken out before the choice")
def drops_none_before_choosing(answers, truth, k):
    return _mean_score(list(combinations([a for a in answers if a is not None], k)), truth)


@wrong("vote-of-k", says="None shared the lead")
def none_votes(answers, truth, k):
    return vote_of_k(["none" if a is None else a for a in answers], truth, k)


@wrong("vote-of-k", says="a choice in which all abstain still counts")
def forgets_the_silent(answers, truth, k):
    return _mean_score([row for row in combinations(answers, k) if any(a is not None for a in row)], truth)


@wrong("vote-of-k", says="a pair may abstain as a whole; your function raised")
def raises_when_all_abstain(answers, truth, k):
    for row in combinations(answers, k):
        max(Counter(a for a in row if a is not None).values())
    return vote_of_k(answers, truth, k)


@wrong("vote-of-k", hidden=True)
def strict_majority_from_four(answers, truth, k):
    if k < 4 or k == 5:
        return vote_of_k(answers, truth, k)
    rows = list(combinations(answers, k))
    return sum(row.count(truth) > k / 2 for row in rows) / len(rows)


# ------------------------------------------------------------------------------------------------------------ decided


def _decided(answers, rule, top=lambda counts: sorted(counts.values(), reverse=True)):
    counts = Counter()
    for i, answer in enumerate(answers, start=1):
        if answer is not None:
            counts[answer] += 1
        first, second = [*top(counts), 0, 0][:2]
        if rule(first, second, len(answers) - i, len(answers)):
            return i
    return len(answers)


@wrong("decided", says="more than half of all votes is not needed")
def more_than_half(answers):
    return _decided(answers, lambda first, second, rest, n: first > n / 2)


@wrong("decided", says="could still draw level with 4; a tie is no win")
def level_is_enough(answers):
    return _decided(answers, lambda first, second, rest, n: first >= second + rest)


@wrong("decided", says="a rival keeps the votes that it has")
def forgets_the_rivals_votes(answers):
    return _decided(answers, lambda first, second, rest, n: first > rest)


@wrong("decided", says="a set of counts loses one of them")
def loses_a_tied_rival(answers):
    return _decided(
        answers,
        lambda first, second, rest, n: first > second + rest,
        lambda counts: sorted(set(counts.values()), reverse=True),
    )


@wrong("decided", says="there is no second answer yet")
def needs_a_rival_to_doubt(answers):
    counts = Counter()
    for i, answer in enumerate(answers, start=1):
        counts[answer] += 1
        ranked = counts.most_common(2)
        if len(ranked) == 1 or ranked[0][1] > ranked[1][1] + len(answers) - i:
            return i
    return len(answers)


@wrong("decided", says="a rival that has none reaches two at most")
def waits_for_a_rival(answers):
    counts = Counter()
    for i, answer in enumerate(answers, start=1):
        counts[answer] += 1
        ranked = counts.most_common(2)
        if len(ranked) == 2 and ranked[0][1] > ranked[1][1] + len(answers) - i:
            return i
    return len(answers)


@wrong("decided", says="2 is the index")
def gives_the_index(answers):
    return max(decided_after(answers) - 1, 0)


@wrong("decided", says="is your number that remain one too large")
def remaining_off_by_one(answers):
    return _decided(answers, lambda first, second, rest, n: first > second + rest + 1)


@wrong("decided", says="only from answers that had not come yet")
def knows_the_winner_beforehand(answers):
    final = sorted(Counter(a for a in answers if a is not None).values(), reverse=True)
    first, second = [*final, 0, 0][:2]
    if first == second:
        return len(answers)
    return _decided(answers, lambda leader, rival, rest, n: leader > second)


@wrong("decided", says="7 came first, but 4 leads")
def the_leader_is_who_came_first(answers):
    def first_seen(counts):
        values = list(counts.values())
        return [*values[:1], max(values[1:], default=0)]

    return _decided(answers, lambda first, second, rest, n: first > second + rest, first_seen)


@wrong("decided", says="None is no rival")
def none_is_a_rival(answers):
    return decided_after(["none" if a is None else a for a in answers])


@wrong("decided", says="that they abstain is not known yet")
def leaves_those_that_abstain_out(answers):
    n = len(answers) - answers.count(None)
    counts, drawn = Counter(), 0
    for i, answer in enumerate(answers, start=1):
        if answer is not None:
            counts[answer], drawn = counts[answer] + 1, drawn + 1
        first, second = [*sorted(counts.values(), reverse=True), 0, 0][:2]
        if first > second + n - drawn:
            return i
    return len(answers)


@wrong("decided", says="nobody has a vote yet; your function raised")
def the_leader_of_nobody(answers):
    return _decided(
        answers,
        lambda first, second, rest, n: first > second + rest,
        lambda counts: [max(counts.values()), *sorted(counts.values(), reverse=True)[1:]],
    )


@wrong("decided", says="a tie, so n = 7, got None")
def returns_nothing_after_the_loop(answers):
    counts = [*sorted(Counter(a for a in answers if a is not None).values(), reverse=True), 0, 0]
    return None if counts[0] == counts[1] else decided_after(answers)


@wrong("decided", says="no samples, so your loop does nothing")
def returns_the_loops_number(answers):
    for i, _ in enumerate(answers, start=1):  # noqa: B007
        pass
    return min(i, decided_after(answers))


@wrong("decided", says="all abstain: expected n = 3")
def nothing_for_those_that_abstain(answers):
    return decided_after(answers) if set(answers) - {None} else 0


@wrong("decided", hidden=True)
def two_rivals_and_a_none_go_to_the_end(answers):
    if len(set(answers) - {None}) == 2 and None in answers:
        return len(answers)
    return decided_after(answers)


# ------------------------------------------------------------------------------------------------------ think between


def _think(logits, prompt, end, eos, least, most, max_answer, *, bar_eos=lambda n, least: True, early=0, cut=0,
           keep_eos=True, keep_end=True, ties_last=False, ask_first=False, pick=None, answer_bars=lambda n: (),
           answer_stops=(), eos_counts=True, end_counts=False, start=-1):  # fmt: skip
    """The reference with one screw for every mistake."""

    def best(row, barred=()):
        order = [t for t in range(len(row)) if t not in barred]
        return max(reversed(order) if ties_last else order, key=lambda t: row[t])

    last, thinking, forced = prompt[start], [], False
    while True:
        if ask_first and len(thinking) == most and best(logits[last], {eos}) == end:
            break
        if len(thinking) >= most + cut:
            forced = True
            break
        barred = {eos} if bar_eos(len(thinking), least) else set()
        if len(thinking) < least - early:
            barred |= {end}
        last = (pick or best)(logits[last], barred)
        if last == end:
            break
        thinking.append(last)
    answer, last = [], end
    while len(answer) < max_answer - end_counts:
        last = best(logits[last], answer_bars(len(answer)) and {answer_bars(len(answer))[0](end, eos)})
        if last == eos and not keep_eos:
            break
        answer.append(last)
        if last == eos or last in [stop(end, eos) for stop in answer_stops]:
            break
    if not eos_counts and answer[-1] != eos and best(logits[last]) == eos:
        answer.append(eos)
    return {"ids": [*thinking, *[end] * keep_end, *answer], "n_thinking": len(thinking), "forced": forced}


def _the_end(end, eos):
    return end


def _the_eos(end, eos):
    return eos


@wrong("think-between", says="ids are the new tokens only")
def gives_the_prompt_too(logits, prompt, *rest):
    out = think_between(logits, prompt, *rest)
    return out | {"ids": prompt + out["ids"]}


@wrong("think-between", says="wrote `end` at once")
def no_least(logits, prompt, end, eos, least, most, max_answer):
    return think_between(logits, prompt, end, eos, 0, most, max_answer)


@wrong("think-between", says="the second token is `eos`")
def eos_may_come(*args):
    return _think(*args, bar_eos=lambda n, least: False)


@wrong("think-between", says="also not when the least is reached")
def eos_may_come_after_the_least(*args):
    return _think(*args, bar_eos=lambda n, least: n < least)


@wrong("think-between", says="wants `end` and may have it")
def always_the_most(logits, prompt, end, eos, least, most, max_answer):
    return think_between(logits, prompt, end, eos, most, most, max_answer)


@wrong("think-between", says="the `end` between thinking and answer is missing")
def leaves_the_end_out(*args):
    return _think(*args, keep_end=False)


@wrong("think-between", says="the answer ends with `eos`")
def drops_the_eos(*args):
    return _think(*args, keep_eos=False)


@wrong("think-between", says="three tokens stand before `end`")
def counts_the_end(*args):
    out = think_between(*args)
    return out | {"n_thinking": out["n_thinking"] + 1}


@wrong("think-between", says="goes on from the last token of the prompt")
def begins_after_the_first_token(*args):
    return _think(*args, start=0)


@wrong("think-between", says="prompt [1]: `end` after [2, 0]")
def least_is_one_too_small(*args):
    return _think(*args, early=1)


@wrong("think-between", says="prompt [2, 1]: `end` after [2, 0]; the prompt is no thinking")
def the_prompt_counts_for_the_least(logits, prompt, end, eos, least, most, max_answer):
    least = max(least - len(prompt) + 1, 0)
    return think_between(logits, prompt, end, eos, least, most, max_answer)


@wrong("think-between", says="five tokens of thinking were written")
def counts_some_of_the_prompt(logits, prompt, *rest):
    out = think_between(logits, prompt, *rest)
    return out | {"n_thinking": out["n_thinking"] + len(prompt) - 1}


@wrong("think-between", says="when three stand there, `end` is allowed")
def least_is_one_too_large(*args):
    return _think(*args, early=-1)


@wrong("think-between", says="least = 0 lets the model stop at once")
def one_token_of_thinking_at_least(logits, prompt, end, eos, least, most, max_answer):
    return think_between(logits, prompt, end, eos, max(least, 1), max(most, 1), max_answer)


@wrong("think-between", says="two tokens of thinking were written")
def one_too_many(*args):
    return _think(*args, cut=1)


@wrong("think-between", says="forced before a token of thinking stood there")
def one_too_few(*args):
    return _think(*args, cut=-1)


@wrong("think-between", says="without asking, so forced is True")
def never_forced(*args):
    return think_between(*args) | {"forced": False}


@wrong("think-between", says="`eos` counts as one of its tokens")
def eos_is_not_counted(*args):
    return _think(*args, eos_counts=False)


@wrong("think-between", says="the `end` before it is not one of its tokens")
def end_is_counted(*args):
    return _think(*args, end_counts=True)


@wrong("think-between", says="the model wrote `end` by itself, so forced is False")
def always_forced(*args):
    return think_between(*args) | {"forced": True}


@wrong("think-between", says="logits or prompt were changed")
def writes_into_the_prompt(logits, prompt, *rest):
    out = think_between(logits, list(prompt), *rest)
    prompt += out["ids"]
    return out


@wrong("think-between", says="logits or prompt were changed")
def writes_into_the_table(logits, prompt, end, eos, *rest):
    out = think_between(logits, prompt, end, eos, *rest)
    for row in logits:
        row[eos] = -math.inf
    return out


@wrong("think-between", says="with most = 0 `end` is always written by force")
def asks_before_it_cuts(*args):
    return _think(*args, ask_first=True)


@wrong("think-between", says="a prompt may end in the token `end`")
def looks_at_the_prompts_end(logits, prompt, end, eos, least, most, max_answer):
    if prompt[-1] == end:
        return think_between(logits, prompt, end, eos, 0, 0, max_answer)
    return think_between(logits, prompt, end, eos, least, most, max_answer)


@wrong("think-between", says="the `end` of the prompt is none")
def finds_the_first_end_of_all(logits, prompt, end, *rest):
    out = think_between(logits, prompt, end, *rest)
    return out | {"n_thinking": 0 if end in prompt else out["n_thinking"]}


@wrong("think-between", says="the one in the prompt does not count")
def an_end_in_the_prompt_is_no_force(logits, prompt, end, *rest):
    out = think_between(logits, prompt, end, *rest)
    return out | {"forced": out["forced"] and end not in prompt}


@wrong("think-between", says="the smallest number, 0, is taken")
def last_of_equal_ones(*args):
    return _think(*args, ties_last=True)


def _masked_with(value):
    def pick(row, barred):
        row = [value if t in barred else x for t, x in enumerate(row)]
        return row.index(max(row))

    return pick


@wrong("think-between", says="a logit of 0 or -1 does not rule a token out")
def masks_with_zero(*args):
    return _think(*args, pick=_masked_with(0.0))


@wrong("think-between", says="a logit of 0 or -1 does not rule a token out")
def masks_with_minus_one(*args):
    return _think(*args, pick=_masked_with(-1.0))


@wrong("think-between", says="both are ruled out, take the third")
def takes_the_second_best(*args):
    def pick(row, barred):
        order = sorted(range(len(row)), key=lambda t: -row[t])
        return order[1] if order[0] in barred else order[0]

    return _think(*args, pick=pick)


@wrong("think-between", says="the answer stopped at `end`")
def the_answer_stops_at_end(*args):
    return _think(*args, answer_stops=[_the_end])


@wrong("think-between", says="`end` was ruled out in the answer")
def no_end_in_the_answer(*args):
    return _think(*args, answer_bars=lambda n: (_the_end,))


@wrong("think-between", says="two tokens stand before the first `end`")
def counts_up_to_the_last_end(logits, prompt, end, *rest):
    out = think_between(logits, prompt, end, *rest)
    return out | {"n_thinking": len(out["ids"]) - 1 - out["ids"][::-1].index(end)}


@wrong("think-between", hidden=True)
def an_answer_is_never_eos_alone(*args):
    return _think(*args, answer_bars=lambda n: () if n else (_the_eos,))


# -------------------------------------------------------------------------------------------------------------- boxed

MARK = r"\boxed{"


def _scan(text, start, escapes=True):
    """Where the scan of the box at `start` ends, and how many braces are open there."""
    depth, i = 1, start + len(MARK)
    while i < len(text) and depth:
        if escapes and text[i] == "\\":
            i += 2
            continue
        depth += (text[i] == "{") - (text[i] == "}")
        i += 1
    return i, depth


def _starts(text):
    return [found.start() for found in re.finditer(re.escape(MARK), text)]


def _boxes(text, escapes=True):
    """Start, end and content of every complete box."""
    found = [(start, *_scan(text, start, escapes)) for start in _starts(text)]
    return [(start, end, text[start + len(MARK) : end - 1].strip()) for start, end, depth in found if depth == 0]


def _last(boxes):
    return boxes[-1][-1] if boxes else None


@wrong("boxed", says="is your mark")
def finds_a_backspace(text):
    return last_boxed(text) if "\boxed{" in text else None  # the mistake is this text without its r


@wrong("boxed", says="did you return?")
def returns_nothing(text):
    last_boxed(text)


@wrong("boxed", says="that is the first box")
def the_first_box(text):
    return _last(_boxes(text)[:1])


@wrong("boxed", says="from the first box to the last closing brace")
def a_greedy_pattern(text):
    found = re.findall(r"\\boxed\{(.*)\}", text, re.DOTALL)
    return found[-1].strip() if found else None


@wrong("boxed", says="ended at the first closing brace")
def first_closing_brace(text):
    found = re.findall(r"\\boxed\{(.*?)\}", text, re.DOTALL)
    return found[-1] if found else None


@wrong("boxed", says="blanks at the ends")
def keeps_blanks(text):
    return next((text[a + len(MARK) : b - 1] for a, b, _ in reversed(_boxes(text))), None)


@wrong("boxed", says="newlines at the ends are blanks too")
def strips_blanks_only(text):
    return next((text[a + len(MARK) : b - 1].strip(" ") for a, b, _ in reversed(_boxes(text))), None)


@wrong("boxed", says="the text ends before its brace is closed")
def runs_off_the_end(text):
    if not _starts(text):
        return None
    depth, i = 1, _starts(text)[-1] + len(MARK)
    while depth:
        depth += (text[i] == "{") - (text[i] == "}")
        i += 1
    return text[_starts(text)[-1] + len(MARK) : i - 1].strip()


@wrong("boxed", says="None came back because the last box is open")
def only_the_last(text):
    return last_boxed(text[max(text.rfind(MARK), 0) :])


@wrong("boxed", says="the last box is not complete")
def takes_open_boxes(text):
    found = [text[start + len(MARK) : _scan(text, start)[0] - (_scan(text, start)[1] == 0)] for start in _starts(text)]
    return found[-1].strip() if found else None


@wrong("boxed", says="go back further than to the last but one")
def looks_back_once(text):
    return last_boxed(text[_starts(text)[-2:][0] :]) if _starts(text) else None


@wrong("boxed", says="braces outside of the box")
def counts_from_the_start(text):
    depth = 0
    for character in text[: text.find(MARK)] if MARK in text else "":
        depth += (character == "{") - (character == "}")
    return last_boxed(text) if depth == 0 and not text.startswith("{") else None


@wrong("boxed", says="a box ends where its own brace is closed")
def up_to_the_last_brace_of_the_text(text):
    box = _boxes(text)[-1:]
    if box and box[0][0] == _starts(text)[-1]:
        return text[box[0][0] + len(MARK) : text.rfind("}")].strip()
    return _last(box)


@wrong("boxed", says="braces may stand in braces in braces")
def a_pattern_for_one_level(text):
    found = re.findall(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    return found[-1].strip() if found else None


@wrong("boxed", says="that is the outer box")
def the_box_that_ends_last(text):
    return _last(sorted(_boxes(text), key=lambda box: box[1]))


@wrong("boxed", says="the outer box is open")
def an_open_box_ends_the_search(text):
    complete = []
    for start in _starts(text):
        end, depth = _scan(text, start)
        if depth:
            break
        complete.append(text[start + len(MARK) : end - 1].strip())
    return complete[-1] if complete else None


@wrong("boxed", says="are signs")
def takes_the_backslashes_away(text):
    found = last_boxed(text)
    return found and found.replace("\\{", "{").replace("\\}", "}")


@wrong("boxed", says="alone opens nothing")
def counts_escaped_braces(text):
    return _last(_boxes(text, escapes=False))


@wrong("boxed", says="so the brace after it closes the box")
def only_looks_behind(text):
    r"""Takes `\\}` for an escaped brace because the character before it is a backslash."""
    return last_boxed(text.replace("\\\\", "x\\"))


@wrong("boxed", says="has no complete box")
def never_none(text):
    return last_boxed(text) or ""


@wrong("boxed", says="ends in a backslash, and nothing follows it")
def looks_behind_every_backslash(text):
    signs = [text[i + 1] for i, character in enumerate(text) if character == "\\"]
    return last_boxed(text) if signs else None


@wrong("boxed", says="ends in a backslash: expected None")
def behind_the_end_is_closed(text):
    for start in reversed(_starts(text)):
        end, depth = _scan(text, start)
        if depth == 0 or end > len(text):
            return text[start + len(MARK) : end - 1].strip()
    return None


@wrong("boxed", says="an empty box is complete")
def empty_is_none(text):
    return last_boxed(text) or None


@wrong("boxed", hidden=True)
def a_pattern_for_four_levels(text):
    inner = r"(?:[^{}\\]|\\.)*"
    for _ in range(3):
        inner = rf"(?:[^{{}}\\]|\\.|\{{{inner}\}})*"
    found = re.findall(rf"(?=\\boxed\{{({inner})\}})", text, re.DOTALL)
    return found[-1].strip() if found else None
