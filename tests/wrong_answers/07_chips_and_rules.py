"""Wrong answers to exercise set 07, of the public version and of those that a class draws."""

import math

from wrong_answers import wrong


def _tpp(lines, unit=None, sparse=None, chips=True, bits=True, factor=1.0, pick=max):
    of_unit = {"TOPS": 1, "TFLOPS": 1, "PFLOPS": 1000, "TMACS": 2} | (unit or {})
    rows = []
    for line in lines:
        tops = line["rate"] * of_unit[line["unit"]] * factor
        tops *= (sparse or 1 / SPARSE_TIMES) if line["sparse"] else 1
        tops /= line["chips"] if chips else 1
        rows.append((tops, line["bits"]))
    return pick([tops * (n if bits else 1) for tops, n in rows])


@wrong("sheet-tpp", says="that is the rate; TPP is the rate times the bits")
def forgets_the_bits(lines):
    return _tpp(lines, bits=False)


@wrong("sheet-tpp", says="doubled once too often")
def doubles_because_the_rule_says_2(lines):
    return _tpp(lines, factor=2)


@wrong("sheet-tpp", says="1,600: halved")
def counts_pairs(lines):
    return _tpp(lines, factor=0.5)


@wrong("sheet-tpp", says="1,400 is the sparse rate")
def takes_sparse_rates(lines):
    return _tpp(lines, sparse=1)


@wrong("sheet-tpp", says="the sparse rate is twice the dense one, not four times")
def a_quarter_for_two_of_four(lines):
    return _tpp(lines, sparse=0.25)


@wrong("sheet-tpp", says="a multiply-add per second is 2 operations")
def macs_are_operations(lines):
    return _tpp(lines, unit={"TMACS": 1})


@wrong("sheet-tpp", says="TMACS were halved")
def macs_upside_down(lines):
    return _tpp(lines, unit={"TMACS": 0.5})


@wrong("sheet-tpp", says="divide by chips")
def forgets_the_chips(lines):
    return _tpp(lines, chips=False)


@wrong("sheet-tpp", says="a PFLOPS is 1,000 TFLOPS")
def peta_is_tera(lines):
    return _tpp(lines, unit={"PFLOPS": 1})


@wrong("sheet-tpp", says="multiplied by chips")
def multiplies_by_chips(lines):
    return _tpp([line | {"chips": 1 / line["chips"]} for line in lines])


@wrong("sheet-tpp", says="the formats were added up")
def adds_the_formats(lines):
    return _tpp(lines, pick=sum)


@wrong("sheet-tpp", says="the line with the highest rate")
def highest_rate_times_its_bits(lines):
    rates = [_tpp([line], bits=False) for line in lines]
    line = lines[rates.index(max(rates))]
    return max(rates) * line["bits"]


@wrong("sheet-tpp", says="that is the first line")
def first_line(lines):
    return _tpp(lines[:1])


@wrong("sheet-tpp", says="that is the last line")
def last_line(lines):
    return _tpp(lines[-1:])


@wrong("sheet-tpp", says="the lines that came in were changed")
def writes_into_the_lines(lines):
    out = _tpp(lines)
    for line in lines:
        line["rate"] = line["rate"] / line["chips"]
    return out


@wrong("sheet-tpp", says="end your function with `return ...`")
def prints_nothing_and_returns_nothing(lines):
    _tpp(lines)


@wrong("sheet-tpp", hidden=True)
def either_sparse_or_many_chips(lines):
    return _tpp([line | ({"chips": 1} if line["sparse"] else {}) for line in lines])


@wrong("sheet-tpp", hidden=True)
def macs_are_never_sparse(lines):
    return max(_tpp([line | ({"sparse": False} if line["unit"] == "TMACS" else {})]) for line in lines)


def _off(n, each, limit, exact=False):
    keep = n
    while keep * each >= limit and not (exact and keep * each == limit):
        keep -= 1
    return n - keep


def _cut(args, pick=None, tie=None, exact=False, both=False):
    pick, tie = pick or SMALLER, tie or TIE
    n_links, each, n_units, tpp_each, link_limit, tpp_limit, word = args
    links, units = _off(n_links, each, link_limit, exact), _off(n_units, tpp_each, tpp_limit, exact)
    if word == "or" or both:
        return {"links": links, "units": units}
    a, b = (links, units) if "number" in pick else (links / n_links, units / n_units)
    if "larger" in pick:
        a, b = b, a
    take_links = a <= b if tie == "links" else a < b
    return {"links": links, "units": 0} if take_links else {"links": 0, "units": units}


@wrong("smallest-cut", says="wanted is what is switched off")
def what_may_stay(*args):
    out = _cut((*args[:-1], "or"))
    return {"links": args[0] - out["links"], "units": args[2] - out["units"]}


@wrong("smallest-cut", says="which still reaches the limit of 100")
def stops_at_the_limit(*args):
    return _cut(args, exact=True)


@wrong("smallest-cut", says="which still reaches the limit of 1,000")
def links_below_but_units_at_the_limit(*args):
    n_links, each, n_units, tpp_each, link_limit, tpp_limit, word = args
    return _cut((n_links, each, n_units, tpp_each, link_limit, tpp_limit + 1e-6, word))


@wrong("smallest-cut", says="one limit that is reached is enough to be controlled")
def and_for_or(*args):
    return _cut((*args[:-1], "and"))


@wrong("smallest-cut", says="to get below one of them is enough")
def always_cuts_both(*args):
    return _cut(args, both=True)


@wrong("smallest-cut", says="but a larger share")
def fewest_parts(*args):
    return _cut(args, pick="number")


@wrong("smallest-cut", says="one limit that is reached is enough to be controlled")
def words_swapped(*args):
    return _cut((*args[:-1], "and" if args[-1] == "or" else "or"))


@wrong("smallest-cut", says="but a larger share")
def the_larger_share(*args):
    return _cut(args, pick=f"larger {SMALLER}")


@wrong("smallest-cut", says="the larger share was cut")
def always_units(*args):
    out = _cut(args, both=True)
    return out if args[-1] == "or" else {"links": 0, "units": out["units"]}


@wrong("smallest-cut", says="the same share; then links are switched off")
def units_win_a_tie(*args):
    return _cut(args, tie="units")


@wrong("smallest-cut", says='so with "and" the chip is free as it is')
def takes_one_off_at_least(*args):
    out = _cut(args)
    return out if any(out.values()) or args[-1] == "or" else {"links": 1, "units": 0}


@wrong("smallest-cut", says="links are counted, not GB/s")
def gigabytes_over_the_limit(*args):
    n_links, each, n_units, tpp_each, link_limit, tpp_limit, _ = args
    return {"links": max(n_links * each - link_limit, 0), "units": max(n_units * tpp_each - tpp_limit, 0)}


@wrong("smallest-cut", says="a dict is wanted")
def a_pair(*args):
    return tuple(_cut(args).values())


@wrong("smallest-cut", says="ints are wanted")
def floats(*args):
    return {name: float(n) for name, n in _cut(args).items()}


@wrong("smallest-cut", hidden=True)
def one_unit_stays_on(*args):
    n_links, n_units, word = args[0], args[2], args[-1]
    out = _cut(args, both=True)
    links, units = min(out["links"], n_links - 1), min(out["units"], n_units - 1)
    if word == "or":
        return {"links": links, "units": units}
    a, b = (links / n_links, units / n_units) if SMALLER == "share" else (links, units)
    take_links = a <= b if TIE == "links" else a < b
    return {"links": links, "units": 0} if take_links else {"links": 0, "units": units}


@wrong("smallest-cut", hidden=True)
def whole_gigabytes_only(*args):
    return _cut((args[0], int(args[1]), *args[2:]))


def _first(die_mm2, paragraphs, free_below=0, lower=max, upper=True, choose=min, scale=None, end_counts=False):
    times = scale or (lambda density: density * die_mm2 * N_DIES)
    found = []
    for p in paragraphs:
        begin = float(max(lower(p["tpp"][0], times(p["density"][0])), free_below))
        end = min(p["tpp"][1], times(p["density"][1]))
        if not upper or begin < end or (end_counts and begin == end):
            found.append((begin, p["name"]))
    if not found:
        return None
    begin = choose(begin for begin, _ in found)
    return {"tpp": begin, "paragraph": next(name for b, name in found if b == begin)}


@wrong("first-caught", says="BOTH lower bounds must be reached")
def one_lower_bound_is_enough(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs, free_below, lower=min)


@wrong("first-caught", says="but q needs 20")
def density_bound_alone(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs, free_below, lower=lambda tpp, density: density)


@wrong("first-caught", says="at a TPP of 20 the density is 0.4")
def tpp_bound_alone(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs, free_below, lower=lambda tpp, density: tpp)


@wrong("first-caught", says="0.5 is a density")
def returns_the_density(die_mm2, paragraphs, free_below=0):
    out = first_caught(die_mm2, paragraphs, free_below)
    return out and out | {"tpp": out["tpp"] / die_mm2 / N_DIES}


@wrong("first-caught", says="there p begins, but q begins earlier")
def the_last_to_begin(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs, free_below, choose=max)


@wrong("first-caught", says="there p begins, but q begins earlier")
def the_first_in_the_list(die_mm2, paragraphs, free_below=0):
    for p in paragraphs:
        if out := _first(die_mm2, [p], free_below):
            return out
    return None


@wrong("first-caught", says="40: 1.5 was divided by 50")
def divides_by_the_area(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs, free_below, scale=lambda density: density / die_mm2 / N_DIES)


@wrong("first-caught", says="the first whole number")
def tries_whole_numbers(die_mm2, paragraphs, free_below=0):
    for tpp in range(10_000):
        for p in paragraphs:
            (a, b), (c, d) = p["tpp"], p["density"]
            if a <= tpp < b and c <= tpp / die_mm2 / N_DIES < d and tpp >= free_below:
                return {"tpp": float(tpp), "paragraph": p["name"]}
    return None


@wrong("first-caught", says="what never catches is left out")
def forgets_the_upper_bounds(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs, free_below, upper=False)


@wrong("first-caught", says="but 60 is not below 60")
def begins_where_it_ends(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs, free_below, end_counts=True)


@wrong("first-caught", says="q ends below 4 x 4 = 16")
def upper_bound_of_density_forgotten(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, [p | {"density": (p["density"][0], math.inf)} for p in paragraphs], free_below)


@wrong("first-caught", says="None is wanted")
def infinity_for_never(die_mm2, paragraphs, free_below=0):
    return first_caught(die_mm2, paragraphs, free_below) or {"tpp": math.inf, "paragraph": ""}


@wrong("first-caught", says="free_below was left out")
def forgets_free_below(die_mm2, paragraphs, free_below=0):
    return first_caught(die_mm2, paragraphs)


@wrong("first-caught", says="q has ended at 60 by then")
def free_below_at_the_end(die_mm2, paragraphs, free_below=0):
    out = first_caught(die_mm2, paragraphs)
    return out and out | {"tpp": max(out["tpp"], float(free_below))}


@wrong("first-caught", says="the first in the list is wanted")
def the_last_of_equals(die_mm2, paragraphs, free_below=0):
    return _first(die_mm2, paragraphs[::-1], free_below)


@wrong("first-caught", says="end your function with `return ...`")
def returns_nothing(die_mm2, paragraphs, free_below=0):
    first_caught(die_mm2, paragraphs, free_below)


@wrong("first-caught", hidden=True)
def the_worked_example_has_two_paragraphs(die_mm2, paragraphs, free_below=0):
    return first_caught(die_mm2, paragraphs[:2], free_below)


@wrong("first-caught", hidden=True)
def stops_at_a_tpp_of_1000(die_mm2, paragraphs, free_below=0):
    out = first_caught(die_mm2, paragraphs, free_below)
    return out if out and out["tpp"] < 1000 else None


def _rows(width_mm, height_mm, gap_mm, radius, positions, far="far", fill="whole", ways=2, offsets=None, rows_gap=True,
          above=False, pick=max):  # fmt: skip
    counts = []
    for width, height in ((width_mm, height_mm), (height_mm, width_mm))[:ways]:
        pitch = height + gap_mm if rows_gap else height
        for k in range(positions):
            offset = (offsets or (lambda k, height, pitch: k / positions * pitch))(k, height, pitch)
            n = 0
            for i in range(0 if above else -120, 121):
                low = offset + i * pitch
                edges = abs(low), abs(low + height)
                at = {"far": max(edges), "near": min(edges), "low": edges[0], "up": edges[1],
                      "middle": abs(low + height / 2)}[far]  # fmt: skip
                if at > radius:
                    continue
                room = 2 * math.sqrt(radius**2 - at**2)
                n += {
                    "whole": int((room + gap_mm) // (width + gap_mm)),
                    "round": round((room + gap_mm) / (width + gap_mm)),
                    "halves": 2 * int((room / 2) // (width + gap_mm)),
                    "half": int((room / 2 + gap_mm) // (width + gap_mm)),
                    "gap behind the last": int(room // (width + gap_mm)),
                    "no gap": int(room // width),
                    "strict": max(math.ceil((room + gap_mm) / (width + gap_mm)) - 1, 0),
                }[fill]
            counts.append(n)
    return pick(counts)


@wrong("free-rows", says="diameter was taken for its radius")
def diameter_for_radius(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm - edge_mm, positions)


@wrong("free-rows", says="half of each row was filled")
def half_a_chord(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, fill="half")


@wrong("free-rows", says="only the rows above the centre")
def rows_above_only(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, above=True)


@wrong("free-rows", says="that is nearer to the centre")
def nearer_edge(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, far="near")


@wrong("free-rows", says="in the middle of each row")
def middle_of_a_row(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, far="middle")


@wrong("free-rows", says="or always at its lower or upper edge")
def always_the_upper_edge(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, far="up")


@wrong("free-rows", says="a die that does not fit as a whole is none")
def rounds(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, fill="round")


@wrong("free-rows", says="each half of a row was filled on its own")
def a_die_edge_in_the_middle(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, fill="halves")


@wrong("free-rows", says="both ways round were added up")
def adds_both_ways(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    radius = wafer_mm / 2 - edge_mm
    a, b = (_rows(*size, gap_mm, radius, positions, ways=1) for size in ((width_mm, height_mm), (height_mm, width_mm)))
    return a + b


@wrong("free-rows", says="the edge makes no difference")
def forgets_the_edge(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2, positions)


@wrong("free-rows", says="the unused edge is on both sides")
def edge_off_the_diameter(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, (wafer_mm - edge_mm) / 2, positions)


@wrong("free-rows", says="that is what offset 0 gives")
def offset_0_only(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, 1)


@wrong("free-rows", says="that is what offset 0 gives")
def offsets_up_to_a_whole_pitch(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    offsets = lambda k, height, pitch: k / max(positions - 1, 1) * pitch  # noqa: E731
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, offsets=offsets)


@wrong("free-rows", says="the dies of all tries were added up")
def adds_the_offsets(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    radius = wafer_mm / 2 - edge_mm
    return _rows(width_mm, height_mm, gap_mm, radius, positions, pick=sum if positions > 1 else max)


@wrong("free-rows", says="dies 2 x 3 may be turned")
def never_turned(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, ways=1)


@wrong("free-rows", says="29: without gaps")
def no_gaps(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, 0, wafer_mm / 2 - edge_mm, positions)


@wrong("free-rows", says="no gap between the dies of a row")
def no_gap_in_a_row(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, fill="no gap")


@wrong("free-rows", says="no gap between rows")
def no_gap_between_rows(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, rows_gap=False)


@wrong("free-rows", says="needs no gap behind it")
def a_gap_behind_the_last_die(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, fill="gap behind the last")


@wrong("free-rows", says="not all 4 offsets were tried")
def two_offsets(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, min(positions, 2))


@wrong("free-rows", says="19: only offset 0 was tried")
def more_than_two_offsets_are_one(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions if positions < 3 else 1)


@wrong("free-rows", says="an offset is a share of height AND gap")
def offsets_of_the_height(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    offsets = lambda k, height, pitch: k / positions * height  # noqa: E731
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, offsets=offsets)


@wrong("free-rows", says="or only the first two offsets were tried")
def the_first_two_offsets(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    offsets = lambda k, height, pitch: min(k, 1) / positions * pitch  # noqa: E731
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, offsets=offsets)


@wrong("free-rows", says="or the row that begins at -3, i = -1, was never tried")
def the_lowest_row_is_lost(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    radius, best = wafer_mm / 2 - edge_mm, 0
    for width, height in ((width_mm, height_mm), (height_mm, width_mm)):
        pitch = height + gap_mm
        for k in range(positions):
            n = 0
            for i in range(-int(radius / pitch), int(radius / pitch) + 1):
                far = max(abs((i + k / positions) * pitch), abs((i + k / positions) * pitch + height))
                if far <= radius:
                    n += int((2 * math.sqrt(radius**2 - far**2) + gap_mm) // (width + gap_mm))
            best = max(best, n)
    return best


@wrong("free-rows", says="it touches the rim, which is fine")
def touching_is_too_much(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return _rows(width_mm, height_mm, gap_mm, wafer_mm / 2 - edge_mm, positions, fill="strict")


@wrong("free-rows", says="an int is wanted")
def a_float(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return float(free_rows(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions))


@wrong("free-rows", says="end your function with `return ...`")
def counts_and_returns_nothing(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    free_rows(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions)


@wrong("free-rows", hidden=True)
def twenty_rows_at_most(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return free_rows(width_mm, height_mm, gap_mm, min(wafer_mm, 10 * min(width_mm, height_mm)), edge_mm, positions)


@wrong("free-rows", hidden=True)
def five_offsets_at_most(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, positions):
    return free_rows(width_mm, height_mm, gap_mm, wafer_mm, edge_mm, min(positions, 5))


def _bins(die_mm2, block_share, n_blocks, most_dead, places, block=None, rest=None, count="blocks", comb=True,
          swapped=False, cumulative=False, weight=True, n_alive=None):  # fmt: skip
    cm2 = die_mm2 / 100
    block_cm2 = cm2 * block_share / n_blocks if block is None else block(cm2)
    rest_cm2 = cm2 * (1 - block_share) if rest is None else rest(cm2)
    shares = [0.0] * len(most_dead)
    for share, density in places:
        density = density * HARMFUL
        p = 1 - math.exp(-density * block_cm2)
        p = 1 - p if swapped else p
        works = (share if weight else 1) * math.exp(-density * rest_cm2)
        fewest = 0
        for i, most in enumerate(most_dead):
            for j in range(fewest, most + 1):
                if count == "defects":
                    mean = density * block_cm2 * n_blocks
                    chance = math.exp(-mean) * mean**j / math.factorial(j)
                else:
                    ways = math.comb(n_blocks, j) if comb else 1
                    alive = n_blocks - j if n_alive is None else n_alive
                    chance = ways * p**j * (1 - p) ** alive
                shares[i] += works * chance
            fewest = 0 if cumulative else most + 1
    return _with_lost(shares, 1 - (shares[-1] if cumulative else sum(shares)))


def _with_lost(bins, lost):
    """Where the version wants the share of lost dies."""
    return [*bins, lost] if LOST == "end" else [lost, *bins]


def _parted(out):
    """The shares of the bins, and the share that is lost."""
    return (out[:-1], out[-1]) if LOST == "end" else (out[1:], out[0])


@wrong("dead-blocks", says="the share that is lost stands at the end")
def forgets_the_lost(*args):
    return _parted(_bins(*args))[0]


@wrong("dead-blocks", says="the rest of the die was left out")
def forgets_the_rest(*args):
    return _bins(*args, rest=lambda cm2: 0)


@wrong("dead-blocks", says="p and 1 - p are swapped")
def dead_for_alive(*args):
    return _bins(*args, swapped=True)


@wrong("dead-blocks", says="almost no die works")
def mm2_for_cm2(die_mm2, *args):
    return _bins(100 * die_mm2, *args)


@wrong("dead-blocks", says="each block got the area of all blocks")
def each_block_has_all_the_area(*args):
    return _bins(*args, block=lambda cm2: cm2 * args[1])


@wrong("dead-blocks", says="the blocks cover 40 % of the die, not all of it")
def blocks_cover_the_die(*args):
    return _bins(*args, block=lambda cm2: cm2 / args[2])


@wrong("dead-blocks", says="the rest is 60 % of the die, not all of it")
def rest_is_the_die(*args):
    return _bins(*args, rest=lambda cm2: cm2)


@wrong("dead-blocks", says="the rest was given the area of the blocks")
def rest_is_the_blocks(*args):
    return _bins(*args, rest=lambda cm2: cm2 * args[1])


@wrong("dead-blocks", says="in the first bin all of them are")
def one_block_stands_for_all(*args):
    return _bins(*args, n_alive=1)


@wrong("dead-blocks", says="the second bin holds the first one, too")
def bins_that_overlap(*args):
    return _bins(*args, cumulative=True)


@wrong("dead-blocks", says="any of the 4 blocks may be the dead one")
def one_way_only(*args):
    return _bins(*args, comb=False)


@wrong("dead-blocks", says="exactly one DEFECT")
def counts_defects(*args):
    return _bins(*args, count="defects")


@wrong("dead-blocks", says="dies whose rest has a defect are lost, too")
def lost_by_their_blocks_alone(*args):
    bins, _ = _parted(_bins(*args))
    _, lost = _parted(_bins(*args, rest=lambda cm2: 0))
    rest_works = sum(share * math.exp(-HARMFUL * d * args[0] / 100 * (1 - args[1])) for share, d in args[4])
    return _with_lost(bins, rest_works * lost)


@wrong("dead-blocks", says="the first takes 0 and 1 dead blocks")
def exactly_as_many_dead(*args):
    *front, most_dead, places = args
    bins = [
        _parted(_bins(*front, [most - 1, most] if most else [0], places))[0][-1]
        for most in most_dead
    ]  # fmt: skip
    return _with_lost(bins, 1 - sum(bins))


@wrong("dead-blocks", says="only the first is used")
def first_place_only(*args):
    return _bins(*args[:4], [(1.0, args[4][0][1])])


@wrong("dead-blocks", says="the mean density was put in")
def mean_density(*args):
    return _bins(*args[:4], [(1.0, sum(share * d for share, d in args[4]))])


@wrong("dead-blocks", says="a place counts by its share of the dies")
def places_count_alike(*args):
    return _bins(*args[:4], [(1 / len(args[4]), d) for _, d in args[4]])


@wrong("dead-blocks", says="the places were added up")
def adds_the_places(*args):
    return _bins(*args, weight=False)


@wrong("dead-blocks", says="end your function with `return ...`")
def no_shares_come_back(*args):
    bin_shares(*args)


@wrong("dead-blocks", hidden=True)
def two_places_at_most(*args):
    return bin_shares(*args[:4], args[4][:2])


@wrong("dead-blocks", hidden=True)
def two_bins_at_most(*args):
    bins, lost = _parted(bin_shares(*args))
    return _with_lost(bins if len(bins) <= 2 else [bins[0], sum(bins[1:])], lost)


def _bill(job, x_of="piece", link=True, test="in", power=None, joins=None, join="in", wafers=math.ceil, made=True,
          paid=True, twice=False):  # fmt: skip
    n, per_wafer = job["n"], job["per_wafer"] - TEST_PLACES
    piece_mm2 = job["logic_mm2"] / n + (job["link_mm2"] if n > 1 or not link else 0)
    mm2 = {"piece": piece_mm2, "logic": job["logic_mm2"], "no link": job["logic_mm2"] / n}[x_of]
    piece_yield = (1 + mm2 / 100 * job["defects_per_cm2"] / job["alpha"]) ** -job["alpha"]
    usd, test_usd = job["wafer_usd"] / per_wafer, job["test_usd"]
    chip_yield = job["join_yield"] ** (n if joins is None else joins)
    if job["tested"]:
        usd = (usd + test_usd) / piece_yield if test == "in" else usd / piece_yield + test_usd
    else:
        chip_yield *= piece_yield ** (n if power is None else power)
        usd += 0 if paid else test_usd
    pieces = job["chips"] * n / chip_yield
    pieces /= piece_yield if (job["tested"] and made) or twice else 1
    each = (n * usd + job["join_usd"]) / chip_yield if join == "in" else n * usd / chip_yield + job["join_usd"]
    return {
        "piece_mm2": piece_mm2, "piece_yield": piece_yield, "chip_yield": chip_yield, "usd": each,
        "wafers": wafers(pieces / per_wafer),
    }  # fmt: skip


@wrong("small-dies", says="piece_yield is 0.117: read item 2 again")
def bug_of_the_area_stays(job):
    return _bill(job, x_of="logic")


@wrong("small-dies", says="piece_yield is 0.260")
def link_has_no_defects(job):
    return _bill(job, x_of="no link")


@wrong("small-dies", says="usd is 609.38: read item 4 again")
def bug_of_the_test_stays(job):
    return _bill(job, test="out")


@wrong("small-dies", says="chip_yield is 0.16: read item 6 again")
def bug_of_the_untested_stays(job):
    return _bill(job, power=1)


@wrong("small-dies", says="as if every piece worked: read item 6 again")
def untested_pieces_are_good(job):
    return _bill(job, power=0)


@wrong("small-dies", says="usd is 622.50: read item 5 again")
def bug_of_the_joining_stays(job):
    return _bill(job, join="out")


@wrong("small-dies", says="usd is 575.63: read items 4 and 5 again")
def both_bugs_of_the_price_stay(job):
    return _bill(job, test="out", join="out")


@wrong("small-dies", says="wafers is 16: read item 4 again")
def bug_of_the_pieces_stays(job):
    return _bill(job, made=False)


@wrong("small-dies", says="piece_yield came in twice")
def divides_by_the_yield_in_any_case(job):
    return _bill(job, twice=True)


@wrong("small-dies", says="chip_yield is 0.80 with tested pieces: read item 5 again")
def joins_once(job):
    return _bill(job, joins=1)


@wrong("small-dies", says="wafers is 61: whole wafers are wanted, and 61 are too few")
def floors_the_wafers(job):
    return _bill(job, wafers=int)


@wrong("small-dies", says="usd is 3,750: read the end of item 4 again")
def pays_for_tests_that_are_not_made(job):
    return _bill(job, paid=False)


@wrong("small-dies", says="this line had no bug")
def divides_the_link_too(job):
    return _bill(job) | {"piece_mm2": (job["logic_mm2"] + job["link_mm2"]) / job["n"]}


@wrong("small-dies", says="one piece of 250 mm² is joined as well, item 5")
def one_piece_is_not_joined(job):
    return _bill(job, joins=job["n"] if job["n"] > 1 else 0)


@wrong("small-dies", says="one piece needs no link")
def one_piece_with_a_link(job):
    return _bill(job, link=False)


@wrong("small-dies", says="piece_yield is 0.117: read item 2 again")
def all_five_stay(job):
    return chip_cost_with_bugs(job)


@wrong("small-dies", says="end your function with `return ...`")
def no_bill(job):
    _bill(job)


@wrong("small-dies", hidden=True)
def untested_means_two_pieces(job):
    return _bill(job, power=min(job["n"], 2))


@wrong("small-dies", hidden=True)
def alpha_is_two(job):
    return _bill(job | {"alpha": 2})


def _ends(entry, half=0.5, digits=None, exact_ints=True, exact_text=False, pair="cross"):
    if isinstance(entry, int) and exact_ints:
        return entry, entry
    if isinstance(entry, (str, int)):
        text = str(entry).replace(",", "")
        decimals = len(text.partition(".")[2]) if digits is None else digits(text)
        reach = 0 if exact_text else half * 10**-decimals
        return float(text) - reach, float(text) + reach
    (a, b), (c, d) = (_ends(part, half, digits, exact_ints, exact_text) for part in entry)
    return {"cross": (a - d, b - c), "straight": (a - c, b - d), "first only": (a - (c + d) / 2, b - (c + d) / 2)}[pair]


def _allows(over, under, printed, crossed=True, judge=None, **how):
    low = high = 1.0
    for entry in over:
        a, b = _ends(entry, **how)
        low, high = low * a, high * b
    for entry in under:
        a, b = _ends(entry, **how)
        low, high = (low / b, high / a) if crossed else (low / a, high / b)
    a, b = _ends(printed, **how)
    can_be = low <= b and a <= high
    if judge:
        nominal = math.prod(sum(_ends(x)) / 2 for x in over) / math.prod(sum(_ends(x)) / 2 for x in under)
        can_be = judge(low, high, a, b, nominal)
    return {"low": low, "high": high, "can_be": bool(can_be)}


@wrong("printed", says="2.50 is taken as exact")
def inputs_are_exact(*args):
    return _allows(*args, exact_text=True)


@wrong("printed", says="half a unit of the last digit on either side")
def a_whole_unit(*args):
    return _allows(*args, half=1)


@wrong("printed", says="count digits before you make a float")
def digits_of_the_float(*args):
    return _allows(*args, digits=lambda text: len(repr(float(text)).partition(".")[2].rstrip("0")))


@wrong("printed", says="the unit is that of the last digit printed")
def unit_is_always_1(*args):
    return _allows(*args, digits=lambda text: 0)


@wrong("printed", says="an int is exact")
def ints_are_rounded(*args):
    return _allows(*args, exact_ints=False)


@wrong("printed", says="divide by the LARGEST")
def low_over_low(*args):
    return _allows(*args, crossed=False)


@wrong("printed", says="Compare two ranges, not 2 with a range")
def printed_as_a_point(*args):
    return _allows(*args, judge=lambda low, high, a, b, nominal: low <= (a + b) / 2 <= high)


@wrong("printed", says="not all of it, but 2.21 to 2.25 is common to both")
def printed_must_hold_all(*args):
    return _allows(*args, judge=lambda low, high, a, b, nominal: a <= low and high <= b)


@wrong("printed", says="it can be, though 9 / 4 is 2.25")
def only_the_nominal_result(*args):
    return _allows(*args, judge=lambda low, high, a, b, nominal: a <= nominal <= b)


@wrong("printed", says="2.28 lies inside")
def one_end_of_the_range_must_be_printed(*args):
    return _allows(*args, judge=lambda low, high, a, b, nominal: a <= low <= b or a <= high <= b)


@wrong("printed", says="2.4 stands for 2.35 to 2.45, so it cannot be")
def only_one_end_is_looked_at(*args):
    return _allows(*args, judge=lambda low, high, a, b, nominal: low <= b)


@wrong("printed", says="2.1 stands for 2.05 to 2.15, so it cannot be")
def only_the_other_end_is_looked_at(*args):
    return _allows(*args, judge=lambda low, high, a, b, nominal: a <= high)


@wrong("printed", says="its second HIGH")
def low_minus_low(*args):
    return _allows(*args, pair="straight")


@wrong("printed", says="both numbers of a difference are rounded")
def second_number_is_exact(*args):
    return _allows(*args, pair="first only")


@wrong("printed", says="where 9 - 6 is 2 to 4")
def differences_below_are_not_crossed(*args):
    over, under, printed = args
    low = high = 1.0
    for entry in over:
        low, high = low * _ends(entry)[0], high * _ends(entry)[1]
    for entry in under:
        a, b = _ends(entry, pair="straight") if isinstance(entry, list) else _ends(entry)
        low, high = low / b, high / a
    a, b = _ends(printed)
    return {"low": low, "high": high, "can_be": low <= b and a <= high}


@wrong("printed", says="12,345 stands for 12,344.5 to 12,345.5")
def comma_is_a_decimal_point(*args):
    over, under, printed = args
    swap = lambda entry: entry.replace(",", ".") if isinstance(entry, str) else entry  # noqa: E731
    return _allows([swap(entry) for entry in over], [swap(entry) for entry in under], swap(printed))


@wrong("printed", says="can_be is True or False")
def yes_or_no(*args):
    out = allows(*args)
    return out | {"can_be": "yes" if out["can_be"] else "no"}


@wrong("printed", says="end your function with `return ...`")
def no_range(*args):
    allows(*args)


@wrong("printed", hidden=True)
def one_decimal_or_two(*args):
    return _allows(*args, digits=lambda text: min(len(text.partition(".")[2]), 2))


@wrong("printed", hidden=True)
def two_entries_below_at_most(*args):
    over, under, printed = args
    return _allows(over, under if len(under) < 3 or isinstance(under[-1], list) else under[:2], printed)
