"""Jupyter's side of the grader's kernel: ask the zygote for one, pass signals on, notice its end.

`jupyter_client` finds the class by the name "racecourse-zygote" in a kernelspec (kernelspec/kernel.json). It works with
every program that runs notebooks through a kernel manager: nbclient, nbconvert, nbgrader. The first kernel starts the
zygote of this user, environment and list of models; it ends by itself when nobody needed it for a while.

Left out: TCP (a kernel without a network has none), other kernels than ipykernel, and resuming a kernel from another
process: when the process that asked for it ends, the kernel is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerBase
from traitlets import Dict, Enum, Float, List, Unicode

from racecourse.grading import walls
from racecourse.grading.lines import Lines, say

LONGEST_SOCKET = 107  # bytes of a path that a Unix socket can have on Linux
START_SECONDS = 300  # for the zygote: a cold disk and several models
POLL_SECONDS = 0.05
KILLED = -signal.SIGKILL

# From the grader's environment into the kernel's: how to write numbers and dates, nothing that tells who or where.
ALLOWED = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
ONE_THREAD["TOKENIZERS_PARALLELISM"] = "false"
# Read at import, so they must be there before the fork.
BEFORE_THE_FORK = {
    **ONE_THREAD, "MALLOC_ARENA_MAX": "2", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "HF_HUB_OFFLINE": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # large tensors in few pages
}  # fmt: skip
WHERE_MODELS_ARE = ("HOME", "RACECOURSE_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE")  # to preload them

_started: list[subprocess.Popen] = []  # zygotes that this process started, so that their end is noticed


class ZygoteProvisioner(KernelProvisionerBase):
    """A kernel forked from the zygote, behind walls unless `isolation` says otherwise."""

    isolation = Enum(["sandbox", "none"], "sandbox", config=True, help="Walls around the student's code, or none.")
    preload = List(Unicode(), config=True, help="Models of racecourse.models.load that each kernel finds loaded.")
    readable = List(Unicode(), config=True, help="Further paths that the code may read, such as the cache of models.")
    env = Dict(config=True, help="Further environment variables of the kernel.")
    limits = Dict(config=True, help="Fields of racecourse.grading.walls.Limits that differ from the default.")
    idle_seconds = Float(600.0, config=True, help="How long the zygote waits for another kernel before it ends.")

    connection_dir: Path | None = None
    """The folder with the kernel's sockets, the one place that code inside and programs outside share.

    A caller may put a Unix socket of its own there and serve it; where the grader is root, with mode 0o666, as the code
    inside is another user. Nothing in the folder is to be trusted: the code inside can replace every file.
    """
    pid: int | None = None
    peak_mib: float | None = None
    """Once the kernel has ended: the memory of its own that it had at most, beyond what all kernels share."""
    _connection: socket.socket | None = None
    _buffer = b""
    _status: int | None = None

    @property
    def has_process(self) -> bool:
        return self._connection is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Choose the folder of sockets and write the connection file, both with absolute paths."""
        if self.isolation == "sandbox" and (problem := walls.probe()):
            raise RuntimeError(
                f"{problem}. To grade without walls, with all that a student's code could then read and change, say "
                "so: `--isolation none` (c.ZygoteProvisioner.isolation = 'none')"
            )
        km: Any = self.parent
        if self.connection_dir is None:
            self.connection_dir = Path(tempfile.mkdtemp(prefix="k", dir=runtime_folder()))
            km.transport = "ipc"
            km.ip = str(self.connection_dir / "s")  # absolute: the kernel has another working directory
            km.connection_file = str(self.connection_dir / "c.json")
        km.write_connection_file()
        self.connection_info = km.get_connection_info()
        cmd = km.format_kernel_cmd(extra_arguments=kwargs.pop("extra_arguments", []))
        return await super().pre_launch(cmd=cmd, **kwargs)

    def _finalize_env(self, env: dict[str, str]) -> None:
        """Keep what is allowed, what the kernelspec names and what is configured: the rest may hold secrets."""
        wanted = {*ALLOWED, *self.kernel_spec.env}
        kept = {name: value for name, value in env.items() if name in wanted}
        home = "/tmp" if self.isolation == "sandbox" else str(self.connection_dir)
        fixed = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "HOME": home, "USER": "student", "LOGNAME": "student"}
        offline = {"HF_HUB_OFFLINE": "1", "IPYTHONDIR": f"{home}/.ipython", "MPLCONFIGDIR": f"{home}/.matplotlib"}
        env.clear()
        env.update(fixed | ONE_THREAD | offline | kept | {name: str(value) for name, value in self.env.items()})
        super()._finalize_env(env)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Ask the zygote for a kernel and wait until its walls stand."""
        if cmd[1:3] != ["-m", "ipykernel_launcher"]:
            raise RuntimeError(f"the zygote has ipykernel loaded and cannot run {cmd!r}: mend the kernelspec's argv")
        request = {
            "argv": cmd[3:], "env": kwargs["env"], "cwd": os.path.abspath(kwargs["cwd"]) if kwargs.get("cwd") else None,
            "connection_dir": str(self.connection_dir), "isolation": self.isolation,
            "limits": vars(walls.Limits(**self.limits)), "readable": [os.path.abspath(path) for path in self.readable],
        }  # fmt: skip
        self._connection, self._status, self._buffer = None, None, b""
        try:
            connection, answer = await asyncio.to_thread(request_kernel, request, self.preload, self.idle_seconds)
        except RuntimeError:
            await self.cleanup()
            raise
        connection.setblocking(False)
        self._connection, self.pid = connection, answer["pid"]
        return self.connection_info

    async def poll(self) -> int | None:
        """None while the kernel runs, then its exit code; negative for a signal."""
        if self._status is None and self._connection is not None:
            try:
                received = self._connection.recv(65536)
                self._buffer += received
                if b"\n" in self._buffer:
                    said = json.loads(self._buffer.split(b"\n")[0])
                    self._status, self.peak_mib = said["exit"], said["peak_mib"]
                elif not received:
                    self._status = KILLED  # the zygote is gone, and its kernels with it
            except BlockingIOError:
                return None
            except ConnectionResetError:
                self._status = KILLED
        return self._status if self._connection is not None else 0

    async def wait(self) -> int | None:
        while (status := await self.poll()) is None:
            await asyncio.sleep(POLL_SECONDS)
        self._hang_up()
        return status

    async def send_signal(self, signum: int) -> None:
        if self._connection is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has ended; poll() will say so
                say(self._connection, {"signal": int(signum)})

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGKILL)

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def cleanup(self, restart: bool = False) -> None:
        """Let go of the kernel, which ends it, and remove its folder; a restart keeps the folder and its sockets."""
        self._hang_up()
        if not restart and self.connection_dir is not None:
            shutil.rmtree(self.connection_dir, ignore_errors=True)
            self.connection_dir = None

    async def get_provisioner_info(self) -> dict[str, Any]:
        return {**await super().get_provisioner_info(), "pid": self.pid}

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


# --- the zygote, as seen from outside


def request_kernel(
    request: dict[str, Any], preload: list[str], idle_seconds: float, files: Sequence[socket.socket] = ()
) -> tuple[socket.socket, dict[str, Any]]:
    """Send a request to the zygote, starting one if there is none, and return the connection and the first answer.

    `files` go along, for the new process to use.

    Raises:
        RuntimeError: what the zygote gave as the reason why there is no kernel, or why there is no zygote.
    """
    for _ in range(3):  # a zygote may end, because it was idle, between our connecting and its answer
        connection = connect(preload, idle_seconds)
        try:
            say(connection, request, files)
            message = next(Lines(connection))
        except (BrokenPipeError, ConnectionResetError, StopIteration):
            connection.close()
            continue
        if "error" in message:
            connection.close()
            raise RuntimeError(f"no kernel could be started: {message['error']}")
        return connection, message
    raise RuntimeError(f"the zygote ended three times before it answered; its messages are in {log_of(preload)}")


def request_court(cwd: Path, preload: list[str], idle_seconds: float) -> tuple[socket.socket, socket.socket]:
    """A process that runs tests (`judge.serve`), forked from the same zygote: what it lives as long as, and its line.

    `cwd` is the set's folder of data.
    """
    ours, theirs = socket.socketpair()
    kept = {name: os.environ[name] for name in (*ALLOWED, *WHERE_MODELS_ARE) if name in os.environ}
    env = {"PATH": os.defpath, "HF_HUB_OFFLINE": "1", **kept, **ONE_THREAD}  # nothing that a hole could give away
    request = {"isolation": "court", "limits": vars(walls.Limits()), "cwd": str(cwd), "env": env}
    with theirs:
        lifeline, _ = request_kernel(request, preload, idle_seconds, [theirs])
    return lifeline, ours


def connect(preload: list[str], idle_seconds: float) -> socket.socket:
    """A connection to the zygote for these models. Under a lock only one process at a time starts one."""
    path = socket_of(preload)
    if (connection := _try(path)) is not None:
        return connection
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (connection := _try(path)) is not None:
            return connection
        path.unlink(missing_ok=True)
        process = _start(path, preload, idle_seconds)
        deadline = time.monotonic() + START_SECONDS
        while (connection := _try(path)) is None:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                last = log_of(preload).read_text(errors="replace").strip().splitlines()[-1:]
                raise RuntimeError(f"the zygote did not start ({last}); its messages are in {log_of(preload)}")
            time.sleep(POLL_SECONDS)
        return connection


def _try(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    return connection


def _start(path: Path, preload: list[str], idle_seconds: float) -> subprocess.Popen:
    _started[:] = [process for process in _started if process.poll() is None]
    command = [sys.executable, "-I", "-m", "racecourse.grading.zygote", "--socket", str(path)]
    command += ["--idle-seconds", str(idle_seconds), *(["--preload", *preload] if preload else [])]
    kept = {name: os.environ[name] for name in (*ALLOWED, *WHERE_MODELS_ARE) if name in os.environ}
    with path.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(
            command, env={"PATH": os.defpath, **kept, **BEFORE_THE_FORK}, cwd="/", stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    _started.append(process)
    return process


def socket_of(preload: list[str]) -> Path:
    """Where the zygote listens that has these models and this state of the environment and of the package."""
    package = Path(__file__).resolve().parent.parent
    newest = max(path.stat().st_mtime_ns for path in package.rglob("*.py"))
    cache = [os.environ.get(name) for name in WHERE_MODELS_ARE]
    key = json.dumps([sys.prefix, str(package), newest, sorted(preload), cache])
    return runtime_folder() / f"z{hashlib.sha256(key.encode()).hexdigest()[:10]}.socket"


def log_of(preload: list[str]) -> Path:
    """What the zygote said."""
    return socket_of(preload).with_suffix(".log")


def runtime_folder() -> Path:
    """This user's folder of sockets, open to nobody else."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base) / f"racecourse-{os.getuid()}"
    if len(os.fsencode(folder)) + len("/k12345678/s-5") + 8 > LONGEST_SOCKET:
        raise RuntimeError(f"{folder} is too long for sockets in it: set XDG_RUNTIME_DIR or TMPDIR to a shorter path")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise RuntimeError(f"{folder} must be a folder of yours that is open to nobody else: remove it")
    return folder
