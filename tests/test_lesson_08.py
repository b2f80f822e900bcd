"""Lesson 08: what the committed notebook prints, its published scores counted anew, its worker, its figures.

Expected figures are worked by hand here or counted in another way than the package does; each has its way beside it.
"""

import ast
import json
import re
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

import matplotlib
import pytest

matplotlib.use("Agg")

from matplotlib.figure import Figure
from scipy.stats import binomtest

from conftest import ROOT
from racecourse.agents import gaia_score, offline_tasks, submit, work
from racecourse.agents.documents import DATA
from racecourse.agents.evaluation import recorded_scores
from racecourse.agents.work import POLICIES, answer_tasks
from racecourse.learn import agent_plots
from racecourse.learn.agent_plots import plot_job_steps, plot_scores, wilson_interval

NAME = "08_agents"
SOURCE = (ROOT / f"sources/lessons/{NAME}.py").read_text(encoding="utf-8")
LEVELS = (53, 86, 26)


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


def assigned(name):
    """The literal that the lesson's source assigns to a name."""
    for node in ast.parse(SOURCE).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"the lesson assigns no {name}")


# --- the committed notebook


@pytest.mark.parametrize("phrase", [
    "the kernel that gave the job lives: False; the job is running",
    "the job is done; result: {'n_right': 10, 'n_tasks': 10}; questions answered: 10",
    "now it is done: {'n_right': 20, 'n_tasks': 20}",
    "3. result: 244", "right: True; steps: 3",  # 7 x 34 + 3 x 2
    "there is no tool 'calcluator'; choose one of: calculator, python, search, read, table",
    "cut by 'steps' after 2 steps; continued: 1 new step, answer 244",
    "refused: [2, 3, 4, 5, 6]",
    "refused or stopped: 9 of 9; documents as before: True",
    "eval('7 * 34'): ok, '238'", "eval('9 ** 9 ** 9'): timeout",
    # the page of the letter and the count; the page, three orders, and 0
    "steadfast: 2 calls, 0 refused; answer '166', right is '166'",
    "gullible: 4 calls, 3 refused; answer '0', right is '166'",
    "without the slip: 'The answer to the question is: 1955'", "with the slip: '1. The answer is 0.",
    "right: [2, 4, 9, 12, 14]",
    "possible: Manus 1 of 3, Deep Research 0 of 3, the seven others 20 of 21",
    # 54 of 1,001, 87 and 27: each count has a percentage of its own
    "level 1, 53 questions: 54 of 1,001", "level 2, 86 questions: 87 of 1,001", "level 3, 26 questions: 27 of 1,001",
    "cut off: [[], [], []]",
    "levels of (52, 87, 26), 165 in all: [45, 61, 15] right, 73.3%",  # 121 / 165
    "sizes of the test set's levels that fit four scores each: [[93], [159], [49, 98, 147]]",
    "Manus on the smallest of these: [[], [], []]",
    "OpenAI Deep Research fits 8 of r = 1 to 72: 43, 48, 51, 56, 59, 64, 67, 72",
    "the job is 'lost' with 4 steps", "resumed: done, {'n_right': 10, 'n_tasks': 10}",
    "steps by the first process and by the second: [4, 6]", "questions: 10; missing: 0; answered twice: 0",
    "done: 20 of 20; steps: 60 of 60",
    "seen here: 5 steps; seen by the other process: 5; the same, in the same order: True",
])  # fmt: skip
def test_the_notebook_prints(printed, phrase):
    assert phrase in printed


@pytest.mark.parametrize(("start", "expected"), [
    ("repeats", ["6", "0", "steps", "-"]), ("chatters", ["3", "4200", "tokens", "-"]),  # 3 x 1,400 is beyond 4,096
    ("crashes", ["1", "0", "policy failed", "-"]), ("misspells", ["2", "0", "answered", "42"]),
    ("Manus", ["86.5: none", "70.1: none", "57.7 = 15/26", "73.41"]),
    ("OpenAI Deep Research", ["74.29: none", "69.06: none", "47.6: none", "67.36"]),
    ("Langfun (Google)", ["88.68 = 47/53", "80.23 = 69/86", "57.69 = 15/26", "79.39"]),
    ("DeSearch", ["90.57 = 48/53", "72.01: none", "38.46 = 10/26", "72.69"]),
    ("1      ", ["53", "86.5", "74.29", "+12.2", "+6.5", "1.6"]),  # 12.21 x 0.53; 7.62 is the standard error
    ("2      ", ["86", "70.1", "69.06", "+1.0", "+0.9", "0.1"]),
    ("3      ", ["26", "57.7", "47.6", "+10.1", "+2.6", "0.7"]),
])  # fmt: skip
def test_rows_of_the_tables(printed, start, expected):
    assert expected in rows(printed, start)


def test_the_controls_answer_next_to_nothing_and_the_script_all(printed):
    assert rows(printed, "scripted  ")[0][:2] == ["79", "79"], "the live table comes first"
    assert rows(printed, "copying  ")[0][:2] == ["0", "79"]
    mean, most = re.search(r"guessing, 100 seeds: ([\d.]+) of 79 right on average, at most (\d+)", printed).groups()
    assert float(mean) < 1 and int(most) <= 4, "a hundredth of the tasks by luck"


def test_without_a_tool_the_script_loses_the_answers_that_come_from_it(printed):
    """A plan answers with its last observation, so it is lost if, and only if, its last call has no tool."""
    plans = tomllib.loads((DATA / "plans.toml").read_text(encoding="utf-8"))
    for tool in ("calculator", "python", "search", "read", "table"):
        lost = Counter(task.level for task in offline_tasks() if plans[task.task_id]["calls"][-1]["tool"] == tool)
        kept = {level: n - lost[level] for level, n in {1: 27, 2: 38, 3: 14}.items()}
        expected = [f"{kept[1]}/27", f"{kept[2]}/38", f"{kept[3]}/14", str(sum(kept.values()))]
        assert rows(printed, f"without {tool}") == [expected]


def test_the_recorded_table_is_what_is_shipped(printed):
    shipped = recorded_scores()
    assert {"scripted", "copying", "search, then read"} <= {its.policy for its in shipped}
    for its in shipped:
        levels = [f"{right}/{n}" for right, n in its.right.values()]
        assert any(row[:4] == [*levels, str(its.n_right)] for row in rows(printed, f"{its.policy}  "))


def test_every_constrained_text_fits_and_few_free_ones_do(printed):
    fit, of_all = map(int, re.search(r"(\d+) of (\d+) fit \(100%\)", printed).groups())
    assert fit == of_all == 8
    free = int(re.search(r"of 8 texts that it wrote freely, (\d+) fit", printed).group(1))
    assert free < 8


def test_both_rows_of_the_lesson_are_settled():
    final = "".join(outputs()[-1]["data"]["text/plain"])
    assert final.splitlines()[0] == "2 claims: 1 holds with a qualification, 1 cannot be told from public data"
    assert re.search(r"^ *9  .", final, flags=re.MULTILINE) and re.search(r"^ *10  .", final, flags=re.MULTILINE)


def test_every_figure_is_followed_by_its_words():
    for cell in cells():
        kinds = [
            "figure" if "image/png" in output.get("data", {}) else output["output_type"]
            for output in cell.get("outputs", [])
        ]
        if "figure" in kinds:
            assert kinds[-1] == "stream", "".join(cell["source"])[:200]


def test_no_folder_of_a_job_and_no_key_is_printed(printed):
    assert "jobs.sqlite" not in printed and "SERVER_KEY" not in printed


def test_the_cell_after_a_restart_needs_no_other(tmp_path, monkeypatch, capsys):
    """A fresh namespace is what a restarted kernel has; the job was given by this process."""
    (cell,) = [
        cell for cell in re.split(r"^# %%.*$", SOURCE, flags=re.MULTILINE) if cell.strip().startswith("import tempfile")
    ]
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = tmp_path / f"racecourse_08_{Path.home().name}" / "jobs.sqlite"
    job_id = submit("racecourse.agents.work:answer_tasks", {"policy": "copying", "tasks": ["limes"]}, store=store)
    exec(compile(cell, NAME, "exec"), {})
    said = capsys.readouterr().out
    assert f"{job_id} had answered" in said and "now it is done: {'n_right': 0, 'n_tasks': 1}" in said


# --- published scores, counted anew by printing every possible score


def as_printed(n, digits):
    return {f"{100 * k / n:.{digits}f}": k for k in range(n + 1)}


def digits_of(text):
    return len(text.split(".")[1])


def test_which_published_scores_one_pass_can_have():
    for name, expected in {"Manus": [None, None, 15], "OpenAI Deep Research": [None, None, None]}.items():
        texts = assigned("published")[name]
        assert [as_printed(n, digits_of(text)).get(text) for text, n in zip(texts, LEVELS, strict=True)] == expected
    impossible = [
        (name, text)
        for name, texts in assigned("controls").items()
        for text, n in zip(texts, LEVELS, strict=True)
        if text not in as_printed(n, digits_of(text))
    ]
    assert impossible == [("DeSearch", "72.01")] and "72.09" in as_printed(86, 2)


def test_how_many_runs_a_mean_needs():
    texts = assigned("published")["OpenAI Deep Research"]
    fitting = [
        r
        for r in range(1, 73)
        if all(text in as_printed(r * n, digits_of(text)) for text, n in zip(texts, LEVELS, strict=True))
    ]
    assert fitting == [43, 48, 51, 56, 59, 64, 67, 72]
    manus = assigned("published")["Manus"]
    first = next(r for r in range(1, 73) if all(t in as_printed(r * n, 1) for t, n in zip(manus, LEVELS, strict=True)))
    assert first == 7


def test_one_split_of_49_fits_manus():
    texts = assigned("published")["Manus"]
    fitting = [
        (a, b)
        for a in range(50, 57)
        for b in range(83, 90)
        if texts[0] in as_printed(a, 1) and texts[1] in as_printed(b, 1)
    ]
    assert fitting == [(52, 87)] and 52 + 87 + 26 == sum(LEVELS)


def test_the_share_of_chance_that_the_lesson_prints(printed):
    """Counted over all pairs of percentages by their printed texts."""
    every = [f"{tenths / 10:.1f}" for tenths in range(1001)]
    fits = {n: set(as_printed(n, 1)) & set(every) for n in (*range(50, 57), *range(83, 90))}
    any_1, any_2 = (set().union(*(fits[n] for n in sizes)) for sizes in (range(50, 57), range(83, 90)))
    balanced = {(s, t) for move in range(-3, 4) for s in fits[53 + move] for t in fits[86 - move]}
    expected = (
        f"{len(any_1) * len(any_2) / 1001**2:.0%} fit one of these 49 splits, {len(balanced) / 1001**2:.1%} one of"
    )
    assert expected in printed


# --- the worker of its jobs


def watch():
    """A list of saved steps and the function that saves there."""
    saved = []
    return saved, saved.append


def test_the_worker_answers_in_order_and_scores_by_gaias_rule():
    truth = {task.task_id: task for task in offline_tasks()}
    names = ["seven-heaps", "limes", "lanterns"]
    saved, save = watch()
    result = answer_tasks({"policy": "scripted", "tasks": names}, [], save)
    assert [step["task"] for step in saved] == names and result == {"n_right": 3, "n_tasks": 3}
    assert [step["answer"] for step in saved] == ["244", "52", "95"] == [truth[name].answer for name in names]
    json.dumps(saved)  # a store must be able to hold them

    saved, save = watch()
    assert answer_tasks({"policy": "copying", "tasks": names}, [], save) == {"n_right": 0, "n_tasks": 3}
    assert [step["right"] for step in saved] == [False] * 3


@pytest.mark.parametrize("killed_after", range(4))
def test_the_worker_goes_on_after_what_was_saved(killed_after):
    """Whenever it is cut short, the steps of both starts are those of one run, and the count is right."""
    names = ["seven-heaps", "limes", "lanterns"]
    arguments = {"policy": "scripted", "tasks": names}
    saved = []

    class KilledError(Exception):
        pass

    def save_until(step):
        if len(saved) == killed_after:
            raise KilledError
        saved.append(step)

    if killed_after < len(names):
        with pytest.raises(KilledError):
            answer_tasks(arguments, [], save_until)
    else:
        answer_tasks(arguments, [], save_until)
    assert len(saved) == killed_after
    assert answer_tasks(arguments, list(saved), saved.append) == {"n_right": 3, "n_tasks": 3}
    assert [step["task"] for step in saved] == names


def test_the_worker_says_what_it_does_not_know():
    with pytest.raises(ValueError, match="no policy 'oracle'; choose one of: scripted, copying"):
        answer_tasks({"policy": "oracle", "tasks": []}, [], print)
    with pytest.raises(ValueError, match=r"no offline tasks \['nine-heaps'\]"):
        answer_tasks({"policy": "copying", "tasks": ["limes", "nine-heaps"]}, [], print)


def test_the_worker_rests_and_stops_as_told(monkeypatch):
    rests = []
    monkeypatch.setattr(work.time, "sleep", rests.append)
    saved, save = watch()
    result = answer_tasks(
        {"policy": "scripted", "tasks": ["seven-heaps", "limes"], "pause_s": 1.5, "most_steps": 1}, [], save
    )
    assert rests == [1.5, 1.5]
    assert [(step["answer"], step["right"], step["n_steps"]) for step in saved] == [(None, False, 1)] * 2
    assert result["n_right"] == 0


def test_each_policy_by_name_can_be_made_and_importing_the_worker_loads_no_torch():
    import subprocess
    import sys

    assert all(callable(make()) for make in POLICIES.values())
    code = "import sys, racecourse.agents.work; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- figures


@pytest.mark.parametrize(("n_right", "n_tasks"), [(0, 79), (79, 79), (1, 79), (40, 79), (3, 5), (15, 26)])
def test_the_interval_is_wilsons(n_right, n_tasks):
    witness = binomtest(n_right, n_tasks).proportion_ci(0.95, method="wilson")
    assert wilson_interval(n_right, n_tasks, z=1.959964) == pytest.approx((witness.low, witness.high), abs=1e-6)


@pytest.mark.parametrize(("n_right", "n_tasks"), [(-1, 5), (6, 5), (0, 0)])
def test_impossible_counts_are_refused(n_right, n_tasks):
    with pytest.raises(ValueError, match="cannot be"):
        wilson_interval(n_right, n_tasks)


def test_the_plots_docstring():
    import doctest

    assert doctest.testmod(agent_plots).failed == 0


def axes():
    return Figure(figsize=(8.4, 4), layout="constrained").add_subplot()


def test_scores_are_dots_on_their_intervals():
    ax = plot_scores({"script": (79, 79), "copy": (0, 79), "half": (2, 4)}, title="t", ax=axes())
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert dots == [(100, 0), (0, 1), (50, 2)]
    bars = [tuple(line.get_xdata()) for line in ax.lines if line.get_marker() != "o"]
    assert bars[1] == pytest.approx((0, 4.64), abs=0.01)  # 3.84 / (79 + 3.84)
    assert [text.get_text() for text in ax.texts] == ["79 of 79", "0 of 79", "2 of 4"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["script", "copy", "half"]
    assert "%" in ax.get_xlabel() and ax.get_ylabel() and ax.get_title(loc="left") == "t" and ax.yaxis_inverted()


def test_each_jobs_steps_stand_in_its_row():
    ax = plot_job_steps([[1.0, 2.0], [1.5]], title="t", ax=axes())
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines] == [([1, 2], [1, 1]), ([1.5], [2])]
    assert "seconds" in ax.get_xlabel() and ax.get_ylabel() == "job" and ax.yaxis_inverted()


def test_the_lesson_defines_each_name_once():
    kinds = (ast.FunctionDef, ast.ClassDef)
    defined = Counter(node.name for node in ast.parse(SOURCE).body if isinstance(node, kinds))
    assert all(n == 1 for n in defined.values()), defined


def test_the_traps_of_the_table_that_is_guessed_are_those_that_are_scored():
    """The Markdown table shows the same pairs, in the same order, as the cell below it scores."""
    shown = dict(re.findall(r"(\d+) \| (`[^`]+` \| `[^`]+`)", SOURCE))
    pairs = [tuple(re.findall(r"`([^`]+)`", shown[str(number)])) for number in range(1, 15)]
    assert pairs == [(answer, truth) for answer, truth, _ in assigned("traps")]
    right = [number for number, (answer, truth) in enumerate(pairs, start=1) if gaia_score(answer=answer, truth=truth)]
    assert right == [2, 4, 9, 12, 14]
