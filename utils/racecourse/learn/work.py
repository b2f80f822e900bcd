"""A learner's own copies: `work/NN_topic/` holds lesson.ipynb and the exercise set, and nothing writes over them.

When the course has a newer version of a set, it is written beside the old one (NN_topic.new.ipynb, then
NN_topic.new2.ipynb) with the learner's answers carried over by grade_id. Left out: merging text. An answer is taken
over whole, and marked if its question changed: its stub, or the text above it.
"""

import hashlib
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

from racecourse.grading.integrity import grade_id_of, is_answer
from racecourse.learn.notebooks import content_id, course_root, digest, read, release_path

ASSISTANTS = Path(__file__).parent / "data/AGENTS.md"
CHANGED = "> **This question has changed since you answered it.** Your answer stands below. Read the question again."


def start(name: str, root: Path | str | None = None) -> Path:
    """Give the learner a copy of a lesson and its exercises to write in, and return its folder; prints what it did."""
    root = course_root(root)
    folder = root / "work" / name
    lesson, exercise = root / "lessons" / f"{name}.ipynb", release_path(name, root)
    if not lesson.is_file() and not exercise.is_file():
        known = sorted({path.stem for path in [*root.glob("lessons/*.ipynb"), *root.glob("exercises/*/*.ipynb")]})
        raise ValueError(f"no lesson or exercise set named {name!r}; there are {', '.join(known)}")
    folder.mkdir(parents=True, exist_ok=True)
    instruct_assistants(root / "work")
    if lesson.is_file():
        print(offer(lesson, folder, "lesson"))
    if exercise.is_file():
        print(offer(exercise, folder, name))
    return folder


def instruct_assistants(folder: Path) -> None:
    """Ask AI assistants that work in this folder to tutor and not to solve; a file that is there stays as it is."""
    path = folder / ASSISTANTS.name
    if not path.exists():
        shutil.copyfile(ASSISTANTS, path)


def copies(folder: Path, stem: str) -> list[Path]:
    """The copies that exist, oldest first: stem.ipynb, stem.new.ipynb, stem.new2.ipynb, ..."""
    found: list[Path] = []
    while (path := copy_path(folder, stem, len(found))).exists():
        found.append(path)
    return found


def copy_path(folder: Path, stem: str, number: int) -> Path:
    return folder / f"{stem}{['', '.new'][number] if number < 2 else f'.new{number}'}.ipynb"


def newest_copy(name: str, root: Path) -> Path | None:
    """The learner's newest copy of an exercise set."""
    found = copies(root / "work" / name, name)
    return found[-1] if found else None


def offer(original: Path, folder: Path, stem: str) -> str:
    """Copy `original`, or write its newer version beside the learner's last copy; one line on what was done."""
    found = copies(folder, stem)
    path = copy_path(folder, stem, len(found))
    shown = path.relative_to(folder.parent.parent).as_posix()
    if not found:
        shutil.copy(original, path)
        copy_data(original, folder)
        return f"Made {shown}. It is yours to write in: no build, pull or upgrade changes it."
    latest = found[-1]
    if digest(latest) == digest(original):
        return f"You have {latest.relative_to(folder.parent.parent).as_posix()} already, and it is the newest version."
    if stem == "lesson":
        shutil.copy(original, path)
        return f"The lesson has a newer version. It is in {shown}; {latest.name} stays as it is."
    notes = write_carried(original, latest, path)
    copy_data(original, folder)
    return f"The set has a newer version: go on in {shown}. It has {notes}; {latest.name} stays as it is."


def copy_data(original: Path, folder: Path) -> None:
    """Files that lie beside a released notebook, where the learner has none of that name."""
    if original.parent.name == "lessons":
        return
    for path in original.parent.iterdir():
        if path.is_file() and path != original and not (folder / path.name).exists():
            shutil.copy(path, folder)


def write_carried(original: Path, old: Path, path: Path) -> str:
    """Write the new version with the old answers and the learner's own cells; a phrase that counts them."""
    import nbformat

    notebook, before = read(original), read(old)
    answers, changed = carry_answers(notebook, before)
    own = carry_own_cells(notebook, before)
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    parts = [f"{answers} of your answers", f"{own} cells of your own" if own else "", marked(changed)]
    return ", ".join(part for part in parts if part)


def marked(changed: list[str]) -> str:
    return f"marked where the question has changed ({', '.join(changed)})" if changed else ""


def carry_answers(notebook: Any, before: Any) -> tuple[int, list[str]]:
    """Put answers into the new version's cells; how many, and the grade_ids whose question is no longer the same."""
    from nbformat.v4 import new_markdown_cell

    old = {grade_id_of(cell): cell for cell in before.cells if is_answer(cell) and is_answered(cell)}
    carried, changed = 0, []
    for cell in list(notebook.cells):
        answer = old.get(grade_id_of(cell)) if is_answer(cell) else None
        if answer is None:
            continue
        carried += 1
        cell.source = answer.source
        if question(before, answer) != question(notebook, cell):
            changed.append(grade_id_of(cell))
            note = new_markdown_cell(CHANGED, id=f"changed-{grade_id_of(cell)}"[:64])
            notebook.cells.insert(notebook.cells.index(cell), note)
    return carried, changed


def question(notebook: Any, answer: Any) -> tuple[str | None, list[str]]:
    """What an answer answers: the checksum of its stub and the text of the set's cell `<grade_id>-text`."""
    texts = [cell.source for cell in notebook.cells if grade_id_of(cell) == f"{grade_id_of(answer)}-text"]
    return answer.metadata.nbgrader.get("checksum"), texts


def is_answered(cell: Any) -> bool:
    """A released cell carries the checksum of its stub, so an answer is a cell whose text no longer has it."""
    return checksum(cell) != cell.metadata.nbgrader.get("checksum")


def checksum(cell: Any) -> str:
    """nbgrader's checksum of an answer cell (nbgrader.utils.compute_checksum), without needing nbgrader."""
    meta = cell.metadata.nbgrader
    parts = [cell.source, cell.cell_type, str(meta["grade"]), str(meta["solution"]), "False", meta["grade_id"]]
    if meta["grade"]:
        parts.append(str(float(meta["points"])))
    return hashlib.md5("".join(parts).encode(), usedforsecurity=False).hexdigest()


def carry_own_cells(notebook: Any, before: Any) -> int:
    """Insert the learner's own cells after the cell of the set that they followed; how many there were.

    An answer to a question that is no longer asked is kept in the same way, as an ordinary cell.
    """
    known = {grade_id_of(cell) for cell in notebook.cells if grade_id_of(cell)}
    number, after = 0, ""
    for cell in before.cells:
        if grade_id_of(cell) in known:
            after = grade_id_of(cell)
        elif is_own(cell):
            number += 1
            kept = deepcopy(cell)
            kept.id = free_id(notebook, kept.get("id") or content_id(kept))
            kept.metadata.pop("nbgrader", None)
            insert_after(notebook, after, kept)
            after = kept.id
    return number


def is_own(cell: Any) -> bool:
    """Written by the learner: not one of the set's cells, not our note, and not one of our plain cells unchanged."""
    if grade_id_of(cell):
        return is_answer(cell) and is_answered(cell)
    unchanged = cell.get("id", "").split("-")[0] == content_id(cell)
    return bool(cell.source.strip()) and not unchanged and cell.source != CHANGED


def free_id(notebook: Any, wanted: str) -> str:
    taken = {cell.id for cell in notebook.cells}
    number, candidate = 2, wanted
    while candidate in taken:
        candidate, number = f"{wanted[:60]}-{number}", number + 1
    return candidate


def insert_after(notebook: Any, marker: str, cell: Any) -> None:
    """Insert behind the cell with this grade_id or id; at the top if there is no marker."""
    for index, other in enumerate(notebook.cells):
        if marker and marker in (grade_id_of(other), other.id):
            notebook.cells.insert(index + 1, cell)
            return
    notebook.cells.insert(0, cell)
