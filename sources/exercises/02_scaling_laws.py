# %% [markdown] nbgrader={"grade": false, "grade_id": "scaling-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 02 · Scaling laws: the bill, the loop and the best size
#
# Eight functions and one question in words, 100 points, about two hours. None of them is a function that the lesson
# prints: each is a sibling. You will compare models that cut text into different tokens, plan a ladder of runs that
# share their beginning, take one step of AdamW by hand, mend a training loop, and find the size of model that is
# cheapest when training is not the only bill. No cell trains anything for longer than a second.
#
# `hint("bits-per-byte")` prints one hint for the exercise with that name, the next call prints the next. The name is
# the one in the line *Stuck?* of each exercise. `racecourse check 02_scaling_laws` says what your work earns so far.
#
# **Letters for shapes**, as in lesson 01: `B` rows of a batch, `T` tokens of a row, `D` width of the residual stream,
# `H` query heads, `K` key-value heads, `C` channels per head, `F` width of the feed-forward part, `V` size of the
# vocabulary, `L` layers. Two names are longer here, because a scaling law uses the same letters for other things:
# `n_parameters` is the number of a model's parameters, and `n_tokens` the number of tokens that it is trained on.

# %% nbgrader={"grade": false, "grade_id": "scaling-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "scaling-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
# loss = E + A / n_parameters**alpha + B / n_tokens**beta, nats per token. These constants are Epoch AI's, from the
# runs that the Chinchilla paper plots (Besiroglu and others, 2024).
LAW = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
COOLDOWN = "root"  # how the rate falls at the end of a run; one of: "root", "line", "square", "cosine"
NORM = "length"  # what of the joined gradient is limited; one of: "length", "sum", "largest"
SOFTMAX_FLOP = 0  # FLOP of the softmax for each score; one of: 0, 3, 4, 5
PASSES = 3  # what training costs, in forward passes; one of: 3, 4
TRAINING_FLOP = 6  # per parameter and token of training; one of: 6, 8
USE_FLOP = 2  # per parameter and token that is read or written for a user; one of: 2, 1, 3
# Trillions of tokens that a model reads and writes for its users, for the table at the end.
INFERENCE_TRILLIONS = (0, 10, 100, 1000)  # one of: (0, 10, 100, 1000), (0, 5, 50, 500), (0, 20, 200, 2000)

# %% [markdown] nbgrader={"grade": false, "grade_id": "scaling-tools-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell defines two comparisons and a rounding, which the checks use. Nothing in it is graded.

# %% nbgrader={"grade": false, "grade_id": "scaling-tools", "locked": true, "schema_version": 3, "solution": false, "task": false}
def near(a: float, b: float, tolerance: float = 1e-6) -> bool:
    """Equal up to a share of the larger number. NaN is near nothing."""
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12)


def same(a: Tensor, b: Tensor | list[float], tolerance: float = 1e-5) -> bool:
    """Equal shapes, and equal numbers up to rounding. NaN equals nothing."""
    b = torch.as_tensor(b, dtype=a.dtype)
    return a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def rounded(x: Tensor) -> list:
    """The numbers of a tensor as a list, for a message."""
    return [round(number, 4) for number in x.flatten().tolist()]


# %% [markdown] nbgrader={"grade": false, "grade_id": "bits-per-byte-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · One unit for all tokenizers  (difficulty 1 of 5 · 8 minutes · 8 points)
#
# A model's loss is in **nats per token**: a nat is the unit of the natural logarithm, and one **bit** is `ln 2`, about
# 0.693 nats. But a token is whatever the tokenizer made it, so two models with different tokenizers cannot be compared
# by it. A **byte** of the text is the same for both. Write `bits_per_byte`: the bits that a model spends on a set of
# documents, **all of them together**, divided by the bytes of the documents. Text is stored as UTF-8, in which a letter
# takes one to four bytes: `a` one, `é` two.
#
# | in | | out | |
# |---|---|---|---|
# | `documents` | list of `(text, n_tokens, loss)`: a str, its number of tokens, the **mean** loss of these tokens in nats | number | float, bits per byte |
#
# Worked example: `[("née", 2, 2 * ln 2)]`: 2 tokens of 2 bits are 4 bits; the text has 3 letters and 4 bytes → `1.0`.
#
# Before you write: model A cuts a text of 44 bytes into 18 tokens with a loss of 2.0, model B into 10 tokens with a
# loss of 3.0. Which of them predicts the text better?
#
# *Stuck?* `hint("bits-per-byte")`


# %% nbgrader={"grade": false, "grade_id": "bits-per-byte", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bits_per_byte(documents: list[tuple[str, int, float]]) -> float:
    """All bits over all bytes; a document is (text, tokens, mean loss of its tokens in nats)."""
    ### BEGIN SOLUTION
    nats = sum(n_tokens * loss for _, n_tokens, loss in documents)
    n_bytes = sum(len(text.encode("utf-8")) for text, _, _ in documents)
    return nats / math.log(2) / n_bytes
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bits-per-byte-visible", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
bits = bits_per_byte([("née", 2, 2 * math.log(2))])
assert bits is not None, "nothing came back: end your function with `return ...`"
assert not near(bits, 4 / 3), "1.333: divided by the 3 letters; é takes two bytes, so the text has 4 bytes"
assert not near(bits, math.log(2)), "0.693: these are nats per byte; a bit is ln 2 nats, so divide by it"
assert not near(bits, math.log(2) ** 2), "0.480: the nats are multiplied by ln 2; a bit is the smaller unit, so divide"
assert not near(bits, 0.5), "0.5: that is the loss of one token; the loss is a mean, and there are 2 tokens"
assert not near(bits, 2.0), "2.0: these are bits per token; divide by the bytes"
assert not near(bits, 0.25), "0.25: bits per token, divided by the bytes; multiply the mean loss by the tokens"
assert near(bits, 1.0), f"worked example: expected 1.0 bits per byte, got {bits!r}"
bits = bits_per_byte([("née", 2, 2 * math.log(2)), ("a text of 20 letters", 5, 6 * math.log(2))])
assert not near(bits, 1.25), "1.25: the mean of the documents' own numbers; a long text counts more than a short one"
assert not near(bits, 2.5), "2.5: the sum of the documents' own numbers; sum the bits and the bytes, then divide"
assert not near(bits, 28 / 24), "1.167: the mean of the two losses; a document with more tokens counts more"
assert not near(bits, 1.5), "1.5: only the last document counts; all of them together are wanted"
assert not near(bits, 1.0), "1.0: only the first document counts; is the `return` inside the loop?"
assert near(bits, 34 / 24), f"4 + 30 bits on 4 + 20 bytes: expected {34 / 24:.4f}, got {bits!r}"

# %% nbgrader={"grade": true, "grade_id": "bits-per-byte-hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import math
import random

rng = random.Random(201)
signs = {"a": 1, " ": 1, "\n": 1, "é": 2, "馬": 3, "🐎": 4}  # and the bytes of each
for n_documents in (1, 3, 8):
    documents, nats, n_bytes = [], 0.0, 0
    for _ in range(n_documents):
        text = "".join(rng.choice(list(signs)) for _ in range(rng.randint(1, 30)))
        n_tokens, loss = rng.randint(1, 9), rng.uniform(0.5, 6)
        documents.append((text, n_tokens, loss))
        nats += n_tokens * loss
        n_bytes += sum(signs[sign] for sign in text)
    bits, expected = bits_per_byte(list(documents)), nats / math.log(2) / n_bytes
    assert math.isclose(bits, expected), (
        f"{documents}: {nats / math.log(2):.4f} bits over {n_bytes} bytes (é has 2, 馬 3, 🐎 4, all others one): expected "
        f"{expected:.4f}, got {bits!r}, as if there were {expected / bits * n_bytes:.6g} bytes"
    )
bits = bits_per_byte([("\n  for x in y:\n", 6, 1.7)])
assert math.isclose(bits, 6 * 1.7 / math.log(2) / 15), f"15 bytes, spaces and line ends are bytes too: got {bits!r}"
bits = bits_per_byte([("馬は走る", 3, 2.2), ("🐎", 2, 4.0)])
assert math.isclose(bits, 14.6 / math.log(2) / 16), f"4 signs of 3 bytes and one of 4 are 16 bytes: got {bits!r}"
bits = bits_per_byte([("twice", 2, 1.0), ("twice", 2, 3.0), ("once", 1, 5.0)])
assert math.isclose(bits, 13 / math.log(2) / 14), f"two documents with the same text are two documents: got {bits!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "branched-rates-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · A ladder for half the price  (difficulty 2 of 5 · 12 minutes · 10 points)
#
# A scaling law needs runs of many lengths. With a cosine schedule each length is a run of its own. With a stable
# learning rate, one long **trunk** is enough: each shorter run is a **branch** that leaves the trunk near its end and
# only adds its own **cooldown**, in which the rate falls. Hägele and others (2024) found that a cooldown along
# `1 - sqrt(x)`, where `x` goes from 0 to 1, ends lower than a straight line. Write `branched_rates`, the plan of a
# ladder.
# <% if COOLDOWN == "line" %>
#
# Yours is the ladder to compare with, so its cooldowns fall along the **straight line** `1 - x`.
# <% elif COOLDOWN == "square" %>
#
# Yours is the ladder to compare with, so its cooldowns fall along the **parabola** `1 - x**2`, slowly at first.
# <% elif COOLDOWN == "cosine" %>
#
# Yours is the ladder to compare with, so its cooldowns fall along **half a cosine**, `(1 + cos(pi * x)) / 2`.
# <% endif %>
#
# - **Cooldown.** The run that ends after `end` steps spends its last `end // part` steps in the cooldown. Of `n` such
# <% if COOLDOWN == "root" %>
#   steps, step `i` (counted from 0) has the rate `peak * (1 - sqrt(i / n))`.
# <% elif COOLDOWN == "line" %>
#   steps, step `i` (counted from 0) has the rate `peak * (1 - i / n)`.
# <% elif COOLDOWN == "square" %>
#   steps, step `i` (counted from 0) has the rate `peak * (1 - (i / n)**2)`.
# <% else %>
#   steps, step `i` (counted from 0) has the rate `peak * (1 + cos(pi * i / n)) / 2`.
# <% endif %>
# - **Trunk.** It rises in a line: step `s`, counted from 0, has `peak * (s + 1) / warmup` while `s < warmup`, then
#   `peak`. It stops where the longest run begins its cooldown. (The warm-up is always over by then, also for the
#   shortest run: nothing to check.)
#
# | in | | out: dict | |
# |---|---|---|---|
# | `ends` | list of ints: steps of each run, cooldown included, in any order | `"trunk"` | list of floats, the rate of each step of the trunk |
# | `part` | int: one step in `part` is cooldown | `"branches"` | dict: end → list of floats, the rates of its cooldown only |
# | `warmup` | int, steps, `>= 1` | `"steps"` | int: steps that have to be computed, with the trunk computed **once** |
# | `peak` | float, the highest rate | | |
#
# Worked example: `ends=[16, 40], part=4, warmup=4, peak=2.0` → a trunk of 30 steps that begins `0.5, 1.0, 1.5, 2.0`;
# <% if COOLDOWN == "root" %>
# run 16 leaves it after 12 steps and cools down with `2.0, 1.0, 0.586, 0.268`; run 40 cools down for 10 steps. That is
# <% elif COOLDOWN == "line" %>
# run 16 leaves it after 12 steps and cools down with `2.0, 1.5, 1.0, 0.5`; run 40 cools down for 10 steps. That is
# <% elif COOLDOWN == "square" %>
# run 16 leaves it after 12 steps and cools down with `2.0, 1.875, 1.5, 0.875`; run 40 cools down for 10 steps. That is
# <% else %>
# run 16 leaves it after 12 steps and cools down with `2.0, 1.707, 1.0, 0.293`; run 40 cools down for 10 steps. That is
# <% endif %>
# 30 + 4 + 10 = 44 steps in place of 16 + 40 = 56.
#
# Before you write: a ladder of ten runs, each 1.5 times as long as the one before, a fifth of each in the cooldown.
# Which share of the steps does the trunk save?
#
# *Stuck?* `hint("branched-rates")`


# %% nbgrader={"grade": false, "grade_id": "branched-rates", "locked": false, "schema_version": 3, "solution": true, "task": false}
def branched_rates(ends: list[int], part: int, warmup: int, peak: float) -> dict:
    """Learning rates of one trunk and of the cooldown of each run that branches off, and the steps of it all."""
    ### BEGIN SOLUTION
    n_trunk = max(end - end // part for end in ends)
    trunk = [peak * min(1.0, (step + 1) / warmup) for step in range(n_trunk)]
    branches = {}
    for end in ends:
        n = end // part
        # variant: if COOLDOWN == "root"
        branches[end] = [peak * (1 - math.sqrt(i / n)) for i in range(n)]
        # variant: elif COOLDOWN == "line"
        branches[end] = [peak * (1 - i / n) for i in range(n)]
        # variant: elif COOLDOWN == "square"
        branches[end] = [peak * (1 - (i / n) ** 2) for i in range(n)]
        # variant: else
        branches[end] = [peak * (1 + math.cos(math.pi * i / n)) / 2 for i in range(n)]
        # variant: endif
    return {"trunk": trunk, "branches": branches, "steps": n_trunk + sum(map(len, branches.values()))}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "branched-rates-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
plan = branched_rates([16, 40], part=4, warmup=4, peak=2.0)
assert plan is not None, "nothing came back: end your function with `return ...`"
assert set(plan) == {"trunk", "branches", "steps"}, f"keys trunk, branches, steps are wanted; got {sorted(plan)}"
first = [round(rate, 3) for rate in plan["trunk"][:5]]
assert first != [0, 0.5, 1, 1.5, 2], "the trunk begins with a rate of 0, a wasted step: it is (s + 1) / warmup"
assert first != [0.5, 1, 1.5, 2, 2.5], "the rate of step 4 is 2.5: after the warm-up it stays at the peak"
assert first == [0.5, 1, 1.5, 2, 2], f"first five rates of the trunk: expected [0.5, 1, 1.5, 2, 2], got {first}"
n_trunk = len(plan["trunk"])
assert n_trunk != 40, "40 steps: the trunk goes on to the end of the longest run; it stops where its cooldown begins"
assert n_trunk != 12, "12 steps: the trunk stops at the shortest run's cooldown; the longest run needs more of it"
assert n_trunk == 30, f"trunk: expected 30 steps, got {n_trunk}"
assert set(plan["trunk"][4:]) == {2.0}, f"after the warm-up the trunk stays at the peak of 2.0: got {plan['trunk'][4:]}"
assert set(plan["branches"]) == {16, 40}, f"one branch per run, named by its end: got {sorted(plan['branches'])}"
short = [round(rate, 3) for rate in plan["branches"][16]]
assert len(short) != 16, "branch 16 has 16 rates: the trunk's part is in it; a branch holds its cooldown only"
assert len(short) != 10, "branch 16 cools down for 10 steps, as long as run 40; each run has a cooldown of its own"
assert len(short) == 4, f"branch 16 cools down for 16 // 4 = 4 steps, got {len(short)}"
assert short[0] != 2 or short[-1] != 0, (
    f"branch 16 goes from the peak to 0, {short}: x is i / n, not i / (n - 1); a last step with a rate of 0 changes nothing"
)
# variant: if COOLDOWN == "root"
assert short != [2, 1.5, 1, 0.5], "branch 16 falls in a straight line; 1 - sqrt(x) falls fast at first"
assert short != [2, 1.732, 1.414, 1], "branch 16 falls along sqrt(1 - x); it is 1 - sqrt(x)"
assert short != [1, 0.586, 0.268, 0], "branch 16 ends with a rate of 0, a step that changes nothing: i counts from 0"
assert short == [2, 1, 0.586, 0.268], f"branch 16: expected [2, 1, 0.586, 0.268], got {short}"
# variant: else
shapes = {
    "root": ("1 - sqrt(x)", [2, 1, 0.586, 0.268], [1, 0.586, 0.268, 0]),
    "line": ("the straight line 1 - x", [2, 1.5, 1, 0.5], [1.5, 1, 0.5, 0]),
    "square": ("the parabola 1 - x**2", [2, 1.875, 1.5, 0.875], [1.875, 1.5, 0.875, 0]),
    "cosine": ("half a cosine, (1 + cos(pi * x)) / 2", [2, 1.707, 1, 0.293], [1.707, 1, 0.293, 0]),
}
wanted, rates, too_early = shapes[COOLDOWN]
for words, others, _ in shapes.values():
    assert words == wanted or short != others, (
        f"branch 16 falls along {words}; in this version of the exercise it falls along {wanted}"
    )
assert short != too_early, "branch 16 ends with a rate of 0, a step that changes nothing: i counts from 0"
assert short == rates, f"branch 16: expected {rates}, got {short}"
# variant: endif
assert len(plan["branches"][40]) == 10, f"branch 40: expected 10 rates, got {len(plan['branches'][40])}"
assert plan["steps"] != 56, "56 steps: these are two runs from the start; the trunk is computed once for both"
assert plan["steps"] != 30, "30 steps: that is the trunk; the cooldowns are computed too"
assert plan["steps"] == 44, f"steps: expected 30 + 4 + 10 = 44, got {plan['steps']!r}"

# %% nbgrader={"grade": true, "grade_id": "branched-rates-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
# variant: if COOLDOWN == "cosine"
import math

# variant: endif
cases = [([300, 59, 118], 5, 10, 3e-3), ([25, 50, 104, 201], 10, 1, 0.5), ([31, 3], 4, 2, 1.0)]
for ends, part, warmup, peak in cases:
    given = list(ends)
    plan = branched_rates(given, part, warmup, peak)
    what = f"ends={ends}, part={part}, warmup={warmup}"
    assert given == ends, f"{what}: the list of ends that came in was changed"
    n_trunk = max(ends) - max(ends) // part
    expected = [min(peak, peak * (s + 1) / warmup) for s in range(n_trunk)]
    assert len(plan["trunk"]) == n_trunk, (
        f"{what}: the longest run has {max(ends)} steps and cools down for {max(ends)} // {part} = {max(ends) // part} of "
        f"them: expected a trunk of {n_trunk} steps, got {len(plan['trunk'])}"
    )
    apart = max(abs(a - b) for a, b in zip(plan["trunk"], expected, strict=True))
    assert apart < 1e-9, f"{what}: a rate of the trunk is wrong by {apart:.3g}"
    assert set(plan["branches"]) == set(ends), f"{what}: one branch for each end, got {sorted(plan['branches'])}"
    for end, rates in plan["branches"].items():
        n = int(end / part)
        assert len(rates) == n, f"{what}: run {end} cools down for {n} steps, got {len(rates)}"
        for i in range(n):
            # variant: if COOLDOWN == "root"
            fall = 1 - (i / n) ** 0.5
            # variant: elif COOLDOWN == "line"
            fall = (n - i) / n
            # variant: elif COOLDOWN == "square"
            fall = (n - i) * (n + i) / n**2
            # variant: else
            fall = math.cos(math.pi * i / n / 2) ** 2  # half of 1 + the cosine of twice the angle
            # variant: endif
            assert abs(rates[i] - peak * fall) < 1e-9, (
                f"{what}, peak {peak}: rate {i} of branch {end}: expected {peak * fall:.6g}, got {rates[i]:.6g}"
            )
    steps = n_trunk + sum(int(end / part) for end in ends)
    assert plan["steps"] == steps, f"{what}: expected {steps} steps in all, got {plan['steps']!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "adamw-step-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · One step of AdamW  (difficulty 3 of 5 · 15 minutes · 13 points)
#
# AdamW keeps two tensors beside each weight: `m`, a running mean of its gradients, and `v`, a running mean of their
# squares. Each step keeps the share `beta` of the old mean and takes `1 - beta` of the new number; `m` has the first
# of the two betas, `v` the second. Both begin at zero, so for the first steps they are too small. After step `t`
# (the first step is 1) a mean that began at zero has had only the share `1 - beta**t` of the numbers that it should
# have: the **bias correction** divides by that. The step is then the corrected `m` over (the root of the corrected
# `v`, plus `eps`), times the learning rate.
#
# The W stands for **decoupled weight decay**: besides that, the weight loses the share `lr * weight_decay` of what it
# was **before** the step. The decay never goes through `m` and `v`. Write `adamw_step`.
#
# | in | | out | |
# |---|---|---|---|
# | `w`, `grad` | float tensors of one shape | `(w, state)` | the weight after the step, and the new state |
# | `state` | dict: `"t"` int, steps done; `"m"`, `"v"` tensors. At first 0, zeros, zeros | | |
# | `lr`, `betas`, `eps`, `weight_decay` | numbers; `betas` is a pair | | |
#
# What comes in is **not changed**: new tensors and a new dict come back.
#
# Worked example: `w = 4`, `grad = 2`, first step, `lr = 0.1`, `betas = (0.6, 0.75)`, `eps = 0.5`, `weight_decay = 0.5`.
# `m = 0.8` and `v = 1`; corrected `0.8 / 0.4 = 2` and `1 / 0.25 = 4`. The step is `0.1 * 2 / (2 + 0.5) = 0.08`, the
# decay `0.1 * 0.5 * 4 = 0.2` → `w = 3.72`.
#
# Before you write: with `eps = 0`, no decay and a gradient of 0.000001, how far does the first step go? And with a
# gradient of 1,000,000?
#
# *Stuck?* `hint("adamw-step")`


# %% nbgrader={"grade": false, "grade_id": "adamw-step", "locked": false, "schema_version": 3, "solution": true, "task": false}
def adamw_step(
    w: Tensor, grad: Tensor, state: dict, lr: float, betas: tuple[float, float], eps: float, weight_decay: float
) -> tuple[Tensor, dict]:
    """One step of AdamW for one weight tensor; nothing is changed in place."""
    ### BEGIN SOLUTION
    t = state["t"] + 1
    m = betas[0] * state["m"] + (1 - betas[0]) * grad
    v = betas[1] * state["v"] + (1 - betas[1]) * grad.square()
    m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    new_w = w - lr * weight_decay * w - lr * m_hat / (v_hat.sqrt() + eps)
    return new_w, {"t": t, "m": m, "v": v}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "adamw-step-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
w, grad = torch.tensor([4.0]), torch.tensor([2.0])
state = {"t": 0, "m": torch.zeros(1), "v": torch.zeros(1)}
numbers = {"lr": 0.1, "betas": (0.6, 0.75), "eps": 0.5, "weight_decay": 0.5}
out = adamw_step(w, grad, state, **numbers)
assert isinstance(out, tuple) and len(out) == 2, f"a pair is wanted, weight and state; got {type(out).__name__}"
new_w, new_state = out
assert isinstance(new_state, dict) and set(new_state) == {"t", "m", "v"}, "the state needs the keys t, m and v"
assert (w.item(), grad.item()) == (4.0, 2.0), "w or grad was changed in place: compute new tensors"
assert (state["t"], state["m"].item(), state["v"].item()) == (0, 0.0, 0.0), "the state that came in was changed"
assert new_w.isfinite().all(), "the weight is not a number: 1 - beta**0 is 0; count this step before you correct"
assert new_state["t"] == 1, f"t counts the steps done: expected 1, got {new_state['t']!r}"
assert not same(new_state["m"], [2.0]) or not same(new_state["v"], [4.0]), (
    "m = 2, v = 4: these are the corrected means; the state keeps them as they are before the correction"
)
assert not same(new_state["m"], [1.6]), "m = 1.6: the gradient holds the decay; decoupled means that m never sees it"
assert not same(new_state["m"], [2.0]), "m = 2: the new number is taken with its share 1 - beta, here 0.4"
assert not same(new_state["m"], [0.5]), "m = 0.5: betas are swapped; m has the first one"
assert not same(new_state["m"], [1.2]), "m = 1.2: beta is the share of the old mean; the new number has 1 - beta"
assert same(new_state["m"], [0.8]), f"m after the first step: expected 0.8, got {rounded(new_state['m'])}"
assert not same(new_state["v"], [0.5]), "v = 0.5: v is the mean of the squares of the gradients"
assert same(new_state["v"], [1.0]), f"v after the first step: expected 1, got {rounded(new_state['v'])}"
for value, message in [
    (3.74667, "3.747: m and v are not corrected for their start at zero"),
    (3.73787, "3.738: m and v are corrected with beta**2; this is the first step, so t is 1 (is t counted up twice?)"),
    (3.66667, "3.667: m is corrected for its start at zero, v is not"),
    (3.768, "3.768: v is corrected for its start at zero, m is not"),
    (3.73333, "3.733: eps was added before v was corrected; first correct v, then take the root, then add eps"),
    (3.70572, "3.706: eps is inside the root; it is sqrt(v) + eps"),
    (3.75556, "3.756: the root of v is missing"),
    (3.92, "3.92: the weight decay is missing"),
    (1.92, "1.92: the decay is weight_decay * w; it is to be multiplied by the learning rate too"),
    (3.724, "3.724: the decay was taken from the weight after the step; it is a share of the weight before it"),
    (4.28, "4.28: the weight grew; step and decay are both subtracted"),
    (3.88, "3.88: the step goes up; it is subtracted"),
    (4.12, "4.12: the decay makes the weight larger; it is subtracted"),
]:
    assert not same(new_w, [value]), message
assert same(new_w, [3.72]), f"worked example: expected 3.72, got {rounded(new_w)}"
again, state_2 = adamw_step(new_w, torch.tensor([3.0]), new_state, **numbers)
assert new_state["t"] == 1 and same(new_state["m"], [0.8]), "the second step changed the state that the first returned"
assert same(state_2["m"], [1.68]) and same(state_2["v"], [3.0]), (
    "second step, gradient 3: expected m = 0.6*0.8 + 0.4*3 = 1.68 and v = 0.75*1 + 0.25*9 = 3; "
    f"got {rounded(state_2['m'])} and {rounded(state_2['v'])}"
)
constant = 0.95 * 3.72 - 0.1 * (1.68 / 0.4) / ((3.0 / 0.25) ** 0.5 + 0.5)
assert not same(again, [constant]), "second step: divided by 1 - beta as in the first; it is 1 - beta**t, with t = 2"
expected = 0.95 * 3.72 - 0.1 * (1.68 / 0.64) / ((3.0 / 0.4375) ** 0.5 + 0.5)
assert same(again, [expected]), f"second step: expected {expected:.4f}, got {rounded(again)}"
parameter = nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 0.0]]))
torchs = torch.optim.AdamW([parameter], lr=0.02, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
mine, state = parameter.detach().clone(), {"t": 0, "m": torch.zeros(2, 2), "v": torch.zeros(2, 2)}
for step in range(1, 6):
    parameter.grad = torch.tensor([[1.0, -3.0], [0.2, 5.0]]) * step
    torchs.step()
    mine, state = adamw_step(mine, parameter.grad.clone(), state, 0.02, (0.9, 0.95), 1e-8, 0.1)
    assert same(mine, parameter.detach()), f"five steps beside torch.optim.AdamW: step {step} differs"

# %% nbgrader={"grade": true, "grade_id": "adamw-step-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(203)
cases = [
    ((3,), 0.3, (0.8, 0.99), 1e-3, 0.2),
    ((2, 3, 2), 0.01, (0.0, 0.5), 0.1, 0.0),
    ((), 0.1, (0.95, 0.6), 1e-6, 1.0),
]
for shape, lr, betas, eps, decay in cases:
    parameter = torch.nn.Parameter(torch.randn(shape, dtype=torch.float64))
    torchs = torch.optim.AdamW([parameter], lr=lr, betas=betas, eps=eps, weight_decay=decay)
    zeros = torch.zeros(shape, dtype=torch.float64)
    w, state = parameter.detach().clone(), {"t": 0, "m": zeros, "v": zeros.clone()}
    what = f"shape {shape}, betas {betas}, eps {eps}, decay {decay}"
    for step in range(1, 16):
        parameter.grad = torch.zeros_like(parameter) if step in (6, 7) else torch.randn(shape, dtype=torch.float64)
        before = {name: torch.as_tensor(value).clone() for name, value in state.items()}
        torchs.step()
        new_w, new_state = adamw_step(w.clone(), parameter.grad.clone(), state, lr, betas, eps, decay)
        changed = [name for name in before if not torch.equal(before[name], torch.as_tensor(state[name]))]
        assert not changed, f"{what}, step {step}: the state that came in was changed: {changed}"
        w, state = new_w, new_state
        assert w.dtype == torch.float64, f"{what}: the weights came as float64 and must stay so, got {w.dtype}"
        assert w.shape == parameter.shape, f"{what}: expected shape {shape}, got {tuple(w.shape)}"
        here, means = f"{what}: step {step}", torchs.state[parameter]
        still = " (the gradient of this step is 0, but the means go on)" if step in (6, 7) else ""
        assert state["t"] == step, f"{here}: t should be {step}, got {state['t']!r}{still}"
        for name, right in (("m", means["exp_avg"]), ("v", means["exp_avg_sq"])):
            apart = (state[name].double() - right).abs().flatten()
            at, tolerance = int(apart.argmax()), 1e-9 + 1e-9 * right.abs().max()
            assert apart[at] <= tolerance, (
                f"{here}: {name} should be {right.flatten()[at]:.6g}, got {state[name].flatten()[at]:.6g}{still}"
            )
        at = int((w - parameter.detach()).abs().argmax())
        assert torch.allclose(w, parameter.detach(), rtol=1e-9, atol=1e-9), (
            f"{here}: t, m and v are right, a weight is not: expected {parameter.detach().flatten()[at]:.6g}, got "
            f"{w.flatten()[at]:.6g}. What makes the weight of them: the corrections by 1 - beta**{step}, the root, eps, the decay"
        )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "accumulate-clip-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · A batch in pieces, and a limit  (difficulty 2 of 5 · 12 minutes · 10 points)
#
# A batch that does not fit into memory is cut into pieces. Each piece gives the gradient of **its own mean** loss over
# its judged tokens (those whose prediction counts; padding does not). The pieces then have to be joined so that the
# result is the gradient of the mean over **all** judged tokens of the batch: a piece with more of them counts more.
# Until October 2024 widely used training code gave every piece the same weight, and few noticed.
#
# The joined gradient is then **clipped by its global norm**: take all gradients as one long vector, the one of every
# <% if NORM == "length" %>
# parameter tensor behind the other. If its length (the root of the sum of all squares) exceeds `limit`, multiply all of
# them by the same factor, so that the length becomes `limit`. If not, leave them. Write `accumulate_and_clip`.
# <% elif NORM == "sum" %>
# parameter tensor behind the other. Mostly the length of this vector is limited. Here its norm is another one, **the sum
# of the absolute values** of all its numbers. If the norm exceeds `limit`, multiply all numbers by the same factor, so
# that the norm becomes `limit`. If not, leave them. Write `accumulate_and_clip`.
# <% else %>
# parameter tensor behind the other. Mostly the length of this vector is limited. Here its norm is another one, **the
# largest absolute value** among all its numbers. If the norm exceeds `limit`, multiply all numbers by the same factor,
# so that the norm becomes `limit`. If not, leave them. Write `accumulate_and_clip`.
# <% endif %>
#
# | in | | out | |
# |---|---|---|---|
# | `pieces` | list of `(grads, n_judged)`: a list of tensors, one per parameter, and an int | `(grads, norm)` | list of **new** tensors; float, the << "length" if NORM == "length" else "norm" >> **before** clipping |
# | `limit` | number `> 0` | | |
#
# A piece with `n_judged = 0` may come with gradients that are NaN: its mean, `(losses * judged).sum() / judged.sum()`,
# is 0 / 0. Leave it out; at least one piece has judged tokens.
#
# Worked example, two parameters: piece 1 has `[8, 1]` and `[2]` from 1 judged token, piece 2 `[0, 1]` and `[2]` from 3
# <% if NORM == "length" %>
# judged tokens. Joined: `[(1*8 + 3*0) / 4, 1] = [2, 1]` and `[2]`. The length is `sqrt(4 + 1 + 4) = 3`. With
# `limit = 1.5` → `[1, 0.5]` and `[1]`, norm `3.0`.
# <% elif NORM == "sum" %>
# judged tokens. Joined: `[(1*8 + 3*0) / 4, 1] = [2, 1]` and `[2]`. The norm is `2 + 1 + 2 = 5`. With
# `limit = 2.5` → `[1, 0.5]` and `[1]`, norm `5.0`.
# <% else %>
# judged tokens. Joined: `[(1*8 + 3*0) / 4, 1] = [2, 1]` and `[2]`. The norm is `2`. With
# `limit = 1.0` → `[1, 0.5]` and `[1]`, norm `2.0`.
# <% endif %>
#
# Before you write: all tensors are clipped together. Does that change the gradient's direction, or its length only?
#
# *Stuck?* `hint("accumulate-clip")`


# %% nbgrader={"grade": false, "grade_id": "accumulate-clip", "locked": false, "schema_version": 3, "solution": true, "task": false}
def accumulate_and_clip(pieces: list[tuple[list[Tensor], int]], limit: float) -> tuple[list[Tensor], float]:
    # variant: if NORM == "length"
    """Gradients of the mean loss over all judged tokens, no longer than `limit`, and their length before clipping."""
    # variant: else
    """Gradients of the mean loss over all judged tokens, of a norm up to `limit`, and their norm before clipping."""
    # variant: endif
    ### BEGIN SOLUTION
    judged = [(grads, n) for grads, n in pieces if n > 0]
    total = sum(n for _, n in judged)
    joined = [sum(n / total * grads[i] for grads, n in judged) for i in range(len(judged[0][0]))]
    # variant: if NORM == "length"
    norm = math.sqrt(sum(grad.square().sum().item() for grad in joined))
    # variant: elif NORM == "sum"
    norm = sum(grad.abs().sum().item() for grad in joined)
    # variant: else
    norm = max(grad.abs().max().item() for grad in joined)
    # variant: endif
    factor = limit / norm if norm > limit else 1.0
    return [grad * factor for grad in joined], norm
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "accumulate-clip-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
pieces = [([torch.tensor([8.0, 1.0]), torch.tensor([2.0])], 1), ([torch.tensor([0.0, 1.0]), torch.tensor([2.0])], 3)]
out = accumulate_and_clip(pieces, limit=100.0)
assert isinstance(out, tuple) and len(out) == 2, f"a pair is wanted, gradients and norm; got {type(out).__name__}"
grads, norm = out
assert isinstance(grads, (list, tuple)) and len(grads) == 2, "one gradient per parameter: a list of two tensors"
assert [rounded(grad) for grad in pieces[0][0]] == [[8, 1], [2]], "the first piece was changed in place"
assert not same(grads[0], [4.0, 1.0]), "[4, 1]: every piece has the same weight; weigh it by its judged tokens"
assert not same(grads[0], [8.0, 2.0]), "[8, 2]: that is the sum of the pieces' means; it has to be the mean over tokens"
assert not same(grads[0], [8.0, 4.0]), "[8, 4]: weighed by the judged tokens, but not divided by their number, 4"
assert not same(grads[0], [4.0, 2.0]), "[4, 2]: weighed by the judged tokens, but divided by the pieces; divide by 4"
# variant: if NORM == "length"
assert not grads[0].norm() > 50, "limit 100, and a gradient of length 3 became longer: clipping never makes it longer"
# variant: else
assert not grads[0].norm() > 30, "limit 100, and a gradient below it became longer: clipping never makes it longer"
# variant: endif
assert same(grads[0], [2.0, 1.0]) and same(grads[1], [2.0]), (
    f"joined, limit 100: expected [2, 1] and [2], got {rounded(grads[0])} and {rounded(grads[1])}"
)
assert isinstance(norm, float), f"the norm is a plain number, a float (use .item()), not a {type(norm).__name__}"
# variant: if NORM == "length"
assert not near(norm, 9.0, 1e-5), "norm 9: the root is missing"
assert not near(norm, 5**0.5 + 2, 1e-5), "norm 4.236: the sum of the tensors' lengths; sum all squares, then one root"
assert not near(norm, 5.0, 1e-5), "norm 5: the sum of the absolute numbers; it is the root of the sum of the squares"
assert not near(norm, 3**0.5, 1e-5), "norm 1.732: the root of the mean of the squares; it is the root of their sum"
assert not near(norm, 2.0, 1e-5), "norm 2: the length of the last tensor, or the largest number; all tensors together"
assert near(norm, 3.0, 1e-5), f"norm: expected 3.0, got {norm!r}"
grads, norm = accumulate_and_clip(pieces, limit=1.5)
assert not same(grads[0], [2.0, 1.0]), "a length of 3 with a limit of 1.5: nothing was clipped"
assert not same(grads[0], [1.5, 1.0]), "[1.5, 1]: each number was clipped; all are multiplied by the same factor"
assert not same(grads[1], [1.5]), "[1.5]: each tensor was clipped by its own length; one factor for all tensors"
apart = torch.tensor([1.5 / 4 * 8 / 69**0.5, 1.5 / 4 * (1 / 69**0.5 + 3 / 5**0.5)])
assert not same(grads[0], apart), "every piece was clipped before they were joined; join first, then clip once"
assert same(grads[0], [1.0, 0.5], 1e-4) and same(grads[1], [1.0], 1e-4), (
    f"limit 1.5: expected [1, 0.5] and [1], got {rounded(grads[0])} and {rounded(grads[1])}"
)
assert not near(norm, 1.5, 1e-4), "norm 1.5: the length after clipping; a training log wants the one before it"
assert near(norm, 3.0, 1e-5), f"limit 1.5: the norm before clipping is 3.0, got {norm!r}"
# variant: else
words, right, of_pieces = {
    "sum": ("the sum of the absolute values", 5.0, (11, 3)),
    "largest": ("the largest absolute value", 2.0, (8, 2)),
}[NORM]
assert not near(norm, 3.0, 1e-5), (
    f"norm 3: that is the length, the root of the sum of the squares; in this version of the exercise it is {words}"
)
assert not near(norm, 9.0, 1e-5), f"norm 9: the sum of the squares; in this version of the exercise it is {words}"
# variant: if NORM == "sum"
assert not near(norm, 2.0, 1e-5), "norm 2: the largest number, or the sum of the last tensor; sum all numbers"
assert not near(norm, 5 / 3, 1e-5), "norm 1.667: the mean of the absolute values; it is their sum"
# variant: else
assert not near(norm, 4.0, 1e-5), "norm 4: the largest number of each tensor, added up; take the largest of all"
assert not near(norm, 5.0, 1e-5), "norm 5: the sum of the absolute values; it is the largest of them"
# variant: endif
assert near(norm, right, 1e-5), f"norm: expected {right}, got {norm!r}"
grads, norm = accumulate_and_clip(pieces, limit=right / 2)
assert not same(grads[0], [2.0, 1.0]) or not same(grads[1], [2.0]), (
    f"a norm of {right} with a limit of {right / 2}: nothing was clipped"
)
# variant: if NORM == "largest"
assert not same(grads[0], [1.0, 1.0]), "[1, 1]: each number was clipped; all are multiplied by the same factor"
# variant: else
assert not same(grads[1], [2.0]), "[2]: each tensor was clipped by its own norm; one factor for all tensors"
# variant: endif
times = [right / 2 / norm_of_piece for norm_of_piece in of_pieces]
apart = torch.tensor([times[0] * 8 / 4, (times[0] * 1 + times[1] * 3) / 4])
assert not same(grads[0], apart), "every piece was clipped before they were joined; join first, then clip once"
assert same(grads[0], [1.0, 0.5], 1e-4) and same(grads[1], [1.0], 1e-4), (
    f"limit {right / 2}: expected [1, 0.5] and [1], got {rounded(grads[0])} and {rounded(grads[1])}"
)
assert not near(norm, right / 2, 1e-4), (
    f"norm {right / 2}: the norm after clipping; a training log wants the one before it"
)
assert near(norm, right, 1e-5), f"limit {right / 2}: the norm before clipping is {right}, got {norm!r}"
# variant: if NORM == "largest"
uneven_pair = [([torch.tensor([2.0, 1.0]), torch.tensor([0.5])], 3)]
grads, norm = accumulate_and_clip(uneven_pair, limit=1.0)
assert not near(norm, 0.5, 1e-5), "[2, 1] and [0.5], norm 0.5: that is the last tensor's; take the largest of all"
assert not same(grads[1], [0.5]), "[2, 1] and [0.5]: each tensor was clipped by its own norm; one factor for all"
assert same(grads[1], [0.25]), f"[2, 1] and [0.5], limit 1: expected [1, 0.5] and [0.25], got {rounded(grads[1])}"
# variant: endif
# variant: endif
padding = ([torch.full((2,), float("nan")), torch.full((1,), float("nan"))], 0)
# variant: if NORM == "length"
grads, norm = accumulate_and_clip([padding, *pieces], limit=1.5)
# variant: else
grads, norm = accumulate_and_clip([padding, *pieces], limit=right / 2)
# variant: endif
assert grads[0].isfinite().all(), "a piece without judged tokens made everything NaN: 0 * NaN is NaN, leave it out"
assert same(grads[0], [1.0, 0.5], 1e-4), f"with a piece of padding: expected [1, 0.5] again, got {rounded(grads[0])}"
# variant: if NORM == "length"
square = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
norm = accumulate_and_clip([([square], 2)], limit=9.0)[1]
assert not near(norm, 4.0, 1e-5), "norm 4 for the matrix [[3, 0], [0, 4]]: that is its spectral norm; flatten it first"
assert near(norm, 5.0, 1e-5), f"the matrix [[3, 0], [0, 4]] has the length 5, got {norm!r}"
# variant: else
square = torch.tensor([[3.0, 2.0], [0.0, -4.0]])
norm = accumulate_and_clip([([square], 2)], limit=20.0)[1]
# variant: if NORM == "sum"
assert not near(norm, 1.0, 1e-5), "norm 1 for the matrix [[3, 2], [0, -4]]: the numbers were added with their signs"
assert not near(norm, 6.0, 1e-5), "norm 6 for the matrix [[3, 2], [0, -4]]: one column's sum; flatten it first"
assert near(norm, 9.0, 1e-5), f"the absolute values of the matrix [[3, 2], [0, -4]] sum to 9, got {norm!r}"
# variant: else
assert not near(norm, 3.0, 1e-5), "norm 3 for the matrix [[3, 2], [0, -4]]: a negative number has an absolute value too"
assert not near(norm, 5.0, 1e-5), "norm 5 for the matrix [[3, 2], [0, -4]]: one row's sum; flatten it first"
assert near(norm, 4.0, 1e-5), f"the largest absolute value of the matrix [[3, 2], [0, -4]] is 4, got {norm!r}"
# variant: endif
# variant: endif
grads, norm = accumulate_and_clip([([torch.zeros(2), torch.zeros(1)], 5)], limit=1.5)
assert grads[0].isfinite().all(), "all gradients zero: 0 / 0 is NaN; divide by the norm only if it exceeds the limit"
assert norm == 0 and same(grads[0], [0.0, 0.0]), f"all gradients zero: expected zeros and norm 0, got norm {norm!r}"

# %% nbgrader={"grade": true, "grade_id": "accumulate-clip-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import math

import torch

torch.manual_seed(204)
shapes = [(3, 2), (4,), (2, 2, 2), ()]
for counts, limit in [([5, 0, 2, 9], 0.7), ([7], 0.1), ([4], 1e6), ([0, 0, 3, 1], 2.0), ([2, 3, 0], 1e6)]:
    raw = [[torch.randn(shape) if n else torch.full(shape, math.nan) for shape in shapes] for n in counts]
    pieces = [([grad.clone() for grad in grads], n) for grads, n in zip(raw, counts, strict=True)]
    grads, norm = accumulate_and_clip(pieces, limit)
    what = f"pieces of {counts} judged tokens, limit {limit}"
    for i in range(len(shapes)):
        for grad, was in zip([g[i] for g, _ in pieces], [g[i] for g in raw], strict=True):
            assert torch.equal(grad.nan_to_num(7.0), was.nan_to_num(7.0)), f"{what}: the pieces were changed"
            assert grads[i].data_ptr() != grad.data_ptr(), f"{what}: a tensor that came in came back; make new ones"
    flat = [n * torch.cat([grad.double().flatten() for grad in g]) for g, n in zip(raw, counts, strict=True) if n]
    flat = sum(flat) / sum(counts)
    # variant: if NORM == "length"
    length = flat.norm().item()
    # variant: elif NORM == "sum"
    length = sum(abs(number) for number in flat.tolist())
    # variant: else
    length = max(max(flat.tolist()), -min(flat.tolist()))
    # variant: endif
    assert math.isclose(norm, length, rel_tol=1e-4), f"{what}: expected the norm {length:.5f} of all four tensors together, got {norm!r}"
    expected = flat * min(1.0, limit / length)
    out = torch.cat([grad.double().flatten() for grad in grads])
    assert [tuple(grad.shape) for grad in grads] == shapes, f"{what}: the shapes changed"
    at = int((out - expected).abs().nan_to_num(math.inf).argmax())
    assert torch.allclose(out, expected, rtol=1e-4, atol=1e-6), (
        f"{what}: the norm {length:.5f} is right, so the factor is {min(1.0, limit / length):.5f}; but number {at} of all "
        f"gradients in a row is {out[at]:.5f}, expected {expected[at]:.5f}"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "row-flops-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · The exact bill of a packed row  (difficulty 3 of 5 · 15 minutes · 12 points)
#
# The rule of thumb for training is 6ND: six FLOP (one addition or one multiplication of two numbers) per parameter and
# token. Here is the exact count for a row of training tokens. To fill rows of equal length, trainers **pack** several
# documents into one; a token looks at itself and at earlier tokens **of its own document** only. Write `row_flops`.
#
# - **Matrices.** A weight of `n` numbers costs each token `n` multiplications and `n` additions. There are: per layer
#   the query and output projections (`D` to `H*C` and back), the key and value projections (`D` to `K*C` each), gate,
#   up and down (`D` by `F` each); once the output head (`D` by `V`). Looking up an embedding costs nothing; norms and
#   biases are left out.
# - **Attention.** For each pair of a token and a token that it looks at, each of the `H` query heads forms a score, a
#   product of two vectors of `C` numbers, and adds a weighted value of `C` numbers: `C` multiplications and `C`
#   additions both times. In every layer.
# <% if SOFTMAX_FLOP %>
# - **Softmax.** Each score costs << SOFTMAX_FLOP >> FLOP more, for its share of the softmax. This counts as attention.
# <% endif %>
# <% if PASSES == 3 %>
# - **Training** takes the forward pass and a backward pass of twice its cost.
# <% else %>
# - **Training** takes the forward pass, a backward pass of twice its cost, and before that **the forward pass once
#   more**: to spare memory, what the layers had computed was not kept (activation checkpointing, in full).
# <% endif %>
#
# | in | | out: dict | |
# |---|---|---|---|
# | `c` | dict with `V, D, L, H, K, C, F` and `N`, the number of parameters | `"matrices"` | int, FLOP of the forward pass through all matrices, for the whole row |
# | `lengths` | list of ints: tokens of each document in the row | `"attention"` | int, FLOP of the forward pass, for the whole row |
# | | | `"training"` | int, FLOP of training on the row |
# | | | `"over_6nd"` | float, `"training"` over 6 · `N` · tokens of the row |
#
# Worked example: `V=13, D=5, L=3, H=4, K=1, C=3, F=7, N=930` and `lengths=[3, 2]`. A layer has 60 + 60 + 15 + 15 = 150
# numbers in its projections and 3 × 35 = 105 in its feed-forward part; three layers and the head, 65, make 830. Five
# <% set each = 4 * 3 * (12 + SOFTMAX_FLOP) %>
# <% set bill = PASSES * (8300 + 9 * each) %>
# tokens: 2 × 830 × 5 = 8,300. Pairs: (1 + 2 + 3) + (1 + 2) = 9; each costs 4 heads × 3 layers × << 12 + SOFTMAX_FLOP >> = << each >>, in all << "{:,}".format(9 * each) >>.
# Training: << PASSES >> × << "{:,}".format(8300 + 9 * each) >> = << "{:,}".format(bill) >>, which is << "%.4f" % (bill / 27900) >> times 6ND.
#
# Before you write: QwQ-32B with rows of 4,096 tokens, one document each. Is its bill above 6ND or below, and by how
# many per cent? Remember that its embedding matrix counts in N.
#
# *Stuck?* `hint("row-flops")`


# %% nbgrader={"grade": false, "grade_id": "row-flops", "locked": false, "schema_version": 3, "solution": true, "task": false}
def row_flops(c: dict, lengths: list[int]) -> dict:
    """FLOP of a row of packed documents, for a model with grouped heads and SwiGLU, and training's share of 6ND."""
    ### BEGIN SOLUTION
    projections = c["D"] * c["C"] * (2 * c["H"] + 2 * c["K"])
    weights = c["L"] * (projections + 3 * c["D"] * c["F"]) + c["D"] * c["V"]
    pairs = sum(n * (n + 1) // 2 for n in lengths)
    matrices = 2 * weights * sum(lengths)
    # variant: if SOFTMAX_FLOP
    attention = (4 * c["C"] + SOFTMAX_FLOP) * c["H"] * c["L"] * pairs
    # variant: else
    attention = 4 * c["C"] * c["H"] * c["L"] * pairs
    # variant: endif
    training = PASSES * (matrices + attention)
    over_6nd = training / (6 * c["N"] * sum(lengths))
    return {"matrices": matrices, "attention": attention, "training": training, "over_6nd": over_6nd}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "row-flops-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# In other versions of this exercise the softmax costs something (SOFTMAX_FLOP), or training takes a pass more (PASSES).
tiny = {"V": 13, "D": 5, "L": 3, "H": 4, "K": 1, "C": 3, "F": 7, "N": 930}
bill = row_flops(dict(tiny), [3, 2])
assert bill is not None, "nothing came back: end your function with `return ...`"
names = {"matrices", "attention", "training", "over_6nd"}
assert set(bill) == names, f"the dict needs these keys: {sorted(names)}; got {sorted(bill)}"
for value, message in [
    (4150, "a weight costs a multiplication and an addition, so 2 FLOP per token"),
    (9300, "that is 2 * N per token, and N holds the embedding and the norms; count the matrices"),
    (8950, "the embedding is looked up, not multiplied; only the output head costs D * V"),
    (7650, "the output head is missing"),
    (9600, "the output head exists once, not in every layer"),
    (11000, "keys and values have K heads, not H"),
    (6500, "the output projection, from H*C back to D, is missing"),
    (7250, "a gated feed-forward part has three matrices: gate, up and down"),
    (3200, "that is one layer and the head; there are L layers"),
    (1660, "that is one token; the row has 5"),
    (8300 * PASSES, "that is training; matrices and attention are of the forward pass alone"),
]:
    assert bill["matrices"] != value, f"{value} for the matrices: {message}"
assert bill["matrices"] == 8300, f"worked example: expected 8300 for the matrices, got {bill['matrices']!r}"
per_head = 12 + SOFTMAX_FLOP  # FLOP of a pair of tokens, in one head of one layer
for value, message in [
    (13 * 12 * per_head, "tokens look at later ones; a document of 3 has 1 + 2 + 3 pairs, not 9"),
    (15 * 12 * per_head, "tokens look at earlier documents too; count the pairs of each document by itself"),
    (25 * 12 * per_head, "that is every pair of the row; a token looks at earlier tokens of its own document"),
    (4 * 12 * per_head, "a token looks at itself too; a document of 3 has 1 + 2 + 3 pairs"),
    (13 * 6 * per_head, "half of n * n pairs; with the token itself it is n * (n + 1) / 2"),
    (9 * 3 * per_head, "every one of the H query heads forms its own scores, also where they share a key"),
    (9 * 12 * (6 + SOFTMAX_FLOP), "half of it: scores and values both cost C multiplications and C additions"),
    (9 * 4 * per_head, "that is one layer; there are L"),
    (9 * (60 + 12 * SOFTMAX_FLOP), "D is taken for H * C; each head works on C channels"),
    # variant: if SOFTMAX_FLOP
    (9 * 12 * 12, f"the softmax is missing; in this version of the exercise it costs {SOFTMAX_FLOP} FLOP per score"),
    (9 * 12 * (12 + 2 * SOFTMAX_FLOP), "the softmax is counted twice; a pair has one score per head and layer"),
    (9 * 3 * (48 + SOFTMAX_FLOP), "the softmax of one head; each of the H heads has one"),
    (9 * 4 * (36 + SOFTMAX_FLOP), "the softmax of one layer; there are L"),
    # variant: endif
]:
    assert bill["attention"] != value, f"{value} for attention: {message}"
looks = 9 * 12 * per_head
assert bill["attention"] == looks, f"worked example: expected {looks} for attention, got {bill['attention']!r}"
forward, right = 8300 + looks, PASSES * (8300 + looks)
assert bill["training"] != 2 * forward, (
    f"{2 * forward} for training: that is the backward pass; the forward pass comes first"
)
assert bill["training"] != forward, (
    f"{forward} for training: that is the forward pass; the backward pass costs twice that"
)
# variant: if PASSES == 4
assert bill["training"] != 3 * forward, (
    f"{3 * forward} for training: in this version of the exercise the forward pass is computed a second time"
)
# variant: endif
assert bill["training"] != PASSES * 8300, f"{PASSES * 8300} for training: the attention is missing"
assert bill["training"] == right, f"worked example: expected {right} for training, got {bill['training']!r}"
assert not near(bill["over_6nd"], 27900 / right), (
    f"{27900 / right:.4f}: turn the fraction over; the exact bill comes first"
)
assert not near(bill["over_6nd"], right / (6 * 930)), (
    f"{right / (6 * 930):.4f}: divided by 6 * N, without the 5 tokens of the row"
)
assert not near(bill["over_6nd"], right / (6 * 830 * 5)), (
    f"{right / (6 * 830 * 5):.4f}: N is all parameters, c['N'] = 930, not only those in the matrices"
)
assert near(bill["over_6nd"], right / 27900), (
    f"worked example: expected {right / 27900:.4f}, got {bill['over_6nd']!r}"
)
long, packed = row_flops(dict(tiny), [512]), row_flops(dict(tiny), [64] * 8)
assert long["matrices"] == packed["matrices"], "512 tokens cost the matrices the same, in one document or in eight"
pairs_of_512 = 512 * 513 // 2
assert long["attention"] == 12 * per_head * pairs_of_512, (
    f"one document of 512 has {pairs_of_512:,} pairs: expected {12 * per_head * pairs_of_512:,} FLOP of attention, "
    f"got {long['attention']:,}"
)

# %% nbgrader={"grade": true, "grade_id": "row-flops-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

rng = random.Random(205)
qwq = {"V": 152064, "D": 5120, "L": 64, "H": 40, "K": 8, "C": 128, "F": 27648, "N": 32_763_876_352}
small = {"V": 101, "D": 24, "L": 2, "H": 6, "K": 3, "C": 8, "F": 50, "N": 14_000}
drawn = {name: rng.randint(2, 60) for name in "VDLHCF"} | {"K": 2, "N": rng.randint(10**3, 10**6)}
drawn_lengths = [rng.randint(1, 40) for _ in range(6)]
for c, lengths in [
    (qwq, [4096]),
    (small, [1, 7, 1, 30]),
    (small, [2]),
    (qwq, [100, 3000, 996]),
    (drawn | {"H": 2 * drawn["H"]}, drawn_lengths),
]:
    bill = row_flops(dict(c), list(lengths))
    what = f"D={c['D']}, lengths={lengths}"
    matrices, attention = 0, 0
    shapes = [(c["D"], c["H"] * c["C"])] * 2 + [(c["D"], c["K"] * c["C"])] * 2 + [(c["D"], c["F"])] * 3
    for rows, columns in shapes * c["L"] + [(c["D"], c["V"])]:
        matrices += sum(lengths) * columns * rows * 2
    for n in lengths:
        for t in range(n):
            attention += c["L"] * c["H"] * (t + 1) * (2 * c["C"] + 2 * c["C"] + SOFTMAX_FLOP)
    assert bill["matrices"] == matrices, f"{what}: expected {matrices:,} for the matrices, got {bill['matrices']:,}"
    assert bill["attention"] == attention, f"{what}: expected {attention:,} for attention, got {bill['attention']:,}"
    training = (matrices + attention) * PASSES
    assert bill["training"] == training, f"{what}: expected {training:,} for training, got {bill['training']:,}"
    ratio = training / c["N"] / sum(lengths) / 6
    assert abs(bill["over_6nd"] - ratio) < 1e-9, f"{what}: expected {ratio:.6f} times 6ND, got {bill['over_6nd']!r}"
    kinds = {name: type(bill[name]).__name__ for name in ("matrices", "attention", "training")}
    assert set(kinds.values()) == {"int"}, f"counts are whole numbers: every one must be an int, got {kinds}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "iso-flop-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · Valleys of equal compute  (difficulty 3 of 5 · 18 minutes · 13 points)
#
# The Chinchilla paper found its "20 tokens per parameter" without the law `E + A/N^alpha + B/D^beta`, in a second way.
# Take a few **budgets** of compute. For each, train models of several sizes, each on as many tokens as the budget pays
# for. Plotted against the logarithm of the size, the losses of one budget form a valley. Write `iso_flop`:
#
# 1. For each budget, fit a parabola `p*x*x + q*x + r` to all its losses by least squares (`np.polyfit` does that), with
#    `x = ln(n_parameters)`. The best size is where it is lowest. A budget whose parabola has no lowest point (`p <= 0`)
#    is left out.
# 2. The tokens that a budget pays for at its best size: `flops = 6 * n_parameters * n_tokens`.
# 3. Over the budgets, fit a straight line to `ln(best size)` against `ln(flops)` by least squares. Its slope is the
#    exponent `a` in `best size ~ flops**a`.
# 4. Read from this line the best size for another `budget`, and the tokens that go with it.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `runs` | list of `(flops, n_parameters, loss)`, in any order; runs of one budget have the same `flops` | `"optima"` | list of `(flops, n_parameters, n_tokens)`, one per budget kept, by rising `flops` |
# | `budget` | float, FLOP | `"a"` | float |
# | | | `"n_parameters"`, `"n_tokens"` | floats, for `budget` |
#
# Worked example: one budget of `6e12`; sizes `1e5, 1e6, 1e7` have the losses 3.5, 3.0, 3.5. The valley is the same on
# both sides, so its lowest point is at `1e6`; `6e12 / (6 * 1e6)` pays for `1e6` tokens. (With a loss of 3.4 in place of
# the first 3.5, the lowest point moves to about `8.8e5`, although no model of that size was trained.)
#
# Before you write: if the best number of tokens grows as `flops**b`, what is `a + b`?
#
# *Stuck?* `hint("iso-flop")`


# %% nbgrader={"grade": false, "grade_id": "iso-flop", "locked": false, "schema_version": 3, "solution": true, "task": false}
def iso_flop(runs: list[tuple[float, float, float]], budget: float) -> dict:
    """Best size per budget from a parabola over ln(size), the power law through them, and what it says for `budget`."""
    ### BEGIN SOLUTION
    optima = []
    for flops in sorted({run[0] for run in runs}):
        sizes, losses = zip(*[(n, loss) for c, n, loss in runs if c == flops], strict=True)
        p, q, _ = np.polyfit(np.log(sizes), losses, 2)
        if p > 0:
            best = math.exp(-q / (2 * p))
            optima.append((flops, best, flops / (6 * best)))
    flops, best, _ = zip(*optima, strict=True)
    a, intercept = np.polyfit(np.log(flops), np.log(best), 1)
    n_parameters = math.exp(intercept + a * math.log(budget))
    return {"optima": optima, "a": float(a), "n_parameters": n_parameters, "n_tokens": budget / (6 * n_parameters)}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "iso-flop-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
TRUE_BEST = {6e12: 1e6, 6e14: 8e6, 6e15: 4e7}  # three budgets and the lowest points of their valleys
valleys = [
    (flops, best * times, 3.0 + 0.04 * math.log(times) ** 2)
    for flops, best in TRUE_BEST.items()
    for times in (0.3, 0.8, 2.0, 5.0)
]
found = iso_flop(list(valleys), budget=6e17)
assert found is not None, "nothing came back: end your function with `return ...`"
names = {"optima", "a", "n_parameters", "n_tokens"}
assert set(found) == names, f"the dict needs these keys: {sorted(names)}; got {sorted(found)}"
assert len(found["optima"]) == 3, f"one optimum per budget: expected 3, got {len(found['optima'])}"
flops, best, tokens = found["optima"][0]
assert flops == 6e12, f"the smallest budget comes first: expected 6e12, got {flops!r}"
assert not near(best, 8e5, 1e-3), "8e5: the best model that was trained; the parabola's lowest point lies beside it"
p, q, _ = np.polyfit([0.3, 0.8, 2.0, 5.0], [run[2] for run in valleys[:4]], 2)
assert not near(best, -q / (2 * p) * 1e6, 1e-3), f"{best:.3g}: a parabola over the sizes; it goes over their logarithms"
for logarithm in (math.log(1e6), math.log10(1e6)):
    assert not near(best, logarithm, 1e-3), f"{best:.4g} is the logarithm of the size; take it back with exp"
assert not near(best, 1e12, 1e-2) and not near(best, 1e-6, 1e-2), f"{best:.3g}: the lowest point is at -q / (2 * p)"
assert not near(best, math.exp(0.04 * 0.04 * math.log(1e6)), 1e-3), (
    f"{best:.4g}: -q / 2 * p multiplies by p; the lowest point is at -q / (2 * p), with brackets"
)
assert not near(best, math.exp(math.log10(1e6)), 1e-3), f"{best:.4g}: exp of a log10; exp takes back ln, 10** takes back log10"
assert near(best, 1e6, 1e-3), f"best size for 6e12 FLOP: expected 1e6, got {best:.4g}"
assert not near(tokens, 6e6, 1e-3), "6e6 tokens: flops / size; each parameter and token costs 6 FLOP"
assert near(tokens, 1e6, 1e-3), f"tokens for 6e12 FLOP at the best size: expected 1e6, got {tokens:.4g}"
for (flops, best, _), expected in zip(found["optima"][1:], (8e6, 4e7), strict=True):
    assert near(best, expected, 1e-3), f"best size for {flops:.0e} FLOP: expected {expected:.0e}, got {best:.4g}"
a = found["a"]
assert not near(a, 0.53402, 1e-3), "a = 0.534: the slope from the first optimum to the last; the line uses all of them"
assert not near(a, 0.57526, 1e-3), "a = 0.575: the mean of the slopes between neighbours; fit one line to all optima"
assert not near(a, 1 - 0.52224, 1e-3), "a = 0.478: that is the exponent of the tokens"
assert not near(a, 1.90157, 1e-2), "a = 1.90: ln(flops) against ln(size); turn it round"
assert near(a, 0.52224, 1e-3), f"the slope of the line: expected 0.5222, got {a!r}"
assert not near(found["n_parameters"], 4e7 * 100**0.52224, 1e-2), (
    f"{found['n_parameters']:.3g}: goes on from the last optimum; the line does not pass through it"
)
expected = 10 ** (6.835050 + 0.522238 * (17.778151 - 14.444818))
assert near(found["n_parameters"], expected, 1e-3), (
    f"size for 6e17 FLOP: the line says {expected:.4g}, got {found['n_parameters']:.4g}"
)
assert near(found["n_tokens"], 1e17 / expected, 1e-3), (
    f"tokens for 6e17 FLOP: {1e17 / expected:.4g} are paid for, got {found['n_tokens']:.4g}"
)
hill = [(6e13, size, loss) for size, loss in [(1e6, 3.1), (3e6, 3.3), (1e7, 3.2)]]
kept = [flops for flops, _, _ in iso_flop(valleys + hill, budget=6e17)["optima"]]
assert 6e13 not in kept, "the losses of 6e13 FLOP form a hill: its top is not the best size, leave this budget out"
assert kept == [6e12, 6e14, 6e15], f"with a hill among the valleys: expected the other three budgets, got {kept}"

# %% nbgrader={"grade": true, "grade_id": "iso-flop-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import math
import random

import numpy as np

rng = random.Random(206)
for n_budgets, scale in [(5, 1e18), (3, 1e13), (4, 1e21)]:
    runs, logs = [], []
    for i in range(n_budgets):
        flops = scale * 3.0 ** (i + rng.random() / 2)
        centre = math.log(flops) * 0.47 - 2 + rng.uniform(-0.3, 0.3)
        offsets = [rng.uniform(-2, 2) for _ in range(3 + i)]
        offsets[:3] = [-1.5, 1.2, rng.uniform(-0.6, 0.6)]  # far apart: noise bends no parabola over
        losses = [2.5 + 0.05 * x * x + rng.uniform(-0.004, 0.004) for x in offsets]
        runs += [(flops, math.exp(centre + x), loss) for x, loss in zip(offsets, losses, strict=True)]
        design = np.stack([np.square(offsets), offsets, np.ones(len(offsets))], axis=1)
        p, q, _ = np.linalg.lstsq(design, np.array(losses), rcond=None)[0]
        logs.append((flops, centre - q / (2 * p)))
    hills = scale * 2.9
    runs += [(hills, 1e6, 3.0), (hills, 2e6, 3.1), (hills, 4e6, 3.15), (hills, 8e6, 3.1)]
    rng.shuffle(runs)
    budget = scale * 1e4
    found = iso_flop(list(runs), budget)
    what = f"{n_budgets} budgets from {scale:.0e} FLOP on, noisy losses"
    kept, wanted = ([f"{optimum[0]:.3g}" for optimum in optima] for optima in (found["optima"], logs))
    assert [c for c, _, _ in found["optima"]] == [c for c, _ in logs], (
        f"{what}, and one hill: expected optima for {', '.join(wanted)} FLOP in this order, got {', '.join(kept)}"
    )
    for (flops, best, tokens), (_, log_best) in zip(found["optima"], logs, strict=True):
        n_runs = sum(run[0] == flops for run in runs)
        assert math.isclose(best, math.exp(log_best), rel_tol=1e-3), (
            f"{what}: best size for {flops:.3g} FLOP: expected {math.exp(log_best):.4g}, got {best:.4g}. This budget has "
            f"{n_runs} runs; how many of them does your parabola take?"
        )
        assert math.isclose(tokens * best * 6, flops, rel_tol=1e-6), (
            f"{what}: tokens for {flops:.3g} FLOP and a size of {best:.4g}: expected {flops / 6 / best:.4g}, got {tokens:.4g}"
        )
    x, y = [math.log(c) for c, _ in logs], [log_best for _, log_best in logs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    a = sum((u - mean_x) * (w - mean_y) for u, w in zip(x, y, strict=True)) / sum((u - mean_x) ** 2 for u in x)
    assert math.isclose(found["a"], a, rel_tol=2e-3), f"{what}: expected a = {a:.4f}, got {found['a']!r}"
    size = math.exp(mean_y + a * (math.log(budget) - mean_x))
    assert math.isclose(found["n_parameters"], size, rel_tol=1e-2), (
        f"{what}: size for {budget:.0e} FLOP: the line says {size:.4g}, got {found['n_parameters']:.4g}"
    )
    paid = found["n_parameters"] * found["n_tokens"] * 6
    assert math.isclose(paid, budget, rel_tol=1e-6), f"{what}: size and tokens for {budget:.0e} do not use it up"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "cheapest-model-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · Cheapest over its whole life  (difficulty 4 of 5 · 20 minutes · 13 points)
#
# The compute-optimal model is the cheapest to **train** to some loss. Afterwards it is used, and every token that it
# <% if USE_FLOP == 2 %>
# reads or writes for its users costs another 2 FLOP per parameter (a forward pass, no backward pass). Sardana and
# <% elif USE_FLOP == 1 %>
# reads or writes for its users costs another << USE_FLOP >> FLOP per parameter (a forward pass, no backward pass: 2, but in 8
# bits, of which a chip does twice as many per second, so that each counts half). Sardana and
# <% else %>
# reads or writes for its users costs another << USE_FLOP >> FLOP per parameter (a forward pass, no backward pass: 2, but
# serving keeps a chip less busy than training does, so that each counts one and a half times). Sardana and
# <% endif %>
# <% if TRAINING_FLOP == 6 %>
# others (2023) asked for the model that is cheapest over both:
# <% else %>
# others (2023) asked for the model that is cheapest over both. Training takes << TRAINING_FLOP >> FLOP per parameter and token here, not
# 6, because it computes the forward pass twice, to spare memory:
# <% endif %>
#
# `cost = << TRAINING_FLOP >> * n_parameters * n_tokens + << USE_FLOP >> * n_parameters * inference_tokens`,
#
# among all models that reach the same `loss`. The law `loss = E + A / n_parameters**alpha + B / n_tokens**beta` says
# which do: for each size it gives the tokens that are needed, and for a size that is too small no number of tokens is
# enough. Write `cheapest`. There is no formula for the optimum; search for it, over all sizes: it may lie anywhere
# from a hundred parameters to 1e14. The size must be right to 0.5 %.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `law` | dict with `E, A, alpha, B, beta` | `"n_parameters"` | float |
# | `loss` | the loss to be reached; `ValueError` if no model reaches it, so if `loss <= E` | `"n_tokens"` | float, tokens of training |
# | `inference_tokens` | number, `>= 0` | `"flops"` | float, the whole cost |
#
# Worked example: `E = 1, A = B = 100, alpha = beta = 1`, loss 2. So `100/n_parameters + 100/n_tokens = 1`, and a model
# of 100 parameters or less never gets there. Without inference the cheapest has 200 parameters and 200 tokens, << "{:,}".format(40000 * TRAINING_FLOP) >>
# FLOP. With `inference_tokens = << 300 * TRAINING_FLOP // USE_FLOP >>` this model would cost << "{:,}".format(100000 * TRAINING_FLOP) >>; the cheapest now has **150** parameters, is
# trained on **300** tokens, and costs << "{:,}".format(90000 * TRAINING_FLOP) >>: smaller, and trained for longer.
#
# Before you write: as `inference_tokens` grows without end, which size does the optimum approach?
#
# *Stuck?* `hint("cheapest-model")`


# %% nbgrader={"grade": false, "grade_id": "cheapest-model", "locked": false, "schema_version": 3, "solution": true, "task": false}
def cheapest(law: dict, loss: float, inference_tokens: float) -> dict:
    """The size and tokens that reach `loss` for the least training and inference together."""
    ### BEGIN SOLUTION
    room = loss - law["E"]
    if room <= 0:
        raise ValueError(f"no model reaches a loss of {loss}: the law's floor is E = {law['E']}")

    def tokens_for(n: float) -> float:
        return (law["B"] / (room - law["A"] / n ** law["alpha"])) ** (1 / law["beta"])

    def cost(n: float) -> float:
        return TRAINING_FLOP * n * tokens_for(n) + USE_FLOP * n * inference_tokens

    smallest = (law["A"] / room) ** (1 / law["alpha"])  # its room is used up: it would need endless tokens
    low, high = math.log(smallest) + 1e-9, math.log(smallest) + 40
    for _ in range(200):  # the cost has one valley: drop the third that cannot hold its lowest point
        left, right = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, right) if cost(math.exp(left)) < cost(math.exp(right)) else (left, high)
    n = math.exp((low + high) / 2)
    return {"n_parameters": n, "n_tokens": tokens_for(n), "flops": cost(n)}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "cheapest-model-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
simple = {"E": 1.0, "A": 100.0, "alpha": 1.0, "B": 100.0, "beta": 1.0}
# The factors TRAINING_FLOP and USE_FLOP are << TRAINING_FLOP >> and << USE_FLOP >> in this version of the exercise.
used = 300 * TRAINING_FLOP // USE_FLOP  # << 300 * TRAINING_FLOP // USE_FLOP >>, the tokens of inference in the worked example
best = cheapest(dict(simple), loss=2.0, inference_tokens=used)
assert best is not None, "nothing came back: end your function with `return ...`"
names = {"n_parameters", "n_tokens", "flops"}
assert set(best) == names, f"the dict needs these keys: {sorted(names)}; got {sorted(best)}"
for size, message in [
    (200, "the cheapest to train; inference is not in the cost"),
    (
        100 + 100 / (1 + used / 100) ** 0.5,
        "training and inference tokens cost the same in your sum; training has a backward pass, inference has none: "
        f"it is {TRAINING_FLOP} and {USE_FLOP} FLOP per parameter and token",
    ),
    # variant: if (TRAINING_FLOP, USE_FLOP) == (6, 2)
    (
        155.470,
        "an inference token costs a quarter of a training token in your sum, 2 and 8, say; forward and backward pass are 6 "
        "together, and the 2 are for inference tokens only: a third",
    ),
    (163.246, "an inference token costs a sixth of a training token in your sum; it is 2 of 6, a third"),
    # variant: else
    *(
        (
            100 + 100 / (1 + use / training * used / 100) ** 0.5,
            f"{training} FLOP per parameter and token of training and {use} per token of use; in this version of the "
            f"exercise it is {TRAINING_FLOP} and {USE_FLOP}",
        )
        for training in (6, 8)
        for use in (1, 2, 3)
        if (training, use) != (TRAINING_FLOP, USE_FLOP)
    ),
    # variant: endif
    (105, "that is the model with 20 tokens per parameter; the law says which is the cheapest"),
    (68.898, "A/N + B/D is set to the loss; E has to be taken off first"),
]:
    assert not near(best["n_parameters"], size, 2e-3), f"{size:.0f} parameters: {message}"
size, tokens = best["n_parameters"], best["n_tokens"]
assert not isinstance(tokens, complex) and not tokens < 0, (
    f"{size:.2f} parameters, {tokens:.6g} tokens: so small a model never reaches the loss, and what comes out is no number of "
    "tokens; leave out the sizes where loss - E - A/n**alpha is not above 0"
)
if 5e-3 < abs(size / 150 - 1) < 0.2:
    own = TRAINING_FLOP * size * tokens + USE_FLOP * size * used
    assert near(best["flops"], own, 1e-3), (
        f"{size:.2f} parameters in place of 150, and {best['flops']:,.0f} FLOP; by the statement's formula this model costs "
        f"{own:,.0f}: which cost does your search compare?"
    )
    raise AssertionError(
        f"{size:.2f} parameters in place of 150: they cost {own:,.0f} FLOP, 150 cost {90_000 * TRAINING_FLOP:,}. Search more "
        "finely; or does your search compare another cost than the one that you return?"
    )
assert near(best["n_parameters"], 150, 5e-3), f"worked example: expected 150 parameters, got {best['n_parameters']!r}"
assert not near(best["n_tokens"], 300 + used, 2e-2), (
    f"{300 + used} tokens: those of inference were added; only training is asked for"
)
assert near(best["n_tokens"], 300, 1e-2), f"worked example: expected 300 tokens, got {best['n_tokens']!r}"
half = 45_000 * TRAINING_FLOP
assert not near(best["flops"], half, 1e-2), (
    f"{half:,} FLOP: training alone, or inference alone; the sum is asked for"
)
assert near(best["flops"], 2 * half, 1e-3), f"worked example: expected {2 * half:,} FLOP, got {best['flops']!r}"
uneven = {"E": 0.5, "A": 30.0, "alpha": 0.5, "B": 80.0, "beta": 1.0}
best = cheapest(dict(uneven), loss=1.5, inference_tokens=0)
reached = 0.5 + 30 / best["n_parameters"] ** 0.5 + 80 / best["n_tokens"]
assert near(reached, 1.5, 1e-4), f"alpha = 0.5, beta = 1: size and tokens give a loss of {reached:.4f}, not 1.5"
assert near(best["n_parameters"], 2025, 5e-3), (
    f"alpha = 0.5, beta = 1, no inference: expected 2025 parameters, got {best['n_parameters']:.1f}"
)
for loss in (1.0, 0.9):
    try:
        answer = f"{cheapest(dict(simple), loss=loss, inference_tokens=used)}"
    except ValueError:
        answer = "ValueError"
    except Exception as error:
        answer = f"{type(error).__name__}"
    assert answer == "ValueError", f"E is 1.0, so no model reaches a loss of {loss}: raise a ValueError; got {answer}"
target, sizes = LAW["E"] + 0.16, np.geomspace(1e9, 1e12, 20_000)
with np.errstate(invalid="ignore"):
    tokens = (LAW["B"] / (target - LAW["E"] - LAW["A"] / sizes ** LAW["alpha"])) ** (1 / LAW["beta"])
for inference_tokens in (0, 2e12, 1e14):
    lowest = np.nanmin(TRAINING_FLOP * sizes * tokens + USE_FLOP * sizes * inference_tokens)
    found = cheapest(dict(LAW), target, inference_tokens)["flops"]
    assert near(found, lowest, 1e-4), (
        f"LAW, {inference_tokens:.0e} tokens of inference: a grid of sizes finds {lowest:.5g} FLOP, you {found:.5g}"
    )

# %% nbgrader={"grade": true, "grade_id": "cheapest-model-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import math

unrounded = {"E": math.exp(0.5267228), "A": math.exp(6.0073404), "alpha": 0.33917}
unrounded |= {"B": math.exp(6.0179186), "beta": 0.28491}
odd = {"E": 0.0, "A": 5.0, "alpha": 0.25, "B": 900.0, "beta": 0.8}
slow = {"E": 0.3, "A": 20.0, "alpha": 0.3, "B": 60.0, "beta": 0.15}
cases = [(unrounded, 1.75, 0), (unrounded, 2.2, 5e12), (unrounded, 3.5, 1e9)]
cases += [(odd, 0.5, 300), (odd, 1.0, 1e6), (slow, 0.8, 7)]
for law, loss, inference_tokens in cases:
    best = cheapest(dict(law), loss, inference_tokens)
    n, d = best["n_parameters"], best["n_tokens"]
    what = f"alpha={law['alpha']}, loss {loss}, {inference_tokens:.0e} tokens of inference"
    low, high = (law["A"] / (loss - law["E"])) ** (1 / law["alpha"]), 1e30
    for _ in range(300):  # where the cost's derivative changes its sign
        x = math.sqrt(low * high)
        left = loss - law["E"] - law["A"] / x ** law["alpha"]
        slope = 1.0
        if left > 0:
            t = (law["B"] / left) ** (1 / law["beta"])
            pull = law["alpha"] * law["A"] * x ** -law["alpha"] / (law["beta"] * law["B"] * t ** -law["beta"])
            slope = TRAINING_FLOP * t * (1 - pull) + USE_FLOP * inference_tokens
        low, high = (low, x) if slope > 0 and left > 0 else (x, high)
    far = "does your search begin or end between the two?" if not low / 1.2 < n < low * 1.2 else "search more finely."
    assert math.isclose(n, low, rel_tol=5e-3), f"{what}: the cheapest has {low:.4g} parameters, yours {n:.4g}: {far}"
    reached = law["E"] + law["A"] / n ** law["alpha"] + law["B"] / d ** law["beta"]
    assert math.isclose(reached, loss, rel_tol=1e-4), (
        f"{what}: the size is right; {d:.4g} tokens with it give a loss of {reached:.5f}"
    )
    cost = TRAINING_FLOP * n * d + USE_FLOP * n * inference_tokens
    assert math.isclose(best["flops"], cost, rel_tol=1e-6), f"{what}: expected {cost:.5g} FLOP, got {best['flops']!r}"
try:
    cheapest(dict(unrounded), 1.6, 1e12)
    raised = False
except ValueError:
    raised = True
assert raised, "a loss below E = 1.693 is reached by no model: a ValueError is wanted"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "loop-bugs-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · A training loop with five bugs  (difficulty 3 of 5 · 16 minutes · 12 points)
#
# Below is a training loop. It runs, and its loss falls, but it holds **five bugs**, each one that people have shipped.
# Write `train_loop`: copy the body, find all five, mend them. The model that it trains is `Successors`: one row of
# logits per token, and a note of the mode, training or evaluation, of every pass. The two lines that make model and
# optimiser are right, and so is the line that returns; leave them as they are.
#
# What the loop should do: for each batch, one step on the gradient of the mean loss, clipped to the length `limit`. The
# loss judges the prediction of each **next** token, and no prediction of `PAD`, the token that fills up short rows on
# the right. After every `eval_every` steps it measures the same loss on `held_out` in evaluation mode; the steps
# themselves run in training mode.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `weights`, `rate` | list of tensors that the model starts from; float, step size of gradient descent | `"losses"` | list of floats: the loss of every step, before its update |
# | `batches` | list of integer tensors `ids_BT`, one per step | `"evaluations"` | list of floats: the loss on `held_out` after steps `eval_every`, `2 * eval_every`, ... |
# | `held_out` | integer tensor `ids_BT` | `"weights"` | list of tensors: the model's at the end |
# | `eval_every`, `limit` | int, steps; float, length | `"modes"` | the model's note of its passes |
#
# Before you read on: which bug of a training loop would make the loss look **better** than it is?
#
# *Stuck?* `hint("loop-bugs")`


# %% nbgrader={"grade": false, "grade_id": "loop-bugs-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
PAD = 0


class Successors(nn.Module):
    """Row i of the weight, or of the product of two, holds the logits for what follows token i. This one is right."""

    def __init__(self, weights: list[Tensor]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(weight.clone()) for weight in weights)
        self.modes: list[bool] = []  # of each pass: True in training mode, False in evaluation mode

    def forward(self, ids_BT: Tensor) -> Tensor:
        self.modes.append(self.training)
        rows = self.weights[0][ids_BT]
        return rows if len(self.weights) == 1 else rows @ self.weights[1]

    def numbers(self) -> list[Tensor]:
        return [weight.detach() for weight in self.weights]


def train_loop_with_bugs(
    weights: list[Tensor],
    rate: float,
    batches: list[Tensor],
    held_out: Tensor,
    eval_every: int,
    limit: float,
) -> dict[str, list]:
    model = Successors(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def mean_loss(ids_BT: Tensor) -> Tensor:
        logits_BTV = model(ids_BT)
        return F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT.flatten())

    losses, evaluations = [], []
    model.train()
    for step, ids_BT in enumerate(batches):
        loss = mean_loss(ids_BT)
        nn.utils.clip_grad_norm_(model.parameters(), limit)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % eval_every == 0:
            model.eval()
            with torch.no_grad():
                evaluations.append(mean_loss(held_out).item())
    return {"losses": losses, "evaluations": evaluations, "weights": model.numbers(), "modes": model.modes}


# %% nbgrader={"grade": false, "grade_id": "loop-bugs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def train_loop(
    weights: list[Tensor],
    rate: float,
    batches: list[Tensor],
    held_out: Tensor,
    eval_every: int,
    limit: float,
) -> dict[str, list]:
    """Train on each batch once; return the loss of every step and of every evaluation."""
    ### BEGIN SOLUTION
    model = Successors(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def mean_loss(ids_BT: Tensor) -> Tensor:
        logits_BTV = model(ids_BT[:, :-1])
        return F.cross_entropy(logits_BTV.flatten(0, 1), ids_BT[:, 1:].flatten(), ignore_index=PAD)

    losses, evaluations = [], []
    for step, ids_BT in enumerate(batches):
        model.train()
        loss = mean_loss(ids_BT)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), limit)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % eval_every == 0:
            model.eval()
            with torch.no_grad():
                evaluations.append(mean_loss(held_out).item())
    return {"losses": losses, "evaluations": evaluations, "weights": model.numbers(), "modes": model.modes}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "loop-bugs-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def run_loop(n_steps: int, limit: float, eval_every: int = 100) -> dict:
    """Train from the same weights, with step size 1, on the same two rows again and again."""
    return train_loop([start_VV.clone()], 1.0, [ROWS.clone()] * n_steps, HELD_OUT.clone(), eval_every, limit)


def nats(log_p_VV: Tensor, inputs: Tensor, targets: Tensor, judged: Tensor) -> float:
    return -log_p_VV[inputs[judged], targets[judged]].mean().item()


def slope_of(weight_VV: Tensor) -> Tensor:
    """Gradient of the right loss: probabilities minus 1 for what came, over the judged tokens."""
    count_VV = torch.zeros(6, 6).index_put((inputs[real], targets[real]), torch.ones(int(real.sum())), accumulate=True)
    return (count_VV.sum(1, keepdim=True) * weight_VV.softmax(-1) - count_VV) / count_VV.sum()


ROWS = torch.tensor([[1, 2, 3, 4, 0, 0], [5, 3, 1, 2, 0, 0]])
HELD_OUT = torch.tensor([[3, 2, 2, 5, 0, 0], [4, 1, 3, 1, 0, 0]])
inputs, targets = ROWS[:, :-1], ROWS[:, 1:]
real, everything = targets != 0, torch.ones(2, 6).bool()
start_VV = (torch.arange(36).view(6, 6) * 7 % 11).float() / 4
log_p = start_VV.log_softmax(-1)
out = run_loop(1, limit=100.0)
assert isinstance(out, dict) and set(out) == {"losses", "evaluations", "weights", "modes"}, (
    "a dict with losses, evaluations, weights and modes is wanted"
)
assert len(out["losses"]) == 1, f"one loss per step: expected 1, got {len(out['losses'])}"
said = out["losses"][0]
for judged in (everything, ROWS != 0):
    assert not near(said, nats(log_p, ROWS, ROWS, judged), 1e-4), (
        "step 0: this is the loss of saying the token that the model has just read; which one should it predict?"
    )
assert not near(said, nats(log_p, targets, inputs, inputs != 0), 1e-4), (
    "step 0: this is the loss of predicting the token before; the targets lie one place later, not earlier"
)
assert not near(said, nats(log_p, inputs, targets, everything[:, 1:]), 1e-4), (
    "step 0: predictions of padding are judged too; how does cross_entropy learn which targets to leave out?"
)
assert not near(said, nats(log_p, inputs, targets, inputs != 0), 1e-4), (
    "step 0: the last real token of a row is followed by padding, and that prediction is judged; mask by the targets"
)
assert not near(said, 6 * nats(log_p, inputs, targets, real), 1e-4), "step 0: the sum of the losses, not their mean"
assert near(said, nats(log_p, inputs, targets, real), 1e-4), (
    f"step 0: expected a loss of {nats(log_p, inputs, targets, real):.4f}, got {said:.4f}"
)
slope = slope_of(start_VV)
weight = out["weights"][0]
assert not same(weight, start_VV), "the weights did not move: is there a gradient when the optimiser takes its step?"
assert not same(weight, start_VV + slope), "the weights went up the slope"
assert same(weight, start_VV - slope, 1e-4), (
    f"limit 100, step size 1: the first step should be the gradient, {slope.norm():.4f} long; the weights moved by "
    f"{(weight - start_VV).norm():.4f}, {(weight - start_VV + slope).norm():.4f} away from where it leads"
)
weight = run_loop(1, limit=0.05)["weights"][0]
short = 0.05 * slope / slope.norm()
assert not same(weight, start_VV - slope, 1e-4), (
    "limit 0.05: the first step was as long as without a limit; is there a gradient yet, and still a step to come, "
    "when it is clipped?"
)
assert same(weight, start_VV - short, 1e-4), (
    f"limit 0.05: the weights moved by {(weight - start_VV).norm():.4f} in place of 0.05"
)
weight = run_loop(2, limit=100.0)["weights"][0]
once = start_VV - slope
assert not same(weight, once - slope_of(once) - slope, 1e-4), (
    "the second step holds the gradient of the first as well: `backward` adds to what is there; who empties it?"
)
assert same(weight, once - slope_of(once), 1e-4), "two steps: the weights are not where two steps of descent lead"
out = run_loop(4, limit=100.0, eval_every=2)
modes = ["training" if mode else "evaluation" for mode in out["modes"]]
assert len(out["evaluations"]) != 4, "4 steps, eval_every=2: there are 4 evaluations; one every two steps is asked for"
assert len(out["evaluations"]) == 2, f"4 steps, eval_every=2: expected 2 evaluations, got {len(out['evaluations'])}"
assert "evaluation" in modes, "the evaluation runs in training mode"
assert modes[:2] != ["training", "evaluation"], (
    "eval_every=2: the first evaluation came after step 1, not after step 2; `step` counts from 0"
)
assert modes[3:5] != ["evaluation", "evaluation"], (
    "the steps after the first evaluation still run in evaluation mode; dropout, say, would be off from then on"
)
assert modes == ["training", "training", "evaluation"] * 2, f"the passes in order ran in the modes {modes}"
log_p = (once - slope_of(once)).log_softmax(-1)
expected = nats(log_p, HELD_OUT[:, :-1], HELD_OUT[:, 1:], HELD_OUT[:, 1:] != 0)
assert near(out["evaluations"][0], expected, 1e-4), (
    f"first evaluation, after two steps: expected {expected:.4f}, got {out['evaluations'][0]:.4f}"
)

# %% nbgrader={"grade": true, "grade_id": "loop-bugs-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch


def loss_at(into, out, ids):
    log_p = (into[ids[:, :-1]] @ out).log_softmax(-1)
    total = [log_p[b, t, ids[b, t + 1]] for b in range(len(ids)) for t in range(ids.shape[1] - 1) if ids[b, t + 1] != 0]
    return -sum(total) / len(total)


torch.manual_seed(208)
V, D = 9, 4
for n_steps, eval_every, limit, rate in [(7, 3, 0.3, 0.8), (5, 1, 1e6, 0.5), (6, 5, 0.02, 2.0)]:
    into, out = torch.randn(V, D), torch.randn(D, V)
    batches = [torch.randint(1, V, (3, 8)) for _ in range(n_steps)] + [torch.randint(1, V, (5, 6))]
    held_out, batches = batches[-1], batches[:-1]
    for ids in (*batches, held_out):
        for b in range(len(ids)):
            ids[b, 2 + (b * 3 + 1) % 5 :] = 0
    start, given = [into.clone(), out.clone()], [ids.clone() for ids in batches]
    what = f"two weight tensors, {n_steps} steps of {rate}, eval_every={eval_every}, limit {limit}"
    first = train_loop([w.clone() for w in start], rate, [given[0].clone()], held_out.clone(), eval_every, limit)["weights"]
    history = train_loop(start, rate, given, held_out.clone(), eval_every, limit)
    losses, evaluations, modes = [], [], []
    for step, ids in enumerate(batches):
        into.requires_grad_(), out.requires_grad_()
        loss = loss_at(into, out, ids)
        slopes = torch.autograd.grad(loss, [into, out])
        length = sum(slope.square().sum() for slope in slopes).sqrt()
        pace = rate * min(1.0, limit / length.item())
        if step == 0:
            moved = sum((now - was).square().sum() for now, was in zip(first, start, strict=True)).sqrt().item()
            alone = [rate * slope * min(1.0, limit / slope.norm().item()) for slope in slopes]
            each = all(torch.allclose(was - part, now, atol=1e-6) for was, part, now in zip(start, alone, first, strict=True))
            assert pace == rate or not each, (
                f"{what}: the first step moved the weights by {moved:.4f}, expected {pace * length.item():.4f}: each tensor was "
                "clipped by itself; the limit is for the length of all tensors together"
            )
            assert abs(moved - pace * length.item()) < 1e-4, (
                f"{what}: the gradient of all tensors together is {length.item():.4f} long: the first step should move the "
                f"weights by {pace * length.item():.4f}, it moved them by {moved:.4f}"
            )
        into, out = into.detach() - pace * slopes[0], out.detach() - pace * slopes[1]
        losses.append(loss.item())
        modes.append(True)
        if (step + 1) % eval_every == 0:
            evaluations.append(loss_at(into, out, held_out).item())
            modes.append(False)
    for name, expected in (("losses", losses), ("evaluations", evaluations)):
        said = history[name]
        assert len(said) == len(expected), f"{what}: expected {len(expected)} {name}, got {len(said)}"
        apart = [i for i, (a, b) in enumerate(zip(said, expected, strict=True)) if abs(a - b) > 1e-4]
        at = apart[0] if apart else 0
        assert not apart, (
            f"{what}: the first step has the right length; number {at} of the {name}, counted from 0, should be "
            f"{expected[at]:.4f}, got {said[at]:.4f}"
        )
    assert history["modes"] == modes, f"{what}: expected the modes {modes}, got {history['modes']}"
    for said, expected in zip(history["weights"], (into, out), strict=True):
        apart = (said - expected).abs().max()
        assert torch.allclose(said, expected, atol=1e-4), (
            f"{what}: losses and evaluations are right, but the weights that come back are off by up to {apart:.4f}"
        )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "table-549-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Now put your functions to work. The next cell earns nothing. It first prints the answer to the guess of exercise 5,
# and how many tokens one token of QwQ-32B must look at before attention costs as much as all matrices. Then it takes
# four models with their published sizes and training tokens, says what `LAW` expects of each, and asks `cheapest` for
# the model with the same loss, for each number of `INFERENCE_TRILLIONS`. Mind what the law knows: it was fitted to dense
# models of one family, of at most 16 billion parameters, on one data set. DeepSeek-V3 is a mixture of experts, and the
# law knows nothing of the 634 billion parameters that rest at each token.

# %% nbgrader={"grade": false, "grade_id": "table-549", "locked": true, "schema_version": 3, "solution": false, "task": false}
QWQ = {"V": 152064, "D": 5120, "L": 64, "H": 40, "K": 8, "C": 128, "F": 27648, "N": 32_763_876_352}
for lengths in ([4096], [32768], [4096] * 8):
    bill = row_flops(QWQ, lengths)
    print(f"QwQ-32B, documents of {lengths[0]:6,} tokens: training costs {bill['over_6nd']:.3f} times 6ND")
one = row_flops(QWQ, [1])
print(f"attention costs as much as the matrices at {one['matrices'] / one['attention']:,.0f} tokens looked at\n")
PUBLISHED = {  # parameters that work on each token, tokens of training
    "Chinchilla": (70e9, 1.4e12),
    "Llama 3.1 405B": (405e9, 15.6e12),
    "Qwen2.5-32B, QwQ's base": (32_763_876_352, 18e12),
    "DeepSeek-V3, active": (37e9, 14.8e12),
}
for name, (n_parameters, n_tokens) in PUBLISHED.items():
    loss = LAW["E"] + LAW["A"] / n_parameters ** LAW["alpha"] + LAW["B"] / n_tokens ** LAW["beta"]
    training = TRAINING_FLOP * n_parameters * n_tokens
    print(f"{name}: {n_parameters / 1e9:.1f} billion parameters, {n_tokens / 1e12:.1f} trillion tokens, ", end="")
    print(f"{n_tokens / n_parameters:.0f} per parameter; training {training:.2e} FLOP; loss by the law {loss:.4f}")
    for trillions in INFERENCE_TRILLIONS:
        inference_tokens = trillions * 1e12
        best, own = cheapest(LAW, loss, inference_tokens), training + USE_FLOP * n_parameters * inference_tokens
        print(f"  cheapest with {trillions:5,} trillion tokens of inference: ", end="")
        size, tokens, flops = best["n_parameters"], best["n_tokens"], best["flops"]
        print(f"{size / 1e9:6.1f} billion, {tokens / size:7.0f} per parameter; ", end="")
        print(f"{flops:.2e} FLOP in all, the model itself {own / flops:.2f} times that")

# %% [markdown] nbgrader={"grade": false, "grade_id": "scaling-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 9 · In your own words  (difficulty 2 of 5 · 8 minutes · 9 points)
#
# "The optimum is 20 tokens per parameter. Qwen gave its 32B model 549, so most of its training was wasted." Take the
# table above. In four to six sentences: what did 549 cost, compared with the cheapest way to the same loss, and what
# was bought for it? From about how many tokens of use on does the small model pay? Then name one thing that makes you
# doubt the table's numbers for **this** model. Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "scaling-question", "locked": false, "points": 9, "schema_version": 3, "solution": true, "task": false}
# <% set alpha, beta, n, d = 0.3478, 0.3658, 32763876352, 18e12 %>
# <% set room = 482.01 / n**alpha + 2085.43 / d**beta %>
# <# Without inference there is a formula: at the optimum the two terms of the law share the room as beta to alpha. #>
# <% set best_n = (482.01 * (alpha + beta) / (room * beta)) ** (1 / alpha) %>
# <% set best_d = (2085.43 * (alpha + beta) / (room * alpha)) ** (1 / beta) %>
# <% set own, best = TRAINING_FLOP * n * d, TRAINING_FLOP * best_n * best_d %>
# <% set saved = USE_FLOP * (best_n - n) %>
# <% set paid_back = (own - best) / saved %>
# <% set own_flop, best_flop = ("%.2e" % own).replace("+", ""), ("%.2e" % best).replace("+", "") %>
# <% set extra_flop, saved_flop = ("%.1e" % (own - best)).replace("+", ""), ("%.2e" % saved).replace("+", "") %>
# By the law, Qwen2.5-32B reaches a loss of << "%.3f" % (1.8172 + room) >> with << own_flop >> FLOP of training. The cheapest way there would have been
# a model of << "%.0f" % (best_n / 1e9) >> billion parameters with << "%.0f" % (best_d / best_n) >> tokens per parameter and << best_flop >> FLOP, so 549 cost << "%.2f" % (own / best) >> times the training
# compute. What was bought is a model of less than a third of the size, which saves << USE_FLOP >> * (<< "%.1f" % (best_n / 1e9) >> - 32.8) billion = << saved_flop >>
# FLOP on each token of use, and the same share of the memory that serving it takes. The extra << extra_flop >> FLOP are paid back
# <% if (TRAINING_FLOP, USE_FLOP) == (6, 2) %>
# after about << "%.0f" % (paid_back / 1e12) >> trillion tokens, and at 100 trillion it is within 1 % of the cheapest there is. Whether 549 was a
# <% else %>
# after about << "%.0f" % (paid_back / 1e12) >> trillion tokens, and from there on each token is a gain. Whether 549 was a
# <% endif %>
# mistake therefore depends on how much the model is used, and 20 answers another question: the cheapest training. I
# doubt the numbers because the law was fitted to models of at most 16 billion parameters on other data and with few
# tokens per parameter; 549 lies far outside, "up to 18 trillion" is a family's number, and repeated or worse data would
# change the law.
#
# === BEGIN MARK SCHEME ===
# 2 points: the cost: << "%.2f" % (own / best) >> times the training compute of the cheapest way to the same loss, or << own_flop >> against << best_flop >>.
# 2 points: what was bought: a model of 32.8 in place of << "%.0f" % (best_n / 1e9) >> billion parameters, so cheaper or smaller to serve.
# <% set below = INFERENCE_TRILLIONS | select("lt", paid_back / 1e12) | max %>
# <% set above = INFERENCE_TRILLIONS | select("gt", paid_back / 1e12) | min %>
# 2 points: the break-even, << extra_flop >> / (<< USE_FLOP >> * << "%.1f" % ((best_n - n) / 1e9) >>e9), about << "%.0f" % (paid_back / 1e12) >> trillion tokens; or, from the table, between << below >> and << above >>.
# 1 point: says that 20 is the optimum of training alone, so that it and 549 answer different questions.
# 2 points: one sound doubt: the law is extrapolated (size, tokens per parameter), other data or tokenizer, "up to",
#   data repeated, hardware limits or memory instead of FLOP, how much the model is really used is not public.
# === END MARK SCHEME ===
