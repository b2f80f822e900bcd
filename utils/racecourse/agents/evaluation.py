"""How well a policy does: right answers of each level by GAIA's rule, with tokens, seconds and calls.

`recorded_scores` holds what the course measured on all offline tasks; benchmarks/agents.py made the file. Left out:
several runs of one task (`best_of_n` and `pass_at_k` are elsewhere) and what a score's uncertainty is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from racecourse.agents.documents import DATA
from racecourse.agents.gaia import Task, accuracy
from racecourse.agents.loop import Transcript


@dataclass(frozen=True)
class Score:
    """What a policy did on some tasks, and what it cost."""

    policy: str
    right: dict[int, tuple[int, int]]  # level -> right answers, tasks
    n_tokens: int  # written by the model, over all tasks
    seconds: float  # over all tasks
    n_steps: int  # calls of tools, over all tasks; of best-of-n, those of the chosen runs
    recorded: str = ""  # where and when, of a score that was recorded

    @property
    def n_right(self) -> int:
        return sum(right for right, _ in self.right.values())

    @property
    def n_tasks(self) -> int:
        return sum(n for _, n in self.right.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as JSON can hold it: levels are texts."""
        return asdict(self) | {"right": {str(level): list(counts) for level, counts in self.right.items()}}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Score:
        right = {int(level): (right, n) for level, (right, n) in fields["right"].items()}
        return cls(**dict(fields) | {"right": right})


def score(
    name: str,
    run: Callable[[str], Transcript],
    tasks: Sequence[Task],
    *,
    on_task: Callable[[Task, Transcript], None] | None = None,
) -> Score:
    """Run every task's question (`Agent(...).run`, `best_of_n(...)`) and count; `on_task` sees each run as it ends.

    A run without an answer is wrong, whatever ended it.

    Raises:
        ValueError: no tasks.
    """
    if not tasks:
        raise ValueError("there are no tasks to score: give at least one, such as offline_tasks()")
    runs: dict[str, Transcript] = {}
    for task in tasks:
        runs[task.task_id] = run(task.question)
        if on_task is not None:
            on_task(task, runs[task.task_id])
    answers = {task_id: its.answer for task_id, its in runs.items() if its.answer is not None}
    return Score(
        policy=name, right=accuracy(tasks, answers), n_tokens=sum(its.n_tokens for its in runs.values()),
        seconds=sum(its.seconds for its in runs.values()), n_steps=sum(len(its.steps) for its in runs.values()),
    )  # fmt: skip


def recorded_scores() -> list[Score]:
    """The scores of the course's policies on all offline tasks, with device, date and settings in `recorded`."""
    rows = json.loads((DATA / "scores.json").read_text(encoding="utf-8"))
    return [Score.from_dict(row) for row in rows["scores"]]
