"""Whatever arrives is repaired or refused with a reason: 330 seeded mutations of honest work, 200 of its bytes."""

import io
import json
import os
import random
import re
import unicodedata
import zipfile
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest

from racecourse.grading.autograde import Classroom, Graded, with_late_flag
from racecourse.grading.classes.rosters import Student
from racecourse.grading.intake import (
    Refused,
    Submission,
    find_submissions,
    finding,
    parse,
    reading,
    repair,
    repairing,
    require_set,
    set_of,
)
from racecourse.grading.integrity import grade_id_of, is_answer, is_ours, is_test
from racecourse.grading.records import Report, from_json, to_json
from racecourse.learn.notebooks import read, release_path, target_of

ROOT = Path(__file__).resolve().parent.parent
SETS = ["00_start_here", "01_transformers", "03_mixture_of_experts"]
NAME, OTHER = "00_start_here", "01_transformers"
OWN = "my_notes = [1, 2, 3]"


@cache
def release(name: str) -> Any:
    return read(release_path(name, ROOT))


@cache
def solved(name: str) -> Any:
    """The release with the solution's answers; share it, never change it."""
    notebook, answers = deepcopy(release(name)), {grade_id_of(c): c.source for c in read(target_of(name, ROOT)).cells}
    for cell in notebook.cells:
        if is_answer(cell):
            cell.source = answers[grade_id_of(cell)]
    return notebook


def submission(name: str = NAME) -> Any:
    return deepcopy(solved(name))


def cell_of(notebook: Any, grade_id: str) -> Any:
    return next(cell for cell in notebook.cells if grade_id_of(cell) == grade_id)


def own(source: str = OWN) -> Any:
    return nbformat.v4.new_code_cell(source)


def as_bytes(notebook: Any) -> bytes:
    return json.dumps(notebook).encode()


def after(notebook: Any, name: str = NAME) -> tuple[Any, list[str]]:
    """Parsed and repaired, and proved to be in shape."""
    return taken_in(as_bytes(notebook), name)


def taken_in(data: bytes, name: str = NAME, stubs: set[str] | None = None) -> tuple[Any, list[str]]:
    notebook, remarks = parse(data)
    nbformat.validate(notebook)
    remarks += repair(notebook, release(name))
    in_shape(notebook, name)
    answers_are(notebook, name, stubs or set())
    before = deepcopy(notebook)
    assert repair(notebook, release(name)) == [], "a second repair says nothing"
    assert notebook == before, "and changes nothing"
    return notebook, remarks


def in_shape(notebook: Any, name: str) -> None:
    nbformat.validate(notebook)
    assert notebook.nbformat_minor == 5
    labelled = [cell for cell in notebook.cells if grade_id_of(cell)]
    assert [grade_id_of(cell) for cell in labelled] == [grade_id_of(cell) for cell in release(name).cells]
    for cell, original in zip(labelled, release(name).cells, strict=True):
        assert cell.cell_type == original.cell_type and cell.id == original.id
        assert cell.metadata.nbgrader == original.metadata.nbgrader
        assert is_answer(original) or cell.source == original.source
    assert notebook.metadata == release(name).metadata
    assert not any("tags" in cell.metadata for cell in notebook.cells)


def answers_are(notebook: Any, name: str, stubs: set[str]) -> None:
    for cell in notebook.cells:
        if is_answer(cell):
            expected = release(name) if grade_id_of(cell) in stubs else solved(name)
            assert cell.source == cell_of(expected, grade_id_of(cell)).source, grade_id_of(cell)


# ---- Mutations: each changes a notebook in place and returns the answers that it destroyed ---------------------------


def at_random(rng: random.Random, notebook: Any, kind: Callable[[Any], bool]) -> int:
    return rng.choice([index for index, cell in enumerate(notebook.cells) if kind(cell)] or [0])


def is_code_answer(cell: Any) -> bool:
    return is_answer(cell) and cell.cell_type == "code"


def delete_ours(rng, notebook):
    for _ in range(rng.randint(1, 5)):
        del notebook.cells[at_random(rng, notebook, lambda cell: is_ours(cell) and untouched(cell))]


def delete_answer(rng, notebook):
    at = at_random(rng, notebook, is_code_answer)
    name = grade_id_of(notebook.cells[at])
    notebook.cells = [cell for cell in notebook.cells if grade_id_of(cell) != name or not is_answer(cell)]
    return {name}


def double_ours(rng, notebook):
    copy = deepcopy(notebook.cells[at_random(rng, notebook, is_ours)])
    notebook.cells.insert(rng.randrange(len(notebook.cells)), copy)


def double_answer(rng, notebook):
    """The stub pasted behind the answer, or an earlier try in front of it."""
    at = at_random(rng, notebook, is_code_answer)
    copy = deepcopy(notebook.cells[at])
    if rng.random() < 0.5:
        name = grade_id_of(copy)
        copy.source = next(c for n in SETS for c in release(n).cells if grade_id_of(c) == name).source
        notebook.cells.insert(rng.randint(at + 1, len(notebook.cells)), copy)
    else:
        copy.source += "\n# an earlier try"
        notebook.cells.insert(rng.randint(0, at), copy)


def shuffle(rng, notebook):
    a, b = rng.randrange(len(notebook.cells)), rng.randrange(len(notebook.cells))
    if grade_id_of(notebook.cells[a]) != grade_id_of(notebook.cells[b]):
        same = [grade_id_of(cell) for cell in notebook.cells]
        if same.count(same[a]) == 1 and same.count(same[b]) == 1:  # of copies, the order says which counts
            notebook.cells[a], notebook.cells[b] = notebook.cells[b], notebook.cells[a]


def edit_ours(rng, notebook):
    cell = notebook.cells[at_random(rng, notebook, lambda cell: is_ours(cell) and untouched(cell))]
    cell.source = rng.choice(["", "pass", cell.source[: len(cell.source) // 2], cell.source + "\nprint(1)"])


def change_type(rng, notebook):
    cell = notebook.cells[at_random(rng, notebook, lambda cell: bool(grade_id_of(cell)))]
    cell.cell_type = rng.choice(["raw", "markdown"]) if cell.cell_type == "code" else "code"


def tag(rng, notebook):
    notebook.cells[rng.randrange(len(notebook.cells))].setdefault("metadata", {})["tags"] = ["skip-execution"]


def add_own(rng, notebook):
    notebook.cells.insert(rng.randint(0, len(notebook.cells)), own(f"{OWN}  # {rng.random()}"))


def colab(rng, notebook):
    notebook.metadata = {"colab": {"name": "x", "provenance": [{"file_id": "1"}]}, "accelerator": "GPU",
                         "kernelspec": {"name": "python3", "display_name": "Python 3"},
                         "widgets": {"application/vnd.jupyter.widget-state+json": {"a": {}}}}  # fmt: skip
    for cell in notebook.cells:
        cell.metadata |= {"id": f"c{rng.random()}"[:8].replace(".", ""), "outputId": "abc", "executionInfo": {"a": 1}}


def other_kernel(rng, notebook):
    r = {"kernelspec": {"name": "ir", "display_name": "R"}, "language_info": {"name": "R", "version": 4}}
    notebook.metadata = rng.choice([None, [], {}, {"kernelspec": None}, r])


def merge_test(rng, notebook):
    """The answer's cell and the test behind it become one, with the label of either."""
    at = at_random(rng, notebook, is_code_answer)
    if at + 1 < len(notebook.cells) and is_test(notebook.cells[at + 1]):
        answer, test = notebook.cells[at], notebook.cells[at + 1]
        if test.cell_type != "code" or not test.source.strip() or not untouched(test):
            return
        answer.source += rng.choice(["\n", "\n\n"]) + test.source
        if rng.random() < 0.3:
            answer.metadata = deepcopy(test.metadata)
        del notebook.cells[at + 1]


def untouched(cell: Any) -> bool:
    return any(cell.source == c.source for n in SETS for c in release(n).cells if grade_id_of(c) == grade_id_of(cell))


def lose_label(rng, notebook):
    cell = notebook.cells[at_random(rng, notebook, is_code_answer)]
    if cell.cell_type == "code":
        cell.metadata = {}
        if rng.random() < 0.5:
            cell.id = f"x{rng.randrange(10**6)}"


CHANGES = [delete_ours, delete_answer, double_ours, double_answer, shuffle, edit_ours, change_type, tag, add_own, colab,
           merge_test, lose_label]  # fmt: skip
FIRST = [lose_label, merge_test]  # while the cells still stand as they were handed out


def plain_cells(rng, raw):
    for cell in raw["cells"]:
        roll = rng.random()
        if roll < 0.2:
            cell["source"] = cell["source"].splitlines(keepends=True)
        elif roll < 0.3:
            cell.pop("outputs", None)
            cell.pop("execution_count", None)
        elif roll < 0.4:
            cell["id"] = rng.choice(["", "not valid!", None, 7, "x" * 65])
        elif roll < 0.45:
            cell["id"] = "twice"


def old_minor(rng, raw):
    raw["nbformat_minor"] = rng.randint(0, 4)
    for cell in raw["cells"]:
        cell.pop("id", None)


def odd_outputs(rng, raw):
    for cell in raw["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = rng.choice([None, [], [None], [{"output_type": "stream", "text": ["a\n", 3]}], {},
                                          [{"output_type": "display_data", "data": {"text/plain": 5}}],
                                          [{"output_type": "error", "traceback": "no list"}]])  # fmt: skip


def junk_cells(rng, raw):
    raw["cells"].insert(rng.randrange(len(raw["cells"])), rng.choice([None, 3, "cell", [], {}]))
    raw["cells"].append({"cell_type": "heading", "source": ["own"], "metadata": rng.choice([None, []])})


RAW_CHANGES = [plain_cells, old_minor, odd_outputs, junk_cells]
ENCODINGS = ["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"]


@pytest.mark.parametrize("name", SETS)
def test_110_mutations_of_honest_work(name: str) -> None:
    for seed in range(110):
        rng = random.Random(f"{name} {seed}")
        notebook, destroyed = submission(name), set()
        chosen = rng.sample(CHANGES, rng.randint(1, 5))
        for change in sorted(chosen, key=lambda change: change not in FIRST):
            destroyed |= change(rng, notebook) or set()
        if rng.random() < 0.2:
            other_kernel(rng, notebook)
        raw = json.loads(json.dumps(notebook))
        for change in sorted(rng.sample(RAW_CHANGES, rng.randint(0, 3)), key=RAW_CHANGES.index):  # junk comes last
            change(rng, raw)
        text = json.dumps(raw, ensure_ascii=False, indent=rng.choice([None, 1]))
        data = text.replace("\n", rng.choice(["\n", "\r\n"])).encode(rng.choice(ENCODINGS))
        try:
            taken_in(data, name, destroyed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {[change.__name__ for change in chosen]}: {error!r}"[:600]) from error


def test_200_mutations_of_the_bytes() -> None:
    good = nbformat.writes(submission()).encode()
    refused = 0
    for seed in range(200):
        rng = random.Random(seed)
        data = bytearray(good)
        if seed % 2:
            data = data[: rng.randrange(len(data))]
        for _ in range(rng.choice([0, 1, 5, 50]) if seed % 2 else rng.choice([1, 2, 20])):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            notebook, _ = parse(bytes(data))
            repair(notebook, release(NAME))
            in_shape(notebook, NAME)
        except Refused as refusal:
            refused += 1
            assert len(str(refusal)) > 40 and "\n" not in str(refusal)
    assert 100 <= refused < 200


def test_400_values_replaced_by_junk() -> None:
    """Any value of the JSON, at any depth, may be anything: the result is valid or refused."""
    good = submission()
    good.cells[3].outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "1"}, metadata={}),
                             nbformat.v4.new_output("stream", text="a")]  # fmt: skip
    good.cells[5]["attachments"] = {"a.png": {"image/png": "AAAA"}}
    text = json.dumps(good)
    for seed in range(400):
        rng = random.Random(seed)
        raw = json.loads(text)
        for _ in range(rng.randint(1, 6)):
            at, path = raw, rng.randint(1, 5)
            while True:
                keys = list(at) if isinstance(at, dict) else list(range(len(at)))
                key = rng.choice(keys) if keys else None
                if key is None or path == 0 or not isinstance(at[key], (dict, list)) or not at[key]:
                    break
                at, path = at[key], path - 1
            if key is not None:
                at[key] = rng.choice([None, True, -1, 1.5, "", "\ud800", "x", [], [1], {}, {"a": None}, [[]]])
        try:
            notebook, _ = parse(json.dumps(raw).encode())
            nbformat.validate(notebook)
            repair(notebook, release(NAME))
            in_shape(notebook, NAME)
        except Refused:
            pass


# ---- Each item by name: bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n\0", "empty"),
        (b'{"cells": [', "breaks off at line 1, after 11 characters"),
        (b'{"cells": [,]}', "damaged at line 1, column 12"),
        (b"[1, 2]", "no notebook"),
        (b'{"cells": 3}', "no notebook"),
        (b'{"a": 1}', "no notebook"),
        (b"<!DOCTYPE html><html></html>", "web page .* Colab choose File > Download > Download .ipynb"),
        (b"import math\n\ndef f():\n    pass\n", "Python script .* Download .ipynb"),
        (b"Dear teacher,", "is text and no notebook"),
        (b"PK\x03\x04rest", "archive"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"cells": [' + b"{}," * 3000 + b"{}]}", "more than 2000 cells"),
        (b'{"cells": [{"cell_type": "code", "source": "' + b"x" * 2_000_000 + b'"}]}', "more than 1 MB of text"),
    ],
)
def test_what_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        parse(data)


def test_a_notebook_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_NOTEBOOK", 10_000)
    with pytest.raises(Refused, match="clear all outputs"):
        parse(as_bytes(submission()))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "cp1252"])
def test_other_encodings_are_read(encoding: str) -> None:
    notebook = submission()
    cell_of(notebook, "start-here-question").source = "Zoë: größer"
    text = json.dumps(notebook, ensure_ascii=False)
    read_back, _ = parse(text.encode(encoding, "replace"))
    assert cell_of(read_back, "start-here-question").source == "Zoë: größer"


def test_a_few_broken_bytes_do_not_change_the_encoding() -> None:
    text = json.dumps({"cells": [{"cell_type": "code", "source": "# äöüß ?"}]}, ensure_ascii=False).encode()
    notebook, remarks = parse(text.replace(b"?", b"\xff"))
    assert notebook.cells[0].source == "# äöüß \ufffd"
    assert "some characters could not be read and were replaced" in remarks


def test_line_ends_nan_and_lone_surrogates() -> None:
    raw = {"cells": [{"cell_type": "code", "source": "a\r\nb\rc\ud800", "metadata": {"x": float("nan"), "y": 1e999}}]}
    notebook, _ = parse(json.dumps(raw).encode())
    assert notebook.cells[0].source == "a\nb\nc?"
    assert notebook.cells[0].metadata == {"x": None, "y": None}


def test_deep_metadata_is_cut_and_not_followed() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    notebook = submission()
    notebook.metadata = {"deep": deep}
    notebook.cells[0].metadata = {"nbgrader": notebook.cells[0].metadata.nbgrader, "deep": [deep]}
    after(notebook)


def test_version_3_is_upgraded_and_its_answers_are_known_by_what_they_define() -> None:
    cells = []
    for cell in submission().cells:
        key = "input" if cell.cell_type == "code" else "source"
        cells.append({"cell_type": cell.cell_type, key: cell.source, "metadata": {}, "prompt_number": 1})
    cells.insert(1, {"cell_type": "heading", "level": 2, "source": ["mine"], "metadata": {}})
    data = json.dumps({"nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": cells}], "metadata": {}}).encode()
    notebook, remarks = taken_in(data)
    assert any("format 3" in remark for remark in remarks) and any("lost their labels" in remark for remark in remarks)
    assert "## mine" in [cell.source for cell in notebook.cells]


def test_ids_are_unique_and_the_same_each_time() -> None:
    raw = {"cells": [{"cell_type": "code", "source": "1", "id": i} for i in ("a", "a", None, "no good", "own")]}
    first, second = (parse(json.dumps(raw).encode())[0] for _ in range(2))
    ids = [cell.id for cell in first.cells]
    assert ids == [cell.id for cell in second.cells] and len(set(ids)) == 5 and ids[0] == "a" and ids[4] == "own"


def test_outputs_are_kept_up_to_one_megabyte() -> None:
    notebook = submission()
    cell_of(notebook, "setup").outputs = [nbformat.v4.new_output("stream", text="small")]
    cell_of(notebook, "table").outputs = [nbformat.v4.new_output("stream", text="x" * 2_000_000)]
    read_back, remarks = parse(as_bytes(notebook))
    assert cell_of(read_back, "setup").outputs[0].text == "small"
    assert cell_of(read_back, "table").outputs == []
    assert any("outputs beyond 1 MB" in remark for remark in remarks)


# ---- Each item by name: cells ----------------------------------------------------------------------------------------


def test_what_is_as_it_should_be_is_left_as_it_is() -> None:
    for name in SETS:
        notebook, remarks = after(submission(name), name)
        assert remarks == []
        assert [cell.source for cell in notebook.cells] == [cell.source for cell in solved(name).cells]


def test_colabs_keys_widgets_kernel_and_tags_go_with_a_remark_each() -> None:
    notebook = submission()
    colab(random.Random(0), notebook)
    notebook.metadata["kernelspec"] = {"name": "ir", "display_name": "R"}
    notebook.cells[8].metadata["tags"] = ["skip-execution"]
    notebook, remarks = after(notebook)
    assert [remark.split(",")[0][:34] for remark in remarks] == [
        "the notebook named the kernel ('ir",
        "the saved state of widgets was rem",
        "what Colab notes in a notebook for",
        "tags on cells were removed",
    ]
    assert not any(repairing.COLAB_KEYS & set(cell.metadata) for cell in notebook.cells)


def test_attachments_of_an_answer_are_kept() -> None:
    notebook = submission()
    cell_of(notebook, "start-here-question")["attachments"] = {"a.png": {"image/png": "AAAA"}}
    notebook, _ = after(notebook)
    assert cell_of(notebook, "start-here-question").attachments == {"a.png": {"image/png": "AAAA"}}


def test_ours_deleted_doubled_edited_moved_and_retyped() -> None:
    notebook = submission()
    notebook.cells.insert(3, deepcopy(cell_of(notebook, "weight-bytes-hidden")))
    notebook.cells.append(notebook.cells.pop(0))
    notebook.cells.remove(cell_of(notebook, "table"))
    cell_of(notebook, "tokens-per-second-visible").source = "pass"
    cell_of(notebook, "models-that-fit-visible").cell_type = "raw"
    _, remarks = after(notebook)
    assert "the cell 'weight-bytes-hidden' was there more than once; one counts" in remarks
    assert "cells had been moved; they are in the set's order again" in remarks
    assert "the cell 'table' was missing; it was put back as it was handed out" in remarks
    changed = "the text of the cell 'tokens-per-second-visible' had been changed; it was put back as it was handed out"
    assert changed in remarks
    assert "the cell 'models-that-fit-visible' was a raw cell; it is a code cell again" in remarks


def test_an_edited_copy_of_a_test_stays_as_a_cell_of_ones_own() -> None:
    notebook = submission()
    copy = deepcopy(cell_of(notebook, "weight-bytes-visible"))
    copy.source = "print(weight_bytes(5, bits=4))"
    notebook.cells.append(copy)
    notebook, _ = after(notebook)
    assert notebook.cells[-1].source == copy.source and not grade_id_of(notebook.cells[-1])


def test_own_cells_stay_behind_the_cell_that_they_followed() -> None:
    notebook = submission()
    at = notebook.cells.index(cell_of(notebook, "weight-bytes"))
    notebook.cells[at + 1 : at + 1] = [own("second = 1"), own("third = 1")]
    moved = notebook.cells[at : at + 3]
    del notebook.cells[at : at + 3]
    notebook.cells[1:1] = moved
    notebook, _ = after(notebook)
    at = notebook.cells.index(cell_of(notebook, "weight-bytes"))
    assert [cell.source for cell in notebook.cells[at + 1 : at + 3]] == ["second = 1", "third = 1"]


def test_the_last_copy_of_an_answer_counts_unless_it_is_the_stub() -> None:
    stub = cell_of(release(NAME), "weight-bytes").source
    for earlier, later in (("# try\n{}", "{}"), ("{}", stub), ("{}", "")):
        notebook = submission()
        cell = cell_of(notebook, "weight-bytes")
        copy = deepcopy(cell)
        copy.source, cell.source = later.replace("{}", cell.source), earlier.replace("{}", cell.source)
        notebook.cells.append(copy)
        notebook, remarks = after(notebook)
        assert any("'weight-bytes' was there more than once" in remark for remark in remarks)
        assert stub not in [cell.source for cell in notebook.cells], "a stub behind the answer would undo it"


def test_an_answer_in_two_cells_still_runs_in_order() -> None:
    notebook = submission()
    cell = cell_of(notebook, "weight-bytes")
    at = notebook.cells.index(cell)
    helper = deepcopy(cell)
    helper.source = "import math as m"
    notebook.cells.insert(at, helper)  # JupyterLab gives both halves the label
    notebook.cells.insert(at + 2, own("weight_bytes.done = True"))
    notebook, _ = after(notebook)
    sources = [cell.source for cell in notebook.cells]
    assert sources[at] == "import math as m" and sources[at + 2] == "weight_bytes.done = True"
    assert grade_id_of(notebook.cells[at + 1]) == "weight-bytes"


@pytest.mark.parametrize("label", ["answer", "test", "retyped", "none"])
def test_an_answer_merged_with_its_tests_is_taken_apart(label: str) -> None:
    notebook = submission()
    at = notebook.cells.index(cell_of(notebook, "weight-bytes"))
    parts = notebook.cells[at : at + 3]
    merged = {"answer": parts[0], "test": parts[1], "retyped": parts[1], "none": own()}[label]
    if label == "retyped":
        merged.cell_type = "markdown"
    merged.source = "\n\n".join(part.source for part in deepcopy(solved(NAME)).cells[at : at + 3])
    notebook.cells[at : at + 3] = [merged]
    after(notebook)


def test_two_exercises_merged_into_one_cell_are_taken_apart() -> None:
    notebook = submission()
    first = notebook.cells.index(cell_of(notebook, "weight-bytes"))
    last = notebook.cells.index(cell_of(notebook, "models-that-fit"))
    merged = notebook.cells[first]
    merged.source = "\n\n".join(cell.source for cell in notebook.cells[first : last + 1] if cell.cell_type == "code")
    notebook.cells[first : last + 1] = [merged]
    after(notebook)


def test_an_answer_without_its_label_is_known() -> None:
    for change in ({"metadata": {}}, {"metadata": {}, "id": "other"}):
        notebook = submission(OTHER)
        cell_of(notebook, "layer-bugs").update(change)
        after(notebook, OTHER)
    notebook = submission()
    cell_of(notebook, "start-here-question").update(change)
    after(notebook)


def test_a_notebook_without_any_label_is_known_by_its_text() -> None:
    for name in SETS:
        notebook = submission(name)
        for index, cell in enumerate(notebook.cells):
            cell.metadata, cell.id = {}, f"c{index}"
        _, remarks = after(notebook, name)
        assert len(remarks) == 1 and "lost their labels" in remarks[0]


def test_an_answer_in_an_own_cell_beside_the_stub_counts() -> None:
    notebook = submission()
    cell = cell_of(notebook, "weight-bytes")
    notebook.cells.insert(3, own(cell.source))
    cell.source = cell_of(release(NAME), "weight-bytes").source
    after(notebook)


def test_another_set_is_refused_by_name() -> None:
    releases = {name: release(name) for name in SETS}
    with pytest.raises(Refused, match="of the 7 answers and tests of this set none are in the notebook"):
        repair(submission(OTHER), release(NAME))
    with pytest.raises(Refused, match="is the set '01_transformers' and not '00_start_here'"):
        require_set(submission(OTHER), NAME, releases)
    require_set(submission(), NAME, releases)
    assert set_of(nbformat.v4.new_notebook(cells=[own()]), releases) is None
    assert [set_of(submission(name), releases) for name in SETS] == SETS


# ---- Each item by name: files ----------------------------------------------------------------------------------------


GOOD = as_bytes(solved(NAME))
FOREIGN = as_bytes(solved(OTHER))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 5, 4, 12, 0, 0)), data, method)
    return buffer.getvalue()


def found_in(folder: Path, files: dict[str, bytes], students: Any = None) -> tuple[dict[str, str], list[str]]:
    """Student -> where their file was, and what was skipped."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    submissions, skipped = find_submissions(folder, NAME, students, root=ROOT)
    return {found.student: found.path_shown for found in submissions}, skipped


def in_zip(folder: Path, files: dict[str, bytes], students: Any = None) -> tuple[dict[str, str], list[str]]:
    path = folder / "download.zip"
    path.write_bytes(zipped(files))
    submissions, skipped = find_submissions(path, NAME, students, root=ROOT)
    assert all(found.submitted_at and found.submitted_at.year == 2026 for found in submissions)
    return {found.student: found.path_shown for found in submissions}, skipped


def test_nbgraders_folders(tmp_path: Path) -> None:
    files = {f"anna/{NAME}/{NAME}.ipynb": GOOD, f"anna/{NAME}/{NAME}-Copy1.ipynb": GOOD,
             f"anna/{NAME}/timestamp.txt": b"", f"anna/{OTHER}/{OTHER}.ipynb": FOREIGN,
             f"ben/{NAME}/final.ipynb": GOOD, f"cy/{NAME}/{NAME}.ipynb": FOREIGN, f"dee/{NAME}/{NAME}.ipynb": b"{",
             f"anna/{NAME}/.ipynb_checkpoints/{NAME}-checkpoint.ipynb": GOOD}  # fmt: skip
    found, skipped = found_in(tmp_path, files)
    assert found == {
        "anna": f"anna/{NAME}/{NAME}.ipynb",
        "ben": f"ben/{NAME}/final.ipynb",
        "dee": f"dee/{NAME}/{NAME}.ipynb",
    }
    assert len(skipped) == 3 and "Jupyter saved for itself" in skipped[0] and "'01_transformers'" in skipped[1]
    assert "anna handed in more than one file" in skipped[2]


def test_a_flat_folder_and_renamed_files(tmp_path: Path) -> None:
    files = {"anna.ipynb": GOOD, f"{NAME}_ben.ipynb": GOOD, f"Copy of {NAME}_ben (2).ipynb": GOOD, "Zoë M..ipynb": GOOD,
             "notes.ipynb": as_bytes(nbformat.v4.new_notebook()), "x.html": b"<html>",
             f"Copy of {NAME} (1).ipynb": GOOD}  # fmt: skip
    found, skipped = found_in(tmp_path, files)
    assert found == {"anna": "anna.ipynb", "ben": f"Copy of {NAME}_ben (2).ipynb", "Zoë_M": "Zoë M..ipynb"}
    said = "\n".join(sorted(skipped))
    assert len(skipped) == 4 and "whose it is cannot be told" in said and "none of the set's cells" in said
    assert "no notebook (.ipynb)" in said and f"{NAME}_ben.ipynb: ben handed in more" in said


def test_a_folder_for_each_student(tmp_path: Path) -> None:
    found, _ = found_in(tmp_path, {"anna/final.ipynb": GOOD, "ben/x.zip": zipped({"my work.ipynb": GOOD})})
    assert found == {"anna": "anna/final.ipynb", "x": "ben/x.zip > my work.ipynb"}
    found, _ = found_in(tmp_path, {}, ["Anna", "ben"])
    assert found == {"Anna": "anna/final.ipynb", "ben": "ben/x.zip > my work.ipynb"}


def test_a_zip_from_canvas(tmp_path: Path) -> None:
    found, skipped = in_zip(tmp_path, {f"leeanna_12_300_{NAME}.ipynb": GOOD,
                                       f"leeanna_LATE_12_400_{NAME}-1.ipynb": GOOD,
                                       "kimbo_7_301_final.ipynb": GOOD, f"kimbo_8_302_{NAME}.ipynb": GOOD,
                                       "orr_9_303_work.zip": zipped({"w/final.ipynb": GOOD})})  # fmt: skip
    assert found["leeanna"] == f"download.zip > leeanna_LATE_12_400_{NAME}-1.ipynb"
    assert set(found) == {"leeanna", "kimbo_7", "kimbo_8", "orr"}
    assert len(skipped) == 1 and "more than one file" in skipped[0]


def test_a_zip_from_moodle_and_known_students(tmp_path: Path) -> None:
    files = {f"Anna Lee_77_assignsubmission_file_/{NAME}.ipynb": GOOD, "Bo X_78_assignsubmission_file_/a/b.ipynb": GOOD,
             "__MACOSX/._b.ipynb": b"\0"}  # fmt: skip
    assert set(in_zip(tmp_path, files)[0]) == {"Anna_Lee", "Bo_X"}
    found, skipped = in_zip(tmp_path, files, ["lee-anna", "carl"])
    assert list(found) == ["lee-anna"]
    assert any("no student named 'Bo_X' is known" in line for line in skipped)
    assert any("macOS" in line for line in skipped)


def test_zips_that_want_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = zipfile.ZipInfo("link.ipynb")
    link.external_attr = 0o120777 << 16
    inner = zipped({"deep.zip": zipped({"anna.ipynb": GOOD})})
    path = tmp_path / "bad.zip"
    files = {"../up.ipynb": GOOD, "/etc/abs.ipynb": GOOD, "C:\\x.ipynb": GOOD, "bomb.ipynb": b"0" * 3_000_000,
             "in.zip": inner, "broken.zip": b"PK", "good.ipynb": GOOD}  # fmt: skip
    path.write_bytes(zipped(files))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    submissions, skipped = find_submissions(path, NAME, root=ROOT)
    assert [found.student for found in submissions] == ["good"]
    said = "\n".join(skipped)
    assert said.count("leads out of the zip") == 3 and "packed more than 200 times" in said and "a link" in said
    assert "zip in a zip in a zip" in said and "no readable zip" in said

    monkeypatch.setattr(finding, "MAX_UNPACKED", 1000)
    assert "would have to be unpacked" in "\n".join(find_submissions(path, NAME, root=ROOT)[1])
    monkeypatch.setattr(finding, "MAX_ENTRIES", 2)
    assert "more than 2 entries" in "\n".join(find_submissions(path, NAME, root=ROOT)[1])


def test_encrypted_and_damaged_zips(tmp_path: Path) -> None:
    whole = zipped({"anna.ipynb": GOOD, "ben.ipynb": GOOD}, zipfile.ZIP_STORED)
    at = whole.rindex(b"PK\x01\x02")
    encrypted = whole[: at + 8] + b"\x01" + whole[at + 9 :]
    for rng in (random.Random(seed) for seed in range(30)):
        data = bytearray(whole)
        for _ in range(20):
            data[rng.randrange(len(data) - 400, len(data))] = rng.randrange(256)
        (tmp_path / "x.zip").write_bytes(bytes(data[: rng.randint(1, len(data))]))
        find_submissions(tmp_path, NAME, root=ROOT)
    (tmp_path / "x.zip").write_bytes(encrypted)
    submissions, skipped = find_submissions(tmp_path / "x.zip", NAME, root=ROOT)
    assert [found.student for found in submissions] == ["anna"] and "is encrypted" in skipped[0]


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/anna.ipynb").write_bytes(GOOD)
    (tmp_path / "in").mkdir()
    os.symlink(tmp_path / "out", tmp_path / "in/folder")
    os.symlink(tmp_path / "out/anna.ipynb", tmp_path / "in/ben.ipynb")
    submissions, skipped = find_submissions(tmp_path / "in", NAME, root=ROOT)
    assert submissions == [] and len(skipped) == 2 and all("links are not followed" in line for line in skipped)


def test_what_a_caller_got_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no exercise set named 'x'; there are 00_start_here"):
        find_submissions(tmp_path, "x", root=ROOT)
    with pytest.raises(FileNotFoundError, match="nothing at"):
        find_submissions(tmp_path / "x", NAME, root=ROOT)


def test_an_answer_merged_with_the_written_question_is_taken_apart() -> None:
    notebook, given = deepcopy(solved(NAME)), release(NAME)
    written = next(cell for cell in given.cells if cell.cell_type == "markdown" and is_answer(cell))
    notebook.cells = [cell for cell in notebook.cells if grade_id_of(cell) != grade_id_of(written)]
    answer = [cell for cell in notebook.cells if is_answer(cell) and cell.cell_type == "code"][-1]
    whole = answer.source
    answer.source += f"\n\n{written.source}"
    repair(notebook, given)
    assert next(cell for cell in notebook.cells if grade_id_of(cell) == grade_id_of(answer)).source == whole


# ---- Names as Canvas and Moodle make them ----------------------------------------------------------------------------


def by_canvas(
    sortable: str, user: int | str, file: int, shown: str = f"{NAME}.ipynb", late: bool = False, hidden: bool = False
) -> str:
    """content_zipper.rb: get_user_name, get_filename, sanitize_file_name, sanitize_attachment_filename."""
    name = re.sub(r"_(\d+)_", r"\1", sortable).lower()
    parts = [None if hidden else name, "LATE" if late else None, f"anon_{user}" if hidden else str(user)]
    joined = "_".join(part for part in parts if part is not None)
    word = "".join(c for c in joined if c == "_" or unicodedata.category(c)[0] in "LMN")  # Ruby's [[:word:]]
    shown = re.sub(r'[\x00/\\:*?"<>|]+', "_", shown)
    return f"{word}_{file}_{shown}"


def by_moodle(
    full_name: str, number: int | None, shown: str = f"{NAME}.ipynb", path: str = "/", in_folders: bool = True,
    plugin: str = "assignsubmission_file",
) -> str:  # fmt: skip
    """downloader.php: get_student_prefix and load_submissionplugin_filelist, with clean_param(PARAM_FILE)."""

    def clean(text: str) -> str:
        return re.sub(r"[\x00-\x1f&<>\"`|':\\/]", "", text)

    prefix = clean(full_name.replace("_", " ") + ("" if number is None else f"_{number}"))
    return clean(f"{prefix}_{plugin}") + path + shown if in_folders else clean(f"{prefix}_{plugin}_{shown}")


CLASS = [
    Student("al7", "Anna", "Lee", "anna.lee@uni.example", lms_id="12", login="al7"),
    Student("sean", "Seán", "O'Neil-Smith", lms_id="13"),
    Student("zm", "Zoë Ægir", "Müller", lms_id="14"),
    Student("li", "小龙", "李", lms_id="15"),
    Student("priya", "प्रिया", "शर्मा", lms_id="16"),
    Student("olga", "Ольга", "Ёлкина", lms_id="17"),
    Student("mo", "محمد", "علي", lms_id="18"),
    Student("under", "A_9_B", "C_D", lms_id="19"),
    Student("kim1", "Bo", "Kim", lms_id="21"),
    Student("kim2", "Bo", "Kim", lms_id="22"),
]


def test_canvas_names_of_many_scripts_late_and_again(tmp_path: Path) -> None:
    files = {}
    for file, student in enumerate(CLASS):
        sortable = f"{student.last_name}, {student.first_name}"
        files[by_canvas(sortable, student.lms_id, 300 + file, late=file % 2 == 0)] = GOOD
    again = by_canvas("Lee, Anna", 12, 990, f"{NAME}-2.ipynb", late=True)
    files[again] = GOOD
    files[by_canvas("Müller, Zoë Ægir", 14, 991, "notes: all?.ipynb")] = as_bytes(nbformat.v4.new_notebook())
    found, skipped = in_zip(tmp_path, files, CLASS)
    assert set(found) == {student.id for student in CLASS}, "by number, whatever the name became"
    assert found["al7"] == f"download.zip > {again}"
    assert len(skipped) == 2 and "more than one file" in "".join(skipped)
    anonymous = [Student(student.id, student.first_name, student.last_name) for student in CLASS[:8]]
    found, skipped = in_zip(tmp_path, files, anonymous)
    assert set(found) == {student.id for student in anonymous}, "by the name alone"
    found, _ = in_zip(tmp_path, files)
    assert {"kimbo_21", "kimbo_22", "leeanna", "李小龙", "oneilsmithseán"} <= set(found)


def test_a_platforms_zip_says_who_was_late_and_not_when(tmp_path: Path) -> None:
    path = tmp_path / "download.zip"
    names = [by_canvas("Lee, Anna", 12, 300, late=True), by_canvas("Kim, Bo", 21, 301), by_moodle("Ольга Ёлкина", 3)]
    path.write_bytes(zipped(dict.fromkeys(names, GOOD)))
    found = {one.student: (one.platform, one.is_late) for one in find_submissions(path, NAME, CLASS, root=ROOT)[0]}
    assert found == {"al7": ("canvas", True), "kim1": ("canvas", False), "olga": ("moodle", False)}
    (tmp_path / "al7.ipynb").write_bytes(GOOD)
    (own,) = find_submissions(tmp_path / "al7.ipynb", NAME, CLASS, root=ROOT)[0]
    assert (own.platform, own.is_late) == ("", False)


def test_nobody_is_late_by_a_platforms_zip_and_the_same_file_keeps_its_moment(tmp_path: Path) -> None:
    due = datetime(2026, 5, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    room = Classroom(ROOT, NAME, tmp_path, due=due)

    def moments(data: bytes, hour: int, platform: str = "canvas") -> datetime | None:
        return room.handed_in(Submission("anna", "x", data, datetime(2026, 5, 4, hour, tzinfo=UTC), platform), False)

    first = moments(GOOD, 12)
    assert first == datetime(2026, 5, 1, 12), "at the due date, in UTC, as nbgrader keeps it"
    assert moments(GOOD, 13) == first, "downloaded again"
    second = moments(FOREIGN, 14)
    assert second and second < first, "another file is another submission, and in time too"
    assert moments(GOOD, 15) not in (None, second)
    stamp = tmp_path / f"submitted/anna/{NAME}/timestamp.txt"
    stamp.write_text("2026-05-02 08:00:00 UTC")
    assert moments(GOOD, 16) == datetime(2026, 5, 2, 8), "what a person wrote stays"
    assert moments(FOREIGN, 17, platform="") == datetime(2026, 5, 4, 17), "a file of one's own says when"


def test_who_is_late_by_canvas_is_shown_to_the_instructor() -> None:
    graded = Graded(to_json(Report(NAME, [], student="anna")), "")
    for is_late in (True, False):
        submission = Submission("anna", "x", GOOD, None, "canvas", is_late)
        flags = from_json(with_late_flag(graded, submission).report).flags
        assert [flag.kind for flag in flags] == ["late"] * is_late
        assert not is_late or f"submitted/anna/{NAME}/timestamp.txt" in flags[0].said


def test_canvas_two_of_one_name_and_a_number_that_nobody_has(tmp_path: Path) -> None:
    files = {by_canvas("Kim, Bo", 21, 300): GOOD, by_canvas("Kim, Bo", 22, 301): GOOD}
    assert set(in_zip(tmp_path, files, CLASS)[0]) == {"kim1", "kim2"}
    numberless = [Student("kim1", "Bo", "Kim"), Student("kim2", "Bo", "Kim")]
    found, skipped = in_zip(tmp_path, files, numberless)
    assert not found and all("more than one person is named 'kimbo' (kim1 or kim2)" in line for line in skipped)
    assert all("put Canvas's numbers on the roster as lms_id" in line for line in skipped)
    found, skipped = in_zip(tmp_path, {by_canvas("Lee, Anna", 77, 300): GOOD}, CLASS)
    assert not found and "Canvas's number 77 is not on the roster, and the student of that name (al7)" in skipped[0]


def test_canvas_hides_names(tmp_path: Path) -> None:
    files = {by_canvas("", "Xy3Zz", 300, hidden=True): GOOD, by_canvas("", "12345", 301, late=True, hidden=True): GOOD}
    assert set(in_zip(tmp_path, files)[0]) == {"anon_Xy3Zz", "anon_12345"}
    found, skipped = in_zip(tmp_path, files, [*CLASS, Student("x", lms_id="12345")])
    assert not found and all("Canvas hides whose it is" in line for line in skipped)


def test_canvas_zips_that_were_handed_in(tmp_path: Path) -> None:
    work = zipped({f"work/{NAME}.ipynb": GOOD, "work/old/draft.ipynb": as_bytes(nbformat.v4.new_notebook())})
    found, _ = in_zip(tmp_path, {by_canvas("Lee, Anna", 12, 300, "my work.zip"): work}, CLASS)
    assert set(found) == {"al7"}


def test_a_learners_own_way_with_numbers_is_not_canvas(tmp_path: Path) -> None:
    """Dates in names: nothing of them is a user's number."""
    files = {f"anna/{NAME}_2026_11_26.ipynb": GOOD, "ben/Final_2026_11_x.ipynb": GOOD}
    assert set(found_in(tmp_path, files)[0]) == {"anna", "ben"}


@pytest.mark.parametrize("in_folders", [True, False], ids=["folders", "no folders"])
def test_moodle_names_of_many_scripts(tmp_path: Path, in_folders: bool) -> None:
    files = {}
    for number, student in enumerate(CLASS[:8], start=12):  # each number is the lms_id of another: it means nothing
        files[by_moodle(student.name, 31 - number, in_folders=in_folders)] = GOOD
        files[by_moodle(student.name, 31 - number, "onlinetext.html", plugin="assignsubmission_onlinetext")] = b"<p>"
    found, skipped = in_zip(tmp_path, files, CLASS)
    assert set(found) == {student.id for student in CLASS[:8]}
    assert len(skipped) == 8 and all("it is no notebook" in line for line in skipped)


def test_moodles_number_is_nobodys_lms_id(tmp_path: Path) -> None:
    """It is another one in each assignment: 12 is Anna's number in the platform, and here Seán's."""
    files = {by_moodle("Seán O'Neil-Smith", 12): GOOD, by_moodle("Lee Anna", 13): GOOD,
             by_moodle("al7 Anna Lee", 13, path="/sub/"): GOOD, by_moodle("Ольга Ёлкина", 21): GOOD}  # fmt: skip
    found, _ = in_zip(tmp_path, files, CLASS)
    assert "ONeil-Smith" in found["sean"] and "Anna" in found["al7"] and set(found) == {"sean", "al7", "olga"}


def test_moodle_two_of_one_name_are_refused(tmp_path: Path) -> None:
    files = {by_moodle("Bo Kim", 21): GOOD, by_moodle("Bo Kim", 22): GOOD}
    found, skipped = in_zip(tmp_path, files, CLASS)
    assert not found and len(skipped) == 2
    assert all(
        "more than one person is named 'Bo_Kim' (kim1 or kim2); name the file after the id" in s for s in skipped
    )
    found, skipped = in_zip(tmp_path, {by_moodle("Bo Kim", 21): GOOD}, CLASS)
    assert not found and "more than one person" in skipped[0], "one file, and it could be that of either"
    one_known = [student for student in CLASS if student.id != "kim2"]
    assert not in_zip(tmp_path, files, one_known)[0], "one of them is not on the roster, and nobody knows which"
    assert set(in_zip(tmp_path, files)[0]) == {"Bo_Kim_21", "Bo_Kim_22"}


def test_moodle_hides_names_and_hands_in_for_groups(tmp_path: Path) -> None:
    blind = {by_moodle("Participant", 901): GOOD, by_moodle("Participant", 902): GOOD}
    found, skipped = in_zip(tmp_path, blind, CLASS)
    assert not found and all("Moodle hides whose it is; show the names there" in line for line in skipped)
    assert set(in_zip(tmp_path, blind)[0]) == {"Participant_901", "Participant_902"}
    groups = {by_moodle("Team A", 5): GOOD, by_moodle("Default group", None): GOOD}
    found, skipped = in_zip(tmp_path, groups, CLASS)
    assert not found and "no student named 'Team_A' is known" in skipped[0] + skipped[1]
    assert "no student named 'Default_group' is known" in skipped[0] + skipped[1]


def test_files_named_after_a_login_an_address_or_a_name_in_either_order(tmp_path: Path) -> None:
    ways = ["al7", "AL7", "anna.lee@uni.example", "anna.lee", "Anna Lee", "Lee, Anna", "lee_anna"]
    for at, way in enumerate(ways):
        folder = tmp_path / str(at)
        folder.mkdir()
        assert set(found_in(folder, {f"{way}.ipynb": GOOD}, CLASS)[0]) == {"al7"}, way
    (tmp_path / "mail").mkdir()
    nameless = [Student("q1", email="q.lee77@uni.example"), Student("q2", email="q.lee7@uni.example")]
    assert set(found_in(tmp_path / "mail", {"q.lee77.ipynb": GOOD}, nameless)[0]) == {"q1"}
