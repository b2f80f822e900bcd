"""Exercise set 09's reference answers against simulation, scipy, linear programs and the package; and its rubric."""

import ast
import functools
import html
import itertools
import math
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.server_extensions.formgrader.formgrader import FormgradeExtension
from scipy import optimize, stats

from conftest import ROOT
from racecourse.grading import variants
from racecourse.grading.checker import title_of
from racecourse.grading.integrity import grade_id_of, is_test, is_written, python_of
from racecourse.grading.reports import neutralised
from racecourse.hardware import accelerators
from racecourse.hardware.cost import Prices, TokenPrices
from racecourse.hardware.memory import inference_memory
from racecourse.hardware.serving import Assumptions, ways_to_serve
from racecourse.learn.fits import known_configs
from racecourse.learn.verdict import EXAMS, MATHS, Scenario
from racecourse.reasoning import pass_at_k
from wrong_answers import Assignment, run_test


@cache
def found() -> Assignment:
    return Assignment("09_verdict")


def answer(name: str) -> Any:
    return found().namespace[name]


def test_the_title_says_the_sum_of_the_printed_minutes() -> None:
    cells = found().solution.cells
    minutes = [int(n) for cell in cells for n in re.findall(r"^## .* · (\d+) minutes", cell.source, re.M)]
    assert len(minutes) == 5
    assert f"times sum to {sum(minutes)} minutes" in found().source_of("verdict-title")


def test_the_four_functions_and_the_page_share_the_points() -> None:
    assert [exercise.points for exercise in found().exercises] == [14, 15, 15, 16]
    assert question().metadata.nbgrader.points == 40


# --- what a right answer costs


@pytest.mark.parametrize(("keeps", "slips", "tries"), [(0.9, 0.3, 3), (0.6, 0.0, 8), (1.0, 0.5, 2), (0.75, 0.75, 5)])
def test_a_service_played_with_dice_costs_and_hands_over_as_much(keeps: float, slips: float, tries: int) -> None:
    """40,000 rounds; one answer after the other, and the checker throws a die of its own."""
    rng, rounds = np.random.default_rng(1), 40_000
    chances = [0.5, 0.0, 0.9, 0.2]
    eur, right, wrong = np.zeros((3, rounds))
    for chance in chances:
        is_open = np.ones(rounds, dtype=bool)
        for _ in range(tries):
            eur[is_open] += 0.05
            is_right = rng.random(rounds) < chance
            accepts = rng.random(rounds) < np.where(is_right, keeps, slips)
            right += is_open & is_right & accepts
            wrong += is_open & ~is_right & accepts
            is_open &= ~accepts
    out = answer("price_of_right")(chances, 0.04, 0.01, keeps, slips, tries)
    for name, seen in (("eur", eur), ("right", right), ("wrong", wrong)):
        assert out[name] == pytest.approx(seen.mean(), abs=max(4.5 * seen.std() / math.sqrt(rounds), 1e-9)), name
    assert out["eur_per_right"] == pytest.approx(eur.mean() / right.mean(), rel=0.02)


def test_a_service_that_looks_twice_played_with_dice() -> None:
    """Two dice for the two looks, both have to accept; the means over rounds and problems."""
    rng, rounds, chances = np.random.default_rng(3), 40_000, [0.5, 0.9]
    eur, right, wrong = np.zeros((3, rounds))
    for chance in chances:
        is_open = np.ones(rounds, dtype=bool)
        for _ in range(3):
            eur[is_open] += 0.04 + 0.01 + 0.01
            is_right = rng.random(rounds) < chance
            accepts = (rng.random((2, rounds)) < np.where(is_right, 0.8, 0.4)).all(0)
            right += is_open & is_right & accepts
            wrong += is_open & ~is_right & accepts
            is_open &= ~accepts
    out = version(CHECKS=2, OVER="each")["price_of_right"](chances, 0.04, 0.01, 0.8, 0.4, 3)
    for name, seen in (("eur", eur / 2), ("right", right / 2), ("wrong", wrong / 2)):
        assert out[name] == pytest.approx(seen.mean(), abs=4.5 * seen.std() / math.sqrt(rounds)), name


def test_without_a_checkers_mistakes_right_is_pass_at_k() -> None:
    """Of 10 samples 3 are right; drawn without putting back it is pass@k, with putting back 1 - 0.7**k."""
    out = answer("price_of_right")([0.3], 1, 1e-9, 1, 0, 4)
    assert out["right"] == pytest.approx(1 - 0.7**4)
    one = answer("price_of_right")([0.3], 1, 1e-9, 1, 0, 1)
    assert one["right"] == pytest.approx(pass_at_k(n_samples=10, n_correct=3, k=1))


def test_alike_problems_cost_the_same_with_any_number_of_tries_and_unlike_ones_more() -> None:
    for slips in (0.0, 0.3):
        prices = [answer("price_of_right")([0.8], 0.3, 0.1, 0.5, slips, n)["eur_per_right"] for n in (1, 3, 9)]
        assert prices == pytest.approx([0.4 / (0.8 * 0.5)] * 3)  # a try costs 0.4 and brings 0.4 right answers
    lines = found().printed("price-of-right-learn").splitlines()
    rows = {line.split(":")[0].strip(): re.findall(r"(?:try|tries) ([\d.]+)", line) for line in lines[1:5]}
    alike, mixed, slipping = (
        rows[f"slips {end}"] for end in ("0.0, all alike", "0.0, 8 easy, 2 hopeless", "0.3, 8 easy, 2 hopeless")
    )
    assert len(set(alike)) == 1 and mixed == sorted(set(mixed)) and len(mixed) == 4
    assert all(float(a) > float(b) for a, b in zip(mixed[1:], slipping[1:], strict=True))


# --- can they be told apart


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 3), (9, 2), (5, 5), (40, 61), (1, 0), (7, 8)])
def test_p_is_scipys_exact_binomial_test(only_a: int, only_b: int) -> None:
    expected = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue
    out = answer("told_apart")(only_a + only_b + 9, only_a + 4, only_b + 4, 4)
    np.testing.assert_allclose(out, [expected, expected])


def version(**values: Any) -> dict[str, Any]:
    """What the cells of a class's version define: its functions, answered by its own solutions."""
    return Assignment("09_verdict", values).namespace


@pytest.mark.parametrize(
    ("side", "alternative", "split"),
    [("A", "greater", "half"), ("B", "less", "whole"), ("either", "two-sided", "half")],
)
def test_p_of_other_versions_is_scipys(side: str, alternative: str, split: str) -> None:
    """Mid-p by its definition: half the chance of what is just like the split that was seen is taken off again."""
    told_apart = version(SIDE=side, SPLIT_COUNTS=split)["told_apart"]
    for only_a, only_b in [(0, 3), (9, 2), (5, 5), (40, 61), (1, 0), (7, 8)]:
        m = only_a + only_b
        expected = stats.binomtest(only_a, m, 0.5, alternative=alternative).pvalue
        alike = {only_a, only_b} if side == "either" else {only_a}
        expected -= 0.5 * stats.binom.pmf(list(alike), m, 0.5).sum() if split == "half" else 0
        np.testing.assert_allclose(told_apart(m + 9, only_a + 4, only_b + 4, 4), [expected, expected])


def test_equally_good_models_seldom_look_unequal() -> None:
    """By construction p is 0.05 or less in at most one of twenty pairs of equally good models."""
    rng, n, pairs = np.random.default_rng(2), 40, 2000
    hardness = rng.beta(2, 1, n)
    a, b = rng.random((2, pairs, n)) < hardness
    ps = [answer("told_apart")(n, int(x.sum()), int(y.sum()), int((x & y).sum()))[0] for x, y in zip(a, b, strict=True)]
    share = np.mean(np.array(ps) <= 0.05)
    assert 0.005 < share < 0.05 + 3 * math.sqrt(0.05 * 0.95 / pairs)


def test_the_range_holds_every_table_with_these_totals() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        n = int(rng.integers(1, 30))
        a, b = rng.random((2, n)) < rng.random((2, 1))
        totals = n, int(a.sum()), int(b.sum())
        (p, _), (lowest, highest) = answer("told_apart")(*totals, int((a & b).sum())), answer("told_apart")(*totals)
        assert lowest - 1e-12 <= p <= highest + 1e-12


def test_what_published_totals_leave_open() -> None:
    """By hand: 9 to 0 is 2 / 512; 15 to 6, 6 to 0 and 109 to 103 are scipy's."""
    lines = found().printed("told-apart-learn").splitlines()
    ends = [[float(x) for x in re.findall(r"[01]\.\d{4}", line)] for line in lines]
    p = {split: round(stats.binomtest(split[0], sum(split)).pvalue, 4) for split in [(15, 6), (6, 0), (109, 103)]}
    assert ends[:3] == [[round(2 / 512, 4), p[15, 6]], [1, 1], [p[6, 0], p[109, 103]]]
    assert ends[0][0] < 0.05 < ends[0][1]  # the guess: it depends
    assert all(later[0] < sooner[0] and later[1] < sooner[1] for sooner, later in itertools.pairwise(ends[3:]))


def test_pairs_are_the_published_percentages() -> None:
    published = [(0.5, 0.795), (exam_of("AIME 2024").qwq, exam_of("AIME 2024").r1), (MATHS.qwq, MATHS.r1)]
    assert [n for _, n, *_ in answer("PAIRS")] == [30, 30, MATHS.n_problems]
    for (what, n, *solved), shares in zip(answer("PAIRS"), published, strict=True):
        assert [round(n * share) for share in shares] == solved
        assert [float(x) for x in re.findall(r"\d\d\.\d", what)] == [round(100 * share, 1) for share in shares]


def exam_of(name: str) -> Any:
    return next(exam for exam in EXAMS if exam.name == name)


def test_accuracies_and_lengths_are_lesson_09s() -> None:
    right, tokens, ranges = answer("RIGHT"), answer("TOKENS"), answer("RANGES")
    for model, name, share in (("QwQ-32B", "right_qwq", MATHS.qwq), ("DeepSeek-R1", "right_r1", MATHS.r1)):
        error = math.sqrt(share * (1 - share) / MATHS.n_problems)
        assert right[model] == answer("ASSUMED")[name] == round(share, 3)
        np.testing.assert_allclose(ranges[name], (share - error, share + error), atol=1e-3)
    scenario = Scenario()
    assert tokens == {"QwQ-32B": scenario.tokens, "DeepSeek-R1": scenario.tokens * scenario.length_ratio}
    assert answer("ASSUMED")["tokens_ratio"] == round(scenario.length_ratio, 2)
    price = {s: [min(n / speed for n, speed in ways) for ways in answer("WAYS")[s].values()] for s in answer("WAYS")}
    assert answer("PRICE_RATIOS") == {s: round(r1 / qwq, 2) for s, (qwq, r1) in price.items()}
    assert answer("ASSUMED")["price_ratio"] in answer("PRICE_RATIOS").values()
    each = 14_500 * price["in the open"][0] * answer("EUR_PER_CHIP_HOUR") / 3600
    assert answer("QWQ_EUR") == answer("CHECKER")["answer_eur"] == round(each, 4)


# --- how many chips


def least_chips(needed: float, ways: list[tuple[int, float]]) -> int:
    """The same by another road: a whole-number linear program."""
    chips, speeds = np.array(ways, dtype=float).T
    enough = optimize.LinearConstraint(speeds[None], lb=needed)
    found = optimize.milp(chips, constraints=enough, integrality=np.ones(len(ways)))
    return round(found.fun)


def test_fleets_are_what_a_linear_program_finds() -> None:
    rng = np.random.default_rng(4)
    for _ in range(25):
        ways = [(int(rng.integers(1, 20)), int(rng.integers(50, 3000))) for _ in range(rng.integers(1, 5))]
        needed = int(rng.integers(1, 12_000))
        assert answer("fewest_chips")(needed, 1, 3600, ways) == least_chips(needed, ways), (needed, ways)


def test_the_large_fleets_of_the_checks_are_what_a_linear_program_finds() -> None:
    needed = 40_000 * 2 * 14_500 / 3600
    ways = answer("WAYS")["in the open"]["QwQ-32B"]
    for some, chips in ((ways[:2], 298), (ways, 275)):
        assert least_chips(needed, some) == chips == answer("fewest_chips")(40_000, 2, 14_500, some)


def test_no_copy_of_a_fleet_with_a_spare_is_missed() -> None:
    """Take each kind for the fastest copy, and add one constraint that any kind may be lost."""
    rng = np.random.default_rng(5)
    for _ in range(25):
        ways = [(int(rng.integers(1, 20)), int(rng.integers(50, 3000))) for _ in range(3)]
        needed, found = int(rng.integers(100, 9000)), []
        chips, speeds = np.array(ways, dtype=float).T
        for kind in range(3):
            allowed = speeds <= speeds[kind]
            bounds = optimize.Bounds(np.eye(3)[kind], np.where(allowed, np.inf, 0))
            enough = optimize.LinearConstraint(speeds[None], lb=needed + speeds[kind])
            found.append(optimize.milp(chips, constraints=enough, bounds=bounds, integrality=np.ones(3)).fun)
        assert answer("fewest_chips")(needed, 1, 3600, ways, spare=True) == round(min(found)), (needed, ways)


@pytest.mark.parametrize(("setting", "hidden_share"), [("in the open", 0.0), ("hidden", 1.0)])
def test_ways_are_lesson_06s_estimate(setting: str, hidden_share: float) -> None:
    chip, assume = accelerators()["NVIDIA H800 SXM5 80GB"], Assumptions(hidden_share=hidden_share)
    for model, ways in answer("WAYS")[setting].items():
        served = ways_to_serve(model, known_configs()[model], chip, bits_per_weight=8, most_chips=256, assume=assume)
        assert [(w.n_chips, round(w.tokens_per_s)) for w in served] == ways, model
    assert answer("EUR_PER_CHIP_HOUR") == pytest.approx(Prices().usd_per_gpu_hour * Prices().eur_per_usd)
    assert answer("LIST_PRICE") == TokenPrices().output


def test_who_needs_fewer_chips_changes_more_than_once() -> None:
    lines = found().printed("fewest-chips-learn").splitlines()
    n = len(answer("PEOPLE"))
    table = [[part.split() for part in line.split("|")] for line in lines[2 : 2 + n]]
    assert all(row[column][2] == "QwQ-32B" for row in table[:4] for column in (1, 2, 3, 4))
    first = []
    for line in lines[2 + n : 4 + n]:
        changes = re.findall(
            r"([\d,]+) (QwQ-32B|R1|level)", line.partition("from 1,000 to 12,000")[2].partition(": ")[2]
        )
        winners = [winner for _, winner in changes if winner != "level"]
        assert winners[:3] == ["QwQ-32B", "R1", "QwQ-32B"], line  # it takes over, and hands back
        first.append(next(int(people.replace(",", "")) for people, winner in changes if winner == "R1"))
    said = " ".join(found().source_of("fewest-chips-learn-text").split())
    assert "the first lead of R1 down from {:,} people to {:,}.".format(*first) in said
    after = {column: next((int(row[0][0].replace(",", "")) for row in table if row[column][2] == "R1"), math.inf)
             for column in (2, 4)}  # fmt: skip
    assert after[2] == math.inf and 3 * first[1] <= after[4] < math.inf
    sooner = next(n for n in range(1000, 40_001, 100) if answer("who")(n, "hidden", True)[2] == "R1")
    assert 3 * first[1] <= sooner  # "several times as many people"


# --- what would turn the verdict round


def test_flips_are_roots_that_scipy_finds() -> None:
    ratio, assumed, ranges = (answer(name) for name in ("cost_ratio", "ASSUMED", "RANGES"))
    out = answer("what_flips")(ratio, assumed, ranges)
    for name, (low, high) in ranges.items():
        ends = [ratio(**(assumed | {name: end})) - 1 for end in (low, high)]
        if ends[0] * ends[1] > 0:
            assert name not in out["flips"]
            continue
        root = optimize.brentq(lambda x, name=name: ratio(**(assumed | {name: x})) - 1, low, high, xtol=1e-14)
        assert out["flips"][name] == pytest.approx(root, rel=1e-9)
    blocks = "\n".join(found().printed("what-flips-learn").splitlines()).split("sending ")[1:]
    turning = [
        {name: float(by) for name, by in re.findall(r"^  (\w+) .*a factor of ([\d.]+)$", block, re.M)}
        for block in blocks
    ]
    assert set(turning[0]) == set(ranges) and sum(by <= 1.041 for by in turning[0].values()) == 4
    assert turning[0]["right_qwq"] == turning[0]["right_r1"] and turning[0]["price_ratio"] == turning[0]["tokens_ratio"]
    assert set(turning[1]) == {"price_ratio", "wrong_eur"} and min(turning[1].values()) > 1.4
    assert "0.34 to 1.66 at the corners" in blocks[0] and "0.34 to 1.66 at the corners" in blocks[1]


def test_a_direction_that_depends_on_the_others_is_met_at_every_corner() -> None:
    """By hand: 1.5 / 2, 3.5 / 4, 3 / 2 and 5 / 4 at the corners; each direction where it is assumed gives 0.875."""

    def crossing(a: float, b: float) -> float:
        return (a + b) / (1 + b)

    ranges = {"a": (0.5, 2.0), "b": (1.0, 3.0)}
    assert [crossing(a, b) for a in ranges["a"] for b in ranges["b"]] == [0.75, 0.875, 1.5, 1.25]
    assert answer("what_flips")(crossing, {"a": 1.2, "b": 2.0}, ranges)["corners"] == [0.75, 1.5]
    ratio, assumed, ranges = (answer(name) for name in ("cost_ratio", "ASSUMED", "RANGES"))
    ends = {n: max(ranges[n], key=lambda end, n=n: ratio(**(assumed | {n: end}))) for n in ranges}
    assert round(ratio(**ends), 2) == 1.46  # so it matters for the course's own ratio, 1.66 by all corners


def test_no_draw_from_the_ranges_lies_beyond_the_corners() -> None:
    ratio, assumed, ranges = (answer(name) for name in ("cost_ratio", "ASSUMED", "RANGES"))
    low, high = answer("what_flips")(ratio, assumed, ranges)["corners"]
    rng = np.random.default_rng(6)
    drawn = {name: rng.uniform(*ends, size=200_000) for name, ends in ranges.items()}
    seen = ratio(**drawn)
    assert low <= seen.min() < low * 1.3 and high * 0.7 < seen.max() <= high
    assert low < 1 < high  # the verdict does not hold everywhere


def test_the_ratio_is_one_when_nothing_differs_and_rises_or_falls_in_each_assumption() -> None:
    """The control: two models with the same price, length and accuracy."""
    assert answer("cost_ratio")(1.0, 1.0, 0.8, 0.8, 0.02) == pytest.approx(1)
    assumed, ranges = answer("ASSUMED"), answer("RANGES")
    for name, (low, high) in ranges.items():
        for others in itertools.product(*(ranges[other] for other in ranges if other != name)):
            rest = dict(zip([other for other in ranges if other != name], others, strict=True))
            steps = np.diff([answer("cost_ratio")(**(assumed | rest | {name: x})) for x in np.linspace(low, high, 20)])
            assert name == "wrong_eur" or (steps > 0).all() or (steps < 0).all()
            assert (steps >= 0).all() or (steps <= 0).all()


# --- the page and its rubric


def question() -> Any:
    return next(cell for cell in found().solution.cells if is_written(cell))


def rubric() -> list[list[str]]:
    """The rows of the table, without the heading."""
    rows = [
        line.strip("| ").split(" | ")
        for line in found().source_of("verdict-rubric").splitlines()
        if line.startswith("|")
    ]
    assert rows[0] == ["criterion", "missing", "partial", "good", "excellent"]
    return rows[2:]


def test_the_rubric_has_four_levels_and_its_best_ones_sum_to_the_questions_points() -> None:
    best = 0
    for criterion, *levels in rubric():
        assert len(levels) == 4, criterion
        points = [int(level.partition(":")[0]) for level in levels]
        assert points[0] == 0 and points == sorted(set(points)), f"{criterion}: {points}"
        assert all(len(level.partition(":")[2]) > 10 for level in levels), criterion
        best += points[-1]
    assert best == question().metadata.nbgrader.points
    assert f"make {best}" in found().source_of("verdict-rubric")


def test_the_mark_scheme_gives_what_the_rubric_gives() -> None:
    scheme = question().source.partition("=== BEGIN MARK SCHEME ===")[2]
    said = [(int(points), words) for points, words in re.findall(r"^(\d+) points: ([\w ]+)", scheme, re.M)]
    rows = [(int(levels[-1].partition(":")[0]), row.strip("*").split("**")[0]) for row, *levels in rubric()]
    assert [points for points, _ in said] == [points for points, _ in rows]
    for (_, words), (_, criterion) in zip(said, rows, strict=True):
        assert words == criterion.lower(), (words, criterion)
    assert " ".join(str(points) for points, _ in rows) in scheme


@pytest.mark.parametrize("which", ["solution", "release"])
def test_the_rubric_stands_locked_right_above_the_answer(which: str) -> None:
    cells = getattr(found(), which).cells
    index = next(i for i, cell in enumerate(cells) if is_written(cell))
    above = cells[index - 1]
    assert grade_id_of(above) == "verdict-rubric" and above.source == found().source_of("verdict-rubric")
    assert above.metadata.nbgrader.locked and not above.metadata.nbgrader.grade
    assert which == "solution" or "MARK SCHEME" not in cells[index].source


def test_the_rubric_takes_no_heading_away_from_the_question() -> None:
    """A report names each exercise after the last heading above it."""
    above = itertools.takewhile(lambda cell: not is_written(cell), found().release.cells)
    titles = [title for cell in above if cell.cell_type == "markdown" and (title := title_of(cell.source))]
    assert titles[-1].startswith("5 · The verdict")


class Page(HTMLParser):
    """What an instructor reads on a page, in order: headings and cells of tables, text, and boxes for points."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.read: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.read.append(("input", dict(attrs).get("id") or ""))
        elif tag not in ("br", "img", "link", "meta", "hr"):
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while tag in self.tags and self.tags.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not {"style", "script"} & set(self.tags):
            kind = next((tag for tag in reversed(self.tags) if tag in ("td", "th")), "text")
            self.read.append((kind, data.strip()))


@functools.cache
def formgrader() -> HTMLExporter:
    """As nbgrader's formgrader configures it."""
    return HTMLExporter(config=FormgradeExtension().build_extra_config())


def test_formgrader_shows_the_rubric_between_the_question_and_the_answer_with_its_box_for_points() -> None:
    notebook = deepcopy(found().release)
    written = next(cell for cell in notebook.cells if is_written(cell))
    written.source = "My verdict is for a lighthouse keeper."
    resources = {"base_url": "", "index": 0, "total": 1, "submission_id": "s", "notebook_id": "n", "assignment_id": "a"}
    page, _ = formgrader().from_notebook_node(neutralised(notebook), resources=resources)
    read = Page(page).read

    def where(wanted: str) -> int:
        return next(i for i, (_, text) in enumerate(read) if wanted in text)

    table = [text for kind, text in read[where("How the verdict is graded") :] if kind in ("td", "th")]
    assert table[:5] == ["criterion", "missing", "partial", "good", "excellent"]
    for _, *levels in rubric():
        for level in levels:
            assert html.unescape(level.replace("`", "")) in table
    order = [where("Has it come level?"), where("How the verdict is graded"), where("a lighthouse keeper")]
    assert order == sorted(order)
    assert ("input", "verdict-question") in read, "formgrader has no box for the points of the page"


@pytest.mark.parametrize("done", [set(), {1}, {2, 3}, {1, 2, 3, 4}], ids=str)
def test_the_numbers_for_the_page_print_what_is_there(done: set[int], capsys: pytest.CaptureFixture[str]) -> None:
    """An unfinished function gives None, and the cell that uses it has stopped before it defined anything."""
    namespace = dict(found().namespace)
    for exercise, name in ((1, "one_try"), (2, "told_apart"), (3, "who"), (4, "turned_round")):
        if exercise not in done:
            namespace.pop(name)
            if exercise == 2:
                namespace[name] = lambda *args: None
    capsys.readouterr()
    exec(compile(python_of(found().source_of("verdict-numbers")), "verdict-numbers", "exec"), namespace)
    out = capsys.readouterr().out
    assert "43.98 euros for a thousand right answers" in out  # bought by the token: needs no exercise
    for exercise in (1, 2, 3, 4):
        missing = f"exercise {exercise}: not finished, its numbers are missing" in out
        assert missing == (exercise not in done)
        assert missing != bool(re.search(rf"^exercise {exercise},.*\d", out, re.M))


def test_exercise_4s_ratio_is_exercise_1s_with_harm_and_rounded() -> None:
    said = " ".join(found().source_of("verdict-numbers-text").split())
    lines = found().printed("verdict-numbers").splitlines()
    assert f"counts {answer('ASSUMED')['wrong_eur']} euros of harm for each wrong answer" in said
    for setting, price_ratio in answer("PRICE_RATIOS").items():
        one = answer("one_try")
        first = one[setting, "DeepSeek-R1"] / one[setting, "QwQ-32B"]
        here = answer("ASSUMED") | {"price_ratio": price_ratio}
        harmless, ratio = (answer("cost_ratio")(**(here | {"wrong_eur": eur})) for eur in (0, here["wrong_eur"]))
        assert abs(harmless - first) < 0.5 * abs(ratio - harmless)  # "mainly"
        line = next(line for line in lines if line.startswith(f"exercise 4, sending {setting}:"))
        assert "euros (assumed 0.002)" in line and f"(assumed {price_ratio})" in line


def test_no_line_of_code_is_wider_than_the_page() -> None:
    """Code wraps nowhere in a notebook: a longer line has to be scrolled sideways."""
    for cell in found().release.cells:
        if cell.cell_type == "code":
            assert all(len(line) <= 150 for line in cell.source.splitlines()), grade_id_of(cell)


def numbers_of_the_model_answer() -> Iterator[tuple[str, bool]]:
    """What the model answer says, and whether it is so."""
    ways, price, tokens = answer("WAYS"), answer("EUR_PER_CHIP_HOUR"), {"QwQ-32B": 14_500, "DeepSeek-R1": 12_000}
    for model, said in (("QwQ-32B", "needs 2 chips, or 3"), ("DeepSeek-R1", "needs 16, or 32")):
        first, spare = map(int, re.findall(r"\d+", said))
        for setting in ways:
            yield said, least_chips(200 * 2 * tokens[model] / 3600, ways[setting][model]) == first
            yield said, answer("fewest_chips")(200, 2, tokens[model], ways[setting][model], spare=True) == spare
    weights = [
        inference_memory(known_configs()["DeepSeek-R1"], context=1, batch_size=1, bits_per_weight=bits).weights / 1e9
        for bits in (8, 5)
    ]
    yield "weights are 671 GB", round(weights[0]) == 671
    yield "In 4 bits, 419 GB", round(weights[1]) == 419
    yield "your cards have 640", 8 * accelerators()["NVIDIA H800 SXM5 80GB"].mem_gb == 640
    yield "59.7 % for QwQ-32B, 57.4 % for R1", (round(MATHS.qwq, 3), round(MATHS.r1, 3)) == (0.597, 0.574)
    knowledge = exam_of("GPQA-Diamond")
    yield "71.5 against 63.7 % on GPQA-Diamond", (knowledge.r1, knowledge.qwq) == (0.715, 0.637)
    yield "of 2 points has a standard error of 4", (round(MATHS.ahead), round(MATHS.error)) == (2, 4)
    splits = [stats.binomtest(k, n).pvalue for k, n in ((6, 6), (109, 212))]
    yield "p lies between 0.03 and 0.73", [round(p, 2) for p in splits] == [0.03, 0.73]
    for said, setting in (("11.02 euros from QwQ-32B and 10.39", "in the open"), ("9.51 and 6.48", "hidden")):
        for model, number in zip(ways[setting], re.findall(r"\d+\.\d+", said), strict=True):
            each = price / 3600 * min(chips / speed for chips, speed in ways[setting][model]) * tokens[model]
            yield said, round(1000 * each / {"QwQ-32B": 0.597, "DeepSeek-R1": 0.574}[model], 2) == float(number)
    out, assumed = (
        answer("what_flips")(*(answer(name) for name in ("cost_ratio", "ASSUMED", "RANGES"))),
        answer("ASSUMED"),
    )
    factors = sorted(max(there / assumed[name], assumed[name] / there) for name, there in out["flips"].items())
    yield "In the open 4 % in price, length or accuracy", 1.035 < factors[3] < 1.045 and assumed["price_ratio"] == 1.1

    def own(chips: int, per_hour: float) -> float:
        """Euros for a thousand right answers on rented chips that are paid for all day."""
        return 1000 * chips * price / (200 * per_hour * 0.597)

    bought = 1000 * 12_000 / 1e6 * answer("LIST_PRICE") / 1.0411 / 0.574
    yield "2.19 dollars per million", answer("LIST_PRICE") == 2.19
    yield "cost 16 euros", round(own(2, 2)) == 16
    yield "cost 44 euros", round(bought) == 44
    yield "then it is 80 against 44", round(own(1, 0.2)) == 80
    yield "less than one answer in three hours", own(1, 1 / 3) > bought > own(1, 1 / 2)


def test_the_model_answer_has_its_numbers_right_and_its_own_length() -> None:
    said = question().source.split("===")[0]
    joined = " ".join(said.split())
    for words, is_so in numbers_of_the_model_answer():
        assert words in joined, f"{words!r} is not in the model answer any more"
        assert is_so, f"{words!r} is not what is computed"
    assert 250 <= len(said.split()) <= 450


# --- the notebook


def test_worked_numbers_that_are_enough_exactly_are_so_in_any_order_of_the_product() -> None:
    """The visible check asks for exactly 1,000 tokens per second; no rounding may decide there."""
    for x, y, z in itertools.permutations((64, 9, 6250)):
        for needed in (
            x * y * z / 3600,
            x * (y * z / 3600),
            x * y * (z / 3600),
            x * ((y / 3600) * z),
            x / 3600 * y * z,
        ):
            assert needed == 1000


def test_graded_cells_read_no_number_that_a_class_may_change() -> None:
    names = {
        node.id
        for cell in found().solution.cells
        if "parameters" in cell.metadata.get("tags", [])
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    versions = variants.parameters_of(ROOT / "sources/exercises/09_verdict.py").values()
    names -= {one.name for one in versions if one.exercise}  # which task it is: that a check has to know
    assert "ANSWERS_PER_HOUR" in names
    for cell in found().solution.cells:
        if is_test(cell):
            assert not names & {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}


JUNK = [None, math.nan, math.inf, "5600", [], {}, True, (1, 2, 3), [None] * 2, object()]
SHAPED = [
    {"eur": None, "right": None, "wrong": None, "eur_per_right": None},
    {"flips": {"price": None, "tokens": None}, "nearest": [], "corners": [None, "x"]},
]


@pytest.mark.parametrize("junk", [*JUNK, *SHAPED], ids=lambda junk: type(junk).__name__)
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
                if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Constant):
                    says = node.msg.value
                    assert says in heard[cell.id], f"{cell.id}: nothing in the bank meets {says!r}"
