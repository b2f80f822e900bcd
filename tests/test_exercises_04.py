"""Exercise set 04's reference answers against scipy and the package, and what holds for this set only."""

import itertools
import random
from functools import cache
from typing import Any

import pytest

from racecourse.reasoning.sampling import pass_at_k, vote_accuracy
from wrong_answers import Assignment


@cache
def found() -> Assignment:
    return Assignment("04_thinking_longer")


def answer(name: str) -> Any:
    return found().namespace[name]


@pytest.mark.parametrize("n, c, k, m", [(10, 7, 5, 3), (50, 20, 10, 6), (200, 150, 40, 40), (9, 9, 4, 4), (8, 0, 3, 1)])
def test_at_least_is_the_tail_of_scipys_hypergeometric(n: int, c: int, k: int, m: int) -> None:
    from scipy.stats import hypergeom

    assert answer("at_least")(n, c, k, m) == pytest.approx(hypergeom.sf(m - 1, n, c, k), abs=1e-9)


def test_the_best_of_yes_and_no_is_pass_at_k() -> None:
    for c, k in [(0, 3), (4, 2), (13, 16), (20, 1)]:
        rewards = [1.0] * c + [0.0] * (20 - c)
        assert answer("expected_best")(rewards, k) == pytest.approx(pass_at_k(n_samples=20, n_correct=c, k=k))


def test_a_vote_with_equal_weights_and_a_vote_of_all_are_the_packages() -> None:
    rng = random.Random(0)
    for _ in range(100):
        answers = [rng.choice(["1", "2", "3", None]) for _ in range(rng.randint(1, 8))]
        expected = vote_accuracy(answers, "2")
        assert answer("weighted_vote")(answers, [3] * len(answers)).get("2", 0.0) == pytest.approx(expected)
        assert answer("vote_of_k")(answers, "2", len(answers)) == pytest.approx(expected)


def test_a_decided_vote_stays_as_it_is_and_an_undecided_one_may_turn() -> None:
    for answers in itertools.product(["a", "b", None], repeat=5):
        n = answer("decided_after")(list(answers))
        rest = list(itertools.product(["a", "b", "new", None], repeat=5 - n))
        if n < 5:
            winners = {winner(list(answers[:n]) + list(row)) for row in rest}
            assert len(winners) == 1 and None not in winners
            earlier = itertools.product(["a", "b", "new", None], repeat=6 - n)
            assert len({winner(list(answers[: n - 1]) + list(row)) for row in earlier}) > 1


def winner(answers: list[str | None]) -> str | None:
    """The sole winner; None for a tie."""
    counts = sorted(((answers.count(a), a) for a in set(answers) if a is not None), reverse=True)
    if not counts or (len(counts) > 1 and counts[0][0] == counts[1][0]):
        return None
    return counts[0][1]


def test_without_bounds_thinking_is_plain_greedy_decoding() -> None:
    rng = random.Random(3)
    for _ in range(50):
        logits = [[rng.random() for _ in range(6)] for _ in range(6)]
        for row in logits:
            row[5] = -1.0  # eos never comes
        plain = [0]
        for _ in range(12):
            plain.append(max(range(6), key=lambda token: logits[plain[-1]][token]))
        out = answer("think_between")(logits, [0], 4, 5, 0, 12, 3)
        if not out["forced"]:
            assert out["ids"] == plain[1 : len(out["ids"]) + 1]
        else:
            assert out["ids"][:12] == plain[1:] and out["ids"][12] == 4


def test_boxes_are_read_as_math_verify_reads_them() -> None:
    math_verify = pytest.importorskip("math_verify")
    for text, value in [(r"so \boxed{ 42 }.", "42"), (r"\boxed{1}, no: \boxed{\frac{3}{4}}", "3/4")]:
        assert math_verify.verify(math_verify.parse(value), math_verify.parse(f"${answer('last_boxed')(text)}$"))
        assert math_verify.verify(math_verify.parse(value), math_verify.parse(text))
