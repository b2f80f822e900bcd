"""Put a submission back into the shape of its release, whatever happened to it on the way.

Colab and VS Code let learners delete locked cells and copy graded ones; Colab leaves widget metadata that breaks
converters; a tag on a test cell would make the kernel skip it. Left out: guessing a grade_id that was lost.
"""

from copy import deepcopy
from typing import Any

from racecourse.grading.integrity import grade_id_of, is_ours


def repair(submission: Any, release: Any) -> list[str]:
    """Repair `submission` in place; one remark for each thing repaired.

    Of cells with one grade_id the last counts, because that is the one whose code is in force after a run.
    """
    ours = {grade_id_of(cell): cell for cell in release.cells if grade_id_of(cell)}
    submission.metadata.pop("widgets", None)
    remarks = keep_last_of_each(submission, ours)
    for cell in submission.cells:
        cell.metadata.pop("tags", None)
        if grade_id_of(cell):
            restore(cell, ours[grade_id_of(cell)])
    return remarks + add_missing(submission, ours)


def keep_last_of_each(submission: Any, ours: dict[str, Any]) -> list[str]:
    """Cells with an unknown or repeated grade_id become ordinary cells of the learner's."""
    remarks: list[str] = []
    seen: set[str] = set()
    for cell in reversed(submission.cells):
        grade_id = grade_id_of(cell)
        if grade_id in ours and grade_id not in seen:
            seen.add(grade_id)
            continue
        if grade_id in seen:
            remarks.append(f"the cell {grade_id!r} was there more than once; the last one counts")
            if is_ours(ours[grade_id]):
                cell.source = ""  # a second copy of our own cell: nothing of the learner's is lost
        cell.metadata.pop("nbgrader", None)
    return remarks


def restore(cell: Any, original: Any) -> None:
    """The release's metadata always; its text too, unless the cell is the learner's to write."""
    if cell.cell_type != original.cell_type:
        cell.cell_type = original.cell_type
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    cell.metadata["nbgrader"] = deepcopy(original.metadata["nbgrader"])
    if is_ours(original):
        cell.source = original.source


def add_missing(submission: Any, ours: dict[str, Any]) -> list[str]:
    """Every cell of the set that is gone comes back, after the cell that it followed in the release."""
    remarks = []
    position = 0
    for grade_id, original in ours.items():
        places = [index for index, cell in enumerate(submission.cells) if grade_id_of(cell) == grade_id]
        if places:
            position = places[0] + 1
            continue
        submission.cells.insert(position, deepcopy(original))
        position += 1
        remarks.append(f"the cell {grade_id!r} was missing; it was put back as it was handed out")
    return remarks
