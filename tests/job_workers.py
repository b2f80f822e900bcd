"""What the jobs of test_jobs.py do. They note it in a file too: a witness apart from the store."""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def note(arguments: dict[str, Any], line: str) -> None:
    with open(arguments["notes"], "a", encoding="utf-8") as file:
        file.write(line + "\n")


def pass_gate(gate: str) -> None:
    """Block until the other side has opened this named pipe as well."""
    open(gate).close()


def die_at(arguments: dict[str, Any], instant: str) -> None:
    """SIGKILL to this process, the first time that it comes here, if the test wants it."""
    died = f"died {instant}"
    if instant in arguments.get("die", []) and died not in Path(arguments["notes"]).read_text().splitlines():
        note(arguments, died)
        os.kill(os.getpid(), signal.SIGKILL)


def squares(arguments, done_steps, save):
    note(arguments, "start")
    if "gate" in arguments:
        pass_gate(arguments["gate"])
    total = sum(step["square"] for step in done_steps)
    for i in range(len(done_steps), arguments["n"]):
        die_at(arguments, f"before {i}")
        time.sleep(arguments.get("seconds", 0))
        note(arguments, f"step {i}")
        die_at(arguments, f"within {i}")
        save({"i": i, "square": i * i})
        die_at(arguments, f"after {i}")
        total += i * i
    return {"total": total}


def interval(arguments, done_steps, save):
    began = time.monotonic()
    time.sleep(0.2)
    return [began, time.monotonic()]


def gated(arguments, done_steps, save):
    for gate in arguments["gates"]:
        pass_gate(gate)
        save({"passed": gate})
    return "through"


def parent(arguments, done_steps, save):
    """A worker with three children: one of its group, one in a session of its own, one whose parent has gone."""
    if arguments["stubborn"] != "none":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # inherited by its children
    forever = [sys.executable, "-c", "import signal; signal.pause()"]
    orphan = f"import subprocess; print(subprocess.Popen({forever}, stdout=subprocess.DEVNULL).pid)"
    pids = [
        subprocess.Popen(forever).pid,
        subprocess.Popen(forever, start_new_session=True).pid,
        int(subprocess.run([sys.executable, "-c", orphan], stdout=subprocess.PIPE, check=True).stdout.split()[0]),
    ]
    if arguments["stubborn"] == "children":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    save({"pids": [os.getpid(), *pids]})
    signal.pause()


def survived_by_children(arguments, done_steps, save):
    """Dies, and leaves a forked child and a program that inherits whatever is inheritable."""
    if not (child := os.fork()):
        pass_gate(arguments["gates"][0])
        os._exit(0)
    wait = f"open({arguments['gates'][1]!r})"
    program = subprocess.Popen([sys.executable, "-c", wait], close_fds=False)
    save({"pids": [child, program.pid]})
    os.kill(os.getpid(), signal.SIGKILL)


def divide(arguments, done_steps, save):
    print("about to divide")
    save({"before": True})
    return 1 / arguments["by"]


def leave(arguments, done_steps, save):
    sys.exit("I do not like it here")


def lingers(arguments, done_steps, save):
    """Fails the first time, and then its process does not come to an end."""
    save({})
    if not done_steps:
        atexit.register(pass_gate, arguments["gate"])
        raise ValueError("the first time")


def no_json(arguments, done_steps, save):
    return {1, 2}
