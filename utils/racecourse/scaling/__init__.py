"""Training at a chosen size: what it costs, how to do it, and what a larger model would reach.

Counts come from a config alone; the rest needs torch, which is imported when it is first asked for.
"""

from importlib import import_module
from typing import Any

from racecourse.scaling.count import ParameterCount, count_parameters, flops_per_token, kv_bytes_per_token

_HOMES = {
    "Law": "laws",
    "fit": "laws",
    "compute_optimal": "laws",
    "TrainConfig": "training",
    "History": "training",
    "train": "training",  # not train.py: importing that file would put the module in the function's place
}
__all__ = [
    "History",
    "Law",
    "ParameterCount",
    "TrainConfig",
    "compute_optimal",
    "count_parameters",
    "fit",
    "flops_per_token",
    "kv_bytes_per_token",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
