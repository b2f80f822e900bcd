"""What a learner has done: events in a small file on this machine, from which all else is computed. Nothing is sent.

Each event has an id of its own and is never changed, so two machines' records join into their union, in any order and
as often as one likes. The columns stay as they are for ever: what a later version has to say more goes into `data`,
and kinds of event that a version does not know it keeps and passes on. What the learner writes is not kept.
`RACECOURSE_PROGRESS` names another file, or is `off`. Left out: marks (grading/), and other people's progress.
"""

from __future__ import annotations

import html
import json
import math
import os
import sqlite3
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from racecourse.learn.contents import Lesson, Task, contents
from racecourse.learn.tables import text_table

FORMAT = "racecourse progress 1"  # of an exported file
COLUMNS = ("id", "at", "version", "kind", "notebook", "name", "data")
TABLE = """CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY, at REAL NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL,
    notebook TEXT NOT NULL, name TEXT NOT NULL, data TEXT NOT NULL)"""
WAIT_SECONDS = 20  # for another notebook that is writing
LARGEST = 1e12  # of any number here: beyond every clock, and NaN is not below it
PAUSE_SECONDS = 300  # between two cells: longer, and the learner was away
DRIVE = Path("/content/drive")
KEPT = DRIVE / "MyDrive/racecourse/progress.json"

_said: set[str] = set()  # sentences about a file that cannot be used: once each
_on_drive: list[Path] = []  # where each event is exported to, once the learner has asked for it


class Event(NamedTuple):
    """Something that the learner did."""

    id: str
    at: float  # seconds since 1970, UTC
    version: str  # of the package
    kind: str  # cell, check, hint, solution, quiz, graded; a later version may know more
    notebook: str  # 01_transformers
    name: str  # of the exercise or quiz; `code_id` of a cell
    data: dict[str, Any]

    def number(self, key: str) -> float:
        """A number of `data`; 0 where there is none, or something else."""
        value = self.data.get(key)
        return float(value) if isinstance(value, (int, float)) and abs(value) < LARGEST else 0.0


# --------------------------------------------------------------------------------------------------------- the file


def progress_file() -> Path | None:
    """Where events are kept; None where the learner, or a grader, wants none kept."""
    wish = os.environ.get("RACECOURSE_PROGRESS", "")
    if wish.lower() == "off" or "NBGRADER_EXECUTION" in os.environ:  # nbgrader runs other people's notebooks
        return None
    if wish:
        return Path(wish).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return base / "racecourse/progress.db"


@contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=WAIT_SECONDS)) as file, file:  # the inner `with` commits
        file.text_factory = lambda raw: raw.decode(errors="replace")  # one bad byte hides no other event
        file.execute(TABLE)
        yield file


def _use(work: Any) -> Any:
    """`work(file)`'s result; None where there is no file that can be used. A damaged one is moved aside."""
    path = progress_file()
    if path is None:
        return None
    try:
        try:
            with _open(path) as file:
                return work(file)
        except sqlite3.OperationalError:  # locked, read-only, full
            raise
        except (sqlite3.DatabaseError, UnicodeDecodeError):  # no database, or one that a failing disk has damaged
            aside = path.with_name(f"{path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}")
            path.rename(aside)
            _say(f"Your progress could not be read. The file is kept as {aside}, and a new one begun.")
            with _open(path) as file:
                return work(file)
    except (sqlite3.Error, OSError) as problem:
        _say(f"Your progress cannot be kept in {path} ({problem}). All else works.")
        return None


def _say(sentence: str) -> None:
    if sentence not in _said:
        _said.add(sentence)
        print(sentence)


def record(*, kind: str, notebook: str, name: str, data: dict[str, Any] | None = None) -> None:
    """Keep one event. Where that cannot be done, one sentence says so, and the caller goes on."""
    try:
        version = metadata.version("racecourse")
    except metadata.PackageNotFoundError:
        version = ""
    event = Event(uuid.uuid4().hex, time.time(), version, kind, notebook, name, data or {})
    _use(lambda file: _write(file, [event]))
    if _on_drive and kind != "cell":
        _keep(_on_drive[0])


def _write(file: sqlite3.Connection, found: Iterable[Event]) -> int:
    """How many of the events are new here."""
    rows = [(*event[:-1], json.dumps(event.data, sort_keys=True)) for event in found]
    before = file.total_changes
    file.executemany(f"INSERT OR IGNORE INTO events ({', '.join(COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return file.total_changes - before


def events() -> list[Event]:
    """All that is kept and can be read, the oldest first."""
    select = f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY at, id"
    rows = _use(lambda file: file.execute(select).fetchall()) or []
    return [event for row in rows if (event := _readable(row)) is not None]


def _readable(row: tuple[Any, ...]) -> Event | None:
    """A row's event; None where a failing disk has changed it, since the others are still good."""
    try:
        return _checked(dict(zip(COLUMNS, [*row[:-1], json.loads(row[-1])], strict=True)))
    except (ValueError, TypeError):
        return None


# ---------------------------------------------------------------------------------------- to another machine and back


def export(path: Path | str) -> int:
    """Write all events into one file, to be imported on another machine; how many they are."""
    found = events()
    shape = {"format": FORMAT, "events": [event._asdict() for event in found]}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(shape, indent=1) + "\n", encoding="utf-8")
    part.replace(path)  # never half a file, whatever happens
    return len(found)


def import_(path: Path | str) -> int:
    """Add the events of an exported file to those here; how many are new. Twice is the same as once.

    Raises:
        ValueError: no exported progress, with the reason; nothing is taken from it then.
        OSError: the file cannot be read, or events cannot be kept here.
    """
    try:
        shape = json.loads(Path(path).read_text(encoding="utf-8"))
        if shape["format"] != FORMAT:
            raise ValueError(f"its format is {shape['format']!r}, and this version reads {FORMAT!r}")
        found = [_checked(entry) for entry in shape["events"]]
    except (ValueError, TypeError, KeyError) as problem:
        raise ValueError(f"{path} is no exported progress: {problem}") from problem
    if progress_file() is None:
        raise OSError("RACECOURSE_PROGRESS is off: there is nowhere to put it")
    new = _use(lambda file: _write(file, found))
    if new is None:
        raise OSError(f"nothing could be written to {progress_file()}")
    return new


def _checked(entry: dict[str, Any]) -> Event:
    event = Event(**{name: entry[name] for name in COLUMNS})
    texts = (event.id, event.version, event.kind, event.notebook, event.name)
    if not all(isinstance(text, str) for text in texts) or not event.id or not isinstance(event.data, dict):
        raise ValueError(f"this is no event: {str(entry)[:100]}")
    if isinstance(event.at, bool) or not isinstance(event.at, (int, float)) or not abs(event.at) < LARGEST:
        raise ValueError(f"{str(event.at)[:100]} is no time")
    return event._replace(at=float(event.at))


def keep_on_drive() -> None:
    """On Colab: keep progress in your Google Drive from now on, and take over what lies there. It asks Google first."""
    from racecourse.learn.setup import is_colab

    if not is_colab():
        print(f"Not needed here: your progress stays on this machine, in {progress_file() or 'no file (it is off)'}.")
        return
    from google.colab import drive

    drive.mount(str(DRIVE))
    _keep(KEPT)
    _on_drive[:] = [KEPT]
    print(f"Kept in {KEPT} from now on: {len(events())} events. In a new session, run this cell again.")


def _keep(path: Path) -> None:
    """Join what lies in `path` with what is here, in both places: another session may have written there."""
    try:
        if path.is_file():
            import_(path)
        export(path)
    except (ValueError, OSError) as problem:
        _say(f"Progress could not be kept in {path}: {problem}. It is still on this machine.")


# --------------------------------------------------------------------------------------------------- what it adds up to


@dataclass
class TaskState:
    """One exercise, as far as the learner has come."""

    task: Task
    tries: int = 0  # checks that the answer did not pass
    passed: bool = False  # the check in the notebook
    hints: int = 0
    saw_solution: bool = False
    points: float = 0.0  # by the check in the notebook, or by `racecourse check`

    @property
    def total(self) -> float:
        return self.task.visible + self.task.hidden

    @property
    def touched(self) -> bool:
        return bool(self.tries or self.passed or self.hints or self.saw_solution or self.points)


@dataclass
class LessonState:
    """One lesson and its set."""

    lesson: Lesson
    cells: set[str] = field(default_factory=set)  # of the lesson, that were run as they stand
    is_done: bool = False  # its last cell was run
    seconds: float = 0.0  # at work, in the lesson and its set
    tasks: dict[str, TaskState] = field(default_factory=dict)
    quizzes: dict[str, bool] = field(default_factory=dict)  # answered, and whether rightly at last

    @property
    def n_passed(self) -> int:
        return sum(task.passed for task in self.tasks.values())

    @property
    def points(self) -> float:
        return sum(task.points for task in self.tasks.values())

    @property
    def started(self) -> bool:
        return bool(self.cells or self.quizzes or any(task.touched for task in self.tasks.values()))


def state_of(found: Iterable[Event]) -> dict[str, LessonState]:
    """What the events add up to, for every lesson of the course."""
    states = {
        name: LessonState(lesson, tasks={task: TaskState(about) for task, about in lesson.tasks.items()})
        for name, lesson in contents().items()
    }
    before = -math.inf
    for event in sorted(found, key=lambda event: (event.at, event.id)):
        state = states.get(event.notebook)
        if state is None:  # of a lesson that this version does not have
            continue
        if event.kind != "graded" and event.at - before <= PAUSE_SECONDS:
            state.seconds += event.at - before
        if event.kind != "graded":
            before = event.at
        _add(state, event)
    return states


def _add(state: LessonState, event: Event) -> None:
    task = state.tasks.get(event.name)
    if event.kind == "cell" and event.name in state.lesson.cells:
        state.cells.add(event.name)
        state.is_done = state.is_done or event.name == state.lesson.cells[-1]
    elif event.kind == "quiz" and event.name in state.lesson.quizzes:
        state.quizzes[event.name] = event.data.get("right") is True
    elif task is None:
        return
    elif event.kind == "check":
        outcome = event.data.get("outcome")
        task.tries += outcome in ("failed", "raised")
        if outcome == "passed":
            task.passed, task.points = True, max(task.points, task.task.visible)
    elif event.kind == "graded":
        task.points = event.number("earned")
        task.passed = task.passed or task.points >= task.total
    elif event.kind == "hint":
        task.hints = max(task.hints, int(event.number("level")))
    elif event.kind == "solution":
        task.saw_solution = True


def tries_since_help(found: Iterable[Event], name: str) -> int:
    """How often an exercise's check has failed since the last hint, or since it was passed."""
    number = 0
    for event in found:
        if event.name == name and event.kind in ("hint", "solution", "check"):
            failed = event.kind == "check" and event.data.get("outcome") in ("failed", "raised")
            no_try = event.kind == "check" and event.data.get("outcome") in ("unwritten", "missing")
            number = number + 1 if failed else number if no_try else 0
    return number


def what_is_next(states: dict[str, LessonState], last: str = "") -> str:
    """Where to go on: from the notebook that was used last, the first thing in the course's order that is not done."""
    names = list(states)
    if not any(state.started for state in states.values()):
        return "Begin with lesson 00."
    at = names.index(last) if last in states else 0
    for name in names[at:] + names[:at]:
        state, number = states[name], name[:2]
        if not state.is_done and not state.n_passed:
            return f"Go on with lesson {number}, {state.lesson.title}."
        for place, task in enumerate(state.tasks.values(), start=1):
            if not task.passed:
                return f"Go on with exercise {place} of set {number}, {task.task.title}."
    return "All exercises are done."


def record_report(report: Any) -> None:
    """Keep the points of `racecourse check`: those of each exercise, hidden checks included."""
    earned: dict[str, float] = defaultdict(float)
    for part in report.parts().values():
        name, _, kind = part.grade_id.rpartition("-")
        if kind in ("visible", "hidden"):
            earned[name] += part.earned or 0  # None: it could not be run
    for name, points in earned.items():
        record(kind="graded", notebook=report.name, name=name, data={"earned": points})


# ------------------------------------------------------------------------------------------------------- to look at it


class Panel:
    """Progress as a table: `print` it in a terminal, leave it as a cell's last line in a notebook."""

    def __init__(self, states: dict[str, LessonState], next_step: str, where: str) -> None:
        self.states, self.next_step, self.where = states, next_step, where

    HEAD = ("lesson", "cells run", "minutes", "exercises done", "points", "questions right")
    TASK_HEAD = ("exercise", "check", "tries", "hints", "points")

    def rows(self) -> list[list[str]]:
        """One for each lesson, and the sum."""
        rows, total = [], [0, 0, 0.0, 0, 0, 0.0, 0.0, 0, 0]
        for name, state in self.states.items():
            numbers = [
                len(state.cells),
                len(set(state.lesson.cells)),
                state.seconds / 60,
                state.n_passed,
                len(state.tasks),
                state.points,
                sum(task.total for task in state.tasks.values()),
                sum(state.quizzes.values()),
                len(state.lesson.quizzes),
            ]
            rows.append([f"{name[:2]} {state.lesson.title}", *self.cells(numbers)])
            total = [a + b for a, b in zip(total, numbers, strict=True)]
        return [*rows, ["all", *self.cells(total)]]

    @staticmethod
    def cells(numbers: list[float]) -> list[str]:
        run, n_cells, minutes, done, n_tasks, points, all_points, right, n_quizzes = numbers
        pairs = [(run, n_cells), (done, n_tasks), (points, all_points), (right, n_quizzes)]
        cells, tasks, worth, quizzes = (f"{a:g} of {b:g}" for a, b in pairs)
        return [cells, f"{minutes:.0f}", tasks, worth, quizzes]

    def task_rows(self, state: LessonState) -> list[list[str]]:
        return [
            [
                f"{place} {task.task.title}",
                "passed" if task.passed else "not yet" if task.tries else "",
                str(task.tries + task.passed),
                f"{task.hints}, and the solution" if task.saw_solution else str(task.hints),
                f"{task.points:g} of {task.total:g}",
            ]
            for place, task in enumerate(state.tasks.values(), start=1)
        ]

    def begun(self) -> dict[str, LessonState]:
        return {name: s for name, s in self.states.items() if any(task.touched for task in s.tasks.values())}

    def __repr__(self) -> str:
        parts = [text_table(self.HEAD, self.rows())]
        parts += [
            f"Set {name[:2]}\n{text_table(self.TASK_HEAD, self.task_rows(state))}"
            for name, state in self.begun().items()
        ]
        return "\n\n".join([*parts, f"{self.next_step}\n{self.where}"])

    def _repr_html_(self) -> str:
        parts = [as_html(self.HEAD, self.rows(), "Your progress")]
        for name, state in self.begun().items():
            table = as_html(self.TASK_HEAD, self.task_rows(state), f"Set {name[:2]}")
            parts.append(f"<details><summary>Exercises of set {name[:2]}</summary>{table}</details>")
        return "".join(parts) + f"<p>{html.escape(self.next_step)}</p><p>{html.escape(self.where)}</p>"


def as_html(head: Iterable[str], rows: Iterable[Iterable[str]], caption: str) -> str:
    """A table whose first column and first row name the others."""
    columns = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    body = ""
    for first, *others in rows:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in others)
        body += f'<tr><th scope="row" style="text-align: left">{html.escape(first)}</th>{cells}</tr>'
    caption = f"<caption>{html.escape(caption)}</caption>"
    return f"<table>{caption}<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"


def progress(name: str | None = None) -> Panel:
    """What you have done, in all lessons or in the one named, such as "01_transformers".

    Raises:
        ValueError: there is no lesson of that name.
    """
    found = events()
    states = state_of(found)
    if name is not None and name not in states:
        raise ValueError(f"no lesson named {name!r}; there are {', '.join(states)}")
    shown = states if name is None else {name: states[name]}
    where = (
        f"Kept in {progress_file()}; nothing is sent anywhere." if progress_file() else "Nothing is kept: it is off."
    )
    return Panel(shown, what_is_next(states, name or (found[-1].notebook if found else "")), where)
