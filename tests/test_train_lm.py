"""GRPO of a real language model: the questions and their verifier, the memory against measured bytes, a real step."""

import dataclasses
import re

import pytest
import torch
from typer.testing import CliRunner

from racecourse.learn.fits import known_configs
from racecourse.machine import Device
from racecourse.models import ModelConfig, Transformer, load
from racecourse.models.lora import add_lora
from racecourse.models.tokenizer import Tokenizer
from racecourse.models.zoo import SMOLLM2, fetch
from racecourse.reasoning import train_lm
from racecourse.reasoning.grpo import GRPOConfig, Rollout, token_logprobs
from racecourse.reasoning.in_words import InWords, final_answer
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, Problem, problems
from racecourse.reasoning.train_lm import DoesNotFitError, check_range, make_plan
from racecourse.reasoning.training_memory import memory_needed

GIB = 2**30
T4 = Device("cuda", "Tesla T4", 2, int(14.7 * GIB), int(14.5 * GIB), False, "float16")
GRPO = GRPOConfig(n_prompts=8, group_size=8, max_new_tokens=48, rows_at_once=8)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_folder(fetch(SMOLLM2))


# ---------------------------------------------------------------------------------------------------------- in words


def test_the_same_problems_are_asked_and_the_same_are_for_testing(tokenizer):
    for task in (ChainedArithmetic((2, 3)), Countdown()):
        plain, asked = (problems(t, 20, split="test", seed=1) for t in (task, InWords(task, tokenizer)))
        for short, long in zip(plain, asked, strict=True):
            question = re.findall(r"<\|im_start\|>user\n(.*)<\|im_end\|>\n<\|im_start\|>assistant\n$", long.prompt)[0]
            numbers = re.findall(r"\d+", short.prompt)
            assert long.is_test and [n for n in re.findall(r"\d+", question) if n in numbers] == numbers
            if isinstance(task, ChainedArithmetic):
                assert int(long.answer) == eval(short.prompt.rstrip("="))


@pytest.mark.parametrize(("text", "answer"), [
    ("3 + 5 = 8\n8 - 9 = -1\n# -1", "-1"),
    ("#### -1\n", "-1"),
    ("So 3 + 5 - 9 is **-1**.", "-1"),
    (r"The result is \(3 + 5 - 9 = \boxed{-1}\).", "-1"),
    ("Answer: -1", "-1"),
    ("-1", None),  # nothing says that this is meant as the answer
    ("", None),
    ("0 1 2 3 4 5 6 7 8 9", None),
    ("The answer is -1 or 0", "-1 or 0"),  # which is no number
    ("# 5\n# -1", "-1"),
    ("# -1, since 8 - 9 = -1", "-1, since 8 - 9 = -1"),
])  # fmt: skip
def test_what_counts_as_the_answer_of_a_text(tokenizer, text, answer):
    assert final_answer(text) == answer
    task = InWords(ChainedArithmetic((3, 3)), tokenizer)
    assert task.reward(Problem("", "-1"), text) == (answer == "-1")


@pytest.mark.parametrize("text", [
    " ".join(map(str, range(-30, 60))), "# " + " ".join(map(str, range(-30, 60))), "1, 2, 3, 4 or 5",
    "The answer is 1. The answer is 2. The answer is 3.", "# 1 # 2 # 3", "1=2=3=4", "# 7\n" * 5000, "is is is", "=" * 9,
    "3 + 5 - 9", "Work out 3 + 5 - 9 step by step. Then write # and the result.", "# 1e99999", "# 1/0", "# nan",
])  # fmt: skip
def test_no_text_is_right_for_two_problems(tokenizer, text):
    task = InWords(ChainedArithmetic((3, 3)), tokenizer)
    assert sum(task.reward(Problem("", str(truth)), text) for truth in range(-30, 60)) <= 1


def test_an_expression_has_to_stand_behind_the_mark(tokenizer):
    task = InWords(Countdown(), tokenizer)
    problem = Problem("", "(7-3)*2", data={"numbers": [3, 7, 2], "target": 8})
    for text in ("# (7-3)*2", "7 - 3 = 4, 4 * 2 = 8\n# (7 - 3) * 2 = 8.", "# 2*(7-3)"):
        assert task.reward(problem, text) == 1.0, text
    for text in ("(7-3)*2", "# 8", "# 7+3*2 = 8", "# (7-3)*2 or 2*(7-3)", "is (7-3)*2", "#", "# = 8"):
        assert task.reward(problem, text) == 0.0, text


# ------------------------------------------------------------------------------------------------------------ memory


@pytest.mark.parametrize("rank", [0, 16])
def test_weights_gradients_and_moments_of_smollm2_are_its_tensors_bytes(rank):
    dtype = torch.float16 if rank else torch.float32
    with torch.device("meta"):  # shapes and dtypes without the memory
        model = Transformer(known_configs()["SmolLM2-135M"]).to(dtype)
        if rank:
            add_lora(model, rank)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, foreach=False)
    for p in trained:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    moments = [state[key] for state in optimizer.state.values() for key in ("exp_avg", "exp_avg_sq")]
    memory = memory_needed(model.config, GRPO, prompt_tokens=60, weight_bytes=dtype.itemsize, lora_rank=rank)
    assert memory.weights == sum(p.nbytes for p in model.parameters())
    assert memory.gradients == sum(p.grad.nbytes for p in trained)
    assert memory.moments == sum(tensor.nbytes for tensor in moments)


def test_the_cache_is_counted_by_hand():
    # 64 answers, 60 + 48 - 1 tokens, 30 layers, keys and values, 3 heads of 64 channels, 4 bytes
    memory = memory_needed(known_configs()["SmolLM2-135M"], GRPO, prompt_tokens=60)
    assert memory.cache == 64 * 107 * 30 * 2 * 3 * 64 * 4
    assert memory.first_model == 0
    with_kl = memory_needed(known_configs()["SmolLM2-135M"], dataclasses.replace(GRPO, kl_weight=0.1), prompt_tokens=60)
    assert with_kl.first_model == 134_515_008 * 4 and with_kl.total == memory.total + with_kl.first_model


@pytest.mark.parametrize("qk_norm", ["none", "head"])
@pytest.mark.parametrize(("rank", "dtype"), [(0, torch.float32), (4, torch.float32), (4, torch.float16)])
def test_activations_are_what_autograd_keeps_and_the_peak_is_near(qk_norm, rank, dtype):
    """The witnesses: the storages that autograd saves, and every allocation that torch's profiler sees on the CPU."""
    config = ModelConfig("qwen3", 2000, 64, 4, 4, 2, 16, 192, max_context=512, tie_embeddings=True, qk_norm=qk_norm)
    model = Transformer(config).to(dtype)
    if rank:
        add_lora(model, rank)
    ids_BT = torch.randint(2000, (8, 12))
    prompt_BS = torch.randint(2000, (2, 20)).repeat_interleave(4, dim=0)
    part = Rollout(prompt_BS, torch.zeros(8, dtype=torch.long), ids_BT, torch.ones_like(ids_BT, dtype=torch.bool), [])
    chunk = 10 * 2000
    memory = memory_needed(
        config, GRPOConfig(n_prompts=4, group_size=4, max_new_tokens=12, rows_at_once=8), prompt_tokens=20,
        weight_bytes=dtype.itemsize, lora_rank=rank, logits_at_once=chunk,
    )  # fmt: skip

    kept = {p.untyped_storage().data_ptr(): 0 for p in model.parameters()}
    alive = []

    def keep(tensor):
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes())
        alive.append(tensor)  # so that its address is not given to another
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        logprobs_BT, _ = token_logprobs(model, part, 4, 1.0, chunk)
    assert sum(kept.values()) == pytest.approx(memory.activations, rel=0.03)
    logprobs_BT.sum().backward()  # from now on there are gradients

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        token_logprobs(model, part, 4, 1.0, chunk)[0].sum().backward()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    assert 0.9 * (memory.activations + memory.logits + memory.scratch) < peak
    assert peak < 1.02 * (memory.activations + memory.logits + memory.scratch)


def test_what_is_not_counted_is_refused():
    config = known_configs()["DeepSeek-R1"]
    with pytest.raises(ValueError, match="dense models"):
        memory_needed(config, GRPO, prompt_tokens=60)
    with pytest.raises(ValueError, match=r"weight_bytes=2.*float32"):
        memory_needed(known_configs()["Qwen2.5-0.5B"], GRPO, prompt_tokens=60, weight_bytes=2)


# -------------------------------------------------------------------------------------------------------------- plans


def plan(name: str, here: Device = T4, grpo: GRPOConfig = GRPO, lora_rank: int | None = None, precision: str = "auto"):
    config = known_configs()[name]
    chosen = make_plan(config, grpo, here, prompt_tokens=60, lora_rank=lora_rank, precision=precision)
    return chosen.dtype_name, chosen.lora_rank


def test_the_precision_is_chosen_by_the_device_and_its_memory():
    a100 = dataclasses.replace(T4, bf16_is_real=True, dtype_name="bfloat16")
    laptop = dataclasses.replace(T4, kind="cpu", dtype_name="float32")
    assert plan("Qwen2.5-0.5B") == ("float32", 0)  # it fits a T4
    assert plan("R1-Distill-Qwen-1.5B") == ("float16", 16)
    assert plan("R1-Distill-Qwen-1.5B", a100) == ("bfloat16", 16)
    assert plan("R1-Distill-Qwen-1.5B", laptop) == ("float32", 16)
    assert plan("SmolLM2-135M", lora_rank=8) == ("float16", 8)
    assert plan("SmolLM2-135M", lora_rank=8, precision="float32") == ("float32", 8)
    with pytest.raises(ValueError, match="trained in float32"):
        plan("SmolLM2-135M", lora_rank=0, precision="float16")


@pytest.mark.parametrize(("name", "changes", "rank", "remedy"), [
    ("QwQ-32B", {}, None, "take a smaller model"),
    ("R1-Distill-Qwen-1.5B", {}, 0, "set --lora-rank 16"),
    ("SmolLM2-135M", {"max_new_tokens": 1024}, None, "lower --group-size or --max-new-tokens"),
    ("SmolLM2-135M", {"rows_at_once": 512, "n_prompts": 64}, None, "set --rows-at-once 8"),
    ("SmolLM2-135M", {"n_prompts": 4096}, None, "lower --prompts or --max-new-tokens"),
])  # fmt: skip
def test_what_cannot_fit_is_refused_with_what_to_lower(name, changes, rank, remedy):
    with pytest.raises(DoesNotFitError, match=rf"needs [\d.]+ GiB and 14.5 are free:\n  weights(.|\n)*{remedy}"):
        plan(name, grpo=dataclasses.replace(GRPO, **changes), lora_rank=rank)


def test_numbers_beyond_float16_are_noticed_before_the_run(tokenizer):
    model = Transformer(ModelConfig("llama", tokenizer.vocab_size, 16, 1, 2, 2, 8, 32, max_context=48)).half()
    check_range(model, tokenizer, "1 + 1")
    with torch.no_grad():
        model.layers[0].mlp.down.weight.fill_(6e4)
        model.layers[0].mlp.gate_up.weight.fill_(10)
    with pytest.raises(DoesNotFitError, match="set --precision float32"):
        check_range(model, tokenizer, "1 + 1")


# ------------------------------------------------------------------------------------------------------------ the run


@pytest.mark.parametrize("rank", [0, 4])
def test_one_real_step_of_smollm2(rank, tmp_path, monkeypatch):
    """Paid for length, so that there is a signal whatever the model writes."""
    from safetensors.torch import load_model

    monkeypatch.setattr(InWords, "reward", lambda self, problem, text: len(text) / 1000)
    monkeypatch.setattr(train_lm, "device", lambda: dataclasses.replace(T4, kind="cpu", dtype_name="float32"))
    options = {"steps": 1, "prompts": 1, "group-size": 3, "max-new-tokens": 5, "eval-problems": 1, "operands": 2,
               "lora-rank": rank, "output": tmp_path / "trained"}  # fmt: skip
    app = train_lm.typer.Typer()
    app.command()(train_lm.main)
    done = CliRunner().invoke(app, [f"--{name}={value}" for name, value in options.items()])
    assert done.exit_code == 0, done.output
    assert done.output.index("weights") < done.output.index("step    0 of 1") < done.output.index("step    1 ")
    assert re.search(r"8 answers each at temperature 1: \S+% right before, \S+% after", done.output)
    assert re.search(r"1 steps in \d+\.\d minutes.*; \d+ tokens/s trained on, \d+ tokens/s while writing", done.output)
    model, _ = load(SMOLLM2, "cpu", torch.float32)
    before = {name: p.clone() for name, p in model.named_parameters()}
    load_model(model, str(tmp_path / "trained"))
    moved = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert len(moved) == (4 * 30 if rank else len(before))


def test_a_refusal_is_a_message_and_not_a_traceback(monkeypatch):
    monkeypatch.setattr(train_lm, "device", lambda: dataclasses.replace(T4, memory_free_bytes=GIB // 10))
    app = train_lm.typer.Typer()
    app.command()(train_lm.main)
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 1 and done.output.startswith("float16, LoRA of rank 16 beside frozen weights: needs")
