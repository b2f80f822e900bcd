# %% [markdown] nbgrader={"grade": false, "grade_id": "think-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 04 · Thinking longer: estimates, votes, budgets and boxes
#
# Seven functions and one question in words, 100 points, about an hour and three quarters. None of them is a function that the lesson
# prints: each is a sibling. You will work out how reliable a model is, what the best of k answers is worth, let answers vote
# with weights, find out exactly what a vote of k gains, stop asking when a vote is decided, hold a model's thinking between two
# bounds, and read the final answer out of a page of LaTeX. Everything is plain Python with lists and numbers; nothing is
# trained, and every cell takes a moment.
#
# `hint("at-least")` prints one hint for the exercise with that name, the next call prints the next. The name is the one in
# the line *Stuck?* of each exercise. `racecourse check 04_thinking_longer` says what your work earns so far.
#
# **Words.** A *sample* is one answer that a model has drawn to a problem. A *verifier* is a rule that says whether an answer
# is right. A *vote* takes the answer that is given most often; an answer of `None` *abstains*: it counts for nobody. A
# *token* is a number that stands for a piece of text. *Thinking* is what a model writes before its answer.

# %% nbgrader={"grade": false, "grade_id": "think-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
from itertools import combinations

from racecourse.learn.hints import hint

# %% [markdown] nbgrader={"grade": false, "grade_id": "at-least-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Right again and again  (difficulty 2 of 5 · 12 minutes · 11 points)
#
# pass@k asks whether **one** of k answers is right. Whoever hands work to an agent asks for more: that at least `m` of `k`
# answers are right; with `m = k`, that all are. Of `n_samples` answers to a problem, `n_correct` were right. `k` different ones of them are taken
# by lot. Write `at_least`: how likely are `m` or more of the `k` right?
#
# | in | | out | |
# |---|---|---|---|
# | `n_samples`, `n_correct` | ints, `0 <= n_correct <= n_samples` | | float between 0 and 1 |
# | `k` | int, `1 <= k <= n_samples` | | |
# | `m` | int, 0 or more; it may be larger than `k` | | |
#
# `n_samples` may be 200: do not go through all choices, count them. There are `math.comb(a, b)` ways to choose b of a things,
# and 0 ways if b is larger than a.
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
assert abs(out - 0.6) > 1e-9, "0.6 is the chance of exactly two; wanted are two or more"
assert abs(out - 1.0) > 1e-9, "1.0 is the chance that at least one is right (pass@k); wanted is at least m"
assert abs(out - 0.1) > 1e-9, "0.1 is the chance of more than two; two are enough"
assert abs(out - 7) > 1e-9, "7 is the number of ways; divide by all ways to choose k of n_samples"
assert abs(out - 0.7) < 1e-9, f"worked example: expected 0.7, got {out}"
out = at_least(10, 7, 5, 5)
assert abs(out - 21 / 252) < 1e-9, f"7 of 10 right, all of 5: expected 21 / 252 = 0.083, got {out}"
out = at_least(6, 2, 4, 3)
assert abs(out) < 1e-9, f"two right ones in all, so never three: expected 0, got {out}"
out = at_least(6, 4, 2, 0)
assert abs(out - 1) < 1e-9, f"at least none is always true: expected 1, got {out}"
out = at_least(6, 4, 2, 3)
assert abs(out) < 1e-9, f"three of two answers: expected 0, got {out}"

# %% nbgrader={"grade": true, "grade_id": "at-least-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
from itertools import combinations
from math import comb

for n, c, k, m in [(7, 4, 3, 2), (8, 3, 5, 1), (6, 6, 4, 4), (9, 5, 4, 3), (5, 0, 2, 1), (9, 2, 8, 2), (4, 1, 1, 1)]:
    chosen = list(combinations([1] * c + [0] * (n - c), k))
    expected = sum(sum(row) >= m for row in chosen) / len(chosen)
    out = at_least(n, c, k, m)
    assert abs(out - expected) < 1e-9, f"{c} of {n} right, at least {m} of {k}: expected {expected}, got {out}"
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
# are known. Take `k` different ones by lot and keep the best. Write `expected_best`: the mean of the best reward over **all** ways
# to choose k of the n.
#
# | in | | out | |
# |---|---|---|---|
# | `rewards` | list of n floats, in any order, some may be equal, some negative | | float |
# | `k` | int, `1 <= k <= n` | | |
#
# n may be 300, and going through all ways would take for ever. Leave the list as it is.
#
# Worked example: rewards `[0.9, 0.2, 0.5]`, `k = 2`. The best of the three pairs are 0.9 (with 0.2), 0.9 (with 0.5)
# and 0.5: the mean is 2.3 / 3 = 0.767.
#
# Before you write: which answer does not depend on the order, `k = 1` or `k = n`? What does each of them give?
#
# *Stuck?* `hint("expected-best")`


# %% nbgrader={"grade": false, "grade_id": "expected-best", "locked": false, "schema_version": 3, "solution": true, "task": false}
def expected_best(rewards: list[float], k: int) -> float:
    """The mean, over all choices of k of the rewards, of the largest one chosen."""
    ### BEGIN SOLUTION
    ranked = sorted(rewards)
    ways = sum(reward * math.comb(below, k - 1) for below, reward in enumerate(ranked))
    return ways / math.comb(len(rewards), k)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "expected-best-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
given = [0.9, 0.2, 0.5]
out = expected_best(given, 2)
assert out is not None, "nothing came back: end your function with `return ...`"
assert given == [0.9, 0.2, 0.5], "the list that came in was changed; sorted(...) makes a new one"
assert abs(out - 0.9) > 1e-9, "0.9 is the best of all three; only two of them are taken each time"
assert abs(out - 0.7) > 1e-9, "0.7 is the mean of the two best; wanted is the mean of the best of each pair"
assert abs(out - 0.4) > 1e-9, "0.4: your count needs the rewards in order, smallest first; they come in any order"
assert abs(out - 0.3) > 1e-9, "0.3: the order is the wrong way round: the largest reward is best in most choices"
assert abs(out - 6.2 / 9) > 1e-9, (
    "0.689: each answer was put back before the next was taken; a pair is two different answers"
)
assert abs(out - 2.3 / 3) < 1e-9, f"worked example: expected 2.3 / 3 = 0.767, got {out}"
out = expected_best([0.9, 0.2, 0.5], 1)
assert abs(out - 1.6 / 3) < 1e-9, f"k = 1 is the mean of all rewards, 0.533, got {out}"
out = expected_best([0.9, 0.2, 0.5], 3)
assert abs(out - 0.9) < 1e-9, f"k = 3 takes all of them, so 0.9, got {out}"
out = expected_best([1.0, 1.0, 0.0, 0.0], 2)
assert abs(out - 5 / 6) < 1e-9, f"equal rewards are still different answers: [1, 1, 0, 0], k = 2 gives 5 / 6, got {out}"
out = expected_best([-3.0, -1.0], 2)
assert abs(out + 1) < 1e-9, f"rewards may be negative: the best of -3 and -1 is -1, got {out}"

# %% nbgrader={"grade": true, "grade_id": "expected-best-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from itertools import combinations
from math import comb

rng = random.Random(42)
for n, k in [(6, 3), (7, 2), (8, 7), (5, 5), (9, 4)]:
    rewards = [round(rng.uniform(-1, 1), 1) for _ in range(n)]
    chosen = [max(row) for row in combinations(rewards, k)]
    expected, out = sum(chosen) / len(chosen), expected_best(list(rewards), k)
    assert abs(out - expected) < 1e-9, f"rewards {rewards}, k = {k}: expected {expected}, got {out}"
rewards = [1.0] * 20 + [0.0] * 280
rng.shuffle(rewards)
out, expected = expected_best(rewards, 30), 1 - comb(280, 30) / comb(300, 30)
assert abs(out - expected) < 1e-9, f"20 ones among 300, k = 30: this is pass@30, {expected}, got {out}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "weighted-vote-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · A vote with weights  (difficulty 2 of 5 · 12 minutes · 12 points)
#
# Answers need not count the same: one that a reward model likes better, or that the model was surer of, may get a larger
# weight. Write `weighted_vote`. An answer's total is the sum of the weights of those that gave it. The largest total wins. If several
# answers share the largest total, one of them is taken by lot. Say how likely each answer is to be taken.
#
# | in | | out | |
# |---|---|---|---|
# | `answers` | list of strings or `None`; `None` abstains, whatever its weight | | dict: each winner → its chance to be taken; no other keys |
# | `weights` | list of ints, 0 or more, one for each answer | | |
#
# An answer whose total is 0 cannot win. If nobody can win, the dict is empty.
#
# Worked example: answers `["4", "7", None, "7", "9"]`, weights `[3, 1, 9, 2, 2]`. The totals are 3 for "4", 3 for "7", 2
# for "9". So `{"4": 0.5, "7": 0.5}`.
#
# *Stuck?* `hint("weighted-vote")`


# %% nbgrader={"grade": false, "grade_id": "weighted-vote", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weighted_vote(answers: list[str | None], weights: list[int]) -> dict[str, float]:
    """Each winner of a weighted vote, and how likely it is to be taken."""
    ### BEGIN SOLUTION
    totals: dict[str, int] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None and weight > 0:
            totals[answer] = totals.get(answer, 0) + weight
    winners = [answer for answer, total in totals.items() if total == max(totals.values())]
    return {winner: 1 / len(winners) for winner in winners}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "weighted-vote-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
out = weighted_vote(["4", "7", None, "7", "9"], [3, 1, 9, 2, 2])
assert out is not None, "nothing came back: end your function with `return ...`"
assert isinstance(out, dict), f"wanted is a dict from each winner to its chance, got {type(out).__name__}"
assert None not in out, "None abstains: it cannot win, however large its weight is"
assert out != {"7": 1.0}, "the weights are left out: 7 is given most often, but 4 has as much weight"
assert "9" not in out, "9 has a total of 2 and does not win; only winners are keys of the dict"
assert out != {"4": 1.0}, (
    "4 alone: either the first of the winners was taken, or the largest single weight; 4 and 7 both have 3 in all"
)
assert out != {"4": 1.0, "7": 1.0}, "the chances of the winners sum to 1"
assert out != {"4": 3, "7": 3}, "those are the totals; wanted are the chances to be taken"
assert out == {"4": 0.5, "7": 0.5}, f"worked example: expected {{'4': 0.5, '7': 0.5}}, got {out}"
out = weighted_vote([None, "5", None], [4, 0, 1])
assert out == {}, f"nobody has a weight above 0, so nobody wins: expected an empty dict, got {out}"
out = weighted_vote(["1", "2", "1", "2", "1"], [2, 5, 2, 1, 3])
assert out == {"1": 1.0}, f"totals 7 and 6: expected {{'1': 1.0}}, got {out}"

# %% nbgrader={"grade": true, "grade_id": "weighted-vote-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
for answers, weights, expected in [
    (["a", "b", "c"], [2, 2, 2], {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),
    (["a", "b", "a", "b", "c"], [1, 4, 2, 0, 4], {"b": 0.5, "c": 0.5}),
    ([], [], {}),
    ([None, None], [1, 1], {}),
    (["", "x", ""], [1, 1, 1], {"": 1.0}),
    (["b", "a", None, "a"], [5, 3, 8, 3], {"a": 1.0}),
    (["q", "r"], [0, 0], {}),
]:
    out = weighted_vote(list(answers), list(weights))
    same_keys = set(out) == set(expected)
    assert same_keys and all(abs(out[key] - expected[key]) < 1e-9 for key in expected), (
        f"answers {answers}, weights {weights}: expected {expected}, got {out}"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "vote-of-k-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · What a vote of k is worth  (difficulty 3 of 5 · 15 minutes · 13 points)
#
# You have n answers of a model to one problem and want to know how good a plain vote among `k` of them is. The lesson drew subsets by lot and
# averaged, which leaves noise. With few answers it can be done exactly. Write `vote_of_k`: the accuracy of a vote among k different answers, the mean over **all**
# ways to choose them.
#
# | in | | out | |
# |---|---|---|---|
# | `answers` | list of n strings or `None`, n at most 14; `None` abstains | | float between 0 and 1 |
# | `truth` | the right answer | | |
# | `k` | int, `1 <= k <= n` | | |
#
# A vote that the truth wins alone counts 1. If it shares the lead with others, one of the leaders is taken by lot: it counts a half with
# one other, a third with two. If all abstain, it counts 0.
#
# Worked example: answers `["4", "4", "7", "7", "7"]`, truth `"4"`, `k = 2`. Of ten pairs one is 4 and 4 (counts 1), six are 4
# and 7 (count a half each), three are 7 and 7 (count 0): (1 + 3) / 10 = 0.4.
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
        given = [answer for answer in chosen if answer is not None]
        most = max((given.count(answer) for answer in given), default=0)
        leaders = {answer for answer in given if given.count(answer) == most}
        score += 1 / len(leaders) if truth in leaders else 0.0
        n_ways += 1
    return score / n_ways
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "vote-of-k-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
five = ["4", "4", "7", "7", "7"]
out = vote_of_k(list(five), "4", 2)
assert out is not None, "nothing came back: end your function with `return ...`"
assert abs(out - 0.7) > 1e-9, "0.7: a shared lead was counted as a whole win; with one other leader it counts a half"
assert abs(out - 0.1) > 1e-9, "0.1: a shared lead was counted as a loss; with one other leader it counts a half"
assert abs(out - 1.0) > 1e-9, (
    "1.0: that is one choice only, the first two answers; wanted is the mean over all ten pairs"
)
assert abs(out - 0.5) > 1e-9, "0.5: equal answers were thrown together; two answers that say the same are two answers"
assert abs(out - 0.4) < 1e-9, f"worked example: expected 0.4, got {out}"
out = vote_of_k(list(five), "4", 3)
assert abs(out - 0.352) > 1e-9, "0.352: each answer was put back before the next was taken; k different ones are chosen"
assert abs(out - 0.3) < 1e-9, f"k = 3: of ten choices, three hold both 4s, so 0.3, got {out}"
out = vote_of_k(list(five), "7", 5)
assert abs(out - 1) < 1e-9, f"k = 5: all vote and 7 wins, so 1 for the truth '7', got {out}"
out = vote_of_k(["4", None, None], "4", 2)
assert abs(out - 1 / 3) > 1e-9, "0.333: None shared the lead with 4; it abstains, so that 4 wins two of three pairs"
assert abs(out - 1) > 1e-9, "1.0: a choice in which all abstain still counts, as 0: two pairs of three are won"
assert abs(out - 2 / 3) < 1e-9, f"one 4 and two that abstain, k = 2: expected 2/3, got {out}"
out = vote_of_k(["1", "2", "3"], "2", 3)
assert abs(out - 1 / 3) < 1e-9, f"three leaders: expected 1/3, got {out}"

# %% nbgrader={"grade": true, "grade_id": "vote-of-k-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
from collections import Counter
from itertools import permutations

for answers, truth, k in [
    (["1", "2", "1", "3", "3", None], "1", 4),
    (["1", "2", "2", "2", "3", "1"], "2", 3),
    (["5", "5", None, None, "6"], "6", 2),
    (["5", "6", "7", "8"], "9", 2),
    ([None, None], "1", 1),
    (["1", "1", "2", "2", "3", "3"], "3", 6),
]:
    scores = []
    for order in permutations(range(len(answers)), k):
        counts = Counter(answers[i] for i in order if answers[i] is not None)
        best = [answer for answer in counts if counts[answer] == max(counts.values())]
        scores.append(best.count(truth) / len(best) if best else 0.0)
    expected, out = sum(scores) / len(scores), vote_of_k(list(answers), truth, k)
    assert abs(out - expected) < 1e-9, f"{answers}, truth {truth!r}, k = {k}: expected {expected}, got {out}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "vote-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. Two models are right on 4 of 10 answers. The first spreads its wrong answers over many, the second makes
# the same mistake each time. Guess first: which of them gains from a vote?

# %% nbgrader={"grade": false, "grade_id": "vote-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
spread_out = ["4"] * 4 + ["0", "1", "2", "3", "5", "6"]
same_mistake = ["4"] * 4 + ["7"] * 6
for k in (1, 3, 5, 7, 9):
    print(
        f"vote among {k}: mistakes spread out {vote_of_k(spread_out, '4', k):.3f}, always the same {vote_of_k(same_mistake, '4', k):.3f}"
    )

# %% [markdown] nbgrader={"grade": false, "grade_id": "decided-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Stop when it is decided  (difficulty 3 of 5 · 15 minutes · 12 points)
#
# Forty samples were planned for a vote, but after twenty-five equal ones nothing can change any more: the other fifteen would be
# wasted. Write `decided_after`: given the answers in the order in which they come, after how many of them is it **certain** who wins
# alone, whatever the remaining ones say?
#
# | in | | out | |
# |---|---|---|---|
# | `answers` | list of n strings or `None`; `None` is a sample that abstains | | int, 0 to n: so many samples are needed |
#
# The remaining samples may all go to one rival, and that rival may be an answer that was not seen yet. A tie at the end is not a win, so it
# must be out of reach too. If it is never certain before the end, or ends in a tie, the answer is n.
# You look back at the whole list, but the decision after i samples may only use the first i and the number that remain.
#
# Worked example: `["4", "4", "7", "9", "4", "8", "5"]`. After five samples 4 has three votes, 7 and 9 have one, and two
# samples remain: 7 could still draw level with 1 + 2 = 3. After six it could reach 2 at most: decided, 6.
#
# *Stuck?* `hint("decided")`


# %% nbgrader={"grade": false, "grade_id": "decided", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decided_after(answers: list[str | None]) -> int:
    """After how many samples it is certain which answer wins the vote alone."""
    ### BEGIN SOLUTION
    counts: dict[str, int] = {}
    for n_drawn, answer in enumerate(answers, start=1):
        if answer is not None:
            counts[answer] = counts.get(answer, 0) + 1
        first, second = [*sorted(counts.values(), reverse=True), 0, 0][:2]
        if first > second + len(answers) - n_drawn:
            return n_drawn
    return len(answers)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "decided-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
out = decided_after(["4", "4", "7", "9", "4", "8", "5"])
assert out is not None, "nothing came back: end your function with `return ...`"
assert out != 7, "7: it is decided earlier; more than half of all votes is not needed to be out of reach"
assert out != 5, "5: after five samples 7 has one vote and two samples remain, so it could still draw level with 4"
assert out == 6, f"worked example: expected 6, got {out}"
out = decided_after(["4", "4", "4", "7", "7"])
assert out != 1, "1: there is no second answer yet, but the remaining samples may all say something new"
assert out != 4, "4: after three samples 4 has three votes, and two remain; a rival that has none reaches two at most"
assert out == 3, f"three 4s of five: decided after 3, got {out}"
out = decided_after([None, "4", "4", None, None])
assert out != 5, "5: None is no rival; after four samples 4 has two votes, and one sample remains"
assert out != 3, "3: two samples remain then, and a new answer could draw level with two votes"
assert out == 4, f"two 4s and three that abstain: decided after 4, got {out}"
out = decided_after(["4", "7", "4", "7"])
assert out == 4, f"a tie at the end is never decided: expected n = 4, got {out}"
out = decided_after([])
assert out == 0, f"no samples: expected 0, got {out}"

# %% nbgrader={"grade": true, "grade_id": "decided-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from collections import Counter
from itertools import product

rng = random.Random(5)
cases = [[rng.choice(["a", "a", "b", "c", None]) for _ in range(rng.randint(1, 6))] for _ in range(60)]
for answers in [*cases, ["a"], [None], [None, None], ["a", "b"], ["a", "a", "a", "a", "b", "b"]]:
    n, expected = len(answers), len(answers)
    for i in range(n + 1):
        winners = set()
        for rest in product(["a", "b", "c", "new", None], repeat=n - i):  # everything that may still come
            counts = Counter(x for x in [*answers[:i], *rest] if x is not None)
            best = [x for x in counts if counts[x] == max(counts.values())]
            winners.add(best[0] if len(best) == 1 else "tie")
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

rng = random.Random(0)
for p in (0.2, 0.4, 0.6, 0.8, 0.95):
    used = [
        decided_after(["4" if rng.random() < p else rng.choice("012356789") for _ in range(40)]) for _ in range(200)
    ]
    print(f"p = {p:.2f}: {sum(used) / len(used):.1f} of 40 samples are drawn")

# %% [markdown] nbgrader={"grade": false, "grade_id": "think-between-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · Not too short, not too long  (difficulty 4 of 5 · 20 minutes · 16 points)
#
# The lesson cut a model's thinking, or made it wait. Here you hold it between two bounds. So that you see everything, the model is as small as can be:
# a table. `logits[last]` is the list of logits for the next token when the last token is `last`. Decoding is greedy: the token with the
# largest logit is taken, of equal ones the one with the smallest number. Write `think_between`:
#
# * **Thinking** begins after the prompt. The model writes tokens. It may write `end` only when `least` tokens of thinking stand there already; before that,
#   take the best of the others. It may never write `eos` while it thinks.
# * Thinking is over when the model writes `end`, or by force: as soon as `most` tokens of thinking stand there, `end` is written without asking the model.
# * **The answer** begins after `end`: greedy again, now with all tokens allowed, until `eos` is written or `max_answer` tokens stand there.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `logits` | list of V lists of V floats | `"ids"` | all new tokens: thinking, `end`, answer (with its `eos`) |
# | `prompt` | list of ints, not empty | `"n_thinking"` | int, tokens of thinking without `end` |
# | `end`, `eos` | ints, two different tokens | `"forced"` | bool: was `end` written by force? |
# | `least`, `most` | ints, `0 <= least <= most` | | |
# | `max_answer` | int, 1 or more | | |
#
# Leave `logits` and `prompt` as they are.
#
# Worked example: tokens 0, 1, 2, `end` = 3, `eos` = 4, and the table of the check below. `prompt = [0]`, `least = 2`, `most = 5`. After 0 the model wants `end`, which
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
    [0.0, 2.0, 1.0, 5.0, 0.0],
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
assert ids[1:2] != [3], "the second token is `end`, but only one token of thinking stands there; two are the least"
assert ids[:4] != [1, 2, 0, 1], (
    "after [1, 2, 0] the model wants `end` and may have it: the least is reached, not a fixed length"
)
assert ids[-1] == 4, f"the answer ends with `eos`, here 4, which is part of ids; got {ids}"
assert ids == [1, 2, 0, 3, 1, 4], f"worked example: expected ids [1, 2, 0, 3, 1, 4], got {ids}"
assert out["n_thinking"] == 3, f"three tokens stand before `end`, which is not counted: got {out['n_thinking']}"
assert out["forced"] is False, "the model wrote `end` by itself, so forced is False"
out = think_between(table, [0], 3, 4, 0, 5, 6)
assert out["ids"] == [3, 1, 4], f"least = 0 lets the model stop at once: expected [3, 1, 4], got {out['ids']}"
out = think_between(table, [1], 3, 4, 0, 2, 6)
assert out["ids"] != [2, 0, 1, 3, 1, 4], "most = 2, but three tokens of thinking were written"
assert out["ids"] == [2, 0, 3, 1, 4], f"most = 2 cuts after [2, 0]: expected [2, 0, 3, 1, 4], got {out['ids']}"
assert out["forced"] is True, "two tokens stood there and `end` was written without asking, so forced is True"
out = think_between(table, [0], 3, 4, 0, 0, 1)
assert out["ids"] == [3, 1], f"most = 0 and max_answer = 1: expected [3, 1], got {out['ids']}"
assert out["forced"] is True, "with most = 0 `end` is always written by force, also where the model wants it"
out = think_between(table, [3], 3, 4, 0, 1, 2)
assert out["ids"] == [1, 3, 1, 4], (
    f"a prompt may end in the token `end`; thinking begins after it all the same: expected [1, 3, 1, 4], got {out['ids']}"
)

# %% nbgrader={"grade": true, "grade_id": "think-between-hidden", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

rng = random.Random(7)
for trial in range(80):
    V = rng.randint(4, 8)
    logits = [[float(rng.randint(0, 6)) for _ in range(V)] for _ in range(V)]
    end, eos = rng.sample(range(V), 2)
    least = rng.randint(0, 4)
    most, max_answer = least + rng.randint(0, 4), rng.randint(1, 5)
    start = [rng.randrange(V) for _ in range(rng.randint(1, 3))]
    text, thinking, forced = list(start), [], False
    while True:
        if len(thinking) == most:
            forced = True
            break
        row = [x if i != eos and (i != end or len(thinking) >= least) else -1.0 for i, x in enumerate(logits[text[-1]])]
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
    assert list(out["ids"]) == thinking + answer, f"{what}: expected ids {thinking + answer}, got {out['ids']}"
    assert out["n_thinking"] == len(thinking), f"{what}: expected {len(thinking)} tokens of thinking"
    assert out["forced"] is forced, f"{what}: expected forced to be {forced}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "boxed-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · The last box  (difficulty 3 of 5 · 15 minutes · 12 points)
#
# Models that were trained on mathematics put their final answer into `\boxed{...}`, and a verifier has to find it in pages of LaTeX. How well it
# does this can move a benchmark by several points. Write `last_boxed`: the content of the last **complete** box.
#
# | in | | out | |
# |---|---|---|---|
# | `text` | str, anything | | str without blanks at its ends, or `None` if there is no complete box |
#
# * A box begins with the characters `\boxed{`, exactly so. It is complete if its brace is closed.
# * Braces may stand inside, as in `\boxed{\frac{1}{2}}`; they open and close in pairs.
# * `\{` and `\}` are signs, not braces: they open and close nothing.
# * A model that was cut off leaves its last box open. Then the last one that is complete counts.
# * Of several complete boxes, the one that **begins** last counts.
# * Never raise an exception, whatever the text is.
#
# Worked example: `so \boxed{2}? No: \boxed{ \frac{1}{2} }. Check \boxed{\frac{1` gives `\frac{1}{2}`.
#
# In Python write such a text as `r"\boxed{2}"`: the `r` keeps the backslash.
#
# *Stuck?* `hint("boxed")`


# %% nbgrader={"grade": false, "grade_id": "boxed", "locked": false, "schema_version": 3, "solution": true, "task": false}
def last_boxed(text: str) -> str | None:
    r"""The content of the last complete \boxed{...}; None if there is none."""
    ### BEGIN SOLUTION
    mark = "\\boxed{"
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
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "boxed-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
out = last_boxed(r"so \boxed{2}? No: \boxed{ \frac{1}{2} }.")
assert out is not None, "None came back although there are two complete boxes"
assert out != "2", "that is the first box; wanted is the last one"
assert out != r"\frac{1", "the box ended at the first closing brace; count how many are open"
assert out != r" \frac{1}{2} ", "blanks at the ends are to be taken away"
assert out == r"\frac{1}{2}", rf"two boxes: expected \frac{{1}}{{2}}, got {out}"
out = last_boxed(r"so \boxed{2}? No: \boxed{ \frac{1}{2} }. Check \boxed{\frac{1")
assert out is not None, "None came back because the last box is open; then the last complete one counts"
assert out != r"\frac{1", "the last box is not complete; it does not count"
assert out == r"\frac{1}{2}", rf"worked example: expected \frac{{1}}{{2}}, got {out}"
out = last_boxed(r"\boxed{\{1, 2\}}")
assert out == r"\{1, 2\}", rf"\{{ and \}} are signs: expected \{{1, 2\}}, got {out}"
out = last_boxed(r"the interval \boxed{ \left\{ x \right. }")
assert out == r"\left\{ x \right.", rf"\{{ alone opens nothing: expected \left\{{ x \right., got {out}"
out = last_boxed(r"{first} \boxed{7} and then {more}")
assert out == "7", f"braces outside of the box do not count: expected 7, got {out}"
for text in ("no box, 42", "", r"\boxed 7", r"\boxed{7", r"\fbox{7}", "}{"):
    out = last_boxed(text)
    assert out is None, f"{text!r} has no complete box: expected None, got {out!r}"
out = last_boxed(r"\boxed{}")
assert out == "", f"an empty box is complete: expected an empty text, got {out!r}"

# %% nbgrader={"grade": true, "grade_id": "boxed-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
for text, expected in [
    (r"\boxed{a{b{c}d}e}f}", "a{b{c}d}e"),
    (r"\boxed{1} \boxed{2} \boxed{3", "2"),
    (r"\boxed{1 + \boxed{2}", "2"),
    (r"\boxed{x} } } {", "x"),
    (r"\boxed{\}}", r"\}"),
    (r"\boxed{a\}", None),
    (r"\boxed{\text{yes}}\boxed{", r"\text{yes}"),
    ("\\boxed{two\nlines }", "two\nlines"),
    (r"\boxed{" * 50, None),
    (r"\boxed{\\}", "\\\\"),
    ("\\boxed{3}\\", "3"),
    ("\\boxed{3\\", None),
    (r"\Boxed{3}", None),
    (r"\boxed {3}", None),
]:
    out = last_boxed(text)
    assert out == expected, f"{text!r}: expected {expected!r}, got {out!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "think-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · In your own words  (difficulty 2 of 5 · 12 minutes · 11 points)
#
# The next sentence stands in a report: "Our model solves 31 % of the problems. With 64 samples it solves 99 %, so we will run it with 64
# samples in production." In five to eight sentences: which two quantities could the 99 % be, and what would have to exist in production for each of them to
# be reached? For which kind of mistakes does a vote not help at all (look at the table after exercise 4)? What does the last cell of exercise 5 say about
# the cost? Which three numbers would you ask for before you decide? Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "think-question", "locked": false, "points": 11, "schema_version": 3, "solution": true, "task": false}
# The 99 % may be pass@64, the chance that at least one of 64 answers is right, or the accuracy of a majority vote among 64. To reach pass@64 in
# production something must pick the right answer: a verifier that needs no key, such as tests for a program or the check of an equation. Without it
# pass@64 is a bound and no method. A vote needs no verifier, but answers that can be compared, and wrong answers that are spread out: a model
# that makes the same mistake in six of ten answers is at 0.4 with one answer, and its vote gets worse with every sample more, to 0
# with nine. Sixty-four samples cost about 64 times the tokens; stopping when the vote is decided saves a third to a half when the model is mostly right
# and little when it is not. I would ask for the accuracy of one answer and of the vote on held-out problems, the same with 4 and 16
# samples, and the cost per solved problem, tokens and seconds included.
#
# === BEGIN MARK SCHEME ===
# 3 points: names both pass@k (somebody must choose) and the vote, and does not mix them up.
# 2 points: says what each needs in production: a verifier without a key; comparable answers.
# 3 points: a repeated mistake is not outvoted, with a number from the table of exercise 4.
# 1 point: the cost, with what stopping early saves.
# 2 points: three useful numbers, at least one of them on held-out problems and one about cost.
# === END MARK SCHEME ===
