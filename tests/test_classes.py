"""The directory of a class: made, read, handed out, graded with due dates, looked at, and forgotten.

Points come from `small_class`, without kernels. The witnesses are nbgrader's own commands and steps, and plain SQL.
"""

import contextlib
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.preprocessors import AssignLatePenalties
from traitlets.config import PyFileConfigLoader
from typer.testing import CliRunner

from conftest import ROOT
from racecourse.cli import app
from racecourse.grading import variants
from racecourse.grading.classes import forgetting
from racecourse.grading.classes.directory import ClassDirectory, Late, Student, with_setting
from racecourse.grading.classes.late import PerDay, refresh_penalties
from racecourse.grading.classes.making import new_class
from racecourse.grading.classes.releasing import hand_outs, release
from racecourse.grading.classes.rosters import write_roster
from racecourse.grading.classes.status import status
from small_class import NAME, a_class, draws, grade_at_once, hand_in, solved

DUE = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITTEN = "start-here-question"


@pytest.fixture
def this_class(course: Path, tmp_path: Path, empty: bytes) -> ClassDirectory:
    """Anna, Ben and Cleo, who get versions of their own, and an empty gradebook."""
    made = a_class(tmp_path / "class", course, ["anna", "ben", "cleo"], due={NAME: DUE.isoformat()})
    (made.folder / "gradebook.db").write_bytes(empty)
    return made


def sql(this_class: ClassDirectory, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(this_class.folder / "gradebook.db")) as connection, connection:
        return connection.execute(query, values).fetchall()


def by_hand(this_class: ClassDirectory, student: str, score: float) -> None:
    """As the formgrader does it."""
    query = """UPDATE grade SET manual_score = ?, needs_manual_grade = 0 WHERE cell_id IN
        (SELECT id FROM base_cell WHERE name = ? AND type = 'GradeCell') AND notebook_id IN
        (SELECT submitted_notebook.id FROM submitted_notebook JOIN submitted_assignment
        ON submitted_notebook.assignment_id = submitted_assignment.id
        WHERE student_id = ?)"""
    sql(this_class, query, score, WRITTEN, student)


def own_answers(this_class: ClassDirectory, student: str) -> Any:
    return solved(this_class.root, draws(this_class)[student])


def command(this_class: ClassDirectory, *arguments: str, answer: str = "") -> Any:
    return CliRunner().invoke(app, ["class", *arguments, "--class", str(this_class.folder)], input=answer)


# ---- making and reading


def test_a_new_class_is_private_and_says_what_it_is(course: Path, tmp_path: Path) -> None:
    roster = tmp_path / "list.csv"
    roster.write_text("Username,Surname,First name\nanna,Berg,Anna\n")
    made = CliRunner().invoke(
        app,
        ["class", "new", str(tmp_path / "2026 autumn"), "--course", str(course), "--roster", str(roster), "--name",
         'The "first" class', "--sets", NAME, "--due", f"{NAME}=2026-12-01T23:59:00+01:00", "--late", "per-day",
         "--percent", "12.5", "--no-variants"],
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    assert f"racecourse class release {NAME}" in made.output
    folder = tmp_path / "2026 autumn"
    version = tomllib.loads((course / "pyproject.toml").read_text())["project"]["version"]
    assert tomllib.loads((folder / "class.toml").read_text()) == {
        "name": 'The "first" class', "course_id": "2026_autumn", "course": str(course), "version": version,
        "variants": False, "late": {"policy": "per-day", "percent": 12.5},
        "sets": {NAME: {"due": datetime.fromisoformat("2026-12-01T23:59:00+01:00")}},
    }  # fmt: skip
    assert folder.stat().st_mode & 0o077 == 0 and (folder / "secret").stat().st_mode & 0o077 == 0
    found = ClassDirectory.load(folder)
    assert found.roster() == [Student("anna", "Anna", "Berg", login="anna")]
    assert found.db_url == f"sqlite:///{folder}/gradebook.db"
    assert found.due(NAME) == datetime(2026, 12, 1, 22, 59, tzinfo=UTC)


def test_two_classes_have_two_secrets(course: Path, tmp_path: Path) -> None:
    secrets = {a_class(tmp_path / name, course, []).secret() for name in ("a", "b")}
    assert len(secrets) == 2 and all(len(secret) == 64 for secret in secrets)


@pytest.mark.parametrize(
    ("where", "options", "said"),
    [
        ("course/mine", {}, "lies in the course's clone"),
        ("full", {}, "is there and not empty"),
        ("new", {"sets": ["99_none"]}, "no set named 99_none; there are 00_start_here"),
        ("new", {"due": {"99_none": DUE.isoformat()}}, "no set named 99_none"),
        ("new", {"due": {NAME: "tomorrow"}}, "the difference from UTC are wanted, such as 2026-.*got 'tomorrow'"),
        ("new", {"due": {NAME: "2026-12-01T23:59"}}, "the difference from UTC are wanted"),
    ],
)  # fmt: skip
def test_what_is_no_class_is_refused_and_nothing_is_made(
    course: Path, tmp_path: Path, where: str, options: dict[str, Any], said: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/.hidden").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((ValueError, FileExistsError), match=said):
        new_class(tmp_path / where, course, **options)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("line", "wrong", "said"),
    [
        ("variants = true", "variants = 'some'", "variants: input should be a valid boolean.*got 'some'"),
        ("percent = 10", "percent = 101", "late.percent: input should be less than or equal to 100; got 101"),
        ('policy = "none"', 'policy = "half"', "late.policy: input should be 'none', 'zero' or 'per-day'; got 'half'"),
        ("version = ", "versoin = ", "(?s)version is missing.*versoin is no setting of a class"),
        (f"due = {DUE.isoformat()}", "due = 2026-03-01", f"sets.{NAME}.due: a date, a time and the difference"),
        ('course_id = "class"', 'course_id = "a/b"', "course_id: a letter or digit, then .*got 'a/b'"),
        ('course_id = "class"', 'course_id = ".."', "course_id: a letter or digit, then .*got '..'"),
        ("variants = true", "variants = yes", r"class.toml cannot be read: .*line 9"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(this_class: ClassDirectory, line: str, wrong: str, said: str) -> None:
    path = this_class.folder / "class.toml"
    assert path.read_text().count(line) == 1
    path.write_text(path.read_text().replace(line, wrong))
    with pytest.raises(ValueError, match=said) as refused:
        ClassDirectory.load(this_class.folder)
    assert str(path) in str(refused.value)


def test_a_class_is_found_from_anywhere_in_it(
    this_class: ClassDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = this_class.folder / "submitted/anna"
    inside.mkdir(parents=True)
    for place in (this_class.folder, inside):
        found = ClassDirectory.find(place)
        assert found and found.folder == this_class.folder
    assert ClassDirectory.find(tmp_path) is None
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["class", "status"])
    assert result.exit_code == 1 and "--class DIR" in result.output


def test_a_course_that_has_moved_is_missed(this_class: ClassDirectory) -> None:
    this_class.course.rename(this_class.course.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError, match="class upgrade --course"):
        _ = ClassDirectory.load(this_class.folder).root


@pytest.mark.parametrize(
    "line", ['version = "1"  # of it', "version='1'", 'version = "a\\\\b\\"c"', '# version = "0"\nversion = "1"']
)
def test_a_setting_is_changed_where_it_stands(line: str) -> None:
    changed = with_setting(f"name = 'x'\n{line}\n[late]\nversion = 'y'\n", "version", 'new "\\\\1" ü')
    assert tomllib.loads(changed) == {"name": "x", "version": 'new "\\\\1" ü', "late": {"version": "y"}}
    assert changed.endswith("version = 'y'\n") and ("# of it" in changed) == ("# of it" in line)
    with pytest.raises(ValueError, match="no line `course"):
        with_setting(line, "course", "x")


# ---- the roster


def test_a_newer_list_adds_and_changes_and_removes_nobody(this_class: ClassDirectory, tmp_path: Path) -> None:
    this_class.update_roster([Student("anna", "Anna", "Berg", lms_id="7")])
    path = tmp_path / "list.csv"
    path.write_text("id,Surname\nanna,Lind\ndora,Ek\n")
    result = command(this_class, "roster", str(path))
    assert result.exit_code == 0, result.output
    assert this_class.roster() == [
        Student("anna", "Anna", "Lind", lms_id="7"), Student("ben"), Student("cleo"), Student("dora", "", "Ek"),
    ]  # fmt: skip
    assert re.findall(r"^(added|changed|not in list.csv, kept): (\w+)", result.output, re.MULTILINE) == [
        ("added", "dora"), ("changed", "anna"), ("not in list.csv, kept", "ben"), ("not in list.csv, kept", "cleo"),
    ]  # fmt: skip
    assert "class forget" in result.output


# ---- handing out


def test_each_gets_a_version_of_their_own_and_keeps_it(this_class: ClassDirectory) -> None:
    released = release(this_class, NAME)
    drawn = draws(this_class)
    assert set(drawn) == set(released.notebooks) == {"anna", "ben", "cleo"} and released.n_drawn == 3
    for student, path in released.notebooks.items():
        notebook = nbformat.read(path, as_version=4)
        assert path == this_class.folder / f"variants/{NAME}/{student}.ipynb"
        assert variants.values_of(notebook) == drawn[student]
        assert "blob/main/exercises" not in path.read_text(), "Colab would open the public version"
        assert "BEGIN SOLUTION" not in path.read_text() and "HIDDEN TESTS" not in path.read_text()
    texts = [path.read_text() for path in released.notebooks.values()]
    assert len(set(texts)) == 3
    assert (this_class.folder / f"release/{NAME}/{NAME}.ipynb").read_bytes() == (
        this_class.root / f"exercises/{NAME}/{NAME}.ipynb"
    ).read_bytes()
    assert (this_class.folder / f"source/{NAME}/{NAME}.ipynb").exists()

    this_class.update_roster([Student("dora")])
    again = release(this_class, NAME)
    assert again.n_drawn == 1 and [again.notebooks[one].read_text() for one in ("anna", "ben", "cleo")] == texts
    assert {one: values for one, values in draws(this_class).items() if one != "dora"} == drawn


def test_without_versions_all_get_the_public_notebook(course: Path, tmp_path: Path) -> None:
    this_class = a_class(tmp_path / "class", course, ["anna"], variants=False)
    released = release(this_class, NAME)
    assert released.notebooks == {} and not (this_class.folder / "variants").exists()
    files = hand_outs(this_class, NAME, released)
    assert list(files) == [f"{NAME}.ipynb"]


def test_with_versions_and_nobody_on_the_roster_nothing_can_be_handed_out(course: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nobody is on the roster"):
        release(a_class(tmp_path / "class", course, []), NAME)


def test_hand_outs_are_named_after_the_students_and_come_back_as_theirs(
    this_class: ClassDirectory, tmp_path: Path
) -> None:
    from racecourse.grading.intake import find_submissions

    result = command(this_class, "release", NAME, "--zip", str(tmp_path / "out.zip"), "--to", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        in_zip = {name: archive.read(name) for name in archive.namelist()}
    assert in_zip == {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert sorted(in_zip) == [f"{student}_{NAME}.ipynb" for student in ("anna", "ben", "cleo")]
    found, skipped = find_submissions(tmp_path / "out.zip", NAME, this_class.roster(), root=this_class.root)
    assert [(one.student, one.data) for one in found] == [
        (student, in_zip[f"{student}_{NAME}.ipynb"]) for student in ("anna", "ben", "cleo")
    ]
    assert not skipped


def test_a_set_that_has_changed_under_the_class_is_noticed(this_class: ClassDirectory) -> None:
    release(this_class, NAME)
    path = this_class.root / f"solutions/{NAME}/{NAME}.ipynb"
    path.write_text(path.read_text().replace("expected", "wanted") + "\n")
    for act in (lambda: release(this_class, NAME), lambda: this_class.require_current(NAME)):
        with pytest.raises(RuntimeError, match="racecourse class upgrade"):
            act()
    result = CliRunner().invoke(app, ["grade", NAME, "--class", str(this_class.folder)])
    assert result.exit_code == 1 and "racecourse class upgrade" in result.output
    assert "racecourse class upgrade" in status(this_class)[0].next_step


def test_a_copy_that_was_broken_off_is_made_again(this_class: ClassDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    copyfile = shutil.copyfile

    def break_off(source: Path, target: Path) -> None:
        if source.parent.parent.name == "solutions":
            raise KeyboardInterrupt
        copyfile(source, target)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(shutil, "copyfile", break_off)
        this_class.require_current(NAME)
    this_class.require_current(NAME)
    assert this_class.is_current(NAME) and sorted(path.name for path in this_class.folder.glob(".*")) == []


def test_a_set_that_is_not_the_classs_is_refused(this_class: ClassDirectory) -> None:
    result = CliRunner().invoke(app, ["grade", "01_transformers", "--class", str(this_class.folder)])
    assert result.exit_code == 1 and "no set of this class; it has 00_start_here" in result.output
    assert "[sets.01_transformers]" in result.output


# ---- due dates and what it costs to miss them


def in_nbgrader(this_class: ClassDirectory, student: str) -> float | None:
    """The penalty that nbgrader's own step writes into this class's gradebook."""
    config = PyFileConfigLoader("nbgrader_config.py", path=str(this_class.folder)).load_config()
    names = {"notebook": NAME, "assignment": NAME, "student": student, "db_url": this_class.db_url}
    AssignLatePenalties(config=config).preprocess(nbformat.v4.new_notebook(), {"nbgrader": names})
    return penalties(this_class)[student]


def penalties(this_class: ClassDirectory) -> dict[str, float | None]:
    query = """SELECT student_id, late_submission_penalty FROM submitted_notebook
        JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id"""
    return dict(sql(this_class, query))


LATE_BY = {"anna": timedelta(0), "ben": timedelta(seconds=1), "cleo": timedelta(days=1, seconds=1),
           "dora": timedelta(days=40), "eve": timedelta(hours=-1)}  # fmt: skip


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (Late(policy="none"), {"ben": None, "cleo": None, "dora": None}),
        (Late(policy="zero"), {"ben": 85.0, "cleo": 85.0, "dora": 85.0}),
        (Late(policy="per-day", percent=10), {"ben": 8.5, "cleo": 17.0, "dora": 85.0}),
    ],
)
def test_late_work_costs_what_nbgrader_says(
    course: Path, tmp_path: Path, empty: bytes, late: Late, expected: dict[str, float | None]
) -> None:
    this_class = a_class(
        tmp_path / "class", course, list(LATE_BY), due={NAME: DUE.isoformat()}, late=late, variants=False
    )
    (this_class.folder / "gradebook.db").write_bytes(empty)
    for student, by in LATE_BY.items():
        hand_in(this_class, student, solved(course), DUE + by)
    grade_at_once(this_class)
    ours = penalties(this_class)
    assert ours == pytest.approx({"anna": None, "eve": None} | expected)
    assert sql(this_class, "SELECT duedate FROM assignment") == [("2026-03-01 12:00:00.000000",)]
    sql(this_class, "UPDATE submitted_notebook SET late_submission_penalty = 77")
    assert {student: in_nbgrader(this_class, student) for student in LATE_BY} == ours


@pytest.mark.parametrize(("seconds", "penalty"), [(1, 10.0), (86_400, 10.0), (86_401, 20.0), (864_000, 50.0)])
def test_each_day_begun_costs_its_share_and_all_together_no_more_than_all(seconds: float, penalty: float) -> None:
    assert PerDay(percent=20).late_submission_penalty("anna", 50.0, seconds) == penalty


def test_an_extension_and_marks_by_hand_count(course: Path, tmp_path: Path, empty: bytes) -> None:
    this_class = a_class(
        tmp_path / "class", course, ["anna", "ben"], due={NAME: DUE.isoformat()}, variants=False,
        late=Late(policy="per-day", percent=50),
    )  # fmt: skip
    (this_class.folder / "gradebook.db").write_bytes(empty)
    for student in ("anna", "ben"):
        hand_in(this_class, student, solved(course), DUE + timedelta(hours=1))
    grade_at_once(this_class)
    assert penalties(this_class) == {"anna": 42.5, "ben": 42.5}
    with Gradebook(this_class.db_url) as gradebook:
        gradebook.grant_extension(NAME, "anna", hours=1)
    by_hand(this_class, "ben", 15)
    refresh_penalties(this_class.folder, this_class.db_url)
    assert penalties(this_class) == {"anna": None, "ben": 50.0}
    grade_at_once(this_class)
    assert penalties(this_class) == {"anna": None, "ben": 50.0}
    assert {work.student: work.is_late for work in status(this_class)[0].works} == {"anna": False, "ben": True}


def test_an_extension_without_a_due_date_is_no_penalty(course: Path, tmp_path: Path, empty: bytes) -> None:
    this_class = a_class(tmp_path / "class", course, ["anna"], variants=False, late=Late(policy="zero"))
    (this_class.folder / "gradebook.db").write_bytes(empty)
    hand_in(this_class, "anna", solved(course), DUE)
    grade_at_once(this_class)
    with Gradebook(this_class.db_url) as gradebook:
        gradebook.grant_extension(NAME, "anna", hours=1)
    grade_at_once(this_class)
    assert penalties(this_class) == {"anna": None}
    assert not status(this_class)[0].works[0].is_late


# ---- how it stands


def test_the_status_counts_what_there_is_and_says_what_comes_next(this_class: ClassDirectory) -> None:
    def one() -> Any:
        return status(this_class)[0]

    def states() -> dict[str, str]:
        return {work.student: work.state for work in one().works}

    assert one().next_step == f"hand it out: racecourse class release {NAME}"
    release(this_class, NAME)
    assert one().next_step == "wait for submissions" and set(states().values()) == {"missing"}
    hand_in(this_class, "anna", own_answers(this_class, "anna"), DUE)
    path = hand_in(this_class, "ben", "no notebook", DUE + timedelta(minutes=1))
    hand_in(this_class, "zoe", solved(this_class.root), DUE)
    assert states() == {"anna": "to grade", "ben": "to grade", "cleo": "missing", "zoe": "to grade"}
    assert one().next_step == f"grade 3: racecourse grade {NAME}"
    grade_at_once(this_class)
    assert states() == {"anna": "graded", "ben": "refused", "cleo": "missing", "zoe": "graded"}
    works = {work.student: work for work in one().works}
    assert [student for student, work in works.items() if work.is_late] == ["ben"]
    assert [student for student, work in works.items() if not work.is_known] == ["zoe"]
    assert works["anna"].by_hand and one().next_step == "mark 2 by hand: nbgrader's formgrader"

    shown = command(this_class, "status", "--students").output
    row = next(line for line in shown.split("\n") if NAME in line)
    assert f"{NAME}: mark 2 by hand: nbgrader's formgrader" in shown
    assert re.findall(r"\d+", row.split("2026-03-01 12:00")[1])[:6] == ["3", "2", "1", "1", "1", "2"]
    assert "not on the roster: zoe" in shown and f"{NAME}  cleo: missing" in shown
    assert f"{NAME}  ben: refused, late" in shown and f"{NAME}  anna: graded, to be marked by hand" in shown

    for student in ("anna", "zoe"):
        by_hand(this_class, student, 10)
    assert one().next_step.startswith("ask 1 for a file")
    path.write_text("{}")
    assert states()["ben"] == "to grade"
    path.write_text("no notebook")
    (this_class.folder / f"records/{NAME}/anna.json").unlink()
    assert states() == {"anna": "to grade", "ben": "refused", "cleo": "missing", "zoe": "graded"}


def test_a_resubmission_and_one_that_failed_are_to_be_graded_again(this_class: ClassDirectory) -> None:
    release(this_class, NAME)
    hand_in(this_class, "anna", own_answers(this_class, "anna"))
    grade_at_once(this_class, seconds=33)
    assert status(this_class)[0].works[0].state == "graded", "with whatever settings"
    hand_in(this_class, "anna", solved(this_class.root))
    assert status(this_class)[0].works[0].state == "to grade"
    grade_at_once(this_class)
    record = this_class.folder / f"records/{NAME}/anna.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"key": ""}))  # as when the grader failed
    assert status(this_class)[0].works[0].state == "to grade"


# ---- nbgrader's own commands


def nbgrader(this_class: ClassDirectory, *arguments: str) -> str:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    environment = os.environ | {"JUPYTER_CONFIG_DIR": str(this_class.folder / "none")}
    done = subprocess.run(command, cwd=this_class.folder, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


@pytest.mark.slow
def test_nbgraders_commands_work_in_the_classs_directory(course: Path, tmp_path: Path, empty: bytes) -> None:
    exchange = tmp_path / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)
    this_class = a_class(
        tmp_path / "class", course, ["anna", "ben"], variants=False, exchange=str(exchange),
        due={NAME: DUE.isoformat()}, late=Late(policy="per-day", percent=10),
    )  # fmt: skip
    (this_class.folder / "gradebook.db").write_bytes(empty)
    this_class.update_roster([Student("anna", "Anna", "Berg", "anna@example.org", lms_id="7")])
    release(this_class, NAME)
    hand_in(this_class, "anna", solved(course), DUE + timedelta(minutes=1))
    grade_at_once(this_class)
    nbgrader(this_class, "export", "--to", "marks.csv")
    with (this_class.folder / "marks.csv").open() as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert (rows["anna"]["score"], rows["anna"]["late_submission_penalty"]) == ("76.5", "8.5")
    assert (rows["anna"]["last_name"], rows["anna"]["email"]) == ("Berg", "anna@example.org") and "ben" in rows
    nbgrader(this_class, "generate_feedback", NAME, "--force")
    assert "<html" in (this_class.folder / f"feedback/anna/{NAME}/{NAME}.html").read_text()
    nbgrader(this_class, "release_assignment", NAME)
    assert (exchange / f"class/outbound/{NAME}/{NAME}.ipynb").exists()
    assert f"class {NAME}" in nbgrader(this_class, "list")


# ---- forgetting


def filled(this_class: ClassDirectory) -> None:
    """Everybody has handed in and is graded; there is a backup of it."""
    from racecourse.grading.classes.upgrading import back_up

    release(this_class, NAME)
    for student in ("anna", "ben", "cleo"):
        hand_in(this_class, student, own_answers(this_class, student), DUE)
    grade_at_once(this_class)
    by_hand(this_class, "anna", 3)
    by_hand(this_class, "ben", 4)
    back_up(this_class)


def naming(this_class: ClassDirectory, student: str) -> list[Path]:
    """Every file below the directory that holds the student's id, in its name or its bytes."""
    word = student.encode()
    return [
        path
        for path in this_class.folder.rglob("*")
        if student in str(path.relative_to(this_class.folder)) or (path.is_file() and word in path.read_bytes())
    ]


def everything_of(this_class: ClassDirectory, student: str) -> list[Any]:
    """The files of one student, and their grades."""
    files = {path: path.read_bytes() for path in naming(this_class, student) if path.is_file() and path.suffix != ".db"}
    query = """SELECT base_cell.name, auto_score, manual_score, needs_manual_grade FROM grade
        JOIN base_cell ON cell_id = base_cell.id JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
        JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id
        WHERE student_id = ? ORDER BY 1"""
    own = {path: data for path, data in files.items() if student in path.name or student in path.parts}
    return [own, sql(this_class, query, student), draws(this_class)[student]]


def test_nothing_is_left_of_a_student_and_nothing_of_the_others_is_lost(
    this_class: ClassDirectory, tmp_path: Path
) -> None:
    filled(this_class)
    (this_class.folder / f"records/{NAME}/.anna.json.123").write_text("half")  # a killed grading's
    query = """UPDATE comment SET manual_comment = 'anna ' || hex(zeroblob(50000)) WHERE notebook_id IN
        (SELECT submitted_notebook.id FROM submitted_notebook JOIN submitted_assignment
        ON submitted_notebook.assignment_id = submitted_assignment.id WHERE student_id = 'anna')"""
    sql(this_class, query)  # too long for one page of the database
    others = [everything_of(this_class, student) for student in ("ben", "cleo")]
    assert len(naming(this_class, "anna")) > 8
    refused = command(this_class, "forget", "anna", answer="ana\n")
    assert refused.exit_code == 1 and "nothing was deleted" in refused.output and naming(this_class, "anna")
    result = command(this_class, "forget", "anna", answer="anna\n")
    assert result.exit_code == 0, result.output
    for what in ("submitted/anna", f"records/{NAME}/anna.json", "rows of gradebook.db", "line in roster.csv"):
        assert what in result.output
    assert naming(this_class, "anna") == []
    assert [everything_of(this_class, student) for student in ("ben", "cleo")] == others
    assert sql(this_class, "PRAGMA integrity_check") == [("ok",)]
    assert sql(this_class, "PRAGMA freelist_count") == [(0,)], "unused pages keep what stood in them"
    again = command(this_class, "forget", "anna", "--yes")
    assert again.exit_code == 1 and "nothing of a student 'anna' is here; there are ben, cleo" in again.output
    grade_at_once(this_class)
    assert [everything_of(this_class, student)[1:] for student in ("ben", "cleo")] == [one[1:] for one in others]


def test_who_was_forgotten_by_half_is_forgotten_by_the_next_try(
    this_class: ClassDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(this_class)
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(forgetting, "_forget_draws", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        forgetting.forget(this_class, "anna")
    assert naming(this_class, "anna")
    forgetting.forget(this_class, "anna")
    assert naming(this_class, "anna") == []


def test_files_that_a_person_put_there_are_named_and_left(this_class: ClassDirectory) -> None:
    filled(this_class)
    mine = this_class.folder / "my marks.csv"
    mine.write_text("student,mark\nanna,3\njoanna,4\n")
    result = command(this_class, "forget", "anna", "--yes")
    assert f"yours to look at: {mine}" in result.output and naming(this_class, "anna") == [mine]
    assert forgetting.mentions(this_class, "oanna") == []


def test_what_is_in_the_exchange_goes_too(course: Path, tmp_path: Path) -> None:
    from nbgrader.utils import notebook_hash

    this_class = a_class(tmp_path / "class", course, ["anna", "ben"], exchange=str(tmp_path / "exchange"))
    folder = tmp_path / "exchange/class"
    pages = {}
    for student in ("anna", "ben"):
        inbound = folder / f"inbound/{student}+{NAME}+2026-03-01 12:00:00 UTC+x1"
        inbound.mkdir(parents=True)
        (inbound / "submission_secret.txt").write_text(f"secret of {student}")
        pages[student] = folder / f"feedback/{notebook_hash(secret=f'secret of {student}', notebook_id=NAME)}.html"
        pages[student].parent.mkdir(exist_ok=True)
        pages[student].touch()
        (folder / f"variants/{NAME}").mkdir(parents=True, exist_ok=True)
        (folder / f"variants/{NAME}/{student}.ipynb").touch()
    write_roster(this_class.folder / "roster.csv", [Student("ben")])  # the rest of Anna was forgotten before
    forgetting.forget(this_class, "anna")
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {
        "submission_secret.txt", "ben.ipynb", pages["ben"].name,
    }  # fmt: skip


def test_a_whole_class_is_forgotten_and_the_settings_stay(this_class: ClassDirectory) -> None:
    filled(this_class)
    secret = this_class.secret()
    refused = command(this_class, "forget", "--everyone", answer="anna\n")
    assert refused.exit_code == 1 and naming(this_class, "anna")
    assert command(this_class, "forget", "anna", "--everyone", "--yes").exit_code == 1
    result = command(this_class, "forget", "--everyone", answer="class\n")
    assert result.exit_code == 0, result.output
    for student in ("anna", "ben", "cleo"):
        assert naming(this_class, student) == []
    again = ClassDirectory.load(this_class.folder)
    assert again.sets == this_class.sets and again.roster() == [] and again.secret() != secret
    assert sql(this_class, "SELECT count(*) FROM grade") == [(0,)]


# ---- the change log


def test_the_change_log_begins_with_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    titles = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert titles[0] == version
    numbers = [tuple(map(int, title.split("."))) for title in titles]
    assert numbers == sorted(numbers, reverse=True) and len(set(numbers)) == len(numbers)
