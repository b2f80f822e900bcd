"""A learner grades their own notebook: `racecourse check 00_start_here`, hidden checks included.

A copy is repaired, its test cells are taken from solutions/, and it runs in a kernel in a temporary folder. Points
follow nbgrader's rule, except that output on stderr costs nothing. The gradebook is neither read nor written, and
nbgrader is not needed. A submission whose kernel dies keeps here what it earned before; stock `nbgrader autograde`
gives it no points at all. Left out: isolation. It is the learner's own code on the learner's own machine.
"""

import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racecourse.grading.intake import repair
from racecourse.grading.integrity import grade_id_of, is_answer, is_test, is_written, refuse_imports
from racecourse.learn.notebooks import course_root, read, release_path, target_of

TIME_OUT = "CellTimeoutError"
KERNEL_DIED = "DeadKernelError"


@dataclass
class Part:
    """One graded cell of an exercise."""

    grade_id: str
    points: float
    earned: float | None = None  # None: not run, or graded by hand
    message: str = ""


@dataclass
class Exercise:
    """Answer cells and the tests that follow them, or one written question."""

    title: str
    parts: list[Part] = field(default_factory=list)
    by_hand: bool = False
    refused: str = ""  # why the answer was not run

    @property
    def points(self) -> float:
        return sum(part.points for part in self.parts)

    @property
    def earned(self) -> float:
        return sum(part.earned or 0 for part in self.parts)


@dataclass
class Report:
    name: str
    exercises: list[Exercise]
    remarks: list[str]  # what had to be repaired or refused, and where the run ended early

    @property
    def earned(self) -> float:
        return sum(exercise.earned for exercise in self.exercises)

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises if not exercise.by_hand)


def check(name_or_path: str | Path, *, root: Path | None = None, timeout_s: int = 180) -> Report:
    """Grade a notebook, print the table, return the report. Only what prevents grading raises; few points do not."""
    path = find_notebook(name_or_path, course_root(root))
    report = grade(path, root=course_root(root), timeout_s=timeout_s)
    show(report, path)
    return report


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


def grade(path: Path, *, root: Path, timeout_s: int = 180) -> Report:
    """Run a repaired copy of the notebook with the hidden tests and score it."""
    name = set_name(path, root)
    solution, release, notebook = read(target_of(name, root)), read(release_path(name, root)), read(path)
    remarks = repair(notebook, release)
    tests = {grade_id_of(cell): cell.source for cell in solution.cells if is_test(cell)}
    for cell in notebook.cells:
        if is_test(cell):
            cell.source = tests[grade_id_of(cell)]
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    stubs = {grade_id_of(cell): cell.source for cell in release.cells if is_answer(cell)}
    refused = refuse_imports(notebook, release)
    remarks += [f"a cell of your own: {said}" for at, said in refused.items() if not is_answer(notebook.cells[at])]
    with tempfile.TemporaryDirectory() as folder:
        for data in target_of(name, root).parent.iterdir():
            if data.suffix != ".ipynb" and data.is_file():
                shutil.copy(data, folder)
        ended_early, replied = run(notebook, folder, timeout_s)
    return Report(name, score(notebook, stubs, refused, replied), remarks + ended_early)


def set_name(path: Path, root: Path) -> str:
    """The set whose name is in the file's: 01_transformers.ipynb, also `Copy of 01_transformers (1).ipynb`."""
    known = sorted(solution.stem for solution in root.glob("solutions/*/*.ipynb"))
    found = [name for name in known if name in path.name]
    if not found:
        raise ValueError(
            f"{path.name!r} is not named after an exercise set; rename the file: the sets are {', '.join(known)}"
        )
    return max(found, key=len)


def run(notebook: Any, folder: str, timeout_s: int) -> tuple[list[str], set[int]]:
    """Run every cell, errors or not, in place; a remark if that ended early, and the indices of the cells that ran.

    A cell ran if the kernel's reply arrived. Its execution_count says less: nbclient sets it when the cell begins.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError

    begun: list[Any] = []
    replied: set[int] = set()

    def note_reply(cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:
        replied.add(cell_index)
        note_time_out(cell, execute_reply)

    client = NotebookClient(
        notebook,
        timeout=timeout_s,
        kernel_name="python3",
        allow_errors=True,
        interrupt_on_timeout=True,
        error_on_timeout={"ename": TIME_OUT, "evalue": "", "traceback": []},
        skip_cells_with_tag="",  # repair has taken all tags off; no default may come back
        resources={"metadata": {"path": folder}},
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    client.on_cell_execute = lambda cell, cell_index: begun.append(cell)
    client.on_cell_executed = note_reply
    try:
        client.execute()
    except (RuntimeError, CellTimeoutError) as error:  # a dead kernel is a RuntimeError
        if not begun:
            raise  # the kernel did not start
        timed_out = isinstance(error, CellTimeoutError)
        begun[-1].outputs.append(error_output(TIME_OUT if timed_out else KERNEL_DIED, ""))
        reason = "could not be interrupted" if timed_out else "died"
        return [f"the kernel {reason} in the cell {label(begun[-1])!r}; what follows did not run"], replied
    return [], replied


def label(cell: Any) -> str:
    """A cell's grade_id, else its first line: never the text of a hidden test."""
    return grade_id_of(cell) or cell.source.strip().split("\n")[0]


def note_time_out(cell: Any, execute_reply: dict[str, Any]) -> None:
    """nbclient replies for a cell that ran out of time but leaves no output in it: record one, so that it scores 0."""
    content = execute_reply["content"]
    if content["status"] == "error" and not any(output.output_type == "error" for output in cell.outputs):
        cell.outputs.append(error_output(content["ename"], content["evalue"]))


def error_output(ename: str, evalue: str) -> Any:
    from nbformat.v4 import new_output

    return new_output("error", ename=ename, evalue=evalue, traceback=[])


def score(notebook: Any, stubs: dict[str, str], refused: dict[int, str], replied: set[int]) -> list[Exercise]:
    """The cells of a notebook that has been run, as exercises with points."""
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
            exercises[-1].parts.append(score_cell(cell, exercises[-1].refused, unanswered, index in replied))
    return exercises


def title_of(markdown: str) -> str:
    """The text of the first heading, without the note on difficulty, minutes and points."""
    found = re.search(r"^#+ *(.+)$", markdown, flags=re.MULTILINE)
    return re.split(r"\s+\((?:difficulty)", found[1])[0] if found else ""


def score_cell(cell: Any, refused: str, unanswered: bool, was_run: bool) -> Part:
    """nbgrader's rule without stderr: an error earns 0, a number on its own that many points, anything else all."""
    part = Part(grade_id_of(cell), float(cell.metadata.nbgrader.points), earned=0.0)
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if refused:
        part.message = refused
    elif errors:
        part.message = "not answered yet" if unanswered else explain(errors[0])
    elif not was_run:
        part.earned, part.message = None, "not run"
    else:
        part.earned = partial_points(cell, part.points)
    return part


def partial_points(cell: Any, points: float) -> float:
    for output in cell.outputs:
        if output.output_type == "execute_result":
            try:
                return min(max(float(output.data["text/plain"]), 0.0), points)
            except ValueError:
                return points
    return points


def explain(error: Any) -> str:
    """One line for a learner: the check's own words, or the kind of error and what it says."""
    text = error.evalue.strip()
    if error.ename in (TIME_OUT, "KeyboardInterrupt"):
        return "took too long and was stopped: is there a loop that never ends?"
    if error.ename == KERNEL_DIED:
        return "the kernel died while this check ran"
    if error.ename == "AssertionError":
        return text or "a check with other numbers than the worked example's did not hold"
    return f"{error.ename}: {text}"


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
