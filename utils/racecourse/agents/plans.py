"""The way to each offline task's answer, through the agent's own tools: the ceiling of what the tools allow.

data/plans.toml holds the calls, as a person who knows the documents would make them. A plan does not know its answer:
that is taken from the last observation. Left out: any choice; a plan whose documents change fails.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence

from racecourse.agents.documents import DATA, offline_tasks
from racecourse.agents.loop import Proposal, Step
from racecourse.agents.policies import Plan


def offline_plans() -> dict[str, Plan]:
    """For each question of the offline tasks its plan, for `Scripted`."""
    plans = tomllib.loads((DATA / "plans.toml").read_text(encoding="utf-8"))
    return {task.question: follow(**plans[task.task_id]) for task in offline_tasks()}


def follow(calls: Sequence[dict], answer: str = "") -> Callable[[list[Step]], Proposal]:
    """A plan that makes these calls, each a tool's name, its arguments and perhaps a thought, and then answers."""
    proposals = []
    for call in calls:
        arguments = {key: value for key, value in call.items() if key not in ("tool", "thought")}
        proposals.append(Proposal(thought=call.get("thought", ""), tool=call["tool"], arguments=arguments))

    def plan(steps: list[Step]) -> Proposal:
        if len(steps) < len(proposals):
            return proposals[len(steps)]
        return Proposal(answer=answer_in(steps[-1], answer))

    return plan


def answer_in(step: Step, pattern: str = "") -> str:
    """The lines of an observation with commas between them, or what a pattern's group finds there first.

    Raises:
        ValueError: the call failed, or the pattern finds nothing.
    """
    if step.is_error:
        raise ValueError(f"the plan's last call failed: {step.observation}")
    if not pattern:
        return ", ".join(step.observation.splitlines())
    found = re.search(pattern, step.observation)
    if found is None:
        raise ValueError(f"the plan looks for {pattern!r} and finds it nowhere in the last observation")
    return found[1]
