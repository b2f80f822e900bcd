"""Put a notebook back into the shape of its release: every cell of the set's once, in order, as it was handed out.

Colab and VS Code let learners delete locked cells and copy graded ones, and lose their labels; a tag on a test cell
would make the kernel skip it. Only answers are kept as the learner wrote them.
Left out: two answers merged directly, without a test between them, where both are there.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from racecourse.grading.intake.reading import Refused, make_valid, set_ids
from racecourse.grading.integrity import grade_id_of, is_answer, is_ours, is_test

COLAB_KEYS = {"id", "outputId", "colab", "colab_type", "executionInfo", "cellView"}
SIMILAR = 0.6  # share of equal lines from which a cell without a label is taken for one of the set's
MERGED = "\0"  # stands where the text of one of our cells was, while a merged cell is taken apart


# ---- Which set is it? --------------------------------------------------------------------------------------------


def graded_ids(release: Any) -> list[str]:
    return [grade_id_of(cell) for cell in release.cells if is_answer(cell) or is_test(cell)]


def set_of(notebook: Any, releases: Mapping[str, Any]) -> str | None:
    """The name of the set most of whose answers and tests are in the notebook; None if it holds hardly any set's.

    They are known by their labels; in a notebook without any, by the functions that its cells define.
    """
    labels = {grade_id_of(cell) for cell in notebook.cells} | {cell.get("id") for cell in notebook.cells}
    found = {name: len(labels & set(graded_ids(release))) for name, release in releases.items()}
    if not any(found.values()):
        text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
        stubs = {name: [c for c in release.cells if is_answer(c)] for name, release in releases.items()}
        found = {name: 3 * sum(defines(text, names_in_stub(s)) for s in cells) for name, cells in stubs.items()}
    best = max(found, key=lambda name: found[name], default=None)
    return best if best is not None and found[best] * 10 >= len(graded_ids(releases[best])) else None


def require_set(notebook: Any, name: str, releases: Mapping[str, Any]) -> None:
    """`Refused` if the notebook is of another of the releases than `name`."""
    found = set_of(notebook, releases)
    if found not in (None, name):
        raise Refused(f"the file is the set {found!r} and not {name!r}: hand in the right file")


# ---- Back into the shape of the release --------------------------------------------------------------------------


@dataclass(eq=False)  # a place, not its content: two cells may be equal
class Placed:
    """A cell of the submission, and which cell of the set it is; None for one of the learner's own."""

    cell: Any
    grade_id: str | None = None


def repair(submission: Any, release: Any) -> list[str]:
    """Repair `submission` in place; one remark for each thing repaired. `Refused` if it is not of this set.

    Afterwards every cell of the set is there once, in the release's order; own cells stay behind the cell that they
    followed. Of cells with one label the last answered one counts, because its code is in force after a run. A second
    repair changes nothing. An answer changes only where the text of other cells of the set had been merged into it.
    """
    ours = {grade_id_of(cell): cell for cell in release.cells if grade_id_of(cell)}
    valid, remarks = make_valid(submission)
    placed = by_label(valid.cells, ours)
    metadata_remarks = clean_metadata(valid, release, placed, ours)
    remarks += take_apart(placed, ours)
    remarks += by_content(placed, ours)
    refuse_if_other(placed, release)
    remarks += keep_one_of_each(placed, ours)
    remarks += in_order(placed, ours)
    remarks += [remark for item in placed if item.grade_id for remark in restore(item.cell, ours[item.grade_id])]
    remarks += add_missing(placed, ours)
    remarks += metadata_remarks
    valid.cells = [item.cell for item in placed]
    own = [item.cell for item in placed if not item.grade_id]
    for cell in own:
        cell.metadata.pop("nbgrader", None)
    set_ids(own, taken=[cell.id for cell in release.cells])
    submission.clear()
    submission.update(valid)
    return list(dict.fromkeys(remarks))


def by_label(cells: list[Any], ours: dict[str, Any]) -> list[Placed]:
    """The set's cells by grade_id; those that no cell has, by cell id."""
    placed = [Placed(cell, grade_id_of(cell) if grade_id_of(cell) in ours else None) for cell in cells]
    found = {item.grade_id for item in placed}
    by_id = {original.id: grade_id for grade_id, original in ours.items() if grade_id not in found}
    for item in placed:
        item.grade_id = item.grade_id or by_id.get(item.cell.id) or by_id.get(item.cell.metadata.get("id"))
    return placed


def clean_metadata(notebook: Any, release: Any, placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """The release's notebook metadata; no tags (a kernel may skip by them) and nothing that Colab keeps for itself."""
    remarks = []
    before, after = notebook.metadata, release.metadata
    kernels = [
        (metadata.get("kernelspec", {}).get("name"), metadata.get("language_info", {}).get("name"))
        for metadata in (before, after)
    ]
    if kernels[0] != kernels[1]:
        remarks.append(f"the notebook named the kernel {kernels[0]}; it runs in the set's, {kernels[1]}")
    if "widgets" in before:
        remarks.append("the saved state of widgets was removed")
    colab = before.get("colab", after.get("colab")) != after.get("colab")
    tags = False
    for item in placed:
        metadata = item.cell.metadata
        colab = colab or bool(COLAB_KEYS & set(metadata))
        handed_out = ours[item.grade_id].metadata.get("tags", []) if item.grade_id else []
        tags = tags or not set(metadata.pop("tags", [])) <= set(handed_out)
        for key in COLAB_KEYS & set(metadata):
            del metadata[key]
    if colab:
        remarks.append("what Colab notes in a notebook for itself was removed")
    if tags:
        remarks.append("tags on cells were removed, because a cell could be skipped by them")
    notebook.metadata = deepcopy(after)
    return remarks


def names_in_stub(stub: Any) -> list[str]:
    """The functions and classes that an answer must define, since that is what the tests call."""
    return re.findall(r"^(?:async +)?(?:def|class) +(\w+)", stub.source, re.M) if stub.cell_type == "code" else []


def defines(source: str, names: list[str]) -> bool:
    """True if the text defines all the names, of which there is at least one. It need not be valid Python."""
    kinds = r"^(?:(?:async +)?(?:def|class) +{0}\b|{0} *= *lambda\b)"
    return bool(names) and all(re.search(kinds.format(re.escape(name)), source, re.M) for name in names)


def same_text(cell: Any, original: Any) -> bool:
    return bool(cell.source.strip() == original.source.strip())


def is_answered(cell: Any, stub: Any) -> bool:
    return bool(cell.source.strip()) and not same_text(cell, stub)


def unanswered(placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """Answers that are missing or still as handed out."""
    done = {p.grade_id for p in placed if p.grade_id and is_answered(p.cell, ours[p.grade_id])}
    return [grade_id for grade_id, original in ours.items() if is_answer(original) and grade_id not in done]


def take_apart(placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """Cells into which another cell of the set was merged: its text goes, and what remains is in cells of its own.

    Only whole, unindented lines are taken for such text. What a learner added to a locked cell is kept if it defines
    what an unanswered exercise asks for: then the answer was written or merged into the wrong cell.
    """
    foreign = {cell.source.strip("\n") for cell in ours.values() if is_test(cell) or cell.cell_type == "markdown"}
    needed = [names_in_stub(ours[grade_id]) for grade_id in unanswered(placed, ours)]
    remarks = []
    for item in list(placed):
        original = ours[item.grade_id] if item.grade_id else None
        meant_as = original.cell_type if original is not None else item.cell.cell_type  # it may have been retyped
        if meant_as != "code" or (original is not None and same_text(item.cell, original)):
            continue
        locked = {original.source.strip("\n")} if original is not None and is_ours(original) else set()
        pieces = without(item.cell.source, foreign | locked)
        wanted = any(defines(piece, names) for piece in pieces for names in needed)
        at = next(index for index, other in enumerate(placed) if other is item)
        if original is not None and is_answer(original):
            if pieces == [item.cell.source]:
                continue
            names = names_in_stub(original)
            mains = [index for index, piece in enumerate(pieces) if defines(piece, names)]
            main = mains[-1] if mains else 0
            placed[at : at + 1] = [
                Placed(new_code(piece), item.grade_id if index == main else None) for index, piece in enumerate(pieces)
            ] or [Placed(deepcopy(original), item.grade_id)]
            remarks.append(f"the answer {item.grade_id!r} held text of other cells of the set; that was taken out")
        elif wanted and original is not None:
            placed[at:at] = [Placed(new_code(piece)) for piece in pieces]
            remarks.append(f"an answer was found in the cell {item.grade_id!r}; it counts as an answer")
        elif wanted and pieces != [item.cell.source]:
            placed[at : at + 1] = [Placed(new_code(piece)) for piece in pieces]
            remarks.append("an answer was merged with other cells of the set; it is on its own again")
    return remarks


def without(source: str, texts: set[str]) -> list[str]:
    """The source in pieces, cut where one of the texts stood on lines of its own; [source] if none does."""
    cut = source
    for text in sorted(texts, key=len, reverse=True):
        if text in cut:
            cut = re.sub(rf"^{re.escape(text)}[ \t]*$", MERGED, cut, flags=re.M)
    if cut == source:
        return [source]
    return [piece.strip("\n") for piece in cut.split(MERGED) if piece.strip()]


def new_code(source: str) -> Any:
    from nbformat import from_dict

    cell: dict[str, Any] = {
        "cell_type": "code",
        "id": "",
        "metadata": {},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    return from_dict(cell)  # without an id: repair gives it one


def by_content(placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """Find cells of the set that lost their labels: ours by their text, answers by what they define."""
    recognised: list[str] = []

    def known_as(grade_id: str, item: Placed | None) -> None:
        if item is not None:
            item.grade_id = grade_id
            recognised.append(grade_id)

    def missing(kind: Callable[[Any], bool]) -> list[str]:
        present = {item.grade_id for item in placed}
        return [grade_id for grade_id, original in ours.items() if kind(original) and grade_id not in present]

    given = {original.source.strip() for original in ours.values()}
    for grade_id in unanswered(placed, ours):  # before the similar ones: a corrected function is like the given one
        known_as(grade_id, last_that_defines(placed, names_in_stub(ours[grade_id]), given))
    for grade_id in missing(is_ours):
        known_as(grade_id, most_similar(placed, ours[grade_id]))
    for grade_id in missing(is_answer):
        known_as(grade_id, most_similar(placed, ours[grade_id]) or behind_its_question(grade_id, placed, ours))
    remarks = [f"these cells had lost their labels and were known by their text: {', '.join(recognised)}"]
    return (remarks if recognised else []) + answers_in_other_answers(missing(is_answer), placed, ours)


def last_that_defines(placed: list[Placed], names: list[str], given: set[str]) -> Placed | None:
    """The last own code cell that defines the names and is no text of the set's."""
    own = [item for item in placed if item.grade_id is None and item.cell.cell_type == "code"]
    found = [item for item in own if defines(item.cell.source, names) and item.cell.source.strip() not in given]
    return found[-1] if found else None


def behind_its_question(grade_id: str, placed: list[Placed], ours: dict[str, Any]) -> Placed | None:
    """A written answer is like nothing, but it stands behind the cell that asks for it."""
    order = list(ours)
    question = order[order.index(grade_id) - 1]
    for item, behind in pairwise(placed):
        is_text = behind.cell.cell_type == ours[grade_id].cell_type == "markdown"
        if item.grade_id == question and behind.grade_id is None and is_text:
            return behind
    return None


def answers_in_other_answers(missing: list[str], placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """Where one answer cell defines what a missing one should, both get its text: the stub would undo it."""
    remarks = []
    for grade_id in missing:
        names = names_in_stub(ours[grade_id])
        places = [index for index, item in enumerate(placed)
                  if item.grade_id and is_answer(ours[item.grade_id]) and defines(item.cell.source, names)]  # fmt: skip
        if places:
            found = placed[places[-1]]
            placed.insert(places[-1] + 1, Placed(new_code(found.cell.source), grade_id))
            remarks.append(f"the answer {grade_id!r} was found in the cell {found.grade_id!r}")
    return remarks


def most_similar(placed: list[Placed], original: Any) -> Placed | None:
    """Of the cells without a label, the first with the most lines equal to the original's, if those are enough."""
    best, best_ratio = None, SIMILAR
    wanted = original.source.strip().split("\n")[:400]
    for item in [item for item in placed if item.grade_id is None][:300]:
        if item.cell.cell_type == original.cell_type and same_text(item.cell, original):
            return item
        lines = item.cell.source.strip().split("\n", 400)[:400]
        match = difflib.SequenceMatcher(None, lines, wanted, autojunk=False)
        if match.real_quick_ratio() > best_ratio and match.quick_ratio() > best_ratio and match.ratio() > best_ratio:
            best, best_ratio = item, match.ratio()
    return best


def refuse_if_other(placed: list[Placed], release: Any) -> None:
    """Cells whose text the set holds more than once, the notes on hidden checks, tell no set from another."""
    texts = Counter(cell.source for cell in release.cells)
    graded = [grade_id_of(c) for c in release.cells if (is_answer(c) or is_test(c)) and texts[c.source] == 1]
    found = len({item.grade_id for item in placed} & set(graded))
    if found * 10 < len(graded):
        raise Refused(
            f"of the {len(graded)} answers and tests of this set {found or 'none'} are in the notebook, so it is not "
            "this set's: hand in the right file, or start again from a fresh copy of the set"
        )


def keep_one_of_each(placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """Of cells with one label one counts. Untouched copies go; others stay, as ordinary cells of the learner's."""
    remarks = []
    for grade_id, original in ours.items():
        copies = [item for item in placed if item.grade_id == grade_id]
        kept = copy_that_counts(copies, original)
        others = [item for item in copies if item is not kept]
        for item in others:
            item.grade_id = None
        if others:
            last = "the last one" if kept is copies[-1] else "the last answered one"
            which = last if is_answer(original) else "one"
            remarks.append(f"the cell {grade_id!r} was there more than once; {which} counts")
        gone = {item for item in others if same_text(item.cell, original) or not item.cell.source.strip()}
        if is_answer(original) and original.cell_type == "code":  # a stub that stays behind the answer would undo it
            stubs = {item for item in placed if item.grade_id is None and same_text(item.cell, original)} - gone
            gone |= stubs
            remarks += [f"a copy of {grade_id!r} as it was handed out was removed" for _ in stubs]
        placed[:] = [item for item in placed if item not in gone]
    return remarks


def copy_that_counts(copies: list[Placed], original: Any) -> Placed | None:
    if not copies:
        return None
    if is_ours(original):
        return next((item for item in copies if same_text(item.cell, original)), copies[-1])
    answered = [item for item in copies if is_answered(item.cell, original)]
    defining = [item for item in answered if defines(item.cell.source, names_in_stub(original))]
    return (defining or answered or copies)[-1]


def in_order(placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """The release's order; own cells move with the cell that they followed, those before any stay first."""
    rank = {grade_id: index for index, grade_id in enumerate(ours)}
    keys, last = [], -1
    for item in placed:
        last = rank[item.grade_id] if item.grade_id else last
        keys.append(last)
    moved = keys != sorted(keys)
    placed[:] = [item for _, item in sorted(zip(keys, placed, strict=True), key=lambda pair: pair[0])]
    return ["cells had been moved; they are in the set's order again"] if moved else []


def restore(cell: Any, original: Any) -> list[str]:
    """The release's id and metadata always; its text too, unless the cell is the learner's to write."""
    remarks = []
    grade_id = grade_id_of(original)
    if cell.cell_type != original.cell_type:
        remarks.append(f"the cell {grade_id!r} was a {cell.cell_type} cell; it is a {original.cell_type} cell again")
        cell.cell_type = original.cell_type
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
        if cell.cell_type == "code":
            cell.pop("attachments", None)
            cell.outputs, cell.execution_count = [], None
    cell.id = original.id
    cell.metadata = without_tags(original.metadata)
    if is_ours(original):
        if not same_text(cell, original):
            remarks.append(f"the text of the cell {grade_id!r} had been changed; it was put back as it was handed out")
        cell.source = original.source
        cell.pop("attachments", None)
        if "attachments" in original:
            cell.attachments = deepcopy(original.attachments)
    return remarks


def without_tags(metadata: Any) -> Any:
    copy = deepcopy(metadata)
    copy.pop("tags", None)
    return copy


def add_missing(placed: list[Placed], ours: dict[str, Any]) -> list[str]:
    """Every cell of the set that is gone comes back, behind the cell that it followed in the release."""
    remarks = []
    position = 0
    for grade_id, original in ours.items():
        places = [index for index, item in enumerate(placed) if item.grade_id == grade_id]
        if places:
            position = places[0] + 1
            continue
        cell = deepcopy(original)
        cell.metadata = without_tags(original.metadata)
        placed.insert(position, Placed(cell, grade_id))
        position += 1
        remarks.append(f"the cell {grade_id!r} was missing; it was put back as it was handed out")
    return remarks
