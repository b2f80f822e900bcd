"""How many of the offline tasks each policy answers, with tokens and seconds: about a quarter of an hour.

    OMP_NUM_THREADS=1 python benchmarks/agents.py [--runs FILE] [--tasks N] [--record DEVICE]

With `--record` the scores become those of lesson 08, in utils/racecourse/agents/data/scores.json. With `--runs` every
run is appended to a file as it ends, and a run that stands there is not made again: a recording that was interrupted
goes on where it was. Seconds are those of the processor, child processes included, so that other work on the machine
counts little. The three runs of best-of-3 follow each other, so the prompt is read once for all of them.
Left out: models behind a server; those answer in their own time.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

from racecourse.agents import Agent, Budget, Task, Transcript, gaia_score, offline_tasks, standard_tools
from racecourse.agents.documents import DATA
from racecourse.agents.evaluation import Score, score
from racecourse.agents.plans import offline_plans
from racecourse.agents.policies import (
    Copying,
    Guessing,
    Scripted,
    SearchThenRead,
    SmallModel,
    grounded,
    highest,
    loaded,
    majority,
)

GUESSES = 100  # seeds of the policy that guesses
DICE = SearchThenRead(temperature=0.7)
Runs = dict[tuple[str, str], Transcript]  # by policy and task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, help="a file for the runs, so that they can go on another time")
    parser.add_argument("--tasks", type=int, help="only the first so many")
    parser.add_argument("--record", metavar="DEVICE", help="write scores.json; DEVICE says what this machine is")
    options = parser.parse_args()
    if options.record and options.tasks:
        parser.error("what is recorded is all tasks: leave --tasks out")
    tasks = offline_tasks()[: options.tasks]
    runs = make_runs(tasks, options.runs)
    scores = scored(tasks, runs)
    for its in scores:
        print(f"{its.policy}: {its.n_right} of {its.n_tasks}, {its.right}, {its.n_tokens} tokens, {its.seconds:.0f} s")
    if options.record:
        note = f"{options.record}, {date.today()}; seconds of CPU time; the agent had at most 4 steps"
        text = as_text(
            [replace(its, seconds=round(its.seconds, 2), recorded=note) for its in scores], tasks, runs, options.record
        )
        (DATA / "scores.json").write_text(text, encoding="utf-8")


def make_runs(tasks: Sequence[Task], path: Path | None) -> Runs:
    """All policies on all tasks, those that cost little first."""
    tools = standard_tools()
    dice = {f"search, then read, seed {seed}": Agent(DICE.with_seed(seed), tools) for seed in range(3)}
    rounds: list[dict[str, Agent]] = [
        {"scripted": Agent(Scripted(offline_plans()), tools)},
        {"copying": Agent(Copying(), tools)},
        {"guessing": Agent(Guessing(), tools)},
        {"search, then read": Agent(SearchThenRead(), tools)},
        dice,
        {"small model, agent": Agent(SmallModel(), tools, Budget(steps=4))},
    ]
    lines = path.read_text(encoding="utf-8").splitlines() if path and path.exists() else []
    runs = {
        (row["policy"], row["task"]): Transcript.from_json(json.dumps(row["run"])) for row in map(json.loads, lines)
    }
    loaded(DICE.name)  # the model is loaded once, outside of every run's time
    with path.open("a", encoding="utf-8") if path else nullcontext() as file:
        for agents in rounds:
            for task, (name, agent) in itertools.product(tasks, agents.items()):
                if (name, task.task_id) in runs:
                    continue
                began = cpu_seconds()
                run = replace(agent.run(task.question), seconds=cpu_seconds() - began)
                runs[name, task.task_id] = run
                if file:
                    file.write(json.dumps({"policy": name, "task": task.task_id, "run": asdict(run)}) + "\n")
                    file.flush()
    return runs


def cpu_seconds() -> float:
    """Of this process and the children that have ended: the tool `python` works in those."""
    return sum(os.times()[:4])


def scored(tasks: Sequence[Task], runs: Runs) -> list[Score]:
    """A score for each policy, and for three ways to choose among the runs with dice."""
    task_of = {task.question: task for task in tasks}

    def kept(policy: str) -> Callable[[str], Transcript]:
        return lambda question: runs[policy, task_of[question].task_id]

    def best_of_three(choose: Callable[[str, Sequence[Transcript]], Transcript]) -> Callable[[str], Transcript]:
        def run(question: str) -> Transcript:
            three = [kept(f"search, then read, seed {seed}")(question) for seed in range(3)]
            return replace(choose(question, three), n_tokens=sum(its.n_tokens for its in three),
                           seconds=sum(its.seconds for its in three))  # fmt: skip

        return run

    def right_if_any(question: str, three: Sequence[Transcript]) -> Transcript:
        truth = task_of[question].answer
        return max(three, key=lambda run: run.answer is not None and gaia_score(answer=run.answer, truth=truth))

    single = ["scripted", "copying", "guessing", "small model, agent", "search, then read"]
    several = {
        "best of 3, majority": lambda _, three: majority(three),
        "best of 3, verifier": lambda _, three: highest(grounded)(three),
        "pass@3: any of the 3": right_if_any,
    }
    scores = [score(name, kept(name), tasks) for name in single]
    return scores + [score(name, best_of_three(choose), tasks) for name, choose in several.items()]


def as_text(scores: Sequence[Score], tasks: Sequence[Task], runs: Runs, device: str) -> str:
    """JSON with a line for each score and for the answers of each policy with a model."""
    by_seed = [score("", Agent(Guessing(seed), ()).run, tasks).n_right for seed in range(GUESSES)]
    answers: dict[str, dict[str, str | None]] = {policy: {} for (policy, _), run in runs.items() if run.n_tokens}
    for policy, task_id in runs:
        if policy in answers:
            answers[policy][task_id] = runs[policy, task_id].answer
    rows = ",\n".join(f"  {json.dumps(its.to_dict())}" for its in scores)
    kept = ",\n".join(f"  {json.dumps(name)}: {json.dumps(theirs)}" for name, theirs in answers.items())
    head = f'"device": {json.dumps(device)}, "date": "{date.today()}", "guessing_right_by_seed": {json.dumps(by_seed)}'
    return f'{{{head},\n"scores": [\n{rows}\n],\n"answers": {{\n{kept}\n}}}}\n'


if __name__ == "__main__":
    main()
