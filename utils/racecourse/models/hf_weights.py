"""From Hugging Face's parameter names to ours, and back for Llama's kind.

Their checkpoints keep query, key and value, and gate and up, apart, and list experts one by one; transformers 5 stacks
the experts once loaded. Both spellings are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from racecourse.models.config import ModelConfig

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from racecourse.models.transformer import Transformer

_PLAIN = {
    "model.embed_tokens.": "embed.",
    "model.norm.": "norm.",
    "lm_head.": "head.",
    "model.layers.": "layers.",
    "input_layernorm.": "attention_norm.",
    "post_attention_layernorm.": "mlp_norm.",
    "self_attn.o_proj.": "attention.out.",
    "self_attn.q_norm.": "attention.q_norm.",
    "self_attn.k_norm.": "attention.k_norm.",
    "self_attn.q_a_proj.": "attention.q_down.",
    "self_attn.q_a_layernorm.": "attention.q_norm.",
    "self_attn.q_b_proj.": "attention.q_up.",
    "self_attn.kv_a_proj_with_mqa.": "attention.kv_down.",
    "self_attn.kv_a_layernorm.": "attention.kv_norm.",
    "self_attn.kv_b_proj.": "attention.kv_up.",
    "block_sparse_moe.": "mlp.",  # Mixtral's files
    "mlp.gate.e_score_correction_bias": "mlp.router.bias",
    "mlp.gate.weight": "mlp.router.weight",
    "mlp.shared_experts.": "mlp.shared.",
    "mlp.experts.gate_up_proj": "mlp.experts.gate_up",
    "mlp.experts.down_proj": "mlp.experts.down",
    ".down_proj.": ".down.",
    ".w1.": ".gate_proj.",
    ".w2.": ".down.",
    ".w3.": ".up_proj.",
}
# what is concatenated along the output dimension: the parts in order, and the name of the whole
_FUSED = {
    ("self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."): "attention.qkv.",
    ("gate_proj.", "up_proj."): "gate_up.",
}


def rename(config: ModelConfig, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict from theirs. Tied heads are repeated; a multi-token-prediction layer is left out."""
    weights = {}
    for name, tensor in state_dict.items():
        for theirs, ours in _PLAIN.items():
            name = name.replace(theirs, ours)
        weights[name] = tensor
    mtp = tuple(f"layers.{config.n_layers + i}." for i in range(8))  # DeepSeek-V3's files carry one extra layer
    weights = {n: t for n, t in weights.items() if not n.startswith(mtp) and "rotary_emb" not in n}
    for parts, whole in _FUSED.items():
        weights = _fuse(weights, parts, whole)
    if config.mla and config.mla.q_rank is None:
        weights = {n.replace("self_attn.q_proj.", "attention.q."): t for n, t in weights.items()}
    weights = _stack_experts(weights)
    if config.tie_embeddings:
        weights["head.weight"] = weights["embed.weight"]
    return weights


def _fuse(weights: dict[str, Tensor], parts: tuple[str, ...], whole: str) -> dict[str, Tensor]:
    fused: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        part = next((p for p in parts if p in name), None)
        siblings = [name.replace(part, p) for p in parts] if part else []
        if part is None or any(s not in weights for s in siblings):
            fused[name] = tensor
        elif part == parts[0]:
            fused[name.replace(part, whole)] = torch.cat([weights[s] for s in siblings])
    return fused


def _stack_experts(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    pattern = re.compile(r"(.*\.experts)\.(\d+)\.(gate_up|down)\.weight")
    stacked: dict[str, Tensor] = {}
    lists: dict[str, dict[int, Tensor]] = {}
    for name, tensor in weights.items():
        if match := pattern.fullmatch(name):
            lists.setdefault(f"{match[1]}.{match[3]}", {})[int(match[2])] = tensor
        else:
            stacked[name] = tensor
    for name, experts in lists.items():
        stacked[name] = torch.stack([experts[i] for i in sorted(experts)])
    return stacked


def to_hf(model: Transformer) -> PreTrainedModel:
    """The way back, for Llama's kind: transformers' own class with a copy of the weights, float32 and on the CPU.

    Other libraries train and serve that class. Left out: every other architecture.

    Raises:
        ValueError: a model that is no plain Llama.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    config = model.config
    if config.architecture != "llama" or config.moe or config.mla or config.rope_scaling:
        raise ValueError(f"to_hf knows plain dense Llama models only; this is {config}")
    theirs = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocab_size, hidden_size=config.d_model, intermediate_size=config.d_ff,
            num_hidden_layers=config.n_layers, num_attention_heads=config.n_heads,
            num_key_value_heads=config.n_kv_heads, head_dim=config.head_dim, rms_norm_eps=config.norm_eps,
            max_position_embeddings=config.max_context, rope_parameters={"rope_type": "default",
            "rope_theta": config.rope_theta}, tie_word_embeddings=config.tie_embeddings,
        )
    )  # fmt: skip
    heads = (config.n_heads * config.head_dim, config.n_kv_heads * config.head_dim, config.n_kv_heads * config.head_dim)
    ours = {name: tensor.detach().cpu().float() for name, tensor in model.state_dict().items()}
    weights = {
        "model.embed_tokens.weight": ours["embed.weight"],
        "model.norm.weight": ours["norm.weight"],
        "lm_head.weight": ours["head.weight"],
    }
    for i in range(config.n_layers):
        block = {name.removeprefix(f"layers.{i}."): t for name, t in ours.items() if name.startswith(f"layers.{i}.")}
        q, k, v = block["attention.qkv.weight"].split(heads)
        gate, up = block["mlp.gate_up.weight"].chunk(2)
        parts = {
            "self_attn.q_proj": q, "self_attn.k_proj": k, "self_attn.v_proj": v,
            "self_attn.o_proj": block["attention.out.weight"], "mlp.gate_proj": gate, "mlp.up_proj": up,
            "mlp.down_proj": block["mlp.down.weight"], "input_layernorm": block["attention_norm.weight"],
            "post_attention_layernorm": block["mlp_norm.weight"],
        }  # fmt: skip
        weights |= {f"model.layers.{i}.{name}.weight": tensor for name, tensor in parts.items()}
    theirs.load_state_dict(weights)
    return theirs.eval()
