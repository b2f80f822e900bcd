"""What lesson 01 says about its own results, held by running its cells and by reading its committed outputs.

The cells run once, at quick settings, in this process. The ranges are those that the lesson prints as "Expected".
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "sources/lessons/01_transformers.py"
NOTEBOOK = ROOT / "lessons/01_transformers.ipynb"


def code_cells() -> list[str]:
    import jupytext

    cells = jupytext.read(SOURCE, fmt="py:percent").cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def lesson():
    """The names that the lesson leaves behind, and under "printed" all that it printed."""
    pytest.importorskip("jupytext")
    import matplotlib
    import torch

    from racecourse.learn.setup import Session

    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    session = Session("01_transformers", torch.device("cpu"), torch.float32, quick=True, on_colab=False)
    names, printed = {"session": session, "__name__": "lesson"}, io.StringIO()
    try:
        with redirect_stdout(printed):
            for cell in code_cells():
                exec(compile(cell, SOURCE.name, "exec"), names)
                matplotlib.pyplot.close("all")
        yield names | {"printed": printed.getvalue()}
    finally:
        torch.set_grad_enabled(True)
        matplotlib.use(before)


def test_every_part_gives_the_witness_numbers(lesson):
    assert {"RMSNorm", "RoPE", "attention", "SwiGLU", "layer 0"} <= set(lesson["gaps"])
    assert max(lesson["gaps"].values()) < 1e-4, lesson["gaps"]


def test_the_whole_model_gives_the_references_logits_and_the_control_does_not(lesson):
    assert lesson["worst"] < 1e-3
    assert lesson["agreement"] >= 0.995
    assert lesson["n_places"] > 200
    assert lesson["bad_agreement"] < 0.5
    assert lesson["intact"] == pytest.approx(lesson["reference_loss"], abs=1e-3)


def test_what_the_ablations_show(lesson):
    losses, intact = lesson["losses"], lesson["intact"]
    assert losses["wrong pairs"] > intact + 1 and losses["no positions"] > intact + 1
    assert losses["key heads in turn"] > math.log(49152) and losses["norms without weights"] > math.log(49152)
    assert lesson["overflowed"] == ["no norms"]
    assert losses["no causal mask"] < intact, "the leak: a loss that is too good"
    assert lesson["leaky"] > lesson["honest"], "with the future hidden, the model without a mask falls behind"
    assert lesson["worst_layer"] == 0
    assert lesson["median_left_out"] - intact < 1 < lesson["median_stream_lost"] - intact


def test_after_the_ablations_the_model_is_whole_again(lesson):
    assert lesson["loss_on"](lesson["text_BT"]) == pytest.approx(lesson["intact"], abs=1e-6)


def test_positions_count_only_as_distances(lesson):
    assert lesson["moved_gap"] < 1e-3
    assert max(lesson["scores"]) - min(lesson["scores"]) > 0.5


def test_the_cache_changes_the_time_and_nothing_else(lesson):
    assert lesson["cached_gap"] < 1e-3
    assert lesson["lost_gap"] > 1
    assert lesson["speed_up"][-1] > 2
    assert lesson["cache_bytes"] == 2 * 30 * 3 * 64 * 4


def test_the_learners_code_says_the_same_words_as_the_package(lesson):
    assert lesson["same_reply"]
    assert lesson["printed"].count(lesson["package_reply"][0]) == 2


def test_qwq_is_counted_exactly_by_all_witnesses(lesson):
    assert set(lesson["witnesses"].values()) == {32_763_876_352}
    assert sum(lesson["parts"]["QwQ-32B"].values()) == 32_763_876_352
    assert lesson["outside"] == 32_763_876_352 - 2 * 152_064 * 5_120
    assert lesson["qwq_cache"] == 262_144
    assert next(iter(lesson["ledger"]("01").rows)).verdict == "holds with a qualification"


def test_the_attention_picture_shows_what_the_text_says(lesson):
    assert 0.4 < lesson["first_share"] < 0.8
    for habit in ("previous token", "induction", "first token"):
        assert lesson["score_LH"][habit].max() > 0.5, habit
    first_token = lesson["rms_LT"][:, 0]
    assert first_token.max() > 500 and lesson["growth"] > 100


def test_every_figure_is_followed_by_words():
    shows = [cell for cell in code_cells() if "plt.show()" in cell]
    assert len(shows) >= 8
    for cell in shows:
        after = cell[cell.index("plt.show()") :]
        assert "print(" in after, cell


def test_cells_are_short():
    """Cells to read at a sitting; the one that shows the package's KVCache whole is the longest."""
    lengths = sorted(len(cell.splitlines()) for cell in code_cells() if "class KVCache" not in cell)
    assert lengths[-1] <= 36 and lengths[len(lengths) // 2] <= 18, lengths


def test_the_lesson_states_no_timing_of_one_machine():
    prose = "\n".join(line for line in SOURCE.read_text(encoding="utf-8").splitlines() if line.startswith("# "))
    assert not re.search(r"\d+(\.\d+)? (ms|milliseconds|tokens/s)\b", prose)


def test_the_committed_outputs_hold_the_count_and_the_words():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    text = "\n".join("".join(output["text"]) for output in outputs if output["output_type"] == "stream")

    assert text.count("32,763,876,352") >= 4
    assert "The same words as at the very start: True" in text


def test_the_explorer_without_a_model_cuts_as_the_package_does():
    import torch

    from racecourse.learn.nucleus import EXAMPLE_LOGITS, example_probabilities
    from racecourse.models.generation import keep_top_k, keep_top_p

    for temperature, top_k, top_p in ((1.0, 10, 1.0), (0.5, 10, 0.9), (2.0, 4, 1.0), (1.3, 6, 0.55)):
        logits_BV = torch.tensor([EXAMPLE_LOGITS], dtype=torch.float64) / temperature
        expected = keep_top_p(keep_top_k(logits_BV, top_k), top_p).softmax(-1)[0]
        assert example_probabilities(temperature, top_k, top_p) == pytest.approx(expected.tolist(), abs=1e-9)


def test_the_explorers_redraw_and_say_what_they_show():
    from racecourse.learn.widgets import WIDGETS

    for name, control in (("sampling", "temperature"), ("attention", "layer")):
        widget = WIDGETS[name]()
        before = widget.image, widget.words
        widget.set(**{control: widget.controls[control].high})
        assert widget.image != before[0] and widget.words != before[1], f"{name}: moving {control} changed nothing"


def test_the_lesson_defines_each_name_once():
    """A learner who looks something up finds one definition; `name` of a loop variable is no definition."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = [node.name for cell in code_cells() for node in ast.parse(cell).body if isinstance(node, kinds)]
    assert len(defined) == len(set(defined)), sorted(n for n in defined if defined.count(n) > 1)
