"""Exercise set 06's reference answers against torch, the package's counts, closed forms and plain loops."""

import itertools
import math
import random
import re
from collections import deque
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from conftest import ROOT
from racecourse.grading import variants
from racecourse.grading.integrity import python_of
from racecourse.hardware import accelerators
from racecourse.hardware.cost import achieved_tflops, model_flops_utilisation
from racecourse.hardware.parallel import ring_bytes
from racecourse.models import ModelConfig
from racecourse.scaling import count_parameters, flops_per_token, kv_bytes_per_token
from racecourse.scaling.count import weights_at_work
from test_count import PUBLISHED
from wrong_answers import Assignment

V3 = "deepseek-ai/DeepSeek-V3"
QWQ = "Qwen/QwQ-32B"


@cache
def found() -> Assignment:
    return Assignment("06_hardware")


def answer(name: str) -> Any:
    return found().namespace[name]


def earns_everything(grade_id: str, other: Any) -> None:
    """Another right answer, made in another way, is not turned away."""
    exercise = found().exercise(grade_id)
    (name,) = (entry for entry in found().namespace if f"def {entry}(" in exercise.answers[0].source)
    for outcome in found().outcomes(exercise, {name: other}):
        assert not outcome.error and not outcome.printed, f"{outcome.grade_id}: {outcome.message}"


def test_the_title_says_the_sum_of_the_printed_minutes() -> None:
    cells = found().solution.cells
    minutes = [int(n) for cell in cells for n in re.findall(r"^## .* · (\d+) minutes", cell.source, re.M)]
    assert len(minutes) == 8
    assert f"times sum to {sum(minutes)} minutes" in found().source_of("hw-title")


# ---- 1


def test_the_turning_batch_is_where_two_plain_clocks_cross() -> None:
    """One row after the other, in fractions; two slopes tell whether they cross at all."""
    dice = random.Random(1)
    crossed = 0
    for _ in range(300):
        n_in, n_out = dice.randint(1, 90), dice.randint(1, 90)
        weight_bytes, value_bytes = dice.choice([0.5, 1, 2, 4]), dice.choice([1, 2, 4])
        flops_per_s, bytes_per_s = 2 ** dice.randint(3, 9), 2 ** dice.randint(2, 6)
        m = answer("turning_batch")(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s)
        busy = lambda rows: Fraction(2 * rows * n_in * n_out, flops_per_s)  # noqa: B023, E731
        moving = lambda rows: (  # noqa: E731
            (Fraction(weight_bytes) * n_in * n_out + value_bytes * rows * (n_in + n_out)) / bytes_per_s  # noqa: B023
        )
        first = next((rows for rows in range(1, 3000) if busy(rows) >= moving(rows)), None)
        if first is None:
            assert m is None or m >= 3000
        else:
            crossed += 1
            assert m == first
    assert 100 < crossed < 300


def test_a_very_wide_matrix_turns_at_the_rule_of_thumb() -> None:
    for weight_bytes in (1, 2, 4):
        m = answer("turning_batch")(10**9, 10**9, weight_bytes, 2, 300e12, 1e12)
        assert abs(m - 300 * weight_bytes / 2) <= 1


def test_another_way_to_the_turning_batch() -> None:
    def by_times(n_in, n_out, weight_bytes, value_bytes, flops_per_s, bytes_per_s):  # type: ignore[no-untyped-def]
        fixed_s = Fraction(weight_bytes) * n_in * n_out / Fraction(bytes_per_s)
        row_s = Fraction(value_bytes) * (n_in + n_out) / Fraction(bytes_per_s)
        busy_s = Fraction(2 * n_in * n_out) / Fraction(flops_per_s)
        return -(-fixed_s // (busy_s - row_s)) if busy_s > row_s else None

    earns_everything("turning-batch", by_times)


def test_the_chips_are_those_of_the_table() -> None:
    table = accelerators()
    names = {"H100": "NVIDIA H100 SXM5 80GB", "H800": "NVIDIA H800 SXM5 80GB", "H20": "NVIDIA H20"}
    assert set(names) == set(answer("CHIPS"))
    for short, name in names.items():
        chip, ours = table[name], answer("CHIPS")[short]
        assert ours["tflops"] == chip.fp16_bf16_dense_tflops and ours["gb_per_s"] == chip.mem_bw_gbs
        assert ours["link_gb_per_s"] == chip.interconnect_gbs_bidir / 2
    assert answer("V3_RUN")["peak_tflops"] == table[names["H800"]].fp16_bf16_dense_tflops


# ---- 2


def test_the_longest_context_is_where_a_cache_that_is_filled_token_by_token_overflows() -> None:
    dice = random.Random(2)
    ends = []
    for _ in range(200):
        layers: list[dict] = []
        for _ in range(dice.randint(1, 5)):
            window = dice.choice([None, dice.randint(1, 30)])
            grouped = {"H": 8, "K": dice.randint(1, 3), "C": dice.randint(1, 5), "window": window}
            layers.append(dice.choice([grouped, grouped, {"R": dice.randint(1, 9), "P": dice.randint(1, 4)}]))
        n, value_bytes, room = dice.randint(1, 4), dice.choice([1, 2]), dice.randint(0, 4000)
        queues = [deque(maxlen=layer.get("window")) for layer in layers]
        sizes = [layer["R"] + layer["P"] if "R" in layer else 2 * layer["K"] * layer["C"] for layer in layers]
        fitted: int | None = None
        for tokens in range(1, 5000):
            for queue in queues:
                queue.append(tokens)
            if n * value_bytes * sum(len(q) * size for q, size in zip(queues, sizes, strict=True)) > room:
                fitted = tokens - 1
                break
        assert answer("most_tokens_each")(layers, n, 3, 1, 2_000_000_000 - room, value_bytes) == fitted
        ends.append(fitted)
    assert None in ends and 0 in ends and max(end for end in ends if end is not None) > 100


def test_another_way_to_the_longest_context() -> None:
    """From one window's end to the next the cache grows in a straight line."""

    def by_pieces(layers, n, memory_gb, reserve_gb, weight_bytes, value_bytes):  # type: ignore[no-untyped-def]
        room = round((memory_gb - reserve_gb) * 10**9) - weight_bytes
        each = [layer["R"] + layer["P"] if "R" in layer else 2 * layer["K"] * layer["C"] for layer in layers]
        ends = [layer.get("window") or math.inf for layer in layers]
        used, length = 0, 0
        if room < 0:
            return 0
        for end in sorted(set(ends)):
            slope = n * value_bytes * sum(size for size, own in zip(each, ends, strict=True) if own >= end)
            if used + slope * (end - length) > room:
                return length + (room - used) // slope
            used, length = used + slope * (end - length), end
        return None

    earns_everything("longest-context", by_pieces)


@pytest.mark.parametrize(("name", "line"), [(QWQ, "QwQ-32B"), (V3, "DeepSeek-V3")])
def test_the_designs_have_the_packages_bytes_per_token(name: str, line: str) -> None:
    out = found().printed("longest-context-learn")
    said = int(re.search(rf"{line}.*?([\d,]+) tokens each", out)[1].replace(",", ""))
    per_token = kv_bytes_per_token(ModelConfig.from_hf(PUBLISHED[name]))
    assert said == answer("ROOM_GB") * 10**9 // (answer("CONVERSATIONS") * per_token)


def test_gpt_oss_has_the_layers_of_transformers_default(capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import GptOssConfig

    hf = GptOssConfig()
    heads = {"H": hf.num_attention_heads, "K": hf.num_key_value_heads, "C": hf.head_dim}
    expected = [heads | {"window": hf.sliding_window if "sliding" in kind else None} for kind in hf.layer_types]
    namespace = dict(found().namespace)
    exec(compile(python_of(found().source_of("longest-context-learn")), "learn", "exec"), namespace)
    assert namespace["gpt_oss"] == expected
    with_windows, without = [int(n.replace(",", "")) for n in re.findall(r"([\d,]+) tokens", capsys.readouterr().out)][
        -2:
    ]
    assert 1.99 < with_windows / without < 2  # the guess: nearly 2


# ---- 3


@pytest.mark.parametrize("shift", [-4.0, 0.0, 1.5])
def test_codes_are_torchs_own_and_the_result_is_the_dequantised_product(shift: float) -> None:
    torch.manual_seed(3)
    x, q, step_out = torch.randn(6, 50) + shift, torch.randint(-127, 128, (9, 50), dtype=torch.int8), torch.rand(9)
    out = answer("int8_linear")(x, q, step_out)
    rows = []
    for n in range(6):
        step, zero = out["step_N"][n].item(), int(out["zero_N"][n])
        rounded = torch.fake_quantize_per_tensor_affine(x[n], step, zero, 0, 255)  # torch multiplies by 1 / step
        ours = (out["codes_ND"][n].float() - zero) * step
        assert (rounded - ours).abs().max() < 1.01 * step and ((rounded - ours).abs() < step / 2).float().mean() > 0.95
        rows.append(ours.double())
    product = torch.stack(rows) @ (q.double() * step_out.double()[:, None]).T
    torch.testing.assert_close(out["y_NO"].double(), product, rtol=1e-5, atol=1e-4)
    true = x.double() @ (q.double() * step_out.double()[:, None]).T
    assert (out["y_NO"] - true).abs().mean() < 0.02 * true.abs().mean()


def test_sums_are_torchs_integer_product() -> None:
    torch.manual_seed(4)
    x, q = torch.rand(32, 64), torch.randint(-127, 128, (16, 64), dtype=torch.int8)
    out = answer("int8_linear")(x, q, torch.ones(16))
    halves = [(out["codes_ND"].int() - 128).to(torch.int8), q.T.contiguous()]  # torch's kernel takes int8 on both sides
    assert torch.equal(out["sums_NO"], torch._int_mm(*halves) + 128 * q.int().sum(1))


def test_another_way_to_the_whole_numbers() -> None:
    def with_numpy(x_ND, q_OD, step_O):  # type: ignore[no-untyped-def]
        x, q = x_ND.numpy(), q_OD.numpy().astype(np.int64)
        low, high = np.minimum(x.min(1), 0), np.maximum(x.max(1), 0)
        step = (high - low) / np.float32(255)
        step = np.where(step == 0, np.float32(1), step)
        zero = np.round(-low / step).astype(np.int64)
        codes = np.clip(np.round(x / step[:, None]).astype(np.int64) + zero[:, None], 0, 255)
        y = (codes - zero[:, None]) @ q.T * step[:, None] * step_O.numpy()
        parts = {"codes_ND": codes.astype(np.uint8), "step_N": step, "zero_N": zero, "sums_NO": codes @ q.T}
        return {name: torch.from_numpy(part) for name, part in (parts | {"y_NO": y.astype(np.float32)}).items()}

    earns_everything("int8-product", with_numpy)


# ---- 4


def by_closed_form(stages_s: list[float], hop_s: float, n_groups: int, n_tokens: int) -> dict:
    """A token comes every round trip, or each time the slowest stage has served all groups, whichever is longer."""
    whole, slowest = sum(stages_s), max(stages_s)
    gap = max(whole + len(stages_s) * hop_s, n_groups * slowest)
    first = whole + (len(stages_s) - 1) * hop_s + (n_groups - 1) * slowest  # token 0 of the last group
    seconds = first + (n_tokens - 1) * gap
    idle = [1 - n_groups * n_tokens * stage / seconds for stage in stages_s]
    return {"seconds": seconds, "gap_s": gap, "idle": idle}


def test_writing_through_a_pipeline_has_a_closed_form() -> None:
    dice = random.Random(4)
    for _ in range(1000):
        stages = [dice.uniform(0.1, 5) for _ in range(dice.randint(1, 5))]
        case = stages, dice.choice([0.0, dice.uniform(0, 3)]), dice.randint(1, 9), dice.randint(2, 7)
        ours, expected = answer("write_through")(*case), by_closed_form(*case)
        assert ours["seconds"] == pytest.approx(expected["seconds"])
        assert ours["gap_s"] == pytest.approx(expected["gap_s"])
        assert ours["idle"] == pytest.approx(expected["idle"])


def test_the_closed_form_earns_everything() -> None:
    earns_everything("writing-pipeline", by_closed_form)


def test_guesses_about_the_pipeline_are_answered() -> None:
    even = found().printed("writing-pipeline-learn").split("uneven")[0]
    waits = [float(n) for n in re.findall(r"waits +([\d.]+) ms", even)]
    idle = [int(n) for n in re.findall(r"first chip idles +(\d+)%", even)]
    assert waits[0] == waits[1] == waits[2] == 19.6 and waits[3] == 39.1
    assert idle == [75, 50, 1, 0]


# ---- 5


def near_partners_first(n_ranks: int, length: int) -> list:
    """Another butterfly, by recursion: neighbours share out first, then their elders."""

    def adds(ranks: list[int], start: int, stop: int) -> list[list[tuple]]:
        if len(ranks) == 1:
            return []
        middle = (start + stop) // 2
        now = []
        for low, high in zip(ranks[::2], ranks[1::2], strict=True):
            now += [(low, high, middle, stop, "add"), (high, low, start, middle, "add")]
        first, second = adds(ranks[::2], start, middle), adds(ranks[1::2], middle, stop)
        return [now, *(a + b for a, b in zip(first, second, strict=True))]

    rounds = adds(list(range(n_ranks)), 0, length)
    return rounds + [[(r, s, a, b, "copy") for s, r, a, b, _ in messages] for messages in reversed(rounds)]


def test_any_plan_that_keeps_the_rules_is_right() -> None:
    assert near_partners_first(8, 8) != answer("butterfly_plan")(8, 8)
    earns_everything("butterfly", near_partners_first)


def test_the_plan_sends_the_rings_bytes_in_logarithmically_many_rounds() -> None:
    for n_ranks in (2, 4, 8, 32):
        plan = answer("butterfly_plan")(n_ranks, 4 * n_ranks)
        assert len(plan) == 2 * math.log2(n_ranks)
        sent = [0] * n_ranks
        for sender, _, start, stop, _ in itertools.chain(*plan):
            sent[sender] += stop - start
        assert sent == [ring_bytes(4 * n_ranks, n_ranks)] * n_ranks


def test_the_referee_sends_what_stood_there_before_the_round() -> None:
    swap = [[(0, 1, 0, 2, "copy"), (1, 0, 0, 2, "copy")]]
    assert answer("play")(swap, torch.tensor([[1, 2], [3, 4]])) == ([[3, 4], [1, 2]], [2, 2])
    both = [[(0, 1, 0, 2, "add"), (1, 0, 0, 2, "add")]]
    assert answer("play")(both, torch.tensor([[1, 2], [3, 4]]))[0] == [[4, 6], [4, 6]]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ((0, 1, 0, 3, "add"), "both between 0 and 2"),
        ((0, 1, 1, 1, "add"), "start < stop"),
        ((0, 2, 0, 2, "add"), "only ranks 0 to 1"),
        ((0, 0, 0, 2, "add"), "to itself"),
        ((0, 1, 0, 2, "sum"), "'add' or 'copy'"),
        ((0, 1, 0.0, 2, "add"), "are ints"),
        ((0, 1, 0, 2), "is no message"),
    ],
)
def test_the_referee_whistles(message: tuple, says: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(says)):
        answer("play")([[message]], torch.zeros(2, 2))


def test_rounds_decide_for_one_token_and_bytes_for_gradients() -> None:
    token, gradients = found().printed("butterfly-learn").split("gradients")
    waits = {"token": token, "gradients": gradients}
    total = {}
    for what, text in waits.items():
        for way, wait, send in re.findall(r"  ([a-z ]+?) +\d+ rounds +([\d.]+) ms waiting \+ +([\d.]+) ms", text):
            total[what, way] = float(wait) + float(send)
    assert total["token", "whole lists"] < total["token", "your plan"] < total["token", "the ring"] / 2
    assert total["gradients", "your plan"] < total["gradients", "the ring"] < total["gradients", "whole lists"] / 1.5
    ring_ms, h800_ms = (float(n) for n in re.findall(r"([\d.]+) ms sending", gradients)[1::2])
    assert h800_ms / ring_ms == pytest.approx(450 / 200, rel=1e-4)


# ---- 6


def test_flop_per_token_are_the_packages_count() -> None:
    """The weights that are multiplied with, and attention that is counted from the config."""
    config = ModelConfig.from_hf(PUBLISHED[V3])
    run = answer("V3_RUN") | {"n_active": weights_at_work(config)}
    expected = flops_per_token(config, context=run["T"], training=True)
    assert answer("utilisation")(run)["gflop_per_token"] * 1e9 == pytest.approx(expected, rel=1e-12)
    assert count_parameters(config).active == pytest.approx(37e9, rel=0.02)
    assert answer("V3_RUN")["n_active"] == pytest.approx(weights_at_work(config), rel=1e-3)
    assert round(count_parameters(config).input_embedding / 1e9, 1) == 0.9


def test_mfu_is_the_packages_and_the_published_run_is_rebuilt() -> None:
    run = answer("V3_RUN")
    out = answer("utilisation")(run | {"H": 0})
    flops = 6 * run["n_active"] * run["n_tokens"]
    assert out["tflops"] == pytest.approx(achieved_tflops(flops=flops, gpu_hours=run["gpu_hours"]))
    mfu = model_flops_utilisation(flops=flops, gpu_hours=run["gpu_hours"], peak_tflops=run["peak_tflops"])
    assert out["mfu"] == pytest.approx(mfu) and out["hfu"] == out["mfu"]
    said = found().printed("utilisation-learn")
    for number in ("222.0 GFLOP/token, 343 TFLOP/s, MFU 34.6%", "250.3 GFLOP/token", "MFU 39.1%", "54.2 days"):
        assert number in said  # DeepSeek: 250 GFLOP per token; 54.2 days are 2.664 million hours on 2,048 chips


def test_full_recomputation_is_four_thirds() -> None:
    out = answer("utilisation")(answer("V3_RUN") | {"recompute": "full"})
    assert out["hfu"] / out["mfu"] == pytest.approx(4 / 3)
    said = [float(n) for n in re.findall(r"HFU / MFU = ([\d.]+)", found().printed("utilisation-learn"))]
    assert said[0] == 1.333 and 1 < said[1] < said[2] < said[3] < 1.334  # the guess: 4 / 3, and towards 4 / 3


# ---- 7


def test_the_report_is_what_a_server_did_that_keeps_books() -> None:
    """A server that is played step by step and writes down every byte when it reads it."""
    dice = random.Random(7)
    for _ in range(100):
        users, prompt, n_tokens = dice.randint(1, 5), dice.randint(1, 40), dice.randint(3, 12)
        weights, looked_up, bytes_per_weight, cache_bytes = 5000, dice.choice([0, 700]), dice.choice([0.5, 2]), 12
        warm_up = dice.randint(0, n_tokens - 2)
        now = asked = dice.uniform(0, 5)
        held = [prompt] * users  # tokens in each user's cache
        now += dice.uniform(1, 3)  # all prompts are read, token 0 is there
        arrivals, books = [now], []
        for _ in range(n_tokens - 1):
            read = sum(bytes_per_weight for _ in range(weights - looked_up))
            for user in range(users):
                held[user] += 1  # the token that arrived last
                read += held[user] * cache_bytes
            took = dice.uniform(0.1, 1)
            now += took
            arrivals.append(now)
            books.append((read, took))
        run = {"asked_s": asked, "arrivals_s": arrivals, "users": users, "prompt": prompt, "warm_up": warm_up,
               "weights": weights, "looked_up": looked_up, "bytes_per_weight": bytes_per_weight,
               "cache_bytes": cache_bytes}  # fmt: skip
        out, counted = answer("decode_report")(run), books[warm_up:]
        assert out["step_bytes"] == pytest.approx([read for read, _ in counted])
        assert out["tokens_per_s"] == pytest.approx(users / np.median([took for _, took in counted]))
        assert out["gb_per_s"] == pytest.approx(np.median([read / took for read, took in counted]) / 1e9)
        assert out["first_s"] == arrivals[0] - asked
        given = answer("decode_report_with_bugs")(run)
        assert given["first_s"] == out["first_s"] and given["gb_per_s"] != pytest.approx(out["gb_per_s"])


def test_each_of_the_five_mendings_is_needed() -> None:
    """The given function with all bugs mended but one is never right."""
    mendings = [
        ('[run["asked_s"], *arrivals_s[:-1]]', "arrivals_s[:-1]"),
        ("range(1, len(steps_s) + 1)", 'range(1 + run["warm_up"], len(steps_s) + 1 + run["warm_up"])'),
        ('run["weights"] * run["bytes_per_weight"]', '(run["weights"] - run["looked_up"]) * run["bytes_per_weight"]'),
        ('run["users"] * weights_and_cache', "weights_and_cache"),
        ("2**30", "1e9"),
    ]
    given = found().source_of("bandwidth-bugs-given")
    for here, there in (
        ("zip(starts_s, arrivals_s, strict=True)", "zip(starts_s, arrivals_s[-len(starts_s) :], strict=True)"),
        ('+ (run["prompt"]', '+ caches * (run["prompt"]'),  # so that the users can move from the sum to the cache
    ):
        assert here in given
        given = given.replace(here, there)
    for left_out in (None, *range(5)):
        text = given
        for number, (bug, mended) in enumerate(mendings):
            assert bug in text
            text = text if number == left_out else text.replace(bug, mended)
        namespace = dict(found().namespace)
        exec(text.replace("caches", "1" if left_out == 3 else 'run["users"]'), namespace)
        outcomes = found().outcomes(
            found().exercise("bandwidth-bugs"), {"decode_report": namespace["decode_report_with_bugs"]}
        )
        assert [bool(outcome.error) for outcome in outcomes] == [left_out is not None] * 2


def test_the_colleague_claims_more_than_the_data_sheet() -> None:
    shares = [int(n) for n in re.findall(r"(\d+)% of", found().printed("bandwidth-bugs-learn"))]
    assert shares[0] > 100 > shares[1]
    config = ModelConfig.from_hf(PUBLISHED[QWQ])
    n = count_parameters(config)
    for number in (n.total, n.input_embedding, kv_bytes_per_token(config)):
        assert f"{number:_}" in found().source_of("bandwidth-bugs-learn")


# ---- 8 and the whole


def test_the_model_answer_has_its_numbers_right_for_eight_chips_too() -> None:
    """Another table that a class may draw: the eight chips' own fit gives more than an A100's 2,039 GB/s."""
    parameters = variants.parameters_of(ROOT / "sources/exercises/06_hardware.py")
    drawn = Assignment("06_hardware", variants.public_values(parameters) | {"MEASURED": 8})
    said = drawn.source_of("hw-question")
    data = {name: (rate / speed, 1000 / speed) for name, (speed, rate) in answer("GPT_FAST_ON_8").items()}
    for short, n_bytes, seconds in (("int8", "1.94", "1.29"), ("int4", "3.01", "1.45")):
        assert f"{data['bf16'][0] / data[short][0]:.2f}" == n_bytes and n_bytes in said
        assert f"{data['bf16'][1] / data[short][1]:.2f}" == seconds and seconds in said
    slope, rest_ms = np.polyfit(*zip(*data.values(), strict=True), 1)
    assert 1000 / slope == pytest.approx(2400, rel=0.02) and rest_ms == pytest.approx(8.5, abs=0.07)
    assert "2,400 GB/s, more than an A100 has" in said and "16.0 to 12.43 ms" in said
    assert "16.00 ms" in drawn.printed("hw-numbers") and "12.43 ms" in drawn.printed("hw-numbers")


def test_the_model_answer_has_its_numbers_right() -> None:
    said = found().source_of("hw-question").split("===")[0]
    data = {name: (rate / speed, 1000 / speed) for name, (speed, rate) in answer("GPT_FAST").items()}
    for short, n_bytes, seconds in (("int8", "1.94", "1.48"), ("int4", "3.04", "1.88")):
        assert f"{data['bf16'][0] / data[short][0]:.2f}" == n_bytes and n_bytes in said
        assert f"{data['bf16'][1] / data[short][1]:.2f}" == seconds and seconds in said
    slope, rest_ms = np.polyfit(*zip(*data.values(), strict=True), 1)
    assert 1000 / slope == pytest.approx(2000, rel=0.02) and rest_ms == pytest.approx(2.9, abs=0.07)
    assert "9.53 to 6.43 ms" in said and "9.53 ms" in found().printed("hw-numbers")


def test_other_parameters_change_no_points() -> None:
    """The parameters cell is what a class variant changes; no check looks at it."""
    for name, value in (
        ("CHIPS", {}), ("ROOM_GB", 1), ("CONVERSATIONS", 3), ("ROUND_S", 1.0), ("V3_RUN", {}), ("GPT_FAST", {}),
        ("GPT_FAST_ON_8", {}), ("MEASURED", 8),
    ):  # fmt: skip
        for exercise in found().exercises:
            for outcome in found().outcomes(exercise, {name: value}):
                assert not outcome.error and not outcome.printed, f"{outcome.grade_id}: {outcome.message}"


@pytest.mark.parametrize("nothing", [None, 0, "text", [], {}, float("nan"), torch.zeros(3)])
def test_whatever_comes_back_is_answered_by_a_sentence(nothing: object) -> None:
    for exercise in found().exercises:
        source = exercise.answers[0].source
        name = re.search(r"def (\w+)\(", source)[1]
        for outcome in found().outcomes(exercise, {name: lambda *args: nothing}):
            assert outcome.error == "AssertionError" and len(outcome.message) > 15, outcome
