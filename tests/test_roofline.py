"""Predictions of decoding: work by hand, rates from known machines, published timings, and what a fit must admit."""

import math
import random
import subprocess
import sys

import pytest
import torch

from racecourse.hardware import accelerators
from racecourse.hardware.roofline import (
    Rates,
    Timed,
    Work,
    calibrate,
    data_sheet,
    decode_work,
    experts_touched,
    fit_rates,
    predict,
    predict_decode,
    predict_prefill,
    prefill_work,
    time_decode,
    weights_read,
)
from racecourse.learn.fits import known_configs
from racecourse.models import ModelConfig, Transformer
from racecourse.scaling import count_parameters, flops_per_token, kv_bytes_per_token

CONFIGS = known_configs()
SMOLLM2, QWQ, R1 = (CONFIGS[name] for name in ("SmolLM2-135M", "QwQ-32B", "DeepSeek-R1"))


def tiny(d_model: int, n_layers: int) -> ModelConfig:
    return ModelConfig("llama", vocab_size=64, d_model=d_model, n_layers=n_layers, n_heads=2, n_kv_heads=1, head_dim=16,
                       d_ff=2 * d_model, max_context=128)  # fmt: skip


# --------------------------------------------------------------------------------------------------------------- work


def test_work_of_smollm2_by_hand():
    """Tied: the whole table is read as the output head. 30 layers x 3 heads x 64 channels, keys and values, 4 bytes."""
    work = decode_work(SMOLLM2, context=1000, batch_size=4)
    assert work.weight_bytes == 134_515_008 * 4
    assert work.cache_bytes == 4 * 1000 * (30 * 2 * 3 * 64 * 4)
    # every matrix entry works for each row; scores and values: 2 x 2 FLOPs x 9 heads x 64 channels x 30 layers a key
    norms = 61 * 576
    assert work.flops == 4 * (2 * (134_515_008 - norms) + 1000 * 4 * 9 * 64 * 30)
    assert work.intensity == work.flops / (work.weight_bytes + work.cache_bytes)
    assert decode_work(SMOLLM2, context=1, bytes_per_weight=0.5).weight_bytes == 134_515_008 / 2


def test_an_untied_table_is_looked_up_and_not_read():
    n = count_parameters(QWQ)
    assert weights_read(QWQ) == n.total - 152_064 * 5120 == weights_read(QWQ, 64)


def test_a_mixture_reads_the_experts_that_its_rows_chose():
    n = count_parameters(R1)
    assert weights_read(R1, 1) == pytest.approx(n.active - n.input_embedding, rel=1e-12)
    assert weights_read(R1, 100_000) == pytest.approx(n.total - n.input_embedding, rel=1e-9)


def test_latents_are_wider_than_heads():
    """R1: scores with 512 + 64 channels and values of 512, for 128 heads in 61 layers, 2 FLOP each."""
    one, more = (decode_work(R1, context=context).flops for context in (100, 101))
    assert more - one == 2 * 61 * 128 * (512 + 64 + 512)


@pytest.mark.parametrize(("n_experts", "top_k", "n_rows"), [(8, 2, 3), (64, 8, 4), (256, 8, 16)])
def test_experts_touched_is_what_random_choices_touch(n_experts, top_k, n_rows):
    rng = random.Random(0)
    counts = [len({e for _ in range(n_rows) for e in rng.sample(range(n_experts), top_k)}) for _ in range(3000)]
    mean = sum(counts) / len(counts)
    spread = (sum((c - mean) ** 2 for c in counts) / len(counts)) ** 0.5
    assert abs(experts_touched(n_experts, top_k, n_rows) - mean) < 4 * spread / len(counts) ** 0.5
    assert experts_touched(n_experts, top_k, 1) == pytest.approx(top_k)


def test_prefill_is_the_sum_over_its_tokens_with_one_head():
    head = 2 * SMOLLM2.vocab_size * SMOLLM2.d_model
    each = [flops_per_token(SMOLLM2, context=t) for t in range(1, 65)]
    expected = sum(each) - 63 * head
    assert prefill_work(SMOLLM2, n_tokens=64).flops == pytest.approx(expected, rel=1e-12)
    assert prefill_work(SMOLLM2, n_tokens=64, batch_size=3).flops == pytest.approx(3 * expected, rel=1e-12)


@pytest.mark.parametrize(("context", "batch_size"), [(0, 1), (1, 0)])
def test_no_step_without_a_token_and_a_row(context, batch_size):
    with pytest.raises(ValueError, match=f"context={context} and batch_size={batch_size}"):
        decode_work(SMOLLM2, context=context, batch_size=batch_size)


# -------------------------------------------------------------------------------------------------------- predictions


def test_prediction_by_hand():
    """10 GB/s, 5 GB/s, 100 GFLOP/s, 50 us: 0.2 s + 0.1 s + 0.03 s + 0.001 s."""
    rates = Rates(weights_gb_per_s=10, cache_gb_per_s=5, gflops=100, layer_us=50, error=0.25)
    found = predict(Work(weight_bytes=2e9, cache_bytes=5e8, flops=3e9, n_layers=20), rates)
    assert found.parts == pytest.approx({"weights": 0.2, "cache": 0.1, "arithmetic": 0.03, "layers": 0.001})
    assert found.seconds == pytest.approx(0.331)
    assert found.low == pytest.approx(0.331 / 1.25) and found.high == pytest.approx(0.331 * 1.25)


def test_between_batch_sizes_seconds_lie_on_a_line_and_outside_nothing_is_said():
    rates = {1: Rates(10, 5, layer_us=50), 4: Rates(20, 5, layer_us=80, error=0.2), 16: Rates(15, 5)}
    at = {size: predict_decode(SMOLLM2, context=100, rates=rates, batch_size=size) for size in (1, 2, 4, 10, 16)}
    assert at[1].seconds == pytest.approx(predict(decode_work(SMOLLM2, context=100), rates[1]).seconds)
    assert at[2].seconds == pytest.approx(2 / 3 * at[1].seconds + 1 / 3 * at[4].seconds)
    assert at[10].seconds == pytest.approx((at[4].seconds + at[16].seconds) / 2)
    assert at[2].high == pytest.approx(2 / 3 * at[1].seconds + 1 / 3 * 1.2 * at[4].seconds)
    assert sum(at[10].parts.values()) == pytest.approx(at[10].seconds)
    for size in (0, 17):
        with pytest.raises(ValueError, match="calibrate at it" if size else "context"):
            predict_decode(SMOLLM2, context=100, rates=rates if size else rates[1], batch_size=size)


def test_prefill_takes_its_arithmetic():
    rates = Rates(gflops=100, layer_us=1000)
    seconds = predict_prefill(SMOLLM2, n_tokens=64, rates=rates).seconds
    assert seconds == pytest.approx(prefill_work(SMOLLM2, n_tokens=64).flops / 1e11 + 0.03)


# -------------------------------------------------------------------------------------------------------- calibration

SHAPES = [(2e9, 1e8, 4e9, 12), (5e8, 4e8, 1e9, 30), (1e9, 2e8, 9e9, 8), (3e8, 1e7, 2e9, 24)]


def timings(rates: Rates) -> list[Timed]:
    """What a machine with these rates would take, for two steps of each of four models."""
    works = [(f"model {i}", Work(w, factor * c, f, n)) for i, (w, c, f, n) in enumerate(SHAPES) for factor in (1, 7)]
    return [Timed(name, work, predict(work, rates).seconds) for name, work in works]


def test_a_fit_finds_the_machine_that_made_the_timings():
    machine = Rates(weights_gb_per_s=17, cache_gb_per_s=6, layer_us=420)
    found = fit_rates(timings(machine))
    assert found.weights_gb_per_s == pytest.approx(17) and found.cache_gb_per_s == pytest.approx(6)
    assert found.layer_us == pytest.approx(420) and found.gflops == math.inf and found.error < 1e-6


def test_a_fit_can_be_asked_for_other_costs():
    machine = Rates(gflops=80, layer_us=300)
    found = fit_rates(timings(machine), costs=("arithmetic", "layers"))
    assert found.gflops == pytest.approx(80) and found.layer_us == pytest.approx(300)
    assert found.weights_gb_per_s == math.inf == found.cache_gb_per_s


def test_no_cost_is_negative_and_what_costs_nothing_is_infinitely_fast():
    free_cache = Rates(weights_gb_per_s=17, layer_us=420)
    slower_without = [Timed(t.model, t.work, t.seconds * (1 - 1e-12 * t.work.cache_bytes)) for t in timings(free_cache)]
    found = fit_rates(slower_without)
    assert found.cache_gb_per_s == math.inf and found.layer_us > 0


def test_the_error_is_that_of_whole_models_left_out():
    """One model is twice as slow as the others foretell: left out, it is missed by that; in the fit, less."""
    timed = [
        Timed(t.model, t.work, t.seconds * (2 if t.model == "model 3" else 1))
        for t in timings(Rates(weights_gb_per_s=17, cache_gb_per_s=6, layer_us=420))
    ]
    found = fit_rates(timed)
    assert found.error == pytest.approx(1.0, abs=0.35)
    inside = max(abs(math.log(predict(t.work, found).seconds / t.seconds)) for t in timed)
    assert math.exp(inside) - 1 < 0.9 * found.error


def test_two_models_are_too_few():
    with pytest.raises(ValueError, match=r"2 model\(s\) timed; leaving one out takes three"):
        fit_rates(timings(Rates(17))[:4])


# gpt-fast's README, A100 80 GB, batch size 1: tokens/s, GB/s (so GB a token is their ratio), layers
GPT_FAST = {
    "Llama-2-7B bf16": (104.9, 1397, 32), "Llama-2-7B int8": (155.58, 1069, 32), "Llama-2-7B int4": (196.8, 863, 32),
    "Llama-2-70B int8": (19.13, 1323, 80), "Llama-2-70B int4": (25.25, 1098, 80),
    "Llama-3.1-8B bf16": (93.89, 1411, 32), "Llama-3.1-8B int8": (137.64, 1031, 32),
    "Llama-3.1-70B int8": (18.04, 1254, 80),
}  # fmt: skip


def gpt_fast() -> list[Timed]:
    return [
        Timed(name.rsplit(maxsplit=1)[0], Work(1e9 * gb_s / tok_s, 0.0, 0.0, layers), 1 / tok_s)
        for name, (tok_s, gb_s, layers) in GPT_FAST.items()
    ]


def test_published_timings_give_the_published_fits():
    """Bytes / data sheet is 1.45 to 2.36 times too fast, MAPE 42 %; 1506 GB/s and 61.6 us a layer, MAPE 7.6 %."""
    a100 = data_sheet(accelerators()["NVIDIA A100 SXM4 80GB"])
    ratios = [t.seconds / predict(t.work, a100).seconds for t in gpt_fast()]
    assert min(ratios) == pytest.approx(1.45, abs=0.01) and max(ratios) == pytest.approx(2.36, abs=0.01)
    assert sum(1 - 1 / r for r in ratios) / 8 == pytest.approx(0.42, abs=0.005)
    found = fit_rates(gpt_fast(), costs=("weights", "layers"))
    assert found.weights_gb_per_s == pytest.approx(1506, rel=0.02) and found.layer_us == pytest.approx(61.6, rel=0.05)
    misses = [abs(predict(t.work, found).seconds / t.seconds - 1) for t in gpt_fast()]
    assert sum(misses) / 8 == pytest.approx(0.076, abs=0.004)
    assert found.error > sum(misses) / 8, "a model that was left out is missed by more than one that was not"


def test_data_sheet_shares():
    h20 = accelerators()["NVIDIA H20"]
    rates = data_sheet(h20, bandwidth_share=0.5, flops_share=0.25, layer_us=60)
    assert (rates.weights_gb_per_s, rates.cache_gb_per_s, rates.gflops, rates.layer_us) == (2000, 2000, 37_000, 60)
    with pytest.raises(ValueError, match="RTX 5090 D: fp16_bf16_dense_tflops is not known; give it with"):
        data_sheet(accelerators()["NVIDIA GeForce RTX 5090 D"])


# ------------------------------------------------------------------------------------------------------- this machine


def test_a_step_is_timed_at_its_context_and_batch():
    seen = []

    class Watched(Transformer):
        def forward(self, ids_BT, cache=None, last_only=False):
            seen.append((tuple(ids_BT.shape), cache.length, cache.k.shape[3], float(cache.k.abs().sum()) > 0))
            return super().forward(ids_BT, cache=cache, last_only=last_only)

    seconds = time_decode(Watched(tiny(32, 2)), context=48, batch_size=3, seconds=0.0)
    assert seconds > 0 and len(seen) == 8
    assert set(seen) == {((3, 1), 47, 48, True)}, "each step is the 48th token of three rows"


def test_calibration_gives_rates_for_every_batch_size():
    shapes = {f"{d} x {n}": tiny(d, n) for d, n in ((32, 1), (32, 6), (96, 2))}
    said = []
    rates = calibrate(shapes, batch_sizes=(1, 3), contexts=(8, 64), seconds=0.0, log=said.append)
    assert set(rates) == {1, 3} and len(said) == 3 and said[0].startswith("32 x 1: ")
    assert all(0 < r.layer_us < 1e5 and r.error >= 0 for r in rates.values())
    found = predict_decode(tiny(64, 4), context=32, batch_size=2, rates=rates)
    assert 0 < found.low <= found.seconds <= found.high < 5


def test_kv_bytes_are_those_of_the_cache_that_is_read():
    from racecourse.models.cache import KVCache

    config = tiny(32, 2)
    cache = KVCache(config, 3, 48, dtype=torch.float32)
    assert decode_work(config, context=48, batch_size=3).cache_bytes == cache.n_bytes
    assert kv_bytes_per_token(config, 4) * 3 * 48 == cache.n_bytes


def test_the_rooms_public_names_come_without_torch():
    names = "Chip, accelerators, classify, predict_decode, dies_per_wafer, die_yield, serve"
    code = f"import sys; from racecourse.hardware import {names}; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
