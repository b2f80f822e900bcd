"""Models that think before they answer: tasks with verifiers, many samples and long thoughts, reinforcement learning.

Everything is imported when it is first asked for; most of it needs torch.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ChainedArithmetic": "tasks",
    "Countdown": "tasks",
    "Problem": "tasks",
    "ReasoningGym": "tasks",
    "Task": "tasks",
    "problems": "tasks",
    "best_of_n": "sampling",
    "majority_vote": "sampling",
    "pass_at_k": "sampling",
    "sample_texts": "sampling",
    "sample_with_budget": "sampling",
    "GRPOConfig": "grpo",
    "group_advantages": "grpo",
    "grpo_loss": "grpo",
    "judge_on": "evaluation",
    "train_grpo": "grpo",
}
__all__ = [
    "ChainedArithmetic",
    "Countdown",
    "GRPOConfig",
    "Problem",
    "ReasoningGym",
    "Task",
    "best_of_n",
    "group_advantages",
    "grpo_loss",
    "judge_on",
    "majority_vote",
    "pass_at_k",
    "problems",
    "sample_texts",
    "sample_with_budget",
    "train_grpo",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
