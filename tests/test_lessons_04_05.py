"""Lessons 04 and 05: what the committed notebooks print lies in the ranges that they call expected."""

import json
import re

from conftest import ROOT


def printed(name: str) -> str:
    """Everything that a built lesson printed."""
    cells = json.loads((ROOT / "lessons" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return "\n".join(
        "".join(output.get("text", "")) for cell in cells if cell["cell_type"] == "code" for output in cell["outputs"]
    )


def figures(text: str, row: str) -> list[float]:
    """The numbers of the last table row that begins with `row`."""
    line = [line for line in text.splitlines() if line.startswith(row)][-1]
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", line.removeprefix(row))]


def test_lesson_04s_methods_do_what_its_text_says():
    text = printed("04_thinking_longer")
    assert figures(text, "vote among 32")[0] > 95 > 15 > figures(text, "control: vote among 32 forced at once")[0]
    assert figures(text, "the right thoughts")[0] < 15  # of another problem: the last row that begins so
    assert figures(text, "no thought")[0] < 15


def test_lesson_05_ends_better_and_longer_than_it_began():
    text = printed("05_reasoning_rl")
    live = text[: text.index("recorded:")]
    before, after = figures(live, "right at temperature 1")[-2:]
    assert after - before >= 40
    tokens = figures(live, "tokens per answer")
    assert tokens[1] > tokens[0]
    assert figures(live, "forced direct")[0] < 30


def test_lesson_05s_run_takes_three_minutes_of_cpu_at_most():
    minutes = float(re.search(r"CPU time, evaluations included: (\d+\.\d) minutes", printed("05_reasoning_rl"))[1])
    assert 0 < minutes <= 3
