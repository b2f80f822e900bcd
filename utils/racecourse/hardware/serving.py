"""Serving a model on chips that are not here: how many, how fast for one user and for all, how much energy and money.

Estimates from data sheets and assumptions, every one of which is a field to change; `tests/test_serving.py` holds them
against what DeepSeek published of its own service, and against the set-ups that SGLang recommends. A dense model is
split evenly over the chips of one node (tensor parallelism); more chips would run copies. Of a mixture of experts only
the routed experts are split (expert parallelism); every chip has the rest, and attends for its own conversations. Only
writing is counted: left out are reading prompts, idle hours, hosts, cooling, uneven load on experts, spare copies of
popular ones, and speculative decoding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from racecourse.hardware.accelerators import known
from racecourse.hardware.cost import Prices, rented
from racecourse.hardware.roofline import Work, data_sheet, decode_work, predict
from racecourse.scaling.count import count_parameters, kv_bytes_per_token, weights_at_work

if TYPE_CHECKING:
    from racecourse.hardware.accelerators import Chip
    from racecourse.models.config import ModelConfig

ACTIVATION_BYTES = 2  # bf16, in all-reduces and on the way back from experts
DISPATCH_BYTES = 1  # FP8, on the way to experts (DeepSeek-V3)


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


@dataclass(frozen=True)
class Serving:
    """One model on one kind of chip."""

    model: str
    chip: str
    n_chips: int
    batch_size: int  # conversations at once, on all chips together
    step_s: float
    parts: dict[str, float]  # seconds of a step
    joules: float  # of a million tokens
    eur: float

    @property
    def tokens_per_s_user(self) -> float:
        return 1 / self.step_s

    @property
    def tokens_per_s(self) -> float:
        return self.batch_size / self.step_s


def replicated(config: ModelConfig) -> int:
    """Parameters that every chip has: all but the routed experts, or none of a dense model's."""
    n = count_parameters(config)
    return n.total - n.routed_experts if config.moe else 0


def most_chips_of_one(config: ModelConfig, assume: Assumptions) -> int:
    """Chips over which one copy may be split: a dense model's key-value heads, in one node; a mixture as you like."""
    return 10**6 if config.moe else min(assume.chips_per_node, config.n_kv_heads)


def memory_per_chip(
    config: ModelConfig, *, n_chips: int, batch_size: int, bits_per_weight: int, assume: Assumptions
) -> float:
    """Bytes: what every chip has, a share of the other weights, and the cache of a share of the conversations."""
    own = replicated(config)
    weights = own + (count_parameters(config).total - own) / n_chips
    cache = batch_size * assume.context * kv_bytes_per_token(config, assume.bytes_per_value)
    return weights * bits_per_weight / 8 + cache / n_chips


def bytes_sent(config: ModelConfig, *, n_chips: int, batch_size: int) -> float:
    """Bytes that one chip sends in one step.

    A dense model: two ring all-reduces of all rows in each layer, 2 (n - 1) / n of their bytes each. A mixture: in each
    layer of experts a chip's own rows go to `top_k` experts and come back.
    """
    others = (n_chips - 1) / n_chips
    if config.moe is None:
        return config.n_layers * 2 * 2 * others * batch_size * config.d_model * ACTIVATION_BYTES
    row = config.d_model * (DISPATCH_BYTES + ACTIVATION_BYTES)
    return len(config.moe.layers) * others * batch_size / n_chips * config.moe.top_k * row


def serve(
    name: str, config: ModelConfig, chip: Chip, *, n_chips: int, batch_size: int, bits_per_weight: int = 16,
    assume: Assumptions | None = None,
) -> Serving:  # fmt: skip
    """One step on `n_chips`, and what a million tokens cost at that speed.

    Raises:
        ValueError: a chip of which something needed is not known, a batch that its memory cannot hold, or a dense model
            on more chips than one node has.
    """
    assume = assume or Assumptions()
    if n_chips > most_chips_of_one(config, assume):
        raise ValueError(f"{name}: a dense model is split over one node at most, not over {n_chips} chips; run copies")
    needed = memory_per_chip(
        config, n_chips=n_chips, batch_size=batch_size, bits_per_weight=bits_per_weight, assume=assume
    )
    held = known(chip, "mem_gb") * 1e9 * assume.memory_share
    if needed > held:
        raise ValueError(
            f"{name}: {needed / 1e9:.1f} GB a chip do not fit the {held / 1e9:.1f} GB of {n_chips} x {chip.name}"
        )
    whole = decode_work(
        config, context=assume.context, batch_size=batch_size, bytes_per_weight=bits_per_weight / 8,
        bytes_per_value=assume.bytes_per_value,
    )  # fmt: skip
    own = replicated(config) - (count_parameters(config).input_embedding if config.moe else 0)  # a table, looked up
    own_bytes = own * bits_per_weight / 8
    weights = own_bytes + (whole.weight_bytes - own_bytes) / n_chips
    share = Work(weights, whole.cache_bytes / n_chips, whole.flops / n_chips, whole.n_layers)
    rates = data_sheet(
        chip, bandwidth_share=assume.bandwidth_share, flops_share=assume.flops_share, layer_us=assume.layer_us
    )
    parts = dict(predict(share, rates).parts)
    if bits_per_weight == 8 and chip.fp8_dense_tflops is not None:  # products with weights in FP8, attention in 16 bits
        products = batch_size * 2 * weights_at_work(config) / n_chips
        faster = chip.fp8_dense_tflops / known(chip, "fp16_bf16_dense_tflops")
        parts["arithmetic"] -= products / rates.gflops / 1e9 * (1 - 1 / faster)
    parts["sending"] = 0.0
    if n_chips > 1:
        gb_per_s = known(chip, "interconnect_gbs_bidir") / 2  # the data sheet adds both directions
        if n_chips > assume.chips_per_node:
            gb_per_s = min(gb_per_s, assume.network_gb_per_s)
        sent = bytes_sent(config, n_chips=n_chips, batch_size=batch_size)
        parts["sending"] = sent / (gb_per_s * 1e9 * assume.link_share) + 2 * config.n_layers * assume.exchange_us / 1e6
        parts["sending"] *= 1 - assume.hidden_share
    step_s = sum(parts.values())
    watts = n_chips * known(chip, "tdp_w") * assume.power_share
    bill = rented(tokens_per_second=batch_size / step_s, n_gpus=n_chips, watts=watts, prices=assume.prices)
    return Serving(name, chip.name, n_chips, batch_size, step_s, parts, bill.joules, bill.eur)


def fullest(
    name: str, config: ModelConfig, chip: Chip, *, n_chips: int, bits_per_weight: int = 16,
    assume: Assumptions | None = None,
) -> Serving | None:  # fmt: skip
    """With the largest batch that fits and leaves each user the speed asked for; None where one row is too many.

    Raises:
        ValueError: a chip of which something needed is not known.
    """

    def fits(batch_size: int) -> Serving | None:
        try:
            found = serve(
                name, config, chip, n_chips=n_chips, batch_size=batch_size, bits_per_weight=bits_per_weight,
                assume=assume,
            )  # fmt: skip
        except ValueError:
            return None
        return found if found.tokens_per_s_user >= (assume or Assumptions()).tokens_per_s else None

    for figure in ("mem_gb", "tdp_w", *(["interconnect_gbs_bidir"] if n_chips > 1 else [])):
        known(chip, figure)  # what is not known is an error, not a batch that does not fit
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return fits(low) if low else None


def ways_to_serve(
    name: str, config: ModelConfig, chip: Chip, *, bits_per_weight: int = 16, most_chips: int = 64,
    assume: Assumptions | None = None,
) -> list[Serving]:  # fmt: skip
    """On 1, 2, 4, ... chips, as far as the model fits and its users get their speed."""
    counts = [2**power for power in range(most_chips.bit_length()) if 2**power <= most_chips]
    counts = [n for n in counts if n <= most_chips_of_one(config, assume or Assumptions())]
    if chip.interconnect_gbs_bidir is None:
        counts = [1]
    found = [fullest(name, config, chip, n_chips=n, bits_per_weight=bits_per_weight, assume=assume) for n in counts]
    return [serving for serving in found if serving is not None]
