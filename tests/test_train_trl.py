"""TRL's trainer on our tasks: settings arrive, the loss is ours on its own batch, two processes share the work."""

import os
import re
import subprocess
import sys

import pytest
import torch

from racecourse.models.hf_weights import to_hf
from racecourse.models.shipped import load_shipped
from racecourse.reasoning.grpo import GRPOConfig, group_advantages, grpo_loss
from racecourse.reasoning.tasks import ChainedArithmetic, problems

pytest.importorskip("trl")
from racecourse.reasoning.train_trl import load_hf, make_trainer

CONFIG = GRPOConfig(n_steps=1, n_prompts=4, group_size=8, kl_weight=0.0, clip_high=0.28)


@pytest.fixture(scope="module")
def theirs():
    return load_hf("chains-base")


def test_a_shipped_model_gives_the_same_logits_in_transformers(theirs):
    hf, tokenizer = theirs
    model, ours = load_shipped("chains-base")
    text = "3+5-2+7+1-4=8637#7"
    assert tokenizer(text)["input_ids"] == ours.encode(text) and tokenizer.eos_token_id == ours.eos_ids[0]
    ids = torch.tensor([ours.encode(text)])
    torch.testing.assert_close(hf(ids).logits, model(ids), atol=1e-4, rtol=1e-4)


def test_only_a_plain_llama_can_be_handed_over():
    with pytest.raises(ValueError, match="plain dense Llama"):
        to_hf(load_shipped("python-moe")[0])


def test_the_loss_on_trls_own_batch_is_ours(theirs, tmp_path):
    """TRL samples, scores and shapes a batch; our verifier, advantages and loss judge the same ids."""
    hf, tokenizer = theirs
    model, _ = load_shipped("chains-base")
    task = ChainedArithmetic()
    trainer = make_trainer(hf, tokenizer, task, CONFIG, output_dir=tmp_path, use_cpu=True)
    asked = {problem.prompt: problem for problem in problems(task, CONFIG.n_prompts, seed=CONFIG.seed)}
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    loss = trainer.compute_loss(trainer.model, batch)

    mask = batch["completion_mask"].bool()
    texts = tokenizer.batch_decode(batch["completion_ids"], skip_special_tokens=True)
    prompts = tokenizer.batch_decode(batch["prompt_ids"], skip_special_tokens=True)
    rewards = torch.tensor([task.reward(asked[p], t) for p, t in zip(prompts, texts, strict=True)])
    order = sorted(range(len(prompts)), key=lambda row: prompts[row])  # a group's rows side by side
    advantages_B = group_advantages(rewards[order].view(-1, CONFIG.group_size)).flatten()
    torch.testing.assert_close(advantages_B, batch["advantages"][order], atol=1e-3, rtol=1e-3)
    assert 0 < rewards.mean() < 1
    ids = torch.cat((batch["prompt_ids"], batch["completion_ids"]), dim=1)
    logits = model(ids)[:, -mask.shape[1] - 1 : -1]
    logprobs = logits.log_softmax(-1).gather(-1, batch["completion_ids"][..., None])[..., 0]
    ours = grpo_loss(logprobs, logprobs.detach(), batch["advantages"], mask, normalise="token")
    assert ours.item() == pytest.approx(loss.item(), abs=1e-4)


def test_a_batch_that_cannot_be_shared_is_refused(theirs, tmp_path):
    with pytest.raises(ValueError, match="32 answers per step cannot be shared by 5"):
        make_trainer(*theirs, ChainedArithmetic(), CONFIG, output_dir=tmp_path, n_processes=5)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_train_together():
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m",
               "racecourse.reasoning.train_trl", "--steps", "2", "--prompts", "4", "--cpu"]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"processes 2, steps 2, reward 0\.\d+ -> 0\.\d+", done.stdout), done.stdout
