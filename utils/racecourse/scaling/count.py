"""Parameters of a transformer, counted from its config without building it.

Only what is trained counts. DeepSeek-V3's selection bias is a buffer, moved by a rule and not by a gradient, so it is
left out, as is that model's multi-token-prediction module. Shape letters as in `racecourse.models.config`: D model
width, H query heads, K key-value heads, C channels per head, F feed-forward width, E experts, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from racecourse.models.config import MLAConfig, ModelConfig, MoEConfig


@dataclass(frozen=True)
class ParameterCount:
    """How many parameters each part of a model has, over all layers; every parameter is in exactly one part."""

    input_embedding: int
    attention: int
    feed_forward: int  # of dense layers
    routed_experts: int
    shared_experts: int
    router: int
    norms: int
    output_head: int  # 0 when the head reuses the input embedding
    idle_experts: int = 0  # of the routed experts, those that do not work on a given token

    @property
    def parts(self) -> dict[str, int]:
        """The parts by name; they sum to `total`."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "idle_experts"}

    @property
    def total(self) -> int:
        return sum(self.parts.values())

    @property
    def active(self) -> int:
        """One token's share: all but the experts that the router leaves idle. Both embeddings count in full."""
        return self.total - self.idle_experts

    @property
    def embedding(self) -> int:
        """Input embedding and output head: `total - embedding` is what model cards call non-embedding parameters."""
        return self.input_embedding + self.output_head

    def table(self) -> str:
        """Return a plain text table of the parts with their shares, and the sums."""
        rows = [
            f"{name.replace('_', ' '):16} {count:>18,} {count / self.total:>7.1%}"
            for name, count in self.parts.items()
            if count
        ]
        rows.append(f"{'total':16} {self.total:>18,} {1:>7.1%}")
        if self.idle_experts:
            rows.append(f"{'active per token':16} {self.active:>18,} {self.active / self.total:>7.1%}")
        return "\n".join(rows)


def count_parameters(config: ModelConfig) -> ParameterCount:
    """Count a model's parameters exactly; nothing is allocated.

    >>> smollm2 = ModelConfig("llama", vocab_size=49152, d_model=576, n_layers=30, n_heads=9, n_kv_heads=3, head_dim=64,
    ...                       d_ff=1536, max_context=8192, tie_embeddings=True)
    >>> f"{count_parameters(smollm2).total:,}"
    '134,515,008'
    """
    L, D, V = config.n_layers, config.d_model, config.vocab_size
    moe = config.moe
    n_moe = sum(config.is_moe_layer(layer) for layer in range(L))
    return ParameterCount(
        input_embedding=V * D,
        attention=L * (latent_attention(config, config.mla) if config.mla else attention(config)),
        feed_forward=(L - n_moe) * swiglu(D, config.d_ff),
        routed_experts=n_moe * moe.n_experts * swiglu(D, moe.d_expert) if moe else 0,
        shared_experts=n_moe * moe.n_shared * swiglu(D, moe.d_expert) if moe else 0,
        router=n_moe * router(D, moe) if moe else 0,
        norms=L * norms_of_layer(config) + D,  # the last D: the norm before the output head
        output_head=0 if config.tie_embeddings else V * D,
        idle_experts=n_moe * (moe.n_experts - moe.top_k) * swiglu(D, moe.d_expert) if moe else 0,
    )


def attention(config: ModelConfig) -> int:
    """Query, key, value and output projections of one layer, with grouped heads."""
    D, H, K, C = config.d_model, config.n_heads, config.n_kv_heads, config.head_dim
    weights = D * H * C + 2 * D * K * C + H * C * D
    qkv_bias = (H + 2 * K) * C if config.qkv_bias else 0
    out_bias = D if config.out_bias else 0
    return weights + qkv_bias + out_bias


def latent_attention(config: ModelConfig, mla: MLAConfig) -> int:
    """One layer of multi-head latent attention: down to the latents, up to the heads, and out."""
    D, H = config.d_model, config.n_heads
    q_width = H * (mla.nope_dim + mla.rope_dim)
    queries = D * q_width if mla.q_rank is None else D * mla.q_rank + mla.q_rank * q_width
    down = D * (mla.kv_rank + mla.rope_dim)
    up = mla.kv_rank * H * (mla.nope_dim + mla.v_dim)
    return queries + down + up + H * mla.v_dim * D


def swiglu(d_model: int, d_ff: int) -> int:
    """Gate, up and down matrices of one feed-forward part or one expert."""
    return 3 * d_model * d_ff


def router(d_model: int, moe: MoEConfig) -> int:
    """One score per expert."""
    return d_model * moe.n_experts


def norms_of_layer(config: ModelConfig) -> int:
    """RMSNorm weights of one layer: before attention, before the feed-forward part, and those inside attention."""
    inside = {
        "none": 0,
        "head": 2 * config.head_dim,  # one set of weights for all query heads, one for all key heads
        "full": (config.n_heads + config.n_kv_heads) * config.head_dim,
    }[config.qk_norm]
    if config.mla:
        inside += config.mla.kv_rank + (config.mla.q_rank or 0)
    return 2 * config.d_model + inside
