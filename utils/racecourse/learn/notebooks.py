"""Sources to notebooks: `sources/*/NN_topic.py` becomes `lessons/`, `solutions/` and `exercises/`.

One way only, and twice in a row changes nothing: cell ids come from the cells themselves, no time of day is written.
A lesson is executed only when its own code changed; a release is made by nbgrader from the solution notebook.
Left out: executing exercises (grading/checker.py does that) and the learner's copies (learn/work.py).
"""

import hashlib
import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from racecourse.learn.contents import code_id

LESSON, EXERCISE = "lessons", "exercises"  # the folders below sources/
COLAB_LACKS = ("gguf", "jaxtyping", "wadler-lindig")  # what the package needs and Colab does not ship

BADGE = """\
[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]\
(https://colab.research.google.com/github/{repository}/blob/{tag}/{path})"""

SETUP = """\
# Set-up. On Colab this installs the course's package and changes none that is there; elsewhere `make lab` has done it.
import importlib.util
import sys

needed = "racecourse", "gguf", "jaxtyping", "wadler_lindig"
if "google.colab" in sys.modules and not all(map(importlib.util.find_spec, needed)):
    %pip install -q --no-deps "racecourse @ git+https://github.com/{repository}@{tag}" {extras}
    if not all(map(importlib.util.find_spec, needed)):
        raise RuntimeError(
            "The course is not installed; pip says why in the lines above. Check the network and run this cell again. "
            "If that does not help: Runtime > Disconnect and delete runtime, then run the notebook from the top."
        )

from racecourse.learn.setup import start

session = start("{name}")"""

SETTLED = "utils/racecourse/learn/data/settled.json"  # what the lessons wrote into the claims ledger
CONTENTS = "utils/racecourse/learn/data/contents.json"  # what the built notebooks consist of
NOTHING = ("[]\n", "{}\n")
QUIZZES = "utils/racecourse/learn/data/quizzes"

ALONE = "alone"  # the tag of a lesson's cell that uses nothing of the others: changing it costs no run of the lesson
CHECK = "# Check of {name}: {points:g} of its {total:g} points\n"  # above a visible check; learn/check.py looks for it

HIDDEN = "### BEGIN HIDDEN TESTS"
HIDDEN_NOTE = "# A second check, with other numbers, runs here when your work is graded."


def without_slow_imports() -> None:
    """Spare a process 2 s: nbformat's validator compiles a grammar of addresses, and no notebook's field is one."""
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # None: it cannot be imported


def course_root(start: Path | str | None = None) -> Path:
    """The folder that holds the course: the nearest one at or above `start` (default: here) with sources/ in it."""
    here = Path(start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "sources").is_dir() and (folder / "pyproject.toml").is_file():
            return folder
    raise FileNotFoundError(f"no course at or above {str(here)!r}: run this inside a clone of the course's repository")


def sources(root: Path, names: Iterable[str] | None = None) -> list[Path]:
    """Every source file in order, or those of the named topics."""
    found = sorted(p for kind in (LESSON, EXERCISE) for p in (root / "sources" / kind).glob("[0-9][0-9]_*.py"))
    if names is None:
        return found
    wanted = set(names)
    unknown = wanted - {path.stem for path in found}
    if unknown:
        raise ValueError(f"no source named {sorted(unknown)}; there are {sorted({path.stem for path in found})}")
    return [path for path in found if path.stem in wanted]


def target(source: Path, root: Path) -> Path:
    """Where the notebook of a source goes: lessons/NN.ipynb, or solutions/NN/NN.ipynb for an exercise set."""
    name = source.stem
    if source.parent.name == LESSON:
        return root / "lessons" / f"{name}.ipynb"
    return root / "solutions" / name / f"{name}.ipynb"


def release_path(name: str, root: Path) -> Path:
    return root / "exercises" / name / f"{name}.ipynb"


def convert(source: Path, root: Path, values: Mapping[str, Any] | None = None) -> Any:
    """The notebook of one source, without outputs: badge, title, set-up cell, then the source's own cells.

    Of an exercise set that has variants it is the one with these `values`; the public one if there are none.
    """
    import jupytext
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    from racecourse.grading import variants

    cells = jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent").cells
    if not cells or cells[0].cell_type != "markdown":
        raise ValueError(f"{source.name}: the first cell must be the title, '# %% [markdown]'")
    course = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["racecourse"]
    is_lesson = source.parent.name == LESSON
    if not is_lesson:
        variants.render(cells, values)
    public = target(source, root) if is_lesson else release_path(source.stem, root)  # a badge never opens a solution
    badge = new_markdown_cell(BADGE.format(path=public.relative_to(root).as_posix(), **course))
    setup = new_code_cell(SETUP.format(name=source.stem, extras=" ".join(COLAB_LACKS), **course))
    setup.metadata["tags"] = ["setup"]
    badge.id, setup.id = "badge", "setup"
    if not is_lesson:
        badge.metadata["nbgrader"], setup.metadata["nbgrader"] = locked("badge"), locked("setup")
        for cell in cells:
            if cell.source.startswith(HIDDEN):  # else the release would show an empty cell
                cell.source = f"{HIDDEN_NOTE}\n{cell.source}"
        label_checks(cells)
    metadata = notebook_metadata(cells[0].metadata.pop("accelerator", None))
    notebook = new_notebook(cells=[badge, cells[0], setup, *cells[1:]], metadata=metadata)
    notebook.nbformat_minor = 5
    set_ids(notebook)
    if is_lesson:  # of its own code: neither a new sentence nor a new address costs a run
        made_from = [cell.source for cell in cells if cell.cell_type == "code" and not is_alone(cell)]
    else:  # of all that makes its release
        config = (root / "nbgrader_config.py").read_text(encoding="utf-8")
        made_from = [notebook.cells, notebook.metadata, config, *data_digests(target(source, root).parent)]
    basis = json.dumps(made_from, sort_keys=True)
    notebook.metadata["racecourse"] = {"source_sha256": hashlib.sha256(basis.encode()).hexdigest()}
    return notebook


def is_alone(cell: Any) -> bool:
    return ALONE in cell.metadata.get("tags", [])


def label_checks(cells: Iterable[Any]) -> None:
    """Write on top of each visible check which exercise it checks, and for how many points."""
    tests = {
        meta["grade_id"]: (cell, meta["points"])
        for cell in cells
        if cell.cell_type == "code" and (meta := cell.metadata.get("nbgrader", {})).get("grade")
    }
    for grade_id, (cell, points) in tests.items():
        name, _, kind = grade_id.rpartition("-")
        if kind == "visible":
            total = points + sum(tests[other][1] for other in [f"{name}-hidden"] if other in tests)
            cell.source = CHECK.format(name=name, points=points, total=total) + cell.source


def data_digests(folder: Path) -> list[list[str]]:
    """Name and digest of every data file beside a solution, because nbgrader hands it out with the set."""
    data = sorted(p for p in folder.glob("[!.]*") if p.is_file() and p.suffix not in (".ipynb", ".py", ".pyc"))
    return [[path.name, hashlib.sha256(path.read_bytes()).hexdigest()] for path in data]


def locked(grade_id: str) -> dict[str, Any]:
    """nbgrader's metadata for a read-only cell, which autograding puts back as it was."""
    return {"grade": False, "grade_id": grade_id, "locked": True, "schema_version": 3, "solution": False, "task": False}


def notebook_metadata(accelerator: str | None) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    if accelerator:
        metadata["accelerator"] = accelerator
        metadata["colab"]["gpuType"] = "T4"
    return metadata


def set_ids(notebook: Any) -> None:
    """Ids that stay the same from build to build: the grade_id where there is one, else a digest of the content."""
    taken: set[str] = set()
    for cell in notebook.cells:
        cell.metadata.pop("lines_to_next_cell", None)  # jupytext's own note about blank lines
        base = cell.metadata.get("nbgrader", {}).get("grade_id")
        if base is None and cell.id not in ("badge", "setup"):
            base = content_id(cell)
        cell.id = base or cell.id
        repeat = 2
        while cell.id in taken:
            cell.id, repeat = f"{base}-{repeat}", repeat + 1
        taken.add(cell.id)


def content_id(cell: Any) -> str:
    return hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]


def build(
    names: Iterable[str] | None = None, execute: bool = False, quick: bool = False, root: Path | str | None = None
) -> list[Path]:
    """Build what is out of date and return the files written; `execute` runs every lesson, changed or not.

    A notebook whose code fails is not written: the error names the cell. `quick` runs lessons at their smallest
    settings and marks them, so that the next full build runs them again.
    """
    from racecourse.learn.running import run, run_alone

    root = course_root(root)
    chosen = sources(root, names)
    written = build_sets([source for source in chosen if source.parent.name == EXERCISE], root)
    for source in chosen:
        if source.parent.name == LESSON:
            notebook, path = convert(source, root), target(source, root)
            alone = alone_digest(notebook, root)
            if execute or not keep_outputs(notebook, path, quick):
                run(notebook, name=source.stem, quick=quick, root=root)
            elif alone != notebook.metadata.racecourse.get("alone_sha256"):
                run_alone(notebook, name=source.stem, root=root)
            if alone:
                notebook.metadata["racecourse"]["alone_sha256"] = alone
            count_cells(notebook)
            written += write_if_changed(notebook, path)
            # at once: lesson 09 reads what the others settled
            written += write_data(settled(root), root / SETTLED)
    return written + write_data(contents(root), root / CONTENTS)


def alone_digest(notebook: Any, root: Path) -> str | None:
    """What the cells that stand alone show: their code and the quizzes; None if a lesson has no such cell."""
    code = [cell.source for cell in notebook.cells if is_alone(cell)]
    if not code:
        return None
    asked = quizzes_in(code)
    texts = [path.read_text(encoding="utf-8") for path in sorted((root / QUIZZES).glob("*.toml"))] if asked else []
    found = {name: table for text in texts for name, table in tomllib.loads(text).items() if name in asked}
    return hashlib.sha256(json.dumps([code, found], sort_keys=True).encode()).hexdigest()


def quizzes_in(code: Iterable[str]) -> list[str]:
    return re.findall(r"\bquiz\(\"([\w-]+)\"", "\n".join(code))


def count_cells(notebook: Any) -> None:
    """Number the code cells as a run from top to bottom does."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number


def settled(root: Path) -> str:
    """The rows of the claims ledger as the lessons' outputs show them, without lesson 09's: it shows them itself."""
    from racecourse.learn.ledger import as_record, evidence_of

    pieces = []
    for path in sorted((root / "lessons").glob("0[0-8]_*.ipynb")):
        outputs = [output for cell in read(path).cells for output in cell.get("outputs", [])]
        tables = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
        pieces += evidence_of(path.stem[:2], tables)
    return as_record(pieces)


def contents(root: Path) -> str:
    """What learn/contents.py tells of the built notebooks, as JSON."""
    found = {}
    for path in sorted((root / "lessons").glob("[0-9][0-9]_*.ipynb")):
        lesson, release = plain_notebook(path), plain_notebook(release_path(path.stem, root))
        points = {
            meta["grade_id"]: meta["points"]
            for cell in release["cells"]
            if cell["cell_type"] == "code" and (meta := cell["metadata"].get("nbgrader", {})).get("grade")
        }
        titles = {meta_name(cell): title_of(cell) for cell in release["cells"] if cell["cell_type"] == "markdown"}
        tasks = [grade_id.removesuffix("-visible") for grade_id in points if grade_id.endswith("-visible")]
        found[path.stem] = {
            "title": title_of(lesson["cells"][1]),
            "minutes": lesson["metadata"]["racecourse"].get("minutes", 0.0),
            "cells": [code_id(text) for text in code_cells(lesson)],
            "quizzes": quizzes_in(code_cells(lesson)),
            "wants_gpu": lesson["metadata"].get("accelerator") == "GPU",
            "set_title": title_of(release["cells"][1]) if release["cells"] else "",
            "set_cells": [code_id(text) for text in code_cells(release)],
            "tasks": {
                task: {
                    "title": titles.get(f"{task}-text", task),
                    "visible": points[f"{task}-visible"],
                    "hidden": points.get(f"{task}-hidden", 0),
                }
                for task in tasks
            },
        }
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def write_data(text: str, path: Path) -> list[Path]:
    return [] if is_written(text, path) else write_text_if_changed(text, path)


def is_written(text: str, path: Path) -> bool:
    """Whether that is what the file holds; a missing one holds nothing."""
    return text in NOTHING if not path.is_file() else path.read_text(encoding="utf-8") == text


def plain_notebook(path: Path) -> dict[str, Any]:
    """The file as it lies there, without nbformat's checks; no cells if there is none."""
    if not path.is_file():
        return {"cells": [], "metadata": {}}
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook: dict[str, Any]) -> list[str]:
    """The text of every code cell that has one."""
    return [text for c in notebook["cells"] if c["cell_type"] == "code" and (text := "".join(c["source"])).strip()]


def meta_name(cell: dict[str, Any]) -> str:
    return cell["metadata"].get("nbgrader", {}).get("grade_id", "")


def title_of(cell: dict[str, Any]) -> str:
    """A heading's words: `# 01 · Transformers` and `## 1 · A norm  (difficulty ...)` without number and brackets."""
    line = "".join(cell["source"]).lstrip("#").split("\n")[0]
    return re.sub(r"\s{2,}\(.*", "", line.split("·", 1)[-1]).strip()


def build_sets(sets: list[Path], root: Path) -> list[Path]:
    """Write the solution notebooks, then the releases of those that their release was not made from."""
    written = [path for source in sets for path in write_if_changed(convert(source, root), target(source, root))]
    names = [source.stem for source in sets]
    outdated = [name for name in names if digest(release_path(name, root)) != digest(target_of(name, root))]
    return written + release(outdated, root)


def target_of(name: str, root: Path) -> Path:
    return target(root / "sources" / EXERCISE / f"{name}.py", root)


def digest(path: Path) -> str | None:
    """The digest that a built notebook carries of what it was made from; None where there is no such notebook."""
    if not path.is_file():
        return None
    return read(path).metadata.get("racecourse", {}).get("source_sha256")


def keep_outputs(notebook: Any, path: Path, quick: bool) -> bool:
    """Take over the committed outputs of a lesson whose source did not change; False means that it must be run."""
    import nbformat

    if not path.is_file():
        return False
    old = nbformat.read(path, as_version=4)
    record = old.metadata.get("racecourse", {})
    was_quick = record.get("quick", False)
    if record.get("source_sha256") != notebook.metadata.racecourse.source_sha256 or (was_quick and not quick):
        return False
    before = {cell.id: cell for cell in old.cells if cell.cell_type == "code"}
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.id in before:
            cell.outputs, cell.execution_count = before[cell.id].outputs, before[cell.id].execution_count
    notebook.metadata["racecourse"] = record
    return True


def write_if_changed(notebook: Any, path: Path) -> list[Path]:
    """Write the notebook if that changes the file; the list of files written."""
    import nbformat

    nbformat.validate(notebook)
    return write_text_if_changed(nbformat.writes(notebook) + "\n", path)


def write_text_if_changed(text: str, path: Path) -> list[Path]:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")  # the same bytes on every system
    return [path]


def release(names: Iterable[str], root: Path) -> list[Path]:
    """Let nbgrader make the named sets' releases from their solutions; the list of files written."""
    names = list(names)
    written = []
    with tempfile.TemporaryDirectory() as folder:
        generate_assignments(names, root, Path(folder))
        for made in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
            path = root / "exercises" / made.relative_to(folder)
            if not path.is_file() or path.read_bytes() != made.read_bytes():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(made.read_bytes())
                written.append(path)
    return written


def generate_assignments(names: list[str], root: Path, into: Path) -> None:
    """`nbgrader generate_assignment --no-db` for each name, in this process, with the course's own configuration."""
    if not names:
        return
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    for name in names:
        config = PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.release_directory = str(into)
        config.CourseDirectory.assignment_id = name
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
        GenerateAssignment(coursedir=CourseDirectory(config=config), config=config).start()


def out_of_date(root: Path | str | None = None) -> list[str]:
    """One line for each built notebook whose inputs differ from its source; CI runs this. Outputs are not compared."""
    root = course_root(root)
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        sets = [source.stem for source in sources(root) if source.parent.name == EXERCISE]
        for source in sources(root):
            problems += difference(inputs(convert(source, root)), target(source, root), root)
        generate_assignments([name for name in sets if target_of(name, root).is_file()], root, Path(folder))
        for made in Path(folder).rglob("*.ipynb"):
            problems += difference(inputs(read(made)), release_path(made.stem, root), root)
    for name, text in {SETTLED: settled(root), CONTENTS: contents(root)}.items():
        if not is_written(text, root / name):
            problems.append(f"{name} differs from the built notebooks; run `make build`")
    return problems


def difference(expected: Any, path: Path, root: Path) -> list[str]:
    name = path.relative_to(root).as_posix()
    if not path.is_file():
        return [f"{name} is missing; run `make build`"]
    if inputs(read(path)) != expected:
        return [f"{name} differs from its source; edit the file in sources/ and run `make build`"]
    return []


def read(path: Path) -> Any:
    """The notebook in a file; a ValueError that names the file if there is none in it."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    # nbformat meets other JSON than a notebook's with whatever its first look inside raises
    except (ValueError, TypeError, AttributeError, KeyError, nbformat.ValidationError) as error:
        reason = str(error).split("\n")[0][:200]
        raise ValueError(
            f"{path} is not a notebook: {reason}; open an earlier version of the file, "
            "or move it away and make it anew with `racecourse start` (your copy) or `make build` (the course's)"
        ) from error


def inputs(notebook: Any) -> list[tuple[str, str, str, str]]:
    """What a person wrote in a notebook: id, type, metadata and source of every cell."""
    return [
        (cell.get("id", ""), cell.cell_type, json.dumps(cell.metadata, sort_keys=True), cell.source)
        for cell in notebook.cells
    ]
