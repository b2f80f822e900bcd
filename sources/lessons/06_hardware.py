# %% [markdown]
# # 06 · What the machine allows: bandwidth, memory, and many chips
#
# **By the end you will have shown that** three numbers for each batch size, measured on your own machine with small models, predict the speed of models that were not used to find
# them, with a median error of about a tenth, while the usual calculation, bytes over bandwidth, is too fast every time, mostly by two times and more. You will also know what fewer
# bits per weight buy, what several processes have to tell each other, and on how many chips QwQ-32B and DeepSeek-R1
# can be served, at which speed and price.
#
# **Price:** about two minutes of computing on two CPU cores, one evening of yours. On a GPU: not measured. Memory: about 4 GB.
#
# **You need:** how a model writes one token after the other with a KV cache (lesson 01; here one such step is called a
# **decode step**), and what active parameters are (lesson 03).

# %% [markdown]
# ## It works, before any theory
#
# To write one token a model reads all of its weights once. So here is the calculation that most public calculators do: divide the
# memory's speed by the bytes of the weights. Below both are measured: the speed of memory by copying a large array, and
# the model by letting it write.
#
# **Guess first:** SmolLM2-135M has 538 MB of float32 weights, and the memory of machines like this one copies some 15 to 80 GB per second, depending on who else uses it. What will the calculation say, in tokens per second? And will the model reach it?

# %%
guess_calculated, guess_reached = None, None

# %%
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import display
from jaxtyping import BFloat16, Float, Int8, UInt8
from torch import Tensor

from racecourse.hardware.roofline import Timed, predict_decode, time_decode
from racecourse.learn.fits import known_configs
from racecourse.learn.ledger import ledger, settle
from racecourse.learn.roofs import plot_kv_budget, plot_predictions, plot_roofline
from racecourse.learn.tables import text_table
from racecourse.machine import measure
from racecourse.models import ModelConfig, Transformer, load
from racecourse.models.config import MoEConfig
from racecourse.scaling import count_parameters, flops_per_token, kv_bytes_per_token

device = "cpu"  # this lesson's measurements are of the processor, on every machine
speed = measure(device, seconds=2.0 if session.quick else 6.0)
smollm2, tokenizer = load("smollm2-135m-instruct", device=device, dtype=torch.float32)
weight_bytes = 4 * count_parameters(smollm2.config).total
calculated = speed.copy_gb_per_s.best * 1e9 / weight_bytes
reached = 1 / time_decode(smollm2, context=128)
print(
    f"memory copies {speed.copy_gb_per_s.best:.1f} GB/s, the weights are {weight_bytes / 1e6:.0f} MB: {calculated:.1f} tokens/s"
)
print(f"the model writes {reached:.1f} tokens/s: the calculation is {calculated / reached:.1f} times too fast")
print("your guess:", guess_calculated, guess_reached)

# %% [markdown]
# (Lesson 00 may have shown you the same kind of machine several times as fast. Memory that is shared moves like that; so each lesson measures anew.)
#
# The copy speed is right. But a model is not a copy. The rest of this lesson finds what it is: what a machine can do (1, 2),
# what a step asks of it (3), and three numbers that predict the time of a step (4). Then memory (5), fewer bits (6), several processes (7), and
# what all of this means for the two models of the story (8, 9).
#
# ## 1 · Two speeds, and how to measure them
#
# A processor has a speed of **arithmetic**, in FLOP per second (a FLOP is one addition or multiplication of two numbers), and a speed of **memory**, its **bandwidth**, in bytes per second.
# Three traps when measuring them:
#
# * A copy reads *and* writes: copying 1 GB moves 2 GB.
# * Small arrays stay in the processor's own cache, which is many times faster than memory.
# * Other work disturbs. So take the best and the median of several runs, and look at how far they are apart.

# %%
print(speed.summary())

# %% [markdown]
# *Matrix x vector* is the one that matters for writing: it reads a matrix once and uses each weight for one multiplication and one
# addition. It may be faster or slower than a copy; it depends on the code as much as on the memory, and torch has several
# ways to do it, of which the fastest is shown.
#
# ## 2 · The roofline
#
# How many FLOP does a task do for each byte that it reads? That is its **arithmetic intensity**. If it is low, memory sets the
# pace; if it is high, arithmetic does. The highest speed that both allow is the **roofline** (Williams and others 2009); where it bends
# is the **ridge**.


# %%
def attainable(intensity: float, *, gflops: float, gb_per_s: float) -> float:
    """GFLOP/s that memory and arithmetic allow at so many FLOP per byte: the roofline (Williams and others 2009).

    >>> attainable(0.5, gflops=100, gb_per_s=20), attainable(50, gflops=100, gb_per_s=20)
    (10.0, 100)
    """
    return min(gflops, gb_per_s * intensity)


# %% [markdown]
# A matrix of float32 weights times a **batch** of B rows (for a language model a row is a conversation that waits for its next token): 2 FLOP for each weight and row, 4 bytes for each weight. So the intensity is B / 2.
# One row, one conversation: half a FLOP per byte.
#
# **Guess first:** how much of its arithmetic does this machine use with one row, in percent? From how many rows on is
# arithmetic the limit?

# %%
guess_share, guess_rows = None, None

# %%
weights_NOI = torch.randn(16, 2048, 2048)  # 268 MB: more than any cache holds


def gflops_at(rows: int) -> float:
    """Median GFLOP/s of all 16 matrices times `rows` rows."""
    x_BI, seconds = torch.randn(rows, 2048), []
    with torch.inference_mode():
        for _ in range(4):
            started = time.perf_counter()
            for weight_OI in weights_NOI:
                F.linear(x_BI, weight_OI)
            seconds.append(time.perf_counter() - started)
    return 2 * rows * weights_NOI.numel() / median(seconds[1:]) / 1e9


rows_tried = (1, 4, 16, 64) if session.quick else (1, 2, 4, 8, 16, 32, 64, 128, 256)
measured = {rows: gflops_at(rows) for rows in rows_tried}
roof = {"gflops": speed.matmul_gflops.best, "gb_per_s": speed.matvec_gb_per_s.best}
points = {"matrix x 1 to 256 rows, measured": [(rows / 2, g) for rows, g in measured.items()]}
plot_roofline(**roof, points=points, title="This machine, float32: 16 matrices of 2048 x 2048")
plt.show()
print(text_table(
    ["rows", "FLOP per byte", "GFLOP/s", "the roof allows", "of all arithmetic", "time, 1 row = 1"],
    [[n, n / 2, f"{g:.1f}", f"{attainable(n / 2, **roof):.1f}", f"{g / roof['gflops']:.1%}", f"{n * measured[1] / g:.1f}"] for n, g in measured.items()],
))  # fmt: skip
ridge = roof["gflops"] / roof["gb_per_s"]
half = next((rows for rows, g in measured.items() if g >= roof["gflops"] / 2), None)
print(
    f"the ridge: {ridge:.1f} FLOP per byte, {2 * ridge:.0f} rows by the roof; measured, half of the arithmetic is reached from {half} rows on"
)
print("your guess:", guess_share, guess_rows)
del weights_NOI

# %% [markdown]
# One row uses a few percent of the arithmetic: the rest of the time the processor waits for weights. By the roof more rows would cost nothing until the ridge. They do cost something, as
# the last column says, but from 16 on far less than their number: each row gets cheaper. (At 2 to 8 rows the library's code may gain little or nothing.) A matrix library has
# different code for one row, for a few, and for many, and some of it is far from what the machine could do. **A roof is a bound, not a prediction.**
#
# That is why serving many people is cheap for each, and
# serving one is not. The explorer shows it for the chips of the table, with the figures of their data sheets; first its default setting as a picture.

# %%
from racecourse.learn.widgets.roofline import draw_roofline, roofline_explorer

figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
print(draw_roofline(ax, "NVIDIA H100 SXM5 80GB", "QwQ-32B", batch=1, context=2048))
plt.show()

# %%
display(roofline_explorer())

# %% [markdown]
# ## 3 · What one step reads
#
# A step writes one token for each conversation of the batch. It reads the weights once, and each conversation's cache of keys and values. With
# experts it reads those that at least one row chose.


# %%
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


FLOAT32 = 4  # bytes


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


# %% [markdown]
# QwQ-32B in bf16 (a 16-bit float: 2 bytes a weight), R1 in FP8 (an 8-bit float: 1 byte) as its makers serve it, both with a cache of 2 bytes a value.
#
# **Guess first:** for one conversation R1 reads little more than half of what QwQ reads (37 billion active parameters at 1 byte against 32 billion at 2). And for
# 64 conversations at once: how many GB of weights does each read?

# %%
guess_qwq_64, guess_r1_64 = None, None

# %%
configs = known_configs()
rows = []
for batch_size in (1, 8, 64, 512):
    for name, size in (("QwQ-32B", 2), ("DeepSeek-R1", 1)):
        work = decode_work(configs[name], context=8192, batch_size=batch_size, bytes_per_weight=size, bytes_per_value=2)
        read = work.weight_bytes + work.cache_bytes
        rows.append(
            [
                name,
                batch_size,
                f"{work.weight_bytes / 1e9:.1f}",
                f"{work.cache_bytes / 1e9:.1f}",
                f"{read / 1e9 / batch_size:.2f}",
                f"{work.intensity:.1f}",
            ]
        )
print("context 8,192 tokens")
print(text_table(["model", "rows", "GB of weights", "GB of cache", "GB read per token", "FLOP per byte"], rows))
print("your guess:", guess_qwq_64, guess_r1_64)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("more-rows-long-context")

# %% [markdown]
# A mixture of experts is light for one row and heavy for a few: 64 rows wake 222 of 256 experts, and every one of them has to be read. Only with hundreds of rows does that
# pay off. Then the cache counts: R1's latent attention (lesson 03) keeps 70 KB a token and QwQ's grouped heads 262 KB, so at 512 conversations QwQ reads
# seventeen times as much cache as weights.
#
# ## 4 · Three numbers that predict the rest
#
# Now the prediction. We say that a step takes
#
# *seconds = weight bytes / rate + cache bytes / rate + layers x seconds per layer*
#
# with three unknowns of *this machine*: two rates, and a cost that each layer has however small it is (calls, norms, rotation, softmax). Time a few small
# models, and solve for the three. Since the library's code changes with the number of rows, as the last figure showed, each batch size gets three numbers of its own. (With many
# rows the "rate of weights" holds arithmetic as well: the two grow together.)
#
# How far off will it be for a model that we have not timed? To know, **leave out** one model after the other, fit to the rest, and predict the one left out. An
# error in the fit itself would flatter us.


# %%
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


COSTS = ("weights", "cache", "layers")


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


# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("fitted-to-the-same")

# %% [markdown]
# Five small models with random weights (speed does not depend on what the weights are), 1 to 63 million parameters, two contexts, three batch sizes.

# %%
from racecourse.hardware.roofline import small_configs, time_models

batch_sizes, seconds_each = (1, 4, 16), 0.05 if session.quick else 0.4
timed = time_models(small_configs(), batch_sizes=batch_sizes, contexts=(64, 1024), seconds=seconds_each)
rates = {size: fit_rates(rows) for size, rows in timed.items()}
print(text_table(
    ["rows", "weights, GB/s", "cache, GB/s", "a layer, microseconds", "nine left-out steps of ten: off by at most"],
    [[n, f"{r.weights_gb_per_s:.1f}", f"{r.cache_gb_per_s:.1f}", f"{r.layer_us:.0f}", f"{r.error:.0%}"] for n, r in rates.items()],
))  # fmt: skip

# %% [markdown]
# **The test.** SmolLM2-135M with its real weights, and two shapes of 62 and 146 million parameters, none of which was in the fit. The predictions are made first. Three contexts, three batch sizes.
#
# **Guess first:** how far off is the prediction in the middle case (the median error), in percent? And the calculation from the beginning, bytes over the speed of copying?

# %%
guess_error, guess_copy_error = None, None


# %%
def llama_shape(d_model: int, n_layers: int, d_ff: int, n_heads: int, n_kv_heads: int, vocab_size: int) -> ModelConfig:
    return ModelConfig("llama", vocab_size=vocab_size, d_model=d_model, n_layers=n_layers, n_heads=n_heads, n_kv_heads=n_kv_heads,
                       head_dim=64, d_ff=d_ff, max_context=8192, tie_embeddings=True)  # fmt: skip


unseen = {
    "SmolLM2-135M": smollm2.config,
    "24 thin layers": llama_shape(448, 24, 1216, 7, 7, 8192),
    "10 wide layers": llama_shape(1024, 10, 2816, 16, 4, 32_000),
}
cases = [(name, context, size) for name in unseen for context in (64, 512, 1536) for size in batch_sizes]
predicted = {case: predict_decode(unseen[case[0]], context=case[1], batch_size=case[2], rates=rates) for case in cases}

took = {}
for name, config in unseen.items():
    model = smollm2 if name == "SmolLM2-135M" else Transformer(config).eval().requires_grad_(False)
    for case in (case for case in cases if case[0] == name):
        took[case] = time_decode(model, context=case[1], batch_size=case[2], seconds=seconds_each)
by_copy, by_roof = {}, {}
for name, context, size in cases:
    work = decode_work(unseen[name], context=context, batch_size=size)
    read = work.weight_bytes + work.cache_bytes
    by_copy[name, context, size] = read / speed.copy_gb_per_s.best / 1e9
    by_roof[name, context, size] = max(read / roof["gb_per_s"], work.flops / roof["gflops"]) / 1e9
rows = [
    [name, context, size, f"{1e3 * p.seconds:.1f}", f"{1e3 * took[name, context, size]:.1f}", f"{p.seconds / took[name, context, size] - 1:+.0%}",
     "yes" if p.low <= took[name, context, size] <= p.high else "no", f"{by_copy[name, context, size] / took[name, context, size] - 1:+.0%}"]
    for (name, context, size), p in predicted.items()
]  # fmt: skip
print(
    text_table(
        ["model", "context", "rows", "predicted, ms", "measured", "error", "in the interval", "bytes / copying"], rows
    )
)
without_layers = {size: fit_rates(rows, costs=("weights", "cache")) for size, rows in timed.items()}
of_one_row = {size: rates[1] for size in batch_sizes}


def misses(seconds: dict) -> list[float]:
    """How far off each predicted step is, as a share of the measured."""
    return [abs(seconds[case] / took[case] - 1) for case in cases]


def by(other_rates: dict[int, Rates]) -> dict:
    return {
        (name, context, size): predict_decode(unseen[name], context=context, batch_size=size, rates=other_rates).seconds
        for name, context, size in cases
    }


errors = {
    "three numbers": misses(by(rates)),
    "bytes / copying": misses(by_copy),
    "the roofline of section 2": misses(by_roof),
    "taken away: the layers' cost": misses(by(without_layers)),
    "taken away: own numbers for each batch size (those of one row for all)": misses(by(of_one_row)),
}
inside = sum(p.low <= took[case] <= p.high for case, p in predicted.items()) / len(cases)
for name, values in errors.items():
    print(f"{name}: median error {median(values):.0%}, largest {max(values):.0%}")
print(f"{inside:.0%} of the measurements lie in their interval, which should hold 90%")
print("your guess:", guess_error, guess_copy_error)
ax = plot_predictions(
    {"three numbers, fitted to small models": [(1e3 * took[case], 1e3 * p.seconds) for case, p in predicted.items()],
     "bytes / speed of copying": [(1e3 * took[case], 1e3 * by_copy[case]) for case in cases]},
    title="27 kinds of step of models that were not in the fit",
)  # fmt: skip
for axis in (ax.xaxis, ax.yaxis):  # 20, 50, 100 and so on, and nothing between
    axis.set_major_locator(plt.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")
plt.show()

# %% [markdown]
# Three numbers per batch size, found with models of 3 to 252 MB, predict models of 249 to 582 MB, on this shared machine somewhat less well than the left-out error promised: compare the share in the interval with its 90 %. **The control** is not a little off: bytes over copying is too fast in every single case.
# The roofline of section 2, which knows arithmetic as well, is little better, since it says what is possible, not what torch does.
#
# And each piece is needed. Take the layers' cost away, or give all batch sizes the numbers of one row, and the error grows. Read the table of rates to see why: weights are read at a fraction of the speed of copying, at 4 rows more
# slowly than at 1, and with 30 layers the fixed costs are a good part of a step.
#
# ### A second machine, from published figures
#
# The same fit on somebody else's GPU. gpt-fast's README gives eight timings of Llama models on one A100, at batch size 1, in 16, 8 and 4 bits.

# %%
from racecourse.hardware import accelerators
from racecourse.hardware.roofline import data_sheet

gpt_fast = {  # tokens/s, GB/s (so GB per token is their ratio), layers
    ("Llama-2-7B", "bf16"): (104.9, 1397, 32), ("Llama-2-7B", "int8"): (155.58, 1069, 32), ("Llama-2-7B", "int4"): (196.8, 863, 32),
    ("Llama-2-70B", "int8"): (19.13, 1323, 80), ("Llama-2-70B", "int4"): (25.25, 1098, 80),
    ("Llama-3.1-8B", "bf16"): (93.89, 1411, 32), ("Llama-3.1-8B", "int8"): (137.64, 1031, 32), ("Llama-3.1-70B", "int8"): (18.04, 1254, 80),
}  # fmt: skip
published = [
    Timed(name, Work(1e9 * gb_s / tok_s, 0, 0, layers), 1 / tok_s)
    for (name, _), (tok_s, gb_s, layers) in gpt_fast.items()
]
sheet = data_sheet(accelerators()["NVIDIA A100 SXM4 80GB"])
a100 = fit_rates(published, costs=("weights", "layers"))
too_fast = [t.seconds / predict(t.work, sheet).seconds for t in published]
print(f"bytes / data sheet: {min(too_fast):.2f} to {max(too_fast):.2f} times too fast")
print(
    f"fitted: {a100.weights_gb_per_s:.0f} GB/s of the data sheet's {sheet.weights_gb_per_s:.0f}, and {a100.layer_us:.0f} microseconds a layer; a model left out is off by {a100.error:.0%} or less, nine times of ten"
)

# %% [markdown]
# On this GPU, too, the fit says: three quarters of the data sheet's bandwidth, and a fixed time for each layer. For the 7-billion model in 4 bits these are 2.0 of 5.1 ms: fewer bytes help less and less. (What part
# of it is the unpacking of 4 bits, the fit cannot tell.)
#
# ## 5 · What has to fit
#
# Speed matters once it fits. Weights, and the cache of all conversations:


# %%
from racecourse.hardware.memory import activation_bytes, inference_memory, longest_context, training_memory

rows = []
for name, bits in (("R1-Distill-Qwen-1.5B", 16), ("QwQ-32B", 16), ("QwQ-32B", 8), ("QwQ-32B", 5), ("DeepSeek-R1", 8)):
    one, many = (inference_memory(configs[name], context=8192, batch_size=n, bits_per_weight=bits) for n in (1, 64))
    limit = configs[name].max_context
    left = longest_context(configs[name], memory_gb=80, bits_per_weight=bits)
    rows.append(
        [
            name,
            bits,
            f"{one.weights / 1e9:.1f}",
            f"{one.cache / 1e9:.2f}",
            f"{many.cache / 1e9:.1f}",
            (f"{left:,}" if left < limit else f"{limit:,} (its own limit)") if left else "does not fit",
        ]
    )
print("(4-bit weights are 5 bits with their scales, as section 6 shows;")
print("nothing is kept free here: lesson 00 kept a fifth, section 8 keeps a tenth)")
print(
    text_table(
        ["model", "bits", "weights, GB", "cache of 8,192 tokens", "of 64 such", "longest context in 80 GB"], rows
    )
)

# %% [markdown]
# **Guess first:** both models in 8 bits on eight H200 (1,128 GB), 64 conversations. Which has room for the longer ones, QwQ or R1 with its 20 times as many parameters?

# %%
guess_room = None

# %%
shown = {name: configs[name] for name in ("QwQ-32B", "DeepSeek-R1")}
plot_kv_budget(shown, memory_gb=8 * 141, bits_per_weight=8, marked=64)
plt.title("8 x NVIDIA H200, 1,128 GB, 8 bits a weight", fontsize=11, loc="left")
plt.show()
for name, config in shown.items():
    print(
        f"64 conversations in 1,128 GB: {name} {longest_context(config, memory_gb=1128, batch_size=64, bits_per_weight=8):,} tokens each"
    )
print("your guess:", guess_room)

# %%
from racecourse.learn.widgets.kv_budget import kv_budget_explorer

display(kv_budget_explorer())

# %% [markdown]
# R1 has: its cache is so small that it makes up for the weights. (With 64, QwQ's own limit, 40,960 tokens, is reached before the memory's; with 128 it is not.) The explorer has other chips and formats.
#
# Training takes far more: in mixed precision 16 bytes a parameter (weights 2, gradients 2, a float32 copy 4, Adam's two moments 8), and what
# the forward pass keeps for the backward pass.

# %%
n = count_parameters(configs["QwQ-32B"]).total
kept = activation_bytes(n_layers=64, d_model=5120, n_heads=40, n_tokens=4096)
print(
    f"QwQ-32B: {training_memory(n).total / 1e9:.0f} GB for weights, gradients and Adam: {training_memory(n).total / 80e9:.1f} chips of 80 GB;"
)
print(
    f"and about {kept / 1e9:.0f} GB of activations for 4,096 tokens in a network of GPT's kind with plain attention; fused attention keeps a fifth of it"
)

# %% [markdown]
# ## 6 · Fewer bits
#
# If reading is what takes the time, then read less: keep each weight in 8 or 4 bits. In 8 bits each row of a matrix gets one
# scale, so that its largest weight becomes 127:


# %%
LARGEST = 127  # symmetric: -128 is not used, so that zero stays zero and a weight's sign costs nothing


def quantise_rows(w_OI: Float[Tensor, "O I"]) -> tuple[Int8[Tensor, "O I"], BFloat16[Tensor, " O"]]:
    """Whole numbers and one scale per row, so that |w - q * scale| <= scale / 2.

    The scale is rounded to bfloat16, which the kernel wants, before the division: the rounding of the weights then
    makes up for that of the scale.

    >>> q, scale = quantise_rows(torch.tensor([[0.5, -2.0, 1.27, 127.0]]))
    >>> q.tolist(), scale.tolist()
    ([[0, -2, 1, 127]], [1.0])
    """
    largest_O = w_OI.abs().amax(dim=1).float()
    scale_O = (largest_O / LARGEST).bfloat16()
    scale_O[scale_O == 0] = 1  # a row of zeros
    q_OI = (w_OI.float() / scale_O.float()[:, None]).round()
    return q_OI.to(torch.int8), scale_O


# %% [markdown]
# With 4 bits there are 16 values only. One scale for a whole row would waste most of them on the largest weight. So every 32 weights share a scale, and a
# smallest value of their own:


# %%
LEVELS, GROUP = 15, 32


def quantise_groups(
    w_OI: Float[Tensor, "O I"], group_size: int = GROUP
) -> tuple[UInt8[Tensor, "O I"], BFloat16[Tensor, "O G"], BFloat16[Tensor, "O G"]]:
    """Numbers from 0 to 15, and for every group of inputs the step between two of them and what 0 stands for.

    Step and smallest value are rounded to bfloat16, which the kernel wants, before the weights are.

    >>> q, scale, low = quantise_groups(torch.tensor([[-1.0, 0.0, 6.5, 14.0]]), group_size=4)
    >>> q.tolist(), scale.tolist(), low.tolist()
    ([[0, 1, 8, 15]], [[1.0]], [[-1.0]])

    Raises:
        ValueError: a number of inputs that is not a multiple of the group.
    """
    n_inputs = w_OI.shape[1]
    if n_inputs % group_size:
        raise ValueError(f"{n_inputs} inputs do not split into groups of {group_size}; choose a size that divides them")
    groups_OGS = w_OI.float().unflatten(1, (-1, group_size))
    low_OG, high_OG = groups_OGS.amin(dim=-1).bfloat16(), groups_OGS.amax(dim=-1)
    scale_OG = ((high_OG - low_OG.float()) / LEVELS).bfloat16()
    scale_OG[scale_OG <= 0] = 1  # all weights of the group are equal
    q_OGS = ((groups_OGS - low_OG.float()[..., None]) / scale_OG.float()[..., None]).round().clamp(0, LEVELS)
    return q_OGS.flatten(1).to(torch.uint8), scale_OG, low_OG


# %%
weight_OI = smollm2.layers[10].mlp.down.weight
eight, scale_O = quantise_rows(weight_OI)
restored = {"8 bits, a scale per row": eight.float() * scale_O.float()[:, None]}
for group in (32, 1536):
    four, scale_OG, low_OG = quantise_groups(weight_OI, group)
    restored[f"4 bits, a scale for {group:,} weights"] = (
        four.float().unflatten(1, (-1, group)) * scale_OG.float()[..., None] + low_OG.float()[..., None]
    ).flatten(1)
for name, w in restored.items():
    print(f"{name:36} error {(w - weight_OI).norm() / weight_OI.norm():6.2%} of the weights' size")
print("4 bits better than 8? Keep that suspicion.")

# %% [markdown]
# Storing less is easy; *computing* with it needs code that unpacks weights on the way into the processor. torch has such code for CPUs, and the package's `quantise` uses it. `pack` keeps
# float32 and only lays the weights out as another of torch's libraries likes them.
#
# **Guess first:** SmolLM2 in 8 bits has a quarter of the bytes, in 4 bits (with scales) a sixth. How many times as fast is it, at one row? And at 16?

# %%
guess_8, guess_4 = None, None

# %%
from racecourse.models.pack import pack
from racecourse.models.quantise import quantise
from racecourse.models.quantise import weight_bytes as bytes_of

TEXT = """In 1895 the harbour of the small town was still open to the sea on three sides, and every winter two or three boats were
lost. The council asked an engineer from the capital to build a wall. He measured the currents for a year, walked along the beach
each morning with a notebook, and then told them that a wall would fill the harbour with sand. They built it all the same. Ten years later
the fishermen carried their boats across a hundred metres of dry ground, and the engineer's report was read aloud in the town hall."""
ids_BT = torch.tensor([tokenizer.encode(TEXT)])


@torch.inference_mode()
def text_loss(model: Transformer) -> float:
    """Nats per token of the text."""
    return F.cross_entropy(model(ids_BT[:, :-1])[0].float(), ids_BT[0, 1:]).item()


versions = {
    "float32": smollm2,
    "float32, packed": pack(smollm2),
    "8 bits": quantise(smollm2, bits=8),
    "4 bits": quantise(smollm2, bits=4),
}
step = {
    (name, size): time_decode(m, context=128, batch_size=size, seconds=seconds_each)
    for name, m in versions.items()
    for size in (1, 16)
}
rows = []
for name, model in versions.items():
    rows.append([
        name, f"{bytes_of(smollm2 if 'packed' in name else model) / 1e6:.0f}", f"{text_loss(model):.3f}",
        *(f"{1e3 * step[name, size]:.1f} ({step['float32', size] / step[name, size]:.1f} x)" for size in (1, 16)),
    ])  # fmt: skip
print(text_table(["weights", "MB", "loss", "ms per step, 1 row", "16 rows"], rows))
print(
    f"(the loss is of {ids_BT.shape[1] - 1} tokens of English; MB with the float32 table of embeddings, 113 MB, which is looked up)"
)
print("your guess:", guess_8, guess_4)
loss_4_bits = text_loss(versions["4 bits"])
del versions

# %% [markdown]
# Fewer bits are faster at one row, but by far less than the bytes say: the layers' fixed time stays, and unpacking is work too. At 16 rows little is left, since torch's code for 16 rows is far from
# the roof whatever the format. (The machine that made this notebook is shared, and its memory was slow on that day. On 2026-11-23 the same 8-bit weights were 3.9 times
# as fast as float32 at one row. Measure yours; `docs/measurements.md` has figures beside those of transformers and llama.cpp.)
#
# The loss in 8 bits hardly changes. The small change in 4 bits is **too good**: this model's weights come from a file that was in 4 bits already, in the same groups
# of 32, so that our quantisation finds most of them where they were. What 4 bits cost a model that has never been quantised shows when the groups are
# made of other weights:


# %%
@torch.inference_mode()
def regrouped(model: Transformer) -> Transformer:
    """A float copy whose weights went through 4 bits in groups of 32 inputs chosen at random."""
    import copy

    model = copy.deepcopy(model)
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            order = torch.randperm(module.weight.shape[1])
            four, scale_OG, low_OG = quantise_groups(module.weight[:, order])
            restored_OI = (
                four.float().unflatten(1, (-1, GROUP)) * scale_OG.float()[..., None] + low_OG.float()[..., None]
            ).flatten(1)
            module.weight = torch.nn.Parameter(restored_OI[:, order.argsort()], requires_grad=False)
    return model


print(
    f"loss in float32 {text_loss(smollm2):.3f}, in 4 bits as the file's groups are {loss_4_bits:.3f}, in other groups {text_loss(regrouped(smollm2)):.3f}"
)

# %% [markdown]
# That is what 4 bits cost without further care, on top of what the file's own 4 bits had cost before. GPTQ (arXiv 2210.17323) and AWQ (2306.00978) look at data while they round, to win part of it back.
#
#
# ## 7 · Many chips
#
# R1's weights fit no single chip. So a model has to be cut, and the pieces have to talk. The processes below are real, on this machine, and
# everything they send is counted. There are three ways to cut:
#
# * **tensor parallelism**: each process has some heads, and some columns, of every layer; two sums over all processes per layer;
# * **pipeline parallelism**: each process has some layers; activations are handed on. The batch goes through in parts,
#   **micro-batches**;
# * **expert parallelism**: each process has some experts; rows travel to them and back.
#
# (Whole copies of the model, each with its own conversations, are *data parallelism*: nothing is cut and nothing is sent.) A process is called a **rank** here, and has a number.
#
# A sum over all processes is called an **all-reduce**. Sent naively, everything goes to everybody. In a *ring* each process only ever talks to its neighbour, and sends less
# than twice the message, however many they are:


# %%
from racecourse.hardware import parallel
from racecourse.hardware.processes import Wire, lose_a_rank, run_parallel


@torch.no_grad()  # a gradient would not travel back over the wire
def ring_all_reduce(x: Float[Tensor, "..."], wire: Wire) -> Float[Tensor, "..."]:
    """The sum of every rank's `x`, on every rank, by messages to the right-hand neighbour alone.

    Each rank's x is cut into n chunks. In n - 1 steps the chunks' sums grow as they travel round the ring; in n - 1
    more, the finished sums travel round once again (Patarasuk and Yuan 2009). All ranks get the same bits.
    """
    flat = x.flatten().clone()
    chunks = flat.tensor_split(wire.n)  # views: what is written to a chunk is written to `flat`
    right, left = (wire.rank + 1) % wire.n, (wire.rank - 1) % wire.n
    for step in range(2 * (wire.n - 1)):
        mine, theirs = (wire.rank - step) % wire.n, (wire.rank - step - 1) % wire.n
        received = wire.exchange(chunks[mine], right, torch.empty_like(chunks[theirs]), left)
        if step < wire.n - 1:
            chunks[theirs].add_(received)
        else:
            chunks[theirs].copy_(received)
    return flat.view_as(x)


# %% [markdown]
# **Guess first:** four processes sum a message of 12 kB. How many kB does each send? (If everybody sent everything to everybody, it would be 36.)

# %%
guess_sent = None

# %%
from racecourse.scaling.arms import new_model

small = ModelConfig(
    "llama", vocab_size=512, d_model=128, n_layers=4, n_heads=8, n_kv_heads=4, head_dim=16, d_ff=256, max_context=64
)
one = new_model(small, seed=0).eval().requires_grad_(False)
ids_BT4 = torch.randint(0, 512, (4, 16))
whole = one(ids_BT4)
n = 2 if session.quick else 4
sums = run_parallel(parallel.sum_of_ranks, n, 3000)
print(
    f"the ring, {n} processes, 12 kB: every rank has the sum {sums[0][0]:.0f} and sent {[sent / 1000 for _, sent in sums]} kB; your guess:",
    guess_sent,
)
answers = run_parallel(parallel.tensor_parallel, n, one, ids_BT4)
by_formula = parallel.tensor_parallel_bytes(small, n_tokens=ids_BT4.numel(), n_processes=n)
print(
    f"\ntensor parallel, {n} processes: largest difference to one process {max((a.logits_BTV - whole).abs().max().item() for a in answers):.1e}"
)
print(f"  bytes sent by each: {[a.bytes_sent for a in answers]}, by the formula {by_formula:.0f}")
answers = run_parallel(parallel.pipeline_parallel, n, one, ids_BT4, 4)
by_formula = parallel.pipeline_bytes(small, n_tokens=ids_BT4.numel())
print(
    f"pipeline, {n} stages, 4 micro-batches: largest difference {(answers[-1].logits_BTV - whole).abs().max().item():.1e}"
)
print(f"  bytes sent by each: {[a.bytes_sent for a in answers]}, by the formula {by_formula} for all but the last")

mixture = replace(
    small,
    architecture="qwen3_moe",
    qk_norm="head",
    moe=MoEConfig(n_experts=8, top_k=2, d_expert=64, layers=(0, 1, 2, 3)),
)
experts = new_model(mixture, seed=0).eval().requires_grad_(False)
answers = run_parallel(parallel.expert_parallel, n, experts, ids_BT4)
joined = torch.cat([a.logits_BTV for a in answers])
print(f"8 experts over {n} processes: largest difference {(joined - experts(ids_BT4)).abs().max().item():.1e}")
print(f"  bytes sent by each: {[a.bytes_sent for a in answers]}: as many as rows chose experts elsewhere")

# %% [markdown]
# The answers are the same up to rounding, and the bytes are those of the formula, exactly. What happens when one of the machines dies in the middle of it?

# %%
try:
    run_parallel(lose_a_rank, 2, timeout_s=30)
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("ring-of-eight")

# %% [markdown]
# A pipeline has another cost. While the first micro-batch is on its way, the later stages wait, and at the end the first ones do. That is the **bubble**. (It matters for
# training and for reading prompts. When many users are served, others fill it.)


# %%
def bubble_share(n_stages: int, n_microbatches: int) -> float:
    """The share of time in which a stage idles, if all stages are equally fast (GPipe, section 2.3).

    >>> bubble_share(4, 4), bubble_share(4, 32)
    (0.42857142857142855, 0.08571428571428572)
    """
    return (n_stages - 1) / (n_microbatches + n_stages - 1)


print(text_table(
    ["stages", "micro-batches", "bubble", "by a schedule, step by step"],
    [[p, m, f"{bubble_share(p, m):.1%}", f"{parallel.idle_share([1.0] * p, m):.1%}"] for p, m in ((2, 1), (4, 4), (4, 32), (8, 8))],
))  # fmt: skip
print(
    f"one stage of four twice as slow, 32 micro-batches: {parallel.idle_share([1.0, 1.0, 2.0, 1.0], 32):.1%} of the stages' time is idle"
)

# %% [markdown]
# ## 8 · Serving QwQ-32B and R1
#
# Now all of it together: weights and cache that have to fit, reading, arithmetic, layers and sending, on chips that you do not have. What is assumed stands in one place, each with where it comes from.


# %%
from racecourse.hardware import Prices


@dataclass(frozen=True)
class Assumptions:
    """What is assumed. Shares are of the data sheet's figure; change what you know better."""

    context: int = 5000  # tokens of a conversation in the cache, on average; DeepSeek's mean was 4,989
    tokens_per_s: float = 20.0  # that each user gets at least; DeepSeek's got 20 to 22
    bytes_per_value: int = 2  # of the cache
    memory_share: float = 0.9  # of a chip's memory for weights and cache
    bandwidth_share: float = 0.74  # with layer_us a fit to gpt-fast's figures for an A100: 1506 of 2039 GB/s
    layer_us: float = 62.0
    flops_share: float = 0.4  # about what training reaches
    chips_per_node: int = 8
    network_gb_per_s: float = 50.0  # per chip and direction, between nodes: 400 Gb/s InfiniBand
    link_share: float = 0.8  # ISCA'25: 160 of NVLink's 200, 40 of InfiniBand's 50
    exchange_us: float = 10.0  # of one exchange between chips, however little is sent
    hidden_share: float = 0.0  # of the sending that goes on behind arithmetic; DeepSeek hides nearly all of it
    power_share: float = 0.7  # of the chip's TDP
    prices: Prices = field(default_factory=Prices)


# %% [markdown]
# (H800 and H20 are NVIDIA's versions of the H100 for China; lesson 07. A **node** is a computer with several chips, here eight. NVLink joins the chips of a node,
# InfiniBand the nodes. TDP is the power that a chip is built to draw. `Prices` are 2 dollars an hour for any chip, DeepSeek's own figure for an H800, and a dated
# exchange rate.) A **dense** model is split over the chips of one node at most, by tensor parallelism; more chips run copies of it, at the same price. Of a **mixture**
# the routed experts are split; every chip has the rest of the model, and attends for its own conversations. Its rows travel to experts and back, over a network as soon
# as there is more than one node.
#
# An estimate of this kind needs witnesses. Three:
#
# * DeepSeek published a day of its own service (open-infra-index, day 6): V3 and R1, decoding on 18 nodes of 8 H800 together, mean context 4,989 tokens, 20 to 22 tokens per second for each user, **14,800 tokens per second
#   for each node**. Two half-batches take turns, so that sending hides behind arithmetic. Context, speed and hiding are theirs; the other assumptions are not from that service.
# * The same day cost 87,072 dollars at 2 dollars an hour and wrote 168 billion tokens, with 608 billion tokens of prompts read.
# * SGLang, a serving engine, recommends for R1 in FP8: 8 H200 or MI300X, 16 H100, H800 or H20; in INT8 16 A100 (docs.sglang.io, DeepSeek usage).

# %%
from racecourse.hardware.serving import Serving, fullest, serve, ways_to_serve

chips, h800_name = accelerators(), "NVIDIA H800 SXM5 80GB"
theirs = Assumptions(context=4989, tokens_per_s=21.0, hidden_share=1.0)
nodes = {}
for words, assume in (("hidden, as theirs", theirs), ("in the open", replace(theirs, hidden_share=0.0))):
    found = fullest("R1", configs["DeepSeek-R1"], chips[h800_name], n_chips=144, bits_per_weight=8, assume=assume)
    print(
        f"sending {words}: {found.tokens_per_s / 18:,.0f} tokens/s a node ({found.tokens_per_s / 18 / 14_800 - 1:+.0%}), {found.eur:.2f} euros per million tokens"
    )
    print("   a step:", ", ".join(f"{name} {1e3 * seconds:.1f} ms" for name, seconds in found.parts.items()))
    nodes[words] = found.tokens_per_s / 18
rate = Prices().eur_per_usd
print(
    f"published: 14,800 tokens/s a node, which is {8 * 2 / (14_800 * 3600) * 1e6 * rate:.2f} euros per million at 2 dollars an hour;"
)
print(f"the whole day, prompts and idle hours included: {87_072 / 168_000 * rate:.2f} euros per million written tokens")

# %% [markdown]
# **Guess first:** (a) the fewest H20 chips (96 GB each), in powers of two, on which each model serves at least one user at 20 tokens per second; (b) with the best number of H800: how many
# times as much does a million tokens cost from R1 as from QwQ?

# %%
guess_fewest_qwq, guess_fewest_r1, guess_cost_ratio = None, None, None


# %%
def cheapest(ways: list[Serving]) -> Serving:
    return min(ways, key=lambda way: way.eur)


models = {
    "QwQ-32B, 16 bits": ("QwQ-32B", 16),
    "QwQ-32B, 8 bits": ("QwQ-32B", 8),
    "DeepSeek-R1, 8 bits": ("DeepSeek-R1", 8),
}
chosen = (
    "NVIDIA GeForce RTX 4090",
    "NVIDIA A100 SXM4 80GB",
    h800_name,
    "NVIDIA H20",
    "NVIDIA H200 SXM 141GB",
    "AMD Instinct MI300X",
    "Huawei Ascend 910B",
)


def all_ways(assume: Assumptions) -> dict[tuple[str, str], list[Serving]]:
    """Every model on every chip, on 1, 2, 4 ... 256 of them, as full as its users allow."""
    return {
        (label, chip): ways_to_serve(name, configs[name], chips[chip], bits_per_weight=bits, most_chips=256, assume=assume)
        for label, (name, bits) in models.items() for chip in chosen
    }  # fmt: skip


served, served_hidden = all_ways(Assumptions()), all_ways(Assumptions(hidden_share=1.0))
rows = []
for (label, chip), ways in served.items():
    first, best, best_hidden = ways[0], cheapest(ways), cheapest(served_hidden[label, chip])
    rows.append([
        label, chip, f"{first.n_chips} ({first.batch_size})", f"{best.n_chips} ({best.batch_size:,})", f"{best.tokens_per_s:,.0f}",
        f"{best.joules / 1e6:.2f}", f"{best.eur:.2f}", f"{best_hidden.eur:.2f}",
    ])  # fmt: skip
print("at 20 tokens/s for each user; in parentheses how many users at once; euros and megajoules per million tokens")
print(text_table(["model", "chip", "fewest chips", "best", "tokens/s in all", "MJ", "euros", "sending hidden"], rows))
qwq, r1, r1_hidden = (cheapest(found[label, h800_name]) for found, label in (
    (served, "QwQ-32B, 8 bits"), (served, "DeepSeek-R1, 8 bits"), (served_hidden, "DeepSeek-R1, 8 bits")))  # fmt: skip
print(
    f"H800, R1 over QwQ in 8 bits: {r1.eur / qwq.eur:.1f} with sending in the open, {r1_hidden.eur / cheapest(served_hidden['QwQ-32B, 8 bits', h800_name]).eur:.1f} hidden"
)
print("your guess:", guess_fewest_qwq, guess_fewest_r1, guess_cost_ratio)

# %%
figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for label, found, style in (
    ("QwQ-32B, 8 bits", served, "o-"),
    ("DeepSeek-R1, 8 bits", served, "s-"),
    ("DeepSeek-R1, 8 bits", served_hidden, "s--"),
):
    ways = found[label, h800_name]
    ax.plot(
        [w.n_chips for w in ways],
        [w.eur for w in ways],
        style,
        label=label + (", sending hidden" if "--" in style else ""),
    )
best = cheapest(served["QwQ-32B, 8 bits", h800_name])
ax.plot([8, 256], [best.eur, best.eur], "o:", color="C0", markersize=3, label="copies of QwQ-32B")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="H800 chips",
    ylabel="euros per million tokens",
    title="QwQ is at its best from a few chips on, R1 from a hundred",
)
ax.legend(frameon=False, fontsize=8)
plt.show()
print(
    "R1 on H800, euros per million:",
    ", ".join(f"{w.n_chips} chips {w.eur:.2f}" for w in served["DeepSeek-R1, 8 bits", h800_name]),
)

# %% [markdown]
# How much of this hangs on the assumptions?

# %%
rows = []
for flops_share in (0.3, 0.4, 0.6):
    for hidden_share in (0.0, 1.0):
        assume = Assumptions(flops_share=flops_share, hidden_share=hidden_share)
        day = fullest(
            "R1",
            configs["DeepSeek-R1"],
            chips[h800_name],
            n_chips=144,
            bits_per_weight=8,
            assume=replace(assume, context=4989, tokens_per_s=21.0),
        )
        q, r = (
            cheapest(
                ways_to_serve(name, configs[name], chips[h800_name], bits_per_weight=8, most_chips=256, assume=assume)
            )
            for name in ("QwQ-32B", "DeepSeek-R1")
        )
        rows.append(
            [
                flops_share,
                hidden_share,
                f"{day.tokens_per_s / 18 / 14_800 - 1:+.0%}",
                f"{q.eur:.2f}",
                f"{r.eur:.2f}",
                f"{r.eur / q.eur:.1f}",
            ]
        )
print(
    text_table(
        ["share of FLOP/s", "hidden sending", "DeepSeek's node", "QwQ, 8 bits, euros", "R1, euros", "R1 / QwQ"], rows
    )
)
for chip in (h800_name, "NVIDIA H20"):
    one_user = serve("QwQ-32B", configs["QwQ-32B"], chips[chip], n_chips=2, batch_size=1)
    print(f"QwQ-32B in 16 bits for one user on 2 {chip}: {one_user.tokens_per_s_user:.0f} tokens/s")

# %% [markdown]
# **Per token the two models lie within a factor of two of each other**, once each has the chips that suit it; which is cheaper depends on how much of R1's sending is hidden. What differs is the start: QwQ serves its
# first users on one or two chips, R1 needs 8 to 32 data-centre chips before its first user, and a hundred, with thousands of users, before it is cheap. That is what "32 billion against 671 billion" is about. (The fewest chips of five rows are what SGLang recommends, and the
# estimate was not made to agree.)
#
# The second finding is about less advanced chips. An H20 has 15 % of the H800's arithmetic, but 119 % of its bandwidth and more memory. For one user it is a little faster. With many users arithmetic counts: a million tokens of QwQ cost half as much again
# there or twice as much, of R1 three times or more. So a chip that is cut in arithmetic alone is no worse for those who serve few, and much worse for those who serve many. (Lesson 07 says why it was cut just so.)
#
# ## 9 · How well DeepSeek used its chips
#
# **MFU** (model FLOPs utilisation) is the share of a chip's arithmetic that went into the model. DeepSeek-V3's report: 2.664 million H800 hours of **pre-training**,
# which is learning to predict text as in lesson 02, for 14.8 trillion tokens.
#
# **Guess first:** Llama 3.1 405B took 30.84 million H100 hours for about 15.6 trillion tokens, 11.6 times as many hours. Did its makers use their chips better, as well, or worse?

# %%
guess_mfu = None

# %%
from racecourse.hardware import model_flops_utilisation

v3 = configs["DeepSeek-R1"]  # the same shape
peak = chips[h800_name].fp16_bf16_dense_tflops
mfus = {}
for how, per_token in (
    ("V3, 6 x 37 billion active parameters", 6 * 37e9),
    ("V3, the ISCA paper's 250 GFLOP a token", 250e9),
    ("V3, our count, 4,096 tokens", flops_per_token(v3, context=4096, training=True)),
):
    mfus[how] = model_flops_utilisation(flops=per_token * 14.8e12, gpu_hours=2.664e6, peak_tflops=peak)
    print(f"{how:40} {per_token / 1e9:6.0f} GFLOP a token: {mfus[how]:.1%} of {peak:.0f} TFLOP/s in bf16")
llama = model_flops_utilisation(flops=6 * 405e9 * 15.6e12, gpu_hours=30.84e6, peak_tflops=989)
print(f"{'Llama 3.1 405B, 6 x 405 billion':40} {6 * 405:6.0f} GFLOP a token: {llama:.1%}")
print("your guess:", guess_mfu)

# %% [markdown]
# By the same count, 6 FLOP per active parameter, the two are level: the small bill comes from an eleventh of the active parameters, not from a better use of the chips. (These are all hours of the model's card, stops included. Most of V3's matrix products ran in FP8, whose
# peak is twice as high; against that the shares are half. Llama's number of tokens: secondary pages.) Lesson 07 rebuilds the bill.
#
# ### The ledger

# %%
fewest = {label: served[label, "NVIDIA H20"][0].n_chips for label in models}
display(settle(
    6,
    value=f"by this lesson's estimate QwQ-32B in 16 bits needs {fewest['QwQ-32B, 16 bits']} H20 for its first user and R1 {fewest['DeepSeek-R1, 8 bits']}; for one user an H20 writes no slower than an H800, for many it costs 1.5 to 5 times as much. "
    f"V3's training used its chips as well as Llama 3.1 405B's, {mfus['V3, 6 x 37 billion active parameters']:.0%} and {llama:.0%} by 6 FLOP per active parameter",
    verdict=None,
    sources=("DeepSeek-V3's report, table 1", "open-infra-index, day 6", "data sheets, see the chip table"),
))  # fmt: skip
display(settle(
    5,
    value=f"serving: R1 {r1_hidden.eur:.2f} to {r1.eur:.2f} and QwQ-32B {qwq.eur:.2f} euros per million tokens on H800 at 2 dollars an hour, by estimate; DeepSeek's own day comes to {87_072 / 168_000 * rate:.2f}. No US company publishes its cost",
    verdict=None,
    sources=("this lesson's estimate", "open-infra-index, day 6"),
))  # fmt: skip

# %% [markdown]
# ## 10 · What you have shown

# %%
rows = [
    ["SmolLM2, bytes / copying", f"{calculated:.1f} tokens/s", f"{calculated / reached:.1f} times too fast"],
    ["SmolLM2, measured", f"{reached:.1f} tokens/s", ""],
    ["27 steps, three numbers", "median error", f"{median(errors['three numbers']):.0%}"],
    ["27 steps, bytes / copying", "median error", f"{median(errors['bytes / copying']):.0%}"],
    [
        "SmolLM2, 8 bits, 1 row",
        f"{1 / step['8 bits', 1]:.1f} tokens/s",
        f"{step['float32', 1] / step['8 bits', 1]:.1f} x float32",
    ],
    [
        "SmolLM2, 4 bits, 1 row",
        f"{1 / step['4 bits', 1]:.1f} tokens/s",
        f"{step['float32', 1] / step['4 bits', 1]:.1f} x float32",
    ],
    ["DeepSeek's node, estimated", f"{nodes['hidden, as theirs']:,.0f} tokens/s", f"{nodes['hidden, as theirs'] / 14_800 - 1:+.0%}"],
    ["QwQ-32B, 8 bits, H800, best", f"{qwq.n_chips} chips", f"{qwq.eur:.2f} euros per million"],
    ["DeepSeek-R1, H800, best", f"{r1.n_chips} chips", f"{r1_hidden.eur:.2f} to {r1.eur:.2f} euros per million"],
]
print(text_table(["what", "figure", ""], rows))
if not session.quick:
    print(
        "\nexpected: median error of the three numbers at most 15 %, more than twice that by copying; 8 bits faster than float32 at one row"
    )

# %% [markdown]
# ### Limitations
#
# * One machine, shared with others while this was made. Run the fit twice and see how the three numbers move.
# * The fit knows models like those it was made from: dense, float32, 1 to 63 million parameters. Outside, it is a guess.
# * The serving estimate has one layout and powers of two, one witness for its speed, and no interval. It leaves out reading prompts, uneven load on experts and spare copies of them, idle hours, hosts and cooling, and takes each chip's
#   software to be equally good. Two halves of a batch that hide each other's sending also read the weights twice: left out.
# * One price per hour for a 4090 and an H200 alike. Change it before you quote a euro.
# * A cost per token is not a cost per answer: how many tokens a model needs is lesson 09's question. And no US company publishes what serving costs it.
# * The loss of fewer bits is that of one model on 115 tokens.
#
# ### What others found at full size
#
# | finding | source |
# |---|---|
# | bytes over data-sheet bandwidth: 1.45 to 2.36 times too fast; 42 % off in the mean | gpt-fast's README, eight A100 timings, computed here |
# | rooflines for each matrix product: 64 to 341 % off; interpolated from measured products: 7 to 15 % | NVIDIA aiconfigurator's own validation |
# | best matrix products reach 87 % of an A100's and 80 % of an H100's arithmetic | S. Bekman, ML Engineering, MAMF table |
# | decoding with expert parallelism: 14.76 ms a token on 50 GB/s links, 0.82 ms on 900 | DeepSeek, ISCA 2025, arXiv 2505.09343, section 2.3.2 |
# | V3's cache is 70,272 bytes a token; its paper prints "7.28 x" for Llama-405B where its own bytes give 7.34 | the same, table 1 |
#
# ### Where next
#
# Exercise set 06 asks for siblings: budgets, a product in whole numbers, a pipeline that writes, another all-reduce, MFU, and a measurement with five bugs
# (`racecourse start 06_hardware`). Lesson 07 asks who may buy which chip, and what one costs to make.

# %%
ledger("06")
