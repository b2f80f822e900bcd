"""Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).

The cache holds one latent per token (512 numbers in DeepSeek-V3) and one rotary key (64) that all heads share; keys and
values of every head are rebuilt from the latent when they are needed. Left out: the "absorbed" form that folds the
rebuilding into the query and output matrices, which is faster in decoding and gives the same numbers.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from racecourse.models.attention import attend
from racecourse.models.cache import KVCache
from racecourse.models.config import ModelConfig
from racecourse.models.layers import RMSNorm, apply_rope, apply_rope_interleaved, yarn_mscale


class LatentAttention(nn.Module):
    """Attention whose keys and values pass through a narrow latent, which alone is cached."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        mla, D, H = config.mla, config.d_model, config.n_heads
        assert mla is not None
        self.mla, self.n_heads = mla, H
        q_width = H * (mla.nope_dim + mla.rope_dim)
        if mla.q_rank is None:
            self.q = nn.Linear(D, q_width, bias=False)
        else:
            self.q_down = nn.Linear(D, mla.q_rank, bias=False)
            self.q_norm = RMSNorm(mla.q_rank)  # both latents' norms keep eps = 1e-6 whatever the config's norm_eps
            self.q_up = nn.Linear(mla.q_rank, q_width, bias=False)
        self.kv_down = nn.Linear(D, mla.kv_rank + mla.rope_dim, bias=False)
        self.kv_norm = RMSNorm(mla.kv_rank)
        self.kv_up = nn.Linear(mla.kv_rank, H * (mla.nope_dim + mla.v_dim), bias=False)
        self.out = nn.Linear(H * mla.v_dim, D, bias=False)
        self.rotate = apply_rope_interleaved if mla.interleaved else apply_rope
        self.scale = (mla.nope_dim + mla.rope_dim) ** -0.5
        scaling = config.rope_scaling
        if scaling is not None and scaling.mscale_all_dim:  # DeepSeek moves YaRN's temperature into the scale
            self.scale *= yarn_mscale(scaling.factor, scaling.mscale_all_dim) ** 2

    def queries(self, x_BTD: Float[Tensor, "B T D"], rope: tuple[Tensor, Tensor]) -> Float[Tensor, "B H T C"]:
        q = self.q(x_BTD) if self.mla.q_rank is None else self.q_up(self.q_norm(self.q_down(x_BTD)))
        q_BHTC = q.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        nope, rotary = q_BHTC.split((self.mla.nope_dim, self.mla.rope_dim), dim=-1)
        return torch.cat((nope, self.rotate(rotary, *rope)), dim=-1)

    def latents(self, x_BTD: Float[Tensor, "B T D"], rope: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """What is cached: the latent (B, 1, T, kv_rank) and the shared rotary key (B, 1, T, rope_dim)."""
        latent, rotary = self.kv_down(x_BTD).split((self.mla.kv_rank, self.mla.rope_dim), dim=-1)
        return self.kv_norm(latent)[:, None], self.rotate(rotary[:, None], *rope)

    def rebuild(self, latent_B1SR: Tensor, rotary_B1SC: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (B, H, S, nope + rope) and values (B, H, S, v) of every head, from what the cache holds."""
        kv_BHSC = self.kv_up(latent_B1SR[:, 0]).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        nope, v_BHSC = kv_BHSC.split((self.mla.nope_dim, self.mla.v_dim), dim=-1)
        return torch.cat((nope, rotary_B1SC.expand(-1, self.n_heads, -1, -1)), dim=-1), v_BHSC

    def forward(
        self,
        x_BTD: Float[Tensor, "B T D"],
        rope: tuple[Tensor, Tensor],
        mask_BTS: Bool[Tensor, "#B T S"] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B T D"]:
        q_BHTC = self.queries(x_BTD, rope)
        latent, rotary = self.latents(x_BTD, rope)
        if cache is not None:
            latent, rotary = cache.append(layer, latent, rotary)
        k_BHSC, v_BHSC = self.rebuild(latent, rotary)
        heads_BHTC = attend(q_BHTC, k_BHSC, v_BHSC, mask_BTS, self.scale)
        return self.out(heads_BHTC.transpose(1, 2).flatten(2))
