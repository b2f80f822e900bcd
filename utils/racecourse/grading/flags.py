"""What in a submission an instructor may want to look at: facts read from the notebook, which accuse nobody.

Edited checks, stored outputs that a run does not give, cells run in another order, imports of the course's package, and
names by which code reaches the notebook, the interpreter or the machine around it. Points never depend on it.
Left out: what a notebook cannot show (a cell edited after it was run keeps its count), code for other languages
(`%%bash`), and code that hides what it does on purpose; `trace` sees some of that at run time.
"""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from racecourse.grading.intake.repairing import COLAB_KEYS, by_label, defines, names_in_stub
from racecourse.grading.integrity import (
    allowed_names,
    grade_id_of,
    imported_names,
    is_answer,
    is_ours,
    is_test,
    python_of,
)
from racecourse.grading.judge import KERNEL_DIED, TIME_OUT
from racecourse.grading.records import Flag

MAX_CELL = 50_000  # characters of a cell that is read; answers have about 1,000
MAX_CODE = 500_000  # of all cells
MAX_MAGICS = 50  # lines in IPython's own syntax in a cell: each costs a pass over the cell
MAGIC = re.compile(r"^\s*[!%?]|\?[ \t]*$|=\s*[!%]", re.M)

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError, RuntimeError)  # what reading hostile code can raise

REACHES = {  # a dotted name, or an attribute of anything (with a dot in front) -> what it can be used for
    "get_ipython": "reaches the notebook's kernel",
    "IPython.get_ipython": "reaches the notebook's kernel",
    ".ast_transformers": "rewrites cells before they run",
    ".input_transformers_cleanup": "rewrites cells before they run",
    ".input_transformers_post": "rewrites cells before they run",
    ".set_custom_exc": "changes how errors are shown",
    ".showtraceback": "changes how errors are shown",
    ".user_ns": "reads or changes the notebook's variables",
    ".do_execute": "replaces what runs a cell",
    "sys.modules": "reaches or replaces loaded modules",
    "sys.settrace": "watches other code run",
    "sys.setprofile": "watches other code run",
    "sys._getframe": "reads the code that called it",
    "sys._current_frames": "reads the code that runs elsewhere",
    "inspect.stack": "reads the code that called it",
    "inspect.currentframe": "reads the code that called it",
    "inspect.getsource": "reads the text of code",
    ".f_back": "reads the code that called it",
    ".f_globals": "reads another module's variables",
    ".f_locals": "reads the code that called it",
    ".tb_frame": "reads the code that failed",
    ".__globals__": "reads or changes another module's variables",
    ".__builtins__": "reads or changes what all code uses",
    ".__code__": "reads or changes a function's code",
    ".__subclasses__": "lists all classes",
    "builtins": "reads or changes what all code uses",
    "gc.get_objects": "lists all objects of the process",
    "gc.get_referrers": "lists what refers to an object",
    "ctypes": "reads or writes memory",
    "socket": "opens network connections",
    "subprocess": "starts other programs",
    "multiprocessing": "starts other processes",
    "os.system": "starts other programs",
    "os.popen": "starts other programs",
    "os.fork": "starts another process",
    "os.kill": "ends or signals other processes",
    "os._exit": "ends the kernel",
    "os.getppid": "finds the process that started it",
    "exec": "runs text as code",
    "eval": "runs text as code",
}


def flags_of(submission: Any, repaired: Any, release: Any, executed: Any = None, *, solution: Any = None) -> list[Flag]:
    """What to look at in a notebook, in the order of its cells within each kind.

    `submission` comes from `intake.parse`, `repaired` is the same after `intake.repair`, `executed` is `repaired` after
    a run of ours, with the same cells. With the published `solution`, copies of its hidden checks are found too.
    """
    flags = [*edited_checks(submission, release), *order(submission)]
    if executed is not None:
        flags += outputs(repaired, executed)
    if solution is not None:
        flags += hidden_checks(repaired, release, solution)
    return flags + package(repaired, release) + tampering(repaired)


# ---- Reading code ----------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2048)  # a class has most of its cells in common
def parsed(source: str) -> tuple[str, ast.Module] | None:
    """The Python of a cell and its tree; None if it is no Python, or too long or too deep to be read safely."""
    if len(source) > MAX_CELL:
        return None
    try:
        return source, ast.parse(source)
    except SyntaxError:
        if len(MAGIC.findall(source)) > MAX_MAGICS:
            return None
    except UNREADABLE:
        return None
    try:
        code = python_of(source)
        return code, ast.parse(code)
    except UNREADABLE:
        return None


def learners_code(notebook: Any) -> Iterator[tuple[Any, str, ast.Module]]:
    """The code cells that the learner can write, with their Python and its tree, as far as they can be read."""
    room = MAX_CODE
    for cell in notebook.cells:
        if cell.cell_type == "code" and not is_ours(cell):
            room -= len(cell.source) if len(cell.source) <= MAX_CELL else 0
            if room >= 0 and (read := parsed(cell.source)):
                yield cell, *read


def place(cell: Any) -> str:
    """How a cell is named in a flag."""
    first = next((line.strip() for line in cell.source.split("\n") if line.strip()), "")
    return grade_id_of(cell) or f"the cell that begins {first[:60]!r}"


@functools.lru_cache(maxsize=2048)
def asserts(source: str) -> frozenset[str]:
    """The assertions of a cell, written the same way whatever their layout."""
    read = parsed(source)
    try:
        nodes = ast.walk(read[1]) if read else ()
        return frozenset(ast.unparse(node) for node in nodes if isinstance(node, ast.Assert))
    except UNREADABLE:  # too deep, or a number with too many digits
        return frozenset()


# ---- Edited checks ---------------------------------------------------------------------------------------------------


def edited_checks(submission: Any, release: Any) -> list[Flag]:
    """Code cells of the set whose text is another than what was handed out. Deleted ones are only repaired."""
    ours = {grade_id_of(cell): cell for cell in release.cells if grade_id_of(cell)}
    stubs = [names_in_stub(cell) for cell in ours.values() if is_answer(cell)]
    found = []
    for item in by_label(submission.cells, ours):
        original = ours[item.grade_id] if item.grade_id else None
        if original is None or original.cell_type != "code" or not is_ours(original):
            continue
        theirs, text = squeezed(item.cell.source), squeezed(original.source)
        is_misplaced = text in theirs and any(defines(item.cell.source, names) for names in stubs)
        if theirs != text and not is_misplaced:  # an answer written into the wrong cell is only repaired
            found.append(Flag("checks edited", how_edited(item.cell, original), item.grade_id or ""))
    return found


def squeezed(source: str) -> str:
    """The text without its white space."""
    return re.sub(r"\s+", "", source)


def how_edited(cell: Any, original: Any) -> str:
    if not is_test(original):
        return "the text of this cell of the set was changed; it ran as it was handed out"
    if not squeezed(cell.source):
        return "this check was emptied; it ran as it was handed out"
    before, after = asserts(original.source), asserts(cell.source)
    if is_hidden(original):
        holds = f"{len(after)} assertions" if after else "other text"
        return f"this cell is handed out with a comment only, and held {holds}; the hidden check ran as it is"
    gone, added = len(before - after), len(after - before)
    if gone or added:
        return (
            f"of the {len(before)} assertions of this check {gone} were removed or changed, and {added} were written "
            "new; it ran as it was handed out"
        )
    return "the text of this check was changed, though not its assertions; it ran as it was handed out"


def is_hidden(test: Any) -> bool:
    """A check whose code is not in the release."""
    return not any(line.strip() and not line.strip().startswith("#") for line in test.source.split("\n"))


def hidden_checks(repaired: Any, release: Any, solution: Any) -> list[Flag]:
    """Cells of the learner's with two or more of the assertions that only the published solution has."""
    shown = {assertion for cell in release.cells if cell.cell_type == "code" for assertion in asserts(cell.source)}
    published = {assertion for cell in solution.cells if is_test(cell) for assertion in asserts(cell.source)} - shown
    found = []
    for cell, *_ in learners_code(repaired):
        count = len(asserts(cell.source) & published)
        if count >= 2:
            said = f"this cell holds {count} assertions of the hidden checks, word for word as they are published"
            found.append(Flag("checks edited", said, place(cell)))
    return found


# ---- Order -----------------------------------------------------------------------------------------------------------


def order(submission: Any) -> list[Flag]:
    """At most one flag each for counts that fall, and for outputs of cells without a count."""
    cells = [cell for cell in submission.cells if cell.cell_type == "code"]
    counts = [cell.execution_count for cell in cells if cell.execution_count]
    falls = [(before, after) for before, after in pairwise(counts) if after <= before]
    found = []
    if falls:
        before, after = falls[0]
        said = (
            f"the cells were not run once from top to bottom ([{before}] stands above [{after}]), as is usual while "
            "one works; stored outputs need not be those of the cells as they stand"
        )
        found.append(Flag("order", said))
    unrun = [cell for cell in cells if cell.outputs and not cell.execution_count]
    if unrun and not from_colab(submission):  # Colab forgets the counts of an earlier day
        more = f" (so have {len(unrun) - 1} more)" if len(unrun) > 1 else ""
        said = f"this cell has a stored output, but no count, so it was not run where it was saved{more}"
        found.append(Flag("order", said, place(unrun[0])))
    return found


def from_colab(notebook: Any) -> bool:
    keys = COLAB_KEYS - {"id"}  # other editors write it too
    return "colab" in notebook.metadata and any(keys & set(cell.metadata) for cell in notebook.cells)


def ran_from_top(notebook: Any) -> bool:
    """True if all code cells that have text have been run, each once, one after the other."""
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    return bool(counts) and None not in counts and all(after == before + 1 for before, after in pairwise(counts))


# ---- Stored outputs --------------------------------------------------------------------------------------------------

NUMBER = r"[-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
UNITS = r"(?:ns|µs|us|ms|s|sec|seconds?|min|minutes?|h|it/s|s/it|[KMGT]i?B/s|[MGT]?FLOPS?|tok(?:ens)?/s)\b"
IGNORED = [  # what differs from machine to machine and from run to run
    re.compile(r"\x1b\[[0-9;]*[A-Za-z]"),
    re.compile(r"^.*\r(?!\n)", re.M),  # all but the last state of a progress bar
    re.compile(r"^.*\d+%\|.*$", re.M),
    re.compile(r"^.*Warning: .*$", re.M),
    re.compile(r"<[^<>\n]*>"),  # <Figure size 640x480>, <function f at 0x7f...>
    re.compile(r"0x[0-9a-fA-F]+"),
    re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.~-]+){2,}"),  # paths
    re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}|\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"),  # dates, times of day
    re.compile(rf"{NUMBER}\s*{UNITS}"),
]
VARIES = re.compile(  # names that hint at chance, time, the machine, or something loaded
    r"rand|shuffle|sample|choice|multinomial|normal_|uniform|dropout|seed|time|clock|date|elapsed|bench|measure|cuda"
    r"|device|thread|peak|rss|psutil|platform|version|environ|train|fit$|generate|open|path|load|uuid|^set$|hash|^id$"
    r"|tqdm|widget|display|^start$|session",
    re.I,
)
RELATIVE, ABSOLUTE = 0.05, 1e-3  # how far numbers may be apart: float32 elsewhere, other threads, other libraries


def outputs(repaired: Any, executed: Any) -> list[Flag]:
    """Checks that passed where the notebook was saved and fail here; printed results that a run does not give."""
    from_top = ran_from_top(repaired)
    varying = varying_names(repaired)
    found = []
    for stored, ours in zip(repaired.cells, executed.cells, strict=True):
        if stored.cell_type != "code" or not stored.execution_count or failed(stored):
            continue
        if is_test(stored):
            if reason := failed(ours):
                why = "" if from_top else "; the cells were not run once from top to bottom, which can be the reason"
                said = f"this check failed here ({reason}), and the saved notebook shows no failure of it{why}"
                found.append(Flag("outputs", said, place(stored)))
        elif from_top and not failed(ours) and is_steady(stored, varying):
            difference = differs(printed(stored), printed(ours))
            if difference:
                said = f"the saved output differs from that of our run: {difference}"
                found.append(Flag("outputs", said, place(stored)))
    return found


def failed(cell: Any) -> str:
    """The error that a cell ended with; empty if none, or if it is our machine that ended it."""
    errors = [output.ename for output in cell.outputs if output.output_type == "error"]
    return next((name for name in errors if name not in (TIME_OUT, KERNEL_DIED)), "")


def printed(cell: Any) -> str:
    """What a cell printed and returned as text, without what differs between honest runs."""
    parts = [output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"]
    results = [output.data for output in cell.outputs if output.output_type == "execute_result"]
    text = "\n".join([*parts, *(data["text/plain"] for data in results if "text/plain" in data)])
    for pattern in IGNORED:
        text = pattern.sub(" ", text)
    return text


def differs(stored: str, ours: str) -> str:
    """The first difference that matters, in words; empty if there is none."""
    pieces = re.compile(rf"{NUMBER}|\w+")
    theirs, own = pieces.findall(stored), pieces.findall(ours)
    if len(theirs) != len(own):
        return f"it has {len(theirs)} words and numbers, ours {len(own)}" if theirs else ""  # cleared outputs are fine
    for one, other in zip(theirs, own, strict=True):
        if not alike(one, other):
            return f"{one[:40]!r} where ours is {other[:40]!r}"
    return ""


def alike(one: str, other: str) -> bool:
    try:
        a, b = (float(text.replace(",", "").replace("_", "")) for text in (one, other))
    except ValueError:
        return one == other
    return math.isclose(a, b, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


@functools.lru_cache(maxsize=8192)
def names_used(tree: ast.AST) -> frozenset[str]:
    """Every name and attribute that the code mentions."""
    nodes = list(ast.walk(tree))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return frozenset(names | {node.attr for node in nodes if isinstance(node, ast.Attribute)})


def varying_names(notebook: Any) -> set[str]:
    """The names that hint at something that varies, and those that the notebook computes or defines with them."""
    read = [parsed(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    statements = [statement for pair in read if pair for statement in pair[1].body]
    uses = [(names_defined(statement), names_used(statement)) for statement in statements]
    varying = {name for _, used in uses for name in used if VARIES.search(name)}
    while more := {name for defined, used in uses if used & varying for name in defined} - varying:
        varying |= more
    return varying


def is_steady(cell: Any, varying: set[str]) -> bool:
    read = parsed(cell.source)
    return read is not None and varying.isdisjoint(names_used(read[1]))


@functools.lru_cache(maxsize=8192)
def names_defined(statement: ast.stmt) -> frozenset[str]:
    """What a statement at the top of a cell binds; imported names are judged by themselves."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return frozenset({statement.name})
    return frozenset(n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


# ---- What the code reaches -------------------------------------------------------------------------------------------


def package(repaired: Any, release: Any) -> list[Flag]:
    """Imports from the course's package beyond those of the set's own cells."""
    allowed = allowed_names(release)
    found = []
    for cell, *_ in learners_code(repaired):
        if names := package_names(cell.source) - allowed:
            said = f"this cell imports {', '.join(sorted(names))} from the course's package"
            found.append(Flag("package", said, place(cell)))
    return found


def package_names(source: str) -> frozenset[str]:
    try:
        return imported_names(source)
    except UNREADABLE:  # text in the cell that looks like code is read too
        return frozenset()


def tampering(repaired: Any) -> list[Flag]:
    """Names in `REACHES`, and functions of modules that are replaced: one flag for each name in a cell."""
    modules = {name: target for tree in code_trees(repaired) for name, target in imports(tree).items()}
    found = []
    for cell in repaired.cells:
        if cell.cell_type == "code" and not is_ours(cell) and len(cell.source) > MAX_CELL:
            said = f"this cell has {len(cell.source):,} characters, more than are read for these remarks"
            found.append(Flag("tampering", said, place(cell)))
    for cell, _, tree in learners_code(repaired):
        first: dict[str, int] = {}
        for name, line in reached(tree, modules):
            if name != "get_ipython" or "get_ipython" in cell.source:  # a magic becomes such a call
                first.setdefault(name, line)
        for name, line in sorted(first.items(), key=lambda item: item[1]):
            what = REACHES.get(name, "replaces it for all code")
            found.append(Flag("tampering", f"line {line} mentions {name.lstrip('.')}, which {what}", place(cell)))
    return found


def code_trees(notebook: Any) -> list[ast.Module]:
    read = [parsed(cell.source) for cell in notebook.cells if cell.cell_type == "code" and is_ours(cell)]
    return [pair[1] for pair in read if pair] + [tree for *_, tree in learners_code(notebook)]


@functools.lru_cache(maxsize=2048)
def imports(tree: ast.AST) -> Mapping[str, str]:
    """Name in the code -> what it was imported as: {"np": "numpy", "fork": "os.fork"}."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=aliases):
                found |= {
                    a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in aliases
                }
            case ast.ImportFrom(module=str(module), names=aliases):
                found |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in aliases}
    return found


def reached(tree: ast.AST, modules: dict[str, str]) -> Iterator[tuple[str, int]]:
    """What of `REACHES` the code mentions, by whichever alias, and each function of a module that it replaces."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        yield from ((known, line) for name in mentioned(node, modules) if (known := in_table(name)))
        match node:
            case ast.Attribute(value=ast.Name(id=base), attr=name, ctx=ast.Store()) if base in modules:
                yield f"{modules[base]}.{name}", line
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id=base), ast.Constant(value=str(name)), _]):
                if base in modules:
                    yield f"{modules[base]}.{name}", line


def mentioned(node: ast.AST, modules: dict[str, str]) -> Iterator[str]:
    """The names, as `REACHES` writes them, in one node. A variable that is only called `socket` is none."""
    match node:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
        case ast.ImportFrom(module=str(module), names=aliases):
            yield from (f"{module}.{alias.name}" for alias in aliases)
        case ast.Name(id=name, ctx=ast.Load()) if name in modules or name in ("exec", "eval", "get_ipython"):
            yield modules.get(name, name)
        case ast.Attribute(value=ast.Name(id=base), attr=name) if base in modules:
            yield from (f"{modules[base]}.{name}", f".{name}")
        case ast.Attribute(attr=name) | ast.Constant(value=str(name)):  # getattr(f, "__globals__") too
            yield f".{name}"
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            yield from [name] if called in ("__import__", "import_module") else []


def in_table(dotted: str) -> str:
    """The entry of `REACHES` that a dotted name is, or lies in; empty if there is none."""
    parts = dotted.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in REACHES), "")
