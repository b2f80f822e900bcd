"""Answers that are no plain data, lie about themselves, never end, or are too much; and errors of all kinds."""

from hostile import ALL, FIT, TOKENS, WEIGHT, answer, cell_of, hostile

REST = WEIGHT | FIT  # what the notebook earns whose first exercise is spoilt


def returns(notebook, expression, setup=""):
    """Let the first exercise return something."""
    body = "\n".join(f"    {line}" for line in f"return {expression}".split("\n"))
    answer(notebook, "tokens-per-second", f"{setup}\n\ndef tokens_per_second(arrivals_s):\n{body}")


# ---------------------------------------------------------------------------------------------------------------- liars


@hostile(tries="gain points", layer="wire", earns=REST)
def equals_everything(notebook):
    """An object whose comparisons, arithmetic and attributes all say yes."""
    returns(
        notebook,
        "Yes()",
        """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __getattr__(self, name): return self
    def __call__(self, *_, **__): return self
    def __float__(self): return 10.0
    def __index__(self): return 10
    def __bool__(self): return True
    def __contains__(self, item): return True
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __sub__ = __rsub__ = __abs__ = __hash__ = lambda self, *_: 0
    __instancecheck__ = lambda *_: True
""",
    )


@hostile(tries="gain points", layer="wire", earns=REST)
def lies_about_its_class(notebook):
    """`__class__` is float, the metaclass answers isinstance, and the class is called float."""
    returns(
        notebook,
        "Float()",
        """
class Meta(type):
    def __instancecheck__(cls, other): return True
    def __subclasscheck__(cls, other): return True
    def __eq__(cls, other): return True
    __hash__ = type.__hash__

class Float(metaclass=Meta):
    __class__ = float
    __module__, __qualname__, __name__ = "builtins", "float", "float"
    def __eq__(self, other): return True
    def __float__(self): return 10.0
""",
    )


@hostile(tries="gain points", layer="wire")
def subclasses_of_plain_types_lie(notebook):
    """Subclasses of float, int, str and list whose comparisons say yes, also deep inside a plain list."""
    lie = """
def lying(kind):
    return type(kind.__name__, (kind,), {"__eq__": lambda *_: True, "__ne__": lambda *_: False,
                                         "__hash__": kind.__hash__, "__len__": lambda _: 1})
"""
    returns(notebook, "lying(float)(1)", lie)
    answer(notebook, "weight-bytes", "def weight_bytes(n_parameters, bits, block=None):\n    return lying(int)(1)")
    answer(notebook, "models-that-fit",
           "def models_that_fit(sizes, memory_gib, reserve):\n    return [lying(str)('x'), lying(list)()]")  # fmt: skip


@hostile(tries="gain points", layer="wire", set_name="01_transformers", earns={"count-parts-visible"}, answered=False)
def a_dict_that_hides_its_floats(notebook):
    """The numbers are right, but floats, and the check asks `values()`, which says that there are none."""
    answer(
        notebook,
        "count-parts",
        """
        class Parts(dict):
            def values(self):
                return []

        def count_parts(c):
            queries, keys = c["H"] * c["C"], c["K"] * c["C"]
            biases = queries + 2 * keys if c["qkv_bias"] else 0
            parts = {
                "embedding": 1.0 * c["V"] * c["D"],
                "head": 0.0 if c["tied"] else 1.0 * c["V"] * c["D"],
                "attention": 1.0 * c["L"] * (c["D"] * (2 * queries + 2 * keys) + biases),
                "feed_forward": 1.0 * c["L"] * 3 * c["D"] * c["F"],
                "norms": 1.0 * c["L"] * (2 * c["D"] + (2 * c["C"] if c["qk_norm"] else 0)) + c["D"],
            }
            return Parts(parts | {"total": sum(parts.values()), "cached": 2.0 * c["L"] * keys})
    """,
    )


@hostile(tries="gain points", layer="wire", set_name="01_transformers", answered=False)
def a_tensor_that_lies(notebook):
    """A Tensor subclass and an object with torch's and NumPy's hooks, which answer every operation."""
    answer(
        notebook,
        "head-norm",
        """
        class Lie(torch.Tensor):
            @classmethod
            def __torch_function__(cls, function, types, args=(), kwargs=None):
                name = getattr(function, "__name__", "")
                return True if name in ("allclose", "equal", "__eq__", "all", "any") else torch.ones(1, 2, 1, 2)

        def head_norm(x_BTE, weight_C, eps):
            return torch.zeros(1, 2, 1, 2).as_subclass(Lie)
    """,
    )
    answer(
        notebook,
        "mass-above",
        """
        class Hooks:
            shape, dtype, ndim, device, requires_grad = (1, 3), torch.float32, 2, torch.device("cpu"), False
            def __torch_function__(self, *_, **__): return True
            def __array__(self, *_, **__): return __import__("numpy").ones((1, 3))
            def __array_ufunc__(self, *_, **__): return True
            def __array_function__(self, *_, **__): return True
            def __getattr__(self, name): return lambda *_, **__: self
            def __getitem__(self, key): return self
            def __len__(self): return 1
            def __dlpack__(self, *_, **__): return None

        def mass_above(logits_BV, temperature):
            return Hooks()
    """,
    )


@hostile(tries="kill the judge", layer="wire", earns=REST)
def an_array_at_an_address(notebook):
    """`__array_interface__` names memory of whoever turns the answer into an array."""
    returns(
        notebook,
        "There()",
        """
class There:
    __array_interface__ = {"shape": (90,), "typestr": "<f8", "data": (4096, True), "version": 3}
    def __len__(self): return 90
    def __getitem__(self, key): return 1.0
""",
    )


@hostile(tries="gain points", layer="wire", set_name="01_transformers", answered=False)
def a_bool_that_is_two(notebook):
    """A mask whose bytes are 2: true, and not equal to True when bytes are compared."""
    answer(
        notebook,
        "window-mask",
        """
        def window_mask(n_pad_B, T, window):
            return torch.full((len(n_pad_B), T, T), 2, dtype=torch.uint8).view(torch.bool)
    """,
    )


# ------------------------------------------------------------------------------------------------- too much, or endless


@hostile(tries="hang the grader", layer="deadline", earns=REST)
def its_repr_never_ends(notebook):
    """Everything that a message could ask of it runs for ever."""
    returns(
        notebook,
        "Slow()",
        """
class Slow:
    def for_ever(self, *_):
        while True:
            pass
    __repr__ = __str__ = __len__ = __iter__ = __bool__ = __getattr__ = __format__ = for_ever
""",
    )


@hostile(tries="hang the grader", layer="deadline", earns=REST)
def iterates_for_ever(notebook):
    """A generator without an end, where a list of names is asked for, and one that says that it has none."""
    returns(
        notebook,
        "endless()",
        """
def endless():
    while True:
        yield 10.0
""",
    )


@hostile(tries="exhaust the judge's memory", layer="wire", earns=TOKENS | WEIGHT)
def a_billion_names(notebook):
    """A sequence that claims 10**9 entries and has them."""
    answer(
        notebook,
        "models-that-fit",
        """
        class Many(list):
            def __len__(self): return 10**9
            def __iter__(self):
                while True:
                    yield "small"
            def __getitem__(self, key): return "small"

        def models_that_fit(sizes, memory_gib, reserve):
            return Many()
    """,
    )


@hostile(tries="exhaust the judge's memory", layer="wire", earns=TOKENS | WEIGHT, may_lose=TOKENS | WEIGHT)
def a_list_as_large_as_memory(notebook):
    """A plain list of 50 million entries; written down it is larger than any frame may be."""
    answer(notebook, "models-that-fit",
           "def models_that_fit(sizes, memory_gib, reserve):\n    return [''] * 50_000_000")  # fmt: skip


@hostile(tries="hang the grader", layer="wire", earns=TOKENS | WEIGHT)
def a_range_without_an_end(notebook):
    """range(10**18) is plain data of a few bytes; whoever sorts, sums or prints it never ends."""
    answer(notebook, "models-that-fit",
           "def models_that_fit(sizes, memory_gib, reserve):\n    return range(10**18)")  # fmt: skip


@hostile(tries="hang the judge", layer="deadline", set_name="01_transformers", answered=False,
         earns={"count-parts-visible"}, may_lose={"count-parts-visible"})  # fmt: skip
def values_without_an_end(notebook):
    """A dict whose `values()` is range(10**18): the judge's own `all(...)` over it would run for ever."""
    a_dict_that_hides_its_floats(notebook)
    cell = cell_of(notebook, "count-parts")
    cell.source = cell.source.replace("return []", "return range(10**18)")


@hostile(tries="hang the grader", layer="wire", earns=REST)
def contains_itself(notebook):
    """A list in itself, and a dict in its own values."""
    returns(
        notebook,
        "circle",
        """
circle = [10.0]
circle.append(circle)
circle.append({"circle": circle})
""",
    )


@hostile(tries="kill the judge", layer="wire", earns=REST)
def nested_a_million_deep(notebook):
    """Tuples in tuples, deeper than any recursion."""
    returns(notebook, "deep", "deep = ()\nfor _ in range(1_000_000):\n    deep = (deep,)")


@hostile(tries="kill the judge", layer="wire", earns=REST)
def a_number_of_a_million_digits(notebook):
    """An int that no JSON reader takes."""
    returns(notebook, "10**1_000_000")


@hostile(tries="gain points", layer="wire", earns=REST)
def not_a_number(notebook):
    """NaN, which is neither equal nor unequal to what messages are about."""
    returns(notebook, "float('nan')")


@hostile(tries="flood the feedback", layer="wire", earns=TOKENS | WEIGHT)
def names_of_a_hundred_megabytes(notebook):
    """The message of a failing check quotes what came back."""
    answer(notebook, "models-that-fit",
           "def models_that_fit(sizes, memory_gib, reserve):\n    return ['<b>' * 33_000_000]")  # fmt: skip


@hostile(tries="kill the writer of records", layer="client", earns=TOKENS | WEIGHT)
def half_a_character(notebook):
    """A lone surrogate is valid in Python and JSON, and cannot be written as UTF-8: in a name, an error, an output."""
    answer(notebook, "models-that-fit", r"""
        print("\ud800 printed")
        def models_that_fit(sizes, memory_gib, reserve):
            raise ValueError("\ud800\udfff\ud800 \x00 \x1b[31m \u202e raised")
    """)  # fmt: skip


@hostile(tries="kill the judge", layer="wire", set_name="01_transformers", answered=False)
def tensors_of_every_odd_kind(notebook):
    """Sparse, quantised, meta, nested, complex, huge by strides, without elements; one whose gradient interrupts."""
    answer(
        notebook,
        "head-norm",
        """
        odd = iter([
            lambda: torch.ones(2, 2).to_sparse(), lambda: torch.empty(10**6, 10**6, device="meta"),
            lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
            lambda: torch.ones(1).expand(2**40), lambda: torch.empty(0, 2**40),
            lambda: torch.ones(2, dtype=torch.cfloat),
            lambda: torch.nested.nested_tensor([torch.ones(1), torch.ones(2)]),
        ] * 10)

        def head_norm(x_BTE, weight_C, eps):
            return next(odd)()
    """,
    )
    answer(
        notebook,
        "neighbour-pairs",
        """
        class Never(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x): return x.clone()
            @staticmethod
            def backward(ctx, grad):
                raise KeyboardInterrupt

        def to_neighbours(rows, n_heads):
            return Never.apply(rows.float().requires_grad_())
    """,
    )


@hostile(tries="run code in the judge", layer="wire", earns=REST)
def pickles_itself(notebook):
    """`__reduce__` and its relatives, for whoever would unpickle or copy."""
    returns(
        notebook,
        "Pickle()",
        """
class Pickle:
    def __reduce__(self): return (exec, ("open('{MARK}', 'w').write('pickled')",))
    def __reduce_ex__(self, protocol): return self.__reduce__()
    def __deepcopy__(self, memo): return self
    def __getstate__(self): return self.__reduce__()
    def __getattr__(self, name): return lambda *_, **__: (exec, ("open('{MARK}', 'w').write(%r)" % name,))
""",
    )


# --------------------------------------------------------------------------------------------------------------- errors


@hostile(tries="kill the grader", layer="wire", earns=REST, may_lose=REST)
def raises_what_ends_programs(notebook):
    """BaseException and its kinds, one at each call."""
    returns(
        notebook,
        "throw()",
        """
import itertools
class Own(BaseException): pass
kinds = itertools.cycle([BaseException, KeyboardInterrupt, GeneratorExit, SystemExit, Own, StopIteration])
def throw(): raise next(kinds)("thrown")
""",
    )


@hostile(tries="kill the grader", layer="wire", earns=REST)
def raises_what_the_grader_catches(notebook):
    """TimeoutError, EOFError, OSError, BrokenPipeError: what the judge itself takes for the end of the connection."""
    returns(
        notebook,
        "throw()",
        """
import itertools
kinds = itertools.cycle([TimeoutError, EOFError, OSError, BrokenPipeError, ConnectionResetError, BlockingIOError])
def throw(): raise next(kinds)("thrown")
""",
    )


@hostile(tries="gain points", layer="wire", earns=REST)
def raises_stop_iteration(notebook):
    """StopIteration ends a loop of the test in silence, if the test calls inside map() or a generator."""
    returns(notebook, "next(iter(()))")


@hostile(tries="kill the judge", layer="wire", earns=REST)
def an_error_that_is_a_program(notebook):
    """An exception whose text, name, bases and truth are code of the learner's."""
    returns(
        notebook,
        "throw()",
        r"""
class Meta(type):
    def mro(cls): return [cls, AssertionError, Exception, BaseException, object]
class Error(AssertionError, metaclass=Meta):
    __module__ = "builtins"
    __name__ = property(lambda self: 1 / 0)
    def __str__(self): raise SystemExit("no text")
    def __repr__(self): return "x" * 10**9
    def __bool__(self): raise ValueError
    @property
    def __traceback__(self): raise ValueError
Error.__name__ = "<script>alert(1)</script>\n\x1b[2J" * 1000
def throw(): raise Error
""",
    )


@hostile(tries="flood the feedback", layer="wire", earns=REST, may_lose=REST)
def an_error_of_a_hundred_megabytes(notebook):
    """A long message with a chain of 500 causes."""
    returns(
        notebook,
        "throw(500)",
        """
def throw(n):
    try:
        if n: throw(n - 1)
    finally:
        raise AssertionError("<img src=x onerror=alert(1)>" * (4_000_000 if n == 500 else 10))
""",
    )


@hostile(tries="gain points", layer="wire", earns=ALL)
def right_but_of_a_subclass(notebook):
    """Not hostile: right numbers as bool, NumPy scalar and plain float. What is right stays right."""
    answer(
        notebook,
        "tokens-per-second",
        cell_of(notebook, "tokens-per-second").source
        + """

import numpy
exact = tokens_per_second

def tokens_per_second(arrivals_s):
    return numpy.float64(exact(arrivals_s))
""",
    )
