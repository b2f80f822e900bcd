"""Mixture of experts in training: gradients against plain loops and transformers' modules, balancing by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
import transformers
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock, load_balancing_loss_func
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

from racecourse.models import ModelConfig, MoEConfig, Transformer
from racecourse.models.moe import (
    Experts,
    MoE,
    Router,
    Routing,
    SlicedSwiGLU,
    balance_loss,
    blocks,
    expert_load,
    grouped_swiglu,
    record_routing,
    update_bias,
    z_loss,
)


def config(d_model: int = 12, **moe) -> ModelConfig:
    moe = {"n_experts": 6, "top_k": 2, "d_expert": 7, "layers": (0, 1)} | moe
    return ModelConfig("llama", vocab_size=11, d_model=d_model, n_layers=2, n_heads=2, n_kv_heads=2,
                       head_dim=d_model // 2, d_ff=5, max_context=16, moe=MoEConfig(**moe))  # fmt: skip


def layer(seed: int = 0, **moe) -> MoE:
    torch.manual_seed(seed)
    made = MoE(config(**moe))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made


def one_by_one(moe: MoE, x_ND: torch.Tensor) -> torch.Tensor:
    """The sum that the layer stands for, token by token and expert by expert."""
    weights_Nk, chosen_Nk, *_ = moe.router(x_ND)
    rows = []
    for n in range(len(x_ND)):
        row = torch.zeros_like(x_ND[n])
        for slot in range(chosen_Nk.shape[1]):
            e = chosen_Nk[n, slot].item()
            gate, up = (moe.experts.gate_up[e] @ x_ND[n]).chunk(2)
            row = row + weights_Nk[n, slot] * (moe.experts.down[e] @ (F.silu(gate) * up))
        rows.append(row)
    out = torch.stack(rows)
    return out if moe.shared is None else out + moe.shared(x_ND)


OPTIONS = {
    "softmax": {},
    "top-1, not normalised": {"top_k": 1, "normalise_weights": False},
    "sigmoid with bias and shared": {"scores": "sigmoid", "selection_bias": True, "n_shared": 2, "weight_scale": 2.5},
    "groups": {"scores": "sigmoid", "n_experts": 8, "n_groups": 4, "top_k_groups": 2, "top_k": 3},
    "all experts": {"top_k": 6},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("n_tokens", [1, 33])
def test_output_and_all_gradients_against_a_plain_loop(options: dict, n_tokens: int) -> None:
    moe = layer(**options).double()
    x = torch.randn(n_tokens, 12, dtype=torch.float64, requires_grad=True)
    goal = torch.randn(n_tokens, 12, dtype=torch.float64)
    parameters = [x, *moe.parameters()]
    ours = moe(x)
    theirs = one_by_one(moe, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)
    ours_grad = torch.autograd.grad((ours * goal).sum(), parameters)
    theirs_grad = torch.autograd.grad((theirs * goal).sum(), parameters)
    for ours_g, theirs_g in zip(ours_grad, theirs_grad, strict=True):
        torch.testing.assert_close(ours_g, theirs_g, rtol=1e-5, atol=1e-8)


def test_experts_by_finite_differences() -> None:
    experts = Experts(4, 3, 2).double()
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(7, 2, dtype=torch.float64, requires_grad=True)
    chosen = torch.tensor([[0, 1], [3, 1], [1, 3], [0, 3], [1, 0], [3, 0], [3, 1]])  # expert 2 has no tokens
    matrices = [torch.randn_like(p, requires_grad=True) for p in experts.parameters()]

    def run(x, weights, gate_up, down):
        return torch.func.functional_call(experts, {"gate_up": gate_up, "down": down}, (x, weights, chosen))

    assert torch.autograd.gradcheck(run, (x, weights, *matrices))


def test_an_expert_without_tokens_has_a_zero_gradient() -> None:
    experts = Experts(4, 6, 5)
    for parameter in experts.parameters():
        torch.nn.init.normal_(parameter)
    chosen = torch.tensor([[2], [2], [0]])
    experts(torch.randn(3, 6), torch.ones(3, 1), chosen).sum().backward()
    for parameter in experts.parameters():
        used = parameter.grad.flatten(1).abs().sum(-1) > 0
        assert used.tolist() == [True, False, True, False]


@pytest.mark.parametrize("kind", ["mixtral", "qwen3_moe", "deepseek_v3"])
def test_gradients_against_transformers_modules(kind: str) -> None:
    common = {"hidden_size": 16, "num_experts_per_tok": 2, "num_hidden_layers": 1, "num_attention_heads": 2}
    if kind == "mixtral":
        theirs_config = transformers.MixtralConfig(**common, intermediate_size=10, num_local_experts=6)
        theirs, options = MixtralSparseMoeBlock(theirs_config), {}
    elif kind == "qwen3_moe":
        theirs_config = transformers.Qwen3MoeConfig(
            **common, moe_intermediate_size=10, num_experts=6, norm_topk_prob=False
        )
        theirs, options = Qwen3MoeSparseMoeBlock(theirs_config), {"normalise_weights": False}
    else:
        theirs_config = transformers.DeepseekV3Config(
            **common, moe_intermediate_size=10, n_routed_experts=6, n_shared_experts=1, n_group=2, topk_group=1,
            routed_scaling_factor=2.5
        )  # fmt: skip
        theirs = DeepseekV3MoE(theirs_config)
        options = {"scores": "sigmoid", "n_groups": 2, "top_k_groups": 1, "weight_scale": 2.5}
        options |= {"selection_bias": True, "n_shared": 1}
    theirs = theirs.train()
    ours = MoE(config(d_model=16, d_expert=10, **options))
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        ours.router.weight.copy_(theirs.gate.weight)
        ours.experts.gate_up.copy_(theirs.experts.gate_up_proj)
        ours.experts.down.copy_(theirs.experts.down_proj)
        if kind == "deepseek_v3":
            theirs.gate.e_score_correction_bias.normal_(std=0.3)
            ours.router.bias.copy_(theirs.gate.e_score_correction_bias)
            shared = theirs.shared_experts
            ours.shared.gate_up.weight.copy_(torch.cat((shared.gate_proj.weight, shared.up_proj.weight)))
            ours.shared.down.weight.copy_(shared.down_proj.weight)
    x = torch.randn(2, 9, 16)
    inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
    outs = [
        model(i)[0] if isinstance(model(i), tuple) else model(i)
        for model, i in zip((ours, theirs), inputs, strict=True)
    ]
    torch.testing.assert_close(*outs, rtol=1e-4, atol=1e-5)
    goal = torch.randn_like(x)
    for out in outs:
        (out * goal).sum().backward()
    pairs = [
        tuple(i.grad for i in inputs),
        (ours.router.weight.grad, theirs.gate.weight.grad),
        (ours.experts.gate_up.grad, theirs.experts.gate_up_proj.grad),
        (ours.experts.down.grad, theirs.experts.down_proj.grad),
    ]
    for ours_g, theirs_g in pairs:
        torch.testing.assert_close(ours_g, theirs_g, rtol=1e-3, atol=1e-5)


def routing_of(logits: torch.Tensor, top_k: int, scores: str = "softmax") -> Routing:
    values = logits.softmax(-1) if scores == "softmax" else logits.sigmoid()
    weights, chosen = values.topk(top_k)
    return Routing(weights, chosen, values, logits)


@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_balance_loss_against_transformers(top_k: int) -> None:
    """Theirs counts every slot of a token and gives top_k times ours; value and gradient."""
    ours, theirs = (torch.randn(40, 6, generator=torch.Generator().manual_seed(3)).requires_grad_() for _ in range(2))
    value = balance_loss(routing_of(ours, top_k))
    reference = load_balancing_loss_func((theirs,), num_experts=6, top_k=top_k) / top_k
    torch.testing.assert_close(value, reference)
    value.backward()
    reference.backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_balance_loss_by_hand() -> None:
    even = Routing(torch.ones(4, 1), torch.arange(4)[:, None], torch.full((4, 4), 0.25), torch.zeros(4, 4))
    alone = Routing(torch.ones(4, 1), torch.ones(4, 1).long(), torch.eye(4)[1].expand(4, 4), torch.zeros(4, 4))
    assert balance_loss(even).item() == 1 and balance_loss(alone).item() == 4
    # loads 3/4 and 1/4; sigmoid scores 0.9 and 0.3 are shares 0.75 and 0.25: 2 * (9/16 + 1/16)
    chosen, scores = torch.tensor([[0], [0], [0], [1]]), torch.tensor([[0.9, 0.3]]).expand(4, 2)
    skewed = Routing(torch.ones(4, 1), chosen, scores, torch.zeros(4, 2))
    assert balance_loss(skewed).item() == pytest.approx(1.25)


def test_balance_loss_pushes_the_favourite_down() -> None:
    logits = torch.zeros(8, 4)
    logits[:, 2] = 1.0
    logits.requires_grad_()
    balance_loss(routing_of(logits, 1)).backward()
    assert (logits.grad[:, 2] > 0).all() and (logits.grad[:, [0, 1, 3]] < 0).all()


def test_z_loss_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    expected = (math.log(2) ** 2 + math.log(4) ** 2) / 2
    assert z_loss(routing_of(logits, 1)).item() == pytest.approx(expected)


def test_load_is_a_share_of_slots() -> None:
    routing = Routing(torch.ones(3, 2), torch.tensor([[0, 3], [3, 1], [3, 0]]), torch.ones(3, 5), torch.ones(3, 5))
    assert expert_load(routing).tolist() == pytest.approx([2 / 6, 1 / 6, 0, 3 / 6, 0])


def test_the_bias_moves_the_choice_and_never_the_weights() -> None:
    torch.manual_seed(0)
    router = Router(MoEConfig(5, 1, 4, (0,), scores="sigmoid", normalise_weights=False, selection_bias=True), 8)
    torch.nn.init.normal_(router.weight)
    with torch.no_grad():
        router.weight[0] *= 0
        router.weight[0, 0] = 9
    x = torch.randn(400, 8).abs()
    before = router(x)
    assert expert_load(before)[0] > 0.7
    update_bias(router, expert_load(before), 0.01)
    assert router.bias.tolist() == pytest.approx([-0.01, 0.01, 0.01, 0.01, 0.01])
    for _ in range(300):
        update_bias(router, expert_load(router(x)), 0.01)
    after = router(x)
    assert expert_load(after).max() < 0.3
    torch.testing.assert_close(after.weights_Nk, after.scores_NE.gather(-1, after.chosen_Nk))
    torch.testing.assert_close(after.scores_NE, before.scores_NE)


def test_recording_collects_every_layer_and_lets_gradients_through() -> None:
    torch.manual_seed(0)
    model = Transformer(config(normalise_weights=False))
    ids = torch.tensor([[1, 2, 3, 4]])
    with record_routing(model) as routings:
        model(ids)
        model(ids)
    assert len(routings) == 4 and routings[0].chosen_Nk.shape == (4, 2) and routings[0].scores_NE.shape == (4, 6)
    balance_loss(routings[0]).backward()
    assert model.layers[0].mlp.router.weight.grad.abs().sum() > 0
    model(ids)
    assert len(routings) == 4, "nothing is recorded after the block"


def test_a_top_1_weight_that_is_normalised_teaches_the_router_nothing() -> None:
    """What lesson 03 shows: a weight divided by itself is 1."""
    for normalise, learns in ((True, False), (False, True)):
        moe = layer(top_k=1, normalise_weights=normalise)
        moe(torch.randn(20, 12)).square().sum().backward()
        assert (moe.router.weight.grad.abs().max().item() > 1e-4) is learns


def test_bfloat16_keeps_its_dtype() -> None:
    moe = layer().to(torch.bfloat16)
    assert moe(torch.randn(5, 12, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_one_expert_alone_takes_all_tokens() -> None:
    """Then the layer is that expert: a plain SwiGLU."""
    experts = Experts(5, 6, 4)
    for parameter in experts.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(50, 6)
    gate, up = (x @ experts.gate_up[3].T).chunk(2, dim=-1)
    expected = (F.silu(gate) * up) @ experts.down[3].T
    torch.testing.assert_close(experts(x, torch.ones(50, 1), torch.full((50, 1), 3)), expected)


def test_blocks_cover_every_slot_once() -> None:
    sizes = [5, 0, 0, 9, 1, 1, 0, 2, 30, 0]
    for n_slots in (1, 4, 10, 1000):
        made = list(blocks(sizes, n_slots))
        assert [slot for block in made for slot in range(block.slots.start, block.slots.stop)] == list(range(48))
        assert {e: n for block in made for e, n in zip(block.experts, block.sizes, strict=True)} == {
            e: n for e, n in enumerate(sizes) if n
        }
    assert list(blocks([0, 0])) == []


def test_many_blocks_give_what_one_gives() -> None:
    """3,000 slots are several blocks; a plain sum over experts, by masks, needs none."""
    experts = Experts(16, 6, 4).double()
    for parameter in experts.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1500, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(1500, 2, dtype=torch.float64, requires_grad=True)
    chosen = torch.rand(1500, 16).topk(2).indices
    share_NE = torch.zeros(1500, 16, dtype=torch.float64).scatter(1, chosen, weights)
    gate, up = torch.einsum("nd,efd->nef", x, experts.gate_up).chunk(2, dim=-1)
    expected = torch.einsum("ne,nef,edf->nd", share_NE, F.silu(gate) * up, experts.down)
    assert len(list(blocks(chosen.flatten().bincount().tolist()))) > 2
    ours = experts(x, weights, chosen)
    torch.testing.assert_close(ours, expected)
    wanted = [x, weights, *experts.parameters()]
    goal = torch.randn_like(x)
    for a, b in zip(*(torch.autograd.grad(out, wanted, goal) for out in (ours, expected)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.skipif(not hasattr(F, "grouped_mm"), reason="this torch has no grouped_mm")
def test_the_grouped_kernel_gives_what_the_slices_give() -> None:
    """torch's CPU has the kernel, too: the path of GPUs is compared here in float32."""
    torch.manual_seed(0)
    x, weights = torch.randn(40, 16, requires_grad=True), torch.rand(80, 1, requires_grad=True)
    matrices = torch.randn(6, 16, 16, requires_grad=True), torch.randn(6, 16, 8, requires_grad=True)
    sizes = torch.tensor([30, 0, 7, 1, 0, 42])
    inputs = (x, weights, *matrices)
    token = torch.randint(40, (80,))
    outs = grouped_swiglu(*inputs, token, sizes), SlicedSwiGLU.apply(*inputs, token, sizes.tolist())
    torch.testing.assert_close(*outs)
    goal = torch.randn_like(x)
    for a, b in zip(*(torch.autograd.grad(out, inputs, goal) for out in outs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_autocast_multiplies_in_bfloat16_but_scores_in_float32() -> None:
    moe = layer(n_shared=1)
    x = torch.randn(20, 12)
    plain = moe.router(x)
    with torch.autocast("cpu", torch.bfloat16):
        cast, out = moe.router(x), moe(x)
    assert torch.equal(cast.logits_NE, plain.logits_NE)
    assert out.dtype == torch.bfloat16 and (out - moe(x)).abs().max() < 0.05 * moe(x).abs().max()
    out.float().square().sum().backward()
    assert all(p.grad.dtype == torch.float32 and p.grad.abs().sum() > 0 for p in moe.parameters())


def test_a_router_without_bias_refuses_to_update_it() -> None:
    with pytest.raises(ValueError, match="selection_bias=True"):
        update_bias(Router(MoEConfig(4, 1, 4, (0,)), 8), torch.full((4,), 0.25), 0.01)
