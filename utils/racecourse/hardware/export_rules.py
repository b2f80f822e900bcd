"""Which chips the American export rules of 2022, 2023 and 2026 control, as thresholds and as sentences with figures.

No legal advice. The thresholds came through compilations, law firms' and others' pages and the press, not from the
Code of Federal Regulations itself; each rule says through which. They are as they stood in January 2026. Left out:
destinations, licence exceptions, computers that hold such chips (4A090), the foreign direct product rule through which
chips that are made elsewhere are reached, and the AI Diffusion rule of January 2025 (90 FR 4544), which was not
enforced. What is classified is a row of figures, some of them uncertain, and not a product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from racecourse.hardware.accelerators import (
    Chip,
    check_positive,
    performance_density,
    total_processing_performance,
)


class Measure(NamedTuple):
    """A figure that rules speak of."""

    label: str
    unit: str
    needs: str  # columns of the chip table
    of: Callable[[Chip], float | None]


def memory_and_links(chip: Chip) -> float | None:
    """GB/s of memory and of links to other chips together."""
    if chip.mem_bw_gbs is None or chip.interconnect_gbs_bidir is None:
        return None
    return chip.mem_bw_gbs + chip.interconnect_gbs_bidir


MEASURES = {
    "tpp": Measure("TPP", "", "a dense rate", total_processing_performance),
    "density": Measure("performance density", " TPP/mm2", "die_mm2", performance_density),
    "links": Measure("interconnect", " GB/s", "interconnect_gbs_bidir", lambda chip: chip.interconnect_gbs_bidir),
    "memory": Measure("memory bandwidth", " GB/s", "mem_bw_gbs", lambda chip: chip.mem_bw_gbs),
    "both": Measure(
        "memory bandwidth and interconnect together",
        " GB/s",
        "mem_bw_gbs and interconnect_gbs_bidir",
        memory_and_links,
    ),
}


@dataclass(frozen=True)
class Bound:
    """A measure is inside from `at_least`, which counts, up to `below`, which does not."""

    measure: str  # a key of MEASURES
    at_least: float = -math.inf
    below: float = math.inf

    def holds(self, chip: Chip) -> bool | None:
        """None when the figure is unknown."""
        value = MEASURES[self.measure].of(chip)
        return None if value is None else self.at_least <= value < self.below

    def sentence(self, chip: Chip) -> str:
        """How the chip's figure, which is known, stands to the bound."""
        label, unit, _, of = MEASURES[self.measure]
        value = of(chip)
        assert value is not None, self.measure
        if value < self.at_least:
            return f"{label} {shown(value, self.at_least)}{unit} is below {shown(self.at_least)}"
        if value >= self.below:
            return f"{label} {shown(value, self.below)}{unit} is not below {shown(self.below)}"
        limits = [f"at least {shown(self.at_least)}"] if self.at_least > -math.inf else []
        limits += [f"below {shown(self.below)}"] if self.below < math.inf else []
        near = min((self.at_least, self.below), key=lambda limit: abs(limit - value))
        return f"{label} {shown(value, near)}{unit} is {' and '.join(limits)}"


def shown(value: float, beside: float = math.nan) -> str:
    """Two decimals, or as many as show on which side of `beside` the value is."""
    digits = 2
    while value != beside and round(value, digits) == round(beside, digits):
        digits += 1
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Paragraph:
    """A chip falls under it if all bounds hold."""

    name: str
    bounds: tuple[Bound, ...]


@dataclass(frozen=True)
class Rule:
    """A set of rules: paragraphs in the order in which they are tried, and what goes beyond them."""

    citation: str
    since: str
    source: str  # through which the thresholds came
    paragraphs: tuple[Paragraph, ...]
    note_2_below_tpp: float = 0  # chips that are not for data centres are out below this TPP
    case_by_case: tuple[Bound, ...] = ()  # within these, licences for controlled chips are decided case by case


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
RULES = {
    "2022": RULE_2022,
    "2023": RULE_2023,
    "2025-letter": Rule(
        citation="letter to Intel, as reported",
        since="sent in April 2025",
        source="silicon.co.uk and the Financial Times; the letter itself is not public",
        paragraphs=(
            Paragraph("limit 1", (Bound("memory", at_least=1400),)),
            Paragraph("limit 2", (Bound("links", at_least=1100),)),
            Paragraph("limit 3", (Bound("both", at_least=1700),)),
        ),
    ),
    "2026": replace(
        RULE_2023,
        citation="88 FR 73458 and 91 FR 1684",
        since="in force 2026-01-15",
        source="as for 2023; tomshardware.com, introl.com and others on the review, which is for China and Macau",
        case_by_case=(Bound("tpp", below=21_000), Bound("memory", below=6_500)),
    ),
}


@dataclass(frozen=True)
class Classification:
    """What a rule makes of a chip, and why."""

    controlled: bool  # False also while undecided
    paragraph: str  # "3A090.a.1"; "limit 1" to "limit 3" of the letter; "" if none applies
    reason: str
    case_by_case: bool = False  # controlled, and licences are decided case by case
    decided: bool = True  # False: the answer needs a figure that is unknown


def all_hold(bounds: Sequence[Bound], chip: Chip) -> bool | None:
    """True if all bounds hold, False if one does not, None if that depends on figures that are unknown."""
    answers = [bound.holds(chip) for bound in bounds]
    if False in answers:
        return False
    return None if None in answers else True


def failing(bounds: Sequence[Bound], chip: Chip) -> str:
    """The first bound that the chip does not keep, in words."""
    return next(bound.sentence(chip) for bound in bounds if bound.holds(chip) is False)


def missing(bounds: Sequence[Bound], chip: Chip) -> str:
    """What would have to be known about the chip, in words."""
    unknown = [MEASURES[bound.measure] for bound in bounds if bound.holds(chip) is None]
    labels = " and ".join(measure.label for measure in unknown)
    return f"depends on its {labels}, which is unknown: set {' and '.join(measure.needs for measure in unknown)}"


def classify(chip: Chip, rule: str = "2023") -> Classification:
    """Say whether a chip is controlled: under "2022", "2023", "2026", or the "2025-letter" as the press reported it.

    What was caught in 2022 had fast links and a high TPP; in 2023 links were dropped and density came in. 2026 changed
    nothing about which chips are controlled, but how licences for some of them are decided.

    >>> from racecourse.hardware import accelerators
    >>> classify(accelerators()["NVIDIA L4"]).paragraph
    '3A090.a.2'
    >>> print(classify(accelerators()["NVIDIA A800 SXM4 80GB"], rule="2022").reason)
    NVIDIA A800 SXM4 80GB is not controlled (87 FR 62186). Not 3A090.a: interconnect 400 GB/s is below 600.

    Raises:
        ValueError: a rule that is not here.
    """
    if rule not in RULES:
        raise ValueError(f"rule={rule!r} is not known; there are {', '.join(map(repr, RULES))}")
    law = RULES[rule]
    free = f"{chip.name} is not controlled ({law.citation})."

    tpp = total_processing_performance(chip)
    if not chip.datacenter and tpp < law.note_2_below_tpp:
        note_2 = Bound("tpp", below=law.note_2_below_tpp).sentence(chip)
        return Classification(False, "", f"{free} Note 2: it is not for data centres, and {note_2}.")

    answers = {paragraph: all_hold(paragraph.bounds, chip) for paragraph in law.paragraphs}
    for paragraph, answer in answers.items():
        if answer:
            why = " and ".join(bound.sentence(chip) for bound in paragraph.bounds)
            reason = f"{chip.name} is controlled ({law.citation}, {paragraph.name}): {why}."
            return reviewed(chip, law, Classification(True, paragraph.name, reason))
    for paragraph, answer in answers.items():
        if answer is None:
            depends = missing(paragraph.bounds, chip)
            reason = f"{chip.name} cannot be classified ({law.citation}). Whether {paragraph.name} applies {depends}."
            return Classification(False, "", reason, decided=False)
    clauses = "; not ".join(f"{paragraph.name}: {failing(paragraph.bounds, chip)}" for paragraph in law.paragraphs)
    return Classification(False, "", f"{free} Not {clauses}.")


def reviewed(chip: Chip, law: Rule, found: Classification) -> Classification:
    """What is found about a controlled chip, and how licences for it are decided."""
    if not law.case_by_case:
        return found
    answer = all_hold(law.case_by_case, chip)
    if answer:
        why = " and ".join(bound.sentence(chip) for bound in law.case_by_case)
        reason = f"{found.reason} Licences are decided case by case: {why}."
    elif answer is None:
        reason = f"{found.reason} Whether licences are decided case by case {missing(law.case_by_case, chip)}."
    else:
        reason = f"{found.reason} No review case by case: {failing(law.case_by_case, chip)}."
    return replace(found, reason=reason, case_by_case=bool(answer), decided=answer is not None)


# 3A090.c, 89 FR 96790, 2024-12-02, through the same compilation as RULE_2022. GB/s per mm2 of package or stack.
HBM_CONTROLLED_ABOVE = 2
HBM_EXCEPTION_BELOW = 3.3


def classify_hbm(*, bandwidth_gbs: float, area_mm2: float) -> Classification:
    """Say whether a stack of memory is controlled: more than 2 GB/s per mm2 (3A090.c, 89 FR 96790).

    Left out: memory that is packaged together with logic, which is not looked at separately.

    >>> classify_hbm(bandwidth_gbs=220, area_mm2=110).controlled  # 2 exactly
    False

    Raises:
        ValueError: a bandwidth or an area that is not above 0.
    """
    check_positive(bandwidth_gbs=bandwidth_gbs, area_mm2=area_mm2)
    density = bandwidth_gbs / area_mm2
    if density <= HBM_CONTROLLED_ABOVE:
        limit = shown(HBM_CONTROLLED_ABOVE)
        return Classification(False, "", f"Not 3A090.c: {shown(density)} GB/s per mm2 is not above {limit}.")
    can = "can" if density < HBM_EXCEPTION_BELOW else "cannot"
    reason = (
        f"3A090.c: {shown(density, HBM_CONTROLLED_ABOVE)} GB/s per mm2 is above {shown(HBM_CONTROLLED_ABOVE)}. "
        f"Licence exception HBM {can} apply: it needs less than {shown(HBM_EXCEPTION_BELOW)}."
    )
    return Classification(True, "3A090.c", reason)
