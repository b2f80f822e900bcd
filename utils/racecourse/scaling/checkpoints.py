"""The small language models that come with the course, trained on Python's own source code.

    python -m racecourse.scaling.checkpoints      # or `make checkpoints`; about ten minutes on one core

Both have the shape of the ladder's rung of width 128. In "python-moe" 16 fine-grained experts, 2 of which work on each
token, stand where "python-dense" has one feed-forward part of the same active size. Left out: a second pass over the
text; each token was trained on once.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from racecourse.models.config import ModelConfig, MoEConfig
from racecourse.models.shipped import CHECKPOINTS, ModelCard, Score, fingerprint, save_checkpoint
from racecourse.models.transformer import Transformer
from racecourse.scaling.arms import new_model
from racecourse.scaling.corpora import TOKENIZER, TextCorpus, python_corpus
from racecourse.scaling.ladder import CONTEXT, tiny
from racecourse.scaling.training import TrainConfig, evaluate, train

WIDTH, SEED, ROWS = 128, 0, 1024
NAMES = {
    "python-dense": "A dense transformer that continues Python code, badly: small enough to look into.",
    "python-moe": "The same with 16 experts in place of each feed-forward part, 2 of which work on each token.",
}
DATA = (
    "The standard library of the Python that trained it, tests and generated files left out, once through. "
    "The text is under the PSF licence and is not part of this package."
)
TRAINING = TrainConfig(
    n_steps=1750, batch_size=16, learning_rate=0.64 / WIDTH, warmup_steps=90, eval_every=175, eval_rows=256,
    bias_step=0.005, seed=SEED,
)  # fmt: skip


def shape(name: str) -> ModelConfig:
    """The config of one of NAMES."""
    dense = tiny(WIDTH)
    if name == "python-dense":
        return dense
    if name != "python-moe":
        raise ValueError(f"no checkpoint {name!r} is made here; there are {', '.join(NAMES)}")
    moe = MoEConfig(n_experts=16, top_k=2, d_expert=dense.d_ff // 2, layers=tuple(range(dense.n_layers)),
                    scores="sigmoid", normalise_weights=False, selection_bias=True)  # fmt: skip
    return dataclasses.replace(dense, moe=moe)


def judge(model: Transformer, corpus: TextCorpus) -> list[Score]:
    """The loss on windows of held-out files."""
    batch = corpus.evaluation(ROWS)
    return [
        Score("python_corpus", {"context": CONTEXT}, len(batch.ids_BT), fingerprint(*batch), *evaluate(model, batch))
    ]


def make(name: str, corpus: TextCorpus, folder: Path) -> ModelCard:
    """Train one checkpoint and write it to `folder`."""
    import torch

    config = shape(name)
    training = TRAINING if config.moe else dataclasses.replace(TRAINING, bias_step=0.0)
    model = new_model(config, SEED, std=0.5 * WIDTH**-0.5)
    train(model, corpus, training)
    card = ModelCard(
        name, NAMES[name], DATA, f"python_corpus(context={CONTEXT})", "python -m racecourse.scaling.checkpoints", SEED,
        f"CPU, {torch.get_num_threads()} thread(s)", dataclasses.asdict(training),
    )  # fmt: skip
    return save_checkpoint(folder, model, card, judge=lambda model: judge(model, corpus), tokenizer=TOKENIZER)


def main() -> None:
    corpus = python_corpus(CONTEXT)
    for name in NAMES:
        print(make(name, corpus, CHECKPOINTS / name), flush=True)


if __name__ == "__main__":
    main()
