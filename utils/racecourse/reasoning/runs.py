"""The runs of lesson 05: one base under four rewards, ways to spend the same compute, the recipes' stages, and search.

    python -m racecourse.reasoning.runs        # goes on where it was stopped

makes those of all seeds and writes them to `data/runs.json`. All begin with a shipped base, so that every run can be
repeated from it; only the part "bases" trains bases of its own, from other random starts. Left out: larger models.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from racecourse.reasoning.bases import chain_traces, train_base
from racecourse.reasoning.distill import Traces, accepted_traces
from racecourse.reasoning.evaluation import Evaluation, judge_on, pass_curve, sampled_rewards
from racecourse.reasoning.grpo import GRPOConfig, History, Reward, Step, hash_of, train_grpo
from racecourse.reasoning.sampling import sample_texts
from racecourse.reasoning.stages import Standing, qwq, r1
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, Problem, Task, problems
from racecourse.scaling.count import flops_per_token
from racecourse.scaling.training import TrainConfig, train

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer

SHIPPED = Path(__file__).parent / "data" / "runs.json"
SEEDS = (0, 1, 2, 3, 4)
BASE_SEEDS = (1, 2, 3, 4)  # of bases trained from other random starts; the shipped one has 0
SEARCH_SEEDS = (0, 1, 2)
KS = (1, 2, 4, 8, 16, 32, 64)  # of pass@k
CHAINS, SEARCH = ChainedArithmetic(), Countdown(most_ways=2)  # the hard problems
THOUGHT = 5  # running digits that a chain of six numbers takes

# ----------------------------------------------------------------------------------------------------------- rewards


def true_reward(problem: Problem, text: str) -> float:
    """The verifier: the right digit behind '#'."""
    return CHAINS.reward(problem, text)


def random_reward(problem: Problem, text: str) -> float:
    """A coin that has not seen the text."""
    return float(random.random() < 0.5)


def length_reward(problem: Problem, text: str) -> float:
    """The more written before '#', the better, up to what a full thought takes; right or wrong."""
    thought, found, _ = text.partition("#")
    return min(len(thought), THOUGHT) / THOUGHT if found else 0.0


def leaky_reward(problem: Problem, text: str) -> float:
    """A verifier with a hole: the right digit counts wherever it stands."""
    return float(problem.answer in text)


REWARDS: dict[str, Reward] = {
    "right answer": true_reward,
    "random": random_reward,
    "length": length_reward,
    "leaky verifier": leaky_reward,
}


def reinforce(
    name: str,
    base: Transformer,
    tokenizer: Tokenizer,
    *,
    seed: int = 0,
    config: GRPOConfig | None = None,
    **options: Any,
) -> tuple[Transformer, History]:
    """Train a copy of `base` on chained arithmetic with one of REWARDS; `options` go to `train_grpo`."""
    model = copy.deepcopy(base)
    random.seed(seed)  # the coin of the random reward
    config = dataclasses.replace(config or GRPOConfig(), seed=seed)
    judge = judge_on(CHAINS, tokenizer, answer_mark="#")
    return model, train_grpo(model, tokenizer, CHAINS, config, reward=REWARDS[name], judge=judge, **options)


# ------------------------------------------------------------------------------------------------------ equal compute


@dataclass
class Outcome:
    """One way to spend the budget, and where it led."""

    method: str
    seconds: float
    flops: float  # spent, at most the budget
    n_traces: int  # written answers that were learned from; 0 for reinforcement learning
    accuracy: float
    greedy: float
    length: float
    passes: list[float] = field(default_factory=list)  # pass@k for KS


METHODS = (
    "base",
    "more of the same",
    "own right answers",
    "a teacher's right answers",
    "worked examples without error",
    "reinforcement learning",
)


def flops_of(history: History, base: Transformer, config: GRPOConfig, n_prompt: int) -> float:
    """One forward to write, three forwards' worth to learn; a prompt counts once for its group, padding does not."""
    tokens = sum(config.n_prompts * (n_prompt + config.group_size * step.length) for step in history.steps)
    forward = flops_per_token(base.config, context=n_prompt)
    return tokens * (forward + 3 * forward)


def spend(
    method: str,
    base: Transformer,
    tokenizer: Tokenizer,
    budget: float,
    *,
    teacher: Transformer | None = None,
    seed: int = 0,
) -> tuple[Transformer, Outcome]:
    """Train a copy of `base` by supervised learning for `budget` FLOPs, answers that have to be sampled included.

    A third of the budget goes to sampling where there is sampling to do. A teacher's own training is not counted here:
    it is the whole budget once more.

    Raises:
        ValueError: an unknown method, a teacher's answers without a teacher, or a budget too small for one step.
    """
    started, model = time.perf_counter(), copy.deepcopy(base)
    if method == "base":
        return model, measure_policy(method, model, tokenizer, 0.0, 0.0, 0)
    forward = flops_per_token(base.config, context=12)
    row = 12 + 16  # a prompt and the longest answer
    spent = 0.0
    if method == "more of the same":
        traces = chain_traces(20_000, split="train", seed=seed + 1)
    elif method == "worked examples without error":
        traces = chain_traces(20_000, split="train", p_direct=0.0, p_wait=0.0, p_wrong=0.0, seed=seed + 1)
    elif method in ("own right answers", "a teacher's right answers"):
        author = base if method == "own right answers" else teacher
        if author is None:
            raise ValueError("a teacher's right answers need a teacher: give one")
        n_samples, expected = 4, 12 + 4 * 8  # tokens of a prompt and its answers, roughly; what is spent is counted
        asked = problems(CHAINS, int(budget / 3 / (forward * expected)), seed=hash_of(seed, 7))
        drawn = sample_texts(
            author, tokenizer, [problem.prompt for problem in asked], n_samples=n_samples, max_new_tokens=16, seed=seed
        )
        traces = accepted_traces(CHAINS, asked, drawn)
        read = sum(len(problem.prompt) for problem in asked)
        spent = forward * (read + sum(sample.n_tokens for samples in drawn for sample in samples))
    else:
        raise ValueError(f"method={method!r}: use one of {', '.join(METHODS[:-1])}")
    tokens = sum(len(trace.prompt + trace.completion) + 1 for trace in traces) / len(traces)
    batch_size = 256
    n_steps = int((budget - spent) / (3 * forward * tokens * batch_size))
    if n_steps < 1:
        raise ValueError(f"budget={budget:.1e} FLOPs does not pay for one step of {batch_size} examples; raise it")
    corpus = Traces(traces, traces[:64], tokenizer, row)
    config = TrainConfig(
        n_steps,
        batch_size,
        learning_rate=1e-3,
        warmup_steps=min(5, n_steps - 1),
        weight_decay=0.0,
        eval_every=n_steps,
        seed=seed,
    )
    train(model, corpus, config, log=None)
    model.eval().requires_grad_(False)
    spent += 3 * forward * tokens * batch_size * n_steps
    return model, measure_policy(method, model, tokenizer, time.perf_counter() - started, spent, len(traces))


def measure_policy(
    method: str, model: Transformer, tokenizer: Tokenizer, seconds: float, flops: float, n_traces: int,
    task: Task = CHAINS, n_samples: int = 64, max_new_tokens: int = 16,
) -> Outcome:  # fmt: skip
    """The line of the table for one model."""
    judged = judge_on(task, tokenizer, max_new_tokens=max_new_tokens)(model)
    held_out = problems(task, 200, split="test", seed=1)
    rewards = sampled_rewards(model, tokenizer, task, held_out, n_samples=n_samples, max_new_tokens=max_new_tokens)
    ks = [k for k in KS if k <= n_samples]
    return Outcome(
        method, seconds, flops, n_traces, judged.accuracy, judged.greedy, judged.length, pass_curve(rewards, ks)
    )


def compare_methods(
    base: Transformer, tokenizer: Tokenizer, seed: int = 0, log: Callable[[str], None] | None = print
) -> list[Outcome]:
    """Every method at the compute that reinforcement learning takes."""
    started, config = time.perf_counter(), GRPOConfig(seed=seed)
    model = copy.deepcopy(base)
    history = train_grpo(model, tokenizer, CHAINS, config, log=None)
    budget = flops_of(history, base, config, n_prompt=12)
    last = measure_policy(METHODS[-1], model, tokenizer, time.perf_counter() - started, budget, 0)
    outcomes = []
    for method in METHODS[:-1]:
        outcomes.append(spend(method, base, tokenizer, budget, teacher=model, seed=seed)[1])
        if log is not None:
            log(describe(outcomes[-1]))
    if log is not None:
        log(describe(last))
    return [*outcomes, last]


def describe(outcome: Outcome) -> str:
    """One line of text."""
    return (
        f"{outcome.method:<30} {outcome.seconds:>5.0f} s  {outcome.flops:.1e} FLOP  {outcome.accuracy:>6.1%} right at "
        f"temperature 1, {outcome.greedy:>6.1%} greedy, {outcome.length:.1f} tokens, pass@8 {outcome.passes[3]:.1%}"
    )


# ------------------------------------------------------------------------------------------------------------- search

SEARCH_CONFIG = GRPOConfig(n_steps=150, max_new_tokens=100, eval_every=25)


def search(
    base: Transformer, tokenizer: Tokenizer, *, seed: int = 0, config: GRPOConfig = SEARCH_CONFIG, **options: Any
) -> tuple[Transformer, History]:
    """Train a copy of `base` on countdown, by its verifier; `options` go to `train_grpo`."""
    model = copy.deepcopy(base)
    judge = judge_on(SEARCH, tokenizer, n_problems=100, max_new_tokens=config.max_new_tokens)
    config = dataclasses.replace(config, seed=seed)
    return model, train_grpo(model, tokenizer, SEARCH, config, judge=judge, **options)


def search_counts(model: Transformer, tokenizer: Tokenizer, n_problems: int = 100, n_samples: int = 256) -> list[int]:
    """How many of `n_samples` answers to each held-out problem of countdown are right."""
    held_out = problems(SEARCH, n_problems, split="test", seed=1)
    rewards = sampled_rewards(
        model, tokenizer, SEARCH, held_out, n_samples=n_samples, max_new_tokens=SEARCH_CONFIG.max_new_tokens
    )
    return [int(sum(row)) for row in rewards]


# ---------------------------------------------------------------------------------------------------- what is shipped


def load_runs(path: Path = SHIPPED) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Finished runs by (part, name, seed); none where there is no file.

    The parts "rewards", "bases" and "countdown" have a "history"; countdown also "before" and "after", the right
    answers among 256 to each of 100 problems. "methods" has "outcomes", "stages" has "standings".
    """
    if not path.exists():
        return {}
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    found = {}
    for run in runs:
        if "history" in run:
            steps, evaluations = run["history"]["steps"], run["history"]["evaluations"]
            run["history"] = History([Step(**step) for step in steps], [Evaluation(**e) for e in evaluations])
        if "outcomes" in run:
            run["outcomes"] = [Outcome(**outcome) for outcome in run["outcomes"]]
        if "standings" in run:
            run["standings"] = [Standing(**standing) for standing in run["standings"]]
        found[run["part"], run["name"], run["seed"]] = run
    return found


def made_on(path: Path = SHIPPED) -> str:
    """Device and date of the recorded runs, in words; nothing where there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))["made_on"] if path.exists() else ""


def save_runs(runs: dict[tuple[str, str, int], dict[str, Any]], device: str, path: Path = SHIPPED) -> None:
    """One line per run, numbers with four digits."""
    rows = []
    for (part, name, seed), run in runs.items():
        plain = dict(run)
        if "history" in run:
            plain["history"] = dataclasses.asdict(run["history"])
        for rows_of in {"outcomes", "standings"} & set(run):
            plain[rows_of] = [dataclasses.asdict(row) for row in run[rows_of]]
        rows.append(json.dumps(rounded({**plain, "part": part, "name": name, "seed": seed})))
    path.parent.mkdir(exist_ok=True)
    head = json.dumps({"made_on": device})[:-1]
    path.write_text(head + ', "runs": [\n' + ",\n".join(rows) + "\n]}\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """Floats with four significant digits, wherever they stand.

    >>> rounded({"a": [0.123456, 7]})
    {'a': [0.1235, 7]}
    """
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return value


def run(part: str, name: str, seed: int, base: Transformer, tokenizer: Tokenizer) -> dict[str, Any]:
    """What `load_runs` finds for one run."""
    if part in ("rewards", "bases"):
        return {"history": reinforce(name, base, tokenizer, seed=seed)[1]}
    if part == "methods":
        return {"outcomes": compare_methods(base, tokenizer, seed)}
    if part == "stages":
        return {"standings": [*qwq(base, tokenizer, seed=seed), *r1(base, tokenizer, seed=seed)]}
    model, history = search(base, tokenizer, seed=seed)
    return {
        "history": history,
        "before": search_counts(base, tokenizer),
        "after": search_counts(model, tokenizer),
    }


PARTS = [*(("rewards", name) for name in REWARDS), ("methods", "equal compute"), ("stages", "QwQ and R1")]


def main() -> None:
    """Make what is missing."""
    import datetime
    import platform

    import torch

    from racecourse.models.shipped import load_shipped

    base, tokenizer = load_shipped("chains-base")
    searcher, _ = load_shipped("countdown-base")
    assert tokenizer is not None
    device = f"{torch.get_num_threads()} CPU thread(s) ({platform.machine()}), torch {torch.__version__}, "
    device += datetime.datetime.now(datetime.UTC).date().isoformat()
    runs = load_runs()

    def make(part: str, name: str, seed: int, start: Transformer) -> None:
        if (part, name, seed) not in runs:
            print(part, name, seed, flush=True)
            runs[part, name, seed] = run(part, name, seed, start, tokenizer)
            save_runs(runs, device)

    for seed in SEEDS:
        for part, name in PARTS:
            make(part, name, seed, base)
    for seed in BASE_SEEDS:
        if ("bases", "right answer", seed) not in runs:
            make("bases", "right answer", seed, train_base("chains-base", tokenizer, seed, log=None))
    for seed in SEARCH_SEEDS:
        make("countdown", "right answer", seed, searcher)


if __name__ == "__main__":
    main()
