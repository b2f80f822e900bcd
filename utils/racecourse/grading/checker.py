"""One notebook graded: it runs in a kernel, and at each test a judge outside calls what the learner wrote.

The learner's own `racecourse check 00_start_here` and the grader's `racecourse grade` both come through `Grading`: a
repaired copy of the notebook runs as it is, with the visible checks that the learner saw, and none of its outputs earns
anything; every point is the judge's, for visible and hidden checks alike. They differ in where the two run (`Place`).
A notebook whose kernel dies keeps what it earned before. Left out: the gradebook (`gradebook`), several notebooks at
once (`autograde`).
"""

from __future__ import annotations

import ast
import contextlib
import functools
import os
import re
import secrets
import shutil
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import Empty
from typing import Any, cast

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_core.utils import ensure_async, run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import from_dict
from traitlets import default
from traitlets.config import Config
from zmq import ZMQError

from racecourse.grading import variants
from racecourse.grading.intake import repair
from racecourse.grading.intake.reading import plain
from racecourse.grading.integrity import grade_id_of, is_answer, is_ours, is_test, is_written, python_of, refuse_imports
from racecourse.grading.judge import (
    JUDGE_DIED,
    KERNEL_DIED,
    NO_ANSWER,
    TIME_OUT,
    Court,
    FarJudge,
    Judge,
    JudgeDiedError,
    Verdict,
)
from racecourse.grading.records import Exercise, Flag, Part, Report
from racecourse.learn.notebooks import course_root, read, release_path, target_of
from racecourse.machine.measure import cache_folder

MOST_OUTPUT = 1_000_000  # characters of a notebook's outputs that are kept
MOST_MESSAGES = 50_000  # of one cell; a kernel that sends more is stopped
SETTLE_SECONDS = 5  # for a kernel to come back after it was interrupted
POLL_SECONDS = 0.25
DEAD = "died"
STUCK = "could not be interrupted"
SILENT = "did not answer"
UNREADABLE = "sent what no kernel sends"
SEND_SECONDS = 10
LARGEST_MESSAGE = 64 * 2**20  # bytes; a kernel that sends more is cut off
CALLS = "racecourse.grading.calls"
NOT_THE_LEARNER = {"RACECOURSE_PROGRESS": "off"}  # what a grader runs is nobody's progress
IMPORT_SECONDS = 300  # for torch, from a cold disk
MOST_COURTS = 2  # of one worker: with variants each student's set has its own


# ------------------------------------------------------------------------------------------------- what is to be judged


@dataclass
class GradedSet:
    """An exercise set as the grader needs it: the released notebook, the tests, and what they call."""

    name: str
    solution: Any
    release: Any
    folder: Path  # of the data files

    @classmethod
    def load(cls, name: str, root: Path, values: Mapping[str, Any] | None = None) -> GradedSet:
        """The course's set, or the version of it that a student of a class has drawn."""
        folder = target_of(name, root).parent
        if not values:
            return cls(name, read(target_of(name, root)), read(release_path(name, root)), folder)
        solution = variants.solution(name, root, values)
        return cls(name, solution, variants.release(solution, root), folder)

    @cached_property
    def stubs(self) -> dict[str, str]:
        return {grade_id_of(cell): cell.source for cell in self.release.cells if is_answer(cell)}

    @cached_property
    def tests(self) -> dict[str, str]:
        """grade_id -> the test's full text."""
        return {grade_id_of(cell): cell.source for cell in self.solution.cells if is_test(cell)}

    @cached_property
    def _plan(self) -> tuple[dict[str, str], dict[str, list[str]]]:
        """The set's own cells that the judge runs, and for each test the names that it needs of the learner's.

        A cell of the set's that uses an answer is run by the learner's kernel only; what it defines is the learner's.
        """
        preludes: dict[str, str] = {}
        needed: dict[str, list[str]] = {}
        theirs: list[str] = []
        wanted: set[str] = set()  # by this test, and by what earlier tests left behind for it
        for cell in self.solution.cells:
            if cell.cell_type != "code" or not grade_id_of(cell):
                continue
            if is_test(cell):
                wanted |= used(cell.source)
                needed[grade_id_of(cell)] = [name for name in theirs if name in wanted]
            elif is_answer(cell) or used(cell.source) & set(theirs):
                theirs += [name for name in defined(cell.source) if name not in theirs]
            elif "setup" not in cell.metadata.get("tags", []):  # it prepares the learner's machine
                preludes[grade_id_of(cell)] = cell.source
        return preludes, needed

    @property
    def preludes(self) -> dict[str, str]:
        return self._plan[0]

    @property
    def needed(self) -> dict[str, list[str]]:
        return self._plan[1]


def defined(source: str) -> list[str]:
    """The names that a cell binds at its top level."""
    names: list[str] = []
    for node in ast.parse(python_of(source)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [(alias.asname or alias.name).split(".")[0] for alias in node.names]
        else:
            names += [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return names


def used(source: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(python_of(source))) if isinstance(node, ast.Name)}


# ------------------------------------------------------------------------------------------------------- where it runs


class Here:
    """The learner's own machine: an ordinary kernel, and the judge in this very process."""

    kernel_name = "python3"
    config = Config()

    @contextlib.contextmanager
    def folder(self, data: Path) -> Iterator[Path]:
        """The kernel's working directory: a copy of the data files."""
        with tempfile.TemporaryDirectory() as folder:
            for path in data.iterdir():
                if path.suffix != ".ipynb" and path.is_file():
                    shutil.copy(path, folder)
            yield Path(folder)

    @contextlib.contextmanager
    def judge(self, manager: Any, token: str, graded: GradedSet) -> Iterator[tuple[Judge | FarJudge, Any]]:
        """The judge, and the address where the learner's kernel can call it."""
        judge = Judge()
        verdict = judge.prepare(graded.preludes)
        if verdict.error:
            raise RuntimeError(f"nothing can be checked here: {verdict.error} {verdict.message}")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            judge.listen(listener, token)
            yield judge, listener.getsockname()


@dataclass
class Apart:
    """The grader's: kernel and judge are forked from the zygote, the kernel behind walls."""

    isolation: str = "sandbox"  # or "none"
    preload: tuple[str, ...] = ()  # models
    idle_seconds: float = 60.0  # after which the zygote ends
    kernel_name: str = "racecourse-grader"
    courts: dict[tuple[str, ...], Court] = field(default_factory=dict)  # by the set's own cells

    @property
    def config(self) -> Config:
        cache = cache_folder()
        return Config(
            ZygoteProvisioner={
                "isolation": self.isolation, "preload": list(self.preload), "idle_seconds": self.idle_seconds,
                "readable": [str(cache)] if cache.exists() else [],
                "env": {"RACECOURSE_CACHE": str(cache), **NOT_THE_LEARNER},
            }
        )  # fmt: skip

    @contextlib.contextmanager
    def folder(self, data: Path) -> Iterator[Path]:
        yield data  # the walls copy the data files

    @contextlib.contextmanager
    def judge(self, manager: Any, token: str, graded: GradedSet) -> Iterator[tuple[Judge | FarJudge, Any]]:
        path = manager.provisioner.connection_dir / "judge"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            path.chmod(0o666)  # inside the walls it is nobody who connects
            listener.listen(8)
            with contextlib.closing(self._judge(graded, listener, token)) as judge:
                yield judge, str(path)

    def _judge(self, graded: GradedSet, listener: socket.socket, token: str) -> FarJudge:
        preludes = tuple(graded.preludes.values())  # of one version of the set
        if preludes in self.courts:
            with contextlib.suppress(JudgeDiedError):
                return FarJudge(self.courts[preludes], listener, token)
            self.courts.pop(preludes).close()
        if len(self.courts) == MOST_COURTS:
            self.courts.pop(next(iter(self.courts))).close()
        self.courts[preludes] = self._court(graded)
        return FarJudge(self.courts[preludes], listener, token)

    def _court(self, graded: GradedSet) -> Court:
        from racecourse.grading.kernel import request_court

        start = functools.partial(request_court, graded.folder, list(self.preload), self.idle_seconds)
        return Court(start, graded.preludes)


@dataclass(frozen=True)
class Outcome:
    """What a run yields: the report, and the notebook with the outputs of this run."""

    report: Report
    notebook: Any


@dataclass
class Grading:
    """One repaired notebook on its way: `run` returns the points."""

    graded: GradedSet
    notebook: Any
    place: Here | Apart = field(default_factory=Here)
    seconds: int = 180  # for one cell, and for the calls of one test
    all_seconds: int = 1800  # for all of it
    student: str = ""
    secret: bytes = b""  # of the class: hidden tests draw other inputs for each
    remarks: list[str] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)

    def run(self) -> Outcome:
        """Grade the notebook in place.

        Raises:
            RuntimeError: no kernel could be started, or a cell of the set's own failed in the judge.
        """
        refused = refuse_imports(self.notebook, self.graded.release)
        self.remarks += [
            f"a cell of your own: {said}" for at, said in refused.items() if not is_answer(self.notebook.cells[at])
        ]
        for cell in self.notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        begun = time.monotonic()
        with self.place.folder(self.graded.folder) as folder:
            run = Run(self, folder)
            run_sync(run.everything)()
        self.notebook = from_dict(plain(self.notebook))  # outputs may hold what no file can
        exercises = score(self.notebook, self.graded.stubs, refused, run.verdicts)
        report = Report(self.graded.name, exercises, self.remarks, self.student, self.flags)
        report.seconds = round(time.monotonic() - begun, 2)
        report.spent = {what: round(seconds, 3) for what, seconds in run.spent.items()}
        report.peak_mib = run.peak_mib
        report.called = sorted({name for verdict in run.verdicts.values() for name in verdict.called})
        return Outcome(report, self.notebook)


class BoundedClient(AsyncKernelClient):
    """A client that takes no message of any size, and does not wait for a kernel that closed its sockets."""

    @default("context")
    def _context_default(self) -> Any:
        context = super()._context_default()
        context.maxmsgsize, context.sndtimeo = LARGEST_MESSAGE, SEND_SECONDS * 1000  # of all sockets that will be made
        return context


class Run(NotebookClient):
    """nbclient with a judge beside it: after each test cell it asks for a verdict."""

    def __init__(self, grading: Grading, folder: Path) -> None:
        super().__init__(
            grading.notebook,
            kernel_name=grading.place.kernel_name,
            allow_errors=True,
            interrupt_on_timeout=True,
            error_on_timeout={"ename": TIME_OUT, "evalue": "", "traceback": []},
            config=grading.place.config,
            skip_cells_with_tag="",  # repair has taken all tags off; no default may come back
            resources={"metadata": {"path": str(folder)}},
            record_timing=False,
            store_widget_state=False,
            shutdown_kernel="immediate",
            # Python's own tracebacks: IPython's take longer than the checks that they are of.
            extra_arguments=[
                "--IPKernelApp.log_level=ERROR",
                "--InteractiveShell.xmode=Plain",
                "--HistoryManager.enabled=False",
            ],
        )
        self.grading, self.folder = grading, folder
        self.timeout_func = lambda cell: max(1, min(grading.seconds, int(self.deadline - time.monotonic())))
        self.log.setLevel("CRITICAL")  # nbclient reports a learner's endless loop as an error of its own
        self.verdicts: dict[str, Verdict] = {}
        self.spent: dict[str, float] = defaultdict(float)  # seconds
        self.room, self.n_messages, self.is_full = MOST_OUTPUT, 0, False
        self.peak_mib: float | None = None
        self.at = ""  # the cell that is running, for a remark

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        manager.client_factory = BoundedClient
        return manager

    async def everything(self) -> None:
        """Run the notebook; `verdicts` holds what each test said. A kernel that dies ends the run, not the grading."""
        grading = self.grading
        self.deadline = time.monotonic() + grading.all_seconds
        self.token = secrets.token_hex(16)
        begun = time.monotonic()
        async with self.async_setup_kernel(env=os.environ | NOT_THE_LEARNER):
            self.manager, self.client = cast(Any, self.km), cast(Any, self.kc)
            provisioner = self.manager.provisioner
            importing = await self._request(f"import {CALLS}")  # both sides at the same time
            with grading.place.judge(self.manager, self.token, grading.graded) as (self.judge, self.address):
                try:
                    await self._reply(importing, IMPORT_SECONDS)
                    self.spent["start"] = time.monotonic() - begun
                    await self._cells()
                    with self._timed("tripwires"):
                        await self._tripwires()
                except CellTimeoutError:
                    self._ended(STUCK)
                except DeadKernelError as error:
                    self._ended(str(error) if str(error) in (STUCK, SILENT) else DEAD)
                except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError, ZMQError) as error:
                    self._ended(UNREADABLE)  # somewhere in Jupyter's client
                    self._flag("run", f"what the kernel sent: {type(error).__name__}: {error}"[:500], self.at)
        self.peak_mib = getattr(provisioner, "peak_mib", None)

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        finally:
            self.spent[what] += time.monotonic() - begun

    def _ended(self, how: str) -> None:
        grade_id = self.at if self.at in self.grading.graded.tests else ""
        if grade_id and grade_id not in self.verdicts:
            self.verdicts[grade_id] = Verdict(TIME_OUT if how == STUCK else KERNEL_DIED)
        self.grading.remarks.append(f"the kernel {how} in the cell {self.at!r}; what follows did not run")
        self.grading.flags.append(Flag("run", f"the kernel {how}; what follows was not graded", self.at))

    async def _cells(self) -> None:
        graded = self.grading.graded
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type != "code":
                continue
            grade_id, self.at = grade_id_of(cell), label(cell)
            if time.monotonic() > self.deadline:
                raise CellTimeoutError("the notebook took too long")
            with self._timed("cells"):
                timed_out = await self._cell(cell, index)
            if grade_id in graded.preludes and is_ours(cell):
                self.judge.reach(grade_id)
            elif is_test(cell) and timed_out:
                self.verdicts[grade_id] = Verdict(TIME_OUT)
            elif is_test(cell):
                with self._timed("checks"):
                    self.verdicts[grade_id] = await self._verdict(grade_id)

    async def _cell(self, cell: Any, index: int) -> bool:
        """Run a cell as the learner did; whether it took too long."""
        if not any(line.strip() and not line.lstrip().startswith("#") for line in cell.source.split("\n")):
            return False  # a hidden test as it is handed out
        self.n_messages = 0
        replies: list[Any] = []
        self.on_cell_executed = lambda cell, cell_index, execute_reply: replies.append(execute_reply["content"])
        await self.async_execute_cell(cell, index)
        return bool(replies) and replies[0].get("ename") == TIME_OUT

    async def _verdict(self, grade_id: str) -> Verdict:
        """Have the learner's kernel answer the judge while it runs the test."""
        code = f"from {CALLS} import answer_calls as _; _({self.address!r}, {self.token!r}, globals())"
        message = await self._request(code)
        test, needed = self._source(grade_id), self.grading.graded.needed[grade_id]
        verdict = self.judge.test(test, needed, self.grading.seconds)
        if verdict.error == NO_ANSWER:
            self.verdicts[grade_id] = verdict
            raise DeadKernelError(SILENT)
        if await self._reply(message, 0 if verdict.error == TIME_OUT else SETTLE_SECONDS) is None:
            await ensure_async(self.manager.interrupt_kernel())
            if await self._reply(message, SETTLE_SECONDS) is None:
                self.verdicts[grade_id] = verdict
                raise DeadKernelError(STUCK)
        return verdict

    def _source(self, grade_id: str) -> str:
        """The test; a hidden one draws other inputs in each class and for each student, the same at each run."""
        source = self.grading.graded.tests[grade_id]
        if self.grading.secret and grade_id.endswith("-hidden"):
            from racecourse.grading.inputs import with_secret

            return with_secret(source, self.grading.secret, f"{self.grading.student}/{grade_id}")
        return source

    async def _request(self, code: str) -> str:
        return await ensure_async(self.client.execute(code, silent=True, store_history=False, stop_on_error=False))

    async def _reply(self, message: str, seconds: float) -> dict[str, Any] | None:
        """The kernel's reply to a request, None if there is none within `seconds`.

        Raises:
            DeadKernelError: the kernel died meanwhile.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                reply = await ensure_async(self.client.shell_channel.get_msg(timeout=POLL_SECONDS))
            except Empty:
                await self._async_check_alive()
                if time.monotonic() > deadline:
                    return None
            else:
                if reply["parent_header"].get("msg_id") == message:
                    return reply["content"]

    async def _tripwires(self) -> None:
        """Does the learner's kernel still say when something is wrong? What it says earns nothing; it is worth a look.

        An assertion with a number that nobody knows must fail, and so must a visible check of what is no answer.
        """
        nonce = secrets.token_hex(8)
        reply = await self._reply(await self._request(f"raise AssertionError({nonce!r})"), SETTLE_SECONDS)
        if reply is None or reply["status"] != "error" or reply.get("evalue") != nonce:
            self._flag("tampering", "an error that the grader raised in the notebook's kernel did not come back")
        held = [grade_id for grade_id, verdict in self.verdicts.items() if not verdict.error and self.seen(grade_id)]
        if held:
            grade_id = secrets.choice(held)
            wrong = "".join(f"{name} = lambda *_, **__: object()\n" for name in self.grading.graded.needed[grade_id])
            await self._reply(await self._request(wrong), SETTLE_SECONDS)
            reply = await self._reply(await self._request(self.grading.graded.tests[grade_id]), SETTLE_SECONDS)
            if reply is None or reply["status"] != "error":
                self._flag("tampering", "a check passed in the notebook's kernel with an answer that is none", grade_id)
        for grade_id, verdict in self.verdicts.items():
            ran = next(cell for cell in self.nb.cells if grade_id_of(cell) == grade_id)
            if verdict.error and self.seen(grade_id) and not has_error(ran):
                self._flag("tampering", "a check passed in the notebook's kernel and failed outside of it", grade_id)

    def seen(self, grade_id: str) -> bool:
        """Whether learners have the test."""
        return not grade_id.endswith("-hidden")

    def _flag(self, kind: str, said: str, where: str = "") -> None:
        self.grading.flags.append(Flag(kind, said, where))

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Keep outputs up to a limit, and say where it was reached."""
        if msg["msg_type"] in ("stream", "display_data", "execute_result", "error", "update_display_data"):
            self.n_messages += 1
            self.room -= len(str(msg["content"])) if self.room > 0 else 0
            if self.room <= 0 or self.n_messages > MOST_MESSAGES:
                if not self.is_full:
                    self.is_full = True
                    self.grading.remarks.append(f"the outputs are too long; they were cut in the cell {self.at!r}")
                return None
        return super().process_message(msg, cell, cell_index)


def has_error(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def label(cell: Any) -> str:
    """A cell's grade_id, else its first line: never the text of a hidden test."""
    return grade_id_of(cell) or cell.source.strip().split("\n")[0]


# --------------------------------------------------------------------------------------------------------------- points


def score(
    notebook: Any, stubs: dict[str, str], refused: dict[int, str], verdicts: dict[str, Verdict]
) -> list[Exercise]:
    """The cells of a notebook that has been judged, as exercises with points."""
    exercises: list[Exercise] = []
    heading, unanswered = "", False
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown" and not is_answer(cell):
            heading = title_of(cell.source) or heading
        elif is_answer(cell):
            if not exercises or exercises[-1].parts:
                exercises.append(Exercise(heading, by_hand=is_written(cell)))
            unanswered = cell.source == stubs[grade_id_of(cell)]
            exercises[-1].refused = refused.get(index, exercises[-1].refused)
            if is_written(cell):
                message = "not answered yet" if unanswered else "graded by hand"
                exercises[-1].parts.append(Part(grade_id_of(cell), cell.metadata.nbgrader.points, None, message))
        elif is_test(cell):
            verdict = verdicts.get(grade_id_of(cell))
            exercises[-1].parts.append(score_test(cell, exercises[-1].refused, unanswered, verdict))
    return exercises


def title_of(markdown: str) -> str:
    """The text of the first heading, without the note on difficulty, minutes and points."""
    found = re.search(r"^#+ *(.+)$", markdown, flags=re.MULTILINE)
    return re.split(r"\s+\((?:difficulty)", found[1])[0] if found else ""


def score_test(cell: Any, refused: str, unanswered: bool, verdict: Verdict | None) -> Part:
    """An error earns 0, a number at the test's end that many points, anything else all."""
    part = Part(grade_id_of(cell), float(cell.metadata.nbgrader.points), earned=0.0)
    if refused:
        part.message = refused
    elif verdict is None:
        part.earned, part.message = None, "not run"
    elif verdict.error:
        part.message = "not answered yet" if unanswered else explain(verdict)
    else:
        part.earned = part.points if verdict.share is None else min(max(verdict.share, 0.0), part.points)
    return part


def explain(verdict: Verdict) -> str:
    """One line for a learner: the check's own words, or the kind of error and what it says."""
    text = verdict.message.strip()
    if verdict.error in (TIME_OUT, "KeyboardInterrupt"):
        return "took too long and was stopped: is there a loop that never ends?"
    if verdict.error == KERNEL_DIED:
        return "the kernel died while this check ran"
    if verdict.error in (JUDGE_DIED, NO_ANSWER):
        return text
    if verdict.error == "AssertionError":
        return text or "a check with other numbers than the worked example's did not hold"
    return f"{verdict.error}: {text}"


# ---------------------------------------------------------------------------------------------- the learner's own check


def check(name_or_path: str | Path, *, root: Path | None = None, timeout_s: int = 180) -> Report:
    """Grade a notebook, print the table, return the report. Only what prevents grading raises; few points do not."""
    path = find_notebook(name_or_path, course_root(root))
    report = grade(path, root=course_root(root), timeout_s=timeout_s)
    show(report, path)
    return report


def grade(path: Path, *, root: Path, timeout_s: int = 180) -> Report:
    """Grade a copy of the notebook as the learner who wrote it: no walls, no gradebook."""
    notebook = read(path)
    graded = GradedSet.load(set_name(path, root), root, variants.values_of(notebook))
    remarks = repair(notebook, graded.release)
    return Grading(graded, notebook, seconds=timeout_s, remarks=remarks).run().report


def find_notebook(name_or_path: str | Path, root: Path) -> Path:
    """A path as it is; a set's name means the newest copy in work/."""
    from racecourse.learn.work import newest_copy

    path = Path(name_or_path)
    if path.suffix == ".ipynb":
        if not path.is_file():
            raise FileNotFoundError(f"no notebook at {str(path)!r}")
        return path
    copy = newest_copy(str(name_or_path), root)
    if copy is None:
        known = sorted(release.stem for release in root.glob("exercises/*/*.ipynb"))
        if str(name_or_path) not in known:
            raise ValueError(f"no exercise set named {str(name_or_path)!r}; there are {', '.join(known)}")
        raise FileNotFoundError(
            f"you have no copy of {str(name_or_path)!r} in work/; make one with `racecourse start {name_or_path}`"
        )
    return copy


def set_name(path: Path, root: Path) -> str:
    """The set whose name is in the file's: 01_transformers.ipynb, also `Copy of 01_transformers (1).ipynb`."""
    known = sorted(solution.stem for solution in root.glob("solutions/*/*.ipynb"))
    found = [name for name in known if name in path.name]
    if not found:
        raise ValueError(
            f"{path.name!r} is not named after an exercise set; rename the file: the sets are {', '.join(known)}"
        )
    return max(found, key=len)


def show(report: Report, path: Path) -> None:
    """Print the points of each exercise, and below each what did not hold."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{report.name}: {report.earned:g} of {report.points:g} points", title_justify="left")
    table.add_column("exercise", ratio=2)
    table.add_column("points", justify="right", no_wrap=True)
    table.add_column("what the checks say", ratio=5)
    for exercise in report.exercises:
        earned = "by hand" if exercise.by_hand else f"{exercise.earned:g} / {exercise.points:g}"
        said = dict.fromkeys(part.message for part in exercise.parts if part.message)  # each message once, in order
        table.add_row(exercise.title, earned, "\n".join(said) or "all right")
    console = Console()
    console.print(table, markup=False)
    by_hand = sum(exercise.points for exercise in report.exercises if exercise.by_hand)
    if by_hand:
        console.print(f"A person grades the written answers: {by_hand:g} more points.")
    for remark in report.remarks:
        console.print(f"Note: {remark}.", markup=False, soft_wrap=True)
    console.print(f"Checked: {path}", markup=False, soft_wrap=True)
