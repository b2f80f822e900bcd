"""`ModelConfig`: the shape of a decoder-only transformer, read from Hugging Face's config format.

Covers the seven architectures that the course meets: Llama (SmolLM2), Qwen2 (QwQ-32B), Qwen3, Mixtral, Qwen3-MoE,
OLMoE and DeepSeek-V3 (R1). Left out: sliding-window attention, biases in the feed-forward part and activations
other than SiLU; a config that asks for one of them is refused rather than half obeyed.

Shape legend of the whole room: B batch, T new tokens, S tokens so far (keys), D model width, H query heads, K key-value
heads, G = H // K, C channels per head, F feed-forward width, E experts, V vocabulary.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PretrainedConfig

ARCHITECTURES = ("llama", "qwen2", "qwen3", "mixtral", "qwen3_moe", "olmoe", "deepseek_v3")


@dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies are stretched beyond the context that the model was trained on."""

    kind: str  # "linear", "llama3" or "yarn"
    factor: float
    original_context: int
    low_freq_factor: float = 1.0  # llama3 only
    high_freq_factor: float = 4.0  # llama3 only
    beta_fast: float = 32.0  # yarn only, as are all below
    beta_slow: float = 1.0
    attention_factor: float | None = None
    mscale: float = 0.0
    mscale_all_dim: float = 0.0
    truncate: bool = True

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "llama3", "yarn"):
            raise ValueError(f"rope scaling kind={self.kind!r}: use 'linear', 'llama3' or 'yarn'")


@dataclass(frozen=True)
class MoEConfig:
    """A mixture-of-experts feed-forward part. Layers not named in `layers` keep a dense one."""

    n_experts: int  # E, routed experts
    top_k: int  # routed experts that work on each token
    d_expert: int  # F of one expert
    layers: tuple[int, ...]  # which layers have experts
    n_shared: int = 0  # experts that work on every token
    scores: str = "softmax"  # or "sigmoid" (DeepSeek-V3)
    normalise_weights: bool = True  # the chosen experts' weights sum to 1
    weight_scale: float = 1.0  # multiplies the weights after that
    n_groups: int = 1  # experts are dealt into groups; a token may use only the best `top_k_groups`
    top_k_groups: int = 1
    selection_bias: bool = False  # a per-expert bias that steers the choice, not the weights (DeepSeek-V3)

    def __post_init__(self) -> None:
        if self.top_k_groups > self.n_groups:
            raise ValueError(f"top_k_groups={self.top_k_groups} exceeds n_groups={self.n_groups}; lower top_k_groups")
        if self.n_groups > 1 and self.n_experts < 2 * self.n_groups:
            raise ValueError(f"n_groups={self.n_groups} of {self.n_experts} experts: a group is ranked by its best two")
        if self.top_k > self.n_experts:
            raise ValueError(f"top_k={self.top_k} exceeds n_experts={self.n_experts}; lower top_k")
        if self.n_experts % self.n_groups:
            raise ValueError(f"n_experts={self.n_experts} cannot be dealt evenly into n_groups={self.n_groups}")
        within_reach = self.n_experts // self.n_groups * self.top_k_groups
        if self.top_k > within_reach:
            raise ValueError(f"top_k={self.top_k} exceeds the {within_reach} experts of the chosen groups; lower top_k")
        if self.scores not in ("softmax", "sigmoid"):
            raise ValueError(f"scores={self.scores!r}: use 'softmax' or 'sigmoid'")


@dataclass(frozen=True)
class MLAConfig:
    """Multi-head latent attention (DeepSeek-V2, section 2.1): keys and values are rebuilt from one small latent."""

    kv_rank: int  # width of the cached latent
    q_rank: int | None  # width of the query latent; None: queries straight from the residual stream
    nope_dim: int  # query and key channels per head without position
    rope_dim: int  # query and key channels per head with position; the key part is shared by all heads
    v_dim: int  # value channels per head
    interleaved: bool = True  # rotary pairs are neighbours (0,1), (2,3) ... instead of halves


@dataclass(frozen=True)
class ModelConfig:
    """The shape of one transformer. Immutable; `from_hf` reads it from a Hugging Face config."""

    architecture: str  # one of ARCHITECTURES
    vocab_size: int  # V
    d_model: int  # D
    n_layers: int
    n_heads: int  # H
    n_kv_heads: int  # K
    head_dim: int  # C; not always d_model // n_heads
    d_ff: int  # F of a dense layer
    max_context: int
    norm_eps: float = 1e-6
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    tie_embeddings: bool = False  # the output head reuses the embedding matrix
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: str = "none"  # "head": each head's channels (Qwen3); "full": all heads together (OLMoE)
    clip_qkv: float | None = None  # OLMoE: clamp queries, keys and values
    moe: MoEConfig | None = None
    mla: MLAConfig | None = None

    def __post_init__(self) -> None:
        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture {self.architecture!r} is not known here; known: {', '.join(ARCHITECTURES)}")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.n_kv_heads}")
        if self.rope_dim % 2:
            raise ValueError(f"rotary width {self.rope_dim} is odd; channels are rotated in pairs")
        if self.qk_norm not in ("none", "head", "full"):
            raise ValueError(f"qk_norm={self.qk_norm!r}: use 'none', 'head' or 'full'")

    @property
    def rope_dim(self) -> int:
        """Channels per head that carry position."""
        return self.mla.rope_dim if self.mla else self.head_dim

    def is_moe_layer(self, layer: int) -> bool:
        return self.moe is not None and layer in self.moe.layers

    @property
    def cache_shape(self) -> tuple[int, int, int]:
        """What one layer caches per token: (heads, width of the first tensor, width of the second).

        Keys and values per key-value head; for MLA the one latent and the one shared rotary key.
        """
        if self.mla:
            return 1, self.mla.kv_rank, self.mla.rope_dim
        return self.n_kv_heads, self.head_dim, self.head_dim

    @classmethod
    def from_hf(cls, source: PretrainedConfig | dict[str, Any] | str | Path) -> ModelConfig:
        """Read a transformers config object, a dict in its format, or a path to a `config.json`.

        Raises:
            ValueError: an architecture or a feature that the course's transformer does not have, by name.
        """
        return cls(**_read(_HFReader(_as_dict(source))))


def _as_dict(source: PretrainedConfig | dict[str, Any] | str | Path) -> dict[str, Any]:
    if isinstance(source, dict):
        return source
    if isinstance(source, (str, Path)):
        path = Path(source)
        path = path / "config.json" if path.is_dir() else path
        return json.loads(path.read_text(encoding="utf-8"))
    return source.to_dict()


class _HFReader:
    """A config dict that says which key is missing, and of what."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.model_type = raw.get("model_type", "")
        if self.model_type not in ARCHITECTURES:
            raise ValueError(f"architecture {self.model_type!r} is not known here; known: {', '.join(ARCHITECTURES)}")

    def __getitem__(self, key: str) -> Any:
        if self.raw.get(key) is None:
            raise ValueError(f"the {self.model_type} config lacks {key!r}")
        return self.raw[key]

    def get(self, key: str, default: Any = None) -> Any:
        value = self.raw.get(key)
        return default if value is None else value

    def refuse(self, condition: bool, feature: str) -> None:
        if condition:
            raise ValueError(f"the {self.model_type} config asks for {feature}, which this transformer does not have")


def _read(hf: _HFReader) -> dict[str, Any]:
    """The fields of ModelConfig, from a reader over a Hugging Face config."""
    kind = hf.model_type
    hf.refuse(hf.get("hidden_act", "silu") != "silu", f"hidden_act={hf.get('hidden_act')!r}")
    hf.refuse(bool(hf.get("mlp_bias", False)), "mlp_bias")
    windowed = hf.get("sliding_window") is not None and hf.get("use_sliding_window", kind == "mixtral")
    hf.refuse(bool(windowed), "sliding-window attention")
    mla = _read_mla(hf) if kind == "deepseek_v3" else None
    n_heads = hf["num_attention_heads"]
    head_dim = hf.get("head_dim", hf["hidden_size"] // n_heads)
    attention_bias = bool(hf.get("attention_bias", False))
    hf.refuse(attention_bias and mla is not None, "attention_bias")
    return {
        "architecture": kind,
        "vocab_size": hf["vocab_size"],
        "d_model": hf["hidden_size"],
        "n_layers": hf["num_hidden_layers"],
        "n_heads": n_heads,
        "n_kv_heads": hf.get("num_key_value_heads", n_heads),
        "head_dim": mla.nope_dim + mla.rope_dim if mla else head_dim,
        "d_ff": hf["intermediate_size"],
        "max_context": hf["max_position_embeddings"],
        "norm_eps": hf.get("rms_norm_eps", 1e-6),
        "rope_theta": float(_rope(hf).get("rope_theta") or hf.get("rope_theta", 1e6 if kind == "mixtral" else 1e4)),
        "rope_scaling": _read_rope_scaling(hf),
        "tie_embeddings": bool(hf.get("tie_word_embeddings", False)),
        "qkv_bias": attention_bias or kind == "qwen2",
        "out_bias": attention_bias,
        "qk_norm": {"qwen3": "head", "qwen3_moe": "head", "olmoe": "full"}.get(kind, "none"),
        "clip_qkv": hf.get("clip_qkv"),
        "moe": _read_moe(hf),
        "mla": mla,
    }


def _rope(hf: _HFReader) -> dict[str, Any]:
    """transformers 5 writes `rope_parameters`; older files have `rope_theta` and `rope_scaling` side by side."""
    return hf.get("rope_parameters") or hf.get("rope_scaling") or {}


def _read_rope_scaling(hf: _HFReader) -> RopeScaling | None:
    rope = _rope(hf)
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "default":
        return None
    hf.refuse(kind not in ("linear", "llama3", "yarn"), f"rope scaling {kind!r}")
    hf.refuse(rope.get("partial_rotary_factor", 1.0) != 1.0, "a partial rotary factor")
    context = rope.get("original_max_position_embeddings") or hf["max_position_embeddings"]
    return RopeScaling(
        kind=kind,
        factor=rope.get("factor") or hf["max_position_embeddings"] / context,
        original_context=context,
        low_freq_factor=rope.get("low_freq_factor") or 1.0,
        high_freq_factor=rope.get("high_freq_factor") or 4.0,
        beta_fast=rope.get("beta_fast") or 32.0,
        beta_slow=rope.get("beta_slow") or 1.0,
        attention_factor=rope.get("attention_factor"),
        mscale=rope.get("mscale") or 0.0,
        mscale_all_dim=rope.get("mscale_all_dim") or 0.0,
        truncate=rope.get("truncate", True),
    )


def _read_mla(hf: _HFReader) -> MLAConfig:
    return MLAConfig(
        kv_rank=hf["kv_lora_rank"],
        q_rank=hf.get("q_lora_rank"),
        nope_dim=hf["qk_nope_head_dim"],
        rope_dim=hf["qk_rope_head_dim"],
        v_dim=hf["v_head_dim"],
        interleaved=bool(hf.get("rope_interleave", True)),
    )


def _read_moe(hf: _HFReader) -> MoEConfig | None:
    if hf.model_type not in ("mixtral", "qwen3_moe", "olmoe", "deepseek_v3"):
        return None
    n_layers = hf["num_hidden_layers"]
    if hf.model_type == "deepseek_v3":
        return MoEConfig(
            n_experts=hf["n_routed_experts"],
            top_k=hf["num_experts_per_tok"],
            d_expert=hf["moe_intermediate_size"],
            layers=tuple(range(hf.get("first_k_dense_replace", 0), n_layers)),
            n_shared=hf["n_shared_experts"],
            scores="sigmoid",
            normalise_weights=bool(hf.get("norm_topk_prob", True)),
            weight_scale=hf["routed_scaling_factor"],
            n_groups=hf["n_group"],
            top_k_groups=hf["topk_group"],
            selection_bias=True,
        )
    step, dense = hf.get("decoder_sparse_step", 1), set(hf.get("mlp_only_layers", []))
    return MoEConfig(
        n_experts=hf.get("num_local_experts") or hf["num_experts"],
        top_k=hf["num_experts_per_tok"],
        d_expert=hf["moe_intermediate_size"] if hf.model_type == "qwen3_moe" else hf["intermediate_size"],
        layers=tuple(i for i in range(n_layers) if i not in dense and (i + 1) % step == 0),
        normalise_weights=True if hf.model_type == "mixtral" else bool(hf.get("norm_topk_prob", False)),
    )
