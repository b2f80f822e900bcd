"""What follows a check in a notebook: the same block for every exercise, in a real kernel and piece by piece."""

import io
import json
import subprocess
import sys
import urllib.error
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from racecourse.learn import check, hints, progress
from racecourse.learn.check import Watcher, welcome
from racecourse.learn.contents import contents
from racecourse.learn.hints import all_hints, hint, level_of, solution

SET, NAME = "00_start_here", "weight-bytes"
TASK = contents()[SET].tasks[NAME]
LINE = f"# Check of {NAME}: {TASK.visible} of its {TASK.visible + TASK.hidden} points\n"


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "progress.db"
    monkeypatch.setenv("RACECOURSE_PROGRESS", str(path))
    monkeypatch.setattr(hints, "shown", {})
    return path


def ended(source: str, error: BaseException | None = None) -> Any:
    """What IPython hands to `post_run_cell`."""
    info = SimpleNamespace(raw_cell=source)
    return SimpleNamespace(info=info, error_before_exec=None, error_in_exec=error, success=error is None)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def watcher(said: list[str]) -> Watcher:
    return Watcher(SET, said.append)


def test_a_passed_check_says_its_points_and_what_is_left(watcher: Watcher, said: list[str]) -> None:
    watcher.after(ended(LINE + "assert True"))
    assert said == [f"{NAME}: passed, 12 of 30 points. A second check, with other numbers, is worth the other 18."]
    assert [(e.kind, e.name, e.data) for e in progress.events()] == [("check", NAME, {"outcome": "passed"})]


def test_after_three_tries_the_next_hint_is_offered(watcher: Watcher, said: list[str]) -> None:
    failed = ended(LINE, AssertionError("the scales are missing: 100 expected, 96 came"))
    for _ in range(3):
        watcher.after(failed)
    assert [text.splitlines()[0] for text in said] == [f"{NAME}: not yet (try {n}). The check says:" for n in (1, 2, 3)]
    assert all("the scales are missing: 100 expected, 96 came" in text for text in said)
    n_hints = len(all_hints()[NAME])
    assert ["hint" in text for text in said] == [False, False, True]
    assert said[2].endswith(f'hint("{NAME}") gives hint 1 of {n_hints}.')
    hint(NAME)  # which is taken; then three more tries are theirs
    for _ in range(3):
        watcher.after(failed)
    assert ["hint(" in text for text in said[3:]] == [False, False, True]
    assert said[5].endswith(f'hint("{NAME}") gives hint 2 of {n_hints}.')


def test_a_restart_forgets_neither_tries_nor_hints(said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        monkeypatch.setattr(hints, "shown", {})  # as a new kernel has it
        Watcher(SET, said.append).after(ended(LINE, AssertionError("no")))
        hint(NAME)
    assert "(try 3)" in said[-1] and level_of(NAME) == min(3, len(all_hints()[NAME]))


def test_an_untouched_stub_is_no_try(watcher: Watcher, said: list[str]) -> None:
    for _ in range(4):
        watcher.after(ended(LINE, NotImplementedError()))
    assert set(said) == {f"{NAME}: not written yet. Write the answer above, run its cell, then this one."}
    assert progress.state_of(progress.events())[SET].tasks[NAME].tries == 0


def test_other_cells_are_counted_and_failing_ones_are_not(watcher: Watcher, said: list[str]) -> None:
    watcher.after(ended("1 + 1"))
    watcher.after(ended("1 / 0", ZeroDivisionError()))
    watcher.after(ended("  \n"))
    assert said == [] and [e.kind for e in progress.events()] == ["cell"]


def test_a_file_that_cannot_be_used_costs_no_message(
    watcher: Watcher, said: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a_file").write_text("", encoding="utf-8")
    monkeypatch.setenv("RACECOURSE_PROGRESS", str(tmp_path / "a_file/progress.db"))
    watcher.after(ended(LINE, AssertionError("the scales are missing")))
    assert said == [f"{NAME}: not yet. The check says:\n    the scales are missing"]


def test_who_comes_back_is_told_where_to_go_on(watcher: Watcher) -> None:
    assert welcome(SET) == "" == welcome("no_such_set")
    first = next(iter(contents()[SET].tasks))
    watcher.after(ended(LINE.replace(NAME, first)))
    assert welcome(SET) == f"Welcome back: 1 of 3 exercises of set 00 done; go on with 2, {NAME}."


# -------------------------------------------------------------------------------------------------- the solution


def test_a_solution_is_shown_to_those_who_say_yes_and_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    monkeypatch.chdir(root)
    for answer in ("", "no", "maybe"):
        monkeypatch.setattr("builtins.input", lambda question, answer=answer: answer)
        solution(NAME)
    assert "def " not in capsys.readouterr().out and progress.events() == []
    monkeypatch.setattr("builtins.input", lambda question: " Yes ")
    solution(NAME)
    text = capsys.readouterr().out
    compile(text, NAME, "exec")
    assert "def weight_bytes(" in text and "SOLUTION" not in text and "In a class your own version" in text
    assert progress.state_of(progress.events())[SET].tasks[NAME].saw_solution


def test_a_kernel_without_input_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nobody(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    solution(NAME)
    assert capsys.readouterr().out.startswith("Not shown.")


@pytest.mark.parametrize("is_there", [True, False])
def test_away_from_a_clone_it_comes_from_the_repository_at_the_installed_commit(
    is_there: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], root: Path
) -> None:
    asked: list[str] = []

    def urlopen(address: str, timeout: float) -> io.BytesIO:
        asked.append(address)
        if not is_there:
            raise urllib.error.URLError("no network")
        return io.BytesIO((root / f"solutions/{SET}/{SET}.ipynb").read_bytes())

    direct = {"url": "https://github.com/o/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc123"}}
    fields = SimpleNamespace(get_all=lambda name: ["Repository, https://github.com/o/r"])
    course = SimpleNamespace(version="0", read_text=lambda name: json.dumps(direct), metadata=fields)
    monkeypatch.setattr(hints.metadata, "distribution", lambda name: course)
    monkeypatch.setattr(hints.urllib.request, "urlopen", urlopen)
    monkeypatch.setattr("builtins.input", lambda question: "yes")
    monkeypatch.chdir(tmp_path)
    solution(NAME)
    assert asked == [f"https://raw.githubusercontent.com/o/r/abc123/solutions/{SET}/{SET}.ipynb"]
    text = capsys.readouterr().out
    assert ("def weight_bytes(" in text) == is_there and (f"open solutions/{SET}/{SET}.ipynb" in text) != is_there


def test_every_exercise_has_a_solution_to_show(root: Path) -> None:
    for name, levels in hints.hints_by_set().items():
        notebook = json.loads((root / f"solutions/{name}/{name}.ipynb").read_text(encoding="utf-8"))
        for grade_id in levels:
            text = hints.answer_in(notebook, grade_id)
            assert text and "NotImplementedError" not in text


# ----------------------------------------------------------------------------------------------- a real kernel

CELLS = [
    "from racecourse.learn.setup import start\n\nsession = start('00_start_here')",
    "def f(x):\n    raise NotImplementedError()",
    LINE + "assert f(2) == 4, f'4 expected, {f(2)} came'",
    "def f(x):\n    return x",
    "def f(x):\n    y = x\n    return y / 0",
    "def f(x):\n    return x * x",
]
SCRIPT = """
import json, sys, nbformat, nbclient
cells = [nbformat.v4.new_code_cell(text) for text in json.loads(sys.argv[1])]
notebook = nbformat.v4.new_notebook(cells=cells)
nbclient.NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=120).execute()
print(json.dumps([[[o.get("name") or o.output_type, o.get("text") or o.get("evalue")] for o in c.outputs]
                  for c in notebook.cells]))
"""


def test_in_a_real_kernel_the_block_follows_the_error() -> None:
    """The set-up cell runs twice, as after a new look at the top: nothing is said twice for that."""
    setup, stub, checked, wrong, broken, right = CELLS
    cells = [setup, stub, checked, wrong, checked, setup, broken, checked, right, checked, "del f", checked]
    run = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(cells)], capture_output=True, text=True, check=True)
    outputs = json.loads(run.stdout)
    assert [kind for kind, _ in outputs[2]] == ["error", "stdout"], "the error stays, and the block stands below it"
    assert outputs[2][1][1] == f"{NAME}: not written yet. Write the answer above, run its cell, then this one.\n"
    assert outputs[4][0][1] == "4 expected, 2 came"
    assert outputs[4][1][1] == f"{NAME}: not yet (try 1). The check says:\n    4 expected, 2 came\n"
    assert outputs[5][0][1].splitlines()[-1] == f"Welcome back: 0 of 3 exercises of set 00 done; go on with 1, {FIRST}."
    said = outputs[7][1][1]
    assert said.startswith(f"{NAME}: not yet (try 2). Line 3 of the cell with f ended in ZeroDivisionError: division")
    assert said.splitlines()[1].strip() == "return y / 0"
    second = "A second check, with other numbers, is worth the other 18."
    assert outputs[9] == [["stdout", f"{NAME}: passed, 12 of 30 points. {second}\n"]]
    assert outputs[11][1][1] == (
        f"{NAME}: name 'f' is not defined yet. Run the cells above, from the top, then this one.\n"
    )
    state = progress.state_of(progress.events())[SET]
    assert (state.tasks[NAME].tries, state.tasks[NAME].passed) == (2, True)


FIRST = next(iter(contents()[SET].tasks))


@pytest.mark.parametrize("cell", ["<module>", "<cell line: 1>"], ids=["IPython 8 and 9", "IPython 7.34, on Colab"])
def test_an_error_in_the_checks_own_line_is_not_called_the_answers(cell: str) -> None:
    def error_of(source: str) -> BaseException:
        with pytest.raises((TypeError, NameError)) as caught:
            exec(compile(source, "<ipython-input-3-abc>", "exec").replace(co_name=cell))
        return caught.value

    assert check.where_it_raised(error_of("(lambda x: x)()")).startswith("The check ended with TypeError: ")
    assert check.outcome_of(error_of("not_written_yet(2)")) == "missing"
    assert check.outcome_of(error_of("def f():\n    return y\nf()")) == "raised", "in the answer it is a mistake"


def test_without_ipython_nothing_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_watcher", None)
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    check.watch(SET)
    assert check._watcher is None
