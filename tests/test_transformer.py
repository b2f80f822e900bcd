"""Our transformer against transformers' own classes: equal logits for random tiny models of every architecture."""

import dataclasses
import json
import subprocess
import sys

import pytest
import torch
import transformers

from racecourse.models import KVCache, ModelConfig, Transformer
from racecourse.models.config import ARCHITECTURES, MoEConfig, RopeScaling

TOLERANCE = 1e-4  # largest difference of a logit in float32; logits here are of size 5

BASE = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-3,  # large, so that an epsilon in the wrong place shows
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 1e4}
WIDE_YARN = {**YARN, "original_max_position_embeddings": 64}  # its ramp crosses several channels of a wide head
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
MOE = {"num_experts_per_tok": 3, "num_experts": 8, "moe_intermediate_size": 24}
DEEPSEEK = {
    "num_key_value_heads": 6,
    "moe_intermediate_size": 24,
    "n_shared_experts": 2,
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "n_group": 4,
    "topk_group": 2,
    "kv_lora_rank": 16,
    "q_lora_rank": 20,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "v_head_dim": 10,
    "first_k_dense_replace": 1,
}
CASES = {
    "llama-gqa": ("Llama", {}),
    "llama-mha-tied": ("Llama", {"num_key_value_heads": 6, "tie_word_embeddings": True}),
    "llama-mqa-wide-heads": ("Llama", {"num_key_value_heads": 1, "head_dim": 20}),
    "llama-9-over-3": ("Llama", {"hidden_size": 72, "num_attention_heads": 9, "num_key_value_heads": 3}),
    "llama-biased": ("Llama", {"attention_bias": True}),
    "llama-3.1-rope": ("Llama", {"rope_parameters": LLAMA3}),
    "llama-linear-rope": ("Llama", {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 1e4}}),
    "qwen2": ("Qwen2", {}),
    "qwen2-tied-yarn": ("Qwen2", {"tie_word_embeddings": True, "rope_parameters": YARN}),
    "llama-yarn-wide-heads": ("Llama", {"head_dim": 32, "rope_parameters": WIDE_YARN}),
    "llama-yarn-not-truncated": ("Llama", {"head_dim": 32, "rope_parameters": {**WIDE_YARN, "truncate": False}}),
    "qwen2-3-heads-a-group": ("Qwen2", {"hidden_size": 72, "num_attention_heads": 9, "num_key_value_heads": 3}),
    "qwen3-narrow-heads": ("Qwen3", {"head_dim": 12}),
    "qwen3-tied": ("Qwen3", {"head_dim": 16, "tie_word_embeddings": True, "num_key_value_heads": 3}),
    "mixtral": ("Mixtral", {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "qwen3-one-key-head": ("Qwen3", {"head_dim": 10, "num_key_value_heads": 1, "rope_parameters": YARN}),
    "mixtral-one-key-head": ("Mixtral", {"num_local_experts": 3, "num_experts_per_tok": 1, "num_key_value_heads": 1}),
    "mixtral-4-of-5": ("Mixtral", {"num_local_experts": 5, "num_experts_per_tok": 4, "head_dim": 12}),
    "qwen3-moe": ("Qwen3Moe", {**MOE, "head_dim": 12}),
    "qwen3-moe-normalised-some-dense": (
        "Qwen3Moe",
        {**MOE, "head_dim": 12, "norm_topk_prob": True, "mlp_only_layers": [1]},
    ),
    "qwen3-moe-every-second": ("Qwen3Moe", {**MOE, "head_dim": 12, "decoder_sparse_step": 2}),
    "olmoe": ("Olmoe", {"num_experts": 8, "num_experts_per_tok": 3}),
    "olmoe-normalised": ("Olmoe", {"num_experts": 6, "num_experts_per_tok": 4, "norm_topk_prob": True}),
    "olmoe-clipped-gqa": ("Olmoe", {"num_experts": 4, "num_experts_per_tok": 2, "clip_qkv": 0.5}),
    "deepseek": ("DeepseekV3", DEEPSEEK),
    "deepseek-yarn": ("DeepseekV3", {**DEEPSEEK, "rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.7}}),
    "deepseek-full-query-halves": ("DeepseekV3", {**DEEPSEEK, "q_lora_rank": None, "rope_interleave": False}),
    "deepseek-unnormalised": ("DeepseekV3", {**DEEPSEEK, "norm_topk_prob": False, "first_k_dense_replace": 0}),
}


@pytest.fixture(scope="module", params=CASES, ids=str)
def pair(request):
    """(transformers' model, ours), weights random and large enough that every part matters."""
    family, changes = CASES[request.param]
    config = getattr(transformers, f"{family}Config")(**{**BASE, **changes})
    torch.manual_seed(len(request.param))
    theirs = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for name, tensor in [*theirs.named_parameters(), *theirs.named_buffers()]:
        if "inv_freq" not in name:
            torch.nn.init.normal_(tensor, 1.0 if "norm" in name else 0.0, 0.3 if "norm" in name else 0.2)
    return theirs, Transformer.from_hf(theirs)


def random_ids(rows: int, tokens: int) -> torch.Tensor:
    return torch.randint(3, 97, (rows, tokens), generator=torch.Generator().manual_seed(tokens))


@torch.no_grad()
def test_logits_equal_in_one_pass(pair):
    theirs, ours = pair
    ids = random_ids(3, 60)
    expected = theirs(ids).logits
    assert expected.abs().max() > 2, "the logits are too small for the tolerance to mean much"
    torch.testing.assert_close(ours(ids), expected, rtol=0, atol=TOLERANCE)
    torch.testing.assert_close(ours(ids, last_only=True), expected[:, -1:], rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_logits_equal_token_by_token_from_the_cache(pair):
    theirs, ours = pair
    ids = random_ids(2, 40)
    cache = KVCache(ours.config, batch_size=2, max_tokens=40)
    steps = [ours(ids[:, :7], cache=cache), ours(ids[:, 7:12], cache=cache)]
    steps += [ours(ids[:, t : t + 1], cache=cache) for t in range(12, 40)]
    assert cache.length == 40
    torch.testing.assert_close(torch.cat(steps, dim=1), theirs(ids).logits, rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_padding_on_the_left_changes_nothing(pair):
    theirs, ours = pair
    ids = random_ids(3, 30)
    n_pad_B = torch.tensor([0, 5, 17])
    padded = torch.where(torch.arange(30) < n_pad_B[:, None], 0, ids)
    cache = KVCache(ours.config, batch_size=3, max_tokens=30, n_pad_B=n_pad_B)
    cached = torch.cat(
        [ours(padded[:, :20], cache=cache), *(ours(padded[:, t : t + 1], cache=cache) for t in range(20, 30))], 1
    )
    for row, n_pad in enumerate(n_pad_B.tolist()):
        alone = theirs(ids[row : row + 1, n_pad:]).logits[0]
        torch.testing.assert_close(ours(padded, n_pad_B=n_pad_B)[row, n_pad:], alone, rtol=0, atol=TOLERANCE)
        torch.testing.assert_close(cached[row, n_pad:], alone, rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_saved_checkpoints_load_by_their_own_names(pair, tmp_path):
    """transformers writes experts one by one; the names in a file differ from those in memory."""
    from safetensors.torch import load_file

    theirs, ours = pair
    theirs.save_pretrained(tmp_path)
    state = {name: tensor for file in tmp_path.glob("*.safetensors") for name, tensor in load_file(file).items()}
    loaded = Transformer.from_hf_state_dict(ModelConfig.from_hf(tmp_path / "config.json"), state)
    ids = random_ids(1, 9)
    assert torch.equal(loaded(ids), ours(ids))


def test_config_reads_alike_from_object_dict_and_file(tmp_path):
    config = transformers.Qwen3MoeConfig(**{**BASE, **MOE, "head_dim": 12})
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    ours = ModelConfig.from_hf(config)
    assert ours == ModelConfig.from_hf(config.to_dict()) == ModelConfig.from_hf(tmp_path / "config.json")
    assert ours == ModelConfig.from_hf(str(tmp_path))
    assert (ours.n_heads, ours.n_kv_heads, ours.head_dim, ours.moe.n_experts) == (6, 2, 12, 8)


def test_older_config_files_keep_rope_settings_apart():
    """The QwQ-32B and R1 files on the hub predate transformers 5: rope_theta beside rope_scaling."""
    old = {**BASE, "model_type": "qwen2", "rope_theta": 1e6, "rope_scaling": {"type": "yarn", "factor": 4.0,
           "original_max_position_embeddings": 32768}}  # fmt: skip
    config = ModelConfig.from_hf(old)
    assert config.rope_theta == 1e6
    assert (config.rope_scaling.kind, config.rope_scaling.original_context) == ("yarn", 32768)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "'gpt2' is not known here; known: llama, qwen2"),
        ({"model_type": "llama", "hidden_act": "gelu"}, "hidden_act='gelu'"),
        ({"model_type": "llama", "mlp_bias": True}, "mlp_bias"),
        ({"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 16}, "sliding-window"),
        ({"model_type": "mixtral", "sliding_window": 16, "num_local_experts": 2}, "sliding-window"),
        ({"model_type": "llama", "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope scaling 'dynamic'"),
        ({"model_type": "llama", "vocab_size": None}, "lacks 'vocab_size'"),
        ({"model_type": "llama", "num_key_value_heads": 4}, "n_heads=6 is not a multiple of n_kv_heads=4"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        ModelConfig.from_hf({**BASE, **change})


def test_every_architecture_is_compared():
    compared = {getattr(transformers, f"{family}Config").model_type for family, _ in CASES.values()}
    assert compared == set(ARCHITECTURES)


def test_a_context_or_a_cache_that_is_too_short_is_said():
    config = ModelConfig("llama", 97, 16, 1, 2, 1, 8, 16, max_context=12)
    model = Transformer(config)
    with pytest.raises(ValueError, match="13 tokens exceed this model's context of 12"):
        model(random_ids(1, 13))
    cache = KVCache(config, batch_size=1, max_tokens=4)
    with pytest.raises(ValueError, match="holds 4 tokens and 5 are needed"):
        model(random_ids(1, 5), cache=cache)


def test_weights_that_do_not_fit_are_named():
    config = ModelConfig("llama", 97, 16, 1, 2, 1, 8, 16, max_context=12)
    with pytest.raises(ValueError, match=r"layers\.0\.attention\.qkv\.weight"):
        Transformer.from_hf_state_dict(config, {})


def test_moe_settings_are_checked():
    with pytest.raises(ValueError, match="top_k=9 exceeds n_experts=8; lower top_k"):
        MoEConfig(n_experts=8, top_k=9, d_expert=4, layers=(0,))
    with pytest.raises(dataclasses.FrozenInstanceError):
        MoEConfig(n_experts=8, top_k=2, d_expert=4, layers=(0,)).top_k = 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": "tanh"}, "scores='tanh'"),
        ({"n_groups": 3}, "n_experts=8 cannot be dealt evenly into n_groups=3"),
        ({"n_groups": 4, "top_k_groups": 5}, "top_k_groups=5 exceeds n_groups=4"),
        ({"n_groups": 4, "top_k_groups": 1, "top_k": 3}, "top_k=3 exceeds the 2 experts of the chosen groups"),
        ({"n_groups": 8, "top_k_groups": 4}, "a group is ranked by its best two"),
    ],
)
def test_impossible_routing_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MoEConfig(**{"n_experts": 8, "top_k": 2, "d_expert": 4, "layers": (0,), **change})


def test_impossible_shapes_are_refused():
    with pytest.raises(ValueError, match="architecture 'gpt' is not known"):
        ModelConfig("gpt", 97, 16, 1, 2, 1, 8, 16, max_context=12)
    with pytest.raises(ValueError, match="rotary width 7 is odd"):
        ModelConfig("llama", 97, 16, 1, 2, 1, 7, 16, max_context=12)
    with pytest.raises(ValueError, match="kind='ntk'"):
        RopeScaling(kind="ntk", factor=2.0, original_context=32)


def test_cache_bytes_are_those_of_the_published_deepseek_v3():
    """61 layers x (512 + 64) x 2 bytes = 70,272 per token (arXiv 2505.09343, table 1)."""
    mla = {**DEEPSEEK, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "num_hidden_layers": 61}
    config = ModelConfig.from_hf(transformers.DeepseekV3Config(**{**BASE, **mla}))
    assert KVCache(config, batch_size=1, max_tokens=1, dtype=torch.bfloat16).n_bytes == 70_272


def test_a_model_without_numbers_needs_no_compiler() -> None:
    """Loading builds one on the meta device. Initialising it there would import torch's compiler, which takes 2 s."""
    code = """
import sys, torch
from racecourse.models import ModelConfig, Transformer
config = ModelConfig("llama", vocab_size=10, d_model=8, n_layers=1, n_heads=2, n_kv_heads=1, head_dim=4, d_ff=16,
                     max_context=32)
with torch.device("meta"):
    model = Transformer(config)
assert all(parameter.is_meta for parameter in model.parameters())
assert "torch._dynamo" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
