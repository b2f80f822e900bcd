"""The small models that lessons 04 and 05 begin with: they can think in writing, but do not know that it pays.

    python -m racecourse.reasoning.bases      # or `make checkpoints`

Left out: everything that a language model knows besides.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from racecourse.models.tokenizer import Tokenizer
from racecourse.reasoning.distill import Trace
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, problems, random_steps, running_digits, written

END = "<|end|>"
CHARACTERS = "0123456789+-*()=,:;#w!?"
CONTEXT = 64


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
    n: int, *, split: str, n_operands: tuple[int, int] = (6, 6), p_direct: float = 0.5, p_wait: float = 0.15,
    p_wrong: float = 0.1, p_wrong_again: float = 0.02, seed: int = 0,
) -> list[Trace]:  # fmt: skip
    """Worked examples of chained arithmetic by somebody who is in a hurry.

    A share `p_direct` writes the right answer without thinking. The others write running digits, each wrong with
    `p_wrong`, and answer what comes out, right or wrong; a share `p_wait` of all stops there, writes "w", and goes
    through it once more with `p_wrong_again`.
    """
    rng = random.Random(f"traces {split} {seed}")
    traces = []
    for problem in problems(ChainedArithmetic(n_operands), n, split=split, seed=seed):
        kind = rng.random()
        thought = "" if kind < p_direct else sloppy_digits(problem.prompt, p_wrong, rng)
        if kind >= 1 - p_wait:
            thought += "w" + sloppy_digits(problem.prompt, p_wrong_again, rng)
        traces.append(Trace(problem.prompt, f"{thought}#{thought[-1] if thought else problem.answer}"))
    return traces


def countdown_traces(
    n: int, *, split: str, task: Countdown | None = None, p_again: float = 0.5, most_tries: int = 4, seed: int = 0
) -> list[Trace]:
    """Worked examples of countdown by somebody who tries at random and soon gives up.

    A try is written as `3*2=6,6+7=13`. If it hits the target, the expression is the answer. If not, another try
    follows behind ';' with `p_again`, or the miss is answered all the same.
    """
    task = task or Countdown()
    rng = random.Random(f"countdown {split} {seed}")
    traces = []
    for problem in problems(task, n, split=split, seed=seed):
        tries = []
        while True:
            steps = random_steps(problem.data["numbers"], task.largest_result, rng)
            if steps is None:
                continue
            tries.append(",".join(f"{s.left}{s.operator}{s.right}={s.result}" for s in steps))
            hit = steps[-1].result == problem.data["target"]
            if hit or len(tries) == most_tries or rng.random() >= p_again:
                break
        traces.append(Trace(problem.prompt, ";".join(tries) + "#" + written(steps)))
    return traces
