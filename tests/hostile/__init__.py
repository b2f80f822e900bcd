"""Hostile submissions: each is one notebook that wants more than a grader should give, and what it honestly deserves.

A file of entries is named after what they attack. An entry is a function that gets an exercise set's released notebook,
with the solution's answers in it unless it says `answered=False`, and changes it:

    @hostile(tries="gain points", layer="checker outside", earns=OTHERS)
    def patch_allclose(notebook):
        answer(notebook, "weight-bytes", "def weight_bytes(n_parameters, bits, block=None): ...")

What an entry does it does in the kernel under test; nothing here runs on the host. An entry that spies prints what it
finds, so that a runner which has planted `Canaries` can look for them in everything that grading leaves behind. Code
names a place on the host by a placeholder, such as {GRADEBOOK}. What fills or burns is bounded: where the walls fail,
the machine must survive the test.
"""

import importlib
import json
import textwrap
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from nbformat.v4 import new_code_cell, new_markdown_cell

from racecourse.grading.integrity import grade_id_of, is_test
from wrong_answers import Assignment

THEMES = ("points", "results", "forged", "protocol", "resources", "escapes", "secrets", "notebooks")
LAYERS = {
    "intake": "the notebook is put back into the shape of its release before anything runs",
    "namespace": "the walls: what is not named is not there",
    "seccomp": "the walls: the system call is refused",
    "rlimit": "the walls: a limit of the process or the size of a folder",
    "deadline": "a cell, or the calls of a test, took too long",
    "checker outside": "what the kernel does to itself changes nothing in the process that judges",
    "wire": "only plain data of exact types arrives, or the call has failed",
    "client": "what the kernel says about its cells is bounded, checked, and worth no points",
    "neutralised feedback": "what a learner wrote is shown as text",
    "supervisor": "the process outside that ends the kernel with its connection",
}

TOKENS = frozenset({"tokens-per-second-visible", "tokens-per-second-hidden"})
WEIGHT = frozenset({"weight-bytes-visible", "weight-bytes-hidden"})
FIT = frozenset({"models-that-fit-visible", "models-that-fit-hidden"})
ALL = TOKENS | WEIGHT | FIT
NOTHING: frozenset[str] = frozenset()

WRONG = {
    "tokens-per-second": "def tokens_per_second(arrivals_s):\n    return -1.0",
    "weight-bytes": "def weight_bytes(n_parameters, bits, block=None):\n    return -1",
    "models-that-fit": "def models_that_fit(sizes, memory_gib, reserve):\n    return ['wrong']",
}


# ---------------------------------------------------------------------------------------------- what the runner plants


@dataclass(frozen=True)
class Canaries:
    """Places on the host that entries are told of, and the secrets that the runner has put there.

    `secrets` maps a description ("the gradebook") to the string that lies there; `leaked` finds them again. The runner
    listens on `port` (TCP, 127.0.0.1), on `abstract` (the name of an abstract Unix socket) and on `socket`; each gives
    its secret to whoever connects. `untouched` is a file of the host whose contents and mode must be the same
    afterwards, `mark` a path that must not exist afterwards.
    """

    gradebook: str = "/nonexistent/gradebook.db"
    other: str = "/nonexistent/submitted/other/00_start_here/00_start_here.ipynb"
    solution: str = "/nonexistent/solutions/00_start_here/00_start_here.ipynb"
    record: str = "/nonexistent/records/00_start_here/other.json"
    untouched: str = "/nonexistent/untouched"
    mark: str = "/nonexistent/mark"
    socket: str = "/nonexistent/host.socket"
    abstract: str = "nonexistent"
    port: int = 9
    variable: str = "GRADER_TOKEN"  # of the grader's environment
    grader: int = 2**22 - 1  # a process id
    secrets: dict[str, str] = field(default_factory=dict)

    def fill(self, source: str) -> str:
        """The text with {GRADEBOOK}, {PORT}, ... replaced; all other braces stay."""
        for name, value in vars(self).items():
            if name != "secrets":
                source = source.replace("{" + name.upper() + "}", str(value))
        return source

    def leaked(self, texts: Iterable[str]) -> set[str]:
        """Which secrets stand in the texts, also as bytes' hex digits or backwards."""
        everything = "\n".join(texts)
        return {
            what
            for what, secret in self.secrets.items()
            if any(form in everything for form in (secret, secret.encode().hex(), secret[::-1]))
        }


# ------------------------------------------------------------------------------------------------------------- entries


@dataclass(frozen=True)
class Hostile:
    """One hostile submission."""

    name: str
    theme: str
    says: str  # what it does, one sentence
    tries: str  # what it wants: "gain points", "steal hidden tests", "kill the grader", ...
    layer: str  # which of LAYERS should stop it
    earns: frozenset[str]  # the grade_ids that it may pass at most, and must pass unless they are in `may_lose`
    may_lose: frozenset[str]  # of these: what a kernel that dies or hangs may take with it
    change: Callable[[Any], None]
    set_name: str = "00_start_here"
    answered: bool = True  # starts from the solution's answers; else from the released stubs
    second: bool = False  # a learner's second submission: the first had all answers right
    gap: str = ""  # what the grader does not promise to stop, and says so

    def submission(self, canaries: Canaries | None = None) -> Any:
        """The notebook as it is handed in."""
        notebook = _released(self.set_name).answered() if self.answered else _stubs(self.set_name)
        self.change(notebook)
        canaries = canaries or Canaries()
        for cell in notebook.cells:
            cell.source = canaries.fill(cell.source)
        return notebook

    def contents(self, canaries: Canaries | None = None) -> bytes:
        """The notebook's file. ASCII, so that every string survives, also one that is no valid Unicode."""
        return json.dumps(self.submission(canaries), indent=1).encode("ascii")


def hostile(
    *, tries: str, layer: str, earns: Iterable[str] = NOTHING, may_lose: Iterable[str] = NOTHING, **options: Any
) -> Callable:
    """Mark a function as an entry; its docstring's first line says what the submission does."""
    earns, may_lose = frozenset(earns), frozenset(may_lose)
    if layer not in LAYERS:
        raise ValueError(f"layer={layer!r} is not known; there are {sorted(LAYERS)}")
    if not may_lose <= earns:
        raise ValueError(f"may_lose has {sorted(may_lose - earns)}, which it does not earn")

    def mark(change: Callable[[Any], None]) -> Callable[[Any], None]:
        says = (change.__doc__ or "").strip().split("\n")[0]
        theme = change.__module__.rpartition(".")[2]
        change.hostile = Hostile(change.__name__, theme, says, tries, layer, earns, may_lose, change, **options)
        return change

    return mark


def catalogue() -> list[Hostile]:
    """All entries, theme by theme, in the order of the files."""
    modules = [importlib.import_module(f"{__name__}.{theme}") for theme in THEMES]
    return [value.hostile for module in modules for value in vars(module).values() if hasattr(value, "hostile")]


# --------------------------------------------------------------------------------------------- what entries are made of


@cache
def _released(name: str) -> Assignment:
    return Assignment(name)


def _stubs(name: str) -> Any:
    return deepcopy(_released(name).release)


def cell_of(notebook: Any, grade_id: str) -> Any:
    return next(cell for cell in notebook.cells if grade_id_of(cell) == grade_id)


def index_of(notebook: Any, grade_id: str) -> int:
    return next(index for index, cell in enumerate(notebook.cells) if grade_id_of(cell) == grade_id)


def test_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if is_test(cell)]


def answer(notebook: Any, grade_id: str, code: str) -> None:
    """Replace an answer."""
    cell_of(notebook, grade_id).source = textwrap.dedent(code).strip()


def before(notebook: Any, grade_id: str, code: str) -> None:
    """Put a code cell of the learner's own before the cell."""
    notebook.cells.insert(index_of(notebook, grade_id), new_code_cell(textwrap.dedent(code).strip()))


def text_before(notebook: Any, grade_id: str, text: str) -> None:
    notebook.cells.insert(index_of(notebook, grade_id), new_markdown_cell(textwrap.dedent(text).strip()))


def first(notebook: Any, code: str) -> None:
    """Put a code cell before the first exercise, after the set's own cells."""
    before(notebook, "tokens-per-second", code)


def last(notebook: Any, code: str) -> None:
    """Add a code cell at the end."""
    notebook.cells.append(new_code_cell(textwrap.dedent(code).strip()))


def all_wrong(notebook: Any) -> None:
    """Answer every exercise of set 00 wrongly."""
    for grade_id, code in WRONG.items():
        answer(notebook, grade_id, code)
