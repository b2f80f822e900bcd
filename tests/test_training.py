"""The training loop against a plain one, its schedule against transformers', and a killed run against a whole one."""

import dataclasses
import math
import signal
import subprocess
import sys
import textwrap

import pytest
import torch
import torch.nn.functional as F
import transformers

from racecourse.models import ModelConfig, MoEConfig, Transformer
from racecourse.scaling import History, TrainConfig, train
from racecourse.scaling.corpora import AssociativeRecall, Batch, FactRecall
from racecourse.scaling.training import evaluate, learning_rate_at, loss_of, make_optimizer, training_step

CORPUS = FactRecall(n_facts=40, n_symbols=12)
SETTINGS = TrainConfig(n_steps=12, batch_size=8, warmup_steps=3, eval_every=4, eval_rows=40)


def tiny(moe: MoEConfig | None = None, seed: int = 0, vocab_size: int = 12) -> Transformer:
    torch.manual_seed(seed)
    config = ModelConfig("llama", vocab_size=vocab_size, d_model=16, n_layers=2, n_heads=2, n_kv_heads=2, head_dim=8,
                         d_ff=20, max_context=32, moe=moe)  # fmt: skip
    return Transformer(config)


def experts(**options) -> MoEConfig:
    return MoEConfig(n_experts=4, top_k=1, d_expert=20, layers=(0, 1), **options)


def quiet(model: Transformer, corpus=CORPUS, config=SETTINGS, **options) -> History:
    return train(model, corpus, config, log=None, **options)


@pytest.mark.parametrize("schedule", ["cosine", "wsd", "constant"])
def test_learning_rate_against_transformers_schedules(schedule) -> None:
    config = TrainConfig(n_steps=100, batch_size=1, learning_rate=0.5, schedule=schedule, warmup_steps=10,
                         decay_share=0.3, final_share=0.1)  # fmt: skip
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    theirs = {
        "cosine": lambda: transformers.get_cosine_with_min_lr_schedule_with_warmup(
            optimizer, num_warmup_steps=10, num_training_steps=100, min_lr_rate=0.1
        ),
        "wsd": lambda: transformers.get_wsd_schedule(
            optimizer, num_warmup_steps=10, num_stable_steps=60, num_decay_steps=30, min_lr_ratio=0.1,
            decay_type="linear"
        ),
        "constant": lambda: transformers.get_constant_schedule_with_warmup(optimizer, num_warmup_steps=10),
    }[schedule]()  # fmt: skip
    for step in range(100):
        if step < 10:  # theirs starts from 0, which wastes the first step
            assert learning_rate_at(step, config) == pytest.approx(0.5 * (step + 1) / 10)
        else:
            assert learning_rate_at(step, config) == pytest.approx(theirs.get_last_lr()[0], rel=1e-12), step
        optimizer.step()
        theirs.step()


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="schedule='linear'"):
        TrainConfig(n_steps=10, batch_size=1, schedule="linear", warmup_steps=1)
    with pytest.raises(ValueError, match="warmup_steps=50 leaves nothing of n_steps=50"):
        TrainConfig(n_steps=50, batch_size=1)


def test_a_run_equals_a_loop_written_out() -> None:
    """AdamW as torch has it, unfused, with its own schedule object; balancing losses left out."""
    config = dataclasses.replace(SETTINGS, clip_norm=0.5, weight_decay=0.3)
    history = quiet(model := tiny(), config=config)
    plain = tiny()
    still = [p for n, p in plain.named_parameters() if p.ndim < 2 or n == "embed.weight"]
    moved = [p for n, p in plain.named_parameters() if p.ndim >= 2 and n != "embed.weight"]
    optimizer = torch.optim.AdamW(
        [{"params": moved, "weight_decay": 0.3}, {"params": still, "weight_decay": 0.0}],
        lr=3e-3, betas=(0.9, 0.95), fused=False, foreach=False,
    )  # fmt: skip
    losses, clipped = [], 0
    for step in range(config.n_steps):
        ids, targets = CORPUS.batch(step, 8)
        log_probs = plain(ids).log_softmax(-1)
        picked = [log_probs[b, t, targets[b, t]] for b in range(8) for t in range(5) if targets[b, t] >= 0]
        loss = -torch.stack(picked).mean()
        loss.backward()
        norm = sum(p.grad.square().sum() for p in plain.parameters()).sqrt()
        clipped += norm > 0.5
        for p in plain.parameters():
            p.grad *= min(1.0, 0.5 / norm)
        cosine = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - 3) / 9))
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * ((step + 1) / 3 if step < 3 else cosine)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert clipped > 3, "the limit was never reached: the test would not see clipping"
    assert history.losses == pytest.approx(losses, rel=1e-4)
    for (name, ours), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_loss_and_evaluation_by_a_plain_loop() -> None:
    corpus = AssociativeRecall(n_pairs=4, n_keys=6, n_values=6, n_queries=3)
    model, batch = tiny(), corpus.evaluation(70)  # more rows than are evaluated at once
    with torch.no_grad():
        logits = model(batch.ids_BT)
    losses, right, exact = [], 0, 0
    for b in range(70):
        all_right = True
        for t in range(corpus.context):
            target = batch.targets_BT[b, t].item()
            if target == -100:
                continue
            losses.append(-logits[b, t].log_softmax(-1)[target].item())
            hit = logits[b, t].argmax().item() == target
            right, all_right = right + hit, all_right and hit
        exact += all_right
    mean = sum(losses) / len(losses)
    assert loss_of(logits, batch.targets_BT).item() == pytest.approx(mean, rel=1e-5)
    loss, accuracy, exact_share = evaluate(model, batch, rows_at_once=32)
    assert loss == pytest.approx(mean, rel=1e-5)
    assert (accuracy, exact_share) == (right / len(losses), exact / 70)


def test_accuracy_of_a_model_that_knows() -> None:
    """One judged token of two wrong: half of the tokens, and none of the rows."""

    class Knows(torch.nn.Module):
        def forward(self, ids_BT):
            return 20.0 * F.one_hot(ids_BT + 1, 12).float()

    ids = torch.tensor([[1, 2, 3], [4, 5, 6]])
    targets = torch.tensor([[-100, 3, 4], [5, -100, 9]])
    loss, accuracy, exact = evaluate(Knows(), Batch(ids, targets))
    assert (accuracy, exact) == (0.75, 0.5) and loss == pytest.approx(20 / 4, rel=1e-3)


def test_embedding_and_norms_have_no_weight_decay() -> None:
    model = tiny(experts(selection_bias=True, scores="sigmoid"))
    decays = {
        id(p): group["weight_decay"] for group in make_optimizer(model, SETTINGS).param_groups for p in group["params"]
    }
    for name, parameter in model.named_parameters():
        expected = 0.0 if "norm" in name or name == "embed.weight" else 0.1
        assert decays[id(parameter)] == expected, name


class KilledError(Exception):
    pass


@pytest.mark.parametrize("kill_after", [1, 2])
@pytest.mark.parametrize(
    ("moe", "options"),
    [
        (None, {}),
        (experts(scores="sigmoid", selection_bias=True), {"bias_step": 0.05}),
        (experts(normalise_weights=False), {"balance_weight": 0.02, "z_weight": 0.001, "schedule": "wsd"}),
    ],
    ids=["dense", "bias", "auxiliary"],
)
def test_a_killed_run_goes_on_to_the_same_losses(tmp_path, moe, options, kill_after) -> None:
    config = dataclasses.replace(SETTINGS, **options)
    whole = quiet(model := tiny(moe), config=config)

    def die(history: History) -> None:
        if len(history.records) > kill_after:  # before this record is saved
            raise KilledError

    with pytest.raises(KilledError):
        quiet(tiny(moe), config=config, folder=tmp_path, on_record=die)
    resumed_model = tiny(moe, seed=99)  # other weights: they must come from the folder
    resumed = quiet(resumed_model, config=config, folder=tmp_path)
    assert resumed.losses == whole.losses
    for ours, theirs in zip(resumed.records, whole.records, strict=True):
        assert dataclasses.replace(ours, seconds=0) == dataclasses.replace(theirs, seconds=0)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, resumed_model.state_dict()[name]), name
    again = quiet(tiny(moe), config=config, folder=tmp_path)
    assert again == resumed, "a finished run is only read"


def test_a_process_killed_by_the_system_goes_on_to_the_same_losses(tmp_path) -> None:
    """SIGKILL between two evaluations: nothing can be tidied up."""
    program = textwrap.dedent(
        """
        import os, signal, sys
        sys.path.insert(0, "tests")
        from test_training import CORPUS, SETTINGS, experts, tiny
        from racecourse.scaling import train
        class Dies:
            vocab_size, context = CORPUS.vocab_size, CORPUS.context
            evaluation = CORPUS.evaluation
            def batch(self, step, batch_size, seed):
                if step == int(sys.argv[2]):
                    os.kill(os.getpid(), signal.SIGKILL)
                return CORPUS.batch(step, batch_size, seed)
        history = train(tiny(experts()), Dies(), SETTINGS, folder=sys.argv[1], log=None)
        print(repr(history.losses))
        """
    )

    def run(folder, step: int) -> subprocess.CompletedProcess:
        command = [sys.executable, "-c", program, str(folder), str(step)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    killed = run(tmp_path / "killed", 10)
    assert killed.returncode == -signal.SIGKILL and not killed.stdout
    resumed, whole = run(tmp_path / "killed", 99), run(tmp_path / "whole", 99)
    assert resumed.stdout and resumed.stdout == whole.stdout, resumed.stderr


def test_another_run_is_not_continued(tmp_path) -> None:
    quiet(tiny(), folder=tmp_path)
    with pytest.raises(ValueError, match=r"learning_rate=0.003 there, 0.01 here"):
        quiet(tiny(), config=dataclasses.replace(SETTINGS, learning_rate=0.01), folder=tmp_path)
    with pytest.raises(ValueError, match="a run of another model"):
        quiet(tiny(experts()), folder=tmp_path)


def test_records_lines_and_history() -> None:
    lines, lengths = [], []
    model = tiny()
    history = train(model, CORPUS, SETTINGS, log=lines.append, on_record=lambda h: lengths.append(len(h.records)))
    assert history.column("step") == [4, 8, 12] and lengths == [1, 2, 3]
    for record, line in zip(history.records, lines, strict=True):
        assert record.train_loss == pytest.approx(sum(history.losses[record.step - 4 : record.step]) / 4)
        assert f"step {record.step:>5} of 12" in line and f"{record.loss:.3f}" in line
    assert history.last.loss == evaluate(model, CORPUS.evaluation(40))[0]
    assert sorted(history.column("seconds")) == history.column("seconds") and history.last.seconds > 0
    assert History.from_dict(history.to_dict()) == history
    assert not model.training and not any(p.requires_grad for p in model.parameters())


def test_it_learns_and_seeds_order_the_data() -> None:
    config = dataclasses.replace(SETTINGS, n_steps=150, learning_rate=1e-2, eval_every=50)
    history = quiet(tiny(), config=config)
    assert history.records[0].loss > 2 * history.last.loss and history.last.accuracy > 0.8
    assert quiet(tiny(), config=dataclasses.replace(config, n_steps=5, seed=1)).losses[0] != history.losses[0]


def test_loads_are_shares_of_each_layer() -> None:
    history = quiet(tiny(experts()))
    for record in history.records:
        assert len(record.load) == 2
        for load in record.load:
            assert len(load) == 4 and sum(load) == pytest.approx(1)
    assert quiet(tiny()).last.load == []


@pytest.mark.parametrize(
    ("moe", "options"),
    [
        (experts(scores="sigmoid", selection_bias=True), {"bias_step": 0.02}),
        (experts(normalise_weights=False), {"balance_weight": 1.0}),
    ],
    ids=["bias", "auxiliary"],
)
def test_balancing_evens_the_load(moe, options) -> None:
    config = dataclasses.replace(SETTINGS, n_steps=120, batch_size=32, eval_every=40)

    def worst(config: TrainConfig) -> float:
        model = tiny(moe)
        with torch.no_grad():
            for layer in model.layers:
                layer.mlp.router.weight[0] += 0.5  # expert 0 starts as a favourite
        return max(max(load) for load in quiet(model, config=config).last.load)

    assert worst(dataclasses.replace(config, **options)) < 0.4 < worst(config)


def test_the_returned_loss_leaves_the_routers_losses_out() -> None:
    model = tiny(experts())
    batch = CORPUS.batch(0, 8)
    plain = loss_of(model(batch.ids_BT), batch.targets_BT).item()
    config = dataclasses.replace(SETTINGS, balance_weight=5.0, z_weight=5.0)
    loss, routings = training_step(model, batch, make_optimizer(model, config), 0, config)
    assert loss.item() == pytest.approx(plain) and len(routings) == 2


def test_a_run_that_diverges_stops_and_says_so() -> None:
    model = tiny()
    with torch.no_grad():
        model.head.weight[0, 0] = float("inf")
    history = quiet(model)
    assert history.diverged and len(history.losses) == 1 and not math.isfinite(history.last.loss)
