"""The frame of the explorers: what a control accepts, what the kernel answers, and the page by keyboard and by name."""

import itertools
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import matplotlib
import pytest

matplotlib.use("Agg")

from matplotlib.figure import Figure

from racecourse.learn.widgets import WIDGETS, grpo_dashboard, pass_at_k
from racecourse.learn.widgets.controls import Choice, Slider, Steps, Toggle
from racecourse.learn.widgets.explorer import explorer, page_explorer
from racecourse.learn.widgets.frame import FAILED, Explorer
from racecourse.learn.widgets.grpo_dashboard import draw_run, grpo_dashboard_explorer, recorded_runs
from racecourse.learn.widgets.pass_at_k import draw_pass_at_k
from racecourse.reasoning.evaluation import Evaluation
from racecourse.reasoning.grpo import History, Step

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def axes(size: tuple[float, float] = (8.4, 5.6)):
    return Figure(figsize=size, layout="constrained").add_subplot()


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are made, but no pixels: for tests that only read the words."""
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **options: file.write(b"\x89PNG"))


# Controls


@pytest.mark.parametrize(
    "slider",
    [
        Slider("a", 1, 16, 1),
        Slider("b", 0.05, 1.0, 1.0, step=0.05),
        Slider("c", 50, 1700, 814, step=50),
        Slider("d", 3, 3, 3),
    ],
)
def test_a_slider_stands_at_the_nearest_of_its_places(slider: Slider) -> None:
    """Against all places, counted one by one."""
    places, place = [], slider.low
    while place < slider.high + 1e-9:
        places.append(place)
        place += slider.step
    whole = isinstance(slider.low, int) and isinstance(slider.step, int)
    draw = random.Random(0)
    for sent in [-1e9, 1e9, *(draw.uniform(slider.low - 5, slider.high + 5) for _ in range(200))]:
        found = slider.from_page(sent)
        assert isinstance(found, int) is whole
        assert abs(found - min(max(sent, slider.low), slider.high)) <= slider.step / 2 + 1e-9
        assert min(abs(found - place) for place in places) < 1e-9


def test_decimals_of_a_slider_are_those_that_are_written() -> None:
    slider = Slider("x", 0.1, 2.0, 1.0, step=0.1)
    assert [slider.from_page(n / 10) for n in range(1, 21)] == [n / 10 for n in range(1, 21)]


@pytest.mark.parametrize("sent", [None, "3", True, math.nan, math.inf, [3], {}])
def test_what_is_no_number_is_refused(sent: Any) -> None:
    with pytest.raises(ValueError, match=r"Chips: .* is no number"):
        Slider("Chips", 1, 16, 1).from_page(sent)


@pytest.mark.parametrize("kind", [Choice, Steps])
def test_a_choice_is_sent_as_its_place(kind: type[Choice]) -> None:
    control = kind("Market", {"all": None, "two": 2, "none": False}, None)
    assert [control.to_page(value) for value in (None, 2, False)] == [0, 1, 2]
    assert [control.from_page(place) for place in (0, 1, 2)] == [None, 2, False]
    assert control.field()["labels"] == ["all", "two", "none"]
    for sent in (-1, 3, True, 1.0, "0", None):
        with pytest.raises(ValueError, match="places go from 0 to 2"):
            control.from_page(sent)
    with pytest.raises(ValueError, match="Market: 7 is none of None, 2, False"):
        control.to_page(7)


def test_large_numbers_are_listed_with_separators() -> None:
    assert Steps("Users", [1, 50_000], 1).labels == ["1", "50,000"]


@pytest.mark.parametrize("sent", [0, 1, "true", None])
def test_a_toggle_is_true_or_false(sent: Any) -> None:
    toggle = Toggle("Others", True)
    assert toggle.from_page(False) is False and toggle.to_page(True) is True
    with pytest.raises(ValueError, match="neither true nor false"):
        toggle.from_page(sent)


# The kernel's part


def sums(draws: list[Any]) -> Explorer:
    """An explorer that adds; it cannot add seven."""

    def write(number: int, more: int, twice: bool) -> tuple[str, str]:
        draws.append((number, more, twice))
        if number == 7:
            raise ZeroDivisionError("seven is unlucky")
        return f"<b>{(number + more) * (1 + twice)}</b>", f"The sum is {(number + more) * (1 + twice)}."

    controls = {
        "number": Slider("Number", 1, 9, 2),
        "more": Steps("More", [10, 1000], 10),
        "twice": Toggle("Twice", False),
    }
    return page_explorer("Sums", write, controls)


def test_a_question_of_the_page_is_answered_with_its_number() -> None:
    draws: list[Any] = []
    widget = sums(draws)
    assert (widget.words, widget.page, widget.answered) == ("The sum is 12.", "<b>12</b>", 0)
    widget.asked = {"number": 4, "values": {"number": 5, "more": 1}}
    assert (widget.words, widget.answered) == ("The sum is 1005.", 4)
    widget.asked = {"number": 5, "values": {"number": 99, "twice": True}}
    assert (widget.words, widget.answered, widget.chosen["number"]) == ("The sum is 2018.", 5, 9), (
        "moved into its range"
    )
    assert widget.values == {"number": 9, "more": 1000, "twice": True}
    assert len(draws) == 3, "one drawing for each question"


@pytest.mark.parametrize(
    "values", [{"number": "5"}, {"more": 2}, {"twice": 1}, {"unheard": 1}, {"number": 5, "more": -1}, None, [1], 3]
)
def test_what_the_page_should_not_send_moves_nothing_and_is_said(values: Any) -> None:
    draws: list[Any] = []
    widget = sums(draws)
    widget.asked = {"number": 1, "values": values}
    assert widget.words.startswith("Refused: ") and widget.answered == 1
    assert widget.values == {"number": 2, "more": 10, "twice": False} and len(draws) == 1
    widget.asked = {"number": 2, "values": {"number": 3}}
    assert widget.words == "The sum is 13.", "and it goes on"


def test_a_question_without_values_or_number_is_survived() -> None:
    widget = sums([])
    widget.asked = {"number": 1}
    assert widget.words.startswith("Refused")
    widget.asked = {"number": "x", "values": {"number": 3}}
    assert widget.words == "The sum is 13." and widget.answered == 1


def test_an_error_while_drawing_stands_in_the_words_until_the_next_drawing() -> None:
    widget = sums([])
    widget.set(number=7)
    assert widget.words == f"{FAILED}: ZeroDivisionError: seven is unlucky"
    assert widget.page == "" == widget.image
    widget.set(number=6)
    assert widget.words == "The sum is 16."


def test_set_refuses_what_a_control_does_not_have_and_moves_nothing_then() -> None:
    widget = sums([])
    with pytest.raises(ValueError, match="no control 'numbre'; there are number, more, twice"):
        widget.set(number=3, numbre=4)
    with pytest.raises(ValueError, match="More: 11 is none of 10, 1000"):
        widget.set(number=3, more=11)
    assert widget.values["number"] == 2


def test_a_drawing_comes_in_one_message(monkeypatch) -> None:
    """Figure, words and number belong together: a page that had one without the other would show a mixture."""
    widget, sent = sums([]), []
    monkeypatch.setattr(Explorer, "send_state", lambda self, key=None: sent.append(set(key)))
    widget.asked = {"number": 1, "values": {"number": 5}}
    together = {"words", "page", "chosen", "answered"}
    assert [keys & together for keys in sent if keys & together] == [together], sent


def test_controls_that_depend_on_others_are_put_in_their_place() -> None:
    limits = {"short": 2, "long": 9}

    def adapt(changed: set[str], values: dict[str, Any]) -> dict[str, Slider]:
        return {"place": Slider("Place", 1, limits[values["which"]], 1)} if "which" in changed else {}

    def draw(ax: Any, which: str, place: int) -> str:
        return f"{which} {place}"

    controls = {"which": Choice("Which", list(limits), "long"), "place": Slider("Place", 1, 9, 5)}
    widget = explorer("Places", draw, controls, size=(1, 1), adapt=adapt)
    widget.set(place=8)
    assert widget.words == "long 8"
    widget.set(which="long")
    assert widget.words == "long 8", "chosen again is not changed"
    widget.set(which="short")
    assert widget.words == "short 1" and widget.fields[1]["high"] == 2
    widget.set(place=8)
    assert widget.words == "short 2"


def test_the_page_loads_nothing_from_anywhere() -> None:
    for part in (Explorer._esm, Explorer._css):
        text = str(part)
        assert len(text) > 500
        assert not any(word in text for word in ("http", "//cdn", "@import", "url(", "import(", "\nimport "))


@pytest.mark.parametrize("name", WIDGETS)
def test_every_control_has_a_name_and_changes_the_words(name: str, undrawn) -> None:
    widget = WIDGETS[name]()
    assert widget.label and len(widget.words) > 40 and FAILED not in widget.words
    labels = [field["label"] for field in widget.fields]
    assert all(labels) and len(set(labels)) == len(labels)
    # The H20, which it begins with, is so slow that its links are under no rule; a fast chip's area changes nothing.
    starts: list[dict[str, int]] = [{}, {"tflops": 400}] if name == "chip_rules" else [{}]
    for number, field in enumerate(widget.fields):
        if field["kind"] != "toggle":  # which shows more or less of the same
            assert any(moves(WIDGETS[name](), number, start) for start in starts), f"{field['name']} changes nothing"


def moves(widget: Explorer, number: int, start: dict[str, int]) -> bool:
    """Whether the words change when the page moves one control from where the widget begins."""
    widget.set(**start)
    field, words = widget.fields[number], widget.words
    places = [field["low"], field["high"]] if field["kind"] == "slider" else range(len(field["labels"]))
    others = [place for place in places if place != widget.chosen[field["name"]]]
    assert others, f"{field['name']} cannot be moved"
    for i, place in enumerate(others, start=1):
        widget.asked = {"number": i, "values": {field["name"]: place}}
        assert FAILED not in widget.words and "Refused" not in widget.words, widget.words
        if widget.words != words:
            return True
    return False


def test_a_figure_is_a_png_in_the_page_itself() -> None:
    import base64

    widget = WIDGETS["roofline"]()
    head, data = widget.image.split(",")
    assert head == "data:image/png;base64" and base64.b64decode(data)[:4] == b"\x89PNG"


# pass@k and votes


def test_pass_at_k_is_the_packages_own() -> None:
    """The estimates without torch against the package's function, problem by problem."""
    import numpy as np

    from racecourse.reasoning.sampling import pass_at_k as of_one

    found = pass_at_k.estimates((0.6, 0.1), 0.25, 32)
    p = np.array([0.6] * 30 + [0.1] * 10)
    n_correct = np.random.default_rng(1).binomial(32, p).tolist()
    for k, estimate in zip((1, 2, 4, 8, 16, 32), found, strict=True):
        assert estimate == pytest.approx(np.mean([of_one(n_samples=32, n_correct=c, k=k) for c in n_correct]))


@pytest.mark.parametrize(("p", "shared"), [(0.3, 0.5), (0.6, 0.0), (0.2, 1.0)])
def test_a_vote_among_three_against_all_its_outcomes(p: float, shared: float) -> None:
    from racecourse.reasoning.sampling import vote_accuracy

    chances = [p, (1 - p) * shared, *[(1 - p) * (1 - shared) / 8] * 8]
    exact = sum(
        math.prod(chances[digit] for digit in answers) * vote_accuracy(answers, 0)
        for answers in itertools.product(range(10), repeat=3)
    )
    assert pass_at_k.vote(p, shared, 3) == pytest.approx(exact, abs=0.01)  # 20,000 drawn votes: 0.0035 at most


def test_a_shared_mistake_beats_the_vote_and_not_pass_at_k(undrawn) -> None:
    """10 % right against 27 % with one mistake: with many answers the mistake wins every vote."""
    widget = WIDGETS["pass_at_k"]()
    widget.set(k=256)
    assert "hard ones 100.0%" in widget.words and "easy 100.0%, hard 0.0%" in widget.words
    assert "64 answers cannot tell pass@256: draw at least 256" in widget.words
    widget.set(shared=0, hard=20)
    assert "easy 100.0%, hard 99" in widget.words, "20 % right, and eight wrong digits of 10 % each"
    widget.set(n_samples=256, hard_share=0)
    assert "it is estimated as 100.0%" in widget.words


def test_the_curves_end_where_the_chances_say() -> None:
    ax = axes()
    draw_pass_at_k(ax, **pass_at_k.DEFAULT)
    passed, voted, _, _, estimated, here = ax.lines
    assert list(passed.get_ydata())[:2] == pytest.approx([0.35, (1 - 0.4**2 + 1 - 0.9**2) / 2])
    assert voted.get_ydata()[0] == pytest.approx(0.35, abs=0.01) and here.get_xdata() == [8, 8]
    assert len(estimated.get_xdata()) == 7, "k up to n = 64"
    assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title("left")


# The dashboard


def test_the_dashboard_shows_what_is_recorded() -> None:
    """Read again from the file, by hand."""
    from racecourse.reasoning.runs import SHIPPED, load_runs

    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    [raw] = [r for r in shipped["runs"] if (r["part"], r["name"], r["seed"]) == ("rewards", "length", 3)]
    ax = axes()
    words = draw_run(ax, "length", 3, others=True)
    assert shipped["made_on"] in words and "2026" in words and "recorded" in words and "KL was not measured" in words
    assert shipped["made_on"] in ax.figure.get_suptitle()
    accuracy = [e["accuracy"] for e in raw["history"]["evaluations"]]
    assert f"{accuracy[0]:.1%} to {accuracy[-1]:.1%} at temperature 1" in words
    panels = [panel for panel in ax.figure.axes if panel is not ax]
    assert len(panels) == 4 and all(panel.get_title("left") and panel.get_xlabel() for panel in panels)
    drawn = {line.get_label(): list(line.get_ydata()) for panel in panels for line in panel.lines}
    assert drawn["drawn at temperature 1"] == accuracy
    assert drawn["mean reward"] == [step["reward"] for step in raw["history"]["steps"]]
    assert len(panels[0].lines) == 2 + 4, "four other seeds in grey"
    with_history = [key for key, run in load_runs().items() if "history" in run]
    assert sum(len(seeds) for seeds in recorded_runs().values()) == len(with_history) > 20


def own_history(kl: float, judged: bool = True) -> History:
    steps = [Step(n, 1.0 * n, 0.5, n / 10, 6.0 + n, 1.0, 0.5, kl * n) for n in (1, 2, 3)]
    evaluations = [Evaluation(n, n / 4, n / 5, 7.0, 0.9, None, []) for n in (0, 3)]
    return History(steps, evaluations if judged else [])


def test_a_run_of_ones_own_stands_beside_the_recorded_ones() -> None:
    widget = grpo_dashboard_explorer({"mine": own_history(0.1), "unjudged": own_history(0.0, judged=False)})
    assert widget.values["run"] == "mine" and "run in this notebook" in widget.words
    assert "from 0.0% to 75.0% at temperature 1" in widget.words and "KL to the start 0.3 at the end" in widget.words
    widget.set(run="unjudged")
    assert "held-out" not in widget.words and "mean reward from 0.10 to 0.30" in widget.words
    widget.set(run="right answer, search")
    assert widget.controls["seed"].choices == [0, 1, 2] and "seed 0 (recorded" in widget.words
    with pytest.raises(ValueError, match="'random' is the name of a recorded run"):
        grpo_dashboard_explorer({"random": own_history(0.0)})
    with pytest.raises(ValueError, match="'empty' has no step"):
        grpo_dashboard_explorer({"empty": History()})


def test_the_panels_of_a_run_with_kl_show_it() -> None:
    ax = axes()
    draw_run(ax, "mine", 0, True, {"mine": {0: grpo_dashboard.own_run(own_history(0.1))}})
    last = ax.figure.axes[-1]
    assert [line.get_label() for line in last.lines] == ["entropy", "KL to the start"]
    assert list(last.lines[1].get_ydata()) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("names", [["pass_at_k", "grpo_dashboard", "transcript"]])
def test_these_explorers_need_no_torch(names: list[str]) -> None:
    code = (
        f"import sys; from racecourse.learn.widgets import WIDGETS; [WIDGETS[name]() for name in {names}]\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# The page's part: Chromium without Jupyter. The test stands between a page and the real widget.

HARNESS = """
class Model {
  constructor(state) { this.state = state; this.listeners = []; this.sent = [] }
  get(name) { return this.state[name] }
  set(name, value) { this.state[name] = value }
  save_changes() { this.sent.push(structuredClone(this.state.asked)) }
  on(names, listener) { for (const name of names.split(" ")) this.listeners.push([name.slice(7), listener]) }
  off() {}
  answer(state) {
    const changed = Object.keys(state).filter(k => JSON.stringify(state[k]) !== JSON.stringify(this.state[k]))
    Object.assign(this.state, state)
    for (const [name, listener] of this.listeners) if (changed.includes(name)) listener()
  }
}
window.models = []
window.show = async (esm, css, state) => {
  const module = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })))
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }))
  window.questions = module.questions
  const model = new Model(state), el = document.createElement("section")
  document.querySelector("main").append(el)
  module.default.render({ model, el })
  window.models.push(model)
}
window.heard = 0
document.addEventListener("keydown", () => window.heard++)
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 900, "height": 900})
    page.set_default_timeout(20_000)
    page.set_content("<!doctype html><html lang=en><title>explorers</title><main><h1>Explorers</h1></main></html>")
    page.evaluate(HARNESS)
    yield page
    page.close()


def show(page: Any, widget: Explorer) -> None:
    state = {name: getattr(widget, name) for name in widget.trait_names(sync=True) if not name.startswith("_")}
    plain = {name: value for name, value in state.items() if isinstance(value, (str, int, dict, list))}
    page.evaluate("([esm, css, state]) => show(esm, css, state)", [str(Explorer._esm), str(Explorer._css), plain])


def answer(page: Any, widget: Explorer) -> dict[str, Any]:
    """Hand the page's newest question to the kernel's widget and its answer back; returns the question."""
    page.wait_for_function("models[0].sent.length > 0")
    question = page.evaluate("models[0].sent.pop()")
    widget.asked = question
    names = ("fields", "chosen", "image", "page", "words", "answered")
    page.evaluate("state => models[0].answer(state)", {name: getattr(widget, name) for name in names})
    return question


needs_chromium = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="no Chromium")]


class TestPage:
    pytestmark = needs_chromium

    def test_every_control_is_found_by_its_role_and_name(self, page: Any, undrawn) -> None:
        roles = {
            "slider": ["slider", "spinbutton"],
            "steps": ["slider"],
            "choice": ["combobox"],
            "toggle": ["checkbox"],
        }
        for name, build in WIDGETS.items():
            widget = build()
            show(page, widget)
            group = page.get_by_role("group", name=widget.label, exact=True)
            for field in widget.fields:
                for role in roles[field["kind"]]:
                    label = field["label"] + ", as a number" * (role == "spinbutton")
                    assert group.get_by_role(role, name=label, exact=True).count() == 1, (name, role, label)
            assert page.locator("section").last.locator("p[aria-live=polite]").first.inner_text() == widget.words
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(page).response["violations"]
        assert not found, [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found]

    def test_the_keyboard_is_enough(self, page: Any) -> None:
        widget = sums([])
        show(page, widget)
        words = page.locator("p").first
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")  # the slider, 2 to 3
        assert answer(page, widget)["values"] == {"number": 3} and words.inner_text() == "The sum is 13."
        assert page.get_by_role("spinbutton").input_value() == "3"
        page.keyboard.press("Tab")  # its number
        page.keyboard.press("Control+a")
        page.keyboard.type("88")
        page.keyboard.press("Enter")
        assert answer(page, widget)["values"] == {"number": 88} and words.inner_text() == "The sum is 19."
        assert page.get_by_role("spinbutton").input_value() == "9", "moved to the end, and shown there"
        page.keyboard.press("Tab")
        steps = page.get_by_role("slider", name="More")
        assert steps.get_attribute("aria-valuetext") == "10"
        page.keyboard.press("End")
        assert steps.get_attribute("aria-valuetext") == "1,000"
        answer(page, widget)
        page.keyboard.press("Tab")
        page.keyboard.press("Space")
        answer(page, widget)
        assert words.inner_text() == "The sum is 2018."
        ring = "e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth"
        assert page.locator(":focus").evaluate(ring) == "solid3px"
        assert page.evaluate("heard") == 1, "the first Tab; no key within reached the notebook"
        assert page.locator("[data-lm-suppress-shortcuts=true]").count() == 1

    def test_an_emptied_number_comes_back_and_a_figure_has_its_words(self, page: Any) -> None:
        widget = WIDGETS["fits"]()
        show(page, widget)
        number = page.get_by_role("spinbutton", name="How many, as a number")
        number.fill("")
        number.press("Tab")
        assert number.input_value() == "1" and page.evaluate("models[0].sent.length") == 0
        image = page.get_by_role("img")
        assert image.get_attribute("alt") == widget.words
        number.fill("11")
        number.press("Tab")
        answer(page, widget)
        assert "11 x" in image.get_attribute("alt") or "140.8 GB usable" in image.get_attribute("alt")
        page.set_viewport_size({"width": 320, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= 320"), "nothing sticks out of a narrow page"

    def test_what_a_tool_wrote_stays_text_in_the_page(self, page: Any) -> None:
        from racecourse.agents.loop import Transcript
        from racecourse.learn.widgets.transcript import transcript_explorer

        evil = "<img src=x onerror='document.title=1'><b>bold</b>"
        show(page, transcript_explorer({evil: Transcript(evil, [], evil, "answered", 0, 0.0)}))
        assert page.locator("section td").first.inner_text() == evil
        assert page.locator("section :is(b, img)").count() == 0 and page.title() == "explorers"

    def test_questions_are_few_and_only_the_newest_values_are_asked(self, page: Any) -> None:
        """By a clock of our own: moved ten times in a second, answered after each half second."""
        show(page, sums([]))
        log = page.evaluate("""() => {
            const log = [], waiting = [], timers = []
            const clock = { time: 0, now() { return this.time } }
            const until = (time) => {
                for (let due; (due = timers.filter(t => t.at <= time).sort((a, b) => a.at - b.at)[0]); ) {
                    timers.splice(timers.indexOf(due), 1)
                    clock.time = due.at
                    due.run()
                }
                clock.time = time
            }
            const wait = (run, ms) => timers.push({ at: clock.time + ms, run })
            const send = (values, last) => { log.push([clock.time, { ...values }]); return last + 1 }
            const asking = questions(send, on => waiting.push(on), clock, wait)
            for (let step = 0; step < 10; step++) { until(step * 100); asking.ask("x", step) }
            asking.ask("y", 1)
            until(1000)
            const unanswered = log.length
            asking.answered(0); asking.answered(7)          // not what was asked
            until(1100)
            const strangers = log.length
            asking.answered(1)
            asking.answered(2)                              // at once: the next must still wait a quarter of a second
            asking.ask("x", 10)
            until(1200)
            const soon = log.length
            until(2000)
            asking.answered(3)
            return { log, unanswered, strangers, soon, idle: asking.isIdle(), waiting }
        }""")
        assert log["log"] == [[0, {"x": 0}], [1100, {"x": 9, "y": 1}], [1350, {"x": 10}]]
        assert (log["unanswered"], log["strangers"], log["soon"], log["idle"]) == (1, 1, 2, True)
        assert log["waiting"] == [True, False, True, False, True, False]
