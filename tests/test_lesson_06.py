"""Lesson 06: what the committed notebook printed lies in the ranges that it calls expected, and its figures draw."""

import re

import matplotlib
import pytest

matplotlib.use("agg")

from racecourse.learn.fits import known_configs
from racecourse.learn.roofs import attainable, describe_kv_budget, plot_kv_budget, plot_predictions, plot_roofline
from racecourse.learn.widgets.kv_budget import draw_kv_budget
from racecourse.learn.widgets.roofline import draw_roofline
from test_lessons_04_05 import figures, printed


@pytest.fixture(scope="module")
def text() -> str:
    return printed("06_hardware")


def test_three_numbers_foretell_and_copying_does_not(text):
    median, largest = figures(text, "three numbers: median error")
    copying = figures(text, "bytes / copying: median error")[0]
    assert copying > 2 * median and largest < 100
    errors = re.findall(
        r"^(?:SmolLM2-135M|24 thin layers|10 wide layers) .*?([+-]\d+)% +(?:yes|no) +([+-]\d+)%", text, re.M
    )
    assert len(errors) == 27, "three models, three contexts, three batch sizes"
    assert all(int(by_copy) < 0 for _, by_copy in errors), "too fast in every case, as the text says"
    for control in (
        "the roofline of section 2",
        "taken away: the layers' cost",
        "taken away: own numbers for each batch",
    ):
        line = next(line for line in text.splitlines() if line.startswith(control))
        assert median < float(re.search(r"median error (\d+)%", line)[1]), "each piece is needed"


def test_the_estimate_is_near_deepseeks_published_node(text):
    estimated = float(re.search(r"sending hidden, as theirs: ([\d,]+) tokens/s a node", text)[1].replace(",", ""))
    assert estimated == pytest.approx(14_800, rel=0.15)


def test_processes_agree_and_send_what_the_formula_says(text):
    differences = [float(x) for x in re.findall(r"largest difference (?:to one process )?(\S+e[+-]\d+)", text)]
    assert len(differences) == 3 and max(differences) < 1e-5
    sent = re.search(r"bytes sent by each: \[(.*?)\], by the formula (\d+)\n", text)
    assert {int(n) for n in sent[1].split(",")} == {int(sent[2])}
    assert "RuntimeError: rank 1 of 2" in text


def test_fewer_bits_are_faster_at_one_row_and_four_bits_cost_loss(text):
    eight, four = (float(re.search(rf"^{bits} bits .*?\((\d\.\d) x\)", text, re.M)[1]) for bits in (8, 4))
    assert eight > 1 and four > 1
    whole, grouped, other = map(
        float, re.search(r"loss in float32 (\S+), in 4 .* are (\S+), in other groups (\S+)", text).groups()
    )
    assert whole < grouped < other


def test_mfu_is_the_published_one(text):
    assert "34.6% of 989" in text and "39.0% of 989" in text


# ------------------------------------------------------------------------------------------------------------ figures


def test_the_roof_is_the_smaller_of_two_limits():
    assert attainable(2, gflops=100, gb_per_s=10) == 20 and attainable(20, gflops=100, gb_per_s=10) == 100
    ax = plot_roofline(gflops=100, gb_per_s=10, points={"a": [(1, 9), (2, 15)], "b": [(30, 90)]}, title="t")
    roof, _, a, b = ax.get_lines()
    assert max(roof.get_ydata()) == 100 and roof.get_ydata()[0] == pytest.approx(10 * roof.get_xdata()[0])
    assert list(a.get_xdata()) == [1, 2] and list(b.get_ydata()) == [90]
    assert ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left") == "t"


def test_predictions_are_drawn_against_measurements():
    ax = plot_predictions({"ours": [(1, 1.1), (10, 9)], "theirs": [(1, 0.3), (10, 2)]}, title="t")
    ours, theirs, line = ax.get_lines()
    assert list(ours.get_xdata()) == [1, 10] and list(theirs.get_ydata()) == [0.3, 2]
    assert list(line.get_xdata()) == list(line.get_ydata())


def test_kv_budget_in_figure_and_words():
    configs = {name: known_configs()[name] for name in ("QwQ-32B", "DeepSeek-R1")}
    ax = plot_kv_budget(configs, memory_gb=80, bits_per_weight=16, marked=3)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert "DeepSeek-R1" not in lines, "its weights do not fit"
    assert lines["QwQ-32B"].get_ydata()[0] == (80e9 - 65_527_752_704) // 262_144
    said = describe_kv_budget(configs, memory_gb=80, bits_per_weight=16, marked=2)
    assert "QwQ-32B 27,603 tokens" in said and "DeepSeek-R1 none" in said


def test_widgets_say_what_they_draw():
    import matplotlib.pyplot as plt

    said = draw_roofline(plt.subplots()[1], "NVIDIA H20", "QwQ-32B", batch=64, context=2048)
    assert "arithmetic is the limit" in said and "It does not fit one: it fills 2." in said
    said = draw_roofline(plt.subplots()[1], "NVIDIA H100 SXM5 80GB", "QwQ-32B", batch=1, context=128)
    assert "memory is the limit" in said and "at most 52 tokens/s" in said and "fit one" not in said
    said = draw_kv_budget(plt.subplots()[1], "NVIDIA H100 SXM5 80GB", n_chips=16, bits=8, conversations=16)
    assert "1,280 GB at 8 bits" in said and "QwQ-32B 297,364 tokens" in said
    plt.close("all")


def test_r1_and_qwq_lie_within_a_factor_of_two_and_r1_needs_the_chips_that_sglang_says(text):
    ratios = [float(x) for x in re.findall(r"^0\.[346] +[01]\.0 .* (\d\.\d)$", text, re.M)]
    assert len(ratios) == 6 and all(0.5 <= ratio <= 2 for ratio in ratios)
    for chip, n in (
        ("NVIDIA H200 SXM 141GB", 8),
        ("AMD Instinct MI300X", 8),
        (r"NVIDIA H800 SXM5 80GB", 16),
        ("NVIDIA H20", 16),
    ):
        assert re.search(rf"^DeepSeek-R1, 8 bits +{chip} +{n} \(", text, re.M), chip
