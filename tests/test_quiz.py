"""The self-check questions: their data, the judging, and what the page gets to know and when."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from conftest import ROOT
from racecourse.learn import quiz as quizzes
from racecourse.learn.notebooks import quizzes_in
from racecourse.learn.quiz import Option, Question, answer, as_markdown, as_text, judge, questions, quiz
from racecourse.learn.running import clean
from racecourse.learn.widgets.quiz_form import VIEW, QuizForm

ALL = list(questions().values())
LESSONS = sorted(path.stem for path in (ROOT / "sources/lessons").glob("[0-9][0-9]_*.py"))

ONE = Question("one", "00_x", "Which?", (Option("a", "No, a."), Option("b", "Yes, b.", True), Option("c", "No, c.")))
TWO = Question(
    "two", "00_x", "Which?", (Option("a", "Yes, a.", True), Option("b", "No, b."), Option("c", "Yes, c.", True))
)


@pytest.fixture(autouse=True)
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be kept of the learner's progress; nothing is written."""
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(quizzes, "record", lambda **event: kept.append(event))
    return kept


@pytest.mark.parametrize("asked", ALL, ids=lambda q: q.name)
def test_a_question_is_well_formed(asked: Question) -> None:
    assert asked.text.endswith("?")
    assert 3 <= len(asked.options) <= len(quizzes.LETTERS)
    assert 1 <= len(asked.right) < len(asked.options), "some are right, and some are not"
    texts = [option.text for option in asked.options]
    assert len(set(texts)) == len(texts)
    for option in asked.options:
        assert len(option.feedback) > 40 and option.feedback != option.text, option.text
        assert not re.match(r"(right|wrong|yes|no|not yet)[.,:]", option.feedback, re.IGNORECASE), "said by judge()"
        assert not set(asked.text + option.text) & set("*_`<>|"), "shown as plain text here, and as Markdown there"
        for text in (asked.text, option.text, option.feedback):
            assert text == text.strip() and text[-1] in ".?)", text


def test_every_lesson_asks_its_own_two_to_four() -> None:
    """The sources ask what the data has, once, in the lesson that the file is named after."""
    written = {
        path.stem: list(tomllib.loads(path.read_text(encoding="utf-8"))) for path in quizzes.FOLDER.glob("*.toml")
    }
    assert sorted(written) == LESSONS
    for lesson, names in written.items():
        assert 2 <= len(names) <= 4, lesson
        source = (ROOT / f"sources/lessons/{lesson}.py").read_text(encoding="utf-8")
        assert sorted(quizzes_in([source])) == sorted(names), lesson
    assert sum(map(len, written.values())) == len(ALL), "names are unique over all lessons"


def test_a_name_that_two_files_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for lesson in ("00_a", "01_b"):
        shutil.copy(quizzes.FOLDER / "00_start_here.toml", tmp_path / f"{lesson}.toml")
    monkeypatch.setattr(quizzes, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"01_b\.toml.*rename one"):
        questions.__wrapped__()


def test_neither_length_nor_place_gives_the_answer_away() -> None:
    single = [q for q in ALL if not q.several]
    by_length = [sorted(q.options, key=lambda option: len(option.text)) for q in single]
    for which in (0, -1):
        assert sum(options[which].right for options in by_length) < len(single) / 2, "always the shortest or longest"
    assert max(Counter(q.right for q in single).values()) < len(single) / 2


def test_the_order_comes_from_the_name_alone() -> None:
    """Saved notebooks show the letters, so every process must give the same ones."""
    code = "from racecourse.learn.quiz import questions; print(*(q.right for q in questions().values()))"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == [q.right for q in ALL]
    by_hand = {"no-old-queries": "B", "what-contains": "DE"}  # of Python 3.11; the same in later versions
    assert {name: questions()[name].right for name in by_hand} == by_hand


@pytest.mark.parametrize(
    ("asked", "chosen", "words"),
    [
        (ONE, "A", "Not yet. No, a."),
        (ONE, "B", "Right. Yes, b."),
        (TWO, "AC", "Right. A: Yes, a. C: Yes, c."),
        (TWO, "A", "Not yet. What you chose is right, but there is more."),
        (TWO, "BA", "Not yet. B: No, b."),
        (TWO, "ABC", "Not yet. B: No, b."),
    ],
)
def test_a_choice_is_judged_and_only_what_was_chosen_is_spoken_of(asked: Question, chosen: str, words: str) -> None:
    judgement = judge(asked, chosen)
    assert judgement.words == words
    assert judgement.right == words.startswith("Right.")


@pytest.mark.parametrize("chosen", ["", "D", "AB", "a", ["A", 3]])
def test_what_is_no_choice_is_refused(chosen: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        judge(ONE, chosen)


def test_an_answer_without_a_form(capsys: pytest.CaptureFixture[str], recorded: list[dict[str, Any]]) -> None:
    answer("no-old-queries", "a")
    answer("what-contains", "d, e")
    first, second = capsys.readouterr().out.split("Right.")
    assert first.startswith("Not yet.") and "D:" in second and "E:" in second
    assert recorded == [
        {
            "kind": "quiz",
            "notebook": "01_transformers",
            "name": "no-old-queries",
            "data": {"right": False, "chosen": "A"},
        },
        {"kind": "quiz", "notebook": "08_agents", "name": "what-contains", "data": {"right": True, "chosen": "DE"}},
    ]
    with pytest.raises(ValueError, match="no question 'nothing'"):
        answer("nothing", "A")


def test_no_answer_is_in_what_is_shown_first() -> None:
    """Neither the page's state nor the text beside the form tells which is right, or says anything of a choice."""
    for asked in ALL:
        form = QuizForm(asked)
        state = {key: value for key, value in form.get_state().items() if not key.startswith("_")}
        shown = json.dumps(state, default=str, ensure_ascii=False) + as_text(asked) + as_markdown(asked)
        assert all(option.text in state["options"][i] for i, option in enumerate(asked.options))
        flat = " ".join(shown.split())
        assert not any(option.feedback[:30] in flat for option in asked.options), asked.name
        assert f'"{asked.right}"' not in flat.replace(f'answer("{asked.name}", "A")', "")


def test_the_form_answers_the_page() -> None:
    form = QuizForm(ONE)
    form.set_state({"asked": {"number": 1, "chosen": ["A"]}})
    assert (form.answered, form.words) == (1, "Not yet. No, a.")
    form.set_state({"asked": {"number": 2, "chosen": ["B"]}})
    assert (form.answered, form.words) == (2, "Right. Yes, b.")
    form.set_state({"asked": {"number": 3, "chosen": ["A", "B"]}})
    assert form.answered == 3 and form.words.startswith("Refused")
    form.set_state({"asked": {"number": 4}})
    assert form.answered == 4 and form.words.startswith("Refused")


def test_one_output_carries_form_and_text_and_a_build_keeps_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(quizzes, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options)))
    quiz("no-old-queries")
    [(data, options)] = shown
    assert options["raw"] and set(data) == {VIEW, "text/plain", "text/markdown"}

    output = nbformat.v4.new_output("display_data", data=data, metadata=options["metadata"])
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('quiz("no-old-queries")', outputs=[output])])
    clean(notebook)
    [kept] = notebook.cells[0].outputs
    assert VIEW not in kept.data and kept.data["text/markdown"] == as_markdown(questions()["no-old-queries"])


def test_in_a_terminal_it_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    quiz("two-forecasters")
    printed = capsys.readouterr().out
    for option in questions()["two-forecasters"].options:
        assert option.text in " ".join(printed.split())
    assert 'answer("two-forecasters", "A")' in printed


CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture
def lab_page(tmp_path: Path) -> Iterator[Any]:
    """A notebook with two quizzes in JupyterLab, run, and the browser's page of it."""
    from playwright.sync_api import sync_playwright

    from test_browser import TOKEN, open_notebook, quiet_settings, run_all, wait_until_served

    code = 'from racecourse.learn.quiz import quiz\n\nquiz("no-old-queries")\nquiz("what-contains")'
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "quiz.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={tmp_path}"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    with (tmp_path / "lab.log").open("w") as log, sync_playwright() as playwright:
        environment = quiet_settings(tmp_path) | {"RACECOURSE_PROGRESS": "off"}
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_until_served(f"http://127.0.0.1:{port}/api", server, tmp_path / "lab.log")
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1200, "height": 1000})
            open_notebook(page, f"http://127.0.0.1:{port}/lab/tree/quiz.ipynb?token={TOKEN}&reset")
            run_all(page)
            yield page
            browser.close()
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium: `apt-get install chromium`, or name one in the variable CHROMIUM"
)
def test_a_quiz_is_answered_with_the_keyboard_alone(lab_page: Any, tmp_path: Path) -> None:
    """Tab, arrows, space and Enter; a first wrong answer, then the right one."""
    page, words = lab_page, lab_page.locator(".racecourse-words")
    first, second = page.locator("form.racecourse").nth(0), page.locator("form.racecourse").nth(1)
    page.wait_for_selector("form.racecourse >> nth=1")
    assert first.locator("legend").inner_text() == questions()["no-old-queries"].text
    assert page.locator(".jp-RenderedMarkdown, .jp-RenderedText").count() == 0, "the question stands there once"

    first.locator("input").first.focus()
    page.keyboard.press("Space")  # chooses A, which is wrong
    page.keyboard.press("Enter")
    words.nth(0).get_by_text("Not yet.").wait_for()
    page.screenshot(path=tmp_path / "wrong.png")
    page.keyboard.press("ArrowDown")  # to B
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Check"
    page.keyboard.press("Enter")
    words.nth(0).get_by_text("Right.").wait_for()

    second.locator("input").nth(3).focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    words.nth(1).get_by_text("Right.").wait_for()
    page.screenshot(path=tmp_path / "right.png", full_page=True)
    assert page.locator(".jp-CodeCell").count() == 1, "JupyterLab took no key for itself"
