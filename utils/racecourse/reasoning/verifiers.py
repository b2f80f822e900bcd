"""Rewards that a rule can give: is this text a right answer? A verifier never raises, whatever a model wrote.

`expression` and `number` read text with parsers of their own; nothing is ever given to `eval`. `passes_tests` runs a
model's program in a sandbox, `equivalent` asks the library math-verify in a process that can be killed. Left out:
reward models.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from racecourse.machine.sandbox import run_untrusted

LONGEST = 10_000  # characters that a verifier looks at: a longer text is no answer
DEEPEST = 50  # brackets within brackets


def exact(answer: str | None, truth: str) -> float:
    """1 if the answer, without blanks around it, is the truth; 0 otherwise and for None."""
    return float(answer is not None and answer.strip() == truth)


def after(text: str, mark: str) -> str | None:
    """What follows the first `mark`; None where there is none."""
    _, found, rest = text.partition(mark)
    return rest if found else None


def number(answer: str | None, truth: float | str | Fraction, tolerance: float = 0.0) -> float:
    """1 if the answer is a number within `tolerance` of the truth: `1,234.50`, `$3`, `-7/2`, `2e3`, `5 %` (0.05).

    Texts that hold more than one number, infinities and words are no number.
    """
    found = None if answer is None else as_number(answer)
    if found is None:
        return 0.0
    return float(abs(found - Fraction(truth)) <= Fraction(tolerance))


def as_number(text: str) -> Fraction | None:
    """The one number that a text is; None for anything else.

    >>> as_number(" 1,234.5 "), as_number("-7/2"), as_number("7 or 8")
    (Fraction(2469, 2), Fraction(-7, 2), None)
    """
    if len(text) > 400:  # python refuses to read more than 4,300 digits, and the pattern takes the square of the length
        return None
    text = text.strip().lstrip("$€£").replace("\u2212", "-")
    match = re.fullmatch(
        r"([+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)(?:\s*/\s*(\d+))?\s*(%?)",
        text, re.ASCII,
    )  # fmt: skip
    if match is None:
        return None
    top, bottom, percent = match.groups()
    try:
        value = Fraction(Decimal(top.replace(",", "")))
        return value / int(bottom or 1) / (100 if percent else 1)
    except (InvalidOperation, ZeroDivisionError):
        return None


def layout(text: str, pattern: str) -> float:
    """1 if the whole text has the form of a regular expression (a format reward says nothing about right or wrong)."""
    return float(len(text) <= LONGEST and re.fullmatch(pattern, text, re.DOTALL) is not None)


def expression(text: str | None, numbers: Sequence[int], target: int) -> float:
    """1 if the text is arithmetic that gives `target` and uses every one of `numbers` once, and no other number.

    Allowed are whole numbers, + - * /, round brackets and blanks; a fraction in between is exact.

    >>> expression("(7-3)*2", [2, 3, 7], 8), expression("7+3-2", [2, 3, 7], 8), expression("8", [2, 3, 7], 8)
    (1.0, 1.0, 0.0)
    """
    if text is None or len(text) > LONGEST:
        return 0.0
    tokens = re.findall(r"\d+|\S", text, re.ASCII)
    if any(len(token) > 9 for token in tokens) or any(
        token not in "+-*/()" and not token.isdigit() for token in tokens
    ):
        return 0.0
    if Counter(int(token) for token in tokens if token.isascii() and token.isdigit()) != Counter(numbers):
        return 0.0
    try:
        value, rest = _sum(tokens, 0)
    except (ValueError, ZeroDivisionError):
        return 0.0
    return float(not rest and value == target)


def _sum(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    """Products joined by + and -, from the left; what remains of the tokens."""
    value, rest = _product(tokens, depth)
    while rest and rest[0] in "+-":
        right, after_right = _product(rest[1:], depth)
        value, rest = (value + right if rest[0] == "+" else value - right), after_right
    return value, rest


def _product(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    value, rest = _factor(tokens, depth)
    while rest and rest[0] in "*/":
        right, after_right = _factor(rest[1:], depth)
        value, rest = (value * right if rest[0] == "*" else value / right), after_right
    return value, rest


def _factor(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    """A number, or a sum in brackets.

    Raises:
        ValueError: something else stands there.
    """
    if tokens and tokens[0].isdigit():
        return Fraction(int(tokens[0])), tokens[1:]
    if not tokens or tokens[0] != "(" or depth == DEEPEST:
        raise ValueError("no number and no bracket")
    value, rest = _sum(tokens[1:], depth + 1)
    if not rest or rest[0] != ")":
        raise ValueError("a bracket is not closed")
    return value, rest[1:]


FENCED = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)```", re.DOTALL)


def code_block(text: str) -> str | None:
    """The last fenced block of Python in a text, as chat models write it; None where there is none."""
    blocks = FENCED.findall(text[:LONGEST])
    return blocks[-1] if blocks else None


def passes_tests(
    code: str | None, function: str, cases: Sequence[tuple[Sequence[Any], Any]], *, seconds: float = 2.0
) -> float:
    """1 if the function that `code` defines gives the expected result for every (arguments, expected) of `cases`.

    Arguments and results are what JSON can hold (a tuple comes back as a list). The code runs in a process of its own,
    see `run_untrusted`, for `seconds` in all. What is expected never goes there: whatever the code prints, patches or
    fakes, it has to know the results to be right.
    """
    if code is None or not function.isidentifier():
        return 0.0
    arguments = json.dumps([list(args) for args, _ in cases])
    program = f"{code}\nimport json\nprint()\nprint(json.dumps([{function}(*a) for a in json.loads({arguments!r})]))\n"
    outcome = run_untrusted(program, seconds=seconds)
    if outcome.status != "ok":
        return 0.0
    try:
        results = json.loads(outcome.stdout.rstrip("\n").rpartition("\n")[2])
        return float(results == json.loads(json.dumps([expected for _, expected in cases])))
    except (ValueError, RecursionError):
        return 0.0


def equivalent(answer: str | None, truth: str, *, seconds: float = 10.0) -> float:
    """1 if two formulas mean the same, by the library math-verify: `1/2`, `0.5`, and LaTeX, most safely between $.

    Its answer comes from a process that is killed after `seconds`: 9**9**9**9 keeps a computer algebra system busy for
    ever. The first call waits some seconds for that process.

    Raises:
        ImportError: math-verify and loky are not installed: pip install 'racecourse[verify]'.
    """
    try:
        import loky
        import math_verify  # noqa: F401
    except ImportError:
        raise ImportError("equivalent() needs math-verify and loky: pip install 'racecourse[verify]'") from None
    if answer is None or len(answer) > 1000:
        return 0.0
    executor = loky.get_reusable_executor(max_workers=1, timeout=300)
    try:
        return float(executor.submit(_equivalent, answer, truth).result(seconds))
    except Exception:  # out of time, out of memory, or an error of the parser: all of them mean no
        executor.shutdown(wait=True, kill_workers=True)
        return 0.0


def _equivalent(answer: str, truth: str) -> bool:
    """In the worker. Gold comes first: the library's verdict is not symmetric."""
    from math_verify import parse, verify

    gold, given = (parse(text, parsing_timeout=None) for text in (truth, answer))
    return bool(verify(gold, given, timeout_seconds=None))
