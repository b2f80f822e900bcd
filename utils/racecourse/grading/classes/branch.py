"""The branch that students pull: the notebooks without outputs, on a branch of its own in the course's repository.

nbgitpuller merges a newer version into a student's edited copy line by line, and keeps the student's side. That works
as long as notebooks hold nothing but what a person wrote, cells keep their order and ids, and history is never
rewritten: so each publication is a commit on top of the last, and there is none if nothing changed.

The working tree, the index and the branch that is checked out are left alone. Left out: pushing, which is
`git push origin students`; solutions, sources and the package, which the server's environment has.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from racecourse.learn.notebooks import course_root, read

BRANCH = "students"
FIRST = "lessons/00_start_here.ipynb"  # what the link opens
BESIDE = ("README.md", "LICENSE", "LICENSE-TEXT", "docs/images/signature.png")  # what the notebooks come with
NO_COMMIT = "0" * 40  # git's word for: this branch must not be there yet


@dataclass(frozen=True)
class Published:
    """What is on the students' branch now."""

    commit: str
    is_new: bool  # False: it was there, nothing has changed


def publish(root: Path, *, branch: str = BRANCH, exercises: bool = True) -> Published:
    """Bring the branch up to date with the notebooks in the working tree.

    Leave `exercises` out where students have versions of their own, which come by `nbgrader fetch_assignment`.

    Raises:
        RuntimeError: this is no git repository, or git refuses; its own words are in the message.
    """
    root = course_root(root)
    parent = _tip(root, branch)
    tree = _write_tree(root, files(root, exercises=exercises))
    if parent and tree == _git(root, "rev-parse", f"{parent}^{{tree}}"):
        return Published(parent, is_new=False)
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    said = ["-m", f"Notebooks of {settings['project']['name']} {settings['project']['version']}"]
    commit = _git(root, "commit-tree", tree, *(["-p", parent] if parent else []), *said)
    before = _git(root, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}") or NO_COMMIT
    _git(root, "update-ref", f"refs/heads/{branch}", commit, before)
    return Published(commit, is_new=True)


def files(root: Path, *, exercises: bool) -> dict[str, bytes]:
    """What students pull, by its path in the repository."""
    import nbformat

    found = {name: (root / name).read_bytes() for name in BESIDE}
    for path in sorted(root.glob("lessons/*.ipynb")):
        found[path.relative_to(root).as_posix()] = f"{nbformat.writes(without_outputs(read(path)))}\n".encode()
    for path in sorted(root.glob("exercises/*/[!._]*")) if exercises else []:
        found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def without_outputs(notebook: Any) -> Any:
    """The notebook as it was before it ran."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def link(hub: str, repository: str, *, branch: str = BRANCH, opens: str = FIRST) -> str:
    """The address that students follow: it logs them in, pulls the branch into their server, and opens a notebook.

    >>> link("https://hub.example", "https://example.org/a/course.git")[:75]
    'https://hub.example/hub/user-redirect/git-pull?repo=https%3A%2F%2Fexample.o'
    """
    folder = repository.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
    query = {"repo": repository, "branch": branch, "urlpath": f"lab/tree/{folder}/{opens}"}
    return f"{hub.rstrip('/')}/hub/user-redirect/git-pull?{urlencode(query)}"


def repository_of(root: Path) -> str:
    """Where the course's repository can be cloned from, as pyproject.toml names it."""
    settings = tomllib.loads((course_root(root) / "pyproject.toml").read_text(encoding="utf-8"))
    return f"https://github.com/{settings['tool']['racecourse']['repository']}"


def _tip(root: Path, branch: str) -> str:
    """The last commit of the branch, here or as it was last fetched; "" if there is none."""
    for ref in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
        if found := _git(root, "for-each-ref", "--format=%(objectname)", ref):
            return found
    return ""


def _write_tree(root: Path, contents: dict[str, bytes]) -> str:
    """The tree with these files, made in an index of its own."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        lines = [
            f"100644 {_git(root, 'hash-object', '-w', '--stdin', data=data)}\t{path}" for path, data in contents.items()
        ]
        _git(root, "update-index", "--add", "--index-info", data="\n".join(lines).encode(), index=index)
        return _git(root, "write-tree", index=index)


def _git(root: Path, *arguments: str, data: bytes | None = None, index: Path | None = None) -> str:
    variables = {"GIT_INDEX_FILE": str(index)} if index else {}
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], input=data, capture_output=True, env=os.environ | variables
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"`git {arguments[0]}` failed in {root}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode().strip()
