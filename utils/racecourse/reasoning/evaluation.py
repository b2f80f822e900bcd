"""How good a policy is on held-out problems: sampled, greedy, without thinking, and with many tries.

All numbers come from the task's own verifier, whatever reward the policy was trained on. The same problems are asked
every time: two evaluations differ by the policy and by sampling alone. Left out: confidence intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from racecourse.reasoning.sampling import Sample, pass_at_k, sample_texts
from racecourse.reasoning.tasks import Problem, Task, problems

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer


@dataclass
class Evaluation:
    """How the policy does on held-out problems."""

    step: int  # of the training run
    accuracy: float  # mean reward at temperature 1
    greedy: float  # at temperature 0
    length: float  # tokens per answer at temperature 1
    pass_at_8: float
    direct: float | None  # mean reward at temperature 1 if the answer has to come at once; None if not asked for
    examples: list[list[str]]  # prompt and answer, a few


def judge_on(
    task: Task,
    tokenizer: Tokenizer,
    *,
    n_problems: int = 200,
    n_samples: int = 16,
    max_new_tokens: int = 16,
    answer_mark: str = "",
    rows_at_once: int = 1024,
    seed: int = 1,
) -> Callable[[Transformer], Evaluation]:
    """A judge for `train_grpo`: always the same held-out problems.

    `answer_mark` is what an answer begins with. If it is given, it is also written for the model behind each prompt, so
    that there is no place left to think in.
    """
    held_out = problems(task, n_problems, split="test", seed=seed)
    prompts = [problem.prompt for problem in held_out]

    def judge(model: Transformer) -> Evaluation:
        model.eval()
        limits = {"max_new_tokens": max_new_tokens, "rows_at_once": rows_at_once}
        drawn = sample_texts(model, tokenizer, prompts, n_samples=n_samples, seed=seed, **limits)
        greedy = sample_texts(model, tokenizer, prompts, temperature=0.0, **limits)
        rewards = [rewards_of(task, problem, row) for problem, row in zip(held_out, drawn, strict=True)]
        direct = None
        if answer_mark:
            forced = [prompt + answer_mark for prompt in prompts]
            hasty = sample_texts(model, tokenizer, forced, n_samples=n_samples, seed=seed, **limits)
            direct = mean(mean(rewards_of(task, p, row, answer_mark)) for p, row in zip(held_out, hasty, strict=True))
        return Evaluation(
            step=0,
            accuracy=mean(map(mean, rewards)),
            greedy=mean(rewards_of(task, p, row)[0] for p, row in zip(held_out, greedy, strict=True)),
            length=mean(sample.n_tokens for row in drawn for sample in row),
            pass_at_8=pass_curve(rewards, [min(8, n_samples)])[0],
            direct=direct,
            examples=[[prompt, row[0].text] for prompt, row in zip(prompts[:3], drawn, strict=False)],
        )

    return judge


def sampled_rewards(
    model: Transformer, tokenizer: Tokenizer, task: Task, held_out: Sequence[Problem], *, n_samples: int,
    max_new_tokens: int = 16, seed: int = 2,
) -> list[list[float]]:  # fmt: skip
    """The rewards of `n_samples` answers at temperature 1 to each problem."""
    drawn = sample_texts(
        model, tokenizer, [problem.prompt for problem in held_out], n_samples=n_samples, max_new_tokens=max_new_tokens,
        seed=seed,
    )  # fmt: skip
    return [rewards_of(task, problem, row) for problem, row in zip(held_out, drawn, strict=True)]


def pass_curve(rewards: Sequence[Sequence[float]], ks: Sequence[int]) -> list[float]:
    """pass@k for each k: the mean over problems of the unbiased estimate. Right is a reward of 1.

    >>> pass_curve([[1.0, 0.0], [0.0, 0.0]], [1, 2])
    [0.25, 0.5]
    """
    return [
        mean(pass_at_k(n_samples=len(row), n_correct=sum(reward == 1 for reward in row), k=k) for row in rewards)
        for k in ks
    ]


def rewards_of(task: Task, problem: Problem, samples: Sequence[Sample], written_for: str = "") -> list[float]:
    """The task's rewards; `written_for` is what stands before the samples' texts."""
    return [task.reward(problem, written_for + sample.text) for sample in samples]


def mean(values: Iterable[float]) -> float:
    """The mean; 0.0 for nothing."""
    found = list(values)
    return sum(found) / len(found) if found else 0.0
