"""Exercise set 08's reference answers against jsonschema, the package's agent and scorer, plain loops, and by hand."""

import ast
import itertools
import json
import math
import random
import re
from functools import cache
from typing import Any

import jsonschema
import numpy as np
import pytest

from conftest import ROOT
from racecourse.agents.documents import offline_tasks
from racecourse.agents.gaia import gaia_score, possible_counts
from racecourse.agents.loop import Agent, Budget, Proposal
from racecourse.agents.tools import schema_of, standard_tools
from racecourse.grading.integrity import grade_id_of, is_test
from racecourse.grading.variants import parameters_of
from wrong_answers import Assignment, Exercise, run_test


@cache
def found() -> Assignment:
    return Assignment("08_agents")


def answer(name: str) -> Any:
    return found().namespace[name]


def test_the_title_says_the_sum_of_the_printed_minutes() -> None:
    cells = found().solution.cells
    minutes = [int(n) for cell in cells for n in re.findall(r"^## .* · (\d+) minutes", cell.source, re.M)]
    assert len(minutes) == 8
    assert f"times sum to {sum(minutes)} minutes" in found().source_of("agents-title")


# --- calls and arguments


@pytest.mark.parametrize("task", offline_tasks()[::20], ids=lambda task: task.task_id)
def test_a_call_comes_back_as_it_was_written(task: Any) -> None:
    arguments = {"query": task.question, "n": 3, "deep": {"list": [1.5, None, True]}, "text": '{"a": "<b>"}'}
    for sent, note in itertools.product((arguments, json.dumps(arguments)), ("", "Well.</think>", "ü {")):
        text = f"{note}<tool_call>{json.dumps({'name': 'search', 'arguments': sent})}</tool_call>{note}"
        expected = {"problem": "no call"} if note == "Well.</think>" else None
        said = answer("read_call")(text)
        assert said == (expected or {"call": {"name": "search", "arguments": arguments}})


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema for jsonschema, where names that are no property are allowed unless it says otherwise."""
    out = dict(schema)
    if schema["type"] == "object":
        properties = schema.get("properties", {})
        out |= {"additionalProperties": False, "properties": {k: closed(v) for k, v in properties.items()}}
    if "items" in schema:
        out["items"] = closed(schema["items"])
    return out


def some_schema(rng: random.Random, depth: int) -> dict[str, Any]:
    kind = rng.choice(["string", "boolean", "integer", "number"] + ["array", "object"] * (2 * (depth > 0)))
    if kind == "object":
        names = rng.sample("abcd", rng.randint(0, 3))
        properties = {name: some_schema(rng, depth - 1) for name in names}
        rest = {"properties": properties, "required": rng.sample(names, rng.randint(0, len(names)))}
        return {"type": kind} | {key: value for key, value in rest.items() if value or rng.random() < 0.5}
    if kind == "array":
        return {"type": kind} | ({"items": some_schema(rng, depth - 1)} if rng.random() < 0.8 else {})
    limits = {"minimum": rng.randint(-2, 2), "maximum": rng.choice([0.5, 2, 3])}
    rest = {"string": {"enum": ["x", "y"]}, "boolean": {}, "integer": limits, "number": limits}[kind]
    return {"type": kind} | {key: value for key, value in rest.items() if rng.random() < 0.5}


def some_value(rng: random.Random, depth: int) -> Any:
    kind = rng.randint(0, 8)
    if kind > 6 and depth:
        return {rng.choice("abcde"): some_value(rng, depth - 1) for _ in range(rng.randint(0, 4))}
    if kind > 5 and depth:
        return [some_value(rng, depth - 1) for _ in range(rng.randint(0, 3))]
    return rng.choice([None, True, False, "x", "z", "7", 0, 1, -3, 7, 1.0, 0.5, 2.5, 10**400])


def test_arguments_fit_where_jsonschema_finds_nothing_and_have_a_problem_where_it_does() -> None:
    """Place by place: what jsonschema says of a missing or strange name stands at the object around it."""
    rng, n_with = random.Random(8), 0
    for _ in range(3000):
        schema = some_schema(rng, 2)
        if schema["type"] != "object":
            schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
        arguments = {rng.choice("abcde"): some_value(rng, 2) for _ in range(rng.randint(0, 4))}
        said = answer("check_arguments")(schema, arguments)
        theirs: set[str] = set()
        for error in jsonschema.Draft202012Validator(closed(schema)).iter_errors(arguments):
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
            if error.validator == "required":
                theirs |= {f"{path}.{name} missing" for name in error.validator_value if name not in error.instance}
            elif error.validator == "additionalProperties":
                theirs |= {f"{path}.{name} unknown" for name in set(error.instance) - set(error.schema["properties"])}
            else:
                theirs.add(path)
        ours = {
            f".{path} {problem}" if problem in ("missing", "unknown") else f".{path}" for path, problem in said.items()
        }
        assert ours == theirs, (schema, arguments, said)
        n_with += bool(ours)
    assert 50 < n_with < 2950


def test_the_tools_own_schemas_are_understood() -> None:
    schema = next(schema_of(tool)["function"]["parameters"] for tool in standard_tools() if tool.name == "read")
    validator = jsonschema.Draft202012Validator(schema)
    for arguments in answer("READ_CALLS"):
        assert bool(answer("check_arguments")(schema, arguments)) == (not validator.is_valid(arguments)), arguments


# --- the loop


@pytest.mark.parametrize("seed", range(8))
def test_where_no_limit_is_met_the_loop_does_what_the_packages_agent_does(seed: int) -> None:
    """The same calls of the same calculator: observations, errors and tokens agree."""
    rng = random.Random(seed)
    sums = [f"{rng.randint(1, 9)} {rng.choice('+-*')} {i} * (2" + ")" * rng.randint(0, 1) for i in range(6)]
    tools = [tool for tool in standard_tools() if tool.name == "calculator"]

    def policy(question: str, steps: list[Any], tools: Any) -> Proposal:
        if len(steps) < len(sums):
            return Proposal("", "calculator", {"expression": sums[len(steps)]}, n_tokens=7)
        return Proposal(answer="done", n_tokens=3)

    theirs = Agent(policy, tools, Budget(steps=20, tokens=1000, seconds=60)).run("q")

    def propose(question: str, steps: list[dict[str, Any]]) -> dict[str, Any]:
        it = policy(question, steps, None)
        return {"tokens": it.n_tokens} | (
            {"answer": it.answer} if it.answer else {"tool": it.tool, "arguments": it.arguments}
        )

    def calculator(expression: str) -> str:
        return tools[0].run(tools[0].arguments(expression=expression))

    ours = answer("run_until")(propose, {"calculator": calculator}, "q", most_steps=20, most_tokens=1000)
    assert (ours["answer"], ours["ended"], ours["n_tokens"]) == (theirs.answer, theirs.ended, theirs.n_tokens)
    assert [step["is_error"] for step in ours["steps"]] == [step.is_error for step in theirs.steps]
    for mine, step in zip(ours["steps"], theirs.steps, strict=True):
        assert mine["observation"].removeprefix("ToolError: ") == step.observation


def test_every_loop_ends() -> None:
    """A model that never answers: the number of calls is what the limits allow, worked out by hand."""
    calls: list[int] = []

    def tick(n: int) -> None:
        calls.append(n)

    for period, most_steps, most_tokens, expected in [
        (1, 50, 500, ("loop", 2)), (3, 50, 500, ("loop", 6)), (99, 50, 999, ("steps", 50)), (99, 50, 30, ("tokens", 3)),
        (99, 0, 500, ("steps", 0)), (99, 50, 9, ("tokens", 0)),
    ]:  # fmt: skip
        calls.clear()

        def propose(question: str, steps: list[Any], period: int = period) -> dict[str, Any]:
            return {"tokens": 10, "tool": "tick", "arguments": {"n": len(steps) % period}}

        out = answer("run_until")(propose, {"tick": tick}, "q", most_steps=most_steps, most_tokens=most_tokens)
        assert (out["ended"], len(calls), out["answer"]) == (*expected, None)


# --- the score


def test_a_truth_is_right_however_it_is_dressed_and_another_one_is_not() -> None:
    kind, units = answer("kind_score"), ["lb", "%"]
    truths = [task.answer for task in offline_tasks()]
    for truth in truths:
        dressed = [truth, truth.upper(), f" {truth} "]
        if re.fullmatch(r"\d+", truth):
            dressed += [f"{int(truth):,}", f"{truth}.0", f"{truth} lb", f"{truth}%"]
        elif "," in truth:
            dressed.append("; ".join(truth.split(",")[::-1]))
        assert all(kind(text, truth, units) for text in dressed), dressed
        others = [other for other in truths if not gaia_score(answer=other, truth=truth)]
        assert sum(kind(other, truth, units) for other in others) == 0, truth


def test_what_is_right_for_gaia_is_right_for_the_kind_rule_but_for_infinity() -> None:
    for given, truth in answer("TRAPS"):
        strict, kind = gaia_score(answer=given, truth=truth), answer("kind_score")(given, truth, answer("UNITS"))
        assert kind or not strict or truth == "inf", (given, truth)


# --- the runs


@pytest.mark.parametrize(("n", "digits"), [(53, 1), (86, 1), (26, 1), (53, 2), (26, 2), (8, 0)])
def test_one_run_is_what_the_package_counts(n: int, digits: int) -> None:
    for tenths in range(0, 1001, 7):
        text = f"{tenths / 10:.{digits}f}"
        assert answer("possible_runs")(text, None, n, 1) == [
            [k] for k in possible_counts(float(text), n, digits=digits)
        ]


def test_runs_that_were_made_are_among_those_that_can_be() -> None:
    """Draw runs, print them with numpy's standard deviation, and find them again; the spread narrows the choice."""
    rng = np.random.default_rng(8)
    for _ in range(60):
        n, runs = int(rng.integers(3, 27)), int(rng.integers(2, 4))
        counts = sorted(rng.integers(0, n + 1, runs).tolist())
        scores = np.array(counts) * 100 / n
        mean, spread = f"{scores.mean():.1f}", f"{scores.std(ddof=1):.1f}"
        narrow, wide = (answer("possible_runs")(mean, text, n, runs) for text in (spread, None))
        assert counts in narrow
        assert all(way in wide for way in narrow) and wide == sorted(wide)


@pytest.mark.parametrize("spread", ["population", "error"])
def test_runs_that_were_drawn_with_another_spread_are_found_by_it(spread: str) -> None:
    """numpy's and scipy's spreads, with digits enough to tell each from the two others."""
    from scipy.stats import sem

    rng = np.random.default_rng(9)
    possible_runs = Assignment("08_agents", {"SPREAD": spread}).namespace["possible_runs"]
    for _ in range(60):
        n, runs = int(rng.integers(3, 27)), int(rng.integers(2, 4))
        counts = sorted(rng.integers(0, n + 1, runs).tolist())
        scores = np.array(counts) * 100 / n
        right = scores.std() if spread == "population" else sem(scores)
        assert counts in possible_runs(f"{scores.mean():.1f}", f"{right:.3f}", n, runs)
        if scores.std():
            assert counts not in possible_runs(f"{scores.mean():.1f}", f"{scores.std(ddof=1):.3f}", n, runs)


# --- the log


def test_a_log_means_the_same_in_any_order_and_however_often_it_comes() -> None:
    rng, plan = random.Random(8), ["a", "b", "c", "d"]
    kinds = ["submitted", "started", "step", "step", "died", "resumed", "cancelled", "finished"]
    for _ in range(200):
        events = [{"n": n, "what": rng.choice(kinds), "step": rng.choice(plan)} for n in range(1, 12)]
        events = [{"n": 1, "what": "submitted"}, *events[1:]]
        whole = answer("replay")(plan, events)
        mixed = rng.sample(events * 2, 2 * len(events))
        assert answer("replay")(plan, mixed) == whole
        cut = rng.randint(2, 10)
        holed = answer("replay")(plan, [event for event in mixed if event["n"] != cut])
        assert holed == answer("replay")(plan, events[: cut - 1]) | {"missing": cut}


@pytest.mark.parametrize("n_before", range(4))
def test_a_job_that_dies_once_does_each_step_once(n_before: int) -> None:
    """Whoever follows to_do after each event makes each step exactly once, whenever the process dies."""
    plan, events, made = ["a", "b", "c"], [], []

    def note(what: str, **more: str) -> dict[str, Any]:
        events.append({"n": len(events) + 1, "what": what, **more})
        return answer("replay")(plan, events)

    note("submitted"), note("started")
    for _ in range(n_before):
        made.append(answer("replay")(plan, events)["to_do"][0])
        note("step", step=made[-1])
    note("died"), note("resumed")
    now = note("started")
    while now["to_do"]:
        made.append(now["to_do"][0])
        now = note("step", step=made[-1])
    assert made == plan and note("finished") == {"state": "done", "to_do": [], "refused": [], "missing": None}


# --- where arguments come from


def test_words_are_found_where_a_list_of_words_has_them() -> None:
    """Values of one word, texts of words and spaces: the same as looking them up in a list."""
    rng, words = random.Random(8), ["oats", "Oats", "oat", "boats", "12", "120", "lamb", "x_12"]
    for _ in range(300):
        texts = [" ".join(rng.choices(words, k=rng.randint(0, 6))) for _ in range(4)]
        value, failed = rng.choice(words), rng.random() < 0.3
        steps = [{"tool": "read", "arguments": {}, "observation": text, "is_error": failed and i == 0}
                 for i, text in enumerate(texts[1:])]  # fmt: skip
        steps.append({"tool": "send", "arguments": {"to": value}, "observation": value, "is_error": False})
        has = [value.lower() in text.lower().split() for text in texts]
        origins = [i for i in range(3) if has[i + 1] and not (failed and i == 0)]
        expected = [] if has[0] or not origins else [{"step": 3, "argument": "to", "from": origins[0]}]
        assert answer("from_outside")(texts[0], steps, ["send"]) == expected


# --- what the set says


def test_guesses_are_answered_by_the_cells_that_earn_nothing() -> None:
    assert found().printed("read-call-learn").splitlines()[-1] == "2 of 6 make a call"
    assert found().printed("check-arguments-learn").splitlines()[0] == "isinstance(True, int): True"
    loops = found().printed("run-until-learn").splitlines()
    assert "2 steps, 36 tokens, ended by 'loop'" in loops[0]  # three proposals of 12
    assert "6 steps, 84 tokens, ended by 'steps'" in loops[1]  # seven of them
    rows = found().printed("kind-score-learn").splitlines()
    strict = sum(gaia_score(answer=given, truth=truth) for given, truth in answer("TRAPS"))
    assert strict == 5 and "calls five right" in found().source_of("kind-score-text")
    assert rows[15] == "right by the kind rule: 10 of 14" and all(row.endswith("right") for row in rows[-4:])
    ways = found().printed("possible-runs-learn").splitlines()
    assert ways[1].endswith("[[15, 15, 15]]") and "3.8" in ways[2] and ways[-1] == "57.7 ± 2.0: cannot be"
    log = found().printed("replay-learn").splitlines()
    assert "missing 11" in log[-1] and "refused [9]" in log[-1]
    reports = found().printed("from-outside-learn").splitlines()
    assert [row.endswith("[]") for row in reports] == [False, True, True, False]


def test_the_model_answer_has_its_numbers_right() -> None:
    said, lines = found().source_of("agents-question"), found().printed("agents-numbers").splitlines()
    assert "15 and about 12.4 of 26" in said and "15.0 and 12.4 right" in lines[0]
    assert math.sqrt(2440.71 / 26 + 2494.24 / 26) == pytest.approx(13.8, abs=0.03)  # 57.7 x 42.3 and 47.6 x 52.4
    assert (
        "almost 14 points" in said
        and "one standard error is 13.8 points" in lines[1]
        and "are 2.6 questions" in lines[1]
        and lines[1].endswith("so they are 0.7 of one")
    )
    assert not possible_counts(47.6, 26) and "why 47.6 is no k of 26" in said


def test_graded_cells_read_of_the_parameters_only_those_of_their_own_variants() -> None:
    """The texts and logs of the cells that earn nothing may be changed without a look at any check."""
    declared = parameters_of(ROOT / "sources/exercises/08_agents.py")
    names = {
        node.id
        for cell in found().solution.cells
        if "parameters" in cell.metadata.get("tags", [])
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    assert set(declared) < names
    for cell in found().solution.cells:
        if is_test(cell):
            exercise = grade_id_of(cell).rpartition("-")[0]
            others = names - {name for name, parameter in declared.items() if parameter.exercise == exercise}
            assert not others & {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}


JUNK = [None, math.nan, math.inf, "call", [], {}, True, (1, 2, 3), [None] * 3, object()]


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: type(junk).__name__)
def test_junk_earns_nothing_and_breaks_no_check(junk: Any) -> None:
    for exercise in found().exercises:
        names = [name for cell in exercise.answers for name in re.findall(r"^def (\w+)", cell.source, re.M)]
        namespace = found().namespace | {name: lambda *args, **named: junk for name in names}
        for cell in exercise.tests:
            outcome = run_test(cell, dict(namespace))
            assert outcome.error == "AssertionError", f"{outcome.grade_id}: {outcome.error}: {outcome.message}"


@cache
def heard() -> dict[str, dict[str, str]]:
    """What each wrong answer of the bank that a visible check catches is told, by exercise."""
    said: dict[str, dict[str, str]] = {}
    for entry in found().bank():
        if not entry.hidden:
            tests = found().exercise(entry.grade_id).tests
            visible = Exercise(tests=[cell for cell in tests if grade_id_of(cell).endswith("-visible")])
            outcome = found().outcomes(visible, {found().target(entry): entry.answer})[0]
            said.setdefault(entry.grade_id, {})[entry.answer.__name__] = outcome.message
    return said


def test_one_message_one_mistake() -> None:
    for grade_id, messages in heard().items():
        texts = [re.sub(r"got .*$", "", message, flags=re.DOTALL) for message in messages.values()]
        assert len(set(texts)) == len(texts), (grade_id, [text for text in texts if texts.count(text) > 1])


def test_each_assert_that_names_a_mistake_is_met_by_a_wrong_answer() -> None:
    for grade_id, messages in heard().items():
        for node in ast.walk(ast.parse(found().source_of(f"{grade_id}-visible"))):
            if isinstance(node, ast.Assert) and isinstance(node.msg, ast.Constant):
                assert node.msg.value in messages.values(), f"{grade_id}: nothing in the bank meets {node.msg.value!r}"
