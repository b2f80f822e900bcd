"""A chip's roofline with one model on it: choose the chip, the model, the batch size and the context."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import Choice, Steps, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer


def roofline_explorer() -> Explorer:
    """The explorer over the chips of the table whose bandwidth and FP16 rate are known, in bf16."""
    from racecourse.hardware import accelerators, ridge_flop_per_byte
    from racecourse.learn.fits import known_configs

    chips = [name for name, chip in accelerators().items() if ridge_flop_per_byte(chip) is not None]
    controls = {
        "chip": Choice("Chip", options=chips, value="NVIDIA H100 SXM5 80GB"),
        "model": Choice("Model", options=list(known_configs()), value="QwQ-32B"),
        "batch": Steps("Batch size", options=[2**p for p in range(11)], value=1),
        "context": Steps("Context, tokens", options=[2**p for p in range(7, 18)], value=2048),
    }
    return explorer("A chip's roofline", draw_roofline, controls)


def draw_roofline(ax: Axes, chip: str, model: str, batch: int, context: int) -> str:
    """Draw the chip's roof and one decode step below it; say in words what holds it up."""
    from racecourse.hardware import accelerators
    from racecourse.hardware.accelerators import known
    from racecourse.hardware.roofline import decode_work
    from racecourse.learn.fits import known_configs
    from racecourse.learn.roofs import attainable, plot_roofline

    found = accelerators()[chip]
    gflops, gb_per_s = 1000 * known(found, "fp16_bf16_dense_tflops"), known(found, "mem_bw_gbs")
    work = decode_work(known_configs()[model], context=context, batch_size=batch, bytes_per_weight=2, bytes_per_value=2)
    reached = attainable(work.intensity, gflops=gflops, gb_per_s=gb_per_s)
    label = f"{model}, batch {batch}, context {context:,}"
    plot_roofline(gflops=gflops, gb_per_s=gb_per_s, points={label: [(work.intensity, reached)]}, title=chip, ax=ax)
    limit = "memory" if reached < gflops else "arithmetic"
    n_chips = math.ceil((work.weight_bytes + work.cache_bytes) / 1e9 / (found.mem_gb or math.inf))
    room = "" if n_chips <= 1 else f" It does not fit one: it fills {n_chips}."
    return (
        f"{label}: {work.intensity:.1f} FLOP per byte, {reached / gflops:.1%} of {chip}'s arithmetic at most; "
        f"{limit} is the limit. Weights {work.weight_bytes / 1e9:.1f} GB, cache {work.cache_bytes / 1e9:.1f} GB; "
        f"at most {batch * reached * 1e9 / work.flops:,.0f} tokens/s in all.{room}"
    )
