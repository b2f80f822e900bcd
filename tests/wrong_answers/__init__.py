"""Banks of wrong answers, one file per exercise set, and what runs them.

A bank holds functions and classes of any name, each with the exercise that it answers wrongly and what the learner
must read then:

    @wrong("weight-bytes", says="the scales are missing")
    def forgets_the_scales(n_parameters, bits, block=None): ...

    @wrong("weight-bytes", hidden=True)          # passes the visible check; only the hidden one catches it
    def floors_the_bytes(n_parameters, bits, block=None): ...

A bank may use every name that the set's own cells define (imports, helpers, the solutions of other exercises).
"""

import ast
import contextlib
import io
import warnings
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racecourse.grading import variants
from racecourse.grading.integrity import grade_id_of, is_answer, is_test, is_written, python_of
from racecourse.learn.notebooks import course_root, read, release_path, target_of

ROOT = course_root(Path(__file__).parent)


@dataclass(frozen=True)
class Wrong:
    """One wrong answer and what must happen to it."""

    grade_id: str
    answer: Any
    says: str | None = None
    hidden: bool = False
    name: str | None = None  # what the answer cell calls it, where the cell defines several public names


def wrong(grade_id: str, *, says: str | None = None, hidden: bool = False, name: str | None = None) -> Callable:
    """Mark a function or class as a wrong answer to the exercise whose answer cell is `grade_id`."""
    if (says is None) != hidden:
        raise ValueError(f"{grade_id!r}: give says='the message', or hidden=True if only the hidden check fails")

    def mark(answer: Any) -> Any:
        answer.wrong = [*getattr(answer, "wrong", []), Wrong(grade_id, answer, says, hidden, name)]
        return answer

    return mark


@dataclass
class Exercise:
    """Answer cells and the tests that follow them."""

    answers: list[Any] = field(default_factory=list)
    tests: list[Any] = field(default_factory=list)

    @property
    def points(self) -> float:
        return sum(cell.metadata.nbgrader.points for cell in self.tests)


@dataclass(frozen=True)
class Outcome:
    """What one test cell did."""

    grade_id: str
    points: float  # earned
    message: str = ""
    error: str = ""  # the exception's name
    printed: str = ""  # stdout, stderr and warnings

    @property
    def is_hidden(self) -> bool:
        return self.grade_id.endswith("-hidden")


class Assignment:
    """An exercise set that is run in this process: its solution's cells in one namespace."""

    def __init__(self, name: str, values: dict[str, Any] | None = None) -> None:
        """The public version, or the one with these values of the set's parameters."""
        self.name = name
        if values is None:
            self.solution, self.release = read(target_of(name, ROOT)), read(release_path(name, ROOT))
        else:
            self.solution = variants.solution(name, ROOT, values)
            self.release = variants.release(self.solution, ROOT)
        self.exercises = exercises_of(self.solution)
        self._namespace: dict[str, Any] | None = None

    @property
    def namespace(self) -> dict[str, Any]:
        """After the set-up cells and the solution's answers, tests left out. Made once: it may load a model."""
        if self._namespace is None:
            self._namespace = run_cells([cell for cell in self.solution.cells if not is_test(cell)])
        return self._namespace

    def source_of(self, cell_id: str) -> str:
        return next(cell.source for cell in self.solution.cells if cell.id == cell_id)

    def printed(self, cell_id: str) -> str:
        """What a cell prints after the set's own solutions."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(python_of(self.source_of(cell_id)), cell_id, "exec"), dict(self.namespace))
        return out.getvalue()

    def answered(self) -> Any:
        """The released notebook with the solution's answers in it, as a learner hands it in."""
        answers = {grade_id_of(cell): cell.source for cell in self.solution.cells if is_answer(cell)}
        notebook = deepcopy(self.release)
        for cell in notebook.cells:
            cell.source = answers.get(grade_id_of(cell), cell.source)
        return notebook

    def exercise(self, grade_id: str) -> Exercise:
        for exercise in self.exercises:
            if grade_id in map(grade_id_of, exercise.answers):
                return exercise
        raise ValueError(f"{self.name} has no answer cell {grade_id!r}")

    def outcomes(self, exercise: Exercise, replace: dict[str, Any] | None = None) -> list[Outcome]:
        """Run an exercise's tests with some names bound to other answers, and leave the namespace as it was."""
        before = dict(self.namespace)
        self.namespace.update(replace or {})
        try:
            return [run_test(cell, self.namespace) for cell in exercise.tests]
        finally:
            self.namespace.clear()
            self.namespace.update(before)

    def bank(self) -> list[Wrong]:
        """The set's wrong answers, in the order of the file."""
        path = Path(__file__).parent / f"{self.name}.py"
        bank = {key: value for key, value in self.namespace.items() if not hasattr(value, "wrong")}
        bank["__name__"] = path.stem
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), bank)
        return [entry for value in bank.values() for entry in vars_of(value).get("wrong", [])]

    def target(self, entry: Wrong) -> str:
        """The name under which the tests call this answer."""
        if entry.name:
            return entry.name
        cell = next(cell for cell in self.solution.cells if grade_id_of(cell) == entry.grade_id)
        names = public_names(cell.source)
        if len(names) != 1:
            raise ValueError(f"{entry.grade_id!r} defines {names}; say which one: @wrong(..., name=...)")
        return names[0]


def vars_of(value: Any) -> dict[str, Any]:
    return vars(value) if hasattr(value, "__dict__") else {}


def exercises_of(notebook: Any) -> list[Exercise]:
    exercises: list[Exercise] = []
    for cell in notebook.cells:
        if is_answer(cell) and not is_written(cell):
            if not exercises or exercises[-1].tests:
                exercises.append(Exercise())
            exercises[-1].answers.append(cell)
        elif is_test(cell):
            exercises[-1].tests.append(cell)
    return exercises


def public_names(source: str) -> list[str]:
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [node.name for node in ast.parse(source).body if isinstance(node, kinds) and node.name[0] != "_"]


def run_cells(cells: list[Any], tolerant: bool = False) -> dict[str, Any]:
    """Run code cells in one namespace; `tolerant` goes on after an error, as a notebook does."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        if cell.cell_type != "code":
            continue
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                exec(compile(python_of(cell.source), cell.id, "exec"), namespace)
            except Exception:
                if not tolerant:
                    raise
    return namespace


def run_test(cell: Any, namespace: dict[str, Any]) -> Outcome:
    grade_id, points = grade_id_of(cell), cell.metadata.nbgrader.points
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), warnings.catch_warnings():
        warnings.simplefilter("default")
        try:
            exec(compile(python_of(cell.source), cell.id, "exec"), namespace)
        except Exception as error:
            return Outcome(grade_id, 0, str(error), type(error).__name__, printed.getvalue())
    return Outcome(grade_id, points, printed=printed.getvalue())
