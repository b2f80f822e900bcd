"""The form of a question: the page sends a choice, the kernel answers with the words to that choice.

The same in ipywidgets 7.7 (Colab) and 8. Importing this file loads ipywidgets; `quiz.py` does so when it shows a form.
"""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from racecourse.learn.quiz import LETTERS, Question, respond
from racecourse.learn.widgets.frame import text_of

VIEW = "application/vnd.jupyter.widget-view+json"


class QuizForm(anywidget.AnyWidget):
    """Radio buttons, or boxes where several answers are right, and what is said to the last choice."""

    _esm = text_of("quiz.js")
    _css = text_of("look.css", "quiz.css")

    text = traitlets.Unicode().tag(sync=True)
    how_many = traitlets.Unicode().tag(sync=True)
    options: traitlets.List[str] = traitlets.List().tag(sync=True)
    several = traitlets.Bool().tag(sync=True)
    # From the page: {"number": of the attempt, "chosen": letters}; and the last attempt that was judged.
    asked = traitlets.Dict().tag(sync=True)
    answered = traitlets.Int().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)

    def __init__(self, question: Question) -> None:
        self.question = question
        options = [f"{letter}. {option.text}" for letter, option in zip(LETTERS, question.options, strict=False)]
        super().__init__(text=question.text, how_many=question.how_many, options=options, several=question.several)

    def bundle(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The view as an output's data and metadata, the same for both versions of ipywidgets."""
        _, metadata = self._repr_mimebundle_() or ({}, {})  # the metadata is Colab's
        return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.model_id}}, metadata

    @traitlets.observe("asked")
    def _answer(self, change: dict[str, Any]) -> None:
        attempt = change["new"]
        try:
            words = respond(self.question, attempt["chosen"])
        except (ValueError, TypeError, KeyError) as refusal:  # the page may send anything
            words = f"Refused: {refusal}"
        with self.hold_sync():
            self.words = words
            if isinstance(attempt.get("number"), int):
                self.answered = attempt["number"]
