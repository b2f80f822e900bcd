"""Verifiers: cases worked by hand, Python's own arithmetic, and ten thousand texts that want to do harm."""

import random
import string
import time
from fractions import Fraction

import pytest

from racecourse.reasoning import verifiers
from racecourse.reasoning.tasks import ChainedArithmetic, Countdown, problems
from racecourse.reasoning.verifiers import (
    after,
    as_number,
    code_block,
    equivalent,
    exact,
    expression,
    layout,
    number,
    passes_tests,
)


def test_exact_and_after():
    assert exact(" 7 ", "7") == 1 and exact("7.", "7") == exact(None, "7") == exact("", "7") == 0
    assert after("a#b#c", "#") == "b#c" and after("a", "#") is None and after("#", "#") == ""


@pytest.mark.parametrize(("text", "value"), [
    ("7", 7), ("-7", -7), ("+7", 7), ("\u22127", -7), (" 1,234,567.50 ", Fraction("1234567.5")), ("$3", 3),
    (".5", Fraction(1, 2)),
    ("5.", 5), ("-7/2", Fraction(-7, 2)), ("3 / 4", Fraction(3, 4)), ("2e3", 2000), ("1E-2", Fraction(1, 100)),
    ("5 %", Fraction(1, 20)), ("0.1", Fraction(1, 10)),
    ("7 or 8", None), ("", None), ("seven", None), ("1/0", None), ("inf", None), ("nan", None), ("1,23", None),
    ("12,34,567", None), ("1e9999", None), ("--7", None), ("7" * 5000, None), ("٣", None), ("0x10", None),
    ("1_000", None),
    ("\x00", None), ("3.4.5", None),
])  # fmt: skip
def test_a_number_is_read_as_people_write_it(text, value):
    assert as_number(text) == value


def test_numbers_are_compared_exactly_unless_a_tolerance_is_given():
    assert number("0.1", "1/10") == number("0.1", "0.1") == 1
    assert number("0.3333", "1/3") == 0 and number("0.3333", "1/3", tolerance=1e-3) == 1
    assert number(None, 3) == 0


def test_a_layout_is_the_form_of_the_whole_text():
    pattern = r"<think>.*</think>\s*<answer>.*</answer>"
    assert layout("<think>a\nb</think>\n<answer>7</answer>", pattern) == 1
    assert layout("<think>a</think><answer>7</answer> more", pattern) == layout("", pattern) == 0


@pytest.mark.parametrize(("text", "right"), [
    ("(7-3)*2", True), ("7+3-2", True), ("2*(7-3)", True), (" ( 7 - 3 ) * 2 ", True), ("((7-3))*(2)", True),
    ("7+3-2=8", False), ("8", False), ("7-3*2", False), ("(7-3)*2*1", False), ("(7-3)*2+2-2", False),
    ("(7-3)*2)", False), ("((7-3)*2", False), ("", False), ("7-3", False), ("73*2", False), ("7 3 2", False),
    ("-(3-7)*2", False), ("7--3-2", False), ("2**3", False), ("(7-3)×2", False), ("(7-3)*²", False), ("(7-3)*٢", False),
    (None, False), ("()", False), ("(7-3)(2)", False),
])  # fmt: skip
def test_an_expression_uses_each_number_once(text, right):
    assert expression(text, [2, 3, 7], 8) == right


def test_division_is_exact_and_never_by_zero():
    assert expression("(1/3)*3*5", [1, 3, 3, 5], 5) == 1
    assert expression("5/(3-3)", [3, 3, 5], 5) == 0
    assert expression("7/2", [7, 2], 3) == 0


def test_expressions_have_the_value_that_python_gives_them():
    rng = random.Random(3)

    def grow(depth: int) -> str:
        if depth == 0 or rng.random() < 0.2:
            return str(rng.randint(0, 20))
        text = f"{grow(depth - 1)}{rng.choice('+-*/')}{grow(depth - 1)}"
        return f"({text})" if rng.random() < 0.5 else text

    judged = 0
    while judged < 2000:
        text = grow(4)
        used = [int(n) for n in "".join(c if c.isdigit() else " " for c in text).split()]
        exact_text = "".join(f"Fraction({n})" if n.isdigit() else n for n in _tokens(text))
        try:
            value = eval(exact_text)
        except ZeroDivisionError:
            assert expression(text, used, 0) == 0
            continue
        judged += 1
        target = value if value.denominator == 1 else Fraction(value.numerator // value.denominator)
        assert expression(text, rng.sample(used, len(used)), int(target)) == (value == target), text
        assert expression(text, used, int(target) + 1) == 0


def _tokens(text: str) -> list[str]:
    return "".join(c if c.isdigit() else f" {c} " for c in text).split()


# ------------------------------------------------------------------------------------------------------- run the code

ADD = "def add(a, b):\n    return a + b\n"
CASES = [([1, 2], 3), ([-5, 2], -3), ([0.5, 0.25], 0.75)]


def test_a_right_program_passes_and_a_wrong_one_does_not():
    assert passes_tests(ADD, "add", CASES) == 1
    assert passes_tests("print('hello')\n" + ADD, "add", CASES) == 1  # chatter is no crime
    assert passes_tests(ADD, "add", [*CASES, ([1, 1], 3)]) == 0
    assert passes_tests("def add(a, b):\n    return 3", "add", CASES) == 0
    assert passes_tests("def plus(a, b):\n    return a + b", "add", CASES) == 0
    assert passes_tests("def add(a, b):\n    return {a}", "add", CASES) == 0  # no JSON
    assert passes_tests(None, "add", CASES) == passes_tests("", "add", CASES) == 0
    assert passes_tests("def pair(a):\n    return a, a", "pair", [([1], [1, 1])]) == 1


@pytest.mark.parametrize("code", [
    "print('[3, -3, 0.75]')\nimport os\nos._exit(1)",
    "import json\njson.dumps = lambda *_: '[3]'\ndef add(a, b): return 0",
    "import atexit\natexit.register(lambda: print('[3]'))\ndef add(a, b): return 0",
    "class Yes:\n    def __eq__(self, other): return True\ndef add(a, b): return Yes()",
    "class Yes(int):\n    def __eq__(self, other): return True\ndef add(a, b): return Yes(0)",
    "def add(a, b): return '[' * 5000",
    "import builtins\nbuiltins.print = lambda *_: None\ndef add(a, b): return 3",
    "import sys\nsys.exit(0)",
    "while True: pass",
    "'''",
    "def add(a, b): raise KeyboardInterrupt",
    "def add(a, b): return float('nan')",
])  # fmt: skip
def test_a_program_that_cheats_earns_nothing(code):
    """It could only print what is expected, and that never enters its process."""
    assert passes_tests(code, "add", [([1, 2], 5)], seconds=1.0) == 0


def test_the_expected_results_never_enter_the_process():
    """Everything that the code can see of itself: its source, its input, its memory of globals."""
    code = "import sys\nopen('/dev/stderr', 'w').write(repr(globals()) + repr(sys.argv))\ndef add(a, b): return 987654"
    program = []
    original = verifiers.run_untrusted
    try:
        verifiers.run_untrusted = lambda text, **options: program.append(text) or original(text, **options)
        assert passes_tests(code, "add", [([1, 2], 987654)]) == 1
        assert passes_tests(ADD, "add", [([1, 2], 987654)]) == 0
    finally:
        verifiers.run_untrusted = original
    assert "987654" not in program[1]


def test_the_function_name_is_no_way_in():
    assert passes_tests(ADD, "print(3) or add", CASES) == 0


def test_the_last_fenced_block_is_the_program():
    text = "First\n```python\nx = 1\n```\nthen\n```py\ny = 2\n```\nand ```z```"
    assert code_block(text) == "y = 2\n" and code_block("no code") is None


# ------------------------------------------------------------------------------------------------------- mathematics


def test_formulas_that_mean_the_same():
    pytest.importorskip("math_verify")
    for given, truth in [
        ("1/2", "0.5"),
        (r"$\frac{1}{2}$", "$0.5$"),
        ("$x^2+2x+1$", "$(x+1)^2$"),
        (r"$2\sqrt{2}$", r"$\sqrt{8}$"),
    ]:
        assert equivalent(given, truth) == 1, (given, truth)
    for given, truth in [("7", "8"), ("", "3"), (None, "3"), ("$x+1$", "$x-1$"), ("$" * 500, "3"), ("7" * 2000, "3")]:
        assert equivalent(given, truth) == 0, (given, truth)


def test_a_formula_that_cannot_be_computed_is_no_answer_and_the_next_one_is_judged():
    pytest.importorskip("math_verify")
    started = time.perf_counter()
    assert equivalent("$9^{9^{9^{9}}}$", "$3$", seconds=2.0) == 0
    assert time.perf_counter() - started < 20
    assert equivalent("1/2", "0.5") == 1


# ------------------------------------------------------------------------------------------------------------ hostility


def hostile(n: int, seed: int):
    """Texts of many kinds: noise, broken and nested formulas, huge numbers, code, Unicode, near misses."""
    rng = random.Random(seed)
    pieces = [
        "#", "(", ")", "((", "))", "+", "-", "*", "/", "**", "//", "%", "=", ",", ".", "0", "1", "7", "12", "9" * 30,
        "9" * 5000,
        "1e999", "inf", "nan", "-0", "\x00", "\ud800", "\u202e", "٣", "²", "½", "＋", "\n", "\t", " ", "<think>",
        "</think>",
        "__import__('os').system('touch /tmp/hacked')", "lambda:0", "{}", "[]", "'", '"', "\\", "$", "\\frac{1}{0}",
        "```python\n",
        "```", "import os", "while 1:pass", "open('/tmp/hacked','w')", "1/0", "%s", "{0}", "None", "True", "(" * 400,
        "-" * 400,
    ]  # fmt: skip
    for _ in range(n):
        kind = rng.random()
        if kind < 0.6:
            yield "".join(rng.choice(pieces) for _ in range(rng.randint(0, 12)))
        elif kind < 0.8:
            yield "".join(rng.choice(string.printable) for _ in range(rng.randint(0, 60)))
        elif kind < 0.9:
            yield "#" + "".join(rng.choice("0123456789+-*/() ") for _ in range(rng.randint(0, 30)))
        else:
            yield "".join(chr(rng.randrange(0x110000)) for _ in range(rng.randint(0, 30)))


def test_ten_thousand_hostile_texts_neither_raise_nor_hang_nor_pay():
    chain, countdown = problems(ChainedArithmetic(), 1)[0], problems(Countdown(), 1)[0]
    started, slowest = time.perf_counter(), 0.0
    for text in hostile(10_000, seed=0):
        before = time.perf_counter()
        scores = [
            ChainedArithmetic().reward(chain, text), Countdown().reward(countdown, text), number(text, 7),
            exact(text, "x"), layout(text, r"<think>.*</think>\s*<answer>.*</answer>"), expression(text, [7], 7),
        ]  # fmt: skip
        assert all(score in (0.0, 1.0) for score in scores)
        code_block(text)
        slowest = max(slowest, time.perf_counter() - before)
    assert slowest < 5 and time.perf_counter() - started < 300


@pytest.mark.parametrize("n", [150, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_hostile_programs_are_judged_wrong_and_touch_nothing(n, tmp_path):
    mark = tmp_path / "hacked"
    attacks = [
        f"open({str(mark)!r}, 'w').write('x')", f"import os; os.system('touch {mark}')",
        "import socket; socket.create_connection(('127.0.0.1', 22), 0.1)",
        "import shutil; shutil.rmtree('/', ignore_errors=True)",
        "import os; [os.kill(pid, 9) for pid in range(2, 30)]",
        "import sys; sys.stdout.buffer.write(bytes(range(256)) * 99)",
        "raise MemoryError", "x = [0] * 10**9", "import threading; threading.Thread(target=lambda: 1).start()",
    ]  # fmt: skip
    rng = random.Random(n)
    with_sandbox = verifiers.run_untrusted("pass").shut_in
    for text in hostile(n, seed=n):
        if with_sandbox and rng.random() < 0.4:
            text = rng.choice(attacks)
        assert passes_tests(text, "add", [([1, 2], 5)], seconds=1.0) == 0.0
    assert not mark.exists()
