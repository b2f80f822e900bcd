"""Run a lesson from top to bottom and keep what is worth committing: outputs without widget state, times or paths.

Left out: exercises (grading/checker.py), and any repair of what a cell printed: an output that names this machine's
folders is an error, not something to edit.
"""

import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

MAX_BYTES = 1_000_000  # GitHub shows notebooks below this without trouble
WIDGET = "application/vnd.jupyter.widget-view+json"


def run(notebook: Any, *, name: str, quick: bool, root: Path, timeout_s: int = 1200) -> None:
    """Execute every cell of `notebook` in a fresh kernel, in place; raises RuntimeError naming the cell that failed."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    start = time.perf_counter()
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
    clean(notebook)
    record = notebook.metadata["racecourse"]
    record["minutes"] = round((time.perf_counter() - start) / 60, 1)
    if quick:
        record["quick"] = True
    refuse(notebook, name=name, root=root)


def kernel_environment(quick: bool) -> dict[str, str]:
    environment = {key: value for key, value in os.environ.items() if key != "RACECOURSE_QUICK"}
    return environment | ({"RACECOURSE_QUICK": "1"} if quick else {})


def clean(notebook: Any) -> None:
    """Drop widget state and widget views: a saved view without its kernel shows an error where a figure should be."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}  # the kernel adds its exact version
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if not only_widget(output)]


def only_widget(output: Any) -> bool:
    """Take the widget's view out of an output that also holds a picture; True if nothing but the view was there."""
    data = output.get("data", {})
    if WIDGET not in data:
        return False
    del data[WIDGET]
    return not any(key.startswith("image/") for key in data)


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
