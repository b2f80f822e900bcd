"""Run Python that nobody trusts: what a model wrote, what a stranger sent.

With bubblewrap (Linux) the code runs without network, in namespaces of its own, sees Python and the system's libraries
and nothing else, and may write to an empty folder in memory that is gone afterwards. Elsewhere it runs as an ordinary
process with limits on time, memory and what it writes; `Outcome.shut_in` says which of the two it was. Left out:
containers, virtual machines, a filter of system calls, and packages: the code has the standard library alone. Not held
back: the number of processes where we run as root, and in the weaker mode a child that cut itself loose.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

MOST_OUTPUT = 2**20  # bytes of each stream; code that writes more is killed
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")

# Runs before the untrusted code in the same process. Hard limits: only root could raise them, and root is not inside.
PREAMBLE = """
import sys
try:
    import resource
except ImportError:
    resource = None  # Windows
def limit(name, value):
    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (AttributeError, ValueError, OSError):
        pass  # a system without this limit: macOS has no working RLIMIT_AS
if resource is not None:
    limit("RLIMIT_CPU", int(sys.argv[1]))
    limit("RLIMIT_AS", int(sys.argv[2]))
    limit("RLIMIT_FSIZE", int(sys.argv[3]))
    limit("RLIMIT_NPROC", 0)
    limit("RLIMIT_CORE", 0)
with open(0, encoding="utf-8", closefd=False) as source:
    code = source.read()
del resource, limit, source
exec(compile(code, "<untrusted>", "exec"), {"__name__": "__main__"})
"""


@dataclass(frozen=True)
class Outcome:
    """What became of the code."""

    status: str  # "ok", "failed" (an exception, exit code or limit) or "timeout"
    stdout: str
    stderr: str
    seconds: float
    shut_in: bool  # True: a sandbox without network and files; False: limits on time and memory only


def run_untrusted(code: str, *, seconds: float = 2.0, memory_mb: int = 512) -> Outcome:
    """Run `code` as a program of its own and return what it printed. Never raises, whatever the code does.

    `seconds` is wall-clock time, start of Python included. Bytes that are no UTF-8 come back as replacement characters,
    and of each stream at most MOST_OUTPUT.
    """
    shut_in = sandbox_problem() is None
    limits = [str(int(seconds) + 1), str(memory_mb * 2**20), str(MOST_OUTPUT)]
    command = [*(_bubblewrap() if shut_in else []), _python(), "-I", "-S", "-B", "-c", PREAMBLE, *limits]
    started = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,  # files, not pipes: nobody has to empty them, and they have a largest size
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(code.encode("utf-8", errors="replace"))
        stdin.seek(0)
        process = subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, env={"PATH": os.defpath, **_windows()},
            cwd="/" if shut_in else folder, start_new_session=True, close_fds=True,
        )  # fmt: skip
        try:
            status = "ok" if process.wait(seconds) == 0 else "failed"
        except subprocess.TimeoutExpired:
            status = "timeout"
        _kill(process, shut_in)
        out, err = _read(stdout), _read(stderr)
    return Outcome(status, out, err, time.perf_counter() - started, shut_in)


@functools.cache
def sandbox_problem() -> str | None:
    """Why untrusted code cannot be shut in here, in words; None if it can. Tried once by doing it."""
    if platform.system() != "Linux":
        return f"there is no sandbox on {platform.system()}"
    if shutil.which("bwrap") is None:
        return "bubblewrap is missing"
    command = [*_bubblewrap(), _python(), "-I", "-S", "-c", ""]
    try:
        trial = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return "bubblewrap does not come to an end"
    return None if trial.returncode == 0 else f"bubblewrap cannot start ({trial.stderr.strip()!r})"


def _bubblewrap() -> list[str]:
    """The sandbox around a command: nothing is there but what is named."""
    python = str(Path(sys.base_prefix).resolve())
    shown = [*SYSTEM, *([] if python.startswith("/usr") else [python])]
    return [
        "bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--uid", "65534",
        "--gid", "65534", "--cap-drop", "ALL", *(part for path in shown for part in ("--ro-bind-try", path, path)),
        "--proc", "/proc", "--dev", "/dev", "--size", str(16 * MOST_OUTPUT), "--tmpfs", "/tmp", "--chdir", "/tmp", "--",
    ]  # fmt: skip


def _python() -> str:
    """The interpreter itself, outside any virtual environment, so that the sandbox need not show one."""
    own = Path(sys.base_prefix).resolve() / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    return str(own) if own.exists() else str(getattr(sys, "_base_executable", sys.executable))


def _windows() -> dict[str, str]:
    """Python on Windows does not start without this variable."""
    return {"SYSTEMROOT": os.environ["SYSTEMROOT"]} if "SYSTEMROOT" in os.environ else {}


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read(MOST_OUTPUT).decode("utf-8", errors="replace")


def _kill(process: subprocess.Popen, shut_in: bool) -> None:
    """End the process and its children. In the sandbox everything dies with its first process."""
    children = []
    if not shut_in:
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children(recursive=True)
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    process.kill()
    process.wait()
