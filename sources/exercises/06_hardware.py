# %% [markdown] nbgrader={"grade": false, "grade_id": "hw-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 06 · Hardware: when is it memory, when arithmetic, when the wire?
#
# Seven functions and one question in words, 100 points; the printed times sum to 126 minutes. None of them is a function that the lesson
# prints: each is a sibling or an inverse. You will find the batch at which a chip stops waiting for its memory, the longest conversation that
# fits beside the weights, multiply in whole numbers alone, send words through a chain of chips, plan an all-reduce with fewer rounds than a ring,
# work out how well DeepSeek-V3's training used its chips, and mend a measurement with five bugs. Everything runs on any
# machine, and every cell takes a moment.
#
# `hint("turning-batch")` prints one hint for the exercise with that name, the next call prints the next. The name is the one in
# the line *Stuck?* of each exercise. `racecourse check 06_hardware` says what your work earns so far.
#
# **Words and units.** 1 FLOP is one addition or one multiplication of two numbers. FLOP/s is FLOP per second, TFLOP/s 10¹² of them.
# 1 GB is 10⁹ bytes, as on data sheets; 1 GiB is 2³⁰ bytes, 7 % more, and is << "not used here" if RATE == "gb_per_s" else "used in exercise 7 only" >>. *Bandwidth* is bytes per second between a chip and its memory. bf16 is a number of 2
# bytes, int8 a whole number of 1 byte. The *cache* holds keys and values of all earlier tokens (lesson 01). A *step* makes one more token for
# each conversation of a *batch*. A *rank* is the number of a chip that works together with others, counted from 0.
#
# A tensor's name ends in its shape: `x_ND` has `N` rows of `D` numbers. What the letters stand for, each exercise's table says.

# %% nbgrader={"grade": false, "grade_id": "hw-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
# variant: if TYPICAL == "median"
from statistics import median
# variant: else
from statistics import mean
# variant: endif
from itertools import pairwise

import torch
from torch import Tensor

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "hw-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
TURNS = "as long"  # what the arithmetic has to take, seen from the memory, in exercise 1; one of: "as long", "longer"
NO_BATCH = None  # what stands for "no such batch" in exercise 1; one of: None, 0, -1
FIRST_TOKENS = 0  # that a layer with a window keeps beside its last ones, in exercise 2; one of: 0, 4, 8
LOWEST_CODE = 0  # the first of the 256 codes of exercise 3; one of: 0, -128
PACE = "gap_s"  # how fast users see text, in exercise 4; one of: "gap_s", "tokens_per_s"
SHARE = "idle"  # the share of a stage's time in exercise 4; one of: "idle", "busy"
COMPARED = "before"  # the tokens that each is compared with, in exercise 6; one of: "before", "all"
SPAN = "days"  # the unit of a run's length in exercise 6; one of: "days", "weeks", "hours"
TYPICAL = "median"  # of several steps, in exercise 7; one of: "median", "mean"
RATE = "gb_per_s"  # the unit of a bandwidth in exercise 7; one of: "gb_per_s", "gib_per_s"
# Dense bf16 rates, memory bandwidth, and what the link to other chips carries in ONE direction: half of what data sheets print.
CHIPS = {
    "H100": {"tflops": 989.4, "gb_per_s": 3350, "link_gb_per_s": 450},
    "H800": {"tflops": 989.0, "gb_per_s": 3350, "link_gb_per_s": 200},
    "H20": {"tflops": 148.0, "gb_per_s": 4000, "link_gb_per_s": 450},
}
ROOM_GB = 20  # for the caches of all conversations, in the table after exercise 2; one of: 16, 20, 24, 30, 36, 48
CONVERSATIONS = 8
ROUND_S = 5e-6  # what one round of messages costs however small they are: an assumption, not a measurement
# DeepSeek-V3's pre-training as its report gives it (arXiv 2412.19437, table 1 and section 4.2); n_active: our count without
# the input embeddings, 0.9 billion parameters that a token looks up and does not multiply with. The report says 37 billion.
V3_RUN = {
    "n_active": 36.6e9, "L": 61, "H": 128, "qk": 192, "v": 128, "T": 4096, "n_tokens": 14.8e12, "gpu_hours": 2.664e6,
    "n_gpus": 2048, "peak_tflops": 989.0, "recompute": "none",
}  # fmt: skip
# Tokens per second of Llama-2-7B for one user on one A100, and GB/s of weights read, as gpt-fast's README gives them.
GPT_FAST = {"bf16": (104.9, 1397), "int8": (155.58, 1069), "int4": (196.8, 863)}
# The same of Llama-2-70B, which is cut over eight A100s; GB/s of one of them.
GPT_FAST_ON_8 = {"bf16": (62.5, 1135.29), "int8": (80.44, 752.04), "int4": (90.77, 548.1)}
MEASURED = 1  # the number of A100s in the table for the last question; one of: 1, 8

# %% [markdown] nbgrader={"grade": false, "grade_id": "hw-given-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The checks compare numbers with the function of the next cell: equal up to rounding, and nothing else than a number equals a number. Nothing in it is graded.


# %% nbgrader={"grade": false, "grade_id": "hw-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def close(a: object, b: float, tolerance: float = 1e-6) -> bool:
    """Equal up to a share of the larger number; False for what is no plain number."""
    return isinstance(a, (int, float)) and math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12)


print(close(0.1 + 0.2, 0.3), close(1.0, 1.1), close(None, 1.0))

# %% [markdown] nbgrader={"grade": false, "grade_id": "turning-batch-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · The batch that keeps a chip busy  (difficulty 2 of 5 · 10 minutes · 11 points)
#
# With one user a chip waits for its memory. With many, each weight that comes in is used for all of them, and at some batch the arithmetic
# takes longer. The rule of thumb for that batch in bf16 is FLOP/s divided by bytes per second, about 300 on large chips. It forgets something:
# the users' own numbers have to be read and written too.
#
# Take one product: `m` rows of `n_in` numbers, one row per user, times a weight matrix of `n_in × n_out`.
#
# - **Arithmetic**: each of the `m * n_out` results takes `n_in` multiplications and as many additions.
# - **Memory**: each weight is read once for the whole batch, `weight_bytes` each (0.5 with 4 bits). The numbers that go in are read once and the
#   results are written once, `value_bytes` each.
# - The chip does `flops_per_s` FLOP/s and moves `bytes_per_s` bytes per second, both at once.
#
# Write `turning_batch`: the smallest `m` for which the arithmetic takes **<< "at least as long** as" if TURNS == "as long" else "longer** than" >> the memory; `<< NO_BATCH >>` if no `m` does.
#
# | in | | out | |
# |---|---|---|---|
# | `n_in`, `n_out` | ints, the matrix | `m` | int, at least 1, or `<< NO_BATCH >>` |
# | `weight_bytes`, `value_bytes` | bytes of a weight, and of a number that goes in or comes out | | |
# | `flops_per_s`, `bytes_per_s` | of the chip | | |
#
# `m` may be in the millions: compute it, do not try one after the other.
#
# Worked example: a matrix of 60 × 80, `weight_bytes=4`, `value_bytes=2`, a very slow chip with 1,024 FLOP/s and 64 bytes per second. A row takes
# 2 · 60 · 80 = 9,600 FLOP, 9.375 s. The weights are 19,200 bytes, 300 s, whatever `m` is; a row brings 140 · 2 = 280 bytes, 4.375 s.
# <% if TURNS == "as long" %>
# With 60 rows both take 562.5 s → `60`.
# <% else %>
# With 60 rows both take 562.5 s, with 61 the arithmetic takes longer → `61`.
# <% endif %>
#
# Before you write: is the true number larger or smaller than the rule of thumb? And for which matrices is there no such batch at all, wide or narrow ones?
#
# *Stuck?* `hint("turning-batch")`


# %% nbgrader={"grade": false, "grade_id": "turning-batch", "locked": false, "schema_version": 3, "solution": true, "task": false}
def turning_batch(
    n_in: int, n_out: int, weight_bytes: float, value_bytes: float, flops_per_s: float, bytes_per_s: float
) -> int | None:
    # variant: if TURNS == "as long"
    """The smallest batch whose arithmetic takes at least as long as its memory traffic, or << NO_BATCH >>."""
    # variant: else
    """The smallest batch whose arithmetic takes longer than its memory traffic, or << NO_BATCH >>."""
    # variant: endif
    ### BEGIN SOLUTION
    gained = 2 * n_in * n_out / flops_per_s - (n_in + n_out) * value_bytes / bytes_per_s  # seconds, by each row
    if gained <= 0:
        return NO_BATCH
    # variant: if TURNS == "as long"
    return math.ceil(n_in * n_out * weight_bytes / bytes_per_s / gained)
    # variant: else
    return math.floor(n_in * n_out * weight_bytes / bytes_per_s / gained) + 1
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "turning-batch-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
m = turning_batch(60, 80, 4, 2, 1024, 64)
# variant: if NO_BATCH == None
assert m is not None, "None came back, but << 60 if TURNS == 'as long' else 61 >> rows are enough: end with `return ...`, and None only if no batch is"
# variant: else
assert m is not None, "None came back, but << 60 if TURNS == 'as long' else 61 >> rows are enough: end with `return ...`"
assert not close(m, NO_BATCH), "<< NO_BATCH >> came back, but << 60 if TURNS == 'as long' else 61 >> rows are enough: << NO_BATCH >> only if no batch is"
# variant: endif
# variant: if TURNS == "as long"
assert not close(m, 16), "16: that is FLOP/s over bytes per second, as if a weight had 2 bytes and the rows none"
assert not close(m, 1), "1: you swapped the two speeds; FLOP take flops_per_s, bytes take bytes_per_s"
assert not close(m, 32), "32: you moved the weights alone; what goes in and what comes out is read and written too"
assert not close(m, 960), "960: a multiplication and an addition are 2 FLOP"
assert not close(m, 11), "11: you counted numbers, not bytes; multiply by weight_bytes and value_bytes"
assert not close(m, 15), "15: you counted weights, not their bytes; multiply by weight_bytes"
assert not close(m, 42), "42: you counted the rows' numbers, not their bytes; multiply by value_bytes"
assert not close(m, 40), "40: you forgot that the results are written, n_out numbers per row"
assert not close(m, 44), "44: you forgot that what goes in is read, n_in numbers per row"
assert not close(m, 240), (
    "240: you swapped value_bytes, which belongs to the rows, and weight_bytes, which belongs to the matrix"
)
assert not close(m, 61), "61: with 60 rows both take equally long, and 'at least as long' is enough"
assert close(m, 60), f"worked example: expected 60, got {m!r}"
# variant: else
assert not close(m, 60), "60: with 60 rows both take equally long; in this version of the exercise the arithmetic takes LONGER"
assert not close(m, 17), "17: that is FLOP/s over bytes per second, as if a weight had 2 bytes and the rows none"
assert not close(m, 16), "16: were bytes of a weight left out? Or is that FLOP/s over bytes per second alone?"
assert not close(m, 15), "15: you counted weights, not their bytes; multiply by weight_bytes"
assert not close(m, 1), "1: you swapped the two speeds; FLOP take flops_per_s, bytes take bytes_per_s"
for mistakes, says in {
    (32, 33): "you moved the weights alone; what goes in and what comes out is read and written too",
    (960, 961): "a multiplication and an addition are 2 FLOP",
    (11,): "you counted numbers, not bytes; multiply by weight_bytes and value_bytes",
    (42,): "you counted the rows' numbers, not their bytes; multiply by value_bytes",
    (40, 41): "you forgot that the results are written, n_out numbers per row",
    (44,): "you forgot that what goes in is read, n_in numbers per row",
    (240, 241): "you swapped value_bytes, which belongs to the rows, and weight_bytes, which belongs to the matrix",
}.items():
    assert not any(close(m, mistake) for mistake in mistakes), f"{m}: {says}"
assert close(m, 61), f"worked example: expected 61, got {m!r}"
# variant: endif
assert isinstance(m, int), f"rows are counted: an int is wanted, not a {type(m).__name__} (math.ceil gives one)"
m = turning_batch(24, 100, 4, 2, 512, 64)
assert not close(m, 27), "27: 27.27 rows are needed, and with 27 the memory still takes longer; round up"
assert close(m, 28), f"a matrix of 24 x 100: 27.27 rows, so 28; got {m!r}"
m = turning_batch(24, 100, 0.5, 2, 512, 64)
assert close(m, 4), f"weight_bytes = 0.5 is an eighth of the weights' bytes: 3.41 rows, so 4; got {m!r}"
m = turning_batch(10, 15, 4, 2, 512, 64)
# variant: if NO_BATCH != None
assert m is not None, "10 x 15: None; in this version of the exercise << NO_BATCH >> says that there is no such batch"
# variant: endif
assert type(m) is type(NO_BATCH) and m == NO_BATCH, (
    f"10 x 15: a row takes 0.586 s of arithmetic and 0.781 s of memory, so more rows make it worse: {NO_BATCH}, got {m!r}"
)
try:
    m = turning_batch(12, 24, 4, 2, 512, 64)
except ArithmeticError as error:
    raise AssertionError(
        "12 x 24: a row takes 1.125 s of arithmetic and 1.125 s of memory; you divide by the difference, 0, but no batch makes up for the weights: << NO_BATCH >>"
    ) from error
assert type(m) is type(NO_BATCH) and m == NO_BATCH, (
    f"12 x 24: a row takes 1.125 s of each, so no batch makes up for the weights: {NO_BATCH}, got {m!r}"
)

# %% nbgrader={"grade": true, "grade_id": "turning-batch-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
# variant: if TURNS == "as long"
from math import ceil
# variant: else
from math import floor
# variant: endif
import random
from fractions import Fraction


def turning_point(*case):
    """The batch at which both take equally long, exactly; None if arithmetic never catches up."""
    n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s = map(Fraction, case)
    gained = 2 * n_in * n_out / flops_per_s - (n_in + n_out) * value_bytes / bytes_per_s
    return n_in * n_out * weight_bytes / bytes_per_s / gained if gained > 0 else None


cases = [
    (576, 1536, 2, 2, 312e12, 2039e9),
    (5120, 27648, 1, 2, 989e12, 3350e9),
    (5120, 27648, 0.5, 2, 989e12, 3350e9),
    (300, 7, 4, 4, 65e12, 320e9),
    (4096, 4096, 2, 4, 125e12, 897e9),
    (2048, 1024, 2, 1, 2e12, 819e9),
    (16, 16, 4, 2, 512, 64),
    (590, 591, 2, 2, 989, 3.35),
    (50, 100, 1, 0, 64, 64),
    (60, 80, 2, 2, 1024, 64),  # 30 exactly
]
rng = random.Random(601)
while len(cases) < 30:
    rates = rng.randint(50, 2000) * 1e12, rng.randint(200, 8000) * 1e9
    case = (rng.randint(100, 9000), rng.randint(100, 9000), rng.choice([0.5, 1, 2, 4]), rng.choice([1, 2, 4]), *rates)
    exact = turning_point(*case)
    if exact is None or (exact < 10**5 and 0.01 < exact % 1 < 0.99):  # else rounding would decide
        cases.append(case)
for case in cases:
    exact = turning_point(*case)
    # variant: if TURNS == "as long"
    expected = NO_BATCH if exact is None else ceil(exact)
    # variant: else
    expected = NO_BATCH if exact is None else floor(exact) + 1
    # variant: endif
    m = turning_batch(*case)
    what = f"n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s = {case}"
    assert type(m) is type(expected) and m == expected, f"{what}: expected {expected}, got {m!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "turning-batch-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess, in bf16. In DeepSeek-V3 8 of 256 experts work on a token, so with an even router an expert gets one row for every 32 users.

# %% nbgrader={"grade": false, "grade_id": "turning-batch-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
matrices = {
    "SmolLM2-135M, query": (576, 576), "QwQ-32B, query": (5120, 5120), "QwQ-32B, gate": (5120, 27648),
    "DeepSeek-V3, gate of an expert": (7168, 2048),
}  # fmt: skip
for chip_name in ("H100", "H20"):
    tflops, gb_per_s = CHIPS[chip_name]["tflops"], CHIPS[chip_name]["gb_per_s"]
    print(f"{chip_name}: rule of thumb {1000 * tflops / gb_per_s:.0f} rows")
    for what, (width_in, width_out) in matrices.items():
        needed = turning_batch(width_in, width_out, 2, 2, tflops * 1e12, gb_per_s * 1e9)
        users = f"  = {32 * needed:,} users" if "expert" in what and needed != NO_BATCH else ""
        print(f"  {what:32}{'no batch' if needed == NO_BATCH else f'{needed:,} rows':>12}{users}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "longest-context-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · The longest conversation that fits  (difficulty 3 of 5 · 20 minutes · 13 points)
#
# What is left of the memory beside the weights is for the caches. Layers differ, even inside one model:
#
# - a **grouped** layer, `{"H": 40, "K": 8, "C": 128, "window": None}`, keeps for each token one key and one value for each of `K` heads, `C` numbers each. `H` is the number
#   of query heads; queries are not kept;
# <% if FIRST_TOKENS == 0 %>
# - the same with `"window": 1024` keeps only the **last** 1,024 tokens of each conversation (all of them while it is shorter);
# <% else %>
# - the same with `"window": 1024` keeps only the **first << FIRST_TOKENS >>** and the **last** 1,024 tokens of each conversation, << "{:,}".format(1024 + FIRST_TOKENS) >> in all (all of them while it is shorter);
#   the first ones, because later tokens look at them all the time, and without them a model soon writes nonsense;
# <% endif %>
# - a **latent** layer, `{"R": 512, "P": 64}`, has no `"window"` entry and no window. It keeps for each token one latent of `R` numbers and one rotary key of `P` numbers, from which the keys and
#   values of all heads are made again (DeepSeek-V3).
#
# Write `most_tokens_each`: how many tokens may each of `n_conversations` conversations, all equally long, have at most?
#
# | in | | out | |
# |---|---|---|---|
# | `layers` | list of dicts as above, one for each layer | length | int, the most tokens that fit, or `None` |
# | `n_conversations` | int, at least 1 | | |
# | `memory_gb`, `reserve_gb` | GB that the chip has, and GB of them that have to stay free | | |
# | `weight_bytes` | bytes of all weights | | |
# | `value_bytes` | bytes of each number in the cache | | |
#
# - 0 if not even one token fits; `None` if there is no limit: each layer has a window, and all windows fit.
# - What fits exactly does fit, so round the room to whole bytes: in floats `(2.3 - 0.3) * 1e9` is 1999999999.9999998.
# - The length may be in the millions: trying one after the other takes too long.
#
# Worked example: 2 GB, of which 0.5 stay free, and weights of 1,499,985,000 bytes: 15,000 bytes are left, 5,000 for each of three conversations.
# Three layers with 2 bytes per number: `{"R": 7, "P": 3}`, `{"H": 6, "K": 2, "C": 4, "window": None}`, and the same with a window of << 10 - FIRST_TOKENS >>. The first takes 20 bytes
# per token, the second 32 per token, the third 32 per token for at most 10 tokens. With 90 tokens: 90 · 20 + 90 · 32 + 10 · 32 = 5,000 → `90`.
#
# Before you write: some programs take every layer for one without a window. In a model where half the layers have a window of 128, by what factor do they overestimate a long cache?
#
# *Stuck?* `hint("longest-context")`


# %% nbgrader={"grade": false, "grade_id": "longest-context", "locked": false, "schema_version": 3, "solution": true, "task": false}
def most_tokens_each(
    layers: list[dict], n_conversations: int, memory_gb: float, reserve_gb: float, weight_bytes: int, value_bytes: int
) -> int | None:
    """The most tokens that each of some equally long conversations may have beside the weights; None: no limit."""
    ### BEGIN SOLUTION
    room = round((memory_gb - reserve_gb) * 1e9) - weight_bytes

    def fits(length: int) -> bool:
        numbers = 0
        for layer in layers:
            if "R" in layer:
                numbers += length * (layer["R"] + layer["P"])
            else:
                # variant: if FIRST_TOKENS == 0
                kept = length if layer["window"] is None else min(length, layer["window"])
                # variant: else
                kept = length if layer["window"] is None else min(length, FIRST_TOKENS + layer["window"])
                # variant: endif
                numbers += kept * 2 * layer["K"] * layer["C"]
        return n_conversations * numbers * value_bytes <= room

    windows = [layer.get("window") for layer in layers]
    # variant: if FIRST_TOKENS == 0
    if None not in windows and fits(max(windows)):
        return None
    # variant: else
    if None not in windows and fits(FIRST_TOKENS + max(windows)):
        return None
    # variant: endif
    too_long = 1
    while fits(too_long):
        too_long *= 2
    low, high = too_long // 2, too_long  # low fits (or is 0), high does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "longest-context-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
plain, near_by = {"H": 6, "K": 2, "C": 4, "window": None}, {"H": 6, "K": 2, "C": 4, "window": 10 - FIRST_TOKENS}
three_layers = [{"R": 7, "P": 3}, dict(plain), dict(near_by)]
try:
    length = most_tokens_each(three_layers, 3, 2, 0.5, 1_499_985_000, 2)
except KeyError as error:
    raise AssertionError(
        f"KeyError: {error}: a latent layer has the entries R and P alone, no window; a grouped one has H, K, C and window"
    ) from error
assert length is not None, "None came back, but there is a limit: end with `return ...`"
# variant: if FIRST_TOKENS
assert not close(length, {4: 92, 8: 94}[FIRST_TOKENS]), (
    "<< {4: 92, 8: 94}[FIRST_TOKENS] >>: in this version of the exercise a layer with a window keeps the first << FIRST_TOKENS >> tokens, too"
)
assert not close(length, {4: 87, 8: 92}[FIRST_TOKENS]), (
    "<< {4: 87, 8: 92}[FIRST_TOKENS] >>: a layer with a window keeps as many of the first tokens as the text above says, << FIRST_TOKENS >>"
)
# variant: endif
assert not close(length, 134), "134: keys AND values are kept; a factor 2 is missing"
assert not close(length, 34), "34: H is the number of query heads, which are not kept; keys and values have K heads"
assert not close(length, 59), "59: you let the third layer keep all tokens; it keeps its << 'last 10' if FIRST_TOKENS == 0 else 'first %d and its last %d' % (FIRST_TOKENS, 10 - FIRST_TOKENS) >>"
assert not close(length, 96), "96: a layer with a window keeps something too: its << 'last 10' if FIRST_TOKENS == 0 else 'first %d and its last %d' % (FIRST_TOKENS, 10 - FIRST_TOKENS) >> tokens"
assert not close(length, 65), "65: of a latent nothing is kept twice; keys and values are both made from it"
assert not close(length, 101), "101: beside the latent its rotary key is kept, P numbers"
assert not close(length, 282), "282: three conversations share the room, and you gave all of it to one"
assert not close(length, 186), "186: value_bytes is missing; a number in the cache has 2 bytes here"
assert not close(length, 709_146), "709,146: you took GiB of 2³⁰ bytes; on data sheets and here a GB is 10⁹ bytes"
assert not close(length, 3_205_218), "3,205,218: reserve_gb has to stay free"
assert not close(length, 9_615_378), "9,615,378: the weights take their part of the memory"
assert not close(length, 0), "0: a conversation of 90 tokens fits; it needs 5,000 of 5,000 bytes"
assert not close(length, 89), "89: 90 tokens fill the room exactly, and that does fit"
assert not close(length, 91), "91: that is the first length that does not fit"
assert close(length, 90), f"worked example: expected 90, got {length!r}"
assert isinstance(length, int), f"tokens are counted: an int is wanted, not a {type(length).__name__}"
length = most_tokens_each([dict(plain), dict(near_by)], 1, 2, 0.5, 1_499_999_800, 2)
assert not close(length, 0), "0: 200 bytes are left, in which the window does not get full: 3 tokens of 64 bytes fit"
assert close(length, 3), f"200 bytes for two layers of 32 bytes per token, below the window: expected 3, got {length!r}"
length = most_tokens_each([dict(near_by)] * 3, 2, 2, 0.5, 1_499_990_000, 2)
assert length is None, (
    f"three layers with a window of << 10 - FIRST_TOKENS >> and room for all of it: however long, it fits, so None; got {length!r}"
)
length = most_tokens_each([dict(near_by)] * 3, 2, 2, 0.5, 1_499_998_999, 2)
assert length is not None, (
    "1,001 bytes are left for two conversations: the windows do not get full, so there is a limit"
)
assert close(length, 5), f"1,001 bytes for two conversations, 96 bytes per token below the window: 5, got {length!r}"
length = most_tokens_each([dict(plain)], 1, 2, 0.5, 1_600_000_000, 2)
assert close(length, 0), f"the weights alone do not fit: 0 tokens, got {length!r}"
length = most_tokens_each([dict(near_by)], 1, 2, 0.5, 1_600_000_000, 2)
assert close(length, 0), f"the weights alone do not fit, window or not: 0 tokens, got {length!r}"
length = most_tokens_each([dict(plain)], 1, 2, 0.75, 1_249_990_000, 1)
assert close(length, 625), f"10,000 bytes, 16 per token with value_bytes = 1: expected 625, got {length!r}"
length = most_tokens_each([dict(plain)], 1, 2.3, 0.3, 1_999_999_680, 2)
assert not close(length, 9), (
    "9: 10 tokens fit, but (2.3 - 0.3) * 1e9 is 1999999999.9999998: round the room to whole bytes"
)
assert close(length, 10), f"2.3 GB, of which 0.3 stay free: 320 bytes, 32 per token: expected 10, got {length!r}"


# %% nbgrader={"grade": true, "grade_id": "longest-context-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import sys


def stopped_if_endless(*case):
    """The answer for a case; an AssertionError once it has run through a million lines, which no right way needs."""
    lines_left = 1_000_000

    def count(frame, event, arg):
        nonlocal lines_left
        lines_left -= 1
        assert lines_left, f"all windows fill the room exactly, and your loop does not end: {case}"
        return count

    traced_before = sys.gettrace()
    sys.settrace(count)
    try:
        return most_tokens_each(*case)
    finally:
        sys.settrace(traced_before)


def room_taken(layers, length, value_bytes):
    total = 0
    for layer in layers:
        if "R" in layer:
            total += length * (layer["R"] + layer["P"]) * value_bytes
        elif layer["window"] is None or length < layer["window"] + FIRST_TOKENS:
            total += 2 * length * layer["K"] * layer["C"] * value_bytes
        else:
            total += 2 * (layer["window"] + FIRST_TOKENS) * layer["K"] * layer["C"] * value_bytes
    return total


def grouped(heads, kv_heads, channels, window=None):
    return {"H": heads, "K": kv_heads, "C": channels, "window": window}


latent, hybrid = {"R": 512, "P": 64}, [grouped(64, 8, 64, 128), grouped(64, 8, 64)] * 18
mixed = [grouped(4, 2, 3, 7), grouped(4, 1, 5, 20), {"R": 9, "P": 2}, grouped(6, 3, 2)]
for layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes in [
    ([grouped(40, 8, 128)] * 64, 1, 80, 5, 65_527_752_704, 2),
    ([dict(latent)] * 61, 7, 1128, 100, 671_026_404_352, 2),
    (hybrid, 3, 80, 4.5, 65_250_000_000, 2),
    (hybrid, 100, 80, 4.5, 75_300_000_000, 2),
    (mixed, 2, 3, 1, 1_999_990_001, 4),
    (mixed, 3, 3, 1, 1_999_999_000, 1),
    (mixed, 1, 3, 1, 1_999_999_990, 4),
    (mixed, 1, 3, 1, 2_000_000_000, 4),
    ([{"R": 1, "P": 1}], 1, 40, 0, 0, 1),
    (mixed[:2], 4, 3, 1, 1_999_997_000, 2),
    (mixed[:2], 4, 3, 1, 1_999_998_000, 2),
]:
    length = most_tokens_each([dict(layer) for layer in layers], n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    what = f"{n} conversations, {memory_gb} GB, {reserve_gb} free, {weight_bytes:,} bytes of weights, {layers[:4]}"
    room = round((memory_gb - reserve_gb) * 10**9) - weight_bytes
    most = max(layer.get("window") or 10**12 for layer in layers) + FIRST_TOKENS
    if n * room_taken(layers, most, value_bytes) <= room:
        assert length is None, f"{what}: there is no limit, expected None, got {length!r}"
        continue
    assert type(length) is int and length >= 0, f"{what}: an int is wanted, got {length!r}"
    assert length == 0 or n * room_taken(layers, length, value_bytes) <= room, f"{what}: {length} tokens do not fit"
    assert n * room_taken(layers, length + 1, value_bytes) > room, f"{what}: more than {length} tokens fit"
windowed = [grouped(4, 2, 3, 7), grouped(4, 1, 5, 20), grouped(6, 3, 2, 11)]  # 84 + 200 + 132 numbers, when full
full = 2_000_000_000 - 3 * 2 * (84 + 200 + 132 + (12 + 10 + 12) * FIRST_TOKENS)
for over, expected in ((0, None), (1, 19 + FIRST_TOKENS)):
    length = stopped_if_endless([dict(layer) for layer in windowed], 3, 2.3, 0.3, full + over, 2)
    what = f"three layers with windows that fill the room, {over} bytes too many"
    assert length == expected and type(length) is type(expected), f"{what}: expected {expected}, got {length!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "longest-context-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It gives three published designs the same room for caches in bf16, weights left out, and shows what it costs to overlook the windows. gpt-oss-120b has a window of 128 in every second layer<< "" if FIRST_TOKENS == 0 else "; that it also keeps the first %d tokens is our addition" % FIRST_TOKENS >>.

# %% nbgrader={"grade": false, "grade_id": "longest-context-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
gpt_oss = [{"H": 64, "K": 8, "C": 64, "window": 128 if number % 2 == 0 else None} for number in range(36)]
designs = {
    "QwQ-32B, 64 grouped layers": [{"H": 40, "K": 8, "C": 128, "window": None}] * 64,
    "DeepSeek-V3, 61 latent layers": [{"R": 512, "P": 64}] * 61,
    "gpt-oss-120b, 36 layers, half with a window": gpt_oss,
    "the same, windows overlooked": [layer | {"window": None} for layer in gpt_oss],
}
print(f"{CONVERSATIONS} conversations in {ROOM_GB} GB of cache")
for what, design in designs.items():
    print(f"  {what:46}{most_tokens_each(design, CONVERSATIONS, ROOM_GB, 0, 0, 2):9,} tokens each")

# %% [markdown] nbgrader={"grade": false, "grade_id": "int8-product-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · A product in whole numbers  (difficulty 3 of 5 · 20 minutes · 14 points)
#
# The lesson turns weights into int8 and leaves what they are multiplied with as it is. Many chips multiply int8 by int8 twice as fast as bf16 by
# bf16, but then what comes in must be whole numbers too. Weights lie on both sides of zero. What comes in often does not (a ReLU, for
# one, makes every negative number 0), so it gets a **zero point**: the code that stands for 0.0. One row `x` of `x_ND` becomes codes from << LOWEST_CODE >> to << LOWEST_CODE + 255 >>:
#
# 1. `low = min(smallest number of the row, 0)`, `high = max(largest, 0)`: the range always holds 0
# 2. `step = (high - low) / 255`, or 1 if the row is all zeros
# 3. `zero = round(-low / step)<< "" if LOWEST_CODE == 0 else " - 128" >>`
# 4. `code = round(x / step) + zero`, kept between << LOWEST_CODE >> and << LOWEST_CODE + 255 >>; `x` is then about `step * (code - zero)`
#
# `round` is torch's: halves go to the even number, so 101.5 and 102.5 both become 102.
#
# `N` is the number of tokens, `D` that of the numbers of a token, `O` that of the results for a token. Weight number `(o, d)` is `q_OD[o, d] * step_O[o]`. So the result for row `n` and output `o` is
#
# `y[n, o] = step[n] * step_O[o] * (sum over d of (code[n, d] - zero[n]) * q[o, d])`
#
# A chip does not subtract the zero point 4,096 times. It adds up `sums[n, o] = sum over d of code[n, d] * q[o, d]`, in whole numbers, and
# corrects the sum afterwards by what the zero point has added to it: `zero[n]` times something that depends on the weights alone and is computed once. Write `int8_linear`.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `x_ND` | float32, one row per token | `"codes_ND"` | << "uint8" if LOWEST_CODE == 0 else "int8" >> |
# | `q_OD` | int8, from -127 to 127 | `"step_N"` | float32 |
# | `step_O` | float32, one per output | `"zero_N"` | int32 or int64, << LOWEST_CODE >> to << LOWEST_CODE + 255 >> |
# | | | `"sums_NO"` | int32 or int64, exact, **not yet corrected** |
# | | | `"y_NO"` | float32, after the correction |
#
# <% if LOWEST_CODE == 0 %>
# Worked example: x = `[-1.0, 0.5, 1.55]`: the step is 2.55 / 255 = 0.01, the zero point 100, the codes `[0, 150, 255]`. With q = `[3, -2, 1]` the sum is
# 0 · 3 - 150 · 2 + 255 · 1 = -45. The zero point stands in it 3 - 2 + 1 = 2 times: -45 - 100 · 2 = -245. With a weight step of 0.5 the result is -245 · 0.01 · 0.5 = -1.225.
# <% else %>
# Worked example: x = `[-1.0, 0.5, 1.55]`: the step is 2.55 / 255 = 0.01, the zero point 100 - 128 = -28, the codes `[-128, 22, 127]`. With q = `[3, -2, 1]` the sum is
# -128 · 3 - 22 · 2 + 127 · 1 = -301. The zero point stands in it 3 - 2 + 1 = 2 times: -301 + 28 · 2 = -245. With a weight step of 0.5 the result is -245 · 0.01 · 0.5 = -1.225.
# <% endif %>
#
# Before you write: one number in a row of 64 is 30 times as large as the others. How many of the 256 codes are left for the others?
#
# *Stuck?* `hint("int8-product")`


# %% nbgrader={"grade": false, "grade_id": "int8-product", "locked": false, "schema_version": 3, "solution": true, "task": false}
def int8_linear(x_ND: Tensor, q_OD: Tensor, step_O: Tensor) -> dict[str, Tensor]:
    """A linear layer in whole numbers: codes with a zero point times int8 weights, corrected, then scaled."""
    ### BEGIN SOLUTION
    low_N, high_N = x_ND.amin(dim=1).clamp(max=0), x_ND.amax(dim=1).clamp(min=0)
    step_N = (high_N - low_N) / 255
    step_N[step_N == 0] = 1
    # variant: if LOWEST_CODE == 0
    zero_N = (-low_N / step_N).round().int()
    codes_ND = ((x_ND / step_N[:, None]).round().int() + zero_N[:, None]).clamp(0, 255)
    # variant: else
    zero_N = (-low_N / step_N).round().int() - 128
    codes_ND = ((x_ND / step_N[:, None]).round().int() + zero_N[:, None]).clamp(-128, 127)
    # variant: endif
    sums_NO = codes_ND @ q_OD.int().T
    corrected_NO = sums_NO - zero_N[:, None] * q_OD.int().sum(dim=1)
    # variant: if LOWEST_CODE == 0
    stored_ND = codes_ND.to(torch.uint8)
    # variant: else
    stored_ND = codes_ND.to(torch.int8)
    # variant: endif
    return {
        "codes_ND": stored_ND, "step_N": step_N, "zero_N": zero_N, "sums_NO": sums_NO,
        "y_NO": corrected_NO * step_N[:, None] * step_O,
    }  # fmt: skip
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "int8-product-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
x_ND = torch.tensor([[-1.0, 0.5, 1.55], [0.205, 0.396, 5.1], [-2.55, -0.51, -1.02], [0.0, 0.0, 0.0]])
q_OD, step_O = torch.tensor([[3, -2, 1], [100, 127, -50]], dtype=torch.int8), torch.tensor([0.5, 0.02])
out = int8_linear(x_ND.clone(), q_OD.clone(), step_O.clone())
assert isinstance(out, dict), f"a dict is wanted; got {type(out).__name__}: end your function with `return ...`"
missing = {"codes_ND", "step_N", "zero_N", "sums_NO", "y_NO"} - set(out)
assert not missing, f"the dict lacks {sorted(missing)}"
no_tensors = sorted(key for key, part in out.items() if not isinstance(part, Tensor))
assert not no_tensors, f"all parts of the dict are tensors; {no_tensors} are not"
step, zero = out["step_N"].flatten().tolist(), out["zero_N"].flatten().tolist()
assert len(step) == 4, f"one step for each of the 4 rows, got {len(step)}: min and max are taken over a row, dim=1"
assert not close(step[0], 2.55 / 256, 1e-4), "256 codes have 255 steps between them"
assert not close(step[0], 1.55 / 127, 1e-4), (
    "the step of row 0 is 1.55 / 127: that is symmetric, as for weights; the codes go from << LOWEST_CODE >> to << LOWEST_CODE + 255 >> here"
)
assert close(step[0], 0.01, 1e-4), f"row 0: (1.55 + 1.0) / 255 = 0.01, got {step[0]:.5f}"
assert not close(step[1], 4.895 / 255, 1e-4), "row 1 goes from 0.205 to 5.1, but the range always holds 0: low is 0"
assert not close(step[2], 2.04 / 255, 1e-4), "row 2 goes from -2.55 to -0.51, but the range always holds 0: high is 0"
assert step[3] != 0, "row 3 is all zeros: its step would be 0, and x / step is nan; take 1"
for row, (said, expected) in enumerate(zip(step, (0.01, 0.02, 0.01, 1.0), strict=True)):
    assert close(said, expected, 1e-4), f"the step of row {row}: expected {expected}, got {said:.4f}"
assert not out["zero_N"].is_floating_point(), (
    f"zero points are whole numbers, int32 or int64; got {out['zero_N'].dtype}"
)
# variant: if LOWEST_CODE == 0
assert zero[0] != -100, (
    "your zero point of row 0 is -100; turn the sign: code 0 stands for low, so 0.0 has a code above it"
)
assert zero == [100, 0, 255, 0], f"zero points of the four rows: expected [100, 0, 255, 0], got {zero}"
assert out["codes_ND"].dtype == torch.uint8, f"codes_ND: torch.uint8 is wanted, got {out['codes_ND'].dtype}"
# variant: else
assert zero[0] != 100, (
    "your zero point of row 0 is 100, as for codes from 0 to 255; in this version of the exercise they go from -128 to 127"
)
assert zero[0] not in (28, -100, -228), (
    f"your zero point of row 0 is {zero[0]}; turn the sign: code -128 stands for low, so 0.0 has a code above it"
)
assert zero == [-28, -128, 127, -128], f"zero points of the four rows: expected [-28, -128, 127, -128], got {zero}"
assert out["codes_ND"].dtype == torch.int8, (
    f"codes_ND: torch.int8 is wanted, from -128 to 127, got {out['codes_ND'].dtype}"
)
# variant: endif
codes = out["codes_ND"].tolist()
assert codes[1] != [10 + LOWEST_CODE, 19 + LOWEST_CODE, 255 + LOWEST_CODE], (
    "row 1: 0.396 / 0.02 = 19.8 became 19: cut off instead of rounded; round before you make ints"
)
# variant: if LOWEST_CODE == 0
assert codes[0] != [156, 50, 155], "you did not add the zero point to the codes: they wrapped around below 0"
expected = [[0, 150, 255], [10, 20, 255], [0, 204, 153], [0, 0, 0]]
# variant: else
assert codes[0] not in ([-100, 50, -101], [-100, 50, 127]), "you did not add the zero point to the codes"
expected = [[-128, 22, 127], [-118, -108, 127], [-128, 76, 25], [-128, -128, -128]]
# variant: endif
assert codes == expected, f"codes: expected {expected}, got {codes}"
sums = out["sums_NO"]
assert sums.dtype in (torch.int32, torch.int64), f"sums are whole numbers, int32 or int64; got {sums.dtype}"
assert sums.shape == (4, 2), f"one sum per row and output: expected the shape (4, 2), got {tuple(sums.shape)}"
sums = sums.tolist()
assert sums[0][0] != -245, "sums_NO holds the sums before the correction: << -45 + 2 * LOWEST_CODE >>, not -245"
# variant: if LOWEST_CODE == 0
assert sums[0][1] not in (6300 % 256, (6300 + 128) % 256 - 128), (
    f"{sums[0][1]} where 6,300 is right: the sum was made in 8 bits and wrapped around; make both int32 first"
)
assert sums == [[-45, 6300], [245, -9210], [-255, 18258], [0, 0]], f"sums of whole numbers: got {sums}"
# variant: else
assert sums[0][1] not in (-16356 % 256, (-16356 + 128) % 256 - 128), (
    f"{sums[0][1]} where -16,356 is right: the sum was made in 8 bits and wrapped around; make both int32 first"
)
expected = [[-301, -16356], [-11, -31866], [-511, -4398], [-256, -22656]]
assert sums == expected, f"sums of whole numbers: expected {expected}, got {sums}"
# variant: endif
assert out["y_NO"].shape == (4, 2), f"y_NO: expected the shape (4, 2), got {tuple(out['y_NO'].shape)}"
y = out["y_NO"].flatten().tolist()
# variant: if LOWEST_CODE == 0
assert not close(y[0], -0.225, 1e-3), "-0.225: the correction is missing; the zero point stands in each sum"
assert not close(y[0], 0.775, 1e-3), "0.775: you added the correction; subtract it"
assert not close(y[0], -202.725, 1e-3), (
    "-202.7: you took zero times the sum of the CODES; take the sum of the weights q"
)
assert not close(y[0], -0.725, 1e-3), "-0.725: you subtracted the zero point once; it stands in the sum for each weight"
assert not close(y[0], -1.725, 1e-3), "-1.725: you took zero times the number of weights; take the sum of the weights q"
# variant: else
assert not close(y[0], -1.505, 1e-3), "-1.505: the correction is missing; the zero point stands in each sum"
assert not close(y[0], -1.785, 1e-3), "-1.785: you added the correction; subtract it"
assert not close(y[0], 1.435, 1e-3), "1.435: you took zero times the sum of the CODES; take the sum of the weights q"
assert not close(y[0], -1.365, 1e-3), "-1.365: you subtracted the zero point once; it stands in the sum for each weight"
assert not close(y[0], -1.085, 1e-3), "-1.085: you took zero times the number of weights; take the sum of the weights q"
# variant: endif
assert not close(y[0], -2.45, 1e-3), "-2.45: step_O is missing"
assert not close(y[0], -122.5, 1e-3), "-122.5: the row's own step is missing"
assert not close(y[0], -245.0, 1e-3), "-245: both steps are missing"
assert close(y[0], -1.225, 1e-3), f"worked example: expected -1.225, got {y[0]:.4f}"
stored = torch.tensor([[-1.0, 0.5, 1.55], [0.2, 0.4, 5.1], [-2.55, -0.51, -1.02], [0.0, 0.0, 0.0]])
direct = (stored @ (q_OD.float() * step_O[:, None]).T).flatten().tolist()
for place, (said, expected) in enumerate(zip(y, direct, strict=True)):
    assert math.isclose(said, expected, rel_tol=1e-3, abs_tol=1e-5), (
        f"row 0, output 0 is right, but not row {place // 2}, output {place % 2}: the numbers that the codes stand for, times the weights, are {expected:.4f}, got {said:.4f}"
    )
out = int8_linear(torch.tensor([[-101.5, 153.5]]), torch.ones(1, 2, dtype=torch.int8), torch.ones(1))
codes = out["codes_ND"].tolist()
# variant: if LOWEST_CODE == 0
assert codes != [[0, 0]], (
    "x = [-101.5, 153.5], zero point 102: code 256 wrapped to 0: keep codes between 0 and 255 before uint8"
)
assert codes == [[0, 255]], f"x = [-101.5, 153.5], step 1, zero point 102: expected the codes [[0, 255]], got {codes}"
said = out["sums_NO"].item()
assert said != 256, "the sum is 256: it was made with code 256; keep codes between 0 and 255 before the product too"
assert said == 255, f"codes 0 and 255, weights 1 and 1: the sum is 255, got {said}"
said = out["y_NO"].item()
assert close(said, 51, 1e-4), f"255 - 102 * 2 = 51, both steps are 1: got {said:.4f}"
# variant: else
assert codes != [[-128, -128]], (
    "x = [-101.5, 153.5], zero point -26: code 128 wrapped to -128: keep codes between -128 and 127 before int8"
)
assert codes == [[-128, 127]], f"x = [-101.5, 153.5], step 1, zero point -26: expected the codes [[-128, 127]], got {codes}"
said = out["sums_NO"].item()
assert said != 0, "the sum is 0: it was made with code 128; keep codes between -128 and 127 before the product too"
assert said == -1, f"codes -128 and 127, weights 1 and 1: the sum is -1, got {said}"
said = out["y_NO"].item()
assert close(said, 51, 1e-4), f"-1 + 26 * 2 = 51, both steps are 1: got {said:.4f}"
# variant: endif
x_ND, q_OD = torch.full((1, 3001), 0.25), torch.full((1, 3001), 127, dtype=torch.int8)
q_OD[0, 0] = 126
said = int8_linear(x_ND, q_OD, torch.ones(1))["sums_NO"].item()
exactly = 97_187_130 if LOWEST_CODE == 0 else 48_403_002
assert said == exactly, (
    f"3,001 codes of {255 + LOWEST_CODE} times weights of 127, but one of 126: {exactly:,}, got {said:,}; float32 is exact only up to 16,777,216"
)

# %% nbgrader={"grade": true, "grade_id": "int8-product-hidden", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(606)
wanted = {"codes_ND", "step_N", "zero_N", "sums_NO", "y_NO"}
for N, D, n_out, shift in [(5, 7, 3, 0.0), (1, 40, 6, 2.5), (4, 9, 1, -3.0), (3, 2500, 4, 0.4), (6, 1, 5, 0.0)]:
    x = torch.randn(N, D) + shift
    x[0] = x[0].abs() + 0.5
    x[-1] = -x[-1].abs() - 0.5 if N > 1 else x[-1]
    if N > 4:
        x[2] = 0
    q = torch.randint(-127, 128, (n_out, D), dtype=torch.int8)
    step_out = torch.rand(n_out) + 0.1
    kept = x.clone(), q.clone(), step_out.clone()
    out = int8_linear(x, q, step_out)
    what = f"N={N}, D={D}, O={n_out}, numbers around {shift}"
    assert isinstance(out, dict) and wanted <= set(out), f"{what}: a dict with {sorted(wanted)} is wanted"
    assert all(isinstance(out[name], torch.Tensor) for name in wanted), f"{what}: all five are tensors"
    for now, before in zip((x, q, step_out), kept, strict=True):
        assert torch.equal(now, before), f"{what}: a tensor that came in was changed"
    sizes = {"codes_ND": (N, D), "step_N": (N,), "zero_N": (N,), "sums_NO": (N, n_out), "y_NO": (N, n_out)}
    for name, size in sizes.items():
        assert out[name].shape == size, f"{what}: {name} should be {size}, got {tuple(out[name].shape)}"
    # variant: if LOWEST_CODE == 0
    assert out["codes_ND"].dtype == torch.uint8, f"{what}: codes are uint8"
    # variant: else
    assert out["codes_ND"].dtype == torch.int8, f"{what}: codes are int8"
    # variant: endif
    assert out["sums_NO"].dtype in (torch.int32, torch.int64), f"{what}: sums are int32 or int64"
    assert out["zero_N"].dtype in (torch.int32, torch.int64), f"{what}: zero points are int32 or int64"
    assert out["y_NO"].dtype == torch.float32, f"{what}: y is float32"
    codes, zero, step = out["codes_ND"].long(), out["zero_N"].long(), out["step_N"].double()
    for n in range(N):
        low, high = min(x[n].min().item(), 0.0), max(x[n].max().item(), 0.0)
        expected = (high - low) / 255 or 1.0
        assert abs(step[n].item() - expected) < 1e-5 * expected, f"{what}: step of row {n}: {expected}, got {step[n]}"
        assert zero[n].item() == round(-low / expected) + LOWEST_CODE, f"{what}: zero point of row {n}"
        back = step[n] * (codes[n] - zero[n])
        worst = (back - x[n].double()).abs().max().item()
        assert worst <= 1.01 * expected, f"{what}: row {n} comes back wrong by {worst / expected:.1f} steps"
    near_codes = (kept[0].double() / step[:, None]).round().long() + zero[:, None]
    near_codes = near_codes.clamp(LOWEST_CODE, LOWEST_CODE + 255)
    assert ((codes - near_codes).abs() <= 1).all(), f"{what}: codes"
    assert (codes == near_codes).double().mean() > 0.97, f"{what}: codes are not rounded to the nearest"
    sums = codes @ q.long().T
    assert torch.equal(out["sums_NO"].long(), sums), f"{what}: sums_NO is not codes times q, exactly"
    y = ((codes - zero[:, None]) @ q.long().T).double() * step[:, None] * step_out.double()
    assert torch.allclose(out["y_NO"].double(), y, rtol=1e-4, atol=1e-4), f"{what}: y_NO"
out = int8_linear(torch.tensor([[-1.5, 253.5, 3.0]]), torch.tensor([[2, 1, -1]], dtype=torch.int8), torch.ones(1))
what = f"x = [-1.5, 253.5, 3], zero point {2 + LOWEST_CODE}"
assert out["codes_ND"].tolist() == [[LOWEST_CODE, 255 + LOWEST_CODE, 5 + LOWEST_CODE]], f"{what}: got {out['codes_ND'].tolist()}"
assert out["sums_NO"].tolist() == [[250 + 2 * LOWEST_CODE]] and abs(out["y_NO"].item() - 246) < 1e-3, f"{what}: sum and y"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "int8-product-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It compares with the product in float32: a row of 64 ordinary numbers, and the same row with one number 30 times as large.

# %% nbgrader={"grade": false, "grade_id": "int8-product-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
draws = torch.Generator().manual_seed(6)
ordinary = torch.rand(1, 64, generator=draws) * 2 - 1
outlier = ordinary.clone()
outlier[0, 7] = 30.0
some_q = torch.randint(-127, 128, (256, 64), generator=draws, dtype=torch.int8)
for what, x in (("ordinary", ordinary), ("with an outlier", outlier)):
    coded = int8_linear(x, some_q, torch.full((256,), 0.01))
    exact = x @ (some_q.float() * 0.01).T
    others = torch.cat((coded["codes_ND"][0, :7], coded["codes_ND"][0, 8:]))
    off = (coded["y_NO"] - exact).square().mean().sqrt()
    print(f"{what:16} codes used by the other 63: {len(others.unique()):3};  typical error of a result: {off:.3f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "writing-pipeline-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Words through a chain of chips  (difficulty 3 of 5 · 18 minutes · 13 points)
#
# A model that is too large for one chip can be cut into **stages**: the first chip has the first layers, the next one the next. The lesson's bubble is that of
# reading a batch in pieces, and all pieces are there from the start. Writing is different: a token goes through all stages, and only when it has come out at the end can its conversation's **next** token
# go in at the front. So the users are put into groups, which follow one another through the chain.
#
# The rules:
#
# - Stage `s` needs `stages_s[s]` seconds for one token of each user of one group, and works on one group at a time.
# - All stages keep the same order: token 0 of group 0, of group 1, ..., of the last group, then token 1 of group 0, and so on.
# - A stage starts as soon as it is done with its work before **and** the work has arrived. Token 0 of every group is at stage 0 at time 0.
# - On its way from a stage to the next, work travels `hop_s` seconds; so does a finished token from the last stage back to stage 0 (also if there is only one stage). While it travels, both stages are free.
#
# Write `write_through`. A loop is fine.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `stages_s` | list of floats, one per stage | `"seconds"` | when the last stage is done with the last token of the last group |
# | `hop_s` | float | `"<< PACE >>"` | << "seconds" if PACE == "gap_s" else "1, divided by the seconds" >> between the last two tokens of **group 0** leaving the last stage: << "what its users wait for a token" if PACE == "gap_s" else "how many tokens its users get in a second" >> |
# | `n_groups` | int, at least 1 | `"<< SHARE >>"` | list of floats, for each stage the share of `"seconds"`, from 0 on, in which it << "does not work" if SHARE == "idle" else "works" >> |
# | `n_tokens` | int, at least 2, of each group | | |
#
# Worked example: `stages_s=[3, 4]`, `hop_s=2`, two groups, two tokens each.
#
# | | group 0, token 0 | group 1, token 0 | group 0, token 1 | group 1, token 1 |
# |---|---|---|---|---|
# | stage 0 | 0 to 3 | 3 to 6 | 11 to 14 | 15 to 18 |
# | stage 1 | 5 to 9 | 9 to 13 | 16 to 20 | 20 to 24 |
#
# Group 0's token 0 leaves stage 1 at 9, so its token 1 may start at 11. 24 seconds in all; the gap is 20 - 9 = 11<< "" if PACE == "gap_s" else ", so 1 / 11 tokens per second" >>; stage 0 works 12 of 24 seconds, stage 1 works 16: << "idle `[0.5, 0.333]`" if SHARE == "idle" else "busy `[0.5, 0.667]`" >>.
#
# Before you write: four equally fast stages. Which share of the time is a stage idle with one group? With four? And what do users notice with eight?
#
# *Stuck?* `hint("writing-pipeline")`


# %% nbgrader={"grade": false, "grade_id": "writing-pipeline", "locked": false, "schema_version": 3, "solution": true, "task": false}
def write_through(stages_s: list[float], hop_s: float, n_groups: int, n_tokens: int) -> dict:
    # variant: if PACE == "gap_s" and SHARE == "idle"
    """Play the rules: when all is written, what a user waits for a token, and how long each stage idles."""
    # variant: else
    """Play the rules: seconds, << PACE >> of group 0, and for each stage the << SHARE >> share of the time."""
    # variant: endif
    ### BEGIN SOLUTION
    free_s = [0.0] * len(stages_s)  # when each stage is done with its work so far
    arrives_s = [0.0] * n_groups  # when each group's next token is at stage 0
    ends_s = []  # of group 0's tokens
    end = 0.0
    for _ in range(n_tokens):
        for group in range(n_groups):
            at = arrives_s[group]
            for stage, seconds in enumerate(stages_s):
                end = max(at, free_s[stage]) + seconds
                free_s[stage] = end
                at = end + hop_s
            arrives_s[group] = at
            if group == 0:
                ends_s.append(end)
    # variant: if SHARE == "idle"
    idle = [1 - n_groups * n_tokens * seconds / end for seconds in stages_s]
    # variant: else
    busy = [n_groups * n_tokens * seconds / end for seconds in stages_s]
    # variant: endif
    # variant: if PACE == "gap_s" and SHARE == "idle"
    return {"seconds": end, "gap_s": ends_s[-1] - ends_s[-2], "idle": idle}
    # variant: elif PACE == "gap_s"
    return {"seconds": end, "gap_s": ends_s[-1] - ends_s[-2], "busy": busy}
    # variant: elif SHARE == "idle"
    return {"seconds": end, "tokens_per_s": 1 / (ends_s[-1] - ends_s[-2]), "idle": idle}
    # variant: else
    return {"seconds": end, "tokens_per_s": 1 / (ends_s[-1] - ends_s[-2]), "busy": busy}
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "writing-pipeline-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
out = write_through([3, 4], 2, 2, 2)
assert isinstance(out, dict), f"a dict is wanted; got {type(out).__name__}: end your function with `return ...`"
# variant: if PACE != "gap_s"
assert "gap_s" not in out, "'gap_s' is of another version of the exercise; this one asks for 'tokens_per_s'"
# variant: endif
# variant: if SHARE != "idle"
assert "idle" not in out, "'idle' is of another version of the exercise; this one asks for the share 'busy'"
# variant: endif
assert set(out) == {"seconds", PACE, SHARE}, f"the dict needs 'seconds', '<< PACE >>' and '<< SHARE >>', got {sorted(out)}"
seconds = out["seconds"]
assert not close(seconds, 19), "19: you let work travel in no time; hop_s is missing"
assert not close(seconds, 22), "22: you let a finished token be back at stage 0 at once; that way takes hop_s too"
assert not close(seconds, 21), "21: you started token 1 before token 0 of its group had left the last stage"
assert not close(seconds, 26), "26: you counted hop_s once more after the last stage; what is done is done"
assert not close(seconds, 28), (
    "28: you let token 1 wait until ALL groups had their token 0; it waits only for its own group"
)
assert not close(seconds, 27), "27: you kept a stage busy while its work travels; it is free then"
assert not close(seconds, 35), "35: you wrote all of group 0 before group 1 began; token 0 of EVERY group comes first"
assert not close(seconds, 20), "20: you let a stage start work while it is busy with the group before"
assert not close(seconds, 36), (
    "36: you did one piece of work after the other; while stage 1 works, stage 0 does the next group"
)
assert close(seconds, 24), f"worked example: expected 24 seconds, got {seconds!r}"
# variant: if PACE == "gap_s"
gap = out["gap_s"]
assert not close(gap, 4), (
    "4: that is the gap between the last two pieces of work; wanted is that between two tokens of group 0"
)
assert not close(gap, 12), "12: those are all seconds divided by the tokens; wanted is the gap between the last two"
assert close(gap, 11), f"worked example: group 0's tokens are done at 9 and 20, a gap of 11; got {gap!r}"
# variant: else
pace = out["tokens_per_s"]
assert not close(pace, 11), "11: that is the gap in seconds; this version asks for the tokens in a second, 1 / 11"
assert not close(pace, 1 / 4), (
    "0.25: 4 seconds are between the last two pieces of work; wanted is the gap between two tokens of group 0"
)
assert not close(pace, 1 / 12), "0.0833: those are all tokens over all seconds; wanted is 1 over the gap between the last two"
assert close(pace, 1 / 11), f"worked example: group 0's tokens are done at 9 and 20, so 1 / 11 per second; got {pace!r}"
# variant: endif
idle = out[SHARE]
assert isinstance(idle, (list, tuple)) and len(idle) == 2, f"one share per stage, a list of 2 floats; got {idle!r}"
# variant: if SHARE == "idle"
assert not (close(idle[0], 0.5) and close(idle[1], 2 / 3)), "idle[1] is 0.667: that is the share in which stage 1 works"
assert not (close(idle[0], 1 / 3) or close(idle[1], 3 / 19)), (
    "idle is the share of all 24 seconds, also before a stage's first and after its last work"
)
assert not (close(idle[0], 12) or close(idle[1], 8)), "those are idle seconds; wanted is their share of all seconds"
assert not close(idle[0], 0.75), "0.75: a stage works once for each token of EACH group"
for stage, (said, expected) in enumerate(zip(idle, (0.5, 1 / 3), strict=True)):
    assert close(said, expected), f"worked example: stage {stage} idles {expected:.4f} of the time, got {said!r}"
# variant: else
assert not (close(idle[0], 0.5) and close(idle[1], 1 / 3)), (
    "busy[1] is 0.333: that is the share in which stage 1 idles; in this version of the exercise it is the one in which it works"
)
assert not (close(idle[0], 2 / 3) or close(idle[1], 16 / 19)), (
    "busy is the share of all 24 seconds, also of those before a stage's first and after its last work"
)
assert not (close(idle[0], 12) or close(idle[1], 16)), "those are busy seconds; wanted is their share of all seconds"
assert not close(idle[0], 0.25), "0.25: a stage works once for each token of EACH group"
for stage, (said, expected) in enumerate(zip(idle, (0.5, 2 / 3), strict=True)):
    assert close(said, expected), f"worked example: stage {stage} works {expected:.4f} of the time, got {said!r}"
# variant: endif
out = write_through([5, 1, 2], 0.25, 1, 3)
assert close(out["seconds"], 26), (
    f"one group, three tokens of 8 s in the stages, 8 hops: 24 + 8 / 4 = 26, got {out['seconds']!r}"
)
# variant: if PACE == "gap_s"
assert close(out["gap_s"], 8.75), f"one group: 5 + 1 + 2 and three hops are 8.75 s for a token, got {out['gap_s']!r}"
# variant: else
assert close(out["tokens_per_s"], 1 / 8.75), (
    f"one group: 5 + 1 + 2 and three hops are 8.75 s for a token, so 1 / 8.75 in a second; got {out['tokens_per_s']!r}"
)
# variant: endif
out = write_through([1, 4, 2], 0.5, 3, 4)
assert close(out["seconds"], 52), (
    f"stages of 1, 4 and 2 s, hops of 0.5 s, 3 groups, 4 tokens: 52 s, got {out['seconds']!r}"
)
# variant: if PACE == "gap_s"
assert close(out["gap_s"], 12), (
    f"the second stage is always busy: 3 groups of 4 s are 12 s for a token, got {out['gap_s']!r}"
)
# variant: else
assert close(out["tokens_per_s"], 1 / 12), (
    f"the second stage is always busy: 3 groups of 4 s are 12 s for a token, so 1 / 12 in a second; got {out['tokens_per_s']!r}"
)
# variant: endif
out = write_through([2], 0.5, 1, 4)
assert not close(out["seconds"], 8), (
    "8: one stage, and you let the token be back at once; that way takes hop_s here too"
)
# variant: if PACE == "gap_s"
assert close(out["gap_s"], 2.5), f"one stage of 2 s and a way back of 0.5 s: 2.5 s for a token, got {out['gap_s']!r}"
# variant: else
assert close(out["tokens_per_s"], 1 / 2.5), (
    f"one stage of 2 s and a way back of 0.5 s: 2.5 s for a token, so 1 / 2.5 in a second; got {out['tokens_per_s']!r}"
)
# variant: endif
assert close(out["seconds"], 9.5), f"one stage of 2 s, 4 tokens, 3 ways back of 0.5 s: 9.5 s, got {out['seconds']!r}"

# %% nbgrader={"grade": true, "grade_id": "writing-pipeline-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from math import isclose

rng = random.Random(604)
cases = [
    ([2.0, 3.0], 0.0, 1, 2),
    ([1.0, 1.0, 1.0, 1.0], 0.0, 4, 6),
    ([3.0, 1.0, 2.0], 0.75, 2, 5),
    ([0.5, 4.0, 0.25, 1.0], 1.5, 5, 3),
    ([2.5], 1.0, 3, 4),
    ([2.5], 1.0, 1, 4),
    ([1.0, 2.0, 7.0], 0.1, 4, 2),
]
for n_stages in (1, 2, 3, 5, 5):
    stages = [rng.uniform(0.2, 4.0) for _ in range(n_stages)]
    cases.append((stages, rng.uniform(0.0, 1.5), rng.randint(1, 6), rng.randint(2, 6)))
for stages, hop, n_groups, n_tokens in cases:
    out = write_through(list(stages), hop, n_groups, n_tokens)
    what = f"stages {stages}, hop {hop}, {n_groups} groups, {n_tokens} tokens"
    assert isinstance(out, dict) and {"seconds", PACE, SHARE} <= set(out), f"{what}: a dict of three is wanted"
    start, end = {}, {}
    for t in range(n_tokens):
        for g in range(n_groups):
            for s in range(len(stages)):
                before = (t, g - 1, s) if g else (t - 1, n_groups - 1, s)
                comes_from = (t, g, s - 1) if s else (t - 1, g, len(stages) - 1)
                arrived = end[comes_from] + hop if comes_from in end else 0.0
                start[t, g, s] = max(end.get(before, 0.0), arrived)
                end[t, g, s] = start[t, g, s] + stages[s]
    last = len(stages) - 1
    whole = max(end.values())
    gap = end[n_tokens - 1, 0, last] - end[n_tokens - 2, 0, last]
    # variant: if PACE == "gap_s"
    pace = gap
    # variant: else
    pace = 1 / gap
    # variant: endif
    for name, expected in (("seconds", whole), (PACE, pace)):
        said = out[name]
        assert isinstance(said, (int, float)), f"{what}: {name} should be a number, got {said!r}"
        assert isclose(said, expected, rel_tol=1e-9), f"{what}: {name} should be {expected}, got {said}"
    assert isinstance(out[SHARE], (list, tuple)) and len(out[SHARE]) == len(stages), f"{what}: one share per stage"
    for s, share in enumerate(out[SHARE]):
        # variant: if SHARE == "idle"
        expected = 1 - n_groups * n_tokens * stages[s] / whole
        # variant: else
        expected = n_groups * n_tokens * stages[s] / whole
        # variant: endif
        assert isinstance(share, (int, float)) and isclose(share, expected, abs_tol=1e-9), (
            f"{what}: stage {s} is << SHARE >> for {expected:.4f} of the time, got {share!r}"
        )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "writing-pipeline-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess: all weights of QwQ-32B in bf16, read at an H100's full bandwidth, over four chips, once cut evenly and once unevenly. It
# leaves out caches, arithmetic and the output head. A hop is taken as two rounds of messages, `2 * ROUND_S`: one to say that the work is ready, one to send it. Compare each gap with two numbers: one round trip, and the number of groups times the slowest stage.

# %% nbgrader={"grade": false, "grade_id": "writing-pipeline-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
whole_ms = 65.53e9 / (CHIPS["H100"]["gb_per_s"] * 1e9) * 1000
hop = 2 * ROUND_S
print(f"one chip, no chain: {whole_ms:.1f} ms per token")
for what, shares in (
    ("even, 16 + 16 + 16 + 16 layers", (16, 16, 16, 16)),
    ("uneven, 13 + 13 + 13 + 25 layers", (13, 13, 13, 25)),
):
    print(what)
    for n_groups in (1, 2, 4, 8):
        written = write_through([whole_ms / 1000 * share / 64 for share in shares], hop, n_groups, 200)
        # variant: if PACE != "gap_s"
        written["gap_s"] = 1 / written["tokens_per_s"]
        # variant: endif
        # variant: if SHARE != "idle"
        written["idle"] = [1 - share for share in written["busy"]]
        # variant: endif
        print(
            f"  {n_groups} group{'s' if n_groups > 1 else ' '}: a user waits {1000 * written['gap_s']:5.1f} ms per token, "
            f"the first chip idles {written['idle'][0]:4.0%}, the last {written['idle'][-1]:4.0%} of the time"
        )

# %% [markdown] nbgrader={"grade": false, "grade_id": "butterfly-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Fewer rounds than a ring  (difficulty 4 of 5 · 25 minutes · 14 points)
#
# Every rank has a list of `length` numbers, and in the end every rank shall have the sum of all lists: an *all-reduce*. The lesson's ring takes `2 * (n - 1)` rounds.
# Each round costs a few microseconds, however little is sent. There is a way with `2 * log2(n)` rounds, in which every rank still sends no more than `2 * (n - 1) / n * length` numbers.
#
# You do not send anything. You write the **plan**, and a referee, the function `play` below, carries it out. A plan is a list of rounds, a round is a list of messages:
#
# `(sender, receiver, start, stop, how)`
#
# The sender sends what it had at the places `start` to `stop - 1` **before** the round; the receiver adds it to its own numbers there (`how = "add"`) or puts it in their place (`"copy"`). In one round
# each rank sends one message at most and gets one at most.
#
# The idea for 4 ranks, in two halves. **Add**: ranks that are 2 apart, 0 with 2 and 1 with 3, share out the list: rank 0 will care for the first half, rank 2 for the second, and each sends
# the other the half that it will no longer care for. Then ranks that are 1 apart, 0 with 1 and 2 with 3, share out the half for which both of them care. Now each rank has the finished sum of a quarter. **Copy**: the same pairs in the opposite order, 1 apart and then 2 apart; each sends all that
# it has finished.
#
# ```
# 2 ranks, 6 numbers, the whole plan:   [[(0, 1, 3, 6, "add"),  (1, 0, 0, 3, "add")],
#                                        [(0, 1, 0, 3, "copy"), (1, 0, 3, 6, "copy")]]
# ```
#
# Write `butterfly_plan`. Any plan is right that keeps the rules, leaves the sum with everybody, has at most `2 * log2(n_ranks)` rounds and sends, from each rank, at most
# `2 * (n_ranks - 1) / n_ranks * length` numbers.
#
# | in | | out | |
# |---|---|---|---|
# | `n_ranks` | int, a power of 2, perhaps 1 | plan | list of lists of tuples `(int, int, int, int, str)`; for one rank the empty list |
# | `length` | int, a multiple of `n_ranks` | | |
#
# For ranks that are a power of 2 apart, `rank ^ distance` (exclusive or) is the partner, and `rank & distance` is 0 for the lower one of the two.
#
# Before you write: if all ranks sent their whole list to the partner in each of `log2(n)` rounds, everybody would have the sum in half as many rounds. What does that cost, for 8 ranks, against the plan above?
#
# *Stuck?* `hint("butterfly")`


# %% nbgrader={"grade": false, "grade_id": "butterfly-referee", "locked": true, "schema_version": 3, "solution": false, "task": false}
def play(plan: list, start_RN: Tensor) -> tuple[list, list]:
    """Carry out a plan on one row of numbers per rank: the rows afterwards, and how many numbers each rank sent."""
    now_RN, (n_ranks, length) = start_RN.clone(), start_RN.shape
    sent = [0] * n_ranks
    for number, messages in enumerate(plan):
        assert isinstance(messages, (tuple, list)), f"round {number} is a list of messages, got {messages!r}"
        before_RN, senders, receivers = now_RN.clone(), set(), set()
        for message in messages:
            assert isinstance(message, (tuple, list)) and len(message) == 5, (
                f"round {number}: {message!r} is no message; wanted is (sender, receiver, start, stop, how)"
            )
            sender, receiver, start, stop, how = message
            said = f"round {number}, message {message}"
            assert all(isinstance(part, int) for part in message[:4]), f"{said}: ranks and places are ints (use //)"
            assert 0 <= sender < n_ranks and 0 <= receiver < n_ranks, f"{said}: there are only ranks 0 to {n_ranks - 1}"
            assert sender != receiver, f"{said}: a rank needs no message to itself"
            assert 0 <= start < stop <= length, f"{said}: start < stop, both between 0 and {length}"
            assert how in ("add", "copy"), f"{said}: how is 'add' or 'copy'"
            assert sender not in senders, f"{said}: rank {sender} sends twice in this round"
            assert receiver not in receivers, f"{said}: rank {receiver} gets two messages in this round"
            senders.add(sender)
            receivers.add(receiver)
            sent[sender] += stop - start
            old = now_RN[receiver, start:stop].clone() if how == "add" else 0
            now_RN[receiver, start:stop] = before_RN[sender, start:stop] + old
    return now_RN.tolist(), sent


two_ranks = [
    [(0, 1, 3, 6, "add"), (1, 0, 0, 3, "add")],
    [(0, 1, 0, 3, "copy"), (1, 0, 3, 6, "copy")],
]
print(play(two_ranks, torch.tensor([[1, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60]])))


# %% nbgrader={"grade": false, "grade_id": "butterfly", "locked": false, "schema_version": 3, "solution": true, "task": false}
def butterfly_plan(n_ranks: int, length: int) -> list[list[tuple[int, int, int, int, str]]]:
    """Rounds of messages after which every rank holds the sum: add in halves, then copy back the same way."""
    ### BEGIN SOLUTION
    cares_for = [(0, length)] * n_ranks
    adds = []
    distance = n_ranks // 2
    while distance:
        messages = []
        for rank in range(n_ranks):
            start, stop = cares_for[rank]
            middle = (start + stop) // 2
            first, second = (start, middle), (middle, stop)
            kept, given = (second, first) if rank & distance else (first, second)
            messages.append((rank, rank ^ distance, *given, "add"))
            cares_for[rank] = kept
        adds.append(messages)
        distance //= 2
    copies = [[(receiver, sender, start, stop, "copy") for sender, receiver, start, stop, _ in m] for m in adds[::-1]]
    return adds + copies
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "butterfly-visible", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
for n_ranks, length in ((2, 6), (4, 12), (8, 8), (1, 5), (16, 32)):
    plan = butterfly_plan(n_ranks, length)
    what = f"{n_ranks} ranks, {length} numbers"
    assert isinstance(plan, (list, tuple)), f"{what}: a list of rounds is wanted, got {plan!r}: end with `return ...`"
    assert plan or n_ranks == 1, f"{what}: the plan is empty"
    assert n_ranks > 1 or len(plan) == 0, f"one rank has the sum already: the empty list, got {plan!r}"
    numbers = torch.arange(n_ranks * length).view(n_ranks, length) ** 2 + 1
    rows, sent = play(plan, numbers)
    total = numbers.sum(0).tolist()
    right = [[place for place in range(length) if row[place] == total[place]] for row in rows]
    done = all(len(places) == length for places in right)
    largest = max(max(row) for row in rows)
    assert done or largest <= max(total), (
        f"{what}: a number grew beyond the sum: something was added twice; what is finished is copied, not added"
    )
    for number, messages in enumerate(plan):
        before = play(plan[:number], numbers)[0]
        for sender, _, start, stop, how in messages:
            unfinished = [place for place in range(start, stop) if before[sender][place] != total[place]]
            somebody = any(row[place] == total[place] for row in before for place in unfinished)
            assert done or how == "add" or not unfinished or somebody, (
                f"{what}, round {number}: rank {sender} copies place {unfinished[0]}, but nobody has the sum there; does each send what the OTHER cares for?"
            )
            assert done or how == "add" or not unfinished, (
                f"{what}, round {number}: rank {sender} copies place {unfinished[0]} before it has the sum there; who is done first, the near or the far partner?"
            )
    assert done or sum(map(len, right)) != length, (
        f"{what}: each place's sum stands with one rank only; the second half, copying, is missing"
    )
    assert done or any(right), f"{what}: after the last round no rank has the sum of any place"
    assert done, f"{what}: rank 0 has the sum at {len(right[0])} of {length} places, the last rank at {len(right[-1])}"
    most = 2 * (n_ranks - 1) * length // n_ranks
    assert max(sent) <= most, (
        f"{what}: the sums are right, but a rank sent {max(sent)} numbers and {most} are enough: send only what the other needs"
    )
    rounds = 2 * (n_ranks.bit_length() - 1)
    assert len(plan) <= rounds, f"{what}: all right, but in {len(plan)} rounds; {rounds} are enough"

# %% nbgrader={"grade": true, "grade_id": "butterfly-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
from math import log2

for n_ranks, length in [(1, 1), (2, 2), (4, 4), (8, 24), (16, 16), (32, 96), (4, 20), (64, 64)]:
    plan = butterfly_plan(n_ranks, length)
    what = f"{n_ranks} ranks, {length} numbers"
    assert isinstance(plan, (list, tuple)), f"{what}: a list of rounds is wanted, got {type(plan).__name__}"
    rows = [[3 ** (rank % 20) + place * (rank + 1) for place in range(length)] for rank in range(n_ranks)]
    total = [sum(column) for column in zip(*rows, strict=True)]
    sent = [0] * n_ranks
    assert len(plan) <= 2 * log2(n_ranks), f"{what}: {len(plan)} rounds are too many"
    for messages in plan:
        assert isinstance(messages, (list, tuple)), f"{what}: a round is a list of messages, got {messages!r}"
        before, senders, receivers = [list(row) for row in rows], [], []
        for message in messages:
            assert isinstance(message, (list, tuple)) and len(message) == 5, f"{what}: {message!r} is no message"
            sender, receiver, start, stop, how = message
            inside = all(isinstance(part, int) for part in message[:4]) and 0 <= start < stop <= length
            assert inside and how in ("add", "copy"), f"{what}: {message!r} breaks the rules"
            assert 0 <= sender < n_ranks and 0 <= receiver < n_ranks and sender != receiver, f"{what}: {message!r}"
            senders.append(sender)
            receivers.append(receiver)
            sent[sender] += stop - start
            for place in range(start, stop):
                rows[receiver][place] = before[sender][place] + (rows[receiver][place] if how == "add" else 0)
        assert len(set(senders)) == len(senders), f"{what}: a rank sends twice in a round"
        assert len(set(receivers)) == len(receivers), f"{what}: a rank gets two messages in a round"
    without = [rank for rank, row in enumerate(rows) if row != total]
    assert not without, f"{what}: after {len(plan)} rounds ranks {without} do not have the whole sum"
    assert max(sent) <= 2 * (n_ranks - 1) * length // n_ranks, f"{what}: a rank sends {max(sent)} numbers, too many"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "butterfly-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It gives every round a fixed cost (`ROUND_S`, an assumption) and every byte that of the link, and compares the lesson's ring, your plan, and sending the whole list each round. Once for one
# token: QwQ-32B cut over 8 chips adds up 5,120 numbers of 2 bytes twice in each of 64 layers. Once for the gradients of a training step. The last line is for an H800, an H100 whose link was cut to fit the export rules of 2022.

# %% nbgrader={"grade": false, "grade_id": "butterfly-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
n_chips, per_s = 8, CHIPS["H100"]["link_gb_per_s"] * 1e9
your_plan = butterfly_plan(n_chips, 5120)
sent_share = max(play(your_plan, torch.zeros(n_chips, 5120))[1]) / 5120
ways = {
    "the ring": (2 * (n_chips - 1), 2 * (n_chips - 1) / n_chips), "your plan": (len(your_plan), sent_share),
    "whole lists": (n_chips.bit_length() - 1, n_chips.bit_length() - 1),
}  # fmt: skip
for what, n_times, n_bytes in (
    ("one token, 128 sums of 10,240 bytes", 128, 10_240),
    ("gradients, one sum of 65.5 GB", 1, 65.53e9),
):
    print(what)
    for way, (n_rounds, share) in ways.items():
        waiting, sending = n_times * n_rounds * ROUND_S, n_times * share * n_bytes / per_s
        print(f"  {way:15} {n_rounds:2} rounds  {1000 * waiting:8.3f} ms waiting + {1000 * sending:9.3f} ms sending")
slower = 65.53e9 * sent_share / (CHIPS["H800"]["link_gb_per_s"] * 1e9)
print(
    f"  {'your plan, H800':15} {len(your_plan):2} rounds  {1000 * len(your_plan) * ROUND_S:8.3f} ms waiting + {1000 * slower:9.3f} ms sending"
)

# %% [markdown] nbgrader={"grade": false, "grade_id": "butterfly-after", "locked": true, "schema_version": 3, "solution": false, "task": false}
# For one token the rounds decide, for gradients the bytes. So libraries for such sums keep several ways and choose by the size of the message.

# %% [markdown] nbgrader={"grade": false, "grade_id": "utilisation-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · How well were the chips used?  (difficulty 2 of 5 · 9 minutes · 11 points)
#
# A training run is judged by two shares of the chips' peak. **MFU** (model FLOPs utilisation) counts the FLOP that the *model* needs. **HFU** (hardware FLOPs utilisation) counts those that were *done*: to save memory, many
# runs throw away what the forward pass computed and compute it once more on the way back. HFU then looks better although nothing was gained.
#
# - Forward, one token takes 2 FLOP for each of its `n_active` parameters (input embeddings, which are only looked up, are left out), and attention on top: each token is compared with << "itself and all tokens before it in its sequence of `T`, which" if COMPARED == "before" else "all `T` tokens of its sequence, itself and later ones included: the model" >>
#   << "are `(T + 1) / 2` on average." if COMPARED == "before" else "reads whole texts and writes none." >> A comparison takes, in each of `L` layers and for each of `H` heads, a product of `qk` numbers for the score and `v` numbers to be weighted and added: 2 FLOP for each of these numbers.
# - The backward pass takes twice the FLOP of the forward pass.
# - `recompute`: `"none"`; `"attention"`, attention's part of the forward pass is done once more; `"full"`, the whole forward pass is done once more.
#
# Write `utilisation`.
#
# | in: dict `run` | | out: dict | |
# |---|---|---|---|
# | `n_active`, `L`, `H`, `qk`, `v`, `T` | parameters that a token is multiplied with; the others as above | `"gflop_per_token"` | 10⁹ FLOP that the model needs for one token, forward and backward |
# | `n_tokens` | tokens in all | `"tflops"` | 10¹² FLOP per second that each chip did **for the model** |
# | `gpu_hours`, `n_gpus` | hours of all chips added up; chips | `"mfu"` | share of the peak, such as 0.4 |
# | `peak_tflops` | of one chip | `"hfu"` | share of the peak |
# | `recompute` | one of three words | `"<< SPAN >>"` | how long the run took |
#
# Worked example: `n_active = 50e9`, `L = 50`, `H = 100`, `qk = 60`, `v = 40`, `T = << "19_999" if COMPARED == "before" else "10_000" >>`. Forward: 100 GFLOP for the parameters, and 50 · 100 · 2 · (60 + 40) · 10,000 FLOP = 10 GFLOP for
# attention; forward and backward 330 GFLOP. 1.2e12 tokens in 1e6 hours on 1,000 chips: 110 TFLOP/s for each chip, 27.5 % of a peak of 400, in << {"days": "41.67 days", "weeks": "5.952 weeks", "hours": "1,000 hours"}[SPAN] >>. With `"attention"` 340 GFLOP were done, with
# `"full"` 440: HFU 28.3 % and 36.7 %, while MFU stays at 27.5 %.
#
# Before you write: with `"full"`, by which factor is HFU larger than MFU, and does it depend on the model? And with `"attention"`, when sequences get very long?
#
# *Stuck?* `hint("utilisation")`


# %% nbgrader={"grade": false, "grade_id": "utilisation", "locked": false, "schema_version": 3, "solution": true, "task": false}
def utilisation(run: dict) -> dict[str, float]:
    """FLOP per token, TFLOP/s per chip, MFU, HFU and << SPAN >> of a training run."""
    ### BEGIN SOLUTION
    weights = 2 * run["n_active"]
    # variant: if COMPARED == "before"
    attention = run["L"] * run["H"] * 2 * (run["qk"] + run["v"]) * (run["T"] + 1) / 2
    # variant: else
    attention = run["L"] * run["H"] * 2 * (run["qk"] + run["v"]) * run["T"]
    # variant: endif
    needed = 3 * (weights + attention)
    again = {"none": 0, "attention": attention, "full": weights + attention}[run["recompute"]]
    tflops = needed * run["n_tokens"] / (run["gpu_hours"] * 3600) / 1e12
    mfu = tflops / run["peak_tflops"]
    return {
        "gflop_per_token": needed / 1e9, "tflops": tflops, "mfu": mfu, "hfu": mfu * (needed + again) / needed,
        # variant: if SPAN == "days"
        "days": run["gpu_hours"] / run["n_gpus"] / 24,
        # variant: elif SPAN == "weeks"
        "weeks": run["gpu_hours"] / run["n_gpus"] / 24 / 7,
        # variant: else
        "hours": run["gpu_hours"] / run["n_gpus"],
        # variant: endif
    }  # fmt: skip
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "utilisation-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
plain_run = {
    "n_active": 50e9, "L": 50, "H": 100, "qk": 60, "v": 40, "T": 19_999, "n_tokens": 1.2e12, "gpu_hours": 1e6,
    "n_gpus": 1000, "peak_tflops": 400.0, "recompute": "none",
}  # fmt: skip
# variant: if COMPARED == "all"
plain_run["T"] = 10_000
# variant: endif
out = utilisation(dict(plain_run))
assert isinstance(out, dict), f"a dict is wanted; got {type(out).__name__}: end your function with `return ...`"
# variant: if SPAN != "days"
assert "days" not in out, "'days' is of another version of the exercise; this one asks for '<< SPAN >>'"
# variant: endif
missing = {"gflop_per_token", "tflops", "mfu", "hfu", SPAN} - set(out)
assert not missing, f"the dict lacks {sorted(missing)}"
needed = out["gflop_per_token"]
assert not close(needed, 300), "300: attention is missing; that is the usual formula, 6 FLOP per parameter"
assert not close(needed, 110), "110: that is the forward pass alone; the backward pass takes twice as much"
assert not close(needed, 220), "220: you counted the backward pass like the forward pass; it takes twice as much"
# variant: if COMPARED == "before"
assert not close(needed, 360, 1e-3), (
    "360: you compared each token with all T; with itself and those before it are (T + 1) / 2 on average"
)
assert not close(needed, 329.9985, 1e-7), "329.9985: a token is compared with itself too: (T + 1) / 2, not T / 2"
assert not close(needed, 315), "315: a multiplication and an addition are 2 FLOP, in attention too"
# variant: else
assert not close(needed, 315.0015, 1e-7), (
    "315.0015: (T + 1) / 2 tokens are itself and those before it; in this version of the exercise a token is compared with all T"
)
assert not close(needed, 315), (
    "315: half of attention is missing; a token is compared with all T, and a multiplication and an addition are 2 FLOP"
)
# variant: endif
assert not close(needed, 310), "310: the backward pass goes through attention too"
assert not close(needed, 318), "318: the weighted sum of the values is missing, v numbers per comparison"
assert not close(needed, 330e9), "330e9 FLOP are 330 GFLOP"
assert close(needed, 330), f"worked example: expected 330 GFLOP per token, got {needed!r}"
said = out["tflops"]
assert not close(said, 110_000), (
    "110,000: gpu_hours are those of all chips together; do not divide by n_gpus or by 1000"
)
assert not close(said, 0.11), "0.11: gpu_hours are added up over all chips already; n_gpus counts them once more"
assert not close(said, 396_000), "396,000: an hour has 3,600 seconds"
assert close(said, 110), f"worked example: expected 110 TFLOP/s per chip, got {said!r}"
assert not close(out["mfu"], 27.5), "27.5 are percent; a share is wanted, 0.275"
assert close(out["mfu"], 0.275), f"worked example: expected an MFU of 0.275, got {out['mfu']!r}"
assert close(out["hfu"], 0.275), f"nothing was computed twice, so HFU is MFU, 0.275; got {out['hfu']!r}"
# variant: if SPAN == "days"
assert not close(out["days"], 1e6 / 24), "41,667 days: 1,000 chips worked at the same time"
assert not close(out["days"], 1000), "1,000 are hours; a day has 24"
assert close(out["days"], 1e6 / 1000 / 24), f"worked example: expected 41.67 days, got {out['days']!r}"
# variant: elif SPAN == "weeks"
assert not close(out["weeks"], 1e6 / 168), "5,952 weeks: 1,000 chips worked at the same time"
assert not close(out["weeks"], 1000), "1,000 are hours; a week has 168"
assert not close(out["weeks"], 1000 / 24), "41.67 are days; this version of the exercise asks for weeks"
assert close(out["weeks"], 1e6 / 1000 / 168), f"worked example: expected 5.952 weeks, got {out['weeks']!r}"
# variant: else
assert not close(out["hours"], 1e6), "1,000,000 hours: 1,000 chips worked at the same time"
assert not close(out["hours"], 1000 / 24), "41.67 are days; this version of the exercise asks for hours"
assert close(out["hours"], 1000), f"worked example: expected 1,000 hours, got {out['hours']!r}"
# variant: endif
out = utilisation(plain_run | {"recompute": "attention"})
assert close(out["mfu"], 0.275), (
    f"recomputing changes HFU alone; the model needs no more, MFU 0.275, got {out['mfu']!r}"
)
assert not close(out["hfu"], 0.275), (
    "your HFU with 'attention' is still MFU; 340 GFLOP were done for each token, not 330"
)
assert not close(out["hfu"], 0.3), "0.3: you did attention's forward part three times more; it is done once more"
assert not close(out["hfu"], 0.275 * 440 / 330), "0.367: only attention is done once more, not the whole forward pass"
assert not close(out["hfu"], 0.275 * 330 / 340), "0.267: upside down; more was done than the model needed"
assert close(out["hfu"], 0.275 * 340 / 330), f"'attention': 0.275 * 340 / 330 = 0.2833, got {out['hfu']!r}"
out = utilisation(plain_run | {"recompute": "full"})
assert close(out["mfu"], 0.275), f"'full' changes HFU alone: MFU 0.275, got {out['mfu']!r}"
assert not close(out["hfu"], 0.275 * 430 / 330), (
    "0.358: the forward pass that is done once more has attention in it too"
)
assert close(out["hfu"], 0.275 * 440 / 330), f"'full': 0.275 * 440 / 330 = 0.3667, got {out['hfu']!r}"
assert close(out["gflop_per_token"], 330), f"recomputing changes HFU alone: 330 GFLOP, got {out['gflop_per_token']!r}"

# %% nbgrader={"grade": true, "grade_id": "utilisation-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from math import isclose

rng = random.Random(607)
drawn = {
    "n_active": rng.uniform(1e8, 1e12), "L": rng.randint(2, 120), "H": rng.randint(1, 128), "qk": rng.randint(16, 256),
    "v": rng.randint(16, 256), "T": rng.randint(100, 200_000), "n_tokens": rng.uniform(1e9, 2e13),
    "gpu_hours": rng.uniform(1e3, 1e7), "n_gpus": rng.randint(1, 20_000), "peak_tflops": rng.uniform(20, 5000),
}  # fmt: skip
for run in [
    drawn,
    {
        "n_active": 8e9,
        "L": 32,
        "H": 32,
        "qk": 128,
        "v": 128,
        "T": 8192,
        "n_tokens": 15e12,
        "gpu_hours": 1.3e6,
        "n_gpus": 4096,
        "peak_tflops": 312.0,
    },
    {
        "n_active": 21e9,
        "L": 60,
        "H": 128,
        "qk": 192,
        "v": 128,
        "T": 4096,
        "n_tokens": 8.1e12,
        "gpu_hours": 1.4e6,
        "n_gpus": 512,
        "peak_tflops": 989.0,
    },
    {
        "n_active": 1.5e9,
        "L": 28,
        "H": 12,
        "qk": 128,
        "v": 64,
        "T": 131072,
        "n_tokens": 3e11,
        "gpu_hours": 9e4,
        "n_gpus": 64,
        "peak_tflops": 65.0,
    },
    {
        "n_active": 3e9,
        "L": 7,
        "H": 3,
        "qk": 5,
        "v": 11,
        "T": 1,
        "n_tokens": 1e9,
        "gpu_hours": 10.0,
        "n_gpus": 1,
        "peak_tflops": 20.0,
    },
]:
    # variant: if COMPARED == "before"
    comparisons = run["T"] * (run["T"] + 1) // 2  # of a whole sequence
    # variant: else
    comparisons = run["T"] ** 2  # of a whole sequence
    # variant: endif
    attention = comparisons * run["L"] * run["H"] * (2 * run["qk"] + 2 * run["v"]) / run["T"]
    forward = 2 * run["n_active"] + attention
    for recompute, done in (("none", 3 * forward), ("attention", 3 * forward + attention), ("full", 4 * forward)):
        out = utilisation(run | {"recompute": recompute})
        what = f"{run}, recompute {recompute!r}"
        assert isinstance(out, dict), f"{what}: a dict is wanted, got {type(out).__name__}"
        seconds = run["gpu_hours"] * 60 * 60
        expected = {
            "gflop_per_token": 3 * forward / 1e9, "tflops": 3 * forward * run["n_tokens"] / seconds / 1e12,
            "mfu": 3 * forward * run["n_tokens"] / seconds / (run["peak_tflops"] * 1e12),
            "hfu": done * run["n_tokens"] / seconds / (run["peak_tflops"] * 1e12),
            # variant: if SPAN == "days"
            "days": run["gpu_hours"] / (24 * run["n_gpus"]),
            # variant: elif SPAN == "weeks"
            "weeks": run["gpu_hours"] / (168 * run["n_gpus"]),
            # variant: else
            "hours": run["gpu_hours"] / run["n_gpus"],
            # variant: endif
        }  # fmt: skip
        for name, number in expected.items():
            said = out.get(name)
            right = isinstance(said, (int, float)) and isclose(said, number, rel_tol=1e-9)
            assert right, f"{what}: {name} should be {number}, got {said!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "utilisation-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It takes DeepSeek-V3's run apart, as lesson 06 does, and answers the guess. The first line takes the 37 billion parameters of the report, the second only what a token is multiplied with, `V3_RUN["n_active"]`: the input embeddings are looked up. DeepSeek's own paper (arXiv 2505.09343) gives 250 GFLOP per token<< "" if COMPARED == "before" else "; your function counts more, because V3 writes, and compares each token with itself and those before it alone" >>. The peak is that of bf16; most products ran in FP8, whose peak is twice as high.

# %% nbgrader={"grade": false, "grade_id": "utilisation-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
whole = utilisation(V3_RUN)
by_formula = utilisation(V3_RUN | {"n_active": 37e9, "H": 0})
print(
    f"6 FLOP x 37 billion:              {by_formula['gflop_per_token']:.1f} GFLOP/token, {by_formula['tflops']:.0f} TFLOP/s, MFU {by_formula['mfu']:.1%}"
)
print(
    f"6 FLOP x n_active, and attention: {whole['gflop_per_token']:.1f} GFLOP/token, {whole['tflops']:.0f} TFLOP/s, MFU {whole['mfu']:.1%}"
)
print(f"the same, of the FP8 peak:        MFU {whole['mfu'] / 2:.1%}")
# variant: if SPAN == "weeks"
whole["days"] = 7 * whole["weeks"]
# variant: elif SPAN == "hours"
whole["days"] = whole["hours"] / 24
# variant: endif
print(f"{whole['days']:.1f} days, {V3_RUN['n_tokens'] / whole['days'] / 1e9:.1f} billion tokens a day")
for recompute, sequence in (("full", 4096), ("attention", 4096), ("attention", 131_072), ("attention", 10_000_000)):
    supposed = utilisation(V3_RUN | {"recompute": recompute, "T": sequence})
    print(
        f"had it recomputed {recompute:9} with sequences of {sequence:10,} tokens: HFU / MFU = {supposed['hfu'] / supposed['mfu']:.3f}"
    )

# %% [markdown] nbgrader={"grade": false, "grade_id": "bandwidth-bugs-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · A measurement with five bugs  (difficulty 3 of 5 · 9 minutes · 13 points)
#
# "Our server reads from memory faster than the chip's data sheet allows", says a colleague's report. The function below made it from a log. It runs, its shapes look right, and it holds **five bugs**.
# Write `decode_report`: copy the body, find all five, mend them.
#
# Some `users` asked at the same time, each with a prompt of `prompt` tokens. They are served as one batch: at each of `arrivals_s` every user gets one token. Token 0 comes out of reading the prompts. Each later token `i` (1, 2, ...)
# is made by a step of its own, which begins when token `i - 1` has arrived. It reads from memory
#
# - all weights, **once** for the batch, `bytes_per_weight` each; but of the table of input embeddings (`looked_up` parameters, part of `weights`; 0 if the model reads it as its output head too) only one row per user, which
#   counts as nothing;
# - the cache of **each** user, which then holds `prompt + i` tokens of `cache_bytes` bytes.
#
# The first `warm_up` of these steps are not counted.
#
# | in: dict `run` | | out: dict | |
# |---|---|---|---|
# | `asked_s`, `arrivals_s` | time of asking, and list of times of the tokens, in seconds | `"first_s"` | float, seconds from asking to token 0 |
# | `users`, `prompt`, `warm_up` | ints; at least one step is counted | `"tokens_per_s"` | float: users, divided by the << TYPICAL >> length of a counted step |
# | `weights`, `looked_up` | numbers of parameters | `"step_bytes"` | list: bytes that each counted step reads |
# | `bytes_per_weight`, `cache_bytes` | bytes; of the cache for each token | `"<< RATE >>"` | float: << TYPICAL >> over the counted steps of their own << "GB" if RATE == "gb_per_s" else "GiB" >> per second |
#
# Worked example: asked at 0, tokens at 4, 5, 7, 9 seconds, `warm_up = 1`. The steps take 1, 2 and 2 s; the last two count. With 3 users, a prompt of 10 tokens, 1,000 weights of 2 bytes, of which 100 are looked up, and 5
# bytes of cache per token: the step of token 2 reads 900 · 2 + 3 · 12 · 5 = 1,980 bytes, that of token 3 reads 1,995. `first_s` is 4, `tokens_per_s` is 3 / 2 = 1.5;
# 990 and 997.5 bytes per second have the << TYPICAL >> 993.75, which is << "9.9375e-07 GB" if RATE == "gb_per_s" else "9.255e-07 GiB" >> per second.
#
# Before you read on: more bytes than the memory can deliver, in so many seconds. What could be wrong with the bytes, and what with the seconds?
#
# *Stuck?* `hint("bandwidth-bugs")`


# %% nbgrader={"grade": false, "grade_id": "bandwidth-bugs-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def decode_report_with_bugs(run: dict) -> dict:
    arrivals_s = run["arrivals_s"]
    starts_s = [run["asked_s"], *arrivals_s[:-1]]
    steps_s = [end - start for start, end in zip(starts_s, arrivals_s, strict=True)]
    steps_s = steps_s[run["warm_up"] :]
    step_bytes = []
    for i in range(1, len(steps_s) + 1):
        weights_and_cache = run["weights"] * run["bytes_per_weight"] + (run["prompt"] + i) * run["cache_bytes"]
        step_bytes.append(run["users"] * weights_and_cache)
    # variant: if RATE == "gb_per_s"
    rates = [n_bytes / seconds / 2**30 for n_bytes, seconds in zip(step_bytes, steps_s, strict=True)]
    # variant: else
    rates = [n_bytes / seconds / 1e9 for n_bytes, seconds in zip(step_bytes, steps_s, strict=True)]
    # variant: endif
    return {
        "first_s": arrivals_s[0] - run["asked_s"],
        # variant: if TYPICAL == "median"
        "tokens_per_s": run["users"] / median(steps_s),
        # variant: else
        "tokens_per_s": run["users"] / mean(steps_s),
        # variant: endif
        "step_bytes": step_bytes,
        # variant: if TYPICAL == "median" and RATE == "gb_per_s"
        "gb_per_s": median(rates),
        # variant: elif TYPICAL == "median"
        "gib_per_s": median(rates),
        # variant: elif RATE == "gb_per_s"
        "gb_per_s": mean(rates),
        # variant: else
        "gib_per_s": mean(rates),
        # variant: endif
    }


# %% nbgrader={"grade": false, "grade_id": "bandwidth-bugs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def decode_report(run: dict) -> dict:
    """Time to the first token, tokens per second, and bytes and << "GB/s" if RATE == "gb_per_s" else "GiB/s" >> of the counted steps."""
    ### BEGIN SOLUTION
    arrivals_s, warm_up = run["arrivals_s"], run["warm_up"]
    steps_s = [end - start for start, end in pairwise(arrivals_s)]
    steps_s = steps_s[warm_up:]
    weight_bytes = (run["weights"] - run["looked_up"]) * run["bytes_per_weight"]
    step_bytes = []
    for i in range(1 + warm_up, 1 + warm_up + len(steps_s)):
        step_bytes.append(weight_bytes + run["users"] * (run["prompt"] + i) * run["cache_bytes"])
    # variant: if RATE == "gb_per_s"
    rates = [n_bytes / seconds / 1e9 for n_bytes, seconds in zip(step_bytes, steps_s, strict=True)]
    # variant: else
    rates = [n_bytes / seconds / 2**30 for n_bytes, seconds in zip(step_bytes, steps_s, strict=True)]
    # variant: endif
    return {
        "first_s": arrivals_s[0] - run["asked_s"],
        # variant: if TYPICAL == "median"
        "tokens_per_s": run["users"] / median(steps_s),
        # variant: else
        "tokens_per_s": run["users"] / mean(steps_s),
        # variant: endif
        "step_bytes": step_bytes,
        # variant: if TYPICAL == "median" and RATE == "gb_per_s"
        "gb_per_s": median(rates),
        # variant: elif TYPICAL == "median"
        "gib_per_s": median(rates),
        # variant: elif RATE == "gb_per_s"
        "gb_per_s": mean(rates),
        # variant: else
        "gib_per_s": mean(rates),
        # variant: endif
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "bandwidth-bugs-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
from itertools import product as all_of

log = {
    "asked_s": 0, "arrivals_s": [4, 5, 7, 9], "users": 3, "prompt": 10, "warm_up": 1, "weights": 1000, "looked_up": 100,
    "bytes_per_weight": 2, "cache_bytes": 5,
}  # fmt: skip
out = decode_report(log | {"arrivals_s": [4, 5, 7, 9]})
assert isinstance(out, dict), f"a dict is wanted; got {type(out).__name__}: end your function with `return ...`"
# variant: if RATE != "gb_per_s"
assert "gb_per_s" not in out, "'gb_per_s' is of another version of the exercise; this one asks for 'gib_per_s'"
# variant: endif
missing = {"first_s", "tokens_per_s", "step_bytes", RATE} - set(out)
assert not missing, f"the dict lacks {sorted(missing)}"
read = out["step_bytes"]
assert isinstance(read, (list, tuple)), f"step_bytes is a list, got {type(read).__name__}"
assert all(isinstance(n, (int, float)) for n in read), f"step_bytes is a list of plain numbers, got {read}"
assert len(read) != 3, (
    "3 steps are counted, but only 2 should be: one of the three is no step (or nothing was left out)"
)
assert len(read) == 2, f"4 tokens, so 3 steps, of which the first is not counted: 2 are left, got {len(read)}"
mistakes = {}
for late, copies, table, caches in all_of((1, 0), (1, 3), (100, 0), (3, 1)):
    n_bytes = copies * (1000 - table) * 2 + caches * (11 + late) * 5
    mistakes[n_bytes] = late == 0, copies == 3, table == 0, caches == 1
shorter, weights_thrice, whole_table, one_cache = mistakes.get(read[0], (False,) * 4)
assert not shorter, (
    f"{read[0]} bytes: the first counted step makes token 2, not token 1, so its cache is one token longer"
)
assert not weights_thrice, f"{read[0]} bytes: the weights are read once for all 3 users, not once for each"
assert not one_cache, f"{read[0]} bytes: each of the 3 users has a cache of their own"
assert not whole_table, f"{read[0]} bytes: of the 100 parameters that are looked up a step reads next to nothing"
assert list(read) == [1980, 1995], f"worked example: expected [1980, 1995] bytes, got {list(read)}"
assert close(out["first_s"], 4), f"asked at 0, token 0 at 4 seconds: first_s is 4, got {out['first_s']!r}"
assert close(out["tokens_per_s"], 1.5), (
    f"worked example: 3 users, a token every 2 s: 1.5 per second, got {out['tokens_per_s']!r}"
)
# variant: if RATE == "gb_per_s"
rate = out["gb_per_s"] * 1e9
assert not close(rate, 993.75 / 1.073741824), "you divided by 2³⁰, which are GiB; a GB is 10⁹ bytes"
assert close(rate, 993.75), (
    f"the two steps read 990 and 997.5 bytes per second, the << TYPICAL >> is 993.75, so 9.9375e-07 GB per second; got {rate / 1e9!r}"
)
# variant: else
rate = out["gib_per_s"] * 2**30
assert not close(rate, 993.75 * 1.073741824), "you divided by 10⁹, which are GB; this version asks for GiB, of 2³⁰ bytes"
assert close(rate, 993.75), (
    f"the two steps read 990 and 997.5 bytes per second, the << TYPICAL >> is 993.75, so 9.255e-07 GiB per second; got {rate / 2**30!r}"
)
# variant: endif
out = decode_report(log | {"asked_s": 1, "arrivals_s": [8, 10, 13, 14, 20], "warm_up": 0})
assert len(out["step_bytes"]) != 5, (
    "5 tokens, 5 steps: you took reading the prompt for one; token 0 has no step of its own"
)
# variant: if TYPICAL == "median"
assert close(out["tokens_per_s"], 1.2), (
    f"without a warm-up the steps take 2, 3, 1, 6 s, the median is 2.5: 3 / 2.5 = 1.2; got {out['tokens_per_s']!r}"
)
# variant: else
assert not close(out["tokens_per_s"], 1.2), "1.2: you took the median of 2, 3, 1, 6 s; this version asks for the mean"
assert close(out["tokens_per_s"], 1), (
    f"without a warm-up the steps take 2, 3, 1, 6 s, the mean is 3: 3 / 3 = 1; got {out['tokens_per_s']!r}"
)
# variant: endif
assert list(out["step_bytes"]) == [1965, 1980, 1995, 2010], (
    f"no warm-up: 1965, 1980, 1995, 2010 bytes, got {out['step_bytes']}"
)
# variant: if RATE == "gb_per_s"
rate = out["gb_per_s"] * 1e9
# variant: else
rate = out["gib_per_s"] * 2**30
# variant: endif
# variant: if TYPICAL == "median"
assert close(rate, 821.25), f"982.5, 660, 1995 and 335 bytes per second: the median is 821.25; got {rate:.2f}"
# variant: else
assert not close(rate, 821.25), "821.25 bytes per second are the median of the four; this version asks for their mean"
assert close(rate, 993.125), f"982.5, 660, 1995 and 335 bytes per second: the mean is 993.125; got {rate:.2f}"
# variant: endif
assert close(out["first_s"], 7), f"asked at 1, token 0 at 8: first_s is 7, got {out['first_s']!r}"

# %% nbgrader={"grade": true, "grade_id": "bandwidth-bugs-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from math import isclose

rng = random.Random(608)
drawn = [
    (
        rng.uniform(0, 5), [rng.uniform(0.02, 3) for _ in range(n_gaps)], rng.randint(1, 40), rng.randint(1, 5000),
        warm_up, rng.randint(10**6, 10**9), rng.randint(0, 10**6), rng.choice([0.5, 1, 2, 4]), rng.randint(1, 10**5),
    )
    for n_gaps, warm_up in ((12, 1), (7, 3), (30, 4))
]  # fmt: skip
for asked, gaps, users, prompt, warm_up, weights, looked_up, bytes_per_weight, cache_bytes in [
    (0.5, [0.75, 0.5, 0.25, 0.5, 0.125], 1, 7, 2, 5000, 400, 0.5, 11),
    (0.0, [2.0, 0.5, 0.5, 1.0], 6, 100, 0, 300, 0, 4, 13),
    (3.0, [1.0, 0.25], 4, 1, 0, 10_000, 9_000, 2, 1),
    (1.25, [9.0, 3.0, 0.5, 0.25, 0.75, 0.5, 0.125], 2, 50, 3, 70_000, 10_000, 1, 64),
    *drawn,
]:
    arrivals, now = [], asked
    for gap in gaps:
        now += gap
        arrivals.append(now)
    run = {"asked_s": asked, "arrivals_s": list(arrivals), "users": users, "prompt": prompt, "warm_up": warm_up,
           "weights": weights, "looked_up": looked_up, "bytes_per_weight": bytes_per_weight, "cache_bytes": cache_bytes}  # fmt: skip
    out = decode_report(dict(run))
    what = f"{run}"
    assert isinstance(out, dict), f"{what}: a dict is wanted, got {type(out).__name__}"
    assert isinstance(out.get("step_bytes"), (list, tuple)), f"{what}: step_bytes is a list"
    counted = [(i, gaps[i]) for i in range(1 + warm_up, len(gaps))]
    n_bytes = [(weights - looked_up) * bytes_per_weight + users * (prompt + i) * cache_bytes for i, _ in counted]
    assert list(out["step_bytes"]) == n_bytes, f"{what}: step_bytes should be {n_bytes}, got {out['step_bytes']}"

    def middle(numbers):
        # variant: if TYPICAL == "median"
        ordered = sorted(numbers)
        half = len(ordered) // 2
        return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
        # variant: else
        return sum(numbers) / len(numbers)
        # variant: endif

    # variant: if RATE == "gb_per_s"
    unit = 1e9
    # variant: else
    unit = 1024**3
    # variant: endif
    expected = {
        "first_s": gaps[0],
        "tokens_per_s": users / middle([gap for _, gap in counted]),
        RATE: middle([n / gap / unit for n, (_, gap) in zip(n_bytes, counted, strict=True)]),
    }
    for name, number in expected.items():
        said = out.get(name)
        right = isinstance(said, (int, float)) and isclose(said, number, rel_tol=1e-9)
        assert right, f"{what}: {name} should be {number}, got {said!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "bandwidth-bugs-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It puts both functions to a log that was made up for QwQ-32B in bf16 on one H100 with 2 users: what the colleague saw, and what is true.

# %% nbgrader={"grade": false, "grade_id": "bandwidth-bugs-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
made_up = {
    "asked_s": 0.0, "arrivals_s": [0.4 + 0.030 * i for i in range(20)], "users": 2, "prompt": 1000, "warm_up": 4,
    "weights": 32_763_876_352, "looked_up": 778_567_680, "bytes_per_weight": 2, "cache_bytes": 262_144,
}  # fmt: skip
sheet_gb_per_s = CHIPS["H100"]["gb_per_s"]
for what, report in (("with bugs", decode_report_with_bugs(made_up)), ("mended", decode_report(made_up))):
    # variant: if RATE != "gb_per_s"
    report["gb_per_s"] = report["gib_per_s"] * 2**30 / 1e9
    # variant: endif
    share = report["gb_per_s"] / sheet_gb_per_s
    print(f"{what:10} {report['gb_per_s']:7.0f} GB/s, {share:4.0%} of {sheet_gb_per_s:,} on the data sheet")

# %% [markdown] nbgrader={"grade": false, "grade_id": "hw-numbers-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# For the last question, numbers that others measured: << "Llama-2-7B on one A100" if MEASURED == 1 else "Llama-2-70B, each matrix cut over eight A100s" >>, one user, as the README of gpt-fast gives them; only the weights are stored in few bits. The gigabytes are << "" if MEASURED == 1 else "those of one chip; they are " >>computed: GB per second divided by tokens per second.

# %% nbgrader={"grade": false, "grade_id": "hw-numbers", "locked": true, "schema_version": 3, "solution": false, "task": false}
for what, (tokens_per_s, gb_per_s) in (GPT_FAST if MEASURED == 1 else GPT_FAST_ON_8).items():
    print(
        f"{what}: {gb_per_s / tokens_per_s:5.2f} GB per token, {tokens_per_s:6.1f} tokens/s, "
        f"{1000 / tokens_per_s:5.2f} ms per token, {gb_per_s:4} GB/s"
    )

# %% [markdown] nbgrader={"grade": false, "grade_id": "hw-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · In your own words  (difficulty 2 of 5 · 15 minutes · 11 points)
#
# A data sheet promises twice as many operations per second in int8 as in bf16. A colleague concludes: "With int8 weights our chatbot will write twice as fast." In eight to twelve sentences: With one user, what limits the speed, and so what is it about
# int8 that helps, the operations or something else? In the table above, by what factors do bytes and time fall from bf16 to int8 and to int4, and what could explain that the time falls less? When would the doubled operations count? Then plan a measurement on your own machine: what you would time,
# against which baseline, how often, and two things that could mislead you, one about time and one about quality. Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "hw-question", "locked": false, "points": 11, "schema_version": 3, "solution": true, "task": false}
# With one user each weight is read from memory for every token and used for two FLOP, so memory limits and the arithmetic waits: int8 helps because the weights have half the bytes, not because of the operations; gpt-fast does not even
# <% if MEASURED == 1 %>
# multiply in int8, it turns the weights back into floats. From bf16 to int8 the bytes fall by a factor of 1.94 and the time from 9.53 to 6.43 ms, by 1.48; to int4 the bytes fall by 3.04 and the time by 1.88. So the time is not bytes over bandwidth alone: a part of each
# token does not shrink with the bytes. A straight line through the three points gives about 2,000 GB/s and 2.9 ms that stay (starting kernels, attention, norms); kernels for few bits that reach less bandwidth would explain it too, and three points cannot tell the two apart.
# <% else %>
# multiply in int8, it turns the weights back into floats. From bf16 to int8 the bytes fall by a factor of 1.94 and the time from 16.0 to 12.43 ms, by 1.29; to int4 the bytes fall by 3.01 and the time by 1.45. So the time is not bytes over bandwidth alone: a part of each
# token does not shrink with the bytes. A straight line through the three points gives 8.5 ms that stay: starting kernels, attention, norms, and the sums that eight chips make in every layer. It also gives about 2,400 GB/s, more than an A100 has, so the line is not the whole truth, and three points cannot tell what is.
# <% endif %>
# The doubled operations count when arithmetic limits: long prompts, or hundreds of users in a batch, and only if what comes in is int8 as well. On my machine I would time the steps of writing, after a warm-up and without the prompt, same model, same prompt, same number of threads, once in the number format that I use today
# and once in int8, with one user and with many, in turns, ten times each, and give the median and the spread. Time could mislead if the prompt or the loading is counted, if the baseline is a slow float32, or if the machine is busy. Quality could mislead if the two write different text: I would compare the loss
# or right answers on the same held-out problems, not a few sentences that look fine.
#
# === BEGIN MARK SCHEME ===
# 2 points: one user: bytes of weights limit; int8 helps by halving the bytes, not by its operations.
# 3 points: factors from the table (bytes about 1.9 and 3.0, time about << "1.5 and 1.9" if MEASURED == 1 else "1.3 and 1.5" >>), and an explanation: a part that does not shrink<< "" if MEASURED == 1 else " (sums over eight chips, for one)" >>, or kernels that reach less bandwidth.
# 1 point: doubled operations count with large batches or long prompts (arithmetic limits), with int8 on both sides.
# 3 points: a measurement that could be run: what is timed (steps, not prompt or loading), the baseline in use today, warm-up, repeated, median or spread, same model and prompt.
# 2 points: one thing that misleads about time, one about quality (held-out loss or answers).
# === END MARK SCHEME ===
