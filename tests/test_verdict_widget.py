"""The verdict's explorer: what it says is what the page's arithmetic says, also where a model cannot be served."""

import subprocess
import sys

import matplotlib
import pytest

matplotlib.use("Agg")

from matplotlib.figure import Figure

from racecourse.learn.verdict import Scenario, outcome
from racecourse.learn.widgets.verdict import DEFAULT, draw_verdict, exams_offered, verdict_explorer


def axes():
    return Figure(figsize=(8.4, 2.8), layout="constrained").add_subplot()


def test_the_default_is_the_lessons_scenario():
    """12,000 of 14,500 tokens are 83 %; the rest of the defaults are the scenario's own."""
    words = draw_verdict(axes(), **DEFAULT)
    r1 = outcome(Scenario(length_ratio=0.83), "r1")
    assert f"DeepSeek-R1: chips {r1.n_chips}, copies {r1.n_copies}; {r1.seconds:,.0f} s an answer" in words
    assert "cheaper from R1" in words


def test_it_turns_round_with_the_number_of_users_and_says_what_does_not_fit():
    widget = verdict_explorer()
    assert widget.values == DEFAULT
    assert "cheaper from R1" in widget.words
    widget.set(users=4)
    assert "cheaper from QwQ-32B" in widget.words
    widget.set(most_chips=8)  # 671 GB in 8 bits, and 640 GB of memory
    assert "DeepSeek-R1 cannot be served to 4 users on 8 x NVIDIA H800" in widget.words
    assert "QwQ-32B: chips 1, copies 1;" in widget.words
    widget.set(r1_bits=5)  # 419 GB
    assert "DeepSeek-R1: chips 8, copies 1;" in widget.words
    widget.set(most_chips=1)
    widget.set(chip="NVIDIA T4")  # 16 GB hold neither
    assert widget.words.count("cannot be served") == 2


def test_a_control_moves_what_it_should_and_no_more():
    widget = verdict_explorer()

    def eur(name):
        part = widget.words.split(f"{name}: ")[1]
        return float(part.split(" s an answer and ")[1].split(" euros")[0].replace(",", ""))

    before = eur("QwQ-32B"), eur("DeepSeek-R1")
    widget.set(usd_per_hour=4.0)
    assert (eur("QwQ-32B"), eur("DeepSeek-R1")) == pytest.approx([2 * euros for euros in before], rel=2e-3)
    widget.set(usd_per_hour=2.0)
    widget.set(length_percent=166)
    assert eur("QwQ-32B") == before[0] and eur("DeepSeek-R1") > 2 * before[1]  # twice the tokens, each a little dearer
    widget.set(exam=1)  # makers' own AIME: 79.5 and 79.8
    assert exams_offered()[1].qwq == 0.795
    assert "80% right" in widget.words and eur("QwQ-32B") == before[0]


def test_three_bars_and_their_figures():
    ax = axes()
    words = draw_verdict(ax, **DEFAULT)
    assert len(ax.patches) == 3 and ax.get_xscale() == "log" and ax.get_xlabel() and ax.get_ylabel()
    assert "1,000 users" in ax.get_title(loc="left") and words
    assert sum("QwQ" in text.get_text() for text in ax.texts) == 3


def test_the_explorer_needs_no_torch():
    code = (
        "import sys; from racecourse.learn.widgets.verdict import verdict_explorer; verdict_explorer(); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
