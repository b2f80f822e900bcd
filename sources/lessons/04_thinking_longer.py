# %% [markdown]
# # 04 · Thinking longer: more tokens for the same model
#
# **By the end you will have shown that** one small model, whose weights never change, answers one problem in ten or more than
# nine in ten, and that the difference is how many tokens it may spend and who chooses among its answers. You will also
# have found where more tokens stop helping: which methods level off, which do nothing at all, and why a vote is worth much
# on one task and nearly nothing on another.
#
# **Price:** two to three minutes of computing on two CPU cores, one evening of yours. On a GPU: not measured. Memory:
# about 1 GB.
#
# **You need:** how a model draws its next token (lesson 01). Nothing is trained here; that is lesson 05.

# %% [markdown]
# ## It works, before any theory
#
# Below is a model of 224,000 parameters that adds and subtracts digits. A **problem** is a chain of six, such as
# `3+5-2+7+1-4=`, and its answer is the **last digit** of the result. (Below zero it goes on with 9, as on a
# counter: 3 - 5 is -2, which counts as 8.) The model writes what it likes, then `#`, then one digit. Here are eight of its
# answers to one problem, drawn at temperature 1.

# %%
import math
import random
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple, TypeVar

import matplotlib.pyplot as plt

from racecourse.learn.tables import text_table
from racecourse.models import Tokenizer, Transformer, load
from racecourse.models.generation import generate_ids
from racecourse.reasoning import ChainedArithmetic, Countdown, problems, sample_texts
from racecourse.reasoning.evaluation import mean
from racecourse.reasoning.sampling import Sample, as_sample
from racecourse.reasoning.tasks import running_digits

model, tokenizer = load("chains-base", device=session.device)
T = TypeVar("T")
task = ChainedArithmetic()
held_out = problems(task, 40 if session.quick else 400, split="test", seed=1)
problem = held_out[0]
print(f"{problem.prompt}   right: {problem.answer}   intermediate results: {running_digits(problem.prompt)}\n")
for sample in sample_texts(model, tokenizer, [problem.prompt], n_samples=8, max_new_tokens=24, seed=3)[0]:
    print(f"{sample.text:16} {sample.n_tokens:>2} tokens  {'right' if task.reward(problem, sample.text) else 'wrong'}")

# %% [markdown]
# Some answers come at once. Some write five digits first: the last digit of every intermediate result. And some write `w`
# (read it as "wait"), before the first digit or after the last, and then go on with more care: in its examples one step in fifty is wrong there. What stands before `#` is the model's **thinking**. Nobody forces it: the
# model learned from examples that were written by somebody in a hurry, half of them without any thinking, and with one
# wrong step in ten.
#
# ## 1 · The verifier
#
# Whether an answer is right is decided by a rule, not by a person and not by a model. Such a rule is called a **verifier**. This
# one takes what follows the first `#` and compares it with the right digit. It never looks at the thinking.

# %%
for text in ("#" + problem.answer, "nonsense#" + problem.answer, problem.answer, "#" + problem.answer + "0", "#"):
    print(f"{text!r:16} reward {task.reward(problem, text):.0f}")

# %% [markdown]
# The problems of this lesson are **held out**: a checksum of the problem decides once and for all whether it is for training or
# for testing, so that none of them was among the examples.
#
# ## 2 · Does it pay to think?
#
# **Guess first:** of the answers that come at once, how many are right? And of those that think once? In percent.

# %%
guess_direct, guess_thinking = None, None

# %%
n_samples = 16 if session.quick else 64
prompts = [problem.prompt for problem in held_out]
drawn = sample_texts(model, tokenizer, prompts, n_samples=n_samples, max_new_tokens=24, seed=0)


def kind_of(text: str) -> str:
    thought, found, _ = text.partition("#")
    if not found:
        return "no answer"
    return "answers at once" if not thought else "writes w, thinks with care" if "w" in thought else "thinks once"


by_kind: dict[str, list[tuple[float, int]]] = {}
for problem, samples in zip(held_out, drawn, strict=True):
    for sample in samples:
        by_kind.setdefault(kind_of(sample.text), []).append((task.reward(problem, sample.text), sample.n_tokens))
n_all = len(held_out) * n_samples
rows = [
    [
        kind,
        f"{len(found) / n_all:.1%}",
        f"{mean(reward for reward, _ in found):.1%}",
        f"{mean(n for _, n in found):.1f}",
    ]
    for kind, found in sorted(by_kind.items(), key=lambda entry: mean(n for _, n in entry[1]))
]
print(text_table(["what it does", "share of answers", "right", "tokens"], rows))
print("your guess:", guess_direct, guess_thinking)

# %% [markdown]
# An answer that comes at once is as good as a guess among ten digits. The same weights, given five more tokens, are right more often
# than not (five steps, each right nine times in ten: 0.9^5 = 59 %), and those with a `w` four times in five.
#
# Why can it not answer at once? A likely reason: six digits have to be added one after another, and a transformer does a fixed amount of work per token:
# here two layers. Each written digit lets it do one more step, and reads the previous one from its own text.
#
# But perhaps those problems are easier about which the model thinks? Then the table compares unlike things. So let us take the choice away from it.
#
# ## 3 · Budget forcing
#
# **Budget forcing** (s1, arXiv 2501.19393) sets the length of the thinking from outside. To **cut** it, write the end-of-thinking token `#` for the model after
# so many tokens; it then has to answer. To **extend** it, whenever the model wants to write `#`, put "wait" in its place and
# let it go on. All tokens are counted, the forced ones too. By hand, for one problem:

# %%
problem = held_out[0]


def go_on(start: str) -> str:
    """What the model writes after this text, greedily."""
    return sample_texts(model, tokenizer, [start], max_new_tokens=16, temperature=0.0)[0][0].text


thought = running_digits(problem.prompt)
print(f"as it comes:              {problem.prompt} -> {go_on(problem.prompt)}")
print(f"cut after 0 tokens:       {problem.prompt}# -> {go_on(problem.prompt + '#')}")
print(f"cut after 3 tokens:       {problem.prompt}{thought[:3]}# -> {go_on(problem.prompt + thought[:3] + '#')}")
print(f"'w' where it wrote '#':   {problem.prompt}w -> {go_on(problem.prompt + 'w')}")
print(f"right: {problem.answer}, intermediate results {thought}")

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("steps-multiply")

# %% [markdown]
# The same for many problems at once, each with a thought of its own length. `attempt` counts the times that the model was let go on:


# %%
def sample_with_budget(
    model: Transformer,
    tokenizer: Tokenizer,
    prompts: Sequence[str],
    *,
    end_of_thinking: str,
    max_thinking: int,
    n_waits: int = 0,
    wait: str = "",
    max_answer_tokens: int = 8,
    temperature: float = 1.0,
    seed: int | None = None,
) -> list[Sample]:
    """Budget forcing (s1, arXiv 2501.19393): thinking is cut after `max_thinking` tokens, or made to go on.

    Each of the first `n_waits` times that the model wants to stop thinking, `wait` is put in the place of
    `end_of_thinking`, one token of the tokenizer. When the thinking is over, by itself or by force, `end_of_thinking`
    is written and the model answers. Every call reads the text so far again; left out: keeping the cache between calls.

    Raises:
        ValueError: `end_of_thinking` is not one token, or waits are asked for without a text for them.
    """
    end = tokenizer.encode(end_of_thinking)
    if len(end) != 1:
        raise ValueError(f"end_of_thinking={end_of_thinking!r} is {len(end)} tokens; it has to be one")
    if n_waits and not wait:
        raise ValueError(f"n_waits={n_waits} needs a text to write instead of {end_of_thinking!r}: set wait")
    starts = [tokenizer.encode(prompt) for prompt in prompts]
    thoughts: list[list[int]] = [[] for _ in prompts]
    stops = sorted({*end, *tokenizer.eos_ids})
    for attempt in range(n_waits + 1):
        rows = [row for row, thought in enumerate(thoughts) if len(thought) < max_thinking]
        new = generate_ids(
            model, [starts[row] + thoughts[row] for row in rows], temperature=temperature,
            max_new_tokens=max((max_thinking - len(thoughts[row]) for row in rows), default=0),
            eos_ids=stops, pad_id=tokenizer.pad_id, seed=None if seed is None else seed + 1 + attempt,
        )  # fmt: skip
        for row, ids in zip(rows, new, strict=True):
            thought = thoughts[row] + (ids[:-1] if ids[-1] in stops else ids)
            if ids[-1] in stops and attempt < n_waits:
                thought += tokenizer.encode(wait)
            thoughts[row] = thought[:max_thinking]
    written = [thought + end for thought in thoughts]
    answers = generate_ids(
        model, [start + ids for start, ids in zip(starts, written, strict=True)], max_new_tokens=max_answer_tokens,
        temperature=temperature, eos_ids=tokenizer.eos_ids, pad_id=tokenizer.pad_id, seed=seed,
    )  # fmt: skip
    return [as_sample(tokenizer, ids + answer) for ids, answer in zip(written, answers, strict=True)]


# %% [markdown]
# **Guess first:** cut after 0, 1, 2, 3, 4 and 5 tokens of thinking. Does the accuracy rise in even steps, at the start, or only at the
# end? And in the other direction: made to write `w` once, twice, three times (it comes to about 40 % without). Right, in percent?

# %%
guess_shape = None
guess_waits = None, None, None


# %%
def forced(max_thinking: int, n_waits: int = 0, wait: str = "w", seed: int = 0) -> tuple[float, float]:
    """Accuracy and tokens of one forced answer per problem and repeat."""
    repeats = 1 if session.quick else 8
    samples = sample_with_budget(
        model, tokenizer, prompts * repeats, end_of_thinking="#", max_thinking=max_thinking, n_waits=n_waits,
        wait=wait, seed=seed,
    )  # fmt: skip
    asked = held_out * repeats
    return mean(task.reward(p, s.text) for p, s in zip(asked, samples, strict=True)), mean(s.n_tokens for s in samples)


cut = {thinking: forced(thinking) for thinking in (0, 1, 2, 3, 4, 5, 8, 11, 17)}
waits = {n: forced(24, n_waits=n) for n in range(4)}
print(text_table(["thinking at most", "right", "tokens"], [[k, f"{a:.1%}", f"{n:.1f}"] for k, (a, n) in cut.items()]))
print()
print(
    text_table(["times made to wait", "right", "tokens"], [[k, f"{a:.1%}", f"{n:.1f}"] for k, (a, n) in waits.items()])
)
print("your guess:", guess_shape, guess_waits)
for n in (1, 2):
    shown = sample_with_budget(
        model, tokenizer, prompts[:4], end_of_thinking="#", max_thinking=24, n_waits=n, wait="w", seed=0
    )  # fmt: skip
    print(
        f"made to wait {n} time{'s' * (n > 1)}:",
        "   ".join(f"{p}{s.text}" for p, s in zip(prompts, shown, strict=False)),
    )

# %% [markdown]
# **Cut:** up to four tokens of thinking are worth nothing. A chain of six digits has five intermediate results, and four fifths of a thought is not four fifths of
# an answer: whoever is cut there has to guess the rest. At five the thought is complete. The ceiling is that of free answers, since
# half of them never begin to think, and a limit does not make them.
#
# **Wait:** one forced "w" makes *every* answer think, and nearly doubles the accuracy for twice the tokens. The second
# one ruins it: look at the texts in the last line. The model has seen one "w" in an example at most. Extending a thought works as
# far as the model has met such thoughts, and no further.
#
# ### The control: tokens without content
#
# Is it the number of tokens, or what stands in them? Below the thinking is replaced by as many random digits. And the "wait" by
# another character, one that the model never saw in this place.

# %%
rng = random.Random(0)


def answer_after(thoughts: Sequence[str]) -> float:
    """Accuracy if these thoughts, one per problem, stand before `#`."""
    starts = [prompt + thought + "#" for prompt, thought in zip(prompts, thoughts, strict=True)]
    samples = sample_texts(model, tokenizer, starts, max_new_tokens=4, seed=0)
    return mean(
        task.reward(p, thought + "#" + row[0].text) for p, thought, row in zip(held_out, thoughts, samples, strict=True)
    )


true_thoughts = [running_digits(prompt) for prompt in prompts]
controls = {
    "the right thoughts": answer_after(true_thoughts),
    "the right thoughts of another problem": answer_after(true_thoughts[1:] + true_thoughts[:1]),
    "as many random digits": answer_after(["".join(rng.choices("0123456789", k=5)) for _ in prompts]),
    "no thought": answer_after(["" for _ in prompts]),
}
for name, accuracy in controls.items():
    print(f"{name:40} {accuracy:6.1%} right")
accuracy, tokens = forced(24, n_waits=1, wait=";")
print(f"made to 'wait' once by ';' in place of 'w'  {accuracy:.1%} right, {tokens:.1f} tokens\n")
chose = [reward for kind, found in by_kind.items() if kind.startswith(("thinks", "writes")) for reward, _ in found]
print(
    f"thought because it chose to: {mean(chose):6.1%} right    made to think, by 'w', on every problem: {waits[1][0]:6.1%}"
)

# %% [markdown]
# The content is what counts. Right thoughts make the answer right, written by whomever; the thoughts of another problem, or random digits, are as bad
# as none, although they are as long. And a "wait" that means nothing to the model is worse than none: 10 % instead of 37 %.
#
# The worry above is answered by the last line: made to think on *every* problem the model is right as often as when it chose by itself to think (the two lower rows of the first
# table together). So it does not pick the easy ones.
#
# ## 4 · Many samples and a vote
#
# The second way to spend tokens: draw many answers and take the most frequent one (**majority vote**, or self-consistency, arXiv
# 2203.11171). It needs no verifier. With few samples ties are common, and a rule that quietly takes the first of the
# leaders would count luck as skill. So a vote returns all that lead, and its accuracy is what a random choice among them would get.


# %%
class Vote(NamedTuple):
    """The outcome of a vote: several winners when there is a tie."""

    winners: tuple[Hashable, ...]  # in the order in which they were first given
    n_votes: int  # of each winner
    n_valid: int


def majority_vote(answers: Sequence[Hashable | None]) -> Vote:
    """The most frequent answer; None abstains. With ties, all that lead: nothing is decided by order or by luck.

    >>> majority_vote(["4", "7", None, "7", "4"])
    Vote(winners=('4', '7'), n_votes=2, n_valid=4)
    """
    counts = Counter(answer for answer in answers if answer is not None)
    if not counts:
        return Vote((), 0, 0)
    most = max(counts.values())
    return Vote(tuple(answer for answer, n in counts.items() if n == most), most, counts.total())


def vote_accuracy(answers: Sequence[Hashable | None], truth: Hashable) -> float:
    """1 if the vote is won by the truth, a half if it shares the lead with one other, and so on.

    This is what a random choice among the winners gets on average.
    """
    winners = majority_vote(answers).winners
    return 1 / len(winners) if truth in winners else 0.0


# %%
print(majority_vote(["4", "7", None, "7", "4"]))
answers = [[s.text.partition("#")[2] or None for s in samples] for samples in drawn]


def vote_curve(answers: Sequence[Sequence[str | None]], sizes: Sequence[int], repeats: int = 20) -> dict[int, float]:
    """Accuracy of a vote among n of the answers, the mean over random subsets."""
    rng = random.Random(0)
    return {
        n: mean(
            vote_accuracy(rng.sample(row, n), p.answer)
            for p, row in zip(held_out, answers, strict=True)
            for _ in range(repeats)
        )
        for n in sizes
    }


# %% [markdown]
# **Guess first:** (a) a vote among 64 answers as they come, half of them given without thinking; (b) a vote among 64 answers
# that were **all** forced to come at once. Which accuracy has each?

# %%
guess_vote, guess_hasty_vote = None, None

# %%
sizes = [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= n_samples]
hasty = sample_texts(
    model, tokenizer, [prompt + "#" for prompt in prompts], n_samples=n_samples, max_new_tokens=4, seed=5
)
voted = vote_curve(answers, sizes)
hasty_voted = vote_curve([[s.text for s in samples] for samples in hasty], sizes)
print(text_table(["answers in the vote", "as they come", "all forced at once"],
                 [[n, f"{voted[n]:.1%}", f"{hasty_voted[n]:.1%}"] for n in sizes]))  # fmt: skip
print("your guess:", guess_vote, guess_hasty_vote)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("vote-for-the-mistake")

# %% [markdown]
# Two answers are no better than one: they agree, or they tie. From four on the vote climbs, and from 32 on there is almost nothing left to gain. It
# works because the wrong answers are spread over nine digits, while the right ones meet in one. **The control stays at chance**, with 64 answers as with
# one: a vote finds what the model is most often right about; where there is nothing, it finds nothing. (With 400 problems the figures of
# the right column are uncertain by 1.5 points each.)
#
# ## 5 · pass@k: at least one is right
#
# If somebody could tell right from wrong, one right answer among k would do. How likely is that? Draw n answers, count the c
# right ones, and ask for k of them. The obvious formula, `1 - (1 - c/n)**k`, is **biased**: it pretends that each of the k is put back before the next is drawn.
# Without putting back it is one minus the share of the ways to choose only wrong ones (Chen and others 2021, arXiv 2107.03374):


# %%
def pass_at_k(*, n_samples: int, n_correct: int, k: int) -> float:
    """How likely at least one of k samples is right, estimated without bias from n of which c are (Chen et al. 2021).

    One minus the share of the ways to choose k of the n samples that choose only wrong ones.

    >>> pass_at_k(n_samples=16, n_correct=3, k=4)  # 1 - C(13, 4) / C(16, 4)
    0.6071428571428572

    Raises:
        ValueError: k above n_samples (there is no unbiased estimate), or counts out of range.
    """
    if not 0 <= n_correct <= n_samples:
        raise ValueError(f"n_correct={n_correct} is not between 0 and n_samples={n_samples}")
    if not 1 <= k <= n_samples:
        raise ValueError(f"k={k} is not between 1 and n_samples={n_samples}; draw more samples")
    return 1 - math.comb(n_samples - n_correct, k) / math.comb(n_samples, k)


# %% [markdown]
# Two witnesses: a problem whose true chance p is known, and all the ways to choose.

# %%
p, n, k, rng = 0.1, 8, 8, random.Random(1)
estimates: dict[str, list[float]] = {"1 - (1 - c/n)**k": [], "pass_at_k": []}
for _ in range(20_000):
    c = sum(rng.random() < p for _ in range(n))
    estimates["1 - (1 - c/n)**k"].append(1 - (1 - c / n) ** k)
    estimates["pass_at_k"].append(pass_at_k(n_samples=n, n_correct=c, k=k))
print(f"true chance of one right answer among {k}, each right with {p}: {1 - (1 - p) ** k:.3f}")
for name, values in estimates.items():
    print(f"mean of 20,000 estimates from {n} answers, {name:18} {mean(values):.3f}")
from itertools import combinations

rights = [True] * 3 + [False] * 13
by_hand = mean(any(chosen) for chosen in combinations(rights, 4))
print(
    f"3 right of 16, all {math.comb(16, 4):,} ways to choose 4: {by_hand:.6f}, pass_at_k: {pass_at_k(n_samples=16, n_correct=3, k=4):.6f}"
)

# %% [markdown]
# The obvious formula is too low, here by a quarter: it is a biased estimate of the true chance although each factor looks right. With n far above
# k the two agree.

# %% [markdown]
# pass@k grows for any problem that is right now and then; a vote only helps where the right answer is the most common one. The
# explorer mixes easy problems and hard ones. First its default as a picture. **Guess first:** with hard problems that are right one time
# in ten, and a third of the wrong answers alike, does a vote of 64 help on them or harm?

# %% tags=["alone"]
import matplotlib.pyplot as plt

from racecourse.learn.widgets.pass_at_k import DEFAULT as MIX_SHOWN
from racecourse.learn.widgets.pass_at_k import draw_pass_at_k

mix_in_words = draw_pass_at_k(plt.figure(figsize=(8.4, 4.8), layout="constrained").add_subplot(), **MIX_SHOWN)
plt.show()
print(mix_in_words)

# %% [markdown]
# Now as an explorer (it needs a running notebook). At which share of one common mistake does the vote on hard problems turn round?

# %% tags=["alone"]
from racecourse.learn.widgets.pass_at_k import pass_at_k_explorer

display(pass_at_k_explorer())

# %% [markdown]
# ## 6 · Best of n: who chooses?
#
# pass@n is what a perfect chooser would reach. Three choosers for the same answers:
#
# * the **verifier**, which for this task has to know the answer: a bound, not a method;
# * the **model's own probability** of all that it wrote;
# * the same **per token**, since a long text has a small probability just by being long.
#
# `as_rollout` makes tensors of prompts and answers. Their letters: **B** answers, **T** tokens; `mask_BT` is 1 where an answer has a token and 0 behind its end.
#
# **Guess first:** among 8 answers a perfect chooser is right in 98 %. How often is the answer that the model itself finds likeliest?

# %%
guess_own = None

# %%
import torch

from racecourse.reasoning.grpo import as_rollout, token_logprobs


def own_logprobs(samples: Sequence[Sequence[Sample]]) -> list[list[float]]:
    """The log-probability of each sample, by the model that wrote it."""
    found: list[list[float]] = []
    for prompt, row in zip(prompts, samples, strict=True):
        written = [tokenizer.encode(s.text) + ([tokenizer.eos_ids[0]] if s.ended else []) for s in row]
        rollout = as_rollout(tokenizer, [tokenizer.encode(prompt)] * len(row), written, session.device)
        with torch.no_grad():
            logprobs_BT, _ = token_logprobs(model, rollout, group_size=len(row))
        found.append((logprobs_BT * rollout.mask_BT).sum(1).tolist())
    return found


def best_of_n(candidates: Sequence[T], scores: Sequence[float]) -> T:
    """The candidate with the highest score; the first of those that share it.

    Raises:
        ValueError: no candidates, or not one score for each.
    """
    if not candidates or len(candidates) != len(scores):
        raise ValueError(
            f"{len(candidates)} candidates and {len(scores)} scores: give one score to each, and one at least"
        )
    return candidates[max(range(len(scores)), key=lambda i: scores[i])]


# %%
logprobs = own_logprobs(drawn)
rewards = [[task.reward(p, s.text) for s in row] for p, row in zip(held_out, drawn, strict=True)]
per_token = [
    [total / s.n_tokens for total, s in zip(totals, row, strict=True)]
    for totals, row in zip(logprobs, drawn, strict=True)
]
choosers = {"verifier (pass@n)": rewards, "own probability": logprobs, "own probability per token": per_token}


def chosen_curve(scores: Sequence[Sequence[float]], repeats: int = 20) -> dict[int, float]:
    """Accuracy of the answer with the best score among n, the mean over random subsets."""
    rng, curve = random.Random(0), {}
    for n in sizes:
        picked = []
        for row_rewards, row_scores in zip(rewards, scores, strict=True):
            for _ in range(repeats):
                subset = rng.sample(range(n_samples), n)
                best = best_of_n(subset, [row_scores[i] for i in subset])
                picked.append(row_rewards[best])
        curve[n] = mean(picked)
    return curve


best = {name: chosen_curve(scores) for name, scores in choosers.items()}
exact = {n: mean(pass_at_k(n_samples=n_samples, n_correct=int(sum(row)), k=n) for row in rewards) for n in sizes}
print(text_table(["answers", *best, "pass_at_k, the formula"],
                 [[n, *(f"{curve[n]:.1%}" for curve in best.values()), f"{exact[n]:.1%}"] for n in sizes]))  # fmt: skip
print("your guess:", guess_own)

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("promise-of-pass-at-8")

# %% [markdown]
# The formula agrees with random subsets. And the model's own probability per token is a good chooser: five points behind the verifier with four answers, two with eight, none from 32 on. A digit
# that is guessed among ten has a low probability, and a careful step a high one. The probability in all is a worse chooser: it
# prefers short answers, that is, guesses. Do not expect this much from a language model, which may be quite sure of its
# mistakes; this one was made from examples in which the right step is always the most frequent.
#
# ## 7 · All methods in one picture
#
# **Signature result.** One model, one set of held-out problems; upwards accuracy, to the right all tokens that were written for one problem.

# %%
tokens_each = mean(s.n_tokens for row in drawn for s in row)
tokens_hasty = 1 + mean(s.n_tokens for row in hasty for s in row)
lines = {
    "thinking cut short": sorted((n, a) for a, n in cut.values()),
    "made to wait": sorted((n, a) for a, n in waits.values()),
    "majority vote": [(n * tokens_each, voted[n]) for n in sizes],
    "best of n, by the verifier (a bound)": [(n * tokens_each, exact[n]) for n in sizes],
    "best of n, by own probability per token": [(n * tokens_each, best["own probability per token"][n]) for n in sizes],
    "control: a vote without thinking": [(n * tokens_hasty, hasty_voted[n]) for n in sizes],
}
figure, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
for i, (name, points) in enumerate(lines.items()):
    ax.plot(*zip(*points, strict=True), marker="osD^vx"[i], markersize=5, color=f"C{i}", label=name,
            linestyle="--" if name.startswith("control") else "-")  # fmt: skip
ax.set(xscale="log", xlabel="tokens written per problem", ylabel="share right", ylim=(0, 1.02),
       title="Accuracy against tokens: the same model, six ways to spend them")  # fmt: skip
ax.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
plt.show()
rows = []
for name, points in lines.items():
    n, accuracy = max(points, key=lambda point: point[1])
    first = next(point for point in points if point[1] >= 0.98 * accuracy)
    rows.append([name, f"{points[0][1]:.1%}", f"{accuracy:.1%}", f"{n:.0f}", f"{first[0]:.0f}"])
print(text_table(["method", "with fewest tokens", "best", "at tokens", "98 % of its best from"], rows))

# %% [markdown]
# Read it from left to right. Fewer than five tokens of thinking are worth nothing (cut short). For a dozen tokens the best you can do without a verifier
# is to make the model wait once. Own probability gets past that at 25 tokens, a vote at fifty, and all three are at the top by four hundred: **more samples stop helping** when the
# right answer leads on every problem. The dashed control shows what is *not* bought by tokens: without thinking 64 times as many of them change nothing.
#
# ## 8 · Where the vote fails: a task with many right answers
#
# In **countdown** you get three numbers and a target, `3,7,2:13=`, and have to write an expression that uses each number
# once and gives the target. To check one takes a moment and needs no key. To find one takes search. A second small model, as careless
# as the first, sometimes answers at once; otherwise it tries an expression or two and marks each `!` (a hit) or `?` (a miss). Its sums and marks are not reliable.
#
# **Guess first:** from one answer to 64, how many points does a vote gain here? And the verifier? (One answer is right in about 12 %.)

# %%
guess_vote_points, guess_verifier_points = None, None

# %%
searcher, search_tokenizer = load("countdown-base", device=session.device)
countdown = Countdown()
asked = problems(countdown, 20 if session.quick else 200, split="test", seed=1)
tries = sample_texts(
    searcher, search_tokenizer, [p.prompt for p in asked], n_samples=n_samples, max_new_tokens=100, seed=0
)
for sample in tries[0][:3]:
    print(f"{asked[0].prompt} {sample.text}   {'right' if countdown.reward(asked[0], sample.text) else 'wrong'}")
search_rewards = [[countdown.reward(p, s.text) for s in row] for p, row in zip(asked, tries, strict=True)]


def vote_by_text(row: Sequence[Sample], rewards: Sequence[float]) -> float:
    """Reward of the most frequent expression; of several that lead, the mean."""
    found = [s.text.partition("#")[2] or None for s in row]
    winners = majority_vote(found).winners
    return mean(rewards[found.index(winner)] for winner in winners)


rows, rng = [], random.Random(0)
for n in sizes:
    subsets = [[rng.sample(range(n_samples), n) for _ in range(10)] for _ in asked]
    by_vote = mean(
        vote_by_text([tries[i][j] for j in s], [search_rewards[i][j] for j in s])
        for i, drawn_subsets in enumerate(subsets)
        for s in drawn_subsets
    )
    by_verifier = mean(pass_at_k(n_samples=n_samples, n_correct=int(sum(r)), k=n) for r in search_rewards)
    cost = n * mean(s.n_tokens for row in tries for s in row)
    rows.append([n, f"{cost:.0f}", f"{by_vote:.1%}", f"{by_verifier:.1%}"])
print()
print(text_table(["answers", "tokens", "majority vote", "best of n, by the verifier"], rows))
print("your guess:", guess_vote_points, guess_verifier_points)

# %% [markdown]
# The vote gains a few points in 64 answers; the verifier goes from one in eight to nearly all. Right answers are many different texts here,
# `7+(3*2)` and `(2*3)+7` and more, so they do not meet in one, and neither do the wrong ones: there is nothing to count. And this
# verifier is a method, not a bound: it needs no key, since an expression is checked by working it out. Whether to vote or to
# verify is a question about the task: does the truth have one name, and is checking cheaper than finding?
#
# ## 9 · What you have shown
#
# One model, the same weights in every row; what differs is what was spent per problem, and who chose.

# %%
from racecourse.scaling import flops_per_token

per_token_flops = flops_per_token(model.config, context=20)
table = {
    "one answer, forced at once": cut[0],
    "one answer, as it comes": (voted[1], tokens_each),
    "one answer, made to wait once": (waits[1][0], waits[1][1]),
    f"vote among {sizes[-2]}": (voted[sizes[-2]], sizes[-2] * tokens_each),
    f"best of {sizes[-2]} by own probability per token": (
        best["own probability per token"][sizes[-2]],
        sizes[-2] * tokens_each,
    ),
    f"best of {sizes[-2]} by the verifier (a bound)": (exact[sizes[-2]], sizes[-2] * tokens_each),
    f"control: vote among {sizes[-2]} forced at once": (hasty_voted[sizes[-2]], sizes[-2] * tokens_hasty),
}
print(text_table(["method", "right", "tokens", "million FLOP"],
                 [[name, f"{a:.1%}", f"{n:.0f}", f"{n * per_token_flops / 1e6:.1f}"] for name, (a, n) in table.items()]))  # fmt: skip
if not session.quick:
    print(
        "\nexpected: forced at once 7 to 13 %, as it comes 35 to 43 %, made to wait 64 to 76 %, vote among 32 above 95 %"
    )

# %% [markdown]
# Seconds depend on the machine; what a token costs in euros comes with lesson 06. This lesson settles no row of the ledger; it
# prepares those of lesson 05.
#
# ### Limitations
#
# * One model of 224,000 parameters, on a task where thinking has one fixed form. A language model chooses among many, and its wrong
#   answers are less evenly spread, which is bad for a vote.
# * The model was shown `w` in its examples. A model that never met its "wait" only loses by it: the control
#   with `;` shows how little the token alone does.
# * Tokens are counted, not seconds. Sixty-four answers side by side take less time than one answer of the same total length, since
#   writing waits for memory (lessons 00 and 06).
#
# ### What others found at full size
#
# | finding | source |
# |---|---|
# | DeepSeek-R1-Zero on AIME 2024: 71.0 % with one answer, 86.7 % with a vote among 64 | DeepSeek-R1 [1], table 2 |
# | Models distilled from R1 (lesson 05) on AIME 2024, one answer and a vote among 64: 1.5B 28.9 and 52.7, 7B 55.5 and 83.3, 32B 72.6 and 83.3 | DeepSeek-R1 [1], table 5 |
# | Qwen3-0.6B base on MATH-500: 40.6 with a prompt that asks it to think, 52.0 with a vote among 10 | Raschka, reasoning-from-scratch, chapter 4 |
#
# AIME 2024: 30 competition problems whose answers are whole numbers from 0 to 999; MATH-500: 500 school problems. arXiv number: [1] 2501.12948. The percentages are the authors' own.
#
# ### Where next
#
# Exercise set 04 asks for siblings: the expected best of k rewards, a vote with weights, when a vote is decided early,
# a least length of thinking, and verifiers that can be fooled (`racecourse start 04_thinking_longer`).
#
# Everything here was bought with tokens, each time anew. Lesson 05 pays once: it trains the model, by reward alone, to think before it answers.
