"""A chat with a model in the notebook: the answer appears while it is written, and can be stopped.

The writing is done by a thread of its own, since a notebook that is busy writing would hear no button. Each answer
reads the whole conversation again, and shows as plain text: what a model wrote is anybody's text, and is escaped.

Left out: keeping the cache of keys and values from one answer to the next, changing an earlier message, Markdown.
"""

from __future__ import annotations

import atexit
import html
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipywidgets import VBox

    from racecourse.models import Transformer
    from racecourse.models.tokenizer import Tokenizer

    Message = dict[str, str]  # "role", which is "user" or "assistant", and "content"

SECONDS_BETWEEN_UPDATES = 0.2  # each sends the whole conversation to the browser
SPEAKERS = {"user": "You", "assistant": "Model"}
BLOCK = "white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.4em 0; max-width: 50em; line-height: 1.5"


def chat_panel(
    model: Transformer, tokenizer: Tokenizer, *, max_new_tokens: int = 128, temperature: float = 0.0
) -> VBox:
    """A conversation with a chat model: a field for your message, Send, Stop, and New chat. Enter sends, too.

    `.children` are the conversation, the field, the box of the three buttons, and one sentence on how it stands.
    A new panel ends what older ones are writing, so that a cell may be run again.

    Raises:
        ValueError: fewer than one new token.
    """
    if max_new_tokens < 1:
        raise ValueError(f"max_new_tokens={max_new_tokens} leaves no room for an answer; use 1 or more")
    stop_all()

    def write(messages: list[Message], on_text: Callable[[str], None], stopped: Callable[[], bool]) -> bool:
        return write_answer(
            model, tokenizer, messages, max_new_tokens=max_new_tokens, temperature=temperature, on_text=on_text,
            stopped=stopped,
        )  # fmt: skip

    return Chat(write, max_new_tokens=max_new_tokens).panel


def write_answer(
    model: Transformer,
    tokenizer: Tokenizer,
    messages: list[Message],
    *,
    max_new_tokens: int,
    temperature: float,
    on_text: Callable[[str], None],
    stopped: Callable[[], bool],
) -> bool:
    """Write the next answer of a conversation, piece by piece; True if the model came to its end by itself.

    `stopped()` is asked after each token: True ends the answer there.
    """
    from racecourse.models.generation import generate_ids
    from racecourse.models.text_stream import TextStream

    stream = TextStream(tokenizer, stop=(), emit=on_text)

    def on_id(_row: int, token_id: int) -> bool:
        if token_id not in tokenizer.eos_ids:
            stream.push(token_id)
        return stopped()

    [new_ids] = generate_ids(
        model, [tokenizer.encode(tokenizer.chat(messages))], max_new_tokens=max_new_tokens, temperature=temperature,
        eos_ids=tokenizer.eos_ids, pad_id=tokenizer.pad_id, on_id=on_id,
    )  # fmt: skip
    stream.finish()
    return new_ids[-1] in tokenizer.eos_ids


class Chat:
    """One conversation and its controls. The buttons act in the notebook's thread, `_answer` in a thread of its own."""

    def __init__(
        self,
        write: Callable[[list[Message], Callable[[str], None], Callable[[], bool]], bool],
        *,
        max_new_tokens: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        import ipywidgets as widgets

        self.write, self.max_new_tokens, self.clock = write, max_new_tokens, clock
        self.messages: list[Message] = []
        self.writing = False
        self._wants_stop = threading.Event()
        self._thread: threading.Thread | None = None

        wide = widgets.Layout(width="50em", max_width="calc(100% - 4px)")  # it has margins of 2 px
        self.conversation, self.status = widgets.HTML(), widgets.HTML()
        # A text area and not a line: its Enter is part of the value, in ipywidgets 7 and 8 alike.
        self.field = widgets.Textarea(description="Your message", placeholder="Enter sends it", rows=2, layout=wide)
        self.field.style = {"description_width": "initial"}
        self.send_button = widgets.Button(description="Send", tooltip="Send your message")
        self.stop_button = widgets.Button(description="Stop", tooltip="End the answer where it is", disabled=True)
        self.new_button = widgets.Button(description="New chat", tooltip="Forget this conversation")
        self.field.observe(self._typed, names="value")
        self.send_button.on_click(self.send)
        self.stop_button.on_click(self.stop)
        self.new_button.on_click(self.start_again)
        buttons = widgets.HBox([self.send_button, self.stop_button, self.new_button])
        buttons.layout.flex_flow = "row wrap"
        self.panel = widgets.VBox([self.conversation, self.field, buttons, self.status])
        self.panel.observe(self._closed, names="comm")
        self._show()
        self._say("Write a message.")
        _chats.add(self)

    def send(self, _button: object = None) -> None:
        """Put what stands in the field to the model. Does nothing while it writes, or if there is nothing to send."""
        question = self.field.value.strip()
        if self.writing or not question:
            return
        self.field.value = ""
        self.messages.append({"role": "user", "content": question})
        self._wants_stop.clear()
        self._set_writing(True)
        self._show("")
        self._say("The model is writing.")
        self._thread = threading.Thread(target=self._answer, name="chat panel", daemon=True)
        self._thread.start()

    def stop(self, _button: object = None) -> None:
        """End the answer after the token that is being written; what is there stays."""
        self._wants_stop.set()

    def stop_and_wait(self) -> None:
        """End the answer, if one is being written, and return when its thread is gone."""
        self.stop()
        if self._thread is not None:
            self._thread.join()

    def start_again(self, _button: object = None) -> None:
        """Forget the conversation."""
        self.stop_and_wait()
        self.messages.clear()
        self._show()
        self._say("A new chat: the model has forgotten the last one. Write a message.")

    def _typed(self, change: dict[str, Any]) -> None:
        if change["new"].endswith("\n"):
            self.send()

    def _closed(self, change: dict[str, Any]) -> None:
        if change["new"] is None:
            self.stop()

    def _answer(self) -> None:
        text, shown_at = "", self.clock()

        def on_text(piece: str) -> None:
            nonlocal text, shown_at
            text += piece
            if self.clock() - shown_at >= SECONDS_BETWEEN_UPDATES:
                self._show(text)
                shown_at = self.clock()

        try:
            ended = self.write(self.messages, on_text, self._wants_stop.is_set)
        except Exception as problem:  # a thread's error would be lost: show it, whatever it is
            question = self.messages.pop()["content"]
            if not self.field.value:
                self.field.value = question
            outcome = (
                f"No answer: {type(problem).__name__}: {problem}. Your message was not sent; change it and send it "
                "again, or press New chat."
            )
        else:
            self.messages.append({"role": "assistant", "content": text})
            outcome = "The answer is complete."
            if not ended and self._wants_stop.is_set():
                outcome = "Stopped. The model will see its answer as it stands here."
            elif not ended:
                outcome = f"Cut off after {self.max_new_tokens} tokens, the most that this panel allows."
        self._show()
        self._set_writing(False)
        self._say(outcome)

    def _set_writing(self, writing: bool) -> None:
        self.writing = writing
        self.send_button.disabled = writing
        self.stop_button.disabled = not writing

    def _show(self, growing: str | None = None) -> None:
        self.conversation.value = conversation_html(self.messages, growing)

    def _say(self, sentence: str) -> None:
        self.status.value = f'<p aria-live="polite">{html.escape(sentence)}</p>'


def conversation_html(messages: list[Message], growing: str | None = None) -> str:
    """The conversation, and below it the answer that is growing, if one is.

    A growing answer is not read out piece by piece: it is a live region once it is finished.
    """
    last = len(messages) - 1
    blocks = [
        block(message, 'aria-live="polite"' if i == last and message["role"] == "assistant" else "")
        for i, message in enumerate(messages)
    ]
    if growing is not None:
        blocks.append(block({"role": "assistant", "content": growing + "…"}, 'aria-busy="true"'))
    return f'<div role="group" aria-label="Conversation">{"".join(blocks)}</div>'


def block(message: Message, attributes: str) -> str:
    """One message as HTML."""
    text = html.escape(message["content"])
    return f'<div style="{BLOCK}" {attributes}><strong>{SPEAKERS[message["role"]]}</strong>\n{text}</div>'


_chats: weakref.WeakSet[Chat] = weakref.WeakSet()


@atexit.register  # a thread inside torch while Python shuts down would crash it
def stop_all() -> None:
    """End every answer that is being written, and wait until no thread is left."""
    for chat in list(_chats):
        chat.stop_and_wait()
