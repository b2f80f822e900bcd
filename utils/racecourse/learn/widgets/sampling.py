"""How temperature, top-k and top-p change what a model may write next.

Without arguments it shows made-up logits of ten words, so that it works where there is no model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import explorer

if TYPE_CHECKING:
    from ipywidgets import VBox
    from matplotlib.axes import Axes

# probabilities(temperature, top_k, top_p) -> one number per token
Probabilities = Callable[[float, int, float], Iterable[float]]


def sampling_explorer(tokens: Sequence[str] | None = None, probabilities: Probabilities | None = None) -> VBox:
    """The explorer over candidate `tokens`; `probabilities` is called with the three settings."""
    import ipywidgets as widgets

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
        "temperature": widgets.FloatSlider(description="Temperature", min=0.1, max=2.0, step=0.1, value=1.0),
        "top_k": widgets.IntSlider(description="Top-k", min=1, max=50, value=50),
        "top_p": widgets.FloatSlider(description="Top-p", min=0.05, max=1.0, step=0.05, value=1.0),
    }
    return explorer(draw, controls)
