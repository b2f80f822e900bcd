"""How fast a model writes: what one step reads and computes, divided by what a machine was seen to reach.

A step writes one token for each row of a batch. It reads every weight that works on one of the rows, reads the cached
keys and values of all rows, and costs each layer some time that has nothing to do with its size:

    seconds = weight bytes / rate + cache bytes / rate + layers * seconds per layer

The three costs are fitted to steps that were timed on this machine (`calibrate`), for each batch size by itself: matrix
libraries have other code for one row than for several, and with many rows arithmetic takes over from reading. For a
chip that is not here they come from its data sheet, with what others reached of it (`data_sheet`), and arithmetic has a
term of its own. The terms are added, as if nothing overlapped; a roofline (Williams and others 2009) takes the largest
instead, as if everything did. Left out: kernels that change with a model's width, models small enough to stay in a
processor's cache, and speculative decoding.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from racecourse.hardware.accelerators import known
from racecourse.scaling.count import count_parameters, flops_per_token, kv_bytes_per_token

if TYPE_CHECKING:
    from racecourse.hardware.accelerators import Chip
    from racecourse.models.config import ModelConfig
    from racecourse.models.transformer import Transformer

FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Work:
    """What one step reads and computes, for all rows of its batch together."""

    weight_bytes: float
    cache_bytes: float
    flops: float
    n_layers: int

    @property
    def intensity(self) -> float:
        """FLOP per byte read."""
        return self.flops / (self.weight_bytes + self.cache_bytes)


def experts_touched(n_experts: int, top_k: int, n_rows: int) -> float:
    """How many different experts a batch wakes, on average, if each row chooses `top_k` at random.

    >>> experts_touched(256, 8, 1), round(experts_touched(256, 8, 64), 1)
    (8.0, 222.5)
    """
    return n_experts * (1 - (1 - top_k / n_experts) ** n_rows)


def weights_read(config: ModelConfig, n_rows: int = 1) -> float:
    """Parameters that a step reads: all but the looked-up embedding table and the experts that no row chose."""
    n = count_parameters(config)
    looked_up = n.input_embedding if n.output_head else 0  # a tied table is read in full, as the output head
    asleep = 0.0
    if config.moe is not None:
        asleep = 1 - experts_touched(config.moe.n_experts, config.moe.top_k, n_rows) / config.moe.n_experts
    return n.total - looked_up - asleep * n.routed_experts


def decode_work(
    config: ModelConfig,
    *,
    context: int,
    batch_size: int = 1,
    bytes_per_weight: float = FLOAT32,
    bytes_per_value: int = FLOAT32,
) -> Work:
    """One step for `batch_size` rows, each of which has `context` tokens, the new one included.

    Raises:
        ValueError: no token, or no row.
    """
    if context < 1 or batch_size < 1:
        raise ValueError(f"context={context} and batch_size={batch_size}: a step has one of each at least")
    flops = flops_per_token(config, context=context)
    if (
        config.mla is not None
    ):  # engines attend to the latents themselves, which are wider than a head's keys and values
        wider = 2 * config.mla.kv_rank - config.mla.nope_dim - config.mla.v_dim
        flops += 2 * config.n_layers * config.n_heads * wider * context
    return Work(
        weight_bytes=weights_read(config, batch_size) * bytes_per_weight,
        cache_bytes=batch_size * context * kv_bytes_per_token(config, bytes_per_value),
        flops=batch_size * flops,
        n_layers=config.n_layers,
    )


def prefill_work(config: ModelConfig, *, n_tokens: int, batch_size: int = 1, bytes_per_weight: float = FLOAT32) -> Work:
    """Reading prompts of `n_tokens` in one pass: a token attends to those before it, the last one needs the head."""
    rows = batch_size * n_tokens
    head = 2 * config.vocab_size * config.d_model
    mean_over_sequence = flops_per_token(config, context=n_tokens, training=True) / 3  # forward only
    return Work(
        weight_bytes=weights_read(config, rows) * bytes_per_weight,
        cache_bytes=0.0,
        flops=rows * (mean_over_sequence - head) + batch_size * head,
        n_layers=config.n_layers,
    )


# ------------------------------------------------------------------------------------------------------- predictions


@dataclass(frozen=True)
class Rates:
    """What a machine reaches. What costs nothing has an infinite rate."""

    weights_gb_per_s: float = math.inf
    cache_gb_per_s: float = math.inf
    gflops: float = math.inf
    layer_us: float = 0.0
    error: float = 0.0  # by which factor, less 1, a model left out of the fit was missed

    def parts(self, work: Work) -> dict[str, float]:
        """Seconds for each term of the sum."""
        return {
            "weights": work.weight_bytes / self.weights_gb_per_s / 1e9,
            "cache": work.cache_bytes / self.cache_gb_per_s / 1e9,
            "arithmetic": work.flops / self.gflops / 1e9,
            "layers": work.n_layers * self.layer_us / 1e6,
        }


@dataclass(frozen=True)
class Prediction:
    """Seconds of one step. Nine steps of ten lie between `low` and `high`, for models like those that were timed."""

    seconds: float
    low: float
    high: float
    parts: Mapping[str, float] = field(default_factory=dict)


def predict(work: Work, rates: Rates) -> Prediction:
    """The sum of the terms, and the interval that the fit's error gives."""
    parts = rates.parts(work)
    seconds = sum(parts.values())
    return Prediction(seconds, seconds / (1 + rates.error), seconds * (1 + rates.error), parts)


def predict_decode(
    config: ModelConfig,
    *,
    context: int,
    rates: Rates | Mapping[int, Rates],
    batch_size: int = 1,
    bytes_per_weight: float = FLOAT32,
    bytes_per_value: int = FLOAT32,
) -> Prediction:
    """Seconds of one step: `batch_size` tokens, one for each row.

    `rates` of `calibrate` are by batch size: between two that were timed, seconds lie on a straight line.

    Raises:
        ValueError: a batch size outside those that were timed, no token, or no row.
    """

    def at(size: int, with_rates: Rates) -> Prediction:
        work = decode_work(
            config, context=context, batch_size=size, bytes_per_weight=bytes_per_weight, bytes_per_value=bytes_per_value
        )
        return predict(work, with_rates)

    if isinstance(rates, Rates):
        return at(batch_size, rates)
    below = max((size for size in rates if size <= batch_size), default=None)
    above = min((size for size in rates if size >= batch_size), default=None)
    if below is None or above is None:
        raise ValueError(f"batch_size={batch_size} lies outside those timed, {sorted(rates)}: calibrate at it as well")
    share = (batch_size - below) / (above - below) if above > below else 0.0
    one, other = at(below, rates[below]), at(above, rates[above])
    mix = lambda a, b: (1 - share) * a + share * b  # noqa: E731
    return Prediction(
        mix(one.seconds, other.seconds),
        mix(one.low, other.low),
        mix(one.high, other.high),
        {name: mix(one.parts[name], other.parts[name]) for name in one.parts},
    )


def predict_prefill(
    config: ModelConfig, *, n_tokens: int, rates: Rates, batch_size: int = 1, bytes_per_weight: float = FLOAT32
) -> Prediction:
    """Seconds to read prompts of `n_tokens` in one pass, with rates that know arithmetic."""
    work = prefill_work(config, n_tokens=n_tokens, batch_size=batch_size, bytes_per_weight=bytes_per_weight)
    return predict(work, rates)


# ------------------------------------------------------------------------------------------------------- calibration


@dataclass(frozen=True)
class Timed:
    """One kind of step, and how long it took."""

    model: str  # a fit leaves out whole models, not single steps
    work: Work
    seconds: float


COSTS = ("weights", "cache", "layers")


def fit_rates(timed: Sequence[Timed], costs: Sequence[str] = COSTS) -> Rates:
    """The rates that explain the timings best, and how far off they are for a model that was left out.

    Least squares on predicted / measured - 1, with no cost below zero. For `error` each model is left out in turn and
    its steps are predicted from the others': nine steps of ten were missed by that factor or less.

    Raises:
        ValueError: fewer than three models: too few to leave one out.
    """
    models = dict.fromkeys(t.model for t in timed)
    if len(models) < 3:
        raise ValueError(f"{len(models)} model(s) timed; leaving one out takes three or more")
    misses = []
    for model in models:
        rates = least_squares([t for t in timed if t.model != model], costs)
        misses += [abs(math.log(predict(t.work, rates).seconds / t.seconds)) for t in timed if t.model == model]
    error = math.exp(np.quantile(misses, 0.9)) - 1
    return replace(least_squares(timed, costs), error=error)


def least_squares(timed: Sequence[Timed], costs: Sequence[str] = COSTS) -> Rates:
    """Rates for which predicted / measured is as near to 1 as can be."""
    from scipy.optimize import nnls

    def amounts(work: Work) -> dict[str, float]:
        return {
            "weights": work.weight_bytes,
            "cache": work.cache_bytes,
            "arithmetic": work.flops,
            "layers": work.n_layers,
        }

    rows = np.array([[amounts(t.work)[cost] / t.seconds for cost in costs] for t in timed])
    scale = rows.max(axis=0)  # bytes and layers differ by seven powers of ten
    seconds_each = dict(zip(costs, nnls(rows / scale, np.ones(len(timed)))[0] / scale, strict=True))
    per_s = {cost: 1e-9 / seconds if seconds else math.inf for cost, seconds in seconds_each.items()}
    return Rates(
        per_s.get("weights", math.inf),
        per_s.get("cache", math.inf),
        per_s.get("arithmetic", math.inf),
        1e6 * seconds_each.get("layers", 0.0),
    )


def time_decode(model: Transformer, *, context: int, batch_size: int = 1, seconds: float = 0.3) -> float:
    """Median seconds of one step, over about `seconds` and seven steps at least; the cache holds noise."""
    import torch

    from racecourse.machine.trials import finish
    from racecourse.models.cache import KVCache

    weight = next(model.parameters())
    cache = KVCache(model.config, batch_size, context, device=weight.device, dtype=weight.dtype)
    cache.k.normal_()
    cache.v.normal_()
    ids_B1 = torch.zeros(batch_size, 1, dtype=torch.long, device=weight.device)
    durations: list[float] = []
    with torch.inference_mode():
        while len(durations) < 8 or sum(durations) < seconds:
            cache.length = context - 1
            started = time.perf_counter()
            model(ids_B1, cache=cache, last_only=True)
            finish(weight.device.type)
            durations.append(time.perf_counter() - started)
    return median(durations[1:])


def small_configs() -> dict[str, ModelConfig]:
    """Five shapes to calibrate with, of 3 to 250 MB in float32: thin and wide, few layers and many."""
    from racecourse.models.config import ModelConfig

    def llama(
        d_model: int, n_layers: int, n_heads: int, n_kv_heads: int, head_dim: int, vocab_size: int
    ) -> ModelConfig:
        return ModelConfig(
            "llama", vocab_size=vocab_size, d_model=d_model, n_layers=n_layers, n_heads=n_heads, n_kv_heads=n_kv_heads,
            head_dim=head_dim, d_ff=128 * round(d_model / 48), max_context=8192, tie_embeddings=True,
        )  # fmt: skip

    return {
        "4 layers of 128": llama(128, 4, 4, 2, 32, 512),
        "8 layers of 256": llama(256, 8, 4, 2, 64, 4096),
        "16 layers of 384": llama(384, 16, 6, 2, 64, 8192),
        "12 layers of 512": llama(512, 12, 8, 4, 64, 32_000),
        "8 layers of 768": llama(768, 8, 12, 4, 64, 16_384),
    }


def time_models(
    configs: Mapping[str, ModelConfig],
    *,
    batch_sizes: Sequence[int] = (1, 4, 16),
    contexts: Sequence[int] = (64, 1024),
    seconds: float = 0.3,
    device: str = "cpu",
    log: Callable[[str], None] | None = None,
) -> dict[int, list[Timed]]:
    """Time decoding steps of models of these shapes with random weights, `seconds` each; by batch size."""
    import torch

    from racecourse.models.transformer import Transformer

    timed: dict[int, list[Timed]] = {size: [] for size in batch_sizes}
    for name, config in configs.items():
        with torch.device(device):
            model = Transformer(config).eval().requires_grad_(False)
        for size in batch_sizes:
            for context in contexts:
                work = decode_work(config, context=context, batch_size=size)
                taken = time_decode(model, context=context, batch_size=size, seconds=seconds)
                timed[size].append(Timed(name, work, taken))
        if log is not None:
            log(f"{name}: {1000 * timed[batch_sizes[0]][-1].seconds:.1f} ms a step at batch size {batch_sizes[0]}")
    return timed


def calibrate(configs: Mapping[str, ModelConfig], **settings: Any) -> dict[int, Rates]:
    """Time random models of these shapes, with the settings of `time_models`, and fit the rates at each batch size.

    Raises:
        ValueError: as `fit_rates`.
    """
    timed = time_models(configs, **settings)
    return {size: fit_rates(rows) for size, rows in timed.items()}


# -------------------------------------------------------------------------------------------- a chip that is not here


def data_sheet(
    chip: Chip, *, bandwidth_share: float = 1.0, flops_share: float = 1.0, layer_us: float = 0.0, error: float = 0.0
) -> Rates:
    """Rates from a chip's data sheet. With shares of 1 they are ceilings that nothing reaches.

    Raises:
        ValueError: a chip whose memory bandwidth or FP16 rate is not known.
    """
    gb_per_s = known(chip, "mem_bw_gbs") * bandwidth_share
    gflops = known(chip, "fp16_bf16_dense_tflops") * 1000 * flops_share
    return Rates(gb_per_s, gb_per_s, gflops, layer_us, error)
