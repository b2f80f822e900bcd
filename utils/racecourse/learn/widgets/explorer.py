"""The frame of every explorer: controls, a figure or a page, and what it shows in words.

The figure is drawn away from pyplot and shown as a PNG image: nothing flickers, no figure is left open, and saved
notebooks hold no half-captured output. Left out: animation. While a slider moves, the newest value is drawn, at most
four times a second (`explorer.js`).
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from racecourse.learn.widgets.controls import Choice, Control, Slider, Steps, Toggle

if TYPE_CHECKING:
    from racecourse.learn.widgets.frame import Explorer

__all__ = ["Choice", "Control", "Slider", "Steps", "Toggle", "explorer", "page_explorer"]

Draw = Callable[..., str]  # draw(ax, **values of the controls) draws and returns the figure in words
Write = Callable[..., tuple[str, str]]  # write(**values of the controls) gives a page of HTML, and it in words
# adapt(changed, values): controls to put in the place of others after those named in `changed` have new values
Adapt = Callable[[set[str], dict[str, Any]], Mapping[str, Control]]


class Shown(NamedTuple):
    """What stands under the controls: a figure or a page, and the words."""

    words: str
    image: str = ""  # a PNG as an address that holds all of it
    page: str = ""  # HTML


def explorer(
    label: str,
    draw: Draw,
    controls: Mapping[str, Control],
    *,
    size: tuple[float, float] = (8.4, 4.8),
    adapt: Adapt | None = None,
) -> Explorer:
    """Controls over a figure of `size` inches. `label` names the group of controls."""
    from racecourse.learn.widgets.frame import Explorer

    def show(**values: Any) -> Shown:
        png, words = render(draw, values, size)
        return Shown(words, image=f"data:image/png;base64,{base64.b64encode(png).decode()}")

    return Explorer(label, show, controls, adapt)


def page_explorer(label: str, write: Write, controls: Mapping[str, Control], *, adapt: Adapt | None = None) -> Explorer:
    """Controls over a page of HTML. `write` escapes whatever is not its own."""
    from racecourse.learn.widgets.frame import Explorer

    def show(**values: Any) -> Shown:
        page, words = write(**values)
        return Shown(words, page=page)

    return Explorer(label, show, controls, adapt)


def render(draw: Draw, values: dict[str, Any], size: tuple[float, float]) -> tuple[bytes, str]:
    """One drawing as PNG bytes, and its words."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    text = draw(figure.add_subplot(), **values)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue(), text
