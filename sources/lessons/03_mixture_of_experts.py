# %% [markdown]
# # 03 · Mixture of experts: many parameters, few at work
#
# **By the end you will have shown that** a mixture of experts beats a dense model of the same cost per token by far
# when there are facts to store, and by a few points at most when there is nothing to store and something to work out.
# You will also have counted from the config that DeepSeek-R1 has 671,026,404,352 parameters, of which 37,552,282,624 work on
# each token, and that it keeps 70,272 bytes per token of context.
#
# **Price:** five to eight minutes of computing on two CPU cores, one evening of yours. On a GPU: not measured. Memory:
# about 2 GB.
#
# **You need:** lesson 01 (attention, SwiGLU, the KV cache) and the idea of a training loop (lesson 02).

# %% [markdown]
# ## It works, before any theory
#
# This is a model of 2.3 million parameters that was trained on Python's own source code, for a few minutes on one CPU
# core. Where lesson 01's layers had one feed-forward part, its two layers have **16 small ones**, called **experts**,
# and a **router** that sends each token to two of them. It writes something that looks like Python. Below, the number under
# each token says which expert of the second layer was its first choice.

# %%
import dataclasses
import time
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import display
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from racecourse.learn import plots
from racecourse.learn.ledger import ledger, settle
from racecourse.learn.tables import text_table
from racecourse.learn.widgets.routing import describe_routing
from racecourse.models import KVCache, MLAConfig, ModelConfig, MoEConfig, generate, load
from racecourse.models.layers import RMSNorm, SwiGLU, apply_rope, apply_rope_interleaved, yarn_mscale
from racecourse.models.moe import record_routing

device = session.device
writer, tokenizer = load("python-moe", device=device)
start = "def read_lines(path):\n    "
written = generate(writer, tokenizer, [start], max_new_tokens=60, temperature=0.5, top_k=20, seed=1)[0]
pieces = [tokenizer.decode([token_id]) for token_id in tokenizer.encode(start + written)]
with torch.no_grad(), record_routing(writer) as routings:
    writer(torch.tensor([tokenizer.encode(start + written)], device=device))
first_choice_LT = [routing.chosen_Nk[:, 0].tolist() for routing in routings]
plots.plot_routing(pieces, first_choice_LT[1], title="What a tiny mixture writes, and who takes which token (layer 1)")
plt.show()
print(describe_routing(pieces, first_choice_LT[1]))

# %%
print(start + written)

# %% [markdown]
# Choose the layer, and one expert to see alone. (On a page that only shows the notebook there is nothing below this
# cell; the figure above is its default state.) Do the experts divide the work by meaning, or by something simpler?

# %%
from racecourse.learn.widgets.routing import routing_explorer

display(routing_explorer(pieces, first_choice_LT, n_experts=16))

# %% [markdown]
# The idea has one sentence: **what a model knows is limited by all its parameters, what a token costs by those that work on
# it, and these two need not be the same number.** The rest of this lesson asks when that is true.
#
# **Letters for shapes**, beside those of lesson 01:
#
# | letter | what it counts | the model above | DeepSeek-R1 |
# |---|---|---|---|
# | `E` | experts in a layer | 16 | 256 |
# | `k` | experts that work on a token (`top_k`) | 2 | 8, and 1 shared |
# | `F` | width inside one expert | 172 | 2,048 |
# | `N` | tokens, batch and time in one line | | |
# | `M` | **slots**, one per token and chosen expert: `N * k` | | |

# %% [markdown]
# ## 1 · The router
#
# The router is one matrix: a row per expert. A token's vector times that matrix gives E **logits**; softmax or sigmoid
# makes **scores** between 0 and 1 of them; the `k` best experts are chosen, and the score of each is the weight of its
# result in the sum. Three details differ between models, and are options here: which function makes the scores, whether the
# k weights are divided by their sum, and whether a **selection bias** is added before the choice (section 4).


# %%
class Routing(NamedTuple):
    """Where one layer sends its tokens, and why."""

    weights_Nk: Float[Tensor, "N k"]  # of the chosen experts' results
    chosen_Nk: Int[Tensor, "N k"]  # which experts
    scores_NE: Float[Tensor, "N E"]  # of all experts: softmax or sigmoid of the logits, without bias
    logits_NE: Float[Tensor, "N E"]


def keep_best_groups(ranking_NE: Float[Tensor, "N E"], n_groups: int, top_k_groups: int) -> Float[Tensor, "N E"]:
    """Minus infinity for every expert outside the best groups; a group is as good as its two best experts together.

    DeepSeek-V3 (arXiv 2412.19437, section 2.1.2) limits each token to few groups, so to few machines.
    """
    by_group = ranking_NE.unflatten(-1, (n_groups, -1))
    group_scores = by_group.topk(2, dim=-1).values.sum(-1)
    best = group_scores.topk(top_k_groups, dim=-1).indices
    keep = torch.zeros_like(group_scores, dtype=torch.bool).scatter(-1, best, True)
    return by_group.masked_fill(~keep[..., None], float("-inf")).flatten(-2)


class Router(nn.Module):
    """Scores every expert for every token; keeps the best `top_k` and their weights."""

    bias: Tensor  # a buffer: moved by `update_bias` in training, not by gradients

    def __init__(self, moe: MoEConfig, d_model: int) -> None:
        super().__init__()
        self.moe = moe
        self.weight = nn.Parameter(torch.empty(moe.n_experts, d_model))
        if moe.selection_bias:
            self.register_buffer("bias", torch.zeros(moe.n_experts))

    def forward(self, x_ND: Float[Tensor, "N D"]) -> Routing:
        """Weights and indices of the chosen experts. The choice may be biased; the weights never are."""
        with torch.autocast(x_ND.device.type, enabled=False):  # float32: near ties decide which expert wins
            logits_NE = F.linear(x_ND.float(), self.weight.float())
        scores_NE = logits_NE.softmax(-1) if self.moe.scores == "softmax" else logits_NE.sigmoid()
        ranking_NE = scores_NE + self.bias if self.moe.selection_bias else scores_NE
        if self.moe.n_groups > 1:
            ranking_NE = keep_best_groups(ranking_NE, self.moe.n_groups, self.moe.top_k_groups)
        chosen_Nk = ranking_NE.topk(self.moe.top_k, dim=-1).indices
        weights_Nk = scores_NE.gather(-1, chosen_Nk)
        if self.moe.normalise_weights:
            weights_Nk = weights_Nk / (weights_Nk.sum(-1, keepdim=True) + 1e-20)
        return Routing(weights_Nk * self.moe.weight_scale, chosen_Nk, scores_NE, logits_NE)


# %% [markdown]
# `keep_best_groups` belongs to DeepSeek-V3, whose 256 experts stand on several machines: a token may use experts of four
# of the eight groups only, so that it travels less.
#
# **Guess first:** with one expert per token and weights divided by their sum, what does the router learn from the loss?
# Write one word.

# %%
guess_gradient = None

# %%
torch.manual_seed(0)
x_ND = torch.randn(6, 16)
for normalise in (False, True):
    router = Router(MoEConfig(4, top_k=1, d_expert=8, layers=(0,), normalise_weights=normalise), d_model=16)
    nn.init.normal_(router.weight, std=0.5)
    routing = router(x_ND)
    routing.weights_Nk.sum().backward()
    print(f"divided by their sum: {normalise!s:5}  experts {routing.chosen_Nk[:, 0].tolist()}  "
          f"weights {[round(w, 2) for w in routing.weights_Nk[:, 0].tolist()]}  "
          f"largest gradient of the router {router.weight.grad.abs().max():.1e}")  # fmt: skip
print("your guess:", guess_gradient)

# %% [markdown]
# Nothing. A single weight divided by itself is 1, whatever the router says, so its gradient is zero up to rounding. The choice itself has no gradient
# either: it is a sorting, not a number. The router learns **only through the weights**. Mixtral normalises, and has two
# experts per token; Switch Transformer has one, and does not normalise.

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("how-a-choice-is-learned")

# %% [markdown]
# ## 2 · The experts
#
# Each expert is a SwiGLU like lesson 01's, only smaller. No token is dropped, so one expert may get many tokens and another
# none. To work in few large matrix multiplies, sort the slots by expert: then each expert's rows lie together. The weighted
# results are added back to where their tokens came from.
#
# The package's class `Experts` does the same with less memory, and with gradients that are written by hand, because autograd makes one zero tensor
# of the size of all experts for every single expert. It is what is trained below; here is the same sum, plainly:


# %%
class SortedExperts(nn.Module):
    """E SwiGLU experts, their matrices stacked. Slots are sorted by expert, so that each works on one block of rows."""

    def __init__(self, n_experts: int, d_model: int, d_expert: int) -> None:
        super().__init__()
        self.gate_up = nn.Parameter(torch.empty(n_experts, 2 * d_expert, d_model))
        self.down = nn.Parameter(torch.empty(n_experts, d_model, d_expert))

    def forward(
        self, x_ND: Float[Tensor, "N D"], weights_Nk: Float[Tensor, "N k"], chosen_Nk: Int[Tensor, "N k"]
    ) -> Float[Tensor, "N D"]:
        slot_M = chosen_Nk.flatten().argsort(stable=True)  # slots of expert 0 first, then those of expert 1, ...
        token_M = slot_M // chosen_Nk.shape[1]  # whose token it is
        sizes = chosen_Nk.flatten().bincount(minlength=len(self.gate_up)).tolist()
        results = []
        for rows, gate_up, down in zip(x_ND[token_M].split(sizes), self.gate_up, self.down, strict=True):
            gate, up = (rows @ gate_up.T).chunk(2, dim=-1)
            results.append((F.silu(gate) * up) @ down.T)
        weighted_MD = torch.cat(results) * weights_Nk.flatten()[slot_M, None]
        return torch.zeros_like(x_ND).index_add(0, token_M, weighted_MD)


# %%
from racecourse.models.moe import Experts


class MoE(nn.Module):
    """Routed experts, plus the shared ones that every token passes through."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        moe = config.moe
        assert moe is not None
        self.router = Router(moe, config.d_model)
        self.experts = Experts(moe.n_experts, config.d_model, moe.d_expert)
        self.shared = SwiGLU(config.d_model, moe.n_shared * moe.d_expert) if moe.n_shared else None

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        x_ND = x.reshape(-1, x.shape[-1])
        routing = self.router(x_ND)
        out = self.experts(x_ND, routing.weights_Nk, routing.chosen_Nk).view_as(x)
        return out if self.shared is None else out + self.shared(x)


# %% [markdown]
# A **shared** expert works on every token, beside those that the router picks. In the code it is a plain SwiGLU.
#
# ### Two witnesses
#
# Does the sorting put every result where it belongs? First against a loop that takes token by token; then against the
# class of Mixtral in `transformers`, with the same weights.


# %%
def one_by_one(moe: MoE, x_ND: Tensor) -> Tensor:
    """The same sum, written as slowly and plainly as possible."""
    routing, out_ND = moe.router(x_ND), torch.zeros_like(x_ND)
    for n, x_D in enumerate(x_ND):
        for weight, e in zip(routing.weights_Nk[n], routing.chosen_Nk[n], strict=True):
            gate, up = (moe.experts.gate_up[e] @ x_D).chunk(2)
            out_ND[n] += weight * (moe.experts.down[e] @ (F.silu(gate) * up))
    return out_ND


import transformers

transformers.logging.set_verbosity_error()
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

their_config = transformers.MixtralConfig(
    hidden_size=32, intermediate_size=24, num_local_experts=8, num_experts_per_tok=2
)
theirs = MixtralSparseMoeBlock(their_config).eval()
our_config = ModelConfig("mixtral", vocab_size=10, d_model=32, n_layers=1, n_heads=2, n_kv_heads=2, head_dim=16, d_ff=24,
                         max_context=8, moe=MoEConfig(8, top_k=2, d_expert=24, layers=(0,)))  # fmt: skip
mine = MoE(our_config)
for ours, other in zip(
    mine.parameters(), (theirs.gate.weight, theirs.experts.gate_up_proj, theirs.experts.down_proj), strict=True
):
    nn.init.normal_(other, std=0.3)
    ours.data.copy_(other)
x_BTD = torch.randn(3, 5, 32)
plain = SortedExperts(8, d_model=32, d_expert=24)
plain.load_state_dict(mine.experts.state_dict())
routing, x_ND = mine.router(x_BTD.flatten(0, 1)), x_BTD.flatten(0, 1)
gaps = {
    "SortedExperts": (mine.experts(x_ND, *routing[:2]) - plain(x_ND, *routing[:2])).abs().max().item(),
    "token by token": (mine(x_BTD).flatten(0, 1) - one_by_one(mine, x_BTD.flatten(0, 1))).abs().max().item(),
    "transformers' Mixtral": (mine(x_BTD) - theirs(x_BTD)).abs().max().item(),
}
print(f"values reach {mine(x_BTD).abs().max():.2f}; largest difference from",
      ", from ".join(f"{name}: {gap:.1e}" for name, gap in gaps.items()))  # fmt: skip

# %% [markdown]
# **Expected:** all three below 0.0001.
#
# ## 3 · The contest
#
# Five models of the same depth, on the same data in the same order:
#
# * **dense**: lesson 01's transformer, very small;
# * **MoE 8, top-1**: 8 experts, each as large as the dense feed-forward part; one works on each token;
# * **MoE 16, top-2**: the same cut finer, 16 experts of half the width, two at work ("fine-grained");
# * **wide feed-forward**: the dense model with a feed-forward part 8 times as wide, which is the mixture without a router:
#   every parameter works on every token;
# * **wide dense**: every width grown, that of the residual stream and of attention too, until it has as many parameters in
#   all as the mixtures.
#
# And a sixth run, **dense, longer**: the dense model for 1.3 times the steps, which takes about as long as the mixture.
# So there are three fair comparisons: equal **active** FLOPs (dense against MoE), equal **total** parameters (MoE against
# the two wide ones), and equal **wall clock** (MoE against dense, longer).

# %%
from racecourse.scaling import count_parameters, flops_per_token
from racecourse.scaling.arms import (
    ARMS,
    COARSE,
    CONTESTS,
    DENSE,
    FINE,
    LONGER,
    SEEDS,
    WIDE,
    WIDE_FF,
    arm,
    compete,
    load_results,
    settings,
)

contests = dict(CONTESTS)
if session.quick:
    contests = {name: dataclasses.replace(c, training=dataclasses.replace(c.training, n_steps=40, warmup_steps=10, eval_every=20, eval_rows=128))
                for name, c in CONTESTS.items()}  # fmt: skip
rows = []
for name in ARMS:
    config = arm(name, contests["facts"])
    n = count_parameters(config)
    flops = flops_per_token(config, context=config.max_context, training=True)
    rows.append(
        [
            name,
            config.d_model,
            f"{n.total:,}",
            f"{n.active:,}",
            f"{flops / 1e6:.2f}",
            settings(name, contests["facts"], 0).n_steps,
        ]
    )
print(text_table(["model", "width D", "parameters", "active per token", "MFLOP per token, training", "steps"], rows))

# %% [markdown]
# ### Facts: something to store
#
# 10,000 made-up facts: a key of three symbols has a value of three symbols, all random. Nothing can be worked out, only
# remembered: 180,000 bits in all. A row counts as **recalled** when all three symbols of the value are right.
#
# **Guess first:** the dense model recalls about one fact in six at the end. How many does MoE 8, top-1 recall, with the same cost
# per token: one in six, one in three, or more than half?

# %%
guess_facts = None

# %%
live = {}
for name in ARMS:
    began = time.perf_counter()
    _, live["facts", name] = compete(name, contests["facts"], seed=0, log=None)
    last = live["facts", name].last
    print(
        f"{name:14} {last.seconds:5.0f} s  loss {last.loss:.3f}  symbols right {last.accuracy:6.1%}  facts recalled {last.exact:6.1%}"
    )
print("your guess:", guess_facts)


# %%
def draw(contest: str, y: str, ylabel: str, title: str) -> None:
    """The live run of every model, against steps and against seconds; beside it, thin, the shipped seeds."""
    _, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", sharey=True)
    for i, name in enumerate(ARMS):
        if (contest, name) not in live:
            continue
        history, style = live[contest, name], {"color": f"C{i}", "marker": "os^Dv*"[i], "markersize": 4}
        left.plot(history.column("step"), history.column(y), label=name, **style)
        right.plot(history.column("seconds"), history.column(y), **style)
        for seed in SEEDS[1:]:
            if (contest, name, seed) in shipped and not session.quick:
                other = shipped[contest, name, seed]
                left.plot(other.column("step"), other.column(y), color=f"C{i}", linewidth=0.8, linestyle="-", alpha=0.5)
    left.set(xlabel="steps", ylabel=ylabel, title=f"{title}: by steps")
    right.set(xlabel="seconds of training on this machine", title="the same, by the clock")
    left.legend(frameon=False, fontsize=9)
    plt.show()


shipped = load_results()
draw("facts", "exact", "share of the facts recalled", "10,000 facts")
print("Facts recalled at the end:", ", ".join(f"{name} {live['facts', name].last.exact:.0%}" for name in ARMS))

# %% [markdown]
# The thin lines are two more seeds, made before by the same code and shipped with the course (`racecourse.scaling.arms`;
# one CPU thread, so only their steps are drawn). With equal cost per token the mixture recalls several times as much as
# the dense model, and training the dense one longer does not close the gap. But look at the two **wide** ones too: with no
# more parameters than the mixture, all of them at work on every token, they recall nearly everything.


# %%
def spread(contest: str, name: str, field: str) -> str:
    """Mean of the seeds, and their range: seed 0 from this notebook, the others shipped."""
    values = [getattr(live[contest, name].last, field)] + [
        getattr(shipped[contest, name, seed].last, field) for seed in SEEDS[1:] if (contest, name, seed) in shipped
    ]
    return f"{sum(values) / len(values):.3f} ({min(values):.3f} to {max(values):.3f}, {len(values)} seeds)"


def table(contest: str) -> str:
    rows = []
    for name in ARMS:
        if (contest, name) in live:
            config, last = arm(name, contests[contest]), live[contest, name].last
            n, flops = count_parameters(config), flops_per_token(config, config.max_context, training=True)
            tokens = last.step * contests[contest].training.batch_size * contests[contest].corpus.context
            rows.append(
                [
                    name,
                    f"{n.active:,}",
                    f"{n.total:,}",
                    f"{flops * tokens / 1e12:.2f}",
                    f"{last.seconds:.0f}",
                    spread(contest, name, "exact"),
                    f"{last.loss:.3f}",
                ]
            )
    return text_table(["model", "active", "total", "TFLOP", "seconds here", "right: mean (range)", "loss here"], rows)


print(table("facts"))

# %% [markdown]
# ### A path: nothing to store, something to work out
#
# Now the opposite. A row lists edges out of a start and edges into a goal, in random order, and exactly one node has both: name it. The graph
# is new in every row, so there is nothing to remember; every edge must be compared with all others. Theory says that such
# a task needs **width** of the residual stream, and that experts cannot replace it (Jelassi et al. 2024 [1]).
#
# **Guess first:** order the four: dense, MoE 8, wide feed-forward, wide dense.

# %%
guess_path = None

# %%
for name in (DENSE, COARSE, WIDE_FF, WIDE) if not session.quick else (DENSE, COARSE):
    _, live["path", name] = compete(name, contests["path"], seed=0, log=None)
    last = live["path", name].last
    print(f"{name:14} {last.seconds:5.0f} s  loss {last.loss:.3f}  right {last.exact:6.1%}")
print(
    "your guess:", guess_path, "   chance: 1 in 64, or 1 in 8 for one that names any node with an edge from the start"
)
draw("path", "exact", "share of questions right", "Which node lies between?")
print(
    "Right at the end:",
    ", ".join(f"{name} {history.last.exact:.0%}" for (contest, name), history in live.items() if contest == "path"),
)
print()
print(table("path"))

# %% [markdown]
# Eight times the feed-forward parameters bring a few points at most, whether a router picks among them or all of them work:
# they hold what a token could look up, and there is nothing to look up. A wider residual stream changes all. The shipped
# seeds have all six runs. Compare the mixture with **dense, longer**, which takes about as long:


# %%
def recorded(contest: str) -> str:
    """The shipped runs of one contest at their end: all contestants, all seeds."""
    rows = []
    for name in ARMS:
        ends = [shipped[contest, name, seed].last.exact for seed in SEEDS]
        rows.append([name, len(ends), f"{sum(ends) / len(ends):.3f}", f"{min(ends):.3f} to {max(ends):.3f}"])
    return text_table([f"{contest}, shipped runs", "seeds", "right: mean", "range"], rows)


print(recorded("path"))

# %% [markdown]
# ### Looking up: nothing to store, little to work out
#
# A third task stands between: a row names eight pairs of a key and a value, new in every row, and then asks for the values of four of
# the keys. Attention alone can do that. These runs were all made before (shipped, three seeds, one CPU thread):

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained", sharey=True)
for seed, ax in zip(SEEDS, axes, strict=True):
    for name, marker in zip(ARMS, "os^Dv*", strict=True):
        history = shipped["lookup", name, seed]
        ax.plot(history.column("step"), history.column("accuracy"), marker=marker, markersize=3, label=name)
    ax.set(title=f"Looking up, seed {seed}", xlabel="steps")
axes[0].set(ylabel="share of the values right")
axes[2].legend(frameon=False, fontsize=8)
plt.show()
print(recorded("lookup"))
found = {name: sum(shipped["lookup", name, seed].last.accuracy > 0.9 for seed in SEEDS) for name in ARMS}
print("\nFound it within 800 steps:", ", ".join(f"{name} {n} of {len(SEEDS)}" for name, n in found.items()))

# %% [markdown]
# This is all or nothing: a model guesses among the values that it has seen (about one in six right), until two layers of attention
# find how to match a key with its earlier copy, and then it makes no more mistakes. The small dense model found it every time, the four
# larger ones in 5 of 12 runs, some of them as early. Nothing here is worth storing: more feed-forward parameters, routed or not,
# only made the find less certain. (One learning rate for all, chosen on other tasks; with another one the order among the large
# ones may change.)

# %% [markdown]
# ### Text: a little of both
#
# The model from the beginning has a dense twin of the same active size, `python-dense`, trained on the same tokens in the same order.
# Held-out files, one seed each, shipped:

# %%
from racecourse.scaling.corpora import python_corpus
from racecourse.scaling.training import evaluate

corpus = python_corpus(context=128)
held_out = corpus.evaluation(32 if session.quick else 512)
text_rows, text_loss = [], {}
for name in ("python-dense", "python-moe"):
    model, _ = load(name, device="cpu")
    n = count_parameters(model.config)
    text_loss[name], right, _ = evaluate(model, held_out)
    text_rows.append([name, f"{n.active:,}", f"{n.total:,}", f"{text_loss[name]:.3f}", f"{right:.1%}"])
print(
    text_table(["model", "active", "total", "loss on held-out files (nats per token)", "next token right"], text_rows)
)

# %% [markdown]
# On text the mixture is a little ahead of its twin, with five times the parameters and the same work per token. With one seed each, that
# says which way and not how far.
#
# ## 4 · Balance: why the router must be told to share
#
# An expert that gets more tokens learns faster; one that has learned more gets a higher score, and so more tokens. Let one
# expert have a head start: for the first steps, it takes every token. Then the router is free. Watch the load.
#
# Two cures. The **auxiliary loss** adds to the loss a number that is 1 when the load is even and E when one expert has
# everything. The **bias** of DeepSeek-V3 adds no loss at all: after every step, whoever had too much is made a little less likely
# to be chosen. And the **z-loss** keeps the logits from growing.


# %%
def expert_load(routing: Routing) -> Float[Tensor, "E"]:
    """The share of the N * k slots that each expert got: sums to 1, is 1/E everywhere when even."""
    n_experts = routing.logits_NE.shape[-1]
    return routing.chosen_Nk.flatten().bincount(minlength=n_experts) / routing.chosen_Nk.numel()


def balance_loss(routing: Routing) -> Float[Tensor, ""]:
    """E times the sum over experts of load and mean score: 1 when even, up to E / k when k experts take all.

    Switch Transformer (arXiv 2101.03961, equations 4 to 6); for k > 1 some divide the load by N instead of N * k, so
    theirs is k times ours. The load is a count without gradient: it is the scores of busy experts that are pushed down.
    Scores are first made to sum to 1 per token, as DeepSeek-V3 does with its sigmoids (arXiv 2412.19437, equations 17
    to 20); for softmax scores that changes nothing.
    """
    scores_NE = routing.scores_NE / routing.scores_NE.sum(-1, keepdim=True)
    load_E = expert_load(routing)
    return len(load_E) * (load_E * scores_NE.mean(0)).sum()


def z_loss(routing: Routing) -> Float[Tensor, ""]:
    """The mean over tokens of logsumexp(logits) squared, which keeps logits small (ST-MoE, arXiv 2202.08906, eq. 5)."""
    return routing.logits_NE.logsumexp(-1).square().mean()


@torch.no_grad()
def update_bias(router: Router, load_E: Float[Tensor, "E"], step_size: float) -> None:
    """Make idle experts a little easier to choose and busy ones harder: balance without a loss.

    DeepSeek-V3 (arXiv 2412.19437, section 2.1.2), once per training step, with a step of 0.001.

    Raises:
        ValueError: the router has no selection bias.
    """
    if not router.moe.selection_bias:
        raise ValueError("this router has no bias to update; build it with MoEConfig(selection_bias=True)")
    router.bias += step_size * torch.sign(1 / len(load_E) - load_E)


# %%
even = Routing(torch.ones(8, 1), torch.arange(8)[:, None] % 4, torch.full((8, 4), 0.25), torch.zeros(8, 4))
alone = Routing(
    torch.ones(8, 1),
    torch.zeros(8, 1, dtype=torch.long),
    torch.tensor([[1.0, 0, 0, 0]]).expand(8, 4),
    torch.zeros(8, 4),
)
print(
    f"4 experts, even: {balance_loss(even):.1f}; one has everything: {balance_loss(alone):.1f}; z-loss of logits 0: {z_loss(even):.2f} = (ln 4)²"
)

# %%
import copy

from racecourse.scaling import TrainConfig, train
from racecourse.scaling.arms import new_model
from racecourse.scaling.corpora import Domains

languages = Domains()  # six small languages over the same 48 symbols; section 5 comes back to them
experts = MoEConfig(8, top_k=1, d_expert=48, layers=(0, 1), normalise_weights=False, selection_bias=True)
config = ModelConfig("llama", languages.vocab_size, d_model=64, n_layers=2, n_heads=4, n_kv_heads=4, head_dim=16, d_ff=48,
                     max_context=languages.context, moe=experts)  # fmt: skip
steps = TrainConfig(n_steps=30 if session.quick else 240, batch_size=32, learning_rate=4e-3, weight_decay=0.0, warmup_steps=20,
                    schedule="constant", eval_every=10 if session.quick else 40, eval_rows=256, seed=1)  # fmt: skip
started = new_model(config, seed=0)
for layer in started.layers:
    layer.mlp.router.bias[0] = 10.0  # expert 0 takes everything ...
train(started, languages, dataclasses.replace(steps, n_steps=25 if session.quick else 100, seed=0), log=None)
for layer in started.layers:
    layer.mlp.router.bias.zero_()  # ... until here
cures = {"no balancing": {}, "auxiliary loss": {"balance_weight": 0.02}, "bias": {"bias_step": 0.02}}
balanced, models = {}, {}
for name, options in cures.items():
    models[name] = copy.deepcopy(started)
    balanced[name] = train(models[name], languages, dataclasses.replace(steps, **options), log=None)
    last = balanced[name].last
    print(f"{name:15} loss {last.loss:.3f}  largest load of layers 0 and 1: "
          f"{', '.join(f'{max(load):.0%}' for load in last.load)}  smallest: {', '.join(f'{min(load):.1%}' for load in last.load)}")  # fmt: skip
print("even would be 12.5 %")

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for i, (name, history) in enumerate(balanced.items()):
    axes[0].plot(
        history.column("step"), [100 * max(load[1]) for load in history.column("load")], marker="os^"[i], label=name
    )
    axes[1].plot(history.column("step"), history.column("loss"), marker="os^"[i], label=name)
axes[0].axhline(12.5, color="black", linestyle=":", linewidth=1, label="even")
axes[0].set(
    title="Load of the busiest expert, layer 1",
    xlabel="steps since the router was free",
    ylabel="share of the tokens (%)",
    ylim=(0, 100),
)
axes[1].set(
    title="Loss, same runs", xlabel="steps since the router was free", ylabel="loss on the languages (nats per token)"
)
axes[0].legend(frameon=False)
plt.show()
for name, history in balanced.items():
    loads = [max(load[1]) for load in history.column("load")]
    print(f"{name}: busiest expert {loads[0]:.0%} at first, {loads[-1]:.0%} at the end; loss {history.last.loss:.3f}")

# %% [markdown]
# Left alone, the favourite keeps far more than its share. The auxiliary loss pulls it down slowly, at the price of a second aim beside the
# loss; the bias evens the load quickly and leaves the loss alone. **What the skew costs is not seen in the loss here**: at this
# size a lopsided mixture predicts nearly as well. It is seen on the machine: when experts stand on many chips, all wait for the
# busiest one.
#
# Here is the load of every expert as the static figure, and then as an explorer (run, layer, step).

# %%
from racecourse.learn.widgets.expert_load import describe_load, expert_load_explorer

history = balanced["no balancing"]
load_SE = [load[1] for load in history.column("load")]
plots.plot_expert_load(history.column("step"), load_SE, title="Load of each expert, layer 1, no balancing")
plt.show()
print(describe_load(history.column("step"), load_SE))

# %%
display(expert_load_explorer(balanced))

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("bias-in-the-weights")

# %% [markdown]
# ## 5 · Do experts specialise?
#
# Those six languages share all their symbols: which language a row is in can only be told from what follows what. Does the
# balanced router send different languages to different experts?
#
# **Guess first:** yes or no?

# %%
guess_domains = None

# %%
with torch.no_grad(), record_routing(models["bias"]) as routings:
    rows = languages.evaluation(60 if session.quick else 1200)
    models["bias"](rows.ids_BT)
names = [f"language {d}" for d in range(languages.n_domains)]
figure, axes = plt.subplots(1, 2, figsize=(12, 3.6), layout="constrained")
maps = []
for layer, (ax, routing) in enumerate(zip(axes, routings, strict=True)):
    expert_BT = routing.chosen_Nk[:, 0].view(rows.ids_BT.shape).cpu()
    share_DE = torch.stack(
        [torch.bincount(expert_BT[d :: len(names), 8:].flatten(), minlength=8).float() for d in range(len(names))]
    )
    maps.append(share_DE / share_DE.sum(-1, keepdim=True))
    plots.plot_domain_map(maps[-1].tolist(), names, title=f"Layer {layer}: where each language's tokens go (%)", ax=ax)
plt.show()
away = [0.5 * (share_DE - share_DE.mean(0)).abs().sum(-1).mean().item() for share_DE in maps]
print(
    f"How far a language's shares are from the mean of all (0 the same, 1 apart): layer 0 {away[0]:.2f}, layer 1 {away[1]:.2f}"
)
print("your guess:", guess_domains)

# %% [markdown]
# The first eight tokens of a row are left out, while the language is still unknown. In both layers attention has already read the symbols before,
# so the choice can hang on the language, and it does, in the second layer more than in the first. Nobody asked the router for it. But these languages differ in
# nothing else; real texts do. In real models experts are found to follow tokens and syntax far more than subjects (Mixtral's report found no clear pattern by topic [2]; OLMoE, finer-grained, found some [3]).

# %% [markdown]
# ## 6 · The other half of DeepSeek's trick: a small cache
#
# Experts cut the cost of a token; they do nothing for the **cache** of keys and values, which grows with every token of
# context. **Multi-head latent attention** (MLA) keeps one narrow vector per token, the **latent**, and rebuilds the keys and values
# of all heads from it when they are needed. Position cannot pass through the latent, so a small rotary key goes beside it, shared
# by all heads. In the code `rope` is the part of a query or key that is turned, `nope` the part that is not. `q_rank` (a latent
# for queries, which nobody caches) and YaRN (which stretches the rotation over long texts) are options of DeepSeek-V3; you may
# pass over them.


# %%
from racecourse.models.attention import attend


class LatentAttention(nn.Module):
    """Attention whose keys and values pass through a narrow latent, which alone is cached."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        mla, D, H = config.mla, config.d_model, config.n_heads
        assert mla is not None
        self.mla, self.n_heads = mla, H
        q_width = H * (mla.nope_dim + mla.rope_dim)
        if mla.q_rank is None:
            self.q = nn.Linear(D, q_width, bias=False)
        else:
            self.q_down = nn.Linear(D, mla.q_rank, bias=False)
            self.q_norm = RMSNorm(mla.q_rank)  # both latents' norms keep eps = 1e-6 whatever the config's norm_eps
            self.q_up = nn.Linear(mla.q_rank, q_width, bias=False)
        self.kv_down = nn.Linear(D, mla.kv_rank + mla.rope_dim, bias=False)
        self.kv_norm = RMSNorm(mla.kv_rank)
        self.kv_up = nn.Linear(mla.kv_rank, H * (mla.nope_dim + mla.v_dim), bias=False)
        self.out = nn.Linear(H * mla.v_dim, D, bias=False)
        self.rotate = apply_rope_interleaved if mla.interleaved else apply_rope
        self.scale = (mla.nope_dim + mla.rope_dim) ** -0.5
        scaling = config.rope_scaling
        if scaling is not None and scaling.mscale_all_dim:  # DeepSeek moves YaRN's temperature into the scale
            self.scale *= yarn_mscale(scaling.factor, scaling.mscale_all_dim) ** 2

    def queries(self, x_BTD: Float[Tensor, "B T D"], rope: tuple[Tensor, Tensor]) -> Float[Tensor, "B H T C"]:
        q = self.q(x_BTD) if self.mla.q_rank is None else self.q_up(self.q_norm(self.q_down(x_BTD)))
        q_BHTC = q.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        nope, rotary = q_BHTC.split((self.mla.nope_dim, self.mla.rope_dim), dim=-1)
        return torch.cat((nope, self.rotate(rotary, *rope)), dim=-1)

    def latents(self, x_BTD: Float[Tensor, "B T D"], rope: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """What is cached: the latent (B, 1, T, kv_rank) and the shared rotary key (B, 1, T, rope_dim)."""
        latent, rotary = self.kv_down(x_BTD).split((self.mla.kv_rank, self.mla.rope_dim), dim=-1)
        return self.kv_norm(latent)[:, None], self.rotate(rotary[:, None], *rope)

    def rebuild(self, latent_B1SR: Tensor, rotary_B1SC: Tensor) -> tuple[Tensor, Tensor]:
        """Keys (B, H, S, nope + rope) and values (B, H, S, v) of every head, from what the cache holds."""
        kv_BHSC = self.kv_up(latent_B1SR[:, 0]).unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        nope, v_BHSC = kv_BHSC.split((self.mla.nope_dim, self.mla.v_dim), dim=-1)
        return torch.cat((nope, rotary_B1SC.expand(-1, self.n_heads, -1, -1)), dim=-1), v_BHSC

    def forward(
        self,
        x_BTD: Float[Tensor, "B T D"],
        rope: tuple[Tensor, Tensor],
        mask_BTS: Bool[Tensor, "#B T S"] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B T D"]:
        q_BHTC = self.queries(x_BTD, rope)
        latent, rotary = self.latents(x_BTD, rope)
        if cache is not None:
            latent, rotary = cache.append(layer, latent, rotary)
        k_BHSC, v_BHSC = self.rebuild(latent, rotary)
        heads_BHTC = attend(q_BHTC, k_BHSC, v_BHSC, mask_BTS, self.scale)
        return self.out(heads_BHTC.transpose(1, 2).flatten(2))


# %% [markdown]
# **Guess first:** DeepSeek-V3 has 61 layers and 128 heads, with 128 numbers in each key and each value. By which factor does MLA shrink the cache
# against keeping all keys and values?

# %%
guess_cache = None

# %%
deepseek_json = {
    "model_type": "deepseek_v3", "vocab_size": 129280, "hidden_size": 7168, "intermediate_size": 18432,
    "moe_intermediate_size": 2048, "num_hidden_layers": 61, "first_k_dense_replace": 3, "num_attention_heads": 128,
    "num_key_value_heads": 128, "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "n_group": 8,
    "topk_group": 4, "norm_topk_prob": True, "routed_scaling_factor": 2.5, "q_lora_rank": 1536, "kv_lora_rank": 512,
    "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128, "max_position_embeddings": 163840,
    "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
}  # fmt: skip
deepseek = ModelConfig.from_hf(deepseek_json)
latent = deepseek.n_layers * (deepseek.mla.kv_rank + deepseek.mla.rope_dim) * 2
all_heads = deepseek.n_layers * 128 * (128 + 128) * 2
one_token = KVCache(deepseek, batch_size=1, max_tokens=1, dtype=torch.bfloat16).n_bytes
print(
    f"61 layers x (512 + 64) numbers x 2 bytes = {latent:,} bytes per token; the cache object of one token has {one_token:,}"
)
print(
    f"keys and values of 128 heads: {all_heads:,} bytes, {all_heads / latent:.0f} times as much; your guess: {guess_cache}"
)

# %%
from racecourse.scaling import kv_bytes_per_token

others = {
    "QwQ-32B (8 key-value heads)": (64, 8, 128), "Qwen2.5-72B (8)": (80, 8, 128), "Llama-3.1-405B (8)": (126, 8, 128),
}  # fmt: skip
rows = [
    [
        "DeepSeek-V3 and R1 (MLA)",
        f"{kv_bytes_per_token(deepseek):,}",
        f"{kv_bytes_per_token(deepseek) * 32768 / 1e9:.1f}",
    ]
]
for name, (n_layers, n_kv_heads, head_dim) in others.items():
    n_bytes = 2 * n_layers * n_kv_heads * head_dim * 2
    rows.append([name, f"{n_bytes:,}", f"{n_bytes * 32768 / 1e9:.1f}"])
print(text_table(["model", "bytes per token, bfloat16", "GB for 32,768 tokens"], rows))

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("more-heads-same-latent")

# %% [markdown]
# The model with 671 billion parameters has the smallest cache of the four. DeepSeek's paper prints the same comparison: 70.272 KB against 327.680
# and 516.096 [4].
#
# ## 7 · 671 and 37 billion, counted

# %%
with torch.device("meta"):  # shapes without numbers
    their_deepseek = transformers.DeepseekV3ForCausalLM(
        transformers.DeepseekV3Config(**{key: value for key, value in deepseek_json.items() if key != "model_type"})
    )
r1 = count_parameters(deepseek)
meta_count = sum(p.numel() for p in their_deepseek.parameters())
print(r1.table())
print(f"\ntransformers' class on the meta device: {meta_count:,}")

# %%
published = {
    "Mixtral 8x7B": dict(model_type="mixtral", vocab_size=32000, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
                         num_attention_heads=32, num_key_value_heads=8, num_local_experts=8, num_experts_per_tok=2,
                         max_position_embeddings=32768),
    "OLMoE-1B-7B": dict(model_type="olmoe", vocab_size=50304, hidden_size=2048, intermediate_size=1024, num_hidden_layers=16,
                        num_attention_heads=16, num_key_value_heads=16, num_experts=64, num_experts_per_tok=8,
                        max_position_embeddings=4096),
    "QwQ-32B": dict(model_type="qwen2", vocab_size=152064, hidden_size=5120, intermediate_size=27648, num_hidden_layers=64,
                    num_attention_heads=40, num_key_value_heads=8, max_position_embeddings=40960, tie_word_embeddings=False),
}  # fmt: skip
counts = {name: count_parameters(ModelConfig.from_hf(config)) for name, config in published.items()} | {
    "DeepSeek-V3, R1": r1
}
rows = [
    [name, f"{n.total:,}", f"{n.active:,}", f"{n.active / n.total:.1%}", f"{n.total * 2 / 1e9:,.0f}"]
    for name, n in counts.items()
]
print(text_table(["model", "parameters", "active per token", "share", "GB in bfloat16"], rows))

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("facts-in-a-small-memory")

# %% [markdown]
# So per token, R1 does the work of a 37-billion model: hardly more than QwQ-32B. In memory it is twenty times as large.
# Published prints "37B" active; whether the input embedding counts is a convention (without it, 36.6).
#
# ## 8 · The ledger

# %%
display(
    settle(
        2,
        value=f"32.76 against 671.03 billion parameters in all, but 32.76 against {r1.active / 1e9:.2f} billion at work on a token: "
        f"{r1.active / counts['QwQ-32B'].total:.2f} times; in the small contest experts helped recall by far, and path finding by a few points at most",
        verdict=None,
        sources=(
            "config.json of deepseek-ai/DeepSeek-V3 and Qwen/QwQ-32B, counted here and by transformers' classes",
            "this lesson's contest",
        ),
    )
)
display(settle(
    7,
    value="the number of parameters alone says neither what a token costs nor what a model can do: which parameters, and for which task",
    verdict=None,
    sources=("this lesson's contest at tiny size; DeepSeekMoE, table 3, at 16 billion",),
))  # fmt: skip

# %% [markdown]
# Neither row is decided. Whether QwQ *performs* like R1 is a matter of training (lesson 05) and of what it costs to run
# (lesson 06). What you know now: per token the two are of one size, and a task that is worked out step by step is where the extra
# 638 billion parameters help least, if the small contest carries over.
#
# ## 9 · What you have shown

# %%
print("Facts: something to store")
print(table("facts"))
print("\nPath: nothing to store")
print(table("path"))
print("\nPython text, held-out files, one seed each")
print(text_table(["model", "active", "total", "loss", "next token right"], text_rows))

# %% [markdown]
# **Three verdicts, each with its axis.**
#
# * At equal **active** FLOPs the mixtures win on facts by far, gain a few points at most on paths, and nothing on looking up.
# * At equal **total** parameters both wide models beat the mixtures on facts, for about four times the FLOP per token. On paths the wide
#   feed-forward part is no better than the mixture; only the wider residual stream is. What a mixture saves is cost per token,
#   not memory.
# * At equal **wall clock** the mixtures still win on facts; on paths the dense model that was trained for longer is a little
#   ahead.
#
# What a token costs in euros comes with lesson 06.
#
# ### Limitations
#
# * 80,000 to 340,000 parameters, two layers, three seeds. Orders of magnitude carry over; percentages do not.
# * Random facts and random graphs are pure cases. Real text is a mixture, and so is a real model's verdict.
# * The learning rate of each task was chosen once, on the dense model and the coarse mixture, and is the same for all six. A
#   sweep for each would be fairer, and could move the few points on paths; it could not close the gap on facts.
#
# ### What others found at full size
#
# | finding | source |
# |---|---|
# | 16B MoE against a dense 7B, 40 % of the compute: TriviaQA 64.8 against 59.7, but MMLU 45.0 against 48.2, DROP 32.9 against 34.9 | DeepSeekMoE [5], table 3 |
# | Memorising grows with the number of experts; reasoning saturates, and needs width | Jelassi 2024 [1] |
# | One expert per token is enough to train; up to 7 times faster to the same loss | Switch Transformer [6] |
# | Balancing by a bias instead of a loss | DeepSeek-V3 [4] |
# | Better loss per step and a **net loss by the clock** at GPT-2's size, since the machine was used less well | Karpathy, nanochat's log of 2026-02-19 |
#
# TriviaQA asks for facts; MMLU has exam questions of 57 subjects; DROP asks for what has to be worked out from a paragraph.
# arXiv numbers: [1] 2410.19034, [2] 2401.04088, [3] 2409.02060, [4] 2412.19437, [5] 2401.06066, [6] 2101.03961.
#
# ### Where next
#
# Exercise set 03 asks for siblings: other routings, the absorbed form of MLA, upcycling a dense model
# (`racecourse start 03_mixture_of_experts`). Lesson 04 lets a model think longer instead of growing it.

# %%
ledger("03")
