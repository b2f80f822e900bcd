"""Bills for training and for serving, from hours, watts, tokens and prices.

Prices are parameters and have dates. Left out: people, earlier experiments, data, buildings, networks, taxes,
financing, and the electricity of machines that stand idle; cooling is in the watts if you put it there. "GPU hour"
is an hour of whatever accelerator the price is for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from racecourse.hardware.accelerators import check_positive

SECONDS_PER_HOUR = 3600
HOURS_PER_YEAR = 24 * 365.25
JOULES_PER_KWH = 1000 * SECONDS_PER_HOUR
MILLION = 1_000_000


@dataclass(frozen=True)
class Prices:
    """What things cost on a day; give your own, with their day.

    Raises:
        ValueError: a price that is not above 0, or `as_of` is no date.
    """

    usd_per_gpu_hour: float = 2.0  # rent of an H800 as DeepSeek-V3's report assumes it (arXiv 2412.19437, table 1)
    usd_per_kwh: float = 0.13  # a round figure near what commercial customers paid in the US (EIA)
    eur_per_usd: float = 1 / 1.0411  # European Central Bank's reference rate of 2025-02-28
    as_of: str = "2025-02-28"

    def __post_init__(self) -> None:
        _check_prices(self, "usd_per_gpu_hour", "usd_per_kwh", "eur_per_usd")


@dataclass(frozen=True)
class TokenPrices:
    """What a million tokens are sold for, in dollars; the default is DeepSeek-R1's price list of `as_of`.

    Raises:
        ValueError: a price that is not above 0, or `as_of` is no date.
    """

    cached_input: float = 0.14  # input that the provider has seen before
    new_input: float = 0.55
    output: float = 2.19
    as_of: str = "2025-02-28"

    def __post_init__(self) -> None:
        _check_prices(self, "cached_input", "new_input", "output")


def _check_prices(prices: Prices | TokenPrices, *names: str) -> None:
    check_positive(**{name: getattr(prices, name) for name in names})
    try:
        date.fromisoformat(prices.as_of)
    except ValueError:
        raise ValueError(f"as_of={prices.as_of!r} is not a date; write 2025-02-28") from None


# --- training

# GPU hours as published: DeepSeek-V3's report, table 1 (H800; research and ablations before the final run are not in
# it); R1's as the press quotes the paper in Nature, two of them as GPUs x hours (H800); Llama 3.1's model card (H100).
DEEPSEEK_V3_HOURS = MappingProxyType({"pre-training": 2_664_000, "context extension": 119_000, "post-training": 5_000})
DEEPSEEK_R1_HOURS = MappingProxyType({"R1-Zero": 64 * 8 * 198, "data for fine-tuning": 5_000, "R1": 64 * 8 * 80})
LLAMA_31_405B_HOURS = MappingProxyType({"training": 30_840_000})


@dataclass(frozen=True)
class TrainingBill:
    """What the hours of a training run cost to rent, part by part.

    >>> f"{TrainingBill(DEEPSEEK_V3_HOURS).usd:,.0f}"
    '5,576,000'

    Raises:
        ValueError: no part, or hours that are not above 0.
    """

    hours: Mapping[str, float]  # GPU hours by part
    prices: Prices = field(default_factory=Prices)

    def __post_init__(self) -> None:
        if not self.hours:
            raise ValueError('hours={} has no part; give GPU hours by name, such as {"training": 30.84e6}')
        check_positive(**self.hours)

    @property
    def gpu_hours(self) -> float:
        return sum(self.hours.values())

    @property
    def parts_usd(self) -> dict[str, float]:
        return {part: hours * self.prices.usd_per_gpu_hour for part, hours in self.hours.items()}

    @property
    def usd(self) -> float:
        return sum(self.parts_usd.values())

    @property
    def eur(self) -> float:
        return self.usd * self.prices.eur_per_usd

    def table(self) -> str:
        """A plain text table of the parts, and the sums."""
        rows = [f"{part:24} {self.hours[part]:>14,.0f} h {usd:>16,.0f} USD" for part, usd in self.parts_usd.items()]
        rows.append(f"{'total':24} {self.gpu_hours:>14,.0f} h {self.usd:>16,.0f} USD")
        price = f"{self.prices.usd_per_gpu_hour:,.2f} USD an hour, prices of {self.prices.as_of}"
        return "\n".join([*rows, f"{self.eur:,.0f} EUR at {price}"])


def training_gpu_hours(*, flops: float, peak_tflops: float, mfu: float) -> float:
    """GPU hours for so many FLOPs on GPUs of `peak_tflops` that reach the share `mfu` of it.

    `racecourse.scaling.count.training_flops` gives 6 N D. With N the parameters at work on a token:

    >>> hours = training_gpu_hours(flops=6 * 37e9 * 14.8e12, peak_tflops=989, mfu=0.35)
    >>> f"{hours:,.0f}"  # DeepSeek-V3's report: 2,664,000
    '2,636,622'

    Raises:
        ValueError: a number that is not above 0, or an `mfu` above 1.
    """
    check_positive(flops=flops, peak_tflops=peak_tflops, mfu=mfu)
    if mfu > 1:
        raise ValueError(f"mfu={mfu} is more than all of the peak; 40 % is 0.4")
    return flops / (peak_tflops * 1e12 * mfu * SECONDS_PER_HOUR)


def achieved_tflops(*, flops: float, gpu_hours: float) -> float:
    """TFLOP/s of one GPU, on average over the run.

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(flops=flops, gpu_hours=gpu_hours)
    return flops / (gpu_hours * SECONDS_PER_HOUR) / 1e12


def model_flops_utilisation(*, flops: float, gpu_hours: float, peak_tflops: float) -> float:
    """MFU: the share of the GPUs' peak that the model's own FLOPs used (Chowdhery et al. 2022, appendix B).

    The peak is a choice. A run that computes in FP8 has twice the peak of BF16, and half the MFU.

    >>> round(model_flops_utilisation(flops=6 * 37e9 * 14.8e12, gpu_hours=2.664e6, peak_tflops=989), 3)
    0.346

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(peak_tflops=peak_tflops)
    return achieved_tflops(flops=flops, gpu_hours=gpu_hours) / peak_tflops


def days(*, gpu_hours: float, n_gpus: int) -> float:
    """How long GPU hours take when `n_gpus` work at once.

    >>> round(days(gpu_hours=2_664_000, n_gpus=2048), 1)
    54.2

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(gpu_hours=gpu_hours, n_gpus=n_gpus)
    return gpu_hours / n_gpus / 24


# --- serving


def joules_per_million_tokens(*, watts: float, tokens_per_second: float) -> float:
    """Energy of a million tokens. A watt is a joule per second.

    >>> joules_per_million_tokens(watts=700, tokens_per_second=50)  # 14 MJ, near 4 kWh
    14000000.0

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(watts=watts, tokens_per_second=tokens_per_second)
    return watts / tokens_per_second * MILLION


@dataclass(frozen=True)
class ServingBill:
    """What a million tokens cost."""

    joules: float
    electricity_usd: float  # 0 when the rent pays for it
    hardware_usd: float
    prices: Prices

    @property
    def usd(self) -> float:
        return self.electricity_usd + self.hardware_usd

    @property
    def eur(self) -> float:
        return self.usd * self.prices.eur_per_usd


def rented(*, tokens_per_second: float, n_gpus: int = 1, watts: float, prices: Prices | None = None) -> ServingBill:
    """A million tokens on `n_gpus` rented GPUs that write `tokens_per_second` and draw `watts`, all together.

    The rent pays for electricity, so that the joules are told and not billed.

    >>> round(rented(tokens_per_second=1000, n_gpus=8, watts=5600).usd, 2)  # 16 dollars an hour, 3.6 million tokens
    4.44

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(n_gpus=n_gpus)
    prices = prices or Prices()
    joules = joules_per_million_tokens(watts=watts, tokens_per_second=tokens_per_second)
    hours = MILLION / tokens_per_second / SECONDS_PER_HOUR
    return ServingBill(joules, 0.0, hours * n_gpus * prices.usd_per_gpu_hour, prices)


def owned(
    *,
    tokens_per_second: float,
    watts: float,
    hardware_usd: float,
    years: float,
    busy: float = 1.0,
    prices: Prices | None = None,
) -> ServingBill:
    """A million tokens on hardware of your own, which is paid off in `years` of which it works the share `busy`.

    `tokens_per_second` and `watts` are those of all of it, while it works.

    >>> bill = owned(tokens_per_second=30, watts=360, hardware_usd=2000, years=4, busy=0.25)
    >>> round(bill.electricity_usd, 2), round(bill.hardware_usd, 2)  # 3.33 kWh; 9.26 of 8766 hours
    (0.43, 2.11)

    Raises:
        ValueError: a number that is not above 0, or `busy` above 1.
    """
    check_positive(hardware_usd=hardware_usd, years=years, busy=busy)
    if busy > 1:
        raise ValueError(f"busy={busy} is more than all of the time; a quarter is 0.25")
    prices = prices or Prices()
    joules = joules_per_million_tokens(watts=watts, tokens_per_second=tokens_per_second)
    hours = MILLION / tokens_per_second / SECONDS_PER_HOUR
    usd_per_hour = hardware_usd / (years * HOURS_PER_YEAR * busy)
    return ServingBill(joules, joules / JOULES_PER_KWH * prices.usd_per_kwh, hours * usd_per_hour, prices)


def token_revenue(*, cached_input: float, new_input: float, output: float, prices: TokenPrices | None = None) -> float:
    """Dollars for so many tokens of each kind; `new_input` without those that were cached.

    >>> round(token_revenue(cached_input=342e9, new_input=266e9, output=168e9))  # a day of DeepSeek's
    562100

    Raises:
        ValueError: a number below 0.
    """
    prices = prices or TokenPrices()
    tokens = {"cached_input": cached_input, "new_input": new_input, "output": output}
    for name, n in tokens.items():
        if not 0 <= n < math.inf:
            raise ValueError(f"{name}={n!r} is not a number of tokens; 0 is the least")
    return sum(n / MILLION * getattr(prices, name) for name, n in tokens.items())


def markup(*, revenue: float, cost: float) -> float:
    """Profit over cost: 5.45 is the 545 % that DeepSeek calls its cost profit margin.

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(revenue=revenue, cost=cost)
    return (revenue - cost) / cost


def margin(*, revenue: float, cost: float) -> float:
    """Profit over revenue, which is below 1 whatever the price: a markup of 5.45 is a margin of 0.845.

    Raises:
        ValueError: a number that is not above 0.
    """
    check_positive(revenue=revenue, cost=cost)
    return (revenue - cost) / revenue
