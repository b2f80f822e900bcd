"""The decoder-only transformer, from token ids to logits.

One class for all seven architectures; what differs stands in `ModelConfig`. Left out: dropout, and multi-token
prediction (DeepSeek-V3's extra module).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from racecourse.models.attention import Attention
from racecourse.models.cache import KVCache
from racecourse.models.config import ModelConfig
from racecourse.models.layers import RMSNorm, Rotary, SwiGLU
from racecourse.models.mla import LatentAttention
from racecourse.models.moe import MoE

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Block(nn.Module):
    """One layer: attention, then feed-forward, each adding its result to the residual stream."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.attention_norm = RMSNorm(config.d_model, config.norm_eps)
        self.attention = LatentAttention(config) if config.mla else Attention(config)
        self.mlp_norm = RMSNorm(config.d_model, config.norm_eps)
        self.mlp = MoE(config) if config.is_moe_layer(layer) else SwiGLU(config.d_model, config.d_ff)

    def forward(
        self, x_BTD: Float[Tensor, "B T D"], rope: tuple[Tensor, Tensor], mask_BTS: Tensor | None, cache: KVCache | None
    ) -> Float[Tensor, "B T D"]:
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), rope, mask_BTS, cache, self.layer)
        return x_BTD + self.mlp(self.mlp_norm(x_BTD))


def causal_mask(
    n_new: int, n_seen: int, n_pad_B: Int[Tensor, "B"] | None, device: torch.device
) -> Bool[Tensor, "#B T S"] | None:
    """True where a new token may look: at itself and what came before, but not at padding. None: everywhere.

    A padding token may look at itself, or its softmax would have nothing to sum over.
    """
    if n_new == 1 and n_pad_B is None:
        return None
    key_S = torch.arange(n_seen, device=device)
    query_T = torch.arange(n_seen - n_new, n_seen, device=device)
    mask_BTS = (key_S <= query_T[:, None])[None]
    if n_pad_B is None:
        return mask_BTS
    is_real_BS = key_S >= n_pad_B[:, None]
    return mask_BTS & is_real_BS[:, None] | (key_S == query_T[:, None])


class Transformer(nn.Module):
    """Token ids in, one logit per vocabulary entry out.

    >>> config = ModelConfig("llama", vocab_size=10, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=4,
    ...                      d_ff=16, max_context=32)
    >>> Transformer(config)(torch.tensor([[1, 2, 3]])).shape
    torch.Size([1, 3, 10])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        is_meta = torch.get_default_device().type == "meta"  # without numbers, and for those torch imports its compiler
        weight_VD = torch.empty(config.vocab_size, config.d_model) if is_meta else None
        self.embed = nn.Embedding(config.vocab_size, config.d_model, _weight=weight_VD)
        self.layers = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.embed.weight
        self.rotary = Rotary(config)
        if not is_meta:
            self.init_weights()

    @torch.no_grad()
    def init_weights(self, std: float = 0.02) -> None:
        """Normal weights, zero biases, norms at one; what writes to the residual stream starts smaller (GPT-2)."""
        residual_std = std / (2 * self.config.n_layers) ** 0.5
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif "norm" not in name:
                parameter.normal_(0.0, residual_std if "out." in name or ".down" in name else std)

    def forward(
        self,
        ids_BT: Int[Tensor, "B T"],
        cache: KVCache | None = None,
        n_pad_B: Int[Tensor, "B"] | None = None,
        last_only: bool = False,
    ) -> Float[Tensor, "B T V"]:
        """Logits for the token after each of `ids_BT`.

        With a cache, `ids_BT` are the new tokens only, and the cache grows by them. Rows of different lengths are
        padded on the left by `n_pad_B` tokens (a cache brings its own). `last_only` keeps T = 1: the last token's.

        Raises:
            ValueError: more tokens than the model's context, or than the cache has room for.
        """
        seen = cache.length if cache is not None else 0
        T, S = ids_BT.shape[1], seen + ids_BT.shape[1]
        if S > self.config.max_context:
            raise ValueError(f"{S} tokens exceed this model's context of {self.config.max_context}")
        n_pad_B = cache.n_pad_B if cache is not None else n_pad_B
        # padding needs no correction here: rotary attention sees only how far apart two tokens are
        positions_BT = torch.arange(seen, S, device=ids_BT.device)[None]
        x_BTD = self.embed(ids_BT)
        rope = self.rotary(positions_BT, x_BTD.dtype)
        mask_BTS = causal_mask(T, S, n_pad_B, ids_BT.device)
        for block in self.layers:
            x_BTD = block(x_BTD, rope, mask_BTS, cache)
        if cache is not None:
            cache.length = S
        return self.head(self.norm(x_BTD[:, -1:] if last_only else x_BTD))

    @classmethod
    def from_hf(cls, hf_model: PreTrainedModel) -> Transformer:
        """The same model in this class: weights copied, dtype and device kept, equal logits."""
        config = ModelConfig.from_hf(hf_model.config)
        return cls.from_hf_state_dict(config, {name: t.clone() for name, t in hf_model.state_dict().items()})

    @classmethod
    def from_hf_state_dict(cls, config: ModelConfig, state_dict: dict[str, Tensor]) -> Transformer:
        """A model around weights under Hugging Face's names; only what is fused (query, key and value, say) is copied.

        Raises:
            ValueError: weights that are missing, left over or of the wrong shape, by name.
        """
        from racecourse.models.hf_weights import rename

        with torch.device("meta"):
            model = cls(config)
        try:
            model.load_state_dict(rename(config, state_dict), assign=True)
        except RuntimeError as problem:
            raise ValueError(f"these weights do not fit the config: {problem}") from None
        if config.tie_embeddings:
            model.head.weight = model.embed.weight
        return model.eval().requires_grad_(False)
