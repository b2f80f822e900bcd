"""The students' branch, in a real repository, pulled by the real nbgitpuller over copies that students have edited."""

import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from racecourse.grading.classes.branch import files, link, publish, repository_of

BESIDE = ("README.md", "LICENSE", "LICENSE-TEXT", "docs/images/signature.png")
LESSON = "lessons/00_start_here.ipynb"
SET = "exercises/00_start_here/00_start_here.ipynb"


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def repository(course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small course as a repository with a lesson that has outputs, and a bare one that it pushes to."""
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "somebody@example.org")
    for name in BESIDE:
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text(f"{name}\n")
    (course / "lessons").mkdir()
    write_lesson(course, "x = 1", "y = 2")
    git(course, "init", "-q", "-b", "main")
    git(course, "add", "-A")
    git(course, "commit", "-q", "-m", "all")
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "public.git")], check=True)
    git(course, "remote", "add", "origin", str(tmp_path / "public.git"))
    return course


def write_lesson(course: Path, *sources: str) -> None:
    cells = [new_markdown_cell("# A lesson", id="title")]
    for number, source in enumerate(sources):
        output = new_output("stream", text=f"output {number}\n")
        cells.append(new_code_cell(source, id=f"cell-{number}", outputs=[output], execution_count=number + 1))
    nbformat.write(new_notebook(cells=cells), course / LESSON)


def publish_and_push(course: Path) -> str:
    commit = publish(course).commit
    git(course, "push", "-q", "origin", "students")  # no --force: git refuses if history was rewritten
    return commit


def pull(course: Path, student: Path) -> None:
    """What the link does on a student's server."""
    from nbgitpuller.pull import GitPuller

    for line in GitPuller(str(course.parent / "public.git"), str(student), branch="students", depth=0).pull():
        print(line)


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def test_it_holds_notebooks_without_outputs_and_no_solution(repository: Path) -> None:
    commit = publish(repository).commit
    listed = git(repository, "ls-tree", "-r", "--name-only", commit).split("\n")
    assert listed == sorted([*BESIDE, LESSON, SET])
    lesson = nbformat.reads(git(repository, "show", f"{commit}:{LESSON}"), as_version=4)
    assert [cell.get("outputs", []) for cell in lesson.cells] == [[], [], []]
    assert [cell.source for cell in lesson.cells] == ["# A lesson", "x = 1", "y = 2"]
    assert git(repository, "show", f"{commit}:{SET}") + "\n" == (repository / SET).read_text()


def test_the_working_tree_and_the_branch_in_it_stay(repository: Path) -> None:
    (repository / "README.md").write_text("edited, not committed\n")
    before = git(repository, "status", "--porcelain=v2", "--branch")
    publish(repository)
    assert git(repository, "status", "--porcelain=v2", "--branch") == before


def test_a_second_publication_is_a_commit_only_if_something_changed(repository: Path) -> None:
    first = publish(repository)
    assert first.is_new
    again = publish(repository)
    assert (again.commit, again.is_new) == (first.commit, False)
    write_lesson(repository, "x = 1", "y = 3")
    third = publish(repository)
    assert git(repository, "rev-parse", f"{third.commit}^") == first.commit


def test_a_new_clone_goes_on_where_the_last_publication_ended(repository: Path, tmp_path: Path) -> None:
    first = publish_and_push(repository)
    git(repository, "push", "-q", "origin", "main")
    subprocess.run(
        ["git", "clone", "-q", "-b", "main", str(tmp_path / "public.git"), str(tmp_path / "new")], check=True
    )
    write_lesson(tmp_path / "new", "x = 1", "y = 3")
    assert git(tmp_path / "new", "rev-parse", f"{publish_and_push(tmp_path / 'new')}^") == first


def test_a_class_with_own_versions_pulls_no_exercises(repository: Path) -> None:
    assert set(files(repository, exercises=True)) - set(files(repository, exercises=False)) == {SET}


def test_outside_a_repository_it_says_so(course: Path) -> None:
    for name in BESIDE:
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text(f"{name}\n")
    with pytest.raises(RuntimeError, match="not a git repository"):
        publish(course)


def test_a_pull_loses_nothing_that_a_student_wrote(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("nbgitpuller")
    student = tmp_path / "student"
    publish_and_push(repository)
    pull(repository, student)
    mine = nbformat.read(student / LESSON, as_version=4)
    mine.cells[1].source = "x = 'my own answer'"
    mine.cells.append(new_markdown_cell("My notes", id="notes"))
    nbformat.write(mine, student / LESSON)
    (student / "mine.txt").write_text("mine")
    (student / SET).unlink()  # a deleted file comes back

    write_lesson(repository, "x = 10", "y = 'corrected'")
    publish_and_push(repository)
    pull(repository, student)
    assert sources(student / LESSON)[:3] == ["# A lesson", "x = 'my own answer'", "y = 'corrected'"]
    assert "My notes" in sources(student / LESSON)
    assert (student / "mine.txt").read_text() == "mine"
    assert (student / SET).is_file()


def test_the_link_has_what_nbgitpuller_reads(repository: Path) -> None:
    address = urlsplit(link("https://hub.example/", "https://example.org/a/course.git"))
    assert (address.netloc, address.path) == ("hub.example", "/hub/user-redirect/git-pull")
    assert parse_qs(address.query) == {
        "repo": ["https://example.org/a/course.git"], "branch": ["students"], "urlpath": [f"lab/tree/course/{LESSON}"],
    }  # fmt: skip
    assert repository_of(repository).startswith("https://github.com/")
