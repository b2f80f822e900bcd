"""One step of GRPO on this CPU: ours beside TRL's GRPOTrainer, same model, task, group size, lengths and settings.

    python benchmarks/grpo.py [--quick] [--rounds 5] [--steps 8] [--threads N] [--json FILE]

The model is the shipped "chains-base", 224 thousand parameters; TRL gets it as transformers' own class. Both sample
from it, score with the same verifier and take one optimiser step. The contestants take turns; a ratio is the median of
the ratios within a round. TRL's first step of a round is not counted: it warms up. That both compute the same loss from
the same batch is held by tests/test_train_trl.py. Left out: vLLM, which TRL uses on GPUs, and larger models, where
both spend their time in the same matrix products.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import tempfile
import time
import warnings
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from statistics import median

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
import torch
import transformers

try:
    import trl
except ImportError:
    raise SystemExit("TRL is missing, so there is nothing to compare with: pip install 'racecourse[train]'") from None

from racecourse.models.shipped import load_shipped
from racecourse.reasoning import ChainedArithmetic, GRPOConfig, train_grpo
from racecourse.reasoning.train_trl import load_hf, make_trainer


@dataclass
class Round:
    """Means over the steps of one round."""

    seconds: float  # of one step
    generation_share: float | None  # of the time, spent writing answers; not measured for TRL
    reward: float
    length: float  # tokens of an answer


def our_round(config: GRPOConfig) -> Round:
    model, tokenizer = load_shipped("chains-base")
    history = train_grpo(model, tokenizer, ChainedArithmetic(), config, log=None)
    steps = history.steps[1:]
    seconds = steps[-1].seconds - history.steps[0].seconds
    writing = sum(step.generation_seconds for step in steps)
    return Round(seconds / len(steps), writing / seconds, mean(s.reward for s in steps), mean(s.length for s in steps))


def their_round(config: GRPOConfig) -> Round:
    class Clock(transformers.TrainerCallback):
        def __init__(self) -> None:
            self.ends = []

        def on_step_end(self, *_, **__) -> None:
            self.ends.append(time.perf_counter())

    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(
            *load_hf("chains-base"), ChainedArithmetic(), config, output_dir=Path(folder), use_cpu=True,
            log_level="error", logging_strategy="steps",
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.add_callback(clock)
        trainer.train()
    rows = [row for row in trainer.state.log_history if "reward" in row][1:]
    seconds = (clock.ends[-1] - clock.ends[0]) / (len(clock.ends) - 1)
    return Round(seconds, None, mean(r["reward"] for r in rows), mean(r["completions/mean_length"] for r in rows))


def mean(values) -> float:
    found = list(values)
    return sum(found) / len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="counted steps of a round")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; all if not given")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    if options.threads:
        torch.set_num_threads(options.threads)
    n_rounds, n_steps = (1, 2) if options.quick else (options.rounds, options.steps)
    config = GRPOConfig(n_steps=n_steps + 1)
    rounds = []
    for number in range(n_rounds):
        config = replace(config, seed=number)
        pair = {}
        contestants = [("ours", our_round), ("TRL", their_round)]
        for name, run in contestants[:: 1 if number % 2 else -1]:
            pair[name] = run(config)
        rounds.append(pair)
    print(f"\n{torch.get_num_threads()} CPU threads, torch {torch.__version__}, TRL {trl.__version__}, {date.today()}")
    print(f"{config.n_prompts} prompts x {config.group_size} answers, at most {config.max_new_tokens} tokens\n")
    print(f"{'':<6}{'s per step':>12}{'reward':>10}{'tokens':>10}{'tokens/s':>12}{'writing':>10}")
    for name in ("ours", "TRL"):
        s, r, n = (median(getattr(p[name], field) for p in rounds) for field in ("seconds", "reward", "length"))
        shares = [p[name].generation_share for p in rounds if p[name].generation_share is not None]
        writing = f"{median(shares):.0%}" if shares else ""
        rate = config.n_prompts * config.group_size * n / s
        print(f"{name:<6}{s:>12.3f}{r:>10.3f}{n:>10.2f}{rate:>12,.0f}{writing:>10}")
    ratios = sorted(pair["TRL"].seconds / pair["ours"].seconds for pair in rounds)
    print(f"\nTRL takes {median(ratios):.1f} times as long (rounds: {ratios[0]:.1f} to {ratios[-1]:.1f})")
    if options.json:
        about = {"machine": platform.machine(), "threads": torch.get_num_threads(), "date": str(date.today())}
        options.json.write_text(json.dumps({**about, "rounds": [{k: asdict(v) for k, v in p.items()} for p in rounds]}))


if __name__ == "__main__":
    main()
