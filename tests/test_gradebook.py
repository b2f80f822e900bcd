"""What grading writes into nbgrader's gradebook. The witnesses are nbgrader's own commands, and plain SQL."""

import contextlib
import csv
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert.filters import markdown2html
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from traitlets.config import PyFileConfigLoader

from racecourse.grading.classes.rosters import Student
from racecourse.grading.gradebook import BusyError, Marks, as_code, cells_marked_by_hand, standings, student_ids
from racecourse.grading.integrity import grade_id_of, is_answer, is_test, is_written
from racecourse.grading.records import Exercise, Part, Report
from racecourse.learn.notebooks import read, release_path, target_of

NAME = "00_start_here"
WRITTEN = "start-here-question"
NOON = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)

OF_STUDENT = """
    JOIN submitted_notebook ON {}.notebook_id = submitted_notebook.id
    JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id ORDER BY 1, 2"""
# Every table with names in the place of random ids. The order of the source cells is nbgrader's way to keep theirs.
TABLES = {
    "assignments": "SELECT name, duedate, course_id FROM assignment ORDER BY name",
    "notebooks": "SELECT notebook.name, assignment.name, kernelspec FROM notebook "
    "JOIN assignment ON assignment_id = assignment.id",
    "cells": "SELECT base_cell.name, type, grade_cells.max_score, grade_cells.cell_type, notebook.name FROM base_cell "
    "LEFT JOIN grade_cells USING (id) LEFT JOIN solution_cells USING (id) JOIN notebook ON notebook_id = notebook.id "
    "ORDER BY type, base_cell.name",
    "source cells": "SELECT source_cell.name, cell_type, locked, source, checksum, notebook.name FROM source_cell "
    "JOIN notebook ON notebook_id = notebook.id ORDER BY source_cell.rowid",
    "students": "SELECT * FROM student ORDER BY id",
    "submissions": "SELECT assignment.name, student_id, timestamp, extension FROM submitted_assignment "
    "JOIN assignment ON assignment_id = assignment.id ORDER BY 1, 2",
    "submitted notebooks": "SELECT student_id, name, flagged, late_submission_penalty FROM submitted_notebook "
    "JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id "
    "JOIN notebook ON notebook_id = notebook.id ORDER BY 1, 2",
    "grades": "SELECT student_id, name, type, auto_score, manual_score, extra_credit, needs_manual_grade FROM grade "
    "LEFT JOIN base_cell ON cell_id = base_cell.id " + OF_STUDENT.format("grade"),
    "comments": "SELECT student_id, name, type, auto_comment, manual_comment FROM comment "
    "LEFT JOIN base_cell ON cell_id = base_cell.id " + OF_STUDENT.format("comment"),
    "version": "SELECT * FROM alembic_version",
    "solution cells": "SELECT count(*) FROM solution_cells",
}  # fmt: skip


def database(course: Path) -> Path:
    return course / "classroom/gradebook.db"


def marks_of(course: Path) -> Marks:
    return Marks(f"sqlite:///{database(course)}")


def sql(course: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a query as another program would, the formgrader for one."""
    with contextlib.closing(sqlite3.connect(database(course))) as connection, connection:
        return connection.execute(query, values).fetchall()


def tables(course: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sql(course, query) for table, query in TABLES.items()}


def grades(course: Path, student: str = "anna") -> dict[str, tuple[float | None, float | None, bool]]:
    """grade_id -> automatic score, score by hand, whether a person should look."""
    rows = sql(course, TABLES["grades"])
    return {name: (auto, by_hand, bool(look)) for who, name, _, auto, by_hand, _, look in rows if who == student}


def comments(course: Path, student: str = "anna") -> dict[str, str | None]:
    return {name: said for who, name, _, said, _ in sql(course, TABLES["comments"]) if who == student}


def by_hand(course: Path, grade_id: str, score: float) -> None:
    """As the formgrader does it: the instructor has looked."""
    query = """UPDATE grade SET manual_score = ?, needs_manual_grade = FALSE
        WHERE cell_id IN (SELECT id FROM base_cell WHERE name = ? AND type = 'GradeCell')"""
    sql(course, query, score, grade_id)


def comment_by_hand(course: Path, grade_id: str, said: str) -> None:
    query = "UPDATE comment SET manual_comment = ? WHERE cell_id IN (SELECT id FROM base_cell WHERE name = ?)"
    sql(course, query, said, grade_id)


class Set:
    """The set of a temporary course, which a test may change."""

    def __init__(self, course: Path) -> None:
        self.solution, self.release = read(target_of(NAME, course)), read(release_path(NAME, course))

    def cells(self, grade_id: str) -> list[Any]:
        """The cell in the solution and in the release."""
        notebooks = (self.solution, self.release)
        return [cell for notebook in notebooks for cell in notebook.cells if grade_id_of(cell) == grade_id]

    def remove(self, grade_id: str) -> None:
        for notebook in (self.solution, self.release):
            notebook.cells = [cell for cell in notebook.cells if grade_id_of(cell) != grade_id]

    def add_after(self, grade_id: str, new_id: str) -> None:
        """A copy of the cell under another name behind it."""
        for notebook in (self.solution, self.release):
            at = next(i for i, cell in enumerate(notebook.cells) if grade_id_of(cell) == grade_id)
            new = deepcopy(notebook.cells[at])
            new.id = new.metadata.nbgrader.grade_id = new_id
            notebook.cells.insert(at + 1, new)

    def answered(self, **answers: str) -> Any:
        """The release with the solution's answers, some of them replaced ('_' for '-')."""
        notebook = deepcopy(self.release)
        for cell, solved in zip(notebook.cells, self.solution.cells, strict=True):
            if is_answer(cell):
                cell.source = answers.get(grade_id_of(cell).replace("-", "_"), f"{solved.source}\n")
        return notebook

    def report(
        self, student: str = "anna", earned: dict[str, float | None] | None = None, said: dict[str, str] | None = None
    ) -> Report:
        """All points but what `earned` says."""
        tests, written = Exercise("tests"), Exercise("written", by_hand=True)
        for cell in self.solution.cells:
            if is_test(cell):
                name, points = grade_id_of(cell), float(cell.metadata.nbgrader.points)
                tests.parts.append(Part(name, points, (earned or {}).get(name, points), (said or {}).get(name, "")))
            elif is_written(cell):
                written.parts.append(Part(grade_id_of(cell), float(cell.metadata.nbgrader.points), None))
        return Report(NAME, [tests, written], student=student)

    def prepare(self, marks: Marks, **options: Any) -> None:
        marks.prepare(NAME, self.solution, self.release, **options)


@pytest.fixture
def graded(course: Path) -> Set:
    return Set(course)


@pytest.fixture
def new_gradebook(course: Path, empty: bytes) -> Callable[[], None]:
    """Put an empty gradebook in the place of the course's."""
    database(course).parent.mkdir()

    def put() -> None:
        database(course).write_bytes(empty)

    put()
    return put


@pytest.fixture
def marks(course: Path, graded: Set, new_gradebook: Callable[[], None]) -> Iterator[Marks]:
    with marks_of(course) as marks:
        graded.prepare(marks)
        yield marks


def nbgrader(course: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def place(course: Path, folder: str, student: str, notebook: Any, submitted_at: datetime | None = None) -> None:
    into = course / "classroom" / folder / student / NAME
    into.mkdir(parents=True)
    nbformat.write(notebook, into / f"{NAME}.ipynb")
    if submitted_at:
        (into / "timestamp.txt").write_text(f"{submitted_at:%Y-%m-%d %H:%M:%S.%f %Z}")


def test_the_rows_are_those_of_nbgraders_own_commands(course: Path, graded: Set) -> None:
    """generate_assignment and autograde, for a submission with no answer and for one with all."""
    place(course, "submitted", "empty", graded.release)
    place(course, "submitted", "right", graded.answered(), NOON)
    nbgrader(course, "generate_assignment", NAME)
    nbgrader(course, "autograde", NAME)
    theirs = tables(course)
    database(course).unlink()

    none = {grade_id_of(cell): 0.0 for cell in graded.solution.cells if is_test(cell)}
    with marks_of(course) as marks:
        graded.prepare(marks)
        marks.write(graded.report("right"), graded.answered(), NOON)
        marks.write(graded.report("empty", none, dict.fromkeys(none, "not answered yet")), graded.release)
    ours = tables(course)
    assert ours == theirs
    assert len(ours["source cells"]) == 21 and len(ours["grades"]) == 14 and len(ours["comments"]) == 8
    assert sql(course, "SELECT id FROM course") == [("racecourse",)]


def test_nbgraders_tools_read_it(course: Path, graded: Set) -> None:
    """Export, feedback and what the formgrader asks for."""
    message = "<script>alert('`$x$`')</script> [at](javascript:1) & \\(all\\)"
    report = graded.report("bert", {"weight-bytes-hidden": 2.5}, {"weight-bytes-hidden": message})
    with marks_of(course) as marks:
        graded.prepare(marks)
        marks.write(graded.report("anna"), graded.answered(), NOON)
        marks.write(report, graded.answered())
    place(course, "submitted", "anna", graded.answered(), NOON)
    for student in ("anna", "bert"):
        place(course, "autograded", student, graded.answered())
    place(course, "submitted", "bert", graded.answered())
    by_hand(course, WRITTEN, 10)

    nbgrader(course, "export", "--to", "marks.csv")
    with (course / "marks.csv").open() as file:
        exported = {row["student_id"]: row for row in csv.DictReader(file)}
    assert {student: (row["score"], row["max_score"]) for student, row in exported.items()} == {
        "anna": ("95.0", "100.0"),
        "bert": ("79.5", "100.0"),
    }
    assert exported["anna"]["timestamp"] == "2026-03-01 12:00:00.000005" and exported["bert"]["timestamp"] == ""

    nbgrader(course, "generate_feedback", NAME)
    page = (course / f"classroom/feedback/bert/{NAME}/{NAME}.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and message in Page(page).text

    config = PyFileConfigLoader("nbgrader_config.py", path=str(course)).load_config()
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    assert api.get_autograded_students(NAME) == {"anna", "bert"}
    shown = {student: api.get_submission(NAME, student) for student in ("anna", "bert")}
    assert [shown[student]["autograded"] for student in ("anna", "bert")] == [True, True]
    assert [shown[student]["score"] for student in ("anna", "bert")] == [95, 79.5]
    assert {one["student"]: one["failed_tests"] for one in api.get_notebook_submissions(NAME, NAME)} == {
        "anna": False,
        "bert": True,
    }


class Page(HTMLParser):
    """The text of a page, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.elements = "", set[str]()
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.add(tag)


@pytest.mark.parametrize(
    "message",
    [
        "<img src=x onerror=alert(1)>",
        "`",
        "a `b` ``c``` d",
        "``` <b>",
        "$`$ <i>x</i> $$y$$",
        "\\begin{align} <b> \\end{align}",
        "* not a list * [x](http://example.org) <http://example.org> &lt;",
        "    <b>\n\n# heading\n\n- item\n\n```\n<i>",
        "a\\`<b>\\`",
    ],
)
def test_a_message_is_shown_and_never_read_as_markup(message: str) -> None:
    said = "\n".join(f"- test-{n}: {as_code(part)}" for n, part in enumerate((message, f"$$ {message}")))
    page = Page(markdown2html(said))
    line = " ".join(message.split())
    assert page.elements == {"ul", "li", "code"}
    assert page.text.split("\n")[1:3] == [f"test-0: {line}", f"test-1: $$ {line}"]


def test_a_message_that_no_file_can_hold_is_written_too(course: Path, graded: Set, marks: Marks) -> None:
    said = {"weight-bytes-hidden": "\ud800 and \x00"}
    marks.write(graded.report(earned={"weight-bytes-hidden": 0.0}, said=said), graded.answered())
    assert "? and" in (comments(course)["weight-bytes"] or "")


def test_messages_go_to_the_answer_before_the_tests(course: Path, graded: Set, marks: Marks) -> None:
    imports = {"models-that-fit-visible": "imports it", "models-that-fit-hidden": "imports it"}
    said = {"weight-bytes-visible": "round up", "tokens-per-second-hidden": "not answered yet", **imports}
    notebook = graded.answered(tokens_per_second=graded.cells("tokens-per-second")[1].source)
    marks.write(graded.report(earned=dict.fromkeys(said, 0.0), said=said), notebook)
    assert comments(course) == {
        "models-that-fit": "- models-that-fit-visible, models-that-fit-hidden: ` imports it `",
        "start-here-question": None,
        "tokens-per-second": "No response.",
        "weight-bytes": "- weight-bytes-visible: ` round up `",
    }
    comment_by_hand(course, "weight-bytes", "see page 3")
    marks.write(graded.report(), graded.answered())
    assert set(comments(course).values()) == {None}
    assert {row[-1] for row in sql(course, TABLES["comments"])} == {None, "see page 3"}


def test_writing_again_changes_nothing(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered(), NOON)
    by_hand(course, WRITTEN, 7)
    by_hand(course, "weight-bytes-hidden", 3)
    before = list(sqlite_dump(course))
    graded.prepare(marks)
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    marks.write(graded.report(), graded.answered(), elsewhere)
    assert list(sqlite_dump(course)) == before


def sqlite_dump(course: Path) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(database(course))) as connection:
        yield from connection.iterdump()


def test_due_date_extension_names_and_flag_stay(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered(), NOON)
    sql(course, "UPDATE assignment SET duedate = '2026-03-01 10:00:00.000000'")
    sql(course, "UPDATE submitted_assignment SET extension = '1970-01-02 00:00:00.000000'")
    sql(course, "UPDATE student SET first_name = 'Anna', lms_user_id = '17'")
    sql(course, "UPDATE submitted_notebook SET flagged = TRUE, late_submission_penalty = 2.5")
    before = tables(course)
    graded.prepare(marks)
    marks.write(graded.report(), graded.answered(), NOON)
    assert tables(course) == before


@pytest.mark.parametrize(
    ("auto", "submitted_at", "looks"),
    [(0.0, NOON, False), (18.0, NOON, True), (0.0, NOON + timedelta(seconds=1), True), (0.0, None, True)],
    ids=["nothing changed", "other result", "handed in again", "unknown"],
)
def test_a_score_given_by_hand_stays(
    course: Path, graded: Set, marks: Marks, auto: float, submitted_at: datetime | None, looks: bool
) -> None:
    """It is marked for another look where the automatic score below it changed, or the submission is a new one."""
    marks.write(graded.report(earned={"weight-bytes-hidden": 0.0}), graded.answered(), NOON)
    by_hand(course, "weight-bytes-hidden", 9)
    by_hand(course, WRITTEN, 12)
    marks.write(graded.report(earned={"weight-bytes-hidden": auto}), graded.answered(), submitted_at)
    assert grades(course)["weight-bytes-hidden"] == (auto, 9, looks)
    assert grades(course)[WRITTEN] == (None, 12, submitted_at != NOON)
    assert grades(course)["weight-bytes-visible"] == (12, None, False)


def test_what_waits_for_a_look_goes_on_waiting(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered(), NOON)
    by_hand(course, WRITTEN, 12)
    for _ in range(2):
        marks.write(graded.report(), graded.answered(), NOON + timedelta(days=1))
        assert grades(course)[WRITTEN] == (None, 12, True)


def test_a_part_that_was_not_run_is_nothing_and_for_a_person(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered())
    marks.write(graded.report(earned={"weight-bytes-hidden": None}), graded.answered())
    assert grades(course)["weight-bytes-hidden"] == (0, None, True)
    assert grades(course)["weight-bytes-visible"] == (12, None, False)
    assert grades(course)[WRITTEN] == (None, None, True)


@pytest.mark.parametrize("with_parts", [True, False])
def test_a_refused_submission_keeps_nothing_of_an_earlier_one(
    course: Path, graded: Set, marks: Marks, with_parts: bool
) -> None:
    marks.write(
        graded.report(earned={"weight-bytes-visible": 0.0}, said={"weight-bytes-visible": "old"}), graded.release
    )
    report = graded.report()
    report.refused = "the file is <empty>"
    if not with_parts:
        report.exercises = []
    marks.write(report, None)
    assert {name: grade for name, grade in grades(course).items() if name != WRITTEN} == {
        grade_id_of(cell): (0, None, True) for cell in graded.solution.cells if is_test(cell)
    }
    assert grades(course)[WRITTEN] == (None, None, True)
    said = comments(course)
    assert said.pop("tokens-per-second") == "This submission could not be graded: ` the file is <empty> `"
    assert set(said.values()) == {None}
    marks.write(graded.report(), graded.answered())
    assert grades(course)["weight-bytes-hidden"] == (18, None, False)


def test_a_report_that_does_not_fit_is_not_written(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered())
    before = tables(course)
    for spoil in (
        lambda report: report.exercises[0].parts.pop(),
        lambda report: report.exercises[0].parts.append(Part("new", 3.0, 3.0)),
        lambda report: setattr(report.exercises[0].parts[0], "points", 99.0),
    ):
        report = graded.report()
        spoil(report)
        with pytest.raises(ValueError, match="of another version of '00_start_here'"):
            marks.write(report, graded.answered())
    with pytest.raises(ValueError, match="names no student"):
        marks.write(graded.report(student=""), graded.answered())
    other = graded.report()
    other.name = "01_transformers"
    with pytest.raises(ValueError, match="'01_transformers' is not prepared"):
        marks.write(other, graded.answered())
    assert tables(course) == before


# ---- a set that changes while there are submissions


def change_test(graded: Set) -> None:
    for cell in graded.cells("weight-bytes-hidden"):
        cell.source += "\n# corrected"


def change_points(graded: Set) -> None:
    for cell in graded.cells("weight-bytes-hidden"):
        cell.metadata.nbgrader.points = 20


def add_cells(graded: Set) -> None:
    graded.add_after("weight-bytes-hidden", "weight-bytes-more")
    graded.add_after("weight-bytes-text", "a-second-answer")
    for cell in graded.cells("a-second-answer"):
        cell.metadata.nbgrader |= {"solution": True, "locked": False}


def remove_cells(graded: Set) -> None:
    graded.remove("models-that-fit-visible")
    graded.remove("models-that-fit")


def change_texts(graded: Set) -> None:
    graded.remove("table-text")
    for cell in graded.cells("weight-bytes-text"):
        cell.source += " Corrected."
    graded.solution.metadata.kernelspec.name = "other"


@pytest.mark.parametrize("change", [change_test, change_points, add_cells, remove_cells, change_texts])
def test_a_set_that_changes_ends_as_if_it_had_been_so(
    course: Path, graded: Set, new_gradebook: Callable[[], None], change: Callable[[Set], None]
) -> None:
    """nbgrader refuses some of this. With the submissions graded again, the rows are those of a new gradebook."""
    with marks_of(course) as marks:
        graded.prepare(marks)
        for student in ("anna", "bert"):
            marks.write(graded.report(student), graded.answered(), NOON)
        before = grades(course)
        change(graded)
        graded.prepare(marks)
        changed = {name for name in ("weight-bytes-hidden",) if change in (change_test, change_points)}
        for name, grade in grades(course).items():
            if name == "weight-bytes-more":
                assert grade == (None, None, True), "not graded yet"
            else:
                assert grade == (*before[name][:2], name in changed or name == WRITTEN)
        for student in ("anna", "bert"):
            marks.write(graded.report(student), graded.answered(), NOON)
    updated = tables(course)
    new_gradebook()
    with marks_of(course) as marks:
        graded.prepare(marks)
        for student in ("anna", "bert"):
            marks.write(graded.report(student), graded.answered(), NOON)
    assert updated == tables(course)


def test_a_score_by_hand_for_other_points_waits_for_a_look(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered(), NOON)
    by_hand(course, "weight-bytes-hidden", 9)
    by_hand(course, WRITTEN, 7)
    change_points(graded)
    graded.prepare(marks)
    for cell in graded.cells(WRITTEN):
        cell.metadata.nbgrader.points = 5
    graded.prepare(marks)
    report = graded.report(earned={"weight-bytes-hidden": 18.0})
    marks.write(report, graded.answered(), NOON)
    assert grades(course)["weight-bytes-hidden"] == (18, 9, True)
    assert grades(course)[WRITTEN] == (None, 7, True)


def test_marks_by_hand_go_only_if_somebody_says_so(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered(), NOON)
    by_hand(course, "models-that-fit-visible", 9)
    comment_by_hand(course, "models-that-fit", "good")
    before = tables(course)
    remove_cells(graded)
    with pytest.raises(ValueError, match="no longer has models-that-fit, models-that-fit-visible, where"):
        graded.prepare(marks)
    with pytest.raises(ValueError, match="no longer has models-that-fit, where"):
        graded.prepare(marks, drop={"models-that-fit-visible"})
    assert tables(course) == before
    graded.prepare(marks, drop={"models-that-fit-visible", "models-that-fit"})
    assert "models-that-fit-visible" not in grades(course) and "models-that-fit" not in comments(course)


def test_a_release_of_another_solution_is_no_set(course: Path, graded: Set, marks: Marks) -> None:
    del graded.release.cells[3]
    with pytest.raises(ValueError, match="run `make build`"):
        graded.prepare(marks)


# ---- interruptions and other programs


def test_a_killed_writer_leaves_whole_students(course: Path, graded: Set, new_gradebook: Callable[[], None]) -> None:
    """The process ends between the grades of the second student; run again, all is as if nothing had happened."""
    students = ["anna", "bert", "cleo"]

    def run(die: bool) -> None:
        with marks_of(course) as marks:
            graded.prepare(marks)
            for student in students:
                if die and student == "bert":
                    marks.db.connection().connection.set_trace_callback(
                        lambda statement: os._exit(9) if statement.startswith("INSERT INTO grade") else None
                    )
                    marks.db.rollback()
                marks.write(graded.report(student), graded.answered(), NOON)

    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            run(die=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = tables(course)
    assert [row[0] for row in left["students"]] == ["anna"]
    assert len(left["grades"]) == 7 and len(left["comments"]) == 4 and len(left["submissions"]) == 1
    run(die=False)
    after = tables(course)
    assert [row for row in after["grades"] if row[0] == "anna"] == left["grades"]
    new_gradebook()
    run(die=False)
    assert tables(course) == after and len(after["grades"]) == 21


def test_an_error_in_the_middle_leaves_nothing(
    course: Path, graded: Set, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(course)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("racecourse.grading.gradebook._set_grade", stop)
        marks.write(graded.report(), graded.answered())
    assert tables(course) == before
    marks.write(graded.report(), graded.answered())
    assert len(grades(course)) == 7


def test_one_writer_at_a_time(course: Path, marks: Marks) -> None:
    with pytest.raises(BusyError, match=rf"process {os.getpid()}\) writes to .*gradebook.db; wait"), marks_of(course):
        pass
    marks.__exit__()
    with marks_of(course):
        pass
    with marks_of(course):
        pass


def test_a_score_by_hand_from_another_program_is_seen_between_students(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report("anna"), graded.answered(), NOON)
    by_hand(course, WRITTEN, 4)
    marks.write(graded.report("bert"), graded.answered(), NOON)
    marks.write(graded.report("anna"), graded.answered(), NOON)
    assert grades(course, "anna")[WRITTEN] == (None, 4, False)
    assert grades(course, "bert")[WRITTEN] == (None, None, True)


def test_a_new_gradebook_needs_no_alembic_on_path(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with marks_of(course):
        assert os.environ["PATH"] == "/usr/bin:/bin"
    assert len(sql(course, "SELECT version_num FROM alembic_version")) == 1


def test_other_databases_are_no_gradebooks() -> None:
    for url in ("sqlite://", "mysql://me:hush@host/gradebook"):
        with pytest.raises(ValueError, match="must be an SQLite file") as refused, Marks(url):
            pass
        assert "hush" not in str(refused.value)


# ---- a class: who is in it, when its sets are due, what it costs to be late, who is forgotten


def test_everybody_of_a_roster_is_known(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report(), graded.answered(), NOON)
    sql(course, "UPDATE student SET last_name = 'Berg', email = 'old'")
    marks.enrol([Student("anna", "Anna", email="a@example.org", lms_id="7"), Student("ben")])
    assert sql(course, "SELECT id, first_name, last_name, email, lms_user_id FROM student ORDER BY id") == [
        ("anna", "Anna", "Berg", "a@example.org", "7"), ("ben", None, None, None, None),
    ]  # fmt: skip
    assert student_ids(marks.db_url) == {"anna", "ben"}


class Half:
    """A plugin of nbgrader's kind."""

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        return {"anna": score / 2, "ben": None, "cleo": 1000.0, "dora": -1.0}[student_id]


def test_late_work_costs_what_the_plugin_says_within_bounds(course: Path, graded: Set, marks: Marks) -> None:
    def costs() -> dict[str, float | None]:
        rows = sql(course, TABLES["submitted notebooks"])
        return {student: penalty for student, _, _, penalty in rows}

    graded.prepare(marks, due=NOON - timedelta(seconds=1))
    graded.prepare(marks)
    marks.late = Half()
    for student in ("anna", "ben", "cleo", "dora"):
        marks.write(graded.report(student), graded.answered(), NOON)
    assert costs() == {"anna": 42.5, "ben": None, "cleo": 85.0, "dora": 0.0}
    by_hand(course, WRITTEN, 15)
    marks.assign_penalties()
    assert costs() == {"anna": 50.0, "ben": None, "cleo": 100.0, "dora": 0.0}
    graded.prepare(marks, due=NOON)
    marks.write(graded.report("anna"), graded.answered(), NOON)
    assert costs()["anna"] is None
    marks.assign_penalties()
    assert set(costs().values()) == {None}


def test_how_a_submission_stands(course: Path, graded: Set, marks: Marks) -> None:
    assert standings(marks.db_url) == {} and cells_marked_by_hand(marks.db_url) == {}
    graded.prepare(marks, due=NOON)
    marks.write(graded.report("anna"), graded.answered(), NOON + timedelta(minutes=1))
    by_hand(course, WRITTEN, 3)
    marks.write(graded.report("ben"), graded.answered(), NOON)
    comment_by_hand(course, "weight-bytes", "")
    found = standings(marks.db_url)
    assert {student: (one.by_hand, one.seconds_late) for (_, student), one in found.items()} == {
        "anna": (False, 60), "ben": (True, 0),
    }  # fmt: skip
    assert cells_marked_by_hand(marks.db_url) == {NAME: {WRITTEN}}
    comment_by_hand(course, "tokens-per-second", "well done")
    assert cells_marked_by_hand(marks.db_url) == {NAME: {WRITTEN, "tokens-per-second"}}


@pytest.mark.parametrize("everybody", [False, True])
def test_who_is_forgotten_takes_along_what_is_theirs(course: Path, graded: Set, marks: Marks, everybody: bool) -> None:
    of_students = ("students", "submissions", "submitted notebooks", "grades", "comments")
    marks.write(graded.report("ben"), graded.answered(), NOON)
    only_ben = tables(course)
    marks.write(graded.report("anna"), graded.answered(), NOON)
    with_anna = tables(course)
    n_rows = marks.forget(None if everybody else ["anna"])
    if not everybody:
        assert tables(course) == only_ben
        assert n_rows == sum(len(with_anna[table]) - len(only_ben[table]) for table in of_students) == 14
    else:
        assert [tables(course)[table] for table in of_students] == [[]] * 5
        assert tables(course)["cells"] == only_ben["cells"]
    assert marks.forget(["anna"]) == 0
