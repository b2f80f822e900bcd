"""Group relative policy optimisation, piece by piece: REINFORCE, advantages, clipping, KL, masks, and the loop.

For every prompt the model writes a group of answers; a verifier scores them; an answer that is better than its group's
mean becomes likelier, one that is worse less likely (DeepSeekMath, arXiv 2402.03300). There is no critic. Options give
the choices of Dr. GRPO (arXiv 2503.20783) and DAPO (arXiv 2503.14476). Left out: several GPUs (train_trl.py does that),
rollouts by another engine than ours, and rewards for single steps of a thought.

Shape legend: P prompts, G samples of each (a group), B = P * G rows, T tokens of the completion, M written tokens of
all rows, V vocabulary.
"""

from __future__ import annotations

import copy
import dataclasses
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from racecourse.models.generation import generate_ids, pad_left
from racecourse.reasoning.evaluation import Evaluation
from racecourse.reasoning.sampling import Sample, as_sample
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
    mean over all tokens of the batch (DAPO): all count alike, in a batch of long answers less. "constant" divides every
    row's sum by `max_tokens` (Dr. GRPO): all count alike, in every batch.

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
    its return (a baseline): the gradient's mean stays the same, and with a good one its noise shrinks.
    """
    return -(returns_B * (logprobs_BT * mask_BT).sum(1)).mean()


def kl_k1(logprobs_BT: Float[Tensor, "B T"], ref_logprobs_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """log p - log ref per token: its mean under p is KL(p || ref), single values may be negative (Schulman 2020)."""
    return logprobs_BT - ref_logprobs_BT


def kl_k3(logprobs_BT: Float[Tensor, "B T"], ref_logprobs_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """ref / p - 1 - log(ref / p): the same mean under p, never negative, less noise near the reference (Schulman)."""
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
            raise ValueError(
                f"kl_weight={kl_weight} needs the reference model's log-probabilities: give ref_logprobs_BT"
            )
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
    return as_rollout(tokenizer, rows, written, next(model.parameters()).device)


def as_rollout(
    tokenizer: Tokenizer, rows: Sequence[Sequence[int]], written: Sequence[Sequence[int]], device: torch.device
) -> Rollout:
    """Prompts and answers as lists of ids, made into tensors."""
    prompt_BS, n_pad_B = (tensor.to(device) for tensor in pad_left(rows, tokenizer.pad_id))
    lengths_B = torch.tensor([len(ids) for ids in written])
    longest = int(lengths_B.max())
    padded = [[*ids, *[tokenizer.pad_id] * (longest - len(ids))] for ids in written]
    mask_BT = torch.arange(longest) < lengths_B[:, None]
    samples = [as_sample(tokenizer, ids) for ids in written]
    return Rollout(prompt_BS, n_pad_B, torch.tensor(padded, device=device), mask_BT.to(device), samples)


class Packed(NamedTuple):
    """A group in one row: its prompt once, then all its answers; an answer sees the prompt and itself.

    With G answers to a prompt the prompt is computed once instead of G times, and short answers are not padded to the
    longest.
    """

    ids_PN: Int[Tensor, "P N"]
    positions_PN: Int[Tensor, "P N"]
    mask_PNN: Bool[Tensor, "P N N"]
    source_BT: Int[Tensor, "B T"]  # the place in N from which each written token is predicted


def pack_groups(rollout: Rollout, group_size: int) -> Packed:
    """Rows P * G of one prompt length S as P rows of length S + the longest group's answers."""
    S, (B, T), P = rollout.prompt_BS.shape[1], rollout.mask_BT.shape, len(rollout.mask_BT) // group_size
    device = rollout.mask_BT.device
    lengths_PG = rollout.mask_BT.sum(1).view(P, group_size)
    start_B = (S + lengths_PG.cumsum(1) - lengths_PG).flatten()  # where each answer begins in its row
    N = S + int(lengths_PG.sum(1).max())
    row_BT = (torch.arange(B, device=device) // group_size)[:, None].expand(B, T)
    time_BT = torch.arange(T, device=device).expand(B, T)
    place_BT = start_B[:, None] + time_BT
    source_BT = torch.where(time_BT == 0, S - 1, place_BT - 1).masked_fill(~rollout.mask_BT, 0)

    written = rollout.mask_BT
    ids_PN = torch.zeros(P, N, dtype=torch.long, device=device)
    positions_PN = torch.zeros_like(ids_PN)
    part_PN = torch.full_like(ids_PN, -1)  # 0 for the prompt, 1 to G for the answers, -1 for padding
    ids_PN[:, :S] = rollout.prompt_BS[::group_size]
    positions_PN[:, :S] = torch.arange(S, device=device)
    is_pad_PS = torch.arange(S, device=device) < rollout.n_pad_B[::group_size, None]
    part_PN[:, :S] = torch.where(is_pad_PS, -1, 0)
    ids_PN[row_BT[written], place_BT[written]] = rollout.written_BT[written]
    positions_PN[row_BT[written], place_BT[written]] = S + time_BT[written]
    answer_BT = (torch.arange(B, device=device) % group_size)[:, None].expand(B, T)
    part_PN[row_BT[written], place_BT[written]] = 1 + answer_BT[written]

    before_NN = torch.ones(N, N, dtype=torch.bool, device=device).tril()
    own_PNN = part_PN[:, :, None] == part_PN[:, None]
    prompt_P1N = (part_PN == 0)[:, None] & (part_PN != -1)[:, :, None]
    return Packed(ids_PN, positions_PN, before_NN & (own_PNN | prompt_P1N), source_BT)


LOGITS_AT_ONCE = 2**25  # float32 numbers, 134 MB: a chunk is so many positions times the vocabulary


def token_logprobs(
    model: Transformer,
    rollout: Rollout,
    group_size: int,
    temperature: float = 1.0,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> tuple[Float[Tensor, "B T"], Float[Tensor, "B T"]]:
    """Log-probability of every written token, and the entropy (nats) of the distribution that it was drawn from.

    Padding gets 0. The temperature is that of the sampling: the policy is what was sampled from. `group_size` rows side
    by side share their prompt; 1 if no two do.

    Logits are computed only where a written token is predicted. More than `logits_at_once` of them are made in chunks,
    each thrown away after the forward pass and made again in the backward pass: no more than one chunk is ever held.
    """
    packed = pack_groups(rollout, group_size)
    x_PND = model.embed(packed.ids_PN)
    rope = model.rotary(packed.positions_PN, x_PND.dtype)
    for block in model.layers:
        x_PND = block(x_PND, rope, packed.mask_PNN, None)
    written_BT = rollout.mask_BT
    row_B1 = (torch.arange(len(written_BT), device=written_BT.device) // group_size)[:, None]
    x_MD = x_PND[row_B1.expand_as(written_BT)[written_BT], packed.source_BT[written_BT]]
    ids_M = rollout.written_BT[written_BT]
    n = max(1, logits_at_once // model.config.vocab_size)
    if len(ids_M) <= n:
        logprobs_M, entropy_M = logprobs_at(model, x_MD, ids_M, temperature)
    else:
        chunks = [
            checkpoint(logprobs_at, model, x, ids, temperature, use_reentrant=False)
            for x, ids in zip(x_MD.split(n), ids_M.split(n), strict=True)
        ]
        logprobs_M, entropy_M = (torch.cat(parts) for parts in zip(*chunks, strict=True))
    zeros_BT = torch.zeros(written_BT.shape, device=written_BT.device)
    return zeros_BT.masked_scatter(written_BT, logprobs_M), zeros_BT.masked_scatter(written_BT, entropy_M)


def logprobs_at(
    model: Transformer, x_MD: Float[Tensor, "M D"], ids_M: Int[Tensor, "M"], temperature: float
) -> tuple[Float[Tensor, "M"], Float[Tensor, "M"]]:
    """From the last layer's output at M positions: the log-probability of the next token, and the entropy.

    The softmax is float32 whatever the model is: it sums over the whole vocabulary.
    """
    all_MV = (model.head(model.norm(x_MD)).float() / temperature).log_softmax(-1)
    with torch.no_grad():
        entropy_M = -(all_MV.exp() * all_MV).sum(-1)
    return all_MV.gather(-1, ids_M[:, None])[:, 0], entropy_M


def groups_of(rollout: Rollout, group_size: int, rows_at_once: int) -> list[tuple[slice, Rollout]]:
    """The rollout in parts of whole groups, with the rows that each part holds."""
    step = max(1, rows_at_once // group_size) * group_size
    parts = []
    for first in range(0, len(rollout.mask_BT), step):
        rows = slice(first, first + step)
        tensors = (rollout.prompt_BS[rows], rollout.n_pad_B[rows], rollout.written_BT[rows], rollout.mask_BT[rows])
        parts.append((rows, Rollout(*tensors, rollout.samples[rows])))
    return parts


# ------------------------------------------------------------------------------------------------------------ the loop


@dataclass(frozen=True)
class GRPOConfig:
    """One run. The defaults are those of lesson 05."""

    n_steps: int = 60
    n_prompts: int = 32  # P
    group_size: int = 8  # G
    max_new_tokens: int = 16
    temperature: float = 1.0
    learning_rate: float = 3e-4
    warmup_steps: int = 0
    clip_norm: float = 1.0
    scale_by_std: bool = True
    normalise: str = "token"  # "sequence", "token" or "constant"
    clip_low: float = 0.2
    clip_high: float = 0.2
    n_updates: int = 1  # optimiser steps per batch of rollouts; with 1 the ratio is 1
    kl_weight: float = 0.0  # pulls towards the model that the run began with
    resample: int = 0  # DAPO's dynamic sampling: draw other prompts for groups without signal, so many times at most
    rows_at_once: int = 1024  # of a forward and backward pass: fewer need less memory
    eval_every: int = 10  # steps
    seed: int = 0

    def __post_init__(self) -> None:
        if self.group_size < 2:
            raise ValueError(
                f"group_size={self.group_size}: an answer is compared with others of its group; use 2 or more"
            )
        if self.normalise not in ("sequence", "token", "constant"):
            raise ValueError(f"normalise={self.normalise!r}: use 'sequence', 'token' or 'constant'")


@dataclass
class Step:
    """One step of the run, from its rollouts."""

    step: int
    seconds: float  # since the start, evaluations left out
    generation_seconds: float  # of these, spent writing answers
    reward: float  # mean over the rollouts
    length: float  # tokens per answer
    entropy: float  # nats per written token
    signal: float  # share of groups that taught something
    kl: float  # k3 to the first model, where it is asked for; else 0


@dataclass
class History:
    """What a run did."""

    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)

    def column(self, name: str) -> list[float]:
        """One field of all evaluations, or of all steps where it is a field of those."""
        rows: Sequence[Any] = self.evaluations if name in Evaluation.__dataclass_fields__ else self.steps
        return [getattr(row, name) for row in rows]


Reward = Callable[[Problem, str], float]


def train_grpo(
    model: Transformer,
    tokenizer: Tokenizer,
    task: Task,
    config: GRPOConfig,
    *,
    reward: Reward | None = None,
    judge: Callable[[Transformer], Evaluation] | None = None,
    log: Callable[[str], None] | None = print,
    on_evaluation: Callable[[History], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> History:
    """Train `model` in place by reward alone, on training problems of `task`.

    What requires a gradient is trained (the adapters of `add_lora`, say), or everything if nothing does.

    `reward(problem, text)` is what is trained on, the task's own if not given; another one (random, length, leaky)
    makes a control. `judge` measures before the first step, every `eval_every` steps and at the end; see
    `racecourse.reasoning.evaluation.judge_on`.
    """
    reward = reward or task.reward
    weight = next(model.parameters())
    device = weight.device
    trained = [p for p in model.parameters() if p.requires_grad] or list(model.requires_grad_(True).parameters())
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    first = copy.deepcopy(model).eval().requires_grad_(False) if config.kl_weight else None
    scaler = torch.amp.GradScaler(device.type, enabled=weight.dtype == torch.float16)
    history, seconds = History(), 0.0

    def look(step: int) -> None:
        if judge is not None:
            history.evaluations.append(dataclasses.replace(judge(model), step=step))
            if log is not None:
                log(line(history, config))
            if on_evaluation is not None:
                on_evaluation(history)

    look(0)
    for step in range(config.n_steps):
        started = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, (step + 1) / (config.warmup_steps + 1))
        rollout, rewards_PG = write_and_score(model, tokenizer, task, reward, config, step)
        generation_seconds = time.perf_counter() - started
        advantages_B = group_advantages(rewards_PG, config.scale_by_std).flatten().to(device)
        entropy, kl = update(model, optimizer, rollout, advantages_B, config, first, scaler)
        seconds += time.perf_counter() - started
        lengths = [sample.n_tokens for sample in rollout.samples]
        history.steps.append(
            Step(step + 1, seconds, generation_seconds, rewards_PG.mean().item(), sum(lengths) / len(lengths), entropy,
                 has_signal(rewards_PG).float().mean().item(), kl)
        )  # fmt: skip
        if on_step is not None:
            on_step(history.steps[-1])
        if (step + 1) % config.eval_every == 0 or step + 1 == config.n_steps:
            look(step + 1)
    model.eval().requires_grad_(False)
    return history


def write_and_score(
    model: Transformer, tokenizer: Tokenizer, task: Task, reward: Reward, config: GRPOConfig, step: int
) -> tuple[Rollout, Float[Tensor, "P G"]]:
    """Answers to the step's problems and their rewards.

    With `resample`, groups without signal are replaced by groups for other problems, those with signal are kept.
    """
    model.eval()
    asked = problems(task, config.n_prompts, seed=hash_of(config.seed, step))
    prompts: list[list[int]] = [[]] * config.n_prompts
    groups: list[list[list[int]]] = [[]] * config.n_prompts
    rewards_PG = torch.zeros(config.n_prompts, config.group_size)
    places = list(range(config.n_prompts))
    for attempt in range(config.resample + 1):
        if attempt:
            places = (~has_signal(rewards_PG)).nonzero()[:, 0].tolist()
            fresh = problems(task, len(places), seed=hash_of(config.seed, step, attempt))
            for place, problem in zip(places, fresh, strict=True):
                asked[place] = problem
        for place in places:
            prompts[place] = tokenizer.encode(asked[place].prompt)
        written = generate_ids(
            model, [prompts[place] for place in places], n_samples=config.group_size,
            max_new_tokens=config.max_new_tokens, temperature=config.temperature, eos_ids=tokenizer.eos_ids,
            pad_id=tokenizer.pad_id, seed=hash_of(config.seed, step, attempt),
        )  # fmt: skip
        for i, place in enumerate(places):
            groups[place] = written[i * config.group_size : (i + 1) * config.group_size]
            texts = [as_sample(tokenizer, ids).text for ids in groups[place]]
            rewards_PG[place] = torch.tensor([reward(asked[place], text) for text in texts])
    rows = [prompt for prompt in prompts for _ in range(config.group_size)]
    device = next(model.parameters()).device
    return as_rollout(tokenizer, rows, [ids for group in groups for ids in group], device), rewards_PG


def update(
    model: Transformer, optimizer: torch.optim.Optimizer, rollout: Rollout, advantages_B: Float[Tensor, "B"],
    config: GRPOConfig, first: Transformer | None, scaler: torch.amp.GradScaler | None = None,
) -> tuple[float, float]:  # fmt: skip
    """`n_updates` optimiser steps on one batch of rollouts. Returns entropy and KL per written token, before them.

    A batch without any signal moves nothing: the gradient would be zero, and Adam would go on by its momentum.
    `scaler` keeps small gradients from vanishing on their way through frozen float16 layers.
    """
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    n_rows, mask_BT = len(advantages_B), rollout.mask_BT
    parts = groups_of(rollout, config.group_size, config.rows_at_once)
    old: list[Tensor] = []
    entropy = kl = 0.0
    for number in range(config.n_updates):
        optimizer.zero_grad()
        for i, (part, rows) in enumerate(parts):
            logprobs_RT, entropy_RT = token_logprobs(model, rows, config.group_size, config.temperature)
            if number == 0:
                old.append(logprobs_RT.detach())
            reference = None
            if first is not None:
                with torch.no_grad():
                    reference, _ = token_logprobs(first, rows, config.group_size, config.temperature)
            loss = grpo_loss(
                logprobs_RT, old[i], advantages_B[part], mask_BT[part], ref_logprobs_BT=reference,
                clip_low=config.clip_low, clip_high=config.clip_high, kl_weight=config.kl_weight,
                normalise=config.normalise, max_tokens=config.max_new_tokens,
            )  # fmt: skip
            share = (
                (mask_BT[part].sum() / mask_BT.sum()) if config.normalise == "token" else len(mask_BT[part]) / n_rows
            )
            scaler.scale(loss * share).backward()
            if number == 0:
                entropy += (entropy_RT * mask_BT[part]).sum().item()
                if reference is not None:
                    kl += (kl_k3(logprobs_RT.detach(), reference) * mask_BT[part]).sum().item()
        if advantages_B.any() or first is not None:
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            scaler.step(optimizer)
            scaler.update()
    n_tokens = int(mask_BT.sum())
    return entropy / n_tokens, kl / n_tokens


def hash_of(*numbers: int) -> int:
    """One seed that depends on all the numbers."""
    return zlib.crc32(repr(numbers).encode())


def line(history: History, config: GRPOConfig) -> str:
    """The last evaluation in one line of text."""
    e = history.evaluations[-1]
    seconds = history.steps[-1].seconds if history.steps else 0.0
    return (
        f"step {e.step:>4} of {config.n_steps}  {seconds:>4.0f} s  held out: {e.accuracy:.1%} right at temperature 1, "
        f"{e.greedy:.1%} greedy, {e.length:.1f} tokens, pass@8 {e.pass_at_8:.1%}"
    )
