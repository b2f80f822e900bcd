"""The judge: verdicts on functions that are called in another thread's namespace, and judges forked from a court."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from racecourse.grading import calls, judge
from racecourse.grading.judge import Court, FarJudge, Judge, Verdict

TOKEN = "0123"
PRELUDES = {"limits": "N = 3\nnames = ['a']", "helper": "def twice(x):\n    return 2 * x"}


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def answering(listener: socket.socket, namespace: dict[str, Any], token: str = TOKEN) -> threading.Thread:
    """What a learner's kernel does at one test."""
    arguments = (listener.getsockname(), token, namespace)
    thread = threading.Thread(target=calls.answer_calls, args=arguments, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def here() -> Iterator[tuple[Judge, socket.socket]]:
    with listening() as listener:
        ours = Judge()
        assert ours.prepare(PRELUDES) == Verdict()
        ours.listen(listener, TOKEN)
        yield ours, listener


LEARNER = {"f": lambda x: x + 1, "wrong": lambda x: 0, "bad": lambda: 1 / 0}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("assert f(N) == 4 and twice(f(1)) == 4", Verdict()),
        ("assert wrong(1) == 2, 'the sum is missing'", Verdict("AssertionError", "the sum is missing")),
        ("bad()", Verdict("ZeroDivisionError", "division by zero")),
        ("missing(1)", Verdict("NameError", "name 'missing' is not defined")),
        ("f(1)\n0.5", Verdict(share=0.5)),
        ("True", Verdict()),
        ("print('x'); import warnings; warnings.warn('y')", Verdict()),
        ("raise SyntaxError('of the test')", Verdict("SyntaxError", "of the test")),
    ],
)
def test_a_verdict_is_what_the_test_says(here: tuple[Judge, socket.socket], source: str, expected: Verdict) -> None:
    ours, listener = here
    answering(listener, LEARNER)
    assert ours.test(source, ["f", "wrong", "bad", "missing"], seconds=30) == expected


def test_a_name_of_an_earlier_test_does_not_stand_in_for_a_missing_answer(here: tuple[Judge, socket.socket]) -> None:
    ours, listener = here
    answering(listener, LEARNER)
    assert not ours.test("assert f(1) == 2", ["f"], seconds=30).error
    answering(listener, {})
    assert ours.test("f(1)", ["f"], seconds=30).error == "NameError"


def test_the_sets_own_names_have_their_values_again_at_their_cell(here: tuple[Judge, socket.socket]) -> None:
    ours, listener = here
    answering(listener, LEARNER)
    ours.test("N = 100\ntwice = None", ["f"], seconds=30)
    ours.reach("limits")
    answering(listener, LEARNER)
    assert not ours.test("assert N == 3 and twice is None", ["f"], seconds=30).error


def test_an_endless_call_is_a_time_out(here: tuple[Judge, socket.socket]) -> None:
    ours, listener = here
    release = threading.Event()
    answering(listener, {"f": lambda: release.wait(60)})
    assert ours.test("try:\n    f()\nexcept Exception:\n    pass", ["f"], seconds=0.5).error == judge.TIME_OUT
    release.set()


def test_a_function_that_changes_what_it_is_given_gains_nothing_by_it(here: tuple[Judge, socket.socket]) -> None:
    """The reference is computed from inputs that the function has emptied; honest carelessness costs nothing."""
    ours, listener = here

    def empties(numbers: list[int]) -> int:
        numbers.clear()
        return 0

    def careless(numbers: list[int]) -> int:
        numbers.append(1)
        return sum(numbers) - 1

    test = "numbers = [1, 2]\nassert f(numbers) == sum(numbers)"
    answering(listener, {"f": empties})
    verdict = ours.test(test, ["f"], seconds=30)
    assert verdict.error == "AssertionError" and "work on a copy" in verdict.message
    answering(listener, {"f": empties})
    assert not ours.test("# in place\n" + test, ["f"], seconds=30).error
    answering(listener, {"f": careless})
    assert not ours.test("numbers = [1, 2]\nassert f(numbers) == 3", ["f"], seconds=30).error


def test_a_test_that_computes_for_ever_itself_is_stopped(here: tuple[Judge, socket.socket]) -> None:
    ours, listener = here
    answering(listener, LEARNER)
    assert ours.test("f(1)\nwhile True:\n    pass", ["f"], seconds=0.5).error == judge.TIME_OUT


def test_a_kernel_that_does_not_call_and_one_without_the_token(
    here: tuple[Judge, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, listener = here
    monkeypatch.setattr(judge, "CONNECT_SECONDS", 0.5)
    assert ours.test("pass", [], seconds=30).error == judge.NO_ANSWER
    answering(listener, {"f": lambda x: x}, token="9999")
    answering(listener, LEARNER)
    assert not ours.test("assert f(1) == 2", ["f"], seconds=30).error


def test_a_cell_of_the_sets_own_that_fails_is_named() -> None:
    verdict = Judge().prepare({"fine": "x = 1", "broken": "1 / 0", "later": "y = 1"})
    assert verdict.error == "ZeroDivisionError" and "'broken'" in verdict.message


# A judge in a process of its own. The zygote's part is in test_zygote.py; here the test itself forks.


def forked() -> tuple[socket.socket, socket.socket]:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        try:
            judge.serve(theirs)
        finally:
            os._exit(0)
    theirs.close()
    return ours, ours.dup()


@pytest.fixture
def far() -> Iterator[tuple[FarJudge, socket.socket]]:
    with (
        closing(Court(forked, PRELUDES)) as court,
        listening() as listener,
        closing(FarJudge(court, listener, TOKEN)) as ours,
    ):
        yield ours, listener


def test_a_far_judge_gives_the_same_verdicts(far: tuple[FarJudge, socket.socket]) -> None:
    ours, listener = far
    for source, expected in [
        ("assert f(N) == 4", Verdict()),
        ("assert wrong(1) == 2, 'no'", Verdict("AssertionError", "no")),
        ("7", Verdict(share=7.0)),
    ]:
        answering(listener, LEARNER)
        assert ours.test(source, ["f", "wrong"], seconds=30) == expected


def test_two_judges_of_a_court_share_nothing(far: tuple[FarJudge, socket.socket]) -> None:
    ours, listener = far
    answering(listener, LEARNER)
    ours.test("names.append('b'); N = 0", [], seconds=30)
    with closing(FarJudge(ours.court, listener, TOKEN)) as other:
        answering(listener, LEARNER)
        assert not other.test("assert names == ['a'] and N == 3", [], seconds=30).error
    answering(listener, LEARNER)
    assert not ours.test("assert names == ['a', 'b'] and N == 0", [], seconds=30).error


def test_a_judge_that_dies_fails_its_test_and_is_replaced(far: tuple[FarJudge, socket.socket]) -> None:
    ours, listener = far
    ours.reach("limits")
    first = ours.pid
    answering(listener, LEARNER)
    verdict = ours.test("import os; os._exit(1)", ["f"], seconds=30)
    assert verdict.error == judge.JUDGE_DIED and "far too large" in verdict.message
    answering(listener, LEARNER)
    assert not ours.test("assert f(N) == 4", ["f"], seconds=30).error
    assert ours.pid != first


def test_a_court_whose_cells_fail_is_none() -> None:
    with pytest.raises(RuntimeError, match="'broken'"):
        Court(forked, {"broken": "1 / 0"})


def test_a_judge_is_gone_when_it_is_closed(far: tuple[FarJudge, socket.socket]) -> None:
    ours, listener = far
    other = FarJudge(ours.court, listener, TOKEN)
    other.close()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        line, _ = ours.court.judge(listener, TOKEN)  # at a fork the court buries what has ended
        line.close()
        try:
            os.kill(other.pid, 0)
        except ProcessLookupError:
            return
    raise AssertionError("it is still there")
