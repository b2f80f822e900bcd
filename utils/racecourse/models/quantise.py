"""Weights in 8 or 4 bits: a quarter or a seventh of the bytes to read for every token, for a little accuracy.

With 8 bits each output channel (row) of a weight matrix gets one scale, w = q * scale with q a whole number from -127
to 127. With 4 bits there are only 16 values, so every 32 inputs of a row get a scale and a smallest value of their own,
w = q * scale + low with q from 0 to 15. Only the weights are quantised: activations stay as they are between layers,
and enter each product as bfloat16.

Left out: calibration on data (GPTQ, AWQ), quantised activations and caches. Embeddings, norms, routers and the stacked
matrices of experts keep their dtype.

Shape legend: I inputs of a linear layer, O outputs, G groups of a row.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import BFloat16, Float, Int8, UInt8
from torch import Tensor, nn

from racecourse.models.transformer import Transformer

LARGEST = 127  # symmetric: -128 is not used, so that zero stays zero and a weight's sign costs nothing
LEVELS = 15  # of 4 bits, counted from 0
GROUP = 32  # inputs that share a scale with 4 bits
INT4_STEP = 16  # outputs that torch's 4-bit kernel packs together
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


def quantise_groups(
    w_OI: Float[Tensor, "O I"], group_size: int = GROUP
) -> tuple[UInt8[Tensor, "O I"], BFloat16[Tensor, "O G"], BFloat16[Tensor, "O G"]]:
    """Numbers from 0 to 15, and for every group of inputs the step between two of them and what 0 stands for.

    Step and smallest value are rounded to bfloat16, which the kernel wants, before the weights are.

    >>> q, scale, low = quantise_groups(torch.tensor([[-1.0, 0.0, 6.5, 14.0]]), group_size=4)
    >>> q.tolist(), scale.tolist(), low.tolist()
    ([[0, 1, 8, 15]], [[1.0]], [[-1.0]])

    Raises:
        ValueError: a number of inputs that is not a multiple of the group.
    """
    n_inputs = w_OI.shape[1]
    if n_inputs % group_size:
        raise ValueError(f"{n_inputs} inputs do not split into groups of {group_size}; choose a size that divides them")
    groups_OGS = w_OI.float().unflatten(1, (-1, group_size))
    low_OG, high_OG = groups_OGS.amin(dim=-1).bfloat16(), groups_OGS.amax(dim=-1)
    scale_OG = ((high_OG - low_OG.float()) / LEVELS).bfloat16()
    scale_OG[scale_OG <= 0] = 1  # all weights of the group are equal
    q_OGS = ((groups_OGS - low_OG.float()[..., None]) / scale_OG.float()[..., None]).round().clamp(0, LEVELS)
    return q_OGS.flatten(1).to(torch.uint8), scale_OG, low_OG


def dequantise_groups(
    q_OI: UInt8[Tensor, "O I"], scale_OG: BFloat16[Tensor, "O G"], low_OG: BFloat16[Tensor, "O G"]
) -> Float[Tensor, "O I"]:
    """The float32 weights that the numbers from 0 to 15 stand for."""
    q_OGS = q_OI.float().unflatten(1, (scale_OG.shape[1], -1))
    return (q_OGS * scale_OG.float()[..., None] + low_OG.float()[..., None]).flatten(1)


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


class Int4Linear(nn.Module):
    """A linear layer, for inference on a CPU, that keeps two weights in a byte.

    torch's own kernel unpacks them on the way, multiplies them by bfloat16 inputs and adds up in float32.

    Raises:
        ValueError: a layer on another device, or with a width that the kernel cannot take.
    """

    packed: Tensor
    scale_zero_GO2: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        w_OI = linear.weight.detach()
        if w_OI.device.type != "cpu" or w_OI.shape[0] % INT4_STEP:
            raise ValueError(
                f"4 bits need a CPU and a multiple of {INT4_STEP} outputs; this layer is {linear} on {w_OI.device}"
            )
        q_OI, scale_OG, low_OG = quantise_groups(w_OI)
        zero_OG = (low_OG.float() + 8 * scale_OG.float()).bfloat16()  # the kernel's w is (q - 8) * scale + zero
        self.register_buffer("packed", torch._convert_weight_to_int4pack_for_cpu(q_OI.int(), 1))
        self.register_buffer("scale_zero_GO2", torch.stack((scale_OG, zero_OG), dim=-1).transpose(0, 1).contiguous())
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Float[Tensor, "... I"]) -> Float[Tensor, "... O"]:
        x_NI = x.flatten(0, -2).bfloat16().contiguous()
        y = torch._weight_int4pack_mm_for_cpu(x_NI, self.packed, GROUP, self.scale_zero_GO2)
        y = y.to(x.dtype).view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias


def quantise(model: Transformer, bits: int = 8) -> Transformer:
    """A new model whose linear layers hold weights of 8 or 4 bits. `model` is not changed; the rest is shared.

    A tied matrix is kept twice: as it was for looking up embeddings, which stays exact, and in few bits for the output
    head, which multiplies by all of it for every token.

    Raises:
        ValueError: another number of bits than 8 or 4; for 4 bits also what `Int4Linear` refuses.
    """
    if bits not in (8, 4):
        raise ValueError(f"bits={bits} is not available here; use bits=8 or bits=4")
    return with_linears(model, Int8Linear if bits == 8 else Int4Linear)


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
