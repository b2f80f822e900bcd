"""The small parts of a transformer block: RMSNorm, rotary positions, SwiGLU.

Left out: LayerNorm, learned positions and GELU, which the models of this course no longer use; dropout, which none of
them was trained with.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from racecourse.models.config import ModelConfig, RopeScaling


class RMSNorm(nn.Module):
    """Divide each vector by its root mean square, then scale every channel (Zhang and Sennrich 2019, equation 4)."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        x32 = x.float()  # a sum of squares overflows float16 from about 256 upwards
        mean_square = x32.square().mean(-1, keepdim=True)
        return self.weight * (x32 * torch.rsqrt(mean_square + self.eps)).to(x.dtype)


class SwiGLU(nn.Module):
    """A gated feed-forward part: down(silu(gate(x)) * up(x)) (Shazeer 2020). Gate and up are one matrix multiply."""

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(d_model, 2 * d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


def rope_frequencies(dim: int, theta: float) -> Float[Tensor, "dim/2"]:
    """Radians that each pair of channels turns per position: theta^(-2i/dim) (Su et al. 2021, section 3.2.2)."""
    return theta ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)


def apply_rope(
    x: Float[Tensor, "B H T C"], cos: Float[Tensor, "B 1 T C/2"], sin: Float[Tensor, "B 1 T C/2"]
) -> Float[Tensor, "B H T C"]:
    """Turn channel i together with channel i + C/2 by the angle of its position (the layout of Llama and Qwen)."""
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((x1 * cos - x2 * sin, x2 * cos + x1 * sin), dim=-1)


def apply_rope_interleaved(
    x: Float[Tensor, "B H T C"], cos: Float[Tensor, "B 1 T C/2"], sin: Float[Tensor, "B 1 T C/2"]
) -> Float[Tensor, "B H T C"]:
    """Turn channel 2i together with channel 2i + 1 (DeepSeek's layout).

    The result comes out as two halves. Queries and keys are reordered alike, so their dot products are unchanged.
    """
    x1, x2 = x[..., 0::2], x[..., 1::2]
    return torch.cat((x1 * cos - x2 * sin, x2 * cos + x1 * sin), dim=-1)


class Rotary(nn.Module):
    """Cosines and sines for given positions, with the frequency scaling that a config asks for."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        with torch.device("cpu"):  # real numbers even while a model is laid out on the meta device
            frequencies = rope_frequencies(config.rope_dim, config.rope_theta)
            self.amplitude = 1.0
            if config.rope_scaling is not None:
                frequencies, self.amplitude = scale_frequencies(frequencies, config.rope_theta, config.rope_scaling)
        self.frequencies = frequencies

    def forward(self, positions_BT: Int[Tensor, "B T"], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        if self.frequencies.device != positions_BT.device:
            self.frequencies = self.frequencies.to(positions_BT.device)
        angles = positions_BT[:, None, :, None] * self.frequencies  # float32: positions beyond 256 are lost in bfloat16
        return (angles.cos() * self.amplitude).to(dtype), (angles.sin() * self.amplitude).to(dtype)


def scale_frequencies(frequencies: Tensor, theta: float, scaling: RopeScaling) -> tuple[Tensor, float]:
    """Frequencies for a longer context, and the factor on cosine and sine that goes with them."""
    if scaling.kind == "linear":
        return frequencies / scaling.factor, 1.0
    if scaling.kind == "llama3":
        return _llama3_frequencies(frequencies, scaling), 1.0
    return _yarn_frequencies(frequencies, theta, scaling), _yarn_amplitude(scaling)


def _llama3_frequencies(frequencies: Tensor, scaling: RopeScaling) -> Tensor:
    """Slow channels are stretched by `factor`, fast ones kept, those between blended (Llama 3.1)."""
    turns = scaling.original_context * frequencies / (2 * math.pi)  # full turns within the original context
    keep = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    keep = keep.clamp(0, 1)
    return keep * frequencies + (1 - keep) * frequencies / scaling.factor


def _yarn_frequencies(frequencies: Tensor, theta: float, scaling: RopeScaling) -> Tensor:
    """As llama3, but the blend is linear in the channel's index (Peng et al. 2023, section 3.2)."""
    dim = 2 * len(frequencies)

    def index_of(n_turns: float) -> float:  # the channel pair that makes n_turns within the original context
        return dim * math.log(scaling.original_context / (n_turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = index_of(scaling.beta_fast), index_of(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    high = high + 0.001 if low == high else high
    stretch = ((torch.arange(dim // 2, dtype=torch.float32) - low) / (high - low)).clamp(0, 1)
    return stretch * frequencies / scaling.factor + (1 - stretch) * frequencies


def yarn_mscale(factor: float, weight: float = 1.0) -> float:
    """YaRN's correction of attention's temperature: 0.1 weight ln(factor) + 1."""
    return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0


def _yarn_amplitude(scaling: RopeScaling) -> float:
    if scaling.attention_factor is not None:
        return scaling.attention_factor
    if scaling.mscale and scaling.mscale_all_dim:
        return yarn_mscale(scaling.factor, scaling.mscale) / yarn_mscale(scaling.factor, scaling.mscale_all_dim)
    return yarn_mscale(scaling.factor)
