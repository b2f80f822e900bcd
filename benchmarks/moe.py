"""A mixture-of-experts layer, forward and backward on this CPU: ours beside each of transformers' back-ends.

    python benchmarks/moe.py [--quick] [--rounds 7] [--threads N] [--json FILE]

All hold the same weights, in float32: Qwen3-MoE's block with its experts set to "eager", "grouped_mm" and "batched_mm",
our layer, and a dense SwiGLU with the FLOPs of the experts that one token meets. Outputs and every gradient are
compared first. The contestants take turns, in another order each round, so that whatever else the machine does falls
on all of them; a ratio is the median of the ratios within a round. A quiet machine gives the best figures.

"batched_mm" copies an expert's matrices for every token that it works on; where that would take gigabytes, it and ours
race on fewer tokens. Left out: GPUs, bfloat16, skewed loads, the rest of the transformer.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from statistics import median

import torch
import transformers
from torch import Tensor, nn
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeSparseMoeBlock

from racecourse.machine import device
from racecourse.models import ModelConfig
from racecourse.models.layers import SwiGLU
from racecourse.models.moe import MoE

OURS, DENSE, BACK_ENDS = "ours", "dense, same FLOPs", ("eager", "grouped_mm", "batched_mm")
MOST_COPIES = 2**30  # bytes of matrices that batched_mm may copy


@dataclass(frozen=True)
class Case:
    """One layer and how many tokens go through it."""

    n_experts: int
    top_k: int
    d_model: int
    d_expert: int
    n_tokens: int

    @property
    def name(self) -> str:
        return f"{self.n_experts} experts, top {self.top_k}, D={self.d_model}, F={self.d_expert}"

    @property
    def tokens_for_batched_mm(self) -> int:
        bytes_per_token = self.top_k * 3 * self.d_model * self.d_expert * 4
        return min(self.n_tokens, MOST_COPIES // bytes_per_token)


# the second is a layer as small as those that lesson 03 trains
CASES = (
    Case(8, 2, 256, 512, 8192),
    Case(64, 8, 256, 128, 8192),
    Case(256, 8, 256, 128, 8192),
    Case(8, 2, 64, 128, 2048),
    Case(64, 8, 64, 32, 2048),
    Case(256, 8, 64, 32, 2048),
)


@dataclass
class Row:
    """What one contestant did on one case."""

    case: str
    layer: str
    n_tokens: int
    seconds: list[float]
    times_ours: float  # its time over ours, median over rounds


class TheirMoE(nn.Module):
    """Qwen3-MoE's block with one of transformers' back-ends."""

    def __init__(self, case: Case, back_end: str) -> None:
        super().__init__()
        config = transformers.Qwen3MoeConfig(
            hidden_size=case.d_model,
            moe_intermediate_size=case.d_expert,
            num_experts=case.n_experts,
            num_experts_per_tok=case.top_k,
            norm_topk_prob=True,
            num_hidden_layers=1,
        )
        config._experts_implementation = back_end
        self.config = config
        self.block = Qwen3MoeSparseMoeBlock(config)

    @property
    def matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.block.gate.weight, self.block.experts.gate_up_proj, self.block.experts.down_proj

    def forward(self, x_ND: Tensor) -> Tensor:
        return self.block(x_ND[None])[0]


class OurMoE(nn.Module):
    """The same layer in this package."""

    def __init__(self, theirs: TheirMoE) -> None:
        super().__init__()
        self.moe = MoE(ModelConfig.from_hf(theirs.config))
        give_weights(theirs, self)

    @property
    def matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.moe.router.weight, self.moe.experts.gate_up, self.moe.experts.down

    def forward(self, x_ND: Tensor) -> Tensor:
        return self.moe(x_ND)


@torch.no_grad()
def give_weights(source: TheirMoE, target: TheirMoE | OurMoE) -> None:
    for weight, copy in zip(source.matrices, target.matrices, strict=True):
        copy.copy_(weight)


def make_layers(case: Case) -> dict[str, nn.Module]:
    """Every contestant, with one set of weights."""
    torch.manual_seed(0)
    theirs = {back_end: TheirMoE(case, back_end) for back_end in BACK_ENDS}
    for weight in theirs["eager"].matrices:
        nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)
    for layer in theirs.values():
        give_weights(theirs["eager"], layer)
    dense = SwiGLU(case.d_model, case.top_k * case.d_expert)
    return {OURS: OurMoE(theirs["eager"]), DENSE: dense, **theirs}


def forward_backward(layer: nn.Module, x_ND: Tensor, grad_ND: Tensor) -> tuple[float, list[Tensor]]:
    """Seconds, and what came out: the output and the gradients of the input and of all weights."""
    x_ND = x_ND.clone().requires_grad_()
    layer.zero_grad(set_to_none=True)
    start = time.perf_counter()
    out_ND = layer(x_ND)
    out_ND.backward(grad_ND)
    seconds = time.perf_counter() - start
    matrices = layer.parameters() if isinstance(layer, SwiGLU) else layer.matrices
    return seconds, [out_ND.detach(), x_ND.grad, *(matrix.grad for matrix in matrices)]


def check_equal(layers: dict[str, nn.Module], x_ND: Tensor, grad_ND: Tensor) -> float:
    """The largest difference between ours and any back-end, relative to the largest value of that tensor.

    Raises:
        RuntimeError: a difference beyond float32 rounding.
    """
    _, ours = forward_backward(layers[OURS], x_ND, grad_ND)
    worst = 0.0
    for back_end in BACK_ENDS:
        _, theirs = forward_backward(layers[back_end], x_ND, grad_ND)
        for a, b in zip(ours, theirs, strict=True):
            worst = max(worst, ((a - b).abs().max() / b.abs().max()).item())
    if not worst < 1e-4:
        raise RuntimeError(f"ours and transformers differ by {worst:.1e} of the largest value: no race")
    return worst


def race(
    case: Case, layers: dict[str, nn.Module], x_ND: Tensor, grad_ND: Tensor, n_rounds: int, others: tuple[str, ...]
) -> list[Row]:
    """Ours and others in turns; the first round warms up and does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in (OURS, *others)}
    for number in range(n_rounds + 1):
        for name in random.Random(number).sample(list(seconds), len(seconds)):
            elapsed, _ = forward_backward(layers[name], x_ND, grad_ND)
            if number > 0:
                seconds[name].append(elapsed)

    def times_ours(name: str) -> float:
        return median(theirs / ours for theirs, ours in zip(seconds[name], seconds[OURS], strict=True))

    return [Row(case.name, name, len(x_ND), times, times_ours(name)) for name, times in seconds.items()]


def race_case(case: Case, n_rounds: int) -> tuple[list[Row], float]:
    """All contestants on all tokens, except batched_mm where its copies do not fit. With the largest difference."""
    layers = make_layers(case)
    x_ND, grad_ND = torch.randn(2, case.n_tokens, case.d_model)
    few = case.tokens_for_batched_mm
    worst = check_equal(layers, x_ND[:few], grad_ND[:few])
    if few == case.n_tokens:
        return race(case, layers, x_ND, grad_ND, n_rounds, (DENSE, *BACK_ENDS)), worst
    rows = race(case, layers, x_ND, grad_ND, n_rounds, (DENSE, *BACK_ENDS[:2]))
    return rows + race(case, layers, x_ND[:few], grad_ND[:few], n_rounds, BACK_ENDS[2:]), worst


def table(rows: list[Row]) -> str:
    lines = [
        "| layer | tokens | contestant | ms, median (min to max) | its time over ours |",
        "|---|---:|---|---:|---:|",
    ]
    for row in rows:
        low, middle, high = (1e3 * f(row.seconds) for f in (min, median, max))
        lines.append(
            f"| {row.case} | {row.n_tokens:,} | {row.layer} | {middle:.1f} ({low:.1f} to {high:.1f}) "
            f"| {row.times_ours:.2f} |"
        )
    return "\n".join(lines)


def verdict(rows: list[Row]) -> str:
    """Per case: how ours stands against the best back-end and against the dense layer."""
    lines = ["| layer | best back-end | its time over ours | our time over dense |", "|---|---|---:|---:|"]
    for case in dict.fromkeys(row.case for row in rows):
        of_case = [row for row in rows if row.case == case]
        best = min((row for row in of_case if row.layer in BACK_ENDS), key=lambda row: row.times_ours)
        dense = next(row for row in of_case if row.layer == DENSE)
        lines.append(f"| {case} | {best.layer} | {best.times_ours:.2f} | {1 / dense.times_ours:.2f} |")
    return "\n".join(lines)


def run(n_rounds: int, n_threads: int, *, quick: bool) -> dict[str, object]:
    """Measure everything, print the tables, return the figures."""
    torch.set_num_threads(n_threads)
    cases = [Case(E, k, 64, F, 128) for E, k, F in ((8, 2, 128), (64, 8, 32), (256, 8, 32))] if quick else CASES
    rows, worst = [], 0.0
    for case in cases:
        of_case, difference = race_case(case, n_rounds)
        rows, worst = rows + of_case, max(worst, difference)
    where = (
        f"{device('cpu').name}, {n_threads} threads, {platform.system()} {platform.machine()}, "
        f"torch {torch.__version__}, transformers {transformers.__version__}, {date.today()}"
    )
    print(f"{where}. Forward and backward, {n_rounds} rounds.", "", table(rows), "", verdict(rows), "", sep="\n")
    print(f"Outputs and gradients are equal: the largest difference is {worst:.0e} of the largest value.")
    return {"machine": where, "rounds": n_rounds, "largest_difference": worst,
            "rows": [{**asdict(row), "median": median(row.seconds)} for row in rows]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds (default 7)")
    parser.add_argument("--threads", type=int, default=device("cpu").cores, help="default: all cores")
    parser.add_argument("--quick", action="store_true", help="one round of small cases: shows that it runs")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    chosen = parser.parse_args()
    figures = run(1 if chosen.quick else chosen.rounds, chosen.threads, quick=chosen.quick)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    main()
