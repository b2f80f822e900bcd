"""LoRA: train two thin matrices beside each frozen one (Hu et al. 2021, arXiv 2106.09685, section 4.1).

A linear layer W becomes W + (alpha / rank) B A, and only A and B are trained: for a 0.5B model about 2% of the weights,
so gradients and optimiser state all but vanish. The adapter is float32 whatever the frozen weights are: a step of
1e-4 times a small gradient is lost in 16 bits. Where our layers are fused, so is the adapter: query, key and value
share one A, as do gate and up. Left out: dropout, other ranks for other layers, and experts, which are no linear layers
here.

Shape legend: I inputs of a layer, O outputs, R rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor, nn

if TYPE_CHECKING:
    from racecourse.models.transformer import Transformer

NAMES = ("qkv", "out", "gate_up", "down")  # every matrix of a dense model but the embeddings


class LoRALinear(nn.Module):
    """A frozen linear layer and its adapter. B begins at zero: at first nothing changes."""

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear
        self.scale = alpha / rank
        device = linear.weight.device
        bound = linear.in_features**-0.5  # as nn.Linear begins
        self.A_RI = nn.Parameter(torch.empty(rank, linear.in_features, device=device).uniform_(-bound, bound))
        self.B_OR = nn.Parameter(torch.zeros(linear.out_features, rank, device=device))

    def forward(self, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        change = x.float() @ self.A_RI.T @ self.B_OR.T * self.scale
        return self.linear(x) + change.to(x.dtype)


def add_lora(model: Transformer, rank: int = 16, alpha: float = 32.0, names: Sequence[str] = NAMES) -> Transformer:
    """Freeze `model` and put an adapter beside every linear layer with one of these names, in place.

    Raises:
        ValueError: a rank below 1, or a name that no linear layer has.
    """
    if rank < 1:
        raise ValueError(f"rank={rank}: use 1 or more")
    found = {path: module for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    known = {path.rpartition(".")[2] for path in found}
    if unknown := set(names) - known:
        raise ValueError(f"no linear layer is called {sorted(unknown)}; this model has {sorted(known)}")
    model.requires_grad_(False)
    for path, linear in found.items():
        parent, _, name = path.rpartition(".")
        if name in names:
            setattr(model.get_submodule(parent), name, LoRALinear(linear, rank, alpha))
    return model


@torch.no_grad()
def merge_lora(model: Transformer) -> Transformer:
    """Add every adapter to the weight beside it and remove it, in place: the plain model again, frozen.

    The sum is rounded to the frozen weight's dtype: in 16 bits some of what was learned is lost.
    """
    for path, module in list(model.named_modules()):
        if isinstance(module, LoRALinear):
            weight = module.linear.weight
            weight.copy_(weight.float() + module.scale * module.B_OR @ module.A_RI)
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, module.linear)
    return model
