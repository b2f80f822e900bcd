"""Serving estimates: every term by hand, what a batch may be, and DeepSeek's own service as witness."""

from dataclasses import replace

import pytest

from racecourse.hardware import Prices, accelerators, redesign
from racecourse.hardware.serving import (
    Assumptions,
    bytes_sent,
    fullest,
    memory_per_chip,
    replicated,
    serve,
    ways_to_serve,
)
from racecourse.learn.fits import known_configs
from racecourse.scaling import count_parameters

CONFIGS, CHIPS = known_configs(), accelerators()
QWQ, R1 = CONFIGS["QwQ-32B"], CONFIGS["DeepSeek-R1"]
H800, H20, H200 = CHIPS["NVIDIA H800 SXM5 80GB"], CHIPS["NVIDIA H20"], CHIPS["NVIDIA H200 SXM 141GB"]


def test_a_dense_model_is_split_and_a_mixture_keeps_all_but_its_experts():
    assert replicated(QWQ) == 0
    n = count_parameters(R1)
    assert replicated(R1) == n.total - n.routed_experts == pytest.approx(17.2e9, rel=0.02)
    assume = Assumptions(context=1000)
    held = memory_per_chip(QWQ, n_chips=4, batch_size=8, bits_per_weight=16, assume=assume)
    assert held == (65_527_752_704 + 8 * 1000 * 262_144) / 4
    held = memory_per_chip(R1, n_chips=4, batch_size=8, bits_per_weight=8, assume=assume)
    assert held == replicated(R1) + n.routed_experts / 4 + 8 * 1000 * 70_272 / 4


def test_bytes_sent_by_hand():
    """QwQ: 64 layers, 2 all-reduces of 8 rows x 5120 x 2 bytes, 2 x 3/4 of them each. R1: 58 layers, a chip's 2 rows to
    8 experts at 1 byte and back at 2, three of four of them elsewhere."""
    assert bytes_sent(QWQ, n_chips=4, batch_size=8) == 64 * 2 * (2 * 3 / 4) * (8 * 5120 * 2)
    assert bytes_sent(R1, n_chips=4, batch_size=8) == pytest.approx(58 * (3 / 4) * 2 * 8 * 7168 * (1 + 2))


def test_isca_paper_layer_time_of_expert_parallelism():
    """ISCA'25, 2.3.2: 32 tokens, 9 experts, 7,000 wide, 3 bytes, 50 GB/s: 120.96 us, twice a layer; 14.76 ms for 61."""
    layer = 3 * 32 * 9 * 7000 / 50e9
    assert layer == pytest.approx(120.96e-6) and 61 * 2 * layer == pytest.approx(14.76e-3, rel=1e-3)
    moe = replace(R1, moe=replace(R1.moe, top_k=9, n_groups=1, top_k_groups=1), d_model=7000)
    n_chips = 10_000  # so that hardly anything stays at home
    ours = bytes_sent(moe, n_chips=n_chips, batch_size=32 * n_chips) / len(R1.moe.layers) / 50e9
    assert ours == pytest.approx(layer, rel=1e-3)


def test_one_step_by_hand():
    """QwQ in bf16 on 2 H800, 10 conversations: every term from the table's figures."""
    assume = Assumptions(
        context=1000, bandwidth_share=0.5, flops_share=0.25, layer_us=100, link_share=1.0, exchange_us=0.0
    )
    found = serve("QwQ", QWQ, H800, n_chips=2, batch_size=10, assume=assume)
    read = (32_763_876_352 - 152_064 * 5120) * 2 / 2
    assert found.parts["weights"] == pytest.approx(read / (3350e9 * 0.5))
    assert found.parts["cache"] == pytest.approx(10 * 1000 * 262_144 / 2 / (3350e9 * 0.5))
    assert found.parts["layers"] == pytest.approx(64e-4)
    assert found.parts["sending"] == pytest.approx(64 * 2 * 1 * 10 * 5120 * 2 / 200e9)  # 400 GB/s both ways
    assert found.parts["arithmetic"] == pytest.approx(10 / 2 * 2 * 32e9 / (989e12 * 0.25), rel=0.05)
    assert found.step_s == pytest.approx(sum(found.parts.values()))
    assert found.tokens_per_s_user == pytest.approx(1 / found.step_s)
    assert found.tokens_per_s == pytest.approx(10 / found.step_s)
    assert found.joules == pytest.approx(2 * 700 * 0.7 * 1e6 / found.tokens_per_s)
    hours = 1e6 / found.tokens_per_s / 3600
    assert found.eur == pytest.approx(hours * 2 * 2.0 / 1.0411)


def test_money_and_energy_follow_the_assumptions():
    base = serve("QwQ", QWQ, H800, n_chips=2, batch_size=10)
    dear = Assumptions(prices=Prices(usd_per_gpu_hour=6.0), power_share=0.35)
    other = serve("QwQ", QWQ, H800, n_chips=2, batch_size=10, assume=dear)
    assert other.eur == pytest.approx(3 * base.eur) and other.joules == pytest.approx(base.joules / 2)
    assert other.step_s == base.step_s


def test_sending_over_nodes_is_the_networks_and_may_be_hidden():
    at_once = Assumptions(exchange_us=0.0)
    near, far = (
        serve("R1", R1, H200, n_chips=n, batch_size=16, bits_per_weight=8, assume=at_once) for n in (8, 16)
    )  # half of the rows at each chip, 15 of 16 experts elsewhere and not 7 of 8, 50 GB/s and not 450
    assert far.parts["sending"] == pytest.approx(near.parts["sending"] / 2 * (15 / 16) / (7 / 8) * 450 / 50)
    hidden = replace(at_once, hidden_share=1.0)
    assert serve("R1", R1, H200, n_chips=16, batch_size=16, bits_per_weight=8, assume=hidden).parts["sending"] == 0
    assert serve("QwQ", QWQ, H20, n_chips=1, batch_size=1).parts["sending"] == 0
    near = serve("QwQ", QWQ, H800, n_chips=8, batch_size=8, assume=at_once)
    slow_link = redesign(H800, name="PCIe", interconnect_gbs_bidir=64)
    slow = serve("QwQ", QWQ, slow_link, n_chips=8, batch_size=8, assume=at_once)
    assert slow.parts["sending"] == pytest.approx(near.parts["sending"] * 400 / 64)


def test_what_does_not_fit_is_refused_with_both_figures():
    with pytest.raises(ValueError, match=r"QwQ: 66\.8 GB a chip do not fit the 64\.8 GB of 1 x small"):
        serve("QwQ", QWQ, redesign(H20, name="small", mem_gb=72), n_chips=1, batch_size=1)
    for attempt in (lambda **a: serve(batch_size=1, **a), fullest):
        with pytest.raises(ValueError, match="Google TPU v5e: tdp_w is not known"):
            attempt(name="QwQ", config=QWQ, chip=CHIPS["Google TPU v5e"], n_chips=8)
    with pytest.raises(ValueError, match=r"Apple M4.*: interconnect_gbs_bidir is not known"):
        fullest("QwQ", QWQ, redesign(CHIPS["Apple M4 (10-core GPU)"], name="Apple M4", mem_gb=99, tdp_w=20), n_chips=2)


def test_the_fullest_batch_is_the_largest_that_is_allowed():
    for n_chips in (1, 4):
        found = fullest("QwQ", QWQ, H20, n_chips=n_chips)
        assert found is not None and found.tokens_per_s_user >= 20
        try:
            more = serve("QwQ", QWQ, H20, n_chips=n_chips, batch_size=found.batch_size + 1)
            assert more.tokens_per_s_user < 20
        except ValueError as error:
            assert "do not fit" in str(error)
    assert fullest("R1", R1, H800, n_chips=8, bits_per_weight=8) is None  # 671 GB on 640
    assert fullest("QwQ", QWQ, H20, n_chips=1, assume=Assumptions(tokens_per_s=60)) is None  # 51 is data-sheet's most


def test_weights_in_fp8_are_multiplied_twice_as_fast_and_attention_is_not():
    """On the H20: 296 and 148 TFLOP/s. Twice the matrices, 2 FLOP each, for 4 rows; the rest stays at 148."""
    sixteen, eight = (serve("QwQ", QWQ, H20, n_chips=2, batch_size=4, bits_per_weight=bits) for bits in (16, 8))
    products = 4 * 2 * (count_parameters(QWQ).total - 152_064 * 5120 - 129 * 5120 - 64 * (5120 + 2 * 1024)) / 2
    saved = products / (0.4 * 148e12) - products / (0.4 * 296e12)
    assert sixteen.parts["arithmetic"] - eight.parts["arithmetic"] == pytest.approx(saved)
    a100 = CHIPS["NVIDIA A100 SXM4 80GB"]  # has no FP8
    sixteen, eight = (serve("QwQ", QWQ, a100, n_chips=2, batch_size=4, bits_per_weight=bits) for bits in (16, 8))
    assert sixteen.parts["arithmetic"] == eight.parts["arithmetic"]


def test_a_dense_model_stays_in_one_node():
    with pytest.raises(ValueError, match="split over one node at most, not over 16 chips; run copies"):
        serve("QwQ", QWQ, H200, n_chips=16, batch_size=1)
    assert [way.n_chips for way in ways_to_serve("QwQ", QWQ, H200)] == [1, 2, 4, 8]


@pytest.mark.parametrize(("chip", "n_chips"), [
    ("NVIDIA H200 SXM 141GB", 8), ("AMD Instinct MI300X", 8), ("NVIDIA H100 SXM5 80GB", 16),
    ("NVIDIA H800 SXM5 80GB", 16), ("NVIDIA H20", 16), ("NVIDIA A100 SXM4 80GB", 16),
])  # fmt: skip
def test_r1_takes_the_chips_that_sglang_recommends(chip, n_chips):
    """docs.sglang.io, DeepSeek usage: FP8 on 8 H200, 8 MI300X, 2 x 8 H100, H800 or H20; INT8 on 16 A100."""
    assert ways_to_serve("R1", R1, CHIPS[chip], bits_per_weight=8)[0].n_chips == n_chips


def test_ways_are_powers_of_two_that_work():
    found = ways_to_serve("R1", R1, H800, bits_per_weight=8, most_chips=40)
    assert [way.n_chips for way in found] == [16, 32]
    alone = redesign(H20, name="alone", interconnect_gbs_bidir=None)
    assert [way.n_chips for way in ways_to_serve("QwQ", QWQ, alone)] == [1]


def test_deepseeks_own_service():
    """open-infra-index, day 6: decoding on 18 nodes of 8 H800, FP8, mean context 4,989, 20 to 22 tokens/s for a user:
    14.8 thousand tokens/s for a node, their sending hidden. These three are theirs, the rest assumed; within 15 %."""
    assume = Assumptions(context=4989, tokens_per_s=21, hidden_share=1.0)
    found = fullest("R1", R1, H800, n_chips=144, bits_per_weight=8, assume=assume)
    assert found.tokens_per_s / 18 == pytest.approx(14_800, rel=0.15)
    in_the_open = fullest("R1", R1, H800, n_chips=144, bits_per_weight=8, assume=replace(assume, hidden_share=0.0))
    assert in_the_open.tokens_per_s / 18 < 0.7 * 14_800, "with the sending in the open it would be far off"
