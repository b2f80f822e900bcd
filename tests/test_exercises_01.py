"""Exercise set 01's reference answers against transformers' own modules, and what holds for this set only."""

from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from wrong_answers import Assignment

TOTALS = {"smollm2": 134_515_008, "qwq": 32_763_876_352, "qwen3": 596_049_920}


@cache
def found() -> Assignment:
    return Assignment("01_transformers")


def answer(name: str) -> Any:
    return found().namespace[name]


def test_head_norm_is_qwen3s_query_norm() -> None:
    from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

    torch.manual_seed(1)
    x_BTE, norm = torch.randn(2, 5, 3 * 8), Qwen3RMSNorm(8, eps=0.3)
    norm.weight.data.uniform_(0.5, 2.0)
    with torch.no_grad():
        expected = norm(x_BTE.view(2, 5, 3, 8)).transpose(1, 2)  # as in Qwen3Attention.forward
        torch.testing.assert_close(answer("head_norm")(x_BTE, norm.weight, 0.3), expected)


@cache
def drawn() -> dict[str, Any]:
    """A version that a class can be given, with its own solutions."""
    values = {"GAIN": "1 + weight", "HEAD_ORDER": "BTHC", "QK_NORM_OF": "row", "CACHED_IN": "bytes"}
    return Assignment("01_transformers", values).namespace


def test_head_norm_with_1_plus_the_weight_is_gemmas() -> None:
    from transformers.models.gemma.modeling_gemma import GemmaRMSNorm

    torch.manual_seed(2)
    x_BTE, norm = torch.randn(2, 5, 3 * 8), GemmaRMSNorm(8, eps=0.3)
    norm.weight.data.uniform_(-0.5, 0.5)
    with torch.no_grad():
        torch.testing.assert_close(drawn()["head_norm"](x_BTE, norm.weight, 0.3), norm(x_BTE.view(2, 5, 3, 8)))


def test_count_parts_with_norms_over_a_row_is_olmo_2s() -> None:
    from transformers import AutoModelForCausalLM, Olmo2Config

    config = Olmo2Config(vocab_size=1000, hidden_size=96, num_hidden_layers=3, num_attention_heads=6,
                         num_key_value_heads=2, intermediate_size=200, tie_word_embeddings=False)  # fmt: skip
    with torch.device("meta"):
        expected = sum_by_part(AutoModelForCausalLM.from_config(config))
    sizes = {"V": 1000, "D": 96, "L": 3, "H": 6, "K": 2, "C": 16, "F": 200}
    parts = drawn()["count_parts"]({**sizes, "tied": False, "qkv_bias": False, "qk_norm": True})
    assert {part: parts[part] for part in expected} == expected
    assert parts["total"] == sum(expected.values()) and parts["cached"] == 4 * 2 * 3 * 2 * 16


def hf_configs() -> dict[str, Any]:
    from transformers import LlamaConfig, Qwen2Config, Qwen3Config

    return {
        "smollm2": LlamaConfig(vocab_size=49152, hidden_size=576, num_hidden_layers=30, num_attention_heads=9,
                               num_key_value_heads=3, intermediate_size=1536, tie_word_embeddings=True),
        "qwq": Qwen2Config(vocab_size=152064, hidden_size=5120, num_hidden_layers=64, num_attention_heads=40,
                           num_key_value_heads=8, intermediate_size=27648, tie_word_embeddings=False),
        "qwen3": Qwen3Config(vocab_size=151936, hidden_size=1024, num_hidden_layers=28, num_attention_heads=16,
                             num_key_value_heads=8, head_dim=128, intermediate_size=3072, tie_word_embeddings=True),
    }  # fmt: skip


def sum_by_part(hf_model: torch.nn.Module) -> dict[str, int]:
    parts = {"embedding": 0, "head": 0, "attention": 0, "feed_forward": 0, "norms": 0}
    places = {"norm": "norms", "self_attn": "attention", "mlp": "feed_forward", "lm_head": "head", "embed": "embedding"}
    for name, parameter in hf_model.named_parameters():  # a tied matrix is listed once
        parts[next(part for word, part in places.items() if word in name)] += parameter.numel()
    return parts


@pytest.mark.parametrize("name", TOTALS)
def test_count_parts_agrees_with_transformers_on_the_meta_device(name: str) -> None:
    from transformers import AutoModelForCausalLM

    hf = hf_configs()[name]
    with torch.device("meta"):
        expected = sum_by_part(AutoModelForCausalLM.from_config(hf))
    C = getattr(hf, "head_dim", None) or hf.hidden_size // hf.num_attention_heads
    config = {"V": hf.vocab_size, "D": hf.hidden_size, "L": hf.num_hidden_layers, "H": hf.num_attention_heads,
              "K": hf.num_key_value_heads, "C": C, "F": hf.intermediate_size, "tied": hf.tie_word_embeddings,
              "qkv_bias": name == "qwq", "qk_norm": name == "qwen3"}  # fmt: skip
    parts = answer("count_parts")(config)
    assert parts["total"] == sum(expected.values()) == TOTALS[name]
    assert {part: parts[part] for part in expected} == expected


def test_reordered_rows_give_llamas_scores_in_coheres_rotation() -> None:
    """transformers' Llama turns halves, its Cohere turns neighbours."""
    from transformers.models.cohere.modeling_cohere import apply_rotary_pos_emb as turn_neighbours
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as turn_halves

    torch.manual_seed(3)
    H, K, C, D, T = 4, 2, 6, 10, 7
    x_TD, w_q, w_k = torch.randn(T, D), torch.randn(H * C, D), torch.randn(K * C, D)
    angle = torch.arange(T)[:, None] * 100.0 ** (-torch.arange(0, C, 2) / C)
    halves, neighbours = torch.cat((angle, angle), -1)[None], angle.repeat_interleave(2, -1)[None]
    cut = answer("cut_heads")
    q, k = cut(x_TD @ w_q.T, C)[None], cut(x_TD @ w_k.T, C)[None]
    old_q, old_k = turn_halves(q, k, halves.cos(), halves.sin())
    torch.testing.assert_close(answer("turn_halves")(q[0], 100.0), old_q[0])
    w_q, w_k = answer("to_neighbours")(w_q, H), answer("to_neighbours")(w_k, K)
    q, k = cut(x_TD @ w_q.T, C)[None], cut(x_TD @ w_k.T, C)[None]
    new_q, new_k = turn_neighbours(q, k, neighbours.cos(), neighbours.sin())
    torch.testing.assert_close(answer("turn_neighbours")(q[0], 100.0), new_q[0])
    for h in range(H):
        torch.testing.assert_close(new_q[0, h] @ new_k[0, h // 2].T, old_q[0, h] @ old_k[0, h // 2].T)


@pytest.mark.parametrize(("n_pad_B", "T", "window"), [([0, 3], 6, 2), ([1, 5, 0], 8, 8), ([2], 4, 1)])
def test_window_mask_agrees_with_transformers_mask_functions(n_pad_B: list[int], T: int, window: int) -> None:
    from transformers.masking_utils import sliding_window_causal_mask_function

    may_look = sliding_window_causal_mask_function(window)
    mask_BTT = answer("window_mask")(n_pad_B, T, window)
    for b, n_pad in enumerate(n_pad_B):
        for t in range(n_pad, T):
            expected = [s >= n_pad and bool(may_look(b, 0, torch.tensor(t), torch.tensor(s))) for s in range(T)]
            assert mask_BTT[b, t].tolist() == expected
        assert torch.equal(mask_BTT[b, :n_pad, :], torch.eye(T, dtype=torch.bool)[:n_pad])


def test_the_mended_layer_is_transformers_llama_layer() -> None:
    from transformers import LlamaConfig, LlamaModel

    torch.manual_seed(5)
    H, K, T = 6, 2, 5
    hf_config = LlamaConfig(vocab_size=11, hidden_size=24, num_hidden_layers=1, num_attention_heads=H, head_dim=8,
                            num_key_value_heads=K, intermediate_size=30, rms_norm_eps=0.2, attn_implementation="eager",
                            rope_parameters={"rope_type": "default", "rope_theta": 70.0})  # fmt: skip
    hf = LlamaModel(hf_config).eval().requires_grad_(False)
    for parameter in hf.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.4)
    seen: dict[str, torch.Tensor] = {}
    hf.layers[0].register_forward_hook(lambda module, inputs, output: seen.update(output=output))
    x_TD = torch.randn(T, 24)
    weights_BHTS = hf(inputs_embeds=x_TD[None], output_attentions=True).attentions[0]
    names = {"attention_norm": "input_layernorm", "q": "self_attn.q_proj", "k": "self_attn.k_proj",
             "v": "self_attn.v_proj", "out": "self_attn.o_proj", "mlp_norm": "post_attention_layernorm",
             "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}  # fmt: skip
    w = {ours: hf.layers[0].get_submodule(theirs).weight for ours, theirs in names.items()}
    out = answer("layer")(x_TD, w, H, K, 0.2, 70.0)
    torch.testing.assert_close(out["weights_HTS"], weights_BHTS[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(out["output_TD"], seen["output"].view(T, 24), atol=1e-4, rtol=1e-4)
    given = found().namespace["layer_with_bugs"](x_TD, w, H, K, 0.2, 70.0)
    assert not torch.allclose(given["output_TD"], out["output_TD"], atol=0.1)


@pytest.mark.parametrize("p", [0.05, 0.4, 0.75, 0.99])
def test_mass_above_gives_the_sets_of_transformers_top_p(p: float) -> None:
    from transformers import TopPLogitsWarper

    torch.manual_seed(6)
    logits_BV = torch.randn(3, 200) * 2
    kept_BV = TopPLogitsWarper(p)(None, logits_BV / 0.8).isfinite()
    assert torch.equal(answer("mass_above")(logits_BV, 0.8) < p, kept_BV)


def test_the_ring_holds_what_a_dict_of_slots_holds() -> None:
    torch.manual_seed(7)
    W, slots = 5, {}
    ring, n_seen = torch.zeros(2, W, 3), 0
    for T in (2, 1, 8, 1, 4, 13, 5):
        new = torch.randn(2, T, 3)
        ring, positions = answer("ring_write")(ring, n_seen, new)
        for i in range(T):  # one token after another, each over what was in its slot
            slots[(n_seen + i) % W] = n_seen + i, new[:, i]
        n_seen += T
        for slot in range(W):
            position, key = slots.get(slot, (-1, torch.zeros(2, 3)))
            assert positions[slot] == position and torch.equal(ring[:, slot], key)


@pytest.mark.parametrize("size", [1, 4, 9, 30])
def test_absorbed_blocks_give_torchs_fused_attention(size: int) -> None:
    torch.manual_seed(8)
    T, S, C = 4, 30, 8
    q, k, v, mask = torch.randn(T, C), torch.randn(S, C), torch.randn(S, C), torch.rand(T, S) > 0.5
    mask[:, -1] = True
    state = (torch.full((T,), float("-inf")), torch.zeros(T), torch.zeros(T, C))
    for start in range(0, S, size):
        end = start + size
        state = answer("absorb_block")(state, q, k[start:end], v[start:end], mask[:, start:end])
    expected = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=mask[None])[0]
    torch.testing.assert_close(state[2] / state[1][:, None], expected)


def test_another_sentence_and_layer_change_no_points() -> None:
    """The parameters cell is what a class variant changes."""
    variant = {"SENTENCE": "Nine gardeners counted the pears, and each of them found another number.", "LAYER": 20}
    for exercise in found().exercises:
        for outcome in found().outcomes(exercise, variant):
            assert not outcome.error and not outcome.printed, f"{outcome.grade_id}: {outcome.message}"
