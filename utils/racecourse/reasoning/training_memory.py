"""What GRPO of a language model needs of a device's memory, counted before anything is loaded.

Weights, gradients, AdamW's moments and the cache are exact. What a forward pass keeps for the backward pass is counted
tensor by tensor from our own code (dense models; every answer as long as it may be). The temporary tensors around it
are an estimate, and so is the sum: what the allocator loses between tensors, the CUDA libraries' own memory and the
loading of the weights are left out.

Shape legend: N tokens of a packed group, D model width, H query heads, K key-value heads, C channels per head, F
feed-forward width, R rank, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from racecourse.models.config import ModelConfig
from racecourse.reasoning.grpo import LOGITS_AT_ONCE, GRPOConfig
from racecourse.scaling.count import count_parameters, kv_bytes_per_token

FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Memory:
    """Bytes of one run. A step writes, learns part by part and moves the weights: the largest of the three counts."""

    weights: int  # adapters included
    gradients: int
    moments: int  # AdamW's two
    first_model: int  # what kl_weight compares with
    cache: int  # keys and values of all answers of a step, while they are written
    writing: int  # logits and probabilities of one token of each
    activations: int  # of one part, kept for its backward pass
    logits: int  # of one chunk, and the output matrix's gradient on its way
    scratch: int  # attention's temporary tensors, one layer's
    moving: int  # AdamW's temporary tensors

    @property
    def held(self) -> int:
        """All the time."""
        return self.weights + self.gradients + self.moments + self.first_model

    @property
    def total(self) -> int:
        return self.held + max(self.cache + self.writing, self.activations + self.logits + self.scratch, self.moving)

    def table(self) -> str:
        """One line for each part that is there, and the peak."""
        rows = [(field.name.replace("_", " "), getattr(self, field.name)) for field in fields(self)]
        return "\n".join(f"  {name:12} {n / 2**30:>6.2f} GiB" for name, n in [*rows, ("peak", self.total)] if n)


def memory_needed(
    config: ModelConfig,
    grpo: GRPOConfig,
    *,
    prompt_tokens: int,
    weight_bytes: int = FLOAT32,
    lora_rank: int = 0,
    logits_at_once: int = LOGITS_AT_ONCE,
) -> Memory:
    """Bytes for `train_grpo`, with prompts of `prompt_tokens` and answers of `grpo.max_new_tokens`.

    `lora_rank=0` trains all weights, which then have to be float32. Otherwise the weights are frozen in `weight_bytes`
    each, and adapters beside all of a block's matrices are trained in float32.

    Raises:
        ValueError: a mixture of experts or latent attention, whose activations are not counted here; all weights to be
            trained in 16 bits.
    """
    if config.moe or config.mla:
        raise ValueError("memory_needed knows dense models with grouped-query attention only")
    if not lora_rank and weight_bytes != FLOAT32:
        raise ValueError(f"weight_bytes={weight_bytes}: weights are trained in float32 (4 bytes); or set lora_rank")
    n_weights = count_parameters(config).total
    n_adapters = lora_parameters(config, lora_rank)
    n_trained = n_adapters if lora_rank else n_weights
    weights = n_weights * weight_bytes + n_adapters * FLOAT32
    rows, D, V = grpo.n_prompts * grpo.group_size, config.d_model, config.vocab_size
    groups = max(1, min(grpo.rows_at_once, rows) // grpo.group_size)
    N = prompt_tokens + grpo.group_size * grpo.max_new_tokens
    n_logits = V * min(max(1, logits_at_once // V), groups * grpo.group_size * grpo.max_new_tokens)
    head_gradient = 0 if lora_rank else 2 * V * D * FLOAT32  # a chunk's, and the sum of those before it
    return Memory(
        weights=weights,
        gradients=n_trained * FLOAT32,
        moments=2 * n_trained * FLOAT32,
        first_model=weights if grpo.kl_weight else 0,
        cache=rows * (prompt_tokens + grpo.max_new_tokens - 1) * kv_bytes_per_token(config, weight_bytes),
        writing=4 * rows * V * FLOAT32,  # logits, divided by the temperature, softmax, and the draw
        activations=config.n_layers * groups * kept_per_layer(config, N, weight_bytes, lora_rank),
        logits=3 * n_logits * FLOAT32 + head_gradient,  # softmax's result, its gradient, and that of what went in
        scratch=groups * config.n_heads * N * N * (FLOAT32 + 2 * weight_bytes),
        moving=n_trained * FLOAT32,
    )


def kept_per_layer(config: ModelConfig, n_tokens: int, weight_bytes: int, lora_rank: int) -> int:
    """Bytes that one layer keeps of one packed group for the backward pass."""
    D, F, N = config.d_model, config.d_ff, n_tokens
    H, K, C = config.n_heads, config.n_kv_heads, config.head_dim
    as_weights = (H + 2 * K) * C + 3 * F  # rotated queries and keys, values; gate, up, and the gate's silu
    in_float32 = 4 * D + H * C + F  # both norms' inputs, and the inputs of the four matrices
    scaled = 2 * D  # by both norms
    if config.qk_norm != "none":
        in_float32 += (H + 2 * K) * C  # what queries and keys are views of
        scaled += (H + K) * C
    if not lora_rank:
        as_weights += scaled  # needed for the gradient of a norm's scale
    attention = H * N * N * (FLOAT32 + (weight_bytes if weight_bytes != FLOAT32 else 0)) + N * N  # and the mask
    return N * (as_weights * weight_bytes + in_float32 * FLOAT32) + attention


def lora_parameters(config: ModelConfig, rank: int) -> int:
    """Of the adapters that `add_lora` makes by default: rank times inputs plus outputs of each matrix.

    >>> smollm2 = ModelConfig("llama", vocab_size=49152, d_model=576, n_layers=30, n_heads=9, n_kv_heads=3, head_dim=64,
    ...                       d_ff=1536, max_context=8192, tie_embeddings=True)
    >>> lora_parameters(smollm2, 16)
    4055040
    """
    D, F = config.d_model, config.d_ff
    heads, all_heads = config.n_heads * config.head_dim, (config.n_heads + 2 * config.n_kv_heads) * config.head_dim
    return config.n_layers * rank * ((D + all_heads) + (heads + D) + (D + 2 * F) + (F + D))
