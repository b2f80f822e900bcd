"""What contributors run: one text of each command, recipes that name only what there is, and a report that tells."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from conftest import ROOT
from racecourse import upkeep
from racecourse.cli import app
from racecourse.upkeep import (
    QUICK_LESSONS,
    QUICK_TESTS,
    TRAINED,
    Trial,
    changes,
    kept_out,
    pins,
    run_trial,
    share,
    upper_bounds,
    without_upper_bounds,
)

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def recipes() -> dict[str, str]:
    """Target -> the lines under it."""
    found = re.findall(r"^([a-z-]+):[^=\n]*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    return dict(found)


def test_every_make_target_is_a_racecourse_command() -> None:
    own = {"help", "setup", "setup-test", "clean"}  # before there is an environment, and after it
    assert own < set(recipes())
    for target, lines in recipes().items():
        if target not in own:
            named = re.findall(r"\$\(VENV\)/racecourse ([a-z-]+)", lines)
            assert len(named) == 1 == len(lines.strip().splitlines()) and set(named) <= COMMANDS, target


def test_how_each_is_done_without_make_is_in_the_page_of_platforms() -> None:
    page = (ROOT / "docs/platforms.md").read_text(encoding="utf-8")
    for target in recipes().keys() - {"help"}:
        assert f"`make {target}`" in page, target
    assert set(re.findall(r"`racecourse ([a-z]+)", page)) <= COMMANDS


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_names_only_what_there_is(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    lines = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert all("timeout-minutes" in job for job in jobs.values()) and lines
    for line in lines:
        for command in re.findall(r"racecourse ([a-z]+)", line):
            assert command in COMMANDS
        for file in re.findall(r"(?:utils|tests)/\S+\.py|\.ci/\w+", line):
            assert (ROOT / file).is_file(), file


def test_there_are_three_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "pages", "weekly"]


def commands_run(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    calls: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], cwd: Path, env: dict[str, str]) -> Any:
        assert cwd == ROOT
        calls.append((command[1:], env))
        return subprocess.CompletedProcess(command, 1 if "ruff" in command else 0)

    monkeypatch.setattr(upkeep.subprocess, "run", run)
    monkeypatch.chdir(ROOT)
    return calls


def test_the_short_tests_are_run_two_files_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = commands_run(monkeypatch)
    assert upkeep.test(["tests/test_cli.py"], everything=False) == 0 and upkeep.test([], everything=True) == 0
    (short, environment), (everything, _) = calls
    assert short == ["-m", "pytest", "-m", "not slow", "-n", "2", "--dist", "loadfile", "tests/test_cli.py"]
    assert environment["OMP_NUM_THREADS"] == "1"
    assert everything == ["-m", "pytest", "tests"]


def test_lint_fails_if_any_of_the_three_does(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = commands_run(monkeypatch)
    assert upkeep.lint() == 1
    assert [command[1] for command, _ in calls] == ["ruff", "ruff", "mypy"]


def test_training_again_begins_from_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def run(command: list[str], **variables: str) -> int:
        seen.append((command[-1], sum((tmp_path / path).exists() for path in TRAINED)))
        return 0

    for path in TRAINED:
        assert (ROOT / path).is_file()
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("old", encoding="utf-8")
    monkeypatch.setattr(upkeep, "call", run)
    monkeypatch.setattr(upkeep, "course_root", lambda: tmp_path)
    assert upkeep.checkpoints() == 0
    assert [left for _, left in seen] == [3, 3, 0, 0, 0], "models first; then the old runs go before the new ones"


# --- the newest versions


def test_what_is_tried_is_there() -> None:
    assert all((ROOT / "tests" / name).is_file() for name in QUICK_TESTS)
    assert all((ROOT / f"sources/lessons/{name}.py").is_file() for name in QUICK_LESSONS)


def test_pins_and_what_moved() -> None:
    # what holds for another Python comes first, as in requirements.lock on 3.12: it must not be taken
    here, other = (f"python_full_version {sign} '3.{sys.version_info.minor}'" for sign in (">=", "<"))
    text = (
        f"# made by\nnumpy==2.1.0\nsphinx==9.0.4 ; {other}\nsphinx==9.1.1 ; {here}\nonly==1 ; {other}\n"
        "psycopg[binary]==3.2\n"
    )
    assert pins(text) == {"numpy": "2.1.0", "sphinx": "9.1.1", "psycopg": "3.2"}
    table = changes(pins(text), {"numpy": "2.2.0", "sphinx": "9.1.1", "other": "1"})
    assert table == ["| package | locked | newest |", "|---|---|---|", "| numpy | 2.1.0 | 2.2.0 |", ""]
    assert changes({"numpy": "2.1.0"}, {"numpy": "2.1.0"}) == ["All packages have their newest version already.\n"]


def test_what_the_bounds_keep_out_is_named(tmp_path: Path) -> None:
    free = tomllib.loads((without_upper_bounds(ROOT, tmp_path) / "pyproject.toml").read_text(encoding="utf-8"))
    assert not upper_bounds(tmp_path) and "jupyterlab>=4.4" in free["project"]["optional-dependencies"]["local"]
    assert free["project"]["requires-python"] == ">=3.11"
    said = kept_out(ROOT, {"jupyterlab": "4.6.0", "numpy": "2"}, {"jupyterlab": "5.0.0", "numpy": "2", "new": "1"})
    assert "jupyterlab>=4.4,<5" in said and said.endswith("): jupyterlab 5.0.0, new 1.\n")
    assert kept_out(ROOT, {"numpy": "2"}, {"numpy": "2"}).endswith("): nothing today.\n")


def test_bounds_of_ones_own_are_listed() -> None:
    assert "jupyterlab>=4.4,<5" in upper_bounds(ROOT) and "torch>=2.6" not in upper_bounds(ROOT)


def test_a_trial_that_fails_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; print('it moved'); sys.exit(1)"
    assert run_trial("x", [sys.executable, "-c", script], ROOT) == Trial("x", False, "it moved\n")
    assert run_trial("y", [sys.executable, "-c", "pass"], ROOT).ok
    monkeypatch.setattr(upkeep, "MINUTES", 0.01)
    assert run_trial("z", [sys.executable, "-c", "import time; time.sleep(60)"], ROOT).said.startswith("not done after")


@pytest.mark.parametrize("broken", [[], ["lesson 07"]])
def test_the_report_is_written_as_it_grows(broken: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*upkeep.LOCKS, "pyproject.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.setattr(upkeep, "new_environment", lambda folder: folder)
    monkeypatch.setattr(upkeep, "install", lambda *arguments: None)
    monkeypatch.setattr(upkeep, "resolve", lambda root, torch: {"numpy": "99.0"})
    report = tmp_path / upkeep.REPORT

    def trials(python: Path, root: Path) -> Any:
        yield Trial("every module", True)
        assert "- ok: every module" in report.read_text(encoding="utf-8"), "whoever stops it here keeps that"
        for name in broken:
            yield Trial(name, False, "a\nlong\ntraceback")

    monkeypatch.setattr(upkeep, "trials", trials)
    assert upkeep.latest(tmp_path, say=lambda line: None) == len(broken)
    text = report.read_text(encoding="utf-8")
    assert "| 99.0 |" in text and ("BROKEN: lesson 07" in text) == bool(broken)
    assert ("Nothing broke." in text) != bool(broken)


def test_a_package_is_copied_where_links_are_not_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part/x.py").write_text("1", encoding="utf-8")

    def refused(self: Path, target: Path, target_is_directory: bool = False) -> None:
        raise OSError("a privilege is missing")

    monkeypatch.setattr(Path, "symlink_to", refused)
    share(tmp_path / "part", tmp_path / "there")
    assert (tmp_path / "there/x.py").read_text(encoding="utf-8") == "1" and not (tmp_path / "there").is_symlink()
