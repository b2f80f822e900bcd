"""A mixture-of-experts feed-forward part: a router picks `top_k` of E experts for each token.

The routers of Mixtral, Qwen3-MoE and OLMoE (softmax) and of DeepSeek-V3 (sigmoid, groups, selection bias) are one
class with options. No token is dropped. Left out: balancing losses and faster dispatch, which training needs.

N is the number of tokens, batch and time flattened.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from racecourse.models.config import ModelConfig, MoEConfig
from racecourse.models.layers import SwiGLU


class Router(nn.Module):
    """Scores every expert for every token; keeps the best `top_k` and their weights."""

    bias: Tensor  # a buffer: moved by a rule of its own in training, not by gradients

    def __init__(self, moe: MoEConfig, d_model: int) -> None:
        super().__init__()
        self.moe = moe
        self.weight = nn.Parameter(torch.empty(moe.n_experts, d_model))
        if moe.selection_bias:
            self.register_buffer("bias", torch.zeros(moe.n_experts))

    def forward(self, x_ND: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N k"], Int[Tensor, "N k"]]:
        """Weights and indices of the chosen experts. The choice may be biased; the weights never are."""
        logits_NE = F.linear(x_ND.float(), self.weight.float())  # float32: near ties decide which expert wins
        scores_NE = logits_NE.softmax(-1) if self.moe.scores == "softmax" else logits_NE.sigmoid()
        ranking_NE = scores_NE + self.bias if self.moe.selection_bias else scores_NE
        if self.moe.n_groups > 1:
            ranking_NE = keep_best_groups(ranking_NE, self.moe.n_groups, self.moe.top_k_groups)
        chosen_Nk = ranking_NE.topk(self.moe.top_k, dim=-1).indices
        weights_Nk = scores_NE.gather(-1, chosen_Nk)
        if self.moe.normalise_weights:
            weights_Nk = weights_Nk / (weights_Nk.sum(-1, keepdim=True) + 1e-20)
        return weights_Nk * self.moe.weight_scale, chosen_Nk


def keep_best_groups(ranking_NE: Float[Tensor, "N E"], n_groups: int, top_k_groups: int) -> Float[Tensor, "N E"]:
    """Minus infinity for every expert outside the best groups; a group is as good as its two best experts together.

    DeepSeek-V3 (arXiv 2412.19437, section 2.1.2) limits each token to few groups, so to few machines.
    """
    by_group = ranking_NE.unflatten(-1, (n_groups, -1))
    group_scores = by_group.topk(2, dim=-1).values.sum(-1)
    best = group_scores.topk(top_k_groups, dim=-1).indices
    keep = torch.zeros_like(group_scores, dtype=torch.bool).scatter(-1, best, True)
    return by_group.masked_fill(~keep[..., None], float("-inf")).flatten(-2)


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
        out_ND = torch.zeros_like(x_ND)
        for expert in chosen_Nk.unique().tolist():
            token, slot = torch.where(chosen_Nk == expert)
            gate, up = F.linear(x_ND[token], self.gate_up[expert]).chunk(2, dim=-1)
            result = F.linear(F.silu(gate) * up, self.down[expert])
            out_ND.index_add_(0, token, (result * weights_Nk[token, slot, None]).to(x_ND.dtype))
        return out_ND


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
        out = self.experts(x_ND, *self.router(x_ND)).view_as(x)
        return out if self.shared is None else out + self.shared(x)
