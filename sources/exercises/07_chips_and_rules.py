# %% [markdown] nbgrader={"grade": false, "grade_id": "chips-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 07 · Chips and rules: what a sheet says, what a rule lets through, what a wafer gives
#
# Seven functions and one question in words, 100 points; the printed times sum to 133 minutes. None of them is a function that the lesson
# prints: each is a sibling or an inverse. You will bring the lines of a data sheet to one measure, find the smallest cut that sets a chip free, read a rule
# backwards, cut a wafer without a saw, sell dies with broken parts, mend a bill with five bugs, and find out which printed figures can be true
# together. Nothing here needs a network or a GPU, and every cell takes a moment.
#
# `hint("sheet-tpp")` prints one hint for the exercise with that name, the next call prints the next. The name is the one in
# the line *Stuck?* of each exercise. `racecourse check 07_chips_and_rules` says what your work earns so far.
#
# **Words and units.** 1 TOPS is 10¹² operations per second, 1 TFLOPS the same for floating-point numbers, 1 PFLOPS 10¹⁵; one multiplication and one addition are 2 operations. **TPP**, total processing
# performance, is the rate in TOPS times the bits of one number that is multiplied, the highest over all formats. **Density** is TPP per mm² of die. A *die* is the piece of silicon, a *wafer* the disc from which many dies are cut, a *defect* a
# fault that kills what it falls on, *yield* the share that works. 1 cm² is 100 mm². A chip is *controlled* if sending it to some countries needs a licence, else it is *free*.
#
# Rules stand here as figures, as they were read in compilations in January 2026. They are no legal advice.

# %% nbgrader={"grade": false, "grade_id": "chips-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "chips-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Skip this cell; each exercise uses a part of it.
SPARSE_TIMES = 2  # so many times the dense rate is the sparse one, in exercise 1; one of: 2, 4, 8
SMALLER = "share"  # what makes a cut the smaller one, in exercise 2; one of: "share", "number"
TIE = "links"  # what is cut if both cuts are equally small, in exercise 2; one of: "links", "units"
N_DIES = 1  # equal dies of which a chip is made, in exercise 3; one of: 1, 2, 4, 8
HARMFUL = 1  # share of the defects that do harm, in exercise 5; one of: 1, 0.75, 0.5, 0.25
LOST = "end"  # where the share of lost dies stands, in exercise 5; one of: "end", "start"
TEST_PLACES = 0  # places of a wafer that hold test patterns, in exercise 6; one of: 0, 4, 8, 12
FACTORY_MM2 = 665  # of the dies in the table for the last question; one of: 500, 600, 665, 750
# Lines of data sheets: (what, line).
SHEET_LINES = [
    ("H100, FP8 as its headline has it", {"bits": 8, "rate": 3958, "unit": "TFLOPS", "sparse": True, "chips": 1}),
    ("H20, INT8", {"bits": 8, "rate": 296, "unit": "TOPS", "sparse": False, "chips": 1}),
    ("CloudMatrix 384, 16 bits, all of it", {"bits": 16, "rate": 307.2, "unit": "PFLOPS", "sparse": False, "chips": 384}),
]
LIMITS_2022 = {"gb_per_s": 600, "tpp": 4800}  # 87 FR 62186
# Links of 50 GB/s, both directions added, and processing units that are switched on (NVIDIA calls them SMs).
CUT_CHIPS = {
    "A100": {"n_links": 12, "gb_per_s_each": 50, "n_units": 108, "tpp_each": 4992 / 108},
    "H100": {"n_links": 18, "gb_per_s_each": 50, "n_units": 132, "tpp_each": 15_832 / 132},
}
SOLD_AS = {"A100": ("A800", 400), "H100": ("H800", 400)}  # the name and GB/s of what was sold in its place
INF = math.inf
RULE_2023 = [  # 88 FR 73458: (at least, below) for TPP and for density
    {"name": "a.1", "tpp": (4800, INF), "density": (0, INF)},
    {"name": "a.2", "tpp": (1600, INF), "density": (5.92, INF)},
    {"name": "b.1", "tpp": (2400, 4800), "density": (1.6, 5.92)},
    {"name": "b.2", "tpp": (1600, INF), "density": (3.2, 5.92)},
]
NOTE_2 = 4800  # chips that are not for data centres are free below this TPP
SIZED_CHIPS = {  # mm² of die, TPP, for data centres
    "L4": (294, 1936, True), "L20": (609, 1912, True), "H20": (814, 2368, True), "V100": (815, 2000, True),
    "RTX 4090 D": (609, 4708, False), "nobody's": (1650, 2600, True),
}  # fmt: skip
RECTANGLES = {  # mm and mm; and how many the lesson counts in the best of four grids of squares
    "as the H100's, square": (814**0.5, 814**0.5, 69), "as the L4's, square": (294**0.5, 294**0.5, 213),
    "largest field of a scanner": (26.0, 33.0, None),
}  # fmt: skip
WAFER = {"gap_mm": 0.1, "wafer_mm": 300.0, "edge_mm": 3.0, "positions": 24}
# An H100 is sold with 132 of its die's 144 blocks switched on. How much of the die the blocks cover is an assumption.
H100_DIE = {"die_mm2": 814, "block_share": 0.7, "n_blocks": 144}
MAY_BE_DEAD = (0, 12)
EVEN, CLUSTERED = [(1.0, 0.1)], [(0.8, 0.05), (0.2, 0.3)]  # share of places, defects per cm²: the same mean
ONE_LARGE_DIE = {  # invented, but for the price of a wafer (7 nm class, CSET's estimate for 2020)
    "logic_mm2": 640, "n": 1, "link_mm2": 20, "per_wafer": 84, "defects_per_cm2": 0.2, "alpha": 3, "wafer_usd": 9346,
    "test_usd": 10, "join_usd": 60, "join_yield": 0.98, "tested": True, "chips": 100_000,
}  # fmt: skip
SMALLER_DIES = {2: 171, 4: 343}  # pieces, and how many of them a wafer has
CLAIMS = [  # what, over, under, printed
    ("DeepSeek-V3: GPU hours, in millions, at 2 dollars", ["2.788", 2], [], "5.576"),
    ("DeepSeek-V3: thousand hours for a trillion tokens", ["2,664"], ["14.8"], "180"),
    ("DeepSeek's R1-Zero: 64 x 8 GPUs for 198 hours, thousands", [64, 8, 198], [1000], "101"),
    ("  the same with '648 GPUs', as pages have it", [648, 198], [1000], "101"),
    ("Nvidia: closes 142.62 and 118.42, 24.49 billion shares", [["142.62", "118.42"], "24.49"], [], "593"),
    ("  the same day, with 589 billion", [["142.62", "118.42"], "24.49"], [], "589"),
    ("  with the close that other pages print", [["142.62", "118.58"], "24.49"], [], "589"),
    ("DeepSeek's day of serving, as published: 226.75 nodes of 8 GPUs at 2 dollars an hour", ["226.75", 8, 24, 2], [], "87,072"),
    ("  the same day: profit over cost, percent", [100, ["562,027", "87,072"]], ["87,072"], "545"),
    ("  the same day: thousand tokens written a second by a node", ["168", 10**6], ["226.75", 24, 3600], "14.8"),
    ("KV cache, bytes per token: Llama 3.1 405B over V3", [516_096], [70_272], "7.28"),
    ("RTX 4090: TPP from 660.6 TOPS at 8 bits", ["660.6", 8], [], "10,570"),
]
# Three invented factories. Share of dies without any defect, and share that is sold.
THREE_FACTORIES = {
    "A: 0.14 defects per cm², spread evenly, only perfect dies are sold": (0.39, 0.39),
    "B: 0.14 on average, 0.05 in 70 % of all places and 0.35 in the rest, only perfect dies are sold": (0.53, 0.53),
    "C: 0.44 defects per cm², spread evenly, up to 4 of 32 blocks may be dead": (0.05, 0.40),
}
# The same three with dies of other sizes, in mm².
OTHER_SIZES = {
    500: [(0.50, 0.50), (0.60, 0.60), (0.11, 0.51)], 600: [(0.43, 0.43), (0.56, 0.56), (0.07, 0.44)],
    750: [(0.35, 0.35), (0.50, 0.50), (0.04, 0.35)],
}  # fmt: skip

# %% [markdown] nbgrader={"grade": false, "grade_id": "chips-given-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The checks compare numbers with the function of the next cell: equal up to rounding, and nothing else than a number equals a number. Nothing in it is graded.


# %% nbgrader={"grade": false, "grade_id": "chips-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def close(a: object, b: float, tolerance: float = 1e-6) -> bool:
    """Equal up to a share of the larger number; False for what is no plain number."""
    return isinstance(a, (int, float)) and math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12)


print(close(0.1 + 0.2, 0.3), close(1.0, 1.1), close(None, 1.0))

# %% [markdown] nbgrader={"grade": false, "grade_id": "sheet-tpp-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · From a data sheet to TPP  (difficulty 2 of 5 · 10 minutes · 10 points)
#
# The lesson's chip table is clean: dense rates, one chip, one unit. Pages are not. Write `sheet_tpp`, which takes the lines of a data sheet as they are printed and returns the TPP of **one** chip.
#
# Each line is a dict:
#
# | key | | |
# |---|---|---|
# | `"bits"` | of one number that is multiplied | |
# | `"rate"` | the number as printed | |
# | `"unit"` | `"TOPS"`, `"TFLOPS"` | 10¹² operations per second; a multiplication with its addition counts as 2 |
# | | `"PFLOPS"` | the same, 10¹⁵ |
# | | `"TMACS"` | 10¹² multiply-adds per second; a multiplication with its addition counts as 1 |
# | `"sparse"` | bool | True: the rate holds for matrices in which << {2: "two of every four numbers are 0 and are skipped, and is twice", 4: "three of every four numbers are 0 and are skipped, and is four times", 8: "seven of every eight numbers are 0 and are skipped, and is eight times"}[SPARSE_TIMES] >> the dense one. Only the dense one counts |
# | `"chips"` | int | the rate is that of so many chips together: a board, a server, a cabinet |
#
# | in | | out | |
# |---|---|---|---|
# | `lines` | list of such dicts, at least one; leave them as they are | TPP | float: dense TOPS of one chip times bits, the highest over the lines |
#
# Worked example, four lines:
#
# | bits | rate | unit | sparse | chips | dense TOPS of one chip | times bits |
# |---|---|---|---|---|---|---|
# | 16 | 0.6 | PFLOPS | no | 2 | 300 | 4,800 |
# | 4 | 650 | TMACS | no | 1 | 1,300 | 5,200 |
# | 8 | << "{:,}".format(700 * SPARSE_TIMES) >> | TOPS | yes | 1 | 700 | **5,600** |
# | 32 | 100 | TFLOPS | no | 1 | 100 | 3,200 |
#
# Before you write: the rule's own words are "2 × MacTOPS × bits"; MacTOPS are tera multiply-adds per second, and a multiply-add is two operations. In which of the four lines is that 2 still missing?
#
# *Stuck?* `hint("sheet-tpp")`


# %% nbgrader={"grade": false, "grade_id": "sheet-tpp", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sheet_tpp(lines: list[dict]) -> float:
    """TPP of one chip from a data sheet's lines: dense TOPS times bits, the highest over the lines."""
    ### BEGIN SOLUTION
    tops_of_unit = {"TOPS": 1, "TFLOPS": 1, "PFLOPS": 1000, "TMACS": 2}
    tpp = []
    for line in lines:
        tops = line["rate"] * tops_of_unit[line["unit"]] / line["chips"]
        if line["sparse"]:
            tops /= SPARSE_TIMES
        tpp.append(tops * line["bits"])
    return float(max(tpp))
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sheet-tpp-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
sheet = [
    {"bits": 16, "rate": 0.6, "unit": "PFLOPS", "sparse": False, "chips": 2},
    {"bits": 4, "rate": 650, "unit": "TMACS", "sparse": False, "chips": 1},
    {"bits": 8, "rate": 700 * SPARSE_TIMES, "unit": "TOPS", "sparse": True, "chips": 1},
    {"bits": 32, "rate": 100, "unit": "TFLOPS", "sparse": False, "chips": 1},
]
said = sheet_tpp([dict(sheet[3])])
assert said is not None, "nothing came back: end your function with `return ...`"
assert isinstance(said, (int, float)), f"one number is wanted, got {type(said).__name__}"
assert not close(said, 100), "100: that is the rate; TPP is the rate times the bits, 100 x 32"
assert not close(said, 6400), "6,400: doubled once too often; in TFLOPS a multiply-add is 2 already"
assert not close(said, 1600), "1,600: halved; in TFLOPS a multiply-add is 2 already, and so it is in TPP"
assert close(said, 3200), f"100 TFLOPS at 32 bits: expected 3,200, got {said!r}"
said = sheet_tpp([dict(sheet[2])])
# variant: if SPARSE_TIMES == 2
assert not close(said, 11_200), "11,200: 1,400 is the sparse rate; the dense one is half of it"
assert not close(said, 2800), "2,800: the sparse rate is twice the dense one, not four times"
# variant: else
assert not close(said, 5600 * SPARSE_TIMES), (
    "<< '{:,}'.format(5600 * SPARSE_TIMES) >>: << '{:,}'.format(700 * SPARSE_TIMES) >> is the sparse rate; the dense one is << 'a quarter' if SPARSE_TIMES == 4 else 'an eighth' >> of it"
)
assert not close(said, 5600 * SPARSE_TIMES / 2), (
    "<< '{:,}'.format(2800 * SPARSE_TIMES) >>: you halved the sparse rate; in this version of the exercise it is << 'four' if SPARSE_TIMES == 4 else 'eight' >> times the dense one"
)
assert not close(said, {4: 2800, 8: 11_200}[SPARSE_TIMES]), (
    "<< '2,800: the sparse rate is four times the dense one, not eight times' if SPARSE_TIMES == 4 else '11,200: the sparse rate is eight times the dense one, not four times' >>"
)
# variant: endif
assert close(said, 5600), f"{700 * SPARSE_TIMES:,} TOPS sparse at 8 bits: expected 5,600, got {said!r}"
said = sheet_tpp([dict(sheet[1])])
assert not close(said, 2600), "2,600: a multiply-add per second is 2 operations per second; in TMACS it was counted as 1"
assert not close(said, 1300), "1,300: TMACS were halved; they count a multiply-add as 1, TPP counts it as 2"
assert close(said, 5200), f"650 TMACS at 4 bits: expected 5,200, got {said!r}"
said = sheet_tpp([dict(sheet[0])])
assert not close(said, 9600), "9,600: 0.6 PFLOPS is the rate of two chips; divide by chips"
assert not close(said, 4.8), "4.8: a PFLOPS is 1,000 TFLOPS"
assert not close(said, 19_200), "19,200: multiplied by chips; the rate is that of both together, so divide"
assert close(said, 4800), f"0.6 PFLOPS at 16 bits, two chips: expected 4,800, got {said!r}"
given = [dict(line) for line in sheet]
said = sheet_tpp(given)
assert given == sheet, "the lines that came in were changed; compute beside them"
assert not close(said, 18_800), "18,800: the formats were added up; the highest one counts"
assert not close(said, 5200), "5,200: that is the line with the highest rate; wanted is the highest rate times bits"
assert not close(said, 4800), "4,800: that is the first line; wanted is the highest of all"
assert not close(said, 3200), "3,200: that is the last line; wanted is the highest of all"
assert close(said, 5600), f"worked example: expected 5,600, got {said!r}"

# %% nbgrader={"grade": true, "grade_id": "sheet-tpp-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from math import isclose

rng = random.Random(701)
cases = [
    ([(8, 1979 * SPARSE_TIMES, "TFLOPS", True, 1)], 15_832),
    ([(16, 307.2, "PFLOPS", False, 384)], 12_800),
    ([(8, 16 * SPARSE_TIMES, "PFLOPS", True, 4)], 32_000),
    ([(8, 300 * SPARSE_TIMES, "TMACS", True, 4)], 1200),
    ([(4, SPARSE_TIMES, "PFLOPS", True, 1), (8, 400, "TMACS", False, 1)], 6400),
    ([(32, 10, "TFLOPS", False, 1), (16, 25, "TOPS", False, 1), (8, 39, "TOPS", False, 1)], 400),
    ([(8, 296, "TOPS", False, 1), (16, 148, "TFLOPS", False, 1)], 2368),
    ([(16, 1, "TMACS", False, 16)], 2),
]
for n_rows in (1, 1, 2, 3, 4, 5):
    rows, tpps = [], []
    for _ in range(n_rows):  # from the TPP of one chip back to what the page says
        bits, chips, sparse = rng.choice([4, 8, 16, 32]), rng.randint(1, 72), rng.random() < 0.5
        tpp = rng.uniform(100, 20_000)
        unit, tops = rng.choice([("TOPS", 1), ("TFLOPS", 1), ("PFLOPS", 1000), ("TMACS", 2)])
        rows.append((bits, tpp / bits / tops * chips * (SPARSE_TIMES if sparse else 1), unit, sparse, chips))
        tpps.append(tpp)
    cases.append((rows, max(tpps)))
for rows, expected in cases:
    lines = [dict(zip(("bits", "rate", "unit", "sparse", "chips"), row, strict=True)) for row in rows]
    said = sheet_tpp([dict(line) for line in lines])
    right = isinstance(said, (int, float)) and isclose(said, expected, rel_tol=1e-9)
    both = "; a line can be sparse and of several chips" if any(line["sparse"] and line["chips"] > 1 for line in lines) else ""
    assert right, f"{lines}: expected {expected:,}, got {said!r}{both}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "sheet-tpp-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It reads lines as vendors print them<< "" if SPARSE_TIMES == 2 else "; sparse ones are left out, because NVIDIA's are twice the dense ones, unlike those of your sheets" >>. (Of the four lines above, the 2 is missing in the one in TMACS only.)

# %% nbgrader={"grade": false, "grade_id": "sheet-tpp-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for what, line in SHEET_LINES:
    # variant: if SPARSE_TIMES != 2
    if line["sparse"]:
        continue
    # variant: endif
    print(f"{what:38}{line['rate']:>8,} {line['unit']:7}-> TPP {sheet_tpp([dict(line)]):>8,.0f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "smallest-cut-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · The smallest cut  (difficulty 2 of 5 · 14 minutes · 10 points)
#
# The rule of 2022 controlled a chip if its links carried at least so many GB/s **and** its TPP was at least so much. A maker can switch off parts of a chip: links, or processing units. All links are
# equal, and so are all units: what is left is the number that stays on, times what each brings.
#
# Write `smallest_cut`: how many links and how many units must be switched off, so that the chip is free?
#
# - `word` is `"and"` or `"or"`: the rule controls a chip if both limits are reached, or if at least one is.
# - A limit that is reached exactly **is** reached.
# - With `"and"`, a chip that is free already loses nothing.
# - If there is a choice, switch off only one kind: << "the one of which the smaller **share** is lost (switched off, divided by how many there were). If both shares" if SMALLER == "share" else "the one of which the smaller **number** is lost, whatever share of all that is. If both numbers" >> are equal, << TIE >>.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `n_links`, `gb_per_s_each` | links, and GB/s of each | `"links"` | int, links to switch off |
# | `n_units`, `tpp_each` | processing units, and TPP of each | `"units"` | int, units to switch off |
# | `gb_per_s_limit`, `tpp_limit` | the two limits | | |
# | `word` | `"and"` or `"or"` | | |
#
# Worked example: limits of 100 GB/s and a TPP of 1,000. A chip has 10 links of 20 GB/s and 50 units with a TPP of 25 each: 200 GB/s and 1,250. With 5 links it would still reach 100; 4 may stay, 6 are switched off, 60 %. With
# 40 units it would still reach 1,000; 39 may stay, 11 are switched off, 22 %. With `"and"` the answer is << '`{"links": 0, "units": 11}`' if SMALLER == "share" else '`{"links": 6, "units": 0}`' >>, with `"or"` it is `{"links": 6, "units": 11}`.
#
# Before you write: from the A100 the maker took links and no unit, and called it A800. The H100 became the H800 in the same way. Was it the smaller kind of cut, and how many links more than needed?
#
# *Stuck?* `hint("smallest-cut")`


# %% nbgrader={"grade": false, "grade_id": "smallest-cut", "locked": false, "schema_version": 3, "solution": true, "task": false}
def smallest_cut(
    n_links: int, gb_per_s_each: float, n_units: int, tpp_each: float, gb_per_s_limit: float, tpp_limit: float, word: str
) -> dict[str, int]:
    """How many links and units to switch off, at the smallest << SMALLER >>, so that a rule with "and" or "or" lets go."""
    ### BEGIN SOLUTION
    links = units = 0
    while (n_links - links) * gb_per_s_each >= gb_per_s_limit:
        links += 1
    while (n_units - units) * tpp_each >= tpp_limit:
        units += 1
    if word == "or":
        return {"links": links, "units": units}
    # variant: if SMALLER == "share" and TIE == "links"
    if links / n_links <= units / n_units:
        return {"links": links, "units": 0}
    # variant: elif SMALLER == "share"
    if links / n_links < units / n_units:
        return {"links": links, "units": 0}
    # variant: elif TIE == "links"
    if links <= units:
        return {"links": links, "units": 0}
    # variant: else
    if links < units:
        return {"links": links, "units": 0}
    # variant: endif
    return {"links": 0, "units": units}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "smallest-cut-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
out = smallest_cut(10, 20, 50, 25, 100, 1000, "or")
assert isinstance(out, dict), f"a dict is wanted; got {type(out).__name__}: end your function with `return ...`"
assert set(out) == {"links", "units"}, f'the keys are "links" and "units", got {sorted(map(str, out))}'
assert not (close(out["links"], 4) and close(out["units"], 39)), "4 and 39: that is what may stay on; wanted is what is switched off"
assert not close(out["links"], 5), "5 links: then 100 GB/s are left, which still reaches the limit of 100"
assert not close(out["units"], 10), "10 units: then 1,000 are left, which still reaches the limit of 1,000"
assert not (close(out["links"], 100) or close(out["links"], 101)), "links are counted, not GB/s"
# variant: if SMALLER == "number"
assert out != {"links": 6, "units": 0}, '"or": one limit that is reached is enough to be controlled, so both must be cut'
# variant: endif
assert out != {"links": 0, "units": 11}, '"or": one limit that is reached is enough to be controlled, so both must be cut'
assert out == {"links": 6, "units": 11}, f'worked example with "or": expected 6 links and 11 units, got {out}'
assert all(type(n) is int for n in out.values()), f"parts are counted: ints are wanted, got {out}"
out = smallest_cut(10, 20, 50, 25, 100, 1000, "and")
assert out != {"links": 6, "units": 11}, '"and": both limits must be reached, so to get below one of them is enough'
# variant: if SMALLER == "share"
assert out != {"links": 6, "units": 0}, "6 links are fewer than 11 units, but a larger share: 60 % against 22 %"
assert out == {"links": 0, "units": 11}, f'worked example with "and": expected 11 units, got {out}'
out = smallest_cut(20, 6, 50, 40, 100, 1000, "and")
assert out != {"links": 0, "units": 26}, "the larger share was cut: 4 of 20 links are 20 %, 26 of 50 units 52 %"
assert out == {"links": 4, "units": 0}, f"4 of 20 links are 20 %, 26 of 50 units 52 %: expected 4 links, got {out}"
out = smallest_cut(10, 11, 30, 36, 100, 1000, "and")
# variant: if TIE == "links"
assert out != {"links": 0, "units": 3}, "1 of 10 links and 3 of 30 units are the same share; then links are switched off"
assert out == {"links": 1, "units": 0}, f"1 of 10 links or 3 of 30 units: expected 1 link, got {out}"
# variant: else
assert out != {"links": 1, "units": 0}, (
    "1 of 10 links and 3 of 30 units are the same share; in this version of the exercise units are switched off then"
)
assert out == {"links": 0, "units": 3}, f"1 of 10 links or 3 of 30 units: expected 3 units, got {out}"
# variant: endif
# variant: else
assert out != {"links": 0, "units": 11}, (
    "11 units are a smaller share than 6 links, but in this version of the exercise the smaller number counts: 6"
)
assert out == {"links": 6, "units": 0}, f'worked example with "and": expected 6 links, got {out}'
out = smallest_cut(20, 10, 4, 300, 100, 1000, "and")
assert out != {"links": 11, "units": 0}, "the larger number was cut: 1 of 4 units is enough, in place of 11 of 20 links"
assert out == {"links": 0, "units": 1}, f"11 of 20 links or 1 of 4 units: expected 1 unit, got {out}"
out = smallest_cut(10, 13, 30, 36, 100, 1000, "and")
# variant: if TIE == "links"
assert out != {"links": 0, "units": 3}, "3 links and 3 units are the same number; then links are switched off"
assert out == {"links": 3, "units": 0}, f"3 of 10 links or 3 of 30 units: expected 3 links, got {out}"
# variant: else
assert out != {"links": 3, "units": 0}, (
    "3 links and 3 units are the same number; in this version of the exercise units are switched off then"
)
assert out == {"links": 0, "units": 3}, f"3 of 10 links or 3 of 30 units: expected 3 units, got {out}"
# variant: endif
# variant: endif
for n_links, n_units in ((4, 50), (10, 39)):
    out = smallest_cut(n_links, 20, n_units, 25, 100, 1000, "and")
    assert out == {"links": 0, "units": 0}, (
        f"{n_links * 20} GB/s and {n_units * 25}: one limit is not reached, so with \"and\" the chip is free as it is; got {out}"
    )
out = smallest_cut(4, 20, 50, 25, 100, 1000, "or")
assert out == {"links": 0, "units": 11}, f'80 GB/s and 1,250 with "or": 11 units and no link, got {out}'

# %% nbgrader={"grade": true, "grade_id": "smallest-cut-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random

rng = random.Random(702)
cases = [(12, 50, 108, 46.25, 600, 4800), (18, 50, 132, 120, 600, 4800), (8, 75, 64, 75, 600, 4800)]
cases += [(8, 112, 304, 68.75, 600, 4800), (12, 49.5, 900, 5.5, 600, 4800), (3, 200, 2, 5000, 600, 4800)]
cases += [(1, 10, 1, 10, 10, 10), (7, 0.5, 9, 0.25, 1.25, 0.75), (5, 30, 100, 1, 200, 50), (16, 8, 16, 8, 40, 40)]
for _ in range(12):  # in eighths, so that sums are exact
    n_links, each = rng.randint(1, 20), rng.randint(40, 999) / 8
    n_units, tpp_each = rng.randint(1, 150), rng.randint(8, 999) / 8
    limits = rng.randint(1, int(n_links * each) + 50), rng.randint(1, int(n_units * tpp_each) + 500)
    cases.append((n_links, each, n_units, tpp_each, *limits))
for n_links, each, n_units, tpp_each, link_limit, tpp_limit in cases:
    for word in ("and", "or"):
        best = None
        for links in range(n_links + 1):
            for units in range(n_units + 1):
                reached = [(n_links - links) * each >= link_limit, (n_units - units) * tpp_each >= tpp_limit]
                if not (all(reached) if word == "and" else any(reached)):
                    # variant: if SMALLER == "share"
                    lost = links / n_links + units / n_units, units if TIE == "links" else links
                    # variant: else
                    lost = links + units, units if TIE == "links" else links
                    # variant: endif
                    if best is None or lost < best[0]:
                        best = lost, {"links": links, "units": units}
        out = smallest_cut(n_links, each, n_units, tpp_each, link_limit, tpp_limit, word)
        what = f"{n_links} links of {each}, {n_units} units of {tpp_each}, limits {link_limit} and {tpp_limit}, {word!r}"
        assert out == best[1], f"{what}: expected {best[1]}, got {out}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "smallest-cut-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess: first the smallest cuts, then what was really switched off. (Why the maker of the A800 chose links, it did not say. A100s that compute less are noticed by everybody who computes; slower links only where many chips work together.)

# %% nbgrader={"grade": false, "grade_id": "smallest-cut-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for chip_name, chip in CUT_CHIPS.items():
    for word in ("and", "or"):
        cut = smallest_cut(**chip, gb_per_s_limit=LIMITS_2022["gb_per_s"], tpp_limit=LIMITS_2022["tpp"], word=word)
        shares = f"{cut['links'] / chip['n_links']:.1%} of the links, {cut['units'] / chip['n_units']:.1%} of the units"
        print(f"{chip_name}, {word!r:5}: {cut['links']} of {chip['n_links']} links, {cut['units']} of {chip['n_units']} units: {shares}")
really, verdicts = [], []
for chip_name, (sold_as, gb_per_s) in SOLD_AS.items():
    chip = CUT_CHIPS[chip_name]
    off = chip["n_links"] - gb_per_s // chip["gb_per_s_each"]
    really.append(f"{sold_as}: {off} of {chip['n_links']}{'' if really else ' links'} ({100 * off / chip['n_links']:.1f} %)")
    smallest, enough = (
        smallest_cut(**chip, gb_per_s_limit=LIMITS_2022["gb_per_s"], tpp_limit=LIMITS_2022["tpp"], word=word) for word in ("and", "or")
    )
    kind = "smaller" if smallest["links"] else "larger"
    verdicts.append(f"{sold_as}: the {kind} kind of cut, and {off - enough['links']} links more than needed")
print("really switched off:", ", ".join(really))
print(*verdicts, sep="\n")

# %% [markdown] nbgrader={"grade": false, "grade_id": "first-caught-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · A rule read backwards  (difficulty 3 of 5 · 15 minutes · 12 points)
#
# The lesson asks of a finished chip whether a rule catches it. A designer asks the other way round: *my << "die has so many mm²" if N_DIES == 1 else "chip is made of %d equal dies of so many mm² each" % N_DIES >>. From which TPP on am I caught, and by what?*
#
# A rule is a list of paragraphs such as `{"name": "q", "tpp": (20, 60), "density": (0.5, 4)}`: the paragraph catches a chip whose TPP is **at least** the first number and **below** the second, and whose density, TPP << "per" if N_DIES == 1 else "of the whole chip per" >>
# mm² of << "die" if N_DIES == 1 else "all its %d dies together" % N_DIES >>, is at least 0.5 and below 4. Where there is no upper bound, it is `math.inf`. A chip is caught if one paragraph catches it. Chips that are not for data centres are never caught below a TPP of `free_below`; for the others this is 0.
#
# Write `first_caught`: the smallest TPP at which a chip with << "a die of `die_mm2`" if N_DIES == 1 else "%d dies of `die_mm2` each" % N_DIES >> is caught, and the paragraph that catches it there.
#
# | in | | out: dict, or `None` if no TPP is caught | |
# |---|---|---|---|
# | `die_mm2` | mm²<< "" if N_DIES == 1 else " of one die" >> | `"tpp"` | float |
# | `paragraphs` | list of dicts as above | `"paragraph"` | its name; if several catch that TPP, the first in the list |
# | `free_below` | a TPP, or 0 | | |
#
# No bound is below 0. TPP may be any number, so trying one after the other finds only some of them. The paragraphs may be other ones than the rule of 2023 has.
#
# Worked example, << "a die of 50 mm²" if N_DIES == 1 else "%d dies of %g mm² each, so 50 mm² in all (the check's messages, too, name the mm² of all dies together)" % (N_DIES, 50 / N_DIES) >>, two paragraphs: `p` with TPP `(40, inf)` and density `(1.5, inf)`; `q` with TPP `(20, 60)` and density `(0.5, 4)`. On 50 mm² a density of 1.5 means a TPP of 75, so `p` catches from 75 on. `q` needs at least 20, and
# a density of 0.5, which means 25; it ends below 60 and below 4 · 50 = 200, so it catches from 25 up to 60. The answer is `{"tpp": 25.0, "paragraph": "q"}`. On 130 mm² `q` would have to begin at 65, where it has ended: it catches nothing.
#
# Before you write: make the die larger and larger, and ask the rule of 2023 each time. Does the TPP from which on a chip is caught rise all the time, and can it ever fall?
#
# *Stuck?* `hint("first-caught")`


# %% nbgrader={"grade": false, "grade_id": "first-caught", "locked": false, "schema_version": 3, "solution": true, "task": false}
def first_caught(die_mm2: float, paragraphs: list[dict], free_below: float = 0) -> dict | None:
    # variant: if N_DIES == 1
    """The smallest TPP at which a die of that size is caught, and by which paragraph; None if it never is."""
    # variant: else
    """The smallest TPP at which << N_DIES >> dies of that size are caught, and by which paragraph; None if they never are."""
    # variant: endif
    ### BEGIN SOLUTION
    first = None
    # variant: if N_DIES != 1
    die_mm2 = N_DIES * die_mm2  # of the whole chip
    # variant: endif
    for paragraph in paragraphs:
        (tpp_from, tpp_to), (density_from, density_to) = paragraph["tpp"], paragraph["density"]
        begin = float(max(tpp_from, density_from * die_mm2, free_below))
        end = min(tpp_to, density_to * die_mm2)
        if begin < end and (first is None or begin < first["tpp"]):
            first = {"tpp": begin, "paragraph": paragraph["name"]}
    return first
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "first-caught-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
two = [
    {"name": "p", "tpp": (40, math.inf), "density": (1.5, math.inf)},
    {"name": "q", "tpp": (20, 60), "density": (0.5, 4)},
]
# variant: if N_DIES != 1
out = first_caught(500 / N_DIES, two)
assert out is not None, "None came back, but p catches << N_DIES >> dies of << '%g' % (500 / N_DIES) >> mm² from 750 on: end your function with `return ...`"
assert isinstance(out, dict) and set(out) == {"tpp", "paragraph"}, f'a dict with "tpp" and "paragraph" is wanted, got {out!r}'
assert not close(out["tpp"], {2: 375, 4: 187.5, 8: 31.25}[N_DIES]), (
    "<< '%g' % {2: 375, 4: 187.5, 8: 31.25}[N_DIES] >>: that is for one die; in this version of the exercise a chip has << N_DIES >> dies, and density is TPP per mm² of all of them"
)
assert not any(close(out["tpp"], tpp) for tpp in (31.25, 187.5, 375, 1500, 3000, 6000)), (
    f"{out['tpp']}: that is for another number of dies; << N_DIES >> of << '%g' % (500 / N_DIES) >> mm² are 500 mm², and p catches these from 750 on"
)
# variant: endif
out = first_caught(50 / N_DIES, two)
assert out is not None, "None came back, but q catches from 25 on: end your function with `return ...`"
assert isinstance(out, dict) and set(out) == {"tpp", "paragraph"}, f'a dict with "tpp" and "paragraph" is wanted, got {out!r}'
assert not close(out["tpp"], 20), "20: at a TPP of 20 the density is 0.4, so q does not yet catch; BOTH lower bounds must be reached"
assert not close(out["tpp"], 0.5), "0.5 is a density; times the mm² of the die it is a TPP"
assert not close(out["tpp"], 75), "75: there p begins, but q begins earlier; wanted is the smallest TPP of all"
assert not close(out["tpp"], 40), "40: 1.5 was divided by 50, or left out; density is TPP per mm², so a density of 1.5 is a TPP of 1.5 x 50"
assert close(out["tpp"], 25), f"worked example: expected 25, got {out['tpp']!r}"
assert out["paragraph"] == "q", f"worked example: q catches at 25, not {out['paragraph']!r}"


def begins(mm2, *given):
    """What the answer says, with None for a TPP and a name where there is no dict."""
    out = first_caught(mm2 / N_DIES, *given)
    return (out.get("tpp"), out.get("paragraph")) if isinstance(out, dict) else (None, None)


tpp, name = begins(30, two)
assert close(tpp, 20), f"30 mm²: a density of 0.5 is a TPP of 15, but q needs 20; expected 20, got {tpp!r}"
tpp, name = begins(61, two)
assert not close(tpp, 31), "31: the first whole number; TPP may be any number, here 61 x 0.5 = 30.5"
assert close(tpp, 30.5), f"61 mm²: 61 x 0.5 = 30.5, got {tpp!r}"
tpp, name = begins(130, two)
assert not close(tpp, 65), "130 mm²: q would begin at 65, but q ends below 60; what never catches is left out"
assert close(tpp, 195) and name == "p", f"130 mm²: p from 195 on, got {tpp!r} and {name!r}"
tpp, name = begins(120, two)
assert not close(tpp, 60), "120 mm²: q would begin at 60, but 60 is not below 60"
assert close(tpp, 180), f"120 mm²: q begins where it ends; p from 180 on, got {tpp!r}"
tpp, name = begins(4, two)
assert not close(tpp, 20), "4 mm²: at 20 the density is 5, and q ends below 4 x 4 = 16; p catches from 40 on"
assert close(tpp, 40), f"4 mm²: p from 40 on, got {tpp!r}"
out = first_caught(130 / N_DIES, two[1:])
assert out is None, f"q alone on 130 mm² catches nothing: None is wanted, got {out!r}"
tpp, name = begins(50, two, 30)
assert not close(tpp, 25), "free_below was left out: below 30 this chip is never caught"
assert close(tpp, 30) and name == "q", f"free_below = 30: q catches from 30 on, got {tpp!r} and {name!r}"
tpp, name = begins(50, two, 70)
assert name != "q", "free_below = 70: q has ended at 60 by then, so another paragraph must catch"
assert close(tpp, 75) and name == "p", f"free_below = 70: p catches from 75 on, got {tpp!r} and {name!r}"
tpp, name = begins(50, [dict(two[1], name="first"), dict(two[1], name="second")])
assert name == "first", f"two paragraphs catch at 25; the first in the list is wanted, got {name!r}"

# %% nbgrader={"grade": true, "grade_id": "first-caught-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
from math import inf, isclose

law = [("a.1", 4800, inf, 0, inf), ("a.2", 1600, inf, 5.92, inf), ("b.1", 2400, 4800, 1.6, 5.92), ("b.2", 1600, inf, 3.2, 5.92)]
toy = [("x", 10, 30, 2, 5), ("y", 25, 40, 0, 1), ("z", 12, 90, 0.25, 0.75), ("w", 500, inf, 0, inf)]
for rows, sizes, free in [
    (law, (100, 270.25, 294, 480, 520, 609, 740, 814, 1400, 1650, 2900, 3100), (0, 4800)),
    (toy, (1, 3, 5.5, 9, 14, 20, 31, 47, 60, 100, 200, 500), (0, 11, 33)),
    (toy[::-1], (3, 14, 20, 47, 60), (0, 26)),
    (toy[:3], (5.5, 14, 31, 200, 500), (0, 95)),
]:
    paragraphs = [{"name": n, "tpp": (a, b), "density": (c, d)} for n, a, b, c, d in rows]
    for size in sizes:
        for free_below in free:
            tries = sorted({free_below, *(a for _, a, *_ in rows), *(c * size for *_, c, _ in rows)})
            expected = None
            for tpp in tries:
                names = [n for n, a, b, c, d in rows if a <= tpp < b and c * size <= tpp < d * size and tpp >= free_below]
                if names:
                    expected = {"tpp": tpp, "paragraph": names[0]}
                    break
            copies = [dict(paragraph) for paragraph in paragraphs]
            die = size / N_DIES
            out = first_caught(die, copies, free_below) if free_below else first_caught(die, copies)
            what = f"<< '' if N_DIES == 1 else '%d dies, in all ' % N_DIES >>{size} mm², free_below {free_below}, (name, tpp from, to, density from, to) {rows}"
            if expected is None:
                assert out is None, f"{what}: expected None, got {out!r}"
                continue
            assert isinstance(out, dict) and set(out) == {"tpp", "paragraph"}, f"{what}: a dict is wanted, got {out!r}"
            right = isinstance(out["tpp"], (int, float)) and isclose(out["tpp"], expected["tpp"], rel_tol=1e-9)
            assert right and out["paragraph"] == expected["paragraph"], f"{what}: expected {expected}, got {out}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "first-caught-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess: how much room the rule of 2023 leaves, and how much of it some chips use. 100 % or more means caught here, for this rule has no hole above its first TPP. Can that first TPP ever fall? Never for the rule of 2023, in any whole mm² from 20 to 4,999; it rises or stays. But for the `p` and `q` of the example it does: 4 mm² are caught from 40 on, 8 mm² from 20. (No die is larger than 858 mm², because the machine that prints it has no larger field. The rule adds up the areas of a chip's dies, so a larger area is that of several.)

# %% nbgrader={"grade": false, "grade_id": "first-caught-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for mm2 in (300, 500, 750, 814, 1500, 1650, 3000, 4000):
    found = first_caught(mm2 / N_DIES, RULE_2023)
    print(f"{mm2:5,} mm²: caught from a TPP of {found['tpp']:7,.1f} on, {found['paragraph']}")
for chip_name, (mm2, tpp, for_data_centres) in SIZED_CHIPS.items():
    found = first_caught(mm2 / N_DIES, RULE_2023, 0 if for_data_centres else NOTE_2)
    print(f"{chip_name:11}{mm2:6,} mm², TPP {tpp:,}: {tpp / found['tpp']:6.1%} of {found['tpp']:,.1f}, where {found['paragraph']} begins")

# %% [markdown] nbgrader={"grade": false, "grade_id": "free-rows-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · A wafer without a saw  (difficulty 4 of 5 · 25 minutes · 13 points)
#
# A saw cuts straight through a wafer, so dies stand in a grid, as in the lesson. A laser or a plasma can cut each row where it likes: then every row may be **shifted** along its own direction, and more dies fit. Count them. This time dies are rectangles, gaps
# stay between them, and the edge of the wafer is not used.
#
# - Usable is a disc: the wafer's, less `edge_mm` all around. A die counts if it lies on that disc with all four corners; touching the rim is fine.
# - Rows lie one above the other, `gap_mm` apart. With the dies `width` wide and `height` high the lower edges of the rows are at `offset + i · (height + gap)` above the wafer's centre, for all whole `i`, negative ones included. A row that reaches beyond the rim has no die.
# - In each row as many dies as fit stand side by side, `gap_mm` apart. The outermost ones need no gap beside them.
# - Try `positions` offsets: `k / positions · (height + gap)` for k = 0, 1, ..., `positions` - 1. Try them for the die as it is and for the die turned by 90 degrees (all dies at once).
#
# Write `free_rows`: the largest number of dies that one of these tries gives.
#
# | in | | out | |
# |---|---|---|---|
# | `width_mm`, `height_mm`, `gap_mm` | of a die, and between two | number | int |
# | `wafer_mm`, `edge_mm` | diameter of the wafer; width of the ring that is not used | | |
# | `positions` | int, offsets to try | | |
#
# Worked example: a wafer of 14 mm, an edge of 1 mm, so a usable disc of **radius** 6. Dies 3 wide and 2 high, no gap, 2 positions. Offset 0: the row from 0 to 2 has room where the disc is narrowest, at its upper edge: 2 · √(36 - 4) = 11.3 mm, 3 dies. The row from 2 to 4 has
# 2 · √(36 - 16) = 8.9 mm, 2 dies. The row from 4 to 6 touches the rim and has no room. With the rows below the centre: 10. k = 1, offset 1 mm: the row from -1 to 1 has 11.8 mm, 3 dies; 1 to 3 has 10.4 mm, 3 dies; 3 to 5 has 6.6 mm, 2 dies; with the rows below 3 + 2 · (3 + 2) = 13. Turned, 2 wide and 3 high: 10 with offset 0 and 11 with offset 1.5. So `13`.
#
# Before you write: how many more dies as large as the H100's will free rows give than the best of the lesson's four grids: none, one in twenty, or one in five?
#
# *Stuck?* `hint("free-rows")`


# %% nbgrader={"grade": false, "grade_id": "free-rows", "locked": false, "schema_version": 3, "solution": true, "task": false}
def free_rows(
    width_mm: float, height_mm: float, gap_mm: float, wafer_mm: float, edge_mm: float, positions: int
) -> int:
    """The most whole dies on a wafer whose rows may be shifted, over some offsets and both ways round."""
    ### BEGIN SOLUTION
    radius = wafer_mm / 2 - edge_mm
    best = 0
    for width, height in ((width_mm, height_mm), (height_mm, width_mm)):
        pitch = height + gap_mm
        most = math.ceil(radius / pitch) + 1
        for k in range(positions):
            n = 0
            for i in range(-most, most + 1):
                low = (i + k / positions) * pitch
                far = max(abs(low), abs(low + height))
                if far <= radius:
                    room = 2 * math.sqrt(radius**2 - far**2)
                    n += int((room + gap_mm) // (width + gap_mm))
            best = max(best, n)
    return best
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "free-rows-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
n = free_rows(3, 2, 0, 12, 0, 1)
assert n is not None, "nothing came back: end your function with `return ...`"
assert isinstance(n, int), f"dies are counted: an int is wanted, not a {type(n).__name__}"
assert n != 58, "58: the wafer's diameter was taken for its radius"
assert n != 4, "4: half of each row was filled; at a distance d from the centre the disc is 2 · √(radius² - d²) wide"
assert n != 5, "5: only the rows above the centre were counted"
assert n != 22, "22: room was measured at the edge of a row that is nearer to the centre; the farther one has less, and dies stick out there"
assert n != 16, "16: room was measured in the middle of each row, or always at its lower or upper edge; take the edge that is farther from the centre"
assert n != 14, "14: rounded; a die that does not fit as a whole is none"
assert n != 8, "8: each half of a row was filled on its own; rows may be shifted, so divide the whole length"
assert n != 20, "20: the dies of both ways round were added up; one of them is made"
assert n == 10, f"radius 6, dies 3 x 2, no gap, no edge, one offset: expected 10, as in the worked example; got {n}"
n = free_rows(3, 2, 0, 14, 1, 2)
assert n != 18, "18: the edge makes no difference; 1 mm all around is not used"
assert n != 16, "16: the unused edge is on both sides of the disc: the radius is 7 - 1"
assert n != 10, "10: that is what offset 0 gives; the other one is k = 1, offset 1 mm: k / positions · (height + gap)"
assert n != 44, "44: the dies of all tries were added up; the best try is wanted"
assert n == 13, f"worked example: expected 13, got {n}"
n = free_rows(2, 3, 0, 14, 1, 2)
assert n != 11, "11: dies 2 x 3 may be turned, and lying down there are 13"
assert n == 13, f"dies 2 x 3 are the same as 3 x 2, turned: expected 13, got {n}"
n = free_rows(3, 3, 0.5, 23, 1, 4)
assert n != 29, "29: without gaps; between two dies, and between two rows, there are 0.5 mm"
assert n != 25, "25: no gap between the dies of a row"
assert n != 26, "26: no gap between rows"
assert n != 21, "21: the last die of a row needs no gap behind it (or only the first two offsets were tried)"
assert n != 22, "22: not all 4 offsets were tried; they are 0, 1/4, 2/4 and 3/4 of a pitch"
assert n != 19, "19: only offset 0 was tried"
assert n == 23, f"dies 3 x 3, gap 0.5, radius 10.5, 4 offsets: expected 23, got {n}"
n = free_rows(2, 2, 0.5, 12, 1, 5)
assert n != 9, "9: an offset is a share of height AND gap, k / positions · (height + gap)"
assert n == 10, f"dies 2 x 2, gap 0.5, radius 5, 5 offsets: expected 10, got {n}"
n = free_rows(8, 6, 0, 12, 1, 2)
assert n == 1, f"a die of 8 x 6 has its corners 5 from its middle; on a radius of 5 it touches the rim, which is fine; or the row that begins at -3, i = -1, was never tried: 1, got {n}"

# %% nbgrader={"grade": true, "grade_id": "free-rows-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from math import hypot

rng = random.Random(704)
drawn = [
    (round(rng.uniform(5, 40), 3), round(rng.uniform(5, 40), 3), round(rng.uniform(0.05, 0.5), 3), wafer, 3, positions)
    for wafer, positions in ((150, 7), (200, 4), (300, 9))
]

def dies_in_row(width, gap, far, radius):
    """One die after the other, in the middle of the row, until the outermost corner leaves the disc."""
    n = 0
    while hypot(((n + 1) * width + n * gap) / 2, far) <= radius:
        n += 1
    return n


for width, height, gap, wafer, edge, positions in [
    (26, 33, 0.1, 300, 3, 24),
    (8.5, 12.25, 0.125, 200, 4, 7),
    (28.53, 28.53, 0.08, 300, 3, 10),
    (7, 11, 0, 100, 0, 3),
    (40, 1, 0.25, 100, 2, 1),
    (60, 70, 1, 100, 2, 2),
    (60, 70, 1, 100, 2, 3),
    (90, 90, 0, 100, 0, 2),
    (20.17, 20.17, 0.06, 300, 2, 6),
    (13, 9, 0.3, 150, 3, 8),
    (6.09, 8.41, 0.2, 46, 1, 11),
    (4.91, 7.1, 0.1, 60, 2, 11),
    *drawn,
]:
    radius, counts = wafer / 2 - edge, []
    for wide, high in ((width, height), (height, width)):
        for k in range(positions):
            lows = [(i + k / positions) * (high + gap) for i in range(-110, 111)]
            counts.append(sum(dies_in_row(wide, gap, max(abs(low), abs(low + high)), radius) for low in lows))
    n = free_rows(width, height, gap, wafer, edge, positions)
    what = f"dies {width} x {height}, gap {gap}, wafer {wafer}, edge {edge}, {positions} offsets"
    assert isinstance(n, int), f"{what}: a whole number is wanted, got {n!r}"
    why = "too few: is every offset tried, and do your rows reach the rim?" if n < max(counts) else "too many: are all four corners inside?"
    assert n == max(counts), f"{what}: expected {max(counts)}, got {n}; {why}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "free-rows-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess. The last line is the largest field that the printing machine, the scanner, exposes at once.

# %% nbgrader={"grade": false, "grade_id": "free-rows-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for what, (width, height, in_grid) in RECTANGLES.items():
    bare = free_rows(width, height, 0, WAFER["wafer_mm"], 0, WAFER["positions"])
    real = free_rows(width, height, **WAFER)
    by_area = math.pi * WAFER["wafer_mm"] ** 2 / 4 / (width * height)
    lesson = f"grid {in_grid}, " if in_grid else ""
    print(f"{what:27}{width:5.1f} x {height:4.1f} mm: area over area {by_area:5.1f}, {lesson}free rows {bare}; with gaps and an unused edge {real}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "dead-blocks-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Dies with dead blocks  (difficulty 4 of 5 · 18 minutes · 15 points)
#
# In the lesson one defect kills a die. But large chips are made of many equal blocks, and are sold with some of them switched off: of the H100's 144 blocks a customer gets 132, eleven in twelve. (Blocks here, the units of exercise 2, which NVIDIA calls SMs, and the lesson's multiprocessors are the same.) Dies go into **bins**: the best are sold dearly, those with a few dead blocks under another name, and
# the rest is lost.
#
# - A die has `n_blocks` equal blocks, which cover the share `block_share` of its area. What is left of the area serves all of them: a defect there kills the whole die.
# - A block with one defect **or more** is dead.
# <% if HARMFUL == 1 %>
# - Where a wafer has `D` defects per cm², an area of `a` cm² has none with probability exp(-D · a), independently of other areas.
# <% else %>
# - Only << {0.75: "three quarters", 0.5: "half", 0.25: "a quarter"}[HARMFUL] >> of all defects are large enough to do harm, and above only these are meant. Where a wafer has `D` defects per cm² of **all** kinds, an area of `a` cm² has no harmful one with probability exp(-<< HARMFUL >> · D · a), independently of other areas.
# <% endif %>
# - Not all places are equally dirty. `places` lists pairs `(share, D)`: that share of all dies lies where there are D defects per cm². The shares sum to 1.
# - `most_dead = [0, 5]` makes two bins: no block is dead; or 1 to 5 are. For `most_dead = [1, 3]` the first bin is 0 to 1. A die goes into the first bin that takes it.
#
# If each of `n` blocks is dead with probability `p`, independently, then exactly `j` are dead with probability `math.comb(n, j) * p**j * (1 - p) ** (n - j)`.
#
# Write `bin_shares`.
#
# | in | | out | |
# |---|---|---|---|
# | `die_mm2` | mm² of the die; 1 cm² is 100 mm² | shares | list of floats: << "the share of all dies in each bin, and at the end the share that is lost" if LOST == "end" else "first the share of all dies that is lost, then the share in each bin" >>; they sum to 1 |
# | `block_share`, `n_blocks` | share of the area that the blocks cover; their number | | |
# | `most_dead` | list of ints, increasing | | |
# | `places` | list of pairs `(share, defects_per_cm2)` | | |
#
# Worked example: a die of 250 mm², 4 blocks on 40 % of it, so 0.25 cm² each, and 1.5 cm² for the rest. With D = << "0.42144" if HARMFUL == 1 else "%.5f, of which 0.42144 do harm," % (0.42144 / HARMFUL) >> a block has no << "" if HARMFUL == 1 else "such " >>defect with probability exp(-0.42144 · 0.25) = 0.9. The rest is as large as 6 blocks: 0.9⁶ = 0.531441. No block is dead with 0.9⁴ = 0.6561, exactly one with
# 4 · 0.1 · 0.9³ = 0.2916. With `most_dead = [0, 1]` the bins get 0.531441 · 0.6561 = 0.34868 and 0.531441 · 0.2916 = 0.15497, and 0.49635 is lost<< "" if LOST == "end" else ": `[0.49635, 0.34868, 0.15497]`" >>.
#
# Before you write: the lesson found that clusters leave more dies alive than the same number of defects spread evenly. If one block in twelve may be dead, is that still so?
#
# *Stuck?* `hint("dead-blocks")`


# %% nbgrader={"grade": false, "grade_id": "dead-blocks", "locked": false, "schema_version": 3, "solution": true, "task": false}
def bin_shares(
    die_mm2: float, block_share: float, n_blocks: int, most_dead: list[int], places: list[tuple[float, float]]
) -> list[float]:
    # variant: if LOST == "end"
    """The share of dies in each bin by the number of dead blocks, and the share that is lost."""
    # variant: else
    """The share of dies that is lost, and the share in each bin by the number of dead blocks."""
    # variant: endif
    ### BEGIN SOLUTION
    block_cm2 = die_mm2 / 100 * block_share / n_blocks
    rest_cm2 = die_mm2 / 100 * (1 - block_share)
    shares = [0.0] * len(most_dead)
    for share, defects_per_cm2 in places:
        # variant: if HARMFUL != 1
        defects_per_cm2 = HARMFUL * defects_per_cm2  # only those that do harm
        # variant: endif
        rest_works = math.exp(-defects_per_cm2 * rest_cm2)
        alive = math.exp(-defects_per_cm2 * block_cm2)
        fewest = 0
        for i, most in enumerate(most_dead):
            for j in range(fewest, most + 1):
                exactly_j = math.comb(n_blocks, j) * (1 - alive) ** j * alive ** (n_blocks - j)
                shares[i] += share * rest_works * exactly_j
            fewest = most + 1
    # variant: if LOST == "end"
    return [*shares, 1 - sum(shares)]
    # variant: else
    return [1 - sum(shares), *shares]
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "dead-blocks-visible", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def three_shares(*given):
    """What comes back for two bins, as a list of three."""
    out = bin_shares(*given)
    assert isinstance(out, (list, tuple)) and len(out) == 3, f"two bins: three shares are wanted, got {out!r}"
    return list(out) if LOST == "end" else [*out[1:], out[0]]  # the bins first, as the messages below name them


def near(a, b):
    return all(close(x, y) for x, y in zip(a, b, strict=True))


clean, dirty = 4 * math.log(10 / 9) / HARMFUL, 4 * math.log(2) / HARMFUL  # a block of 0.25 cm² works with probability 0.9 and 0.5
out = bin_shares(250, 0.4, 4, [0, 1], [(1.0, clean)])
assert isinstance(out, (list, tuple)), f"a list is wanted; got {type(out).__name__}: end your function with `return ...`"
assert len(out) != 2, "two shares for two bins; the share that is lost stands at the << LOST >>, as a third"
assert len(out) == 3, f"one share for each of two bins and one that is lost: 3 numbers, got {len(out)}"
assert all(isinstance(share, float) for share in out), f"shares are floats, got {out}"
# variant: if LOST == "start"
assert not close(out[2], 1 - 0.9**6 * 0.9477), (
    "0.49635, the share that is lost, stands at the end of your list; in this version of the exercise it stands at the start"
)
out = [out[1], out[2], out[0]]
# variant: endif
# variant: if HARMFUL != 1
assert not close(out[0], 0.9 ** (10 / HARMFUL)), (
    "<< '%.4f' % (0.9 ** (10 / HARMFUL)) >>: you counted all defects; in this version of the exercise only << {0.75: 'three quarters', 0.5: 'half', 0.25: 'a quarter'}[HARMFUL] >> of them do harm"
)
assert not any(close(out[0], 0.9 ** (10 * share / HARMFUL)) for share in {0.75, 0.5, 0.25} - {HARMFUL}), (
    f"{out[0]:.4f}: that is for another share of harmful defects; "
    "in this version of the exercise it is << {0.75: 'three quarters', 0.5: 'half', 0.25: 'a quarter'}[HARMFUL] >>"
)
# variant: endif
assert not close(out[0], 0.9**4), "0.656: the rest of the die was left out; a defect there kills the die"
assert not close(out[0], 0.9**6 * 0.1**4), "0.00005: all blocks dead instead of none; p and 1 - p are swapped"
assert out[0] > 1e-9, "almost no die works: are defects per cm² multiplied by mm²?"
assert not close(out[0], 0.9**22), "0.098: each block got the area of all blocks; divide by n_blocks"
assert not close(out[0], 0.9**16), "0.185: the blocks cover 40 % of the die, not all of it"
assert not close(out[0], 0.9**14), "0.229: the rest is 60 % of the die, not all of it"
assert not close(out[0], 0.9**8), "0.430: the rest was given the area of the blocks; it is 1 - block_share of the die"
assert not close(out[0], 0.9**7), "0.478: one block is alive; in the first bin all of them are"
assert close(out[0], 0.9**10), f"worked example: the first bin has 0.34868, got {out[0]!r}"
assert not close(out[1], 0.9**6 * (0.6561 + 0.2916)), "0.504: the second bin holds the first one, too; a die goes into the first bin that takes it"
assert not close(out[1], 0.9**6 * 0.0729), "0.0387: any of the 4 blocks may be the dead one, comb(4, 1) = 4 ways"
assert not close(out[1], 0.9**10 * 4 * math.log(10 / 9)), (
    "0.147: that is the chance of exactly one DEFECT; a block with two defects is one dead block, too"
)
assert close(out[1], 0.9**6 * 0.2916), f"worked example: the second bin has 0.15497, got {out[1]!r}"
assert not close(out[2], 0.9**6 * 0.0523), "0.0278: dies whose rest has a defect are lost, too; the shares sum to 1"
assert close(out[2], 1 - 0.9**6 * 0.9477), f"worked example: 0.49635 is lost, got {out[2]!r}"
out = three_shares(250, 0.4, 4, [1, 3], [(1.0, clean)])
assert not near(out[:2], [0.9**6 * 0.2916, 0.9**6 * 0.0036]), "bins [1, 3]: the first takes 0 and 1 dead blocks, the second 2 and 3"
expected = [0.9**6 * 0.9477, 0.9**6 * 0.0522]
assert near(out[:2], expected), f"bins [1, 3]: expected {expected}, got {out[:2]}"
out = three_shares(250, 0.4, 4, [0, 1], [(0.75, clean), (0.25, dirty)])
assert not close(out[0], 0.9**10), "a second, dirty place makes no difference: only the first is used"
mean = 0.75 * clean + 0.25 * dirty
assert not close(out[0], math.exp(-2.5 * mean * HARMFUL)), "0.080: the mean density was put in; average the shares of the places, not their densities"
assert not close(out[0], (0.9**10 + 0.5**10) / 2), "0.175: a place counts by its share of the dies, 0.75 and 0.25 here"
assert not close(out[0], 0.9**10 + 0.5**10), "0.350: the places were added up; each counts by its share"
expected = [0.75 * 0.9**10 + 0.25 * 0.5**10, 0.75 * 0.9**6 * 0.2916 + 0.25 * 0.5**6 * 0.25]
assert near(out[:2], expected) and close(sum(out), 1), f"two places: expected {expected} and the rest lost, got {out}"

# %% nbgrader={"grade": true, "grade_id": "dead-blocks-hidden", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from math import exp, isclose

rng = random.Random(705)
drawn = []
for n, n_bins in ((12, 2), (50, 4), (5, 1)):
    share = rng.uniform(0.1, 0.9)
    places = [(share, rng.uniform(0, 0.5)), (1 - share, rng.uniform(0.2, 2))]
    drawn.append((rng.uniform(50, 820), rng.uniform(0.2, 1), n, sorted(rng.sample(range(n), n_bins)), places))

def number_dead(n, p):
    """Chances of 0, 1, ..., n dead blocks, one block after the other."""
    chances = [1.0]
    for _ in range(n):
        dead, alive = [0.0] + [c * p for c in chances], [c * (1 - p) for c in chances] + [0.0]
        chances = [a + b for a, b in zip(dead, alive, strict=True)]
    return chances


for mm2, block_share, n, bins, places in [
    (814, 0.7, 144, [0, 12], [(1.0, 0.1)]),
    (814, 0.7, 144, [0, 4, 12, 36], [(0.8, 0.05), (0.2, 0.3)]),
    (665, 0.55, 32, [4], [(0.5, 0.1), (0.3, 0.2), (0.2, 0.9)]),
    (120, 1.0, 8, [0, 1, 8], [(1.0, 0.5)]),
    (300, 0.5, 1, [0], [(0.25, 0.0), (0.75, 0.4)]),
    (400, 0.25, 6, [2, 3, 5], [(1.0, 0.0)]),
    (90, 0.9, 20, [1], [(0.1, 5.0), (0.9, 0.01)]),
    *drawn,
]:
    expected = [0.0] * len(bins)
    for share, density in places:
        # variant: if HARMFUL != 1
        density *= HARMFUL
        # variant: endif
        chances = number_dead(n, 1 - exp(-density * mm2 / 100 * block_share / n))
        for j, chance in enumerate(chances):
            fitting = [i for i, most in enumerate(bins) if j <= most]
            if fitting:
                expected[fitting[0]] += share * chance * exp(-density * mm2 / 100 * (1 - block_share))
    # variant: if LOST == "end"
    expected.append(1 - sum(expected))
    # variant: else
    expected.insert(0, 1 - sum(expected))
    # variant: endif
    out = bin_shares(mm2, block_share, n, list(bins), list(places))
    what = f"{mm2} mm², {n} blocks on {block_share}, most_dead {bins}, places {places}"
    assert isinstance(out, (list, tuple)) and len(out) == len(bins) + 1, f"{what}: {len(bins) + 1} shares, got {out!r}"
    for said, right in zip(out, expected, strict=True):
        same = isinstance(said, (int, float)) and isclose(said, right, rel_tol=1e-7, abs_tol=1e-9)
        assert same, f"{what}: expected {expected}, got {out}; are all {len(places)} places in the sum, each with its share?"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "dead-blocks-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess, for a die like the H100's. How much of it the blocks cover is not public; the figure in the cell of parameters, near the top, is an assumption.

# %% nbgrader={"grade": false, "grade_id": "dead-blocks-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for what, places in {"spread evenly": EVEN, "in clusters": CLUSTERED}.items():
    for most in MAY_BE_DEAD:
        lost = bin_shares(**H100_DIE, most_dead=[most], places=places)[-1 if LOST == "end" else 0]
        print(f"{what:14} up to {most:2} dead blocks: {1 - lost:.1%} of the dies are sold")

# %% [markdown] nbgrader={"grade": false, "grade_id": "small-dies-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · A bill with five bugs  (difficulty 3 of 5 · 16 minutes · 13 points)
#
# If large dies fail so often, why not make a chip of several small ones? A colleague wrote a function that says what a working chip then costs. It runs, its numbers look right, and it holds **five bugs**. Write `chip_cost`: copy the body, find all five, mend them.
#
# 1. The logic, `logic_mm2` in all, is cut into `n` equal pieces. Each piece also needs `link_mm2` to talk to the others, unless `n` is 1. A piece is a die.
# 2. A piece works with probability `(1 + x / alpha) ** -alpha`, where `x` is the number of defects on a piece on average.
# <% if TEST_PLACES == 0 %>
# 3. A wafer costs `wafer_usd` and has `per_wafer` pieces of this size.
# <% else %>
# 3. A wafer costs `wafer_usd` and has `per_wafer` places of this size. << TEST_PLACES >> of them hold patterns that only test the wafer, all others hold pieces.
# <% endif %>
# 4. If `tested`, every piece is tested for `test_usd`, good or bad, and only good ones go on (no test is ever wrong). If not, nothing is tested, and all go on.
# 5. `n` pieces are joined for `join_usd`, which is paid whether it succeeds or not. For each of the `n` pieces joining succeeds with probability `join_yield`, also if `n` is 1. If one fails, the chip and all its pieces are lost.
# 6. The chip works if all joins succeeded and all its pieces work.
#
# | in: dict `job` | | out: dict | |
# |---|---|---|---|
# | `logic_mm2`, `n`, `link_mm2` | mm², int, mm² | `"piece_mm2"` | area of a piece |
# | `defects_per_cm2`, `alpha` | see 2; 1 cm² is 100 mm² | `"piece_yield"` | share of pieces that work |
# | `wafer_usd`, `per_wafer` | see 3 | `"chip_yield"` | share of the joined chips that work |
# | `tested`, `test_usd` | bool, dollars | `"usd"` | dollars for each working chip |
# | `join_usd`, `join_yield` | see 5 | `"wafers"` | int: whole wafers for `chips` working chips |
# | `chips` | int | | |
#
# Worked example: 480 mm² of logic in 2 pieces, `link_mm2 = 10`: a piece has 250 mm². With 0.8 defects per cm² x is 2, with `alpha = 2` the yield is 2⁻² = 0.25. A wafer of 8,000 dollars has << "200 pieces" if TEST_PLACES == 0 else "%d places, so 200 pieces" % (200 + TEST_PLACES) >>, 40 dollars each. Tested at 5 dollars: 45 dollars for each piece, 180 for each **good** one.
# `join_usd = 60`, `join_yield = 0.8`: 0.64 of the chips work. Each costs (2 · 180 + 60) / 0.64 = 656.25 dollars. For 990 chips 3,093.75 good pieces are needed, 12,375 pieces, 61.875 wafers: `62`. Not tested: 0.64 · 0.25² = 0.04 of the chips work, each costs (2 · 40 + 60) / 0.04 = 3,500 dollars.
#
# Before you read on: if defects fall evenly and a large die has a yield of 40 %, each half of it has 63 %, and 0.63 · 0.63 is 0.40 again. So what is gained by cutting it in two?
#
# *Stuck?* `hint("small-dies")`


# %% nbgrader={"grade": false, "grade_id": "small-dies-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def chip_cost_with_bugs(job: dict) -> dict:
    n = job["n"]
    # variant: if TEST_PLACES == 4
    job = job | {"per_wafer": job["per_wafer"] - 4}
    # variant: elif TEST_PLACES == 8
    job = job | {"per_wafer": job["per_wafer"] - 8}
    # variant: elif TEST_PLACES == 12
    job = job | {"per_wafer": job["per_wafer"] - 12}
    # variant: endif
    piece_mm2 = job["logic_mm2"] / n + (job["link_mm2"] if n > 1 else 0)
    x = job["logic_mm2"] / 100 * job["defects_per_cm2"]
    piece_yield = (1 + x / job["alpha"]) ** -job["alpha"]
    usd = job["wafer_usd"] / job["per_wafer"]
    chip_yield = job["join_yield"] ** n
    if job["tested"]:
        usd = usd / piece_yield + job["test_usd"]
    else:
        chip_yield = chip_yield * piece_yield
    pieces = job["chips"] * n / chip_yield
    return {
        "piece_mm2": piece_mm2,
        "piece_yield": piece_yield,
        "chip_yield": chip_yield,
        "usd": n * usd / chip_yield + job["join_usd"],
        "wafers": math.ceil(pieces / job["per_wafer"]),
    }


# %% nbgrader={"grade": false, "grade_id": "small-dies", "locked": false, "schema_version": 3, "solution": true, "task": false}
def chip_cost(job: dict) -> dict:
    """Area and yield of a piece, yield and dollars of a chip that is made of several, and wafers for many chips."""
    ### BEGIN SOLUTION
    n = job["n"]
    # variant: if TEST_PLACES
    job = job | {"per_wafer": job["per_wafer"] - TEST_PLACES}
    # variant: endif
    piece_mm2 = job["logic_mm2"] / n + (job["link_mm2"] if n > 1 else 0)
    x = piece_mm2 / 100 * job["defects_per_cm2"]
    piece_yield = (1 + x / job["alpha"]) ** -job["alpha"]
    usd = job["wafer_usd"] / job["per_wafer"]
    chip_yield = job["join_yield"] ** n
    if job["tested"]:
        usd = (usd + job["test_usd"]) / piece_yield
    else:
        chip_yield = chip_yield * piece_yield**n
    pieces = job["chips"] * n / chip_yield
    if job["tested"]:
        pieces = pieces / piece_yield
    return {
        "piece_mm2": piece_mm2,
        "piece_yield": piece_yield,
        "chip_yield": chip_yield,
        "usd": (n * usd + job["join_usd"]) / chip_yield,
        "wafers": math.ceil(pieces / job["per_wafer"]),
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "small-dies-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
job = {
    "logic_mm2": 480, "n": 2, "link_mm2": 10, "defects_per_cm2": 0.8, "alpha": 2, "wafer_usd": 8000, "per_wafer": 200 + TEST_PLACES,
    "tested": True, "test_usd": 5, "join_usd": 60, "join_yield": 0.8, "chips": 990,
}  # fmt: skip
out = chip_cost(dict(job))
assert isinstance(out, dict), f"a dict is wanted; got {type(out).__name__}: end your function with `return ...`"
missing = {"piece_mm2", "piece_yield", "chip_yield", "usd", "wafers"} - set(out)
assert not missing, f"the dict lacks {sorted(missing)}"
assert close(out["piece_mm2"], 250), f"piece_mm2 is 480 / 2 + 10 = 250: this line had no bug; got {out['piece_mm2']!r}"
assert not close(out["piece_yield"], (1 + 3.84 / 2) ** -2), "piece_yield is 0.117: read item 2 again"
assert not close(out["piece_yield"], (1 + 1.92 / 2) ** -2), "piece_yield is 0.260: the area is not yet that of item 1"
assert close(out["piece_yield"], 0.25), f"250 mm² and 0.8 per cm²: expected a piece_yield of 0.25, got {out['piece_yield']!r}"
assert not close(out["chip_yield"], 0.8), "chip_yield is 0.80 with tested pieces: read item 5 again"
assert close(out["chip_yield"], 0.64), f"tested: expected a chip_yield of 0.64, got {out['chip_yield']!r}"
usd = out["usd"]
# variant: if TEST_PLACES
assert not close(usd, {4: 646.446, 8: 637.019, 12: 627.948}[TEST_PLACES], 1e-5), (
    "usd is << {4: '646.45', 8: '637.02', 12: '627.95'}[TEST_PLACES] >>: in this version of the exercise << TEST_PLACES >> places of a wafer hold test patterns, read item 3 again"
)
# variant: endif
assert not close(usd, 2 * 165 / 0.64 + 60), "usd is 575.63: read items 4 and 5 again"
assert not close(usd, (2 * 165 + 60) / 0.64), "usd is 609.38: read item 4 again"
assert not close(usd, 2 * 180 / 0.64 + 60), "usd is 622.50: read item 5 again"
assert close(usd, 656.25), f"worked example: expected 656.25 dollars, got {usd!r}"
assert not close(out["wafers"], 16), "wafers is 16: read item 4 again"
assert not close(out["wafers"], 61), "wafers is 61: whole wafers are wanted, and 61 are too few"
assert close(out["wafers"], 62), f"worked example: expected 62 wafers, got {out['wafers']!r}"
assert isinstance(out["wafers"], int), "wafers are counted: an int is wanted"
out = chip_cost(job | {"tested": False})
assert not close(out["chip_yield"], 0.16), "not tested, chip_yield is 0.16: read item 6 again"
assert not close(out["chip_yield"], 0.64), "not tested, chip_yield is 0.64, as if every piece worked: read item 6 again"
assert close(out["chip_yield"], 0.04), f"not tested: expected a chip_yield of 0.04, got {out['chip_yield']!r}"
assert not close(out["usd"], 3750), "not tested, usd is 3,750: read the end of item 4 again"
assert close(out["usd"], 3500), f"not tested: expected 3,500 dollars, got {out['usd']!r}"
assert not close(out["wafers"], 990), "not tested, wafers is 990: piece_yield came in twice"
assert close(out["wafers"], 248), f"not tested: 24,750 chips, 49,500 pieces, 247.5 wafers, so 248; got {out['wafers']!r}"
out = chip_cost(job | {"n": 1, "logic_mm2": 250})
assert close(out["piece_mm2"], 250), f"one piece needs no link: 250 mm², got {out['piece_mm2']!r}"
assert close(out["usd"], 300), f"one piece of 250 mm² is joined as well, item 5: (180 + 60) / 0.8 = 300 dollars, got {out['usd']!r}"

# %% nbgrader={"grade": true, "grade_id": "small-dies-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from fractions import Fraction
from math import ceil, isclose

names = ("logic_mm2", "n", "link_mm2", "defects_per_cm2", "alpha", "wafer_usd", "per_wafer", "test_usd", "join_usd", "join_yield", "chips")
rng = random.Random(706)
drawn = [
    (
        rng.randint(100, 1600), n, rng.randint(0, 40), f"{rng.uniform(0.02, 0.6):.3f}", rng.randint(1, 5),
        rng.randint(3000, 20_000), rng.randint(60, 900), rng.randint(0, 30), rng.randint(0, 300),
        f"{rng.uniform(0.7, 0.999):.3f}", rng.randint(1, 10**6),
    )
    for n in (1, 2, 3, 6)
]  # fmt: skip
for row in [
    (640, 1, 20, "0.2", 3, 9346, 84, 10, 60, "0.98", 100_000),
    (640, 2, 20, "0.2", 3, 9346, 175, 10, 60, "0.98", 100_000),
    (640, 4, 20, "0.2", 3, 9346, 347, 10, 60, "0.98", 77_777),
    (900, 3, 0, "0.5", 1, 16_988, 190, 0, 5, "0.9", 1),
    (800, 8, 12, "0.05", 2, 3984, 560, 4, 90, 1, 12_345),
    (250, 5, 50, 0, 4, 5000, 640, 3, 0, "0.75", 2000),
    *drawn,
]:
    for tested in (True, False):
        job = {name: float(value) if isinstance(value, str) else value for name, value in zip(names, row, strict=True)} | {"tested": tested}
        logic, n, link, density, alpha, wafer, per_wafer, test, join, join_yield, chips = map(Fraction, row)
        area = logic / n + (link if n > 1 else 0)
        good = 1 / (1 + area / 100 * density / alpha) ** int(alpha)
        works = join_yield ** int(n) * (1 if tested else good ** int(n))
        per_wafer -= TEST_PLACES
        piece_usd = wafer / per_wafer
        good_usd = (piece_usd + test) / good if tested else piece_usd
        expected = {
            "piece_mm2": area, "piece_yield": good, "chip_yield": works, "usd": (n * good_usd + join) / works,
            "wafers": ceil(chips * n / works / (good if tested else 1) / per_wafer),
        }  # fmt: skip
        out = chip_cost(dict(job))
        assert isinstance(out, dict), f"{job}: a dict is wanted, got {type(out).__name__}"
        for name, number in expected.items():
            said = out.get(name)
            right = isinstance(said, (int, float)) and isclose(said, number, rel_tol=1e-9)
            assert right, f"{job}: {name} should be {float(number)}, got {said!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "small-dies-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the question: the same logic as one die, and in two and four pieces, tested and not.

# %% nbgrader={"grade": false, "grade_id": "small-dies-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for pieces, per_wafer in {1: ONE_LARGE_DIE["per_wafer"], **SMALLER_DIES}.items():
    for tested in (True, False):
        bill = chip_cost(ONE_LARGE_DIE | {"n": pieces, "per_wafer": per_wafer, "tested": tested})
        how = "tested before joining" if tested else "not tested"
        print(f"{pieces} x {bill['piece_mm2']:3.0f} mm², {how:22}: {bill['piece_yield']:.0%} of the pieces work, {bill['usd']:6.0f} dollars, {bill['wafers']:6,} wafers")

# %% [markdown] nbgrader={"grade": false, "grade_id": "printed-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · Can it be true?  (difficulty 3 of 5 · 19 minutes · 15 points)
#
# Bills, percentages of profit, losses on a day: many printed figures are made from other printed figures, and all of them are rounded. Before you call one wrong, find out what the others **allow**.
#
# A printed number stands for all numbers that are rounded to it: `"2.50"` for everything from 2.495 to 2.505, `"180"` for 179.5 to 180.5, `"12,345"` for 12,344.5 to 12,345.5. So `"2.5"` and `"2.50"` are not the same. An int, such as 24 hours, is exact.
#
# Write `allows`: what can the product of all numbers in `over`, divided by all in `under`, be at least and at most, and can it be what was printed?
#
# | in | | out: dict | |
# |---|---|---|---|
# | `over`, `under` | lists; each entry is a str (printed), an int (exact), or a pair of two strings `[a, b]`, which means a - b | `"low"`, `"high"` | floats, the least and the most |
# | `printed` | str | `"can_be"` | bool: some number from low to high is one for which `printed` stands |
#
# All numbers and differences are above 0, a comma only separates thousands, and `under` may be empty. Each entry varies on its own. In no check do the two ranges share only an end point, so `<` or `<=` is the same.
#
# Worked example: `over = [["12.0", "8.0"], "2.50"]`, `under = [3]`. The difference is at least 11.95 - 8.05 = 3.9 and at most 12.05 - 7.95 = 4.1. So the result lies between 3.9 · 2.495 / 3 = 3.2435 and 4.1 · 2.505 / 3 = 3.4235. `"3.4"` stands for 3.35 to 3.45: it can be. `"3.1"`, 3.05 to 3.15, cannot.
#
# Before you write: pages differ by four billion dollars on what Nvidia lost on one day. Prices are printed to the cent, the number of shares to a hundredth of a billion. Is the rounding of these enough to explain the four billion?
#
# *Stuck?* `hint("printed")`


# %% nbgrader={"grade": false, "grade_id": "printed", "locked": false, "schema_version": 3, "solution": true, "task": false}
def allows(over: list, under: list, printed: str) -> dict:
    """The range of a quotient of rounded numbers, and whether a printed result can be in it."""
    ### BEGIN SOLUTION
    def ends(entry: str | int | list) -> tuple[float, float]:
        if isinstance(entry, int):
            return entry, entry
        if isinstance(entry, str):
            digits = entry.replace(",", "")
            half = 0.5 * 10 ** -len(digits.partition(".")[2])
            return float(digits) - half, float(digits) + half
        (a_low, a_high), (b_low, b_high) = map(ends, entry)
        return a_low - b_high, a_high - b_low

    low = high = 1.0
    for entry in over:
        low, high = low * ends(entry)[0], high * ends(entry)[1]
    for entry in under:
        low, high = low / ends(entry)[1], high / ends(entry)[0]
    printed_low, printed_high = ends(printed)
    return {"low": low, "high": high, "can_be": low <= printed_high and printed_low <= high}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "printed-visible", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}


def ask(*given):
    """What comes back, if it is a dict with all three."""
    out = allows(*given)
    assert isinstance(out, dict), f"a dict is wanted; got {type(out).__name__}: end your function with `return ...`"
    missing = {"low", "high", "can_be"} - set(out)
    assert not missing, f"the dict lacks {sorted(missing)}"
    assert isinstance(out["can_be"], bool), f"can_be is True or False, got {out['can_be']!r}"
    return out["low"], out["high"], out["can_be"]


low, high, can_be = ask(["2.50"], [], "2.5")
assert not close(low, 2.5), "2.50 is taken as exact; it stands for 2.495 to 2.505"
assert not close(low, 2.49), "2.49: half a unit of the last digit on either side, not a whole one"
assert not close(low, 2.45), "2.45: the last digit of 2.50 is its 0, so the unit is 0.01; count digits before you make a float"
assert not close(low, 2.0), "2.0: the unit is that of the last digit printed, 0.01, not 1"
assert close(low, 2.495) and close(high, 2.505), f"2.50 stands for 2.495 to 2.505, got {low!r} to {high!r}"
low, high, can_be = ask(["12,345"], [], "12,345")
assert close(low, 12_344.5, 1e-9) and close(high, 12_345.5, 1e-9), f"12,345 stands for 12,344.5 to 12,345.5, got {low!r} to {high!r}"
low, high, can_be = ask([24], [], "24.0")
assert not close(low, 23.5), "23.5: an int is exact, it has no range"
assert close(low, 24) and close(high, 24), f"the int 24 is exact, got {low!r} to {high!r}"
low, high, can_be = ask(["9.0"], ["4.0"], "2")
assert not close(low, 8.95 / 3.95), "low is 8.95 / 3.95: to make a quotient small, divide by the LARGEST that the lower number can be"
assert close(low, 8.95 / 4.05) and close(high, 9.05 / 3.95), f"9.0 / 4.0: 2.2099 to 2.2911, got {low!r} to {high!r}"
assert can_be, "2 stands for 1.5 to 2.5, which holds all that 9.0 / 4.0 allows: it can be. Compare two ranges, not 2 with a range"
assert ask(["9.0"], ["4.0"], "2.2")[2], (
    "2.2 stands for 2.15 to 2.25, and 9.0 / 4.0 allows 2.21 to 2.29: not all of it, but 2.21 to 2.25 is common to both, so it can be"
)
assert ask(["9.0"], ["4.0"], "2.28")[2], "2.28 lies inside what 9.0 / 4.0 allows, 2.21 to 2.29: it can be, though 9 / 4 is 2.25"
assert not ask(["9.0"], ["4.0"], "2.4")[2], "9.0 / 4.0 allows 2.21 to 2.29; 2.4 stands for 2.35 to 2.45, so it cannot be"
assert not ask(["9.0"], ["4.0"], "2.1")[2], "9.0 / 4.0 allows 2.21 to 2.29; 2.1 stands for 2.05 to 2.15, so it cannot be"
low, high, can_be = ask([["12.0", "8.0"]], [], "4.0")
assert not close(low, 4), "low is 4.0: a difference is smallest when its first number is low and its second HIGH"
assert not close(low, 3.95), "low is 3.95: both numbers of a difference are rounded, so both vary"
assert close(low, 3.9) and close(high, 4.1), f"12.0 - 8.0: from 3.9 to 4.1, got {low!r} to {high!r}"
low, high, can_be = ask([["12.0", "8.0"], "2.50"], [3], "3.4")
assert close(low, 3.2435) and close(high, 3.4235), f"worked example: 3.2435 to 3.4235, got {low!r} to {high!r}"
assert can_be and not ask([["12.0", "8.0"], "2.50"], [3], "3.1")[2], "worked example: 3.4 can be, 3.1 cannot"
low, high, can_be = ask([2, "5.0"], ["4.0", 2, ["9", "6"]], "0.5")
assert close(low, 4.95 / 4.05 / 4) and close(high, 5.05 / 3.95 / 2), (
    f"2 · 5.0 / (4.0 · 2 · (9 - 6)), where 9 - 6 is 2 to 4: 0.3056 to 0.6392, got {low!r} to {high!r}"
)

# %% nbgrader={"grade": true, "grade_id": "printed-hidden", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
from fractions import Fraction
from itertools import product
from math import isclose


def both_ends(text):
    plain = text.replace(",", "")
    decimals = len(plain) - plain.index(".") - 1 if "." in plain else 0
    return [Fraction(plain) + sign * Fraction(1, 2 * 10**decimals) for sign in (-1, 1)]


def values(entry):
    if isinstance(entry, int):
        return [Fraction(entry)]
    if isinstance(entry, str):
        return both_ends(entry)
    return [a - b for a in both_ends(entry[0]) for b in both_ends(entry[1])]


for over, under, printed in [
    (["2.788", 2], [], "5.576"),
    (["2.788", "2.00"], [], "5.5"),
    (["2,664"], ["14.8"], "180"),
    ([["142.62", "118.42"], "24.49"], [], "593"),
    ([["142.62", "118.42"], "24.49"], [], "589"),
    ([["142.62", "118.58"], "24.49"], [], "589"),
    ([100, ["562,027", "87,072"]], ["87,072"], "545"),
    ([100, ["562,027", "87,072"]], ["562,027"], "84.50"),
    (["168", 10**6], ["226.75", 24, 3600], "14.8"),
    ([516_096], [70_272], "7.28"),
    ([516_096], [70_272], "7.34"),
    ([405], [37], "10.9"),
    (["0.05", "1,234,567"], [["1.10", "0.95"], "3"], "150000"),
    (["660.6", 8], [], "10,570"),
    ([7], ["12", "0.250"], "2.3333"),
]:
    tops, bottoms = [values(entry) for entry in over], [values(entry) for entry in under]
    quotients = []
    for corner in product(*tops, *bottoms):
        number = Fraction(1)
        for i, value in enumerate(corner):
            number = number * value if i < len(tops) else number / value
        quotients.append(number)
    low, high = min(quotients), max(quotients)
    printed_low, printed_high = both_ends(printed)
    can_be = low <= printed_high and printed_low <= high
    out = allows(list(over), list(under), printed)
    what = f"over {over}, under {under}, printed {printed!r}"
    assert isinstance(out, dict), f"{what}: a dict is wanted, got {type(out).__name__}"
    for name, number in (("low", low), ("high", high)):
        said = out.get(name)
        right = isinstance(said, (int, float)) and isclose(said, number, rel_tol=1e-9)
        assert right, f"{what}: {name} should be {float(number)}, got {said!r}"
    assert out.get("can_be") is can_be, f"{what}: can_be should be {can_be}, got {out.get('can_be')!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "printed-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It asks of figures that were really printed whether they can be true together. A "no" says that **these** inputs do not give that result, not who is wrong: the thousands of tokens a second, for example, were said of the nodes that write, not of all nodes; Nvidia's lower loss goes with another close of the same day; 7.28 stands beside these two numbers of bytes in a table of DeepSeek's own paper, where they give 7.34; and 10,570 doubles once more, for the 2 that is in these TOPS already.

# %% nbgrader={"grade": false, "grade_id": "printed-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
width = max(len(what) for what, *_ in CLAIMS)
for what, over, under, printed in CLAIMS:
    found = allows(over, under, printed)
    print(f"{what:{width}}{found['low']:>10,.5g} to {found['high']:>8,.5g}   printed {printed:>7}: {'can be' if found['can_be'] else 'NO'}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "chips-numbers-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# For the last question, three factories that were made up. All make a die of << FACTORY_MM2 >> mm² (of which the 32 blocks of C cover 70 %), and the shares come from the function of exercise 5<< "" if HARMFUL == 1 else ", if all these defects do harm" >>.

# %% nbgrader={"grade": false, "grade_id": "chips-numbers", "locked": true, "schema_version": 3, "solution": false, "task": false}
# variant: if FACTORY_MM2 != 665
THREE_FACTORIES = dict(zip(THREE_FACTORIES, OTHER_SIZES[FACTORY_MM2], strict=True))
# variant: endif
for what, (perfect, sold) in THREE_FACTORIES.items():
    print(f"{what}: {perfect:.0%} of the dies have no defect, {sold:.0%} are sold")

# %% [markdown] nbgrader={"grade": false, "grade_id": "chips-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · In your own words  (difficulty 3 of 5 · 16 minutes · 12 points)
#
# Early in 2025 a newspaper reported, from unnamed people, that the yield of Huawei's largest AI chip had risen from 20 to about 40 % within a year. A colleague concludes: "So next year they make twice as many chips at half the price, their factory is now as good as anybody's, and export rules no longer matter." In eight
# to twelve sentences: What does follow from 40 instead of 20 %, and for which quantity, if all else stays the same? Which parts of a chip's price does it leave as they are? Use the three factories: what can the one word "yield" mean, and what does it therefore not tell about the factory? Name two figures that are not public and
# would be needed for "twice as many chips", and one observation that somebody outside could make. Which part of the last claim would be wrong at any yield? Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "chips-question", "locked": false, "points": 12, "schema_version": 3, "solution": true, "task": false}
# With the same wafers, twice the yield gives twice the good dies, and half the wafer's price for each good die; that is all that follows. Memory, packaging, testing and the boards cost what they cost before, and they may well be more than the silicon, so the price of a chip falls by far less than half. "Twice as
# many" holds only if as many wafers are started and if memory and packaging can follow. The word yield is not defined: A and B have the same mean number of defects, and << {500: "50 and 60", 600: "43 and 56", 665: "39 and 53", 750: "35 and 50"}[FACTORY_MM2] >> % of their dies work, only because defects lie differently; C has three times the defects of A, one die in << {500: "nine", 600: "fourteen", 665: "twenty", 750: "twenty-seven"}[FACTORY_MM2] >> without any,
# and sells << "" if FACTORY_MM2 in (665, 750) else "about " >>as many as A, because four dead blocks are allowed. So 40 % does not tell how clean a factory is, unless one knows the area of the die, how defects cluster and what counts as good; and from 20 to 40 % one may come by selling weaker chips. Not public are the wafers per month that are given to this chip, the area
# of its dies, how many blocks may be off, and how many stacks of memory can be bought. From outside one could buy some of these chips and count the blocks that are switched on, or open them and measure the dies, or count chips in announced clusters and imports of machines. Export rules also reach the machines that print finer lines, fast memory, and
# chips that are made elsewhere; they decide which generation a factory can print at all and with how many exposures. A yield says how much of that comes out whole, not how good it is: a chip of an older generation needs more of them, and more power, for the same work.
#
# === BEGIN MARK SCHEME ===
# 2 points: with the same number of wafers twice the good dies, half the silicon's cost per good die; nothing else follows.
# 2 points: memory, packaging, test (two of them) are left as they are, so the price falls by less than half.
# 3 points: yield means different things: A against B (clusters), A against C (salvage: as many sold with three times the defects); so 40 % does not say how clean the factory is. 2 points if only one comparison is used.
# 2 points: two unknown figures (wafers started, die area, blocks that may be off, supply of memory or packaging).
# 1 point: an observation from outside that could be made (teardowns, counting blocks that are on, counting chips in clusters, imports).
# 2 points: rules are about other things too: machines, memory, generation, power, chips made elsewhere; yield is no measure of how good a chip is.
# === END MARK SCHEME ===
