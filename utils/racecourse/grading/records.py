"""What grading a submission found out, as data: points, messages, remarks for the learner, flags for the instructor.

A record is plain JSON on disk, so that grading can stop at any instant and go on where it was.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Part:
    """One graded cell of an exercise."""

    grade_id: str
    points: float
    earned: float | None = None  # None: not run, or graded by hand
    message: str = ""


@dataclass
class Exercise:
    """Answer cells and the tests that follow them, or one written question."""

    title: str
    parts: list[Part] = field(default_factory=list)
    by_hand: bool = False
    refused: str = ""  # why the answer was not run

    @property
    def points(self) -> float:
        return sum(part.points for part in self.parts)

    @property
    def earned(self) -> float:
        return sum(part.earned or 0 for part in self.parts)


@dataclass
class Flag:
    """Something that an instructor should look at. It accuses nobody and changes no points."""

    kind: str  # "checks edited", "outputs", "order", "package", "tampering", "run", "similar", "version", "late"
    said: str  # one sentence
    where: str = ""  # the grade_id or the cell's first line


@dataclass
class Report:
    """One submission."""

    name: str  # of the set
    exercises: list[Exercise]
    remarks: list[str] = field(default_factory=list)  # what was repaired or refused, and where the run ended early
    student: str = ""
    flags: list[Flag] = field(default_factory=list)
    called: list[str] = field(default_factory=list)  # functions of the package that the learner's code called
    refused: str = ""  # why nothing of it could be graded
    seconds: float = 0.0  # from its first cell to its last check
    spent: dict[str, float] = field(
        default_factory=dict
    )  # seconds by what they went to: "start", "cells", "checks", ...
    peak_mib: float | None = None  # of the kernel's own memory, beyond what all kernels share

    @property
    def earned(self) -> float:
        return sum(exercise.earned for exercise in self.exercises)

    @property
    def points(self) -> float:
        """What can be earned by checks; the written questions are not in it."""
        return sum(exercise.points for exercise in self.exercises if not exercise.by_hand)

    def parts(self) -> dict[str, Part]:
        """By grade_id."""
        return {part.grade_id: part for exercise in self.exercises for part in exercise.parts}


def to_json(report: Report) -> str:
    return json.dumps(asdict(report), ensure_ascii=False, indent=1)


def from_json(text: str | bytes) -> Report:
    """
    Raises:
        ValueError: the text is no record.
    """
    try:
        return _report(json.loads(text))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"this is no record of a graded submission ({error})") from error


def _report(raw: dict[str, Any]) -> Report:
    exercises = [Exercise(**{**e, "parts": [Part(**part) for part in e["parts"]]}) for e in raw.pop("exercises")]
    return Report(exercises=exercises, flags=[Flag(**flag) for flag in raw.pop("flags")], **raw)
