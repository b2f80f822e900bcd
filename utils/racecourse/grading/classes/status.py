"""How a class stands: for each set and student what is handed in, graded, refused, late or waits for a person.

Read from the files and the gradebook as they are; nothing is changed. Left out: marks (`racecourse class export`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from racecourse.grading.autograde import Classroom, Options, key_of
from racecourse.grading.classes.directory import ClassDirectory

if TYPE_CHECKING:
    from racecourse.grading.gradebook import Standing

State = Literal["missing", "to grade", "refused", "graded"]


@dataclass(frozen=True)
class Work:
    """What there is of one student in one set."""

    student: str
    state: State
    is_late: bool = False
    by_hand: bool = False  # a person has to give marks
    is_known: bool = True  # on the roster


@dataclass(frozen=True)
class SetStatus:
    """How one set stands."""

    name: str
    due: datetime | None
    works: list[Work]
    is_released: bool
    is_current: bool  # False: the course's set has changed since the class took it over

    def count(self, wanted: Callable[[Work], bool]) -> int:
        return sum(map(wanted, self.works))

    def n(self, state: State) -> int:
        return self.count(lambda work: work.state == state)

    @property
    def n_handed_in(self) -> int:
        return len(self.works) - self.n("missing")

    @property
    def next_step(self) -> str:
        """What the instructor does next, in one line."""
        n_by_hand = self.count(lambda work: work.by_hand)
        if not self.is_current:
            return "the course's set has changed: racecourse class upgrade"
        if n := self.n("to grade"):
            return f"grade {n}: racecourse grade {self.name}"
        if not self.is_released:
            return f"hand it out: racecourse class release {self.name}"
        if not self.n_handed_in:
            return "wait for submissions"
        if n_by_hand:
            return f"mark {n_by_hand} by hand: nbgrader's formgrader"
        if n := self.n("refused"):
            return f"ask {n} for a file that can be read: racecourse class status --students"
        return "give marks out: racecourse class export"


def status(this_class: ClassDirectory) -> list[SetStatus]:
    """Every set of the class, in order."""
    from racecourse.grading.gradebook import standings

    standing = standings(this_class.db_url)
    return [set_status(this_class, name, standing) for name in this_class.sets]


def set_status(this_class: ClassDirectory, name: str, standing: Mapping[tuple[str, str], Standing]) -> SetStatus:
    classroom = this_class.classroom(name)
    roster = {student.id for student in this_class.roster()}
    due = this_class.due(name)
    handed_in = {path.parent.parent.name: path for path in sorted(classroom.submitted.glob(f"*/{name}/{name}.ipynb"))}
    there = this_class.is_in_course(name)
    draws, options = classroom.draws(), Options(classroom.root, secret=classroom.secret())
    works = []
    for student in sorted(roster | set(handed_in)):
        row = standing.get((name, student))
        path = handed_in.get(student)
        if path is None:
            works.append(Work(student, "missing"))
            continue
        state = state_of(classroom, student, path.read_bytes(), options.of(draws.get(student))) if there else "to grade"
        by_hand = state == "graded" and row is not None and row.by_hand
        works.append(Work(student, state, is_late(path, due, row), by_hand, student in roster))
    is_current = there and (not this_class.has_copy(name) or this_class.is_current(name))
    return SetStatus(name, due, works, there and this_class.is_released(name), is_current)


def state_of(classroom: Classroom, student: str, data: bytes, options: Options) -> State:
    """Whether `racecourse grade` would grade this file again, and what came of it before."""
    path = classroom.records / f"{student}.json"
    if not path.is_file():
        return "to grade"
    said = json.loads(path.read_text(encoding="utf-8"))
    if said["key"] != key_of(classroom.name, data, options.as_in(said)):
        return "to grade"
    return "refused" if said["report"]["refused"] else "graded"


def is_late(path: Path, due: datetime | None, row: Standing | None) -> bool:
    """By the moment beside the file, the due date and the student's extension in the gradebook."""
    from nbgrader.utils import parse_utc

    stamp = path.with_name("timestamp.txt")
    if due is None or not stamp.is_file():
        return row is not None and row.seconds_late > 0
    last = due.astimezone(UTC).replace(tzinfo=None)  # nbgrader keeps UTC without saying so
    if row is not None and row.extension is not None:
        last += row.extension
    return parse_utc(stamp.read_text().strip()) > last
