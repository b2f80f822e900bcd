"""The two steps that this course adds to `nbgrader autograde`; nbgrader_config.py says where they run.

Left out: everything that nbgrader does itself. Both steps ask the release in exercises/ what the set looks like.
"""

from pathlib import Path
from typing import Any

import nbformat
from nbgrader.preprocessors import NbGraderPreprocessor

from racecourse.grading.intake import repair
from racecourse.grading.integrity import refuse_imports


def release_of(preprocessor: Any, resources: dict[str, Any]) -> Any:
    """The set as it was handed out. A preprocessor's parent is the exporter; the exporter's knows the folders."""
    course = preprocessor.parent.parent.coursedir
    assignment, notebook = resources["nbgrader"]["assignment"], resources["nbgrader"]["notebook"]
    folder = course.format_path(course.release_directory, ".", assignment)
    return nbformat.read(Path(folder) / f"{notebook}.ipynb", as_version=4)


class RepairSubmission(NbGraderPreprocessor):
    """Restore a submission's cells before nbgrader looks at them."""

    def preprocess(self, nb: Any, resources: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        for remark in repair(nb, release_of(self, resources)):
            self.log.warning("%s: %s", resources["nbgrader"]["student"], remark)
        return nb, resources


class RefuseImports(NbGraderPreprocessor):
    """Replace answers that import from the course's package by an error with the reason."""

    def preprocess(self, nb: Any, resources: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        for message in refuse_imports(nb, release_of(self, resources)).values():
            self.log.warning("%s: %s", resources["nbgrader"]["student"], message)
        return nb, resources
