"""Memory to write and to train, against published figures and a real cache."""

import pytest

from racecourse.hardware.memory import activation_bytes, inference_memory, longest_context, training_memory
from racecourse.learn.fits import known_configs
from racecourse.models import Transformer
from racecourse.models.cache import KVCache
from racecourse.models.quantise import quantise, weight_bytes
from racecourse.scaling import count_parameters

CONFIGS = known_configs()


def test_qwq_and_r1_as_published():
    """65,527,752,704 bytes of bf16 weights; 262,144 and 70,272 bytes of cache a token; 8.59 and 2.30 GB at 32K."""
    qwq = inference_memory(CONFIGS["QwQ-32B"], context=32_768)
    assert qwq.weights == 65_527_752_704 and qwq.cache == 32_768 * 262_144
    assert qwq.cache / 1e9 == pytest.approx(8.59, abs=0.005) and qwq.total == qwq.weights + qwq.cache
    r1 = inference_memory(CONFIGS["DeepSeek-R1"], context=32_768, bits_per_weight=8)
    assert r1.cache == 32_768 * 70_272 and r1.cache / 1e9 == pytest.approx(2.30, abs=0.005)
    assert r1.weights == count_parameters(CONFIGS["DeepSeek-R1"]).total


def test_batches_multiply_the_cache_and_not_the_weights():
    one, many = (inference_memory(CONFIGS["QwQ-32B"], context=1000, batch_size=n) for n in (1, 7))
    assert many.weights == one.weights and many.cache == 7 * one.cache
    cache = KVCache(CONFIGS["SmolLM2-135M"], 3, 10)
    assert inference_memory(CONFIGS["SmolLM2-135M"], context=10, batch_size=3, bytes_per_value=4).cache == cache.n_bytes


def test_the_longest_context_fits_and_one_token_more_does_not():
    config = CONFIGS["QwQ-32B"]
    for batch_size in (1, 5):
        longest = longest_context(config, memory_gb=80, batch_size=batch_size)
        held = [inference_memory(config, context=longest + n, batch_size=batch_size).total for n in (0, 1)]
        assert held[0] <= 80e9 < held[1]
    assert longest_context(config, memory_gb=64) == 0


def test_four_bits_are_five_with_their_scales():
    """Two bfloat16 numbers for 32 weights: 4 + 32 / 32 bits."""
    config = CONFIGS["SmolLM2-135M"]
    small = type(config)(**{**config.__dict__, "vocab_size": 64, "n_layers": 1, "tie_embeddings": False})
    model = quantise(Transformer(small).eval().requires_grad_(False), bits=4)
    n = count_parameters(small)
    matrices = n.total - n.norms - n.input_embedding
    assert weight_bytes(model) == matrices * 5 / 8 + 4 * (n.norms + n.input_embedding)


@pytest.mark.parametrize(
    ("billions", "gb", "gb_float32_gradients"), [(7, 112, 140), (70, 1120, 1400), (405, 6480, 8100)]
)
def test_training_takes_sixteen_or_twenty_bytes_a_parameter(billions, gb, gb_float32_gradients):
    n = billions * 10**9
    assert training_memory(n).total == gb * 10**9
    assert training_memory(n, gradient_bytes=6).total == gb_float32_gradients * 10**9
    assert training_memory(n, activations=5).total == gb * 10**9 + 5


def test_activations_of_llama_8bs_shape():
    """Facts: 104 GB at 4,096 tokens. The share of attention's weights grows with the length."""
    shape = {"n_layers": 32, "d_model": 4096, "n_heads": 32}
    at_4k = activation_bytes(**shape, n_tokens=4096)
    assert at_4k / 1e9 == pytest.approx(104, abs=0.5)
    assert activation_bytes(**shape, n_tokens=4096, batch_size=3) == 3 * at_4k
    assert activation_bytes(**shape, n_tokens=8192) > 3.5 * at_4k


@pytest.mark.parametrize("wrong", [{"context": 0}, {"batch_size": 0}, {"bits_per_weight": 0}])
def test_nothing_of_nothing_is_refused(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"{name}=0 is not above 0"):
        inference_memory(CONFIGS["QwQ-32B"], **{"context": 1, **wrong})
