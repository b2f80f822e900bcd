"""Exercise set 07's reference answers against the package's chips and rules, scipy, throws of dice, and by hand."""

import ast
import itertools
import math
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from scipy import stats

from conftest import ROOT
from racecourse.grading import variants
from racecourse.grading.integrity import is_test
from racecourse.hardware import (
    RULES,
    Chip,
    accelerators,
    classify,
    cost_per_good_die,
    die_yield,
    dies_per_wafer,
    throw_defects,
    total_processing_performance,
)
from racecourse.hardware.accelerators import BITS
from wrong_answers import Assignment, run_test

CHIPS = accelerators()


@cache
def found() -> Assignment:
    return Assignment("07_chips_and_rules")


def answer(name: str) -> Any:
    return found().namespace[name]


def test_the_title_says_the_sum_of_the_printed_minutes() -> None:
    cells = found().solution.cells
    minutes = [int(n) for cell in cells for n in re.findall(r"^## .* · (\d+) minutes", cell.source, re.M)]
    assert len(minutes) == 8
    assert f"times sum to {sum(minutes)} minutes" in found().source_of("chips-title")


# --- rules


@pytest.mark.parametrize("name", CHIPS)
def test_tpp_of_any_way_to_print_a_chip_is_the_packages(name: str) -> None:
    """The same rates in other clothes: sparse, in PFLOPS, in multiply-adds, for a whole cabinet."""
    rates = [(bits, getattr(CHIPS[name], column)) for column, bits in BITS.items() if getattr(CHIPS[name], column)]
    clothes = itertools.product([("TOPS", 1), ("PFLOPS", 1000), ("TMACS", 2)], [True, False], [1, 8, 384])
    for (unit, factor), sparse, chips in clothes:
        times = (2 if sparse else 1) * chips / factor
        lines = [
            {"bits": bits, "rate": rate * times, "unit": unit, "sparse": sparse, "chips": chips} for bits, rate in rates
        ]
        assert answer("sheet_tpp")(lines) == pytest.approx(total_processing_performance(CHIPS[name]))


@pytest.mark.parametrize("tpp_each", [46.25, 120.0, 11.5])
def test_after_the_cut_the_package_calls_the_chip_free_and_one_part_earlier_controlled(tpp_each: float) -> None:
    for n_links, n_units in itertools.product((9, 12, 18), (60, 108, 300)):
        out = answer("smallest_cut")(n_links, 50, n_units, tpp_each, 600, 4800, "and")

        def controlled(links: int, units: int, n_links: int = n_links, n_units: int = n_units) -> bool:
            chip = Chip(
                name="x", fp16_bf16_dense_tflops=(n_units - units) * tpp_each / 16 or None, fp8_dense_tflops=1e-9,
                interconnect_gbs_bidir=(n_links - links) * 50 or 1e-9,
            )  # fmt: skip
            return classify(chip, "2022").controlled

        assert not controlled(**out)
        if controlled(0, 0):
            lost = out["links"] / n_links + out["units"] / n_units
            smaller = math.ceil(lost * n_links - 1e-9) - 1, math.ceil(lost * n_units - 1e-9) - 1  # both at once, even
            assert controlled(*smaller)


def test_the_rules_parameters_are_the_packages() -> None:
    theirs = []
    for paragraph in RULES["2023"].paragraphs:
        bounds = {bound.measure: (bound.at_least, bound.below) for bound in paragraph.bounds}
        theirs.append((paragraph.name.removeprefix("3A090."), bounds["tpp"], bounds.get("density", (0, math.inf))))
    ours = [(row["name"], row["tpp"], row["density"]) for row in answer("RULE_2023")]
    for (name, *pairs), (their_name, *their_pairs) in zip(ours, theirs, strict=True):
        assert name == their_name
        for (low, high), (their_low, their_high) in zip(pairs, their_pairs, strict=True):
            # a.1 and a.2 have no upper bounds, b.2 none for TPP: above 4800 a.1 comes first
            assert low == max(their_low, 0) and high == their_high
    assert RULES["2023"].note_2_below_tpp == answer("NOTE_2")
    limits = {bound.measure: bound.at_least for bound in RULES["2022"].paragraphs[0].bounds}
    assert answer("LIMITS_2022") == {"gb_per_s": limits["links"], "tpp": limits["tpp"]}


@pytest.mark.parametrize("datacenter", [True, False])
def test_a_rule_read_backwards_is_the_packages_read_forwards(datacenter: bool) -> None:
    note_2 = 0 if datacenter else answer("NOTE_2")
    for mm2 in [*range(50, 4000, 37), 294, 609, 814, 500, 750, 1500, 3000]:
        out = answer("first_caught")(mm2, answer("RULE_2023"), note_2)

        def said(tpp: float, mm2: float = mm2) -> str:
            chip = Chip(name="x", fp16_bf16_dense_tflops=tpp / 16, die_mm2=mm2, datacenter=datacenter)
            return classify(chip, "2023").paragraph.removeprefix("3A090.")

        assert said(out["tpp"] * (1 + 1e-12)) == out["paragraph"]
        assert {said(out["tpp"] * share) for share in (0.3, 0.7, 0.9, 0.99, 1 - 1e-9)} == {""}


def test_the_first_tpp_falls_with_the_area_for_the_example_and_never_for_the_rule_of_2023() -> None:
    """And above its first TPP the rule of 2023 has no hole: each paragraph begins where another still holds."""
    rule, sizes = answer("RULE_2023"), range(20, 5000)
    rooms = [answer("first_caught")(mm2, rule)["tpp"] for mm2 in sizes]
    assert rooms == sorted(rooms) and "20 to 4,999" in found().source_of("first-caught-learn-text")
    for mm2, room in zip(sizes, rooms, strict=True):
        reach = room
        for begin, end in sorted(
            (max(p["tpp"][0], p["density"][0] * mm2), min(p["tpp"][1], p["density"][1] * mm2)) for p in rule
        ):
            reach = max(reach, end) if begin <= reach and begin < end else reach
        assert reach == math.inf, mm2
    two = [
        {"name": "p", "tpp": (40, math.inf), "density": (1.5, math.inf)},
        {"name": "q", "tpp": (20, 60), "density": (0.5, 4)},
    ]
    assert [answer("first_caught")(mm2, two)["tpp"] for mm2 in (4, 8)] == [40, 20]


def test_nothing_below_is_caught_by_any_of_many_random_rules() -> None:
    rng = np.random.default_rng(7)
    for _ in range(100):
        low, width = rng.integers(1, 60, (2, 3)), rng.integers(1, 60, (2, 3))
        pairs = zip(low.T.tolist(), (low + width).T.tolist(), "abc", strict=True)
        rule = [{"name": name, "tpp": (a, b), "density": (c / 8, d / 8)} for (a, c), (b, d), name in pairs]
        mm2, free = int(rng.integers(1, 40)), int(rng.integers(0, 60))
        out = answer("first_caught")(mm2, rule, free)
        caught = [
            tpp
            for tpp in np.arange(0, 130, 1 / 8)  # every bound is a multiple
            if tpp >= free
            for row in rule
            if row["tpp"][0] <= tpp < row["tpp"][1] and row["density"][0] * mm2 <= tpp < row["density"][1] * mm2
        ]
        assert (out["tpp"] if out else None) == (caught[0] if caught else None)


# --- wafers


@pytest.mark.parametrize(("width", "height", "gap", "wafer", "edge", "positions"), [
    (26, 33, 0.1, 300, 3, 3), (7, 11, 0.3, 100, 2, 4), (12.5, 9, 0, 120, 0, 2), (28.53, 28.53, 0, 300, 0, 4),
])  # fmt: skip
def test_free_rows_are_what_sliding_each_row_finds(width, height, gap, wafer, edge, positions) -> None:
    """Slide a comb of dies along each row in small steps and count those with four corners on the disc."""
    radius, best = wafer / 2 - edge, 0
    for wide, high in ((width, height), (height, width)):
        for k in range(positions):
            n = 0
            for i in range(-60, 60):
                low = (i + k / positions) * (high + gap)
                if max(abs(low), abs(low + high)) > radius:
                    continue
                most = math.ceil(radius / wide) + 1
                left_SD = np.linspace(0, wide + gap, 1501)[:, None] + np.arange(-most, most) * (wide + gap)
                inside = np.ones(left_SD.shape, dtype=bool)
                for x, y in itertools.product((left_SD, left_SD + wide), (low, low + high)):
                    inside &= np.hypot(x, y) <= radius
                n += inside.sum(axis=1).max()
            best = max(best, int(n))
    assert answer("free_rows")(width, height, gap, wafer, edge, positions) == best


def test_free_rows_beat_the_grid_and_not_the_area() -> None:
    for mm2 in (107, 294, 407, 609, 814):
        side = math.sqrt(mm2)
        grid = len(throw_defects(die_area_mm2=mm2, defects_per_cm2=0).dies)
        rows = answer("free_rows")(side, side, 0, 300, 0, 24)
        assert grid <= rows <= math.pi * 150**2 / mm2
    for what, (width, height, in_grid) in answer("RECTANGLES").items():
        if in_grid:
            assert len(throw_defects(die_area_mm2=width * height, defects_per_cm2=0).dies) == in_grid, what


def test_one_place_is_a_binomial_and_no_dead_block_is_poissons_yield() -> None:
    for mm2, share, n, density in [(814, 0.7, 144, 0.1), (300, 0.4, 9, 0.7), (665, 1.0, 32, 0.2)]:
        p = -math.expm1(-density * mm2 / 100 * share / n)
        rest = math.exp(-density * mm2 / 100 * (1 - share))
        bins = [0, 2, n // 2, n]
        cdf = [0, *stats.binom.cdf(bins, n, p)]
        out = answer("bin_shares")(mm2, share, n, bins, [(1.0, density)])
        np.testing.assert_allclose(out, [*(rest * np.diff(cdf)), 1 - rest], atol=1e-12)
        assert out[0] == pytest.approx(die_yield(die_area_mm2=mm2, defects_per_cm2=density))


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.5])
def test_places_drawn_from_a_gamma_distribution_give_the_negative_binomial(alpha: float) -> None:
    x, w = np.polynomial.legendre.leggauss(400)
    quantiles = (x + 1) / 2
    densities = stats.gamma.ppf(quantiles, alpha, scale=0.15 / alpha)
    out = answer("bin_shares")(500, 0.8, 40, [0, 3], list(zip((w / 2).tolist(), densities.tolist(), strict=True)))
    expected = die_yield(die_area_mm2=500, defects_per_cm2=0.15, model="negative-binomial", alpha=alpha)
    assert out[0] == pytest.approx(expected, abs=2e-5)


def test_defects_thrown_at_dies_fall_into_the_bins() -> None:
    """20,000 dies, each in a clean or a dirty place; their defects fall on blocks or on the rest by area."""
    rng = np.random.default_rng(3)
    n_dies, n, block_share, mm2, bins = 20_000, 12, 0.6, 250, [0, 1, 4]
    places = [(0.7, 0.3), (0.3, 1.4)]
    density = np.where(rng.random(n_dies) < 0.7, 0.3, 1.4)
    parts = np.array([*[block_share / n] * n, 1 - block_share])
    hits = np.stack([rng.multinomial(k, parts) for k in rng.poisson(density * mm2 / 100)])
    dead, works = (hits[:, :n] > 0).sum(1), hits[:, n] == 0
    seen = [np.mean(works & (dead > low) & (dead <= high)) for low, high in itertools.pairwise([-1, *bins])]
    out = answer("bin_shares")(mm2, block_share, n, bins, places)
    np.testing.assert_allclose(seen, out[:-1], atol=0.013)  # four standard errors at most
    assert sum(out) == pytest.approx(1)


def test_the_three_factories_are_what_exercise_5_says() -> None:
    cases = [([(1.0, 0.14)], 0), ([(0.7, 0.05), (0.3, 0.35)], 0), ([(1.0, 0.44)], 4)]
    for (places, most), (what, shares) in zip(cases, answer("THREE_FACTORIES").items(), strict=True):
        perfect = answer("bin_shares")(665, 0.7, 32, [0], places)[0]
        sold = 1 - answer("bin_shares")(665, 0.7, 32, [most], places)[-1]
        assert (round(perfect, 2), round(sold, 2)) == shares, what
    assert 0.7 * 0.05 + 0.3 * 0.35 == pytest.approx(0.14)
    for places in (answer("EVEN"), answer("CLUSTERED")):
        assert sum(share * density for share, density in places) == pytest.approx(0.1)


def test_one_untested_die_that_joins_for_nothing_costs_what_the_package_says() -> None:
    job = {
        "logic_mm2": 814, "n": 1, "link_mm2": 50, "per_wafer": dies_per_wafer(814), "defects_per_cm2": 0.1, "alpha": 2,
        "wafer_usd": 16_988, "test_usd": 0, "join_usd": 0, "join_yield": 1, "chips": 1,
    }  # fmt: skip
    expected = cost_per_good_die(
        wafer_usd=16_988, die_area_mm2=814, defects_per_cm2=0.1, model="negative-binomial", alpha=2
    )
    for tested in (True, False):
        assert answer("chip_cost")(job | {"tested": tested})["usd"] == pytest.approx(expected)


@pytest.mark.parametrize("tested", [True, False])
def test_chips_joined_by_throws_of_dice_cost_and_take_as_much(tested: bool) -> None:
    rng = np.random.default_rng(5)
    job = {
        "logic_mm2": 480, "n": 3, "link_mm2": 10, "per_wafer": 340, "defects_per_cm2": 0.25, "alpha": 2,
        "wafer_usd": 8000, "test_usd": 5, "join_usd": 20, "join_yield": 0.9, "tested": tested, "chips": 10_000,
    }  # fmt: skip
    out = answer("chip_cost")(job)
    assert out["piece_yield"] == pytest.approx(
        die_yield(die_area_mm2=170, defects_per_cm2=0.25, model="negative-binomial", alpha=2)
    )
    tries = 100_000
    good = rng.random((tries, 3)) < (1 if tested else out["piece_yield"])
    made = 3 * tries + (rng.negative_binomial(3 * tries, out["piece_yield"]) if tested else 0)  # pieces, bad ones too
    working = (good & (rng.random((tries, 3)) < 0.9)).all(1).sum()
    usd = (made * (8000 / 340 + (5 if tested else 0)) + tries * 20) / working
    assert out["chip_yield"] == pytest.approx(working / tries, rel=0.02)
    assert out["usd"] == pytest.approx(usd, rel=0.02)
    assert out["wafers"] == pytest.approx(made / working * 10_000 / 340, rel=0.02)


def test_cutting_without_testing_gains_nothing_and_testing_gains_much() -> None:
    whole, halves = ({"logic_mm2": 800, "n": n, "link_mm2": 0, "per_wafer": 100 * n} for n in (1, 2))
    rest = {
        "defects_per_cm2": 0.1, "alpha": 1e7, "wafer_usd": 8000, "test_usd": 0, "join_usd": 0, "join_yield": 1,
        "chips": 5,
    }  # fmt: skip
    jobs = [job | rest | {"tested": tested} for job in (whole, halves) for tested in (False, True)]
    bills = [answer("chip_cost")(job)["usd"] for job in jobs]
    assert bills[0] == pytest.approx(bills[1]) == pytest.approx(bills[2], rel=1e-5)
    assert bills[3] / bills[0] == pytest.approx(math.sqrt(math.exp(-0.8)), rel=1e-5)
    usd = [int(re.search(r"(\d+) dollars", line)[1]) for line in found().printed("small-dies-learn").splitlines()]
    tested, untested = usd[::2], usd[1::2]
    assert tested == sorted(tested, reverse=True) and untested == sorted(untested)
    assert answer("ONE_LARGE_DIE")["per_wafer"] == int(dies_per_wafer(640))
    for n, per_wafer in answer("SMALLER_DIES").items():
        assert per_wafer == int(dies_per_wafer(640 / n + 20))


# --- printed figures


def test_what_was_rounded_honestly_can_always_be() -> None:
    """Random true numbers, printed with random digits: the printed result is never called impossible."""
    rng = np.random.default_rng(11)
    for _ in range(2000):
        true, entries = 1.0, ([], [])
        for side in (0, 1):
            for _ in range(rng.integers(1, 3)):
                kind, digits = rng.integers(3), int(rng.integers(0, 4))
                value = float(rng.uniform(5, 3000))
                if kind == 0:
                    value = float(round(value))
                    entries[side].append(int(value))
                elif kind == 1:
                    entries[side].append(f"{value:,.{digits}f}")
                else:
                    more = value + float(rng.uniform(5, 900))
                    entries[side].append([f"{more:,.{digits}f}", f"{value:,.{digits}f}"])
                    value = more - value
                true = true * value if side == 0 else true / value
        out = answer("allows")(*entries, f"{true:,.{int(rng.integers(0, 5))}f}")
        assert out["can_be"] and out["low"] <= true * (1 + 1e-12) and out["high"] >= true * (1 - 1e-12)


def test_no_number_that_was_tried_lies_outside_the_range_and_some_come_near_its_ends() -> None:
    rng = np.random.default_rng(13)
    out = answer("allows")([["12.0", "8.0"], "2.50"], ["3.0"], "3.4")
    a, b, c, d = rng.uniform(-0.5, 0.5, (4, 400_000))
    tried = (12 + a / 10 - 8 - b / 10) * (2.5 + c / 100) / (3 + d / 10)
    assert out["low"] <= tried.min() < out["low"] * 1.01 and out["high"] * 0.99 < tried.max() <= out["high"]


def test_claims_that_were_printed() -> None:
    """By hand: 24.2 x 24.49 = 592.7; 475 / 87.1 = 5.455; 168e9 / 226.75 / 86,400 = 8,575; 516,096 / 70,272 = 7.344."""
    verdicts = [line.split(": ")[-1] for line in found().printed("printed-learn").splitlines()]
    assert verdicts == ["can be"] * 3 + ["NO", "can be", "NO"] + ["can be"] * 3 + ["NO"] * 3


# --- the notebook


def test_guesses_are_answered_by_the_cells_that_earn_nothing() -> None:
    tpp = [line.split()[-1] for line in found().printed("sheet-tpp-learn").splitlines()]
    assert tpp == ["15,832", "2,368", "12,800"]  # as the package has H100, H20 and 910C
    cuts = found().printed("smallest-cut-learn").splitlines()
    assert "0 of 12 links, 5 of 108 units" in cuts[0] and "7 of 18 links, 0 of 132 units" in cuts[2]
    assert "A800: 4 of 12 links (33.3 %), H800: 10 of 18 (55.6 %)" in cuts[4]
    assert cuts[5:] == [
        "A800: the larger kind of cut, and 3 links more than needed",
        "H800: the smaller kind of cut, and 3 links more than needed",
    ]
    lines = found().printed("first-caught-learn").splitlines()[:8]
    rooms = [float(re.search(r"TPP of +([\d,.]+) on", line)[1].replace(",", "")) for line in lines]
    assert rooms == sorted(rooms) and len(set(rooms)) < len(rooms)
    rows = found().printed("free-rows-learn").splitlines()
    assert "grid 69, free rows 73" in rows[0] and 1 / 25 < 73 / 69 - 1 < 1 / 15
    sold = [
        float(re.search(r"([\d.]+)% of the dies", line)[1])
        for line in found().printed("dead-blocks-learn").splitlines()
    ]
    assert sold[2] - sold[0] > 10 and 0 < sold[3] - sold[1] < 3  # clusters help much, then hardly


def test_the_model_answer_has_its_numbers_right() -> None:
    said = found().source_of("chips-question").split("===")[0]
    a, b, c = answer("THREE_FACTORIES").values()
    assert f"{100 * a[0]:.0f} and {100 * b[0]:.0f} % of their dies" in said
    assert "one die in twenty" in said and round(1 / c[0]) == 20
    assert "three times the defects" in said and round(0.44 / 0.14) == 3


@pytest.mark.parametrize("mm2", [500, 600, 665, 750])
def test_the_three_factories_of_any_size_and_their_model_answer(mm2: int) -> None:
    """A class draws the size: the table's shares are scipy's, and the model answer has the same."""
    parameters = variants.parameters_of(ROOT / "sources/exercises/07_chips_and_rules.py")
    drawn = Assignment("07_chips_and_rules", variants.public_values(parameters) | {"FACTORY_MM2": mm2})
    block = -np.expm1(-0.44 * mm2 / 100 * 0.7 / 32)
    c_sold = math.exp(-0.44 * mm2 / 100 * 0.3) * stats.binom.cdf(4, 32, block)
    a, b, c = (f"{100 * math.exp(-0.14 * mm2 / 100):.0f}",
               f"{70 * math.exp(-0.05 * mm2 / 100) + 30 * math.exp(-0.35 * mm2 / 100):.0f}",
               math.exp(-0.44 * mm2 / 100))  # fmt: skip
    said = re.findall(r"(\d+)% of the dies have no defect, (\d+)% are sold", drawn.printed("chips-numbers"))
    assert said == [(a, a), (b, b), (f"{100 * c:.0f}", f"{100 * c_sold:.0f}")]
    answer = drawn.source_of("chips-question").split("===")[0]
    words = {9: "nine", 14: "fourteen", 20: "twenty", 27: "twenty-seven"}
    one_in = words[round(1 / c) if mm2 != 665 else 20]  # of the table's 5 %
    assert f"{a} and {b} % of their dies" in answer and f"one die in {one_in} without" in answer
    assert abs(100 * c_sold - float(a)) < 2  # "sells as many as A"


def test_graded_cells_read_no_number_that_a_class_may_change_but_those_that_it_draws() -> None:
    drawn = set(variants.parameters_of(ROOT / "sources/exercises/07_chips_and_rules.py"))
    names = {
        node.id
        for cell in found().solution.cells
        if "parameters" in cell.metadata.get("tags", [])
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    } - drawn
    assert names
    for cell in found().solution.cells:
        if is_test(cell):
            assert not names & {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}


JUNK = [None, math.nan, math.inf, "5600", [], {}, True, (1, 2, 3), [None] * 3, object()]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: type(junk).__name__)
def test_junk_earns_nothing_and_breaks_no_check(junk: Any) -> None:
    for exercise in found().exercises:
        names = [name for cell in exercise.answers for name in re.findall(r"^def (\w+)", cell.source, re.M)]
        namespace = found().namespace | {name: lambda *args, **named: junk for name in names}
        for cell in exercise.tests:
            outcome = run_test(cell, dict(namespace))
            assert outcome.error == "AssertionError", f"{outcome.grade_id}: {outcome.error}: {outcome.message}"


def test_each_assert_that_names_a_mistake_is_met_by_a_wrong_answer() -> None:
    heard: dict[str, set[str]] = {}
    for entry in found().bank():
        exercise = found().exercise(entry.grade_id)
        for outcome in found().outcomes(exercise, {found().target(entry): entry.answer}):
            heard.setdefault(outcome.grade_id, set()).add(outcome.message)
    for exercise in found().exercises:
        for cell in exercise.tests:
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Assert) and isinstance(node.test, ast.UnaryOp):
                    says = node.msg.value if isinstance(node.msg, ast.Constant) else None
                    assert says is None or says in heard[cell.id], f"{cell.id}: nothing in the bank meets {says!r}"
