"""Weights in 8 bits: a quarter of the bytes to read for every token, in return for a little accuracy.

Each output channel (row) of a weight matrix gets one scale, w = q * scale with q a whole number from -127 to 127. Only
the weights are quantised: activations stay as they are between layers, and enter each product as bfloat16.

Left out: 4 bits (`bits` is there for them), scales per group of inputs, calibration on data (GPTQ, AWQ), quantised
activations and caches. Embeddings, norms, routers and the stacked matrices of experts keep their dtype.

Shape legend: I inputs of a linear layer, O outputs.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import BFloat16, Float, Int8
from torch import Tensor, nn

from racecourse.models.transformer import Transformer

LARGEST = 127  # symmetric: -128 is not used, so that zero stays zero and a weight's sign costs nothing
KERNEL_STEP = 32  # torch's CPU kernel reads whole vectors: other widths run past the end of the weights and may crash


def quantise_rows(w_OI: Float[Tensor, "O I"]) -> tuple[Int8[Tensor, "O I"], BFloat16[Tensor, " O"]]:
    """Whole numbers and one scale per row, so that |w - q * scale| <= scale / 2.

    The scale is rounded to bfloat16, which the kernel wants, before the division: the rounding of the weights then
    makes up for that of the scale.

    >>> q, scale = quantise_rows(torch.tensor([[0.5, -2.0, 1.27, 127.0]]))
    >>> q.tolist(), scale.tolist()
    ([[0, -2, 1, 127]], [1.0])
    """
    largest_O = w_OI.abs().amax(dim=1).float()
    scale_O = (largest_O / LARGEST).bfloat16()
    scale_O[scale_O == 0] = 1  # a row of zeros
    q_OI = (w_OI.float() / scale_O.float()[:, None]).round()
    return q_OI.to(torch.int8), scale_O


def dequantise_rows(q_OI: Int8[Tensor, "O I"], scale_O: BFloat16[Tensor, " O"]) -> Float[Tensor, "O I"]:
    """The float32 weights that the whole numbers stand for."""
    return q_OI.float() * scale_O.float()[:, None]


class Int8Linear(nn.Module):
    """A linear layer, for inference, that keeps its weights as int8.

    On a CPU torch's own kernel multiplies int8 weights by bfloat16 inputs and adds up in float32. Elsewhere, and for
    widths that the kernel cannot take, the weights are made floats again for each product: that saves memory, not time.
    """

    q_OI: Tensor
    scale_O: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        q_OI, scale_O = quantise_rows(linear.weight.detach())
        self.register_buffer("q_OI", q_OI)
        self.register_buffer("scale_O", scale_O)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        if x.device.type == "cpu" and x.shape[-1] % KERNEL_STEP == 0:
            x_NI = x.flatten(0, -2).bfloat16().contiguous()
            y = torch._weight_int8pack_mm(x_NI, self.q_OI, self.scale_O).to(x.dtype).view(*x.shape[:-1], -1)
        else:
            y = F.linear(x, dequantise_rows(self.q_OI, self.scale_O).to(x.dtype))
        return y if self.bias is None else y + self.bias


def quantise(model: Transformer, bits: int = 8) -> Transformer:
    """A new model whose linear layers hold int8 weights. `model` is not changed; both share what is not quantised.

    A tied matrix is kept twice: as it was for looking up embeddings, which stays exact, and in 8 bits for the output
    head, which multiplies by all of it for every token.

    Raises:
        ValueError: another number of bits than 8.
    """
    if bits != 8:
        raise ValueError(f"bits={bits} is not available here; use bits=8")
    return with_linears(model, Int8Linear)


def with_linears(model: Transformer, make: Callable[[nn.Linear], nn.Module]) -> Transformer:
    """A new model for inference with `make(linear)` in place of each linear layer; all other tensors are shared.

    Raises:
        ValueError: a model whose linear layers have been replaced before.
    """
    if not isinstance(model.head, nn.Linear):
        raise ValueError(f"this model's layers are {type(model.head).__name__} already; start from the loaded model")
    with torch.device("meta"):
        new = Transformer(model.config)
    new.load_state_dict(model.state_dict(), assign=True)
    linears = [(name, module) for name, module in new.named_modules() if isinstance(module, nn.Linear)]
    for name, linear in linears:
        parent, _, child = name.rpartition(".")
        setattr(new.get_submodule(parent), child, make(linear))
    return new.eval().requires_grad_(False)


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights and scales; a tensor that two layers share counts once."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum({t.data_ptr(): t.nbytes for t in tensors}.values())
