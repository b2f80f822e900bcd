"""Start JupyterHub for one class on this server: `sudo .venv/bin/python deploy/single/serve.py DIR`.

DIR is a class directory (`racecourse class new DIR`) and belongs to the instructor's account. Each student of its
roster gets an account of the system with the student's id as its name; accounts keep students apart, and the walls are
tried before the hub starts. The hub listens on 127.0.0.1.

Left out: more than one instructor, an own memory limit for each student, TLS. docs/hub.md says what to put there.
"""

from __future__ import annotations

import csv
import grp
import os
import pwd
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from racecourse.grading.classes.directory import ClassDirectory

HERE = Path(__file__).resolve().parent
ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")  # what Linux takes as a name everywhere
NO_SHELL = "/usr/sbin/nologin"  # the password opens JupyterLab, and no other door of the server
PASSWORDS = "first_passwords.csv"
IMPORTED = "import racecourse, nbgrader, jupyterhub.singleuser"  # what a student's server needs


class NotReadyError(Exception):
    """Why the hub is not started, and what to do."""


@dataclass(frozen=True)
class Site:
    """One class on this server."""

    klass: ClassDirectory
    instructor: str
    students: tuple[str, ...]
    state: Path  # the hub's database, and what single servers read

    @property
    def exchange(self) -> Path:
        return Path(self.klass.exchange)

    @property
    def group(self) -> str:
        """The students' group, by which an account of this class is known."""
        return group_name(self.klass.course_id)


def group_name(course_id: str) -> str:
    """
    >>> group_name("AI.2026")
    'class-ai-2026'
    """
    return "class-" + re.sub(r"[^a-z0-9-]", "-", course_id.lower())[:26]  # Linux takes 32 letters


def serve(
    folder: Annotated[Path, typer.Argument(help="The class directory, from `racecourse class new`.")],
    port: Annotated[int, typer.Option(help="On 127.0.0.1; the two numbers above it are taken too.")] = 8000,
    state: Annotated[Path, typer.Option(help="Where hubs keep their databases.")] = Path("/var/lib/racecourse"),
    check: Annotated[bool, typer.Option("--check", help="Make accounts, try the walls, and start nothing.")] = False,
) -> None:
    """Start JupyterHub for a class: accounts from the roster, an exchange, the formgrader for the instructor."""
    try:
        site = site_of(folder.resolve(), state)
        new = make_accounts(site)
        make_state(site)
        try_walls(site)
        proxy_must_be_there()
    except NotReadyError as reason:
        typer.echo(f"Not started: {reason}", err=True)
        raise typer.Exit(1) from None
    if new:
        typer.echo(f"{len(new)} new accounts; their first passwords are in {site.klass.folder / PASSWORDS}")
    typer.echo(f"{site.instructor} teaches {len(site.students)} students; the walls between them stand.")
    if check:
        return
    address = f"http://127.0.0.1:{port}"
    typer.echo(f"JupyterHub: {address}   the formgrader: {address}/user/{site.instructor}/formgrader")
    config = HERE / "jupyterhub_config.py"
    os.chdir(site.state / "hub")
    os.execve(sys.executable, [sys.executable, "-m", "jupyterhub", "-f", str(config)], environment(site, port))


# ---- 1 · The class and its accounts ----------------------------------------------------------------------------------


def site_of(folder: Path, state: Path) -> Site:
    """The class and who is in it.

    Raises:
        NotReadyError: not root, no class there, no instructor, or ids that cannot be names of accounts.
    """
    if os.geteuid() != 0:
        raise NotReadyError("a hub that starts servers for other accounts must be root's: use sudo")
    try:
        klass = ClassDirectory.load(folder)
        students = tuple(student.id for student in klass.roster())
    except (OSError, ValueError) as error:
        raise NotReadyError(str(error)) from None
    if not klass.exchange:
        raise NotReadyError(
            f"no exchange is named. Write into the first part of {folder}/class.toml: "
            'exchange = "/srv/nbgrader/exchange"'
        )
    owner = folder.stat().st_uid
    if owner == 0:
        raise NotReadyError(f"{folder} belongs to root. Give it to the instructor's account: chown -R NAME {folder}")
    instructor = pwd.getpwuid(owner).pw_name
    if not students:
        raise NotReadyError(f"the class has no students yet: `racecourse class roster FILE --class {folder}`")
    if wrong := [student for student in students if not ACCOUNT.fullmatch(student)]:
        raise NotReadyError(
            f"these ids cannot be names of accounts: {', '.join(wrong[:5])}. A name begins with a small letter and "
            "holds small letters, digits, - and _. Give these students such an id in roster.csv and keep the LMS's "
            "number in lms_id"
        )
    if instructor in students:
        raise NotReadyError(f"{instructor} owns {folder} and is a student in its roster; take an account apart")
    return Site(klass, instructor, students, state / group_name(klass.course_id))


def make_accounts(site: Site) -> list[str]:
    """An account for each student that has none, with a password of its own; the names of those made.

    Raises:
        NotReadyError: a student's id is the name of an account that was not made for this class.
    """
    members = set(members_of(site.group))
    taken = [name for name in site.students if is_account(name) and name not in members]
    if taken:
        raise NotReadyError(
            f"{', '.join(taken)}: there is such an account already, and it was not made for this class. If it is the "
            f"student's, say so with `groupadd -f {site.group}; usermod -aG {site.group} NAME`; else change the id in "
            "roster.csv"
        )
    new = [name for name in site.students if not is_account(name)]
    run(["groupadd", "--force", site.group])
    passwords = {name: secrets.token_urlsafe(9) for name in new}
    if new:
        keep_passwords(site, passwords)  # before the accounts: a password that is nowhere written down is lost
    for name in new:
        run(["useradd", "--create-home", "--key", "HOME_MODE=0700", "--shell", NO_SHELL, "--groups", site.group, name])
        run(["chpasswd"], f"{name}:{passwords[name]}\n")
    for name in site.students:
        Path(pwd.getpwnam(name).pw_dir).chmod(0o700)
    return new


def keep_passwords(site: Site, passwords: dict[str, str]) -> None:
    """Add them to a file in the class's directory, which the instructor alone can read."""
    path = site.klass.folder / PASSWORDS
    owner = site.klass.folder.stat()
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600), "a", newline="") as file:
        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        csv.writer(file).writerows(passwords.items())


def is_account(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def members_of(group: str) -> list[str]:
    try:
        return list(grp.getgrnam(group).gr_mem)
    except KeyError:
        return []


# ---- 2 · Folders -----------------------------------------------------------------------------------------------------


def make_state(site: Site) -> None:
    """The hub's own folder, the exchange, and what single servers read; made, or put right."""
    site.state.mkdir(parents=True, exist_ok=True)
    site.state.chmod(0o755)
    (site.state / "hub").mkdir(exist_ok=True)
    (site.state / "hub").chmod(0o700)
    make_exchange(site)
    site.klass.folder.chmod(0o700)
    close_course(site)
    config = site.state / "config"
    shutil.copytree(HERE / "config", config, dirs_exist_ok=True, copy_function=shutil.copyfile)
    for path in (config, *config.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def make_exchange(site: Site) -> None:
    """nbgrader wants 0777; with the sticky bit nobody renames the course's folder in it.

    Raises:
        NotReadyError: class.toml, which is the instructor's, names a folder that root should not open to everybody.
    """
    site.exchange.mkdir(parents=True, exist_ok=True)
    is_open = site.exchange.stat().st_mode & 0o777 == 0o777
    if site.exchange.is_symlink() or (any(site.exchange.iterdir()) and not is_open):
        raise NotReadyError(f"{site.exchange} holds something else: name an empty or a new folder as the exchange")
    site.exchange.chmod(0o1777)
    course = site.exchange / site.klass.course_id
    course.mkdir(exist_ok=True)  # before a student makes one
    if course.is_symlink() or course.owner() not in ("root", site.instructor):
        raise NotReadyError(f"{course} was not made by {site.instructor}: look who made it, and delete it")
    course.chmod(0o755)
    shutil.chown(course, site.instructor)


def close_course(site: Site) -> None:
    """Students use the course's package; its solutions are for the instructor's group."""
    for name in ("solutions", "sources"):
        shutil.chown(site.klass.root / name, group=pwd.getpwnam(site.instructor).pw_gid)
        (site.klass.root / name).chmod(0o750)
    (site.klass.root / "classroom").mkdir(exist_ok=True)  # else the course's nbgrader_config.py would want to


# ---- 3 · The walls, tried --------------------------------------------------------------------------------------------


def try_walls(site: Site) -> None:
    """Do what a student may not do, with a student's account.

    Raises:
        NotReadyError: the walls have a hole, or a student's server could not start.
    """
    student, python = site.students[0], sys.executable
    if said := trouble(student, [python, "-c", IMPORTED]):
        raise NotReadyError(
            f"{student}'s account cannot run {python}: {said}. Install the course where everybody can read it, "
            "such as /opt/racecourse, and not in a home"
        )
    private = [site.klass.folder, site.state / "hub", Path(pwd.getpwnam(site.instructor).pw_dir)]
    private += [site.klass.root / name for name in ("solutions", "sources")]
    private += [Path(pwd.getpwnam(other).pw_dir) for other in site.students[1:]]
    if open_ones := [path for path in private if path.is_dir() and not trouble(student, ["ls", str(path)])]:
        raise NotReadyError(
            f"students can read {', '.join(map(str, open_ones))}. Close them (chmod 700) and start again. If it is "
            f"solutions or sources: {site.instructor}'s main group has students in it, and must not"
        )
    if said := trouble(site.instructor, ["ls", str(site.klass.root / "solutions")]):
        raise NotReadyError(f"{site.instructor} cannot read the course's solutions: {said}")


def trouble(account: str, command: Iterable[str]) -> str:
    """Run a command as that account, in no folder of this process; its last line of complaint, "" if it went well."""
    done = subprocess.run(
        ["runuser", "-u", account, "--", *command], cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL
    )  # fmt: skip
    return "" if done.returncode == 0 else (done.stderr.strip().split("\n")[-1] or f"exit code {done.returncode}")


def proxy_must_be_there() -> None:
    if shutil.which("configurable-http-proxy") is None:
        raise NotReadyError(
            "JupyterHub's proxy is missing: `npm install -g configurable-http-proxy` (it needs Node.js, in Debian the "
            "packages nodejs and npm), and see that root has it on PATH"
        )


def environment(site: Site, port: int) -> dict[str, str]:
    """What jupyterhub_config.py reads."""
    return os.environ | {
        "RACECOURSE_CLASS": str(site.klass.folder),
        "RACECOURSE_EXCHANGE": str(site.exchange),
        "RACECOURSE_COURSE_ID": site.klass.course_id,
        "RACECOURSE_HUB_STATE": str(site.state),
        "RACECOURSE_INSTRUCTOR": site.instructor,
        "RACECOURSE_STUDENTS": " ".join(site.students),
        "RACECOURSE_PORT": str(port),
    }


def run(command: list[str], text: str | None = None) -> None:
    """A command of the system that must go well."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise NotReadyError(f"`{command[0]}` failed: {done.stderr.strip()}")


if __name__ == "__main__":
    typer.run(serve)
