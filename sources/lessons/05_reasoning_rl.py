# %% [markdown]
# # 05 · Reinforcement learning: a model finds out that thinking pays
#
# **By the end you will have shown that** a model that is told nothing but whether its answers are right learns to think before it
# answers, and is then right more than nine times in ten instead of four; that a random reward does nothing of the kind; and
# that a model finds the hole in a verifier before you do. You will also know what the reward did
# **not** do here, and have a second task on which to look for it.
#
# **Price:** about five minutes of computing on two CPU cores, one or two evenings of yours. On a GPU: not measured. Memory: about 1 GB.
#
# **You need:** lesson 04 (verifier, pass@k, the small model that thinks when it feels like it) and the idea of a training loop (lesson 02).

# %% [markdown]
# ## It works, before any theory
#
# You know this model of 224,000 parameters from lesson 04. Of its answers to `1-7-2+1-8+7=` half come at once and are as good
# as a guess; the other half write five intermediate results first, and are right more often than not. Nobody told it which is better.
#
# In the next cell it answers, is told for each answer "right" or "wrong", nothing else, and is changed a little; fifteen times.
#
# **Guess first:** will its answers be shorter afterwards, as long as before, or longer?

# %%
guess_length = None

# %%
import copy
import math
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from racecourse.learn import policy
from racecourse.learn.ledger import ledger, settle
from racecourse.learn.live import LiveFigure
from racecourse.learn.tables import text_table
from racecourse.models import Tokenizer, Transformer, load
from racecourse.reasoning import ChainedArithmetic, GRPOConfig, judge_on, problems, sample_texts, train_grpo
from racecourse.reasoning.evaluation import mean, pass_curve, sampled_rewards
from racecourse.reasoning.grpo import History, roll_out, token_logprobs
from racecourse.reasoning.runs import KS, REWARDS, compare_methods, flops_of, load_runs, made_on, reinforce

base, tokenizer = load("chains-base", device=session.device)
task = ChainedArithmetic()
held_out = problems(task, 40 if session.quick else 200, split="test", seed=1)
prompts = [problem.prompt for problem in held_out]


def show_answers(model: Transformer) -> None:
    for problem, row in zip(
        held_out[:4], sample_texts(model, tokenizer, prompts[:4], n_samples=3, max_new_tokens=16, seed=5), strict=True
    ):
        marked = [f"{s.text} {'✓' if task.reward(problem, s.text) else '✗'}" for s in row]
        print(f"{problem.prompt:14}{marked[0]:22}{marked[1]:22}{marked[2]:22}")


def mean_tokens(model: Transformer) -> float:
    return mean(
        s.n_tokens
        for row in sample_texts(model, tokenizer, prompts, n_samples=4, max_new_tokens=16, seed=6)
        for s in row
    )


show_answers(base)
started, model = time.perf_counter(), copy.deepcopy(base)
train_grpo(model, tokenizer, task, GRPOConfig(n_steps=2 if session.quick else 15), log=None)
print(f"\nafter 15 steps, {time.perf_counter() - started:.0f} seconds:\n")
show_answers(model)
print(f"\ntokens per answer, 200 held-out problems: {mean_tokens(base):.1f} before, {mean_tokens(model):.1f} after")
print("your guess:", guess_length)

# %% [markdown]
# The rest of this lesson takes those seconds apart: the two ideas in them (sections 1 and 2), what comes of a whole run and whether the reward
# was the cause (3), whether the model **learned** something or only chose better (4, 8), what large runs add to the two ideas (5 to 7), what else the
# same effort could have bought (9), and how it goes wrong (10).
#
# ## 1 · REINFORCE: make what was rewarded likelier
#
# The model is called the **policy** here: it turns a prompt into probabilities for what to write. To **roll out** is to let it write
# an answer by drawing tokens. The verifier gives each answer a **reward**, 1 or 0. We want the mean reward to rise. But the reward comes
# from a rule about digits, through which no gradient flows. REINFORCE (Williams 1992) needs none: the gradient of the mean
# reward is the mean of *reward times the gradient of the log-probability of what was written*. In words: make every answer likelier, in
# proportion to its reward.


# %%
def reinforce_loss(
    logprobs_BT: Float[Tensor, "B T"], returns_B: Float[Tensor, "B"], mask_BT: Bool[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Minus the return times the log-probability of the whole row, the mean over rows (Williams 1992).

    Its gradient is the policy gradient. Any number that does not depend on the row's own tokens may be subtracted from
    its return (a baseline): the gradient's mean stays the same, and with a good one its noise shrinks.
    """
    return -(returns_B * (logprobs_BT * mask_BT).sum(1)).mean()


# %% [markdown]
# Letters in names: **P** prompts, **G** answers to each (a group; in lesson 01 G was another number), **B** = P x G rows,
# **T** tokens of an answer. Answers have different lengths; `mask_BT` is 1 where the model itself wrote a token, its end
# token included, and 0 behind it.
#
# A rollout on real problems, 32 prompts with 8 answers each:

# %%
P, G = 32, 8


def batch_of(model: Transformer, seed: int):
    """Rollouts for P training problems, and their rewards."""
    asked = problems(task, P, seed=seed)
    rollout = roll_out(
        model, tokenizer, [p.prompt for p in asked for _ in range(G)], max_new_tokens=16, seed=seed
    )  # fmt: skip
    rewards = [task.reward(asked[i // G], sample.text) for i, sample in enumerate(rollout.samples)]
    return rollout, torch.tensor(rewards, device=session.device).view(P, G)


rollout, rewards_PG = batch_of(base, seed=0)
logprobs_BT, entropy_BT = token_logprobs(base, rollout, G)
print(
    "written_BT",
    tuple(rollout.written_BT.shape),
    " rewards_PG",
    tuple(rewards_PG.shape),
    f" mean reward {rewards_PG.mean():.3f}\n",
)
for row in (0, 1, 2):
    sample = rollout.samples[row]
    print(
        f"{sample.text!r:18} reward {rewards_PG.flatten()[row]:.0f}   log-probability of all its tokens {(logprobs_BT * rollout.mask_BT)[row].sum():.2f}"
    )

# %% [markdown]
# **Guess first:** if *every* answer got the reward 1, what would REINFORCE do to the model? Nothing, or something?

# %%
guess_all_right = None


# %%
def gradient_of(model: Transformer, rollout, returns_B: Tensor) -> Tensor:
    """The gradient of REINFORCE as one long vector."""
    model.requires_grad_(True)
    logprobs_BT, _ = token_logprobs(model, rollout, G)
    gradients = torch.autograd.grad(reinforce_loss(logprobs_BT, returns_B, rollout.mask_BT), list(model.parameters()))
    model.requires_grad_(False)
    return torch.cat([g.flatten() for g in gradients])


batches = {
    "base": [batch_of(base, seed) for seed in range(3 if session.quick else 12)],
    "after 15 steps": [batch_of(model, seed) for seed in range(3 if session.quick else 12)],
}
right = {name: torch.stack([rewards_PG for _, rewards_PG in found]).mean() for name, found in batches.items()}
print("mean reward:", ", ".join(f"{name} {mean_reward:.0%}" for name, mean_reward in right.items()), "\n")
choices = {
    "reward is always 1": lambda rewards_PG: torch.ones_like(rewards_PG),
    "0 for wrong, 1 for right": lambda rewards_PG: rewards_PG,
    "10 for wrong, 11 for right": lambda rewards_PG: rewards_PG + 10,
    "either, minus the mean of the batch": lambda rewards_PG: rewards_PG - rewards_PG.mean(),
    "either, minus the mean of its group": lambda rewards_PG: rewards_PG - rewards_PG.mean(1, keepdim=True),
}
rows = []
for paid, choose in choices.items():
    cells = [paid]
    for name, policy_model in (("base", base), ("after 15 steps", model)):
        gradients = torch.stack(
            [gradient_of(policy_model, rollout, choose(rewards_PG).flatten()) for rollout, rewards_PG in batches[name]]
        )
        unit = torch.nn.functional.normalize(gradients, dim=1)
        pairs = (unit @ unit.T)[~torch.eye(len(unit), dtype=torch.bool)]
        cells += [f"{gradients.norm(dim=1).mean():.2f}", f"{pairs.mean():+.2f}"]
    rows.append(cells)
print(text_table(["what is paid", "norm, base", "cosine, base", "norm, after", "cosine, after"], rows))
print("your guess:", guess_all_right)

# %% [markdown]
# *norm* is the gradient's length; *cosine* the mean cosine between the gradients of two batches: 1 if both point the same way, 0 if they have nothing in common.
#
# With every reward at 1 the gradient is *not* zero. It makes whatever happened to be written likelier, and since another batch holds
# other answers, the gradients of two batches have nothing in common: it is pure noise. Pay 10 and 11 instead of 0 and 1, which says the same, and that noise drowns the signal. So what is
# paid needs a zero: a **baseline** to subtract. Then it no longer matters where the scale begins. The mean is a good baseline, not always the best:
# with 0 and 1 the plain reward does as well here, and better once most answers are right, since it leaves out the rare wrong ones, whose gradients are the longest.
#
# ## 2 · The group as its own baseline
#
# What is a good reward for *this* problem? Other methods train a second network, a **critic**, to foretell it. **GRPO** (group relative
# policy optimisation, DeepSeekMath, arXiv 2402.03300) asks the policy itself: it writes G answers to the same prompt,
# and each is compared with the mean of its group. The difference is the answer's **advantage**. (The mean holds the answer's own reward, too: that makes
# the gradient shorter, by (G - 1) / G, and turns it nowhere. Exercise 1 leaves it out.) GRPO divides it by the group's
# standard deviation; Dr. GRPO (arXiv 2503.20783) does not, since the division gives most weight to the easiest and the hardest prompts.


# %%
def group_advantages(
    rewards_PG: Float[Tensor, "P G"], scale_by_std: bool = True, eps: float = 1e-4
) -> Float[Tensor, "P G"]:
    """How much better each answer is than the mean of its own group.

    Divided by the group's standard deviation in GRPO, not divided in Dr. GRPO, which found that the division gives
    most weight to the easiest and the hardest prompts. The deviation is that of a sample (G - 1), as in TRL.

    >>> group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0]]))
    tensor([[ 0.8659, -0.8659, -0.8659,  0.8659]])
    """
    advantages_PG = rewards_PG - rewards_PG.mean(dim=1, keepdim=True)
    if scale_by_std:
        advantages_PG = advantages_PG / (rewards_PG.std(dim=1, keepdim=True) + eps)
    return advantages_PG


def has_signal(rewards_PG: Float[Tensor, "P G"]) -> Bool[Tensor, "P"]:
    """Groups that teach something: where all rewards are equal, every advantage is zero (DAPO, section 3.2)."""
    return (rewards_PG != rewards_PG[:, :1]).any(dim=1)


# %%
rows = []
for n_right in (0, 1, 2, 4, 7, 8):
    group = torch.tensor([[1.0] * n_right + [0.0] * (8 - n_right)])
    scaled, plain = group_advantages(group)[0], group_advantages(group, scale_by_std=False)[0]
    of_right = [f"{a[0]:+.2f}" if n_right else "-" for a in (plain, scaled)]
    of_wrong = [f"{a[-1]:+.2f}" if n_right < 8 else "-" for a in (plain, scaled)]
    rows.append(
        [
            f"{n_right} of 8 right",
            of_right[0],
            of_wrong[0],
            of_right[1],
            of_wrong[1],
            "yes" if has_signal(group)[0] else "no",
        ]
    )
print(text_table(["group", "right", "wrong", "right, / std", "wrong, / std", "teaches"], rows))
print(f"\nin the batch above {has_signal(rewards_PG).float().mean():.0%} of the groups teach something")

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("twice-the-pay")

# %% [markdown]
# A rare right answer gets a large advantage, a rare wrong one a large disadvantage, and a group in which all are right or all
# wrong teaches **nothing**. So reinforcement learning needs a base that is right sometimes: a task that is never solved gives no signal at all, and neither
# does one that is always solved. DAPO (arXiv 2503.14476) draws other problems for silent groups: `resample=` in our loop.
#
# ## 3 · The run
#
# **Signature result.** Sixty steps on the training problems; every ten steps 200 **held-out** problems are asked, sixteen times each at
# temperature 1. Five numbers are watched: the share that is right, at temperature 1 and greedy, the length, pass@8, and **forced direct**: right answers if `#` is written for
# the model, so that it has no place to think. If thinking is the cause, forced direct stays where it is.
#
# `reinforce` calls the package's loop: write answers, let the verifier pay, take each group's advantages, make one step of the optimiser, repeat. Section 7 shows it in full.
#
# **Guess first:** accuracy at the end (it starts near 40 %), tokens per answer (it starts near 6; a full thought takes 8, one with a second look 14), and forced direct (starts near 10 %).

# %%
guess_accuracy, guess_tokens, guess_direct = None, None, None

# %%
config = GRPOConfig(n_steps=4 if session.quick else 60, eval_every=2 if session.quick else 10)
live = LiveFigure(
    lambda figure, history: policy.draw_policy(figure, history, config.n_steps), figsize=(9.5, 4.2), seconds=3
)
started = time.process_time()
trained, history = reinforce("right answer", base, tokenizer, config=config, on_evaluation=live)
live.finish()
first, last = history.evaluations[0], history.evaluations[-1]
print(
    f"\nCPU time, evaluations included: {(time.process_time() - started) / 60:.1f} minutes; of the steps' time "
    f"{sum(s.generation_seconds for s in history.steps) / history.steps[-1].seconds:.0%} went into writing answers"
)
print(text_table(
    ["held out", "before", "after", "your guess"],
    [["right at temperature 1", f"{first.accuracy:.1%}", f"{last.accuracy:.1%}", guess_accuracy],
     ["right, greedy", f"{first.greedy:.1%}", f"{last.greedy:.1%}", ""],
     ["tokens per answer", f"{first.length:.1f}", f"{last.length:.1f}", guess_tokens],
     ["pass@8", f"{first.pass_at_8:.1%}", f"{last.pass_at_8:.1%}", ""],
     ["forced direct", f"{first.direct:.1%}", f"{last.direct:.1%}", guess_direct]],
))  # fmt: skip

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("if-direct-had-risen")

# %% [markdown]
# ### Was it the reward? Five seeds and three controls
#
# One run proves little. The next figure shows five, with other problems and other draws each; the code is the one
# that just ran, and `reinforce(..., seed=3)` repeats the fourth. Beside it three other rewards:
#
# * **random**: a coin decides. If accuracy rises under it, what we saw was not the verifier's doing.
# * **length**: paid is thinking, right or wrong, up to five characters. What does "longer" alone buy?
# * **leaky verifier**: the right digit counts *wherever* it stands in the text. It looks almost the same as the true one.
#
# **Guess first:** which of the three ends above its start?

# %%
guess_controls = None

# %%
runs = load_runs()
by_reward = {
    name: [run["history"] for (part, reward, _), run in runs.items() if (part, reward) == ("rewards", name)]
    for name in REWARDS
}
print("recorded:", made_on(), "seeds 0 to 4\n")
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
policy.plot_policies(by_reward, "accuracy", title="Right at temperature 1, held out", label="share right", ax=axes[0])
forced = [history.column("direct") for history in by_reward["right answer"]]
steps = [e.step for e in by_reward["right answer"][0].evaluations]
axes[0].plot(steps, [mean(values) for values in zip(*forced, strict=True)], color="#666666", linewidth=1,
             label="right answer, forced direct")  # fmt: skip
policy.plot_policies(by_reward, "length", title="Tokens per answer", label="tokens", ax=axes[1])
axes[0].set_ylim(0, 1.02)
axes[0].legend(frameon=False, fontsize=7)
figure.suptitle("Four rewards, five seeds: mean, lowest and highest (recorded)", fontsize=10)
plt.show()


def over_seeds(histories: Sequence[History], field: str, percent: bool = True) -> list[str]:
    """Mean (lowest to highest) before and after."""
    cells = []
    for when in (0, -1):
        values = [history.column(field)[when] for history in histories]
        shown = [f"{100 * v:.0f}" if percent else f"{v:.1f}" for v in (mean(values), min(values), max(values))]
        cells.append(f"{shown[0]} ({shown[1]} to {shown[2]})")
    return cells


for field, name in (("accuracy", "right at temperature 1, %"), ("greedy", "right, greedy, %"), ("length", "tokens"),
                    ("pass_at_8", "pass@8, %"), ("direct", "forced direct, %")):  # fmt: skip
    rows = [[reward, *over_seeds(histories, field, field != "length")] for reward, histories in by_reward.items()]
    print(text_table([name, "before", "after"], rows), "\n")
ends_above = [
    name for name, found in by_reward.items()
    if name != "right answer" and mean(h.evaluations[-1].accuracy - h.evaluations[0].accuracy for h in found) > 0
]  # fmt: skip
print("of the three, end above their start (mean accuracy at temperature 1):", ", ".join(ends_above))
print("your guess:", guess_controls)

# %% [markdown]
# * **Right answer**: accuracy rises from 40 to 98 %. (Before, greedy was worse than drawing: on 192 of the 200 problems `#` is the likeliest first token, so greedy seldom thinks.) The length first grows to about ten tokens, and falls back to about eight, one full thought, in four seeds of five: the second look is dropped when
#   it is no longer needed. Forced direct stays at a guess among ten, from the first step
#   to the last. So the gain is made *by* the thinking, and not beside it.
# * **Random**: sampled accuracy falls in all five seeds, to 13 % in the mean; greedy accuracy wanders (7 to 36 % at the end). It is no harmless control.
# * **Length**: longer alone buys something. Greedy accuracy is 100 % after ten steps and ends between 84 and 100: whoever is made to think, thinks well; the base could do it all along. Sampled accuracy gains
#   far less and then falls back: nobody pays for a *right* digit, so the careless steps stay, and padding is as good as thought.
# * **Leaky verifier**: see section 10.
#
# Two of the three end above their start: length (59 %) and leaky verifier (53 %, but 24 in one seed). "It thinks longer and is better" is true of them as well.
#
# ### Five other starts
#
# All these runs began with one base. Here are bases that were trained in the same way from other random starts, and what sixty steps with the true
# verifier made of them (recorded).

# %%
rows = [
    [
        "0 (shipped)",
        *(f"{e.accuracy:.1%}" for e in (first, last)),
        f"{first.pass_at_8:.1%}",
        f"{first.length:.1f}",
        f"{last.length:.1f}",
    ]
]
for (part, _, seed), run in runs.items():
    if part == "bases":
        before, after = run["history"].evaluations[0], run["history"].evaluations[-1]
        rows.append(
            [
                seed,
                f"{before.accuracy:.1%}",
                f"{after.accuracy:.1%}",
                f"{before.pass_at_8:.1%}",
                f"{before.length:.1f}",
                f"{after.length:.1f}",
            ]
        )
print(text_table(["base", "right before", "right after", "pass@8 before", "tokens before", "tokens after"], rows))

# %% [markdown]
# Where the base can work out a chain now and then, RL makes it do so always. Base 3 is at luck, one in ten, and stays there. Base 1 is
# just above luck: it learns to write nearly twice as much, and gains three points. **RL needs a base that is
# right sometimes, for a reason.** Whether a base gets there within its 1,600 steps of training is a matter of its random start.

# %% [markdown]
# Every one of the recorded runs can be looked at by itself. First one as a picture; then choose reward and seed (it needs a running
# notebook). Four things to watch in any such run: is it right more often, do its answers grow, how many groups still teach
# it (some right, some wrong), and how much entropy is left, that is, how unsure it still is about the next token. **Guess first:** which of
# the four falls to nearly nothing when all goes well?

# %% tags=["alone"]
import matplotlib.pyplot as plt

from racecourse.learn.widgets.grpo_dashboard import DEFAULT as RUN_SHOWN
from racecourse.learn.widgets.grpo_dashboard import draw_run

run_in_words = draw_run(plt.figure(figsize=(8.4, 5.6), layout="constrained").add_subplot(), **RUN_SHOWN)
plt.show()
print(run_in_words)

# %% tags=["alone"]
from racecourse.learn.widgets.grpo_dashboard import grpo_dashboard_explorer

display(grpo_dashboard_explorer())

# %% [markdown]
# ## 4 · Did it learn, or did it choose?
#
# Before you call this "learning to reason", ask what the base could do already. Two looks: the pass@k curve before and after, and the
# accuracy split into how often it thinks and how often a thought is right.

# %%
n_samples = 16 if session.quick else 64
ks = [k for k in KS if k <= n_samples]
drawn = {name: sample_texts(m, tokenizer, prompts, n_samples=n_samples, max_new_tokens=16, seed=2)
         for name, m in (("base", base), ("after RL", trained))}  # fmt: skip
curves, rows = {}, []
for name, answers in drawn.items():
    rewards = [[task.reward(p, s.text) for s in row] for p, row in zip(held_out, answers, strict=True)]
    curves[name] = pass_curve(rewards, ks)
    flat = [
        (s.text.partition("#")[0], r)
        for row, paid in zip(answers, rewards, strict=True)
        for s, r in zip(row, paid, strict=True)
    ]
    thought = [r for text, r in flat if text]
    direct = [r for text, r in flat if not text]
    rows.append(
        [
            name,
            f"{len(thought) / len(flat):.1%}",
            f"{mean(thought):.1%}",
            f"{mean(direct):.1%}" if direct else "-",
            f"{mean(r for _, r in flat):.1%}",
        ]
    )
policy.plot_pass_curves(curves, ks, title="pass@k on 200 held-out chains of six digits").legend(frameon=False)
plt.show()
print(text_table(["", "thinks", "right if it thinks", "right if not", "right"], rows), "\n")
print(text_table(["pass@k", *map(str, ks)], [[name, *(f"{v:.3f}" for v in curve)] for name, curve in curves.items()]))

# %% [markdown]
# Both parts rose: it thinks always, and a thought is right nearly always. But the base's pass@16 was already 100 %: among sixteen of its answers to *any* of these problems one was right.
# And forced to think, by lesson 04's "w", it was right seven times in ten. RL did not teach it to add. It **chose** a way of answering that was there, and
# **sharpened** it: what needed sixteen answers now needs one. On this task a verifier, or a vote, and more tokens would have got as far, at each question anew; RL paid once.
#
# ## 5 · Several updates from one batch: ratio and clipping
#
# For a large model writing answers is the expensive part (in our small run it is about half of the time), so one wants more than one update from a batch. After the first update the policy is no longer
# the one that wrote the answers. The correction is the **ratio** of the new probability of a token to the old one. And since the batch says
# less and less about a policy that has moved away, the objective of PPO (proximal policy optimisation, arXiv 1707.06347, from which GRPO comes) stops paying once a token has moved
# far enough: it is **clipped**. DAPO gives it more room upwards (0.28) than downwards (0.2), so that rare tokens can become common.


# %%
def clipped_objective(
    ratio_BT: Float[Tensor, "B T"], advantages_B: Float[Tensor, "B"], clip_low: float, clip_high: float
) -> Float[Tensor, "B T"]:
    """The smaller of ratio * A and clipped ratio * A (PPO, arXiv 1707.06347, equation 7).

    What has already moved beyond the clip in the wanted direction gets no gradient; what has moved the wrong way does.
    """
    advantages_B1 = advantages_B[:, None]
    clipped_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    return torch.minimum(ratio_BT * advantages_B1, clipped_BT * advantages_B1)


# %% [markdown]
# **Guess first:** a token of a *wrong* answer (advantage -1) has become twice as likely as it was, ratio 2. Does it get a gradient?

# %%
guess_clip = None

# %%
ratio = torch.linspace(0.4, 2.0, 81, requires_grad=True)
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), layout="constrained", sharey=True)
for ax, advantage in zip(axes, (1.0, -1.0), strict=True):
    objective = clipped_objective(ratio[:, None], torch.full((81,), advantage), 0.2, 0.28)[:, 0]
    ax.plot(ratio.detach(), objective.detach())
    ax.axvline(1, color="#999999", linewidth=0.8)
    ax.set(title=f"advantage {advantage:+.0f}", xlabel="ratio new / old", ylabel="objective" if advantage > 0 else "")
figure.suptitle("What the clipped objective pays for a token", fontsize=10)
plt.show()
rows = []
for advantage in (1.0, -1.0):
    for value in (0.5, 1.0, 2.0):
        r = torch.tensor([[value]], requires_grad=True)
        clipped_objective(r, torch.tensor([advantage]), 0.2, 0.28).sum().backward()
        rows.append([f"{advantage:+.0f}", value, f"{r.grad.item():+.0f}"])
print(text_table(["advantage", "ratio", "gradient"], rows))
print("your guess:", guess_clip)

# %% [markdown]
# The objective is flat only where the token has gone far enough **in the wanted direction**. What has gone the wrong way (advantage -1, ratio 2)
# keeps its gradient and is pulled back.
#
# With one update per batch, as in section 3, the ratio is 1 and nothing is ever clipped. So let us take four updates per batch, with and without the clip.
#
# **Guess first:** fifteen steps as in the opening, but with four updates each. Right at temperature 1, in percent: with the clip? And without it?

# %%
guess_four_updates = None

# %%
judge = judge_on(task, tokenizer, n_problems=40 if session.quick else 200)
no_clip = {"clip_low": 1e9, "clip_high": 1e9}
rows = []
for name, learning_rate, n_updates, clip in (
    ("one update, as in the opening", 3e-4, 1, {}), ("four, clipped", 3e-4, 4, {"clip_high": 0.28}), ("four, not clipped", 3e-4, 4, no_clip),
    ("one update, larger steps", 1e-3, 1, {}), ("four, clipped", 1e-3, 4, {"clip_high": 0.28}), ("four, not clipped", 1e-3, 4, no_clip),
):  # fmt: skip
    pupil = copy.deepcopy(base)
    chosen = GRPOConfig(
        n_steps=2 if session.quick else 15, eval_every=100, n_updates=n_updates, learning_rate=learning_rate, **clip
    )
    taught = train_grpo(pupil, tokenizer, task, chosen, judge=judge, log=None)
    writing = sum(s.generation_seconds for s in taught.steps) / taught.steps[-1].seconds
    e = taught.evaluations[-1]
    rows.append(
        [
            learning_rate,
            name,
            f"{e.accuracy:.1%}",
            f"{e.greedy:.1%}",
            f"{taught.steps[-1].seconds:.1f}",
            f"{writing:.0%}",
        ]
    )
print(text_table(["learning rate", "updates per batch", "right", "greedy", "seconds", "of these, writing"], rows))
print("your guess:", guess_four_updates)

# %% [markdown]
# With small steps the clip changes next to nothing: four updates take the model further in fifteen steps than one does, for two to three times the time on a quiet
# machine (compare the lower three rows; other work can blur it, in the first row above it did). With larger steps one update is enough, and four go wrong: each batch is
# followed further than it can be trusted. The clip prevents most of the damage, not all of it. (Seed 0, live. Two more seeds with the larger steps, one CPU thread,
# 2026-11-26: clipped 89 and 89 %, not clipped 65 and 12 %.) So for this small model one update per batch is the better bargain; for a large one, whose answers cost far
# more than its updates, several can be.
#
# ## 6 · How far from the start? KL, measured by samples
#
# A policy that chases a reward can forget everything else. A brake is to pay for the distance to the model one began with (the
# **reference**), as the divergence KL(policy || reference). Exactly it is a sum over the whole vocabulary at every place; from the
# written tokens alone it can be **estimated**. Of the three ways in Schulman's note (2020) two are in use:


# %%
def kl_k1(logprobs_BT: Float[Tensor, "B T"], ref_logprobs_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """log p - log ref per token: its mean under p is KL(p || ref), single values may be negative (Schulman 2020)."""
    return logprobs_BT - ref_logprobs_BT


def kl_k3(logprobs_BT: Float[Tensor, "B T"], ref_logprobs_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """ref / p - 1 - log(ref / p): the same mean under p, never negative, less noise near the reference (Schulman)."""
    log_ratio_BT = ref_logprobs_BT - logprobs_BT
    return log_ratio_BT.exp() - 1 - log_ratio_BT


# %% [markdown]
# Both on the model of the opening, fifteen steps away from the base, beside the exact sum. (More letters: **S** tokens of a prompt, less than in lesson 01, **N** of a prompt with its answer, **V** of the
# vocabulary. The unit is the nat, for natural logarithms; 1 nat is 1.44 bits.)

# %%
moved, _ = batch_of(model, seed=100)
logprobs_BT, ref_logprobs_BT = (token_logprobs(m, moved, G)[0] for m in (model, base))
whole_BN = torch.cat((moved.prompt_BS, moved.written_BT), dim=1)
S = moved.prompt_BS.shape[1]  # all prompts have one length here, so that nothing is padded on the left
p_BTV, ref_BTV = (m(whole_BN)[:, S - 1 : -1].log_softmax(-1) for m in (model, base))
exact_BT = (p_BTV.exp() * (p_BTV - ref_BTV)).sum(-1)
rows = []
for name, values_BT in (
    ("exact", exact_BT),
    ("k1", kl_k1(logprobs_BT, ref_logprobs_BT)),
    ("k3", kl_k3(logprobs_BT, ref_logprobs_BT)),
):
    written = values_BT[moved.mask_BT]
    rows.append([name, f"{written.mean():.4f}", f"{written.std():.3f}", f"{round(written.min().item(), 3) + 0.0:.3f}"])
print(text_table(["KL per token, nats", "mean", "spread", "smallest"], rows))

# %% [markdown]
# Both estimates come close to the exact mean and need nothing but the probability of the written tokens. k1 is often negative
# for a single token; k3 never is. k3 is the less noisy one while the two models are close; here they are far apart already, and its spread is twice that of k1. In the loss GRPO uses k3, times a small weight. Our runs take none (`kl_weight=0`), as DAPO and Dr. GRPO do:
# the reward is exact here, and there is nothing else to forget.
#
# ## 7 · From tokens to one number, and the whole loss
#
# The loss of a batch is one number made from the losses of all tokens. It matters how. DeepSeek's GRPO takes the mean of each answer first, so a token of a long answer counts
# less; DAPO takes all tokens alike; Dr. GRPO divides each answer's sum by a constant.


# %%
def reduce_loss(
    per_token_BT: Float[Tensor, "B T"], mask_BT: Bool[Tensor, "B T"], normalise: str, max_tokens: int | None = None
) -> Float[Tensor, ""]:
    """One number of all tokens' losses; only tokens that the model wrote itself count.

    "sequence" is the mean over each row, then over rows (GRPO): a token of a long answer counts less. "token" is the
    mean over all tokens of the batch (DAPO): all count alike, in a batch of long answers less. "constant" divides every
    row's sum by `max_tokens` (Dr. GRPO): all count alike, in every batch.

    Raises:
        ValueError: an unknown choice, or "constant" without `max_tokens`.
    """
    kept_BT = per_token_BT * mask_BT
    if normalise == "sequence":
        return (kept_BT.sum(1) / mask_BT.sum(1).clamp(min=1)).mean()
    if normalise == "token":
        return kept_BT.sum() / mask_BT.sum().clamp(min=1)
    if normalise == "constant":
        if max_tokens is None:
            raise ValueError("normalise='constant' divides by max_tokens: give it")
        return kept_BT.sum(1).mean() / max_tokens
    raise ValueError(f"normalise={normalise!r}: use 'sequence', 'token' or 'constant'")


def grpo_loss(
    logprobs_BT: Float[Tensor, "B T"],
    old_logprobs_BT: Float[Tensor, "B T"],
    advantages_B: Float[Tensor, "B"],
    mask_BT: Bool[Tensor, "B T"],
    *,
    ref_logprobs_BT: Float[Tensor, "B T"] | None = None,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
    kl_weight: float = 0.0,
    normalise: str = "sequence",
    max_tokens: int | None = None,
) -> Float[Tensor, ""]:
    """The loss to minimise: minus the clipped objective, plus `kl_weight` times the k3 estimate of KL(p || ref).

    `old_logprobs_BT` are those of the policy that wrote the rows, without gradient. For the first update on a batch
    they equal `logprobs_BT`, the ratio is 1 and nothing is clipped. DAPO takes clip_high = 0.28.

    Raises:
        ValueError: `kl_weight` without `ref_logprobs_BT`; otherwise as `reduce_loss`.
    """
    ratio_BT = (logprobs_BT - old_logprobs_BT).exp()
    per_token_BT = -clipped_objective(ratio_BT, advantages_B, clip_low, clip_high)
    if kl_weight:
        if ref_logprobs_BT is None:
            raise ValueError(
                f"kl_weight={kl_weight} needs the reference model's log-probabilities: give ref_logprobs_BT"
            )
        per_token_BT = per_token_BT + kl_weight * kl_k3(logprobs_BT, ref_logprobs_BT)
    return reduce_loss(per_token_BT, mask_BT, normalise, max_tokens)


# %% [markdown]
# Two answers of 3 and 12 tokens, both with advantage 1. How much does one token of each weigh?

# %%
mask_BT = torch.arange(12) < torch.tensor([[3], [12]])
rows = []
for normalise in ("sequence", "token", "constant"):
    logprobs = torch.full((2, 12), -1.0, requires_grad=True)
    grpo_loss(logprobs, logprobs.detach(), torch.ones(2), mask_BT, normalise=normalise, max_tokens=16).backward()
    short, long = -logprobs.grad[0, 0].item(), -logprobs.grad[1, 0].item()
    rows.append([normalise, f"{short:.4f}", f"{long:.4f}", f"{12 * long / (3 * short):.1f}"])
print(text_table(["normalise", "token of the short answer", "of the long one", "long answer over short one"], rows))

# %% [markdown]
# Note the consequence of "sequence": a long *wrong* answer is blamed less per token than a short one, so a policy may learn to be wrong at length.
# We take "token".
#
# Everything is there. A whole run of GRPO is this loop; the package's `train_grpo` adds several updates per batch, parts of a
# batch for small memories, KL, resampling and evaluations.


# %%
def plain_grpo(model: Transformer, n_steps: int, learning_rate: float = 3e-4) -> list[float]:
    """The mean reward of every step."""
    model.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    rewards = []
    for step in range(n_steps):
        rollout, rewards_PG = batch_of(model, seed=1000 + step)  # the policy writes, the verifier pays
        advantages_B = group_advantages(rewards_PG).flatten()
        logprobs_BT, _ = token_logprobs(model, rollout, G)
        loss = grpo_loss(logprobs_BT, logprobs_BT.detach(), advantages_B, rollout.mask_BT, normalise="token")
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rewards.append(rewards_PG.mean().item())
    return rewards


rewards = plain_grpo(copy.deepcopy(base), 3 if session.quick else 20)
print("mean reward, steps 1 to 3:", [f"{r:.2f}" for r in rewards[:3]], " last 3:", [f"{r:.2f}" for r in rewards[-3:]])

# %% [markdown]
# ## 8 · Where the base is not there yet
#
# Two harder settings. First, chains of **seven**. The base has seen six numbers only, ever; its thoughts stop after five digits.
#
# **Guess first:** what do a hundred steps of the same reinforcement learning make of it? The reward is exact, and one answer in ten is right by luck.

# %%
guess_seven = None

# %%
seven = ChainedArithmetic((7, 7))
longer = copy.deepcopy(base)
judge_seven = judge_on(seven, tokenizer, n_problems=20 if session.quick else 100, max_new_tokens=24)
train_grpo(
    longer, tokenizer, seven, GRPOConfig(n_steps=2 if session.quick else 100, max_new_tokens=24, eval_every=50), judge=judge_seven
)  # fmt: skip
print()
for problem, row in zip(problems(seven, 2, split="test", seed=1), sample_texts(
    longer, tokenizer, [p.prompt for p in problems(seven, 2, split="test", seed=1)], n_samples=4, max_new_tokens=24, seed=5
), strict=True):  # fmt: skip
    print(f"after RL: {problem.prompt}  right: {problem.answer}  answers:", "  ".join(sample.text for sample in row))
print("your guess:", guess_seven)

# %% [markdown]
# No accuracy, in a hundred steps; only shorter answers, since thinking was not paid. One answer in ten is paid by luck, and a lucky answer to one problem says nothing about the next. pass@8 of fifty-odd percent is
# what eight guesses among ten digits give (1 - 0.9^8 = 57 %): **a high pass@k need not mean a skill**, if the answer can be guessed. Here RL does not extend anything, for there is nothing to choose from.
#
# Second, **countdown** (lesson 04): three numbers and a target, and an expression is asked for. Here only **hard** targets count, which at most
# two of all ways to join the numbers reach. The base answers blindly, or makes one or two random tries, and hands in a miss as readily as a hit. Its pass@8 is under a half.
# The 150 steps take too long for an evening, so they are recorded, for three seeds. To see whether RL **extends** what a model can do, both are asked 256
# times for each of 100 held-out problems.
#
# **Guess first:** in how many of the 100 problems is at least one of 256 tries right: for the base? And after RL?

# %%
guess_base_256, guess_after_256 = None, None

# %%
search_runs = [run for (part, *_), run in runs.items() if part == "countdown"]
search_ks = [1, 2, 4, 8, 16, 32, 64, 128, 256]
as_rewards = lambda counts: [[1.0] * c + [0.0] * (256 - c) for c in counts]  # noqa: E731
search_curves = {"base": pass_curve(as_rewards(search_runs[0]["before"]), search_ks)}
for i, run in enumerate(search_runs):
    search_curves[f"after RL, seed {i}"] = pass_curve(as_rewards(run["after"]), search_ks)
figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.6), layout="constrained")
policy.plot_pass_curves(
    search_curves, search_ks, title="Countdown: pass@k on 100 held-out problems", ax=axes[0]
).legend(frameon=False, fontsize=8)
policy.plot_policies(
    {"after the verifier": [run["history"] for run in search_runs]},
    "length",
    title="Tokens per answer",
    label="tokens",
    ax=axes[1],
)
figure.suptitle("Reinforcement learning on search, three seeds (recorded)", fontsize=10)
plt.show()
print(
    text_table(
        ["pass@k", *map(str, search_ks)],
        [[name, *(f"{v:.2f}" for v in curve)] for name, curve in search_curves.items()],
    )
)
for i, run in enumerate(search_runs):
    unsolved = [after for before, after in zip(run["before"], run["after"], strict=True) if before == 0]
    lost = sum(before > 0 and after == 0 for before, after in zip(run["before"], run["after"], strict=True))
    print(f"seed {i}: {len(unsolved)} problems unsolved by the base in 256 tries, {sum(c > 0 for c in unsolved)} of them solved after RL, "
          f"on average in {mean(unsolved) / 256:.0%} of the tries; {lost} solved before and not after")  # fmt: skip
for prompt, answer in search_runs[0]["history"].evaluations[-1].examples:
    print("after RL:", prompt, answer)
print("your guess:", guess_base_256, guess_after_256)

# %% [markdown]
# As found: one answer is right about twice as often as before or more, and up to eight answers all trained models are clearly ahead. Around sixteen the curves **cross**.
# From there on the *base* solves more, since random tries sooner or later go everywhere, while a trained model goes where it was paid; with 256 tries two of three trained models solve
# fewer problems than the base, and the third as many. They write about twice as much: more tries in one answer. So here, too, RL mostly sharpened, and paid for it with variety. A single problem of the
# 100 was missed by the base in 256 tries and is solved after RL: too few to call it an extension. The three answers printed last are wrong, with false sums and a false `!`: more tries does not mean careful ones.
#
# The same crossing was reported for language models (Yue and others, section 14). What this says is limited to 150 steps of one recipe; it does not say that RL never can.
#
# ## 9 · The same compute, spent otherwise
#
# RL is not the only way to use a verifier. At the compute that the run above took (FLOPs counted: one forward pass to write a token, three
# forwards' worth to learn from it), the same base can learn by **supervised fine-tuning** (SFT), that is, by predicting the tokens of given answers:
#
# * **more of the same**: the messy examples the base was made from;
# * **own right answers**: sample, keep what the verifier accepts, learn it (rejection sampling, one round of STaR or expert iteration);
# * **a teacher's right answers**: the same with answers of the RL model: **distillation**. The teacher's own training is *not* counted; with it, it costs twice as much;
# * **worked examples without error**: somebody has written them, which for this task a formula does.
#
# **Guess first:** order the five by accuracy at temperature 1.

# %%
guess_order = None

# %%
if not session.quick:
    compare_methods(base, tokenizer)  # seed 0, live
outcomes = {}
for (part, *_), run in runs.items():
    if part == "methods":
        for outcome in run["outcomes"]:
            outcomes.setdefault(outcome.method, []).append(outcome)
print("\nrecorded:", made_on(), "mean of seeds 0 to 4 (lowest to highest)\n")
rows = []
for method, found in sorted(outcomes.items(), key=lambda entry: mean(o.accuracy for o in entry[1])):
    accuracies = [100 * o.accuracy for o in found]
    rows.append([
        method, f"{mean(accuracies):.0f} ({min(accuracies):.0f} to {max(accuracies):.0f})", f"{100 * mean(o.greedy for o in found):.0f}",
        f"{mean(o.length for o in found):.1f}", f"{mean(o.flops for o in found):.1e}", f"{mean(o.seconds for o in found):.0f}",
    ])  # fmt: skip
print(text_table(["method", "right, %", "greedy, %", "tokens", "FLOP", "seconds"], rows))
policy.plot_pass_curves(
    {method: [mean(values) for values in zip(*(o.passes for o in found), strict=True)] for method, found in outcomes.items()},
    KS, title="pass@k at equal compute, mean of five seeds (recorded)",
).legend(frameon=False, fontsize=8)  # fmt: skip
plt.show()
print(text_table(["pass@k", *map(str, KS)], [
    [method, *(f"{mean(values):.2f}" for values in zip(*(o.passes for o in found), strict=True))] for method, found in outcomes.items()
]))  # fmt: skip
print("your guess:", guess_order)

# %% [markdown]
# * **More of the same** changes nothing: the messy examples say that half of all answers come at once, and the base knows that already.
# * **Own right answers** get far in one round; the verifier is the same, only the wrong answers are thrown away instead of being pushed down, and all right ones count alike, lucky
#   guesses included.
# * **Distillation** from the RL model equals RL, at the same compute on the student's side, in one go. It needs the teacher, which cost as much again.
# * **Worked examples without error** are as good as anything. If somebody can write them, RL is a detour. For most tasks worth the trouble nobody can.
# * All curves meet at the top from sixteen answers on. No method extended anything here: there was nothing left to extend.
#
# DeepSeek found distillation clearly better than RL at 32 billion parameters (72.6 against 47.0 % on the contest AIME 2024, section 14). Our task is too easy to
# show that: both reach 98 %.
#
# ## 10 · A verifier with a hole
#
# The **leaky verifier** of section 3 asks whether the right digit occurs anywhere in the text. For honest answers it is nearly the same as the true one.
#
# **Guess first:** what will the answers look like after sixty steps?

# %%
guess_hack = None

# %%
hacked, hacked_history = reinforce("leaky verifier", base, tokenizer, config=config, log=None)
paid = [step.reward for step in hacked_history.steps]
rows = [[e.step, f"{mean(paid[max(0, e.step - 5) : e.step + 5]):.1%}", f"{e.accuracy:.1%}", f"{e.length:.1f}", e.examples[0][1]]
        for e in hacked_history.evaluations]  # fmt: skip
print(
    text_table(
        [
            "step",
            "paid (mean of ten steps)",
            "truly right",
            "tokens",
            "an answer to " + hacked_history.evaluations[0].examples[0][0],
        ],
        rows,
    )
)
figure, ax = plt.subplots(figsize=(6.4, 3.4), layout="constrained")
ax.plot([s.step for s in hacked_history.steps], paid, label="paid by the leaky verifier")
ax.plot(
    [e.step for e in hacked_history.evaluations],
    hacked_history.column("accuracy"),
    "o--",
    label="truly right, held out",
)
ax.set(xlabel="step", ylabel="share", ylim=(0, 1.02), title="A reward that is hacked (live, seed 0)")
ax.legend(frameon=False)
plt.show()
for name, m in (("base", base), ("hacked", hacked)):
    texts = [s.text for row in sample_texts(m, tokenizer, prompts, n_samples=4, max_new_tokens=16, seed=7) for s in row]
    print(f"{name}: {mean(not text.partition('#')[2] for text in texts):.0%} of the answers have nothing behind '#'")
print("your guess:", guess_hack)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("which-figure-is-blind")

# %% [markdown]
# The pay goes to 99 %. What is truly right rises with it at first, for thinking brings the digit into the text. Then, while the pay goes on rising, the truth **falls**, in the five
# recorded seeds by 17 to 49 points from its best to its lowest later value; in two it then rises again. Look at the last answers here: more digits than it needs, and behind `#` nothing in one of seven, a wrong digit in more of them (in other seeds it differs). The right digit stands in the thought already; whoever is paid for that need not answer, and every
# further digit is one more chance. Nothing in this reward prefers a right answer to a wrong one, so where the truth ends is left to chance.
#
# How would you notice without the true verifier? The pay alone looks like success. Three signs: reward and an **audited sample** go apart, answers lengthen without
# need, and the pay is higher than pass@1 could be. Exercises 6 and 7 of the set make these into a test.
#
# ### A verifier that runs code
#
# QwQ's makers paid code by "a code execution server" that ran tests. That is the strongest verifier there is, and the most dangerous:
# it runs what a model wrote. `passes_tests` does it in a sandbox, without network, files, or time to waste, and never tells the program what the
# right results are.

# %%
import socket
import tempfile

from racecourse.machine.sandbox import sandbox_problem
from racecourse.reasoning.verifiers import passes_tests

door = socket.create_server(("127.0.0.1", 0))  # something to call: a port of this very machine
secret = Path(tempfile.mkdtemp()) / "secret.txt"  # and something to read
secret.write_text("not for models")

cases = [(([3, 1, 2],), [1, 2, 3]), (([],), []), (([5, 5, -1],), [-1, 5, 5])]
programs = {
    "right": "def order(xs):\n    return sorted(xs)",
    "wrong for equal numbers": "def order(xs):\n    return sorted(set(xs))",
    "never ends": "def order(xs):\n    while True: pass",
    "prints a guess and leaves": "print([[1, 2, 3], [], [5, 5, -1]])\nraise SystemExit(0)",
    "right, but reads your file": f"open({str(secret)!r}).read()\ndef order(xs):\n    return sorted(xs)",
    "right, but opens a connection": f"import socket\nsocket.create_connection(('127.0.0.1', {door.getsockname()[1]}), 1)\ndef order(xs):\n    return sorted(xs)",
    "knows the tests by heart": "def order(xs):\n    return {3: [1, 2, 3] if 2 in xs else [-1, 5, 5], 0: []}[len(xs)]",
}
for name, code in programs.items():
    print(f"{name:30} reward {passes_tests(code, 'order', cases, seconds=1.0):.0f}")
problem = sandbox_problem()
door.close()
print(
    "\nsandbox:",
    "closed (bubblewrap): no network, no files"
    if problem is None
    else f"weaker mode, time and memory limits only: {problem}",
)

# %% [markdown]
# Where the system has no sandbox the program runs with limits on time and memory only, and the label says so: the programs that look around and call
# are then **paid**, since they sort. And the last one is paid everywhere: it knows the tests. A verifier is as good as its tests are many, and unknown.
#
# ## 11 · The published recipes, in miniature
#
# What is known of the two (QwQ: Qwen's blog of 6 March 2025; R1: arXiv 2501.12948, section 2):
#
# | | QwQ-32B | DeepSeek-R1 |
# |---|---|---|
# | begins with | "a cold-start checkpoint" (a model after a first supervised training on a few good examples), based on Qwen2.5-32B | DeepSeek-V3-Base |
# | 1 | RL on mathematics and code; an accuracy verifier, a code execution server | supervised: "thousands" of long thoughts |
# | 2 | RL for general abilities, "a small amount of steps"; a reward model and rule-based verifiers | RL on mathematics, code, science, logic, with a reward for consistent language |
# | 3 | | rejection sampling: about 600,000 reasoning and 200,000 other answers, supervised, **from V3-Base again**, two epochs |
# | 4 | | RL for all scenarios; rules for reasoning, reward models for the rest |
# | not published | algorithm, data, group size, learning rate | data; the second and fourth stage's length |
#
# A **reward model** is a network that was trained to score answers, for what no rule can judge. R1-**Zero** is RL on
# V3-Base without any supervised stage: it reasons well, and is hard to read.
#
# In our miniature chains stand for mathematics, "which of four digits is the largest?" (`3,7,2,5=` → `#7`) for everything else, and a thought of digits only, without
# `w`, for one that a person can read. Each line is a model at that point.
#
# **Guess first:** after RL on chains alone, in what percent of the problems does the model name the largest of four digits? A guess among ten digits is 10 %.

# %%
guess_general = None

# %%
from racecourse.reasoning.stages import qwq, r1

n_steps = 4 if session.quick else 60
standings = [*qwq(base, tokenizer, n_steps=n_steps), *r1(base, tokenizer, n_steps=n_steps)]
print(text_table(
    ["", "chains right", "tokens", "readable", "largest right", "seconds"],
    [[f"{s.recipe}: {s.stage}", f"{s.chains:.1%}", f"{s.length:.1f}", f"{s.readable:.1%}", f"{s.largest:.1%}", f"{s.seconds:.0f}"] for s in standings],
))  # fmt: skip
recorded = [run["standings"] for (part, *_), run in runs.items() if part == "stages"]
print("\nrecorded:", made_on(), "mean of seeds 0 to 4 (lowest to highest), %\n")
rows = []
for line in zip(*recorded, strict=True):
    cells = []
    for field in ("chains", "readable", "largest"):
        values = [100 * getattr(s, field) for s in line]
        cells.append(f"{mean(values):.0f} ({min(values):.0f} to {max(values):.0f})")
    rows.append([f"{line[0].recipe}: {line[0].stage}", *cells])
print(text_table(["", "chains right", "readable", "largest right"], rows))
print("your guess:", guess_general)

# %% [markdown]
# What each stage bought, as measured:
#
# * **Mathematics first** brings nearly everything on chains, in both recipes, and nothing on the other task: still a guess among ten.
# * **QwQ's second stage**, twenty steps on everything, costs the chains one or two points and brings the other task from a tenth to about a quarter (in one seed a sixth). A few steps from nothing do not go far: there is little to choose from.
# * **R1-Zero** is QwQ's first stage by another name. In four seeds of five it is readable here, in one a third of the thoughts keep their "w"; nobody
#   paid for either. In R1 languages were mixed.
# * **R1's cold start** makes nearly every answer a readable thought after 1,000 examples (chains 39 to 59 %), and the second stage makes them right.
# * **R1's third stage** is the one that pays for breadth: learning from chosen answers of its own, and from worked examples of the rest, on the *base*. The fourth has little left to do here.
#
# The comparison is unfair to QwQ's recipe: its cold-start checkpoint is the bare base here, it gets fewer steps, and R1's third stage was *given* right answers to the other task. Nobody outside knows
# what QwQ's makers gave.
#
# ## 12 · The same code on a real language model
#
# Nothing in the loop knows about digits. The same `train_grpo` trains SmolLM2-135M, or a model of 0.5 to 1.5 billion parameters from the hub:
#
# `python -m racecourse.reasoning.train_lm --model qwen2.5-0.5b-instruct --operands 6 --steps 100`
#
# (in a terminal; in a cell on Colab with `!` in front) asks the chains in words through the model's chat template, counts
# what the run needs of the GPU's memory **before** it loads anything, and evaluates before and after. Two things are
# different at that size. The vocabulary has 49,000 to 152,000 tokens, so the log-probabilities are computed in chunks. And
# weights, gradients and AdamW's two moments of a 1.5-billion model do not fit a free T4 (14.5 GiB), so the weights are frozen
# in float16 (a T4 has no bfloat16) and small matrices are trained beside them: **LoRA**, which is exercise 8 of the set.

# %%
from racecourse.learn.fits import known_configs
from racecourse.reasoning.training_memory import memory_needed

per_step = GRPOConfig(n_prompts=8, group_size=8, max_new_tokens=48, rows_at_once=8)
choices = {
    "SmolLM2-135M, all weights, float32": ("SmolLM2-135M", 4, 0),
    "Qwen2.5-0.5B, all weights, float32": ("Qwen2.5-0.5B", 4, 0),
    "Qwen2.5-0.5B, LoRA on float16": ("Qwen2.5-0.5B", 2, 16),
    "R1-Distill-Qwen-1.5B, LoRA on float16": ("R1-Distill-Qwen-1.5B", 2, 16),
    "QwQ-32B, LoRA on float16": ("QwQ-32B", 2, 16),
}
rows = []
for name, (model_name, weight_bytes, rank) in choices.items():
    need = memory_needed(
        known_configs()[model_name], per_step, prompt_tokens=60, weight_bytes=weight_bytes, lora_rank=rank
    )
    rows.append(
        [
            name,
            *(
                f"{n / 2**30:.1f}"
                for n in (need.weights, need.gradients + need.moments, need.activations + need.logits, need.total)
            ),
        ]
    )
print(
    text_table(
        ["GiB, 8 prompts x 8 answers of 48 tokens", "weights", "gradients, AdamW", "activations, logits", "peak"], rows
    )
)

# %% [markdown]
# These are counts, not measurements: no GPU was at hand when this lesson was made. On two CPU cores a step of SmolLM2 takes half a minute,
# and it is a poor student: of its answers to chains of two numbers about 2 % are right (2026-11-25), so nearly all groups are silent.
# Section 2 said what that means. TinyZero, others' small repetition of R1-Zero, reports that Qwen2.5-0.5B did not learn countdown. For
# several GPUs, `python -m racecourse.reasoning.train_trl` runs the same tasks and rewards through TRL's trainer under Accelerate.

# %% [markdown]
# ## 13 · The ledger
#
# AIME 2024 is a test of 30 competition problems. A **standard error** is how far a measured share lies from the true one in a typical test of this size: sqrt(p (1 - p) / n).

# %%
n = 30  # problems of AIME 2024
preview, qwq_score, r1_score = 0.500, 0.795, 0.798
errors = {p: math.sqrt(p * (1 - p) / n) for p in (preview, qwq_score, r1_score)}
between = lambda a, b: (b - a) / math.hypot(errors[a], errors[b])  # noqa: E731
print(
    f"{n} problems: one standard error is {100 * errors[qwq_score]:.0f} points at {qwq_score:.1%} if problems are what varies"
)
print(
    f"QwQ-32B-Preview to QwQ-32B: {100 * (qwq_score - preview):.1f} points, {between(preview, qwq_score):.1f} standard errors of the difference"
)
print(f"QwQ-32B to R1: {100 * (r1_score - qwq_score):.1f} points, {between(qwq_score, r1_score):.2f} standard errors")
display(settle(
    3,
    value=f"AIME 2024: {preview:.1%} for QwQ-32B-Preview, {qwq_score:.1%} for QwQ-32B, {between(preview, qwq_score):.1f} standard errors apart on 30 problems. "
    "Coding: 63.4% on LiveCodeBench for QwQ-32B, by its makers; of the preview no figure was read. General ability: the makers give a picture only",
    verdict="holds with a qualification",
    sources=("DeepSeek-R1 (arXiv 2501.12948), table 6, for the preview (R1's README prints 44.0)", "Qwen's blog of 6 March 2025; The Batch; arXiv 2505.16400 for the 63.4"),
))  # fmt: skip
display(settle(
    2,
    value=f"AIME 2024: 79.5% and 79.8%, {between(qwq_score, r1_score):.2f} standard errors apart, the first by QwQ's makers, the second by R1's; at 32 billion "
    "parameters R1's makers got 47.0% by RL and 72.6% by distillation; "
    f"with {n} problems a gap below some {200 * math.hypot(errors[qwq_score], errors[r1_score]):.0f} points (two standard errors) could not be seen",
    verdict=None,
    sources=("Qwen's blog of 6 March 2025", "DeepSeek-R1 (arXiv 2501.12948), tables 4 and 6"),
))  # fmt: skip

# %% [markdown]
# ## 14 · What you have shown
#
# One base of 224,000 parameters, chains of six digits, held-out problems.

# %%
base_line = outcomes["base"]
rl_seconds = f"{mean(o.seconds for o in outcomes['reinforcement learning']):.0f} s"
rows = [
    ["base", *(f"{100 * mean(getattr(o, f) for o in base_line):.0f} %" for f in ("accuracy", "greedy")), f"{mean(o.length for o in base_line):.1f}", "0", "-"],
    *(
        [f"RL, {name}", f"{100 * mean(h.evaluations[-1].accuracy for h in found):.0f} %", f"{100 * mean(h.evaluations[-1].greedy for h in found):.0f} %",
         f"{mean(h.evaluations[-1].length for h in found):.1f}", f"{mean(flops_of(h, base, GRPOConfig(), n_prompt=12) for h in found):.1e}", rl_seconds if name == "right answer" else "-"]
        for name, found in by_reward.items()
    ),
    *(
        [name, f"{100 * mean(o.accuracy for o in found):.0f} %", f"{100 * mean(o.greedy for o in found):.0f} %", f"{mean(o.length for o in found):.1f}", f"{mean(o.flops for o in found):.1e}",
         f"{mean(o.seconds for o in found):.0f} s"]
        for name, found in outcomes.items() if name not in ("base", "reinforcement learning")
    ),
]  # fmt: skip
print("means of five seeds, recorded:", made_on(), "\n")
print(text_table(["method", "right", "greedy", "tokens", "FLOP", "time"], rows))
if not session.quick:
    print("\nexpected live: right 94 to 100 % after RL (35 to 44 % before), tokens 7.5 to 9, forced direct 6 to 13 %")

# %% [markdown]
# The recorded seconds are section 9's, taken while other work ran on the machine. The three other rewards were not timed beside them: compare their FLOP.
#
# ### Limitations
#
# * The base was **made** to be ready: half of its examples think, in one fixed form. That thinking can be found at all is built in; a language model has to have met it in its text.
# * One verifiable task with short answers. Nothing here shows what happens to thousands of tokens.
# * The controls have one strength each. A random reward with another learning rate, or on a base with a strong habit, can do more: for Qwen2.5-Math
#   gains under random rewards were reported.
# * Compute is counted in FLOPs. By the clock, writing answers token by token is far dearer than learning from them (lesson 06).
#
# ### What others found at full size
#
# | finding | source |
# |---|---|
# | R1-Zero, AIME 2024, one answer: 15.6 before, 71.0 after RL; 86.7 with a vote among 64 | DeepSeek-R1 [1], table 2 and section 2.2.4 (later version: 77.9) |
# | R1, AIME 2024 79.8, MATH-500 97.3; QwQ-32B, AIME 2024 79.5 | DeepSeek-R1 [1]; QwQ: Qwen's own figure, as reported by The Batch |
# | At 32 billion parameters RL alone gives 47.0 on AIME 2024, distillation from R1 72.6 | DeepSeek-R1 [1], table 6 |
# | A 1.5-billion model distilled from R1: AIME 2024 28.9, MATH-500 83.9 | DeepSeek-R1 [1], table 5 |
# | Qwen3-0.6B base, MATH-500: 15.2 before, 47.4 after 50 updates; a prompt that asks it to think gives 40.6 without any training | Raschka, reasoning-from-scratch, chapters 4 and 6 |
# | Much of a gain can be repair of a bad prompt: with the wrong template Qwen2.5-Math-1.5B starts near 5, without one at 61.8 (MATH-500) | Dr. GRPO [2], figure 6 and table 4 |
# | At large k the base overtakes the RL model on several benchmarks | Yue and others, limit-of-rlvr.github.io |
# | DAPO, 32 billion, AIME 2024: plain GRPO 30; with a higher upper clip, token loss, dynamic sampling and overlong rules 50 | DAPO [3], table 1 |
# | Qwen2.5-0.5B does not learn countdown by RL; 3B does | TinyZero's README |
#
# QwQ-32B, also RL at 32 billion, has 79.5. No source read here explains the difference: DeepSeek's 47.0 began with the bare base; QwQ's makers began with a cold start that they did not
# describe.
#
# AIME 2024: 30 competition problems whose answers are whole numbers from 0 to 999; MATH-500: 500 school problems. arXiv numbers: [1] 2501.12948, [2] 2503.20783,
# [3] 2503.14476. All percentages are their authors' own.
#
# ### Where next
#
# Exercise set 05 asks for siblings: leave-one-out advantages, a mask, one ratio for a whole answer, the exact KL, a shaped reward, holes in
# verifiers, the detection of a hack, LoRA for several tasks at once
# (`racecourse start 05_reasoning_rl`). Lesson 06 asks what all this runs on.

# %%
ledger("05")
