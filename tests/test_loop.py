"""The agent's loop, with policies made for one test each: what it does, what it survives, what it may cost."""

import json
import time

import pytest
from pydantic import BaseModel

from racecourse.agents.loop import Agent, Budget, Proposal, Step, Transcript
from racecourse.agents.tools import MOST_OBSERVED, Tool


class Number(BaseModel):
    n: int


class Clock:
    """Time that passes only when somebody lets it."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def counted():
    """A tool that doubles, and the numbers it was called with."""
    calls: list[int] = []

    def double(arguments: Number) -> str:
        calls.append(arguments.n)
        return str(2 * arguments.n)

    return Tool("double", "", Number, double), calls


def doubling(n_calls: int, n_tokens: int = 7):
    """Doubles what it saw last, beginning with 1, and answers after so many calls."""

    def policy(question, steps, tools):
        seen = int(steps[-1].observation) if steps else 1
        if len(steps) == n_calls:
            return Proposal(answer=str(seen), n_tokens=n_tokens)
        return Proposal(f"{seen} again", "double", {"n": seen}, n_tokens=n_tokens)

    return policy


def test_a_run_worked_by_hand(counted, clock):
    tool, calls = counted
    run = Agent(doubling(3), [tool]).run("how much is 2 to the third?")
    assert calls == [1, 2, 4]
    assert run == Transcript(
        "how much is 2 to the third?",
        [Step(f"{n} again", "double", {"n": n}, str(2 * n), False, 7, 0.0) for n in (1, 2, 4)],
        answer="8", ended="answered", n_tokens=28, seconds=0.0,
    )  # fmt: skip


def test_the_policy_is_given_question_steps_and_tools(counted):
    tool, _ = counted
    seen = []

    def policy(*arguments):
        seen.append(arguments)
        return Proposal(tool="double", arguments={"n": len(seen)}) if len(seen) < 3 else Proposal(answer="")

    run = Agent(policy, [tool]).run("why?")
    assert [(question, tools) for question, _, tools in seen] == [("why?", [tool])] * 3
    assert [steps for _, steps, _ in seen] == [run.steps[:0], run.steps[:1], run.steps[:2]]
    assert run.answer == "" and run.ended == "answered", "an empty answer is an answer"


@pytest.mark.parametrize(("proposal", "says"), [
    (Proposal(tool="treble", arguments={"n": 1}), "there is no tool 'treble'; choose one of: double"),
    (Proposal(tool="double", arguments={"n": "one"}), "double was not run: n: "),
    (Proposal(tool="double"), "double was not run: n: "),
    (Proposal(tool="double", arguments={"n": 10**5000}), "double failed: ValueError"),  # no such string in Python
])  # fmt: skip
def test_a_mistake_is_an_observation_and_the_run_goes_on(counted, proposal, says):
    tool, _ = counted
    proposals = [proposal, Proposal(tool="double", arguments={"n": 4}), Proposal(answer="8")]
    run = Agent(lambda question, steps, tools: proposals[len(steps)], [tool]).run("?")
    assert run.steps[0].observation.startswith(says) and len(run.steps[0].observation) <= MOST_OBSERVED
    assert [step.is_error for step in run.steps] == [True, False] and run.answer == "8"


@pytest.mark.parametrize(("bad", "says"), [
    (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
    (lambda: None, "TypeError: the policy returned None, which is no Proposal"),
    (lambda: Proposal(), "ValueError: a proposal names a tool or gives an answer"),
    (lambda: Proposal(tool="double", answer="8"), "ValueError: a proposal names a tool or gives an answer"),
    (lambda: {}["x"], "KeyError: 'x'"),
])  # fmt: skip
def test_a_policy_that_fails_ends_the_run_and_the_steps_are_kept(counted, bad, says):
    tool, _ = counted

    def policy(question, steps, tools):
        return bad() if len(steps) == 2 else doubling(9)(question, steps, tools)

    run = Agent(policy, [tool]).run("?")
    assert (run.ended, run.answer, len(run.steps), run.n_tokens) == ("policy failed", None, 2, 14)
    assert run.error.startswith(says)


def test_a_policy_cannot_change_the_past(counted):
    tool, _ = counted

    def policy(question, steps, tools):
        proposal = doubling(2)(question, steps, tools)
        steps.clear()
        return proposal

    assert len(Agent(policy, [tool]).run("?").steps) == 2


# Budgets --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("budget", "ended", "n_steps"), [
    (Budget(steps=4), "answered", 3), (Budget(steps=3), "steps", 3), (Budget(steps=1), "steps", 1),
    (Budget(tokens=22), "answered", 3), (Budget(tokens=21), "tokens", 3), (Budget(tokens=15), "tokens", 3),
    (Budget(tokens=14), "tokens", 2), (Budget(tokens=1), "tokens", 1),
    (Budget(seconds=31), "answered", 3), (Budget(seconds=30), "seconds", 3), (Budget(seconds=10), "seconds", 1),
])  # fmt: skip
def test_every_limit_ends_the_run_and_is_named(counted, clock, budget, ended, n_steps):
    """Three calls of 7 tokens and 10 seconds each, then an answer."""
    tool, calls = counted

    def policy(question, steps, tools):
        clock.now += 10 if len(steps) < 3 else 1
        return doubling(3)(question, steps, tools)

    run = Agent(policy, [tool], budget).run("?")
    assert (run.ended, len(run.steps), len(calls)) == (ended, n_steps, n_steps)
    assert (run.answer == "8") is (ended == "answered")
    assert run.n_tokens == 7 * n_steps + 7 * (ended == "answered")
    assert run.seconds == 10 * n_steps + (ended == "answered")


def test_a_timed_tool_is_told_how_long_it_may_take(clock):
    told = []

    def wait(arguments: Number, seconds: float) -> str:
        told.append(seconds)
        clock.now += arguments.n
        return "waited"

    def policy(question, steps, tools):
        clock.now += 3
        return Proposal(tool="wait", arguments={"n": 20})

    run = Agent(policy, [Tool("wait", "", Number, wait, timed=True)], Budget(seconds=48)).run("?")
    assert told == [45.0, 22.0, 0.0] and run.ended == "seconds"
    assert [step.seconds for step in run.steps] == [23.0, 23.0, 23.0] and run.seconds == 69.0


@pytest.mark.parametrize("limits", [{"steps": 0}, {"tokens": -1}, {"seconds": 0.0}])
def test_a_budget_for_nothing_is_refused(limits):
    with pytest.raises(ValueError, match="every limit has to be above 0"):
        Budget(**limits)


# Resuming -------------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """As a process is: nothing is told."""


@pytest.mark.parametrize("n_done", range(5))
def test_a_run_that_was_killed_goes_on_and_repeats_nothing(counted, n_done):
    """Killed as soon as step `n_done` is stored; the whole equals a run that nobody disturbed."""
    tool, calls = counted
    agent = Agent(doubling(5), [tool])
    stored: list[str] = []

    def store(step: Step) -> None:
        stored.append(json.dumps(vars(step)))
        if len(stored) == n_done:
            raise Killed

    if n_done:
        with pytest.raises(Killed):
            agent.run("?", on_step=store)
    before = [Step(**json.loads(line)) for line in stored]
    told: list[Step] = []
    run = agent.run("?", before, told.append)
    assert calls == [1, 2, 4, 8, 16]
    assert run.steps[:n_done] == before and run.steps[n_done:] == told and len(told) == 5 - n_done
    assert (run.answer, run.n_tokens) == ("32", 42)


def test_what_earlier_steps_cost_counts(counted, clock):
    tool, calls = counted
    earlier = [Step("", "double", {"n": 1}, "2", False, 100, 50.0)] * 2
    assert Agent(doubling(9), [tool], Budget(steps=2)).run("?", earlier).ended == "steps"
    assert Agent(doubling(9), [tool], Budget(tokens=200)).run("?", earlier).ended == "tokens"
    assert Agent(doubling(9), [tool], Budget(seconds=100)).run("?", earlier).ended == "seconds"
    assert calls == []
    run = Agent(doubling(2), [tool]).run("?", earlier)
    assert (run.n_tokens, run.seconds, len(earlier)) == (207, 100.0, 2)


def test_an_error_of_on_step_is_raised(counted):
    tool, _ = counted
    with pytest.raises(ZeroDivisionError):
        Agent(doubling(2), [tool]).run("?", on_step=lambda step: 1 / 0)


# Transcripts ----------------------------------------------------------------------------------------------------------


def test_a_transcript_is_data(counted):
    tool, _ = counted
    runs = [
        Agent(doubling(2), [tool]).run("Où? 漢 \U0001f989 \ud800 \x00 \"'\n"),
        Agent(lambda *_: 1 / 0, [tool]).run("?"),
        Agent(doubling(9), [tool], Budget(steps=1)).run("?"),
        Transcript("?", [Step("", "t", {"where": [{"a": 1.5}], "b": None}, "", True, 0, 1e-9)], None, "tokens", 1, 2.5),
    ]
    for run in runs:
        text = run.to_json()
        text.encode("ascii")
        assert Transcript.from_json(text) == run
        assert json.loads(text)["ended"] == run.ended
