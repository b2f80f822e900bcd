"""Google Colab, rebuilt from its published pins in a virtual environment, and a notebook run in it.

The pins (tests/data/colab-*.txt) are those of 2026-08-19: IPython 7.34, ipykernel 6.17, ipywidgets 7.7.1, numpy 2.1.3,
transformers 5.15. What Colab lacks (jedi, gguf, nbgrader, JupyterLab) is absent. A run is what a learner does on a
fresh machine: the notebook's own set-up cell installs, all cells follow, and the installed packages are compared.

Different from Colab: this Python in place of 3.13, this environment's torch in place of 2.11, no GPU, the package from
this checkout in place of GitHub, and of google.colab only the name, so neither its shell nor its page.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from packaging.requirements import Requirement

from racecourse.learn.notebooks import COLAB_LACKS, SETUP, convert
from racecourse.machine.measure import cache_folder

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
UV = [sys.executable, "-m", "uv", "--no-python-downloads"]
# What Colab has of the packages that transformers and torch import when they find them.
OFTEN_IMPORTED = ("sympy", "networkx", "filelock", "fsspec", "pandas", "scikit-learn", "sentencepiece", "protobuf",
                  "einops", "tiktoken")  # fmt: skip
MIB = 2**20

PRETEND_COLAB = """\
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
import IPython, ipywidgets
print("CORE", IPython.__version__, ipywidgets.__version__)"""

EXECUTE = """\
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], 4)
try:
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=1200).execute()
finally:
    nbformat.write(notebook, sys.argv[1])"""


@dataclass(frozen=True)
class Run:
    """A notebook that ran in the rebuilt Colab."""

    notebook: Any
    seconds: float
    cpu_seconds: float  # of the processor, all cores together: other work on this machine does not count
    peak_mib: float  # of the kernel and all that it started; what two processes share counts twice


def command(words: list[str], **options: Any) -> str:
    """What the command prints; an AssertionError with the end of its output if it fails."""
    answer = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", timeout=600, **options)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-4000:]
    return answer.stdout


def rebuild(folder: Path) -> Path:
    """Make Colab's environment in `folder` (some ten seconds once uv has the wheels) and return its Python.

    Raises AssertionError with pip's words when a pin cannot be had, for this Python or from this registry.
    """
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    base = [Requirement(line).name for line in PROJECT["project"]["dependencies"]]
    base = [name for name in base if name not in {"torch", *COLAB_LACKS}]
    options = ["--python", str(python), "--constraint", str(DATA / "colab-constraints.txt"), "--quiet"]
    core = ["-r", str(DATA / "colab-sim-core.txt")]
    command([*UV, "pip", "install", *options, *core, "pip", *base, *OFTEN_IMPORTED])
    command([*UV, "pip", "uninstall", "--python", str(python), "--quiet", "jedi"])  # Colab has none
    show_torch_to(python, folder / "torch")
    return python


def show_torch_to(python: Path, folder: Path) -> None:
    """Link this environment's torch into another one: a copy would take minutes and a gigabyte."""
    folder.mkdir()
    site = Path(importlib.util.find_spec("torch").origin).parent.parent
    (info,) = site.glob("torch-*.dist-info")
    for path in (site / "torch", site / "torchgen", site / "functorch", info):
        (folder / path.name).symlink_to(path)
    packages = command([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    Path(packages, "racecourse-torch.pth").write_text(f"{folder}\n", encoding="utf-8")


def packages(python: Path) -> set[str]:
    """Every installed package as name==version."""
    code = (
        "import importlib.metadata as m; print(sorted({f'{d.name.lower()}=={d.version}' for d in m.distributions()}))"
    )
    return set(json.loads(command([str(python), "-c", code]).replace("'", '"')))


def fresh_machine(python: Path) -> None:
    """Take away what set-up cells installed: Colab gives a new machine after a disconnect."""
    command([*UV, "pip", "uninstall", "--python", str(python), "--quiet", "racecourse", *COLAB_LACKS])


def setup_cell(name: str = "00_start_here", origin: str = ROOT.as_uri()) -> str:
    """The generated set-up cell, unchanged but for the address that pip installs from."""
    cell = SETUP.format(name=name, extras=" ".join(COLAB_LACKS), **PROJECT["tool"]["racecourse"])
    return from_here(cell, origin)


def from_here(cell: str, origin: str = ROOT.as_uri()) -> str:
    local = re.sub(r"git\+https://\S+@\w+", origin, cell)
    assert local != cell, "the set-up cell names no address to install from"
    return local


def cells_of(source: Path) -> list[str]:
    """The code cells of a lesson, or of an exercise set with its solutions, set-up cell included."""
    cells = [cell for cell in convert(source, ROOT).cells if cell.cell_type == "code"]
    return [from_here(cell.source) if cell.id == "setup" else cell.source for cell in cells]


def execute(python: Path, cells: list[str], *, quick: bool = True, **variables: str) -> Run:
    """Run these cells from top to bottom in a kernel that takes itself for Colab's, in an empty home and folder.

    The model cache is this machine's, unless `variables` (of the environment) say otherwise. Raises AssertionError
    with the traceback when a cell fails.
    """
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "content", "notebook.ipynb")
        path.parent.mkdir()
        sources = [PRETEND_COLAB, *cells]
        nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in sources]), path)
        environment = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "OMP_"))}
        environment |= {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": folder, "RACECOURSE_QUICK": str(int(quick))}
        environment |= {"RACECOURSE_CACHE": str(cache_folder()), **variables}
        log = Path(folder, "log")
        start, peak, cpu = time.perf_counter(), 0.0, 0.0
        with log.open("wb") as file:
            words = [str(python), "-c", EXECUTE, str(path)]
            process = subprocess.Popen(words, env=environment, cwd=path.parent, stdout=file, stderr=file)
            while process.poll() is None:
                mib, seconds = spent(process.pid)
                peak, cpu = max(peak, mib), max(cpu, seconds)
                time.sleep(0.2)
        assert process.returncode == 0, log.read_text(encoding="utf-8", errors="replace")[-6000:]
        return Run(nbformat.read(path, 4), time.perf_counter() - start, cpu, peak)


def spent(pid: int) -> tuple[float, float]:
    """Resident memory (MiB) and processor time (s) of all that the process started, without itself."""
    mib = seconds = 0.0
    try:
        for child in psutil.Process(pid).children(recursive=True):
            with child.oneshot():
                times = child.cpu_times()
                mib += child.memory_info().rss / MIB
                seconds += times.user + times.system + times.children_user + times.children_system
    except psutil.NoSuchProcess:  # one ended while we looked
        pass
    return mib, seconds


def printed(notebook: Any, word: str) -> list[str]:
    """The rest of every printed line that starts with `word`."""
    texts = [o.text for cell in notebook.cells for o in cell.get("outputs", []) if o.output_type == "stream"]
    return [line.split(" ", 1)[1] for text in texts for line in text.splitlines() if line.startswith(word + " ")]
