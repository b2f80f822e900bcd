"""Wrong answers to exercise set 09."""

import math
from itertools import product

from wrong_answers import wrong


def _bill(chances, answer_eur, check_eur, keeps, slips, tries, *, goes_on=None, right=None, wrong_one=None, per=None):
    """The right bill, with a part of it exchanged: chances of one try, given p, keeps and slips."""
    right = right or (lambda p, keeps, slips: p * keeps)
    wrong_one = wrong_one or (lambda p, keeps, slips: (1 - p) * slips)
    goes_on = goes_on or (lambda p, keeps, slips: 1 - p * keeps - (1 - p) * slips)
    found = {"eur": 0.0, "right": 0.0, "wrong": 0.0}
    for p in chances:
        needed = 1.0
        for _ in range(tries):
            found["eur"] += needed * (answer_eur + check_eur)
            found["right"] += needed * right(p, keeps, slips)
            found["wrong"] += needed * wrong_one(p, keeps, slips)
            needed *= goes_on(p, keeps, slips)
    return _with_price(found, per)


def _with_price(found, per=None):
    per = per or (lambda found: found["eur"] / found["right"] if found["right"] else math.inf)
    return found | {"eur_per_right": per(found)}


@wrong("price-of-right", says="nothing came back")
def prints_it_only(chances, answer_eur, check_eur, keeps, slips, tries):
    _bill(chances, answer_eur, check_eur, keeps, slips, tries)


@wrong("price-of-right", says='a dict with "eur"')
def returns_the_price_alone(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, tries)["eur_per_right"]


@wrong("price-of-right", says="the check costs something, too")
def checks_are_free(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, 0.0, keeps, slips, tries)


@wrong("price-of-right", says="a rejection is a check as well")
def pays_for_checks_that_accept(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, 0.0, keeps, slips, tries)
    found["eur"] += (found["right"] + found["wrong"]) * check_eur
    return _with_price(found)


@wrong("price-of-right", says="throws away some right answers")
def the_checker_keeps_all(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, 1.0, slips, tries)


@wrong("price-of-right", says="the wrong ones included")
def accepted_is_right(chances, answer_eur, check_eur, keeps, slips, tries):
    def right(p, keeps, slips):
        return p * keeps + (1 - p) * slips

    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, right=right)


@wrong("price-of-right", says="a rejected answer is not handed over")
def not_right_is_wrong(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, wrong_one=lambda p, keeps, slips: 1 - p * keeps)


@wrong("price-of-right", says="only the share `slips` is accepted")
def every_wrong_answer_slips(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, wrong_one=lambda p, keeps, slips: 1 - p)


@wrong("price-of-right", says="not that it is found")
def slips_are_caught(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, 1 - slips, tries)


@wrong("price-of-right", says="slips is another number")
def one_error_for_both_kinds(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, 1 - keeps, tries)


@wrong("price-of-right", says="divide by the right ones")
def divides_by_all_handed_over(chances, answer_eur, check_eur, keeps, slips, tries):
    def per(found):
        return found["eur"] / (found["right"] + found["wrong"])

    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, per=per)


@wrong("price-of-right", says="you multiplied")
def multiplies_euros_by_right(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, per=lambda found: found["eur"] * found["right"])


@wrong("price-of-right", says="all three were paid")
def pays_every_try(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, check_eur, keeps, slips, tries)
    return _with_price(found | {"eur": len(chances) * tries * (answer_eur + check_eur)})


@wrong("price-of-right", says="a wrong answer that is accepted closes the problem as well")
def only_right_ones_close(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, goes_on=lambda p, keeps, slips: 1 - p * keeps)


@wrong("price-of-right", says="the service sees only what the checker says")
def stops_at_the_truth(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, goes_on=lambda p, keeps, slips: 1 - p)


@wrong("price-of-right", says="every answer that is written is checked, not one in all")
def one_check_a_problem(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, 0.0, keeps, slips, tries)
    found["eur"] += len(chances) * check_eur
    return _with_price(found)


@wrong("price-of-right", says="you went on without end")
def a_formula_without_a_limit(chances, answer_eur, check_eur, keeps, slips, tries):
    if tries == 1:
        return _bill(chances, answer_eur, check_eur, keeps, slips, tries)
    found = {"eur": 0.0, "right": 0.0, "wrong": 0.0}
    for p in chances:
        accepted = p * keeps + (1 - p) * slips
        found["eur"] += (answer_eur + check_eur) / accepted
        found["right"] += p * keeps / accepted
        found["wrong"] += (1 - p) * slips / accepted
    return _with_price(found)


@wrong("price-of-right", says="that problem is closed")
def right_at_least_once(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, check_eur, keeps, slips, tries)
    return _with_price(found | {"right": sum(1 - (1 - p * keeps) ** tries for p in chances)})


@wrong("price-of-right", says="those of the first try only")
def right_at_the_first_try(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, check_eur, keeps, slips, tries)
    return _with_price(found | {"right": sum(chances) * keeps})


@wrong("price-of-right", says="three times those of the first")
def right_times_tries(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, check_eur, keeps, slips, tries)
    return _with_price(found | {"right": tries * sum(chances) * keeps})


@wrong("price-of-right", says="given up is not wrong")
def given_up_is_wrong(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, check_eur, keeps, slips, tries)
    if tries > 1:
        found["wrong"] = len(chances) - found["right"]
    return found


@wrong("price-of-right", says="you took the mean of the chances")
def one_accuracy_for_all(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill([sum(chances) / len(chances)] * len(chances), answer_eur, check_eur, keeps, slips, tries)


@wrong("price-of-right", says="that is the mean of a problem")
def means_instead_of_sums(chances, answer_eur, check_eur, keeps, slips, tries):
    found = _bill(chances, answer_eur, check_eur, keeps, slips, tries)
    return found | {name: found[name] / len(chances) for name in ("eur", "right", "wrong")}


@wrong("price-of-right", says="a problem without a chance costs its tries")
def leaves_out_the_hopeless(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill([p for p in chances if p], answer_eur, check_eur, keeps, slips, tries)


@wrong("price-of-right", says="your function divided by 0")
def divides_by_no_right_answer(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, per=lambda found: found["eur"] / found["right"])


@wrong("price-of-right", says="no right answer can be had")
def nothing_for_nothing(chances, answer_eur, check_eur, keeps, slips, tries):
    def per(found):
        return found["eur"] / found["right"] if found["right"] else 0.0

    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, per=per)


@wrong("price-of-right", says="the checker rejects every right answer")
def no_right_answer_only_if_no_chance(chances, answer_eur, check_eur, keeps, slips, tries):
    def per(found):
        return found["eur"] / found["right"] if any(chances) else math.inf

    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, per=per)


@wrong("price-of-right", says="no right answer is handed over: eur_per_right is math.inf")
def nothing_handed_over_costs_what_was_spent(chances, answer_eur, check_eur, keeps, slips, tries):
    def per(found):
        return found["eur"] / (found["right"] or 1) if any(chances) else math.inf

    return _bill(chances, answer_eur, check_eur, keeps, slips, tries, per=per)


@wrong("price-of-right", hidden=True)
def equal_chances_count_once(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(sorted(set(chances)), answer_eur, check_eur, keeps, slips, tries)


@wrong("price-of-right", hidden=True)
def at_most_three_tries(chances, answer_eur, check_eur, keeps, slips, tries):
    return _bill(chances, answer_eur, check_eur, keeps, slips, min(tries, 3))


# --- told apart


def _possible(n, right_a, right_b, both):
    if both is not None:
        return [both]
    return list(range(max(0, right_a + right_b - n), min(right_a, right_b) + 1))


def _tail(m, larger):
    """Chance that m tosses bring at least so many heads."""
    return sum(math.comb(m, k) for k in range(larger, m + 1)) / 2**m


def _exact(a, b):
    return min(1.0, 2 * _tail(a + b, max(a, b)))


def _ends(n, right_a, right_b, both, p_of=_exact, possible=_possible):
    found = [p_of(right_a - shared, right_b - shared) for shared in possible(n, right_a, right_b, both)]
    return [min(found), max(found)]


@wrong("told-apart", says="nothing came back")
def returns_no_p(n, right_a, right_b, both=None):
    _ends(n, right_a, right_b, both)


@wrong("told-apart", says="a list with the same number twice")
def one_number_if_both_is_given(n, right_a, right_b, both=None):
    found = _ends(n, right_a, right_b, both)
    return found if both is None else found[0]


@wrong("told-apart", says="only one side")
def one_sided(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both, lambda a, b: _tail(a + b, max(a, b)))


@wrong("told-apart", says="more uneven ones count as well")
def this_split_either_way(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both, lambda a, b: 2 * math.comb(a + b, a) / 2 ** (a + b))


@wrong("told-apart", says="the chance of exactly 4 to 1")
def this_split_alone(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both, lambda a, b: math.comb(a + b, a) / 2 ** (a + b))


@wrong("told-apart", says="only splits that are more uneven")
def more_uneven_only(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both, lambda a, b: 2 * _tail(a + b, max(a, b) + 1))


@wrong("told-apart", says="the two problems that both solved say nothing")
def tosses_for_all_that_was_solved(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, 0)


@wrong("told-apart", says="you tossed for all 8 problems")
def tosses_for_every_problem(n, right_a, right_b, both=None):
    def p_of(a, b):
        return sum(math.comb(n, k) for k in range(n + 1) if abs(2 * k - n) >= abs(a - b)) / 2**n

    return _ends(n, right_a, right_b, both, p_of)


@wrong("told-apart", says="the normal curve's")
def by_the_normal_curve(n, right_a, right_b, both=None):
    def p_of(a, b):
        return math.erfc(abs(a - b) / math.sqrt(2 * (a + b))) if a + b else 1.0

    return _ends(n, right_a, right_b, both, p_of)


@wrong("told-apart", says="take the larger of the two sides")
def a_is_taken_for_the_better(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both, lambda a, b: 2 * _tail(a + b, a) if a != b else 1.0)


@wrong("told-apart", says="no chance is above 1")
def doubles_the_middle(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both, lambda a, b: 2 * _tail(a + b, max(a, b)))


@wrong("told-apart", says="every split is at least as uneven as this one; p is 1")
def the_middle_counts_once_more_than_nothing(n, right_a, right_b, both=None):
    def p_of(a, b):
        more = 2 * _tail(a + b, max(a, b) + 1)
        return more + (2 if a != b else 0) * math.comb(a + b, a) / 2 ** (a + b)

    return _ends(n, right_a, right_b, both, p_of)


@wrong("told-apart", says="so m = 0; your function raised")
def divides_by_no_tosses(n, right_a, right_b, both=None):
    def p_of(a, b):
        share = max(a, b) / (a + b)
        return min(1.0, 2 * _tail(a + b, round(share * (a + b))))

    return _ends(n, right_a, right_b, both, p_of)


@wrong("told-apart", says="m = 0: p is 1")
def no_tosses_no_chance(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both, lambda a, b: _exact(a, b) if a + b else 0.0)


@wrong("told-apart", says="two numbers are wanted")
def every_p_there_is(n, right_a, right_b, both=None):
    found = [_exact(right_a - s, right_b - s) for s in _possible(n, right_a, right_b, both)]
    return found if both is None else found * 2


@wrong("told-apart", says="the lowest first")
def highest_first(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both)[::-1]


@wrong("told-apart", says="6 + 3 are more than 8")
def may_always_share_nothing(n, right_a, right_b, both=None):
    def possible(n, right_a, right_b, both):
        return range(min(right_a, right_b) + 1) if both is None else [both]

    return _ends(n, right_a, right_b, both, possible=possible)


@wrong("told-apart", says="the one with the most in common")
def shares_all_it_can(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, min(right_a, right_b) if both is None else both)


@wrong("told-apart", says="you took one likely number for `both`")
def shares_what_luck_would(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, round(right_a * right_b / n) if both is None else both)


@wrong("told-apart", says="both may have solved three")
def range_ends_one_early(n, right_a, right_b, both=None):
    def possible(n, right_a, right_b, both):
        found = _possible(n, right_a, right_b, both)
        return found[:-1] or found

    return _ends(n, right_a, right_b, both, possible=possible)


@wrong("told-apart", says="both may have solved only one")
def range_begins_one_late(n, right_a, right_b, both=None):
    def possible(n, right_a, right_b, both):
        found = _possible(n, right_a, right_b, both)
        return found[1:] or found

    return _ends(n, right_a, right_b, both, possible=possible)


@wrong("told-apart", says="the two may have none in common")
def shares_at_least_one(n, right_a, right_b, both=None):
    def possible(n, right_a, right_b, both):
        found = _possible(n, right_a, right_b, both)
        return [shared for shared in found if shared or len(found) == 1]

    return _ends(n, right_a, right_b, both, possible=possible)


@wrong("told-apart", says="whatever they share, the split is even")
def even_totals_confuse_it(n, right_a, right_b, both=None):
    found = _ends(n, right_a, right_b, both)
    return [0.5, 1.0] if right_a == right_b and both is None else found


@wrong("told-apart", says="both = 0 is known")
def none_in_common_is_not_known(n, right_a, right_b, both=None):
    return _ends(n, right_a, right_b, both or None)


@wrong("told-apart", hidden=True)
def the_normal_curve_from_ten_tosses_on(n, right_a, right_b, both=None):
    def p_of(a, b):
        return _exact(a, b) if a + b < 10 else math.erfc(max(abs(a - b) - 1, 0) / math.sqrt(2 * (a + b)))

    return _ends(n, right_a, right_b, both, p_of)


# --- fewest chips


def _needed(people, answers_per_hour, tokens_per_answer):
    return people * answers_per_hour * tokens_per_answer / 3600


def _cover(needed, ways, strictly=False):
    most = [0.0]
    while most[-1] < needed or (strictly and most[-1] == needed):
        chips = len(most)
        most.append(max([most[-1], *(most[chips - n] + speed for n, speed in ways if n <= chips)]))
    return len(most) - 1


def _copies(needed, ways):
    """The copies of a smallest fleet."""
    best = {0: []}
    chips = 0
    while sum(speed for _, speed in best[chips]) < needed:
        chips += 1
        tries = [[*best[chips - n], (n, speed)] for n, speed in ways if n <= chips] + [best[chips - 1]]
        best[chips] = max(tries, key=lambda copies: sum(speed for _, speed in copies))
    return best[chips]


def _both(needed, ways, spare, cover=_cover):
    if not spare:
        return cover(needed, ways)
    return min(chips + cover(needed, [way for way in ways if way[1] <= speed]) for chips, speed in ways)


def _one_kind(needed, ways):
    return min(chips * math.ceil(needed / speed) for chips, speed in ways)


@wrong("fewest-chips", says="nothing came back")
def counts_and_forgets(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    _both(_needed(people, answers_per_hour, tokens_per_answer), ways, spare)


@wrong("fewest-chips", says="one number is wanted, a plain int")
def returns_the_copies(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _copies(_needed(people, answers_per_hour, tokens_per_answer), ways)


@wrong("fewest-chips", says="they are per hour")
def an_hour_is_a_second(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _both(people * answers_per_hour * tokens_per_answer, ways, spare)


@wrong("fewest-chips", says="3,600 seconds, not 60")
def an_hour_has_sixty_seconds(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _both(people * answers_per_hour * tokens_per_answer / 60, ways, spare)


@wrong("fewest-chips", says="a fraction of a chip cannot be had")
def fractions_of_chips(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    return needed * min(chips / speed for chips, speed in ways)


@wrong("fewest-chips", says="you rounded down")
def rounds_copies_down(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    return min(chips * int(needed // speed) for chips, speed in ways)


@wrong("fewest-chips", says="one is not enough; do not round the need")
def drops_the_fraction_of_a_token(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _both(people * answers_per_hour * tokens_per_answer // 3600, ways, spare)


@wrong("fewest-chips", says="one is not enough; do not round the need")
def needs_the_nearest_whole_token(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _both(round(_needed(people, answers_per_hour, tokens_per_answer)), ways, spare)


@wrong("fewest-chips", says="one is enough; do not round the need up")
def needs_the_next_whole_token(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _both(math.ceil(_needed(people, answers_per_hour, tokens_per_answer)), ways, spare)


@wrong("fewest-chips", says="the number of copies; each has 4 chips")
def counts_copies(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return len(_copies(_needed(people, answers_per_hour, tokens_per_answer), ways))


@wrong("fewest-chips", says="one large copy is enough, but more than is needed")
def best_rate_for_each_chip(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    best = max(ways, key=lambda way: way[1] / way[0])
    return _one_kind(_needed(people, answers_per_hour, tokens_per_answer), [best])


@wrong("fewest-chips", says="copies of one kind only; 4 + 1 + 1")
def copies_of_one_kind(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _one_kind(_needed(people, answers_per_hour, tokens_per_answer), ways)


@wrong("fewest-chips", says="there is no half of a large copy")
def rounds_chips_up_at_the_end(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    smallest = min(chips for chips, _ in ways)
    rate = max(speed / chips for chips, speed in ways)
    return smallest * math.ceil(needed / rate / smallest)


@wrong("fewest-chips", says="that writes 700 only")
def the_last_few_go_without(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    fitting = [way for way in ways if way[1] <= needed]
    if not fitting:
        return min(chips for chips, _ in ways)
    chips, speed = max(fitting, key=lambda way: way[1])
    return chips * round(needed / speed) if len(ways) > 1 else chips * math.ceil(needed / speed)


@wrong("fewest-chips", says="exactly enough is enough")
def more_than_enough(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    return _both(needed, ways, spare, lambda needed, ways: _cover(needed, ways, strictly=True))


@wrong("fewest-chips", says="a copy of 700 first, then the rest")
def largest_copies_first(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    left, chips = _needed(people, answers_per_hour, tokens_per_answer), 0
    for n, speed in sorted(ways, key=lambda way: -way[1]):
        copies = int(left // speed)
        left -= copies * speed
        chips += copies * n
    return chips + (min(n for n, speed in ways if speed >= left) if left > 0 else 0)


@wrong("fewest-chips", says="if the copy on 4 chips fails, 300")
def ignores_the_spare(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _cover(_needed(people, answers_per_hour, tokens_per_answer), ways)


@wrong("fewest-chips", says="you added the smallest copy")
def adds_the_smallest_copy(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    chips = _cover(_needed(people, answers_per_hour, tokens_per_answer), ways)
    return chips + (min(n for n, _ in ways) if spare else 0)


@wrong("fewest-chips", says="you doubled what is needed")
def twice_as_much_is_needed(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return _cover((2 if spare else 1) * _needed(people, answers_per_hour, tokens_per_answer), ways)


@wrong("fewest-chips", says="the fleet that was best without")
def adds_the_fleets_largest_copy(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    copies = _copies(_needed(people, answers_per_hour, tokens_per_answer), ways)
    return sum(n for n, _ in copies) + (max(n for n, _ in copies) if spare else 0)


@wrong("fewest-chips", says="the whole fleet twice")
def everything_twice(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return (2 if spare else 1) * _cover(_needed(people, answers_per_hour, tokens_per_answer), ways)


@wrong("fewest-chips", says="kept only the fleet that writes most")
def the_fleet_that_writes_most_loses_its_largest(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    if not spare:
        return _cover(needed, ways)
    best = {0: []}
    while sum(speeds := [speed for _, speed in best[max(best)]]) - max(speeds, default=0) < needed:
        chips = max(best) + 1
        tries = [[*best[chips - n], (n, speed)] for n, speed in ways if n <= chips] + [best[chips - 1]]
        best[chips] = max(tries, key=lambda copies: sum(speed for _, speed in copies))
    return max(best)


@wrong("fewest-chips", says="you added a copy of the fastest way")
def the_spare_is_the_fastest_way(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    chips = _cover(_needed(people, answers_per_hour, tokens_per_answer), ways)
    return chips + (max(ways, key=lambda way: way[1])[0] if spare else 0)


@wrong("fewest-chips", says="the fastest copy's failure can be made good by unlike ones")
def one_kind_and_one_more(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    if not spare:
        return _cover(needed, ways)
    return min(chips * (math.ceil(needed / speed) + 1) for chips, speed in ways)


@wrong("fewest-chips", says="if the copy of 700 fails, 450 are left")
def an_average_copy_fails(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    if not spare:
        return _cover(needed, ways)
    if len(ways) == 3:
        return _both(needed, ways, spare)
    return _cover(needed, ways) + min(n for n, _ in ways)


@wrong("fewest-chips", says="a plain int is wanted, got")
def a_float_of_chips(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    return float(_both(_needed(people, answers_per_hour, tokens_per_answer), ways, spare))


@wrong("fewest-chips", says="40,000 people")
def looks_at_256_chips_at_most(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    needed = _needed(people, answers_per_hour, tokens_per_answer)
    return min(_both(needed, ways, spare), 256)


@wrong("fewest-chips", hidden=True)
def two_kinds_of_copies_at_most(people, answers_per_hour, tokens_per_answer, ways, spare=False):
    """Some copies of one way, and copies of one other way for the rest."""
    needed = _needed(people, answers_per_hour, tokens_per_answer)

    def cover(needed, ways):
        best = _one_kind(needed, ways)
        for chips, speed in ways:
            for copies in range(math.ceil(needed / speed)):
                best = min(best, chips * copies + _one_kind(needed - copies * speed, ways))
        return best

    return _both(needed, ways, spare, cover)


# --- what flips


def _turned(ratio, assumed, ranges, *, steps=80, others=None, inside=True, rising=None, how=None, corners=None):
    flips = {}
    for name, (low, high) in ranges.items():
        around = assumed if others is None else others(assumed, ranges)

        def at(value, name=name, around=around):
            return ratio(**{**around, name: value})

        if not inside:
            low, high = 1e-3, 1e3
        if (at(low) > 1) == (at(high) > 1):
            continue
        goes_up = at(high) > 1 if rising is None else rising
        for _ in range(steps):
            middle = (low + high) / 2
            if (at(middle) > 1) == goes_up:
                high = middle
            else:
                low = middle
        flips[name] = (low + high) / 2
    how = how or (lambda there, here: max(there / here, here / there))
    nearest = min(flips, key=lambda name: how(flips[name], assumed[name]), default=None)
    corners = (corners or _corners)(ratio, assumed, ranges)
    return {"flips": flips, "nearest": nearest, "corners": corners}


def _corners(ratio, assumed, ranges):
    found = [ratio(**{**assumed, **dict(zip(ranges, ends, strict=True))}) for ends in product(*ranges.values())]
    return [min(found), max(found)]


@wrong("what-flips", says="nothing came back")
def keeps_it_to_itself(ratio, assumed, ranges):
    _turned(ratio, assumed, ranges)


@wrong("what-flips", says='a dict with "flips", "nearest" and "corners"')
def flips_alone(ratio, assumed, ranges):
    return _turned(ratio, assumed, ranges)["flips"]


@wrong("what-flips", says="build a new dict for each call")
def moves_what_was_assumed(ratio, assumed, ranges):
    found = _turned(ratio, dict(assumed), ranges)
    for name, value in found["flips"].items():
        assumed[name] = value
    return found


@wrong("what-flips", says="is a dict of names and values")
def a_list_of_names(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    return found | {"flips": list(found["flips"])}


@wrong("what-flips", says="flips has only")
def only_what_rises(ratio, assumed, ranges):
    low_first = {name: ends for name, ends in ranges.items() if name != "tokens"}
    return _turned(ratio, assumed, low_first)


@wrong("what-flips", says="outside its range of 0.1 to 0.8")
def looks_beyond_the_range(ratio, assumed, ranges):
    return _turned(ratio, assumed, ranges, inside=False)


@wrong("what-flips", says="that is an end of its range")
def the_end_beyond_one(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    for name in found["flips"]:
        low, high = ranges[name]
        is_low = (ratio(**{**assumed, name: low}) > 1) != (ratio(**assumed) > 1)
        found["flips"][name] = low if is_low else high
    return found


@wrong("what-flips", says="so leave it out")
def none_for_what_does_not_flip(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    return found | {"flips": {name: found["flips"].get(name) for name in ranges}}


@wrong("what-flips", says="on a straight line from the assumed value")
def by_a_straight_line_from_here(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    here = ratio(**assumed)
    for name in found["flips"]:
        end = next(end for end in ranges[name] if (ratio(**{**assumed, name: end}) > 1) != (here > 1))
        there = ratio(**{**assumed, name: end})
        found["flips"][name] = assumed[name] + (end - assumed[name]) * (1 - here) / (there - here)
    return found


@wrong("what-flips", says="on a straight line between the two ends")
def by_a_straight_line(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    for name in found["flips"]:
        low, high = ranges[name]
        at_low, at_high = (ratio(**{**assumed, name: end}) for end in (low, high))
        found["flips"][name] = low + (high - low) * (1 - at_low) / (at_high - at_low)
    return found


@wrong("what-flips", says="the others were at the low ends")
def others_at_their_low_ends(ratio, assumed, ranges):
    def others(assumed, ranges):
        return {**assumed, **{name: low for name, (low, _) in ranges.items()}}

    found = _turned(ratio, assumed, ranges)
    return found | {"flips": found["flips"] | _turned(ratio, assumed, ranges, others=others)["flips"]}


@wrong("what-flips", says="that is the assumed value")
def the_second_stays_where_it_is(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    for name in list(found["flips"])[1:]:
        found["flips"][name] = assumed[name]
    return found


@wrong("what-flips", says="search more finely")
def on_a_grid_of_a_thousand(ratio, assumed, ranges):
    return _turned(ratio, assumed, ranges, steps=10)


@wrong("what-flips", says="do not round")
def to_six_places(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    return found | {"flips": {name: round(there, 6) for name, there in found["flips"].items()}}


@wrong("what-flips", says="by difference, or by v / assumed alone")
def nearest_by_difference(ratio, assumed, ranges):
    return _turned(ratio, assumed, ranges, how=lambda there, here: abs(there - here))


@wrong("what-flips", says="it does not flip within its range")
def nearest_is_what_moves_the_ratio_least(ratio, assumed, ranges):
    def moved(name):
        ends = [ratio(**{**assumed, name: end}) for end in ranges[name]]
        return max(ends) - min(ends)

    return _turned(ratio, assumed, ranges) | {"nearest": min(ranges, key=moved)}


@wrong("what-flips", says="is a list of two numbers")
def all_corners(ratio, assumed, ranges):
    found = [ratio(**{**assumed, **dict(zip(ranges, ends, strict=True))}) for ends in product(*ranges.values())]
    return _turned(ratio, assumed, ranges) | {"corners": found}


@wrong("what-flips", says="all at their low ends")
def two_corners_only(ratio, assumed, ranges):
    ends = [{name: ends[i] for name, ends in ranges.items()} for i in (0, 1)]
    found = sorted(ratio(**{**assumed, **corner}) for corner in ends)
    return _turned(ratio, assumed, ranges) | {"corners": found}


@wrong("what-flips", says="one assumption moved and the others stayed")
def one_at_a_time(ratio, assumed, ranges):
    found = [ratio(**{**assumed, name: end}) for name, ends in ranges.items() for end in ends]
    return _turned(ratio, assumed, ranges) | {"corners": [min(found), max(found)]}


@wrong("what-flips", says="the lowest first, then the highest")
def corners_upside_down(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    return found | {"corners": found["corners"][::-1]}


@wrong("what-flips", says="an assumption without a range stays as assumed")
def everything_has_a_range(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    ends = product(*(ranges[name] for name in assumed))
    corners = [ratio(**dict(zip(assumed, corner, strict=True))) for corner in ends]
    return found | {"corners": [min(corners), max(corners)]}


@wrong("what-flips", says="can rise to 1 as well")
def only_from_above(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    if ratio(**assumed) < 1:
        found["flips"] = {}
    return found


@wrong("what-flips", says="your search ran to an end")
def takes_it_to_rise(ratio, assumed, ranges):
    return _turned(ratio, assumed, ranges, rising=True)


@wrong("what-flips", says="a fall counts as its inverse")
def nearest_by_what_it_grows(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)

    def key(name):
        return -(found["flips"][name] / assumed[name])

    return found | {"nearest": min(found["flips"], key=key, default=None)}


@wrong("what-flips", says="none reaches 1 alone")
def flips_if_a_corner_does(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    low, high = found["corners"]
    if not found["flips"] and low < 1 < high:
        found["flips"] = {name: ends[0] for name, ends in ranges.items()}
    return found


@wrong("what-flips", says="nothing flips, so nearest is None")
def nearest_is_never_none(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    return found | {"nearest": found["nearest"] or next(iter(ranges))}


@wrong("what-flips", hidden=True)
def corners_by_the_order_of_the_names(ratio, assumed, ranges):
    def corners(ratio, assumed, ranges):
        found = []
        for ends in product(*ranges.values()):
            found.append(ratio(**{**assumed, **dict(zip(assumed, ends, strict=False))}))
        return [min(found), max(found)]

    return _turned(ratio, assumed, ranges, corners=corners)


def _by_direction(ratio, assumed, ranges):
    """Two corners: each assumption at the end that is lower, or higher, while the others are as assumed."""
    found = []
    for least in (min, max):
        ends = {
            name: least(ranges[name], key=lambda end, name=name: ratio(**{**assumed, name: end})) for name in ranges
        }
        found.append(ratio(**{**assumed, **ends}))
    return found


@wrong("what-flips", says="b lowers the ratio where a is above 1")
def each_direction_where_it_is_assumed(ratio, assumed, ranges):
    return _turned(ratio, assumed, ranges, corners=_by_direction)


@wrong("what-flips", says="call ratio with NAMES")
def calls_by_position(ratio, assumed, ranges):
    def placed(**values):
        return ratio(*(values[name] for name in assumed))

    return _turned(placed, assumed, ranges)


@wrong("what-flips", says="not the difference as a share of the assumed value")
def nearest_by_percent(ratio, assumed, ranges):
    return _turned(ratio, assumed, ranges, how=lambda there, here: abs(there / here - 1))


@wrong("what-flips", says="a millionth OF THE VALUE")
def halves_down_to_a_millionth(ratio, assumed, ranges):
    found = _turned(ratio, assumed, ranges)
    for name in found["flips"]:
        low, high = ranges[name]
        below = ratio(**{**assumed, name: low}) > 1
        while high - low >= 1e-6:
            middle = (low + high) / 2
            if (ratio(**{**assumed, name: middle}) > 1) == below:
                low = middle
            else:
                high = middle
        found["flips"][name] = (low + high) / 2
    return found


@wrong("what-flips", hidden=True)
def the_highest_corner_by_direction(ratio, assumed, ranges):
    def corners(ratio, assumed, ranges):
        return [_corners(ratio, assumed, ranges)[0], _by_direction(ratio, assumed, ranges)[1]]

    return _turned(ratio, assumed, ranges, corners=corners)
