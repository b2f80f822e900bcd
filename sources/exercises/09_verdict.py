# %% [markdown] nbgrader={"grade": false, "grade_id": "verdict-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 09 · The verdict: what a right answer costs, how sure anybody can be, for how many people, and what would turn it round
#
# Four functions and one page in words, 100 points; the printed times sum to 127 minutes. This set is the last one: its functions join what lessons 02 to 08 found, and none of them is printed in a lesson. You will find what a right answer costs when some
# problems are hopeless, how sure two totals on a leaderboard can make you, how few chips serve so many people, and which assumption would have to move, and how far, before your verdict turns round. Then you write the verdict. It earns 40 points, and your instructor reads it by a rubric
# that stands right above your answer. Nothing here needs a network or a GPU, and every cell takes a moment.
#
# `hint("price-of-right")` prints one hint for the exercise with that name, the next call prints the next. The name is the one in the line *Stuck?* of each exercise. `racecourse check 09_verdict` says what your work earns so far.
#
# **Words and units.** A *token* is a piece of a word. *Accuracy* is the share of problems that are answered rightly. A *copy* of a model is one set of its weights on the chips that hold it, ready to serve. An *assumption* is a number that you put in without having measured it.

# %% nbgrader={"grade": false, "grade_id": "verdict-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import math
from itertools import product

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "verdict-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Skip this cell; each exercise uses a part of it.
EUR_PER_CHIP_HOUR = 2 / 1.0411  # 2 dollars an hour, as DeepSeek-V3's report assumes for an H800; ECB's rate of 2025-02-28
# Lesson 06's estimate for H800 chips, 8 bits a weight, 5,000 tokens in each user's cache, at least 20 tokens per second for each:
# (chips of one copy, tokens per second that it writes in all). Sending between chips in the open, or hidden behind arithmetic.
WAYS = {
    "in the open": {
        "QwQ-32B": [(1, 828), (2, 2171), (4, 4706), (8, 9160)],
        "DeepSeek-R1": [(16, 10_300), (32, 28_004), (64, 63_290), (128, 133_807), (256, 274_807)],
    },
    "hidden": {
        "QwQ-32B": [(1, 828), (2, 2288), (4, 5165), (8, 10_900)],
        "DeepSeek-R1": [(16, 14_272), (32, 44_812), (64, 101_385), (128, 214_522), (256, 440_792)],
    },
}
# 256 contest problems (AIME 2024 and 2025, HMMT 2024 and 2025), both models measured by NVIDIA (arXiv 2504.16891); lesson 09.
RIGHT = {"QwQ-32B": 0.597, "DeepSeek-R1": 0.574}
# Tokens of an answer on AIME 2025: QwQ-32B by Hassid and others (arXiv 2505.17813), R1 by its maker (2025-05-28); lesson 09.
TOKENS = {"QwQ-32B": 14_500, "DeepSeek-R1": 12_000}
LIST_PRICE = 2.19  # dollars per million tokens that R1 writes: its maker's own price list of 2025-02-28; prompts cost extra
CHECKER = {"answer_eur": 0.0066, "check_eur": 0.0005, "keeps": 0.95}  # 14,500 tokens at 0.45 euros per million, and a check
# Problems, and how many two models solved: published percentages, to the nearest whole problem.
PAIRS = [
    ("AIME 2024, QwQ-32B-Preview and QwQ-32B: 50.0 % by R1's makers, 79.5 % by its own", 30, 15, 24),
    ("AIME 2024, QwQ-32B and R1: 79.5 and 79.8 %, each by its own maker", 30, 24, 24),
    ("256 contest problems, QwQ-32B and R1: 59.7 and 57.4 %, both by NVIDIA", 256, 153, 147),
]
COMPARED, SIZES = (0.80, 0.77), [100, 200, 500]  # two accuracies, and how many problems a benchmark has
ANSWERS_PER_HOUR = 2  # that one person asks for, on average over the day: an assumption; one of: 1, 2, 3, 4
PEOPLE = [20, 100, 200, 500, 1000, 2000, 3000, 4000, 6000, 8000, 10_000, 20_000, 40_000]
PRICE_RATIOS = {"in the open": 1.10, "hidden": 0.79}  # of a token, R1 over QwQ-32B, by lesson 06
QWQ_EUR = 0.0066  # of one answer of QwQ-32B
ASSUMED = {"price_ratio": 1.10, "tokens_ratio": 0.83, "right_qwq": 0.597, "right_r1": 0.574, "wrong_eur": 0.002}
RANGES = {
    "price_ratio": (0.6, 1.2),  # the rows of lesson 06's last table of assumptions
    "tokens_ratio": (0.6, 1.2),  # of an answer, R1 over QwQ-32B: a guess around 12,000 over 14,500
    "right_qwq": (0.566, 0.628),  # one standard error on 256 problems, down and up
    "right_r1": (0.543, 0.605),
    "wrong_eur": (0.0002, 0.1),  # what a wrong answer costs whoever believes it: a guess
}
CHECKS = 1  # exercise 1: how many times an answer is looked at; one of: 1, 2, 3
OVER = "all"  # exercise 1: what is given for all problems together, or for one on average; one of: "all", "each"
SIDE = "either"  # exercise 2: to which side tosses count; one of: "either", "A", "B"
SPLIT_COUNTS = "whole"  # exercise 2: how much of the split itself counts; one of: "whole", "half"
DISTANCE = "factor"  # exercise 4: what is nearest; one of: "factor", "share of the value", "share of the range"
CORNERS = "two"  # exercise 4: lowest and highest ratio, or that at the assumed values between them; one of: "two", "three"

# %% [markdown] nbgrader={"grade": false, "grade_id": "verdict-given-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell has two functions that are given. `close` says whether two numbers are equal up to rounding. `cost_ratio` is what a right answer of R1 costs, as a multiple of what one of QwQ-32B costs; exercise 4 asks how sure it is. Nothing in it is graded.

# %% nbgrader={"grade": false, "grade_id": "verdict-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def close(a: object, b: float, tolerance: float = 1e-6) -> bool:
    """Equal up to a share of the larger number; False for what is no plain number."""
    return isinstance(a, (int, float)) and not isinstance(a, bool) and math.isclose(a, b, rel_tol=tolerance, abs_tol=1e-12)


def cost_ratio(price_ratio: float, tokens_ratio: float, right_qwq: float, right_r1: float, wrong_eur: float) -> float:
    """Euros for a right answer, R1 over QwQ: tokens, and the harm that wrong answers do on the way. Above 1 R1 is dearer."""
    qwq = (QWQ_EUR + (1 - right_qwq) * wrong_eur) / right_qwq
    r1 = (QWQ_EUR * price_ratio * tokens_ratio + (1 - right_r1) * wrong_eur) / right_r1
    return r1 / qwq


print(close(0.1 + 0.2, 0.3), close(1.0, 1.1), close(None, 1.0))
print(f"under the assumptions of the cell above: {cost_ratio(**ASSUMED):.3f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "price-of-right-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · What a right answer costs  (difficulty 2 of 5 · 15 minutes · 14 points)
#
# Lesson 06 gave euros per million tokens. Nobody buys tokens; they buy right answers, and pay for the wrong ones on the way. Write `price_of_right`.
#
# - A service writes an answer to a problem, and a checker accepts or rejects it<< "" if CHECKS == 1 else ": it looks at the answer %s, each time without knowing what it said before, and accepts only if **%s looks** accept" % ({2: "twice", 3: "three times"}[CHECKS], {2: "both", 3: "all three"}[CHECKS]) >>. What is accepted is handed over, and the problem is closed. After a rejection it tries again, `tries` times in all; then it gives up.
# - `chances` has one number for each problem: the chance that an answer to it is right. Each try has that chance anew.
# - The checker makes mistakes of two kinds. << "It" if CHECKS == 1 else "One look" >> accepts a right answer with the chance `keeps`, and a wrong one with the chance `slips`.
# - Every answer that is written costs `answer_eur`, and is << "checked, which costs `check_eur`, accepted or not" if CHECKS == 1 else "looked at %s, which costs `check_eur` each time, whatever the looks say" % {2: "twice", 3: "three times"}[CHECKS] >>.
#
# | in | | out: dict | expected values, << "over all problems together" if OVER == "all" else "**for one problem on average**: the mean over all" >>. Do not round |
# |---|---|---|---|
# | `chances` | list of numbers from 0 to 1 | `"eur"` | euros spent |
# | `answer_eur`, `check_eur` | euros, 0 or more | `"right"` | << "number" if OVER == "all" else "share" >> of problems for which a right answer is handed over |
# | `keeps`, `slips` | chances from 0 to 1 | `"wrong"` | << "number" if OVER == "all" else "share" >> of problems for which a wrong one is |
# | `tries` | int, 1 or more | `"eur_per_right"` | the first over the second; `math.inf` if no right answer can be had |
#
# <% if CHECKS == 1 and OVER == "all" %>
# Worked example: `chances = [0.5, 0.0]`, an answer costs 0.03 and a check 0.01 euros, `keeps = 0.9`, `slips = 0.3`, 3 tries. First problem: a try hands over a right answer with the chance 0.5 · 0.9 = 0.45, a wrong one with 0.5 · 0.3 = 0.15, and goes on with 0.4. So the second try
# is needed with the chance 0.4, the third with 0.16: 1.56 tries are expected, 0.45 · 1.56 = 0.702 right and 0.15 · 1.56 = 0.234 wrong answers. Second problem: goes on with 0.7, 1 + 0.7 + 0.49 = 2.19 tries, none right, 0.3 · 2.19 = 0.657 wrong. Together 3.75 tries of 0.04 euros: `"eur"` is 0.15, `"right"` 0.702, `"wrong"` 0.891,
# and a right answer costs 0.15 / 0.702 = 0.2137 euros.
# <% else %>
# <% set keep, slip, each = 0.9 ** CHECKS, 0.3 ** CHECKS, 0.03 + 0.01 * CHECKS %>
# <% set on, hopeless = 1 - 0.5 * keep - 0.5 * slip, 1 - slip %>
# <% set tries, more = 1 + on + on * on, 1 + hopeless + hopeless * hopeless %>
# <% set right, wrong, eur = 0.5 * keep * tries, 0.5 * slip * tries + slip * more, each * (tries + more) %>
# Worked example, rounded to five digits: `chances = [0.5, 0.0]`, an answer costs 0.03 and a << "check" if CHECKS == 1 else "look" >> 0.01 euros, `keeps = 0.9`, `slips = 0.3`, 3 tries. <% if CHECKS > 1 %><< {2: "Both", 3: "All three"}[CHECKS] >> looks accept a right answer with the chance << "%.5g" % keep >>, a wrong one with << "%.5g" % slip >>. <% endif %>First problem: a try hands over a right answer with the chance << "0.5 · %.5g = %.5g" % (keep, 0.5 * keep) >>, a wrong one with << "0.5 · %.5g = %.5g" % (slip, 0.5 * slip) >>, and goes on with << "%.5g" % on >>. So the second try
# is needed with the chance << "%.5g" % on >>, the third with << "%.5g: %.5g" % (on * on, tries) >> tries are expected, << "%.5g" % right >> right and << "%.5g" % (0.5 * slip * tries) >> wrong answers. Second problem: goes on with << "%.5g" % hopeless >>, << "%.5g tries, none right, %.5g wrong" % (more, slip * more) >>. Together << "%.5g tries of %.2f euros" % (tries + more, each) >>, << "%.5g right and %.5g wrong" % (right, wrong) >> answers.
# <% if OVER == "all" %>
# So `"eur"` is << "%.5g" % eur >>, `"right"` << "%.5g" % right >>, `"wrong"` << "%.5g" % wrong >>, and a right answer costs << "%.5g" % (eur / right) >> euros.
# <% else %>
# For one problem on average that is half: `"eur"` is << "%.5g" % (eur / 2) >>, `"right"` << "%.5g" % (right / 2) >>, `"wrong"` << "%.5g" % (wrong / 2) >>, and a right answer costs << "%.5g" % (eur / right) >> euros.
# <% endif %>
# <% endif %>
#
# Before you write: two collections of ten problems have the same accuracy, 0.8. In one all problems are alike; in the other eight are easy and two are hopeless. You allow 8 tries in place of 1. Does the price of a right answer rise, fall or stay, in each of the two?
#
# *Stuck?* `hint("price-of-right")`

# %% nbgrader={"grade": false, "grade_id": "price-of-right", "locked": false, "schema_version": 3, "solution": true, "task": false}
def price_of_right(
    chances: list[float], answer_eur: float, check_eur: float, keeps: float, slips: float, tries: int
) -> dict[str, float]:
    """Expected euros, right and wrong answers handed over, and euros per right one, with a checker that errs."""
    ### BEGIN SOLUTION
    # variant: if CHECKS > 1
    keeps, slips, check_eur = keeps**CHECKS, slips**CHECKS, CHECKS * check_eur  # of all looks together
    # variant: endif
    eur = right = wrong = 0.0
    for chance in chances:
        needed = 1.0  # the chance that this try takes place
        for _ in range(tries):
            eur += needed * (answer_eur + check_eur)
            right += needed * chance * keeps
            wrong += needed * (1 - chance) * slips
            needed *= 1 - chance * keeps - (1 - chance) * slips
    # variant: if OVER == "all"
    return {"eur": eur, "right": right, "wrong": wrong, "eur_per_right": eur / right if right else math.inf}
    # variant: else
    n, eur_per_right = len(chances), eur / right if right else math.inf
    return {"eur": eur / n, "right": right / n, "wrong": wrong / n, "eur_per_right": eur_per_right}
    # variant: endif
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "price-of-right-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
bill = price_of_right([0.5], 0.03, 0.01, 0.9, 0.3, 1)
assert bill is not None, "nothing came back: end your function with `return ...`"
assert isinstance(bill, dict) and set(bill) == {"eur", "right", "wrong", "eur_per_right"}, (
    f'a dict with "eur", "right", "wrong" and "eur_per_right" is wanted, got {bill!r}'
)
# variant: if CHECKS == 1 and OVER == "all"
assert not close(bill["eur"], 0.03), "one try, 0.03 euros: the check costs something, too"
assert not close(bill["eur"], 0.036), "one try, 0.036 euros: you paid for the check only if it accepts; a rejection is a check as well"
assert close(bill["eur"], 0.04), f"one problem, one try: 0.03 and 0.01 euros are 0.04, got {bill['eur']!r}"
assert not close(bill["right"], 0.5), "one try, 0.5 right: the checker throws away some right answers; it keeps 0.9 of them"
assert not close(bill["right"], 0.6), "one try, 0.6 right: that is all that is accepted, the wrong ones included"
assert close(bill["right"], 0.45), f"one problem, one try: 0.5 x 0.9 = 0.45 right, got {bill['right']!r}"
assert not close(bill["wrong"], 0.55), "one try, 0.55 wrong: that is all that is not right; a rejected answer is not handed over"
assert not close(bill["wrong"], 0.5), "one try, 0.5 wrong: of the wrong answers only the share `slips` is accepted"
assert not close(bill["wrong"], 0.35), "one try, 0.35 wrong: slips is the chance that a wrong answer is ACCEPTED, not that it is found"
assert not close(bill["wrong"], 0.05), "one try, 0.05 wrong: 1 - keeps is how often a right answer is rejected; slips is another number"
assert close(bill["wrong"], 0.15), f"one problem, one try: 0.5 x 0.3 = 0.15 wrong, got {bill['wrong']!r}"
assert not close(bill["eur_per_right"], 0.04 / 0.6), "one try: you divided by all answers handed over; divide by the right ones"
assert not close(bill["eur_per_right"], 0.04 * 0.45), "one try: you multiplied; euros per right answer are euros divided by right answers"
assert close(bill["eur_per_right"], 0.04 / 0.45), f"one try: 0.04 / 0.45 = 0.0889 euros per right answer, got {bill['eur_per_right']!r}"
bill = price_of_right([0.5], 0.03, 0.01, 0.9, 0.3, 3)
assert not close(bill["eur"], 0.12), "three tries, 0.12 euros: all three were paid; the second takes place only if the first was rejected"
assert not close(bill["eur"], 0.0741), "three tries, 0.0741 euros: a wrong answer that is accepted closes the problem as well"
assert not close(bill["eur"], 0.07), "three tries, 0.07 euros: you went on until the answer was right; the service sees only what the checker says"
assert not close(bill["eur"], 0.0568), "three tries, 0.0568 euros: every answer that is written is checked, not one in all"
assert not close(bill["eur"], 0.04 / 0.6), "three tries, 0.0667 euros: you went on without end; after 3 tries the service gives up"
assert close(bill["eur"], 0.0624), f"three tries: 1.56 of 0.04 euros are 0.0624, got {bill['eur']!r}"
assert not close(bill["right"], 0.833625), "three tries, 0.8336 right: you went on after a wrong answer had been accepted; that problem is closed"
assert not close(bill["right"], 0.45), "three tries, 0.45 right: those of the first try only"
assert not close(bill["right"], 1.35), (
    "three tries, 1.35 right: three times those of the first; a later try takes place only if all before it were rejected"
)
assert close(bill["right"], 0.702), f"three tries: 0.45 x 1.56 = 0.702 right, got {bill['right']!r}"
assert not close(bill["wrong"], 0.298), "three tries, 0.298 wrong: that is 1 - right; given up is not wrong"
assert close(bill["wrong"], 0.234), f"three tries: 0.15 x 1.56 = 0.234 wrong, got {bill['wrong']!r}"
bill = price_of_right([0.5, 0.0], 0.03, 0.01, 0.9, 0.3, 3)
assert not close(bill["eur"], 0.1482), "two problems, 0.1482 euros: you took the mean of the chances; a hopeless problem uses up more tries than that"
assert not close(bill["eur"], 0.075), "two problems, 0.075 euros: that is the mean of a problem; the sum over all is wanted"
assert not close(bill["eur"], 0.0624), "two problems, 0.0624 euros: a problem without a chance costs its tries, too"
assert close(bill["eur"], 0.15), f"worked example: expected 0.15 euros, got {bill['eur']!r}"
assert close(bill["right"], 0.702), f"worked example: expected 0.702 right, got {bill['right']!r}"
assert close(bill["wrong"], 0.891), f"worked example: expected 0.891 wrong, got {bill['wrong']!r}"
assert close(bill["eur_per_right"], 0.15 / 0.702), f"worked example: 0.15 / 0.702 euros per right answer, got {bill['eur_per_right']!r}"
# variant: else
keep, slip, each = 0.9**CHECKS, 0.3**CHECKS, 0.03 + 0.01 * CHECKS  # of one try
assert not close(bill["eur"], 0.03), "one try, 0.03 euros: a look at the answer costs something, too"
# variant: if CHECKS > 1
assert not close(bill["eur"], 0.04), "one try, 0.04 euros: you pay for one look; in this version of the exercise an answer is looked at << {2: 'twice', 3: 'three times'}[CHECKS] >>"
# variant: endif
assert close(bill["eur"], each), f"one problem, one try: expected {each:.2f} euros, got {bill['eur']!r}"
# variant: if CHECKS > 1
assert not (close(bill["right"], 0.45) and close(bill["wrong"], 0.15)), (
    "one try, 0.45 right and 0.15 wrong: after one look; in this version of the exercise << {2: 'both', 3: 'all three'}[CHECKS] >> have to accept"
)
# variant: endif
assert not close(bill["right"], 0.5), "one try, 0.5 right: the checker throws away some right answers"
assert not close(bill["right"], 0.5 * (keep + slip)), (
    f"one try, {0.5 * (keep + slip):.4f} right: that is all that is accepted, the wrong ones included"
)
assert close(bill["right"], 0.5 * keep), f"one problem, one try: expected {0.5 * keep:.6f} right, got {bill['right']!r}"
assert not close(bill["wrong"], 1 - 0.5 * keep), (
    f"one try, {1 - 0.5 * keep:.4f} wrong: that is all that is not right; a rejected answer is not handed over"
)
assert not close(bill["wrong"], 0.5), "one try, 0.5 wrong: of the wrong answers only a share is accepted"
assert not close(bill["wrong"], 0.5 * (1 - slip)), (
    f"one try, {0.5 * (1 - slip):.4f} wrong: slips is the chance that a wrong answer is ACCEPTED, not that it is found"
)
assert close(bill["wrong"], 0.5 * slip), f"one problem, one try: expected {0.5 * slip:.6f} wrong, got {bill['wrong']!r}"
per_right = each / (0.5 * keep)
assert not close(bill["eur_per_right"], each / (0.5 * (keep + slip))), (
    "one try: you divided by all answers handed over; divide by the right ones"
)
assert close(bill["eur_per_right"], per_right), f"one try: expected {per_right:.6f} euros per right answer, got {bill['eur_per_right']!r}"
bill = price_of_right([0.5], 0.03, 0.01, 0.9, 0.3, 3)
on, until_right, hopeless = 1 - 0.5 * keep - 0.5 * slip, 1 - 0.5 * keep, 1 - slip  # chances that another try follows
n_tries, n_hopeless = 1 + on + on**2, 1 + hopeless + hopeless**2
assert not close(bill["eur"], 3 * each), "three tries: all three were paid; the second takes place only if the first was rejected"
assert not close(bill["eur"], (1 + until_right + until_right**2) * each), "three tries: a wrong answer that is accepted closes the problem as well"
assert not close(bill["eur"], 1.75 * each), "three tries: you went on until the answer was right; the service sees only what the checker says"
assert not close(bill["eur"], each / (1 - on)), "three tries: you went on without end; after 3 tries the service gives up"
assert not close(bill["eur"], 0.03 * n_tries + 0.01 * CHECKS), "three tries: every answer that is written is checked, not one in all"
assert close(bill["eur"], n_tries * each), f"three tries: expected {n_tries * each:.6f} euros, got {bill['eur']!r}"
assert not close(bill["right"], 1 - until_right**3), "three tries: you went on after a wrong answer had been accepted; that problem is closed"
assert not close(bill["right"], 0.5 * keep), "three tries: right answers of the first try only"
assert not close(bill["right"], 1.5 * keep), "three tries, three times the right answers of the first: a later try takes place only if all before it were rejected"
assert close(bill["right"], n_tries * 0.5 * keep), f"three tries: expected {n_tries * 0.5 * keep:.6f} right, got {bill['right']!r}"
assert not close(bill["wrong"], 1 - n_tries * 0.5 * keep), "three tries: wrong is 1 - right; given up is not wrong"
assert close(bill["wrong"], n_tries * 0.5 * slip), f"three tries: expected {n_tries * 0.5 * slip:.6f} wrong, got {bill['wrong']!r}"
bill = price_of_right([0.5, 0.0], 0.03, 0.01, 0.9, 0.3, 3)
both, over = (n_tries + n_hopeless) * each, 1 if OVER == "all" else 2
alike = 1 - 0.25 * keep - 0.75 * slip
assert not close(bill["eur"], 2 * (1 + alike + alike**2) * each / over), (
    "two problems: you took the mean of the chances; a hopeless problem uses up more tries than that"
)
# variant: if OVER == "all"
assert not close(bill["eur"], both / 2), "two problems: that is the mean of a problem; the sum over all is wanted"
# variant: else
assert not close(bill["eur"], both), (
    f"two problems, {both:.6f} euros: that is the sum over both; in this version of the exercise the mean of a problem is wanted"
)
# variant: endif
assert not close(bill["eur"], n_tries * each / over), "two problems: a problem without a chance costs its tries, too"
assert close(bill["eur"], both / over), f"worked example: expected {both / over:.6f} euros, got {bill['eur']!r}"
right, wrong = n_tries * 0.5 * keep / over, (n_tries * 0.5 + n_hopeless) * slip / over
assert close(bill["right"], right), f"worked example: expected {right:.6f} right, got {bill['right']!r}"
assert close(bill["wrong"], wrong), f"worked example: expected {wrong:.6f} wrong, got {bill['wrong']!r}"
per_right = both / over / right
assert close(bill["eur_per_right"], per_right), f"worked example: expected {per_right:.6f} euros per right answer, got {bill['eur_per_right']!r}"
# variant: endif
try:
    bill = price_of_right([0.0], 0.03, 0.01, 0.9, 0.0, 3)
except ZeroDivisionError:
    raise AssertionError("a hopeless problem and a checker that lets nothing slip: nothing is ever accepted; your function divided by 0") from None
assert bill["eur_per_right"] == math.inf, f"no right answer can be had: eur_per_right is math.inf, got {bill['eur_per_right']!r}"
eur = 3 * (0.03 + 0.01 * CHECKS)
assert close(bill["eur"], eur), f"a hopeless problem and a checker that lets nothing slip: three tries, {eur:.2f} euros, got {bill['eur']!r}"
try:
    bill = price_of_right([0.5], 0.03, 0.01, 0.0, 0.3, 3)
except ZeroDivisionError:
    raise AssertionError("keeps = 0, the checker rejects every right answer: none is handed over; your function divided by 0") from None
assert bill["eur_per_right"] == math.inf, f"keeps = 0, no right answer is handed over: eur_per_right is math.inf, got {bill['eur_per_right']!r}"

# %% nbgrader={"grade": true, "grade_id": "price-of-right-hidden", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from itertools import product
from math import inf, isclose, prod

rng = random.Random(901)
cases = [([1.0, 1.0], 0.8, 0.5, 2), ([0.0, 0.0, 0.3], 0.0, 0.4, 3), ([0.4, 0.4, 0.4], 0.7, 0.2, 4), ([0.25], 1.0, 1.0, 5), ([0.6, 0.0], 0.5, 0.0, 6)]
for n, tries in ((3, 2), (5, 4), (2, 6)):
    cases.append(([rng.choice([0.0, 1.0, rng.random()]) for _ in range(n)] + [0.5], rng.uniform(0.3, 1), rng.uniform(0.1, 0.6), tries))
for chances, keeps, slips, tries in cases:
    answer_eur, check_eur = rng.uniform(0.001, 0.1), rng.uniform(0.001, 0.1)
    eur = right = wrong = 0.0
    for p in chances:  # every way in which all tries could come out, as if none were left out
        share = {"right": p * keeps**CHECKS, "wrong": (1 - p) * slips**CHECKS}
        share["rejected"] = 1 - share["right"] - share["wrong"]
        for way in product(share, repeat=tries):
            weight, used = prod(share[what] for what in way), 1
            while way[used - 1] == "rejected" and used < tries:
                used += 1
            eur += weight * used * (answer_eur + CHECKS * check_eur)
            right += weight * (way[used - 1] == "right")
            wrong += weight * (way[used - 1] == "wrong")
    over = 1 if OVER == "all" else len(chances)
    expected = {"eur": eur / over, "right": right / over, "wrong": wrong / over, "eur_per_right": eur / right if right else inf}
    out = price_of_right(list(chances), answer_eur, check_eur, keeps, slips, tries)
    what = f"chances {chances}, an answer {answer_eur}, a check {check_eur}, keeps {keeps}, slips {slips}, {tries} tries"
    assert isinstance(out, dict), f"{what}: a dict is wanted, got {type(out).__name__}"
    for name, number in expected.items():
        said = out.get(name)
        good = type(said) in (int, float) and isclose(said, number, rel_tol=1e-9, abs_tol=1e-12)
        assert good, f"{what}: {name} should be {number}, got {said!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "price-of-right-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess. Where all problems are alike, a right answer costs the same however many tries are allowed: each try brings as much as it costs. Where some are hopeless, more tries buy little but failures. So an accuracy alone does not tell what a right answer costs; one has to know how it is
# spread over the problems. (Let more wrong answers slip, and there the price falls: the checker closes hopeless problems sooner. Look at what it hands over instead.)

# %% nbgrader={"grade": false, "grade_id": "price-of-right-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
# variant: if OVER == "all"
print("euros per right answer, and wrong answers handed over, of ten problems")
# variant: else
print("euros per right answer, and wrong answers handed over for one problem on average")
# variant: endif
for slips in (0.0, 0.3):
    for what, ten in (("all alike", [0.8] * 10), ("8 easy, 2 hopeless", [1.0] * 8 + [0.0] * 2)):
        bills = {n: price_of_right(list(ten), slips=slips, tries=n, **CHECKER) for n in (1, 2, 4, 8)}
        row = ", ".join(
            # variant: if CHECKS == 1 and OVER == "all"
            f"{n} {'try' if n == 1 else 'tries'} {found['eur_per_right']:.5f} ({found['wrong']:.1f} wrong)"
            # variant: else
            f"{n} {'try' if n == 1 else 'tries'} {found['eur_per_right']:.5f} ({found['wrong']:.3f} wrong)"
            # variant: endif
            for n, found in bills.items()
        )
        print(f"  slips {slips:.1f}, {what:18}: {row}")
print("the two models, one try and no checker, each on the chips that suit it best:")
one_try = {}
for setting, ways_of in WAYS.items():
    for model, model_ways in ways_of.items():
        eur_per_million = min(chips / speed for chips, speed in model_ways) * EUR_PER_CHIP_HOUR / 3600 * 1e6
        each = TOKENS[model] * eur_per_million / 1e6  # no checker: a check that costs nothing and accepts everything
        one_try[setting, model] = 1000 * price_of_right([RIGHT[model]], each, 0, 1, 1, 1)["eur_per_right"]
        print(
            f"  {model:12} sending {setting:12}: {eur_per_million:.2f} euros per million tokens, "
            f"{one_try[setting, model]:.2f} for a thousand right answers of {TOKENS[model]:,} tokens"
        )

# %% [markdown] nbgrader={"grade": false, "grade_id": "told-apart-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · Can they be told apart?  (difficulty 3 of 5 · 15 minutes · 15 points)
#
# Lesson 05 asked how many standard errors lie between two scores, as if the two models had been given different problems. They were given the **same** ones, and that can be used: where both are right, or both wrong, nothing is learnt about who is better. Only those problems count that **exactly one** of them solved. Let there be m. If the models were equally good, each of the m would be a toss of a coin. << "Then p is the chance that m tosses come out at least as unevenly as they did, to **either** side." if SIDE == "either" else "Then p is the chance that at least as many of m tosses fall to **%s's** side as problems were solved by %s alone." % (SIDE, SIDE) >><< "" if SPLIT_COUNTS == "whole" else " In this version of the exercise, the split that was seen counts only **half**: p is the chance of what is %s, and half the chance of a split just like it." % ("more uneven" if SIDE == "either" else "more than that") >> (A small p says: hardly luck<< "" if SIDE == "either" else " that %s is ahead" % SIDE >>. With m = 0 there is nothing to be seen, and p is << 1 if SPLIT_COUNTS == "whole" else "one half" >>.) Statisticians call it the *sign test*, with << "two sides" if SIDE == "either" else "one side" >><< "" if SPLIT_COUNTS == "whole" else " and mid-p" >>.
#
# A leaderboard prints only how many problems each solved, not which. Let `both` be the number that both solved; then `right_a - both` were solved by A alone and `right_b - both` by B alone. Without `both` there are many possible tables, and p lies between a lowest and a highest value. Write `told_apart`.
#
# | in | | out | |
# |---|---|---|---|
# | `n` | int, problems, the same for both | `[lowest, highest]` | list of two floats: p over all possible values of `both`; the same number twice if `both` is given |
# | `right_a`, `right_b` | ints from 0 to n: how many each solved | | |
# | `both` | int, how many both solved; or `None`: not known | | |
#
# <% if SIDE == "either" and SPLIT_COUNTS == "whole" %>
# Worked example: 8 problems, A solved 6, B solved 3. With `both = 2` A alone solved 4 and B alone 1. Of five tosses, 4 or 5 fall on one side with the chance (5 + 1) / 32; to either side that is 12 / 32 = 0.375. But both may have solved three (then 3 to 0, p = 2 / 8 = 0.25), two (0.375) or one (5 to 2, p = 58 / 128 = 0.453125). Not
# none: 6 and 3 are more than 8. So `told_apart(8, 6, 3)` is `[0.25, 0.453125]`.
# <% else %>
# <% set p41, p30, p52 = {"either half": (0.21875, 0.125, 0.2890625), "A whole": (0.1875, 0.125, 0.2265625), "A half": (0.109375, 0.0625, 0.14453125), "B whole": (0.96875, 1.0, 0.9375), "B half": (0.890625, 0.9375, 0.85546875)}[SIDE ~ " " ~ SPLIT_COUNTS] %>
# Worked example: 8 problems, A solved 6, B solved 3. With `both = 2` A alone solved 4 and B alone 1. Of five tosses, 4 fall to A with the chance 5 / 32, all 5 with 1 / 32, and 3 or fewer with 26 / 32. << {"either half": "To A's side that is (1 + 5/2) / 32, to either side twice as much, p = 0.21875", "A whole": "So at least 4 do with p = 6 / 32 = 0.1875", "A half": "So p = (1 + 5/2) / 32 = 0.109375", "B whole": "To B's side fall at least 1 with p = (26 + 5) / 32 = 0.96875", "B half": "To B's side fall more than 1 with 26 / 32, just 1 with 5 / 32: p = (26 + 5/2) / 32 = 0.890625"}[SIDE ~ " " ~ SPLIT_COUNTS] >>. But both may have solved three (then 3 to 0, p = << p30 >>), two (<< p41 >>) or one (5 to 2, p = << p52 >>). Not
# none: 6 and 3 are more than 8. So `told_apart(8, 6, 3)` is `[<< [p41, p30, p52] | min >>, << [p41, p30, p52] | max >>]`.
# <% endif %>
#
# Before you write: on the same 30 problems of AIME 2024 QwQ-32B-Preview solved about half and QwQ-32B about four fifths. Many ask for p below 0.05. Is it, whichever problems those were?
#
# *Stuck?* `hint("told-apart")`

# %% nbgrader={"grade": false, "grade_id": "told-apart", "locked": false, "schema_version": 3, "solution": true, "task": false}
def told_apart(n: int, right_a: int, right_b: int, both: int | None = None) -> list[float]:
    """Lowest and highest p of a << 'two' if SIDE == 'either' else 'one' >>-sided sign test on n shared problems, over what the totals leave open."""
    ### BEGIN SOLUTION
    possible = range(max(0, right_a + right_b - n), min(right_a, right_b) + 1) if both is None else [both]
    found = []
    for shared in possible:
        only_a, only_b = right_a - shared, right_b - shared
        m = only_a + only_b
    # variant: if SIDE == "either" and SPLIT_COUNTS == "whole"
        as_uneven = [k for k in range(m + 1) if abs(k - (m - k)) >= abs(only_a - only_b)]
        found.append(sum(math.comb(m, k) for k in as_uneven) / 2**m)
    # variant: elif SIDE == "either"
        more = [k for k in range(m + 1) if abs(k - (m - k)) > abs(only_a - only_b)]
        same = {only_a, only_b}  # one split if it is even
        found.append((sum(math.comb(m, k) for k in more) + sum(math.comb(m, k) for k in same) / 2) / 2**m)
    # variant: else
        # variant: if SIDE == "A"
        alone = only_a
        # variant: else
        alone = only_b
        # variant: endif
        # variant: if SPLIT_COUNTS == "whole"
        found.append(sum(math.comb(m, k) for k in range(alone, m + 1)) / 2**m)
        # variant: else
        more = sum(math.comb(m, k) for k in range(alone + 1, m + 1))
        found.append((more + math.comb(m, alone) / 2) / 2**m)
        # variant: endif
    # variant: endif
    return [min(found), max(found)]
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "told-apart-visible", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
p = told_apart(8, 6, 3, 2)
assert p is not None, "nothing came back: end your function with `return ...`"
assert isinstance(p, list) and len(p) == 2 and close(p[0], p[1]), f"with `both` given: a list with the same number twice is wanted, got {p!r}"
# variant: if SIDE == "either" and SPLIT_COUNTS == "whole"
assert not close(p[0], 6 / 32), "both = 2, 0.1875: only one side; a split of 1 to 4 would be as uneven as 4 to 1"
assert not close(p[0], 10 / 32), "both = 2, 0.3125: only splits as uneven as this one; more uneven ones count as well"
assert not close(p[0], 5 / 32), "both = 2, 0.1563: the chance of exactly 4 to 1; AT LEAST as uneven, to either side, is wanted"
assert not close(p[0], 2 / 32), "both = 2, 0.0625: only splits that are more uneven; the split itself counts, too"
assert not close(p[0], 0.5078125), "both = 2, 0.5078: you used all 6 and 3; the two problems that both solved say nothing"
assert not close(p[0], 0.2890625), "both = 2, 0.2891: you tossed for all 8 problems; only those count that exactly one model solved"
assert not close(p[0], math.erfc(3 / math.sqrt(10))), "both = 2, 0.1797: that is the normal curve's; the exact count is wanted, however many tosses"
assert close(p[0], 0.375), f"both = 2: 4 to 1, 12 of 32, expected 0.375, got {p[0]!r}"
p = told_apart(8, 3, 6, 2)
assert not (close(p[0], 62 / 32) or close(p[0], 1)), f"A 3, B 6, {p[0]}: take the larger of the two sides, whichever model it belongs to"
assert close(p[0], 0.375), f"A 3, B 6: it is as uneven as A 6, B 3; expected 0.375, got {p[0]!r}"
p = told_apart(6, 3, 3, 1)
assert not close(p[0], 22 / 16), "2 to 2, 1.375: no chance is above 1; twice one side counts the middle twice"
assert not close(p[0], 10 / 16), "2 to 2, 0.625: every split is at least as uneven as this one; p is 1"
assert close(p[0], 1), f"2 to 2: every split is at least as uneven, so p is 1, got {p[0]!r}"
try:
    p = told_apart(6, 3, 3, 3)
except (ZeroDivisionError, ValueError, IndexError) as error:
    raise AssertionError(f"both solved the same three, so m = 0; your function raised: {error}") from None
assert close(p[0], 1), f"both solved the same three, m = 0: p is 1, got {p[0]!r}"
p = told_apart(8, 6, 3)
assert isinstance(p, list) and len(p) == 2, f"two numbers are wanted, [lowest, highest], got {p!r}"
assert not (close(p[0], 0.453125) and close(p[1], 0.25)), "the two are the wrong way round: the lowest first"
assert not close(p[1], 0.5078125), "highest 0.5078: that has none in common; but 6 + 3 are more than 8, so at least one was solved by both"
assert not (close(p[0], 0.25) and close(p[1], 0.25)), "0.25 twice: that is one possible table, the one with the most in common"
assert not (close(p[0], 0.375) and close(p[1], 0.375)), "0.375 twice: you took one likely number for `both`; try all that are possible"
assert not close(p[0], 0.375), "lowest 0.375: both may have solved three, as many as B did; then p is 0.25"
assert not close(p[1], 0.375), "highest 0.375: both may have solved only one; then p is 0.4531"
assert close(p[0], 0.25) and close(p[1], 0.453125), f"worked example: expected [0.25, 0.453125], got {p}"
p = told_apart(20, 6, 3)
assert not close(p[1], 0.453125), "20 problems, highest 0.4531: with so many problems the two may have none in common"
assert close(p[0], 0.25) and close(p[1], 0.5078125), f"20 problems, 6 and 3: expected [0.25, 0.5078125], got {p}"
p = told_apart(20, 6, 3, 0)
assert close(p[0], 0.5078125) and close(p[1], 0.5078125), f"both = 0 is known, and not the same as None: 0.5078 twice, got {p}"
p = told_apart(10, 4, 4)
assert close(p[0], 1) and close(p[1], 1), f"4 and 4 of 10: whatever they share, the split is even; expected [1, 1], got {p}"
# variant: else
# p where A alone solved 4 and B alone 1; then 3 and 0; then 5 and 2; then 6 and 3; then 2 and 2
p41, p30, p52, p63, p22 = {
    ("either", "half"): (7 / 32, 1 / 8, 37 / 128, 176 / 512, 13 / 16),
    ("A", "whole"): (6 / 32, 1 / 8, 29 / 128, 130 / 512, 11 / 16),
    ("A", "half"): (3.5 / 32, 1 / 16, 18.5 / 128, 88 / 512, 8 / 16),
    ("B", "whole"): (31 / 32, 1, 120 / 128, 466 / 512, 11 / 16),
    ("B", "half"): (28.5 / 32, 15 / 16, 109.5 / 128, 424 / 512, 8 / 16),
}[SIDE, SPLIT_COUNTS]
none = 1 if SPLIT_COUNTS == "whole" else 1 / 2  # with no tosses
# variant: if SIDE == "either"
assert not close(p[0], 0.375), "both = 2, 0.375: the split itself counts as a whole; in this version of the exercise it counts half"
assert not close(p[0], 2 / 32), "both = 2, 0.0625: only splits that are more uneven; half of the split itself counts, too"
assert not close(p[0], 3.5 / 32), "both = 2, 0.1094: only one side; a split of 1 to 4 would be as uneven as 4 to 1"
# variant: else
assert not close(p[0], 0.375), "both = 2, 0.375: that is to either side; in this version of the exercise only << SIDE >>'s side counts"
# variant: endif
# variant: if SIDE == "A"
assert not (close(p[0], 31 / 32) or close(p[0], 28.5 / 32)), f"both = 2, {p[0]:.4f}: that is to B's side; A alone solved 4, and it is A's side that counts"
# variant: elif SIDE == "B"
assert not (close(p[0], 6 / 32) or close(p[0], 3.5 / 32)), f"both = 2, {p[0]:.4f}: that is to A's side; B alone solved 1, and it is B's side that counts"
# variant: endif
# variant: if SIDE != "either" and SPLIT_COUNTS == "half"
assert not (close(p[0], 6 / 32) or close(p[0], 31 / 32)), f"both = 2, {p[0]:.4f}: the split itself counts half here, not as a whole"
# variant: endif
assert not close(p[0], p63), f"both = 2, {p63:.4f}: you used all 6 and 3; the two problems that both solved say nothing"
assert close(p[0], p41), f"both = 2, A alone 4, B alone 1: expected {p41}, got {p[0]!r}"
p = told_apart(6, 3, 3, 1)
assert close(p[0], p22), f"2 to 2: expected {p22}, got {p[0]!r}"
try:
    p = told_apart(6, 3, 3, 3)
except (ZeroDivisionError, ValueError, IndexError) as error:
    raise AssertionError(f"both solved the same three, so m = 0; your function raised: {error}") from None
assert close(p[0], none), f"both solved the same three, m = 0: p is {none}, got {p[0]!r}"
p, (lowest, highest) = told_apart(8, 6, 3), (min(p41, p30, p52), max(p41, p30, p52))
assert isinstance(p, list) and len(p) == 2, f"two numbers are wanted, [lowest, highest], got {p!r}"
assert not (close(p[0], highest) and close(p[1], lowest)), "the two are the wrong way round: the lowest first"
assert not (close(p[0], p41) and close(p[1], p41)), "the same number twice: you took one likely number for `both`; try all that are possible"
assert not (close(p[0], p30) and close(p[1], p30)), "the same number twice: that is one possible table, the one with the most in common"
assert not (close(p[0], min(p41, p30, p52, p63)) and close(p[1], max(p41, p30, p52, p63))), (
    "one possible table too many, with none in common; but 6 + 3 are more than 8, so at least one was solved by both"
)
assert close(p[0], lowest) and close(p[1], highest), f"worked example: expected {[lowest, highest]}, got {p}"
p = told_apart(20, 6, 3)
lowest, highest = min(lowest, p63), max(highest, p63)
assert close(p[0], lowest) and close(p[1], highest), (
    f"20 problems, 6 and 3: with so many problems the two may have none in common; expected {[lowest, highest]}, got {p}"
)
p = told_apart(20, 6, 3, 0)
assert close(p[0], p63) and close(p[1], p63), f"both = 0 is known, and not the same as None: {p63:.4f} twice, got {p}"
# variant: endif

# %% nbgrader={"grade": true, "grade_id": "told-apart-hidden", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from fractions import Fraction
from math import isclose

rng = random.Random(902)


def tosses(m):
    """Chance of k heads in m tosses, by tossing one coin after the other."""
    row = [Fraction(1)]
    for _ in range(m):
        row = [(a + b) / 2 for a, b in zip([*row, 0], [0, *row], strict=True)]
    return row


cases = [(30, 15, 24, None), (30, 24, 24, None), (25, 7, 4, None), (12, 12, 0, None), (9, 0, 0, None), (7, 7, 7, None)]
cases += [(14, 9, 4, 0), (10, 10, 6, 6), (5, 1, 0, 0)]
for n in (6, 11, 25, 60):
    right_a, right_b = rng.randint(n // 2, n), rng.randint(1, n)
    cases.append((n, right_a, right_b, None))
    cases.append((n, right_a, right_b, rng.randint(max(0, right_a + right_b - n), min(right_a, right_b))))
cases.append((40, 15, rng.randint(3, 20), 0))
for n, right_a, right_b, both in cases:
    values = []
    for shared in range(n + 1) if both is None else [both]:
        alone, neither = (right_a - shared, right_b - shared), n - right_a - right_b + shared
        if min(*alone, neither) >= 0:
            m = sum(alone)
            seen = {"either": max(alone), "A": alone[0], "B": alone[1]}[SIDE]
            counts = [max(k, m - k) if SIDE == "either" else k for k in range(m + 1)]  # of one side, or of the fuller one
            share = 1 if SPLIT_COUNTS == "whole" else Fraction(1, 2)
            chances = list(zip(counts, tosses(m), strict=True))
            values.append(float(sum(c for k, c in chances if k > seen) + share * sum(c for k, c in chances if k == seen)))
    out = told_apart(n, right_a, right_b) if both is None else told_apart(n, right_a, right_b, both)
    what = f"{n} problems, {right_a} and {right_b} solved, both {both}"
    assert isinstance(out, (list, tuple)) and len(out) == 2, f"{what}: two numbers are wanted, got {out!r}"
    for name, said, number in zip(("lowest", "highest"), out, (min(values), max(values)), strict=True):
        good = type(said) in (int, float) and isclose(said, number, rel_tol=1e-9)
        near = not good and isinstance(said, float) and abs(said - number) < 0.02
        exact = "; near, as from a normal curve: count exactly, however many tosses" if near else ""
        assert good, f"{what}: the {name} p should be {number}, got {said!r}{exact}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "told-apart-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# <% if SIDE == "either" %>
# The next cell earns nothing and answers the guess: it depends. If everything that the preview solved was solved by QwQ-32B as well, p is far below 0.05; if they solved problems as different as the totals allow, it is above. Who publishes only a total keeps that back. (The published percentages are means over many samples of
# each problem, so "solved 24" is a simplification; and a list of problems that each run solved would show how far one run differs from the next, too.) The last lines show three points of difference on more and more problems: by totals alone even 500 problems are too few.
# <% elif SIDE == "B" %>
# The next cell earns nothing and answers the guess: it is, because your p asks only whether B is ahead, here QwQ-32B. Even if the two solved problems as different as the totals allow, p is below 0.05. Who may choose the side afterwards has the smaller p: a side has to be named before one looks. (The published percentages are means over many samples of
# each problem, so "solved 24" is a simplification; and a list of problems that each run solved would show how far one run differs from the next, too.) In the other lines B is level or behind, and p is far from small; the last of them show A three points ahead on more and more problems.
# <% else %>
# The next cell earns nothing and answers the guess: it is not, because your p asks only whether A is ahead, here the preview, which solved fewer. A side has to be named before one looks; who chooses it afterwards has the smaller p. (The published percentages are means over many samples of
# each problem, so "solved 24" is a simplification; and a list of problems that each run solved would show how far one run differs from the next, too.) The last lines show A three points ahead on more and more problems: by totals alone even 500 problems are too few.
# <% endif %>

# %% nbgrader={"grade": false, "grade_id": "told-apart-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for what, n, solved_a, solved_b in PAIRS:
    lowest, highest = told_apart(n, solved_a, solved_b)
    print(f"{what}; {solved_a} and {solved_b}: p from {lowest:.4f} to {highest:.4f}")
for n in SIZES:
    solved_a, solved_b = (round(share * n) for share in COMPARED)
    lowest, highest = told_apart(n, solved_a, solved_b)
    print(f"{n} problems, {solved_a} and {solved_b} solved: p from {lowest:.4f} to {highest:.4f}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "fewest-chips-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · How many chips for how many people?  (difficulty 4 of 5 · 24 minutes · 15 points)
#
# A fleet has **copies** of a model. Lesson 06 estimated ways to run one copy: on so many chips it writes so many tokens per second in all, when it is as full as memory allows and each user still gets the promised speed. A fleet may have any number of copies, and each copy may be run in any of the ways: three small ones and
# a large one, for example. Its tokens per second are added up. Write `fewest_chips`: the fewest chips that serve so many people.
#
# - Needed, in tokens per second on average: people, times answers per hour, times tokens of an answer, over the 3,600 seconds of an hour. A fleet that writes exactly as much as is needed is enough. Your function is asked for up to 40,000 people and hundreds of chips; trying every fleet takes far too long.
# - With `spare=True` the service must go on when **any one copy** fails: whichever copy is taken away, the others must still write as much as is needed.
#
# | in | | out | |
# |---|---|---|---|
# | `people`, `answers_per_hour`, `tokens_per_answer` | positive numbers; answers of one person | chips | int |
# | `ways` | list of `(chips, tokens_per_s)` of one copy, in no particular order | | |
# | `spare` | bool | | |
#
# Worked example: 38 people, 9 answers an hour of 10,000 tokens: 950 tokens per second. Ways `(1, 150)`, `(4, 700)` and `(9, 1800)`. One copy on 9 chips is more than enough; seven copies on 1 chip each write 1,050; but one on 4 chips and two on 1 chip write 1,000 with **6** chips, and nothing does it with 5. With a spare: if the copy on 4 chips
# fails, two on 1 chip are not enough. Eight copies on 1 chip each are enough: any seven of them write 1,050. So `8`.
#
# At a price per chip and hour the fewest chips are the cheapest. Before you write: more and more people come, from a handful to tens of thousands, and each asks for answers of the length that was measured for the model (`TOKENS`, at the top). R1 needs several times the chips of QwQ-32B before its first user. Is there **one** number of people from which on R1
# needs fewer chips, are there several changes, or none? Does it matter whether the sending between chips is hidden behind arithmetic, and whether a spare is wanted?
#
# *Stuck?* `hint("fewest-chips")`

# %% nbgrader={"grade": false, "grade_id": "fewest-chips", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fewest_chips(
    people: int, answers_per_hour: float, tokens_per_answer: float, ways: list[tuple[int, float]], spare: bool = False
) -> int:
    """Chips of the smallest fleet of copies that writes what so many people ask for, also without any one copy if `spare`."""
    ### BEGIN SOLUTION
    needed = people * answers_per_hour * tokens_per_answer / 3600

    def cover(allowed: list[tuple[int, float]]) -> int:
        most = [0.0]  # tokens per second that 0, 1, 2, ... chips write at best
        while most[-1] < needed:
            chips = len(most)
            most.append(max([most[-1], *(most[chips - n] + speed for n, speed in allowed if n <= chips)]))
        return len(most) - 1

    if not spare:
        return cover(ways)
    # The worst that can fail is the fastest copy. Choose it; what is left may hold no faster one, and must be enough.
    return min(chips + cover([way for way in ways if way[1] <= speed]) for chips, speed in ways)
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "fewest-chips-visible", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
three = [(1, 150), (4, 700), (9, 1800)]
chips_found = fewest_chips(4, 9, 10_000, [(1, 150)])
assert chips_found is not None, "nothing came back: end your function with `return ...`"
assert isinstance(chips_found, (int, float)), f"one number is wanted, a plain int, got {type(chips_found).__name__}"
assert not close(chips_found, 2400), "4 people, 2,400: that is for 360,000 tokens per SECOND; they are per hour, and an hour has 3,600 seconds"
assert not close(chips_found, 40), "4 people, 40: an hour has 3,600 seconds, not 60"
assert not close(chips_found, 100 / 150), "4 people: a fraction of a chip cannot be had; a copy is whole"
assert not close(chips_found, 0), "4 people, 0: you rounded down; the last copy is needed even if it is not full"
assert close(chips_found, 1), f"4 people ask for 100 tokens per second, one copy on 1 chip writes 150: expected 1, got {chips_found!r}"
assert fewest_chips(1, 1, 540_360, [(1, 150)]) == 2, "150.1 tokens per second from copies of 150: one is not enough; do not round the need"
assert fewest_chips(1, 1, 540_360, [(1, 150.5)]) == 1, "150.1 from a copy of 150.5: one is enough; do not round the need up"
chips_found = fewest_chips(38, 9, 10_000, [(4, 700)])
assert not close(chips_found, 2), "2: that is the number of copies; each has 4 chips"
assert close(chips_found, 8), f"950 tokens per second from copies of 4 chips and 700: two copies, 8 chips, got {chips_found!r}"
chips_found = fewest_chips(38, 9, 10_000, list(three))
assert not close(chips_found, 9), "950 tokens per second, 9: one large copy is enough, but more than is needed"
assert not close(chips_found, 7), "950 tokens per second, 7: copies of one kind only; 4 + 1 + 1 chips write 1,000"
assert not (close(chips_found, 4.75) or close(chips_found, 5)), (
    f"950 tokens per second, {chips_found}: 200 for each chip is the large copy's rate, and there is no half of a large copy"
)
assert not close(chips_found, 4), "950 tokens per second, 4: that writes 700 only"
assert close(chips_found, 6), f"worked example: 4 + 1 + 1 chips, expected 6, got {chips_found!r}"
chips_found = fewest_chips(64, 9, 6250, list(three))
assert not close(chips_found, 7), "1,000 tokens per second, 7: exactly enough is enough, and 6 chips write 1,000"
assert close(chips_found, 6), f"1,000 tokens per second: 4 + 1 + 1 chips write just that, expected 6, got {chips_found!r}"
chips_found = fewest_chips(64, 9, 6250, [(4, 700), (3, 500)])
assert not close(chips_found, 7), "1,000 tokens per second, 7: a copy of 700 first, then the rest; but two of 500 do it with 3 + 3 chips"
assert close(chips_found, 6), f"1,000 tokens per second from (4, 700) and (3, 500): 3 + 3 chips, expected 6, got {chips_found!r}"
chips_found = fewest_chips(38, 9, 10_000, list(three), spare=True)
assert not close(chips_found, 6), "a spare, 6: if the copy on 4 chips fails, 300 tokens per second are left"
assert not close(chips_found, 7), "a spare, 7: you added the smallest copy; when the LARGEST fails, the others must be enough"
assert not close(chips_found, 10), (
    "a spare, 10: you doubled what is needed, or added the largest copy of the fleet that was best without; another fleet is better with one"
)
assert not close(chips_found, 12), "a spare, 12: the whole fleet twice; one copy fails, not all"
assert not close(chips_found, 15), (
    "a spare, 15: you added a copy of the fastest way, or kept only the fleet that writes most; "
    "choose which copies the fleet has so that the worst failure is cheap"
)
assert close(chips_found, 8), f"worked example with a spare: eight copies of 1 chip, expected 8, got {chips_found!r}"
chips_found = fewest_chips(38, 9, 10_000, [(5, 700), (2, 150)], spare=True)
assert not close(chips_found, 15), "a spare, 15: copies of one kind only; the fastest copy's failure can be made good by unlike ones"
assert not close(chips_found, 11), "a spare, 11: if the copy of 700 fails, 450 are left"
assert close(chips_found, 14), f"a spare, (5, 700) and (2, 150): 5 + 5 + 2 + 2 chips, expected 14, got {chips_found!r}"
assert type(chips_found) is int, f"chips are counted: a plain int is wanted, got {chips_found!r}"
chips_found = fewest_chips(40_000, 2, 14_500, [(1, 828), (2, 2171)])
assert close(chips_found, 298), f"40,000 people: 322,222.2 tokens per second, 149 copies on 2 chips each, expected 298, got {chips_found!r}"

# %% nbgrader={"grade": true, "grade_id": "fewest-chips-hidden", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from itertools import product
from math import ceil

rng = random.Random(903)
cases = [(950, [(3, 400), (5, 100), (1, 90)]), (1000, [(7, 700), (4, 300)]), (333, [(2, 333)]), (10, [(16, 10_300), (32, 28_004)])]
cases += [(1180, [(7, 700), (4, 390), (1, 90)]), (1500, [(4, 500), (5, 500), (9, 1600)]), (900, [(6, 300), (2, 310), (3, 180)])]
for _ in range(8):
    needed = rng.randint(500, 2500)
    cases.append((needed, [(rng.randint(1, 12), rng.randint(needed // 8, needed)) for _ in range(rng.randint(2, 3))]))
for needed, ways in cases:
    people, per_hour, tokens = needed, 9, 400  # one token per second each: nothing to be rounded
    best = {}
    for counts in product(*(range(ceil(needed / speed) + 2) for _, speed in ways)):
        speed = sum(n * way[1] for n, way in zip(counts, ways, strict=True))
        chips = sum(n * way[0] for n, way in zip(counts, ways, strict=True))
        fastest = max((way[1] for n, way in zip(counts, ways, strict=True) if n), default=0)
        for spare, left in ((False, speed), (True, speed - fastest)):
            if left >= needed:
                best[spare] = min((chips, counts), best.get(spare, (chips, counts)))
    for spare in (False, True):
        out = fewest_chips(people, per_hour, tokens, list(ways), spare) if spare else fewest_chips(people, per_hour, tokens, list(ways))
        what = f"{people} people, {per_hour} answers an hour of {tokens} tokens, ways {ways}, spare={spare}"
        chips, counts = best[spare]
        assert type(out) in (int, float) and out == chips, f"{what}: {counts} copies of the ways are enough, {chips} chips, got {out!r}"
out = fewest_chips(21_000, 0.5, 3002.88, [(1, 29), (5, 151)])  # 8,758.4 tokens per second, and 58 copies write 8,758
what = "21,000 people, half an answer an hour of 3,002.88 tokens, ways (1, 29) and (5, 151)"
assert type(out) in (int, float) and out == 291, f"{what}: expected 291, got {out!r}"
whole = rng.randint(100, 900)
ways = [(2, whole + 0.5), (5, 3 * whole)]
out = fewest_chips(1, 1, 3600 * whole + 360, list(ways))  # a tenth of a token per second more than whole
assert type(out) in (int, float) and out == 2, f"{whole + 0.1} tokens per second, ways {ways}: expected 2, got {out!r}"
ways = [(4, 4706), (1, 828), (8, 9160), (2, 2171)]
out = fewest_chips(40_000, 2, 14_500, list(ways))
assert type(out) in (int, float) and out == 275, f"40,000 people, 2 answers an hour of 14,500 tokens, ways {ways}: expected 275, got {out!r}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "fewest-chips-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# <% if ANSWERS_PER_HOUR != 2 %>
# The next cell earns nothing and answers the guess. "level" means that both need as many chips. Look at the last lines for the borders. Where R1 takes over, it may hand back and take over again, because a copy of R1 that has to be begun for the last few people is so large. Hidden sending brings its first lead to fewer people; with a spare it comes
# at more of them or not in this table at all, because the copy that may fail is so large. (How many people they are depends on how much each asks for: << ANSWERS_PER_HOUR >> answer<< "" if ANSWERS_PER_HOUR == 1 else "s" >> an hour is an assumption. And people do not spread their questions evenly over a day: what a real service must hold is the peak.)
# <% else %>
# The next cell earns nothing and answers the guess. "level" means that both need as many chips. With the course's own numbers there is no single border: R1 takes over, hands back and takes over again, because a copy of R1
# that has to be begun for the last few people is so large. Hidden sending brings the first lead of R1 down from 9,400 people to 5,500. With a spare it comes at several times as many people when sending is hidden, and not in this table at all in the open, because the copy that may fail is so large. (And people do not spread their questions evenly over a day: what a real service must hold is the peak.)
# <% endif %>

# %% nbgrader={"grade": false, "grade_id": "fewest-chips-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
def who(people: int, setting: str, spare: bool = False) -> tuple[int, int, str]:
    """Chips of QwQ-32B, of R1, and which of the two needs fewer."""
    qwq, r1 = (fewest_chips(people, ANSWERS_PER_HOUR, TOKENS[m], list(w), spare) for m, w in WAYS[setting].items())
    return qwq, r1, "level" if qwq == r1 else "QwQ-32B" if qwq < r1 else "R1"


print("chips of QwQ-32B and of R1, and who needs fewer")
print(f"{'people':>7} | " + " | ".join(f"{s + (', a spare' if spare else ''):22}" for s in WAYS for spare in (False, True)))
for people in PEOPLE:
    row = [who(people, s, spare) for s in WAYS for spare in (False, True)]
    print(f"{people:7,} | " + " | ".join(f"{q:5} {r:5} {winner:10}" for q, r, winner in row))
for setting in WAYS:
    changes, last = [], ""
    for people in range(1000, 12_001, 100):
        if (winner := who(people, setting)[2]) != last:
            changes, last = [*changes, f"{people:,} {winner}"], winner
    print(f"sending {setting}, from 1,000 to 12,000 people in steps of 100: from " + ", ".join(changes))
month = 730 * EUR_PER_CHIP_HOUR
bills = (f"{s}: QwQ-32B {who(200, s)[0] * month / 200:.2f}, R1 {who(200, s)[1] * month / 200:.2f}" for s in WAYS)
print("euros per person and month, 200 people:", ", ".join(bills))

# %% [markdown] nbgrader={"grade": false, "grade_id": "what-flips-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · What would turn the verdict round?  (difficulty 4 of 5 · 23 minutes · 16 points)
#
# A verdict such as "R1 is dearer" is a ratio above 1, computed from assumptions. It is worth as much as it takes to turn it round. Write `what_flips`.
#
# `ratio` is a function. Call it with named arguments: `ratio(**values)`, where `values` is a dict with all assumptions. Along each assumption, while the others stand still, it rises all the way or falls all the way. Which of the two you are not told, and it may depend on where the others stand. It need not be a straight line.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `ratio` | a function | `"flips"` | dict: for each assumption that **alone** can bring the ratio to 1 within its range, all others as assumed: the value at which it does. To a millionth of the value, so do not round |
# | `assumed` | dict: name → value, the ratio there is not 1 | `"nearest"` | the name in `"flips"` whose value is nearest to the assumed one, **as a << DISTANCE >>**; `None` if there is none |
# | `ranges` | dict: name → `(low, high)`, around the assumed value | `"corners"` | list: << "lowest and highest ratio," if CORNERS == "two" else "lowest ratio, ratio as assumed, highest ratio; lowest and highest" >> over all combinations of ends of the ranges |
#
# All values are above 0 in the cases that are graded. << {"factor": "As a factor, from 10 to 8 and from 8 to 10 are equally far: 1.25.", "share of the value": "As a share of the value that is assumed, from 10 to 8 is 0.2, and from 10 to 13 is 0.3.", "share of the range": "As a share of the range, from 10 to 8 in a range of (6, 11) is 2 / 5 = 0.4: the distance over the width of the range."}[DISTANCE] >> An assumption without a range stays as assumed, everywhere. No ratio at an end of a range is exactly 1. Leave `assumed` and `ranges` as they are.
#
# Worked example: the ratio is `price**2 * tokens / (2 + wait)`. Assumed are `price = 3`, `tokens = 0.35`, `wait = 0.4`: 9 · 0.35 / 2.4 = 1.3125. Ranges: price (2, 4), tokens (0.2, 0.6), wait (0.1, 0.8).
#
# <% set far = {"factor": ("1.146", "1.3125", "2.875"), "share of the value": ("0.127", "0.238", "1.875"), "share of the range": ("0.191", "0.208", "1.071")}[DISTANCE] %>
# | | reaches 1 at | as a << DISTANCE >> | |
# |---|---|---|---|
# | price | √(2.4 / 0.35) = 2.6186 | << far[0] >> | the nearest |
# | tokens | 2.4 / 9 = 0.26667 | << far[1] >> | nearer as a difference, but not as a << DISTANCE >> |
# | wait | 9 · 0.35 - 2 = 1.15 | << far[2] >> | outside its range: does not flip |
#
# The lowest corner is price 2, tokens 0.2, wait 0.8: 0.2857. The highest is 4, 0.6, 0.1: 4.5714.<< "" if CORNERS == "two" else " So `\"corners\"` is `[0.2857, 1.3125, 4.5714]`, not rounded." >>
#
# Before you write: five assumptions stand behind `cost_ratio`: price of a token, length of an answer, two accuracies, harm of a wrong answer. How many of them can turn its verdict round alone, each within its range, and is it more or fewer when sending is hidden, so that R1's tokens are cheaper?
#
# *Stuck?* `hint("what-flips")`

# %% nbgrader={"grade": false, "grade_id": "what-flips", "locked": false, "schema_version": 3, "solution": true, "task": false}
def what_flips(ratio, assumed: dict[str, float], ranges: dict[str, tuple[float, float]]) -> dict:
    """Where each assumption alone brings the ratio to 1, which << 'needs the smallest factor' if DISTANCE == 'factor' else 'of them is nearest' >>, and the ratio's extremes."""
    ### BEGIN SOLUTION
    flips = {}
    for name, (low, high) in ranges.items():
        above_at_low, above_at_high = (ratio(**{**assumed, name: end}) > 1 for end in (low, high))
        if above_at_low == above_at_high:
            continue
        for _ in range(60):  # halve the range and keep the half that holds the crossing
            middle = (low + high) / 2
            if (ratio(**{**assumed, name: middle}) > 1) == above_at_low:
                low = middle
            else:
                high = middle
        flips[name] = (low + high) / 2
    # variant: if DISTANCE == "factor"
    nearest = min(flips, key=lambda name: abs(math.log(flips[name] / assumed[name])), default=None)
    # variant: elif DISTANCE == "share of the value"
    nearest = min(flips, key=lambda name: abs(flips[name] / assumed[name] - 1), default=None)
    # variant: else
    width = {name: high - low for name, (low, high) in ranges.items()}
    nearest = min(flips, key=lambda name: abs(flips[name] - assumed[name]) / width[name], default=None)
    # variant: endif
    corners = [ratio(**{**assumed, **dict(zip(ranges, ends, strict=True))}) for ends in product(*ranges.values())]
    # variant: if CORNERS == "two"
    return {"flips": flips, "nearest": nearest, "corners": [min(corners), max(corners)]}
    # variant: else
    return {"flips": flips, "nearest": nearest, "corners": [min(corners), ratio(**assumed), max(corners)]}
    # variant: endif
    ### END SOLUTION

# %% nbgrader={"grade": true, "grade_id": "what-flips-visible", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
def toy_ratio(price, tokens, wait):
    return price**2 * tokens / (2 + wait)


toy = {"price": 3.0, "tokens": 0.35, "wait": 0.4}
toy_ranges = {"price": (2.0, 4.0), "tokens": (0.2, 0.6), "wait": (0.1, 0.8)}
given_toy, given_ranges = dict(toy), dict(toy_ranges)
turned = what_flips(toy_ratio, given_toy, given_ranges)
assert turned is not None, "nothing came back: end your function with `return ...`"
assert isinstance(turned, dict) and set(turned) == {"flips", "nearest", "corners"}, (
    f'a dict with "flips", "nearest" and "corners" is wanted, got {turned!r}'
)
assert given_toy == toy and given_ranges == toy_ranges, "assumed or ranges were changed; build a new dict for each call of ratio"
flips = turned["flips"]
assert isinstance(flips, dict), f'"flips" is a dict of names and values, got {flips!r}'
assert "price" in flips and "tokens" in flips, f"price and tokens reach 1 within their ranges; flips has only {sorted(flips)}"
assert "wait" not in flips, "wait reaches 1 only at 1.15, outside its range of 0.1 to 0.8: it does not flip, so leave it out"
assert not close(flips["price"], 2), "price 2: that is an end of its range; wanted is where the ratio is 1"
assert not close(flips["price"], 2.476190476), "price 2.4762: on a straight line between the two ends; the ratio is a curve, so search"
assert not close(flips["price"], 2.571428571), "price 2.5714: on a straight line from the assumed value; the ratio is a curve, so search"
assert not close(flips["price"], 3.240370349), "price 3.2404: the others were at the low ends of their ranges; they stay as assumed"
assert not close(flips["tokens"], 0.35), "tokens 0.35: that is the assumed value, where the ratio is 1.3125"
assert close(flips["price"], 2.618614683) or not close(flips["price"], 2.618614683, 1e-2), (
    f"price {flips['price']}: near, but it is wanted to a millionth; search more finely"
)
assert close(flips["price"], 2.618614683), f"worked example: price reaches 1 at 2.618615, got {flips['price']!r}"
assert close(flips["tokens"], 0.266666667), f"worked example: tokens reach 1 at 0.2666666667, got {flips['tokens']!r}; do not round"
# variant: if DISTANCE == "factor"
assert turned["nearest"] != "tokens", (
    "nearest tokens: by difference, or by v / assumed alone; 0.35 to 0.2667 is a factor of 1.3125, 3 to 2.6186 one of 1.146"
)
# variant: else
assert turned["nearest"] != "tokens", (
    "nearest tokens: by the plain difference; tokens move by << {'share of the value': '0.238 of their value, price by 0.127', 'share of the range': '0.208 of their range, price by 0.191'}[DISTANCE] >>"
)
# variant: endif
assert turned["nearest"] != "wait", "nearest wait: it does not flip within its range"
assert turned["nearest"] == "price", f"worked example: the nearest is price, got {turned['nearest']!r}"
corners = turned["corners"]
# variant: if CORNERS == "two"
assert isinstance(corners, (list, tuple)) and len(corners) == 2, f'"corners" is a list of two numbers, got {corners!r}'
# variant: else
assert isinstance(corners, (list, tuple)), f'"corners" is a list of three numbers, got {corners!r}'
assert len(corners) != 2, "corners: lowest and highest; in this version of the exercise the ratio as assumed stands between them"
assert len(corners) == 3, f'"corners" is a list of three numbers, got {corners!r}'
assert close(corners[1], 1.3125), f"corners: the ratio as assumed, 1.3125, stands in the middle, got {corners[1]!r}"
corners = corners[::2]  # lowest and highest
# variant: endif
assert not close(corners[0], 4 * 0.2 / 2.1), (
    "lowest corner 0.381: all at their low ends; the lowest ratio can need a high end, as for wait: try all combinations"
)
assert not close(corners[0], 4 * 0.35 / 2.4), "lowest corner 0.583: one assumption moved and the others stayed; at a corner all are at an end"
assert not (close(corners[0], 4.571428571) and close(corners[1], 0.285714286)), "corners: the lowest first, then the highest"
assert close(corners[0], 0.285714286) and close(corners[1], 4.571428571), f"worked example: corners 0.2857 and 4.5714, got {corners}"


def falling_ratio(speed, share, fixed):
    return fixed / (speed * (1 - share))


try:
    turned = what_flips(falling_ratio, {"speed": 5.0, "share": 0.2, "fixed": 3.0}, {"speed": (2.0, 8.0), "share": (0.1, 0.5)})
except (TypeError, KeyError) as error:
    raise AssertionError(f"an assumption without a range stays as assumed; your function raised {type(error).__name__}: {error}") from None
flips = turned["flips"]
assert "speed" in flips and "share" in flips, f"a ratio of 0.75 can rise to 1 as well; flips should have speed and share, got {sorted(flips)}"
assert not (close(flips["speed"], 2) or close(flips["speed"], 8)), (
    f"speed {flips['speed']}: your search ran to an end; the ratio falls as speed rises, so look which end is above 1"
)
assert close(flips["speed"], 3.75), f"3 / (speed x 0.8) is 1 at a speed of 3.75, got {flips['speed']!r}"
assert close(flips["share"], 0.4), f"3 / (5 x (1 - share)) is 1 at a share of 0.4, got {flips['share']!r}"
# variant: if DISTANCE == "factor"
assert turned["nearest"] != "share", "nearest share: 0.2 to 0.4 is a factor of 2, and 5 to 3.75 one of 1.333: a fall counts as its inverse"
assert turned["nearest"] == "speed", f"speed by a factor of 1.333, share by 2: the nearest is speed, got {turned['nearest']!r}"
# variant: elif DISTANCE == "share of the value"
assert turned["nearest"] == "speed", f"5 to 3.75 is 0.25 of the value, 0.2 to 0.4 all of it: the nearest is speed, got {turned['nearest']!r}"
# variant: else
assert turned["nearest"] == "speed", f"5 to 3.75 is 0.208 of its range, 0.2 to 0.4 is 0.5 of it: the nearest is speed, got {turned['nearest']!r}"
# variant: endif
turned = what_flips(toy_ratio, dict(toy), {"price": (2.8, 3.2), "tokens": (0.3, 0.4), "wait": (0.3, 0.5)})
assert turned["flips"] == {}, f"narrow ranges: none reaches 1 alone, so flips is empty, got {turned['flips']!r}"
assert turned["nearest"] is None, f"narrow ranges: nothing flips, so nearest is None, got {turned['nearest']!r}"
assert close(turned["corners"][0], 0.9408), f"narrow ranges: the lowest corner is 2.8**2 x 0.3 / 2.5 = 0.9408, got {turned['corners'][0]!r}"


def crossing_ratio(a, b):
    return (a + b) / (1 + b)


turned = what_flips(crossing_ratio, {"a": 1.2, "b": 2.0}, {"a": (0.5, 2.0), "b": (1.0, 3.0)})
assert not close(turned["corners"][0], 0.875), (
    "lowest corner 0.875: b lowers the ratio where a is above 1 and raises it where a is below; try all combinations of ends"
)
assert close(turned["corners"][0], 0.75) and close(turned["corners"][-1], 1.5), f"corners 0.75 and 1.5 are wanted, got {turned['corners']}"


def bent_ratio(a, b):
    return 10 * a / (9 * b - 10)


def tiny_ratio(harm):
    return 0.5 + 100 * harm


turned = what_flips(bent_ratio, {"b": 10.0, "a": 10.0}, {"b": (6.0, 20.0), "a": (5.0, 20.0)})
assert close(turned["flips"].get("a"), 8) and close(turned["flips"].get("b"), 110 / 9), (
    f"a 8 and b 12.2222 are wanted (call ratio with NAMES), got {turned['flips']}"
)
# variant: if DISTANCE == "factor"
assert turned["nearest"] == "b", "10 to 8 is a factor of 1.25, 10 to 12.22 one of 1.222: not the difference as a share of the assumed value"
# variant: else
assert turned["nearest"] != "b", (
    "nearest b: as a factor, 1.222 against 1.25 of a; in this version of the exercise the nearest is meant as a << DISTANCE >>"
)
assert turned["nearest"] == "a", f"a moves from 10 to 8, b from 10 to 12.22: the nearest is a, got {turned['nearest']!r}"
turned = what_flips(bent_ratio, {"b": 10.0, "a": 10.0}, {"b": (6.0, 20.0), "a": (7.0, 11.0)})
# variant: if DISTANCE == "share of the range"
assert turned["nearest"] == "b", "a range of a from 7 to 11: a moves by 2 / 4 of its range, b by 2.22 / 14, so the nearest is b"
# variant: else
assert turned["nearest"] == "a", "a range of a from 7 to 11: the share is of the assumed value, whatever the range is; the nearest is a"
# variant: endif
# variant: endif
turned = what_flips(tiny_ratio, {"harm": 0.002}, {"harm": (0.0002, 0.1)})
assert close(turned["flips"].get("harm"), 0.005), f"a millionth OF THE VALUE, small values too: harm 0.005, got {turned['flips']}"

# %% nbgrader={"grade": true, "grade_id": "what-flips-hidden", "locked": true, "points": 10, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import random
from itertools import product
from math import exp, isclose, log, prod

rng = random.Random(904)


def made(names, powers, factor, bend):
    """A ratio that rises or falls in each assumption; a bend makes it no pure product."""

    def ratio(**values):
        assert set(values) == set(names), f"ratio was called with {sorted(values)}, it needs {sorted(names)}"
        x = factor * prod(values[name] ** power for name, power in zip(names, powers, strict=True))
        return (x + bend * x**2) / (1 + bend)

    return ratio


cases = []
for start in (1.2, 0.8, 1.5, 0.6):
    names = rng.sample(["chips", "hours", "tokens", "euros", "watts", "people"], 4)
    powers = rng.sample([0.5, 1.0, -0.7, -1.3, 1.7, 2.2], 4)  # no two of one size
    assumed = {name: exp(rng.uniform(-5, 6)) for name in names}
    factor = start / prod(assumed[name] ** power for name, power in zip(names, powers, strict=True))
    ranges, flips = {}, {}
    for i in rng.sample(range(4), 4):
        if i == 3 and len(ranges) == 3 and start == 1.5:
            continue  # one without a range
        there = assumed[names[i]] * start ** (-1 / powers[i])  # where it is 1
        reach = rng.choice([0.6, 1.5])
        end = assumed[names[i]] * (there / assumed[names[i]]) ** reach
        back = assumed[names[i]] / (there / assumed[names[i]]) ** rng.uniform(0.2, 2)
        ranges[names[i]] = (min(end, back), max(end, back))
        if reach > 1:
            flips[names[i]] = there
    cases.append((made(names, powers, factor, rng.choice([0.0, 0.4])), assumed, ranges, flips))
flat = made(["a", "b"], [1.0, -2.0], 1.1, 0.0)
cases.append((flat, {"b": 1.0, "a": 1.0}, {"a": (0.5, 2.0)}, {"a": 1 / 1.1}))
cases.append((flat, {"b": 1.0, "a": 1.0}, {"b": (0.9, 1.04), "a": (0.95, 3.0)}, {}))
for power in (1.0, -1.0):  # the nearest as a factor is not the nearest by difference
    unlike = made(["x", "y"], [2.0, power], 1.2 / 100 / 0.5**power, 0.0)
    cases.append((unlike, {"x": 10.0, "y": 0.5}, {"x": (8.0, 11.0), "y": (0.4, 0.61)}, {"x": 10 / 1.2**0.5, "y": 0.5 / 1.2 ** (1 / power)}))
kg, hours = exp(rng.uniform(-9, -8)), exp(rng.uniform(-9, -8))  # a millionth of a small value is smaller still
small = made(["kg", "hours"], [1.0, -1.1], 1.2 / kg * hours**1.1, 0.4)
ranges = {"hours": (hours / 2, hours * 2), "kg": (kg / 1.5, kg * 3)}
cases.append((small, {"kg": kg, "hours": hours}, ranges, {"kg": kg / 1.2, "hours": hours * 1.2 ** (1 / 1.1)}))  # 17 % down is further than 18 % up


def crossing(far, near, x, y):
    """Near raises it where far is below 1 / x and lowers it above; where far is 1 / x it is 1."""
    return (x * far + y * near) / (1 + y * near)


for start in (1.2, 0.8):
    x, y = exp(rng.uniform(-2, 2)), exp(rng.uniform(-2, 2))
    ranges = {"near": (rng.uniform(0.8, 1.2) / y, 3 / y), "far": (rng.uniform(0.4, 0.6) / x, rng.uniform(1.8, 2.2) / x)}
    cases.append((crossing, {"y": y, "far": start / x, "x": x, "near": 2 / y}, ranges, {"far": 1 / x}))
for ratio, assumed, ranges, flips in cases:
    ends = [ratio(**(assumed | dict(zip(ranges, corner, strict=True)))) for corner in product(*ranges.values())]
    out = what_flips(ratio, dict(assumed), dict(ranges))
    what = f"assumed {assumed}, ranges {ranges}"
    assert isinstance(out, dict) and isinstance(out.get("flips"), dict), f"{what}: a dict with a dict of flips is wanted, got {out!r}"
    assert set(out["flips"]) == set(flips), f"{what}: {sorted(flips)} flip, got {sorted(map(str, out['flips']))}"
    for name, value in flips.items():
        said = out["flips"][name]
        assert type(said) in (int, float) and isclose(said, value, rel_tol=2e-6), f"{what}: {name} flips at {value}, got {said!r}"
    away = {
        "factor": {name: abs(log(value / assumed[name])) for name, value in flips.items()},
        "share of the value": {name: abs(value - assumed[name]) / assumed[name] for name, value in flips.items()},
        "share of the range": {name: abs(value - assumed[name]) / (max(ranges[name]) - min(ranges[name])) for name, value in flips.items()},
    }[DISTANCE]
    nearest = min(away, key=away.get, default=None)
    assert out.get("nearest") == nearest, f"{what}: the nearest is {nearest!r}, got {out.get('nearest')!r}"
    said = out.get("corners")
    corners = [min(ends), max(ends)] if CORNERS == "two" else [min(ends), ratio(**assumed), max(ends)]
    assert isinstance(said, (list, tuple)) and len(said) == len(corners), f"{what}: corners are {CORNERS} numbers, got {said!r}"
    for found, number in zip(said, corners, strict=True):
        good = type(found) in (int, float) and isclose(found, number, rel_tol=1e-9)
        other_order = list(ranges) != [name for name in assumed if name in ranges]
        names = "; `ranges` is in another order than `assumed`: is each end set under its own name?" if other_order else ""
        assert good, f"{what}: corners should be {corners}, got {said}{names}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "what-flips-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing and answers the guess. With the course's own numbers and sending in the open all five can, and four of them by moving about 4 % or less<< " (the two accuracies tie, and so do price and length: rounding decides which name is printed)" if DISTANCE == "factor" else "" >>: that is no verdict at all. Hidden, only two can, the price of a token and the harm of a wrong answer, and they have far to go. Within these ranges it matters more how a service sends than which of the two is right a little more often.
# (The corners are the same, because they do not depend on what is assumed. They take every assumption as if it could be anywhere while the others are anywhere; some combinations are less likely than others; lesson 09 draws them at random.)

# %% nbgrader={"grade": false, "grade_id": "what-flips-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
turned_round = {}
for setting, price_ratio in PRICE_RATIOS.items():
    here = {**ASSUMED, "price_ratio": price_ratio}
    turned_round[setting] = found = what_flips(cost_ratio, dict(here), dict(RANGES))
    # variant: if CORNERS == "two"
    low, high = found["corners"]
    # variant: else
    low, _, high = found["corners"]
    # variant: endif
    print(f"sending {setting}: R1's right answers cost {cost_ratio(**here):.3f} times as much as QwQ-32B's, {low:.2f} to {high:.2f} at the corners")
    for name, (low, high) in RANGES.items():
        there = found["flips"].get(name)
        if there is None:
            print(f"  {name:13} {low} to {high}: alone it does not turn the verdict round")
        else:
            factor = max(there / here[name], here[name] / there)
            print(f"  {name:13} {low} to {high}: 1 at {there:.4f}, assumed {here[name]}, a factor of {factor:.3f}")
    # variant: if DISTANCE == "factor"
    print("  has to move least:", found["nearest"])
    # variant: else
    print("  has to move least, as a << DISTANCE >>:", found["nearest"])
    # variant: endif

# %% [markdown] nbgrader={"grade": false, "grade_id": "verdict-numbers-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your functions' numbers once more, without their sources, for the page that you are about to write. You may use any other number of lessons 00 to 09 and of their exercises as well; say which lesson it is from. (Lesson 09 has the sources of the accuracies and lengths; so has the cell with the numbers at the top.)
#
# Exercise 4's ratio differs from exercise 1's mainly because it also counts 0.002 euros of harm for each wrong answer; the rest is rounding of its price and length. A part whose exercise is not finished says so, and the others still print.

# %% nbgrader={"grade": false, "grade_id": "verdict-numbers", "locked": true, "schema_version": 3, "solution": false, "task": false}
try:
    for setting in WAYS:
        qwq, r1 = (one_try[setting, model] for model in WAYS[setting])
        print(
            f"exercise 1, sending {setting}: {qwq:.2f} euros for a thousand right answers from QwQ-32B, "
            f"{r1:.2f} from R1 (ratio {r1 / qwq:.2f})"
        )
except Exception:
    print("exercise 1: not finished, its numbers are missing")
bought = 1000 * TOKENS["DeepSeek-R1"] / 1e6 * LIST_PRICE / 1.0411 / RIGHT["DeepSeek-R1"]
print(
    f"R1 bought by the token, at its maker's list price of {LIST_PRICE} dollars per million written: "
    f"{bought:.2f} euros for a thousand right answers"
)
try:
    for what, n, solved_a, solved_b in PAIRS:
        print("exercise 2, {}: p from {:.3f} to {:.3f}".format(what.partition(":")[0], *told_apart(n, solved_a, solved_b)))
except Exception:
    print("exercise 2: not finished, its numbers are missing")
try:
    for people in (20, 200, 10_000):
        fleets = [(s + (", a spare" if spare else ""), *who(people, s, spare)[:2]) for s in WAYS for spare in (False, True)]
        chips = ", ".join(f"{sending} {qwq} and {r1}" for sending, qwq, r1 in fleets)
        print(f"exercise 3, {people:,} people, H800 chips of QwQ-32B and R1: {chips}")
except Exception:
    print("exercise 3: not finished, its numbers are missing")
try:
    units = {"wrong_eur": " euros"}
    for setting, price_ratio in PRICE_RATIOS.items():
        here, found = {**ASSUMED, "price_ratio": price_ratio}, turned_round[setting]
        # variant: if CORNERS == "two"
        low, high = found["corners"]
        # variant: else
        low, _, high = found["corners"]
        # variant: endif
        flips = ", ".join(f"{name} {value:.3f}{units.get(name, '')} (assumed {here[name]})" for name, value in found["flips"].items())
        print(
            f"exercise 4, sending {setting}: ratio {cost_ratio(**here):.2f}, corners {low:.2f} to {high:.2f}; "
            f"turned round by {flips or 'none alone'}"
        )
except Exception:
    print("exercise 4: not finished, its numbers are missing")

# %% [markdown] nbgrader={"grade": false, "grade_id": "verdict-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · The verdict  (difficulty 4 of 5 · 50 minutes · 40 points)
#
# In March 2025 it was said that QwQ-32B performs on a par with DeepSeek-R1, with a twentieth of its parameters. Has it come level? Write one page, 250 to 450 words, for **one** of these readers, and say in the first line for which:
#
# - somebody at home with one graphics card of 24 GB;
# - a firm of 200 people with eight data-centre cards (say which: of 80 GB or of 141 GB);
# - a service for ten thousand people or more.
#
# Say what your verdict is and which of the two models this reader should run. Rest it on at least three numbers that you computed in this course (what a cell of your own notebooks printed counts; at least one of them from this set), with units and under which assumptions. Say where the numbers that you did not compute come from, and of what kind that source is: published by the maker (lesson 09: self-reported), measured or published by somebody else, computed, recorded (from a run elsewhere with this course's code), assumed. Say how sure you are, and which finding would change your mind. Give the strongest case for the other side. You need not look anything up: a figure that you cannot trace is better called unknown than quoted. There is no expected verdict.
#
# Your instructor grades your page by the table below, one row after the other: it shows what earns how much. The check cannot read it.

# %% [markdown] nbgrader={"grade": false, "grade_id": "verdict-rubric", "locked": true, "schema_version": 3, "solution": false, "task": false}
# **How the verdict is graded.** Each row earns the points of the level that fits best, whole numbers in between included. Together they make 40.
#
# | criterion | missing | partial | good | excellent |
# |---|---|---|---|---|
# | **Numbers of your own**: computed in this course, with units and assumptions | 0: none, or none that can be found in the course | 3: one or two; or three without units or assumptions | 7: three or more with units; for some the assumptions are not said, or the conclusion does not use them | 10: three or more with units and assumptions, at least one from this set, and each carries a part of the conclusion |
# | **Sources**: where other numbers come from, and of what kind they are | 0: no source is named | 3: sources are named, not of what kind they are | 6: kinds are named for most numbers; a maker's own figures are called that | 8: every number that was not computed has its source and kind, and what that means for its weight is said |
# | **How sure**: uncertainty, and what would change the verdict | 0: the verdict is stated as a fact | 3: "it is uncertain", without a number or a reason | 7: one uncertainty with its size, or a finding that would change the verdict, but not both | 10: the two largest uncertainties with their sizes, and a finding that can be had, with the value from which on the verdict changes |
# | **The other side** | 0: not mentioned | 2: mentioned and brushed aside | 4: a fair argument for it, without a number | 6: its strongest case with a number, and why it does not decide for this reader |
# | **Clarity**: a verdict for this reader | 0: no verdict, or none that follows from the text | 2: a verdict, but for nobody in particular | 4: a verdict for the reader who was chosen, with steps that have to be guessed | 6: verdict and advice in plain words, first things first, and each step follows from the one before; 250 to 450 words |

# %% [markdown] nbgrader={"grade": true, "grade_id": "verdict-question", "locked": false, "points": 40, "schema_version": 3, "solution": true, "task": false}
# <% if ANSWERS_PER_HOUR != 2 or SIDE != "either" or SPLIT_COUNTS != "whole" %>
# (A model page with the numbers of the course's public version: two answers an hour for each person, and p to either side. Your student's own numbers are printed above the question.)
#
# <% endif %>
# For a firm of 200 people with eight data-centre cards (H800, 80 GB).
#
# Verdict: run QwQ-32B. In contest mathematics it has come level with R1, and it fits your cards. In your own work nobody has measured either.
#
# *Chips.* I assume two answers an hour for each person, 14,500 tokens each from QwQ-32B and 12,000 from R1 (both measured on AIME 2025, the first by researchers, the second by R1's maker), 8 bits a weight, 20 tokens per second for everyone. Then QwQ-32B needs 2 chips, or 3 if any copy may fail; R1 needs 16, or 32 (exercise 3, on
# lesson 06's estimate, which came out 10 to 44 % below DeepSeek's own published day). R1's weights are 671 GB (computed, lesson 06); your cards have 640.
#
# *Quality.* NVIDIA gave both models the same 256 contest problems: 59.7 % for QwQ-32B, 57.4 % for R1. It made neither, so this weighs more than the makers' own 79.5 and 79.8 % on AIME 2024. The difference of 2 points has a standard error of 4; p lies between 0.03 and 0.73, for nobody prints who solved which (exercise 2).
#
# *Cost.* On the chips that suit each best a thousand right answers cost 11.02 euros from QwQ-32B and 10.39 from R1, with sending hidden 9.51 and 6.48 (exercise 1; 2 dollars per chip and hour). In the open 4 % in price, length or accuracy turn the order round (exercise 4). On your 2 chips a thousand right answers cost 16 euros.
#
# *The other side.* In knowledge R1 seems ahead, 71.5 against 63.7 % on GPQA-Diamond, by two testers (lesson 09). In 4 bits, 419 GB, it would fit your cards; what it loses then, this course did not measure. Or buy it by the token: at its maker's list price, 2.19 dollars per million written, a thousand right answers cost 44 euros. That is more than 16; but with a tenth of the questions you still pay for one chip,
# and then it is 80 against 44. You ask more, and mostly not for facts, so it does not decide.
#
# *What would change my mind.* Give both models 500 of your own problems and keep the list of who solved which. If R1 is ahead with p below 0.05, or if your people ask for less than one answer in three hours, buy R1 by the token.
#
# === BEGIN MARK SCHEME ===
# By the table right above the answer, which formgrader shows to you as well: choose a level in each row, enter the sum as this cell's score, and write the five numbers into the comment (10 8 10 6 6). No verdict is preferred, and none of the three readers. Points between two levels are for pages between them.
# 10 points: numbers of your own. The cell above the question prints this set's; they change with a class's parameters. Three of them with units and assumptions, each used, earn all. From lessons: chips that hold a model, euros and joules per million tokens (06), standard errors (05, 09), parameters and bytes of cache (01, 03), a training bill (07). A number that cannot be found in the course counts as none.
# 8 points: sources. AIME's 79.5 and 79.8 are each maker's own; the 256 problems were measured by NVIDIA, which made neither model, but had used both to make training data (lesson 09); DeepSeek's day of service, prices and R1's 12,000 tokens are its own; lesson 06's figures are an estimate; answers per hour and the harm of a wrong one are assumed. Who calls an estimate measured, or a maker's figure independent, gets 3 at most.
# 10 points: how sure. A size belongs to it: p from exercise 2, a standard error, the corners or the nearest flip of exercise 4, hidden against open sending. "Would change" is something that can be had: results problem by problem, lengths on the reader's own questions, how many are asked, a measured price; with the value from which on it turns.
# 6 points: the other side. At home: R1 by the token is open to everybody. For the firm: the same, or R1 in 4 bits, or eight chips of 141 GB, which hold it in 8 (lesson 06). For the service: R1 is the smaller fleet from some << "thousands" if ANSWERS_PER_HOUR > 1 else "ten to twenty thousand" >> << "of " if ANSWERS_PER_HOUR > 1 else "" >>people on, the sooner if sending is hidden; QwQ-32B is, if a spare is wanted; one model may also be the better one in the service's own language or subject.
# 6 points: clarity. A reader who took no course must be able to act on it. Take 1 off for each 50 words beyond 450 or short of 250.
# === END MARK SCHEME ===
