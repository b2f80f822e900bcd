"""Write requirements.lock and requirements-test.lock from pyproject.toml: `make lock`.

Universal: one file serves Linux, macOS and Windows on Python 3.11 to 3.13. torch and the CUDA packages are resolved,
so that everything fits the pinned torch, and then left out: utils/bootstrap.py chooses the build for the machine.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bootstrap import ROOT, TORCH_VERSION

CHOSEN_ELSEWHERE = re.compile(r"^(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
HEADER = "# Made by `make lock` from pyproject.toml for Python 3.11-3.13; torch is chosen by utils/bootstrap.py.\n"


def resolve(extra: str, constraints: str) -> list[str]:
    """The pinned lines for one extra and what it includes."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as pins:
        pins.write(constraints)
        pins.flush()
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", extra, "--universal"]
        command += ["--python-version", "3.11", "--constraint", pins.name, "--no-header", "--no-annotate", "--quiet"]
        answer = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return [line for line in answer.stdout.splitlines() if not CHOSEN_ELSEWHERE.match(line)]


def main() -> None:
    everything = resolve("test", f"torch=={TORCH_VERSION}\n")
    pins = "\n".join([f"torch=={TORCH_VERSION}", *everything])
    course = resolve("instructor", pins)
    tests_only = [line for line in everything if line.split("==")[0] not in {pin.split("==")[0] for pin in course}]
    for name, lines in [("requirements.lock", course), ("requirements-test.lock", tests_only)]:
        Path(ROOT, name).write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
        print(f"{name}: {len(lines)} packages")


if __name__ == "__main__":
    main()
