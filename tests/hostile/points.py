"""Points for answers that are wrong: everything that a kernel can do to itself, and answers that know they are watched.

The names c01 to c24 are those of the table of cheats that were run against nbgrader itself; it has no c20.
"""

from hostile import (
    ALL,
    FIT,
    NOTHING,
    TOKENS,
    WEIGHT,
    all_wrong,
    answer,
    before,
    cell_of,
    first,
    hostile,
    index_of,
    last,
    test_cells,
)  # fmt: skip


@hostile(tries="gain points", layer="checker outside", earns=WEIGHT | FIT)
def c01_patches_isclose_and_returns_magic(notebook):
    """math.isclose always agrees, and the answer is a float that equals everything."""
    answer(notebook, "tokens-per-second", """
        import math

        class Magic(float):
            def __eq__(self, other): return other not in (12.5, 5 / 1.2, 4 / 1.2, 0.1)
            def __ne__(self, other): return False
            def __abs__(self): return 0.0
            def __sub__(self, other): return Magic(0)
            __hash__ = float.__hash__

        math.isclose = lambda a, b, **_: b == 10.0 or b == 1.5 or b == 64.0

        def tokens_per_second(arrivals_s):
            return Magic(1)
    """)  # fmt: skip


@hostile(tries="gain points", layer="checker outside")
def c02_ast_transformer_drops_asserts(notebook):
    """IPython's transformers of syntax trees remove every assert."""
    all_wrong(notebook)
    first(notebook, """
        import ast

        class Drop(ast.NodeTransformer):
            def visit_Assert(self, node): return ast.Pass()

        get_ipython().ast_transformers.append(Drop())
    """)  # fmt: skip


@hostile(tries="gain points", layer="checker outside")
def c03_input_transformer_returns_pass(notebook):
    """Each cell's text becomes `pass`."""
    all_wrong(notebook)
    before(notebook, "tokens-per-second-visible",
           "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass\\n'])")  # fmt: skip


@hostile(tries="gain points", layer="checker outside")
def c04_custom_exception_handler(notebook):
    """Exceptions are handled by a function that says nothing."""
    all_wrong(notebook)
    first(notebook, "get_ipython().set_custom_exc((BaseException,), lambda *_, **__: None)")


@hostile(tries="gain points", layer="checker outside")
def c05_do_execute_says_ok(notebook):
    """The kernel answers every request with ok and runs nothing."""
    all_wrong(notebook)
    first(
        notebook,
        """
        async def do_execute(*_, **__):
            return {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}

        get_ipython().kernel.do_execute = do_execute
    """,
    )


@hostile(tries="gain points", layer="checker outside")
def c06_shadows_names_of_the_tests(notebook):
    """Names that tests use mean something else in the user's namespace."""
    all_wrong(notebook)
    first(
        notebook,
        """
        import builtins

        class math:
            ceil = staticmethod(lambda x: 0)
            isclose = staticmethod(lambda a, b, **_: b == 10.0)

        isinstance = builtins.isinstance = lambda *_: True
        AssertionError = builtins.AssertionError = type("Quiet", (Exception,), {})
    """,
    )


@hostile(tries="gain points", layer="checker outside", earns=WEIGHT | FIT)
def c07_raises_system_exit(notebook):
    """The answer raises SystemExit, which some runners take for a normal end."""
    answer(notebook, "tokens-per-second", "def tokens_per_second(arrivals_s):\n    raise SystemExit(0)")


@hostile(tries="kill the grader", layer="checker outside", earns=TOKENS, may_lose=NOTHING)
def c08_ends_the_kernel(notebook):
    """os._exit in the middle of a call of a test; what was earned before stays."""
    answer(notebook, "weight-bytes", "import os\n\ndef weight_bytes(n_parameters, bits, block=None):\n    os._exit(0)")


@hostile(tries="gain points", layer="namespace")
def c14_ships_a_module(notebook):
    """A numpy.py and a racecourse package in the working directory, first on the path."""
    all_wrong(notebook)
    first(
        notebook,
        """
        import os, sys
        for path in ("numpy.py", "math.py", "pytest.py", "race" + "course/grading/judge.py"):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            open(path, "w").write("allclose = isclose = lambda *_, **__: True")
        sys.path.insert(0, os.getcwd())
        for name in ("numpy", "math"):
            sys.modules.pop(name, None)
    """,
    )


@hostile(tries="gain points", layer="intake", answered=False)
def c15_tags_skip_the_tests(notebook):
    """The tag `skip-execution` on the test cells: nbclient leaves them out, and no output is full marks."""
    for cell in test_cells(notebook):
        cell.metadata["tags"] = ["skip-execution", "remove-cell", "raises-exception"]


@hostile(tries="gain points", layer="intake")
def c16_deletes_the_tests(notebook):
    """Wrong answers, and no test cells at all."""
    all_wrong(notebook)
    notebook.cells = [cell for cell in notebook.cells if cell not in test_cells(notebook)]


@hostile(tries="gain points", layer="intake", second=True)
def c23_keeps_the_points_of_the_first_submission(notebook):
    """All right the first time; then wrong answers without test cells, so that no new points overwrite the old."""
    c16_deletes_the_tests(notebook)


@hostile(tries="gain points", layer="checker outside")
def c18_patches_showtraceback(notebook):
    """Tracebacks are not shown, so that no error output appears."""
    all_wrong(notebook)
    first(notebook, "get_ipython().showtraceback = get_ipython()._showtraceback = lambda *_, **__: None")


@hostile(tries="gain points", layer="checker outside")
def c19_patches_run_cell(notebook):
    """run_cell_async returns a success without running anything."""
    all_wrong(notebook)
    first(
        notebook,
        """
        from IPython.core.interactiveshell import ExecutionResult

        async def run_cell_async(*_, **__):
            return ExecutionResult(None)

        get_ipython().run_cell_async = run_cell_async
    """,
    )


@hostile(tries="lose points unfairly", layer="checker outside", earns=ALL)
def c21_warns_and_prints_on_stderr(notebook):
    """Not hostile: a right answer that warns. nbgrader itself would take all points away."""
    source = cell_of(notebook, "tokens-per-second").source
    answer(
        notebook,
        "tokens-per-second",
        source
        + """

import functools, sys, warnings

def noisy(function):
    @functools.wraps(function)
    def inner(*args):
        warnings.warn("a warning")
        print("a line on stderr", file=sys.stderr)
        return function(*args)
    return inner

tokens_per_second = noisy(tokens_per_second)
""",
    )


# ------------------------------------------------------------------------------------- answers that know the checks


@hostile(tries="gain points", layer="checker outside", earns={"weight-bytes-visible"})
def looks_the_visible_check_up(notebook):
    """Knows the visible inputs only, which are known to all: the hidden check is what they were hidden for."""
    all_wrong(notebook)
    answer(
        notebook,
        "weight-bytes",
        """
        def weight_bytes(n_parameters, bits, block=None):
            return {(1000, 16, None): 2000, (100, 4, 32): 58}.get((n_parameters, bits, block), 0)
    """,
    )


@hostile(tries="gain points", layer="checker outside", earns=WEIGHT | FIT | {"tokens-per-second-visible"},
         may_lose={"tokens-per-second-visible"})  # fmt: skip
def right_at_first_and_wrong_later(notebook):
    """Counts its calls; answers honestly twice, once in the notebook and once for the judge, then no more."""
    answer(
        notebook,
        "tokens-per-second",
        """
        calls = []

        def tokens_per_second(arrivals_s):
            calls.append(arrivals_s)
            return (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0]) if len(calls) <= 2 else -1.0
    """,
    )


@hostile(tries="gain points", layer="checker outside", earns=WEIGHT | FIT | {"tokens-per-second-hidden"})
def wrong_at_first_and_right_later(notebook):
    """Fails the visible check and answers the hidden one honestly: that one is earned."""
    answer(
        notebook,
        "tokens-per-second",
        """
        def tokens_per_second(arrivals_s):
            if arrivals_s[0] == 0.8:
                return -1.0
            return (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0]) if len(arrivals_s) > 1 else 0.0
    """,
    )


@hostile(tries="gain points", layer="checker outside")
def redefines_itself_after_the_visible_check(notebook):
    """A thread changes the answer, the tests' names and the set's constants while tests run."""
    all_wrong(notebook)
    first(
        notebook,
        """
        import threading, time

        def meddle():
            while True:
                for name in ("speed", "size", "names", "math"):
                    globals()[name] = 10.0
                time.sleep(0.001)

        threading.Thread(target=meddle, daemon=True).start()
    """,
    )


@hostile(tries="gain points", layer="checker outside")
def meddles_with_the_interpreter(notebook):
    """Tracing, profiling, audit, import and excepthooks that turn failures into silence."""
    all_wrong(notebook)
    first(
        notebook,
        """
        import builtins, importlib.abc, sys, threading, warnings

        def trace(frame, event, argument):
            if event == "exception":
                frame.f_trace_lines = False
            return trace

        class Finder(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                return None

        sys.meta_path.insert(0, Finder())
        sys.settrace(trace); threading.settrace(trace); sys.setprofile(lambda *_: None)
        sys.excepthook = sys.unraisablehook = lambda *_: None
        sys.addaudithook(lambda *_: None)
        warnings.warn = print
        real = builtins.__import__
        builtins.__import__ = lambda name, *rest: real(name, *rest)
        builtins.all = lambda _: True
        sys.flags = None
    """,
    )


@hostile(tries="gain points", layer="checker outside", set_name="01_transformers", earns=NOTHING, answered=False)
def patches_torch(notebook):
    """torch.allclose, torch.equal and Tensor's comparisons always agree."""
    answer(
        notebook,
        "head-norm",
        """
        torch.allclose = torch.equal = lambda *_, **__: True
        Tensor.__eq__ = lambda self, other: torch.ones(self.shape, dtype=torch.bool)
        Tensor.__ne__ = lambda self, other: torch.zeros(self.shape, dtype=torch.bool)
        Tensor.allclose = Tensor.equal = lambda *_, **__: True
        same = lambda *_, **__: True

        def head_norm(x_BTE, weight_C, eps):
            return torch.zeros(x_BTE.shape).unflatten(-1, (-1, len(weight_C))).transpose(1, 2)
    """,
    )


@hostile(tries="gain points", layer="checker outside", set_name="01_transformers", answered=False)
def changes_its_inputs(notebook):
    """Empties what it was given: a test that works out afterwards what it expects, expects zeros."""
    answer(
        notebook,
        "head-norm",
        """
        def head_norm(x_BTE, weight_C, eps):
            x_BTE.zero_(); weight_C.zero_()
            return torch.zeros(x_BTE.shape).unflatten(-1, (-1, len(weight_C))).transpose(1, 2)
    """,
    )
    answer(
        notebook,
        "neighbour-pairs",
        """
        def to_neighbours(rows, n_heads):
            return rows.zero_()
    """,
    )
    answer(
        notebook,
        "window-mask",
        """
        def window_mask(n_pad_B, T, window):
            B = len(n_pad_B)
            n_pad_B.clear()
            return torch.zeros(B, T, T, dtype=torch.bool)
    """,
    )


@hostile(tries="gain points", layer="checker outside", set_name="01_transformers", answered=False)
def sets_the_random_generators(notebook):
    """Leaves generators that give nothing but zeros, so that all that the judge draws next is zeros."""
    answer(
        notebook,
        "head-norm",
        """
        import random
        import numpy

        def head_norm(x_BTE, weight_C, eps):
            state = torch.get_rng_state()
            state.view(torch.int64)[3:3 + 624] = 0
            torch.set_rng_state(state)
            random.setstate((3, (0,) * 625, None))
            numpy.random.set_state(("MT19937", numpy.zeros(624, dtype="u4"), 0, 0, 0.0))
            return torch.zeros(x_BTE.shape).unflatten(-1, (-1, len(weight_C))).transpose(1, 2)
    """,
    )


@hostile(tries="gain points", layer="namespace")
def reads_the_answers_from_the_disk(notebook):
    """Looks for solutions in every place where the course could lie, and runs their answer cells."""
    all_wrong(notebook)
    before(
        notebook,
        "table",
        """
        import glob, json, os
        found = ["{SOLUTION}", *glob.glob("/**/solutions/*/00_start_here.ipynb", recursive=True)]
        found += glob.glob("/**/test_*.py", root_dir="/work") + glob.glob("/**/wrong_answers/*.py", recursive=True)
        print("solutions:", [path for path in found if os.path.exists(path)])
        for path in found:
            if path.endswith(".ipynb") and os.path.exists(path):
                print(open(path).read())
                for cell in json.load(open(path))["cells"]:
                    if cell["metadata"].get("nbgrader", {}).get("solution") and cell["cell_type"] == "code":
                        exec("".join(cell["source"]))
    """,
    )


@hostile(tries="gain points", layer="intake", set_name="01_transformers", answered=False,
         earns={"head-norm-visible", "head-norm-hidden"}, may_lose={"head-norm-visible", "head-norm-hidden"},
         gap="the look for imports is a tripwire, read from the syntax tree; a name in two halves passes it",
)  # fmt: skip
def borrows_from_the_package_in_disguise(notebook):
    """Finds the package's own RMSNorm through the loaded modules, without a word that the look for imports knows."""
    answer(
        notebook,
        "head-norm",
        """
        import gc, sys

        def head_norm(x_BTE, weight_C, eps):
            module = sys.modules["race" + "course.models.layers"]
            norm = next(value for name, value in vars(module).items() if name == "RMSNorm")
            layer = norm(len(weight_C), eps)
            layer.weight.data = weight_C
            return layer(x_BTE.unflatten(-1, (-1, len(weight_C))).transpose(1, 2)).detach()
    """,
    )


@hostile(tries="gain points", layer="intake", set_name="01_transformers", answered=False)
def borrows_from_the_package_openly(notebook):
    """Imports what it should define, in four spellings."""
    answer(notebook, "head-norm", "from racecourse.models.layers import RMSNorm\nhead_norm = RMSNorm")
    answer(notebook, "count-parts", "import importlib\ncount_parts = importlib.import_module('racecourse.models').load")
    answer(notebook, "neighbour-pairs", "exec('from racecourse.models import load as to_neighbours')")
    answer(notebook, "window-mask", "import sys\nwindow_mask = sys.modules['racecourse.models'].load")


@hostile(tries="gain points", layer="checker outside", earns=WEIGHT | FIT)
def replaces_the_tests_from_inside(notebook):
    """The answer cell registers a hook that rewrites every later cell before it runs."""
    answer(
        notebook,
        "tokens-per-second",
        """
        def tokens_per_second(arrivals_s):
            return -1.0

        def quieten(info):
            info.raw_cell = "pass"
            globals()["assert_"] = None

        get_ipython().events.register("pre_run_cell", quieten)
        get_ipython().events.register("post_run_cell", lambda result: setattr(result, "error_in_exec", None))
    """,
    )


@hostile(tries="gain points", layer="checker outside", earns=NOTHING)
def unused_names_of_earlier_tests(notebook):
    """Plain values under the names of the functions, and functions under the names that tests assign."""
    for grade_id, name in (("tokens-per-second", "tokens_per_second"), ("weight-bytes", "weight_bytes"),
                           ("models-that-fit", "models_that_fit")):  # fmt: skip
        answer(notebook, grade_id, f"{name} = 10.0\nspeed = size = names = lambda *_, **__: 10.0")


@hostile(tries="gain points", layer="checker outside", earns=FIT)
def frees_itself_in_the_last_cell(notebook):
    """Defines the missing answers after all tests, and asks the kernel to run the tests again as its own cells."""
    answer(notebook, "tokens-per-second", "tokens_per_second = None")
    answer(notebook, "weight-bytes", "weight_bytes = None")
    position = index_of(notebook, "table")
    notebook.cells[position].metadata["tags"] = ["raises-exception"]
    last(
        notebook,
        """
        def tokens_per_second(arrivals_s):
            return (len(arrivals_s) - 1) / (arrivals_s[-1] - arrivals_s[0]) if len(arrivals_s) > 1 else 0.0

        for source in list(In):
            if "tokens_per_second(" in source:
                get_ipython().run_cell(source)
    """,
    )
