"""A PostgreSQL server of its own for tests and benchmarks: `with postgres_server() as server: server.url("marks")`.

It lives in a temporary folder, listens on a Unix socket in it and nowhere else, and is gone with the `with` block.
Left out: servers that are installed elsewhere than on PATH or where Debian and Fedora put them.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

ROLE, PASSWORD = "racecourse", "hush-hush"
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=16MB", "max_connections=30")


def missing() -> str:
    """Why there can be no server here; "" if there can."""
    if programs() is None:
        return "PostgreSQL's server is not installed (Debian: apt install postgresql)"
    if os.getuid() == 0 and not shutil.which("setpriv"):
        return "PostgreSQL does not run as root, and there is no setpriv to run it as somebody else"
    return ""


def programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`."""
    on_path = shutil.which("pg_ctl")
    found = [Path(on_path).parent] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(found) if (folder / "initdb").exists()), None)


@dataclass(frozen=True)
class Server:
    """A server on which the role `racecourse` may make databases, and is no superuser."""

    folder: Path

    def url(self, database: str, driver: str = "postgresql+psycopg") -> str:
        return f"{driver}://{ROLE}:{PASSWORD}@/{database}?host={self.folder}"

    def connect(self, database: str = "postgres", **options: str) -> psycopg.Connection:
        """As another program would; each statement is a transaction."""
        return psycopg.connect(
            host=str(self.folder), user=ROLE, password=PASSWORD, dbname=database, autocommit=True, **options
        )

    def create(self, database: str, template: str = "template1") -> None:
        """A database that is new, or made anew."""
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
            connection.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')


@contextlib.contextmanager
def postgres_server() -> Iterator[Server]:
    """Needs a second or two."""
    if problem := missing():
        raise RuntimeError(problem)
    folder = Path(tempfile.mkdtemp(prefix="pg"))  # a short path: sockets have no long ones
    try:
        as_somebody: list[str] = []
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            as_somebody = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)

        def run(program: str, *arguments: str) -> None:
            command = [*as_somebody, f"{programs()}/{program}", *arguments]
            with (folder.parent / f"{folder.name}.log").open("a+") as log:  # no pipe: the server would keep it open
                if subprocess.run(command, stdout=log, stderr=log, timeout=60, cwd="/").returncode:
                    log.seek(0)
                    raise RuntimeError(f"{program} failed: {log.read()[-2000:]}")

        run("initdb", "-D", f"{folder}/data", "-U", "owner", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync",
            "--locale=C", "-E", "UTF8")  # fmt: skip
        options = " ".join(f"-c {option}" for option in (*FAST, f"unix_socket_directories={folder}"))
        run("pg_ctl", "-D", f"{folder}/data", "-w", "-o", f"{options} -c listen_addresses=", "start")
        try:
            with psycopg.connect(host=str(folder), user="owner", password=PASSWORD, dbname="postgres") as connection:
                connection.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{PASSWORD}'")
            yield Server(folder)
        finally:
            run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)
        folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)
