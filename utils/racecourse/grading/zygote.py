"""A process that has everything imported and forks itself for each kernel: `python -m racecourse.grading.zygote`.

A kernel that starts this way needs no seconds for torch. Until the fork there is one thread, and no socket of ZeroMQ,
event loop or IPython object, because none of these survives it; torch computes with one thread, because a child of a
process that had several hangs. The zygote holds nothing secret: whoever starts it gives it a cleared environment, and
its memory is what every student's code can read.

A connection to the socket is one kernel's life. The first line asks, `{"argv": [...], "env": {...}, "cwd": ...,
"connection_dir": ..., "isolation": "sandbox" | "none", "limits": {...}, "readable": [...]}`; the answer is
`{"pid": n}` or `{"error": "..."}`. Then `{"signal": n}` is passed on, and `{"exit": code, "peak_mib": n}` says that the
kernel ended, and how much memory of its own it had at most. When the connection closes, or the zygote dies, the kernel
is killed. With `"isolation": "court"` and a socket sent along, the process runs tests (`judge`) instead: it is ours,
and has limits but no walls.

Left out: GPUs (CUDA does not survive a fork), other kernels than ipykernel, and systems other than Linux.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import functools
import gc
import importlib
import mmap
import os
import random
import select
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from racecourse.grading import walls
from racecourse.grading.lines import Lines, say_if_heard

MADV_POPULATE_READ = 22  # Linux 5.14; Python has no name for it
REQUEST_SECONDS = 30  # a client that asks for nothing is dropped
WARM = """
    debugpy.server IPython.core.completer ipykernel.debugger ipykernel.ipkernel ipykernel.kernelapp ipykernel.zmqshell
    jaxtyping matplotlib.backends.backend_agg matplotlib.pyplot matplotlib_inline.config numpy safetensors.torch scipy
    torch.nn.functional transformers racecourse.models.generation racecourse.models.shipped
    racecourse.models.tokenizer racecourse.models.transformer racecourse.grading.calls racecourse.learn.hints
    racecourse.learn.setup
""".split()  # noqa: SIM905 (a list of this length is easier to read without quotes)
Loaded = dict[str, tuple[Any, Any]]  # name: model and tokenizer


def warm_up(names: list[str]) -> Loaded:
    """Import what the course's notebooks and a kernel import, and load `names` on the CPU in float32."""
    import torch

    torch.set_num_threads(1)
    for name in WARM:
        importlib.import_module(name)
    with contextlib.suppress(ImportError, RuntimeError, OSError):  # a kernel without walls can do without it
        importlib.import_module("pyseccomp")
    from racecourse.learn.setup import versions_to_mend

    versions_to_mend()  # each notebook asks for it at its beginning
    from racecourse.models import load

    loaded = {name: load(name, device="cpu", dtype=torch.float32) for name in names}
    for model, _ in loaded.values():
        move_to_huge_pages(list(model.parameters()))
    return loaded


def give_back_freed_memory() -> None:
    """To the system, so that a kernel that needs memory gets new pages: those used before have to be copied one by one.

    Together with glibc's huge pages (`kernel.BEFORE_THE_FORK`) a kernel has half as many page faults.
    """
    with contextlib.suppress(AttributeError, OSError):  # glibc only
        ctypes.CDLL(None).malloc_trim(0)


def move_to_huge_pages(parameters: list[Any]) -> None:
    """Out of the mapped file, which each kernel would have to map anew, and into few pages, which are quick to fork."""
    import torch

    n_bytes = sum(parameter.nbytes for parameter in parameters)
    memory = mmap.mmap(-1, n_bytes + 64 * len(parameters), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    flat = torch.frombuffer(memory, dtype=torch.uint8)
    start = 0
    for parameter in parameters:
        read_ahead(parameter)
        new = flat[start : start + parameter.nbytes].view(parameter.dtype).view(parameter.shape)
        parameter.data = new.copy_(parameter.data)
        start += -(-parameter.nbytes // 64) * 64  # aligned as torch aligns


def read_ahead(tensor: Any) -> None:
    """Have all pages of a mapped file at once instead of one by one, which takes ten times as long."""
    start = tensor.data_ptr() // mmap.PAGESIZE * mmap.PAGESIZE
    length = tensor.data_ptr() + tensor.nbytes - start
    with contextlib.suppress(AttributeError, OSError):  # where it cannot be done, it is only slower
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), MADV_POPULATE_READ)


def serve(listener: socket.socket, loaded: Loaded, idle_seconds: float) -> None:
    """Fork a supervisor for each connection until there was neither a connection nor a kernel for `idle_seconds`."""
    lifeline, held = os.pipe()  # nobody writes: when the zygote dies, `held` closes and supervisors see the end
    children: set[int] = set()
    last = time.monotonic()
    while children or time.monotonic() - last < idle_seconds:
        ready, _, _ = select.select([listener], [], [], 1.0)
        for pid in list(children):
            if os.waitpid(pid, os.WNOHANG)[0]:
                children.remove(pid)
                last = time.monotonic()
        if not ready:
            continue
        connection, _ = listener.accept()
        with connection:
            if peer_uid(connection) != os.getuid():
                continue
            pid = os.fork()
            if pid == 0:
                os.close(held)
                walls.run_and_exit(functools.partial(supervise, connection, lifeline, loaded))
            children.add(pid)


def peer_uid(connection: socket.socket) -> int:
    """Whose process is at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1]


# --- the supervisor: one per kernel, outside its walls


def supervise(connection: socket.socket, lifeline: int, loaded: Loaded) -> None:
    """Start the kernel that the connection asks for, stay until it ends, and see to it that nothing of it is left."""
    shared_kib = _resident_kib()
    walls.close_all_but(connection.fileno(), lifeline)
    connection.settimeout(REQUEST_SECONDS)
    lines = Lines(connection)
    try:
        request = next(lines)
        shut_in = request["isolation"] == "sandbox"
        pid = _start(request, lines.files, loaded, shut_in)
    except StopIteration:
        return
    except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
        named = str(error) if isinstance(error, RuntimeError) else f"{type(error).__name__}: {error}"
        say_if_heard(connection, {"error": named})
        return
    loaded.clear()
    say_if_heard(connection, {"pid": pid})
    ended = os.pidfd_open(pid)
    try:
        while True:
            ready, _, _ = select.select([ended, lifeline, connection.fileno()], [], [])
            if ended in ready:
                _, status, usage = os.wait4(pid, 0)
                pid = 0
                peak_mib = max(0, usage.ru_maxrss - shared_kib) / 1024
                say_if_heard(connection, {"exit": os.waitstatus_to_exitcode(status), "peak_mib": round(peak_mib, 1)})
                return
            if lifeline in ready:
                return
            for message in lines:
                _signal(pid, message["signal"], shut_in)
                if not lines.more():
                    break
            else:
                return
    finally:
        if pid:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        _end_children()


def _start(request: dict[str, Any], files: list[int], loaded: Loaded, shut_in: bool) -> int:
    limits = walls.Limits(**request["limits"])
    if request["isolation"] == "court":
        (line,) = files
        court = functools.partial(be_court, line, request["env"], loaded)
        return walls.spawn_without(court, limits=limits, cwd=request["cwd"], kept=files)
    program = functools.partial(be_kernel, request["argv"], request["env"], loaded)
    if shut_in:
        folder, data = Path(request["connection_dir"]), request["cwd"]
        _give_away(folder)
        return walls.spawn(
            program, limits=limits, connection_dir=folder, data=Path(data) if data else None,
            readable=request["readable"],
        )  # fmt: skip
    if request["isolation"] != "none":
        raise ValueError(f"isolation={request['isolation']!r} is not known; use 'sandbox' or 'none'")
    return walls.spawn_without(program, limits=limits, cwd=request["cwd"] or tempfile.gettempdir())


def _give_away(folder: Path) -> None:
    """Root's kernels run as nobody: theirs are the connection file and the sockets."""
    status = folder.lstat()
    if not folder.is_dir() or folder.is_symlink() or status.st_mode & 0o077:
        raise ValueError(f"the connection folder {folder} must be a folder that is open to its owner only (mode 700)")
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, walls.NOBODY, walls.NOBODY, follow_symlinks=False)


def _signal(pid: int, number: int, shut_in: bool) -> None:
    """Process 1 of a namespace ignores SIGTERM, and has nothing to tidy up."""
    if number == signal.SIGTERM and shut_in:
        number = signal.SIGKILL
    if shut_in:
        os.kill(pid, number)
    else:
        os.killpg(pid, number)


def _end_children() -> None:
    """Without walls a kernel may have left processes; as their subreaper we have become their parent."""
    while children := Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split():
        for child in children:
            os.kill(int(child), signal.SIGKILL)
            os.waitpid(int(child), 0)


def _resident_kib() -> int:
    """What of this process lies in memory: after a fork its child shares all of it."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


# --- the kernel, and the process that judges it


def be_court(line: int, env: dict[str, str], loaded: Loaded) -> None:
    """What the forked process does from which judges come: the same models are loaded, the code is ours."""
    from racecourse.grading import judge

    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None
    hand_over(loaded)
    judge.serve(socket.socket(fileno=line))


def be_kernel(argv: list[str], env: dict[str, str], loaded: Loaded) -> None:
    """What the forked process does once it is where it should be: become a kernel like any other."""
    os.environ.clear()
    os.environ.update(env)
    tempfile.tempdir = None  # decided anew, for this environment
    reseed()
    hand_over(loaded)
    from ipykernel.iostream import IOPubThread
    from ipykernel.kernelapp import IPKernelApp

    # A TCP socket for what forked children print. Behind the walls there are neither, and ZeroMQ aborts the process.
    IOPubThread._setup_pipe_in = lambda self: setattr(self, "_pipe_flag", False)  # type: ignore[method-assign]
    sys.argv = ["ipykernel_launcher", *argv]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a grader started with `&` in a script ignores it
    IPKernelApp.launch_instance(argv=argv)


def reseed() -> None:
    """Every fork has the same generators; give each its own numbers."""
    import numpy as np
    import torch

    random.seed()
    np.random.seed(int.from_bytes(os.urandom(4), "little"))
    torch.manual_seed(int.from_bytes(os.urandom(7), "little"))


def hand_over(loaded: Loaded) -> None:
    """Let `racecourse.models.load` return each loaded model once, if it is asked for on the CPU in float32.

    A second call for the same name loads anew: the first caller may have trained the model.
    """
    import torch

    from racecourse.machine import device as describe_device
    from racecourse.models import zoo
    from racecourse.models.shipped import shipped_names

    original = zoo.load

    @functools.wraps(original)
    def load(name: str, device: Any = None, dtype: Any = None) -> tuple[Any, Any]:
        if name in loaded:
            here = describe_device(str(device).split(":")[0] if device is not None else None)
            usual = torch.float32 if name in shipped_names() else here.dtype
            if str(device or here.torch_device).startswith("cpu") and (dtype or usual) == torch.float32:
                return loaded.pop(name)
        return original(name, device, dtype)

    zoo.load = load


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--preload", nargs="*", default=[], metavar="MODEL")
    parser.add_argument("--idle-seconds", type=float, default=600)
    options = parser.parse_args()
    folder = options.socket.parent
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        sys.exit(f"{folder} must belong to you and be open to nobody else (mode 700): it holds the zygote's socket")
    loaded = warm_up(options.preload)
    gc.collect()
    gc.freeze()  # what is here now is never looked at again, so its pages stay shared
    give_back_freed_memory()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        unfinished = options.socket.with_suffix(f".{os.getpid()}")
        listener.bind(str(unfinished))
        listener.listen(64)
        unfinished.rename(options.socket)  # whoever sees the socket can connect
        ours = options.socket.stat().st_ino
        try:
            serve(listener, loaded, options.idle_seconds)
        finally:
            if options.socket.exists() and options.socket.stat().st_ino == ours:
                options.socket.unlink()


if __name__ == "__main__":
    main()
