"""Reports become marks: the one writer to nbgrader's gradebook, for its formgrader, feedback and export.

A set's cells are stored as `nbgrader generate_assignment` stores them. `write` follows nbgrader's rules for a grade,
save for three: it writes every graded cell each time, so no score of an earlier submission stays; what was not run is
0 and marked for a person; and a score given by hand is marked for another look only if something changed below it,
where nbgrader marks it at every run. Each student is one transaction. Left out: nbgrader's "manually
graded task" cells, databases other than SQLite and PostgreSQL.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import socket
import sysconfig
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    GradeCell,
    Notebook,
    SolutionCell,
    SourceCell,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
)
from nbgrader.utils import compute_checksum, is_locked, parse_utc
from sqlalchemy import URL, Connection, NullPool, create_engine, delete, inspect, make_url, or_, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, selectinload

from racecourse.grading.classes import rosters
from racecourse.grading.classes.late import assign_penalty, seconds_late
from racecourse.grading.integrity import grade_id_of, is_answer, is_test, is_written
from racecourse.grading.records import Part, Report

COURSE = "racecourse"  # nbgrader_config.py says the same
NO_RESPONSE = "No response."  # nbgrader's words

# The first statement of a transaction: from here to its end nobody else writes what a person may write in formgrader.
ALONE = {"sqlite": "BEGIN IMMEDIATE", "postgresql": "LOCK TABLE grade, comment IN SHARE ROW EXCLUSIVE MODE"}
WRITER = 0x72616365  # the number of the advisory lock that the one writer to a PostgreSQL database holds
HOLDER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND objid = :number AND granted AND database = datid AND datname = current_database()"""


class BusyError(RuntimeError):
    """Another process writes to the gradebook."""


# ---- 1 · A set as nbgrader stores it ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class SetCell:
    """A cell of a set: answers as they were handed out, tests with what is hidden in them."""

    name: str  # its grade_id
    cell_type: str
    locked: bool
    source: str
    checksum: str  # also of the points
    points: float | None  # None: not graded
    is_answer: bool

    @property
    def is_written(self) -> bool:
        return self.is_answer and self.points is not None


@dataclass(frozen=True)
class GradedCells:
    """A set's cells in order."""

    cells: list[SetCell]

    @classmethod
    def of(cls, solution: Any, release: Any) -> GradedCells:
        """
        Raises:
            ValueError: the release is not made from this solution.
        """
        released = {grade_id_of(cell): cell for cell in release.cells if grade_id_of(cell)}
        ours = [cell for cell in solution.cells if grade_id_of(cell)]
        if [grade_id_of(cell) for cell in ours] != list(released):
            raise ValueError("the release has other cells than the solution; run `make build`, then grade")
        return cls([_set_cell(cell if is_test(cell) else released[grade_id_of(cell)]) for cell in ours])

    @cached_property
    def graded(self) -> dict[str, SetCell]:
        return {cell.name: cell for cell in self.cells if cell.points is not None}

    @cached_property
    def answers(self) -> dict[str, SetCell]:
        return {cell.name: cell for cell in self.cells if cell.is_answer}

    @cached_property
    def answer_of(self) -> dict[str, str]:
        """Test -> the answer cell before it, where its message goes: nbgrader has no comments on tests."""
        found: dict[str, str] = {}
        answer = ""
        for cell in self.cells:
            if cell.is_answer:
                answer = cell.name
            elif cell.points is not None:
                found[cell.name] = answer
        return found

    def answered(self, notebook: Any) -> set[str]:
        """The answers that are not as they were handed out: a graded notebook carries its own stubs' checksums."""
        cells = {grade_id_of(cell): cell for cell in notebook.cells if is_answer(cell)}
        return {
            name for name in self.answers if compute_checksum(cells[name]) != cells[name].metadata.nbgrader.checksum
        }


def _set_cell(cell: Any) -> SetCell:
    return SetCell(
        name=grade_id_of(cell),
        cell_type=cell.cell_type,
        locked=is_locked(cell),
        source=cell.source,
        checksum=compute_checksum(cell),
        points=float(cell.metadata.nbgrader.points) if is_test(cell) or is_written(cell) else None,
        is_answer=is_answer(cell),
    )


# ---- 2 · What a report says about each cell --------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """What goes into a row of grades."""

    auto: float | None  # None: a person grades it
    is_sure: bool = True  # False: a person should look


def scores(cells: GradedCells, report: Report, answered: Collection[str]) -> dict[str, Score]:
    """A score for every graded cell of the set."""
    parts = {} if report.refused else report.parts()
    return {name: _score(cell, parts.get(name), name in answered) for name, cell in cells.graded.items()}


def _score(cell: SetCell, part: Part | None, is_answered: bool) -> Score:
    if part is None:
        return Score(None if cell.is_written else 0.0, is_sure=False)
    if cell.is_written:
        return Score(None if is_answered else 0.0)
    return Score(0.0, is_sure=False) if part.earned is None else Score(part.earned)


def comments(cells: GradedCells, report: Report, answered: Collection[str]) -> dict[str, str]:
    """Markdown for those answer cells that something is to be said about."""
    if report.refused:
        return {next(iter(cells.answers)): f"This submission could not be graded: {as_code(report.refused)}"}
    said: dict[str, dict[str, list[str]]] = {}  # answer -> message -> the tests that say it
    for name, part in report.parts().items():
        if name in cells.answer_of and part.message:
            said.setdefault(cells.answer_of[name], {}).setdefault(part.message, []).append(name)
    found = {
        answer: "\n".join(f"- {', '.join(tests)}: {as_code(message)}" for message, tests in messages.items())
        for answer, messages in said.items()
    }
    return found | {answer: NO_RESPONSE for answer in cells.answers if answer not in answered}


def as_code(message: str) -> str:
    """Markdown that shows a message on one line, letter by letter: it may quote what a learner's code raised.

    >>> as_code("use `x`")
    '`` use `x` ``'
    """
    plain = message.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")  # PostgreSQL holds no NUL
    line = " ".join(plain.split())
    ticks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{ticks} {line} {ticks}"


# ---- 3 · The gradebook -----------------------------------------------------------------------------------------------


class Marks:
    """nbgrader's gradebook, open for one writer at a time: `with Marks("sqlite:////path/gradebook.db") as marks`.

    A file is made if it is not there; a database on a PostgreSQL server, postgresql+psycopg://user:password@host/name,
    must be there, and its tables are made. Entering raises BusyError if another process has it open.
    """

    def __init__(self, db_url: str, *, late: Any = None) -> None:
        """`late` is nbgrader's plugin that says what it costs to hand in late (`late`); without it penalties stay."""
        self.db_url, self.late = db_url, late
        self.sets: dict[str, GradedCells] = {}

    def __enter__(self) -> Marks:
        url = make_url(self.db_url)
        self._backend, self._is_lost = url.get_backend_name(), False
        if self._backend not in ALONE or not url.database:
            raise ValueError(
                "the gradebook must be an SQLite file, sqlite:////path/gradebook.db, or a PostgreSQL database, "
                f"postgresql+psycopg://user:password@host/name; got {_shown(url)!r}"
            )
        try:
            self._open = self._opened(url)
        except DBAPIError as error:
            said = " ".join(str(error.orig).split())
            raise ConnectionError(f"the gradebook {_shown(url)} cannot be opened: {said}") from error
        return self

    def _opened(self, url: URL) -> contextlib.ExitStack:
        with contextlib.ExitStack() as stack:
            connection = stack.enter_context(_lock(url) if self._backend == "sqlite" else _lock_on_server(url))
            with _scripts_on_path():
                gradebook = stack.enter_context(Gradebook(self.db_url, COURSE))
            if connection is not None:  # who loses this connection has lost the lock, and can write no more
                gradebook.db.remove()
                gradebook.db.configure(bind=connection)
            self.db = gradebook.db
            return stack.pop_all()

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def prepare(
        self, name: str, solution: Any, release: Any, *, drop: Collection[str] = (), due: datetime | None = None
    ) -> None:
        """Store a set, or what changed in it: call this once before its reports are written.

        Submissions stay. What was graded by a test or for points that have changed is marked for a person until it is
        written again; a score given by hand stays marked. The grades of a cell that is gone go with it, but those given
        by hand only if `drop` names the cell. Without a `due` date the gradebook's stays.

        Raises:
            ValueError: scores or comments given by hand would be lost; or the release is not the solution's.
        """
        cells = GradedCells.of(solution, release)
        with self._transaction():
            notebook = self._notebook(name)
            notebook.kernelspec = json.dumps(solution.metadata.get("kernelspec", {}))
            if due is not None:
                notebook.assignment.duedate = parse_utc(due)
            self._remove_cells(notebook, cells, drop)
            self._store_cells(notebook, cells)
            self._store_sources(notebook, cells)
            self.db.flush()
            self.db.expire_all()
            for submitted in notebook.submissions:
                _complete(submitted)
        self.sets[name] = cells

    def write(self, report: Report, notebook: Any | None, submitted_at: datetime | None = None) -> None:
        """Write all rows of one submission; `notebook` is what was graded, None if the submission was refused.

        `submitted_at` tells a new submission from one that is graded again. It is stored in UTC, and the formgrader
        wants the same moment in submitted/STUDENT/SET/timestamp.txt, or no moment and no such file.

        Raises:
            ValueError: the report does not fit the set as it was prepared.
        """
        cells = self._prepared(report)
        answered = cells.answered(notebook) if notebook is not None else set()
        score_of, comment_of = scores(cells, report, answered), comments(cells, report, answered)
        with self._transaction():
            submission = self._submission(report.student, report.name)
            moment = parse_utc(submitted_at)
            is_same = moment is not None and submission.timestamp == moment
            submission.timestamp = moment
            submitted = self._submitted_notebook(submission)
            for grade in submitted.grades:
                _set_grade(grade, score_of[grade.name], is_same)
            for comment in submitted.comments:
                comment.auto_comment = comment_of.get(comment.name)
            if self.late is not None:
                assign_penalty(submission, self.late)

    def assign_penalties(self) -> None:
        """Everybody's once more: marks given by hand have changed the scores that penalties are shares of."""
        with self._transaction():
            everything = select(SubmittedAssignment).options(selectinload(SubmittedAssignment.notebooks))
            for submission in self.db.scalars(everything):
                assign_penalty(submission, self.late)

    def enrol(self, students: Iterable[rosters.Student]) -> None:
        """Make everybody of a roster known, handed in or not; what the roster leaves empty stays as it is."""
        with self._transaction():
            there = {row.id: row for row in self.db.scalars(select(Student))}
            for one in students:
                row = there.get(one.id) or Student(id=one.id)
                said = {"first_name": one.first_name, "last_name": one.last_name, "email": one.email,
                        "lms_user_id": one.lms_id}  # fmt: skip
                for column, value in said.items():
                    if value:
                        setattr(row, column, value)
                self.db.add(row)

    def forget(self, students: Collection[str] | None) -> int:
        """Delete these students, None: all, with all that is theirs, and return how many rows that were."""
        submissions = select(SubmittedAssignment.id)
        if students is not None:
            submissions = submissions.where(SubmittedAssignment.student_id.in_(students))
        notebooks = select(SubmittedNotebook.id).where(SubmittedNotebook.assignment_id.in_(submissions))
        theirs = [
            delete(Grade).where(Grade.notebook_id.in_(notebooks)),
            delete(Comment).where(Comment.notebook_id.in_(notebooks)),
            delete(SubmittedNotebook).where(SubmittedNotebook.id.in_(notebooks)),
            delete(SubmittedAssignment).where(SubmittedAssignment.id.in_(submissions)),
            delete(Student) if students is None else delete(Student).where(Student.id.in_(students)),
        ]
        with self._transaction():
            return sum(self.db.execute(rows.execution_options(synchronize_session=False)).rowcount for rows in theirs)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, and nobody else writes between its first look and its end: a formgrader waits."""
        if self._is_lost:  # SQLAlchemy would connect once more, and the lock would be somebody else's
            raise self._lost()
        try:
            self.db.execute(text(ALONE[self._backend]))
            yield
            self.db.commit()
        except BaseException as error:
            self.db.rollback()
            self._is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
            if self._is_lost:
                raise self._lost() from error
            raise

    def _lost(self) -> ConnectionError:
        return ConnectionError(
            f"the connection to the gradebook {_shown(make_url(self.db_url))} was lost; what was written stays, and "
            "the next grading goes on from there"
        )

    def _prepared(self, report: Report) -> GradedCells:
        if not report.student:
            raise ValueError(f"the report on a submission of {report.name!r} names no student")
        if report.name not in self.sets:
            raise ValueError(f"the set {report.name!r} is not prepared; call prepare() first")
        cells = self.sets[report.name]
        reported = {name: part.points for name, part in report.parts().items()}
        if not report.refused and reported != {name: cell.points for name, cell in cells.graded.items()}:
            raise ValueError(
                f"the report on {report.student!r} is of another version of {report.name!r}: "
                "its cells or their points differ; grade that submission again"
            )
        return cells

    # Rows of a set

    def _notebook(self, name: str) -> Notebook:
        assignment = self.db.scalar(select(Assignment).where(Assignment.name == name))
        if assignment is None:
            assignment = Assignment(name, course_id=COURSE)
            self.db.add(assignment)
        notebook = next((notebook for notebook in assignment.notebooks if notebook.name == name), None)
        if notebook is None:
            notebook = Notebook(name=name, assignment=assignment)
            self.db.add(notebook)
        return notebook

    def _remove_cells(self, notebook: Notebook, cells: GradedCells, drop: Collection[str]) -> None:
        gone = [cell for cell in notebook.grade_cells if cell.name not in cells.graded]
        gone += [cell for cell in notebook.solution_cells if cell.name not in cells.answers]
        by_hand = sorted({cell.name for cell in gone if self._has_marks_by_hand(cell)} - set(drop))
        if by_hand:
            raise ValueError(
                f"the set {notebook.name!r} no longer has {', '.join(by_hand)}, where scores or comments were given by "
                "hand: put the cell back under that name, or grade with `--drop NAME` to lose them; nothing was changed"
            )
        for cell in gone:
            for row in self._rows_of(cell):
                self.db.delete(row)
            self.db.flush()
            self.db.delete(cell)

    def _rows_of(self, cell: BaseCell) -> list[Grade | Comment]:
        return [row for table in (Grade, Comment) for row in self.db.scalars(select(table).filter_by(cell_id=cell.id))]

    def _has_marks_by_hand(self, cell: BaseCell) -> bool:
        marks = ("manual_score", "extra_credit", "manual_comment")
        return any(getattr(row, mark, None) not in (None, "") for row in self._rows_of(cell) for mark in marks)

    def _store_cells(self, notebook: Notebook, cells: GradedCells) -> None:
        graded = {cell.name: cell for cell in notebook.grade_cells}
        answers = {cell.name for cell in notebook.solution_cells}
        checksums = {source.name: source.checksum for source in notebook.source_cells}
        for name, cell in cells.graded.items():
            if name not in graded:
                self.db.add(GradeCell(name=name, notebook=notebook, max_score=cell.points, cell_type=cell.cell_type))
            elif checksums.get(name) != cell.checksum:
                graded[name].max_score, graded[name].cell_type = cell.points, cell.cell_type
                for grade in graded[name].grades:
                    grade.needs_manual_grade = True
        self.db.add_all(SolutionCell(name=name, notebook=notebook) for name in cells.answers if name not in answers)

    def _store_sources(self, notebook: Notebook, cells: GradedCells) -> None:
        """All anew if one differs: nbgrader reads their order from the order of the rows."""
        columns = ("name", "cell_type", "locked", "source", "checksum")
        wanted = [tuple(getattr(cell, column) for column in columns) for cell in cells.cells]
        if [tuple(getattr(row, column) for column in columns) for row in notebook.source_cells] == wanted:
            return
        for row in list(notebook.source_cells):
            self.db.delete(row)
        self.db.flush()
        for values in wanted:
            self.db.add(SourceCell(notebook=notebook, **dict(zip(columns, values, strict=True))))

    # Rows of a student

    def _submission(self, student_id: str, name: str) -> SubmittedAssignment:
        assignment = self.db.scalars(select(Assignment).where(Assignment.name == name)).one()
        if self.db.get(Student, student_id) is None:
            self.db.add(Student(id=student_id))
        mine = select(SubmittedAssignment).filter_by(assignment_id=assignment.id, student_id=student_id)
        submission = self.db.scalar(mine)
        if submission is None:
            submission = SubmittedAssignment(assignment_id=assignment.id, student_id=student_id)
            self.db.add(submission)
            self.db.flush()
        return submission

    def _submitted_notebook(self, submission: SubmittedAssignment) -> SubmittedNotebook:
        name = submission.assignment.name
        found = next((submitted for submitted in submission.notebooks if submitted.notebook.name == name), None)
        if found is None:
            notebook = next(notebook for notebook in submission.assignment.notebooks if notebook.name == name)
            found = SubmittedNotebook(notebook=notebook, assignment=submission)
            self.db.add(found)
            _complete(found)
            self.db.flush()
        return found


def _complete(submitted: SubmittedNotebook) -> None:
    """Add the grades and comments that it lacks, as nbgrader makes them: empty, and for a person to look at."""
    notebook = submitted.notebook
    have = {row.cell_id for row in [*submitted.grades, *submitted.comments]}
    submitted.grades += [Grade(cell_id=cell.id) for cell in notebook.grade_cells if cell.id not in have]
    submitted.comments += [Comment(cell_id=cell.id) for cell in notebook.solution_cells if cell.id not in have]


def _set_grade(grade: Grade, score: Score, is_same_submission: bool) -> None:
    """Never touches what was given by hand. Without it, a person looks at what has no score, or an unsure one."""
    if grade.manual_score is None:
        grade.needs_manual_grade = score.auto is None or not score.is_sure
    elif grade.auto_score != score.auto or not is_same_submission:
        grade.needs_manual_grade = True
    grade.auto_score = score.auto


@contextlib.contextmanager
def _lock(url: URL) -> Iterator[None]:
    """A lock file beside the SQLite database, which ends with the process that holds it."""
    database = Path(url.database or "")
    database.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{database}.lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise _busy(f"process {file.read() or 'unknown'}", database) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def _lock_on_server(url: URL) -> Iterator[Connection]:
    """The connection that holds PostgreSQL's lock on this database's one writer; the lock ends with the connection."""
    me = f"process {os.getpid()} on {socket.gethostname()}"
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args={"application_name": me})
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"the gradebook {_shown(url)} needs the Python package {error.name}, which is not here: install "
            "psycopg[binary], and let the address begin with postgresql+psycopg://"
        ) from error
    with engine.connect() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_lock(:number)"), {"number": WRITER}):
            raise _busy(connection.scalar(text(HOLDER), {"number": WRITER}) or "unknown", _shown(url))
        connection.commit()  # the lock stays: it is the connection's, not the transaction's
        yield connection


def _shown(url: URL) -> str:
    """Without what nobody else should read."""
    return str(url.set(password=None, query={}))


def _busy(who: str, where: object) -> BusyError:
    return BusyError(f"another grading ({who}) writes to {where}; wait until it has ended")


@contextlib.contextmanager
def _scripts_on_path() -> Iterator[None]:
    """To make a new gradebook, nbgrader starts the `alembic` command, which it looks for on PATH only."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


# ---- 4 · What stands in it, for who only reads -----------------------------------------------------------------------


@dataclass(frozen=True)
class Standing:
    """One submission, as the gradebook has it."""

    by_hand: bool  # a person has to look, or to give marks
    seconds_late: float
    extension: timedelta | None


def is_there(db_url: str) -> bool:
    """Whether there is a gradebook; none is made."""
    url = make_url(db_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return False
    with _reading(db_url) as db:
        return inspect(db.get_bind()).has_table(Grade.__tablename__)


def standings(db_url: str) -> dict[tuple[str, str], Standing]:
    """(set, student) -> how it stands, for everything that was ever graded."""
    if not is_there(db_url):
        return {}
    with _reading(db_url) as db:
        waiting = select(SubmittedNotebook.assignment_id).join(Grade).where(Grade.needs_manual_grade).distinct()
        by_hand = set(db.scalars(waiting))
        return {
            (one.name, one.student_id): Standing(one.id in by_hand, seconds_late(one), one.extension)
            for one in db.scalars(select(SubmittedAssignment))
        }


def student_ids(db_url: str) -> set[str]:
    if not is_there(db_url):
        return set()
    with _reading(db_url) as db:
        return set(db.scalars(select(Student.id)))


def cells_marked_by_hand(db_url: str) -> dict[str, set[str]]:
    """Set -> the cells in which a person has given a score, extra credit or a comment."""
    found: dict[str, set[str]] = {}
    if not is_there(db_url):
        return found
    given = {
        Grade: or_(Grade.manual_score.is_not(None), Grade.extra_credit.is_not(None)),
        Comment: Comment.manual_comment != "",
    }
    with _reading(db_url) as db:
        for table, is_given in given.items():
            cells = select(Assignment.name, BaseCell.name).select_from(table).join(BaseCell).join(Notebook)
            for name, cell in db.execute(cells.join(Assignment).where(is_given).distinct()):
                found.setdefault(name, set()).add(cell)
    return found


@contextlib.contextmanager
def _reading(db_url: str) -> Iterator[Session]:
    engine = create_engine(db_url, poolclass=NullPool)
    with Session(engine) as session:
        yield session
    engine.dispose()
