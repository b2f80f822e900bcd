"""The operations that `measure` times: matrix times matrix, copy, and matrix times vector.

Each trial states how much work one run does, in floating-point operations or bytes, so that a rate is work divided by
seconds and nothing else. The matrix-vector product is what a model does for each new token: it reads every weight once
and uses it for two operations, so memory sets its speed. Left out: quantised kernels and disk.

All of a trial's data comes from one working set much larger than the last cache. Its bytes are counted as the program
sees them, once per read and once per write; most processors also read a line before they write it, uncounted here.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MIB = 2**20
MATRIX_SIDE = 2048  # 16 MiB in float32: the size of a weight matrix in a model of about a billion parameters
MATVEC_KERNELS = ("F.linear", "torch.mv", "torch.bmm")
ROW_BLOCKS = 4  # for torch.bmm: the matrix as four matrices of a quarter of the rows
WARM_UP_RUNS = 1
MIN_RUNS = 3
MAX_RUNS = 50


@dataclass(frozen=True)
class Trial:
    """One operation, ready to run."""

    operation: str  # "matmul", "copy" or "matvec"
    dtype: str
    how: str  # the kernel or the shape
    threads: int  # CPU threads; 0 on a GPU
    work: int  # floating-point operations (matmul) or bytes (copy, matvec) in one run
    run: Callable[[], object]


@dataclass(frozen=True)
class Rate:
    """How fast one trial went: GFLOP/s for "matmul", GB/s (10^9 bytes) for "copy" and "matvec"."""

    operation: str
    dtype: str
    how: str
    threads: int
    best: float
    median: float
    runs: int

    @property
    def unit(self) -> str:
        return "GFLOP/s" if self.operation == "matmul" else "GB/s"


def time_trial(trial: Trial, *, seconds: float, clock: Callable[[], float]) -> Rate:
    """Run a trial for about `seconds`, at least MIN_RUNS times, after a warm-up that is not counted."""
    with torch_threads(trial.threads):
        for _ in range(WARM_UP_RUNS):
            trial.run()
        durations: list[float] = []
        while len(durations) < MIN_RUNS or (sum(durations) < seconds and len(durations) < MAX_RUNS):
            start = clock()
            trial.run()
            durations.append(clock() - start)
    rates = sorted(trial.work / duration / 1e9 for duration in durations)
    middle = (rates[(len(rates) - 1) // 2] + rates[len(rates) // 2]) / 2
    return Rate(trial.operation, trial.dtype, trial.how, trial.threads, rates[-1], middle, len(rates))


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use this many CPU threads; 0 leaves it as it is. The earlier number comes back, also after an error."""
    import torch

    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cpu_trials(*, thread_counts: list[int], working_set_bytes: int) -> list[Trial]:
    """Every operation at every number of threads, in float32; all cores first, as time may run out."""
    weights_NDD = working_set("cpu", "float32", working_set_bytes)
    trials = []
    for threads in sorted(thread_counts, reverse=True):
        trials += [
            copy_trial(weights_NDD, threads=threads),
            *(matvec_trial(weights_NDD, how=how, threads=threads) for how in MATVEC_KERNELS),
            matmul_trial("cpu", "float32", side=1024, threads=threads),
            matmul_trial("cpu", "float32", side=2048, threads=threads),
        ]
    return trials


def gpu_trials(kind: str, half: str, *, working_set_bytes: int) -> list[Trial]:
    """The operations on a GPU, in float32 (without TF32, as is torch's default) and in the 16-bit dtype `half`."""
    weights_NDD = working_set(kind, "float32", working_set_bytes)
    half_NDD = working_set(kind, half, working_set_bytes)
    return [
        copy_trial(weights_NDD),
        *(matvec_trial(weights_NDD, how=how) for how in MATVEC_KERNELS),
        *(matvec_trial(half_NDD, how=how) for how in MATVEC_KERNELS),
        matmul_trial(kind, "float32", side=4096),
        matmul_trial(kind, half, side=4096),
        matmul_trial(kind, half, side=8192),
    ]


def working_set(kind: str, dtype: str, n_bytes: int) -> torch.Tensor:
    """N matrices (N, D, D) that fill about `n_bytes`, an even number of them so that half can be copied to half.

    Filled with random numbers: pages that were never written all point at one page of zeros that fits the cache, and
    a GPU draws less power, hence clocks higher, when it multiplies zeros.
    """
    import torch

    block_DD = torch.rand(MATRIX_SIDE, MATRIX_SIDE, device=kind, dtype=torch.float32).to(getattr(torch, dtype))
    n_matrices = max(2, n_bytes // (block_DD.numel() * block_DD.element_size()) // 2 * 2)
    return block_DD.repeat(n_matrices, 1, 1)


def matmul_trial(kind: str, dtype: str, *, side: int, threads: int = 0) -> Trial:
    """A square product: side^3 multiply-adds, two operations each."""
    import torch

    a_DD = torch.rand(side, side, device=kind).to(getattr(torch, dtype))
    out_DD = torch.empty_like(a_DD)

    def run() -> None:
        torch.mm(a_DD, a_DD, out=out_DD)
        finish(kind)

    return Trial("matmul", dtype, f"{side} x {side}", threads, 2 * side**3, run)


def copy_trial(weights_NDD: torch.Tensor, *, threads: int = 0) -> Trial:
    """Copy the first half of the working set over the second: every byte of both is touched once."""
    source, target = weights_NDD.chunk(2)

    def run() -> None:
        target.copy_(source)
        finish(source.device.type)

    return Trial("copy", _name(weights_NDD.dtype), "read + write", threads, 2 * _n_bytes(source), run)


def matvec_trial(weights_NDD: torch.Tensor, *, how: str, threads: int = 0) -> Trial:
    """One vector times each matrix in turn, as a model goes through its layers. Work is the bytes of the weights.

    `how` is one of MATVEC_KERNELS: three ways to ask torch for the same product, which end in different code.
    """
    import torch

    x_1D = torch.rand(1, weights_NDD.shape[-1], device=weights_NDD.device).to(weights_NDD.dtype)

    def run() -> None:
        with torch.inference_mode():
            for weight_DD in weights_NDD:
                matvec(how, weight_DD, x_1D)
        finish(weights_NDD.device.type)

    return Trial("matvec", _name(weights_NDD.dtype), how, threads, _n_bytes(weights_NDD), run)


def matvec(how: str, weight_OI: torch.Tensor, x_1I: torch.Tensor) -> torch.Tensor:
    """Weight (O, I) times vector, as O numbers.

    On one two-core AMD machine the product in row blocks was twice as fast as the other two, which gained nothing
    from a second thread; elsewhere it may be the slowest.
    """
    import torch

    match how:
        case "F.linear":
            return torch.nn.functional.linear(x_1I, weight_OI)[0]
        case "torch.mv":
            return torch.mv(weight_OI, x_1I[0])
        case "torch.bmm":
            blocks_POI = weight_OI.view(ROW_BLOCKS, -1, weight_OI.shape[1])
            # This order of expand and transpose: with other strides torch takes a slow path of its own.
            return torch.bmm(blocks_POI, x_1I.expand(ROW_BLOCKS, 1, -1).transpose(1, 2)).flatten()
        case _:
            raise ValueError(f"how={how!r}: use one of {', '.join(MATVEC_KERNELS)}")


def finish(kind: str) -> None:
    """Wait for the GPU: it takes work in and returns before it is done."""
    import torch

    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


def thread_counts(cores: int) -> list[int]:
    """Powers of two up to the number of cores, and that number.

    >>> thread_counts(12)
    [1, 2, 4, 8, 12]
    """
    return sorted({2**power for power in range(math.ceil(math.log2(cores)) + 1) if 2**power < cores} | {cores})


def working_set_bytes(*, cache_bytes: int, free_bytes: int) -> int:
    """Four times the cache, at least 256 MiB, at most 1 GiB or an eighth of the free memory.

    >>> working_set_bytes(cache_bytes=32 * MIB, free_bytes=12 * 1024 * MIB) // MIB
    256
    """
    wanted = max(256 * MIB, 4 * cache_bytes)
    return max(2 * MATRIX_SIDE**2 * 4, min(wanted, 1024 * MIB, free_bytes // 8))


def last_cache_bytes() -> int:
    """The last-level caches of the CPUs that this process may use, together; 32 MiB where the system does not tell."""
    if platform.system() != "Linux":
        return 32 * MIB
    return sum_last_caches(Path("/sys/devices/system/cpu"), os.sched_getaffinity(0)) or 32 * MIB


def sum_last_caches(folder: Path, cpus: set[int]) -> int:
    """Add up the caches of the highest level, each once however many CPUs share it."""
    caches = {}  # (level, the CPUs that share it) -> bytes
    for cpu in cpus:
        for size_file in (folder / f"cpu{cpu}" / "cache").glob("index*/size"):  # some virtual machines do not tell it
            index = size_file.parent
            level, shared, size = ((index / name).read_text().strip() for name in ("level", "shared_cpu_list", "size"))
            caches[int(level), shared] = int(size.removesuffix("K")) * 1024
    last = max((level for level, _ in caches), default=0)
    return sum(size for (level, _), size in caches.items() if level == last)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _n_bytes(x: torch.Tensor) -> int:
    return x.numel() * x.element_size()
