"""Windows and macOS, as far as Linux can play them: what a learner uses needs nothing that only Unix has.

A child process takes away what Windows lacks and then does what a learner does. docs/platforms.md says what that cannot
show.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

# Third-party packages come first: here they are Linux's own, and rightly use what it has.
UNIXLESS = """
import asyncio, importlib, os, pkgutil, signal, socket, sys, types
import anywidget, ipykernel.kernelapp, ipywidgets, jupyter_client, matplotlib.pyplot, nbclient, nbformat, psutil
import torch.distributed, torch.multiprocessing, typer

AWAY = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}

class Away:
    def find_spec(self, name, path=None, target=None):
        if name in AWAY:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Away())
for name in AWAY:
    sys.modules.pop(name, None)
for name in ("chown", "fork", "getgid", "getsid", "mkfifo", "sched_getaffinity", "setsid", "sysconf", "uname"):
    delattr(os, name)
for name in ("SIGALRM", "SIGCHLD", "SIGHUP", "setitimer"):
    delattr(signal, name)
"""

IMPORTS = """
sys.platform = "win32"
sys.modules["msvcrt"] = types.ModuleType("msvcrt")
import racecourse
names = [module.name for module in pkgutil.walk_packages(racecourse.__path__, "racecourse.")]
names += [f"racecourse.grading.{name}" for name in ("autograde", "calls", "checker", "integrity", "judge", "variants")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""

# Windows refuses a flag such as MSG_WAITALL to a socket with a timeout.
CHECKS = """
class Windows(socket.socket):
    def recv(self, size, flags=0):
        if flags and self.gettimeout() is not None:
            raise OSError("the operation is not supported")
        return super().recv(size, flags)

socket.socket = Windows
from racecourse.grading.checker import check
report = check(sys.argv[1])
print(f"{report.earned} of {report.points}")
"""


def run(program: str, *arguments: str) -> str:
    """The last line that a program prints in a process without Unix."""
    command = [sys.executable, "-c", UNIXLESS + program, *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_what_a_learner_uses_loads_without_unix():
    assert int(run(IMPORTS)) > 100


def test_a_check_needs_no_unix_and_no_folder_of_plain_letters(tmp_path: Path):
    folder = tmp_path / "Kurs Übung 1"
    folder.mkdir()
    notebook = shutil.copy(ROOT / "solutions/07_chips_and_rules/07_chips_and_rules.ipynb", folder)
    earned, points = map(float, run(CHECKS, str(notebook)).split(" of "))
    assert earned == points > 0


def test_no_folder_and_no_file_has_a_name_that_windows_or_macos_refuses():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    names = listed.stdout.splitlines()
    assert len(names) == len({name.lower() for name in names}), "two names that differ in their capitals only"
    for name in names:
        for part in name.split("/"):
            assert not re.search(r'[<>:"|?*\\]|[ .]$', part), name
            assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part, re.I), name
        assert len(name) < 120, f"{name}: Windows stops at 260 characters, the clone's own folder included"
