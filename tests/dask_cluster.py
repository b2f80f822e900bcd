"""A Dask cluster of local processes for tests and benchmarks, started by the commands that an instructor would give.

    with dask_cluster(2) as cluster:
        autograde.grade(..., executor=...)  # at cluster.address
        cluster.workers[0].kill()           # as if the machine had lost its power: nanny, worker, graders and kernels

Left out: other machines, TLS.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

START_SECONDS = 120


@dataclass
class Worker:
    """`dask worker` with its nanny, in a session of its own."""

    process: subprocess.Popen

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl-C does."""
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=10)
        self.kill()


@dataclass
class DaskCluster:
    """A scheduler and workers that know it."""

    folder: Path
    scheduler: subprocess.Popen
    address: str
    workers: list[Worker] = field(default_factory=list)

    def add_worker(
        self, *, kernels: int = 1, env: Mapping[str, str] | None = None, resources: str | None = None
    ) -> Worker:
        """Start one more; it takes some seconds to come."""
        command = ["worker", self.address, "--nthreads", str(kernels), "--no-dashboard", "--local-directory"]
        command += [str(self.folder), "--resources", resources or f"kernel={kernels}"]
        self.workers.append(Worker(start(self.folder, command, env)))
        return self.workers[-1]

    def wait_for(self, n: int) -> None:
        """Until so many workers are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(n, timeout=START_SECONDS)

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


def start(folder: Path, arguments: list[str], env: Mapping[str, str] | None = None) -> subprocess.Popen:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=arguments[0], suffix=".log", delete=False) as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments], env={**os.environ, **(env or {})}, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


@contextlib.contextmanager
def dask_cluster(n_workers: int, *, kernels: int = 1, env: Mapping[str, str] | None = None) -> Iterator[DaskCluster]:
    """Workers with so many kernels each. All processes end with the block."""
    with tempfile.TemporaryDirectory(prefix="dask") as temporary:
        folder, cluster = Path(temporary), None
        said = folder / "scheduler.json"
        command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(said)]
        scheduler = start(folder, command, env)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not said.exists() or not (address := address_in(said)):
                if scheduler.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the scheduler did not start: {DaskCluster(folder, scheduler, '').log()}")
                time.sleep(0.05)
            cluster = DaskCluster(folder, scheduler, address)
            for _ in range(n_workers):
                cluster.add_worker(kernels=kernels)
            if n_workers:
                cluster.wait_for(n_workers)
            yield cluster
        finally:
            for worker in cluster.workers if cluster else []:
                worker.stop()
            scheduler.kill()
            scheduler.wait()


def address_in(path: Path) -> str:
    """The scheduler writes the file in one go, but not at once."""
    import json

    with contextlib.suppress(ValueError):
        return str(json.loads(path.read_text())["address"])
    return ""
