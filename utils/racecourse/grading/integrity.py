"""Find answers that import from the course's package what they should define.

A cell may import from `racecourse` what the set's own locked cells import, and nothing else. Every cell that a learner
can write is looked at, so the import does not move into an extra cell. This is a tripwire for an easy mistake, read
from the syntax tree; it runs nothing. Left out: code that hides what it does on purpose.
"""

import ast
import functools
import re
from collections.abc import Iterator
from typing import Any

PACKAGE = "racecourse"
UNREADABLE = (SyntaxError, ValueError, MemoryError, RecursionError)  # what Python's parser says of hostile text
MAGIC = re.compile(r"^([ \t]*)[%!?].*$", re.MULTILINE)
MOST_MAGICS = 50  # of one cell
MESSAGE = (
    "this cell imports {names} from the course's package, so what it answers earns nothing: "
    "write the code yourself (the cells at the top of the set import all that you may use)"
)


def python_of(source: str) -> str:
    """The Python of a cell: IPython's own syntax (%pip, x = !ls, f?) becomes calls, %%magic headings go."""
    try:
        ast.parse(source)
        return source
    except UNREADABLE:
        pass
    from IPython.core.inputtransformer2 import TransformerManager

    if len(MAGIC.findall(source)) > MOST_MAGICS:  # the transformer needs time with the square of their number
        return MAGIC.sub(r"\1pass", source)
    while source.lstrip().startswith("%%"):
        source = source.lstrip().partition("\n")[2]
    return TransformerManager().transform_cell(source)


@functools.lru_cache(maxsize=2048)  # a class has most of its cells in common
def imported_names(source: str) -> frozenset[str]:
    """What a cell takes from the package, as dotted names: {'racecourse.models.load'}; empty if it does not parse."""
    try:
        tree = ast.parse(python_of(source))
    except UNREADABLE:
        return frozenset()  # it cannot run either
    return frozenset(name for node in ast.walk(tree) for name in names_in(node) if name.split(".")[0] == PACKAGE)


def names_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=aliases):
            yield from (alias.name for alias in aliases)
        case ast.ImportFrom(module=str(module), names=aliases, level=0):
            yield from (f"{module}.{alias.name}" for alias in aliases)
        case ast.Constant(value=str(text)) if re.fullmatch(rf"{PACKAGE}(\.\w+)*", text):
            yield text  # importlib.import_module("racecourse.models"), sys.modules["racecourse"]
        case ast.Constant(value=str(text)) if PACKAGE in text and "import" in text:
            yield from imported_names(text)  # exec("from racecourse.models import rope")


def grade_id_of(cell: Any) -> str:
    """The name of a cell of the set; empty for any other cell."""
    return cell.metadata.get("nbgrader", {}).get("grade_id") or ""


def is_answer(cell: Any) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def is_test(cell: Any) -> bool:
    """An automatically graded cell: it has points and is not the learner's."""
    return bool(cell.metadata.get("nbgrader", {}).get("grade")) and not is_answer(cell)


def is_written(cell: Any) -> bool:
    """A written question, which a person grades."""
    return is_answer(cell) and bool(cell.metadata["nbgrader"].get("grade"))


def is_ours(cell: Any) -> bool:
    """A cell of the set that learners do not edit."""
    return bool(grade_id_of(cell)) and not is_answer(cell)


def allowed_names(release: Any) -> set[str]:
    """What the set's own cells import from the package, so answers may too. Tests, hidden or not, allow nothing."""
    ours = [cell for cell in release.cells if cell.cell_type == "code" and is_ours(cell) and not is_test(cell)]
    return {name for cell in ours for name in imported_names(cell.source)}


def forbidden_imports(submission: Any, release: Any) -> dict[int, frozenset[str]]:
    """Cell index -> names that this cell of the learner's must not import."""
    allowed = allowed_names(release)
    found = {
        index: imported_names(cell.source) - allowed
        for index, cell in enumerate(submission.cells)
        if cell.cell_type == "code" and not is_ours(cell)
    }
    return {index: names for index, names in found.items() if names}


def refuse_imports(submission: Any, release: Any) -> dict[int, str]:
    """Replace the code of every such cell by an error that says why, in place; cell index -> what was said.

    The learner's text stays below the error as a comment, for the person who reads the feedback.
    """
    refused = {}
    for index, names in forbidden_imports(submission, release).items():
        message = MESSAGE.format(names=", ".join(sorted(names)))
        cell = submission.cells[index]
        comment = "\n".join(f"# {line}" for line in cell.source.split("\n"))
        cell.source = f"raise ImportError({message!r})\n{comment}"
        refused[index] = message
    return refused
