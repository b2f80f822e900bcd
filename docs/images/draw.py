"""Draw signature.png, the picture in README, from the numbers that the committed lessons and records hold.

    .venv/bin/python docs/images/draw.py

No number is written here: all are read, from the outputs of lessons 03, 04 and 09 and from the recorded runs of lesson
05. They are also written into the picture's file, as its description, so that tests/test_readme.py can tell whether the
picture is out of date.
"""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from racecourse.learn.setup import COLOURS, style_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs/images/signature.png"
RUNS = ROOT / "utils/racecourse/reasoning/data/runs.json"
BLUE, ORANGE, *_ = COLOURS
PALE, RUST, GREY = "#C9DDEA", "#A84A00", "#555555"  # RUST: ORANGE, dark enough for words


# ---- What is read ----------------------------------------------------------------------------------------------------


def printed(name: str) -> str:
    """All that a committed lesson prints and shows as text."""
    notebook = json.loads((ROOT / f"lessons/{name}.ipynb").read_text(encoding="utf-8"))
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", []) for output in outputs]
    return "\n".join("".join(text) for text in texts)


def numbers_of(pattern: str, text: str) -> list[tuple[float, ...]]:
    """The groups of every line that fits, as numbers."""
    found = [match.groups() for match in re.finditer(pattern, text, flags=re.M)]
    if not found:
        raise ValueError(f"no line fits {pattern!r}: has the lesson's table changed?")
    return [tuple(float(value.replace(",", "")) for value in groups) for groups in found]


def parameters() -> dict[str, list[float]]:
    """Lesson 03: billions of parameters of both models, all of them and those at work on a token."""
    text, found = printed("03_mixture_of_experts"), {}
    for label, row in {"QwQ-32B": "QwQ-32B", "DeepSeek-R1": "DeepSeek-V3, R1"}.items():
        ((total, active),) = numbers_of(rf"^{row} +([\d,]{{9,}}) +([\d,]{{9,}}) ", text)
        found[label] = [round(total / 1e9, 1), round(active / 1e9, 1)]
    return found


def votes() -> dict[str, list[float]]:
    """Lesson 04: answers in a vote, and per cent right with and without thinking."""
    table = printed("04_thinking_longer").split("answers in the vote")[1].split("your guess")[0]
    rows = numbers_of(r"^(\d+) +([\d.]+)% +([\d.]+)%$", table)
    answers, thinking, at_once = zip(*rows, strict=True)
    return {"answers": list(answers), "thinking": list(thinking), "at once": list(at_once)}


def training() -> dict[str, Any]:
    """Lesson 05: per cent right against steps of GRPO, mean over the recorded seeds, for two rewards."""
    recorded = json.loads(RUNS.read_text(encoding="utf-8"))
    found: dict[str, Any] = {"made on": recorded["made_on"]}
    for reward in ("right answer", "random"):
        runs = [run for run in recorded["runs"] if run["part"] == "rewards" and run["name"] == reward]
        evaluations = [run["history"]["evaluations"] for run in runs]
        found["seeds"], found["steps"] = len(runs), [one["step"] for one in evaluations[0]]
        found[reward] = [
            round(100 * mean(one["accuracy"] for one in at_step), 1) for at_step in zip(*evaluations, strict=True)
        ]
    return found


def verdict() -> dict[str, list[float]]:
    """Lesson 09: euros for a right answer, R1 over QwQ: what 5 %, half and 95 % of the draws stay below."""
    table = printed("09_verdict").split("half and 95 % of them stay below")[1]
    rows = {
        "32 users,\n8 H200": "firm: 32 users, 8 H200",
        "1,000 users,\nH800": "service: 1,000 users, H800",
        "10,000 users,\nH800": "service: 10,000 users, H800",
    }
    number = r"([\d.]+)"
    return {
        label: list(numbers_of(rf"^{re.escape(row)} +\d+% +\d+% +{number} +{number} +{number}$", table)[0])
        for label, row in rows.items()
    }


def everything() -> dict[str, Any]:
    """What the picture shows."""
    ((size,),) = numbers_of(r"a model of ([\d,]+) parameters on chains", " ".join(printed("09_verdict").split()))
    return {
        "parameters": parameters(), "votes": votes(), "training": training(), "verdict": verdict(), "small model": size,
    }  # fmt: skip


# ---- What is drawn ---------------------------------------------------------------------------------------------------


def draw_parameters(ax: Axes, found: dict[str, list[float]]) -> None:
    for y, (total, active) in enumerate(found.values()):
        ax.barh(y, total, color=PALE, edgecolor=BLUE, height=0.5)
        ax.barh(y, active, color=BLUE, height=0.5)
        words = "all at work" if total == active else f"{active} at work on a token"
        ax.text(active + 12, y, f"{total} stored,\n{words}", va="center")
    ax.set_yticks(range(len(found)), list(found))
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set_xlabel("billions of parameters")


def draw_two_lines(ax: Axes, x: list[float], high: list[float], low: list[float], words: tuple[str, str]) -> None:
    """Per cent right against `x`: what rises in blue, its control in orange and broken."""
    ax.plot(x, high, color=BLUE, linestyle="-", marker="o", linewidth=2.5)
    ax.plot(x, low, color=ORANGE, linestyle="--", marker="s", linewidth=2.5)
    ax.text(0.98, 0.56, f"{words[0]}: {high[-1]:.0f} %", transform=ax.transAxes, ha="right", color=BLUE)
    ax.text(0.98, 0.37, f"{words[1]}: {low[-1]:.0f} %", transform=ax.transAxes, ha="right", color=RUST)
    ax.set(ylim=(0, 105), ylabel="right, %")


def draw_votes(ax: Axes, found: dict[str, list[float]]) -> None:
    draw_two_lines(ax, found["answers"], found["thinking"], found["at once"], ("thinks first", "answers at once"))
    ax.set_xscale("log", base=2)
    ax.set_xticks(found["answers"], [f"{n:.0f}" for n in found["answers"]])
    ax.set_xlabel("answers in the vote")


def draw_training(ax: Axes, found: dict[str, Any]) -> None:
    draw_two_lines(ax, found["steps"], found["right answer"], found["random"], ("paid if right", "paid at random"))
    ax.set_xlabel("steps of reinforcement learning")


def draw_verdict(ax: Axes, found: dict[str, list[float]]) -> None:
    for y, (low, middle, high) in enumerate(found.values()):
        ax.plot([low, high], [y, y], color=BLUE, linestyle="-", linewidth=7, solid_capstyle="butt", alpha=0.45)
        ax.plot(middle, y, "o", color=BLUE, markersize=11)
        ax.annotate(f"{middle:.1f}", (middle, y), (0, 11), textcoords="offset points", ha="center")
    ax.axvline(1, color="black", linestyle="-", linewidth=1.2)
    ax.set_xscale("log")
    ax.set_xlim(0.26, 12)
    ax.set_xticks([0.5, 1, 2, 4, 8], ["½", "1", "2", "4", "8"])
    ax.minorticks_off()
    ax.set_yticks(range(len(found)), list(found))
    ax.set_ylim(len(found) - 0.4, -1.1)
    ax.text(0.93, -0.75, "R1 cheaper", ha="right", color=GREY)
    ax.text(1.08, -0.75, "QwQ-32B cheaper", ha="left", color=GREY)
    ax.grid(False, axis="y")
    ax.set_xlabel("cost with R1 / cost with QwQ-32B")


def draw(found: dict[str, Any], today: date) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    style_figures()
    plt.rcParams.update({"font.size": 14, "axes.titlesize": 15})
    figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(10.4, 8.4), layout="constrained")
    figure.get_layout_engine().set(hspace=0.06, wspace=0.04)
    (stored, active), (stored_r1, active_r1) = found["parameters"].values()
    device, _, when = found["training"]["made on"].rpartition(", ")
    thread, seeds = device.split(" (")[0], found["training"]["seeds"]
    ratios = f"{stored_r1 / stored:.0f} times as many parameters,\n{active_r1 / active:.2f} times as many at work"
    panels = (
        (a, draw_parameters, "parameters", ratios, "lesson 03, counted"),
        (b, draw_votes, "votes", "Thinking longer,\nwith the same weights", "lesson 04, 2 CPU cores"),
        (c, draw_training, "training", "Learning to think", f"lesson 05, {seeds} seeds, {thread}, {when}"),
        (d, draw_verdict, "verdict", "What a right answer costs", "lesson 09, estimated, 90 % of the draws"),
    )
    for ax, drawing, key, title, source in panels:
        drawing(ax, found[key])
        ax.set_title(title, loc="left", fontweight="bold", pad=26)
        ax.text(0, 1.025, source, transform=ax.transAxes, color=GREY, fontsize=12, in_layout=False)
    size = f"{found['small model']:,.0f}"
    figure.supxlabel(
        f"Lessons 04 and 05: a model of {size} parameters. Drawn on {today} from the committed lessons.",
        color=GREY, fontsize=12,
    )  # fmt: skip
    figure.savefig(PICTURE, metadata={"Description": json.dumps(found)}, pil_kwargs={"optimize": True})
    plt.close(figure)


if __name__ == "__main__":
    draw(everything(), date.today())
    print(f"wrote {PICTURE.relative_to(ROOT)}, {PICTURE.stat().st_size / 1000:.0f} kB")
