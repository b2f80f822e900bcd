"""One attention head at a time: choose the layer and the head.

Without arguments it shows a made-up pattern, so that it works where there is no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import Slider, explorer

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer

EXAMPLE_TOKENS = ("A", " made", "-up", " pattern", ":", " closer", " is", " more")


def attention_explorer(
    weights_LHTS: np.ndarray | None = None, tokens: Sequence[str] | None = None, start: tuple[int, int] = (0, 0)
) -> Explorer:
    """The explorer over all heads' weights (layers, heads, tokens, tokens) for one text; `start`: layer and head."""
    from racecourse.learn.plots import plot_attention

    tokens = list(EXAMPLE_TOKENS if tokens is None else tokens)
    shown = _example(len(tokens)) if weights_LHTS is None else weights_LHTS

    def draw(ax: Axes, layer: int, head: int) -> str:
        weights = shown[layer][head]
        plot_attention(weights, tokens, title=f"layer {layer}, head {head}", ax=ax)
        row = [float(weight) for weight in weights[-1]]
        best = max(range(len(row)), key=row.__getitem__)
        return (
            f"The last token, {tokens[-1]!r}, looks most at {tokens[best]!r} (position {best}): weight {row[best]:.2f}."
        )

    controls = {
        "layer": Slider("Layer", low=0, high=len(shown) - 1, value=start[0]),
        "head": Slider("Query head", low=0, high=len(shown[0]) - 1, value=start[1]),
    }
    return explorer("Attention, head by head", draw, controls, size=(6.4, 5.6))


def _example(T: int) -> np.ndarray:
    """Two layers of two heads: weights that fall with the distance, at four speeds."""
    import numpy as np

    distance_TT = np.arange(T)[:, None] - np.arange(T)
    speed_LH = np.array([[0.2, 0.5], [1.0, 2.0]])
    scores_LHTT = np.where(distance_TT >= 0, np.exp(-speed_LH[:, :, None, None] * distance_TT.clip(0)), 0.0)
    return scores_LHTT / scores_LHTT.sum(-1, keepdims=True)
