# %% [markdown] nbgrader={"grade": false, "grade_id": "moe-title", "locked": true, "schema_version": 3, "solution": false, "task": false}
# # 03 · Mixture of experts: the choices that the lesson left out
#
# Eight functions and one question in words, 100 points, a little over two hours. None of them is a function that the lesson
# prints: each is a sibling. You will compare the routers of four published models, turn a dense layer into
# experts without a loss, throw tokens away as Google's first models did, mend an expert layer with five bugs, count DeepSeek-V3
# to the last parameter, and find out when a mixture of experts stops being cheap. Nothing is trained; every cell takes
# a moment.
#
# `hint("gates")` prints one hint for the exercise with that name, the next call prints the next. The name is the one in
# the line *Stuck?* of each exercise. `racecourse check 03_mixture_of_experts` says what your work earns so far.
#
# **Words.** An *expert* is a small feed-forward part of its own; a layer has many of them. The *router* gives each token
# one number per expert, the *logits*, and turns them into *scores*. Each token is worked on by `k` experts; the layer's
# output is the sum of their results, each multiplied by its *weight*. One token's wish for one expert is a *slot*: `N`
# tokens have `N * k` slots. An expert's *load* is how many slots it gets. Attention, grouped heads, rotary positions and the
# residual stream are those of lesson 01; the latent is lesson 03's.
#
# **Letters for shapes**, used throughout: `N` tokens, or `B` sequences of `T` tokens; `D` width of the residual stream;
# `E` experts; `k` experts per token; `F` width inside one expert; `H` attention heads; `C` channels per head; `L`
# layers; `V` size of the vocabulary. What else an exercise needs, such as `S` or `P`, its own table says. A tensor's name ends in its shape: `logits_NE` has one row of `E` numbers per token.

# %% nbgrader={"grade": false, "grade_id": "moe-imports", "locked": true, "schema_version": 3, "solution": false, "task": false}
import functools
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from racecourse.learn.hints import hint

# %% tags=["parameters"] nbgrader={"grade": false, "grade_id": "moe-parameters", "locked": true, "schema_version": 3, "solution": false, "task": false}
ROUTE_FACTOR = 1  # by which the router's weights are multiplied in DeepSeek's style; one of: 1, 1.5, 2, 2.5
ARRIVAL = "choices"  # who comes first when boxes are filled; one of: "choices", "tokens"
ROUNDING = "up"  # of a box's capacity; one of: "up", "down"
ROUTER_BIAS = 0  # numbers that a router keeps for each expert beside its vector; one of: 0, 1
EMBEDDING = "all"  # how much of the embedding works on a token; one of: "all", "row", "none"
STEP_TOKENS = 1  # tokens that one step makes for each user; one of: 1, 2, 3, 4
SEED = 3  # of the random weights and tokens that some checks use; one of: range(1, 1000)

# %% [markdown] nbgrader={"grade": false, "grade_id": "moe-given-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell defines what the checks use: a comparison up to rounding, a random layer of experts, and a meter for the
# largest tensor that a piece of code makes. Read it; nothing in it is graded.


# %% nbgrader={"grade": false, "grade_id": "moe-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def same(a: Tensor, b: Tensor, tolerance: float = 1e-4) -> bool:
    """Equal shapes, and equal numbers up to rounding. NaN equals nothing."""
    return a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=tolerance, atol=tolerance)


def random_experts(n_experts: int, d_model: int, d_expert: int) -> dict[str, Tensor]:
    """The matrices of all experts, each (out, in): gate and up (E, F, D), down (E, D, F)."""
    torch.manual_seed(SEED)
    inner, outer = (n_experts, d_expert, d_model), (n_experts, d_model, d_expert)
    return {"gate_EFD": torch.randn(inner), "up_EFD": torch.randn(inner), "down_EDF": torch.randn(outer)}


class Meter(TorchDispatchMode):
    """Notes how many numbers the largest tensor holds that is made while the meter is open."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor):  # the storage: a view needs no memory of its own
                self.largest = max(self.largest, tensor.untyped_storage().nbytes() // tensor.element_size())
        return result


def metered(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The same function; `function.largest` is then what a `Meter` noted during its last call."""

    @functools.wraps(function)
    def measured(*args, **kwargs):
        with Meter() as meter:
            result = function(*args, **kwargs)
        measured.largest = meter.largest
        return result

    return measured


example_gates = random_experts(n_experts=4, d_model=6, d_expert=5)["gate_EFD"]
with Meter() as example_meter:
    example_gates.sum(dim=-1)
print(f"the gates of 4 experts: {tuple(example_gates.shape)}; their row sums are {example_meter.largest} numbers")

# %% [markdown] nbgrader={"grade": false, "grade_id": "gates-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 1 · Four routers  (difficulty 2 of 5 · 15 minutes · 10 points)
#
# From `E` logits to `k` weights there is more than one way, and published models differ. Write `gates`, which knows
# four of them and returns the weights as a full table: one column per expert, **0 for every expert that is not chosen**.
#
# | `style` | rule |
# |---|---|
# | `"olmoe"` | softmax over all `E` logits; the `k` largest stay as they are |
# | `"qwen3"` | the same, then a token's `k` weights are divided by their sum |
# | `"mixtral"` | the `k` largest **logits** are picked first; softmax over these `k` alone |
# <% if ROUTE_FACTOR == 1 %>
# | `"deepseek"` | the scores are `sigmoid(logits)`, which is `1 / (1 + exp(-logits))`; the `k` largest, divided by their sum |
#
# (DeepSeek-V3 adds a selection bias, groups and a factor 2.5, which the lesson has and this exercise leaves out.)
# <% else %>
# | `"deepseek"` | the scores are `sigmoid(logits)`, which is `1 / (1 + exp(-logits))`; the `k` largest, divided by their sum, then **multiplied by << ROUTE_FACTOR >>** |
#
# (DeepSeek-V3's own factor is 2.5. It adds a selection bias and groups too, which this exercise leaves out.)
# <% endif %>
#
# | in | | out | |
# |---|---|---|---|
# | `logits_NE` | float; leave it as it is | `gates_NE` | float, 0 for all but the `k` chosen; gradients flow back to the logits |
# | `k` | int, `1 <= k <= E` | | |
# | `style` | one of the four words | | |
#
# Where equal logits compete for the last place, any of them is right; never are more than `k` chosen. In `"mixtral"`
# logits may be in the thousands.
#
# Worked example: logits `[ln 6, ln 3, ln 2, ln 1]`, `k = 2`. Their softmax is `[6, 3, 2, 1] / 12`. `"olmoe"` keeps
# `[0.5, 0.25, 0, 0]`, and the other half of the weight is lost. `"qwen3"` divides by 0.75: `[2/3, 1/3, 0, 0]`.
# <% if ROUTE_FACTOR == 1 %>
# `"deepseek"`: the sigmoid of `ln a` is `a / (1 + a)`, so `6/7` and `3/4`, divided by their sum: `[0.533, 0.467, 0, 0]`.
# <% else %>
# `"deepseek"`: the sigmoid of `ln a` is `a / (1 + a)`, so `6/7` and `3/4`, divided by their sum: 0.5333 and 0.4667, and
# << ROUTE_FACTOR >> times these: `[<< "%.3f" % (ROUTE_FACTOR * 8 / 15) >>, << "%.3f" % (ROUTE_FACTOR * 7 / 15) >>, 0, 0]`, rounded.
# <% endif %>
#
# Before you write: which two of the four always give the same table? And with `k = 1`, what is the weight of the chosen
# expert in each style?
#
# *Stuck?* `hint("gates")`


# %% nbgrader={"grade": false, "grade_id": "gates", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gates(logits_NE: Tensor, k: int, style: str) -> Tensor:
    """Each token's weights for all experts in the style of one of four models; 0 where an expert is not chosen."""
    ### BEGIN SOLUTION
    if style == "mixtral":
        scores_NE = logits_NE
    elif style == "deepseek":
        scores_NE = logits_NE.sigmoid()
    else:
        scores_NE = logits_NE.softmax(dim=-1)
    weights_Nk, chosen_Nk = scores_NE.topk(k, dim=-1)
    if style == "mixtral":
        weights_Nk = weights_Nk.softmax(dim=-1)
    elif style != "olmoe":
        weights_Nk = weights_Nk / weights_Nk.sum(dim=-1, keepdim=True)
    # variant: if ROUTE_FACTOR != 1
    if style == "deepseek":
        weights_Nk = weights_Nk * ROUTE_FACTOR
    # variant: endif
    return weights_Nk.new_zeros(logits_NE.shape).scatter(-1, chosen_Nk, weights_Nk)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "gates-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
three_tokens = torch.tensor([[6.0, 3.0, 2.0, 1.0], [2.0, 1.0, 9.0, 4.0], [2.0, 5.0, 3.0, 8.0]]).log()
out = gates(three_tokens.clone(), 2, "olmoe")
assert out is not None, "nothing came back: end your function with `return ...`"
assert out.shape != (3, 2), "that is k weights per token; wanted is a column for every expert, with 0 where not chosen"
assert out.shape == (3, 4), f"one row per token, one column per expert: expected (3, 4), got {tuple(out.shape)}"
assert not same(out[0], three_tokens.softmax(0)[0] * torch.tensor([1.0, 1.0, 0.0, 0.0])), (
    "the softmax ran over the tokens; it runs over the experts"
)
assert (out[0] != 0).sum() != 4, (
    "all four experts of token 0 have a weight: keep its own k, set the others to 0 (`out[:, chosen]` writes to every row)"
)
assert not same(out[0], torch.tensor([6 / 7, 0.75, 0.0, 0.0])), "olmoe: that is a sigmoid; OLMoE's scores are a softmax"
assert not same(out.sum(-1), torch.ones(3)), "olmoe: the weights sum to 1; OLMoE leaves them as the softmax gave them"
# variant: if ROUTE_FACTOR != 1
assert not same(out[0], ROUTE_FACTOR * torch.tensor([0.5, 0.25, 0.0, 0.0])), (
    f"olmoe: multiplied by {ROUTE_FACTOR}; that belongs to the style deepseek alone"
)
# variant: endif
assert not same(out[1], torch.tensor([0.5625, 0.25, 0.0, 0.0])), (
    "token 1: the weights stand in order of size; each belongs into the column of its own expert, here 2 and 3"
)
assert same(out[0], torch.tensor([0.5, 0.25, 0.0, 0.0])), f"olmoe, worked example: got {out[0].tolist()}"
assert same(out[1], torch.tensor([0.0, 0.0, 0.5625, 0.25])), (
    f"olmoe, token 1: softmax [2, 1, 9, 4] / 16, so expected [0, 0, 0.5625, 0.25], got {out[1].tolist()}"
)
out = gates(three_tokens.clone(), 2, "qwen3")
assert not same(out[0], torch.tensor([0.5, 0.25, 0.0, 0.0])), "qwen3: the weights of a token are divided by their sum"
over_tokens = torch.tensor([0.5 + 9 / 16 + 8 / 18, 0.25 + 4 / 16 + 5 / 18]), torch.tensor([0.5, 0.25 + 5 / 18])
for total in over_tokens:
    assert not same(out[0, :2], torch.tensor([0.5, 0.25]) / total), (
        "qwen3: divided by a sum over the tokens; each row sums to 1"
    )
assert same(out[0], torch.tensor([2 / 3, 1 / 3, 0.0, 0.0])), f"qwen3, worked example: got {out[0].tolist()}"
assert same(out[1], torch.tensor([0.0, 0.0, 9 / 13, 4 / 13])), f"qwen3, token 1: got {out[1].tolist()}"
out = gates(three_tokens.clone(), 2, "mixtral")
assert not same(out[0], torch.tensor([6.0, 3.0, 1.0, 1.0]) / 11), (
    "mixtral: a logit of 0 does not remove an expert, exp(0) is 1; what is not chosen needs a logit of minus infinity"
)
assert not same(out[0, :2], torch.tensor([0.5, 0.25]).softmax(-1)), (
    "mixtral: a softmax of a softmax; the k largest logits go into it, not the k largest probabilities"
)
assert same(out[0], torch.tensor([2 / 3, 1 / 3, 0.0, 0.0])), (
    f"mixtral: expected [2/3, 1/3, 0, 0], got {out[0].tolist()}"
)
assert same(out[1], torch.tensor([0.0, 0.0, 9 / 13, 4 / 13])), f"mixtral, token 1: got {out[1].tolist()}"
# The weights of this style are multiplied by ROUTE_FACTOR, << ROUTE_FACTOR >> in this version of the exercise.
out = gates(three_tokens.clone(), 2, "deepseek")
# variant: if ROUTE_FACTOR == 1
assert not same(out[0], torch.tensor([6 / 7, 0.75, 0.0, 0.0])), "deepseek: sigmoids, but not yet divided by their sum"
assert not same(out[0], torch.tensor([2 / 3, 1 / 3, 0.0, 0.0])), "deepseek: that is a softmax; the scores are sigmoids"
# variant: else
for factor in (1, ROUTE_FACTOR):
    for scores, what in (([6 / 7, 0.75], "sigmoids, but not yet divided by their sum"),
                         ([2 / 3, 1 / 3], "that is a softmax; the scores are sigmoids")):  # fmt: skip
        assert not same(out[0, :2], factor * torch.tensor(scores)), f"deepseek: {what}"
for factor in (1, 1.5, 2, 2.5, 1 / ROUTE_FACTOR):
    assert factor == ROUTE_FACTOR or not same(out[0, :2], factor * torch.tensor([8 / 15, 7 / 15])), (
        f"deepseek: the weights of a token sum to {factor:g}; in this version of the exercise they are multiplied by "
        f"{ROUTE_FACTOR} after the division by their sum"
    )
# variant: endif
sigmoids = 6 / 7 + 3 / 4 + 2 / 3 + 1 / 2
assert not same(out[0, :2], ROUTE_FACTOR * torch.tensor([6 / 7, 0.75]) / sigmoids), (
    "deepseek: divided by the sum over all experts; only the chosen ones count"
)
assert same(out[0], ROUTE_FACTOR * torch.tensor([6 / 7, 3 / 4, 0.0, 0.0]) / (6 / 7 + 3 / 4)), (
    "deepseek, worked example: "
    "expected [<< '%.3f' % (ROUTE_FACTOR * 8 / 15) >>, << '%.3f' % (ROUTE_FACTOR * 7 / 15) >>, 0, 0], "
    f"got {out[0].tolist()}"
)
assert same(out[1], ROUTE_FACTOR * torch.tensor([0.0, 0.0, 0.9, 0.8]) / 1.7), (
    f"deepseek, token 1: got {out[1].tolist()}"
)
for style in ("olmoe", "qwen3", "mixtral", "deepseek"):
    logits = three_tokens.clone()
    gates(logits, 2, style)
    assert torch.equal(logits, three_tokens), (
        f"{style}: the logits that came in were changed in place; compute new tensors, or change a clone"
    )
    assert gates(three_tokens.clone().requires_grad_() * 1, 2, style).requires_grad, (
        f"{style}: no gradient flows back to the logits, so a router could not learn; keep to tensors, without .tolist(), "
        ".item() or torch.tensor(...)"
    )
    out = gates(torch.tensor([[1.0, 1.0, 1.0, 0.0]]), 2, style)
    n_chosen = int((out != 0).sum())
    assert n_chosen == 2, (
        f"{style}: three equal logits and k = 2: {n_chosen} experts are chosen; a tie must not add one"
    )
out = gates(torch.tensor([[2000.0, 1999.0, 5.0]]), 2, "mixtral")
assert out.isfinite().all(), (
    "mixtral: a logit of 2000 gives NaN or infinity; exp(2000) overflows, torch's softmax does not"
)

# %% nbgrader={"grade": true, "grade_id": "gates-hidden", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
from math import exp

import torch

torch.manual_seed(301)
for N, E, k in [(5, 6, 2), (3, 7, 1), (4, 3, 3), (6, 9, 4)]:
    logits = torch.randn(N, E) * 2
    for style in ("olmoe", "qwen3", "mixtral", "deepseek"):
        given = logits.clone()
        out = gates(given, k, style)
        what = f"{style}, N={N}, E={E}, k={k}"
        assert torch.equal(given, logits), f"{what}: the logits that came in were changed"
        assert out.shape == (N, E), f"{what}: expected shape {(N, E)}, got {tuple(out.shape)}"
        for n in range(N):
            row = logits[n].tolist()
            chosen = sorted(range(E), key=lambda e: -row[e])[:k]
            scores = [1 / (1 + exp(-x)) if style == "deepseek" else exp(x) for x in row]
            over = range(E) if style == "olmoe" else chosen
            total = sum(scores[e] for e in over)
            total /= ROUTE_FACTOR if style == "deepseek" else 1
            expected = [scores[e] / total if e in chosen else 0.0 for e in range(E)]
            n_weights, said = int((out[n] != 0).sum()), [round(weight, 4) for weight in out[n].tolist()]
            assert n_weights == k, f"{what}: token {n}: expected k = {k} numbers that are not 0, got {n_weights}: {said}"
            assert torch.allclose(out[n], torch.tensor(expected), atol=1e-5), (
                f"{what}: token {n}: expected {[round(weight, 4) for weight in expected]}, got {said}"
            )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "gates-learn-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The next cell earns nothing. It asks how strongly the first weight reacts to its token's logits, which is all that the
# router can learn from. Guess first: for which styles is it 0 with `k = 1`, and with `k = 2`? (The Switch Transformer, which has
# `k = 1`, keeps the softmax as it is, as OLMoE does later.) The last line answers which two styles agree.

# %% nbgrader={"grade": false, "grade_id": "gates-learn", "locked": true, "schema_version": 3, "solution": false, "task": false}
for style in ("olmoe", "qwen3", "mixtral", "deepseek"):
    lengths = []
    for k in (1, 2):
        logits = torch.tensor([[6.0, 3.0, 2.0, 1.0]]).log().requires_grad_()
        (gradient,) = torch.autograd.grad(gates(logits, k, style)[0, 0], logits)
        lengths.append(gradient.norm().item())
    print(f"{style:9} length of the gradient with k = 1: {lengths[0]:.3f}, with k = 2: {lengths[1]:.3f}")
some = torch.randn(100, 8)
print("qwen3 and mixtral give the same table:", same(gates(some, 3, "qwen3"), gates(some, 3, "mixtral")))

# %% [markdown] nbgrader={"grade": false, "grade_id": "upcycle-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 2 · From a dense layer to experts  (difficulty 3 of 5 · 12 minutes · 9 points)
#
# A dense model was trained at great cost. Must a mixture begin from nothing? **Sparse upcycling** (Komatsuzaki and
# others, 2022, arXiv 2212.05055) copies the dense feed-forward part into every expert, puts a new, random router before
# them, and goes on training. At the first step the mixture must say **exactly what the dense model said**.
#
# A dense part gives out `down @ (silu(gate @ x) * (up @ x))`. The layer to fill gives out the sum of its `k` chosen
# experts' results, each multiplied by its routing weight, and the routing weights of a token sum to `weight_sum` (1 in Mixtral,
# 2.5 in DeepSeek-V3). If there are `S` shared experts, each adds its result too, without a weight. All copies are to be
# equal, the shared ones included. Write `upcycle`.
#
# | in | | out: dict of **new** tensors | |
# |---|---|---|---|
# | `gate_FD`, `up_FD` | the dense part's matrices | `"gate_up_EGD"` | per expert, `G = 2 * F` rows: those of gate first, then those of up |
# | `down_DF` | | `"down_EDF"` | per expert |
# | `E`, `S` | routed and shared experts | `"shared_gate_up_GD"` | all shared experts as **one** part of width `S * F`: `G = 2 * S * F`, all gates first, then all ups |
# | `weight_sum` | what a token's weights sum to | `"shared_down_DF"` | its other matrix, `D` rows, `S * F` columns |
#
# With `S = 0` the two shared tensors are left out of the dict. One of the three matrices has to be made smaller: by what?
# A smaller `gate` would not do (why?). A smaller `up` would do, and so would a smaller `down`: let it be `down`.
#
# Worked example: `D = F = 1`, gate `[[2]]`, up `[[3]]`, down `[[6]]`, `E = 4`, `S = 1`, `weight_sum = 2`. The routed
# experts count twice together, the shared one once: `down / 3 = 2`. So `gate_up` is `[[2], [3]]` and `down` is `[[2]]` for
# each of the four experts, and the same for the shared part.
#
# Before you write: right after upcycling all experts say the same. Which parameters then get a gradient of exactly zero
# in the first training step: the experts', the shared part's, or the router's?
#
# *Stuck?* `hint("upcycle")`


# %% nbgrader={"grade": false, "grade_id": "upcycle", "locked": false, "schema_version": 3, "solution": true, "task": false}
def upcycle(
    gate_FD: Tensor, up_FD: Tensor, down_DF: Tensor, E: int, S: int, weight_sum: float
) -> dict[str, Tensor]:
    """Experts that are copies of a dense part, so that the mixture's output is the dense part's."""
    ### BEGIN SOLUTION
    down_DF = down_DF / (weight_sum + S)
    parts = {
        "gate_up_EGD": torch.cat((gate_FD, up_FD)).repeat(E, 1, 1),
        "down_EDF": down_DF.repeat(E, 1, 1),
    }
    if S:
        parts["shared_gate_up_GD"] = torch.cat((gate_FD.repeat(S, 1), up_FD.repeat(S, 1)))
        parts["shared_down_DF"] = down_DF.repeat(1, S)
    return parts
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "upcycle-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
gate, up, down = torch.tensor([[2.0]]), torch.tensor([[3.0]]), torch.tensor([[6.0]])
out = upcycle(gate, up, down, E=4, S=1, weight_sum=2.0)
assert out is not None, "nothing came back: end your function with `return ...`"
assert [matrix.item() for matrix in (gate, up, down)] == [2.0, 3.0, 6.0], (
    f"gate, up and down came in as 2, 3 and 6 and are now {[matrix.item() for matrix in (gate, up, down)]}: they were changed "
    "in place (`/=`, say); compute a new tensor"
)
expected_keys = ["down_EDF", "gate_up_EGD", "shared_down_DF", "shared_gate_up_GD"]
assert sorted(out) == expected_keys, f"with S = 1 the dict needs {expected_keys}, got {sorted(out)}"
assert out["gate_up_EGD"].shape == (4, 2, 1), (
    f"gate_up: 4 experts with 2 * F = 2 rows of D = 1: expected (4, 2, 1), got {tuple(out['gate_up_EGD'].shape)}"
)
said = [round(number, 3) for number in out["gate_up_EGD"].flatten().tolist()]
assert said != [3.0, 2.0] * 4, "gate's rows come first, then up's"
assert said == [2.0, 3.0] * 4, (
    f"gate and up are copied as they are (down is what is made smaller): expected 2, 3 for each expert, got {said}"
)
said = [round(number, 3) for number in out["down_EDF"].flatten().tolist()]
assert said != [6.0] * 4, (
    "down is copied as it is: the routed experts count twice together, the shared one once, and all say 18, not 6"
)
assert said != [3.0] * 4, "down / 2: the shared expert adds its result too"
for divided_by, parts in ((4, "E"), (5, "E + S")):
    assert said != [6 / divided_by] * 4, (
        f"down / {divided_by}, and {divided_by} is {parts}; but not all E experts work on a token; how often does the dense part "
        "count in the output, by the weights that a token gives?"
    )
assert said == [2.0] * 4, (
    f"worked example: expected down 2 for each expert, that is 6 / 3, got {said}: how often does the dense part count in the "
    "output, all routed experts together and the shared one?"
)
said = [out["shared_gate_up_GD"].flatten().tolist(), out["shared_down_DF"].flatten().tolist()]
assert said != [[2.0, 3.0], [6.0]], "the shared expert's down is as large as before; all copies are to be equal"
assert said == [[2.0, 3.0], [2.0]], f"worked example: expected [2, 3] and [2] for the shared part, got {said}"
assert sorted(upcycle(gate, up, down, E=4, S=0, weight_sum=1.0)) == ["down_EDF", "gate_up_EGD"], (
    "with S = 0 there are no shared tensors in the dict"
)
D, F_dense, E_new = 4, 3, 5
torch.manual_seed(SEED)
gate, up, down, x = torch.randn(F_dense, D), torch.randn(F_dense, D), torch.randn(D, F_dense), torch.randn(D)
dense_D = down @ (F.silu(gate @ x) * (up @ x))
for shared, total in ((0, 1.0), (0, 2.5), (2, 1.0)):
    out = upcycle(gate.clone(), up.clone(), down.clone(), E_new, shared, total)
    what = f"E = 5, S = {shared}, weight_sum = {total}"
    if shared:
        want = (2 * shared * F_dense, D), (D, shared * F_dense)
        got = tuple(out["shared_gate_up_GD"].shape), tuple(out["shared_down_DF"].shape)
        assert got == want, f"{what}: the shared part's matrices should be {want}, got {got}"
        inner = out["shared_gate_up_GD"].chunk(2)
        shared_D = out["shared_down_DF"] @ (F.silu(inner[0] @ x) * (inner[1] @ x))
        alternating = torch.cat((gate, up)).repeat(shared, 1)
        assert not same(out["shared_gate_up_GD"], alternating), (
            "shared part: gate, up, gate, up; wanted are all gates, then all ups, for it is split in the middle"
        )
    else:
        shared_D = torch.zeros(D)
    results = []
    for e in range(E_new):
        inner = out["gate_up_EGD"][e].chunk(2)
        results.append(out["down_EDF"][e] @ (F.silu(inner[0] @ x) * (inner[1] @ x)))
    mixed_D = total * (0.7 * results[1] + 0.3 * results[4]) + shared_D
    times = (mixed_D @ dense_D / (dense_D @ dense_D)).item()
    assert same(mixed_D, dense_D) or not same(mixed_D, times * dense_D), (
        f"{what}: experts 1 and 4 with weights {0.7 * total:g} and {0.3 * total:g}"
        f"{f', and {shared} shared ones,' if shared else ''} give {times:.3g} times what the dense part gives"
    )
    assert same(mixed_D, dense_D), (
        f"{what}: experts 1 and 4 with weights {0.7 * total:g} and {0.3 * total:g} give "
        f"{[round(number, 2) for number in mixed_D.tolist()]}, the dense part {[round(number, 2) for number in dense_D.tolist()]}"
    )
out = upcycle(gate, up, down, E_new, 1, 1.0)
before = out["down_EDF"][1].clone()
out["down_EDF"][0] += 1
out["gate_up_EGD"][0] += 1
assert torch.equal(out["down_EDF"][1], before) and not torch.equal(out["gate_up_EGD"][0], out["gate_up_EGD"][1]), (
    "all experts share one memory (`expand`): training one would train all; make real copies"
)

# %% nbgrader={"grade": true, "grade_id": "upcycle-hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(302)
for D, width, E, S, total in [(3, 5, 4, 0, 1.0), (6, 2, 3, 1, 2.5), (2, 4, 7, 3, 1.0), (5, 5, 2, 2, 0.5)]:
    gate, up, down, x = torch.randn(width, D), torch.randn(width, D), torch.randn(D, width), torch.randn(9, D)
    kept = [matrix.clone() for matrix in (gate, up, down)]
    out = upcycle(gate, up, down, E, S, total)
    what = f"D={D}, F={width}, E={E}, S={S}, weight_sum={total}"
    changed = [n for n, a, b in zip(("gate", "up", "down"), kept, (gate, up, down), strict=True) if not torch.equal(a, b)]
    assert not changed, f"{what}: {' and '.join(changed)}, which came in, changed in place; compute new tensors"
    shapes = [tuple(out[name].shape) for name in ("gate_up_EGD", "down_EDF")]
    assert shapes == [(E, 2 * width, D), (E, D, width)], f"{what}: gate_up_EGD and down_EDF have the shapes {shapes}"
    dense = (torch.nn.functional.silu(x @ gate.T) * (x @ up.T)) @ down.T
    weights = torch.rand(9, E)
    weights = total * weights / weights.sum(1, keepdim=True)
    mixed = torch.zeros(9, D)
    for e in range(E):
        inner = x @ out["gate_up_EGD"][e].T
        result = (torch.nn.functional.silu(inner[:, :width]) * inner[:, width:]) @ out["down_EDF"][e].T
        mixed += weights[:, e : e + 1] * result
    if S:
        shape, one = tuple(out["shared_down_DF"].shape), x @ out["gate_up_EGD"][0].T
        assert shape == (D, S * width), f"{what}: shared_down_DF should be {(D, S * width)}, got {shape}"
        one = (torch.nn.functional.silu(one[:, :width]) * one[:, width:]) @ out["down_EDF"][0].T
        inner = x @ out["shared_gate_up_GD"].T
        result = (torch.nn.functional.silu(inner[:, : S * width]) * inner[:, S * width :]) @ out["shared_down_DF"].T
        times = ((result * one).sum() / one.square().sum()).item()
        assert torch.allclose(result, one * S, atol=1e-4), (
            f"{what}: the shared part gives {times:.3g} times what one routed expert gives, expected {S} times: all copies equal"
        )
        mixed += result
    times = ((mixed * dense).sum() / dense.square().sum()).item()
    assert torch.allclose(mixed, dense, atol=1e-4), (
        f"{what}: the mixture gives {times:.4g} times what the dense part gives, expected once"
    )
    for tensor in out.values():
        tensor.add_(1.0)
    assert all(torch.equal(a, b) for a, b in zip(kept, (gate, up, down), strict=True)), (
        f"{what}: a tensor that comes back shares its memory with the dense part's matrices; make real copies"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "upcycled-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your function on a real model: `python-dense` of the lesson, 461,440 parameters, trained on Python's own source. Both its
# layers become 8 experts, 2 of which work on a token, and a shared one. The next cell earns nothing: it prints
# the loss before and after, and who gets a gradient.

# %% nbgrader={"grade": false, "grade_id": "upcycled", "locked": true, "schema_version": 3, "solution": false, "task": false}
import dataclasses

from racecourse.models import MoEConfig, Transformer, load

dense_model, words = load("python-dense", device="cpu")
ids = torch.tensor([words.encode("def mean(values):\n    total = 0\n    for value in values:\n        total += value\n")])
wider = MoEConfig(n_experts=8, top_k=2, n_shared=1, d_expert=dense_model.config.d_ff, layers=(0, 1), normalise_weights=True)
mixture = Transformer(dataclasses.replace(dense_model.config, moe=wider))
dense_weights = dense_model.state_dict()
mixture.load_state_dict({name: weight for name, weight in dense_weights.items() if ".mlp." not in name}, strict=False)
for number, layer in enumerate(mixture.layers):
    gate, up = dense_weights[f"layers.{number}.mlp.gate_up.weight"].chunk(2)
    parts = upcycle(gate, up, dense_weights[f"layers.{number}.mlp.down.weight"], E=8, S=1, weight_sum=1.0)
    layer.mlp.experts.gate_up.data, layer.mlp.experts.down.data = parts["gate_up_EGD"], parts["down_EDF"]
    layer.mlp.shared.gate_up.weight.data = parts["shared_gate_up_GD"]
    layer.mlp.shared.down.weight.data = parts["shared_down_DF"]
losses = {}
for name, model in (("dense", dense_model), ("upcycled", mixture)):
    losses[name] = F.cross_entropy(model(ids)[0, :-1], ids[0, 1:])
    print(f"{name:9} {sum(p.numel() for p in model.parameters()):9,} parameters, loss {losses[name].item():.5f}")
losses["upcycled"].backward()
moe_part = mixture.layers[1].mlp
for name, parameter in (("experts", moe_part.experts.down), ("shared", moe_part.shared.down.weight), ("router", moe_part.router.weight)):
    print(f"largest gradient, {name:8} {parameter.grad.abs().max():.1e}")
per_expert = moe_part.experts.down.grad.flatten(1).norm(dim=1)
print("each expert's gradient:", ", ".join(f"{length:.2f}" for length in per_expert.tolist()))

# %% [markdown] nbgrader={"grade": false, "grade_id": "upcycled-after", "locked": true, "schema_version": 3, "solution": false, "task": false}
# The router learns nothing at first, since it makes no difference who is chosen. But the experts see different tokens,
# get different gradients, and so do not stay equal.

# %% [markdown] nbgrader={"grade": false, "grade_id": "capacity-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 3 · Who fits in  (difficulty 3 of 5 · 15 minutes · 11 points)
#
# In GShard (arXiv 2006.16668) and the Switch Transformer (2101.03961) every expert had a box of fixed size, because a program was compiled
# <% if ROUNDING == "up" %>
# for fixed shapes. The **capacity** is the number of places in one expert's box: `ceil(factor * N * k / E)`, the even
# load times a factor such as 1.25. What does not fit is **dropped**: that expert does not work on that token. The order,
# <% else %>
# for fixed shapes. The **capacity** is the number of places in one expert's box: `factor * N * k / E`, the even
# load times a factor such as 1.25, **rounded down, but at least 1**. What does not fit is **dropped**: that expert does
# not work on that token. The order,
# <% endif %>
# <% if ARRIVAL == "choices" %>
# as in GShard: first come the first choices of all tokens, in the order of the tokens, then the second choices, and so
# on. Write `fits`.
# <% else %>
# unlike GShard's: first come **all choices of the first token**, then all choices of the second token, and so on. Write
# `fits`.
# <% endif %>
#
# | in | | out: tuple of two | |
# |---|---|---|---|
# | `chosen_Nk` | int64, distinct in a row; column 0 holds the first choices | `kept_Nk` | bool, True where the slot found a place |
# | `E` | experts; some may get no slot | `dropped` | float, the share of the `N * k` slots that were dropped |
# | `factor` | number | | |
#
# A loop is fine.
#
# Worked example: `E = 4`, `factor = 1`, four tokens with the choices `[0 1], [0 3], [0 1], [1 0]`. The capacity is
# <% if ARRIVAL == "choices" %>
# `<< "ceil(1 * 4 * 2 / 4)" if ROUNDING == "up" else "1 * 4 * 2 / 4" >> = 2`. First choices: tokens 0 and 1 fill expert 0, token 2 comes too late; token 3 goes to expert
# 1. Second choices: token 0 takes the last place of expert 1, token 1 goes to expert 3; token 2 finds expert 1 full, and
# token 3 finds expert 0 full. So
#
# ```
# kept_Nk   1 1
#           1 1
#           0 0
#           1 0        dropped = 3 / 8 = 0.375
# ```
# <% else %>
# `<< "ceil(1 * 4 * 2 / 4)" if ROUNDING == "up" else "1 * 4 * 2 / 4" >> = 2`. Token 0 goes to experts 0 and 1, token 1 takes the last place of expert 0 and goes to expert 3.
# Token 2 finds expert 0 full and takes the last place of expert 1; token 3 finds both full. So
#
# ```
# kept_Nk   1 1
#           1 1
#           0 1
#           0 0        dropped = 3 / 8 = 0.375
# ```
# <% endif %>
#
# Before you write: in a long text, are early or late tokens dropped more often? What would that do to a model that is
# asked a question at the end of a long text?
#
# *Stuck?* `hint("capacity")`


# %% nbgrader={"grade": false, "grade_id": "capacity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def fits(chosen_Nk: Tensor, E: int, factor: float) -> tuple[Tensor, float]:
    # variant: if ARRIVAL == "choices"
    """Which slots find a place in their expert's box, first choices first, and the share that does not."""
    # variant: else
    """Which slots find a place in their expert's box, token after token, and the share that does not."""
    # variant: endif
    ### BEGIN SOLUTION
    N, k = chosen_Nk.shape
    # variant: if ROUNDING == "up"
    capacity = math.ceil(factor * N * k / E)
    # variant: else
    capacity = max(1, math.floor(factor * N * k / E))
    # variant: endif
    # variant: if ARRIVAL == "choices"
    by_arrival_S = chosen_Nk.T.flatten()
    # variant: else
    by_arrival_S = chosen_Nk.flatten()
    # variant: endif
    arrived_SE = F.one_hot(by_arrival_S, E).cumsum(dim=0)  # slots so far, this one counted
    kept_S = arrived_SE.gather(1, by_arrival_S[:, None])[:, 0] <= capacity
    # variant: if ARRIVAL == "choices"
    return kept_S.view(k, N).T, 1 - kept_S.float().mean().item()
    # variant: else
    return kept_S.view(N, k), 1 - kept_S.float().mean().item()
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "capacity-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
four_tokens = torch.tensor([[0, 1], [0, 3], [0, 1], [1, 0]])
out = fits(four_tokens.clone(), 4, 1)
assert out is not None, "nothing came back: end your function with `return ...`"
assert isinstance(out, tuple) and len(out) == 2, f"two things are wanted, kept and dropped; got {type(out).__name__}"
kept, dropped = out
assert kept.shape == (4, 2), f"one answer per slot: expected (4, 2), got {tuple(kept.shape)}"
assert kept.dtype == torch.bool, f"True and False are wanted, dtype torch.bool; got {kept.dtype}"
table = kept.int().tolist()
# variant: if ARRIVAL == "choices"
assert table != [[0, 0], [0, 0], [1, 1], [0, 1]], "True where a slot was dropped; wanted is True where it was kept"
assert table != [[1, 1], [1, 1], [0, 1], [0, 0]], (
    "both choices of token 0 were served before token 1 came; first come the first choices of all tokens"
)
assert table != [[1, 0], [0, 1], [0, 0], [1, 0]], (
    "a capacity of 1: there are N * k slots to be placed, not N (or a slot was counted before it was compared)"
)
assert table != [[1, 1], [1, 1], [1, 1], [1, 0]], "three slots in expert 0: with a capacity of 2, places 0 and 1 exist"
assert table != [[1, 1], [1, 1], [0, 0], [0, 0]], "token 3 lost both slots, because one did not fit; each is for itself"
assert table == [[1, 1], [1, 1], [0, 0], [1, 0]], f"worked example: got {table}"
# variant: else
assert table != [[0, 0], [0, 0], [1, 0], [1, 1]], "True where a slot was dropped; wanted is True where it was kept"
assert table != [[1, 1], [1, 1], [0, 0], [1, 0]], (
    "the first choices of all tokens were served before any second one; in this version of the exercise all choices of "
    "token 0 come first, then those of token 1"
)
assert table != [[1, 1], [0, 1], [0, 0], [0, 0]], (
    "a capacity of 1: there are N * k slots to be placed, not N (or a slot was counted before it was compared)"
)
assert table != [[1, 1], [1, 1], [1, 1], [1, 0]], "three slots in expert 0: with a capacity of 2, places 0 and 1 exist"
assert table != [[1, 1], [1, 1], [0, 0], [0, 0]], "token 2 lost both slots, because one did not fit; each is for itself"
assert table == [[1, 1], [1, 1], [0, 1], [0, 0]], f"worked example: got {table}"
# variant: endif
assert dropped != 3, "dropped is 3: wanted is the share of all slots, 3 / 8"
assert dropped not in (0.5, 0.25), f"{dropped} is a share of the tokens; wanted is the share of the slots, 3 / 8"
assert dropped != 0.625, "0.625 is the share that was kept"
assert isinstance(dropped, float), f"dropped is a plain number, a float (use .item()), not a {type(dropped).__name__}"
assert abs(dropped - 0.375) < 1e-6, f"worked example: expected 0.375 dropped, got {dropped!r}"
five_tokens = torch.tensor([[0], [0], [1], [1], [1]])
# variant: if ROUNDING == "up"
said = fits(five_tokens.clone(), 4, 1)[0][:, 0].int().tolist()
assert said != [1, 0, 1, 0, 0], "a capacity of 1: 5 slots for 4 experts are 1.25 each, and that is rounded up"
assert said != [1, 1, 1, 1, 1], (
    "nothing was dropped: E is 4 although only two experts were chosen, so the capacity is 2"
)
assert said == [1, 1, 1, 1, 0], f"5 slots, 4 experts: a capacity of 2, expected [1, 1, 1, 1, 0], got {said}"
said = fits(five_tokens.clone(), 4, 1.25)[0][:, 0].int().tolist()
assert said == [1, 1, 1, 1, 0], (
    f"factor 1.25: ceil(1.25 * 5 / 4) = ceil(1.5625) = 2 places, rounded up once, expected [1, 1, 1, 1, 0], got {said}"
)
said = fits(five_tokens.clone(), 4, 0.5)[0][:, 0].int().tolist()
assert said == [1, 0, 1, 0, 0], f"factor 0.5: a capacity of 1, expected [1, 0, 1, 0, 0], got {said}"
# variant: else
seven_tokens = torch.tensor([[0], [0], [0], [1], [1], [1], [1]])
said = fits(seven_tokens.clone(), 4, 1)[0][:, 0].int().tolist()
assert said != [1, 1, 0, 1, 1, 0, 0], (
    "a capacity of 2: 7 slots for 4 experts are 1.75 each, and in this version of the exercise that is rounded down"
)
assert said != [1, 1, 1, 1, 1, 1, 0], (
    "only one slot was dropped: E is 4 although only two experts were chosen, so the capacity is 1"
)
assert said == [1, 0, 0, 1, 0, 0, 0], f"7 slots, 4 experts: a capacity of 1, expected [1, 0, 0, 1, 0, 0, 0], got {said}"
said = fits(seven_tokens.clone(), 4, 1.25)[0][:, 0].int().tolist()
assert said != [1, 0, 0, 1, 0, 0, 0], (
    "factor 1.25: a capacity of 1; 1.25 * 7 / 4 = 2.1875, rounded down once, at the end (or the factor is missing)"
)
assert said == [1, 1, 0, 1, 1, 0, 0], f"factor 1.25: a capacity of 2, expected [1, 1, 0, 1, 1, 0, 0], got {said}"
said = fits(seven_tokens.clone(), 4, 0.5)[0][:, 0].int().tolist()
assert said != [0] * 7, "factor 0.5: a capacity of 0, so that nobody is served; it is at least 1"
assert said == [1, 0, 0, 1, 0, 0, 0], f"factor 0.5: a capacity of 1, expected [1, 0, 0, 1, 0, 0, 0], got {said}"
# variant: endif
kept, dropped = fits(five_tokens.clone(), 4, 4)
assert kept.all() and dropped == 0, "factor 4 and E = 4: every expert could take everything, nothing is dropped"

# %% nbgrader={"grade": true, "grade_id": "capacity-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
# variant: if ROUNDING == "up"
from math import ceil

# variant: endif
import torch

torch.manual_seed(303)
for N, k, E, factor in [
    (9, 2, 5, 1.25),
    (12, 3, 4, 1.0),
    (7, 1, 3, 1.5),
    (20, 4, 16, 0.5),
    (5, 2, 8, 2.0),
    (6, 3, 3, 0.75),
]:
    chosen = torch.stack([torch.randperm(E)[:k] for _ in range(N)])
    if N == 12:
        chosen[:, 0], chosen[:, 1], chosen[:, 2] = 0, 1, 2
    if N == 7:
        chosen[:] = 0
    kept, dropped = fits(chosen.clone(), E, factor)
    load, expected, first = [0] * E, [[False] * k for _ in range(N)], ""
    # variant: if ARRIVAL == "choices"
    arrivals = [(n, j) for j in range(k) for n in range(N)]
    # variant: else
    arrivals = [(n, j) for n in range(N) for j in range(k)]
    # variant: endif
    # variant: if ROUNDING == "up"
    capacity = ceil(factor * N * k / E)
    # variant: else
    capacity = int(factor * N * k / E) or 1
    # variant: endif
    for n, j in arrivals:
        e = int(chosen[n, j])
        expected[n][j] = load[e] < capacity
        if not first and bool(kept[n, j]) != expected[n][j]:
            first = "kept, you drop it" if expected[n][j] else "dropped, you keep it"
            first = f"choice {j} of token {n} (both counted from 0) should be {first}; by then expert {e} has "
            first += f"{min(load[e], capacity)} of its {capacity} places taken"
        load[e] += 1
    what = f"N={N}, k={k}, E={E}, factor={factor}"
    assert kept.tolist() == expected, f"{what}: {first}"
    share = sum(not place for row in expected for place in row) / (N * k)
    assert abs(dropped - share) < 1e-6, f"{what}: expected {share} dropped, got {dropped}"
    assert isinstance(dropped, float), f"dropped must be a float, got {type(dropped).__name__}"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "sequence-loss-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 4 · Balance in every sequence  (difficulty 3 of 5 · 12 minutes · 11 points)
#
# The lesson's balance loss looks at a whole batch. A batch is even when one text uses only half of the experts and
# another text the other half. DeepSeek-V3 (arXiv 2412.19437, section 2.1.2) steers whole batches with a bias and adds a
# very small loss that looks at **each sequence by itself**. For one sequence of `T` tokens, with scores `s` and `k`
# chosen experts per token:
#
# 1. `p[t, e] = s[t, e] / (sum of s[t, :])`: each token's scores divided by their sum over **all** experts, because
#    sigmoids do not sum to 1
# 2. `P[e]` = mean of `p[t, e]` over the sequence's tokens
# 3. `f[e] = E / (k * T) *` (how many of the sequence's tokens chose `e`)
# 4. loss = sum over `e` of `f[e] * P[e]`
#
# Write `sequence_loss`: the **mean** of this over the sequences of a batch.
#
# | in | | out | |
# |---|---|---|---|
# | `scores_BTE` | float, between 0 and 1, not normalised | `loss` | tensor with one number; gradients flow back to `scores_BTE` |
# | `chosen_BTk` | int64, distinct in a row; not always the `k` best scores, for a bias may have chosen | | |
#
# Worked example: `B = 1, T = 2, E = 2, k = 1`. Scores `[0.6, 0.2]` and `[0.3, 0.1]`, both tokens chose expert 0. `p` is
# `[0.75, 0.25]` for both, so `P = [0.75, 0.25]`. `f = 2 / (1 * 2) * [2, 0] = [2, 0]`. The loss is `2 * 0.75 = 1.5`.
# With even loads `f` is 1 everywhere, and since the `P` sum to 1, the loss is 1, whatever `E` and `k` are.
#
# Before you write: counting has no gradient. Through which of `f` and `P` does the loss then push, and does a step
# downhill raise or lower the scores of a crowded expert?
#
# *Stuck?* `hint("sequence-loss")`


# %% nbgrader={"grade": false, "grade_id": "sequence-loss", "locked": false, "schema_version": 3, "solution": true, "task": false}
def sequence_loss(scores_BTE: Tensor, chosen_BTk: Tensor) -> Tensor:
    """DeepSeek-V3's balance loss of each sequence, averaged over the batch; 1 when the loads are even."""
    ### BEGIN SOLUTION
    _, T, E = scores_BTE.shape
    P_BE = (scores_BTE / scores_BTE.sum(dim=-1, keepdim=True)).mean(dim=1)
    counts_BE = F.one_hot(chosen_BTk, E).sum(dim=(1, 2))
    f_BE = counts_BE * E / (chosen_BTk.shape[-1] * T)
    return (f_BE * P_BE).sum(dim=-1).mean()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "sequence-loss-visible", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
scores = torch.tensor([[[0.6, 0.2], [0.3, 0.1]]])
chosen = torch.tensor([[[0], [0]]])
out = sequence_loss(scores.clone(), chosen.clone())
assert out is not None, "nothing came back: end your function with `return ...`"
assert isinstance(out, Tensor) and out.ndim == 0, f"a tensor with one number is wanted, shape (); got {out!r}"
said = round(out.item(), 4)
assert said != 0.9, "0.9: the scores of a token are not yet divided by their sum"
assert said != 0.75, "0.75: half of it: f has a factor E, or the sum over the experts became a mean"
assert said != 3.0, "3.0: P is a mean over the tokens, not a sum"
assert said != 1.1485, "1.1485: p is a softmax of the scores; each token's scores are divided by their sum, no more"
assert said != -1.5, "-1.5: the sign is wrong; the loss falls when the loads become even"
assert said != 2.0, (
    "2.0: that is f times f, or all weight on the chosen expert; P comes from the scores. Or the choices were counted in "
    "fewer than E columns: F.one_hot needs E"
)
assert said == 1.5, f"worked example: expected 1.5, got {said}"
mirrored = torch.cat((scores, scores.flip(-1)))
said = round(sequence_loss(mirrored.clone(), torch.tensor([[[0], [0]], [[1], [1]]])).item(), 4)
assert said != 1.0, (
    "1.0: the batch as a whole is even, but neither sequence is; work out each one, then take the mean. (Or the counts "
    "still have an axis for the k choices: they should be of shape (B, E).)"
)
assert said != 3.0, "3.0: the sum over the two sequences; wanted is their mean"
assert said == 1.5, f"the worked example and its mirror image in one batch: expected 1.5, got {said}"
unlike = torch.tensor([[[0.6, 0.2], [0.1, 0.3]]])
said = round(sequence_loss(unlike.clone(), chosen.clone()).item(), 4)
assert said != 1.1667, "1.1667: the scores were averaged first; each token's are divided by their sum before that"
assert said == 1.0, f"scores [0.6, 0.2] and [0.1, 0.3], both tokens in expert 0: P is 0.5, expected 1.0, got {said}"
torch.manual_seed(SEED)
scores = torch.rand(2, 6, 4) * 0.8 + 0.1
even = torch.tensor([[0, 1], [2, 3], [1, 0], [3, 2], [0, 2], [1, 3]]).expand(2, 6, 2)
said = round(sequence_loss(scores.clone(), even.clone()).item(), 4)
assert said != 2.0, "k = 2 and even loads give 2.0: a token fills k slots, so f is divided by k"
assert said == 1.0, f"even loads, k = 2: expected 1.0 whatever the scores are, got {said}"
against = torch.tensor([[[0.1, 0.3], [0.2, 0.6]]])
said = round(sequence_loss(against.clone(), chosen.clone()).item(), 4)
assert said != 1.5, "1.5: counted where the scores are largest; count `chosen_BTk`, which a bias may have changed"
assert said == 0.5, f"scores [0.1, 0.3] and [0.2, 0.6], both tokens in expert 0: expected 0.5, got {said}"
scores = torch.tensor([[[0.6, 0.2], [0.3, 0.1]]], requires_grad=True)
out = sequence_loss(scores, chosen.clone())
assert out.requires_grad, "no gradient: do not detach the scores, and do not turn them into Python numbers"
(gradient,) = torch.autograd.grad(out, scores)
assert (gradient[..., 1] != 0).any(), (
    "the scores of expert 1, which nobody chose, get no gradient; it must flow through the sum, too, by which each token's "
    "scores are divided (is there a .detach()?)"
)
assert (gradient[..., 0] > 0).all() and (gradient[..., 1] < 0).all(), (
    "a step downhill must lower the scores of expert 0, which got everything, and raise those of expert 1"
)

# %% nbgrader={"grade": true, "grade_id": "sequence-loss-hidden", "locked": true, "points": 7, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(304)
for B, T, E, k in [(3, 5, 4, 2), (1, 7, 6, 3), (4, 2, 5, 1), (2, 9, 3, 2)]:
    scores = torch.randn(B, T, E).sigmoid().requires_grad_()
    chosen = torch.stack([torch.randperm(E - (B == 1))[:k] for _ in range(B * T)]).view(B, T, k)
    chosen[0, :, 0] = torch.where((chosen[0] == 0).any(-1), chosen[0, :, 0], 0)
    out = sequence_loss(scores, chosen.clone())
    what = f"B={B}, T={T}, E={E}, k={k}"
    slope, total, s = torch.zeros(B, T, E), 0.0, scores.detach()
    for b in range(B):
        for e in range(E):
            f = E / (k * T) * int((chosen[b] == e).sum())
            for t in range(T):
                p = float(s[b, t, e] / s[b, t].sum())
                total += f * p / T / B
                for other in range(E):  # d p[e] / d s[other]
                    change = ((other == e) - p) / float(s[b, t].sum())
                    slope[b, t, other] += f * change / T / B
    assert abs(out.item() - total) < 1e-4, f"{what}: expected {total:.5f}, got {out.item():.5f}"
    (gradient,) = torch.autograd.grad(out, scores)
    b, t, e = (int(i) for i in torch.unravel_index((gradient - slope).abs().argmax(), slope.shape))
    assert torch.allclose(gradient, slope, atol=1e-4), (
        f"{what}: the loss is right, its gradient is not: for sequence {b}, token {t}, expert {e} expected "
        f"{slope[b, t, e]:.5f}, got {gradient[b, t, e]:.5f}. Does it flow through all that the scores are in, also through the "
        "sum by which each token's scores are divided?"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "boxed-bugs-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 5 · Boxes with five bugs  (difficulty 4 of 5 · 20 minutes · 13 points)
#
# Multiplying matrices expert by expert is slow on a chip that likes one large product. The other way, and nearly the one
# for which capacity was invented: lay the tokens of expert `e` into box `e`, all boxes equally large, and run all experts
# **in one batched product**. Here nothing may be dropped, so a box has as many places as the fullest expert needs.
#
# The function below runs, its shapes look right, and it holds **five bugs** (the line for `P`, the places of a box, and the `clamp` below it are one). Write `boxed_experts`: copy the body, find
# all five, mend them.
#
# | in | | out: dict | |
# |---|---|---|---|
# | `x_ND` | the tokens | `"box_EPD"` | the tokens as they lie in the boxes, `P` places each; places that stay empty hold 0 |
# | `weights_Nk` | weight of each slot; rows need not sum to 1 | `"result_EPD"` | each expert's result for its places, **not yet weighted** |
# | `chosen_Nk` | expert of each slot, distinct in a row | `"out_ND"` | per token: the sum of its `k` results, each times its weight |
# | `w` | matrices of all experts, as in `random_experts` | | |
#
# Slot `s` is choice `s % k` of token `s // k`. Within a box, slots lie in the order of `s`, from place 0 on, and `P` is
# the number of slots of the fullest expert. An expert computes `down @ (silu(gate @ x) * (up @ x))`, where `silu(z)` is
# `z * sigmoid(z)`.
#
# Worked example for the boxes: `chosen_Nk = [[1], [0], [1]]`: box 0 holds token 1 and an empty place, box 1 tokens 0 and
# 2; `P = 2`.
#
# Before you read on: two of the bugs show only if tokens have more than one expert, and one only if the loads are
# uneven. Which kinds of mistake could these be?
#
# *Stuck?* `hint("boxed-bugs")`


# %% nbgrader={"grade": false, "grade_id": "boxed-bugs-given", "locked": true, "schema_version": 3, "solution": false, "task": false}
def boxed_experts_with_bugs(
    x_ND: Tensor, weights_Nk: Tensor, chosen_Nk: Tensor, w: dict[str, Tensor]
) -> dict[str, Tensor]:
    (N, D), k, E = x_ND.shape, chosen_Nk.shape[1], len(w["gate_EFD"])
    expert_S = chosen_Nk.flatten()  # S = N * k slots
    token_S = torch.arange(N).repeat(k)
    arrived_SE = F.one_hot(expert_S, E).cumsum(dim=0)  # slots of each expert so far, this one counted
    place_S = arrived_SE.gather(1, expert_S[:, None])[:, 0] - 1
    P = math.ceil(N * k / E)
    place_S = place_S.clamp(max=P - 1)
    box_EPD = torch.zeros(E, P, D)
    box_EPD[expert_S, place_S] = x_ND[token_S] * weights_Nk.flatten()[:, None]
    gate_EPF = box_EPD @ w["gate_EFD"].transpose(1, 2)
    up_EPF = box_EPD @ w["up_EFD"].transpose(1, 2)
    result_EPD = (gate_EPF * F.silu(up_EPF)) @ w["down_EDF"].transpose(1, 2)
    out_ND = torch.zeros(N, D)
    out_ND[token_S] += result_EPD[expert_S, place_S]
    return {"box_EPD": box_EPD, "result_EPD": result_EPD, "out_ND": out_ND}


# %% nbgrader={"grade": false, "grade_id": "boxed-bugs", "locked": false, "schema_version": 3, "solution": true, "task": false}
def boxed_experts(x_ND: Tensor, weights_Nk: Tensor, chosen_Nk: Tensor, w: dict[str, Tensor]) -> dict[str, Tensor]:
    """All experts in one batched product: tokens into boxes, through the experts, and back with their weights."""
    ### BEGIN SOLUTION
    (N, D), k, E = x_ND.shape, chosen_Nk.shape[1], len(w["gate_EFD"])
    expert_S = chosen_Nk.flatten()  # S = N * k slots
    token_S = torch.arange(N).repeat_interleave(k)
    arrived_SE = F.one_hot(expert_S, E).cumsum(dim=0)  # slots of each expert so far, this one counted
    place_S = arrived_SE.gather(1, expert_S[:, None])[:, 0] - 1
    P = int(arrived_SE[-1].max())
    box_EPD = torch.zeros(E, P, D)
    box_EPD[expert_S, place_S] = x_ND[token_S]
    gate_EPF = box_EPD @ w["gate_EFD"].transpose(1, 2)
    up_EPF = box_EPD @ w["up_EFD"].transpose(1, 2)
    result_EPD = (F.silu(gate_EPF) * up_EPF) @ w["down_EDF"].transpose(1, 2)
    weighted_SD = result_EPD[expert_S, place_S] * weights_Nk.flatten()[:, None]
    out_ND = torch.zeros(N, D).index_add(0, token_S, weighted_SD)
    return {"box_EPD": box_EPD, "result_EPD": result_EPD, "out_ND": out_ND}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "boxed-bugs-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
numbered = torch.eye(6)  # token n has its 1 in channel n, so a row of a box says which token it is
chosen = torch.tensor([[2, 0], [0, 1], [0, 2], [1, 0], [0, 3], [2, 0]])
share = torch.tensor([[0.9, 0.1], [0.3, 0.7], [0.6, 0.9], [0.2, 0.8], [0.75, 0.25], [0.45, 0.55]])
layer = random_experts(n_experts=4, d_model=6, d_expert=5)
out = boxed_experts(numbered.clone(), share.clone(), chosen.clone(), layer)
assert out is not None, "nothing came back: end your function with `return ...`"
assert set(out) == {"box_EPD", "result_EPD", "out_ND"}, f"the dict needs box_EPD, result_EPD, out_ND; got {sorted(out)}"
places = out["box_EPD"].shape[1]
assert places != 3, "3 places in a box, but expert 0 has 6 slots: four of them share the last place, and one remains"
assert out["box_EPD"].shape == (4, 6, 6), f"box_EPD: expected (4, 6, 6), got {tuple(out['box_EPD'].shape)}"
lie = [[place.argmax().item() for place in box if place.any()] for box in out["box_EPD"]]
assert lie[1] != [3, 0], (
    "box 1 holds tokens 3 and 0; its slots are 3 and 6. Which token does slot 3 belong to, with k = 2?"
)
assert lie == [[0, 1, 2, 3, 4, 5], [1, 3], [0, 2, 5], [4]], (
    f"the boxes should hold tokens 0-5 | 1 3 | 0 2 5 | 4; got {lie}"
)
assert not same(out["box_EPD"][1, 0].max(), torch.tensor(0.7)), (
    "the right tokens, but the first in box 1 is multiplied by 0.7, its weight: inside silu a weight is no longer a "
    "weight; multiply what comes out"
)
expected = torch.zeros(4, 6, 6)
for expert, tokens in enumerate(lie):
    for place, token in enumerate(tokens):
        expected[expert, place, token] = 1
assert same(out["box_EPD"], expected), "the tokens in the boxes are not as they came in, or not at places 0, 1, 2 ..."
three = torch.eye(3, 6), torch.ones(3, 1), torch.tensor([[1], [0], [1]])
said = boxed_experts(*three, random_experts(n_experts=2, d_model=6, d_expert=5))["box_EPD"].shape[1]
assert said != 3, "worked example: 3 places in a box, as many as tokens; the fullest expert has 2 slots"
assert said == 2, f"worked example: the fullest expert has 2 slots, so P = 2; got {said}"
gate, up = (expected @ layer[name].transpose(1, 2) for name in ("gate_EFD", "up_EFD"))
down = layer["down_EDF"].transpose(1, 2)
assert not same(out["result_EPD"], (gate * F.silu(up)) @ down, 1e-3), (
    "the boxes are right, the results are not: silu belongs to one of the two halves. To which?"
)
result = (F.silu(gate) * up) @ down
assert not same(out["result_EPD"], F.silu(gate * up) @ down, 1e-3), "silu(gate) * up, not silu(gate * up)"
assert same(out["result_EPD"], result, 1e-3), (
    "the boxes are right, result_EPD is not down @ (silu(gate @ x) * (up @ x))"
)
first, second = result[2, 0], result[0, 0]  # of token 0, which has experts 2 and 0
said = out["out_ND"][0]
assert not same(said, first + second, 1e-3), "results are right, out_ND adds them up without their weights"
for one in (first, second):
    for factor in (1.0, 0.9, 0.1):
        assert not same(said, one * factor, 1e-3), (
            "token 0 has two experts and got one result: an index that occurs twice in `out[index] += ...` is written once"
        )
assert not same(said, 0.9**2 * first + 0.1**2 * second, 1e-3), "the weights were applied twice"
assert same(said, 0.9 * first + 0.1 * second, 1e-3), (
    "results are right, out_ND[0] is not 0.9 times that of expert 2 plus 0.1 times that of expert 0"
)
total = torch.stack([share[n, 0] * (result[chosen[n, 0]] * expected[chosen[n, 0], :, n, None]).sum(0)
                     + share[n, 1] * (result[chosen[n, 1]] * expected[chosen[n, 1], :, n, None]).sum(0)
                     for n in range(6)])  # fmt: skip
assert not same(out["out_ND"], total / share.sum(1, keepdim=True), 1e-3), (
    "the weights of token 2, 0.6 and 0.9, are taken as if they summed to 1; rows need not, take them as they come"
)
assert same(out["out_ND"], total, 1e-3), "token 0 is right, others are not: does every slot take its own weight?"

# %% nbgrader={"grade": true, "grade_id": "boxed-bugs-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(305)
for N, k, E, D, width in [(7, 3, 5, 4, 6), (5, 1, 3, 2, 3), (4, 2, 9, 5, 4), (6, 4, 4, 3, 2)]:
    x, share = torch.randn(N, D), torch.rand(N, k) + 0.2
    chosen = torch.stack([torch.randperm(E)[:k] for _ in range(N)])
    w = {"gate_EFD": torch.randn(E, width, D), "up_EFD": torch.randn(E, width, D), "down_EDF": torch.randn(E, D, width)}
    given = x.clone(), share.clone(), chosen.clone()
    out = boxed_experts(*given, w)
    what = f"N={N}, k={k}, E={E}"
    for now, before in zip(given, (x, share, chosen), strict=True):
        assert torch.equal(now, before), f"{what}: a tensor that came in was changed"
    load, expected = [0] * E, torch.zeros(N, D)
    P = max(int((chosen == e).sum()) for e in range(E))
    assert out["box_EPD"].shape == (E, P, D), (
        f"{what}: box_EPD should be {(E, P, D)}, got {tuple(out['box_EPD'].shape)}"
    )
    assert out["result_EPD"].shape == (E, P, D), f"{what}: result_EPD should be {(E, P, D)}"
    for n in range(N):
        for j in range(k):
            e = int(chosen[n, j])
            gate, up = w["gate_EFD"][e] @ x[n], w["up_EFD"][e] @ x[n]
            result = w["down_EDF"][e] @ (gate * torch.sigmoid(gate) * up)
            place = out["box_EPD"][e, load[e]]
            held = [f"token {m}" for m in range(N) if torch.allclose(place, x[m])]
            held = held[0] if held else "none of them" if place.any() else "zeros"
            assert torch.allclose(out["box_EPD"][e, load[e]], x[n]), (
                f"{what}: place {load[e]} of box {e} should hold token {n} as it came in, it holds {held}"
            )
            assert torch.allclose(out["result_EPD"][e, load[e]], result, atol=1e-4), (
                f"{what}: box {e} holds token {n} at place {load[e]}, as it should; its result_EPD is not that of expert {e}"
            )
            expected[n] += share[n, j] * result
            load[e] += 1
    for e in range(E):
        assert not out["box_EPD"][e, load[e] :].any(), f"{what}: an empty place of box {e} is not 0"
    n = int((out["out_ND"] - expected).abs().amax(1).argmax())
    said, right = ([round(number, 3) for number in row.tolist()] for row in (out["out_ND"][n], expected[n]))
    assert not torch.allclose(out["out_ND"], expected / share.sum(1, keepdim=True), atol=1e-3), (
        f"{what}: boxes and results are right; the weights of token {n} sum to {share[n].sum():.2f}, out_ND is as if they summed "
        "to 1; rows need not sum to 1"
    )
    assert torch.allclose(out["out_ND"], expected, atol=1e-3), (
        f"{what}: boxes and results are right; out_ND of token {n}, the sum of its {k} weighted results: expected {right}, "
        f"got {said}"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "count-moe-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 6 · From a config to 671 billion  (difficulty 3 of 5 · 22 minutes · 13 points)
#
# "671 billion parameters, of which 37 billion work on each token" are two numbers that follow from a dozen others. Write
# `count_moe`, which takes these others as a plain dict and counts, over all layers:
#
# | out | what it counts |
# |---|---|
# | `"attention"` | all attention matrices, and the norms inside attention (of latents, or of queries and keys): `attention_norms` numbers per layer |
# | `"dense"` | gate, up and down (`D × F` each) of the first `n_dense` layers, which have no experts |
# | `"experts"` | gate, up and down (`D × F_expert` each) of the `E` routed experts of every **other** layer |
# | `"shared"` | the same for the `S` shared experts, which work on every token |
# | `"router"` | one vector of `D` numbers per routed expert<< ", and one number more, its selection bias" if ROUTER_BIAS else "" >> |
# | `"rest"` | embedding and output head, `V × D` each (two matrices here); two norms of `D` per layer, one after the last |
# | `"total"` | the sum of the six above |
# <% if EMBEDDING == "all" %>
# | `"active"` | what works on one token: of the routed experts `k` per layer, of everything else all |
# <% elif EMBEDDING == "row" %>
# | `"active"` | what works on one token: of the routed experts `k` per layer, of the embedding **the one row that is looked up**, of everything else (the output head too) all |
# <% else %>
# | `"active"` | what is multiplied for one token: of the routed experts `k` per layer, of the embedding **nothing** (it is looked up), of everything else (the output head too) all |
# <% endif %>
# | `"cache_bytes"` | what one token leaves in the cache of all layers, at `bytes` per number |
#
# A dict with `"kv_rank"` in it has **latent attention**, one without has grouped heads. Per layer, without biases:
#
# | | matrices | kept per token |
# |---|---|---|
# | grouped: `H, K, C` | queries `D × H*C`, keys and values `D × K*C` each, output `H*C × D` | keys and values of `K` heads |
# | latent: `H, q_rank, kv_rank, nope, rope, v` | `D × q_rank`, `q_rank × H*(nope + rope)`, `D × (kv_rank + rope)`, `kv_rank × H*(nope + v)`, `H*v × D` | the latent, `kv_rank` numbers, and one rotary key, `rope` numbers, for all heads together |
#
# Worked example: `V=10, D=4, L=3, H=2, K=1, C=2, attention_norms=5, n_dense=1, F=6, E=5, k=2, S=2, F_expert=3, bytes=4`:
# attention 3 × (16 + 8 + 8 + 16 + 5) = 159; dense 3 × 24 = 72; an expert has 3 × 12 = 36, so experts 2 × 5 × 36 = 360 and
# shared 2 × 2 × 36 = 144; router 2 × << 20 + 5 * ROUTER_BIAS >> = << 40 + 10 * ROUTER_BIAS >>; rest 40 + 40 + 3 × 8 + 4 = 108; total << 883 + 10 * ROUTER_BIAS >>. Idle are 3 of 5 experts in two
# <% if EMBEDDING == "all" %>
# layers, 216: active << 667 + 10 * ROUTER_BIAS >>. Cache 2 × 2 × 3 × 4 = 48 bytes.
# <% elif EMBEDDING == "row" %>
# layers, 216, and 9 of 10 rows of the embedding, 36: active << 631 + 10 * ROUTER_BIAS >>. Cache 2 × 2 × 3 × 4 = 48 bytes.
# <% else %>
# layers, 216, and the embedding, 40: active << 627 + 10 * ROUTER_BIAS >>. Cache 2 × 2 × 3 × 4 = 48 bytes.
# <% endif %>
#
# Before you write: which share of Mixtral 8x7B works on one token: a quarter, because 2 of 8 experts do? More? Less?
#
# *Stuck?* `hint("count-moe")`


# %% nbgrader={"grade": false, "grade_id": "count-moe", "locked": false, "schema_version": 3, "solution": true, "task": false}
def count_moe(c: dict) -> dict[str, int]:
    """Parameters of a mixture of experts by part, in all and per token, and the bytes that it caches per token."""
    ### BEGIN SOLUTION
    D, L, H, n_moe = c["D"], c["L"], c["H"], c["L"] - c["n_dense"]
    if "kv_rank" in c:
        queries = D * c["q_rank"] + c["q_rank"] * H * (c["nope"] + c["rope"])
        keys = D * (c["kv_rank"] + c["rope"]) + c["kv_rank"] * H * (c["nope"] + c["v"])
        attention = queries + keys + H * c["v"] * D
        cached = c["kv_rank"] + c["rope"]
    else:
        attention = 2 * D * c["H"] * c["C"] + 2 * D * c["K"] * c["C"]
        cached = 2 * c["K"] * c["C"]
    expert = 3 * D * c["F_expert"]
    parts = {
        "attention": L * (attention + c["attention_norms"]),
        "dense": c["n_dense"] * 3 * D * c["F"],
        "experts": n_moe * c["E"] * expert,
        "shared": n_moe * c["S"] * expert,
        "router": n_moe * c["E"] * D,
        "rest": 2 * c["V"] * D + L * 2 * D + D,
    }
    # variant: if ROUTER_BIAS
    parts["router"] += n_moe * c["E"]  # the selection biases
    # variant: endif
    total = sum(parts.values())
    active = total - n_moe * (c["E"] - c["k"]) * expert
    # variant: if EMBEDDING == "row"
    active -= (c["V"] - 1) * D
    # variant: elif EMBEDDING == "none"
    active -= c["V"] * D
    # variant: endif
    return parts | {"total": total, "active": active, "cache_bytes": L * cached * c["bytes"]}
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "count-moe-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
tiny = {"V": 10, "D": 4, "L": 3, "H": 2, "K": 1, "C": 2, "attention_norms": 5, "n_dense": 1, "F": 6, "E": 5, "k": 2,
        "S": 2, "F_expert": 3, "bytes": 4}  # fmt: skip
# Other versions of this exercise give a router biases (ROUTER_BIAS), or count less of the embedding as active (EMBEDDING).
out = count_moe(dict(tiny))
assert out is not None, "nothing came back: end your function with `return ...`"
names = ["attention", "dense", "experts", "shared", "router", "rest", "total", "active", "cache_bytes"]
assert set(out) == set(names), f"the dict needs these keys: {names}; got {list(out)}"
assert out["attention"] != 144, "attention 144: the norms inside attention are missing, attention_norms per layer"
assert out["attention"] != 149, "attention 149: the norms inside attention are there once per layer, not once"
assert out["attention"] == 159, f"worked example: expected 159 for attention, got {out['attention']!r}"
assert out["dense"] != 216, "dense 216: only the first n_dense layers have a dense feed-forward part"
assert out["dense"] != 0, "dense 0: the first n_dense layers have a feed-forward part too, a dense one"
assert out["dense"] == 72, f"worked example: expected 72 for dense, got {out['dense']!r}"
assert out["experts"] != 540, "experts 540: the first n_dense layers have no experts"
assert out["experts"] != 720, "experts 720: an expert's width is F_expert, not F"
assert out["experts"] != 240, "experts 240: an expert has three matrices, gate, up and down"
assert out["experts"] == 360, f"worked example: expected 360 for experts, got {out['experts']!r}"
assert out["shared"] != 72, "shared 72: there are S shared experts in each layer that has experts"
assert out["shared"] != 216, "shared 216: the first n_dense layers have no shared experts either"
assert out["shared"] == 144, f"worked example: expected 144 for shared, got {out['shared']!r}"
# variant: if ROUTER_BIAS
assert out["router"] != 40, (
    "router 40: in this version of the exercise each routed expert has a selection bias too, one number"
)
assert out["router"] != 41, "router 41: each of the 5 routed experts of each of the 2 layers has its own bias"
assert out["router"] != 42, "router 42: each of the 5 routed experts has its own bias, not each layer"
# variant: endif
in_all, with_shared, router = 15 * (4 + ROUTER_BIAS), 14 * (4 + ROUTER_BIAS), 10 * (4 + ROUTER_BIAS)
assert out["router"] != in_all, f"router {in_all}: the first n_dense layers have no router"
assert out["router"] != with_shared, (
    f"router {with_shared}: shared experts are not routed, they work on every token"
)
assert out["router"] == router, f"worked example: expected {router} for router, got {out['router']!r}"
assert out["rest"] != 68, "rest 68: the output head is a matrix of its own, as large as the embedding"
assert out["rest"] != 104, "rest 104: one more norm stands after the last layer"
assert out["rest"] == 108, f"worked example: expected 108 for rest, got {out['rest']!r}"
everything = 843 + router
assert out["total"] != everything + 48, f"total {everything + 48}: what is cached is not a parameter"
assert out["total"] == everything, f"worked example: expected {everything} in total, got {out['total']!r}"
busy = everything - 216  # with the whole embedding
active = busy - {"all": 0, "row": 36, "none": 40}[EMBEDDING]
assert out["active"] != active - 144, (
    f"active {active - 144}: 144 too few; shared experts work on every token, beside the k routed ones"
)
assert out["active"] != active - 108, (
    f"active {active - 108}: the first n_dense layers have no experts that could be idle"
)
# variant: if EMBEDDING == "all"
assert out["active"] not in (busy - 80, busy - 40), f"active {out['active']}: here embedding and head count in full"
# variant: else
assert out["active"] != busy, (
    f"active {busy}: the whole embedding counts; in this version of the exercise "
    # variant: if EMBEDDING == "row"
    "only the one row that is looked up works on a token"
    # variant: else
    "it does not, since it is looked up and not multiplied"
    # variant: endif
)
assert out["active"] not in (busy - 80, busy - 76, busy - 72), (
    f"active {out['active']}: the output head works on every token, all of it"
)
# variant: if EMBEDDING == "row"
assert out["active"] != busy - 40, f"active {busy - 40}: the row that is looked up, D numbers, works on the token"
# variant: else
assert out["active"] != busy - 36, f"active {busy - 36}: in this version of the exercise not even one row counts"
# variant: endif
# variant: endif
assert out["active"] == active, f"worked example: expected {active} active, got {out['active']!r}"
assert out["cache_bytes"] != 12, "cache_bytes 12: these are numbers; each takes `bytes` bytes"
assert out["cache_bytes"] != 24, "cache_bytes 24: keys and values are both kept, `bytes` bytes each"
assert out["cache_bytes"] != 96, "cache_bytes 96: kept are K key-value heads, not H"
assert out["cache_bytes"] == 48, f"worked example: expected 48 bytes per token, got {out['cache_bytes']!r}"
latent = {key: value for key, value in tiny.items() if key not in ("K", "C")}
latent |= {"H": 3, "q_rank": 3, "kv_rank": 5, "nope": 2, "rope": 4, "v": 3, "attention_norms": 8}
out = count_moe(dict(latent))
per_layer = out["attention"] / 3 - 8
assert per_layer != 197, (
    "latent attention: 16 too few per layer; the matrix that makes the latent makes the rotary key too"
)
assert per_layer != 177, "latent attention: 36 too few per layer; a query head has nope + rope channels"
assert per_layer != 201, "latent attention: 12 too few per layer; each head gives out v channels, not nope"
assert per_layer != 198, "latent attention: 15 too few per layer; keys have nope channels per head, values have v"
assert per_layer != 273, "latent attention: 60 too many per layer; the rotary key is not rebuilt from the latent"
assert per_layer != 245, "latent attention: 32 too many per layer; all heads share one rotary key"
assert per_layer == 213, (
    f"latent attention with D=4, H=3, q_rank=3, kv_rank=5, nope=2, rope=4, v=3: 12 + 54 + 36 + 75 + 36 = 213 per layer "
    f"and 8 for its norms; you have {per_layer:g} and 8"
)
assert out["cache_bytes"] != 216, (
    "latent cache 216: keys and values are rebuilt from the same latent; nothing is kept twice"
)
assert out["cache_bytes"] != 324, (
    "latent cache 324: the latent is there once, not once per head; and full keys and values are not kept at all"
)
assert out["cache_bytes"] != 60, "latent cache 60: the rotary key is kept beside the latent"
assert out["cache_bytes"] != 204, "latent cache 204: one rotary key of `rope` numbers serves all heads"
assert out["cache_bytes"] == 108, (
    f"latent cache: (5 + 4) numbers, 3 layers, 4 bytes: expected 108, got {out['cache_bytes']!r}"
)
mixtral = {"V": 32000, "D": 4096, "L": 32, "H": 32, "K": 8, "C": 128, "attention_norms": 0, "n_dense": 0, "F": 14336,
           "E": 8, "k": 2, "S": 0, "F_expert": 14336, "bytes": 2}  # fmt: skip
said = count_moe(dict(mixtral))["total"]
assert said == 46_702_792_704 + 256 * ROUTER_BIAS, (
    f"Mixtral 8x7B has 46,702,792,704 parameters<< ' and 256 selection biases' if ROUTER_BIAS else '' >>, you count {said:,}"
)

# %% nbgrader={"grade": true, "grade_id": "count-moe-hidden", "locked": true, "points": 8, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
V3 = {"V": 129280, "D": 7168, "L": 61, "H": 128, "q_rank": 1536, "kv_rank": 512, "nope": 128, "rope": 64, "v": 128,
      "attention_norms": 2048, "n_dense": 3, "F": 18432, "E": 256, "k": 8, "S": 1, "F_expert": 2048, "bytes": 2}  # fmt: skip
OLMOE = {"V": 50304, "D": 2048, "L": 16, "H": 16, "K": 16, "C": 128, "attention_norms": 4096, "n_dense": 0, "F": 1024,
         "E": 64, "k": 8, "S": 0, "F_expert": 1024, "bytes": 2}  # fmt: skip
QWEN3 = {"V": 151936, "D": 2048, "L": 48, "H": 32, "K": 4, "C": 128, "attention_norms": 256, "n_dense": 0, "F": 6144,
         "E": 128, "k": 8, "S": 0, "F_expert": 768, "bytes": 1}  # fmt: skip
for name, config, total, active, cached in [
    ("DeepSeek-V3", V3, 671_026_404_352, 37_552_282_624, 70_272),
    ("OLMoE-1B-7B", OLMOE, 6_919_161_856, 1_282_017_280, 131_072),
    ("Qwen3-30B-A3B", QWEN3, 30_532_122_624, 3_353_032_704, 49_152),
]:
    # variant: if ROUTER_BIAS
    biases = (config["L"] - config["n_dense"]) * config["E"]
    total, active = total + biases, active + biases
    # variant: endif
    # variant: if EMBEDDING != "all"
    active -= config["D"] * config["V"]
    # variant: endif
    # variant: if EMBEDDING == "row"
    active += config["D"]
    # variant: endif
    out = count_moe(dict(config))
    assert out["total"] == total, f"{name} has {total:,} parameters, you count {out['total']:,}"
    assert out["active"] == active, f"{name}: {active:,} work on a token, you count {out['active']:,}"
    assert out["cache_bytes"] == cached, f"{name} caches {cached:,} bytes per token, you count {out['cache_bytes']:,}"
    assert all(type(number) is int for number in out.values()), f"{name}: counts are whole numbers, so ints"
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "olmoe-trap-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Your function knows DeepSeek-V3 now. The next cell earns nothing: it counts V3, answers the guess, and shows a trap.
# OLMoE-1B-7B's file on the hub says `intermediate_size: 1024`. The default of the class
# that reads it is 2048, and a config that was written by hand from the other numbers takes it in silence. Would you have
# noticed? OLMoE's makers say 6.9 billion in all and 1.3 active<< "" if EMBEDDING == "all" else ", with the whole embedding" >>.

# %% nbgrader={"grade": false, "grade_id": "olmoe-trap", "locked": true, "schema_version": 3, "solution": false, "task": false}
DEEPSEEK_V3 = {
    "V": 129280, "D": 7168, "L": 61, "H": 128, "q_rank": 1536, "kv_rank": 512, "nope": 128, "rope": 64, "v": 128,
    "attention_norms": 2048, "n_dense": 3, "F": 18432, "E": 256, "k": 8, "S": 1, "F_expert": 2048, "bytes": 2,
}  # fmt: skip
MIXTRAL = {
    "V": 32000, "D": 4096, "L": 32, "H": 32, "K": 8, "C": 128, "attention_norms": 0,
    "n_dense": 0, "F": 0, "E": 8, "k": 2, "S": 0, "F_expert": 14336, "bytes": 2,
}  # fmt: skip
for model_name, config in (("DeepSeek-V3", DEEPSEEK_V3), ("Mixtral 8x7B", MIXTRAL)):
    counted = count_moe(dict(config))
    print(f"{model_name}: {counted['total']:,} parameters, {counted['active']:,} of them ", end="")
    print(f"({counted['active'] / counted['total']:.1%}) work on a token; {counted['cache_bytes']:,} bytes of cache per token")
OLMOE = {
    "V": 50304, "D": 2048, "L": 16, "H": 16, "K": 16, "C": 128, "attention_norms": 4096,
    "n_dense": 0, "F": 0, "E": 64, "k": 8, "S": 0, "F_expert": 1024, "bytes": 2,
}  # fmt: skip
for width in (1024, 2048):
    counted = count_moe({**OLMOE, "F_expert": width})
    print(f"experts {width} wide: {counted['total'] / 1e9:.2f} billion in all, {counted['active'] / 1e9:.2f} active")

# %% [markdown] nbgrader={"grade": false, "grade_id": "absorbed-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 7 · Attention inside the latent  (difficulty 5 of 5 · 22 minutes · 14 points)
#
# Latent attention caches one latent of `R` numbers per token instead of the keys and values of `H` heads. The lesson's
# class rebuilds all keys and values from it at every step. It need not. For one head, with the matrix `U` (`C × R`) that
# makes a key out of a latent:
#
# ```
# q · (U latent)  =  (Uᵀ q) · latent
# ```
#
# So the query can be carried into the latent space, **once**, and compared with what is cached. Likewise the values: a
# weighted sum of rebuilt values is the rebuilt weighted sum of latents. DeepSeek calls this the **absorbed** form.
#
# Write `absorbed`: what the heads give out for **one** new token, which looks at all `S` cached tokens. A head's score
# for a cached token is `(key part + rotary part) / sqrt(C + P)`: the key part as above, the rotary part the product of
# the head's turned query with the one rotary key that all heads share. The root is that of the **full key's** width.
# Here `C` is the width of a head's query without position, `P` that of its part with position, `W` that of a value, `R`
# that of a latent.
#
# | in | | out | |
# |---|---|---|---|
# | `q_HC` | queries, the part without position | `heads_HW` | each head's output, `W` channels |
# | `turned_HP` | queries, the part with position, already turned | | |
# | `latent_SR`, `rotary_SP` | what the cache holds, per token | | |
# | `key_up_HCR` | per head: latent → key | | |
# | `value_up_HWR` | per head: latent → value | | |
#
# **No tensor with `S*C` or `S*W` numbers or more may be made**: these are the rebuilt keys or values of a single head. The
# line `@metered` above your function meters it; leave it there. (`F.scaled_dot_product_attention` copies the latents once per head: do without it.)
#
# Worked example: `H = P = W = 1`, `C = 3`, `R = 2`. Query `[1, 0, 0]`, and `key_up` has the rows `[2 ln 3, 0]`, `[5, 5]`,
# `[5, 5]`: in the latent space the query is `[2 ln 3, 0]`. Two tokens with the latents `[1, 0]` and `[0, 1]`: scores
# `2 ln 3` and 0, plus a rotary part of 0, over `sqrt(3 + 1) = 2`: `ln 3` and 0. Weights 3/4 and 1/4, so the mixed latent
# is `[0.75, 0.25]`; with `value_up = [4, 8]` the head gives out 3 + 2 = 5.
#
# Before you write: DeepSeek-V3 has `C = 128`, `P = 64`, `R = 512`. In this form, how long are the vectors that are
# compared for each score, and how long were they before? What then is saved?
#
# *Stuck?* `hint("absorbed")`


# %% nbgrader={"grade": false, "grade_id": "absorbed", "locked": false, "schema_version": 3, "solution": true, "task": false}
@metered
def absorbed(
    q_HC: Tensor, turned_HP: Tensor, latent_SR: Tensor, rotary_SP: Tensor, key_up_HCR: Tensor, value_up_HWR: Tensor
) -> Tensor:
    """One token's latent attention, computed among the latents: no key and no value is rebuilt."""
    ### BEGIN SOLUTION
    inside_HR = torch.einsum("hc,hcr->hr", q_HC, key_up_HCR)
    scores_HS = inside_HR @ latent_SR.T + turned_HP @ rotary_SP.T
    weights_HS = (scores_HS * (q_HC.shape[1] + turned_HP.shape[1]) ** -0.5).softmax(dim=-1)
    return torch.einsum("hwr,hr->hw", value_up_HWR, weights_HS @ latent_SR)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "absorbed-visible", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
ln9 = 2 * math.log(3)
query, no_turn, two_latents = torch.tensor([[1.0, 0.0, 0.0]]), torch.zeros(1, 1), torch.eye(2)
key_up, value_up = torch.tensor([[[ln9, 0.0], [5.0, 5.0], [5.0, 5.0]]]), torch.tensor([[[4.0, 8.0]]])
out = absorbed(query, no_turn, two_latents, torch.tensor([[0.0], [ln9]]), key_up, value_up)
assert out is not None, "nothing came back: end your function with `return ...`"
assert hasattr(absorbed, "largest"), "the line `@metered` belongs above your function: put it back"
assert out.shape == (1, 1), f"one row per head, W numbers: expected (1, 1), got {tuple(out.shape)}"
said = round(out.item(), 3)
for width, what in ((3, "sqrt(C) or sqrt(R + P)"), (2, "sqrt(R)"), (1, "nothing")):
    share_0 = 1 / (1 + math.exp(-ln9 / width**0.5))
    assert said != round(8 - 4 * share_0, 3), f"scores are divided by {what}; a full key is C + P = 4 wide, so by 2"
assert said != 6, "6: both tokens count alike; is the softmax over the S tokens?"
assert said != 12, "12: the softmax ran over the heads; each head's weights over the S tokens sum to 1"
assert said == 5, f"worked example: expected 5, got {said}"
said = round(absorbed(query, no_turn + 1, two_latents, torch.tensor([[0.0], [ln9]]), key_up, value_up).item(), 3)
assert said != 5, "the rotary part of the score is missing: turned query times rotary key"
assert said == 6, f"a rotary part of [0, 2 ln 3] makes both scores equal, so 0.5 * 4 + 0.5 * 8 = 6; got {said}"
H, S, C, P, R, W = 4, 64, 8, 2, 3, 10
torch.manual_seed(SEED)
query, turned, latents, rotary = torch.randn(H, C), torch.randn(H, P), torch.randn(S, R), torch.randn(S, P)
key_up, value_up = torch.randn(H, C, R), torch.randn(H, W, R)
out = absorbed(query, turned, latents, rotary, key_up, value_up)
largest = absorbed.largest
keys = torch.cat((torch.einsum("hcr,sr->hsc", key_up, latents), rotary.expand(H, S, P)), dim=-1)
values = torch.einsum("hwr,sr->hsw", value_up, latents)
expected = F.scaled_dot_product_attention(torch.cat((query, turned), -1)[:, None], keys, values)[:, 0]
assert out.shape == (H, W), f"H=4, W=10: expected (4, 10), got {tuple(out.shape)}"
assert not same(out, expected.mean(0).expand(H, W), 1e-3), "all heads give out the same: the mean over heads"
assert same(out, expected, 1e-3), (
    "random case: not what rebuilt keys and values give with H=4, S=64, C=8, P=2, R=3, W=10; is each head's own matrix used?"
)
assert largest < S * C, (
    f"right, but a tensor of {largest} numbers was made. All rebuilt keys have {H * S * C}, those of one head {S * C}, "
    f"all latents once per head {H * S * R}; nothing larger is needed than the scores, {H * S}"
)

# %% nbgrader={"grade": true, "grade_id": "absorbed-hidden", "locked": true, "points": 9, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
import torch

torch.manual_seed(307)
for H, S, C, P, R, W in [(3, 50, 9, 3, 4, 8), (6, 120, 10, 3, 5, 12), (2, 90, 6, 2, 3, 8), (5, 1, 3, 2, 4, 3)]:
    q, turned, latent, rotary = torch.randn(H, C), torch.randn(H, P), torch.randn(S, R), torch.randn(S, P)
    key_up, value_up = torch.randn(H, C, R), torch.randn(H, W, R)
    out = absorbed(q, turned, latent, rotary, key_up, value_up)
    largest, what = absorbed.largest, f"H={H}, S={S}, C={C}, P={P}, R={R}, W={W}"
    no_q, no_turn, values = torch.zeros(H, C), torch.zeros(H, P), torch.einsum("hwr,sr->hsw", value_up, latent)
    if torch.allclose(absorbed(no_q, no_turn, latent, rotary, key_up, value_up), values.mean(1), atol=1e-4):
        plain = (torch.einsum("hc,hcr,sr->hs", q, key_up, latent) / (C + P) ** 0.5).softmax(-1)
        plain = torch.einsum("hs,hsw->hw", plain, values)
        if torch.allclose(absorbed(q, no_turn, latent, rotary, key_up, value_up), plain, atol=1e-4):
            where = f"with turned_HP = 0 your heads are right; with it, P={P}, they are not: look at the rotary part"
        else:
            where = f"with turned_HP = 0 it is wrong already: look at the key part, and at the root, sqrt(C + P) = sqrt({C + P})"
    else:
        where = f"with all scores 0 it is wrong already, where all {S} tokens count alike: look at the values, and at who counts"
    assert out.shape == (H, W), f"{what}: expected shape {(H, W)}, got {tuple(out.shape)}"
    for h in range(H):
        scores = [(q[h] @ (key_up[h] @ latent[s]) + turned[h] @ rotary[s]) / (C + P) ** 0.5 for s in range(S)]
        weights = torch.stack(scores).softmax(-1)
        expected = sum(weights[s] * (value_up[h] @ latent[s]) for s in range(S))
        said, right = ([round(number, 3) for number in row.tolist()] for row in (out[h], expected))
        assert torch.allclose(out[h], expected, atol=1e-4), f"{what}: head {h}: expected {right}, got {said}; {where}"
    if S > 1:
        limit = S * min(C, W)
        assert largest < limit, (
            f"{what}: right, but a tensor of {largest} numbers was made; {limit} are the rebuilt keys or values of one head"
        )
# Channels 0 and 1 of the query cancel, exactly; a key that is rebuilt there is larger than float32 can say.
q, turned, latent, rotary = torch.randn(2, 5), torch.randn(2, 3), torch.randn(30, 4), torch.randn(30, 3)
key_up, value_up = torch.randn(2, 5, 4), torch.randn(2, 6, 4)
q[:, 0], q[:, 1] = 1.0, -1.0
key_up[:, :2], key_up[:, 2:, 0], value_up[:, :, 0] = 0.0, 0.0, 0.0
key_up[:, :2, 0], latent[:, 0] = 2.0**120, 2.0**10
scores = torch.einsum("hc,hcr,sr->hs", q[:, 2:], key_up[:, 2:, 1:], latent[:, 1:]) + turned @ rotary.T
weights = (scores / 8**0.5).softmax(-1)
expected = torch.einsum("hs,hwr,sr->hw", weights, value_up[:, :, 1:], latent[:, 1:])
out = absorbed(q, turned, latent, rotary, key_up, value_up)
assert torch.allclose(out, expected, atol=1e-4), (
    "a case in which a rebuilt key is larger than float32 can say, and the query's part in the latent space is not: the heads "
    "are wrong, so keys are rebuilt"
)
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "absorbed-cost-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# What it saves in DeepSeek-V3, per layer and new token, with `S` tokens in the cache. The next cell earns nothing and
# counts a multiplication and an addition as 2 FLOP (floating-point operations). Rebuilding makes `S` keys and values of
# all heads; folding carries the query in and the mixed latent out.

# %% nbgrader={"grade": false, "grade_id": "absorbed-cost", "locked": true, "schema_version": 3, "solution": false, "task": false}
heads, channels, rotary_width, rank = 128, 128, 64, 512
for cached_tokens in (128, 4096, 32768):
    rebuild = 2 * cached_tokens * rank * heads * 2 * channels
    compare_rebuilt = 2 * cached_tokens * heads * (channels + rotary_width + channels)
    fold = 2 * heads * 2 * channels * rank
    compare_latents = 2 * cached_tokens * heads * (rank + rotary_width + rank)
    print(f"S = {cached_tokens:6,}: rebuilt {(rebuild + compare_rebuilt) / 1e9:8.2f} GFLOP, ", end="")
    print(f"absorbed {(fold + compare_latents) / 1e9:5.2f} GFLOP")

# %% [markdown] nbgrader={"grade": false, "grade_id": "experts-read-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 8 · How many experts a batch wakes  (difficulty 2 of 5 · 8 minutes · 8 points)
#
# <% if STEP_TOKENS == 1 %>
# When a model writes, every step makes one token for each of `B` users, and must read from memory every weight that any
# <% else %>
# When a model writes, every step makes **<< STEP_TOKENS >> tokens** for each of `B` users (the next one, and << STEP_TOKENS - 1 >> that a small helper
# guessed before and that turn out to be right), and must read from memory every weight that any
# <% endif %>
# of these tokens needs, **once per step**. For a dense model that is everything, shared by << "`B`" if STEP_TOKENS == 1 else "`%d * B`" % STEP_TOKENS >> tokens. For a mixture it
# is everything but the experts that no token of the batch chose. Write `experts_read`, under the assumption that each
# token picks `k` different experts of the `E`, all sets of `k` equally likely, each token independently of the others.
#
# | in | | out: dict | |
# |---|---|---|---|
# <% if STEP_TOKENS == 1 %>
# | `E`, `k` | routed experts, experts per token | `"touched"` | float: how many different experts a batch of `B` tokens chooses **on average** |
# | `B` | tokens per step, one per user | `"bytes_per_token"` | float: bytes of weights read per **generated token**, on average |
# <% else %>
# | `E`, `k` | routed experts, experts per token | `"touched"` | float: how many different experts all tokens of a step choose **on average** |
# | `B` | users, each with << STEP_TOKENS >> tokens per step | `"bytes_per_token"` | float: bytes of weights read per **generated token**, on average |
# <% endif %>
# | `expert_bytes` | bytes of one routed expert | | |
# | `other_bytes` | bytes of all other weights | | |
#
# Worked example: `E = 4`, `k = 1`, `B = 3`, 100 bytes per expert, 50 others. One token leaves a given expert alone with
# <% if STEP_TOKENS == 1 %>
# probability 3/4, three tokens with (3/4)³ = 27/64. So 4 × (1 - 27/64) = 2.3125 experts are touched; a step reads
# 50 + 231.25 bytes for three tokens: 93.75 bytes per token.
# <% else %>
# <% set tokens = 3 * STEP_TOKENS %>
# <% set touched = 4 * (1 - 0.75**tokens) %>
# probability 3/4, and << tokens >> tokens with (3/4) to the power of << tokens >>, which is << "%.4f" % 0.75**tokens >>. So 4 × (1 - << "%.4f" % 0.75**tokens >>) = << "%.4f" % touched >> experts
# are touched; a step reads 50 + << "%.2f" % (100 * touched) >> bytes for << tokens >> tokens: << "%.3f" % ((50 + 100 * touched) / tokens) >> bytes per token (all rounded).
# <% endif %>
#
# Before you write: DeepSeek-V3 has 256 experts and picks 8. About how many users does it take until nearly all experts
# are read in every step: 32, 100, 1,000?
#
# *Stuck?* `hint("experts-read")`


# %% nbgrader={"grade": false, "grade_id": "experts-read", "locked": false, "schema_version": 3, "solution": true, "task": false}
def experts_read(E: int, k: int, B: int, expert_bytes: float, other_bytes: float) -> dict[str, float]:
    """Experts that a batch touches on average, and weight bytes read per generated token."""
    ### BEGIN SOLUTION
    # variant: if STEP_TOKENS == 1
    touched = E * (1 - (1 - k / E) ** B)
    return {"touched": touched, "bytes_per_token": (other_bytes + touched * expert_bytes) / B}
    # variant: else
    n_tokens = STEP_TOKENS * B
    touched = E * (1 - (1 - k / E) ** n_tokens)
    return {"touched": touched, "bytes_per_token": (other_bytes + touched * expert_bytes) / n_tokens}
    # variant: endif
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "experts-read-visible", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
out = experts_read(4, 1, 3, 100, 50)
assert out is not None, "nothing came back: end your function with `return ...`"
assert set(out) == {"touched", "bytes_per_token"}, f"the dict needs 'touched' and 'bytes_per_token', got {sorted(out)}"
touched, read = out["touched"], out["bytes_per_token"]
# variant: if STEP_TOKENS == 1
assert touched != 3, "3 touched: that is k * B, but two tokens may choose the same expert"
assert touched != 2, "2 touched: an average is not rounded"
assert touched != 1.6875, "1.6875 is how many experts are left alone"
assert touched != 0.0625, "0.0625 is how many experts all three tokens choose; wanted is chosen by at least one"
assert abs(touched - 2.3125) < 1e-9, f"worked example: expected 2.3125 touched, got {touched!r}"
assert abs(read - 281.25) > 1e-6, "281.25 bytes are read per step; a step makes B tokens"
assert abs(read - 127.0833) > 1e-3, "the other weights too are read once per step and shared by its B tokens"
assert abs(read - 247.9167) > 1e-3, "the experts' bytes too are read once per step and shared by its B tokens"
assert abs(read - 77.0833) > 1e-3, "the other weights are missing"
assert abs(read - 93.75) < 1e-9, f"worked example: expected 93.75 bytes per token, got {read!r}"
touched = experts_read(4, 2, 2, 100, 50)["touched"]
assert abs(touched - 2.734375) > 1e-9, (
    "k = 2: counted as four picks that may coincide; the two experts of one token are always different"
)
assert abs(touched - 1.75) > 1e-9, "1.75: that is k = 1; a token leaves an expert alone with probability 1 - k / E"
assert abs(touched - 3) < 1e-9, f"E = 4, k = 2, B = 2: 4 * (1 - (1/2)²) = 3 touched, got {touched!r}"
read = experts_read(4, 2, 2, 100, 50)["bytes_per_token"]
assert abs(read - 87.5) > 1e-6, "87.5: divided by B * k; a step makes B tokens, however many experts each has"
# variant: else
alone = 0.75 ** (3 * STEP_TOKENS)
assert abs(touched - 2.3125) > 1e-9, (
    f"2.3125 touched: that is one token for each user; in this version of the exercise a step makes {STEP_TOKENS}"
)
assert touched not in (3 * STEP_TOKENS, 4), (
    f"{touched:g} touched: two tokens may choose the same expert; and an average is not rounded"
)
assert touched != 3, "3 touched: that is one expert for each user, or an average that was rounded"
assert abs(touched - 4 * alone) > 1e-9, f"{4 * alone:.4f} is how many experts are left alone"
assert abs(touched - 4 * 0.25 ** (3 * STEP_TOKENS)) > 1e-12, (
    "that is how many experts all tokens choose; wanted is chosen by at least one"
)
right = 4 * (1 - alone)
assert abs(touched - right) < 1e-9, f"worked example: expected {right:.6f} touched, got {touched!r}"
step, n_tokens = 50 + 100 * right, 3 * STEP_TOKENS
assert abs(read - step) > 1e-6, f"{step:.2f} bytes are read per step; a step makes {STEP_TOKENS} * B tokens"
assert abs(read - step / 3) > 1e-6, (
    f"{step / 3:.3f}: divided by the 3 users; in this version of the exercise each gets {STEP_TOKENS} tokens per step"
)
assert abs(read - 50 - 100 * right / n_tokens) > 1e-3, "the other weights too are shared by all tokens of a step"
assert abs(read - 100 * right - 50 / n_tokens) > 1e-3, "the experts' bytes too are shared by all tokens of a step"
assert abs(read - 100 * right / n_tokens) > 1e-3, "the other weights are missing"
assert abs(read - step / n_tokens) < 1e-9, (
    f"worked example: expected {step / n_tokens:.6f} bytes per token, got {read!r}"
)
touched, read = (experts_read(4, 2, 2, 100, 50)[key] for key in ("touched", "bytes_per_token"))
assert abs(touched - 4 * (1 - 0.75 ** (4 * STEP_TOKENS))) > 1e-9, (
    "k = 2: counted as picks that may all coincide; the two experts of one token are always different"
)
assert abs(touched - 4 * (1 - 0.75 ** (2 * STEP_TOKENS))) > 1e-9, (
    f"{touched:.4f}: that is k = 1; a token leaves an expert alone with probability 1 - k / E"
)
right = 4 * (1 - 0.5 ** (2 * STEP_TOKENS))
assert abs(touched - right) < 1e-9, f"E = 4, k = 2, B = 2: expected {right} touched, got {touched!r}"
half = (50 + 100 * right) / (4 * STEP_TOKENS)
assert abs(read - half) > 1e-6, f"{half:.4f}: divided by k too; a token is one token, with all its experts"
# variant: endif
# 4 * (1 - 0.25) = 3 experts for two tokens. A step makes STEP_TOKENS for each user, << STEP_TOKENS >> in this version of the exercise.
right = (50 + 400 * (1 - 0.25**STEP_TOKENS)) / (2 * STEP_TOKENS)
assert abs(read - right) < 1e-9, f"E = 4, k = 2, B = 2: expected {right:g} bytes per token, got {read!r}"

# %% nbgrader={"grade": true, "grade_id": "experts-read-hidden", "locked": true, "points": 5, "schema_version": 3, "solution": false, "task": false}
### BEGIN HIDDEN TESTS
from math import comb

for E, k, B, expert_bytes, other_bytes in [
    (5, 2, 3, 7, 11),
    (4, 3, 2, 10, 0),
    (6, 1, 4, 3, 100),
    (3, 3, 2, 2, 5),
    (5, 2, 1, 9, 1),
]:
    chance = {0: 1.0}  # of each number of touched experts, token after token
    for _ in range(B * STEP_TOKENS):
        after = dict.fromkeys(range(E + 1), 0.0)
        for old, p in chance.items():
            for new in range(k + 1):  # of the token's k experts, those that nobody chose before
                if ways := comb(E - old, new) * comb(old, k - new):
                    after[old + new] += p * ways / comb(E, k)
        chance = after
    expected = sum(size * p for size, p in chance.items())
    out = experts_read(E, k, B, expert_bytes, other_bytes)
    what = f"E={E}, k={k}, B={B}"
    assert abs(out["touched"] - expected) < 1e-9, (
        f"{what}: expected {expected:.6g} experts touched on average, got {out['touched']:.6g}"
    )
    read = (other_bytes + expected * expert_bytes) / (B * STEP_TOKENS)
    assert abs(out["bytes_per_token"] - read) < 1e-9, (
        f"{what}, {expert_bytes} bytes per expert, {other_bytes} others: {expected:.6g} touched is right, but expected "
        f"{read:.6g} bytes per token, got {out['bytes_per_token']:.6g}"
    )
### END HIDDEN TESTS

# %% [markdown] nbgrader={"grade": false, "grade_id": "compare-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# Now put it to work. The next cell earns nothing. It compares DeepSeek-V3 with two dense models that do not exist: one
# with as many parameters as V3 uses on each token, and one with as many as V3 has. Every parameter takes 1 byte (V3 was
# published in 8 bits), and a dense model reads all of them in each step. Left out: the cache, which each user reads for
# himself, routers that are less even than assumed, and that of the input embedding only one row per token is read.<< "" if STEP_TOKENS == 1 else " All three make %d tokens per step and user." % STEP_TOKENS >>

# %% nbgrader={"grade": false, "grade_id": "compare", "locked": true, "schema_version": 3, "solution": false, "task": false}
V3_TOTAL, V3_ACTIVE = 671_026_404_352, 37_552_282_624
V3_EXPERT = 58 * 3 * 7168 * 2048  # routed expert number e of all 58 layers that have experts
V3_OTHER = V3_TOTAL - 256 * V3_EXPERT
print("                           DeepSeek-V3   dense, 37.6 billion   dense, 671 billion")
print(f"memory for weights, GB     {V3_TOTAL / 1e9:11.1f}   {V3_ACTIVE / 1e9:19.1f}   {V3_TOTAL / 1e9:18.1f}")
print(
    f"GFLOP per token, 2 * N     {2 * V3_ACTIVE / 1e9:11.1f}   {2 * V3_ACTIVE / 1e9:19.1f}   {2 * V3_TOTAL / 1e9:18.1f}"
)
print("GB of weights read per generated token:")
for users in (1, 8, 32, 64, 100, 512):
    moe = experts_read(256, 8, users, V3_EXPERT, V3_OTHER)
    small, large = (total / (users * STEP_TOKENS) / 1e9 for total in (V3_ACTIVE, V3_TOTAL))
    print(
        f"  {users:3} users                {moe['bytes_per_token'] / 1e9:11.2f}   {small:19.2f}   {large:18.2f}", end=""
    )
    print(f"   ({moe['touched']:.1f} of 256 experts)")

# %% [markdown] nbgrader={"grade": false, "grade_id": "moe-question-text", "locked": true, "schema_version": 3, "solution": false, "task": false}
# ## 9 · In your own words  (difficulty 2 of 5 · 9 minutes · 11 points)
#
# A colleague says: "A mixture of experts is better than a dense model." Take the table above. In four to six sentences:
# against which of the two dense models, and on which **axis** (memory, computation per token, bytes read per token with
# few users, with many users), is V3 better, equal or worse? Use at least two numbers from the table. Then say what the
# table cannot tell you about "better", and which comparison you would run to find it out. Your instructor reads this one;
# the check cannot.

# %% [markdown] nbgrader={"grade": true, "grade_id": "moe-question", "locked": false, "points": 11, "schema_version": 3, "solution": true, "task": false}
# Against a dense model of 37.6 billion parameters V3 costs the same computation per token (75.1 GFLOP) and needs 18 times
# <% set expert, all = 2.554331136, 671.026404352 %>
# <% set awake = 256 * (1 - (1 - 8 / 256) ** (64 * STEP_TOKENS)) %>
# <% set read_64 = (all - (256 - awake) * expert) / (64 * STEP_TOKENS) %>
# <% set small_64, all_512 = 37.552282624 / (64 * STEP_TOKENS), all / (512 * STEP_TOKENS) %>
# <% set awake_1 = 256 * (1 - (1 - 8 / 256) ** STEP_TOKENS) %>
# <% set read_1 = "%.1f" % ((all - (256 - awake_1) * expert) / STEP_TOKENS) %>
# <% if STEP_TOKENS == 1 %>
# the memory (671 GB against 37.6 GB). With one user both read << read_1 >> GB per token; with 64 users V3 reads << "%.2f" % read_64 >> GB and the
# <% else %>
# the memory (671 GB against 37.6 GB). With one user V3 reads << read_1 >> GB per token and the small model << "%.1f" % (37.552282624 / STEP_TOKENS) >> GB, for
# the << STEP_TOKENS >> tokens of a step wake << "%.0f" % awake_1 >> experts and not 8; with 64 users V3 reads << "%.2f" % read_64 >> GB and the
# <% endif %>
# small model << "%.2f" % small_64 >> GB, because << 64 * STEP_TOKENS >> tokens wake << "%.0f" % awake >> of the 256 experts. Against a dense model of 671 billion V3 needs the same
# <% if STEP_TOKENS == 1 %>
# memory and an eighteenth of the computation (75 against 1,342 GFLOP); with one user it also reads an eighteenth of the
# bytes, but with 512 users this advantage is gone, for both read all the weights in each step (<< "%.2f" % all_512 >> GB per token). So "better" holds
# <% else %>
# memory and an eighteenth of the computation (75 against 1,342 GFLOP); with one user it also reads << read_1 >> GB in place of
# << "%.1f" % (all / STEP_TOKENS) >>, but with 512 users this advantage is gone, for both read all the weights in each step (<< "%.2f" % all_512 >> GB per token). So "better" holds
# <% endif %>
# for computation at equal memory, not for memory at equal computation. The table has no column for quality: it does not
# say which loss or which benchmark results the three reach. I would train the three on the same tokens, and again for the
# same computation, and compare their loss on held-out text, with several seeds, on recall and reasoning tasks separately.
#
# === BEGIN MARK SCHEME ===
# 3 points: against the small dense model: equal computation per token, far more memory. Numbers from the table.
# 3 points: against the large dense model: equal memory, far less computation. Numbers from the table.
# 2 points: bytes read depend on the number of users: few users wake few experts, many users wake nearly all.
# 3 points: says that quality is not in the table, and names a fair comparison: same tokens or same computation, held out.
# === END MARK SCHEME ===
