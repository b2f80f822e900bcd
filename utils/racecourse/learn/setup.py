"""What runs in every notebook's first cell: one line about where you are, and readable figures.

`start` installs nothing, sets no seed and loads no model. Left out: the installation on Colab, which has to come
before this file can be imported and therefore stands in the generated cell itself.
"""

from __future__ import annotations

import functools
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from racecourse.learn.check import watch, welcome
from racecourse.learn.contents import contents
from racecourse.learn.progress import progress_file

if TYPE_CHECKING:
    import torch

# Okabe and Ito's colours, told apart with every common form of colour blindness; their pale yellow is left out, since
# it vanishes on white, and black stands last, as axes and text have it too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))  # for readers who print in grey


@dataclass(frozen=True)
class Session:
    """Where this notebook runs, for the cells below it."""

    name: str  # of the lesson or exercise set
    device: torch.device
    dtype: torch.dtype  # the one that is fast and safe on that device
    quick: bool  # RACECOURSE_QUICK: smallest sizes, to show that everything runs
    on_colab: bool


NO_GPU = (
    "Colab gave no GPU: ask for one in Runtime > Change runtime type, though free ones run out at times. Without one "
    "all goes on with the CPU: every cell works, answers come more slowly, and the speeds measured are this CPU's."
)

TO_DRIVE = (
    "Colab forgets your progress with this machine. To keep it in your Google Drive, run this in a cell of its own: "
    "from racecourse.learn.progress import keep_on_drive; keep_on_drive(). "
    "What you type is kept by File > Save a copy in Drive."
)

version = functools.cache(metadata.version)  # reading it takes milliseconds


@functools.cache
def versions_to_mend() -> list[str]:
    """What this course needs and this machine has not, one phrase each."""
    return out_of_range(metadata.requires("racecourse") or [])


def start(name: str) -> Session:
    """Describe this machine in one line, set the figures' defaults, and return the session of notebook `name`."""
    from racecourse.machine import device

    here = device()
    session = Session(name, here.torch_device, here.dtype, is_quick(), is_colab())
    style_figures()
    print(describe(session, here.name))
    if session.on_colab and here.kind == "cpu" and name in contents() and contents()[name].wants_gpu:
        print(NO_GPU)
    if problems := versions_to_mend():
        print(f"Check these packages: {'; '.join(problems)}. Everything may still work.")
    watch(name)
    if back := welcome(name):
        print(back)
    if session.on_colab and progress_file() is not None:
        print(TO_DRIVE)
    return session


def describe(session: Session, device_name: str) -> str:
    """The one line that every notebook opens with; worth pasting into a bug report."""
    dtype = str(session.dtype).removeprefix("torch.")
    size = "quick settings" if session.quick else "full settings"
    place = " on Colab" if session.on_colab else ""
    return (
        f"{session.name}: racecourse {version('racecourse')}, Python {platform.python_version()}, "
        f"torch {version('torch')}, {session.device.type} ({device_name}){place}, {dtype}, {size}"
    )


def is_quick() -> bool:
    return os.environ.get("RACECOURSE_QUICK", "0") not in ("", "0")


def is_colab() -> bool:
    """True in Colab's kernel, and in a process that it started (there the module is absent, the variables are not)."""
    return "google.colab" in sys.modules or any(key.startswith("COLAB_") for key in os.environ)


def out_of_range(requirements: Iterable[str]) -> list[str]:
    """What is missing or has a version outside the package's own range, one phrase each; extras are not looked at.

    >>> out_of_range(["numpy>=99"])[0].endswith("and >=99 is needed")
    True
    """
    from packaging.requirements import Requirement

    problems = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except metadata.PackageNotFoundError:
            problems.append(f"{requirement} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            problems.append(f"{requirement.name} is {found} and {requirement.specifier} is needed")
    return problems


def style_figures() -> None:
    """Larger text, a light grid, and lines that differ in dash as well as colour; small enough to commit."""
    import matplotlib
    from cycler import cycler

    matplotlib.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.dpi": 100,  # 7 by 4 inches make a picture of some 30 kB
            "figure.figsize": (7.0, 4.0),
            "font.size": 11,
            "grid.alpha": 0.3,
            "image.cmap": "cividis",
            "savefig.dpi": "figure",
        }
    )
