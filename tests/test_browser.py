"""A learner's first minutes in a real JupyterLab, in a real browser: run a lesson, move a slider, fail a check."""

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest

from conftest import ROOT
from racecourse.learn.notebooks import read, release_path
from wrong_answers import Assignment, Wrong

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
TOKEN = "browser-test"
STDERR = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"  # JupyterLab shows errors so
WAIT_MS = 300_000  # the first cell may convert a model

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="no Chromium: `apt-get install chromium`, or name one in the variable CHROMIUM"
    ),
]


@dataclass(frozen=True)
class Lab:
    url: str
    folder: Path

    def page_of(self, notebook: str) -> str:
        return f"{self.url}/lab/tree/{notebook}?token={TOKEN}&reset"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as `make lab` starts it: lesson 00, the explorers of lessons 06 and 07, exercise set 01."""
    folder = tmp_path_factory.mktemp("lab")
    for name, copy in {"00_start_here": "lesson", "07_chips_and_rules": "explorers"}.items():
        lesson = read(ROOT / f"lessons/{name}.ipynb")
        if copy == "explorers":
            wanted = ("guess_2022", "_explorer")  # the imports name the first in their last line
            lesson.cells = [c for c in lesson.cells if c.id == "setup" or any(name in c.source for name in wanted)]
            for widget in ("roofline", "kv_budget"):  # lesson 06's, without its measurements
                show = f"from racecourse.learn.widgets import WIDGETS\n\ndisplay(WIDGETS[{widget!r}]())"
                lesson.cells.append(nbformat.v4.new_code_cell(show, id=widget))
        for cell in lesson.cells:  # what the test sees must come from its own run
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(lesson, folder / f"{copy}.ipynb")
    shutil.copy(release_path("01_transformers", ROOT), folder / "exercise.ipynb")
    with served(folder) as lab:
        yield lab


@contextmanager
def served(folder: Path, theme: str = "JupyterLab Light") -> Iterator[Lab]:
    """JupyterLab over a folder, until the end of the `with`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--ServerApp.root_dir={folder}"]
    command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    with (folder / "lab.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=quiet_settings(folder, theme))
        try:
            wait_until_served(f"http://127.0.0.1:{port}/api", server, folder / "lab.log")
            yield Lab(f"http://127.0.0.1:{port}", folder)
        finally:
            server.terminate()
            server.wait(timeout=30)


def quiet_settings(folder: Path, theme: str) -> dict[str, str]:
    """An environment without the user's own settings: no question about news, every cell in the page, quick lessons."""
    settings = folder / "settings"
    for name, text in {
        "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
        "notebook-extension/tracker": '{"windowingMode": "none"}',
        "apputils-extension/themes": json.dumps({"theme": theme}),
    }.items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    own = {"JUPYTERLAB_SETTINGS_DIR": str(settings), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    return os.environ | own | {"RACECOURSE_QUICK": "1", "RACECOURSE_PROGRESS": str(folder / "progress.db")}


def wait_until_served(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except OSError:
            if server.poll() is not None:
                break
            time.sleep(0.25)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(60_000)
        yield page
        page.screenshot(path=tmp_path / "end.png")
        browser.close()


def open_notebook(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')
    page.wait_for_timeout(2_000)  # idle is said before the session is ready; cells that are run until then are dropped
    page.wait_for_selector('.jp-Notebook-ExecutionIndicator[data-status="idle"]')


STARTED = (
    """() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(p => /[*\\d]/.test(p.textContent))"""
)


def run_all(page: Any) -> None:
    """The menu's Run All Cells; returns when no cell waits any more.

    Pressed again where nothing came of it: on a busy machine JupyterLab drops cells although the kernel is idle.
    """
    from playwright.sync_api import TimeoutError as NothingStarted

    for _ in range(3):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with suppress(NothingStarted):
            page.wait_for_function(STARTED, timeout=30_000)
            break
    try:
        page.wait_for_function(
            """() => {
                const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(p => p.textContent)
                return prompts.some(text => /\\d/.test(text)) && !prompts.some(text => text.includes('*'))
            }""",
            timeout=WAIT_MS,
        )
    except Exception as error:  # which cell hangs, and what the kernel is said to do
        prompts = page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
        state = page.locator(".jp-Notebook-ExecutionIndicator").first.get_attribute("data-status")
        raise AssertionError(f"cells still run; prompts: {prompts}, kernel: {state}") from error


# What the cell of a slider shows, without the slider's own number.
SHOWN = """(cell) => {
    const copy = cell.querySelector('.jp-Cell-outputWrapper').cloneNode(true)
    copy.querySelectorAll('.widget-readout, .noUi-base').forEach(part => part.remove())
    return copy.innerText + [...copy.querySelectorAll('img')].map(image => image.src).join()
}"""


SLIDER = "[role=slider], input[type=range]"


def run_lesson(page: Any, url: str) -> None:
    """Open a lesson and run it to its end, without an error."""
    open_notebook(page, url)
    run_all(page)
    errors = page.locator(STDERR, has_text="Traceback")
    assert errors.count() == 0, errors.first.inner_text()
    assert page.locator(".jp-CodeCell .jp-InputPrompt", has_text="[ ]").count() == 0, "every cell has run"


def move_slider(page: Any, cell: Any) -> None:
    """One step of the cell's first slider to the right; returns when the cell shows something else."""
    slider = cell.locator(f".jp-OutputArea-output :is({SLIDER})").first
    slider.scroll_into_view_if_needed()
    handle = cell.element_handle()
    before = handle.evaluate(SHOWN)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"([cell, before]) => ({SHOWN})(cell) !== before", arg=[handle, before], timeout=WAIT_MS)


def test_lesson_00_runs_shows_a_figure_and_its_slider_moves(lab: Lab, page: Any, tmp_path: Path) -> None:
    run_lesson(page, lab.page_of("lesson.ipynb"))
    page.screenshot(path=tmp_path / "run.png")

    figure = page.locator(".jp-OutputArea-output img").first
    figure.scroll_into_view_if_needed()
    assert figure.evaluate("image => image.naturalWidth") > 200, "a figure of real size"

    move_slider(page, page.locator(".jp-CodeCell", has=page.locator(SLIDER)).first)
    page.screenshot(path=tmp_path / "moved.png")


def test_the_explorers_of_lessons_06_and_07_draw_again(lab: Lab, page: Any, tmp_path: Path) -> None:
    run_lesson(page, lab.page_of("explorers.ipynb"))
    cells = page.locator(".jp-CodeCell", has=page.locator(SLIDER))
    assert cells.count() == 5
    for i in range(5):
        move_slider(page, cells.nth(i))
        page.screenshot(path=tmp_path / f"moved-{i}.png")


SHOWN_IN = {  # theme, and what of a window of 1280 pixels is left: half of it at a zoom of 200 %
    "light": ("JupyterLab Light", 1280),
    "dark": ("JupyterLab Dark", 1280),
    "zoom": ("JupyterLab Light", 640),
}


@pytest.mark.slow
@pytest.mark.parametrize("look", SHOWN_IN)
def test_every_explorer_and_a_quiz_pass_axe_and_fit(look: str, tmp_path: Path) -> None:
    """axe-core finds nothing, nothing is cut off, keys move each and leave it; pictures in the test's folder."""
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import sync_playwright

    from racecourse.learn.quiz import questions
    from racecourse.learn.widgets import WIDGETS

    theme, width = SHOWN_IN[look]
    quiz = next(iter(questions()))
    code = [f"from racecourse.learn.widgets import WIDGETS\ndisplay(WIDGETS[{name!r}]())" for name in WIDGETS]
    code.append(f"from racecourse.learn.quiz import quiz\nquiz({quiz!r})")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(text) for text in code]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), tmp_path / "all.ipynb")
    with served(tmp_path, theme) as lab, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, device_scale_factor=1280 / width)
        page.set_default_timeout(60_000)
        open_notebook(page, lab.page_of("all.ipynb"))
        run_all(page)
        if width < 1280:
            page.set_viewport_size({"width": width, "height": 450})
            page.keyboard.press("Control+b")  # the side bar, which leaves little room beside it
        widgets = page.locator(".jp-OutputArea-output .racecourse")
        widgets.nth(len(WIDGETS)).wait_for()
        assert widgets.count() == len(WIDGETS) + 1
        for number, name in enumerate([*WIDGETS, "quiz"]):
            widget = widgets.nth(number)
            widget.scroll_into_view_if_needed()
            wide, room = widget.evaluate("part => [part.scrollWidth, part.clientWidth]")
            assert wide <= room + 1, f"{name} is {wide} pixels wide, and there are {room}"
            first, words = widget.locator("input, select").first, widget.locator("[aria-live]").first
            before = (words.inner_text(), first.evaluate("part => part.value + part.checked"))
            first.focus()
            for key in ("ArrowRight", "ArrowLeft"):  # one of them moves it, wherever it stands
                page.keyboard.press(key)
                page.wait_for_timeout(700)
                if (words.inner_text(), first.evaluate("part => part.value + part.checked")) != before:
                    break
            else:
                assert first.get_attribute("type") == "radio", f"{name}: no arrow moves its first control"
            for _ in range(30):  # Tab leads out of it
                page.keyboard.press("Tab")
                if not widget.evaluate("part => part.contains(document.activeElement)"):
                    break
            else:
                pytest.fail(f"{name} holds the keyboard")
            widget.screenshot(path=tmp_path / f"{look}-{name}.png")
        found = Axe().run(page, context=".jp-OutputArea-output .racecourse")
        assert found.violations_count == 0, found.generate_report()
        browser.close()


@pytest.mark.slow
def test_an_exercise_by_keyboard_alone(page: Any, tmp_path: Path) -> None:
    """From the first cell to a passed check: two wrong tries, a hint, the progress. No click, no focus by script."""
    shutil.copy(release_path("00_start_here", ROOT), tmp_path / "00_start_here.ipynb")
    keys = page.keyboard

    def cell_of(text: str) -> Any:
        return page.locator(".jp-Cell", has_text=text).first

    def go_to(cell: Any) -> None:
        """By arrow keys, in command mode, to a cell."""
        keys.press("Escape")
        for _ in range(60):
            if "jp-mod-active" in (cell.get_attribute("class") or ""):
                return
            down = page.evaluate(
                """cell => !!(document.querySelector('.jp-Cell.jp-mod-active').compareDocumentPosition(cell) & 4)""",
                cell.element_handle(),
            )
            keys.press("ArrowDown" if down else "ArrowUp")
        pytest.fail("the cell cannot be reached by arrow keys")

    def write(text: str) -> None:
        keys.press("Enter")
        keys.press("Control+A")
        keys.insert_text(text)
        keys.press("Control+Enter")

    def said(cell: Any, text: str) -> str:
        cell.locator(".jp-OutputArea-output", has_text=text).last.wait_for()
        return cell.locator(".jp-OutputArea-output").last.inner_text()

    with served(tmp_path) as lab:
        open_notebook(page, lab.page_of("00_start_here.ipynb"))
        for start in ("# Set-up.", "import math"):
            go_to(cell_of(start))
            keys.press("Control+Enter")
        answer, check = cell_of("def tokens_per_second("), cell_of("# Check of tokens-per-second")
        stub = answer.locator(".cm-content").inner_text()
        head = stub[stub.index("def ") : stub.index("# YOUR CODE HERE")].rstrip()
        go_to(check)
        keys.press("Control+Enter")
        assert "is not defined yet. Run the cells above" in said(check, "tokens-per-second:")
        go_to(answer)
        keys.press("Control+Enter")
        go_to(check)
        keys.press("Control+Enter")
        assert "not written yet" in said(check, "not written yet")
        for number in (1, 2):
            go_to(answer)
            write(f"{head}\n    return 0.0")
            go_to(check)
            keys.press("Control+Enter")
            assert f"not yet (try {number})" in said(check, f"(try {number})")
        keys.press("b")  # a cell of one's own
        write('hint("tokens-per-second")')
        assert "Hint 1 of" in said(page.locator(".jp-Cell.jp-mod-active"), "Hint 1 of")
        go_to(answer)
        source = next(
            c.source for c in Assignment("00_start_here").answered().cells if "def tokens_per_second(" in c.source
        )
        write(source)
        go_to(check)
        keys.press("Control+Enter")
        assert "passed, 10 of 25 points" in said(check, "passed")
        keys.press("b")
        write("from racecourse.learn.progress import progress\n\nprogress()")
        panel = page.locator(".jp-Cell.jp-mod-active")
        assert "Go on with exercise 2 of set 00" in said(panel, "Go on with")
        page.screenshot(path=tmp_path / "keyboard.png")


def test_a_check_of_exercise_01_tells_the_learner_what_is_wrong(lab: Lab, page: Any, tmp_path: Path) -> None:
    """Type a wrong answer from the bank into the first exercise, run all, and read the message."""
    assignment = Assignment("01_transformers")
    first = assignment.exercises[0].answers[0].metadata.nbgrader.grade_id
    entry = next(entry for entry in assignment.bank() if entry.grade_id == first and entry.says)
    target = assignment.target(entry)
    open_notebook(page, lab.page_of("exercise.ipynb"))
    answer = page.locator(".jp-CodeCell", has_text=re.compile(rf"(def|class) {target}\b")).first
    answer.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(typed(assignment.name, entry, target))
    page.screenshot(path=tmp_path / "typed.png")
    run_all(page)
    error = page.locator(STDERR, has_text="Traceback").first
    error.scroll_into_view_if_needed()
    page.screenshot(path=tmp_path / "checked.png")
    message = error.inner_text()
    assert entry.says in message.split("AssertionError:")[-1] and "AssertionError:" in message, message


def typed(name: str, entry: Wrong, target: str) -> str:
    """A wrong answer as a learner would type it: the bank's imports and helpers, and the name that is asked for."""
    tree = ast.parse((ROOT / f"tests/wrong_answers/{name}.py").read_text(encoding="utf-8"))
    imports = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom)) and "wrong" not in ast.unparse(n)]
    functions = {n.name: n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))}
    code = functions[entry.answer.__name__]
    used = {node.id for node in ast.walk(code) if isinstance(node, ast.Name)}
    helpers = [node for helper, node in functions.items() if helper in used]
    code.name, code.decorator_list = target, []
    return "\n".join(ast.unparse(node) for node in [*imports, *helpers, code])
