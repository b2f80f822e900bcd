"""Every exercise set: its solution earns everything, its release nothing, and each wrong answer what it deserves.

The sets are found in sources/exercises, so a new one is held to all of this from its first day.
"""

import ast
import re
import symtable
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest

from conftest import ROOT
from racecourse.grading import checker, variants
from racecourse.grading.integrity import grade_id_of, is_answer, is_test, is_written, python_of
from racecourse.learn.hints import all_hints
from racecourse.learn.notebooks import HIDDEN_NOTE, release_path
from wrong_answers import Assignment, Wrong, run_cells, run_test, wrong

NAMES = sorted(path.stem for path in (ROOT / "sources/exercises").glob("[0-9][0-9]_*.py"))
REGION = re.compile(r"^[ \t]*### BEGIN (SOLUTION|HIDDEN TESTS)\n(.*?)^[ \t]*### END \1", re.DOTALL | re.MULTILINE)
every_set = pytest.mark.parametrize("name", NAMES)


@cache
def assignment(name: str) -> Assignment:
    return Assignment(name)


@every_set
def test_the_solution_earns_everything_and_prints_nothing(name: str) -> None:
    for exercise in assignment(name).exercises:
        for outcome in assignment(name).outcomes(exercise):
            assert not outcome.error, f"{outcome.grade_id}: {outcome.error}: {outcome.message}"
            assert not outcome.printed, f"{outcome.grade_id} prints, which may cost its points: {outcome.printed!r}"


@every_set
def test_the_solution_earns_everything_in_a_kernel(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.ipynb"
    nbformat.write(assignment(name).answered(), path)
    report = checker.grade(path, root=ROOT)
    low = {part.grade_id: part.message for e in report.exercises for part in e.parts if part.earned != part.points}
    written = {grade_id_of(cell) for cell in assignment(name).solution.cells if is_written(cell)}
    assert set(low) == written, f"below full marks in a real kernel: {low}"
    assert not report.remarks


@every_set
def test_the_empty_release_earns_nothing(name: str) -> None:
    """Run as a notebook runs, on past every error, with the hidden tests put back."""
    given = assignment(name).release.cells
    namespace = run_cells([cell for cell in given if not is_test(cell)], tolerant=True)
    tests = [cell for cell in assignment(name).solution.cells if is_test(cell)]
    passed = [grade_id_of(cell) for cell in tests if not run_test(cell, namespace).error]
    assert not passed, f"these tests pass without an answer: {passed}"


@every_set
def test_nothing_is_leaked(name: str) -> None:
    release = release_path(name, ROOT)
    others = [path.name for path in release.parent.iterdir() if path != release]
    assert not [path for path in others if path.endswith((".py", ".toml", ".ipynb"))], others
    text = release.read_text(encoding="utf-8")
    for marker in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "MARK SCHEME"):
        assert marker not in text, f"{marker} is left in the release"
    given = {line.strip() for cell in assignment(name).release.cells for line in cell.source.split("\n")}
    leaked = secret_lines(name) & given
    assert not leaked, f"lines of a solution, a hidden test or a mark scheme stand in the release: {leaked}"


def secret_lines(name: str) -> set[str]:
    """Lines that are long enough to give something away and stand in no open place of the solution notebook."""
    secret, public = [], []
    for cell in assignment(name).solution.cells:
        if is_written(cell):
            secret += cell.source.split("\n")
        else:
            secret += [line for _, region in REGION.findall(cell.source) for line in region.split("\n")]
            public += REGION.sub("", cell.source).split("\n")
    return {line.strip() for line in secret if len(line.strip()) >= 12} - {line.strip() for line in public}


@every_set
def test_every_cell_compiles(name: str) -> None:
    for notebook in (assignment(name).solution, assignment(name).release):
        for cell in notebook.cells:
            if cell.cell_type == "code":
                compile(python_of(cell.source), cell.id, "exec")


@every_set
def test_points_sum_to_100(name: str) -> None:
    points = [cell.metadata.nbgrader.get("points", 0) for cell in assignment(name).solution.cells if grade_id_of(cell)]
    assert sum(points) == 100


@every_set
def test_each_exercise_says_difficulty_minutes_and_its_own_points(name: str) -> None:
    """A heading above every answer: '## 2 · Title  (difficulty 2 of 5 · 6 minutes · 30 points)'."""
    pattern = re.compile(r"\(difficulty [1-5] of 5 · \d+ minutes · (\d+) points\)")
    said = [int(found[1]) for cell in assignment(name).solution.cells for found in pattern.finditer(cell.source)]
    assert said == exercise_points(name)


def exercise_points(name: str) -> list[float]:
    """Points by exercise in the order of the notebook, written questions included."""
    points: list[float] = []
    after_test = True
    for cell in assignment(name).solution.cells:
        if is_answer(cell) and (after_test or is_written(cell)):
            points.append(0)
        if is_test(cell) or is_written(cell):
            points[-1] += cell.metadata.nbgrader.points
        if is_test(cell) or is_answer(cell):
            after_test = is_test(cell) or is_written(cell)
    return points


@every_set
def test_each_exercise_has_a_visible_check_a_hidden_one_and_hints(name: str) -> None:
    for exercise in assignment(name).exercises:
        ids = [grade_id_of(cell) for cell in exercise.tests]
        assert any(i.endswith("-visible") for i in ids) and any(i.endswith("-hidden") for i in ids), ids
        for cell in exercise.answers:
            hints = all_hints().get(grade_id_of(cell), [])
            assert 1 <= len(hints) <= 3, f"{grade_id_of(cell)}: {len(hints)} hints; 1 to 3 are wanted"


@every_set
def test_hidden_tests_stand_alone(name: str) -> None:
    """Wholly hidden, and every name they use is imported there, made there, built in, a parameter, or the answer."""
    parameters = set(variants.parameters_of(ROOT / f"sources/exercises/{name}.py"))
    for exercise in assignment(name).exercises:
        answers = {node for cell in exercise.answers for node in top_level_names(cell.source)}
        for cell in exercise.tests:
            if grade_id_of(cell).endswith("-hidden"):
                assert REGION.sub("", cell.source).strip() == HIDDEN_NOTE, cell.source
                foreign = free_names(cell.source) - answers - parameters
                assert not foreign, f"{grade_id_of(cell)} uses {foreign}: import them in the hidden test"


def top_level_names(source: str) -> set[str]:
    tree = ast.parse(source).body
    defined = {node.name for node in tree if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    return defined | {
        n.id for node in tree for n in ast.walk(node) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store
    }


def free_names(source: str) -> set[str]:
    """Names read but bound nowhere in the cell."""
    nodes = list(ast.walk(ast.parse(source)))
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    bound |= {n.name for n in nodes if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    bound |= {n.arg for n in nodes if isinstance(n, ast.arg)}
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bound |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    builtins = set(dir(sys.modules["builtins"]))
    return {n.id for n in nodes if isinstance(n, ast.Name)} - bound - builtins


@every_set
def test_a_test_cell_ends_in_no_bare_value(name: str) -> None:
    """nbgrader takes a cell's value for partial points."""
    for cell in assignment(name).solution.cells:
        if is_test(cell):
            assert not isinstance(ast.parse(cell.source).body[-1], ast.Expr), cell.source


@every_set
def test_parameters_stand_in_one_tagged_cell_at_most(name: str) -> None:
    tagged = [cell for cell in assignment(name).solution.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) <= 1
    assert all(isinstance(node, ast.Assign) for cell in tagged for node in ast.parse(cell.source).body)


@every_set
def test_one_written_question_with_a_mark_scheme(name: str) -> None:
    written = [cell for cell in assignment(name).solution.cells if is_written(cell)]
    assert len(written) == 1
    assert "=== BEGIN MARK SCHEME ===" in written[0].source and "=== END MARK SCHEME ===" in written[0].source


@every_set
def test_every_exercise_has_at_least_three_wrong_answers(name: str) -> None:
    wrongs = [entry.grade_id for entry in assignment(name).bank()]
    for exercise in assignment(name).exercises:
        ids = list(map(grade_id_of, exercise.answers))
        assert sum(entry in ids for entry in wrongs) >= 3, f"{ids}: fewer than three wrong answers"


@every_set
def test_each_wrong_answer_loses_points_and_is_told_why(name: str) -> None:
    problems = [problem for entry in assignment(name).bank() if (problem := judge(assignment(name), entry))]
    assert not problems, "\n".join(problems)


def judge(found: Assignment, entry: Wrong) -> str:
    """What is wrong with the way a wrong answer is treated; empty if it is treated right."""
    who = f"{found.name}: {entry.answer.__name__} ({entry.grade_id})"
    exercise = found.exercise(entry.grade_id)
    outcomes = found.outcomes(exercise, {found.target(entry): entry.answer})
    visible = [outcome for outcome in outcomes if not outcome.is_hidden]
    failed = [outcome for outcome in outcomes if outcome.error]
    if not failed:
        return f"{who} earns all {exercise.points} points"
    if entry.hidden:
        early = [outcome for outcome in visible if outcome.error]
        return f"{who} fails the visible check already: {early[0].message}" if early else ""
    heard = [outcome.message for outcome in visible if outcome.error == "AssertionError"]
    if not any(entry.says in message for message in heard):
        return f"{who}: {entry.says!r} is not among what the visible check says: {[o.message for o in failed]}"
    return ""


def test_the_harness_reports_a_wrong_answer_that_earns_everything() -> None:
    """The harness itself must be able to fail: a right answer in the bank is a problem, whatever it claims."""
    found = assignment("00_start_here")
    right = found.namespace["tokens_per_second"]
    assert "earns all" in judge(found, Wrong("tokens-per-second", right, says="anything"))
    assert "earns all" in judge(found, Wrong("tokens-per-second", right, hidden=True))
    constant = lambda arrivals_s: 12.5  # noqa: E731
    assert "fails the visible check" in judge(found, Wrong("tokens-per-second", constant, hidden=True))
    assert "is not among" in judge(found, Wrong("tokens-per-second", constant, says="turn the fraction over"))
    assert not judge(found, Wrong("tokens-per-second", constant, says="count the gaps"))
    with pytest.raises(ValueError, match="hidden=True if only"):
        wrong("tokens-per-second")


def test_hints_come_one_level_a_call(capsys: pytest.CaptureFixture[str]) -> None:
    from racecourse.learn import hints

    hints.shown.clear()
    for _ in range(4):
        hints.hint("weight-bytes")
    printed = capsys.readouterr().out.splitlines()
    lines = [line for line in printed if line.startswith("Hint")]
    assert [printed.index(line) for line in printed if "solution(" in line] == [3, 3], "after the last hint, and again"
    assert [line[:12] for line in lines] == ["Hint 1 of 3:", "Hint 2 of 3:", "Hint 3 of 3:", "Hint 3 of 3:"]
    assert lines[0] != lines[1] != lines[2] and lines[2] == lines[3]
    with pytest.raises(ValueError, match="no hints for 'weight'"):
        hints.hint("weight")


@every_set
def test_hints_name_only_exercises_that_exist(name: str) -> None:
    import tomllib

    path = ROOT / f"utils/racecourse/learn/data/hints/{name}.toml"
    keys = set(tomllib.loads(path.read_text(encoding="utf-8")))
    assert keys == {grade_id_of(cell) for e in assignment(name).exercises for cell in e.answers}


@every_set
def test_notebooks_of_a_set_are_valid(name: str) -> None:
    for notebook in (assignment(name).solution, assignment(name).release):
        nbformat.validate(notebook)
        assert not any(cell.get("outputs") for cell in notebook.cells)


@every_set
def test_a_check_rebinds_no_name_that_other_cells_read(name: str) -> None:
    """A check runs in the learner's notebook: a `model` of its own would be everybody's model from then on."""
    code = [cell for cell in assignment(name).solution.cells if cell.cell_type == "code"]
    bound = {cell.id: names_bound(cell.source) for cell in code}
    read = {cell.id: names_read(cell.source) - bound[cell.id] for cell in code}
    given = set().union(*(bound[cell.id] for cell in code if not is_test(cell) and not is_answer(cell)))
    given &= set().union(*read.values())
    imported = {cell.id: names_bound(cell.source, ast.Import, ast.ImportFrom) for cell in code if is_test(cell)}
    clashes = {cell_id: names & given for cell_id, names in imported.items() if names & given}
    assert given and not clashes


def names_bound(source: str, *left_out: type[ast.AST]) -> set[str]:
    """What a cell binds at its top level, not inside its functions."""
    names: set[str] = set()
    for node in ast.parse(python_of(source)).body:
        if isinstance(node, left_out):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        else:
            names |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return names


def names_read(source: str) -> set[str]:
    """Global names that a cell reads, at its top level or inside its functions."""

    def of(table: symtable.SymbolTable, top: bool) -> set[str]:
        found = {s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global())}
        return found.union(*(of(child, False) for child in table.get_children()))

    return of(symtable.symtable(python_of(source), "cell", "exec"), True)
