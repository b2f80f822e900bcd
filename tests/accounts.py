"""Throw-away accounts of this system, and an environment that they can read: for tests of what keeps students apart.

    with accounts("rc-anna", "rc-ben"), Readable() as house:
        house.run("rc-anna", ["python", "-c", "..."])

It needs root. Where this environment lies in a folder that other accounts cannot enter, such as /root, it is shown to
them at the same place inside a mount namespace, which ends with the test.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from conftest import ROOT

PROXY = shutil.which("configurable-http-proxy")
SETUP = """\
set -e
kept=$(mktemp -d); n=0
for folder in "$@"; do n=$((n + 1)); mkdir "$kept/$n"; mount --bind "$folder" "$kept/$n"; done
mount -t tmpfs -o mode=755 tmpfs "$CLOSED"
n=0
for folder in "$@"; do n=$((n + 1)); mkdir -p "$folder"; mount --move "$kept/$n" "$folder"; rmdir "$kept/$n"; done
rmdir "$kept"
echo ready
exec sleep infinity
"""


def why_not() -> str:
    """Why accounts cannot be made here; "" if they can."""
    if os.geteuid() != 0:
        return "only root can make the accounts that this test keeps apart"
    missing = [name for name in ("useradd", "userdel", "runuser", "unshare", "nsenter") if shutil.which(name) is None]
    return f"these commands are missing: {', '.join(missing)}" if missing else ""


@contextmanager
def accounts(*names: str) -> Iterator[None]:
    """Accounts with a home each, which are deleted at the end with all that they started."""
    made = []
    try:
        for name in names:
            subprocess.run(
                ["useradd", "--create-home", "--key", "HOME_MODE=0700", name], check=True, capture_output=True
            )
            made.append(name)
        yield
    finally:
        for name in made:
            remove(name)


def remove(name: str) -> None:
    """Delete an account that a test made, its processes and its home."""
    if not name.startswith("rc-"):
        raise ValueError(f"{name!r} is not a test's account")
    with suppress(KeyError):
        uid = pwd.getpwnam(name).pw_uid
        for status in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if status.stat().st_uid == uid:
                    os.kill(int(status.name), signal.SIGKILL)
        subprocess.run(["userdel", "--force", "--remove", name], check=True, capture_output=True)


class Readable:
    """Commands as another account, in an environment that all accounts can read."""

    def __init__(self, *more: Path) -> None:
        proxy = [Path(PROXY).resolve().parents[2]] if PROXY else []
        site = Path(sysconfig.get_path("purelib"))
        installed = [Path(line) for path in site.glob("*.pth") for line in path.read_text().split("\n")]  # `pip -e`
        packages = [folder for folder in {*installed, ROOT / "utils"} if folder.is_absolute() and folder.is_dir()]
        self.folders = [Path(sys.prefix), Path(sys.base_prefix), *packages, *proxy, *more]

    def __enter__(self) -> "Readable":
        closed = {top for folder in self.folders if (top := closed_above(folder))}
        self.enter: list[str] = []
        if closed:
            (top,) = closed  # one home in which everything lies
            inside = [str(folder) for folder in self.folders if folder.is_relative_to(top)]
            self.holder = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "bash", "-c", SETUP, "setup", *inside],
                env=os.environ | {"CLOSED": str(top)}, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert self.holder.stdout is not None and self.holder.stdout.readline() == "ready\n"
            self.enter = ["nsenter", f"--target={self.holder.pid}", "--mount", "--"]
        return self

    def __exit__(self, *error: object) -> None:
        if self.enter:
            self.holder.kill()
            self.holder.wait()

    def command(self, account: str, command: list[str]) -> list[str]:
        return [*self.enter, "runuser", "-u", account, "--", *command]

    def environment(self, home: str, path: Path | None = None) -> dict[str, str]:
        """Of a new session: nothing of this one but where programs and the package are."""
        scripts = [str(Path(sys.prefix) / "bin"), *([str(Path(PROXY).parent)] if PROXY else []), os.environ["PATH"]]
        package = path or ROOT / "utils"
        return {"PATH": os.pathsep.join(scripts), "PYTHONPATH": str(package), "HOME": home, "LANG": "C.UTF-8"}

    def run(
        self, account: str, command: list[str], cwd: Path | str = "/", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        """As that account, in a folder of its own; the result has everything that was printed in `stdout`."""
        home = pwd.getpwnam(account).pw_dir
        inner = ["env", f"--chdir={cwd}", *command]  # only inside may the folder be entered
        return subprocess.run(
            self.command(account, inner), env=self.environment(home) | extra, cwd="/", text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip


def closed_above(folder: Path) -> Path | None:
    """The outermost folder above, or it, that other accounts cannot enter."""
    for parent in [*reversed(folder.resolve().parents), folder.resolve()]:
        if not parent.stat().st_mode & 0o001:
            return parent
    return None
