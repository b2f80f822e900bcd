"""Grading a class: `racecourse grade` beside plain `nbgrader autograde`, on the same submissions and machine.

    python benchmarks/grading.py [--submissions 40] [--agreement] [--quick] [--no-trouble] [--only stock] [--json FILE]

A made-up class (tests/classroom.py) is graded twice: by nbgrader as it comes, one process with nothing configured but
the names of folders, and by `racecourse grade` with its walls up, each in a copy of the course of its own and from a
cold start. Then the same with trouble mixed in: in a tenth of the submissions an answer never returns, in another it
kills its kernel, and both graders stop a cell after 20 s. A quiet machine gives the best figures.

Start-up ends when the first kernel starts. A kernel's memory is what it shares with no other process (USS), the most
that was seen; its life is what was seen, too, on a look every second. `--agreement` lists each check that
a grader scores otherwise than the same cells run in one Python process. Left out: the network, several machines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import nbformat
import psutil
from nbgrader.api import Gradebook, MissingEntry
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from racecourse.grading.integrity import grade_id_of, is_test
from racecourse.grading.records import Report, from_json
from racecourse.learn.notebooks import course_root
from racecourse.machine import device

ROOT = course_root(Path(__file__).parent)
sys.path.insert(0, str(ROOT / "tests"))
from classroom import assignment, deserved, endless, killed, make_class, write_class  # noqa: E402

SET = "01_transformers"
STOCK, OURS = "stock", "racecourse"
HONEST, TROUBLE = "honest", "with trouble"
SECONDS_PER_CELL = 20  # where there is trouble; else what each grader has by itself
SPENT = ("intake", "start", "cells", "checks", "tripwires", "end", "pages")  # of a submission, as records name it
LOOK_EVERY_S = 1.0
BIN = Path(sys.executable).parent
STOCK_CONFIG = """\
c = get_config()
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
"""


@dataclass
class Run:
    """One grader on one class."""

    grader: str
    group: str
    submissions: int
    wall_s: float
    start_up_s: float
    checks: int  # in all submissions
    scored: int  # checks that were given points, be it 0; the others wait for a person
    kernel_s: float | None  # a kernel's life, median
    kernel_mib: float | None  # a kernel's USS, median of the most of each
    judge_mib: float | None  # the same of the processes that run tests beside the kernels
    most_kernels: int  # at one time
    record_s: float | None = None  # from a submission's first cell to its last check, median of what the records say
    record_mib: float | None = None  # the kernel's peak, median of what the records say
    spent: dict[str, float] = field(default_factory=dict)  # seconds of a submission by what they went to, medians

    @property
    def per_minute(self) -> float:
        return 60 * self.submissions / self.wall_s

    @property
    def per_minute_warm(self) -> float:
        return 60 * self.submissions / (self.wall_s - self.start_up_s)


# ---- Looking on ------------------------------------------------------------------------------------------------------


@dataclass
class Seen:
    """A kernel or a judge, as it was looked at from outside."""

    is_kernel: bool
    started: float  # seconds since 1970
    last: float
    most_mib: float = 0.0


@dataclass
class Watch:
    """Looks at a command's descendants until it ends. A judge is forked twice below the zygote; it has no walls."""

    command: psutil.Process
    seen: dict[tuple[int, float], Seen] = field(default_factory=dict)  # by process id and start
    most_kernels: int = 0

    def look(self) -> None:
        own_namespace, kernels = os.stat("/proc/self/ns/pid").st_ino, 0
        for process in self.command.children(recursive=True):
            try:
                line, namespace = process.cmdline(), os.stat(f"/proc/{process.pid}/ns/pid").st_ino
                is_zygotes = "racecourse.grading.zygote" in line
                is_kernel = "ipykernel_launcher" in line or (is_zygotes and namespace != own_namespace)
                is_judge = is_zygotes and not is_kernel and process.parent().parent().cmdline() == line
                if not is_kernel and not is_judge:
                    continue
                mib = process.memory_full_info().uss / 2**20
                started = process.create_time()
            except (psutil.Error, OSError, AttributeError):  # it ended while we looked
                continue
            seen = self.seen.setdefault((process.pid, started), Seen(is_kernel, started, time.time()))
            seen.last, seen.most_mib = time.time(), max(seen.most_mib, mib)
            kernels += is_kernel
        self.most_kernels = max(self.most_kernels, kernels)

    def of(self, *, kernels: bool) -> list[Seen]:
        return [seen for seen in self.seen.values() if seen.is_kernel == kernels]


def timed(command: list[str], folder: Path) -> tuple[float, float, Watch]:
    """Run a command and return its seconds, those of them before its first kernel started, and what was seen.

    Its own runtime folder makes it start a zygote of its own, which ends with it. What it says is in folder/log.txt.

    Raises:
        RuntimeError: it started no kernel.
    """
    with tempfile.TemporaryDirectory(prefix="rt") as runtime, (folder / "log.txt").open("w") as log:
        env = environment() | {"XDG_RUNTIME_DIR": runtime}
        begun, clock = time.time(), time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log)
        watch, ended = Watch(psutil.Process(process.pid)), threading.Event()
        looking = threading.Thread(target=keep_looking, args=(watch, ended))
        looking.start()
        process.wait()
        seconds = time.perf_counter() - clock
        ended.set()
        looking.join()
        end_zygote(runtime)
    kernels = watch.of(kernels=True)
    if not kernels:
        raise RuntimeError(f"{' '.join(command)} started no kernel. {last_words(folder)}")
    return seconds, min(kernel.started for kernel in kernels) - begun, watch


def last_words(folder: Path) -> str:
    return f"It said last:\n{(folder / 'log.txt').read_text(errors='replace')[-2000:]}"


def environment() -> dict[str, str]:
    """With this Python's commands on PATH: nbgrader looks for `alembic` there."""
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def keep_looking(watch: Watch, ended: threading.Event) -> None:
    while not ended.wait(LOOK_EVERY_S):
        try:
            watch.look()
        except psutil.NoSuchProcess:  # the command itself has just ended
            return


def end_zygote(runtime: str) -> None:
    """End what listens in this folder: it would wait some minutes for another kernel to start."""
    processes = psutil.process_iter(["cmdline"])
    zygotes = [p for p in processes if any(part.startswith(runtime) for part in p.info["cmdline"] or [])]
    for zygote in zygotes:
        with suppress(psutil.NoSuchProcess):
            zygote.terminate()
    psutil.wait_procs(zygotes)


# ---- The two graders -------------------------------------------------------------------------------------------------


Points = dict[str, dict[str, float | None]]  # student -> grade_id -> points; None: no points were given


@dataclass
class Graded:
    """What a grader made of a class."""

    run: Run
    scores: Points
    says: dict[str, dict[str, str]]  # student -> grade_id -> why points were lost


@cache
def checks() -> list[str]:
    """The grade_ids of the set's automatic checks."""
    return [grade_id_of(cell) for cell in assignment(SET).solution.cells if is_test(cell)]


@contextmanager
def course_with(submissions: dict[str, Any], config: str) -> Iterator[Path]:
    """A copy of the course, with one set and its submissions in it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "sources" / "lessons").mkdir(parents=True)
        (folder / "sources" / "exercises").mkdir()
        shutil.copy(ROOT / "sources" / "exercises" / f"{SET}.py", folder / "sources" / "exercises")
        shutil.copy(ROOT / "pyproject.toml", folder)
        (folder / "nbgrader_config.py").write_text(config, encoding="utf-8")
        for name in ("solutions", "exercises"):
            shutil.copytree(ROOT / name / SET, folder / name / SET)
        write_class(folder, SET, submissions)
        yield folder


def grade_by_stock(submissions: dict[str, Any], group: str) -> Graded:
    """nbgrader with its defaults. Making the assignment is not timed."""
    with course_with(submissions, STOCK_CONFIG) as folder:
        prepare = [str(BIN / "nbgrader"), "generate_assignment", SET, "--force"]
        subprocess.run(prepare, cwd=folder, env=environment(), check=True, capture_output=True)
        command = [str(BIN / "nbgrader"), "autograde", SET]
        if group == TROUBLE:
            command.append(f"--ExecutePreprocessor.timeout={SECONDS_PER_CELL}")
        seconds, start_up, watch = timed(command, folder)
        scores = stock_scores(folder, submissions)
        says = {student: stock_says(folder, student) for student in submissions}
        require_points(scores, folder)
    return Graded(make_run(STOCK, group, scores, seconds, start_up, watch), scores, says)


def stock_scores(folder: Path, students: Iterable[str]) -> Points:
    scores = {}
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        for student in students:
            try:
                grades = {grade.name: grade for grade in gradebook.find_submission_notebook(SET, SET, student).grades}
            except MissingEntry:  # it failed before nbgrader knew of it
                grades = {}
            scores[student] = {name: grades[name].auto_score if name in grades else None for name in checks()}
    return scores


def stock_says(folder: Path, student: str) -> dict[str, str]:
    """The error of each cell, or what it has on stderr. Empty where there is no autograded notebook."""
    path = folder / "autograded" / student / SET / f"{SET}.ipynb"
    said: dict[str, str] = {}
    for cell in nbformat.read(path, as_version=4).cells if path.is_file() else []:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                said[grade_id_of(cell)] = f"on stderr: {output.text.strip()}"
            elif output.output_type == "error":  # the last output of its cell
                said[grade_id_of(cell)] = f"{output.ename}: {output.evalue}"
    return said


def grade_by_ours(submissions: dict[str, Any], group: str) -> Graded:
    """`racecourse grade` with its walls up."""
    config = (ROOT / "nbgrader_config.py").read_text(encoding="utf-8")
    with course_with(submissions, config) as folder:
        (folder / "classroom").mkdir()
        (folder / "classroom" / "secret").touch()  # none: hidden tests keep the inputs that stock gives them
        command = [str(BIN / "racecourse"), "grade", SET, str(folder / "submitted")]
        if group == TROUBLE:
            command += ["--seconds", str(SECONDS_PER_CELL)]
        seconds, start_up, watch = timed(command, folder)
        records = (folder / "classroom" / "records" / SET).glob("*.json")
        reports = {path.stem: report_in(path) for path in records}
        parts = {student: reports[student].parts() if student in reports else {} for student in submissions}
        scores = {
            student: {name: found[name].earned if name in found else None for name in checks()}
            for student, found in parts.items()
        }
        require_points(scores, folder)
    run = make_run(OURS, group, scores, seconds, start_up, watch)
    run.record_s = middle([report.seconds for report in reports.values()])
    run.record_mib = middle([report.peak_mib for report in reports.values() if report.peak_mib is not None])
    of_each = [report.spent for report in reports.values() if report.spent]
    run.spent = {what: median([spent.get(what, 0.0) for spent in of_each]) for what in SPENT} if of_each else {}
    return Graded(run, scores, {s: {name: part.message for name, part in found.items()} for s, found in parts.items()})


def report_in(path: Path) -> Report:
    """The report in a record, which has its key beside it."""
    return from_json(json.dumps(json.loads(path.read_bytes())["report"]))


def require_points(scores: Points, folder: Path) -> None:
    """
    Raises:
        RuntimeError: not one check of the class was scored.
    """
    if all(points is None for of_student in scores.values() for points in of_student.values()):
        raise RuntimeError(f"nothing was scored. {last_words(folder)}")


GRADERS: dict[str, Callable[[dict[str, Any], str], Graded]] = {STOCK: grade_by_stock, OURS: grade_by_ours}


def make_run(grader: str, group: str, scores: Points, seconds: float, start_up: float, watch: Watch) -> Run:
    kernels, judges = watch.of(kernels=True), watch.of(kernels=False)
    return Run(
        grader, group, len(scores), seconds, start_up,
        checks=sum(len(points) for points in scores.values()),
        scored=sum(number is not None for points in scores.values() for number in points.values()),
        kernel_s=middle([kernel.last - kernel.started for kernel in kernels]),
        kernel_mib=middle([kernel.most_mib for kernel in kernels]),
        judge_mib=middle([judge.most_mib for judge in judges]),
        most_kernels=watch.most_kernels,
    )  # fmt: skip


def middle(numbers: list[float]) -> float | None:
    return median(numbers) if numbers else None


# ---- Classes, tables -------------------------------------------------------------------------------------------------


def with_trouble(submissions: dict[str, Any]) -> dict[str, Any]:
    """In a tenth an answer never returns, in another tenth it kills its kernel; at least one of each."""
    mixed = dict(submissions)
    for number, student in enumerate(submissions):
        if number % 10 in (1, 6):
            mixed[student] = (endless if number % 10 == 1 else killed)(submissions[student])
    return mixed


def table_of(runs: list[Run]) -> Table:
    columns = ["class", "grader", "wall s", "start-up s", "per minute", "without start-up", "times stock",
               "checks scored", "kernel's life s", "kernel MiB", "judge MiB", "kernels at once", "record s",
               "record MiB"]  # fmt: skip
    table = Table(*columns, box=box.MARKDOWN)
    stock = {run.group: run for run in runs if run.grader == STOCK}
    for run in runs:
        ratio = stock[run.group].wall_s / run.wall_s if run.group in stock else None
        speed = (run.wall_s, run.start_up_s, run.per_minute, run.per_minute_warm, ratio)
        table.add_row(
            run.group, run.grader, *map(shown, speed),
            f"{run.scored} of {run.checks}", *map(shown, (run.kernel_s, run.kernel_mib, run.judge_mib)),
            str(run.most_kernels), *map(shown, (run.record_s, run.record_mib)),
        )  # fmt: skip
    return table


def shown(number: float | None) -> str:
    return "" if number is None else f"{number:.1f}"


def differences(submissions: dict[str, Any], graded: list[Graded]) -> list[dict[str, Any]]:
    """Each check that a grader scores otherwise than another, or than the notebook's cells in one Python process."""
    found = []
    for student, notebook in submissions.items():
        honest = deserved(SET, notebook)
        for name in checks():
            points = {one.run.grader: one.scores[student][name] for one in graded}
            if set(points.values()) != {honest[name]}:
                says = {one.run.grader: one.says[student].get(name, "") for one in graded}
                found.append({"student": student, "check": name, "deserved": honest[name], **points, "says": says})
    return found


def table_of_differences(found: list[dict[str, Any]], graders: list[str]) -> Table:
    table = Table("student", "check", "deserved", *graders, *(f"{grader} says" for grader in graders), box=box.MARKDOWN)
    for row in found:
        says = [" ".join(row["says"][grader].split())[:90] for grader in graders]
        points = ["none" if row[grader] is None else f"{row[grader]:g}" for grader in graders]
        table.add_row(row["student"], row["check"], f"{row['deserved']:g}", *points, *map(escape, says))
    return table


def run(n: int, seed: int, graders: list[str], *, trouble: bool, agreement: bool) -> dict[str, object]:
    """Measure everything, print the tables, return the figures."""
    console = Console(width=200)
    where = (
        f"{device('cpu').name}, {device('cpu').cores} cores, load {os.getloadavg()[0]:.1f} at the start, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"nbgrader {version('nbgrader')}, torch {version('torch')}, {date.today()}"
    )
    console.print(f"{where}. {n} submissions of {SET}.", highlight=False)
    submissions = make_class(SET, n, seed)
    honest = [GRADERS[grader](submissions, HONEST) for grader in graders]
    runs = [one.run for one in honest]
    if trouble:
        runs += [GRADERS[grader](with_trouble(submissions), TROUBLE).run for grader in graders]
    console.print(table_of(runs), highlight=False)
    for one in runs:
        if one.spent:
            parts = ", ".join(f"{what} {seconds:.2f}" for what, seconds in one.spent.items())
            console.print(f"{one.group}, seconds of one submission by {one.grader}, medians: {parts}", highlight=False)
    figures: dict[str, object] = {"machine": where, "set": SET, "seed": seed}
    figures["runs"] = [asdict(run) | {"per_minute": run.per_minute} for run in runs]
    if agreement:
        figures["differences"] = found = differences(submissions, honest)
        console.print(f"\n{len(found)} differences in {n * len(checks())} checks.", highlight=False)
        if found:
            console.print(table_of_differences(found, graders), highlight=False)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--submissions", type=int, default=40, metavar="N", help="size of the class (default 40)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another class (default 0)")
    parser.add_argument("--agreement", action="store_true", help="list each check on which the graders differ")
    parser.add_argument("--no-trouble", action="store_true", help="the honest class only")
    parser.add_argument("--only", choices=list(GRADERS), help="one grader instead of both")
    parser.add_argument("--quick", action="store_true", help="four submissions and no trouble: shows that it runs")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    graders = [chosen.only] if chosen.only else list(GRADERS)
    n = 4 if chosen.quick else chosen.submissions
    figures = run(n, chosen.seed, graders, trouble=not (chosen.quick or chosen.no_trouble), agreement=chosen.agreement)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
