"""`racecourse doctor`: one plain line per thing that matters on this machine, and what to do about each problem.

Every check returns a Finding and changes nothing. A warning is for something the course can do without; only a problem
makes the command's exit status 1. Left out: speed (`racecourse.machine.measure`), and Colab, where the set-up cell of
each notebook tells what it found.
"""

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SUPPORTED = ((3, 11), (3, 13))  # the oldest and the newest Python that the lock was made for
GIB = 2**30
MEMORY_NEEDED_GIB = 4.0  # lesson 01 holds SmolLM2 twice in float32 (2 x 0.5 GiB) beside JupyterLab
MODEL_GIB = 0.8  # what converting SmolLM2 needs on the disk for a moment: the wheel, its file and the result


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    topic: str
    state: Literal["ok", "warning", "problem"]
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = {"ok": "ok  ", "warning": "note", "problem": "FIX "}[self.state]
        line = f"{mark} {self.topic:<12} {self.text}"
        return f"{line}\n     {'':<12} -> {self.remedy}" if self.remedy else line


def installed(package: str) -> str:
    """The version of a package, without importing it; "" if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def check_python(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    text = f"{version[0]}.{version[1]} on {platform.system()} {platform.machine()}"
    if SUPPORTED[0] <= version <= SUPPORTED[1]:
        return Finding("Python", "ok", text)
    return Finding("Python", "warning", text, "the course is tested on 3.11 to 3.13: make clean lab PYTHON=python3.12")


def check_torch() -> Finding:
    version = installed("torch")
    if not version:
        return Finding("torch", "problem", "not installed", "run `make setup`")
    import torch

    has_driver = shutil.which("nvidia-smi") is not None
    return judge_torch(version, cuda=torch.version.cuda, gpu_works=torch.cuda.is_available(), has_driver=has_driver)


def judge_torch(version: str, *, cuda: str | None, gpu_works: bool, has_driver: bool) -> Finding:
    """What a build of torch means on this machine: a CUDA build may find no GPU, a CPU build may ignore one."""
    build = f"built for CUDA {cuda}" if cuda else "built without CUDA"
    if has_driver and not cuda and platform.system() != "Darwin":
        remedy = "if `nvidia-smi -L` lists a GPU, use it with: make clean lab TORCH=cuda"
        return Finding("torch", "warning", f"{version}, {build}, but an NVIDIA driver is here", remedy)
    if has_driver and cuda and not gpu_works:
        remedy = f"update NVIDIA's driver to one for CUDA {cuda} (`nvidia-smi` shows what yours supports)"
        return Finding("torch", "warning", f"{version}, {build}, cannot use the GPU", remedy)
    return Finding("torch", "ok", f"{version}, {build}")


def check_device() -> Finding:
    from racecourse.machine.device import device

    here = device()
    bf16 = "in hardware" if here.bf16_is_real else "not in hardware, so not used"
    text = f"{here.kind}: {here.name}; models run in {here.dtype_name}, bf16 is {bf16}"
    return Finding("device", "warning", text, here.note) if here.note else Finding("device", "ok", text)


def check_memory() -> Finding:
    from racecourse.machine.device import device

    here = device("cpu")
    return judge_memory(here.memory_total_bytes, here.memory_free_bytes, here.cores)


def judge_memory(total_bytes: int, free_bytes: int, cores: int) -> Finding:
    total, free = total_bytes / GIB, free_bytes / GIB
    text = f"{free:.1f} of {total:.1f} GiB free, {cores} CPU cores"
    if total < MEMORY_NEEDED_GIB:
        remedy = f"the lessons need about {MEMORY_NEEDED_GIB:.0f} GiB: use Colab (the badge at a lesson's top)"
        return Finding("memory", "problem", text, remedy)
    if free < MEMORY_NEEDED_GIB / 2:
        return Finding("memory", "warning", text, "close other programs before you run a lesson")
    return Finding("memory", "ok", text)


def check_disk() -> Finding:
    from racecourse.models.zoo import SMOLLM2, cache_folder

    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    return judge_disk(shutil.disk_usage(folder).free, folder, has_model=(cache_folder() / SMOLLM2).exists())


def judge_disk(free_bytes: int, folder: Path, *, has_model: bool) -> Finding:
    text = f"{free_bytes / GIB:.1f} GiB free at {folder}"
    if free_bytes / GIB >= MODEL_GIB or has_model:
        return Finding("disk", "ok", text)
    remedy = f"SmolLM2 needs {MODEL_GIB} GiB: free some, or set RACECOURSE_CACHE to a folder on a larger disk"
    return Finding("disk", "problem", text, remedy)


def check_models() -> Finding:
    from racecourse.models.zoo import SMOLLM2, cache_folder, verify

    folder = cache_folder()
    if not (folder / SMOLLM2).exists():
        remedy = f"run `racecourse fetch {SMOLLM2}` while you have a network (93 MB)"
        return Finding("models", "warning", f"none in {folder}", remedy)
    try:
        verify(folder / SMOLLM2)
    except RuntimeError as error:
        return Finding("models", "problem", f"{SMOLLM2} is damaged", str(error))
    return Finding("models", "ok", f"{SMOLLM2} in {folder}, every file as it was written")


def check_jupyter() -> Finding:
    version = installed("jupyterlab")
    if version:
        return Finding("JupyterLab", "ok", version)
    return Finding("JupyterLab", "problem", "not installed", "run `make setup`, or pip install 'racecourse[local]'")


def check_nbgrader() -> Finding:
    version = installed("nbgrader")
    if version:
        return Finding("nbgrader", "ok", version)
    text = "not installed; instant checks in the notebooks work without it"
    return Finding("nbgrader", "warning", text, "to grade: run `make setup`, or pip install 'racecourse[instructor]'")


def check_sandbox() -> Finding:
    from racecourse.machine.sandbox import sandbox_problem

    return judge_sandbox(platform.system(), sandbox_problem())


def judge_sandbox(system: str, problem: str | None) -> Finding:
    """Whether code that nobody trusts is shut in here; `problem` is what `sandbox_problem` says."""
    weaker = "untrusted code would run with limits on time and memory only"
    if problem is None:
        return Finding("sandbox", "ok", "bubblewrap works: untrusted code is shut in")
    if system != "Linux":
        said = f"{problem}: untrusted code would run with a limit on time only"  # memory's holds on Linux alone
        return Finding("sandbox", "warning", said, "run other people's code on Linux")
    if "missing" in problem:
        return Finding("sandbox", "warning", f"{problem}: {weaker}", "sudo apt install bubblewrap")
    remedy = "allow unprivileged user namespaces (kernel.unprivileged_userns_clone=1, or your container's settings)"
    return Finding("sandbox", "warning", f"{problem}: {weaker}", remedy)


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python,
    check_torch,
    check_device,
    check_memory,
    check_disk,
    check_models,
    check_jupyter,
    check_nbgrader,
    check_sandbox,
)


def examine() -> list[Finding]:
    """Every finding, in the order of the report; without torch, only what can be told without it."""
    findings = []
    for check in CHECKS:
        if check in (check_device, check_memory) and not installed("torch"):
            continue
        findings.append(check())
    return findings
