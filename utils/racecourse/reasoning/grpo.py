"""Group relative policy optimisation, piece by piece: REINFORCE, advantages, clipping, KL, masks, and the loop.

For every prompt the model writes a group of answers; a verifier scores them; an answer that is better than its group's
mean becomes likelier, one that is worse less likely (DeepSeekMath, arXiv 2402.03300). There is no critic. Options give
the choices of Dr. GRPO (arXiv 2503.20783) and DAPO (arXiv 2503.14476). Left out: several GPUs (train_trl.py does that),
rollouts by another engine than ours, and rewards for single steps of a thought.

Shape legend: P prompts, G samples of each (a group), B = P * G rows, T tokens of the completion, V vocabulary.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from racecourse.models.generation import generate_ids, pad_left
from racecourse.reasoning.sampling import Sample, as_sample, draw, pass_at_k
from racecourse.reasoning.tasks import Problem, Task, problems

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer


def group_advantages(
    rewards_PG: Float[Tensor, "P G"], scale_by_std: bool = True, eps: float = 1e-4
) -> Float[Tensor, "P G"]:
    """How much better each answer is than the mean of its own group.

    Divided by the group's standard deviation in GRPO, not divided in Dr. GRPO, which found that the division gives
    most weight to the easiest and the hardest prompts. The deviation is that of a sample (G - 1), as in TRL.

    >>> group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0]]))
    tensor([[ 0.8659, -0.8659, -0.8659,  0.8659]])
    """
    advantages_PG = rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
    if scale_by_std:
        advantages_PG = advantages_PG / (rewards_PG.std(dim=1, keepdim=True) + eps)
    return advantages_PG


def has_signal(rewards_PG: Float[Tensor, "P G"]) -> Bool[Tensor, "P"]:
    """Groups that teach something: where all rewards are equal, every advantage is zero (DAPO, section 3.2)."""
    return (rewards_PG != rewards_PG[:, :1]).any(dim=1)


def reduce_loss(
    per_token_BT: Float[Tensor, "B T"], mask_BT: Bool[Tensor, "B T"], normalise: str, max_tokens: int | None = None
) -> Float[Tensor, ""]:
    """One number of all tokens' losses; only tokens that the model wrote itself count.

    "sequence" is the mean over each row, then over rows (GRPO): a token of a long answer counts less. "token" is the
    mean over all tokens (DAPO): a long answer counts more. "constant" divides every row's sum by `max_tokens` (Dr. GRPO):
    neither does.

    Raises:
        ValueError: an unknown choice, or "constant" without `max_tokens`.
    """
    kept_BT = per_token_BT * mask_BT
    if normalise == "sequence":
        return (kept_BT.sum(1) / mask_BT.sum(1).clamp(min=1)).mean()
    if normalise == "token":
        return kept_BT.sum() / mask_BT.sum().clamp(min=1)
    if normalise == "constant":
        if max_tokens is None:
            raise ValueError("normalise='constant' divides by max_tokens: give it")
        return kept_BT.sum(1).mean() / max_tokens
    raise ValueError(f"normalise={normalise!r}: use 'sequence', 'token' or 'constant'")


def reinforce_loss(
    logprobs_BT: Float[Tensor, "B T"], returns_B: Float[Tensor, "B"], mask_BT: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Minus the return times the log-probability of the whole row, the mean over rows (Williams 1992).

    Its gradient is the policy gradient. Any number that does not depend on the row's own tokens may be subtracted from
    its return (a baseline): the gradient's mean stays the same, its noise shrinks.
    """
    return -(returns_B * (logprobs_BT * mask_BT).sum(1)).mean()


def kl_k1(logprobs_BT: Float[Tensor, "B T"], ref_logprobs_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """log p - log ref per token: its mean under p is KL(p || ref), but single values may be negative (Schulman 2020)."""
    return logprobs_BT - ref_logprobs_BT


def kl_k3(logprobs_BT: Float[Tensor, "B T"], ref_logprobs_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """ref / p - 1 - log(ref / p): the same mean under p, never negative, and mostly less noise (Schulman 2020)."""
    log_ratio_BT = ref_logprobs_BT - logprobs_BT
    return log_ratio_BT.exp() - 1 - log_ratio_BT


def clipped_objective(
    ratio_BT: Float[Tensor, "B T"], advantages_B: Float[Tensor, "B"], clip_low: float, clip_high: float
) -> Float[Tensor, "B T"]:
    """The smaller of ratio * A and clipped ratio * A (PPO, arXiv 1707.06347, equation 7).

    What has already moved beyond the clip in the wanted direction gets no gradient; what has moved the wrong way does.
    """
    advantages_B1 = advantages_B[:, None]
    clipped_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    return torch.minimum(ratio_BT * advantages_B1, clipped_BT * advantages_B1)


def grpo_loss(
    logprobs_BT: Float[Tensor, "B T"],
    old_logprobs_BT: Float[Tensor, "B T"],
    advantages_B: Float[Tensor, "B"],
    mask_BT: Bool[Tensor, "B T"],
    *,
    ref_logprobs_BT: Float[Tensor, "B T"] | None = None,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    kl_weight: float = 0.0,
    normalise: str = "sequence",
    max_tokens: int | None = None,
) -> Float[Tensor, ""]:
    """The loss to minimise: minus the clipped objective, plus `kl_weight` times the k3 estimate of KL(p || ref).

    `old_logprobs_BT` are those of the policy that wrote the rows, without gradient. For the first update on a batch
    they equal `logprobs_BT`, the ratio is 1 and nothing is clipped. DAPO takes clip_high = 0.28.

    Raises:
        ValueError: `kl_weight` without `ref_logprobs_BT`; otherwise as `reduce_loss`.
    """
    ratio_BT = (logprobs_BT - old_logprobs_BT).exp()
    per_token_BT = -clipped_objective(ratio_BT, advantages_B, clip_low, clip_high)
    if kl_weight:
        if ref_logprobs_BT is None:
            raise ValueError(f"kl_weight={kl_weight} needs the reference model's log-probabilities: give ref_logprobs_BT")
        per_token_BT = per_token_BT + kl_weight * kl_k3(logprobs_BT, ref_logprobs_BT)
    return reduce_loss(per_token_BT, mask_BT, normalise, max_tokens)


# ------------------------------------------------------------------------------------------------------------ rollouts


class Rollout(NamedTuple):
    """Prompts and what the model wrote after them, as tensors for training and as texts for the verifier."""

    prompt_BS: Int[Tensor, "B S"]  # padded on the left
    n_pad_B: Int[Tensor, "B"]
    written_BT: Int[Tensor, "B T"]  # padded on the right
    mask_BT: Bool[Tensor, "B T"]  # True for what the model wrote, its end token included
    samples: list[Sample]


def roll_out(
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    seed: int | None = None,
) -> Rollout:
    """Let the model answer every prompt once, on its own device."""
    rows = [tokenizer.encode(prompt) for prompt in prompts]
    written = generate_ids(
        model, rows, max_new_tokens=max_new_tokens, temperature=temperature, eos_ids=tokenizer.eos_ids,
        pad_id=tokenizer.pad_id, seed=seed,
    )  # fmt: skip
    device = next(model.parameters()).device
    prompt_BS, n_pad_B = (tensor.to(device) for tensor in pad_left(rows, tokenizer.pad_id))
    lengths_B = torch.tensor([len(ids) for ids in written])
    longest = int(lengths_B.max())
    padded = [ids + [tokenizer.pad_id] * (longest - len(ids)) for ids in written]
    mask_BT = torch.arange(longest) < lengths_B[:, None]
    samples = [as_sample(tokenizer, ids) for ids in written]
    return Rollout(prompt_BS, n_pad_B, torch.tensor(padded, device=device), mask_BT.to(device), samples)


def token_logprobs(
    model: Transformer, rollout: Rollout, rows: slice = slice(None), temperature: float = 1.0
) -> tuple[Float[Tensor, "R T"], Float[Tensor, "R T"]]:
    """Log-probability of every written token, and the entropy (nats) of the distribution that it was drawn from.

    What stands at padding means nothing: mask it. The temperature is that of the sampling: the policy is what was
    sampled from.
    """
    ids_RN = torch.cat((rollout.prompt_BS[rows], rollout.written_BT[rows]), dim=1)
    n_written = rollout.written_BT.shape[1]
    n_pad_R = rollout.n_pad_B[rows] if rollout.n_pad_B.any() else None
    logits_RTV = model(ids_RN, n_pad_B=n_pad_R)[:, -n_written - 1 : -1].float() / temperature
    all_RTV = logits_RTV.log_softmax(-1)
    logprobs_RT = all_RTV.gather(-1, rollout.written_BT[rows][..., None])[..., 0]
    with torch.no_grad():
        entropy_RT = -(all_RTV.exp() * all_RTV).sum(-1)
    return logprobs_RT, entropy_RT
