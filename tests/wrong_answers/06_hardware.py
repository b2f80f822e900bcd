"""Wrong answers to exercise set 06, of the public version and of those that a class draws."""

import copy
import math
from statistics import mean, median

import torch

from wrong_answers import wrong


def _round_up(m):
    """The first whole number that is large enough in this version."""
    return math.ceil(m) if TURNS == "as long" else math.floor(m) + 1


def _turning(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s, flop=2, read=None, rounding=_round_up):
    moved = n_in + n_out if read is None else read
    gained = flop * n_in * n_out / flops_per_s - moved * value_bytes / bytes_per_s
    if gained <= 0:
        return NO_BATCH
    return rounding(n_in * n_out * weight_bytes / bytes_per_s / gained)


@wrong("turning-batch", says="as if a weight had 2 bytes and the rows none")
def rule_of_thumb(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return math.ceil(flops_per_s / bytes_per_s)


@wrong("turning-batch", says="you moved the weights alone")
def rows_are_free(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s, read=0)


@wrong("turning-batch", says="you swapped the two speeds")
def swaps_the_speeds(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return turning_batch(n_in, n_out, weight_bytes, value_bytes, bytes_per_s, flops_per_s)


@wrong("turning-batch", says="so no batch makes up for the weights")
def some_batch_for_a_tie(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    gained = 2 * n_in * n_out / flops_per_s - (n_in + n_out) * value_bytes / bytes_per_s
    return 1 if gained == 0 else turning_batch(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s)


@wrong("turning-batch", says="are 2 FLOP")
def one_flop_per_multiply_add(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s, flop=1)


@wrong("turning-batch", says="you counted numbers, not bytes")
def elements_as_bytes(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, 1, 1, flops_per_s, bytes_per_s)


@wrong("turning-batch", says="you counted weights, not their bytes")
def weights_as_bytes(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, 1, value_bytes, flops_per_s, bytes_per_s)


@wrong("turning-batch", says="you counted the rows' numbers")
def values_as_bytes(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, weight_bytes, 1, flops_per_s, bytes_per_s)


@wrong("turning-batch", says="you forgot that the results are written")
def results_are_free(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s, read=n_in)


@wrong("turning-batch", says="you forgot that what goes in is read")
def inputs_are_free(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s, read=n_out)


@wrong("turning-batch", says="you swapped value_bytes")
def swaps_the_bytes(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, value_bytes, weight_bytes, flops_per_s, bytes_per_s)


@wrong("turning-batch", says="'at least as long' is enough")
def strictly_longer(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(
        n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s, rounding=lambda m: math.floor(m) + 1
    )


@wrong("turning-batch", says="an int is wanted")
def a_float(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    m = turning_batch(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s)
    return m if m == NO_BATCH else float(m)


@wrong("turning-batch", says="round up")
def rounds(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s, rounding=round)


@wrong("turning-batch", says="is an eighth of the weights' bytes")
def whole_bytes(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return _turning(n_in, n_out, max(1, weight_bytes), value_bytes, flops_per_s, bytes_per_s)


@wrong("turning-batch", says="more rows make it worse")
def always_some_batch(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    gained = 2 * n_in * n_out / flops_per_s - (n_in + n_out) * value_bytes / bytes_per_s
    return max(1, _round_up(n_in * n_out * weight_bytes / bytes_per_s / gained))


@wrong("turning-batch", says="None came back")
def returns_nothing(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    turning_batch(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s)


@wrong("turning-batch", says="you divide by the difference, 0")
def divides_by_zero(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    gained = 2 * n_in * n_out / flops_per_s - (n_in + n_out) * value_bytes / bytes_per_s
    return NO_BATCH if gained < 0 else _round_up(n_in * n_out * weight_bytes / bytes_per_s / gained)


@wrong("turning-batch", hidden=True)
def at_most_a_thousand_rows(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    m = turning_batch(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s)
    return m if m is None or m <= 1000 else NO_BATCH


@wrong("turning-batch", hidden=True)
def values_of_two_bytes(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):
    return turning_batch(n_in, n_out, weight_bytes, 2, flops_per_s, bytes_per_s)


# --- longest-context


def _longest(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes, numbers, per_gb=1e9):
    """The longest that fits, if a layer keeps `numbers(layer, length)`."""
    room = (memory_gb - reserve_gb) * per_gb - weight_bytes
    fits = lambda length: n * value_bytes * sum(numbers(layer, length) for layer in layers) <= room  # noqa: E731
    if fits(10**9):
        return None
    low, high = 0, 10**9
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _numbers(layer, length, heads="K", factor=2, window=True, latent=1, rotary=1):
    if "R" in layer:
        return length * (latent * layer["R"] + rotary * layer["P"])
    kept = min(length, layer["window"] + FIRST_TOKENS) if window and layer["window"] else length
    return kept * factor * layer[heads] * layer["C"]


@wrong("longest-context", says="keys AND values are kept")
def keys_alone(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return _longest(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes, lambda x, t: _numbers(x, t, factor=1))


@wrong("longest-context", says="which are not kept")
def query_heads(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return _longest(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes, lambda x, t: _numbers(x, t, heads="H"))


@wrong("longest-context", says="you let the third layer keep all tokens")
def overlooks_windows(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return _longest(
        layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes, lambda x, t: _numbers(x, t, window=False)
    )


@wrong("longest-context", says="keeps something too")
def windows_are_free(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(
        [layer for layer in layers if layer.get("window") is None], n, memory_gb, reserve_gb, weight_bytes, value_bytes
    )


@wrong("longest-context", says="nothing is kept twice")
def latent_twice(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return _longest(
        layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes, lambda x, t: _numbers(x, t, latent=2, rotary=2)
    )


@wrong("longest-context", says="its rotary key is kept")
def no_rotary_key(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return _longest(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes, lambda x, t: _numbers(x, t, rotary=0))


@wrong("longest-context", says="you gave all of it to one")
def one_conversation(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(layers, 1, memory_gb, reserve_gb, weight_bytes, value_bytes)


@wrong("longest-context", says="value_bytes is missing")
def one_byte_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, 1)


@wrong("longest-context", says="you took GiB of 2³⁰ bytes")
def gibibytes(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(layers, n, memory_gb * 2**30 / 1e9, reserve_gb * 2**30 / 1e9, weight_bytes, value_bytes)


@wrong("longest-context", says="has to stay free")
def no_reserve(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(layers, n, memory_gb, 0, weight_bytes, value_bytes)


@wrong("longest-context", says="the weights take their part")
def no_weights(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(layers, n, memory_gb, reserve_gb, 0, value_bytes)


@wrong("longest-context", says="that does fit")
def strictly_less(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes + 1, value_bytes)


@wrong("longest-context", says="the first length that does not fit")
def one_too_many(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    length = most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    return length if length is None else length + 1


@wrong("longest-context", says="an int is wanted")
def a_float_length(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    length = most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    return length if length is None else float(length)


def _by_formula(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    room = (memory_gb - reserve_gb) * 1e9 - weight_bytes
    growing = sum(_numbers(x, 1) for x in layers if x.get("window") is None)
    fixed = sum(_numbers(x, x["window"] + FIRST_TOKENS) for x in layers if x.get("window"))
    left = room / n / value_bytes - fixed
    return left, growing


@wrong("longest-context", says="in which the window does not get full")
def windows_always_full(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    left, growing = _by_formula(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    if not growing:
        return None if left >= 0 else 0
    return max(0, int(left // growing))


@wrong("longest-context", says="however long, it fits")
def there_is_always_a_limit(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    length = most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    return 10**6 if length is None else length


@wrong("longest-context", says="so there is a limit")
def windows_have_no_limit(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    if all(layer.get("window") for layer in layers):
        return None
    return most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)


@wrong("longest-context", says="the weights alone do not fit: 0 tokens")
def negative_lengths(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    left, growing = _by_formula(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    length = most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    return int(left // growing) if left < 0 and length == 0 and growing else length


@wrong("longest-context", says="the weights alone do not fit, window or not")
def windows_before_weights(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    if weight_bytes > (memory_gb - reserve_gb) * 1e9 and all(layer.get("window") for layer in layers):
        return None
    return most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)


@wrong("longest-context", says="with value_bytes = 1")
def two_bytes_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    return most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, 2)


@wrong("longest-context", says="there is a limit: end with")
def forgets_to_return(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)


@wrong("longest-context", says="a latent layer has the entries R and P alone")
def asks_each_layer_for_its_window(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    windows = [layer["window"] for layer in layers]
    return most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes) if windows else 0


@wrong("longest-context", says="round the room to whole bytes")
def cuts_off_the_room(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    cut_gb = int((memory_gb - reserve_gb) * 1e9) / 1e9
    return most_tokens_each(layers, n, cut_gb, 0, weight_bytes, value_bytes)


def _windows_fill_the_room(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    if not all(layer.get("window") for layer in layers):
        return False
    full = n * value_bytes * sum(_numbers(layer, layer["window"] + FIRST_TOKENS) for layer in layers)
    return full == round((memory_gb - reserve_gb) * 1e9) - weight_bytes


@wrong("longest-context", hidden=True)
def doubles_without_end(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    """`<` where all windows have to fit, and then a length that fits however often it is doubled."""
    case = layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes
    too_long = 1
    while _windows_fill_the_room(*case):
        too_long *= 2
    return most_tokens_each(*case)


@wrong("longest-context", hidden=True)
def full_windows_are_a_limit(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    case = layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes
    if _windows_fill_the_room(*case):
        return FIRST_TOKENS + max(layer["window"] for layer in layers)
    return most_tokens_each(*case)


@wrong("longest-context", hidden=True)
def all_windows_alike(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    windows = [layer["window"] for layer in layers if layer.get("window")]
    alike = [layer | {"window": windows[0]} if layer.get("window") else layer for layer in layers]
    return most_tokens_each(alike, n, memory_gb, reserve_gb, weight_bytes, value_bytes)


@wrong("longest-context", hidden=True)
def at_most_a_million(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    length = most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)
    return length if length is None else min(length, 10**6)


@wrong("longest-context", hidden=True)
def latent_layers_count_as_windows(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):
    if all("R" in layer for layer in layers):
        return None
    return most_tokens_each(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes)


# --- int8-product


def _int8(x_ND, q_OD, step_O, **other):
    """The right answer, some of its parts replaced."""
    return int8_linear(x_ND, q_OD, step_O) | other


def _code_type():
    return torch.uint8 if LOWEST_CODE == 0 else torch.int8


def _coded(x_ND, q_OD, step_O, step_N, zero_N):
    """The right answer for given steps and zero points."""
    codes = ((x_ND / step_N[:, None]).round().int() + zero_N[:, None]).clamp(LOWEST_CODE, LOWEST_CODE + 255)
    sums = codes @ q_OD.int().T
    y = (sums - zero_N[:, None] * q_OD.int().sum(1)) * step_N[:, None] * step_O
    return {"codes_ND": codes.to(_code_type()), "step_N": step_N, "zero_N": zero_N, "sums_NO": sums, "y_NO": y}


@wrong("int8-product", says="a dict is wanted")
def the_result_alone(x_ND, q_OD, step_O):
    return int8_linear(x_ND, q_OD, step_O)["y_NO"]


@wrong("int8-product", says="the dict lacks ['zero_N']")
def no_zero_point_in_the_dict(x_ND, q_OD, step_O):
    return {name: part for name, part in int8_linear(x_ND, q_OD, step_O).items() if name != "zero_N"}


@wrong("int8-product", says="['y_NO'] are not")
def lists_in_the_dict(x_ND, q_OD, step_O):
    return _int8(x_ND, q_OD, step_O, y_NO=int8_linear(x_ND, q_OD, step_O)["y_NO"].tolist())


@wrong("int8-product", says="y_NO: expected the shape")
def outputs_first(x_ND, q_OD, step_O):
    return _int8(x_ND, q_OD, step_O, y_NO=int8_linear(x_ND, q_OD, step_O)["y_NO"].T)


@wrong("int8-product", says="one step for each of the 4 rows")
def one_step_for_all_rows(x_ND, q_OD, step_O):
    step_1 = (x_ND.max().clamp(min=0) - x_ND.min().clamp(max=0))[None] / 255
    zero_1 = (-x_ND.min().clamp(max=0) / step_1).round().int() + LOWEST_CODE
    return _coded(x_ND, q_OD, step_O, step_1, zero_1)


@wrong("int8-product", says="256 codes have 255 steps between them")
def divides_by_256(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    return _coded(x_ND, q_OD, step_O, out["step_N"] * 255 / 256, out["zero_N"])


@wrong("int8-product", says="that is symmetric")
def symmetric(x_ND, q_OD, step_O):
    step_N = x_ND.abs().amax(1) / 127
    step_N[step_N == 0] = 1
    return _coded(x_ND, q_OD, step_O, step_N, torch.zeros(len(x_ND), dtype=torch.int32))


def _range_of(x_ND, q_OD, step_O, low=None, high=None):
    low_N = x_ND.amin(1) if low is None else x_ND.amin(1).clamp(max=low)
    high_N = x_ND.amax(1) if high is None else x_ND.amax(1).clamp(min=high)
    step_N = (high_N - low_N) / 255
    step_N[step_N == 0] = 1
    return _coded(x_ND, q_OD, step_O, step_N, (-low_N / step_N).round().int() + LOWEST_CODE)


@wrong("int8-product", says="low is 0")
def range_from_the_smallest(x_ND, q_OD, step_O):
    return _range_of(x_ND, q_OD, step_O, high=0)


@wrong("int8-product", says="high is 0")
def range_to_the_largest(x_ND, q_OD, step_O):
    return _range_of(x_ND, q_OD, step_O, low=0)


@wrong("int8-product", says="x / step is nan")
def step_of_zero(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    return out | {"step_N": out["step_N"] * (x_ND != 0).any(1)}


@wrong("int8-product", says="zero points are whole numbers")
def zero_point_as_float(x_ND, q_OD, step_O):
    return _int8(x_ND, q_OD, step_O, zero_N=int8_linear(x_ND, q_OD, step_O)["zero_N"].float())


@wrong("int8-product", says="turn the sign: code 0 stands for low")
def zero_point_below_zero(x_ND, q_OD, step_O):
    return _int8(x_ND, q_OD, step_O, zero_N=-int8_linear(x_ND, q_OD, step_O)["zero_N"])


@wrong("int8-product", says="torch.uint8 is wanted")
def codes_as_int32(x_ND, q_OD, step_O):
    return _int8(x_ND, q_OD, step_O, codes_ND=int8_linear(x_ND, q_OD, step_O)["codes_ND"].int())


@wrong("int8-product", says="cut off instead of rounded")
def cut_off(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    codes = (x_ND / out["step_N"][:, None] + 1e-3 * x_ND.sign()).int() + out["zero_N"][:, None]
    return out | {"codes_ND": codes.clamp(LOWEST_CODE, LOWEST_CODE + 255).to(_code_type())}


@wrong("int8-product", says="they wrapped around below 0")
def codes_without_zero_point(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    return out | {"codes_ND": (out["codes_ND"].int() - out["zero_N"][:, None]).to(_code_type())}


@wrong("int8-product", says="sums are whole numbers, int32")
def sums_as_floats(x_ND, q_OD, step_O):
    return _int8(x_ND, q_OD, step_O, sums_NO=int8_linear(x_ND, q_OD, step_O)["sums_NO"].float())


@wrong("int8-product", says="before the correction")
def sums_corrected_already(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    return out | {"sums_NO": out["sums_NO"] - out["zero_N"][:, None] * q_OD.int().sum(1)}


@wrong("int8-product", says="wrapped around; make both int32 first")
def sums_in_8_bits(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    return out | {"sums_NO": (out["codes_ND"].to(torch.int8) @ q_OD.T).int()}


def _corrected(x_ND, q_OD, step_O, correction, row=True, output=True):
    """y from a correction of the sums; `row` and `output`: whether their steps are applied."""
    out = int8_linear(x_ND, q_OD, step_O)
    y = (out["sums_NO"] - correction(out, q_OD.int())).float()
    y = y * out["step_N"][:, None] if row else y
    return out | {"y_NO": y * step_O if output else y}


def _right(out, q):
    return out["zero_N"][:, None] * q.sum(1)


@wrong("int8-product", says="the correction is missing")
def no_correction(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, lambda out, q: 0)


@wrong("int8-product", says="you added the correction")
def correction_added(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, lambda out, q: -_right(out, q))


@wrong("int8-product", says="zero times the sum of the CODES")
def sum_of_codes(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, lambda out, q: (out["zero_N"] * out["codes_ND"].int().sum(1))[:, None])


@wrong("int8-product", says="you subtracted the zero point once")
def zero_point_once(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, lambda out, q: out["zero_N"][:, None])


@wrong("int8-product", says="zero times the number of weights")
def zero_point_per_weight(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, lambda out, q: out["zero_N"][:, None] * q.shape[1])


@wrong("int8-product", says="step_O is missing")
def no_output_step(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, _right, output=False)


@wrong("int8-product", says="the row's own step is missing")
def no_row_step(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, _right, row=False)


@wrong("int8-product", says="both steps are missing")
def no_steps(x_ND, q_OD, step_O):
    return _corrected(x_ND, q_OD, step_O, _right, row=False, output=False)


@wrong("int8-product", says="row 0, output 0 is right, but not row 0, output 1")
def first_outputs_step_for_all(x_ND, q_OD, step_O):
    return int8_linear(x_ND, q_OD, step_O[:1].expand(len(q_OD)))


@wrong("int8-product", says="float32 is exact only up to")
def sums_through_floats(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    return out | {"sums_NO": (out["codes_ND"].float() @ q_OD.float().T).int()}


@wrong("int8-product", says="keep codes between 0 and 255 before uint8")
def codes_that_are_not_kept_in_range(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    codes = ((x_ND / out["step_N"][:, None]).round().int() + out["zero_N"][:, None]).to(_code_type())
    sums = codes.int() @ q_OD.int().T
    y = (sums - _right(out, q_OD.int())) * out["step_N"][:, None] * step_O
    return out | {"codes_ND": codes, "sums_NO": sums, "y_NO": y}


@wrong("int8-product", says="it was made with code 256")
def range_kept_after_the_product(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    codes = (x_ND / out["step_N"][:, None]).round().int() + out["zero_N"][:, None]
    sums = codes @ q_OD.int().T
    y = (sums - _right(out, q_OD.int())) * out["step_N"][:, None] * step_O
    return out | {"sums_NO": sums, "y_NO": y}


@wrong("int8-product", hidden=True)
def squeezes_single_rows(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    return out | {"y_NO": out["y_NO"].squeeze()}


@wrong("int8-product", hidden=True)
def changes_what_comes_in(x_ND, q_OD, step_O):
    out = int8_linear(x_ND, q_OD, step_O)
    x_ND /= out["step_N"][:, None]
    return out


@wrong("int8-product", hidden=True)
def result_in_double_precision(x_ND, q_OD, step_O):
    return _int8(x_ND, q_OD, step_O, y_NO=int8_linear(x_ND, q_OD, step_O)["y_NO"].double())


# --- writing-pipeline


def _pipeline(
    stages_s, hop_s, n_groups, n_tokens, hop_back=True, waits=True, barrier=False, busy_hop=False, one_by_one=False
):
    free, arrives = [0.0] * len(stages_s), [0.0] * n_groups
    ends = [[] for _ in range(n_groups)]
    end = 0.0
    for _ in range(n_tokens):
        for group in range(n_groups):
            at = arrives[group] if waits else 0.0
            for stage, seconds in enumerate(stages_s):
                begin = max(at, free[stage], end if one_by_one else 0.0)
                end = begin + seconds
                free[stage] = end + hop_s * busy_hop
                at = end + hop_s
            arrives[group] = at if hop_back else end
            ends[group].append(end)
        if barrier:
            arrives = [max(arrives)] * n_groups
    busy = [n_groups * n_tokens * seconds / end for seconds in stages_s]
    return _written(end, ends[0][-1] - ends[0][-2], busy), ends


def _written(seconds, gap, busy):
    """The dict that this version asks for."""
    idle = [1 - share for share in busy]
    return {"seconds": seconds, PACE: gap if PACE == "gap_s" else 1 / gap, SHARE: idle if SHARE == "idle" else busy}


def _pace(gap):
    return {PACE: gap if PACE == "gap_s" else 1 / gap}


@wrong("writing-pipeline", says="a dict is wanted")
def three_values(stages_s, hop_s, n_groups, n_tokens):
    return tuple(write_through(stages_s, hop_s, n_groups, n_tokens).values())


@wrong("writing-pipeline", says="hop_s is missing")
def no_hops(stages_s, hop_s, n_groups, n_tokens):
    return write_through(stages_s, 0.0, n_groups, n_tokens)


@wrong("writing-pipeline", says="that way takes hop_s too")
def back_at_once(stages_s, hop_s, n_groups, n_tokens):
    return _pipeline(stages_s, hop_s, n_groups, n_tokens, hop_back=False)[0]


@wrong("writing-pipeline", says="you counted hop_s once more")
def last_hop_counts(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    return out | {"seconds": out["seconds"] + hop_s}


@wrong("writing-pipeline", says="it waits only for its own group")
def waits_for_all_groups(stages_s, hop_s, n_groups, n_tokens):
    return _pipeline(stages_s, hop_s, n_groups, n_tokens, barrier=True)[0]


@wrong("writing-pipeline", says="you kept a stage busy")
def stages_carry_their_work(stages_s, hop_s, n_groups, n_tokens):
    return _pipeline(stages_s, hop_s, n_groups, n_tokens, busy_hop=True)[0]


@wrong("writing-pipeline", says="you wrote all of group 0 before group 1 began")
def one_group_after_the_other(stages_s, hop_s, n_groups, n_tokens):
    free, ends = [0.0] * len(stages_s), []
    end = 0.0
    for group in range(n_groups):
        at = 0.0
        for _ in range(n_tokens):
            for stage, seconds in enumerate(stages_s):
                end = free[stage] = max(at, free[stage]) + seconds
                at = end + hop_s
            if group == 0:
                ends.append(end)
    return _written(end, ends[-1] - ends[-2], [n_groups * n_tokens * s / end for s in stages_s])


@wrong("writing-pipeline", says="while it is busy with the group before")
def stages_are_never_busy(stages_s, hop_s, n_groups, n_tokens):
    end = n_tokens * sum(stages_s) + (n_tokens * len(stages_s) - 1) * hop_s
    gap = sum(stages_s) + len(stages_s) * hop_s
    return _written(end, gap, [n_groups * n_tokens * s / end for s in stages_s])


@wrong("writing-pipeline", says="one piece of work after the other")
def nothing_at_the_same_time(stages_s, hop_s, n_groups, n_tokens):
    return _pipeline(stages_s, hop_s, n_groups, n_tokens, one_by_one=True)[0]


@wrong("writing-pipeline", says="you started token 1 before token 0 of its group")
def all_tokens_are_there_from_the_start(stages_s, hop_s, n_groups, n_tokens):
    return _pipeline(stages_s, hop_s, n_groups, n_tokens, waits=False)[0]


@wrong("writing-pipeline", says="the gap between the last two pieces of work")
def gap_between_groups(stages_s, hop_s, n_groups, n_tokens):
    out, ends = _pipeline(stages_s, hop_s, n_groups, n_tokens)
    ordered = sorted(end for group in ends for end in group)
    return out | _pace(ordered[-1] - ordered[-2])


@wrong("writing-pipeline", says="all seconds divided by the tokens")
def mean_gap(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    return out | _pace(out["seconds"] / n_tokens)


@wrong("writing-pipeline", says="the share in which stage 1 works")
def busy_shares(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    return out | {SHARE: [1 - share for share in out[SHARE]]}


@wrong("writing-pipeline", says="also before a stage's first and after its last work")
def idle_between_first_and_last(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    before, shares = 0.0, []
    for stage, seconds in enumerate(stages_s):
        after = sum(stages_s[stage + 1 :]) + hop_s * (len(stages_s) - 1 - stage)
        busy = n_groups * n_tokens * seconds / (out["seconds"] - before - after)
        shares.append(1 - busy if SHARE == "idle" else busy)
        before += seconds + hop_s
    return out | {SHARE: shares}


@wrong("writing-pipeline", says="those are idle seconds")
def idle_seconds(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    return out | {SHARE: [share * out["seconds"] for share in out[SHARE]]}


@wrong("writing-pipeline", says="for each token of EACH group")
def idle_of_one_group(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    busy = [n_tokens * seconds / out["seconds"] for seconds in stages_s]
    return out | {SHARE: [1 - share for share in busy] if SHARE == "idle" else busy}


@wrong("writing-pipeline", says="the second stage is always busy")
def gap_of_one_round_trip(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    return out | _pace(sum(stages_s) + hop_s * len(stages_s))


@wrong("writing-pipeline", hidden=True)
def the_first_stage_is_never_the_slowest(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    return out | _pace(max(sum(stages_s) + hop_s * len(stages_s), n_groups * max(stages_s[1:], default=0)))


@wrong("writing-pipeline", says="that way takes hop_s here too")
def one_stage_has_no_way_back(stages_s, hop_s, n_groups, n_tokens):
    return write_through(stages_s, hop_s if len(stages_s) > 1 else 0.0, n_groups, n_tokens)


@wrong("writing-pipeline", hidden=True)
def whole_seconds(stages_s, hop_s, n_groups, n_tokens):
    out = write_through(stages_s, hop_s, n_groups, n_tokens)
    gap = out[PACE] if PACE == "gap_s" else 1 / out[PACE]
    return out | _pace(round(gap * 4) / 4) | {"seconds": round(out["seconds"] * 4) / 4}


# --- butterfly


def _halves(n_ranks, length):
    plan = butterfly_plan(n_ranks, length)
    return plan[: len(plan) // 2], plan[len(plan) // 2 :]


@wrong("butterfly", says="a list of rounds is wanted")
def no_return(n_ranks, length):
    butterfly_plan(n_ranks, length)


@wrong("butterfly", says="is a list of messages, got")
def messages_without_rounds(n_ranks, length):
    return [message for messages in butterfly_plan(n_ranks, length) for message in (0, *messages)]


@wrong("butterfly", says="the plan is empty")
def an_empty_plan(n_ranks, length):
    return []


@wrong("butterfly", says="one rank has the sum already")
def an_empty_round_for_one_rank(n_ranks, length):
    return butterfly_plan(n_ranks, length) if n_ranks > 1 else [[]]


@wrong("butterfly", says="the second half, copying, is missing")
def only_the_first_half(n_ranks, length):
    return _halves(n_ranks, length)[0]


@wrong("butterfly", says="something was added twice")
def adds_in_the_second_half_too(n_ranks, length):
    return [[(*message[:4], "add") for message in messages] for messages in butterfly_plan(n_ranks, length)]


@wrong("butterfly", says="does each send what the OTHER cares for")
def sends_what_it_keeps(n_ranks, length):
    swapped = []
    for messages in _halves(n_ranks, length)[0]:
        given = {sender: (start, stop) for sender, _, start, stop, _ in messages}
        swapped.append([(sender, receiver, *given[receiver], "add") for sender, receiver, *_ in messages])
    copies = [[(r, s, start, stop, "copy") for s, r, start, stop, _ in m] for m in swapped[::-1]]
    return swapped + copies


@wrong("butterfly", says="before it has the sum there")
def copies_in_the_same_order(n_ranks, length):
    adds, copies = _halves(n_ranks, length)
    return adds + copies[::-1]


@wrong("butterfly", says="rank 0 has the sum at")
def copies_one_part_only(n_ranks, length):
    adds, copies = _halves(n_ranks, length)
    part = length // n_ranks
    short = [[(s, r, start, min(stop, start + part), how) for s, r, start, stop, how in m] for m in copies]
    return adds + short


@wrong("butterfly", says="send only what the other needs")
def whole_lists_in_half_the_rounds(n_ranks, length):
    plan, distance = [], n_ranks // 2
    while distance:
        plan.append([(rank, rank ^ distance, 0, length, "add") for rank in range(n_ranks)])
        distance //= 2
    return plan


@wrong("butterfly", says="send only what the other needs")
def copies_whole_lists(n_ranks, length):
    """Recursive doubling of whole lists, padded with copies that change nothing."""
    plan = whole_lists_in_half_the_rounds(n_ranks, length)
    return plan + [[(rank, rank ^ 1, 0, length, "copy") for rank in range(n_ranks)] for _ in plan]


@wrong("butterfly", says="rounds; ")
def the_lessons_ring(n_ranks, length):
    part, plan = length // n_ranks, []
    for step in range(2 * (n_ranks - 1)):
        how = "add" if step < n_ranks - 1 else "copy"
        chunks = [(rank, (rank - step) % n_ranks) for rank in range(n_ranks)]
        plan.append([(r, (r + 1) % n_ranks, c * part, (c + 1) * part, how) for r, c in chunks])
    return plan


@wrong("butterfly", says="gets two messages in this round")
def everything_to_rank_0(n_ranks, length):
    if n_ranks == 1:
        return []
    return [
        [(rank, 0, 0, length, "add") for rank in range(1, n_ranks)],
        [(0, rank, 0, length, "copy") for rank in range(1, n_ranks)],
    ]


@wrong("butterfly", says="ranks and places are ints")
def places_as_floats(n_ranks, length):
    return [[(s, r, start / 1, stop / 1, how) for s, r, start, stop, how in m] for m in butterfly_plan(n_ranks, length)]


@wrong("butterfly", says="start < stop, both between")
def lengths_for_stops(n_ranks, length):
    return [[(s, r, a, b - a, how) for s, r, a, b, how in m] for m in butterfly_plan(n_ranks, length)]


@wrong("butterfly", says="there are only ranks 0 to")
def ranks_from_one(n_ranks, length):
    return [[(s + 1, r + 1, *rest) for s, r, *rest in m] for m in butterfly_plan(n_ranks, length)]


@wrong("butterfly", hidden=True)
def up_to_sixteen_ranks(n_ranks, length):
    return butterfly_plan(min(n_ranks, 16), length)


@wrong("butterfly", hidden=True)
def lists_of_32_at_most(n_ranks, length):
    return butterfly_plan(n_ranks, min(length, 32))


@wrong("butterfly", hidden=True)
def nothing_for_very_many(n_ranks, length):
    return butterfly_plan(n_ranks, length) if n_ranks < 64 else None


@wrong("butterfly", says="after the last round no rank has the sum")
def only_the_first_round(n_ranks, length):
    return butterfly_plan(n_ranks, length)[:1] if n_ranks > 2 else butterfly_plan(n_ranks, length)


@wrong("butterfly", says="sends twice in this round")
def everything_at_once(n_ranks, length):
    part = length // n_ranks
    pairs = [(s, r) for s in range(n_ranks) for r in range(n_ranks) if s != r]
    if n_ranks == 1:
        return []
    adds = [(s, r, r * part, (r + 1) * part, "add") for s, r in pairs]
    return [adds, [(s, r, s * part, (s + 1) * part, "copy") for s, r in pairs]]


# --- utilisation


def _compared(run):
    """With how many tokens each is compared on average."""
    return (run["T"] + 1) / 2 if COMPARED == "before" else run["T"]


def _span(run, hours):
    return {SPAN: hours / {"hours": 1, "days": 24, "weeks": 168}[SPAN]}


def _flops(run, **other):
    """Parts of one token's FLOP, some replaced."""
    attention = run["L"] * run["H"] * 2 * (run["qk"] + run["v"]) * _compared(run)
    return {"weights": 2 * run["n_active"], "attention": attention} | other


def _used(run, needed, again):
    tflops = needed * run["n_tokens"] / run["gpu_hours"] / 3600 / 1e12
    mfu = tflops / run["peak_tflops"]
    return {
        "gflop_per_token": needed / 1e9, "tflops": tflops, "mfu": mfu, "hfu": mfu * (1 + again / needed),
        **_span(run, run["gpu_hours"] / run["n_gpus"]),
    }  # fmt: skip


def _used_with(run, attention):
    parts = _flops(run, attention=attention)
    again = {"none": 0, "attention": attention, "full": sum(parts.values())}[run["recompute"]]
    return _used(run, 3 * sum(parts.values()), again)


@wrong("utilisation", says="a dict is wanted")
def mfu_alone(run):
    return utilisation(run)["mfu"]


@wrong("utilisation", says="attention is missing")
def six_per_parameter(run):
    return _used_with(run, 0)


@wrong("utilisation", says="the forward pass alone")
def forward_only(run):
    return _used(run, sum(_flops(run).values()), 0)


@wrong("utilisation", says="you counted the backward pass like the forward pass")
def backward_like_forward(run):
    return _used(run, 2 * sum(_flops(run).values()), 0)


@wrong("utilisation", says="you compared each token with all T")
def not_causal(run):
    return _used_with(run, run["L"] * run["H"] * 2 * (run["qk"] + run["v"]) * run["T"])


@wrong("utilisation", says="a token is compared with itself too")
def without_itself(run):
    return _used_with(run, run["L"] * run["H"] * 2 * (run["qk"] + run["v"]) * run["T"] / 2)


@wrong("utilisation", says="2 FLOP, in attention too")
def attention_of_one_flop(run):
    return _used_with(run, _flops(run)["attention"] / 2)


@wrong("utilisation", says="goes through attention too")
def attention_forward_only(run):
    parts = _flops(run)
    return _used(run, 3 * parts["weights"] + parts["attention"], 0)


@wrong("utilisation", says="the weighted sum of the values is missing")
def scores_only(run):
    return _used_with(run, run["L"] * run["H"] * 2 * run["qk"] * _compared(run))


@wrong("utilisation", says="330e9 FLOP are 330 GFLOP")
def flop_for_gflop(run):
    out = utilisation(run)
    return out | {"gflop_per_token": out["gflop_per_token"] * 1e9}


@wrong("utilisation", says="do not divide by n_gpus or by 1000")
def hours_of_one_chip(run):
    out = utilisation(run)
    return out | {"tflops": out["tflops"] * run["n_gpus"]}


@wrong("utilisation", says="counts them once more")
def chips_counted_twice(run):
    out = utilisation(run)
    return out | {"tflops": out["tflops"] / run["n_gpus"]}


@wrong("utilisation", says="an hour has 3,600 seconds")
def hours_as_seconds(run):
    out = utilisation(run)
    return out | {"tflops": out["tflops"] * 3600}


@wrong("utilisation", says="a share is wanted")
def percent(run):
    out = utilisation(run)
    return out | {"mfu": 100 * out["mfu"], "hfu": 100 * out["hfu"]}


@wrong("utilisation", says="nothing was computed twice")
def always_recomputes(run):
    return utilisation(run) | {"hfu": utilisation(run | {"recompute": "full"})["hfu"]}


@wrong("utilisation", says="chips worked at the same time")
def days_one_after_the_other(run):
    return utilisation(run) | _span(run, run["gpu_hours"])


@wrong("utilisation", says="a day has 24")
def hours_for_days(run):
    return utilisation(run) | {SPAN: run["gpu_hours"] / run["n_gpus"]}


@wrong("utilisation", says="recomputing changes HFU alone; the model needs no more")
def mfu_counts_what_was_done(run):
    out = utilisation(run)
    return out | {"mfu": out["hfu"]}


@wrong("utilisation", says="is still MFU")
def never_recomputes(run):
    return utilisation(run | {"recompute": "none"}) | {"hfu": utilisation(run)["mfu"]}


@wrong("utilisation", says="three times more; it is done once more")
def recomputes_attention_thrice(run):
    parts = _flops(run)
    again = {"none": 0, "attention": 3 * parts["attention"], "full": sum(parts.values())}[run["recompute"]]
    return _used(run, 3 * sum(parts.values()), again)


@wrong("utilisation", says="not the whole forward pass")
def recomputes_everything(run):
    return utilisation(run | {"recompute": "full" if run["recompute"] == "attention" else run["recompute"]})


@wrong("utilisation", says="upside down")
def hfu_below_mfu(run):
    out = utilisation(run)
    return out | {"hfu": out["mfu"] ** 2 / out["hfu"]}


@wrong("utilisation", says="has attention in it too")
def full_without_attention(run):
    parts = _flops(run)
    again = {"none": 0, "attention": parts["attention"], "full": parts["weights"]}[run["recompute"]]
    return _used(run, 3 * sum(parts.values()), again)


@wrong("utilisation", says="330 GFLOP, got")
def needs_what_was_done(run):
    out = utilisation(run)
    done = out["gflop_per_token"] * out["hfu"] / out["mfu"]
    return out | ({"gflop_per_token": done} if run["recompute"] == "full" else {})


@wrong("utilisation", hidden=True)
def keys_as_wide_as_values(run):
    width = (run["qk"] + run["v"]) / 2 if run["qk"] in (60, 128) and run["v"] in (40, 128) else run["v"]
    return utilisation(run | {"qk": width, "v": width})


@wrong("utilisation", hidden=True)
def one_token_needs_no_attention(run):
    return utilisation(run | ({"H": 0} if run["T"] == 1 else {}))


@wrong("utilisation", hidden=True)
def rounds_the_days(run):
    out = utilisation(run)
    days = run["gpu_hours"] / run["n_gpus"] / 24
    return out | {SPAN: round(out[SPAN], 2) if days < 20 or days > 42 else out[SPAN]}


# --- bandwidth-bugs


def _report(run, prompt_is_a_step=False, offset=None, copies=1, caches=None, looked_up=None, per_gb=None, middle=None):
    """The right report, with one bug."""
    per_gb = per_gb or (1e9 if RATE == "gb_per_s" else 2**30)
    middle = middle or (median if TYPICAL == "median" else mean)
    arrivals, warm_up = run["arrivals_s"], run["warm_up"]
    starts = [run["asked_s"], *arrivals[:-1]] if prompt_is_a_step else arrivals[:-1]
    ends = arrivals if prompt_is_a_step else arrivals[1:]
    steps = [end - start for start, end in zip(starts, ends, strict=True)][warm_up:]
    table = run["looked_up"] if looked_up is None else looked_up
    weights = copies * (run["weights"] - table) * run["bytes_per_weight"]
    first = 1 + warm_up if offset is None else offset
    users = run["users"] if caches is None else caches
    n_bytes = [weights + users * (run["prompt"] + i) * run["cache_bytes"] for i in range(first, first + len(steps))]
    return {
        "first_s": arrivals[0] - run["asked_s"], "tokens_per_s": run["users"] / middle(steps), "step_bytes": n_bytes,
        RATE: middle([n / s / per_gb for n, s in zip(n_bytes, steps, strict=True)]),
    }  # fmt: skip


@wrong("bandwidth-bugs", says="one of the three is no step")
def as_given(run):
    return decode_report_with_bugs(copy.deepcopy(run))


@wrong("bandwidth-bugs", says="one of the three is no step")
def reading_the_prompt_is_a_step(run):
    return _report(run, prompt_is_a_step=True)


@wrong("bandwidth-bugs", says="one token longer")
def forgets_the_warm_up(run):
    return _report(run, offset=1)


@wrong("bandwidth-bugs", says="not once for each")
def weights_for_each_user(run):
    return _report(run, copies=run["users"])


@wrong("bandwidth-bugs", says="has a cache of their own")
def one_cache_for_all(run):
    return _report(run, caches=1)


@wrong("bandwidth-bugs", says="a step reads next to nothing")
def reads_the_embeddings(run):
    return _report(run, looked_up=0)


@wrong("bandwidth-bugs", says="which are GiB")
def gib_per_s(run):
    return _report(run, per_gb=2**30 if RATE == "gb_per_s" else 1e9)


@wrong("bandwidth-bugs", says="the median is 2.5")
def means(run):
    return _report(run, middle=mean if TYPICAL == "median" else median)


@wrong("bandwidth-bugs", says="one token longer")
def two_bugs_left(run):
    return _report(run, offset=1, looked_up=0)


@wrong("bandwidth-bugs", says="a token every 2 s")
def tokens_of_one_user(run):
    out = _report(run)
    return out | {"tokens_per_s": out["tokens_per_s"] / run["users"]}


@wrong("bandwidth-bugs", says="you took reading the prompt for one")
def leaves_out_one_step_at_least(run):
    return decode_report(run) if run["warm_up"] else _report(run, prompt_is_a_step=True, offset=1)


@wrong("bandwidth-bugs", says="first_s is 4")
def first_step_for_first_token(run):
    out = _report(run)
    return out | {"first_s": run["arrivals_s"][1] - run["asked_s"]}


@wrong("bandwidth-bugs", says="first_s is 7")
def asked_at_zero(run):
    return decode_report(run) | {"first_s": run["arrivals_s"][0]}


@wrong("bandwidth-bugs", says="the median is 821.25")
def total_bytes_over_total_time(run):
    out = decode_report(run)
    steps = [b - a for a, b in zip(run["arrivals_s"], run["arrivals_s"][1:], strict=False)][run["warm_up"] :]
    per_gb = 1e9 if RATE == "gb_per_s" else 2**30
    return out | ({} if run["warm_up"] else {RATE: sum(out["step_bytes"]) / sum(steps) / per_gb})


@wrong("bandwidth-bugs", hidden=True)
def middle_of_three_at_most(run):
    out = decode_report(run)
    return out | ({"tokens_per_s": 0.0} if len(run["arrivals_s"]) > 5 else {})


@wrong("bandwidth-bugs", hidden=True)
def whole_bytes_per_weight(run):
    return _report(run | {"bytes_per_weight": math.ceil(run["bytes_per_weight"])})


@wrong("bandwidth-bugs", hidden=True)
def warm_up_of_one_at_most(run):
    return decode_report(run | {"warm_up": min(run["warm_up"], 1)})
