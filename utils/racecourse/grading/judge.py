"""The process that judges: it runs a set's tests where the learner's code never is, and calls that code by its names.

`Judge` holds what a notebook's namespace would hold without the learner: the set's own cells have run in it. For each
test the learner's kernel is told to call here (`calls.answer_calls`), the names that the test uses become proxies of
the learner's functions, and the test runs as it is written. `racecourse check` has a judge in its own process, because
there the learner grades what is theirs. The grader has a `Court`, a process forked from the zygote in which the set's
own cells have run once: each submission gets a judge of its own, forked from that.

Importing this file loads no torch: who only talks to judges needs none.
Left out: who starts the kernel, and what becomes of the verdict (`checker`).
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import io
import os
import random
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from racecourse.grading.integrity import python_of
from racecourse.grading.lines import Lines, say, say_if_heard

if TYPE_CHECKING:
    from racecourse.grading.calls import Answers

IN_PLACE = "# in place"  # stands in a test of a function that is meant to change what it is given
CHANGES = "your function changes what it is given, and only so does the check hold: work on a copy"
CONNECT_SECONDS = 20  # for a kernel that has nothing else to do
TIME_OUT = "CellTimeoutError"  # nbclient's names for what can happen to a cell
KERNEL_DIED = "DeadKernelError"
JUDGE_DIED = "JudgeDiedError"
NO_ANSWER = "NoAnswerError"
PREPARE_SECONDS = 300  # for the cells of the set's own, which may load a model


@dataclass(frozen=True)
class Verdict:
    """What one test said: nothing (`error` is empty) if it holds."""

    error: str = ""  # the exception's name
    message: str = ""
    share: float | None = None  # a test may end with a number: that many points
    called: list[str] = field(default_factory=list)  # functions of the package that the learner's code called meanwhile


class Judge:
    """A namespace of the set's own cells, and the tests run in it one after the other."""

    def __init__(self) -> None:
        import numpy as np
        import torch

        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.bound: dict[str, dict[str, Any]] = {}  # by cell: what the set's own cells bound
        self.ours: dict[str, Any] = {}  # all of that: it crosses by name
        random.seed(0)  # a learner's random numbers follow from these in every call: two runs, one verdict
        np.random.seed(0)
        torch.manual_seed(0)

    def prepare(self, preludes: dict[str, str]) -> Verdict:
        """Run the set's own cells, in order, until one fails."""
        for grade_id, source in preludes.items():
            before = dict(self.namespace)
            verdict = self._run(source, f"<{grade_id}>")
            if verdict.error:
                return dataclasses.replace(verdict, message=f"in the set's own cell {grade_id!r}: {verdict.message}")
            self.bound[grade_id] = {
                name: value for name, value in self.namespace.items() if before.get(name, self) is not value
            }
            self.ours |= self.bound[grade_id]
        return Verdict()

    def listen(self, listener: socket.socket, token: str) -> None:
        """`listener` is where the learner's kernel calls from now on; `token` is what it says first."""
        self.listener, self.token = listener, token

    def reach(self, grade_id: str) -> None:
        """The notebook is at this cell of the set's own: what it bound has its value, whatever a test made of it."""
        self.namespace |= self.bound[grade_id]

    def test(self, source: str, names: Iterable[str], seconds: float) -> Verdict:
        """Run a test against the learner's `names`; a test that needs more than `seconds` has failed."""
        from racecourse.grading.calls import Answers, CallTimeoutError, KernelDiedError

        try:
            connection = self._accept()
        except TimeoutError:
            return Verdict(NO_ANSWER, "the kernel did not answer when your functions were called")
        with connection:
            answers = Answers(connection, named=self.ours, seconds=seconds)
            try:
                with alarm(seconds):
                    verdict = self._call(source, names, answers)
                    if not verdict.error and answers.n_changed and IN_PLACE not in source:
                        answers.shows_changes = False
                        if self._call(source, names, answers).error:
                            verdict = Verdict("AssertionError", CHANGES)
            except CallTimeoutError:
                return Verdict(TIME_OUT)
            except KernelDiedError:
                return Verdict(KERNEL_DIED)
            except Exception as error:  # while a name was fetched
                verdict = verdict_of(error)
            return dataclasses.replace(verdict, called=answers.stop())

    def _call(self, source: str, names: Iterable[str], answers: Answers) -> Verdict:
        wanted = list(names)
        for name in wanted:
            self.namespace.pop(name, None)
        try:
            found = answers.fetch_all(wanted)
            self.namespace |= {name: found[name] for name in wanted if name in found}
        except Exception:  # one of them cannot cross
            for name in wanted:
                with contextlib.suppress(NameError, ValueError):  # the test will say so, if it needs it
                    self.namespace[name] = answers.fetch(name)
        return self._run(source, "<test>")

    def _accept(self) -> socket.socket:
        """The next connection that says the token."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            self.listener.settimeout(left)
            connection, _ = self.listener.accept()
            connection.settimeout(1.0)
            with contextlib.suppress(OSError):
                if connection.recv(len(self.token)) == self.token.encode():
                    return connection
            connection.close()
        raise TimeoutError

    def _run(self, source: str, name: str) -> Verdict:
        """Errors are verdicts; what a test prints or warns of is lost, and costs nothing."""
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _quiet():
            try:
                return Verdict(share=run_cell(source, name, self.namespace))
            except Exception as error:
                return verdict_of(error)


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Python code in the block is stopped when its time is over, also code that waits for nobody."""
    from racecourse.grading.calls import CallTimeoutError

    def stop(*_: object) -> None:
        raise CallTimeoutError

    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def verdict_of(error: Exception) -> Verdict:
    from racecourse.grading.calls import AnswerError

    kind, text = type(error).__name__, str(error)
    if isinstance(error, AnswerError):  # of a class of the learner's: "TheirError: text"
        kind, _, text = text.partition(": ")
    return Verdict(writable(kind[:200]), writable(text[:2000]))


def writable(text: str) -> str:
    """The text without what UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode("utf-8")


def run_cell(source: str, name: str, namespace: dict[str, Any]) -> float | None:
    """Run a cell; the value of an expression at its end, if that is a plain number."""
    tree = ast.parse(python_of(source), name)
    value = None
    last = tree.body[-1] if tree.body else None
    if isinstance(last, ast.Expr):
        tree.body.pop()
        exec(compile(tree, name, "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    else:
        exec(compile(tree, name, "exec"), namespace)
    return float(value) if isinstance(value, int | float) and type(value) is not bool else None


# -------------------------------------------------------------------------------------------- in processes of their own


def serve(line: socket.socket, judge: Judge | None = None) -> None:
    """Do what the lines ask for, until they end: what a court does, and what a judge does that it forked."""
    from racecourse.grading.walls import run_and_exit  # Linux only, as courts are

    judge = judge or Judge()
    lines = Lines(line)
    forked: list[int] = []
    for request in lines:
        match request.pop("do"):
            case "prepare":
                say(line, asdict(judge.prepare(**request)))
            case "fork":
                forked = [pid for pid in forked if not os.waitpid(pid, os.WNOHANG)[0]]
                theirs, listener = (socket.socket(fileno=file) for file in lines.take_files())
                pid = os.fork()
                if pid == 0:
                    line.close()
                    judge.listen(listener, request["token"])
                    run_and_exit(functools.partial(serve, theirs, judge))
                theirs.close()
                listener.close()
                forked.append(pid)
                say(line, {"pid": pid})
            case "reach":
                judge.reach(**request)
            case "test":
                say(line, asdict(judge.test(**request)))


class JudgeDiedError(RuntimeError):
    """A process that judges ended, or did not come to an end."""


def query(line: socket.socket, message: dict[str, Any], seconds: float, files: Sequence[socket.socket] = ()) -> Any:
    """
    Raises:
        JudgeDiedError: no answer within `seconds`, which a judge that lives always gives.
    """
    try:
        line.settimeout(seconds)
        say(line, message, files)
        return next(Lines(line))
    except (OSError, StopIteration) as error:
        raise JudgeDiedError("the check could not be finished: is a result far too large?") from error


class Court:
    """The process from which judges are forked.

    `start` makes it and returns a connection that it lives as long as, and the line to it.

    Raises:
        RuntimeError: a cell of the set's own does not run here.
    """

    def __init__(self, start: Callable[[], tuple[socket.socket, socket.socket]], preludes: dict[str, str]) -> None:
        self.lifeline, self.line = start()
        verdict = Verdict(**query(self.line, {"do": "prepare", "preludes": preludes}, PREPARE_SECONDS))
        if verdict.error:
            raise RuntimeError(f"nothing can be graded here: {verdict.error} {verdict.message}")

    def judge(self, listener: socket.socket, token: str) -> tuple[socket.socket, int]:
        """The line to a new judge, and its process id."""
        ours, theirs = socket.socketpair()
        with theirs:
            answer = query(self.line, {"do": "fork", "token": token}, CONNECT_SECONDS, [theirs, listener])
        return ours, answer["pid"]

    def close(self) -> None:
        self.lifeline.close()
        self.line.close()


class FarJudge:
    """A judge of a court, with a `Judge`'s methods.

    One that ends in the middle of a test, because it was sent more than it can hold, or that does not come to an end,
    is replaced by a new one; the test has failed.
    """

    def __init__(self, court: Court, listener: socket.socket, token: str) -> None:
        self.court, self.listener, self.token = court, listener, token
        self.reached: list[str] = []
        self._begin()

    def reach(self, grade_id: str) -> None:
        self.reached.append(grade_id)
        say_if_heard(self.line, {"do": "reach", "grade_id": grade_id})

    def test(self, source: str, names: Iterable[str], seconds: float) -> Verdict:
        request = {"do": "test", "source": source, "names": list(names), "seconds": seconds}
        try:
            return Verdict(**query(self.line, request, 2 * CONNECT_SECONDS + seconds))
        except JudgeDiedError as error:
            self.close()
            self._begin()
            return Verdict(JUDGE_DIED, str(error))

    def close(self) -> None:
        self.line.close()
        with contextlib.suppress(ProcessLookupError):  # it may compute still; until the next fork the id is its own
            os.kill(self.pid, signal.SIGKILL)

    def _begin(self) -> None:
        self.line, self.pid = self.court.judge(self.listener, self.token)
        for grade_id in self.reached:
            say_if_heard(self.line, {"do": "reach", "grade_id": grade_id})
