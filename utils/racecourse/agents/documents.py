"""The documents of lesson 08 and the search over them: the papers of Thistleby, an invented town with a racecourse.

An agent needs a world to look things up in. This one is small, comes with the package and never changes, so that a
task has one right answer for good. One letter holds an order to whoever reads it: an agent must take it as text.

The search is BM25 (Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", section 3.1) over passages: a
row of a table, a paragraph of prose with its heading. Words count as they are written, less case and a plural's `s`;
`the`, `of` and the like do not count.
Left out: synonyms, spelling mistakes, dense vectors.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from racecourse.agents.gaia import Task, read_tasks

DATA = Path(__file__).parent / "data"

K1, B = 1.5, 0.75  # how soon a repeated word stops to count; how much a long passage is held back
MOST_OF_ONE = 2  # hits of one document: else the rows of one table, all alike, fill the answer
# They are rare here, where most passages are rows of tables, and would count for much.
FUNCTION_WORDS = frozenset(
    re.findall(
        r"\w+",
        """a an and any are as at be but by did do does each for from had has have he her his how i if in is it its many
        much no not of on one or she so than that the their them there they this to was were what when where which who
        with you""",
    )
)


@dataclass(frozen=True)
class Document:
    """One file: Markdown, plain text, a table or JSON with one record in each line."""

    name: str  # with its suffix
    text: str


@dataclass(frozen=True)
class Hit:
    """A passage that was found, and where it begins."""

    name: str  # of the document
    line: int  # counted from 1
    text: str


@dataclass(frozen=True)
class Index:
    passages: list[Hit]
    lengths: list[int]  # in words, those of the document's name among them
    postings: dict[str, dict[int, int]]  # word -> passage -> how often


def documents() -> list[Document]:
    """All documents, by name."""
    return [Document(path.name, path.read_text(encoding="utf-8")) for path in sorted((DATA / "documents").iterdir())]


def offline_tasks() -> list[Task]:
    """The tasks over these documents, in three levels, in GAIA's format.

    The notes say which documents a task needs, for tests and for lessons: an agent must not see them.
    """
    return read_tasks(DATA / "tasks.jsonl")


def search(query: str, k: int = 5) -> list[Hit]:
    """The `k` passages that fit the query best, the best first; fewer, if fewer have a word of it.

    Of one document at most two are given. Equal scores are put in the order of names and lines.

    >>> search("who found the stolen bracelet in a beehive", k=1)[0].name
    'programme.md'
    """
    index = index_of_documents()
    mean_length = sum(index.lengths) / len(index.lengths)
    scores: dict[int, float] = defaultdict(float)
    for word in sorted(set(words(query))):
        found = index.postings.get(word, {})
        weight = math.log(1 + (len(index.passages) - len(found) + 0.5) / (len(found) + 0.5))
        for passage, count in found.items():
            held_back = K1 * (1 - B + B * index.lengths[passage] / mean_length)
            scores[passage] += weight * count * (K1 + 1) / (count + held_back)
    best_first = sorted(scores, key=lambda passage: (-scores[passage], passage))
    return few_of_each([index.passages[passage] for passage in best_first])[:k]


def few_of_each(hits: list[Hit]) -> list[Hit]:
    """The hits in their order, without the third and later ones of a document."""
    seen: Counter[str] = Counter()
    kept = []
    for hit in hits:
        seen[hit.name] += 1
        if seen[hit.name] <= MOST_OF_ONE:
            kept.append(hit)
    return kept


@cache
def index_of_documents() -> Index:
    """The index is made once in a process, in about a tenth of a second."""
    hits = [hit for document in documents() for hit in passages(document) if words(hit.text)]
    index = Index(passages=hits, lengths=[], postings=defaultdict(dict))
    for number, hit in enumerate(hits):
        counts = Counter(words(f"{hit.name} {hit.text}"))
        index.lengths.append(counts.total())
        for word, count in counts.items():
            index.postings[word][number] = count
    return index


def passages(document: Document) -> Iterator[Hit]:
    """The pieces that a search gives back: lines of tables and JSON, paragraphs of prose."""
    lines = document.text.splitlines()
    if not document.name.endswith((".md", ".txt")):
        yield from (Hit(document.name, number, line) for number, line in enumerate(lines, start=1))
        return
    begin = 0  # of a paragraph, counted from 1; 0 between two
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            begin = begin or number
        elif begin and not lines[number - 2].startswith("#"):  # a heading waits for its paragraph
            yield Hit(document.name, begin, "\n".join(lines[begin - 1 : number - 1]))
            begin = 0


def words(text: str) -> list[str]:
    """Letters and digits in lower case, without function words, `'s` and the `s` of a plural.

    >>> words("The Miller's Plate, 6 furlongs on grass: results_1954.csv")
    ['miller', 'plate', '6', 'furlong', 'grass', 'result', '1954', 'csv']
    """
    found = re.findall(r"[^\W_]+", text.lower().replace("'s", ""))
    return [
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
        for word in found
        if word not in FUNCTION_WORDS
    ]
