# %% [markdown] nbgrader={"grade": false, "grade_id": "start-here-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 00 · Warm-up: answering, checking, handing in
#
# Three small functions and one question in words, 100 points, about 20 minutes. The functions are the ones you need
# to answer *"will this model run on my machine, and how fast?"* The set also shows how every later set works:
#
# 1. **Answer.** Replace the two lines `# YOUR CODE HERE` and `raise NotImplementedError(...)` with your code. Leave the
#    function's name and arguments as they are.
# 2. **Run the check** in the cell below your answer. The line below it says that it passed, or repeats
#    what is wrong and counts your tries; after three it offers a hint.
#    A second check, with other numbers, stays hidden until you ask for your points.
# 3. **Stuck?** `hint("tokens-per-second")` prints one hint. Call it again for the next.
# 4. **See your points.** Save the notebook, then type `racecourse check 00_start_here` in a terminal in the course's
#    folder. It runs a copy of your notebook, hidden checks included, and says what each exercise earned and why. Do
#    that as often as you like. (Colab has no such terminal; there the checks are what tells you, and a copy that you
#    downloaded can be checked where the course is: `racecourse check path/to/00_start_here.ipynb`.)
# 5. **Hand in**, if you are in a class: this one file, `00_start_here.ipynb`, in the way that your instructor names.
#    On Colab, take it from *File → Download → Download .ipynb*.
#
# Your copy lies in `work/00_start_here/`. No update overwrites it. Use any cell you like for trials, but do not
# define your answer by importing it from `racecourse`: such an answer earns nothing.

# %% nbgrader={"grade": false, "grade_id": "start-here-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "start-here-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
MEMORY_GIB = 16  # memory of the computer in question; one of: 8, 12, 16, 18
RESERVE = 0.25  # the share of it that stays free: for the system, and for what the model computes
SCALE_BYTES = 2  # exercise 2: bytes of a block's scale; one of: 1, 2, 4
WORD_BYTES = 1  # exercise 2: bytes of the words that hold the parameters; one of: 1, 2, 4, 8
ORDER = "largest"  # exercise 3: who comes first; one of: "largest", "smallest"
TIES = "alphabetical"  # exercise 3: the order of equal sizes; one of: "alphabetical", "reverse"
EXACT = True  # exercise 3: a model that needs all that may be used fits; one of: True, False

# %% [markdown] nbgrader={"grade": false, "grade_id": "tokens-per-second-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · How fast does it write?  (difficulty 1 of 5 · 4 minutes · 25 points)
#
# A language model writes **tokens**, pieces of words, one after the other. You note the second at which each token
# arrives, counted from the moment you pressed Enter. Before the first token the model reads your prompt, so the
# wait for the first is not writing. Write `tokens_per_second`: the speed **from the first token to the last**.
#
# | in | | out | |
# |---|---|---|---|
# | `arrivals_s` | list of `n` numbers, seconds, rising | speed | float, tokens per second; `0.0` for fewer than two arrivals |
#
# Worked example: `[0.8, 0.9, 1.0, 1.1, 1.2]` → `10.0`.
# Before you write: five tokens have arrived. How many of them were *written* between 0.8 s and 1.2 s?

# %% nbgrader={"grade": false, "grade_id": "tokens-per-second", "locked": false, "schema_version": 3, "solution": true, "task": false}
def tokens_per_second(arrivals_s: list[float]) -> float:
    """Tokens written per second, from the first arrival to the last."""
    ### BEGIN SOLUTION
    if len(arrivals_s) < 2:
        return 0.0
    return (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0])
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "tokens-per-second-visible", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
speed = tokens_per_second([0.8, 0.9, 1.0, 1.1, 1.2])
assert speed is not None, "nothing came back: end your function with `return ...`"
assert not math.isclose(speed, 12.5), "12.5: five arrivals, but only four gaps between them; count the gaps"
assert not math.isclose(speed, 5 / 1.2), (
    "4.17: two things. The clock starts when the first token arrives, not when you press Enter; and of the five tokens, "
    "how many were written after that moment?"
)
assert not math.isclose(speed, 4 / 1.2), "3.33: the gaps are right, but the time runs from 0.8 s, not from 0"
assert not math.isclose(speed, 0.1), "0.1 is seconds per token; turn the fraction over"
assert math.isclose(speed, 10.0), f"worked example: expected 10.0 tokens per second, got {speed!r}"
speed = tokens_per_second([2.0, 2.5, 2.6, 4.0])  # gaps of 0.5, 0.1 and 1.4 s
assert not math.isclose(speed, 2.0), "arrivals 2.0, 2.5, 2.6, 4.0: 2.0 is the speed over the first gap; take all three"
assert not math.isclose(speed, 1 / 1.4), "arrivals 2.0, 2.5, 2.6, 4.0: 0.71 is the speed over the last gap; take all three"
assert not math.isclose(speed, (1 / 0.5 + 1 / 0.1 + 1 / 1.4) / 3), (
    "arrivals 2.0, 2.5, 2.6, 4.0: 4.24 is the mean of the three gaps' own speeds, so that a short gap counts as much as a "
    "long one; how many tokens in how many seconds, all in all?"
)
assert math.isclose(speed, 1.5), f"arrivals 2.0, 2.5, 2.6, 4.0: 3 tokens in 2 seconds make 1.5, got {speed!r}"

# %% nbgrader={"grade": true, "grade_id": "tokens-per-second-hidden", "locked": true, "points": 15, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import math
import random

rng = random.Random(1)
for n in (4, 9, 30):
    gaps, arrivals = [rng.uniform(0.01, 1.0) for _ in range(n)], [rng.uniform(0.2, 3.0)]
    for gap in gaps:
        arrivals.append(arrivals[-1] + gap)
    speed, expected = tokens_per_second(list(arrivals)), 1 / (sum(gaps) / n)
    said = ", ".join(f"{arrival:.2f}" for arrival in arrivals)
    assert math.isclose(speed, expected), (
        f"{n + 1} arrivals, {n} uneven gaps, {said}: expected {n} tokens over all the time between the first and the last, "
        f"{expected:.4g} per second, got {speed!r}"
    )
speed = tokens_per_second([1.0, 1.25, 3.0])
assert math.isclose(speed, 1.0), f"arrivals 1.0, 1.25, 3.0: 2 tokens in 2 seconds make 1.0, got {speed!r}"
speed = tokens_per_second([0.25, 0.25 + 1 / 64])
assert math.isclose(speed, 64.0), f"two arrivals 1/64 s apart make 64 tokens per second, got {speed!r}"
for arrivals in ([0.7], []):
    try:
        speed = tokens_per_second(list(arrivals))
    except ZeroDivisionError:
        speed = "a ZeroDivisionError"
    except IndexError:
        speed = "an IndexError"
    assert speed == 0.0, f"arrivals {arrivals}: fewer than two have no gap, so the speed is 0.0, got {speed}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "weight-bytes-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · How large is it?  (difficulty 2 of 5 · 6 minutes · 30 points)
#
# A model is a list of numbers, its **parameters**. Each takes some bits: 32 or 16 as trained, 8 or 4 when it has been
# **quantised**, that is, rounded. Quantised parameters are stored in blocks, and every block has one **scale**, a
# number of << "1 byte" if SCALE_BYTES == 1 else "%d bytes" % SCALE_BYTES >> that says how large its parameters are. Write `weight_bytes`.
#
# | in | | out | |
# |---|---|---|---|
# | `n_parameters` | integer, `>= 1` | size | int, bytes |
# | `bits` | bits per parameter, packed without gaps<< "" if WORD_BYTES == 1 else ", across blocks too, into words of %d bytes" % WORD_BYTES >>; a << "byte" if WORD_BYTES == 1 else "word" >> that is begun counts<< "" if WORD_BYTES == 1 else " as a whole" >> | | |
# | `block` | parameters per scale, or `None` for no scales; a block that is begun has a scale | | |
#
# Worked example: 100 parameters of 4 bits in blocks of 32 → << -(-50 // WORD_BYTES) * WORD_BYTES >> bytes of parameters and 4 scales → `<< -(-50 // WORD_BYTES) * WORD_BYTES + 4 * SCALE_BYTES >>`.
# Before you write: by how much do the scales of blocks of 32 make a 4-bit model larger? Guess in per cent.

# %% nbgrader={"grade": false, "grade_id": "weight-bytes", "locked": false, "schema_version": 3, "solution": true, "task": false}
def weight_bytes(n_parameters: int, bits: int, block: int | None = None) -> int:
    """Bytes that the parameters take, with one << SCALE_BYTES >>-byte scale for each block."""
    ### BEGIN SOLUTION
    # variant: if WORD_BYTES == 1
    packed = math.ceil(n_parameters * bits / 8)
    # variant: else
    packed = WORD_BYTES * math.ceil(n_parameters * bits / (8 * WORD_BYTES))
    # variant: endif
    scales = 0 if block is None else SCALE_BYTES * math.ceil(n_parameters / block)
    return packed + scales
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "weight-bytes-visible", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
size = weight_bytes(1000, bits=16)
assert size is not None, "nothing came back: end your function with `return ...`"
assert size != 16000, "16000: that takes 16 for bytes; it is bits, and a byte has eight"
assert size == 2000, f"1000 parameters of 16 bits are 2000 bytes, got {size!r}"
# variant: if WORD_BYTES > 1
size, words = weight_bytes(33, bits=4), {2: 18, 4: 20, 8: 24}[WORD_BYTES]
assert size != 17, "17: you count bytes that are begun; in this version of the exercise words of << WORD_BYTES >> bytes count"
assert size != 16, "16: the half byte is lost, rounded down; a word that is begun counts as a whole"
assert size == words, f"33 parameters of 4 bits are 16 and a half bytes, so {words} are taken, got {size!r}"
# variant: endif
# variant: if WORD_BYTES == 1
size = weight_bytes(33, bits=4)
assert size != 16, "33 parameters of 4 bits are 16 and a half bytes: 16 is rounded down; a byte that is begun counts"
assert size == 17, f"33 parameters of 4 bits are 16 and a half bytes, and a byte that is begun counts: expected 17, got {size!r}"
# variant: endif
size = weight_bytes(100, bits=4, block=32)
# 100 parameters of 4 bits are 50 bytes. A version of this exercise may count whole words of 2, 4 or 8 bytes instead.
packed = {1: 50, 2: 50, 4: 52, 8: 56}[WORD_BYTES]
assert size != packed, f"{packed}: the scales are missing; every block of 32 has one, of << '1 byte' if SCALE_BYTES == 1 else '%d bytes' % SCALE_BYTES >>"
assert size != packed + 3 * SCALE_BYTES, f"{size}: the last 4 parameters are a block too, and it has a scale of its own"
assert size != packed + 100 / 32 * SCALE_BYTES, f"{size}: 3 and an eighth scales? a block that is begun has a whole one"
# variant: if SCALE_BYTES == 2
assert size != packed + 4, f"{size}: four scales, but each takes 2 bytes"
# variant: else
assert size != packed + 8, f"{size}: your scales have 2 bytes; in this version of the exercise a scale has << SCALE_BYTES >>"
# variant: endif
expected = packed + 4 * SCALE_BYTES
assert size == expected, f"worked example: expected {expected} bytes, got {size!r}"
assert isinstance(size, int), f"bytes are whole numbers: expected an int, got {type(size).__name__}"

# %% nbgrader={"grade": true, "grade_id": "weight-bytes-hidden", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

rng = random.Random(2)
for bits, block in [(4, None), (3, 7), (8, 64), (4, 32), (2, 100)]:
    n = rng.randrange(1001, 100_000, 2)
    expected = -(-n * bits // (8 * WORD_BYTES)) * WORD_BYTES + (SCALE_BYTES * len(range(0, n, block)) if block else 0)
    size = weight_bytes(n, bits, block)
    assert size == expected, f"{n} parameters of {bits} bits, block {block}: expected {expected} bytes, got {size!r}"
size = weight_bytes(134_515_008, bits=32)
assert size == 538_060_032, f"134,515,008 parameters of 32 bits are 538,060,032 bytes, got {size!r}"
size, taken = weight_bytes(11, bits=3), {1: 5, 2: 6, 4: 8, 8: 8}[WORD_BYTES]
assert size == taken, f"11 parameters of 3 bits are 33 bits, 4 bytes and an eighth, so {taken} are taken, got {size!r}"
size, taken = weight_bytes(130, bits=8, block=64), {1: 130, 2: 130, 4: 132, 8: 136}[WORD_BYTES]
expected = taken + 3 * SCALE_BYTES
assert size == expected, f"130 parameters of 8 bits in blocks of 64: {taken} bytes and 3 scales make {expected}, got {size!r}"
size, expected = weight_bytes(128, bits=4, block=64), 64 + 2 * SCALE_BYTES
assert size == expected, f"128 parameters fill two blocks of 64 exactly: 64 bytes and 2 scales make {expected}, got {size!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "models-that-fit-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · What fits?  (difficulty 2 of 5 · 5 minutes · 30 points)
#
# Part of a computer's memory must stay free. Write `models_that_fit`: the names of the models whose weights fit into
# the rest, **the << ORDER >> first**. A model that needs exactly the rest << "fits" if EXACT else "does not fit" >>. Memory is sold in GiB; one GiB is
# `2**30` bytes, 7 % more than `10**9`.
#
# | in | | out | |
# |---|---|---|---|
# | `sizes` | dict: name → bytes | names | list of str, by size, the << ORDER >> first; equal sizes in << "alphabetical order" if TIES == "alphabetical" else "reverse alphabetical order, z before a" >> |
# | `memory_gib` | memory, GiB | | |
# | `reserve` | share that stays free, `0 <= reserve < 1` | | |
#
# Worked example: `{"small": 10**9, "large": 7 * 10**9}`, 8 GiB, reserve 0.5 → `["small"]`, because only
# 4,294,967,296 bytes may be used.

# %% nbgrader={"grade": false, "grade_id": "models-that-fit", "locked": false, "schema_version": 3, "solution": true, "task": false}
def models_that_fit(sizes: dict[str, int], memory_gib: float, reserve: float) -> list[str]:
    """Names of the models that fit into the part of the memory that is not reserved, the << ORDER >> first."""
    ### BEGIN SOLUTION
    budget = memory_gib * 2**30 * (1 - reserve)
    # variant: if EXACT
    fitting = [name for name in sizes if sizes[name] <= budget]
    # variant: else
    fitting = [name for name in sizes if sizes[name] < budget]
    # variant: endif
    # variant: if ORDER == "largest" and TIES == "alphabetical"
    return sorted(fitting, key=lambda name: (-sizes[name], name))
    # variant: elif ORDER == "largest"
    return sorted(fitting, key=lambda name: (sizes[name], name), reverse=True)
    # variant: elif TIES == "alphabetical"
    return sorted(fitting, key=lambda name: (sizes[name], name))
    # variant: else
    return sorted(fitting, key=lambda name: (-sizes[name], name), reverse=True)
    # variant: endif
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "models-that-fit-visible", "locked": true, "points": 12, "schema_version": 3, "solution": false, "task": false}
names = models_that_fit({"small": 10**9, "large": 7 * 10**9}, memory_gib=8, reserve=0.5)
assert names is not None, "nothing came back: end your function with `return ...`"
# variant: if ORDER == "largest"
assert names != ["large", "small"], "7 GB do not fit: half of the 8 GiB is reserved"
# variant: else
assert names != ["small", "large"], "7 GB do not fit: half of the 8 GiB is reserved"
# variant: endif
assert names == ["small"], f"worked example: expected ['small'], got {names!r}"
names = models_that_fit({"a": 2_000_000_000, "b": 3_100_000_000, "c": 1_000_000_000}, memory_gib=4, reserve=0.25)
# variant: if ORDER == "largest"
assert names != ["c", "a", "b"], "that is the smallest first; the largest comes first"
assert names != ["a", "c"], "b is missing: 3.1 GB fit into 3 GiB, because a GiB is 2**30 bytes, not 10**9"
assert names != ["c"], "only c: 0.25 is the share that stays free, so 3 of the 4 GiB may be used, not 1"
assert names == ["b", "a", "c"], f"all three fit into 3 GiB, the largest first: expected ['b', 'a', 'c'], got {names!r}"
# variant: else
assert names != ["b", "a", "c"], "that is the largest first; in this version of the exercise the smallest comes first"
assert names != ["c", "a"], "b is missing: 3.1 GB fit into 3 GiB, because a GiB is 2**30 bytes, not 10**9"
assert names != ["c"], "only c: 0.25 is the share that stays free, so 3 of the 4 GiB may be used, not 1"
assert names == ["c", "a", "b"], f"all three fit into 3 GiB, the smallest first: expected ['c', 'a', 'b'], got {names!r}"
# variant: endif
# variant: if TIES == "reverse"
names = models_that_fit({"a": 10**9, "c": 10**9, "b": 10**9}, memory_gib=4, reserve=0.25)
assert names != ["a", "b", "c"], "equal sizes in alphabetical order; in this version of the exercise it is the reverse, z before a"
assert names == ["c", "b", "a"], f"three of equal size, in reverse alphabetical order: expected ['c', 'b', 'a'], got {names!r}"
# variant: else
names = models_that_fit({"b": 10**9, "a": 10**9, "c": 10**9}, memory_gib=4, reserve=0.25)
assert names != ["c", "b", "a"], "three of equal size, c before a: does reverse=True turn the names round, too?"
assert names != ["b", "a", "c"], "three of equal size stand as they came in; equal sizes are sorted by name"
assert names == ["a", "b", "c"], f"three of equal size, in alphabetical order: expected ['a', 'b', 'c'], got {names!r}"
# variant: endif
# variant: if not EXACT
names = models_that_fit({"full": 2**31, "less": 2**31 - 1}, memory_gib=4, reserve=0.5)
assert "full" not in names, "full needs exactly what may be used, 2 GiB; in this version of the exercise it does not fit"
assert names == ["less"], f"one byte less than the usable 2 GiB fits: expected ['less'], got {names!r}"
# variant: endif

# %% nbgrader={"grade": true, "grade_id": "models-that-fit-hidden", "locked": true, "points": 18, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

rng = random.Random(3)


def in_order(sizes, room):
    """One after the other: the size that is next, and of its names the one that is next."""
    left, found = {name: size for name, size in sizes.items() if size < room or (EXACT and size == room)}, []
    while left:
        size = max(left.values()) if ORDER == "largest" else min(left.values())
        names = [name for name in left if left[name] == size]
        found.append(min(names) if TIES == "alphabetical" else max(names))
        del left[found[-1]]
    return found


def apart(names, expected, sizes, room):
    """Where the two lists differ, in words."""
    for name in expected:
        if name not in names:
            full = "exactly what may be used," if sizes[name] == room else f"{room:,} may be used, so it fits,"
            return f"{name!r} needs {sizes[name]:,} bytes, {full} and is missing"
    for name in names:
        if name not in expected:
            full = "exactly what may be used" if sizes.get(name) == room else f"and only {room:,} may be used"
            return f"{name!r} needs {sizes.get(name, 0):,} bytes, {full}; it does not fit"
    return f"the right models; {ORDER} first and equal sizes by name ({TIES}), expected {expected}"


for reserve in (0.125, 0.5, 0.75):
    memory_gib = rng.randint(8, 64)
    room = int(memory_gib * 2**30 * (1 - reserve))
    twin = rng.randint(1, room)
    some = [rng.randint(1, 2 * room) for _ in range(5)]
    sizes = dict(zip(rng.sample("abcdefghijklmnop", 9), [room, room + 1, twin, twin, *some], strict=True))
    names, expected = models_that_fit(dict(sizes), memory_gib, reserve), in_order(sizes, room)
    assert names == expected, (
        f"{memory_gib} GiB, reserve {reserve}: {apart(names, expected, sizes, room)}; got {names!r} from {sizes}"
    )
sizes = {"exact": 3 * 2**30, "over": 3 * 2**30 + 1, "under": 3 * 2**30 - 1}
names, expected = models_that_fit(dict(sizes), memory_gib=4, reserve=0.25), in_order(sizes, 3 * 2**30)
assert names == expected, f"3 GiB usable; 'exact' needs that, 'over' a byte more, 'under' a byte less: expected {expected}, got {names!r}"
sizes = {"x": 2**30, "p": 2**32, "m": 2**30, "q": 2**34}
names, expected = models_that_fit(dict(sizes), memory_gib=10, reserve=0.2), in_order(sizes, 2**33)
assert names == expected, f"8 GiB usable, q is too large, m and x are equal in size: expected {expected}, got {names!r}"
names = models_that_fit({"huge": 2**40}, memory_gib=16, reserve=0.0)
assert names == [], f"nothing fits, so the list is empty, got {names!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "table-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Now put your functions to work. The next cell earns nothing. It prints what the computer with the memory in the
# parameters cell can hold, for the model that you chat with in lesson 00 and the two that this course compares.

# %% nbgrader={"grade": false, "grade_id": "table", "locked": true, "schema_version": 3, "solution": false, "task": false}
COUNTS = {"SmolLM2-135M": 134_515_008, "QwQ-32B": 32_763_876_352, "DeepSeek-R1": 671_026_404_352}
for bits, block in [(16, None), (8, 32), (4, 32)]:
    sizes = {name: weight_bytes(count, bits, block) for name, count in COUNTS.items()}
    fitting = models_that_fit(sizes, MEMORY_GIB, RESERVE)
    table = ", ".join(f"{name} {size / 2**30:.2f} GiB" for name, size in sizes.items())
    print(f"{bits:2} bits: {table}; of these {MEMORY_GIB} GiB hold: {', '.join(fitting) or 'none'}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "start-here-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · In your own words  (difficulty 1 of 5 · 5 minutes · 15 points)
#
# QwQ-32B is said to match DeepSeek-R1. Take the table above. In three to five sentences: which of the two could a
# person run at home, on which computer and at how many bits, and what would they have to give up? Use at least two
# numbers from the table. Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "start-here-question", "locked": false, "points": 15, "schema_version": 3, "solution": true, "task": false}
# At 4 bits with a scale per block of 32, QwQ-32B takes << "{:.2f}".format(32763876352 * (0.5 + SCALE_BYTES / 32) / 2**30) >> GiB, so a computer with << 24 if SCALE_BYTES < 4 else 32 >> GiB holds it with a quarter
# kept free, and one with << MEMORY_GIB >> GiB does not. DeepSeek-R1 takes << "{:.2f}".format(671026404352 * (0.5 + SCALE_BYTES / 32) / 2**30) >> GiB even at 4 bits, which no home computer has. What
# is given up is precision: 4 bits round each parameter to one of 16 levels, and whether the answers suffer has to be
# measured.
#
# === BEGIN MARK SCHEME ===
# 6 points: QwQ-32B at 4 bits, with its size and a memory that holds it together with the reserve.
# 4 points: DeepSeek-R1 ruled out with its size.
# 3 points: names what is given up (precision, so perhaps quality; or speed, or money) without claiming to know how much.
# 2 points: units are right (GiB, bits), and at least two numbers are taken from the table.
# === END MARK SCHEME ===
