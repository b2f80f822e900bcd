"""A process that goes on by itself: out of reach of its parent's end, known to live by a lock, ended on request.

The lock is a file that the process inherits open and locked from whoever launches it, so there is no moment at which it
runs and seems dead; the system frees the lock when the process ends, however it ends. A process id would not do: after
a reboot it is another's. Left out: keeping a process alive where the system ends all that a user began when the user
logs out (systemd's KillUserProcesses), or all that a container holds.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

GRACE_S = 3.0  # between the request to end and the kill

held: list[int] = []  # the lock of this process, if it was launched here


def launch(command: list[str], *, folder: str, log: Path, lock: int) -> int:
    """Start a command, with the lock as its last argument, and return its process id. Our hold on the lock ends.

    What it prints goes to the log's end. Raises OSError if there is no such program or folder.
    """
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*command, passed(lock)],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **apart(lock),
            )
    finally:
        os.close(lock)
    threading.Thread(target=process.wait, daemon=True).start()  # or it would stay as a zombie while we live
    return process.pid


def keep(argument: str) -> None:
    """What a launched process does first: hold the lock for its own life, and not for that of its children."""
    held.append(received(argument))
    os.set_inheritable(held[0], False)  # by programs that it starts
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=let_go)


def let_go() -> None:
    while held:
        os.close(held.pop())


def end_processes(pid: int) -> None:
    """End a launched process and all that it started: ask with SIGTERM, and kill what is left after GRACE_S."""
    family: set[psutil.Process] = set()
    for ask in (psutil.Process.terminate, psutil.Process.kill):
        family = {process for process in family if lives(process)} | processes_of(pid)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                ask(process)
        end = time.monotonic() + GRACE_S
        while any(map(lives, family)) and time.monotonic() < end:
            time.sleep(0.02)


def processes_of(pid: int) -> set[psutil.Process]:
    """A process, all that descend from it, and all of its session: those whose parents are gone are still in that."""
    family = {process for process in psutil.process_iter() if session_of(process.pid) == pid}
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family |= {process, *process.children(recursive=True)}
    return family


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


if sys.platform == "win32":  # from the documentation: no test of ours runs there
    import msvcrt

    def take(path: Path) -> int | None:
        """The open file is the lock: Windows lets nobody rename it until the last process has closed it."""
        return None if path.exists() and is_held(path) else os.open(path, os.O_RDWR | os.O_CREAT)

    def is_held(path: Path) -> bool:
        try:
            os.rename(path, path)
        except PermissionError:
            return True
        return False

    def passed(lock: int) -> str:
        return str(msvcrt.get_osfhandle(lock))

    def received(argument: str) -> int:
        return msvcrt.open_osfhandle(int(argument), os.O_RDWR)

    def apart(lock: int) -> dict[str, Any]:
        os.set_inheritable(lock, True)
        inherited = subprocess.STARTUPINFO(lpAttributeList={"handle_list": [msvcrt.get_osfhandle(lock)]})
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags, "startupinfo": inherited}

    def session_of(pid: int) -> int | None:
        return None

else:
    import fcntl

    def take(path: Path) -> int | None:
        """The lock, open and ours; None if another process holds it."""
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def is_held(path: Path) -> bool:
        """Whether a living process holds the lock. Any number may ask at one time: they share it for that moment."""
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def passed(lock: int) -> str:
        return str(lock)  # inherited under the same number

    def received(argument: str) -> int:
        return int(argument)

    def apart(lock: int) -> dict[str, Any]:
        """Popen's arguments: a session of its own, which no closed terminal reaches, and the lock."""
        return {"start_new_session": True, "pass_fds": [lock]}

    def session_of(pid: int) -> int | None:
        """The id of the process that began a process's session; None if the process is gone."""
        with suppress(ProcessLookupError):
            return os.getsid(pid)
        return None
