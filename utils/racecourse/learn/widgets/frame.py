"""The widget behind every explorer, the same in ipywidgets 7.7 (Colab) and 8: the page asks, the kernel answers.

The page's part is `explorer.js`, sent along with the widget, so that nothing is loaded from anywhere. Importing this
file loads ipywidgets; `explorer.py` does so when an explorer is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from racecourse.learn.widgets.controls import Control
from racecourse.learn.widgets.explorer import Adapt, Shown

HERE = Path(__file__).parent
FAILED = "No figure for this setting"


def text_of(*names: str) -> str:
    """Files beside this one, one after the other."""
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)


class Explorer(anywidget.AnyWidget):
    """Controls over a figure or page. `set(name=value)` moves them as a hand would; `.words` says what is shown."""

    _esm = text_of("explorer.js")
    _css = text_of("look.css", "explorer.css")

    # For the page: what to build, where its controls stand, and what stands under them.
    label = traitlets.Unicode().tag(sync=True)
    fields: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    image = traitlets.Unicode().tag(sync=True)
    page = traitlets.Unicode().tag(sync=True)
    words = traitlets.Unicode().tag(sync=True)
    # From the page: {"number": of the question, "values": by control}; and the last question that was answered.
    asked = traitlets.Dict().tag(sync=True)
    answered = traitlets.Int().tag(sync=True)

    def __init__(
        self, label: str, show: Callable[..., Shown], controls: Mapping[str, Control], adapt: Adapt | None = None
    ) -> None:
        self.controls, self._show, self._adapt = dict(controls), show, adapt
        self._values = {name: control.from_page(control.to_page(control.value)) for name, control in controls.items()}
        super().__init__(label=label)
        self._draw()

    @property
    def values(self) -> dict[str, Any]:
        """What is chosen, by control."""
        return dict(self._values)

    def set(self, **values: Any) -> None:
        """Move controls and draw once. A number beyond a slider's end moves it to the end.

        Raises:
            ValueError: no such control, or none of its values; nothing is moved then.
        """
        self._move({name: self._control(name).to_page(value) for name, value in values.items()})
        self._draw()

    @traitlets.observe("asked")
    def _answer(self, change: dict[str, Any]) -> None:
        question = change["new"]
        try:
            self._move(question["values"])
        except (ValueError, TypeError, KeyError, AttributeError) as refusal:  # the page may send anything
            self._tell(Shown(f"Refused: {refusal}"), question.get("number"))
        else:
            self._draw(question.get("number"))

    def _control(self, name: str) -> Control:
        if name not in self.controls:
            raise ValueError(f"there is no control {name!r}; there are {', '.join(self.controls)}")
        return self.controls[name]

    def _move(self, sent: Mapping[str, Any]) -> None:
        moved = {name: self._control(name).from_page(value) for name, value in sent.items()}
        changed = {name for name, value in moved.items() if value != self._values[name]}
        self._values |= moved
        if self._adapt is not None:
            for name, control in self._adapt(changed, self.values).items():
                self.controls[name] = control
                self._values[name] = control.from_page(control.to_page(control.value))

    def _draw(self, number: Any = None) -> None:
        try:
            shown = self._show(**self._values)
        except Exception as problem:  # it would be lost in a log: show it, whatever it is
            shown = Shown(f"{FAILED}: {type(problem).__name__}: {problem}")
        self._tell(shown, number)

    def _tell(self, shown: Shown, number: Any) -> None:
        """All that the page needs in one message."""
        with self.hold_sync():
            self.fields = [{"name": name, **control.field()} for name, control in self.controls.items()]
            self.chosen = {name: control.to_page(self._values[name]) for name, control in self.controls.items()}
            self.image, self.page, self.words = shown.image, shown.page, shown.words
            if isinstance(number, int):
                self.answered = number
