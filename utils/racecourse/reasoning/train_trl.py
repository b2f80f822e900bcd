"""The same tasks and rewards through TRL's GRPOTrainer, on as many GPUs as Accelerate is told to use.

    python -m racecourse.reasoning.train_trl --model chains-base --steps 20
    accelerate launch --num_processes 8 -m racecourse.reasoning.train_trl --model Qwen/Qwen2.5-0.5B-Instruct --steps 500
    torchrun --nproc_per_node 2 -m racecourse.reasoning.train_trl --cpu      # two processes without a GPU

Nothing distributed is written here. Left out: vLLM, DeepSpeed and the rest of Accelerate's configuration, which
`accelerate config` asks for.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from racecourse.models.shipped import CHECKPOINTS, load_shipped, shipped_names
from racecourse.reasoning.grpo import GRPOConfig
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, Problem, Task, problems

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from trl import GRPOTrainer

TASKS: dict[str, Callable[[], Task]] = {"chains": ChainedArithmetic, "countdown": Countdown}
LOSS_TYPES = {"sequence": "grpo", "token": "dapo", "constant": "dr_grpo"}  # our names, and theirs


def load_hf(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A shipped model as transformers' class, or one from the hub or a folder, in float32."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

    from racecourse.models.hf_weights import to_hf

    if name not in shipped_names():
        return AutoModelForCausalLM.from_pretrained(name, dtype="float32"), AutoTokenizer.from_pretrained(name)
    model, ours = load_shipped(name)
    if ours is None:
        raise ValueError(f"{name} writes no text; of what is shipped take chains-base or countdown-base")
    end = ours.decode(ours.eos_ids[:1])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(CHECKPOINTS / name / "tokenizer.json"), eos_token=end, pad_token=end
    )
    hf = to_hf(model)
    for config in (hf.config, hf.generation_config):
        config.eos_token_id = config.pad_token_id = tokenizer.eos_token_id
        config.bos_token_id = None
    return hf, tokenizer


def make_trainer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    config: GRPOConfig,
    *,
    output_dir: Path,
    reward: Callable[[Problem, str], float] | None = None,
    n_processes: int = 1,
    use_cpu: bool = False,
    **options: Any,
) -> GRPOTrainer:
    """TRL's trainer with our settings; `options` go to its config and win over ours.

    The batch of `config`, all prompts times the group, is shared by the processes.

    Raises:
        ValueError: a batch that the processes cannot share evenly.
    """
    import trl
    from datasets import Dataset

    n_rows = config.n_prompts * config.group_size
    if n_rows % n_processes:
        raise ValueError(f"{n_rows} answers per step cannot be shared by {n_processes} processes; change n_prompts")
    asked = problems(task, config.n_prompts * config.n_steps, seed=config.seed)
    judge = reward or task.reward

    def rewards(completions: list[str], index: list[int], **_: Any) -> list[float | None]:
        return [judge(asked[i], text) for i, text in zip(index, completions, strict=True)]

    settings = {
        "output_dir": str(output_dir), "max_steps": config.n_steps, "learning_rate": config.learning_rate,
        "per_device_train_batch_size": n_rows // n_processes, "num_generations": config.group_size,
        "max_completion_length": config.max_new_tokens, "temperature": config.temperature, "beta": config.kl_weight,
        "epsilon": config.clip_low, "epsilon_high": config.clip_high, "num_iterations": config.n_updates,
        "loss_type": LOSS_TYPES[config.normalise], "scale_rewards": "group" if config.scale_by_std else "none",
        "max_grad_norm": config.clip_norm, "warmup_steps": config.warmup_steps, "lr_scheduler_type": "constant",
        "adam_beta2": 0.95, "weight_decay": 0.0, "seed": config.seed, "report_to": [], "save_strategy": "no",
        "logging_steps": 1, "use_cpu": use_cpu, "bf16": False, "gradient_checkpointing": False, "disable_tqdm": True,
    }  # fmt: skip
    rows = Dataset.from_list([{"prompt": problem.prompt, "index": i} for i, problem in enumerate(asked)])
    return trl.GRPOTrainer(
        model=model, args=trl.GRPOConfig(**{**settings, **options}), reward_funcs=rewards, train_dataset=rows,
        processing_class=tokenizer,
    )  # fmt: skip


def main(
    model: Annotated[str, typer.Option(help="a shipped model, a name on the hub, or a folder")] = "chains-base",
    task: Annotated[str, typer.Option(help="chains or countdown")] = "chains",
    steps: int = 60,
    prompts: Annotated[int, typer.Option(help="per step, over all processes")] = 32,
    group_size: int = 8,
    max_new_tokens: int = 16,
    learning_rate: float = 3e-4,
    output: Annotated[
        Path | None, typer.Option(help="folder for the trained model; none is written without it")
    ] = None,
    cpu: Annotated[bool, typer.Option("--cpu", help="do not use a GPU")] = False,
) -> None:
    """Train with GRPO through TRL."""
    from accelerate import PartialState

    if task not in TASKS:
        raise typer.BadParameter(f"{task!r} is no task here; there are {', '.join(TASKS)}")
    hf, tokenizer = load_hf(model)
    config = GRPOConfig(
        n_steps=steps, n_prompts=prompts, group_size=group_size, max_new_tokens=max_new_tokens,
        learning_rate=learning_rate,
    )  # fmt: skip
    state = PartialState(cpu=cpu)
    with tempfile.TemporaryDirectory() as scratch:
        trainer = make_trainer(
            hf, tokenizer, TASKS[task](), config, output_dir=output or Path(scratch), use_cpu=cpu,
            n_processes=state.num_processes,
        )  # fmt: skip
        trainer.train()
        if state.is_main_process:
            rewards = [row["reward"] for row in trainer.state.log_history if "reward" in row]
            print(
                f"processes {state.num_processes}, steps {len(rewards)}, reward {rewards[0]:.3f} -> {rewards[-1]:.3f}"
            )
        if output is not None:
            trainer.save_model()


if __name__ == "__main__":
    typer.run(main)
