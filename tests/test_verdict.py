"""The verdict's arithmetic: bills worked by hand, plain loops, lesson 06's table, and DeepSeek's published node."""

import doctest
import math
from dataclasses import replace
from itertools import pairwise

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib.figure import Figure

from racecourse.hardware import accelerators
from racecourse.hardware.serving import serve
from racecourse.learn import verdict
from racecourse.learn.fits import known_configs
from racecourse.learn.verdict import (
    EXAMS,
    HOME,
    MATHS,
    QWQ,
    R1,
    SCENARIOS,
    Exam,
    Range,
    Scenario,
    copies_for,
    draw_ratios,
    euro_ratio,
    one_at_a_time,
    outcome,
    plot_draws,
    plot_one_at_a_time,
    plot_outcomes,
    plot_ratio_map,
    pooled,
    ranges_of,
    ratio_map,
)

CHIPS, CONFIGS = accelerators(), known_configs()
LESSON_06 = Scenario(tokens=10_000, length_ratio=1.0, prompt=0, hidden_share=0.0)  # context 5,000 for both
FIRM_R1 = "firm: 32 users, 8 H200"
BIG = SCENARIOS["service: 10,000 users, H800"]


def axes():
    return Figure(figsize=(8.4, 4.8), layout="constrained").add_subplot()


def test_worked_examples():
    assert doctest.testmod(verdict).attempted > 0 and doctest.testmod(verdict).failed == 0


# --- quality


def test_three_exams_of_one_tester_by_hand():
    """30 x 78.1 + 30 x 66.5 + 196 x 55.9 = 15,294.4 of 256; 30 x 79.1 + 30 x 64.3 + 196 x 53.0 = 14,690."""
    assert MATHS.n_problems == 256
    assert 100 * MATHS.qwq == pytest.approx(15_294.4 / 256) and 100 * MATHS.r1 == pytest.approx(14_690 / 256)
    with pytest.raises(ValueError, match="cannot be pooled"):
        pooled(EXAMS, "all")


def test_the_makers_own_scores_are_as_far_apart_as_lesson_05_says():
    """0.3 points, 0.03 standard errors of the difference, on 30 problems."""
    own = EXAMS[0]
    assert own.ahead == pytest.approx(-0.3) and own.ahead / own.error == pytest.approx(-0.03, abs=0.005)


def test_a_standard_error_by_hand():
    exam = Exam("toss", 100, 0.5, 0.5, "me", "")
    assert exam.error == pytest.approx(100 * math.sqrt(0.25 / 100 + 0.25 / 100))
    assert ranges_of(replace(exam, r1=0.9))["r1_right"].high == pytest.approx(0.93)  # sqrt(0.09 / 100) is 0.03


def test_every_exam_names_its_testers_and_its_source():
    for exam in EXAMS:
        assert exam.testers and exam.source and 0 < exam.qwq < 1 and 0 < exam.r1 < 1


# --- one outcome


def test_a_rented_answer_by_hand():
    """400 users on H20 chips: the rest follows from the time of a step, which another test holds."""
    scenario = Scenario(users=400, chip="NVIDIA H20", tokens=9000, prompt=100)
    found = outcome(scenario, "qwq")
    chips, copies = found.n_chips, found.n_copies
    assert copies > 1 and chips % copies == 0
    step = serve(
        QWQ, CONFIGS[QWQ], CHIPS["NVIDIA H20"], n_chips=chips // copies, batch_size=math.ceil(400 / copies),
        bits_per_weight=8, assume=scenario.serving(9000),
    ).step_s  # fmt: skip
    assert found.seconds == pytest.approx(9000 * step)
    assert found.answers_per_chip_hour == pytest.approx(400 * 3600 / (9000 * step) / chips)
    assert found.kwh == pytest.approx(chips * 400 * 0.7 * 1.58 * 9000 * step / 400 / 3.6e6)
    assert found.eur == pytest.approx(chips * 2.0 / 1.0411 * 9000 * step / 3600 / 400)
    assert found.right_per_eur == pytest.approx(MATHS.qwq / found.eur)
    assert found.right_per_kwh == pytest.approx(MATHS.qwq / found.kwh)
    assert found.right_per_hour == pytest.approx(MATHS.qwq * 3600 / found.seconds)


def test_the_cache_holds_half_an_answer_and_the_question():
    assert Scenario(prompt=500).serving(tokens=12_000).context == 6500


def test_an_answer_at_home_by_hand():
    """20.0 GB of weights at 0.74 of 1,008 GB/s, 1 GB of cache (1 byte a value, 7,750 tokens), 64 layers of 62 us, and
    2 FLOP for each weight and 4 for each of 64 layers x 40 heads x 128 x 7,750 at 0.4 of 165.2 TFLOP/s.

    Electricity: 450 W x 0.7. Hardware: 2,000 dollars over 4 years of which it works 5 %.
    """
    weights = 32_763_876_352 - 152_064 * 5120
    step = (weights * 5 / 8 + 7750 * 131_072) / (0.74 * 1008e9) + 64 * 62e-6
    step += (2 * weights + 4 * 64 * 40 * 128 * 7750) / (0.4 * 165.2e12)
    found = outcome(HOME, "qwq")
    assert found.n_chips == 1
    assert found.seconds == pytest.approx(14_500 * step, rel=1e-4)
    kwh = 450 * 0.7 * found.seconds / 3.6e6
    assert found.kwh == pytest.approx(kwh)
    usd = kwh * 0.30 + 2000 / (4 * 8766 * 0.05) * found.seconds / 3600
    assert found.eur == pytest.approx(usd / 1.0411)


@pytest.mark.parametrize(
    ("hidden", "users", "qwq_eur", "r1_eur"), [(0.0, 13_740, 0.45, 0.50), (1.0, 22_000, 0.39, 0.31)]
)
def test_lesson_06s_table_at_its_setting(hidden, users, qwq_eur, r1_eur):
    """Its table of H800, in euros per million tokens; as many users as its 256 chips of R1 hold, and copies of QwQ."""
    setting = replace(LESSON_06, users=users, hidden_share=hidden, most_chips=100_000)
    assert outcome(setting, "qwq").eur * 100 == pytest.approx(qwq_eur, abs=0.006)
    assert outcome(setting, "r1").eur * 100 == pytest.approx(r1_eur, abs=0.006)


def test_deepseeks_published_node():
    """open-infra-index, day 6: 14,800 tokens/s a node of 8 H800, 20 to 22 for each user, context 4,989, hidden.

    10,000 users are nearly what 16 nodes serve by that figure, 14,800 x 16 / 21 = 11,276.
    """
    scenario = Scenario(users=10_000, tokens=2 * 4989, length_ratio=1.0, prompt=0, tokens_per_s=21.0)
    tokens_per_node = outcome(scenario, "r1").answers_per_chip_hour * 2 * 4989 / 3600 * 8
    assert tokens_per_node == pytest.approx(14_800, rel=0.15)


@pytest.mark.parametrize(("chip", "n", "bits", "fits"), [
    ("NVIDIA H100 SXM5 80GB", 8, 8, False), ("NVIDIA H100 SXM5 80GB", 16, 8, True),
    ("NVIDIA H200 SXM 141GB", 8, 8, True), ("NVIDIA H200 SXM 141GB", 4, 8, False),
    ("NVIDIA H100 SXM5 80GB", 8, 5, True), ("NVIDIA GeForce RTX 4090", 1, 5, False),
])  # fmt: skip
def test_where_r1_fits(chip, n, bits, fits):
    """SGLang recommends 8 H200 or 16 H100 in FP8; 671 billion x 5 / 8 are 419 GB."""
    assert (outcome(Scenario(users=1, chip=chip, most_chips=n, r1_bits=bits), "r1") is not None) == fits


def test_the_fewest_copies_by_a_plain_loop():
    for users, n_chips, bits in ((1, 2, 8), (30, 1, 8), (500, 4, 8), (500, 8, 16), (777, 2, 16), (1000, 1, 8)):
        scenario = Scenario(users=users)
        assume = scenario.serving(scenario.tokens)
        for copies in range(1, users + 1):
            try:
                one = serve(
                    QWQ, CONFIGS[QWQ], CHIPS[scenario.chip], n_chips=n_chips, batch_size=math.ceil(users / copies),
                    bits_per_weight=bits, assume=assume,
                )  # fmt: skip
            except ValueError:
                continue
            if one.tokens_per_s_user >= 20:
                break
        assert copies_for(scenario, QWQ, n_chips=n_chips, bits=bits, assume=assume) == (one, copies)
    assert copies_for(Scenario(most_chips=3), QWQ, n_chips=4, bits=8, assume=assume) is None
    assert copies_for(Scenario(users=1000, most_chips=4), QWQ, n_chips=4, bits=8, assume=assume) is None


def test_the_way_chosen_is_the_cheapest_of_all():
    scenario = Scenario(users=300)
    bills = []
    for n_chips in (1, 2, 4, 8):
        copies = copies_for(scenario, QWQ, n_chips=n_chips, bits=8, assume=scenario.serving(14_500))
        bills.append(n_chips * copies[1] * copies[0].step_s)
    eur = min(bills) * 14_500 / 300 * 2.0 / 1.0411 / 3600
    assert outcome(scenario, "qwq").eur == pytest.approx(eur)


def test_no_more_chips_than_there_are_and_no_less_speed_than_was_promised():
    """1,000 users need 32 H800. At data-sheet speed an H20 reads QwQ in 16 bits 4,000 / 64 = 62 times a second."""
    assert outcome(Scenario(most_chips=32), "qwq").n_chips == 32
    assert outcome(Scenario(most_chips=16), "qwq") is None
    alone = Scenario(users=1, chip="NVIDIA H20", most_chips=1, qwq_bits=16)
    assert outcome(alone, "qwq") is not None
    assert outcome(replace(alone, tokens_per_s=65.0), "qwq") is None


def test_more_users_never_make_an_answer_much_dearer():
    for side in ("qwq", "r1"):
        eur = [outcome(Scenario(users=n), side).eur for n in (16, 64, 256, 1024, 4096, 16_384)]
        assert all(later < 1.1 * before for before, later in pairwise(eur))


# --- controls


def test_one_model_under_two_labels_costs_the_same():
    same = {"length_ratio": 1.0, "qwq_right": 0.6, "r1_right": 0.6}
    for name in (QWQ, R1):
        for users in (40, 1000, 9999):
            assert euro_ratio(replace(BIG, users=users, **same), models=(name, name)) == 1.0


def test_labels_exchanged_turn_the_ratio_over():
    straight = replace(BIG, length_ratio=0.8, qwq_right=0.6, r1_right=0.5)
    crossed = replace(BIG, tokens=0.8 * 14_500, length_ratio=1 / 0.8, qwq_right=0.5, r1_right=0.6)
    assert euro_ratio(straight) * euro_ratio(crossed, models=(R1, QWQ)) == pytest.approx(1)


def test_placebos_do_nothing_to_the_ratio_and_something_to_the_euros():
    for change in ({"eur_per_usd": 0.5}, {"usd_per_chip_hour": 7.0}, {"power_share": 0.2}, {"pue": 1.1}):
        assert euro_ratio(replace(BIG, **change)) == pytest.approx(euro_ratio(BIG), rel=1e-12)
    base = outcome(BIG, "r1")
    assert outcome(replace(BIG, eur_per_usd=0.5), "r1").eur == pytest.approx(base.eur * 0.5 * 1.0411)
    assert outcome(replace(BIG, pue=1.1), "r1").kwh == pytest.approx(base.kwh * 1.1 / 1.58)


def test_a_model_that_cannot_be_served_loses_and_two_are_an_error():
    assert euro_ratio(HOME) == math.inf
    assert euro_ratio(HOME, models=(R1, QWQ)) == 0.0
    with pytest.raises(ValueError, match="1 x NVIDIA T4 serve 1 users with neither model"):
        euro_ratio(replace(HOME, chip="NVIDIA T4"))
    with pytest.raises(ValueError, match="tdp_w is not known"):
        outcome(replace(HOME, chip="Google TPU v5e"), "qwq")
    with pytest.raises(ValueError, match="users"):
        Scenario(users=0)


# --- how sure


def test_draws_are_the_seeds_and_lie_between_the_ends():
    scenario = SCENARIOS["service: 1,000 users, H800"]
    only = {"length_ratio": Range(0.6, 1.2, ""), "eur_per_usd": Range(0.5, 1.0, "")}
    drawn = draw_ratios(scenario, only, n_draws=40, seed=3)
    assert np.array_equal(drawn, draw_ratios(scenario, only, n_draws=40, seed=3))
    assert not np.array_equal(drawn, draw_ratios(scenario, only, n_draws=40, seed=4))
    low, high = (euro_ratio(replace(scenario, length_ratio=end)) for end in (0.6, 1.2))
    assert low <= drawn.min() < drawn.max() <= high and drawn.std() > 0.1
    still = draw_ratios(scenario, {"length_ratio": Range(0.9, 0.9, "")}, n_draws=3)
    assert still == pytest.approx([euro_ratio(replace(scenario, length_ratio=0.9))] * 3)


def test_one_at_a_time_puts_the_widest_first_and_the_placebo_last():
    ranges = ranges_of()
    ends = one_at_a_time(BIG, ranges)
    assert set(ends) == set(ranges)
    assert ends["length_ratio"] == tuple(euro_ratio(replace(BIG, length_ratio=end)) for end in (0.6, 1.2))
    widths = [abs(math.log(high / low)) for low, high in ends.values()]
    assert widths == sorted(widths, reverse=True)
    assert ends["eur_per_usd"] == pytest.approx((euro_ratio(BIG),) * 2)
    assert set(list(ends)[-2:]) == {"eur_per_usd", "usd_per_chip_hour"}


def test_the_default_lies_in_every_range():
    for name, its in ranges_of().items():
        assert its.low < getattr(Scenario(), name) <= its.high and its.why, name


def test_a_map_is_the_ratio_at_its_places():
    found = ratio_map(Scenario(), users=(20, 2000), length_ratios=(0.5, 1.0, 1.5))
    assert found.shape == (3, 2)
    assert found[2, 0] == euro_ratio(Scenario(users=20, length_ratio=1.5))
    assert found[0, 1] < 1 < found[2, 0]


# --- figures


def test_the_map_is_drawn_with_its_lines():
    users, lengths = (20, 200, 2000, 20_000), (0.5, 1.0, 1.5)
    first, other = (ratio_map(Scenario(hidden_share=h), users=users, length_ratios=lengths) for h in (1.0, 0.0))
    ax = plot_ratio_map(first, users=users, length_ratios=lengths, title="t", other=other, marked=0.83, ax=axes())
    assert ax.get_xscale() == "log" and "users" in ax.get_xlabel() and "R1 / QwQ" in ax.get_ylabel()
    assert len(ax.get_legend().get_texts()) == 3 and ax.get_title(loc="left") == "t"
    assert (
        len(plot_ratio_map(first, users=users, length_ratios=lengths, title="t", ax=axes()).get_legend().get_texts())
        == 1
    )


def test_draws_are_bars_and_what_does_not_fit_is_an_arrow():
    ax = plot_draws({"a": np.linspace(0.5, 2.5, 101), "b": np.full(5, np.inf)}, title="t", ax=axes())
    bar = ax.lines[1]
    assert bar.get_linestyle() == "-"  # the notebooks' style gives each line another dash
    assert bar.get_xdata() == pytest.approx([0.6, 2.4])
    texts = [text.get_text() for text in ax.texts]
    assert "QwQ cheaper in 74%" in texts and "R1 does not fit" in texts


def test_the_tornado_has_a_bar_for_each():
    ax = plot_one_at_a_time({"a": (0.5, 2.0), "b": (1.1, 0.9)}, middle=1.0, title="t", ax=axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert len(ax.get_legend().get_texts()) == 2


def test_outcomes_are_bars_from_one():
    qwq, r1 = outcome(BIG, "qwq"), outcome(BIG, "r1")
    ax = plot_outcomes(qwq, r1, title="t", ax=axes())
    ends = [bar.get_x() + bar.get_width() for bar in ax.patches]
    assert ends[2] == pytest.approx(r1.right_per_eur / qwq.right_per_eur)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["hour of waiting", "kWh", "euro"]
