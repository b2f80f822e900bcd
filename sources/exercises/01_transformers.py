# %% [markdown] nbgrader={"grade": false, "grade_id": "transformers-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 01 · Transformers: the parts that the lesson left out
#
# Eight functions and one question in words, 100 points, a little over two hours. None of them is a function that the
# lesson prints: each is a sibling. You will see what Qwen3 adds to attention, count a model without building it, mend a
# layer with five bugs, and write the two tricks that let a model read a text which does not fit into its memory. Most
# checks hold your function against the weights and activations of SmolLM2-135M, which the next cells load (seconds,
# once it is on this machine).
#
# `hint("head-norm")` prints one hint for the exercise with that name, the next call prints the next. The name is the
# one in the line *Stuck?* of each exercise. `racecourse check 01_transformers` says what your work earns so far.
#
# **Letters for shapes**, used throughout: `B` rows of a batch, `T` tokens, `S` tokens that can be looked at, `D`
# width of the residual stream, `H` query heads, `K` key-value heads, `C` channels per head, `F` width of the
# feed-forward part, `V` size of the vocabulary, `L` layers. A tensor's name ends in its shape: `q_HTC` has `H` heads
# of `T` tokens of `C` channels.

# %% nbgrader={"grade": false, "grade_id": "transformers-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from racecourse.learn.hints import hint
from racecourse.models import load

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "transformers-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
# What the model reads; at least 12 tokens.
SENTENCE = "A horse that runs on its own racecourse knows every turn of it, but not the next horse."
LAYER = 7  # whose weights and activations the checks use; 0 is the first; one of: range(3, 27)
HEAD_ORDER = "BHTC"  # exercise 1: the axes of the result; one of: "BHTC", "BTHC", "BHCT"
GAIN = "weight"  # exercise 1: what the normalised numbers are multiplied by; one of: "weight", "1 + weight"
QK_NORM_OF = "head"  # exercise 2: what a norm of queries or keys normalises; one of: "head", "row"
TOTAL_OF = "all"  # exercise 2: the parts that are summed; one of: "all", "layers"
CACHED_IN = "numbers"  # exercise 2: the unit of what is cached; one of: "numbers", "bytes"
PAD_SIDE = "left"  # exercise 4: where a row is filled up; one of: "left", "right"
COUNTS_ITSELF = True  # exercise 4: the window counts the token itself; one of: True, False
TIE_FIRST = "smaller"  # exercise 6: the id that stands before, of equally likely tokens; one of: "smaller", "larger"
MASS_OF = "before"  # exercise 6: what is summed up; one of: "before", "up to itself"
FIRST_SLOT = 0  # exercise 7: the slot of position 0; one of: 0, 1, 2, 3
ROUND = "up"  # exercise 7: the way round the ring; one of: "up", "down"
CONTEXT = 32_768  # the table at the end: tokens of a long chain of thought; one of: 16_384, 32_768, 65_536, 131_072

# %% [markdown] nbgrader={"grade": false, "grade_id": "transformers-real-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell loads the model and defines what the exercises are given: two rotations, and `real_layer`, which lets
# the model read `SENTENCE` and hands you one layer's weights and what flows through it. Read it; nothing in it is
# graded.

# %% nbgrader={"grade": false, "grade_id": "transformers-real", "locked": true, "schema_version": 3, "solution": false, "task": false}
model, tokenizer = load("smollm2-135m-instruct", device="cpu", dtype=torch.float32)


def angles(T: int, C: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine of position times frequency, each of shape (T, C/2)."""
    frequency = theta ** (-torch.arange(0, C, 2) / C)
    angle = torch.arange(T)[:, None] * frequency
    return angle.cos(), angle.sin()


def turn_halves(x_HTC: Tensor, theta: float) -> Tensor:
    """Rotary positions as in Llama and Qwen: channel i turns together with channel i + C/2."""
    cos, sin = angles(*x_HTC.shape[1:], theta)
    a, b = x_HTC.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=-1)


def turn_neighbours(x_HTC: Tensor, theta: float) -> Tensor:
    """Rotary positions as their inventors wrote them: channel 2i turns together with channel 2i + 1."""
    cos, sin = angles(*x_HTC.shape[1:], theta)
    a, b = x_HTC[..., 0::2], x_HTC[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), dim=-1).flatten(-2)


@cache
@torch.no_grad()
def read(layer: int) -> dict[str, Tensor]:
    block, config = model.layers[layer], model.config
    seen = {}
    hooks = [
        block.register_forward_pre_hook(lambda module, inputs: seen.update(x_TD=inputs[0][0])),
        block.mlp_norm.register_forward_pre_hook(lambda module, inputs: seen.update(after_attention_TD=inputs[0][0])),
        block.register_forward_hook(lambda module, inputs, output: seen.update(output_TD=output[0])),
    ]
    logits_BTV = model(torch.tensor([tokenizer.encode(SENTENCE)]))
    for hook in hooks:
        hook.remove()
    h_TD = block.attention_norm(seen["x_TD"])
    widths = [heads * config.head_dim for heads in (config.n_heads, config.n_kv_heads, config.n_kv_heads)]
    q, k, v = block.attention.qkv.weight.split(widths)
    gate, up = block.mlp.gate_up.weight.chunk(2)
    weights = {"attention_norm": block.attention_norm.weight, "q": q, "k": k, "v": v, "out": block.attention.out.weight,
               "mlp_norm": block.mlp_norm.weight, "gate": gate, "up": up, "down": block.mlp.down.weight}  # fmt: skip
    seen |= {"queries_TE": h_TD @ q.T, "keys_TE": h_TD @ k.T, "values_TE": h_TD @ v.T, "logits_TV": logits_BTV[0]}
    return seen | weights


class Copies(dict):
    """Each look at an entry copies it: whatever becomes of the copy, the model stays as it is."""

    def __getitem__(self, name: str) -> Tensor:
        return super().__getitem__(name).detach().clone()


def real_layer(layer: int) -> dict[str, Tensor]:
    """One layer of SmolLM2: its weights, and its activations while the model reads SENTENCE."""
    return Copies(read(layer))


def cut_heads(x_TE: Tensor, C: int) -> Tensor:
    """(T, heads times C) to (heads, T, C)."""
    return x_TE.unflatten(-1, (-1, C)).transpose(0, 1)


def same(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    """Equal shapes, and equal numbers up to rounding. NaN equals nothing."""
    return a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=tolerance, atol=tolerance)


for name, tensor in real_layer(LAYER).items():
    print(f"{name:20} {tuple(tensor.shape)}")

# %% [markdown] nbgrader={"grade": false, "grade_id": "head-norm-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · A norm for every head  (difficulty 1 of 5 · 8 minutes · 8 points)
#
# Qwen3 drops the biases in QwQ-32B's attention and adds one thing: every query vector and every key vector goes
# through an RMSNorm of its own before its position turns it. One weight of `C` numbers serves all query heads. Write
# `head_norm`, which takes the projection's output as it comes, cuts it into heads and normalises **each head by
# itself**: divide by `sqrt(mean of squares + eps)`, then multiply by << "the weight" if GAIN == "weight" else "**1 plus the weight**, as Gemma does: a weight of 0 changes nothing" >>.
#
# | in | | out | |
# |---|---|---|---|
# | `x_BTE` | float, `E = H * C`; head `h` is in channels `h*C` to `(h+1)*C - 1` | `normed_<< HEAD_ORDER >>` | float, << {"BHTC": "heads before tokens", "BTHC": "tokens before heads, as FlashAttention takes them", "BHCT": "heads first, tokens last, as keys stand in `q @ k`"}[HEAD_ORDER] >> |
# | `weight_C` | float | | |
# | `eps` | number | | |
#
# Worked example: one token, `C = 2`, `eps = 3`, weight `<< "[2, 10]" if GAIN == "weight" else "[1, 9]" >>`, `x = [1, 1, 5, 1]`. Head 0 is `[1, 1]`: the mean of
# squares is 1, the root of 1 + 3 is 2, so `[0.5, 0.5]`; times << "the" if GAIN == "weight" else "1 +" >> weight<< "" if GAIN == "weight" else "," >> `[2, 10]` → `[1, 5]`. Head 1 is `[5, 1]`: the
# mean of squares is 13, the root of 13 + 3 is 4, so `[1.25, 0.25]`; times << "the" if GAIN == "weight" else "1 +" >> weight<< "" if GAIN == "weight" else "," >> `[2, 10]` → `[2.5, 2.5]`.
#
# Before you write: with all weights << 1 if GAIN == "weight" else 0 >>, how large can a score `q · k / sqrt(C)` become at most? (No formula needed:
# how long is a vector whose mean square is 1?)
#
# *Stuck?* `hint("head-norm")`


# %% nbgrader={"grade": false, "grade_id": "head-norm", "locked": false, "schema_version": 3, "solution": true, "task": false}
def head_norm(x_BTE: Tensor, weight_C: Tensor, eps: float) -> Tensor:
    """Cut into heads of C channels, and divide each head of each token by its own root mean square."""
    ### BEGIN SOLUTION
    # variant: if HEAD_ORDER == "BHTC"
    x_BHTC = x_BTE.unflatten(-1, (-1, len(weight_C))).transpose(1, 2)
    mean_square = x_BHTC.square().mean(-1, keepdim=True)
    # variant: if GAIN == "weight"
    return weight_C * x_BHTC / torch.sqrt(mean_square + eps)
    # variant: else
    return (1 + weight_C) * x_BHTC / torch.sqrt(mean_square + eps)
    # variant: endif
    # variant: else
    x_BTHC = x_BTE.unflatten(-1, (-1, len(weight_C)))
    normed_BTHC = x_BTHC / torch.sqrt(x_BTHC.square().mean(-1, keepdim=True) + eps)
    # variant: if GAIN == "weight"
    normed_BTHC = weight_C * normed_BTHC
    # variant: else
    normed_BTHC = (1 + weight_C) * normed_BTHC
    # variant: endif
    # variant: if HEAD_ORDER == "BTHC"
    return normed_BTHC
    # variant: else
    return normed_BTHC.permute(0, 2, 3, 1)
    # variant: endif
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "head-norm-visible", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
example = torch.tensor([[[1.0, 1.0, 5.0, 1.0]]])
# variant: if GAIN == "weight"
out = head_norm(example, torch.tensor([2.0, 10.0]), eps=3.0)
# variant: else
out = head_norm(example, torch.tensor([1.0, 9.0]), eps=3.0)
# variant: endif
assert out is not None, "nothing came back: end your function with `return ...`"
# variant: if HEAD_ORDER == "BHTC"
assert out.shape == (1, 2, 1, 2), f"B, H, T, C: expected (1, 2, 1, 2), got {tuple(out.shape)}"
# variant: else
assert out.shape != (1, 2, 1, 2), "your axes are B, H, T, C; in this version of the exercise they are << ', '.join(HEAD_ORDER) >>"
sizes, back = {"B": 1, "H": 2, "T": 1, "C": 2}, [HEAD_ORDER.index(axis) for axis in "BHTC"]
shape = tuple(sizes[axis] for axis in HEAD_ORDER)
assert out.shape == shape, f"<< ', '.join(HEAD_ORDER) >>: expected {shape}, got {tuple(out.shape)}"
out = out.permute(back)  # from here on B, H, T, C
# variant: endif
head_0, head_1 = ([round(number, 3) for number in head] for head in out[0, :, 0].tolist())
assert not same(out[0, 0, 0], torch.tensor([0.5, 0.5])), "[0.5, 0.5]: normalised, but the weight is missing"
# variant: if GAIN == "1 + weight"
assert not same(out[0, 0, 0], torch.tensor([0.5, 4.5])), (
    "[0.5, 4.5]: you multiply by the weight; in this version of the exercise it is 1 plus the weight"
)
# variant: endif
assert not same(out[0, 0, 0], torch.tensor([0.5, 2.5])), "eps is outside the root: it is sqrt(mean square + eps)"
assert not same(out[0, 0, 0], torch.tensor([2.0, 10.0]) * 10**-0.5), (
    "the mean runs over both heads; each head has its own"
)
assert not same(out[0, 0, 0], torch.zeros(2)), (
    "[0, 0]: that subtracts the mean first, as LayerNorm does; RMSNorm does not"
)
assert not same(out[0, 0, 0], torch.tensor([2.0, 10.0]) * 5**-0.5), (
    "the sum of squares is divided by C: a mean, not a sum"
)
for length in (2**0.5, 3.0):  # F.normalize without and with eps
    assert not same(out[0, 0, 0], torch.tensor([2.0, 10.0]) / length), (
        "that is F.normalize, which divides by the vector's length: a factor sqrt(C) is missing, and eps goes inside "
        "the root"
    )
assert not same(out[0, 0, 0], torch.tensor([2.0, 10.0])), "[2, 10]: eps is missing; it is sqrt(mean square + eps)"
mixed = torch.tensor([1.0, 5.0]) / 4 * torch.tensor([2.0, 10.0])  # the first channels of both heads, normalised
assert not same(out[0, 0, 0], mixed), (
    "head 0 holds channels 0 and 2: the row is cut as (C, H); it is (H, C), head 0 has its first C channels"
)
assert same(out[0, 0, 0], torch.tensor([1.0, 5.0])), f"worked example, head 0: expected [1.0, 5.0], got {head_0}"
assert same(out[0, 1, 0], torch.tensor([2.5, 2.5])), f"worked example, head 1: expected [2.5, 2.5], got {head_1}"
C, queries_BTE = model.config.head_dim, real_layer(LAYER)["queries_TE"][None]
# variant: if GAIN == "weight"
out, (_, T, E) = head_norm(queries_BTE, torch.ones(C), eps=0.0), queries_BTE.shape
# variant: else
out, (_, T, E) = head_norm(queries_BTE, torch.zeros(C), eps=0.0), queries_BTE.shape
# variant: endif
# variant: if HEAD_ORDER == "BHTC"
assert out.shape == (1, E // C, T, C), f"real queries: expected {(1, E // C, T, C)}, got {tuple(out.shape)}"
# variant: else
sizes |= {"H": E // C, "T": T, "C": C}
shape = tuple(sizes[axis] for axis in HEAD_ORDER)
assert out.shape == shape, f"real queries: expected {shape}, got {tuple(out.shape)}"
out = out.permute(back)
# variant: endif
assert same(out.square().mean(-1), torch.ones(1, E // C, T)), (
    "real queries, weight << 1 if GAIN == 'weight' else 0 >>, eps 0: every mean square must be 1"
)
token_1 = F.normalize(queries_BTE[0, 1, :C], dim=-1) * C**0.5
assert same(out[0, 0, 1], token_1), (
    "head 0 of token 1 holds numbers of another token: cut each token's row into (H, C), then swap two dimensions"
)

# %% nbgrader={"grade": true, "grade_id": "head-norm-hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(101)
for B, T, H, C, eps in [(2, 5, 4, 6, 0.5), (3, 4, 3, 8, 2.0)]:
    x, weight = torch.randn(B, T, H * C), torch.rand(C) + 0.5
    out, sizes = head_norm(x, weight, eps), {"B": B, "H": H, "T": T, "C": C}
    shape = tuple(sizes[axis] for axis in HEAD_ORDER)
    assert out.shape == shape, f"B={B}, T={T}, H={H}, C={C}: expected shape {shape}, got {tuple(out.shape)}"
    out, gain = out.permute([HEAD_ORDER.index(axis) for axis in "BHTC"]), weight if GAIN == "weight" else 1 + weight
    for b, t, h in [(0, 0, 0), (B - 1, 1, H - 1), (0, T - 1, 1)]:
        vector = x[b, t, h * C : (h + 1) * C]
        expected = vector / (vector @ vector / C + eps) ** 0.5 * gain
        said, right = ([round(number, 3) for number in vector.tolist()] for vector in (out[b, h, t], expected))
        assert torch.allclose(out[b, h, t], expected, atol=1e-5), (
            f"B={B}, T={T}, H={H}, C={C}, eps={eps}: row {b}, token {t}, head {h}: expected {right}, got {said}"
        )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "count-parts-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · Count without building  (difficulty 2 of 5 · 15 minutes · 10 points)
#
# The lesson counted QwQ-32B by laying it out with no memory behind it. From the config alone you can also say
# **where** the parameters are. Write `count_parts`.
#
# | in: dict `c` | | out: dict of ints | what it counts |
# |---|---|---|---|
# | `V, D, L, H, K, C, F` | sizes (see the letters at the top) | `"embedding"` | the embedding matrix, `V × D` |
# | `tied` | True: the output head **is** the embedding matrix | `"head"` | the output head, where it is one of its own |
# | `qkv_bias` | True: the query, key and value projections have a bias each; the output projection has none | `"attention"` | the four projections, all layers |
# | `qk_norm` | True: each layer has << "a head norm for queries and one for keys, as in exercise 1" if QK_NORM_OF == "head" else "a norm for all its queries, `H * C` weights, and one for all its keys, `K * C`, as OLMo 2 has, and no head norms" >> | `"feed_forward"` | gate, up and down, all layers |
# | | | `"norms"` | all norm weights: two per layer before its parts, << "head norms" if QK_NORM_OF == "head" else "norms of queries and keys" >>, one after the last layer |
# | | | `"total"` | the sum of << "the five above" if TOTAL_OF == "all" else "three of them: attention, feed_forward and norms, without embedding and head, as scaling laws count" >> |
# | | | `"cached"` | << "**numbers** (not bytes) that the key-value cache keeps per token" if CACHED_IN == "numbers" else "**bytes** that the key-value cache keeps per token, at 4 for each number" >> |
#
# Worked example: `V=10, D=4, L=1, H=2, K=1, C=2, F=6`, tied, no bias, no << "head norms" if QK_NORM_OF == "head" else "norms of queries and keys" >> → embedding 40, head 0, attention
# 16 + 8 + 8 + 16 = 48, feed_forward 3 × 24 = 72, norms 12, total << 172 if TOTAL_OF == "all" else 132 >>, cached << 4 if CACHED_IN == "numbers" else 16 >>.
#
# Before you write: which is the largest part of SmolLM2-135M? And of QwQ-32B? Write both guesses down.
#
# *Stuck?* `hint("count-parts")`


# %% nbgrader={"grade": false, "grade_id": "count-parts", "locked": false, "schema_version": 3, "solution": true, "task": false}
def count_parts(c: dict) -> dict[str, int]:
    """Parameters of each part of a decoder-only transformer, and the << CACHED_IN >> that it caches per token."""
    ### BEGIN SOLUTION
    queries, keys = c["H"] * c["C"], c["K"] * c["C"]
    projections = c["D"] * (2 * queries + 2 * keys)
    biases = queries + 2 * keys if c["qkv_bias"] else 0
    # variant: if QK_NORM_OF == "head"
    head_norms = 2 * c["C"] if c["qk_norm"] else 0
    # variant: else
    head_norms = queries + keys if c["qk_norm"] else 0
    # variant: endif
    parts = {
        "embedding": c["V"] * c["D"],
        "head": 0 if c["tied"] else c["V"] * c["D"],
        "attention": c["L"] * (projections + biases),
        "feed_forward": c["L"] * 3 * c["D"] * c["F"],
        "norms": c["L"] * (2 * c["D"] + head_norms) + c["D"],
    }
    # variant: if TOTAL_OF == "all"
    total = sum(parts.values())
    # variant: else
    total = parts["attention"] + parts["feed_forward"] + parts["norms"]
    # variant: endif
    # variant: if CACHED_IN == "numbers"
    return parts | {"total": total, "cached": 2 * c["L"] * keys}
    # variant: else
    return parts | {"total": total, "cached": 4 * 2 * c["L"] * keys}
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "count-parts-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
# In other versions of this exercise cached are bytes, or the total leaves out embedding and head: CACHED_IN and TOTAL_OF.
tiny = {"V": 10, "D": 4, "L": 1, "H": 2, "K": 1, "C": 2, "F": 6, "tied": True, "qkv_bias": False, "qk_norm": False}
parts = count_parts(dict(tiny))
assert parts is not None, "nothing came back: end your function with `return ...`"
names = {"embedding", "head", "attention", "feed_forward", "norms", "total", "cached"}
assert set(parts) == names, f"the dict needs these keys: {sorted(names)}; got {sorted(parts)}"
assert parts["head"] != 40, "40 for the head: it is tied, so the matrix exists once and was counted as the embedding"
assert parts["attention"] != 64, "64 for attention: keys and values have K heads, not H"
assert parts["attention"] != 32, (
    "32 for attention: there are four projections; one of them turns the heads' output back into D"
)
assert parts["feed_forward"] != 48, "48 for feed_forward: a gated one has three matrices, gate, up and down"
assert parts["norms"] != 8, "8 for the norms: there is one more after the last layer"
# variant: if CACHED_IN == "numbers"
assert parts["cached"] != 2, "2 cached: keys and values are both kept"
assert parts["cached"] != 8, "8 cached: only the K key-value heads are kept, not H"
# variant: else
assert parts["cached"] != 4, "4 cached: those are numbers; in this version of the exercise bytes are wanted, 4 for each"
assert parts["cached"] != 8, "8 cached: keys and values are both kept, 4 bytes for each number"
assert parts["cached"] != 32, "32 cached: only the K key-value heads are kept, not H"
# variant: endif
for name, expected in [
    ("embedding", 40),
    ("head", 0),
    ("attention", 48),
    ("feed_forward", 72),
    ("norms", 12),
    ("cached", 4 if CACHED_IN == "numbers" else 16),
]:
    assert parts[name] == expected, f"worked example: expected {expected} for {name}, got {parts[name]!r}"
# variant: if TOTAL_OF == "layers"
assert parts["total"] != 172, (
    "172 in total: in this version of the exercise embedding and head are left out of the total"
)
# variant: endif
total = 172 if TOTAL_OF == "all" else 132
assert parts["total"] != total + parts["cached"], f"{parts['total']} in total: what is cached is not a parameter"
assert parts["total"] == total, f"worked example: expected {total} in total, got {parts['total']!r}"
wide = {**tiny, "D": 5, "L": 3, "C": 3, "tied": False, "qkv_bias": True}
parts = count_parts(dict(wide))
assert parts["attention"] != 3 * (60 + 8), "C is taken for D // H; here it is 3, and the config says so"
assert parts["attention"] != 3 * (90 + 17), (
    "the output projection has no bias here, only queries, keys and values have one"
)
assert parts["attention"] != 3 * (90 + 15), (
    "3 biases of D numbers per layer: a bias has as many numbers as its projection has outputs, H * C or K * C"
)
assert parts["attention"] != 3 * 90, "the biases are missing: as many as the queries, keys and values have channels"
assert parts["attention"] != 90 + 12, "that is the attention of one layer; there are L of them"
assert parts["attention"] == 3 * (90 + 12), (
    f"3 layers, D=5, C=3, with biases: expected 306 for attention, got {parts['attention']!r}"
)
assert parts["head"] == 50, f"an untied head is a matrix of its own: expected 50, got {parts['head']!r}"
assert parts["embedding"] == 50, f"V=10, D=5: expected 50 for the embedding, got {parts['embedding']!r}"
assert parts["feed_forward"] != 90, "90 for feed_forward: that is one layer; there are L = 3 of them"
assert parts["feed_forward"] == 270, f"3 layers, D=5, F=6: expected 270 for feed_forward, got {parts['feed_forward']!r}"
assert parts["norms"] not in (15, 20), f"{parts['norms']} for norms: each of the 3 layers has two of D = 5, and one comes last"
assert parts["norms"] == 35, f"3 layers, D=5: expected 35 for norms, got {parts['norms']!r}"
# variant: if CACHED_IN == "numbers"
assert parts["cached"] == 18, f"3 layers, K=1, C=3: expected 18 numbers cached per token, got {parts['cached']!r}"
# variant: else
assert parts["cached"] == 72, f"3 layers, K=1, C=3: expected 72 bytes cached per token, got {parts['cached']!r}"
# variant: endif
# variant: if QK_NORM_OF == "head"
norms = count_parts({**wide, "qk_norm": True})["norms"]
assert norms != 3 * 10 + 5, "the head norms are missing: with qk_norm each layer has one for queries and one for keys"
assert norms != 3 * (10 + 9) + 5, "(H + K) * C per layer: one weight of C numbers serves all heads"
assert norms != 3 * (10 + 3) + 5, "C per layer: there are two head norms, one for queries and one for keys"
assert norms == 3 * (10 + 6) + 5, f"3 layers, D=5, C=3, with head norms: expected 53 for norms, got {norms!r}"
# variant: else
norms = count_parts({**wide, "H": 4, "qk_norm": True})["norms"]
assert norms != 3 * 10 + 5, "the norms of queries and keys are missing: with qk_norm each layer has one of either"
assert norms != 3 * (10 + 6) + 5, (
    "2 * C per layer: you count head norms; in this version of the exercise a norm has a weight for each channel of all "
    "heads, H * C or K * C"
)
assert norms != 3 * (10 + 12) + 5, "H * C per layer: there is a norm for the keys, too, with K * C weights"
assert norms != 3 * (10 + 24) + 5, "2 * H * C per layer: the keys have K heads only"
assert norms == 3 * (10 + 15) + 5, f"3 layers, D=5, H=4, K=1, C=3: expected 80 for norms, got {norms!r}"
# variant: endif
real = model.config
smollm2 = {"V": real.vocab_size, "D": real.d_model, "L": real.n_layers, "H": real.n_heads, "K": real.n_kv_heads,
           "C": real.head_dim, "F": real.d_ff, "tied": True, "qkv_bias": False, "qk_norm": False}  # fmt: skip
# variant: if TOTAL_OF == "all"
counted = sum(parameter.numel() for parameter in model.parameters())
# variant: else
counted = sum(parameter.numel() for parameter in model.parameters()) - real.vocab_size * real.d_model
# variant: endif
said = count_parts(dict(smollm2))["total"]
assert said == counted, f"SmolLM2, the model that is loaded, has {counted:,} parameters<< '' if TOTAL_OF == 'all' else ' without its embedding' >>; you count {said:,}"

# %% nbgrader={"grade": true, "grade_id": "count-parts-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
qwq = {
    "V": 152064,
    "D": 5120,
    "L": 64,
    "H": 40,
    "K": 8,
    "C": 128,
    "F": 27648,
    "tied": False,
    "qkv_bias": True,
    "qk_norm": False,
}
parts = count_parts(dict(qwq))
total = 32_763_876_352 if TOTAL_OF == "all" else 31_206_740_992  # less two matrices of 152,064 by 5,120
assert parts["total"] == total, f"QwQ-32B: expected {total:,} parameters in total, got {parts['total']:,}"
cached = 131_072 if CACHED_IN == "numbers" else 524_288
assert parts["cached"] == cached, f"QwQ-32B caches {cached:,} {CACHED_IN} per token, got {parts['cached']:,}"
qwen3 = {
    "V": 151936,
    "D": 1024,
    "L": 28,
    "H": 16,
    "K": 8,
    "C": 128,
    "F": 3072,
    "tied": True,
    "qkv_bias": False,
    "qk_norm": True,
}
parts = count_parts(dict(qwen3))
norms = 65_536 if QK_NORM_OF == "head" else 144_384  # in each of 28 layers (16 + 8) * 128 in place of 2 * 128
assert parts["norms"] == norms, f"sizes of Qwen3-0.6B: expected {norms:,} norm weights, got {parts['norms']:,}"
total = 596_049_920 - 65_536 + norms - (0 if TOTAL_OF == "all" else 151936 * 1024)
assert parts["total"] == total, f"sizes of Qwen3-0.6B: expected {total:,} parameters in total, got {parts['total']:,}"
assert all(type(number) is int for number in parts.values()), "counts are whole numbers: every value must be an int"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "neighbour-pairs-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · Two ways to pair channels  (difficulty 2 of 5 · 12 minutes · 10 points)
#
# The rotation turns channels in pairs. Llama's files on the hub and Qwen pair channel `i` with `i + C/2`
# (`turn_halves`); the files that Meta publishes and DeepSeek pair the neighbours `2i` and `2i + 1`
# (`turn_neighbours`). Whoever converts a checkpoint from one code to the other need not touch the code: it is enough
# to **reorder the rows** of the query and key matrices. Write `to_neighbours`, for a checkpoint made for halves: in
# every head, the two rows that turned together become neighbours. Then `turn_neighbours` on the new projections gives
# the scores that `turn_halves` gave on the old.
#
# | in | | out | |
# |---|---|---|---|
# | `rows` | weight `(H*C, D)` or bias `(H*C,)`; head `h` has rows `h*C` to `(h+1)*C - 1` | rows | same shape, rows in the new order |
# | `n_heads` | `H` (for keys: `K`) | | |
#
# Worked example, the rows numbered, 2 heads of `C = 6`: `[0 1 2 3 4 5 | 6 7 8 9 10 11]` →
# `[0 3 1 4 2 5 | 6 9 7 10 8 11]`.
#
# Before you write: do the value matrix or the output matrix need a new order too?
#
# *Stuck?* `hint("neighbour-pairs")`


# %% nbgrader={"grade": false, "grade_id": "neighbour-pairs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def to_neighbours(rows: Tensor, n_heads: int) -> Tensor:
    """Reorder each head's rows so that what was paired over half a head stands side by side."""
    ### BEGIN SOLUTION
    C = len(rows) // n_heads
    return rows.unflatten(0, (n_heads, 2, C // 2)).transpose(1, 2).flatten(0, 2)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "neighbour-pairs-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
out = to_neighbours(torch.arange(12), n_heads=2)
assert out is not None, "nothing came back: end your function with `return ...`"
assert out.shape == (12,), f"a bias keeps its shape: expected (12,), got {tuple(out.shape)}"
order = out.tolist()
assert order != list(range(12)), "nothing moved: the rows are still in the order for halves"
assert order[:6] != [0, 2, 4, 1, 3, 5], "[0, 2, 4, 1, 3, 5] goes from neighbours to halves; the other way is asked"
assert order[:4] != [0, 6, 1, 7], "[0, 6, 1, 7, ...] pairs rows of different heads: every head is reordered by itself"
assert order[:6] == [0, 3, 1, 4, 2, 5], f"head 0 of the worked example: expected [0, 3, 1, 4, 2, 5], got {order[:6]}"
assert order[6:] == [6, 9, 7, 10, 8, 11], (
    f"head 1 of the worked example: expected [6, 9, 7, 10, 8, 11], got {order[6:]}"
)
weight = torch.arange(24).view(12, 2)
out = to_neighbours(weight, n_heads=2)
assert out.shape == weight.shape, f"a weight keeps its shape: expected (12, 2), got {tuple(out.shape)}"
assert torch.equal(out[1], weight[3]), "whole rows move: row 3 of the weight, with all its D numbers, becomes row 1"
real, H, K = real_layer(LAYER), model.config.n_heads, model.config.n_kv_heads
C, theta = model.config.head_dim, model.config.rope_theta
stream = F.rms_norm(real["x_TD"], real["attention_norm"].shape, real["attention_norm"], model.config.norm_eps)
old_q, old_k = (turn_halves(cut_heads(stream @ real[part].T, C), theta) for part in ("q", "k"))
new_q, new_k = (
    turn_neighbours(cut_heads(stream @ to_neighbours(real[part], heads).T, C), theta)
    for part, heads in (("q", H), ("k", K))
)
assert same(new_q[0] @ new_k[0].T, old_q[0] @ old_k[0].T, 1e-2), (
    "SmolLM2's weights, reordered: the scores of head 0 changed"
)
assert same(new_q[-1] @ new_k[-1].T, old_q[-1] @ old_k[-1].T, 1e-2), (
    "SmolLM2's weights: the scores of the last head changed"
)

# %% nbgrader={"grade": true, "grade_id": "neighbour-pairs-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

for H, C, D in [(3, 8, 5), (1, 10, 2), (4, 2, 3)]:
    weight = torch.arange(H * C * D, dtype=torch.float32).view(H * C, D)
    try:
        out = to_neighbours(weight.clone(), n_heads=H)
    except (RuntimeError, IndexError):
        out = None
    assert out is not None, (
        f"{H * C} rows, {H} heads: each has {H * C} / {H} = {C} rows. Your code does not run on that: is C or the number of "
        "heads written into it as a number?"
    )
    assert out.shape == weight.shape, f"{H} heads of {C}: expected shape {tuple(weight.shape)}, got {tuple(out.shape)}"
    for h in range(H):
        for i in range(C // 2):
            a, b = out[h * C + 2 * i], out[h * C + 2 * i + 1]
            assert torch.equal(a, weight[h * C + i]), (
                f"{H} heads of {C}: row {2 * i} of head {h} must be its old row {i}"
            )
            old = i + C // 2
            assert torch.equal(b, weight[h * C + old]), (
                f"{H} heads of {C}: row {2 * i + 1} of head {h} must be its old row {old}"
            )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "window-mask-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Who may look where  (difficulty 3 of 5 · 12 minutes · 12 points)
#
# Mistral's first model and many since let a token look back over a **sliding window** only. At the same time a batch
# of prompts of different lengths is filled up on the << PAD_SIDE >> with padding tokens, at which nobody should look. Write
# `window_mask`, which says for a whole batch where each token may look. Token `t` of a row may look at token `s` of
# the same row if
#
# 1. `s` is not later than `t`, and
# 2. `s` is << "one of the last `window` tokens, `t` itself counted" if COUNTS_ITSELF else "`t` itself or one of the `window` tokens before it" >>, and
# 3. `s` is no padding.
#
# A padding token may look **at itself and nowhere else**: its output is never used, but a softmax over nothing is
# NaN.
#
# | in | | out | |
# |---|---|---|---|
# | `n_pad_B` | list of `B` ints: how many tokens on the << PAD_SIDE >> are padding | `mask_BTS` | bool, `(B, T, T)`; True where query `t` may look at key `s` |
# | `T` | tokens per row, padding included | | |
# | `window` | int, `>= 1` | | |
#
# Worked example: `n_pad_B = [1]`, `T = 4`, `window = << 2 if COUNTS_ITSELF else 1 >>`, one line per query:
#
# ```
# <% if PAD_SIDE == "left" %>
# query 0 (padding)   1 0 0 0
# query 1             0 1 0 0
# query 2             0 1 1 0
# query 3             0 0 1 1
# <% else %>
# query 0             1 0 0 0
# query 1             1 1 0 0
# query 2             0 1 1 0
# query 3 (padding)   0 0 0 1
# <% endif %>
# ```
#
# Before you write: with `L` layers and a window of `w`, how far back can a token be influenced? More than `w`?
#
# *Stuck?* `hint("window-mask")`


# %% nbgrader={"grade": false, "grade_id": "window-mask", "locked": false, "schema_version": 3, "solution": true, "task": false}
def window_mask(n_pad_B: list[int], T: int, window: int) -> Tensor:
    """True where a query may look: causal, within the window, not at padding; padding looks at itself."""
    ### BEGIN SOLUTION
    key_S, query_T1 = torch.arange(T), torch.arange(T)[:, None]
    # variant: if COUNTS_ITSELF
    near_TS = (key_S <= query_T1) & (key_S > query_T1 - window)
    # variant: else
    near_TS = (key_S <= query_T1) & (key_S >= query_T1 - window)
    # variant: endif
    # variant: if PAD_SIDE == "left"
    is_real_B1S = key_S >= torch.tensor(n_pad_B)[:, None, None]
    return near_TS & is_real_B1S | (key_S == query_T1)
    # variant: else
    is_real_BT1 = query_T1 < T - torch.tensor(n_pad_B)[:, None, None]  # a real query sees no later token
    return near_TS & is_real_BT1 | (key_S == query_T1)
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "window-mask-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
# variant: if COUNTS_ITSELF
out = window_mask([1], T=4, window=2)
# variant: else
out = window_mask([1], T=4, window=1)
# variant: endif
assert out is not None, "nothing came back: end your function with `return ...`"
assert out.shape == (1, 4, 4), f"one T by T table per row of the batch: expected (1, 4, 4), got {tuple(out.shape)}"
assert out.dtype == torch.bool, f"True and False are wanted, dtype torch.bool; got {out.dtype}"
table = out[0].int().tolist()
assert not out[0].triu(1).any() or out[0].tril(-1).any(), (
    "queries look at later keys only: rows are queries, columns are keys"
)
assert not out[0].triu(1).any(), "a query looks at a later key: s <= t is violated"
# variant: if PAD_SIDE == "left"
assert out[0, 2, 2] or out[0, 3, 3], "queries do not see themselves: s = t is allowed"
assert out[0, 3, 3], "query 3 does not see key 3, as if that were padding; the padding is on the left, the first n_pad tokens"
# variant: else
assert out[0, 2, 2], "query 2 does not see itself: s = t is allowed"
assert out[0, 3, 3], "query 3 is padding and sees nothing: its softmax would be NaN; let it look at itself"
# variant: endif
# variant: if PAD_SIDE == "right"
assert out[0, 1, 0], (
    "query 1 does not look at token 0: you take the padding to be on the left; in this version of the exercise it is on "
    "the right"
)
# variant: endif
# variant: if COUNTS_ITSELF and PAD_SIDE == "left"
assert not out[0, 3, 1], "query 3 sees three keys, 1, 2 and 3; a window of 2 is itself and one before"
assert out[0, 3, 2], "query 3 sees only itself; a window of 2 is itself and one before"
# variant: elif PAD_SIDE == "left"
assert out[0, 3, 2], (
    "query 3 sees only itself: you count it in its window; in this version of the exercise a window of 1 is itself and "
    "one before"
)
assert not out[0, 3, 1], "query 3 sees three keys, 1, 2 and 3; a window of 1 is itself and one before"
# variant: elif COUNTS_ITSELF
assert not out[0, 2, 0], "query 2 sees three keys, 0, 1 and 2; a window of 2 is itself and one before"
assert out[0, 2, 1], "query 2 sees only itself; a window of 2 is itself and one before"
# variant: else
assert out[0, 2, 1], (
    "query 2 sees only itself: you count it in its window; in this version of the exercise a window of 1 is itself and "
    "one before"
)
assert not out[0, 2, 0], "query 2 sees three keys, 0, 1 and 2; a window of 1 is itself and one before"
# variant: endif
# variant: if PAD_SIDE == "left"
assert not out[0, 1, 0], "query 1 looks at token 0, which is padding: the padding is on the left, n_pad tokens of it"
assert out[0, 0].any(), "query 0 is padding and sees nothing: its softmax would be NaN; let it look at itself"
assert table == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]], f"worked example: got {table}"
# variant: else
assert not out[0, 3, :3].any(), "query 3 is padding and looks at other tokens; it may look at itself only"
assert table == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], f"worked example: got {table}"
# variant: endif
full = window_mask([0, 3], T=5, window=9)
assert full.shape == (2, 5, 5), f"two rows: expected (2, 5, 5), got {tuple(full.shape)}"
assert torch.equal(full[0], torch.ones(5, 5).tril().bool()), (
    "no padding, a window longer than the text: a plain causal mask"
)
# variant: if PAD_SIDE == "left"
assert not full[1, 2, :2].any(), "row 1, query 2 is padding and looks at other padding; it may look at itself only"
assert full[1, 2, 2], "row 1, query 2 is padding: it looks at itself"
# variant: else
assert not full[1, 4, :4].any(), "row 1, query 4 is padding and looks at other tokens; it may look at itself only"
assert full[1, 4, 4], "row 1, query 4 is padding: it looks at itself"
# variant: endif
real, C = real_layer(LAYER), model.config.head_dim
q, k, v = (real[name][:, :C] for name in ("queries_TE", "keys_TE", "values_TE"))
# variant: if PAD_SIDE == "left"
padded = [torch.cat((torch.full((2, C), 50.0), x))[None] for x in (q, k, v)]
# variant: else
padded = [torch.cat((x, torch.full((2, C), 50.0)))[None] for x in (q, k, v)]
# variant: endif
alone = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=window_mask([0], T=len(q), window=5))
beside = F.scaled_dot_product_attention(*padded, attn_mask=window_mask([2], T=len(q) + 2, window=5))
# variant: if PAD_SIDE == "left"
assert not beside.isnan().any(), "real attention with 2 padding tokens in front gives NaN: some query sees nothing"
assert same(beside[:, 2:], alone), "real attention: 2 padding tokens in front change what the sentence's own tokens see"
# variant: else
assert not beside.isnan().any(), "real attention with 2 padding tokens behind gives NaN: some query sees nothing"
assert same(beside[:, :-2], alone), "real attention: 2 padding tokens behind change what the sentence's own tokens see"
# variant: endif

# %% nbgrader={"grade": true, "grade_id": "window-mask-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

for n_pad_B, T, window in [([0, 2, 5], 7, 3), ([4, 0], 6, 1), ([1, 3, 0, 2], 5, 4), ([0], 3, 3), ([6], 6, 2)]:
    out = window_mask(list(n_pad_B), T=T, window=window)
    what = f"n_pad_B={n_pad_B}, T={T}, window={window}"
    assert out.shape == (len(n_pad_B), T, T), f"{what}: expected shape {(len(n_pad_B), T, T)}, got {tuple(out.shape)}"
    for b, n_pad in enumerate(n_pad_B):
        for t in range(T):
            real = range(n_pad, T) if PAD_SIDE == "left" else range(T - n_pad)
            reach = window - 1 if COUNTS_ITSELF else window
            seen = [s for s in real if 0 <= t - s <= reach] if t in real else [t]
            said = torch.nonzero(out[b, t])[:, 0].tolist()
            assert said == seen, f"{what}: query {t} of row {b} may look at {seen}, got {said}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "layer-bugs-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · A layer with five bugs  (difficulty 3 of 5 · 15 minutes · 12 points)
#
# Below is a whole transformer layer as one function. It runs, its shapes are right, and it holds **five bugs**, each
# one that people have shipped. A model with such a layer still writes something, which makes them hard to see. Write
# `layer`: copy the body, find all five, mend them. The true layer's activations are in `real_layer(LAYER)`: use them
# to see **where** yours leave the real ones.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `x_TD` | the residual stream that comes in | `"q_HTC"` | queries, turned |
# | `w` | dict of weights as in `real_layer`; each matrix is (out, in) | `"weights_HTS"` | attention weights, each row sums to 1 |
# | `H, K` | query heads and key-value heads | `"after_attention_TD"` | residual stream after the attention part |
# | `eps, theta` | of the norms, of the rotation | `"output_TD"` | residual stream after the layer |
#
# Query heads `0 .. H/K - 1` share key-value head 0, the next `H/K` share head 1, and so on. The attention is causal.
#
# Before you read on: which of the five parts (norms, rotation, attention, feed-forward, residual stream) would you
# break, if you wanted nobody to notice?
#
# *Stuck?* `hint("layer-bugs")`


# %% nbgrader={"grade": false, "grade_id": "layer-bugs-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def rms(x_TD: Tensor, weight_D: Tensor, eps: float) -> Tensor:
    """This one is right."""
    return weight_D * x_TD * torch.rsqrt(x_TD.square().mean(-1, keepdim=True) + eps)


def layer_with_bugs(x_TD: Tensor, w: dict[str, Tensor], H: int, K: int, eps: float, theta: float) -> dict[str, Tensor]:
    T, C = len(x_TD), len(w["q"]) // H
    h_TD = rms(x_TD, w["attention_norm"], eps)
    q_HTC = (h_TD @ w["q"].T).view(H, T, C)
    k_KTC = (h_TD @ w["k"].T).view(K, T, C)
    v_KTC = (h_TD @ w["v"].T).view(K, T, C)
    q_HTC, k_KTC = turn_halves(q_HTC, theta), turn_halves(k_KTC, theta)
    k_HTC, v_HTC = k_KTC.repeat(H // K, 1, 1), v_KTC.repeat(H // K, 1, 1)
    scores_HTS = q_HTC @ k_HTC.transpose(1, 2) / C**0.5
    weights_HTS = scores_HTS.softmax(dim=-1).tril()
    heads_TE = (weights_HTS @ v_HTC).transpose(0, 1).flatten(1)
    after_attention_TD = x_TD + heads_TE @ w["out"].T
    h_TD = rms(after_attention_TD, w["mlp_norm"], eps)
    inner_TF = (h_TD @ w["gate"].T) * F.silu(h_TD @ w["up"].T)
    output_TD = h_TD + inner_TF @ w["down"].T
    return {
        "q_HTC": q_HTC,
        "weights_HTS": weights_HTS,
        "after_attention_TD": after_attention_TD,
        "output_TD": output_TD,
    }


# %% nbgrader={"grade": false, "grade_id": "layer-bugs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def layer(x_TD: Tensor, w: dict[str, Tensor], H: int, K: int, eps: float, theta: float) -> dict[str, Tensor]:
    """One layer of a Llama model, with its activations on the way."""
    ### BEGIN SOLUTION
    T, C = len(x_TD), len(w["q"]) // H
    h_TD = rms(x_TD, w["attention_norm"], eps)
    q_HTC = (h_TD @ w["q"].T).view(T, H, C).transpose(0, 1)
    k_KTC = (h_TD @ w["k"].T).view(T, K, C).transpose(0, 1)
    v_KTC = (h_TD @ w["v"].T).view(T, K, C).transpose(0, 1)
    q_HTC, k_KTC = turn_halves(q_HTC, theta), turn_halves(k_KTC, theta)
    k_HTC, v_HTC = k_KTC.repeat_interleave(H // K, dim=0), v_KTC.repeat_interleave(H // K, dim=0)
    scores_HTS = q_HTC @ k_HTC.transpose(1, 2) / C**0.5
    later_TS = torch.ones(T, T, dtype=torch.bool).triu(1)
    weights_HTS = scores_HTS.masked_fill(later_TS, float("-inf")).softmax(dim=-1)
    heads_TE = (weights_HTS @ v_HTC).transpose(0, 1).flatten(1)
    after_attention_TD = x_TD + heads_TE @ w["out"].T
    h_TD = rms(after_attention_TD, w["mlp_norm"], eps)
    inner_TF = F.silu(h_TD @ w["gate"].T) * (h_TD @ w["up"].T)
    output_TD = after_attention_TD + inner_TF @ w["down"].T
    return {
        "q_HTC": q_HTC,
        "weights_HTS": weights_HTS,
        "after_attention_TD": after_attention_TD,
        "output_TD": output_TD,
    }
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "layer-bugs-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
real, c = real_layer(LAYER), model.config
out = layer(real["x_TD"].clone(), real, c.n_heads, c.n_kv_heads, c.norm_eps, c.rope_theta)
assert out is not None, "nothing came back: end your function with `return ...`"
missing = {"q_HTC", "weights_HTS", "after_attention_TD", "output_TD"} - set(out)
assert not missing, f"the dict lacks {sorted(missing)}"
queries = turn_halves(cut_heads(real["queries_TE"], c.head_dim), c.rope_theta)
assert same(out["q_HTC"], queries, 1e-3), (
    "the queries differ from the real ones already: how does one token's row of H*C numbers become H heads, "
    "and what does view(H, T, C) make of it?"
)
weights = out["weights_HTS"]
assert not weights.triu(1).any(), "some query puts weight on a later key: the attention is causal"
assert not same(weights.sum(-2), torch.ones(weights.shape[:2])), (
    "the columns of the attention weights sum to 1, not the rows: the softmax runs over the queries; it should run over the keys"
)
assert same(weights.sum(-1), torch.ones(weights.shape[:2])), (
    "the rows of the attention weights do not sum to 1: later keys must be gone before the softmax, not after it"
)
key_0, every_token = turn_halves(cut_heads(real["keys_TE"], c.head_dim), c.rope_theta)[0], torch.eye(weights.shape[1])
for head, message in (
    (
        0,
        "query head 0 uses key head 0; its weights sum to 1, but they are not the real ones. Are the keys cut like the "
        "queries, and turned like them? Are scores divided by sqrt(C)?",
    ),
    (1, "query head 0 is right, head 1 is not: which key-value head does query head 1 use?"),
):
    expected = F.scaled_dot_product_attention(queries[head], key_0, every_token, is_causal=True)
    assert same(weights[head], expected, 1e-3), message
assert same(out["after_attention_TD"], real["after_attention_TD"], 1e-3), (
    "queries and weights are right, the result of attention is not: are the values cut like the keys, and dealt to "
    "the query heads like them?"
)
assert not same(out["output_TD"] - out["after_attention_TD"], torch.zeros_like(out["output_TD"])), (
    "the output is the stream after attention: the feed-forward part adds nothing"
)
size, real_size = out["output_TD"].norm(), real["output_TD"].norm()
ff, normed = (
    real["output_TD"] - real["after_attention_TD"],
    rms(real["after_attention_TD"], real["mlp_norm"], c.norm_eps),
)
gated = (normed @ real["gate"].T) * F.silu(normed @ real["up"].T) @ real["down"].T
assert not same(out["output_TD"], real["after_attention_TD"] + gated, 1e-3), (
    "the stream is right, the feed-forward is not: which of its two halves is the gate?"
)
for wrong_part in (ff, gated):
    assert not same(out["output_TD"], normed + wrong_part, 1e-3), (
        "the feed-forward part is added to the normed stream; to which should it be?"
    )
assert same(out["output_TD"], real["output_TD"], 1e-3), (
    f"right up to attention; the output is not: its length is {size:.1f}, the real one's is {real_size:.1f}"
)

# %% nbgrader={"grade": true, "grade_id": "layer-bugs-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

from racecourse.models import ModelConfig, Transformer

torch.manual_seed(105)
for H, K, C, T in [(6, 2, 4, 5), (4, 4, 6, 7), (6, 3, 8, 4)]:
    config = ModelConfig("llama", vocab_size=9, d_model=12, n_layers=1, n_heads=H, n_kv_heads=K, head_dim=C, d_ff=20,
                         max_context=16, norm_eps=0.1, rope_theta=50.0)  # fmt: skip
    small = Transformer(config).requires_grad_(False)
    for parameter in small.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.5)
    block = small.layers[0]
    q, k, v = block.attention.qkv.weight.split([H * C, K * C, K * C])
    gate, up = block.mlp.gate_up.weight.chunk(2)
    w = {"attention_norm": block.attention_norm.weight, "q": q, "k": k, "v": v, "out": block.attention.out.weight,
         "mlp_norm": block.mlp_norm.weight, "gate": gate, "up": up, "down": block.mlp.down.weight}  # fmt: skip
    x = torch.randn(T, 12)
    rope = small.rotary(torch.arange(T)[None], torch.float32)
    expected = block(x[None], rope, torch.ones(1, T, T).tril().bool(), None)[0]
    out = layer(x.clone(), {name: weight.data.clone() for name, weight in w.items()}, H, K, 0.1, 50.0)
    what = f"another layer, H={H}, K={K}, C={C}, eps 0.1, theta 50"
    shapes = {"q_HTC": (H, T, C), "weights_HTS": (H, T, T), "after_attention_TD": (T, 12), "output_TD": (T, 12)}
    for name, shape in shapes.items():
        assert out[name].shape == shape, f"{what}: expected {name} of shape {shape}, got {tuple(out[name].shape)}"
    # The layer once more, head by head, for the parts on the way.
    normed = w["attention_norm"] * x / (x.square().mean(-1, keepdim=True) + 0.1).sqrt()
    angle = torch.arange(T)[:, None] * 50.0 ** (-torch.arange(0, C, 2) / C)
    parts = {}
    for name, n_heads in (("q", H), ("k", K)):
        for head in range(n_heads):
            a, b = (normed @ w[name][head * C : (head + 1) * C].T).chunk(2, dim=-1)
            turned = (a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin())
            parts[name, head] = torch.cat(turned, dim=-1)
    later, added = torch.ones(T, T).triu(1).bool(), torch.zeros(T, 12)
    for head in range(H):
        group = head // (H // K)
        assert torch.allclose(out["q_HTC"][head], parts["q", head], atol=1e-4), (
            f"{what}: q_HTC of query head {head} is not right. Does it follow H, eps and theta as they come in?"
        )
        scores = parts["q", head] @ parts["k", group].T / C**0.5
        seen = scores.masked_fill(later, float("-inf")).softmax(-1)
        assert torch.allclose(out["weights_HTS"][head], seen, atol=1e-4), (
            f"{what}: q_HTC is right up to head {head}, weights_HTS of query head {head} are not; it uses key-value head {group}"
        )
        values = normed @ w["v"][group * C : (group + 1) * C].T
        added += seen @ values @ w["out"][:, head * C : (head + 1) * C].T
    assert torch.allclose(out["after_attention_TD"], x + added, atol=1e-4), (
        f"{what}: queries and weights are right, after_attention_TD is not: the values, or the matrix `out`"
    )
    assert torch.allclose(out["output_TD"], expected, atol=1e-4), (
        f"{what}: right up to after_attention_TD, output_TD is not: the second norm, or the feed-forward part"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "mass-above-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · How much p does a token need?  (difficulty 2 of 5 · 10 minutes · 10 points)
#
# <% if MASS_OF == "before" %>
# **Top-p** sampling sorts the tokens by probability, the most likely first, and keeps them until their probabilities
# add up to `p`; the token that reaches `p` is kept as well. Turn the question round. A token is kept exactly when the
# tokens **before** it add up to less than `p`. Write `mass_above`: for every token at once, the probability that
# stands before it. Whoever has this needs no sorting any more to apply any `p`: `mass_above(...) < p` is the set.
# <% else %>
# **Top-p** sampling sorts the tokens by probability, the most likely first, and keeps them until their probabilities
# add up to `p`. In this version of the exercise it is strict: a token with which they would add up to more than `p` is
# dropped. Turn the question round. A token is kept exactly when it and the tokens before it add up to at most `p`.
# Write `mass_above`: for every token at once, the probability of all tokens **up to it, itself included**. Whoever has
# this needs no sorting any more to apply any `p`: `mass_above(...) <= p` is the set.
# <% endif %>
#
# | in | | out | |
# |---|---|---|---|
# | `logits_BV` | float | `mass_BV` | float; entry `v`: the sum of the probabilities of << "all tokens that stand before `v`" if MASS_OF == "before" else "`v` and all tokens that stand before it" >> |
# | `temperature` | number `> 0`; logits are divided by it before the softmax | | |
#
# Of two tokens that are equally likely, the one with the << TIE_FIRST >> id stands before the other.
#
# Worked example: probabilities `[0.1, 0.6, 0.3]`, temperature 1 → `<< "[0.9, 0.0, 0.6]" if MASS_OF == "before" else "[1.0, 0.6, 0.9]" >>`.
#
# Before you write: at a higher temperature, does the second most likely token need a larger `p` or a smaller one?
#
# *Stuck?* `hint("mass-above")`


# %% nbgrader={"grade": false, "grade_id": "mass-above", "locked": false, "schema_version": 3, "solution": true, "task": false}
def mass_above(logits_BV: Tensor, temperature: float) -> Tensor:
    """For every token, the summed probability of the tokens that top-p sampling takes << 'before it' if MASS_OF == 'before' else 'up to it' >>."""
    ### BEGIN SOLUTION
    probs_BV = (logits_BV / temperature).softmax(dim=-1)
    # variant: if TIE_FIRST == "smaller"
    sorted_BV, order_BV = probs_BV.sort(dim=-1, descending=True, stable=True)
    # variant: else
    sorted_BV, order_BV = (part.flip(-1) for part in probs_BV.sort(dim=-1, stable=True))
    # variant: endif
    # variant: if MASS_OF == "before"
    before_BV = sorted_BV.cumsum(dim=-1) - sorted_BV
    return torch.zeros_like(probs_BV).scatter(-1, order_BV, before_BV)
    # variant: else
    return torch.zeros_like(probs_BV).scatter(-1, order_BV, sorted_BV.cumsum(dim=-1))
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "mass-above-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
logits = torch.tensor([[0.1, 0.6, 0.3]]).log()
out = mass_above(logits.clone(), temperature=1.0)
assert out is not None, "nothing came back: end your function with `return ...`"
assert out.shape == (1, 3), f"one number per token: expected (1, 3), got {tuple(out.shape)}"
said = [round(number, 3) for number in out[0].tolist()]
# variant: if MASS_OF == "before"
assert said != [1.0, 0.6, 0.9], (
    "[1.0, 0.6, 0.9]: that counts the token's own probability too; only what stands before it counts"
)
assert said != [0.0, 0.6, 0.9], (
    "[0, 0.6, 0.9]: right numbers in sorted order; each belongs to the token that it came from"
)
assert said != [0.6, 0.9, 0.0], (
    "[0.6, 0.9, 0]: indexing with the sorting order sorts once more; scatter puts things back"
)
assert said != [0.0, 0.4, 0.1], "[0, 0.4, 0.1]: the least likely first; top-p starts with the most likely"
assert said == [0.9, 0.0, 0.6], f"worked example: expected [0.9, 0.0, 0.6], got {said}"
# variant: else
assert said != [0.9, 0.0, 0.6], (
    "[0.9, 0.0, 0.6]: you count only what stands before a token; in this version of the exercise its own probability "
    "counts, too"
)
assert said != [0.6, 0.9, 1.0], (
    "[0.6, 0.9, 1]: right numbers in sorted order; each belongs to the token that it came from"
)
assert said != [0.9, 1.0, 0.6], (
    "[0.9, 1, 0.6]: indexing with the sorting order sorts once more; scatter puts things back"
)
assert said != [0.1, 1.0, 0.4], "[0.1, 1, 0.4]: the least likely first; top-p starts with the most likely"
assert said == [1.0, 0.6, 0.9], f"worked example: expected [1.0, 0.6, 0.9], got {said}"
# variant: endif
said = [round(number, 3) for number in mass_above(torch.zeros(1, 4), temperature=1.0)[0].tolist()]
# variant: if TIE_FIRST == "smaller" and MASS_OF == "before"
assert said != [0.0, 0.0, 0.0, 0.0], "four tokens of 0.25; equally likely: the smaller id stands before the other"
assert said != [0.75, 0.5, 0.25, 0.0], "equally likely: the smaller id stands before, not the larger"
assert said == [0.0, 0.25, 0.5, 0.75], f"four tokens of 0.25: expected [0.0, 0.25, 0.5, 0.75], got {said}"
# variant: elif MASS_OF == "before"
assert said != [0.0, 0.0, 0.0, 0.0], "four tokens of 0.25; equally likely: the larger id stands before the other"
assert said != [0.0, 0.25, 0.5, 0.75], (
    "equally likely: you let the smaller id stand before; in this version of the exercise it is the larger"
)
assert said == [0.75, 0.5, 0.25, 0.0], f"four tokens of 0.25: expected [0.75, 0.5, 0.25, 0.0], got {said}"
# variant: elif TIE_FIRST == "smaller"
assert said != [1.0, 0.75, 0.5, 0.25], "equally likely: the smaller id stands before, not the larger"
assert said == [0.25, 0.5, 0.75, 1.0], f"four tokens of 0.25: expected [0.25, 0.5, 0.75, 1.0], got {said}"
# variant: else
assert said != [0.25, 0.5, 0.75, 1.0], (
    "equally likely: you let the smaller id stand before; in this version of the exercise it is the larger"
)
assert said == [1.0, 0.75, 0.5, 0.25], f"four tokens of 0.25: expected [1.0, 0.75, 0.5, 0.25], got {said}"
# variant: endif
many = mass_above(torch.zeros(1, 64), temperature=1.0)
# variant: if TIE_FIRST == "smaller" and MASS_OF == "before"
assert same(many[0], torch.arange(64) / 64), (
    "64 equally likely tokens are out of order: a sort keeps equals in the order of their ids only if it is stable"
)
# variant: else
ranks = torch.arange(64) if TIE_FIRST == "smaller" else torch.arange(64).flip(0)
assert same(many[0], (ranks if MASS_OF == "before" else ranks + 1) / 64), (
    "64 equally likely tokens are out of order: a sort keeps equals in the order of their ids only if it is stable"
)
# variant: endif
hot = mass_above(torch.tensor([[0.0, 2.0, 4.0], [4.0, 2.0, 0.0]]), temperature=2.0)
# variant: if MASS_OF == "before"
expected = torch.tensor([0.0, 1.0, 2.0]).softmax(-1)
assert not same(hot[0, 1], torch.tensor([0.0, 4.0, 8.0]).softmax(-1)[2]), (
    "the logits are divided by the temperature, not multiplied"
)
cold = torch.tensor([0.0, 2.0, 4.0]).softmax(-1)
assert not same(hot[0, 1], cold[2]), "temperature 2 changed nothing: divide the logits by it"
assert not same(hot[0, 1], cold[2] / 2), "the probabilities are divided by the temperature; it is the logits, before the softmax"
assert not same(hot[:, 1], torch.zeros(2)) and same(hot[0, 1], expected[2]), (
    f"temperature 2, logits [0, 2, 4]: expected {expected[2]:.4f} before token 1, got {hot[0, 1]:.4f}"
)
# variant: else
expected = 1 - torch.tensor([0.0, 1.0, 2.0]).softmax(-1)[0]
assert not same(hot[0, 1], 1 - torch.tensor([0.0, 4.0, 8.0]).softmax(-1)[0]), (
    "the logits are divided by the temperature, not multiplied"
)
cold = torch.tensor([0.0, 2.0, 4.0]).softmax(-1)
assert not same(hot[0, 1], 1 - cold[0]), "temperature 2 changed nothing: divide the logits by it"
assert not same(hot[0, 1], (1 - cold[0]) / 2), (
    "the probabilities are divided by the temperature; it is the logits, before the softmax"
)
assert same(hot[0, 1], expected), (
    f"temperature 2, logits [0, 2, 4]: expected {expected:.4f} up to token 1, got {hot[0, 1]:.4f}"
)
# variant: endif
assert same(hot[1], hot[0].flip(0)), "row 1 is row 0 reversed; each row is sorted and summed by itself"
logits = real_layer(LAYER)["logits_TV"][-3:]
mass, probs = mass_above(logits.clone(), temperature=1.0), logits.softmax(-1)
# variant: if MASS_OF == "before"
for p in (0.3, 0.9):
    kept = mass < p
    total, least = (probs * kept).sum(-1), probs.masked_fill(~kept, 2.0).amin(-1)
    assert (total >= p - 1e-3).all(), (
        f"SmolLM2's next token: the tokens kept at p={p} add up to {total.tolist()}, too little"
    )
    assert (total - least < p + 1e-3).all(), f"SmolLM2's next token: at p={p} the set is larger than it needs to be"
# variant: else
for p in (0.3, 0.9):
    kept = mass <= p
    total, following = (probs * kept).sum(-1), probs.masked_fill(kept, 0.0).amax(-1)
    assert (total <= p + 1e-3).all(), (
        f"SmolLM2's next token: the tokens kept at p={p} add up to {total.tolist()}, too much"
    )
    assert (total + following > p - 1e-3).all(), f"SmolLM2's next token: at p={p} one more token has room in the set"
# variant: endif

# %% nbgrader={"grade": true, "grade_id": "mass-above-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

out = mass_above(torch.zeros(2, 4), temperature=1.0)
four = [0.0, 0.25, 0.5, 0.75] if TIE_FIRST == "smaller" else [0.75, 0.5, 0.25, 0.0]
own = 0 if MASS_OF == "before" else 1
assert torch.allclose(out, torch.tensor([four] * 2) + own * 0.25, atol=1e-6), (
    f"equal probabilities: by id, got {out.tolist()}"
)
torch.manual_seed(106)
for B, V, temperature in [(3, 7, 0.7), (1, 50, 1.5), (4, 20, 1.0)]:
    logits = torch.randn(B, V)
    logits[:, V // 2] = logits[:, 1]
    probs = (logits.double() / temperature).softmax(-1)
    out = mass_above(logits.clone(), temperature)
    assert out.shape == (B, V), f"expected shape {(B, V)}, got {tuple(out.shape)}"
    for b in range(B):
        for v in range(V):
            first = range(v) if TIE_FIRST == "smaller" else range(v + 1, V)
            before = [u for u in range(V) if logits[b, u] > logits[b, v] or (logits[b, u] == logits[b, v] and u in first)]
            expected, said = (probs[b, before].sum() + own * probs[b, v]).item(), out[b, v].item()
            cold = logits[b].double().softmax(-1)
            same_as_cold = temperature != 1 and abs(said - (cold[before].sum() + own * cold[v]).item()) < 1e-5
            assert abs(said - expected) < 1e-5, (
                f"B={B}, V={V}, temperature {temperature}: row {b}, token {v}: expected {expected:.4f} "
                f"{'before it' if own == 0 else 'up to it'}, got {said:.4f}"
                f"{', which is the number at temperature 1' if same_as_cold else ''}"
            )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "ring-write-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · A cache that goes round  (difficulty 4 of 5 · 18 minutes · 13 points)
#
# With a sliding window (exercise 4) only the last `W` keys are ever looked at, so a cache of `W` slots is enough,
# however long the text. Moving everything one place for each new token would be slow. A **ring** moves nothing: the
# token at position `p` goes into slot `<< "p % W" if ROUND == "up" and FIRST_SLOT == 0 else "(%d %s p) %% W" % (FIRST_SLOT, "+" if ROUND == "up" else "-") >>`, over the one that has left the window. Write `ring_write`, which
# stores the keys of new tokens. (Values are stored by a second call.)
#
# | in | | out | |
# |---|---|---|---|
# | `ring_KWC` | float: `W` slots, as the last call left them (at first: zeros) | `ring_KWC` | a **new** tensor; the one that came in is unchanged |
# | `n_seen` | int: tokens written by earlier calls | `positions_W` | int64: which token's key is now in each slot; `-1` for an empty slot |
# | `new_KTC` | float: keys of tokens `n_seen` to `n_seen + T - 1`; `T` may exceed `W` | | |
#
# Worked example: `K = C = 1`, `W = 4`, the key of position `p` is `10 p`. Positions 0, 1, 2 into an empty ring → ring
# <% if ROUND == "up" and FIRST_SLOT == 0 %>
# `[0, 10, 20, 0]`, positions `[0, 1, 2, -1]`. Then positions 3 and 4, with `n_seen = 3` → ring `[40, 10, 20, 30]`,
# positions `[4, 1, 2, 3]`.
# <% else %>
# <% set turn = 1 if ROUND == "up" else -1 %>
# <% set keys, first, then = [], [], [] %>
# <% for slot in range(4) %>
# <% set p = ((slot - FIRST_SLOT) * turn) % 4 %>
# <% set _ = keys.append(10 * p if p < 3 else 0) %>
# <% set _ = first.append(p if p < 3 else -1) %>
# <% set _ = then.append(p if p > 0 else 4) %>
# <% endfor %>
# `<< keys >>`, positions `<< first >>`: position 0 goes into slot << FIRST_SLOT >>. Then positions 3 and 4, with `n_seen = 3` → ring `[<< then | join("0, ") >>0]`, positions
# `<< then >>`.
# <% endif %>
#
# Before you write: now the slots are out of order. Must they be sorted before a query looks at them? (The keys were
# turned before they were stored.)
#
# *Stuck?* `hint("ring-write")`


# %% nbgrader={"grade": false, "grade_id": "ring-write", "locked": false, "schema_version": 3, "solution": true, "task": false}
def ring_write(ring_KWC: Tensor, n_seen: int, new_KTC: Tensor) -> tuple[Tensor, Tensor]:
    """Store new keys in the slots of their positions modulo W; say which position each slot holds."""
    ### BEGIN SOLUTION
    W, T = ring_KWC.shape[1], new_KTC.shape[1]
    end = n_seen + T
    fresh = torch.arange(max(n_seen, end - W), end)  # of a long piece, only what stays in the window
    ring_KWC = ring_KWC.clone()
    # variant: if ROUND == "up" and FIRST_SLOT == 0
    ring_KWC[:, fresh % W] = new_KTC[:, fresh - n_seen]
    # variant: elif ROUND == "up"
    ring_KWC[:, (FIRST_SLOT + fresh) % W] = new_KTC[:, fresh - n_seen]
    # variant: else
    ring_KWC[:, (FIRST_SLOT - fresh) % W] = new_KTC[:, fresh - n_seen]
    # variant: endif
    held = torch.arange(max(0, end - W), end)
    positions_W = torch.full((W,), -1)
    # variant: if ROUND == "up" and FIRST_SLOT == 0
    positions_W[held % W] = held
    # variant: elif ROUND == "up"
    positions_W[(FIRST_SLOT + held) % W] = held
    # variant: else
    positions_W[(FIRST_SLOT - held) % W] = held
    # variant: endif
    return ring_KWC, positions_W
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "ring-write-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def keys(*positions: int) -> Tensor:
    return torch.tensor([[[10.0 * p] for p in positions]])


empty = torch.zeros(1, 4, 1)
out = ring_write(empty, 0, keys(0, 1, 2))
assert isinstance(out, tuple) and len(out) == 2, f"two tensors are wanted, ring and positions; got {type(out).__name__}"
ring, positions = out
assert not empty.any(), "the ring that came in was changed: clone it and write into the clone"
assert ring.shape == (1, 4, 1), f"the ring keeps its shape (1, 4, 1), got {tuple(ring.shape)}"
# variant: if ROUND == "up" and FIRST_SLOT == 0
assert ring[0, :, 0].tolist() == [0, 10, 20, 0], f"first write: expected [0, 10, 20, 0], got {ring[0, :, 0].tolist()}"
assert positions.shape == (4,), f"positions: one per slot, expected shape (4,), got {tuple(positions.shape)}"
assert positions[3] != 0 and positions[3] != 3, "slot 3 is empty: its position is -1"
assert positions.tolist() == [0, 1, 2, -1], f"first write: expected positions [0, 1, 2, -1], got {positions.tolist()}"
positions = ring_write(torch.zeros(1, 5, 1), 0, keys(0, 1))[1].tolist()
assert min(positions) >= -1, f"2 tokens into 5 slots: positions {positions}; every empty slot has -1, not a number below it"
assert positions == [0, 1, -1, -1, -1], f"2 tokens into 5 slots: expected positions [0, 1, -1, -1, -1], got {positions}"
ring, positions = ring_write(torch.tensor([[[0.0], [10.0], [20.0], [0.0]]]), 3, keys(3, 4))
said = ring[0, :, 0].tolist()
assert said != [30, 40, 20, 0], "the second write began at slot 0; position 3 belongs to slot 3 % 4"
assert said != [10, 20, 30, 40], "that moves every key one place; in a ring nothing moves, position 4 goes to slot 0"
assert said != [0, 10, 20, 30], "position 4 was lost: after the last slot comes slot 0 again"
assert said == [40, 10, 20, 30], f"second write: expected [40, 10, 20, 30], got {said}"
assert positions.tolist() != [4, -1, -1, 3], "slots 1 and 2 still hold positions 1 and 2, from the earlier call"
assert positions.tolist() == [4, 1, 2, 3], f"second write: expected positions [4, 1, 2, 3], got {positions.tolist()}"
ring, positions = ring_write(torch.zeros(1, 4, 1), 0, keys(0, 1, 2, 3, 4, 5))
said = ring[0, :, 0].tolist()
assert said != [0, 10, 20, 30], "6 tokens into 4 slots: the last four stay, not the first four"
assert said != [20, 30, 40, 50], "6 tokens into 4 slots: the last four stay, but position 2 belongs to slot 2"
assert said == [40, 50, 20, 30], f"6 tokens into 4 slots: expected [40, 50, 20, 30], got {said}"
assert positions.tolist() == [4, 5, 2, 3], (
    f"6 tokens into 4 slots: expected positions [4, 5, 2, 3], got {positions.tolist()}"
)
# variant: else
there = [(FIRST_SLOT + p if ROUND == "up" else FIRST_SLOT - p) % 4 for p in range(4)]  # slots of positions 0 to 3


def laid(*by_position: int) -> list[int]:
    return [by_position[there.index(slot)] for slot in range(4)]


said, expected = ring[0, :, 0].tolist(), laid(0, 10, 20, 0)
where = "in this version of the exercise it is slot << '(%d %s p) %% W' % (FIRST_SLOT, '+' if ROUND == 'up' else '-') >>"
assert said != [0, 10, 20, 0], f"first write: you put position p into slot p % W; {where}"
assert said == expected, f"first write: expected {expected}, got {said}"
assert positions.shape == (4,), f"positions: one per slot, expected shape (4,), got {tuple(positions.shape)}"
assert positions.tolist() != [0, 1, 2, -1], f"first write: the positions are those of slot p % W; {where}"
assert positions[there[3]] not in (0, 3), f"slot {there[3]} is empty: its position is -1"
expected = laid(0, 1, 2, -1)
assert positions.tolist() == expected, f"first write: expected positions {expected}, got {positions.tolist()}"
positions, expected = ring_write(torch.zeros(1, 5, 1), 0, keys(0, 1))[1].tolist(), [-1] * 5
for p in (0, 1):
    expected[(FIRST_SLOT + p if ROUND == "up" else FIRST_SLOT - p) % 5] = p
assert min(positions) >= -1, f"2 tokens into 5 slots: positions {positions}; every empty slot has -1, not a number below it"
assert positions == expected, f"2 tokens into 5 slots: expected positions {expected}, got {positions}"
ring, positions = ring_write(torch.tensor(laid(0, 10, 20, 0)).float().view(1, 4, 1), 3, keys(3, 4))
said, expected = ring[0, :, 0].tolist(), laid(40, 10, 20, 30)
assert said != laid(30, 40, 20, 0), f"the second write began where position 0 lies; position 3 belongs to slot {there[3]}"
assert said != laid(0, 10, 20, 30), f"position 4 was lost: the ring goes round, and it belongs to slot {there[0]}"
assert said == expected, f"second write: expected {expected}, got {said}"
there_now = positions.tolist()
assert there_now != laid(4, -1, -1, 3), "positions 1 and 2 are still in their slots, from the earlier call"
assert there_now == laid(4, 1, 2, 3), f"second write: expected positions {laid(4, 1, 2, 3)}, got {there_now}"
ring, positions = ring_write(torch.zeros(1, 4, 1), 0, keys(0, 1, 2, 3, 4, 5))
said, expected = ring[0, :, 0].tolist(), laid(40, 50, 20, 30)
assert said != laid(0, 10, 20, 30), "6 tokens into 4 slots: the last four stay, not the first four"
assert said == expected or said != [20, 30, 40, 50], f"6 tokens into 4 slots: the last four stay, but position 2 belongs to slot {there[2]}"
assert said == expected, f"6 tokens into 4 slots: expected {expected}, got {said}"
expected = laid(4, 5, 2, 3)
assert positions.tolist() == expected, f"6 tokens into 4 slots: expected positions {expected}, got {positions.tolist()}"
# variant: endif
real, C, W = real_layer(LAYER), model.config.head_dim, 6
k_KTC, v_KTC = cut_heads(real["keys_TE"], C), cut_heads(real["values_TE"], C)
query, T = real["queries_TE"][-1:, :C], k_KTC.shape[1]
ring_k, ring_v = torch.zeros_like(k_KTC[:, :W]), torch.zeros_like(v_KTC[:, :W])
for first, end in [(0, T - 4), (T - 4, T - 1), (T - 1, T)]:
    ring_k, _ = ring_write(ring_k, first, k_KTC[:, first:end])
    ring_v, _ = ring_write(ring_v, first, v_KTC[:, first:end])
window = F.scaled_dot_product_attention(query, k_KTC[0, -W:], v_KTC[0, -W:])
ours = F.scaled_dot_product_attention(query, ring_k[0], ring_v[0])
assert same(ours, window), (
    "the real layer's last query sees something else in the ring than in the last 6 keys and values"
)

# %% nbgrader={"grade": true, "grade_id": "ring-write-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(107)
for K, W, C, pieces in [(2, 5, 3, [1] * 12), (3, 4, 2, [9, 1, 3, 4]), (1, 7, 2, [3, 2, 4, 7, 15]), (2, 3, 1, [5, 6])]:
    keys = torch.randn(K, sum(pieces), C)
    ring, n_seen = torch.zeros(K, W, C), 0
    for T in pieces:
        before = ring.clone()
        new, positions = ring_write(ring, n_seen, keys[:, n_seen : n_seen + T].clone())
        what = f"W={W}, {n_seen} tokens seen, {T} new"
        assert torch.equal(ring, before), f"{what}: the ring that came in was changed"
        ring, n_seen = new, n_seen + T
        expected = [-1] * W
        for p in range(n_seen):
            expected[(FIRST_SLOT + p if ROUND == "up" else FIRST_SLOT - p) % W] = p
        assert positions.tolist() == expected, f"{what}: expected positions {expected}, got {positions.tolist()}"
        assert positions.dtype == torch.int64, f"positions are int64, got {positions.dtype}"
        for slot, p in enumerate(expected):
            key, held = keys[:, p] if p >= 0 else torch.zeros(K, C), "none of the keys"
            for q in range(n_seen):
                held = f"that of position {q}" if torch.equal(ring[:, slot], keys[:, q]) else held
            if torch.equal(ring[0, slot], key[0]):
                held = "it in head 0, but not in the other heads"
            long = f" Where does a write of more than {W} tokens begin, after others?" if T > W and n_seen > T else ""
            assert torch.equal(ring[:, slot], key), (
                f"{what}: slot {slot} should hold {f'the key of position {p}' if p >= 0 else 'zeros'}, it holds {held}.{long}"
            )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "absorb-block-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · Attention in one pass  (difficulty 5 of 5 · 25 minutes · 13 points)
#
# A softmax needs its denominator, the sum over **all** keys, before the first weight is known. FlashAttention
# computes the same attention without ever holding all scores: it takes keys and values block by block and keeps three
# small tensors as its **state**. For each query: the largest score so far `m`, the sum of `exp(score - m)` so far,
# and the sum of `exp(score - m) * value` so far. The attention over everything seen is then the last divided by the
# second. Write `absorb_block`: the state after one more block.
#
# | in | | out | |
# |---|---|---|---|
# | `state` | `(max_T, sum_T, acc_TC)`; at first `(-inf, 0, 0)` everywhere | state | the same three, after the block |
# | `q_TC` | queries; a score is `q · k / sqrt(C)` | | |
# | `k_NC, v_NC` | keys and values of the block, `N >= 1` | | |
# | `mask_TN` | bool, True where query `t` may look at key `n` of the block | | |
#
# The three that come back are **new** tensors; `state` is not changed. A query that may look at nothing in a block keeps
# its state, **also when it has seen nothing before**: then its maximum stays `-inf` and its sums stay 0. No NaN may
# appear, and scores may be in the thousands.
#
# Worked example: one query `[1]`, two blocks of one key each. Key 0 with value 10: score 0, state `(0, 1, 10)`. Then
# key `ln 3` with value 2: the maximum rises to `ln 3`, so what was summed shrinks by `exp(0 - ln 3) = 1/3`: sum
# `1/3 + 1 = 4/3`, acc `10/3 + 2 = 16/3`. The attention is `16/3 / (4/3) = 4`. Check: the weights are 1/4 and 3/4, and
# `10/4 + 6/4 = 4`.
#
# Before you write: if the two blocks come in the other order, which of the three numbers at the end differ?
#
# *Stuck?* `hint("absorb-block")`


# %% nbgrader={"grade": false, "grade_id": "absorb-block", "locked": false, "schema_version": 3, "solution": true, "task": false}
def absorb_block(
    state: tuple[Tensor, Tensor, Tensor], q_TC: Tensor, k_NC: Tensor, v_NC: Tensor, mask_TN: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Running maximum, sum of exponentials and weighted sum of values, after one more block of keys."""
    ### BEGIN SOLUTION
    max_T, sum_T, acc_TC = state
    scores_TN = (q_TC @ k_NC.T * q_TC.shape[1] ** -0.5).masked_fill(~mask_TN, float("-inf"))
    new_max_T = torch.maximum(max_T, scores_TN.amax(dim=-1))
    finite_T = new_max_T.masked_fill(new_max_T.isinf(), 0.0)  # -inf minus -inf would be NaN
    shrink_T = (max_T - finite_T).exp()
    weights_TN = (scores_TN - finite_T[:, None]).exp()
    return new_max_T, sum_T * shrink_T + weights_TN.sum(-1), acc_TC * shrink_T[:, None] + weights_TN @ v_NC
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "absorb-block-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
def fresh(T: int, C: int) -> tuple[Tensor, Tensor, Tensor]:
    return torch.full((T,), float("-inf")), torch.zeros(T), torch.zeros(T, C)


def numbers(state: tuple[Tensor, Tensor, Tensor]) -> list[float]:
    return [round(part.item(), 4) for part in state]


one, yes, low, high = torch.ones(1, 1), torch.ones(1, 1).bool(), torch.zeros(1, 1), torch.ones(1, 1) * 3.0
high_key = high.log()
begin = fresh(1, 1)
out = absorb_block(begin, one, low, one * 10, yes)
assert isinstance(out, tuple) and len(out) == 3, f"three tensors are wanted, max, sum and acc; got {type(out).__name__}"
assert all(torch.equal(part, was) for part, was in zip(begin, fresh(1, 1), strict=True)), (
    "the state that came in was changed: compute new tensors, write nothing into the old ones"
)
shapes = [tuple(part.shape) for part in out]
assert shapes == [(1,), (1,), (1, 1)], f"shapes of max, sum and acc: expected [(1,), (1,), (1, 1)], got {shapes}"
assert not any(part.isnan().any() for part in out), (
    "NaN in the very first block: -inf minus -inf? Only the old maximum may be -inf. Or exp(+inf) * 0? The factor is "
    "exp(old - new)"
)
assert numbers(out) == [0, 1, 10], f"first block: expected max 0, sum 1, acc 10, got {numbers(out)}"
out = absorb_block((torch.zeros(1), torch.ones(1), one * 10), one, high_key, one * 2, yes)
m, total, acc = numbers(out)
assert total != 2, "the maximum rose to ln 3, but the old sums were not made smaller: multiply them by exp(old - new)"
assert total != 4, "4: the old sum grew; the factor is exp(old maximum - new maximum), which is at most 1"
assert acc != 12, "the old sum was made smaller, acc was not"
assert acc != 4, "acc is already divided by the sum; keep it undivided, or the next block cannot be added"
assert [m, total, acc] == [1.0986, 1.3333, 5.3333], (
    f"second block: expected [1.0986, 1.3333, 5.3333], got {[m, total, acc]}"
)
out = absorb_block((high_key[0], torch.ones(1), one * 2), one, low, one * 10, yes)
m, total, acc = numbers(out)
assert m != 0, "the maximum fell to 0, that of the block; it is the largest of everything seen so far"
assert [m, total, acc] == [1.0986, 1.3333, 5.3333], (
    f"blocks in the other order: expected the same numbers, got {[m, total, acc]}"
)
out = absorb_block(fresh(1, 4), torch.ones(1, 4), torch.ones(1, 4), torch.ones(1, 4), yes)
assert out[0].item() != 4, "a score of 4: it is q · k divided by sqrt(C), here by 2"
assert out[0].item() == 2, f"C=4, q and k all ones: expected the score 2, got {out[0].item()}"
two = torch.tensor([[1.0], [3.0]])
out = absorb_block(fresh(2, 1), two, torch.tensor([[0.0], [1.0], [-1.0]]), torch.ones(3, 1), torch.ones(2, 3).bool())
shapes = [tuple(part.shape) for part in out]
assert shapes == [(2,), (2,), (2, 1)], f"two queries, three keys: expected shapes [(2,), (2,), (2, 1)], got {shapes}"
assert out[0].tolist() != [3, 3], "two queries with scores up to 1 and up to 3: both have the maximum 3; each keeps its own"
assert same(out[0], two[:, 0]), f"two queries with scores up to 1 and up to 3: expected max [1, 3], got {out[0].tolist()}"
out = absorb_block(fresh(1, 1), one, one * 5000, one * 7, yes)
assert out[1].isfinite().all() and numbers(out) == [5000, 1, 7], (
    f"a score of 5000: expected [5000, 1, 7], got {numbers(out)}; subtract first"
)
out = absorb_block((torch.zeros(1), torch.ones(1), one * 10), one, high_key, one * 2, ~yes)
assert numbers(out) == [0, 1, 10], f"the query may not look at this block: expected [0, 1, 10], got {numbers(out)}"
out = absorb_block(fresh(1, 1), one, high_key, one * 2, ~yes)
assert not any(part.isnan().any() for part in out), "NaN where a query has seen nothing yet: what is -inf minus -inf?"
assert numbers(out) == [float("-inf"), 0, 0], f"nothing seen yet: expected [-inf, 0, 0], got {numbers(out)}"
real, C = real_layer(LAYER), model.config.head_dim
q, k, v = (real[name][:, :C] for name in ("queries_TE", "keys_TE", "values_TE"))
causal, state = torch.ones(len(q), len(q)).tril().bool(), fresh(len(q), C)
for first in (0, 5, 10):
    end = first + 5 if first < 10 else len(q)
    state = absorb_block(state, q, k[first:end], v[first:end], causal[:, first:end])
expected = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
assert same(state[2] / state[1][:, None], expected, 1e-3), (
    "the real layer's attention in three blocks differs from that in one"
)

# %% nbgrader={"grade": true, "grade_id": "absorb-block-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(108)
for T, S, C, size, scale in [(6, 12, 4, 5, 1.0), (3, 9, 16, 2, 40.0), (5, 5, 2, 1, 3.0), (2, 7, 3, 7, 900.0)]:
    q, k, v, mask = torch.randn(T, C) * scale, torch.randn(S, C), torch.randn(S, C), torch.rand(T, S) > 0.4
    mask[0, : S - 1], mask[0, S - 1] = False, True
    state = (torch.full((T,), float("-inf")), torch.zeros(T), torch.zeros(T, C))
    for first in range(0, S, size):
        some = slice(first, first + size)
        state = absorb_block(tuple(part.clone() for part in state), q, k[some], v[some], mask[:, some])
    what = f"T={T}, {S} keys in blocks of {size}, C={C}"
    scores = (q.double() @ k.double().T / C**0.5).masked_fill(~mask, float("-inf"))
    seen = mask.any(1)
    assert [tuple(part.shape) for part in state] == [(T,), (T,), (T, C)], f"{what}: the state's shapes changed"
    assert not any(part.isnan().any() for part in state), f"{what}: NaN in the state"
    best = scores.amax(1)
    for t in range(T):
        said = state[0][t].double()
        foreign = any(torch.isclose(said, best[u], rtol=1e-4, atol=1e-4) for u in range(T) if u != t)
        assert torch.isclose(said, best[t], rtol=1e-4, atol=1e-4), (
            f"{what}: the maximum of query {t} is {said:.4g}, expected {best[t]:.4g}"
            f"{'; that is the largest score of another query, each keeps its own' if foreign else ''}"
        )
    for t in seen.nonzero()[:, 0].tolist():
        expected, attention = scores[t].softmax(-1) @ v.double(), (state[2][t] / state[1][t]).double()
        right, said = ([round(number, 3) for number in vector.tolist()] for vector in (expected, attention))
        assert torch.allclose(attention, expected, rtol=1e-3, atol=1e-3), (
            f"{what}: query {t}: acc / sum is {said}, its attention over all blocks {right}"
        )
        total = (scores[t] - best[t]).exp().sum()
        assert torch.isclose(state[1][t].double(), total, rtol=1e-3), (
            f"{what}: query {t}: the sum is {state[1][t]:.4g}, expected {total:.4g}; acc / sum is right, so acc is off by as much"
        )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "table-heads-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Now put your count to work. The next cell earns nothing. It prints what QwQ-32B would be with other numbers of
# key-value heads, all else equal: its parameters<< "" if TOTAL_OF == "all" else " (embedding and head left out, as in exercise 2)" >>, and its cache for one long chain of thought at << 2 if CACHED_IN == "numbers" else 4 >> bytes per number.

# %% nbgrader={"grade": false, "grade_id": "table-heads", "locked": true, "schema_version": 3, "solution": false, "task": false}
QWQ = {
    "V": 152064,
    "D": 5120,
    "L": 64,
    "H": 40,
    "K": 8,
    "C": 128,
    "F": 27648,
    "tied": False,
    "qkv_bias": True,
    "qk_norm": False,
}
for K in (40, 8, 1):
    parts = count_parts({**QWQ, "K": K})
    # variant: if CACHED_IN == "numbers"
    n_bytes = CONTEXT * parts["cached"] * 2
    # variant: else
    n_bytes = CONTEXT * parts["cached"]
    # variant: endif
    print(f"K = {K:2}: {parts['total'] / 1e9:6.2f} billion parameters; ", end="")
    print(f"cache of {CONTEXT:,} tokens: {n_bytes / 2**30:5.2f} GiB ({n_bytes / 1e9:5.2f} GB)")

# %% [markdown] nbgrader={"grade": false, "grade_id": "transformers-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 9 · In your own words  (difficulty 2 of 5 · 8 minutes · 12 points)
#
# QwQ-32B has 40 query heads that share 8 key-value heads. Take the table above. In four to six sentences: what does
# going from 40 to 8 save, and at what point does that begin to matter (think of many users at once, or of one long
# chain of thought)? Why might its makers not have gone on to 1? Say what this table **cannot** tell you, and how you
# would find it out. Your instructor reads this one; the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "transformers-question", "locked": false, "points": 12, "schema_version": 3, "solution": true, "task": false}
# <% set gib = CONTEXT / 4096 * (1 if CACHED_IN == "numbers" else 2) %>
# <% set billion = 0 if TOTAL_OF == "all" else 1.55713536 %>
# From 40 to 8 key-value heads the cache of << "{:,}".format(CONTEXT) >> tokens falls from << "{:g} to {:g} GiB ({:.2f} to {:.2f} GB)".format(5 * gib, gib, 5 * gib * 1.073741824, gib * 1.073741824) >>, a fifth, while the
# parameters fall only from << "{:.2f} to {:.2f}".format(35.4487552 - billion, 32.763876352 - billion) >> billion<< "" if TOTAL_OF == "all" else " (embedding and head, 1.56 billion, left out)" >>. Per user the weights are shared and the cache is not: with ten
# such users the caches take << "{:g} GiB instead of {:g}".format(10 * gib, 50 * gib) >>, << "more than" if 10 * gib > 61 else "beside" >> the 61 GiB (65.5 GB) of the weights in 2 bytes. It also
# matters for speed, because each new token reads the whole cache. One head would save << "{:g}".format(gib * 7 / 8) >> more GiB per user, but then all 40 query heads
# look at the same keys, and the model can tell fewer things apart; also one head cannot be divided among the 8 chips
# of a server. How much quality is lost is not in the table: one would train, or convert and train on, the same model
# with K = 40, 8 and 1 on the same data and compare the loss and long-context tasks.
#
# === BEGIN MARK SCHEME ===
# 4 points: the saving from 40 to 8, with the cache's two sizes from the table, and that the parameters change little.
# 3 points: when it matters: the cache grows with users and tokens, not the weights; or each new token reads all of it.
# 2 points: a reason against 1: fewer different things to look at, or one head cannot be divided over several chips.
# 3 points: says that quality is not in the table, and names an experiment that changes K and nothing else.
# === END MARK SCHEME ===
