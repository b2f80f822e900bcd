"""Values as plain data, for two processes of which one trusts nothing that the other says.

A frame is a length, a JSON tree and a block of tensors (safetensors). Nothing is ever unpickled, and every value that
arrives is of the exact built-in type that the tree names: whatever a sender does to its own classes (an `__eq__` that
always says yes, a float with magic) stays on its side. What is not plain data crosses as a number under which its owner
keeps it (`Handle`). Left out: tensors that share memory, sparse and quantised ones, and classes, whose instances are
handles; of Python's own types those that no exercise passes (dates, paths, ...).
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

LARGEST_FRAME = 512 * 2**20  # bytes; the largest set passes about 60 MB
LENGTHS = struct.Struct("!QQ")  # bytes of the tree, bytes of the tensors
LONGEST_RANGE = 10**7
DEEPEST = 60  # nested containers
DTYPES = {str(d).removeprefix("torch."): d for d in vars(torch).values() if isinstance(d, torch.dtype)}
NUMPY_KINDS = "biufc"  # of arrays and scalars: numbers only, never objects
SCALARS = {np.dtype(kind).name: np.dtype(kind).type for kind in "?bhilqBHILQefdFD"}


class WireError(ValueError):
    """A value that cannot cross, or a frame that makes no sense."""


@dataclass(frozen=True)
class Handle:
    """A thing that stays with its owner: its number there, the name of its class, and whether it can be called."""

    number: int
    kind: str
    is_callable: bool = False


class Writer:
    """Turns values into a tree; keeps the tensors, and the changeable values in the order in which they were met."""

    def __init__(self, hand_out: Callable[[Any], dict[str, Any]]) -> None:
        self.hand_out = hand_out  # what stands in the tree for a value that is not plain data
        self.tensors: list[Tensor] = []
        self.changeable: list[Any] = []
        self._numbers: dict[int, int] = {}

    def tree(self, value: Any, depth: int = 0) -> Any:
        """A JSON value.

        Raises:
            WireError: containers nested too deeply.
        """
        if depth > DEEPEST:
            raise WireError("a value is nested too deeply")
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if kind in (list, dict, set, Tensor, nn.Parameter, np.ndarray):
            if id(value) in self._numbers:
                return {"same": self._numbers[id(value)]}
            self._numbers[id(value)] = len(self.changeable)
            self.changeable.append(value)
        if kind in (list, tuple, set, frozenset):
            return {kind.__name__: [self.tree(item, depth + 1) for item in value]}
        if kind is dict:
            return {"dict": [[self.tree(k, depth + 1), self.tree(v, depth + 1)] for k, v in value.items()]}
        if kind in (Tensor, nn.Parameter):
            return self._tensor(value, depth)
        if kind is np.ndarray and value.dtype.kind in NUMPY_KINDS:
            return {"array": self._keep(torch.from_numpy(np.ascontiguousarray(value).copy()))}
        if isinstance(value, np.generic) and value.dtype.kind in NUMPY_KINDS:
            return {"scalar": [value.dtype.name, self.tree(value.item(), depth + 1)]}
        if kind is complex:
            return {"complex": [self.tree(value.real), self.tree(value.imag)]}
        if kind is bytes:
            return {"bytes": base64.b64encode(value).decode()}
        if kind is torch.dtype:
            return {"dtype": str(value).removeprefix("torch.")}
        if kind is torch.device:
            return {"device": str(value)}
        if kind is torch.Size:
            return {"size": list(value)}
        if kind in (slice, range):
            return {kind.__name__: [self.tree(part) for part in (value.start, value.stop, value.step)]}
        if kind is torch.Generator:
            return {"generator": self._keep(value.get_state())}
        if (base := as_base(value)) is not value:
            return self.tree(base, depth)
        return self.hand_out(value)

    def _tensor(self, tensor: Tensor, depth: int) -> dict[str, Any]:
        node: dict[str, Any] = {"tensor": self._keep(tensor)}
        if type(tensor) is nn.Parameter:
            node["parameter"] = True
        if tensor.requires_grad:
            node["grad"] = True
        if tensor.is_leaf and tensor.grad is not None:
            node["has_grad"] = self._keep(tensor.grad)
        return node

    def _keep(self, tensor: Tensor) -> int:
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise WireError(f"a {tensor.layout} tensor cannot be checked; return a dense one")
        if tensor.device.type == "meta":
            raise WireError("a tensor on the meta device has no numbers to check")
        self.tensors.append(tensor.detach().cpu().contiguous().clone())
        return len(self.tensors) - 1


def as_base(value: Any) -> Any:
    """What an instance of a subclass of a plain type holds, whatever its own methods say; anything else as it is."""
    if isinstance(value, dict):
        return dict(dict.items(value))
    bases: tuple[Any, ...] = (list, tuple, set, frozenset)
    for base in bases:
        if isinstance(value, base):
            return base(base.__iter__(value))
    if isinstance(value, int):
        return int.__index__(value)
    if isinstance(value, float):
        return float.__add__(value, 0.0)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Tensor):
        return Tensor.as_subclass(value, Tensor)
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMPY_KINDS:
        return np.ndarray.view(value, np.ndarray)
    return value


class Reader:
    """Turns a tree back into values of exact types.

    `trusts` the sender also with what could harm this process: the state of a random generator.
    """

    def __init__(self, tensors: dict[str, Tensor], take: Callable[[str, Any], Any], *, trusts: bool = True) -> None:
        self.tensors = tensors
        self.trusts = trusts
        self.take = take  # what a node that is not plain data stands for
        self.changeable: list[Any] = []
        self.differentiable: list[Tensor] = []  # those whose gradient the sender can compute

    def value(self, tree: Any) -> Any:
        """What the tree says.

        Raises:
            WireError: a tree that no `Writer` makes.
        """
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        if not isinstance(tree, dict) or not tree:
            raise WireError("a node of a value is neither plain nor named")
        name, content = next(iter(tree.items()))
        try:
            return self._node(name, content, tree)
        except (KeyError, TypeError, IndexError, ValueError, AttributeError, RuntimeError, OverflowError) as problem:
            if isinstance(problem, WireError):
                raise
            raise WireError(f"a node {name!r} makes no sense") from problem

    def _node(self, name: str, content: Any, tree: dict[str, Any]) -> Any:
        match name:
            case "float":
                return float(content)
            case "same":
                return self.changeable[content]
            case "list":
                items: list[Any] = []
                self.changeable.append(items)
                items.extend(self.value(item) for item in content)
                return items
            case "set":
                some: set[Any] = set()
                self.changeable.append(some)
                some.update(self.value(item) for item in content)
                return some
            case "dict":
                table: dict[Any, Any] = {}
                self.changeable.append(table)
                table.update((self.value(key), self.value(item)) for key, item in content)
                return table
            case "tuple":
                return tuple(self.value(item) for item in content)
            case "frozenset":
                return frozenset(self.value(item) for item in content)
            case "tensor":
                return self._tensor(content, tree)
            case "array":
                array = self.tensors[str(content)].numpy()
                self.changeable.append(array)
                return array
            case "scalar":
                number = self.value(content[1])
                if type(number) not in (bool, int, float, complex):  # NumPy would ask anything else for its memory
                    raise WireError("a scalar is no number")
                return SCALARS[content[0]](number)
            case "complex":
                return complex(self.value(content[0]), self.value(content[1]))
            case "bytes":
                return base64.b64decode(content)
            case "dtype":
                return DTYPES[content]
            case "device":
                return torch.device(content)
            case "size":
                return torch.Size(content)
            case "slice":
                return slice(*(self.value(part) for part in content))
            case "range":
                numbers = range(*(self.value(part) for part in content))
                if len(numbers) > LONGEST_RANGE:
                    raise WireError("a range is too long")
                return numbers
            case "generator" if self.trusts:
                generator = torch.Generator()
                generator.set_state(self.tensors[str(content)])
                return generator
        return self.take(name, content)

    def _tensor(self, number: int, tree: dict[str, Any]) -> Tensor:
        tensor = self.tensors[str(number)]
        if tree.get("parameter"):
            tensor = nn.Parameter(tensor, requires_grad=bool(tree.get("grad")))
        elif tree.get("grad"):
            tensor.requires_grad_()
        if tensor.requires_grad:
            self.differentiable.append(tensor)
        if "has_grad" in tree:
            tensor.grad = self.tensors[str(tree["has_grad"])]
        self.changeable.append(tensor)
        return tensor


class Stream(Protocol):
    """What a frame goes through: a socket, or something that times one."""

    def recv(self, bufsize: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> None: ...


def send(connection: Stream, message: dict[str, Any], tensors: list[Tensor]) -> None:
    """One frame.

    Raises:
        WireError: a frame larger than `LARGEST_FRAME`.
    """
    head = json.dumps(message, allow_nan=False).encode()
    body = save_tensors({str(n): tensor for n, tensor in enumerate(tensors)}) if tensors else b""
    if len(head) + len(body) > LARGEST_FRAME:
        raise WireError(f"{(len(head) + len(body)) / 2**20:.0f} MB are too much to check; is a size wrong?")
    connection.sendall(LENGTHS.pack(len(head), len(body)) + head)
    if body:
        connection.sendall(body)


def receive(connection: Stream) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The next frame.

    Raises:
        EOFError: the other side is gone.
        WireError: something that is no frame.
    """
    head_size, body_size = LENGTHS.unpack(_exactly(connection, LENGTHS.size))
    if head_size + body_size > LARGEST_FRAME:
        raise WireError("a frame is too large")
    head, body = _exactly(connection, head_size), _exactly(connection, body_size)
    try:
        message = json.loads(head)
        tensors = load_tensors(bytes(body)) if body else {}
    except Exception as problem:  # whatever the two parsers say of bytes that anyone may have written
        raise WireError("a frame cannot be read") from problem
    if not isinstance(message, dict):
        raise WireError("a frame holds no message")
    return message, tensors


def _exactly(connection: Stream, n_bytes: int) -> bytearray:
    data = bytearray()
    while len(data) < n_bytes:
        piece = connection.recv(min(n_bytes - len(data), 2**20))
        if not piece:
            raise EOFError("the other side has closed the connection")
        data += piece
    return data
