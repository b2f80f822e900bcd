"""One model on several processes: tensor, pipeline, expert and data parallelism, with every byte sent counted.

The processes are real (`racecourse.hardware.processes`), and all that crosses a link goes through a `Wire`, which
counts it. Only the cutting and sending is written here; the parts of the model are those of `racecourse.models`, made
smaller. It runs on CPUs. Left out: training (but for data parallelism), splitting the embedding and the head,
overlapping sends with work, and saving memory while the model is handed over: every process gets the whole of it and
keeps its share.

n processes have ranks 0 to n - 1. B, T, D and V as in `racecourse.models.config`; N, k, E and M as in
`racecourse.models.moe`. b is the rows of a micro-batch, P the ranks as a tensor's dimension, X the experts of one rank,
R the rows that came to a rank.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from racecourse.hardware.processes import Wire
from racecourse.models.config import ModelConfig
from racecourse.models.moe import Experts, MoE
from racecourse.models.transformer import Transformer, causal_mask

# ---- sums and exchanges ----


@torch.no_grad()  # a gradient would not travel back over the wire
def ring_all_reduce(x: Float[Tensor, "..."], wire: Wire) -> Float[Tensor, "..."]:
    """The sum of every rank's `x`, on every rank, by messages to the right-hand neighbour alone.

    Each rank's x is cut into n chunks. In n - 1 steps the chunks' sums grow as they travel round the ring; in n - 1
    more, the finished sums travel round once again (Patarasuk and Yuan 2009). All ranks get the same bits.
    """
    flat = x.flatten().clone()
    chunks = flat.tensor_split(wire.n)  # views: what is written to a chunk is written to `flat`
    right, left = (wire.rank + 1) % wire.n, (wire.rank - 1) % wire.n
    for step in range(2 * (wire.n - 1)):
        mine, theirs = (wire.rank - step) % wire.n, (wire.rank - step - 1) % wire.n
        received = wire.exchange(chunks[mine], right, torch.empty_like(chunks[theirs]), left)
        if step < wire.n - 1:
            chunks[theirs].add_(received)
        else:
            chunks[theirs].copy_(received)
    return flat.view_as(x)


def sum_of_ranks(wire: Wire, n_values: int) -> tuple[float, int]:
    """For `run_parallel`: the sum of one message per rank, full of its number, and what this rank sent for it."""
    total = ring_all_reduce(torch.full((n_values,), float(wire.rank)), wire)
    assert bool((total == total[0]).all())
    return total[0].item(), wire.bytes_sent


def all_to_all(pieces: Sequence[Tensor], n_rows: Sequence[int], wire: Wire) -> list[Tensor]:
    """Rank r gets `pieces[r]`; returns what came from each rank, which is `n_rows[r]` rows. One's own piece stays."""
    received = [piece.new_empty(rows, *piece.shape[1:]) for piece, rows in zip(pieces, n_rows, strict=True)]
    received[wire.rank] = pieces[wire.rank]
    for distance in range(1, wire.n):
        to, source = (wire.rank + distance) % wire.n, (wire.rank - distance) % wire.n
        wire.exchange(pieces[to], to, received[source], source)
    return received


def ring_bytes(message_bytes: int, n_processes: int) -> float:
    """Bytes that a rank sends in `ring_all_reduce`; the mean over ranks where the n chunks are not equal.

    >>> ring_bytes(1000, n_processes=4)
    1500.0
    """
    return 2 * (n_processes - 1) * message_bytes / n_processes


class Answer(NamedTuple):
    """What a rank returns."""

    logits_BTV: Tensor | None  # None where the rank has none
    bytes_sent: int


def own_rows(ids_BT: Int[Tensor, "B T"], wire: Wire) -> Int[Tensor, "b T"]:
    """This rank's share of a batch.

    Raises:
        ValueError: rows that the ranks cannot share evenly.
    """
    rows = _share("batch rows", len(ids_BT), wire.n)
    return ids_BT[wire.rank * rows : (wire.rank + 1) * rows]


def _share(name: str, value: int, n_processes: int) -> int:
    if value % n_processes:
        raise ValueError(
            f"{name}={value} cannot be split evenly over {n_processes} processes: "
            f"use a number of processes that divides {value}"
        )
    return value // n_processes


# ---- tensor parallelism: each rank has some columns of every matrix ----


def tensor_config(config: ModelConfig, n_processes: int) -> ModelConfig:
    """The shape of one rank's share: 1/n of the heads, of the key-value heads and of the feed-forward width.

    Raises:
        ValueError: a number that n does not divide, or attention that cannot be cut between heads.
    """
    if config.mla is not None or config.qk_norm == "full":
        feature = "multi-head latent attention" if config.mla else "qk_norm='full'"
        raise ValueError(f"{feature} mixes the heads, so they cannot be split; use pipeline_parallel")
    K = _share("n_kv_heads", config.n_kv_heads, n_processes)
    d_ff, moe = _share("d_ff", config.d_ff, n_processes), config.moe
    if moe is not None:
        moe = dataclasses.replace(moe, d_expert=_share("d_expert", moe.d_expert, n_processes))
    return dataclasses.replace(config, n_heads=config.n_heads // n_processes, n_kv_heads=K, d_ff=d_ff, moe=moe)


def tensor_slice(name: str, weight: Tensor, config: ModelConfig, rank: int, n_processes: int) -> Tensor:
    """The rank's part of one weight of the whole model, whose shape is `config`; norms, router and head stay whole."""
    parts = name.split(".")
    if "qkv" in parts:  # rows: all query heads, then all key heads, then all value heads
        H, K, C = config.n_heads, config.n_kv_heads, config.head_dim
        by_kind = weight.split((H * C, K * C, K * C))
        return torch.cat([heads.chunk(n_processes)[rank] for heads in by_kind])
    if "gate_up" in parts:  # rows: gate, then up; an expert's matrices have a dimension in front
        halves = weight.chunk(2, dim=-2)
        return torch.cat([half.chunk(n_processes, dim=-2)[rank] for half in halves], dim=-2)
    if parts[-2:] == ["out", "bias"]:  # the ranks' results are summed: only one of them may bring the bias
        return weight if rank == 0 else torch.zeros_like(weight)
    if "out" in parts or "down" in parts:  # these read what the slices above wrote: columns
        return weight.chunk(n_processes, dim=-1)[rank].clone()
    return weight


class SummedOverRanks(nn.Module):
    """A part of which each rank computes one summand."""

    def __init__(self, part: nn.Module, wire: Wire) -> None:
        super().__init__()
        self.part, self.wire = part, wire

    def forward(self, *args: Any) -> Float[Tensor, "B T D"]:
        return ring_all_reduce(self.part(*args), self.wire)


def shard_tensor_parallel(model: Transformer, wire: Wire) -> Transformer:
    """This rank's share of the model, which gives the whole model's logits when all ranks run theirs together.

    Query, key, value, gate and up matrices are cut between their outputs, out and down matrices between their inputs,
    so that a layer needs two sums over the ranks and no other message (Megatron-LM, arXiv 1909.08053, section 3).
    Experts are cut like any feed-forward part. A `KVCache(shard.config, ...)` holds this rank's heads.

    Raises:
        ValueError: as `tensor_config`.
    """
    weights = {
        name: tensor_slice(name, weight, model.config, wire.rank, wire.n) for name, weight in model.state_dict().items()
    }
    shard = Transformer(tensor_config(model.config, wire.n))
    shard.load_state_dict(weights, assign=True)
    for block in shard.layers:
        block.attention = SummedOverRanks(block.get_submodule("attention"), wire)
        block.mlp = SummedOverRanks(block.get_submodule("mlp"), wire)
    return shard.eval().requires_grad_(False)


@torch.inference_mode()
def tensor_parallel(wire: Wire, model: Transformer, ids_BT: Int[Tensor, "B T"]) -> Answer:
    """For `run_parallel`: every rank returns all logits."""
    logits_BTV = shard_tensor_parallel(model, wire)(ids_BT)
    return Answer(logits_BTV, wire.bytes_sent)


def tensor_parallel_bytes(config: ModelConfig, *, n_tokens: int, n_processes: int, bytes_per_value: int = 4) -> float:
    """Bytes that each rank sends for `n_tokens` = B * T tokens: two all-reduces of (n_tokens, D) per layer."""
    return 2 * config.n_layers * ring_bytes(n_tokens * config.d_model * bytes_per_value, n_processes)


# ---- pipeline parallelism: each rank has some layers ----


@torch.inference_mode()
def pipeline_parallel(wire: Wire, model: Transformer, ids_BT: Int[Tensor, "B T"], n_microbatches: int) -> Answer:
    """For `run_parallel`: the last rank returns the logits.

    While a rank works on one micro-batch, the rank before it works on the next (GPipe, arXiv 1811.06965, section 2).

    Raises:
        ValueError: layers that the ranks, or rows that the micro-batches cannot share evenly.
    """
    n_layers, d_model = _share("n_layers", model.config.n_layers, wire.n), model.config.d_model
    B, T = ids_BT.shape
    if B % n_microbatches:
        raise ValueError(f"{B} rows cannot be cut into {n_microbatches} equal micro-batches; change one of them")
    layers = model.layers[wire.rank * n_layers : (wire.rank + 1) * n_layers]
    rope = model.rotary(torch.arange(T)[None], model.embed.weight.dtype)
    mask_1TT = causal_mask(T, T, None, ids_BT.device)
    logits = []
    for ids_bT in ids_BT.chunk(n_microbatches):
        if wire.rank == 0:
            x_bTD = model.embed(ids_bT)
        else:
            x_bTD = wire.receive(model.embed.weight.new_empty(len(ids_bT), T, d_model), source=wire.rank - 1)
        for block in layers:
            x_bTD = block(x_bTD, rope, mask_1TT, None)
        if wire.rank < wire.n - 1:
            wire.send(x_bTD, to=wire.rank + 1)
        else:
            logits.append(model.head(model.norm(x_bTD)))
    return Answer(torch.cat(logits) if logits else None, wire.bytes_sent)


def pipeline_bytes(config: ModelConfig, *, n_tokens: int, bytes_per_value: int = 4) -> int:
    """Bytes that each rank but the last sends for `n_tokens` = B * T tokens, in however many micro-batches."""
    return n_tokens * config.d_model * bytes_per_value


def bubble_share(n_stages: int, n_microbatches: int) -> float:
    """The share of time in which a stage idles, if all stages are equally fast (GPipe, section 2.3).

    >>> bubble_share(4, 4), bubble_share(4, 32)
    (0.42857142857142855, 0.08571428571428572)
    """
    return (n_stages - 1) / (n_microbatches + n_stages - 1)


def pipeline_schedule(stage_seconds: Sequence[float], n_microbatches: int) -> list[list[float]]:
    """When each stage starts each micro-batch, in seconds: one row per stage. Sending takes no time here.

    A stage starts when it is done with the micro-batch before and the stage before is done with this one.

    >>> pipeline_schedule([1, 1], n_microbatches=3)
    [[0, 1, 2], [1, 2, 3]]
    """
    arrivals: list[float] = [0] * n_microbatches
    schedule = []
    for seconds in stage_seconds:
        starts: list[float] = []
        for arrival in arrivals:
            free = starts[-1] + seconds if starts else 0
            starts.append(max(arrival, free))
        schedule.append(starts)
        arrivals = [start + seconds for start in starts]
    return schedule


def idle_share(stage_seconds: Sequence[float], n_microbatches: int) -> float:
    """The share of the stages' time that is idle in `pipeline_schedule`, from first start to last end."""
    end = pipeline_schedule(stage_seconds, n_microbatches)[-1][-1] + stage_seconds[-1]
    return 1 - n_microbatches * sum(stage_seconds) / (len(stage_seconds) * end)


# ---- expert parallelism: each rank has some experts, and its own tokens ----


class ExpertsOnRanks(nn.Module):
    """Takes the place of `Experts`: rank 0 keeps the first E / n, and so on; tokens travel to them and back.

    GShard (arXiv 2006.16668, section 3), without its capacity limit: no token is dropped. A token that chose two
    experts of one rank is sent there twice.
    """

    def __init__(self, experts: Experts, wire: Wire) -> None:
        super().__init__()
        n_experts, d_model, d_expert = experts.down.shape
        self.wire = wire
        self.own = Experts(_share("n_experts", n_experts, wire.n), d_model, d_expert)
        self.own.load_state_dict({name: w.chunk(wire.n)[wire.rank] for name, w in experts.state_dict().items()})

    def forward(
        self, x_ND: Float[Tensor, "N D"], weights_Nk: Float[Tensor, "N k"], chosen_Nk: Int[Tensor, "N k"]
    ) -> Float[Tensor, "N D"]:
        wire, n_own = self.wire, len(self.own.down)
        slot_M = chosen_Nk.flatten().argsort(stable=True)  # sorted by expert, so by rank too
        token_M = slot_M // chosen_Nk.shape[1]
        count_PX = chosen_Nk.flatten().bincount(minlength=wire.n * n_own).view(wire.n, n_own)
        to_me_PX = torch.cat(all_to_all(count_PX.split(1), [1] * wire.n, wire))  # how many come, and for which expert
        n_out, n_in = count_PX.sum(1).tolist(), to_me_PX.sum(1).tolist()

        rows_RD = torch.cat(all_to_all(x_ND[token_M].split(n_out), n_in, wire))
        expert_R = torch.arange(n_own).repeat(wire.n).repeat_interleave(to_me_PX.flatten())
        done_RD = self.own(rows_RD, torch.ones(len(rows_RD), 1), expert_R[:, None])
        back_MD = torch.cat(all_to_all(done_RD.split(n_in), n_out, wire))
        return torch.zeros_like(x_ND).index_add_(0, token_M, back_MD * weights_Nk.flatten()[slot_M, None])


def shard_experts(model: Transformer, wire: Wire) -> Transformer:
    """The model with this rank's experts alone, and all the rest; ranks run theirs together, each on its own tokens.

    Raises:
        ValueError: a model without experts, or a number of them that the ranks cannot share evenly.
    """
    if model.config.moe is None:
        raise ValueError("this model has no experts to share; use tensor_parallel or pipeline_parallel")
    shard = copy.deepcopy(model)
    for module in shard.modules():
        if isinstance(module, MoE):
            module.experts = ExpertsOnRanks(module.experts, wire)  # type: ignore[assignment]
    return shard.eval().requires_grad_(False)


@torch.inference_mode()
def expert_parallel(wire: Wire, model: Transformer, ids_BT: Int[Tensor, "B T"]) -> Answer:
    """For `run_parallel`: each rank reads its share of the rows, and returns their logits.

    Raises:
        ValueError: as `shard_experts` and `own_rows`.
    """
    logits_bTV = shard_experts(model, wire)(own_rows(ids_BT, wire))
    return Answer(logits_bTV, wire.bytes_sent)


def expert_parallel_bytes(
    config: ModelConfig, *, slots_out: int, slots_in: int, n_processes: int, bytes_per_value: int = 4
) -> int:
    """Bytes that a rank sends in one layer: its tokens to other ranks, other ranks' results back, and counts.

    `slots_out` are the choices of its tokens that fell on other ranks' experts, `slots_in` those of other ranks'
    tokens that fell on its own. The counts are whole numbers of 8 bytes, one for each expert elsewhere.
    """
    assert config.moe is not None
    experts_elsewhere = config.moe.n_experts * (n_processes - 1) // n_processes
    return (slots_out + slots_in) * config.d_model * bytes_per_value + 8 * experts_elsewhere


# ---- data parallelism: each rank has some rows of the batch ----


def data_parallel_gradients(wire: Wire, model: Transformer, ids_BT: Int[Tensor, "B T"]) -> tuple[list[Tensor], int]:
    """For `run_parallel`: the gradient of the next-token loss of the whole batch, per parameter, and bytes sent.

    Every rank takes its share of the rows; the mean of the ranks' gradients is that of the whole batch. All gradients
    travel as one message.

    Raises:
        ValueError: as `own_rows`.
    """
    own_bT = own_rows(ids_BT, wire)
    parameters = list(model.parameters())
    loss = F.cross_entropy(model(own_bT[:, :-1]).flatten(0, 1), own_bT[:, 1:].flatten())
    flat = torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, parameters)])
    mean = ring_all_reduce(flat, wire) / wire.n
    sizes = [parameter.numel() for parameter in parameters]
    pieces = zip(mean.split(sizes), parameters, strict=True)
    return [piece.view_as(parameter) for piece, parameter in pieces], wire.bytes_sent
