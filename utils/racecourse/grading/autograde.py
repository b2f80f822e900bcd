"""Grade a whole class: `racecourse grade 01_transformers` for classroom/submitted, or for a zip from an LMS.

Workers grade one submission each and return its record; this process alone writes. For every student first the notebook
and the feedback, then the record in classroom/records/, each written at once or not at all; at last every record goes
to nbgrader's gradebook, also those that lay there. So a grading that was killed, at whatever instant, goes on where it
was, and the gradebook never holds a score that no record explains. A record counts as long as the submission, the set,
the grader and the class's secret are what they were.

The engine is any `concurrent.futures.Executor` whose workers see the course's folder; loky's by default.
Left out: manual grading (nbgrader's formgrader).
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from racecourse.grading import variants
from racecourse.grading.classes.rosters import Student
from racecourse.grading.intake import Submission, find_submissions
from racecourse.grading.integrity import is_answer
from racecourse.grading.records import Flag, Report, from_json, to_json
from racecourse.learn.notebooks import course_root, read, release_path, target_of, without_slow_imports

WATCHDOG_SECONDS = 120  # more than a notebook may take by its own deadlines
SHOWN = 3  # students whose answers are alike, in the table; the page has all
MODEL = "smollm2-135m-instruct"  # loaded before the fork, where a set uses it


@dataclass(frozen=True)
class Options:
    """How to grade; a part of every record's key, but for what changes no result."""

    root: Path
    isolation: str = "sandbox"
    seconds: int = 60  # for one cell, and for one check
    secret: bytes = field(default=b"", repr=False)  # logs show arguments
    values: str = ""  # JSON: the version of the set that this student has drawn; "" for the public one

    def of(self, drawn: variants.Values | None) -> Options:
        """The same for one student."""
        return dataclasses.replace(self, values=json.dumps(drawn, sort_keys=True)) if drawn else self

    def as_in(self, record: Mapping[str, Any]) -> Options:
        """The same with the settings under which a record was made."""
        return dataclasses.replace(self, isolation=record["isolation"], seconds=record["seconds"])


@dataclass(frozen=True)
class Graded:
    """What a worker returns: plain text, so that it may come from another machine."""

    report: str  # JSON
    feedback: str  # the learner's page
    notebook: str = ""  # JSON: as it ran, with what it printed, safe to be shown; empty if it could not be read
    is_final: bool = True  # False: the grader failed, not the submission; the next run tries again


# ------------------------------------------------------------------------------------------------------ one submission


def grade_one(name: str, student: str, data: bytes, options: Options) -> Graded:
    """Take in one file, run it, judge it. Whatever is wrong with the file is in the report; nothing of it raises."""
    import nbformat

    from racecourse.grading.checker import Grading
    from racecourse.grading.flags import flags_of
    from racecourse.grading.intake import Refused, parse, repair, require_set
    from racecourse.grading.reports import feedback, neutralised

    begun = time.monotonic()
    graded = _set(name, options.root, options.values)
    try:
        submission, remarks = parse(data)
        require_set(submission, name, _releases(options.root))
        notebook = json_copy(submission)
        remarks += repair(notebook, graded.release)
    except Refused as refusal:
        return not_graded(refused(graded, student, str(refusal)))
    preload = (MODEL,) if MODEL in "".join(graded.preludes.values()) else ()
    place = _place(options.isolation, preload)
    grading = Grading(
        graded, notebook, place, seconds=options.seconds, all_seconds=20 * options.seconds, student=student,
        secret=options.secret, remarks=remarks,
    )  # fmt: skip
    repaired = json_copy(notebook)
    taken_in = time.monotonic()
    with watchdog(grading.all_seconds + WATCHDOG_SECONDS):
        outcome = grading.run()
    ended = time.monotonic()
    outcome.report.flags += flags_of(
        submission, repaired, graded.release, outcome.notebook, solution=graded.solution
    )  # fmt: skip
    safe = neutralised(outcome.notebook)
    page = feedback(outcome.report, safe)
    spent = outcome.report.spent
    spent |= {
        "end": round(ended - taken_in - sum(spent.values()), 3)
    }  # of the kernel, and what lies between the others
    spent |= {"intake": round(taken_in - begun, 3), "pages": round(time.monotonic() - ended, 3)}
    return Graded(to_json(outcome.report), page, nbformat.writes(safe))


@contextlib.contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """The last of all deadlines: whatever keeps this worker from going on, it fails and takes the next submission."""

    def stop(*_: object) -> None:
        raise RuntimeError("no end was in sight")

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@functools.cache
def _place(isolation: str, preload: tuple[str, ...]) -> Any:
    """One per worker: it holds the process from which judges are forked."""
    from racecourse.grading.checker import Apart

    return Apart(isolation, preload)


@functools.lru_cache(maxsize=4)
def _set(name: str, root: Path, values: str = "") -> Any:
    from racecourse.grading.checker import GradedSet

    return GradedSet.load(name, root, variants.plain(json.loads(values or "{}")))


@functools.lru_cache(maxsize=1)
def _releases(root: Path) -> dict[str, Any]:
    return {path.stem: read(path) for path in sorted(root.glob("exercises/*/*.ipynb"))}


def json_copy(notebook: Any) -> Any:
    import nbformat

    return nbformat.from_dict(json.loads(json.dumps(notebook)))


def refused(graded: Any, student: str, reason: str) -> Report:
    """The report on a submission of which nothing could be graded."""
    from racecourse.grading.checker import score

    exercises = score(graded.release, graded.stubs, {}, {})
    for exercise in exercises:
        for part in exercise.parts:
            part.message = "" if exercise.by_hand else "not graded"
    return Report(graded.name, exercises, student=student, refused=reason)


def not_graded(report: Report, *, is_final: bool = True) -> Graded:
    from racecourse.grading.reports import feedback

    return Graded(to_json(report), feedback(report, None), is_final=is_final)


# ----------------------------------------------------------------------------------------------------------- the folder


@dataclass(frozen=True)
class Classroom:
    """The private folder of a class, in nbgrader's layout and with the records beside it."""

    root: Path  # of the course
    name: str  # of the set
    of_class: Path | None = None  # its directory (`classes`); the course's own classroom/ if there is none
    url: str = ""  # of the gradebook; a file in the folder if it is left out
    roster: tuple[Student, ...] = ()
    due: datetime | None = None

    @property
    def folder(self) -> Path:
        return self.of_class or self.root / "classroom"

    @property
    def submitted(self) -> Path:
        return self.folder / "submitted"

    @property
    def records(self) -> Path:
        return self.folder / "records" / self.name

    @property
    def db_url(self) -> str:
        return self.url or f"sqlite:///{self.folder / 'gradebook.db'}"

    def autograded(self, student: str) -> Path:
        return self.folder / "autograded" / student / self.name / f"{self.name}.ipynb"

    def feedback(self, student: str) -> Path:
        return self.folder / "feedback" / student / self.name / f"{self.name}.html"

    def handed_in(self, submission: Submission, is_here: bool) -> datetime | None:
        """When it was handed in, as nbgrader keeps it beside the file; what came from elsewhere is put there first.

        The same file again keeps its moment. A platform's zip has the moment of the download: nobody is late by it.
        """
        from nbgrader.utils import parse_utc

        path = self.submitted / submission.student / self.name / f"{self.name}.ipynb"
        stamp = path.with_name("timestamp.txt")
        when = submission.submitted_at
        if not is_here and not (path.is_file() and path.read_bytes() == submission.data):
            before = parse_utc(stamp.read_text().strip()) if stamp.exists() else None
            if when and self.due and submission.platform:
                when = min(when, self.due.astimezone(UTC))
            if when and before and when.replace(tzinfo=None) == before:
                when -= timedelta(microseconds=1)  # nbgrader tells another file by another moment
            write_at_once(path, submission.data)
            stamp.unlink(missing_ok=True)
        if not stamp.exists() and when is not None:
            write_at_once(stamp, f"{when:%Y-%m-%d %H:%M:%S.%f %Z}")
        return parse_utc(stamp.read_text().strip()) if stamp.exists() else None

    def secret(self) -> bytes:
        """The class's own number, made at the first use: from it follow the inputs of all hidden tests."""
        path = self.folder / "secret"
        if not path.exists():
            write_at_once(path, secrets.token_hex(32), mode=0o600)
        return path.read_text().strip().encode()

    @property
    def draws_file(self) -> Path:
        return self.folder / f"variants/{self.name}.json"

    def draws(self) -> dict[str, variants.Values]:
        """Who has drawn what; nobody has in a class without variants."""
        if not self.draws_file.exists():
            return {}
        drawn = json.loads(self.draws_file.read_text(encoding="utf-8"))
        return {student: variants.plain(values) for student, values in drawn.items()}

    def draw_for(self, students: Iterable[str]) -> dict[str, variants.Values]:
        """Everybody's draws; those of `students` who had none get one now, and keep it. None if nothing can vary."""
        source = self.root / f"sources/exercises/{self.name}.py"
        if not (parameters := variants.parameters_of(source)):
            return {}
        drawn = self.draws()
        for student in sorted(set(students) - set(drawn)):
            drawn[student] = variants.draw_values(parameters, self.secret(), self.name, student, taken=drawn.values())
        self.write_draws(drawn)
        return drawn

    def write_draws(self, drawn: Mapping[str, variants.Values]) -> None:
        write_at_once(self.draws_file, json.dumps(drawn, ensure_ascii=False, indent=1), mode=0o600)

    def write_similarity(self, students: list[str]) -> dict[str, list[str]]:
        """The page that shows answers which are built alike; by student, whose theirs are like."""
        from racecourse.grading.similarity import partners, similar, to_html

        notebooks = {
            student: read(self.autograded(student)) for student in students if self.autograded(student).exists()
        }
        lesson = self.root / f"lessons/{self.name}.ipynb"
        pairs = similar(
            notebooks, read(release_path(self.name, self.root)), read(target_of(self.name, self.root)),
            given=[read(lesson)] if lesson.exists() else [],
        )  # fmt: skip
        write_at_once(self.folder / f"reports/{self.name}.html", to_html(pairs, self.name))
        return partners(pairs)

    def record(self, student: str, key: str) -> Report | None:
        """A record that still counts."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            raw = json.loads((self.records / f"{student}.json").read_text(encoding="utf-8"))
            if raw["key"] == key and self.autograded(student).exists() != bool(raw["report"]["refused"]):
                return from_json(json.dumps(raw["report"]))
        return None

    def write(self, submission: Submission, key: str, graded: Graded, options: Options) -> Report:
        """All files of one student; the record comes last, and says that the others are there."""
        if graded.notebook:
            write_at_once(self.autograded(submission.student), graded.notebook)
        else:
            self.autograded(submission.student).unlink(missing_ok=True)  # of an earlier submission
        write_at_once(self.feedback(submission.student), graded.feedback)
        said = {"key": key if graded.is_final else "", "isolation": options.isolation, "seconds": options.seconds,
                "report": json.loads(graded.report)}  # fmt: skip
        write_at_once(self.records / f"{submission.student}.json", json.dumps(said, ensure_ascii=False, indent=1))
        return from_json(graded.report)


def write_at_once(path: Path, contents: str | bytes, mode: int | None = None) -> None:
    """The whole file or none of it, whenever this process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
    if mode is not None:
        unfinished.chmod(mode)
    unfinished.replace(path)


# ------------------------------------------------------------------------------------------------------------ the batch


@dataclass
class Batch:
    """What became of a class's submissions."""

    name: str
    reports: list[Report] = field(default_factory=list)  # by student
    skipped: list[str] = field(default_factory=list)  # files that are no submission, and why
    n_new: int = 0  # graded now; the others' records still counted
    alike: dict[str, list[str]] = field(default_factory=dict)  # by student: whose answers theirs are built like


Listener = Callable[[Report, int, int], None]  # a report, how many there are now, of how many


def grade(
    name: str, source: Path | None = None, *, root: Path | None = None, isolation: str = "sandbox", seconds: int = 60,
    workers: int | None = None, executor: Executor | None = None, on_report: Listener | None = None,
    drop: Collection[str] = (), classroom: Classroom | None = None,
) -> Batch:  # fmt: skip
    """Grade every submission of the set `name` below `source` and bring the gradebook up to date.

    `executor` is the engine: loky with `workers` processes, if it is left out. `drop` names cells that are no longer in
    the set, and whose marks given by hand may go. `classroom` is where it all lies: in the course, if it is left out.

    Raises:
        ValueError: no such set.
        FileNotFoundError: there is nothing at `source`.
        RuntimeError: nothing can be graded here: no walls, or the published solution does not pass.
    """
    root = classroom.root if classroom else course_root(root)
    classroom = classroom or Classroom(root, name)
    is_here = source is None or source.resolve() == classroom.submitted.resolve()
    classroom.submitted.mkdir(parents=True, exist_ok=True)
    known = None if is_here else classroom.roster or None  # here the folder's name is the student's id
    submissions, skipped = find_submissions(source or classroom.submitted, name, known, root=root)
    options = Options(root, isolation, seconds, classroom.secret())
    drawn = classroom.draws()
    each = {one.student: options.of(drawn.get(one.student)) for one in submissions}
    batch = Batch(name, skipped=skipped)
    keys = {one.student: key_of(name, one.data, each[one.student]) for one in submissions}
    recorded = {one.student: classroom.record(one.student, keys[one.student]) for one in submissions}
    todo = [one for one in submissions if recorded[one.student] is None]
    batch.n_new = len(todo)
    with contextlib.ExitStack() as stack:
        if todo:  # workers need seconds to begin, and there is enough to do meanwhile
            pool = stack.enter_context(engine(executor, workers, len(todo)))
            solved = pool.submit(grade_one, name, "solution", solution_as_submission(name, root), options)
            coming = results(name, todo, pool, each)
        marks = stack.enter_context(open_marks(classroom))  # an error if another grading of this class runs
        solution, released = read(target_of(name, root)), read(release_path(name, root))
        marks.prepare(name, solution, released, drop=drop, due=classroom.due)
        marks.enrol(classroom.roster)

        def note(submission: Submission, report: Report) -> None:
            batch.reports.append(report)
            when = classroom.handed_in(submission, is_here)
            marks.write(report, read_if(classroom.autograded(submission.student)), when)
            if on_report:
                on_report(report, len(batch.reports), len(submissions))

        for submission in submissions:
            if report := recorded[submission.student]:
                note(submission, report)
        if todo:
            usual = set(passed(solved.result()).called)
            for submission, graded in coming:
                graded = with_package_flags(graded, usual)
                graded = with_version_flags(graded, submission, drawn)
                graded = with_late_flag(graded, submission)
                note(submission, classroom.write(submission, keys[submission.student], graded, options))
    batch.reports.sort(key=lambda report: report.student)
    batch.alike = classroom.write_similarity([report.student for report in batch.reports])
    return batch


def open_marks(classroom: Classroom) -> Any:
    """The class's gradebook, and nobody else's while it is open. Importing nbgrader takes a while."""
    from racecourse.grading.classes.late import late_plugin
    from racecourse.grading.gradebook import Marks

    return Marks(classroom.db_url, late=late_plugin(classroom.of_class) if classroom.of_class else None)


def with_package_flags(graded: Graded, usual: set[str]) -> Graded:
    """A flag for what a learner's code calls of the package and the published solution does not."""
    report = from_json(graded.report)
    if not (beyond := [name for name in report.called if name not in usual]):
        return graded
    said = f"while it was checked, the answer called {', '.join(beyond)}, which the published solution does not"
    report.flags.append(Flag("package", said))
    return dataclasses.replace(graded, report=to_json(report))


def with_late_flag(graded: Graded, submission: Submission) -> Graded:
    """A flag where the platform says that it is late, which costs nothing before somebody says how late."""
    if not submission.is_late:
        return graded
    report = from_json(graded.report)
    where = f"submitted/{submission.student}/{report.name}/timestamp.txt"
    said = (
        f"the platform calls it late, and its zip does not say when it came: write the time into {where} and grade "
        "again, or let the platform take the penalty"
    )
    report.flags.append(Flag("late", said))
    return dataclasses.replace(graded, report=to_json(report))


def with_version_flags(graded: Graded, submission: Submission, drawn: Mapping[str, variants.Values]) -> Graded:
    """A flag for a notebook that is another version of the set than its student has drawn."""
    if not drawn:
        return graded
    mine = drawn.get(submission.student)
    if mine is None:
        said = (
            "no version of this set was drawn for this student, so the public one was taken: put them on the roster, "
            "hand the set out again (`racecourse class release`), and grade again"
        )
    elif (handed_in := version_of(submission.data)) == mine:
        return graded
    else:
        whose = [student for student, values in drawn.items() if values == handed_in]
        whose_it_is = f"the one of {', '.join(whose)}" if whose else "the public one" if not handed_in else "nobody's"
        said = f"the notebook is another version of the set than this student's: {whose_it_is}"
    report = from_json(graded.report)
    report.flags.append(Flag("version", said))
    return dataclasses.replace(graded, report=to_json(report))


def version_of(data: bytes) -> variants.Values:
    """What a submission says about its version. It can be read only if the rest could."""
    from racecourse.grading.intake import Refused, parse

    with contextlib.suppress(Refused):
        return variants.values_of(parse(data)[0])
    return {}


def read_if(path: Path) -> Any:
    return read(path) if path.exists() else None


def key_of(name: str, data: bytes, options: Options) -> str:
    """What a record stands for: change any of it, and the submission is graded again."""
    parts = [
        data, target_of(name, options.root).read_bytes(), release_path(name, options.root).read_bytes(),
        options.secret, options.isolation.encode(), str(options.seconds).encode(), grader_version().encode(),
    ]  # fmt: skip
    if options.values:  # what makes the student's version: a branch of the source may not be in the public one
        parts += [options.values.encode(), (options.root / f"sources/exercises/{name}.py").read_bytes()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@functools.cache
def grader_version() -> str:
    """A digest of the code that grades, and of the versions that tests depend on; running a class is not in it."""
    versions = [sys.version, *(importlib.metadata.version(name) for name in ("torch", "transformers", "ipykernel"))]
    digest = hashlib.sha256("\n".join(versions).encode())
    here = Path(__file__).parent
    for path in sorted(set(here.rglob("*.py")) - set(here.glob("classes/*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def passed(solved: Graded) -> Report:
    """The published solution must earn everything here, before anybody's work is judged here."""
    report = from_json(solved.report)
    low = [
        f"{part.grade_id}: {part.message}"
        for exercise in report.exercises
        for part in exercise.parts
        if part.earned != part.points and not exercise.by_hand
    ]
    if low:
        raise RuntimeError(
            f"nothing was graded: on this machine the set's own solution does not pass its checks ({'; '.join(low)})"
        )
    return report


def solution_as_submission(name: str, root: Path) -> bytes:
    """The released notebook with the published answers in it."""
    import nbformat

    release, solution = json_copy(read(release_path(name, root))), read(target_of(name, root))
    for cell, solved in zip(release.cells, solution.cells, strict=True):
        if is_answer(cell):
            cell.source = solved.source
    return nbformat.writes(release).encode()


# ----------------------------------------------------------------------------------------------------------- the engine


class EngineError(RuntimeError):
    """The machines that should grade cannot: this says nothing about any submission, and ends the run."""


@contextlib.contextmanager
def engine(executor: Executor | None, workers: int | None, n_tasks: int) -> Iterator[Executor]:
    """The given executor, or worker processes that end with this one, however it ends."""
    if executor is not None:
        yield executor
        return
    import loky

    n_workers = max(1, min(workers or loky.cpu_count() + 1, n_tasks))  # one more, because each waits at times
    pool = grader_pool(n_workers)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, kill_workers=sys.exc_info()[0] is not None)


def grader_pool(n_workers: int, idle_seconds: int | None = None) -> Any:
    """Processes for `grade_one`, which end with this one; after so many seconds without work, too, and begin anew."""
    import loky

    return loky.ProcessPoolExecutor(
        max_workers=n_workers, timeout=idle_seconds, initializer=_begin_worker, initargs=(os.getpid(),)
    )


def _begin_worker(parent: int) -> None:
    """A worker computes with one thread, and dies with the process that started it."""
    os.environ.update({"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"})
    without_slow_imports()
    if sys.platform == "linux":
        from racecourse.grading import walls

        walls.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that writes
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # what a hostile kernel made of nbclient's tasks


def results(
    name: str, submissions: Iterable[Submission], pool: Executor, options: Mapping[str, Options]
) -> Iterator[tuple[Submission, Graded]]:
    """Have all submissions graded; each with its result, as they come. One that makes the grader fail stops no other.

    `options` are by student.

    A worker that dies takes the pool with it. What was left is then graded by workers that grade one each.
    """
    futures: dict[Future, Submission] = {
        pool.submit(grade_one, name, one.student, one.data, options[one.student]): one for one in submissions
    }
    return _as_they_come(name, futures, options)


def _as_they_come(
    name: str, futures: dict[Future, Submission], options: Mapping[str, Options]
) -> Iterator[tuple[Submission, Graded]]:
    left: list[Submission] = []
    while futures:
        for future in wait(futures, return_when=FIRST_COMPLETED).done:
            submission = futures.pop(future)
            try:
                yield submission, future.result()
            except BrokenExecutor:
                left.append(submission)
            except EngineError:
                raise
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                yield submission, failed(name, submission, options[submission.student], problem)
    for submission in left:
        yield submission, grade_alone(name, submission, options[submission.student])


def grade_alone(name: str, submission: Submission, options: Options) -> Graded:
    with engine(None, 1, 1) as pool:
        try:
            return pool.submit(grade_one, name, submission.student, submission.data, options).result()
        except Exception as error:
            return failed(name, submission, options, f"{type(error).__name__}: {error}")


def failed(name: str, submission: Submission, options: Options, problem: str) -> Graded:
    """What is written where the grader failed: no points, and a person must look."""
    graded = _set(name, options.root, options.values)
    report = refused(graded, submission.student, "it could not be graded; your instructor will look at it")
    report.flags.append(Flag("run", f"the grader failed, and will try again at its next run: {problem}"))
    return not_graded(report, is_final=False)


# ----------------------------------------------------------------------------------------------------- the command line


def grade_and_show(
    name: str, source: Path | None, *, workers: int | None, seconds: int, isolation: str, drop: Collection[str] = (),
    of_class: Path | None = None, scheduler: str | None = None,
) -> None:  # fmt: skip
    """Grade with a progress bar, and print what an instructor needs to know next.

    `of_class` is a class directory; if it is left out, the one around the working directory, or COURSE/classroom.
    `scheduler` is the address of a Dask cluster that grades (`cluster`); this machine does, if it is left out.
    """
    if sys.platform == "win32":  # walls and gradebook are Linux's
        raise RuntimeError("a class is graded on Linux; on Windows, install WSL and grade in a clone inside it")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from racecourse.grading.classes.directory import ClassDirectory

    this_class = ClassDirectory.load(of_class) if of_class else ClassDirectory.find()
    if this_class:
        this_class.require_current(name)
    classroom = this_class.classroom(name) if this_class else Classroom(course_root(), name)
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(cluster_at(scheduler, name, classroom.root)) if scheduler else None
        progress = stack.enter_context(Progress(*columns, console=console))
        task = progress.add_task(f"grading {name}", total=None)

        def note(report: Report, n: int, of: int) -> None:
            progress.update(task, completed=n, total=of)

        batch = grade(
            name, source, classroom=classroom, workers=workers, executor=executor, seconds=seconds,
            isolation=isolation, drop=drop, on_report=note,
        )  # fmt: skip
    show(batch, console, classroom)
    if this_class:
        console.print("Next: racecourse class status", markup=False)


def cluster_at(scheduler: str, name: str, root: Path) -> contextlib.AbstractContextManager[Executor]:
    """A Dask cluster as the engine. It is imported only if it is asked for."""
    from racecourse.grading.cluster import cluster

    return cluster(scheduler, name, root)


def show(batch: Batch, console: Any, classroom: Classroom) -> None:
    from rich.table import Table

    if not batch.reports:
        console.print(f"No submission of {batch.name} was found.")
    else:
        title = f"{batch.name}: {len(batch.reports)} submissions, {batch.n_new} of them graded now"
        table = Table(title=title, title_justify="left")
        for column in ("student", "points", "by hand", "seconds", "to look at"):
            table.add_column(column, justify="left" if column in ("student", "to look at") else "right")
        for report in batch.reports:
            by_hand = sum(exercise.points for exercise in report.exercises if exercise.by_hand)
            notes = [report.refused] if report.refused else [flag.said for flag in report.flags]
            if others := batch.alike.get(report.student):
                more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
                notes.append(f"built like {', '.join(others[:SHOWN])}{more}")
            table.add_row(
                report.student, f"{report.earned:g} / {report.points:g}", f"{by_hand:g}", f"{report.seconds:.1f}",
                "\n".join(dict.fromkeys(notes)),
            )  # fmt: skip
        console.print(table, markup=False)
        marks = "racecourse class export" if classroom.of_class else "nbgrader export"
        where = classroom.of_class.name if classroom.of_class else "classroom"
        console.print(f"Feedback: {where}/feedback/. Marks as CSV: {marks}. By hand: nbgrader's formgrader.")
        console.print(f"Answers that are built alike, side by side: {where}/reports/{batch.name}.html")
    for line in batch.skipped:
        console.print(f"Left out: {line}", markup=False, soft_wrap=True)
