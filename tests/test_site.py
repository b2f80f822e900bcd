"""The course as pages: what they load, where their links lead, what a browser without a network makes of them."""

import inspect
import json
import os
import re
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import ROOT
from racecourse.learn import api_pages
from racecourse.learn.mathml import mathml
from racecourse.learn.site import (
    Course,
    broken_links,
    build_site,
    describe_figures,
    destination,
    find_pages,
    fold_sentences,
    prose,
)

TOPIC, ROOM = "03_mixture_of_experts", "machine"
FORMULAS = "00_start_here"  # a lesson that has some
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")

needs_sphinx = pytest.mark.skipif(find_spec("myst_nb") is None, reason="the extra `docs` is not installed")
needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: `apt-get install chromium`")


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages with two lessons, their sets and one room of the package; building them checks all their links."""
    return build_site(ROOT, into=tmp_path_factory.mktemp("site"), topics=[TOPIC, FORMULAS], rooms=[ROOM])


# --- what is staged


@pytest.mark.parametrize(
    ("link", "page", "leads_to"),
    [
        ("../lessons/a.ipynb", "docs/b.md", "../lessons/a.ipynb"),
        ("../README.md#start", "docs/b.md", "../index.md#start"),
        ("LICENSE", "README.md", "https://github.com/who/what/blob/main/LICENSE"),
        ("../benchmarks", "docs/b.md", "https://github.com/who/what/tree/main/benchmarks"),
        ("../lessons/left_out.ipynb", "docs/b.md", "https://github.com/who/what/blob/main/lessons/left_out.ipynb"),
        ("#below", "docs/b.md", "#below"),
        ("https://example.org/x.md", "docs/b.md", "https://example.org/x.md"),
        ("nowhere.md", "docs/b.md", "nowhere.md"),  # stays, so that Sphinx complains
    ],
)
def test_links_lead_to_pages_of_the_site_or_to_github(tmp_path, link, page, leads_to):
    for name in ("LICENSE", "README.md", "benchmarks/x.py", "lessons/a.ipynb", "lessons/left_out.ipynb", "docs/b.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    course = Course(tmp_path, "who/what", "main", frozenset({"README.md", "docs/b.md", "lessons/a.ipynb"}))
    assert destination(link, page, course) == leads_to


def test_code_keeps_what_looks_like_a_link(tmp_path):
    (tmp_path / "x").touch()
    course = Course(tmp_path, "who/what", "main", frozenset())
    text = "`f[0](x)` and [words](x)\n\n```\nf[0](x)\n```\n"
    assert prose(text, "README.md", course) == text.replace("(x)\n\n", "(https://github.com/who/what/blob/main/x)\n\n")


def test_a_figure_gets_the_words_that_its_cell_prints():
    figure = {"output_type": "display_data", "data": {"image/png": ""}}
    texts = {
        "short": ["Two  bars: 3; your guess: None\n", "and 4\n"],
        "long": "row\n" * 100 + "the gist\nYour guess: 1\n",
    }
    short, long = (
        {
            "source": 'plot(title="How far")',
            "outputs": [figure, {"output_type": "stream", "text": text}],
            "metadata": {},
        }
        for text in texts.values()
    )
    describe_figures(short)
    describe_figures(long)
    assert short["metadata"]["mystnb"]["image"]["alt"] == "Figure: How far. Two bars: 3. and 4"
    assert long["metadata"]["mystnb"]["image"]["alt"] == "Figure: How far. the gist"


def test_long_sentences_among_the_outputs_are_folded_and_tables_are_not():
    sentence, row = "words " * 30 + "end.", "name" + " " * 100 + "12"
    cell = {"outputs": [{"output_type": "stream", "text": f"{sentence}\n{row}\nshort\n"}]}
    fold_sentences(cell)
    lines = cell["outputs"][0]["text"].split("\n")
    assert lines[-3:] == [row, "short", ""] and len(lines) == 6
    assert " ".join(lines[:-3]) == sentence and max(map(len, lines[:-3])) <= 80


def test_every_lesson_set_and_handbook_page_is_on_the_site():
    pages = find_pages(ROOT)
    names = [path.stem for path in (ROOT / "sources/lessons").glob("*.py")]
    assert {f"lessons/{name}.ipynb" for name in names} <= set(pages)
    assert {f"exercises/{name}/{name}.ipynb" for name in names} <= set(pages)
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(pages)
    assert not any(page.startswith("solutions") for page in pages)


def test_every_room_has_a_page_of_the_reference():
    package = ROOT / "utils/racecourse"
    modules = {path for path in package.rglob("*.py") if path.name[0] != "_" and path != package / "cli.py"}
    text = "".join(api_pages.room_page(package, room) for room in api_pages.rooms(package))
    missing = {path for path in modules if f"{path.stem}\n```" not in text}
    assert not missing


def test_every_formula_of_the_course_has_its_mathml():
    formulas = []
    for path in ROOT.glob("sources/*/*.py"):
        words = "\n".join(re.findall(r"^# (?!%%)(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))
        words = re.sub(r"`[^`]*`", "", words).replace(r"\$", "")
        formulas += re.findall(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", words, re.DOTALL)
    assert len(formulas) >= 7  # lessons 00 and 01 alone have as many
    for block, inline in formulas:
        assert not re.match(r"\d[\d,.]*[:;,.]? [a-z(]", inline), f"two prices make a formula of: {inline}"
        assert mathml(block or inline, display=bool(block)).count("<math") == 1


def test_tex_without_mathml_is_refused_by_name():
    with pytest.raises(ValueError, match=r"no MathML for .*nosuch"):
        mathml(r"\nosuch x", display=False)


# --- the package's reference


@pytest.mark.parametrize("room", ["machine", "learn"])
def test_the_reference_has_every_public_function_with_its_parameters(room):
    """Against `inspect`, which sees the imported module; the pages are made from the text."""
    package = ROOT / "utils/racecourse"
    page = api_pages.room_page(package, room)
    for path in sorted((package / room).glob("[!_]*.py")):
        module = import_module(f"racecourse.{room}.{path.stem}")
        section = page.partition(f"{{py:module}} racecourse.{room}.{path.stem}\n")[2].partition("{py:module}")[0]
        shown = dict(re.findall(r"^````\{py:function\} (\w+)\((.*)$", section, re.MULTILINE))
        own = {
            name: thing
            for name, thing in (
                (name, inspect.unwrap(thing)) for name, thing in vars(module).items() if callable(thing)
            )
            if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
        }
        assert set(shown) == set(own), path
        for name, function in own.items():
            for parameter in inspect.signature(function).parameters:
                assert re.search(rf"\b{parameter}\b", shown[name]), f"{path.stem}.{name}({parameter})"


def test_a_docstring_becomes_markdown_with_its_marks_taken_literally():
    made = api_pages.markdown("""A * B in `a*b`, at $5.

        >>> f(2)
        4

        Raises:
            ValueError: a list
                too long.
            OSError: none
        """)
    assert made == (
        "A \\* B in `a*b`, at \\$5.\n\n```pycon\n>>> f(2)\n4\n```\n\n"
        "**Raises:**\n\n- ValueError: a list too long.\n- OSError: none"
    )


# --- what is built


def test_broken_links_and_files_from_elsewhere_are_found(tmp_path):
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#gone">2</a><a href="c.html">3</a><a href="https://x.org">4</a>'
        '<img src="missing.png"><script src="//cdn.example.org/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<p id="here"></p><a href="#here">5</a>')
    assert broken_links(tmp_path) == [
        "a.html loads //cdn.example.org/x.js",
        "a.html -> b.html#gone: no such place on that page",
        "a.html -> c.html: no such file",
        "a.html -> missing.png: no such file",
    ]


@needs_sphinx
def test_no_page_asks_another_site_for_anything(html):
    for path in html.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*?\bsrc=[\"'](?:https?:)?//[^>]*>", text)
        loaded += re.findall(r"<link\b[^>]*stylesheet[^>]*href=[\"'](?:https?:)?//[^>]*>", text)
        assert not loaded, f"{path.name}: {loaded[:3]}"
    for path in html.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", path.read_text(encoding="utf-8")), path.name


@needs_sphinx
def test_a_lesson_shows_its_committed_figures_with_words_and_a_badge(html):
    page = (html / f"lessons/{TOPIC}.html").read_text(encoding="utf-8")
    notebook = json.loads((ROOT / f"lessons/{TOPIC}.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    figures = sum("image/png" in output.get("data", {}) for output in outputs)
    assert len(re.findall(r'<img alt="Figure: [^"]{15,}"', page)) == figures > 0
    assert page.index("<h1>") < page.index("colab.svg") and 'alt="Open in Colab"' in page
    code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    controls = sum(any(f"{name}(" in text for name in ("_explorer", "_panel", "quiz")) for text in code)
    assert page.count("need a running notebook") == controls > 0
    assert '<html lang="en"' in page


@needs_sphinx
def test_formulas_need_no_script(html):
    page = (html / f"lessons/{FORMULAS}.html").read_text(encoding="utf-8")
    cells = json.loads((ROOT / f"lessons/{FORMULAS}.ipynb").read_text(encoding="utf-8"))["cells"]
    words = "".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert page.count("<math ") == len(re.findall(r"\$\$.+?\$\$|\$[^$]+\$", words, re.DOTALL)) > 0
    assert "mathjax" not in page.lower() and "require.js" not in page


@needs_sphinx
def test_the_set_is_the_release(html):
    page = (html / f"exercises/{TOPIC}/{TOPIC}.html").read_text(encoding="utf-8")
    words = re.sub(r"\s+", "", re.sub(r"<[^>]+>", "", page))
    assert "raiseNotImplementedError" in words and "YOURANSWERHERE" in words
    assert "BEGINSOLUTION" not in words and "HIDDENTESTS" not in words and "MARKSCHEME" not in words


@needs_sphinx
@needs_chromium
@pytest.mark.browser
def test_a_browser_without_a_network_reads_and_searches_the_pages(html):
    """From the disk, where a page may not even fetch its neighbours; whoever hosts them has fewer limits."""
    playwright = pytest.importorskip("playwright.sync_api")
    troubles = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 320, "height": 800})
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("requestfailed", lambda request: troubles.append(request.url))

        def only_ours(route):
            if route.request.url.startswith(html.as_uri()):
                route.continue_()
            else:
                troubles.append(route.request.url)
                route.abort()

        page.route("**/*", only_ours)
        texts = ("index", "CONTRIBUTING", "docs/instructors", "docs/glossary")
        for name in (*texts, f"lessons/{TOPIC}", f"exercises/{TOPIC}/{TOPIC}", f"api/{ROOM}"):
            page.goto(f"{html.as_uri()}/{name}.html")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than a phone"
        page.goto(f"{html.as_uri()}/search.html?q=load+balancing")
        found = page.locator("#search-results a", has_text="Mixture of experts").first
        found.wait_for(timeout=20_000)
        found.click()
        page.wait_for_load_state()
        assert "Mixture of experts" in page.title()
        browser.close()
    assert troubles == []


@needs_sphinx
@needs_chromium
@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(html, theme):
    playwright = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = []
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=theme)
        pages = ("index", f"lessons/{TOPIC}", f"exercises/{TOPIC}/{TOPIC}", f"api/{ROOM}", "search")
        for name in pages:
            page.goto(f"{html.as_uri()}/{name}.html")
            for rule in axe.run(page).response["violations"]:
                found += [f"{name}: {rule['help']}: {node['html'][:200]}" for node in rule["nodes"]]
        browser.close()
    assert found == []


@needs_sphinx
@pytest.mark.slow
def test_the_whole_site_builds_without_a_warning(tmp_path):
    html = build_site(ROOT, into=tmp_path)
    assert (html / "api/models.html").is_file() and (html / "lessons/09_verdict.html").is_file()
