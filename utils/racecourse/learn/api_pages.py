"""The package's reference as Markdown: one page a room, made from the source text of its modules.

Signatures stand as their authors wrote them, shapes and defaults included. Nothing is imported, so the pages need
neither torch nor an optional package. Left out: what begins with an underscore, and methods without a docstring.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LEFT_OUT = ("__init__.py", "__main__.py", "cli.py")  # the commands explain themselves: `racecourse --help`

Function = ast.FunctionDef | ast.AsyncFunctionDef

SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")
CODE_SPAN = re.compile(r"(`+[^`]*`+)")
MARKUP = re.compile(r"([\\*_<$\[\]{}#])")  # what Markdown would take for its own


def rooms(package: Path) -> list[str]:
    """The folders of the package that hold modules, by name, and the package itself, which holds a few."""
    return [package.name, *sorted({path.parent.name for path in package.glob("*/*.py")})]


def room_page(package: Path, room: str) -> str:
    """The page of one room: its docstring, then every public module with its public functions and classes."""
    if room == package.name:
        folder, title, found = package, room, list(package.glob("*.py"))
    else:
        folder, title, found = package / room, f"{package.name}.{room}", list((package / room).rglob("*.py"))
    pieces = [f"# {title}", markdown(module_doc(folder / "__init__.py"))]
    for path in sorted(path for path in found if path.name not in LEFT_OUT and module_doc(path)):
        pieces += module(path, ".".join(path.relative_to(package.parent).with_suffix("").parts))
    return "\n\n".join(pieces) + "\n"


def module_doc(path: Path) -> str:
    """What a file says of itself; nothing if there is no such file."""
    if not path.is_file():
        return ""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def module(path: Path, name: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    tree = FullNames(path).visit(ast.parse(text))
    head = [f"## {name.partition('.')[2]}", f"```{{py:module}} {name}\n```", markdown(ast.get_docstring(tree) or "")]
    members = [node for node in tree.body if isinstance(node, Function | ast.ClassDef) and is_public(node.name)]
    return head + [
        class_(node, text.splitlines()) if isinstance(node, ast.ClassDef) else function(node, "py:function", fence=4)
        for node in members
    ]


@cache
def classes(path: Path) -> set[str]:
    """The classes that a module defines; none if there is no such file."""
    if not path.is_file():
        return set()
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)}


class FullNames(ast.NodeTransformer):
    """Gives classes of the package their full names in annotations: Sphinx links these and shows the last part."""

    def __init__(self, path: Path) -> None:
        utils = next(folder.parent for folder in path.parents if folder.name == "racecourse")
        self.full = {
            name.asname or name.name: f"{node.module}.{name.name}"
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom) and node.module
            for name in node.names
            if name.name in classes(utils.joinpath(*node.module.split(".")).with_suffix(".py"))
        }

    def annotation(self, node: ast.expr) -> ast.expr:
        for name in ast.walk(node):
            if isinstance(name, ast.Name):
                name.id = self.full.get(name.id, name.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = node.annotation and self.annotation(node.annotation)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = node.returns and self.annotation(node.returns)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        node.annotation = self.annotation(node.annotation)
        return node


def is_public(name: str) -> bool:
    return not name.startswith("_")


def function(node: Function, directive: str, *, fence: int, skip_first: bool = False) -> str:
    """A directive with the signature of `node`; `skip_first` leaves `self` or `cls` out of it."""
    arguments = node.args
    if skip_first:
        (arguments.posonlyargs or arguments.args).pop(0)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    signature = f"{node.name}({ast.unparse(arguments)}){returns}"
    return directive_text(directive, signature, [markdown(ast.get_docstring(node) or "")], fence=fence)


def class_(node: ast.ClassDef, lines: list[str]) -> str:
    """A class: its own arguments, its fields with the comment beside each, its methods that have a docstring."""
    inits = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    signature = node.name
    if inits:
        inits[0].args.args.pop(0)
        signature += f"({ast.unparse(inits[0].args)})"
    body = [markdown(ast.get_docstring(node) or "")]
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and is_public(item.target.id):
            options = [f":type: {ast.unparse(item.annotation)}"]
            options += [f":value: {ast.unparse(item.value)}"] if item.value else []
            comment = lines[(item.end_lineno or 1) - 1][item.end_col_offset :].partition("#")[2].strip()
            body.append(directive_text("py:attribute", item.target.id, [escape(comment)], options, fence=4))
        elif isinstance(item, Function) and is_public(item.name) and (ast.get_docstring(item) or is_property(item)):
            body.append(method(item))
    return directive_text("py:class", signature, body, fence=5)


def marks_of(node: Function) -> set[str]:
    return {ast.unparse(mark).split("(")[0] for mark in node.decorator_list}


def is_property(node: Function) -> bool:
    return bool({"property", "cached_property"} & marks_of(node))


def method(node: Function) -> str:
    if is_property(node):
        options = [f":type: {ast.unparse(node.returns)}"] if node.returns else []
        return directive_text("py:property", node.name, [markdown(ast.get_docstring(node) or "")], options, fence=4)
    static = "staticmethod" in marks_of(node)
    directive = "py:staticmethod" if static else "py:classmethod" if "classmethod" in marks_of(node) else "py:method"
    return function(node, directive, fence=4, skip_first=not static)


def directive_text(name: str, argument: str, body: Iterable[str], options: Iterable[str] = (), *, fence: int) -> str:
    content = "\n\n".join(piece for piece in body if piece)
    return "\n".join(["`" * fence + f"{{{name}}} {argument}", *options, "", content, "`" * fence])


def markdown(docstring: str) -> str:
    """A docstring as Markdown: doctests and indented blocks as code, `Raises:` and its like as lists.

    >>> print(markdown("Half of a*b, as in `a*b`."))
    Half of a\\*b, as in `a*b`.
    """
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(docstring)) if docstring else []
    return "\n\n".join(paragraph(text) for text in paragraphs)


def paragraph(text: str) -> str:
    first, *rest = text.split("\n")
    if SECTION.fullmatch(first):
        entries = re.sub(r"\n {8,}", " ", "\n".join(rest))
        return f"**{first}**\n\n" + "\n".join(f"- {escape(entry.strip())}" for entry in entries.split("\n") if entry)
    if first.lstrip().startswith(">>>"):
        return f"```pycon\n{textwrap.dedent(text)}\n```"
    if first.startswith("    "):
        return f"```text\n{textwrap.dedent(text)}\n```"
    return escape(text)


def escape(text: str) -> str:
    """Text with Markdown's marks taken literally, but for `code`."""
    return "".join(piece if piece.startswith("`") else MARKUP.sub(r"\\\1", piece) for piece in CODE_SPAN.split(text))
