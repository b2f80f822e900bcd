"""Lesson 09: what the committed notebook prints, against its own prose, lesson 06's notebook and cases worked by hand.

The arithmetic itself is held in test_verdict.py.
"""

import ast
import json
import re

import pytest

from conftest import ROOT
from racecourse.learn.ledger import JUDGEMENTS, cells_of, claims, recorded_ledger

NAME = "09_verdict"
LESSON = ROOT / f"lessons/{NAME}.ipynb"
SOURCE = (ROOT / f"sources/lessons/{NAME}.py").read_text(encoding="utf-8")
HERE = ("2", "4", "7", "17", "18", "19")  # the rows that this lesson settles


def cells():
    return json.loads(LESSON.read_text(encoding="utf-8"))["cells"]


def outputs():
    return [output for cell in cells() if cell["cell_type"] == "code" for output in cell["outputs"]]


@pytest.fixture(scope="module")
def printed():
    """Everything that the built lesson printed."""
    return "\n".join("".join(output.get("text", "")) for output in outputs())


@pytest.fixture(scope="module")
def tables():
    """The ledger tables that it showed, row by row."""
    html = ["".join(output["data"]["text/html"]) for output in outputs() if "text/html" in output.get("data", {})]
    return [rows for rows in map(cells_of, html) if rows]


def row(text, start, place=0):
    """The cells of a printed table's row that begins with `start`, without it."""
    line = [line for line in text.splitlines() if line.startswith(start)][place]
    return re.split(r"\s{2,}", line.removeprefix(start).strip())


# --- witnesses


def test_it_is_a_full_run_without_errors_and_figures_have_words():
    for cell in cells():
        if cell["cell_type"] != "code":
            continue
        kinds = [output["output_type"] for output in cell["outputs"]]
        assert "error" not in kinds and all(output.get("name") != "stderr" for output in cell["outputs"])
        if any("image/png" in output.get("data", {}) for output in cell["outputs"]):
            assert "stream" in kinds, "".join(cell["source"])[:200]


def test_lesson_06s_setting_gives_lesson_06s_euros(printed):
    """Euros per million tokens on H800: both columns, and what lesson 06's own notebook prints, to its two digits."""
    cells_06 = json.loads((ROOT / "lessons/06_hardware.ipynb").read_text(encoding="utf-8"))["cells"]
    text_06 = "\n".join("".join(output.get("text", "")) for cell in cells_06 for output in cell.get("outputs", []))
    for model in ("QwQ-32B", "DeepSeek-R1"):
        line = next(line for line in text_06.splitlines() if re.match(rf"{model}, 8 bits +NVIDIA H800 SXM5 80GB", line))
        in_the_open, hidden = map(float, re.split(r"\s{2,}", line)[-2:])
        for words, euros in (("hidden", hidden), ("in the open", in_the_open)):
            there, here = map(float, re.search(rf"^{model} +{words} +([\d.]+) +([\d.]+)$", printed, re.M).groups())
            assert there == pytest.approx(euros, abs=0.0051) and here == pytest.approx(there, rel=0.01)


def test_deepseeks_node_is_met_with_the_sending_hidden_only(printed):
    hidden = float(re.search(r"node, sending hidden, as theirs: ([\d,]+)", printed)[1].replace(",", ""))
    in_the_open = float(re.search(r"node, sending in the open: ([\d,]+)", printed)[1].replace(",", ""))
    assert hidden == pytest.approx(14_800, rel=0.15) and in_the_open < 0.7 * 14_800


@pytest.mark.parametrize("phrase", [
    # sqrt(0.789 x 0.211 / 1273 + 0.918 x 0.082 / 1273) = 1.378 points; 12.9 / 1.378
    "MedQA, as printed: QwQ ahead by -12.9 points, -9.4 standard errors",
    "QwQ ahead by 2.4 points, one standard error of the difference is 4.4",  # sqrt((0.2405 + 0.2446) / 256)
    "1.14 dollars for each hour",  # 2000 / 1753.2
    "12,000 tokens at 2.19 dollars per million: 5.26 dollars",
    "product 1.0000",
])  # fmt: skip
def test_figures_by_hand(printed, phrase):
    assert phrase in printed


def test_r1_by_the_token_by_hand(printed):
    """12,000 x 2.19 / 1,000,000 / 1.0411 are 0.025243 euros an answer."""
    euros, right = map(float, row(printed, "R1 by the token, list price 2025-02-28"))
    assert euros == pytest.approx(25.2, abs=0.05)
    assert right == pytest.approx(0.573828 / 0.025243, abs=0.06)


def test_the_firms_qwq_costs_a_third_of_r1_by_the_token(printed):
    """One H200 at 2 dollars an hour, on which 32 answers of about 503 s are written at once."""
    euros, right = map(float, row(printed, "QwQ on the firm's rented H200, 32 users"))
    assert euros == pytest.approx(2 / 1.0411 / (32 * 3600 / 503) * 1000, abs=0.05)
    assert right == pytest.approx(0.5974375 / euros * 1000, rel=0.01)
    assert float(row(printed, "R1 by the token, list price 2025-02-28")[0]) / euros == pytest.approx(3, abs=0.1)


# --- the prose


def test_numbers_of_other_lessons_by_hand():
    """6ND of both bases with 37.55 and the published 37 billion; the largest recorded model over the ladder's."""
    qwq = 32.763876352 * 18
    assert [f"{qwq / (active * 14.8):.2f}" for active in (37.552282624, 37)] == ["1.06", "1.08"]
    assert "1.06 to 1.08 times" in SOURCE and "32.8 against 37.6 billion" in SOURCE
    assert round(1_701_120 / 130_368) == 13 and "13 times larger than the ladder's largest" in SOURCE


def test_level_in_contests_and_not_where_knowledge_counts(printed):
    for name in ("AIME 2024", "AIME 2025", "HMMT 2024 and 2025", "HMMT February 2025", "256 contest problems"):
        for line in re.findall(rf"^{name}  .*$", printed, re.M):
            assert abs(float(re.split(r"\s{2,}", line)[5])) < 1
    assert -2 < float(row(printed, "GPQA-Diamond")[4]) < -1.5


def test_the_controls_are_one_and_the_placebo_nothing(printed):
    assert re.findall(r"against itself, .*: (\[.*\])", printed) == ["[1.0, 1.0, 1.0]"] * 2
    assert len(set(re.findall(r"euros for 1,000 answers of R1, ratio ([\d.]+)", printed))) == 1
    euros = [float(x) for x in re.findall(r"euros a dollar: +([\d.]+) euros", printed)]
    assert euros[2] / euros[0] == pytest.approx(1.2 / 0.5, rel=0.01)
    assert row(printed, "control: a model against itself")[0] == "1.00"


def test_it_turns_round_where_the_text_says(printed):
    """By multiples below a hundred users; from about a thousand on R1, at the published length ratio."""
    hidden = re.search(r"sending hidden: R1 is cheaper from (.*)", printed)[1]
    users = int(re.search(r"([\d,]+) users \(length ratio 0.83\)", hidden)[1].replace(",", ""))
    assert 500 <= users <= 2000
    assert "both cost the same at a length ratio of below 0.4 (64 users)" in printed


def test_the_draws_lie_in_the_expected_ranges_and_the_length_matters_most(printed):
    assert "expected: firm above 3, in all draws; service of 10,000 below 1, QwQ in 20 to 40 % of draws" in printed
    for firm in ("firm, R1 in 4 bits", "firm: 32 users, 8 H200"):
        assert float(row(printed, firm, -1 if firm.endswith("bits") else -2)[2]) > 1
    lines = [line for line in printed.splitlines() if re.match(r"service: 10,000 users, H800 +\d+% ", line)]
    fits, share, *_ = re.findall(r"(\d+)%", lines[0])
    assert fits == "100" and 20 <= int(share) <= 40
    assert "what matters most: length_ratio" in printed
    assert row(printed, "length_ratio", -1)[-1] == "yes"
    assert row(printed, "firm, 32 users, 8 H200: R1's euros over QwQ's")[1] == "QwQ in 100% of draws"


def test_every_guess_is_answered():
    for name in re.findall(r"^(guess_\w+(?:, guess_\w+)*) = ", SOURCE, re.M):
        for one in name.split(", "):
            assert len(re.findall(rf"\b{one}\b", SOURCE)) >= 2, one


# --- the ledger


def test_its_rows_are_settled_and_the_whole_ledger_is_shown(tables):
    settled = {cells[0]: cells[5] for table in tables if len(table) == 1 for cells in table}
    assert set(settled) == set(HERE)
    for name, verdict in settled.items():
        assert verdict in (("context",) if claims()[name].kind == "context" else JUDGEMENTS), name
    whole = [table for table in tables if len(table) == len(claims())]
    assert len(whole) == 1 and [cells[0] for cells in whole[0]] == list(claims())
    for cells in whole[0]:
        assert cells[5] in (*JUDGEMENTS, "context"), f"row {cells[0]} is {cells[5]}"


def test_the_most_frequent_verdict_is_the_one_that_the_text_names(printed):
    counts = {judgement: int(row(printed, judgement)[0]) for judgement in JUDGEMENTS}
    assert max(counts, key=counts.get) == "holds with a qualification" and sum(counts.values()) == 17


def test_every_settled_row_has_sources():
    for call in ast.walk(ast.parse(SOURCE)):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "settle":
            sources = next(keyword.value for keyword in call.keywords if keyword.arg == "sources")
            assert len(sources.elts) >= 1


def test_it_shows_no_function_that_the_capstone_asks_for():
    names = {node.name for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.FunctionDef)}
    exercises = (ROOT / f"sources/exercises/{NAME}.py").read_text(encoding="utf-8")
    assert names and not names & set(re.findall(r"^def (\w+)", exercises, re.M))


def test_days_between_the_two_models(tables):
    """20 January to 6 March 2025: 11 + 28 + 6 days."""
    assert any("R1's was 45 days" in cells[-1] for table in tables for cells in table)


def test_the_ledger_shown_is_the_one_that_the_other_lessons_recorded(tables, monkeypatch):
    """After another lesson was run again this one has to be run again, too."""
    monkeypatch.setattr("racecourse.learn.ledger._settled", {})
    shown = {cells[0]: cells for cells in max(tables, key=len)}
    recorded = {row.id: list(row.cells) for row in recorded_ledger().rows if row.id not in HERE}
    assert {name: shown[name] for name in recorded} == recorded, (
        "rows have changed: `racecourse build 09_verdict --execute`"
    )
