"""Fixtures that several test files use."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

ROOT = Path(__file__).resolve().parent.parent
os.environ["RACECOURSE_PROGRESS"] = "off"  # no test touches its user's own; tests of progress name a file


@pytest.fixture
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A course in a temporary folder, with exercise set 00 built and nothing else: tests may change it."""
    folder = tmp_path / "course"
    for name in ("pyproject.toml", "nbgrader_config.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("sources/exercises/00_start_here.py",):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, folder / name)
    for name in ("solutions/00_start_here", "exercises/00_start_here"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "sources/lessons").mkdir()
    return folder


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A new gradebook; to make one takes nbgrader seconds."""
    from racecourse.grading.gradebook import Marks

    path = tmp_path_factory.mktemp("empty") / "gradebook.db"
    with Marks(f"sqlite:///{path}"):
        return path.read_bytes()


def trl_loss(logprobs, old, advantages, mask, *, ref_logprobs=None, **options):
    """The loss that TRL's GRPOTrainer computes from these tensors; `options` are fields of the trainer.

    Only the model's forward pass is replaced: the log-probabilities are given. Without TRL the test is skipped.
    """
    trainer_class = pytest.importorskip("trl").GRPOTrainer
    import torch

    B, T = logprobs.shape
    fields = {"beta": 0.0, "loss_type": "grpo", "epsilon_low": 0.2, "epsilon_high": 0.2, **options}
    trainer = MagicMock()
    trainer.configure_mock(
        _get_per_token_logps_and_entropies=lambda *_, **__: (logprobs, torch.zeros(B, T), None), aux_loss_enabled=False,
        top_entropy_quantile=1.0, off_policy_mask_threshold=None, use_vllm=False, _entropy_bonus_enabled=False,
        max_completion_length=9, current_gradient_accumulation_steps=1, **fields,
    )  # fmt: skip
    trainer.args = SimpleNamespace(use_bias_correction_kl=False, delta=None, steps_per_generation=1)
    trainer.accelerator.num_processes = 1
    trainer.accelerator.gather = lambda tensor: tensor
    inputs = {
        "prompt_ids": torch.zeros(B, 2), "prompt_mask": torch.ones(B, 2), "completion_ids": torch.zeros(B, T),
        "completion_mask": mask.int(), "advantages": advantages, "old_per_token_logps": old,
        "ref_per_token_logps": ref_logprobs, "num_items_in_batch": mask.sum(),
    }  # fmt: skip
    return trainer_class._compute_loss(trainer, None, inputs)
