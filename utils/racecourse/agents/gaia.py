"""GAIA's tasks and its scorer: one question, one short answer, right or wrong.

A rule compares an answer with the truth, no model: numbers as numbers, lists element by element and in order, all else
as letters and digits. It is strict on purpose and easy to trip: `17 km` is wrong where the truth is `17`. The rule is
that of the benchmark's own leaderboard (Mialon et al. 2023, arXiv 2311.12983; its published `scorer.py`), traps
included, so that a score here means what a published one means.

GAIA's questions are not public in the clear, by their authors' wish, and do not come with this course: `read_tasks`
reads the files of whoever has them. Left out: the test split, whose answers nobody outside has.
"""

from __future__ import annotations

import json
import math
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VALIDATION = {1: 53, 2: 86, 3: 26}  # tasks of each level in the validation split, 165 in all

SEPARATORS = re.compile(r"[,;]")
NOT_OF_A_NUMBER = str.maketrans("", "", "$%,")
PUNCTUATION = str.maketrans("", "", string.punctuation)


# --------------------------------------------------------------------------------------------------------- the scorer


def gaia_score(*, answer: str, truth: str) -> bool:
    """Whether an answer counts as right.

    The truth decides how they are compared: as numbers, if it is one; element by element, if it has a comma or a
    semicolon; else as text without space, case and punctuation.

    >>> gaia_score(answer="17 km", truth="17"), gaia_score(answer="17.0", truth="17")
    (False, True)
    >>> gaia_score(answer="Paris; LYON", truth="paris, lyon"), gaia_score(answer="lyon, paris", truth="paris, lyon")
    (True, False)
    >>> gaia_score(answer="1000", truth="1,000")  # a list of 1 and 000
    False
    """
    if (number := as_number(truth)) is not None:
        return without_signs(answer) == number
    if not SEPARATORS.search(truth):
        return letters(answer).translate(PUNCTUATION) == letters(truth).translate(PUNCTUATION)
    ours, theirs = SEPARATORS.split(answer), SEPARATORS.split(truth)
    return len(ours) == len(theirs) and all(same_element(a, t) for a, t in zip(ours, theirs, strict=True))


def same_element(answer: str, truth: str) -> bool:
    """Two elements of lists: numbers as numbers, text with its punctuation."""
    if (number := as_number(truth)) is not None:
        return without_signs(answer) == number
    return letters(answer) == letters(truth)


def as_number(text: str) -> float | None:
    """What Python reads as a number: `1e3`, `1_000`, `inf` and `nan` too. `1,000` and `$5` are none."""
    try:
        return float(text)
    except ValueError:
        return None


def without_signs(answer: str) -> float:
    """The answer's number without `$`, `%` and commas; infinity, if there is none."""
    number = as_number(answer.translate(NOT_OF_A_NUMBER))
    return math.inf if number is None else number


def letters(text: str) -> str:
    return re.sub(r"\s", "", text).lower()


# ----------------------------------------------------------------------------------------- scores that can be, or not


def possible_counts(percent: float, n: int, *, digits: int = 1) -> list[int]:
    """Every k for which k right answers of n are `percent`, printed with so many decimals; none: no such score exists.

    A mean over several runs can be in between, a score of one run cannot.

    >>> possible_counts(57.7, 26), possible_counts(86.5, 53)
    ([15], [])
    """
    half = 0.5 * 10.0**-digits + 1e-9  # either way of rounding a 5
    return [k for k in range(n + 1) if abs(100 * k / n - percent) <= half]


def weighted_mean(percents: Mapping[int, float], n_tasks: Mapping[int, int] = VALIDATION) -> float:
    """The score over all levels that follows from one score per level.

    >>> round(weighted_mean({1: 74.29, 2: 69.06, 3: 47.6}), 2)
    67.36
    """
    return sum(percents[level] * n_tasks[level] for level in percents) / sum(n_tasks[level] for level in percents)


# ---------------------------------------------------------------------------------------------------------- the tasks


@dataclass(frozen=True)
class Task:
    """One question and its answer, with the names that GAIA's metadata use in the comments."""

    task_id: str
    question: str  # Question
    level: int  # Level: 1, 2 or 3
    answer: str  # Final answer
    file_name: str = ""  # of the file that comes with it, empty if none does
    notes: Mapping[str, Any] = field(default_factory=dict)  # Annotator Metadata: steps, tools, number of each


def read_tasks(path: Path | str) -> list[Task]:
    """The tasks of a `metadata.jsonl`, GAIA's own or ours, in its order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a line that is no task, by its number.
    """
    path = Path(path)
    tasks = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            tasks.append(task_of(json.loads(line)))
        except (ValueError, KeyError, TypeError) as problem:
            raise ValueError(f"{path.name}, line {number}, is no task of GAIA's format: {problem!r}") from None
    return tasks


def task_of(row: Mapping[str, Any]) -> Task:
    level = int(row["Level"])  # a number in some copies, a string in others
    if level not in VALIDATION:
        raise ValueError(f"level {level} where {', '.join(map(str, VALIDATION))} exist")
    return Task(
        task_id=str(row["task_id"]), question=str(row["Question"]), level=level, answer=str(row["Final answer"]),
        file_name=str(row.get("file_name") or ""), notes=row.get("Annotator Metadata") or {},
    )  # fmt: skip


def accuracy(tasks: Sequence[Task], answers: Mapping[str, str]) -> dict[int, tuple[int, int]]:
    """Right answers and tasks of each level that occurs; a task without an answer is wrong."""
    levels = sorted({task.level for task in tasks})
    right = {
        task.task_id: task.task_id in answers and gaia_score(answer=answers[task.task_id], truth=task.answer)
        for task in tasks
    }
    return {
        level: (
            sum(right[task.task_id] for task in tasks if task.level == level),
            sum(task.level == level for task in tasks),
        )
        for level in levels
    }
