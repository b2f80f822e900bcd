"""The agent: a model proposes, a tool acts, the model reads what came of it; until it answers or the budget is spent.

A policy is whatever makes proposals: a script, a small model, a server (see policies.py). What it got wrong, a tool
that does not exist or an argument that does not fit, comes back to it as an observation, like any result. A run is
data: it can be stored after every step, read again, and continued by the same call that began it. Left out: several
tools at once, plans, a memory across questions, and agents that call agents.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from racecourse.agents.tools import Tool, ToolError, call

Ending = Literal["answered", "steps", "tokens", "seconds", "policy failed"]


@dataclass(frozen=True)
class Budget:
    """What a run may cost. It is looked at between steps, so the last step may go beyond tokens and seconds."""

    steps: int = 10  # proposals, the answer among them
    tokens: int = 4096  # written by the model, over all steps
    seconds: float = 120.0  # a tool that runs code gets no more than what is left

    def __post_init__(self) -> None:
        if min(self.steps, self.tokens, self.seconds) <= 0:
            raise ValueError(f"{self} leaves no room for a single step; every limit has to be above 0")

    def exceeded(self, *, steps: int, tokens: int, seconds: float) -> Ending | None:
        """The first limit that is reached, None while all have room."""
        if steps >= self.steps:
            return "steps"
        if tokens >= self.tokens:
            return "tokens"
        return "seconds" if seconds >= self.seconds else None


@dataclass(frozen=True)
class Proposal:
    """What a model wants next: to call a tool, or to answer."""

    thought: str = ""
    tool: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    answer: str | None = None
    n_tokens: int = 0  # that the model wrote for it

    def __post_init__(self) -> None:
        if (self.tool is None) == (self.answer is None):
            raise ValueError(f"a proposal names a tool or gives an answer, and not both: {self}")


@dataclass(frozen=True)
class Step:
    """A tool's call and what came of it."""

    thought: str
    tool: str
    arguments: dict[str, Any]
    observation: str
    is_error: bool  # the observation says why the tool did not do it
    n_tokens: int
    seconds: float  # of model and tool


@dataclass(frozen=True)
class Transcript:
    """A whole run, whatever its end."""

    question: str
    steps: list[Step]
    answer: str | None  # None, unless `ended` is "answered"
    ended: Ending
    n_tokens: int
    seconds: float
    error: str = ""  # of the policy, where that ended the run

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Transcript:
        fields = json.loads(text)
        return cls(**fields | {"steps": [Step(**step) for step in fields["steps"]]})


Policy = Callable[[str, list[Step], Sequence[Tool]], Proposal]


@dataclass(frozen=True)
class Agent:
    """A policy with tools and a budget."""

    policy: Policy
    tools: Sequence[Tool]
    budget: Budget = Budget()

    def run(
        self, question: str, steps: Sequence[Step] = (), on_step: Callable[[Step], None] | None = None
    ) -> Transcript:
        """Work on a question until it is answered or a limit is reached.

        `steps` of an earlier run are not repeated: the policy goes on after them, and what they cost counts.
        `on_step` is called after each new step, with it. An error of the policy ends the run and stands in the
        transcript; one of `on_step` is raised.
        """
        steps = list(steps)
        n_tokens = sum(step.n_tokens for step in steps)
        began = time.monotonic() - sum(step.seconds for step in steps)
        answer, error = None, ""
        while not (ended := self.budget.exceeded(steps=len(steps), tokens=n_tokens, seconds=time.monotonic() - began)):
            step_began = time.monotonic()
            try:
                proposal = self.policy(question, list(steps), self.tools)
                if not isinstance(proposal, Proposal):
                    raise TypeError(f"the policy returned {proposal!r}, which is no Proposal")
            except Exception as problem:  # a model, a server, a learner's code: whatever it is, the steps are kept
                ended, error = "policy failed", f"{type(problem).__name__}: {problem}"
                break
            n_tokens += proposal.n_tokens
            if proposal.answer is not None:
                ended, answer = "answered", proposal.answer
                break
            assert proposal.tool is not None  # one of the two is there
            seconds_left = max(0.0, self.budget.seconds - (time.monotonic() - began))
            try:
                observation, is_error = call(self.tools, proposal.tool, proposal.arguments, seconds=seconds_left), False
            except ToolError as problem:
                observation, is_error = str(problem), True
            seconds = time.monotonic() - step_began
            steps.append(Step(proposal.thought, proposal.tool, proposal.arguments, observation, is_error,
                              proposal.n_tokens, seconds))  # fmt: skip
            if on_step is not None:
                on_step(steps[-1])
        return Transcript(question, steps, answer, ended, n_tokens, time.monotonic() - began, error)
