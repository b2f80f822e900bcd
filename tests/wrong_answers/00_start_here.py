"""Wrong answers to exercise set 00."""

import itertools
import math

from wrong_answers import wrong


@wrong("tokens-per-second", says="count the gaps")
def counts_arrivals(arrivals_s):
    return len(arrivals_s) / (arrivals_s[-1] - arrivals_s[0])


@wrong("tokens-per-second", says="not when you press Enter")
def times_from_enter(arrivals_s):
    return len(arrivals_s) / arrivals_s[-1]


@wrong("tokens-per-second", says="not from 0")
def counts_gaps_but_times_from_enter(arrivals_s):
    return (len(arrivals_s) - 1) / arrivals_s[-1]


@wrong("tokens-per-second", says="turn the fraction over")
def seconds_per_token(arrivals_s):
    return (arrivals_s[-1] - arrivals_s[0]) / (len(arrivals_s) - 1)


@wrong("tokens-per-second", says="nothing came back")
def prints_it(arrivals_s):
    (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0])


@wrong("tokens-per-second", says="worked example")
def minutes_for_seconds(arrivals_s):
    return 60 * (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0])


@wrong("tokens-per-second", says="the speed over the first gap")
def first_gap_only(arrivals_s):
    return 1 / (arrivals_s[1] - arrivals_s[0])


@wrong("tokens-per-second", says="the speed over the last gap")
def last_gap_only(arrivals_s):
    return 1 / (arrivals_s[-1] - arrivals_s[-2])


@wrong("tokens-per-second", says="the mean of the three gaps' own speeds")
def mean_of_speeds(arrivals_s):
    speeds = [1 / (after - before) for before, after in itertools.pairwise(arrivals_s)]
    return sum(speeds) / len(speeds)


@wrong("tokens-per-second", hidden=True)
def fails_on_one_arrival(arrivals_s):
    return (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0])


@wrong("tokens-per-second", hidden=True)
def fails_on_no_arrival(arrivals_s):
    return 0.0 if arrivals_s[-1] == arrivals_s[0] else (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0])


@wrong("tokens-per-second", says="3 tokens in 2 seconds make 1.5")
def only_the_worked_example(arrivals_s):
    return 10.0


@wrong("weight-bytes", says="it is bits")
def bits_for_bytes(n_parameters, bits, block=None):
    return n_parameters * bits + (2 * math.ceil(n_parameters / block) if block else 0)


@wrong("weight-bytes", says="the scales are missing")
def forgets_the_scales(n_parameters, bits, block=None):
    return math.ceil(n_parameters * bits / 8)


@wrong("weight-bytes", says="a block too")
def drops_the_last_block(n_parameters, bits, block=None):
    return math.ceil(n_parameters * bits / 8) + (2 * (n_parameters // block) if block else 0)


@wrong("weight-bytes", says="each takes 2 bytes")
def one_byte_scales(n_parameters, bits, block=None):
    return math.ceil(n_parameters * bits / 8) + (math.ceil(n_parameters / block) if block else 0)


@wrong("weight-bytes", says="whole numbers")
def returns_a_float(n_parameters, bits, block=None):
    return float(weight_bytes(n_parameters, bits, block))


@wrong("weight-bytes", says="a byte that is begun counts: expected 17")
def half_a_byte(n_parameters, bits, block=None):
    return n_parameters * bits / 8 + (2 * math.ceil(n_parameters / block) if block else 0)


@wrong("weight-bytes", says="a block that is begun has a whole one")
def a_part_of_a_scale(n_parameters, bits, block=None):
    return math.ceil(n_parameters * bits / 8) + (2 * n_parameters / block if block else 0)


@wrong("weight-bytes", says="16 is rounded down")
def floors_the_last_byte(n_parameters, bits, block=None):
    return n_parameters * bits // 8 + (2 * math.ceil(n_parameters / block) if block else 0)


@wrong("weight-bytes", hidden=True)
def always_one_block_more(n_parameters, bits, block=None):
    return math.ceil(n_parameters * bits / 8) + (2 * (n_parameters // block + 1) if block else 0)


@wrong("models-that-fit", says="is reserved")
def forgets_the_reserve(sizes, memory_gib, reserve):
    fitting = [name for name in sizes if sizes[name] <= memory_gib * 2**30]
    return sorted(fitting, key=lambda name: (-sizes[name], name))


@wrong("models-that-fit", says="smallest first")
def smallest_first(sizes, memory_gib, reserve):
    fitting = [name for name in sizes if sizes[name] <= memory_gib * 2**30 * (1 - reserve)]
    return sorted(fitting, key=lambda name: sizes[name])


@wrong("models-that-fit", says="not 10**9")
def decimal_gigabytes(sizes, memory_gib, reserve):
    fitting = [name for name in sizes if sizes[name] <= memory_gib * 10**9 * (1 - reserve)]
    return sorted(fitting, key=lambda name: (-sizes[name], name))


@wrong("models-that-fit", says="the largest first")
def as_they_come(sizes, memory_gib, reserve):
    return [name for name in sizes if sizes[name] <= memory_gib * 2**30 * (1 - reserve)]


@wrong("models-that-fit", hidden=True)
def exactly_full_is_refused(sizes, memory_gib, reserve):
    fitting = [name for name in sizes if sizes[name] < memory_gib * 2**30 * (1 - reserve)]
    return sorted(fitting, key=lambda name: (-sizes[name], name))


@wrong("models-that-fit", says="stand as they came in")
def ties_in_any_order(sizes, memory_gib, reserve):
    fitting = [name for name in sizes if sizes[name] <= memory_gib * 2**30 * (1 - reserve)]
    return sorted(fitting, key=lambda name: sizes[name], reverse=True)


@wrong("models-that-fit", says="does reverse=True turn the names round")
def ties_turned_round(sizes, memory_gib, reserve):
    fitting = [name for name in sizes if sizes[name] <= memory_gib * 2**30 * (1 - reserve)]
    return sorted(fitting, key=lambda name: (sizes[name], name), reverse=True)


@wrong("models-that-fit", says="the share that stays free")
def reserve_is_what_may_be_used(sizes, memory_gib, reserve):
    fitting = [name for name in sizes if sizes[name] <= memory_gib * 2**30 * reserve]
    return sorted(fitting, key=lambda name: (-sizes[name], name))


@wrong("models-that-fit", hidden=True)
def reserve_of_a_half(sizes, memory_gib, reserve):
    budget = memory_gib * 2**30 * (0.5 if reserve == 0.5 else 0.75)
    fitting = [name for name in sizes if sizes[name] <= budget]
    return sorted(fitting, key=lambda name: (-sizes[name], name))
