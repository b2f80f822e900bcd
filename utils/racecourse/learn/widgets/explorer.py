"""The frame of every explorer: controls, a figure, and the figure in words.

The figure is drawn away from pyplot and shown as a PNG image: nothing flickers, no figure is left open, and saved
notebooks hold no half-captured output. Left out: animation. A figure is drawn once per change, when a slider is
let go (`continuous_update=False` is set here for every control that has it).
"""

from __future__ import annotations

import html
import io
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipywidgets import VBox, Widget

Draw = Callable[..., str]  # draw(ax, **values of the controls) draws and returns the figure in words


def explorer(draw: Draw, controls: dict[str, Widget], *, size: tuple[float, float] = (8.4, 4.8)) -> VBox:
    """Controls over a figure of `size` inches. `.children` are the controls' box, the image and the words."""
    import ipywidgets as widgets

    image = widgets.Image(format="png", layout=widgets.Layout(max_width="100%", object_fit="contain"))
    words = widgets.HTML()

    def redraw(_change: object = None) -> None:
        image.value, text = render(draw, {name: control.value for name, control in controls.items()}, size)
        words.value = f'<p aria-live="polite">{html.escape(text)}</p>'

    for control in controls.values():
        control.style = {"description_width": "11em"}
        control.layout = widgets.Layout(width="30em", max_width="100%")
        if control.has_trait("continuous_update"):
            control.continuous_update = False
        control.observe(redraw, names="value")
    redraw()
    return widgets.VBox([widgets.VBox(list(controls.values())), image, words])


def render(draw: Draw, values: dict[str, object], size: tuple[float, float]) -> tuple[bytes, str]:
    """One drawing as PNG bytes, and its words."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    text = draw(figure.add_subplot(), **values)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue(), text
