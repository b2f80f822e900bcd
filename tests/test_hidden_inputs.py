"""A class's secret changes what hidden tests put in, and nothing about who passes them."""

import ast
import hashlib
import random
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from racecourse.grading.inputs import seeds, with_secret
from racecourse.grading.integrity import grade_id_of
from test_assignments import NAMES, assignment, every_set
from wrong_answers import Exercise, run_test

MANY = 20
SOURCE = """\
torch.manual_seed(101); é = torch.Generator("cpu").manual_seed(3)
rng, other = random.Random(7), np.random.default_rng(seed=1_000)
random.seed(0x7)
numpy.random.seed(
    101  # 101 in words
)
round(101), Random("7"), Random(), random.Random(n), manual_seed, f"{Random(7)}"
"""


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """By the definition in RFC 2104, for keys of at most 64 bytes."""
    inner, outer = (bytes(byte ^ mask for byte in key.ljust(64, b"\0")) for mask in (0x36, 0x5C))
    return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()


def test_seeds_are_replaced_and_nothing_else() -> None:
    new = with_secret(SOURCE, b"a secret", "anna/some-hidden")
    number = {
        old: int.from_bytes(hmac_sha256(b"a secret", f"anna/some-hidden\n{old}".encode())[:4]) // 2
        for old in (101, 3, 7, 1000)
    }
    expected = f"""\
torch.manual_seed({number[101]}); é = torch.Generator("cpu").manual_seed({number[3]})
rng, other = random.Random({number[7]}), np.random.default_rng(seed={number[1000]})
random.seed({number[7]})
numpy.random.seed(
    {number[101]}  # 101 in words
)
round(101), Random("7"), Random(), random.Random(n), manual_seed, f"{{Random(7)}}"
"""
    assert new == expected
    assert max(number.values()) < 2**31


def test_other_line_ends_stay() -> None:
    for end in ("\r\n", "\r", "\n"):
        source = f'"""a\x0cb"""{end}Random(7){end}{end}x = 7'
        number = with_secret("Random(7)", b"s", "w")
        assert with_secret(source, b"s", "w") == source.replace("Random(7)", number)


def test_without_a_secret_or_a_seed_the_test_stays_as_it_is() -> None:
    assert with_secret(SOURCE, b"", "anna/some-hidden") == SOURCE
    assert with_secret("x = 101\n", b"a secret", "anna/some-hidden") == "x = 101\n"


def test_class_student_exercise_and_seed_make_other_numbers() -> None:
    sources = [
        with_secret(f"Random({number})", secret, where)
        for secret in (b"a", b"b")
        for where in ("anna/one", "ben/one", "anna/two")
        for number in (7, 8)
    ]
    assert len(set(sources)) == 12
    assert with_secret("Random(7)", b"a", "anna/one") == sources[0]


def test_every_generator_takes_the_numbers() -> None:
    """NumPy takes 32 bits and no sign, torch 64."""
    for secret in range(200):
        (literal,) = seeds(with_secret("Random(7)", b"%d" % secret, ""))
        assert type(literal.value) is int
        torch.Generator().manual_seed(literal.value)
        np.random.RandomState(literal.value)
        random.Random(literal.value)


# ------------------------------------------------------------------------------------------------------- the sets' own


def hidden(name: str) -> list[tuple[Exercise, Any]]:
    return [
        (exercise, cell)
        for exercise in assignment(name).exercises
        for cell in exercise.tests
        if grade_id_of(cell).endswith("-hidden")
    ]


@every_set
def test_at_least_half_of_the_hidden_tests_draw_their_inputs(name: str) -> None:
    drawing = [grade_id_of(cell) for _, cell in hidden(name) if seeds(cell.source)]
    assert 2 * len(drawing) >= len(hidden(name)), f"only these depend on a seed: {drawing}"


@every_set
def test_every_seed_of_a_hidden_test_is_found(name: str) -> None:
    """Counted another way: a call with that ending and a number in it."""
    for _, cell in hidden(name):
        calls = [ast.unparse(node) for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
        ends = ("seed", "Random", "rng", "RandomState")
        n_seeded = sum(call.rpartition("(")[0].endswith(ends) and call[-2].isdigit() for call in calls)
        assert n_seeded == len(seeds(cell.source)), cell.source
        words = ("rand", "shuffle", "sample", "choice", "normal")
        draws = any(word in call.lower() for call in calls for word in words)
        assert not draws or n_seeded, f"{grade_id_of(cell)} draws without a seed"


@every_set
def test_a_secret_changes_no_verdict(name: str) -> None:
    assert not changed_verdicts(name, range(2))


@pytest.mark.slow
@every_set
def test_many_secrets_change_no_verdict(name: str) -> None:
    assert not changed_verdicts(name, range(2, MANY))


def changed_verdicts(name: str, secrets: range) -> list[str]:
    """Solutions that fail a hidden test under a secret, and wrong answers that pass one which they fail without."""
    found, changed = assignment(name), []
    for exercise, cell in hidden(name):
        if not seeds(cell.source):
            continue
        caught = [entry for entry in wrong_answers(name) if entry.grade_id in map(grade_id_of, exercise.answers)]
        caught = [entry for entry in caught if verdict(name, cell, {found.target(entry): entry.answer})]
        for number in secrets:
            drawn, who = deepcopy(cell), f"{grade_id_of(cell)}, secret {number}"
            drawn.source = with_secret(cell.source, b"%d" % number, f"student/{grade_id_of(cell)}")
            if message := verdict(name, drawn, {}):
                changed.append(f"{who}: the solution fails: {message}")
            changed += [
                f"{who}: {entry.answer.__name__} passes"
                for entry in caught
                if not verdict(name, drawn, {found.target(entry): entry.answer})
            ]
    return changed


def verdict(name: str, cell: Any, replace: dict[str, Any]) -> str:
    """What a test says of an answer; empty if it passes."""
    outcome = run_test(cell, assignment(name).namespace | replace)
    return outcome.error and f"{outcome.error}: {outcome.message}"


@cache
def wrong_answers(name: str) -> list[Any]:
    return assignment(name).bank()


def test_the_comparison_notices_a_lucky_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that only a lucky draw passes is a change of verdict, and so is a wrong answer that it lets go."""
    exercise, cell = hidden(NAMES[0])[0]
    unlucky = deepcopy(cell)
    unlucky.source += "\nassert random.Random(1).random() == random.Random(int('1')).random()"
    monkeypatch.setattr(f"{__name__}.hidden", lambda name: [(exercise, unlucky)])
    assert "the solution fails" in changed_verdicts(NAMES[0], range(1))[0]
    unlucky.source = "import random\nassert random.Random(1).random() != random.Random(int('1')).random()"
    monkeypatch.setattr(f"{__name__}.hidden", lambda name: [(exercise, unlucky)])
    assert any(said.endswith("passes") for said in changed_verdicts(NAMES[0], range(1)))
