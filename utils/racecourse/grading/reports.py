"""What a learner and an instructor get to see of a graded notebook: made safe, and as a page of feedback.

Whoever opens a submission in nbgrader's formgrader opens it in the origin of their own Jupyter server, and nothing is
sanitised there. So `neutralised` builds a new notebook out of what is known to be harmless: code as text, Markdown
rendered and sanitised, PNG and JPEG pictures, tables, text. `feedback` is one learner's page; it has no script.
Left out: SVG, widgets, and whatever else would need code to be shown; their text takes their place, where they have
one. Formulas stay in TeX in the page of feedback, since no script typesets them there.
"""

from __future__ import annotations

import base64
import functools
import html
import io
import math
import re
import uuid
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nh3
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from mistune import import_plugin
from nbconvert.filters.ansi import ansi2html
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode, from_dict
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

from racecourse.grading.integrity import grade_id_of
from racecourse.grading.records import Exercise, Part, Report

# Characters, in one notebook and in one piece of it. The pieces' limits are for time: parsers can be slow on purpose.
MOST_CODE, MOST_CODE_IN_CELL = 1_000_000, 100_000
MOST_SHOWN, MOST_IN_OUTPUT = 1_000_000, 100_000  # pictures may fill all of it
MOST_TEXT, MOST_MARKDOWN = 1_000_000, 10_000  # a longer text is shown as it is
NOTE = 100  # at most, for the note that something was cut
PER_OUTPUT = 200  # what an empty one adds to a page
MOST_HTML = 100_000  # without its pictures
MOST_FORMULAS = 50  # in a cell: nbconvert's search for the end of one is quadratic in them
MOST_ELEMENTS = 500_000  # that bad HTML may become when it is mended: each unclosed <b> opens again in each <p>
MOST_LEVELS = 200  # of elements in elements
MOST_PIXELS = 40_000_000

# ------------------------------------------------------------------------------------------------------ a safe notebook

METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}
LEFT_OUT = "[an output was left out here: to show it, code would have to run]"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
PLAIN_LINE = re.compile(r"[\w .,;:'()?!-]{0,1000}")  # nothing that Markdown or TeX makes anything dangerous of
HIDDEN_TEST = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS.*?(### END HIDDEN TESTS[^\n]*(\n|\Z)|\Z)", re.DOTALL | re.M)


def neutralised(notebook: Any) -> NotebookNode:
    """A copy of an executed notebook that any viewer may show: what could run, load or cover anything is gone.

    Code stays as it was written, and so does a line of plain words, which an unanswered question is; other Markdown
    becomes sanitised HTML. Of labels and metadata only nbgrader's stay. Outputs are cut at about 1 MB in all. Doing it
    twice changes nothing more.
    """
    code, shown, text = Room(MOST_CODE), Room(MOST_SHOWN), Room(MOST_TEXT)
    cells: list[dict[str, Any]] = []
    ids: set[str] = set()
    for raw in notebook.cells:
        label, source = safe_label(raw), text_of(raw.get("source"))
        name = str(raw.get("id"))
        if name in ids or not NAME.fullmatch(name):
            name = uuid.uuid4().hex
        ids.add(name)
        cell: dict[str, Any] = {"id": name, "metadata": {"nbgrader": label} if label else {}}
        if raw.get("cell_type") == "code":
            public = HIDDEN_TEST.sub("", source) if label.get("grade") and not label.get("solution") else source
            cell |= {
                "cell_type": "code",
                "source": code.cut(public, MOST_CODE_IN_CELL),
                "execution_count": count_of(raw),
                "outputs": safe_outputs(raw.get("outputs"), shown) if public == source else [],
            }
        elif raw.get("cell_type") == "markdown":
            cell |= {"cell_type": "markdown", "source": safe_markdown(source, raw.get("attachments"), text)}
        else:
            page = f"<div>{as_text(source)}</div>".replace("\n", "&#10;")
            cell |= {"cell_type": "markdown", "source": safe_markdown(page, {}, text)}
        cells.append(cell)
    return from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


class Room:
    """How many characters may still be shown."""

    def __init__(self, left: int) -> None:
        self.left = left

    def takes(self, *texts: str) -> bool:
        """Whether the longest of these fits as a whole; if so, its place is taken."""
        needed = max(map(len, texts))
        fits = needed <= self.left
        self.left -= needed if fits else 0
        return fits

    def cut(self, text: str, most: int) -> str:
        """The text, or its beginning and a note."""
        most = max(NOTE, min(most, self.left))
        if len(text) > most:
            kept = text[: most - NOTE]
            text = f"{kept}\n# [{len(text) - len(kept)} more characters were left out here]"
        self.left -= len(text)
        return text


def text_of(value: Any) -> str:
    """A notebook's text: a string, or a list of lines; empty for anything else."""
    return "".join(line for line in (value if isinstance(value, list) else [value]) if isinstance(line, str))


def count_of(raw: Mapping[str, Any]) -> int | None:
    count = raw.get("execution_count")
    return count if type(count) is int else None


def safe_label(cell: Any) -> dict[str, Any]:
    """nbgrader's metadata of a cell, each entry of its own type; empty if it has no proper name."""
    raw = cell.get("metadata", {}).get("nbgrader")
    if not isinstance(raw, Mapping) or not NAME.fullmatch(str(raw.get("grade_id"))):
        return {}
    label: dict[str, Any] = {"grade_id": raw["grade_id"], "schema_version": 3}
    label |= {name: bool(raw.get(name)) for name in ("grade", "locked", "solution", "task")}
    points = raw.get("points")
    if isinstance(points, int | float) and math.isfinite(points):
        label["points"] = points
    if raw.get("cell_type") in ("code", "markdown"):
        label["cell_type"] = raw["cell_type"]
    if re.fullmatch("[0-9a-f]{32}", str(raw.get("checksum"))):
        label["checksum"] = raw["checksum"]
    return label


def safe_outputs(raw: Any, room: Room) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = []
    for output in raw if isinstance(raw, list) else []:
        if room.left <= 0:
            note = "[no more outputs are shown here: all together they are too long]"
            return [*outputs, {"output_type": "stream", "name": "stdout", "text": note}]
        if isinstance(output, Mapping):
            outputs.append(safe_output(output, room))
            room.left -= PER_OUTPUT
    return outputs


def safe_output(raw: Mapping[str, Any], room: Room) -> dict[str, Any]:
    kind = raw.get("output_type")
    if kind == "stream":
        name = "stderr" if raw.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": room.cut(text_of(raw.get("text")), MOST_IN_OUTPUT)}
    if kind == "error":
        lines = raw.get("traceback")
        traceback = "\n".join(text_of(line) for line in lines) if isinstance(lines, list) else ""
        named = {key: text_of(raw.get(key))[:1000] for key in ("ename", "evalue")}
        return {"output_type": kind, **named, "traceback": room.cut(traceback, MOST_IN_OUTPUT).split("\n")}
    data, sizes = safe_bundle(raw.get("data"), raw.get("metadata"), room)
    if kind == "execute_result":
        return {"output_type": kind, "data": data, "metadata": sizes, "execution_count": count_of(raw)}
    return {"output_type": "display_data", "data": data, "metadata": sizes}


def safe_bundle(raw: Any, metadata: Any, room: Room) -> tuple[dict[str, str], dict[str, Any]]:
    """An output in the forms that are safe, and the sizes of its pictures."""
    given = {key: text_of(value) for key, value in raw.items()} if isinstance(raw, Mapping) else {}
    data: dict[str, str] = {}
    sizes: dict[str, Any] = {}
    for mime in ("image/png", "image/jpeg"):
        if mime in given and (picture := safe_picture(mime, given[mime])) and room.takes(picture):
            data[mime] = picture
            sizes |= safe_size(mime, metadata)
    page = safe_html(given.get("text/html", "")) or rendered(given.get("text/markdown", ""), {})
    if is_visible(page) and room.takes(page):
        data["text/html"] = page
    tex = given.get("text/latex", "")
    if tex and not DANGEROUS_TEX.search(tex) and room.takes(tex):
        data["text/latex"] = tex
    plain = given.get("text/plain") or tex
    if plain or not data:
        data["text/plain"] = room.cut(plain or LEFT_OUT, MOST_IN_OUTPUT)
    return data, sizes


def safe_picture(mime: str, text: str) -> str:
    """A picture's base64 on one line; empty if it is none of that type, or too large for a browser to unpack."""
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            fits = math.prod(image.size) <= MOST_PIXELS and mime == image.get_format_mimetype()
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return ""
    return base64.b64encode(data).decode() if fits else ""


def safe_size(mime: str, metadata: Any) -> dict[str, Any]:
    size = metadata.get(mime) if isinstance(metadata, Mapping) else None
    size = size if isinstance(size, Mapping) else {}
    kept = {name: size[name] for name in ("width", "height") if type(size.get(name)) is int and 0 < size[name] <= 4000}
    return {mime: kept} if kept else {}


# ------------------------------------------------------------------------------------------------------------ safe HTML

TAGS = {
    "a", "b", "blockquote", "br", "caption", "code", "col", "colgroup", "dd", "del", "details", "div", "dl", "dt",
    "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q",
    "s", "samp", "small", "span", "strike", "strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "tt", "u", "ul", "var",
}  # fmt: skip
WITH_CONTENT = {  # of which what they hold goes too
    "applet", "audio", "canvas", "frameset", "iframe", "math", "noembed", "noframes", "noscript", "object",
    "option", "script", "select", "style", "svg", "template", "textarea", "title", "video", "xmp",
}  # fmt: skip
SPANS = {"colspan", "rowspan", "style", "scope", "align"}
ATTRIBUTES = {
    "a": {"href", "title"}, "img": {"src", "alt", "width", "height"}, "ol": {"start"}, "td": SPANS, "th": SPANS,
    "tr": {"style"},
}  # fmt: skip
CLASSES = {"span": set(STANDARD_TYPES.values()) - {""}, "div": {"highlight"}, "table": {"dataframe"}}
LINK = re.compile(r"(https?://|mailto:)[^\x00-\x20]*", re.IGNORECASE)
PICTURE = re.compile(r"data:(image/png|image/jpeg);base64,([A-Za-z0-9+/=\s]*)")
STYLE = re.compile(r"(\s*(text-align|font-weight|font-style|color|background-color)\s*:[\s\w#%.,-]+(;|\Z))*\s*")
FORMULA = re.compile(r"\\\\[\[(]|\\begin")
FORMATTING = re.compile(r"<(a|b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)\b", re.IGNORECASE)
# What makes links, sets styles, draws at will or defines a name for any of that, in MathJax 2 to 4 and in KaTeX.
DANGEROUS_TEX = re.compile(
    r"\\(?=(href|url|class|cssId|style|data|html\w*|unicode|require|mmlToken|bbox|enclose|includegraphics|\w*def|let|"
    r"futurelet|newcommand|renewcommand|providecommand|newenvironment|renewenvironment|Declare\w*|[rR]ule|[hvm]?space|"
    r"Space|[hm]skip|m?kern|raise|lower|raisebox|move\w*|\w*[lr]lap)(?![A-Za-z]))"
)


def safe_html(page: str) -> str:
    """HTML of which only formatting, tables, links to the web and pictures in it are left.

    Empty if it is too long or too deep, or would become so when its unclosed elements are mended.
    """
    if len(PICTURE.sub("", page)) > MOST_HTML or levels(page) > MOST_LEVELS:
        return ""
    if len(FORMATTING.findall(page)) * page.count("<") > MOST_ELEMENTS:
        return ""
    return without_dangerous_tex(cleaner().clean(page))


@functools.cache
def cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=TAGS, clean_content_tags=WITH_CONTENT, attributes=ATTRIBUTES, allowed_classes=CLASSES,
        attribute_filter=safe_attribute, url_schemes={"http", "https", "mailto", "data"},
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )  # fmt: skip


def safe_attribute(tag: str, name: str, value: str) -> str | None:
    """The attribute's value, or None to remove it. Relative addresses would lead into the instructor's Jupyter."""
    match name:
        case "href":
            return value if LINK.fullmatch(value) else None
        case "src":
            found = PICTURE.fullmatch(value)
            picture = safe_picture(found[1], found[2]) if found else ""
            return f"data:{found[1]};base64,{picture}" if found and picture else None
        case "style":
            return value if STYLE.fullmatch(value) else None
        case "width" | "height" | "colspan" | "rowspan" | "start":
            return value if re.fullmatch(r"\d{1,4}", value) else None
    return value


def levels(page: str) -> int:
    """About how deep elements lie in each other, counted without parsing."""
    deepest = depth = 0
    for end, tag in re.findall(r"<(/?)([A-Za-z]\w*)", page):
        if tag.lower() not in ("br", "hr", "img", "col", "p", "li", "td", "th", "tr", "dt", "dd"):
            depth = max(depth - 1, 0) if end else depth + 1
            deepest = max(deepest, depth)
    return deepest


def without_dangerous_tex(page: str) -> str:
    """An empty element inside a command's name keeps every viewer from typesetting its formula: it is shown as text."""
    return re.sub(rf"<[^>]*>|{DANGEROUS_TEX.pattern}", lambda found: found[0].replace("\\", "\\<span></span>"), page)


def is_visible(page: str) -> bool:
    return "<img" in page or bool(re.sub(r"<[^>]*>", "", page).strip())


def as_text(text: str) -> str:
    return f"<pre>{html.escape(text, quote=False)}</pre>"


# -------------------------------------------------------------------------------------------------------- safe Markdown

# Markdown's and TeX's own characters, and ends of lines: as numbers they mean nothing to Markdown, all to a browser.
AS_NUMBERS = {ord(character): f"&#{ord(character)};" for character in "\n\r\\`*_{}[]#+!|~$^"} | {
    ord(character): " " for character in "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
}


def safe_markdown(source: str, attachments: Any, room: Room) -> str:
    """Markdown that every renderer makes the same harmless HTML of: one line of plain words, or one block of HTML."""
    if PLAIN_LINE.fullmatch(source):
        return source
    page = rendered(source, safe_attachments(attachments))
    if not is_visible(page) or not room.takes(page, source):
        page = f"<div>{as_text(room.cut(source, MOST_IN_OUTPUT))}</div>"
    return page.translate(AS_NUMBERS)


def rendered(source: str, attachments: dict[str, dict[str, str]]) -> str:
    """A sanitised <div>; empty if the Markdown is too long or too intricate."""
    return rendered_text(source) if not attachments else render(source, attachments)


@functools.lru_cache(maxsize=512)  # most of it is the set's own, the same in a whole class
def rendered_text(source: str) -> str:
    return render(source, {})


def render(source: str, attachments: dict[str, dict[str, str]]) -> str:
    if source.startswith("<div>") and "\n" not in source:  # is one block of HTML already
        return safe_html(source)
    if len(source) > MOST_MARKDOWN or len(FORMULA.findall(source)) > MOST_FORMULAS:
        return ""
    return safe_html(f"<div>{to_html(source, attachments)}</div>")


class Renderer(IPythonRenderer):
    """nbconvert's, but that it knows Python only, and no missing picture stops it."""

    def block_code(self, code: str, info: str | None = None) -> str:
        return super().block_code(code, info if info in ("python", "py") else None)  # some lexers are slow on purpose

    def image(self, text: str, url: str, title: str | None = None) -> str:
        missing = url.startswith("attachment:") and url.removeprefix("attachment:") not in self.attachments
        return super().image(text, "" if missing else url, title)


def to_html(source: str, attachments: dict[str, dict[str, str]]) -> str:
    """As nbconvert does it, but for task lists: their boxes are fields of a form, so [x] stays text."""
    plugins = [import_plugin(name) for name in MarkdownWithMath.DEFAULT_PLUGINS if name != "task_lists"]
    renderer = Renderer(escape=False, exclude_anchor_links=True, attachments=attachments)
    return MarkdownWithMath(renderer, plugins=plugins).render(source)


def safe_attachments(raw: Any) -> dict[str, dict[str, str]]:
    """Pictures by file name and type."""
    found: dict[str, dict[str, str]] = {}
    for name, bundle in raw.items() if isinstance(raw, Mapping) else ():
        for mime in ("image/png", "image/jpeg"):
            if isinstance(bundle, Mapping) and (picture := safe_picture(mime, text_of(bundle.get(mime)))):
                found[str(name)] = {mime: picture}
    return found


# ------------------------------------------------------------------------------------------------- the page of feedback


def feedback(report: Report, notebook: Any | None) -> str:
    """One learner's page: the points, what to do, and their notebook if it could be read. Flags are not in it."""
    exercises = [exercise for exercise in report.exercises if not exercise.by_hand]
    by_hand = [exercise for exercise in report.exercises if exercise.by_hand]
    return template().render(
        report=report,
        earned=sum(exercise.earned for exercise in exercises),
        waiting=sum(part.points for exercise in by_hand for part in exercise.parts if part.earned is None),
        given=sum(exercise.earned for exercise in by_hand),
        rows=[(one, [(part, state_of(one, part)) for part in one.parts]) for one in report.exercises],
        cells=[] if notebook is None else shown_cells(report, neutralised(notebook)),
        code_style=Markup(HtmlFormatter().get_style_defs(".highlight")),
    )


@functools.cache
def template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["number"] = lambda points: f"{points:g}"
    return environment.get_template("feedback.html.j2")


def state_of(exercise: Exercise, part: Part) -> str:
    """A word for what became of a part; also the name of its colour."""
    if part.earned is None:
        return "waits for a person" if exercise.by_hand else "not run"
    if part.earned >= part.points:
        return "passed"
    return "partly passed" if part.earned > 0 else "not passed"


def shown_cells(report: Report, notebook: NotebookNode) -> list[dict[str, Any]]:
    """The cells of a neutralised notebook as HTML, with the parts of the report that belong to them."""
    graded = {part.grade_id: (part, state_of(one, part)) for one in report.exercises for part in one.parts}
    cells = []
    for cell in notebook.cells:
        is_code = cell.cell_type == "code"
        part, state = graded.get(grade_id_of(cell), (None, ""))
        cells.append(
            {
                "is_code": is_code,
                "body": Markup(highlighted(cell.source) if is_code else with_lower_headings(page_of(cell.source))),
                "outputs": [Markup(shown_output(output)) for output in cell.get("outputs", [])],
                "part": part,
                "state": state,
            }
        )
    return cells


@functools.lru_cache(maxsize=256)  # most cells are the set's own, the same in a whole class
def highlighted(source: str) -> str:
    return highlight(source, lexer(), HtmlFormatter())


@functools.cache
def lexer() -> Any:
    return get_lexer_by_name("ipython3")  # a search through all installed packages


def page_of(source: str) -> str:
    """The HTML of a neutralised Markdown cell."""
    return source if source.startswith("<div>") else f"<p>{html.escape(source)}</p>"


def with_lower_headings(page: str) -> str:
    """The notebook's headings below the page's own: h1 becomes h3, and so on."""
    return re.sub(r"<(/?)h([1-6])>", lambda found: f"<{found[1]}h{min(int(found[2]) + 2, 6)}>", page)


def shown_output(output: Any) -> str:
    """The HTML of a neutralised output."""
    if output.output_type == "stream":
        return f"<pre>{ansi2html(output.text)}</pre>"
    if output.output_type == "error":
        return f"<pre>{ansi2html(chr(10).join(output.traceback))}</pre>"
    for mime in ("image/png", "image/jpeg"):
        if mime in output.data and "text/html" not in output.data:
            alt = html.escape(output.data.get("text/plain", "")[:200])
            return f'<img alt="{alt}" src="data:{mime};base64,{output.data[mime]}">'
    if "text/html" in output.data:
        return with_lower_headings(output.data["text/html"])
    return f"<pre>{ansi2html(output.data.get('text/plain', ''))}</pre>"
