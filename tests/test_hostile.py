"""The catalogue of hostile submissions, graded as a class: none gains a point, reads a secret, stops or outlives it.

A few entries of every theme run with the other tests, all of them with `make test-all`.
"""

import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from conftest import ROOT
from hostile import Canaries, Hostile, catalogue
from racecourse.grading import autograde
from racecourse.grading.integrity import grade_id_of
from racecourse.grading.records import Report
from racecourse.learn.notebooks import read, target_of
from wrong_answers import Assignment

SECONDS = 10  # for a cell: enough for honest ones, little for an endless one
FEW = 2  # entries of each theme in the quick run


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A course of its own, and a runtime folder of its own, so that its zygote's processes can be told from others."""
    root = tmp_path_factory.mktemp("class") / "course"
    (root / "sources").mkdir(parents=True)
    shutil.copy(ROOT / "pyproject.toml", root)
    for name in ("00_start_here", "01_transformers"):
        for folder in ("solutions", "exercises"):
            shutil.copytree(ROOT / folder / name, root / folder / name)
    with tempfile.TemporaryDirectory(prefix="rc") as runtime, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        yield root
        for pid in processes(runtime):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)


def processes(runtime: str) -> list[int]:
    """The zygote of this runtime folder and everything that was forked from it: a fork keeps the command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if f"{runtime}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def forked(runtime: str) -> list[int]:
    """Those of these processes that another of them started: all but the zygote, which waits for more."""
    ours = processes(runtime)
    parents = {}
    for pid in ours:
        with contextlib.suppress(OSError):
            parents[pid] = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return [pid for pid, parent in parents.items() if parent in ours]


@contextlib.contextmanager
def telling(address: Any, secret: str) -> Iterator[int]:
    """A server of the host that gives its secret to whoever connects."""
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()

        def tell() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    connection.sendall(secret.encode())
                    connection.close()

        threading.Thread(target=tell, daemon=True).start()
        yield listener.getsockname()[1] if family == socket.AF_INET else 0


@contextlib.contextmanager
def planted(course: Path, name: str, folder: Path) -> Iterator[Canaries]:
    """Secrets in every place that a submission must not reach."""
    from racecourse.grading.gradebook import Marks

    secrets = {
        what: f"canary-{n}-{os.urandom(8).hex()}"
        for n, what in enumerate(
            ["gradebook", "other", "hidden test", "record", "environment", "port", "socket", "abstract"]
        )
    }
    classroom = autograde.Classroom(course, name)
    solution = read(target_of(name, course))
    for cell in solution.cells:
        if grade_id_of(cell).endswith("-hidden"):
            cell.source = f'secret = "{secrets["hidden test"]}"\n{cell.source}'
    nbformat.write(solution, target_of(name, course))
    other = course / f"classroom/submitted/zz-other/{name}/{name}.ipynb"
    other.parent.mkdir(parents=True, exist_ok=True)
    notebook = Assignment(name).answered()
    notebook.cells.append(nbformat.v4.new_markdown_cell(secrets["other"]))
    nbformat.write(notebook, other)
    with Marks(classroom.db_url) as marks:
        marks.prepare(name, solution, read(course / f"exercises/{name}/{name}.ipynb"))
    (course / "classroom/gradebook.db.note").write_text(secrets["gradebook"])
    record = course / f"classroom/records/{name}/zy-another.json"
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(secrets["record"])
    folder.mkdir(exist_ok=True)
    untouched, mark, host = folder / "untouched", folder / "mark", folder / "host.socket"
    untouched.write_text("as it was")
    os.environ["GRADER_TOKEN"] = secrets["environment"]
    abstract = f"racecourse-{os.urandom(4).hex()}"
    with (
        telling(("127.0.0.1", 0), secrets["port"]) as port,
        telling(str(host), secrets["socket"]),
        telling(f"\0{abstract}", secrets["abstract"]),
    ):
        yield Canaries(
            gradebook=str(course / "classroom/gradebook.db.note"), other=str(other), record=str(record),
            solution=str(target_of(name, course)), untouched=str(untouched), mark=str(mark), socket=str(host),
            abstract=abstract, port=port, grader=os.getpid(), secrets=secrets,
        )  # fmt: skip
    del os.environ["GRADER_TOKEN"]
    assert untouched.read_text() == "as it was" and untouched.stat().st_mode & 0o777 == 0o644
    assert not mark.exists()


def graded(course: Path, name: str, entries: list[Hostile], canaries: Canaries) -> dict[str, Report]:
    """The reports on a batch of entries, with an honest submission among them."""
    submitted = course / "classroom/submitted"
    twice = [entry for entry in entries if entry.second]
    for entry in twice:
        nbformat.write(Assignment(name).answered(), path_of(submitted, entry.name, name))
    if twice:
        autograde.grade(name, root=course, seconds=SECONDS, workers=2)
    for entry in entries:
        path_of(submitted, entry.name, name).write_bytes(entry.contents(canaries))
    batch = autograde.grade(name, root=course, seconds=SECONDS, workers=2)
    return {report.student: report for report in batch.reports}


def path_of(submitted: Path, student: str, name: str) -> Path:
    path = submitted / student / name / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def problems(entry: Hostile, report: Report) -> list[str]:
    """What the grader did otherwise than it should."""
    if entry.gap:
        return []
    passed = {part.grade_id for part in report.parts().values() if part.earned}
    said = []
    if gained := passed - entry.earns:
        said.append(f"gained {sorted(gained)}")
    if not report.refused and (lost := entry.earns - entry.may_lose - passed):
        messages = {part.grade_id: part.message for part in report.parts().values()}
        said.append(f"lost {[(grade_id, messages[grade_id]) for grade_id in sorted(lost)]}")
    if any("the grader failed" in flag.said for flag in report.flags):
        said.append(f"made the grader fail: {report.flags}")
    return [f"{entry.name} ({entry.tries}; {entry.layer}): {text}" for text in said]


def run(course: Path, entries: list[Hostile], folder: Path) -> None:
    found: list[str] = []
    for name in sorted({entry.set_name for entry in entries}):
        ours = [entry for entry in entries if entry.set_name == name]
        with planted(course, name, folder / name) as canaries:
            reports = graded(course, name, ours, canaries)
        honest = reports.pop("zz-other")
        assert honest.earned == honest.points, "an honest submission in the same batch"
        assert set(reports) == {entry.name for entry in ours}
        for entry in ours:
            found += problems(entry, reports[entry.name])
            found += [f"{entry.name} leaked {what}" for what in leaks(course, name, entry, canaries)]
    deadline = time.monotonic() + 20
    while left := forked(os.environ["XDG_RUNTIME_DIR"]):
        if time.monotonic() > deadline:
            found.append(f"{len(left)} processes outlived the batch")
            break
        time.sleep(0.1)
    assert not found, "\n".join(found)


def leaks(course: Path, name: str, entry: Hostile, canaries: Canaries) -> set[str]:
    """The secrets in whatever grading left of this entry."""
    classroom = course / "classroom"
    places = [
        classroom / f"autograded/{entry.name}/{name}/{name}.ipynb",
        classroom / f"feedback/{entry.name}/{name}/{name}.html",
        classroom / f"records/{name}/{entry.name}.json",
    ]
    return canaries.leaked(path.read_text(encoding="utf-8") for path in places if path.exists())


def few() -> list[Hostile]:
    """The first entries of every theme that take no longer than an honest submission."""
    chosen: dict[str, list[Hostile]] = {}
    for entry in catalogue():
        if entry.set_name == "00_start_here" and entry.layer != "deadline" and entry.theme != "resources":
            chosen.setdefault(entry.theme, []).append(entry)
    return [entry for entries in chosen.values() for entry in entries[:FEW]]


def test_a_few_of_every_theme(course: Path, tmp_path: Path) -> None:
    run(course, few(), tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_catalogue(course: Path, tmp_path: Path) -> None:
    assert len(catalogue()) > 100
    run(course, catalogue(), tmp_path)


def test_every_cheat_of_the_table_is_in_the_catalogue() -> None:
    numbers = {int(entry.name[1:3]) for entry in catalogue() if entry.name[0] == "c" and entry.name[1:3].isdigit()}
    assert numbers == {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 23, 24}


def test_a_planted_secret_would_be_found() -> None:
    canaries = Canaries(secrets={"here": "abc-123"})
    for text in ("x abc-123 y", "x 321-cba", b"abc-123".hex()):
        assert canaries.leaked([text]) == {"here"}
    assert not canaries.leaked(["abc123"])
