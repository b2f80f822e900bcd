"""What has to fit into memory, to write with a model and to train one, in bytes.

Weights and cache are exact. Activations of training follow a published formula for one kind of network, and are what
plain attention keeps; fused attention and recomputation keep far less. Left out: what allocators lose, temporary
tensors, and the CUDA libraries' own memory. GB is 10^9 bytes here, as on data sheets; GiB is 2^30.
"""

from __future__ import annotations

from dataclasses import dataclass

from racecourse.models.config import ModelConfig
from racecourse.scaling.count import count_parameters, kv_bytes_per_token

GB = 10**9


@dataclass(frozen=True)
class InferenceMemory:
    """Bytes to write with a model."""

    weights: float
    cache: float

    @property
    def total(self) -> float:
        return self.weights + self.cache


def inference_memory(
    config: ModelConfig, *, context: int, batch_size: int = 1, bits_per_weight: float = 16, bytes_per_value: int = 2
) -> InferenceMemory:
    """`batch_size` conversations of `context` tokens. Scales of 4-bit formats count: with ours it is 5 bits a weight.

    Raises:
        ValueError: a number that is not above 0.
    """
    _check(context=context, batch_size=batch_size, bits_per_weight=bits_per_weight)
    return InferenceMemory(
        weights=count_parameters(config).total * bits_per_weight / 8,
        cache=batch_size * context * kv_bytes_per_token(config, bytes_per_value),
    )


def longest_context(
    config: ModelConfig, *, memory_gb: float, batch_size: int = 1, bits_per_weight: float = 16, bytes_per_value: int = 2
) -> int:
    """Tokens that each of `batch_size` conversations may have beside the weights; 0 where these do not fit."""
    weights = inference_memory(config, context=1, bits_per_weight=bits_per_weight).weights
    free = memory_gb * GB - weights
    return max(0, int(free // (batch_size * kv_bytes_per_token(config, bytes_per_value))))


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes to train a model in mixed precision with Adam, on one device."""

    weights: int
    gradients: int
    optimizer: int  # the float32 copy of the weights, and Adam's two moments
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations


def training_memory(n_parameters: int, *, activations: int = 0, gradient_bytes: int = 2) -> TrainingMemory:
    """16 bytes a parameter, 20 where gradients are summed up in float32 (`gradient_bytes=6`), and activations.

    Weights in bf16 (2), gradients (2), a float32 copy (4), two moments (8); ZeRO, arXiv 1910.02054, section 3.1.

    >>> training_memory(7_000_000_000).total / 1e9
    112.0
    """
    return TrainingMemory(2 * n_parameters, gradient_bytes * n_parameters, 12 * n_parameters, activations)


def activation_bytes(*, n_layers: int, d_model: int, n_heads: int, n_tokens: int, batch_size: int = 1) -> int:
    """What the forward pass keeps for the backward pass, in 16 bits: L s b h (34 + 5 a s / h).

    Korthikanti and others 2022 (arXiv 2205.05198, equation 2), for GPT's blocks: every head has keys of its own, the
    feed-forward part is two matrices of h x 4h, dropout is on, and attention keeps its s x s weights.
    """
    plain = 34 * n_tokens * batch_size * d_model
    return n_layers * (plain + 5 * n_heads * n_tokens**2 * batch_size)


def _check(**values: float) -> None:
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name}={value} is not above 0")
