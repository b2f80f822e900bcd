"""Jobs: work that goes on after you disconnect, and that can be taken up again where it was killed.

    job_id = submit("my_module:my_worker", {"question": "How far is it?"})      # note the id; the kernel may die now
    for step in attach(job_id).follow():                                        # here, or in another notebook
        print(step)

A job is a process of its own in a session of its own, so neither a kernel's end nor a closed terminal reaches it. What
ends it is the end of the machine or the container; then it is "lost", and `resume` goes on if the disk is still there
(that of a Colab runtime is not).

A worker is a function `worker(arguments, done_steps, save)`. It calls `save(step)` after each step, a dict that JSON
can hold, and returns the result. A job that is resumed gets the steps that were saved and has to go on after them:
none is lost or made twice. A step that was under way when the process died runs again from its beginning, so what it
did outside (a file written, a bill paid) may happen twice: that is the worker's business.

State is in one SQLite file, and that a job lives is shown by a lock that its process holds: the system takes it away
when the process ends, however it ends, so there is no heartbeat and no process id to mistrust. A job beyond the limit
waits and is started by the one that makes room for it, with that one's environment variables. Arguments are stored as
they are: put no key in them. Left out: priorities, repeated tries, several machines, a store on a network disk (SQLite
cannot share one there), and clearing up old jobs: delete the store and the folder beside it while none runs.
"""

from __future__ import annotations

import json
import os
import pkgutil
import secrets
import sqlite3
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racecourse.agents.detached import end_processes, is_held, keep, launch, let_go, take
from racecourse.machine.limits import limits
from racecourse.machine.measure import cache_folder

OVER = ("done", "failed", "cancelled", "lost")  # the states that last; the others are "waiting" and "running"
LOOK_EVERY_S = 0.2  # of wait() and follow(), which take 0.3 % of a core that way (2 cores, 20 jobs in the store)
WRITE_WITHIN_S = 60.0  # that a writer waits for others; each is done within milliseconds
DIED = "Its process died: killed, out of memory, or the machine went down. resume() goes on after its last saved step."

SCHEMA = 1
TABLES = (
    """CREATE TABLE jobs (
        number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, function TEXT NOT NULL, arguments TEXT NOT NULL,
        python TEXT NOT NULL, path TEXT NOT NULL, folder TEXT NOT NULL,
        state TEXT NOT NULL, start TEXT, pid INTEGER, to_be_cancelled INTEGER NOT NULL DEFAULT 0,
        result TEXT, error TEXT)""",
    "CREATE TABLE steps (job TEXT, number INTEGER, step TEXT NOT NULL, PRIMARY KEY (job, number)) WITHOUT ROWID",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL)",
)

# ---------------------------------------------------------------------------------------------------- what users call


def submit(function: str, arguments: dict[str, Any], *, store: Path | None = None) -> str:
    """Start a job, or let it wait for room, and return its id.

    The job imports `function` ("module:name") with this process's Python, `sys.path` and working directory, so a file
    beside the notebook will do.

    Raises:
        ValueError: no "module:name", or a function of the notebook itself, which another process cannot see.
        ImportError, AttributeError: there is no such module or function.
        TypeError: arguments that JSON cannot hold.
    """
    module, colon, _ = function.partition(":")
    if not colon or module == "__main__":
        raise ValueError(f"{function!r} is not 'module:name' of a file; write the function into one (%%writefile)")
    pkgutil.resolve_name(function)
    job_id = secrets.token_hex(6)
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])  # '' is the working directory
    job = (job_id, function, json.dumps(arguments), sys.executable, path, os.getcwd(), "waiting")
    with transaction(place(store)) as db:
        columns = "id, function, arguments, python, path, folder, state"
        db.execute(f"INSERT INTO jobs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", job)
        settle(db, place(store))
    return job_id


def attach(job_id: str, *, store: Path | None = None) -> Job:
    """The job with this id, from any process. Raises ValueError if there is none."""
    job = Job(job_id, place(store))
    job._row()
    return job


def jobs(*, store: Path | None = None) -> list[Job]:
    """All jobs, in the order in which they were submitted."""
    with opened(place(store)) as db:
        return [Job(row["id"], place(store)) for row in db.execute("SELECT id FROM jobs ORDER BY number")]


def set_limit(most_at_once: int, *, store: Path | None = None) -> None:
    """How many jobs of a store may run at one time; without it as many as there are cores."""
    if most_at_once < 1:
        raise ValueError(f"most_at_once={most_at_once} would let no job run; give 1 or more")
    with transaction(place(store)) as db:
        db.execute("INSERT OR REPLACE INTO settings VALUES ('most_at_once', ?)", (most_at_once,))
        settle(db, place(store))


@dataclass(frozen=True)
class Job:
    """A handle: all it tells is read from the store when asked. Several processes may hold one of the same job."""

    id: str
    store: Path

    @property
    def state(self) -> str:
        """One of "waiting", "running", "done", "failed" (an exception), "cancelled" and "lost" (its process died)."""
        return str(self._row()["state"])

    @property
    def steps(self) -> list[dict[str, Any]]:
        with opened(self.store) as db:
            return steps_of(db, self.id)

    @property
    def result(self) -> Any:
        """What the worker returned, None as long as it has not."""
        text = self._row()["result"]
        return None if text is None else json.loads(text)

    @property
    def error(self) -> str | None:
        """The traceback of a failed job; for a lost one, what that means."""
        return self._row()["error"]

    @property
    def output(self) -> str:
        """What the job printed, errors too, over all its starts."""
        with suppress(FileNotFoundError):  # not started yet
            return beside(self.store, self.id, "log").read_text(encoding="utf-8", errors="replace")
        return ""

    def wait(self, timeout_s: float | None = None) -> str:
        """Block until the job is over or the time is up, and return its state then."""
        end = None if timeout_s is None else time.monotonic() + timeout_s
        with opened(self.store) as db:
            while (state := look(db, self)["state"]) not in OVER and (end is None or time.monotonic() < end):
                time.sleep(LOOK_EVERY_S)
        return str(state)

    def follow(self) -> Iterator[dict[str, Any]]:
        """The steps from the first on, each as soon as it is saved, until the job is over."""
        seen, over = 0, False
        with opened(self.store) as db:
            while not over:
                over = look(db, self)["state"] in OVER  # asked before the steps are read: none can come after it
                for step in steps_of(db, self.id, seen):
                    yield step
                    seen += 1
                if not over:
                    time.sleep(LOOK_EVERY_S)

    def cancel(self) -> None:
        """End the job, with all processes that it has started. A job that is over stays as it is.

        A process that has cut itself loose, with another parent and another session, is not found.
        """
        with transaction(self.store) as db:
            settle(db, self.store)
            db.execute("UPDATE jobs SET state = 'cancelled' WHERE id = ? AND state = 'waiting'", (self.id,))
            db.execute("UPDATE jobs SET to_be_cancelled = 1 WHERE id = ? AND state = 'running'", (self.id,))
            state, pid = db.execute("SELECT state, pid FROM jobs WHERE id = ?", (self.id,)).fetchone()
        if state == "running":
            end_processes(pid)
            with transaction(self.store) as db:
                settle(db, self.store)

    def resume(self) -> None:
        """Let a lost, failed or cancelled job go on after its last saved step; leave one that waits or runs alone.

        Processes that a killed job had started may still run: only `cancel` ends those. Raises ValueError for a job
        that is done.
        """
        with transaction(self.store) as db:
            settle(db, self.store)
            if db.execute("SELECT state FROM jobs WHERE id = ?", (self.id,)).fetchone()["state"] == "done":
                raise ValueError(f"job {self.id} is done: its result is there; submit a new job to run it again")
            db.execute(
                "UPDATE jobs SET state = 'waiting', error = NULL, to_be_cancelled = 0 "
                "WHERE id = ? AND state IN ('lost', 'failed', 'cancelled')",
                (self.id,),
            )
            settle(db, self.store)

    def _row(self) -> sqlite3.Row:
        with opened(self.store) as db:
            return look(db, self)


# ---------------------------------------------------------------------------------------------------------- the store


def place(store: Path | None) -> Path:
    return Path(store or cache_folder() / "jobs.sqlite").absolute()


def beside(store: Path, job_id: str, suffix: str) -> Path:
    """A job's file in the folder beside the store: its lock, or the log of what it prints."""
    return store.with_suffix("") / f"{job_id}.{suffix}"


@contextmanager
def opened(store: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the store, which is made if there is none. Raises ValueError for one of a later version."""
    store.with_suffix("").mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        store,
        timeout=WRITE_WITHIN_S,
        isolation_level=None,  # a transaction is where we say BEGIN
        check_same_thread=False,  # follow()'s generator may be thrown away in another thread than the one that began it
    )
    with closing(connection) as db:
        db.row_factory = sqlite3.Row
        if (version := schema_of(db)) > SCHEMA:
            raise ValueError(
                f"{store} was written by a newer racecourse (schema {version}, this one knows {SCHEMA}); "
                "upgrade racecourse, or use another store"
            )
        if version < SCHEMA:
            db.execute("PRAGMA journal_mode = WAL")  # readers do not wait for a writer
            with db:
                db.execute("BEGIN IMMEDIATE")
                if schema_of(db) < SCHEMA:  # nobody else was faster
                    for table in TABLES:
                        db.execute(table)
                    db.execute(f"PRAGMA user_version = {SCHEMA}")
        yield db


def schema_of(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(store: Path) -> Iterator[sqlite3.Connection]:
    """The store with nobody else writing: all that is written is there afterwards, or, after an exception, nothing."""
    with opened(store) as db, db:
        db.execute("BEGIN IMMEDIATE")
        yield db


def steps_of(db: sqlite3.Connection, job_id: str, first: int = 0) -> list[dict[str, Any]]:
    rows = db.execute("SELECT step FROM steps WHERE job = ? AND number >= ? ORDER BY number", (job_id, first))
    return [json.loads(row["step"]) for row in rows]


def look(db: sqlite3.Connection, job: Job) -> sqlite3.Row:
    """A job's row. Whoever looks also sees to it that the dead are known as dead and nothing waits without need."""
    running = jobs_that_are(db, "running")
    all_live = all(is_held(beside(job.store, job_id, "lock")) for job_id in running)
    if not all_live or (jobs_that_are(db, "waiting") and len(running) < most_at_once(db)):
        with transaction(job.store) as writer:
            settle(writer, job.store)
    row: sqlite3.Row | None = db.execute("SELECT * FROM jobs WHERE id = ?", (job.id,)).fetchone()
    if row is None:
        raise ValueError(f"there is no job {job.id!r} in {job.store}; jobs() lists those that are")
    return row


def jobs_that_are(db: sqlite3.Connection, state: str) -> list[str]:
    return [row["id"] for row in db.execute("SELECT id FROM jobs WHERE state = ? ORDER BY number", (state,))]


def most_at_once(db: sqlite3.Connection) -> int:
    row = db.execute("SELECT value FROM settings WHERE name = 'most_at_once'").fetchone()
    return int(row["value"]) if row else limits().cores


def settle(db: sqlite3.Connection, store: Path) -> None:
    """Within a transaction: note which jobs have died, and start those that wait as far as there is room."""
    running = jobs_that_are(db, "running")
    dead = [job_id for job_id in running if not is_held(beside(store, job_id, "lock"))]
    for job_id in dead:
        db.execute("UPDATE jobs SET state = 'cancelled' WHERE id = ? AND to_be_cancelled", (job_id,))
        db.execute("UPDATE jobs SET state = 'lost', error = ? WHERE id = ? AND NOT to_be_cancelled", (DIED, job_id))
    room = most_at_once(db) - len(running) + len(dead)
    for job_id in jobs_that_are(db, "waiting"):
        if room <= 0:
            break
        room -= start(db, store, job_id)


# -------------------------------------------------------------------------------------------------- a job's own process


def start(db: sqlite3.Connection, store: Path, job_id: str) -> bool:
    """Start a waiting job's process and note it as running, within a transaction; return whether that was possible.

    The process works only if it finds this very start noted: should we die before that is committed, it ends, and the
    job still waits.
    """
    lock = take(beside(store, job_id, "lock"))
    if lock is None:
        return False  # such a process is about to end, and then looks itself for what waits
    job = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    this_start = secrets.token_hex(6)
    code = f"import sys; sys.path[:] = {json.loads(job['path'])!r}; from racecourse.agents.jobs import work; "
    command = [job["python"], "-c", code + "work(*sys.argv[1:])", str(store), job_id, this_start]
    try:
        pid = launch(command, folder=job["folder"], log=beside(store, job_id, "log"), lock=lock)
    except OSError as problem:  # its Python or its folder is gone
        error = f"The job could not be started: {problem}"
        db.execute("UPDATE jobs SET state = 'failed', error = ? WHERE id = ?", (error, job_id))
        return False
    noted = "UPDATE jobs SET state = 'running', start = ?, pid = ? WHERE id = ?"
    db.execute(noted, (this_start, pid, job_id))
    return True


def work(store_path: str, job_id: str, this_start: str, lock: str) -> None:
    """What a job's process runs."""
    store = Path(store_path)
    keep(lock)
    with transaction(store) as db:  # waits for the commit of whoever started us
        mine = "SELECT * FROM jobs WHERE id = ? AND start = ? AND state = 'running'"
        if (job := db.execute(mine, (job_id, this_start)).fetchone()) is None:
            let_go()
            settle(db, store)
            return
        done_steps = steps_of(db, job_id)

    def save(step: dict[str, Any]) -> None:
        with transaction(store) as db:
            n_saved = "(SELECT COUNT(*) FROM steps WHERE job = :job)"
            db.execute(f"INSERT INTO steps VALUES (:job, {n_saved}, :step)", {"job": job_id, "step": json.dumps(step)})

    result = error = None
    try:
        worker = pkgutil.resolve_name(job["function"])
        result = json.dumps(worker(json.loads(job["arguments"]), done_steps, save))
    except BaseException:  # a worker's sys.exit() too
        error = traceback.format_exc()
    with transaction(store) as db:
        state = "done" if error is None else "failed"
        db.execute("UPDATE jobs SET state = ?, result = ?, error = ? WHERE id = ?", (state, result, error, job_id))
        let_go()  # here, so that nobody can see the job over and its lock still taken
        settle(db, store)
