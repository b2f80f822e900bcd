"""README says what is true: its table of lessons, its commands and its links."""

import re
import tomllib

import pytest
from typer.main import get_command

from conftest import ROOT
from racecourse.cli import app
from racecourse.learn.hints import all_hints

README = (ROOT / "README.md").read_text(encoding="utf-8")
COURSE = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["racecourse"]
TABLE = README.split("<!-- lessons")[1].split("<!-- end of lessons -->")[0]
NOTEBOOKS = sorted([*ROOT.glob("lessons/*.ipynb"), *ROOT.glob("exercises/*/*.ipynb")])


@pytest.mark.parametrize("path", [p.relative_to(ROOT).as_posix() for p in NOTEBOOKS])
def test_every_notebook_is_in_the_table_with_its_badge(path: str) -> None:
    badge = f"https://colab.research.google.com/github/{COURSE['repository']}/blob/{COURSE['tag']}/{path}"
    assert f"]({path})" in TABLE, f"README's table of lessons lacks a link to {path}"
    assert f"]({badge})" in TABLE, f"README's table of lessons lacks the Colab badge of {path}"


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_clone_address_is_the_repository() -> None:
    assert f"git clone https://github.com/{COURSE['repository']}.git" in README


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"`make ([a-z-]+)", README)) | set(
        re.findall(r"^make ([a-z-]+)", README, flags=re.MULTILINE)
    )
    assert len(named) >= 6
    assert named <= targets


def test_every_hint_named_exists() -> None:
    named = re.findall(r'hint\("([a-z-]+)"\)', README)
    assert named
    assert set(named) <= set(all_hints())


def test_every_racecourse_command_named_exists() -> None:
    commands = set(get_command(app).commands)
    named = set(re.findall(r"^racecourse ([a-z]+)", README, flags=re.MULTILINE)) | set(
        re.findall(r"`racecourse ([a-z]+)", README)
    )
    assert named
    assert named <= commands
