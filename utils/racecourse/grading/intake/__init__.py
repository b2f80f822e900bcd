"""Take in whatever a learner hands over: find the files, read them, put them back into the shape of their release.

Three steps, each usable alone: `find_submissions` finds one file per student in a folder or a downloaded zip, `parse`
makes a valid notebook of a file's bytes, `repair` undoes what happened to the set's cells. Each either succeeds, with
remarks, or says in one sentence why not (`Refused`).
"""

from racecourse.grading.intake.finding import Submission, find_submissions
from racecourse.grading.intake.reading import Refused, parse
from racecourse.grading.intake.repairing import repair, require_set, set_of

__all__ = ["Refused", "Submission", "find_submissions", "parse", "repair", "require_set", "set_of"]
