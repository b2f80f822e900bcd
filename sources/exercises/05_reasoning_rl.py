# %% [markdown] nbgrader={"grade": false, "grade_id": "rl-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 05 · Reinforcement learning: the choices beside GRPO
#
# Eight functions and one question in words, 100 points; the printed times sum to 146 minutes. None of them is a function that the lesson
# prints: each is a sibling. You will take another baseline, decide which tokens count, clip whole answers instead of tokens,
# measure the exact distance to the starting model, design a reward, look for holes in verifiers, find the moment at which a run
# cheats, and let one frozen matrix serve many tasks through small ones. Nothing is trained here, and every cell takes a moment.
#
# `hint("leave-one-out")` prints one hint for the exercise with that name, the next call prints the next. The name is the one
# in the line *Stuck?* of each exercise. `racecourse check 05_reasoning_rl` says what your work earns so far.
#
# **Words.** The *policy* is the model that is trained. An *answer* is what it writes to a prompt; a *group* is several answers to
# the same prompt. A *verifier* is a rule that looks at an answer; what it pays is the *reward*. The *advantage* of an answer says
# how much better it was than something it is compared with, the *baseline*. A *logit* is the number that the model gives to a
# possible next token; *softmax* turns the logits of one place into probabilities. A *log-probability* is the logarithm of the probability
# that the model gave to a token, to base e. *Old* is the policy that wrote the answers, *new* the one that is being trained. A *mask* is True for the
# tokens that count.
#
# **Letters for shapes**: `P` prompts; `G` answers to each, a group; `B` answers in all, one row each; `T` tokens of an answer;
# `V` size of the vocabulary. In exercise 8 a matrix has `N` rows and `D` columns; what else is needed there, its own table says. A tensor's
# name ends in its shape: `rewards_PG` has one row of `G` numbers per prompt.

# %% nbgrader={"grade": false, "grade_id": "rl-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "rl-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Skip this cell; the exercises and their checks use its numbers.
KL_MEAN = "tokens"  # over what exact_kl takes its mean; one of: "tokens", "rows", "sums of rows"
WRONG = -1  # what a wrong answer is paid in shaped_reward; one of: -1, 0, -0.25, -0.5, -2
LEAST = 1e-9  # unearned pay up to this is no hole; one of: 1e-9, 0.02, 0.05, 0.1
RISE = 0  # by more than this the pay must have risen in first_hack; one of: 0, 0.02, 0.03, 0.05, 0.06
SCALING = "r"  # what alpha is divided by in ManyLoRA; one of: "r", "root of r", "nothing"
RIGHT_PERCENT = 35  # of the base's answers in the question in words; one of: 30, 35, 40

# %% [markdown] nbgrader={"grade": false, "grade_id": "rl-given-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The checks compare numbers with the function of the next cell: equal shapes, and equal up to rounding. Nothing in it is graded.


# %% nbgrader={"grade": false, "grade_id": "rl-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def near(a: Tensor, b: object, tolerance: float = 3e-4) -> bool:
    """Equal shapes, and equal numbers up to rounding. NaN equals nothing."""
    b = torch.as_tensor(b, dtype=torch.float32)
    return a.shape == b.shape and torch.allclose(a.detach().float(), b, rtol=0.0, atol=tolerance)


print(near(torch.tensor([1.0, 2.0]), [1.0, 2.00001]), near(torch.tensor([1.0, 2.0]), [1.0, 2.1]))


# %% [markdown] nbgrader={"grade": false, "grade_id": "leave-one-out-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Leave one out  (difficulty 2 of 5 · 12 minutes · 10 points)
#
# GRPO compares an answer with the mean of its group. But the answer is part of that mean, so it is compared with itself too. RLOO
# ("REINFORCE leave one out", arXiv 2402.14740) takes the mean of the **other** answers to the same prompt. Write `leave_one_out`:
# reward minus the mean reward of the other answers of the same group. Nothing is divided by a standard deviation.
#
# Some answers may not count, for example because they were cut off at the limit. `valid_PG` says which do. An answer that is not
# valid gets advantage 0, and no other answer is compared with it. A valid answer that has no other valid answer
# in its group has nothing to be compared with: 0 too.
#
# | in | | out | |
# |---|---|---|---|
# | `rewards_PG` | float; leave it as it is | `advantages_PG` | float, finite |
# | `valid_PG` | bool, or `None`: all are valid | | |
#
# Worked example: rewards `[[0.9, 0.2, 0.4], [0.2, 1.0, 1.0]]`. In the first group the others of 0.9 have the mean 0.3, those of
# 0.2 the mean 0.65, those of 0.4 the mean 0.55: `[0.6, -0.45, -0.15]`. In the second group: `[-0.8, 0.4, 0.4]`. If the third
# answer of the first group is not valid, its row is `[0.7, -0.7, 0]`.
#
# Before you write: reward minus the mean of the whole group would be `[0.4, -0.3, -0.1]` in the first row. By what factor is yours larger,
# and what will it be for a group of 8?
#
# *Stuck?* `hint("leave-one-out")`


# %% nbgrader={"grade": false, "grade_id": "leave-one-out", "locked": false, "schema_version": 3, "solution": true, "task": false}
def leave_one_out(rewards_PG: Tensor, valid_PG: Tensor | None = None) -> Tensor:
    """Reward minus the mean of the other valid answers of the same group; 0 where there is nothing to compare."""
    ### BEGIN SOLUTION
    if valid_PG is None:
        valid_PG = torch.ones_like(rewards_PG, dtype=torch.bool)
    paid_PG = rewards_PG * valid_PG
    n_others_P1 = valid_PG.sum(dim=1, keepdim=True) - 1
    baseline_PG = (paid_PG.sum(dim=1, keepdim=True) - paid_PG) / n_others_P1.clamp(min=1)
    return (rewards_PG - baseline_PG) * (valid_PG & (n_others_P1 > 0))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "leave-one-out-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
two_groups = torch.tensor([[0.9, 0.2, 0.4], [0.2, 1.0, 1.0]])
given = two_groups.clone()
out = leave_one_out(given)
assert out is not None, "nothing came back: end your function with `return ...`"
assert torch.equal(given, two_groups), "the rewards that came in were changed; make a new tensor"
assert out.shape == (2, 3), f"one advantage per answer: expected the shape (2, 3), got {tuple(out.shape)}"
first = out[0, 0].item()
assert abs(first + 0.6) > 1e-4, "the sign is flipped: 0.9 is better than the others, so its advantage is positive"
assert abs(first - 0.9) > 1e-4 or abs(out[0, 1].item() - 0.2) > 1e-4, "those are the rewards; take the baseline away"
assert abs(first - 0.3) > 1e-4, "0.3 is the baseline of the first answer; wanted is reward minus baseline"
assert abs(first - 0.4) > 1e-4, "0.4: the baseline of an answer holds the answer itself; leave it out"
assert abs(first - 0.7) > 1e-4 or abs(out[0, 1].item() + 0.7 / 3) > 1e-4, (
    "0.70 and -0.23: the sum of the others was divided by G; they are one fewer, divide by the G - 1 others"
)
assert not any(abs(first - x) < 1e-4 for x in (0.7, 0.35)), (
    f"{first:.2f}: the first answer was compared with its column, answers to another prompt; a group is a row (dim=1)"
)
assert not any(abs(first - x) < 1e-4 for x in (0.34, 0.9 - 3.7 / 6)), (
    f"{first:.3f}: the baseline is made from the whole batch; only answers to the same prompt belong in it"
)
assert first < 1, f"{first:.2f}: more than any reward differs from another; nothing is divided by a standard deviation"
assert near(out, [[0.6, -0.45, -0.15], [-0.8, 0.4, 0.4]]), f"worked example: got {out.tolist()}"
counts = torch.tensor([[True, True, False], [False, True, False]])
out = leave_one_out(given, counts)
assert torch.equal(given, two_groups), "with valid_PG the rewards that came in were changed; make a new tensor"
assert torch.isfinite(out).all(), f"a group with one valid answer divides by 0: no nan is wanted, got {out.tolist()}"
assert abs(out[0, 0].item() - 0.6) > 1e-4, "0.6: the third answer is not valid, but still stands in the baseline"
assert abs(out[0, 0].item() - 0.8) > 1e-4, "0.8: divide by the number of other VALID answers, here 1"
assert out[0, 2].item() == 0, f"an answer that is not valid gets advantage 0, got {out[0, 2]:.2f}"
assert near(out[0], [0.7, -0.7, 0.0]), f"the third is not valid: expected [0.7, -0.7, 0], got {out[0].tolist()}"
assert near(out[1], [0.0, 0.0, 0.0]), (
    f"one valid answer alone in its group: 0, it has nothing to be compared with; got {out[1].tolist()}"
)

# %% nbgrader={"grade": true, "grade_id": "leave-one-out-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

generator = torch.Generator().manual_seed(3)
for P, G in [(5, 4), (1, 7), (6, 2), (3, 8)]:
    rewards = torch.randn(P, G, generator=generator) * 3
    for share in (1.1, 0.6, 0.2):
        valid = torch.rand(P, G, generator=generator) < share
        expected = torch.zeros(P, G)
        for p in range(P):
            for g in range(G):
                others = [rewards[p, h].item() for h in range(G) if h != g and valid[p, h]]
                if valid[p, g] and others:
                    expected[p, g] = rewards[p, g].item() - sum(others) / len(others)
        out = leave_one_out(rewards.clone(), valid.clone())
        assert out.shape == (P, G) and torch.allclose(out, expected, atol=1e-4), (
            f"rewards {rewards.tolist()}, valid {valid.tolist()}: expected {expected.tolist()}, got {out.tolist()}"
        )
        if valid.all():
            alone = leave_one_out(rewards.clone())
            what = f"rewards {rewards.tolist()}, no valid_PG, so that all {G} are valid and each has {G - 1} others"
            assert torch.allclose(alone, expected, atol=1e-4), f"{what}: expected {expected.tolist()}, got {alone.tolist()}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "leave-one-out-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It answers the guess: how much larger is a leave-one-out advantage than reward minus the mean of the whole group?

# %% nbgrader={"grade": false, "grade_id": "leave-one-out-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for G in (2, 3, 8, 64):
    rewards = (torch.arange(G) % 2 == 0).float()[None]
    ratio = leave_one_out(rewards)[0, 0] / (rewards - rewards.mean(1, keepdim=True))[0, 0]
    print(f"G = {G:2}: {ratio:.3f} times, G / (G - 1) = {G / (G - 1):.3f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "written-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · What the model wrote  (difficulty 2 of 5 · 10 minutes · 9 points)
#
# A batch is written in step: all rows get tokens until the last row is done. A row that wrote its *end token* earlier goes on with junk, which
# nobody asked for and which must not be learned from. The end token itself is the model's own: stopping is something to be learned. Many models have more
# than one end token. Write `written_mask`: True for every token up to **and including** the first end token of its row.
#
# A row without an end token was cut off at the limit. Its verdict says little about it, so DAPO (arXiv 2503.14476) leaves it out
# as a whole ("overlong filtering"): with `drop_unended=True` such a row is False everywhere. A row whose very last token is an end token did end.
#
# | in | | out | |
# |---|---|---|---|
# | `ids_BT` | ints, tokens as sampled | `mask_BT` | bool |
# | `ends` | list of ints, one or more: the end tokens | | |
# | `drop_unended` | bool | | |
#
# Worked example: `ends = [7, 9]`. The row `[4, 2, 7, 7, 1, 7]` gives `[T, T, T, F, F, F]`, the row `[5, 9, 3, 7, 7, 0]` gives
# `[T, T, F, F, F, F]`. The row `[1, 2, 3, 4, 5, 6]` is True everywhere, or False everywhere with `drop_unended`.
#
# Before you write: if the end token were left out of the mask, which habit could the policy never be taught?
#
# *Stuck?* `hint("written")`


# %% nbgrader={"grade": false, "grade_id": "written", "locked": false, "schema_version": 3, "solution": true, "task": false}
def written_mask(ids_BT: Tensor, ends: list[int], drop_unended: bool = False) -> Tensor:
    """True up to and including the first end token; rows without one are True, or False with `drop_unended`."""
    ### BEGIN SOLUTION
    is_end_BT = torch.isin(ids_BT, torch.tensor(ends, device=ids_BT.device))
    n_before_BT = is_end_BT.long().cumsum(dim=1) - is_end_BT.long()
    mask_BT = n_before_BT == 0
    if drop_unended:
        mask_BT = mask_BT & is_end_BT.any(dim=1, keepdim=True)
    return mask_BT
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "written-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
sampled = torch.tensor(
    [[4, 2, 7, 7, 1, 7], [9, 3, 3, 7, 3, 3], [1, 2, 3, 4, 5, 6], [5, 9, 3, 7, 7, 0], [1, 1, 4, 1, 1, 7]]
)
out = written_mask(sampled.clone(), [7, 9])
assert out is not None, "nothing came back: end your function with `return ...`"
assert out.shape == (5, 6), f"one value per token: expected the shape (5, 6), got {tuple(out.shape)}"
assert out.dtype == torch.bool, f"the mask is True or False, torch.bool; got {out.dtype}"
rows = out.int().tolist()
assert rows[0] != [1, 1, 0, 0, 0, 0], "the first end token is left out; the model wrote it, so it counts"
assert rows[3] != [1, 1, 1, 1, 1, 1], "nothing is masked in row 3; what follows its end token (9, at place 1) is junk"
assert rows[3] != [1, 1, 1, 1, 1, 0], "row 3 goes on to its LAST end token; the first one, 9 at place 1, ends it"
assert rows[0] != [1, 1, 1, 1, 1, 1], "row 0 goes on past 7: that is an end token too, not only the last of `ends`"
assert rows[0] != [1, 1, 1, 1, 0, 0], "row 0 goes on for one token too many: what follows the end token is junk"
assert rows[0] != [1, 1, 0, 0, 1, 0], "only the end tokens are masked; all that follows the first of them is junk too"
assert rows[0] == [1, 1, 1, 0, 0, 0], f"row 0: expected [1, 1, 1, 0, 0, 0], got {rows[0]}"
assert rows[1] != [1, 1, 1, 0, 0, 0], (
    "row 1 goes on from its first end token, 9, up to its second, 7: with `cumsum <= 1` the junk between the two counts too"
)
assert rows[2] != [1, 0, 0, 0, 0, 0], "row 2 has no end token: argmax gives 0 there, but nothing ended at place 0"
assert rows[2] == [1, 1, 1, 1, 1, 1], f"row 2 has no end token, so all of it was written; got {rows[2]}"
assert rows[3] == [1, 1, 0, 0, 0, 0], f"row 3 ends with 9, the other end token, at place 1; got {rows[3]}"
assert rows[1] == [1, 0, 0, 0, 0, 0], f"row 1 ends at once, with 9: expected [1, 0, 0, 0, 0, 0], got {rows[1]}"
assert rows[4] == [1, 1, 1, 1, 1, 1], f"row 4 ends with its last token: all of it counts, got {rows[4]}"
rows = written_mask(sampled.clone(), [7, 9], drop_unended=True).int().tolist()
assert any(rows[1]), "row 1 did end, at its first token; what it ends with now is junk. Only row 2 is to be dropped"
assert any(rows[4]), "row 4 did end, with its very last token; it is not to be dropped"
assert not any(rows[2]), f"row 2 never ended: with drop_unended all of it is False, got {rows[2]}"
assert rows[0] == [1, 1, 1, 0, 0, 0], f"row 0 ended and stays as it was, got {rows[0]}"
for ends, row, expected in (([7, 9, 4], 2, [1, 1, 1, 1, 0, 0]), ([5], 3, [1, 0, 0, 0, 0, 0])):
    rows = written_mask(sampled.clone(), ends).int().tolist()
    assert rows[row] == expected, (
        f"ends = {ends}, one or more, and all count; row {row}: expected {expected}, got {rows[row]}"
    )

# %% nbgrader={"grade": true, "grade_id": "written-hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

generator = torch.Generator().manual_seed(8)
for B, T, ends in [(7, 5, [2]), (1, 9, [0, 3]), (40, 8, [1, 4, 5]), (6, 1, [3, 1])]:
    ids = torch.randint(0, 8, (B, T), generator=generator)
    if B > 1:  # one row ends with its very last token, whatever the seed
        ids[0, :-1], ids[0, -1] = 7, ends[0]
    for drop in (False, True):
        expected = []
        for row in ids.tolist():
            places = [t for t, token in enumerate(row) if token in ends]
            n = places[0] + 1 if places else (0 if drop else T)
            expected.append([True] * n + [False] * (T - n))
        out = written_mask(ids.clone(), list(ends), drop)
        assert out.shape == (B, T), f"one entry for each id: expected {(B, T)}, got {tuple(out.shape)}"
        for row, right, said in zip(ids.tolist(), expected, out.tolist(), strict=True):
            what = f"ids {row}, ends {ends}, drop_unended {drop}"
            assert said == right, f"{what}: expected {list(map(int, right))}, got {list(map(int, said))}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "sequence-ratio-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · One ratio for a whole answer  (difficulty 4 of 5 · 22 minutes · 13 points)
#
# GRPO compares new and old policy token by token, and clips single tokens. But it is the whole answer that was rewarded. GSPO (arXiv
# 2507.18071, used for Qwen3) takes **one** ratio per answer: e to the power of the **mean**, over its written tokens, of (new minus old
# log-probability). Then it goes on as you know it: the objective of an answer is the smaller of `ratio * A` and `clipped ratio * A`,
# where clipped means held between `1 - clip_low` and `1 + clip_high` and `A` is its advantage; the loss is **minus** the mean of the objective over the `B` rows. Write `gspo_loss`.
#
# | in | | out | |
# |---|---|---|---|
# | `logprobs_BT` | float: log-probabilities by the new policy | loss | tensor without dimensions |
# | `old_logprobs_BT` | float: by the old policy | | |
# | `advantages_B` | float | | |
# | `mask_BT` | bool; there may be gaps, such as the output of a tool | | |
# | `clip_low`, `clip_high` | floats | | |
#
# * Gradients flow to `logprobs_BT` and never to `old_logprobs_BT`, even if you are given the same tensor twice (in the first
#   update of a batch old and new are the same).
# * What stands where the mask is False means nothing. It may be minus infinity, in one of the two or in both.
# * A row whose mask is False everywhere counts 0, and is still one of the `B` rows.
#
# Worked example, `clip_low = 0.1`, `clip_high = 0.15`:
#
# | row | new minus old | mean | ratio | clipped | A | ratio · A | clipped · A | the smaller |
# |---|---|---|---|---|---|---|---|---|
# | 0 | 0.3, 0.1 | 0.2 | 1.2214 | 1.15 | 2 | 2.4428 | 2.3 | 2.3 |
# | 1 | -0.5, -0.1, -0.3, -0.3 | -0.3 | 0.7408 | 0.9 | -1 | -0.7408 | -0.9 | -0.9 |
# | 2 | 0.05 | 0.05 | 1.0513 | 1.0513 | 0.5 | 0.5256 | 0.5256 | 0.5256 |
# | 3 | 0.5, 0.3, 0.1 | 0.3 | 1.3499 | 1.15 | -0.5 | -0.6749 | -0.575 | -0.6749 |
#
# The mean of the last column is 0.3127, so the loss is -0.3127.
#
# Before you write: in which of the four rows is the gradient 0? (The paper's clips are 0.0003 and 0.0004: a mean over many tokens moves little.)
#
# *Stuck?* `hint("sequence-ratio")`


# %% nbgrader={"grade": false, "grade_id": "sequence-ratio", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gspo_loss(
    logprobs_BT: Tensor,
    old_logprobs_BT: Tensor,
    advantages_B: Tensor,
    mask_BT: Tensor,
    clip_low: float,
    clip_high: float,
) -> Tensor:
    """Minus the mean over rows of the clipped objective, with one ratio per row."""
    ### BEGIN SOLUTION
    change_BT = torch.where(mask_BT, logprobs_BT - old_logprobs_BT.detach(), 0.0)
    n_written_B = mask_BT.sum(dim=1)
    ratio_B = (change_BT.sum(dim=1) / n_written_B.clamp(min=1)).exp()
    clipped_B = ratio_B.clamp(1 - clip_low, 1 + clip_high)
    objective_B = torch.minimum(ratio_B * advantages_B, clipped_B * advantages_B)
    return -(objective_B * (n_written_B > 0)).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sequence-ratio-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
written = torch.arange(5) < torch.tensor([[2], [4], [1], [3]])
moved = torch.tensor(
    [[0.3, 0.1, 0.9, -0.4, 0.6], [-0.5, -0.1, -0.3, -0.3, 0.8], [0.05, 0.7, 0.7, -0.2, 0.4], [0.5, 0.3, 0.1, -0.9, 0.2]]
)
before = torch.tensor([[-1.0], [-2.0], [-0.7], [-1.5]]).repeat(1, 5)
paid = torch.tensor([2.0, -1.0, 0.5, -0.5])
after = (before + moved).requires_grad_(True)
old = before.clone().requires_grad_(True)
out = gspo_loss(after, old, paid, written, 0.1, 0.15)
assert out is not None, "nothing came back: end your function with `return ...`"
assert out.shape == (), f"the loss is one number, a tensor without dimensions; got the shape {tuple(out.shape)}"
assert not near(out, 0.3127), "the sign is flipped: a loss is made small, so it is minus the objective"
assert not near(out, -0.4132), "-0.4132: you took the larger of the two products; wanted is the smaller (minimum)"
assert not near(out, -0.3882), "-0.3882: nothing is clipped"
assert not near(out, -0.3377), "-0.3377: only the clipped product is used; wanted is the smaller of the two"
assert not near(out, -0.2877), "-0.2877: clipped at 1 + clip_low; upwards the limit is 1 + clip_high"
assert not near(out, -0.3252), "-0.3252: clipped at 1 - clip_high; downwards the limit is 1 - clip_low"
assert not near(out, -0.3002), "-0.3002: clip_low and clip_high are swapped"
assert not near(out, -0.1740), "-0.1740: the exponent is a sum; wanted is the mean over the written tokens"
assert not near(out, -0.3579), "-0.3579: the mask is missing: tokens that were not written count as well"
assert not near(out, -0.2932), "-0.2932: the sum is divided by T; divide by the number of written tokens of each row"
assert not near(out, -0.3104), "-0.3104: mean of the tokens' ratios; take the mean of the differences first, then exp"
assert not near(out, -0.2989), "-0.2989: every token has its own ratio and clip, as in GRPO; wanted is one per row"
assert not near(out, -0.2538), "-0.2538: there is one ratio for the whole batch; wanted is one per row"
assert not near(out, -0.0783), "-0.0783: the ratio is upside down; it is new over old"
assert not near(out, -1.2507), "-1.2507: summed over the rows; wanted is the mean"
assert not near(out, 0.0499), "0.0499: long rows count more; every row counts the same"
assert not near(out, 0.2312), "0.2312: exp is missing; the ratio is e to the power of the mean"
assert not near(out, 0.2602), (
    "0.2602: clamped to clip_low and clip_high themselves; the limits are 1 - clip_low and 1 + clip_high"
)
assert not near(out, -0.3775), (
    "-0.3775: smaller ratio times A; multiply both ratios by A first, then take the smaller product"
)
assert near(out, -0.3127), f"worked example: expected -0.3127, got {out.item():.4f}"
assert out.requires_grad, "no gradient can flow back to logprobs_BT; leave out detach, item and no_grad there"
out.backward()
assert old.grad is None or not old.grad.any(), "a gradient flows to old_logprobs_BT; detach it"
flat = [not row.any() for row in after.grad]
assert flat == [True, True, False, False], f"the gradient is 0 in rows 0 and 1, which are clipped; got {flat}"
same = before.clone().requires_grad_(True)
gspo_loss(same, same, paid, written, 0.1, 0.15).backward()
assert same.grad.any(), "the same tensor as new and old: the gradients cancel to 0 because old is not detached"
unused = torch.full((4, 5), -math.inf).masked_fill(written, -1.0)
out = gspo_loss(unused, unused, paid, written, 0.1, 0.15)
assert not out.isnan(), "nan: -inf minus -inf is nan, and nan times 0 stays nan; use torch.where with the mask"
assert near(out, -0.25), (
    f"all ratios are 1, so the loss is minus the mean advantage: expected -0.25, got {out.item():.4f}"
)
out = gspo_loss(after, old, paid, written & torch.tensor([[True], [True], [False], [True]]), 0.1, 0.15)
assert not out.isnan(), "nan: row 2 has no written token, so you divide by 0; use clamp(min=1)"
assert not near(out, -0.3063), "-0.3063: row 2 has no written token and must count 0; its ratio of 1 still earns A"
assert not near(out, -0.2417), "-0.2417: row 2 has no written token, but it is still one of the 4 rows"
assert near(out, -0.1813), f"row 2 counts 0: expected -0.1813, got {out.item():.4f}"
for one_side in ((unused, before), (before, unused)):
    out = gspo_loss(*one_side, paid, written, 0.1, 0.15)
    assert torch.isfinite(out), (
        "-inf stands in only one of old and new, so new minus old is inf: torch.where with the mask"
    )
gaps = torch.tensor([[1, 0, 1, 0, 0], [1, 1, 0, 1, 0], [0, 0, 0, 1, 0], [0, 1, 0, 1, 1]]) == 1
out = gspo_loss(after, old, paid, gaps, 0.1, 0.15)
assert not near(out, -0.3127), (
    "-0.3127: the mask has gaps now; you took the first n tokens of a row, not those of the mask"
)
assert not near(out, -0.3636), "-0.3636: the mask has gaps now; what stands in a gap does not count"
assert near(out, -0.3398), f"a mask with gaps: expected -0.3398, got {out.item():.4f}"

# %% nbgrader={"grade": true, "grade_id": "sequence-ratio-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import math

import torch

generator = torch.Generator().manual_seed(5)
for B, T, low, high in [(30, 7, 0.1, 0.3), (3, 10, 0.02, 0.01), (40, 4, 0.3, 0.05)]:
    old = -3 * torch.rand(B, T, generator=generator)
    new = (old + 0.5 * torch.randn(B, T, generator=generator)).requires_grad_(True)
    advantages = torch.randn(B, generator=generator)
    mask = torch.rand(B, T, generator=generator) < 0.6
    mask[0] = False
    total, slopes = 0.0, torch.zeros(B, T)
    for b in range(B):
        places = [t for t in range(T) if mask[b, t]]
        if places:
            ratio = math.exp(sum((new[b, t] - old[b, t]).item() for t in places) / len(places))
            a, held = advantages[b].item(), min(max(ratio, 1 - low), 1 + high)
            total += min(ratio * a, held * a)
            if ratio * a <= held * a:
                for t in places:
                    slopes[b, t] = -ratio * a / len(places) / B
    out = gspo_loss(new, old.clone(), advantages, mask, low, high)
    assert abs(out.item() + total / B) < 1e-4, f"B = {B}, T = {T}: expected {-total / B}, got {out.item()}"
    out.backward()
    assert torch.allclose(new.grad, slopes, atol=1e-5), f"B = {B}, T = {T}: the gradient differs from the one by hand"
    first = new.detach().clone().requires_grad_(True)
    gspo_loss(first, first, advantages, mask, low, high).backward()
    expected = -(advantages[:, None] * mask) / mask.sum(1, keepdim=True).clamp(min=1) / B
    assert torch.allclose(first.grad, expected, atol=1e-5), "first update: the gradient is -A / (n * B) per token"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "exact-kl-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · The exact distance, and a cheaper one  (difficulty 4 of 5 · 24 minutes · 13 points)
#
# The lesson estimated the distance to the *reference* (the model that training began with) from the written tokens. If you have all
# logits, you need no estimate. At one place, with probabilities `p` of the policy and `q` of the reference,
#
# KL(p || q) = Σ over all V tokens of `p * ln(p / q)`, in *nats* (the logarithm has base e).
#
# The order matters: the policy comes first, and the sum is weighted with **its** probabilities. Write `exact_kl`: the mean of KL(policy || reference)
# <% if KL_MEAN == "tokens" %>
# over all written tokens, each of them counted alike.
# <% elif KL_MEAN == "rows" %>
# over the written tokens of each row, and then the mean of these over the rows: every answer counts alike, however long it is.
# <% else %>
# over the rows, where a row counts the **sum** of KL over its written tokens: how far a whole answer is from the reference.
# <% endif %>
#
# * **Temperature.** Both models' logits are divided by `temperature` before the softmax, because that is what tokens were drawn from.
# * **Top.** With a vocabulary of 150,000 tokens one may not want to keep all numbers of the reference. With `top = k` only `k + 1` outcomes are
#   compared at each place: the `k` tokens that the **policy** finds likeliest, each by itself, and all other tokens thrown
#   together into one, whose probability is the sum of theirs, in both models.
#
# | in | | out | |
# |---|---|---|---|
# | `logits_BTV`, `ref_logits_BTV` | float, may be in the thousands; not probabilities: softmax comes first | KL | tensor without dimensions, in nats |
# | `mask_BT` | bool, True at least once<< "" if KL_MEAN == "tokens" else " in every row" >> | | |
# | `temperature` | float above 0 | | |
# | `top` | `None` (all tokens), or an int, `1 <= top < V` | | |
#
# Gradients flow to `logits_BTV`. No two tokens tie for a place among the `k`.
#
# Worked example, one place, three tokens: p = `[0.7, 0.2, 0.1]`, q = `[0.2, 0.3, 0.5]`. KL is 0.7 ln 3.5 + 0.2 ln(2/3) + 0.1 ln 0.2 =
# 0.877 - 0.081 - 0.161 = **0.635**. With `top = 1` the outcomes are token 0 and the rest: p = `[0.7, 0.3]`, q = `[0.2, 0.8]`, and
# 0.7 ln 3.5 + 0.3 ln 0.375 = 0.877 - 0.294 = **0.583**.
#
# Before you write: can throwing tokens together ever make KL larger?
#
# *Stuck?* `hint("exact-kl")`


# %% nbgrader={"grade": false, "grade_id": "exact-kl", "locked": false, "schema_version": 3, "solution": true, "task": false}
def exact_kl(
    logits_BTV: Tensor, ref_logits_BTV: Tensor, mask_BT: Tensor, temperature: float = 1.0, top: int | None = None
) -> Tensor:
    # variant: if KL_MEAN == "tokens"
    """Mean over written tokens of KL(policy || reference) in nats; with `top`, of its k likeliest tokens and the rest."""
    # variant: else
    """KL(policy || reference) in nats, the mean over rows; with `top`, of its k likeliest tokens and the rest."""
    # variant: endif
    ### BEGIN SOLUTION
    logp_BTV = (logits_BTV / temperature).log_softmax(dim=-1)
    logq_BTV = (ref_logits_BTV / temperature).log_softmax(dim=-1)
    if top is not None:
        order_BTV = logp_BTV.argsort(dim=-1, descending=True)

        def thrown_together(log_BTV: Tensor) -> Tensor:
            ranked_BTV = log_BTV.gather(-1, order_BTV)
            rest_BT1 = ranked_BTV[..., top:].logsumexp(dim=-1, keepdim=True)
            return torch.cat((ranked_BTV[..., :top], rest_BT1), dim=-1)

        logp_BTV, logq_BTV = thrown_together(logp_BTV), thrown_together(logq_BTV)
    kl_BT = (logp_BTV.exp() * (logp_BTV - logq_BTV)).sum(dim=-1)
    # variant: if KL_MEAN == "tokens"
    return kl_BT[mask_BT].mean()
    # variant: elif KL_MEAN == "rows"
    return ((kl_BT * mask_BT).sum(dim=1) / mask_BT.sum(dim=1)).mean()
    # variant: else
    return (kl_BT * mask_BT).sum(dim=1).mean()
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "exact-kl-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
policy = torch.tensor([[[7.0, 2.0, 1.0]]]).log().requires_grad_(True)
reference = torch.tensor([[[4.0, 6.0, 10.0]]]).log()
one = torch.tensor([[True]])
out = exact_kl(policy, reference, one)
assert out is not None, "nothing came back: end your function with `return ...`"
assert out.shape == (), f"one number, a tensor without dimensions; got the shape {tuple(out.shape)}"
assert not near(out, 0.6758), (
    "0.6758 is KL(reference || policy): the wrong direction. Weight with the policy's probabilities: sum of p * ln(p / q)"
)
assert not near(out, -0.6349), "-0.6349: the fraction is upside down; it is p * ln(p / q), and KL is never negative"
assert not near(out, -0.5825), "-0.5825: these are logits, not log-probabilities; use log_softmax over V first"
assert not near(out, -0.0582), "-0.0582: the logarithms are of raw logits; use log_softmax for both models"
assert not near(out, 0.9160), "0.9160 is in bits; take the logarithm to base e"
assert not near(out, 0.2116), "0.2116 is the mean over the vocabulary; it is a sum, already weighted with p"
assert near(out, 0.6349), f"worked example: expected 0.6349, got {out.item():.4f}"
assert out.requires_grad, "no gradient can flow back to logits_BTV; leave out detach, item and no_grad there"
out.backward()
assert not near(policy.grad, [[[0.0, 0.0, 0.0]]]), "the gradient is 0: p, the weight in the sum, must not be detached"
assert near(policy.grad, [[[0.4325, -0.2081, -0.2244]]]), (
    f"the value is right, but its gradient is not: expected [0.4325, -0.2081, -0.2244], got {policy.grad.flatten().tolist()}"
)
out = exact_kl(policy, reference, one, temperature=0.5)
assert not near(out, 0.6349), "temperature = 0.5 changed nothing"
assert not near(out, 0.1736), "0.1736: the logits were multiplied by the temperature; divide"
assert not near(out, 1.2076), "1.2076: only the policy got the temperature; the reference has the same"
assert not near(out, 1.2698), "1.2698: the KL was divided by the temperature; divide the logits, before the softmax"
assert near(out, 1.8025), f"temperature = 0.5: expected 1.8025, got {out.item():.4f}"
out = exact_kl(policy, reference, one, top=1)
assert not near(out, 0.6349), "top = 1 changed nothing"
assert not near(out, 0.8769), "0.8769: the rest is left out; all other tokens together are one more outcome"
assert not near(out, 0.0), "0: the k tokens were made to sum to 1 again; the others are one more outcome instead"
assert not near(out, 0.7298), "0.7298: the rest has the mean of its tokens' probabilities; wanted is their sum"
assert not near(out, 0.8366), (
    "0.8366: the logarithms of the rest were added up; add probabilities, then take the logarithm (logsumexp)"
)
assert not near(out, 0.7344), (
    "0.7344: the rest has the mean of its log-probabilities; add probabilities, then take the logarithm (logsumexp)"
)
assert near(out, 0.5827), f"top = 1: expected 0.5827, got {out.item():.4f}"
out = exact_kl(policy, reference, one, temperature=0.5, top=1)
assert not near(out, 0.5827), "with top = 1, temperature = 0.5 changed nothing; one call may ask for both"
assert not near(out, 1.9716), (
    "1.9716: the tokens were thrown together first; the temperature comes before everything else"
)
assert near(out, 1.7447), f"temperature = 0.5 and top = 1: expected 1.7447, got {out.item():.4f}"
four = torch.tensor([[[0.15, 0.5, 0.1, 0.25]]]).log(), torch.tensor([[[0.3, 0.1, 0.4, 0.2]]]).log()
out = exact_kl(*four, one, top=2)
assert not near(out, 0.5121), "0.5121: those are the first two tokens; take the two that the policy finds likeliest"
assert not near(out, 0.4446), "0.4446: those are the reference's two likeliest tokens; take the policy's"
assert not near(out, 0.0204), "0.0204: each model got its own two tokens; both must be looked up at the policy's"
assert near(out, 0.6031), f"top = 2 of four tokens: expected 0.6031, got {out.item():.4f}"
a, b = [0.15, 0.5, 0.1, 0.25], [0.3, 0.1, 0.4, 0.2]  # KL 0.6179
c, d = [0.1, 0.1, 0.7, 0.1], [0.25, 0.25, 0.25, 0.25]  # KL 0.4458
e, f = [0.01, 0.01, 0.01, 0.97], [0.97, 0.01, 0.01, 0.01]  # KL 4.39, not written
six = torch.tensor([[a, c, a], [c, e, e]]).log(), torch.tensor([[b, d, a], [d, f, f]]).log()
wrote = torch.tensor([[True, True, True], [True, False, False]])
out = exact_kl(*six, wrote)
# variant: if KL_MEAN == "tokens"
assert not near(out, 1.7153, 2e-3), "1.7153: the mask is missing: places that were not written count as well"
assert not near(out, 0.2516), "0.2516: the sum is divided by B * T; divide by the number of written tokens"
assert not near(out, 0.4002), "0.4002: mean of each row first, then over rows; every written token counts alike"
assert not near(out, 0.7548), "0.7548: summed along each row; wanted is the mean over the written tokens"
assert near(out, 0.3774), f"four written tokens, KL 0.6179, 0.4458, 0 and 0.4458: expected 0.3774, got {out.item():.4f}"
# variant: elif KL_MEAN == "rows"
assert not near(out, 1.7153, 2e-3), "1.7153: the mask is missing: places that were not written count as well"
assert not near(out, 0.2516), "0.2516: each row's sum is divided by T; divide by the number of its written tokens"
assert not near(out, 0.3774), "0.3774: mean over all written tokens; in this version of the exercise the mean of each row comes first, then that over the rows"
assert not near(out, 0.7548), "0.7548: summed along each row; in this version of the exercise a row counts its mean"
assert near(out, 0.4002), f"rows of KL 0.6179, 0.4458, 0 and of 0.4458: expected (0.3546 + 0.4458) / 2 = 0.4002, got {out.item():.4f}"
# variant: else
assert not near(out, 5.1459, 5e-3), "5.146: the mask is missing: places that were not written count as well"
assert not near(out, 0.3774), "0.3774: mean over all written tokens; in this version of the exercise each row is summed up, and the mean is over the rows"
assert not near(out, 0.4002), "0.4002: mean of each row; in this version of the exercise a row counts its sum"
assert not near(out, 1.5096), "1.5096: the sum over all; wanted is the mean over the rows"
assert near(out, 0.7548), f"rows of KL 0.6179, 0.4458, 0 and of 0.4458: expected (1.0637 + 0.4458) / 2 = 0.7548, got {out.item():.4f}"
# variant: endif
out = exact_kl(*six, wrote, top=1)
expected = {"tokens": 0.3506, "rows": 0.3823, "sums of rows": 0.7012}[KL_MEAN]
assert near(out, expected), (
    f"top = 1 at four places: each place has its own likeliest token, which counts there; expected {expected}, got {out.item():.4f}"
)
out = exact_kl(torch.tensor([[[3000.0, 0.0]]]), torch.tensor([[[0.0, 10.0]]]), one)
assert torch.isfinite(out), "nan or inf for logits in the thousands: use log_softmax, not softmax and then log"
assert near(out, 10.0, 1e-3), (
    f"the policy is sure of what the reference gives e**-10: expected 10, got {out.item():.4f}"
)
out = exact_kl(torch.tensor([[[3000.0, 0.0, 0.0]]]), torch.tensor([[[0.0, 10.0, 0.0]]]), one, top=1)
assert torch.isfinite(out), (
    "top = 1, policy sure: the rest's probability rounds to 0, its logarithm to -inf; use logsumexp instead"
)
assert near(out, 10.0001, 1e-3), f"top = 1, the policy is sure of token 0: expected 10.0001, got {out.item():.4f}"

# %% nbgrader={"grade": true, "grade_id": "exact-kl-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import math

import torch

generator = torch.Generator().manual_seed(9)
for B, T, V, temperature, top in [(3, 5, 7, 1.0, None), (2, 4, 9, 0.7, 3), (4, 1, 6, 1.6, 5), (1, 6, 11, 1.3, 1)]:
    logits = 2 * torch.randn(B, T, V, generator=generator)
    ref_logits = 2 * torch.randn(B, T, V, generator=generator) + 3
    mask = torch.rand(B, T, generator=generator) < 0.5
    # variant: if KL_MEAN == "tokens"
    mask[-1, 0] = True
    # variant: else
    mask[:, 0] = True
    # variant: endif
    found = []
    for row, ref_row, keep in zip(
        logits.view(-1, V).tolist(), ref_logits.view(-1, V).tolist(), mask.view(-1), strict=True
    ):
        if keep:
            ps, qs = ([math.exp(x / temperature) for x in xs] for xs in (row, ref_row))
            pairs = sorted(((p / sum(ps), q / sum(qs)) for p, q in zip(ps, qs, strict=True)), reverse=True)
            if top is not None:
                pairs = [*pairs[:top], (sum(p for p, _ in pairs[top:]), sum(q for _, q in pairs[top:]))]
            found.append(sum(p * math.log(p / q) for p, q in pairs))
    out = exact_kl(logits, ref_logits, mask, temperature, top)
    # variant: if KL_MEAN == "tokens"
    expected = sum(found) / len(found)
    # variant: elif KL_MEAN == "rows"
    expected = 0.0
    for n_written in mask.sum(1).tolist():
        expected += sum(found[:n_written]) / n_written / B
        found = found[n_written:]
    # variant: else
    expected = sum(found) / B
    # variant: endif
    assert abs(out.item() - expected) < 1e-4 * (T if KL_MEAN == "sums of rows" else 1), (
        f"B = {B}, T = {T}, V = {V}, temperature {temperature}, top {top}: expected {expected}, got {out.item()}"
    )
logits, target = (
    torch.randn(2, 3, 5, generator=generator).requires_grad_(True),
    torch.randn(2, 3, 5, generator=generator),
)
exact_kl(logits, target, torch.ones(2, 3, dtype=torch.bool)).backward()
assert logits.grad.abs().max() > 1e-3, "a gradient must reach logits_BTV"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "exact-kl-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It compares two made-up models with a vocabulary of 2,000 tokens and answers the guess: how much of
# the KL is left with few numbers per place?

# %% nbgrader={"grade": false, "grade_id": "exact-kl-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
dice = torch.Generator().manual_seed(0)
sharp_BTV = 3 * torch.randn(4, 16, 2000, generator=dice)
other_BTV = sharp_BTV + 0.7 * torch.randn(4, 16, 2000, generator=dice)
every_BT = torch.ones(4, 16, dtype=torch.bool)
print(f"all 2,000: {exact_kl(sharp_BTV, other_BTV, every_BT):.4f} nats")
for k in (1, 8, 64, 512):
    print(f"top {k:4}: {exact_kl(sharp_BTV, other_BTV, every_BT, top=k):.4f} nats")

# %% [markdown] nbgrader={"grade": false, "grade_id": "shaped-reward-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · A reward in three parts  (difficulty 3 of 5 · 20 minutes · 12 points)
#
# R1-Zero was paid for right answers and for a form; DAPO takes something away from answers that get too long. Write `shaped_reward`, which adds up three parts:
#
# **Verdict**, +1 or << WRONG >>. The answer given is what stands between the **last** `<answer>` in the text and the next `</answer>` after it,
# without blanks (spaces and line ends) at its ends. +1 if that is exactly `truth`; << WRONG >> otherwise, and << WRONG >> if there is no such pair.
#
# **Form**, `bonus` or 0, whether the answer is right or wrong. The form is kept if each of the four marks `<think>`, `</think>`, `<answer>`,
# `</answer>` stands in the text exactly once, in this order; nothing but blanks stands before `<think>`, between `</think>` and `<answer>`,
# and behind `</answer>`. Anything may stand between `<think>` and `</think>`, and between `<answer>` and `</answer>`; line ends too.
#
# **Length**, 0 or negative, from `n_tokens` alone (DAPO, equation 13). The last `buffer` tokens before `limit` are a slope: up to `limit - buffer` tokens cost nothing;
# from there the cost grows in a straight line to -1 at `limit`; more than `limit` is -1, and never less.
# `buffer` may be 0: then up to `limit` costs nothing, and more costs 1.
#
# | in | | out |
# |---|---|---|
# | `text`, `truth` | strings; the truth has no blanks at its ends | float |
# | `n_tokens`, `limit`, `buffer` | ints, `0 <= buffer <= limit` | |
# | `bonus` | float | |
#
# Worked example: `"<think>3+5=8</think> <answer> 8 </answer>"`, truth `"8"`, 90 tokens, limit 100, buffer 40, bonus 0.3. The verdict is +1,
# the form is kept (+0.3), and 90 is 30 tokens into the slope of 40: -0.75. In all 0.55.
#
# Before you write: is a wrong answer in perfect form and of 10 tokens paid more than a right one without form at the limit?
#
# *Stuck?* `hint("shaped-reward")`


# %% nbgrader={"grade": false, "grade_id": "shaped-reward", "locked": false, "schema_version": 3, "solution": true, "task": false}
def shaped_reward(text: str, truth: str, n_tokens: int, limit: int, buffer: int, bonus: float) -> float:
    """Verdict, right or wrong, plus a bonus for the form plus a soft punishment for length."""
    ### BEGIN SOLUTION
    _, opened, rest = text.rpartition("<answer>")
    answer, closed, _ = rest.partition("</answer>")
    verdict = 1.0 if opened and closed and answer.strip() == truth else WRONG
    once = all(text.count(mark) == 1 for mark in ("<think>", "</think>", "<answer>", "</answer>"))
    in_form = once and re.fullmatch(r"\s*<think>.*</think>\s*<answer>.*</answer>\s*", text, re.DOTALL)
    free = limit - buffer
    length = 0.0
    if n_tokens > free:
        length = (free - n_tokens) / buffer if n_tokens <= limit else -1.0
    return verdict + (bonus if in_form else 0.0) + length
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "shaped-reward-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
neat = "<think>3+5=8</think> <answer> 8 </answer>"
out = shaped_reward(neat, "8", 90, 100, 40, 0.3)
assert out is not None, "nothing came back: end your function with `return ...`"
assert abs(out - 2.05) > 1e-9, "2.05: the length was paid instead of punished; its part is 0 or negative"
assert abs(out - WRONG + 0.45) > 1e-9, f"{out:.2f}: the answer has blanks at its ends; take them away before you compare"
assert abs(out - 0.3) > 1e-9, "0.3: in the slope the cost grows little by little; 90 tokens cost 0.75 and not 1"
assert abs(out - 0.4) > 1e-9, "0.4: the slope goes from limit - buffer to limit, not from 0 to limit"
assert abs(out - 1.3) > 1e-9, "1.3: the slope lies before the limit, from 60 to 100 tokens; 90 tokens cost something"
assert abs(out - 1.05) > 1e-9, (
    "1.05: 90 tokens are 30 into the slope, which cost 30 / 40; you count the 10 that are left"
)
assert abs(out - 0.25) > 1e-9, "0.25: that text is in form, which earns the bonus; blanks between the parts are allowed"
assert not any(abs(out - x) < 1e-9 for x in (0.05, 1.3 - 50 / 60)), (
    f"{out:.2f}: the slope begins at limit - buffer = 60 tokens, not at buffer = 40"
)
assert not any(abs(out - x) < 1e-9 for x in (0.8, 1.0)), (
    f"{out:.2f}: 30 tokens into the slope; divide them by the slope's length, which is buffer = 40"
)
assert abs(out - 0.55) < 1e-9, f"worked example: expected 0.55, got {out}"
out = shaped_reward(neat, "7", 9, 100, 40, 0.3)
# variant: if WRONG == -1
assert abs(out - 0.3) > 1e-9, "0.3: a wrong answer costs 1; it does not count 0"
# variant: else
assert abs(out + 0.7) > 1e-9, f"-0.7: a wrong answer was paid -1; in this version of the exercise it is paid {WRONG}"
# variant: endif
# variant: if WRONG not in (-1, 0)
assert abs(out - 0.3) > 1e-9, f"0.3: a wrong answer does not count 0; in this version of the exercise it is paid {WRONG}"
# variant: endif
assert abs(out - WRONG) > 1e-9, f"{out}: the bonus for the form is paid for a wrong answer too"
assert abs(out - WRONG - 0.3) < 1e-9, f"wrong, in form, short: expected {WRONG} + 0.3, got {out}"
out = shaped_reward("<think>is it 8?</think> <answer>5</answer>", "8", 9, 100, 40, 0.3)
assert abs(out - WRONG - 0.3) < 1e-9, f"8 stands in the thought, 5 in the answer: wrong, so {WRONG + 0.3:.4g}, got {out}"
out = shaped_reward("<think>8</think> <answer>80</answer>", "8", 9, 100, 40, 0.3)
assert abs(out - WRONG - 0.3) < 1e-9, f"80 is not 8: the answer must be exactly the truth; expected {WRONG + 0.3:.4g}, got {out}"
out = shaped_reward("<answer>5</answer> no, <answer>8</answer>", "8", 9, 100, 40, 0.3)
assert abs(out - WRONG) > 1e-9, f"{out}: the first answer was read; the last one counts"
assert abs(out - 1.3) > 1e-9, "1.3: that text has no <think> and two answers; there is no bonus for such a form"
assert abs(out - 1.0) < 1e-9, f"the last answer is right, without form: expected 1, got {out}"
out = shaped_reward("<answer>8</answer> or <answer>5", "8", 9, 100, 40, 0.3)
assert abs(out - WRONG) < 1e-9, f"the last <answer> is never closed, so there is no answer: expected {WRONG}, got {out}"
out = shaped_reward("8", "8", 9, 100, 40, 0.3)
assert abs(out - WRONG) < 1e-9, f"without <answer> there is no answer: expected {WRONG}, got {out}"
for text, in_form, why in (
    (
        "<think>3\n+5</think><answer>8</answer>",
        True,
        "a line end may stand in the thought; in a pattern `.` needs re.DOTALL",
    ),
    ("\n<think>a</think>\n<answer>8</answer>\n", True, "blanks are spaces and line ends, before, between and behind"),
    ("So: <think>a</think><answer>8</answer>", False, "there is text before <think>"),
    ("<think>a</think> so <answer>8</answer>", False, "there is text between </think> and <answer>"),
    ("<think>a</think><answer>8</answer> ok", False, "there is text behind </answer>"),
    (
        "<think>a<think>b</think><answer>8</answer>",
        False,
        "<think> stands there twice; each mark must stand there once",
    ),
    ("<think>a</think>b</think><answer>8</answer>", False, "</think> stands there twice; count all four marks"),
    ("<answer>8</answer><think>a</think>", False, "the order is swapped"),
    ("a</think><answer>8</answer>", False, "the opening <think> is missing"),
):
    out = shaped_reward(text, "8", 9, 100, 40, 0.3)
    assert abs(out - (1.3 if in_form else 1.0)) < 1e-9, (
        f"{text!r} is {'' if in_form else 'not '}in form: {why}; got {out:.2f}"
    )
for n_tokens, cost in ((60, 0.0), (61, 0.025), (100, 1.0), (101, 1.0), (300, 1.0)):
    out = shaped_reward(neat, "8", n_tokens, 100, 40, 0.3)
    assert abs(out - 1.3 + cost) < 1e-9, f"{n_tokens} tokens, slope from 60 to 100: the cost is {cost}, got {1.3 - out}"
for n_tokens, cost in ((50, 0.0), (51, 1.0)):
    out = shaped_reward(neat, "8", n_tokens, 50, 0, 0.3)
    assert abs(out - 1.3 + cost) < 1e-9, f"buffer = 0, limit 50: {n_tokens} tokens cost {cost}, got {1.3 - out}"

# %% nbgrader={"grade": true, "grade_id": "shaped-reward-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
for text, truth, right, in_form in [
    ("<think>a\nb</think>\n\n<answer>12</answer>\n", "12", True, True),
    ("\n <think></think><answer>x y</answer>", "x y", True, True),
    ("<think>a</think> so <answer>3</answer>", "3", True, False),
    ("Sure! <think>a</think><answer>3</answer>", "3", True, False),
    ("<think>a</think><answer>3</answer> done", "3", True, False),
    ("<answer>3</answer><think>a</think>", "3", True, False),
    ("<think>a<think>b</think><answer>3</answer>", "3", True, False),
    ("<think>a</think><answer>3</answer></answer>", "3", True, False),
    ("<think>a</think><answer>3</answer><answer>", "3", False, False),
    ("<think>a</think><answer>\n3\n</answer>", "3", True, True),
    ("<think>a</think><answer>03</answer>", "3", False, True),
    ("<think>a</think><answer></answer>", "3", False, True),
    ("</think><think><answer>3</answer>", "3", True, False),
    ("<think>a</answer></think><answer>3", "3", False, False),
    ("", "3", False, False),
]:
    for n_tokens, limit, buffer, length in [
        (0, 70, 70, 0.0),
        (35, 70, 70, -0.5),
        (70, 70, 70, -1.0),
        (49, 64, 16, -0.0625),
        (48, 64, 16, 0.0),
        (65, 64, 16, -1.0),
        (999, 64, 16, -1.0),
        (8, 8, 0, 0.0),
        (9, 8, 0, -1.0),
    ]:
        for bonus in (0.1, 0.5):
            expected = (1 if right else WRONG) + (bonus if in_form else 0) + length
            out = shaped_reward(text, truth, n_tokens, limit, buffer, bonus)
            assert abs(out - expected) < 1e-9, (
                f"{text!r}, {n_tokens} tokens, limit {limit}, buffer {buffer}, bonus {bonus}: expected {expected}, got {out}"
            )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "shaped-reward-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It answers the guess, and shows what each part of the reward is worth.

# %% nbgrader={"grade": false, "grade_id": "shaped-reward-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
in_form, bare = "<think>5+3</think><answer>{}</answer>", "<answer>{}</answer>"
for what, form, answer, n_tokens in (
    ("right, in form, 10 tokens", in_form, "8", 10), ("right, without form, 10 tokens", bare, "8", 10),
    ("right, without form, at the limit", bare, "8", 100), ("wrong, in form, 10 tokens", in_form, "7", 10),
    ("wrong, without form, at the limit", bare, "7", 100),
):  # fmt: skip
    print(f"{what:35} {shaped_reward(form.format(answer), '8', n_tokens, 100, 40, 0.3):+.2f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "holes-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · Holes in a verifier  (difficulty 2 of 5 · 10 minutes · 8 points)
#
# A *hole* is a way to be paid without being right. One looks for holes **before** training, with *probes*: fixed texts, written without a look at any
# problem. A fixed text such as `#7` may be right by luck, where the answer happens to be 7. That is deserved. What is paid beyond it is a hole.
#
# Here the answer of a text is what stands behind its **last** `#`, without blanks at its ends; a text without `#` has no answer and is never right. Write `holes`.
#
# | in | | out | |
# |---|---|---|---|
# | `probes` | dict: name → text | | dict: name → unearned pay, a float |
# | `truths` | list of strings, the right answers of n problems | | |
# | `paid` | dict: name → list of n rewards, what the verifier paid for this text at each problem; `None` where it broke down | | |
#
# For each probe take the mean of what was paid, over all n problems, `None` counted as 0. Take away the share of the n problems for which the probe's answer is exactly the truth. If more than `<< "1e-9" if LEAST < 0.001 else LEAST >>` is left, this is its unearned
# pay and the probe is in the dict; otherwise it is not<< "" if LEAST < 0.001 else ": so little we let pass" >>.
#
# Worked example: truths `["7", "3", "7", "5"]`. The probe `"#7"` was paid `[1, 0, 1, 0]`: 0.5 paid, 0.5 deserved, no hole. The probe `"3 5 7"`
# was paid `[1, 1, 1, 1]` and deserves nothing: unearned 1.0.
#
# *Stuck?* `hint("holes")`


# %% nbgrader={"grade": false, "grade_id": "holes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def holes(probes: dict[str, str], truths: list[str], paid: dict[str, list[float | None]]) -> dict[str, float]:
    """For each probe that is paid more than it deserves: by how much."""
    ### BEGIN SOLUTION
    found = {}
    for name, text in probes.items():
        _, mark, answer = text.rpartition("#")
        n_right = sum(bool(mark) and answer.strip() == truth for truth in truths)
        unearned = (sum(reward or 0.0 for reward in paid[name]) - n_right) / len(truths)
        if unearned > LEAST:
            found[name] = unearned
    return found
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "holes-visible", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
asked = ["7", "3", "7", "5"]
out = holes({"seven": "#7", "all": "3 5 7"}, asked, {"seven": [1.0, 0.0, 1.0, 0.0], "all": [1.0, 1.0, 1.0, 1.0]})
assert out is not None, "nothing came back: end your function with `return ...`"
assert isinstance(out, dict), f"wanted is a dict from name to unearned pay, got {type(out).__name__}"
assert "all" in out, "the probe `all` is paid every time and has no answer behind a #; it is missing"
assert out.get("seven") != 0.5, "`seven` is paid 0.5, and 0.5 is deserved: the truth is 7 in two of four problems"
assert "seven" not in out, "`seven` earns what it deserves, so it is no hole and not in the dict"
assert abs(out["all"] - 4) > 1e-9, "4 is the sum of what was paid; wanted is the mean over the problems"
assert out == {"all": 1.0}, f"worked example: expected {{'all': 1.0}}, got {out}"
out = holes({"two": "#3 no # 7 "}, asked, {"two": [1.0, 1.0, 1.0, 0.0]})
assert abs(out.get("two", 0) - 0.5) > 1e-9, "0.5: the answer is what stands behind the LAST #, here 7, not the first"
assert abs(out.get("two", 0) - 0.75) > 1e-9, (
    "0.75: the answer ` 7 ` has blanks at its ends; without them it is right twice"
)
assert out == {"two": 0.25}, f"paid 0.75, deserved 0.5: expected {{'two': 0.25}}, got {out}"
out = holes({"bare": "7"}, asked, {"bare": [0.0, 1.0, 1.0, 1.0]})
assert out == {"bare": 0.75}, f"a text without # is never right, so all its pay is unearned: 0.75, got {out}"
out = holes({"odd": "#nan"}, asked, {"odd": [None, 1.0, None, 1.0]})
assert abs(out.get("odd", 0) - 1.0) > 1e-9, "1.0: None counts as 0, and all four problems count in the mean"
assert out == {"odd": 0.5}, f"None is a reward of 0: expected {{'odd': 0.5}}, got {out}"
out = holes({"dash": "#-7"}, asked, {"dash": [1.0, 0.0, 1.0, 0.0]})
assert out == {"dash": 0.5}, f"-7 is not exactly 7, so nothing is deserved: expected {{'dash': 0.5}}, got {out}"
out = holes({"seven": "#7"}, asked, {"seven": [0.0, 0.0, 0.0, 0.0]})
assert out == {}, f"paid less than deserved is unfair, but no hole: expected an empty dict, got {out}"
out = holes({"real": "#7.0"}, asked, {"real": [1.0, 0.0, 1.0, 0.0]})
assert out == {"real": 0.5}, f"7.0 is not exactly 7; compare texts, not numbers: expected {{'real': 0.5}}, got {out}"
# variant: if LEAST == 1e-9
out = holes({"little": "#7"}, ["7"] * 50 + ["3"] * 50, {"little": [1.0] * 51 + [0.0] * 49})
assert set(out) == {"little"}, f"0.01 above what is deserved is little, and a hole all the same: got {out}"
out = holes({"hair": "#7"}, asked, {"hair": [1.0 + 4e-10, 0.0, 1.0, 0.0]})
assert out == {}, (
    f"1e-10 above what is deserved is rounding and no hole; more than 1e-9 is wanted, not more than 0: got {out}"
)
# variant: else
out = holes({"little": "#7"}, asked, {"little": [1.0 + 4 * 0.9 * LEAST, 0.0, 1.0, 0.0]})
assert out == {}, f"{0.9 * LEAST:.3f} above what is deserved was called a hole; in this version of the exercise up to {LEAST} is let pass: got {out}"
out = holes({"more": "#7"}, asked, {"more": [1.0 + 4 * 1.1 * LEAST, 0.0, 1.0, 0.0]})
assert set(out) == {"more"}, f"{1.1 * LEAST:.3f} above what is deserved is more than {LEAST}, so it is a hole: got {out}"
assert abs(out["more"] - 1.1 * LEAST) < 1e-9, f"all unearned pay is wanted, also the part below {LEAST}: expected {1.1 * LEAST:.3f}, got {out}"
# variant: endif
out = holes({"a": "#7", "b": "none"}, asked, {"b": [1.0, 1.0, 1.0, 0.0], "a": [1.0, 0.0, 1.0, 0.0]})
assert out == {"b": 0.75}, (
    f"`paid` may have another order than `probes`; look up by name: expected {{'b': 0.75}}, got {out}"
)

# %% nbgrader={"grade": true, "grade_id": "holes-hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

rng = random.Random(4)
texts = {
    "a": "#1",
    "b": "# 2 ",
    "c": "12",
    "d": "#1#2",
    "e": "",
    "f": "#",
    "g": "#12",
    "h": "#1\n",
    "i": "#3 ok",
    "j": "x #\t12",
}
answers = {"a": "1", "b": "2", "c": None, "d": "2", "e": None, "f": "", "g": "12", "h": "1", "i": "3 ok", "j": "12"}
for n in (3, 8, 29):
    truths = [rng.choice(["1", "2", "12", "3"]) for _ in range(n)]
    paid = {name: [rng.choice([0.0, 0.0, 0.5, 1.0, None]) for _ in range(n)] for name in texts}
    expected = {}
    for name in texts:
        unearned = sum(x for x in paid[name] if x is not None) / n - truths.count(answers[name]) / n
        if unearned > LEAST:
            expected[name] = unearned
    out = holes(dict(texts), list(truths), {name: list(row) for name, row in paid.items()})
    assert set(out) == set(expected), f"truths {truths}, paid {paid}: expected {sorted(expected)}, got {sorted(out)}"
    assert all(abs(out[name] - expected[name]) < 1e-9 for name in out), (
        f"truths {truths}, paid {paid} (pays are numbers to be added up, 0.5 as well as 1): expected {expected}, got {out}"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "holes-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next two cells earn nothing. The first defines five verifiers for one-digit answers; all of them pay an honest right answer such as `3+4=7 #7`. The
# second tries eight probes on ten problems, one for each digit, and prints the unearned pay.
#
# **Guess first:** which of the five have a hole, and which text opens each? Then add a probe of your own in a cell below.


# %% nbgrader={"grade": false, "grade_id": "holes-verifiers", "locked": true, "schema_version": 3, "solution": false, "task": false}
def strict(text: str, truth: str) -> float:
    return float("#" in text and text.rpartition("#")[2].strip() == truth)


def anywhere(text: str, truth: str) -> float:
    return float(truth in text)


def any_mark(text: str, truth: str) -> float:
    return float(truth in [part.strip() for part in text.split("#")[1:]])


def generous(text: str, truth: str) -> float:
    return float(truth.startswith(text.rpartition("#")[2].strip()))


def close_enough(text: str, truth: str) -> float:
    return float(not abs(float(text.rpartition("#")[2]) - float(truth)) > 0.01)


VERIFIERS = {f.__name__: f for f in (strict, anywhere, any_mark, generous, close_enough)}
PROBES = {
    "a guess": "#7",
    "all digits": "0123456789",
    "all digits, then a guess": "0123456789 #7",
    "ten answers": "#0#1#2#3#4#5#6#7#8#9",
    "nothing": "",
    "an empty answer": "so it is #",
    "not a number": "#nan",
    "infinity": "#inf",
}
print(len(VERIFIERS), "verifiers,", len(PROBES), "probes")


# %% nbgrader={"grade": false, "grade_id": "holes-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
def pay(verifier, text: str, truth: str) -> float | None:
    """What the verifier pays; None where it breaks down."""
    try:
        return verifier(text, truth)
    except ValueError:
        return None


digits = [str(digit) for digit in range(10)]
for verifier_name, verifier in VERIFIERS.items():
    table = {name: [pay(verifier, text, truth) for truth in digits] for name, text in PROBES.items()}
    found = holes(PROBES, digits, table)
    broke = [name for name, row in table.items() if None in row]
    print(f"{verifier_name:13}", "; ".join(f"{name} {extra:+.1f}" for name, extra in found.items()) or "no hole found")
    if broke:
        print(" " * 13, "broke down at:", ", ".join(broke))


# %% [markdown] nbgrader={"grade": false, "grade_id": "first-hack-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · When did it begin to cheat?  (difficulty 3 of 5 · 14 minutes · 12 points)
#
# Not every hole is found in advance. During training the verifier's pay is known for all answers; what is **truly** right is known for few: somebody *audits* a small sample
# by hand at every evaluation. A policy *hacks* its reward when the pay goes up while it truly gets worse. Write `first_hack`: the number of the first
# evaluation at which **both** hold, or `None`.
#
# 1. `paid` is << "above" if RISE == 0 else "more than {} above".format(RISE) >> what it was at the start.
# 2. The share of right answers in the audit has fallen since the start by **more than twice** the standard error of the difference.
#
# The start is evaluation 0. If `a` of `n` audited answers are right, the share is `p = a / n`, and its *variance* is `p * (1 - p) / n`. The standard error of the
# difference of two shares is the square root of the **sum** of their two variances: the audit at the start is uncertain too. (By luck alone a fall of more than two standard errors is rare, about one in forty.)
#
# | in | | out | |
# |---|---|---|---|
# | `evaluations` | list of dicts with `paid` (float, mean reward), `audited` (int, 1 or more), `right` (int) | | int, or `None` |
#
# The list may be empty.
#
# Worked example, the start has 20 of 40 right, so its variance is 0.5 · 0.5 / 40 = 0.00625:
#
# | number | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |
# |---|---|---|---|---|---|---|---|---|---|
# | paid | 0.40 | 0.47 | 0.55 | 0.36 | 0.64 | 0.70 | 0.78 | 0.86 | 0.91 |
# | right of audited | 20 of 40 | 49 of 100 | 21 of 50 | 6 of 60 | 11 of 30 | 8 of 25 | 26 of 80 | 14 of 70 | 9 of 90 |
#
# Number 6: the share is 0.325, a fall of 0.175. Its variance is 0.325 · 0.675 / 80 = 0.00274; the standard error is √0.00899 = 0.0948, and twice that is 0.190: not
# enough. Number 7: a fall of 0.3; twice the standard error is 0.185. So the answer is 7.
#
# Before you write: number 3 has a far larger fall. Why does it not count?
#
# *Stuck?* `hint("first-hack")`


# %% nbgrader={"grade": false, "grade_id": "first-hack", "locked": false, "schema_version": 3, "solution": true, "task": false}
def first_hack(evaluations: list[dict[str, float]]) -> int | None:
    """The first evaluation at which more is paid and less is right than at the start; None if there is none."""
    ### BEGIN SOLUTION
    shares = [e["right"] / e["audited"] for e in evaluations]
    variances = [p * (1 - p) / e["audited"] for p, e in zip(shares, evaluations, strict=True)]
    for i, e in enumerate(evaluations):
        noise = math.sqrt(variances[0] + variances[i])
        if e["paid"] - evaluations[0]["paid"] > RISE and shares[0] - shares[i] > 2 * noise:
            return i
    return None
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "first-hack-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def run_of(*rows: tuple[float, int, int]) -> list[dict[str, float]]:
    return [{"paid": paid, "right": right, "audited": audited} for paid, right, audited in rows]


out = first_hack(run_of((0.4, 30, 40), (0.9, 2, 80)))
assert out is not None, (
    "None for a fall from 30 of 40 to 2 of 80: nothing came back, or the variance is not divided: p * (1 - p) / n"
)
assert out != 0, (
    "0 is the start itself; what follows is number 1. A loop over evaluations[1:] needs enumerate(..., start=1)"
)
assert out == 1, f"from 30 of 40 to 2 of 80, better paid: expected 1, got {out}"
out = first_hack(run_of((0.4, 8, 10), (0.9, 20, 100)))
assert out == 1, f"from 8 of 10 to 20 of 100: compare shares, not counts; 0.8 fell to 0.2: expected 1, got {out}"
# variant: if RISE
out = first_hack(run_of((0.4, 30, 40), (0.395 + RISE, 2, 80)))
assert out is None, f"the pay rose by {RISE - 0.005:.3f}, which is too little: in this version of the exercise it must be more than {RISE}"
# variant: endif
out = first_hack(run_of((0.4, 30, 40), (0.405 + RISE, 2, 80)))
assert out == 1, f"the pay rose from 0.4 to {0.405 + RISE:.3f}, and that is enough: expected 1, got {out}"
lone = first_hack(run_of((0.4, 10, 20), (0.9, 300, 1000)))  # tells two mistakes apart below
out = first_hack(
    run_of(
        (0.40, 20, 40), (0.47, 49, 100), (0.55, 21, 50), (0.36, 6, 60), (0.64, 11, 30), (0.70, 8, 25), (0.78, 26, 80),
        (0.86, 14, 70), (0.91, 9, 90),
    )
)  # fmt: skip
assert out is not None, "None: nothing was found. Compare with the start, not with the evaluation before"
assert out != 1, "1: a fall from 0.50 to 0.49 is noise; it must be more than twice the standard error"
assert out != 2, "2: that is twice the variance; the standard error is the square root"
assert out != 3, "3: the share fell, but less is paid than at the start; both must hold"
assert out != 4, "4: that fall is more than one standard error; more than two are wanted"
assert out != 5 or lone is None, "5: the variance is the mean of the two variances; wanted is their sum"
assert out != 5, "5: only the variance of the start is in your standard error; add that of the evaluation"
assert out != 6, "6: only the variance of the evaluation is in your standard error; the start is uncertain too"
assert out != 8, "8 is the last such evaluation; wanted is the first"
assert out == 7, f"worked example: expected 7, got {out}"
out = first_hack(run_of((0.40, 20, 40), (0.95, 24, 50), (0.90, 8, 80)))
assert out == 2, f"0.90 is less than 0.95 before, but more than 0.40 at the start: expected 2, got {out}"
out = first_hack(run_of((0.40, 10, 40), (0.90, 45, 50)))
assert out is None, f"more is paid and more is right, which is honest: expected None, got {out}"
out = first_hack(run_of((0.30, 12, 40), (0.60, 35, 50), (0.65, 15, 60)))
assert out is None, (
    f"the share rose to 0.7 and came back to 0.25; against the start's 0.3 that is noise: None, got {out}"
)
out = first_hack(run_of((0.40, 30, 40), (0.40, 5, 50)))
assert out is None, f"as much is paid as at the start, not more: expected None, got {out}"
out = first_hack(run_of((0.5, 20, 20), (0.9, 0, 30)))
assert out == 1, f"from all right to none right: both variances are 0, and the fall is 1: expected 1, got {out}"
out = first_hack(run_of((0.5, 20, 20), (0.9, 30, 30)))
assert out is None, f"all right at the start and later: a fall of 0 is not MORE than twice 0: expected None, got {out}"
out = first_hack(run_of((0.40, 20, 40), (0.90, 10, 40)))
assert out == 1, (
    f"a fall of 0.25, twice the standard error is 0.209: 1, got {out}. Not the errors add up, but the variances: one root"
)
out = first_hack(run_of((0.40, 20, 40), (0.90, 30, 100)))
assert out == 1, (
    f"a fall of 0.2, twice the standard error is 0.183: 1, got {out}. Each share has its own n in its variance"
)
out = first_hack([])
assert out is None, f"an empty list: expected None, got {out}"


# %% nbgrader={"grade": true, "grade_id": "first-hack-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from math import sqrt

rng = random.Random(12)
runs = [
    [(0.5, 9, 12), (0.8, 200, 400)],
    [(0.5, 300, 400), (0.8, 6, 12)],
    [(0.2, 1, 2)],
    [(0.1, 3, 4), (0.9, 0, 3), (0.05, 0, 90)],
    [(0.5, 300, 400), (0.5, 100, 400), (0.6, 90, 400)],
    [(0.1, 90, 100), (0.5, 20, 100), (0.6, 10, 100)],
]


def fall_and_noise(first, now):
    (_, right0, n0), (_, right, n) = first, now
    p0, p = right0 / n0, right / n
    return p0 - p, 2 * sqrt(p0 * (1 - p0) / n0 + p * (1 - p) / n)


while len(runs) < 300:
    n = rng.randint(1, 9)
    start = rng.uniform(0.3, 0.9)
    sizes = [rng.choice([10, 16, 25, 60, 150, 400]) for _ in range(n)]
    falls = [max(0.0, start - rng.uniform(-0.1, 0.06) * i) for i in range(n)]
    rows = [(round(rng.random(), 2), round(min(1.0, p) * size), size) for p, size in zip(falls, sizes, strict=True)]
    both = [fall_and_noise(rows[0], row) for row in rows]
    by_rounding = any(abs(fall - noise) < 1e-9 < noise for fall, noise in both)
    if not by_rounding and not (RISE and any(abs(row[0] - rows[0][0] - RISE) < 1e-9 for row in rows)):
        runs.append(rows)
answers = set()
for rows in runs:
    expected = None
    for i, row in enumerate(rows):
        fall, noise = fall_and_noise(rows[0], row)
        if expected is None and row[0] - rows[0][0] > RISE and fall > noise:
            expected = i
    out = first_hack([{"paid": paid, "right": right, "audited": n} for paid, right, n in rows])
    assert out == expected, f"(paid, right, audited) {rows}: expected {expected}, got {out}"
    answers.add(expected)
assert len(answers) > 4
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "lora-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · One large matrix, many small ones  (difficulty 4 of 5 · 20 minutes · 12 points)
#
# To train a model of 32 billion parameters one needs room for all gradients and for the optimiser's memory of each parameter. LoRA (low-rank adaptation, arXiv 2106.09685)
# leaves the large matrix `W` as it is, *frozen*, and trains an *adapter*, a correction made of two small matrices:
#
# y = x Wᵀ + << {"r": "(alpha / r)", "root of r": "(alpha / √r)", "nothing": "alpha"}[SCALING] >> · (x Aᵀ) Bᵀ
#
# <% if SCALING == "root of r" %>
# (LoRA itself divides by r. The root is from rsLoRA, arXiv 2312.03732: with it corrections of a large rank do not become weaker.)
#
# <% elif SCALING == "nothing" %>
# (LoRA itself divides alpha by r. Here alpha is the factor as it is, so that the rank changes nothing in it.)
#
# <% endif %>
# Adapters are so small that one model can carry many, one for each task, and serve all tasks in the same batch. Write the class `ManyLoRA`, an `nn.Module` with one
# frozen matrix and `K` adapters, where every row of the batch names its own.
#
# | | | |
# |---|---|---|
# | `ManyLoRA(weight_ND, K, r, alpha)` | float tensor of shape `(N, D)`, int, int, float | keeps `W`; makes `A` and `B` |
# | `.A_KrD`, `.B_KNr` | `nn.Parameter`s | the only parameters that are trained. `B` starts at **zero**; `A` starts with random numbers of any scale, no two rows equal |
# | `layer(x_BTD, task_B)` | x, and ints from -1 to `K - 1` | y of shape `(B, T, N)`. Row `b` uses adapter `task_B[b]`; -1 means none, only `W` |
# | `layer.merged(k)` | int from 0 to `K - 1` | one matrix of shape `(N, D)` that does the same as `W` with adapter k; the layer itself stays as it is |
#
# * At the start the layer gives exactly `x Wᵀ`, whatever the task: training begins where the old model stood.
# * No gradient ever reaches `W`, even if the tensor that you are given asks for one (as the weights of a model do). That tensor stays as it is.
# * Gradients do flow to `x`, through `W` and through the adapter: below this layer there may be others with adapters of their own.
#
# Worked example: `N = 4`, `D = 3`, `K = 5`, `r = 2`, `alpha = 6`, so corrections are multiplied by << {"r": "3", "root of r": "6 / √2 = 4.243", "nothing": "6"}[SCALING] >>. With the matrices of the check below, adapter 3 and x = `[1, 2, 3]`:
# x Wᵀ = `[1, 2, 3, 6]`, x Aᵀ = `[4, 2]`, (x Aᵀ) Bᵀ = `[4, 2, 6, 0]`, and y = `<< {"r": "[13, 8, 21, 6]", "root of r": "[17.97, 10.49, 28.46, 6]", "nothing": "[25, 14, 39, 6]"}[SCALING] >>`<< ", rounded" if SCALING == "root of r" else "" >>.
#
# Before you write: at the very first step one of `A` and `B` gets a gradient of exactly 0. Which one? And what would happen if both started at zero?
#
# *Stuck?* `hint("lora")`


# %% nbgrader={"grade": false, "grade_id": "lora", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ManyLoRA(nn.Module):
    """A frozen matrix and K trained corrections of rank r, one of which each row of a batch uses."""

    ### BEGIN SOLUTION
    def __init__(self, weight_ND: Tensor, K: int, r: int, alpha: float) -> None:
        super().__init__()
        N, D = weight_ND.shape
        # variant: if SCALING == "r"
        self.scale = alpha / r
        # variant: elif SCALING == "root of r"
        self.scale = alpha / math.sqrt(r)
        # variant: elif SCALING == "nothing"
        self.scale = alpha
        # variant: endif
        self.register_buffer("weight_ND", weight_ND.detach().clone())
        self.A_KrD = nn.Parameter(torch.randn(K, r, D) / math.sqrt(D))
        self.B_KNr = nn.Parameter(torch.zeros(K, N, r))

    def forward(self, x_BTD: Tensor, task_B: Tensor) -> Tensor:
        inside_BTr = torch.einsum("btd,brd->btr", x_BTD, self.A_KrD[task_B])
        change_BTN = torch.einsum("btr,bnr->btn", inside_BTr, self.B_KNr[task_B])
        has_one_B11 = (task_B >= 0)[:, None, None]  # -1 has picked the last adapter
        return x_BTD @ self.weight_ND.T + self.scale * change_BTN * has_one_B11

    def merged(self, k: int) -> Tensor:
        return self.weight_ND + self.scale * self.B_KNr[k] @ self.A_KrD[k]

    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "lora-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
frozen = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]]).requires_grad_(True)
kept = frozen.detach().clone()
layer = ManyLoRA(frozen, 5, 2, 6.0)
x_BTD = torch.randn(7, 6, 3, generator=torch.Generator().manual_seed(1))
assert frozen.requires_grad, (
    "the matrix that was handed in no longer asks for a gradient: freeze a copy (detach, clone), not it"
)
tasks = torch.tensor([3, 1, -1, 4, 0, 1, 1])
assert layer.A_KrD.shape == (5, 2, 3), f"A_KrD has the shape (K, r, D) = (5, 2, 3), got {tuple(layer.A_KrD.shape)}"
assert layer.B_KNr.shape == (5, 4, 2), f"B_KNr has the shape (K, N, r) = (5, 4, 2), got {tuple(layer.B_KNr.shape)}"
assert layer.A_KrD.any(), "A starts at zero: with B at zero as well no gradient ever reaches either of them"
assert len(layer.A_KrD.detach().flatten(0, 1).unique(dim=0)) == 10, (
    "rows of A are equal, and would stay so; draw them all"
)
assert not layer.B_KNr.any(), "B must start at zero, so that the layer begins as the old matrix"
out = layer(x_BTD, tasks)
assert out is not None, "nothing came back from the layer: end forward with `return ...`"
assert out.shape == (7, 6, 4), f"x of shape (7, 6, 3) gives y of shape (B, T, N) = (7, 6, 4), got {tuple(out.shape)}"
assert out.any(), "0 at the start: x W^T is missing, or W was not kept"
assert near(out, x_BTD @ kept.T), "at the start the layer gives x W^T, whatever the task"
trained = {name: p.numel() for name, p in layer.named_parameters() if p.requires_grad}
assert sum(trained.values()) == 70, f"trained are A and B alone, K * r * (N + D) = 70 numbers; got {trained}"
out.square().sum().backward()
assert frozen.grad is None, "a gradient reaches the matrix that was handed in; detach it"
untrained = ManyLoRA(frozen, 5, 2, 6.0)
untrained.requires_grad_(False)
assert not untrained(x_BTD, tasks).requires_grad, "a gradient reaches the matrix that was handed in; detach it"
assert layer.A_KrD.grad is not None and layer.B_KNr.grad is not None, "A and B must get gradients"
assert not layer.A_KrD.grad.any(), "at the start A gets a gradient of exactly 0, since B is zero"
touched = layer.B_KNr.grad.flatten(1).any(dim=1).tolist()
assert touched != [False, True, False, True, True], "adapter 0 is never used: 0 counts as False, so ask for task >= 0"
assert touched == [True, True, False, True, True], (
    f"adapters 0, 1, 3 and 4 are used, each by its own rows: B gets a gradient there and nowhere else; got {touched}"
)
A_KrD, B_KNr = layer.A_KrD.detach().clone(), layer.B_KNr.detach().clone()
A_KrD[0], B_KNr[0] = torch.tensor([[0.0, 1, 0], [1, 1, 0]]), torch.tensor([[0.0, 0], [0, 0], [0, 0], [1, 1]])
A_KrD[3], B_KNr[3] = torch.tensor([[1.0, 0, 1], [0, 1, 0]]), torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]])
A_KrD[1], B_KNr[1] = torch.tensor([[0.0, 1, 0], [0, 0, 1]]), torch.tensor([[0.0, 0], [1, 0], [0, 0], [0, 1]])
A_KrD[4], B_KNr[4] = torch.tensor([[0.0, 0, 1], [1, 0, 0]]), torch.tensor([[0.0, 1], [0, 0], [1, 0], [0, 0]])
layer.load_state_dict({"A_KrD": A_KrD, "B_KNr": B_KNr}, strict=False)
one_two_three = torch.tensor([[[1.0, 2.0, 3.0]]])
out = layer(one_two_three, torch.tensor([3]))[0, 0]
first = out[0].item()
# variant: if SCALING == "r"
s = 6.0 / 2  # alpha / r
assert abs(first - 5) > 1e-4, "5: the factor alpha / r is missing"
assert abs(first - 25) > 1e-4, "25: the factor is alpha; divide it by r"
assert abs(first - 49) > 1e-4, "49: the factor is alpha * r; divide by r"
assert abs(first - 7 / 3) > 1e-4, "2.33: the factor is upside down; it is alpha / r"
# variant: elif SCALING == "root of r"
s = 6.0 / math.sqrt(2)  # alpha / sqrt(r)
assert abs(first - 5) > 1e-4, "5: the factor alpha / sqrt(r) is missing"
assert abs(first - 13) > 1e-3, "13: the factor is alpha / r; in this version of the exercise alpha is divided by the root of r"
assert abs(first - 25) > 1e-4, "25: the factor is alpha; divide it by the root of r"
assert abs(first - 1 - 24 * math.sqrt(2)) > 1e-3, "34.9: the factor is alpha * sqrt(r); divide by the root"
# variant: else
s = 6.0  # alpha
assert abs(first - 5) > 1e-4, "5: the factor alpha is missing"
assert abs(first - 13) > 1e-3, "13: the factor is alpha / r; in this version of the exercise it is alpha as it is"
assert abs(first - 1 - 12 * math.sqrt(2)) > 1e-3, "17.97: the factor is alpha / sqrt(r); in this version of the exercise it is alpha as it is"
# variant: endif
assert abs(first - 4 * s) > 1e-4, f"{first:.4g}: only the correction came back; x W^T is missing"
assert abs(first - 1 + 4 * s) > 1e-4, f"{first:.4g}: the correction was taken away; it is added"
assert not near(out, [1.0, 2.0, 3.0, 6 + 5 * s]), (
    "that is adapter 0, not 3: was the adapter picked by the row's number, not by its task?"
)
assert not near(out, [1 + 5 * s, 2 + 4 * s, 3 + 9 * s, 6 + 8 * s]), "all adapters were added up; a row uses only the one of its task"
worked = [1 + 4 * s, 2 + 2 * s, 3 + 6 * s, 6.0]
assert near(out, worked), f"worked example: expected {worked}, got {out.tolist()}"
out = layer(one_two_three, torch.tensor([-1]))[0, 0]
assert not near(out, [1 + s, 2.0, 3 + 3 * s, 6.0]), "-1 took the last adapter, as an index in Python does; here it means none"
assert not near(out, [1.0, 2.0, 3.0, 6 + 5 * s]), "-1 took adapter 0 (after a clamp?); -1 means no adapter at all"
assert near(out, [1.0, 2.0, 3.0, 6.0]), f"task -1 is W alone: expected [1, 2, 3, 6], got {out.tolist()}"
x_11D = one_two_three.clone().requires_grad_(True)
layer(x_11D, torch.tensor([3]))[0, 0, 0].backward()
assert x_11D.grad is not None and x_11D.grad.any(), "no gradient flows to x; neither x nor the result is detached"
assert not near(x_11D.grad[0, 0], [s, 0.0, s]), (
    "x gets a gradient through the adapter only: no no_grad around x W^T"
)
assert not near(x_11D.grad[0, 0], [1.0, 0.0, 0.0]), "x gets a gradient through W only; in the correction it is detached"
assert near(x_11D.grad[0, 0], [1 + s, 0.0, s]), f"gradient of x: expected {[1 + s, 0.0, s]}, got {x_11D.grad[0, 0].tolist()}"
matrix = layer.merged(3)
assert matrix is not None, "nothing came back from merged: end it with `return ...`"
assert matrix.shape == (4, 3), f"merged is one matrix of shape (N, D) = (4, 3), got {tuple(matrix.shape)}"
assert not near(matrix[0], [2.0, 0.0, 1.0]), "the factor << {'r': 'alpha / r', 'root of r': 'alpha / sqrt(r)', 'nothing': 'alpha'}[SCALING] >> is missing in merged"
assert not near(matrix[0], [s, 0.0, s]), "merged holds the correction alone; W is missing"
assert near(matrix[0], [1 + s, 0.0, s]), f"merged(3), first row: expected {[1 + s, 0.0, s]}, got {matrix[0].tolist()}"
out = layer(one_two_three, torch.tensor([3]))[0, 0]
assert near(out, worked), "after merged the layer gives other results: merged must not change W itself"
assert torch.equal(frozen.detach(), kept), "the matrix that was handed in was changed; keep a copy"
out = layer(x_BTD, tasks)
for row, task in enumerate(tasks.tolist()):
    alone = x_BTD[row] @ (kept if task < 0 else layer.merged(task)).T
    assert near(out[row], alone), f"row {row} of a mixed batch, task {task}: not what its own merged matrix gives"

# %% nbgrader={"grade": true, "grade_id": "lora-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

generator = torch.Generator().manual_seed(6)
for N, D, K, r, alpha, B, T in [(5, 7, 4, 3, 8.0, 6, 2), (9, 4, 2, 1, 0.5, 2, 5), (3, 8, 6, 2, 16.0, 1, 4)]:
    weight = torch.randn(N, D, generator=generator)
    given = weight.clone().requires_grad_(True)
    layer = ManyLoRA(given, K, r, alpha)
    x = torch.randn(B, T, D, generator=generator)
    task = torch.randint(0, K - 1, (B,), generator=generator)
    task[1:2] = -1
    assert torch.allclose(layer(x, task), x @ weight.T, atol=1e-4), "at the start the layer gives x W^T"
    n_trained = sum(p.numel() for p in layer.parameters() if p.requires_grad)
    assert n_trained == K * r * (N + D), f"trained: K * r * (N + D) = {K * r * (N + D)} numbers, got {n_trained}"
    before = torch.randn(K, r, D, generator=generator) / D**0.5
    layer.load_state_dict({"A_KrD": before.clone()}, strict=False)
    target = torch.randn(B, T, N, generator=generator)
    # variant: if SCALING == "r"
    scale = alpha / r
    # variant: elif SCALING == "root of r"
    scale = alpha / r**0.5
    # variant: else
    scale = alpha
    # variant: endif
    losses, rate = [], 0.1 / scale**2
    for _ in range(5):
        layer.zero_grad()
        loss = ((layer(x, task) - target) ** 2).mean()
        loss.backward()
        trained = {"A_KrD": layer.A_KrD, "B_KNr": layer.B_KNr}
        layer.load_state_dict({name: p.detach() - rate * p.grad for name, p in trained.items()}, strict=False)
        losses.append(loss.item())
    assert losses[-1] < losses[0], f"five steps of training must lower the loss, got {losses}"
    assert given.grad is None and torch.equal(given.detach(), weight), "W stays frozen"
    a, b = layer.A_KrD.detach().clone(), layer.B_KNr.detach().clone()
    for k in range(K):
        expected = weight.clone()
        for n in range(N):
            for d in range(D):
                expected[n, d] += scale * sum((b[k, n, i] * a[k, i, d]).item() for i in range(r))
        assert torch.allclose(layer.merged(k).detach(), expected, atol=1e-4), f"merged({k}) is not W + {scale} * B A"
        used = k in task.tolist()
        assert used or torch.equal(a[k], before[k]), f"no row has task {k}, so its adapter must not move"
        for row in range(B):
            if task[row] in (k, -1):
                alone = x[row] @ (expected if task[row] == k else weight).T
                assert torch.allclose(layer(x, task)[row].detach(), alone, atol=1e-3), (
                    f"N {N}, D {D}, K {K}, r {r}, alpha {alpha}: row {row} with task {task[row]} differs"
                )
    layer.requires_grad_(False)
    assert not layer(x, task).requires_grad, "a gradient reaches W"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "lora-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It counts what one adapter trains in QwQ-32B, whose seven matrices per layer you know from lesson 01, with `r = 16` for all of them.

# %% nbgrader={"grade": false, "grade_id": "lora-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
matrices = {"query": (5120, 5120), "key": (1024, 5120), "value": (1024, 5120), "out": (5120, 5120),
            "gate": (27648, 5120), "up": (27648, 5120), "down": (5120, 27648)}  # fmt: skip
n_trained = 64 * sum(16 * (rows + columns) for rows, columns in matrices.values())
print(f"trained: {n_trained:,} of 32,763,876,352 parameters, {n_trained / 32_763_876_352:.2%}")
for what, n in (("all of them", 32_763_876_352), ("one adapter", n_trained)):
    print(f"gradients and Adam's two memories, 12 bytes for each trained parameter, {what}: {12 * n / 1e9:.1f} GB")

# %% [markdown] nbgrader={"grade": false, "grade_id": "rl-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 9 · In your own words  (difficulty 2 of 5 · 14 minutes · 11 points)
#
# A base model answers problems of arithmetic; the answer is always one of ten digits. Of its answers << RIGHT_PERCENT >> % are right, and its pass@8 (the chance that at least one of 8 answers is right) is << "{:.2f}".format(1 - (1 - RIGHT_PERCENT / 100) ** 8) >>. After
# reinforcement learning 95 % are right and pass@8 is 1.00. A colleague says: "RL has taught the model arithmetic." In six to nine sentences: What does the << "{:.2f}".format(1 - (1 - RIGHT_PERCENT / 100) ** 8) >> say about the base? (What would
# pass@8 be if every answer to every problem were right with probability << "{:.2f}".format(RIGHT_PERCENT / 100) >>? What if each of the 8 answers were one of the ten digits, drawn at random, with replacement?) What does it say if two pass@k curves, before
# and after, meet at large k, and what can pass@k not tell when there are only ten answers? Which experiment would decide
# whether something new was learned? What would a run with a random reward show, whichever way it ends? For "which experiment would decide" marks are earned by
# saying what you would measure, on which problems, and which outcome would speak for each side. Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "rl-question", "locked": false, "points": 11, "schema_version": 3, "solution": true, "task": false}
# If every answer were right with probability << "{:.2f}".format(RIGHT_PERCENT / 100) >>, pass@8 would be 1 - << "{:.2f}".format(1 - RIGHT_PERCENT / 100) >>^8 = << "{:.3f}".format(1 - (1 - RIGHT_PERCENT / 100) ** 8) >>, just what was measured: the base can solve nearly every problem, about equally well, and fails by how it chooses
# and not by what it can do. So the step from << "{:.2f}".format(RIGHT_PERCENT / 100) >> to 0.95 says first of all that RL made likelier what the base wrote now and then. If the two curves meet at large k, everything that
# is solved afterwards could be found in samples of the base: RL moved probability, which is useful, since nobody wants to pick among 64 answers. But with ten possible
# answers luck does much of the work: random digits have pass@8 = 1 - 0.9^8 = 0.57 and pass@64 = 0.999, so here a meeting at large k says hardly anything; the thoughts would have to be read, or
# a task taken whose answers cannot be guessed. To decide, I would collect held-out problems that the base does not solve in 256 samples, with answers that are hard to guess, and count how many
# the trained model solves in a few; beside it I would train the base on its own right answers at equal compute, which can teach it nothing that it does not write itself. The random reward is the control: same steps, same prompts, same updates, but a coin pays. If
# accuracy stays near << "{:.2f}".format(RIGHT_PERCENT / 100) >>, the gain came from the verifier's information; if it rises as well, part of the gain has another cause, such as the training itself sharpening habits or a form that is kept more often, and the claim
# must shrink to the difference between the two runs, over several seeds.
#
# === BEGIN MARK SCHEME ===
# 3 points: << "{:.2f}".format(1 - (1 - RIGHT_PERCENT / 100) ** 8) >> is what 1 - << "{:.2f}".format(1 - RIGHT_PERCENT / 100) >>^8 gives, so the base solves nearly every problem sometimes; RL may only have made likelier what was there.
# 2 points: curves that meet at large k mean choosing better, not solving more; with ten answers luck alone gives 0.57 at k = 8, so large k proves little.
# 3 points: an experiment that could come out either way: held-out problems that the base never solves in many samples, or answers that cannot be guessed; or supervised training on own right answers at equal compute.
# 2 points: random reward, both outcomes: stays, then the verifier's information was the cause; rises, then part of the gain has another cause.
# 1 point: several seeds, or held-out problems, or another mention of noise.
# === END MARK SCHEME ===
