"""Our GRPO on a real language model, which is asked our tasks in words.

    python -m racecourse.reasoning.train_lm --steps 20                                       # SmolLM2-135M, any machine
    python -m racecourse.reasoning.train_lm --model qwen2.5-0.5b-instruct --operands 6       # a T4, from the hub

The memory that the run needs is printed before anything is loaded, and a run that cannot fit is refused. Weights that
are trained are float32. Where they, their gradients and AdamW's moments do not fit, the weights are frozen in 16 bits
and LoRA's float32 adapters are trained: bfloat16 where the GPU has it (Ampere and newer), float16 on a T4. Left out:
4-bit weights, several GPUs (train_trl.py), and resuming a run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import torch
import typer

from racecourse.machine import Device, device
from racecourse.models.config import ModelConfig
from racecourse.models.lora import add_lora, merge_lora
from racecourse.models.tokenizer import Tokenizer
from racecourse.models.zoo import SMOLLM2, check_json_files, find, load
from racecourse.reasoning.evaluation import judge_on
from racecourse.reasoning.grpo import GRPOConfig, History, Step, train_grpo
from racecourse.reasoning.in_words import InWords
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, problems
from racecourse.reasoning.training_memory import Memory, memory_needed

if TYPE_CHECKING:
    from racecourse.models.transformer import Transformer

BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
LORA_RANK = 16  # where all weights do not fit
GIB = 2**30


class DoesNotFitError(ValueError):
    """This run would end out of memory or out of float16's range; the message says what to change."""


@dataclass(frozen=True)
class Plan:
    """How a model is trained on a device."""

    dtype_name: str  # of the weights
    lora_rank: int  # 0: all weights are trained
    memory: Memory

    @property
    def learning_rate(self) -> float:
        """Where none is asked for: adapters, which begin at zero, take larger steps than finished weights."""
        return 1e-4 if self.lora_rank else 1e-5

    def __str__(self) -> str:
        how = f"LoRA of rank {self.lora_rank} beside frozen weights" if self.lora_rank else "all weights are trained"
        return f"{self.dtype_name}, {how}"


def make_plan(
    config: ModelConfig, grpo: GRPOConfig, here: Device, *, prompt_tokens: int, lora_rank: int | None, precision: str
) -> Plan:
    """All weights in float32 if that fits, else LoRA beside weights in the device's own 16 bits.

    `lora_rank` decides for one of the two (0 is all weights), `precision` for the frozen weights' dtype.

    Raises:
        DoesNotFitError: with the options to lower.
    """

    def plan(dtype_name: str, rank: int) -> Plan:
        needed = memory_needed(
            config, grpo, prompt_tokens=prompt_tokens, weight_bytes=BYTES[dtype_name], lora_rank=rank
        )
        return Plan(dtype_name, rank, needed)

    if lora_rank is None:
        fits = precision == "auto" and plan("float32", 0).memory.total <= here.memory_free_bytes
        lora_rank = 0 if fits else LORA_RANK
    if precision == "auto":
        precision = here.dtype_name if lora_rank else "float32"
    chosen = plan(precision, lora_rank)
    if chosen.memory.total > here.memory_free_bytes:
        raise DoesNotFitError(
            f"{chosen}: needs {chosen.memory.total / GIB:.1f} GiB and {here.memory_free_bytes / GIB:.1f} are free:\n"
            f"{chosen.memory.table()}\n{what_to_lower(chosen, grpo)}"
        )
    return chosen


def what_to_lower(plan: Plan, grpo: GRPOConfig) -> str:
    """The options that make the largest part of a plan's memory smaller."""
    memory = plan.memory
    learning, writing = memory.activations + memory.scratch, memory.cache + memory.writing
    if memory.held >= max(learning, writing):
        return "What is held is too much: " + ("take a smaller model" if plan.lora_rank else "set --lora-rank 16")
    if writing > learning:
        return "Writing takes most: lower --prompts or --max-new-tokens"
    if grpo.rows_at_once > grpo.group_size:
        return f"Activations take most: set --rows-at-once {grpo.group_size}, one group"
    return "Activations take most, by the square of a group's tokens: lower --group-size or --max-new-tokens"


def train_lm(
    name: str, task: ChainedArithmetic | Countdown, grpo: GRPOConfig, *, learning_rate: float | None = None,
    lora_rank: int | None = None, precision: str = "auto", n_problems: int = 32, here: Device | None = None,
    say: Callable[[str], None] = print,
) -> tuple[Transformer, History]:  # fmt: skip
    """Load a chat model, train it on `task` in words, and say what was needed, reached and how fast.

    `learning_rate=None` is the plan's, whatever `grpo` says.

    Raises:
        DoesNotFitError: memory is too small, or float16 for this model's numbers.
    """
    here = here or device()
    folder, remedy = find(name)
    check_json_files(folder, remedy)
    tokenizer = Tokenizer.from_folder(folder)
    asked = InWords(task, tokenizer)
    prompts = [problem.prompt for problem in problems(asked, 64, seed=grpo.seed)]
    longest = max(len(tokenizer.encode(prompt)) for prompt in prompts)
    config = ModelConfig.from_hf(folder / "config.json")
    plan = make_plan(config, grpo, here, prompt_tokens=longest, lora_rank=lora_rank, precision=precision)
    grpo = dataclasses.replace(grpo, learning_rate=learning_rate or plan.learning_rate)
    say(f"{here}\n{name}: {plan}\n{plan.memory.table()}\n  of {here.memory_free_bytes / GIB:.2f} GiB free")

    model, _ = load(name, here.torch_device, getattr(torch, plan.dtype_name))
    check_range(model, tokenizer, prompts[0])
    if plan.lora_rank:
        add_lora(model, plan.lora_rank)
    judge = judge_on(
        asked, tokenizer, n_problems=n_problems, n_samples=8, max_new_tokens=grpo.max_new_tokens,
        rows_at_once=grpo.n_prompts * grpo.group_size,
    )  # fmt: skip
    history = train_grpo(model, tokenizer, asked, grpo, judge=judge, log=say, on_step=lambda step: say(progress(step)))
    say(summary(history, grpo, n_problems))
    return merge_lora(model), history


def check_range(model: Transformer, tokenizer: Tokenizer, prompt: str) -> None:
    """Some models (Qwen2-1.5B is one) reach numbers beyond float16's 65,504, and write nothing but '!' from then on.

    Raises:
        DoesNotFitError: the logits are not finite.
    """
    weight = next(model.parameters())
    with torch.inference_mode():
        logits_1TV = model(torch.tensor([tokenizer.encode(prompt)], device=weight.device))
    if not logits_1TV.isfinite().all():
        raise DoesNotFitError(f"this model's numbers leave the range of {weight.dtype}: set --precision float32")


def progress(step: Step) -> str:
    return (
        f"step {step.step:>4}  {step.seconds:>5.0f} s, {step.generation_seconds:.1f} s of this step writing  "
        f"reward {step.reward:.3f}, groups with signal {step.signal:.0%}, {step.length:.0f} tokens an answer"
    )


def summary(history: History, grpo: GRPOConfig, n_problems: int) -> str:
    """Accuracy before and after, minutes, and speed."""
    before, after = history.evaluations[0], history.evaluations[-1]
    n_tokens = sum(step.length * grpo.n_prompts * grpo.group_size for step in history.steps)
    writing, seconds = sum(step.generation_seconds for step in history.steps), history.steps[-1].seconds
    return (
        f"{n_problems} held-out problems, 8 answers each at temperature 1: {before.accuracy:.1%} right before, "
        f"{after.accuracy:.1%} after; greedy {before.greedy:.1%}, {after.greedy:.1%}\n"
        f"{len(history.steps)} steps in {seconds / 60:.1f} minutes, evaluations left out; {n_tokens / seconds:.0f} "
        f"tokens/s trained on, {n_tokens / writing:.0f} tokens/s while writing"
    )


def main(
    model: Annotated[str, typer.Option(help="a chat model: a short name, a name on the hub, or a folder")] = SMOLLM2,
    task: Annotated[str, typer.Option(help="chains or countdown")] = "chains",
    operands: Annotated[int, typer.Option(help="a chain has from 2 to so many numbers")] = 3,
    steps: int = 100,
    prompts: Annotated[int, typer.Option(help="per step")] = 8,
    group_size: Annotated[int, typer.Option(help="answers to each prompt")] = 8,
    max_new_tokens: int = 48,
    learning_rate: Annotated[float | None, typer.Option(help="1e-5, or 1e-4 for LoRA, if not given")] = None,
    kl_weight: Annotated[float, typer.Option(help="above 0 a copy of the first model is held")] = 0.0,
    lora_rank: Annotated[int | None, typer.Option(help="0 trains all weights; chosen by memory if not given")] = None,
    precision: Annotated[str, typer.Option(help="of frozen weights: auto, float32, float16 or bfloat16")] = "auto",
    rows_at_once: Annotated[int | None, typer.Option(help="of a backward pass; one group if not given")] = None,
    eval_problems: Annotated[int, typer.Option(help="held out, asked before and after")] = 32,
    seed: int = 0,
    output: Annotated[Path | None, typer.Option(help="file that safetensors' load_model reads back")] = None,
) -> None:
    """Train a chat model with our GRPO."""
    if task not in ("chains", "countdown"):
        raise typer.BadParameter(f"{task!r} is no task here; there are chains and countdown")
    if precision != "auto" and precision not in BYTES:
        raise typer.BadParameter(f"{precision!r} is no precision here; there are auto, {', '.join(BYTES)}")
    grpo = GRPOConfig(
        n_steps=steps, n_prompts=prompts, group_size=group_size, max_new_tokens=max_new_tokens, kl_weight=kl_weight,
        rows_at_once=rows_at_once or group_size, eval_every=steps, seed=seed,
    )  # fmt: skip
    try:
        trained, _ = train_lm(
            model, ChainedArithmetic((2, operands)) if task == "chains" else Countdown(), grpo,
            learning_rate=learning_rate, lora_rank=lora_rank, precision=precision, n_problems=eval_problems,
        )  # fmt: skip
    except DoesNotFitError as problem:
        typer.echo(problem, err=True)
        raise typer.Exit(1) from None
    if output is not None:
        from safetensors.torch import save_model

        save_model(trained, str(output))


if __name__ == "__main__":
    typer.run(main)
