"""Marks for a learning platform: exporters for `nbgrader export`, and for `racecourse class export`.

    nbgrader export --exporter=racecourse.grading.classes.exports.CanvasExporter --to canvas.csv

`CanvasExporter` writes what Canvas's gradebook imports, `MoodleExporter` what Moodle's gradebook imports,
`MoodleWorksheetExporter` fills in the grading worksheet of one Moodle assignment, with comments, and `CsvExporter`
writes nbgrader's own columns. A mark is nbgrader's: the score with extra credit, less the late penalty, at least 0. A
submission that waits for a person has an empty cell, and so has a student who handed nothing in, unless you ask for
something else; the exporter says whom it concerns. Importers read an empty cell as "no mark": Canvas and Moodle's
gradebook take a mark away that stands there, the worksheet leaves it.

What the importers read was checked in their own source: Canvas in lib/gradebook_importer.rb and
lib/gradebook_exporter.rb (instructure/canvas-lms), Moodle in grade/import/csv/classes/load_data.php,
mod/assign/feedback/offline/importgradeslib.php and locallib.php, mod/assign/gradingtable.php and lib/csvlib.class.php
(moodle/moodle). No file was put into a running Canvas or Moodle. Two rules are worth knowing. Moodle gives the marks of
a row without a key to the student of the row before, so that no such row is written. And a name that begins like a
formula (= + - @) is written behind an apostrophe, a key never is: another key is used, or a warning names the student.

Left out: grades as letters or scales, LTI grade passback.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from nbgrader.api import Assignment, BaseCell, Comment, Gradebook, SubmittedAssignment, SubmittedNotebook
from nbgrader.plugins import ExportPlugin
from sqlalchemy import make_url, select
from traitlets import Bool, Dict, Float, Unicode

from racecourse.grading.autograde import write_at_once
from racecourse.grading.classes.rosters import Student, read_roster
from racecourse.grading.gradebook import COURSE

if TYPE_CHECKING:
    from racecourse.grading.classes.directory import ClassDirectory

CANVAS_COLUMNS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
CANVAS_READ_ONLY = [  # a column whose title holds one of these is passed over
    f"{which} {what}" for which in ("Current", "Final", "Override") for what in ("Score", "Points", "Grade", "Status")
]
MOODLE_KEYS = {"ID number": "sis_id", "Username": "login", "Email address": "email", "User ID": "lms_id"}
MOODLE_MOST = 100  # Moodle's limit for an imported mark, unless an administrator has raised it
SHOWN = 10  # students in a warning


@dataclass(frozen=True)
class Mark:
    """One student's result in one set."""

    score: float | None  # None: an empty cell
    state: str  # "marked", "waiting" for a person, "missing"
    raw: float = 0.0
    penalty: float = 0.0
    timestamp: Any = None

    @property
    def text(self) -> str:
        """
        >>> Mark(87.50, "marked").text, Mark(-0.0, "marked").text, Mark(None, "waiting").text
        ('87.5', '0', '')
        """
        return "" if self.score is None else f"{round(self.score, 4) + 0.0:.10g}"


@dataclass(frozen=True)
class SetMarks:
    """One set's column."""

    name: str
    points: float
    due: Any
    by_student: dict[str, Mark]


class Exporter(ExportPlugin):
    """What the exporters share: who is in the class, and what each has earned."""

    default_name: ClassVar[str] = "grades.csv"

    roster = Unicode("roster.csv", help="the class's roster; without it, the gradebook's students").tag(config=True)
    headings = Dict(help="set -> title of its column in the platform; the set's name if it has none").tag(config=True)
    include_unmarked = Bool(False, help="also write the marks of submissions that wait for a person").tag(config=True)
    missing_as_zero = Bool(False, help="write 0 for a student who handed nothing in").tag(config=True)
    out_of = Float(0.0, help="scale the marks of every set to this many points; 0: as they are").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warnings: list[str] = []

    def export(self, gradebook: Gradebook) -> None:
        """Write the file, whole or not at all; what needs attention goes to the log and to `warnings`.

        Raises:
            ValueError: there is no such set, or the platform could not read the file.
        """
        students = self.students(gradebook)
        sets = [self.marks(gradebook, assignment, students) for assignment in self.assignments(gradebook)]
        rows = self.rows(gradebook, students, sets)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        path = Path(self.to or self.default_name)
        write_at_once(path, text.getvalue(), mode=0o600)
        self.log.info("Exported the marks of %d students to %s", len(students), path)

    def rows(self, gradebook: Gradebook, students: list[Student], sets: list[SetMarks]) -> list[list[str]]:
        """The file's lines, the header first."""
        raise NotImplementedError

    def warn(self, said: str, students: Iterable[str]) -> None:
        """Say what concerns these students; nothing if there are none."""
        if ids := list(students):
            more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
            self.say(f"{said}: {', '.join(ids[:SHOWN])}{more}")

    def say(self, warning: str) -> None:
        self.warnings.append(warning)
        self.log.warning(warning)

    def students(self, gradebook: Gradebook) -> list[Student]:
        """The class by its roster, or by the gradebook if it has none."""
        coursedir = getattr(self.parent, "coursedir", None)
        path = Path(coursedir.root if coursedir else "", self.roster)
        if path.is_file():
            students = read_roster(path)
            known = {student.id for student in students}
            unknown = sorted(row.id for row in gradebook.students if row.id not in known)
            self.warn("not exported, because they are not on the roster", unknown)
        else:
            students = [_from_gradebook(row) for row in gradebook.students]
        wanted = {str(student) for student in self.student}
        return [student for student in students if not wanted or student.id in wanted]

    def assignments(self, gradebook: Gradebook) -> list[Assignment]:
        """The chosen sets in the order of their names, all if none is chosen."""
        found = {assignment.name: assignment for assignment in gradebook.assignments}
        wanted = [str(name) for name in self.assignment] or sorted(found)
        if not wanted:
            raise ValueError("no set has been graded yet; grade one with `racecourse grade SET`, then export")
        if unknown := [name for name in wanted if name not in found]:
            raise ValueError(f"{', '.join(unknown)} is not in the gradebook; there are {', '.join(sorted(found))}")
        return [found[name] for name in sorted(wanted)]

    def marks(self, gradebook: Gradebook, assignment: Assignment, students: list[Student]) -> SetMarks:
        """Everybody's mark in one set, by one query."""
        columns = ("student_id", "score", "late_submission_penalty", "needs_manual_grade", "timestamp")
        query = select(*(getattr(SubmittedAssignment, column) for column in columns))
        query = query.where(SubmittedAssignment.assignment_id == assignment.id)
        rows = {row[0]: row for row in gradebook.db.execute(query)}
        points = float(assignment.max_score)
        factor = self.out_of / points if self.out_of and points else 1.0
        by_student = {}
        for student in students:
            if student.id not in rows:
                by_student[student.id] = Mark(0.0 if self.missing_as_zero else None, "missing")
                continue
            _, raw, penalty, waits, timestamp = rows[student.id]
            score = max(0.0, raw - penalty) * factor  # as nbgrader's own exporter has it
            state = "waiting" if waits else "marked"
            kept = None if waits and not self.include_unmarked else score
            by_student[student.id] = Mark(kept, state, raw * factor, penalty * factor, timestamp)
        left = "written all the same" if self.include_unmarked else "left empty"
        waiting = [student for student, mark in by_student.items() if mark.state == "waiting"]
        self.warn(f"{assignment.name} waits to be marked by hand, {left}", waiting)
        return SetMarks(assignment.name, self.out_of or points, assignment.duedate, by_student)

    def heading(self, name: str) -> str:
        return str(self.headings.get(name, name))


def _from_gradebook(row: Any) -> Student:
    return Student(
        id=row.id, first_name=row.first_name or "", last_name=row.last_name or "", email=row.email or "",
        lms_id=row.lms_user_id or "",
    )  # fmt: skip


def inert(text: str) -> str:
    """A text that no spreadsheet takes for a formula.

    >>> inert("=1+1"), inert(" @sum"), inert("Lee, Anna")
    ("'=1+1", "' @sum", 'Lee, Anna')
    """
    return f"'{text}" if _is_formula(text) else text


def _is_formula(text: str) -> bool:
    return bool(re.match(r"\s*[=+\-@]|[\t\r\n]", text))


# ---- nbgrader's columns ----------------------------------------------------------------------------------------------


class CsvExporter(Exporter):
    """One line for each student and set, with the columns of nbgrader's own CSV and the state of the mark."""

    COLUMNS: ClassVar[list[str]] = [
        "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
        "late_submission_penalty", "score", "max_score", "state",
    ]  # fmt: skip

    def rows(self, gradebook: Gradebook, students: list[Student], sets: list[SetMarks]) -> list[list[str]]:
        return [self.COLUMNS, *(self._row(one, student) for one in sets for student in students)]

    def _row(self, one: SetMarks, student: Student) -> list[str]:
        mark = one.by_student[student.id]
        when = [str(moment or "") for moment in (one.due, mark.timestamp)]
        who = [inert(text) for text in (student.id, student.last_name, student.first_name, student.email)]
        parts = [Mark(value, "marked").text if mark.state != "missing" else "" for value in (mark.raw, mark.penalty)]
        return [one.name, *when, *who, *parts, mark.text, f"{one.points:g}", mark.state]


# ---- Canvas ----------------------------------------------------------------------------------------------------------


class CanvasExporter(Exporter):
    """Canvas's gradebook: Grades > Import.

    A row's student is looked up by ID, then SIS User ID, then SIS Login ID, then by the name. A column is an assignment
    by the number in its title, `Set 01 (4711)`, or by exactly its title; with another title Canvas offers a new one.
    """

    default_name = "canvas.csv"

    def rows(self, gradebook: Gradebook, students: list[Student], sets: list[SetMarks]) -> list[list[str]]:
        titles = [self.heading(one.name) for one in sets]
        for title in titles:
            if any(word in title for word in CANVAS_READ_ONLY):
                raise ValueError(f"Canvas passes over a column titled {title!r}; rename the assignment in Canvas")
            if titles.count(title) > 1:
                raise ValueError(f"two sets have the same column {title!r} in Canvas; give each its own heading")
        points = ["    Points Possible", "", "", "", "", *(f"{one.points:g}" for one in sets)]
        self.warn("Canvas can find these by their name only; put lms_id, sis_id or login on the roster for",
                  [student.id for student in students if not any(canvas_keys(student))])  # fmt: skip
        marks = [[one.by_student[student.id].text for one in sets] for student in students]
        return [
            [*CANVAS_COLUMNS, *(inert(title) for title in titles)],
            points,
            *([*canvas_student(student), *row] for student, row in zip(students, marks, strict=True)),
        ]


def canvas_keys(student: Student) -> list[str]:
    """ID, SIS User ID and SIS Login ID, those that can be written as they are; Canvas's ID is a number.

    A roster that has nothing but ids does not say which of the two others they are: Canvas tries both.
    """
    keys = [student.lms_id if student.lms_id.isdecimal() else "", student.sis_id, student.login]
    if not any(keys):
        keys = ["", student.id, student.id]
    return ["" if _is_formula(key) else key for key in keys]


def canvas_student(student: Student) -> list[str]:
    name = ", ".join(part for part in (student.last_name, student.first_name) if part) or student.id
    return [inert(name), *canvas_keys(student), inert(student.section)]


# ---- Moodle ----------------------------------------------------------------------------------------------------------


class MoodleExporter(Exporter):
    """Moodle's gradebook: Grades > Import > CSV file, where "Map from" and "Map to" name the key's column.

    Only such keys are in the file as every row has, each another; if there is none, those students stay behind who lack
    the key that most have. The column "id" has the class's own, which is one of the keys in most classes. One student
    whom Moodle does not know, and it takes nothing of the whole file.
    """

    default_name = "moodle.csv"

    def rows(self, gradebook: Gradebook, students: list[Student], sets: list[SetMarks]) -> list[list[str]]:
        usable = {title: moodle_keys(students, field) for title, field in MOODLE_KEYS.items()}
        titles = [title for title, keys in usable.items() if len(keys) == len(students)]
        kept = students
        if not titles and any(usable.values()):
            titles = [max(usable, key=lambda title: len(usable[title]))]
            kept = [student for student in students if student.id in usable[titles[0]]]
            behind = [student.id for student in students if student.id not in usable[titles[0]]]
            self.warn(f"not exported, because they have no {titles[0]} of their own", behind)
        usable["id"] = {student.id: inert(student.id) for student in students}
        scores = [mark.score for one in sets for mark in one.by_student.values() if mark.score is not None]
        if high := [score for score in scores if score > MOODLE_MOST]:
            self.say(
                f"there are marks above {MOODLE_MOST}, up to {max(high):g}: Moodle takes "
                "nothing of the file unless its administrator allows that; or export with marks out of fewer points"
            )
        titles.append("id")
        header = ["First name", "Last name", *titles, *(inert(self.heading(one.name)) for one in sets)]
        return [header, *(self._row(student, titles, usable, sets) for student in kept)]

    def _row(
        self, student: Student, titles: list[str], usable: dict[str, dict[str, str]], sets: list[SetMarks]
    ) -> list[str]:
        keys = [usable[title][student.id] for title in titles]
        names = [inert(student.first_name), inert(student.last_name)]
        return [*names, *keys, *(one.by_student[student.id].text for one in sets)]


def moodle_keys(students: Sequence[Student], field: str) -> dict[str, str]:
    """By student, what Moodle can find them by: not empty, nobody else's, and no formula."""
    values = {student.id: str(getattr(student, field)) for student in students}
    if field == "lms_id":  # a number in Moodle's table of users
        values = {student: value for student, value in values.items() if value.isdecimal()}
    often = Counter(values.values())
    return {who: value for who, value in values.items() if value and often[value] == 1 and not _is_formula(value)}


class MoodleWorksheetExporter(Exporter):
    """The grading worksheet of one Moodle assignment: download it there, have it filled in, upload it.

    Its numbers ("Participant 12345") are others in each assignment, and its dates guard marks given meanwhile: all but
    grade and comment stays as Moodle wrote it. Rows without a mark are not touched.
    """

    default_name = "worksheet.csv"

    worksheet = Unicode(help="the file from Moodle: Submissions > Download grading worksheet").tag(config=True)

    NEEDED: ClassVar[tuple[str, ...]] = ("Identifier", "Full name", "Grade", "Last modified (grade)")

    def rows(self, gradebook: Gradebook, students: list[Student], sets: list[SetMarks]) -> list[list[str]]:
        if len(sets) != 1:
            raise ValueError("a worksheet is of one assignment: name the set")
        (one,) = sets
        header, rows = self._read()
        at = {title: header.index(title) for title in header}
        self._check_maximum(one, rows, at)
        whose = Owners(students)
        owners = [whose.of({title: row[index] for title, index in at.items()}) for row in rows]
        twice = Counter(owner.id for owner in owners if owner)
        said = comments_of(gradebook, one.name)
        unknown, locked = [], []
        for row, owner in zip(rows, owners, strict=True):
            who = row[at["Full name"]]
            if owner is None or twice[owner.id] > 1:
                unknown.append(who)
            elif row[at["Grade can be changed"]] == "No" if "Grade can be changed" in at else False:
                locked.append(who)
            elif (mark := one.by_student[owner.id]).score is not None:
                row[at["Grade"]] = mark.text
                if "Feedback comments" in at and mark.state != "missing":
                    row[at["Feedback comments"]] = feedback_html(mark, one, said.get(owner.id, []))
        self.warn("in the worksheet, but no student of the class has that e-mail address or name alone", unknown)
        self.warn("Moodle does not let these grades be changed", locked)
        there = {owner.id for owner in owners if owner}
        marked = [who for who, mark in one.by_student.items() if mark.score is not None and who not in there]
        self.warn("marked, but not in the worksheet", marked)
        return [header, *rows]

    def _read(self) -> tuple[list[str], list[list[str]]]:
        """
        Raises:
            ValueError: no worksheet is given, or it lacks a column that its importer needs.
        """
        if not self.worksheet:
            raise ValueError("give the worksheet that Moodle made: Submissions > Download grading worksheet")
        with Path(self.worksheet).open(encoding="utf-8-sig", newline="") as file:
            lines = [line for line in csv.reader(file) if line]
        header = lines[0] if lines else []
        if missing := [title for title in self.NEEDED if title not in header]:
            raise ValueError(
                f"{self.worksheet} has no column {', '.join(missing)}: download the worksheet again with Moodle's "
                "language set to English, and do not edit it first"
            )
        if any(len(line) != len(header) for line in lines):
            raise ValueError(f"{self.worksheet} is damaged: its lines differ in length; download it again")
        return header, lines[1:]

    def _check_maximum(self, one: SetMarks, rows: list[list[str]], at: dict[str, int]) -> None:
        """Moodle passes over a mark above the assignment's maximum, without a word."""
        maxima = {row[at["Maximum Grade"]] for row in rows} if "Maximum Grade" in at else set()
        for maximum in maxima:
            if float(maximum.replace(",", ".")) != one.points:
                raise ValueError(
                    f"in Moodle the assignment has at most {maximum} points, {one.name} has {one.points:g}: change the "
                    f"maximum grade in Moodle, or export with marks out of {maximum}"
                )


class Owners:
    """Whose row it is: by ID number, user name or e-mail address where the worksheet has them, else by the name."""

    KEYS: ClassVar[dict[str, str]] = {"ID number": "sis_id", "Username": "login", "Email address": "email"}

    def __init__(self, students: Sequence[Student]) -> None:
        self.by_key: dict[tuple[str, str], list[Student]] = {}
        self.by_name: dict[tuple[str, ...], list[Student]] = {}
        for student in students:
            for title, field in self.KEYS.items():
                self.by_key.setdefault((title, str(getattr(student, field)).casefold()), []).append(student)
            self.by_name.setdefault(_words(student.name), []).append(student)

    def of(self, row: dict[str, str]) -> Student | None:
        """None if nobody is meant, or if two people could be."""
        for title in self.KEYS:
            value = row.get(title, "").strip().casefold()
            if value and len(found := self.by_key.get((title, value), [])) == 1:
                return found[0]
        found = self.by_name.get(_words(row["Full name"]), [])
        return found[0] if len(found) == 1 else None


def _words(name: str) -> tuple[str, ...]:
    """A name in any order of its parts."""
    return tuple(sorted(name.casefold().split()))


def comments_of(gradebook: Gradebook, name: str) -> dict[str, list[tuple[str, str]]]:
    """By student, the comments on their answers: the cell's name, and what was said by hand or else by the checks."""
    query = (
        select(SubmittedAssignment.student_id, BaseCell.name, Comment.auto_comment, Comment.manual_comment)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .join(Comment, Comment.notebook_id == SubmittedNotebook.id)
        .join(BaseCell, BaseCell.id == Comment.cell_id)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .where(Assignment.name == name)
        .order_by(BaseCell.name)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for student, cell, auto, by_hand in gradebook.db.execute(query):
        if said := by_hand or auto:
            found.setdefault(student, []).append((cell, said))
    return found


def feedback_html(mark: Mark, one: SetMarks, said: list[tuple[str, str]]) -> str:
    """One comment for Moodle, which keeps HTML. No backslash: PHP's reader takes it for a mark before a quote.

    >>> feedback_html(Mark(80, "marked", 90, 10), SetMarks("01_x", 100, None, {}), [("norm", 'x < "y"')])
    '80 of 100 points, after 10 for being late<br>norm: x &lt; &quot;y&quot;'
    """
    late = f", after {Mark(mark.penalty, '').text} for being late" if mark.penalty else ""
    lines = [f"{mark.text} of {one.points:g} points{late}", *(f"{cell}: {text}" for cell, text in said)]
    escaped = html.escape("\n".join(lines)).replace("\\", "&#92;")
    return "<br>".join(escaped.splitlines())


# ---- The command -----------------------------------------------------------------------------------------------------

EXPORTERS: dict[str, type[Exporter]] = {
    "csv": CsvExporter, "canvas": CanvasExporter, "moodle": MoodleExporter, "moodle-worksheet": MoodleWorksheetExporter,
}  # fmt: skip


def export_class(
    this_class: ClassDirectory, kind: str, path: Path, *, sets: Sequence[str] = (), worksheet: Path | None = None,
    include_unmarked: bool = False, missing_as_zero: bool = False, out_of: float = 0.0,
) -> list[str]:  # fmt: skip
    """Write a class's marks for a platform, `kind` of EXPORTERS, and return what an instructor should know of it.

    Raises:
        ValueError: nothing is graded yet, there is no such set, or the platform could not read the file.
    """
    database = make_url(this_class.db_url).database
    if this_class.db_url.startswith("sqlite") and not Path(database or "").is_file():
        raise ValueError("no set has been graded yet; grade one with `racecourse grade SET`, then export")
    exporter = EXPORTERS[kind](
        to=str(path),
        roster=str(this_class.folder / "roster.csv"),
        assignment=list(sets),
        headings={name: plan.column for name, plan in this_class.sets.items() if plan.column},
        include_unmarked=include_unmarked,
        missing_as_zero=missing_as_zero,
        out_of=out_of,
    )
    if isinstance(exporter, MoodleWorksheetExporter):
        exporter.worksheet = str(worksheet or "")
    with Gradebook(this_class.db_url, COURSE) as gradebook:
        exporter.export(gradebook)
    return exporter.warnings
