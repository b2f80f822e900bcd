"""Notebooks whose form is the attack: cells, labels, metadata and outputs that a grader might believe."""

import copy

from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from hostile import (
    ALL,
    FIT,
    NOTHING,
    TOKENS,
    WEIGHT,
    all_wrong,
    answer,
    cell_of,
    hostile,
    index_of,
    last,
    test_cells,
    text_before,
)  # fmt: skip


@hostile(tries="kill the batch", layer="intake", earns=ALL)
def c22_duplicates_graded_cells(notebook):
    """Every cell of the set twice, with the same label: stock nbgrader stops the whole batch."""
    twins = copy.deepcopy(notebook.cells)
    for n, twin in enumerate(twins):
        twin.id = f"twin-{n}"
    notebook.cells = [cell for pair in zip(notebook.cells, twins, strict=True) for cell in pair]


@hostile(tries="gain points", layer="intake")
def easier_tests(notebook):
    """The text of each test is `pass`, or a check of its own that holds."""
    all_wrong(notebook)
    for cell in test_cells(notebook):
        cell.source = "assert True"


@hostile(tries="gain points", layer="intake", earns=TOKENS | FIT)
def more_points_per_test(notebook):
    """The metadata say that a test is worth a billion, or NaN, and that answers are tests."""
    answer(notebook, "weight-bytes", "weight_bytes = None")
    for cell, points in zip(test_cells(notebook), (10**9, 1e308, -5, 0.5, 10**9, 10**9), strict=True):
        cell.metadata.nbgrader.points = points
    cell_of(notebook, "weight-bytes").metadata.nbgrader.update({"grade": True, "points": 100, "locked": True})


@hostile(tries="gain points", layer="intake")
def labels_on_other_cells(notebook):
    """The labels of tests sit on cells that say `pass`, the tests themselves have none or are Markdown."""
    all_wrong(notebook)
    for cell in test_cells(notebook):
        harmless = new_code_cell("pass")
        harmless.metadata["nbgrader"] = copy.deepcopy(cell.metadata.nbgrader)
        notebook.cells.insert(index_of(notebook, cell.metadata.nbgrader.grade_id), harmless)
        del cell.metadata["nbgrader"]
    markdown = cell_of(notebook, "weight-bytes-visible")
    markdown.cell_type = "markdown"
    for key in ("outputs", "execution_count"):
        markdown.pop(key, None)


@hostile(tries="gain points", layer="intake")
def tests_before_answers(notebook):
    """Tests moved to the top, wrong answers to the bottom, and a `raise SystemExit` between them."""
    all_wrong(notebook)
    tests = test_cells(notebook)
    others = [cell for cell in notebook.cells if cell not in tests]
    notebook.cells = [*tests, new_code_cell("raise SystemExit"), *others]


@hostile(tries="gain points", layer="intake")
def outputs_that_say_passed(notebook):
    """Stored outputs of full marks, and execution counts of a run that never was."""
    all_wrong(notebook)
    for cell in test_cells(notebook):
        cell.execution_count = 1
        cell.outputs = [
            new_output("execute_result", data={"text/plain": str(cell.metadata.nbgrader.points)}, execution_count=1)
        ]


@hostile(tries="gain points", layer="intake")
def changes_the_sets_own_cells(notebook):
    """Imports and constants of the set redefined where they stand."""
    all_wrong(notebook)
    cell_of(notebook, "start-here-imports").source = "class math:\n    isclose = staticmethod(lambda *_, **__: True)"
    cell_of(notebook, "setup").source = "import sys\nsys.modules['math'] = None"
    cell_of(notebook, "table").source = "raise SystemExit"


@hostile(tries="run another program as the kernel", layer="intake", earns=ALL)
def names_another_kernel(notebook):
    """A kernelspec of its own, with a path for a name and a command for an argument."""
    notebook.metadata["kernelspec"] = {
        "name": "../../../../tmp/evil", "display_name": "<script>alert(1)</script>", "language": "python",
        "argv": ["/bin/sh", "-c", "touch {MARK}"], "env": {"LD_PRELOAD": "/tmp/evil.so"},
        "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
    }  # fmt: skip
    notebook.metadata["language_info"] = {"name": "<img src=x>", "version": {"a": []}, "pygments_lexer": "../evil"}


@hostile(tries="weaken the walls", layer="intake", earns=ALL)
def settings_in_the_metadata(notebook):
    """Metadata that other programs take for settings: time limits, isolation, tags, widgets, templates."""
    notebook.metadata["nbgrader"] = {"isolation": "none", "schema_version": 99, "timeout": 10**9}
    notebook.metadata["execution"] = {"timeout": "-1", "allow_errors": "True"}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"x": {"y": "z" * 10**6}}}}
    notebook.metadata["ZygoteProvisioner"] = {"isolation": "none", "readable": ["/"]}
    for cell in notebook.cells:
        cell.metadata["execution"] = {"timeout": "-1"}
        cell.metadata["tags"] = ["skip-execution", "remove-cell", "hide-input", "parameters"]
        cell.metadata["deletable"] = cell.metadata["editable"] = True


@hostile(tries="exhaust the grader's memory", layer="intake", earns=ALL, may_lose=ALL)
def thousands_of_cells(notebook):
    """4,000 cells of the learner's own, each with an output, and one of 200,000 lines."""
    for _ in range(4000):
        cell = new_code_cell("0")
        cell.outputs = [new_output("stream", name="stdout", text="x" * 1000)]
        notebook.cells.append(cell)
    last(notebook, "x = 1\n" * 200_000)


@hostile(tries="hang the grader", layer="intake", earns=TOKENS | FIT)
def code_that_is_slow_to_read(notebook):
    """An expression nested a thousand deep, null characters, and syntax that is none."""
    answer(notebook, "weight-bytes", "weight_bytes = " + "(" * 1000 + "1" + ")" * 1000)
    last(notebook, "y = '" + "\\x00 \x00" * 10_000 + "'")
    last(notebook, "def f(:\n  \t(((" + "%%" * 1000)


@hostile(tries="kill the grader", layer="intake", earns=ALL)
def code_that_no_parser_survives(notebook):
    """Cells for which Python's own parser raises MemoryError, RecursionError or UnicodeEncodeError, not SyntaxError."""
    for code in ("x = " + "-" * 100_000 + "1", "x = a" + ".b" * 100_000, "x = f" + "()" * 100_000, "x = '\ud800'",
                 "if 0: pass\n" + "elif 0: pass\n" * 20_000, "x = 1" + " + 1" * 100_000):  # fmt: skip
        last(notebook, code)


@hostile(tries="hang the grader", layer="intake", earns=ALL)
def cells_like_the_sets_own(notebook):
    """Hundreds of cells without labels that resemble those of the set: each has to be compared with all."""
    for original in [cell for cell in notebook.cells if cell.cell_type == "code"]:
        for n in range(60):
            lines = (original.source.replace(" ", "  ", n) + f"\n# {n}").split("\n")
            notebook.cells.append(
                new_code_cell("if False:\n" + "\n".join(f"    # {line}" for line in lines) + "\n    pass")
            )


@hostile(tries="write to the host", layer="namespace", earns=ALL)
def shell_lines_and_magics(notebook):
    """IPython's ways to other programs and files: !, %%bash, %run, %load, %store, %logstart, %save, %pip, %cd."""
    for line in ("!touch {MARK}", "x = !cat {GRADEBOOK}\nprint(x)", "%%bash\ncat {OTHER}", "%%script sh\ntouch {MARK}",
                 "%run {SOLUTION}", "%load {SOLUTION}", "%%writefile {MARK}\nx", "%logstart {MARK}", "%save {MARK} 1-5",
                 "%pip install evil", "%cd {SOLUTION}/..\n%ls", "%%file {UNTOUCHED}\nx", "%notebook {MARK}",
                 "%store -r\n%store ALL > {MARK}", "%load_ext evil", "%pycat {GRADEBOOK}", "%%system\ncat {RECORD}",
                 "%%capture --no-stderr\n!id", "%conda install x"):  # fmt: skip
        last(notebook, line)


@hostile(tries="run code where the feedback is read", layer="neutralised feedback", earns=ALL)
def scripts_in_texts(notebook):
    """Scripts, handlers and frames in Markdown cells, attachments, the written answer, comments and cell ids."""
    live = "<script>alert('hostile-xss')</script><img src=x onerror=\"alert('hostile-xss')\">"
    text_before(notebook, "tokens-per-second", f"{live}\n\n[link](javascript:alert(1)) <svg onload=alert(1)>")
    text_before(notebook, "weight-bytes", "<iframe src=//evil.example></iframe><style>*{display:none}</style>")
    text_before(notebook, "models-that-fit", '$\\href{javascript:alert(1)}{x}$ ![x](x" onerror=alert(1) ")')
    text_before(notebook, "table", "```{=html}\n" + live + "\n```\n\n</textarea></div><plaintext>")
    cell_of(notebook, "start-here-question").source = live + "\n\n<details open ontoggle=alert('hostile-xss')>"
    last(notebook, f"# </pre>{live}\n'''{live}'''")
    picture = new_markdown_cell("![x](attachment:x.svg)")
    picture["attachments"] = {"x.svg": {"image/svg+xml": "<svg onload=\"alert('hostile-xss')\"/>", "text/html": live}}
    notebook.cells.append(picture)
    stored = new_code_cell("pass")
    stored.outputs = [new_output("display_data", data={"text/html": live, "application/javascript": "alert(1)"})]
    notebook.cells.append(stored)


@hostile(tries="gain points", layer="intake", earns=NOTHING, answered=False)
def nothing_but_stubs(notebook):
    """Not hostile: the set as it was handed out earns nothing."""


@hostile(tries="lose points unfairly", layer="intake", earns=ALL)
def nothing_but_right_answers(notebook):
    """Not hostile: the solution's answers earn everything. Without this entry the others would prove nothing."""


@hostile(tries="gain points", layer="intake", earns=WEIGHT | FIT)
def a_test_cell_as_an_answer(notebook):
    """The answer cell holds the label of a test in its text, ends with points, and closes the set's own comments."""
    answer(
        notebook,
        "tokens-per-second",
        """
        ### END HIDDEN TESTS
        ### BEGIN SOLUTION
        tokens_per_second = lambda arrivals_s: 100.0
        ### END SOLUTION
        100.0
    """,
    )
