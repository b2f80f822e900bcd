"""Hand out a set: the public notebook, or for each student of the roster a notebook of their own version.

A version that was drawn stays with its student; handing out again makes the same notebooks, and draws only for students
who had none. Left out: bringing the files to the students (LMS, mail, `nbgrader release_assignment` on a hub).
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from racecourse.grading import variants
from racecourse.grading.autograde import write_at_once
from racecourse.grading.classes.directory import ClassDirectory


@dataclass(frozen=True)
class Released:
    """What was handed out."""

    public: Path  # the folder with the public notebook and the files beside it
    notebooks: dict[str, Path]  # by student; empty if all get the public one
    n_drawn: int = 0  # versions that nobody had before


def release(this_class: ClassDirectory, name: str) -> Released:
    """Write release/NAME, source/NAME, and in a class with versions variants/NAME/STUDENT.ipynb.

    Raises:
        RuntimeError: the course's set is another than the class's.
        ValueError: the class has versions and nobody on its roster.
    """
    import nbformat

    this_class.require_current(name)
    public = this_class.folder / "release" / name
    classroom = this_class.classroom(name)
    if not this_class.has_versions(name):
        return Released(public, {})
    roster = [student.id for student in this_class.roster()]
    if not roster:
        raise ValueError(
            "each student gets a version of their own, and nobody is on the roster: `racecourse class roster FILE` "
            "reads one, and `variants = false` in class.toml gives all the public version"
        )
    before = classroom.draws()
    drawn = classroom.draw_for(roster)
    notebooks = {}
    for student in roster:
        notebook = variants.release(variants.solution(name, classroom.root, drawn[student]), classroom.root)
        notebooks[student] = this_class.folder / "variants" / name / f"{student}.ipynb"
        write_at_once(notebooks[student], nbformat.writes(notebook) + "\n")
    return Released(public, notebooks, len(drawn) - len(before))


def hand_outs(this_class: ClassDirectory, name: str, released: Released) -> dict[str, bytes]:
    """File names and contents for a mail merge or an LMS: one notebook per student, named after the student."""
    public = released.public / f"{name}.ipynb"
    if released.notebooks:
        found = {f"{student}_{name}.ipynb": path.read_bytes() for student, path in released.notebooks.items()}
    else:
        found = {public.name: public.read_bytes()}
    return found | {path.name: path.read_bytes() for path in sorted(released.public.iterdir()) if path != public}


def write_folder(files: dict[str, bytes], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_at_once(folder / name, data)


def write_zip(files: dict[str, bytes], path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    write_at_once(path, data.getvalue())
