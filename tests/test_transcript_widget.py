"""The transcript explorer: what it shows of runs worked by hand, and that what a tool wrote stays text."""

import subprocess
import sys

import pytest

from racecourse.agents.loop import Step, Transcript
from racecourse.learn.widgets.transcript import (
    example_runs,
    moment,
    page_of,
    sentence,
    transcript_explorer,
    transcript_in_words,
)

SEARCHED = Step("where?", "search", {"query": "Müller"}, "rules.md, line 3: the plate", False, 5, 0.1)
REFUSED = Step("", "read", {"name": "rule.md"}, "there is no document", True, 6, 0.1)
ANSWERED = Transcript("Which plate?", [SEARCHED, REFUSED], "the plate", "answered", 14, 0.2)
SPENT = Transcript("How long?", [SEARCHED], None, "tokens", 5, 0.1)
BROKEN = Transcript("Why?", [], None, "policy failed", 0, 0.1, "KeyError: 'answer'")


def test_each_moment_says_what_was_called_and_what_came_of_it():
    assert moment(ANSWERED, 1) == {
        "thought": "where?", "call": 'search {"query": "Müller"}', "result": "rules.md, line 3: the plate",
    }  # fmt: skip
    assert moment(ANSWERED, 2) == {"call": 'read {"name": "rule.md"}', "error": "there is no document"}
    assert moment(ANSWERED, 3) == {"answer": "the plate"}
    assert moment(SPENT, 2) == {"no answer": "the budget of tokens was spent"}
    assert moment(BROKEN, 1) == {"no answer": "KeyError: 'answer'"}


def test_a_moment_in_one_sentence():
    assert sentence(ANSWERED, 1) == "Call 1 of 2: search, which gave 27 characters; 5 tokens written."
    assert sentence(ANSWERED, 2) == "Call 2 of 2: read, which gave an error; 6 tokens written."
    assert sentence(ANSWERED, 3) == "The end after 2 calls: answered; 14 tokens written in all."


def test_the_whole_run_as_text_holds_every_moment_and_bounds_long_ones():
    text = transcript_in_words(ANSWERED)
    lines = text.splitlines()
    assert lines[0] == "question: Which plate?" and lines[-2:] == [
        "3. answer: the plate",
        f"   ({sentence(ANSWERED, 3)})",
    ]
    assert "2. error: there is no document" in lines and "1. thought: where?" in lines
    long = Transcript("?", [Step("", "read", {}, "x\n" * 5000, False, 0, 0.0)], "x", "answered", 0, 0.0)
    assert len(transcript_in_words(long)) < 5000 and "10,000 characters in all" in transcript_in_words(long)
    assert page_of(long, 1).count("x\n") == 5000, "the page shows all"


def test_what_tools_wrote_is_escaped():
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    run = Transcript(evil, [Step(evil, evil, {"name": evil}, evil, False, 0, 0.0)], evil, "answered", 0, 0.0)
    for number in (1, 2):
        page = page_of(run, number)
        assert "<script" not in page and "<img" not in page and "&lt;script&gt;" in page
    widget = transcript_explorer({"evil": run})
    assert "<script" not in widget.page and "&lt;script&gt;" in widget.page


def test_the_slider_goes_from_the_first_call_to_the_end_and_follows_the_run():
    widget = transcript_explorer({"long": ANSWERED, "short": SPENT, "none": BROKEN})

    def moments() -> tuple[float, float, object]:
        return widget.controls["moment"].low, widget.controls["moment"].high, widget.values["moment"]

    assert moments() == (1, 3, 1)
    assert "Which plate?" in widget.page and "rules.md, line 3" in widget.page and "Call 1 of 2" in widget.words
    widget.set(moment=3)
    assert "the plate" in widget.page and "rules.md" not in widget.page and "The end after 2 calls" in widget.words
    widget.set(run="short")
    assert moments() == (1, 2, 1) and "How long?" in widget.page and "Call 1 of 1" in widget.words
    widget.set(run="none")
    assert moments() == (1, 1, 1) and "KeyError" in widget.page
    widget.set(run="long")
    assert moments() == (1, 3, 1) and 'scope="row"' in widget.page and widget.image == ""
    assert widget.fields[1]["high"] == 3, "the page is told of the new end"


def test_no_run_is_refused():
    with pytest.raises(ValueError, match="at least one transcript"):
        transcript_explorer({})


def test_the_example_runs_over_the_documents():
    """A heap is 34 lb (glossary.md), 7 x 34 = 238; the chase is of 1897 (programme.md)."""
    runs = example_runs()
    assert [(run.ended, run.answer) for run in runs.values()] == [("answered", "238"), ("answered", "1897")]
    calculated, misnamed = (run.steps for run in runs.values())
    assert "34 lb" in calculated[0].observation and calculated[1].observation == "238"
    assert [step.is_error for step in misnamed] == [True, False]
    assert "programme.md" in misnamed[0].observation and "1897" in misnamed[1].observation


def test_the_explorer_needs_no_torch():
    code = (
        "import sys; from racecourse.learn.widgets.transcript import transcript_explorer; transcript_explorer(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
