"""A class's own inputs: the seeds in a hidden test, replaced by numbers that follow from a secret.

Hidden tests are public with this course, so their inputs must not be: with a secret each class and each student gets
other random inputs, the same at every run. Only seeds that are written as whole numbers in the call that takes them are
replaced; inputs that are written out stay. Left out: seeds inside f-strings.
"""

import ast
import hashlib
import hmac
from collections.abc import Iterator

SEEDED = {"manual_seed", "seed", "Random", "default_rng"}  # torch, Python's random, NumPy: what the call is named


def with_secret(source: str, secret: bytes, where: str) -> str:
    """The test with other seeds, and nothing else changed: no line moves. Without a secret the test as it is.

    Apply it to the test as it is written, once: seeds are replaced whatever number they hold. `where` is what the seeds
    shall differ by, besides the number that is replaced: the student and the grade_id.

    Raises:
        SyntaxError: the source is no Python.
    """
    if not secret:
        return source
    lines = source.encode().splitlines(keepends=True)  # bytes, because the positions are counted in them
    for literal in sorted(seeds(source), key=lambda node: (node.lineno, node.col_offset), reverse=True):
        line = lines[literal.lineno - 1]
        number = str(seed(secret, f"{where}\n{literal.value!r}")).encode()
        lines[literal.lineno - 1] = line[: literal.col_offset] + number + line[literal.end_col_offset :]
    return b"".join(lines).decode()


def seeds(source: str) -> list[ast.Constant]:
    """The whole numbers in a source that seed a generator.

    >>> [literal.value for literal in seeds("rng = random.Random(7); torch.manual_seed(1_000); round(2)")]
    [7, 1000]
    """
    found = []
    for call in _calls(ast.parse(source)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "seed")]
        if name in SEEDED:
            found += [node for node in given if isinstance(node, ast.Constant) and type(node.value) is int]
    return found


def seed(secret: bytes, what: str) -> int:
    """A number below 2**31, which every generator takes."""
    digest = hmac.digest(secret, what.encode(), hashlib.sha256)
    return int.from_bytes(digest[:4]) >> 1


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Every call below a node. Positions inside f-strings are wrong before Python 3.12."""
    if isinstance(node, ast.Call):
        yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.JoinedStr):
            yield from _calls(child)
