"""A llama model in a GGUF file, rewritten as a folder in the Hugging Face layout.

The folder holds config.json, generation_config.json, model.safetensors, tokenizer.json and tokenizer_config.json, so
that both this package and transformers can read it. The weights are written in float32: the file's 4-bit blocks stand
for `scale * q + minimum` with float16 scales, which float16 could not hold exactly.

Left out: every architecture but llama, every tokenizer but SmolLM2's, and a separate output matrix (SmolLM2 reads its
tokens and predicts them with one matrix).
"""

import json
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

HF_NAMES = {  # GGUF's name inside block N -> transformers' name inside model.layers.N
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL_TOKEN = 3  # GGUF's token type for <|im_start|> and the like


def convert(gguf_path: Path, folder: Path) -> None:
    """Write the model in `gguf_path` to the existing `folder`, in the Hugging Face layout."""
    reader = GGUFReader(gguf_path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    architecture, splitting = fields["general.architecture"], fields["tokenizer.ggml.pre"]
    if (architecture, splitting) != ("llama", "smollm"):
        raise ValueError(
            f"{gguf_path.name} holds architecture {architecture!r} with pre-tokenizer {splitting!r}; "
            "only 'llama' with 'smollm' is converted"
        )
    _write_json(folder / "config.json", model_config(fields))
    _write_json(folder / "generation_config.json", generation_config(fields))
    _write_json(folder / "tokenizer_config.json", tokenizer_config(fields))
    build_tokenizer(fields).save(str(folder / "tokenizer.json"))
    weights_path = folder / "model.safetensors"
    save_file(read_weights(reader, fields), weights_path, metadata={"format": "pt"})
    weights_path.chmod(0o644)  # safetensors writes 0600: on a class server one cache serves every account


def model_config(fields: dict) -> dict:
    """The fields of transformers' LlamaConfig."""
    n_heads, width = fields["llama.attention.head_count"], fields["llama.embedding_length"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": fields["llama.vocab_size"],
        "hidden_size": width,
        "intermediate_size": fields["llama.feed_forward_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": n_heads,
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "head_dim": width // n_heads,
        "max_position_embeddings": fields["llama.context_length"],
        # GGUF stores float32: 9.999999747378752e-06 is the float32 nearest to the 1e-05 that was meant
        "rms_norm_eps": float(str(np.float32(fields["llama.attention.layer_norm_rms_epsilon"]))),
        "rope_theta": fields["llama.rope.freq_base"],
        "rope_scaling": None,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "dtype": "float32",
        **generation_config(fields),
    }


def generation_config(fields: dict) -> dict:
    """The ids that begin, end and pad a text."""
    return {
        "bos_token_id": fields["tokenizer.ggml.bos_token_id"],
        "eos_token_id": fields["tokenizer.ggml.eos_token_id"],
        "pad_token_id": fields["tokenizer.ggml.padding_token_id"],
    }


def tokenizer_config(fields: dict) -> dict:
    """The special tokens by name, and the chat template."""
    tokens = fields["tokenizer.ggml.tokens"]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[fields["tokenizer.ggml.bos_token_id"]],
        "eos_token": tokens[fields["tokenizer.ggml.eos_token_id"]],
        "pad_token": tokens[fields["tokenizer.ggml.padding_token_id"]],
        "unk_token": tokens[fields["tokenizer.ggml.unknown_token_id"]],
        "model_max_length": fields["llama.context_length"],
        "clean_up_tokenization_spaces": False,
        "chat_template": fields["tokenizer.chat_template"],
    }


def build_tokenizer(fields: dict) -> Tokenizer:
    """Byte-level BPE that splits numbers into digits, as the model was trained."""
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in control])
    return tokenizer


def read_weights(reader: GGUFReader, fields: dict) -> dict[str, np.ndarray]:
    """Every weight in float32, under transformers' parameter name."""
    n_heads = {"attn_q": fields["llama.attention.head_count"], "attn_k": fields["llama.attention.head_count_kv"]}
    weights = {}
    for tensor in reader.tensors:
        name = tensor.name.removesuffix(".weight")
        values = np.ascontiguousarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        if name.endswith(("attn_q", "attn_k")):
            values = split_halves(values, n_heads[name.split(".")[-1]])
        weights[hf_name(name)] = values
    return weights


def hf_name(gguf_name: str) -> str:
    """Transformers' name of a parameter.

    >>> hf_name("blk.7.attn_q")
    'model.layers.7.self_attn.q_proj.weight'
    """
    if not gguf_name.startswith("blk."):
        return {"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[gguf_name]
    _, layer, part = gguf_name.split(".")
    return f"model.layers.{layer}.{HF_NAMES[part]}.weight"


def split_halves(weight_OD: np.ndarray, n_heads: int) -> np.ndarray:
    """Reorder the rows of a query or key matrix from GGUF's rope layout to transformers'.

    Rope turns channels in pairs. GGUF lays the two members of a pair side by side (0, 1), (2, 3), ...; transformers
    puts all first members in the first half of the head and all second members in the second half.

    >>> split_halves(np.arange(8)[:, None], n_heads=2).ravel().tolist()
    [0, 2, 1, 3, 4, 6, 5, 7]
    """
    pairs_HC2D = weight_OD.reshape(n_heads, -1, 2, weight_OD.shape[-1])
    return np.ascontiguousarray(pairs_HC2D.swapaxes(1, 2)).reshape(weight_OD.shape)


def _write_json(path: Path, value: dict) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
