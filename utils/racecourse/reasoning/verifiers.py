"""Rewards that a rule can give: is this text a right answer? A verifier never raises, whatever a model wrote.

`expression` and `number` read text with parsers of their own; nothing is ever given to `eval`. Left out: reward models.
"""

from __future__ import annotations


def exact(answer: str | None, truth: str) -> float:
    """1 if the answer, without blanks around it, is the truth; 0 otherwise and for None."""
    return float(answer is not None and answer.strip() == truth)


def after(text: str, mark: str) -> str | None:
    """What follows the first `mark`; None where there is none."""
    _, found, rest = text.partition(mark)
    return rest if found else None
