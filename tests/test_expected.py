"""The ranges that lessons call expected, listed in tests/data/expected.toml.

The lessons state them, and their committed notebooks lie in them.
"""

import json
import re
import tomllib

import pytest

from conftest import ROOT

LIST = tomllib.loads((ROOT / "tests/data/expected.toml").read_text(encoding="utf-8"))
RANGES = LIST["range"]
WITHOUT = LIST["no_range_of_results"]
LESSONS = sorted(path.stem for path in (ROOT / "sources/lessons").glob("*.py"))


def unwrapped(source: str) -> str:
    """A source in one line: a sentence that goes on in the next comment line is still one sentence."""
    return re.sub(r"\s+", " ", re.sub(r"^# ?", "", source.replace("\\n", " "), flags=re.M))


def figure_of(notebook: dict, figure: str) -> float:
    """The one number in what a notebook printed that `figure` finds, or the minutes of its run."""
    if figure == "minutes":
        return notebook["metadata"]["racecourse"]["minutes"]
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    text = "\n".join("".join(output.get("text", "")) for output in outputs)
    found = re.findall(figure, text, re.M)
    assert len(found) == 1, f"{figure!r} is found {len(found)} times in what the notebook printed; once is needed"
    return float(found[0])


@pytest.mark.parametrize("row", RANGES, ids=[f"{row['lesson']}: {row['what']}" for row in RANGES])
def test_the_lesson_states_the_range_and_its_notebook_lies_in_it(row):
    source = (ROOT / f"sources/lessons/{row['lesson']}.py").read_text(encoding="utf-8")
    assert row["says"] in unwrapped(source), "the lesson no longer says this: change the words or the list"
    notebook = json.loads((ROOT / f"lessons/{row['lesson']}.ipynb").read_text(encoding="utf-8"))
    value = figure_of(notebook, row["figure"])
    assert row.get("low", value) <= value <= row.get("high", value), f"{row['what']} is {value}: {row['says']!r}"


def test_a_range_has_a_limit_and_the_limits_are_in_order():
    for row in RANGES:
        assert "low" in row or "high" in row, row["what"]
        assert row.get("low", float("-inf")) < row.get("high", float("inf")), row["what"]
        assert row["device"], row["what"]


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_has_a_range_of_results_or_says_why_not(lesson):
    has = any(row["lesson"] == lesson and row["figure"] != "minutes" for row in RANGES)
    assert has != (lesson in WITHOUT), "ranges in the list, or a reason under no_range_of_results; not both"


@pytest.mark.parametrize("lesson", LESSONS)
def test_whatever_a_lesson_calls_expected_is_in_the_list(lesson):
    """After each "Expected ... :", in a text or an output, come words of the list."""
    text = unwrapped((ROOT / f"sources/lessons/{lesson}.py").read_text(encoding="utf-8"))
    words = [row["says"].removeprefix("Expected on a CPU: ") for row in RANGES if row["lesson"] == lesson]
    for found in re.finditer(r"\*\*Expected\b[^:]*:|\b[Ee]xpected( \w+){0,3}: ", text):
        after = text[found.end() :][:120]
        assert any(said in after for said in words), f"a range that is not in the list: {found[0]}{after}"
