"""The process that judges: it runs a set's tests where the learner's code never is, and calls that code by its names.

`Judge` holds what a notebook's namespace would hold without the learner: the set's own cells have run in it. For each
test the learner's kernel is told to call here (`calls.answer`), the names that the test uses become proxies of the
learner's functions, and the test runs as it is written. `serve` is a judge in a process of its own, forked from the
zygote; `racecourse check` has one in its own process, because there the learner grades what is theirs.

Left out: who starts the kernel, and what becomes of the verdict (`checker`).
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import random
import socket
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from racecourse.grading.calls import AnswerError, Answers, CallTimeoutError, KernelDiedError
from racecourse.grading.integrity import python_of

CONNECT_SECONDS = 20  # for a kernel that has nothing else to do
TIME_OUT = "CellTimeoutError"  # nbclient's names for what can happen to a cell
KERNEL_DIED = "DeadKernelError"
JUDGE_DIED = "JudgeDiedError"
PRELUDE_SECONDS = 300  # for a cell of the set's own, which may load a model


@dataclass(frozen=True)
class Verdict:
    """What one test said: nothing (`error` is empty) if it holds."""

    error: str = ""  # the exception's name
    message: str = ""
    share: float | None = None  # a test may end with a number: that many points


class Judge:
    """A namespace of the set's own cells, and the tests run in it one after the other.

    `listener` is where the learner's kernel calls; `token` is what it says first.
    """

    def __init__(self, listener: socket.socket, token: str) -> None:
        import numpy as np
        import torch

        self.listener, self.token = listener, token
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.ours: dict[str, Any] = {}  # what the set's own cells defined: it crosses by name
        random.seed(0)  # a learner's random numbers follow from these in every call: two runs, one verdict
        np.random.seed(0)
        torch.manual_seed(0)

    def prelude(self, source: str) -> Verdict:
        """Run a cell of the set's own."""
        verdict = self._run(source, "<the set's own cell>")
        self.ours = {name: value for name, value in self.namespace.items() if not name.startswith("__")}
        return verdict

    def test(self, source: str, names: Iterable[str], seconds: float) -> Verdict:
        """Run a test against the learner's `names`; a test that needs more than `seconds` has failed."""
        try:
            connection = self._accept()
        except TimeoutError:
            return Verdict(KERNEL_DIED, "the kernel did not answer")
        with connection:
            answers = Answers(connection, named=self.ours, seconds=seconds)
            try:
                for name in names:
                    self.namespace.pop(name, None)
                    with contextlib.suppress(NameError):  # the test will say so, if it gets that far
                        self.namespace[name] = answers.fetch(name)
                return self._run(source, "<test>")
            except CallTimeoutError:
                return Verdict(TIME_OUT)
            except KernelDiedError:
                return Verdict(KERNEL_DIED)
            except (AnswerError, ValueError) as error:  # while a name was fetched
                return verdict_of(error)
            finally:
                answers.stop()

    def _accept(self) -> socket.socket:
        """The next connection that says the token."""
        deadline = time.monotonic() + CONNECT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            self.listener.settimeout(left)
            connection, _ = self.listener.accept()
            connection.settimeout(1.0)
            with contextlib.suppress(OSError):
                if connection.recv(len(self.token), socket.MSG_WAITALL) == self.token.encode():
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
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def verdict_of(error: Exception) -> Verdict:
    if isinstance(error, AnswerError):  # of a class of the learner's: "TheirError: text"
        kind, _, text = str(error).partition(": ")
        return Verdict(kind, text[:2000])
    return Verdict(type(error).__name__, str(error)[:2000])


def run_cell(source: str, name: str, namespace: dict[str, Any]) -> float | None:
    """Run a cell; the value of an expression at its end, if that is a plain number."""
    tree = ast.parse(python_of(source), name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), namespace)
    value = eval(compile(ast.Expression(last.value), name, "eval"), namespace) if last else None
    return float(value) if type(value) in (int, float) else None


# ------------------------------------------------------------------------------------------- in a process of its own


def serve(control: socket.socket, listener: socket.socket) -> None:
    """Do what the lines of `control` ask for, until it closes: one JSON object each way per request."""
    with control, control.makefile("rwb") as lines:
        judge = Judge(listener, json.loads(lines.readline())["token"])
        for line in lines:
            request = json.loads(line)
            verdict = getattr(judge, request.pop("do"))(**request)
            lines.write(json.dumps(asdict(verdict)).encode() + b"\n")
            lines.flush()


class FarJudge:
    """A `Judge` in another process, with the same methods.

    `start` makes that process, and returns a connection that it lives as long as, and the line to it. A judge that ends
    in the middle of a test, because it was sent more than it can hold, or does not come to an end, is replaced by a new
    one; the test has failed.
    """

    def __init__(self, start: Callable[[], tuple[socket.socket, socket.socket]], token: str) -> None:
        self.start, self.token = start, token
        self.preludes: list[str] = []
        self._begin()

    def prelude(self, source: str) -> Verdict:
        self.preludes.append(source)
        return self._ask({"do": "prelude", "source": source}, seconds=PRELUDE_SECONDS)

    def test(self, source: str, names: Iterable[str], seconds: float) -> Verdict:
        request = {"do": "test", "source": source, "names": list(names), "seconds": seconds}
        try:
            return self._ask(request, seconds=CONNECT_SECONDS + 2 * seconds + 10)
        except JudgeDiedError as error:
            self.close()
            self._begin()
            for prelude in self.preludes:
                self._ask({"do": "prelude", "source": prelude}, seconds=PRELUDE_SECONDS)
            return Verdict(JUDGE_DIED, str(error))

    def close(self) -> None:
        self.lifeline.close()
        self.line.close()

    def _begin(self) -> None:
        self.lifeline, self.line = self.start()
        self._send({"token": self.token})

    def _send(self, message: dict[str, Any]) -> None:
        self.line.sendall(json.dumps(message).encode() + b"\n")

    def _ask(self, message: dict[str, Any], seconds: float) -> Verdict:
        """
        Raises:
            JudgeDiedError: no answer within `seconds`, which a judge that lives always gives.
        """
        try:
            self._send(message)
            answer = b""
            deadline = time.monotonic() + seconds
            while not answer.endswith(b"\n"):
                self.line.settimeout(max(0.01, deadline - time.monotonic()))
                received = self.line.recv(65536)
                if not received:
                    raise ConnectionResetError
                answer += received
        except OSError as error:  # a timeout is one
            raise JudgeDiedError("the check could not be finished: is a result far too large?") from error
        return Verdict(**json.loads(answer))


class JudgeDiedError(RuntimeError):
    """The process that judges ended, or did not come to an end."""
