"""A class goes on with a newer version of the course: first what would change, then, with a backup, the change.

A set is compared cell by cell, in its source, so that versions which nobody else has are compared, too. Submissions and
marks are not touched: what a change touches is graded again by the next `racecourse grade`, where
`nbgrader generate_assignment` would refuse a set with other cells. Left out: bringing the newer course to this machine
(git, or a second clone), and going back (`class upgrade --course OLD`, and the backup).
"""

from __future__ import annotations

import contextlib
import re
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from racecourse.grading import variants
from racecourse.grading.autograde import write_at_once
from racecourse.grading.classes.directory import ROSTER, SETTINGS, ClassDirectory, course_version, with_setting
from racecourse.grading.integrity import grade_id_of, is_answer, is_test, is_written

SOLUTION = re.compile(r"(?ms)^[ \t]*### BEGIN SOLUTION.*?### END SOLUTION$")  # nbgrader's marks


@dataclass
class SetChange:
    """What differs between the set that a class has and the course's; each is a list of grade_ids."""

    name: str
    is_gone: bool = False  # the course has no such set any more
    texts: list[str] = field(default_factory=list)
    stubs: list[str] = field(default_factory=list)  # what students get to fill in
    solutions: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    points: list[str] = field(default_factory=list)  # "GRADE_ID: 3 -> 4"
    new: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    gone_with_marks: list[str] = field(default_factory=list)  # given by hand
    impossible: dict[str, list[str]] = field(default_factory=dict)  # student -> why their version is no longer one
    is_other: bool = False  # any file of it differs

    @property
    def concerns_students(self) -> bool:
        """Whether what was handed out is no longer what the course has."""
        return bool(self.texts or self.stubs or self.new or self.gone)


def changes(this_class: ClassDirectory, root: Path) -> list[SetChange]:
    """What the course at `root` would change in the sets that the class has handed out or graded."""
    from racecourse.grading.gradebook import cells_marked_by_hand

    by_hand = cells_marked_by_hand(this_class.db_url)
    newer = this_class.model_copy(update={"course": root})
    return [change_of(newer, name, by_hand.get(name, set())) for name in this_class.sets if this_class.has_copy(name)]


def change_of(newer: ClassDirectory, name: str, by_hand: set[str]) -> SetChange:
    if not newer.is_in_course(name):
        return SetChange(name, is_gone=True)
    change = SetChange(name, is_other=not newer.is_current(name))
    before, after = _cells(newer.folder / "source" / name / f"{name}.py"), _cells(newer.source_of(name))
    for grade_id in before.keys() & after.keys():
        old, new = before[grade_id], after[grade_id]
        if _points(old) != _points(new):
            change.points.append(f"{grade_id}: {_points(old):g} -> {_points(new):g}")
        if _stub(old) != _stub(new):
            change.stubs.append(grade_id)
        elif old.source != new.source:
            kind = change.tests if is_test(new) else change.solutions if is_answer(new) else change.texts
            kind.append(grade_id)
    change.new, change.gone = sorted(after.keys() - before.keys()), sorted(before.keys() - after.keys())
    change.gone_with_marks = sorted(by_hand - after.keys())
    for kind in (change.texts, change.stubs, change.solutions, change.tests, change.points):
        kind.sort()
    change.impossible = impossible_draws(newer, name)
    return change


def impossible_draws(newer: ClassDirectory, name: str) -> dict[str, list[str]]:
    """Students whose version the course can no longer make; a parameter that is new has its public value for them."""
    parameters = variants.parameters_of(newer.source_of(name))
    public = variants.public_values(parameters)
    drawn = newer.classroom(name).draws()
    found = {student: variants.still_possible(parameters, public | values) for student, values in drawn.items()}
    return {student: problems for student, problems in found.items() if problems}


def _cells(source: Path) -> dict[str, Any]:
    """The labelled cells of a set's source, with all of its versions in them."""
    import jupytext

    notebook = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent")
    return {grade_id_of(cell): cell for cell in notebook.cells if grade_id_of(cell)}


def _stub(cell: Any) -> str:
    """What students get of an answer cell; of a written question nothing, its text is the mark scheme."""
    if not is_answer(cell) or is_written(cell):
        return ""
    return SOLUTION.sub("", cell.source)


def _points(cell: Any) -> float:
    return float(cell.metadata.nbgrader.get("points") or 0)


def upgrade(this_class: ClassDirectory, root: Path, *, redraw: bool = False) -> Path:
    """Take the course at `root` over, and return the folder of the backup.

    With `redraw` students whose version can no longer be made get another.

    Raises:
        ValueError: there are such students, and `redraw` is not given; nothing was changed.
        BusyError: a grading is running.
    """
    from racecourse.grading.gradebook import Marks, is_there

    newer = this_class.model_copy(update={"course": root})
    there = [one.name for one in changes(this_class, root) if not one.is_gone]
    impossible = {name: students for name in there if (students := impossible_draws(newer, name))}
    if impossible and not redraw:
        whose = "; ".join(f"{name}: {', '.join(students)}" for name, students in impossible.items())
        raise ValueError(
            f"the course can no longer make the version of the set that some students have ({whose}), so nothing was "
            "changed: keep those values in the course's source, or give these students another version with --redraw"
        )
    with contextlib.ExitStack() as stack:
        if is_there(this_class.db_url):
            stack.enter_context(Marks(this_class.db_url))  # nobody grades meanwhile
        backup = back_up(this_class)
        for name, students in impossible.items():
            redraw_for(newer, name, students)
        for name in there:
            newer.copy_set(name)
        settings = this_class.folder / SETTINGS  # last: until then the class is on its old version
        text = with_setting(settings.read_text(encoding="utf-8"), "course", str(root))
        write_at_once(settings, with_setting(text, "version", course_version(root)), mode=0o600)
    return backup


def redraw_for(newer: ClassDirectory, name: str, students: Mapping[str, Any]) -> None:
    classroom = newer.classroom(name)
    kept = {student: values for student, values in classroom.draws().items() if student not in students}
    classroom.write_draws(kept)
    classroom.draw_for(students)


def back_up(this_class: ClassDirectory) -> Path:
    """Copy gradebook (if it is a file), settings, roster and draws into a folder of their own."""
    folder = this_class.folder / "backups" / f"{datetime.now():%Y-%m-%dT%H-%M-%S-%f}"
    (folder / "variants").mkdir(parents=True)
    for name in (SETTINGS, ROSTER):
        if (this_class.folder / name).is_file():
            shutil.copyfile(this_class.folder / name, folder / name)
    for path in this_class.folder.glob("variants/*.json"):
        shutil.copyfile(path, folder / "variants" / path.name)
    if database := database_file(this_class.db_url):
        with (
            contextlib.closing(sqlite3.connect(database)) as source,
            contextlib.closing(sqlite3.connect(folder / "gradebook.db")) as target,
        ):
            source.backup(target)
    return folder


def database_file(db_url: str) -> Path | None:
    """The file of an SQLite gradebook that is there; None for a server's, or before the first grading."""
    from sqlalchemy import make_url

    url = make_url(db_url)
    path = Path(url.database or "")
    return path if url.get_backend_name() == "sqlite" and path.is_file() else None
