"""Work for a job: an agent answers questions over the offline documents, one saved step for each question.

    submit("racecourse.agents.work:answer_tasks", {"policy": "scripted", "tasks": ["seven-heaps", "lanterns"]})

A job's process imports what it runs, so a worker has to stand in a file. Left out: going on in the middle of a
question; one that was interrupted is answered again from its beginning (`Agent.run` could be given its steps).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from racecourse.agents.documents import offline_tasks
from racecourse.agents.gaia import gaia_score
from racecourse.agents.loop import Agent, Budget, Policy
from racecourse.agents.plans import offline_plans
from racecourse.agents.policies import Copying, Guessing, Scripted, SearchThenRead, SmallModel
from racecourse.agents.tools import standard_tools

POLICIES: dict[str, Callable[[], Policy]] = {
    "scripted": lambda: Scripted(offline_plans()),
    "copying": Copying,
    "guessing": lambda: Guessing(seed=0),
    "search, then read": SearchThenRead,
    "small model": SmallModel,
}


def answer_tasks(
    arguments: dict[str, Any], done_steps: list[dict[str, Any]], save: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """A worker for `jobs.submit`: answer the tasks in their order and return how many answers are right.

    Arguments: "policy", a name of POLICIES; "tasks", a list of task ids; "pause_s", seconds to rest before each task,
    for those who want to watch (0 without it); "most_steps", of one answer (10 without it).
    Each step says which task, the answer, whether it is right, its cost, which process made it and when.

    Raises:
        ValueError: a policy or a task that does not exist.
    """
    if arguments["policy"] not in POLICIES:
        raise ValueError(f"there is no policy {arguments['policy']!r}; choose one of: {', '.join(POLICIES)}")
    tasks = {task.task_id: task for task in offline_tasks()}
    if unknown := [name for name in arguments["tasks"] if name not in tasks]:
        raise ValueError(f"there are no offline tasks {unknown}; offline_tasks() lists those that are")
    budget = Budget(steps=arguments.get("most_steps", 10))
    agent = Agent(POLICIES[arguments["policy"]](), standard_tools(), budget)
    n_right = sum(step["right"] for step in done_steps)
    for name in arguments["tasks"][len(done_steps) :]:
        time.sleep(arguments.get("pause_s", 0.0))
        run = agent.run(tasks[name].question)
        right = run.answer is not None and gaia_score(answer=run.answer, truth=tasks[name].answer)
        n_right += right
        save({"task": name, "answer": run.answer, "right": right, "n_steps": len(run.steps), "n_tokens": run.n_tokens}
             | {"process": os.getpid(), "at": time.time()})  # fmt: skip
    return {"n_right": n_right, "n_tasks": len(arguments["tasks"])}
