"""A T4 that is not there: tensors stay in main memory and remember that they "lie on the GPU".

`pretend()` in a notebook's first cell makes torch and this course believe in one GPU of compute capability 7.5. What is
made there, moved there, or computed from such a tensor is tagged; an operation that mixes tagged and untagged tensors
raises, as torch does, and so does `.numpy()` of a tagged one. So code that forgets to move something fails on a
machine without a GPU too.
Left out: speed, memory, the GPU's own rounding, and every kernel that differs there. Passing is not a run on a T4.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda", 0)
# These take tensors of two devices in torch as well, or only look at them.
MAY_MIX = {"copy_", "__set__", "__get__", "__setitem__", "_has_compatible_shallow_copy_type", "tensor", "as_tensor"}


def is_tagged(tensor: Any) -> bool:
    return getattr(tensor, "lies_on_gpu", False)


def tagged(tensor: torch.Tensor, value: bool = True) -> torch.Tensor:
    tensor.lies_on_gpu = value
    return tensor


def names_cuda(device: Any) -> bool:
    return isinstance(device, (str, torch.device)) and str(device).startswith("cuda")


class FakeGPU(TorchFunctionMode):
    """Sees every call of torch's Python functions, methods and properties."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        attribute = getattr(getattr(func, "__self__", None), "__name__", "") if name in ("__get__", "__set__") else ""
        if attribute == "device" and is_tagged(args[0]):
            return CUDA
        if attribute == "is_cuda":
            return is_tagged(args[0])
        if attribute == "data" and name == "__set__":
            tagged(args[0], is_tagged(args[1]))
            return func(*args, **kwargs)
        if name in ("numpy", "__array__") and is_tagged(args[0]):
            raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() first.")
        if name in ("cpu", "cuda"):
            return tagged(args[0].clone(), name == "cuda")
        if name == "to":
            return self.move(func, args, kwargs)
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        there = [tensor for tensor in tensors if is_tagged(tensor)]
        # Torch takes a single number from anywhere, and an index from main memory.
        here = [t for t in tensors if not is_tagged(t) and t.dim() > 0 and t.device.type == "cpu"]
        indexed = name == "__getitem__" and is_tagged(args[0])
        if there and here and not indexed and name not in MAY_MIX:
            shapes = ", ".join(f"{tuple(t.shape)} on {'cuda:0' if is_tagged(t) else 'cpu'}" for t in tensors)
            raise RuntimeError(f"Expected all tensors to be on the same device: {name} of {shapes}")
        asked = kwargs.get("device")
        if names_cuda(asked):
            kwargs["device"] = "cpu"
        result = func(*args, **kwargs)
        if names_cuda(asked) or (there and asked is None and name != "tensor"):
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor) and leaf.device.type == "cpu":
                    tagged(leaf)
        return result

    def move(self, func, args, kwargs) -> torch.Tensor:
        """`tensor.to(...)`: with a device, with a dtype, with both, or to where another tensor lies."""
        tensor, *rest = args
        target: Any = kwargs.get("device")
        for place, word in enumerate(rest):
            if isinstance(word, (str, torch.device)):
                target, rest[place] = word, "cpu" if names_cuda(word) else word
            elif isinstance(word, torch.Tensor):
                target = CUDA if is_tagged(word) else word.device
        if names_cuda(kwargs.get("device")):
            kwargs["device"] = "cpu"
        lies_there = is_tagged(tensor) if target is None else names_cuda(target)
        result = func(tensor, *rest, **kwargs)
        if result is tensor and lies_there != is_tagged(tensor):
            result = tensor.clone()  # a move makes a copy, and what was there stays where it was
        return result if result is tensor else tagged(result, lies_there)


class Event:
    """Times on this machine's clock."""

    def __init__(self, **_) -> None:
        self.at = 0.0

    def record(self, *_) -> None:
        self.at = time.perf_counter()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, other: Event) -> float:
        return max(1e-3, 1e3 * (other.at - self.at))  # milliseconds


def pretend() -> None:
    """From here on, and until this process ends, torch has a T4."""
    import safetensors.torch

    new_parameter, load_file, generator = torch.nn.Parameter.__new__, safetensors.torch.load_file, torch.Generator

    def parameter(cls, data=None, requires_grad=True):
        made = new_parameter(cls, data, requires_grad)
        return tagged(made, is_tagged(data))

    def load(path, device="cpu"):
        weights = load_file(path, device="cpu" if names_cuda(device) else device)
        return {name: tagged(tensor, names_cuda(device)) for name, tensor in weights.items()}

    class Generator:
        def __new__(cls, device="cpu"):
            return generator("cpu")

    torch.nn.Parameter.__new__ = staticmethod(parameter)
    safetensors.torch.load_file = load
    torch.Generator = Generator
    answers = {
        "is_available": True,
        "get_device_capability": (7, 5),
        "get_arch_list": ["sm_75"],
        "mem_get_info": (14 * 2**30, 15 * 2**30),
        "get_device_name": "a T4 that is not there",
        "is_bf16_supported": True,  # as torch says of a T4, wrongly
        "synchronize": None,
    }
    for name, answer in answers.items():
        setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    torch.cuda.Event = Event
    FakeGPU().__enter__()
