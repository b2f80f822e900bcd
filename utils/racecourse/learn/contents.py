"""What the course consists of, for whoever has no notebook at hand: titles, minutes, cells, exercises and points.

The list is data, `data/contents.json`, written by `racecourse build` from the built notebooks: with it a kernel
on Colab knows which cell of which notebook it runs. Left out: what a learner has done (learn/progress.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "data/contents.json"


@dataclass(frozen=True)
class Task:
    """One exercise: the points of the check in the notebook, and of the one that runs when the work is graded."""

    title: str
    visible: int
    hidden: int


@dataclass(frozen=True)
class Lesson:
    """A lesson, and the exercise set of the same name."""

    name: str  # 01_transformers
    title: str
    minutes: float  # that the committed run took
    cells: tuple[str, ...]  # `code_id` of the lesson's code cells, in order
    quizzes: tuple[str, ...]
    wants_gpu: bool
    set_title: str
    set_cells: tuple[str, ...]  # of the released set; the learner changes those that are answers
    tasks: Mapping[str, Task]  # by name, in order


def code_id(source: str) -> str:
    """Eight letters for a code cell's text; spaces at its ends do not count."""
    return hashlib.sha256(source.strip().encode()).hexdigest()[:8]


@cache
def contents() -> dict[str, Lesson]:
    """Every lesson by name, in the course's order."""
    return {name: lesson_of(name, found) for name, found in json.loads(FILE.read_text(encoding="utf-8")).items()}


def lesson_of(name: str, found: Mapping[str, Any]) -> Lesson:
    tasks = {task: Task(**fields) for task, fields in found["tasks"].items()}
    lists = {key: tuple(found[key]) for key in ("cells", "quizzes", "set_cells")}
    return Lesson(name, **{**found, **lists, "tasks": tasks})
