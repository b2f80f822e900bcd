"""From a file's bytes to a valid notebook, or a sentence that says why there is none in it.

Anything with a list of cells becomes valid nbformat 4.5; what is valid stays as it is, outputs aside.
Left out: nbformat 1 and 2.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from typing import Any

MB = 10**6
MAX_NOTEBOOK = 100 * MB
MAX_CELLS = 2000
MAX_SOURCE = 1 * MB  # of all cells; the longest set has 0.1
MAX_OUTPUTS = 1 * MB  # kept for the integrity report; grading makes its own
MAX_LEVELS = 60  # of lists in lists; a notebook with the deepest plot has about 25
HAND_IN = "in Colab choose File > Download > Download .ipynb, in JupyterLab File > Download, and hand in that file"


class Refused(ValueError):  # noqa: N818 - it is an answer to the learner, no error of the program
    """What was handed in cannot be graded: one sentence that says why and what to do next."""


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
