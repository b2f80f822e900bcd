"""The claims ledger: what the news story claimed, which lesson checks it, and what came out.

The claims are data (`data/claims.toml`). A lesson settles a row with a number that it has just computed. What one
notebook settles, another does not see: `recorded_ledger` gives what the lessons' runs in this repository found, which
the build reads from their outputs (`data/settled.json`). Left out: remembering a learner's values.
"""

from __future__ import annotations

import html
import json
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

FILE = Path(__file__).parent / "data" / "claims.toml"
SETTLED = Path(__file__).parent / "data" / "settled.json"
CONTEXT = "context"
JUDGEMENTS = ("holds", "holds with a qualification", "does not hold", "cannot be told from public data")
VERDICTS = (*JUDGEMENTS, CONTEXT)  # a row of kind "context" is explained, not judged
COLUMNS = ("Row", "Claim", "Figure", "Said by", "Lesson", "Status", "What was computed")
SOURCES = ". Sources: "


@dataclass(frozen=True)
class Row:
    """One claim. A notebook shows it as a table of one row."""

    id: str
    claim: str  # in this course's words
    figure: str
    said_by: str
    lessons: tuple[str, ...]  # where the evidence is gathered; the last gives the verdict
    kind: str  # "checkable" or "context"
    value: str = ""  # what a lesson computed
    verdict: str = ""  # one of VERDICTS
    sources: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """The verdict; before that "open", or "partly" when there is evidence without a verdict yet."""
        return self.verdict or ("partly" if self.value else "open")

    @property
    def cells(self) -> tuple[str, ...]:
        """What the table shows, in the order of COLUMNS."""
        status = "context, open" if self.kind == CONTEXT and self.status == "open" else self.status
        computed = f"{self.value}{SOURCES}{'; '.join(self.sources)}" if self.sources else self.value
        return self.id, self.claim, self.figure, self.said_by, ", ".join(self.lessons), status, computed

    def _repr_html_(self) -> str:
        return Ledger((self,))._repr_html_()

    def __str__(self) -> str:
        return str(Ledger((self,)))


@dataclass(frozen=True)
class Ledger:
    """Some rows of the ledger; a table in a notebook, plain text elsewhere."""

    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return "\n".join([self.summary, *(_as_text(row) for row in self.rows)])

    __repr__ = __str__

    @property
    def summary(self) -> str:
        """One line: how many rows, and how they stand."""
        statuses = [row.status for row in self.rows]
        present = [status for status in ("open", "partly", *VERDICTS) if status in statuses]
        counts = [f"{statuses.count(status)} {status}" for status in present]
        return f"{len(self.rows)} claim{'s' * (len(self.rows) != 1)}: {', '.join(counts)}"

    def _repr_html_(self) -> str:
        left = ' style="text-align: left; vertical-align: top"'
        head = "".join(f'<th scope="col"{left}>{name}</th>' for name in COLUMNS)
        body = "".join(
            f"<tr>{''.join(f'<td{left}>{html.escape(cell)}</td>' for cell in row.cells)}</tr>\n" for row in self.rows
        )
        caption = f'<caption style="text-align: left">{html.escape(self.summary)}</caption>'
        return f"<table>{caption}\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"


def _as_text(row: Row) -> str:
    """Three lines or so; the widths suit a terminal of 100 columns."""
    name, claim, figure, said_by, lessons, status, value = row.cells
    lines = [f"{claim} [{status}]", f"figure: {figure}; said by {said_by}; lesson {lessons}"]
    lines += [f"computed: {value}"] if value else []
    wrapped = [part for line in lines for part in textwrap.wrap(line, width=94)]
    return "\n".join([f"{name:>4}  {wrapped[0]}", *(f"      {line}" for line in wrapped[1:])])


@cache
def claims() -> dict[str, Row]:
    """Every claim as the course ships it, unsettled, by id."""
    rows: dict[str, Row] = {}
    for raw in tomllib.loads(FILE.read_text(encoding="utf-8"))["claim"]:
        if raw["id"] in rows:
            raise ValueError(f"{FILE.name}: row {raw['id']!r} stands there twice; give each claim its own id")
        rows[raw["id"]] = Row(**{**raw, "lessons": tuple(raw["lessons"])})
    return rows


_settled: dict[str, Row] = {}  # of this notebook's kernel


def ledger(lesson: str | None = None) -> Ledger:
    """The whole ledger, or the rows that one lesson ("07") works on, with what this notebook has settled."""
    rows = [_settled.get(name, row) for name, row in claims().items()]
    return Ledger(tuple(row for row in rows if lesson is None or lesson in row.lessons))


def settle(claim_id: int | str, *, value: object, verdict: str | None, sources: Sequence[str] = ()) -> Row:
    """Write what was computed into a row and return the row for display.

    Args:
        claim_id: the row, 1 or "18b".
        value: the number or finding, with its unit.
        verdict: one of VERDICTS, or None for evidence that does not decide the claim yet.
        sources: where the published side of the comparison stands.

    Raises:
        KeyError: no such row.
        ValueError: a verdict that is not allowed, or not for this kind of row; a value that says nothing.
    """
    rows, name = claims(), str(claim_id)
    if name not in rows:
        raise KeyError(f"the ledger has no row {name!r}; its rows are {', '.join(rows)}")
    allowed = (CONTEXT,) if rows[name].kind == CONTEXT else JUDGEMENTS
    if verdict is not None and verdict not in allowed:
        raise ValueError(f"verdict {verdict!r} for row {name}: use {' or '.join(map(repr, allowed))}, or None")
    if not str(value).strip():
        raise ValueError(f"row {name}: value={value!r} says nothing; give the computed number with its unit")
    _settled[name] = replace(rows[name], value=str(value), verdict=verdict or "", sources=tuple(sources))
    return _settled[name]


# ------------------------------------------------------------------------------------------------- the recorded lessons


@dataclass(frozen=True)
class Evidence:
    """What one lesson's committed run wrote into one row."""

    id: str
    lesson: str
    verdict: str  # empty for evidence that does not decide
    computed: str  # with its sources


def recorded_ledger() -> Ledger:
    """The whole ledger as the committed runs of lessons 00 to 08 left it, and on top what this notebook has settled.

    Where several lessons have gathered evidence, each is named; the last one's verdict counts.
    """
    pieces = [Evidence(**piece) for piece in json.loads(SETTLED.read_text(encoding="utf-8"))]
    rows = []
    for name, row in claims().items():
        found = [piece for piece in pieces if piece.id == name]
        parts = [f"Lesson {piece.lesson}: {piece.computed}" for piece in found]
        verdict = next((piece.verdict for piece in reversed(found) if piece.verdict), "")
        if (here := _settled.get(name)) is not None:
            parts.append(f"Here: {here.cells[-1]}")
            verdict = here.verdict or verdict
        rows.append(replace(row, value=". ".join(part.rstrip(".") for part in parts), verdict=verdict))
    return Ledger(tuple(rows))


def evidence_of(lesson: str, tables: Sequence[str]) -> list[Evidence]:
    """The rows that a lesson settled, read from the tables in its outputs; of one row the last table counts."""
    pieces = {}
    for table in tables:
        for row_id, *_, status, computed in cells_of(table):
            if computed:
                pieces[row_id] = Evidence(row_id, lesson, status if status in VERDICTS else "", computed)
    return [pieces[name] for name in claims() if name in pieces]


def as_record(pieces: Sequence[Evidence]) -> str:
    """The text of `data/settled.json`."""
    return json.dumps([asdict(piece) for piece in pieces], indent=1, ensure_ascii=False) + "\n"


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self.inside = tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def cells_of(table: str) -> list[list[str]]:
    """The body of a ledger's HTML table, row by row; nothing of a table that is no ledger's."""
    parser = _Cells()
    parser.feed(table)
    return parser.rows[1:] if parser.rows and tuple(parser.rows[0]) == COLUMNS else []
