"""From Hugging Face's parameter names to ours.

Their checkpoints keep query, key and value, and gate and up, apart, and list experts one by one; transformers 5 stacks
the experts once loaded. Both spellings are read.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from racecourse.models.config import ModelConfig

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
