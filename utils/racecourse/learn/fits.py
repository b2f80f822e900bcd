"""Which models a computer can hold, and the most tokens per second that its memory allows.

Weights only: a GB is 10^9 bytes, every token reads the weights that work on it once, and nothing else takes time. Left
out, for lesson 06: the cache of keys and values, the scales that 8- and 4-bit formats carry, several requests at
once, and what chips lose when they share a model.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from racecourse.models.config import ModelConfig
from racecourse.scaling import ParameterCount, count_parameters

FILE = Path(__file__).parent / "data" / "models.toml"
FORMATS = {"float32": 32, "bf16": 16, "int8": 8, "4-bit": 4}  # bits per parameter


@dataclass(frozen=True)
class Computer:
    """What decides whether a model fits and how fast it may write."""

    name: str
    memory_gb: float
    gb_per_s: float  # at which weights are read
    source: str  # "measured here" or a data sheet: a measured figure is always the lower one


# From NVIDIA's data sheets: memory and memory bandwidth of one chip.
COMPUTERS = (
    Computer("NVIDIA T4", 16, 320, "data sheet"),
    Computer("NVIDIA RTX 4090", 24, 1008, "data sheet"),
    Computer("NVIDIA H100 SXM", 80, 3350, "data sheet"),
    Computer("NVIDIA H200 SXM", 141, 4800, "data sheet"),
)


@dataclass(frozen=True)
class Fit:
    """One model in one format on one computer."""

    model: str
    format: str
    gb: float
    fits: bool
    tokens_per_s: float  # at most, one conversation at a time


def known_configs() -> dict[str, ModelConfig]:
    """The models that the course talks about, from the smallest to the largest."""
    raw = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: ModelConfig.from_hf(config) for name, config in raw.items()}


def known_counts() -> dict[str, ParameterCount]:
    return {name: count_parameters(config) for name, config in known_configs().items()}


def weight_gb(n_parameters: int, bits: int) -> float:
    """Size of the weights in GB of 10^9 bytes."""
    return n_parameters * bits / 8 / 1e9


def read_per_token(count: ParameterCount) -> int:
    """Parameters that are read to write one token: the active ones, less a table in which one row is looked up."""
    looked_up = count.input_embedding if count.output_head else 0  # a tied table is read in full, as the output head
    return count.active - looked_up


def most_tokens_per_s(gb_per_s: float, gb_per_token: float) -> float:
    """The limit that memory sets: it delivers so many GB each second, and each token needs so many."""
    return gb_per_s / gb_per_token


def fit_all(computer: Computer, counts: dict[str, ParameterCount], *, reserve: float, chips: int = 1) -> list[Fit]:
    """Every model in every format; `reserve` is the share of memory left to the system, the cache and the rest.

    With several chips, memory and bandwidth add up as if sharing cost nothing, so both are upper limits.
    """
    usable = usable_gb(computer, reserve=reserve, chips=chips)
    fits = []
    for model, count in counts.items():
        for name, bits in FORMATS.items():
            gb = weight_gb(count.total, bits)
            speed = most_tokens_per_s(chips * computer.gb_per_s, weight_gb(read_per_token(count), bits))
            fits.append(Fit(model, name, gb, gb <= usable, speed))
    return fits


def usable_gb(computer: Computer, *, reserve: float, chips: int = 1) -> float:
    return chips * computer.memory_gb * (1 - reserve)


def describe_fits(computer: Computer, fits: list[Fit], *, reserve: float, chips: int = 1) -> str:
    """One line for those who cannot see the figure: the largest model that fits, and its limit."""
    name = f"{chips} x {computer.name}" if chips > 1 else computer.name
    usable = f"{name}, {usable_gb(computer, reserve=reserve, chips=chips):.1f} GB usable"
    held = [fit for fit in fits if fit.fits]
    if not held:
        return f"{usable}: none of the models fits in any format."
    best = max(held, key=lambda fit: [f.model for f in fits].index(fit.model))  # the first of its formats: most bits
    n_models = len({fit.model for fit in held})
    return (
        f"{usable}: {n_models} of {len({fit.model for fit in fits})} models fit in some format. The largest is "
        f"{best.model} in {best.format} ({best.gb:.1f} GB), at most {best.tokens_per_s:.3g} tokens/s."
    )
