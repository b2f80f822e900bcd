"""Bills rebuilt from their published parts, and others worked by hand."""

import doctest
import importlib

import pytest

from racecourse.hardware import (
    Prices,
    TokenPrices,
    TrainingBill,
    accelerators,
    joules_per_million_tokens,
    model_flops_utilisation,
    owned,
    rented,
    training_gpu_hours,
)
from racecourse.hardware.cost import (
    DEEPSEEK_R1_HOURS,
    DEEPSEEK_V3_HOURS,
    LLAMA_31_405B_HOURS,
    achieved_tflops,
    days,
    margin,
    markup,
    token_revenue,
)
from racecourse.scaling.count import training_flops

V3_FLOPS = training_flops(n_parameters=37e9, n_tokens=14.8e12)
V3 = {"flops": V3_FLOPS, "gpu_hours": 2_664_000}
H800 = accelerators()["NVIDIA H800 SXM5 80GB"]


# --- training


def test_deepseek_v3_s_bill():
    """Table 1 of its report: 5.328 + 0.238 + 0.01 = 5.576 million dollars for 2788 thousand hours."""
    bill = TrainingBill(DEEPSEEK_V3_HOURS, Prices(usd_per_gpu_hour=2))
    assert bill.gpu_hours == 2_788_000
    assert list(bill.parts_usd.values()) == [5_328_000, 238_000, 10_000]
    assert bill.usd == 5_576_000 == TrainingBill(DEEPSEEK_V3_HOURS).usd


def test_deepseek_v3_s_pre_training_by_time():
    """180 thousand hours per trillion tokens; 54.2 days on 2048; 272.8 billion tokens a day (arXiv 2505.09343)."""
    pre_training = DEEPSEEK_V3_HOURS["pre-training"]
    assert pre_training / 14.8 == 180_000
    assert f"{days(gpu_hours=pre_training, n_gpus=2048):.1f}" == "54.2"
    assert 14.8e12 / days(gpu_hours=pre_training, n_gpus=2048) == pytest.approx(272.8e9, rel=2e-3)  # 273.1


def test_r1_s_bill_is_made_of_rounded_hours():
    """512 GPUs x 198 h = 101,376 and x 80 h = 40,960, not 648 GPUs. In thousands: 101 + 5 + 41 = 147, 294 at 2 dollars.

    Without the rounding it is 294,672, which would be published as 295 thousand.
    """
    assert list(DEEPSEEK_R1_HOURS.values()) == [101_376, 5_000, 40_960]
    thousands = {part: round(hours / 1000) for part, hours in DEEPSEEK_R1_HOURS.items()}
    assert TrainingBill(thousands).usd == 294
    exact = TrainingBill(DEEPSEEK_R1_HOURS).usd
    assert exact == 294_672 and round(exact / 1000) != 294
    assert 648 * 198 != DEEPSEEK_R1_HOURS["R1-Zero"]


def test_published_efficiency_of_deepseek_v3():
    """6ND = 3.29e24: 343 TFLOP/s on every GPU, 34.6 % of BF16's peak and 17.3 % of FP8's."""
    assert f"{V3_FLOPS:.2e}" == "3.29e+24"
    assert f"{achieved_tflops(**V3):.0f}" == "343"
    assert f"{model_flops_utilisation(**V3, peak_tflops=H800.fp16_bf16_dense_tflops):.1%}" == "34.6%"
    assert f"{model_flops_utilisation(**V3, peak_tflops=H800.fp8_dense_tflops):.1%}" == "17.3%"


def test_published_efficiency_with_attention():
    """250 GFLOP per token instead of 6N = 222: 3.70e24, 386 TFLOP/s, 39 %. The paper: 385 from its tokens per day."""
    run = {"flops": 250e9 * 14.8e12, "gpu_hours": 2_664_000}
    assert f"{run['flops']:.2e}" == "3.70e+24"
    assert f"{achieved_tflops(**run):.0f}" == "386"
    assert f"{model_flops_utilisation(**run, peak_tflops=989):.0%}" == "39%"
    assert f"{achieved_tflops(flops=250e9 * 272.8e9, gpu_hours=2048 * 24):.0f}" == "385"


def test_llama_405b_was_as_efficient():
    """3.79e25 FLOPs in 30.84 million hours: 341 TFLOP/s. 11.6 times V3's hours for 11.5 times its FLOPs."""
    flops = training_flops(n_parameters=405e9, n_tokens=15.6e12)
    hours = TrainingBill(LLAMA_31_405B_HOURS).gpu_hours
    assert f"{flops:.2e}" == "3.79e+25"
    assert f"{achieved_tflops(flops=flops, gpu_hours=hours):.0f}" == "341"
    assert achieved_tflops(flops=flops, gpu_hours=hours) == pytest.approx(achieved_tflops(**V3), rel=0.01)
    assert f"{405 / 37:.1f}" == "10.9"
    assert hours / V3["gpu_hours"] == pytest.approx(405 / 37 * 15.6 / 14.8, rel=0.01)
    assert TrainingBill(LLAMA_31_405B_HOURS).usd == 61_680_000


def test_hours_and_utilisation_are_inverse():
    mfu = model_flops_utilisation(**V3, peak_tflops=989)
    assert training_gpu_hours(flops=V3_FLOPS, peak_tflops=989, mfu=mfu) == pytest.approx(2_664_000)


def test_hours_by_hand():
    """3.6e18 FLOPs at half of 2 TFLOP/s are 3.6 million seconds."""
    assert training_gpu_hours(flops=3.6e18, peak_tflops=2, mfu=0.5) == pytest.approx(1000)
    assert achieved_tflops(flops=3.6e18, gpu_hours=1000) == pytest.approx(1)
    assert days(gpu_hours=960, n_gpus=8) == 5


def test_a_bill_in_euros_and_as_a_table():
    bill = TrainingBill({"a": 3, "b": 5}, Prices(usd_per_gpu_hour=10, eur_per_usd=0.5, as_of="2024-01-31"))
    assert (bill.gpu_hours, bill.usd, bill.eur, bill.parts_usd) == (8, 80, 40, {"a": 30, "b": 50})
    *rows, total, euros = bill.table().splitlines()
    assert [row.split() for row in rows] == [["a", "3", "h", "30", "USD"], ["b", "5", "h", "50", "USD"]]
    assert total.split() == ["total", "8", "h", "80", "USD"]
    assert euros == "40 EUR at 10.00 USD an hour, prices of 2024-01-31"


# --- serving


def test_a_kilowatt_hour_is_3_6_megajoules():
    """1000 W and 1000 tokens in 3600 s: 3.6 MJ for 3.6 million tokens."""
    assert joules_per_million_tokens(watts=1000, tokens_per_second=1000) == 1e6
    bill = owned(
        tokens_per_second=1000 / 3.6, watts=1000, hardware_usd=1, years=1, prices=Prices(usd_per_kwh=0.3)
    )  # fmt: skip
    assert bill.joules == pytest.approx(3.6e6)  # a million tokens in an hour
    assert bill.electricity_usd == pytest.approx(0.3)


def test_hardware_is_paid_off_while_it_works():
    """8766 hours in a year. 17,532 dollars in 2 years: 1 dollar an hour, 4 if it works a quarter of the time."""
    machine = {"tokens_per_second": 1e6 / 3600, "watts": 500, "hardware_usd": 17_532, "years": 2}
    prices = Prices(usd_per_kwh=0.2, eur_per_usd=0.5)
    always, quarter = owned(**machine, prices=prices), owned(**machine, busy=0.25, prices=prices)
    assert (always.hardware_usd, quarter.hardware_usd) == (pytest.approx(1), pytest.approx(4))
    assert always.electricity_usd == quarter.electricity_usd == pytest.approx(0.1)
    assert always.usd == pytest.approx(1.1) and always.eur == pytest.approx(0.55)


def test_rent_pays_for_electricity():
    bill = rented(
        tokens_per_second=1e6 / 3600, n_gpus=3, watts=2000, prices=Prices(usd_per_gpu_hour=5, eur_per_usd=0.5)
    )
    assert (bill.hardware_usd, bill.electricity_usd) == (pytest.approx(15), 0)
    assert (bill.joules, bill.eur) == (pytest.approx(7.2e6), pytest.approx(7.5))


# --- a day of DeepSeek's service (open-infra-index, day 6, 2025-02-27 to 28)

COST, REVENUE = 87_072, 562_027
NODES = 226.75  # of 8 H800, on average


def test_cost_of_the_day():
    """226.75 x 8 x 24 x 2 = 87,072 dollars. The 227 nodes that people quote would be 87,168."""
    assert TrainingBill({"serving": NODES * 8 * 24}).usd == COST
    assert TrainingBill({"serving": 227 * 8 * 24}).usd == 87_168 != COST


def test_revenue_of_the_day():
    """From tokens rounded to billions: 47,880 + 146,300 + 367,920 = 562,100, 0.013 % above what they published."""
    cached, new, output = 342e9, (608 - 342) * 1e9, 168e9
    assert f"{cached / 608e9:.2%}" == "56.25%"  # published as 56.3, from tokens before rounding
    revenue = token_revenue(cached_input=cached, new_input=new, output=output)
    assert revenue == pytest.approx(562_100)
    assert revenue != pytest.approx(REVENUE, abs=50) and revenue == pytest.approx(REVENUE, rel=2e-4)
    half = TokenPrices(cached_input=0.07, new_input=0.275, output=1.095)
    assert token_revenue(cached_input=cached, new_input=new, output=output, prices=half) == pytest.approx(281_050)
    assert token_revenue(cached_input=0, new_input=0, output=1e6) == 2.19


def test_545_percent_is_a_markup():
    assert f"{markup(revenue=REVENUE, cost=COST):.0%}" == "545%"
    assert f"{margin(revenue=REVENUE, cost=COST):.1%}" == "84.5%"
    assert markup(revenue=562_100, cost=COST) == pytest.approx(5.456, abs=5e-4)  # 546 %: the rounded tokens do not do


def test_output_per_node_is_8575_and_not_14_800():
    """Over all nodes; 14.8 thousand is what a node writes that only decodes. The same for 73.7 thousand read."""
    per_node = 168e9 / 86_400 / NODES
    assert f"{per_node:.0f}" == "8575"
    assert per_node != pytest.approx(14_800, rel=0.4)
    assert 608e9 / 86_400 / NODES != pytest.approx(73_700, rel=0.5)
    bill = rented(tokens_per_second=per_node, n_gpus=8, watts=8 * 700)
    assert bill.usd == pytest.approx(COST / 168_000)  # 0.518 dollars for a million tokens written, reading included


# --- prices


def test_prices_have_a_date_and_can_be_others():
    """1.0411 dollars for a euro on 2025-02-28 (European Central Bank)."""
    assert 1.0411 * Prices().eur_per_usd == pytest.approx(1)
    assert Prices().as_of == TokenPrices().as_of == "2025-02-28"
    assert TrainingBill(DEEPSEEK_V3_HOURS, Prices(usd_per_gpu_hour=3)).usd == 8_364_000


@pytest.mark.parametrize(("make", "says"), [
    (lambda: Prices(usd_per_gpu_hour=0), "usd_per_gpu_hour=0 is not above 0"),
    (lambda: Prices(eur_per_usd=-1), "eur_per_usd=-1"), (lambda: Prices(usd_per_kwh=0), "usd_per_kwh=0"),
    (lambda: Prices(as_of="today"), "as_of='today' is not a date; write 2025-02-28"),
    (lambda: TokenPrices(output=0), "output=0"), (lambda: TokenPrices(as_of="2025"), "as_of='2025'"),
    (lambda: TrainingBill({}), "has no part"), (lambda: TrainingBill({"a": 0}), "a=0 is not above 0"),
    (lambda: training_gpu_hours(flops=1, peak_tflops=1, mfu=40), "mfu=40 is more than all of the peak; 40 % is 0.4"),
    (lambda: training_gpu_hours(flops=0, peak_tflops=1, mfu=0.4), "flops=0"),
    (lambda: model_flops_utilisation(flops=1, gpu_hours=1, peak_tflops=0), "peak_tflops=0"),
    (lambda: achieved_tflops(flops=1, gpu_hours=0), "gpu_hours=0"), (lambda: days(gpu_hours=1, n_gpus=0), "n_gpus=0"),
    (lambda: joules_per_million_tokens(watts=0, tokens_per_second=1), "watts=0"),
    (lambda: rented(tokens_per_second=0, watts=1), "tokens_per_second=0"),
    (lambda: rented(tokens_per_second=1, watts=1, n_gpus=0), "n_gpus=0"),
    (lambda: owned(tokens_per_second=1, watts=1, hardware_usd=1, years=1, busy=25), "busy=25 .* a quarter is 0.25"),
    (lambda: owned(tokens_per_second=1, watts=1, hardware_usd=1, years=0), "years=0"),
    (lambda: token_revenue(cached_input=0, new_input=-1, output=0), "new_input=-1"),
    (lambda: markup(revenue=1, cost=0), "cost=0"), (lambda: margin(revenue=0, cost=1), "revenue=0"),
])  # fmt: skip
def test_what_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_numbers_in_docstrings():
    result = doctest.testmod(importlib.import_module("racecourse.hardware.cost"))
    assert result.attempted >= 9 and not result.failed
