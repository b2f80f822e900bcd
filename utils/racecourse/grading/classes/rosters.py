"""Who is in a class: one line per student in roster.csv, read from what registrars, Canvas and Moodle export.

The first line names the columns, in any order and under the names that those systems use (`COLUMNS`). A class's own
roster.csv has the columns of `Student`. Left out: spreadsheets (.xlsx; save them as CSV), and files in UTF-16.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from racecourse.grading.intake.finding import safe


@dataclass(frozen=True)
class Student:
    """One line of a roster. Only the id is sure to be there."""

    id: str  # nbgrader's; safe for a file name
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""  # the number that Canvas or Moodle gave them
    sis_id: str = ""  # of the university
    login: str = ""
    section: str = ""

    @property
    def name(self) -> str:
        """As a person would say it; the id, if no name is known."""
        return f"{self.first_name} {self.last_name}".strip() or self.id


FIELDS = tuple(field.name for field in dataclasses.fields(Student))

# A column's name without case, blanks and punctuation -> where its values go.
COLUMNS = {
    "id": ("id", "studentid"),
    "login": ("login", "loginid", "username", "user", "netid", "sisloginid"),
    "sis_id": ("sisid", "sisuserid", "idnumber", "studentnumber"),
    "lms_id": ("lmsid", "lmsuserid", "canvasid", "canvasuserid", "moodleid"),
    "email": ("email", "emailaddress", "mail"),
    "first_name": ("firstname", "givenname", "forename"),
    "last_name": ("lastname", "surname", "familyname"),
    "full_name": ("name", "fullname", "student", "studentname"),
    "section": ("section", "sections", "group", "groups"),
}
MEANT = {name: field for field, names in COLUMNS.items() for name in names}
IDS = ("id", "login", "sis_id", "lms_id", "email")  # the first of these that a file has becomes nbgrader's student id
CANVAS_ONLY = {"sisuserid", "sisloginid"}  # beside one of these, "ID" is Canvas's own number
CANVAS_TEST_STUDENT = "Student, Test"


def read_roster(path: Path) -> list[Student]:
    """The students of a CSV file, in its order.

    Raises:
        ValueError: the file is no such table, or a line has no id or one that another line has.
    """
    lines = _text(path).splitlines(keepends=True)
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=_separator(lines[0] if lines else ""))
    try:
        header = _fields(next(reader, []), path)
        rows = [(reader.line_num, _row(header, cells)) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}; save it as CSV again") from error
    is_canvas = "canvas" in header
    if is_canvas:  # rows of points, and the student whom Canvas invents
        rows = [(n, row) for n, row in rows if row["lms_id"] and row["full_name"] != CANVAS_TEST_STUDENT]
    key = next((field for field in IDS if any(row.get(field) for _, row in rows)), "id")
    students: dict[str, Student] = {}
    seen_at: dict[str, int] = {}
    for line, row in rows:
        student = _student(row, key, f"{path}, line {line}")
        if student.id in students:
            raise ValueError(
                f"{path}, line {line}: the id {student.id!r} is that of line {seen_at[student.id]}, too; "
                "every student needs an id of their own"
            )
        students[student.id], seen_at[student.id] = student, line
    return list(students.values())


def write_roster(path: Path, students: Iterable[Student]) -> None:
    """The whole file or none of it."""
    from racecourse.grading.autograde import write_at_once

    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(student) for student in students)
    write_at_once(path, text.getvalue(), mode=0o600)


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252")  # what a spreadsheet on Windows writes
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is neither UTF-8 nor Windows text; save it as 'CSV UTF-8'") from error


def _separator(header: str) -> str:
    """The one that occurs most in the line of column names: a name has none of them."""
    return max(",;\t", key=header.count)


def _fields(names: list[str], path: Path) -> list[str]:
    """For each column the field that it is for; "" for one that is of no use here."""
    plain = [re.sub(r"[\W_]+", "", name).lower() for name in names]
    fields = [MEANT.get(name, "") for name in plain]
    if CANVAS_ONLY & set(plain) and "id" in plain:
        fields[plain.index("id")] = "lms_id"
        fields.append("canvas")
    if not set(IDS) & set(fields):
        shown = ", ".join(repr(name) for name in names[:8]) or "an empty line"
        raise ValueError(
            f"{path}: its first line must name the columns, one of them 'id' (or 'Student ID', 'Username', "
            f"'ID number', 'SIS User ID', 'Email address'); it has {shown}"
        )
    return fields


def _row(fields: list[str], cells: list[str]) -> dict[str, str]:
    """The first filled cell of each field."""
    row = {field: "" for field in fields}
    for field, cell in zip(fields, cells, strict=False):
        row[field] = row[field] or cell.strip()
    return row


def _student(row: dict[str, str], key: str, where: str) -> Student:
    student_id = safe(row[key])
    if not student_id:
        raise ValueError(f"{where}: there is no id in the column for {key!r}; give them one, or delete the line")
    values = {field: row.get(field, "") for field in FIELDS} | {"id": student_id}
    if not values["first_name"] and not values["last_name"]:
        values["first_name"], values["last_name"] = _two_names(row.get("full_name", ""))
    if key == "id" and row["id"] != student_id:
        values["sis_id"] = values["sis_id"] or row["id"]  # as the registrar writes it
    return Student(**values)


def _two_names(name: str) -> tuple[str, str]:
    """First and last name.

    >>> _two_names("Lovelace, Ada")
    ('Ada', 'Lovelace')
    >>> _two_names("Ada King Lovelace")
    ('Ada King', 'Lovelace')
    """
    if "," in name:
        last, first = name.split(",", 1)
    else:
        first, _, last = name.rpartition(" ")
    return first.strip(), last.strip()


@dataclass(frozen=True)
class RosterChange:
    """What a newer list of students changes."""

    after: list[Student]  # everybody who was or is in it
    added: list[Student]
    changed: list[Student]
    absent: list[Student]  # were in the class, and are not in the newer list


def merged(before: Iterable[Student], newer: Iterable[Student]) -> RosterChange:
    """What the newer list says, which may have fewer columns, and what it does not say stays."""
    old, new = {one.id: one for one in before}, {one.id: one for one in newer}
    after = old | {student_id: _updated(old.get(student_id), one) for student_id, one in new.items()}
    return RosterChange(
        after=list(after.values()),
        added=[one for one in after.values() if one.id not in old],
        changed=[one for one in after.values() if one.id in old and one != old[one.id]],
        absent=[one for one in old.values() if one.id not in new],
    )


def _updated(old: Student | None, new: Student) -> Student:
    if old is None:
        return new
    return dataclasses.replace(old, **{field: value for field, value in dataclasses.asdict(new).items() if value})
