"""The tools of an agent: a calculator, Python in a sandbox, and search, reading and table queries over the documents.

A model's call is hostile input like any other. Its arguments are checked against a pydantic model, an expression is
never evaluated, a document is looked up by name and no path is ever made of that name, code runs in `run_untrusted`,
and what comes back has a largest size. A tool that fails says why in one sentence (`ToolError`), for the model to read.
What stands in a document is an observation, text: no tool acts on it, and it cannot pass for a turn of the conversation
(`without_markers`). Whether the model obeys it is the model's affair.

Left out: tools that write, that reach the network, or that remember anything between two calls.
"""

from __future__ import annotations

import ast
import csv
import difflib
import io
import json
import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from racecourse.machine.sandbox import run_untrusted

if TYPE_CHECKING:
    from racecourse.agents.documents import Document, Hit

MOST_OBSERVED = 2000  # characters of an observation: some 600 tokens, ten of which a small model's context holds
CODE_SECONDS = 5.0  # for a program, start of Python included
SUFFIXES = (".md", ".txt", ".csv", ".json")
MOST_DIGITS = 300  # of a number in the calculator; floats end at 308

Number = int | float


class ToolError(ValueError):
    """Why a tool did not do what was asked, in a sentence that a model can use."""


@dataclass(frozen=True)
class Tool:
    """What a model may call."""

    name: str
    description: str  # the model chooses by it
    arguments: type[BaseModel]  # its fields' descriptions are read by the model, too
    run: Callable[..., str]  # run(arguments); run(arguments, seconds) if timed
    timed: bool = False  # it can take long, is told how many seconds are left, and stops by itself


def call(tools: Sequence[Tool], name: str, arguments: Mapping[str, Any], *, seconds: float = CODE_SECONDS) -> str:
    """Check the arguments, run the tool, and return at most MOST_OBSERVED characters.

    Raises:
        ToolError: and nothing else: no such tool, arguments that do not fit, or a tool that failed.
    """
    tool = next((tool for tool in tools if tool.name == name), None)
    if tool is None:
        raise ToolError(bounded(f"there is no tool {name!r}; choose one of: {', '.join(tool.name for tool in tools)}"))
    try:
        checked = tool.arguments.model_validate(arguments)
    except ValidationError as problem:
        raise ToolError(bounded(f"{name} was not run: {in_words(problem)}. Call it as {signature(tool)}")) from None
    try:
        return bounded(tool.run(checked, seconds) if tool.timed else tool.run(checked))
    except ToolError as problem:
        raise ToolError(bounded(str(problem))) from None
    except Exception as problem:  # a tool that somebody adds may raise anything; the agent goes on
        raise ToolError(bounded(f"{name} failed: {type(problem).__name__}: {problem}")) from problem


def bounded(text: str, most: int = MOST_OBSERVED) -> str:
    """The text, or its beginning and how long it was.

    >>> bounded("one, two, three, four, five, six, seven, eight", 45)
    'one, two, thr ... [cut: 46 characters in all]'
    """
    if len(text) <= most:
        return text
    note = f" ... [cut: {len(text):,} characters in all]"
    return text[: most - len(note)] + note


def without_markers(text: str) -> str:
    """Text that comes from outside, in which no model's tokenizer finds the end of a turn.

    >>> without_markers("17<|im_end|><|im_start|>system")
    '17< |im_end|>< |im_start|>system'
    """
    return re.sub(r"<(?=[|｜])", "< ", text)


def in_words(problem: ValidationError) -> str:
    """What does not fit, argument by argument."""
    parts = []
    for error in problem.errors(include_url=False):
        where = ".".join(map(str, error["loc"])) or "the arguments"
        given = "" if error["type"] == "missing" else f" (got {bounded(repr(error['input']), 80)})"
        parts.append(f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}{given}")
    return "; ".join(parts)


def signature(tool: Tool) -> str:
    """How a tool is called, for people and for small models.

    >>> signature(Tool("calculator", "", Calculation, calculate))
    'calculator(expression: string)'
    """
    schema = tool.arguments.model_json_schema()
    parts = []
    for key, field in schema["properties"].items():
        kind = "|".join(map(str, field["enum"])) if "enum" in field else field.get("type", "object")
        if "$ref" in field.get("items", {}):
            item = schema["$defs"][field["items"]["$ref"].rpartition("/")[2]]
            kind = f"list of {{{', '.join(item['properties'])}}}"
        default = f" = {json.dumps(field['default'])}" if "default" in field else ""
        parts.append(f"{key}: {kind}{default}")
    return f"{tool.name}({', '.join(parts)})"


def schema_of(tool: Tool) -> dict[str, Any]:
    """The tool as OpenAI's chat completions and all that copy them want it."""
    parameters = tool.arguments.model_json_schema()
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


# ------------------------------------------------------------------------------------------------------ the arguments


class Arguments(BaseModel):
    """Arguments of a tool: a number where text is wanted is taken as text, a name that is not known is refused."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)


class Calculation(Arguments):
    expression: str = Field(
        min_length=1, max_length=200, description="for example (3 + 4) * 2 ** 5 or round(sum(1.5, 2.5) / 3, 2)"
    )


class Program(Arguments):
    code: str = Field(
        min_length=1, max_length=8000,
        description="Python, standard library only; print the result. The dict `documents` holds all texts by name",
    )  # fmt: skip


class Query(Arguments):
    query: str = Field(min_length=1, max_length=200, description="words that should occur in the documents")


class Passage(Arguments):
    name: str = Field(min_length=1, max_length=200, description="a document's name, as search gives it")
    first_line: int = Field(default=1, ge=1, le=1_000_000, description="counted from 1")
    n_lines: int = Field(default=40, ge=1, le=400)


class Condition(Arguments):
    column: str = Field(min_length=1, max_length=200)
    op: Literal["=", "!=", "<", "<=", ">", ">=", "contains"]
    value: str = Field(max_length=200)


class TableQuery(Arguments):
    name: str = Field(min_length=1, max_length=200, description="a document whose name ends in .csv")
    where: list[Condition] = Field(
        default=[], max_length=8, description='which rows: [{"column": "year", "op": ">=", "value": "1990"}, ...]'
    )
    column: str = Field(default="", max_length=200, description="which column; empty: whole rows")
    reduce: Literal["count", "sum", "mean", "min", "max", "list", "first"] = "list"


# ----------------------------------------------------------------------------------------------------- the calculator


def calculate(arguments: Calculation) -> str:
    return plain(arithmetic(arguments.expression))


def arithmetic(expression: str) -> Number:
    """The value of an expression, by walking its syntax tree: nothing in it is ever run.

    >>> arithmetic("round(sqrt(2) * 10 ** 3, 1)")
    1414.2

    Raises:
        ToolError: anything but numbers, + - * / // % **, parentheses and FUNCTIONS; a number of more than MOST_DIGITS.
    """
    try:
        return value_of(ast.parse(expression.strip(), mode="eval").body)
    except ToolError:
        raise
    except ZeroDivisionError:
        raise ToolError(f"{expression!r} divides by zero") from None
    except (SyntaxError, RecursionError, MemoryError):
        raise ToolError(f"{expression!r} is no arithmetic: {USABLE}") from None
    except (ValueError, TypeError, OverflowError) as problem:  # sqrt(-1), abs(1, 2), 2.5 ** 10 ** 5
        raise ToolError(f"{expression!r} has no value: {problem}") from None


def value_of(node: ast.expr) -> Number:
    value: Number
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            value = number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = -value_of(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            value = value_of(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            value = OPERATORS[type(op)](value_of(left), value_of(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            value = FUNCTIONS[name](*map(value_of, elements(args)))
        case ast.Tuple():
            raise ToolError("there is a comma outside of a function: write 1700 for 1,700")
        case _:
            raise ToolError(f"{ast.unparse(node)!r} cannot be worked out: {USABLE}")
    if not abs(value) < 10**MOST_DIGITS:  # so that nan, too, is refused
        raise ToolError(f"{bounded(ast.unparse(node), 80)!r} is not a number of at most {MOST_DIGITS} digits")
    return value


def elements(args: Sequence[ast.expr]) -> list[ast.expr]:
    """The arguments of a function, those of a list one by one: sum([1, 2]) is sum(1, 2)."""
    return [part for arg in args for part in (arg.elts if isinstance(arg, ast.List | ast.Tuple) else [arg])]


def power(base: Number, exponent: Number) -> Number:
    # before, not after: 9 ** 9 ** 9 has 370 million digits and takes minutes
    if abs(base) > 1 and exponent * math.log10(abs(base)) > MOST_DIGITS:
        raise ToolError(f"a power in there has more than {MOST_DIGITS} digits")
    result = base**exponent
    if isinstance(result, complex):
        raise ToolError("a fractional power of a negative number is not real")
    return result


def rounded(number: Number, digits: Number = 0) -> Number:
    if digits not in range(16):  # round(1, -10 ** 9) would first work out 10 ** 10 ** 9
        raise ToolError(f"round takes 0 to 15 digits, not {digits}")
    return round(number, int(digits))


OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Number]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: power,
}  # fmt: skip
FUNCTIONS: dict[str, Callable[..., Number]] = {
    "round": rounded, "abs": abs, "sqrt": math.sqrt, "sum": lambda *numbers: sum(numbers),
    "min": lambda *numbers: min(numbers), "max": lambda *numbers: max(numbers),
}  # fmt: skip
USABLE = f"use numbers, + - * / // % **, parentheses and the functions {', '.join(FUNCTIONS)}"


def plain(number: Number) -> str:
    """A number without the dust of binary fractions.

    >>> plain(0.1 + 0.2), plain(10 / 2), plain(2**70)
    ('0.3', '5', '1180591620717411303424')
    """
    return str(number) if isinstance(number, int) else f"{number:.15g}"


# ------------------------------------------------------------------------------------------------------------- Python


def run_code(texts: Mapping[str, str], arguments: Program, seconds: float) -> str:
    """What a program printed. It runs in a process of its own and knows the documents' texts, not their folder."""
    variables = f"{{'__name__': '__main__', 'documents': {dict(texts)!r}}}"
    seconds = min(CODE_SECONDS, seconds)
    outcome = run_untrusted(f"exec(compile({arguments.code!r}, 'your code', 'exec'), {variables})", seconds=seconds)
    if outcome.status == "timeout":
        raise ToolError(f"the code did not end within {seconds:.1f} s and was stopped; it printed: "
                        f"{bounded(outcome.stdout, 500)!r}")  # fmt: skip
    if outcome.status == "failed":
        last_frame = outcome.stderr.rpartition('File "your code", ')[2].strip()
        raise ToolError(f"the code failed: {last_frame[-500:] or 'it was stopped at a limit of memory or output'}")
    return outcome.stdout or "the code ran and printed nothing: print the result"


# ------------------------------------------------------------------------------------------------------ the documents


def find(search: Callable[[str], Sequence[Hit]], arguments: Query) -> str:
    """The best lines, one below the other: name, number of the line, and the line."""
    hits = search(arguments.query)
    found = [bounded(f"{hit.name}, line {hit.line}: {' '.join(hit.text.split())}", MOST_OBSERVED // 5) for hit in hits]
    return "\n".join(found) or f"nothing found for {arguments.query!r}: try other words"


def read(texts: Mapping[str, str], arguments: Passage) -> str:
    """Whole lines, as many as fit in an observation, under a heading that says which."""
    lines = text_of(texts, arguments.name).splitlines()
    first = arguments.first_line
    if first > len(lines):
        raise ToolError(f"{arguments.name} has {len(lines)} lines, so none from line {first} on")
    shown: list[str] = []
    room = MOST_OBSERVED - 2 * len(arguments.name) - 100  # for the heading
    for line in lines[first - 1 : first - 1 + arguments.n_lines]:
        room -= len(line) + 1
        if shown and room < 0:
            break
        shown.append(line)
    heading = f"{arguments.name}, lines {first} to {first + len(shown) - 1} of {len(lines)}"
    return "\n".join([heading, *shown])


def text_of(texts: Mapping[str, str], name: str) -> str:
    """A document's text by its name. A path is not a name: it is not among them, whatever it leads to."""
    if name not in texts:
        near = difflib.get_close_matches(re.split(r"[/\\]", name)[-1], texts, n=3, cutoff=0)
        raise ToolError(f"there is no document {name!r}; names like it: {', '.join(near)}")
    return texts[name]


def ask_table(texts: Mapping[str, str], arguments: TableQuery) -> str:
    """The rows that fulfil every condition, reduced to what is asked of one column."""
    header, rows = table_of(texts, arguments.name)
    for column in [condition.column for condition in arguments.where] + [arguments.column] * bool(arguments.column):
        if column not in header:
            raise ToolError(f"{arguments.name} has no column {column!r}; it has: {', '.join(header)}")
    matching = [row for row in rows if all(fulfils(row[c.column], c) for c in arguments.where)]
    if arguments.reduce == "count":
        return str(len(matching))
    if not matching:
        raise ToolError(f"no row of {arguments.name} fulfils these conditions")
    if arguments.reduce in ("list", "first"):
        columns = [arguments.column] if arguments.column else header
        listed = matching[:1] if arguments.reduce == "first" else matching
        heading = [", ".join(header)] if not arguments.column else []
        return "\n".join([*heading, *(", ".join(row[column] for column in columns) for row in listed)])
    if not arguments.column:
        raise ToolError(f"{arguments.reduce} needs a column; {arguments.name} has: {', '.join(header)}")
    return reduced([row[arguments.column] for row in matching], arguments)


def table_of(texts: Mapping[str, str], name: str) -> tuple[list[str], list[dict[str, str]]]:
    """Column names and rows of a CSV document; a cell that is missing at the end of a row is empty."""
    text = text_of(texts, name)
    if not name.endswith(".csv"):
        tables = [other for other in texts if other.endswith(".csv")]
        raise ToolError(f"{name} is no table; tables are: {', '.join(tables) or 'none'}")
    reader = csv.DictReader(io.StringIO(text), restval="", skipinitialspace=True)
    rows = list(reader)
    return list(reader.fieldnames or []), rows


def fulfils(cell: str, condition: Condition) -> bool:
    """Numbers compare as numbers, all else as text without regard to case; text is never less than a number."""
    if condition.op == "contains":
        return condition.value.casefold() in cell.casefold()
    compare = COMPARISONS[condition.op]
    theirs, ours = number_in(condition.value), number_in(cell)
    if theirs is not None and ours is not None:
        return compare(ours, theirs)
    if theirs is not None and condition.op not in ("=", "!="):
        return False
    return compare(cell.strip().casefold(), condition.value.strip().casefold())


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


def reduced(cells: Sequence[str], arguments: TableQuery) -> str:
    """One number for a column; the least or greatest text, such as a date, where no cell is a number."""
    numbers = [number for cell in cells if (number := number_in(cell)) is not None]
    if not numbers:
        filled = [cell for cell in cells if cell.strip()]
        if arguments.reduce in ("sum", "mean") or not filled:
            raise ToolError(f"no cell of {arguments.column} is a number in these {len(cells)} rows")
        return min(filled) if arguments.reduce == "min" else max(filled)
    total = math.fsum(numbers)
    value = {"sum": total, "mean": total / len(numbers), "min": min(numbers), "max": max(numbers)}[arguments.reduce]
    without = len(cells) - len(numbers)
    return plain(value) + (f" ({without} of {len(cells)} rows left out: no number there)" if without else "")


def number_in(cell: str) -> float | None:
    """The number that a cell is; a horse called Infinity is none.

    >>> number_in(" 61.5 "), number_in("Infinity"), number_in("")
    (61.5, None, None)
    """
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


# ---------------------------------------------------------------------------------------------------------- all of them


def standard_tools(folder: Path | None = None) -> list[Tool]:
    """Calculator, Python, search, read and table, over the documents of a folder or over those of the course.

    One's own folder is searched by how many of the query's words a passage holds, that of the course by BM25.

    Raises:
        ValueError: the folder has no document.
    """
    from racecourse.agents import documents as library

    papers = library.documents() if folder is None else documents_in(folder)
    texts = {paper.name: paper.text for paper in papers}
    search = library.search if folder is None else partial(search_words, papers)
    return [
        Tool("calculator", "Works out an arithmetic expression.", Calculation, calculate),
        Tool("python", f"Runs a program of at most {CODE_SECONDS:g} seconds and returns what it prints.", Program,
             partial(run_code, texts), timed=True),
        Tool("search", "Finds lines in the documents by words, the best first.", Query, partial(find, search)),
        Tool("read", "Reads lines of a document.", Passage, partial(read, texts)),
        Tool("table", "Picks rows of a CSV document and counts, adds up or lists a column.", TableQuery,
             partial(ask_table, texts)),
    ]  # fmt: skip


def documents_in(folder: Path) -> list[Document]:
    """The documents of a folder, by name. What a link leads to may lie anywhere, so links are left out."""
    from racecourse.agents.documents import Document

    paths = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in SUFFIXES and path.is_file() and not path.is_symlink()
    ]
    if not paths:
        raise ValueError(f"{folder} has no document: put files there whose names end in {', '.join(SUFFIXES)}")
    return [Document(path.name, path.read_text(encoding="utf-8", errors="replace")) for path in paths]


def search_words(papers: Sequence[Document], query: str, k: int = 5) -> list[Hit]:
    """The passages with most of the query's words, in the documents' order where they have as many."""
    from racecourse.agents.documents import passages, words

    wanted = set(words(query))
    hits = [hit for paper in papers for hit in passages(paper)]
    n_found = [len(wanted & set(words(f"{hit.name} {hit.text}"))) for hit in hits]
    best_first = sorted(range(len(hits)), key=lambda i: -n_found[i])
    return [hits[i] for i in best_first[:k] if n_found[i]]
