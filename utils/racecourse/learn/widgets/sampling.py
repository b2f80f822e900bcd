"""How temperature, top-k and top-p change what a model may write next.

Without arguments it shows made-up logits of ten words, so that it works where there is no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import Slider, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer

# probabilities(temperature, top_k, top_p) -> one number per token
Probabilities = Callable[[float, int, float], Iterable[float]]


def sampling_explorer(tokens: Sequence[str] | None = None, probabilities: Probabilities | None = None) -> Explorer:
    """The explorer over candidate `tokens`; `probabilities` is called with the three settings."""
    from racecourse.learn.nucleus import EXAMPLE_TOKENS, example_probabilities
    from racecourse.learn.plots import plot_next_tokens

    tokens = list(EXAMPLE_TOKENS if tokens is None else tokens)
    chances: Probabilities = probabilities or example_probabilities

    def draw(ax: Axes, temperature: float, top_k: int, top_p: float) -> str:
        drawn = [float(p) for p in chances(temperature, top_k, top_p)]
        plot_next_tokens(tokens, drawn, title=f"temperature {temperature:g}, top-k {top_k}, top-p {top_p:g}", ax=ax)
        best = max(range(len(drawn)), key=drawn.__getitem__)
        n_left = sum(p > 0 for p in drawn)
        return f"{n_left} of the {len(tokens)} tokens shown can be drawn; {tokens[best]} leads with {drawn[best]:.3f}."

    controls = {
        "temperature": Slider("Temperature", low=0.1, high=2.0, step=0.1, value=1.0),
        "top_k": Slider("Top-k", low=1, high=50, value=50),
        "top_p": Slider("Top-p", low=0.05, high=1.0, step=0.05, value=1.0),
    }
    return explorer("What may be drawn next", draw, controls)
