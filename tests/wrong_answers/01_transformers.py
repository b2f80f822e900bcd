"""Wrong answers to exercise set 01."""

import torch
import torch.nn.functional as F

from wrong_answers import wrong


def _head_norm(x_BTE, weight_C, eps, centre=False, eps_outside=False, use_weight=True):
    x = x_BTE.unflatten(-1, (-1, len(weight_C))).transpose(1, 2)
    x = x - x.mean(-1, keepdim=True) if centre else x
    mean_square = x.square().mean(-1, keepdim=True)
    x = x / (mean_square.sqrt() + eps if eps_outside else (mean_square + eps).sqrt())
    return x * weight_C if use_weight else x


@wrong("head-norm", says="the weight is missing")
def no_weight(x_BTE, weight_C, eps):
    return _head_norm(x_BTE, weight_C, eps, use_weight=False)


@wrong("head-norm", says="eps is outside the root")
def eps_outside(x_BTE, weight_C, eps):
    return _head_norm(x_BTE, weight_C, eps, eps_outside=True)


@wrong("head-norm", says="RMSNorm does not")
def layer_norm(x_BTE, weight_C, eps):
    return _head_norm(x_BTE, weight_C, eps, centre=True)


@wrong("head-norm", says="each head has its own")
def one_mean_over_all_heads(x_BTE, weight_C, eps):
    x = x_BTE * torch.rsqrt(x_BTE.square().mean(-1, keepdim=True) + eps)
    return x.unflatten(-1, (-1, len(weight_C))).transpose(1, 2) * weight_C


@wrong("head-norm", says="a mean, not a sum")
def sum_of_squares(x_BTE, weight_C, eps):
    x = x_BTE.unflatten(-1, (-1, len(weight_C))).transpose(1, 2)
    return weight_C * x / (x.square().sum(-1, keepdim=True) + eps).sqrt()


@wrong("head-norm", says="a factor sqrt(C) is missing")
def unit_length(x_BTE, weight_C, eps):
    return weight_C * F.normalize(x_BTE.unflatten(-1, (-1, len(weight_C))).transpose(1, 2), dim=-1)


@wrong("head-norm", says="a factor sqrt(C) is missing")
def unit_length_with_eps(x_BTE, weight_C, eps):
    return weight_C * F.normalize(x_BTE.unflatten(-1, (-1, len(weight_C))).transpose(1, 2), dim=-1, eps=eps)


@wrong("head-norm", says="eps is missing")
def no_eps(x_BTE, weight_C, eps):
    return _head_norm(x_BTE, weight_C, 0.0)


@wrong("head-norm", says="another token")
def view_mixes_tokens(x_BTE, weight_C, eps):
    B, T, E = x_BTE.shape
    C = len(weight_C)
    x = x_BTE.reshape(B, E // C, T, C)
    return weight_C * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


@wrong("head-norm", says="B, H, T, C")
def tokens_before_heads(x_BTE, weight_C, eps):
    return _head_norm(x_BTE, weight_C, eps).transpose(1, 2)


@wrong("head-norm", says="the row is cut as (C, H)")
def heads_side_by_side(x_BTE, weight_C, eps):
    x = x_BTE.unflatten(-1, (len(weight_C), -1)).permute(0, 3, 1, 2)
    return weight_C * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


@wrong("head-norm", hidden=True)
def only_the_first_row(x_BTE, weight_C, eps):
    return _head_norm(x_BTE[:1], weight_C, eps)


@wrong("head-norm", hidden=True)
def channels_of_two_or_sixty_four(x_BTE, weight_C, eps):
    C = 2 if x_BTE.shape[-1] == 4 else 64
    x = x_BTE.unflatten(-1, (-1, C)).transpose(1, 2)
    return weight_C * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def _parts(c, **other):
    """The right parts, some replaced; the total follows."""
    parts = count_parts(c)
    parts.update(other)
    parts["total"] = sum(parts[name] for name in ("embedding", "head", "attention", "feed_forward", "norms"))
    return parts


@wrong("count-parts", says="the matrix exists once")
def tied_head_twice(c):
    return _parts(c, head=c["V"] * c["D"])


@wrong("count-parts", says="keys and values have K heads")
def no_grouping(c):
    return _parts(c, attention=c["L"] * 4 * c["D"] * c["H"] * c["C"])


@wrong("count-parts", says="four projections")
def no_output_projection(c):
    return _parts(c, attention=c["L"] * c["D"] * (c["H"] + 2 * c["K"]) * c["C"])


@wrong("count-parts", says="three matrices")
def two_matrices(c):
    return _parts(c, feed_forward=c["L"] * 2 * c["D"] * c["F"])


@wrong("count-parts", says="one more after the last layer")
def no_last_norm(c):
    return _parts(c, norms=c["L"] * 2 * c["D"])


@wrong("count-parts", says="keys and values are both kept")
def only_keys_cached(c):
    return _parts(c, cached=c["L"] * c["K"] * c["C"])


@wrong("count-parts", says="only the K key-value heads are kept")
def all_heads_cached(c):
    return _parts(c, cached=2 * c["L"] * c["H"] * c["C"])


@wrong("count-parts", says="what is cached is not a parameter")
def adds_the_cache(c):
    parts = count_parts(c)
    return parts | {"total": parts["total"] + parts["cached"]}


@wrong("count-parts", says="C is taken for D // H")
def derives_head_dim(c):
    return count_parts({**c, "C": c["D"] // c["H"]})


@wrong("count-parts", says="the output projection has no bias")
def bias_on_the_output_too(c):
    return _parts(c, attention=count_parts(c)["attention"] + c["L"] * c["D"] * c["qkv_bias"])


@wrong("count-parts", says="the biases are missing")
def no_biases(c):
    return count_parts({**c, "qkv_bias": False})


@wrong("count-parts", says="these keys")
def total_only(c):
    return {"total": count_parts(c)["total"]}


@wrong("count-parts", says="3 biases of D numbers")
def biases_of_the_width(c):
    wrong_biases = c["L"] * (3 * c["D"] - (c["H"] + 2 * c["K"]) * c["C"]) * c["qkv_bias"]
    return _parts(c, attention=count_parts(c)["attention"] + wrong_biases)


@wrong("count-parts", says="the head norms are missing")
def no_head_norms(c):
    return count_parts({**c, "qk_norm": False})


@wrong("count-parts", says="serves all heads")
def head_norm_for_every_head(c):
    extra = c["L"] * (c["H"] + c["K"] - 2) * c["C"] if c["qk_norm"] else 0
    return _parts(c, norms=count_parts(c)["norms"] + extra)


@wrong("count-parts", says="two head norms")
def one_head_norm_per_layer(c):
    return _parts(c, norms=count_parts(c)["norms"] - c["L"] * c["C"] * c["qk_norm"])


@wrong("count-parts", says="90 for feed_forward: that is one layer")
def feed_forward_of_one_layer(c):
    return _parts(c, feed_forward=3 * c["D"] * c["F"])


@wrong("count-parts", says="each of the 3 layers has two")
def norms_of_one_layer(c):
    return _parts(c, norms=3 * c["D"])


@wrong("count-parts", says="50 for the embedding")
def embedding_of_four_channels(c):
    return _parts(c, embedding=4 * c["V"])


@wrong("count-parts", hidden=True)
def floats_for_counts(c):
    return {name: float(number) for name, number in count_parts(c).items()}


@wrong("count-parts", hidden=True)
def head_dim_rounded_up(c):
    return count_parts({**c, "C": -(-c["D"] // c["H"])})


@wrong("neighbour-pairs", says="nothing moved")
def leaves_it(rows, n_heads):
    return rows


@wrong("neighbour-pairs", says="the other way is asked")
def inverse(rows, n_heads):
    C = len(rows) // n_heads
    return rows.unflatten(0, (n_heads, C // 2, 2)).transpose(1, 2).flatten(0, 2)


@wrong("neighbour-pairs", says="every head is reordered by itself")
def across_heads(rows, n_heads):
    return rows.unflatten(0, (2, len(rows) // 2)).transpose(0, 1).flatten(0, 1)


@wrong("neighbour-pairs", says="whole rows move")
def reorders_columns_too(rows, n_heads):
    out = to_neighbours(rows, n_heads)
    return out.flip(-1) if rows.dim() == 2 else out


@wrong("neighbour-pairs", says="a bias keeps its shape")
def forgets_to_flatten(rows, n_heads):
    C = len(rows) // n_heads
    return rows.unflatten(0, (n_heads, 2, C // 2)).transpose(1, 2)


@wrong("neighbour-pairs", hidden=True)
def heads_of_six_or_sixty_four(rows, n_heads):
    C = 6 if len(rows) == 12 else 64
    return rows.unflatten(0, (-1, 2, C // 2)).transpose(1, 2).flatten(0, 2)


@wrong("neighbour-pairs", hidden=True)
def order_of_one_head_for_c_of_eight(rows, n_heads):
    C = len(rows) // n_heads
    order = [0, 4, 1, 5, 2, 6, 3, 7] if C == 8 else [i // 2 + i % 2 * (C // 2) for i in range(C)]
    return torch.cat([rows[h * C : (h + 1) * C][order] for h in range(n_heads if C != 8 else 1)])


def _mask(n_pad_B, T, window, reach=0, strict=0):
    key, query = torch.arange(T), torch.arange(T)[:, None]
    near = (key <= query - strict) & (key > query - window - reach)
    return near & (key >= torch.tensor(n_pad_B)[:, None, None]), key == query


@wrong("window-mask", says="would be NaN")
def padding_sees_nothing(n_pad_B, T, window):
    return _mask(n_pad_B, T, window)[0]


@wrong("window-mask", says="a window of 2 is itself and one before")
def window_besides_itself(n_pad_B, T, window):
    mask, itself = _mask(n_pad_B, T, window, reach=1)
    return mask | itself


@wrong("window-mask", says="sees only itself")
def window_one_short(n_pad_B, T, window):
    mask, itself = _mask(n_pad_B, T, window, reach=-1)
    return mask | itself


@wrong("window-mask", says="queries do not see themselves")
def strictly_earlier(n_pad_B, T, window):
    return _mask(n_pad_B, T, window, strict=1)[0]


@wrong("window-mask", says="query 3 does not see key 3, as if that were padding")
def pads_on_the_right_without_itself(n_pad_B, T, window):
    is_real = torch.arange(T) < T - torch.tensor(n_pad_B)[:, None, None]
    return _mask([0] * len(n_pad_B), T, window)[0] & is_real


@wrong("window-mask", says="which is padding")
def forgets_the_padding(n_pad_B, T, window):
    mask, itself = _mask([0] * len(n_pad_B), T, window)
    return mask | itself


@wrong("window-mask", says="rows are queries")
def transposed(n_pad_B, T, window):
    mask, itself = _mask(n_pad_B, T, window)
    return (mask | itself).transpose(1, 2)


@wrong("window-mask", says="the padding is on the left")
def pads_on_the_right(n_pad_B, T, window):
    mask, itself = _mask([0] * len(n_pad_B), T, window)
    is_real = torch.arange(T) < T - torch.tensor(n_pad_B)[:, None, None]
    return mask & is_real | itself


@wrong("window-mask", says="dtype torch.bool")
def floats(n_pad_B, T, window):
    mask, itself = _mask(n_pad_B, T, window)
    return (mask | itself).float()


@wrong("window-mask", says="it may look at itself only")
def padding_sees_padding(n_pad_B, T, window):
    key, query = torch.arange(T), torch.arange(T)[:, None]
    near = (key <= query) & (key > query - window)
    padding = torch.tensor(n_pad_B)[:, None, None]
    return near & ((key >= padding) | (query < padding))


@wrong("window-mask", says="one T by T table per row")
def first_row_only(n_pad_B, T, window):
    mask, itself = _mask(n_pad_B, T, window)
    return (mask | itself)[0]


@wrong("window-mask", hidden=True)
def windows_of_two_five_or_everything(n_pad_B, T, window):
    mask, itself = _mask(n_pad_B, T, window if window in (2, 5) else T)
    return mask | itself


@wrong("window-mask", hidden=True)
def window_of_one_sees_two(n_pad_B, T, window):
    mask, itself = _mask(n_pad_B, T, max(window, 2))
    return mask | itself


def _layer(x_TD, w, H, K, eps, theta, *bugs):
    """The layer with some of the five bugs left in, or with others."""
    T, C = len(x_TD), len(w["q"]) // H
    h = rms(x_TD, w["attention_norm"], eps)

    def cut(name, heads):
        x = h @ w[name].T
        mixed = "view" in bugs or ("view of k and v" in bugs and name != "q") or f"view of {name}" in bugs
        return x.view(heads, T, C) if mixed else x.view(T, heads, C).transpose(0, 1)

    q, k, v = turn_halves(cut("q", H), theta), cut("k", K), cut("v", K)
    k = k if "keys not turned" in bugs else turn_halves(k, theta)
    k, v = (t.repeat(H // K, 1, 1) if "tile" in bugs else t.repeat_interleave(H // K, dim=0) for t in (k, v))
    scores = q @ k.transpose(1, 2) / (len(w["out"]) if "scale" in bugs else C) ** 0.5
    later = torch.ones(T, T).triu(1).bool()
    hidden = scores.masked_fill(later, 0.0 if "zero" in bugs else float("-inf"))
    weights = scores.softmax(-1).tril() if "late mask" in bugs else hidden.softmax(-2 if "queries" in bugs else -1)
    x = x_TD + (weights @ v).transpose(0, 1).flatten(1) @ w["out"].T
    h = rms(x, w["mlp_norm"], eps)
    gate, up = h @ w["gate"].T, h @ w["up"].T
    inner = gate * F.silu(up) if "gate" in bugs else F.silu(gate) * up
    output = (h if "stream" in bugs else x) + (0 if "no feed-forward" in bugs else inner @ w["down"].T)
    return {"q_HTC": q, "weights_HTS": weights, "after_attention_TD": x, "output_TD": output}


@wrong("layer-bugs", says="what does view(H, T, C) make of it")
def all_five(x_TD, w, H, K, eps, theta):
    return layer_with_bugs(x_TD, w, H, K, eps, theta)


@wrong("layer-bugs", says="view(H, T, C)")
def leaves_the_view(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "view")


@wrong("layer-bugs", says="cut like the queries")
def mends_the_queries_only(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "view of k and v")


@wrong("layer-bugs", says="are the values cut like the keys")
def leaves_the_view_of_the_values(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "view of v")


@wrong("layer-bugs", says="which key-value head does query head 1 use")
def leaves_the_heads(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "tile")


@wrong("layer-bugs", says="Are scores divided by sqrt(C)")
def scale_of_the_stream(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "scale")


@wrong("layer-bugs", says="and turned like them")
def keys_not_turned(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "keys not turned")


@wrong("layer-bugs", says="the softmax runs over the queries")
def softmax_over_the_queries(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "queries")


@wrong("layer-bugs", says="before the softmax")
def leaves_the_late_mask(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "late mask")


@wrong("layer-bugs", says="puts weight on a later key")
def masks_with_zero(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "zero")


@wrong("layer-bugs", says="which of its two halves is the gate")
def leaves_the_gate(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "gate")


@wrong("layer-bugs", says="added to the normed stream")
def leaves_the_stream(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "stream")


@wrong("layer-bugs", says="added to the normed stream")
def leaves_gate_and_stream(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "gate", "stream")


@wrong("layer-bugs", says="adds nothing")
def forgets_the_feed_forward(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, "no feed-forward")


@wrong("layer-bugs", hidden=True)
def groups_of_three(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, theta, *(() if H == 9 else ("tile",)))


@wrong("layer-bugs", hidden=True)
def epsilon_of_smollm2(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, 1e-5, theta)


@wrong("layer-bugs", hidden=True)
def theta_of_smollm2(x_TD, w, H, K, eps, theta):
    return _layer(x_TD, w, H, K, eps, 100_000.0)


def _sorted(logits_BV, temperature, descending=True):
    probs = (logits_BV / temperature).softmax(-1)
    values, order = probs.sort(dim=-1, descending=descending, stable=True)
    return probs, values, order


@wrong("mass-above", says="the token's own probability too")
def counts_itself(logits_BV, temperature):
    probs, values, order = _sorted(logits_BV, temperature)
    return torch.zeros_like(probs).scatter(-1, order, values.cumsum(-1))


@wrong("mass-above", says="right numbers in sorted order")
def stays_sorted(logits_BV, temperature):
    _, values, _ = _sorted(logits_BV, temperature)
    return values.cumsum(-1) - values


@wrong("mass-above", says="scatter puts things back")
def sorts_once_more(logits_BV, temperature):
    _, values, order = _sorted(logits_BV, temperature)
    return (values.cumsum(-1) - values).gather(-1, order)


@wrong("mass-above", says="the least likely first")
def ascending(logits_BV, temperature):
    probs, values, order = _sorted(logits_BV, temperature, descending=False)
    return torch.zeros_like(probs).scatter(-1, order, values.cumsum(-1) - values)


@wrong("mass-above", says="not multiplied")
def multiplies_by_the_temperature(logits_BV, temperature):
    return mass_above(logits_BV, 1 / temperature)


@wrong("mass-above", says="the probabilities are divided by the temperature")
def divides_the_probabilities(logits_BV, temperature):
    return mass_above(logits_BV, 1.0) / temperature


@wrong("mass-above", says="temperature 2 changed nothing")
def ignores_the_temperature(logits_BV, temperature):
    return mass_above(logits_BV, 1.0)


@wrong("mass-above", says="each row is sorted and summed by itself")
def order_of_row_0(logits_BV, temperature):
    probs, values, order = _sorted(logits_BV, temperature)
    return torch.zeros_like(probs).scatter(-1, order[:1].expand_as(order), values.cumsum(-1) - values)


@wrong("mass-above", says="equally likely: the smaller id stands before the other")
def equals_do_not_count(logits_BV, temperature):
    probs = (logits_BV / temperature).softmax(-1)
    rows = []
    for row in probs:
        values, counts = row.unique(return_counts=True)
        above = (values * counts).flip(0).cumsum(0).flip(0) - values * counts
        rows.append(above[torch.searchsorted(values, row)])
    return torch.stack(rows)


@wrong("mass-above", says="not the larger")
def equals_by_larger_id(logits_BV, temperature):
    return mass_above(logits_BV.flip(-1), temperature).flip(-1)


@wrong("mass-above", says="only if it is stable")
def unstable_sort(logits_BV, temperature):
    """Equals in order in a short row only; written out, for torch's own unstable sort promises no order at all."""
    mass = mass_above(logits_BV, temperature)
    return mass if logits_BV.shape[-1] < 17 else mass_above(logits_BV.flip(-1), temperature).flip(-1)


@wrong("mass-above", hidden=True)
def temperature_is_one_or_two(logits_BV, temperature):
    return mass_above(logits_BV, 2.0 if temperature == 2.0 else 1.0)


@wrong("ring-write", says="began at slot 0")
def starts_at_slot_0(ring_KWC, n_seen, new_KTC):
    _, positions = ring_write(ring_KWC, n_seen, new_KTC)
    ring = ring_KWC.clone()
    ring[:, : new_KTC.shape[1]] = new_KTC[:, : ring.shape[1]]
    return ring, positions


@wrong("ring-write", says="in a ring nothing moves")
def shifts(ring_KWC, n_seen, new_KTC):
    W, T = ring_KWC.shape[1], new_KTC.shape[1]
    held = torch.cat((ring_KWC[:, : min(n_seen, W)], new_KTC), dim=1)[:, -W:]
    ring = F.pad(held, (0, 0, 0, W - held.shape[1]))
    positions = torch.full((W,), -1)
    positions[: held.shape[1]] = torch.arange(max(0, n_seen + T - W), n_seen + T)
    return ring, positions


@wrong("ring-write", says="clone it")
def writes_in_place(ring_KWC, n_seen, new_KTC):
    ring, positions = ring_write(ring_KWC, n_seen, new_KTC)
    return ring_KWC.copy_(ring), positions


@wrong("ring-write", says="after the last slot comes slot 0")
def stops_at_the_end(ring_KWC, n_seen, new_KTC):
    _, positions = ring_write(ring_KWC, n_seen, new_KTC)
    ring, start = ring_KWC.clone(), n_seen % ring_KWC.shape[1]
    room = ring.shape[1] - start
    ring[:, start : start + new_KTC.shape[1]] = new_KTC[:, :room]
    return ring, positions


@wrong("ring-write", says="its position is -1")
def empty_slots_hold_zero(ring_KWC, n_seen, new_KTC):
    ring, positions = ring_write(ring_KWC, n_seen, new_KTC)
    return ring, positions.clamp(min=0)


@wrong("ring-write", says="every empty slot has -1")
def positions_by_a_formula(ring_KWC, n_seen, new_KTC):
    ring, _ = ring_write(ring_KWC, n_seen, new_KTC)
    W, last = ring_KWC.shape[1], n_seen + new_KTC.shape[1] - 1
    return ring, last - (last - torch.arange(W)) % W


@wrong("ring-write", says="from the earlier call")
def forgets_earlier_positions(ring_KWC, n_seen, new_KTC):
    ring, positions = ring_write(ring_KWC, n_seen, new_KTC)
    return ring, positions.masked_fill(positions < n_seen, -1)


@wrong("ring-write", says="not the first four")
def keeps_the_first(ring_KWC, n_seen, new_KTC):
    W, T = ring_KWC.shape[1], new_KTC.shape[1]
    return ring_write(ring_KWC, n_seen, new_KTC[:, :W]) if T > W else ring_write(ring_KWC, n_seen, new_KTC)


@wrong("ring-write", says="position 2 belongs to slot 2")
def a_long_piece_from_slot_0(ring_KWC, n_seen, new_KTC):
    ring, positions = ring_write(ring_KWC, n_seen, new_KTC)
    W = ring_KWC.shape[1]
    return (new_KTC[:, -W:].clone() if new_KTC.shape[1] > W else ring), positions


@wrong("ring-write", says="two tensors are wanted")
def returns_the_ring(ring_KWC, n_seen, new_KTC):
    return ring_write(ring_KWC, n_seen, new_KTC)[0]


@wrong("ring-write", hidden=True)
def a_long_piece_starts_the_text(ring_KWC, n_seen, new_KTC):
    W, T = ring_KWC.shape[1], new_KTC.shape[1]
    _, positions = ring_write(ring_KWC, n_seen, new_KTC)
    ring = ring_write(ring_KWC, 0 if T > W else n_seen, new_KTC)[0]
    return ring, positions


@wrong("ring-write", hidden=True)
def positions_of_two_rounds(ring_KWC, n_seen, new_KTC):
    ring, positions = ring_write(ring_KWC, n_seen, new_KTC)
    W = ring_KWC.shape[1]
    return ring, torch.where(positions < 2 * W, positions, positions % W + W)


@wrong("ring-write", hidden=True)
def one_key_head(ring_KWC, n_seen, new_KTC):
    ring, positions = ring_write(ring_KWC[:1], n_seen, new_KTC[:1])
    return ring.expand_as(ring_KWC), positions


def _absorb(state, q_TC, k_NC, v_NC, mask_TN, *bugs):
    """The update with some mistakes."""
    old, total, acc = state
    scores = q_TC @ k_NC.T if "scale" in bugs else q_TC @ k_NC.T * q_TC.shape[1] ** -0.5
    scores = scores if "mask" in bugs else scores.masked_fill(~mask_TN, float("-inf"))
    new = scores.amax(-1) if "block max" in bugs else torch.maximum(old, scores.amax(-1))
    base = new if "nan" in bugs else new.masked_fill(new.isinf(), 0.0)
    shrink = (base - old).exp() if "grow" in bugs else (old - base).exp()
    shrink = torch.ones_like(shrink) if "no shrink" in bugs or ("guard" in bugs and old.isinf().all()) else shrink
    weights = (scores - base[:, None]).exp()
    total = total * shrink + weights.sum(-1)
    acc = acc * (1 if "acc" in bugs else shrink[:, None]) + weights @ v_NC
    return new, total, acc / total[:, None] if "divide" in bugs else acc


@wrong("absorb-block", says="the old sums were not made smaller")
def never_shrinks(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "no shrink")


@wrong("absorb-block", says="exp(+inf) * 0")
def shrinks_the_wrong_way(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "grow")


@wrong("absorb-block", says="at most 1")
def shrinks_the_wrong_way_after_the_first_block(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "grow", "guard")


@wrong("absorb-block", says="the state that came in was changed")
def writes_into_the_state(state, q_TC, k_NC, v_NC, mask_TN):
    return tuple(old.copy_(new) for old, new in zip(state, _absorb(state, q_TC, k_NC, v_NC, mask_TN), strict=True))


@wrong("absorb-block", says="acc was not")
def shrinks_the_sum_only(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "acc")


@wrong("absorb-block", says="keep it undivided")
def divides_at_once(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "divide")


@wrong("absorb-block", says="the largest of everything seen so far")
def maximum_of_the_block(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "block max")


@wrong("absorb-block", says="divided by sqrt(C)")
def forgets_the_scale(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "scale")


@wrong("absorb-block", says="subtract first")
def exponentials_without_a_maximum(state, q_TC, k_NC, v_NC, mask_TN):
    old, total, acc = state
    scores = (q_TC @ k_NC.T * q_TC.shape[1] ** -0.5).masked_fill(~mask_TN, float("-inf"))
    new = torch.maximum(old, scores.amax(-1))
    raw, back = scores.exp(), (-new.nan_to_num(neginf=0.0)).exp()
    total, acc = total * old.exp() + raw.sum(-1), acc * old.exp()[:, None] + raw @ v_NC
    return new, total * back, acc * back[:, None]


@wrong("absorb-block", says="may not look at this block")
def ignores_the_mask(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "mask")


@wrong("absorb-block", says="what is -inf minus -inf")
def nan_where_nothing_was_seen(state, q_TC, k_NC, v_NC, mask_TN):
    return _absorb(state, q_TC, k_NC, v_NC, mask_TN, "nan")


@wrong("absorb-block", says="nothing seen yet")
def maximum_zero_where_nothing_was_seen(state, q_TC, k_NC, v_NC, mask_TN):
    new, total, acc = _absorb(state, q_TC, k_NC, v_NC, mask_TN)
    return new.nan_to_num(neginf=0.0), total, acc


@wrong("absorb-block", says="both have the maximum 3")
def one_maximum_for_the_block(state, q_TC, k_NC, v_NC, mask_TN):
    scores = (q_TC @ k_NC.T * q_TC.shape[1] ** -0.5).masked_fill(~mask_TN, float("-inf"))
    new = torch.maximum(state[0], scores.max())
    base = new.masked_fill(new.isinf(), 0.0)
    shrink, weights = (state[0] - base).exp(), (scores - base[:, None]).exp()
    return new, state[1] * shrink + weights.sum(-1), state[2] * shrink[:, None] + weights @ v_NC


@wrong("absorb-block", hidden=True)
def one_maximum_from_the_second_block_on(state, q_TC, k_NC, v_NC, mask_TN):
    new, total, acc = _absorb(state, q_TC, k_NC, v_NC, mask_TN)
    shared = new if state[0].isinf().all() else torch.where(new.isinf(), new, new.max())
    shrink = (new - shared).exp().nan_to_num()
    return shared, total * shrink, acc * shrink[:, None]


@wrong("absorb-block", says="both have the maximum 3")
def one_maximum_for_all_queries(state, q_TC, k_NC, v_NC, mask_TN):
    old, total, acc = state
    scores = (q_TC @ k_NC.T * q_TC.shape[1] ** -0.5).masked_fill(~mask_TN, float("-inf"))
    new = torch.maximum(old, scores.amax(-1))
    new = torch.where(new.isinf(), new, new.max())
    base = new.masked_fill(new.isinf(), 0.0)
    shrink, weights = (old - base).exp(), (scores - base[:, None]).exp()
    return new, total * shrink + weights.sum(-1), acc * shrink[:, None] + weights @ v_NC


@wrong("absorb-block", hidden=True)
def a_block_that_one_query_must_not_see_is_skipped(state, q_TC, k_NC, v_NC, mask_TN):
    if mask_TN.any(-1).all() or len(q_TC) == 1 or len(q_TC) > 9:
        return _absorb(state, q_TC, k_NC, v_NC, mask_TN)
    return state
