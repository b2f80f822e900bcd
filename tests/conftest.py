"""Fixtures that several test files use."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course in a temporary folder, with exercise set 00 built and nothing else: tests may change it."""
    folder = tmp_path / "course"
    for name in ("pyproject.toml", "nbgrader_config.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("sources/exercises/00_start_here.py",):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("solutions/00_start_here", "exercises/00_start_here"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "sources/lessons").mkdir()
    return folder
