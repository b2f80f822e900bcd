"""How long conversations may grow in some memory: choose chip, how many of it, bits per weight, conversations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import Choice, Steps, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer


def kv_budget_explorer() -> Explorer:
    """The explorer over the chips of the table whose memory is known."""
    from racecourse.hardware import accelerators

    chips = [name for name, chip in accelerators().items() if chip.mem_gb is not None]
    controls = {
        "chip": Choice("Chip", options=chips, value="NVIDIA H100 SXM5 80GB"),
        "n_chips": Steps("How many", options=[1, 2, 4, 8, 16, 32], value=1),
        "bits": Choice("Bits per weight", options=[16, 8, 5], value=16),
        "conversations": Steps("Conversations", options=[2**p for p in range(9)], value=1),
    }
    return explorer("How long conversations may grow", draw_kv_budget, controls)


def draw_kv_budget(ax: Axes, chip: str, n_chips: int, bits: int, conversations: int) -> str:
    """Draw tokens against conversations for the course's models; say the chosen point in words."""
    from racecourse.hardware import accelerators
    from racecourse.hardware.accelerators import known
    from racecourse.learn.fits import known_configs
    from racecourse.learn.roofs import describe_kv_budget, plot_kv_budget

    shown = {
        name: c for name, c in known_configs().items() if name in ("R1-Distill-Qwen-1.5B", "QwQ-32B", "DeepSeek-R1")
    }
    memory_gb = n_chips * known(accelerators()[chip], "mem_gb")
    plot_kv_budget(shown, memory_gb=memory_gb, bits_per_weight=bits, marked=conversations, ax=ax)
    ax.set_title(f"{n_chips} x {chip}, {memory_gb:,.0f} GB, {bits} bits a weight", fontsize=11, loc="left")
    return describe_kv_budget(shown, memory_gb=memory_gb, bits_per_weight=bits, marked=conversations)
