"""Sources and built notebooks agree, lessons run from top to bottom offline, and their code is the package's code."""

import ast
import os
import re
from functools import cache
from pathlib import Path

import pytest

from conftest import ROOT
from racecourse.grading.integrity import python_of
from racecourse.learn import notebooks, running
from racecourse.learn.notebooks import build, convert, digest, inputs, out_of_date, read, release_path, target_of

LESSONS = sorted((ROOT / "sources/lessons").glob("[0-9][0-9]_*.py"))
every_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)

TOY = """\
# %% [markdown] accelerator="GPU"
# # A toy lesson

# %%
print("hello")

# %% tags=["keep-me"]
1 + 1

# %%
print("hello")
"""


@pytest.fixture
def toy(course: Path) -> Path:
    """A course with one small lesson beside exercise set 00."""
    (course / "sources/lessons/07_toy.py").write_text(TOY, encoding="utf-8")
    return course


def lesson_of(course: Path) -> Path:
    return course / "lessons/07_toy.ipynb"


def test_every_built_notebook_has_the_inputs_of_its_source(root: Path) -> None:
    assert out_of_date(root) == []


@every_lesson
@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["quick", "full"])
def test_a_lesson_runs_offline_from_top_to_bottom(source: Path, quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub, and a proxy that answers nothing; in under ten minutes also at full settings."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = convert(source, ROOT)
    running.run(notebook, name=source.stem, quick=quick, root=ROOT, timeout_s=300)
    assert notebook.metadata["racecourse"]["minutes"] < 10
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs), "a lesson shows at least one figure"


@every_lesson
def test_a_committed_lesson_has_outputs_of_a_full_run(source: Path) -> None:
    path = notebooks.target(source, ROOT)
    notebook = read(path)
    record = notebook.metadata["racecourse"]
    assert "quick" not in record, f"{path.name} holds the outputs of a quick run; run `make build`"
    assert 0 <= record["minutes"] < 10
    assert path.stat().st_size < running.MAX_BYTES
    assert "widgets" not in notebook.metadata
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), "run from top to bottom, in one go"
    assert running.WIDGET not in path.read_text(encoding="utf-8")


@cache
def package_code() -> dict[str, list[str]]:
    """Name of a top-level function or class of the package -> its syntax trees (one, unless two files use the name)."""
    found: dict[str, list[str]] = {}
    for path in (ROOT / "utils/racecourse").rglob("*.py"):
        for name, tree in definitions(path.read_text(encoding="utf-8")):
            found.setdefault(name, []).append(tree)
    return found


def definitions(source: str) -> list[tuple[str, str]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [(node.name, ast.dump(node)) for node in ast.parse(source).body if isinstance(node, kinds)]


@every_lesson
def test_code_that_a_lesson_shows_is_the_packages_code(source: Path) -> None:
    differing = [
        name
        for cell in convert(source, ROOT).cells
        if cell.cell_type == "code"
        for name, tree in definitions(python_of(cell.source))
        if name in package_code() and tree not in package_code()[name]
    ]
    assert not differing, f"{differing} differ from the package's; make them equal or give the simpler one another name"


def all_notebooks() -> list[Path]:
    return [path for kind in ("lessons", "solutions", "exercises") for path in (ROOT / kind).rglob("*.ipynb")]


@pytest.mark.parametrize("path", all_notebooks(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_badge_kernelspec_and_ids(path: Path) -> None:
    notebook = read(path)
    public = release_path(path.stem, ROOT) if path.parent.parent.name == "solutions" else path
    assert notebook.cells[0].source.endswith(f"/blob/{course_tag()}/{public.relative_to(ROOT).as_posix()})")
    assert notebook.metadata.kernelspec.name == "python3" and notebook.metadata.colab.provenance == []
    ids = [cell.id for cell in notebook.cells]
    assert ids[0] == "badge" and ids[2] == "setup" and len(set(ids)) == len(ids)
    assert "@" + course_tag() in notebook.cells[2].source


def course_tag() -> str:
    import tomllib

    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["racecourse"]["tag"]


def test_building_twice_changes_nothing_and_runs_nothing(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = build(["07_toy"], root=toy)
    assert written == [lesson_of(toy), toy / notebooks.CONTENTS]
    before = lesson_of(toy).read_bytes()
    monkeypatch.setattr(running, "run", lambda *args, **kwargs: pytest.fail("the lesson was run again"))
    assert build(root=toy) == []
    assert lesson_of(toy).read_bytes() == before


def test_a_new_sentence_costs_no_run_and_new_code_does(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(["07_toy"], root=toy, quick=True)
    source = toy / "sources/lessons/07_toy.py"
    source.write_text(TOY.replace("# # A toy lesson", "# # A toy lesson\n# It says hello."), encoding="utf-8")
    runs: list[str] = []
    monkeypatch.setattr(running, "run", lambda notebook, *, name, **_: runs.append(name))
    written = build(["07_toy"], root=toy, quick=True)
    assert lesson_of(toy) in written and runs == []
    notebook = read(lesson_of(toy))
    assert notebook.cells[1].source.endswith("It says hello.") and notebook.cells[3].outputs[0].text == "hello\n"
    source.write_text(source.read_text(encoding="utf-8").replace("1 + 1", "1 + 2"), encoding="utf-8")
    build(["07_toy"], root=toy, quick=True)
    assert runs == ["07_toy"]


def test_a_lesson_keeps_its_outputs_and_metadata(toy: Path) -> None:
    build(["07_toy"], root=toy, quick=True)
    notebook = read(lesson_of(toy))
    assert notebook.metadata.accelerator == "GPU" and notebook.metadata.colab.gpuType == "T4"
    assert notebook.metadata.racecourse.quick is True
    assert [cell.metadata.get("tags") for cell in notebook.cells] == [None, None, ["setup"], None, ["keep-me"], None]
    assert [output.get("text") for output in notebook.cells[3].outputs] == ["hello\n"]
    assert notebook.cells[4].outputs[0].data["text/plain"] == "2"
    assert notebook.cells[5].id == f"{notebook.cells[3].id}-2", "equal cells get ids that differ"


def test_a_failing_lesson_names_its_cell_and_writes_nothing(toy: Path) -> None:
    source = toy / "sources/lessons/07_toy.py"
    source.write_text(TOY + "\n# %%\nraise OSError('no ice today')\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"07_toy: this cell failed(.|\n)*no ice today"):
        build(["07_toy"], root=toy)
    assert not lesson_of(toy).exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("print(('x' * 99 + '\\n') * 11_000)", "bytes with outputs, the limit is 1,000,000"),
        ("from pathlib import Path; print(Path.home() / 'x')", "print no such path"),
    ],
)
def test_outputs_that_must_not_be_committed_are_refused(toy: Path, code: str, message: str) -> None:
    (toy / "sources/lessons/07_toy.py").write_text(f"{TOY}\n# %%\n{code}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        build(["07_toy"], root=toy)
    assert not lesson_of(toy).exists()


def test_widget_views_go_and_pictures_stay(toy: Path) -> None:
    code = """
# %%
import ipywidgets
from IPython.display import display
slider = ipywidgets.IntSlider()
display(slider)
view = {"application/vnd.jupyter.widget-view+json": {"model_id": slider.model_id}}
display(view | {"image/png": "iVBORw0KGgo="}, raw=True)
"""
    (toy / "sources/lessons/07_toy.py").write_text(TOY + code, encoding="utf-8")
    build(["07_toy"], root=toy, quick=True)
    notebook = read(lesson_of(toy))
    assert "widgets" not in notebook.metadata
    assert [list(output.data) for output in notebook.cells[-1].outputs] == [["image/png"]]


def test_a_changed_source_or_an_edited_notebook_is_reported(toy: Path) -> None:
    build(["07_toy"], root=toy, quick=True)
    assert out_of_date(toy) == []
    release = release_path("00_start_here", toy)
    release.write_text(release.read_text(encoding="utf-8").replace("What fits?", "What fits in?"), encoding="utf-8")
    (toy / "sources/lessons/07_toy.py").write_text(TOY.replace("1 + 1", "1 + 2"), encoding="utf-8")
    assert [line.split(" ")[0] for line in out_of_date(toy)] == [
        "lessons/07_toy.ipynb",
        "exercises/00_start_here/00_start_here.ipynb",
    ]


def test_what_a_lesson_settles_is_written_down(toy: Path) -> None:
    record = toy / notebooks.SETTLED
    code = """
# %%
from racecourse.learn.ledger import settle
settle(12, value="26 chips", verdict="holds")
"""
    (toy / "sources/lessons/07_toy.py").write_text(TOY + code, encoding="utf-8")
    assert build(["07_toy"], root=toy, quick=True) == [lesson_of(toy), record, toy / notebooks.CONTENTS]
    assert '"lesson": "07"' in record.read_text(encoding="utf-8") and out_of_date(toy) == []
    record.write_text(record.read_text(encoding="utf-8").replace("26 chips", "27 chips"), encoding="utf-8")
    assert out_of_date(toy) == [f"{notebooks.SETTLED} differs from the built notebooks; run `make build`"]
    assert build(["07_toy"], root=toy, quick=True) == [record]


def test_a_cell_that_stands_alone_costs_no_run_of_the_lesson(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = '\n# %% tags=["alone"]\nprint(session.name, {word!r})\n'
    source = toy / "sources/lessons/07_toy.py"
    source.write_text(TOY + alone.format(word="one"), encoding="utf-8")
    build(["07_toy"], root=toy)
    monkeypatch.setattr(running, "run", lambda *args, **kwargs: pytest.fail("the lesson was run again"))
    source.write_text(TOY + alone.format(word="two") * 2, encoding="utf-8")
    build(["07_toy"], root=toy)
    notebook = read(lesson_of(toy))
    assert [cell.outputs[0].text for cell in notebook.cells[-2:]] == ["07_toy two\n"] * 2
    assert notebook.cells[3].outputs[0].text == "hello\n", "of the full run"
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4, 5, 6]
    assert notebook.cells[4].outputs[0].execution_count == 3
    assert build(["07_toy"], root=toy) == []


def test_a_cell_that_stands_alone_and_fails_is_not_written(toy: Path) -> None:
    build(["07_toy"], root=toy)
    before = lesson_of(toy).read_bytes()
    source = toy / "sources/lessons/07_toy.py"
    source.write_text(TOY + '\n# %% tags=["alone"]\nraise OSError("no ice today")\n', encoding="utf-8")
    with pytest.raises(RuntimeError, match=r"07_toy: this cell failed(.|\n)*no ice today"):
        build(["07_toy"], root=toy)
    assert lesson_of(toy).read_bytes() == before


@every_lesson
def test_cells_that_stand_alone_use_and_change_nothing_of_the_others(source: Path) -> None:
    import builtins

    cells = [cell for cell in convert(source, ROOT).cells if cell.cell_type == "code" and cell.id != "setup"]
    others = {name for cell in cells if not notebooks.is_alone(cell) for name in assigned(cell.source)}
    for cell in filter(notebooks.is_alone, cells):
        own = assigned(cell.source) | imported(cell.source)
        used = {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
        assert used <= {"session", "display", *dir(builtins)} | own, cell.source
        assert not own & others, f"{own & others}: names of the lesson's own, which this cell would take away"


def assigned(source: str) -> set[str]:
    """What a cell assigns to or defines, imports left out."""
    found = set()
    for node in ast.walk(ast.parse(python_of(source))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
    return found


def imported(source: str) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name.split(".")[0] for node in nodes for alias in node.names}


def test_a_visible_check_says_what_it_checks(root: Path) -> None:
    """Hand-counted: set 00's three exercises, 10 of 25, 12 of 30 and 12 of 30 points; the question makes up 15."""
    for path in (release_path("00_start_here", root), target_of("00_start_here", root)):
        first = [cell.source.splitlines()[0] for cell in read(path).cells if cell.id.endswith("-visible")]
        assert first == [
            "# Check of tokens-per-second: 10 of its 25 points",
            "# Check of weight-bytes: 12 of its 30 points",
            "# Check of models-that-fit: 12 of its 30 points",
        ]


def test_the_contents_are_those_of_the_notebooks(root: Path) -> None:
    """Against nbformat's reading of the notebooks and the headings of the sources."""
    from racecourse.learn.contents import code_id, contents

    assert list(contents()) == [source.stem for source in LESSONS]
    for name, lesson in contents().items():
        notebook = read(root / f"lessons/{name}.ipynb")
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        assert lesson.cells == tuple(map(code_id, code))
        heading = (root / f"sources/lessons/{name}.py").read_text(encoding="utf-8").splitlines()[1]
        assert heading == f"# # {name[:2]} · {lesson.title}"
        points = [task.visible + task.hidden for task in lesson.tasks.values()]
        release = read(release_path(name, root))
        written = [
            cell for cell in release.cells if cell.cell_type == "markdown" and "points" in cell.metadata.nbgrader
        ]
        assert sum(points) + sum(cell.metadata.nbgrader.points for cell in written) == 100
        text = (root / f"sources/exercises/{name}.py").read_text(encoding="utf-8")
        for number, (task, worth) in enumerate(zip(lesson.tasks.values(), points, strict=True), start=1):
            assert re.search(rf"^# ## {number} · {re.escape(task.title)}  \(.*· {worth} points\)", text, re.MULTILINE)
    assert code_id(" x\n") == code_id("x") != code_id("y")


def test_a_set_without_changes_is_not_released_again(course: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebooks, "generate_assignments", lambda names, *rest: names and pytest.fail(f"{names} again"))
    assert build(["00_start_here"], root=course) == []


def test_a_set_is_released_again_when_its_data_changed(course: Path) -> None:
    data = target_of("00_start_here", course).with_name("sizes.csv")
    released = release_path("00_start_here", course)
    for text in ("1,2", "1,3"):
        before = digest(released)
        data.write_text(text, encoding="utf-8")
        build(["00_start_here"], root=course)
        assert released.with_name(data.name).read_text(encoding="utf-8") == text
        assert digest(released) != before
    assert build(["00_start_here"], root=course) == []


@pytest.mark.parametrize(
    "content", ["", "<<<<<<< HEAD\n{}", "[]", "{}", '{"cells": 3}', '{"nbformat": 4, "nbformat_minor": 5, "cells": []}']
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mine.ipynb"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"mine\.ipynb is not a notebook: .+; open an earlier version"):
        digest(path)
    with pytest.raises(ValueError, match=r"mine\.ipynb is not a notebook: "):
        read(path)


def test_names_are_checked(course: Path) -> None:
    with pytest.raises(ValueError, match=r"no source named \['99_none'\]; there are \['00_start_here'\]"):
        build(["99_none"], root=course)
    with pytest.raises(FileNotFoundError, match="inside a clone"):
        notebooks.course_root("/")


def test_the_set_up_cell_is_the_same_code_for_all(root: Path) -> None:
    """Its text differs in nothing but the notebook's name, so one test of it in Colab's environment covers all."""
    texts = {read(path).cells[2].source.replace(path.stem, "NAME") for path in all_notebooks()}
    assert len(texts) == 1
    assert os.linesep.join(next(iter(texts)).splitlines()[-1:]) == 'session = start("NAME")'


def test_inputs_are_compared_by_everything_that_a_person_wrote(toy: Path) -> None:
    notebook = convert(toy / "sources/lessons/07_toy.py", toy)
    same = inputs(notebook)
    notebook.cells[4].metadata["tags"] = ["other"]
    assert inputs(notebook) != same
