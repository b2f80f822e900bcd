"""See at run time which of the course's functions a learner's code calls itself.

A tripwire for answers that hand the work to the package: however they got hold of a function (an import, `sys.modules`,
`getattr`, the garbage collector), calling it is seen, and so is building one of its classes. What the published
solution calls in the same way is meant to be called; what goes beyond is for the instructor to look at.

Left out: other threads; code that was copied (`exec(inspect.getsource(...))` is then the learner's own); building a
class without `__init__` of its own; and learners who forge the file name of their code. Each call of a Python
function takes about 1 µs more, so a loop of nothing but calls is 15 times as slow; work inside torch is not slower.
"""

from __future__ import annotations

import sys
import sysconfig
from enum import Enum
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import racecourse

PACKAGE = str(Path(racecourse.__file__).resolve().parent) + "/"


class Origin(Enum):
    """Whose code runs."""

    PACKAGE = 1
    LIBRARY = 2  # passes calls on: torch calls the `forward` of a module
    NOTEBOOK = 3


class CalledFromPackage:
    """Within the `with` block, note in `called` what notebook code calls of the package, by dotted names.

    Calls that go through a library (`torch.nn.Module.__call__`, `map`) count as the notebook's; calls that the package
    makes itself do not. A module that is imported for the first time shows as `racecourse.models.layers.<module>`.
    `disturbed` tells afterwards whether somebody removed the profiler; then `called` may lack some. The block can be
    entered again, also within itself.
    """

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.disturbed = False
        self._before: list[Any] = []
        self._profiler = self._profile  # one bound method, to be known again at the end

    def __enter__(self) -> CalledFromPackage:
        self._before.append(sys.getprofile())
        sys.setprofile(self._profiler)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.disturbed |= sys.getprofile() is not self._profiler
        sys.setprofile(self._before.pop())
        self.called.discard(name_of(CalledFromPackage.__exit__.__code__))  # leaving is no call of the learner's

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call":
            return
        code = frame.f_code
        if origin_of(code.co_filename) is Origin.PACKAGE and caller(frame) is Origin.NOTEBOOK:
            self.called.add(name_of(code))


def caller(frame: FrameType) -> Origin:
    """Whose the nearest frame below is that is no library's."""
    below = frame.f_back
    while below is not None and origin_of(below.f_code.co_filename) is Origin.LIBRARY:
        below = below.f_back
    return Origin.LIBRARY if below is None else origin_of(below.f_code.co_filename)


def libraries() -> tuple[str, ...]:
    """The folders of the standard library and of what is installed, each as it is named and as it resolves."""
    folders = [Path(sysconfig.get_paths()[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple({f"{path}/" for folder in folders for path in (folder, folder.resolve())})


LIBRARIES = libraries()


CALLS = f"{PACKAGE}grading/calls.py"  # where the learner's functions are called, and what took their names


@cache
def origin_of(filename: str) -> Origin:
    """Code without a file, such as the `__init__` of a dataclass, passes calls on, like a library's."""
    if filename == CALLS:
        return Origin.NOTEBOOK
    if filename.startswith(PACKAGE):
        return Origin.PACKAGE
    if filename.startswith(LIBRARIES) or filename.startswith("<frozen ") or filename == "<string>":
        return Origin.LIBRARY
    return Origin.NOTEBOOK


def name_of(code: CodeType) -> str:
    """Module and qualified name, from the file: the names that a frame carries can be changed by anyone."""
    module = Path(code.co_filename.removeprefix(PACKAGE)).with_suffix("")
    parts = module.parts[:-1] if module.name == "__init__" else module.parts
    return ".".join(("racecourse", *parts, code.co_qualname))
