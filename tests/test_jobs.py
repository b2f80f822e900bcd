"""Jobs against what ends processes: SIGKILL at many instants, closed terminals, restarted kernels, several at once.

Named pipes are the only synchronisation: to open one blocks until the other side has opened it as well.
"""

import json
import os
import pty
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from racecourse.agents import detached
from racecourse.agents.jobs import SCHEMA, Job, attach, jobs, set_limit, settle, steps_of, submit, transaction

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL and no named pipes in its file system"),
    pytest.mark.timeout(180),
]
HERE = str(Path(__file__).parent)
SUBMIT = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from racecourse.agents.jobs import submit
print("id", submit("job_workers:squares", {arguments!r}, store=Path({store!r})), flush=True)
"""
ATTACH = """
import json, sys
from pathlib import Path
from racecourse.agents.jobs import attach
job = attach(sys.argv[1], store=Path(sys.argv[2]))
print(json.dumps([job.wait(), job.steps, job.result]))
"""
FOLLOW = """
import json, sys
from pathlib import Path
from racecourse.agents.jobs import attach
for step in attach(sys.argv[1], store=Path(sys.argv[2])).follow():
    print(json.dumps(step), flush=True)
"""
RESUME = """
import sys
from pathlib import Path
from racecourse.agents.jobs import attach
job = attach(sys.argv[1], store=Path(sys.argv[2]))
open(sys.argv[3]).close()
job.resume()
"""
SUBMIT_FIVE = """
import sys
from pathlib import Path
from racecourse.agents.jobs import set_limit, submit
open(sys.argv[2]).close()
set_limit(2, store=Path(sys.argv[1]))
for _ in range(5):
    submit("job_workers:interval", {}, store=Path(sys.argv[1]))
"""
BESIDE_IT = """
import os

def where(arguments, done_steps, save):
    here = os.getcwd()
    os.chdir("/")
    import also_beside_it
    return here
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "jobs.sqlite"
    yield path
    if path.exists() and schema(path) == SCHEMA:
        for job in jobs(store=path):
            job.cancel()  # what a failed test has left


def schema(path: Path) -> int:
    connection = sqlite3.connect(path)
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return version


def pid_of(job: Job) -> int:
    connection = sqlite3.connect(job.store)
    pid: int = connection.execute("SELECT pid FROM jobs WHERE id = ?", (job.id,)).fetchone()[0]
    connection.close()
    return pid


def gate(tmp_path: Path, name: str = "gate") -> str:
    path = tmp_path / name
    os.mkfifo(path)
    return str(path)


def open_gate(path: str) -> None:
    """Block until somebody waits at the gate, and let one through."""
    open(path, "w").close()


def python(script: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    path = {"PYTHONPATH": os.pathsep.join([HERE, *sys.path])}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | path, **options)


def printed(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate()
    assert process.returncode == 0
    return out


def notes(tmp_path: Path) -> list[str]:
    return (tmp_path / "notes").read_text().splitlines()


def submitted(function: str, arguments: dict[str, Any], store: Path) -> Job:
    return attach(submit(f"job_workers:{function}", arguments, store=store), store=store)


def steps_to(n: int) -> list[dict[str, int]]:
    return [{"i": i, "square": i * i} for i in range(n)]


# ------------------------------------------------------------------------------------------- the submitter disappears


def from_a_killed_process(script: str) -> str:
    process = python(script + "sys.stdin.read()", stdin=subprocess.PIPE)
    assert process.stdout is not None
    job_id = process.stdout.readline().split()[1]
    process.kill()
    process.communicate()
    return job_id


def from_a_closed_terminal(script: str) -> str:
    """A session whose terminal goes away gets SIGHUP."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", script + "sys.stdin.read()"], os.environ)
    with os.fdopen(terminal, encoding="utf-8") as screen:
        job_id = screen.readline().split()[1]
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGHUP
    return job_id


def from_a_restarted_kernel(script: str) -> str:
    manager = pytest.importorskip("jupyter_client.manager").KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        out: list[str] = []
        client.execute_interactive(script, output_hook=lambda m: out.append(m["content"].get("text", "")), timeout=60)
        manager.restart_kernel(now=False)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return "".join(out).split()[1]


@pytest.mark.parametrize("submit_from", [from_a_killed_process, from_a_closed_terminal, from_a_restarted_kernel])
def test_a_job_goes_on_without_whoever_submitted_it(submit_from: Any, store: Path, tmp_path: Path) -> None:
    """It waits at the gate until the submitter is gone, and another process then finds all of it."""
    barred = gate(tmp_path)
    arguments = {"n": 4, "gate": barred, "notes": str(tmp_path / "notes")}
    job_id = submit_from(SUBMIT.format(here=HERE, arguments=arguments, store=str(store)))
    assert attach(job_id, store=store).state == "running"
    open_gate(barred)
    assert json.loads(printed(python(ATTACH, job_id, store))) == ["done", steps_to(4), {"total": 0 + 1 + 4 + 9}]


# ------------------------------------------------------------------------------------------------- the worker is killed


@pytest.mark.parametrize(
    "deaths",
    [["before 0"], ["within 1"], ["after 1"], ["after 3"], ["before 0", "within 0", "after 0", "within 3", "after 3"]],
)
def test_a_killed_job_is_lost_and_goes_on_without_repeating_or_losing_a_step(
    deaths: list[str], store: Path, tmp_path: Path
) -> None:
    """Only a step that was under way runs twice, and it too is there once."""
    job = submitted("squares", {"n": 4, "notes": str(tmp_path / "notes"), "die": deaths}, store)
    for _ in deaths:
        assert job.wait() == "lost" and "resume()" in str(job.error) and job.result is None
        job.resume()
    assert job.wait() == "done" and job.steps == steps_to(4) and job.result == {"total": 14} and job.error is None
    for i in range(4):
        assert notes(tmp_path).count(f"step {i}") == 1 + (f"within {i}" in deaths)
    assert notes(tmp_path).count("start") == 1 + len(deaths)


def test_a_job_killed_from_outside_at_random_instants_comes_to_its_end(store: Path, tmp_path: Path) -> None:
    """Also while its Python starts, or while it writes to the store."""
    chance = random.Random(0)
    job, n_kills = submitted("squares", {"n": 100, "notes": str(tmp_path / "notes"), "seconds": 0.01}, store), 0
    while n_kills < 8 and job.state == "running":
        time.sleep(chance.uniform(0, 0.6))  # no synchronisation: the instant is the test's input
        with suppress(ProcessLookupError):  # it has come to its end
            os.kill(pid_of(job), signal.SIGKILL)
        assert job.wait() in ("lost", "done")
        if job.state == "lost":
            n_kills += 1
            job.resume()
    assert job.wait() == "done" and job.steps == steps_to(100) and job.result == {"total": 328350}
    made = [line for line in notes(tmp_path) if line.startswith("step")]
    assert n_kills > 2 and 100 <= len(made) <= 100 + n_kills


def test_a_dead_job_is_lost_though_its_children_live(store: Path, tmp_path: Path) -> None:
    gates = [gate(tmp_path, "forked"), gate(tmp_path, "program")]
    job = submitted("survived_by_children", {"gates": gates}, store)
    assert job.wait(timeout_s=30) == "lost"
    assert all(psutil.pid_exists(pid) for pid in job.steps[0]["pids"])
    for one in gates:
        open_gate(one)


def test_two_processes_that_resume_the_same_job_start_it_once(store: Path, tmp_path: Path) -> None:
    job = submitted("squares", {"n": 3, "notes": str(tmp_path / "notes"), "die": ["after 0"]}, store)
    assert job.wait() == "lost"
    gates = [gate(tmp_path, "a"), gate(tmp_path, "b")]
    both = [python(RESUME, job.id, store, barred) for barred in gates]
    for barred in gates:
        open_gate(barred)
    assert [printed(one) for one in both] == ["", ""]
    assert job.wait() == "done" and job.steps == steps_to(3)
    assert notes(tmp_path).count("start") == 2


def interrupted_settling(store: Path, resumed: str = "") -> None:
    """As if a process died between the start of a job and the commit that notes it."""
    with pytest.raises(KeyboardInterrupt), transaction(store) as db:
        settle(db, store)
        db.execute("UPDATE jobs SET state = 'waiting' WHERE id = ?", (resumed,))
        settle(db, store)
        assert "running" in [row["state"] for row in db.execute("SELECT state FROM jobs")]
        raise KeyboardInterrupt


def test_a_resumption_that_was_never_noted_does_nothing(store: Path, tmp_path: Path) -> None:
    """Its process finds the job as it was before: running, but not by this start."""
    barred = gate(tmp_path)
    job = submitted("squares", {"n": 1, "notes": str(tmp_path / "notes"), "gate": barred}, store)
    os.kill(pid_of(job), signal.SIGKILL)
    while detached.is_held(tmp_path / "jobs" / f"{job.id}.lock"):
        pass
    interrupted_settling(store, resumed=job.id)
    assert job.wait() == "lost"
    job.resume()
    open_gate(barred)
    assert job.wait() == "done" and job.steps == steps_to(1)


def test_a_first_start_that_was_never_noted_is_made_up_for_with_nobody_looking(store: Path, tmp_path: Path) -> None:
    set_limit(1, store=store)
    gates = [gate(tmp_path, str(i)) for i in range(2)]
    dying, waiting = (submitted("gated", {"gates": [barred]}, store) for barred in gates)
    os.kill(pid_of(dying), signal.SIGKILL)
    while detached.is_held(tmp_path / "jobs" / f"{dying.id}.lock"):
        pass
    interrupted_settling(store)
    open_gate(gates[1])
    assert waiting.wait() == "done" and waiting.steps == [{"passed": gates[1]}] and dying.state == "lost"


def test_a_job_is_over_when_its_worker_is_though_its_process_lingers(store: Path, tmp_path: Path) -> None:
    barred = gate(tmp_path)
    job = submitted("lingers", {"gate": barred}, store)
    try:
        assert job.wait() == "failed"
        job.resume()
        assert job.state == "running" and job.error is None and job.wait() == "done" and len(job.steps) == 2
    finally:
        open_gate(barred)


def test_a_job_that_could_not_be_started_then_is_started_by_whoever_looks(store: Path, tmp_path: Path) -> None:
    """As if the process of a start that was never noted had been killed before it made up for that."""
    job = submitted("divide", {"by": 0}, store)
    assert job.wait() == "failed"
    lock = detached.take(tmp_path / "jobs" / f"{job.id}.lock")
    assert lock is not None
    job.resume()
    assert job.state == "waiting"
    os.close(lock)
    assert job.wait(timeout_s=30) == "failed" and len(job.steps) == 2


def test_a_done_job_is_not_run_again(store: Path, tmp_path: Path) -> None:
    job = submitted("squares", {"n": 1, "notes": str(tmp_path / "notes")}, store)
    assert job.wait() == "done"
    with pytest.raises(ValueError, match="is done: its result is there"):
        job.resume()
    job.cancel()
    assert job.state == "done" and notes(tmp_path).count("start") == 1


# ------------------------------------------------------------------------------------------------------- many at once


def test_twenty_jobs_from_four_processes_all_finish_and_two_run_at_one_time(store: Path, tmp_path: Path) -> None:
    gates = [gate(tmp_path, str(i)) for i in range(4)]
    four = [python(SUBMIT_FIVE, store, barred) for barred in gates]
    for barred in gates:
        open_gate(barred)  # none has made the store before
    assert [printed(one) for one in four] == [""] * 4
    all_jobs = jobs(store=store)
    assert len(all_jobs) == len({job.id for job in all_jobs}) == 20
    assert {job.wait() for job in all_jobs} == {"done"}
    changes = sorted(change for job in all_jobs for change in zip(job.result, (+1, -1), strict=True))
    at_once = [sum(step for _, step in changes[: n + 1]) for n in range(40)]
    assert max(at_once) <= 2 and at_once[-1] == 0


def test_a_waiting_job_is_started_by_the_one_that_ends_with_nobody_looking(store: Path, tmp_path: Path) -> None:
    set_limit(2, store=store)
    gates = [gate(tmp_path, str(i)) for i in range(3)]
    three = [submitted("gated", {"gates": [barred]}, store) for barred in gates]
    assert [job.state for job in three] == ["running", "running", "waiting"]
    open_gate(gates[1])
    open_gate(gates[2])  # returns only when the third runs; the first still waits at its gate
    assert three[0].state == "running" and three[1].wait() == "done" and three[2].wait() == "done"
    open_gate(gates[0])
    assert three[0].wait() == "done" and [job.id for job in jobs(store=store)] == [job.id for job in three]


def test_room_that_a_killed_job_leaves_is_used_as_soon_as_anybody_looks(store: Path, tmp_path: Path) -> None:
    set_limit(1, store=store)
    dying = submitted("squares", {"n": 1, "notes": str(tmp_path / "notes"), "gate": gate(tmp_path)}, store)
    waiting = submitted("squares", {"n": 2, "notes": str(tmp_path / "notes")}, store)
    os.kill(pid_of(dying), signal.SIGKILL)
    assert waiting.wait() == "done" and dying.state == "lost"


def test_a_higher_limit_starts_what_waits(store: Path, tmp_path: Path) -> None:
    set_limit(1, store=store)
    gates = [gate(tmp_path, str(i)) for i in range(2)]
    both = [submitted("gated", {"gates": [barred]}, store) for barred in gates]
    set_limit(2, store=store)
    open_gate(gates[1])
    open_gate(gates[0])
    assert [job.wait() for job in both] == ["done", "done"]
    with pytest.raises(ValueError, match="most_at_once=0"):
        set_limit(0, store=store)


def test_followers_in_three_processes_see_the_same_steps(store: Path, tmp_path: Path) -> None:
    gates = [gate(tmp_path, str(i)) for i in range(3)]
    job = submitted("gated", {"gates": gates}, store)
    early = [python(FOLLOW, job.id, store) for _ in range(2)]
    mine = job.follow()
    for barred in gates:
        open_gate(barred)
        assert next(mine) == {"passed": barred}, "each step is seen before the next can be made"
    assert list(mine) == []
    expected = [{"passed": barred} for barred in gates]
    for follower in [*early, python(FOLLOW, job.id, store)]:
        assert [json.loads(line) for line in printed(follower).splitlines()] == expected
    assert job.result == "through"


def test_waiting_has_an_end(store: Path, tmp_path: Path) -> None:
    job = submitted("gated", {"gates": [gate(tmp_path)]}, store)
    assert job.wait(timeout_s=0) == "running" and job.result is None and job.steps == []


def test_to_resume_a_running_or_waiting_job_changes_nothing(store: Path, tmp_path: Path) -> None:
    set_limit(1, store=store)
    both = [submitted("gated", {"gates": [gate(tmp_path, name)]}, store) for name in "ab"]
    for job in both:
        job.resume()
    assert [job.state for job in both] == ["running", "waiting"]


def test_a_follower_misses_nothing_when_the_job_ends_while_it_reads(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    barred = gate(tmp_path)
    job = submitted("gated", {"gates": [barred]}, store)

    def read_slowly(db: sqlite3.Connection, job_id: str, first: int) -> list[dict[str, Any]]:
        steps = steps_of(db, job_id, first)
        if not steps and job.state == "running":
            open_gate(barred)
            job.wait()
        return steps

    monkeypatch.setattr("racecourse.agents.jobs.steps_of", read_slowly)
    assert list(job.follow()) == [{"passed": barred}]


# ------------------------------------------------------------------------------------------------------------- cancel


@pytest.mark.parametrize("stubborn", ["none", "children", "all"])
def test_cancel_ends_the_children_too(stubborn: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those that ignore SIGTERM, whether or not the worker does, whose death cuts them off."""
    monkeypatch.setattr(detached, "GRACE_S", 10.0 if stubborn == "none" else 0.3)
    job = submitted("parent", {"stubborn": stubborn}, store)
    family = [psutil.Process(pid) for pid in next(job.follow())["pids"]]
    assert len(family) == 4 and all(map(detached.lives, family))
    job.cancel()
    assert not any(map(detached.lives, family))
    assert job.wait() == "cancelled" and job.result is None and len(job.steps) == 1


def test_cancel_makes_room_and_a_cancelled_job_can_go_on(store: Path, tmp_path: Path) -> None:
    set_limit(1, store=store)
    gates = [gate(tmp_path, name) for name in "abc"]
    job = submitted("gated", {"gates": gates[:1]}, store)
    never, following = (submitted("gated", {"gates": [barred]}, store) for barred in gates[1:])
    never.cancel()
    assert [one.state for one in (job, never, following)] == ["running", "cancelled", "waiting"]
    job.cancel()
    open_gate(gates[2])  # returns only when the third runs, and nobody has looked
    assert following.wait() == "done" and [one.state for one in (job, never)] == ["cancelled", "cancelled"]
    job.resume()
    os.kill(pid_of(job), signal.SIGKILL)
    assert job.wait() == "lost", "what was cancelled once is not so for ever"
    job.resume()
    open_gate(gates[0])
    assert job.wait() == "done"


# --------------------------------------------------------------------------------------------------- locks and zombies


def test_those_who_ask_for_a_lock_do_not_see_each_other(tmp_path: Path) -> None:
    import fcntl

    with (tmp_path / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert not detached.is_held(tmp_path / "lock")
        fcntl.flock(file, fcntl.LOCK_EX)
        assert detached.is_held(tmp_path / "lock") and detached.take(tmp_path / "lock") is None


def test_a_zombie_does_not_live() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and we have not taken note
    assert psutil.pid_exists(process.pid) and not detached.lives(psutil.Process(process.pid))
    process.wait()


def test_a_job_leaves_no_zombie(store: Path) -> None:
    job = submitted("divide", {"by": 1}, store)
    with pytest.raises(ChildProcessError):
        while True:  # until somebody has taken note of its end
            os.waitid(os.P_PID, pid_of(job), os.WEXITED | os.WNOWAIT)


# ------------------------------------------------------------------------------------------------------ what goes wrong


def test_a_worker_that_fails_leaves_its_traceback_and_what_it_printed(store: Path) -> None:
    job = submitted("divide", {"by": 0}, store)
    assert job.wait() == "failed" and job.result is None and job.steps == [{"before": True}]
    assert "ZeroDivisionError" in str(job.error) and "in divide" in str(job.error)
    assert job.output == "about to divide\n"


@pytest.mark.parametrize(("function", "why"), [("leave", "I do not like it here"), ("no_json", "not JSON")])
def test_other_ends_that_are_no_result(function: str, why: str, store: Path) -> None:
    job = submitted(function, {}, store)
    assert job.wait() == "failed" and why in str(job.error)


def test_a_failed_job_can_be_resumed(store: Path) -> None:
    job = submitted("divide", {"by": 0}, store)
    assert job.wait() == "failed"
    job.resume()
    assert job.wait() == "failed" and len(job.steps) == 2, "this worker takes no account of the steps that are done"


def test_a_job_whose_python_is_gone_fails_and_holds_up_nobody(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limit(1, store=store)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", str(tmp_path / "no-python"))
        job = submitted("divide", {"by": 1}, store)
    assert job.state == "failed" and "could not be started" in str(job.error) and "no-python" in str(job.error)
    assert submitted("divide", {"by": 1}, store).wait() == "done"


@pytest.mark.parametrize(
    ("function", "arguments", "error", "words"),
    [
        ("job_workers", {}, ValueError, "is not 'module:name'"),
        ("__main__:work", {}, ValueError, "write the function into one"),
        ("job_workers:nothing", {}, AttributeError, "nothing"),
        ("no_such_module:work", {}, ImportError, "no_such_module"),
        ("job_workers:divide", {"by": {1}}, TypeError, "not JSON"),
    ],
)
def test_what_cannot_be_a_job_is_refused_at_once(
    function: str, arguments: dict[str, Any], error: type[Exception], words: str, store: Path
) -> None:
    with pytest.raises(error, match=words):
        submit(function, arguments, store=store)
    assert jobs(store=store) == []


def test_an_unknown_id_is_named(store: Path) -> None:
    with pytest.raises(ValueError, match="no job 'abc'"):
        attach("abc", store=store)


def test_a_store_of_a_newer_version_is_left_alone(store: Path) -> None:
    assert jobs(store=store) == []
    connection = sqlite3.connect(store)
    connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    with pytest.raises(ValueError, match=rf"schema {SCHEMA + 1}, this one knows {SCHEMA}\); upgrade"):
        submit("job_workers:divide", {"by": 1}, store=store)
    assert schema(store) == SCHEMA + 1


def test_a_file_beside_the_notebook_will_do(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel's sys.path begins with '', which means where the notebook is: not where the job goes, or is started."""
    set_limit(1, store=store)
    first = submitted("gated", {"gates": [gate(tmp_path)]}, store)
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "beside_it.py").write_text(BESIDE_IT)
    (folder / "also_beside_it.py").touch()
    with monkeypatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(sys, "path", ["", *sys.path])
        job = attach(submit("beside_it:where", {}, store=store), store=store)
    first.cancel()
    assert job.wait() == "done" and job.result == str(folder)


def test_the_default_store_is_in_the_courses_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RACECOURSE_CACHE", str(tmp_path / "cache"))
    job = attach(submit("job_workers:divide", {"by": 2}))
    assert job.wait() == "done" and job.result == 0.5 and job.store == tmp_path / "cache" / "jobs.sqlite"


def test_the_module_loads_nothing_heavy() -> None:
    script = "import racecourse.agents.jobs, sys; print(*{'torch', 'numpy', 'matplotlib'} & set(sys.modules))"
    assert printed(python(script)).split() == []
