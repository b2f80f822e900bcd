"""Lesson 07: what the committed notebook prints, that its rules are the package's, its figures and its explorers.

Expected figures are worked by hand here, from data sheets and published hours; the arithmetic stands beside them.
"""

import ast
import json
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from conftest import ROOT
from racecourse.hardware import RULES, Chip, accelerators, throw_defects, wafer
from racecourse.hardware.export_rules import Bound, Paragraph, Rule
from racecourse.learn import chips as figures
from racecourse.learn.plots import PALE
from racecourse.learn.widgets import WIDGETS
from racecourse.learn.widgets.chip_rules import DEFAULT as DESIGN
from racecourse.learn.widgets.chip_rules import chip_rules_explorer, draw_design
from racecourse.learn.widgets.training_bill import training_bill_explorer
from racecourse.learn.widgets.wafer_map import wafer_map_explorer

NAME = "07_chips_and_rules"
SOURCE = (ROOT / f"sources/lessons/{NAME}.py").read_text(encoding="utf-8")


def cells():
    return json.loads((ROOT / f"lessons/{NAME}.ipynb").read_text(encoding="utf-8"))["cells"]


def outputs():
    return [output for cell in cells() if cell["cell_type"] == "code" for output in cell["outputs"]]


@pytest.fixture(scope="module")
def printed():
    """Everything that the built lesson printed."""
    return "\n".join("".join(output.get("text", "")) for output in outputs())


def rows(text, start):
    """The cells of every printed table row that begins with `start`, without it."""
    lines = [line.removeprefix(start).strip() for line in text.splitlines() if line.startswith(start)]
    return [re.split(r"\s{2,}", line) for line in lines]


# --- the committed notebook


@pytest.mark.parametrize("phrase", [
    # 8: both A100, H100, H200, B200, 910C, MI300X, MI325X. 16: these, A800, H800, L4, L40S, 4090, 910B, both TPUs
    "controlled, of 26: 8 in 2022, 16 in 2023, 16 in 2026",
    "controlled: 8 in 2022, 16 in 2023; of these 15 would be reviewed case by case",  # all but the B200
    "the package's `classify` disagree: 0",
    "of the four, caught in 2023: A800, L4",
    "the answer of 2023 changes for 4 of 26",  # H20, L20, 4090 D, 5090 D
    "3,958 x 8 = 31,664; right: 15,832",
    "a.2: L4, TPU v5e; b.1: none; b.2: none",
    "2022 with 'or' for 'and': 15 instead of 8\n    too many: A800, H800, H20, L40S, 4090, Ascend 910B, TPU v6e",
    "2023 with the 600 GB/s kept: 8 instead of 16",
    "2023 without Note 2: 18 instead of 16\n    too many: 4090 D, 5090 D",
    "2023 with sparse rates: 20 instead of 16\n    too many: H20, L20, 4090 D, 5090 D",
    "the H20's TPP: 1.3%",  # 32 of 2400
    # 4000 and 3350 over 2 x (32,763,876,352 - 152,064 x 5,120) bytes; 148e12 / 2 / 31.985e9 / 52.4
    "One conversation: H20 62.5 tokens/s at most, H100 52.4, A800 31.9; the H20 leads up to 44 conversations",
    "the H100 would do 6.7 times as much",  # 989.4 / 148
    "H20: room beside the weights for the cache of 116,242 tokens",  # (96 - 65.528) GB / 262,144 B
    "limit 1): memory bandwidth 4,000 GB/s is at least 1,400",
    "poisson 44.3%, murphy 46.8%, rectangular 49.4%, seeds 55.1%, negative-binomial 50.5%, bose-einstein 45.3%",
    "a year of one GPU at 2 dollars an hour: 17,520 dollars",
    "pre-training on 2,048 GPUs: 54.2 days",
    "64 x 8 = 512 GPUs for 198 hours are 101,376 GPU hours, published as 101 thousand; 648 GPUs would be 128,304",
    "(101 + 5 + 41) thousand hours x 2 = 294 thousand dollars",
    "hours 11.6 times = active parameters 10.95 x tokens 1.05 x TFLOP/s per GPU 1.003",
    "142.62 -> 118.42: -17.0%, 592.7 billion dollars", "142.62 -> 118.58: -16.9%, 588.7 billion dollars",
    "deep ultraviolet 80 nm, extreme ultraviolet (EUV) 23 nm",  # 2 x 0.28 x 193 / 1.35, 2 x 0.28 x 13.5 / 0.33
    "0.57 points a year from 2010 to 2020; from 2020 to 70 % in 2025 it would have taken 10.8",  # 5.7 / 10, 54.1 / 5
    "65 + 100 = 165 billion dollars; 1.9 times the act, 2.6 times its part for factories",
    "H800 against H100: TPP 1.00, memory 1.00, links 0.44",
])  # fmt: skip
def test_the_notebook_prints(printed, phrase):
    assert phrase in printed


@pytest.mark.parametrize(("start", "expected"), [
    ("NVIDIA H20  ", ["2,368", "2.91", "900", "4,000", "-", "-", "-"]),
    ("NVIDIA A800 SXM4 80GB", ["4,992", "6.04", "400", "2,039", "-", "a.1", "case by case"]),
    ("NVIDIA B200 SXM", ["36,000", "-", "1,800", "7,700", "a", "a.1", "beyond"]),
    ("NVIDIA L4  ", ["1,936", "6.59", "64", "300", "-", "a.2", "case by case"]),
    ("910C, 20%", ["0.242", "0.372", "16.1", "1,162", "12,430"]),  # -ln 0.2 / 6.65; 2 (0.2^-0.5 - 1) / 6.65; 80.5 / 5
    ("910C, 40%  ", ["0.138", "0.175", "32.2", "581", "6,215"]),  # 2 x 9,346 / 32.2; 200,000 / 32.2
    ("H100, 44% at 0.1 per cm2", ["0.100", "-", "28.1", "604", "3,555"]),
    ("NVIDIA H100, H20  ", ["814", "86.8", "63.5", "69", "-8.0%"]),
    ("total", ["147,336 h", "294,672 USD"]),
    ("DeepSeek-V3, 6ND", ["3.29e+24", "2,664,000", "343", "34.6%", "17.3%"]),
    ("Llama 3.1 405B, 6ND", ["3.79e+25", "30,840,000", "341", "34.5%", "-"]),
    ("training, 6ND, FLOP", ["3.29e+24", "3.54e+24", "1.08"]),
    ("GB of weights to serve", ["671 (FP8)", "65.5 (bf16)", "0.098"]),
    ("DeepSeek-V3's bill", ["5,576,000 USD", "stated parts, computed sum"]),
    ("a 7 nm class process", ["40", "2", "1"]), ("SMIC's N+3, as reported", ["32.5", "4", "1"]),
])  # fmt: skip
def test_rows_of_the_tables(printed, start, expected):
    assert expected in rows(printed, start)


def test_each_thrown_wafer_agrees_with_its_own_formula_and_with_no_other(printed):
    for i, name in enumerate(("anywhere", "clusters, alpha 2", "clusters, alpha 1")):
        away = [abs(float(number)) for number in re.findall(r"\(([+-][\d.]+)\)", " ".join(rows(printed, name)[-1]))]
        assert away.pop(i) < 2 and min(away) > 12


def test_every_row_of_the_lesson_is_settled_and_none_is_left_open():
    final = "".join(outputs()[-1]["data"]["text/plain"])
    summary = final.splitlines()[0]
    assert summary == "9 claims: 1 holds, 7 holds with a qualification, 1 context"
    for number in ("5", "6", "8", "12", "13", "14", "15", "16", "18b"):
        assert re.search(rf"^ *{number}  .", final, flags=re.MULTILINE)


def test_every_figure_is_followed_by_its_words():
    for cell in cells():
        kinds = [
            "figure" if "image/png" in output.get("data", {}) else output["output_type"]
            for output in cell.get("outputs", [])
        ]
        if "figure" in kinds:
            assert kinds[-1] == "stream", "".join(cell["source"])[:200]


# --- what the lesson shows is what the package has


def assigned(source, name):
    trees = ast.parse(source).body
    found = [n for n in trees if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == name]
    found += [n for n in trees if isinstance(n, ast.AnnAssign) and getattr(n.target, "id", "") == name]
    return found[0].value


def evaluated(name):
    code = compile(ast.Expression(assigned(SOURCE, name)), NAME, "eval")
    return eval(code, {"Rule": Rule, "Paragraph": Paragraph, "Bound": Bound})


def test_the_rules_that_the_lesson_writes_are_the_packages():
    assert evaluated("RULE_2022") == RULES["2022"]
    assert evaluated("RULE_2023") == RULES["2023"]
    assert evaluated("CASE_BY_CASE_2026") == RULES["2026"].case_by_case


def test_the_yields_that_the_lesson_writes_are_the_packages():
    package = (ROOT / "utils/racecourse/hardware/wafer.py").read_text(encoding="utf-8")
    assert ast.dump(assigned(SOURCE, "YIELDS")) == ast.dump(assigned(package, "YIELDS"))
    assert list(wafer.YIELDS) == [key.value for key in assigned(SOURCE, "YIELDS").keys]


# --- figures


def axes(size=(9.0, 5.6)):
    return Figure(figsize=size, layout="constrained").add_subplot()


def chip(name, tpp, die_mm2=None, **fields):
    return Chip(name=name, fp16_bf16_dense_tflops=tpp / 16, die_mm2=die_mm2, **fields)


def test_short_names_tell_the_26_apart_but_for_two_a100():
    names = [figures.short_name(name) for name in accelerators()]
    assert len(set(names)) == 25 and names.count("A100") == 2
    assert all(len(name) <= 11 for name in names)


def areas(ax):
    """Left, right, bottom and top of each painted area, the last painted first."""
    boxes = []
    for area in reversed(ax.collections):
        x, y = area.get_paths()[0].vertices.T
        boxes.append(tuple(map(float, (x.min(), x.max(), y.min(), y.max()))))
    return boxes


@pytest.mark.parametrize(("tpp", "density", "first"), [
    (4800, 0.2, 0), (30_000, 50, 0), (4799, 5.92, 1), (1600, 40, 1), (2400, 1.6, 2), (4799, 5.9, 2), (2399, 3.2, 3),
    (2399, 3.1, None), (1599, 40, None), (4799, 1.5, None),
])  # fmt: skip
def test_the_areas_are_the_paragraphs(tpp, density, first):
    """The topmost area at a point is a.1, a.2, b.1, b.2 or none, by the thresholds of 88 FR 73458."""
    ax = figures.plot_rule([], title="t", ax=axes())
    boxes = areas(ax)
    assert len(boxes) == 4
    inside = [i for i, (left, right, low, high) in enumerate(boxes) if left <= tpp < right and low <= density < high]
    assert (inside[0] if inside else None) == first


def test_chips_stand_at_their_figures_as_dots_rings_or_in_the_strip():
    some = [chip("NVIDIA A", 2000, 400), chip("NVIDIA B", 3000, 300, datacenter=False), chip("NVIDIA C", 9000)]
    ax = figures.plot_rule(some, title="t", ax=axes())
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in dots] == [(2000, 5), (3000, 10), (9000, 0.2)]
    assert [line.get_fillstyle() for line in dots] == ["full", "none", "full"]
    assert "TPP" in ax.get_xlabel() and "TPP/mm2" in ax.get_ylabel() and ax.get_title(loc="left") == "t"
    assert {"A", "B", "C"} <= {text.get_text() for text in ax.texts}


def test_chips_at_one_place_share_a_label_and_labels_stay_apart():
    figure = Figure(figsize=(9.0, 5.6), layout="constrained")
    ax = figures.plot_rule(accelerators().values(), title="t", ax=figure.add_subplot())
    labels = {text.get_text(): text for text in ax.texts}
    assert "A100, A800" in labels and "H100, H800, H200" in labels
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for name, text in labels.items() if not re.fullmatch(r"[ab]\.[12]", name)]
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert len(boxes) == 26 - 2 - 2 + 1 and pairs == []  # and the strip's own words


def test_the_star_is_where_the_chip_is():
    ax = figures.plot_rule([], title="t", star=chip("mine", 2368, 814), ax=axes())
    (star,) = [line for line in ax.lines if line.get_marker() == "*"]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (2368, pytest.approx(2.909, abs=1e-3))
    assert ax.get_legend().get_texts()[-1].get_text() == "mine"


def test_margins_are_bars_in_percent_and_a_line_at_the_limit():
    ax = figures.plot_margins({"a": 0.5, "b": 0.987}, title="t", ax=axes())
    assert [bar.get_width() for bar in ax.patches] == [50, 98.7]
    assert [line.get_xdata()[0] for line in ax.lines] == [100]
    assert {"50.0", "98.7"} <= {text.get_text() for text in ax.texts}


def test_a_wafer_shows_its_dies_its_losses_and_its_defects():
    made = throw_defects(die_area_mm2=814, defects_per_cm2=0.1, seed=1)
    ax = figures.plot_wafer(made, title="t", ax=axes((5, 5)))
    _, *squares = ax.patches
    assert len(squares) == 69
    hatched = [square for square in squares if square.get_hatch()]
    assert len(hatched) == 69 - made.n_good == sum(die.n_defects > 0 for die in made.dies)
    assert {to_rgba(square.get_facecolor()) for square in hatched} == {to_rgba(PALE)}
    assert to_rgba(PALE) not in {to_rgba(square.get_facecolor()) for square in squares if square not in hatched}
    (dots,) = ax.lines
    assert np.allclose(np.column_stack(dots.get_data()), made.defects)
    assert ax.get_aspect() == 1 and "mm" in ax.get_xlabel()


def test_bills_are_bars_in_millions_and_one_is_marked():
    ax = figures.plot_training_bills({"a": 5e6, "b": 62e6}, title="t", mine="b", ax=axes())
    assert [bar.get_width() for bar in ax.patches] == [5, 62]
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [False, True]
    assert ax.get_xscale() == "log" and "million US dollars" in ax.get_xlabel()
    assert [text.get_text() for text in ax.texts] == ["5", "62"]


# --- explorers


def test_the_design_explorer_begins_with_the_h20_and_crosses_lines():
    widget = chip_rules_explorer()
    words = widget.words
    assert "2022: not controlled; 2023: not controlled; 2026: not controlled; 2025-letter: limit 1" in words
    assert "As many TFLOPS as H20" in words and "62.5 tokens/s" in words
    widget.set(tflops=150)  # 2400
    assert "2023: 3A090.b.1; 2026: 3A090.b.1, case by case" in widget.words
    widget.set(die_mm2=1510)  # 2400 / 1510 = 1.589, below 1.6: the answer to the lesson's question
    widget.set(tflops=151)  # 2416 / 1510 = 1.6
    assert "2023: 3A090.b.1" in widget.words
    widget.set(die_mm2=1520)
    assert "2022: not controlled; 2023: not controlled; 2026: not controlled" in widget.words
    widget.set(die_mm2=300)  # 8.05
    assert "2023: 3A090.a.2" in widget.words
    widget.set(datacenter=False)
    assert "2023: not controlled" in widget.words and "Note 2" in widget.words
    widget.set(tflops=400, links=600)
    assert "2022: 3A090.a; 2023: 3A090.a.1" in widget.words
    widget.set(memory=1000)
    assert "2025-letter: not controlled" in widget.words and "15.6 tokens/s" in widget.words


def test_the_design_is_drawn_as_a_star_with_the_verdicts_above():
    ax = axes()
    words = draw_design(ax, **DESIGN)
    assert words.startswith(ax.get_title(loc="left"))
    assert sum(line.get_marker() == "*" for line in ax.lines) == 1


def test_the_wafer_explorer_says_what_it_draws_and_what_the_formula_says():
    widget = wafer_map_explorer()
    alpha = next(field for field in widget.fields if field["name"] == "alpha")
    assert alpha["labels"][widget.chosen["alpha"]] == "none: every place alike", (
        "something is chosen at first, and seen"
    )
    assert "69 whole dies of 814 mm2" in widget.words and "Poisson's formula says 44.3%" in widget.words
    before = widget.words
    widget.set(seed=2)
    assert widget.words != before
    widget.set(alpha=2.0)
    assert "alpha 2) formula says 50.5%" in widget.words
    widget.set(die_mm2=100)
    assert "alpha 2) formula says 90.7%" in widget.words  # 1.05 ** -2
    widget.set(defects=0.0)
    assert "0 defects" in widget.words and "formula says 100.0%" in widget.words


def test_the_bill_explorer_multiplies():
    widget = training_bill_explorer()
    assert "2,636,622 hours of H800 at 35 %" in widget.words and "5.27 million dollars" in widget.words
    widget.set(chip="NVIDIA H20")  # 3.2856e24 / (148e12 x 0.35 x 3600)
    assert "17,619,048 hours of H20" in widget.words
    widget.set(chip="NVIDIA H800 SXM5 80GB", price=4.0)
    assert "10.55 million dollars at 4 an hour" in widget.words
    widget.set(active=74, tokens=7.4, mfu=70)
    assert "3.29e+24 FLOP" in widget.words and widget.values["mfu"] == 60  # the slider's end


@pytest.mark.parametrize("name", ["chip_rules", "wafer_map", "training_bill"])
def test_these_explorers_need_no_torch(name):
    code = (
        f"import sys; from racecourse.learn.widgets import WIDGETS; WIDGETS[{name!r}](); print('torch' in sys.modules)"
    )
    assert name in WIDGETS
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
