"""A mixture-of-experts feed-forward part: a router picks `top_k` of E experts for each token.

The routers of Mixtral, Qwen3-MoE and OLMoE (softmax) and of DeepSeek-V3 (sigmoid, groups, selection bias) are one
class with options. No token is dropped. Three ways to keep the experts evenly loaded: an auxiliary loss, a loss on the
size of the logits, and a bias that is moved by a rule. Left out: capacity limits, expert parallelism, noise.

N is the number of tokens, batch and time flattened; R = N * top_k the number of slots, one per token and chosen expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from racecourse.models.config import ModelConfig, MoEConfig
from racecourse.models.layers import SwiGLU


class Routing(NamedTuple):
    """What a router decided for N tokens."""

    weights_Nk: Float[Tensor, "N k"]  # of the chosen experts' results
    chosen_Nk: Int[Tensor, "N k"]
    scores_NE: Float[Tensor, "N E"]  # softmax or sigmoid of the logits, without the selection bias
    logits_NE: Float[Tensor, "N E"]


class Router(nn.Module):
    """Scores every expert for every token; keeps the best `top_k` and their weights."""

    bias: Tensor  # a buffer: moved by a rule of its own in training, not by gradients

    def __init__(self, moe: MoEConfig, d_model: int) -> None:
        super().__init__()
        self.moe = moe
        self.weight = nn.Parameter(torch.empty(moe.n_experts, d_model))
        if moe.selection_bias:
            self.register_buffer("bias", torch.zeros(moe.n_experts))

    def forward(self, x_ND: Float[Tensor, "N D"]) -> Routing:
        """The chosen experts and their weights. The choice may be biased; the weights never are."""
        logits_NE = F.linear(x_ND.float(), self.weight.float())  # float32: near ties decide which expert wins
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


class PerExpertLinear(torch.autograd.Function):
    """Rows sorted by expert, each expert's slice of rows times its own matrix.

    Written by hand because autograd, given a loop over `weight_EOI[e]`, makes a zero tensor of the size of all experts
    for the gradient of each: E times E. Here each gradient goes straight into its place.
    """

    @staticmethod
    def forward(ctx: Any, rows_RI: Tensor, weight_EOI: Tensor, sizes: list[int]) -> Tensor:
        ctx.save_for_backward(rows_RI, weight_EOI)
        ctx.sizes = sizes
        out_RO = rows_RI.new_empty(len(rows_RI), weight_EOI.shape[1])
        for rows, matrix, out in zip(rows_RI.split(sizes), weight_EOI.unbind(), out_RO.split(sizes), strict=True):
            if len(rows):  # an expert without tokens costs nothing
                torch.mm(rows, matrix.T, out=out)
        return out_RO

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        rows_RI, weight_EOI = ctx.saved_tensors
        (grad_RO,) = gradients
        grad_rows_RI, grad_weight_EOI = torch.empty_like(rows_RI), torch.zeros_like(weight_EOI)
        slices = (grad_RO, rows_RI, grad_rows_RI)
        for (grad, rows, grad_rows), matrix, grad_matrix in zip(
            zip(*(tensor.split(ctx.sizes) for tensor in slices), strict=True),
            weight_EOI.unbind(),
            grad_weight_EOI.unbind(),
            strict=True,
        ):
            if len(rows):
                torch.mm(grad, matrix, out=grad_rows)
                torch.mm(grad.T, rows, out=grad_matrix)
        return grad_rows_RI, grad_weight_EOI, None


class Experts(nn.Module):
    """E SwiGLU experts, their matrices stacked."""

    def __init__(self, n_experts: int, d_model: int, d_expert: int) -> None:
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(n_experts, 2 * d_expert, d_model))
        self.down = nn.Parameter(torch.empty(n_experts, d_model, d_expert))

    def forward(
        self, x_ND: Float[Tensor, "N D"], weights_Nk: Float[Tensor, "N k"], chosen_Nk: Int[Tensor, "N k"]
    ) -> Float[Tensor, "N D"]:
        """Each expert works on its own tokens only; results are weighted and summed.

        The slots are sorted by expert, so that each expert reads one block of rows and writes one block.
        """
        order_R = chosen_Nk.flatten().argsort(stable=True)
        sizes = torch.bincount(chosen_Nk.flatten(), minlength=len(self.gate_up))
        token_R = order_R // chosen_Nk.shape[1]
        gate, up = self.per_expert(x_ND[token_R], self.gate_up, sizes).chunk(2, dim=-1)
        hidden_RF = F.silu(gate) * up * weights_Nk.flatten()[order_R, None].to(x_ND.dtype)
        result_RD = self.per_expert(hidden_RF, self.down, sizes)
        return torch.zeros_like(x_ND).index_add(0, token_R, result_RD.to(x_ND.dtype))

    @staticmethod
    def per_expert(rows_RI: Tensor, weight_EOI: Tensor, sizes_E: Int[Tensor, "E"]) -> Tensor:
        return PerExpertLinear.apply(rows_RI, weight_EOI, sizes_E.tolist())


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


@contextmanager
def record_routing(model: nn.Module) -> Iterator[list[Routing]]:
    """Collect what every router of `model` decides, in the order of the layers, while the block runs.

    Gradients flow through what is collected, so a balancing loss can be made of it.
    """
    routings: list[Routing] = []
    hooks = [
        module.register_forward_hook(lambda _router, _inputs, routing: routings.append(routing))
        for module in model.modules()
        if isinstance(module, Router)
    ]
    try:
        yield routings
    finally:
        for hook in hooks:
            hook.remove()


def expert_load(routing: Routing) -> Float[Tensor, "E"]:
    """Each expert's share of the N * top_k slots; 1 / E everywhere when the load is even."""
    counts_E = torch.bincount(routing.chosen_Nk.flatten(), minlength=routing.scores_NE.shape[-1])
    return counts_E / routing.chosen_Nk.numel()


def balance_loss(routing: Routing) -> Float[Tensor, ""]:
    """E times the sum over experts of load times mean score: 1 when even, up to E when one expert has everything.

    Switch Transformer (arXiv 2101.03961, equations 4 to 6). The load is counted and has no gradient; the score has one,
    and falls for experts that have too much. Sigmoid scores are made to sum to 1 first (DeepSeek-V3, arXiv
    2412.19437, equations 17 to 20). transformers' `load_balancing_loss_func` gives `top_k` times this number.
    """
    shares_NE = routing.scores_NE / routing.scores_NE.sum(-1, keepdim=True)
    return shares_NE.shape[-1] * (expert_load(routing) * shares_NE.mean(0)).sum()


def z_loss(routing: Routing) -> Float[Tensor, ""]:
    """Mean over tokens of logsumexp(logits) squared: keeps logits small (ST-MoE, arXiv 2202.08906, equation 5)."""
    return routing.logits_NE.logsumexp(-1).square().mean()


@torch.no_grad()
def update_bias(router: Router, load_E: Float[Tensor, "E"], step_size: float) -> None:
    """Raise the selection bias of experts below the even load and lower it above (DeepSeek-V3, section 2.1.2)."""
    router.bias += step_size * torch.sign(1 / len(load_E) - load_E)
