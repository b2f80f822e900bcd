"""Grading a class on a Dask cluster of local worker processes: is every mark there once, how fast, how far does it go?

    python benchmarks/cluster.py [--submissions 200] [--kill] [--postgres | --db-url URL] [--quick] [--json FILE]

A made-up class (tests/classroom.py) is graded by this machine alone and by a cluster of two workers, one kernel each;
with `--kill` one of the two is killed with all its processes when half of the marks are there. Reports and gradebook
are compared. Then smaller classes show the throughput of 1, 2 and 4 workers, and the writer alone is timed with results
that are there already. From these times a simulation grades 3,000 students on up to 64 kernels: each kernel takes the
next submission when it is free, and one writer takes what is graded in the order in which it comes.

All workers share this machine's cores, so the measured throughput stops growing where the cores are busy; a quiet
machine gives the best figures. The simulation stands for machines that have a core for each kernel. Left out: the
network, a shared file system, and workers that come late. Figures are written to the file as they come.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import heapq
import itertools
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from sqlalchemy import NullPool, create_engine, text

from racecourse.grading import autograde
from racecourse.grading.autograde import Classroom
from racecourse.grading.cluster import cluster
from racecourse.learn.notebooks import course_root
from racecourse.machine import device

ROOT = course_root(Path(__file__).parent)
sys.path.insert(0, str(ROOT / "tests"))
from classroom import make_class, write_class  # noqa: E402
from dask_cluster import dask_cluster  # noqa: E402

SET = "00_start_here"
SECRET = "the secret of all these gradings"
STUDENTS, KERNELS = 3000, (1, 2, 4, 8, 16, 32, 64)  # of the simulation
MEASURED = ("seconds", "spent", "peak_mib")  # what differs from run to run in a report
ROWS = """
    SELECT submitted_assignment.student_id, base_cell.name, grade.auto_score, grade.manual_score,
           grade.needs_manual_grade
    FROM grade JOIN base_cell ON grade.cell_id = base_cell.id
    JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
    JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id ORDER BY 1, 2"""


@dataclass
class Run:
    """One grading of one class."""

    engine: str
    submissions: int
    wall_s: float = 0.0  # of the whole grading, with the page of answers that are alike
    first_s: float = 0.0  # until the first result: workers ready, the solution examined, one submission graded
    steps_s: list[float] = field(default_factory=list)  # from each result to the next
    written_s: list[float] = field(default_factory=list)  # from each mark to the next
    end_s: float = 0.0  # from the last mark to the end
    came: list[str] = field(default_factory=list)  # students in the order of their marks
    reports: dict[str, Any] = field(default_factory=dict)
    rows: list[tuple[Any, ...]] = field(default_factory=list)  # of the gradebook

    @property
    def per_minute(self) -> float:
        """Between the first result and the last."""
        return 60 * len(self.steps_s) / sum(self.steps_s)

    def figures(self) -> dict[str, Any]:
        own = ("engine", "submissions", "wall_s", "first_s", "end_s", "steps_s")
        return {name: getattr(self, name) for name in own} | {"per_minute": self.per_minute}


class Timed(Executor):
    """An engine, and when each submission was done: marks come later, where the gradebook is not open yet."""

    def __init__(self, pool: Executor) -> None:
        self.pool, self.done = pool, list[float]()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future = self.pool.submit(function, *args, **kwargs)
        if args[1] != "solution":
            future.add_done_callback(lambda _: self.done.append(time.perf_counter()))
        return future


class Kept(Executor):
    """An engine that keeps what each task returned, and another that returns it at once."""

    def __init__(self, pool: Executor) -> None:
        self.pool, self.graded = pool, dict[str, Future]()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        student = args[1]
        if student not in self.graded:
            self.graded[student] = self.pool.submit(function, *args, **kwargs)
        return self.graded[student]


# ---- One grading -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def course_with(submissions: dict[str, Any]) -> Iterator[Path]:
    """A copy of the course, with one set and its submissions in it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("pyproject.toml", "nbgrader_config.py", f"sources/exercises/{SET}.py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
        for name in (f"solutions/{SET}", f"exercises/{SET}"):
            shutil.copytree(ROOT / name, folder / name)
        (folder / "classroom").mkdir()
        (folder / "classroom/secret").write_text(SECRET)
        write_class(folder / "classroom", SET, submissions)
        yield folder


def graded(
    engine: str, submissions: dict[str, Any], db_url: str, open_engine: Callable[[Path], Any], at_mark: Any = None
) -> Run:
    """Grade the class with the engine that `open_engine` opens for a course; `at_mark(n)` is told of each mark."""
    run = Run(engine, len(submissions))
    with course_with(submissions) as root:
        classroom = Classroom(root, SET, url=db_url)
        marks: list[float] = []

        def note(report: Any, n: int, of: int) -> None:
            marks.append(time.perf_counter())
            run.came.append(report.student)
            if at_mark:
                at_mark(n)

        begun = time.perf_counter()
        with open_engine(root) as pool:
            executor = Timed(pool)
            batch = autograde.grade(SET, classroom=classroom, executor=executor, on_report=note)
            ended = time.perf_counter()
        run.wall_s, run.first_s, run.end_s = ended - begun, executor.done[0] - begun, ended - marks[-1]
        run.steps_s = [after - before for before, after in itertools.pairwise(executor.done)]
        run.written_s = [after - before for before, after in itertools.pairwise(marks)]
        for report in batch.reports:
            run.reports[report.student] = {k: v for k, v in dataclasses.asdict(report).items() if k not in MEASURED}
        run.rows = rows_of(classroom.db_url)
    return run


def rows_of(db_url: str) -> list[tuple[Any, ...]]:
    with create_engine(db_url, poolclass=NullPool).connect() as connection:
        return [tuple(row) for row in connection.execute(text(ROWS))]


def faults(run: Run, expected: Run) -> list[str]:
    """What is wrong with a grading: marks lost, doubled or different."""
    found = []
    if sorted(run.came) != sorted(expected.came):
        found.append(f"{len(run.came)} marks of {len(set(run.came))} students, where {len(expected.came)} handed in")
    differ = (student for student, report in expected.reports.items() if run.reports.get(student) != report)
    found += [f"{student}: another report" for student in differ]
    if run.rows != expected.rows:
        found.append(f"the gradebooks differ: {len(run.rows)} scores and {len(expected.rows)}")
    return found


# ---- The engines -----------------------------------------------------------------------------------------------------


def on_cluster(name: str, n: int, submissions: dict[str, Any], db_url: str, *, kill_at: int | None = None) -> Run:
    """With n workers of one kernel each; one of them is killed at that mark."""
    with dask_cluster(n) as workers:

        def at_mark(mark: int) -> None:
            if mark == kill_at:
                workers.workers[0].kill()

        return graded(name, submissions, db_url, partial(cluster, workers.address, SET), at_mark)


@contextlib.contextmanager
def alone(kept: list[Kept], root: Path) -> Iterator[Kept]:
    """This machine's own worker processes, as without a cluster; what they return is kept."""
    with autograde.engine(None, None, 1000) as pool:
        kept.append(Kept(pool))
        yield kept[-1]


# ---- The simulation --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Simulated:
    """A class graded by so many kernels, by the times that were measured."""

    kernels: int
    minutes: float
    writer_busy: float  # share of the time
    kernels_busy: float


def simulate(
    n: int, kernels: int, grading_s: list[float], writing_s: list[float], first_s: float, rng: random.Random
) -> Simulated:
    """Each kernel takes the next submission when it is free; the writer takes what is graded in that order.

    >>> simulate(4, 2, [10.0], [1.0], 0.0, random.Random(0))  # marks at 11, 12, 21 and 22 seconds
    Simulated(kernels=2, minutes=0.36666666666666664, writer_busy=0.18181818181818182, kernels_busy=0.9090909090909091)
    """
    free = [first_s] * kernels  # when each is
    graded_at, grading = [], 0.0
    for _ in range(n):
        seconds = rng.choice(grading_s)
        grading += seconds
        graded_at.append(heapq.heapreplace(free, free[0] + seconds) + seconds)
    written_at, writing = 0.0, 0.0
    for moment in sorted(graded_at):
        seconds = rng.choice(writing_s)
        writing += seconds
        written_at = max(written_at, moment) + seconds
    return Simulated(kernels, written_at / 60, writing / written_at, grading / kernels / written_at)


# ---- Everything ------------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    """What is measured, on what, and where it is written."""

    n: int  # submissions of the large class
    n_small: int
    seed: int
    kill: bool
    database: Callable[[str], str]  # a gradebook's address by the name of the run; "" for a file
    json: Path | None
    console: Console = field(default_factory=lambda: Console(width=160, highlight=False))
    figures: dict[str, Any] = field(default_factory=dict)

    def keep(self, **figures: Any) -> None:
        self.figures |= figures
        if self.json:
            self.json.write_text(json.dumps(self.figures, indent=1) + "\n", encoding="utf-8")

    def run(self) -> None:
        where = (
            f"{device('cpu').name}, {device('cpu').cores} cores, load {os.getloadavg()[0]:.1f} at the start, "
            f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
            f"distributed {version('distributed')}, {date.today()}"
        )
        self.console.print(f"{where}. Set {SET}; the gradebook is {self.database('') or 'an SQLite file'}.")
        self.keep(machine=where, set=SET, seed=self.seed)
        kept = self.one_and_two()
        samples = self.throughput()
        writing = self.writer(kept)
        self.simulation(samples, writing)

    def one_and_two(self) -> Kept:
        """The same class by this machine and by the cluster."""
        submissions = make_class(SET, self.n, self.seed)
        kept: list[Kept] = []
        one = graded("this machine alone", submissions, self.database("alone"), partial(alone, kept))
        self.keep(alone=one.figures())
        self.say(one)
        name = "2 workers, one killed half-way" if self.kill else "2 workers"
        two = on_cluster(name, 2, submissions, self.database("two"), kill_at=self.n // 2 if self.kill else None)
        wrong = faults(two, one)
        self.keep(two=two.figures(), killed=self.kill, faults=wrong)
        self.say(two)
        n_rows = f"{len(two.rows)} scores of {len(set(two.came))} students"
        verdict = "\n".join(wrong[:20]) or "every mark once, and reports and gradebook as on this machine alone"
        self.console.print(f"  {n_rows}: {verdict}")
        if wrong:
            raise SystemExit(1)
        return kept[0]

    def throughput(self) -> Run:
        """Smaller classes on 1, 2 and 4 workers; the run with one is what the simulation samples."""
        submissions = make_class(SET, self.n_small, self.seed + 1)
        runs = [on_cluster(f"{n} workers", n, submissions, self.database(f"workers{n}")) for n in (1, 2, 4)]
        self.keep(throughput=[run.figures() for run in runs])
        table = Table("workers", "s to the first result", "per minute after it", "times one", box=box.MARKDOWN)
        for n, run in zip((1, 2, 4), runs, strict=True):
            times = run.per_minute / runs[0].per_minute
            table.add_row(str(n), f"{run.first_s:.1f}", f"{run.per_minute:.1f}", f"{times:.2f}")
        self.console.print(table)
        return runs[0]

    def writer(self, kept: Kept) -> list[float]:
        """Seconds for one student's files and rows, with results that are there already."""

        @contextlib.contextmanager
        def at_once(root: Path) -> Iterator[Kept]:
            yield kept

        submissions = make_class(SET, self.n, self.seed)
        run = graded("the writer alone", submissions, self.database("writer"), at_once)
        self.keep(writer={"written_s": run.written_s, "end_s": run.end_s})
        self.console.print(
            f"The writer alone: {1000 * mean(run.written_s):.0f} ms a student (median "
            f"{1000 * median(run.written_s):.0f}), and {run.end_s:.1f} s at the end for the page of alike answers."
        )
        return run.written_s

    def simulation(self, one: Run, writing_s: list[float]) -> None:
        grading_s, rng = one.steps_s, random.Random(self.seed)
        columns = ("kernels", f"minutes for {STUDENTS}", "times one", "kernels busy", "writer busy")
        table = Table(*columns, box=box.MARKDOWN)
        runs = [simulate(STUDENTS, n, grading_s, writing_s, one.first_s, rng) for n in KERNELS]
        for run in runs:
            times = f"{runs[0].minutes / run.minutes:.1f}"
            busy = (f"{run.kernels_busy:.0%}", f"{run.writer_busy:.0%}")
            table.add_row(str(run.kernels), f"{run.minutes:.1f}", times, *busy)
        limit = mean(grading_s) / mean(writing_s)
        self.keep(simulation=[dataclasses.asdict(run) for run in runs], writer_is_the_limit_at=limit)
        self.console.print(table)
        self.console.print(
            f"Simulated from {len(grading_s)} gradings (mean {mean(grading_s):.2f} s) and {len(writing_s)} writings "
            f"(mean {1000 * mean(writing_s):.0f} ms): the one writer is the limit from {limit:.0f} kernels on."
        )

    def say(self, run: Run) -> None:
        self.console.print(
            f"{run.engine}: {run.submissions} submissions in {run.wall_s:.0f} s, the first result after "
            f"{run.first_s:.1f} s, then {run.per_minute:.1f} a minute"
        )


@contextlib.contextmanager
def databases(own_server: bool, db_url: str) -> Iterator[Callable[[str], str]]:
    """Where each run keeps its marks: a new database of a server of our own, the given one, or a file."""
    if not own_server:
        yield lambda name: db_url
        return
    from pg_server import postgres_server

    with postgres_server() as server:

        def database(name: str) -> str:
            if name:
                server.create(name)
            return server.url(name) if name else "a PostgreSQL server of its own"

        yield database


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--submissions", type=int, default=200, metavar="N", help="size of the class (default 200)")
    parser.add_argument("--small", type=int, default=40, metavar="N", help="size of the classes for 1, 2 and 4 workers")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another class (default 0)")
    parser.add_argument("--kill", action="store_true", help="kill one of the two workers half-way")
    parser.add_argument("--postgres", action="store_true", help="marks go to a PostgreSQL server made for this")
    parser.add_argument("--db-url", default="", help="marks go to this database, over what is there")
    parser.add_argument("--quick", action="store_true", help="six submissions: shows that it runs")
    parser.add_argument("--json", type=Path, help="also write the figures to this file, as they come")
    chosen = parser.parse_args()
    n, n_small = (6, 3) if chosen.quick else (chosen.submissions, chosen.small)
    with databases(chosen.postgres, chosen.db_url) as database:
        Bench(n, n_small, chosen.seed, chosen.kill, database, chosen.json).run()


if __name__ == "__main__":
    main()
