"""What it costs to hand in late, by nbgrader's plugins: nbgrader_config.py names one, here it is asked.

nbgrader asks it in a step of `nbgrader autograde`, which `racecourse grade` does not run. The rule is that step's:
a penalty is never below 0 nor above the score, and what is in time has none. Left out: deciding what is late, which
nbgrader's gradebook does (the moment of handing in, the due date, a student's extension).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from nbgrader.api import SubmittedAssignment
from nbgrader.plugins import BasePlugin
from traitlets import Float
from traitlets.config import PyFileConfigLoader

SECONDS_PER_DAY = 24 * 3600


class PerDay(BasePlugin):
    """A share of the score for each day that has begun since the due date, at most all of it."""

    percent = Float(10, min=0, max=100, help="of the score that was earned, for each day begun").tag(config=True)

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float:
        """
        >>> PerDay(percent=20).late_submission_penalty("anna", score=50, total_seconds_late=24 * 3600 + 1)
        20.0
        """
        days = math.ceil(total_seconds_late / SECONDS_PER_DAY)
        return min(1.0, days * self.percent / 100) * score


def late_plugin(folder: Path) -> Any:
    """The plugin that the nbgrader_config.py in a folder names, with what it sets there."""
    from nbgrader.preprocessors import AssignLatePenalties

    step = AssignLatePenalties(config=PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config())
    step.init_plugin()
    return step.plugin_inst


def seconds_late(submission: SubmittedAssignment) -> float:
    """nbgrader's own count fails for an extension of no due date."""
    return 0.0 if submission.assignment.duedate is None else float(submission.total_seconds_late)


def assign_penalty(submission: SubmittedAssignment, plugin: Any) -> None:
    """Write the penalty of one submission into its rows; the scores must be in the database."""
    late = seconds_late(submission)
    for notebook in submission.notebooks:
        notebook.late_submission_penalty = None
        if late > 0:
            penalty = plugin.late_submission_penalty(submission.student_id, notebook.score, late)
            if penalty is not None:
                notebook.late_submission_penalty = max(0.0, min(penalty, notebook.score))


def refresh_penalties(folder: Path, db_url: str) -> None:
    """Make a class's penalties fit its scores: a mark by hand changes a score, and no penalty follows by itself."""
    from racecourse.grading.gradebook import Marks, is_there

    if is_there(db_url):
        with Marks(db_url, late=late_plugin(folder)) as marks:
            marks.assign_penalties()
