"""The four systems of the story, a card each: what is published, what this course rebuilt, what it could not check.

The cards are data (`data/cards.toml`). Left out: benchmark tables; lesson 05 and lesson 09 compare scores.
"""

from __future__ import annotations

import html
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "data" / "cards.toml"


@dataclass(frozen=True)
class Figure:
    """One figure, and where it comes from."""

    what: str
    value: str  # with its unit
    source: str  # a publication, or "lesson 01"

    def __str__(self) -> str:
        return f"{self.what}: {self.value} [{self.source}]"


@dataclass(frozen=True)
class Rebuilt:
    """A part of the system that a lesson builds."""

    lesson: str  # "01"
    what: str
    scale: str  # how large, on what, with which result

    def __str__(self) -> str:
        return f"lesson {self.lesson}: {self.what} [{self.scale}]"


@dataclass(frozen=True)
class Card:
    """One system. A table in a notebook, plain text elsewhere."""

    name: str
    maker: str
    date: str
    dated_by: str  # the source of maker and date
    what: str  # two sentences
    rows: tuple[str, ...]  # of the claims ledger
    published: tuple[Figure, ...]
    computed: tuple[Figure, ...]  # by this course
    rebuilt: tuple[Rebuilt, ...]
    unchecked: tuple[str, ...]

    @property
    def sections(self) -> dict[str, tuple[str, ...]]:
        """What the card shows, by its labels."""
        return {
            "Maker": (self.maker,),
            "Date": (f"{self.date} [{self.dated_by}]",),
            "What it is": (self.what,),
            "Ledger rows": (", ".join(self.rows),),
            "Published": tuple(map(str, self.published)),
            "Computed in this course": tuple(map(str, self.computed)),
            "Rebuilt in this course": tuple(map(str, self.rebuilt)),
            "Could not be checked": self.unchecked,
        }

    def _repr_html_(self) -> str:
        left = ' style="text-align: left; vertical-align: top"'
        body = "".join(
            f'<tr><th scope="row"{left}>{label}</th><td{left}>{_as_html(lines)}</td></tr>\n'
            for label, lines in self.sections.items()
        )
        caption = f'<caption style="text-align: left"><strong>{html.escape(self.name)}</strong></caption>'
        return f"<table>{caption}\n<tbody>\n{body}</tbody></table>"

    def __str__(self) -> str:
        parts = [self.name]
        for label, lines in self.sections.items():
            parts.append(f"  {label}")
            for line in lines:
                parts.append(textwrap.fill(line, width=98, initial_indent="    ", subsequent_indent="      "))
        return "\n".join(parts)

    __repr__ = __str__


@dataclass(frozen=True)
class Cards:
    """Some cards, one below the other."""

    cards: tuple[Card, ...]

    def __iter__(self) -> Iterator[Card]:
        return iter(self.cards)

    def __len__(self) -> int:
        return len(self.cards)

    def _repr_html_(self) -> str:
        return "\n".join(one._repr_html_() for one in self.cards)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.cards))

    __repr__ = __str__


def _as_html(lines: tuple[str, ...]) -> str:
    """One line as text, several as a list."""
    if len(lines) == 1:
        return html.escape(lines[0])
    return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ul>"


@cache
def cards() -> Cards:
    """The cards of all four systems: QwQ-32B, DeepSeek-R1, Manus, Tongyi Qianwen."""
    return Cards(tuple(map(_card_of, tomllib.loads(FILE.read_text(encoding="utf-8"))["card"])))


def card(name: str) -> Card:
    """The card of one system.

    Raises:
        KeyError: there is no card of that name.
    """
    by_name = {one.name: one for one in cards()}
    if name not in by_name:
        raise KeyError(f"there is no card {name!r}; the cards are {', '.join(by_name)}")
    return by_name[name]


def _card_of(raw: dict) -> Card:
    return Card(
        name=raw["name"], maker=raw["maker"], date=raw["date"], dated_by=raw["dated_by"], what=raw["what"],
        rows=tuple(raw["rows"]),
        published=tuple(Figure(**figure) for figure in raw["published"]),
        computed=tuple(Figure(**figure) for figure in raw["computed"]),
        rebuilt=tuple(Rebuilt(**piece) for piece in raw["rebuilt"]),
        unchecked=tuple(raw["unchecked"]),
    )  # fmt: skip
