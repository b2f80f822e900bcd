"""Token ids in, pieces of text out, while a model is still writing."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from racecourse.models.tokenizer import Tokenizer


class TextStream:
    """Ids of one row in, pieces of text out: no half characters, and nothing that a stop string takes back.

    The text ends before the stop string that is complete first (the longest, if two end at the same place), whatever
    tokens it came in.
    """

    def __init__(self, tokenizer: Tokenizer, stop: Sequence[str], emit: Callable[[str], None]) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.emit = emit
        self.text = ""
        self.n_emitted = 0
        self.stopped = False
        self.utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> bool:
        """Take one id; True once a stop string is complete."""
        self._add(self.utf8.decode(self.tokenizer.token_bytes(token_id)))
        self._emit_up_to(len(self.text) - self._n_held_back())
        return self.stopped

    def finish(self) -> str:
        """The whole text, after emitting what was held back."""
        self._add(self.utf8.decode(b"", final=True))
        self._emit_up_to(len(self.text))
        return self.text

    def _add(self, piece: str) -> None:
        if self.stopped:
            return
        self.text += piece
        start_of_search = self.n_emitted  # a stop string cannot begin in what was emitted: that was held back
        found = [(self.text.find(s, start_of_search), s) for s in self.stop]
        ends = [(start + len(s), start) for start, s in found if start >= 0]
        if ends:
            self.text, self.stopped = self.text[: min(ends)[1]], True

    def _n_held_back(self) -> int:
        """Length of the longest end of the text that may be the beginning of a stop string."""
        if self.stopped:
            return 0
        longest = max((len(s) for s in self.stop), default=1) - 1
        ends = (self.text[-n:] for n in range(min(longest, len(self.text)), 0, -1))
        return next((len(end) for end in ends if any(s.startswith(end) for s in self.stop)), 0)

    def _emit_up_to(self, end: int) -> None:
        if end > self.n_emitted:
            self.emit(self.text[self.n_emitted : end])
            self.n_emitted = end
