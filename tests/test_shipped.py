"""Checkpoints that the course ships: what is saved comes back, damage is named, and every card tells the truth."""

import dataclasses
import inspect
import json
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from conftest import ROOT
from racecourse.models import ModelConfig, Transformer, load, shipped
from racecourse.models.config import MLAConfig, MoEConfig, RopeScaling
from racecourse.models.shipped import ModelCard, Score, fingerprint, load_checkpoint, read_card, save_checkpoint
from racecourse.reasoning import bases
from racecourse.scaling import TrainConfig, corpora, count_parameters, train
from racecourse.scaling.training import evaluate

SHAPE = {"vocab_size": 56, "d_model": 32, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "head_dim": 16, "d_ff": 64}
MOE = MoEConfig(n_experts=4, top_k=2, d_expert=24, layers=(1,), n_shared=1, scores="sigmoid", selection_bias=True)
CONFIGS = {
    "dense": ModelConfig("llama", **SHAPE, max_context=64),
    "tied": ModelConfig("qwen2", **SHAPE, max_context=64, tie_embeddings=True, qkv_bias=True),
    "stretched": ModelConfig(
        "llama", **SHAPE, max_context=256, norm_eps=1e-5, rope_scaling=RopeScaling("llama3", 8.0, 32)
    ),
    "clipped": ModelConfig("olmoe", **SHAPE, max_context=64, qk_norm="full", clip_qkv=8.0, moe=MOE),
    "latent": ModelConfig(
        "deepseek_v3", **SHAPE, max_context=64, tie_embeddings=True, moe=MOE, mla=MLAConfig(16, None, 16, 8, 16)
    ),
}
CARD = ModelCard(
    name="toy",
    what='A toy that says "ü" and \\n',
    data="made up\nin two lines",
    corpus="AssociativeRecall(n_pairs=3)",
    command="none",
    seed=3,
    device="a CPU",
    training={"n_steps": 20, "learning_rate": 1e-05, "schedule": "wsd", "betas": [0.9, 0.95]},
)
SETTINGS = {"n_pairs": 3, "n_queries": 2}


def judge(model: Transformer) -> list[Score]:
    batch = corpora.AssociativeRecall(**SETTINGS).evaluation(64)
    return [Score("AssociativeRecall", SETTINGS, 64, fingerprint(*batch), *evaluate(model, batch))]


@pytest.fixture
def toy(tmp_path) -> Path:
    """A saved dense toy, untrained."""
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "toy", Transformer(CONFIGS["dense"]), CARD, judge=judge, tokenizer=corpora.TOKENIZER)
    return tmp_path / "toy"


# What is saved comes back


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_survives_json(name):
    config = CONFIGS[name]
    again = shipped.config_from_dict(json.loads(json.dumps(dataclasses.asdict(config))))
    assert again == config and hash(again) == hash(config)


def test_a_field_that_the_config_does_not_know_is_named():
    raw = dataclasses.asdict(CONFIGS["clipped"])
    with pytest.raises(ValueError, match=r"fields of MoEConfig: .*'n_experten'"):
        shipped.config_from_dict({**raw, "moe": {**raw["moe"], "n_experten": 3}})
    with pytest.raises(ValueError, match=r"fields of ModelConfig: .*'d_model'"):
        shipped.config_from_dict({key: value for key, value in raw.items() if key != "d_model"})


@pytest.mark.parametrize("name", ["dense", "clipped", "latent"])
def test_a_trained_toy_comes_back_as_it_was_but_for_float16(tmp_path, name):
    """Witness: the same model with every number rounded by numpy. Its logits must be equal to the last digit."""
    torch.manual_seed(1)
    model, corpus = Transformer(CONFIGS[name]), corpora.AssociativeRecall(**SETTINGS)
    settings = TrainConfig(n_steps=30, batch_size=32, warmup_steps=5, bias_step=0.003, eval_every=30, eval_rows=32)
    train(model, corpus, settings, log=None)
    if CONFIGS[name].moe:
        assert model.layers[1].mlp.router.bias.abs().max() > 0.001, "the bias should have moved"
    original = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    save_checkpoint(tmp_path / "toy", model, CARD, judge=judge)
    random_state = torch.get_rng_state()
    loaded, tokenizer = load_checkpoint(tmp_path / "toy")

    assert torch.equal(torch.get_rng_state(), random_state), "loading must not advance the caller's random numbers"
    assert tokenizer is None and loaded.config == model.config
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    for key, tensor in loaded.state_dict().items():
        assert tensor.dtype == torch.float32
        # 11 significant bits: half a unit in the last place; below 2**-14 the spacing is 2**-24
        bound = torch.maximum(original[key].abs() * 2**-11, torch.tensor(2.0**-25))
        assert ((tensor - original[key]).abs() <= bound).all(), key
    rounded = {key: torch.from_numpy(t.numpy().astype(np.float16).astype(np.float32)) for key, t in original.items()}
    assert any(not torch.equal(rounded[key], original[key]) for key in rounded)
    model.load_state_dict(rounded)
    ids_BT = corpus.evaluation(8).ids_BT
    with torch.no_grad():
        assert torch.equal(loaded(ids_BT), model(ids_BT))


def test_a_tied_head_is_stored_once_and_still_tied(tmp_path):
    for name, stored in (("tied", False), ("dense", True)):
        save_checkpoint(tmp_path / name, Transformer(CONFIGS[name]), CARD, judge=judge)
        weights = load_file(tmp_path / name / "model.safetensors")
        assert ("head.weight" in weights) == stored
        assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
        model, _ = load_checkpoint(tmp_path / name)
        assert (model.head.weight is model.embed.weight) == (not stored)


def test_the_dtype_that_is_asked_for(toy):
    assert {p.dtype for p in load_checkpoint(toy, "cpu", torch.bfloat16)[0].parameters()} == {torch.bfloat16}


def test_the_scores_are_those_of_the_file_not_of_the_model_that_was_saved(tmp_path):
    torch.manual_seed(0)
    model, seen = Transformer(CONFIGS["dense"]), []

    def spy(read_back: Transformer) -> list[Score]:
        seen.append(read_back)
        return judge(read_back)

    card = save_checkpoint(tmp_path / "toy", model, CARD, judge=spy)
    assert seen[0] is not model and torch.equal(seen[0].embed.weight, model.embed.weight.half().float())
    loaded, _ = load_checkpoint(tmp_path / "toy")
    assert list(card.scores) == judge(loaded) != judge(model)


def test_what_float16_cannot_hold_is_refused(tmp_path):
    for value in (70_000.0, float("nan")):
        model = Transformer(CONFIGS["dense"])
        with torch.no_grad():
            model.layers[1].mlp.down.weight[3, 4] = value
        with pytest.raises(ValueError, match=r"layers\.1\.mlp\.down\.weight does not fit float16"):
            save_checkpoint(tmp_path / "toy", model, CARD, judge=judge)
    with pytest.raises(ValueError, match="no score"):
        save_checkpoint(tmp_path / "toy", Transformer(CONFIGS["dense"]), CARD, judge=lambda model: [])


# The card


def test_the_card_is_toml_that_says_what_was_saved(toy):
    raw = tomllib.loads((toy / "card.toml").read_text(encoding="utf-8"))
    assert raw["what"] == CARD.what and raw["data"] == CARD.data and raw["training"] == CARD.training
    assert raw["writes_text"] is True and raw["torch"] == torch.__version__
    assert raw["weights"]["bytes"] == (toy / "model.safetensors").stat().st_size
    assert raw["scores"][0]["settings"] == SETTINGS
    # by hand: two embeddings of 56 x 32; per layer 4 x 32 x 32 attention, 3 x 32 x 64 feed-forward, 2 norms; 1 norm
    assert raw["parameters"] == {"total": 24_224, "active": 24_224}
    card = read_card(toy)
    assert card.scores[0] == Score(**raw["scores"][0]) and card.name == "toy" and card.seed == 3


@pytest.mark.parametrize("name", CONFIGS)
def test_the_card_counts_as_the_counting_room_does(tmp_path, name):
    card = save_checkpoint(tmp_path / name, Transformer(CONFIGS[name]), CARD, judge=judge)
    count = count_parameters(CONFIGS[name])
    assert card.parameters == {"total": count.total, "active": count.active}


def test_what_a_card_cannot_hold_is_refused():
    with pytest.raises(TypeError, match="cannot hold None"):
        shipped.card_text(dataclasses.replace(CARD, training={"n_steps": None}))


def test_a_fingerprint_tells_rows_apart():
    one, other = (
        corpora.AssociativeRecall(**SETTINGS).evaluation(8),
        corpora.AssociativeRecall(**SETTINGS).evaluation(9),
    )
    assert fingerprint(*one) == fingerprint(*corpora.AssociativeRecall(**SETTINGS).evaluation(8))
    changed = one.targets_BT.clone()
    changed[7, -1] += 1
    marks = [fingerprint(*one), fingerprint(*other), fingerprint(one.ids_BT, changed), fingerprint(one.ids_BT.T)]
    assert len(set(marks)) == 4


# Damage


def test_damaged_weights_are_named_with_the_remedy(toy):
    path = toy / "model.safetensors"
    whole = path.read_bytes()
    for damaged, says in (
        (whole[:-1], "bytes instead of"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "63 bytes instead of"),
        (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "CRC-32"),
        (None, "0 bytes instead of"),
    ):
        path.unlink() if damaged is None else path.write_bytes(damaged)
        with pytest.raises(RuntimeError, match=rf"model\.safetensors .*{says}.*put a whole copy into"):
            load_checkpoint(toy)


@pytest.mark.parametrize("name", ["card.toml", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_text_file_cut_short_or_missing_is_named(toy, name):
    text = (toy / name).read_text(encoding="utf-8")
    for end in (len(text) // 2, len(text) * 9 // 10):
        (toy / name).write_text(text[:end], encoding="utf-8")
        with pytest.raises(RuntimeError, match=rf"{name} is .*damaged"):
            load_checkpoint(toy)
    (toy / name).unlink()
    with pytest.raises(RuntimeError, match=rf"{name} is missing"):
        load_checkpoint(toy)


def test_weights_of_another_shape_are_refused(toy):
    config = json.loads((toy / "config.json").read_text())
    (toy / "config.json").write_text(json.dumps(config | {"n_layers": 3}))
    with pytest.raises(RuntimeError, match=r"(?s)do not fit its config\.json .*layers\.2"):
        load_checkpoint(toy)


# By name


def test_load_finds_what_is_shipped_and_what_is_in_a_folder(toy, tmp_path, monkeypatch):
    shutil.copytree(toy, tmp_path / "shelf/shipped-toy")
    (tmp_path / "shelf/half-made").mkdir()
    monkeypatch.setattr(shipped, "CHECKPOINTS", tmp_path / "shelf")
    assert shipped.shipped_names() == ["shipped-toy"]
    expected = load_file(toy / "model.safetensors")["embed.weight"].float()
    for name in ("shipped-toy", str(toy)):
        model, tokenizer = load(name, device="cpu")
        assert torch.equal(model.embed.weight, expected)
        assert tokenizer.decode(tokenizer.encode("def f(x):\n")) == "def f(x):\n"
    assert load("shipped-toy", device="cpu", dtype=torch.bfloat16)[0].embed.weight.dtype == torch.bfloat16
    with pytest.raises(ValueError, match=r"'shiped-toy' .*known here: shipped-toy, smollm2-135m-instruct"):
        load("shiped-toy")
    with pytest.raises(ValueError, match=r"'smollm2' is not shipped with the course; shipped: shipped-toy"):
        shipped.load_shipped("smollm2")
    (tmp_path / "shelf/shipped-toy/model.safetensors").write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"install racecourse again, or in a clone run `git checkout -- "):
        load("shipped-toy", device="cpu")


# What is shipped


@cache
def corpus_of(name: str, settings: str, tokenizer_folder: Path | None):
    """A corpus as a card names it; text is cut by the tokenizer that lies beside the model."""
    make = getattr(bases, name) if name == "base_corpus" else getattr(corpora, name)
    arguments = json.loads(settings)
    if tokenizer_folder is not None and "tokenizer" in inspect.signature(make).parameters:
        arguments["tokenizer"] = shipped.Tokenizer.from_folder(tokenizer_folder)
    return make(**arguments)


@pytest.mark.parametrize("name", shipped.shipped_names())
def test_a_card_says_what_the_file_reaches(name):
    """Equal rows give equal scores but for the order of sums; another Python's library is other text.

    Up to two near ties may fall the other way on another processor. For other text: windows of one text differ by some
    0.5 nats, so that the means of two samples of a few hundred differ by less than 0.2.
    """
    folder = shipped.CHECKPOINTS / name
    card = read_card(folder)
    model, tokenizer = shipped.load_shipped(name)
    assert (tokenizer is not None) == card.writes_text
    for score in card.scores:
        corpus = corpus_of(score.corpus, json.dumps(score.settings), folder if card.writes_text else None)
        batch = corpus.evaluation(score.rows)
        loss, accuracy, exact = evaluate(model, batch)
        assert len(batch.ids_BT) == score.rows
        if fingerprint(*batch) == score.rows_crc32:
            n_judged = int((batch.targets_BT != corpora.NOT_JUDGED).sum())
            assert loss == pytest.approx(score.loss, abs=1e-4)
            assert accuracy == pytest.approx(score.accuracy, abs=2 / n_judged + 1e-9)
            assert exact == pytest.approx(score.exact, abs=2 / score.rows + 1e-9)
        else:
            assert isinstance(corpus, corpora.TextCorpus), (
                f"{score.corpus} is made by a formula and should give the rows of the card"
            )
            assert loss == pytest.approx(score.loss, abs=0.2) and accuracy == pytest.approx(score.accuracy, abs=0.05)


@pytest.mark.parametrize("name", shipped.shipped_names())
def test_a_card_is_complete(name):
    folder = shipped.CHECKPOINTS / name
    card = read_card(folder)
    assert card.name == name
    for text in (card.what, card.data, card.corpus, card.command, card.device, card.python, card.torch, card.date):
        assert text
    assert {setting.name for setting in dataclasses.fields(TrainConfig)} == set(card.training)
    weights = load_file(folder / "model.safetensors")
    stored = sum(tensor.numel() for key, tensor in weights.items() if not key.endswith("router.bias"))
    count = count_parameters(shipped.load_shipped(name)[0].config)
    assert card.parameters == {"total": stored, "active": count.active} and count.total == stored


def test_all_checkpoints_together_stay_under_10_mb():
    files = [path for path in shipped.CHECKPOINTS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 10_000_000


def test_git_and_so_the_package_do_not_leave_checkpoints_out():
    """Hatchling packs what lies in utils/racecourse unless .gitignore names it."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    paths = [f"utils/racecourse/models/checkpoints/x/{file}" for file in ("model.safetensors", "card.toml")]
    ignored = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True)
    assert ignored.returncode == 1 and not ignored.stdout
