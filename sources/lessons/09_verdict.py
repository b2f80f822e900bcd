# %% [markdown]
# # 09 · The verdict: the same two models, and who asks decides
#
# **By the end you will have shown that** in contest mathematics QwQ-32B and DeepSeek-R1 are level on 256 problems that a third party gave to both; that a right answer is several times cheaper from QwQ-32B for a few users who rent the chips, and cheaper from R1 for thousands of them, under
# assumptions that you can change one by one; how sure that is; and which single number carries most of it. You will also have the whole ledger filled in.
#
# **Price:** about a minute of computing on two CPU cores, one evening of yours. Nothing here uses a GPU or a network. Memory: less than 1 GB.
#
# **You need:** lesson 06 (what serving costs), lesson 05 (standard errors of a score), and your guesses of lesson 00. Nothing new is built here; everything is joined.

# %% [markdown]
# ## It works, before any theory
#
# Three people ask which of the two models they should run:
#
# * someone **at home**, with one graphics card of 24 GB;
# * a **firm** in which 32 people wait for an answer at the same time, and which can rent eight cards;
# * a **service** in which 10,000 do.
#
# **Guess first:** for each of them, which model gives more right answers for a euro: QwQ-32B, R1, or "R1 cannot run there"?

# %%
guess_winner = {"home": None, "firm": None, "service": None}

# %%
import inspect
import math
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from racecourse.hardware import accelerators
from racecourse.hardware.serving import ways_to_serve
from racecourse.learn import verdict
from racecourse.learn.cards import cards
from racecourse.learn.fits import known_configs
from racecourse.learn.ledger import CONTEXT, JUDGEMENTS, recorded_ledger, settle
from racecourse.learn.tables import text_table
from racecourse.learn.verdict import (
    EXAMS,
    FIRM,
    HOME,
    MATHS,
    QWQ,
    R1,
    SCENARIOS,
    Scenario,
    bought_eur,
    draw_ratios,
    euro_ratio,
    one_at_a_time,
    outcome,
    ranges_of,
    ratio_map,
)

service = SCENARIOS["service: 10,000 users, H800"]
rows = []
for who, scenario in (("home", HOME), ("firm", SCENARIOS["firm: 32 users, 8 H200"]), ("service", service)):
    qwq, r1 = outcome(scenario, "qwq"), outcome(scenario, "r1")
    rows.append([
        who, f"{scenario.users:,}", scenario.chip.removeprefix("NVIDIA "), f"{qwq.right_per_eur:,.1f}",
        "cannot run" if r1 is None else f"{r1.right_per_eur:,.1f}", "-" if r1 is None else f"{euro_ratio(scenario):.2f}",
    ])  # fmt: skip
print("right answers to contest problems for one euro (1.0411 dollars: European Central Bank, 2025-02-28)")
print(text_table(["who", "users at once", "chips", "QwQ-32B", "R1", "euros, R1 / QwQ"], rows))
print("your guess:", guess_winner)

# %% [markdown]
# Three people, three answers, from one and the same arithmetic. The rest of this lesson opens it: what was assumed (1), how good the two models are (2), the whole page (3), where it turns round (4), and how sure that is (5, 6). Then come the four systems of the news story (7), the ledger (8), and what all of this rests on (9).
#
# ## 1 · What is assumed
#
# A **scenario** is everything that was put in. Most of it is lesson 06's, with the same values. Read the comments: each number has its source, or is called a guess.

# %%
source = inspect.getsource(Scenario)
print(source[source.index("    users:") : source.index("    def __post_init__")])

# %% [markdown]
# Three of them deserve a second look.
#
# **How long is an answer?** A model that thinks twice as long costs twice as much. QwQ's makers publish no lengths. A third party measured QwQ on the 30 problems of AIME 2025: 14,495 tokens of thinking. R1's makers wrote, when they released its successor, that R1 took 12,000 tokens a problem on that test. Two testers, one of them rounded to
# thousands: the **length ratio**, R1 over QwQ, is about 0.83, and not well known. (The successor of May 2025 takes 18,557 by the third party and 23,000 by its makers. It is another model and not R1 of January.)
#
# **Users at once** are people who wait at the same moment. If each of P people asks for A answers an hour and waits S seconds for one, then P x A x S / 3600 wait at the same time.
#
# **Copies.** A dense model is split over one node at most; more users need more copies. A mixture spreads out. The page takes the cheapest way that gives each user 20 tokens per second.
#
# How these become an answer's seconds, energy and euros is one function:

# %%
print(inspect.getsource(outcome))

# %% [markdown]
# Two witnesses, before we believe it. First, at lesson 06's setting (10,000 tokens for both, no question in the cache, as many users as R1's 256 chips hold) it must give lesson 06's euros. Second, DeepSeek's own day: 14,800 tokens per second for each node of eight H800, at 21 tokens per second for each user, a mean context of 4,989 tokens, and the sending hidden.

# %%
lesson_06 = replace(service, tokens=10_000, length_ratio=1.0, prompt=0, most_chips=100_000)
chips, configs = accelerators(), known_configs()
rows = []
for hidden in (1.0, 0.0):
    setting = replace(lesson_06, hidden_share=hidden)
    best = {
        name: min(
            ways_to_serve(
                name, configs[name], chips[setting.chip], bits_per_weight=8, most_chips=256, assume=setting.serving(10_000)
            ),
            key=lambda way: way.eur,
        )
        for name in (QWQ, R1)
    }
    setting = replace(setting, users=best[R1].batch_size)
    here = {name: outcome(setting, side).eur * 100 for name, side in ((QWQ, "qwq"), (R1, "r1"))}
    rows += [[name, "hidden" if hidden else "in the open", f"{best[name].eur:.3f}", f"{here[name]:.3f}"] for name in best]
print("euros per million tokens")
print(text_table(["model", "sending", "as lesson 06", "this page"], rows))

node = replace(service, tokens=2 * 4989, length_ratio=1.0, prompt=0, tokens_per_s=21.0)
for hidden in (1.0, 0.0):
    per_node = outcome(replace(node, hidden_share=hidden), "r1").answers_per_chip_hour * node.tokens / 3600 * 8
    print(
        f"DeepSeek's node, sending {'hidden, as theirs' if hidden else 'in the open'}: {per_node:,.0f} tokens/s, published 14,800 ({per_node / 14_800 - 1:+.0%})"
    )

# %% [markdown]
# The two columns agree to less than a percent: the last copy of QwQ is not always full. And the node is met within 15 % with the sending hidden, as theirs is (lesson 06: -10 and -44 %, on its 18 nodes; here it is the cheapest layout for 10,000 users). So hidden is this page's default, for both models, and the other setting is printed beside it where it matters.
#
# ## 2 · How good are they?
#
# Lesson 05 had two numbers on AIME 2024, each by its own maker. Here is what can be found beyond them. **NVIDIA** gave 256 contest problems to both models, with the same
# settings and 64 answers to each. (AIME and HMMT are contests in mathematics for school students.) **MathArena**, a public board, tested both on two contests of February 2025,
# held after R1 was published.
#
# **Guess first:** over those 256 problems, which model is ahead, by how many points, and is that more than one standard error?

# %%
guess_ahead, guess_points, guess_beyond_one_error = None, None, None

# %%
exams = (*EXAMS, MATHS)
print(text_table(
    ["test", "problems", "QwQ-32B", "R1", "QwQ ahead by", "standard errors", "tested by"],
    [[e.name, e.n_problems, f"{e.qwq:.1%}", f"{e.r1:.1%}", f"{e.ahead:+.1f}", f"{e.ahead / e.error:+.1f}", e.testers] for e in exams],
))  # fmt: skip
print(f"\n{MATHS.name}: QwQ ahead by {MATHS.ahead:.1f} points, one standard error of the difference is {MATHS.error:.1f}")
print("your guess:", guess_ahead, guess_points, guess_beyond_one_error)
r1_simple_qa = 30.1  # per cent, DeepSeek-R1's README
print(f"coding, LiveCodeBench: QwQ 63.4, R1 65.9, each by its maker and perhaps not on the same problems; facts, SimpleQA: R1 {r1_simple_qa}, of QwQ no figure was found")

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("half-a-standard-error")

# %% [markdown]
# * In contest mathematics they are **level**: in no test of one tester are they apart by one standard error, and they take turns in the lead. (All of these contests were held before QwQ came out, so either model may have met some of the problems; most were held before R1, too.)
# * On GPQA-Diamond, questions of science for which one has to *know* things, R1 is ahead, by nearly two standard errors; but two testers are behind that row. It would fit lesson 03: the mixture's many parameters helped to store facts, and did less for working things out.
# * LiveBench, IFEval and BFCL: QwQ's makers published a picture, and their figures were not found in a text. They are left out.
# * The standard error takes problems as what varies, and the two models as if each had had problems of its own. On the same problems a sharper test is possible if one knows who solved which (exercise set 09). Nobody published that.
#
# ### Failure first: a name is not a model
#
# A study of medical questions (MedicalAgentsBench, arXiv 2503.07459) prints *QwQ-32B 78.9, DeepSeek-R1 91.8* on MedQA, 1,273 questions. It looks like the missing test of knowledge:

# %%
medqa = verdict.Exam("MedQA, as printed", 1273, 0.789, 0.918, "the study's authors, both", "arXiv 2503.07459, table 3")
print(f"{medqa.name}: QwQ ahead by {medqa.ahead:+.1f} points, {medqa.ahead / medqa.error:+.1f} standard errors")

# %% [markdown]
# Nine standard errors. But the section on methods says that the models were used in January and February 2025, through a service that had *Qwen/QwQ-32B-Preview*. The model of March 2025 did not exist yet. The row is about another model, and is **not used here**. Without reading to the end we would have turned row 2 of the ledger round.
#
# ## 3 · The page
#
# **Guess first:** a firm rents eight H100 of 80 GB. R1's weights are 671 GB in 8 bits. With how many bits per weight does it fit, and what does a right answer then cost compared with QwQ's?

# %%
guess_bits, guess_times = None, None


# %%
def page(scenarios: dict[str, Scenario]) -> str:
    """One row for each model that can be served in each scenario."""
    rows = []
    for name, scenario in scenarios.items():
        for model, side in ((QWQ, "qwq"), (R1, "r1")):
            its = outcome(scenario, side)
            if its is None:
                rows.append([name, model, "does not fit", *["-"] * 7])
                continue
            rows.append([
                name, model, f"{its.n_chips:,} in {its.n_copies}", f"{its.seconds:,.0f}", f"{its.answers_per_chip_hour:,.0f}", f"{1000 * its.kwh:,.1f}",
                f"{1000 * its.eur:,.2f}", f"{its.right_per_hour:.1f}", f"{its.right_per_kwh:,.0f}", f"{its.right_per_eur:,.0f}",
            ])  # fmt: skip
    return text_table(
        ["scenario", "model", "chips in copies", "s an answer", "answers/chip hour", "kWh per 1,000", "EUR per 1,000", "right/hour", "right/kWh", "right/EUR"],
        rows,
    )  # fmt: skip


print(page(dict(SCENARIOS)))
four_bits = SCENARIOS["firm, R1 in 4 bits"]
print(f"\nR1 in 4 bits (5 with scales) on 8 H100: {euro_ratio(four_bits):.1f} times QwQ's euros; your guess: {guess_bits} bits, {guess_times} times")
print("right/hour: right answers in an hour of one user's waiting, one after the other. Sending hidden for both; in the open:")
print(page({f"{name}, open": replace(s, hidden_share=0.0) for name, s in SCENARIOS.items() if name.startswith("service")}))
people = 10_000 * 3600 / outcome(service, "qwq").seconds / 4
print(f"\n10,000 who wait at once are {people:,.0f} people of whom each asks for four answers an hour, if QwQ answers")

# %% [markdown]
# Read it by columns.
#
# * **Per second.** With the same promise of 20 tokens per second the waiting is alike; R1's answers are shorter. A fuller machine is slower for each, and cheaper for all.
# * **Per kWh** and **per euro** go together, since a rented chip costs and draws the same whoever uses it. A chip that waits for work is what is dear: for the firm's 32 users QwQ needs one H200, and R1 all eight.
# * In 4 bits R1 fits the firm's eight H100. What 4 bits do to its answers, and to QwQ's at home, this page does not count: lesson 06 measured it for a model of 135 million parameters only.
#
# At home there is a third way: R1 need not run there. Its maker's list price of February 2025 was 2.19 dollars for a million written tokens.

# %%
home, firm = outcome(HOME, "qwq"), outcome(SCENARIOS["firm: 32 users, 8 H200"], "qwq")
electricity = home.kwh * HOME.usd_per_kwh * HOME.eur_per_usd
bought = bought_eur(HOME.tokens * HOME.length_ratio, eur_per_usd=HOME.eur_per_usd)
print(text_table(
    ["at home, and the firm", "EUR per 1,000 answers", "right/EUR"],
    [
        ["QwQ on a card bought for it, busy 5 %", f"{1000 * home.eur:.1f}", f"{home.right_per_eur:.1f}"],
        ["QwQ on a card that is there anyway", f"{1000 * electricity:.1f}", f"{HOME.qwq_right / electricity:.1f}"],
        ["R1 by the token, list price 2025-02-28", f"{1000 * bought:.1f}", f"{HOME.r1_right / bought:.1f}"],
        ["QwQ on the firm's rented H200, 32 users", f"{1000 * firm.eur:.1f}", f"{firm.right_per_eur:.1f}"],
    ],
))  # fmt: skip
print(f"the card's share is {2000 / (4 * 8766 * 0.05):.2f} dollars for each hour in which it works: 2,000 dollars, 4 years, 5 % busy (assumed)")

# %% [markdown]
# For the firm R1 by the token costs three times as much as its own QwQ. QwQ is sold by the token, too; no dated price was read.
#
# So at home it hangs on whether the card is there anyway, and on whether your questions may leave the house. That has no euro sign here.
#
# ### Controls
#
# **Negative control:** one and the same model under both names, with the same answers. The ratio must be 1. **Placebo:** the exchange rate must move euros and not the ratio.

# %%
alike = {"length_ratio": 1.0, "r1_right": MATHS.qwq}
for name in (QWQ, R1):
    ratios = [euro_ratio(replace(service, users=n, **alike), models=(name, name)) for n in (64, 1000, 10_000)]
    print(f"{name} against itself, 64, 1,000 and 10,000 users: {ratios}")
crossed = replace(service, tokens=service.tokens * service.length_ratio, length_ratio=1 / service.length_ratio, qwq_right=MATHS.r1, r1_right=MATHS.qwq)
print(f"labels exchanged: {euro_ratio(service):.4f} and {euro_ratio(crossed, models=(R1, QWQ)):.4f}, product {euro_ratio(service) * euro_ratio(crossed, models=(R1, QWQ)):.4f}")
for rate in (0.5, 0.96, 1.2):
    other = replace(service, eur_per_usd=rate)
    print(f"{rate:.2f} euros a dollar: {1000 * outcome(other, 'r1').eur:5.2f} euros for 1,000 answers of R1, ratio {euro_ratio(other):.4f}")

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("why-a-placebo")

# %% [markdown]
# ## 4 · Where it turns round: the signature result
#
# Two things move the ratio most: how many users there are, and how long R1's answers are compared with QwQ's. The map shows both at once, blue where QwQ-32B's right answers are cheaper and orange where R1's are.
#
# **Guess first:** with the published length ratio of 0.83, from how many users at once on is R1 cheaper? And if R1 wrote as many tokens as QwQ?

# %%
guess_users_083, guess_users_1 = None, None

# %%
step = 4 if session.quick else 1
users = [4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 700, 1000, 1400, 2000, 2800, 4000, 5600, 8000, 11_000, 16_000][::step]
length_ratios = [0.4, 0.5, 0.6, 0.7, 0.83, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0][:: min(step, 2)]
maps = {
    hidden: ratio_map(replace(service, hidden_share=hidden), users=users, length_ratios=length_ratios) for hidden in (1.0, 0.0)
}
verdict.plot_ratio_map(
    maps[1.0], users=users, length_ratios=length_ratios, other=maps[0.0], marked=service.length_ratio,
    title="A right answer's euros, H800, sending hidden (dashed: in the open)",
)  # fmt: skip
plt.show()


def first_number(ratios: np.ndarray) -> str:
    """The fewest users of the map from which on R1 stays cheaper."""
    dearer = [n for n, ratio in zip(users, ratios, strict=True) if ratio >= 1]
    later = [n for n in users if n > max(dearer, default=0)]
    return f"{later[0]:,} users" if later else "no number here"


def equal_at(ratios: np.ndarray) -> str:
    """The length ratio at which both cost the same, between two of the map's."""
    if ratios[0] > 1 or ratios[-1] < 1:
        return f"below {length_ratios[0]}" if ratios[0] > 1 else f"above {length_ratios[-1]}"
    return f"{np.interp(0.0, np.log(ratios), length_ratios):.2f}"


for hidden, words in ((1.0, "hidden"), (0.0, "in the open")):
    row = {ratio: first_number(maps[hidden][length_ratios.index(ratio)]) for ratio in (0.6, 0.83, 1.0, 1.2) if ratio in length_ratios}
    print(f"sending {words}: R1 is cheaper from", ", ".join(f"{n} (length ratio {ratio})" for ratio, n in row.items()))
    at = {n: equal_at(maps[hidden][:, users.index(n)]) for n in (64, 256, 1000, 4000, 16_000) if n in users}
    print("   both cost the same at a length ratio of", ", ".join(f"{ratio} ({n:,} users)" for n, ratio in at.items()))
print("your guess:", guess_users_083, guess_users_1)

# %% [markdown]
# Below a hundred users QwQ-32B wins by multiples, and no plausible length ratio turns that round: R1 needs its sixteen H800 for the first user. With thousands R1's tokens are cheaper, and then the length of the answers decides. The steps in the lines are copies that have to be begun.
#
# "Has a 32-billion model come level with one of 671 billion?" The map says: level in what it costs, at one line; and that line lies where a service begins.
#
# ## 5 · How sure?
#
# Now every uncertain assumption gets a range, and many scenarios are **drawn**: each assumption evenly from its range, all at once. This is called a Monte Carlo estimate. What comes out is the share of *draws* in which QwQ is cheaper. It is not a probability of the truth: the ranges are ours.

# %%
ranges = ranges_of(MATHS)
print(text_table(["assumption", "low", "high", "why"], [[n, f"{round(r.low, 3):,g}", f"{round(r.high, 3):,g}", r.why] for n, r in ranges.items()]))

# %% [markdown]
# **Guess first:** in how many of a hundred draws is QwQ-32B cheaper for the service with 10,000 users, and for the one with 1,000? And which assumption matters most?

# %%
guess_10_000, guess_1_000, guess_most = None, None, None

# %%
n_draws = 60 if session.quick else 1000
drawn = {
    name: np.full(1, math.inf) if outcome(scenario, "r1") is None else draw_ratios(scenario, ranges, n_draws=n_draws, seed=9)
    for name, scenario in SCENARIOS.items()
}
verdict.plot_draws(drawn, title=f"Nine of ten draws, and the middle one ({n_draws:,} draws each)")
plt.show()
rows = []
for name, ratios in drawn.items():
    finite = ratios[np.isfinite(ratios)]
    quantiles = [f"{q:.2f}" for q in np.quantile(finite, [0.05, 0.5, 0.95])] if len(finite) else ["-"] * 3
    rows.append([name, f"{len(finite) / len(ratios):.0%}", f"{np.mean(ratios > 1):.0%}", *quantiles])
print("of the draws in which R1 fits: the ratio that 5 %, half and 95 % of them stay below")
print(text_table(["scenario", "R1 fits", "QwQ cheaper", "5 %", "middle", "95 %"], rows))
error = math.sqrt(0.25 / n_draws)
print(f"{n_draws:,} draws: one standard error of a share is {100 * error:.0f} points at most")
print("your guess:", guess_10_000, guess_1_000)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("share-of-draws")

# %% [markdown]
# For the firm no draw turns it round. For the services many do. (The scenario as assumed need not be the middle of the draws: all sending hidden is the *end* of its range, and 0.83 lies below the middle of 0.6 to 1.2. Both are kind to R1, so with 1,000 users the page above has R1 a little cheaper and most draws have QwQ.)
#
# Which assumption is it? **One at a time**: each assumption at its low and its high end, all others as assumed. Sorted, the figure has the shape of a tornado.

# %%
ends = one_at_a_time(service, ranges)
verdict.plot_one_at_a_time(ends, middle=euro_ratio(service), title="10,000 users on H800: each assumption from end to end")
plt.show()
print(text_table(["assumption", "at its low end", "at its high end", "turns it round alone"],
                 [[n, f"{a:.2f}", f"{b:.2f}", "yes" if (a - 1) * (b - 1) < 0 else "no"] for n, (a, b) in ends.items()]))  # fmt: skip
most = next(iter(ends))
print(f"what matters most: {most}; your guess: {guess_most}")
by_exam = {f"{e.name} ({e.testers})": euro_ratio(replace(service, qwq_right=e.qwq, r1_right=e.r1)) for e in exams}
print("\nthe same by another measure of quality:", "; ".join(f"{name} {ratio:.2f}" for name, ratio in by_exam.items()))

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("what-moves-the-ratio")

# %% [markdown]
# The **length of the answers** carries the verdict, more than any property of chips; and it is the one that nobody has measured for both models on the same problems. The two shares right matter less than that, and the placebo not at all. Rent is a second placebo, as long as both use the same chips at the same price.
#
# A measurement that would settle most of it is cheap: both models, the same 200 problems of your own, the tokens counted. In dollars of R1 by the token:

# %%
n = 200
dollars = n * service.tokens * service.length_ratio / 1e6 * 2.19
print(f"{n} problems x {service.tokens * service.length_ratio:,.0f} tokens at 2.19 dollars per million: {dollars:.2f} dollars for R1's half of it")

# %% [markdown]
# ## 6 · Your assumptions
#
# First the explorer's default as a picture. Then change what you know better. Try: which single slider turns a service of 1,000 round? Is there a chip in the table for which 32 users are cheaper with R1?

# %%
from racecourse.learn.widgets.verdict import DEFAULT, draw_verdict, verdict_explorer

figure, ax = plt.subplots(figsize=(8.4, 2.8), layout="constrained")
print(draw_verdict(ax, **DEFAULT))
plt.show()

# %%
display(verdict_explorer())

# %% [markdown]
# ## 7 · Four systems, and what of them was rebuilt
#
# The news story had four: what each is, what of it you rebuilt in this course, at which scale, and what could not be checked.

# %%
display(cards())

# %% [markdown]
# ## 8 · The ledger
#
# Six rows are left for this lesson. Four are claims about the world of companies and states, for which a notebook can compute little. Then what counts is who says it, when, and what would settle it. The course takes no side.
#
# **Row 2**, the course's question:

# %%
gpqa = next(exam for exam in EXAMS if exam.name == "GPQA-Diamond")
maths_words = f"{100 * MATHS.qwq:.1f}% and {100 * MATHS.r1:.1f}%, {MATHS.ahead / MATHS.error:.1f} standard errors apart"
display(settle(
    2,
    value=f"in contest mathematics level: {maths_words}, on 256 problems that NVIDIA gave to both; MathArena's two tests of 30 point in different directions. On GPQA-Diamond, where knowledge counts, R1 is ahead by {-gpqa.ahead:.1f} points, "
    f"{-gpqa.ahead / gpqa.error:.1f} standard errors, by different testers. Coding: 63.4 and 65.9, each by its maker. Other scores of QwQ's exist as a picture only",
    verdict="holds with a qualification",
    sources=("arXiv 2504.16891, tables 4 and 7", "arXiv 2505.16400, table 2, for MathArena and coding", "arXiv 2505.17813, table 1", "arXiv 2501.12948, table 4"),
))  # fmt: skip

# %% [markdown]
# **Row 7** is an argument: *if* small and cheap is enough, *then* scaling must be thought through again and Nvidia's hold weakens. Its parts can be looked at one by one.

# %%
qwq_big, r1_big = outcome(service, "qwq"), outcome(service, "r1")
display(settle(
    7,
    value="the first part: a law held for models up to 13 times larger than the ladder's largest, within 1 to 9 % (lesson 02; up to 1.7 million parameters); what has to be thought through is which number counts: active parameters, tokens of training, reinforcement learning, length of answers. Both bases took about the same training, 3.5e24 and 3.3e24 FLOP, so small was not cheap to make. "
    f"The second part: R1 was trained on Nvidia's H800, for QwQ it is not published; others' chips can serve both by lesson 06's estimate. 10,000 users at once need {r1_big.n_chips} H800 for R1 and {qwq_big.n_chips} for QwQ by this estimate. Cheaper answers may mean fewer chips or more questions. "
    "It would be settled by how many chips of whom are bought for how many answers, over years; no such series is public",
    verdict="cannot be told from public data",
    sources=("lessons 02, 03, 06", "this lesson's page"),
))  # fmt: skip

# %%
display(settle(
    4,
    value="on 6 March 2025 reports give 7.3 % (139.60 Hong Kong dollars), up to 7.5 %, about 8 % and 8.4 %, at different hours of the day. The Hang Seng Tech index rose about 5 % the same day, and the "
    "government's plans for consumption were announced that week: what part was QwQ's a price does not tell. The exchange's own closing price was not read here",
    verdict="holds with a qualification",
    sources=("IBTimes (Bloomberg), CCN, Business Insider in a copy, all of 6 March 2025", "aitheir.world for 8.4 % and the index (5.4 %)", "48skid.blogspot.com for 139.60 HKD"),
))  # fmt: skip
display(settle(
    17,
    value="State Council document [2017] 35, dated 8 July 2017 and published on 20 July: by 2020 level with the most advanced, by 2025 breakthroughs and a leading place in some fields, by 2030 theory, technology and use at a world-leading level and China 'a' or 'the' main centre of AI innovation, "
    "depending on the translation. A plan says what is aimed at",
    verdict="context",
    sources=("translation at flia.org; summaries at lexology.com and usito.org (2017)",),
))  # fmt: skip

# %% [markdown]
# **Row 18**, an opinion: *the fastest first mover wins, as in telecoms equipment.* What would have to be true?
#
# | what would have to be true | what there is |
# |---|---|
# | being first gives a lead that lasts | R1 came on 20 January 2025, QwQ-32B 45 days later; a first place on GAIA of March 2025 was one for a season (lesson 08) |
# | users cannot change over easily | both models are published with their weights, and programs speak to either through the same protocol (lesson 08's endpoint is made for it; not tried) |
# | the comparison holds: in telecoms the first mover won | shares of the equipment market in 2020: Huawei 31 %, Nokia 15 %, Ericsson 15 %; outside China in 2021 Ericsson and Nokia about 20 % each, Huawei about 18 %. Huawei's revenue, phones included, passed Ericsson's in the first half of 2012, 16.1 against 15.25 billion dollars: a win of the first mover is one reading, of a fast follower another |
# | there is one race with one end | for 32 users and for 10,000 the winner is not the same model (section 4) |

# %%
from datetime import date

days_between = (date(2025, 3, 6) - date(2025, 1, 20)).days
display(settle(
    18,
    value=f"a forecast. Against a lasting lead: in contest mathematics R1's was {days_between} days. For it: brands, data of users and chips under rules are not in any benchmark. The precedent is read both ways: Huawei led telecoms equipment with 31 % of 2020's revenue, and had passed Ericsson as late as 2012. "
    "It would be settled by market shares some years after the first movers are known",
    verdict="cannot be told from public data",
    sources=("Dell'Oro Group for 2020, in telecomreview.com; for 2021 outside China, in oltnews.com", "Light Reading, 24 July 2012, for Huawei and Ericsson", "dates of release: arXiv 2501.12948; Qwen's blog"),
))  # fmt: skip
display(settle(
    19,
    value="one estimate, of April 2021 and by the industry's own association: supply chains that are complete in each region would take at least 1,000 billion dollars at first, 45 to 125 billion more each year, and make chips 35 to 65 % dearer. The same study counts more than 50 steps in which one region has over 65 % "
    "of the market, and found all capacity below 10 nm in Taiwan (92 %) and South Korea (8 %). TSMC's factories in the US (row 16) are a case of spreading out. Costs of not decoupling, which others put against it, are in no such sum",
    verdict="context",
    sources=("Semiconductor Industry Association and Boston Consulting Group, 2021 (semiconductors.org, bcg.com); semimedia.cc for the yearly cost",),
))  # fmt: skip

# %% [markdown]
# ### The whole ledger
#
# In lesson 00 you guessed how many of the seventeen checkable claims hold without a qualification, and which row you doubted most. Write both down again:

# %%
my_guess_holding = None
my_doubt = None  # a row, such as "9"

# %%
whole = recorded_ledger()
counts = {judgement: [row.id for row in whole.rows if row.verdict == judgement] for judgement in (*JUDGEMENTS, CONTEXT)}
print(text_table(["verdict", "claims", "rows"], [[j, len(found), ", ".join(found)] for j, found in counts.items()]))
unsettled = [row.id for row in whole.rows if not row.verdict]
print("not settled:", ", ".join(unsettled) or "none")
print(f"\nhold without a qualification: {len(counts['holds'])} of {sum(len(counts[j]) for j in JUDGEMENTS)}; your guess in lesson 00: {my_guess_holding}")
doubted = next((row for row in whole.rows if row.id == str(my_doubt)), None)
print(f"the row that you doubted most: {my_doubt}", "" if doubted is None else f"({doubted.claim}): {doubted.verdict}")

# %% [markdown]
# Most of the story is right in a sense that has to be named: of capacity, of rent, on thirty problems, by its makers. No claim failed whole; parts did, or found no source here: 75 % by 2030 (row 13), seven years (14), 'rivals the best' (6). "With a qualification" is the most frequent verdict, and probably the most useful thing to take along.

# %%
display(whole)

# %% [markdown]
# ## 9 · What all of this rests on
#
# The weakest numbers of the whole course. *Computed* comes from a formula that you saw, *measured* from your own machine, *recorded* from a run elsewhere with this course's code, *published* from somebody's text, *self-reported* from the text of who is measured.

# %%
rows = [
    ["09", "answers' lengths, 14,500 and 12,000", "published; R1's self-reported", "two testers, one test, rounded", "both on the same problems"],
    ["06, 09", "speed and cost of serving", "computed", "one witness: -10 to -11 % hidden, -44 to -47 % in the open", "a measured service of either model"],
    ["06, 09", "sending hidden or not", "assumed", "moves R1 by a third", "the same"],
    ["06, 09", "2 dollars an hour for every chip", "assumed, DeepSeek's figure", "one price for unlike chips", "an invoice"],
    ["05, 09", "AIME 2024: 79.5 and 79.8", "self-reported", "30 problems; NVIDIA finds 78.1 and 79.1", "who solved which"],
    ["09", "GPQA-Diamond: 63.7 and 71.5", "published, self-reported", "two testers", "one tester for both"],
    ["02", "law from 16 runs", "recorded", "1 % here, up to 9 % with another seed", "a larger ladder"],
    ["03", "experts help by far on facts, by five to six points on paths", "recorded", "80,000 to 340,000 parameters", "the same contest, larger"],
    ["05", "RL, distillation, recipes", "recorded", "224,000 parameters, one task", "the makers' own ablations"],
    ["06", "what 4 bits cost", "measured in the lesson", "135 million parameters, 115 tokens", "both models in 4 bits on one test"],
    ["07", "thresholds of the rules", "published", "through compilations, not the law's text", "eCFR"],
    ["07", "yields of 20 and 40 %", "press", "unnamed sources", "the maker's figures"],
    ["08", "Manus's scores", "self-reported, read in copies", "two of three are no plain pass", "its answers"],
]
print(text_table(["lesson", "number", "kind", "why it is weak", "what would settle it"], rows))

# %% [markdown]
# **What would change the verdict.** For the firm: nothing on this list does; more users would. For the service of 10,000: a length ratio above the line of section 4. For home: a card that is there anyway, or not. For row 2: one tester who gives both models a few hundred problems of knowledge and of code, and publishes who solved which.
#
# ## 10 · What you have shown

# %%
rows = [
    ["contest mathematics, 256 problems, QwQ ahead by", f"{MATHS.ahead:+.1f} points", f"standard error {MATHS.error:.1f}", "published, one tester"],
    ["firm, 32 users, 8 H200: R1's euros over QwQ's", f"{euro_ratio(SCENARIOS['firm: 32 users, 8 H200']):.1f}", f"QwQ in {np.mean(drawn['firm: 32 users, 8 H200'] > 1):.0%} of draws", "computed"],
    ["service, 1,000 users", f"{euro_ratio(SCENARIOS['service: 1,000 users, H800']):.2f}", f"QwQ in {np.mean(drawn['service: 1,000 users, H800'] > 1):.0%} of draws", "computed"],
    ["service, 10,000 users", f"{euro_ratio(service):.2f}", f"QwQ in {np.mean(drawn['service: 10,000 users, H800'] > 1):.0%} of draws", "computed"],
    ["the same, sending in the open", f"{euro_ratio(replace(service, hidden_share=0.0)):.2f}", "", "computed"],
    ["control: a model against itself", f"{euro_ratio(replace(service, **alike), models=(QWQ, QWQ)):.2f}", "must be 1", "control"],
    ["placebo: exchange rate", f"{abs(ends['eur_per_usd'][0] - ends['eur_per_usd'][1]):.2f}", "must be 0", "control"],
    ["what matters most, 10,000 users", most, f"{ends[most][0]:.2f} to {ends[most][1]:.2f}", "computed"],
    ["claims that hold without a qualification", len(counts["holds"]), f"of {sum(len(counts[j]) for j in JUDGEMENTS)}", "the ledger"],
]  # fmt: skip
print(text_table(["question", "figure", "", "kind"], rows))
if not session.quick:
    print("\nexpected: firm above 3, in all draws; service of 10,000 below 1, QwQ in 20 to 40 % of draws")

# %% [markdown]
# ### Limitations
#
# * All speeds are estimates from data sheets, with layouts in powers of two. Questions that are read, hosts, networks, idle hours and peaks of demand are left out; a service that is half idle costs twice as much, for either model.
# * The same share right is used for every user's questions. Yours are not contest problems.
# * Quality in 4 bits is taken to be that of 16. A wrong answer costs nothing here, except that it is not a right one; exercise set 09 puts a price on it.
# * Ranges are drawn evenly and as if they had nothing to do with each other. Length and quality have: who thinks longer is right more often (lesson 04).
# * Data sheets and prices are of early 2025, and so are the models. Both have had successors.
# * What cannot be priced is not on the page: whether data may leave the house, whose chips may be bought (lesson 07), what a licence allows.
#
# ### Sources
#
# | what | source | kind |
# |---|---|---|
# | 256 problems, both models | Moshkov and others 2025, OpenMath-Nemotron, arXiv 2504.16891 | published by a third party, which had used both models to make training data |
# | AIME 2025, HMMT February 2025, both models | MathArena, as printed in AceReason-Nemotron, arXiv 2505.16400 | third party, read in a copy |
# | QwQ's lengths; GPQA-Diamond | Hassid and others 2025, arXiv 2505.17813 | published by a third party |
# | R1's length | DeepSeek-R1-0528's model card, 28 May 2025 | self-reported |
# | R1's scores | DeepSeek-R1, arXiv 2501.12948, table 4; README | self-reported |
# | QwQ's scores | Qwen's blog of 6 March 2025; The Batch; arXiv 2505.16400 for LiveCodeBench | self-reported |
# | DeepSeek's service and prices | open-infra-index, day 6; its price list of 2025-02-28 | self-reported |
# | cooling, 1.58 | Uptime Institute's survey of 2023, as quoted by upsite.com | secondary |
# | market, plan and industry | in the ledger's rows | press and studies |
#
# ### How could it?
#
# How can 32 billion parameters come level with 671? What you saw: as much training arithmetic as V3 (lessons 02 and 07: 1.06 to 1.08 times), nearly as many parameters at work on a token (03: 32.8 against 37.6 billion), reinforcement learning that sharpens what the base can do (05), and long answers (04). What R1 has more of is room for facts (03; GPQA). That it was these is a reading, not an experiment.
#
# ### Your verdict
#
# Write your own sentence before you read ours: level in what, and for whom?

# %%
my_sentence = None

# %% [markdown]
# This course's own sentence would be: *in contest mathematics QwQ-32B has come level with DeepSeek-R1; in knowledge perhaps not; and whether it is the cheaper way to a right answer depends on how many ask.* You need not agree. Exercise set 09 (`racecourse start 09_verdict`) is the capstone: four computed exercises, and one page in
# words for a reader of your choice, with your numbers, their sources, how sure you are, and the strongest case for the other side.
#
# ### Where to go on
#
# You began with a chat and a news story. You have since built the architecture of one of its models, counted the other, fitted a law, trained experts, taught a small model to think, measured a machine, classified chips, and let an agent finish a job after its notebook had died. From here:
#
# * **Measure what this page lacks.** Two hundred of your own problems, both models, tokens counted. Lesson 08's endpoint is made for either. If you do it well, it is worth publishing.
# * **Larger:** Karpathy's nanochat trains a chat model from nothing on one node; Raschka's *reasoning-from-scratch* does lesson 05 with a real model; Stanford's CS336 goes deeper into all of 01 to 06.
# * **Better:** whatever was wrong or unclear here, tell the course. `CONTRIBUTING.md` says how a lesson is made.
#
# And when the next story tells of a small model that equals a large one, you know what to ask. Level in what? Tested by whom, on how many problems? With how many tokens? For how many users, and on whose chips?
