# %% [markdown] accelerator="GPU"
# # 00 · Start here
#
# **By the end you will have shown that one division limits how fast a language model writes on your own computer, and
# predicts how much slower a larger one is; and you will know which of six models, from 135 million to 671 billion
# parameters, your computer could hold.**
#
# **Price:** about a minute of computing on two CPU cores. On a GPU: not measured. Nothing leaves your computer.
#
# **You need:** Python. The model that you talk to first is already here.
#
# The course tests a news story of March 2025, told in part 6: QwQ-32B, a model of 32 billion parameters, against
# DeepSeek-R1 with 671 billion.
#
# Run the cells from top to bottom: click into a cell and press Shift + Enter. Where a cell asks for a guess, write one
# before you run it. A guess of `None` is allowed; a wrong guess teaches more.

# %% [markdown]
# ## 1 · Talk to it
#
# The next cell loads SmolLM2-135M-Instruct, a real chat model, and asks it a question. The text appears as the model
# writes it: one **token**, a word or a piece of a word, at a time.

# %%
import statistics
import time
from dataclasses import replace

import torch

from racecourse.models import KVCache, Transformer, generate, load

model, tokenizer = load("smollm2-135m-instruct", device=session.device, dtype=session.dtype)


def ask(question, max_new_tokens=60):
    """Put a question to the model and print the answer while it is written."""
    prompt = tokenizer.chat([{"role": "user", "content": question}])
    generate(model, tokenizer, [prompt], max_new_tokens=max_new_tokens, on_text=lambda row, piece: print(piece, end=""))
    print()


ask("What is gravity?", max_new_tokens=20 if session.quick else 60)

# %% [markdown]
# Nobody wrote this answer into the program. It stops where we cut it off. Now ask something of your own.

# %%
my_question = "What is the opposite of hot?"

ask(my_question, max_new_tokens=25)

# %% [markdown]
# A chat that goes on is the same call with a longer text: all that you and the model have said so far, then your next
# message. The panel below does that. Ask *What is the capital of France?*, then *And of Italy?*. Then press **New
# chat** and ask *And of Italy?* once more. **Guess first:** what does it answer each time? And if you tell it your name,
# will it still know it one message later?
#
# Enter or **Send** asks, **Stop** ends an answer. Let it finish before you go on: a computer that writes an answer
# measures low in part 4. (On GitHub there is nothing below this cell: a panel needs a running notebook.)

# %%
from racecourse.learn.widgets.chat import chat_panel

chat_panel(model, tokenizer, max_new_tokens=100)

# %% [markdown]
# ## 2 · How much does it know?
#
# Fluent is not the same as right. Here are five questions with answers that can be checked. The model has 134,515,008
# **parameters**: the numbers that training has set, also called **weights**. The models of the news story have 240 and
# 5,000 times as many.
#
# **Guess first:** how many of the five does it get right?

# %%
my_guess_right = None  # 0 to 5

five_questions = {
    "What is the capital of France?": "Paris",
    "What is 7 + 5?": "12",
    "What is 17 times 23?": str(17 * 23),
    "What is the chemical symbol of gold?": "Au",
    "Which planet is closest to the Sun?": "Mercury",
}


def answers_to(questions, model):
    """The model's answers to all questions, written side by side."""
    prompts = [tokenizer.chat([{"role": "user", "content": question}]) for question in questions]
    return generate(model, tokenizer, prompts, max_new_tokens=24)


answers = answers_to(five_questions, model)
n_right = sum(truth in answer for truth, answer in zip(five_questions.values(), answers, strict=True))
for (question, truth), answer in zip(five_questions.items(), answers, strict=True):
    mark = "right" if truth in answer else "WRONG"
    print(f"{mark}  {question}  truth: {truth}\n       {' '.join(answer.split())}")
print(f"\n{n_right} of {len(five_questions)} right; your guess: {my_guess_right}")

# %% [markdown]
# It says what is wrong in the same tone as what is right. Keep that in mind when a model, of any size, tells you about
# itself. Ask it about Alibaba's chat model, which the news story is about:

# %%
ask("What is Tongyi Qianwen?", max_new_tokens=40)

# %% [markdown]
# That is invented. Tongyi Qianwen is the name under which Alibaba introduced its chat model in April 2023; later
# models of the family, QwQ-32B among them, are called Qwen. A chat is no evidence. This course therefore takes its
# facts from two places only: dated sources, and numbers that you compute.

# %% [markdown]
# ## 3 · Take the training away
#
# Where does the ability sit? The control: a model of exactly the same shape, run by the same code, whose parameters are
# random numbers. **Guess first:** what will it answer? And will it write faster, slower, or at the same speed?

# %%
my_guess_untrained = None  # "faster", "slower" or "the same"

torch.manual_seed(0)
untrained = Transformer(model.config).to(session.device, session.dtype).eval()
untrained_answers = answers_to(five_questions, untrained)
n_right_untrained = sum(truth in answer for truth, answer in zip(five_questions.values(), untrained_answers, strict=True))
print(f"untrained, {n_right_untrained} of {len(five_questions)} right. Its answer to the first question:")
print(repr(untrained_answers[0]))

# %% [markdown]
# The code is the same, the shape is the same, and nothing is left. What the model knows sits in the values of its
# parameters. Its speed, you will now see, depends on how many they are, not on what they say.

# %% [markdown]
# ## 4 · How fast should it be?
#
# To write one token, the computer reads every parameter from memory once and does two operations with each: one
# multiplication, one addition. So two limits come into question:
#
# $$\text{tokens/s} \le \frac{\text{operations/s}}{2 \times \text{parameters}} \qquad\qquad
# \text{tokens/s} \le \frac{\text{GB/s}}{\text{GB of parameters}}$$
#
# The smaller one counts. Measure both rates on your computer. A **FLOP** is one operation on decimal numbers;
# GFLOP/s are billions of them each second. A GB is $10^9$ bytes.

# %%
from racecourse.machine import device, measure

here = device()
print(here, "\n")
speed = measure(refresh=not session.quick, seconds=2 if session.quick else 6)
print(speed.summary())

# %% [markdown]
# *Matrix times vector* is what writing a token consists of. *Matrix times matrix* is what training consists of; it uses
# each number that it reads many times, so memory holds it up less. Copying reads and writes.
#
# Here are the two limits as code.

# %%
from racecourse.learn.fits import read_per_token
from racecourse.scaling import count_parameters


def weight_gb(n_parameters: int, bits: int) -> float:
    """Size of the weights in GB of 10^9 bytes."""
    return n_parameters * bits / 8 / 1e9


def most_tokens_per_s(gb_per_s: float, gb_per_token: float) -> float:
    """The limit that memory sets: it delivers so many GB each second, and each token needs so many."""
    return gb_per_s / gb_per_token


dtype = str(session.dtype).removeprefix("torch.")
bits = torch.finfo(session.dtype).bits
gflops = speed.fastest("matmul", dtype).best
reading = speed.fastest("matvec", dtype)
gb_per_s = reading.best
if reading.threads:  # on a CPU: from here on, the number of threads that won
    torch.set_num_threads(reading.threads)


def three_predictions(config):
    """Tokens per second by three ways of thinking; the names are those of the figure below."""
    n_read = read_per_token(count_parameters(config))
    gb = weight_gb(n_read, bits)
    return {
        "operations alone": gflops * 1e9 / (2 * n_read),
        "memory, rate of copying": most_tokens_per_s(speed.copy_gb_per_s.best, gb),
        "memory, matrix times vector": most_tokens_per_s(gb_per_s, gb),
    }


predicted = three_predictions(model.config)
print(f"SmolLM2-135M in {dtype}: {weight_gb(count_parameters(model.config).total, bits):.3f} GB of parameters")
for way, tokens_per_s in predicted.items():
    print(f"  {way:28} at most {tokens_per_s:8,.1f} tokens/s")

# %% [markdown]
# Three different numbers. **Guess first:** how many tokens per second will the model write in truth?
#
# The next cell writes tokens one by one and takes the time of each. The first few are not counted. The limits came from
# the best of several runs, so the best token is what to hold against them. The median token is what you feel.

# %%
my_guess_tokens_per_s = None

from racecourse.models.pack import pack


@torch.inference_mode()
def token_speeds(model, n_tokens, n_warm_up=8):
    """Tokens per second at batch size 1, of the best token and of the median one."""
    weights, n_all = model.embed.weight, n_warm_up + n_tokens
    cache = KVCache(model.config, batch_size=1, max_tokens=n_all, device=weights.device, dtype=weights.dtype)
    ids_BT = torch.tensor([[1]], device=weights.device)
    seconds = []
    for _ in range(n_all):
        start = time.perf_counter()
        logits_BTV = model(ids_BT, cache=cache)
        ids_BT = logits_BTV[:, -1].argmax(-1, keepdim=True)
        ids_BT.tolist()  # a GPU returns before it is done; asking for the number waits for it
        seconds.append(time.perf_counter() - start)
    counted = seconds[n_warm_up:]
    return 1 / min(counted), 1 / statistics.median(counted)


def ready(model):
    """On a CPU, the same weights in the order in which torch's faster matrix routine (oneDNN) reads them."""
    return pack(model) if session.device.type == "cpu" and torch.backends.mkldnn.is_available() else model


n_tokens = 16 if session.quick else 64
measured, typical = token_speeds(ready(model), n_tokens)
measured_untrained, _ = token_speeds(ready(untrained), n_tokens)
as_loaded, _ = token_speeds(model, n_tokens)
print(f"SmolLM2-135M:        {measured:6.1f} tokens/s, {measured / min(predicted.values()):.0%} of the lowest limit")
print(f"  its median token:  {typical:6.1f} tokens/s")
print(f"same, untrained:     {measured_untrained:6.1f} tokens/s")
print(f"weights as loaded:   {as_loaded:6.1f} tokens/s")
print(f"your guesses:        {my_guess_tokens_per_s} tokens/s; the untrained one: {my_guess_untrained}")

# %% [markdown]
# One model proves little. If memory sets the speed, then a model with twice the layers must slow down as its bytes
# grow. Its parameters are random again: you have seen that speed does not care. The prediction comes first.

# %%
twice_config = replace(model.config, n_layers=2 * model.config.n_layers)
predicted_twice = three_predictions(twice_config)
n_once, n_twice = count_parameters(model.config).total, count_parameters(twice_config).total
print(f"twice the layers: {n_twice:,} parameters, {n_twice / n_once:.2f} times as many, so it should take")
print(f"{n_twice / n_once:.2f} times as long per token: {measured * n_once / n_twice:.1f} tokens/s.")

twice = Transformer(twice_config).to(session.device, session.dtype).eval()
measured_twice, _ = token_speeds(ready(twice), n_tokens)
print(f"measured: {measured_twice:.1f} tokens/s, {measured / measured_twice:.2f} times as long.")
del twice

# %%
import matplotlib.pyplot as plt

from racecourse.learn.plots import plot_speeds

names = [f"SmolLM2-135M ({weight_gb(n_once, bits):.2f} GB)", f"twice the layers ({weight_gb(n_twice, bits):.2f} GB)"]
speeds = {way: [predicted[way], predicted_twice[way]] for way in predicted}
plot_speeds({**speeds, "measured": [measured, measured_twice]}, names)
plt.show()
for i, name in enumerate(names):
    ways = "; ".join(f"{way} {values[i]:,.0f}" for way, values in speeds.items())
    print(f"{name}: measured {(measured, measured_twice)[i]:.1f} tokens/s. Predicted: {ways}.")

share = measured / min(predicted.values())
print(f"\nShare of the lowest limit: {share:.0%}. Expected on a CPU: 35 to 105 %; on other devices not yet recorded.")
if session.device.type == "cpu" and not 0.35 <= share <= 1.05:
    print("Outside that range. Was the computer busy? Close what you can, and run part 4 again.")

# %% [markdown]
# What remains below the limit is time that the division leaves out: other parts of the model (lesson 01), and Python
# itself between two operations. The matrix routine matters too: the last line above had the same weights and the same
# arithmetic as the first, but the routine that torch takes by default. On a GPU, which reads such a small model in a fraction of a millisecond, that rest is most of the time, and a
# larger model comes closer to its limit. Exercise set 00 starts from here; lesson 06 predicts a model that was not
# used for calibration, and states the error.

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("twice-the-operations")

# %% [markdown]
# ## 5 · Your computer on one page
#
# A model must also fit. Parameters can be stored in fewer bits, at some cost in precision that lesson 06 measures
# (bf16: 16 bits a parameter; int8: 8). QwQ-32B and DeepSeek-R1 are the two models of the news story. R1 is a
# **mixture of experts**: a token is worked on by a part of its parameters only. QwQ-32B is **dense**: all of them
# work on every token. **Guess first:** how many times the memory of QwQ-32B does R1 need? And how many times the
# reading per token?

# %%
my_guess_memory_ratio = None
my_guess_reading_ratio = None

from racecourse.learn.fits import known_counts

counts = known_counts()  # from the models' published shapes, without loading them
print(f"{'model':22}{'parameters':>18}{'read per token':>18}")
for name, count in counts.items():
    print(f"{name:22}{count.total:>18,}{read_per_token(count):>18,}")
qwq, r1 = counts["QwQ-32B"], counts["DeepSeek-R1"]
memory_ratio, reading_ratio = r1.total / qwq.total, read_per_token(r1) / read_per_token(qwq)
print(f"\nR1 over QwQ-32B: memory {memory_ratio:.1f} times (your guess: {my_guess_memory_ratio}), ", end="")
print(f"reading per token {reading_ratio:.2f} times (your guess: {my_guess_reading_ratio})")

# %% [markdown]
# This pair of numbers is the plot of the course. Per token, the two models ask for nearly the same. To be held in
# memory at all, one asks for twenty times what the other does. Now the page about your computer. A fifth of the
# memory stays free for everything else.

# %%
from racecourse.learn.fits import COMPUTERS, Computer, describe_fits, fit_all
from racecourse.learn.plots import plot_fits

RESERVE = 0.2
mine = Computer("this computer", here.memory_total_bytes / 1e9, gb_per_s, "measured here")
fits = fit_all(mine, counts, reserve=RESERVE)
title = (
    f"This computer: {here.name}, {here.cores} CPU cores, {mine.memory_gb:.1f} GB of memory\n"
    f"Measured in {dtype}: {gflops:,.0f} GFLOP/s, reads weights at {gb_per_s:,.1f} GB/s"
)
plot_fits(fits, title=title)
plt.show()
print(describe_fits(mine, fits, reserve=RESERVE))

# %% [markdown]
# The baseline: computers that other people have. Their GB/s stand in data sheets and nobody has measured them here, so
# their speeds are flattered: compare your measured share above. Several chips count as if sharing a model cost nothing.

# %%
titles = ("computer", "GB", "GB/s", "SmolLM2 bf16", "QwQ-32B 4-bit", "QwQ-32B bf16", "R1 int8")
print("tokens per second at most, one conversation; - where the model does not fit")
print(f"{titles[0]:22}{titles[1]:>7}{titles[2]:>9}" + "".join(f"{t:>15}" for t in titles[3:]))
wanted = [("SmolLM2-135M", "bf16"), ("QwQ-32B", "4-bit"), ("QwQ-32B", "bf16"), ("DeepSeek-R1", "int8")]
baselines = [(mine, 1), *((computer, 1) for computer in COMPUTERS), (COMPUTERS[-1], 8)]
for computer, chips in baselines:
    by_cell = {(f.model, f.format): f for f in fit_all(computer, counts, reserve=RESERVE, chips=chips)}
    cells = [f"{by_cell[w].tokens_per_s:,.1f}" if by_cell[w].fits else "-" for w in wanted]
    name = computer.name if chips == 1 else f"{chips} x {computer.name}"
    row = f"{name:22}{chips * computer.memory_gb:>7,.0f}{chips * computer.gb_per_s:>9,.0f}"
    print(row + "".join(f"{cell:>15}" for cell in cells))

# %% [markdown]
# Which computer would you need for R1 in int8? Find the smallest number of H100s, and read off the speed. The figure
# above shows what this explorer starts with. (On GitHub you see only that figure: an explorer needs a running
# notebook.)

# %%
from racecourse.learn.widgets.fits import fits_explorer

fits_explorer([mine, *COMPUTERS])

# %% [markdown]
# **Check yourself.**

# %% tags=["alone"]
from racecourse.learn.quiz import quiz

quiz("hold-or-read")

# %% [markdown]
# ## 6 · The claims
#
# In March 2025 a news story told of a race: QwQ-32B against DeepSeek-R1, chips and export rules, an agent called
# Manus. It made twenty claims that we can name. Some are facts with a date, some are boasts, some are opinions. The
# table is the **ledger** of this course. Most lessons add evidence to some rows: a computed number and a source. The
# last lesson named in a row settles it, with one of four verdicts: *holds*, *holds with a qualification*, *does not
# hold*, *cannot be told from public data*. Three rows are context and get none.
#
# **Guess first:** how many of the other seventeen will hold without a qualification? And which row do you doubt most?

# %%
my_guess_holding = None
my_doubt = None  # a row, such as "9"

from racecourse.learn.ledger import ledger, settle

print(f"Your guess: {my_guess_holding} hold; you doubt row {my_doubt} most. Lesson 09 will come back to this.")
ledger()

# %% [markdown]
# ## 7 · How the course works
#
# | What | Where | How |
# |---|---|---|
# | ten lessons, 00 to 09 | `lessons/` | read, guess, run; each builds on the ones before |
# | an exercise set for each | `work/`, your own copy | made by `racecourse start 00_start_here`, never overwritten |
# | the check below each answer | in the exercise notebook | it says passed, or names the mistake and counts your tries |
# | hints, one level a call | in the exercise notebook | `hint("tokens-per-second")`; `solution("tokens-per-second")` asks first, then shows the course's answer |
# | your points, hidden checks included | a terminal | `racecourse check 00_start_here` |
# | what is done, and what comes next | below, or a terminal | `progress()`, or `racecourse progress` |
# | something does not work | a terminal | `racecourse doctor` says what, and what to do |
#
# *A terminal* means one in the course's folder (in JupyterLab: *File*, *New*, *Terminal*) after `source .venv/bin/activate`;
# on Windows that is `.venv\Scripts\activate`. In VS Code, open your copy from `work/` and choose the kernel in `.venv`. On
# Colab there is no `work/`: open a set by its badge in the README's table of lessons, save a copy to your own Drive, and run
# the checks in it; the commands above are for a computer that has the course.
#
# Where you stand, in all lessons: the next cell reads a file on this computer. Nothing in it is sent anywhere, and nothing
# that you typed is in it.

# %% tags=["alone"]
from racecourse.learn.progress import progress

progress()

# %% [markdown]
# To go on at another computer, run `racecourse progress export progress.json` here and `racecourse progress import
# progress.json` there. Colab forgets all when it lets go of its machine. To keep your progress in your Google Drive, write
# `True` here; Google asks you first. After a disconnect, run this cell and the set-up cell again, click where you were, and
# choose *Runtime*, *Run before*.

# %% tags=["alone"]
from racecourse.learn.progress import keep_on_drive

keep = False  # True, on Colab: keep my progress in my Drive

if keep:
    keep_on_drive()

# %% [markdown]
# Next comes exercise set 00, about twenty minutes: how fast, how large, what fits. Then lesson 01 takes the model from
# part 1 apart. A word that you do not know is in the course's glossary, `docs/glossary.md`.

# %% [markdown]
# ## What you have shown

# %%
gb_read = weight_gb(read_per_token(count_parameters(model.config)), bits)
gb_twice = weight_gb(read_per_token(count_parameters(twice_config)), bits)
results = [
    ("SmolLM2-135M", f"{n_right} of {len(five_questions)}", gb_read, min(predicted.values()), measured),
    ("same, untrained", f"{n_right_untrained} of {len(five_questions)}", gb_read, min(predicted.values()), measured_untrained),
    ("twice the layers, untrained", "not asked", gb_twice, min(predicted_twice.values()), measured_twice),
]
print(f"{'model':30}{'quiz':>10}{'GB per token':>14}{'limit /s':>10}{'measured /s':>13}{'share':>7}")
for name, quality, gb, limit, value in results:
    print(f"{name:30}{quality:>10}{gb:>14.3f}{limit:>10.1f}{value:>13.1f}{value / limit:>7.0%}")
print(
    f"\n{session.device.type}, {dtype}, best of {n_tokens} tokens, one answer at a time. Cost: your own computer's electricity."
)

# %% [markdown]
# ### Limitations
#
# Five questions are a taste, not a test: lesson 05 shows what even thirty leave open. The quiz looks for the right
# word anywhere in the answer. The limit counts weights and leaves out the cache of earlier tokens, which is small in
# a short chat and not in a long one (lessons 01 and 06). In the grid, formats below 16 bits count without the scales
# that they carry, and at the GB/s measured in this computer's usual format: no kernel for 8 or 4 bits was timed. A
# busy computer measures low on both sides of the comparison, and not equally. A share above 100 % means that the
# limit was measured low.
#
# ### What others found at full size
#
# Writing token by token is limited by memory traffic at small batch sizes on large
# accelerators too: Pope et al. 2022, *Efficiently Scaling Transformer Inference*, arXiv:2211.05102. The model of part
# 1: Ben Allal et al. 2025, *SmolLM2: When Smol Goes Big*, arXiv:2502.02737. R1's shape: DeepSeek-AI 2024,
# *DeepSeek-V3 Technical Report*, arXiv:2412.19437; QwQ-32B's: the `config.json` of its model card. Memory and GB/s of
# the baselines: NVIDIA's data sheets.
#
# ### The ledger
#
# Row 11 is a matter of record and not of computing. This lesson adds the record and what a chat is
# worth as evidence; lesson 01, where you build the architecture that the Qwen models share, settles it.

# %%
settle(
    11,
    value="introduced on 11 April 2023 as a chat model; a chat about it with a 135M model proves nothing: it invents",
    verdict=None,
    sources=[
        "The Decoder, April 2023, 'Alibaba launches its GPT-4 competitor'",
        "Bai et al. 2023, Qwen Technical Report, arXiv:2309.16609",
    ],
)
