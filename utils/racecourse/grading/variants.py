"""One exercise set in many versions: parameters in its source, drawn for each student of a class from the class secret.

The source of a set is a template. In the cell tagged `parameters` a line may say which values it can have,

    SCALE_BYTES = 2  # bytes of a scale; one of: 1, 2, 4, 8

and the text of the other cells may depend on it: `<< SCALE_BYTES >>` and `<% if TIES == "lowest" %>` in Markdown,
`# variant: if TIES == "lowest"` on a line of its own in code (Jinja's syntax with other marks). In answers the name
is replaced by its value; in tests it stays a name, which the parameters cell defines. The assigned value is the public
version's, which the course's own notebooks have, and which no student of a class gets.

Every version has the same cells for the same points. Left out: keeping what was drawn, and grading (`autograde`).
"""

from __future__ import annotations

import ast
import hashlib
import hmac
import io
import itertools
import json
import math
import re
import tokenize
from collections.abc import Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from racecourse.grading.integrity import grade_id_of, is_answer, is_written

Values = dict[str, Any]  # the name of a parameter -> its value; plain data, as JSON has it

DECLARED = re.compile(r"^(?P<name>[A-Z]\w*) = (?P<value>.+?)  # (?P<comment>.*?)(?:; )?one of: (?P<options>.+)$")
MOST_ATTEMPTS = 1000  # to find a draw that nobody has
OWN_VERSION = """\
*Your own version of this set. What it earns so far says `racecourse check PATH/OF/THIS/FILE.ipynb`, in a clone of the
course. To work on it in Colab, upload this file there: File > Upload notebook.*"""


@dataclass(frozen=True)
class Parameter:
    """One line of a set's parameters cell that may differ from student to student."""

    name: str
    public: Any
    literal: str  # the public value as it is written in the source
    options: tuple[Any, ...]
    exercise: str  # the answer cell whose task depends on it; "" if none does, and only data differ

    def text(self, value: Any) -> str:
        """The value as Python writes it."""
        if value == self.public:
            return self.literal
        return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


# ---- 1 · What a set declares -----------------------------------------------------------------------------------------


def declared(cells: Iterable[Any]) -> dict[str, Parameter]:
    """The parameters of a set's source cells, by name, in order.

    Raises:
        ValueError: a line of the parameters cell that says `one of:` cannot be read, or its value is no option.
    """
    cells = list(cells)
    lines = [line for cell in cells if is_parameters(cell) for line in cell.source.split("\n") if "one of: " in line]
    found = [_parameter(line, cells) for line in lines]
    return {parameter.name: parameter for parameter in found}


def parameters_of(source: Path) -> dict[str, Parameter]:
    """The parameters of a set, from its file below sources/exercises/."""
    import jupytext

    return declared(jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent").cells)


def is_parameters(cell: Any) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def _parameter(line: str, cells: list[Any]) -> Parameter:
    match = DECLARED.match(line)
    if not match:
        raise ValueError(f"the line {line!r} must look like `NAME = value  # what it is; one of: value, value, ...`")
    try:
        public = ast.literal_eval(match["value"])
        options = _options(match["options"])
    except (ValueError, SyntaxError) as error:
        raise ValueError(f"the line {line!r}: values must be plain numbers, strings, tuples ({error})") from None
    if public not in options:
        raise ValueError(f"the line {line!r}: the value {public!r} is not among those that it may have")
    return Parameter(match["name"], public, match["value"], options, _exercise(match["name"], cells))


def _options(text: str) -> tuple[Any, ...]:
    """Python's literals and `range(...)`, separated by commas."""
    found: list[Any] = []
    for node in ast.parse(f"[{text}]", mode="eval").body.elts:  # type: ignore[attr-defined]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
            found += range(*(ast.literal_eval(argument) for argument in node.args))
        else:
            found.append(ast.literal_eval(node))
    return tuple(dict.fromkeys(found))


def _exercise(name: str, cells: list[Any]) -> str:
    """The first answer cell in whose code the name occurs; a written answer only tells of it."""
    word = re.compile(rf"\b{name}\b")
    answers = [cell for cell in cells if is_answer(cell) and not is_written(cell)]
    return next((grade_id_of(cell) for cell in answers if word.search(cell.source)), "")


def by_exercise(parameters: Mapping[str, Parameter]) -> dict[str, list[Parameter]]:
    """The parameters of each exercise that has some; without data parameters."""
    found: dict[str, list[Parameter]] = {}
    for parameter in parameters.values():
        if parameter.exercise:
            found.setdefault(parameter.exercise, []).append(parameter)
    return found


def n_combinations(parameters: Mapping[str, Parameter]) -> int:
    """How many versions a class can be given, data left out; 0 if no exercise has parameters."""
    groups = by_exercise(parameters).values()
    return math.prod(math.prod(len(one.options) for one in group) - 1 for group in groups) if groups else 0


def public_values(parameters: Mapping[str, Parameter]) -> Values:
    return {name: parameter.public for name, parameter in parameters.items()}


def every_version(parameters: Mapping[str, Parameter], exercise: str) -> list[Values]:
    """All versions of one exercise, the public one first; every other parameter has its public value."""
    group = by_exercise(parameters)[exercise]
    public = public_values(parameters)
    drawn = [
        dict(zip((one.name for one in group), values, strict=True))
        for values in itertools.product(*(one.options for one in group))
    ]
    return [public, *(public | values for values in drawn if public | values != public)]


# ---- 2 · What a student draws ----------------------------------------------------------------------------------------


def draw_values(
    parameters: Mapping[str, Parameter], secret: bytes, name: str, student: str, taken: Collection[Values] = ()
) -> Values:
    """One student's values: other than the public ones in every exercise, and other than the `taken` ones if possible.

    They follow from the secret, the set's name and the student. `taken` are the values of the rest of the class.
    """
    tasks = [one.name for one in parameters.values() if one.exercise]
    others = {tuple(values.get(task) for task in tasks) for values in taken}
    values: Values = {}
    for attempt in range(MOST_ATTEMPTS):
        values = _draw(parameters, secret, f"{name}\n{student}\n{attempt}")
        if tuple(values[task] for task in tasks) not in others:
            break
    return values


def _draw(parameters: Mapping[str, Parameter], secret: bytes, what: str) -> Values:
    values: Values = {}
    groups = [*by_exercise(parameters).values(), *([one] for one in parameters.values() if not one.exercise)]
    for group in groups:
        public = {one.name: one.public for one in group}
        drawn = public
        if any(len(one.options) > 1 for one in group):
            for again in itertools.count():
                drawn = {one.name: one.options[_number(secret, f"{what}\n{one.name}\n{again}") % len(one.options)]
                         for one in group}  # fmt: skip
                if drawn != public:
                    break
        values |= drawn
    return {name: values[name] for name in parameters}


def _number(secret: bytes, what: str) -> int:
    return int.from_bytes(hmac.digest(secret, f"variant\n{what}".encode(), hashlib.sha256)[:8])


def still_possible(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> list[str]:
    """What hinders a draw that was made with another version of the set; empty if nothing does."""
    problems = [f"{name} is not drawn" for name in parameters if name not in values]
    problems += [f"{name} is no parameter of the set" for name in values if name not in parameters]
    problems += [
        f"{name} = {value!r} is no longer among its values"
        for name, value in values.items()
        if name in parameters and value not in parameters[name].options
    ]
    return problems


# ---- 3 · The cells of a version --------------------------------------------------------------------------------------


def render(cells: list[Any], values: Mapping[str, Any] | None = None) -> None:
    """Make source cells those of one version, in place; of the public one if no values are given.

    Raises:
        ValueError: a template cannot be read, or `values` are not of this set's parameters.
    """
    parameters = declared(cells)
    if not parameters:
        return
    values = {**public_values(parameters), **(values or {})}
    if problems := still_possible(parameters, values):
        raise ValueError("; ".join(problems))
    for cell in cells:
        if is_parameters(cell):
            cell.source = "\n".join(_assigned(line, parameters, values) for line in cell.source.split("\n"))
            continue
        cell.source = _filled(cell, values)
        if cell.cell_type == "code" and is_answer(cell):
            cell.source = _with_literals(cell.source, parameters, values)


def _assigned(line: str, parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> str:
    if not (match := DECLARED.match(line)):
        return line
    name, comment = match["name"], match["comment"].strip()
    return f"{name} = {parameters[name].text(values[name])}" + (f"  # {comment}" if comment else "")


def _filled(cell: Any, values: Mapping[str, Any]) -> str:
    import jinja2

    try:
        text = _templates().from_string(cell.source).render(values)
        return text if cell.source.endswith("\n") else text.rstrip("\n")  # a block at the end leaves a line
    except jinja2.TemplateError as error:
        where = grade_id_of(cell) or cell.source[:40]
        line = getattr(error, "lineno", None)
        raise ValueError(f"the cell {where!r}{f', line {line}' if line else ''}: {error}") from error


@cache
def _templates() -> Any:
    """Jinja with marks that neither Python nor Markdown uses. The source is the course's own, and trusted."""
    import jinja2

    return jinja2.Environment(
        variable_start_string="<<", variable_end_string=">>", block_start_string="<%", block_end_string="%>",
        comment_start_string="<#", comment_end_string="#>", line_statement_prefix="# variant:", trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined, autoescape=False,
    )  # fmt: skip


def _with_literals(source: str, parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> str:
    """An answer in which the parameters' names are replaced by their values."""
    lines = source.split("\n")
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.NAME]
    for token in reversed(tokens):
        if token.string in parameters:
            (row, start), (_, end) = token.start, token.end
            text = parameters[token.string].text(values[token.string])
            text = f"({text})" if text.startswith("-") else text
            lines[row - 1] = lines[row - 1][:start] + text + lines[row - 1][end:]
    return "\n".join(lines)


# ---- 4 · The notebooks of a version ----------------------------------------------------------------------------------


def solution(name: str, root: Path, values: Mapping[str, Any]) -> Any:
    """The solution notebook of one version. Its metadata say which: `racecourse check` reads them."""
    from racecourse.learn.notebooks import EXERCISE, convert

    notebook = convert(root / "sources" / EXERCISE / f"{name}.py", root, values)
    notebook.metadata.racecourse["values"] = dict(values)
    notebook.cells[0].source = OWN_VERSION  # in the place of the badge, which opens the public version
    return notebook


def values_of(notebook: Any) -> Values:
    """Which version a notebook says it is; nothing if it is the public one, or if that cannot be read."""
    ours = notebook.metadata.get("racecourse", {})
    return plain(ours.get("values") if isinstance(ours, Mapping) else None)


def plain(values: Any) -> Values:
    """Values as they come out of a JSON file, which has lists in place of tuples; nothing if it holds none."""
    if not isinstance(values, Mapping):
        return {}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def release(solution: Any, root: Path) -> Any:
    """What a student gets of a solution notebook, made by nbgrader's own steps, without its database."""
    notebook: Any = deepcopy(solution)
    resources: dict[str, Any] = {"nbgrader": {}, "metadata": {}}
    for step in _release_steps(root):
        notebook, resources = step.preprocess(notebook, resources)
    return notebook


@lru_cache(maxsize=4)
def _release_steps(root: Path) -> list[Any]:
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import IncludeHeaderFooter, SaveCells
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    steps = GenerateAssignment(config=config).preprocessors
    return [step(config=config) for step in steps if step not in (SaveCells, IncludeHeaderFooter)]
