"""The learn room: the first cell, the ledger, what fits, the figures and the explorers."""

import itertools
import json
import os
import re
import subprocess
import sys

import matplotlib
import matplotlib.pyplot
import pytest

from conftest import ROOT

matplotlib.use("Agg")

from racecourse.learn import ledger as ledger_file
from racecourse.learn import setup
from racecourse.learn.fits import (
    COMPUTERS,
    FORMATS,
    Computer,
    describe_fits,
    fit_all,
    known_counts,
    read_per_token,
    weight_gb,
)
from racecourse.learn.ledger import JUDGEMENTS, as_record, evidence_of, ledger, recorded_ledger, settle
from racecourse.learn.live import LiveFigure
from racecourse.learn.plots import plot_fits, plot_speeds
from racecourse.learn.widgets import WIDGETS

# As published: the sizes in the safetensors files on the Hugging Face hub (bf16, so two bytes each; tied heads once).
PUBLISHED = {
    "SmolLM2-135M": 134_515_008,
    "Qwen2.5-0.5B": 494_032_768,
    "Qwen3-0.6B": 596_049_920,
    "R1-Distill-Qwen-1.5B": 1_777_088_000,
    "QwQ-32B": 32_763_876_352,
    "DeepSeek-R1": 671_026_404_352,
}
H100 = next(computer for computer in COMPUTERS if "H100" in computer.name)


# The first cell


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = (
        "import sys; import racecourse.learn, racecourse.learn.setup, racecourse.learn.ledger, racecourse.learn.fits\n"
        "import racecourse.learn.plots, racecourse.learn.widgets\n"
        "print([name for name in ('torch', 'matplotlib', 'ipywidgets', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["fits"])
def test_an_explorer_needs_no_torch(name: str) -> None:
    code = (
        f"import sys; from racecourse.learn.widgets import WIDGETS; WIDGETS[{name!r}](); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_start_prints_one_line_and_says_where_it_runs(monkeypatch, capsys) -> None:
    monkeypatch.setenv("RACECOURSE_QUICK", "1")
    session = setup.start("00_start_here")
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 1 and captured.err == ""
    for part in ("00_start_here", f"Python {sys.version_info.major}.{sys.version_info.minor}", "torch 2", "quick"):
        assert part in captured.out
    assert session.quick and session.name == "00_start_here"
    assert str(session.device) in captured.out and str(session.dtype).startswith("torch.")


def test_full_settings_unless_asked_otherwise(monkeypatch) -> None:
    monkeypatch.delenv("RACECOURSE_QUICK", raising=False)
    assert not setup.is_quick()
    monkeypatch.setenv("RACECOURSE_QUICK", "0")
    assert not setup.is_quick()


def test_colab_is_recognised_by_its_module_and_by_its_variables(monkeypatch) -> None:
    for key in [key for key in os.environ if key.startswith("COLAB_")]:
        monkeypatch.delenv(key)
    assert not setup.is_colab()
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab-external")
    assert setup.is_colab()
    monkeypatch.delenv("COLAB_RELEASE_TAG")
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert setup.is_colab()


def test_a_package_out_of_range_is_named_with_both_versions() -> None:
    import numpy

    problems = setup.out_of_range(["numpy>=99", "matplotlib>=3", "no-such-package>=1", "numpy>=99; extra == 'test'"])
    assert problems == [f"numpy is {numpy.__version__} and >=99 is needed", "no-such-package>=1 is missing"]


def test_a_problem_costs_one_line_and_no_exception(monkeypatch, capsys) -> None:
    monkeypatch.setattr(setup.metadata, "requires", lambda name: ["numpy>=99", "no-such-package"])
    setup.versions_to_mend.cache_clear()
    setup.start("00_start_here")
    setup.versions_to_mend.cache_clear()
    out = capsys.readouterr().out
    assert out.count("\n") == 2 and "numpy" in out and "no-such-package is missing" in out


@pytest.mark.parametrize("matrix", ["deuteranopia", "protanopia"])
def test_line_colours_stay_apart_for_colour_blind_readers(matrix: str) -> None:
    """Simulated after Machado et al. 2009 (severity 1); the distance is in CIELAB, where 10 is plainly visible."""
    import numpy as np
    from matplotlib.colors import to_rgb

    seen = {
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    }[matrix]

    def lab(colour: str):
        rgb = np.array(to_rgb(colour))
        linear = np.clip(np.array(seen) @ np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4), 0, 1)
        to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
        xyz = np.array(to_xyz) @ linear / [0.9505, 1.0, 1.089]
        f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    for one, other in itertools.combinations(setup.COLOURS, 2):
        assert np.linalg.norm(lab(one) - lab(other)) > 10, f"{one} and {other}"


# The ledger


@pytest.fixture
def clean_ledger(monkeypatch):
    monkeypatch.setattr(ledger_file, "_settled", {})


def test_the_ledger_holds_every_claim_once_and_all_are_open(clean_ledger) -> None:
    ids = [row.id for row in ledger().rows]
    assert ids == [*map(str, range(1, 19)), "18b", "19"]
    assert {row.status for row in ledger().rows} == {"open"}
    assert [row.id for row in ledger().rows if row.kind == "context"] == ["17", "18b", "19"]
    assert all(
        lesson in {f"{n:02}" for n in range(10)} and row.lessons for row in ledger().rows for lesson in row.lessons
    )
    assert all(row.claim.endswith(".") and row.figure and row.said_by for row in ledger().rows)


def test_each_lesson_is_given_its_rows(clean_ledger) -> None:
    assert [row.id for row in ledger("01").rows] == ["1", "11"]
    assert [row.id for row in ledger("07").rows] == ["5", "6", "8", "12", "13", "14", "15", "16", "18b"]
    assert [row.id for row in ledger("08").rows] == ["9", "10"]


def test_settling_a_row_shows_in_the_row_and_in_the_ledger(clean_ledger) -> None:
    row = settle(1, value="32,763,876,352", verdict="holds with a qualification", sources=["the model's config"])
    assert row.status == "holds with a qualification"
    for text in (str(row), row._repr_html_(), repr(ledger()), ledger()._repr_html_()):
        assert "32,763,876,352" in text and "the model's config" in text.replace("&#x27;", "'")
    assert "19 open, 1 holds with a qualification" in repr(ledger())


def test_evidence_without_a_verdict_leaves_the_row_partly_open(clean_ledger) -> None:
    assert settle(11, value="announced in 2023", verdict=None).status == "partly"
    assert "1 partly" in ledger().summary


def test_every_verdict_is_accepted_where_it_belongs(clean_ledger) -> None:
    for verdict in JUDGEMENTS:
        assert settle("3", value="x", verdict=verdict).verdict == verdict
    assert settle("18b", value="52.7 billion dollars", verdict="context").verdict == "context"


@pytest.mark.parametrize(
    ("claim_id", "verdict", "value", "error", "says"),
    [
        (20, "holds", "x", KeyError, "no row '20'"),
        (1, "true", "x", ValueError, "'does not hold'"),
        (1, "context", "x", ValueError, "'holds'"),
        (17, "holds", "x", ValueError, "'context'"),
        (1, "holds", " ", ValueError, "says nothing"),
    ],
)
def test_what_does_not_belong_is_refused(clean_ledger, claim_id, verdict, value, error, says) -> None:
    with pytest.raises(error, match=says):
        settle(claim_id, value=value, verdict=verdict)
    assert {row.status for row in ledger().rows} == {"open"}


def test_the_table_escapes_what_a_lesson_puts_in(clean_ledger) -> None:
    html = settle(1, value="<script>", verdict="holds")._repr_html_()
    assert "<script>" not in html and html.count("<tr>") == 2


def test_what_a_lesson_shows_of_a_row_is_read_back(clean_ledger, tmp_path, monkeypatch) -> None:
    """A value with every character that could go wrong, through the HTML and the record, and back."""
    odd = 'about 5 < 6 & "7" > 1. Sources: none of ours'
    early = settle(2, value=odd, verdict=None, sources=["a <b> & c", "d"])._repr_html_()
    settle(2, value="replaced before the last table", verdict=None)
    settle(9, value="no run of 53 tasks", verdict="does not hold")
    late = ledger("09")._repr_html_()
    pieces = evidence_of("03", [early]) + evidence_of("05", ["<table><tr><td>9</td></tr></table>", late])
    assert [(piece.id, piece.lesson, piece.verdict) for piece in pieces] == [("2", "03", ""), ("2", "05", "")]
    assert pieces[0].computed == f"{odd}. Sources: a <b> & c; d"

    monkeypatch.setattr(ledger_file, "SETTLED", tmp_path / "settled.json")
    monkeypatch.setattr(ledger_file, "_settled", {})
    ledger_file.SETTLED.write_text(as_record(pieces + evidence_of("08", [late, early])), encoding="utf-8")
    settle(2, value="here and now", verdict="holds")
    row = next(row for row in recorded_ledger().rows if row.id == "2")
    assert row.verdict == "holds"
    assert row.value == (
        f"Lesson 03: {odd}. Sources: a <b> & c; d. Lesson 05: replaced before the last table. "
        f"Lesson 08: {odd}. Sources: a <b> & c; d. Here: here and now"
    )
    assert [row.status for row in recorded_ledger().rows if row.id != "2"] == ["open"] * 19


def test_the_record_holds_what_the_committed_lessons_say(clean_ledger, root) -> None:
    """Rows that no lesson but 09 works on are open in it; each verdict stands in its last lesson's notebook."""
    for row in recorded_ledger().rows:
        if row.lessons[-1] == "09":
            assert not row.verdict
            continue
        assert row.verdict, f"row {row.id} has no verdict"
        (notebook,) = (root / "lessons").glob(f"{row.lessons[-1]}_*.ipynb")
        outputs = notebook.read_text(encoding="utf-8")
        assert f">{row.verdict}</td>" in outputs, row.id


# What fits


def test_the_shapes_give_the_published_counts() -> None:
    assert {name: count.total for name, count in known_counts().items()} == PUBLISHED
    assert known_counts()["DeepSeek-R1"].active == 37_552_282_624


def test_bytes_of_qwq_are_the_published_ones() -> None:
    assert weight_gb(known_counts()["QwQ-32B"].total, bits=16) == pytest.approx(65.527752704, abs=1e-12)


def test_a_token_reads_no_input_table_unless_it_is_also_the_output_head() -> None:
    counts = known_counts()
    assert read_per_token(counts["QwQ-32B"]) == 32_763_876_352 - 152_064 * 5_120  # untied: one row is looked up
    assert read_per_token(counts["DeepSeek-R1"]) == 37_552_282_624 - 129_280 * 7_168
    assert read_per_token(counts["SmolLM2-135M"]) == 134_515_008  # tied


def test_an_h100_holds_qwq_in_8_bits_and_writes_at_most_105_tokens_per_s() -> None:
    """By hand: 0.8 x 80 GB = 64 GB, less than 65.5; 3350 GB/s over 31.985 GB is 104.7."""
    fits = {(fit.model, fit.format): fit for fit in fit_all(H100, known_counts(), reserve=0.2)}
    assert len(fits) == len(PUBLISHED) * len(FORMATS)
    assert not fits["QwQ-32B", "bf16"].fits and fits["QwQ-32B", "int8"].fits
    assert fits["QwQ-32B", "int8"].tokens_per_s == pytest.approx(104.7, abs=0.05)
    assert fit_all(H100, known_counts(), reserve=0.18)[17].fits  # bf16, in 65.6 GB


def test_several_chips_add_up() -> None:
    """671 GB in int8 at 64 GB a chip: ten are too few, eleven enough."""
    ten, eleven = (fit_all(H100, known_counts(), reserve=0.2, chips=n)[-2] for n in (10, 11))
    assert (ten.model, ten.format) == ("DeepSeek-R1", "int8")
    assert not ten.fits and eleven.fits
    assert eleven.tokens_per_s == pytest.approx(11 * 3350 / 36.625603584)


def test_the_line_in_words_names_the_largest_that_fits() -> None:
    fits = fit_all(H100, known_counts(), reserve=0.2)
    line = describe_fits(H100, fits, reserve=0.2)
    assert "64.0 GB usable" in line and "5 of 6" in line and "QwQ-32B in int8 (32.8 GB)" in line
    tiny = Computer("a calculator", 0.01, 1.0, "made up")
    assert "none of the models" in describe_fits(tiny, fit_all(tiny, known_counts(), reserve=0.2), reserve=0.2)


# Figures and explorers


def test_the_grid_draws_into_given_axes_with_units() -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plot_fits(fit_all(H100, known_counts(), reserve=0.2), title="H100", ax=ax) is ax
    words = [text.get_text() for text in ax.texts]
    assert "32.8 GB\n≤ 105 tokens/s" in words and "65.5 GB" in words
    assert ax.get_title("left") == "H100" and "GB" in ax.get_xlabel() and ax.get_ylabel()


def test_the_speeds_are_drawn_where_they_belong() -> None:
    from matplotlib.figure import Figure

    ax = Figure().add_subplot()
    assert plot_speeds({"predicted": [40.0, 20.0], "measured": [30.0, 15.0]}, ["small", "large"], ax=ax) is ax
    assert [list(line.get_xdata()) for line in ax.lines] == [[40.0, 30.0], [20.0, 15.0]]
    assert "tokens/s" in ax.get_xlabel() and ax.get_ylabel() and ax.get_title("left")


def test_the_fits_explorer_answers_its_controls() -> None:
    widget = WIDGETS["fits"]()
    seen = [(widget.image, widget.words)]
    for name, value in (("computer", 2), ("chips", 11), ("reserve", 0)):
        widget.set(**{name: value})
        assert widget.image != seen[-1][0] and widget.words != seen[-1][1], f"{name} changes nothing"
        seen.append((widget.image, widget.words))
    assert "64.0 GB usable" in seen[1][1]
    assert "704.0 GB usable" in seen[2][1] and "DeepSeek-R1 in int8" in seen[2][1]
    assert "880.0 GB usable" in seen[3][1]


def test_an_explorer_leaves_no_figure_open() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    WIDGETS["fits"]().set(chips=3)
    assert plt.get_fignums() == before


def test_the_committed_lesson_00_lies_within_the_range_that_it_prints() -> None:
    """Share of the limit that decoding reached on the machine which executed it: 35 to 105 % on a CPU."""
    notebook = json.loads((ROOT / "lessons/00_start_here.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    printed = "".join(line for output in outputs for line in output.get("text", []))
    share = int(re.search(r"Share of the lowest limit: (\d+)%", printed)[1])
    assert 35 <= share <= 105


def test_a_live_figure_is_one_output_drawn_rarely_and_last_of_all_at_the_end(monkeypatch) -> None:
    """States come once a second, drawings every third second and at the end; all in one place of the output."""
    shown, now, drawn = [], [0.0], []

    class Handle:
        def update(self, image) -> None:
            shown.append(image)

    def display(image, display_id: bool) -> Handle:
        assert display_id
        shown.append(image)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)

    def draw(figure, state: int) -> None:
        drawn.append(state)
        figure.subplots().plot([0, state])

    live = LiveFigure(draw, seconds=3.0, clock=lambda: now[0])
    for second in range(8):
        now[0] = float(second)
        live(second)
    assert drawn == [0, 3, 6]
    live.finish()
    assert drawn == [0, 3, 6, 7]
    assert len(shown) == 4 and all(image.data[1:4] == b"PNG" for image in shown)
    assert not matplotlib.pyplot.get_fignums()
    assert LiveFigure(draw).finish() is None and drawn[-1] == 7  # nothing to draw is no error
