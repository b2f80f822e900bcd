"""A transcript step by step: choose a run, and how far to look.

The page is HTML, since words are what there is to see. What tools and models wrote is escaped: it is anybody's text.
Without arguments it shows two runs of a script over the course's documents.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from racecourse.learn.widgets.explorer import Choice, Slider, page_explorer

if TYPE_CHECKING:
    from racecourse.agents.loop import Transcript
    from racecourse.learn.widgets.frame import Explorer

MOST_SHOWN = 600  # characters of an observation in the text; the page shows all of it


def transcript_explorer(runs: Mapping[str, Transcript] | None = None) -> Explorer:
    """The explorer. A run of n calls has n + 1 moments: each call with what came of it, and then the end.

    Raises:
        ValueError: no run at all.
    """
    shown = dict(example_runs() if runs is None else runs)
    if not shown:
        raise ValueError("there is no run to show: give at least one transcript with its name")

    def moments(run: str) -> Slider:
        return Slider("Moment", low=1, high=n_moments(shown[run]), value=1)

    def another_run(changed: set[str], values: dict[str, Any]) -> dict[str, Slider]:
        return {"moment": moments(values["run"])} if "run" in changed else {}

    def write(run: str, moment: int) -> tuple[str, str]:
        return page_of(shown[run], moment), sentence(shown[run], moment)

    first = next(iter(shown))
    controls = {"run": Choice("Run", options=list(shown), value=first), "moment": moments(first)}
    return page_explorer("A run, step by step", write, controls, adapt=another_run)


def n_moments(run: Transcript) -> int:
    return len(run.steps) + 1


def moment(run: Transcript, number: int) -> dict[str, str]:
    """What there is to see at moment `number`, counted from 1, by its label."""
    if number <= len(run.steps):
        step = run.steps[number - 1]
        shown = {"thought": step.thought} if step.thought else {}
        shown["call"] = f"{step.tool} {json.dumps(step.arguments, ensure_ascii=False)}"
        shown["error" if step.is_error else "result"] = step.observation
        return shown
    if run.ended == "answered":
        return {"answer": run.answer or ""}
    return {"no answer": run.error or f"the budget of {run.ended} was spent"}


def sentence(run: Transcript, number: int) -> str:
    """Where in the run a moment is, and what it cost."""
    if number <= len(run.steps):
        step = run.steps[number - 1]
        came = "an error" if step.is_error else f"{len(step.observation):,} characters"
        return f"Call {number} of {len(run.steps)}: {step.tool}, which gave {came}; {step.n_tokens} tokens written."
    return f"The end after {len(run.steps)} calls: {run.ended}; {run.n_tokens} tokens written in all."


def page_of(run: Transcript, number: int) -> str:
    """A moment under its question, as an HTML table."""
    rows = {"question": run.question} | moment(run, number)
    body = "".join(f'<tr><th scope="row">{label}</th><td>{html.escape(text)}</td></tr>' for label, text in rows.items())
    return f"<table>{body}</table>"


def transcript_in_words(run: Transcript) -> str:
    """The whole run as text, long observations shortened."""
    from racecourse.agents.tools import bounded

    lines = [f"question: {run.question}"]
    for number in range(1, n_moments(run) + 1):
        for label, text in moment(run, number).items():
            shown = bounded(text, MOST_SHOWN).replace("\n", "\n    ")
            lines.append(f"{number}. {label}: {shown}")
        lines.append(f"   ({sentence(run, number)})")
    return "\n".join(lines)


def example_runs() -> dict[str, Transcript]:
    """Two short runs over the course's documents: one that calculates, and one that misspells a document's name."""
    from racecourse.agents.loop import Agent, Proposal
    from racecourse.agents.policies import Scripted
    from racecourse.agents.tools import standard_tools

    heaps, chase = "How many pounds are seven heaps of oats?", "In which year was the Bellfounders' Chase first run?"
    plans = {
        heaps: [
            Proposal("how much is a heap?", "search", {"query": "heap of oats"}),
            Proposal("34 lb each", "calculator", {"expression": "7 * 34"}),
            Proposal(answer="238"),
        ],
        chase: [
            Proposal("the programme will say", "read", {"name": "programme"}),
            Proposal("that was not its name", "search", {"query": "Bellfounders' Chase first run"}),
            Proposal(answer="1897"),
        ],
    }
    agent = Agent(Scripted(plans), standard_tools())
    return {"a calculation": agent.run(heaps), "a wrong name": agent.run(chase)}
