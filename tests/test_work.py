"""The learner's copies: never overwritten, and answers come along when a set changes."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbgrader.utils import compute_checksum

from racecourse.grading.integrity import grade_id_of
from racecourse.learn import work
from racecourse.learn.notebooks import build, read, release_path

NAME = "00_start_here"
MINE = "def tokens_per_second(arrivals_s):\n    return 42.0  # my own try"


def cell_of(notebook: Any, grade_id: str) -> Any:
    return next(cell for cell in notebook.cells if grade_id_of(cell) == grade_id)


def edit(path: Path, answers: dict[str, str], own: dict[str, str] | None = None) -> bytes:
    """Type answers into a copy and own cells behind the named ones, save as JupyterLab does, return the bytes."""
    notebook = read(path)
    for grade_id, source in answers.items():
        cell_of(notebook, grade_id).source = source
    for grade_id, source in (own or {}).items():
        place = notebook.cells.index(cell_of(notebook, grade_id)) + 1
        notebook.cells.insert(place, nbformat.v4.new_code_cell(source))
    nbformat.write(notebook, path)
    return path.read_bytes()


def change_source(course: Path, old: str, new: str) -> None:
    path = course / f"sources/exercises/{NAME}.py"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    build([NAME], root=course)


def test_a_first_copy_is_the_release_byte_for_byte(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = work.start(NAME, root=course)
    assert folder == course / "work" / NAME
    assert (folder / f"{NAME}.ipynb").read_bytes() == release_path(NAME, course).read_bytes()
    assert f"work/{NAME}/{NAME}.ipynb" in capsys.readouterr().out


def test_assistants_are_told_to_tutor_once_and_never_over_a_file_that_is_there(course: Path) -> None:
    work.start(NAME, root=course)
    path = course / "work/AGENTS.md"
    said = path.read_text(encoding="utf-8")
    assert "You are a tutor here, not a solver" in said and "# YOUR CODE HERE" in said
    path.write_text("mine", encoding="utf-8")
    work.start(NAME, root=course)
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_edited_copy_survives_start_and_rebuild_byte_for_byte(course: Path) -> None:
    copy = work.start(NAME, root=course) / f"{NAME}.ipynb"
    mine = edit(copy, {"tokens-per-second": MINE})
    work.start(NAME, root=course)
    assert copy.read_bytes() == mine
    assert [path.name for path in copy.parent.iterdir()] == [copy.name], "nothing new, so no second copy"
    change_source(course, "## 1 · How fast does it write?", "## 1 · How fast does it type?")
    assert copy.read_bytes() == mine
    work.start(NAME, root=course)
    assert copy.read_bytes() == mine


def test_a_newer_set_comes_beside_with_answers_and_own_cells(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = work.start(NAME, root=course) / f"{NAME}.ipynb"
    edit(copy, {"tokens-per-second": MINE, "start-here-question": "QwQ."}, {"tokens-per-second": "trial = 1"})
    change_source(course, "# # 00 · Warm-up: answering", "# # 00 · Warm-up: typing")
    capsys.readouterr()
    work.start(NAME, root=course)
    said = capsys.readouterr().out
    assert "2 of your answers" in said and "1 cells of your own" in said and f"{NAME}.new.ipynb" in said
    new = read(copy.with_name(f"{NAME}.new.ipynb"))
    assert cell_of(new, "tokens-per-second").source == MINE
    assert cell_of(new, "start-here-question").source == "QwQ."
    assert "NotImplementedError" in cell_of(new, "weight-bytes").source, "not answered, so the new stub"
    assert "typing" in cell_of(new, "start-here-title").source
    after_answer = new.cells[new.cells.index(cell_of(new, "tokens-per-second")) + 1]
    assert after_answer.source == "trial = 1"
    assert not [cell for cell in new.cells if cell.source == work.CHANGED], "no question changed, so nothing is marked"
    assert len(new.cells) == len(read(release_path(NAME, course)).cells) + 1


@pytest.mark.parametrize(
    ("old", "new_text"),
    [
        ("def tokens_per_second(arrivals_s: list", "def tokens_per_second(arrivals_s: tuple"),
        ("`0.0` for fewer than two arrivals", "`nan` for fewer than two arrivals"),
    ],
    ids=["stub", "text"],
)
def test_an_answer_whose_question_changed_is_marked(
    course: Path, capsys: pytest.CaptureFixture[str], old: str, new_text: str
) -> None:
    copy = work.start(NAME, root=course) / f"{NAME}.ipynb"
    edit(copy, {"tokens-per-second": MINE})
    change_source(course, old, new_text)
    work.start(NAME, root=course)
    assert "question has changed (tokens-per-second)" in capsys.readouterr().out
    new = read(copy.with_name(f"{NAME}.new.ipynb"))
    place = new.cells.index(cell_of(new, "tokens-per-second"))
    assert new.cells[place - 1].source == work.CHANGED and new.cells[place].source == MINE


def test_the_next_version_continues_from_the_last_copy(course: Path) -> None:
    copy = work.start(NAME, root=course) / f"{NAME}.ipynb"
    change_source(course, "How fast does it write?", "How fast does it type?")
    work.start(NAME, root=course)
    second = copy.with_name(f"{NAME}.new.ipynb")
    mine = edit(second, {"weight-bytes": "def weight_bytes(n, bits, block=None):\n    return 7"})
    change_source(course, "How fast does it type?", "How fast does it go?")
    work.start(NAME, root=course)
    third = read(copy.with_name(f"{NAME}.new2.ipynb"))
    assert "return 7" in cell_of(third, "weight-bytes").source
    assert second.read_bytes() == mine
    assert work.newest_copy(NAME, course) == copy.with_name(f"{NAME}.new2.ipynb")


def test_an_answer_to_a_question_that_is_gone_is_kept(course: Path) -> None:
    copy = work.start(NAME, root=course) / f"{NAME}.ipynb"
    edit(copy, {"tokens-per-second": MINE})
    change_source(course, '"tokens-per-second"', '"writing-speed"')
    work.start(NAME, root=course)
    new = read(copy.with_name(f"{NAME}.new.ipynb"))
    kept = [cell for cell in new.cells if cell.source == MINE]
    assert len(kept) == 1 and grade_id_of(kept[0]) == ""
    assert "NotImplementedError" in cell_of(new, "writing-speed").source


def test_a_lesson_is_copied_and_offered_again_when_it_changes(course: Path) -> None:
    lesson = course / f"lessons/{NAME}.ipynb"
    lesson.parent.mkdir()
    notebook = nbformat.v4.new_notebook(metadata={"racecourse": {"source_sha256": "a"}})
    nbformat.write(notebook, lesson)
    folder = work.start(NAME, root=course)
    first = (folder / "lesson.ipynb").read_bytes()
    assert first == lesson.read_bytes()
    notebook.metadata["racecourse"]["source_sha256"] = "b"
    nbformat.write(notebook, lesson)
    work.start(NAME, root=course)
    assert (folder / "lesson.ipynb").read_bytes() == first
    assert (folder / "lesson.new.ipynb").read_bytes() == lesson.read_bytes()


def test_an_unknown_name_is_refused_with_those_that_exist(course: Path) -> None:
    with pytest.raises(ValueError, match="no lesson or exercise set named '01_nothing'; there are 00_start_here"):
        work.start("01_nothing", root=course)


def test_the_checksum_is_nbgraders(root: Path) -> None:
    """nbgrader.utils.compute_checksum is the witness: its value tells an answer from a stub."""
    cells = [cell for cell in read(release_path(NAME, root)).cells if cell.metadata.nbgrader.get("solution")]
    assert len(cells) == 4
    for cell in cells:
        assert work.checksum(cell) == compute_checksum(cell) == cell.metadata.nbgrader.checksum
        assert not work.is_answered(cell)
