"""A mixture-of-experts feed-forward part: a router picks `top_k` of E experts for each token.

The routers of Mixtral, Qwen3-MoE and OLMoE (softmax) and of DeepSeek-V3 (sigmoid, groups, selection bias) are one
class with options. No token is dropped. Balance comes from a loss or from the selection bias; both are functions of a
`Routing`, which `record_routing` collects from any model. Left out: capacity limits, noise on the logits, experts on
several machines.

N is the number of tokens, batch and time flattened. M = N * k slots: one for each token and expert that meet. R is the
number of slots in a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from racecourse.models.config import ModelConfig, MoEConfig
from racecourse.models.layers import SwiGLU


class Routing(NamedTuple):
    """Where one layer sends its tokens, and why."""

    weights_Nk: Float[Tensor, "N k"]  # of the chosen experts' results
    chosen_Nk: Int[Tensor, "N k"]  # which experts
    scores_NE: Float[Tensor, "N E"]  # of all experts: softmax or sigmoid of the logits, without bias
    logits_NE: Float[Tensor, "N E"]


class Router(nn.Module):
    """Scores every expert for every token; keeps the best `top_k` and their weights."""

    bias: Tensor  # a buffer: moved by `update_bias` in training, not by gradients

    def __init__(self, moe: MoEConfig, d_model: int) -> None:
        super().__init__()
        self.moe = moe
        self.weight = nn.Parameter(torch.empty(moe.n_experts, d_model))
        if moe.selection_bias:
            self.register_buffer("bias", torch.zeros(moe.n_experts))

    def forward(self, x_ND: Float[Tensor, "N D"]) -> Routing:
        """Weights and indices of the chosen experts. The choice may be biased; the weights never are."""
        with torch.autocast(x_ND.device.type, enabled=False):  # float32: near ties decide which expert wins
            logits_NE = F.linear(x_ND.float(), self.weight.float())
        scores_NE = logits_NE.softmax(-1) if self.moe.scores == "softmax" else logits_NE.sigmoid()
        ranking_NE = scores_NE + self.bias if self.moe.selection_bias else scores_NE
        if self.moe.n_groups > 1:
            ranking_NE = keep_best_groups(ranking_NE, self.moe.n_groups, self.moe.top_k_groups)
        chosen_Nk = ranking_NE.topk(self.moe.top_k, dim=-1).indices
        weights_Nk = scores_NE.gather(-1, chosen_Nk)
        if self.moe.normalise_weights:
            weights_Nk = weights_Nk / (weights_Nk.sum(-1, keepdim=True) + 1e-20)
        return Routing(weights_Nk * self.moe.weight_scale, chosen_Nk, scores_NE, logits_NE)


def keep_best_groups(ranking_NE: Float[Tensor, "N E"], n_groups: int, top_k_groups: int) -> Float[Tensor, "N E"]:
    """Minus infinity for every expert outside the best groups; a group is as good as its two best experts together.

    DeepSeek-V3 (arXiv 2412.19437, section 2.1.2) limits each token to few groups, so to few machines.
    """
    by_group = ranking_NE.unflatten(-1, (n_groups, -1))
    group_scores = by_group.topk(2, dim=-1).values.sum(-1)
    best = group_scores.topk(top_k_groups, dim=-1).indices
    keep = torch.zeros_like(group_scores, dtype=torch.bool).scatter(-1, best, True)
    return by_group.masked_fill(~keep[..., None], float("-inf")).flatten(-2)


@contextmanager
def record_routing(model: nn.Module) -> Iterator[list[Routing]]:
    """Collect the `Routing` of every MoE layer that runs inside the `with` block, in order. Gradients flow.

    >>> moe = MoEConfig(n_experts=4, top_k=2, d_expert=8, layers=(0,))
    >>> router = Router(moe, d_model=6)
    >>> with record_routing(router) as routings:
    ...     _ = router(torch.zeros(5, 6))
    >>> routings[0].chosen_Nk.shape
    torch.Size([5, 2])
    """
    routings: list[Routing] = []
    routers = [module for module in model.modules() if isinstance(module, Router)]
    hooks = [router.register_forward_hook(lambda _, __, routing: routings.append(routing)) for router in routers]
    try:
        yield routings
    finally:
        for hook in hooks:
            hook.remove()


def expert_load(routing: Routing) -> Float[Tensor, "E"]:
    """The share of the N * k slots that each expert got: sums to 1, is 1/E everywhere when even."""
    n_experts = routing.logits_NE.shape[-1]
    return routing.chosen_Nk.flatten().bincount(minlength=n_experts) / routing.chosen_Nk.numel()


def balance_loss(routing: Routing) -> Float[Tensor, ""]:
    """E times the sum over experts of load and mean score: 1 when even, up to E / k when k experts take all.

    Switch Transformer (arXiv 2101.03961, equations 4 to 6); for k > 1 some divide the load by N instead of N * k, so
    theirs is k times ours. The load is a count without gradient: it is the scores of busy experts that are pushed down.
    Scores are first made to sum to 1 per token, as DeepSeek-V3 does with its sigmoids (arXiv 2412.19437, equations 17
    to 20); for softmax scores that changes nothing.
    """
    scores_NE = routing.scores_NE / routing.scores_NE.sum(-1, keepdim=True)
    load_E = expert_load(routing)
    return len(load_E) * (load_E * scores_NE.mean(0)).sum()


def z_loss(routing: Routing) -> Float[Tensor, ""]:
    """The mean over tokens of logsumexp(logits) squared, which keeps logits small (ST-MoE, arXiv 2202.08906, eq. 5)."""
    return routing.logits_NE.logsumexp(-1).square().mean()


@torch.no_grad()
def update_bias(router: Router, load_E: Float[Tensor, "E"], step_size: float) -> None:
    """Make idle experts a little easier to choose and busy ones harder: balance without a loss.

    DeepSeek-V3 (arXiv 2412.19437, section 2.1.2), once per training step, with a step of 0.001.

    Raises:
        ValueError: the router has no selection bias.
    """
    if not router.moe.selection_bias:
        raise ValueError("this router has no bias to update; build it with MoEConfig(selection_bias=True)")
    router.bias += step_size * torch.sign(1 / len(load_E) - load_E)


class Experts(nn.Module):
    """E SwiGLU experts, their matrices stacked."""

    def __init__(self, n_experts: int, d_model: int, d_expert: int) -> None:
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(n_experts, 2 * d_expert, d_model))
        self.down = nn.Parameter(torch.empty(n_experts, d_model, d_expert))

    def forward(
        self, x_ND: Float[Tensor, "N D"], weights_Nk: Float[Tensor, "N k"], chosen_Nk: Int[Tensor, "N k"]
    ) -> Float[Tensor, "N D"]:
        """Each expert works on its own tokens only; results are weighted and summed."""
        gate_up: Tensor = self.gate_up
        down: Tensor = self.down
        if torch.is_autocast_enabled(x_ND.device.type):  # which knows nothing of our own function below
            dtype = torch.get_autocast_dtype(x_ND.device.type)
            x_ND, gate_up, down = x_ND.to(dtype), gate_up.to(dtype), down.to(dtype)
        slot_M = chosen_Nk.flatten().argsort(stable=True)  # slots of expert 0 first, then those of expert 1, ...
        token_M = slot_M // chosen_Nk.shape[1]
        weights_M1 = weights_Nk.flatten()[slot_M, None].to(x_ND.dtype)
        size_E = chosen_Nk.flatten().bincount(minlength=len(gate_up))
        if has_grouped_kernel(x_ND, gate_up):
            return grouped_swiglu(x_ND, weights_M1, gate_up, down, token_M, size_E)
        return SlicedSwiGLU.apply(x_ND, weights_M1, gate_up, down, token_M, size_E.tolist())


def has_grouped_kernel(x_ND: Tensor, gate_up: Tensor) -> bool:
    """Whether one GPU kernel can multiply all experts at once: bfloat16 rows of whole 16 bytes, Ampere or newer."""
    aligned = gate_up.shape[1] % 16 == 0 and gate_up.shape[2] % 8 == 0
    is_bfloat16 = x_ND.is_cuda and x_ND.dtype == gate_up.dtype == torch.bfloat16
    return is_bfloat16 and aligned and hasattr(F, "grouped_mm") and torch.cuda.get_device_capability() >= (8, 0)


def grouped_swiglu(
    x_ND: Tensor, weights_M1: Tensor, gate_up: Tensor, down: Tensor, token_M: Tensor, size_E: Tensor
) -> Float[Tensor, "N D"]:
    """All experts at once, by torch's grouped matrix multiply."""
    ends_E = size_E.cumsum(0, dtype=torch.int32)
    gate_MF, up_MF = F.grouped_mm(x_ND.index_select(0, token_M), gate_up.mT, offs=ends_E).chunk(2, dim=-1)
    out_MD = F.grouped_mm(F.silu(gate_MF) * up_MF * weights_M1, down.mT, offs=ends_E)
    return torch.zeros_like(x_ND).index_add(0, token_M, out_MD)


class SlicedSwiGLU(torch.autograd.Function):
    """The same, expert after expert, each on its slice of the sorted slots; gradients by hand.

    Autograd would make a gradient of the full [E, ...] size for every single expert. On two cores this is 1.1 to 2.7
    times as fast as grouped_mm, forward and backward (8 to 256 experts, D 64 and 256: benchmarks/moe.py), as a
    block's rows stay in the cache; matrices gathered per token for one batched multiply are far slower than either.
    """

    @staticmethod
    def forward(
        ctx: Any, x_ND: Tensor, weights_M1: Tensor, gate_up: Tensor, down: Tensor, token_M: Tensor, sizes: list[int]
    ) -> Tensor:
        out_ND, gate_ups = torch.zeros_like(x_ND), []
        for block in blocks(sizes):
            token_R = token_M[block.slots]
            gate_up_R = mm_each(x_ND.index_select(0, token_R), gate_up.mT, block)
            gate_RF, up_RF = gate_up_R.chunk(2, dim=-1)
            # `down` is linear: the router's weight may come before it, where rows are shorter
            hidden_RF = F.silu(gate_RF) * up_RF * weights_M1[block.slots]
            out_ND.index_add_(0, token_R, mm_each(hidden_RF, down.mT, block))
            gate_ups.append(gate_up_R)
        ctx.save_for_backward(x_ND, weights_M1, gate_up, down, token_M, *gate_ups)
        ctx.sizes = sizes
        return out_ND

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_ND: Tensor) -> tuple[Tensor | None, ...]:
        x_ND, weights_M1, gate_up, down, token_M, *gate_ups = ctx.saved_tensors
        grads = [torch.zeros_like(tensor) for tensor in (x_ND, weights_M1, gate_up, down)]
        grad_x, grad_weights, grad_gate_up, grad_down = grads
        for block, gate_up_R in zip(blocks(ctx.sizes), gate_ups, strict=True):
            token_R, weights_R1 = token_M[block.slots], weights_M1[block.slots]
            gate_RF, up_RF = gate_up_R.chunk(2, dim=-1)
            silu_RF = F.silu(gate_RF)  # once more: cheaper than to keep it
            glu_RF = silu_RF * up_RF

            grad_RD = grad_ND.index_select(0, token_R)
            outer_each(grad_RD, glu_RF * weights_R1, block, out_EOI=grad_down)
            grad_RF = mm_each(grad_RD, down, block)
            grad_weights[block.slots] = (grad_RF * glu_RF).sum(-1, keepdim=True)
            grad_RF *= weights_R1
            grad_gate_RF = torch.ops.aten.silu_backward(grad_RF * up_RF, gate_RF)
            grad_R2F = torch.cat((grad_gate_RF, grad_RF * silu_RF), dim=-1)
            outer_each(grad_R2F, x_ND.index_select(0, token_R), block, out_EOI=grad_gate_up)
            grad_x.index_add_(0, token_R, mm_each(grad_R2F, gate_up, block))
        return *grads, None, None


class Block(NamedTuple):
    """Some experts and their slots, which stand side by side."""

    slots: slice
    experts: list[int]
    sizes: list[int]  # slots of each of these experts


def blocks(sizes: list[int], n_slots: int = 1024) -> Iterator[Block]:
    """Deal the experts that have slots into blocks of about `n_slots` together.

    A block's intermediate results stay in the processor's cache, and what is not a matrix multiply runs once per
    block instead of once per expert.

    >>> [(block.experts, block.slots) for block in blocks([3, 0, 1, 4], n_slots=4)]
    [([0, 2], slice(0, 4, None)), ([3], slice(4, 8, None))]
    """
    busy = [expert for expert, size in enumerate(sizes) if size]
    n_experts = max(1, round(len(busy) * n_slots / max(1, sum(sizes))))
    end = 0
    for first in range(0, len(busy), n_experts):
        experts = busy[first : first + n_experts]
        of_block = [sizes[expert] for expert in experts]
        start, end = end, end + sum(of_block)
        yield Block(slice(start, end), experts, of_block)


def mm_each(rows_RI: Tensor, matrices_EIO: Tensor, block: Block) -> Float[Tensor, "R O"]:
    """Each expert's rows times its matrix."""
    out_RO = rows_RI.new_empty(len(rows_RI), matrices_EIO.shape[-1])
    for expert, rows, out in zip(block.experts, rows_RI.split(block.sizes), out_RO.split(block.sizes), strict=True):
        torch.mm(rows, matrices_EIO[expert], out=out)
    return out_RO


def outer_each(grad_RO: Tensor, rows_RI: Tensor, block: Block, *, out_EOI: Tensor) -> None:
    """The gradient of each expert's matrix: the outer products of its rows and their gradients, summed."""
    for expert, grad, rows in zip(block.experts, grad_RO.split(block.sizes), rows_RI.split(block.sizes), strict=True):
        torch.mm(grad.T, rows, out=out_EOI[expert])


class MoE(nn.Module):
    """Routed experts, plus the shared ones that every token passes through."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        moe = config.moe
        assert moe is not None
        self.router = Router(moe, config.d_model)
        self.experts = Experts(moe.n_experts, config.d_model, moe.d_expert)
        self.shared = SwiGLU(config.d_model, moe.n_shared * moe.d_expert) if moe.n_shared else None

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        x_ND = x.reshape(-1, x.shape[-1])
        routing = self.router(x_ND)
        out = self.experts(x_ND, routing.weights_Nk, routing.chosen_Nk).view_as(x)
        return out if self.shared is None else out + self.shared(x)
