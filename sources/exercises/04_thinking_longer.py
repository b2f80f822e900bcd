# %% [markdown] nbgrader={"grade": false, "grade_id": "think-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 04 · Thinking longer: estimates, votes, budgets and boxes
#
# Seven functions and one question in words, 100 points. The printed times sum to 132 minutes: take two sittings if you like, no exercise needs another one.
# None of them is a function that the lesson prints: each is a sibling. You will work out how reliable a model is, what the best of k answers is worth, let
# answers vote with weights, find out exactly what a vote of k gains, stop asking when a vote is decided, hold a model's thinking between two
# bounds, and read the final answer out of a page of LaTeX. Everything is plain Python with lists and numbers; nothing is
# trained, and every cell takes a moment.
#
# `hint("at-least")` prints one hint for the exercise with that name, the next call prints the next. The name is the one in
# the line *Stuck?* of each exercise. `racecourse check 04_thinking_longer` says what your work earns so far.
#
# **Words.** A *sample* is one answer that a model has drawn to a problem. A *verifier* is a rule that says whether an answer
# is right. A *reward* is a number that says how good an answer is. A *vote* takes the answer that is given most often; an answer of `None` *abstains*: it
# counts for nobody. A *token* is a number that stands for a piece of text. *Thinking* is what a model writes before its answer. *By lot*: each possibility
# is equally likely.

# %% nbgrader={"grade": false, "grade_id": "think-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
from itertools import combinations

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "think-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Skip this cell; the exercises and their checks use its numbers.
PRICE = 0  # of one answer, in reward; one of: 0, 0.01, 0.02, 0.05, 0.1
QUORUM = 1  # the smallest total with which an answer can win a vote with weights; one of: 1, 2, 3
TIES = "lot"  # who wins a shared lead in a vote of k; one of: "lot", "nobody"
BLANKS = "silent"  # what None does in a vote of k; one of: "silent", "counted"
LEAD = 1  # by so many votes an answer wins a vote that may be stopped; one of: 1, 2, 3
MARK = "boxed"  # the command that holds the final answer; one of: "boxed", "answer", "final", "result"
WHICH = "begins last"  # which of several boxes counts; one of: "begins last", "ends last"
RIGHT_OF_TEN = 4  # right answers of the two models after exercise 4; one of: 2, 3, 4
STOP_SEED = 0  # of the answers after exercise 5; one of: range(1000)

# %% [markdown] nbgrader={"grade": false, "grade_id": "at-least-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Right again and again  (difficulty 2 of 5 · 12 minutes · 11 points)
#
# pass@k asks whether **one** of k answers is right. Whoever hands work to an agent asks for more: that at least `m` of `k`
# answers are right; with `m = k`, that all are. Of `n_samples` answers to a problem, `n_correct` were right. `k` different ones of them are taken
# at random. Write `at_least`: how likely are `m` or more of the `k` right?
#
# | in | | out | |
# |---|---|---|---|
# | `n_samples`, `n_correct` | ints, `0 <= n_correct <= n_samples` | | float between 0 and 1 |
# | `k` | int, `1 <= k <= n_samples` | | |
# | `m` | int, 0 or more; it may be larger than `k` | | |
#
# `n_samples` may be 200: going through all choices would then take longer than a life, so count them. `math.comb(a, b)` is the number of ways to choose b of
# a things. It is 0 where b is larger than a, and it raises a `ValueError` where b is negative: mind where your range ends.
#
# Worked example: 5 samples, 3 of them right, `k = 3`, `m = 2`. Of the 10 ways to choose 3, six hold exactly two right ones
# (`comb(3, 2) * comb(2, 1)`) and one holds three. So 7 of 10: 0.7.
#
# Before you write: with 7 of 10 right, how likely are five answers to be all right? More than a half?
#
# *Stuck?* `hint("at-least")`


# %% nbgrader={"grade": false, "grade_id": "at-least", "locked": false, "schema_version": 3, "solution": true, "task": false}
def at_least(n_samples: int, n_correct: int, k: int, m: int) -> float:
    """How likely at least m of k answers are right, taken without putting back from n of which c are right."""
    ### BEGIN SOLUTION
    n_wrong = n_samples - n_correct
    ways = sum(math.comb(n_correct, right) * math.comb(n_wrong, k - right) for right in range(m, k + 1))
    return ways / math.comb(n_samples, k)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "at-least-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
out = at_least(5, 3, 3, 2)
assert out is not None, "nothing came back: end your function with `return ...`"
assert abs(out - 0.648) > 1e-9, "0.648: each answer was put back before the next was taken; they are k different ones"
assert abs(out - 0.6) > 1e-9 or abs(at_least(8, 4, 4, 2) - 52 / 70) > 1e-9, (
    "0.6: that all k are right was left out; range(m, k) stops before k"
)
assert abs(out - 0.6) > 1e-9, "0.6 is the chance of exactly two; wanted are two or more"
assert abs(out - 1.0) > 1e-9, "1.0 is the chance that at least one is right (pass@k); wanted is at least m"
assert abs(out - 0.1) > 1e-9, "0.1 is the chance of more than two; two are enough"
assert abs(out - 0.9) > 1e-9, (
    "0.9: you chose m right ones and then any others, which counts a choice of three right ones three times"
)
assert abs(out - 0.3) > 1e-9, "0.3 is the chance of two or more wrong ones; wanted are the right ones"
assert abs(out - 7) > 1e-9, "7 is the number of ways; divide by all ways to choose k of n_samples"
assert abs(out - 0.7) < 1e-9, f"worked example: expected 0.7, got {out}"
try:
    out = at_least(10, 7, 5, 5)
except ValueError as error:
    raise AssertionError(f"at_least(10, 7, 5, 5): {error}; of k answers at most k are right, not n_correct") from None
assert abs(out - 21 / 252) < 1e-9, f"7 of 10 right, all of 5: expected 21 / 252 = 0.083, got {out}"
out = at_least(6, 2, 4, 3)
assert abs(out) < 1e-9, f"two right ones in all, so never three: expected 0, got {out}"
out = at_least(6, 4, 2, 0)
assert abs(out - 1) < 1e-9, f"at least none is always true: expected 1, got {out}"
out = at_least(6, 4, 2, 3)
assert abs(out) < 1e-9, f"three of two answers: expected 0, got {out}"
# 200 samples take less than a second. If this does not end, you go through all choices: interrupt it, then count them.
out = at_least(200, 120, 40, 39)
expected = (math.comb(120, 39) * 80 + math.comb(120, 40)) / math.comb(200, 40)
assert abs(out / expected - 1) < 1e-6, f"120 of 200 right, at least 39 of 40: expected {expected}, got {out}"

# %% nbgrader={"grade": true, "grade_id": "at-least-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import itertools
import random
from math import comb

rng = random.Random(41)
cases = [(7, 4, 3, 2), (8, 3, 5, 1), (6, 6, 4, 4), (9, 5, 4, 3), (5, 0, 2, 1), (9, 2, 8, 2), (4, 1, 1, 1)]
for n in (6, 8, 10, 11):
    k = rng.randint(2, n)
    cases.append((n, rng.randint(1, n), k, rng.randint(1, k)))
for n, c, k, m in cases:
    chosen = list(itertools.combinations([1] * c + [0] * (n - c), k))
    expected = sum(sum(row) >= m for row in chosen) / len(chosen)
    out = at_least(n, c, k, m)
    what = f"{c} of {n} right, at least {m} of {k}"
    assert abs(out - expected) < 1e-9, f"{what}: expected {expected}, got {out}; {m} right ones count, and {m + 1}, and more, as far as there are"
out = at_least(200, 120, 100, 1)
assert abs(out - 1) < 1e-9, f"120 of 200 right, at least 1 of 100: expected 1, got {out}"
out = at_least(200, 120, 40, 40)
assert abs(out / (comb(120, 40) / comb(200, 40)) - 1) < 1e-6, f"120 of 200 right, all of 40: got {out}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "at-least-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It takes a model that is right 7 times in 10 and compares one right answer in k with k right
# answers in k.

# %% nbgrader={"grade": false, "grade_id": "at-least-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for k in (1, 2, 4, 8, 16):
    print(f"k = {k:2}   at least one right {at_least(100, 70, k, 1):.3f}   all right {at_least(100, 70, k, k):.3f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "expected-best-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · The best of k rewards  (difficulty 3 of 5 · 15 minutes · 13 points)
#
# Not every verifier says yes or no. A program may pass 7 of 10 tests; a reward may be any number. n answers were drawn and their rewards
# are known. Take `k` different ones at random and keep the best. Write `expected_best`: the mean of the best reward over **all** ways
# to choose k of the n.
# <% if PRICE %>
# The answers are not free: each of the `k` that are taken costs << PRICE >> of reward. Take the price of all `k` away from the mean.
# <% endif %>
#
# | in | | out | |
# |---|---|---|---|
# | `rewards` | list of n floats, in any order, some may be equal, some negative | | float |
# | `k` | int, `1 <= k <= n` | | |
#
# n may be 300, and going through all ways would take for ever: ask of each reward in how many choices it is the best. Equal rewards belong to different answers.
# Leave the list as it is.
#
# Worked example: rewards `[0.8, 0.1, 0.5, 0.4]`, `k = 2`. There are six pairs. 0.8 is the best of three of them, 0.5 of two and
# 0.4 of one: the mean is (3 * 0.8 + 2 * 0.5 + 0.4) / 6 = 3.8 / 6 = 0.633.
# <% if PRICE %>
# Two answers cost << 2 * PRICE >>, so the result is << "{:.3f}".format(3.8 / 6 - 2 * PRICE) >>.
# <% endif %>
#
# Before you write: for which k is << "the mean of the best" if PRICE else "the answer" >> the plain mean of the rewards, for which is it the maximum?
#
# *Stuck?* `hint("expected-best")`


# %% nbgrader={"grade": false, "grade_id": "expected-best", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_best(rewards: list[float], k: int) -> float:
    # variant: if PRICE == 0
    """The mean, over all choices of k of the rewards, of the largest one chosen."""
    # variant: else
    """The mean, over all choices of k of the rewards, of the largest one chosen, less the price of the k."""
    # variant: endif
    ### BEGIN SOLUTION
    ranked = sorted(rewards)
    ways = sum(reward * math.comb(below, k - 1) for below, reward in enumerate(ranked))
    # variant: if PRICE == 0
    return ways / math.comb(len(rewards), k)
    # variant: else
    return ways / math.comb(len(rewards), k) - PRICE * k
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "expected-best-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
given = [0.8, 0.1, 0.5, 0.4]
out = expected_best(given, 2)
assert out is not None, "nothing came back: end your function with `return ...`"
assert given == [0.8, 0.1, 0.5, 0.4], "the list that came in was changed; sorted(...) makes a new one"
# variant: if PRICE
assert abs(out - 3.8 / 6) > 1e-9, f"0.633 is the mean of the best: in this version of the exercise each answer costs {PRICE}; take 2 * {PRICE} away"
assert abs(out - 3.8 / 6 + PRICE) > 1e-9, f"{out:.3f}: only {PRICE} was taken away in all; each of the two answers costs {PRICE}"
assert abs(out - 3.8 / 6 - 2 * PRICE) > 1e-9, f"{out:.3f}: the price was added; it is taken away"
out += 2 * PRICE
# From here on the messages speak of the best, before the price is taken away.
# variant: endif
assert abs(out - 0.8) > 1e-9, "0.8 is the best of all four; only two of them are taken each time"
assert abs(out - 0.65) > 1e-9, "0.65 is the mean of the two best; wanted is the mean of the best of each pair"
assert abs(out - 2.3 / 6) > 1e-9, "0.383: your count needs the rewards in order, smallest first; they come in any order"
assert abs(out - 1.6 / 6) > 1e-9, (
    "0.267 is the mean of the smallest of each pair: is the order the wrong way round? The largest is best most often"
)
assert abs(out - 2.9 / 6) > 1e-9, (
    "0.483: the best one is itself one of the k, so only k - 1 others are chosen from those below it, not k"
)
assert abs(out - 5.6 / 6) > 1e-9, (
    "0.933: you count one too many below each reward; below the smallest there are 0, so enumerate starts at 0, not at 1"
)
assert abs(out - 3.8 / 4) > 1e-9, "0.95: you divide by n = 4; there are math.comb(4, 2) = 6 ways to choose"
assert abs(out - 3.8) > 1e-9, "3.8 is the sum over all pairs; the mean divides it by the number of pairs"
assert abs(out - 9.4 / 16) > 1e-9, (
    "0.5875: each answer was put back before the next was taken; a pair is two different answers"
)
# variant: if PRICE == 0
assert abs(out - 3.8 / 6) < 1e-9, f"worked example: expected 3.8 / 6 = 0.633, got {out}"
out = expected_best([0.8, 0.1, 0.5, 0.4], 1)
assert abs(out - 0.45) < 1e-9, f"k = 1 is the mean of all rewards, 0.45, got {out}"
out = expected_best([0.8, 0.1, 0.5, 0.4], 4)
assert abs(out - 0.8) < 1e-9, f"k = 4 takes all of them, so 0.8, got {out}"
out = expected_best([1.0, 1.0, 0.0, 0.0], 2)
# variant: else
assert abs(out - 3.8 / 6) < 1e-9, f"worked example: expected {3.8 / 6 - 2 * PRICE:.3f}, got {out - 2 * PRICE}"
out = expected_best([0.8, 0.1, 0.5, 0.4], 1)
assert abs(out - 0.45 + PRICE) < 1e-9, f"k = 1 is the mean of all rewards less the price of one: {0.45 - PRICE:.2f}, got {out}"
out = expected_best([0.8, 0.1, 0.5, 0.4], 4)
assert abs(out - 0.8 + 2 * PRICE) > 1e-9, "k = 4: the price of two answers was taken away; four were taken"
assert abs(out - 0.8 + 4 * PRICE) < 1e-9, f"k = 4 takes all of them, so 0.8 less the price of four: {0.8 - 4 * PRICE:.2f}, got {out}"
out = expected_best([1.0, 1.0, 0.0, 0.0], 2) + 2 * PRICE
# variant: endif
assert abs(out - 4 / 6) > 1e-9, (
    "[1, 1, 0, 0], k = 2 gave 4 / 6: the pair of the two ones was lost; of equal rewards count one as below the other"
)
assert abs(out - 5 / 6) < 1e-9, f"equal rewards are still different answers: [1, 1, 0, 0], k = 2 gives 5 / 6, got {out}"
# variant: if PRICE == 0
out = expected_best([-3.0, -1.0], 2)
# variant: else
out = expected_best([-3.0, -1.0], 2) + 2 * PRICE
# variant: endif
assert abs(out + 1) < 1e-9, f"rewards may be negative: the best of -3 and -1 is -1, got {out}"
# 300 rewards take less than a second. If this does not end, you go through all choices: interrupt it, then count them.
# variant: if PRICE == 0
out = expected_best([float(i) for i in range(300)], 20)
# variant: else
out = expected_best([float(i) for i in range(300)], 20) + 20 * PRICE
# variant: endif
assert abs(out - (20 * 301 / 21 - 1)) < 1e-6, f"rewards 0 to 299, k = 20: expected 20 * 301 / 21 - 1 = 285.667, got {out}"

# %% nbgrader={"grade": true, "grade_id": "expected-best-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import itertools
import random
from math import comb

rng = random.Random(42)
for n, k in [(6, 3), (7, 2), (8, 7), (5, 5), (9, 4)]:
    rewards = [round(rng.uniform(-1, 1), 1) for _ in range(n)]
    chosen = [max(row) for row in itertools.combinations(rewards, k)]
    expected, out = sum(chosen) / len(chosen) - PRICE * k, expected_best(list(rewards), k)
    assert abs(out - expected) < 1e-9, f"rewards {rewards}, k = {k}: expected {expected}, got {out}"
rewards = [1.0] * 20 + [0.0] * 280
rng.shuffle(rewards)
out, expected = expected_best(rewards, 30), 1 - comb(280, 30) / comb(300, 30) - PRICE * 30
assert abs(out - expected) < 1e-9, f"20 ones among 300, k = 30: this is pass@30<< ' less the price' if PRICE else '' >>, {expected}, got {out}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "weighted-vote-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · A vote with weights  (difficulty 2 of 5 · 10 minutes · 12 points)
#
# Answers need not count the same: one that a reward model likes better, or that the model was surer of, may get a larger
# weight. Write `weighted_vote`. An answer's total is the sum of the weights of those that gave it. The largest total wins. If several
# answers share the largest total, one of them is taken at random. Say how likely each answer is to be taken.
#
# | in | | out | |
# |---|---|---|---|
# | `answers` | list of strings or `None`; `None` abstains, whatever its weight | | dict: each winner → its chance to be taken; no other keys |
# | `weights` | list of ints, 0 or more, one for each answer | | |
#
# Both lists may be empty. Only `None` abstains: the empty text `""` is an answer. An answer whose total is << "0" if QUORUM == 1 else "below {}".format(QUORUM) >> cannot win. If nobody can win, the dict is empty.
#
# Worked example: answers `["4", "7", "7", None, "9"]`, weights `[3, 1, 2, 9, 2]`. The totals are 3 for "4", 3 for "7", 2
# for "9". So `{"4": 0.5, "7": 0.5}`.
#
# *Stuck?* `hint("weighted-vote")`


# %% nbgrader={"grade": false, "grade_id": "weighted-vote", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weighted_vote(answers: list[str | None], weights: list[int]) -> dict[str, float]:
    """Each winner of a weighted vote, and how likely it is to be taken."""
    ### BEGIN SOLUTION
    totals: dict[str, int] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] = totals.get(answer, 0) + weight
    winners = [answer for answer, total in totals.items() if total == max(totals.values()) and total >= QUORUM]
    return {winner: 1 / len(winners) for winner in winners}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "weighted-vote-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
out = weighted_vote(["4", "7", "4", "9", "7"], [5, 4, 1, 4, 3])  # totals: 6 for 4, 7 for 7, 4 for 9
assert out is not None, "nothing came back: end your function with `return ...`"
assert isinstance(out, dict), f"wanted is a dict from each winner to its chance, got {type(out).__name__}"
assert out != {"4": 1.0}, "4 has the largest single weight, 5, but 6 in all; 7 has 4 + 3 = 7 and wins"
assert out != {"9": 1.0}, "9 won: for 4 and 7 only the last weight was kept; a new weight is added to the earlier ones"
assert out != {"4": 0.5, "7": 0.5}, "the weights are left out: 4 and 7 are given twice each, but 7 has more weight"
out = weighted_vote(["4", "7", "7", None, "9"], [3, 1, 2, 9, 2])
assert out, "an empty dict, although 4 and 7 have a total of 3 each"
assert None not in out, "None abstains: it cannot win, however large its weight is"
assert out != {"9": 1.0}, "9 won with the weight of None: was None taken out of answers, but not its weight out of weights?"
assert "9" not in out, "9 has a total of 2 and does not win; only winners are keys of the dict"
assert len(out) != 1, f"{next(iter(out))} alone: 4 and 7 both have 3 in all and share the lead; keep all that have it"
assert out != {"4": 1.0, "7": 1.0}, "the chances of the winners sum to 1"
assert out != {"4": 3, "7": 3}, "those are the totals; wanted are the chances to be taken"
assert sum(out.values()) > 0.99, "those are shares of all weight; among the winners each is taken with the same chance, and they sum to 1"
assert out == {"4": 0.5, "7": 0.5}, f"worked example: expected {{'4': 0.5, '7': 0.5}}, got {out}"
out = weighted_vote(["4", "7", "4", "9", "7"], [5, 4, 1, 4, 3])
assert out == {"7": 1.0}, f"totals 6, 7 and 4: expected {{'7': 1.0}}, got {out}"
out = weighted_vote(["1", "2", "3"], [QUORUM + 1] * 3)
assert set(out) == {"1", "2", "3"}, f"three answers share the lead, and all three can be taken: got {out}"
assert all(abs(chance - 1 / 3) < 1e-9 for chance in out.values()), f"three winners: expected 1/3 for each, got {out}"
out = weighted_vote(["", "x", ""], [QUORUM, 1, 1])
assert out == {"": 1.0}, f"the empty text is an answer like any other; only None abstains: expected {{'': 1.0}}, got {out}"
out = weighted_vote([None, "5", None], [4, 0, 1])
assert out == {}, f"nobody has a weight above 0, so nobody wins: expected an empty dict, got {out}"
# variant: if QUORUM != 1
out = weighted_vote(["5", "6", None], [QUORUM - 1, 0, QUORUM])
assert out != {"5": 1.0}, f"5 won with a total of {QUORUM - 1}; in this version of the exercise nobody wins with less than {QUORUM}"
assert out == {}, f"nobody has a total of {QUORUM}: expected an empty dict, got {out}"
# variant: endif
out = weighted_vote(["5", "6"], [QUORUM, QUORUM - 1])
assert out == {"5": 1.0}, f"5 has {QUORUM} in all, and that is enough to win: expected {{'5': 1.0}}, got {out}"
for nobody in ([], [None, None]):
    try:
        out = weighted_vote(list(nobody), [1] * len(nobody))
    except ValueError as error:
        raise AssertionError(f"nobody votes in {nobody}: expected an empty dict, but your function raised: {error}") from None
    assert out == {}, f"nobody votes in {nobody}: expected an empty dict, got {out}"

# %% nbgrader={"grade": true, "grade_id": "weighted-vote-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

cases = [
    (["a", "b", "c", "d"], [2, 2, 2, 2], {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}),
    (["a", "b", "a", "b", "c"], [1, 4, 2, 0, 4], {"b": 0.5, "c": 0.5}),
    ([], [], {}),
    ([None, None, None], [1, 1, 5], {}),
    (["", "x", "", "y"], [1, 3, 1, 3], {"x": 0.5, "y": 0.5}),
    (["b", "a", None, "a"], [5, 3, 8, 3], {"a": 1.0}),
    ([None, "b", "a", None, "a"], [8, 6, 3, 8, 3], {"a": 0.5, "b": 0.5}),
    (["q", "r"], [0, 0], {}),
]
rng = random.Random(43)
for n in (3, 5, 6, 8, 12, 20):
    answers, weights = [rng.choice(["a", "b", "c", None]) for _ in range(n)], [rng.randint(0, 4) for _ in range(n)]
    totals = {one: sum(w for a, w in zip(answers, weights, strict=True) if a == one) for one in "abc"}
    best = [one for one in totals if totals[one] == max(totals.values()) > 0]
    cases.append((answers, weights, {one: 1 / len(best) for one in best}))
# variant: if QUORUM != 1
cases += [(answers, [QUORUM * w for w in weights], expected) for answers, weights, expected in cases]


def largest(answers, weights):
    return max((sum(w for a, w in zip(answers, weights, strict=True) if a == one) for one in answers if one is not None), default=0)


cases = [(answers, weights, expected if largest(answers, weights) >= QUORUM else {}) for answers, weights, expected in cases]
# variant: endif
for answers, weights, expected in cases:
    out = weighted_vote(list(answers), list(weights))
    same_keys = set(out) == set(expected)
    assert same_keys and all(abs(out[key] - expected[key]) < 1e-9 for key in expected), (
        f"answers {answers}, weights {weights}: expected {expected}, got {out}"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "vote-of-k-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · What a vote of k is worth  (difficulty 3 of 5 · 15 minutes · 13 points)
#
# You have n answers of a model to one problem and want to know how good a plain vote among `k` of them is. The lesson drew subsets at random and
# averaged, which leaves noise. With few answers it can be done exactly. Write `vote_of_k`: the accuracy of a vote among k different answers, the mean over **all**
# ways to choose them.
#
# | in | | out | |
# |---|---|---|---|
# | `answers` | list of n strings or `None`, n at most 14<< "; `None` abstains" if BLANKS == "silent" else "" >> | | float between 0 and 1 |
# | `truth` | the right answer, a string | | |
# | `k` | int, `1 <= k <= n` | | |
#
# The *leaders* of a choice are the answers that are given most often in it; more than half is not needed. A vote that the truth leads alone counts 1. If it
# <% if TIES == "lot" and BLANKS == "silent" %>
# shares the lead with others, one of the leaders is taken at random: it counts a half with one other leader, a third with two. Those that abstain can be chosen too;
# they give no vote. If all of a choice abstain, it counts 0.
# <% else %>
# shares the lead with others, << "one of the leaders is taken at random: it counts a half with one other leader, a third with two" if TIES == "lot" else "nobody is taken, and it counts 0" >>.
# << "Those that abstain can be chosen too; they give no vote. If all of a choice abstain, it counts 0." if BLANKS == "silent" else "Unlike in the rest of this set, `None` does not abstain here: it is an answer like any other, which may lead or share the lead, and it is never right." >>
# <% endif %>
#
# Worked example: answers `["4", "4", "7", "7", "7"]`, truth `"4"`, `k = 2`. Of ten pairs one is 4 and 4 (counts 1), six are 4
# and 7 (count << "a half each" if TIES == "lot" else "0" >>), three are 7 and 7 (count 0): << "(1 + 3) / 10 = 0.4" if TIES == "lot" else "1 / 10 = 0.1" >>.
#
# Before you write: with `k = 3`, does the vote do better or worse on this problem? And with `k = 5`?
#
# *Stuck?* `hint("vote-of-k")`


# %% nbgrader={"grade": false, "grade_id": "vote-of-k", "locked": false, "schema_version": 3, "solution": true, "task": false}
def vote_of_k(answers: list[str | None], truth: str, k: int) -> float:
    """The accuracy of a vote among k of the answers, the mean over all ways to choose them."""
    ### BEGIN SOLUTION
    score, n_ways = 0.0, 0
    for chosen in combinations(answers, k):
        # variant: if BLANKS == "silent"
        given = [answer for answer in chosen if answer is not None]
        # variant: else
        given = list(chosen)
        # variant: endif
        most = max((given.count(answer) for answer in given), default=0)
        leaders = {answer for answer in given if given.count(answer) == most}
        # variant: if TIES == "lot"
        score += 1 / len(leaders) if truth in leaders else 0.0
        # variant: else
        score += leaders == {truth}
        # variant: endif
        n_ways += 1
    return score / n_ways
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "vote-of-k-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
five = ["4", "4", "7", "7", "7"]
pairs = vote_of_k(list(five), "4", 2)
assert pairs is not None, "nothing came back: end your function with `return ...`"
triples = vote_of_k(list(five), "4", 3)
assert abs(triples - 0.352) > 1e-9, "0.352: each answer was put back before the next was taken; k different ones are chosen"
assert abs(pairs - 0.7) > 1e-9 or abs(triples - 0.9) > 1e-9, (
    "0.7 is the chance that one of the two is right (pass@k); in a vote the truth must be given most often"
)
# variant: if TIES == "lot"
assert abs(pairs - 0.7) > 1e-9, "0.7: a shared lead was counted as a whole win; with one other leader it counts a half"
assert abs(pairs - 1.0) > 1e-9, (
    "1.0: that is one choice only, the first two answers; wanted is the mean over all ten pairs"
)
assert min(abs(pairs - 0.5), abs(pairs - 0.05)) > 1e-9, (
    f"{pairs}: equal answers were thrown together; two answers that say the same are two answers"
)
# variant: else
assert abs(pairs - 0.7) > 1e-9, "0.7: a shared lead was counted as a whole win; in this version of the exercise it counts 0"
assert abs(pairs - 0.4) > 1e-9, "0.4: a shared lead was decided by lot; in this version of the exercise it counts 0"
assert abs(pairs - 1.0) > 1e-9, (
    "1.0: that is one choice only, the first two answers, or the sum over all; wanted is the mean over all ten pairs"
)
assert min(abs(pairs - 1 / 3), abs(pairs)) > 1e-9, (
    f"{pairs:.3f}: equal answers were thrown together; two answers that say the same are two answers"
)
# variant: endif
out = vote_of_k(["4", "4", "7", "8", "9"], "4", 5)
assert abs(out) > 1e-9, "0: 4 has two votes of five and nobody else has more than one, so it wins; more than half is not needed"
# variant: if TIES == "lot"
assert abs(pairs - 0.1) > 1e-9, "0.1: a shared lead was counted as a loss; with one other leader it counts a half"
assert abs(pairs - 4) > 1e-9, "4 is the sum over the ten pairs; the mean divides it by their number"
assert abs(pairs - 0.4) < 1e-9, f"worked example: expected 0.4, got {pairs}"
# variant: else
assert abs(pairs - 0.1) < 1e-9, f"worked example: expected 0.1, got {pairs}"
# variant: endif
assert abs(out - 1) < 1e-9, f"two votes of five, nobody else has two: expected 1, got {out}"
assert abs(triples - 0.3) < 1e-9, f"k = 3: of ten choices, three hold both 4s, so 0.3, got {triples}"
out = vote_of_k(["4", "4", "7", "7", "9"], "4", 5)
# variant: if TIES == "lot"
assert abs(out - 1 / 5) > 1e-9, "0.2: a shared lead was divided by k; it is divided by the number of leaders, here two"
assert abs(out - 1 / 3) > 1e-9, "0.333: a shared lead was divided by the number of different answers; 9 does not lead"
assert abs(out - 2 / 4) < 1e-9, f"4 and 7 share the lead: expected 1/2, got {out}"
out = vote_of_k(["1", "2", "3"], "2", 3)
assert abs(out - 1 / 3) < 1e-9, f"three leaders: expected 1/3, got {out}"
# variant: else
assert abs(out) < 1e-9, f"4 and 7 share the lead, so nobody is taken: expected 0, got {out}"
out = vote_of_k(["1", "2", "3"], "2", 3)
assert abs(out) < 1e-9, f"three leaders, so nobody is taken: expected 0, got {out}"
# variant: endif
# variant: if BLANKS == "silent"
out = vote_of_k(["4", "4", "7", None], "4", 3)
assert abs(out - 1) > 1e-9, "1.0: None was taken out before the choice; three of all four are chosen, also with None among them"
# variant: if TIES == "lot"
assert abs(out - 2 / 3) > 1e-9, "0.667: None shared the lead with 4 and 7; it abstains, so that two leaders are left"
assert abs(out - 3 / 4) < 1e-9, f"4, 4, 7 and one that abstains, k = 3: (1 + 1 + 1/2 + 1/2) / 4 = 0.75, got {out}"
# variant: else
assert abs(out - 2 / 4) < 1e-9, f"4, 4, 7 and one that abstains, k = 3: (1 + 1 + 0 + 0) / 4 = 0.5, got {out}"
# variant: endif
try:
    out = vote_of_k(["4", None, None], "4", 2)
except (ValueError, IndexError, ZeroDivisionError) as error:
    raise AssertionError(f"of 4, None and None a pair may abstain as a whole; your function raised: {error}") from None
assert abs(out - 1) > 1e-9, "1.0: a choice in which all abstain still counts, as 0: two pairs of three are won"
# variant: if TIES != "lot"
assert abs(out) > 1e-9, "0: None shared the lead with 4; in this version of the exercise it abstains, and 4 leads two of three pairs alone"
# variant: endif
assert abs(out - 2 / 3) < 1e-9, f"one 4 and two that abstain, k = 2: expected 2/3, got {out}"
# variant: else
try:
    out = vote_of_k(["4", "4", "4", None, None], "4", 2)
except (ValueError, IndexError, ZeroDivisionError) as error:
    raise AssertionError(f"for the pair None, None your function raised: {error}; in this version of the exercise None is an answer like any other") from None
abstained = (3 + 6) / 10
assert abs(out - abstained) > 1e-9, f"{abstained}: None abstained; in this version of the exercise it is an answer like any other, which may share the lead"
assert abs(out - 1) > 1e-9, "1.0: None was taken out before the choice; two of all five are chosen"
assert abs(out - (3 + 6 * (0.5 if TIES == "lot" else 0)) / 10) < 1e-9, (
    f"three 4s and two None, k = 2: three pairs are 4 and 4, six are 4 and None, a shared lead that counts << 'a half' if TIES == 'lot' else '0' >>: got {out}"
)
out = vote_of_k(["4", None, None], "4", 3)
assert abs(out - 1) > 1e-9, "1: None, None and 4: None leads with two votes, and it is never right"
assert abs(out) < 1e-9, f"None, None and 4, k = 3: None leads, so 0, got {out}"
# variant: endif
out = vote_of_k(list(five), "7", 5)
assert abs(out - 1) < 1e-9, f"k = 5: all vote and 7 wins, so 1 for the truth '7', got {out}"

# %% nbgrader={"grade": true, "grade_id": "vote-of-k-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from collections import Counter
from itertools import permutations

cases = [
    (["1", "2", "1", "3", "3", None], "1", 4),
    (["1", "2", "2", "2", "3", "1"], "2", 3),
    (["5", "5", None, None, "6"], "6", 2),
    (["5", "6", "7", "8"], "9", 2),
    ([None, None], "1", 1),
    (["1", "1", "2", "2", "3", "3"], "3", 6),
]
rng = random.Random(44)
for n, k in [(5, 2), (6, 3), (6, 4), (7, 4)]:
    cases.append((["1", *(rng.choice(["1", "2", "2", "3", None]) for _ in range(n - 1))], "1", k))
for answers, truth, k in cases:
    scores = []
    for order in permutations(range(len(answers)), k):
        # variant: if BLANKS == "silent"
        counts = Counter(answers[i] for i in order if answers[i] is not None)
        # variant: else
        counts = Counter(answers[i] for i in order)
        # variant: endif
        best = [answer for answer in counts if counts[answer] == max(counts.values())]
        # variant: if TIES == "lot"
        scores.append(best.count(truth) / len(best) if best else 0.0)
        # variant: else
        scores.append(float(best == [truth]))
        # variant: endif
    expected, out = sum(scores) / len(scores), vote_of_k(list(answers), truth, k)
    what = f"{answers}, truth {truth!r}, k = {k}"
    assert abs(out - expected) < 1e-9, f"{what}: expected {expected}, got {out}; the most frequent answer wins, also with less than half of the votes"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "vote-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. Two models are right on << RIGHT_OF_TEN >> of 10 answers. The first spreads its wrong answers over many, the second makes
# the same mistake each time. Guess first: which of them gains from a vote?

# %% nbgrader={"grade": false, "grade_id": "vote-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
spread_out = ["4"] * RIGHT_OF_TEN + ["0", "1", "2", "3", "5", "6", "7", "8"][: 10 - RIGHT_OF_TEN]
same_mistake = ["4"] * RIGHT_OF_TEN + ["7"] * (10 - RIGHT_OF_TEN)
for k in (1, 3, 5, 7, 9):
    print(
        f"vote among {k}: mistakes spread out {vote_of_k(spread_out, '4', k):.3f}, always the same {vote_of_k(same_mistake, '4', k):.3f}"
    )

# %% [markdown] nbgrader={"grade": false, "grade_id": "decided-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Stop when it is decided  (difficulty 3 of 5 · 18 minutes · 12 points)
#
# Forty samples were planned for a vote, but after << "twenty-one" if LEAD < 3 else "twenty-two" >> equal ones nothing can change any more: the other << "nineteen" if LEAD < 3 else "eighteen" >> would be
# wasted. Write `decided_after`: given the answers in the order in which they come, after how many of them is it **certain** which answer wins
# << "alone" if LEAD == 1 else "with a lead of {}".format(LEAD) >>, whatever the remaining ones say?
#
# * The remaining samples may all go to one rival. That rival may be an answer **that nobody has given yet**.
# <% if LEAD == 1 %>
# * An answer wins alone if it has more votes than each other one. A tie must be out of reach too.
# * If it is certain only with the last sample, the result is n. It is also n if the whole vote ends in a tie, and if all abstain, although nobody wins then.
# <% else %>
# * An answer wins if it has at least << LEAD >> votes more than each other one. A smaller lead is no win, and must be out of reach too.
# * If it is certain only with the last sample, the result is n. It is also n if no answer has such a lead at the end, and if all abstain, although nobody wins then.
# <% endif %>
#
# | in | | out | |
# |---|---|---|---|
# | `answers` | list of n strings or `None`; `None` is a sample that abstains | | int, 0 to n: so many samples are needed |
#
# You get the whole list, but the decision after i samples may only use the first i and the number that remain. A sample that abstains is drawn and counted
# among the i; before it is drawn, nobody knows that it will abstain.
#
# <% if LEAD == 1 %>
# Worked example: `["4", "4", "7", "9", "4", "8", "5"]`. After five samples 4 has three votes, 7 and 9 have one, and two
# samples remain: 7 could still draw level with 1 + 2 = 3. After six it could reach 2 at most: decided, 6.
# <% else %>
# Worked example: `[<< '"4", ' * (LEAD + 1) >>"7", "9", "4", "8", "5"]`. After << LEAD + 4 >> samples 4 has << LEAD + 2 >> votes, 7 and 9 have one, and two
# samples remain: 7 could still reach 1 + 2 = 3, which leaves 4 a lead of << LEAD - 1 >> only. After << LEAD + 5 >> it could reach 2 at most: decided, << LEAD + 5 >>.
# <% endif %>
#
# *Stuck?* `hint("decided")`


# %% nbgrader={"grade": false, "grade_id": "decided", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decided_after(answers: list[str | None]) -> int:
    # variant: if LEAD == 1
    """After how many samples it is certain which answer wins the vote alone."""
    # variant: else
    """After how many samples it is certain which answer wins the vote with the lead that is needed."""
    # variant: endif
    ### BEGIN SOLUTION
    counts: dict[str, int] = {}
    for n_drawn, answer in enumerate(answers, start=1):
        if answer is not None:
            counts[answer] = counts.get(answer, 0) + 1
        first, second = [*sorted(counts.values(), reverse=True), 0, 0][:2]
        if first - second - (len(answers) - n_drawn) >= LEAD:
            return n_drawn
    return len(answers)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "decided-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# variant: if LEAD == 1
out = decided_after(["4", "4", "4", "7", "7"])
assert out is not None, "nothing came back: end your function with `return ...`"
assert out != 1, "1: there is no second answer yet, but the remaining samples may all say something new"
assert out != 2, "2 is the index of the third answer; wanted is how many samples were drawn, 3"
assert out != 5, "5: after three samples two remain, and a rival without a vote reaches two: is your number that remain one too large?"
assert out != 4, "4: after three samples 4 has three votes, and two remain; a rival that has none reaches two at most"
assert out == 3, f"three 4s of five: decided after 3, got {out}"
out = decided_after(["4", "4", "4", "7", "7", "7", "9"])
assert out != 5, "5: 7 has two votes already, and two samples remain: a rival keeps the votes that it has"
assert out != 6, "6: 4 and 7 have three votes each; a rival may have as many as the leader, and a set of counts loses one of them"
assert out == 7, f"4 and 7 have three votes each and 9 comes last: a tie, so n = 7, got {out}"
out = decided_after(["4", "4", "7", "9", "4", "8", "5"])
assert out != 7, "7: it is decided earlier; more than half of all votes is not needed to be out of reach"
assert out >= 5, f"{out}: that was known only from answers that had not come yet; use the first ones and how many remain"
assert out != 5, "5: after five samples 7 has one vote and two samples remain, so it could still draw level with 4; a tie is no win"
assert out == 6, f"worked example: expected 6, got {out}"
out = decided_after(["7", "4", "4", "4", "4"])
assert out != 5, "5: 7 came first, but 4 leads from the third sample on; the leader is who has the most votes now"
assert out == 4, f"7, then four 4s: after four samples 4 has three votes, 7 reaches two at most: expected 4, got {out}"
out = decided_after(["4", "7", "4", "7", "4"])
assert out == 5, f"4 and 7 are level after four samples, the fifth decides: expected 5, got {out}"
try:
    out = decided_after([None, "4", "4", None, None])
except (ValueError, IndexError) as error:
    raise AssertionError(f"the first sample abstains, and nobody has a vote yet; your function raised: {error}") from None
assert out != 5, "5: None is no rival; after four samples 4 has two votes, and one sample remains"
assert out != 3, "3: two samples remain then, and a new answer could draw level with two votes; that they abstain is not known yet"
assert out == 4, f"two 4s and three that abstain: decided after 4, got {out}"
out = decided_after(["4", "7", "4", "7"])
assert out == 4, f"a tie at the end is never decided: expected n = 4, got {out}"
out = decided_after([None, None, None])
assert out == 3, f"all abstain: expected n = 3, got {out}"
# variant: else
out = decided_after(["4"])
assert out is not None, "nothing came back: end your function with `return ...`"
assert out != 0, "0 for one sample: that is an index; wanted is how many samples were drawn, 1"
out = decided_after(["4", "4", "4", "4", None, None, None, None])
assert out != 1, "1: there is no second answer yet, but the remaining samples may all say something new"
assert out not in (5, 6, 7) or out == 4 + LEAD, (
    f"{out}: after so many samples a lead of {out - 4} is certain; in this version of the exercise a win takes a lead of {LEAD}"
)
more = ["4"] * (LEAD - 1)  # so many more votes has 4 in the cases below
out = decided_after([*more, "4", "4", "4", "7", "7"])
assert out not in (3 + LEAD, 4 + LEAD), f"{out}: two samples remain when 4 has {2 + LEAD} votes, and a rival without a vote reaches two at most"
assert out == 2 + LEAD, f"{2 + LEAD} 4s of {4 + LEAD}: decided after {2 + LEAD}, got {out}"
out = decided_after([*more, "4", "4", "4", "7", "7", "7", "9"])
assert out != 4 + LEAD, f"{out}: 7 has two votes already, and two samples remain: a rival keeps the votes that it has"
assert out == 6 + LEAD, f"4 ends {LEAD - 1} ahead of 7, which is no win, so n = {6 + LEAD}, got {out}"
out = decided_after(["4"] * (LEAD + 1) + ["7"] * (LEAD + 1) + ["9"])
assert out != 2 * LEAD + 2, f"{out}: 4 and 7 have {LEAD + 1} votes each; a rival may have as many as the leader, and a set of counts loses one of them"
assert out == 2 * LEAD + 3, f"4 and 7 have {LEAD + 1} votes each and 9 comes last: no win, so n = {2 * LEAD + 3}, got {out}"
out = decided_after([*more, "4", "4", "7", "9", "4", "8", "5"])
assert out != 6 + LEAD, f"{out}: it is decided earlier; more than half of all votes is not needed to be out of reach"
assert out >= 4 + LEAD, f"{out}: that was known only from answers that had not come yet; use the first ones and how many remain"
assert out != 4 + LEAD, f"{out}: 7 has one vote and two samples remain, so 4 may end with a lead of {LEAD - 1} only"
assert out == 5 + LEAD, f"worked example: expected {5 + LEAD}, got {out}"
out = decided_after(["7", *more, "4", "4", "4", "4"])
assert out != 4 + LEAD, f"{out}: 7 came first, but 4 leads soon; the leader is who has the most votes now"
assert out == 3 + LEAD, f"7, then {3 + LEAD} 4s: when 4 has {2 + LEAD} votes, 7 reaches two at most: expected {3 + LEAD}, got {out}"
try:
    out = decided_after([None, *more, "4", "4", None, None])
except (ValueError, IndexError) as error:
    raise AssertionError(f"the first sample abstains, and nobody has a vote yet; your function raised: {error}") from None
assert out != 4 + LEAD, f"{out}: None is no rival; when one sample remains, 4 has {1 + LEAD} votes and no rival has any"
assert out != 2 + LEAD, f"{out}: two samples remain then, and a new answer could get both; that they abstain is not known yet"
assert out == 3 + LEAD, f"{1 + LEAD} 4s and three that abstain: decided after {3 + LEAD}, got {out}"
out = decided_after(["4", "7", "4", "7"])
assert out == 4, f"a tie at the end is never decided: expected n = 4, got {out}"
out = decided_after([None, None, None])
assert out == 3, f"all abstain: expected n = 3, got {out}"
out = decided_after(["4", "4", "4", "4", None, None, None, None])
assert out == 4 + LEAD, f"four 4s and four that abstain: a lead of {LEAD} is certain after {4 + LEAD}, got {out}"
# variant: endif
try:
    out = decided_after([])
except (NameError, ValueError, IndexError) as error:
    raise AssertionError(f"no samples, so your loop does nothing: expected 0, but your function raised: {error}") from None
assert out == 0, f"no samples: expected 0, got {out}"

# %% nbgrader={"grade": true, "grade_id": "decided-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from collections import Counter
# variant: if LEAD == 1
from itertools import product
# variant: else
from itertools import combinations_with_replacement
# variant: endif
rng = random.Random(5)
# variant: if LEAD == 1
cases = [[rng.choice(["a", "a", "b", "c", None]) for _ in range(rng.randint(1, 5))] for _ in range(60)]
# variant: else
cases = [[rng.choice(["a", "a", "a", "b", None]) for _ in range(rng.randint(1, 8))] for _ in range(40)]
# variant: endif
cases += [["b", "a", "a", "a", "c"], ["a", "a", None, None, "b"], ["a", "a", "b", "b", "c"]]
# variant: if LEAD != 1
cases += [["a"] * (LEAD + 1) + ["b"] * (LEAD + 1) + ["c"]]
# variant: endif
for answers in [*cases, ["a"], [None], [None, None], ["a", "b"], ["a", "a", "a", "a", "b", "b"]]:
    n, expected = len(answers), len(answers)
    for i in range(n + 1):
        winners = set()
        # variant: if LEAD == 1
        for rest in product(["a", "b", "c", "new", None], repeat=n - i):  # everything that may still come
            counts = Counter(x for x in [*answers[:i], *rest] if x is not None)
            best = [x for x in counts if counts[x] == max(counts.values())]
            winners.add(best[0] if len(best) == 1 else "tie")
        # variant: else
        for rest in combinations_with_replacement(["a", "b", "c", "new", None], n - i):  # all that may still come
            counts = Counter(x for x in [*answers[:i], *rest] if x is not None)
            best = [x for x in counts if all(counts[x] >= counts[y] + LEAD for y in [*counts, "another"] if y != x)]
            winners.add(best[0] if best else "tie")
        # variant: endif
        if len(winners) == 1 and winners != {"tie"}:
            expected = i
            break
    out = decided_after(list(answers))
    assert out == expected, f"{answers}: expected {expected}, got {out}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "decided-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It shows what stopping early saves for a model whose answers are right with chance p, the wrong ones
# spread over nine digits; 40 samples were planned, and the winner is the same as with all 40.

# %% nbgrader={"grade": false, "grade_id": "decided-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
import random

rng = random.Random(STOP_SEED)
for p in (0.2, 0.4, 0.6, 0.8, 0.95):
    used = [
        decided_after(["4" if rng.random() < p else rng.choice("012356789") for _ in range(40)]) for _ in range(200)
    ]
    print(f"p = {p:.2f}: {sum(used) / len(used):.1f} of 40 samples are drawn")

# %% [markdown] nbgrader={"grade": false, "grade_id": "think-between-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · Not too short, not too long  (difficulty 4 of 5 · 30 minutes · 16 points)
#
# The lesson cut a model's thinking, or made it wait. Here you hold it between two bounds. So that you see everything, the model is as small as can be:
# a table. There are V tokens, the numbers 0 to V - 1. Two of them are special: `end` says "my thinking is over", and `eos`, *end of sequence*, says "I have written all".
# A model gives each token that may come next a number, its *logit*: the larger, the likelier. `logits[last]` is the list of the V logits for the next token
# when the last token is `last`. Decoding is *greedy*: the token with the largest logit is taken, of equal ones the one with the smallest number. Write `think_between`:
#
# * **Thinking** begins after the last token of the prompt. The model writes tokens. It may write `end` only when `least` tokens of thinking stand there already;
#   it may never write `eos` while it thinks. When the best token is not allowed, take the best of those that are.
# * Thinking is over when the model writes `end`, or by force: as soon as `most` tokens of thinking stand there, `end` is written without asking the model.
# * **The answer** begins after `end`: greedy again, now with all tokens allowed (`end` too), until `eos` is written or `max_answer` tokens stand there. `eos` counts as one of
#   them, the `end` before the answer does not.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `logits` | list of V lists of V floats, negative ones too; there is at least one token besides `end` and `eos` | `"ids"` | list of all new tokens: thinking, `end`, answer (with its `eos`) |
# | `prompt` | list of ints, not empty; it may hold `end` | `"n_thinking"` | int, tokens of thinking without `end` |
# | `end`, `eos` | ints, two different tokens | `"forced"` | bool: was `end` written by force? |
# | `least`, `most` | ints, `0 <= least <= most` | | |
# | `max_answer` | int, 1 or more | | |
#
# Leave `logits` and `prompt` as they are. Nothing in the prompt is thinking, also not after an `end` there.
#
# Worked example: tokens 0, 1, 2, `end` = 3, `eos` = 4, and the table of the check below. `prompt = [0]`, `least = 2`, `most = 5`, `max_answer = 6`. After 0 the model wants `end`, which
# is too early; the next best is 1. After 1 it wants `eos`, which is never allowed here; the next best that is allowed is 2. After 2 comes 0, after 0
# it wants `end`, and now it may. The answer: after 3 comes 1, after 1 comes `eos`. So ids `[1, 2, 0, 3, 1, 4]`, three tokens of thinking, not forced.
#
# *Stuck?* `hint("think-between")`


# %% nbgrader={"grade": false, "grade_id": "think-between", "locked": false, "schema_version": 3, "solution": true, "task": false}
def think_between(
    logits: list[list[float]], prompt: list[int], end: int, eos: int, least: int, most: int, max_answer: int
) -> dict[str, object]:
    """Greedy decoding with at least and at most so many tokens of thinking."""
    ### BEGIN SOLUTION
    ids, last, forced, n_thinking = [], prompt[-1], False, 0
    while last != end or not ids:
        if n_thinking == most:
            token, forced = end, True
        else:
            barred = {eos, end} if n_thinking < least else {eos}
            allowed = [token for token in range(len(logits)) if token not in barred]
            token = max(allowed, key=lambda token: logits[last][token])
        ids.append(token)
        last = token
        n_thinking += token != end
    for _ in range(max_answer):
        last = max(range(len(logits)), key=lambda token: logits[last][token])
        ids.append(last)
        if last == eos:
            break
    return {"ids": ids, "n_thinking": n_thinking, "forced": forced}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "think-between-visible", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
table = [
    [0.0, 2.0, 1.0, 5.0, 0.0],  # what may follow token 0: `end`, 3, is wanted most
    [1.0, 0.0, 3.0, 2.0, 9.0],
    [4.0, 1.0, 0.0, 3.0, 0.0],
    [0.0, 7.0, 1.0, 0.0, 2.0],
    [0.0, 0.0, 0.0, 0.0, 0.0],
]
kept, prompt = [list(row) for row in table], [0]
out = think_between(table, prompt, 3, 4, 2, 5, 6)
assert out is not None, "nothing came back: end your function with `return ...`"
assert table == kept and prompt == [0], "logits or prompt were changed; work on copies"
assert set(out) == {"ids", "n_thinking", "forced"}, f"the keys are ids, n_thinking and forced, got {sorted(out)}"
ids = list(out["ids"])
assert ids[:1] != [0], "the prompt came back too; ids are the new tokens only"
assert ids[:1] != [3], "the model wrote `end` at once although two tokens of thinking are the least"
assert ids[1:2] != [4], "the second token is `eos`, which is not allowed while the model thinks"
assert ids != [1, 2, 0, 1, 4], "the `end` between thinking and answer is missing; it is one of the new tokens"
assert ids[:4] != [1, 2, 0, 1], (
    "after [1, 2, 0] the model wants `end` and may have it: the least is reached, not a fixed length"
)
assert ids[-1:] == [4], f"the answer ends with `eos`, here 4, which is part of ids; got {ids}"
assert ids == [1, 2, 0, 3, 1, 4], f"worked example: expected ids [1, 2, 0, 3, 1, 4], got {ids}"
assert out["n_thinking"] == 3, f"three tokens stand before `end`, which is not counted: got {out['n_thinking']}"
assert out["forced"] is False, "the model wrote `end` by itself, so forced is False"

ids = list(think_between(table, [1], 3, 4, 3, 9, 6)["ids"])
assert ids[:3] != [2, 0, 3], "prompt [1]: `end` after [2, 0], but three tokens of thinking are the least"
out = think_between(table, [2, 1], 3, 4, 3, 9, 6)
ids = list(out["ids"])
assert ids[:1] != [0], "prompt [2, 1]: thinking goes on from the last token of the prompt, 1, not from the first"
assert ids[:3] != [2, 0, 3], "prompt [2, 1]: `end` after [2, 0]; the prompt is no thinking, so only two of three tokens stand there"
assert ids[:4] != [2, 0, 1, 4], "`eos` after [2, 0, 1]: it is not allowed while the model thinks, also not when the least is reached"
assert ids == [2, 0, 1, 2, 0, 3, 1, 4], f"prompt [2, 1], least = 3: expected [2, 0, 1, 2, 0, 3, 1, 4], got {ids}"
assert out["n_thinking"] == 5, f"prompt [2, 1]: five tokens of thinking were written, got {out['n_thinking']}"
assert out["forced"] is False, "prompt [2, 1]: the model wrote `end` by itself, so forced is False"
ids = list(think_between(table, [0], 3, 4, 3, 9, 6)["ids"])
assert ids == [1, 2, 0, 3, 1, 4], f"least = 3: when three stand there, `end` is allowed: expected [1, 2, 0, 3, 1, 4], got {ids}"
ids = list(think_between(table, [0], 3, 4, 0, 5, 6)["ids"])
assert ids == [3, 1, 4], f"least = 0 lets the model stop at once: expected [3, 1, 4], got {ids}"

out = think_between(table, [1], 3, 4, 0, 1, 6)
ids = list(out["ids"])
assert ids != [2, 0, 3, 1, 4], "most = 1, but two tokens of thinking were written"
assert ids != [3, 1, 4], "most = 1, but `end` was forced before a token of thinking stood there"
assert ids == [2, 3, 1, 4], f"most = 1 cuts after [2]: expected [2, 3, 1, 4], got {ids}"
assert out["forced"] is True, "one token stood there and `end` was written without asking, so forced is True"
assert out["n_thinking"] == 1, f"most = 1 cuts after one token of thinking, got {out['n_thinking']}"
out = think_between(table, [0], 3, 4, 0, 0, 1)
ids = list(out["ids"])
assert ids != [3, 1, 4], "max_answer = 1, but the answer is [1, 4]: `eos` counts as one of its tokens"
assert ids != [3], "max_answer = 1, but there is no answer: the `end` before it is not one of its tokens"
assert ids == [3, 1], f"most = 0 and max_answer = 1: expected [3, 1], got {ids}"
assert out["forced"] is True, "with most = 0 `end` is always written by force, also where the model wants it"

out = think_between(table, [3], 3, 4, 0, 1, 2)
ids = list(out["ids"])
assert ids == [1, 3, 1, 4], (
    f"a prompt may end in the token `end`; thinking begins after it all the same: expected [1, 3, 1, 4], got {ids}"
)
assert out["n_thinking"] == 1, f"prompt [3]: one token of thinking, the `end` of the prompt is none; got {out['n_thinking']}"
assert out["forced"] is True, "prompt [3]: the new `end` came by force; the one in the prompt does not count"
ids = list(think_between(table, [4], 3, 4, 0, 1, 1)["ids"])
assert ids == [0, 3, 1], f"after token 4 all logits are equal: the smallest number, 0, is taken: expected [0, 3, 1], got {ids}"

deep = [
    [-3.0, -4.0, -5.0, -6.0, -2.0],
    [-2.0, -4.0, -3.0, -3.5, -9.0],
    [-5.0, -5.0, -5.0, -5.0, -5.0],
    [-4.0, -6.0, -5.0, -7.0, -2.0],
    [-2.0, -6.0, -4.0, -5.0, -3.0],
]
out = think_between(deep, [1], 0, 2, 1, 9, 3)  # here `end` is 0 and `eos` is 2
ids = list(out["ids"])
assert ids[:1] != [0], "`end` came too early: all logits are negative, so a logit of 0 or -1 does not rule a token out"
assert ids[:1] != [2], "after 1 the best is `end` and the second best is `eos`: both are ruled out, take the third"
assert ids != [3, 4, 0, 4, 0], "the answer stopped at `end`; there it is a token like any other, only `eos` stops"
assert ids[:5] != [3, 4, 0, 4, 4], "`end` was ruled out in the answer; there all tokens are allowed"
assert ids == [3, 4, 0, 4, 0, 4], f"end = 0, eos = 2: expected ids [3, 4, 0, 4, 0, 4], got {ids}"
assert out["n_thinking"] == 2, f"ids [3, 4, 0, 4, 0, 4]: two tokens stand before the first `end`, got {out['n_thinking']}"
assert out["forced"] is False, "ids [3, 4, 0, 4, 0, 4]: the model wrote `end` by itself, so forced is False"

# %% nbgrader={"grade": true, "grade_id": "think-between-hidden", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

rng = random.Random(7)
for _ in range(200):
    V = rng.randint(4, 8)
    logits = [[float(rng.randint(-5, 1)) for _ in range(V)] for _ in range(V)]
    end, eos = rng.sample(range(V), 2)
    least = rng.randint(0, 4)
    most, max_answer = least + rng.randint(0, 4), rng.randint(1, 5)
    start = [rng.randrange(V) for _ in range(rng.randint(1, 3))]
    text, thinking, forced = list(start), [], False
    while True:
        if len(thinking) == most:
            forced = True
            break
        row = [x if i != eos and (i != end or len(thinking) >= least) else -9.0 for i, x in enumerate(logits[text[-1]])]
        token = row.index(max(row))
        if token == end:
            break
        thinking.append(token)
        text.append(token)
    answer = [end]
    while len(answer) <= max_answer and not (len(answer) > 1 and answer[-1] == eos):
        row = logits[answer[-1]]
        answer.append(row.index(max(row)))
    out = think_between([list(row) for row in logits], list(start), end, eos, least, most, max_answer)
    what = f"logits {logits}, prompt {start}, end {end}, eos {eos}, least {least}, most {most}, max_answer {max_answer}"
    wanted = f"expected ids {thinking + answer}, got {out['ids']}"
    at_once = "; `eos` may be the whole answer" if answer[1:2] == [eos] else ""
    assert list(out["ids"]) == thinking + answer, f"{wanted}{at_once}; {what}"
    assert out["n_thinking"] == len(thinking), f"{what}: expected {len(thinking)} tokens of thinking"
    assert out["forced"] is forced, f"{what}: expected forced to be {forced}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "boxed-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · The last box  (difficulty 3 of 5 · 20 minutes · 12 points)
#
# <% if MARK == "boxed" %>
# Models that were trained on mathematics put their final answer into `\boxed{...}`, and a verifier has to find it in pages of LaTeX. How well it
# <% else %>
# Models that were trained on mathematics put their final answer into `\boxed{...}`; the one of this exercise was told to write `\<< MARK >>{...}`, which we call a box all the same.
# A verifier has to find it in pages of LaTeX. How well it
# <% endif %>
# does this can move a benchmark by several points. Write `last_boxed`: the content of the last **complete** box.
#
# | in | | out | |
# |---|---|---|---|
# | `text` | str, anything | | str without blanks at its ends (newlines are blanks too), or `None` if there is no complete box |
#
# * A box begins with the << "seven" if MARK|length == 5 else "eight" >> characters `\<< MARK >>{`, exactly so, wherever they stand. It is complete if its brace is closed.
# * Braces may stand inside, as in `\<< MARK >>{\frac{1}{2}}`; they open and close in pairs.
# * A backslash makes the character after it a sign, whatever it is. So `\{` and `\}` are no braces: they open and close nothing. And `\\` is a sign (a new line
#   in LaTeX): a brace that follows it counts, so `\<< MARK >>{\\}` is complete.
# * A model that was cut off leaves its last box open, or several. Then the last one that is complete counts.
# * Of several complete boxes, the one that **<< WHICH.split()[0] >>** last counts, << "also if it stands inside another one" if WHICH == "begins last" else "also if others stand inside it" >>.
# * Never raise an exception, whatever the text is.
#
# Worked example: `so \<< MARK >>{2}? No: \<< MARK >>{ \frac{1}{2} }. Check \<< MARK >>{\frac{1` gives `\frac{1}{2}`.
#
# In Python write such a text as `r"\<< MARK >>{2}"`: the `r` keeps the backslash. Without it `"\<< MARK[0] >>"` is one character, << {"b": "a backspace", "a": "a bell", "f": "a new page", "r": "a return"}[MARK[0]] >>.
#
# *Stuck?* `hint("boxed")`


# %% nbgrader={"grade": false, "grade_id": "boxed", "locked": false, "schema_version": 3, "solution": true, "task": false}
def last_boxed(text: str) -> str | None:
    """The content of the last complete box; None if there is none."""
    ### BEGIN SOLUTION
    mark = "\\" + MARK + "{"
    # variant: if WHICH == "begins last"
    start = text.rfind(mark)
    while start >= 0:
        depth, i = 1, start + len(mark)
        while i < len(text):
            if text[i] == "\\":
                i += 2
                continue
            depth += (text[i] == "{") - (text[i] == "}")
            if depth == 0:
                return text[start + len(mark) : i].strip()
            i += 1
        start = text.rfind(mark, 0, start)
    return None
    # variant: else
    start, last_end, found = text.find(mark), -1, None
    while start >= 0:
        depth, i = 1, start + len(mark)
        while i < len(text) and depth:
            if text[i] == "\\":
                i += 2
                continue
            depth += (text[i] == "{") - (text[i] == "}")
            i += 1
        if depth == 0 and i > last_end:
            last_end, found = i, text[start + len(mark) : i - 1].strip()
        start = text.find(mark, start + 1)
    return found
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "boxed-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
out = last_boxed(r"so \<< MARK >>{2}? No: \<< MARK >>{ \frac{1}{2} }.")
# variant: if MARK != "boxed"
assert out is not None or last_boxed(r"\boxed{2}") is None, "your function looks for boxed; in this version of the exercise the command is << MARK >>"
# variant: endif
assert out is not None, (
    r'None came back although there are two complete boxes: did you return? is your mark r"\<< MARK >>{", with the r?'
)
assert out != "2", "that is the first box; wanted is the last one"
assert not out.startswith("2}"), "that is all from the first box to the last closing brace; wanted is one box"
assert out.strip() != r"\frac{1", "the box ended at the first closing brace; count how many are open"
assert out != r" \frac{1}{2} ", "blanks at the ends are to be taken away"
assert out == r"\frac{1}{2}", rf"two boxes: expected \frac{{1}}{{2}}, got {out}"
out = last_boxed("\\<< MARK >>{\n7\n}")
assert out == "7", f"newlines at the ends are blanks too: expected '7', got {out!r}"
try:
    out = last_boxed(r"so \<< MARK >>{2}? No: \<< MARK >>{ \frac{1}{2} }. Check \<< MARK >>{\frac{1")
except IndexError as error:
    raise AssertionError(f"the last box is open, and the text ends before its brace is closed: {error}") from None
assert out is not None, "None came back because the last box is open; then the last complete one counts"
assert out != r"\frac{1", "the last box is not complete; it does not count"
assert out == r"\frac{1}{2}", rf"worked example: expected \frac{{1}}{{2}}, got {out}"
out = last_boxed(r"\<< MARK >>{5} \<< MARK >>{6 \<< MARK >>{7")
assert out == "5", f"two boxes are open at the end, so go back further than to the last but one: expected '5', got {out!r}"
out = last_boxed(r"{first} \<< MARK >>{7} and then {more}")
assert out != "7} and then {more", "that goes on to the last closing brace of the text; a box ends where its own brace is closed"
assert out == "7", f"braces outside of the box do not count: expected 7, got {out}"
out = last_boxed(r"\<< MARK >>{a{b{c}}}")
assert out == "a{b{c}}", f"braces may stand in braces in braces: expected 'a{{b{{c}}}}', got {out!r}"
out = last_boxed(r"\<< MARK >>{1 + \<< MARK >>{2}}")
# variant: if WHICH == "begins last"
assert out != r"1 + \<< MARK >>{2}", "that is the outer box, which ends last; wanted is the one that begins last, the inner one"
assert out == "2", f"a box in a box: expected '2', got {out!r}"
# variant: else
assert out != "2", "that is the inner box, which begins last; in this version of the exercise the one that ends last counts, the outer one"
assert out == r"1 + \<< MARK >>{2}", f"a box in a box: expected the content of the outer one, got {out!r}"
out = last_boxed(r"\<< MARK >>{1 + \<< MARK >>{2}} = \<< MARK >>{3}")
assert out == "3", f"a box in a box and another one behind them, which ends last: expected '3', got {out!r}"
# variant: endif
out = last_boxed(r"\<< MARK >>{1 + \<< MARK >>{2}")
assert out == "2", f"the outer box is open, but the one inside it is complete: expected '2', got {out!r}"
out = last_boxed(r"\<< MARK >>{\{1, 2\}}")
assert out == r"\{1, 2\}", rf"\{{ and \}} are signs: expected \{{1, 2\}}, got {out}"
out = last_boxed(r"the interval \<< MARK >>{ \left\{ x \right. }")
assert out == r"\left\{ x \right.", rf"\{{ alone opens nothing: expected \left\{{ x \right., got {out}"
out = last_boxed(r"\<< MARK >>{x \\} }")
assert out == r"x \\", rf"\\ is a sign, so the brace after it closes the box: expected x \\, got {out}"
for text in ("no box, 42", "", r"\<< MARK >> 7", r"\<< MARK >>{7", r"\fbox{7}", "}{"):
    out = last_boxed(text)
    assert out is None, f"{text!r} has no complete box: expected None, got {out!r}"
for text, expected in (("\\<< MARK >>{3}\\", "3"), ("\\<< MARK >>{3\\", None)):
    try:
        out = last_boxed(text)
    except IndexError as error:
        raise AssertionError(f"the text {text!r} ends in a backslash, and nothing follows it: {error}") from None
    assert out == expected, f"the text {text!r} ends in a backslash: expected {expected!r}, got {out!r}"
out = last_boxed(r"\<< MARK >>{}")
assert out == "", f"an empty box is complete: expected an empty text, got {out!r}"

# %% nbgrader={"grade": true, "grade_id": "boxed-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
for text, expected in [
    (r"\<< MARK >>{a{b{c}d}e}f}", "a{b{c}d}e"),
    (r"\<< MARK >>{a{b{c{d{e{f}}}}}}", "a{b{c{d{e{f}}}}}"),
    (r"\<< MARK >>{1} \<< MARK >>{2} \<< MARK >>{3", "2"),
    (r"\<< MARK >>{3 + \<< MARK >>{4}", "4"),
    # variant: if WHICH == "begins last"
    (r"\<< MARK >>{3 + \<< MARK >>{4} + \<< MARK >>{5}} or \<< MARK >>{\<< MARK >>{6", "5"),
    # variant: else
    (r"\<< MARK >>{3 + \<< MARK >>{4} + \<< MARK >>{5}} or \<< MARK >>{\<< MARK >>{6", r"3 + \<< MARK >>{4} + \<< MARK >>{5}"),
    (r"\<< MARK >>{\<< MARK >>{1} + \<< MARK >>{\<< MARK >>{2}", "2"),
    (r"\<< MARK >>{\<< MARK >>{1}} \<< MARK >>{3", r"\<< MARK >>{1}"),
    # variant: endif
    (r"\<< MARK >>{x} } } {", "x"),
    (r"\<< MARK >>{\}}", r"\}"),
    (r"\<< MARK >>{a\}", None),
    (r"\<< MARK >>{\text{yes}}\<< MARK >>{", r"\text{yes}"),
    ("\\<< MARK >>{two\nlines }", "two\nlines"),
    (r"\<< MARK >>{" * 50, None),
    (r"\<< MARK >>{\\}", "\\\\"),
    (r"\<< MARK >>{\\\}}", "\\\\\\}"),
    (r"\\<< MARK >>{8}", "8"),
    ("\\<< MARK >>{30}\\", "30"),
    ("\\<< MARK >>{30\\", None),
    (r"\<< MARK.capitalize() >>{3}", None),
    (r"\<< MARK >> {3}", None),
]:
    out = last_boxed(text)
    assert out == expected, f"{text!r}: expected {expected!r}, got {out!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "think-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · In your own words  (difficulty 2 of 5 · 12 minutes · 11 points)
#
# The next sentence stands in a report about another model than the lesson's: "Our model solves about 31 % of the problems. With 64 samples it solves about 99 %, so we will run
# it with 64 samples in production." Nothing more is said about how the two were measured. In five to eight sentences:
#
# * Which two quantities could the 99 % be, and what would have to exist in production for each of them to be reached? (A third reading is possible too; any two will do.)
# * For which kind of mistakes does a vote not help at all? Look at the table after exercise 4 and quote a number from it.
# * What does the last cell of exercise 5 say about the cost? Mind that its p is the chance of a right answer to **one** problem, while the 31 % is a mean over problems,
#   easy and hard ones.
# * Which three numbers would you ask for before you decide? There are several good choices; say what each would tell you.
#
# Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "think-question", "locked": false, "points": 11, "schema_version": 3, "solution": true, "task": false}
# The 99 % may be pass@64, the chance that at least one of 64 answers is right, or the accuracy of a majority vote among 64. To reach pass@64 in
# production something must pick the right answer: a verifier that needs no key, such as tests for a program or the check of an equation. Without it
# pass@64 is a bound and no method. A vote needs no verifier, but answers that can be compared, and wrong answers that are spread out: a model
# that makes the same mistake in << {6: "six", 7: "seven", 8: "eight"}[10 - RIGHT_OF_TEN] >> of ten answers is at << RIGHT_OF_TEN / 10 >> with one answer, and its vote gets worse with every sample more, to 0
# with nine. Sixty-four samples cost about 64 times the tokens; stopping when the vote is decided saves a third to a half on a problem where the model is mostly right
# and little where it is not, and a mean of 31 % does not say how many problems are of which kind. I would ask for the accuracy of one answer and of the vote on held-out
# problems, the same with 4 and 16 samples, and the cost per solved problem, tokens and seconds included.
#
# === BEGIN MARK SCHEME ===
# 3 points: names two readings and does not mix them up: pass@64 (somebody must choose), the vote, or the best of 64 by a reward model's score.
# 2 points: says what each needs in production: a verifier without a key; comparable answers; a reward model that ranks a right answer first among 64.
# 3 points: a repeated mistake is not outvoted, with a number from the table of exercise 4.
# 1 point: the cost, with what stopping early saves; that the saving differs from problem to problem is welcome and not required.
# 2 points: three useful numbers with a reason each, at least one of them on held-out problems and one about cost. Other choices than the model answer's
# are as good: the share of problems whose commonest answer is wrong, the gap between vote and pass@64, accuracy by number of samples, price of a wrong answer.
# === END MARK SCHEME ===
