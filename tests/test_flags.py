"""What an instructor should look at is flagged, and honest work is not: no flag for any set or entry of the banks."""

import ast
import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_output

from racecourse.grading import intake
from racecourse.grading.flags import MAX_MAGICS, flags_of, parsed
from racecourse.grading.integrity import grade_id_of, is_answer
from racecourse.grading.records import Flag
from racecourse.learn.notebooks import read, release_path, target_of

ROOT = Path(__file__).resolve().parent.parent
SETS = sorted(path.stem for path in ROOT.glob("exercises/*/*.ipynb"))
NAME = "00_start_here"
ANSWER = "def tokens_per_second(a):\n    return (len(a) - 1) / (a[-1] - a[0]) if len(a) > 1 else 0.0\n"


@cache
def release(name: str = NAME) -> Any:
    return read(release_path(name, ROOT))


@cache
def solution(name: str = NAME) -> Any:
    return read(target_of(name, ROOT))


def solved(name: str = NAME, **answers: str) -> Any:
    """The release with the solution's answers, or with those given, run once from top to bottom."""
    texts = {grade_id_of(cell): cell.source for cell in solution(name).cells if is_answer(cell)}
    texts |= {key.replace("_", "-"): text for key, text in answers.items()}
    notebook = deepcopy(release(name))
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.execution_count = count
    for cell in notebook.cells:
        cell.source = texts.get(grade_id_of(cell), cell.source)
    return notebook


def cell_of(notebook: Any, grade_id: str) -> Any:
    return next(cell for cell in notebook.cells if grade_id_of(cell) == grade_id)


def flagged(notebook: Any, name: str = NAME, change: Callable[[Any], None] | None = None) -> list[Flag]:
    """The flags of a submission on its way through intake; `change` makes of the repaired one what our run gave."""
    submission, _ = intake.parse(json.dumps(notebook).encode())
    repaired = deepcopy(submission)
    intake.repair(repaired, release(name))
    executed = deepcopy(repaired)
    if change is not None:
        change(executed)
    return flags_of(submission, repaired, release(name), executed if change else None, solution=solution(name))


def only(found: list[Flag], kind: str) -> Flag:
    assert [flag.kind for flag in found] == [kind], found
    return found[0]


# ---- Honest work -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_honest_work_is_not_flagged(name: str) -> None:
    """Solved, half solved and untouched; run and not run; white space changed; saved by Colab."""
    assert flagged(solved(name), name) == []
    assert flagged(release(name), name) == []
    notebook = solved(name)
    answers = [cell for cell in notebook.cells if is_answer(cell)]
    for cell in answers[::2]:
        cell.source = cell_of(release(name), grade_id_of(cell)).source
    for cell in notebook.cells:
        cell.metadata["id"] = cell.id
        cell.source = "\r\n".join(line + "  " for line in cell.source.split("\n")) + "\n\n"
    notebook.cells.insert(3, new_code_cell("%pip list\n!ls\nlen?", execution_count=None))
    assert flagged(notebook, name) == []


@pytest.mark.parametrize("name", SETS)
def test_wrong_answers_are_not_flagged(name: str) -> None:
    """Each entry of the set's bank, as the text of a cell of one's own."""
    tree = ast.parse((ROOT / f"tests/wrong_answers/{name}.py").read_text(encoding="utf-8"))
    entries = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    assert len(entries) > 10
    notebook = solved(name)
    for entry in entries:
        entry.decorator_list = []
        notebook.cells.append(new_code_cell(ast.unparse(entry), execution_count=len(notebook.cells)))
    assert flagged(notebook, name) == []


def test_a_real_run_of_honest_work_is_not_flagged(tmp_path: Path) -> None:
    """Set 00 run twice: once by the learner, once here, with an own cell whose output depends on chance and time."""
    from nbclient import NotebookClient

    def run(notebook: Any) -> None:
        NotebookClient(notebook, allow_errors=True, resources={"metadata": {"path": str(tmp_path)}}).execute()

    notebook = solved(tokens_per_second=ANSWER)
    varies = "import random, time\nluck = random.random()\nprint(luck, time.time())\nobject()"
    notebook.cells += [new_code_cell(varies), new_code_cell("print(1000 * luck)"), new_code_cell("print(2 / 3)")]
    run(notebook)
    assert "0.6666" in str(notebook.cells[-1].outputs)
    assert flagged(notebook, change=run) == []
    notebook.cells[-1].outputs[0]["text"] = "0.5\n"
    found = only(flagged(notebook, change=run), "outputs")
    assert "'0.5' where ours is '0.6666666666666666'" in found.said and "print(2 / 3)" in found.where


# ---- Edited checks ---------------------------------------------------------------------------------------------------


def test_a_weakened_check_is_flagged_with_what_is_gone() -> None:
    notebook = solved()
    cell = cell_of(notebook, "weight-bytes-visible")
    lines = cell.source.split("\n")
    last = max(index for index, line in enumerate(lines) if line.startswith("assert"))
    total = sum(line.startswith("assert") for line in lines)
    cell.source = "\n".join([*lines[:last], "assert True"])
    found = only(flagged(notebook), "checks edited")
    assert found.where == "weight-bytes-visible"
    assert f"of the {total} assertions of this check 1 were removed or changed, and 1 were written new" in found.said


@pytest.mark.parametrize(
    ("grade_id", "text", "said"),
    [
        ("weight-bytes-visible", "", "emptied"),
        ("weight-bytes-visible", "pass", "removed or changed"),
        ("weight-bytes-visible", "this is (no Python", "removed or changed"),
        ("weight-bytes-hidden", "print('passed')", "held other text"),
        ("start-here-imports", "import math", "was changed"),
    ],
)
def test_a_changed_cell_of_the_set_is_flagged(grade_id: str, text: str, said: str) -> None:
    notebook = solved()
    cell_of(notebook, grade_id).source = text
    found = only(flagged(notebook), "checks edited")
    assert said in found.said and found.where == grade_id


def test_a_print_in_a_check_is_told_from_a_weaker_check() -> None:
    notebook = solved()
    cell_of(notebook, "weight-bytes-visible").source += "\nprint(size)"
    assert "though not its assertions" in only(flagged(notebook), "checks edited").said


def test_hidden_checks_from_the_published_solution_are_flagged_wherever_they_are() -> None:
    hidden = cell_of(solution(), "weight-bytes-hidden").source
    count = sum(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(hidden)))
    notebook = solved()
    cell_of(notebook, "weight-bytes-hidden").source = hidden
    assert f"held {count} assertions" in only(flagged(notebook), "checks edited").said
    notebook = solved()
    notebook.cells.insert(12, new_code_cell(hidden))
    assert "assertions of the hidden checks" in only(flagged(notebook), "checks edited").said
    notebook.cells[12].source = cell_of(release(), "weight-bytes-visible").source
    assert flagged(notebook) == [], "the visible check may be copied"


def test_an_answer_in_the_wrong_cell_and_a_deleted_check_are_only_repaired() -> None:
    notebook = solved(tokens_per_second=cell_of(release(), "tokens-per-second").source)
    cell = cell_of(notebook, "tokens-per-second-visible")
    cell.source = ANSWER + "\n" + cell.source
    notebook.cells.remove(cell_of(notebook, "weight-bytes-visible"))
    assert flagged(notebook) == []


# ---- Order and outputs -----------------------------------------------------------------------------------------------


def test_falling_counts_are_one_flag_that_blames_nobody() -> None:
    notebook = solved()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    cells[2].execution_count, cells[3].execution_count = 40, 30
    found = only(flagged(notebook), "order")
    assert "[40] stands above [30]" in found.said and "usual while one works" in found.said


def test_an_output_of_a_cell_that_was_never_run_is_flagged_unless_colab_saved_it() -> None:
    notebook = solved()
    cell = cell_of(notebook, "table")
    cell.outputs, cell.execution_count = [new_output("stream", name="stdout", text="16 bits")], None
    assert only(flagged(notebook), "order").where == "table"
    cell.metadata["outputId"] = "1f2e"
    assert flagged(notebook) == []


def fails(grade_id: str, name: str) -> Callable[[Any], None]:
    def change(executed: Any) -> None:
        cell_of(executed, grade_id).outputs = [new_output("error", ename=name, evalue="", traceback=[])]

    return change


def test_a_check_that_passed_where_it_was_saved_and_fails_here_is_flagged() -> None:
    grade_id = "weight-bytes-visible"
    found = only(flagged(solved(), change=fails(grade_id, "AssertionError")), "outputs")
    assert found.where == grade_id and "which can be the reason" not in found.said
    for ours in ("CellTimeoutError", "DeadKernelError"):
        assert flagged(solved(), change=fails(grade_id, ours)) == [], "our machine's limits are not the learner's"
    notebook = solved()
    fails(grade_id, "AssertionError")(notebook)
    assert flagged(notebook, change=fails(grade_id, "AssertionError")) == [], "it failed there too"
    notebook = solved()
    cell_of(notebook, grade_id).execution_count = None
    assert flagged(notebook, change=fails(grade_id, "AssertionError")) == [], "it was not run there"


def printing(source: str, stored: str, ours: str, *above: str) -> list[Flag]:
    """The flags of a cell that printed `stored` there and prints `ours` here, below some other cells."""
    notebook = solved()
    stream = [new_output("stream", name="stdout", text=stored)]
    first = 1 + sum(cell.cell_type == "code" for cell in notebook.cells)
    notebook.cells += [new_code_cell(text, execution_count=first + i) for i, text in enumerate(above)]
    notebook.cells.append(new_code_cell(source, outputs=stream, execution_count=first + len(above)))

    def change(executed: Any) -> None:
        executed.cells[-1].outputs = [new_output("stream", name="stdout", text=ours)]

    return flagged(notebook, change=change)


@pytest.mark.parametrize(
    ("stored", "ours"),
    [
        ("loss 2.3026", "loss 2.3027"),  # float32 on another machine
        ("loss 1e-9", "loss 3e-8"),
        ("x at 0x7f01ab", "x at 0x55cc"),
        ("took 1.5 s, 20 ms", "took 99 s, 3 ms"),
        ("on 2026-11-26 at 10:20:30", "on 2025-01-02 at 23:59:01"),
        ("saved to /home/ann/x.txt", "saved to /tmp/b/x.txt"),
        ("\x1b[31mred\x1b[0m", "red"),
        (" 10%|#    | 1/10\r100%|#####| 10/10\ndone", "done"),
        ("<Figure size 640x480 with 1 Axes> a", "a"),
        ("", "anything"),  # outputs were cleared
        ("1,000 bytes", "1000 bytes"),
    ],
)
def test_what_differs_between_honest_runs_is_ignored(stored: str, ours: str) -> None:
    assert printing("print(result)", stored, ours) == []


@pytest.mark.parametrize(
    ("stored", "ours", "said"),
    [
        ("loss 0.1", "loss 2.3", "'0.1' where ours is '2.3'"),
        ("all checks passed", "all checks failed", "'passed' where ours is 'failed'"),
        ("a b", "a b c", "2 words and numbers, ours 3"),
    ],
)
def test_an_output_that_no_run_gives_is_flagged(stored: str, ours: str, said: str) -> None:
    assert said in only(printing("print(result)", stored, ours), "outputs").said


@pytest.mark.parametrize(
    "source",
    [
        "print(torch.randn(3))",
        "t = time.perf_counter()\ndef f():\n    return t\nresult = f()\nprint(result)",
        "print((((",
    ],
)
def test_outputs_that_depend_on_chance_or_the_machine_are_not_compared(source: str) -> None:
    assert printing(source, "loss 0.1", "loss 2.3") == []


def test_what_was_computed_with_chance_in_cells_above_is_not_compared() -> None:
    above = ["def draw():\n    return random.random()", "luck = draw()"]
    assert printing("print(luck)", "0.1", "0.9", *above) == []
    assert only(printing("print(skill)", "0.1", "0.9", *above), "outputs")


def test_outputs_of_a_notebook_that_was_not_run_from_the_top_are_not_compared() -> None:
    notebook = solved()
    stream = [new_output("stream", name="stdout", text="1")]
    notebook.cells.append(new_code_cell("print(result)", outputs=stream, execution_count=20))

    def change(executed: Any) -> None:
        executed.cells[-1].outputs = [new_output("stream", name="stdout", text="2")]
        fails("weight-bytes-visible", "AssertionError")(executed)

    assert "which can be the reason" in only(flagged(notebook, change=change), "outputs").said


# ---- What the code reaches -------------------------------------------------------------------------------------------


def test_imports_from_the_package_are_flagged_beyond_those_of_the_set() -> None:
    notebook = solved(tokens_per_second="from racecourse.models import generate\n" + ANSWER)
    found = only(flagged(notebook), "package")
    assert "racecourse.models.generate" in found.said and found.where == "tokens-per-second"
    assert flagged(solved(tokens_per_second="from racecourse.learn.hints import hint\n" + ANSWER)) == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("ip = get_ipython()", "line 1 mentions get_ipython"),
        ("from IPython import get_ipython as g\ng()", "line 1 mentions IPython.get_ipython"),
        ("a = 1\nshell.ast_transformers.append(a)", "line 2 mentions ast_transformers"),
        ("import sys as s\ns.modules['numpy']", "line 2 mentions sys.modules"),
        ("from sys import modules", "mentions sys.modules"),
        ("import ctypes.util", "mentions ctypes"),
        ("import os\ndef f():\n    os.fork()", "line 3 mentions os.fork"),
        ("import gc\ngc.get_objects()", "mentions gc.get_objects"),
        ("import inspect\ninspect.stack()[1]", "mentions inspect.stack"),
        ("from inspect import currentframe\ncurrentframe().f_back", "mentions inspect.currentframe"),
        ("import sys\nsys.settrace(print)", "mentions sys.settrace"),
        ("import socket", "mentions socket"),
        ("__import__('socket')", "mentions socket"),
        (
            "import importlib\nimportlib.import_module('os')\nimportlib.import_module('ctypes')",
            "line 3 mentions ctypes",
        ),
        ("getattr(print, '__globals__')", "mentions __globals__"),
        ("exec('1')", "mentions exec"),
        ("import numpy as np\nnp.allclose = lambda *_: True", "line 2 mentions numpy.allclose, which replaces it"),
        ("import numpy as np\nsetattr(np, 'allclose', print)", "line 2 mentions numpy.allclose, which replaces it"),
        ("math.isclose = lambda *_: True", "line 1 mentions math.isclose, which replaces it"),  # imported by the set
    ],
)
def test_names_that_reach_around_the_notebook_are_flagged_with_their_line(source: str, said: str) -> None:
    notebook = solved()
    notebook.cells.insert(4, new_code_cell(source))
    found = flagged(notebook)
    assert {flag.kind for flag in found} == {"tampering"}
    assert said in found[0].said and found[0].where == f"the cell that begins {source.split(chr(10))[0]!r}"


@pytest.mark.parametrize(
    "source",
    [
        "%matplotlib inline\n!nvidia-smi",
        "sockets = 2\nsocket = sockets * 2\nprint(socket, 'subprocess')",
        "model.eval()\nre.compile('x')\nmodel.exec = 1",
        "import os, sys\nos.path.join('a', 'b')\nprint(sys.version)",
        "import numpy as np\nx = np.zeros(3)\nx.flat = 1\nself.modules = []",
    ],
)
def test_everyday_code_is_not_flagged(source: str) -> None:
    notebook = solved()
    notebook.cells.insert(4, new_code_cell(source))
    assert flagged(notebook) == []


IN_TEXT = "import racecourse\n" + "!ls\n" * 520


@pytest.mark.parametrize(
    "source",
    [f"x = {IN_TEXT!r}", "(" * 150 + ")" * 150, "-" * 40_000 + "1", "+".join("1" * 20_000), "a" + ".b" * 20_000,
     "x = '\ud800'", "a\0b", "!ls\n" * 600, "lambda:" * 3000 + "1", "def f(:", "assert 0x" + "f" * 40_000,
     "assert " + "+".join("1" * 900), "%%bash\nrm -rf x"],
)  # fmt: skip
def test_hostile_cells_stop_nothing(source: str) -> None:
    notebook = solved()
    notebook.cells.insert(4, new_code_cell(source))
    notebook.cells.append(new_code_cell("import ctypes"))
    submission, repaired = deepcopy(notebook), deepcopy(notebook)
    found = flags_of(submission, repaired, release(), deepcopy(repaired), solution=solution())
    assert "ctypes" in only(found, "tampering").said


def test_a_cell_too_long_to_be_read_is_named() -> None:
    notebook = solved()
    notebook.cells.append(new_code_cell("x = [1]\n" * 10_000))
    assert "80,000 characters" in only(flags_of(notebook, notebook, release()), "tampering").said


def test_a_cell_with_very_many_magics_is_not_read() -> None:
    """Each costs a pass over the cell, so they are counted first."""
    assert parsed("!ls\n" * MAX_MAGICS) is not None
    assert parsed("!ls\n" * (MAX_MAGICS + 1)) is None


def test_each_name_is_flagged_once_per_cell() -> None:
    notebook = solved()
    notebook.cells.append(new_code_cell("import os\nos.fork()\nos.fork()\nos.kill(1, 9)"))
    assert [flag.said.split(",")[0] for flag in flagged(notebook)] == [
        "line 2 mentions os.fork",
        "line 4 mentions os.kill",
    ]
