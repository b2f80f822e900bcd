"""Rewards that a rule can give: is this text a right answer? A verifier never raises, whatever a model wrote.

`expression` and `number` read text with parsers of their own; nothing is ever given to `eval`. Left out: reward models.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction

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
    text = text[:LONGEST].strip().lstrip("$€£").replace("\u2212", "-")
    match = re.fullmatch(
        r"([+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?|[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)(?:\s*/\s*(\d+))?\s*(%?)",
        text, re.ASCII,
    )  # fmt: skip
    if match is None or len(text) > 400:  # python refuses to read more than 4,300 digits
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
