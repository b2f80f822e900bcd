"""A class directory that is graded in moments: points are those of the set's own checks, without kernel and walls.

    this_class = a_class(folder, course, ["anna", "ben"])
    hand_in(this_class, "anna", solved(course))
    grade_at_once(this_class)

Only for tests of what a class keeps; what a grade is worth is tested with real kernels (test_autograde).
"""

import contextlib
import io
from concurrent.futures import Executor, Future
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat

from racecourse.grading import autograde, variants
from racecourse.grading.autograde import Graded
from racecourse.grading.checker import GradedSet
from racecourse.grading.classes.directory import ClassDirectory, Student
from racecourse.grading.classes.making import new_class
from racecourse.grading.intake import Refused, parse, repair
from racecourse.grading.integrity import grade_id_of, is_answer, is_test, is_written
from racecourse.grading.records import Exercise, Part, Report, to_json
from wrong_answers import run_test

NAME = "00_start_here"


def a_class(folder: Path, course: Path, students: list[str], **settings: Any) -> ClassDirectory:
    return new_class(folder, course, roster=[Student(one) for one in students], **settings)


def solved(course: Path, values: dict[str, Any] | None = None, **answers: str) -> Any:
    """The release of one version with its solution's answers, some of them replaced ('_' for '-')."""
    graded = GradedSet.load(NAME, course, values)
    notebook = deepcopy(graded.release)
    for cell, right in zip(notebook.cells, graded.solution.cells, strict=True):
        if is_answer(cell):
            cell.source = answers.get(grade_id_of(cell).replace("-", "_"), right.source + "\n")
    return notebook


def hand_in(this_class: ClassDirectory, student: str, notebook: Any, when: datetime | None = None) -> Path:
    """As nbgrader's collect leaves it; text in the place of a notebook is written as it is."""
    path = this_class.folder / "submitted" / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(notebook if isinstance(notebook, str) else nbformat.writes(notebook), encoding="utf-8")
    if when:
        path.with_name("timestamp.txt").write_text(f"{when:%Y-%m-%d %H:%M:%S.%f %Z}")
    return path


def grade_at_once(this_class: ClassDirectory, **options: Any) -> autograde.Batch:
    this_class.require_current(NAME)
    return autograde.grade(NAME, classroom=this_class.classroom(NAME), executor=AtOnce(), **options)


class AtOnce(Executor):
    """Has the work done before `submit` returns."""

    def submit(self, function: Any, name: str, student: str, data: bytes, options: Any) -> Future:  # type: ignore[override]
        future: Future = Future()
        future.set_result(graded_here(name, student, data, options))
        return future


def graded_here(name: str, student: str, data: bytes, options: autograde.Options) -> Graded:
    graded = autograde._set(name, options.root, options.values)
    try:
        notebook = parse(data)[0]
        repair(notebook, graded.release)
    except Refused as refusal:
        return Graded(to_json(Report(name, [], student=student, refused=str(refusal))), "<p>refused</p>")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    tests, written = Exercise("tests"), Exercise("written", by_hand=True)
    full = {grade_id_of(cell): cell for cell in graded.solution.cells if is_test(cell)}
    for cell in notebook.cells:
        if is_test(cell):
            outcome = run_test(full[grade_id_of(cell)], namespace)
            points = float(cell.metadata.nbgrader.points)
            tests.parts.append(Part(grade_id_of(cell), points, float(outcome.points), outcome.message))
        elif is_written(cell):
            written.parts.append(Part(grade_id_of(cell), float(cell.metadata.nbgrader.points)))
        elif cell.cell_type == "code":
            with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
                exec(cell.source, namespace)
    report = Report(name, [tests, written], student=student)
    return Graded(to_json(report), f"<p>{student}</p>", nbformat.writes(notebook))


def draws(this_class: ClassDirectory) -> dict[str, variants.Values]:
    return this_class.classroom(NAME).draws()
