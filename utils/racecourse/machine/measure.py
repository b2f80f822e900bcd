"""This machine's speed, measured in seconds and remembered: FLOP/s, copy bandwidth, matrix-vector bandwidth.

`measure()` sweeps the number of CPU threads (or uses the GPU), reports the best and the median of several runs, and
keeps the result as JSON under the machine's identity, so that a second call returns at once. Other work on the machine
lowers the figures: measure when it is quiet, and where best and median are far apart, measure again.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from racecourse.machine.device import GIB, Device, cpu_name, device
from racecourse.machine.trials import (
    MIB,
    Rate,
    Trial,
    cpu_trials,
    gpu_trials,
    last_cache_bytes,
    thread_counts,
    time_trial,
    working_set_bytes,
)

METHOD = 1  # raise it when the way of measuring changes: remembered figures are then measured anew
GPU_CACHE_BYTES = 128 * MIB  # more than the L2 of any GPU so far (B200: 126 MB)


@dataclass(frozen=True)
class Measurement:
    """What was measured, on what. The properties pick the fastest trial of a kind; `rates` holds the whole sweep."""

    identity: dict[str, str | int]
    rates: tuple[Rate, ...]
    working_set_bytes: int
    cache_bytes: int
    seconds: float  # what the caller allowed
    date: str

    @property
    def matmul_gflops(self) -> Rate:
        """Matrix times matrix in float32."""
        return self.fastest("matmul", "float32")

    @property
    def copy_gb_per_s(self) -> Rate:
        """Memory copied, reads and writes both counted."""
        return self.fastest("copy", "float32")

    @property
    def matvec_gb_per_s(self) -> Rate:
        """Float32 weights read by a matrix-vector product: the limit of decoding at batch size 1."""
        return self.fastest("matvec", "float32")

    def fastest(self, operation: str, dtype: str) -> Rate:
        """Return the trial with the highest best run; raises KeyError for what was not measured here."""
        rates = [rate for rate in self.rates if (rate.operation, rate.dtype) == (operation, dtype)]
        if not rates:
            kinds = sorted({f"{rate.operation} in {rate.dtype}" for rate in self.rates})
            raise KeyError(f"{operation} in {dtype} was not measured; there are: {', '.join(kinds)}")
        return max(rates, key=lambda rate: rate.best)

    def summary(self) -> str:
        """Return a plain text table: one line per operation and dtype, at its best number of threads."""
        names = {"matmul": "matrix x matrix", "copy": "copy", "matvec": "matrix x vector"}
        who = self.identity
        lines = [
            f"{who['device']}, {who['cores']} CPU cores, torch {who['torch']}, {self.date}",
            f"{'':16} {'dtype':9} {'best':>9} {'median':>9} {'unit':8} at",
        ]
        for operation, dtype in dict.fromkeys((rate.operation, rate.dtype) for rate in self.rates):
            rate = self.fastest(operation, dtype)
            threads = f"{rate.threads} thread{'s' * (rate.threads > 1)}, " if rate.threads else ""
            speeds = f"{rate.best:>9,.1f} {rate.median:>9,.1f} {rate.unit:8}"
            lines.append(f"{names[operation]:16} {dtype:9} {speeds} {threads}{rate.how}")
        if self.working_set_bytes < 2 * self.cache_bytes:
            lines.append(
                f"Little memory was free: {self.working_set_bytes // MIB} MiB of data against "
                f"{self.cache_bytes // MIB} MiB of cache, so the GB/s above are too high."
            )
        return "\n".join(lines)


def measure(kind: str | None = None, *, refresh: bool = False, seconds: float = 6.0) -> Measurement:
    """Measure this machine, or return what was measured on it before.

    Args:
        kind: "cpu", "cuda" or "mps"; by default what `device()` chooses.
        refresh: measure anew even if a result is stored.
        seconds: about how long the measuring may take; a stored result that had less time does not count.
    """
    here = device(kind)
    who = identity(here)
    path = stored_path(who)
    stored = None if refresh else read_stored(path, who)
    if stored is not None and stored.seconds >= seconds:
        return stored
    cache_bytes = GPU_CACHE_BYTES if here.kind == "cuda" else last_cache_bytes()
    n_bytes = working_set_bytes(cache_bytes=cache_bytes, free_bytes=here.memory_free_bytes)
    rates = run_trials(_trials(here, n_bytes), seconds=seconds, clock=time.perf_counter)
    result = Measurement(who, tuple(rates), n_bytes, cache_bytes, seconds, time.strftime("%Y-%m-%d"))
    _store(path, result)
    return result


def run_trials(trials: list[Trial], *, seconds: float, clock: Callable[[], float]) -> list[Rate]:
    """Time each trial for its share of `seconds`. When these are used up, only kinds not yet measured still run."""
    end = clock() + seconds
    rates: list[Rate] = []
    for trial in trials:
        measured = {(rate.operation, rate.dtype) for rate in rates}
        if clock() < end or (trial.operation, trial.dtype) not in measured:
            rates.append(time_trial(trial, seconds=seconds / len(trials), clock=clock))
    return rates


def _trials(here: Device, n_bytes: int) -> list[Trial]:
    if here.kind == "cpu":
        return cpu_trials(thread_counts=thread_counts(here.cores), working_set_bytes=n_bytes)
    half = "bfloat16" if here.dtype_name == "bfloat16" else "float16"
    return gpu_trials(here.kind, half, working_set_bytes=n_bytes)


def identity(here: Device) -> dict[str, str | int]:
    """What must be the same for an old measurement to hold."""
    import torch

    return {
        "method": METHOD,
        "kind": here.kind,
        "device": here.name,
        "cpu": cpu_name(),
        "cores": here.cores,
        "memory_gib": round(here.memory_total_bytes / GIB),
        "torch": torch.__version__,
    }


def cache_folder() -> Path:
    """Where the course keeps what can be made again: RACECOURSE_CACHE, or `.cache/racecourse` in the home directory."""
    return Path(os.environ.get("RACECOURSE_CACHE") or Path.home() / ".cache" / "racecourse")


def stored_path(who: dict[str, str | int]) -> Path:
    """One file per machine: a home directory may be shared between several."""
    digest = hashlib.sha256(json.dumps(who, sort_keys=True).encode()).hexdigest()[:12]
    return cache_folder() / "machine" / f"{digest}.json"


def read_stored(path: Path, who: dict[str, str | int]) -> Measurement | None:
    """Return the stored measurement; None where there is none of this machine, or the file cannot be understood."""
    if not path.exists():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        found = Measurement(**{**raw, "rates": tuple(Rate(**rate) for rate in raw["rates"])})
    except (ValueError, TypeError, KeyError):  # cut off half-way, or another version's: measuring again takes seconds
        return None
    return found if found.identity == who else None


def _store(path: Path, result: Measurement) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        warnings.warn(f"measurement not kept: {error}; set RACECOURSE_CACHE to a folder you can write", stacklevel=3)
