"""Real processes that can send to each other: started, watched, and told apart when one of them dies.

torch.multiprocessing starts them and gloo carries their messages, all on this machine. Everything that crosses goes
through a `Wire`, which counts it. Waiting for the processes is written here: torch's `join` brings no results and may
name a rank that only lost its partner, and torchrun's launcher has no time limit and leaves files. Left out: several
machines, and starting again what has failed. n processes have ranks 0 to n - 1.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing import connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor


def run_parallel(work: Callable[..., Any], n_processes: int, *args: Any, timeout_s: float = 60.0) -> list[Any]:
    """Call `work(wire, *args)` in n new processes that can send to each other; every rank's result, in order of rank.

    A new process imports `work` by its name, so it must live in a module. Arguments and results are copied. Each
    process computes on one thread; starting takes some seconds, most of it `import torch`. When one fails, all are
    stopped.

    Raises:
        ValueError: `work` was defined in a notebook or a prompt.
        RuntimeError: a process died, raised an error or was not done after `timeout_s` seconds, by rank and cause.
    """
    if work.__module__ == "__main__" and getattr(sys.modules["__main__"], "__file__", None) is None:
        raise ValueError(
            f"{work.__name__} was defined in a notebook, which new processes cannot import: put it in a .py file "
            "and import it from there"
        )
    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryDirectory(prefix="racecourse-parallel-") as folder:
        torch.save((work, args), Path(folder, "work"))
        rank_args = (folder, n_processes, timeout_s)
        context = mp.start_processes(_run_rank, rank_args, nprocs=n_processes, join=False, daemon=True)
        try:
            problem = _watch(context.processes, Path(folder), deadline)
        finally:  # also when the user interrupts
            for process in context.processes:
                process.kill()
                process.join()
        if problem is not None:
            raise RuntimeError(problem)
        return [torch.load(Path(folder, f"{rank}.result"), weights_only=False) for rank in range(n_processes)]


def _run_rank(rank: int, folder: str, n_processes: int, timeout_s: float) -> None:
    """What one process does from start to end; it leaves `<rank>.result` or `<rank>.error` in the folder."""
    try:
        torch.set_num_threads(1)
        loopback = {"linux": "lo", "darwin": "lo0"}.get(sys.platform)
        if loopback:  # else gloo looks up this machine's name, which fails on some
            os.environ["GLOO_SOCKET_IFNAME"] = loopback
        store = dist.FileStore(str(Path(folder, "store")), n_processes)  # a file, so no port can be taken
        limit = timedelta(seconds=timeout_s)
        dist.init_process_group("gloo", store=store, rank=rank, world_size=n_processes, timeout=limit)
        work, args = torch.load(Path(folder, "work"), weights_only=False)
        torch.save(work(Wire(rank, n_processes), *args), Path(folder, f"{rank}.result"))
        dist.barrier()  # nobody leaves while a partner still reads
        dist.destroy_process_group()
    except BaseException as error:
        text = f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}"
        Path(folder, f"{rank}.error").write_text(text, encoding="utf-8")
        sys.exit(1)


def _watch(processes: Sequence[Any], folder: Path, deadline: float) -> str | None:
    """Wait for all processes to end; what went wrong, as soon as something does, or None."""
    while running := [process.sentinel for process in processes if process.exitcode is None]:
        if _first_problem(processes, folder):
            time.sleep(1)  # a killed process may be slower to go than its partners are to complain
            return _first_problem(processes, folder)
        if not connection.wait(running, timeout=max(0.0, deadline - time.monotonic())):
            late = [rank for rank in range(len(processes)) if not (folder / f"{rank}.result").exists()]
            return (
                f"ranks {late} of {len(processes)} were not done in time and were stopped: "
                "raise timeout_s, or look for a receive that nobody answers"
            )
    return _first_problem(processes, folder)


def _first_problem(processes: Sequence[Any], folder: Path) -> str | None:
    """The first cause. A process that dies silently makes its partners fail a moment later, so it is looked for first;
    one that raises an error writes it down before its partners notice."""
    n, codes = len(processes), [process.exitcode for process in processes]  # read once: they change meanwhile
    for rank, code in enumerate(codes):
        done, said_why = (folder / f"{rank}.result").exists(), (folder / f"{rank}.error").exists()
        if code is None or said_why or (code == 0 and done):
            continue
        if code < 0:
            return f"rank {rank} of {n} was killed by {signal.Signals(-code).name}; the others were stopped"
        hint = " (does a script call run_parallel outside `if __name__ == '__main__':`?)" if code == 1 else ""
        return f"rank {rank} of {n} ended with exit code {code} and no result{hint}; the others were stopped"
    errors = sorted(folder.glob("*.error"), key=lambda path: path.stat().st_mtime_ns)
    if any(codes):
        return f"rank {errors[0].stem} of {n} raised {errors[0].read_text(encoding='utf-8')}"
    return None


class Wire:
    """One rank's link to the others. `bytes_sent` counts what it sends.

    Counted is the content, number of elements times bytes of each, once, by the sender: of every message, also of those
    that only announce sizes. Not counted are gloo's and TCP's headers and the meetings at the start and the end.
    """

    def __init__(self, rank: int, n: int) -> None:
        self.rank, self.n = rank, n
        self.bytes_sent = 0

    def start_send(self, x: Tensor, to: int) -> dist.Work:
        """Begin to send, and return at once; `wait()` on the result before `x` is changed."""
        self.bytes_sent += x.numel() * x.element_size()
        sending = dist.isend(x, to)
        assert sending is not None  # it is for ranks outside the group, and all are in it
        return sending

    def send(self, x: Tensor, to: int) -> None:
        self.start_send(x, to).wait()

    def receive(self, into: Tensor, source: int) -> Tensor:
        """Fill `into` with what `source` sends, which must be of the same shape and dtype."""
        dist.recv(into, source)
        return into

    def exchange(self, x: Tensor, to: int, into: Tensor, source: int) -> Tensor:
        """Send and receive at once: if all ranks sent first, each would wait for the next one to receive."""
        sending = self.start_send(x, to)
        self.receive(into, source)
        sending.wait()
        return into


def lose_a_rank(wire: Wire, lost: int = 1) -> Tensor:
    """For `run_parallel`, to see what it says: one rank is killed while the others wait for a message of its own."""
    if wire.rank == lost:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)  # the signal comes in a moment
    return wire.receive(torch.empty(1), source=lost)
