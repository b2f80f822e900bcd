"""Parameters, arithmetic and cache of a transformer, counted from its config without building it.

Only what is trained counts. DeepSeek-V3's selection bias is a buffer, moved by a rule and not by a gradient, so it is
left out, as is that model's multi-token-prediction module. Of the arithmetic only matrix products count: norms,
softmax, rotation and the sums of biases are left out. Shape letters as in `racecourse.models.config`: D model width,
H query heads, K key-value heads, C channels per head, F feed-forward width, E experts, V vocabulary.
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


def flops_per_token(config: ModelConfig, context: int = 4096, training: bool = False) -> int:
    """FLOPs of all matrix products for one token, 2 per multiply-add; routers count, embedding look-ups do not.

    Without `training`: the forward pass of the last token of `context`, which attends to `context` keys, itself
    included, as when the next word is written. With `training`: the mean over a causal sequence of `context` tokens,
    which attend to (context + 1) / 2 keys on average, forward and backward, 3 times the forward pass. What is masked
    is not counted; attention that computes all T x T scores and then masks half of them, as ours does, spends more.

    Keys and values count once per token. A cache of latents (MLA) saves memory and costs arithmetic in decoding:
    to rebuild the keys and values of all earlier tokens, as our `LatentAttention` does, is not in this count.

    >>> smollm2 = ModelConfig("llama", vocab_size=49152, d_model=576, n_layers=30, n_heads=9, n_kv_heads=3, head_dim=64,
    ...                       d_ff=1536, max_context=8192, tie_embeddings=True)
    >>> f"{flops_per_token(smollm2, context=2048):,}"
    '410,517,504'
    """
    per_key = 2 * config.n_layers * attention_channels(config)
    if training:  # 3 * 2 * weights, and 3 * per_key * (context + 1) / 2, which is whole because per_key is even
        return 6 * weights_at_work(config) + 3 * per_key * (context + 1) // 2
    return 2 * weights_at_work(config) + per_key * context


def weights_at_work(config: ModelConfig) -> int:
    """Matrix entries that one token is multiplied with: no look-ups, norms or biases, and the head even when tied."""
    n = count_parameters(config)
    attention_matrices = n.attention - config.n_layers * attention_biases(config)
    experts = n.routed_experts - n.idle_experts + n.shared_experts + n.router
    return attention_matrices + n.feed_forward + experts + config.vocab_size * config.d_model


def attention_channels(config: ModelConfig) -> int:
    """Multiply-adds for one query and one key in one layer: the score of every head, then its share of the value."""
    if config.mla:
        return config.n_heads * (config.mla.nope_dim + config.mla.rope_dim + config.mla.v_dim)
    return config.n_heads * 2 * config.head_dim


def training_flops(*, n_parameters: float, n_tokens: float) -> float:
    """The rule of thumb C = 6 N D (Kaplan et al. 2020, section 2.1): 2 FLOPs per parameter forward, 4 backward.

    N is the active parameters of a mixture of experts. `flops_per_token` counts exactly, attention included.

    >>> f"{training_flops(n_parameters=70e9, n_tokens=1.4e12):.2e}"
    '5.88e+23'
    """
    return 6 * n_parameters * n_tokens


def kv_bytes_per_token(config: ModelConfig, bytes_per_value: int = 2) -> int:
    """Bytes that the cache grows by with every token, over all layers; 2 bytes per value is bf16.

    Keys and values of every key-value head, or, with multi-head latent attention, one latent and one rotary key.

    >>> smollm2 = ModelConfig("llama", vocab_size=49152, d_model=576, n_layers=30, n_heads=9, n_kv_heads=3, head_dim=64,
    ...                       d_ff=1536, max_context=8192, tie_embeddings=True)
    >>> kv_bytes_per_token(smollm2)
    23040
    """
    heads, k_width, v_width = config.cache_shape
    return config.n_layers * heads * (k_width + v_width) * bytes_per_value


def attention(config: ModelConfig) -> int:
    """Query, key, value and output projections of one layer, with grouped heads."""
    D, H, K, C = config.d_model, config.n_heads, config.n_kv_heads, config.head_dim
    return D * H * C + 2 * D * K * C + H * C * D + attention_biases(config)


def attention_biases(config: ModelConfig) -> int:
    """Biases of one layer's projections: added, not multiplied, so they are parameters but no FLOPs."""
    qkv_bias = (config.n_heads + 2 * config.n_kv_heads) * config.head_dim if config.qkv_bias else 0
    return qkv_bias + (config.d_model if config.out_bias else 0)


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
