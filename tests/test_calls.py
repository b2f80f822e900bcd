"""Calls into a learner's process: what comes back is plain, what changes there changes here, nothing of ours leaks."""

import ast
import contextlib
import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conftest import ROOT
from racecourse.grading.calls import AnswerError, Answers, CallTimeoutError, KernelDiedError, Remote
from racecourse.grading.integrity import grade_id_of, is_answer, is_test
from racecourse.grading.wire import LENGTHS, Reader, WireError, Writer, receive, send
from racecourse.learn.notebooks import read, target_of

LEARNER = """
import os, socket, sys
import torch
torch.set_num_threads(1)
from racecourse.grading.calls import serve
namespace = {"__name__": "__main__"}
connection = socket.socket(fileno=int(sys.argv[1]))
for source in sys.stdin.read().split("\\0"):
    exec(compile(source, "<learner>", "exec"), namespace)
serve(connection, namespace)
"""
ANSWERS = """
import random
import numpy as np, torch
from torch import nn

class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True

class Float(float):
    def __eq__(self, other): return True
    __hash__ = float.__hash__

class Tensor2(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None): return True

class Evil:
    def __reduce__(self): return (__import__("os").system, ("touch /tmp/never",))

class Layer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.full((n,), 2.0))
        self.n = n
    def forward(self, x): return x * self.weight
    def __len__(self): return self.n

class OwnError(ValueError): pass

def echo(value): return value
def one_more(numbers, table, tensor):
    numbers.append(4); table["b"] = 2; tensor += 1
def twice(f, x): return f(f(x))
def by_keyword(f, **named): return f(**named)
def square(x): return {"y": (x ** 2).sum(), "n": 3}
def yes(): return Yes()
def magic(): return Float(3.0)
def subclass(): return torch.zeros(2).as_subclass(Tensor2)
def evil(): return Evil()
def draw(): return torch.rand(3), random.random(), np.random.rand()
def fails(): raise OwnError("a size is wrong")
def leaves(): raise SystemExit(0)
def numbers():
    for n in range(3): yield n
def makes(k): return lambda x: x + k
def for_ever():
    while True: pass
def dies(): __import__("os")._exit(1)
def nested():
    a = []
    for _ in range(100): a = [a]
    return a
def own_item():
    a = []
    a.append(a)
    return a
def look(f):
    try: return [f.__globals__]
    except AttributeError: return [dir(f.func), f.args]
class Liar(dict):
    def values(self): return [1]
    def __getitem__(self, key): return 1
    def items(self): return [("total", 1)]
class Text(str):
    def __str__(self): return "b"
    def __eq__(self, other): return True
    __hash__ = str.__hash__
class Many(list):
    def __iter__(self): return iter([9])
class ContainsAll:
    def __contains__(self, item): return True
    def __iter__(self): return iter([1, 2])
class Addressed:
    __array_interface__ = {"shape": (), "typestr": "<f8", "data": (4096, True), "version": 3}
def liar(): return Liar(total=1.5)
def text(): return Text("a")
def many(): return Many([1, 2])
def contains_all(): return ContainsAll()
def addressed(): return Addressed()
def late(): raise TimeoutError("mine")
def no_file(): raise FileNotFoundError("mine")
def at_the_end(): raise EOFError("mine")
def in_place(x): x += 5; return x
VALUE = 42
"""


def learner(*sources: str, seconds: float = 20.0, named: dict[str, Any] | None = None) -> Iterator[Answers]:
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-c", LEARNER, str(theirs.fileno())]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[theirs.fileno()], text=True)
    assert process.stdin is not None
    process.stdin.write("\0".join(sources))
    process.stdin.close()
    try:
        yield Answers(ours, named=named or {}, seconds=seconds)
    finally:
        process.kill()
        process.wait()
        ours.close()


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    yield from learner(ANSWERS, named={"SHARED": SHARED})


SHARED = nn.Linear(1, 1)
PLAIN = [
    None, True, 7, -(2**70), 0.1, float("inf"), "ä\x00", b"\xff", 1 + 2j, [1, [2]], (1, (2,)), {1, 2}, frozenset({3}),
    {1: "a", (2, 3): [None]}, slice(1, None, 2), range(3), torch.float16, torch.Size([2, 3]), torch.device("cpu"),
    torch.arange(6).view(2, 3).T, torch.tensor(1.5), torch.zeros(0, 3), torch.tensor([True]),
    torch.tensor([1.0, float("nan")]).bfloat16(), np.arange(3), np.float64(0.5), np.int32(4), np.array([[1.0]]),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back_as_they_are(answers: Answers, value: Any) -> None:
    back = answers.fetch("echo")([value])[0]
    assert type(back) is type(value)
    if isinstance(value, Tensor):
        assert back.dtype == value.dtype and back.shape == value.shape
        assert torch.equal(back.nan_to_num(9), value.nan_to_num(9))
    elif isinstance(value, np.ndarray):
        assert back.dtype == value.dtype and np.array_equal(back, value)
    else:
        assert back == value


def test_nan_is_nan(answers: Answers) -> None:
    assert np.isnan(answers.fetch("echo")([float("nan")])[0])


def test_a_value_by_name_and_a_name_that_is_not_there(answers: Answers) -> None:
    assert answers.fetch("VALUE") == 42
    with pytest.raises(NameError, match="'unwritten' is not defined"):
        answers.fetch("unwritten")


def test_what_a_call_changes_in_its_arguments_changes_here(answers: Answers) -> None:
    numbers, table, tensor, bystander = [1], {"a": 1}, torch.zeros(2), torch.ones(2)
    assert answers.fetch("one_more")(numbers, table, tensor) is None
    assert numbers == [1, 4] and table == {"a": 1, "b": 2} and tensor.tolist() == [1, 1]
    assert answers.fetch("echo")(bystander) is bystander, "the argument itself comes back as itself"
    same = answers.fetch("echo")([bystander, bystander])
    assert same[0] is same[1]


def test_a_function_of_the_tests_is_called_and_shows_nothing_else(answers: Answers) -> None:
    secret = "the expected answer"
    assert answers.fetch("twice")(lambda x: x + len(secret), 1) == 1 + 2 * len(secret)
    seen = json.dumps(answers.fetch("look")(lambda: secret))
    assert secret not in seen

    def refuse(x: int) -> int:
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        answers.fetch("twice")(refuse, 1)


def test_arguments_may_have_any_name_on_both_ways(answers: Answers) -> None:
    named = {"self": 1, "operation": 2, "number": 3, "args": 4}
    assert answers.fetch("by_keyword")(lambda **found: found, **named) == named


def test_gradients_are_those_of_one_process(answers: Answers) -> None:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    out = answers.fetch("square")(x)
    (out["y"] * 2).backward()
    assert x.grad is not None and x.grad.tolist() == [4, 8, 12], "d/dx of 2 x^2"
    middle = x.detach().clone().requires_grad_() * 3
    middle.retain_grad()
    answers.fetch("square")(middle)["y"].backward()
    assert middle.grad is not None and middle.grad.tolist() == [6, 12, 18]
    with torch.no_grad():
        assert not answers.fetch("square")(x)["y"].requires_grad


def test_a_modules_parameters_and_their_gradients(answers: Answers) -> None:
    layer = answers.fetch("Layer")(3)
    assert isinstance(layer, Remote) and len(layer) == 3 and layer.n == 3
    assert type(layer.weight) is nn.Parameter and layer.weight.tolist() == [2, 2, 2]
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    layer(x).sum().backward()
    assert layer.weight.grad.tolist() == [1, 2, 3], "d(sum of w x)/dw"
    assert x.grad is not None and x.grad.tolist() == [2, 2, 2]
    assert len(list(layer.parameters())) == 1


def test_closures_generators_and_errors(answers: Answers) -> None:
    assert answers.fetch("makes")(5)(1) == 6
    assert list(answers.fetch("numbers")()) == [0, 1, 2]
    with pytest.raises(ValueError, match="OwnError: a size is wrong"):
        answers.fetch("fails")()
    with pytest.raises(AnswerError, match="SystemExit"):
        answers.fetch("leaves")()
    with pytest.raises(TypeError):
        answers.fetch("echo")()


def test_random_numbers_there_follow_those_here_and_never_the_reverse(answers: Answers) -> None:
    import random

    def seeded(draw: Callable[[], Any]) -> Any:
        torch.manual_seed(3), random.seed(4), np.random.seed(5)
        return draw()

    mine = seeded(lambda: (torch.rand(3), random.random(), np.random.rand()))
    theirs = seeded(answers.fetch("draw"))
    assert torch.equal(mine[0], theirs[0]) and mine[1:] == theirs[1:]


def test_a_test_that_seeds_again_gets_the_same_numbers_and_one_that_does_not_gets_the_next(answers: Answers) -> None:
    draw = answers.fetch("draw")
    torch.manual_seed(3)
    expected = torch.rand(3), torch.rand(3)
    torch.manual_seed(3)
    first, second = draw()[0], draw()[0]
    torch.manual_seed(3)
    again = draw()[0]
    assert torch.equal(first, expected[0]) and torch.equal(second, expected[1])
    assert torch.equal(again, first)


@pytest.mark.parametrize("name", ["yes", "evil"])
def test_an_object_with_tricks_is_equal_to_nothing(answers: Answers, name: str) -> None:
    value = answers.fetch(name)()
    assert type(value) is Remote
    assert value != 3.0 and value != torch.zeros(2) and not isinstance(value, float | Tensor)


@pytest.mark.parametrize(
    ("name", "plain"),
    [("magic", 3.0), ("subclass", torch.zeros(2)), ("liar", {"total": 1.5}), ("text", "a"), ("many", [1, 2])],
)
def test_of_a_subclass_what_it_holds_comes_and_not_what_it_says(answers: Answers, name: str, plain: Any) -> None:
    value = answers.fetch(name)()
    assert type(value) is type(plain)
    assert torch.equal(value, plain) if isinstance(plain, Tensor) else value == plain


def test_numpy_and_torch_get_no_address_from_the_learner(answers: Answers) -> None:
    """They ask what they do not know for its memory."""
    value = answers.fetch("addressed")()
    assert type(value) is Remote
    for ask in (lambda: value.__array_interface__, lambda: value.__array_struct__, lambda: value.__array__()):
        with pytest.raises(AttributeError):
            ask()
    with pytest.raises((TypeError, ValueError)):
        np.float64(value)


def test_what_is_in_a_remote_thing_is_looked_for_here(answers: Answers) -> None:
    value = answers.fetch("contains_all")()
    assert 1 in value and 7 not in value


def test_errors_of_the_learners_keep_their_kind(answers: Answers) -> None:
    for name, kind in [("late", TimeoutError), ("no_file", FileNotFoundError), ("at_the_end", EOFError)]:
        with pytest.raises(kind, match="mine"):
            answers.fetch(name)()


def test_changes_of_arguments_are_counted_and_can_be_kept_from_the_test() -> None:
    numbers, table, tensor = [1], {"a": 1}, torch.zeros(2)
    for answers in learner(ANSWERS):
        answers.shows_changes = False
        answers.fetch("one_more")(numbers, table, tensor)
        assert answers.n_changed == 3 and numbers == [1] and table == {"a": 1} and tensor.tolist() == [0, 0]
        returned = answers.fetch("in_place")(tensor)
        assert returned.tolist() == [5, 5] and tensor.tolist() == [0, 0]


def test_what_both_sides_have_is_named_and_what_cannot_cross_is_refused(answers: Answers) -> None:
    with pytest.raises(ValueError, match="'named' makes no sense"):  # this learner's namespace lacks it
        answers.fetch("echo")(SHARED)
    with pytest.raises(WireError, match="a Linear, which cannot cross"):
        answers.fetch("echo")(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="nested too deeply"):
        answers.fetch("nested")()
    itself = answers.fetch("own_item")()
    assert itself[0] is itself
    assert answers.fetch("echo")(1) == 1, "and the connection still serves"


def test_an_endless_call_times_out_and_a_dead_kernel_is_noticed() -> None:
    for slow in learner(ANSWERS):
        assert slow.fetch("VALUE") == 42
        slow.timed.deadline = time.monotonic() + 0.5
        with pytest.raises(CallTimeoutError):
            slow.fetch("for_ever")()
        slow.timed.deadline += 60
        with pytest.raises(KernelDiedError):  # an answer that comes late must answer nothing
            slow.fetch("VALUE")
    for dead in learner(ANSWERS):
        with pytest.raises(KernelDiedError):
            dead.fetch("dies")()


def frame(head: bytes, body: bytes = b"") -> bytes:
    return LENGTHS.pack(len(head), len(body)) + head + body


@pytest.mark.parametrize(
    "data",
    [
        frame(b"[]"), frame(b"{"), frame(b"{}", b"xx"), frame(b"\xff"), frame(b"[" * 100_000),
        struct.pack("!QQ", 2**62, 1),
        frame(b'{"answer": NaN' + b"1" * 5000 + b"}"),
    ],
)  # fmt: skip
def test_a_frame_that_is_none_is_an_error_of_ours(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data[:150_000])
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises((WireError, EOFError)):
            receive(ours)


@pytest.mark.parametrize(
    "tree",
    [
        [], {}, {"tensor": 5}, {"list": 3}, {"same": 0}, {"same": -1}, {"dict": [[{"list": []}, 1]]}, {"dtype": "save"},
        {"scalar": ["object", 1]}, {"scalar": ["float64", {"mine": [0, "A", False]}]}, {"range": [0, 10**18, 1]},
        {"scalar": ["str", "x"]}, {"pickle": "gASVAA=="}, {"size": ["a"]}, {"generator": 0},
        {"mine": [1]}, {"yours": 0}, {"named": "SHARED"}, {"bytes": 5}, {"device": "no"}, {"set": [{"list": []}]},
    ],
)  # fmt: skip
def test_a_tree_that_no_writer_makes_is_refused(tree: Any) -> None:
    checker = Answers(socket.socketpair()[0])
    with pytest.raises(WireError):
        Reader({}, checker.take, trusts=False).value(tree)


def test_random_trees_raise_nothing_else() -> None:
    import random

    generator = random.Random(0)
    names = [
        "list",
        "dict",
        "tuple",
        "tensor",
        "same",
        "scalar",
        "slice",
        "range",
        "complex",
        "set",
        "size",
        "mine",
        "x",
    ]

    def grow(depth: int) -> Any:
        leaves = [None, 1, -1, "a", 2.5, [], {}, True, 10**30]
        if depth == 0 or generator.random() < 0.3:
            return generator.choice(leaves)
        if generator.random() < 0.5:
            return [grow(depth - 1) for _ in range(generator.randrange(3))]
        return {generator.choice(names): grow(depth - 1)}

    checker = Answers(socket.socketpair()[0])
    for _ in range(20_000):
        with contextlib.suppress(WireError):
            Reader({"0": torch.zeros(2)}, checker.take).value(grow(5))


def test_send_and_receive_are_inverse() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        writer = Writer(lambda value: {"x": 1})
        tree = writer.tree([torch.ones(3), "a"])
        send(theirs, {"answer": tree}, writer.tensors)
        message, tensors = receive(ours)
        value = Reader(tensors, lambda name, content: None).value(message["answer"])
        assert value[1] == "a" and value[0].tolist() == [1, 1, 1]


def defined(source: str) -> list[str]:
    """The names that a cell gives a value."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        else:
            names += [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return names


ACROSS = {"00_start_here": 6, "04_thinking_longer": 14, "06_hardware": 14, "07_chips_and_rules": 14}


@pytest.mark.parametrize("name", ACROSS)
def test_a_sets_tests_pass_across_two_processes(name: str) -> None:
    """The solution's functions in one process, visible and hidden tests in another."""
    cells = [
        c
        for c in read(target_of(name, ROOT)).cells
        if c.cell_type == "code" and grade_id_of(c) and "%pip" not in c.source
    ]
    theirs = [c.source for c in cells if is_answer(c)]
    given = [c.source for c in cells if not is_answer(c) and not is_test(c)]
    answer_names = [name for source in theirs for name in defined(source)]
    ours: dict[str, Any] = {"__name__": "__main__"}
    uses = [{n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)} for source in given]
    for source, names in zip(given, uses, strict=True):
        if not names & set(answer_names):  # a table that shows the answers' results is for the learner only
            exec(compile(source, "<given>", "exec"), ours)
    both = [c.source for c in cells if not is_test(c)]
    n_tests = 0
    for answers in learner(*both, named=dict(ours)):
        ours |= {answer: answers.fetch(answer) for answer in answer_names}
        for cell in cells:
            if is_test(cell):
                exec(compile(cell.source, f"<{grade_id_of(cell)}>", "exec"), ours)
                n_tests += 1
    assert n_tests == ACROSS[name]
