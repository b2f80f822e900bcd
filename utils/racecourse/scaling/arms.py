"""The contestants of lesson 03: a dense transformer, two mixtures of experts, and two wide dense ones, on three tasks.

The mixtures spend on each token what the dense model spends (equal active FLOPs); the wide dense models have as many
parameters in all as the mixtures (equal total parameters), one with wider feed-forward parts alone, one wider
everywhere; and the dense model trained for longer takes as long as the coarse mixture (equal wall clock). Three
comparisons in one set of runs. The lesson makes those of seed 0 live;

    python -m racecourse.scaling.arms          # half an hour on one core; goes on where it was stopped

makes those of all seeds, shipped in `data/arms.json`.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racecourse.models.config import ModelConfig, MoEConfig
from racecourse.scaling.corpora import AssociativeRecall, Corpus, FactRecall, LengthTwoPath
from racecourse.scaling.count import count_parameters
from racecourse.scaling.training import History, TrainConfig, train

if TYPE_CHECKING:
    from racecourse.models.transformer import Transformer

SHIPPED = Path(__file__).parent / "data" / "arms.json"
DENSE, LONGER, COARSE, FINE = "dense", "dense, longer", "MoE 8, top-1", "MoE 16, top-2"
WIDE_FF, WIDE = "wide feed-forward", "wide dense"
ARMS = (DENSE, LONGER, COARSE, FINE, WIDE_FF, WIDE)
SEEDS = (0, 1, 2)
LONGER_BY = 1.3  # times the steps: what the coarse mixture's step costs in dense steps, or a little more
FACTOR = 8  # how many times more feed-forward parameters the mixtures have in all


@dataclass(frozen=True)
class Contest:
    """A task, the dense contestant's size, and how all of them are trained."""

    corpus: Corpus
    d_model: int
    d_ff: int
    training: TrainConfig
    n_layers: int = 2
    n_heads: int = 4


CONTESTS = {
    "facts": Contest(
        FactRecall(n_facts=10_000), d_model=64, d_ff=96,
        training=TrainConfig(n_steps=800, batch_size=512, learning_rate=4e-3, weight_decay=0.0, bias_step=0.01,
                             eval_every=80, eval_rows=4096),
    ),
    "path": Contest(
        LengthTwoPath(n_nodes=64, degree=8), d_model=32, d_ff=64,
        training=TrainConfig(n_steps=1000, batch_size=256, weight_decay=0.01, betas=(0.9, 0.99), bias_step=0.01,
                             eval_every=100, eval_rows=2048),
    ),
    "lookup": Contest(
        AssociativeRecall(n_pairs=8), d_model=64, d_ff=96,
        training=TrainConfig(n_steps=800, batch_size=128, learning_rate=3e-3, weight_decay=0.01, bias_step=0.01,
                             eval_every=40, eval_rows=1024),
    ),
}  # fmt: skip


def arm(name: str, contest: Contest) -> ModelConfig:
    """The config of one contestant."""
    if name not in ARMS:
        raise ValueError(f"no contestant {name!r}; there are {', '.join(ARMS)}")
    if name == WIDE:
        total = count_parameters(arm(COARSE, contest)).total
        widths = range(contest.d_model, 4 * contest.d_model + 1, 8)
        shapes = [_shape(contest, d_model, contest.d_ff * d_model // contest.d_model) for d_model in widths]
        return min(shapes, key=lambda shape: abs(count_parameters(shape).total - total))
    if name == WIDE_FF:
        return _shape(contest, contest.d_model, contest.d_ff * FACTOR)
    experts = {COARSE: (FACTOR, 1), FINE: (2 * FACTOR, 2)}.get(name)
    return _shape(contest, contest.d_model, contest.d_ff, router(contest, *experts) if experts else None)


def _shape(contest: Contest, d_model: int, d_ff: int, moe: MoEConfig | None = None) -> ModelConfig:
    return ModelConfig(
        "llama", contest.corpus.vocab_size, d_model, n_layers=contest.n_layers, n_heads=contest.n_heads,
        n_kv_heads=contest.n_heads, head_dim=d_model // contest.n_heads, d_ff=d_ff,
        max_context=contest.corpus.context, moe=moe,
    )  # fmt: skip


def router(contest: Contest, n_experts: int, top_k: int) -> MoEConfig:
    """DeepSeek-V3's router without groups: sigmoid scores, and a bias that steers the choice alone.

    The weights are not normalised: with one expert per token that would make every weight 1, and the router would
    learn nothing from the loss. They are scaled to sum to about 1 at the start, where every score is near 0.5.
    """
    return MoEConfig(
        n_experts, top_k, d_expert=contest.d_ff // top_k, layers=tuple(range(contest.n_layers)), scores="sigmoid",
        normalise_weights=False, weight_scale=2 / top_k, selection_bias=True,
    )  # fmt: skip


def new_model(config: ModelConfig, seed: int, std: float = 0.05) -> Transformer:
    """An untrained model whose weights depend on the seed alone."""
    import torch

    from racecourse.models.transformer import Transformer

    torch.manual_seed(seed)
    model = Transformer(config)
    model.init_weights(std)
    return model


def settings(name: str, contest: Contest, seed: int) -> TrainConfig:
    """How one contestant is trained; all alike, but for the number of steps of the longer run."""
    base = contest.training
    steps = round(base.n_steps * LONGER_BY) if name == LONGER else base.n_steps
    every = round(base.eval_every * LONGER_BY) if name == LONGER else base.eval_every
    bias_step = base.bias_step if name in (COARSE, FINE) else 0.0
    return dataclasses.replace(base, n_steps=steps, eval_every=every, bias_step=bias_step, seed=seed)


def compete(name: str, contest: Contest, seed: int = 0, **options: Any) -> tuple[Transformer, History]:
    """Train one contestant from nothing; `options` go to `train`."""
    model = new_model(arm(name, contest), seed)
    return model, train(model, contest.corpus, settings(name, contest, seed), **options)


def load_results(path: Path = SHIPPED) -> dict[tuple[str, str, int], History]:
    """Finished runs by (contest, contestant, seed); none where there is no file."""
    if not path.exists():
        return {}
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return {(run["contest"], run["arm"], run["seed"]): History.from_dict(run["history"]) for run in runs}


def save_results(results: dict[tuple[str, str, int], History], made_on: str, path: Path = SHIPPED) -> None:
    """One line per run. The loss of every single step is left out."""
    lines = []
    for (contest, name, seed), history in results.items():
        kept = dataclasses.replace(history, losses=[]).to_dict()
        for record in kept["records"]:
            record["load"] = [[round(share, 4) for share in load] for load in record["load"]]
            record |= {key: round(record[key], 4) for key in ("seconds", "train_loss", "loss", "accuracy", "exact")}
        lines.append(json.dumps({"contest": contest, "arm": name, "seed": seed, "history": kept}))
    body = ",\n".join(lines)
    path.write_text(f'{{"made_on": {json.dumps(made_on)},\n"runs": [\n{body}\n]}}\n', encoding="utf-8")


def main() -> None:
    import platform
    from datetime import date

    import torch

    made_on = f"{torch.get_num_threads()} CPU thread(s), Python {platform.python_version()}, {date.today()}"
    results = load_results()
    for seed in SEEDS:
        for title, contest in CONTESTS.items():
            for name in ARMS:
                if (title, name, seed) not in results:
                    _, results[title, name, seed] = compete(name, contest, seed, log=None)
                    save_results(results, made_on)
                    print(title, name, seed, results[title, name, seed].line(contest.training.n_steps), flush=True)


if __name__ == "__main__":
    main()
