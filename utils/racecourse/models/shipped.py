"""Checkpoints that the course trained itself: a few MB each, in this package, no network needed.

A checkpoint is a folder of up to five files:

    config.json          the fields of our ModelConfig, under their own names
    model.safetensors    the weights in float16, under our own names; a tied head is stored once, as the embedding
    tokenizer.json, tokenizer_config.json      only where the model writes text
    card.toml            the model card: what it was trained on and how, and its scores; people and tests read it

Left out: sharding, optimiser state (see `racecourse.scaling.train`), and Hugging Face's format.

Float16 keeps 11 significant bits. A card's scores are those of the file: they are taken after the weights were read
back, so that nobody measures another model than the one that is shipped.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import platform
import shutil
import tomllib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from racecourse.models.config import MLAConfig, ModelConfig, MoEConfig, RopeScaling
from racecourse.models.manifest import crc32
from racecourse.models.tokenizer import Tokenizer
from racecourse.models.transformer import Transformer
from racecourse.models.zoo import check_json_files

CHECKPOINTS = Path(__file__).parent / "checkpoints"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Score:
    """What the file reaches on a corpus's evaluation rows, on a CPU in float32."""

    corpus: str  # a name in racecourse.scaling.corpora or racecourse.reasoning.bases ...
    settings: dict[str, Any]  # ... and what it is called with
    rows: int  # corpus.evaluation(rows) is what was judged
    rows_crc32: int  # of those rows: another version of Python has another standard library
    loss: float  # nats per judged token
    accuracy: float  # share of judged tokens that are the likeliest
    exact: float  # share of rows with every judged token right


@dataclass(frozen=True)
class ModelCard:
    """What one should know of a checkpoint. What has a default is filled in by `save_checkpoint`."""

    name: str
    what: str  # the model in one sentence
    data: str  # what it was trained on, where that comes from, and its licence
    corpus: str  # the same as a call: "python_corpus(context=128)"
    command: str  # makes the checkpoint again
    seed: int  # of the initial weights
    device: str  # that it was trained on, in words
    training: dict[str, Any]  # every field of the TrainConfig
    writes_text: bool = False  # there is a tokenizer
    python: str = ""
    torch: str = ""
    date: str = ""
    parameters: dict[str, int] = field(default_factory=dict)  # "total", and "active" for one token
    weights: dict[str, int] = field(default_factory=dict)  # "bytes" and "crc32" of model.safetensors
    scores: tuple[Score, ...] = ()


def shipped_names() -> list[str]:
    """The checkpoints that come with the package."""
    return sorted(path.parent.name for path in CHECKPOINTS.glob("*/card.toml"))


def load_shipped(
    name: str, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> tuple[Transformer, Tokenizer | None]:
    """A shipped model in float32 unless asked otherwise, and its tokenizer if it writes text.

    Raises:
        ValueError: no checkpoint has that name; the message lists those there are.
        RuntimeError: a file is missing or damaged: which, and what to do.
    """
    if name not in shipped_names():
        raise ValueError(f"{name!r} is not shipped with the course; shipped: {', '.join(shipped_names())}")
    return load_checkpoint(CHECKPOINTS / name, device, dtype)


def load_checkpoint(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> tuple[Transformer, Tokenizer | None]:
    """The model that `save_checkpoint` wrote to `folder`, in float32 unless asked otherwise, without gradients."""
    card = read_card(folder)
    path = folder / "model.safetensors"
    found = path.stat().st_size if path.exists() else 0
    if found != card.weights["bytes"]:  # cut short, or a Git LFS pointer of 130 bytes
        raise RuntimeError(f"{path} has {found:,} bytes instead of {card.weights['bytes']:,}: {remedy(folder)}")
    if crc32(path) != card.weights["crc32"]:
        raise RuntimeError(f"{path} is damaged (its CRC-32 differs from the card's): {remedy(folder)}")
    model = _read_model(folder, device, dtype or torch.float32)
    if not card.writes_text:
        return model, None
    check_json_files(folder, remedy(folder))
    return model, Tokenizer.from_folder(folder)


def _read_model(folder: Path, device: torch.device | str, dtype: torch.dtype) -> Transformer:
    from safetensors.torch import load_file

    config_file = folder / "config.json"
    try:
        config = config_from_dict(json.loads(config_file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RuntimeError(f"{config_file} is missing or damaged ({error}): {remedy(folder)}") from error
    weights = {name: tensor.to(dtype) for name, tensor in load_file(folder / "model.safetensors", str(device)).items()}
    with torch.device("meta"):  # no initial weights: they would cost time, and advance the caller's random numbers
        model = Transformer(config)
    if config.tie_embeddings:
        weights["head.weight"] = weights["embed.weight"]
    try:
        model.load_state_dict(weights, assign=True)
    except RuntimeError as problem:
        raise RuntimeError(f"{folder}'s weights do not fit its config.json ({problem}): {remedy(folder)}") from None
    if config.tie_embeddings:
        model.head.weight = model.embed.weight
    return model.eval().requires_grad_(False)


def remedy(folder: Path) -> str:
    """What to do about a damaged checkpoint."""
    if folder.parent == CHECKPOINTS:
        return f"install racecourse again, or in a clone run `git checkout -- {folder}`"
    return f"save the checkpoint again, or put a whole copy into {folder}"


def save_checkpoint(
    folder: Path,
    model: Transformer,
    card: ModelCard,
    *,
    judge: Callable[[Transformer], list[Score]],
    tokenizer: Path | None = None,
) -> ModelCard:
    """Write `model` to `folder` and return its full card.

    `judge` is called with the model as it was read back, on the CPU in float32; its scores go into the card.
    `tokenizer` is a folder whose tokenizer files are copied.

    Raises:
        ValueError: a weight that is not a number or does not fit float16 (65,504 at most); no score.
    """
    from safetensors.torch import save

    weights = {name: _to_float16(name, tensor) for name, tensor in model.state_dict().items()}
    if model.config.tie_embeddings:
        del weights["head.weight"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.toml").unlink(missing_ok=True)  # it is written last: without it a folder is no checkpoint
    (folder / "config.json").write_text(json.dumps(dataclasses.asdict(model.config), indent=2) + "\n", encoding="utf-8")
    path = folder / "model.safetensors"
    path.write_bytes(save(weights))  # save_file would make a file that only its owner may read
    if tokenizer is not None:
        for name in TOKENIZER_FILES:
            shutil.copyfile(tokenizer / name, folder / name)
    scores = tuple(judge(_read_model(folder, "cpu", torch.float32)))
    if not scores:
        raise ValueError("judge gave no score: nobody could check that the file still is what the card says")
    card = dataclasses.replace(
        card,
        writes_text=tokenizer is not None,
        python=platform.python_version(),
        torch=torch.__version__,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        parameters=_count(model),
        weights={"bytes": path.stat().st_size, "crc32": crc32(path)},
        scores=scores,
    )
    (folder / "card.toml").write_text(card_text(card), encoding="utf-8")
    return card


def _to_float16(name: str, tensor: Tensor) -> Tensor:
    small = tensor.detach().cpu().to(torch.float16).contiguous()
    if not small.isfinite().all():
        raise ValueError(f"{name} does not fit float16: its largest value is {tensor.abs().max().item():g}")
    return small


def _count(model: Transformer) -> dict[str, int]:
    """Parameters in all, and those that work on one token (as `racecourse.scaling.count_parameters`, a later room)."""
    total = sum(parameter.numel() for parameter in model.parameters())
    idle = 0
    if (moe := model.config.moe) is not None:
        one_expert = 3 * model.config.d_model * moe.d_expert
        idle = len(moe.layers) * (moe.n_experts - moe.top_k) * one_expert
    return {"total": total, "active": total - idle}


def fingerprint(*tensors: Tensor) -> int:
    """A CRC-32 of integer tensors: the same rows on every machine give the same number.

    >>> fingerprint(torch.tensor([1, 2])) == fingerprint(torch.tensor([1, 2], dtype=torch.int32))
    True
    """
    checksum = 0
    for tensor in tensors:
        checksum = zlib.crc32(repr((tuple(tensor.shape), tensor.flatten().tolist())).encode(), checksum)
    return checksum


def config_from_dict(raw: dict[str, Any]) -> ModelConfig:
    """The way back from `dataclasses.asdict(config)`, also when it went through JSON, which has no tuples."""
    parts = {"moe": MoEConfig, "mla": MLAConfig, "rope_scaling": RopeScaling}
    fields = dict(raw)
    for name, kind in parts.items():
        if fields.get(name) is not None:
            part = {key: tuple(value) if isinstance(value, list) else value for key, value in fields[name].items()}
            fields[name] = _build(kind, part)
    return _build(ModelConfig, fields)


def _build(kind: type, fields: dict[str, Any]) -> Any:
    """An object of a dataclass; a field that it lacks or does not know is an error with a name."""
    try:
        return kind(**fields)
    except TypeError as problem:
        raise ValueError(f"these are not the fields of {kind.__name__}: {problem}") from None


def read_card(folder: Path) -> ModelCard:
    """The card in `folder`."""
    path = folder / "card.toml"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        scores = tuple(_build(Score, score) for score in raw.pop("scores"))
        return _build(ModelCard, {**raw, "scores": scores})
    except (OSError, KeyError, ValueError) as error:
        raise RuntimeError(f"{path} is missing or damaged ({error}): {remedy(folder)}") from error


def card_text(card: ModelCard) -> str:
    """A card as TOML: plain values first, then a table for each dict, then a table for each score.

    The standard library reads TOML and does not write it. Left out: everything that no card holds.
    """
    raw = dataclasses.asdict(card)
    scores = raw.pop("scores")
    plain = {key: value for key, value in raw.items() if not isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    for name, table in raw.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    for score in scores:
        lines += ["", "[[scores]]", *(f"{key} = {_toml(value)}" for key, value in score.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # TOML's escapes are JSON's
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(entry)}' for key, entry in value.items())} }}" if value else "{}"
    raise TypeError(f"a card cannot hold {value!r}: use text, numbers, lists and dicts")
