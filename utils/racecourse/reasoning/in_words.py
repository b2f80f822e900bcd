"""Our tasks as a chat model is asked them: in words, through its own chat template, with an answer in its own manner.

A text has one answer: what follows its last '#', which the question asks for. A text without '#' is read as people
read it: what follows its last '=', ':', 'is' or `\\boxed{`. What stands there has to be the answer and nothing else,
but for a full stop, blanks and Markdown's stars. So no text is right for two problems: all ten digits in a row are no
number and earn nothing, and of `# 1 # 2 # 3` only the 3 counts. Left out: units, numbers in words, other languages.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace

from racecourse.models.tokenizer import Tokenizer
from racecourse.reasoning import verifiers
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, Problem

ANSWER_MARKS = r"=|:|\bis\b|\\boxed\{"


@dataclass(frozen=True)
class InWords:
    """A task whose problems are questions to a chat model. The same problems are for testing as in the task itself."""

    task: ChainedArithmetic | Countdown
    tokenizer: Tokenizer

    def draw(self, rng: random.Random) -> Problem:
        problem = self.task.draw(rng)
        question, answer = (sum_in_words if isinstance(self.task, ChainedArithmetic) else countdown_in_words)(problem)
        prompt = self.tokenizer.chat([{"role": "user", "content": question}])
        return replace(problem, prompt=prompt, answer=answer, key=problem.key or problem.prompt)

    def reward(self, problem: Problem, completion: str) -> float:
        """1 for the right answer: the sum, or a right expression behind '#' (`# (7-3)*2 = 8` is one, too)."""
        answer = final_answer(completion)
        if isinstance(self.task, ChainedArithmetic):
            return verifiers.number(answer, problem.answer)
        if "#" not in completion or answer is None:
            return 0.0
        return verifiers.expression(answer.partition("=")[0], problem.data["numbers"], problem.data["target"])


def sum_in_words(problem: Problem) -> tuple[str, str]:
    """`3+5-9=` as a question, and its answer: the result itself, not its last digit."""
    terms = re.findall(r"[+-]?\d", problem.prompt)
    spaced = re.sub(r"([+-])", r" \1 ", problem.prompt.rstrip("="))
    return f"Work out {spaced} step by step. Then write # and the result.", str(sum(map(int, terms)))


def countdown_in_words(problem: Problem) -> tuple[str, str]:
    *others, last = map(str, problem.data["numbers"])
    question = (
        f"Use each of the numbers {', '.join(others)} and {last} exactly once, with + - * and brackets, to make "
        f"{problem.data['target']}. Think step by step. Then write # and the expression."
    )
    return question, problem.answer


def final_answer(text: str) -> str | None:
    """The answer that a text ends in; None where it gives none.

    >>> final_answer("3 + 5 = 8, and 8 - 9 is **-1**."), final_answer("#### 7"), final_answer("0 1 2 3 4 5 6 7 8 9")
    ('-1', '7', None)
    """
    parts = re.split("#" if "#" in text else ANSWER_MARKS, text[-verifiers.LONGEST :])
    if len(parts) == 1:
        return None
    return re.sub(r"\\[)\]]", "", parts[-1]).strip(" \n*$.}")  # LaTeX ends a formula with \) or \]
