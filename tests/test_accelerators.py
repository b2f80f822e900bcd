"""The chip table against what was published with it, and against figures worked by hand."""

import dataclasses
import doctest
import importlib
import math
import subprocess
import sys

import pytest

from racecourse.hardware import (
    Chip,
    accelerators,
    performance_density,
    redesign,
    ridge_flop_per_byte,
    total_processing_performance,
)

CHIPS = accelerators()
APPLE = [name for name in CHIPS if name.startswith("Apple")]
OTHERS = [name for name in CHIPS if not name.startswith("Apple")]


def test_the_table_has_26_chips_with_sources():
    assert len(CHIPS) == 26 and len(APPLE) == 4
    for name, chip in CHIPS.items():
        assert chip.name == name
        assert chip.source and chip.confidence in {"high", "medium", "low"}


def test_the_fields_are_the_columns_of_the_table():
    """The first line of the file, with plain Python."""
    module = importlib.import_module("racecourse.hardware.accelerators")
    columns = module.FILE.read_text().splitlines()[0].split(",")
    assert [field.name for field in dataclasses.fields(Chip)] == columns


def test_cells_become_numbers_words_and_nothing():
    t4, h20, duel = (CHIPS[f"NVIDIA {name}"] for name in ("T4", "H20", "GeForce RTX 4090 D"))
    assert (t4.fp16_bf16_dense_tflops, t4.fp8_dense_tflops, t4.release) == (65.1, None, "2018-09")
    assert (h20.mem_gb, h20.datacenter, duel.datacenter) == (96.0, True, False)
    assert CHIPS["NVIDIA B200 SXM"].die_mm2 is None


# --- every derived column, computed again; tolerances are half of the last digit that was published


@pytest.mark.parametrize("name", OTHERS)
def test_published_tpp(name):
    assert total_processing_performance(CHIPS[name]) == pytest.approx(CHIPS[name].tpp, abs=0.5)


@pytest.mark.parametrize("name", OTHERS)
def test_published_performance_density(name):
    chip = CHIPS[name]
    density = performance_density(chip)
    assert (density is None) == (chip.die_mm2 is None) == (chip.perf_density is None)
    assert density is None or density == pytest.approx(chip.perf_density, abs=0.005)


@pytest.mark.parametrize("name", CHIPS)
def test_published_ridge(name):
    ridge, published = ridge_flop_per_byte(CHIPS[name]), CHIPS[name].ridge_flop_per_byte
    assert (ridge is None) == (published is None)
    assert ridge is None or ridge == pytest.approx(published, abs=0.5)


@pytest.mark.parametrize("name", APPLE)
def test_apple_s_published_tpp_is_an_upper_bound_by_another_formula(name):
    """GPU at 32 bits (as fast there as at 16) plus Neural Engine at 8; the rule adds nothing up."""
    chip = CHIPS[name]
    upper = chip.fp16_bf16_dense_tflops * 32 + chip.int8_dense_tops * 8
    assert upper == pytest.approx(chip.tpp, abs=0.5)
    assert total_processing_performance(chip) < upper < 1600
    if chip.die_mm2:
        assert upper / chip.die_mm2 == pytest.approx(chip.perf_density, abs=0.005)


# --- by hand


@pytest.mark.parametrize(("rates", "tpp"), [
    ({"fp8_dense_tflops": 600}, 4800), ({"int8_dense_tops": 600}, 4800),  # the Federal Register's example, 8 bits
    ({"fp16_bf16_dense_tflops": 300}, 4800),  # and 16
    ({"bits4_dense_tops": 1200}, 4800),
    ({"fp16_bf16_dense_tflops": 100, "int8_dense_tops": 250, "bits4_dense_tops": 300}, 2000),  # 1600, 2000, 1200
    ({"fp16_bf16_dense_tflops": 100, "fp8_dense_tflops": 250, "bits4_dense_tops": 600}, 2400),  # 1600, 2000, 2400
    ({"fp16_bf16_dense_tflops": 100, "fp8_dense_tflops": 100}, 1600),  # no sum
])  # fmt: skip
def test_tpp_is_the_highest_of_rate_times_bits(rates, tpp):
    assert total_processing_performance(Chip(name="x", **rates)) == tpp


def test_wrong_tpp_that_people_publish():
    """The A100's is not 624, which forgets the bits; the 4090's is not 10,570, which counts the 2 of 2 x MacTOPS twice.

    The H100's is not 31,664, from the 3,958 TFLOPS of sparse FP8 that its data sheet prints first.
    """
    assert total_processing_performance(CHIPS["NVIDIA A100 SXM4 80GB"]) == 624 * 8
    assert total_processing_performance(CHIPS["NVIDIA GeForce RTX 4090"]) == pytest.approx(10_570 / 2, abs=0.5)
    assert total_processing_performance(CHIPS["NVIDIA H100 SXM5 80GB"]) == 3958 / 2 * 8 == 31_664 / 2


def test_the_4090_has_the_same_tpp_either_way():
    """330.3 TFLOPS of FP16 with FP16 accumulation, the other figure in use, is half of 660.6 at half the bits."""
    assert 330.3 * 16 == pytest.approx(total_processing_performance(CHIPS["NVIDIA GeForce RTX 4090"]))


def test_ridges_by_hand():
    """H100: 989.4 / 3.35 = 295.3. H20: 148 / 4 = 37: a chip for decoding, not for training."""
    assert ridge_flop_per_byte(CHIPS["NVIDIA H100 SXM5 80GB"]) == pytest.approx(295.3, abs=0.05)
    assert ridge_flop_per_byte(CHIPS["NVIDIA H20"]) == 37


def test_figures_that_are_unknown_stay_unknown():
    chip = Chip(name="x", fp8_dense_tflops=100, mem_bw_gbs=1000)
    assert performance_density(chip) is None and ridge_flop_per_byte(chip) is None
    assert ridge_flop_per_byte(Chip(name="x", fp16_bf16_dense_tflops=100)) is None
    assert performance_density(Chip(name="x", fp8_dense_tflops=100, die_mm2=400)) == 2.0


# --- chips of one's own


def test_a_redesigned_chip_forgets_what_was_published_about_the_old():
    """With the A800 as witness: an A100 with slower links, and nothing else."""
    a100, a800 = CHIPS["NVIDIA A100 SXM4 80GB"], CHIPS["NVIDIA A800 SXM4 80GB"]
    mine = redesign(a100, name=a800.name, interconnect_gbs_bidir=400, release=a800.release)
    assert mine == redesign(a800, name=a800.name)
    assert (mine.tpp, mine.rule_2023, mine.source) == (None, "", "")
    assert a100.interconnect_gbs_bidir == 600 and a100.tpp == 4992


@pytest.mark.parametrize(("fields", "says"), [
    ({}, "x has no rate; give the dense rate of one format"),
    ({"die_mm2": 800}, "x has no rate"),
    ({"fp8_dense_tflops": 0}, "x: fp8_dense_tflops=0 is not above 0; leave out"),
    ({"bits4_dense_tops": 1, "die_mm2": -1}, "die_mm2=-1 is not above 0"),
    ({"bits4_dense_tops": 1, "mem_bw_gbs": math.nan}, "mem_bw_gbs=nan"),
    ({"bits4_dense_tops": math.inf}, "bits4_dense_tops=inf"),
])  # fmt: skip
def test_chips_that_are_refused(fields, says):
    with pytest.raises(ValueError, match=says):
        Chip(name="x", **fields)


def test_chips_cannot_be_changed_or_mixed_up():
    with pytest.raises(dataclasses.FrozenInstanceError):
        CHIPS["NVIDIA H20"].die_mm2 = 1
    with pytest.raises(TypeError):
        Chip("x", 300)


# --- the room


def test_the_room_is_light_and_its_names_are_what_they_say():
    code = (
        "import sys, racecourse.hardware as room; from racecourse.hardware.accelerators import Chip;"
        "assert not {'torch', 'matplotlib', 'scipy', 'pandas'} & set(sys.modules);"
        "assert all(hasattr(room, name) for name in room.__all__);"
        "assert len(room.accelerators()) == 26"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numbers_in_docstrings():
    result = doctest.testmod(importlib.import_module("racecourse.hardware.accelerators"))
    assert result.attempted >= 7 and not result.failed
