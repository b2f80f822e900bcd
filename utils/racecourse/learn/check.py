"""What follows a check in a notebook: one block of the same shape for every exercise, and an event for the progress.

A check is recognised by its first line, `# Check of head-norm: 3 of its 8 points`, since a kernel sees a cell's text
and nothing else. What the check itself says stands in its assertions, in the notebook. Left out: hidden checks
(grading/checker.py), and graders, which switch progress off and this with it.
"""

from __future__ import annotations

import linecache
import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

from racecourse.learn import progress
from racecourse.learn.contents import code_id, contents

CHECK = re.compile(r"# Check of ([\w-]+): ([\d.]+) of its ([\d.]+) points\n")
ENOUGH_TRIES = 3  # after which a hint is offered
WIDTH = 300  # characters of an error's message that are repeated

_watcher: Watcher | None = None


class Watcher:
    """Follows the cells of one notebook."""

    def __init__(self, notebook: str, say: Callable[[str], None] = print) -> None:
        self.notebook, self.say = notebook, say

    def after(self, result: Any) -> None:
        """IPython calls this when a cell has ended."""
        source = result.info.raw_cell or ""
        match = CHECK.match(source)
        if match:
            name, points, total = match[1], float(match[2]), float(match[3])
            self.say(self.checked(name, points, total, result.error_before_exec or result.error_in_exec))
        elif source.strip() and result.success:
            progress.record(kind="cell", notebook=self.notebook, name=code_id(source))

    def checked(self, name: str, points: float, total: float, error: BaseException | None) -> str:
        """Keep how a check ended, and return what the learner reads."""
        outcome = outcome_of(error)
        progress.record(kind="check", notebook=self.notebook, name=name, data={"outcome": outcome})
        if outcome == "passed":
            rest = (
                f" A second check, with other numbers, is worth the other {total - points:g}." if total > points else ""
            )
            return f"{name}: passed, {points:g} of {total:g} points.{rest}"
        if outcome == "unwritten":
            return f"{name}: not written yet. Write the answer above, run its cell, then this one."
        if outcome == "missing":
            return f"{name}: {str(error)[:WIDTH]} yet. Run the cells above, from the top, then this one."
        past = [event for event in progress.events() if event.notebook == self.notebook]
        tries = sum(
            e.kind == "check" and e.name == name and e.data.get("outcome") in ("failed", "raised") for e in past
        )
        head = f"{name}: not yet (try {tries})." if tries else f"{name}: not yet."
        said = f"The check says:\n    {str(error)[:WIDTH]}" if outcome == "failed" else where_it_raised(error)
        offer = offer_of(name) if progress.tries_since_help(past, name) >= ENOUGH_TRIES else ""
        return "\n".join(filter(None, [f"{head} {said}", offer]))


def outcome_of(error: BaseException | None) -> str:
    if error is None:
        return "passed"
    if isinstance(error, NotImplementedError):
        return "unwritten"
    if isinstance(error, NameError) and is_top(traceback.extract_tb(error.__traceback__)[-1]):
        return "missing"  # the check's own line found no answer, or none of what the set defines
    return "failed" if isinstance(error, AssertionError) else "raised"


def where_it_raised(error: BaseException | None) -> str:
    """The line of the learner's own code that an error came from; the check's own line is of no use to them."""
    said = f"{type(error).__name__}: {str(error)[:WIDTH]}"
    frames = traceback.extract_tb(error.__traceback__) if error else []
    own = [frame for frame in frames if not is_top(frame) and is_cell(frame.filename)]
    if not own:
        return f"The check ended with {said}"
    frame = own[-1]
    line = linecache.getline(frame.filename, frame.lineno or 0).strip()
    return f"Line {frame.lineno} of the cell with {frame.name} ended in {said}\n    {line}"


def is_top(frame: traceback.FrameSummary) -> bool:
    """Whether a line is the cell's own and not a function's: Colab's IPython names it after the cell's first line."""
    return frame.name == "<module>" or frame.name.startswith("<cell line: ")


def is_cell(filename: str) -> bool:
    """Whether a file name is one that IPython or ipykernel give to a cell."""
    return filename.startswith("<ipython-input-") or "ipykernel_" in filename


def offer_of(name: str) -> str:
    from racecourse.learn.hints import all_hints, level_of

    levels = all_hints().get(name, [])
    level = level_of(name)
    if level < len(levels):
        return f'hint("{name}") gives hint {level + 1} of {len(levels)}.'
    return f'All hints are given. hint("{name}") shows the last again, solution("{name}") the course\'s answer.'


def watch(notebook: str) -> None:
    """Follow this kernel's cells, as those of `notebook`. Outside IPython, or with progress off, nothing is done."""
    global _watcher
    if "IPython" not in sys.modules or progress.progress_file() is None:
        return
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None:
        return
    if _watcher is None:
        _watcher = Watcher(notebook)
        shell.events.register("post_run_cell", _watcher.after)
    _watcher.notebook = notebook


def welcome(notebook: str) -> str:
    """One line for somebody who comes back to this lesson's set; "" for somebody new."""
    if progress.progress_file() is None or notebook not in contents():
        return ""
    state = progress.state_of(progress.events())[notebook]
    if not any(task.touched for task in state.tasks.values()):
        return ""
    left = [(place, name) for place, (name, task) in enumerate(state.tasks.items(), start=1) if not task.passed]
    following = f"go on with {left[0][0]}, {left[0][1]}" if left else "all checks are passed"
    return f"Welcome back: {state.n_passed} of {len(state.tasks)} exercises of set {notebook[:2]} done; {following}."
