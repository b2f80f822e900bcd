"""Self-check questions: `quiz("kv-cache")` shows one with a form, `answer("kv-cache", "B")` judges without one.

The questions are data, `data/quizzes/NN_topic.toml`, keyed by name. The kernel judges, so neither notebook nor page
holds an answer: the form (`widgets/quiz_form.py`) learns the words to a choice when that choice is made. One output
carries both the form and the question as text, and whatever shows it takes what it can. Left out: marks. A quiz is for
the learner alone.
"""

import random
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import NamedTuple

from racecourse.learn.progress import record

FOLDER = Path(__file__).parent / "data" / "quizzes"
LETTERS = "ABCDEF"
WIDTH = 100  # of the plain text, in characters


class Option(NamedTuple):
    """One possible answer, and what is said to whoever chooses it."""

    text: str
    feedback: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A question of one lesson. Its options stand in an order that its name decides, not in the file's."""

    name: str
    lesson: str
    text: str
    options: tuple[Option, ...]

    @property
    def right(self) -> str:
        """The letters of the right options."""
        return "".join(letter for letter, option in zip(LETTERS, self.options, strict=False) if option.right)

    @property
    def several(self) -> bool:
        return len(self.right) > 1

    @property
    def how_many(self) -> str:
        return "Several answers are right: choose all of them." if self.several else "One answer is right."


class Judgement(NamedTuple):
    right: bool
    words: str


@cache
def questions() -> dict[str, Question]:
    """Every question, by name; a name that two files use is refused."""
    found: dict[str, Question] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if name in found:
                raise ValueError(f"{path.name}: {name!r} is a question in another file too; rename one")
            options = [Option(**option) for option in table["options"]]
            random.Random(name).shuffle(options)
            found[name] = Question(name, path.stem, table["question"], tuple(options))
    return found


def question(name: str) -> Question:
    if name not in questions():
        raise ValueError(f"no question {name!r}; there are {', '.join(questions())}")
    return questions()[name]


def judge(asked: Question, chosen: Collection[str]) -> Judgement:
    """What to say to a choice, given as letters. Only what was chosen is spoken of.

    Raises:
        ValueError: no letter, one that is no option's, or several where one answer is asked for.
    """
    letters = LETTERS[: len(asked.options)]
    if not chosen or not set(chosen) <= set(letters):
        raise ValueError(f"{''.join(chosen)!r} is no choice; choose from {', '.join(letters)}")
    if len(set(chosen)) > 1 and not asked.several:
        raise ValueError(f"one answer is asked for, and {', '.join(chosen)} are {len(set(chosen))}")
    taken = [(letter, asked.options[letters.index(letter)]) for letter in sorted(set(chosen))]
    wrong = [(letter, option) for letter, option in taken if not option.right]
    right = not wrong and len(taken) == len(asked.right)
    told = taken if right else wrong
    words = [f"{letter}: {option.feedback}" if asked.several else option.feedback for letter, option in told]
    if not right and not wrong:
        words = ["What you chose is right, but there is more."]
    return Judgement(right, " ".join(["Right." if right else "Not yet.", *words]))


def respond(asked: Question, chosen: Collection[str]) -> str:
    """Judge a choice, keep it in the learner's progress, and return the words."""
    judgement = judge(asked, chosen)
    data = {"right": judgement.right, "chosen": "".join(sorted(set(chosen)))}
    record(kind="quiz", notebook=asked.lesson, name=asked.name, data=data)
    return judgement.words


def answer(name: str, choice: str) -> None:
    """Judge an answer without the form: `answer("kv-cache", "B")`, or "A, C" where several are right."""
    print(fill(respond(question(name), [c for c in choice.upper() if c not in " ,"]), WIDTH))


def as_text(asked: Question) -> str:
    """The question for a terminal."""
    lines = [fill(asked.text, WIDTH), asked.how_many, ""]
    for letter, option in zip(LETTERS, asked.options, strict=False):
        lines.append(fill(option.text, WIDTH, initial_indent=f"  {letter}. ", subsequent_indent="     "))
    return "\n".join([*lines, "", f'Answer: answer("{asked.name}", "A")'])


def as_markdown(asked: Question) -> str:
    """The question for pages that show a notebook and cannot run it."""
    lines = [f"**{asked.text}** {asked.how_many}", ""]
    lines += [f"- **{letter}.** {option.text}" for letter, option in zip(LETTERS, asked.options, strict=False)]
    how = f'`from racecourse.learn.quiz import answer`, then `answer("{asked.name}", "A")`'
    return "\n".join([*lines, "", f"In a running notebook you answer here. Without a form: {how}."])


def quiz(name: str) -> None:
    """Show a question with its form; as text where nothing can show a form."""
    asked = question(name)
    if not in_notebook():
        print(as_text(asked))
        return
    from IPython.display import display

    from racecourse.learn.widgets.quiz_form import QuizForm

    data, metadata = QuizForm(asked).bundle()
    # one output: JupyterLab takes the form out of it, GitHub the Markdown, a console the text
    display({**data, "text/plain": as_text(asked), "text/markdown": as_markdown(asked)}, metadata=metadata, raw=True)


def in_notebook() -> bool:
    """Is this a kernel, which may have a page in front of it?"""
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None
