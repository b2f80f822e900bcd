"""The small models that lessons 04 and 05 begin with: they can think in writing, but do not know that it pays.

    python -m racecourse.reasoning.bases      # or `make checkpoints`; about fifteen minutes on two cores

They are trained on worked examples by somebody in a hurry. Left out: everything else that a language model knows.
"""

from __future__ import annotations

import dataclasses
import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racecourse.models.config import ModelConfig
from racecourse.models.shipped import CHECKPOINTS, ModelCard, Score, fingerprint, save_checkpoint
from racecourse.models.tokenizer import Tokenizer
from racecourse.reasoning.distill import Trace, Traces
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, problems, random_steps, running_digits, written
from racecourse.scaling.arms import new_model
from racecourse.scaling.ladder import tiny
from racecourse.scaling.training import TrainConfig, evaluate, train

if TYPE_CHECKING:
    from racecourse.models.transformer import Transformer

END = "<|end|>"
CHARACTERS = "0123456789+-*()=,:;#w!?"
WIDTH, N_HEADS, ROPE_THETA = 96, 4, 100.0
N_TRAINING, N_HELD_OUT = 200_000, 512


def character_tokenizer(characters: str, folder: Path) -> Tokenizer:
    """One token for each character, in Hugging Face's format in `folder`, and one that ends a text.

    Byte-level BPE without a merge is a character tokenizer, so that everything that reads a tokenizer reads this one.
    """
    import tokenizers

    vocabulary = {character: i for i, character in enumerate(characters)}
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    bpe.add_special_tokens([END])
    folder.mkdir(parents=True, exist_ok=True)
    bpe.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": END}) + "\n", encoding="utf-8")
    return Tokenizer.from_folder(folder)


def sloppy_digits(prompt: str, p_wrong: float, rng: random.Random) -> str:
    """The running digits with wrong steps in between; what follows goes on from the wrong digit.

    >>> sloppy_digits("3+5-9=", p_wrong=0.0, rng=random.Random(0)) == running_digits("3+5-9=")
    True
    """
    digits, rest = "", prompt
    while rest.count("+") + rest.count("-"):
        digit = int(running_digits(rest)[0])
        if rng.random() < p_wrong:
            digit = (digit + rng.randrange(1, 10)) % 10
        digits += str(digit)
        rest = str(digit) + rest[3:]
    return digits


def chain_traces(
    n: int, *, split: str, n_operands: tuple[int, int] = (6, 6), p_direct: float = 0.5, p_wait: float = 0.2,
    p_wrong: float = 0.1, p_wrong_again: float = 0.02, seed: int = 0,
) -> list[Trace]:  # fmt: skip
    """Worked examples of chained arithmetic by somebody who is in a hurry.

    A share `p_direct` writes the right answer without thinking. The others write running digits, each wrong with
    `p_wrong`, and answer what comes out, right or wrong. A share `p_wait` of all thinks better of it, half of them
    before the first digit, half after the last: they write "w" and go through it (once more) with `p_wrong_again`.
    """
    rng = random.Random(f"traces {split} {seed}")
    traces = []
    for problem in problems(ChainedArithmetic(n_operands), n, split=split, seed=seed):
        kind = rng.random()
        hasty = kind < p_direct or kind >= 1 - p_wait / 2
        thought = "" if hasty else sloppy_digits(problem.prompt, p_wrong, rng)
        if kind >= 1 - p_wait:
            thought += "w" + sloppy_digits(problem.prompt, p_wrong_again, rng)
        traces.append(Trace(problem.prompt, f"{thought}#{thought[-1] if thought else problem.answer}"))
    return traces


def countdown_traces(
    n: int, *, split: str, task: Countdown | None = None, p_direct: float = 0.3, p_lucky: float = 0.2,
    p_again: float = 0.2, most_tries: int = 4, seed: int = 0,
) -> list[Trace]:  # fmt: skip
    """Worked examples of countdown by somebody who tries this and that, sees whether it fits, and soon gives up.

    A share `p_direct` answers some expression at once, without working it out. The others try. A try is written as
    `3*2=6,6+7=13?`, with `!` in the place of `?` if it hits the target; then its expression is the answer. After a
    miss another try follows behind ';' with `p_again`, or the miss is answered all the same. A share `p_lucky` of the
    tries is a hit by luck, the others are random: without enough hits a model that learns from this does not learn to
    tell them from misses.
    """
    task = task or Countdown()
    rng = random.Random(f"countdown {split} {seed}")
    traces = []
    for problem in problems(task, n, split=split, seed=seed):
        numbers, target = problem.data["numbers"], problem.data["target"]
        if rng.random() < p_direct:
            steps = None
            while steps is None:
                steps = random_steps(numbers, task.largest_result, rng)
            traces.append(Trace(problem.prompt, "#" + written(steps)))
            continue
        tries = []
        while True:
            lucky, steps = rng.random() < p_lucky, None
            while steps is None or (lucky and steps[-1].result != target):
                steps = random_steps(numbers, task.largest_result, rng)
            hit = steps[-1].result == target
            tries.append(",".join(f"{s.left}{s.operator}{s.right}={s.result}" for s in steps) + ("!" if hit else "?"))
            if hit or len(tries) == most_tries or rng.random() >= p_again:
                break
        traces.append(Trace(problem.prompt, ";".join(tries) + "#" + written(steps)))
    return traces


@dataclass(frozen=True)
class Recipe:
    """How one base is made."""

    what: str  # the model in one sentence
    data: str
    traces: Callable[..., list[Trace]]
    row: int  # tokens of a training row: the longest example fits
    max_context: int
    training: TrainConfig


RECIPES = {
    "chains-base": Recipe(
        "Adds and subtracts six digits, at once and badly or in small steps and better; it does not know which pays.",
        "Made by a formula: racecourse.reasoning.bases.chain_traces. Half answer at once; of the steps of the others "
        "one in ten is wrong; a few stop themselves and go through it with more care.",
        chain_traces, row=26, max_context=64,
        training=TrainConfig(n_steps=1600, batch_size=256, learning_rate=3e-3, eval_every=200, eval_rows=N_HELD_OUT),
    ),
    "countdown-base": Recipe(
        "Reaches for a number from three others: at once and blindly, or by random tries that it works out and soon "
        "gives up.",
        "Made by a formula: racecourse.reasoning.bases.countdown_traces. Three in ten answer blindly; the others make "
        "random tries with some lucky ones, and after a miss four in five give up.",
        countdown_traces, row=112, max_context=128,
        training=TrainConfig(n_steps=1600, batch_size=128, learning_rate=3e-3, eval_every=200, eval_rows=N_HELD_OUT),
    ),
}  # fmt: skip


def base_config(name: str, tokenizer: Tokenizer) -> ModelConfig:
    """The shape of a base: the ladder's, with one token for a character, four heads, and faster rotations.

    With the ladder's two heads one of the first three seeds did not learn the running digits in 1,800 steps. With the
    usual base of 10,000 half of a head's 12 pairs hardly turn within 26 tokens, and seed 0 did not learn them in 1,200.
    """
    return dataclasses.replace(
        tiny(WIDTH), vocab_size=tokenizer.vocab_size, max_context=RECIPES[name].max_context, n_heads=N_HEADS,
        n_kv_heads=N_HEADS, head_dim=WIDTH // N_HEADS, rope_theta=ROPE_THETA,
    )  # fmt: skip


def base_corpus(name: str, tokenizer: Tokenizer, n_training: int = N_TRAINING) -> Traces:
    """What a base is trained on, and held-out examples."""
    recipe = RECIPES[name]
    return Traces(
        recipe.traces(n_training, split="train"), recipe.traces(N_HELD_OUT, split="test"), tokenizer, recipe.row
    )


def train_base(name: str, tokenizer: Tokenizer, seed: int = 0, **options: Any) -> Transformer:
    """One base from nothing; initial weights and order of the data depend on the seed. `options` go to `train`."""
    model = new_model(base_config(name, tokenizer), seed, std=0.5 * WIDTH**-0.5)
    training = dataclasses.replace(RECIPES[name].training, seed=seed)
    train(model, base_corpus(name, tokenizer), training, **options)
    return model.eval().requires_grad_(False)


def judge(model: Transformer, name: str, tokenizer: Tokenizer) -> list[Score]:
    """The loss on held-out examples, for the model card."""
    settings: dict[str, Any] = {"name": name, "n_training": 1}
    batch = base_corpus(tokenizer=tokenizer, **settings).evaluation(N_HELD_OUT)
    return [Score("base_corpus", settings, N_HELD_OUT, fingerprint(*batch), *evaluate(model, batch))]


def make(name: str, tokenizer: Tokenizer, tokenizer_folder: Path, folder: Path) -> ModelCard:
    """Train one base and write it to `folder`."""
    import torch

    recipe = RECIPES[name]
    card = ModelCard(
        name, recipe.what, recipe.data, f"base_corpus({name!r}, tokenizer)", "python -m racecourse.reasoning.bases",
        recipe.training.seed, f"CPU, {torch.get_num_threads()} thread(s)", dataclasses.asdict(recipe.training),
    )  # fmt: skip
    model = train_base(name, tokenizer)
    return save_checkpoint(
        folder, model, card, judge=lambda model: judge(model, name, tokenizer), tokenizer=tokenizer_folder
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = character_tokenizer(CHARACTERS, Path(folder))
        for name in RECIPES:
            print(make(name, tokenizer, Path(folder), CHECKPOINTS / name), flush=True)


if __name__ == "__main__":
    main()
