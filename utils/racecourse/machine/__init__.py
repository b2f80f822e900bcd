"""What this machine is, and how fast it really is.

`device()` chooses where models run and in which dtype; `measure()` gives the FLOP/s and GB/s that the roofline and the
decode predictions of later lessons start from. Nothing here is a data sheet: those are in `racecourse.hardware`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from racecourse.machine.device import Device, device
    from racecourse.machine.measure import Measurement, Rate, measure

__all__ = ["Device", "Measurement", "Rate", "device", "measure"]

_FILES = {"Measurement": "speed", "Rate": "speed"}


def __getattr__(name: str) -> Any:
    raise AttributeError(name)
