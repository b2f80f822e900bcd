"""Grouped-query attention, written out.

The scores are computed in full rather than block by block, so memory grows with the square of the context; a fused
kernel (`torch.nn.functional.scaled_dot_product_attention`) gives the same numbers without keeping them.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from racecourse.models.cache import KVCache
from racecourse.models.config import ModelConfig
from racecourse.models.layers import RMSNorm, apply_rope


def attention_weights(
    q_BHTC: Float[Tensor, "B H T C"],
    k_BKSC: Float[Tensor, "B K S C"],
    mask_BTS: Bool[Tensor, "#B T S"] | None,
    scale: float,
) -> Float[Tensor, "B H T S"]:
    """Where each query looks: softmax over the keys it may see. Query heads 0..G-1 share key head 0, and so on."""
    B, H, T, C = q_BHTC.shape
    K, S = k_BKSC.shape[1:3]
    rows = q_BHTC.reshape(B, K, H // K * T, C)  # the G query heads of a group are rows of one matrix: no key is copied
    scores_BHTS = (rows @ k_BKSC.transpose(-1, -2)).view(B, H, T, S) * scale
    if mask_BTS is not None:
        scores_BHTS = scores_BHTS.masked_fill(~mask_BTS[:, None], float("-inf"))
    return scores_BHTS.softmax(dim=-1, dtype=torch.float32).to(q_BHTC.dtype)


def attend(
    q_BHTC: Float[Tensor, "B H T C"],
    k_BKSC: Float[Tensor, "B K S C"],
    v_BKSC: Float[Tensor, "B K S Cv"],
    mask_BTS: Bool[Tensor, "#B T S"] | None,
    scale: float,
) -> Float[Tensor, "B H T Cv"]:
    """Each query's weighted mean of the values. `mask_BTS` is True where a query may look; None: everywhere."""
    weights_BHTS = attention_weights(q_BHTC, k_BKSC, mask_BTS, scale)
    B, H, T, S = weights_BHTS.shape
    K = k_BKSC.shape[1]
    rows = weights_BHTS.view(B, K, H // K * T, S)
    return (rows @ v_BKSC).view(B, H, T, v_BKSC.shape[-1])


class Attention(nn.Module):
    """Grouped-query attention with rotary positions (Ainslie et al. 2023): H query heads share K key-value heads."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        H, K, C = config.n_heads, config.n_kv_heads, config.head_dim
        self.n_heads, self.n_kv_heads, self.head_dim = H, K, C
        self.scale = C**-0.5
        self.clip = config.clip_qkv
        self.qkv = nn.Linear(config.d_model, (H + 2 * K) * C, bias=config.qkv_bias)
        self.out = nn.Linear(H * C, config.d_model, bias=config.out_bias)
        self.qk_norm = config.qk_norm
        if self.qk_norm != "none":
            full = self.qk_norm == "full"
            self.q_norm = RMSNorm(H * C if full else C, config.norm_eps)
            self.k_norm = RMSNorm(K * C if full else C, config.norm_eps)

    def project(self, x_BTD: Float[Tensor, "B T D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values as (B, heads, T, C), before rotation."""
        H, K, C = self.n_heads, self.n_kv_heads, self.head_dim
        q, k, v = self.qkv(x_BTD).split((H * C, K * C, K * C), dim=-1)
        if self.qk_norm == "full":
            q, k = self.q_norm(q), self.k_norm(k)
        if self.clip is not None:
            q, k, v = (t.clamp(-self.clip, self.clip) for t in (q, k, v))
        q, k, v = (t.unflatten(-1, (-1, C)).transpose(1, 2) for t in (q, k, v))
        if self.qk_norm == "head":
            q, k = self.q_norm(q), self.k_norm(k)
        return q, k, v

    def forward(
        self,
        x_BTD: Float[Tensor, "B T D"],
        rope: tuple[Tensor, Tensor],
        mask_BTS: Bool[Tensor, "#B T S"] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B T D"]:
        q_BHTC, k_BKSC, v_BKSC = self.project(x_BTD)
        # one call for both: for a single new token a call costs more than its arithmetic
        rotated = apply_rope(torch.cat((q_BHTC, k_BKSC), dim=1), *rope)
        q_BHTC, k_BKSC = rotated.split((self.n_heads, self.n_kv_heads), dim=1)
        if cache is not None:  # what was seen before comes back in front of what is new
            k_BKSC, v_BKSC = cache.append(layer, k_BKSC, v_BKSC)
        heads_BHTC = attend(q_BHTC, k_BKSC, v_BKSC, mask_BTS, self.scale)
        return self.out(heads_BHTC.transpose(1, 2).flatten(2))
