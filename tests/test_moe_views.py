"""Figures and explorers of the mixture-of-experts lesson: what is drawn is what was given, and the words say it too."""

import io
import itertools
import re
import subprocess
import sys
from collections import Counter

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")

from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from racecourse.learn import plots
from racecourse.learn.widgets import WIDGETS, expert_load, routing
from racecourse.learn.widgets.expert_load import describe_load, expert_load_explorer
from racecourse.learn.widgets.routing import describe_domains, describe_routing, routing_explorer
from racecourse.scaling.training import History, Record

STEPS = [100, 200, 300]
LOAD_SE = [[0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1], [0.6, 0.37, 0.02, 0.01]]
PIECES = ["if", " x", ":", "\n    ", "cost", " =", " $", "5", "\t", "\n", "$"]
EXPERTS = [0, 1, 2, 9, 1, 1, 0, 2, 3, 9, 1]


def axes(size: tuple[float, float] = (8.4, 4.8)):
    return Figure(figsize=size, layout="constrained").add_subplot()


# Load over training


def test_the_load_map_draws_the_shares_it_was_given():
    ax = axes()
    assert plots.plot_expert_load(STEPS, LOAD_SE, title="t", ax=ax) is ax
    (image,) = ax.images
    assert np.array_equal(image.get_array(), np.transpose(LOAD_SE))
    # the even share is the middle of the scale, the largest share its bright end, none its dark end
    assert [float(image.norm(share)) for share in (0, 0.25, 0.6)] == [0, 0.5, 1]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["100", "200", "300"]
    assert ax.get_xlabel() == "training step" and ax.get_ylabel() == "expert" and ax.get_title() == "t"
    bar = image.colorbar.ax
    assert [label.get_text() for label in bar.get_yticklabels()] == ["0%", "even: 25%", "60%"]


@pytest.mark.parametrize(
    ("marked", "step", "shares"),
    [(-1, "300", ["60.0%", "37.0%", "2.0%", "1.0%"]), (1, "200", ["40.0%", "30.0%", "20.0%", "10.0%"])],
)
def test_the_marked_record_is_framed_and_written_beside_the_map(marked, step, shares):
    ax = plots.plot_expert_load(STEPS, LOAD_SE, title="t", marked=marked, ax=axes())
    assert {patch.get_x() + 0.5 for patch in ax.patches} == {STEPS.index(int(step))}
    (right,) = ax.child_axes
    assert [label.get_text() for label in right.get_yticklabels()] == shares
    assert f"step {step}" in right.get_ylabel()


def test_a_given_scale_makes_two_maps_comparable():
    even = [[0.25] * 4] * 3
    images = [plots.plot_expert_load(STEPS, load, title="t", most=0.6, ax=axes()).images[0] for load in (LOAD_SE, even)]
    assert images[0].norm(0.4) == images[1].norm(0.4) == pytest.approx(0.5 + 0.5 * 0.15 / 0.35)
    # without it an even run would have no room above the even share
    assert plots.plot_expert_load(STEPS, even, title="t", ax=axes()).images[0].norm.vmax == 0.5


def test_the_bands_are_as_high_as_the_shares():
    ax = plots.plot_load_bands(STEPS, LOAD_SE, title="t", ax=axes())
    heights_ES = []
    for band in ax.collections:
        vertices = band.get_paths()[0].vertices
        heights_ES.append([float(np.ptp(vertices[vertices[:, 0] == step][:, 1])) for step in STEPS])
    assert np.allclose(np.transpose(heights_ES), 100 * np.array(LOAD_SE))
    assert [line.get_ydata()[0] for line in ax.lines] == [25, 50, 75]
    # an expert's number stands in the middle of its band at the end; two bands of 2% and 1% have no room for one
    assert [(text.get_text().strip(), text.get_position()[1]) for text in ax.texts] == [("0", 30), ("1", 78.5)]


def test_tints_of_sixteen_experts_differ_in_colour_or_hatch():
    tints = [plots._tint(expert) for expert in range(16)]
    assert len({(to_rgba(tint["facecolor"]), tint["hatch"]) for tint in tints}) == 16


def test_the_load_in_words():
    assert describe_load(STEPS, LOAD_SE) == (
        "At step 300 expert 0 gets 60.0% of the routed slots and expert 3 1.0%; an even share is 25.0%."
    )
    assert describe_load([1000], [[0.1, 0.2, 0.7]]).startswith("At step 1,000 expert 2 gets 70.0%")


def history(scale: float, steps=STEPS) -> History:
    """Two layers with experts: LOAD_SE, and the same experts the other way round, `scale` of the way to even."""
    mixed_SE = scale * np.array(LOAD_SE) + (1 - scale) / 4
    load_SME = np.stack((mixed_SE, mixed_SE[:, ::-1]), axis=1)
    rows = zip(steps, load_SME.tolist(), strict=True)
    return History([Record(step, 1.0, 2.0, 2.0, 0.5, 0.1, load) for step, load in rows])


def test_the_load_explorer_shows_the_run_the_layer_and_the_step_that_were_chosen():
    widget = expert_load_explorer({"none": history(1.0), "bias": history(0.1)})
    assert "none, layer 0: At step 300 expert 0 gets 60.0%" in widget.words
    seen = [widget.image]
    for control, value, says in (
        ("run", "bias", "bias, layer 0: At step 300 expert 0 gets 28.5%"),
        ("layer", 1, "bias, layer 1: At step 300 expert 3 gets 28.5%"),
        ("record", 1, "bias, layer 1: At step 200 expert 3 gets 26.5%"),
    ):
        widget.set(**{control: value})
        assert says in widget.words and widget.image not in seen
        seen.append(widget.image)


def test_runs_with_other_steps_are_refused():
    with pytest.raises(
        ValueError, match=r"run 'b' has records at steps \[1, 2, 3\], the first run at \[100, 200, 300\]"
    ):
        expert_load_explorer({"a": history(1.0), "b": history(1.0, steps=[1, 2, 3])})


def test_the_made_up_runs_are_routed_and_say_what_the_lesson_says():
    """Shares of real choices; without balancing two of eight experts take everything, with it nobody twice the even."""
    runs = expert_load._example()
    for run in runs.values():
        assert run.load_SME.shape == (20, 2, 8) and np.allclose(run.load_SME.sum(-1), 1)
    assert np.allclose(np.sort(runs["no balancing"].load_SME[-1, 0])[-2:], 0.5)
    for name in ("auxiliary loss", "bias"):
        assert runs[name].load_SME[-1].max() < 2 / 8


# Domains


def test_the_domain_map_writes_each_share_in_its_cell():
    share_DE = [[0.7, 0.2, 0.1, 0.0], [0.25, 0.25, 0.0, 0.5]]
    ax = axes()
    assert plots.plot_domain_map(share_DE, ["code", "facts"], title="t", ax=ax) is ax
    assert np.array_equal(ax.images[0].get_array(), share_DE)
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    assert cells == {(x, y): f"{100 * share_DE[y][x]:.0f}" for y in range(2) for x in range(4)}
    ink = {text.get_position(): text.get_color() for text in ax.texts}
    assert ink[0, 0] == "black" and ink[2, 1] == "white", "dark ink on bright cells, bright on dark"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["code", "facts"]
    assert "%" in ax.get_xlabel() and "expert" in ax.get_xlabel() and ax.get_ylabel() == "domain"
    assert describe_domains(share_DE, ["code", "facts"]) == (
        "Most used by code: expert 0 (70%); facts: expert 3 (50%). An even share is 25.0%."
    )


# Token by token


def test_every_token_stands_in_a_box_over_the_number_of_its_expert():
    ax = axes()
    assert plots.plot_routing(PIECES, EXPERTS, title="t", ax=ax) is ax
    shown = [text.get_text() for text in ax.texts]
    # a new line ends the line: "\n    " is drawn as its end and the next line's beginning, both with the number
    expected = [("if", 0), ("·x", 1), (":", 2), ("↵", 9), ("····", 9), ("cost", 1), ("·=", 1), ("·$", 0), ("5", 2)]
    expected += [("→", 3), ("↵", 9), ("$", 1)]
    assert list(zip(shown[::2], map(int, shown[1::2]), strict=True)) == expected
    lines = [round(text.get_position()[1]) for text in ax.texts[::2]]
    assert lines == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2]
    for box, text, number in zip(ax.patches, ax.texts[::2], ax.texts[1::2], strict=True):
        middle = box.get_x() + box.get_width() / 2
        assert text.get_position()[0] == number.get_position()[0] == middle
        assert box.get_width() == len(text.get_text())
        assert to_rgba(plots._tint(int(number.get_text()))["facecolor"]) == box.get_facecolor()
    assert not any(text.get_parse_math() for text in ax.texts[::2]), "a $ in a text is no formula"


def test_a_long_line_wraps_and_no_box_touches_another():
    pieces = [" word"] * 40
    ax = plots.plot_routing(pieces, range(40), title="t", ax=axes())
    boxes = sorted((round(box.get_y(), 2), box.get_x(), box.get_width()) for box in ax.patches)
    assert len({y for y, *_ in boxes}) == 4  # 11 words of 5 characters and 10 gaps of 0.4 fill 59 of 64 columns
    for (y, x, width), (next_y, next_x, _) in itertools.pairwise(boxes):
        assert x + width <= plots.COLUMNS
        assert next_y > y or next_x > x + width
    assert plots.routing_size(pieces)[1] == pytest.approx(0.42 * 4 + 0.9)


def test_drawn_text_stays_within_its_box():
    """Measured on the finished picture, in pixels: text narrower than its box, also in a figure of the default size."""
    for ax in (axes((8.4, 2.6)), axes((6.0, 3.0))):
        plots.plot_routing(PIECES, EXPERTS, title="t", ax=ax)
        ax.figure.savefig(io.BytesIO())
        for box, text in zip(ax.patches, ax.texts[::2], strict=True):
            outer, inner = box.get_window_extent(), text.get_window_extent()
            assert outer.x0 - 1 <= inner.x0 and inner.x1 <= outer.x1 + 1, text.get_text()


def test_one_expert_is_picked_out_without_help_of_colour():
    ax = plots.plot_routing(PIECES, EXPERTS, title="t", only=1, ax=axes())
    for box, text, number in zip(ax.patches, ax.texts[::2], ax.texts[1::2], strict=True):
        lightness = sum(box.get_facecolor()[:3]) / 3
        if number.get_text() == "1":
            assert lightness < 0.5 and text.get_color() == "white"
        else:
            assert lightness == 1 and text.get_color() != "white"


def test_the_routing_in_words():
    assert describe_routing(PIECES, EXPERTS) == (
        "Experts in use: 5. The busiest, expert 1 takes 4 of 11 tokens (36%), most often "
        "' x' (1), 'cost' (1), ' =' (1)."
    )
    assert describe_routing(["a", "b", "a"], [2, 2, 2], only=2) == (
        "Expert 2 takes 3 of 3 tokens (100%), most often 'a' (2), 'b' (1)."
    )
    assert describe_routing(["a"], [2], only=0) == "Expert 0 takes 0 of 1 tokens (0%)."


def test_the_routing_explorer_shows_the_layer_and_the_expert_that_were_chosen(monkeypatch):
    drawn, plot = [], plots.plot_routing

    def spy(pieces, expert_T, *, only, **more):
        drawn.append((expert_T, only))
        return plot(pieces, expert_T, only=only, **more)

    monkeypatch.setattr(plots, "plot_routing", spy)
    widget = routing_explorer(PIECES, [EXPERTS, [3] * len(PIECES)], n_experts=12, layers=[1, 3])
    assert [field["labels"] for field in widget.fields] == [["1", "3"], ["all", *map(str, range(12))]]
    seen = [widget.image]
    assert "Layer 1: Experts in use: 5." in widget.words
    for control, value, says in (
        ("only", 9, "Layer 1: Expert 9 takes 2 of 11 tokens (18%)"),
        ("row", 1, "Layer 3: Expert 9 takes 0 of 11 tokens"),
        ("only", None, "Layer 3: Experts in use: 1. The busiest, expert 3 takes 11 of 11"),
    ):
        widget.set(**{control: value})
        assert says in widget.words and widget.image not in seen
        seen.append(widget.image)
    assert drawn == [(EXPERTS, None), (EXPERTS, 9), ([3] * 11, 9), ([3] * 11, None)]


def test_the_made_up_routing_covers_its_text_and_uses_every_expert():
    pieces, expert_LT = routing._example()
    assert "".join(pieces) == routing.EXAMPLE_TEXT
    for expert_T in expert_LT:
        assert len(expert_T) == len(pieces) and set(expert_T) == {0, 1, 2, 3}
    alike = {piece: {e for p, e in zip(pieces, expert_LT[0], strict=True) if p == piece} for piece in pieces}
    assert all(len(experts) == 1 for experts in alike.values()), "a router that sees only the token is consistent"
    assert Counter(pieces)[" word"] > 1


@pytest.mark.parametrize("name", ["expert_load", "routing"])
def test_these_explorers_need_no_torch(name):
    assert re.fullmatch(r"\S+", name)
    code = (
        f"import sys; from racecourse.learn.widgets import WIDGETS; WIDGETS[{name!r}](); print('torch' in sys.modules)"
    )
    assert name in WIDGETS
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
