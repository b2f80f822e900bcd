"""nbgrader for this course: run its commands in the repository's root, in the project's environment.

nbgrader generate_assignment 00_start_here        solutions/ -> exercises/, and the marks into the gradebook
nbgrader autograde 00_start_here                  classroom/submitted/NAME/00_start_here/ -> classroom/autograded/
nbgrader generate_feedback 00_start_here          -> classroom/feedback/
"""

import os
import sys
from pathlib import Path

c = get_config()  # nbgrader puts this function here

root = Path(__file__).resolve().parent
classroom = root / "classroom"  # private: submissions, marks, feedback. Git ignores it.
classroom.mkdir(exist_ok=True)

# nbgrader starts the `alembic` command to make a gradebook, and looks for it on PATH only.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])

c.CourseDirectory.course_id = "racecourse"
c.CourseDirectory.root = str(root)
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "exercises"
c.CourseDirectory.submitted_directory = "classroom/submitted"
c.CourseDirectory.autograded_directory = "classroom/autograded"
c.CourseDirectory.feedback_directory = "classroom/feedback"
c.CourseDirectory.solution_directory = "classroom/solution"
c.CourseDirectory.db_url = f"sqlite:///{classroom / 'gradebook.db'}"

# What lies beside a solution goes to the learner too, unless it could give an answer away.
c.CourseDirectory.ignore = [
    ".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", "*.py", "*.toml", "*solution*", "*answer*", "*private*"
]  # fmt: skip

# A release is a built file: making it again always replaces it.
c.GenerateAssignment.force = True
c.ClearSolutions.code_stub = {
    "python": '# YOUR CODE HERE\nraise NotImplementedError("replace these two lines with your answer")'
}

# RepairSubmission puts back what a submission lost or doubled: nbgrader alone would stop the whole batch at a cell
# that was copied and pasted. RefuseImports takes out answers that import what they should define.
c.Autograde.sanitize_preprocessors = [
    "racecourse.grading.preprocessors.RepairSubmission",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.DeduplicateIds",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "racecourse.grading.preprocessors.RefuseImports",
    "nbgrader.preprocessors.Execute",
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.OverwriteCells.add_missing_cells = True

# By nbgrader's rule any output on stderr costs all the points of a cell, be it a library's warning. Here it costs none.
c.IgnorePattern.enabled = True
c.IgnorePattern.pattern = r"(?s).*"

c.Execute.timeout = 180  # seconds for one cell; the cell fails then, and the next one runs
c.Execute.interrupt_on_timeout = True
