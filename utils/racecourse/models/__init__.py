"""The transformers that the course teaches, small enough to read and close enough to run real weights."""

from importlib import import_module
from typing import Any

_HOMES = {
    "ModelConfig": "config",
    "MoEConfig": "config",
    "MLAConfig": "config",
    "KVCache": "cache",
    "Transformer": "transformer",
    "Tokenizer": "tokenizer",
    "generate": "generation",  # not generate.py: importing that file would put the module in the function's place
    "load": "zoo",
}
__all__ = ["KVCache", "MLAConfig", "MoEConfig", "ModelConfig", "Tokenizer", "Transformer", "generate", "load"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
