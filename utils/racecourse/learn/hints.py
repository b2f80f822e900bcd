"""Hints, one level a call: `hint("rms-norm")` nudges, the next call says more, the last one is a plan.

The texts are data, `data/hints/NN_topic.toml`, keyed by the answer cell's grade_id, so that notebooks never carry
them. Left out: remembering across restarts. A new session starts at the first level.
"""

import tomllib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "hints"
shown: dict[str, int] = {}  # grade_id -> levels printed in this session


@cache
def all_hints() -> dict[str, list[str]]:
    """Every hint of every set, by grade_id; a grade_id that two sets use would hide one of them, so it is refused."""
    hints: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        for grade_id, levels in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if grade_id in hints:
                raise ValueError(f"{path.name}: {grade_id!r} has hints in another file too; rename one grade_id")
            hints[grade_id] = levels
    return hints


def hint(grade_id: str) -> None:
    """Print one more hint for an exercise; after the last, print the last again."""
    levels = all_hints().get(grade_id)
    if levels is None:
        raise ValueError(f"no hints for {grade_id!r}; the exercises with hints are {', '.join(all_hints())}")
    level = min(shown.get(grade_id, 0) + 1, len(levels))
    shown[grade_id] = level
    more = "call again for more" if level < len(levels) else "that is the last one"
    print(f"Hint {level} of {len(levels)}: {levels[level - 1]}  ({more})")
