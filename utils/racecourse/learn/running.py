"""Run a lesson from top to bottom and keep what is worth committing: outputs without widget state, times or paths.

Left out: exercises (grading/checker.py), and any repair of what a cell printed: an output that names this machine's
folders is an error, not something to edit.
"""

import os
import re
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000  # GitHub shows notebooks below this without trouble
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(notebook: Any, *, name: str, quick: bool, root: Path, timeout_s: int = 1200) -> None:
    """Execute every cell of `notebook` in a fresh kernel, in place; raises RuntimeError naming the cell that failed."""
    start = time.perf_counter()
    execute(notebook, name=name, quick=quick, timeout_s=timeout_s)
    clean(notebook)
    record = notebook.metadata["racecourse"]
    record["minutes"] = round((time.perf_counter() - start) / 60, 1)
    if quick:
        record["quick"] = True
    refuse(notebook, name=name, root=root)


def run_alone(notebook: Any, *, name: str, root: Path) -> None:
    """Execute only the set-up cell and those that stand alone, in place: seconds where the lesson takes minutes."""
    from nbformat.v4 import new_notebook

    from racecourse.learn.notebooks import is_alone

    cells = [cell for cell in notebook.cells if cell.get("id") == "setup" or is_alone(cell)]
    setup = deepcopy(cells[0])  # keeps the output of the full run
    part = new_notebook(cells=[setup, *cells[1:]], metadata=notebook.metadata)
    execute(part, name=name, quick=False, timeout_s=300)
    clean(part)
    refuse(notebook, name=name, root=root)


def execute(notebook: Any, *, name: str, quick: bool, timeout_s: int) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    with tempfile.TemporaryDirectory() as folder:  # an empty folder: a lesson needs nothing beside it
        client = NotebookClient(
            notebook,
            timeout=timeout_s,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
            record_timing=False,
            coalesce_streams=True,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        try:
            client.execute(env=kernel_environment(quick))
        except CellExecutionError as error:
            text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # without the traceback's colours
            raise RuntimeError(f"{name}: this cell failed, so nothing was written.\n{text}") from None


def kernel_environment(quick: bool) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key != "RACECOURSE_QUICK"}
    return environment | {"RACECOURSE_PROGRESS": "off"} | ({"RACECOURSE_QUICK": "1"} if quick else {})


def clean(notebook: Any) -> None:
    """Drop widget state and widget views: a saved view without its kernel shows an error where a figure should be."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}  # the kernel adds its exact version
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not only_widget(output)]


def only_widget(output: Any) -> bool:
    """Take the widget's view out of an output that also holds a picture or a text; True if there is nothing else."""
    data = output.get("data", {})
    if WIDGET not in data:
        return False
    del data[WIDGET]
    return not any(key.startswith("image/") or key == "text/markdown" for key in data)


def refuse(notebook: Any, *, name: str, root: Path) -> None:
    """Raise ValueError for a notebook that must not be committed: too large, or naming this machine's folders."""
    import nbformat

    size = len(nbformat.writes(notebook).encode())
    if size >= MAX_BYTES:
        raise ValueError(f"{name}: {size:,} bytes with outputs, the limit is {MAX_BYTES:,}; make its figures smaller")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for folder in (str(root), str(Path.home())):
                if f"{folder}/" in str(output):
                    raise ValueError(f"{name}: this cell's output names {folder!r}; print no such path\n{cell.source}")
