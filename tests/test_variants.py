"""Variants: what a set's source declares, what a class draws, and that every version is a set of its own.

The sets are found in sources/exercises. Of each exercise that varies every version is made (of many, some): its own
solution earns everything, the public one and other versions' do not, and what they are told is a message.
"""

import itertools
import random
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from conftest import ROOT
from racecourse.grading import checker, variants
from racecourse.grading.inputs import with_secret
from racecourse.grading.integrity import grade_id_of, is_answer, is_written
from racecourse.learn.notebooks import convert, inputs, read, release_path, target_of
from wrong_answers import Assignment, Exercise, public_names

NAMES = sorted(path.stem for path in (ROOT / "sources/exercises").glob("[0-9][0-9]_*.py"))
MOST_VERSIONS = 8  # of one exercise that are run, beside the public one
every_set = pytest.mark.parametrize("name", NAMES)


@cache
def parameters(name: str) -> dict[str, variants.Parameter]:
    return variants.parameters_of(ROOT / f"sources/exercises/{name}.py")


EXERCISES = [(name, exercise) for name in NAMES for exercise in variants.by_exercise(parameters(name))]


# ---- What a source declares ------------------------------------------------------------------------------------------


def cells_of(*sources: str, answer: str = "def f(x):\n    return SCALE * x") -> list[Any]:
    """A set's source: its parameters, an answer cell, then other cells."""
    lines = new_code_cell("\n".join(sources), metadata={"tags": ["parameters"]})
    given = {"grade_id": "f", "solution": True, "grade": False, "locked": False, "schema_version": 3, "task": False}
    return [lines, new_code_cell(answer, metadata={"nbgrader": given})]


def test_a_line_declares_its_values() -> None:
    found = variants.declared(
        cells_of(
            'TIES = "lowest"  # who wins; one of: "lowest", "highest"',
            "SCALE = 2_000  # one of: 1, 2_000, range(5, 8)",
            "PAIR = (1, 2)  # one of: (1, 2), (3, 4)",
            "OTHER = 7  # nothing to draw",
        )
    )
    assert {name: one.options for name, one in found.items()} == {
        "TIES": ("lowest", "highest"), "SCALE": (1, 2000, 5, 6, 7), "PAIR": ((1, 2), (3, 4)),
    }  # fmt: skip
    assert [one.exercise for one in found.values()] == ["", "f", ""]  # only SCALE stands in an answer


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("SCALE = 2  # one of: 3, 4", "not among"),
        ("SCALE = two  # one of: 3, 4", "values must be plain"),
        ("SCALE = 2  # one of: 2, max(3, 4)", "values must be plain"),
        ("scale = 2  # one of: 2, 3", "must look like"),
        ("SCALE = 2; OTHER = 3 # one of: 2, 3", "must look like"),
    ],
)
def test_a_line_that_cannot_be_read_is_refused(line: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        variants.declared(cells_of(line))


def test_a_version_has_its_values_in_every_kind_of_cell() -> None:
    answer = """\
def f(x, SCALE_OF=1):
    # variant: if TIES == "lowest"
    return min(x) * SCALE - LOSS
    # variant: else
    return max(x) * SCALE - LOSS
    # variant: endif"""
    cells = cells_of(
        'TIES = "lowest"  # one of: "lowest", "highest"', "SCALE = 1_000  # bytes; one of: 1_000, 7",
        "LOSS = 0  # one of: 0, -3", answer=answer,
    )  # fmt: skip
    cells += [
        new_markdown_cell(
            '<% if TIES == "lowest" %>\nFirst, << SCALE >>.\n<% else %>\nLast, << 2 * SCALE >>.\n<% endif %>\nEnd.'
        ),
        new_code_cell("assert f([1]) == SCALE, '<< SCALE >>'"),
    ]
    other = [cell.copy() for cell in cells]
    variants.render(cells)
    assert [cell.source for cell in cells] == [
        'TIES = "lowest"\nSCALE = 1_000  # bytes\nLOSS = 0',
        "def f(x, SCALE_OF=1):\n    return min(x) * 1_000 - 0",
        "First, 1000.\nEnd.",
        "assert f([1]) == SCALE, '1000'",
    ]
    variants.render(other, {"TIES": "highest", "SCALE": 7, "LOSS": -3})
    assert [cell.source for cell in other] == [
        'TIES = "highest"\nSCALE = 7  # bytes\nLOSS = -3',
        "def f(x, SCALE_OF=1):\n    return max(x) * 7 - (-3)",
        "Last, 14.\nEnd.",
        "assert f([1]) == SCALE, '7'",
    ]


def test_a_template_that_cannot_be_read_names_its_cell() -> None:
    cells = cells_of("SCALE = 2  # one of: 2, 3", answer="def f(x):\n    # variant: if SCALE == 2\n    return 1")
    with pytest.raises(ValueError, match="the cell 'f'"):
        variants.render(cells)
    cells = cells_of("SCALE = 2  # one of: 2, 3", answer="def f(x):\n    return << UNKNOWN >>")
    with pytest.raises(ValueError, match="UNKNOWN"):
        variants.render(cells)


def test_values_of_another_version_are_refused() -> None:
    with pytest.raises(ValueError, match="SCALE = 9 is no longer among"):
        variants.render(cells_of("SCALE = 2  # one of: 2, 3"), {"SCALE": 9})
    with pytest.raises(ValueError, match="GONE is no parameter"):
        variants.render(cells_of("SCALE = 2  # one of: 2, 3"), {"GONE": 9})


def test_a_set_without_parameters_is_left_as_it_is() -> None:
    cells = cells_of("OTHER = 7", answer="def f(x):\n    return x << 2 >> 1")
    variants.render(cells)
    assert cells[1].source == "def f(x):\n    return x << 2 >> 1"


# ---- What a class draws ----------------------------------------------------------------------------------------------

TWO = {
    "A": variants.Parameter("A", 1, "1", (1, 2, 3), "f"),
    "B": variants.Parameter("B", "x", '"x"', ("x", "y"), "f"),
    "C": variants.Parameter("C", 0, "0", (0, 1, 2, 3), "g"),
    "SEED": variants.Parameter("SEED", 5, "5", (5, 6, 7), ""),
}


def test_the_number_of_versions_leaves_the_public_ones_and_the_data_out() -> None:
    assert variants.n_combinations(TWO) == (3 * 2 - 1) * (4 - 1)
    assert variants.n_combinations({"SEED": TWO["SEED"]}) == 0
    assert len(variants.every_version(TWO, "f")) == 6 and variants.every_version(TWO, "f")[0]["A"] == 1


def test_a_draw_follows_from_secret_set_and_student_and_nothing_else() -> None:
    values = variants.draw_values(TWO, b"secret", "01_x", "anna")
    assert values == variants.draw_values(TWO, b"secret", "01_x", "anna") and list(values) == list(TWO)
    drawn = [
        str(variants.draw_values(TWO, s, n, w))
        for s, n, w in itertools.product([b"a", b"b"], ["1", "2"], map(str, range(20)))
    ]
    assert len(set(drawn)) > 20  # of 15 * 3 possible ones


def test_nobody_draws_what_is_public_and_all_else_is_drawn() -> None:
    drawn = [variants.draw_values(TWO, b"secret", "01_x", f"student-{i}") for i in range(600)]
    assert not [v for v in drawn if (v["A"], v["B"]) == (1, "x") or v["C"] == 0 or v["SEED"] == 5]
    assert len({tuple(v.values()) for v in drawn}) == 5 * 3 * 2


def test_a_class_differs_as_long_as_there_are_versions() -> None:
    taken: list[variants.Values] = []
    for i in range(17):
        taken.append(variants.draw_values(TWO, b"secret", "01_x", f"student-{i}", taken))
    tasks = [(v["A"], v["B"], v["C"]) for v in taken]
    assert len(set(tasks[:15])) == 15  # all there are
    assert set(tasks[15:]) <= set(tasks[:15])


def test_what_hinders_an_old_draw() -> None:
    assert variants.still_possible(TWO, {"A": 2, "B": "y", "C": 1, "SEED": 6}) == []
    problems = variants.still_possible(TWO, {"A": 9, "B": "y", "C": 1, "D": 0})
    assert len(problems) == 3 and all(any(word in p for p in problems) for word in ("A = 9", "SEED", "D is no"))


# ---- The sets --------------------------------------------------------------------------------------------------------


@every_set
def test_the_public_version_is_the_course_s(name: str) -> None:
    """Made by our steps, the public release is what nbgrader's own converter wrote."""
    built = read(target_of(name, ROOT))
    assert inputs(convert(ROOT / f"sources/exercises/{name}.py", ROOT)) == inputs(built)
    assert inputs(variants.release(built, ROOT)) == inputs(read(release_path(name, ROOT)))


@every_set
def test_the_set_has_enough_versions_for_a_class_of_fifty(name: str) -> None:
    assert variants.n_combinations(parameters(name)) >= 50


@every_set
def test_a_drawn_set_has_the_same_cells_for_the_same_points(name: str) -> None:
    public = read(target_of(name, ROOT))
    for i in range(5):
        values = variants.draw_values(parameters(name), b"secret", name, f"student-{i}")
        drawn = variants.solution(name, ROOT, values)
        assert [shape(cell) for cell in drawn.cells] == [shape(cell) for cell in public.cells]
        assert variants.values_of(variants.release(drawn, ROOT)) == values
        text = str(inputs(variants.release(drawn, ROOT)))
        assert not [mark for mark in ("one of:", "# variant:", "<%", "%>", "BEGIN SOLUTION") if mark in text]


def shape(cell: Any) -> tuple[str, str, Any]:
    return cell.cell_type, grade_id_of(cell), cell.metadata.get("nbgrader")


@pytest.mark.parametrize(("name", "exercise"), EXERCISES, ids=lambda value: value)
def test_every_version_takes_its_own_solution_and_no_other(name: str, exercise: str) -> None:
    public, *others = variants.every_version(parameters(name), exercise)
    rng = random.Random(f"{name} {exercise}")
    chosen = [public, *(rng.sample(others, MOST_VERSIONS) if len(others) > MOST_VERSIONS else others)]
    sets = [Assignment(name, values) for values in chosen]
    answers = [answer_of(one, exercise) for one in sets]
    for at, one in enumerate(sets):
        for outcome in one.outcomes(one.exercise(exercise)):
            assert not outcome.error, f"own solution, {chosen[at]}: {outcome.grade_id}: {outcome.message}"
        strangers = [0, *rng.sample(range(len(sets)), min(3, len(sets)))] if at else range(len(sets))
        for other in set(strangers) - {at}:
            outcomes = one.outcomes(one.exercise(exercise), answers[other])
            wrong = [outcome for outcome in outcomes if outcome.error]
            assert wrong, f"the solution of {chosen[other]} passes the checks of {chosen[at]}"
            assert wrong[0].message, f"the solution of {chosen[other]} on {chosen[at]}: {wrong[0].error} says nothing"


def answer_of(one: Assignment, exercise: str) -> dict[str, Any]:
    """The names that the exercise's answers define, by its solution."""
    names = [name for cell in one.exercise(exercise).answers for name in public_names(cell.source)]
    return {name: one.namespace[name] for name in names}


def in_class(exercise: Exercise) -> Exercise:
    """The exercise with the hidden inputs of one student of a class."""
    tests = deepcopy(exercise.tests)
    for cell in tests:
        cell.source = with_secret(cell.source, b"a class", f"student-00/{grade_id_of(cell)}")
    return Exercise(exercise.answers, tests)


@every_set
def test_of_fifty_students_each_solves_their_own_set_and_nobody_another_s(name: str) -> None:
    """Whole sets, as drawn: all differ; a version's solution and one stranger's are run against it."""
    drawn: list[variants.Values] = []
    for i in range(50):
        drawn.append(variants.draw_values(parameters(name), b"a class", name, f"student-{i:02}", drawn))
    tasks = [one.name for one in parameters(name).values() if one.exercise]
    assert len({tuple(values[task] for task in tasks) for values in drawn}) == 50
    first, second = Assignment(name, drawn[0]), Assignment(name, drawn[1])
    assert not [o for exercise in first.exercises for o in first.outcomes(in_class(exercise)) if o.error]
    strange = {key: value for exercise in second.exercises for key, value in
               answer_of(second, grade_id_of(exercise.answers[0])).items()}  # fmt: skip
    assert [o for exercise in first.exercises for o in first.outcomes(exercise, strange) if o.error]


@every_set
def test_a_third_of_the_exercises_vary(name: str) -> None:
    cells = read(target_of(name, ROOT)).cells
    n_exercises = sum(is_answer(cell) and not is_written(cell) for cell in cells)
    assert 3 * len(variants.by_exercise(parameters(name))) >= n_exercises > 0


def test_a_student_checks_their_own_version(tmp_path: Path) -> None:
    """`racecourse check` takes the version from the notebook; without it the same answers are wrong."""
    name = "00_start_here"
    own = Assignment(name, variants.draw_values(parameters(name), b"a class", name, "anna")).answered()
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(own, path)
    report = checker.grade(path, root=ROOT)
    assert report.earned == report.points and not report.remarks
    del own.metadata.racecourse["values"]
    nbformat.write(own, path)
    assert checker.grade(path, root=ROOT).earned < report.points
