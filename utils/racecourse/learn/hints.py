"""Hints, one level a call: `hint("rms-norm")` nudges, the next call says more, the last one is a plan.

The texts are data, `data/hints/NN_topic.toml`, keyed by the answer cell's grade_id, so that notebooks never carry
them. How far a learner has come is kept with their progress, so a new session goes on there. `solution("rms-norm")`
shows the course's own answer to those who ask twice.
"""

from __future__ import annotations

import json
import tomllib
import urllib.request
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from racecourse.learn import progress

FOLDER = Path(__file__).parent / "data" / "hints"
SECONDS = 10  # to wait for the course's repository
QUESTION = "This shows the whole answer, and your progress will say so. Type yes to see it: "
VERSIONS = "In a class your own version of the exercise may ask for something else."
shown: dict[str, int] = {}  # grade_id -> levels printed in this session, for those who keep no progress


@cache
def all_hints() -> dict[str, list[str]]:
    """Every hint of every set, by grade_id; a grade_id that two sets use would hide one of them, so it is refused."""
    hints: dict[str, list[str]] = {}
    for levels in hints_by_set().values():
        twice = hints.keys() & levels.keys()
        if twice:
            raise ValueError(f"{sorted(twice)} have hints in two files; rename one grade_id")
        hints |= levels
    return hints


@cache
def hints_by_set() -> dict[str, dict[str, list[str]]]:
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.toml"))}


def set_of(grade_id: str) -> str:
    """The set that an exercise belongs to.

    Raises:
        ValueError: there is no such exercise.
    """
    for name, levels in hints_by_set().items():
        if grade_id in levels:
            return name
    raise ValueError(f"no hints for {grade_id!r}; the exercises with hints are {', '.join(all_hints())}")


def level_of(grade_id: str) -> int:
    """How many hints of an exercise were given, in this session or an earlier one."""
    levels = [int(e.number("level")) for e in progress.events() if e.kind == "hint" and e.name == grade_id]
    return max([shown.get(grade_id, 0), *levels])


def hint(grade_id: str) -> None:
    """Print one more hint for an exercise; after the last, print the last again."""
    name = set_of(grade_id)
    levels = all_hints()[grade_id]
    level = min(level_of(grade_id) + 1, len(levels))
    shown[grade_id] = level
    progress.record(kind="hint", notebook=name, name=grade_id, data={"level": level})
    more = "call again for more" if level < len(levels) else "that is the last one"
    print(f"Hint {level} of {len(levels)}: {levels[level - 1]}  ({more})")
    if level == len(levels):
        print(f'Still stuck: from racecourse.learn.hints import solution, then solution("{grade_id}").')


def solution(grade_id: str) -> None:
    """Show the course's answer to an exercise, after asking; that it was seen is kept with the progress."""
    name = set_of(grade_id)
    try:
        agreed = input(QUESTION).strip().lower() in ("yes", "y")
    except (EOFError, NotImplementedError, RuntimeError):  # a kernel that nobody sits at
        agreed = False
    if not agreed:
        print(f'Not shown. hint("{grade_id}") gives a hint; after the last, work the example of the statement by hand.')
        return
    text = answer_in(solution_notebook(name), grade_id)
    if text is None:
        print(f"It cannot be shown here: open solutions/{name}/{name}.ipynb in the course's repository.")
        return
    progress.record(kind="solution", notebook=name, name=grade_id)
    print(f"{text}\n\n# {VERSIONS}")


def answer_in(notebook: dict[str, Any] | None, grade_id: str) -> str | None:
    for cell in notebook["cells"] if notebook else []:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id:
            lines = "".join(cell["source"]).splitlines()
            return "\n".join(line for line in lines if line.strip() not in ("### BEGIN SOLUTION", "### END SOLUTION"))
    return None


def solution_notebook(name: str) -> dict[str, Any] | None:
    """From the clone that this runs in; else from the course's repository; None where neither can be had."""
    from racecourse.learn.notebooks import course_root

    inside = f"solutions/{name}/{name}.ipynb"
    try:
        return json.loads((course_root() / inside).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass
    try:
        with urllib.request.urlopen(f"{raw_address()}/{inside}", timeout=SECONDS) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def raw_address() -> str:
    """Where the repository's files lie: at the commit that was installed, if pip knows it, else at the newest.

    Raises:
        ValueError: the package does not say where it comes from.
    """
    course = metadata.distribution("racecourse")
    installed = json.loads(course.read_text("direct_url.json") or "{}")
    commit = installed.get("vcs_info", {}).get("commit_id")
    links = dict(line.split(", ", 1) for line in course.metadata.get_all("Project-URL") or [])
    home = installed["url"] if commit else links.get("Repository", "")
    if not home.startswith("https://github.com/"):
        raise ValueError(f"no repository on GitHub is known: {home!r}")
    return home.removesuffix(".git").replace("github.com", "raw.githubusercontent.com", 1) + f"/{commit or 'HEAD'}"
