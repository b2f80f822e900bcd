"""The rules against the published classes of 26 chips, against both sides of every threshold, and worked by hand."""

import doctest
import importlib
import math
from dataclasses import replace

import pytest

from racecourse.hardware import RULES, Chip, accelerators, classify, classify_hbm

CHIPS = accelerators()
APPLE = [name for name in CHIPS if name.startswith("Apple")]
BELOW = {x: math.nextafter(x, 0) for x in (600, 1100, 1400, 1600, 2400, 4800, 6500, 21_000)}


def chip(tpp, die_mm2=None, **fields):
    """A chip of that TPP, at 16 bits: a sixteenth of a float is exact."""
    return Chip(name="x", fp16_bf16_dense_tflops=tpp / 16, die_mm2=die_mm2, **fields)


# --- the published table, all 26 under each rule


@pytest.mark.parametrize("name", CHIPS)
def test_published_class_of_2022(name):
    found = classify(CHIPS[name], rule="2022")
    assert found.decided
    assert CHIPS[name].rule_2022 == ("controlled" if found.controlled else "not")
    assert found.paragraph == ("3A090.a" if found.controlled else "")


@pytest.mark.parametrize("name", CHIPS)
def test_published_class_of_2023(name):
    found = classify(CHIPS[name], rule="2023")
    published, _, remark = CHIPS[name].rule_2023.partition(" ")
    assert found == classify(CHIPS[name]) and found.decided and not found.case_by_case
    assert found.paragraph == ("" if published == "not" else published)
    assert found.controlled == (published != "not")
    assert ("Note 2" in found.reason) == (remark == "(Note 2)")


@pytest.mark.parametrize("name", CHIPS)
def test_published_class_of_2026(name):
    found, before = classify(CHIPS[name], rule="2026"), classify(CHIPS[name], rule="2023")
    published = CHIPS[name].jan2026_case_by_case_limits.split()[0]
    assert (found.controlled, found.paragraph, found.decided) == (before.controlled, before.paragraph, True)
    assert published == ("n/a" if not found.controlled else "within" if found.case_by_case else "exceeds")


@pytest.mark.parametrize("name", CHIPS)
def test_published_class_of_the_letter(name):
    """The table took Apple's missing links for none; we say that they are missing."""
    found = classify(CHIPS[name], rule="2025-letter")
    assert found.decided == (name not in APPLE)
    assert CHIPS[name].apr2025_letter_limits == ("exceeds" if found.controlled else "below")


# --- chips at the edge, worked by hand


def test_h20_stays_under_two_lines_of_2023_and_is_caught_by_the_letter():
    """296 x 8 = 2368 is 32 short of b.1's 2400; 2368 / 814 = 2.909 is short of b.2's 3.2. 4000 GB/s exceed 1400."""
    h20 = CHIPS["NVIDIA H20"]
    found = classify(h20)
    assert not found.controlled and found.paragraph == ""
    assert "not 3A090.b.1: TPP 2,368 is below 2,400" in found.reason
    assert "not 3A090.b.2: performance density 2.91 TPP/mm2 is below 3.2." in found.reason
    assert classify(h20, rule="2025-letter").controlled
    assert not classify(h20, rule="2022").controlled  # its links, 900 GB/s, were not the obstacle
    assert classify(replace(h20, int8_dense_tops=300)).paragraph == "3A090.b.1"  # 2400 and 2.948
    assert classify(replace(h20, die_mm2=740)).paragraph == "3A090.b.2"  # 2368 / 740 = 3.2 exactly
    assert not classify(replace(h20, die_mm2=741)).controlled


def test_l20_stays_under_by_its_density():
    """239 x 8 = 1912 is above 1600; 1912 / 609 = 3.1396 is below 3.2. A die of 597 mm2 would make it 3.2027."""
    found = classify(CHIPS["NVIDIA L20"])
    assert not found.controlled
    assert "not 3A090.b.2: performance density 3.14 TPP/mm2 is below 3.2." in found.reason
    assert classify(replace(CHIPS["NVIDIA L20"], die_mm2=597)).paragraph == "3A090.b.2"


def test_l4_is_caught_because_it_is_small():
    """121 x 16 = 1936 is above 1600, and 1936 / 294 = 6.585 is above 5.92. Its reason gives both figures."""
    found = classify(CHIPS["NVIDIA L4"])
    assert found.paragraph == "3A090.a.2"
    assert "TPP 1,936 is at least 1,600" in found.reason
    assert "performance density 6.59 TPP/mm2 is at least 5.92" in found.reason
    assert classify(replace(CHIPS["NVIDIA L4"], die_mm2=328)).paragraph == "3A090.b.2"  # 5.902


def test_4090_d_is_out_by_note_2_alone():
    """1177 x 4 = 4708 is below 4800. For data centres it would be a.2: 4708 / 609 = 7.73."""
    duel = CHIPS["NVIDIA GeForce RTX 4090 D"]
    found = classify(duel)
    assert not found.controlled and "Note 2: it is not for data centres, and TPP 4,708 is below 4,800" in found.reason
    assert classify(replace(duel, datacenter=True)).paragraph == "3A090.a.2"
    assert classify(replace(CHIPS["NVIDIA GeForce RTX 5090 D"], datacenter=True)).paragraph == "3A090.a.2"


def test_the_4090_is_too_strong_for_note_2():
    """660.6 x 8 = 5284.8, not below 4800. That no data centre buys it does not matter."""
    assert classify(CHIPS["NVIDIA GeForce RTX 4090"]).paragraph == "3A090.a.1"


def test_a800_and_h800_were_free_until_2023():
    """De Morgan: a rule that needs both conditions lets go of what keeps one. TPP 4992 and 15,832, links cut to 400."""
    for name in ("NVIDIA A800 SXM4 80GB", "NVIDIA H800 SXM5 80GB"):
        found = classify(CHIPS[name], rule="2022")
        assert not found.controlled and "interconnect 400 GB/s is below 600" in found.reason
        assert classify(CHIPS[name], rule="2023").paragraph == "3A090.a.1"
    assert classify(CHIPS["NVIDIA A100 SXM4 80GB"], rule="2022").controlled  # the same chip with 600


def test_mi325x_stays_just_under_2026():
    """2614.9 x 8 = 20,919.2 is below 21,000, and 6000 GB/s below 6500. The press counts 1300 x 16 = 20,800."""
    mi325x = CHIPS["AMD Instinct MI325X"]
    found = classify(mi325x, rule="2026")
    assert found.controlled and found.case_by_case
    assert "TPP 20,919.2 is below 21,000 and memory bandwidth 6,000 GB/s is below 6,500" in found.reason
    assert not classify(replace(mi325x, fp8_dense_tflops=2625), rule="2026").case_by_case  # 21,000
    assert not classify(replace(mi325x, mem_bw_gbs=6500), rule="2026").case_by_case


def test_b200_is_beyond_2026():
    """2250 x 16 = 36,000."""
    found = classify(CHIPS["NVIDIA B200 SXM"], rule="2026")
    assert found.controlled and not found.case_by_case
    assert "No review case by case: TPP 36,000 is not below 21,000" in found.reason


def test_b30a_depends_on_the_bits():
    """A rumoured chip, half of a B300: 7.5 PFLOPS of FP4 make 30,000, while 2.4 PFLOPS of FP8 alone make 19,200."""
    rumour = {"fp8_dense_tflops": 2400, "mem_bw_gbs": 4000}
    assert classify(Chip(name="B30A in FP8", **rumour), rule="2026").case_by_case
    assert not classify(Chip(name="B30A", bits4_dense_tops=7500, **rumour), rule="2026").case_by_case


def test_tpu_v6e_hangs_on_which_source_is_right():
    """448 GB/s in the table leave it free in 2022; other pages say 720 and 800."""
    tpu = CHIPS["Google TPU v6e"]
    assert not classify(tpu, rule="2022").controlled
    assert classify(replace(tpu, interconnect_gbs_bidir=720), rule="2022").controlled


def test_apple_s_upper_bounds_would_change_no_class():
    """Were the published TPP right, they would still be below 1600, the least that any paragraph of 2023 asks for."""
    for name in APPLE:
        best = replace(CHIPS[name], fp16_bf16_dense_tflops=CHIPS[name].tpp / 16, datacenter=True)
        assert [classify(best, rule=rule).controlled for rule in ("2022", "2023", "2026")] == [False] * 3


# --- both sides of every threshold


@pytest.mark.parametrize(("tpp", "die_mm2", "paragraph"), [
    (4800, 3000, "3A090.a.1"), (4800, 100, "3A090.a.1"), (4800, 4000, "3A090.a.1"),  # whatever the density
    (BELOW[4800], 4000, ""),  # 1.2
    (BELOW[4800], 2000, "3A090.b.1"), (BELOW[4800], 1200, "3A090.b.1"),  # 2.4, 4.0
    (BELOW[4800], 800, "3A090.a.2"),  # 6.0
    (1600, 200, "3A090.a.2"), (BELOW[1600], 200, ""),  # 8
    (4736, 800, "3A090.a.2"), (4735.99, 800, "3A090.b.1"),  # 5.92, and just below
    (1776, 300, "3A090.a.2"), (1775.99, 300, "3A090.b.2"),
    (2400, 1500, "3A090.b.1"), (BELOW[2400], 1200, ""),  # 1.6; then 2.0
    (2400, 1501, ""), (2560, 1600, "3A090.b.1"), (2559.99, 1600, ""),
    (1600, 500, "3A090.b.2"), (BELOW[1600], 400, ""),  # 3.2; then 4.0
    (1600, 501, ""), (1920, 600, "3A090.b.2"), (1919.99, 600, ""),
    (BELOW[2400], 700, "3A090.b.2"), (2400, 700, "3A090.b.1"),  # 3.43: b.1 comes first where both apply
])  # fmt: skip
def test_thresholds_of_2023(tpp, die_mm2, paragraph):
    found = classify(chip(tpp, die_mm2))
    assert (found.paragraph, found.controlled, found.decided) == (paragraph, paragraph != "", True)


@pytest.mark.parametrize(("tpp", "paragraph"), [(4800, "3A090.a.1"), (BELOW[4800], "")])
def test_note_2_ends_at_4800(tpp, paragraph):
    assert classify(chip(tpp, 500, datacenter=False)).paragraph == paragraph


@pytest.mark.parametrize(("links", "tpp", "controlled"), [
    (600, 4800, True), (BELOW[600], 4800, False), (600, BELOW[4800], False), (500, 4000, False), (9000, 90_000, True),
])  # fmt: skip
@pytest.mark.parametrize("datacenter", [True, False])  # Note 2 came in 2023
def test_thresholds_of_2022(links, tpp, controlled, datacenter):
    found = classify(chip(tpp, 800, interconnect_gbs_bidir=links, datacenter=datacenter), rule="2022")
    assert found.controlled == controlled and found.decided


@pytest.mark.parametrize(("tpp", "memory", "case_by_case"), [
    (BELOW[21_000], BELOW[6500], True), (21_000, 100, False), (5000, 6500, False), (21_000, 6500, False),
])  # fmt: skip
def test_thresholds_of_2026(tpp, memory, case_by_case):
    found = classify(chip(tpp, mem_bw_gbs=memory), rule="2026")
    assert found.controlled and found.decided and found.case_by_case == case_by_case


def test_there_is_nothing_to_review_about_a_chip_that_is_free():
    found = classify(chip(1000, mem_bw_gbs=100), rule="2026")
    assert (found.controlled, found.case_by_case) == (False, False)


@pytest.mark.parametrize(("memory", "links", "limit"), [
    (1400, 100, "limit 1"), (BELOW[1400], 100, ""), (100, 1100, "limit 2"), (100, BELOW[1100], ""),
    (1000, 700, "limit 3"), (1000, 699.9, ""), (1350, 350, "limit 3"), (1350, 349, ""),
])  # fmt: skip
def test_thresholds_of_the_letter(memory, links, limit):
    found = classify(chip(100, mem_bw_gbs=memory, interconnect_gbs_bidir=links), rule="2025-letter")
    assert (found.paragraph, found.controlled) == (limit, limit != "")


# --- what is unknown


def test_an_unknown_die_matters_between_1600_and_4800_only():
    assert classify(chip(4800)).paragraph == "3A090.a.1"  # a.1 asks for no density
    assert classify(chip(BELOW[1600])).decided
    for tpp in (1600, BELOW[4800]):
        found = classify(chip(tpp))
        assert (found.controlled, found.paragraph, found.decided) == (False, "", False)
        assert "cannot be classified" in found.reason
        assert "3A090.a.2 applies depends on its performance density, which is unknown: set die_mm2" in found.reason
        assert classify(chip(tpp, datacenter=False)).decided  # Note 2 needs no die


def test_unknown_links_matter_in_2022_above_4800_only():
    assert classify(chip(BELOW[4800]), rule="2022").decided
    found = classify(chip(4800), rule="2022")
    assert (found.controlled, found.decided) == (False, False)
    assert "depends on its interconnect, which is unknown: set interconnect_gbs_bidir" in found.reason
    assert classify(chip(4800), rule="2023").decided


def test_unknown_memory_matters_for_the_review_below_21_000_only():
    found = classify(chip(BELOW[21_000]), rule="2026")
    assert (found.controlled, found.case_by_case, found.decided) == (True, False, False)
    assert found.reason.endswith("depends on its memory bandwidth, which is unknown: set mem_bw_gbs.")
    beyond = classify(chip(21_000), rule="2026")
    assert (beyond.controlled, beyond.case_by_case, beyond.decided) == (True, False, True)


def test_memory_alone_can_decide_the_letter():
    assert classify(chip(100, mem_bw_gbs=1400), rule="2025-letter").controlled
    assert not classify(chip(100, mem_bw_gbs=1399), rule="2025-letter").decided


# --- words


def test_a_figure_is_never_rounded_across_its_threshold():
    found = classify(chip(2367.999, 400))  # 5.9199975 TPP/mm2
    assert "performance density 5.919997 TPP/mm2 is at least" in found.reason and found.paragraph == "3A090.b.2"
    assert "TPP 4,799.999 is below 4,800" in classify(chip(4799.999, 9000)).reason


def test_reasons_cite_the_rule_and_name_the_chip():
    for rule, citation in {"2022": "87 FR 62186", "2023": "88 FR 73458", "2026": "91 FR 1684"}.items():
        for name in ("NVIDIA H20", "NVIDIA A100 SXM4 80GB"):
            reason = classify(CHIPS[name], rule=rule).reason
            assert reason.startswith(name) and citation in reason


def test_the_only_difference_of_2026_is_the_review():
    assert RULES["2026"].paragraphs == RULES["2023"].paragraphs
    assert all(rule.citation and rule.since and rule.source for rule in RULES.values())


@pytest.mark.parametrize("rule", ["2024", 2023, ""])
def test_a_rule_that_is_not_there(rule):
    with pytest.raises(ValueError, match=r"is not known; there are '2022', '2023', '2025-letter', '2026'"):
        classify(CHIPS["NVIDIA H20"], rule=rule)


# --- memory stacks


@pytest.mark.parametrize(("bandwidth", "area", "controlled", "exception"), [
    (200, 100, False, None),  # more than 2, not 2
    (200.1, 100, True, "can apply"),
    (329.9, 100, True, "can apply"), (330, 100, True, "cannot apply"),  # less than 3.3, not 3.3
    (819, 110, True, "cannot apply"),  # 7.4
])  # fmt: skip
def test_hbm(bandwidth, area, controlled, exception):
    found = classify_hbm(bandwidth_gbs=bandwidth, area_mm2=area)
    assert (found.controlled, found.paragraph) == (controlled, "3A090.c" if controlled else "")
    assert exception is None or exception in found.reason


def test_hbm_needs_sizes():
    with pytest.raises(ValueError, match="area_mm2=0 is not above 0"):
        classify_hbm(bandwidth_gbs=800, area_mm2=0)


def test_numbers_in_docstrings():
    result = doctest.testmod(importlib.import_module("racecourse.hardware.export_rules"))
    assert result.attempted >= 4 and not result.failed
