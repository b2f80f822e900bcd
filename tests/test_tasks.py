"""Problems and their splits, against plain arithmetic; traces against the problems they belong to."""

import random
from fractions import Fraction
from itertools import pairwise, permutations, product

import pytest

from racecourse.reasoning.bases import chain_traces, countdown_traces, sloppy_digits
from racecourse.reasoning.distill import Trace
from racecourse.reasoning.tasks import (
    TEST_SHARE,
    ChainedArithmetic,
    Countdown,
    Largest,
    Mixture,
    Problem,
    ReasoningGym,
    all_steps,
    problems,
    random_steps,
    running_digits,
    written,
)

TASKS = [ChainedArithmetic(), ChainedArithmetic((2, 9)), Countdown(), Largest(), Mixture((Largest(), Countdown()))]


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_no_test_problem_is_ever_trained_on(task):
    train = {problem.key or problem.prompt for seed in range(5) for problem in problems(task, 500, seed=seed)}
    test = [problem.key or problem.prompt for problem in problems(task, 200, split="test", seed=9)]
    assert len(set(test)) == 200 and not train & set(test)


def test_another_order_of_the_numbers_is_the_same_problem():
    """A split by prompt would train on 3,7,2:13 and test on 7,3,2:13."""
    rng = random.Random(0)
    for problem in (Countdown().draw(rng) for _ in range(200)):
        numbers, target = problem.data["numbers"], problem.data["target"]
        orders = [Problem("", "", ",".join(map(str, sorted(order))) + f":{target}") for order in permutations(numbers)]
        assert {other.key for other in orders} == {problem.key} and {o.is_test for o in orders} == {problem.is_test}


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_about_one_problem_in_ten_is_for_testing(task):
    rng = random.Random(1)
    share = sum(task.draw(rng).is_test for _ in range(4000)) / 4000
    assert abs(share - 1 / TEST_SHARE) < 0.04


def test_the_same_seed_draws_the_same_problems_and_another_draws_others():
    one, again, other = (problems(ChainedArithmetic(), 20, seed=seed) for seed in (1, 1, 2))
    assert one == again != other


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="use 'train' or 'test'"):
        problems(ChainedArithmetic(), 1, split="dev")
    with pytest.raises(ValueError, match="no 5000 different problems"):
        problems(ChainedArithmetic((2, 2)), 5000, split="test")
    with pytest.raises(ValueError, match="two at least"):
        ChainedArithmetic((1, 3))
    with pytest.raises(ValueError, match="fewest first"):
        ChainedArithmetic((5, 3))


def test_a_chain_is_answered_by_its_last_digit():
    """Python's own arithmetic is the witness; the modulo makes -1 a 9."""
    for problem in problems(ChainedArithmetic((2, 9)), 300):
        expression = problem.prompt.removesuffix("=")
        terms = expression.replace("-", "+-").split("+")
        assert 2 <= len(terms) <= 9
        totals = [sum(map(int, terms[: i + 1])) % 10 for i in range(1, len(terms))]
        assert problem.answer == str(totals[-1]) and running_digits(problem.prompt) == "".join(map(str, totals))


@pytest.mark.parametrize(("text", "reward"), [
    ("#5", 1), ("7875#5", 1), ("7875#5 ", 1), ("7875#4", 0), ("5", 0), ("", 0), ("#", 0), ("#55", 0), ("#5#4", 0),
    ("#4#5", 0), ("#٥", 0),
])  # fmt: skip
def test_only_what_stands_after_the_first_mark_counts(text, reward):
    assert ChainedArithmetic().reward(Problem("3+4+8=", "5"), text) == reward


def test_every_countdown_can_be_solved_and_its_answer_is_right():
    task = Countdown()
    for problem in problems(task, 300):
        numbers, target = problem.data["numbers"], problem.data["target"]
        assert problem.prompt == f"{','.join(map(str, numbers))}:{target}=" and 0 <= target <= 99
        assert len(numbers) == 3 and all(1 <= n <= 15 for n in numbers)
        assert task.reward(problem, f"whatever#{problem.answer}") == 1 == task.reward(problem, "#" + problem.answer)
        assert task.reward(problem, problem.answer) == 0  # no mark


def test_all_steps_finds_what_a_plain_loop_finds():
    """(a o b) o c for every order and every pair of operations, by Python's own arithmetic, results in range."""
    for numbers in ([3, 7, 2], [9, 9, 3], [1, 1, 1], [12, 11, 10]):
        found = set()
        for (a, b, c), (first, second) in product(permutations(numbers), product("+-*", repeat=2)):
            middle = eval(f"{a}{first}{b}")
            last = eval(f"({middle}){second}{c}")
            if 0 <= middle <= 99 and 0 <= last <= 99:
                found.add(last)
        ways = all_steps(numbers, 99)
        assert set(ways) == found
        for target, found_ways in ways.items():
            assert all(eval(written(steps)) == target == steps[-1].result for steps in found_ways)
            assert len({written(steps) for steps in found_ways}) == len(found_ways)


def test_hard_problems_have_few_ways_and_plain_ones_are_drawn_as_before():
    """Ways counted by a plain loop over orders and operators; equal numbers give no way twice."""
    n_ways = []
    for problem in problems(Countdown(most_ways=2), 100):
        expressions = set()
        for (a, b, c), (first, second) in product(permutations(problem.data["numbers"]), product("+-*", repeat=2)):
            middle = eval(f"{a}{first}{b}")
            if 0 <= middle <= 99 and eval(f"({middle}){second}{c}") == problem.data["target"]:
                expressions.add(f"({a}{first}{b}){second}{c}")
        n_ways.append(len(expressions))
    assert set(n_ways) == {1, 2}
    assert max(len(all_steps(p.data["numbers"], 99)[p.data["target"]]) for p in problems(Countdown(), 100)) > 2


def test_no_sum_of_all_numbers_is_a_shortcut():
    drawn = problems(Countdown(), 2000)
    assert sum(sum(p.data["numbers"]) == p.data["target"] for p in drawn) / 2000 < 0.12


def test_random_steps_are_correct_sums_within_the_range():
    rng = random.Random(0)
    for _ in range(500):
        numbers = [rng.randint(1, 12) for _ in range(4)]
        steps = random_steps(numbers, 99, rng)
        if steps is not None:
            assert sorted([steps[0].left, *(s.right for s in steps)]) == sorted(numbers)
            assert all(eval(f"{s.left}{s.operator}{s.right}") == s.result and 0 <= s.result <= 99 for s in steps)
            assert all(one.result == after.left for one, after in pairwise(steps))
            assert Fraction(eval(written(steps))) == steps[-1].result


def test_traces_answer_the_problems_of_their_split_as_they_say():
    traces = chain_traces(
        4000, split="test", n_operands=(6, 6), p_direct=0.4, p_wait=0.2, p_wrong=0.1, p_wrong_again=0.0
    )
    assert all(Problem(trace.prompt, "").is_test for trace in traces)
    direct = [trace for trace in traces if trace.completion.startswith("#")]
    waited = [trace for trace in traces if "w" in trace.completion]
    hasty = [trace for trace in traces if not trace.completion.startswith("#") and "w" not in trace.completion]
    task = ChainedArithmetic()

    def right(group: list[Trace]) -> float:
        return sum(task.reward(Problem(t.prompt, running_digits(t.prompt)[-1]), t.completion) for t in group) / len(
            group
        )

    assert abs(len(direct) / 4000 - 0.4) < 0.03 and abs(len(waited) / 4000 - 0.2) < 0.03
    assert right(direct) == right(waited) == 1.0
    # five steps, each wrong with 0.1: nine tenths to the fifth power, plus errors that cancel (nine ways to be wrong)
    assert right(hasty) == pytest.approx(0.9**5 + (1 - 0.9**5) * 0.04, abs=0.03)
    for trace in hasty:
        thought, answer = trace.completion.split("#")
        assert len(thought) == 5 and thought[-1] == answer


def test_a_wrong_digit_is_carried_on():
    """With every step wrong, no digit may be what the chain so far would give."""
    digits = sloppy_digits("3+5-9+1=", 1.0, random.Random(0))
    assert digits[0] != "8"
    for operation, before, after in zip(("-9", "+1"), digits, digits[1:]):  # noqa: B905
        assert int(after) != (int(before) + int(operation)) % 10


def test_a_countdown_trace_is_a_walk_of_correct_sums():
    task, traces = Countdown(), countdown_traces(500, split="train", seed=4)
    asked = problems(task, 500, seed=4)
    hits = n_blind = 0
    for problem, trace in zip(asked, traces, strict=True):
        assert trace.prompt == problem.prompt
        thought, answer = trace.completion.split("#")
        if not thought:
            n_blind += 1
            assert task.reward(Problem("", "", data={**problem.data, "target": eval(answer)}), trace.completion) == 1
            continue
        tries = thought.split(";")
        assert 1 <= len(tries) <= 4
        for attempt in tries:
            for calculation in attempt.split(","):
                left, result = calculation.rstrip("!?").split("=")
                assert eval(left) == int(result)
        results = [int(attempt.rpartition("=")[2].rstrip("!?")) for attempt in tries]
        assert [attempt[-1] == "!" for attempt in tries] == [r == problem.data["target"] for r in results]
        assert all(result != problem.data["target"] for result in results[:-1])
        assert eval(answer) == results[-1]
        right = results[-1] == problem.data["target"]
        assert task.reward(problem, trace.completion) == right
        hits += right
    # a share of 0.2 of the tries is lucky, of the others about one in twelve; a miss is tried again with 0.2
    assert abs(n_blind / 500 - 0.3) < 0.06 and 0.2 < hits / (500 - n_blind) < 0.4


# ------------------------------------------------------------------------------------------------------ reasoning-gym


def test_reasoning_gym_lends_its_tasks():
    task = ReasoningGym("chain_sum", (("min_terms", 2), ("max_terms", 3)))
    one, same = (problems(task, 3, split="test", seed=5) for _ in range(2))
    assert one == same
    for problem in one:
        assert task.reward(problem, problem.answer) == 1
        assert task.reward(problem, str(int(problem.answer) + 1)) < 1
    marked = ReasoningGym("chain_sum", mark="#")
    assert marked.reward(one[0], f"let me think # {one[0].answer}") == 1
    assert marked.reward(one[0], one[0].answer) == 0


@pytest.mark.parametrize("name", ["chain_sum", "countdown", "letter_counting", "number_sorting"])
def test_reasoning_gyms_scorers_never_raise(name):
    task = ReasoningGym(name)
    (problem,) = problems(task, 1)
    for text in ("", "\x00", "9" * 5000, "(" * 3000, "[[[", "{}", "None", "__import__('os')", "\ud800", "1/0"):
        assert 0 <= task.reward(problem, text) <= 1


def test_reasoning_gyms_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no_such_dataset"):
        ReasoningGym("no_such_dataset")
    with pytest.raises(ValueError, match="colour"):
        ReasoningGym("chain_sum", (("colour", 3),))


# ------------------------------------------------------------------------------------------- the largest, and mixtures


def test_the_largest_digit_by_hand():
    problem = Problem("3,7,2,5=", "7")
    assert [Largest().reward(problem, text) for text in ("#7", "35#7", "#5", "7", "#77", "")] == [1, 1, 0, 0, 0, 0]
    for drawn in problems(Largest(), 50, seed=3):
        digits = [int(digit) for digit in drawn.prompt[:-1].split(",")]
        assert len(digits) == 4 and int(drawn.answer) == sorted(digits)[-1] and drawn.prompt.endswith("=")


def test_a_mixture_asks_all_its_tasks_and_each_judges_its_own():
    both = Mixture((ChainedArithmetic((2, 2)), Largest(2)))
    drawn = problems(both, 400, seed=0)
    of_largest = [problem for problem in drawn if "," in problem.prompt]
    assert 150 < len(of_largest) < 250
    for problem in drawn:
        assert problem.data["task"] == int("," in problem.prompt)
        assert both.reward(problem, "#" + problem.answer) == 1 and both.reward(problem, problem.answer) == 0
    search = Mixture((Largest(), Countdown()))
    problem = next(p for p in problems(search, 50) if p.data["task"] == 1)
    assert search.reward(problem, "#" + problem.answer) == 1  # Countdown's own data are still there
