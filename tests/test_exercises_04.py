"""Exercise set 04's reference answers against scipy, torch, regex and the package, and what holds for this set only."""

import itertools
import math
import random
import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
import torch

from racecourse.grading.integrity import grade_id_of
from racecourse.reasoning.sampling import majority_vote, pass_at_k, vote_accuracy
from wrong_answers import Assignment, Exercise


@cache
def found() -> Assignment:
    return Assignment("04_thinking_longer")


def answer(name: str) -> Any:
    return found().namespace[name]


def text_of(grade_id: str) -> str:
    return next(cell.source for cell in found().solution.cells if grade_id_of(cell) == grade_id)


# ------------------------------------------------------------------------------------------------- what the set says


def test_the_title_says_the_sum_of_the_printed_minutes() -> None:
    minutes = [
        int(n) for cell in found().solution.cells for n in re.findall(r"^## .* · (\d+) minutes", cell.source, re.M)
    ]
    assert len(minutes) == 8
    assert f"times sum to {sum(minutes)} minutes" in text_of("think-title")


def test_one_message_one_mistake() -> None:
    """The two of a group below are one mistake in two dresses; all others of the bank read a text of their own."""
    same = [
        {"ties_win", "the_first_of_the_commonest"},
        {"more_than_half_of_k", "more_than_half_of_those_that_vote"},
        {"writes_into_the_prompt", "writes_into_the_table"},
        {"masks_with_zero", "masks_with_minus_one"},
        {"finds_a_backspace", "returns_nothing"},
    ]
    heard: dict[tuple[str, str], set[str]] = {}
    for entry in found().bank():
        if not entry.hidden:
            tests = found().exercise(entry.grade_id).tests
            visible = Exercise(tests=[cell for cell in tests if grade_id_of(cell).endswith("-visible")])
            message = found().outcomes(visible, {found().target(entry): entry.answer})[0].message
            heard.setdefault((entry.grade_id, re.sub(r"got .*$", "", message)), set()).add(entry.answer.__name__)
    shared = [names for names in heard.values() if len(names) > 1]
    assert sorted(map(sorted, shared)) == sorted(map(sorted, same))


def test_the_model_answer_quotes_what_the_cells_show() -> None:
    same_mistake, spread_out = found().namespace["same_mistake"], found().namespace["spread_out"]
    curve = [answer("vote_of_k")(same_mistake, "4", k) for k in (1, 3, 5, 7, 9)]
    assert curve == sorted(curve, reverse=True)
    assert (curve[0], curve[-1]) == (pytest.approx(0.4), 0)
    assert answer("vote_of_k")(spread_out, "4", 9) > 0.95
    rng, saved = random.Random(1), {}
    for p in (0.2, 0.8, 0.95):
        rows = [["4" if rng.random() < p else rng.choice("012356789") for _ in range(40)] for _ in range(100)]
        saved[p] = 1 - sum(map(answer("decided_after"), rows)) / 4000
    assert 1 / 3 < saved[0.8] < saved[0.95] < 1 / 2 and saved[0.2] < 0.1


# ---------------------------------------------------------------------------------------------------------- witnesses


@pytest.mark.parametrize("n, c, k, m", [(10, 7, 5, 3), (50, 20, 10, 6), (200, 150, 40, 40), (9, 9, 4, 4), (8, 0, 3, 1)])
def test_at_least_is_the_tail_of_scipys_hypergeometric(n: int, c: int, k: int, m: int) -> None:
    from scipy.stats import hypergeom

    assert answer("at_least")(n, c, k, m) == pytest.approx(hypergeom.sf(m - 1, n, c, k), abs=1e-9)


def test_at_least_one_is_pass_at_k_and_more_than_k_is_never() -> None:
    for c, k in itertools.product(range(9), range(1, 9)):
        assert answer("at_least")(8, c, k, 1) == pytest.approx(pass_at_k(n_samples=8, n_correct=c, k=k))
        assert answer("at_least")(8, c, k, 0) == 1 and answer("at_least")(8, c, k, k + 1) == 0


def test_the_best_of_yes_and_no_is_pass_at_k() -> None:
    for c, k in [(0, 3), (4, 2), (13, 16), (20, 1)]:
        rewards = [1.0] * c + [0.0] * (20 - c)
        assert answer("expected_best")(rewards, k) == pytest.approx(pass_at_k(n_samples=20, n_correct=c, k=k))


def test_the_best_of_k_ranks_and_the_best_of_few() -> None:
    """The largest of k from 1 to n is k (n + 1) / (k + 1) in the mean; and torch goes through all choices."""
    for n, k in [(7, 3), (300, 1), (300, 20), (300, 300)]:
        ranks = [float(i) for i in range(1, n + 1)]
        random.Random(n).shuffle(ranks)
        assert answer("expected_best")(ranks, k) == pytest.approx(k * (n + 1) / (k + 1))
    rewards = [-0.5, 2.0, 0.25, 2.0, -3.0, 0.0, 0.0]
    for k in range(1, 8):
        every = torch.combinations(torch.tensor(rewards, dtype=torch.float64), k)
        assert answer("expected_best")(rewards, k) == pytest.approx(every.amax(1).mean().item())


def test_a_vote_with_equal_weights_and_a_vote_of_all_are_the_packages() -> None:
    rng = random.Random(0)
    for _ in range(100):
        answers = [rng.choice(["1", "2", "3", None]) for _ in range(rng.randint(1, 8))]
        expected = vote_accuracy(answers, "2")
        assert answer("weighted_vote")(answers, [3] * len(answers)).get("2", 0.0) == pytest.approx(expected)
        assert answer("vote_of_k")(answers, "2", len(answers)) == pytest.approx(expected)


def test_a_weight_counts_like_as_many_equal_answers() -> None:
    rng = random.Random(8)
    for _ in range(200):
        answers = [rng.choice(["1", "2", "", None]) for _ in range(rng.randint(0, 6))]
        weights = [rng.randint(0, 3) for _ in answers]
        winners = majority_vote([a for a, w in zip(answers, weights, strict=True) for _ in range(w)]).winners
        expected = {winner: pytest.approx(1 / len(winners)) for winner in winners}
        assert answer("weighted_vote")(answers, weights) == expected


def test_a_vote_of_k_is_a_draw_from_scipys_multivariate_hypergeometric() -> None:
    """Goes through counts of answers and not through choices; None is a colour that never leads."""
    from scipy.stats import multivariate_hypergeom

    for colours, k in [((4, 3, 2, 1), 5), ((2, 2, 2, 3), 4), ((1, 5, 0, 6), 7), ((5, 1, 1, 7), 3), ((0, 2, 2, 2), 3)]:
        answers = [name for name, n in zip(("t", "a", "b", None), colours, strict=True) for _ in range(n)]
        random.Random(k).shuffle(answers)
        expected = 0.0
        for drawn in itertools.product(*(range(n + 1) for n in colours)):
            truth, *others = drawn[:3]
            if sum(drawn) == k and truth > 0 and truth >= max(others):
                chance = multivariate_hypergeom.pmf(x=drawn, m=colours, n=k)
                expected += chance / (1 + others.count(truth))
        assert answer("vote_of_k")(answers, "t", k) == pytest.approx(expected)


@pytest.mark.parametrize("ties, blanks", [("nobody", "silent"), ("lot", "counted"), ("nobody", "counted")])
def test_a_drawn_vote_of_k_is_a_draw_of_colours_too(ties: str, blanks: str) -> None:
    """In a class None may be a colour that leads, and a shared lead may count nothing."""
    from scipy.stats import multivariate_hypergeom

    vote_of_k = Assignment("04_thinking_longer", {"TIES": ties, "BLANKS": blanks}).namespace["vote_of_k"]
    for colours, k in [((4, 3, 2, 1), 5), ((2, 2, 2, 3), 4), ((5, 1, 1, 7), 3), ((0, 2, 2, 2), 3)]:
        answers = [name for name, n in zip(("t", "a", "b", None), colours, strict=True) for _ in range(n)]
        expected = 0.0
        for drawn in itertools.product(*(range(n + 1) for n in colours)):
            truth, *others = drawn if blanks == "counted" else drawn[:3]
            if sum(drawn) == k and truth > 0 and truth >= max(others) and (ties == "lot" or truth > max(others)):
                expected += multivariate_hypergeom.pmf(x=drawn, m=colours, n=k) / (1 + others.count(truth))
        assert vote_of_k(answers, "t", k) == pytest.approx(expected)


@pytest.mark.parametrize("lead", [2, 3])
def test_a_lead_that_is_certain_stays_and_an_earlier_one_may_be_lost(lead: int) -> None:
    decided_after = Assignment("04_thinking_longer", {"LEAD": lead}).namespace["decided_after"]
    early = 0
    for answers in itertools.product(["a", "b", None], repeat=6):
        n = decided_after(list(answers))
        for drawn in {n, n - 1}:
            rest = itertools.combinations_with_replacement(["a", "b", "new", None], 6 - drawn)
            certain = {ahead(answers[:drawn] + row, lead) for row in rest}
            assert (len(certain) == 1 and None not in certain) == (drawn == n < 6) or n == 6 == drawn
        early += n < 6
    assert early > 10 and decided_after(["4"] * 40) == (21 if lead == 2 else 22)  # as the statement says of forty


def ahead(answers: tuple[str | None, ...], lead: int) -> str | None:
    """Who has at least `lead` votes more than the next, be it one without a vote; None if nobody has."""
    counts = [*Counter(answer for answer in answers if answer is not None).most_common(2), ("", 0), ("", 0)]
    return counts[0][0] if counts[0][1] - counts[1][1] >= lead else None


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


def test_ends_of_a_decision() -> None:
    decided_after = answer("decided_after")
    assert decided_after(["4"] * 40) == 21  # as the statement says of forty
    assert decided_after(["4"] * 41) == 21
    assert [decided_after([None] * n) for n in range(4)] == [0, 1, 2, 3]
    assert decided_after(["a", "b"] * 10) == 20


def test_thinking_is_greedy_decoding_with_logits_of_minus_infinity() -> None:
    """torch does the masking and the counting here, one step of a state machine at a time."""
    rng, seen = random.Random(11), Counter()
    for _ in range(300):
        size = rng.randint(3, 7)
        logits = [[rng.choice([-4.0, -2.5, -1.0, 0.0, 3.0]) for _ in range(size)] for _ in range(size)]
        end, eos = rng.sample(range(size), 2)
        least = rng.randint(0, 3)
        most, max_answer = least + rng.randint(0, 3), rng.randint(1, 4)
        prompt = [rng.randrange(size) for _ in range(rng.randint(1, 3))]
        table, ids, where, forced = torch.tensor(logits), list(prompt), None, False
        while where is None or (ids[-1] != eos and len(ids) - where <= max_answer) or len(ids) == where + 1:
            row, n = table[ids[-1]].clone(), len(ids) - len(prompt)
            if where is None:
                row[eos] = -math.inf
                row[end] = -math.inf if n < least else row[end]
                row[end] = math.inf if n == most else row[end]
                forced = n == most
            ids.append(int((row == row.max()).nonzero()[0]))
            if where is None and ids[-1] == end:
                where = len(ids) - 1
        out = answer("think_between")(logits, prompt, end, eos, least, most, max_answer)
        assert out == {"ids": ids[len(prompt) :], "n_thinking": where - len(prompt), "forced": forced}
        seen[forced] += 1
        seen["end in the answer"] += end in ids[where + 1 :]
        seen["cut off"] += ids[-1] != eos
    assert min(seen[what] for what in (True, False, "end in the answer", "cut off")) > 20


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


def test_boxes_are_found_by_a_recursive_pattern() -> None:
    """`regex`, unlike `re`, has patterns that call themselves."""
    regex = pytest.importorskip("regex")
    pattern = regex.compile(r"\\boxed\{((?:[^{}\\]|\\.|\{(?1)\})*+)\}", regex.DOTALL)
    rng, found_some = random.Random(6), 0
    pieces = ["\\boxed{", "\\boxed{", "{", "}", "}", "}", "\\", "\\{", "\\}", "\\\\", " ", "\n", "7", "x"]
    for _ in range(3000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randint(1, 14)))
        matches = list(pattern.finditer(text, overlapped=True))
        expected = max(matches, key=lambda match: match.start())[1].strip() if matches else None
        assert answer("last_boxed")(text) == expected, text
        found_some += bool(matches)
    assert 500 < found_some < 2500


def test_boxes_are_read_as_math_verify_reads_them() -> None:
    math_verify = pytest.importorskip("math_verify")
    apart = " is the first case, and it is not what was asked for, so it is counted again: "  # else it joins both
    for text, value in [(r"so \boxed{ 42 }.", "42"), (rf"\boxed{{1}}{apart}\boxed{{\frac{{3}}{{4}}}}", "3/4")]:
        assert math_verify.verify(math_verify.parse(value), math_verify.parse(f"${answer('last_boxed')(text)}$"))
        assert math_verify.verify(math_verify.parse(value), math_verify.parse(text))
