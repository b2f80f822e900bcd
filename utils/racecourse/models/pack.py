"""Float weights laid out for oneDNN, one of the two matrix libraries inside torch.

torch sends a float32 product to MKL. On the AMD processor where this was measured, oneDNN read the same weights more
than twice as fast; benchmarks/decode.py shows it for yours. `torch.compile` packs weights in the same way. The
arithmetic is the same up to the order of sums.

Left out: a way back (the packed layout cannot be read as a matrix), training, and processors where MKL is as fast.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from racecourse.models.quantise import with_linears
from racecourse.models.transformer import Transformer

ROWS = 16  # the number of tokens that the layout is chosen for; any other number works too


class PackedLinear(nn.Module):
    """A linear layer for inference on a CPU whose weights are in oneDNN's own blocked layout."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)
        self.bias = linear.bias

    def forward(self, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


def pack(model: Transformer) -> Transformer:
    """A new model for fast inference on this CPU. The given one is not changed; both share embeddings and norms.

    The packed weights are a second copy: let go of `model` where memory is short. Experts are not packed.

    Raises:
        ValueError: a model that is not on the CPU, or a torch without oneDNN.
    """
    device = model.embed.weight.device
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        raise ValueError(f"packing needs a model on the CPU and a torch with oneDNN; this model is on {device}")
    return with_linears(model, PackedLinear)
