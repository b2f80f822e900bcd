"""What a learner's code calls of the package is seen, however it got hold of it; the package's own calls are not."""

import socket
import sys
import threading
from typing import Any

import pytest
import torch

from racecourse import models
from racecourse.grading import calls
from racecourse.grading.trace import CalledFromPackage
from racecourse.models import layers, moe
from racecourse.models.config import MoEConfig

FREQUENCIES = "racecourse.models.layers.rope_frequencies"


def run(source: str, **names: Any) -> CalledFromPackage:
    """Run notebook code while its calls are noted; its file is named as ipykernel names cells."""
    code = compile(source, "/tmp/ipykernel_7/1234.py", "exec")
    with CalledFromPackage() as trace:
        exec(code, {"__name__": "__main__", **names})
    return trace


@pytest.mark.parametrize(
    "source",
    [
        "from racecourse.models.layers import rope_frequencies as mine\nmine(8, 10.0)",
        "import sys\ngetattr(sys.modules['racecourse.models.layers'], 'rope_' + 'frequencies')(8, 10.0)",
        "import gc\nnext(o for o in gc.get_objects() if type(o) is type(f) and o.__name__ == f.__name__)(8, 10.0)",
        "from racecourse.models.layers import rope_frequencies\nlist(map(rope_frequencies, [8], [10.0]))",
        "from racecourse.models.layers import rope_frequencies\nsorted([8], key=lambda d: rope_frequencies(d, 9.0)[0])",
        "from racecourse.models.layers import *\nexec('rope_frequencies(8, 10.0)')",
        "import functools\nfrom racecourse.models import layers\nfunctools.partial(layers.rope_frequencies, 8)(10.0)",
    ],
)
def test_a_call_is_seen_whichever_way_the_function_was_reached(source: str) -> None:
    trace = run(source, f=layers.rope_frequencies)
    assert trace.called == {FREQUENCIES}
    assert not trace.disturbed


def test_a_module_is_seen_when_it_is_built_and_when_torch_calls_its_forward() -> None:
    norm = layers.RMSNorm(4)
    assert run("norm(x)", norm=norm, x=torch.ones(1, 4)).called == {"racecourse.models.layers.RMSNorm.forward"}
    assert run("RMSNorm(4)", RMSNorm=layers.RMSNorm).called == {"racecourse.models.layers.RMSNorm.__init__"}


def test_what_the_package_calls_itself_is_not_the_learners_call() -> None:
    """The package calls torch, which calls `RMSNorm.forward`: only the first of the two is the notebook's call."""
    model = torch.nn.Sequential(layers.RMSNorm(4))
    apply = package_function("def apply(m, x):\n    return m(x)")
    assert run("apply(model, x)", apply=apply, model=model, x=torch.ones(4)).called == {
        "racecourse.models.made_up.apply"
    }


def package_function(source: str) -> Any:
    """A function that counts as the package's, by the file that it is in."""
    from racecourse.grading.trace import PACKAGE

    namespace: dict[str, Any] = {}
    exec(compile(source, f"{PACKAGE}models/made_up.py", "exec"), namespace)
    return namespace["apply"]


def test_a_learners_function_that_the_package_calls_is_no_call_of_the_package() -> None:
    """So the checker, which is in the package, can call answers; what the answer then calls is seen."""
    checker = package_function("def apply(f):\n    return f(3)")
    answer: dict[str, Any] = {"rope_frequencies": layers.rope_frequencies}
    exec(compile("def own(x):\n    return max(x, 2)", "/tmp/ipykernel_7/5.py", "exec"), answer)
    exec(compile("def borrowed(x):\n    return rope_frequencies(8, x)", "/tmp/ipykernel_7/6.py", "exec"), answer)
    checks = "racecourse.models.made_up.apply"  # called by this file
    with CalledFromPackage() as trace:
        checker(answer["own"])
    assert trace.called == {checks}
    with CalledFromPackage() as trace:
        checker(answer["borrowed"])
    assert trace.called == {checks, FREQUENCIES}


def test_what_a_dataclass_of_the_package_runs_is_the_packages_call() -> None:
    """The `__init__` that dataclasses write has no file; `__post_init__` is called by it, and it by the package."""
    config = {"n_experts": 4, "top_k": 2, "d_expert": 8, "layers": (0,)}
    make = package_function("def apply(make, config):\n    return make(**config)")
    names = {"make": make, "MoEConfig": MoEConfig, "config": config}
    assert run("make(MoEConfig, config)", **names).called == {"racecourse.models.made_up.apply"}
    assert run("MoEConfig(**config)", **names).called == {"racecourse.models.config.MoEConfig.__post_init__"}


def test_a_first_import_is_seen_and_what_it_imports_in_turn_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (moe, layers):
        monkeypatch.setattr(models, module.__name__.split(".")[-1], module)  # so that both come back
        monkeypatch.delitem(sys.modules, module.__name__)
    assert run("import racecourse.models.moe").called == {"racecourse.models.moe.<module>"}
    assert "racecourse.models.layers" in sys.modules


def test_copied_source_is_not_seen() -> None:
    """A limit that the module's docstring states."""
    copied = "exec(inspect.getsource(layers.rope_frequencies), space)\nspace['rope_frequencies'](8, 1.0)"
    assert run(f"import inspect\n{copied}", layers=layers, space=vars(layers).copy()).called == set()


def test_other_threads_are_not_seen() -> None:
    started = "t = Thread(target=f, args=(8, 10.0)); t.start(); t.join()"
    assert run(started, Thread=threading.Thread, f=layers.rope_frequencies).called == set()


def test_whoever_removes_the_profiler_is_noticed_and_the_one_before_comes_back() -> None:
    def before(*_: Any) -> None: ...

    sys.setprofile(before)
    try:
        trace = run("import sys\nsys.setprofile(None)\nf(8, 1.0)", f=layers.rope_frequencies)
        assert sys.getprofile() is before
    finally:
        sys.setprofile(None)
    assert trace.disturbed and trace.called == set()


def test_an_error_ends_the_trace_too() -> None:
    with pytest.raises(ZeroDivisionError):
        run("f(8, 10.0)\n1 / 0", f=layers.rope_frequencies)
    assert sys.getprofile() is None


def test_a_package_function_under_the_learners_name_is_seen_when_the_judge_calls_it() -> None:
    """There is no code of the learner's between the two: `head_norm = layers.rope_frequencies`."""
    ours, theirs = socket.socketpair()
    called: list[set[str]] = []
    namespace = {"mine": layers.rope_frequencies, "own": lambda x: x}
    thread = threading.Thread(target=lambda: called.append(calls.serve(theirs, namespace)))
    thread.start()
    answers = calls.Answers(ours)
    mine, own = answers.fetch_all(["mine", "own"]).values()
    assert own(3) == 3
    mine(8, 10.0)
    calls.send(ours, calls.STOP, [])
    thread.join()
    assert called == [{FREQUENCIES}]
