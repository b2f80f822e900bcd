"""Wrong answers to the sets 06 and 07 in versions that a class draws: they lose points there too, and hear why.

The banks of these two sets follow a version's parameters, so each of their mistakes is made in any version.
Left out: the other sets, whose banks are of the public version.
"""

from functools import cache
from typing import Any

import pytest

from conftest import ROOT
from racecourse.grading import variants
from wrong_answers import Assignment

SETS = ("06_hardware", "07_chips_and_rules")
N_DRAWN = 3

# A mistake is right where the version asks for just that.
RIGHT_WHERE: dict[str, tuple[str, Any]] = {
    "strictly_longer": ("TURNS", "longer"), "not_causal": ("COMPARED", "all"), "hours_for_days": ("SPAN", "hours"),
    "a_quarter_for_two_of_four": ("SPARSE_TIMES", 4), "fewest_parts": ("SMALLER", "number"),
    "units_win_a_tie": ("TIE", "units"),
}  # fmt: skip
# Mistakes whose message names a number or a word of the version.
OTHER_WORDS = {
    "rule_of_thumb", "weights_as_bytes", "rounds", "codes_as_int32", "codes_without_zero_point",
    "codes_that_are_not_kept_in_range", "range_kept_after_the_product", "zero_point_below_zero", "busy_shares",
    "idle_between_first_and_last", "idle_seconds", "gap_between_groups", "mean_gap", "hours_for_days", "without_itself",
    "attention_of_one_flop", "gib_per_s", "means", "total_bytes_over_total_time", "takes_sparse_rates",
    "a_quarter_for_two_of_four", "the_larger_share", "always_units", "units_win_a_tie", "fewest_parts",
    "forgets_the_lost",
}  # fmt: skip


@cache
def drawn(name: str, student: int) -> Assignment:
    parameters = variants.parameters_of(ROOT / f"sources/exercises/{name}.py")
    return Assignment(name, variants.draw_values(parameters, b"a class", name, f"student-{student}"))


@pytest.mark.parametrize("student", range(N_DRAWN))
@pytest.mark.parametrize("name", SETS)
def test_wrong_answers_lose_points_in_a_drawn_set_and_hear_why(name: str, student: int) -> None:
    found, problems = drawn(name, student), []
    values = variants.values_of(found.solution)
    for entry in found.bank():
        mistake = entry.answer.__name__
        parameter, value = RIGHT_WHERE.get(mistake, ("", None))
        outcomes = found.outcomes(found.exercise(entry.grade_id), {found.target(entry): entry.answer})
        heard = [outcome.message for outcome in outcomes if outcome.error == "AssertionError" and not outcome.is_hidden]
        if not any(outcome.error for outcome in outcomes):
            if not parameter or values[parameter] != value:
                problems.append(f"{mistake} earns all points")
        elif entry.hidden:
            problems += [f"{mistake} fails the visible check: {message}" for message in heard]
        elif not heard or not (mistake in OTHER_WORDS or any(entry.says in message for message in heard)):
            problems.append(f"{mistake} hears {heard}, not {entry.says!r}")
    assert not problems, f"{values}:\n" + "\n".join(problems)


@pytest.mark.parametrize("name", SETS)
def test_what_is_right_in_another_version_is_a_mistake_in_the_public_one(name: str) -> None:
    """The list of exceptions holds no mistake that is right everywhere, and no name that is gone."""
    parameters = variants.parameters_of(ROOT / f"sources/exercises/{name}.py")
    mistakes = {entry.answer.__name__ for one in SETS for entry in drawn(one, 0).bank()}
    assert set(RIGHT_WHERE) | OTHER_WORDS <= mistakes
    for parameter, value in RIGHT_WHERE.values():
        assert parameter not in parameters or (
            parameters[parameter].public != value and value in parameters[parameter].options
        )
