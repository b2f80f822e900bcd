"""Delete what a class holds of one student, or of all: files, rows of the gradebook, the roster's line, backups too.

Everything can be run again after an interruption: the roster's line goes last. Left out: what lies outside of the
class's directory and its exchange (LMS, hub, mail, copies of the disk), and old rows in the files of a PostgreSQL
server, which its VACUUM overwrites in time.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from racecourse.grading.autograde import write_at_once
from racecourse.grading.classes.directory import ROSTER, ClassDirectory, write_roster
from racecourse.grading.classes.upgrading import database_file
from racecourse.grading.intake.finding import safe

OF_STUDENTS = ("submitted", "autograded", "feedback")  # each has a folder per student
ALL_OF_IT = (*OF_STUDENTS, "records", "reports", "variants", "backups", "secret")


def forget(this_class: ClassDirectory, student: str) -> list[str]:
    """Delete one student and say what was deleted.

    Raises:
        ValueError: nothing of such a student is here.
        BusyError: a grading is running.
    """
    if student not in (there := known_students(this_class)):
        raise ValueError(f"nothing of a student {student!r} is here; there are {', '.join(sorted(there)) or 'none'}")
    said = [*_forget_in_gradebooks(this_class, [student]), *_delete(_files_of(this_class, student), this_class.folder)]
    said += [f"the version drawn in {path}" for path in _forget_draws(this_class.folder, student)]
    said += _delete(this_class.folder.glob("reports/*.html"), this_class.folder)  # the next grading makes them again
    said += [f"their line in {path}" for path in _forget_in_rosters(this_class.folder, student)]
    return said


def forget_everyone(this_class: ClassDirectory) -> list[str]:
    """Delete all students; what is left is the class's settings and the sets."""
    said = _forget_in_gradebooks(this_class, None)
    exchange = _exchange(this_class)
    shared = [exchange / part for part in ("inbound", "feedback", "variants")] if exchange else []
    said += _delete([this_class.folder / part for part in ALL_OF_IT] + shared, this_class.folder)
    write_roster(this_class.folder / ROSTER, [])
    return [*said, f"all lines of {ROSTER}"]


def known_students(this_class: ClassDirectory) -> set[str]:
    """Everybody of whom something is here."""
    from racecourse.grading.gradebook import student_ids

    folder = this_class.folder
    found = {student.id for student in this_class.roster()} | student_ids(this_class.db_url)
    found |= {path.name for part in OF_STUDENTS for path in folder.glob(f"{part}/*") if path.is_dir()}
    found |= {path.stem for part in ("records/*/*.json", "variants/*/*.ipynb") for path in folder.glob(part)}
    for path in folder.glob("variants/*.json"):
        found |= set(json.loads(path.read_text(encoding="utf-8")))
    if exchange := _exchange(this_class):
        found |= {path.name.split("+")[0] for path in exchange.glob("inbound/*+*")}
    return {student for student in found if student == safe(student)}  # others are files that a killed process left


def mentions(this_class: ClassDirectory, student: str) -> list[Path]:
    """Files that a person put into the class's folder, and that still hold the student's id or name it."""
    word = re.compile(rb"(?<![\w.-])" + re.escape(student.encode()) + rb"(?![\w.-])")
    ours = {*ALL_OF_IT, "source", "release"}
    return [
        path
        for path in sorted(this_class.folder.rglob("*"))
        if path.relative_to(this_class.folder).parts[0] not in ours
        and path.is_file()
        and not path.name.startswith("gradebook.db")
        and (word.search(path.name.encode()) or word.search(path.read_bytes()))
    ]


def _forget_in_gradebooks(this_class: ClassDirectory, students: list[str] | None) -> list[str]:
    """In the class's own and in those of its backups; None: all students."""
    from racecourse.grading.gradebook import Marks, is_there

    urls = [this_class.db_url] if is_there(this_class.db_url) else []
    urls += [f"sqlite:///{path}" for path in sorted(this_class.folder.glob("backups/*/gradebook.db"))]
    said = []
    for url in urls:
        with Marks(url) as marks:
            n_rows = marks.forget(students)
        if database := database_file(url):
            with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as connection:
                connection.execute("VACUUM")  # deleted rows are overwritten only here
        if n_rows:
            where = database.relative_to(this_class.folder) if database else "the gradebook"
            said.append(f"{n_rows} rows of {where}")
    return said


def _files_of(this_class: ClassDirectory, student: str) -> Iterator[Path]:
    folder = this_class.folder
    yield from (folder / part / student for part in OF_STUDENTS)
    for place in (*folder.glob("records/*"), *folder.glob("variants/*/")):
        yield from (path for path in place.glob("*") if path.stem == student)
        yield from place.glob(f".{student}.*")  # what a killed grading left
    if exchange := _exchange(this_class):
        yield from exchange.glob(f"inbound/{student}+*")
        yield from exchange.glob(f"variants/*/{student}.ipynb")
        yield from _feedback_in(exchange, folder, student)


def _feedback_in(exchange: Path, folder: Path, student: str) -> Iterator[Path]:
    """Pages that went back through the exchange, under names that follow from what the student handed in."""
    from nbgrader.utils import notebook_hash

    secrets = {path: path.parent.name for path in folder.glob(f"submitted/{student}/*/submission_secret.txt")}
    handed_in = exchange.glob(f"inbound/{student}+*/submission_secret.txt")
    secrets |= {path: path.parent.name.removeprefix(f"{student}+").rsplit("+", 2)[0] for path in handed_in}
    for path, name in secrets.items():
        yield exchange / "feedback" / f"{notebook_hash(secret=path.read_text(), notebook_id=name)}.html"


def _exchange(this_class: ClassDirectory) -> Path | None:
    """The class's folder in nbgrader's exchange."""
    return Path(this_class.exchange) / this_class.course_id if this_class.exchange else None


def _delete(paths: Iterable[Path], folder: Path) -> list[str]:
    """Delete files and folders; a line for each that was there."""
    said = []
    for path in list(paths):
        if not path.exists():
            continue
        shown = path.relative_to(folder) if path.is_relative_to(folder) else path
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except PermissionError:
            said.append(f"NOT {shown}: it belongs to somebody else; let the server's administrator delete it")
        else:
            said.append(str(shown))
    return said


def _forget_draws(folder: Path, student: str) -> list[Path]:
    found = []
    for path in sorted([*folder.glob("variants/*.json"), *folder.glob("backups/*/variants/*.json")]):
        drawn = json.loads(path.read_text(encoding="utf-8"))
        if drawn.pop(student, None) is not None:
            write_at_once(path, json.dumps(drawn, ensure_ascii=False, indent=1), mode=0o600)
            found.append(path.relative_to(folder))
    return found


def _forget_in_rosters(folder: Path, student: str) -> list[Path]:
    from racecourse.grading.classes.rosters import read_roster

    found = []
    for path in sorted([*folder.glob(f"backups/*/{ROSTER}"), *folder.glob(ROSTER)]):
        students = read_roster(path)
        if any(one.id == student for one in students):
            write_roster(path, [one for one in students if one.id != student])
            found.append(path.relative_to(folder))
    return found
