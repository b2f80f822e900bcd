"""Problems whose answers can be checked, made by a formula, as many as are wanted.

Whether a problem is for training or for testing hangs on a checksum of the problem itself: whoever draws it, with
whatever seed, the same problem is always on the same side. `ReasoningGym` borrows the
problems in words.
"""

from __future__ import annotations

import itertools
import random
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from racecourse.reasoning import verifiers

TEST_SHARE = 10  # one problem in ten is for testing only


@dataclass(frozen=True)
class Problem:
    """What is asked, and what the verifier has to know."""

    prompt: str
    answer: str  # one right answer; there may be others, which the task's reward accepts
    key: str = ""  # problems with equal keys are the same one in another wording; the prompt, if empty
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_test(self) -> bool:
        return zlib.crc32((self.key or self.prompt).encode()) % TEST_SHARE == 0


class Task(Protocol):
    """A kind of problem, with its verifier."""

    def draw(self, rng: random.Random) -> Problem:
        """Any problem of this kind."""

    def reward(self, problem: Problem, completion: str) -> float:
        """How good a model's text after the prompt is, 0 to 1. Never raises, whatever the text."""


def problems(task: Task, n: int, *, split: str = "train", seed: int = 0) -> list[Problem]:
    """`n` problems of one split; those for testing are all different.

    Raises:
        ValueError: an unknown split, or the task has fewer test problems than that.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split={split!r}: use 'train' or 'test'")
    if n == 0:
        return []
    found: dict[str, Problem] = {}
    drawn: list[Problem] = []
    for problem in _stream(task, split, seed, most=1000 * n + 10_000):
        if split == "train":
            drawn.append(problem)
        else:
            found.setdefault(problem.key or problem.prompt, problem)
        if len(drawn) + len(found) == n:
            return drawn or list(found.values())
    raise ValueError(f"{task} has no {n} different problems for split={split!r}; found {len(drawn) + len(found)}")


def _stream(task: Task, split: str, seed: int, most: int) -> Iterator[Problem]:
    rng = random.Random(f"{split} {seed}")
    for _ in range(most):
        problem = task.draw(rng)
        if problem.is_test == (split == "test"):
            yield problem


@dataclass(frozen=True)
class ChainedArithmetic:
    """`3+5-2=`: one digit after another is added or subtracted, and the last digit of the result is asked for.

    A text is answered by '#' and a digit. What stands before the '#' is the model's own business: thinking, if it
    likes. Written out, the thinking is the last digit of every intermediate result.
    """

    n_operands: tuple[int, int] = (6, 6)  # fewest and most

    def __post_init__(self) -> None:
        if not 2 <= self.n_operands[0] <= self.n_operands[1]:
            raise ValueError(f"n_operands={self.n_operands}: two at least, and the fewest first")

    def draw(self, rng: random.Random) -> Problem:
        n = rng.randint(*self.n_operands)
        prompt = str(rng.randrange(10)) + "".join(rng.choice("+-") + str(rng.randrange(10)) for _ in range(n - 1)) + "="
        return Problem(prompt, running_digits(prompt)[-1])

    def reward(self, problem: Problem, completion: str) -> float:
        """1 for a text that ends in '#' and the right digit; the first '#' counts."""
        return verifiers.exact(verifiers.after(completion, "#"), problem.answer)


def running_digits(prompt: str) -> str:
    """The last digit of every intermediate result, after the second operand, the third, and so on.

    >>> running_digits("3+5-9=")  # 8, then -1, whose last digit modulo 10 is 9
    '89'
    """
    terms = [int(term) for term in re.findall(r"[+-]?\d", prompt)]
    total, digits = terms[0], ""
    for term in terms[1:]:
        total = (total + term) % 10
        digits += str(total)
    return digits


@dataclass(frozen=True)
class Countdown:
    """`3,7,2:13=`: write an expression that uses each number once and gives the target; '#' stands before it.

    Several expressions may be right, and finding one takes search. Numbers and all results on the way are between 0
    and `largest_result`, so that a small model can do the sums. With `most_ways` a target is one that so few of all
    ways of joining the numbers reach (3+7 and 7+3 are two ways): the hard problems.
    """

    n_numbers: int = 3
    largest: int = 15
    largest_result: int = 99
    most_ways: int | None = None

    def draw(self, rng: random.Random) -> Problem:
        targets: list[int] = []
        while not targets:
            numbers = [rng.randint(1, self.largest) for _ in range(self.n_numbers)]
            ways = all_steps(numbers, self.largest_result)
            targets = [t for t in sorted(ways) if self.most_ways is None or len(ways[t]) <= self.most_ways]
        # Every target that can be reached is as likely as any other: if random operations chose it, to add all numbers
        # up would be right one time in six, and a model would learn that instead of searching.
        target = rng.choice(targets)
        key = ",".join(map(str, sorted(numbers))) + f":{target}"
        prompt = ",".join(map(str, numbers)) + f":{target}="
        return Problem(prompt, written(ways[target][0]), key, {"numbers": numbers, "target": target})

    def reward(self, problem: Problem, completion: str) -> float:
        """1 for a text whose part behind the first '#' is a right expression."""
        return verifiers.expression(verifiers.after(completion, "#"), problem.data["numbers"], problem.data["target"])


@dataclass(frozen=True)
class Largest:
    """`3,7,2,5=`: the largest digit is asked for, behind '#'. Nothing to work out: the small models' everyday task."""

    n_digits: int = 4

    def draw(self, rng: random.Random) -> Problem:
        digits = rng.choices("0123456789", k=self.n_digits)
        return Problem(",".join(digits) + "=", max(digits))

    def reward(self, problem: Problem, completion: str) -> float:
        """1 for a text that ends in '#' and the right digit; the first '#' counts."""
        return verifiers.exact(verifiers.after(completion, "#"), problem.answer)


@dataclass(frozen=True)
class Mixture:
    """Problems of several tasks, each as likely as the others; every one is judged by its own task."""

    tasks: tuple[Task, ...]

    def draw(self, rng: random.Random) -> Problem:
        i = rng.randrange(len(self.tasks))
        problem = self.tasks[i].draw(rng)
        return replace(problem, data={**problem.data, "task": i})

    def reward(self, problem: Problem, completion: str) -> float:
        """The reward of the task that the problem came from."""
        return self.tasks[problem.data["task"]].reward(problem, completion)


@dataclass(frozen=True)
class ReasoningGym:
    """Any dataset of the library reasoning-gym, by name: "chain_sum", "countdown", "gsm_symbolic" and a hundred more.

    Its own scorer judges what follows the first `mark`, or the whole text where there is no mark to look for.

    Raises:
        ImportError: the library is not installed: pip install 'racecourse[verify]'.
        ValueError: it has no dataset of that name, or not these settings.
    """

    name: str
    settings: tuple[tuple[str, Any], ...] = ()  # such as (("max_terms", 3),)
    mark: str = ""

    def __post_init__(self) -> None:
        try:
            self._dataset(0)
        except ModuleNotFoundError:
            raise ImportError("ReasoningGym needs reasoning-gym: pip install 'racecourse[verify]'") from None
        except (ValueError, TypeError, AssertionError) as problem:
            raise ValueError(f"reasoning-gym's {self.name!r} with {dict(self.settings)}: {problem}") from None

    def draw(self, rng: random.Random) -> Problem:
        entry = self._dataset(rng.randrange(2**31))[0]
        return Problem(entry["question"], str(entry["answer"]), data={"entry": entry})

    def reward(self, problem: Problem, completion: str) -> float:
        answer = verifiers.after(completion, self.mark) if self.mark else completion
        try:
            score = self._dataset(0).score_answer(answer=answer and answer.strip(), entry=problem.data["entry"])
        except Exception:  # not our code: its scorers parse text that a model wrote, each in its own way
            return 0.0
        return min(max(float(score), 0.0), 1.0)

    def _dataset(self, seed: int) -> Any:
        import reasoning_gym

        return reasoning_gym.create_dataset(self.name, seed=seed, size=1, **dict(self.settings))


class Calculation(NamedTuple):
    """One operation of two numbers."""

    left: int
    operator: str
    right: int
    result: int


def all_steps(numbers: Sequence[int], largest_result: int) -> dict[int, list[list[Calculation]]]:
    """Every result of joining the numbers one after another, in any order, each with all ways to get there."""
    ways: dict[int, list[list[Calculation]]] = {}
    for first, *others in sorted(set(itertools.permutations(numbers))):
        for operators in itertools.product("+-*", repeat=len(others)):
            steps = join(first, others, operators, largest_result)
            if steps is not None:
                ways.setdefault(steps[-1].result, []).append(steps)
    return ways


def random_steps(numbers: Sequence[int], largest_result: int, rng: random.Random) -> list[Calculation] | None:
    """Join the numbers in random order, one after another, by random operations; None if a result is out of range."""
    first, *others = rng.sample(list(numbers), len(numbers))
    return join(first, others, rng.choices("+-*", k=len(others)), largest_result)


def join(first: int, others: Sequence[int], operators: Sequence[str], largest_result: int) -> list[Calculation] | None:
    """`first` and `others` joined from the left; None if a result is below 0 or above `largest_result`."""
    steps, total = [], first
    for other, operator in zip(others, operators, strict=True):
        result = {"+": total + other, "-": total - other, "*": total * other}[operator]
        if not 0 <= result <= largest_result:
            return None
        steps.append(Calculation(total, operator, other, result))
        total = result
    return steps


def written(steps: Sequence[Calculation]) -> str:
    """The steps as one expression.

    >>> written([Calculation(3, "+", 2, 5), Calculation(5, "*", 7, 35)])
    '(3+2)*7'
    """
    text = str(steps[0].left)
    for i, step in enumerate(steps):
        text = f"({text})" if i else text
        text += step.operator + str(step.right)
    return text
