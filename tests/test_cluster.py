"""A class graded by a Dask cluster of real processes, as `dask scheduler` and `dask worker` start them.

The witness is the same class graded on one machine, and for the rules of handing out a cluster that only pretends.
"""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("distributed", reason="Dask is not installed")

import classroom
from conftest import ROOT
from dask_cluster import DaskCluster, dask_cluster
from racecourse.cli import app
from racecourse.grading import autograde
from racecourse.grading import cluster as engine
from racecourse.grading.autograde import EngineError, Graded, Options, grade_one
from racecourse.grading.records import Report
from test_autograde import CLASS, FULL, NAME, earned, gradebook, hand_in

SECRET = "the secret that both gradings share"


@pytest.fixture(scope="module")
def cluster() -> Iterator[DaskCluster]:
    """Two workers; tests that kill one start another in its place."""
    with dask_cluster(2) as cluster:
        yield cluster


@pytest.fixture
def course(course: Path) -> Path:
    (course / "classroom").mkdir()
    (course / "classroom/secret").write_text(SECRET)
    return course


def grade_on(address: str, course: Path, **options: Any) -> autograde.Batch:
    with engine.cluster(address, NAME, course) as executor:
        return autograde.grade(NAME, root=course, executor=executor, **options)


def judged(batch: autograde.Batch) -> dict[str, dict[str, Any]]:
    """All that a report says but for seconds and memory."""
    measured = ("seconds", "spent", "peak_mib")
    found = {report.student: dataclasses.asdict(report) for report in batch.reports}
    return {student: {k: v for k, v in report.items() if k not in measured} for student, report in found.items()}


def on_one_machine(course: Path, submissions: dict[str, bytes]) -> tuple[dict[str, Any], list[Any]]:
    """What the same class earns without a cluster: reports, and the rows of the gradebook."""
    twin = course.with_name("twin")
    shutil.copytree(course, twin)
    hand_in(twin, submissions)
    batch = autograde.grade(NAME, root=twin, workers=2)
    return judged(batch), gradebook(twin)


def replaced(cluster: DaskCluster) -> None:
    """A new worker for each that was killed."""
    for _ in range(2 - sum(worker.process.poll() is None for worker in cluster.workers)):
        cluster.add_worker()
    cluster.wait_for(2)


def test_a_cluster_grades_as_one_machine_does(course: Path, cluster: DaskCluster) -> None:
    """Reports with their messages and flags, the gradebook, the pages; a second run finds nothing to do."""
    expected, rows = on_one_machine(course, CLASS)
    hand_in(course, CLASS)
    batch = grade_on(cluster.address, course)
    assert judged(batch) == expected
    assert gradebook(course) == rows
    assert earned(batch) == {"anna": FULL, "ben": FULL - 25, "cleo": 0, "dora": FULL - 30}
    for student in CLASS:
        assert (course / f"classroom/feedback/{student}/{NAME}/{NAME}.html").exists()
    assert autograde.grade(NAME, root=course).n_new == 0, "one machine takes over the cluster's records"


def killed_in_the_middle(course: Path, cluster: DaskCluster, submissions: dict[str, bytes], at: int) -> autograde.Batch:
    """Grade; when `at` reports are there, one worker dies with all that is running on it."""
    came: list[str] = []

    def note(report: Report, n: int, of: int) -> None:
        came.append(report.student)
        if n == at:
            next(worker for worker in cluster.workers if worker.process.poll() is None).kill()

    hand_in(course, submissions)
    batch = grade_on(cluster.address, course, on_report=note)
    assert sorted(came) == sorted(submissions), "everybody once"
    return batch


def test_a_worker_that_is_killed_loses_and_doubles_nothing(course: Path, cluster: DaskCluster) -> None:
    replaced(cluster)
    submissions = {f"{student}{n}": CLASS[student] for n in range(3) for student in ("anna", "ben")}
    expected, rows = on_one_machine(course, submissions)
    batch = killed_in_the_middle(course, cluster, submissions, at=2)
    assert judged(batch) == expected
    assert gradebook(course) == rows


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_submissions_and_a_worker_killed(course: Path, cluster: DaskCluster) -> None:
    import nbformat

    replaced(cluster)
    submissions = {
        student: nbformat.writes(notebook).encode()
        for student, notebook in classroom.make_class(NAME, 200, seed=8).items()
    }
    expected, rows = on_one_machine(course, submissions)
    batch = killed_in_the_middle(course, cluster, submissions, at=100)
    assert len(batch.reports) == 200 and judged(batch) == expected
    assert gradebook(course) == rows


def test_the_command_grades_on_a_cluster(course: Path, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced(cluster)
    hand_in(course, {"anna": CLASS["anna"]})
    monkeypatch.chdir(course)
    done = CliRunner().invoke(app, ["grade", NAME, "--scheduler", cluster.address])
    assert done.exit_code == 0 and f"{FULL:g} / {FULL:g}" in done.output, done.output


# ---- who may grade


def test_workers_that_differ_are_refused_by_name(course: Path, cluster: DaskCluster, tmp_path: Path) -> None:
    """One with an older grader. The workers without kernels are somebody else's, and do not matter."""
    replaced(cluster)
    hand_in(course, CLASS)
    old = tmp_path / "old"
    shutil.copytree(ROOT / "utils/racecourse", old / "racecourse", ignore=shutil.ignore_patterns("__pycache__"))
    with (old / "racecourse/grading/checker.py").open("a") as file:
        file.write("# of last year\n")
    stale = cluster.add_worker(env={"PYTHONPATH": str(old)})
    cluster.wait_for(3)
    try:
        with pytest.raises(RuntimeError, match="1 of 3 workers do not match this machine") as refused:
            grade_on(cluster.address, course)
        lines = str(refused.value).splitlines()
        assert len(lines) == 3 and "another grader" in lines[1] and "another package" in lines[1]
        assert not (course / "classroom/records").exists()
    finally:
        stale.stop()
    other = cluster.add_worker(env={"PYTHONPATH": str(old)}, resources="GPU=1")
    cluster.wait_for(3)
    try:
        assert earned(grade_on(cluster.address, course))["anna"] == FULL
    finally:
        other.stop()


def test_a_course_that_the_workers_do_not_see_is_named(
    course: Path, cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced(cluster)
    real = engine.state_of(NAME, course)
    shutil.rmtree(course)
    monkeypatch.setattr(engine, "state_of", Pretended(real))
    with pytest.raises(RuntimeError, match=rf"another set {NAME} in {course} \(none\)") as refused:
        engine.cluster(cluster.address, NAME, course).__enter__()
    assert f"the same course at {course}" in str(refused.value)


class Pretended:
    """This machine's state; the workers, who get the real function, find theirs."""

    def __init__(self, state: dict[str, str]) -> None:
        self.state = state

    def __call__(self, name: str, root: Path) -> dict[str, str]:
        return self.state

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (engine, "state_of")


def test_a_worker_that_comes_late_is_examined_too(course: Path) -> None:
    state = engine.state_of(NAME, course)
    with pytest.raises(RuntimeError, match=r"does not match the machine that writes: it has another grader \("):
        engine.Graders().examine(state | {"grader": "older"}, NAME, Options(course))


def test_a_worker_where_the_solution_fails_grades_nobody(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Any, task: Any) -> Graded:
        raise RuntimeError("user namespaces are off")

    monkeypatch.setattr(engine.Graders, "grade", fails)
    with pytest.raises(RuntimeError, match="cannot grade: user namespaces are off"):
        engine.Graders().examine(engine.state_of(NAME, course), NAME, Options(course))


def test_no_kernels_and_no_scheduler_are_sentences(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = "dask worker {} --nthreads 2 --resources kernel=2`"
    with dask_cluster(0) as cluster, pytest.raises(RuntimeError, match=start.format(cluster.address)):
        grade_on(cluster.address, course)
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 1)
    with pytest.raises(ConnectionError, match="no Dask scheduler answers at tcp"):
        grade_on("tcp://127.0.0.1:9", course)


# ---- what is lost


@pytest.mark.slow
def test_a_lost_scheduler_ends_the_run_and_costs_nobody_a_mark(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 5)  # so long it would try to find the scheduler again
    submissions = {f"anna{n}": CLASS["anna"] for n in range(4)}
    hand_in(course, submissions)
    with dask_cluster(1) as cluster:

        def note(report: Report, n: int, of: int) -> None:
            cluster.scheduler.send_signal(signal.SIGKILL)

        with pytest.raises(EngineError, match="the scheduler is lost; what was graded is kept"):
            grade_on(cluster.address, course, on_report=note)
    kept = {row[0] for row in gradebook(course)}  # a second result may have been on its way
    assert 1 <= len(kept) < 4
    batch = autograde.grade(NAME, root=course, workers=1)
    assert batch.n_new == 4 - len(kept) and set(earned(batch).values()) == {FULL}


@pytest.mark.slow
def test_ctrl_c_ends_the_command_and_the_next_one_goes_on(course: Path, cluster: DaskCluster) -> None:
    replaced(cluster)
    hand_in(course, {f"anna{n}": CLASS["anna"] for n in range(6)})
    command = [Path(sys.executable).with_name("racecourse"), "grade", NAME, "--scheduler", cluster.address]
    process = subprocess.Popen(command, cwd=course, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not list(course.glob("classroom/records/*/*.json")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) != 0
    n_kept = len(list(course.glob("classroom/records/*/*.json")))
    assert 0 < n_kept < 6
    batch = grade_on(cluster.address, course)
    assert batch.n_new == 6 - n_kept and set(earned(batch).values()) == {FULL} and len(batch.reports) == 6


@pytest.mark.slow
def test_what_kills_its_workers_is_flagged_and_tried_again(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no failure allowed; three are by default."""

    def deadly(state: Any, task: Any) -> Any:
        from racecourse.grading.cluster import grade_on_worker  # on the worker that is the real one

        if task[1] == "kills":
            os._exit(1)
        return grade_on_worker(state, task)

    monkeypatch.setattr(engine, "grade_on_worker", deadly)
    hand_in(course, {"anna": CLASS["anna"], "kills": CLASS["anna"]})
    with dask_cluster(1, env={"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}) as cluster:
        batch = grade_on(cluster.address, course)
    assert earned(batch) == {"anna": FULL, "kills": 0}
    flag = next(report for report in batch.reports if report.student == "kills").flags[0]
    assert "will try again" in flag.said and "KilledWorker" in flag.said
    monkeypatch.undo()
    batch = autograde.grade(NAME, root=course, workers=1)
    assert batch.n_new == 1 and earned(batch)["kills"] == FULL


class Mortal(Executor):
    """A process that grades; it dies of its first `n` submissions."""

    def __init__(self, deaths: list[str], n: int) -> None:
        self.deaths, self.n = deaths, n

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        future: Future = Future()
        if len(self.deaths) < self.n:
            self.deaths.append(args[1])
            future.set_exception(BrokenExecutor("killed for memory"))
        else:
            future.set_result(Graded("{}", ""))
        return future


@pytest.mark.parametrize(("n", "is_graded"), [(0, True), (1, True), (2, False)])
def test_a_process_that_dies_takes_no_worker_with_it(
    n: int, is_graded: bool, course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried once more in another one; then the submission is one for a person."""
    deaths: list[str] = []
    monkeypatch.setattr(engine, "grader_pool", lambda *_, **__: Mortal(deaths, n))
    monkeypatch.setattr(engine.Graders, "examine", lambda *_: None)
    monkeypatch.setattr(engine, "_graders", {})
    outcome = engine.grade_on_worker({}, (NAME, "anna", b"", Options(course)))
    assert outcome == (Graded("{}", "") if is_graded else "BrokenExecutor: killed for memory")
    assert deaths == ["anna"] * n


# ---- how it is handed out


class Pretence:
    """A Dask client whose workers finish a task when the test says so."""

    def __init__(self, n_kernels: int) -> None:
        self.n_kernels, self.handed = n_kernels, list[Future]()
        self.changed = threading.Condition()

    def scheduler_info(self, n_workers: int = 5) -> dict[str, Any]:
        assert n_workers == -1, "Dask names five by default"
        others = {"b": {"resources": {}}, "c": {"resources": {"GPU": 1.0}}}
        return {"workers": {"a": {"resources": {"kernel": float(self.n_kernels)}}, **others}}

    def get_executor(self, **options: Any) -> "Pretence":
        assert options == {"pure": False, "resources": {"kernel": 1}}
        return self

    def submit(self, function: Any, *args: Any) -> Future:
        with self.changed:
            self.handed.append(Future())
            self.changed.notify()
            return self.handed[-1]

    def shutdown(self, wait: bool) -> None:
        for future in self.handed:
            future.cancel()

    def wait_for(self, n: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.handed) >= n, timeout=10)

    def never_more_than(self, n: int) -> None:
        with self.changed:
            assert not self.changed.wait_for(lambda: len(self.handed) > n, timeout=0.1)


def test_no_more_is_handed_out_than_there_are_kernels(course: Path) -> None:
    """So a worker that is lost had nothing in its queue. Workers that come and go change how many that are."""
    dask = Pretence(2)
    executor = engine.ClusterExecutor(dask, {})  # type: ignore[arg-type]
    task = (NAME, "anna", b"", Options(course))
    futures = [executor.submit(grade_one, *task) for _ in range(9)]
    dask.wait_for(2)
    dask.never_more_than(2)
    dask.handed[0].set_result(Graded("0", ""))
    dask.wait_for(3)
    dask.never_more_than(3)
    dask.n_kernels = 4
    dask.handed[1].set_result("KeyError: of the grader's own")
    dask.wait_for(6)
    dask.never_more_than(6)
    dask.n_kernels = 0
    for n in range(2, 6):
        dask.handed[n].set_result(Graded(str(n), ""))
    dask.wait_for(7)
    dask.never_more_than(7)
    dask.handed[6].set_exception(ImportError("no module named racecourse"))
    dask.wait_for(8)
    assert [future.result(timeout=10).report for future in (futures[0], *futures[2:6])] == ["0", "2", "3", "4", "5"]
    with pytest.raises(RuntimeError, match="KeyError: of the grader's own"):
        futures[1].result(timeout=10)
    with pytest.raises(EngineError, match="no module named racecourse; what was graded is kept"):
        futures[6].result(timeout=10)
    executor.shutdown()
    with pytest.raises(EngineError, match="the scheduler is lost"):
        futures[7].result(timeout=10)
    assert not futures[8].done() and len(dask.handed) == 8


def test_where_the_scheduler_vanishes_between_two_calls_nobody_waits_for_ever(course: Path) -> None:
    dask = Pretence(1)
    executor = engine.ClusterExecutor(dask, {})  # type: ignore[arg-type]
    futures = [executor.submit(grade_one, NAME, "anna", b"", Options(course)) for _ in range(2)]
    dask.wait_for(1)

    def gone(n_workers: int) -> Any:
        raise OSError("timed out")

    dask.scheduler_info = gone  # type: ignore[method-assign]
    dask.handed[0].set_result(Graded("0", ""))
    with pytest.raises(EngineError, match=r"the scheduler takes nothing more \(timed out\); what was graded is kept"):
        futures[1].result(timeout=10)
    executor.shutdown()
