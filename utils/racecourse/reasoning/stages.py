"""The published recipes in miniature: QwQ-32B's two stages and DeepSeek-R1's four, on the small base model.

Chains of digits stand for mathematics, the largest of four digits for everything else that a model is asked, and a
thought that holds nothing but digits for one that a person can read. Left out: code, reward models, and whatever the
makers of QwQ did not publish (algorithm, data, sizes).
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from racecourse.reasoning.bases import chain_traces
from racecourse.reasoning.distill import Trace, Traces, accepted_traces
from racecourse.reasoning.evaluation import mean
from racecourse.reasoning.grpo import GRPOConfig, Reward, hash_of, train_grpo
from racecourse.reasoning.sampling import sample_texts
from racecourse.reasoning.tasks import ChainedArithmetic, Largest, Mixture, Problem, Task, problems
from racecourse.scaling.training import TrainConfig, train

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer

CHAINS, LARGEST = ChainedArithmetic(), Largest()
BOTH = Mixture((CHAINS, LARGEST))
CONTEXT = 32  # tokens of a training row


@dataclass(frozen=True)
class Standing:
    """What a model can do after a stage; shares at temperature 1, on held-out problems."""

    recipe: str
    stage: str
    seconds: float  # of training
    chains: float  # right
    length: float  # tokens of an answer to a chain
    readable: float  # share of the answers to chains whose thought is digits only
    largest: float  # right


def is_readable(text: str) -> bool:
    """Whether there is a thought, and it is digits only."""
    thought, found, _ = text.partition("#")
    return bool(found and thought) and thought.isdecimal()


def right_and_readable(problem: Problem, text: str) -> float:
    """R1's second stage: accuracy, and a little for consistent language (arXiv 2501.12948, section 2.3.2)."""
    return CHAINS.reward(problem, text) + 0.2 * is_readable(text)


def stand(recipe: str, stage: str, seconds: float, model: Transformer, tokenizer: Tokenizer) -> Standing:
    """Measure one model on 200 problems of each task, eight samples each."""

    def asked(task: Task) -> tuple[float, float, float]:
        held_out = problems(task, 200, split="test", seed=1)
        drawn = sample_texts(model, tokenizer, [p.prompt for p in held_out], n_samples=8, max_new_tokens=20, seed=1)
        pairs = [(problem, sample) for problem, row in zip(held_out, drawn, strict=True) for sample in row]
        return (
            mean(task.reward(problem, sample.text) for problem, sample in pairs),
            mean(sample.n_tokens for _, sample in pairs),
            mean(is_readable(sample.text) for _, sample in pairs),
        )

    chains, length, readable = asked(CHAINS)
    return Standing(recipe, stage, seconds, chains, length, readable, asked(LARGEST)[0])


def reinforced(
    start: Transformer, tokenizer: Tokenizer, task: Task, n_steps: int, seed: int, reward: Reward | None = None
) -> Transformer:
    """A copy of `start` after GRPO on `task`."""
    model = copy.deepcopy(start)
    config = GRPOConfig(n_steps=n_steps, max_new_tokens=20, seed=seed)
    train_grpo(model, tokenizer, task, config, reward=reward, log=None)
    return model


def tuned(start: Transformer, tokenizer: Tokenizer, traces: list[Trace], n_steps: int, seed: int) -> Transformer:
    """A copy of `start` after supervised learning from `traces`."""
    model = copy.deepcopy(start).requires_grad_(True)
    config = TrainConfig(
        n_steps, 64, learning_rate=5e-4, warmup_steps=min(5, n_steps - 1), weight_decay=0.0, eval_every=n_steps,
        seed=seed,
    )  # fmt: skip
    train(model, Traces(traces, traces[:64], tokenizer, CONTEXT), config, log=None)
    return model.eval().requires_grad_(False)


def qwq(base: Transformer, tokenizer: Tokenizer, *, seed: int = 0, n_steps: int = 60) -> list[Standing]:
    """QwQ-32B's two stages of reinforcement learning from a cold-start checkpoint (Qwen's blog, 6 March 2025).

    The second, on all kinds of tasks, takes "a small amount of steps": a third of the first here.
    """
    line = _Line("QwQ", tokenizer)
    line.add("base, in place of the cold-start checkpoint", lambda: base)
    math = line.add("1 RL, mathematics", lambda: reinforced(base, tokenizer, CHAINS, n_steps, seed))
    line.add("2 RL, everything", lambda: reinforced(math, tokenizer, BOTH, max(1, n_steps // 3), seed + 1))
    return line.standings


def r1(base: Transformer, tokenizer: Tokenizer, *, seed: int = 0, n_steps: int = 60) -> list[Standing]:
    """DeepSeek-R1-Zero, and R1's four stages (arXiv 2501.12948, section 2.3). The third begins with the base again."""
    line = _Line("R1", tokenizer)
    line.add("base", lambda: base)
    line.add("R1-Zero: RL on the base", lambda: reinforced(base, tokenizer, CHAINS, n_steps, seed))
    clean = chain_traces(1000, split="train", p_direct=0.0, p_wait=0.0, p_wrong=0.1, seed=hash_of(seed, 1))
    cold = line.add("1 cold start: SFT on 1,000 thoughts", lambda: tuned(base, tokenizer, clean, n_steps, seed))
    able = line.add(
        "2 RL, mathematics, readable", lambda: reinforced(cold, tokenizer, CHAINS, n_steps, seed, right_and_readable)
    )
    wide = line.add(
        "3 SFT of the base on 2's right answers, and others",
        lambda: tuned(base, tokenizer, chosen_answers(able, tokenizer, seed), 2 * n_steps, seed),
    )
    line.add("4 RL, everything", lambda: reinforced(wide, tokenizer, BOTH, max(1, n_steps // 3), seed + 1))
    return line.standings


def chosen_answers(model: Transformer, tokenizer: Tokenizer, seed: int, n: int = 600) -> list[Trace]:
    """R1's third stage: three parts of the model's own right answers to chains, one part of worked everyday problems.

    R1 had 600 thousand and 200 thousand (section 2.3.3).
    """
    asked = problems(CHAINS, n, seed=hash_of(seed, 3))
    drawn = sample_texts(model, tokenizer, [p.prompt for p in asked], n_samples=2, max_new_tokens=20, seed=seed)
    own = [trace for trace in accepted_traces(CHAINS, asked, drawn) if is_readable(trace.completion)]
    others = problems(LARGEST, len(own) // 3 + 1, seed=hash_of(seed, 4))
    return own + [Trace(problem.prompt, "#" + problem.answer) for problem in others]


class _Line:
    """The stages of one recipe, each timed and measured."""

    def __init__(self, recipe: str, tokenizer: Tokenizer) -> None:
        self.recipe, self.tokenizer, self.standings = recipe, tokenizer, list[Standing]()

    def add(self, stage: str, make) -> Transformer:
        started = time.perf_counter()
        model = make()
        seconds = time.perf_counter() - started
        self.standings.append(stand(self.recipe, stage, seconds, model, self.tokenizer))
        return model
