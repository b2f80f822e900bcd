"""Which device and which number format to use, honestly.

`torch.cuda.is_available()` and `torch.cuda.is_bf16_supported()` both say yes too often: the first for a GPU that this
build of torch has no code for, the second for a T4, which only imitates bfloat16 in software. The functions that
decide take plain facts, so that the choice for a T4, an H100 or a Mac can be tested on any machine; `device()`
collects the facts.
Left out: several GPUs at once (the current one is used), TPUs, Intel GPUs.
"""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from racecourse.machine.limits import limits

if TYPE_CHECKING:
    import torch

GIB = 2**30


@dataclass(frozen=True)
class Device:
    """Where models run. `str(device)` is one plain line for a notebook's first cell or a bug report."""

    kind: str  # "cuda", "mps" or "cpu", as torch names it
    name: str
    cores: int  # CPU cores that this process may use
    memory_total_bytes: int  # of the GPU for "cuda", of this process's share of the main memory otherwise
    memory_free_bytes: int
    bf16_is_real: bool  # bfloat16 arithmetic in hardware, not imitated
    dtype_name: str  # recommended: "float32", "float16" or "bfloat16"
    note: str = ""  # why a GPU that is here is not used

    @property
    def torch_device(self) -> torch.device:
        import torch

        return torch.device(self.kind)

    @property
    def dtype(self) -> torch.dtype:
        """The recommended dtype, as torch's object."""
        import torch

        return getattr(torch, self.dtype_name)

    def __str__(self) -> str:
        memory = f"{self.memory_free_bytes / GIB:.1f} of {self.memory_total_bytes / GIB:.1f} GiB free"
        bf16 = "bf16 in hardware" if self.bf16_is_real else "no real bf16"
        line = f"{self.kind}: {self.name}, {self.cores} CPU cores, {memory}, {self.dtype_name} ({bf16})"
        return f"{line}; {self.note}" if self.note else line


def device(kind: str | None = None) -> Device:
    """Describe the device to use: a GPU that works, else the CPU; or the one named by `kind`.

    Raises ValueError when `kind` is not on this machine.
    """
    import torch

    found, note = find_kind(
        cuda_capability=torch.cuda.get_device_capability() if torch.cuda.is_available() else None,
        cuda_arch_list=torch.cuda.get_arch_list(),
        has_mps=torch.backends.mps.is_available(),
    )
    if kind not in (None, "cpu", found):
        there = "cpu" if found == "cpu" else f"{found}, cpu"
        raise ValueError(f"device {kind!r} asked for, this machine has: {there}{note and '; ' + note}")
    match kind or found:
        case "cuda":
            return _cuda()
        case "mps":
            return _cpu_or_mps("mps", note)
        case _:
            return _cpu_or_mps("cpu", note)


def find_kind(*, cuda_capability: tuple[int, int] | None, cuda_arch_list: list[str], has_mps: bool) -> tuple[str, str]:
    """Choose "cuda", "mps" or "cpu", and say why a GPU was passed over.

    >>> find_kind(cuda_capability=(6, 0), cuda_arch_list=["sm_75", "sm_90"], has_mps=False)[0]  # P100
    'cpu'
    """
    if cuda_capability is not None:
        if has_kernels(cuda_capability, cuda_arch_list):
            return "cuda", ""
        ours = f"{cuda_capability[0]}.{cuda_capability[1]}"
        reason = f"GPU of compute capability {ours} passed over: this torch has code for {' '.join(cuda_arch_list)}"
        return "cpu", f"{reason}; install a torch build that includes it"
    return ("mps", "") if has_mps else ("cpu", "")


def has_kernels(capability: tuple[int, int], arch_list: list[str]) -> bool:
    """Whether a torch built for `arch_list` runs on a GPU of this compute capability.

    Machine code (`sm_75`) runs on the same major version from its minor upwards; portable code (`compute_75`) on
    anything as new. AMD's names (`gfx942`) follow no such order: torch then decides for itself.
    """
    for arch in arch_list:
        prefix, _, digits = arch.partition("_")
        if prefix not in ("sm", "compute"):
            return True
        version = int(digits.rstrip("af"))  # sm_90a: features of exactly this chip
        major, minor = divmod(version, 10)
        same_family = major == capability[0] and minor <= capability[1]
        if same_family or (prefix == "compute" and (major, minor) <= capability):
            return True
    return False


def has_real_bf16(*, capability: tuple[int, int], is_rocm: bool) -> bool:
    """Whether the GPU has bfloat16 arithmetic: NVIDIA from Ampere (8.0) on, and every AMD GPU that torch supports.

    >>> has_real_bf16(capability=(7, 5), is_rocm=False)  # T4: torch.cuda.is_bf16_supported() says True
    False
    """
    return is_rocm or capability >= (8, 0)


def recommended_dtype(kind: str, *, bf16_is_real: bool) -> str:
    """Name the dtype that is fast and safe there.

    float32 on a CPU, where the 16-bit kernels differ too much from one processor to the next, and on a Mac's GPU,
    where this course has not been tested in 16 bits. float16 has an eighth of float32's exponents: training in it
    needs a gradient scaler.
    """
    if kind != "cuda":
        return "float32"
    return "bfloat16" if bf16_is_real else "float16"


def _cuda() -> Device:
    import torch

    free, total = torch.cuda.mem_get_info()
    real = has_real_bf16(capability=torch.cuda.get_device_capability(), is_rocm=torch.version.hip is not None)
    dtype_name = recommended_dtype("cuda", bf16_is_real=real)
    return Device("cuda", torch.cuda.get_device_name(), limits().cores, total, free, real, dtype_name)


def _cpu_or_mps(kind: str, note: str) -> Device:
    """A Mac's GPU shares the main memory and the chip's name with the CPU."""
    share = limits()
    return Device(
        kind=kind,
        name=cpu_name(),
        cores=share.cores,
        memory_total_bytes=share.memory_total_bytes,
        memory_free_bytes=share.memory_free_bytes,
        bf16_is_real=_cpu_has_bf16(),
        dtype_name=recommended_dtype(kind, bf16_is_real=_cpu_has_bf16()),
        note=note,
    )


def cpu_name() -> str:
    """Return the processor's name as the system tells it, such as "AMD EPYC 9B14"."""
    if platform.system() == "Darwin":
        return _sysctl("machdep.cpu.brand_string")
    names = _cpuinfo("model name")
    return names[0] if names else platform.processor() or platform.machine()


def _cpu_has_bf16() -> bool:
    """Instructions for bfloat16: AVX512-BF16 or AMX on x86, `bf16` on ARM. False where the system does not tell."""
    if platform.system() == "Darwin":
        return _sysctl("hw.optional.arm.FEAT_BF16") == "1"
    flags = " ".join(_cpuinfo("flags") + _cpuinfo("Features")).split()
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def _cpuinfo(key: str) -> list[str]:
    """Values of one key in Linux's list of processors; empty on other systems."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [value.strip() for name, _, value in (line.partition(":") for line in lines) if name.strip() == key]


def _sysctl(name: str) -> str:
    return subprocess.run(["sysctl", "-n", name], capture_output=True, text=True).stdout.strip()
