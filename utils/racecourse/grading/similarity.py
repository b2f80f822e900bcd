"""Find answers of one set that are built alike: pairs of submissions, and submissions and the published solution.

An answer becomes a row of words that renaming, comments, layout, types and messages do not change: its syntax tree,
read from the top, with one word for all names that it binds itself. Every `K` words in a row are a fingerprint. What
the set hands out does not count, and what many submissions share does not either. An index from fingerprint to
submissions finds the pairs (Schleimer, Wilkerson, Aiken, "Winnowing", SIGMOD 2003, without its last step, which keeps
a sample of the fingerprints: answers are short, so all are kept). Left out: exercises that mend given code, answers
under about twenty words, and code retold line by line in other syntax; a low score proves nothing.
"""

from __future__ import annotations

import ast
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from racecourse.grading.flags import code_trees, imports, learners_code, parsed
from racecourse.grading.integrity import grade_id_of, is_answer, is_ours, is_test

if TYPE_CHECKING:
    from rich.table import Table

NEW_CELL = "cell"  # the word before a cell's own
K = 10  # words of a fingerprint: about a line and a half
ENOUGH = 12  # shared fingerprints: less is chance
THRESHOLD = 0.6  # of either answer's fingerprints
CLASS = 10  # submissions from which on it can be told what is common
COMMON = 1 / 3  # of them: fingerprints that more than this share has are common
MENDED = 0.2  # of the published answer: an exercise with more code from the set than that mends given code
SOLUTION = None  # stands for the published solution in the place of a student
NOTE = (
    "Similar code has innocent reasons: a short exercise has one obvious solution, people learn from the same lessons, "
    "and working together may be allowed. These pages accuse nobody; read both sides, and ask."
)


@dataclass(frozen=True)
class Code:
    """What a learner wrote for one exercise, as words; word i begins in line `lines[i]`, counted from 0."""

    text: str
    fingerprints: tuple[int, ...]  # number i is of the words i to i + K - 1; 0 where another cell begins among them
    lines: tuple[int, ...]


@dataclass(frozen=True)
class Match:
    """An exercise that two submissions answered alike. Common and handed-out fingerprints are not counted."""

    exercise: str  # its first answer's grade_id
    a: Code
    b: Code
    shared: frozenset[int]  # fingerprints
    share_of_a: float  # how much of a's answer is in b's, 0 to 1
    share_of_b: float
    rarity: float  # larger if more is shared, and by fewer others


@dataclass(frozen=True)
class Pair:
    """Two submissions, or one and the published solution (`b` is None)."""

    a: str
    b: str | None
    matches: tuple[Match, ...]

    @property
    def rarity(self) -> float:
        return sum(match.rarity for match in self.matches)


# ---- From a notebook to fingerprints ---------------------------------------------------------------------------------


def codes_of(notebook: Any, modules: Mapping[str, str]) -> dict[str, Code]:
    """Exercise -> the learner's code for it. What is no Python, or too long to be read, is left out.

    `modules` are the names that the set's own cells import, with what they stand for.
    """
    exercises = exercises_of(notebook)
    trees = [tree for cells in exercises.values() for _, tree in cells]
    modules = known(trees, modules)
    return {exercise: code_of(cells, modules) for exercise, cells in exercises.items()}


def known(trees: Iterable[ast.Module], modules: Mapping[str, str] | None = None) -> dict[str, str]:
    """Imported name -> what it stands for; the set's own imports win."""
    return {name: target for tree in trees for name, target in imports(tree).items()} | dict(modules or {})


def exercises_of(notebook: Any) -> dict[str, list[tuple[str, ast.Module]]]:
    """First answer's grade_id -> text and tree of its cells. Own cells belong to the next answer, or to the last."""
    read = {id(cell): (text, tree) for cell, text, tree in learners_code(notebook)}
    exercises: dict[str, list[tuple[str, ast.Module]]] = {}
    waiting: list[tuple[str, ast.Module]] = []
    open_exercise = ""
    for cell in notebook.cells:
        if is_test(cell):
            open_exercise = ""
        elif cell.cell_type == "code" and not is_ours(cell):
            if is_answer(cell) and not open_exercise:
                open_exercise = grade_id_of(cell)
                exercises[open_exercise], waiting = waiting, []
            if id(cell) in read:
                (exercises[open_exercise] if open_exercise else waiting).append(read[id(cell)])
    if exercises:
        list(exercises.values())[-1].extend(waiting)
    return exercises


def code_of(cells: Iterable[tuple[str, ast.Module]], modules: Mapping[str, str]) -> Code:
    texts: list[str] = []
    words: list[str] = []
    lines: list[int] = []
    for text, tree in cells:
        above = sum(part.count("\n") + 1 for part in texts)
        words.append(NEW_CELL)
        lines.append(above)
        for word, line in words_of(tree, modules):
            words.append(word)
            lines.append(above + line - 1)
        texts.append(text)
    grams = zip(*(words[start:] for start in range(K)), strict=False)
    return Code("\n".join(texts), tuple(0 if NEW_CELL in gram else hash(gram) for gram in grams), tuple(lines))


def bound_names(tree: ast.AST) -> Iterator[str]:
    """The names that the code gives itself, and so could call anything; attributes with a dot in front."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield from (name, f".{name}")
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()) | ast.ExceptHandler(name=str(name)):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield f".{name}"


def words_of(tree: ast.AST, modules: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """(word, line) for each node from the top; no annotations, imports, docstrings and texts."""
    bound = set(bound_names(tree))
    stack: list[tuple[ast.AST, int]] = [(tree, 1)]  # no recursion: a chain of calls may be thousands deep
    while stack:
        node, line = stack.pop()
        line = getattr(node, "lineno", line)
        if word := word_of(node, bound, modules):
            yield word, line
        stack += [(child, line) for child in reversed(parts_of(node))]


def word_of(node: ast.AST, bound: Collection[str], modules: Mapping[str, str]) -> str:
    match node:
        case ast.Name(id=name):
            return "v" if name in bound else modules.get(name, name)
        case ast.Attribute(attr=name):
            return ".v" if f".{name}" in bound else f".{name}"
        case ast.Constant(value=str() | bytes()) | ast.JoinedStr():
            return "text"
        case ast.Constant(value=value):
            return f"{type(value).__name__} {hash(value)}"  # a number may have more digits than can be written
        case ast.AnnAssign():
            return "Assign"
        case ast.Module() | ast.expr_context() | ast.arguments() | ast.Expr() | ast.Pass():
            return ""
    return type(node).__name__


def parts_of(node: ast.AST) -> list[ast.AST]:
    """The nodes below, in the order of the text, without those that change nothing when the code runs."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [*node.decorator_list, node.args, *filter(counts, node.body)]
        case ast.AnnAssign(target=target, value=value):
            return [part for part in (target, value) if part is not None]
        case ast.arg() | ast.JoinedStr():
            return []
    return [part for part in ast.iter_child_nodes(node) if counts(part)]


def counts(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.AnnAssign(value=None):
            return False
        case ast.Expr(value=ast.Constant()):  # docstrings, and texts that stand as comments
            return False
    return True


def handed_out(notebooks: Iterable[Any]) -> set[int]:
    """The fingerprints of every code cell of these notebooks, stubs included."""
    found: set[int] = set()
    for notebook in notebooks:
        read = [parsed(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
        trees = [pair[1] for pair in read if pair]
        modules = known(trees)
        for tree in trees:
            found.update(code_of([("", tree)], modules).fingerprints)
    return found - {0}


# ---- Who is like whom ------------------------------------------------------------------------------------------------


def similar(
    submissions: Mapping[str, Any],
    release: Any,
    solution: Any,
    *,
    given: Iterable[Any] = (),
    threshold: float = THRESHOLD,
) -> list[Pair]:
    """Pairs of repaired submissions with an exercise answered alike, the most remarkable first.

    Of one of the two answers at least `threshold` must be in the other. Exercises that mend given
    code are not compared. `given` are more notebooks that learners may copy from, such as the lessons.
    """
    of_the_set, modules = handed_out([release]), known(code_trees(release))
    ignored = of_the_set | handed_out(given)
    answers: dict[str, dict[str | None, Code]] = defaultdict(dict)
    for student, notebook in [*sorted(submissions.items()), (SOLUTION, solution)]:
        for exercise, code in codes_of(notebook, modules).items():
            answers[exercise][student] = code
    found: dict[tuple[str, str | None], list[Match]] = defaultdict(list)
    for exercise, codes in answers.items():
        if SOLUTION not in codes or mends(codes[SOLUTION], of_the_set):
            continue
        for a, b, match in matches_in(exercise, codes, ignored, threshold):
            found[a, b].append(match)
    pairs = [
        Pair(a, b, tuple(sorted(matches, key=lambda m: (-m.rarity, m.exercise)))) for (a, b), matches in found.items()
    ]
    return sorted(pairs, key=lambda pair: (-pair.rarity, pair.a, pair.b or ""))


def matches_in(
    exercise: str, codes: Mapping[str | None, Code], ignored: set[int], threshold: float
) -> Iterator[tuple[str, str | None, Match]]:
    """The pairs that answered one exercise alike; `codes` has the solution last."""
    written = {who: own(code, ignored) for who, code in codes.items()}
    learners = [who for who, mine in written.items() if who is not SOLUTION and mine]
    held = Counter(mark for who in learners for mark in written[who])
    most = COMMON * len(learners) if len(learners) >= CLASS else len(learners)
    common = ignored | {mark for mark, count in held.items() if count > most}
    rare = {who: own(code, common) for who, code in codes.items()}

    holders: dict[int, list[str | None]] = defaultdict(list)
    for who, mine in rare.items():
        for mark in mine:
            holders[mark].append(who)
    together = Counter(pair for sharing in holders.values() for pair in combinations(sharing, 2))
    for (a, b), count in together.items():
        assert a is not SOLUTION, "the solution comes last"
        if count >= max(ENOUGH, threshold * min(len(rare[a]), len(rare[b]))):
            shared = frozenset(rare[a] & rare[b])
            rarity = sum(math.log((len(learners) + 1) / held[mark]) for mark in shared)
            match = Match(exercise, codes[a], codes[b], shared, count / len(rare[a]), count / len(rare[b]), rarity)
            yield a, b, match


def mends(code: Code, of_the_set: set[int]) -> bool:
    """True if much of the published answer is code that the set hands out: then all right answers are the same."""
    given = sum(mark in of_the_set for mark in code.fingerprints)
    return given > MENDED * len(code.fingerprints)


def own(code: Code, ignored: set[int]) -> set[int]:
    """The fingerprints at least half of whose words lie in no ignored one: one word of given code mended is none."""
    covered = {
        word for start, mark in enumerate(code.fingerprints) if mark in ignored for word in range(start, start + K)
    }
    new = [len(set(range(start, start + K)) - covered) for start in range(len(code.fingerprints))]
    return {mark for mark, words in zip(code.fingerprints, new, strict=True) if mark and 2 * words >= K}


def partners(pairs: Iterable[Pair]) -> dict[str, list[str]]:
    """Whose answers each student's are built like, the most remarkable first."""
    found: dict[str, list[str]] = defaultdict(list)
    for pair in pairs:
        for student, other in ((pair.a, pair.b), (pair.b, pair.a)):
            if student is not SOLUTION and name_of(other) not in found[student]:
                found[student].append(name_of(other))
    return dict(found)


# ---- To look at ------------------------------------------------------------------------------------------------------


def name_of(student: str | None) -> str:
    return "the published solution" if student is SOLUTION else student


def marked(code: Code, shared: Collection[int]) -> list[tuple[str, bool]]:
    """The lines of an answer, each with whether it holds what is shared."""
    starts = [start for start, mark in enumerate(code.fingerprints) if mark in shared]
    lines = {line for start in starts for line in code.lines[start : start + K]}
    return [(line, number in lines) for number, line in enumerate(code.text.split("\n"))]


def table_of(pairs: Iterable[Pair]) -> Table:
    """For the terminal: a row for each exercise of each pair."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("one", "the other", "exercise", "of one", "of the other", caption=NOTE)
    for pair in pairs:
        for match in pair.matches:
            names = [escape(text) for text in (pair.a, name_of(pair.b), match.exercise)]
            table.add_row(*names, f"{match.share_of_a:.0%}", f"{match.share_of_b:.0%}")
    return table


PAGE = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Similar answers: {{ title }}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
table { border-collapse: collapse; } th, td { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
.sides { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; }
pre { overflow-x: auto; background: #f6f6f6; padding: .6rem; margin: 0; } mark { background: #ffe08a; }
</style></head><body>
<h1>Similar answers: {{ title }}</h1>
<p>{{ note }}</p>
<p>A percentage says how much of that side's answer is also in the other; lines that hold such code are marked. Names,
comments, layout, types and messages are not compared, nor is what the set hands out, nor what more than a third of at
least {{ least }} submissions share. If more than that copied from one place, it cannot be seen here.</p>
{% if not pairs %}<p>No two answers are alike.</p>{% endif %}
{% if left_out %}<p>{{ left_out }} more pairs are left out of this page; they share less.</p>{% endif %}
<table>{% for pair in pairs %}<tr><td><a href="#p{{ loop.index }}">{{ pair.a }} · {{ name_of(pair.b) }}</a></td>
<td>{{ pair.matches | map(attribute="exercise") | join(", ") }}</td></tr>{% endfor %}</table>
{% for pair in pairs %}<h2 id="p{{ loop.index }}">{{ pair.a }} · {{ name_of(pair.b) }}</h2>
{% for match in pair.matches %}<h3>{{ match.exercise }}</h3><div class="sides">
{% for who, share, code in [(pair.a, match.share_of_a, match.a), (name_of(pair.b), match.share_of_b, match.b)] %}<div>
<p>{{ who }}: {{ "%.0f" | format(100 * share) }} %</p>
<pre>{% for line, is_shared in marked(code, match.shared) %}{% if is_shared %}<mark>{{ line }}</mark>
{% else %}{{ line }}
{% endif %}{% endfor %}</pre></div>{% endfor %}
</div>{% endfor %}{% endfor %}
</body></html>
"""


def to_html(pairs: Sequence[Pair], title: str, *, most: int = 200) -> str:
    """A page of its own, without scripts, for the instructor: both sides of the first `most` pairs."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(PAGE)
    return page.render(
        pairs=pairs[:most], left_out=max(0, len(pairs) - most), title=title, note=NOTE, least=CLASS, marked=marked,
        name_of=name_of,
    ).encode("utf-8", "replace").decode()  # fmt: skip
