"""Explorers: controls above a figure. Each only calls a plot function; the numbers come from elsewhere.

One frame (`explorer.py`, `frame.py`) shows them all. They need no torch, and each stands in its own file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from racecourse.learn.widgets.attention import attention_explorer
from racecourse.learn.widgets.chip_rules import chip_rules_explorer
from racecourse.learn.widgets.expert_load import expert_load_explorer
from racecourse.learn.widgets.fits import fits_explorer
from racecourse.learn.widgets.grpo_dashboard import grpo_dashboard_explorer
from racecourse.learn.widgets.isoflop import isoflop_explorer
from racecourse.learn.widgets.kv_budget import kv_budget_explorer
from racecourse.learn.widgets.pass_at_k import pass_at_k_explorer
from racecourse.learn.widgets.roofline import roofline_explorer
from racecourse.learn.widgets.routing import routing_explorer
from racecourse.learn.widgets.sampling import sampling_explorer
from racecourse.learn.widgets.training_bill import training_bill_explorer
from racecourse.learn.widgets.transcript import transcript_explorer
from racecourse.learn.widgets.verdict import verdict_explorer
from racecourse.learn.widgets.wafer_map import wafer_map_explorer

if TYPE_CHECKING:
    from racecourse.learn.widgets.frame import Explorer

WIDGETS: dict[str, Callable[[], Explorer]] = {
    "fits": fits_explorer,
    "attention": attention_explorer,
    "sampling": sampling_explorer,
    "expert_load": expert_load_explorer,
    "isoflop": isoflop_explorer,
    "routing": routing_explorer,
    "pass_at_k": pass_at_k_explorer,
    "grpo_dashboard": grpo_dashboard_explorer,
    "roofline": roofline_explorer,
    "kv_budget": kv_budget_explorer,
    "chip_rules": chip_rules_explorer,
    "wafer_map": wafer_map_explorer,
    "training_bill": training_bill_explorer,
    "verdict": verdict_explorer,
    "transcript": transcript_explorer,
}
