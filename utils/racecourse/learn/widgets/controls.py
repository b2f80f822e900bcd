"""What can be chosen in an explorer, as plain descriptions: a slider, a choice, steps of a list, a box to tick.

A control knows its values twice: as Python has them, and as the page sends them, which is a number, the place in the
list of options, or a truth value. What the page sends is checked here: numbers are moved into their range, the rest is
refused.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar


class Control(ABC):
    """What all have: a label, the value at first, and the way to the page and back."""

    label: str
    value: Any

    @abstractmethod
    def to_page(self, value: Any) -> Any:
        """What stands for a value in the page; ValueError for what is none."""

    @abstractmethod
    def from_page(self, sent: Any) -> Any:
        """The value that the page sent; ValueError for what is none."""

    @abstractmethod
    def field(self) -> dict[str, Any]:
        """What the page needs to know to build it."""


@dataclass(frozen=True)
class Slider(Control):
    """A number from `low` to `high` in steps; whole numbers if limits and step are."""

    label: str
    low: float
    high: float
    value: float  # at first
    step: float = 1

    def to_page(self, value: Any) -> float:
        return self.from_page(value)

    def from_page(self, sent: Any) -> float:
        """The nearest number that the slider can stand at.

        >>> Slider("Chips", 1, 16, 1).from_page(99), Slider("Top-p", 0.05, 1.0, 1.0, step=0.05).from_page(0.31)
        (16, 0.3)

        Raises:
            ValueError: no finite number.
        """
        if isinstance(sent, bool) or not isinstance(sent, (int, float)) or not math.isfinite(sent):
            raise ValueError(f"{self.label}: {sent!r} is no number")
        n_steps = round((min(max(sent, self.low), self.high) - self.low) / self.step)
        number = min(self.low + n_steps * self.step, self.high)
        whole = all(isinstance(part, int) for part in (self.low, self.high, self.step))
        return int(number) if whole else round(number, 10)  # 0.1 + 2 x 0.1 is 0.3

    def field(self) -> dict[str, Any]:
        return {"kind": "slider", "label": self.label, "low": self.low, "high": self.high, "step": self.step}


@dataclass(frozen=True)
class Choice(Control):
    """One of several options, in a list to unfold. Options are values, or values by what the list calls them."""

    label: str
    options: Sequence[Any] | Mapping[str, Any]
    value: Any  # at first
    kind: ClassVar[str] = "choice"

    @property
    def labels(self) -> list[str]:
        if isinstance(self.options, Mapping):
            return list(self.options)
        return [f"{option:,}" if isinstance(option, int) else str(option) for option in self.options]

    @property
    def choices(self) -> list[Any]:
        return list(self.options.values() if isinstance(self.options, Mapping) else self.options)

    def to_page(self, value: Any) -> int:
        """The place of a value among the options.

        Raises:
            ValueError: it is none of them.
        """
        if value not in self.choices:
            raise ValueError(f"{self.label}: {value!r} is none of {', '.join(map(repr, self.choices))}")
        return self.choices.index(value)

    def from_page(self, sent: Any) -> Any:
        """The option at a place.

        Raises:
            ValueError: there is no such place.
        """
        if isinstance(sent, bool) or not isinstance(sent, int) or not 0 <= sent < len(self.options):
            raise ValueError(f"{self.label}: there is no option {sent!r}; places go from 0 to {len(self.options) - 1}")
        return self.choices[sent]

    def field(self) -> dict[str, Any]:
        return {"kind": self.kind, "label": self.label, "labels": self.labels}


class Steps(Choice):
    """One of several options in their order, by a slider."""

    kind: ClassVar[str] = "steps"


@dataclass(frozen=True)
class Toggle(Control):
    """A box to tick."""

    label: str
    value: bool  # at first

    def to_page(self, value: Any) -> bool:
        return self.from_page(value)

    def from_page(self, sent: Any) -> bool:
        """The value itself.

        Raises:
            ValueError: neither true nor false.
        """
        if not isinstance(sent, bool):
            raise ValueError(f"{self.label}: {sent!r} is neither true nor false")
        return sent

    def field(self) -> dict[str, Any]:
        return {"kind": "toggle", "label": self.label}
