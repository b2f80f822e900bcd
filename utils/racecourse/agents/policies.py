"""Who makes an agent's proposals: a script, a small model that can only write valid calls, a server, a vote of several.

A policy takes a question, the steps so far and the tools, and returns a `Proposal`. The small model's calls are held to
a form (see constrained.py): even 135 million parameters call tools that exist with arguments that fit. Whether they are
the right ones is another matter. `SearchThenRead` leaves it nothing to choose but the words of its answer. A model
behind a server (endpoint.py) is free and has to be good. Two policies know nothing, `Copying` and `Guessing`: a task
set on which they score measures something else. Left out: policies that learn from their runs.
"""

from __future__ import annotations

import functools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from racecourse.agents.constrained import Form, Reader, Writer
from racecourse.agents.endpoint import Endpoint, EndpointError
from racecourse.agents.gaia import NOT_OF_A_NUMBER, PUNCTUATION, SEPARATORS, as_number, letters
from racecourse.agents.loop import Agent, Proposal, Step, Transcript
from racecourse.agents.tools import MOST_OBSERVED, Tool, bounded, signature, without_markers

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer

__all__ = [
    "Copying",
    "Endpoint",
    "EndpointError",
    "Guessing",
    "Scripted",
    "SearchThenRead",
    "SmallModel",
    "best_of_n",
    "grounded",
    "highest",
    "majority",
]

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


# --------------------------------------------------------------------------------------------------- forms of an answer

AnswerForm = Literal["number", "date", "time", "words"]
# For each form what a whole answer looks like, and what every beginning of one does. `38.` is a number and a full stop.
SHAPES: dict[AnswerForm, tuple[re.Pattern[str], re.Pattern[str]]] = {
    "number": (re.compile(r"-?\d+\.?\d*"), re.compile(r"-?|-?\d{1,7}(\.\d{0,3})?")),
    "date": (re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d{0,4}|\d{4}-\d{0,2}|\d{4}-\d\d-\d{0,2}")),
    "time": (re.compile(r"\d\d:\d\d"), re.compile(r"\d{0,2}|\d\d:\d{0,2}")),
    "words": (re.compile(r"\S.*"), re.compile(r"(\w.{0,79})?")),
}


def parts_of(question: str) -> tuple[str, str]:
    """The question itself, and its last sentence if that says how to answer.

    >>> parts_of("How high is the tower? Answer with a number and nothing else.")
    ('How high is the tower?', 'Answer with a number and nothing else.')
    """
    asked, answer, how = question.rpartition("Answer ")
    return (asked.strip(), answer + how) if asked else (question, "")


def form_of(question: str) -> AnswerForm:
    """Which form the question asks for; words, unless it says one number, one date or one time.

    >>> form_of("When was it? Answer as YYYY-MM-DD."), form_of("Who won? Answer as: name, number.")
    ('date', 'words')
    """
    how = parts_of(question)[1]
    if how.startswith("Answer as:") or "separated" in how:  # several elements
        return "words"
    if "YYYY-MM-DD" in how or "HH:MM" in how:
        return "date" if "YYYY" in how else "time"
    return "number" if re.match(r"Answer (in \w+ )?(as a|with a|with the) (number|year)\b", how) else "words"


# ------------------------------------------------------------------------------------------------ two that know nothing


@dataclass(frozen=True)
class Copying:
    """Answers with the question: a task set on which that scores gives its answers away."""

    def __call__(self, question: str, steps: list[Step], tools: Sequence[Tool]) -> Proposal:
        return Proposal(answer=question)


@dataclass(frozen=True)
class Guessing:
    """Answers with a number, date, time or word from anywhere in the documents, whichever the question asks for.

    The same for the same seed and question.
    """

    seed: int = 0

    def with_seed(self, seed: int) -> Guessing:
        return replace(self, seed=seed)

    def __call__(self, question: str, steps: list[Step], tools: Sequence[Tool]) -> Proposal:
        return Proposal(answer=random.Random(f"{self.seed} {question}").choice(guesses(form_of(question))))


@functools.cache
def guesses(form: AnswerForm) -> list[str]:
    """All that has the form, each once; names of two words are in it beside single words."""
    from racecourse.agents.documents import documents

    pattern = {"words": r"[A-Z][\w']+(?: [A-Z][\w']+)?|[a-z]{3,}", "number": r"\d+(?:\.\d+)?"}
    find = pattern.get(form) or SHAPES[form][0].pattern
    return sorted({found for paper in documents() for found in re.findall(rf"(?<![\w.:-])(?:{find})\b", paper.text)})


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


# ------------------------------------------------------------------------------------------------- a workflow around it

READING = "Answer the question from the passages. Answer with a number or a few words and nothing else."
OPENING = "The answer is:"  # printed for the model: else its first words are these, or the question once more
MOST_ASKED = 200  # characters that the tool `search` takes


@dataclass(frozen=True)
class SearchThenRead:
    """A fixed workflow: search for the question's words, then let the small model answer once from what was found.

    The model chooses nothing but its answer, and that has the form that the question asks for. Eleven variants, with
    examples, with more or less text, with answers held to what was found, were tried on the first ten tasks of level 1:
    each got one of them right or none, so the simplest was kept.
    """

    name: str = "smollm2-135m-instruct"
    temperature: float = 0.0
    seed: int = 0

    def with_seed(self, seed: int) -> SearchThenRead:
        return replace(self, seed=seed)

    def __call__(self, question: str, steps: list[Step], tools: Sequence[Tool]) -> Proposal:
        if not steps:
            asked, _ = parts_of(question)
            return Proposal(thought="search for the question", tool="search", arguments={"query": asked[:MOST_ASKED]})
        reader = loaded(self.name)
        talk = [
            {"role": "system", "content": READING},
            {"role": "user", "content": without_markers(f"{steps[-1].observation}\n\nQuestion: {question}")},
        ]
        prompt = reader.tokenizer.encode(reader.tokenizer.chat(talk) + OPENING)
        writer = Writer(reader, prompt, temperature=self.temperature, seed=self.seed)
        answer = write_answer(writer, form_of(question))
        return Proposal(answer=answer, n_tokens=len(writer.ids) - len(prompt))


def write_answer(writer: Writer, form: AnswerForm) -> str:
    """An answer of the form, behind a space. Once whole, it ends where the model wants to write anything else."""
    whole, beginning = SHAPES[form]
    vocabulary, text = writer.reader.vocabulary, ""
    anything = range(len(vocabulary.length_V))
    while True:
        longer = {i: text + piece for i, piece in vocabulary.text_of.items()}
        goes_on = {i for i, new in longer.items() if new.startswith(" ") and beginning.fullmatch(new[1:])}
        chosen = writer.choose(anything if whole.fullmatch(text[1:]) else goes_on)
        if chosen not in goes_on:
            return text.strip(" .")
        text += writer.append_token(chosen)


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


def grounded(run: Transcript) -> float:
    """A verifier that knows no truth: 0.5 for the form that the question asks for, up to 0.5 for what was found.

    The second half is the share of the answer's elements (between commas) that stand in an observation and not in the
    question. A calculated answer stands there only if a tool calculated it: a model's mental arithmetic earns nothing.
    0 without an answer.
    """
    if run.answer is None:
        return 0.0
    seen = "\n".join(step.observation for step in run.steps if not step.is_error)
    elements = [element.strip() for element in SEPARATORS.split(run.answer)]
    found = [stands_in(element, seen) and not stands_in(element, run.question) for element in elements]
    has_form = SHAPES[form_of(run.question)][0].fullmatch(run.answer) is not None
    return 0.5 * has_form + 0.5 * sum(found) / len(found)


def stands_in(element: str, text: str) -> bool:
    """Whether text holds an element as whole words or as a number of its own, not as a part of a longer one.

    >>> stands_in("17", "they ran 17.5 s"), stands_in("hollow harbour", "Hollow Harbour, 2nd"), stands_in("", "a, b")
    (False, True, False)
    """
    return bool(element) and re.search(rf"(?<![\w.]){re.escape(element)}(?!\w|\.\w)", text, re.IGNORECASE) is not None


def normal(answer: str) -> str | float:
    """The same for answers that GAIA's scorer takes as one: as a number, else without space, case and punctuation.

    >>> normal("$1,700"), normal("St. Petersburg")
    (1700.0, 'stpetersburg')
    """
    number = as_number(answer.translate(NOT_OF_A_NUMBER))
    if number is not None and math.isfinite(number):
        return number
    return letters(answer).translate(PUNCTUATION)
