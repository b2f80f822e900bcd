"""Who makes an agent's proposals: a script, a small model that can only write valid calls, a server, a vote of several.

A policy takes a question, the steps so far and the tools, and returns a `Proposal`. The small model's calls are held to
a form (see constrained.py): even 135 million parameters call tools that exist with arguments that fit. Whether they are
the right ones is another matter. A model behind a server (endpoint.py) is free and has to be good. Left out: policies
that learn from their runs.
"""

from __future__ import annotations

import functools
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from racecourse.agents.constrained import Form, Reader, Writer
from racecourse.agents.endpoint import Endpoint, EndpointError
from racecourse.agents.gaia import NOT_OF_A_NUMBER, PUNCTUATION, as_number, letters
from racecourse.agents.loop import Agent, Proposal, Step, Transcript
from racecourse.agents.tools import MOST_OBSERVED, Tool, bounded, signature, without_markers

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer

__all__ = ["Endpoint", "EndpointError", "Scripted", "SmallModel", "best_of_n", "highest", "majority"]

# ----------------------------------------------------------------------------------------------------------- a script

Plan = Sequence[Proposal] | Callable[[list[Step]], Proposal]


@dataclass(frozen=True)
class Scripted:
    """For each question its proposals in order, or a function that makes the next one from the steps so far."""

    plans: Mapping[str, Plan]

    def __call__(self, question: str, steps: list[Step], tools: Sequence[Tool]) -> Proposal:
        if question not in self.plans:
            raise ValueError(f"the script has no plan for the question {bounded(question, 100)!r}")
        plan = self.plans[question]
        if callable(plan):
            return plan(steps)
        if len(steps) >= len(plan):
            raise ValueError(f"the script ends after {len(plan)} proposals without an answer")
        return plan[len(steps)]


# ------------------------------------------------------------------------------------------------------ a small model

INSTRUCTIONS = """You answer a question with tools. Write one JSON object and nothing else: \
{{"tool": name, "arguments": {{...}}}} to use a tool, or {{"answer": "..."}} as soon as you know the answer. \
Answer with a number or a few words.
Tools:
{tools}"""
MOST_REMEMBERED = 200  # characters of every observation but the last


@dataclass(frozen=True)
class SmallModel:
    """A local model whose every proposal is a valid call or an answer.

    The likeliest token at temperature 0; else drawn, and the same for the same seed, question and steps.
    """

    name: str = "smollm2-135m-instruct"  # whatever racecourse.models.load takes
    temperature: float = 0.0
    seed: int = 0
    most_characters: int = 80  # of a text in a call; a tool may allow less
    most_items: int = 2  # of a list in a call
    most_read: int = 1536  # tokens of the prompt; the oldest steps are left out first

    def with_seed(self, seed: int) -> SmallModel:
        return replace(self, seed=seed)

    def __call__(self, question: str, steps: list[Step], tools: Sequence[Tool]) -> Proposal:
        reader = loaded(self.name)
        prompt = self.prompt(reader.tokenizer, question, steps, tools)
        # steps in the seed: else every step would throw the same dice
        writer = Writer(reader, prompt, temperature=self.temperature, seed=1000 * self.seed + len(steps))
        form = Form(writer, most_characters=self.most_characters, most_items=self.most_items)
        written = json.loads(form.write_call(tools))
        return Proposal(n_tokens=len(writer.ids) - len(prompt), **written)

    def prompt(self, tokenizer: Tokenizer, question: str, steps: Sequence[Step], tools: Sequence[Tool]) -> list[int]:
        """The conversation as ids: the last observation in full, earlier ones shortened, the oldest steps left out."""
        listed = "\n".join(f"- {signature(tool)}: {tool.description}" for tool in tools)
        opening = [
            {"role": "system", "content": INSTRUCTIONS.format(tools=listed)},
            {"role": "user", "content": without_markers(question)},
        ]
        for first in range(len(steps) + 1):
            shown = steps[first:]
            talk = [message for step in shown[:-1] for message in as_talk(step, MOST_REMEMBERED)]
            talk += [message for step in shown[-1:] for message in as_talk(step, MOST_OBSERVED)]
            ids = tokenizer.encode(tokenizer.chat(opening + talk))
            if len(ids) <= self.most_read:
                return ids
        raise ValueError(f"question and tools are {len(ids)} tokens and most_read={self.most_read}: raise it")


def as_talk(step: Step, most: int) -> list[dict[str, str]]:
    """A step as the model's own words and an answer to them, the observation cut to `most` characters."""
    said = json.dumps({"tool": step.tool, "arguments": step.arguments})
    heard = ("Error: " if step.is_error else "Result: ") + bounded(step.observation, most)
    return [
        {"role": "assistant", "content": without_markers(said)},
        {"role": "user", "content": without_markers(heard)},
    ]


@functools.lru_cache(maxsize=1)  # one model in memory
def loaded(name: str) -> Reader:
    from racecourse.models import load

    model, tokenizer = load(name)
    if tokenizer is None:
        raise ValueError(f"{name!r} writes no text, so it can be no agent")
    return Reader(model, tokenizer)


# ------------------------------------------------------------------------------------------------------------- several

Chooser = Callable[[Sequence[Transcript]], Transcript]


def best_of_n(agent: Agent, n: int, choose: Chooser | None = None) -> Callable[[str], Transcript]:
    """A function like `agent.run` that makes n runs, with seeds 0 to n - 1, and keeps the chosen one.

    Its tokens and seconds are those of all n. Without `choose` the majority decides.

    Raises:
        ValueError: n below 1, or a policy whose runs would all be the same: without a seed, or at temperature 0.
    """
    with_seed = getattr(agent.policy, "with_seed", None)
    if n < 1 or with_seed is None or getattr(agent.policy, "temperature", None) == 0:
        raise ValueError(
            f"{n} runs of {agent.policy!r}: n has to be 1 or more, and the policy needs `with_seed` and, where it has "
            "a temperature, one above 0"
        )

    def run(question: str) -> Transcript:
        runs = [replace(agent, policy=with_seed(seed)).run(question) for seed in range(n)]
        chosen = (choose or majority)(runs)
        return replace(chosen, n_tokens=sum(r.n_tokens for r in runs), seconds=sum(r.seconds for r in runs))

    return run


def majority(runs: Sequence[Transcript]) -> Transcript:
    """The first run with the most frequent answer, answers compared as GAIA's scorer does; runs without one abstain."""
    counts = Counter(normal(run.answer) for run in runs if run.answer is not None)
    return max(runs, key=lambda run: 0 if run.answer is None else counts[normal(run.answer)])


def highest(verify: Callable[[Transcript], float]) -> Chooser:
    """Chooses the answered run that a verifier scores highest, the first of those that share it."""
    return lambda runs: max(runs, key=lambda run: -math.inf if run.answer is None else verify(run))


def normal(answer: str) -> str | float:
    """The same for answers that GAIA's scorer takes as one: as a number, else without space, case and punctuation.

    >>> normal("$1,700"), normal("St. Petersburg")
    (1700.0, 'stpetersburg')
    """
    number = as_number(answer.translate(NOT_OF_A_NUMBER))
    if number is not None and math.isfinite(number):
        return number
    return letters(answer).translate(PUNCTUATION)
