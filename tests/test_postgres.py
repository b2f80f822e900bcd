"""nbgrader's gradebook on a real PostgreSQL server: test_gradebook.py once more, and what only a server has.

The server is made for these tests (pg_server.py). The witnesses are nbgrader's own commands, and plain SQL.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")

import pg_server  # noqa: E402
import test_gradebook as on_files  # noqa: E402
from pg_server import PASSWORD, Server, postgres_server  # noqa: E402
from racecourse.grading.gradebook import BusyError, Marks  # noqa: E402
from test_gradebook import NOON, WRITTEN, Set, grades, nbgrader  # noqa: E402

pytestmark = pytest.mark.skipif(bool(pg_server.missing()), reason=pg_server.missing())

ABOUT_FILES = (
    "test_a_killed_writer_leaves_whole_students", "test_one_writer_at_a_time", "test_other_databases_are_no_gradebooks"
)  # fmt: skip
for name, taken in vars(on_files).items():
    if (name.startswith("test_") and name not in ABOUT_FILES) or name in ("graded", "marks"):
        globals()[name] = taken

# SQLite's -> PostgreSQL's, which keeps no order of rows: nbgrader finds cells by their names there
DIALECT = {"?": "%s", "source_cell.rowid": "1", "'1970-01-02 00:00:00.000000'": "'1 day'"}
GRADEBOOK = "class-of-2026"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres_server() as server:
        server.create("empty")
        with Marks(server.url("empty")):
            pass
        yield server


@pytest.fixture
def url(server: Server) -> str:
    server.create(GRADEBOOK)
    return server.url(GRADEBOOK)


@pytest.fixture
def course(course: Path, url: str) -> Path:
    """The temporary course, which nbgrader's commands find configured for the server."""
    with (course / "nbgrader_config.py").open("a") as config:
        config.write(f"\nc.CourseDirectory.db_url = {url!r}\n")
    return course


@pytest.fixture
def new_gradebook(server: Server, url: str) -> Callable[[], None]:
    """Put an empty gradebook in the place of the course's."""

    def put() -> None:
        server.create(GRADEBOOK, template="empty")

    put()
    return put


@pytest.fixture(autouse=True)
def on_the_server(server: Server, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that test_gradebook.py does to a file happens to the database."""

    def sql(_: Path, query: str, *values: Any) -> list[tuple[Any, ...]]:
        for ours, theirs in DIALECT.items():
            query = query.replace(ours, theirs)
        with server.connect(GRADEBOOK) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []

    def dump(course: Path) -> Iterator[str]:
        """Every row, and which transaction has written it."""
        with server.connect(GRADEBOOK) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            for (table,) in tables.fetchall():
                for row in connection.execute(f"SELECT xmin, * FROM {table} ORDER BY ctid"):
                    yield f"{table} {row}"

    anew = SimpleNamespace(unlink=lambda: server.create(GRADEBOOK))
    for name, instead in {
        "sql": sql, "sqlite_dump": dump, "marks_of": lambda course: Marks(url), "database": lambda course: anew
    }.items():  # fmt: skip
        monkeypatch.setattr(on_files, name, instead)


# ---- what only a server has


def test_one_writer_at_a_time(server: Server, url: str, marks: Marks) -> None:
    """The message says who, and not with which password. Another database is another gradebook."""
    who = rf"process {os.getpid()} on {re.escape(socket.gethostname())}"
    with pytest.raises(BusyError, match=rf"{who}\) writes to postgresql\S*/{GRADEBOOK}; wait") as refused, Marks(url):
        pass
    assert PASSWORD not in str(refused.value)
    server.create("other")
    with Marks(server.url("other")):
        pass
    marks.__exit__()
    for _ in range(2):
        with Marks(url):
            pass


def test_a_killed_writer_leaves_whole_students_and_no_lock(
    course: Path, graded: Set, new_gradebook: Callable[[], None]
) -> None:
    """The process ends between the grades of the second student; run again, all is as if nothing had happened."""
    students = ["anna", "bert", "cleo"]

    def run(die: bool) -> None:
        from sqlalchemy import event

        with on_files.marks_of(course) as marks:
            graded.prepare(marks)
            for student in students:
                if die and student == "bert":

                    @event.listens_for(marks.db.get_bind(), "after_cursor_execute")
                    def end(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
                        if statement.startswith("INSERT INTO grade"):
                            os._exit(9)

                marks.write(graded.report(student), graded.answered(), NOON)

    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            run(die=True)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = on_files.tables(course)
    assert [row[0] for row in left["students"]] == ["anna"]
    assert len(left["grades"]) == 7 and len(left["comments"]) == 4 and len(left["submissions"]) == 1
    run(die=False)
    after = on_files.tables(course)
    assert [row for row in after["grades"] if row[0] == "anna"] == left["grades"]
    new_gradebook()
    run(die=False)
    assert on_files.tables(course) == after and len(after["grades"]) == 21


def test_who_loses_the_connection_writes_no_more(
    server: Server, course: Path, url: str, graded: Set, marks: Marks
) -> None:
    marks.write(graded.report("anna"), graded.answered(), NOON)
    before = on_files.tables(course)
    with server.connect(GRADEBOOK) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'process %'")
    with Marks(url) as other:
        graded.prepare(other)
        for _ in range(2):
            with pytest.raises(ConnectionError, match="was lost; what was written stays") as lost:
                marks.write(graded.report("bert"), graded.answered(), NOON)
            assert PASSWORD not in str(lost.value)
        assert on_files.tables(course) == before
        other.write(graded.report("bert"), graded.answered(), NOON)
    assert [row[0] for row in on_files.tables(course)["students"]] == ["anna", "bert"]


def test_a_person_who_writes_meanwhile_waits_and_readers_do_not(
    server: Server, course: Path, graded: Set, marks: Marks
) -> None:
    marks.write(graded.report(), graded.answered(), NOON)
    with server.connect(GRADEBOOK, options="-c lock_timeout=200") as formgrader:
        with marks._transaction():
            for table in ("grade SET manual_score = 3", "comment SET manual_comment = 'good'"):
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    formgrader.execute(f"UPDATE {table}")
            assert formgrader.execute("SELECT count(*) FROM grade").fetchone() == (7,)
        formgrader.execute("UPDATE grade SET manual_score = 3")
    assert grades(course)[WRITTEN][1] == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda url: url.replace(PASSWORD, "guessed-it"), "password authentication failed"),
        (lambda url: url.replace(GRADEBOOK, "nowhere"), "does not exist"),
        (lambda url: url.replace("?host=/", "?host=/nowhere/"), "No such file"),
    ],
    ids=["password", "database", "server"],
)
def test_a_server_that_refuses_is_a_sentence_without_the_password(url: str, change: Any, said: str) -> None:
    with pytest.raises(ConnectionError, match=f"the gradebook postgresql.* cannot be opened: .*{said}") as refused:
        Marks(change(url)).__enter__()
    assert PASSWORD not in str(refused.value) and "guessed-it" not in str(refused.value)


def test_a_driver_that_is_not_there_is_named(server: Server) -> None:
    with pytest.raises(RuntimeError, match=r"needs the Python package pg8000.*psycopg\[binary\]") as refused:
        Marks(server.url(GRADEBOOK, driver="postgresql+pg8000")).__enter__()
    assert PASSWORD not in str(refused.value)


@pytest.mark.slow
def test_nbgraders_database_commands_work_on_it(course: Path, graded: Set, marks: Marks) -> None:
    marks.write(graded.report("anna"), graded.answered(), NOON)
    marks.__exit__()
    nbgrader(course, "db", "student", "add", "zoe", "--first-name", "Zoë")
    nbgrader(course, "db", "upgrade")
    command = [sys.executable, "-m", "nbgrader", "db", "student", "list"]
    listed = subprocess.run(command, cwd=course, capture_output=True, text=True, timeout=120, check=True)
    assert "anna" in listed.stdout and "zoe (None, Zoë)" in listed.stdout
    assert grades(course)["weight-bytes-hidden"] == (18, None, False), "what was there is there"
