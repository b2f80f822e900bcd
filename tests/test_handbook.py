"""The instructor's pages: their example works, their commands exist, their rubrics and minutes are the sets'."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import wrong_answers
from racecourse.cli import app
from racecourse.grading import variants
from racecourse.grading.integrity import grade_id_of, is_written
from racecourse.learn.notebooks import build, read, target_of

PAGES = ("instructors.md", "data.md", "ai_policy.md", "writing_exercises.md", "hub.md", "cluster.md", "grading.md")
EXAMPLE = "10_shards"


def page(root: Path, name: str) -> str:
    return (root / "docs" / name).read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^````{language}\n(.*?)^````$", text, flags=re.S | re.M)


# ---- The example of writing_exercises.md -----------------------------------------------------------------------------


@pytest.fixture
def example(course: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str, dict[str, Any]]]:
    """The page's set, built in a course of its own; its bank, and its hints."""
    import tomllib

    text = page(root, "writing_exercises.md")
    source, bank = blocks(text, "python")
    (hints,) = blocks(text, "toml")
    (course / f"sources/exercises/{EXAMPLE}.py").write_text(source, encoding="utf-8")
    build([EXAMPLE], root=course)
    monkeypatch.setattr(wrong_answers, "ROOT", course)
    yield wrong_answers.Assignment(EXAMPLE), bank, tomllib.loads(hints)


def test_the_example_is_a_set_whose_checks_do_their_work(example: tuple[Any, str, dict[str, Any]]) -> None:
    assignment, bank, hints = example
    (exercise,) = assignment.exercises
    assert set(hints) == {"blocks-per-chip"} and 1 <= len(hints["blocks-per-chip"]) <= 3
    graded = [cell for cell in assignment.solution.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert sum(cell.metadata.nbgrader.points for cell in graded) == 100
    assert not [outcome for outcome in assignment.outcomes(exercise) if outcome.error]
    assert "BEGIN" not in str([cell.source for cell in assignment.release.cells])
    names: dict[str, Any] = {}
    exec(compile(bank, "the page's bank", "exec"), names)
    entries = [entry for value in names.values() for entry in wrong_answers.vars_of(value).get("wrong", [])]
    assert len(entries) == 5
    for entry in entries:
        outcomes = assignment.outcomes(exercise, {"blocks_per_chip": entry.answer})
        failed = [outcome for outcome in outcomes if outcome.error]
        assert failed and failed[0].is_hidden == entry.hidden, entry.answer.__name__
        assert entry.hidden or entry.says in failed[0].message, failed[0].message


def test_every_version_of_the_example_takes_its_own_solution_only(example: tuple[Any, str, dict[str, Any]]) -> None:
    parameters = variants.parameters_of(wrong_answers.ROOT / f"sources/exercises/{EXAMPLE}.py")
    assert variants.n_combinations(parameters) == 7
    sets = [
        wrong_answers.Assignment(EXAMPLE, values) for values in variants.every_version(parameters, "blocks-per-chip")
    ]
    answers = [one.namespace["blocks_per_chip"] for one in sets]
    for mine, one in enumerate(sets):
        for theirs, answer in enumerate(answers):
            outcomes = one.outcomes(one.exercises[0], {"blocks_per_chip": answer})
            assert bool([outcome for outcome in outcomes if outcome.error]) == (mine != theirs), (mine, theirs)
            assert mine == theirs or next(outcome for outcome in outcomes if outcome.error).message


# ---- Commands --------------------------------------------------------------------------------------------------------


def written_commands(text: str) -> list[str]:
    """`racecourse ...` in code, in lines and in blocks; a backslash at a line's end joins it with the next."""
    text = text.replace("\\\n", " ")
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.S | re.M)
    lines = [line.strip() for block in fenced for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.S | re.M))
    found = [re.search(r"(?:^|&& |bin/)racecourse ([a-z].*)", line) for line in lines]
    return [match[1].split("  #")[0].split(" && ")[0] for match in found if match]


def test_the_pages_commands_and_options_exist(root: Path) -> None:
    commands = typer.main.get_command(app)
    n_checked = 0
    for name in PAGES:
        for line in written_commands(page(root, name)):
            words, command = line.split(), commands
            while words and hasattr(command, "commands"):
                assert words[0] in command.commands, f"docs/{name}: no command in `racecourse {line}`"
                command = command.commands[words.pop(0)]
            known = {option for parameter in command.params for option in parameter.opts}
            for word in words:
                if word.startswith("--"):
                    assert word.split("=")[0] in known, f"docs/{name}: `racecourse {line}`: no option {word}"
            n_checked += 1
    assert n_checked > 30


def test_links_between_the_pages_lead_somewhere(root: Path) -> None:
    for name in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page(root, name)):
            path, _, anchor = target.partition("#")
            file = root / "docs" / path if path else root / "docs" / name
            assert file.exists(), f"docs/{name}: {target}"
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.M) if anchor else []
            anchors = {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
            assert not anchor or anchor in anchors, f"docs/{name}: {target}; there are {sorted(anchors)}"


# ---- Numbers ---------------------------------------------------------------------------------------------------------


def sets(root: Path) -> list[str]:
    return sorted(path.stem for path in (root / "sources/exercises").glob("[0-9][0-9]_*.py"))


def test_the_table_of_lessons_has_the_sets_minutes_and_the_lessons_memory(root: Path) -> None:
    section = page(root, "instructors.md").split("\n## What each lesson needs\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d\d) .*?\|([^|]+)\|([^|]+)\|([^|]+)\|([^|]+)\|([^|]+)\|$", section, re.M)
    assert [row[0] for row in rows] == [name[:2] for name in sets(root)]
    readme = (root / "README.md").read_text(encoding="utf-8").split("<!-- lessons")[1]
    computing = re.findall(r"^\| \d\d \|.*?\|.*?\|(.*?)\|", readme, re.M)  # held by test_readme.py
    for name, row, minutes in zip(sets(root), rows, computing, strict=True):
        source = (root / f"sources/exercises/{name}.py").read_text(encoding="utf-8")
        lesson = (root / f"sources/lessons/{name}.py").read_text(encoding="utf-8")
        assert row[1].strip() == minutes.strip(), f"{name}: computing"
        memory = re.search(r"Memory:(?: |\n# )((?:about|less than)(?: |\n# )\d+(?: |\n# )GB)", lesson)
        assert not memory or row[2].strip() == re.sub(r"\s+(# )?", " ", memory[1]), f"{name}: memory"
        parts = re.findall(r"difficulty \d of 5 · (\d+) minutes · (\d+) points", source)
        assert int(row[4]) == sum(int(minutes) for minutes, _ in parts), f"{name}: minutes of the set"
        assert int(row[5]) == int(parts[-1][1]), f"{name}: points by hand"


def test_the_rubrics_have_the_mark_schemes_points(root: Path) -> None:
    """Part by part, in order: a rubric may say more than a scheme, and never gives other points."""
    sections = re.findall(r"^### Set (\d\d).*?\n(.*?)(?=^##)", page(root, "instructors.md"), flags=re.S | re.M)
    found = dict(sections)
    assert sorted(found) == [name[:2] for name in sets(root)]
    for name in sets(root):
        written = next(cell for cell in read(target_of(name, root)).cells if is_written(cell))
        scheme = re.search(r"=== BEGIN MARK SCHEME ===(.*?)=== END", written.source, flags=re.S)
        assert scheme, grade_id_of(written)
        wanted = [int(points) for points in re.findall(r"^(\d+) points?:", scheme[1], flags=re.M)]
        given = [int(points) for points in re.findall(r"^\| (\d+) \|", found[name[:2]], flags=re.M)]
        assert given == wanted, f"set {name}"
        assert sum(given) == written.metadata.nbgrader.points
