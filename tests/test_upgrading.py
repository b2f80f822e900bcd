"""A class goes on with a newer version of its course: what is shown, what is kept, what is graded again.

The newer courses are copies in which one thing was changed and built again by the course's own build.
"""

import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from racecourse.cli import app
from racecourse.grading.classes import upgrading
from racecourse.grading.classes.directory import ClassDirectory, Late
from racecourse.grading.classes.releasing import release
from racecourse.grading.classes.status import status
from racecourse.grading.classes.upgrading import changes, upgrade
from racecourse.grading.gradebook import BusyError, Marks
from racecourse.grading.integrity import grade_id_of
from racecourse.grading.variants import parameters_of
from racecourse.learn.notebooks import build
from small_class import NAME, a_class, draws, grade_at_once, hand_in, solved
from test_classes import WRITTEN, by_hand, penalties, sql

DUE = datetime(2026, 3, 1, 12, tzinfo=UTC)
HIDDEN = "weight-bytes-hidden"
Edit = Callable[[str], str]


def newer_course(course: Path, edit: Edit, version: str = "9.9.9") -> Path:
    """Another clone, of a later version, in which the source of the set was edited."""
    newer = course.with_name(f"newer-{version}")
    shutil.copytree(course, newer)
    settings = newer / "pyproject.toml"
    settings.write_text(re.sub(r'(?m)^version = ".*"', f'version = "{version}"', settings.read_text(), count=1))
    source = newer / f"sources/exercises/{NAME}.py"
    before = source.read_text()
    source.write_text(edit(before))
    assert source.read_text() != before or version != "9.9.9"
    build([NAME], root=newer)
    return newer


def cell_of(source: str, grade_id: str) -> str:
    """The text of one cell in a source, with its header."""
    return next(cell for cell in re.split(r"(?m)^(?=# %%)", source) if f'"grade_id": "{grade_id}"' in cell)


def in_cell(grade_id: str, old: str, new: str) -> Edit:
    def edit(source: str) -> str:
        cell = cell_of(source, grade_id)
        assert old in cell
        return source.replace(cell, cell.replace(old, new, 1))

    return edit


def appended(grade_id: str, line: str) -> Edit:
    """One more line at the end of a cell."""
    return lambda source: source.replace(
        cell_of(source, grade_id), cell_of(source, grade_id).rstrip("\n") + f"\n{line}\n\n"
    )


def without(grade_id: str) -> Edit:
    return lambda source: source.replace(cell_of(source, grade_id), "")


def doubled(grade_id: str, new_id: str) -> Edit:
    def edit(source: str) -> str:
        cell = cell_of(source, grade_id)
        return source.replace(cell, cell.rstrip("\n") + "\n\n" + cell.replace(f'"{grade_id}"', f'"{new_id}"'))

    return edit


def then(*edits: Edit) -> Edit:
    def edit(source: str) -> str:
        for one in edits:
            source = one(source)
        return source

    return edit


END = "### END HIDDEN TESTS"
# The published solution passes it; the statement says nothing about it, and a careful answer fails.
WRONG_TEST = in_cell(HIDDEN, END, f'assert weight_bytes(-8, bits=8) == -8, "a wrong check"\n{END}')


def careful(notebook: Any) -> Any:
    """The same answers, but no parameters are fewer than none."""
    [cell] = [cell for cell in notebook.cells if grade_id_of(cell) == "weight-bytes"]
    begin = "    ### BEGIN SOLUTION\n"
    cell.source = cell.source.replace(begin, f"{begin}    n_parameters = max(0, n_parameters)\n")
    assert "max(0" in cell.source
    return notebook


@pytest.fixture
def this_class(course: Path, tmp_path: Path, empty: bytes) -> ClassDirectory:
    """Anna in time and Ben late, graded with versions of their own; Anna's written answer has a mark."""
    made = a_class(
        tmp_path / "class", course, ["anna", "ben"], due={NAME: DUE.isoformat()},
        late=Late(policy="per-day", percent=10),
    )  # fmt: skip
    (made.folder / "gradebook.db").write_bytes(empty)
    release(made, NAME)
    for student, when in (("anna", DUE), ("ben", DUE + timedelta(hours=1))):
        hand_in(made, student, solved(course, draws(made)[student]), when)
    grade_at_once(made)
    by_hand(made, "anna", 9)
    return made


def again(this_class: ClassDirectory) -> ClassDirectory:
    return ClassDirectory.load(this_class.folder)


def scores(this_class: ClassDirectory) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    """(student, cell) -> automatic score, score by hand."""
    query = """SELECT student_id, base_cell.name, auto_score, manual_score FROM grade
        JOIN base_cell ON cell_id = base_cell.id JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
        JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id"""
    return {(student, cell): (auto, hand) for student, cell, auto, hand in sql(this_class, query)}


def files(this_class: ClassDirectory) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in this_class.folder.rglob("*") if path.is_file()}


def test_a_wrong_hidden_test_is_corrected_and_nothing_is_lost(course: Path, tmp_path: Path, empty: bytes) -> None:
    broken = newer_course(course, WRONG_TEST, "0.1.1")
    this_class = a_class(
        tmp_path / "class", broken, ["anna", "ben"], due={NAME: DUE.isoformat()},
        late=Late(policy="per-day", percent=10),
    )  # fmt: skip
    (this_class.folder / "gradebook.db").write_bytes(empty)
    release(this_class, NAME)
    for student, when in (("anna", DUE), ("ben", DUE + timedelta(hours=1))):
        hand_in(this_class, student, careful(solved(broken, draws(this_class)[student])), when)
    grade_at_once(this_class)
    by_hand(this_class, "anna", 9)
    sql(this_class, "UPDATE comment SET manual_comment = 'well said'")
    before, drawn, submitted = scores(this_class), draws(this_class), files(this_class)
    assert before["anna", HIDDEN] == before["ben", HIDDEN] == (0, None)
    assert penalties(this_class) == {"anna": None, "ben": pytest.approx(6.7)}

    shown = CliRunner().invoke(app, ["class", "upgrade", "--course", str(course), "--class", str(this_class.folder)])
    assert f"tests: {HIDDEN}" in shown.output and "Nothing was changed" in shown.output and shown.exit_code == 0
    assert files(this_class) == submitted
    [change] = changes(this_class, course)
    assert change.tests == [HIDDEN] and change.is_other and not change.concerns_students
    assert not any([change.texts, change.stubs, change.solutions, change.points, change.new, change.gone])

    done = CliRunner().invoke(
        app, ["class", "upgrade", "--yes", "--course", str(course), "--class", str(this_class.folder)]
    )
    assert done.exit_code == 0 and f"racecourse grade {NAME}" in done.output and "class release" not in done.output
    upgraded = again(this_class)
    assert upgraded.course == course
    assert upgraded.version == tomllib.loads((course / "pyproject.toml").read_text())["project"]["version"]
    assert status(upgraded)[0].next_step == f"grade 2: racecourse grade {NAME}"
    batch = grade_at_once(upgraded)
    assert batch.n_new == 2
    points = dict.fromkeys([("anna", HIDDEN), ("ben", HIDDEN)], (18.0, None))
    assert scores(upgraded) == before | points, "marks by hand stay, the corrected test's are new"
    assert scores(upgraded)["anna", WRITTEN] == (None, 9)
    assert {row[0] for row in sql(upgraded, "SELECT manual_comment FROM comment")} == {"well said"}
    assert penalties(upgraded) == {"anna": None, "ben": pytest.approx(8.5)}, "a share of what they have now"
    assert draws(upgraded) == drawn
    kept = {path: data for path, data in submitted.items() if "submitted" in path.parts or "variants" in path.parts}
    assert kept.items() <= files(upgraded).items()


def test_the_backup_is_what_was_there(this_class: ClassDirectory, course: Path) -> None:
    before = {path.name: path.read_bytes() for path in this_class.folder.glob("*.*")}
    dump = sql_dump(this_class.folder / "gradebook.db")
    backup = upgrade(this_class, newer_course(course, appended("weight-bytes-text", "# More.")))
    for name in ("class.toml", "roster.csv"):
        assert (backup / name).read_bytes() == before[name]
    assert sql_dump(backup / "gradebook.db") == dump
    assert (backup / f"variants/{NAME}.json").read_bytes() == (this_class.folder / f"variants/{NAME}.json").read_bytes()
    assert "# of the course; `racecourse class upgrade`" in (this_class.folder / "class.toml").read_text()


def sql_dump(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize(
    ("edit", "expected", "for_students"),
    [
        (appended("weight-bytes-text", "# More."), {"texts": ["weight-bytes-text"]}, True),
        (in_cell("weight-bytes", '    """', '    """Now: '), {"stubs": ["weight-bytes"]}, True),
        (in_cell("weight-bytes", "### BEGIN SOLUTION\n", "### BEGIN SOLUTION\n    # as before\n"),
         {"solutions": ["weight-bytes"]}, False),
        (appended("weight-bytes-visible", "# the same"), {"tests": ["weight-bytes-visible"]}, False),
        (in_cell(HIDDEN, '"points": 18', '"points": 17'), {"points": [f"{HIDDEN}: 18 -> 17"]}, False),
        (without("models-that-fit-hidden"), {"gone": ["models-that-fit-hidden"]}, True),
        (doubled(HIDDEN, "weight-bytes-more"), {"new": ["weight-bytes-more"]}, True),
        (without(WRITTEN), {"gone": [WRITTEN], "gone_with_marks": [WRITTEN]}, True),
    ],
    ids=["text", "stub", "solution", "test", "points", "gone", "new", "gone with marks"],
)  # fmt: skip
def test_each_kind_of_change_is_told(
    this_class: ClassDirectory, course: Path, edit: Edit, expected: dict[str, list[str]], for_students: bool
) -> None:
    [change] = changes(this_class, newer_course(course, edit))
    kinds = ("texts", "stubs", "solutions", "tests", "points", "new", "gone", "gone_with_marks")
    assert {kind: getattr(change, kind) for kind in kinds if getattr(change, kind)} == expected
    assert change.concerns_students == for_students and change.is_other and not change.impossible


def test_a_version_that_only_students_have_is_compared_too(this_class: ClassDirectory, course: Path) -> None:
    """The public notebooks are the same to the letter."""
    newer = newer_course(course, appended("weight-bytes-text", "# <% if SCALE_BYTES == 4 %>Odd.<% endif %>"))
    for path in (f"solutions/{NAME}/{NAME}.ipynb", f"exercises/{NAME}/{NAME}.ipynb"):
        shutil.copyfile(course / path, newer / path)
    [change] = changes(this_class, newer)
    assert change.texts == ["weight-bytes-text"] and change.is_other
    with pytest.raises(RuntimeError, match="class upgrade"):
        this_class.model_copy(update={"course": newer}).require_current(NAME)


def test_nothing_changed_but_the_number(this_class: ClassDirectory, course: Path) -> None:
    newer = newer_course(course, lambda source: source, "1.0.0")
    [change] = changes(this_class, newer)
    assert not change.is_other and not change.concerns_students
    upgrade(this_class, newer)
    assert again(this_class).version == "1.0.0"
    assert grade_at_once(again(this_class)).n_new == 0, "what was graded still counts"


def test_a_set_that_is_no_longer_there_keeps_its_marks(this_class: ClassDirectory, course: Path) -> None:
    newer = newer_course(course, lambda source: source, "1.0.0")
    for path in (f"sources/exercises/{NAME}.py", f"exercises/{NAME}/{NAME}.ipynb", f"solutions/{NAME}/{NAME}.ipynb"):
        (newer / path).unlink()
    before = scores(this_class)
    result = CliRunner().invoke(
        app, ["class", "upgrade", "--yes", "--course", str(newer), "--class", str(this_class.folder)]
    )
    assert result.exit_code == 0 and "not in this version of the course; its marks stay" in result.output
    assert scores(this_class) == before and (this_class.folder / f"source/{NAME}/{NAME}.ipynb").exists()
    assert status(again(this_class))[0].next_step.startswith("the course's set has changed")


# ---- versions that can no longer be made


def fewer_values(this_class: ClassDirectory, course: Path, students: list[str]) -> tuple[str, Edit]:
    """A parameter and an edit that leaves it only the values which none of these students has."""
    drawn = draws(this_class)
    for parameter in parameters_of(course / f"sources/exercises/{NAME}.py").values():
        theirs = {drawn[student][parameter.name] for student in students}
        left = [value for value in parameter.options if value not in theirs]
        if parameter.public in left and len(left) < len(parameter.options):
            return parameter.name, with_values(parameter.name, ", ".join(map(parameter.text, left)))
    raise AssertionError("every parameter of these students has its public value")


def with_values(name: str, shown: str) -> Edit:
    return lambda source: re.sub(rf"(?m)^({name} = .* one of: ).*$", lambda found: found[1] + shown, source)


def test_who_has_an_impossible_version_is_named_and_nothing_is_changed(
    this_class: ClassDirectory, course: Path
) -> None:
    name, edit = fewer_values(this_class, course, ["anna"])
    newer = newer_course(course, edit)
    [change] = changes(this_class, newer)
    assert "anna" in change.impossible and f"{name} = " in change.impossible["anna"][0]
    before = files(this_class)
    with pytest.raises(ValueError, match=r"anna.*so nothing was changed.*--redraw"):
        upgrade(this_class, newer)
    assert files(this_class) == before


def test_who_has_an_impossible_version_gets_another_on_demand(this_class: ClassDirectory, course: Path) -> None:
    _, edit = fewer_values(this_class, course, ["anna"])
    newer = newer_course(course, edit)
    concerned, before = set(changes(this_class, newer)[0].impossible), draws(this_class)
    backup = upgrade(this_class, newer, redraw=True)
    after = draws(again(this_class))
    assert {student for student in after if after[student] != before[student]} == concerned
    assert not changes(again(this_class), newer)[0].impossible
    assert str(before["anna"]["SCALE_BYTES"]) in (backup / f"variants/{NAME}.json").read_text()
    release(again(this_class), NAME)


# ---- not in the middle of something


def test_no_upgrade_while_a_grading_runs(this_class: ClassDirectory, course: Path) -> None:
    newer = newer_course(course, appended(HIDDEN, "# the same"))
    before = files(this_class)
    with Marks(this_class.db_url), pytest.raises(BusyError, match="another grading"):
        upgrade(this_class, newer)
    assert {path: data for path, data in files(this_class).items() if path.suffix != ".lock"} == {
        path: data for path, data in before.items() if path.suffix != ".lock"
    }


def test_an_upgrade_that_was_interrupted_is_done_by_the_next_try(
    this_class: ClassDirectory, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = newer_course(course, appended(HIDDEN, "# the same"))
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(upgrading, "with_setting", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        upgrade(this_class, newer)
    assert again(this_class).course == course
    with pytest.raises(RuntimeError, match="class upgrade"):
        grade_at_once(again(this_class))
    upgrade(again(this_class), newer)
    assert grade_at_once(again(this_class)).n_new == 2


def test_nbgrader_itself_refuses_such_a_change(this_class: ClassDirectory, course: Path) -> None:
    """Why `class upgrade` exists: with submissions, `generate_assignment` takes no set with another cell."""
    newer = newer_course(course, doubled(HIDDEN, "weight-bytes-more"))
    shutil.copyfile(newer / f"solutions/{NAME}/{NAME}.ipynb", this_class.folder / f"source/{NAME}/{NAME}.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "generate_assignment", NAME], cwd=this_class.folder, capture_output=True,
        text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode != 0 and "submissions" in done.stderr
    upgrade(this_class, newer)
    assert (this_class.folder / f"release/{NAME}/{NAME}.ipynb").exists(), "which nbgrader had taken away"
    grade_at_once(again(this_class))
    assert scores(again(this_class))["anna", "weight-bytes-more"] == (18, None), "put back where it was missing"
