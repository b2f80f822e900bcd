"""A ladder of tiny models: the same shape in four widths, each trained on four amounts of Python's own source.

The runs that lesson 02 makes live, and the same runs with three seeds and larger models, made by

    python -m racecourse.scaling.ladder        # about half an hour on one core; goes on where it was stopped

and shipped in `data/ladder.json`. Only the width grows: two layers, two heads and the batch stay. Left out: tuning
each run. Two rules of width stand in for it, found by a sweep of learning rates over widths 16 to 128.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from racecourse.models.config import ModelConfig
from racecourse.scaling.count import count_parameters

if TYPE_CHECKING:
    from racecourse.models.transformer import Transformer
    from racecourse.scaling.corpora import Corpus
    from racecourse.scaling.training import TrainConfig

SHIPPED = Path(__file__).parent / "data" / "ladder.json"
CONTEXT, BATCH_SIZE, VOCABULARY = 128, 16, 512  # tokens of a row, rows of a step, tokens that there are
WIDTHS = (16, 32, 48, 64)
TOKENS = (2**18, 2**19, 2**20, 2**21)  # 128 to 1,024 steps
GRID = tuple((width, n_tokens) for width in WIDTHS for n_tokens in TOKENS)
HELD_OUT = (128, 3 * 2**20)  # more parameters and more tokens than any run of the ladder
FURTHER = ((192, 7 * 2**19), (256, 7 * 2**19))  # nearly all text that there is
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Run:
    """One finished run of the ladder."""

    width: int
    n_parameters: int
    n_tokens: int
    seed: int
    loss: float  # on held-out files, nats per token
    seconds: float  # of training, on the machine that made it


def tiny(width: int) -> ModelConfig:
    """The shape of one rung: two layers and two heads of Llama's kind, and an embedding that is also the head."""
    d_ff = 8 * round(width / 3)  # SwiGLU's usual 8/3 of the width, in whole steps of 8
    return ModelConfig(
        "llama", VOCABULARY, width, n_layers=2, n_heads=2, n_kv_heads=2, head_dim=width // 2, d_ff=d_ff,
        max_context=CONTEXT, tie_embeddings=True,
    )  # fmt: skip


def new_model(width: int, seed: int = 0) -> Transformer:
    """An untrained rung. Weights start at 0.5 / sqrt(width): every matrix then keeps the size of what it is given."""
    import torch

    from racecourse.models.transformer import Transformer

    torch.manual_seed(seed)
    model = Transformer(tiny(width))
    model.init_weights(std=0.5 * width**-0.5)
    return model


def recipe(width: int, n_tokens: int, seed: int = 0) -> TrainConfig:
    """How one rung is trained. Each run decays to its own end: a run cut short still has a high learning rate."""
    from racecourse.scaling.training import TrainConfig

    n_steps = n_tokens // (BATCH_SIZE * CONTEXT)
    return TrainConfig(
        n_steps=n_steps,
        batch_size=BATCH_SIZE,
        learning_rate=0.64 / width,  # the best of each sweep, or within 0.02 nats of it
        warmup_steps=max(5, n_steps // 20),
        eval_every=n_steps,
        eval_rows=1024,
        seed=seed,
    )


def train_rung(corpus: Corpus, width: int, n_tokens: int, seed: int = 0) -> Run:
    """Train one model of the ladder from nothing and judge it on held-out files."""
    from racecourse.scaling.training import train

    model = new_model(width, seed)
    last = train(model, corpus, recipe(width, n_tokens, seed), log=None).last
    n_parameters = count_parameters(model.config).total
    return Run(width, n_parameters, n_tokens, seed, round(last.loss, 5), round(last.seconds, 1))


def load_ladder(path: Path = SHIPPED) -> list[Run]:
    """The finished runs in a file; none where there is no file."""
    if not path.exists():
        return []
    return [Run(**run) for run in json.loads(path.read_text(encoding="utf-8"))["runs"]]


def make_ladder(
    corpus: Corpus,
    wanted: Iterable[tuple[int, int, int]],
    path: Path = SHIPPED,
    *,
    made_on: str,
    log: Callable[[str], None] = print,
) -> list[Run]:
    """Train every wanted (width, tokens, seed) that the file lacks; the file is written again after each."""
    runs = load_ladder(path)
    for width, n_tokens, seed in wanted:
        if any((run.width, run.n_tokens, run.seed) == (width, n_tokens, seed) for run in runs):
            continue
        runs.append(train_rung(corpus, width, n_tokens, seed))
        lines = ",\n".join(json.dumps(dataclasses.asdict(run)) for run in runs)
        path.write_text(f'{{"made_on": {json.dumps(made_on)},\n"runs": [\n{lines}\n]}}\n', encoding="utf-8")
        log(str(runs[-1]))
    return runs


def main() -> None:
    import platform
    from datetime import date

    import torch

    from racecourse.scaling.corpora import python_corpus

    made_on = f"{torch.get_num_threads()} CPU thread(s), Python {platform.python_version()}, {date.today()}"
    wanted = [(*size, seed) for seed in SEEDS for size in (*GRID, HELD_OUT)] + [(*size, 0) for size in FURTHER]
    make_ladder(python_corpus(CONTEXT), wanted, made_on=made_on)


if __name__ == "__main__":
    main()
