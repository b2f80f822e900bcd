"""Copies are found however they were dressed up; people who worked on their own are not taken for copies."""

import ast
import random
import re
from copy import deepcopy
from functools import cache
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell

from racecourse.grading import similarity
from racecourse.grading.integrity import grade_id_of, is_answer
from racecourse.grading.similarity import Pair, marked, partners, similar, table_of, to_html
from racecourse.learn.notebooks import read, release_path, target_of

ROOT = Path(__file__).resolve().parent.parent
SETS = sorted(path.stem for path in ROOT.glob("exercises/*/*.ipynb"))
NAME = "04_thinking_longer"

BOXED = {  # written apart from each other
    "scans once with a stack": r"""
def last_boxed(text):
    found, stack, i = None, [], 0
    while i < len(text):
        if text.startswith("\\boxed{", i):
            stack.append(i + 7)
            i += 7
        elif text[i] == "\\":
            i += 2
        elif text[i] == "{":
            stack.append(None)
            i += 1
        else:
            if text[i] == "}" and stack:
                begin = stack.pop()
                if begin is not None and (found is None or begin > found[0]):
                    found = (begin, text[begin:i].strip())
            i += 1
    return found and found[1]
""",
    "recursion": r'''
def matching(s, level=0):
    """Length up to the brace that closes."""
    skip = False
    for n, c in enumerate(s):
        if skip:
            skip = False
        elif c == "\\":
            skip = True
        elif c == "{":
            level += 1
        elif c == "}" and level == 0:
            return n
        elif c == "}":
            level -= 1

def last_boxed(text):
    head, mark, tail = text.rpartition("\\boxed{")
    if not mark:
        return None
    end = matching(tail)
    return last_boxed(head) if end is None else tail[:end].strip()
''',
    "regular expressions": r"""
import re
def last_boxed(text):
    for piece in reversed(list(re.finditer(r"\\boxed\{", text))):
        open_braces = 1
        for token in re.finditer(r"\\.|[{}]", text[piece.end():], re.S):
            if token.group() in "{}":
                open_braces += {"{": 1, "}": -1}[token.group()]
            if not open_braces:
                return text[piece.end():piece.end() + token.start()].strip()
""",
}
VOTE = {
    "counter": '''
from collections import Counter
def weighted_vote(answers, weights):
    c = Counter()
    for i in range(len(answers)):
        if answers[i] is None or weights[i] <= 0:
            continue
        c[answers[i]] += weights[i]
    if not c:
        return {}
    top = c.most_common(1)[0][1]
    best = sorted(k for k in c if c[k] == top)
    return dict.fromkeys(best, 1 / len(best))
''',
    "sums per answer": '''
def weighted_vote(answers, weights):
    kinds = {a for a, w in zip(answers, weights) if w > 0} - {None}
    score = lambda kind: sum(w for a, w in zip(answers, weights) if a == kind)
    highest = max(map(score, kinds), default=None)
    winners = list(filter(lambda kind: score(kind) == highest, kinds))
    result = {}
    for w in winners:
        result[w] = 1.0 / len(winners)
    return result
''',
    "numpy": '''
import numpy as np
def weighted_vote(answers, weights):
    valid = [(a, w) for a, w in zip(answers, weights) if a is not None and w > 0]
    if len(valid) == 0:
        return {}
    names, index = np.unique([a for a, _ in valid], return_inverse=True)
    totals = np.bincount(index, weights=[w for _, w in valid])
    is_best = totals == totals.max()
    return {str(name): 1 / is_best.sum() for name in names[is_best]}
''',
}  # fmt: skip


@cache
def release(name: str = NAME) -> Any:
    return read(release_path(name, ROOT))


@cache
def solution(name: str = NAME) -> Any:
    return read(target_of(name, ROOT))


def submission(name: str = NAME, **answers: str) -> Any:
    notebook = deepcopy(release(name))
    for cell in notebook.cells:
        cell.source = answers.get(grade_id_of(cell).replace("-", "_"), cell.source)
    return notebook


def solved(name: str = NAME) -> dict[str, str]:
    cells = [cell for cell in solution(name).cells if is_answer(cell) and cell.cell_type == "code"]
    return {grade_id_of(cell).replace("-", "_"): cell.source for cell in cells}


def compared(threshold: float = similarity.THRESHOLD, **sources: str) -> list[Pair]:
    """Submissions of answers to `boxed`."""
    return similar(
        {who: submission(boxed=text) for who, text in sources.items()}, release(), solution(), threshold=threshold
    )


def found(pairs: list[Pair]) -> dict[tuple[str, str | None], list[str]]:
    return {(pair.a, pair.b): [match.exercise for match in pair.matches] for pair in pairs}


def renamed(source: str) -> str:
    """Every name that the code gives itself is another, by Python's own unparser: layout and comments go too."""
    tree = ast.parse(source)
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    stored |= {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in stored:
            node.id = f"zz_{len(node.id)}_{node.id[::-1]}"
        elif isinstance(node, ast.arg):
            node.arg, node.annotation = f"zz_{len(node.arg)}_{node.arg[::-1]}", None
    return ast.unparse(tree)


# ---- Copies ----------------------------------------------------------------------------------------------------------

ORIGINAL = BOXED["recursion"]
COPIES = {
    "the same": ORIGINAL,
    "renamed and laid out anew": renamed(ORIGINAL),
    "functions in another order": "\ndef last" + ORIGINAL.split("\ndef last")[1] + ORIGINAL.split("\ndef last")[0],
    "other comments": re.sub(r"\n", "  # I did this myself\n", ORIGINAL.replace("Length up to", "My own words on")),
    "types added": ORIGINAL.replace("(s, level=0)", "(s: str, level: int = 0) -> int | None"),
    "more of one's own": ORIGINAL + "\nprint(last_boxed('a'))\nfor i in range(10):\n    print(i ** 2, i % 7)\n" * 3,
    "a loop rewritten": ORIGINAL.replace(
        "for n, c in enumerate(s):", "n = -1\n    while n + 1 < len(s):\n        n += 1\n        c = s[n]"
    ),
    "a return rewritten": ORIGINAL.replace(
        "return last_boxed(head) if end is None else tail[:end].strip()",
        "if end is not None:\n        return tail[:end].strip()\n    return last_boxed(head)",
    ),
    "magics above": "%%time\n" + ORIGINAL,
}  # fmt: skip


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_found(how: str) -> None:
    assert (how == "the same") or COPIES[how] != ORIGINAL
    pairs = compared(ann=ORIGINAL, bob=COPIES[how])
    assert found(pairs) == {("ann", "bob"): ["boxed"]}
    assert pairs[0].matches[0].share_of_a >= (0.99 if "rewritten" not in how and "order" not in how else 0.6)


def test_code_retold_in_other_syntax_is_not_found() -> None:
    """A limit that the module's docstring states: the same algorithm, each line in other words."""
    retold = ORIGINAL.replace("for n, c in enumerate(s):", "for n in range(len(s)):\n        c = s[n:n + 1]")
    retold = retold.replace("elif", "if").replace(
        "skip = False\n        if", "skip = False\n            continue\n        if"
    )
    retold = retold.replace("skip = True\n", "skip = True\n            continue\n")
    retold = retold.replace('c == "}" and level == 0', 'not level and "}" == c').replace(
        "level += 1", "level = 1 + level; continue"
    )
    retold = (
        retold.replace("level -= 1", "level = level - 1")
        .replace('c == "{"', '"{" == c')
        .replace('c == "\\\\"', '"\\\\" == c')
    )
    ast.parse(retold)
    assert compared(ann=ORIGINAL, bob=retold) == []


def test_the_shares_say_who_has_more_besides() -> None:
    match = compared(ann=ORIGINAL, bob=COPIES["more of one's own"])[0].matches[0]
    assert match.share_of_a == 1 and 0.3 < match.share_of_b < 0.9
    mine, theirs = marked(match.a, match.shared), marked(match.b, match.shared)
    assert all(is_shared for line, is_shared in mine if line.strip() and '"""' not in line)
    assert not any(is_shared for line, is_shared in theirs if "i % 7" in line)
    assert "\n".join(line for line, _ in mine) == ORIGINAL


def test_one_exercise_copied_among_many_is_found_and_one_moved_to_an_own_cell_too() -> None:
    ann = submission(boxed=BOXED["recursion"], weighted_vote=VOTE["counter"])
    bob = submission(boxed=BOXED["regular expressions"], weighted_vote=VOTE["counter"])
    assert found(similar({"ann": ann, "bob": bob}, release(), solution())) == {("ann", "bob"): ["weighted-vote"]}
    at = next(index for index, cell in enumerate(bob.cells) if grade_id_of(cell) == "weighted-vote")
    bob.cells.insert(at, new_code_cell(bob.cells[at].source))
    bob.cells[at + 1].source = "weighted_vote = weighted_vote"
    assert found(similar({"ann": ann, "bob": bob}, release(), solution())) == {("ann", "bob"): ["weighted-vote"]}


def test_imports_by_another_name_are_the_same() -> None:
    other = VOTE["numpy"].replace("import numpy as np", "import numpy").replace("np.", "numpy.")
    pairs = similar(
        {"ann": submission(weighted_vote=VOTE["numpy"]), "bob": submission(weighted_vote=other)}, release(), solution()
    )
    assert pairs[0].matches[0].share_of_a == 1


@pytest.mark.parametrize("name", SETS)
def test_a_renamed_copy_of_the_published_solution_is_found(name: str) -> None:
    """In every exercise but those that mend code of the set, and those too short to tell."""
    answers = {key: renamed(text) for key, text in solved(name).items()}
    pairs = similar({"ann": submission(name, **answers)}, release(name), solution(name))
    assert [(pair.a, pair.b) for pair in pairs] == [("ann", None)]
    untold = set(answers) - {match.exercise.replace("-", "_") for match in pairs[0].matches}
    assert all("bugs" in key or key == "small_dies" for key in untold), untold


COUNTER = """
class Stack:
    def __init__(self, limit):
        self.items, self.limit = [], limit
    def put(self, item):
        self.items.append(item)
        self.items = self.items[-self.limit:]
    def top(self):
        return self.items[-1] if self.items else None
"""


def test_attributes_and_methods_may_be_renamed_too() -> None:
    other = re.sub(r"\b(Stack|put|top|items|limit)\b", lambda name: f"my_{name[0]}_2", COUNTER)
    match = compared(ann=COUNTER, bob=other)[0].matches[0]
    assert match.share_of_a == match.share_of_b == 1


def test_lines_are_marked_in_the_cell_that_they_are_in() -> None:
    """A helper in a cell of one's own stands above the answer."""
    notebook = submission(boxed=ORIGINAL)
    at = next(index for index, cell in enumerate(notebook.cells) if grade_id_of(cell) == "boxed")
    notebook.cells.insert(at, new_code_cell("# notes\n# more notes\nmine = 1\nhelpers = {}"))
    pairs = similar({"ann": notebook, "bob": submission(boxed=ORIGINAL)}, release(), solution())
    match = pairs[0].matches[0]
    alone = [line for line, is_shared in marked(match.b, match.shared) if is_shared]
    assert len(alone) > 10
    assert [line for line, is_shared in marked(match.a, match.shared) if is_shared] == alone


# ---- No copies -------------------------------------------------------------------------------------------------------


def test_people_who_worked_apart_are_not_alike() -> None:
    """Also not at half the threshold, and not to the published solution."""
    notebooks = {
        "ann": submission(boxed=BOXED["recursion"], weighted_vote=VOTE["counter"]),
        "bob": submission(boxed=BOXED["regular expressions"], weighted_vote=VOTE["sums per answer"]),
        "cem": submission(boxed=BOXED["scans once with a stack"], weighted_vote=VOTE["numpy"]),
    }
    assert similar(notebooks, release(), solution(), threshold=similarity.THRESHOLD / 2) == []


def test_the_handwritten_answers_are_right() -> None:
    """Otherwise they would be no witnesses."""
    cases = [("", None), (r"\boxed{1}", "1"), (r"\boxed{\frac{1}{2}} x", r"\frac{1}{2}"), (r"\boxed{a}\boxed{b", "a")]
    for source in BOXED.values():
        names: dict[str, Any] = {}
        exec(source, names)
        assert [names["last_boxed"](text) for text, _ in cases] == [value for _, value in cases]
    for source in VOTE.values():
        names = {}
        exec(source, names)
        assert names["weighted_vote"](["a", "b", None, "b", "c"], [2, 1, 9, 1, 0]) == {"a": 0.5, "b": 0.5}


def test_short_answers_and_imports_are_not_compared() -> None:
    short = "def last_boxed(text):\n    return text.split('boxed')[-1].strip() or None"
    assert compared(ann=short, bob=short) == []
    names = [", ".join(f"name_{i}" for i in range(1 + number * number % 7)) for number in range(30)]
    libraries = "\n".join(f"from library_{number} import {some}" for number, some in enumerate(names))
    assert compared(ann=f"{libraries}\nx = 1", bob=f"{libraries}\ny = 2") == []


@pytest.mark.parametrize("name", SETS)
def test_what_is_handed_out_matches_nobody(name: str) -> None:
    everyone = {who: deepcopy(release(name)) for who in ("ann", "bob", "cem")}
    for notebook in everyone.values():  # the set's own code, copied into a cell of one's own
        notebook.cells += [new_code_cell(cell.source) for cell in release(name).cells if cell.cell_type == "code"]
    assert similar(everyone, release(name), solution(name)) == []


def test_what_lessons_show_may_be_copied() -> None:
    lesson = deepcopy(release())
    lesson.cells = [new_code_cell(ORIGINAL)]
    notebooks = {who: submission(boxed=ORIGINAL) for who in ("ann", "bob")}
    assert similar(notebooks, release(), solution(), given=[lesson]) == []
    assert len(similar(notebooks, release(), solution())) == 1


def test_mending_given_code_alike_is_no_similarity() -> None:
    answers = {key: text for key, text in solved("01_transformers").items() if key == "layer_bugs"}
    assert answers
    notebooks = {who: submission("01_transformers", **answers) for who in ("ann", "bob")}
    assert similar(notebooks, release("01_transformers"), solution("01_transformers")) == []


def variant(source: str, number: int) -> str:
    """The same answer with work of one's own behind it."""
    steps = "\n".join(f"own_{number}.step_{number}_{i}(own_{number}, {number + i})[{i}]" for i in range(4))
    return f"{source}\n{steps}\n"


@pytest.mark.parametrize(("n_alike", "n_class", "n_pairs"), [(3, 9, 3), (3, 12, 3), (4, 12, 6), (5, 12, 0), (5, 9, 10)])
def test_what_more_than_a_third_of_a_class_shares_is_common(n_alike: int, n_class: int, n_pairs: int) -> None:
    """From ten submissions on. What those who differ write is each their own."""
    sources = {f"s{i:02}": variant(ORIGINAL if i < n_alike else "", i) for i in range(n_class)}
    assert len(compared(threshold=0.4, **sources)) == n_pairs


def test_those_that_share_what_nobody_else_has_come_first() -> None:
    """Three share one answer, two another of the same length."""
    cem, dan = (renamed(BOXED["scans once with a stack"]) for _ in range(2))
    pairs = compared(ann=ORIGINAL, bob=ORIGINAL, cem=cem, dan=dan, eva=ORIGINAL)
    assert found(pairs)[("cem", "dan")] == ["boxed"] and len(pairs) == 4
    assert (pairs[0].a, pairs[0].b) == ("cem", "dan")


# ---- Hostile code, many submissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    ["def f(:", "(" * 150 + ")" * 150, "-" * 40_000 + "1", "+".join("1" * 20_000), "+".join("1" * 900),
     "a" + ".b" * 20_000, "x = '\ud800'", "a\0b", "x = [1, 2]\n" * 100_000, "!ls\n" * 600, "x = 0x" + "f" * 40_000,
     "lambda:" * 80 + "1", "%%bash\nls", "x = " + "[" * 80 + "]" * 80, "'\\N{x}'"],
)  # fmt: skip
def test_hostile_code_stops_nothing_and_hides_nobody_else(source: str) -> None:
    notebooks = {"ann": submission(boxed=ORIGINAL), "bob": submission(boxed=ORIGINAL), "eve": submission(boxed=source)}
    notebooks["bob"].cells.append(new_code_cell(source))
    pairs = similar(notebooks, release(), solution())
    assert ("ann", "bob") in found(pairs)
    to_html(pairs, "set")


def test_hundreds_of_submissions() -> None:
    """60 copies of one text among 300, each other one of its own making: the copies are found, in pairs."""
    rng = random.Random(0)

    def made_up(number: int) -> str:
        lines = [
            f"    x{i} = {rng.choice('abcdef')} {rng.choice('+-*/')} f{rng.randrange(99)}(x{rng.randrange(9)})"
            for i in range(25)
        ]
        return "\n".join([f"def last_boxed(text, n={number}):", *lines])

    notebooks = {f"s{i:03}": submission(boxed=renamed(ORIGINAL) if i < 60 else made_up(i)) for i in range(300)}
    pairs = similar(notebooks, release(), solution())
    names = [f"s{i:03}" for i in range(60)]
    assert {(pair.a, pair.b) for pair in pairs} == set(combinations(names, 2))


# ---- What the instructor sees ----------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """The text of a page, its elements, and what is marked."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text, self.marked, self._open = "", "", 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self._open += tag == "mark"

    def handle_endtag(self, tag: str) -> None:
        self._open -= tag == "mark"

    def handle_data(self, data: str) -> None:
        self.text += data
        self.marked += data if self._open else ""


EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def test_the_page_shows_both_sides_and_escapes_everything() -> None:
    source = ORIGINAL + f"\nx = '''{EVIL}</pre>'''\n"
    notebooks = {f"ann {EVIL}": submission(boxed=source), "bob": submission(boxed=renamed(source))}
    page = to_html(similar(notebooks, release(), solution()), f"set {EVIL}")
    seen = Reader(page)
    assert not {"script", "img", "iframe", "link"} & set(seen.tags)
    assert not [name for name in seen.attributes if name.startswith("on") or name == "src"]
    assert seen.text.count(EVIL) >= 5 and "49" not in seen.text
    assert "accuse nobody" in seen.text and "one obvious solution" in seen.text
    assert seen.tags.count("pre") == 2 and "head, mark, tail" in seen.marked and "zz_4_daeh" in seen.marked


def test_the_page_names_what_it_leaves_out_and_says_when_there_is_nothing() -> None:
    pairs = compared(ann=ORIGINAL, bob=ORIGINAL, cem=ORIGINAL)
    assert "2 more pairs are left out" in Reader(to_html(pairs, "set", most=1)).text
    assert "left out of" not in Reader(to_html(pairs, "set")).text
    assert "No two answers are alike" in Reader(to_html([], "set")).text


def test_the_table_and_the_flags_name_both_sides() -> None:
    from rich.console import Console

    notebooks = {"[red]ann": submission(boxed=ORIGINAL), "bob": submission(boxed=COPIES["more of one's own"])}
    pairs = similar(notebooks, release(), solution())
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table_of(pairs))
    shown = console.export_text()
    assert "[red]ann" in shown and "boxed" in shown and "100%" in shown and "accuse nobody" in " ".join(shown.split())
    assert partners(pairs) == {"[red]ann": ["bob"], "bob": ["[red]ann"]}


def test_the_published_solution_has_no_partners_of_its_own() -> None:
    pairs = similar({"ann": submission(**solved())}, release(), solution())
    assert partners(pairs) == {"ann": ["the published solution"]}
