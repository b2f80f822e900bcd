"""The course as static pages, to read without a network: `racecourse site`.

README becomes the home page; lessons keep the outputs that are committed and are not run; exercise sets come from the
releases, so no solution is among them. Everything is copied into build/site/source, with the layout of the repository,
and Sphinx makes build/site/html from it. A warning, or a link that leads nowhere, stops the build.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote, urlsplit

from racecourse.learn import api_pages
from racecourse.learn.notebooks import course_root, write_text_if_changed

HOME = "README.md"
TEACHING = ["instructors", "grading", "writing_exercises", "hub", "cluster", "data", "ai_policy"]  # the rest: reference
COLAB_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
OWN_BADGE = "/_static/colab.svg"

LINK = re.compile(r"(\]\()([^()\s]+)(\))")
CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
CONTROLS = re.compile(r"\b(\w+_explorer|\w+_panel|quiz)\(")
NEEDS_A_KERNEL = "```{{note}}\nThe controls that belong here need a running notebook: [open it on Colab]({url}).\n```"
TITLE = re.compile(r'title\w*[=(]\s*"([^"]+)"')  # of a figure, in the code that draws it
GUESS = re.compile(r"[;,.]?\s*your guess.*", re.IGNORECASE)  # in what a cell prints
LONGEST_ALT, PAGE_WIDTH = 300, 80  # characters


@dataclass(frozen=True)
class Course:
    """Where the pages come from, and which there are."""

    root: Path
    repository: str
    tag: str
    pages: frozenset[str]  # paths below root, with / between their parts

    def on_github(self, path: str) -> str:
        kind = "tree" if (self.root / path).is_dir() else "blob"
        return f"https://github.com/{self.repository}/{kind}/{self.tag}/{path}"

    def on_colab(self, path: str) -> str:
        return f"https://colab.research.google.com/github/{self.repository}/blob/{self.tag}/{path}"


def build_site(
    root: Path | str | None = None,
    *,
    into: Path | None = None,
    topics: Iterable[str] | None = None,
    rooms: Iterable[str] | None = None,
) -> Path:
    """Make the pages and return the folder that holds index.html; `topics` and `rooms` leave other notebooks
    and other rooms of the package out.

    Raises:
        RuntimeError: Sphinx is missing or warns, or a link leads nowhere.
    """
    root = course_root(root)
    folder = into or root / "build" / "site"
    stage(root, folder / "source", topics, rooms)
    run_sphinx("html", folder)
    broken = broken_links(folder / "html")
    if broken:
        raise RuntimeError("links that lead nowhere:\n" + "\n".join(broken))
    return folder / "html"


def check_links_out(root: Path | str | None = None) -> None:
    """Ask every other site that the pages link to. This needs a network; Sphinx prints what it finds."""
    root = course_root(root)
    folder = root / "build" / "site"
    stage(root, folder / "source")
    run_sphinx("linkcheck", folder)


def run_sphinx(builder: str, folder: Path) -> None:
    if find_spec("sphinx") is None or find_spec("myst_nb") is None:
        raise RuntimeError("the site needs Sphinx, which comes with the tests: `python utils/bootstrap.py --test`")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        builder,
        "-d",
        str(folder / "doctrees"),
    ]
    command += [str(folder / "source"), str(folder / builder)]
    if subprocess.run(command).returncode:
        raise RuntimeError(f"Sphinx found what is listed above; what it read is in {folder / 'source'}")


def stage(root: Path, into: Path, topics: Iterable[str] | None = None, rooms: Iterable[str] | None = None) -> None:
    """Write what Sphinx reads. Files that are as they were keep their date, so that only what changed is made again."""
    about = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["racecourse"]
    course = Course(root, about["repository"], about["tag"], frozenset(find_pages(root, topics)))
    package = root / "utils" / "racecourse"
    rooms = api_pages.rooms(package) if rooms is None else sorted(rooms)
    texts = {"conf.py": (root / "docs" / "conf.py").read_text(encoding="utf-8"), "index.md": home(course, rooms)}
    texts |= {f"api/{room}.md": api_pages.room_page(package, room) for room in rooms}
    for page in course.pages - {HOME}:
        text = (root / page).read_text(encoding="utf-8")
        texts[page] = notebook_page(text, page, course) if page.endswith(".ipynb") else prose(text, page, course)
    for name, text in texts.items():
        write_text_if_changed(text, into / name)
    for path in [*into.rglob("*.md"), *into.rglob("*.ipynb")]:
        if path.relative_to(into).as_posix() not in texts:
            path.unlink()
    for name, copy in {"_static": "_static", "_templates": "_templates", "images": "docs/images"}.items():
        shutil.copytree(root / "docs" / name, into / copy, dirs_exist_ok=True)


def find_pages(root: Path, topics: Iterable[str] | None = None) -> list[str]:
    """The files of the repository that become pages, as paths below it."""
    wanted = None if topics is None else set(topics)
    notebooks = [*root.glob("lessons/*.ipynb"), *root.glob("exercises/*/*.ipynb")]
    chosen = [path for path in notebooks if wanted is None or path.stem in wanted]
    texts = [root / HOME, root / "CONTRIBUTING.md", root / "CHANGELOG.md", *root.glob("docs/*.md")]
    return [path.relative_to(root).as_posix() for path in sorted(chosen) + sorted(texts)]


def home(course: Course, rooms: Iterable[str]) -> str:
    """README with the list of all pages below it, which the theme shows at the side."""
    readme = (course.root / HOME).read_text(encoding="utf-8")
    docs = [page.removesuffix(".md") for page in sorted(course.pages) if page.startswith("docs/")]
    teaching = [f"docs/{name}" for name in TEACHING if f"docs/{name}" in docs]
    groups = {
        "Lessons": [page for page in sorted(course.pages) if page.startswith("lessons/")],
        "Exercises": [page for page in sorted(course.pages) if page.startswith("exercises/")],
        "Reference": [page for page in docs if page not in teaching],
        "For instructors": teaching,
        "For contributors": ["CONTRIBUTING", "CHANGELOG"],
        "The package": [f"api/{room}" for room in rooms],
    }
    toctrees = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"])
        for caption, pages in groups.items()
    ]
    return "\n\n".join([prose(readme, HOME, course), *toctrees]) + "\n"


def prose(text: str, page: str, course: Course) -> str:
    """Markdown of `page` with the course's own badge, and with links that lead to pages of the site or to GitHub."""

    def lead(match: re.Match[str]) -> str:
        return match[1] + destination(match[2], page, course) + match[3]

    pieces = CODE.split(text.replace(COLAB_BADGE, OWN_BADGE))
    return "".join(LINK.sub(lead, piece) if i % 2 == 0 else piece for i, piece in enumerate(pieces))


def destination(link: str, page: str, course: Course) -> str:
    """Where a link of `page` leads on the site."""
    path, mark, anchor = link.partition("#")
    if not path or urlsplit(link).scheme or path.startswith("/"):
        return link
    target = normpath(join(dirname(page), path))
    if target == HOME:
        return path.removesuffix(HOME) + "index.md" + mark + anchor
    if target in course.pages or target.startswith("docs/images/") or not (course.root / target).exists():
        return link
    return course.on_github(target) + mark + anchor


def notebook_page(text: str, page: str, course: Course) -> str:
    """A notebook made ready to be read: badge below the title, texts for its figures, links that lead on."""
    notebook = json.loads(text)
    badge, title, *cells = notebook["cells"]
    heading, _, rest = "".join(title["source"]).partition("\n")
    title["source"] = f"{heading}\n\n{''.join(badge['source'])}\n{rest}"
    notebook["cells"] = [title]
    for cell in cells:
        notebook["cells"].append(cell)
        if cell["cell_type"] == "code":
            describe_figures(cell)
            fold_sentences(cell)
            if "setup" in cell["metadata"].get("tags", []):
                cell["metadata"]["tags"].append("hide-input")
            if page.startswith("lessons/") and CONTROLS.search("".join(cell["source"])):
                note = NEEDS_A_KERNEL.format(url=course.on_colab(page))
                notebook["cells"].append(
                    {"cell_type": "markdown", "id": f"{cell['id']}-controls", "metadata": {}, "source": note}
                )
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = prose("".join(cell["source"]), page, course)
    return json.dumps(notebook, ensure_ascii=False, indent=1)


def describe_figures(cell: dict[str, Any]) -> None:
    """Give a cell's figures their titles and what the cell prints beside them; where that is long, its last line."""
    if not any("image/png" in output.get("data", {}) for output in cell["outputs"]):
        return
    printed = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
    lines = [words for line in printed.splitlines() if (words := " ".join(GUESS.sub("", line).split()))]
    said = lines if len(" ".join(lines)) <= LONGEST_ALT else lines[-1:]
    titles = dict.fromkeys(TITLE.findall("".join(cell["source"])))
    alt = ". ".join(words.rstrip(".") for words in [*titles, *said])
    cell["metadata"]["mystnb"] = {"image": {"alt": f"Figure: {alt}"}}


def fold_sentences(cell: dict[str, Any]) -> None:
    """Fold what a cell prints where a line is longer than a page is wide; the rows of tables stay whole."""
    for output in cell["outputs"]:
        if output["output_type"] == "stream":
            lines = "".join(output["text"]).split("\n")
            output["text"] = "\n".join(
                line if len(line) <= PAGE_WIDTH or "  " in line else textwrap.fill(line, PAGE_WIDTH) for line in lines
            )


@dataclass
class Page(HTMLParser):
    """What a built page offers and asks for: its anchors, its links, and the files that it loads."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)  # scripts, styles, images: fetched without being clicked

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := found.get(key))}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        elif tag == "link" and found.get("rel") not in ("next", "prev", "search", "index", "author", "canonical"):
            self.loads.append(found.get("href") or "")
        elif found.get("src"):
            self.loads.append(found["src"] or "")


def read_page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken_links(html: Path) -> list[str]:
    """One line for each link that leads nowhere inside `html`, and each file that a page would load from elsewhere."""
    built = [path for path in sorted(html.rglob("*.html")) if path.parent.name != "_static"]  # there: theme's templates
    pages = {path.resolve(): read_page(path) for path in built}
    problems = []
    for path, page in pages.items():
        here = path.relative_to(html.resolve()).as_posix()
        problems += [f"{here} loads {load}" for load in page.loads if urlsplit(load).netloc]
        for link in [*page.links, *(load for load in page.loads if not urlsplit(load).scheme)]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(target)
            if not target.is_file():
                problems.append(f"{here} -> {link}: no such file")
            elif known and parts.fragment and unquote(parts.fragment) not in known.anchors:
                problems.append(f"{here} -> {link}: no such place on that page")
    return problems
