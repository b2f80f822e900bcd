"""A figure that is drawn again in its place while something runs: a loss that falls, a policy that learns."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

from matplotlib.figure import Figure


class LiveFigure:
    """One picture in a notebook's output, renewed at most once every `seconds`, since drawing takes time from training.

        live = LiveFigure(lambda figure, history: ...)
        train(model, corpus, config, on_record=live)
        live.finish()          # the last state, however long ago the last drawing was

    `draw(figure, state)` gets an empty figure each time.
    """

    def __init__(
        self,
        draw: Callable[[Figure, Any], None],
        *,
        figsize: tuple[float, float] = (7.0, 3.6),
        seconds: float = 2.0,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.draw, self.figsize, self.seconds, self.clock = draw, figsize, seconds, clock
        self._state: Any = None
        self._drawn_at = float("-inf")
        self._handle: Any = None

    def __call__(self, state: Any) -> None:
        """Keep the state, and draw it if the last drawing is long enough ago."""
        self._state = state
        if self.clock() - self._drawn_at >= self.seconds:
            self._show()

    def finish(self) -> None:
        """Draw the last state."""
        if self._state is not None:
            self._show()

    def _show(self) -> None:
        from IPython.display import Image, display

        figure = Figure(figsize=self.figsize, layout="constrained")
        self.draw(figure, self._state)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=80)
        image = Image(data=png.getvalue(), format="png")
        if self._handle is None:
            self._handle = display(image, display_id=True)
        else:
            self._handle.update(image)
        self._drawn_at = self.clock()
