"""Spending more tokens on an answer: many samples, a vote, a verifier's choice, a longer or a shorter thought.

Left out: beam search, tree search, and reward models that score single steps.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from racecourse.models.generation import generate_ids

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer

T = TypeVar("T")


def pass_at_k(*, n_samples: int, n_correct: int, k: int) -> float:
    """How likely at least one of k samples is right, estimated without bias from n of which c are (Chen et al. 2021).

    One minus the share of the ways to choose k of the n samples that choose only wrong ones.

    >>> pass_at_k(n_samples=16, n_correct=3, k=4)  # 1 - C(13, 4) / C(16, 4)
    0.6071428571428572

    Raises:
        ValueError: k above n_samples (there is no unbiased estimate), or counts out of range.
    """
    if not 0 <= n_correct <= n_samples:
        raise ValueError(f"n_correct={n_correct} is not between 0 and n_samples={n_samples}")
    if not 1 <= k <= n_samples:
        raise ValueError(f"k={k} is not between 1 and n_samples={n_samples}; draw more samples")
    return 1 - math.comb(n_samples - n_correct, k) / math.comb(n_samples, k)


class Vote(NamedTuple):
    """The outcome of a vote: several winners when there is a tie."""

    winners: tuple[Hashable, ...]  # in the order in which they were first given
    n_votes: int  # of each winner
    n_valid: int  # votes cast, abstentions left out


def majority_vote(answers: Sequence[Hashable | None]) -> Vote:
    """The most frequent answer; None abstains. With ties, all that lead: nothing is decided by order or by luck.

    >>> majority_vote(["4", "7", None, "7", "4"])
    Vote(winners=('4', '7'), n_votes=2, n_valid=4)
    """
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return Vote((), 0, 0)
    most = max(counts.values())
    return Vote(tuple(answer for answer, n in counts.items() if n == most), most, counts.total())


def vote_accuracy(answers: Sequence[Hashable | None], truth: Hashable) -> float:
    """1 if the vote is won by the truth, a half if it shares the lead with one other, and so on.

    This is what a random choice among the winners gets on average.
    """
    winners = majority_vote(answers).winners
    return 1 / len(winners) if truth in winners else 0.0


def best_of_n(candidates: Sequence[T], scores: Sequence[float]) -> T:
    """The candidate with the highest score; the first of those that share it.

    Raises:
        ValueError: no candidates, or not one score for each.
    """
    if not candidates or len(candidates) != len(scores):
        raise ValueError(
            f"{len(candidates)} candidates and {len(scores)} scores: give one score to each, and one at least"
        )
    return candidates[max(range(len(scores)), key=lambda i: scores[i])]


class Sample(NamedTuple):
    """What a model wrote, and what it cost."""

    text: str  # without the end token
    n_tokens: int  # written or forced, the end token included
    ended: bool  # by itself, not by the limit


def sample_texts(
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    n_samples: int = 1,
    max_new_tokens: int = 64,
    temperature: float = 1.0,
    rows_at_once: int = 1024,
    seed: int | None = None,
) -> list[list[Sample]]:
    """`n_samples` continuations of each prompt."""
    rows = [tokenizer.encode(prompt) for prompt in prompts]
    samples: list[Sample] = []
    prompts_at_once = max(1, rows_at_once // n_samples)
    for first in range(0, len(rows), prompts_at_once):
        written = generate_ids(
            model, rows[first : first + prompts_at_once], n_samples=n_samples, max_new_tokens=max_new_tokens,
            temperature=temperature, eos_ids=tokenizer.eos_ids, pad_id=tokenizer.pad_id,
            seed=None if seed is None else seed + first,
        )  # fmt: skip
        samples += [as_sample(tokenizer, ids) for ids in written]
    return [samples[i : i + n_samples] for i in range(0, len(samples), n_samples)]


def as_sample(tokenizer: Tokenizer, ids: Sequence[int]) -> Sample:
    """The text of one row of new ids."""
    ended = bool(ids) and ids[-1] in tokenizer.eos_ids
    return Sample(tokenizer.decode(ids[:-1] if ended else ids), len(ids), ended)


def sample_with_budget(
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    end_of_thinking: str,
    max_thinking: int,
    n_waits: int = 0,
    wait: str = "",
    max_answer_tokens: int = 8,
    temperature: float = 1.0,
    seed: int | None = None,
) -> list[Sample]:
    """Budget forcing (s1, arXiv 2501.19393): thinking is cut after `max_thinking` tokens, or made to go on.

    Each of the first `n_waits` times that the model wants to stop thinking, `wait` is put in the place of
    `end_of_thinking`, one token of the tokenizer. When the thinking is over, by itself or by force, `end_of_thinking`
    is written and the model answers. Every call reads the text so far again; left out: keeping the cache between calls.

    Raises:
        ValueError: `end_of_thinking` is not one token, or waits are asked for without a text for them.
    """
    end = tokenizer.encode(end_of_thinking)
    if len(end) != 1:
        raise ValueError(f"end_of_thinking={end_of_thinking!r} is {len(end)} tokens; it has to be one")
    if n_waits and not wait:
        raise ValueError(f"n_waits={n_waits} needs a text to write instead of {end_of_thinking!r}: set wait")
    starts = [tokenizer.encode(prompt) for prompt in prompts]
    thoughts: list[list[int]] = [[] for _ in prompts]
    stops = sorted({*end, *tokenizer.eos_ids})
    for attempt in range(n_waits + 1):
        rows = [row for row, thought in enumerate(thoughts) if len(thought) < max_thinking]
        new = generate_ids(
            model, [starts[row] + thoughts[row] for row in rows], temperature=temperature,
            max_new_tokens=max((max_thinking - len(thoughts[row]) for row in rows), default=0),
            eos_ids=stops, pad_id=tokenizer.pad_id, seed=None if seed is None else seed + 1 + attempt,
        )  # fmt: skip
        for row, ids in zip(rows, new, strict=True):
            thought = thoughts[row] + (ids[:-1] if ids[-1] in stops else ids)
            if ids[-1] in stops and attempt < n_waits:
                thought += tokenizer.encode(wait)
            thoughts[row] = thought[:max_thinking]
    written = [thought + end for thought in thoughts]
    answers = generate_ids(
        model, [start + ids for start, ids in zip(starts, written, strict=True)], max_new_tokens=max_answer_tokens,
        temperature=temperature, eos_ids=tokenizer.eos_ids, pad_id=tokenizer.pad_id, seed=seed,
    )  # fmt: skip
    return [as_sample(tokenizer, ids + answer) for ids, answer in zip(written, answers, strict=True)]
