# %% [markdown]
# # 01 · Transformers: from tokens to text
#
# **By the end you will have shown that** some 200 lines of your own code turn the weights of a real language model,
# SmolLM2-135M, into the same numbers as the reference implementation does, and that the same class, given QwQ-32B's
# configuration, has exactly 32,763,876,352 parameters.
#
# **Price:** two to three minutes of computing on two CPU cores, one evening of yours. On a GPU: not measured. Memory:
# about 3 GB.
#
# **You need:** Python, and a little PyTorch (tensors, `nn.Module`, `@`). You do not need to know what a transformer
# is.

# %% [markdown]
# ## It works, before any theory
#
# The next cells load a model of 135 million parameters (**parameters**, or weights, are the numbers that training has
# found) and let it answer a question. Everything runs on this machine.

# %%
import codecs
import math
import time
from contextlib import contextmanager

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import display
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from racecourse.learn import plots
from racecourse.learn.ledger import ledger, settle
from racecourse.learn.tables import text_table
from racecourse.models import ModelConfig, generate, load

torch.set_grad_enabled(False)  # nothing is trained in this lesson
device = session.device
package_model, tokenizer = load("smollm2-135m-instruct", device=device, dtype=torch.float32)
config = package_model.config

# %%
question = [{"role": "user", "content": "What does a jockey do?"}]
package_reply = generate(
    package_model,
    tokenizer,
    [tokenizer.chat(question)],
    max_new_tokens=16 if session.quick else 48,
    on_text=lambda row, piece: print(piece, end="", flush=True),
)

# %% [markdown]
# `generate` and `load` are a box so far. You will now open it. At the end of this lesson the same question gets the
# same answer from code that you have read line by line.
#
# This is the plan. A text becomes **tokens** (section 1). Each token becomes a vector. Some layers change these
# vectors: SmolLM2 has 30 layers, QwQ-32B has 64, and their parts are the same: RMSNorm (2), rotary positions (3),
# grouped-query attention (4), SwiGLU (5). You put them together and compare (6), take them away one by one (7), make
# them fast (8), and let them write (9, 10). Then you count QwQ-32B (11).
#
# **Letters for shapes.** A tensor's name ends in its shape. `x_BTD` has B rows of T tokens of D numbers.
#
# | letter | what it counts | SmolLM2-135M | QwQ-32B |
# |---|---|---|---|
# | `B` | texts in a batch | | |
# | `T` | tokens that are new | | |
# | `S` | tokens so far, the new ones included | | |
# | `D` | numbers per token in the residual stream | 576 | 5,120 |
# | `H` | query heads | 9 | 40 |
# | `K` | key-value heads | 3 | 8 |
# | `G` | query heads per key-value head, `H // K` | 3 | 5 |
# | `C` | channels (numbers) per head | 64 | 128 |
# | `F` | width inside the feed-forward part | 1,536 | 27,648 |
# | `V` | tokens in the vocabulary | 49,152 | 152,064 |
# | `L` | layers | 30 | 64 |

# %% [markdown]
# ## 1 · Text becomes tokens, tokens become vectors
#
# A **token** is a piece of text that has a number. The vocabulary is the list of all V of them; it was chosen before
# training, so that frequent pieces are single tokens.
#
# **Guess first:** into how many tokens does `32,763,876,352` fall? Replace `None` by your number.

# %%
guess_tokens = None

# %%
sentence = "The count is 32,763,876,352 for a racecourse."
ids = tokenizer.encode(sentence)
print([tokenizer.decode([token_id]) for token_id in ids])
print("ids:", ids)
number_ids = tokenizer.encode("32,763,876,352")
print(f"\n32,763,876,352 is {len(number_ids)} tokens; your guess: {guess_tokens}")

# %% [markdown]
# Each digit is a token of its own. A space belongs to the word after it; before a digit it is a token of its own.
#
# A token's id picks one row of a table with V rows, the **embedding**. That row is where the token's vector starts.

# %%
ids_BT = torch.tensor([ids], device=device)
x_BTD = package_model.embed(ids_BT)
print("ids_BT", tuple(ids_BT.shape), "-> x_BTD", tuple(x_BTD.shape))
print(
    f"the vector of {tokenizer.decode(ids[-3:-2])!r} starts with",
    [round(value, 3) for value in x_BTD[0, -3, :6].tolist()],
)

# %% [markdown]
# ### A witness
#
# To know whether your code is right, you need numbers that somebody else's code has computed. The **reference** is
# the class `LlamaForCausalLM` of Hugging Face's library `transformers`, with the same weights. The function
# `recorded` runs it once and keeps what goes into each of its parts and what comes out; you need not follow how.

# %%
import transformers

from racecourse.models.zoo import fetch

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
reference = transformers.LlamaForCausalLM.from_pretrained(fetch(), dtype=torch.float32, attn_implementation="eager")
reference = reference.to(device).eval()


# %%
def recorded(ids_BT: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """One pass of the reference: name of each part -> (what went in, what came out)."""
    record = {}

    def keep(name):
        def hook(part, inputs, named_inputs, output):
            x_BTD = inputs[0] if inputs else named_inputs["hidden_states"]
            record[name] = (x_BTD, output[0] if isinstance(output, tuple) else output)

        return hook

    parts = [(name, part) for name, part in reference.named_modules() if name.startswith("model.layers.")]
    hooks = [part.register_forward_hook(keep(name), with_kwargs=True) for name, part in parts]
    reference(ids_BT)
    for hook in hooks:
        hook.remove()
    return {name.removeprefix("model.layers."): pair for name, pair in record.items()}


# %% [markdown]
# The text that you will use from here on is a paragraph that was written for this lesson, so the model cannot have
# learned it by heart.

# %%
paragraph = (
    "The race began a little after noon. Twelve horses left the gate together, and for the first half mile nobody "
    "could say which of them was ahead. Then the grey mare moved to the rail. Her jockey sat quite still. He had "
    "ridden this course as a boy, and he knew that the ground beside the rail was dry, while the middle of the track "
    "was still soft from the rain of the night before. One after another the other horses began to tire."
)
text_BT = torch.tensor([tokenizer.encode(paragraph)[: 48 if session.quick else None]], device=device)
record = recorded(text_BT)
print(f"{text_BT.shape[1]} tokens; {len(record)} parts were recorded, for example:")
for name in ("0.input_layernorm", "0.self_attn", "0.mlp"):
    print(f"  layer {name}: {tuple(record[name][0].shape)} -> {tuple(record[name][1].shape)}")

# %% [markdown]
# ## 2 · The residual stream, and why it needs a norm
#
# Every layer **adds** something to each token's vector. The sum that grows from layer to layer is called the
# **residual stream**. Its size is measured by the **root mean square** (RMS): square the D numbers, take the mean,
# take the root.
#
# **Guess first:** from the first layer to the last, by which factor does the RMS grow for a typical token: 1, 10, 100
# or 1,000 times?

# %%
guess_growth = None

# %%
stream_LTD = torch.cat([record[f"{layer}"][0] for layer in range(config.n_layers)] + [record["29"][1]])
rms_LT = stream_LTD.square().mean(-1).sqrt().cpu()
typical = rms_LT[:, 1:].median(dim=1).values
plots.plot_curves(
    range(config.n_layers + 1),
    {"first token": rms_LT[:, 0].tolist(), "median of the other tokens": typical.tolist()},
    title="The residual stream grows, and one token's explodes",
    xlabel="layers passed", ylabel="RMS of a token's vector (logarithmic)", log_y=True,
)  # fmt: skip
plt.show()
growth = (typical[-1] / typical[0]).item()
print(f"Median token: RMS {typical[0]:.2f} before layer 0, {typical[1]:.2f} after it, {typical[-1]:.1f} after layer 29: "
      f"{growth:.0f} times in all.")  # fmt: skip
print(f"First token: at most {rms_LT[:, 0].max():.0f}. Your guess for the median token: {guess_growth}")

# %% [markdown]
# The sizes differ by a factor of thousands. A matrix that works well on numbers around 1 would be lost here. The
# remedy: each part of a layer reads the stream through a **norm**, which brings every vector to RMS 1 and then scales
# each channel with a weight of its own. What is added to the stream stays as it is; only the reading is normalised.
#
# The first token's explosion is a known habit of such models ("massive activations", Sun et al. 2024; **activations**
# are the numbers that a model computes on its way, as opposed to its weights). You will see in section 10 what the
# model uses that token for.
#
# **RMSNorm:** $\;y = w \cdot x \,/\, \sqrt{\mathrm{mean}(x^2) + \varepsilon}$. Every annotation like `Float[Tensor,
# "... D"]` only tells you the shape; Python does not check it.


# %%
class RMSNorm(nn.Module):
    """Divide each vector by its root mean square, then scale every channel (Zhang and Sennrich 2019, equation 4)."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        x32 = x.float()  # a sum of squares overflows float16 from about 256 upwards
        mean_square = x32.square().mean(-1, keepdim=True)
        return self.weight * (x32 * torch.rsqrt(mean_square + self.eps)).to(x.dtype)


# %% [markdown]
# Run it on the real input of layer 0, with the real weight, against what the reference's norm made of it. `weights`
# are the model's weights by name. `compare` prints the largest difference and remembers it for the table at the end.

# %%
weights = package_model.state_dict()
gaps = {}


def compare(part: str, ours: Tensor, theirs: Tensor) -> None:
    gaps[part] = (ours - theirs).abs().max().item()
    print(f"{part}: largest difference {gaps[part]:.1e}, where the values reach {theirs.abs().max():.2f}")


norm = RMSNorm(config.d_model, config.norm_eps).to(device)
norm.weight.copy_(weights["layers.0.attention_norm.weight"])
x_BTD, expected_BTD = record["0.input_layernorm"]
compare("RMSNorm", norm(x_BTD), expected_BTD)

# %% [markdown]
# **Expected:** a difference below 0.0001. It need not be 0: two programs that add the same numbers in another order
# round differently.
#
# **Guess first:** if every number in the stream were 100 times larger, by which factor would the norm's output
# change? Then run.

# %%
ratio = norm(100 * x_BTD).norm() / norm(x_BTD).norm()
print(f"100 times the input gives {ratio.item():.4f} times the output")

# %% [markdown]
# Nearly no change; the small rest comes from $\varepsilon$, since this input is small (RMS about 0.1). A norm forgets
# size and keeps direction.
#
# ## 3 · Where a token stands: rotary positions
#
# In **attention**, the next section, each token asks a question (its **query**, a vector of C numbers) and every
# token offers a **key**. The **score** of a query and a key is their dot product, divided by √C so that its typical size
# does not grow with C. A token asks several questions at once: H of them, each with a query of its own, called a
# **head**. Here are the real queries and keys of layer 0; one matrix multiply makes all queries, keys and values, side
# by side (the `E` of `qkv_BTE`).

# %%
H, K, C = config.n_heads, config.n_kv_heads, config.head_dim
qkv_BTE = F.linear(norm(x_BTD), weights["layers.0.attention.qkv.weight"])
q, k, v = qkv_BTE.split((H * C, K * C, K * C), dim=-1)
q_BHTC, k_BKTC, v_BKTC = (t.unflatten(-1, (-1, C)).transpose(1, 2) for t in (q, k, v))
print("queries", tuple(q_BHTC.shape), " keys", tuple(k_BKTC.shape), " values", tuple(v_BKTC.shape))

# %% [markdown]
# Nothing in these vectors says where the token stands: in layer 0, " the" has the same key at place 3 and at place 90. **Rotary
# position embedding** (RoPE) writes the place into queries and keys: it takes channel i and channel i + C/2 as the
# two coordinates of a point, and turns that point by an angle of place × frequency. Each of the C/2 pairs has its own
# frequency, from one radian per place down to almost none.


# %%
def rope_frequencies(dim: int, theta: float) -> Float[Tensor, "dim/2"]:
    """Radians that each pair of channels turns per position: theta^(-2i/dim) (Su et al. 2021, section 3.2.2)."""
    return theta ** (-torch.arange(0, dim, 2, dtype=torch.float32) / dim)


def apply_rope(
    x: Float[Tensor, "B H T C"], cos: Float[Tensor, "B 1 T C/2"], sin: Float[Tensor, "B 1 T C/2"]
) -> Float[Tensor, "B H T C"]:
    """Turn channel i together with channel i + C/2 by the angle of its position (the layout of Llama and Qwen)."""
    x1, x2 = x.chunk(2, dim=-1)
    return torch.cat((x1 * cos - x2 * sin, x2 * cos + x1 * sin), dim=-1)


frequencies = rope_frequencies(C, config.rope_theta)
print(f"{len(frequencies)} pairs; the fastest makes a full turn in {2 * torch.pi / frequencies[0]:.1f} tokens, "
      f"the slowest in {2 * torch.pi / frequencies[-1]:,.0f} tokens")  # fmt: skip


# %%
def cos_and_sin(positions_T: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every place and pair, shaped to multiply (B, heads, T, C/2)."""
    frequencies = rope_frequencies(config.head_dim, config.rope_theta).to(positions_T.device)
    angles_TC = positions_T[:, None] * frequencies
    return angles_TC.cos()[None, None], angles_TC.sin()[None, None]


T = text_BT.shape[1]
rope = cos_and_sin(torch.arange(T, device=device), config)
theirs = transformers.models.llama.modeling_llama.apply_rotary_pos_emb(
    q_BHTC, k_BKTC, *reference.model.rotary_emb(q_BHTC, torch.arange(T, device=device)[None])
)
compare("RoPE", apply_rope(q_BHTC, *rope), theirs[0])

# %% [markdown]
# Why turn, and not add something? **Guess first:** the query stands at place 20, the key at place 15. Both move 1,000
# places to the right. Does their score grow, shrink or stay?

# %%
guess_moved = None


# %%
def score_at(query_place: int, key_place: int) -> float:
    """Score of one real query and one real key of layer 0, head 0, as if they stood at these places."""
    places = torch.tensor([query_place, key_place], device=device)
    pair = torch.stack((q_BHTC[0, 0, 20], k_BKTC[0, 0, 15]))[None, None]
    q_C, k_C = apply_rope(pair, *cos_and_sin(places, config))[0, 0]
    return (q_C @ k_C).item() / C**0.5


for moved in (0, 10, 1000):
    print(f"query at {20 + moved:>4}, key at {15 + moved:>4}: score {score_at(20 + moved, 15 + moved):.4f}")
print(f"your guess: {guess_moved}")
moved_gap = abs(score_at(20, 15) - score_at(1020, 1015))

# %% [markdown]
# It stays (up to rounding): turning both by the same angle leaves the angle between them alone. A score knows only
# the **distance** of two tokens, so that what the model learns about neighbours at the start of a text also holds at
# its end. And what happens when only the distance changes?

# %%
distances = range(0, 129)
scores = [score_at(distance, 0) for distance in distances]
plots.plot_curves(
    distances, {"score": scores}, title="One query, one key, moved apart",
    xlabel="distance (tokens)", ylabel="score (no unit)",
)  # fmt: skip
plt.show()
print(f"Score {scores[0]:.2f} at distance 0, {scores[8]:.2f} at 8, {scores[128]:.2f} at 128; "
      f"lowest {min(scores):.2f}, highest {max(scores):.2f}.")  # fmt: skip

# %% [markdown]
# The score waves and drifts: fast pairs tell neighbours apart, slow pairs tell far from near.
#
# ## 4 · Grouped-query attention
#
# ### Who may look where
#
# The model predicts the next token, so a token must not see what comes after it. The **causal mask** says who may
# look where. The function also serves a batch of texts with different lengths (`n_pad_B`: unused places at the left
# of each row), which you do not need today, and a single new token, which may see everything before it: no mask.


# %%
def causal_mask(
    n_new: int, n_seen: int, n_pad_B: Int[Tensor, "B"] | None, device: torch.device
) -> Bool[Tensor, "#B T S"] | None:
    """True where a new token may look: at itself and what came before, but not at padding. None: everywhere.

    A padding token may look at itself, or its softmax would have nothing to sum over.
    """
    if n_new == 1 and n_pad_B is None:
        return None
    key_S = torch.arange(n_seen, device=device)
    query_T = torch.arange(n_seen - n_new, n_seen, device=device)
    mask_BTS = (key_S <= query_T[:, None])[None]
    if n_pad_B is None:
        return mask_BTS
    is_real_BS = key_S >= n_pad_B[:, None]
    return mask_BTS & is_real_BS[:, None] | (key_S == query_T[:, None])


print("five tokens, all new:")
print(causal_mask(5, 5, None, device)[0].int())
print("two new tokens after three old ones:")
print(causal_mask(2, 5, None, device)[0].int())


# %% [markdown]
# ### Scores become weights
#
# Softmax turns the scores of one query into **attention weights**: positive numbers that sum to 1. SmolLM2 has 9
# query heads but only 3 key-value heads; every group of G = 3 query heads shares one. QwQ-32B shares one among 5.
# Fewer keys and values mean less to store (section 8).
#
# **Guess first:** heads are counted from 0. Which key head does query head 4 use?

# %%
guess_key_head = None


# %%
def attention_weights(
    q_BHTC: Float[Tensor, "B H T C"],
    k_BKSC: Float[Tensor, "B K S C"],
    mask_BTS: Bool[Tensor, "#B T S"] | None,
    scale: float,
) -> Float[Tensor, "B H T S"]:
    """Where each query looks: softmax over the keys it may see. Query heads 0..G-1 share key head 0, and so on."""
    B, H, T, C = q_BHTC.shape
    K, S = k_BKSC.shape[1:3]
    rows = q_BHTC.reshape(B, K, H // K * T, C)  # the G query heads of a group are rows of one matrix: no key is copied
    scores_BHTS = (rows @ k_BKSC.transpose(-1, -2)).view(B, H, T, S) * scale
    if mask_BTS is not None:
        scores_BHTS = scores_BHTS.masked_fill(~mask_BTS[:, None], float("-inf"))
    return scores_BHTS.softmax(dim=-1, dtype=torch.float32).to(q_BHTC.dtype)


# %% [markdown]
# The line with `rows` is a trick for speed. The plain way repeats each key head G times and multiplies head by head.
# Check that both give the same weights, on the real queries and keys:

# %%
q_turned, k_turned = apply_rope(q_BHTC, *rope), apply_rope(k_BKTC, *rope)
mask_BTS = causal_mask(T, T, None, device)
weights_BHTS = attention_weights(q_turned, k_turned, mask_BTS, C**-0.5)

k_repeated = k_turned.repeat_interleave(H // K, dim=1)
plain_BHTS = (q_turned @ k_repeated.transpose(-1, -2) * C**-0.5).masked_fill(~mask_BTS, float("-inf")).softmax(-1)
compare("attention weights, against the plain way", weights_BHTS, plain_BHTS)

query_head = 4
matches = [torch.equal(k_repeated[0, query_head], k_turned[0, key_head]) for key_head in range(K)]
print(f"query head {query_head} uses key head {matches.index(True)}; your guess: {guess_key_head}")
print(f"rows sum to 1: {weights_BHTS.sum(-1).min():.4f} to {weights_BHTS.sum(-1).max():.4f}")

# %% [markdown]
# ### Weights collect values
#
# Each token also offers a **value**. A query's result is the mean of the values, weighted by its attention weights.
# (`Cv` is the width of a value, here the same as C.)


# %%
def attend(
    q_BHTC: Float[Tensor, "B H T C"],
    k_BKSC: Float[Tensor, "B K S C"],
    v_BKSC: Float[Tensor, "B K S Cv"],
    mask_BTS: Bool[Tensor, "#B T S"] | None,
    scale: float,
) -> Float[Tensor, "B H T Cv"]:
    """Each query's weighted mean of the values. `mask_BTS` is True where a query may look; None: everywhere."""
    weights_BHTS = attention_weights(q_BHTC, k_BKSC, mask_BTS, scale)
    B, H, T, S = weights_BHTS.shape
    K = k_BKSC.shape[1]
    rows = weights_BHTS.view(B, K, H // K * T, S)
    return (rows @ v_BKSC).view(B, H, T, v_BKSC.shape[-1])


heads_BHTC = attend(q_turned, k_turned, v_BKTC, mask_BTS, C**-0.5)
print("result per head", tuple(heads_BHTC.shape))
print("the first token sees only itself, so its result is its own value:",
      torch.allclose(heads_BHTC[0, 4, 0], v_BKTC[0, 1, 0], atol=1e-6))  # fmt: skip


# %% [markdown]
# Now the whole part: make queries, keys and values, turn, attend, put the heads side by side, multiply by one more
# matrix. The `bias` (a number added after the matrix) is there for QwQ-32B, which has it; SmolLM2 does not. The two
# lines about `cache` rest until section 8.


# %%
class GroupedQueryAttention(nn.Module):
    """H query heads share K key-value heads (Ainslie et al. 2023)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        H, K, C = config.n_heads, config.n_kv_heads, config.head_dim
        self.widths, self.head_dim = (H * C, K * C, K * C), C
        self.qkv = nn.Linear(config.d_model, (H + 2 * K) * C, bias=config.qkv_bias)
        self.out = nn.Linear(H * C, config.d_model, bias=config.out_bias)

    def forward(self, x_BTD, rope, mask_BTS=None, cache=None, layer=0):
        qkv = self.qkv(x_BTD).split(self.widths, dim=-1)
        q_BHTC, k_BKSC, v_BKSC = (t.unflatten(-1, (-1, self.head_dim)).transpose(1, 2) for t in qkv)
        q_BHTC, k_BKSC = apply_rope(q_BHTC, *rope), apply_rope(k_BKSC, *rope)
        if cache is not None:
            k_BKSC, v_BKSC = cache.append(layer, k_BKSC, v_BKSC)
        heads_BHTC = attend(q_BHTC, k_BKSC, v_BKSC, mask_BTS, self.head_dim**-0.5)
        return self.out(heads_BHTC.transpose(1, 2).flatten(2))


# %%
def weights_of(part: str) -> dict[str, Tensor]:
    """The real weights of one part of layer 0, under the names that the part itself uses."""
    start = f"layers.0.{part}."
    return {name.removeprefix(start): tensor for name, tensor in weights.items() if name.startswith(start)}


attention = GroupedQueryAttention(config).to(device)
attention.load_state_dict(weights_of("attention"))
x_BTD, expected_BTD = record["0.self_attn"]
compare("attention", attention(x_BTD, rope, mask_BTS), expected_BTD)


# %% [markdown]
# ## 5 · The feed-forward part: SwiGLU
#
# Attention moves information between tokens. The **feed-forward part** works on each token alone, and holds most of
# the parameters. It widens the vector from D to F numbers twice; one copy, through `silu(x) = x · sigmoid(x)`, is a soft switch
# for the other; then back to D.


# %%
class SwiGLU(nn.Module):
    """A gated feed-forward part: down(silu(gate(x)) * up(x)) (Shazeer 2020). Gate and up are one matrix multiply."""

    def __init__(self, d_model: int, d_ff: int) -> None:
        super().__init__()
        self.gate_up = nn.Linear(d_model, 2 * d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        gate, up = self.gate_up(x).chunk(2, dim=-1)
        return self.down(F.silu(gate) * up)


mlp = SwiGLU(config.d_model, config.d_ff).to(device)
mlp.load_state_dict(weights_of("mlp"))
x_BTD, expected_BTD = record["0.mlp"]
compare("SwiGLU", mlp(x_BTD), expected_BTD)

# %% [markdown]
# How soft is the switch? **Guess first:** which share of the switches `silu(gate)` is nearly shut (between -0.1 and
# 0.1)?

# %%
gate_BTF = F.silu(mlp.gate_up(x_BTD).chunk(2, dim=-1)[0])
print(f"nearly shut: {(gate_BTF.abs() < 0.1).float().mean():.0%}; the widest open: {gate_BTF.max():.1f}")


# %% [markdown]
# ## 6 · The whole model, against the reference
#
# One layer: attention, then feed-forward; each reads through a norm and **adds** its result to the stream.


# %%
class DecoderBlock(nn.Module):
    """One layer of a dense transformer."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.attention_norm = RMSNorm(config.d_model, config.norm_eps)
        self.attention = GroupedQueryAttention(config)
        self.mlp_norm = RMSNorm(config.d_model, config.norm_eps)
        self.mlp = SwiGLU(config.d_model, config.d_ff)

    def forward(self, x_BTD, rope, mask_BTS=None, cache=None):
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD), rope, mask_BTS, cache, self.layer)
        return x_BTD + self.mlp(self.mlp_norm(x_BTD))


block = DecoderBlock(config, layer=0).to(device)
block.load_state_dict(
    {name.removeprefix("layers.0."): t for name, t in weights.items() if name.startswith("layers.0.")}
)
compare("layer 0", block(record["0"][0], rope, mask_BTS), record["0"][1])


# %% [markdown]
# The model: embedding, L layers, a last norm, and the **head**, a matrix that gives every token of the vocabulary a
# number, its **logit**. The larger the logit, the more likely the model thinks that token comes next. SmolLM2's head
# is its embedding table used a second time ("tied"); QwQ-32B has a head of its own.


# %%
class Decoder(nn.Module):
    """A dense decoder-only transformer: token ids in, one logit per token of the vocabulary out."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(DecoderBlock(config, layer) for layer in range(config.n_layers))
        self.norm = RMSNorm(config.d_model, config.norm_eps)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tie_embeddings:
            self.head.weight = self.embed.weight

    def forward(self, ids_BT, cache=None, last_only=False):
        seen = cache.length if cache is not None else 0
        T, S = ids_BT.shape[1], seen + ids_BT.shape[1]
        rope = cos_and_sin(torch.arange(seen, S, device=ids_BT.device), self.config)
        mask_BTS = causal_mask(T, S, None, ids_BT.device)
        x_BTD = self.embed(ids_BT)
        for block in self.layers:
            x_BTD = block(x_BTD, rope, mask_BTS, cache)
        if cache is not None:
            cache.length = S
        return self.head(self.norm(x_BTD[:, -1:] if last_only else x_BTD))


# %% [markdown]
# Load all 135 million numbers into it. The model is laid out on PyTorch's *meta* device, which knows shapes and holds
# no numbers, and then takes over the loaded tensors: no memory is needed twice. A missing or left-over weight would
# be an error here.

# %%
with torch.device("meta"):
    mine = Decoder(config)
print(mine.load_state_dict(weights, assign=True))
if config.tie_embeddings:
    mine.head.weight = mine.embed.weight
print(f"{sum(p.numel() for p in mine.parameters()):,} parameters")

# %% [markdown]
# **Guess first:** five texts, one of them German, one Python. In how many of a hundred places will your model and the
# reference disagree about the likeliest next token? Commit to a number.

# %%
guess_disagreements = None

# %%
texts = {
    "English paragraph": paragraph,
    "German": "Das Rennen begann kurz nach zwölf, und der Boden war noch weich vom Regen der letzten Nacht.",
    "Python": "def mean(values):\n    total = 0.0\n    for v in values:\n        total += v\n    return total / 8\n",
    "numbers": "7 + 5 = 12, 70 + 50 = 120, 700 + 500 = 1200, 7000 + 5000 =",
    "chat": tokenizer.chat(question),
}


def logits_of_both(model, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of your model and of the reference for the same ids, each (T, V)."""
    return model(ids_BT)[0], reference(ids_BT).logits[0]


rows, n_agree, n_places, worst = [], 0, 0, 0.0
for name, text in texts.items():
    ours_TV, theirs_TV = logits_of_both(mine, torch.tensor([tokenizer.encode(text)], device=device))
    gap, agree = (ours_TV - theirs_TV).abs().max().item(), ours_TV.argmax(-1) == theirs_TV.argmax(-1)
    rows.append([name, len(agree), f"{gap:.1e}", f"{theirs_TV.std():.2f}", f"{agree.float().mean():.1%}"])
    n_agree, n_places, worst = n_agree + agree.sum().item(), n_places + len(agree), max(worst, gap)
print(text_table(["text", "tokens", "largest difference", "spread of logits", "same likeliest token"], rows))
agreement = n_agree / n_places
print(f"\nall texts: {n_agree} of {n_places} places agree ({agreement:.1%}); largest difference {worst:.1e}")
print(f"your guess: {guess_disagreements} of 100 places differ")

# %% [markdown]
# **Expected** on any CPU in float32: largest difference below 0.001, agreement at least 99.5 % (a near-tie may tip
# either way).
#
# A table of small numbers convinces only if a mistake would have shown. So here is a **negative control**: the same
# weights, the same code, and one plausible bug. Key heads are dealt out in turn (query head h takes key head h mod K)
# instead of in blocks. `swapped` replaces functions of this notebook for the duration of a `with` block.


# %%
@contextmanager
def swapped(**parts):
    """Within the block, this notebook's functions of these names are replaced."""
    before = {name: globals()[name] for name in parts}
    globals().update(parts)
    try:
        yield
    finally:
        globals().update(before)


right_attend = attend


def attend_heads_in_turn(q_BHTC, k_BKSC, v_BKSC, mask_BTS, scale):
    """The bug: query heads 0, 1, 2, 3 ... take key heads 0, 1, 2, 0 ..."""
    G = q_BHTC.shape[1] // k_BKSC.shape[1]
    return right_attend(q_BHTC, k_BKSC.repeat(1, G, 1, 1), v_BKSC.repeat(1, G, 1, 1), mask_BTS, scale)


# %%
good_TV, theirs_TV = logits_of_both(mine, text_BT)
with swapped(attend=attend_heads_in_turn):
    bad_TV, _ = logits_of_both(mine, text_BT)

some = torch.arange(0, theirs_TV.numel(), 997, device=device)  # every 997th of all T x V logits
across, good, bad = (t.flatten()[some].tolist() for t in (theirs_TV, good_TV, bad_TV))
figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 4.2), layout="constrained", sharex=True, sharey=True)
plots.plot_agreement(across, good, title="Your code", ax=left)
plots.plot_agreement(across, bad, title="Control: key heads in turn", ax=right)
plt.show()
bad_agreement = (bad_TV.argmax(-1) == theirs_TV.argmax(-1)).float().mean().item()
print(f"Your code lies on the diagonal: largest difference {(good_TV - theirs_TV).abs().max():.1e}.")
print(
    f"With one wrong line: largest difference {(bad_TV - theirs_TV).abs().max():.1f}; "
    f"{bad_agreement:.0%} of the likeliest tokens agree."
)

# %% [markdown]
# That was the **signature result** of this lesson: your code and somebody else's, fed the same weights, are the same
# function. Note that the bug raises no error and all shapes fit. Only a witness finds it.
#
# ## 7 · Take one idea away
#
# How much does each idea carry? The measure is the **loss**: at each place, take the probability that the model gave
# to the token that really came next; the loss is the mean of $-\ln$ of these probabilities, in nats (the unit of
# a natural logarithm) per token. A model that knows nothing and gives each of the V tokens the same chance has loss
# $\ln V$.


# %%
def loss_on(ids_BT: Tensor) -> float:
    """Mean of -ln(probability of the token that came next)."""
    logits_TV = mine(ids_BT)[0, :-1]
    return F.cross_entropy(logits_TV, ids_BT[0, 1:]).item()


intact, nothing_known = loss_on(text_BT), math.log(config.vocab_size)
reference_loss = reference(text_BT, labels=text_BT).loss.item()
print(f"intact {intact:.3f} (the reference: {reference_loss:.3f}); knowing nothing {nothing_known:.3f}")
print(
    f"the model is as unsure as somebody who picks among {math.exp(intact):.0f} equally likely tokens, "
    f"instead of {config.vocab_size:,}"
)

# %% [markdown]
# Each of the following takes away one thing, from all 30 layers at once, and leaves the weights as they are:
#
# * **no positions**: queries and keys are not turned;
# * **wrong pairs**: RoPE turns channel 2i with 2i + 1, as some models do, but not this one;
# * **no causal mask**: every token sees the whole text, also the token that it has to predict;
# * **key heads in turn**: the bug from above;
# * **no scale**: scores are not divided by √C;
# * **norms without weights**: every vector has RMS 1, no channel is scaled;
# * **no norms**: parts read the stream as it is.
#
# **Guess first:** order them from harmless to deadly. Which of them, if any, makes the loss **lower** than the intact
# model's?

# %%
guess_order = None
guess_lower = None

# %%
from racecourse.models.layers import apply_rope_interleaved


@contextmanager
def hooked(parts, change):
    """Within the block, `change(part, inputs, output)` replaces the output of each of `parts`."""
    hooks = [part.register_forward_hook(change) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def size_only(norm, inputs, output):
    """What a norm gives without its weights."""
    return F.rms_norm(inputs[0], inputs[0].shape[-1:], eps=norm.eps)


def untouched(part, inputs, output):
    """What went in comes out."""
    return inputs[0]


# %%
norms = [part for part in mine.modules() if isinstance(part, RMSNorm)]
changes = {
    "no positions": swapped(apply_rope=lambda x, cos, sin: x),
    "wrong pairs": swapped(apply_rope=apply_rope_interleaved),
    "no causal mask": swapped(causal_mask=lambda *sizes: None),
    "key heads in turn": swapped(attend=attend_heads_in_turn),
    "no scale": swapped(attend=lambda q, k, v, mask, scale: right_attend(q, k, v, mask, 1.0)),
    "norms without weights": hooked(norms, size_only),
    "no norms": hooked(norms, untouched),
}
losses = {"nothing (intact)": intact}
for name, change in changes.items():
    with change:
        losses[name] = loss_on(text_BT)
overflowed = [name for name, loss in losses.items() if loss != loss]  # nan is not equal to itself
losses = {name: loss for name, loss in losses.items() if name not in overflowed}
marks = {"intact": intact, "knowing nothing (ln V)": nothing_known}
plots.plot_losses(losses, title="What each idea carries", marks=marks)
plt.show()
print("From low to high:", ", ".join(f"{name} {losses[name]:.2f}" for name in sorted(losses, key=losses.get)))
print(f"No loss at all, because numbers grew beyond what float32 holds: {', '.join(overflowed) or 'none'}")
print(f"Your order: {guess_order}; your guess for a lower loss: {guess_lower}")

# %% [markdown]
# **Expected** on any CPU in float32: intact between 3.4 and 3.8. Wrong pairs and no positions cost 1 nat or more. Key
# heads in turn and norms without weights end above $\ln V$ = 10.8, which is worse than knowing nothing: the model is
# sure, and wrong. Without norms the numbers overflow.
#
# And without the mask the loss **falls**, far below the intact model's. Is that a better model? Test it before you
# read on: hide the future, so that there is no answer to look at. Cut the text off at some places, and ask for the
# next token only.


# %%
def loss_without_future(ids_BT: Tensor) -> float:
    """Loss at every eighth place, when the text ends there."""
    places = range(7, ids_BT.shape[1] - 1, 8)
    ends_NV = torch.cat([mine(ids_BT[:, : place + 1], last_only=True)[:, -1] for place in places])
    return F.cross_entropy(ends_NV, ids_BT[0, 8::8][: len(places)]).item()


honest = loss_without_future(text_BT)
with swapped(causal_mask=lambda *sizes: None):
    leaky = loss_without_future(text_BT)
print(f"future hidden: with the mask {honest:.2f}, without {leaky:.2f}")

# %% [markdown]
# Without the mask the model had read the answer. Nothing to the right, nothing to copy: it falls behind. A loss that
# is too good is a reason to look for a leak, here and in every evaluation that you will meet.
#
# A last caution: the figure says how much **this trained model relies on** a part, not how good a model would be that
# was trained without it. To know that, you would have to train one.
#
# ### One layer at a time
#
# The layers only add to the stream. So a layer can be left out (its input passes on unchanged), and the rest still
# works on the sum. The opposite control keeps what the layer adds and drops the stream that came in.
#
# **Guess first:** which single layer costs most when it is left out: the first, one in the middle, or the last?

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("leak-without-mask")

# %%
guess_layer = None


# %%
def only_what_it_adds(block, inputs, output):
    """The stream that came in is lost."""
    return output - inputs[0]


tried = range(0, config.n_layers, 6 if session.quick else 1)
left_out, stream_lost = [], []
for layer in tried:
    with hooked([mine.layers[layer]], untouched):
        left_out.append(loss_on(text_BT))
    with hooked([mine.layers[layer]], only_what_it_adds):
        stream_lost.append(loss_on(text_BT))
plots.plot_curves(
    tried, {"layer left out": left_out, "layer kept, stream lost": stream_lost, "intact": [intact] * len(tried)},
    title="One layer changed, the other 29 as they are",
    xlabel="which layer (0 is the first)", ylabel="loss on the text (nats per token)",
)  # fmt: skip
plt.show()
worst_layer = tried[left_out.index(max(left_out))]
median_left_out, median_stream_lost = (sorted(found)[len(found) // 2] for found in (left_out, stream_lost))
print(
    f"Leaving out layer {worst_layer} costs most (loss {max(left_out):.2f}); "
    f"the median layer costs {median_left_out - intact:.2f} nats."
)
print(f"Losing the stream at one layer: median loss {median_stream_lost:.2f}. Your guess: {guess_layer}")

# %% [markdown]
# A typical layer is a small correction to the stream; the stream itself is what the model is built on. Only layer 0
# is the other way round: what it adds is some fifteen times larger than the embedding that comes in (you saw that in
# section 2), so the model needs the layer and hardly misses its input.
#
# With all 30 layers tried you also see a small peak at layer 11. Look back at the first figure: that layer writes the
# first token's explosion.
#
# ## 8 · Writing, and the cache that makes it bearable
#
# A model writes by predicting a token, appending it, and predicting again. The plain way reads the whole text anew
# for every token.


# %%
def write_plainly(prompt_ids: list[int], n_new: int) -> list[int]:
    """The likeliest next token, n_new times; the whole text is read every time."""
    ids = list(prompt_ids)
    for _ in range(n_new):
        logits_BTV = mine(torch.tensor([ids], device=device), last_only=True)
        ids.append(logits_BTV[0, -1].argmax().item())
    return ids[len(prompt_ids) :]


prompt_ids = tokenizer.encode("The horses went to the start, and")
plain_ids = write_plainly(prompt_ids, 12)
print(tokenizer.decode(plain_ids))

# %% [markdown]
# Look at what is done twice. Because of the causal mask, the vectors of earlier tokens do not depend on later ones:
# their keys and values come out the same every time. So keep them. That is the **KV cache**. It keeps no queries.
# (Why not? Who asks for an old query?)


# %%
class KVCache:
    """Room for `max_tokens` tokens of `batch_size` rows: `k` and `v` are (layers, B, K, max_tokens, C).

    Rows of different lengths are padded on the left; `n_pad_B` says by how much, and the transformer masks that part.
    Multi-head latent attention keeps its latent in place of the keys and the shared rotary key in place of the values.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch_size: int,
        max_tokens: int,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        n_pad_B: Int[Tensor, "B"] | None = None,
    ) -> None:
        heads, k_width, v_width = config.cache_shape
        shape = (config.n_layers, batch_size, heads, max_tokens)
        self.k = torch.zeros(*shape, k_width, device=device, dtype=dtype)
        self.v = torch.zeros(*shape, v_width, device=device, dtype=dtype)
        self.max_tokens = max_tokens
        self.n_pad_B = n_pad_B
        self.length = 0  # tokens held, padding included; the transformer moves it on after its last layer

    @property
    def n_bytes(self) -> int:
        """Bytes of all layers, used or not."""
        return self.k.nbytes + self.v.nbytes

    def append(
        self, layer: int, k_BKTC: Float[Tensor, "B K T C"], v_BKTC: Float[Tensor, "B K T Cv"]
    ) -> tuple[Float[Tensor, "B K S C"], Float[Tensor, "B K S Cv"]]:
        """Store the new tokens of one layer; return all that the layer has, old and new.

        Raises:
            ValueError: more tokens than there is room for.
        """
        start, end = self.length, self.length + k_BKTC.shape[2]
        if end > self.max_tokens:
            raise ValueError(f"the cache holds {self.max_tokens} tokens and {end} are needed; make it larger")
        self.k[layer, :, :, start:end] = k_BKTC
        self.v[layer, :, :, start:end] = v_BKTC
        return self.k[layer, :, :, :end], self.v[layer, :, :, :end]

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("no-old-queries")

# %% [markdown]
# (Padding and latent attention belong to later lessons; this class is the one that they use too.)
#
# **Guess first:** how many kilobytes does one token take in SmolLM2's cache, in float32 (4 bytes a number)? Use the
# table of letters: keys and values, for each of L layers and K heads, C numbers each.

# %%
guess_kilobytes = None

# %%
cache_bytes = KVCache(config, batch_size=1, max_tokens=1).n_bytes
by_hand = 2 * config.n_layers * config.n_kv_heads * config.head_dim * 4
without_groups = 2 * config.n_layers * config.n_heads * config.head_dim * 4
print(f"one token: {cache_bytes:,} bytes; by the formula 2 L K C x 4: {by_hand:,}. Your guess: {guess_kilobytes} kB")
print(f"if every query head had its own keys and values: {without_groups:,} bytes")

# %% [markdown]
# Is it the same function? Feed the paragraph token by token through the cache, and compare the logits at **every**
# step with those of one pass over the whole text. The control gets its positions wrong: each new token believes that
# it stands at place 0.


# %%
def step_by_step(ids_BT: Tensor) -> Tensor:
    """Logits (T, V), one token at a time."""
    cache = KVCache(config, batch_size=1, max_tokens=ids_BT.shape[1], device=device)
    return torch.cat([mine(id_B[:, None], cache)[0] for id_B in ids_BT.unbind(1)])


right_places = cos_and_sin
short_BT = text_BT[:, :24] if session.quick else text_BT
one_pass_TV = mine(short_BT)[0]
cached_gap = (step_by_step(short_BT) - one_pass_TV).abs().max().item()
with swapped(cos_and_sin=lambda places, config: right_places(places - places[0], config)):
    lost_gap = (step_by_step(short_BT) - one_pass_TV).abs().max().item()
print(f"{short_BT.shape[1]} steps with the cache against one pass: largest difference {cached_gap:.1e}")
print(f"control, every token at place 0: largest difference {lost_gap:.1f}")

# %% [markdown]
# **Expected:** below 0.001 with the cache, above 1 in the control.
#
# And the time? **Guess first:** a text of 256 tokens is there, one more is to be written. By which factor is that
# faster with the cache?

# %%
guess_speed_up = None


# %%
def seconds(action, repeats: int) -> float:
    """Best time of `action` in seconds, after one run that is not counted; other programs can only make it slower."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def one_more_with_cache(ids_BT: Tensor, repeats: int) -> float:
    """Seconds for one new token when all earlier ones are in the cache."""
    cache = KVCache(config, batch_size=1, max_tokens=ids_BT.shape[1], device=device)
    mine(ids_BT[:, :-1], cache, last_only=True)

    def step():
        cache.length = ids_BT.shape[1] - 1  # forget the step before
        mine(ids_BT[:, -1:], cache)

    return seconds(step, repeats)


# %%
lengths = [16, 64, 128] if session.quick else [16, 64, 128, 256, 512]
with_cache, without_cache = [], []
for length in lengths:
    long_BT = text_BT.repeat(1, 6)[:, :length]
    with_cache.append(one_more_with_cache(long_BT, repeats=5))
    without_cache.append(
        seconds(lambda ids_BT=long_BT: mine(ids_BT, last_only=True), repeats=1 if session.quick else 3)
    )
plots.plot_curves(
    lengths,
    {"whole text again": [1000 * s for s in without_cache], "with the cache": [1000 * s for s in with_cache]},
    title="Time for one more token", xlabel="tokens so far", ylabel="milliseconds (logarithmic)", log_y=True,
)  # fmt: skip
plt.show()
speed_up = [slow / fast for slow, fast in zip(without_cache, with_cache, strict=True)]
print(
    "Tokens so far: speed-up with the cache:",
    ", ".join(f"{n}: {s:.1f}x" for n, s in zip(lengths, speed_up, strict=True)),
)
print(f"Your guess for 256: {guess_speed_up}")

# %% [markdown]
# **Expected:** the speed-up grows with the length, and is at least 2 at the longest. On two CPU cores, times move
# with what else the machine does; on a GPU the short texts may show no gain (not measured).
#
# The price is memory, which grows with every token of every text. Lesson 06 turns that into a bill.
#
# ## 9 · From logits to a choice: sampling
#
# Taking the likeliest token every time is called **greedy**. The other way is to draw. Look at what there is to draw
# from, after a real beginning:

# %%
beginning = "On Saturday morning we went to the"
logits_BV = mine(torch.tensor([tokenizer.encode(beginning)], device=device))[:, -1]
candidates = logits_BV[0].topk(14)
shown = [repr(tokenizer.decode([token_id])) for token_id in candidates.indices.tolist()]
probs_V = logits_BV[0].softmax(-1)
print(f"{beginning} ...")
for name, p in zip(shown[:5], probs_V[candidates.indices].tolist(), strict=False):
    print(f"  {name:12} {p:.3f}")
print(
    f"the 14 likeliest together: {probs_V[candidates.indices].sum():.2f}; "
    f"the other {config.vocab_size - 14:,} share the rest"
)

# %% [markdown]
# Thousands of unlikely tokens together have a real chance, and one odd token can spoil a text. Three settings deal
# with that:
#
# * **temperature** divides the logits before the softmax: below 1 the likely become likelier, above 1 all move closer
#   together;
# * **top-k** keeps the k likeliest tokens;
# * **top-p** keeps the fewest likeliest tokens that together reach probability p (the **nucleus**).
#
# QwQ-32B's card recommends temperature 0.6, top-p 0.95 and top-k 20 to 40, and warns against greedy writing.
#
# **Guess first:** with top-p 0.5, how many tokens stay in the running here?

# %%
guess_nucleus = None


# %%
def keep_top_k(logits_BV: Float[Tensor, "B V"], top_k: int) -> Float[Tensor, "B V"]:
    """Minus infinity for all but the `top_k` largest logits of each row. Ties with the smallest kept one stay."""
    smallest_kept_B1 = logits_BV.topk(top_k).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < smallest_kept_B1, float("-inf"))


def keep_top_p(logits_BV: Float[Tensor, "B V"], top_p: float) -> Float[Tensor, "B V"]:
    """Minus infinity outside the nucleus: the fewest likeliest tokens that together reach `top_p` (Holtzman 2019).

    The token that crosses the line is kept, so the nucleus is never empty.

    >>> probs = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    >>> keep_top_p(probs.log(), 0.7).softmax(-1)  # 0.5 does not reach 0.7, 0.5 + 0.3 does
    tensor([[0.6250, 0.3750, 0.0000, 0.0000]])
    """
    sorted_BV, order_BV = logits_BV.sort(descending=True)
    probs_BV = sorted_BV.softmax(-1)
    reached_before_BV = probs_BV.cumsum(-1) - probs_BV  # by the likelier tokens alone
    kept_BV = sorted_BV.masked_fill(reached_before_BV >= top_p, float("-inf"))
    return torch.empty_like(kept_BV).scatter(-1, order_BV, kept_BV)


nucleus = keep_top_p(logits_BV, 0.5).isfinite().sum().item()
print(f"top-p 0.5 keeps {nucleus} of {config.vocab_size:,} tokens; top-p 0.95 keeps "
      f"{keep_top_p(logits_BV, 0.95).isfinite().sum().item():,}. Your guess: {guess_nucleus}")  # fmt: skip


# %%
def sample(
    logits_BV: Float[Tensor, "B V"],
    temperature: float = 0.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "B"]:
    """Choose one token per row: the likeliest at temperature 0, else drawn from softmax(logits / temperature).

    `top_k` is applied before `top_p`, as in transformers.
    """
    if temperature == 0:
        return logits_BV.argmax(-1)
    logits_BV = logits_BV.float() / temperature  # float32: a sum over 50,000 probabilities drifts in bfloat16
    if top_k is not None:
        logits_BV = keep_top_k(logits_BV, top_k)
    if top_p is not None and top_p < 1:  # 1 keeps everything: the sort is saved
        logits_BV = keep_top_p(logits_BV, top_p)
    return torch.multinomial(logits_BV.softmax(-1), num_samples=1, generator=generator)[:, 0]


# %% [markdown]
# Does it draw what it should? Draw a few hundred times and compare how often the likeliest token came with the chance
# that it should have:

# %%
generator, n_draws = torch.Generator(device).manual_seed(0), 100 if session.quick else 500
rows = []
for settings in (
    {"temperature": 1.0},
    {"temperature": 0.6},
    {"temperature": 1.0, "top_k": 5},
    {"temperature": 1.0, "top_p": 0.5},
):
    drawn = sample(logits_BV.expand(n_draws, -1), **settings, generator=generator)
    cut_BV = logits_BV / settings["temperature"]
    cut_BV = keep_top_k(cut_BV, settings["top_k"]) if "top_k" in settings else cut_BV
    cut_BV = keep_top_p(cut_BV, settings["top_p"]) if "top_p" in settings else cut_BV
    share = (drawn == logits_BV.argmax()).float().mean().item()
    rows.append([str(settings), f"{cut_BV.softmax(-1).max():.3f}", f"{share:.3f}", len(set(drawn.tolist()))])
print(f"{n_draws} draws each")
print(text_table(["settings", "chance of the likeliest", "share drawn", "different tokens drawn"], rows))


# %%
def chances(temperature: float, top_k: int, top_p: float) -> list[float]:
    """With your functions: the chance of each candidate shown."""
    kept_BV = keep_top_p(keep_top_k(logits_BV / temperature, top_k), top_p)
    return kept_BV.softmax(-1)[0, candidates.indices].tolist()


figure, axes = plt.subplots(1, 3, figsize=(11, 4.4), layout="constrained")
cases = {"temperature 1": (1.0, 50, 1.0), "temperature 0.6": (0.6, 50, 1.0), "temperature 1, top-p 0.5": (1.0, 50, 0.5)}
figure.suptitle(f"What follows '{beginning}' (top-k 50 in all three)")
for ax, (title, settings) in zip(axes, cases.items(), strict=True):
    plots.plot_next_tokens(shown, chances(*settings), title=title, ax=ax)
plt.show()
for title, settings in cases.items():
    drawn = chances(*settings)
    print(f"{title}: {shown[0]} has {drawn[0]:.2f}, and {sum(p > 0 for p in drawn)} of the 14 can be drawn")

# %% [markdown]
# The same as an explorer, with sliders, on your own functions. (On a page that only shows the notebook there is
# nothing below this cell; the figure above is its default state and two more.) Try this: at temperature 2, which top-p
# brings back the choice that you have at temperature 0.6?

# %%
from racecourse.learn.widgets.sampling import sampling_explorer

display(sampling_explorer(shown, chances))

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("hotter-nucleus")

# %% [markdown]
# ## 10 · Your model talks, and shows where it looks
#
# Now everything runs in one loop: your decoder, your cache, your sampling. A chat is one text in which special tokens
# mark who speaks; `tokenizer.chat` writes them. A token may end in the middle of a character, so the bytes go through
# Python's own reader of UTF-8, which waits for the rest.

# %%
print(tokenizer.chat(question))


# %%
def speak(prompt_ids: list[int], n_new: int, seed: int = 0, **settings) -> list[int]:
    """Continue the prompt, printing each token as it comes; the new ids, until the model ends its turn."""
    cache = KVCache(config, batch_size=1, max_tokens=len(prompt_ids) + n_new, device=device)
    generator = torch.Generator(device).manual_seed(seed)
    utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
    new_ids, ids_BT = [], torch.tensor([prompt_ids], device=device)
    while len(new_ids) < n_new:
        next_B = sample(mine(ids_BT, cache, last_only=True)[:, -1], **settings, generator=generator)
        if next_B.item() in tokenizer.eos_ids:
            break
        new_ids.append(next_B.item())
        print(utf8.decode(tokenizer.token_bytes(new_ids[-1])), end="", flush=True)
        ids_BT = next_B[:, None]
    return new_ids


start = time.perf_counter()
chat_ids = speak(tokenizer.encode(tokenizer.chat(question)), n_new=16 if session.quick else 48)
chat_seconds = time.perf_counter() - start
same_reply = tokenizer.decode(chat_ids) == package_reply[0]
print(f"\n\n{len(chat_ids)} tokens in {chat_seconds:.1f} s. The same words as at the very start: {same_reply}")

# %% [markdown]
# That is the question from the beginning, and nothing is a box any more, except the tokenizer. Now with drawing;
# change the question and the **seed**, the number that fixes the draws:

# %%
my_question = "Name three animals that are faster than a horse."
my_ids = speak(
    tokenizer.encode(tokenizer.chat([{"role": "user", "content": my_question}])),
    n_new=16 if session.quick else 60, seed=1, temperature=0.6, top_k=40, top_p=0.95,
)  # fmt: skip

# %% [markdown]
# Fluent, and do not trust it: a model of this size knows little. What size buys is the subject of lesson 02.
#
# ### Where it looks
#
# Your code can show what no interface shows: the attention weights of every head on a real sentence. This sentence
# says the same thing twice, on purpose.
#
# **Guess first:** averaged over all 270 heads, which share of the attention goes to the **first** token?

# %%
guess_first_token = None


# %%
def attention_of(ids_BT: Tensor) -> Tensor:
    """Attention weights of all layers and heads, (L, H, T, T)."""
    kept, plain = [], attention_weights

    def keep(*inputs):
        kept.append(plain(*inputs))
        return kept[-1]

    with swapped(attention_weights=keep):
        mine(ids_BT)
    return torch.cat(kept).cpu()


twice = "The grey horse won the first race, and later that day the grey horse won the"
twice_ids = tokenizer.encode(twice)
pieces = [tokenizer.decode([token_id]) for token_id in twice_ids]
looks_LHTT = attention_of(torch.tensor([twice_ids], device=device))
first_share = looks_LHTT[:, :, 1:, 0].mean().item()
print(
    f"{first_share:.0%} of the attention of all later tokens goes to the first token. Your guess: {guess_first_token}"
)

# %% [markdown]
# More than half goes to a token that says next to nothing. Softmax must put its weights somewhere; a head that has
# found nothing looks there. It is the token whose vector exploded in section 2: an **attention sink** (Xiao et al.
# 2023).
#
# What do the other heads do? Search for two habits. A **previous-token head** looks one place back. An **induction
# head** looks for the place where the present token stood before, and at what came **after** it then: here, from the
# second " grey" to the first " horse".

# %%
one_back = torch.arange(1, len(pieces))
score_LH = {"previous token": looks_LHTT[:, :, one_back, one_back - 1].mean(-1)}
repeats = [
    (t, pieces.index(piece) + 1) for t, piece in enumerate(pieces) if t - pieces.index(piece) > 3 and piece != " the"
]
at, after = (torch.tensor(column) for column in zip(*repeats, strict=True))
score_LH["induction"] = looks_LHTT[:, :, at, after].mean(-1)
score_LH["first token"] = looks_LHTT[:, :, 1:, 0].mean(-1)
best = {habit: divmod(score.argmax().item(), H) for habit, score in score_LH.items()}
for habit, (layer, head) in best.items():
    print(f"{habit:15} layer {layer:>2}, head {head}: mean weight {score_LH[habit][layer, head]:.2f}")

# %%
figure, axes = plt.subplots(1, 2, figsize=(12, 5.6), layout="constrained")
for ax, habit in zip(axes, ("previous token", "induction"), strict=True):
    layer, head = best[habit]
    plots.plot_attention(looks_LHTT[layer, head], pieces, title=f"{habit}: layer {layer}, head {head}", ax=ax)
plt.show()
layer, head = best["induction"]
print("Left: a bright line just below the diagonal.")
print(
    f"Right: from the second {pieces[at[0]]!r}, weight {looks_LHTT[layer, head, at[0], after[0]]:.2f} goes to "
    f"the first {pieces[after[0]]!r}, the word that followed it before."
)

# %% [markdown]
# Look at all 270 heads, starting from the two pictures above. Most of them are a bright first column. (Again, a page
# that only shows the notebook has nothing here.)

# %%
from racecourse.learn.widgets.attention import attention_explorer

display(attention_explorer(looks_LHTT.numpy(), pieces, start=best["induction"]))

# %% [markdown]
# Attention weights say where a head reads, not what it does with what it read. A picture is a reason to test
# something, not a proof.
#
# ## 11 · QwQ-32B, counted
#
# The story of March 2025 is about QwQ-32B. Its published `config.json` describes a model of your class: these are the
# lines that fix its shape; that queries, keys and values have a bias follows from the type, `qwen2`, and 128 channels per
# head from 5,120 / 40. Nothing else is needed to count.
#
# **Guess first:** which part has most of the 32 billion parameters (embedding and head, attention, feed-forward,
# norms), and which share of them?

# %%
guess_part = None

# %%
qwq_json = {
    "model_type": "qwen2",
    "vocab_size": 152064,
    "hidden_size": 5120,
    "num_hidden_layers": 64,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "intermediate_size": 27648,
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1000000.0,
    "tie_word_embeddings": False,
}
qwq_config = ModelConfig.from_hf(qwq_json)
with torch.device("meta"):  # shapes without numbers: this machine need not hold 65 GB
    qwq = Decoder(qwq_config)
qwq_count = sum(p.numel() for p in qwq.parameters())
print(f"QwQ-32B in your class: {qwq_count:,} parameters")

# %%
from racecourse.scaling import count_parameters

with torch.device("meta"):
    their_qwq = transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**{k: v for k, v in qwq_json.items() if k != "model_type"})
    )
witnesses = {
    "your class, on the meta device": qwq_count,
    "transformers' class, on the meta device": sum(p.numel() for p in their_qwq.parameters()),
    "racecourse.scaling, from the formula": count_parameters(qwq_config).total,
    "published with the checkpoint's files": 32_763_876_352,
}
print(text_table(["witness", "parameters"], [[name, f"{count:,}"] for name, count in witnesses.items()]))


# %%
def by_part(model: nn.Module) -> dict[str, int]:
    """Parameters of the whole model, by kind of part."""
    counts = {"embedding and head": 0, "attention": 0, "feed-forward": 0, "norms": 0}
    for name, parameter in model.named_parameters():
        part = "norms" if "norm" in name else "attention" if ".attention." in name else "feed-forward"
        counts["embedding and head" if name.startswith(("embed", "head")) else part] += parameter.numel()
    return counts


parts = {"SmolLM2-135M": by_part(mine), "QwQ-32B": by_part(qwq)}
plots.plot_shares(parts, title="Where the parameters are")
plt.show()
for name, counts in parts.items():
    total = sum(counts.values())
    print(f"{name}:", ", ".join(f"{part} {count:,} ({count / total:.1%})" for part, count in counts.items()))
print(f"Your guess: {guess_part}")

# %%
outside = qwq_count - parts["QwQ-32B"]["embedding and head"]
bf16 = 2  # bytes a parameter
qwq_cache = 2 * qwq_config.n_layers * qwq_config.n_kv_heads * qwq_config.head_dim * bf16
print(f"outside embedding and head: {outside:,}")
print(f"memory of the weights in bfloat16: {bf16 * qwq_count / 1e9:.1f} GB")
print(f"KV cache in bfloat16: {qwq_cache:,} bytes per token, {qwq_cache * 32768 / 1e9:.2f} GB for 32,768 tokens")

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("a-head-each")

# %% [markdown]
# The model card prints "32.5B" parameters and "31.0B" outside the embedding. The exact figures are 32.76 and 31.21
# billion: the card is rounded in some way that it does not explain. The difference in the total, 0.26 billion, is twice the whole
# of SmolLM2. A later lesson that computes training cost uses the exact count.
#
# ## 12 · The ledger
#
# The claims ledger (lesson 00) asks whether QwQ-32B has 32 billion parameters. Decide for yourself before you run the
# cell. The count does not settle the date: that comes from the release itself.

# %%
settle(
    1,
    value=f"{qwq_count:,} parameters: {qwq_count / 1e9:.2f} billion, {outside / 1e9:.2f} outside embedding and head; "
    "released on 5 or 6 March 2025, depending on the source",
    verdict="holds with a qualification",
    sources=(
        "config.json and checkpoint of Qwen/QwQ-32B, counted here by two classes and a formula",
        "QwQ-32B's model card, which prints 32.5B and 31.0B non-embedding",
    ),
)

# %% [markdown]
# Why "with a qualification": the name keeps the 32 and drops the rest, and rounding would give 33. For a comparison
# with 671 billion that does not matter. For a memory bill it does.
#
# Lesson 00 left row 11 to you: *Tongyi Qianwen, of 2023, is Alibaba's counterpart of ChatGPT.* Your class says what a
# chat model of this family is: a transformer that continues a text with turns in it, as in section 10. It cannot say
# what ran behind the service of 2023, nor how good that was. The date and the kind of product are a matter of record.

# %%
settle(
    11,
    value="introduced on 11 April 2023 as a chat model, so the year and the kind of product are right. Of the family, "
    f"your class has the published shape of QwQ-32B, with {qwq_count:,} parameters; which model ran behind the "
    "service of 2023 could not be checked, and no answer of it was compared with one of ChatGPT's",
    verdict="holds with a qualification",
    sources=(
        "The Decoder, April 2023, 'Alibaba launches its GPT-4 competitor'",
        "Bai et al. 2023, Qwen Technical Report, arXiv:2309.16609",
    ),
)

# %% [markdown]
# "Counterpart" can mean *the same kind of thing* or *as good as*. The record supports the first. The second would take
# both services as they were in 2023.
#
# ## 13 · What you have shown
#
# `gaps` holds what each part of your code differed by; the table below it compares the ways of computing.

# %%
print(
    text_table(
        ["part, on real activations", "largest difference from the witness"],
        [[n, f"{gap:.1e}"] for n, gap in gaps.items()],
    )
)

tokens_read = text_BT.shape[1]
times = {"reference": lambda: reference(text_BT), "your code": lambda: mine(text_BT)}
took = {name: seconds(action, repeats=1 if session.quick else 3) for name, action in times.items()}
rows = [
    ["reference (transformers), one pass", f"loss {reference_loss:.3f}", tokens_read, f"{took['reference']:.2f} s"],
    ["your code, one pass", f"loss {intact:.3f}", tokens_read, f"{took['your code']:.2f} s"],
    ["control: key heads in turn", f"loss {losses['key heads in turn']:.3f}", tokens_read, "as above"],
    ["your code, one more token, no cache", "not compared", lengths[-1], f"{without_cache[-1]:.3f} s"],
    ["your code, one more token, cache", "not compared", lengths[-1], f"{with_cache[-1]:.3f} s"],
    ["chat, greedy, cache", "same words" if same_reply else "other words", len(chat_ids), f"{chat_seconds:.1f} s"],
]
print()
print(text_table(["method", "quality", "tokens", "time on this machine"], rows))

# %% [markdown]
# Running costs: electricity only. What a token costs in euros comes with lesson 06.
#
# ### Limitations
#
# * The weights of SmolLM2 come from a file with 4 bits per number (Q4_1), widened to float32. Both sides of every
#   comparison use the same widened numbers; the original model's losses differ a little.
# * One paragraph of English is a small text: section 7 shows large effects, not fine rankings. All of it is in
#   float32; in bfloat16 two right implementations differ visibly.
# * QwQ-32B itself did not run here. Its count is exact; that your class also gives its *logits* is tested on small
#   random models with its options (bias, untied head) in the package's tests, not on its 65.5 GB of weights.
# * The comparison covers one architecture family. Qwen3's normalised queries and keys, mixtures of experts and
#   DeepSeek's latent attention come in the exercises and in lesson 03.
#
# ### What others found at full size
#
# | finding | source |
# |---|---|
# | Grouped key-value heads: nearly the quality of a head each, nearly the speed of one for all | Ainslie 2023 [1] |
# | Gated feed-forward parts beat ungated ones of equal size; no explanation is offered | Shazeer 2020 [2] |
# | RMSNorm does as well as LayerNorm in the models tried, in less time | Zhang and Sennrich 2019 [3] |
# | The first token as an attention sink, and endless text that depends on keeping it | Xiao 2023 [4] |
# | A few activations thousands of times larger than the rest, in many models | Sun 2024 [5] |
# | Always the likeliest gives dull text that repeats itself; nucleus sampling does not | Holtzman 2019 [6] |
# | QwQ-32B: 64 layers, 40 query and 8 key-value heads, RoPE, SwiGLU, RMSNorm, QKV bias | its model card |
#
# arXiv numbers: [1] 2305.13245, [2] 2002.05202, [3] 1910.07467, [4] 2309.17453, [5] 2402.17762, [6] 1904.09751.
#
# ### Where next
#
# Exercise set 01 asks for siblings of what you built (`racecourse start 01_transformers` in a terminal; on Colab its
# badge in the README). Lesson 02 trains models of this class, and asks what more parameters or more data would buy.

# %%
ledger("01")
