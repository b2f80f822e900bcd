"""An engine for a class that is too big for one machine: `racecourse grade SET --scheduler tcp://host:8786`.

The workers of a Dask cluster grade, and this process alone writes, as ever. Each submission is one task that asks for
one unit of the resource `kernel`. No more tasks are handed out than there are kernels, so whatever is handed out runs:
a worker that is lost costs the submissions it was running, and Dask gives these to the others. What a task returns is
written once; what it raises is the cluster's fault, says nothing about a submission and ends the run.

On its worker a task passes the submission on to a process of its own, one per kernel: the grader's last deadline needs
a main thread, Dask has none to give, and a grader that dies must not take the worker with it. Before its first
submission of a run each worker shows that it has the same course and grader as this machine, and that the published
solution passes there.

Left out: starting a cluster (docs/cluster.md says how), and stopping what a worker still runs when a grading is broken
off; its deadlines end it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import multiprocessing
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

import racecourse
from racecourse.grading.autograde import (
    EngineError,
    Graded,
    Options,
    grade_one,
    grader_pool,
    grader_version,
    passed,
    solution_as_submission,
)

if TYPE_CHECKING:
    from distributed import Client

KERNEL = "kernel"  # the resource: one unit for each kernel that may run at a time
IDLE_SECONDS = 300  # after which a process that grades, and has nothing to grade, ends
CONNECT_SECONDS = 20
DONE, STOP = "done", "stop"
KEPT = "what was graded is kept, and the next grading goes on from there"

Task = tuple[str, str, bytes, Options]  # what `grade_one` takes
State = dict[str, str]  # what must be the same on all machines -> its digest


# ---------------------------------------------------------------------------------------------- on the writer's machine


@contextlib.contextmanager
def cluster(address: str, name: str, root: Path) -> Iterator[ClusterExecutor]:
    """The workers at this scheduler as an engine for `autograde.grade`, for the set `name` of the course at `root`.

    Raises:
        ConnectionError: no scheduler answers there.
        RuntimeError: no worker declares kernels, or some have another version of the grader or the course.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"grading on a cluster needs Dask, and {error.name} is not here: in the course's clone, "
            "python -m pip install -e '.[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"no Dask scheduler answers at {address} ({error}): start one with `dask scheduler`, and give the address "
            "that it prints"
        ) from error
    with client:
        state = state_of(name, root)
        require_same(client, address, state, name, root)
        executor = ClusterExecutor(client, state)
        try:
            yield executor
        finally:
            executor.shutdown()


def kernels_of(client: Client) -> dict[str, int]:
    """The workers that declare kernels, by their addresses, and how many."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return {address: int(n) for address, worker in workers.items() if (n := worker["resources"].get(KERNEL, 0))}


def require_same(client: Client, address: str, state: State, name: str, root: Path) -> None:
    """
    Raises:
        RuntimeError: no worker declares kernels, or some have another version of the grader or the course.
    """
    if not (workers := kernels_of(client)):
        raise RuntimeError(
            f"no worker at {address} declares kernels: start each with `dask worker {address} --nthreads 2 "
            f"--resources {KERNEL}=2`, for two notebooks at a time"
        )
    theirs = client.run(state_of, name, root, workers=list(workers), on_error="return")
    wrong = {address: said for address, found in sorted(theirs.items()) if (said := difference(found, state))}
    if wrong:
        listed = "\n".join(f"  {address}: {said}" for address, said in wrong.items())
        raise RuntimeError(
            f"nothing was graded, because {len(wrong)} of {len(workers)} workers do not match this machine:\n{listed}\n"
            f"Give all of them the same environment or image as this machine, and the same course at {root}; "
            "then start them anew"
        )


def difference(theirs: State | Exception, ours: State) -> str:
    """In what a worker differs from this machine; "" if in nothing."""
    if isinstance(theirs, Exception):
        return f"{type(theirs).__name__}: {theirs}"
    parts = [f"{part} ({theirs.get(part) or 'none'})" for part in ours if theirs.get(part) != ours[part]]
    return f"it has another {', and another '.join(parts)}" if parts else ""


class ClusterExecutor(Executor):
    """Submissions wait here until a kernel is free: a task that Dask has is running, or about to.

    Workers may come and go meanwhile. Where the last one goes, a task waits for the next one to come.
    """

    def __init__(self, client: Client, state: State) -> None:
        self._client, self._state = client, state
        self._dask = client.get_executor(pure=False, resources={KERNEL: 1})
        self._events: SimpleQueue[tuple[Future, Task] | str] = SimpleQueue()  # a submission, DONE or STOP
        self._feeder = threading.Thread(target=self._feed, name="hand out submissions", daemon=True)
        self._feeder.start()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        """For `grade_one` and its arguments only."""
        assert function is grade_one and not kwargs
        future: Future = Future()
        self._events.put((future, cast(Task, args)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Hand out nothing more, and take back what is not done."""
        self._events.put(STOP)
        self._feeder.join()
        self._dask.shutdown(wait=False)

    def _feed(self) -> None:
        """The one thread that knows what waits and how much runs."""
        waiting: deque[tuple[Future, Task]] = deque()
        n_running, n_kernels = 0, sum(kernels_of(self._client).values())
        while (event := self._events.get()) != STOP:
            if isinstance(event, tuple):
                waiting.append(event)
            else:
                n_running -= 1
            try:
                if event == DONE and waiting:
                    n_kernels = max(1, sum(kernels_of(self._client).values()))  # without a worker, one waits for it
                while waiting and n_running < n_kernels:
                    future, task = waiting[0]
                    handed = self._dask.submit(grade_on_worker, self._state, task)
                    handed.add_done_callback(functools.partial(self._pass_on, future))
                    waiting.popleft()
                    n_running += 1
            except Exception as error:
                for future, _ in waiting:
                    future.set_exception(EngineError(f"the scheduler takes nothing more ({error}); {KEPT}"))
                waiting.clear()

    def _pass_on(self, future: Future, handed: Future) -> None:
        """What became of a task: in Dask's own thread, so without a call to Dask."""
        from distributed import KilledWorker

        if handed.cancelled():
            future.set_exception(EngineError(f"the scheduler is lost; {KEPT}"))
        elif isinstance(error := handed.exception(), KilledWorker):  # most likely it is the submission that kills them
            future.set_exception(error)
        elif error is not None:
            future.set_exception(EngineError(f"{error}; {KEPT}"))
        elif isinstance(outcome := handed.result(), str):
            future.set_exception(RuntimeError(outcome))
        else:
            future.set_result(outcome)
        self._events.put(DONE)


# ------------------------------------------------------------------------------------------------------ on all machines


def state_of(name: str, root: Path) -> State:
    """What submissions of a set are graded with here, as digests."""
    package = Path(racecourse.__file__).parent
    of_set = [root / f"sources/exercises/{name}.py"]
    for folder in (root / "solutions" / name, root / "exercises" / name):
        of_set += sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "grader": grader_version()[:12],
        "package": digest(sorted(package.rglob("*.py")), package),
        f"set {name} in {root}": digest([path for path in of_set if path.exists()], root),
    }


def digest(paths: Iterable[Path], root: Path) -> str:
    """Of names and contents; "" if there are none."""
    lines = [f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12] if lines else ""


# ---------------------------------------------------------------------------------------------------------- on a worker


@dataclass
class Graders:
    """A worker's processes that grade one state of one set, each one submission at a time."""

    idle: list[Executor] = field(default_factory=list)
    is_fit: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)  # of the examination

    def grade(self, task: Task) -> Graded:
        """In a process that has nothing else to do. If it dies of it, another one tries again."""
        try:
            return self._grade(task)
        except BrokenExecutor:
            return self._grade(task)

    def _grade(self, task: Task) -> Graded:
        try:
            pool = self.idle.pop()
        except IndexError:
            pool = grader_pool(1, idle_seconds=IDLE_SECONDS)
        try:
            graded = pool.submit(grade_one, *task).result()
        except BrokenExecutor:
            pool.shutdown(wait=False)
            raise
        except BaseException:
            self.idle.append(pool)
            raise
        self.idle.append(pool)
        return graded

    def examine(self, state: State, name: str, options: Options) -> None:
        """Once, before the first submission.

        Raises:
            RuntimeError: this worker has another version of the grader or the course, or the solution does not pass.
        """
        with self.lock:
            if self.is_fit:
                return
            here = socket.gethostname()
            if said := difference(state_of(name, options.root), state):
                raise RuntimeError(f"a worker on {here} does not match the machine that writes: {said}")
            try:
                passed(self.grade((name, "solution", solution_as_submission(name, options.root), options)))
            except Exception as error:
                raise RuntimeError(f"a worker on {here} cannot grade: {error}") from error
            self.is_fit = True


_graders: dict[str, Graders] = {}  # by all that a process may keep in memory of a set
_graders_lock = threading.Lock()


def grade_on_worker(state: State, task: Task) -> Graded | str:
    """What `grade_one` returns, or, in a sentence, what it raised. Runs in a thread of a Dask worker."""
    name, _, _, options = task
    public = dataclasses.replace(options, values="")
    with _graders_lock:
        let_have_children()
        graders = _graders.setdefault(repr((sorted(state.items()), public)), Graders())
    graders.examine(state, name, public)
    try:
        return graders.grade(task)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def let_have_children() -> None:
    """Dask's nanny starts a worker as a daemon, which Python allows no children, so that none is left without a parent.

    Those that grade end with this process in any case (`autograde._begin_worker`).
    """
    process = multiprocessing.current_process()
    if process.daemon:
        process.daemon = False
