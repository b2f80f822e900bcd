"""From a submission to points: the learner's own check, and nbgrader's cycle by its own commands."""

import os
import sqlite3
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import nbformat
import pytest

from racecourse.grading import checker
from racecourse.grading.integrity import grade_id_of, imported_names, is_test
from racecourse.learn import work
from racecourse.learn.notebooks import read, release_path, target_of

NAME = "00_start_here"
COUNTS_ARRIVALS = "def tokens_per_second(a):\n    return len(a) / (a[-1] - a[0])"
IMPORTS = "from racecourse.models import generate\ndef tokens_per_second(a):\n    return (len(a) - 1) / (a[-1] - a[0])"
WARNS = """\
import sys, warnings
def tokens_per_second(a):
    warnings.warn("careful")
    print("on stderr", file=sys.stderr)
    return (len(a) - 1) / (a[-1] - a[0]) if len(a) > 1 else 0.0"""
DIES = """\
import os, time
def models_that_fit(sizes, memory_gib, reserve):
    time.sleep(1)  # until the kernel has said which cell it is running
    os._exit(1)"""
NEVER_ENDS = "def weight_bytes(n_parameters, bits, block=None):\n    while True:\n        pass"


def cell_of(notebook: Any, grade_id: str) -> Any:
    return next(cell for cell in notebook.cells if grade_id_of(cell) == grade_id)


def submission(course: Path, answers: dict[str, str] | None = None) -> Any:
    """The release with the solution's answers, some of them replaced."""
    notebook, solution = read(release_path(NAME, course)), read(target_of(NAME, course))
    for cell in notebook.cells:
        if not is_test(cell):
            cell.source = cell_of(solution, grade_id_of(cell)).source
    for grade_id, source in (answers or {}).items():
        cell_of(notebook, grade_id).source = source
    return notebook


def graded(course: Path, notebook: Any, timeout_s: int = 60) -> checker.Report:
    path = course / f"{NAME}.ipynb"
    nbformat.write(notebook, path)
    return checker.grade(path, root=course, timeout_s=timeout_s)


def earned(report: checker.Report) -> list[float]:
    return [exercise.earned for exercise in report.exercises if not exercise.by_hand]


def messages(report: checker.Report) -> str:
    return "\n".join(part.message for exercise in report.exercises for part in exercise.parts)


def test_check_prints_points_and_reasons_and_no_hidden_test(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = work.start(NAME, root=course) / f"{NAME}.ipynb"
    nbformat.write(submission(course, {"tokens-per-second": COUNTS_ARRIVALS, "weight-bytes": WARNS}), copy)
    before = copy.read_bytes()
    report = checker.check(NAME, root=course)
    said = " ".join(capsys.readouterr().out.split())
    assert earned(report) == [0, 0, 30]
    assert "30 of 85 points" in said and "five arrivals" in said and "graded by hand" in said
    assert "NameError: name 'weight_bytes' is not defined" in messages(report)
    hidden = cell_of(read(target_of(NAME, course)), "tokens-per-second-hidden").source
    assert not any(line.strip() in said for line in hidden.split("\n") if "assert" in line or "=" in line)
    assert copy.read_bytes() == before, "only a copy is run"
    assert not (course / "classroom/gradebook.db").exists()


def test_stderr_costs_nothing(course: Path) -> None:
    assert earned(graded(course, submission(course, {"tokens-per-second": WARNS}))) == [25, 30, 30]


def test_a_kernel_that_dies_keeps_the_points_earned_before(course: Path) -> None:
    report = graded(course, submission(course, {"models-that-fit": DIES}))
    assert earned(report) == [25, 30, 0]
    assert report.remarks == ["the kernel died in the cell 'models-that-fit-visible'; what follows did not run"]
    parts = {part.grade_id: part for exercise in report.exercises for part in exercise.parts}
    assert parts["models-that-fit-visible"].message == "the kernel died while this check ran"
    assert parts["models-that-fit-visible"].earned == 0
    assert parts["models-that-fit-hidden"].message == "not run"


def test_an_endless_loop_costs_its_own_exercise_only(course: Path) -> None:
    report = graded(course, submission(course, {"weight-bytes": NEVER_ENDS}), timeout_s=2)
    assert earned(report) == [25, 0, 30]
    assert "never ends" in messages(report)


def test_test_cells_are_restored_doubled_and_tagged_ones_too(course: Path) -> None:
    """Deleted, emptied, copied and skip-tagged tests: the points are those of the answers, whatever was done."""
    notebook = submission(course, {"tokens-per-second": COUNTS_ARRIVALS})
    cell_of(notebook, "tokens-per-second-visible").source = "pass"
    cell_of(notebook, "tokens-per-second-hidden").metadata["tags"] = ["skip-execution"]
    notebook.cells.remove(cell_of(notebook, "weight-bytes-visible"))
    notebook.cells.insert(5, deepcopy(cell_of(notebook, "models-that-fit-hidden")))
    report = graded(course, notebook)
    assert earned(report) == [0, 30, 30]
    assert any("'weight-bytes-visible' was missing" in remark for remark in report.remarks)
    assert any("'models-that-fit-hidden' was there more than once" in remark for remark in report.remarks)


def test_an_imported_answer_earns_nothing_and_says_so(course: Path) -> None:
    report = graded(course, submission(course, {"tokens-per-second": IMPORTS}))
    assert earned(report) == [0, 30, 30]
    assert "imports racecourse.models.generate from the course's package" in messages(report)


def test_an_import_in_a_cell_of_ones_own_does_not_help(course: Path) -> None:
    notebook = submission(course, {"tokens-per-second": "tokens_per_second = speed_of"})
    notebook.cells.insert(4, nbformat.v4.new_code_cell("from racecourse.learn.hints import hint as speed_of"))
    assert earned(graded(course, notebook))[1:] == [30, 30]  # allowed name, but no answer
    notebook.cells[4].source = "import racecourse.models as m\nspeed_of = lambda a: 10.0"
    report = graded(course, notebook)
    assert earned(report) == [0, 30, 30]
    assert "NameError" in messages(report)
    assert [remark[:66] for remark in report.remarks] == [
        "a cell of your own: this cell imports racecourse.models from the c"
    ]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from racecourse.models import rope, generate", {"racecourse.models.rope", "racecourse.models.generate"}),
        ("import racecourse.models.layers as layers", {"racecourse.models.layers"}),
        ("def f():\n    import racecourse", {"racecourse"}),
        ("import importlib\nm = importlib.import_module('racecourse.models')", {"racecourse.models"}),
        ("exec('from racecourse.models import rope')", {"racecourse.models.rope"}),
        ("%%time\nfrom racecourse.models import rope", {"racecourse.models.rope"}),
        ("%pip list\nfrom racecourse.models import rope", {"racecourse.models.rope"}),
        ("\n%%capture out\n%%time\nfrom racecourse.models import rope", {"racecourse.models.rope"}),
        ("generate?\nfrom racecourse.models import generate", {"racecourse.models.generate"}),
        ("x = !ls\nfrom racecourse.models import generate", {"racecourse.models.generate"}),
        ("%timeit from racecourse.models import rope", {"racecourse.models.rope"}),
        ("import racecourses, torch\nfrom math import pi", set()),
        ("%pip install racecourse", set()),
        ('def f():\n    """As racecourse.models does it; import nothing."""', set()),
        ("from racecourse.models import (", set()),
    ],
)
def test_imported_names(source: str, names: set[str]) -> None:
    assert imported_names(source) == names


def test_a_file_of_no_set_is_refused(course: Path) -> None:
    nbformat.write(nbformat.v4.new_notebook(), course / "mine.ipynb")
    with pytest.raises(ValueError, match="not named after an exercise set; rename the file: the sets are 00_"):
        checker.grade(course / "mine.ipynb", root=course)
    with pytest.raises(FileNotFoundError, match="racecourse start 00_start_here"):
        checker.check(NAME, root=course)


@pytest.mark.parametrize(
    "name", ["{}", "Copy of {}", "{}-Copy1", "{} (1)", "{}.new2", "anna_{}"], ids=lambda name: name.format("SET")
)
def test_a_renamed_file_is_known_by_the_sets_name_in_it(course: Path, name: str) -> None:
    assert checker.set_name(Path(name.format(NAME) + ".ipynb"), course) == NAME


def test_of_two_names_in_a_files_the_longer_counts(course: Path) -> None:
    longer = target_of(f"{NAME}_too", course)
    longer.parent.mkdir()
    longer.touch()
    assert checker.set_name(Path(f"{NAME}_too.ipynb"), course) == f"{NAME}_too"


def nbgrader(course: Path, command: str) -> subprocess.CompletedProcess[str]:
    """As the README says, but without the environment's folder on PATH: the configuration must see to that."""
    environment = os.environ | {"PATH": "/usr/bin:/bin"}
    arguments = [sys.executable, "-m", "nbgrader", command, NAME]
    return subprocess.run(arguments, cwd=course, env=environment, capture_output=True, text=True, timeout=300)


def submit(course: Path, student: str, notebook: Any) -> None:
    folder = course / "classroom/submitted" / student / NAME
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{NAME}.ipynb")


def gradebook(course: Path) -> dict[str, dict[str, float | None]]:
    """Student -> grade_id -> automatic points, read without nbgrader's own classes."""
    query = """
        SELECT submitted_assignment.student_id, base_cell.name, grade.auto_score FROM grade
        JOIN base_cell ON grade.cell_id = base_cell.id
        JOIN submitted_notebook ON grade.notebook_id = submitted_notebook.id
        JOIN submitted_assignment ON submitted_notebook.assignment_id = submitted_assignment.id"""
    scores: dict[str, dict[str, float | None]] = {}
    with sqlite3.connect(course / "classroom/gradebook.db") as connection:
        for student, cell, score in connection.execute(query):
            scores.setdefault(student, {})[cell] = score
    return scores


def test_nbgraders_cycle(course: Path) -> None:
    """Release, six submissions, autograde, feedback. The first in the alphabet kills its kernel: the rest is graded."""
    release = release_path(NAME, course).read_bytes()
    done = nbgrader(course, "generate_assignment")
    assert done.returncode == 0, done.stderr
    assert release_path(NAME, course).read_bytes() == release, "made by hand, the release is the one that build made"

    pasted = submission(course)
    pasted.cells.insert(9, deepcopy(cell_of(pasted, "tokens-per-second-visible")))
    pasted.cells.remove(cell_of(pasted, "start-here-question"))
    submit(course, "a_dies", submission(course, {"models-that-fit": DIES}))
    submit(course, "b_pasted", pasted)
    submit(course, "c_right", submission(course))
    submit(course, "d_partly", submission(course, {"tokens-per-second": COUNTS_ARRIVALS}))
    submit(course, "e_imports", submission(course, {"tokens-per-second": IMPORTS}))
    submit(course, "f_warns", submission(course, {"tokens-per-second": WARNS}))
    done = nbgrader(course, "autograde")
    assert "for student 'a_dies'" in done.stderr, done.stderr

    totals = {student: sum(score or 0 for score in cells.values()) for student, cells in gradebook(course).items()}
    expected = {"a_dies": 0, "b_pasted": 85, "c_right": 85, "d_partly": 60, "e_imports": 60, "f_warns": 85}
    assert totals == expected, done.stderr
    assert gradebook(course)["c_right"]["start-here-question"] is None, "a person grades this one"

    done = nbgrader(course, "generate_feedback")
    assert done.returncode == 0, done.stderr
    feedback = course / "classroom/feedback"
    assert "count the gaps" in (feedback / f"d_partly/{NAME}/{NAME}.html").read_text(encoding="utf-8")
    assert "imports racecourse.models.generate" in (feedback / f"e_imports/{NAME}/{NAME}.html").read_text("utf-8")
