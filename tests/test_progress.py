"""Progress: nothing is lost, whatever happens to kernel, package, machine or file; and what the events add up to."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from conftest import ROOT
from racecourse.cli import app
from racecourse.learn import progress, setup
from racecourse.learn.contents import contents
from racecourse.learn.progress import Event, events, export, import_, record, state_of, what_is_next

SET = "01_transformers"
LESSON = contents()[SET]


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of this test's own."""
    path = tmp_path / "home" / "progress.db"
    monkeypatch.setenv("RACECOURSE_PROGRESS", str(path))
    monkeypatch.setattr(progress, "_said", set())
    monkeypatch.setattr(progress, "_on_drive", [])
    return path


def event(at: float, kind: str, name: str, notebook: str = SET, **data: object) -> Event:
    return Event(f"{kind}-{name}-{at}", at, "0.3.0", kind, notebook, name, data)


# ------------------------------------------------------------------------------------------------- nothing is lost

WRITER = """
import sys
from racecourse.learn.progress import record
for i in range(int(sys.argv[2])):
    record(kind="check", notebook="01_transformers", name="head-norm", data={"who": sys.argv[1], "i": i})
    if i == 0:
        print("begun", flush=True)
"""


def writer(who: str, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, who, str(number)], stdout=subprocess.PIPE, text=True)


def test_two_notebooks_at_once_lose_nothing() -> None:
    processes = [writer(who, 100) for who in "ab"]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    seen = sorted((e.data["who"], e.data["i"]) for e in events())
    assert seen == [(who, i) for who in "ab" for i in range(100)]


def test_a_killed_kernel_loses_nothing_that_it_had_kept() -> None:
    process = writer("a", 100_000)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    while len(events()) < 5:
        time.sleep(0.01)
    before = len(events())
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    after = [e.data["i"] for e in events()]
    assert len(after) >= before and sorted(after) == list(range(len(after))), (
        "every event up to the last, and no half one"
    )
    record(kind="check", notebook=SET, name="head-norm")
    assert len(events()) == len(after) + 1


def test_a_file_of_another_version_keeps_what_this_one_does_not_know(kept: Path, tmp_path: Path) -> None:
    """A later package may add columns and kinds: read, added to, exported, and still there afterwards."""
    record(kind="hint", notebook=SET, name="head-norm", data={"level": 1})
    with sqlite3.connect(kept) as file:
        file.execute("ALTER TABLE events ADD COLUMN mood TEXT NOT NULL DEFAULT 'fine'")
        row = ("x", 1.0, "9.0", "dream", "42_later", "sheep", '{"n": 3}', "blue")
        file.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    file.close()
    record(kind="check", notebook=SET, name="head-norm", data={"outcome": "passed"})
    assert {e.kind for e in events()} == {"hint", "check", "dream"}
    state = state_of(events())[SET].tasks["head-norm"]
    assert state.passed and state.hints == 1
    assert export(tmp_path / "out.json") == 3 and '"dream"' in (tmp_path / "out.json").read_text(encoding="utf-8")
    with sqlite3.connect(kept) as file:
        assert file.execute("SELECT mood FROM events WHERE id = 'x'").fetchone() == ("blue",)
    file.close()


def test_an_old_file_is_read_as_it_is(kept: Path) -> None:
    """The table as version 0.3.0 made it, written out by hand: the columns never change."""
    kept.parent.mkdir()
    with sqlite3.connect(kept) as file:
        file.execute("CREATE TABLE events (id TEXT PRIMARY KEY, at REAL NOT NULL, version TEXT NOT NULL, "
                     "kind TEXT NOT NULL, notebook TEXT NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL)")  # fmt: skip
        file.execute("INSERT INTO events VALUES ('1', 5.5, '0.3.0', 'check', ?, 'head-norm', ?)",
                     (SET, '{"outcome": "passed"}'))  # fmt: skip
    file.close()
    assert state_of(events())[SET].n_passed == 1
    record(kind="check", notebook=SET, name="top-p", data={"outcome": "failed"})
    assert len(events()) == 2


def test_to_another_machine_and_back(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(kind="check", notebook=SET, name="head-norm", data={"outcome": "passed"})
    assert export(tmp_path / "a.json") == 1
    monkeypatch.setenv("RACECOURSE_PROGRESS", str(tmp_path / "other/progress.db"))
    record(kind="hint", notebook=SET, name="count-parts", data={"level": 2})
    assert import_(tmp_path / "a.json") == 1 and import_(tmp_path / "a.json") == 0
    there = events()
    assert export(tmp_path / "b.json") == 2
    monkeypatch.setenv("RACECOURSE_PROGRESS", str(kept))
    record(kind="solution", notebook=SET, name="top-p")
    assert import_(tmp_path / "b.json") == 1
    assert {e.id for e in there} < {e.id for e in events()}
    assert len(events()) == 3


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("[]", "list indices"),
        ('{"format": "racecourse progress 2", "events": []}', "reads 'racecourse progress 1'"),
        ('{"format": "racecourse progress 1", "events": [{"id": "1"}]}', "at"),
        ('{"format": "racecourse progress 1", "events": [{"id": "1", "at": NaN, "version": "", "kind": "", '
         '"notebook": "", "name": "", "data": {}}]}', "no time"),
        ('{"format": "racecourse progress 1", "events": [{"id": "1", "version": "", "kind": "", '
         f'"notebook": "", "name": "", "data": {{}}, "at": 1{"0" * 400}}}]}}', "no time"),
        ('{"format": "racecourse progress 1", "events": [{"id": 7, "at": 1, "version": "", "kind": "", '
         '"notebook": "", "name": "", "data": {}}]}', "no event"),
    ],
)  # fmt: skip
def test_what_is_no_export_is_refused_whole(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"x.json is no exported progress: .*{why}"):
        import_(path)
    assert events() == []


def test_a_damaged_file_is_kept_aside(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(kind="check", notebook=SET, name="head-norm")
    kept.write_bytes(b"not a database at all, but long enough to be looked at" * 99)
    record(kind="check", notebook=SET, name="top-p")
    assert [e.name for e in events()] == ["top-p"]
    aside = list(kept.parent.glob("*.damaged-*"))
    assert len(aside) == 1 and aside[0].read_bytes().startswith(b"not a database")
    assert capsys.readouterr().out.count("The file is kept as") == 1


@pytest.mark.parametrize("garbage", ['{"outcome": "pas', b'{"outcome": "\xffpassed"}', None, "7"])
def test_a_damaged_event_hides_no_other(kept: Path, garbage: object, capsys: pytest.CaptureFixture[str]) -> None:
    record(kind="check", notebook=SET, name="head-norm", data={"outcome": "passed"})
    record(kind="check", notebook=SET, name="count-parts", data={"outcome": "passed"})
    with sqlite3.connect(kept) as file:
        file.execute("CREATE TABLE e AS SELECT * FROM events")  # as a failing disk leaves it: no rule is kept
        file.execute("UPDATE e SET data = CAST(? AS TEXT) WHERE name = 'count-parts'", (garbage,))
        file.execute("DROP TABLE events")
        file.execute("ALTER TABLE e RENAME TO events")
    file.close()
    assert state_of(events())[SET].tasks["head-norm"].passed
    assert not state_of(events())[SET].tasks["count-parts"].passed
    assert capsys.readouterr().out == ""


def test_data_of_another_shape_is_passed_over() -> None:
    """A later version may keep more than a number there."""
    odd = [event(1, "hint", "count-parts", level=None), event(2, "graded", "count-parts", earned={"visible": 3})]
    found = state_of([*odd, event(3, "check", "head-norm", outcome="passed")])[SET].tasks
    assert found["head-norm"].passed and (found["count-parts"].hints, found["count-parts"].points) == (0, 0.0)


def test_where_nothing_can_be_kept_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a_file").write_text("", encoding="utf-8")
    monkeypatch.setenv("RACECOURSE_PROGRESS", str(tmp_path / "a_file/progress.db"))
    for _ in range(3):
        record(kind="check", notebook=SET, name="head-norm")
    assert events() == []
    assert capsys.readouterr().out.count("All else works.") == 1


def test_off_means_that_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RACECOURSE_PROGRESS", "off")
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **kwargs: pytest.fail("a file was opened"))
    record(kind="check", notebook=SET, name="head-norm")
    assert events() == []


@pytest.mark.parametrize(
    ("platform", "variables", "where"),
    [
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/racecourse/progress.db"),
        ("win32", {"LOCALAPPDATA": "/AppData"}, "/AppData/racecourse/progress.db"),
        ("darwin", {}, "Library/Application Support/racecourse/progress.db"),
    ],
)
def test_each_system_has_its_place(
    platform: str, variables: dict[str, str], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RACECOURSE_PROGRESS")
    monkeypatch.setattr(progress, "sys", SimpleNamespace(platform=platform))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    path = progress.progress_file()
    assert path is not None and path.as_posix().endswith(where)


# ----------------------------------------------------------------------------------------------------------- Drive


def test_colab_joins_what_two_sessions_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mounted: list[str] = []
    drive = SimpleNamespace(mount=mounted.append)
    monkeypatch.setitem(sys.modules, "google", SimpleNamespace(colab=SimpleNamespace(drive=drive)))
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(drive=drive))
    path = tmp_path / "drive/MyDrive/racecourse/progress.json"
    monkeypatch.setattr(progress, "KEPT", path)
    record(kind="check", notebook=SET, name="head-norm")
    assert not path.exists() and mounted == [], "only when asked"
    progress.keep_on_drive()
    assert mounted == ["/content/drive"] and "1 events" in capsys.readouterr().out

    monkeypatch.setenv("RACECOURSE_PROGRESS", str(tmp_path / "second/progress.db"))  # a new session
    progress.keep_on_drive()
    assert [e.name for e in events()] == ["head-norm"], "it goes on where the first one was"
    before = path.read_bytes()
    record(kind="cell", notebook=SET, name="abc")
    assert path.read_bytes() == before, "a cell waits for the next check or hint: Drive is slow"
    record(kind="hint", notebook=SET, name="top-p")
    monkeypatch.setenv("RACECOURSE_PROGRESS", str(tmp_path / "home/progress.db"))  # the first one is still there
    record(kind="solution", notebook=SET, name="top-p")
    kinds = [entry["kind"] for entry in json.loads(path.read_text(encoding="utf-8"))["events"]]
    assert kinds == ["check", "cell", "hint", "solution"]


def test_elsewhere_drive_is_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert not setup.is_colab()
    progress.keep_on_drive()
    assert capsys.readouterr().out.startswith("Not needed here")


# ------------------------------------------------------------------------------------------------ what it adds up to


def test_an_evening_worked_by_hand() -> None:
    """Ten minutes in the lesson, a break, one exercise with two tries and a hint, and the hidden checks' report."""
    first, last = LESSON.cells[1], LESSON.cells[-1]
    task = LESSON.tasks["head-norm"]
    evening = [
        event(0, "cell", first),
        event(200, "cell", first),
        event(500, "cell", "of-my-own"),
        event(600, "cell", last),
        event(4_000, "check", "head-norm", outcome="unwritten"),
        event(4_060, "check", "head-norm", outcome="failed"),
        event(4_090, "hint", "head-norm", level=1),
        event(4_120, "check", "head-norm", outcome="raised"),
        event(4_180, "check", "head-norm", outcome="passed"),
    ]
    state = state_of(reversed(evening))[SET]
    assert state.is_done and state.cells == {first, last}
    assert state.seconds == 600 + 180, "the break is not counted"
    found = state.tasks["head-norm"]
    assert (found.tries, found.passed, found.hints, found.points) == (2, True, 1, task.visible)
    assert state.points == task.visible and state.n_passed == 1

    graded = state_of([*evening, event(9_000, "graded", "head-norm", earned=float(task.visible + task.hidden))])[SET]
    assert graded.tasks["head-norm"].points == task.visible + task.hidden and graded.seconds == state.seconds
    full = event(9_000, "graded", "head-norm", earned=float(task.visible + task.hidden))
    again = state_of([*evening, full, event(9_500, "check", "head-norm", outcome="passed")])[SET]
    assert again.tasks["head-norm"].points == task.visible + task.hidden, "a look at the check takes nothing away"


def test_quizzes_and_solutions_count() -> None:
    asked = LESSON.quizzes[0]
    wrong, right = event(1, "quiz", asked, right=False), event(2, "quiz", asked, right=True)
    assert state_of([wrong])[SET].quizzes == {asked: False}
    assert state_of([wrong, right])[SET].quizzes == {asked: True}
    assert state_of([event(1, "solution", "head-norm")])[SET].tasks["head-norm"].saw_solution


def test_what_comes_next() -> None:
    assert what_is_next(state_of([])) == "Begin with lesson 00."
    begun = [event(1, "cell", LESSON.cells[1])]
    assert what_is_next(state_of(begun), SET) == f"Go on with lesson 01, {LESSON.title}."
    names = list(LESSON.tasks)
    begun += [event(2, "cell", LESSON.cells[-1]), event(3, "check", names[0], outcome="passed")]
    following = LESSON.tasks[names[1]].title
    assert what_is_next(state_of(begun), SET) == f"Go on with exercise 2 of set 01, {following}."


def test_the_panel_says_the_same_in_text_and_in_html() -> None:
    record(kind="check", notebook=SET, name="head-norm", data={"outcome": "failed"})
    panel = progress.progress()
    text, page = repr(panel), panel._repr_html_()
    assert text.splitlines()[0].split()[:3] == ["lesson", "cells", "run"]
    assert len(panel.rows()) == len(contents()) + 1
    for table in (text, page):
        assert "A norm for every head" in table and "not yet" in table and "nothing is sent anywhere" in table
    assert page.count("<table>") == page.count("<caption>") == 2 and 'scope="row"' in page
    with pytest.raises(ValueError, match="no lesson named '77'"):
        progress.progress("77")


def test_the_next_step_of_one_set_knows_the_others() -> None:
    """Who has begun elsewhere is not told to begin with lesson 00."""
    record(kind="check", notebook=SET, name="head-norm", data={"outcome": "passed"})
    last = contents()["05_reasoning_rl"]
    assert progress.progress(last.name).next_step == f"Go on with lesson 05, {last.title}."


def test_the_commands(tmp_path: Path) -> None:
    run = CliRunner().invoke
    record(kind="check", notebook=SET, name="head-norm", data={"outcome": "passed"})
    shown = run(app, ["progress"])
    assert shown.exit_code == 0 and "1 of 8" in shown.output
    wrote = run(app, ["progress", "export", str(tmp_path / "p.json")])
    assert wrote.exit_code == 0 and "wrote 1 events" in wrote.output
    assert "0 new events" in run(app, ["progress", "import", str(tmp_path / "p.json")]).output
    missing = run(app, ["progress", "import", str(tmp_path / "none.json")])
    assert missing.exit_code == 1 and "none.json" in missing.output


def test_a_report_gives_each_exercise_the_points_of_both_checks() -> None:
    earned = {"head-norm-visible": 3, "head-norm-hidden": None, "top-p-visible": 4, "top-p-hidden": 5.5}
    parts = {name: SimpleNamespace(grade_id=name, earned=points) for name, points in earned.items()}
    parts["transformers-question"] = SimpleNamespace(grade_id="transformers-question", earned=None)
    progress.record_report(SimpleNamespace(name=SET, parts=lambda: parts))
    assert {e.name: e.data for e in events()} == {"head-norm": {"earned": 3}, "top-p": {"earned": 9.5}}


def test_a_graders_kernel_keeps_nothing() -> None:
    from racecourse.grading.checker import NOT_THE_LEARNER, Apart
    from racecourse.learn.running import kernel_environment

    setenv = pytest.importorskip("nbgrader.utils").setenv
    assert NOT_THE_LEARNER == {"RACECOURSE_PROGRESS": "off"}
    assert Apart().config.ZygoteProvisioner["env"]["RACECOURSE_PROGRESS"] == "off"
    assert kernel_environment(quick=False)["RACECOURSE_PROGRESS"] == "off"
    assert os.environ["RACECOURSE_PROGRESS"] != "off" and ROOT.is_dir()
    with setenv(NBGRADER_EXECUTION="autograde"):  # as nbgrader itself does around each notebook
        record(kind="check", notebook=SET, name="head-norm")
    assert events() == []
