"""The claims ledger: what the news story claimed, which lesson checks it, and what came out.

The claims are data (`data/claims.toml`). A lesson settles a row with a number that it has just computed. Left out:
remembering. What one notebook settles, another does not see; lesson 09 recomputes what it needs.
"""

from __future__ import annotations

import html
import textwrap
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "claims.toml"
CONTEXT = "context"
JUDGEMENTS = ("holds", "holds with a qualification", "does not hold", "cannot be told from public data")
VERDICTS = (*JUDGEMENTS, CONTEXT)  # a row of kind "context" is explained, not judged
COLUMNS = ("Row", "Claim", "Figure", "Said by", "Lesson", "Status", "What was computed")


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
        computed = f"{self.value}. Sources: {'; '.join(self.sources)}" if self.sources else self.value
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
