"""Take in whatever a learner hands over: find the files, read them, put them back into the shape of their release.

Three steps, each usable alone: `find_submissions` finds one file per student in a folder or a downloaded zip, `parse`
makes a valid notebook of a file's bytes, `repair` undoes what happened to the set's cells. Each either succeeds, with
remarks, or says in one sentence why not (`Refused`). Colab and VS Code let learners delete locked cells and copy
graded ones, and lose their labels; a tag on a test cell would make the kernel skip it. Nothing is ever unpacked to
disk. Left out: nbformat 1 and 2, and two answers merged directly, without a test between them, where both are there.
"""

import difflib
import hashlib
import io
import json
import math
import re
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any

from racecourse.grading.integrity import grade_id_of, is_answer, is_ours, is_test

MB = 10**6
MAX_NOTEBOOK = 100 * MB
MAX_CELLS = 2000
MAX_SOURCE = 1 * MB  # of all cells; the longest set has 0.1
MAX_OUTPUTS = 1 * MB  # kept for the integrity report; grading makes its own
MAX_LEVELS = 60  # of lists in lists; a notebook with the deepest plot has about 25
MAX_UNPACKED = 1000 * MB  # of one call of find_submissions
MAX_RATIO = 200  # unpacked to packed; notebooks reach about 10
MAX_ENTRIES = 20_000
MAX_ZIPS_IN_ZIPS = 2

HAND_IN = "in Colab choose File > Download > Download .ipynb, in JupyterLab File > Download, and hand in that file"
COLAB_KEYS = {"id", "outputId", "colab", "colab_type", "executionInfo", "cellView"}
SIMILAR = 0.6  # share of equal lines from which a cell without a label is taken for one of the set's
MERGED = "\0"  # stands where the text of one of our cells was, while a merged cell is taken apart
ZIP_ERRORS = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, LZMAError, EOFError, OSError, RuntimeError, ValueError,
    NotImplementedError, LookupError, OverflowError,
)  # fmt: skip


class Refused(ValueError):  # noqa: N818 - it is an answer to the learner, no error of the program
    """What was handed in cannot be graded: one sentence that says why and what to do next."""


# ---- 1 · From bytes to a valid notebook ------------------------------------------------------------------------------


def parse(data: bytes) -> tuple[Any, list[str]]:
    """The valid nbformat 4.5 notebook in a file's bytes, and one remark for each thing put right; or `Refused`."""
    if len(data) > MAX_NOTEBOOK:
        raise Refused(
            f"the file is {len(data) / MB:.0f} MB large, and {MAX_NOTEBOOK / MB:.0f} MB is the most that is read: "
            "clear all outputs, save, and hand it in again"
        )
    text, remarks = decode(data)
    raw = load_json(text)
    if not isinstance(raw, dict) or not isinstance(raw.get("cells", raw.get("worksheets")), list):
        raise Refused(f"the file holds data, but no notebook: {HAND_IN}")
    if "cells" not in raw:
        raw["cells"] = cells_of_version_3(raw["worksheets"])
        remarks.append("the notebook was in the old format 3; it is in format 4 now")
    notebook, repaired = make_valid(raw)
    return notebook, remarks + repaired


def decode(data: bytes) -> tuple[str, list[str]]:
    if data.startswith((b"PK\x03\x04", b"%PDF", b"\x1f\x8b", b"\x89PNG", b"7z\xbc\xaf", b"Rar!")):
        raise Refused(f"the file is an archive, a PDF or a picture and no notebook: {HAND_IN}")
    encoding: str = json.detect_encoding(data)
    try:
        text, remarks = data.decode(encoding), []
    except UnicodeDecodeError:
        encoding, text = best_guess(data, encoding)
        remarks = ["some characters could not be read and were replaced"] if "\ufffd" in text else []
    if not encoding.startswith("utf-8"):
        remarks.append(f"the file was encoded as {encoding}; it is read as such")
    text = text.strip("\ufeff\0 \r\n\t")
    if not text:
        raise Refused(f"the file is empty: save the notebook, then {HAND_IN}")
    return text, remarks


def best_guess(data: bytes, encoding: str) -> tuple[str, str]:
    """UTF-8 with a few broken bytes, or an older encoding in which hardly a character beyond ASCII is valid UTF-8."""
    text = data.decode(encoding, "replace")
    broken = text.count("\ufffd")
    if encoding.startswith("utf-8") and broken > sum(not character.isascii() for character in text) - broken:
        try:
            return "cp1252", data.decode("cp1252")
        except UnicodeDecodeError:
            return "latin-1", data.decode("latin-1")
    return encoding, text


def load_json(text: str) -> Any:
    """NaN and numbers out of range become null. Errors name the place."""
    try:
        raw = json.loads(
            text,
            strict=False,  # a line break inside a string is no reason to refuse
            parse_constant=lambda _: None,
            parse_float=lambda digits: number if math.isfinite(number := float(digits)) else None,
            parse_int=lambda digits: int(digits) if len(digits) < 400 else None,
        )
        return plain(raw)
    except RecursionError:
        raise Refused(f"the file is nested too deeply to be a notebook: {HAND_IN}") from None
    except json.JSONDecodeError as error:
        raise Refused(no_json(text, error)) from None


def no_json(text: str, error: json.JSONDecodeError) -> str:
    if text[:200].lstrip().lower().startswith(("<!doctype", "<html", "<?xml", "<head", "<div")):
        return f"the file is a web page and no notebook: {HAND_IN}"
    if not text.startswith(("{", "[")):
        kind = "a Python script" if re.search(r"^\s*(import |from \w|def |class |#|%)", text, re.M) else "text"
        return f"the file is {kind} and no notebook: {HAND_IN}"
    if not text.endswith("}"):
        line = text.count("\n") + 1
        return (
            f"the file breaks off at line {line}, after {len(text)} characters, so its end is missing: save the "
            f"notebook and download it again ({HAND_IN})"
        )
    return (
        f"the file is damaged at line {error.lineno}, column {error.colno} ({error.msg}): open an earlier version of "
        f"it, or copy your answers into a fresh copy of the set; {HAND_IN}"
    )


def plain(value: Any, levels: int = MAX_LEVELS) -> Any:
    """The value without what cannot be written as UTF-8, and without what lies deeper than so many levels."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, dict):
        return {plain(key): plain(item, levels - 1) for key, item in value.items()} if levels else None
    if isinstance(value, list):
        return [plain(item, levels - 1) for item in value] if levels else None
    return value


def cells_of_version_3(worksheets: list[Any]) -> list[Any]:
    cells = []
    for sheet in worksheets:
        found = sheet.get("cells") if isinstance(sheet, dict) else None
        for cell in found if isinstance(found, list) else []:
            if isinstance(cell, dict):
                kind, source = cell.get("cell_type"), joined(cell.get("input", cell.get("source")))
                if kind == "heading":
                    level = cell.get("level")
                    kind, source = (
                        "markdown",
                        "#" * (level if type(level) is int and 1 <= level <= 6 else 1) + f" {source}",
                    )
                cells.append({"cell_type": kind, "source": source, "metadata": cell.get("metadata")})
    return cells


def joined(value: Any) -> str:
    """Text as nbformat stores it: a string, or a list of lines that keep their ends."""
    lines = value if isinstance(value, list) else [value]
    return "".join(line for line in lines if isinstance(line, str))


def make_valid(raw: Any) -> tuple[Any, list[str]]:
    """A valid nbformat 4.5 notebook of anything with a list `cells`; nothing that is valid changes, outputs aside."""
    from nbformat import from_dict

    if len(raw["cells"]) > MAX_CELLS:
        raise Refused(f"the notebook has more than {MAX_CELLS} cells: delete those that the set does not need")
    if sum(len(str(cell.get("source"))) for cell in raw["cells"] if isinstance(cell, dict)) > MAX_SOURCE:
        raise Refused(f"the cells hold more than {MAX_SOURCE // MB} MB of text: delete what the set does not need")
    remarks: dict[str, None] = {}  # each once, in order
    room = [MAX_OUTPUTS]
    cells = [valid_cell(cell, remarks, room) for cell in raw["cells"] if isinstance(cell, dict)]
    if len(cells) < len(raw["cells"]):
        remarks["what stood in place of a cell, and was none, was left out"] = None
    if set_ids(cells):
        remarks["cells had no valid id of their own; they have one now"] = None
    metadata = valid_notebook_metadata(raw.get("metadata"))
    return from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}), list(remarks)


def valid_cell(raw: Any, remarks: dict[str, None], room: list[int]) -> dict[str, Any]:
    kind = raw.get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        remarks["a cell was of a kind that is not known; it is read as text or code"] = None
        kind = "code" if "outputs" in raw or "execution_count" in raw else "raw"
    source = raw.get("source", raw.get("input"))
    if not isinstance(source, str) and not (isinstance(source, list) and all(isinstance(s, str) for s in source)):
        remarks["a cell had no readable text"] = None
    source = joined(source)
    if "\r" in source:
        remarks["the line ends were not those of a notebook; they are now"] = None
        source = source.replace("\r\n", "\n").replace("\r", "\n")
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        remarks["a cell had no readable metadata"] = None
        metadata = {}
    cell = {"cell_type": kind, "id": raw.get("id"), "metadata": valid_metadata(metadata), "source": source}
    if not is_id(cell["id"]) and is_id(metadata.get("id")):
        cell["id"] = metadata["id"]  # where Colab keeps the id in a notebook of format 4.0 to 4.4
    attachments = raw.get("attachments")
    if kind != "code" and isinstance(attachments, dict):
        cell["attachments"] = {name: bundle(data) for name, data in attachments.items() if isinstance(data, dict)}
    if kind == "code":
        cell["execution_count"] = count(raw.get("execution_count"))
        cell["outputs"] = valid_outputs(raw.get("outputs"), remarks, room)
    return cell


def is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


METADATA_CHECKS = {  # what nbformat's schema says about single keys; any other key is free
    "collapsed": lambda value: isinstance(value, bool),
    "deletable": lambda value: isinstance(value, bool),
    "editable": lambda value: isinstance(value, bool),
    "scrolled": lambda value: isinstance(value, bool) or value == "auto",
    "name": lambda value: isinstance(value, str) and value,
    "format": lambda value: isinstance(value, str),
    "tags": lambda value: is_texts(value) and len(set(value)) == len(value) and not any("," in t for t in value),
    "jupyter": lambda value: isinstance(value, dict) and all(isinstance(item, bool) for item in value.values()),
    "execution": lambda value: isinstance(value, dict) and is_texts(list(value.values())),
    "nbgrader": lambda value: isinstance(value, dict) and isinstance(value.get("grade_id", ""), str),
}


def valid_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key not in METADATA_CHECKS or METADATA_CHECKS[key](value)}


def valid_notebook_metadata(metadata: Any) -> dict[str, Any]:
    """Kernel and language if they are well formed, and what else there is but a few keys that nobody needs."""
    if not isinstance(metadata, dict):
        return {}
    kept = {key: value for key, value in metadata.items() if key not in ("orig_nbformat", "title", "authors")}
    for key, needed in (("kernelspec", ("name", "display_name")), ("language_info", ("name",))):
        value = kept.get(key)
        if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in needed):
            kept.pop(key, None)
    language = kept.get("language_info", {})
    if not isinstance(language.get("codemirror_mode"), (str, dict)):
        language.pop("codemirror_mode", None)
    for key in ("file_extension", "mimetype", "pygments_lexer"):
        if not isinstance(language.get(key), str):
            language.pop(key, None)
    return kept


def count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def bundle(data: dict[str, Any]) -> dict[str, Any]:
    """MIME type -> content: text, or anything at all where the type says JSON."""
    return {
        mime: value if re.fullmatch(r"application/(.*\+)?json", mime) else joined(value) for mime, value in data.items()
    }


def valid_outputs(raw: Any, remarks: dict[str, None], room: list[int]) -> list[Any]:
    """The outputs that are well formed, while there is room; `room` holds the bytes left to the notebook."""
    kept = []
    for output in (valid_output(item) for item in (raw if isinstance(raw, list) else [])):
        size = len(json.dumps(output)) if output else 0
        if size > room[0]:
            remarks[f"outputs beyond {MAX_OUTPUTS / MB:.0f} MB were left out; grading makes its own"] = None
        elif output:
            room[0] -= size
            kept.append(output)
    return kept


def valid_output(raw: Any) -> dict[str, Any] | None:
    kind = raw.get("output_type") if isinstance(raw, dict) else None
    if kind == "stream":
        return {"output_type": kind, "name": joined(raw.get("name")) or "stdout", "text": joined(raw.get("text"))}
    if kind == "error":
        lines = raw.get("traceback")
        traceback = [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []
        return {"output_type": kind, "ename": joined(raw.get("ename")), "evalue": joined(raw.get("evalue")),
                "traceback": traceback}  # fmt: skip
    if kind in ("display_data", "execute_result") and isinstance(raw.get("data"), dict):
        metadata = raw.get("metadata") if isinstance(raw.get("metadata"), dict) else {}
        output = {"output_type": kind, "data": bundle(raw["data"]), "metadata": metadata}
        return output | {"execution_count": count(raw.get("execution_count"))} if kind == "execute_result" else output
    return None


def is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", value))


def set_ids(cells: list[Any], taken: Iterable[str] = ()) -> bool:
    """Give every cell a valid id of its own, the same at each call; True if any changed. The first of equals keeps its.

    Ids in `taken` count as used by earlier cells.
    """
    used, changed = set(taken), False
    for cell in cells:
        if is_id(cell.get("id")) and cell["id"] not in used:
            used.add(cell["id"])
            continue
        base = "own-" + hashlib.sha256(f"{cell['cell_type']}\n{cell['source']}".encode()).hexdigest()[:12]
        repeat = 1
        while (new := base if repeat == 1 else f"{base}-{repeat}") in used:
            repeat += 1
        cell["id"], changed = new, True
        used.add(new)
    return changed


# ---- 2 · Which set is it? --------------------------------------------------------------------------------------------


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


# ---- 3 · Back into the shape of the release --------------------------------------------------------------------------


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


# ---- 4 · One file per student, in a folder or a downloaded zip -------------------------------------------------------


@dataclass(frozen=True)
class Submission:
    """One student's file, unread: `parse` and `repair` come next, and may refuse it."""

    student: str  # safe for a file name and as nbgrader's student id
    path_shown: str  # where it was found: a path, "zip > path in it"
    data: bytes
    submitted_at: datetime | None  # of the file or of its entry in the zip; None if the zip does not say


@dataclass(frozen=True)
class Found:
    """A file that may be a submission."""

    parts: tuple[str, ...]  # folders, zips without their suffix, and the file's name
    path_shown: str
    data: bytes
    submitted_at: datetime | None


@dataclass(frozen=True)
class Owner:
    """What a path says about whose file it is, and which of several of theirs."""

    student: str
    number: str = ""  # of the student, in the learning platform
    order: tuple[int, ...] = ()  # larger is newer
    placed_by_name: bool = False  # the path names the set, or comes from a learning platform


def find_submissions(
    source: Path, name: str, known_students: Collection[str] | None = None, *, root: Path | None = None
) -> tuple[list[Submission], list[str]]:
    """One submission per student of the set `name`, sorted by student, and a line for each file that was skipped.

    `source` is a folder laid out like nbgrader's (STUDENT/SET/SET.ipynb), a folder of notebooks, one notebook, or a
    zip from Canvas or Moodle. A damaged file whose path names the set is a submission too, so that its owner is told.
    With `known_students`, only theirs count, in their spelling. `root` is the course (default: here).
    """
    from racecourse.learn.notebooks import course_root, read

    releases = {path.stem: read(path) for path in sorted(course_root(root).glob("exercises/*/*.ipynb"))}
    if name not in releases:
        raise ValueError(f"no exercise set named {name!r}; there are {', '.join(releases)}")
    if not source.exists():
        raise FileNotFoundError(f"nothing at {str(source)!r}")
    skipped: list[str] = []
    files = [file for file in collect(source, skipped) if not in_folder_of_another_set(file, name, releases)]
    several_folders = len({file.parts[:-1] for file in files if len(file.parts) > 1}) > 1
    candidates: list[tuple[Owner, bool, Found]] = []
    for file in files:
        owner = owner_of(file.parts, name, source, several_folders)
        reason, readable = reason_against(file, name, releases, owner.placed_by_name)
        if not reason and not owner.student:
            reason = "whose it is cannot be told: name the file or its folder after the student"
        if reason:
            skipped.append(f"{file.path_shown}: {reason}")
        else:
            candidates.append((owner, readable, file))
    return newest_of_each(candidates, known_students, skipped), skipped


def in_folder_of_another_set(file: Found, name: str, releases: Mapping[str, Any]) -> bool:
    return any(part in releases and part != name for part in file.parts[:-1])


def reason_against(file: Found, name: str, releases: Mapping[str, Any], placed_by_name: bool) -> tuple[str, bool]:
    """Why the file is no submission ("" if it is one), and whether it can be read."""
    try:
        found = set_of(parse(file.data)[0], releases)
    except Refused as refusal:
        return ("" if placed_by_name else str(refusal)), False
    if found == name or (found is None and placed_by_name):
        return "", found == name
    return (f"it is the set {found!r}" if found else "it holds none of the set's cells"), False


def newest_of_each(
    candidates: list[tuple[Owner, bool, Found]], known_students: Collection[str] | None, skipped: list[str]
) -> list[Submission]:
    numbers: dict[str, set[str]] = {}
    for owner, _, _ in candidates:
        numbers.setdefault(owner.student, set()).add(owner.number)
    chosen: dict[str, list[tuple[Any, Found]]] = {}
    for owner, readable, file in candidates:
        student, reason = student_of(owner, file.parts, len(numbers[owner.student]) > 1, known_students)
        if reason:
            skipped.append(f"{file.path_shown}: {reason}")
            continue
        when = file.submitted_at.timestamp() if file.submitted_at else 0.0
        chosen.setdefault(student, []).append(((readable, owner.order, when, file.path_shown), file))
    submissions = []
    for student, files in sorted(chosen.items()):
        files.sort(key=lambda pair: pair[0])
        _, newest = files[-1]
        submissions.append(Submission(student, newest.path_shown, newest.data, newest.submitted_at))
        for _, older in files[:-1]:
            skipped.append(f"{older.path_shown}: {student} handed in more than one file; {newest.path_shown} counts")
    return submissions


def student_of(
    owner: Owner, parts: tuple[str, ...], shares_name: bool, known_students: Collection[str] | None
) -> tuple[str, str]:
    """The student's id, or "" and why there is none. Of two people of one name the platform's number is in the id."""
    is_shared = shares_name and bool(owner.number)
    if known_students is None:
        return (f"{owner.student}_{owner.number}" if is_shared else owner.student), ""
    if owner.number in known_students:
        return owner.number, ""
    student = known(owner.student, parts, known_students)
    if student is None:
        advice = "rename the file, or add them to the list of students"
        return "", f"no student named {owner.student!r} is known; {advice}"
    if is_shared:
        return "", f"more than one person is named {owner.student!r}; name the file after the one whose it is"
    return student, ""


def owner_of(parts: tuple[str, ...], name: str, source: Path, several_folders: bool) -> Owner:
    """Whose file it is, by its path alone.

    >>> owner_of(("anna", "01_x", "01_x.ipynb"), "01_x", Path("submitted"), False).student
    'anna'
    >>> owner_of(("leeanna_LATE_12_345_01_x-2.ipynb",), "01_x", Path("all.zip"), False).student
    'leeanna'
    >>> owner_of(("Anna Lee_77_assignsubmission_file_", "01_x.ipynb"), "01_x", Path("all.zip"), False).student
    'Anna_Lee'
    """
    *folders, file = parts
    stem = re.sub(r"\.ipynb$", "", file, flags=re.I)
    copies = sum(int(n) for n in re.findall(r"(?: \((\d+)\)|-Copy(\d+)|-(\d+))$", stem) for n in n if n)
    for folder in reversed(folders):
        if moodle := re.fullmatch(r"(.+?)_(\d+)_assignsubmission_.*", folder):
            return Owner(safe(moodle[1]), moodle[2], (copies,), True)
    for part in (stem, *reversed(folders)):  # a folder, where the file that was handed in is a zip
        if canvas := re.fullmatch(r"([^_]+)(?:_LATE)?_(\d+)_(\d+)_(.+)", part, flags=re.I):
            return Owner(safe(canvas[1]), canvas[2], (int(canvas[3]), copies), True)
    if name in folders:
        at = len(folders) - 1 - folders[::-1].index(name)
        student = folders[at - 1] if at else (source.name if source.is_dir() else "")
        return Owner(safe(student), order=(stem == name, copies), placed_by_name=True)
    rest = re.sub(r"^copy of |[ _-]*\(\d+\)$|-copy\d+$", "", stem, flags=re.I).replace(name, "")
    by_name = name in stem
    if folders and (several_folders or not safe(rest)):
        return Owner(safe(folders[-1]), order=(copies,), placed_by_name=by_name)
    if not safe(rest) and source.is_dir() and source.name == name:
        rest = source.parent.name  # submitted/anna/SET was named itself
    return Owner(safe(rest), order=(copies,), placed_by_name=by_name)


def safe(text: str) -> str:
    """A name as it can stand in a path and as a student's id: letters of any script, digits, '.', '_' and '-'."""
    return re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", text)).strip("._-")[:64]


def known(student: str, parts: Iterable[str], known_students: Collection[str]) -> str | None:
    """The known student who is meant: by the same letters, by the same words in any order, by a part of the path."""

    def letters(text: str) -> str:
        return re.sub(r"[\W_]+", "", unicodedata.normalize("NFC", text)).casefold()

    def words(text: str) -> list[str]:
        return sorted(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", text).casefold()))

    if student in known_students:
        return student
    for candidate in (student, *parts):
        for same in (letters, words):
            found = [name for name in known_students if same(name) and same(name) == same(candidate)]
            if len(found) == 1:
                return found[0]
    return None


class Budget:
    """What one call may still unpack."""

    def __init__(self) -> None:
        self.bytes, self.entries = MAX_UNPACKED, MAX_ENTRIES


def collect(source: Path, skipped: list[str]) -> list[Found]:
    """Every notebook at or below `source`, in zips too; what is left out is noted in `skipped`."""
    budget = Budget()
    if source.is_file():
        return list(from_file(source, (source.name,), (), skipped, budget))
    found: list[Found] = []
    for path in sorted(source.rglob("*")):  # rglob follows no symbolic link
        parts = path.relative_to(source).parts
        shown = "/".join(parts)
        if path.is_symlink():
            skipped.append(f"{shown}: it is a link, and links are not followed")
        elif path.is_file():
            found += from_file(path, parts, (*parts[:-1], path.stem), skipped, budget)
    return found


def from_file(
    path: Path, parts: tuple[str, ...], above: tuple[str, ...], skipped: list[str], budget: Budget
) -> Iterator[Found]:
    """The notebook in a file, or those in a zip, for which `above` stands as their folder."""
    shown = "/".join(parts)
    if reason := reason_by_name(parts):
        skipped.extend(f"{shown}: {text}" for text in [reason] if parts[-1] != "timestamp.txt")  # nbgrader's own
        return
    try:
        if path.suffix.lower() == ".zip":
            with path.open("rb") as file:
                yield from from_zip(file, above, shown, 1, skipped, budget)
        elif path.stat().st_size > MAX_NOTEBOOK:
            skipped.append(f"{shown}: it is larger than {MAX_NOTEBOOK / MB:.0f} MB; ask for it without its outputs")
        else:
            yield Found(parts, shown, path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, tz=UTC))
    except OSError as error:
        skipped.append(f"{shown}: it cannot be read ({error.strerror})")


def reason_by_name(parts: tuple[str, ...]) -> str:
    """Why a file is left out by its path alone; "" if it is a notebook or a zip."""
    if "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] == ".DS_Store":
        return "it is a note of macOS and no submission"
    if ".ipynb_checkpoints" in parts:
        return "it is a copy that Jupyter saved for itself"
    if not parts[-1].lower().endswith((".ipynb", ".zip")):
        return "it is no notebook (.ipynb)"
    return ""


def from_zip(
    file: Any, above: tuple[str, ...], shown: str, depth: int, skipped: list[str], budget: Budget
) -> Iterator[Found]:
    """The notebooks in a zip, and in zips in it; entries are read into memory, none is unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                budget.entries -= 1
                if budget.entries < 0:
                    skipped.append(f"{shown}: it has more than {MAX_ENTRIES} entries; the rest is left out")
                    return
                if not info.is_dir():
                    yield from from_entry(archive, info, above, shown, depth, skipped, budget)
    except ZIP_ERRORS as error:
        skipped.append(f"{shown}: it is no readable zip ({error}); download it again")


def from_entry(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, above: tuple[str, ...], shown: str, depth: int,
    skipped: list[str], budget: Budget,
) -> Iterator[Found]:  # fmt: skip
    path = PurePosixPath(info.filename.replace("\\", "/"))
    shown = f"{shown} > {info.filename}"
    parts = (*above, *path.parts)
    reason = reason_by_name(path.parts) if path.parts else "it has no name"
    is_zip = path.suffix.lower() == ".zip"
    if path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts[:1]):
        reason = "its path leads out of the zip"
    elif stat.S_ISLNK(info.external_attr >> 16):
        reason = "it is a link, and links are not followed"
    elif not reason and info.flag_bits & 1:
        reason = "it is encrypted; ask for it without a password"
    elif not reason and is_zip and depth >= MAX_ZIPS_IN_ZIPS:
        reason = "it is a zip in a zip in a zip; unpack it first"
    elif not reason and info.file_size > MAX_NOTEBOOK:
        reason = f"it is larger than {MAX_NOTEBOOK / MB:.0f} MB"
    elif not reason and info.file_size > MB and info.file_size > MAX_RATIO * info.compress_size:
        reason = f"it is packed more than {MAX_RATIO} times, as no notebook is"
    elif not reason and info.file_size > budget.bytes:
        reason = f"more than {MAX_UNPACKED / MB:.0f} MB would have to be unpacked; split the download"
    if reason:
        if path.name != "timestamp.txt":
            skipped.append(f"{shown}: {reason}")
        return
    try:
        with archive.open(info) as entry:
            data = entry.read(info.file_size + 1)  # never more than it says that it holds
    except ZIP_ERRORS as error:
        skipped.append(f"{shown}: it is damaged in the zip ({error})")
        return
    budget.bytes -= len(data)
    if is_zip:
        yield from from_zip(io.BytesIO(data), (*parts[:-1], path.stem), shown, depth + 1, skipped, budget)
    else:
        yield Found(parts, shown, data, date_of(info))


def date_of(info: zipfile.ZipInfo) -> datetime | None:
    """The entry's date, which zips keep in local time; None for the date that stands for none."""
    try:
        return datetime(*info.date_time).astimezone(UTC) if info.date_time[0] > 1980 else None
    except (ValueError, OverflowError, OSError):
        return None
