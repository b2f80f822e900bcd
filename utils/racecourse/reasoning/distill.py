"""Learning from written answers: worked traces for a first model, and a teacher's own answers for a student.

Supervised fine-tuning is `racecourse.scaling.train` on a corpus of traces: the loss of the next token, on what stands
after the prompt only. Distillation is the same on a teacher's samples, those that the verifier accepts (DeepSeek-R1,
arXiv 2501.12948, section 2.4). Left out: distillation on the teacher's probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch

from racecourse.scaling.corpora import NOT_JUDGED, Batch, generator

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.reasoning.sampling import Sample
    from racecourse.reasoning.tasks import Problem, Task


class Trace(NamedTuple):
    """A prompt and what should be written after it, without the end token."""

    prompt: str
    completion: str


@dataclass
class Traces:
    """A corpus of traces for `racecourse.scaling.train`: rows are padded on the right, only completions are judged.

    A step's rows are drawn at random, with replacement, from `traces`; `held_out` is what is judged by.

    Raises:
        ValueError: no traces, or one that is longer than `context`.
    """

    traces: Sequence[Trace]
    held_out: Sequence[Trace]
    tokenizer: Tokenizer
    context: int

    def __post_init__(self) -> None:
        self.vocab_size = self.tokenizer.vocab_size
        self._train, self._held_out = self._batch(self.traces), self._batch(self.held_out)

    def batch(self, step: int, batch_size: int, seed: int = 0) -> Batch:
        chosen = torch.randint(len(self.traces), (batch_size,), generator=generator(step, seed))
        return Batch(*(tensor[chosen] for tensor in self._train))

    def evaluation(self, n_rows: int) -> Batch:
        return Batch(*(tensor[:n_rows] for tensor in self._held_out))

    def _batch(self, traces: Sequence[Trace]) -> Batch:
        if not traces:
            raise ValueError("there are no traces to learn from: give some, or ask the teacher for more samples")
        end, pad = self.tokenizer.eos_ids[0], self.tokenizer.pad_id
        ids = torch.full((len(traces), self.context + 1), pad)
        targets = torch.full((len(traces), self.context + 1), NOT_JUDGED)
        for row, trace in enumerate(traces):
            prompt = self.tokenizer.encode(trace.prompt)
            whole = [*prompt, *self.tokenizer.encode(trace.completion), end]
            if len(whole) > self.context + 1:
                raise ValueError(f"{trace} has {len(whole)} tokens; context={self.context} takes {self.context + 1}")
            ids[row, : len(whole)] = torch.tensor(whole)
            targets[row, len(prompt) : len(whole)] = torch.tensor(whole[len(prompt) :])
        return Batch(ids[:, :-1].contiguous(), targets[:, 1:].contiguous())


def accepted_traces(task: Task, asked: Sequence[Problem], drawn: Sequence[Sequence[Sample]]) -> list[Trace]:
    """Of the answers `drawn` for each problem, those that ended by themselves and that the verifier finds right."""
    return [
        Trace(problem.prompt, sample.text)
        for problem, samples in zip(asked, drawn, strict=True)
        for sample in samples
        if sample.ended and task.reward(problem, sample.text) == 1
    ]
