# %% [markdown]
# # 02 · Scaling laws: what a larger model would do
#
# **By the end you will have shown that** a law with five constants, fitted on 16 tiny models that you trained yourself,
# predicts the loss of a larger one that it has not seen, with an honest error; and that the printed constants of a
# much-quoted law do not give the number that it is quoted for.
#
# **Price:** four to nine minutes of computing on two CPU cores, depending on what else they do, one evening of yours.
# On a GPU: not measured. Memory: about 1 GB.
#
# **You need:** lesson 01, at least its class `Decoder` (the package's `Transformer` is the same); derivatives as an idea, no more.

# %% [markdown]
# ## It works, before any theory
#
# A transformer of 130,000 parameters, a thousandth of lesson 01's, reads Python's own source code for some seconds.
# The text needs no download: it is the standard library of the Python that runs this notebook. Some of its files are
# **held out**: the model is judged on them and never trained on them.

# %%
import dataclasses
import math
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import display
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor, nn

from racecourse.learn import plots
from racecourse.learn.ledger import ledger, settle
from racecourse.learn.live import LiveFigure
from racecourse.learn.tables import text_table
from racecourse.models import ModelConfig, Tokenizer, generate
from racecourse.models.moe import Routing, balance_loss, record_routing, z_loss
from racecourse.scaling import History, TrainConfig, count_parameters, flops_per_token, train
from racecourse.scaling.corpora import NOT_JUDGED, TOKENIZER, Batch, FactRecall, python_corpus
from racecourse.scaling.ladder import GRID, HELD_OUT, load_ladder, new_model, recipe, tiny, train_rung

tokenizer = Tokenizer.from_folder(TOKENIZER)
corpus = python_corpus(context=128, tokenizer=tokenizer)
print(f"{corpus.n_tokens:,} tokens to train on, in rows of {corpus.context}; {corpus.vocab_size} different tokens")


# %%
def writes(model: nn.Module) -> str:
    return generate(model, tokenizer, ["def "], max_new_tokens=48, temperature=0.6, top_k=20, seed=3)[0]


model = new_model(width=64)
print("untrained:", repr(writes(model)))
settings = dataclasses.replace(recipe(64, 2**15 if session.quick else 2**19), eval_every=4 if session.quick else 16, eval_rows=128)


def draw_losses(figure: Figure, history: History) -> None:
    """The loss so far: of the text that is trained on, and of files that never are."""
    losses = {"training text": history.column("train_loss"), "held-out files": history.column("loss")}
    plots.plot_curves(history.column("step"), losses, title="A model learns Python", xlabel="step",
                      ylabel="loss (nats per token)", ax=figure.subplots())  # fmt: skip


live = LiveFigure(draw_losses)  # renewed every two seconds while the model trains
history = train(model, corpus, settings, log=None, on_record=live)
live.finish()
print(f"Loss on held-out files: {history.records[0].loss:.2f} after {history.records[0].step} steps, {history.last.loss:.2f} after {history.last.step}.")
print("trained: def " + writes(model))

# %% [markdown]
# The model has seen half a million tokens. It knows how Python looks, not what it means. Everything from here on asks one
# thing: **how much better would more parameters, or more text, make it, and can you know before you pay?**
#
# ## 1 · One number for "how good": the loss
#
# The model gives every possible next token a probability. The **loss** is minus the logarithm of the probability that it gave
# to the token that really came, averaged over tokens. With the natural logarithm its unit is the **nat**. A model that
# knows nothing gives each of V tokens 1/V, so its loss is ln V.
#
# **Guess first:** the untrained model's loss on this text, with V = 512? (You may use a calculator.)

# %%
guess_untrained = None


# %%
def loss_of(logits_BTV: Float[Tensor, "B T V"], targets_BT: Int[Tensor, "B T"]) -> Float[Tensor, ""]:
    """Cross-entropy in nats, the mean over judged tokens."""
    return F.cross_entropy(logits_BTV.flatten(0, 1).float(), targets_BT.flatten(), ignore_index=NOT_JUDGED)


def mixed_precision(device: torch.device) -> AbstractContextManager:
    """bfloat16 matrix multiplies on GPUs that have them (compute capability 8.0 or more); nothing elsewhere."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()


@torch.no_grad()
def evaluate(model: nn.Module, batch: Batch, rows_at_once: int = 64) -> tuple[float, float, float]:
    """Loss (nats per judged token), share of judged tokens right, share of rows with every judged token right."""
    was_training = model.training
    model.eval()
    loss_sum, right, exact = 0.0, 0, 0
    for ids_BT, targets_BT in zip(*(tensor.split(rows_at_once) for tensor in batch), strict=True):
        with mixed_precision(ids_BT.device):
            logits_BTV = model(ids_BT).float()
        loss_sum += F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=NOT_JUDGED,
                                    reduction="sum").item()  # fmt: skip
        judged_BT = targets_BT != NOT_JUDGED
        right_BT = logits_BTV.argmax(-1) == targets_BT
        right += (right_BT & judged_BT).sum().item()
        exact += (right_BT | ~judged_BT).all(-1).sum().item()
    model.train(was_training)
    n_judged = (batch.targets_BT != NOT_JUDGED).sum().item()
    return loss_sum / n_judged, right / n_judged, exact / len(batch.ids_BT)


held_out = corpus.evaluation(64 if session.quick else 256)
untrained_loss = evaluate(new_model(width=64), held_out)[0]
trained_loss = evaluate(model, held_out)[0]
bytes_per_token = (
    sum(len(tokenizer.token_bytes(i)) for i in held_out.targets_BT.flatten().tolist()) / held_out.targets_BT.numel()
)
print(f"untrained {untrained_loss:.2f} nats per token (ln 512 = {math.log(512):.2f}); your guess: {guess_untrained}")
print(f"trained   {trained_loss:.2f} nats per token = {trained_loss / math.log(2):.2f} bits per token = "
      f"{trained_loss / math.log(2) / bytes_per_token:.2f} bits per byte ({bytes_per_token:.2f} bytes per token)")  # fmt: skip

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("two-forecasters")

# %% [markdown]
# **Expected:** a little above 6.24 untrained. The rows that are judged come from files that are never trained on.
#
# Losses of models with different tokenizers cannot be compared per token; per byte they can. An exercise comes back to that.
#
# ## 2 · The training loop
#
# Three parts decide whether training works at all. **AdamW** scales every parameter's step by how large its gradients usually
# are. The **learning rate** is the size of the steps: it rises for some steps (**warm-up**), since those usual sizes are not yet known, and
# falls to the end (**cosine**, or **WSD**: warm-up, stable, decay). **Clipping** shortens a gradient that is longer than 1.
# That is all of it. The lines about routings rest until lesson 03.


# %%
def learning_rate_at(step: int, config: TrainConfig) -> float:
    """The learning rate of one step, 0 to n_steps - 1."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "cosine":
        done = (step - config.warmup_steps) / (config.n_steps - config.warmup_steps)
        share = 0.5 * (1 + math.cos(math.pi * done))
    else:
        share = min(1.0, (config.n_steps - step) / (config.decay_share * config.n_steps))
    return config.learning_rate * (config.final_share + (1 - config.final_share) * share)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); weight decay on matrices, none on norms, biases and the embedding."""
    named = dict(model.named_parameters())
    decayed = [p for name, p in named.items() if p.ndim >= 2 and "embed" not in name]
    kept = [p for name, p in named.items() if p.ndim < 2 or "embed" in name]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def training_step(
    model: nn.Module, batch: Batch, optimizer: torch.optim.Optimizer, step: int, config: TrainConfig
) -> tuple[Float[Tensor, ""], list[Routing]]:
    """One update. Returns the loss on the data alone, without the routers' own losses, and what the routers chose."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate_at(step, config)
    with mixed_precision(batch.ids_BT.device), record_routing(model) as routings:
        loss = loss_of(model(batch.ids_BT), batch.targets_BT)
        total = loss
        for routing in routings:
            if config.balance_weight:
                total = total + config.balance_weight * balance_loss(routing) / len(routings)
            if config.z_weight:
                total = total + config.z_weight * z_loss(routing) / len(routings)
    optimizer.zero_grad()
    total.backward()
    nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
    optimizer.step()
    return loss.detach(), routings


# %%
shapes = {
    name: TrainConfig(n_steps=500, batch_size=1, schedule=name, learning_rate=1.0)
    for name in ("cosine", "wsd", "constant")
}
plots.plot_curves(range(500), {name: [learning_rate_at(step, c) for step in range(500)] for name, c in shapes.items()},
                  title="Three schedules", xlabel="step", ylabel="learning rate (share of the peak)")  # fmt: skip
for line in plt.gca().lines:
    line.set_markersize(0)
plt.show()
print("All rise over 50 steps; cosine falls at once, wsd only in its last fifth, both to a tenth of the peak.")

# %% [markdown]
# ### Failure first
#
# **Guess first:** section 4 trains models of this width with a peak learning rate of 0.01. What happens at 30 times
# that: a faster descent, the same, or worse?

# %%
guess_rate = None

# %%
plain = recipe(64, 2**15 if session.quick else 2**18)
rates = {}
for factor in (0.03, 1, 30):
    rates[factor] = train(
        new_model(64), corpus, dataclasses.replace(plain, learning_rate=factor * plain.learning_rate), log=None
    )


def smooth(losses: list[float]) -> list[float]:
    """Means of eight neighbours."""
    return np.convolve(losses, np.ones(8) / 8, mode="valid").tolist()


plots.plot_curves(range(8, len(rates[1].losses) + 1), {f"{factor * plain.learning_rate:.4f}": smooth(h.losses) for factor, h in rates.items()},
                  title="The same model with three peak learning rates", xlabel="step", ylabel="training loss (nats per token, mean of 8)")  # fmt: skip
plt.show()
print(
    "Loss on held-out files:",
    ", ".join(f"rate {factor * plain.learning_rate:.4f}: {h.last.loss:.2f}" for factor, h in rates.items()),
    f"; your guess: {guess_rate}",
)

# %% [markdown]
# Too small is slow; too large never settles. A scaling law that compares badly tuned models measures the tuning. Section 4's rule, 0.64 divided by the
# width, was found by a sweep at four widths.
#
# ### Killed, and resumed
#
# A run that takes days is killed sooner or later. `train` writes model, optimiser and history to a folder and goes on from
# there. Here it is stopped on purpose, in the middle; the losses after must be those of a run that was never stopped, **to the last
# digit**.

# %%
short = TrainConfig(n_steps=24, batch_size=16, warmup_steps=4, eval_every=6, eval_rows=32)
whole = train(new_model(16), corpus, short, log=None)


def stop_in_the_middle(history) -> None:
    if len(history.records) == 3:
        raise KeyboardInterrupt


with tempfile.TemporaryDirectory() as folder:
    try:
        train(new_model(16), corpus, short, folder=folder, log=None, on_record=stop_in_the_middle)
    except KeyboardInterrupt:
        print("killed at step 18; the last state that was written is that of step 12")
    resumed = train(new_model(16, seed=7), corpus, short, folder=folder, log=None)
same_losses = resumed.losses == whole.losses
print("all 24 losses equal, to the last digit:", same_losses, "  the last one:", resumed.losses[-1])

# %% [markdown]
# ## 3 · What training costs
#
# A matrix of P numbers costs one multiply and one add per number and token: 2P **FLOP** (floating-point operations). The backward pass does two such
# products, so training costs 6P. For a whole training, with all N parameters in the place of P and D tokens of text, this is the rule of thumb **C =
# 6ND**; C is the compute, in FLOP. (N, D and C are the letters of scaling laws here, not lesson 01's shapes.) It leaves attention out, which has no
# parameters for "every token with every other", and it counts the embedding, which is only looked up. `flops_per_token` counts exactly.
#
# **Guess first:** for our model of width 64, is 6N too high or too low, and for QwQ-32B reading 32,768 tokens?

# %%
guess_6n = None

# %%
qwq = ModelConfig.from_hf({
    "model_type": "qwen2", "vocab_size": 152064, "hidden_size": 5120, "num_hidden_layers": 64, "num_attention_heads": 40,
    "num_key_value_heads": 8, "intermediate_size": 27648, "max_position_embeddings": 40960, "tie_word_embeddings": False,
})  # fmt: skip
rows = []
for name, config, context in [
    ("width 16", tiny(16), 128),
    ("width 64", tiny(64), 128),
    ("QwQ-32B", qwq, 4096),
    ("QwQ-32B", qwq, 32768),
]:
    six_n, exact = 6 * count_parameters(config).total, flops_per_token(config, context, training=True)
    rows.append([name, f"{context:,}", f"{six_n:,}", f"{exact:,}", f"{exact / six_n:.3f}"])
print(text_table(["model", "context", "6N, FLOP per token", "exact", "exact / 6N"], rows))
print("your guess:", guess_6n)

# %% [markdown]
# The rule is a few per cent off for large models with short rows, and 30 % off for long ones.
#
# From FLOP to seconds: measure this machine on one model, predict another.


# %%
def rate_of(width: int) -> float:
    """Training FLOP per second that this machine reaches at one width."""
    run = train(
        new_model(width),
        corpus,
        dataclasses.replace(recipe(width, 2**16 if session.quick else 2**17), eval_rows=16),
        log=None,
    )
    tokens = len(run.losses) * 16 * corpus.context
    return tokens * flops_per_token(tiny(width), corpus.context, training=True) / run.last.seconds


speed = {width: rate_of(width) for width in (32, 64)}
for width, flops in speed.items():
    print(f"width {width}: {flops / 1e9:.1f} GFLOP/s of useful work")

# %% [markdown]
# Small matrices use a processor badly: the wider model gets more out of it. So 6ND says what a run **costs in FLOP**; in seconds it costs less and less per FLOP as
# models grow, until the machine's limit (lesson 06).
#
# ## 4 · The ladder
#
# Sixteen models, a **ladder**: four widths, each trained on four amounts of text. Each run decays to its own end, because a
# run that is cut short still has a high learning rate, and would look worse than it is.

# %%
small = session.quick
grid = [(w, t) for w in (16, 32, 48) for t in (2**14, 2**15, 2**16)] if small else list(GRID)
runs = []
began = time.perf_counter()
for width, n_tokens in grid:
    runs.append(train_rung(corpus, width, n_tokens))
    print(
        f"width {width:>3}  {runs[-1].n_parameters:>7,} parameters  {n_tokens:>9,} tokens  loss {runs[-1].loss:.3f}  {runs[-1].seconds:5.1f} s"
    )
print(f"{len(runs)} runs in {time.perf_counter() - began:.0f} s")

# %%
widths = sorted({run.width for run in runs})
tokens = sorted({run.n_tokens for run in runs})
plots.plot_curves(tokens, {f"{next(r.n_parameters for r in runs if r.width == w):,} parameters": [r.loss for r in runs if r.width == w] for w in widths},
                  title="More text helps all; more parameters help most with much text", xlabel="training tokens (logarithmic)", ylabel="loss on held-out files (nats per token)")  # fmt: skip
plt.xscale("log")
plt.show()
print(
    "At the most text, by width:", ", ".join(f"{w}: {[r.loss for r in runs if r.width == w][-1]:.2f}" for w in widths)
)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("cut-from-one-run")

# %% [markdown]
# ## 5 · The law
#
# Hoffmann et al. [1] describe such a table by five constants: **loss = E + A/N^α + B/D^β**. E is what no model of any size could
# predict, A/N^α is what a finite model costs, B/D^β what finite text costs.
# (A, B and E are the law's letters too.)
#
# To fit them: make the errors of the **logarithm** of the loss small. The **Huber** loss is a square for small errors and a straight line beyond,
# so that one bad run cannot bend the law. It has many flat valleys, so the search (**L-BFGS**) starts from 192
# places and keeps the best.


# %%
import itertools

from scipy.optimize import minimize

from racecourse.scaling.laws import BOUNDS, CONVERGED, DELTA, PUBLISHED_LAWS, STARTS, Size, fit


@dataclass(frozen=True)
class Law:
    """loss = E + A / N^alpha + B / D^beta, in nats per token."""

    E: float  # what is left with an unlimited model and unlimited data
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, *, n_parameters: Size, n_tokens: Size) -> Size:
        """The predicted loss; numbers, or arrays of one shape.

        >>> chinchilla = Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
        >>> round(chinchilla.loss(n_parameters=70e9, n_tokens=1.4e12), 3)
        1.937
        """
        return self.E + self.A / n_parameters**self.alpha + self.B / n_tokens**self.beta


# %%
# what the docstrings below call runs: one number per run
Runs = Float[np.ndarray, "runs"]


def ln_terms(theta: Float[np.ndarray, "5"], ln_n: Runs, ln_d: Runs) -> Float[np.ndarray, "3 runs"]:
    """The logarithms of A / N^alpha, B / D^beta and E, whose sum is the predicted loss."""
    ln_A, ln_B, ln_E, alpha, beta = theta
    return np.stack([ln_A - alpha * ln_n, ln_B - beta * ln_d, np.full_like(ln_n, ln_E)])


def huber_error(
    theta: Float[np.ndarray, "5"], ln_n: Runs, ln_d: Runs, ln_loss: Runs
) -> tuple[float, Float[np.ndarray, "5"]]:
    """How badly five constants explain the runs: the Huber loss of the errors in log loss, and its gradient.

    `theta` is ln A, ln B, ln E, alpha, beta: the logarithms keep A, B and E positive. The sum over runs, not the mean:
    the minimum is the same, but L-BFGS stops when a step gains less than a fixed amount, and on a mean it stops early.
    On the 240 runs of Besiroglu et al. 2024 scipy's defaults reached alpha 0.347 with the sum, 0.276 with the mean.
    """
    terms = ln_terms(theta, ln_n, ln_d)
    ln_predicted = np.logaddexp.reduce(terms)
    error = ln_predicted - ln_loss
    slope = np.clip(error, -DELTA, DELTA)
    by_A, by_B, by_E = np.exp(terms - ln_predicted) * slope  # a term moves ln_predicted by its share of the loss
    gradient = np.array([by_A.sum(), by_B.sum(), by_E.sum(), -by_A @ ln_n, -by_B @ ln_d])
    return float(slope @ (error - slope / 2)), gradient


# %% [markdown]
# `fit` from the package joins these: it searches, and then makes 200 new ladders of losses, each the fitted law plus scatter of the size that was seen, and
# fits every one of them. How much the constants and predictions differ between these is the **interval** (such a use of
# made-up repetitions is called a **bootstrap**).

# %%
ladder = fit(
    [r.n_parameters for r in runs], [r.n_tokens for r in runs], [r.loss for r in runs], n_bootstrap=50 if small else 200
)
print(
    f"{ladder.n_at_best} of {ladder.n_starts} searches ended at the best law; scatter around it {ladder.scatter:.1%} of the loss"
)
for name in ("E", "A", "B", "alpha", "beta"):
    low, high = ladder.interval(name)
    print(f"{name:5} {getattr(ladder.law, name):8.3f}   90 % between {low:.3f} and {high:.3f}")

# %% [markdown]
# Look at the intervals: A, B and the exponents are known badly, and yet the **curve** is known well, since many sets of constants draw nearly the
# same one. E ended at 0, the edge of what it may be: models as small as these are so far from any floor that the ladder cannot see it. Every
# resample says the same, so its interval is empty. That is a limit of the ladder, not a finding about language.
#
# ### The prediction
#
# A model of width 128 has 3.5 times the parameters of the largest in the ladder, and gets 1.5 times as much text. Nothing about
# it was used so far.
#
# **Guess first**, from the figure above: its loss?

# %%
guess_held_out = None

# %%
width, n_tokens = (64, 2**17) if small else HELD_OUT
n_parameters = count_parameters(tiny(width)).total
prediction = ladder.predict(n_parameters=n_parameters, n_tokens=n_tokens)
print(
    f"predicted, before it is trained: {prediction.loss:.3f}, 90 % between {prediction.low:.3f} and {prediction.high:.3f}"
)

# %%
held_out_run = train_rung(corpus, width, n_tokens)
error = prediction.loss / held_out_run.loss - 1
print(
    f"measured: {held_out_run.loss:.3f} after {held_out_run.seconds:.0f} s; the prediction is {error:+.1%} off; your guess: {guess_held_out}"
)

# %% [markdown]
# ### Controls: what if the idea is taken away?
#
# * the law from **less of the ladder**: without the longest runs, and then without the largest model as well, which leaves about half;
# * a law for **shuffled** losses: the same numbers, given to the wrong runs;
# * **no law**: "it will be as good as the best model so far".


# %%
def law_of(some: list, losses: list[float] | None = None):
    return fit(
        [r.n_parameters for r in some],
        [r.n_tokens for r in some],
        losses or [r.loss for r in some],
        n_bootstrap=50 if small else 200,
    )


shorter = [r for r in runs if r.n_tokens <= tokens[2]]
half = [r for r in shorter if r.width <= widths[2]]
shuffled = np.random.default_rng(0).permutation([r.loss for r in runs]).tolist()
laws = {f"all {len(runs)} runs": ladder, f"{len(shorter)}, without the most text": law_of(shorter),
        f"{len(half)}, nor the largest model": law_of(half), "losses shuffled": law_of(runs, shuffled)}  # fmt: skip
predictions = {name: law.predict(n_parameters=n_parameters, n_tokens=n_tokens) for name, law in laws.items()}
best_so_far = min(r.loss for r in runs)
rows = [
    [name, f"{p.loss:.3f}", f"{p.low:.3f} to {p.high:.3f}", f"{p.loss / held_out_run.loss - 1:+.1%}"]
    for name, p in predictions.items()
]
rows.append(["no law: the best so far", f"{best_so_far:.3f}", "", f"{best_so_far / held_out_run.loss - 1:+.1%}"])
print(f"measured {held_out_run.loss:.3f}")
print(text_table(["predicted from", "loss", "90 % interval", "error"], rows))

# %%
figure, ax = plt.subplots(figsize=(7.5, 4.2), layout="constrained")
for i, w in enumerate(widths):
    some = [r for r in runs if r.width == w]
    d = np.geomspace(min(tokens), n_tokens, 40)
    ax.plot(d, ladder.law.loss(n_parameters=float(some[0].n_parameters), n_tokens=d), color=f"C{i}")
    ax.plot(
        [r.n_tokens for r in some],
        [r.loss for r in some],
        "os^D"[i],
        color=f"C{i}",
        label=f"{some[0].n_parameters:,} parameters",
    )
d = np.geomspace(min(tokens), n_tokens, 40)
ax.plot(
    d,
    ladder.law.loss(n_parameters=float(n_parameters), n_tokens=d),
    color="black",
    linestyle="--",
    label=f"{n_parameters:,} parameters, predicted",
)
ax.errorbar(
    [n_tokens],
    [prediction.loss],
    [[prediction.loss - prediction.low], [prediction.high - prediction.loss]],
    color="black",
    capsize=4,
)
ax.plot([n_tokens], [held_out_run.loss], "*", color="black", markersize=14, label="measured afterwards")
ax.set_xscale("log")
ax.set(
    title="A law fitted on the small models, and a larger one",
    xlabel="training tokens (logarithmic)",
    ylabel="loss on held-out files (nats per token)",
)
ax.legend(frameon=False, fontsize=9)
plt.show()
print(
    f"Predicted {prediction.loss:.3f} ({prediction.low:.3f} to {prediction.high:.3f}), measured {held_out_run.loss:.3f}."
)

# %% [markdown]
# Three seeds, and two larger models still, were trained before by the same code (`racecourse.scaling.ladder`) and are shipped:

# %%
shipped = load_ladder()
rows = []
for seed in (0, 1, 2):
    some = [r for r in shipped if r.seed == seed and (r.width, r.n_tokens) in GRID]
    law = law_of(some)
    for run in [r for r in shipped if r.width >= 128 and (r.seed == seed or (r.seed == 0 and r.width > 128))]:
        p = law.predict(n_parameters=run.n_parameters, n_tokens=run.n_tokens)
        rows.append(
            [
                seed,
                f"{run.n_parameters:,}",
                f"{p.loss:.3f}",
                f"{p.low:.3f} to {p.high:.3f}",
                f"{run.loss:.3f}",
                f"{p.loss / run.loss - 1:+.1%}",
            ]
        )
print("recorded on 1 thread of an AMD EPYC virtual machine, 2026-11-24")
print(text_table(["ladder's seed", "parameters", "predicted", "90 % interval", "measured", "error"], rows))
inside = sum(float(row[3].split(" to ")[0]) <= float(row[4]) <= float(row[3].split(" to ")[1]) for row in rows)
print(f"{inside} of {len(rows)} measured losses lie inside their interval")
worst_error = max(abs(float(row[5].rstrip("%"))) for row in rows) / 100

# %% [markdown]
# So one ladder's small error has luck in it. Another seed's ladder, the same in all else, was pessimistic by some 8 %, and its interval can miss. An interval knows the scatter of
# the runs; it does not know whether the law is right beyond them. Nine runs that lack both the longest text and the largest model mislead the
# law most: **it can go beyond the ladder only a little, and only in directions that the ladder covers.**

# %% [markdown]
# ## 6 · The best split of a budget
#
# With C = 6ND fixed, a larger model means less text. The law has one lowest point.


# %%
class Optimum(NamedTuple):
    """The best use of a training budget, according to a law."""

    n_parameters: float
    n_tokens: float
    loss: float
    tokens_per_parameter: float


def compute_optimal(law: Law, flops: float, *, flops_per_parameter_and_token: float = 6.0) -> Optimum:
    """Split a budget of `flops` = 6 N D into the N and D of the lowest loss (Hoffmann et al. 2022, equation 4).

    At the optimum 1 % more model and 1 % more data buy the same: alpha A / N^alpha = beta B / D^beta.

    >>> optimum = compute_optimal(PUBLISHED_LAWS["Besiroglu et al. 2024"], 5.76e23)
    >>> round(optimum.tokens_per_parameter, 1)
    18.4
    """
    n_times_d = flops / flops_per_parameter_and_token
    exponent = 1 / (law.alpha + law.beta)
    n_parameters = (law.alpha * law.A / (law.beta * law.B) * n_times_d**law.beta) ** exponent
    n_tokens = n_times_d / n_parameters
    loss = law.loss(n_parameters=n_parameters, n_tokens=n_tokens)
    return Optimum(n_parameters, n_tokens, loss, n_tokens / n_parameters)


# %%
from racecourse.learn.widgets.isoflop import draw_isoflop, isoflop_explorer

figure, ax = plt.subplots(figsize=(8.4, 4.8), layout="constrained")
words = draw_isoflop(ax, "Besiroglu et al. 2024", PUBLISHED_LAWS["Besiroglu et al. 2024"], 5.76e23)
plt.show()
print(words)

# %% [markdown]
# The same as an explorer, with sliders (it needs a running notebook):

# %%
display(isoflop_explorer(PUBLISHED_LAWS | {"yours, from this notebook": ladder.law}))

# %% [markdown]
# ### "Twenty tokens per parameter"
#
# 5.76e23 FLOP is the budget of Chinchilla: 70 billion parameters, 1.4 trillion tokens, 20 for each parameter. That paper is often
# quoted for "20".
#
# **Guess first:** what does the paper's **own printed law** say for that budget?

# %%
guess_ratio = None

# %%
rows = []
for name, law in PUBLISHED_LAWS.items():
    best = compute_optimal(law, 5.76e23)
    rows.append(
        [name, f"{best.n_parameters / 1e9:.1f}", f"{best.n_tokens / 1e12:.2f}", f"{best.tokens_per_parameter:.1f}"]
    )
print(text_table(["law", "parameters (billion)", "tokens (trillion)", "tokens per parameter"], rows))
print("your guess:", guess_ratio)

# %% [markdown]
# The printed constants give 92.6, the same constants with all their digits 58.9: the optimum hangs on the second digit of an exponent. The "20" comes from
# the same paper's two other methods. Besiroglu et al. [2] fitted the paper's points again and found 18.4, in agreement with "20" and not with the printed law.
#
# ## 7 · QwQ-32B and DeepSeek-V3
#
# Of a mixture of experts, *active* parameters are those that work on a token (lesson 03).

# %%
published = {  # name: active parameters, all parameters, training tokens
    "QwQ-32B's base (Qwen2.5-32B)": (32_763_876_352, 32_763_876_352, 18e12),
    "DeepSeek-V3, R1's base": (37_552_282_624, 671_026_404_352, 14.8e12),
    "Llama-3.1-405B": (405e9, 405e9, 15.6e12),
    "Chinchilla": (70e9, 70e9, 1.4e12),
}  # fmt: skip
rows = []
for name, (active, total, n) in published.items():
    rows.append([name, f"{n / active:.0f}", f"{n / total:.0f}", f"{6 * active * n:.2e}"])
print(text_table(["model", "tokens per active parameter", "per parameter", "6ND, FLOP"], rows))
v3, llama, base = (
    6 * published[name][0] * published[name][2]
    for name in ("DeepSeek-V3, R1's base", "Llama-3.1-405B", "QwQ-32B's base (Qwen2.5-32B)")
)
print(f"\nLlama-3.1-405B took {llama / v3:.1f} times the FLOP of DeepSeek-V3; QwQ's base {base / v3:.2f} times.")

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("past-the-optimum")

# %% [markdown]
# QwQ's base saw 549 tokens for every parameter, nearly thirty times the "optimum". That is no mistake. The optimum counts training only; a model that is used a lot is paid for
# again with every token that it writes, 2N FLOP each, and a smaller one trained for longer saves there (Sardana et al. [3]; an exercise).
#
# ## 8 · The ledger

# %%
display(
    settle(
        5,
        value=f"6ND: DeepSeek-V3 {v3:.2e} FLOP, Llama-3.1-405B {llama:.2e}, {llama / v3:.1f} times as much; QwQ-32B's base {base:.2e}. FLOP, not yet money",
        verdict=None,
        sources=("model cards and reports: tokens and parameters as published", "the rule 6ND, checked in section 3"),
    )
)
display(settle(
    7,
    value=f"loss does follow size and data lawfully: a law from {len(runs)} small runs missed a larger one by {abs(error):.1%}, "
    f"and laws from other seeds' runs missed larger ones by up to {worst_error:.0%}; it says nothing of what a loss is worth, nor of training after pre-training",
    verdict=None,
    sources=("this lesson's held-out run", "Hoffmann et al. 2022; Besiroglu et al. 2024"),
))  # fmt: skip

# %% [markdown]
# ## 9 · What you have shown

# %%
rows = [
    [
        "law from the whole ladder",
        f"{prediction.loss:.3f}",
        f"{prediction.loss / held_out_run.loss - 1:+.1%}",
        sum(r.n_tokens for r in runs),
        f"{sum(r.seconds for r in runs):.0f} s",
    ],
    ["no law: the best so far", f"{best_so_far:.3f}", f"{best_so_far / held_out_run.loss - 1:+.1%}", 0, "0 s"],
    ["training it (the truth)", f"{held_out_run.loss:.3f}", "", n_tokens, f"{held_out_run.seconds:.0f} s"],
]
print(text_table(["how to know the larger model's loss", "loss", "error", "tokens trained on", "time"], rows))

# %% [markdown]
# Here the ladder cost more than the run that it predicts. For a laboratory it is the other way round: the ladder costs a few per cent of the run. What that is
# in money comes with lesson 07.
#
# ### Limitations
#
# * The ladder spans a factor of nine in parameters and eight in text; the prediction goes 3.5 times further. Laboratories predict over factors of thousands, and are
#   sometimes wrong.
# * The floor E cannot be seen from so small models: the fit puts it at 0.
# * Look at the smallest model in the figure: more text helps it less than the law says, for the law adds what a small model costs and what little text costs, and
#   here the two act on each other. A ladder of larger models would be fitted better, and cost more than your evening.
# * One text, one tokenizer, one rule for the learning rate. All parameters count, the embedding too; at this size that choice changes the exponents (Pearce and Song [4]).
# * Another version of Python has a slightly other library, and so slightly other losses.
#
# ### What others found at full size
#
# | finding | source |
# |---|---|
# | Loss falls as a power of size, data and compute, over many orders of magnitude | Kaplan 2020 [5] |
# | Model and data should grow together; Chinchilla 70B beats a 280B model on the same budget | Hoffmann 2022 [1] |
# | The printed fit of that paper does not follow from its own data | Besiroglu 2024 [2] |
# | Who expects much use should train a smaller model for longer; 47 models up to 10,000 tokens per parameter | Sardana 2024 [3] |
# | Much of the difference between [5] and [1] comes from not counting the embedding | Pearce and Song 2024 [4] |
# | A schedule that stays high and decays late (WSD) lets one run serve many lengths | Hu 2024 [6] |
#
# arXiv numbers: [1] 2203.15556, [2] 2404.10102, [3] 2401.00448, [4] 2406.12907, [5] 2001.08361, [6] 2404.06395.
#
# ### Where next
#
# Exercise set 02 asks for siblings of what you built (`racecourse start 02_scaling_laws`). Lesson 03 changes what N means: a model in
# which not all parameters work on every token.

# %%
ledger("02")
