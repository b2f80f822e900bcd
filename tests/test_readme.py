"""README says what is true: its table of lessons, its picture, its figures, its commands and its links."""

import importlib.util
import json
import re
import tomllib
from types import SimpleNamespace
from typing import Any

import matplotlib
import pytest
from PIL import Image
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


def minutes_of(cell: str) -> float:
    return 0.4 if cell.strip() == "under 1" else float(cell)


def test_the_minutes_are_those_that_the_notebooks_recorded() -> None:
    rows = re.findall(r"^\| (\d\d) \|.*?\|.*?\|(.*?)\|.*?\|(.*?)\|$", TABLE, flags=re.M)
    assert len(rows) == len(list(ROOT.glob("lessons/*.ipynb")))
    for number, runs, of_set in rows:
        (lesson,) = ROOT.glob(f"lessons/{number}_*.ipynb")
        recorded = json.loads(lesson.read_text(encoding="utf-8"))["metadata"]["racecourse"]["minutes"]
        close = abs(minutes_of(runs) - recorded) <= max(0.6, recorded / 4)  # no run takes as long as another
        assert close, f"README: {lesson.stem} runs {runs.strip()!r} minutes, and its notebook recorded {recorded}"
        source = (ROOT / f"sources/exercises/{lesson.stem}.py").read_text(encoding="utf-8")
        printed = sum(map(int, re.findall(r"difficulty \d of 5 · (\d+) minutes", source)))
        assert int(of_set) == printed, f"README: the exercises of {lesson.stem} say {printed} minutes"


def drawing() -> Any:
    """The script that draws the picture, as a module."""
    spec = importlib.util.spec_from_file_location("draw", ROOT / "docs/images/draw.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_shows_what_the_lessons_and_records_hold_today() -> None:
    with Image.open(ROOT / "docs/images/signature.png") as picture:
        shown = json.loads(picture.info["Description"])
    assert shown == drawing().everything(), "draw it again: .venv/bin/python docs/images/draw.py"


def test_the_pictures_numbers_are_those_of_their_sources() -> None:
    shown = drawing().everything()
    totals = {"QwQ-32B": (32_763_876_352, 32_763_876_352), "DeepSeek-R1": (671_026_404_352, 37_552_282_624)}
    assert shown["parameters"] == {name: [round(n / 1e9, 1) for n in both] for name, both in totals.items()}
    assert shown["votes"]["answers"] == [1, 2, 4, 8, 16, 32, 64]
    assert shown["training"]["right answer"][0] == shown["training"]["random"][0]  # both start from one base
    # lesson 05 prints the means of the same runs, as it found them
    lesson = (ROOT / "lessons/05_reasoning_rl.ipynb").read_text(encoding="utf-8")
    for reward in ("right answer", "random"):
        assert re.search(rf"RL, {reward} +{shown['training'][reward][-1]:.0f} %", lesson), reward
    assert all(low < middle < high for low, middle, high in shown["verdict"].values())
    assert shown["small model"] == 223_968


def test_the_words_for_those_who_cannot_see_the_picture_have_its_numbers() -> None:
    (words,) = re.findall(r"!\[(.*?)\]\(docs/images/signature\.png\)", README, flags=re.S)
    shown = drawing().everything()
    votes, training = shown["votes"], shown["training"]
    lines = [votes["thinking"], votes["at once"], training["right answer"], training["random"]]
    expected = [f"{n:.1f}" for n in {n for both in shown["parameters"].values() for n in both}]
    expected += [f"{line[-1]:.0f}" for line in lines] + [f"{line[0]:.0f}" for line in (votes["thinking"], lines[2])]
    expected += [f"{middle:.1f}" for _, middle, _ in shown["verdict"].values()]
    missing = [number for number in expected if not re.search(rf"(?<![\d.]){re.escape(number)}(?!\.?\d)", words)]
    assert not missing, f"README: the picture shows {missing}, its text does not"


def test_the_short_table_of_figures_is_taken_from_the_long_ones() -> None:
    section = README.split("## What was measured where")[1].split("\n## ")[0]
    measured = (ROOT / "docs/measurements.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[.*?\]\(docs/measurements\.md#(.*?)\).*?\|(.*?)\|.*\|$", section, flags=re.M)
    assert len(rows) == 5
    parts = {
        re.sub(r"[^\w ]", "", part.split("\n")[0]).lower().replace(" ", "-"): part
        for part in measured.split("\n## ")[1:]
    }
    for anchor, figures in rows:
        for number in re.findall(r"\d+\.\d+|\d+", figures):
            assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\.?\d)", parts[anchor]), f"{anchor}: {number}"


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


def test_the_lesson_in_contributing_runs_and_says_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    matplotlib.use("agg")
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (lesson,) = [block for block in re.findall(r"^```python\n(.*?)^```$", page, re.S | re.M) if "# # 10" in block]
    exec(compile(lesson, "CONTRIBUTING.md", "exec"), {"session": SimpleNamespace(quick=True)})
    assert "8 blocks take 2 steps and 9 take 3: 1.5 times" in capsys.readouterr().out
