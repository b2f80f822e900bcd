"""int8 weights and packed weights: against a plain loop, against the dequantised product, on whole models."""

import copy
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from racecourse.models import KVCache, ModelConfig, Transformer
from racecourse.models.pack import PackedLinear, pack
from racecourse.models.quantise import (
    Int4Linear,
    Int8Linear,
    dequantise_groups,
    dequantise_rows,
    quantise,
    quantise_groups,
    quantise_rows,
    weight_bytes,
)

TINY = ModelConfig("llama", vocab_size=97, d_model=64, n_layers=2, n_heads=4, n_kv_heads=2, head_dim=16, d_ff=96,
                   max_context=64, tie_embeddings=True)  # fmt: skip


@pytest.fixture
def rows() -> torch.Tensor:
    """Rows of very different sizes, one of zeros, and one whose largest weight is negative."""
    generator = torch.Generator().manual_seed(0)
    w_OI = torch.randn(12, 64, generator=generator) * torch.logspace(-6, 3, 12)[:, None]
    w_OI[3] = 0
    w_OI[5, 7] = -9 * w_OI[5].abs().max()
    return w_OI


@pytest.fixture
def tiny() -> Transformer:
    torch.manual_seed(1)
    model = Transformer(TINY).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.dim() == 2:  # larger than at the start of training, so that every layer has its say
            parameter.mul_(4)
    return model


def test_quantise_rows_equals_a_plain_loop(rows):
    q_OI, scale_O = quantise_rows(rows)
    for row, w_I in enumerate(rows.tolist()):
        scale = scale_O[row].item()
        largest = max(abs(w) for w in w_I)
        if largest:
            assert scale == pytest.approx(largest / 127, rel=2**-8), "the largest weight of the row becomes 127"
        assert q_OI[row].tolist() == [round(w / scale) for w in w_I]


def test_no_weight_moves_by_more_than_half_a_step(rows):
    q_OI, scale_O = quantise_rows(rows)
    error_OI = (rows.double() - dequantise_rows(q_OI, scale_O).double()).abs()
    assert (error_OI <= scale_O.double()[:, None] / 2 * (1 + 1e-6)).all()
    assert q_OI.abs().max() == 127
    assert (q_OI[3] == 0).all(), "a row of zeros stays zero"


@pytest.mark.parametrize("n_inputs", [64, 40, 8])  # torch's kernel takes the first and crashes on the others
@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_product_is_that_of_the_dequantised_weights(n_inputs, shape, bias):
    torch.manual_seed(2)
    linear = nn.Linear(n_inputs, 10, bias=bias)
    x = torch.randn(*shape, n_inputs)
    layer = Int8Linear(linear)
    w_OI = layer.q_OI.double() * layer.scale_O.double()[:, None]
    expected = torch.einsum("...i,oi->...o", x.double(), w_OI) + (linear.bias.double() if bias else 0)
    # rounding the inputs and the result to bfloat16, 2^-9 of each term, bounds the error
    bound = 2**-8 * torch.einsum("...i,oi->...o", x.abs().double(), w_OI.abs())
    got = layer(x)
    assert got.dtype == x.dtype
    assert ((got.double() - expected).abs() <= bound + 1e-6).all()


def test_quantise_groups_equals_a_plain_loop(rows):
    q_OI, scale_OG, low_OG = quantise_groups(rows, group_size=16)
    for row, w_I in enumerate(rows.tolist()):
        for group in range(4):
            members = w_I[16 * group : 16 * (group + 1)]
            scale, low = scale_OG[row, group].item(), low_OG[row, group].item()
            assert low == pytest.approx(min(members), rel=2**-8)
            if max(members) > min(members):  # two roundings to bfloat16, of the smallest and of the step
                spread = 2**-8 * (max(map(abs, members)) + max(members) - min(members))
                assert 15 * scale == pytest.approx(max(members) - min(members), abs=spread)
            expected = [min(15, max(0, round((w - low) / scale))) for w in members]
            assert q_OI[row, 16 * group : 16 * (group + 1)].tolist() == expected
    assert torch.equal(dequantise_groups(q_OI, scale_OG, low_OG)[3], torch.zeros(64)), "a row of zeros stays zero"
    with pytest.raises(ValueError, match="64 inputs do not split into groups of 24"):
        quantise_groups(rows, group_size=24)


def test_no_weight_of_4_bits_moves_by_more_than_half_a_step_and_what_the_ends_lost(rows):
    q_OI, scale_OG, low_OG = quantise_groups(rows)
    groups = rows.unflatten(1, (-1, 32))
    error = (groups - dequantise_groups(q_OI, scale_OG, low_OG).unflatten(1, (-1, 32))).abs()
    ends = 2**-8 * (groups.amax(-1) - groups.amin(-1) + groups.abs().amax(-1))  # bfloat16 of step and smallest value
    assert (error <= (scale_OG.float() / 2 + ends)[..., None] + 1e-9).all()
    used = q_OI[[row for row in range(12) if row != 3]].unflatten(1, (-1, 32))
    assert (used.amin(-1) == 0).all() and (used.amax(-1) >= 14).all(), "all 16 values are in use"


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(64, 16), (32, 48), (96, 32)])
@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3)])
@pytest.mark.parametrize("bias", [False, True])
def test_product_in_4_bits_is_that_of_the_dequantised_weights(n_inputs, n_outputs, shape, bias):
    torch.manual_seed(2)
    linear = nn.Linear(n_inputs, n_outputs, bias=bias)
    x = torch.randn(*shape, n_inputs)
    w_OI = dequantise_groups(*quantise_groups(linear.weight.detach())).double()
    expected = torch.einsum("...i,oi->...o", x.double(), w_OI) + (linear.bias.double() if bias else 0)
    # inputs, the kernel's zero (low + 8 steps) and the result are rounded to bfloat16: 2^-9 of each term
    bound = 2**-8 * torch.einsum("...i,oi->...o", x.abs().double(), 2 * w_OI.abs().amax(1, keepdim=True) + 0 * w_OI)
    got = Int4Linear(linear)(x)
    assert got.dtype == x.dtype
    assert ((got.double() - expected).abs() <= bound + 1e-6).all()


def test_4_bits_refuse_what_the_kernel_cannot_take():
    with pytest.raises(ValueError, match="multiple of 16 outputs; this layer is Linear"):
        Int4Linear(nn.Linear(32, 40))
    with pytest.raises(ValueError, match="40 inputs do not split"):
        Int4Linear(nn.Linear(40, 32))


def test_quantise_leaves_the_model_alone_and_stays_close(tiny):
    before = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}
    small = quantise(tiny)
    ids_BT = torch.randint(0, 97, (3, 9), generator=torch.Generator().manual_seed(3))
    logits, expected = small(ids_BT), tiny(ids_BT)
    assert all(torch.equal(before[name], tensor) for name, tensor in tiny.state_dict().items())
    assert not any(isinstance(module, nn.Linear) for module in small.modules()), "the head is quantised too"
    assert torch.equal(small.embed(ids_BT), tiny.embed(ids_BT)), "looking up an embedding stays exact"
    assert small.embed.weight.data_ptr() == tiny.embed.weight.data_ptr(), "and is shared, not copied"
    error = (logits - expected).norm() / expected.norm()
    assert 0 < error < 0.03, "9 products in a row, each off by less than 1 %"


def test_whole_model_is_that_with_dequantised_weights(tiny):
    """Witness: an ordinary float model whose weights are the dequantised ones (the head untied)."""
    small = quantise(tiny)
    reference = Transformer(ModelConfig(**{**TINY.__dict__, "tie_embeddings": False})).eval().requires_grad_(False)
    reference.load_state_dict(tiny.state_dict())
    for name, module in reference.named_modules():
        if isinstance(module, nn.Linear):
            layer = small.get_submodule(name)
            module.weight.copy_(layer.q_OI.float() * layer.scale_O.float()[:, None])
    ids_BT = torch.arange(12).view(2, 6)
    logits, expected = small(ids_BT), reference(ids_BT)
    assert (logits - expected).norm() / expected.norm() < 0.02


def test_token_by_token_equals_one_pass(tiny):
    small = quantise(tiny)
    ids_BT = torch.arange(12).view(2, 6)
    cache = KVCache(TINY, batch_size=2, max_tokens=6)
    steps = torch.cat([small(ids_BT[:, t : t + 1], cache=cache) for t in range(6)], dim=1)
    torch.testing.assert_close(steps, small(ids_BT), rtol=0.02, atol=0.02 * float(steps.abs().max()))


def test_bytes_by_hand(tiny):
    per_layer = (64 + 2 * 32) * 64 + 64 * 64 + 2 * 96 * 64 + 64 * 96  # qkv, out, gate and up, down
    outputs = 128 + 64 + 192 + 64
    embedding, norms = 97 * 64, 5 * 64
    assert weight_bytes(tiny) == 4 * (2 * per_layer + embedding + norms)
    assert weight_bytes(quantise(tiny)) == 4 * (embedding + norms) + 2 * (per_layer + 2 * outputs) + 97 * 64 + 2 * 97


def test_whole_model_in_4_bits_is_that_with_dequantised_weights(tiny):
    """Witness: as above. The vocabulary is 96 here, a multiple of the kernel's 16 outputs."""
    config = ModelConfig(**{**TINY.__dict__, "vocab_size": 96, "tie_embeddings": False})
    model = Transformer(config).eval().requires_grad_(False)
    vocabulary = ("embed.weight", "head.weight")
    model.load_state_dict({name: t[:96] if name in vocabulary else t for name, t in tiny.state_dict().items()})
    small = quantise(model, bits=4)
    reference = copy.deepcopy(model)
    for module in reference.modules():
        if isinstance(module, nn.Linear):
            module.weight.copy_(dequantise_groups(*quantise_groups(module.weight)))
    ids_BT = torch.arange(12).view(2, 6)
    logits, expected = small(ids_BT), reference(ids_BT)
    assert (logits - expected).norm() / expected.norm() < 0.03
    assert (logits - model(ids_BT)).norm() > 2 * (logits - expected).norm(), "4 bits lose more than bfloat16's rounding"
    two_in_a_byte = sum(module.packed.nbytes for module in small.modules() if isinstance(module, Int4Linear))
    assert two_in_a_byte == sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Linear)) // 2


def test_other_bits_are_refused(tiny):
    with pytest.raises(ValueError, match=r"bits=3.*use bits=8 or bits=4"):
        quantise(tiny, bits=3)


needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@needs_onednn
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(1,), (5,), (16,), (2, 3), (2, 40)])
def test_packed_product_is_the_plain_one(shape, bias):
    torch.manual_seed(4)
    linear = nn.Linear(40, 10, bias=bias)
    x = torch.randn(*shape, 40)
    torch.testing.assert_close(PackedLinear(linear)(x), linear(x).detach(), rtol=1e-5, atol=1e-5)


@needs_onednn
def test_packed_model_has_the_same_logits(tiny):
    ids_BT = torch.arange(12).view(2, 6)
    packed = pack(tiny)
    assert not any(isinstance(module, nn.Linear) for module in packed.modules())
    torch.testing.assert_close(packed(ids_BT), tiny(ids_BT), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_benchmark_quick(root: Path, tmp_path: Path):
    """Its structure and its tokens; a timing would say more about the test machine than about the code."""
    result_file = tmp_path / "decode.json"
    command = [sys.executable, str(root / "benchmarks" / "decode.py"), "--quick", "--json", str(result_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    result = json.loads(result_file.read_text(encoding="utf-8"))
    assert result["rounds"] == 1
    speeds = {(row["model"], row["batch"]): row for row in result["rows"]}
    assert {batch for _, batch in speeds} == {1, 16}
    assert all(row["min"] <= row["median"] <= row["max"] for row in speeds.values())
    for batch in (1, 16):
        theirs, ours = speeds["transformers float32", batch]["ids"], speeds["ours float32", batch]["ids"]
        assert ours == theirs, f"batch {batch}: both are greedy on the same weights, so the tokens must agree"
    assert 0 < result["loss"]["float32"] < math.log(49152)
    assert abs(result["loss"]["int8"] - result["loss"]["float32"]) < 0.1
    assert any(line.startswith("| transformers float32 |") for line in done.stdout.splitlines())
