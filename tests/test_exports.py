"""Exports for Canvas and Moodle, read back as their importers read them.

The gradebook is made with nbgrader's own functions. The readers below follow the importers' published source: the
columns they look for, how they find a student, what they do with an empty cell. They share no code with the exporters.
"""

import csv
import html
import io
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from nbgrader.api import Gradebook
from nbgrader.plugins import CsvExportPlugin

from racecourse.grading.classes.directory import ClassDirectory
from racecourse.grading.classes.exports import (
    EXPORTERS,
    CanvasExporter,
    CsvExporter,
    Exporter,
    MoodleExporter,
    MoodleWorksheetExporter,
    export_class,
)
from racecourse.grading.classes.making import new_class
from racecourse.grading.classes.rosters import Student, write_roster

ONE, TWO = "00_start_here", "01_transformers"
DUE = datetime(2026, 12, 1, 12, tzinfo=UTC)

ROSTER = [
    Student("al7", "Anna", "Lee", "anna.lee@uni.example", "12", "S-0012", "al7", "A"),  # late, and extra credit
    Student("bo", "Bo", 'O"Neil, Jr.', "bo@uni.example", "13", "0013", "bo", "A"),  # waits for a person
    Student("zm", "Zoë", "Müller", "ZM@uni.example", "14", "0014", "zm", "B"),  # nothing handed in
    Student("eve", '=HYPERLINK("http://x")', "@SUM(1)", "eve@uni.example", "15", "+4915", "eve", "-1"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of 8 + 2 points. Anna: 6 by checks, 2 by hand, 1 extra, 3 off for being late, so 6."""
    path = tmp_path_factory.mktemp("made") / "gradebook.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", sysconfig.get_path("scripts"), prepend=":")  # nbgrader starts `alembic`
        with Gradebook(f"sqlite:///{path}") as found:
            fill(found)
    return path


def fill(gradebook: Gradebook) -> None:
    for name in (ONE, TWO):
        gradebook.add_assignment(name, duedate=DUE)
        gradebook.add_notebook(name, name)
        gradebook.add_grade_cell("norm-hidden", name, name, max_score=8, cell_type="code")
        gradebook.add_grade_cell("question", name, name, max_score=2, cell_type="markdown")
        gradebook.add_solution_cell("norm", name, name)
        gradebook.add_solution_cell("question", name, name)
    for student in ROSTER:
        names = {"first_name": student.first_name, "last_name": student.last_name, "email": student.email}
        gradebook.add_student(student.id, lms_user_id=student.lms_id, **names)
    submit(gradebook, "al7", ONE, auto=6, by_hand=2, extra=1, penalty=3, late_s=7200)
    submit(gradebook, "bo", ONE, auto=8)
    submit(gradebook, "eve", ONE, auto=7.25, by_hand=0)
    submit(gradebook, "bo", TWO, auto=8, by_hand=2)


@pytest.fixture
def gradebook(made: Path, tmp_path: Path) -> Iterator[Gradebook]:
    """A copy that a test may change."""
    shutil.copy(made, tmp_path / "gradebook.db")
    with Gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as found:
        yield found


def submit(
    gradebook: Gradebook, student: str, name: str, *, auto: float, by_hand: float | None = None, extra: float = 0,
    penalty: float = 0, late_s: float = 0,
) -> None:  # fmt: skip
    gradebook.add_submission(name, student, timestamp=DUE + timedelta(seconds=late_s))
    code = gradebook.find_grade("norm-hidden", name, name, student)
    code.auto_score, code.needs_manual_grade, code.extra_credit = auto, False, extra or None
    written = gradebook.find_grade("question", name, name, student)
    written.manual_score, written.needs_manual_grade = by_hand, by_hand is None
    gradebook.find_submission_notebook(name, name, student).late_submission_penalty = penalty or None
    gradebook.db.commit()


def comment(gradebook: Gradebook, student: str, cell: str, *, auto: str = "", by_hand: str = "") -> None:
    found = gradebook.find_comment(cell, ONE, ONE, student)
    found.auto_comment, found.manual_comment = auto or None, by_hand or None
    gradebook.db.commit()


def exported(
    gradebook: Gradebook, kind: type[Exporter], folder: Path, roster: list[Student] | None = None, **options: Any
) -> tuple[str, list[str]]:
    """The file's text and the warnings."""
    write_roster(folder / "roster.csv", ROSTER if roster is None else roster)
    exporter = kind(to=str(folder / "out.csv"), roster=str(folder / "roster.csv"), **options)
    exporter.export(gradebook)
    return (folder / "out.csv").read_text(encoding="utf-8"), exporter.warnings


# ---- Readers, as the importers read ----------------------------------------------------------------------------------


class Canvas:
    """gradebook_importer.rb: the places of the columns, the row of points, whom a row is about."""

    def __init__(self, users: dict[int, Student], assignments: dict[int, str]) -> None:
        self.users, self.assignments = users, assignments
        self.points: dict[str, float] = {}
        self.grades: dict[str, dict[str, str]] = {}
        self.new_assignments: list[str] = []
        self.new_students: list[str] = []

    def read(self, text: str) -> None:
        rows = list(csv.reader(io.StringIO(text)))
        header = rows[0]
        assert len(header) > 3 and "Student" in header[0] and "ID" in header[1]
        assert re.search(r"SIS\s+User\s+ID", header[2]) and re.search(r"SIS\s+Login\s+ID", header[3])
        assert "Section" in header[4], "the last of the student's columns"
        titles = {index: self.assignment(title) for index, title in enumerate(header) if index > 4}
        for row in rows[1:]:
            assert len(row) == len(header)
            if "Points Possible" in row[0]:
                self.points = {title: float(row[index]) for index, title in titles.items()}
                continue
            student = self.student(row)
            self.grades[student] = {title: row[index].strip() for index, title in titles.items()}

    def assignment(self, title: str) -> str:
        found = re.fullmatch(r"(.*)\s\((\d+)\)", title)
        if found and int(found[2]) in self.assignments:
            return self.assignments[int(found[2])]
        if title not in self.assignments.values():
            self.new_assignments.append(title)
        return title

    def student(self, row: list[str]) -> str:
        name, number, sis, login = row[:4]
        if number.isdecimal() and int(number) in self.users:
            return self.users[int(number)].id
        for key, field in ((sis, "sis_id"), (login, "login")):
            if key and (found := [user.id for user in self.users.values() if getattr(user, field) == key]):
                return found[0]
        names = {f"{user.last_name}, {user.first_name}": user.id for user in self.users.values()}
        if name not in names:
            self.new_students.append(name)
        return names.get(name, name)


def read_canvas(text: str, assignments: dict[int, str] | None = None) -> Canvas:
    canvas = Canvas({int(student.lms_id): student for student in ROSTER}, assignments or {1: ONE, 2: TWO})
    canvas.read(text)
    return canvas


def read_moodle(text: str, map_from: str, field: str, users: list[Student] = ROSTER) -> dict[str, dict[str, str]]:
    """load_data.php: a row with an empty key goes to the student before, an unknown key stops everything."""
    header, *rows = list(csv.reader(io.StringIO(text)))
    assert all(len(row) == len(header) for row in rows)
    found: dict[str, dict[str, str]] = {}
    current = None
    for row in rows:
        line = dict(zip(header, row, strict=True))
        if line[map_from]:
            owners = [user.id for user in users if getattr(user, field) == line[map_from]]
            if len(owners) != 1:
                raise LookupError(f"no user with {field} {line[map_from]!r}: the import is given up")
            current = owners[0]
        assert current is not None
        assert current not in found, f"a second row for {current}"
        found[current] = {title: value for title, value in line.items() if title in (ONE, TWO)}
    return found


def read_worksheet(text: str) -> dict[int, dict[str, str]]:
    """importgradeslib.php: three columns must be there; the number follows the word Participant and a blank."""
    header, *rows = list(csv.reader(io.StringIO(text)))
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(header)
    found = {}
    for row in rows:
        line = dict(zip(header, row, strict=True))
        found[int(line["Identifier"].removeprefix("Participant "))] = line
    return found


def formulas(text: str) -> list[str]:
    """Cells that a spreadsheet would run."""
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    return [cell for cell in cells if re.match(r"\s*[=+@]|\s*-(?!\d+(\.\d+)?$)", cell) and cell != "-"]


# ---- The marks -------------------------------------------------------------------------------------------------------


def test_canvas_finds_students_assignments_points_and_marks(gradebook: Gradebook, tmp_path: Path) -> None:
    text, warnings = exported(gradebook, CanvasExporter, tmp_path, headings={TWO: "Second set (2)"})
    canvas = read_canvas(text, {1: ONE, 2: TWO})
    assert canvas.points == {ONE: 10.0, TWO: 10.0}
    assert canvas.grades == {
        "al7": {ONE: "6", TWO: ""},
        "bo": {ONE: "", TWO: "10"},
        "zm": {ONE: "", TWO: ""},
        "eve": {ONE: "7.25", TWO: ""},
    }
    assert not canvas.new_students and not canvas.new_assignments
    assert warnings == [f"{ONE} waits to be marked by hand, left empty: bo"]
    numbers = [row[1] for row in csv.reader(io.StringIO(text))]
    assert numbers == ["ID", "", "12", "13", "14", "15"], "the first thing that Canvas looks for"


def test_marks_are_nbgraders_own(gradebook: Gradebook, tmp_path: Path) -> None:
    """nbgrader's exporter is the witness, where it and ours mean the same: handed in and marked."""
    CsvExportPlugin(to=str(tmp_path / "theirs.csv")).export(gradebook)
    theirs = (tmp_path / "theirs.csv").read_text().splitlines()
    score = {tuple(line.split(",")[i] for i in (0, 3)): float(line.split(",")[-2]) for line in theirs if "al7" in line}
    ours = list(csv.DictReader(io.StringIO(exported(gradebook, CsvExporter, tmp_path)[0])))
    assert list(ours[0])[:-1] == theirs[0].split(",")
    (anna,) = [row for row in ours if (row["assignment"], row["student_id"]) == (ONE, "al7")]
    assert score[ONE, "al7"] == float(anna["score"]) == 6.0
    assert (anna["raw_score"], anna["late_submission_penalty"], anna["max_score"]) == ("9", "3", "10")
    states = {(row["assignment"], row["student_id"]): (row["score"], row["state"]) for row in ours}
    assert states[ONE, "bo"] == ("", "waiting") and states[ONE, "zm"] == ("", "missing")
    assert states[TWO, "bo"] == ("10", "marked") and len(states) == 8


def test_unmarked_and_missing_by_option(gradebook: Gradebook, tmp_path: Path) -> None:
    options = {"include_unmarked": True, "missing_as_zero": True, "assignment": [ONE]}
    text, warnings = exported(gradebook, CanvasExporter, tmp_path, **options)
    marks = {student: row[ONE] for student, row in read_canvas(text).grades.items()}
    assert marks == {"al7": "6", "bo": "8", "zm": "0", "eve": "7.25"}
    assert warnings == [f"{ONE} waits to be marked by hand, written all the same: bo"]


def test_a_penalty_never_goes_below_zero(gradebook: Gradebook, tmp_path: Path) -> None:
    submit(gradebook, "zm", ONE, auto=1, by_hand=0, penalty=5, late_s=99)
    assert read_canvas(exported(gradebook, CanvasExporter, tmp_path)[0]).grades["zm"][ONE] == "0"


def test_marks_out_of_other_points(gradebook: Gradebook, tmp_path: Path) -> None:
    canvas = read_canvas(exported(gradebook, CanvasExporter, tmp_path, out_of=25.0)[0])
    assert canvas.points[ONE] == 25.0
    assert canvas.grades["al7"][ONE] == "15" and canvas.grades["eve"][ONE] == "18.125"


def test_chosen_sets_and_students(gradebook: Gradebook, tmp_path: Path) -> None:
    text, _ = exported(gradebook, CanvasExporter, tmp_path, assignment=[TWO], student=["bo"])
    assert read_canvas(text).grades == {"bo": {TWO: "10"}}
    with pytest.raises(ValueError, match=r"99_none is not in the gradebook; there are 00_start_here, 01_transformers"):
        exported(gradebook, CanvasExporter, tmp_path, assignment=["99_none"])


# ---- Names, keys and formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CanvasExporter, MoodleExporter, CsvExporter])
def test_no_cell_is_a_formula(gradebook: Gradebook, tmp_path: Path, kind: type[Exporter]) -> None:
    text, _ = exported(gradebook, kind, tmp_path)
    assert formulas(text) == []
    assert "Zoë" in text or kind is CanvasExporter
    assert "Müller" in text and 'O""Neil' in text


def test_a_student_with_a_formula_for_a_key_is_found_by_another(gradebook: Gradebook, tmp_path: Path) -> None:
    """Eve's SIS id is +4915, which cannot be written; she has a number and a login besides."""
    for change in ({}, {"lms_id": ""}):
        roster = [*ROSTER[:3], Student(**{**vars(ROSTER[3]), **change})]
        text, warnings = exported(gradebook, CanvasExporter, tmp_path, roster)
        assert read_canvas(text).grades["eve"][ONE] == "7.25"
        assert not any("by their name only" in line for line in warnings)
    roster = [*ROSTER[:3], Student(**{**vars(ROSTER[3]), "lms_id": "", "login": "@eve"})]
    text, warnings = exported(gradebook, CanvasExporter, tmp_path, roster)
    assert formulas(text) == [] and any(line.endswith("put lms_id, sis_id or login on the roster for: eve")
                                        for line in warnings)  # fmt: skip


def test_canvas_by_each_key_alone(gradebook: Gradebook, tmp_path: Path) -> None:
    """Two people of one name, so that the name cannot help."""
    for field in ("lms_id", "sis_id", "login"):
        roster = [Student(one.id, "Same", "Name", **{field: getattr(one, field)}) for one in ROSTER[:3]]
        text, _ = exported(gradebook, CanvasExporter, tmp_path, roster)
        assert {who: row[ONE] for who, row in read_canvas(text).grades.items()} == {"al7": "6", "bo": "", "zm": ""}


def test_a_roster_of_ids_only(gradebook: Gradebook, tmp_path: Path) -> None:
    """Whether they are logins or the university's numbers, Canvas and Moodle find them."""
    bare = [Student(student.login) for student in ROSTER]
    canvas = read_canvas(exported(gradebook, CanvasExporter, tmp_path, bare)[0])
    assert canvas.grades["al7"][ONE] == "6" and not canvas.new_students
    text, _ = exported(gradebook, MoodleExporter, tmp_path, bare)
    assert read_moodle(text, "id", "login")["al7"] == {ONE: "6", TWO: ""}


def test_canvas_would_pass_over_some_titles(gradebook: Gradebook, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Canvas passes over a column titled 'Final Score of set 1'"):
        exported(gradebook, CanvasExporter, tmp_path, headings={ONE: "Final Score of set 1"})
    with pytest.raises(ValueError, match="two sets have the same column 'Homework'"):
        exported(gradebook, CanvasExporter, tmp_path, headings={ONE: "Homework", TWO: "Homework"})
    assert not (tmp_path / "out.csv").exists()


# ---- Moodle's gradebook ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "field"), [("Username", "login"), ("Email address", "email"), ("User ID", "lms_id"), ("id", "id")]
)
def test_moodle_by_each_key(gradebook: Gradebook, tmp_path: Path, column: str, field: str) -> None:
    text, _ = exported(gradebook, MoodleExporter, tmp_path)
    assert read_moodle(text, column, field) == {
        "al7": {ONE: "6", TWO: ""}, "bo": {ONE: "", TWO: "10"}, "zm": {ONE: "", TWO: ""}, "eve": {ONE: "7.25", TWO: ""},
    }  # fmt: skip
    header = text.splitlines()[0].split(",")
    assert "ID number" not in header, "Eve's cannot be written, and Moodle would give her marks to the row before"


def test_moodle_never_gets_a_row_without_its_key(gradebook: Gradebook, tmp_path: Path) -> None:
    """No key is everybody's own: the one that most have is kept, and who lacks it stays behind."""
    roster = [
        Student("al7", "Anna", "Lee", "same@uni.example", login="al7"),
        Student("bo", "Bo", "Oh", "same@uni.example", login="bo", sis_id="0013"),
        Student("eve", "Eve", "Em", "eve@uni.example", sis_id="=1"),
    ]
    text, warnings = exported(gradebook, MoodleExporter, tmp_path, roster, assignment=[ONE])
    header, *rows = list(csv.reader(io.StringIO(text)))
    assert header == ["First name", "Last name", "Username", "id", ONE]
    assert [row[2] for row in rows] == ["al7", "bo"]
    assert "not exported, because they have no Username of their own: eve" in warnings


def test_moodle_is_told_of_marks_above_its_limit(gradebook: Gradebook, tmp_path: Path) -> None:
    warnings = exported(gradebook, MoodleExporter, tmp_path, out_of=160.0)[1]
    assert any("marks above 100, up to 160" in line for line in warnings)
    assert not any("above 100" in line for line in exported(gradebook, MoodleExporter, tmp_path, out_of=100.0)[1])


def test_who_is_not_on_the_roster_stays_behind_by_name(gradebook: Gradebook, tmp_path: Path) -> None:
    for kind in (CanvasExporter, MoodleExporter):
        text, warnings = exported(gradebook, kind, tmp_path, ROSTER[:2])
        assert "eve" not in text
        assert "not exported, because they are not on the roster: eve, zm" in warnings


# ---- Moodle's worksheet ----------------------------------------------------------------------------------------------

WORKSHEET = """\
Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",\
"Last modified (submission)","Last modified (grade)","Feedback comments"
"Participant 901","Anna Lee",anna.lee@uni.example,"Submitted for grading",,10.00,Yes,\
"Tuesday, 1 December 2026, 3:00 PM",-,
"Participant 902","O""Neil, Jr. Bo",,"Submitted for grading",4.00,10.00,Yes,"Monday, 30 November 2026, 1:00 PM",\
"Monday, 30 November 2026, 2:00 PM",<p>seen</p>
"Participant 903","Zoë Müller",zm@uni.example,"No submission",,10.00,Yes,-,-,
"Participant 904",eve,EVE@uni.example,"Submitted for grading",1.00,10.00,No,-,-,
"Participant 905","Nobody Known",nobody@uni.example,"No submission",,10.00,Yes,-,-,
"""


def filled(gradebook: Gradebook, folder: Path, text: str = WORKSHEET, **options: Any) -> tuple[str, list[str]]:
    (folder / "worksheet.csv").write_text(text, encoding="utf-8")
    options = {"assignment": [ONE], "worksheet": str(folder / "worksheet.csv"), **options}
    return exported(gradebook, MoodleWorksheetExporter, folder, **options)


def test_the_worksheet_is_filled_in_and_otherwise_as_moodle_wrote_it(gradebook: Gradebook, tmp_path: Path) -> None:
    comment(gradebook, "al7", "norm", auto='weights: "x" < y\nand C:\\"')
    comment(gradebook, "al7", "question", auto="No response.", by_hand="=Good, but why?")
    text, warnings = filled(gradebook, tmp_path)
    before, after = read_worksheet(WORKSHEET), read_worksheet(text)
    assert after[901]["Grade"] == "6"
    said = after[901]["Feedback comments"].split("<br>")
    assert [html.unescape(line) for line in said] == [
        "6 of 10 points, after 3 for being late", 'norm: weights: "x" < y', 'and C:\\"', "question: =Good, but why?"
    ]  # fmt: skip
    assert '"' not in after[901]["Feedback comments"] and "\\" not in text, "PHP's reader takes \\ for a mark"
    assert {number: after[number] for number in (902, 903, 904, 905)} == {
        number: before[number] for number in (902, 903, 904, 905)
    }, "waiting, missing, locked and unknown stay"
    changed = {title for title in before[901] if before[901][title] != after[901][title]}
    assert changed == {"Grade", "Feedback comments"}
    assert formulas(text) == []
    said = "\n".join(warnings)
    assert "Moodle does not let these grades be changed: eve" in said and "Nobody Known" in said
    assert f"{ONE} waits to be marked by hand, left empty: bo" in said


def test_the_worksheet_by_name_alone_only_if_nobody_shares_it(gradebook: Gradebook, tmp_path: Path) -> None:
    text = filled(gradebook, tmp_path, include_unmarked=True)[0]
    assert read_worksheet(text)[902]["Grade"] == "8", "the family name first, and no e-mail address"
    twin = Student("bo2", "Bo", 'O"Neil, Jr.')
    write = [*ROSTER, twin]
    text, warnings = filled(gradebook, tmp_path, include_unmarked=True, roster=write)
    assert read_worksheet(text)[902]["Grade"] == "4.00"
    assert any('O"Neil, Jr. Bo' in line for line in warnings)
    assert "marked, but not in the worksheet: bo" in warnings


@pytest.mark.parametrize(("column", "field"), [("ID number", "sis_id"), ("Username", "login")])
def test_the_worksheet_by_other_keys(gradebook: Gradebook, tmp_path: Path, column: str, field: str) -> None:
    """A site may show these in the place of the address; the name is then not asked."""
    text = WORKSHEET.replace('"Email address"', f'"{column}"').replace(
        "anna.lee@uni.example", getattr(ROSTER[0], field)
    )
    assert read_worksheet(filled(gradebook, tmp_path, text.replace("Anna Lee", "A. L."))[0])[901]["Grade"] == "6"


def test_two_rows_for_one_student_are_left_alone(gradebook: Gradebook, tmp_path: Path) -> None:
    text = WORKSHEET.replace("nobody@uni.example", "anna.lee@uni.example")
    after, warnings = filled(gradebook, tmp_path, text)
    assert read_worksheet(after)[901] == read_worksheet(text)[901]
    assert any("Anna Lee, Nobody Known" in line for line in warnings)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("Identifier", "ID"), "has no column Identifier: download the worksheet again with Moodle's language set"),
        (("Last modified (grade)", "Zuletzt"), "has no column Last modified"),
        ((",10.00,", ",100.00,"), "in Moodle the assignment has at most 100.00 points, 00_start_here has 10"),
        (("-,-,\n", "-,-\n"), "is damaged: its lines differ in length"),
    ],
)
def test_a_worksheet_that_moodle_would_misread_is_refused(
    gradebook: Gradebook, tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        filled(gradebook, tmp_path, WORKSHEET.replace(*change))
    assert not (tmp_path / "out.csv").exists()


def test_a_worksheet_out_of_moodles_maximum(gradebook: Gradebook, tmp_path: Path) -> None:
    text, _ = filled(gradebook, tmp_path, WORKSHEET.replace(",10.00,", ",100.00,"), out_of=100.0)
    assert read_worksheet(text)[901]["Grade"] == "60"


def test_a_worksheet_is_of_one_set(gradebook: Gradebook, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a worksheet is of one assignment: name the set"):
        filled(gradebook, tmp_path, assignment=[])
    with pytest.raises(ValueError, match="Download grading worksheet"):
        filled(gradebook, tmp_path, worksheet="")


# ---- The class and the commands --------------------------------------------------------------------------------------


def test_a_class_is_exported_with_its_headings(gradebook: Gradebook, tmp_path: Path, root: Path) -> None:
    this_class = new_class(tmp_path / "class", root, sets=[ONE, TWO], roster=ROSTER)
    with pytest.raises(ValueError, match="no set has been graded yet"):
        export_class(this_class, "canvas", tmp_path / "x.csv")
    (tmp_path / "gradebook.db").rename(tmp_path / "class/gradebook.db")
    settings = tmp_path / "class/class.toml"
    settings.write_text(settings.read_text().replace(f"[sets.{TWO}]", f'[sets.{TWO}]\ncolumn = "Set 1 (2)"'))
    this_class = ClassDirectory.load(tmp_path / "class")
    assert set(EXPORTERS) == {"csv", "canvas", "moodle", "moodle-worksheet"}
    warnings = export_class(this_class, "canvas", tmp_path / "x.csv", sets=[TWO])
    assert read_canvas((tmp_path / "x.csv").read_text(), {2: TWO}).grades["bo"] == {TWO: "10"}
    assert warnings == [] and (tmp_path / "x.csv").stat().st_mode & 0o077 == 0, "marks are nobody else's business"


@pytest.mark.slow
def test_by_nbgraders_own_command(gradebook: Gradebook, tmp_path: Path) -> None:
    """`nbgrader export --exporter=...`, its options and its --assignment, in the folder of the roster."""
    write_roster(tmp_path / "roster.csv", ROSTER)
    (tmp_path / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.root = {str(tmp_path)!r}\n"
        f"c.CourseDirectory.db_url = 'sqlite:///{tmp_path / 'gradebook.db'}'\n"
        "c.Exporter.missing_as_zero = True\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "export", "--exporter=racecourse.grading.classes.exports.CanvasExporter",
         "--to", "canvas.csv", "--assignment", f"['{ONE}']"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    canvas = read_canvas((tmp_path / "canvas.csv").read_text())
    assert {student: row[ONE] for student, row in canvas.grades.items()} == {
        "al7": "6", "bo": "", "zm": "0", "eve": "7.25",
    }  # fmt: skip
    assert f"{ONE} waits to be marked by hand, left empty: bo" in done.stderr + done.stdout
