"""How many cores and how much memory this process may use, which is often less than the machine has.

A container, a JupyterHub or a batch system gives a process a share: a set of cores (affinity), a part of their time
(the CPU quota of a control group, "cgroup") and a memory limit. `os.cpu_count()` and the size of the memory know
nothing of these. Both cgroup versions are read, and every parent group, since a limit may be set on any of them. Left
out: Windows job objects, and the limits of `ulimit`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP_ROOT = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Limits:
    """What the process may use: whole cores and bytes of memory."""

    cores: int
    memory_total_bytes: int
    memory_free_bytes: int


def limits() -> Limits:
    """Read this process's share of the machine."""
    quotas, memories = cgroup_limits()
    memory = psutil.virtual_memory()
    return Limits(
        cores=usable_cores(_affinity(), quotas),
        memory_total_bytes=min([memory.total, *(limit for limit, _ in memories)]),
        memory_free_bytes=max(0, min([memory.available, *(limit - used for limit, used in memories)])),
    )


def usable_cores(affinity: int, quotas: list[float]) -> int:
    """Whole cores that may run at once; a quota of 1.5 cores keeps one thread busy, and stalls a second half the time.

    >>> usable_cores(16, [4.0, 2.5])
    2
    """
    return max(1, int(min([affinity, *quotas])))


def cgroup_limits(root: Path = CGROUP_ROOT, own: Path = OWN_CGROUPS) -> tuple[list[float], list[tuple[int, int]]]:
    """Return the CPU quotas in cores, and (limit, used) pairs in bytes, of this process's groups and their parents."""
    quotas, memories = [], []
    for folder in _cgroup_folders(root, own):
        quota = _cpu_quota(folder)
        if quota is not None:
            quotas.append(quota)
        memory = _memory_limit(folder)
        if memory is not None:
            memories.append(memory)
    return quotas, memories


def _cgroup_folders(root: Path, own: Path) -> list[Path]:
    """Every folder of the control groups that holds this process: version 2 at the root, version 1 by controller."""
    if not own.exists():  # not Linux
        return []
    folders = []
    for line in own.read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        top = root / controllers if controllers else root
        # A container often sees the host's path here but only its own group, mounted as the root: climbing finds it.
        group = top / path.lstrip("/")
        folders += [folder for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return folders


def _cpu_quota(folder: Path) -> float | None:
    """Return the quota in cores, or None where there is none."""
    if (folder / "cpu.max").exists():  # version 2: "max 100000" or "150000 100000"
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    if (folder / "cpu.cfs_quota_us").exists():  # version 1: -1 is no limit
        quota_us = int((folder / "cpu.cfs_quota_us").read_text())
        return None if quota_us <= 0 else quota_us / int((folder / "cpu.cfs_period_us").read_text())
    return None


def _memory_limit(folder: Path) -> tuple[int, int] | None:
    """Return (limit, used) in bytes, or None. File pages that the kernel can drop at once are not counted as used."""
    for limit_file, used_file, droppable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        if (folder / limit_file).exists():
            limit = (folder / limit_file).read_text().strip()
            if limit == "max":
                return None
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            used = int((folder / used_file).read_text()) - int(stat[droppable])
            return int(limit), max(0, used)
    return None


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux only
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
