"""The plans: right through the tools, with nothing in them that they should find. test_offline_tasks.py is the witness
of the answers."""

import re
import tomllib

import pytest

from racecourse.agents.documents import DATA, offline_tasks
from racecourse.agents.gaia import Task, gaia_score
from racecourse.agents.loop import Agent, Budget, Step, Transcript
from racecourse.agents.plans import answer_in, follow, offline_plans
from racecourse.agents.policies import Scripted
from racecourse.agents.tools import standard_tools

TASKS = offline_tasks()
WRITTEN = tomllib.loads((DATA / "plans.toml").read_text(encoding="utf-8"))
KNOWN = {"12", "16", "60", "100", "220"}  # inches, ounces, minutes, per cent, yards in a furlong
WORDS = {"10": "ten", "11": "eleven"}
by_task = pytest.mark.parametrize("task", TASKS, ids=[task.task_id for task in TASKS])


@pytest.fixture(scope="module")
def runs() -> dict[str, Transcript]:
    agent = Agent(Scripted(offline_plans()), standard_tools(), Budget(steps=10))
    return {task.task_id: agent.run(task.question) for task in TASKS}


@by_task
def test_the_plan_answers_right_and_no_call_fails(task: Task, runs: dict[str, Transcript]) -> None:
    run = runs[task.task_id]
    assert run.ended == "answered", run.error
    assert run.answer is not None and gaia_score(answer=run.answer, truth=task.answer), (run.answer, task.answer)
    assert [step.observation for step in run.steps if step.is_error] == [] and run.n_tokens == 0


@by_task
def test_the_answer_stands_in_the_last_observation_and_nowhere_in_the_plan(
    task: Task, runs: dict[str, Transcript]
) -> None:
    run = runs[task.task_id]
    assert run.answer is not None
    parts = run.answer.split(", ")
    assert all(part in run.steps[-1].observation for part in parts)
    plan = repr(WRITTEN[task.task_id])
    assert not any(part in plan for part in parts if len(part) >= 3)


@by_task
def test_it_finds_a_document_before_it_calculates_and_names_all_that_are_needed(
    task: Task, runs: dict[str, Transcript]
) -> None:
    run, needed = runs[task.task_id], task.notes["Documents"]
    assert run.steps[0].tool == "search"
    seen = "\n".join(step.observation for step in run.steps if step.tool in ("search", "read"))
    used = "\n".join(repr(step.arguments) for step in run.steps if step.tool in ("read", "table", "python"))
    assert any(name in seen for name in needed), "a search has to lead there"
    assert all(name in seen + used for name in needed)


@by_task
def test_numbers_in_an_expression_were_read_above_it(task: Task, runs: dict[str, Transcript]) -> None:
    above = task.question
    for step in runs[task.task_id].steps:
        if step.tool == "calculator":
            for number in re.findall(r"\d[\d.]+", step.arguments["expression"]):
                plain = above.replace(",", "").lower()
                assert number in KNOWN or re.search(rf"(?<!\d){re.escape(number)}(?!\d)|\b{WORDS.get(number)}\b", plain)
        above += "\n" + step.observation


def test_there_is_a_plan_for_each_task_and_for_nothing_else() -> None:
    assert list(WRITTEN) == [task.task_id for task in TASKS] and len(TASKS) == 79
    assert set(offline_plans()) == {task.question for task in TASKS}
    tools = {call["tool"] for plan in WRITTEN.values() for call in plan["calls"]}
    assert tools == {"search", "read", "table", "calculator", "python"}


def test_a_plan_looks_and_does_not_know(tmp_path) -> None:
    """In other documents the same plans find something else."""
    (tmp_path / "horses.csv").write_text("horse,sex,yard\nBramble,mare,Top Barn\nRook,gelding,Top Barn\n")
    (tmp_path / "rules.md").write_text("The quorum of a meeting that changes these rules 17.\n")
    agent = Agent(Scripted(offline_plans()), standard_tools(tmp_path))
    question = {task.task_id: task.question for task in TASKS}
    assert agent.run(question["mares-at-the-top-barn"]).answer == "1"
    assert agent.run(question["quorum-for-a-change-of-rules"]).answer == "17"
    lost = agent.run(question["life-members"])
    assert lost.answer is None and "the plan's last call failed: there is no document 'members.csv'" in lost.error


def observed(text: str, *, is_error: bool = False) -> Step:
    return Step("", "search", {}, text, is_error, 0, 0.0)


def test_an_answer_is_lines_or_what_a_pattern_finds() -> None:
    assert answer_in(observed("Ann Lee\nBo Fry\n")) == "Ann Lee, Bo Fry"
    assert answer_in(observed("a 1\nb 2"), r"b (\d)") == "2"
    with pytest.raises(ValueError, match="finds it nowhere"):
        answer_in(observed("a 1"), r"b (\d)")
    with pytest.raises(ValueError, match="call failed: no such"):
        answer_in(observed("no such", is_error=True))


def test_a_plan_makes_its_calls_in_order_with_their_thoughts() -> None:
    plan = follow([{"tool": "search", "query": "x"}, {"tool": "read", "name": "a.md", "thought": "look"}])
    first, second = plan([]), plan([observed("x")])
    assert (first.tool, first.arguments, first.thought) == ("search", {"query": "x"}, "")
    assert (second.tool, second.arguments, second.thought) == ("read", {"name": "a.md"}, "look")
    assert plan([observed("x"), observed("y")]).answer == "y"
