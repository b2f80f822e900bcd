"""Chips: what data sheets say, what export rules make of it, what one costs to make, how fast it writes, at what price.

Importing this needs neither torch nor a plot. `parallel` and `processes`, which need torch, are imported by themselves.
"""

# Imported at once, not on first use: `accelerators` is also the name of its file, and a late import of the file would
# put the module in the function's place.
from racecourse.hardware.accelerators import (
    Chip,
    accelerators,
    performance_density,
    redesign,
    ridge_flop_per_byte,
    total_processing_performance,
)
from racecourse.hardware.cost import (
    Prices,
    ServingBill,
    TokenPrices,
    TrainingBill,
    joules_per_million_tokens,
    model_flops_utilisation,
    owned,
    rented,
    training_gpu_hours,
)
from racecourse.hardware.export_rules import RULES, Classification, classify, classify_hbm
from racecourse.hardware.roofline import Rates, calibrate, data_sheet, predict_decode, predict_prefill
from racecourse.hardware.serving import Assumptions, Serving, serve, ways_to_serve
from racecourse.hardware.wafer import (
    WaferMap,
    cost_per_good_die,
    defects_for_yield,
    die_yield,
    dies_per_wafer,
    throw_defects,
)

__all__ = [
    "RULES",
    "Assumptions",
    "Chip",
    "Classification",
    "Prices",
    "Rates",
    "Serving",
    "ServingBill",
    "TokenPrices",
    "TrainingBill",
    "WaferMap",
    "accelerators",
    "calibrate",
    "classify",
    "classify_hbm",
    "cost_per_good_die",
    "data_sheet",
    "defects_for_yield",
    "die_yield",
    "dies_per_wafer",
    "joules_per_million_tokens",
    "model_flops_utilisation",
    "owned",
    "performance_density",
    "predict_decode",
    "predict_prefill",
    "redesign",
    "rented",
    "ridge_flop_per_byte",
    "serve",
    "throw_defects",
    "total_processing_performance",
    "training_gpu_hours",
    "ways_to_serve",
]
