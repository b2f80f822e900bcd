"""What this machine is, and how fast it really is.

`device()` chooses where models run and in which dtype; `measure()` gives the FLOP/s and GB/s that the roofline and the
decode predictions of later lessons start from. Nothing here comes from a data sheet. `run_untrusted()` runs code that
nobody trusts.
"""

# Imported at once, not on first use: `device` and `measure` are also the names of their files, and a late import of the
# file would put the module in the function's place. Neither file imports torch before it is called.
from racecourse.machine.device import Device, device
from racecourse.machine.measure import Measurement, Rate, measure
from racecourse.machine.sandbox import Outcome, run_untrusted

__all__ = ["Device", "Measurement", "Outcome", "Rate", "device", "measure", "run_untrusted"]
