"""Exercise set 03's reference answers against transformers' own modules, and what holds for this set only."""

import math
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from racecourse.grading.integrity import python_of
from test_count import PUBLISHED, active_by_loop, meta_parameters, part_of, published_parameters, random_config
from wrong_answers import Assignment

MIXTRAL, QWEN3, OLMOE, V3 = (
    "mistralai/Mixtral-8x7B-v0.1",
    "Qwen/Qwen3-30B-A3B",
    "allenai/OLMoE-1B-7B-0924",
    "deepseek-ai/DeepSeek-V3",
)


@cache
def found() -> Assignment:
    return Assignment("03_mixture_of_experts")


def answer(name: str) -> Any:
    return found().namespace[name]


def hf_router(style: str, n_experts: int, top_k: int) -> torch.nn.Module:
    """transformers' router, made so that its input is its logits."""
    from transformers.models import deepseek_v3, mixtral, olmoe, qwen3_moe

    sizes = {"hidden_size": n_experts, "num_experts_per_tok": top_k}
    if style == "mixtral":
        config = mixtral.MixtralConfig(num_local_experts=n_experts, **sizes)
        router = mixtral.modeling_mixtral.MixtralTopKRouter(config)
    elif style == "qwen3":
        config = qwen3_moe.Qwen3MoeConfig(num_experts=n_experts, norm_topk_prob=True, **sizes)
        router = qwen3_moe.modeling_qwen3_moe.Qwen3MoeTopKRouter(config)
    elif style == "olmoe":
        router = olmoe.modeling_olmoe.OlmoeTopKRouter(olmoe.OlmoeConfig(num_experts=n_experts, **sizes))
    else:
        config = deepseek_v3.DeepseekV3Config(
            n_routed_experts=n_experts, n_group=1, topk_group=1, routed_scaling_factor=1.0, **sizes
        )
        router = deepseek_v3.modeling_deepseek_v3.DeepseekV3TopkRouter(config)
    router.weight.data = torch.eye(n_experts)
    return router.eval().requires_grad_(False)


@pytest.mark.parametrize("top_k", [1, 3, 8])
@pytest.mark.parametrize("style", ["olmoe", "qwen3", "mixtral", "deepseek"])
def test_gates_are_those_of_transformers_routers(style: str, top_k: int) -> None:
    torch.manual_seed(1)
    logits_NE = torch.randn(20, 8) * 2
    _, weights_Nk, chosen_Nk = hf_router(style, 8, top_k)(logits_NE)
    expected = torch.zeros(20, 8).scatter(1, chosen_Nk, weights_Nk)
    torch.testing.assert_close(answer("gates")(logits_NE, top_k, style), expected)


def test_which_routers_agree_and_which_learn_nothing_with_one_expert() -> None:
    """What the statement asks: Qwen3 and Mixtral agree; with k = 1 all but OLMoE's weight is the constant 1."""
    torch.manual_seed(2)
    gates, logits_NE = answer("gates"), torch.randn(50, 6)
    for k in (1, 2, 6):
        torch.testing.assert_close(gates(logits_NE, k, "qwen3"), gates(logits_NE, k, "mixtral"))
    for style in ("qwen3", "mixtral", "deepseek"):
        assert set(gates(logits_NE, 1, style).flatten().tolist()) == {0.0, 1.0}
    one = torch.tensor([[1.0, 0.0]], requires_grad=True)
    slopes = {s: torch.autograd.grad(gates(one, 1, s)[0, 0], one)[0].norm() for s in ("olmoe", "qwen3")}
    assert slopes["qwen3"] == 0 and slopes["olmoe"] > 0.1


def test_an_upcycled_mixtral_says_what_its_dense_twin_says() -> None:
    """transformers' own classes: Llama's feed-forward part, and Mixtral's and DeepSeek-V3's layers of experts."""
    from transformers import DeepseekV3Config, LlamaConfig, MixtralConfig
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3MoE
    from transformers.models.llama.modeling_llama import LlamaMLP
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    torch.manual_seed(6)
    dense = LlamaMLP(LlamaConfig(hidden_size=12, intermediate_size=20, num_attention_heads=2)).requires_grad_(False)
    x_BTD = torch.randn(2, 7, 12)
    matrices = [linear.weight for linear in (dense.gate_proj, dense.up_proj, dense.down_proj)]

    mixtral = MixtralSparseMoeBlock(
        MixtralConfig(
            hidden_size=12,
            num_attention_heads=2,
            num_key_value_heads=2,
            intermediate_size=20,
            num_local_experts=6,
            num_experts_per_tok=2,
        )
    ).requires_grad_(False)
    mixtral.gate.weight.normal_()
    parts = answer("upcycle")(*matrices, 6, 0, 1.0)
    mixtral.experts.gate_up_proj.copy_(parts["gate_up_EGD"])
    mixtral.experts.down_proj.copy_(parts["down_EDF"])
    torch.testing.assert_close(mixtral(x_BTD), dense(x_BTD))

    config = DeepseekV3Config(
        hidden_size=12, num_attention_heads=2, num_key_value_heads=2, moe_intermediate_size=20, n_routed_experts=8,
        num_experts_per_tok=3, n_group=2, topk_group=1, n_shared_experts=2, routed_scaling_factor=2.5,
        norm_topk_prob=True,
    )  # fmt: skip
    deepseek = DeepseekV3MoE(config).requires_grad_(False)
    deepseek.gate.weight.normal_()
    parts = answer("upcycle")(*matrices, 8, 2, 2.5)
    deepseek.experts.gate_up_proj.copy_(parts["gate_up_EGD"])
    deepseek.experts.down_proj.copy_(parts["down_EDF"])
    gate, up = parts["shared_gate_up_GD"].chunk(2)
    for linear, matrix in zip(("gate_proj", "up_proj", "down_proj"), (gate, up, parts["shared_down_DF"]), strict=True):
        getattr(deepseek.shared_experts, linear).weight.copy_(matrix)
    torch.testing.assert_close(deepseek(x_BTD), dense(x_BTD))


def test_the_upcycled_model_starts_at_the_dense_models_loss_and_its_router_without_a_gradient() -> None:
    """What the cell after the exercise shows, and its guess: the router's gradient is rounding, the experts' is not."""
    losses, part = found().namespace["losses"], found().namespace["moe_part"]
    assert losses["upcycled"].item() == pytest.approx(losses["dense"].item(), abs=2e-5)
    assert part.router.weight.grad.abs().max() < 1e-6 < 1e-3 < part.experts.down.grad.abs().max()
    lengths = part.experts.down.grad.flatten(1).norm(dim=1)
    assert lengths.std() > 0.1 * lengths.mean()


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25])
def test_what_fits_is_what_transformers_top_2_router_keeps(factor: float) -> None:
    from transformers import NllbMoeConfig
    from transformers.models.nllb_moe.modeling_nllb_moe import NllbMoeTop2Router

    torch.manual_seed(4)
    N, E = 40, 6
    config = NllbMoeConfig(num_experts=E, expert_capacity=math.ceil(factor * N * 2 / E), hidden_size=4,
                           second_expert_policy="all", moe_eval_capacity_token_fraction=-1.0)  # fmt: skip
    logits_NE = torch.randn(N, E) + torch.linspace(1, 0, E)
    _, combine_NE = NllbMoeTop2Router(config).route_tokens(logits_NE)
    chosen_Nk = logits_NE.topk(2, dim=-1).indices
    kept_Nk, dropped = answer("fits")(chosen_Nk, E, factor)
    expected_Nk = combine_NE.gather(1, chosen_Nk) > 0
    assert torch.equal(kept_Nk, expected_Nk) and not expected_Nk.all()
    assert dropped == pytest.approx((~expected_Nk).sum().item() / (2 * N))


def test_sequence_loss_is_transformers_batch_loss_of_each_sequence_over_k() -> None:
    """Softmax scores sum to 1 already, and transformers counts k slots per token as k."""
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    torch.manual_seed(5)
    B, T, E, k = 4, 7, 6, 2
    logits_BTE = torch.randn(B, T, E, requires_grad=True)
    each = [load_balancing_loss_func((logits_BTE[b],), E, k) / k for b in range(B)]
    chosen_BTk = logits_BTE.topk(k, dim=-1).indices
    loss = answer("sequence_loss")(logits_BTE.softmax(-1), chosen_BTk)
    torch.testing.assert_close(loss, torch.stack(each).mean())
    slopes = [torch.autograd.grad(f, logits_BTE, retain_graph=True)[0] for f in (loss, torch.stack(each).mean())]
    torch.testing.assert_close(*slopes)
    torch.testing.assert_close(answer("sequence_loss")(7 * logits_BTE.softmax(-1), chosen_BTk), loss)
    whole = load_balancing_loss_func((logits_BTE.flatten(0, 1),), E, k) / k
    assert loss > whole + 0.05


@pytest.mark.parametrize("top_k", [1, 2, 5])
def test_the_mended_boxes_are_transformers_experts(top_k: int) -> None:
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralExperts

    torch.manual_seed(6)
    N, E, D, width = 9, 7, 5, 4
    hf = MixtralExperts(MixtralConfig(num_local_experts=E, hidden_size=D, intermediate_size=width))
    hf.requires_grad_(False)
    for parameter in hf.parameters():
        parameter.copy_(torch.randn_like(parameter))
    gate, up = hf.gate_up_proj.chunk(2, dim=1)
    w = {"gate_EFD": gate, "up_EFD": up, "down_EDF": hf.down_proj}
    x_ND, weights_Nk = torch.randn(N, D), torch.rand(N, top_k)
    chosen_Nk = torch.stack([torch.randperm(E)[:top_k] for _ in range(N)])
    expected = hf(x_ND, chosen_Nk, weights_Nk)
    out = answer("boxed_experts")(x_ND, weights_Nk, chosen_Nk, w)
    torch.testing.assert_close(out["out_ND"], expected)
    given = found().namespace["boxed_experts_with_bugs"](x_ND, weights_Nk, chosen_Nk, w)
    assert not torch.allclose(given["out_ND"], expected, atol=0.1)


def sizes_of(hf: dict[str, Any], parameters: dict[str, torch.nn.Parameter]) -> dict[str, Any]:
    """The exercise's dict, from a config in the hub's format; only `attention_norms` stands in no config."""
    c = {"V": hf["vocab_size"], "D": hf["hidden_size"], "L": hf["num_hidden_layers"], "H": hf["num_attention_heads"],
         "n_dense": hf.get("first_k_dense_replace", 0), "F": hf["intermediate_size"], "k": hf["num_experts_per_tok"],
         "S": hf.get("n_shared_experts", 0), "bytes": 2,
         "F_expert": hf.get("moe_intermediate_size", hf["intermediate_size"])}  # fmt: skip
    c["E"] = next(hf[key] for key in ("num_local_experts", "num_experts", "n_routed_experts") if key in hf)
    if "kv_lora_rank" in hf:
        c |= {"q_rank": hf["q_lora_rank"], "kv_rank": hf["kv_lora_rank"], "nope": hf["qk_nope_head_dim"],
              "rope": hf["qk_rope_head_dim"], "v": hf["v_head_dim"]}  # fmt: skip
    else:
        c |= {"K": hf["num_key_value_heads"], "C": hf.get("head_dim", c["D"] // c["H"])}
    inside = [p.numel() for name, p in parameters.items() if "layers.0.self_attn" in name and "norm" in name]
    return c | {"attention_norms": sum(inside)}


def published_sizes(name: str) -> dict[str, Any]:
    return sizes_of(PUBLISHED[name], published_parameters(name))


def assert_same_parts(hf: dict[str, Any], parameters: dict[str, torch.nn.Parameter]) -> None:
    names = {"routed_experts": "experts", "shared_experts": "shared", "router": "router", "feed_forward": "dense"}
    expected = dict.fromkeys(("attention", "dense", "experts", "shared", "router", "rest"), 0)
    for name, parameter in parameters.items():
        part = "attention" if "self_attn" in name else names.get(part_of(name), "rest")
        expected[part] += parameter.numel()
    counted = answer("count_moe")(sizes_of(hf, parameters))
    assert {part: counted[part] for part in expected} == expected
    assert counted["total"] == sum(expected.values())
    assert counted["active"] == active_by_loop(parameters, hf)


@pytest.mark.parametrize("name", [MIXTRAL, QWEN3, OLMOE, V3])
def test_count_moe_agrees_with_transformers_on_the_meta_device(name: str) -> None:
    assert_same_parts(PUBLISHED[name], published_parameters(name))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["mixtral", "deepseek_v3"])
def test_count_moe_of_tiny_models_in_which_no_two_widths_agree(kind: str, seed: int) -> None:
    hf = random_config(kind, seed) | {"tie_word_embeddings": False}
    if kind == "deepseek_v3":
        hf |= {"q_lora_rank": 5 + seed, "first_k_dense_replace": 0 if hf["num_hidden_layers"] == 1 else 1}
    assert_same_parts(hf, meta_parameters(hf))


def test_cache_bytes_are_what_transformers_caches() -> None:
    """Tiny models read three tokens; what their caches hold is weighed."""
    from transformers import AutoConfig, AutoModelForCausalLM

    shared = {"vocab_size": 11, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4,
              "intermediate_size": 8, "num_experts_per_tok": 2, "pad_token_id": 0, "bos_token_id": 0,
              "eos_token_id": 0}  # fmt: skip
    latent = {"q_lora_rank": 7, "kv_lora_rank": 9, "qk_nope_head_dim": 3, "qk_rope_head_dim": 4, "v_head_dim": 5,
              "n_routed_experts": 4, "n_group": 1, "topk_group": 1, "num_key_value_heads": 4,
              "first_k_dense_replace": 1, "moe_intermediate_size": 8}  # fmt: skip
    grouped = {"num_local_experts": 4, "num_key_value_heads": 2, "head_dim": 6}
    sizes = {"V": 11, "D": 24, "L": 3, "H": 4, "attention_norms": 0, "n_dense": 0, "F": 8, "E": 4, "k": 2, "S": 0,
             "F_expert": 6, "bytes": 4}  # fmt: skip
    for kind, own, ours in [
        ("deepseek_v3", latent, {"q_rank": 7, "kv_rank": 9, "nope": 3, "rope": 4, "v": 5}),
        ("mixtral", grouped, {"K": 2, "C": 6}),
    ]:
        hf = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shared, **own)).eval()
        with torch.no_grad():
            held = hf(torch.tensor([[1, 2, 3]]), use_cache=True).past_key_values
        n_bytes = sum(t.numel() * 4 for layer in held.layers for t in (layer.keys, layer.values))
        assert answer("count_moe")(sizes | ours)["cache_bytes"] == n_bytes / 3


def test_deepseek_v3_in_round_numbers() -> None:
    counted = answer("count_moe")(published_sizes(V3))
    assert (counted["total"], counted["active"]) == (671_026_404_352, 37_552_282_624)
    assert counted["cache_bytes"] == 70_272  # published; 61 layers of 512 + 64 numbers in 2 bytes


def test_the_trap_is_the_default_of_transformers_own_class() -> None:
    from transformers import OlmoeConfig

    assert OlmoeConfig().intermediate_size == 2048
    width = {width: answer("count_moe")(published_sizes(OLMOE) | {"F_expert": width}) for width in (1024, 2048)}
    assert round(width[1024]["total"] / 1e9, 1) == 6.9 and round(width[1024]["active"] / 1e9, 1) == 1.3
    assert width[2048]["total"] > 13e9
    given = found().namespace["OLMOE"]
    assert answer("count_moe")(given) | {"dense": 0} == width[1024] | {"dense": 0}


def test_absorbed_attention_is_transformers_unabsorbed() -> None:
    from transformers import DeepseekV3Config
    from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3Attention

    torch.manual_seed(7)
    H, C, P, W, R, D, S = 3, 6, 4, 5, 7, 20, 9
    config = DeepseekV3Config(hidden_size=D, num_attention_heads=H, num_key_value_heads=H, q_lora_rank=8,
                              kv_lora_rank=R, qk_nope_head_dim=C, qk_rope_head_dim=P, v_head_dim=W,
                              attn_implementation="eager")  # fmt: skip
    hf = DeepseekV3Attention(config, layer_idx=0).eval().requires_grad_(False)
    for parameter in hf.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.5)
    seen: dict[str, torch.Tensor] = {}
    hf.o_proj.register_forward_pre_hook(lambda module, inputs: seen.update(heads=inputs[0][0]))
    hf.q_b_proj.register_forward_hook(lambda module, inputs, output: seen.update(q=output[0]))
    hf.kv_a_proj_with_mqa.register_forward_hook(lambda module, inputs, output: seen.update(cached=output[0]))
    hf.kv_a_layernorm.register_forward_hook(lambda module, inputs, output: seen.update(latent=output.view(-1, R)))
    turn = torch.ones(1, S, P), torch.zeros(1, S, P)  # no rotation: the rotary parts stay as they are
    hf(torch.randn(1, S, D), turn, attention_mask=None)
    q_HC, turned_HP = seen["q"][-1].view(H, C + P).split((C, P), dim=-1)
    key_up_HCR, value_up_HWR = hf.kv_b_proj.weight.view(H, C + W, R).split((C, W), dim=1)
    out = answer("absorbed")(q_HC, turned_HP, seen["latent"], seen["cached"][:, R:], key_up_HCR, value_up_HWR)
    torch.testing.assert_close(out, seen["heads"][-1].view(H, W), atol=1e-4, rtol=1e-4)


def test_experts_read_is_what_random_tokens_touch() -> None:
    """2,000 drawn batches; the mean's standard error is below 0.1 experts."""
    torch.manual_seed(8)
    for users, printed in ((8, 57.4), (64, 222.4)):
        sizes = [torch.rand(users, 256).topk(8, dim=1).indices.unique().numel() for _ in range(2000)]
        touched = answer("experts_read")(256, 8, users, 1, 0)["touched"]
        assert touched == pytest.approx(sum(sizes) / len(sizes), abs=0.4)
        assert round(touched, 1) == printed


def test_the_model_answer_quotes_what_the_tables_print(capsys: pytest.CaptureFixture[str]) -> None:
    cells = {cell.id: cell.source for cell in found().solution.cells}
    exec(compile(python_of(cells["compare"]), "compare", "exec"), dict(found().namespace))
    printed = capsys.readouterr().out
    said = cells["moe-question"].split("===")[0]
    for number in ("75.1", "37.6", "9.15", "0.59", "1.31"):
        assert number in printed and number in said, number
    for rough, exact in (("671 GB", "671.0"), ("1,342 GFLOP", "1342.1"), ("222 of the 256", "222.4 of 256")):
        assert rough in said and exact in printed
    assert round(671.026 / 37.552) == 18 and "18 times" in said


def test_another_seed_changes_no_points() -> None:
    """The parameters cell is what a class variant changes; the set-up reads it when it is called."""
    for seed in (0, 11, 2026):
        for exercise in found().exercises:
            for outcome in found().outcomes(exercise, {"SEED": seed}):
                assert not outcome.error and not outcome.printed, f"{outcome.grade_id}: {outcome.message}"


def test_the_meter_counts_storage_and_not_views() -> None:
    with found().namespace["Meter"]() as meter:
        small = torch.zeros(3, 4)
        small.expand(100, 3, 4).transpose(0, 1)
    assert meter.largest == 12
    with meter:
        F.relu(torch.zeros(7, 9).double())
    assert meter.largest == 63
