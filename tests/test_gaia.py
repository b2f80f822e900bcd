"""GAIA's scorer on pairs worked by hand from its published rule; its task format; which scores can exist."""

import doctest
import json
from pathlib import Path

import pytest

from racecourse.agents import gaia
from racecourse.agents.gaia import VALIDATION, Task, accuracy, gaia_score, possible_counts, read_tasks, weighted_mean

RIGHT = [  # answer, truth
    ("17", "17"), ("17.0", "17"), (" 17 ", "17"), ("17", "17.0"), ("+17", "17"), ("1.7e1", "17"), ("$17", "17"),
    ("17%", "17"), ("1,7", "17"), ("1,700", "1700"), ("$1,700.00", "1700"), ("-3", "-3"), ("0.50", ".5"),
    ("1e3", "1000"), ("1_000", "1000"), ("%$,5", "5"), ("007", "7"), ("0", "-0"), ("0.1", "0.1"),
    ("Paris", "paris"), ("p a r i s", "Paris"), ("Paris.", "Paris"), ("St Petersburg", "St. Petersburg"),
    ("stpetersburg", "St. Petersburg"), ("PARIS!", "paris"), ("don't", "dont"), ("well-known", "Well known"),
    ("a\tb\nc", "abc"), ("(42)", "[42]"), ("17 km", "17km"), ("$5 each", "5 each"), ("", "?"), ("ÉTÉ", "été"),
    ("a,b", "a, b"), ("a;b", "a,b"), ("A , B", "a,b"), ("1, 2, 3", "1,2,3"), ("1.0;2.0", "1,2"), ("$1, 2%", "1,2"),
    ("apples, 3", "Apples, 3.0"), ("c.d,e", "C.D, E"), ("1,000", "1,000"), ("1;0", "1,000"), ("x,", "x;"),
    ("b e,r r y", "be,rry"), ("nothing at all", "inf"), ("1e999", "inf"), ("infinity", "inf"),
]  # fmt: skip
WRONG = [
    ("17 km", "17"), ("seventeen", "17"), ("17.01", "17"), ("17.0000001", "17"), ("17 18", "17"), ("€17", "17"),
    ("", "17"), ("17.", "18"), ("0.1", "0.10000001"), ("17 percent", "17"), ("1.700", "1700"), ("--3", "-3"),
    ("nan", "nan"), ("anything", "nan"), ("17", "17 km"), ("1000", "1,000"), ("1000", "1000;"), ("$1,000", "$1,001"),
    ("London", "Paris"), ("The Paris", "Paris"), ("Paris, France", "Paris"), ("été", "ete"), ("½", "0.5"),
    ("two", "2"), ("Paris", "Par1s"),
    ("b, a", "a, b"), ("a, b, c", "a, b"), ("a", "a, b"), ("a, b,", "a, b"), ("a b", "a, b"), ("a and b", "a, b"),
    ("a., b", "a, b"), ("1 km, 2 km", "1, 2"), ("x", "x,"), ("3, apples", "apples, 3"), ("cd,e", "c.d,e"),
    ("[1, 2]", "1, 2"), ("1, two", "1, 2"), ("2, 1", "1, 2"), ("", ","),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "truth"), RIGHT)
def test_right_by_the_published_rule(answer: str, truth: str) -> None:
    assert gaia_score(answer=answer, truth=truth)


@pytest.mark.parametrize(("answer", "truth"), WRONG)
def test_wrong_by_the_published_rule(answer: str, truth: str) -> None:
    assert not gaia_score(answer=answer, truth=truth)


def test_the_docstrings_examples() -> None:
    assert doctest.testmod(gaia).failed == 0


def test_manus_scores_are_not_of_one_run_and_deep_researchs_mean_is_weighted() -> None:
    """86.5 is no k of 53, 70.1 no k of 86, 57.7 is 15 of 26; OpenAI's 67.36 is the weighted mean of its three."""
    assert possible_counts(86.5, 53) == [] and possible_counts(70.1, 86) == [] and possible_counts(57.7, 26) == [15]
    assert [round(100 * k / 53, 1) for k in (45, 46)] == [84.9, 86.8]
    assert [round(100 * k / 86, 1) for k in (60, 61)] == [69.8, 70.9]
    assert weighted_mean({1: 86.5, 2: 70.1, 3: 57.7}) == pytest.approx(73.4, abs=0.05)
    deep_research = {1: 74.29, 2: 69.06, 3: 47.6}
    assert weighted_mean(deep_research) == pytest.approx(67.358, abs=0.001)
    assert sum(deep_research.values()) / 3 == pytest.approx(63.65, abs=0.01), "the plain mean is another number"
    assert sum(VALIDATION.values()) == 165


@pytest.mark.parametrize("n", [1, 26, 53, 86, 165])
def test_every_score_that_a_run_can_have_is_possible_and_names_its_count(n: int) -> None:
    for k in range(n + 1):
        assert k in possible_counts(round(100 * k / n, 1), n)
    assert all(possible_counts(100 * (k + 0.5) / n, n) == [] for k in range(n)), "half-way between two counts"


def row(**changed: object) -> dict[str, object]:
    return {"task_id": "a", "Question": "How many?", "Level": 2, "Final answer": "17", "file_name": ""} | changed


def test_tasks_are_read_as_gaia_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "metadata.jsonl"
    notes = {"Steps": "1. read", "Number of steps": "1"}
    rows = [row(), row(task_id="b", Level="3", file_name="b.xlsx", **{"Annotator Metadata": notes, "Final answer": 5})]
    path.write_text("\n\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    assert read_tasks(path) == [Task("a", "How many?", 2, "17"), Task("b", "How many?", 3, "5", "b.xlsx", notes)]


@pytest.mark.parametrize(
    "line", ["{", "[]", "5", json.dumps(row(Level=4)), json.dumps(row(Level="x")), '{"task_id": 1}']
)
def test_a_line_that_is_no_task_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metadata.jsonl"
    path.write_text(json.dumps(row()) + "\n" + line, encoding="utf-8")
    with pytest.raises(ValueError, match=r"metadata.jsonl, line 2, is no task"):
        read_tasks(path)


def test_accuracy_by_level_and_no_answer_is_no_right_one() -> None:
    tasks = [Task("a", "", 1, "17"), Task("b", "", 1, "?"), Task("c", "", 3, "x, y"), Task("d", "", 3, "z")]
    assert accuracy(tasks, {"a": "$17", "c": "x; y", "d": "zz", "unknown": "1"}) == {1: (1, 2), 3: (1, 2)}
    assert accuracy(tasks, {}) == {1: (0, 2), 3: (0, 2)}
