"""Temperature, top-k and top-p over ten made-up words, in numpy, for an explorer that has no model.

The same three rules over real logits are in `racecourse.models.generation`. Left out: drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

EXAMPLE_TOKENS = (
    "' beach'",
    "' park'",
    "' market'",
    "' races'",
    "' lake'",
    "' farm'",
    "' zoo'",
    "' bank'",
    "' moon'",
    "' of'",
)
EXAMPLE_LOGITS = (4.0, 3.6, 3.5, 3.1, 2.8, 2.2, 1.9, 1.0, -0.5, -3.0)


def example_probabilities(
    temperature: float, top_k: int, top_p: float, logits: Sequence[float] = EXAMPLE_LOGITS
) -> np.ndarray:
    """The chance of each word, largest logit first; `logits` must fall and have no ties.

    >>> example_probabilities(1.0, 2, 1.0, logits=[1.0, 1.0 - np.log(3), 0.0]).round(4).tolist()
    [0.75, 0.25, 0.0]
    """
    weights = np.exp(np.asarray(logits, dtype=float) / temperature)
    weights[top_k:] = 0
    probabilities = weights / weights.sum()
    reached_before = probabilities.cumsum() - probabilities
    kept = np.where(reached_before < top_p, probabilities, 0)
    return kept / kept.sum()
