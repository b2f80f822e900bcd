"""Dies, yields and their costs: against published figures, against wafers thrown at random, and against plain loops."""

import doctest
import importlib
import math

import numpy as np
import pytest

from racecourse.hardware import cost_per_good_die, defects_for_yield, die_yield, dies_per_wafer, throw_defects
from racecourse.hardware.wafer import WAFER_USD_2020, YIELDS

H100 = {"die_area_mm2": 814, "defects_per_cm2": 0.1}  # 0.814 defects on a die

# The same models as mixtures: the density d of defects varies like this, around 1; the yield is the mean of exp(-x d).
MIXTURES = {
    "murphy": lambda d: np.where(d < 1, d, np.maximum(2 - d, 0)),  # triangle from 0 to 2
    "rectangular": lambda d: np.where(d < 2, 0.5, 0),
    "seeds": lambda d: np.exp(-d),
    "negative-binomial": lambda d: 2.5**2.5 * d**1.5 * np.exp(-2.5 * d) / math.gamma(2.5),  # gamma with shape 2.5
}


# --- dies


def test_dies_by_hand():
    """pi 150^2 / 814 = 86.84, minus pi 300 / sqrt(1628) = 23.36. A 200 mm wafer and 100 mm2: 314.16 - 44.43."""
    assert dies_per_wafer(die_area_mm2=814, wafer_diameter_mm=300) == dies_per_wafer(814)
    assert dies_per_wafer(814) == pytest.approx(86.84 - 23.36, abs=0.01)
    assert dies_per_wafer(100, wafer_diameter_mm=200) == pytest.approx(314.16 - 44.43, abs=0.01)


@pytest.mark.parametrize(("area", "tolerance"), [(9, 0.005), (50, 0.02), (200, 0.05), (814, 0.10)])
def test_dies_by_counting_squares(area, tolerance):
    """A plain loop, with a corner at the centre. The formula is good for small dies and 7 % off for the largest."""
    side = math.sqrt(area)
    steps = range(-int(150 / side) - 1, int(150 / side) + 1)
    count = sum(
        all(math.hypot((i + a) * side, (j + b) * side) <= 150 for a in (0, 1) for b in (0, 1))
        for i in steps
        for j in steps
    )
    assert dies_per_wafer(area) == pytest.approx(count, rel=tolerance)


@pytest.mark.parametrize(("area", "diameter", "says"), [
    (0, 300, "die_area_mm2=0 is not above 0"), (814, -300, "wafer_diameter_mm=-300"), (math.nan, 300, "nan"),
    (11_251, 300, "too large for the formula; stay below 11250 mm2"),
])  # fmt: skip
def test_dies_that_are_refused(area, diameter, says):
    with pytest.raises(ValueError, match=says):
        dies_per_wafer(area, wafer_diameter_mm=diameter)


def test_the_largest_die_of_the_formula_is_where_the_message_says():
    assert dies_per_wafer(11_249) > 0


# --- yields


@pytest.mark.parametrize(("model", "published"), [
    ({"model": "poisson"}, "0.443"), ({"model": "murphy"}, "0.468"), ({"model": "rectangular"}, "0.494"),
    ({"model": "seeds"}, "0.551"), ({"model": "negative-binomial", "alpha": 2}, "0.505"),
    ({"model": "negative-binomial", "alpha": 3}, "0.487"), ({"model": "bose-einstein", "n_layers": 15}, "0.453"),
])  # fmt: skip
def test_published_yields_of_an_h100(model, published):
    assert f"{die_yield(**H100, **model):.3f}" == published


@pytest.mark.parametrize("x", [0.01, 0.3, 0.814, 2.0, 5.0])
@pytest.mark.parametrize("model", MIXTURES)
def test_yields_are_mixtures_of_poisson_s(model, x):
    """By adding up 400,000 thin slices of the density's distribution."""
    d = (np.arange(400_000) + 0.5) * 1e-4
    mean = np.sum(MIXTURES[model](d) * np.exp(-x * d)) * 1e-4
    assert die_yield(die_area_mm2=100, defects_per_cm2=x, model=model, alpha=2.5) == pytest.approx(mean, abs=1e-6)


def test_bose_einstein_is_a_chain_of_layers():
    """A die works when each of 15 layers does, with a 15th of the defects on each."""
    layer = die_yield(die_area_mm2=814, defects_per_cm2=0.1 / 15, model="seeds")
    assert die_yield(**H100, model="bose-einstein", n_layers=15) == pytest.approx(layer**15)
    assert layer < 1


def test_limits_of_the_models():
    poisson, seeds = die_yield(**H100), die_yield(**H100, model="seeds")
    assert die_yield(**H100, model="negative-binomial", alpha=1e9) == pytest.approx(poisson, abs=1e-7)
    assert die_yield(**H100, model="negative-binomial", alpha=1) == seeds
    assert die_yield(**H100, model="bose-einstein", n_layers=10**9) == pytest.approx(poisson, abs=1e-7)
    assert die_yield(**H100, model="bose-einstein", n_layers=1) == seeds


@pytest.mark.parametrize("model", YIELDS)
def test_few_defects_are_alike_in_every_model(model):
    """1 - x for small x, and all dies without defects."""
    assert die_yield(die_area_mm2=814, defects_per_cm2=0, model=model) == 1
    assert 1 - die_yield(die_area_mm2=100, defects_per_cm2=1e-9, model=model) == pytest.approx(1e-9, rel=1e-5)


def test_area_is_in_mm2_and_defects_are_per_cm2():
    assert die_yield(die_area_mm2=100, defects_per_cm2=1) == pytest.approx(1 / math.e)


@pytest.mark.parametrize(("change", "says"), [
    ({"model": "Poisson"}, "model='Poisson' is not known; there are poisson, murphy"),
    ({"defects_per_cm2": -0.1}, "defects_per_cm2=-0.1 is below 0"), ({"die_area_mm2": 0}, "die_area_mm2=0"),
    ({"model": "negative-binomial", "alpha": 0}, "alpha=0 is not above 0"),
    ({"model": "bose-einstein", "n_layers": 0}, "n_layers=0 is not above 0"),
])  # fmt: skip
def test_yields_that_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        die_yield(**{**H100, **change})


# --- the inverse


def test_what_reported_yields_of_the_ascend_910_imply():
    """665 mm2, an area of low confidence: -ln 0.4 / 6.65 = 0.138 and -ln 0.2 / 6.65 = 0.242 per cm2."""
    assert f"{defects_for_yield(die_area_mm2=665, target_yield=0.4):.3f}" == "0.138"
    assert f"{defects_for_yield(die_area_mm2=665, target_yield=0.2):.3f}" == "0.242"


@pytest.mark.parametrize("y", [0.999, 0.5, 0.03])
@pytest.mark.parametrize(("options", "closed_form"), [
    ({"model": "poisson"}, lambda y: -math.log(y)),
    ({"model": "seeds"}, lambda y: 1 / y - 1),
    ({"model": "negative-binomial", "alpha": 3}, lambda y: 3 * (y ** (-1 / 3) - 1)),
    ({"model": "bose-einstein", "n_layers": 4}, lambda y: 4 * (y ** (-1 / 4) - 1)),
])  # fmt: skip
def test_the_inverse_in_closed_form(options, closed_form, y):
    found = defects_for_yield(die_area_mm2=250, target_yield=y, **options)
    assert found == pytest.approx(closed_form(y) / 2.5, rel=1e-9)


@pytest.mark.parametrize("model", YIELDS)
def test_the_inverse_undoes_the_yield(model):
    found = defects_for_yield(die_area_mm2=814, target_yield=die_yield(**H100, model=model), model=model)
    assert found == pytest.approx(0.1, rel=1e-9)
    assert defects_for_yield(die_area_mm2=814, target_yield=1, model=model) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("y", [0, 1.01, 40])
def test_yields_that_have_no_inverse(y):
    with pytest.raises(ValueError, match=f"target_yield={y} is not above 0 and up to 1; 40 % is 0.4"):
        defects_for_yield(die_area_mm2=814, target_yield=y)


# --- costs


@pytest.mark.parametrize(
    ("defects", "good", "usd"), [(0.05, "42.3", "402"), (0.10, "28.1", "604"), (0.15, "18.7", "907")]
)
def test_published_cost_of_a_die_of_an_h100_s_size(defects, good, usd):
    """Of a 5 nm wafer at CSET's 16,988 dollars of 2020."""
    sizes = {"die_area_mm2": 814, "defects_per_cm2": defects}
    assert f"{dies_per_wafer(814) * die_yield(**sizes):.1f}" == good
    assert f"{cost_per_good_die(wafer_usd=WAFER_USD_2020['5nm'], **sizes):.0f}" == usd


def test_costs_by_hand():
    """100 mm2, 1 defect per cm2, Seeds: half of the 269.73 dies of a 200 mm wafer work."""
    cost = cost_per_good_die(
        wafer_usd=1000, die_area_mm2=100, defects_per_cm2=1, wafer_diameter_mm=200, model="seeds"
    )  # fmt: skip
    assert cost == pytest.approx(1000 / (269.73 / 2), rel=1e-4)
    assert cost_per_good_die(wafer_usd=1000, **H100, model="negative-binomial", alpha=3) == pytest.approx(
        1000 / (63.48 * 0.4867), rel=1e-3
    )
    with pytest.raises(ValueError, match="wafer_usd=0"):
        cost_per_good_die(wafer_usd=0, **H100)


def test_what_a_third_of_the_yield_costs():
    """As i2hard reports of SMIC's 5 nm: a wafer for half as much again, a third of the yield. A die costs 4.5 times."""
    fewer = defects_for_yield(die_area_mm2=814, target_yield=die_yield(**H100) / 3)
    dear = cost_per_good_die(wafer_usd=1.5 * 16_988, die_area_mm2=814, defects_per_cm2=fewer)
    assert dear / cost_per_good_die(wafer_usd=16_988, **H100) == pytest.approx(4.5, rel=1e-6)


# --- wafers thrown at random


@pytest.fixture(scope="module")
def uniform():
    return throw_defects(**H100, wafer_diameter_mm=4500, seed=1)  # one giant wafer instead of many


@pytest.fixture(scope="module")
def clustered():
    return throw_defects(**H100, alpha=2, wafer_diameter_mm=4500, seed=2)


def away(wafer, model, **options):
    """How many standard errors a wafer's yield is from a formula's."""
    y = die_yield(**H100, model=model, **options)
    return abs(wafer.good_share - y) / math.sqrt(y * (1 - y) / len(wafer.dies))


def test_uniform_defects_give_poisson_s_yield_and_no_other(uniform):
    """19,000 dies: a standard error of 0.0036. Murphy's is 0.025 away; Bose-Einstein's, 0.010, is too near to tell."""
    assert len(uniform.dies) > 19_000
    assert away(uniform, "poisson") < 2.5
    assert away(uniform, "seeds") > 25 and away(uniform, "negative-binomial", alpha=2) > 15
    assert away(uniform, "murphy") > 4 and away(uniform, "rectangular") > 10


def test_clustered_defects_give_the_negative_binomial_yield(clustered):
    assert away(clustered, "negative-binomial", alpha=2) < 2.5
    assert away(clustered, "poisson") > 15 and away(clustered, "seeds") > 8
    assert away(clustered, "negative-binomial", alpha=3) > 4


def test_clusters_of_shape_1_give_seeds_yield():
    wafer = throw_defects(**H100, alpha=1, wafer_diameter_mm=4500, seed=3)
    assert away(wafer, "seeds") < 2.5
    assert away(wafer, "poisson") > 25 and away(wafer, "negative-binomial", alpha=2) > 8


def test_clusters_move_defects_and_add_none(uniform, clustered):
    """0.1 per cm2 of the disc: 15,904 defects, with the root of that as standard error; 1.2 times it with clusters."""
    expected = 0.1 * math.pi * 225**2
    for wafer in (uniform, clustered):
        assert len(wafer.defects) == pytest.approx(expected, abs=3 * 1.2 * math.sqrt(expected))


def test_uniform_defects_are_uniform(uniform):
    """A quarter of them in the inner half of the radius, as many left as right, and as many in each half of a die."""
    xy = np.array(uniform.defects)
    n = len(xy)
    assert np.mean(np.hypot(*xy.T) < 1125) == pytest.approx(1 / 4, abs=3 * math.sqrt(3 / 16 / n))
    left, bottom, side, _ = uniform.dies[0]
    in_die = (xy - (left, bottom)) / side % 1
    for half in (xy[:, 0] < 0, xy[:, 1] < 0, in_die[:, 0] < 0.5, in_die[:, 1] < 0.5):
        assert np.mean(half) == pytest.approx(1 / 2, abs=3 / 2 / math.sqrt(n))


def test_fewer_defects_on_small_dies():
    wafer = throw_defects(die_area_mm2=100, defects_per_cm2=0.5, wafer_diameter_mm=1500, seed=4)
    error = math.sqrt(0.6065 * 0.3935 / len(wafer.dies))
    assert wafer.good_share == pytest.approx(math.exp(-0.5), abs=3 * error)


@pytest.mark.parametrize("alpha", [None, 0.5])
@pytest.mark.parametrize("area", [814, 90])
def test_every_die_s_defects_are_those_in_its_square(area, alpha):
    """A plain loop over all dies and defects; whole dies, on the wafer, none on another."""
    wafer = throw_defects(die_area_mm2=area, defects_per_cm2=0.3, alpha=alpha, seed=5)
    assert all(math.hypot(x, y) <= 150 for x, y in wafer.defects) and wafer.diameter_mm == 300
    for left, bottom, side, n_defects in wafer.dies:
        inside = sum(left <= x < left + side and bottom <= y < bottom + side for x, y in wafer.defects)
        assert inside == n_defects
        assert side == pytest.approx(math.sqrt(area))
        assert all(math.hypot(left + a * side, bottom + b * side) <= 150 for a in (0, 1) for b in (0, 1))
    places = {(round(die.left_mm / die.side_mm * 2), round(die.bottom_mm / die.side_mm * 2)) for die in wafer.dies}
    assert len(places) == len(wafer.dies)
    assert all((a - b) % 2 == 0 for a, _ in places for b, _ in places)  # whole sides apart
    assert [die.good for die in wafer.dies] == [die.n_defects == 0 for die in wafer.dies]
    assert wafer.n_good == sum(die.good for die in wafer.dies)
    assert 0 < wafer.n_good < len(wafer.dies) and wafer.good_share == wafer.n_good / len(wafer.dies)
    assert sum(die.n_defects for die in wafer.dies) < len(wafer.defects)  # some hit the edge


def test_the_grid_is_put_where_most_dies_fit():
    """69 with a die in the middle, 68 with a corner there; 9 % more than the formula's 63.5."""
    assert len(throw_defects(**H100).dies) == 69


def test_a_wafer_without_defects_is_all_good():
    wafer = throw_defects(die_area_mm2=814, defects_per_cm2=0)
    assert wafer.defects == () and wafer.good_share == 1


def test_the_seed_decides():
    assert throw_defects(**H100, seed=1) == throw_defects(**H100, seed=1) != throw_defects(**H100, seed=2)


@pytest.mark.parametrize(("change", "says"), [
    ({"die_area_mm2": 50_000}, "no die of 223.6 x 223.6 mm fits on a wafer of 300 mm"),
    ({"defects_per_cm2": -1}, "defects_per_cm2=-1"), ({"alpha": 0}, "alpha=0"),
])  # fmt: skip
def test_wafers_that_are_refused(change, says):
    with pytest.raises(ValueError, match=says):
        throw_defects(**{**H100, **change})


def test_numbers_in_docstrings():
    result = doctest.testmod(importlib.import_module("racecourse.hardware.wafer"))
    assert result.attempted >= 4 and not result.failed
