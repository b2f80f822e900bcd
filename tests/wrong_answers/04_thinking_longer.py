"""Wrong answers to exercise set 04."""

import math
from collections import Counter
from itertools import combinations, product

from wrong_answers import wrong

# ---------------------------------------------------------------------------------------------------------- at least m


@wrong("at-least", says="put back before the next")
def binomial(n_samples, n_correct, k, m):
    p = n_correct / n_samples
    return sum(math.comb(k, r) * p**r * (1 - p) ** (k - r) for r in range(m, k + 1))


@wrong("at-least", says="exactly two")
def exactly(n_samples, n_correct, k, m):
    return math.comb(n_correct, m) * math.comb(n_samples - n_correct, k - m) / math.comb(n_samples, k)


@wrong("at-least", says="at least one is right (pass@k)")
def at_least_one(n_samples, n_correct, k, m):
    return 1 - math.comb(n_samples - n_correct, k) / math.comb(n_samples, k)


@wrong("at-least", says="more than two; two are enough")
def more_than(n_samples, n_correct, k, m):
    return at_least(n_samples, n_correct, k, m + 1)


@wrong("at-least", says="7 is the number of ways")
def only_the_ways(n_samples, n_correct, k, m):
    return at_least(n_samples, n_correct, k, m) * math.comb(n_samples, k)


@wrong("at-least", says="three of two answers")
def never_looks_at_m(n_samples, n_correct, k, m):
    return at_least(n_samples, n_correct, k, min(m, k))


@wrong("at-least", hidden=True)
def all_or_two(n_samples, n_correct, k, m):
    if k - m > 1 and m > 0:  # stops after two terms
        n_wrong = n_samples - n_correct
        return sum(math.comb(n_correct, r) * math.comb(n_wrong, k - r) for r in (m, m + 1)) / math.comb(n_samples, k)
    return at_least(n_samples, n_correct, k, m)


# ------------------------------------------------------------------------------------------------------ the best of k


@wrong("expected-best", says="0.9 is the best of all three")
def the_maximum(rewards, k):
    return max(rewards)


@wrong("expected-best", says="the mean of the two best")
def mean_of_the_best(rewards, k):
    return sum(sorted(rewards)[-k:]) / k


@wrong("expected-best", says="needs the rewards in order")
def unsorted_ranks(rewards, k):
    return sum(r * math.comb(i, k - 1) for i, r in enumerate(rewards)) / math.comb(len(rewards), k)


@wrong("expected-best", says="the wrong way round")
def upside_down(rewards, k):
    ranked = sorted(rewards, reverse=True)
    return sum(r * math.comb(i, k - 1) for i, r in enumerate(ranked)) / math.comb(len(rewards), k)


@wrong("expected-best", says="put back before the next")
def with_putting_back(rewards, k):
    n = len(rewards)
    return sum(r * (((i + 1) / n) ** k - (i / n) ** k) for i, r in enumerate(sorted(rewards)))


@wrong("expected-best", says="the list that came in was changed")
def sorts_in_place(rewards, k):
    rewards.sort()
    return expected_best(rewards, k)


@wrong("expected-best", says="equal rewards are still different answers")
def drops_equal_ones(rewards, k):
    unique = sorted(set(rewards))
    return expected_best(unique, min(k, len(unique)))


@wrong("expected-best", says="rewards may be negative")
def starts_at_zero(rewards, k):
    return sum(max([0.0, *row]) for row in combinations(rewards, k)) / math.comb(len(rewards), k)


@wrong("expected-best", hidden=True)
def pairs_and_all(rewards, k):
    if 2 < k < len(rewards):
        k = 2
    return expected_best(rewards, k)


# ------------------------------------------------------------------------------------------------------ weighted vote


@wrong("weighted-vote", says="None abstains")
def none_wins(answers, weights):
    return weighted_vote(["none" if a is None else a for a in answers], weights) | {None: 1.0}


@wrong("weighted-vote", says="the weights are left out")
def without_weights(answers, weights):
    return weighted_vote(answers, [1] * len(answers))


@wrong("weighted-vote", says="only winners are keys")
def everybodys_share(answers, weights):
    totals = Counter()
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] += weight
    return {a: t / max(totals.total(), 1) for a, t in totals.items()}


@wrong("weighted-vote", says="4 alone")
def the_first_leader(answers, weights):
    return dict.fromkeys(list(weighted_vote(answers, weights))[:1], 1.0)


@wrong("weighted-vote", says="4 alone")
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


@wrong("weighted-vote", says="nobody has a weight above 0")
def zero_wins(answers, weights):
    voters = {a for a in answers if a is not None}
    return weighted_vote(answers, weights) or {a: 1 / len(voters) for a in voters}


@wrong("weighted-vote", hidden=True)
def empty_text_abstains(answers, weights):
    return weighted_vote([a or None for a in answers], weights)


# ------------------------------------------------------------------------------------------------------- a vote of k


def _score(chosen, truth, shared=None):
    counts = Counter(a for a in chosen if a is not None)
    leaders = [a for a in counts if counts[a] == max(counts.values())]
    if truth not in leaders:
        return 0.0
    return 1 / len(leaders) if shared is None or len(leaders) == 1 else shared


@wrong("vote-of-k", says="counted as a whole win")
def ties_win(answers, truth, k):
    rows = list(combinations(answers, k))
    return sum(_score(row, truth, 1.0) for row in rows) / len(rows)


@wrong("vote-of-k", says="counted as a loss")
def ties_lose(answers, truth, k):
    rows = list(combinations(answers, k))
    return sum(_score(row, truth, 0.0) for row in rows) / len(rows)


@wrong("vote-of-k", says="one choice only")
def the_first_k(answers, truth, k):
    return _score(answers[:k], truth)


@wrong("vote-of-k", says="equal answers were thrown together")
def distinct_choices(answers, truth, k):
    rows = {row for row in combinations(answers, k) if len(set(row)) == len(row)}
    return sum(_score(row, truth) for row in rows) / max(len(rows), 1)


@wrong("vote-of-k", says="put back before the next")
def votes_put_back(answers, truth, k):
    rows = list(product(answers, repeat=k))
    return sum(_score(row, truth) for row in rows) / len(rows)


@wrong("vote-of-k", says="None shared the lead")
def none_votes(answers, truth, k):
    return vote_of_k(["none" if a is None else a for a in answers], truth, k)


@wrong("vote-of-k", says="a choice in which all abstain still counts")
def forgets_the_silent(answers, truth, k):
    rows = [row for row in combinations(answers, k) if any(a is not None for a in row)]
    return sum(_score(row, truth) for row in rows) / max(len(rows), 1)


@wrong("vote-of-k", says="three leaders")
def a_tie_is_a_half(answers, truth, k):
    rows = list(combinations(answers, k))
    return sum(_score(row, truth, 0.5) for row in rows) / len(rows)


@wrong("vote-of-k", hidden=True)
def strict_majority_from_four(answers, truth, k):
    if k < 4 or k == 5:
        return vote_of_k(answers, truth, k)
    rows = list(combinations(answers, k))
    return sum(row.count(truth) > k / 2 for row in rows) / len(rows)


# ------------------------------------------------------------------------------------------------------------ decided


def _decided(answers, rule):
    counts = Counter()
    for i, answer in enumerate(answers, start=1):
        counts[answer] += answer is not None
        first, second = [*sorted(counts.values(), reverse=True), 0, 0][:2]
        if rule(first, second, len(answers) - i, len(answers)):
            return i
    return len(answers)


@wrong("decided", says="more than half of all votes is not needed")
def more_than_half(answers):
    return _decided(answers, lambda first, second, rest, n: first > n / 2)


@wrong("decided", says="could still draw level with 4")
def level_is_enough(answers):
    return _decided(answers, lambda first, second, rest, n: first >= second + rest)


@wrong("decided", says="could still draw level with 4")
def forgets_the_rivals_votes(answers):
    return _decided(answers, lambda first, second, rest, n: first > rest)


@wrong("decided", says="there is no second answer yet")
def needs_a_rival_to_doubt(answers):
    counts = Counter()
    for i, answer in enumerate(answers, start=1):
        counts[answer] += 1
        ranked = counts.most_common(2)
        if len(ranked) == 1 or ranked[0][1] > ranked[1][1] + len(answers) - i:
            return i
    return len(answers)


@wrong("decided", says="None is no rival")
def none_is_a_rival(answers):
    return decided_after(["none" if a is None else a for a in answers])


@wrong("decided", says="a rival that has none reaches two at most")
def one_too_late(answers):
    return _decided(answers, lambda first, second, rest, n: first > second + rest + 1)


@wrong("decided", hidden=True)
def stops_where_it_began(answers):
    """Looks at the first answer only, once more than two others are in the race."""
    if len(set(answers) - {None}) == 2 and None in answers:
        return len(answers)
    return decided_after(answers)


# ------------------------------------------------------------------------------------------------------ think between


def _think(logits, prompt, end, eos, least, most, max_answer, *, bar_eos=True, early=0, late=0, cut=0, keep_eos=True,
           ties_last=False, ask_first=False):  # fmt: skip
    def best(row, barred=()):
        order = [t for t in range(len(row)) if t not in barred]
        return max(reversed(order) if ties_last else order, key=lambda t: row[t])

    last, thinking, forced = prompt[-1], [], False
    while True:
        if ask_first and len(thinking) == most and best(logits[last], {eos}) == end:
            break
        if len(thinking) == most + cut:
            forced = True
            break
        barred = {eos} if bar_eos else set()
        if len(thinking) < least - early + late:
            barred |= {end}
        last = best(logits[last], barred)
        if last == end:
            break
        thinking.append(last)
    answer, last = [], end
    while len(answer) < max_answer:
        last = best(logits[last])
        if last == eos and not keep_eos:
            break
        answer.append(last)
        if last == eos:
            break
    return {"ids": [*thinking, end, *answer], "n_thinking": len(thinking), "forced": forced}


@wrong("think-between", says="ids are the new tokens only")
def gives_the_prompt_too(logits, prompt, *rest):
    out = think_between(logits, prompt, *rest)
    return out | {"ids": prompt + out["ids"]}


@wrong("think-between", says="wrote `end` at once")
def no_least(logits, prompt, end, eos, least, most, max_answer):
    return think_between(logits, prompt, end, eos, 0, most, max_answer)


@wrong("think-between", says="`eos`, which is not allowed while")
def eos_may_come(*args):
    return _think(*args, bar_eos=False)


@wrong("think-between", says="wants `end` and may have it")
def always_the_most(logits, prompt, end, eos, least, most, max_answer):
    return think_between(logits, prompt, end, eos, most, most, max_answer)


@wrong("think-between", says="the answer ends with `eos`")
def drops_the_eos(*args):
    return _think(*args, keep_eos=False)


@wrong("think-between", says="which is not counted")
def counts_the_end(*args):
    out = think_between(*args)
    return out | {"n_thinking": out["n_thinking"] + 1}


@wrong("think-between", says="three tokens of thinking were written")
def one_too_many(*args):
    return _think(*args, cut=1)


@wrong("think-between", says="so forced is True")
def never_forced(*args):
    return think_between(*args) | {"forced": False}


@wrong("think-between", says="with most = 0 `end` is always written by force")
def asks_before_it_cuts(*args):
    return _think(*args, ask_first=True)


@wrong("think-between", says="a prompt may end in the token `end`")
def looks_at_the_prompts_end(logits, prompt, end, eos, least, most, max_answer):
    if prompt[-1] == end:
        return think_between(logits, prompt, end, eos, 0, 0, max_answer)
    return think_between(logits, prompt, end, eos, least, most, max_answer)


@wrong("think-between", hidden=True)
def last_of_equal_ones(*args):
    return _think(*args, ties_last=True)


# -------------------------------------------------------------------------------------------------------------- boxed


def _boxes(text, count=lambda text, i: 1, closed=True, escapes=True):
    found, start = [], text.find("\\boxed{")
    while start >= 0:
        depth, i = 1, start + 7
        while i < len(text) and depth:
            if escapes and text[i] == "\\":
                i += 2
                continue
            depth += (text[i] == "{") - (text[i] == "}")
            i += 1
        if depth == 0:
            found.append(text[start + 7 : i - 1].strip())
        elif not closed:
            found.append(text[start + 7 :])
        start = text.find("\\boxed{", start + 1)
    return found


@wrong("boxed", says="that is the first box")
def the_first_box(text):
    return next(iter(_boxes(text)), None)


@wrong("boxed", says="ended at the first closing brace")
def first_closing_brace(text):
    import re

    found = re.findall(r"\\boxed\{(.*?)\}", text, re.DOTALL)
    return found[-1].strip() if found else None


@wrong("boxed", says="blanks at the ends")
def keeps_blanks(text):
    found = last_boxed(text)
    return found and f" {found} "


@wrong("boxed", says="None came back because the last box is open")
def only_the_last(text):
    return last_boxed(text[max(text.rfind("\\boxed{"), 0) :])


@wrong("boxed", says="the last box is not complete")
def takes_open_boxes(text):
    return next(reversed(_boxes(text, closed=False)), None)


@wrong("boxed", says="are signs")
def greedy_to_the_last_brace(text):
    found = last_boxed(text)
    return found and found.replace("\\{", "{").replace("\\}", "}")


@wrong("boxed", says="alone opens nothing")
def counts_escaped_braces(text):
    return next(reversed(_boxes(text, escapes=False)), None)


@wrong("boxed", says="braces outside of the box")
def counts_from_the_start(text):
    return None if text.startswith("{") else last_boxed(text)


@wrong("boxed", says="has no complete box")
def never_none(text):
    return last_boxed(text) or ""


@wrong("boxed", says="an empty box is complete")
def empty_is_none(text):
    return last_boxed(text) or None


@wrong("boxed", hidden=True)
def only_looks_behind(text):
    r"""Takes `\\}` for an escaped brace because the character before it is a backslash."""
    return last_boxed(text.replace("\\\\", "x\\"))
