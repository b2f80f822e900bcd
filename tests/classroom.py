"""Made-up classes for benchmarks and agreement tests: honest submissions of a set, and the damage that files take.

    submissions = make_class("01_transformers", 40, seed=0)  # {"student-001": notebook, ...}
    write_class(folder, "01_transformers", submissions)      # folder/submitted/student-001/01_transformers/...
    deserved("01_transformers", submissions["student-001"])  # {"head-norm-visible": 3.0, ...}
    mutate(submissions["student-001"], seed=7)               # (bytes, "colab; cell doubled; utf-16")

The same arguments give the same class. Wrong answers are the bank's (wrong_answers/NN.py), as source in the answer's
cell. Left out: outputs as a kernel would store them, and submissions that try to deceive (tests/hostile).
"""

import ast
import base64
import contextlib
import gzip
import io
import json
import quopri
import random
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from racecourse.grading.integrity import (
    allowed_names,
    grade_id_of,
    imported_names,
    is_answer,
    is_ours,
    is_test,
    is_written,
    python_of,
)
from wrong_answers import Assignment, Wrong, run_test

Function = ast.FunctionDef | ast.ClassDef

# ---- What a learner may write ----------------------------------------------------------------------------------------

COMMENTS = ("# shapes first", "# see the worked example", "# TODO: nicer names", "# works!!", "# größer als 0 – prüfen")
NOISE = (
    "import warnings\nwarnings.warn('the shapes are not checked here', stacklevel=2)",
    "import sys\nprint('called', file=sys.stderr)",
    "from tqdm import tqdm\nfor _ in tqdm(range(3)):\n    pass",
)
BUSY = "sum(range(3_000_000))"  # some 50 ms, in every call; one line, for checks that count lines
UNFINISHED = ("raise NotImplementedError('the rest follows tomorrow')", "print(reslut)", "assert False, 'to do'")
EMPTY = ("", "# I did not get to this one")
OWN = (
    "my_notes = [1, 2, 3]\nsum(my_notes)",
    "%time my_sum = sum(i * i for i in range(300_000))",
    "print(my_undefined_name)",
    "import warnings\nwarnings.warn('only a try')",
    "import sys\nprint('a line on stderr', file=sys.stderr)",
    "{name}.__doc__",
    "help({name})",
    "# print({name}(1, 2))",
)
NOTES = ("**Note to myself:** look at the hint once more.", "My first idea was a loop. It was too slow.", "## Scratch")
WRITTEN = (
    "It reads fewer bytes per token, so the arithmetic waits less for the memory.",
    "I think that both are the same; I could not say why.\n\n$$ t = \\frac{b}{v} $$",
)
RIGHT_KINDS = {"plain": 5, "restyled": 3, "noisy": 1, "slow": 1}
WRONG_KINDS = {"bank": 6, "blank": 2, "empty": 1, "unfinished": 1, "syntax": 1}


@cache
def assignment(name: str) -> Assignment:
    return Assignment(name)


@cache
def bank(name: str) -> dict[str, list[Wrong]]:
    """The wrong answers by grade_id, without those that a grader refuses unrun because they import the package."""
    found: dict[str, list[Wrong]] = {}
    for entry in assignment(name).bank():
        if not imported_names(source_of_wrong(name, entry)) - allowed_names(assignment(name).release):
            found.setdefault(entry.grade_id, []).append(entry)
    return found


def make_class(name: str, n: int, seed: int) -> dict[str, Any]:
    """Honest submissions of the set `name` by n learners of different ability: student -> notebook."""
    return {f"student-{i:03}": submission(name, random.Random(f"{name} {seed} {i}")) for i in range(1, n + 1)}


def submission(name: str, rng: random.Random) -> Any:
    """The released notebook as one learner hands it in."""
    notebook, ability = deepcopy(assignment(name).release), rng.betavariate(2.5, 1.2)
    for cell in notebook.cells:
        if is_written(cell):
            cell.source = rng.choice([*WRITTEN, cell.source])
        elif is_answer(cell):
            cell.source = answer(name, grade_id_of(cell), cell.source, ability, rng)
    add_own_cells(notebook, rng)
    if rng.random() < 0.5:  # the others have cleared all outputs
        for count, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), start=1):
            cell.execution_count = count
    return notebook


def answer(name: str, grade_id: str, stub: str, ability: float, rng: random.Random) -> str:
    kinds = RIGHT_KINDS if rng.random() < ability else WRONG_KINDS
    kind, right = rng.choices(list(kinds), list(kinds.values()))[0], right_source(name, grade_id)
    match kind:
        case "plain":
            return right
        case "restyled":
            return restyled(right, rng)
        case "noisy":
            return with_first(right, rng.choice(NOISE))
        case "slow":
            return with_first(right, BUSY)
        case "bank":
            return source_of_wrong(name, rng.choice(bank(name)[grade_id]))
        case "empty":
            return rng.choice(EMPTY)
        case "unfinished":
            return with_first(right, rng.choice(UNFINISHED), before_last=True)
        case "syntax":
            return f"{right}\n    return ("
    return stub


def add_own_cells(notebook: Any, rng: random.Random) -> None:
    first = next(index for index, cell in enumerate(notebook.cells) if is_answer(cell))
    names = [node.name for cell in notebook.cells if is_answer(cell) if (node := first_function(cell.source))]
    for _ in range(rng.choice([0, 0, 1, 2, 5])):
        source = rng.choice(OWN).format(name=rng.choice(names or ["print"]))
        cell = new_cell(rng, "code", source) if rng.random() < 0.7 else new_cell(rng, "markdown", rng.choice(NOTES))
        notebook.cells.insert(rng.randint(first, len(notebook.cells)), cell)


def new_cell(rng: random.Random, kind: str, source: str) -> Any:
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[kind]
    return make(source, id=f"{rng.getrandbits(32):08x}")


def right_source(name: str, grade_id: str) -> str:
    """The solution's answer, without the marks around it."""
    cell = next(cell for cell in assignment(name).solution.cells if grade_id_of(cell) == grade_id)
    return "\n".join(line for line in cell.source.split("\n") if not line.strip().startswith("### "))


# ---- Source to source ------------------------------------------------------------------------------------------------


def first_function(source: str) -> ast.FunctionDef | None:
    """The first function of a cell, be it a method; None where there is none or the cell does not parse."""
    try:
        nodes = ast.walk(ast.parse(source))
    except SyntaxError:
        return None
    return next((node for node in nodes if isinstance(node, ast.FunctionDef)), None)


def with_first(source: str, code: str, before_last: bool = False) -> str:
    """The cell with `code` as the first statements of its first function, or in front of that function's last one.

    Raises:
        ValueError: the cell has no function.
    """
    tree = ast.parse(source)
    function = next((node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)), None)
    if function is None:
        raise ValueError(f"there is no function in this cell: {source[:60]!r}")
    at = len(function.body) - 1 if before_last else int(ast.get_docstring(function) is not None)
    function.body[at:at] = ast.parse(code).body
    return ast.unparse(tree)


def restyled(source: str, rng: random.Random) -> str:
    """Other names for local variables, other layout, a few comments: the same answer by another hand."""
    tree = ast.parse(source)
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        names = {old: f"{old.lower()}_{rng.choice(['1', 'new', 'here'])}" for old in sorted(local_names(function))}
        Renamed(names).visit(function)
    plain = ast.unparse(tree)
    text = "\n".join(commented(line, rng) for line in plain.split("\n"))
    return text if same_code(text, tree) else plain  # a comment may have landed inside a docstring


def commented(line: str, rng: random.Random) -> str:
    return f"{line}  {rng.choice(COMMENTS)}" if line.strip() and rng.random() < 0.2 else line


def same_code(text: str, tree: ast.AST) -> bool:
    try:
        return ast.unparse(ast.parse(text)) == ast.unparse(tree)
    except SyntaxError:
        return False


def local_names(function: ast.FunctionDef) -> set[str]:
    """What a function assigns to: no parameter, nothing global, nothing that a class in it or a pattern binds."""
    nodes = list(ast.walk(function))
    if any(isinstance(node, ast.ClassDef | ast.Match) for node in nodes):
        return set()
    stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    kept = {node.arg for node in nodes if isinstance(node, ast.arg)}
    kept |= {n for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for n in node.names}
    return stored - kept


class Renamed(ast.NodeTransformer):
    """Other names for variables, functions and classes."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_FunctionDef(self, node: Function) -> Function:
        node.name = self.names.get(node.name, node.name)
        self.generic_visit(node)
        return node

    visit_ClassDef = visit_FunctionDef


@cache
def source_of_wrong(name: str, entry: Wrong) -> str:
    """A wrong answer of the bank as the source of its answer's cell, with all that it uses from the bank's file.

    A bank's answer may call the right one. Then the cell has that too, under another name, like a first try.
    """
    target, wrong_name = assignment(name).target(entry), entry.answer.__name__
    first_try = f"first_{target}"
    nodes = bank_nodes(name)
    needed = needed_for(nodes[wrong_name], nodes)
    helpers = [node for node in dict.fromkeys(nodes.values()) if node in needed and node is not nodes[wrong_name]]
    parts = deepcopy([*helpers, nodes[wrong_name]])
    calls_the_right_one = any(target in names_in(part) for part in parts)
    for part in parts:
        if isinstance(part, Function):
            part.decorator_list = [node for node in part.decorator_list if "wrong" not in names_in(node)]
        Renamed({target: first_try, wrong_name: target}).visit(part)
    given = ast.parse(right_source(name, entry.grade_id)).body
    kept = [node for node in given if getattr(node, "name", "") != target or calls_the_right_one]
    for node in kept:
        if getattr(node, "name", "") == target:
            node.name = first_try
    return "\n\n".join(ast.unparse(node) for node in [*kept, *parts])


@cache
def bank_nodes(name: str) -> dict[str, Any]:
    """The top-level statements of a bank by each name that they bind."""
    path = Path(__file__).parent / "wrong_answers" / f"{name}.py"
    nodes: dict[str, Any] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                nodes[alias.asname or alias.name.split(".")[0]] = node
        elif isinstance(node, Function):
            nodes[node.name] = node
        elif isinstance(node, ast.Assign):
            nodes |= {name.id: node for name in ast.walk(node) if isinstance(name, ast.Name) and name.id.isupper()}
    return nodes


def needed_for(node: ast.AST, nodes: dict[str, Any]) -> set[Any]:
    """A statement of the bank and those that it uses, and those that they use."""
    found, waiting = set(), [node]
    while waiting:
        if (node := waiting.pop()) not in found:
            found.add(node)
            waiting += [nodes[name] for name in names_in(node) - {"wrong"} if name in nodes]
    return found


def names_in(node: ast.AST) -> set[str]:
    nodes = list(ast.walk(node))
    return {n.id for n in nodes if isinstance(n, ast.Name)} - {n.arg for n in nodes if isinstance(n, ast.arg)}


# ---- What a class is worth, and where it lies ------------------------------------------------------------------------


def deserved(name: str, notebook: Any) -> dict[str, float]:
    """Points by grade_id of the automatic checks: the notebook's cells from top to bottom in this very process.

    What is on stderr costs nothing. Only for honest notebooks: nothing stops an endless loop or `os._exit`.
    """
    tests = {grade_id_of(cell): cell for cell in assignment(name).solution.cells if is_test(cell)}
    namespace: dict[str, Any] = {"__name__": "__main__"}
    earned = {}
    for cell in notebook.cells:
        if is_test(cell):
            earned[grade_id_of(cell)] = float(run_test(tests[grade_id_of(cell)], namespace).points)
        elif cell.cell_type == "code":
            quiet = io.StringIO()
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet), contextlib.suppress(Exception):
                exec(compile(python_of(cell.source), cell.id, "exec"), namespace)
    return earned


def write_class(folder: Path, name: str, submissions: dict[str, Any]) -> Path:
    """Write nbgrader's layout, submitted/STUDENT/SET/SET.ipynb, and return the folder `submitted`."""
    for student, notebook in submissions.items():
        path = folder / "submitted" / student / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return folder / "submitted"


def endless(notebook: Any) -> Any:
    """A copy in which one answer, when it is called, never returns."""
    return with_trouble(notebook, "while True:\n    pass")


def killed(notebook: Any) -> Any:
    """A copy in which one answer, when it is called, kills the kernel; process 1 of a namespace cannot kill itself."""
    return with_trouble(notebook, "import os\nimport signal\nos.kill(os.getpid(), signal.SIGKILL)\nos._exit(137)")


def with_trouble(notebook: Any, code: str) -> Any:
    """`code` at the start of the function in the middle one of the answers that define one."""
    notebook = deepcopy(notebook)
    cells = [cell for cell in notebook.cells if is_code_answer(cell) and first_function(cell.source)]
    cell = cells[len(cells) // 2]
    cell.source = with_first(cell.source, code)
    return notebook


# ---- Damage: each function changes the notebook, as plain JSON, in place ---------------------------------------------


def is_code_answer(cell: Any) -> bool:
    return is_answer(cell) and not is_written(cell)


def pick(rng: random.Random, raw: Any, kind: Callable[[Any], bool]) -> int:
    """The index of a cell of that kind; any cell's where none is left."""
    found = [index for index, cell in enumerate(raw.cells) if kind(cell)]
    return rng.choice(found or range(len(raw.cells)))


def colab(rng: random.Random, raw: Any) -> None:
    raw.metadata = {"colab": {"name": "Copy of x.ipynb", "provenance": [{"file_id": "1", "timestamp": 1}]},
                    "kernelspec": {"name": "python3", "display_name": "Python 3"}, "accelerator": "GPU"}  # fmt: skip
    for cell in raw.cells:
        cell.metadata |= {"id": f"{rng.getrandbits(48):012x}", "outputId": "a", "executionInfo": {"elapsed": 3}}


def colab_creates_4_0(rng: random.Random, raw: Any) -> None:
    colab(rng, raw)
    ids_lost(rng, raw, minor=0)


def vs_code(rng: random.Random, raw: Any) -> None:
    raw.metadata = {"language_info": {"name": "python", "version": "3.12.1"}, "orig_nbformat": 4}
    for cell in raw.cells:
        cell.metadata |= {"vscode": {"languageId": "python"}}
        cell.id = f"{rng.getrandbits(32):08x}"


def ids_lost(rng: random.Random, raw: Any, minor: int | None = None) -> None:
    raw.nbformat_minor = rng.randint(0, 4) if minor is None else minor
    for cell in raw.cells:
        cell.pop("id", None)


def ids_odd(rng: random.Random, raw: Any) -> None:
    for cell in raw.cells:
        cell.id = rng.choice([cell.get("id", "a"), "", "not valid!", None, 7, "x" * 65, "twice"])


def label_lost(rng: random.Random, raw: Any) -> None:
    raw.cells[pick(rng, raw, is_code_answer)].metadata = {}


def labels_all_lost(rng: random.Random, raw: Any) -> None:
    for cell in raw.cells:
        cell.metadata = {}


def label_changed(rng: random.Random, raw: Any) -> None:
    change = rng.choice([{"grade_id": "copy-of-it"}, {"points": 100}, {"locked": False}, {"schema_version": 1}])
    raw.cells[pick(rng, raw, is_test)].metadata.setdefault("nbgrader", {}).update(change)


def cell_deleted(rng: random.Random, raw: Any) -> None:
    for _ in range(rng.randint(1, 4)):
        del raw.cells[pick(rng, raw, is_ours)]


def answer_deleted(rng: random.Random, raw: Any) -> None:
    del raw.cells[pick(rng, raw, is_code_answer)]


def cell_doubled(rng: random.Random, raw: Any) -> None:
    raw.cells.insert(rng.randint(0, len(raw.cells)), deepcopy(raw.cells[pick(rng, raw, is_ours)]))


def answer_doubled(rng: random.Random, raw: Any) -> None:
    at = pick(rng, raw, is_code_answer)
    raw.cells.insert(at, deepcopy(raw.cells[at]))
    raw.cells[at].source += "\n# an earlier try"


def cells_swapped(rng: random.Random, raw: Any) -> None:
    for _ in range(rng.randint(1, 3)):
        a, b = rng.sample(range(len(raw.cells)), 2)
        raw.cells[a], raw.cells[b] = raw.cells[b], raw.cells[a]


def answers_moved_to_the_end(rng: random.Random, raw: Any) -> None:
    raw.cells.sort(key=is_answer)


def check_edited(rng: random.Random, raw: Any) -> None:
    cell = raw.cells[pick(rng, raw, is_test)]
    cell.source = rng.choice(["", "pass", cell.source[: len(cell.source) // 2], f"{cell.source}\nprint('passed')"])


def merged(rng: random.Random, raw: Any) -> None:
    """A cell takes in the next one, as with Shift-M."""
    at = pick(rng, raw, lambda cell: is_code_answer(cell) and cell is not raw.cells[-1])
    if at + 1 < len(raw.cells):
        raw.cells[at].source += "\n\n" + raw.cells.pop(at + 1).source


def split(rng: random.Random, raw: Any) -> None:
    """A cell cut in two at a line, as with Ctrl-Shift-Minus: the second half has no label."""
    at = pick(rng, raw, is_code_answer)
    lines = raw.cells[at].source.split("\n")
    cut = rng.randrange(len(lines))
    raw.cells.insert(at + 1, new_cell(rng, "code", "\n".join(lines[cut:])))
    raw.cells[at].source = "\n".join(lines[:cut])


def type_changed(rng: random.Random, raw: Any) -> None:
    cell = raw.cells[pick(rng, raw, lambda cell: bool(grade_id_of(cell)))]
    cell.cell_type = rng.choice(["raw", "markdown"]) if cell.cell_type == "code" else "code"


def tagged(rng: random.Random, raw: Any) -> None:
    tags = rng.choice([["skip-execution"], ["raises-exception"], ["parameters"], ["hide-input", "todo"]])
    raw.cells[pick(rng, raw, is_test)].metadata["tags"] = tags


def widget_state(rng: random.Random, raw: Any) -> None:
    state = {f"{rng.getrandbits(64):016x}": {"model_module": "@jupyter-widgets/base", "model_name": "LayoutModel",
                                             "model_module_version": "1.2.0", "state": {}}}  # fmt: skip
    raw.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": rng.choice([state, {"state": state}])}


def other_kernel(rng: random.Random, raw: Any) -> None:
    r = {"kernelspec": {"name": "ir", "display_name": "R"}, "language_info": {"name": "R"}}
    raw.metadata = rng.choice([{}, r, {"kernelspec": None}, {"kernelspec": {"name": "ml-env", "display_name": "ML"}}])


def big_outputs(rng: random.Random, raw: Any) -> None:
    text = "0123456789\n" * rng.choice([10**4, 3 * 10**5])
    cell = raw.cells[pick(rng, raw, lambda cell: cell.cell_type == "code")]
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": text}]


def hostile_html(rng: random.Random, raw: Any) -> None:
    html = rng.choice(["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<iframe srcdoc='<p>'></iframe>",
                       "[click](javascript:alert(1))", "</textarea></script><svg onload=alert(1)>"])  # fmt: skip
    output = {"output_type": "display_data", "data": {"text/html": html, "text/plain": "x"}, "metadata": {}}
    cell = raw.cells[pick(rng, raw, lambda cell: cell.cell_type == "code")]
    cell["outputs"] = [output]
    raw.cells.append(new_cell(rng, "markdown", html))


def outputs_odd(rng: random.Random, raw: Any) -> None:
    odd = [None, {}, [None], [{"output_type": "stream", "text": ["a\n", 3]}], [{"output_type": "pyout"}],
           [{"output_type": "error", "traceback": "no list"}]]  # fmt: skip
    for cell in raw.cells:
        if cell.cell_type == "code" and rng.random() < 0.3:
            cell["outputs"] = rng.choice(odd)


def keys_lost(rng: random.Random, raw: Any) -> None:
    for cell in raw.cells:
        if rng.random() < 0.3:
            for key in rng.sample(["outputs", "execution_count", "id"], 2):
                cell.pop(key, None)


def sources_as_lines(rng: random.Random, raw: Any) -> None:
    for cell in raw.cells:
        cell["source"] = cell["source"].splitlines(keepends=True)


def cells_odd(rng: random.Random, raw: Any) -> None:
    raw.cells.insert(rng.randrange(len(raw.cells)), rng.choice([None, 3, "cell", [], {}]))
    raw.cells.append({"cell_type": "heading", "source": ["own"], "metadata": None})


def windows_lines(rng: random.Random, raw: Any) -> None:
    for cell in raw.cells:
        cell.source = cell.source.replace("\n", "\r\n")


DAMAGE = (colab, colab_creates_4_0, vs_code, ids_lost, ids_odd, label_lost, labels_all_lost, label_changed,
          cell_deleted, answer_deleted, cell_doubled, answer_doubled, cells_swapped, answers_moved_to_the_end,
          check_edited, merged, split, type_changed, tagged, widget_state, other_kernel, big_outputs, hostile_html,
          outputs_odd, windows_lines)  # fmt: skip
LAST_DAMAGE = (keys_lost, sources_as_lines, cells_odd)  # in this order: the cells are no longer what others expect


def to_bytes(rng: random.Random, text: str) -> tuple[bytes, str]:
    """The file on its way by mail, disk and editor: more than half arrive as they were sent."""
    way = rng.choice([*["utf-8"] * 14, "utf-8-sig", "utf-16", "utf-32", "cp1252", "crlf", "cr", "cut off", "signature",
                      "quoted-printable", "base64", "gzip", "typographic quotes", "conflict", "twice"])  # fmt: skip
    lines = text.split("\n")
    match way:
        case "crlf" | "cr":
            return text.replace("\n", {"crlf": "\r\n", "cr": "\r"}[way]).encode(), way
        case "cut off":
            return text.encode()[: rng.randrange(len(text))], way
        case "signature":
            return f"{text}\n--\nSent from my phone\n".encode(), way
        case "quoted-printable":
            return quopri.encodestring(text.encode()), way
        case "base64":
            return base64.encodebytes(text.encode()), way
        case "gzip":
            return gzip.compress(text.encode(), mtime=0), way
        case "typographic quotes":
            return text.replace('"', "”").encode(), way
        case "conflict":
            at = rng.randrange(len(lines))
            return "\n".join([*lines[:at], "<<<<<<< HEAD", "=======", ">>>>>>> mine", *lines[at:]]).encode(), way
        case "twice":
            return (text + text).encode(), way
    return text.encode(way, errors="replace"), way


def mutate(notebook: Any, seed: int) -> tuple[bytes, str]:
    """A damaged file of an honest notebook, and what was done to it: "colab; cell doubled; utf-16"."""
    rng, raw = random.Random(seed), nbformat.from_dict(json.loads(json.dumps(notebook)))
    chosen = rng.sample(DAMAGE, rng.randint(1, 4))
    chosen += [damage for damage in LAST_DAMAGE if rng.random() < 0.15]
    for damage in chosen:
        damage(rng, raw)
        raw = nbformat.from_dict(raw)  # what was put in as a plain dict is like the rest for the next one
    data, way = to_bytes(rng, json.dumps(raw, ensure_ascii=rng.random() < 0.5, indent=rng.choice([None, 1])))
    return data, "; ".join([*(damage.__name__.replace("_", " ") for damage in chosen), way])


def file_name(name: str, seed: int) -> str:
    """What a notebook's file is called after a download, a mail or a second try."""
    pattern = random.Random(seed).choice(
        ["{}.ipynb", "{} (1).ipynb", "Copy of {}.ipynb", "Kopie von {}.ipynb", "{}-Copy1.ipynb", "{}_final_FINAL.ipynb",
         "{}.ipynb.txt", "{}.json", "Untitled.ipynb"]
    )  # fmt: skip
    return pattern.format(name)
