"""The training loop: AdamW, warm-up and decay, clipping, balanced experts, and a run that can be killed and resumed.

A killed run that is started again gives the same losses to the last digit on a CPU with the same number of threads: a
batch depends on the step's number only, and model, optimiser and history are written together. Left out: several GPUs,
gradient accumulation, and float16 with loss scaling; a GPU without real bfloat16 (T4) trains in float32.
"""

from __future__ import annotations

import dataclasses
import math
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from racecourse.models.moe import Router, Routing, balance_loss, expert_load, record_routing, update_bias, z_loss
from racecourse.scaling.corpora import NOT_JUDGED, Batch, Corpus


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Steps, rows and shares are plain numbers; nothing here depends on the model's size."""

    n_steps: int
    batch_size: int  # rows per step
    learning_rate: float = 3e-3  # the peak
    schedule: str = "cosine"  # after the warm-up: "cosine", "wsd" (stable, then linear decay) or "constant"
    warmup_steps: int = 50
    decay_share: float = 0.2  # wsd only: the last share of all steps
    final_share: float = 0.1  # of the peak, where cosine and wsd end
    weight_decay: float = 0.1  # of matrices; norms and embeddings have none
    betas: tuple[float, float] = (0.9, 0.95)
    clip_norm: float = 1.0
    balance_weight: float = 0.0  # of the auxiliary balancing loss
    z_weight: float = 0.0  # of the router's z-loss
    bias_step: float = 0.0  # DeepSeek-V3's balancing: how far a selection bias moves per step
    eval_every: int = 100  # steps
    eval_rows: int = 512
    seed: int = 0  # of the order of the data

    def __post_init__(self) -> None:
        if self.schedule not in ("cosine", "wsd", "constant"):
            raise ValueError(f"schedule={self.schedule!r}: use 'cosine', 'wsd' or 'constant'")
        if self.warmup_steps >= self.n_steps:
            raise ValueError(f"warmup_steps={self.warmup_steps} leaves nothing of n_steps={self.n_steps}; lower it")


def learning_rate_at(step: int, config: TrainConfig) -> float:
    """The learning rate of one step, 0 to n_steps - 1."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "cosine":
        done = (step - config.warmup_steps) / (config.n_steps - config.warmup_steps)
        share = 0.5 * (1 + math.cos(math.pi * done))
    else:
        share = min(1.0, (config.n_steps - step) / (config.decay_share * config.n_steps))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * share)


@dataclass
class Record:
    """One evaluation."""

    step: int  # optimiser steps done
    seconds: float  # spent on training; evaluations do not count
    train_loss: float  # mean over the steps since the last record, nats per judged token
    loss: float  # on the corpus's evaluation rows, nats per judged token
    accuracy: float  # share of judged tokens that are the likeliest
    exact: float  # share of rows with every judged token right
    load: list[list[float]]  # per layer with experts: each expert's share of the slots since the last record


@dataclass
class History:
    """What a run did: a record per evaluation, and the loss of every step."""

    records: list[Record] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    diverged: bool = False  # a loss was not a number, and the run stopped there

    def column(self, name: str) -> list[Any]:
        """One field of all records: `history.column("loss")`."""
        return [getattr(record, name) for record in self.records]

    @property
    def last(self) -> Record:
        return self.records[-1]

    def line(self, n_steps: int) -> str:
        """The last record in one line of text."""
        r = self.last
        return (
            f"step {r.step:>5} of {n_steps}  {r.seconds:>5.0f} s  loss {r.train_loss:.3f}  "
            f"evaluation: loss {r.loss:.3f}, right {r.accuracy:.1%}"
        )

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> History:
        return cls(**{**raw, "records": [Record(**record) for record in raw["records"]]})


def train(
    model: nn.Module,
    corpus: Corpus,
    config: TrainConfig,
    *,
    folder: Path | str | None = None,
    log: Callable[[str], None] | None = print,
    on_record: Callable[[History], None] | None = None,
) -> History:
    """Train `model` in place and return its history.

    With a `folder`, model, optimiser and history are written there at every evaluation, and a run that finds them goes
    on from there. `log` gets one line per evaluation; `on_record` the history so far, to draw a curve, say. On a GPU
    with real bfloat16 the matrix multiplies run in it; the weights stay float32.

    Raises:
        ValueError: the folder holds a run with other settings, or of another model.
    """
    device = next(model.parameters()).device
    optimizer = make_optimizer(model, config)
    history = History() if folder is None else resume(Path(folder), model, optimizer, config)
    evaluation = corpus.evaluation(config.eval_rows).to(device)
    routers = [module for module in model.modules() if isinstance(module, Router)]
    seconds = history.last.seconds if history.records else 0.0
    loads_ME: list[Tensor] = []  # of the steps since the last record: M layers with E experts
    model.train().requires_grad_(True)
    for step in range(len(history.losses), config.n_steps):
        started = time.perf_counter()
        batch = corpus.batch(step, config.batch_size, config.seed).to(device)
        loss, routings = training_step(model, batch, optimizer, step, config)
        if routings:
            loads_ME.append(torch.stack([expert_load(routing) for routing in routings]))
            if config.bias_step:
                for router, load_E in zip(routers, loads_ME[-1], strict=True):
                    update_bias(router, load_E, config.bias_step)
        history.losses.append(loss.item())
        seconds += time.perf_counter() - started
        history.diverged = not math.isfinite(history.losses[-1])
        if (step + 1) % config.eval_every == 0 or step + 1 == config.n_steps or history.diverged:
            load = torch.stack(loads_ME).mean(0).tolist() if loads_ME else []
            since = history.last.step if history.records else 0
            train_loss = sum(history.losses[since:]) / (step + 1 - since)
            history.records.append(Record(step + 1, seconds, train_loss, *evaluate(model, evaluation), load))
            loads_ME.clear()
            if log is not None:
                log(history.line(config.n_steps))
            if on_record is not None:
                on_record(history)
            if folder is not None:
                save(Path(folder), model, optimizer, config, history)
        if history.diverged:
            break
    model.eval().requires_grad_(False)
    return history


def training_step(
    model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer, step: int, config: TrainConfig
) -> tuple[Float[Tensor, ""], list[Routing]]:
    """One update. Returns the loss on the data alone, without the routers' own losses, and what the routers chose."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, config)
    with mixed_precision(batch.ids_BT.device), record_routing(model) as routings:
        loss = loss_of(model(batch.ids_BT), batch.targets_BT)
        total = loss
        for routing in routings:
            if config.balance_weight:
                total = total + config.balance_weight * balance_loss(routing) / len(routings)
            if config.z_weight:
                total = total + config.z_weight * z_loss(routing) / len(routings)
    optimizer.zero_grad()
    total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    optimizer.step()
    return loss.detach(), routings


def loss_of(logits_BTV: Float[Tensor, "B T V"], targets_BT: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Cross-entropy in nats, the mean over judged tokens."""
    return F.cross_entropy(logits_BTV.flatten(0, 1).float(), targets_BT.flatten(), ignore_index=NOT_JUDGED)


def mixed_precision(device: torch.device) -> AbstractContextManager:
    """bfloat16 matrix multiplies on GPUs that have them (compute capability 8.0 or more); nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


@torch.no_grad()
def evaluate(model: nn.Module, batch: Batch, rows_at_once: int = 64) -> tuple[float, float, float]:
    """Loss (nats per judged token), share of judged tokens right, share of rows with every judged token right."""
    was_training = model.training
    model.eval()
    loss_sum, right, exact = 0.0, 0, 0
    for ids_BT, targets_BT in zip(*(tensor.split(rows_at_once) for tensor in batch), strict=True):
        with mixed_precision(ids_BT.device):
            logits_BTV = model(ids_BT).float()
        loss_sum += F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=NOT_JUDGED,
                                    reduction="sum").item()  # fmt: skip
        judged_BT = targets_BT != NOT_JUDGED
        right_BT = logits_BTV.argmax(-1) == targets_BT
        right += (right_BT & judged_BT).sum().item()
        exact += (right_BT | ~judged_BT).all(-1).sum().item()
    model.train(was_training)
    n_judged = (batch.targets_BT != NOT_JUDGED).sum().item()
    return loss_sum / n_judged, right / n_judged, exact / len(batch.ids_BT)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); weight decay on matrices, none on norms, biases and the embedding."""
    named = dict(model.named_parameters())
    decayed = [p for name, p in named.items() if p.ndim >= 2 and "embed" not in name]
    kept = [p for name, p in named.items() if p.ndim < 2 or "embed" in name]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def save(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig, h: History) -> None:
    """Write the whole state in one step: a kill while writing leaves the file that was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {"config": dataclasses.asdict(config), "history": h.to_dict()}
    state |= {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save(state, folder / "run.pt.partial")
    os.replace(folder / "run.pt.partial", folder / "run.pt")


def resume(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig) -> History:
    """Put a saved run back into model and optimiser; its history, or an empty one where nothing was saved."""
    path = folder / "run.pt"
    if not path.exists():
        return History()
    state = torch.load(path, weights_only=True)
    ours = dataclasses.asdict(config)
    if other := {name: value for name, value in state["config"].items() if value != ours[name]}:
        changed = ", ".join(f"{name}={value!r} there, {ours[name]!r} here" for name, value in other.items())
        raise ValueError(f"{path} holds another run ({changed}): use another folder, or delete that one")
    try:
        model.load_state_dict(state["model"])
    except RuntimeError as problem:
        raise ValueError(f"{path} holds a run of another model: use another folder, or delete that one") from problem
    optimizer.load_state_dict(state["optimizer"])
    return History.from_dict(state["history"])
