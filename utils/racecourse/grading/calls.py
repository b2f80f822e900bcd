"""The learner's functions, called from a process that the learner's code never sees.

`Answers` is the checker's side: it fetches a name from the learner's namespace, and a function comes back as a
`Remote` that can be called like the original. `serve` is the learner's side: it answers such calls, one after the
other, in the kernel's main thread. Arguments and results are plain data (`wire`); what a call changed in its arguments
is changed here as well; a gradient that is asked for here is computed there. The random generators there follow those
here, never the reverse.
A test may hand over functions of its own: the learner's code can call them, and learns nothing else about them.

Left out: threads, asynchronous functions, and isinstance checks against the learner's own classes.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import random
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from racecourse.grading.trace import CalledFromPackage
from racecourse.grading.wire import Handle, Reader, Stream, WireError, Writer, receive, send

MOST_CALLS_BACK = 100_000  # of one call: a learner's code that calls a test's function for ever
STOP = {"stop": True}
OF_OURS = "racecourse.grading."


class AnswerError(Exception):
    """An error of the learner's own class, raised in their kernel; built-in errors come back as themselves."""


class KernelDiedError(BaseException):
    """The learner's kernel no longer answers. Not an `Exception`, so that no test takes it for an error of a call."""


class CallTimeoutError(BaseException):
    """The calls of one test took longer than they may."""


@dataclass
class Peer:
    """What both sides share: values out and in, and the random generators in step."""

    connection: Stream
    kept: dict[int, Any] = field(default_factory=dict)  # handed out, by number
    last_state: RandomState | None = None

    def keep(self, value: Any) -> int:
        number = len(self.kept)
        self.kept[number] = value
        return number

    def send(self, message: dict[str, Any], writer: Writer, *, with_state: bool = True) -> None:
        if with_state:
            state = random_state()
            if state != self.last_state:
                message["random"] = writer.tree(state.arrays())
                self.last_state = state
        send(self.connection, message, writer.tensors)

    def note_draw(self) -> None:
        """The other side drew and goes on from where it is, so that a test which seeds again, even with the same
        number, must be seen to have changed the state here.
        """
        torch.rand(1), random.random(), np.random.rand()
        self.last_state = random_state()

    def adopt_state(self, message: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Only the learner's side does: a state from there could make a test's numbers known, or crash who draws."""
        if "random" in message:
            set_random_state(Reader(tensors, take_nothing).value(message["random"]))


def take_nothing(name: str, content: Any) -> Any:
    raise WireError(f"nothing is known of a {name!r}")


@dataclass(frozen=True)
class RandomState:
    """The state of Python's, NumPy's and torch's generators. Taken at every call, so as they give it, and cheap."""

    of_torch: bytes
    of_python: tuple[Any, ...]
    of_numpy: tuple[Any, ...]  # with the keys as bytes

    def arrays(self) -> tuple[Any, ...]:
        """As it crosses."""
        version, words, gauss = self.of_python
        kind, keys, *rest = self.of_numpy
        of_torch = torch.frombuffer(bytearray(self.of_torch), dtype=torch.uint8)
        keys = np.frombuffer(keys, dtype=np.uint32).astype(np.int64)
        return of_torch, np.array(words, dtype=np.int64), version, gauss, kind, keys, *rest


def random_state() -> RandomState:
    kind, keys, *rest = cast(tuple[Any, ...], np.random.get_state())
    return RandomState(torch.get_rng_state().numpy().tobytes(), random.getstate(), (kind, keys.tobytes(), *rest))


def set_random_state(state: tuple[Any, ...]) -> None:
    torch.set_rng_state(state[0])
    random.setstate((state[2], tuple(state[1].tolist()), state[3]))
    np.random.set_state((state[4], state[5].astype(np.uint32), *state[6:]))


def snapshot(value: Any) -> Any:
    """What `changed` compares with: the numbers of a tensor or array, the things in a container."""
    if isinstance(value, Tensor):
        return value.detach().clone(), value.grad
    if isinstance(value, np.ndarray):
        return value.copy()
    return list(value.items()) if isinstance(value, dict) else list(value)


def changed(value: Any, before: Any) -> bool:
    if isinstance(value, Tensor):
        old, grad = before
        same = value.shape == old.shape and value.dtype == old.dtype and _same_bytes(value, old)
        return not same or value.grad is not grad
    if isinstance(value, np.ndarray):
        return value.tobytes() != before.tobytes() or value.shape != before.shape
    now = snapshot(value)
    if len(now) != len(before):
        return True
    if isinstance(value, dict):
        return any(k is not k2 or v is not v2 for (k, v), (k2, v2) in zip(now, before, strict=True))
    return any(item is not other for item, other in zip(now, before, strict=True))


def _same_bytes(a: Tensor, b: Tensor) -> bool:
    a, b = a.detach().contiguous(), b.contiguous()
    return torch.equal(a.flatten().view(torch.uint8), b.flatten().view(torch.uint8)) if a.numel() else True


def put_back(value: Any, new: Any) -> None:
    """Make `value`, which a call was given, what the call left of it."""
    if isinstance(value, Tensor):
        with torch.no_grad():
            if value.shape != new.shape or value.dtype != new.dtype:
                value.data = new.data
            else:
                value.data.copy_(new)  # .data: also where the test forbids it, as code in the same process could
        if value.is_leaf:
            value.grad = new.grad
    elif isinstance(value, np.ndarray):
        value[...] = new
    elif isinstance(value, list):
        value[:] = new
    else:
        value.clear()
        value.update(new)


# -------------------------------------------------------------------------------------------------- the learner's side


def answer_calls(address: str | tuple[str, int], token: str, namespace: dict[str, Any]) -> None:
    """What the grader has a learner's kernel do at a test: connect to the checker and answer its calls."""
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as connection:
        connection.connect(address)
        connection.sendall(token.encode())
        with contextlib.suppress(EOFError, ConnectionError):  # it may have had enough
            called = serve(connection, namespace)
            send(connection, {"called": sorted(name for name in called if not name.startswith(OF_OURS))}, [])


def serve(connection: socket.socket, namespace: dict[str, Any]) -> set[str]:
    """Answer calls until the checker says stop; what the learner's code makes this say is data to the checker.

    Returns the functions of the package that the learner's code called meanwhile.
    """
    server = _Server(Peer(connection), namespace)
    server.run()
    return server.package.called


class _Server:
    def __init__(self, peer: Peer, namespace: dict[str, Any]) -> None:
        self.peer, self.namespace = peer, namespace
        self.package = CalledFromPackage()
        self.graphs: dict[int, tuple[list[Tensor], list[Tensor]]] = {}

    def run(self) -> Any:
        """Serve requests; returns at the answer to a call that went back to the checker, or at the end."""
        while True:
            message, tensors = receive(self.peer.connection)
            if "stop" in message:
                return None
            if "answer" in message or "error" in message:
                return message, tensors
            self.reply(message, tensors)

    def reply(self, message: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        reader = Reader(tensors, self.take)
        writer = Writer(self.hand_out)
        try:
            self.peer.adopt_state(message, tensors)
            before = random_state()
            answer = self.act(message, reader, writer)
            answer["drew"] = random_state() != before
        except BaseException as error:  # SystemExit and KeyboardInterrupt are answers, too
            writer = Writer(self.hand_out)
            answer = {"error": describe(error), "drew": True}  # it may have
        try:
            self.peer.send(answer, writer, with_state=False)
        except WireError as error:
            send(self.peer.connection, {"error": describe(error)}, [])

    def act(self, message: dict[str, Any], reader: Reader, writer: Writer) -> dict[str, Any]:
        match message["do"]:
            case "fetch":
                return {"answer": writer.tree({n: self.namespace[n] for n in message["names"] if n in self.namespace})}
            case "call":
                return self.call(message, reader, writer)
            case "backward":
                return {"answer": writer.tree(self.backward(message["graph"], reader.value(message["grads"])))}
        raise WireError(f"nothing is known of {message['do']!r}")

    def call(self, message: dict[str, Any], reader: Reader, writer: Writer) -> dict[str, Any]:
        args, kwargs = reader.value(message["args"]), reader.value(message["kwargs"])
        given = list(reader.changeable)
        inputs = list(reader.differentiable)
        before = [snapshot(value) for value in given]
        operation = OPERATIONS.get(message["operation"])
        with torch.set_grad_enabled(message["grad_enabled"]), self.package:
            result = operation(*args, **kwargs) if operation else args[0](*args[1:], **kwargs)
        after = [n for n, (value, was) in enumerate(zip(given, before, strict=True)) if changed(value, was)]
        numbers = {id(value): n for n, value in enumerate(given)}
        answer: dict[str, Any] = {"changed": [[n, writer.tree(copy_of(given[n]))] for n in after]}
        if id(result) in numbers:
            answer["is_given"] = numbers[id(result)]
        answer["answer"] = writer.tree(result)
        outputs = [t for t in writer.changeable if isinstance(t, Tensor) and t.requires_grad and not t.is_leaf]
        if outputs:
            self.graphs[len(self.graphs)] = (inputs, outputs)
            answer["graph"] = len(self.graphs) - 1
            answer["outputs"] = [
                n
                for n, t in enumerate(t for t in writer.changeable if isinstance(t, Tensor) and t.requires_grad)
                if not t.is_leaf
            ]
        return answer

    def backward(self, graph: int, grads: list[Tensor | None]) -> list[Tensor | None]:
        inputs, outputs = self.graphs[graph]
        held = [tensor.grad for tensor in inputs]
        for tensor in inputs:
            tensor.grad = None
        asked = [(out, grad) for out, grad in zip(outputs, grads, strict=True) if grad is not None]
        with self.package:
            torch.autograd.backward([out for out, _ in asked], [grad for _, grad in asked], retain_graph=True)
        found = [tensor.grad for tensor in inputs]
        for tensor, grad in zip(inputs, held, strict=True):
            tensor.grad = grad
        return found

    def take(self, name: str, content: Any) -> Any:
        match name:
            case "yours":
                return self.peer.kept[content]
            case "named":
                return self.namespace[content]
            case "mine":
                return functools.partial(self.call_back, content)
        raise WireError(f"nothing is known of a {name!r}")

    def hand_out(self, value: Any) -> dict[str, Any]:
        number = self.peer.keep(value)
        return {"mine": [number, type(value).__name__, callable(value)]}

    def call_back(self, number: int, /, *args: Any, **kwargs: Any) -> Any:
        writer = Writer(self.hand_out)
        message = {"back": number, "args": writer.tree(list(args)), "kwargs": writer.tree(kwargs)}
        self.peer.send(message, writer, with_state=False)
        answer, tensors = self.run()
        reader = Reader(tensors, self.take)
        self.peer.adopt_state(answer, tensors)
        if "error" in answer:
            raise remade(answer["error"])
        return reader.value(answer["answer"])


def copy_of(value: Any) -> Any:
    """A shallow copy, so that the writer does not take it for one that it has written already."""
    if isinstance(value, Tensor):
        new = value.detach().clone()
        new.grad = value.grad
        return new
    return value.copy()


OPERATIONS: dict[str, Callable[..., Any]] = {
    "getattr": getattr,
    "setattr": setattr,
    "len": len,
    "iter": iter,
    "next": next,
    "getitem": lambda value, key: value[key],
    "setitem": lambda value, key, item: value.__setitem__(key, item),
    "bool": bool,
    "repr": repr,
    "enter": lambda value: value.__enter__(),
    "exit": lambda value: value.__exit__(None, None, None),
}


def describe(error: BaseException) -> dict[str, Any]:
    kinds = [kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins"]
    try:
        text = str(error)
    except Exception:  # a class of the learner's
        text = ""
    return {"kind": type(error).__name__, "bases": kinds, "text": text[:10_000]}


def remade(said: Any) -> BaseException:
    """The error that was described, as one of Python's own classes. SystemExit and its like become RuntimeError."""
    try:
        kind, text, bases = str(said["kind"]), str(said["text"]), [str(base) for base in said["bases"]]
    except (KeyError, TypeError):
        return AnswerError("an error that could not be read")
    for base in bases:
        known = getattr(builtins, base, None)
        if isinstance(known, type) and issubclass(known, Exception) and known is not Exception:
            with contextlib.suppress(Exception):  # UnicodeError and others take more than a text
                return known(text if base == kind else f"{kind}: {text}")
    return AnswerError(f"{kind}: {text}")


# -------------------------------------------------------------------------------------------------- the checker's side


class Remote:
    """Something in the learner's kernel. What is done to it is done there.

    What is in it (`in`) is found by looking through it, so that each item comes as plain data.
    """

    def __init__(self, answers: Answers, handle: Handle) -> None:
        object.__setattr__(self, "_answers", answers)
        object.__setattr__(self, "_handle", handle)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._answers.call("", self, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "__name__":
            return self._handle.kind
        if name.startswith("__"):  # NumPy and torch ask for such names, and believe what they get: an address, say
            raise AttributeError(name)
        return self._answers.call("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._answers.call("setattr", self, name, value)

    def __len__(self) -> int:
        return self._answers.call("len", self)

    def __bool__(self) -> bool:
        return bool(self._answers.call("bool", self))

    def __iter__(self) -> Iterator[Any]:
        iterator = self._answers.call("iter", self)
        while True:
            try:
                yield self._answers.call("next", iterator)
            except StopIteration:
                return

    def __next__(self) -> Any:
        return self._answers.call("next", self)

    def __getitem__(self, key: Any) -> Any:
        return self._answers.call("getitem", self, key)

    def __setitem__(self, key: Any, item: Any) -> None:
        self._answers.call("setitem", self, key, item)

    def __enter__(self) -> Any:
        return self._answers.call("enter", self)

    def __exit__(self, *_: Any) -> None:
        self._answers.call("exit", self)

    def __repr__(self) -> str:
        return str(self._answers.call("repr", self))

    def __eq__(self, other: object) -> bool:
        """Only the same thing is equal: what the learner's `__eq__` says is not asked."""
        return isinstance(other, Remote) and other._handle.number == self._handle.number

    def __hash__(self) -> int:
        return hash(self._handle.number)


class _Gradient(torch.autograd.Function):
    """The learner's computation as one node of the checker's graph."""

    @staticmethod
    def forward(ctx: Any, answers: Answers, graph: int, n_inputs: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.answers, ctx.graph, ctx.n_inputs = answers, graph, n_inputs
        ctx.set_materialize_grads(False)
        return tuple(tensor.detach().clone() for tensor in tensors[n_inputs:-1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        found = ctx.answers.request({"do": "backward", "graph": ctx.graph}, grads=list(grads))
        return None, None, None, *found, *[None] * (len(grads) + 1)


@dataclass
class _Timed:
    """A connection whose every wait ends at one deadline, however slowly the bytes come."""

    connection: socket.socket
    deadline: float  # of time.monotonic()

    def recv(self, n_bytes: int) -> bytes:
        self.connection.settimeout(self.left())
        return self.connection.recv(n_bytes)

    def sendall(self, data: bytes) -> None:
        self.connection.settimeout(self.left())
        self.connection.sendall(data)

    def left(self) -> float:
        if (seconds := self.deadline - time.monotonic()) <= 0:
            raise TimeoutError
        return seconds


@dataclass
class Answers:
    """The learner's namespace, seen from outside: `answers.fetch("head_norm")`."""

    connection: socket.socket
    named: Mapping[str, Any] = field(default_factory=dict)  # values of the set's own cells, which both sides have
    seconds: float = 60.0  # for everything that is asked, from now on
    shows_changes: bool = True  # of arguments, to the caller, as in one process
    n_changed: int = 0  # arguments that calls changed
    peer: Peer = field(init=False)

    def __post_init__(self) -> None:
        self.timed = _Timed(self.connection, time.monotonic() + self.seconds)
        self.peer = Peer(self.timed)
        self.names = {id(value): name for name, value in self.named.items()}

    def fetch(self, name: str) -> Any:
        """The value that a name has in the learner's namespace.

        Raises:
            NameError: no such name there.
        """
        try:
            return self.fetch_all([name])[name]
        except KeyError:
            raise NameError(f"name {name!r} is not defined") from None

    def fetch_all(self, names: Iterable[str]) -> dict[str, Any]:
        """The values of those names that the learner's namespace has. If one of them cannot cross, none does."""
        values = self.request({"do": "fetch", "names": list(names)})
        if type(values) is not dict:
            raise WireError("names were asked for, and something else came")
        return values

    def stop(self) -> list[str]:
        """Let the kernel go on; what it says that the learner's code called of the package: for a report, not proof."""
        try:
            send(self.timed, STOP, [])
            called = receive(self.timed)[0].get("called")
        except (OSError, EOFError, WireError):
            return []
        return [str(name)[:200] for name in called[:100]] if isinstance(called, list) else []

    def call(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        return self.request({"do": "call", "operation": operation}, args=list(args), kwargs=kwargs)

    def request(self, message: dict[str, Any], **values: Any) -> Any:
        """Send a request and do what comes back until its answer is there."""
        writer = Writer(self.hand_out)
        for name, value in values.items():
            message[name] = writer.tree(value)
        message["grad_enabled"] = torch.is_grad_enabled()
        with self.plain_errors():
            self.peer.send(message, writer)
            for _ in range(MOST_CALLS_BACK):
                answer, tensors = receive(self.timed)
                reader = Reader(tensors, self.take, trusts=False)
                if "back" not in answer:
                    break
                self.answer_back(answer, reader)
            else:
                raise AnswerError(f"called a function of the test more than {MOST_CALLS_BACK:,} times")
        if answer.get("drew"):
            self.peer.note_draw()
        if "error" in answer:
            raise remade(answer["error"])
        return self.result(answer, reader, writer)

    @contextlib.contextmanager
    def plain_errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            self.connection.close()  # an answer that comes late answers nothing
            raise CallTimeoutError(f"no answer within {self.seconds:g} s") from None
        except (EOFError, OSError):
            raise KernelDiedError("the kernel died") from None

    def result(self, answer: dict[str, Any], reader: Reader, writer: Writer) -> Any:
        changes: dict[int, Any] = {}
        for number, tree in answer.get("changed", []):
            new = changes[number] = reader.value(tree)
            if not self.shows_changes:
                continue
            old = writer.changeable[number]  # after args and kwargs the lists that hold them count, too
            if type(new) is type(old):
                put_back(old, new)
        self.n_changed += len(changes)
        if (number := answer.get("is_given")) is not None:
            return writer.changeable[number] if self.shows_changes else changes.get(number, writer.changeable[number])
        n_before = len(reader.changeable)
        value = reader.value(answer["answer"])
        if "graph" in answer:
            value = self.differentiable(answer, reader, writer, n_before, value)
        return value

    def differentiable(self, answer: dict[str, Any], reader: Reader, writer: Writer, n_before: int, value: Any) -> Any:
        """The same value with its tensors joined to the gradient that the learner's kernel can compute."""
        candidates = [t for t in reader.changeable[n_before:] if isinstance(t, Tensor) and t.requires_grad]
        outputs = [candidates[n] for n in answer["outputs"]]
        inputs = [t for t in writer.changeable if isinstance(t, Tensor) and t.requires_grad]
        hook = torch.zeros((), requires_grad=True)  # so that there is something to differentiate by, in any case
        with torch.enable_grad():
            joined = _Gradient.apply(self, answer["graph"], len(inputs), *inputs, *(o.detach() for o in outputs), hook)
        table = {id(old): new for old, new in zip(outputs, joined, strict=True)}
        return replaced(value, table)

    def take(self, name: str, content: Any) -> Any:
        """What the learner's side handed out: a thing of its own, never one of ours."""
        if name == "mine":
            number, kind, is_callable = content
            return Remote(self, Handle(int(number), str(kind), bool(is_callable)))
        raise WireError(f"nothing is known of a {name!r}")

    def hand_out(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote):
            return {"yours": value._handle.number}
        if id(value) in self.names:
            return {"named": self.names[id(value)]}
        if isinstance(value, FunctionType | BuiltinFunctionType | functools.partial):
            return {"mine": self.peer.keep(value)}
        raise WireError(f"a test passes a {type(value).__name__}, which cannot cross")

    def answer_back(self, request: dict[str, Any], reader: Reader) -> None:
        """Call a function of the test's for the learner's code."""
        writer = Writer(self.hand_out)
        try:
            function = self.peer.kept[request["back"]]
            answer = {
                "answer": writer.tree(function(*reader.value(request["args"]), **reader.value(request["kwargs"])))
            }
        except Exception as error:
            writer, answer = Writer(self.hand_out), {"error": describe(error)}
        self.peer.send(answer, writer)


def replaced(value: Any, table: Mapping[int, Any]) -> Any:
    """The same value with some tensors in it replaced."""
    if id(value) in table:
        return table[id(value)]
    if type(value) in (list, tuple, set, frozenset):
        return type(value)(replaced(item, table) for item in value)
    if type(value) is dict:
        return {key: replaced(item, table) for key, item in value.items()}
    return value
