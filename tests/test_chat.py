"""The chat panel, driven from Python as a browser would drive it: text into the field, clicks on the buttons."""

import html
import itertools
import re
import subprocess
import sys
import threading
import time

import pytest

from racecourse.learn.widgets import chat
from racecourse.learn.widgets.chat import Chat, chat_panel, conversation_html, stop_all

EVIL = '<script>alert(1)</script><img src=x onerror=alert(1)> & "quoted"'


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = threading.active_count()
    yield
    stop_all()
    assert threading.active_count() == before


@pytest.fixture(scope="module")
def small():
    import torch

    from racecourse.models import load

    return load("smollm2-135m-instruct", device="cpu", dtype=torch.float32)


def parts(panel):
    conversation, field, buttons, status = panel.children
    return conversation, field, *buttons.children, status


def text_of(widget):
    return html.unescape(re.sub(r"<[^>]*>", "", widget.value))


def finished(panel, seconds=120.0):
    """Wait until the panel has answered, then return its status line."""
    _, _, send, _, _, status = parts(panel)
    give_up_at = time.monotonic() + seconds
    while send.disabled:
        assert time.monotonic() < give_up_at, f"no end after {seconds} s: {text_of(status)}"
        time.sleep(0.01)
    return text_of(status)


def echo(messages, on_text, stopped):
    """Answers with the last message, in two pieces."""
    said = messages[-1]["content"]
    on_text(said[:2])
    on_text(said[2:])
    return True


class Endless:
    """Writes until it is told to stop, like a model; `wrote` is set once it has written something."""

    def __init__(self):
        self.wrote = threading.Event()

    def __call__(self, messages, on_text, stopped):
        while not stopped():
            on_text("on and on ")
            self.wrote.set()
            time.sleep(0.001)
        return False


def chat_with(write, **more):
    return Chat(write, max_new_tokens=9, **more)


# ---------------------------------------------------------------------------------------------------- with a real model


def test_a_real_answer_grows_and_is_what_generate_writes(small, monkeypatch):
    from racecourse.models import generate

    model, tokenizer = small
    question = {"role": "user", "content": "What is gravity?"}
    [expected] = generate(model, tokenizer, [tokenizer.chat([question])], max_new_tokens=40)

    monkeypatch.setattr(chat, "SECONDS_BETWEEN_UPDATES", 0.0)  # every piece is shown, however fast the machine
    panel = chat_panel(model, tokenizer, max_new_tokens=40)
    conversation, field, send, _, _, _ = parts(panel)
    seen = []
    conversation.observe(lambda change: seen.append(text_of(conversation)), names="value")
    field.value = question["content"]
    send.click()
    assert finished(panel) == "Cut off after 40 tokens, the most that this panel allows."
    assert text_of(conversation) == f"You\nWhat is gravity?Model\n{expected}"

    growing = [text.removesuffix("…") for text in seen[:-1]]
    assert len(set(growing)) > 30, "40 tokens are about as many pieces"
    assert all(text_of(conversation).startswith(text) for text in growing)

    # The second question is put below the first answer.
    again = {"role": "user", "content": "Who found that out?"}
    so_far = [question, {"role": "assistant", "content": expected}, again]
    [second] = generate(model, tokenizer, [tokenizer.chat(so_far)], max_new_tokens=40)
    [alone] = generate(model, tokenizer, [tokenizer.chat([again])], max_new_tokens=40)
    field.value = again["content"]
    send.click()
    finished(panel)
    assert text_of(conversation).endswith(f"Model\n{second}") and second != alone


def test_a_real_answer_that_ends_by_itself_says_so(small):
    panel = chat_panel(*small, max_new_tokens=24)
    conversation, field, *_ = parts(panel)
    field.value = "What is the capital of France?\n"
    assert finished(panel) == "The answer is complete."
    assert text_of(conversation).endswith("Paris.")


def test_stop_ends_a_real_answer_early(small):
    model, tokenizer = small
    panel = chat_panel(model, tokenizer, max_new_tokens=2000)
    conversation, field, send, stop, _, _ = parts(panel)
    first_words = threading.Event()
    conversation.observe(lambda change: len(text_of(conversation)) > 60 and first_words.set(), names="value")
    field.value = "Tell me a long story about a horse."
    send.click()
    assert first_words.wait(60)
    stop.click()
    assert finished(panel, seconds=10).startswith("Stopped.")
    assert len(tokenizer.encode(text_of(conversation))) < 1000


def test_a_conversation_beyond_the_context_is_refused_in_the_panel(small):
    panel = chat_panel(*small, max_new_tokens=9000)
    _, field, *_ = parts(panel)
    field.value = "Hello?\n"
    assert "the model's context is 8192" in finished(panel) and field.value == "Hello?"


def test_an_answer_that_is_cut_inside_a_character_shows_that(monkeypatch):
    """Two tokens of one byte each: an h, and the first half of an é."""
    from racecourse.models import generation

    class Bytes:
        eos_ids, pad_id = (0,), 0

        def chat(self, messages):
            return "prompt"

        def encode(self, text):
            return [1]

        def token_bytes(self, token_id):
            return bytes([token_id])

    def two_tokens(model, prompts, *, on_id, **settings):
        written = [ord("h"), 0xC3]
        for token_id in written:
            on_id(0, token_id)
        return [written]

    monkeypatch.setattr(generation, "generate_ids", two_tokens)
    panel = chat_panel(None, Bytes(), max_new_tokens=2)
    conversation, field, *_ = parts(panel)
    field.value = "?\n"
    assert finished(panel).startswith("Cut off after 2 tokens")
    assert text_of(conversation) == "You\n?Model\nh\N{REPLACEMENT CHARACTER}"


# ------------------------------------------------------------------------------------------------------- the controls


def test_send_is_disabled_while_the_model_writes_and_stop_while_it_does_not():
    endless = Endless()
    its = chat_with(endless)
    _, field, send, stop, *_ = parts(its.panel)
    assert (send.disabled, stop.disabled) == (False, True)
    field.value = "first"
    send.click()
    assert endless.wrote.wait(5)
    assert (send.disabled, stop.disabled) == (True, False) and field.value == ""
    field.value = "second\n"  # Enter while it writes
    send.click()  # a click that was on its way
    assert field.value == "second\n" and len(its.messages) == 1, "what was typed meanwhile waits in the field"
    stop.click()
    assert finished(its.panel).startswith("Stopped.")
    assert (send.disabled, stop.disabled) == (False, True)
    assert its.messages[1]["content"].startswith("on and on")
    endless.wrote.clear()
    send.click()
    assert endless.wrote.wait(5), "an answer after a stopped one is written, too"
    assert its.messages[2] == {"role": "user", "content": "second"}


def test_enter_sends_at_the_end_of_the_text_and_only_there():
    its = chat_with(echo)
    _, field, *_ = parts(its.panel)
    field.value = "a line\nand another"
    assert its.messages == []
    field.value += "\n"
    finished(its.panel)
    assert [m["content"] for m in its.messages] == ["a line\nand another"] * 2 and field.value == ""


@pytest.mark.parametrize("typed", ["", "   ", "\n"])
def test_nothing_is_not_sent(typed):
    its = chat_with(echo)
    _, field, send, *_ = parts(its.panel)
    field.value = typed
    send.click()
    assert its.messages == [] and not send.disabled


def test_new_chat_forgets_even_in_the_middle_of_an_answer():
    endless = Endless()
    its = chat_with(endless)
    conversation, field, send, _, new, status = parts(its.panel)
    field.value = "my name is Bucephalus"
    send.click()
    assert endless.wrote.wait(5)
    new.click()
    assert its.messages == [] and not send.disabled
    assert text_of(conversation) == "" and "forgotten" in text_of(status)
    its.write = echo
    field.value = "who am I?\n"
    finished(its.panel)
    assert [m["content"] for m in its.messages] == ["who am I?", "who am I?"]


def test_every_control_has_words_for_a_screen_reader():
    conversation, field, *buttons, status = parts(chat_with(echo).panel)
    assert field.description == "Your message"
    assert [button.description for button in buttons] == ["Send", "Stop", "New chat"]
    assert 'aria-live="polite"' in status.value and 'aria-label="Conversation"' in conversation.value
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    pages = [
        conversation_html(messages),
        conversation_html(messages * 2),
        conversation_html(messages * 2 + messages[:1]),
    ]
    assert [page.count('aria-live="polite"') for page in pages] == [1, 1, 0], "the new answer is read out, no older one"
    growing = conversation_html(messages[:1], "b")
    assert 'aria-busy="true"' in growing and "aria-live" not in growing


# ---------------------------------------------------------------------------------- what goes wrong, and hostile text


def test_an_error_is_shown_and_the_chat_goes_on():
    def broken(messages, on_text, stopped):
        on_text("half an ans")
        raise RuntimeError(f"out of memory {EVIL}")

    its = chat_with(broken)
    _, field, _, _, _, status = parts(its.panel)
    field.value = "hello\n"
    said = finished(its.panel)
    assert "RuntimeError: out of memory" in said and "New chat" in said
    assert "<script" not in status.value and "<img" not in status.value
    assert its.messages == [] and field.value == "hello", "roles must alternate: what failed is not part of the chat"
    its.write = echo
    field.value += "\n"
    assert finished(its.panel) == "The answer is complete."
    assert [m["role"] for m in its.messages] == ["user", "assistant"]


def test_an_error_does_not_take_away_what_was_typed_meanwhile():
    typed = threading.Event()

    def broken(messages, on_text, stopped):
        typed.wait(5)
        raise RuntimeError("no")

    its = chat_with(broken)
    _, field, *_ = parts(its.panel)
    field.value = "first\n"
    field.value = "second"
    typed.set()
    finished(its.panel)
    assert field.value == "second"


def test_what_model_and_user_wrote_stays_text():
    shown = []
    its = chat_with(echo, clock=iter(range(1000)).__next__)  # a second passes at each look: every piece is shown
    conversation, field, *_ = parts(its.panel)
    conversation.observe(lambda change: shown.append(conversation.value), names="value")
    field.value = EVIL + "\n"
    finished(its.panel)
    assert len(shown) > 3 and text_of(conversation) == f"You\n{EVIL}Model\n{EVIL}"
    for page in shown:
        assert "<script" not in page and "<img" not in page


def test_the_browser_gets_at_most_five_updates_a_second():
    now = 0.0

    def quick(messages, on_text, stopped):
        nonlocal now
        for _ in range(1000):  # for ten seconds, a hundred pieces in each
            now += 0.01
            on_text("x")
        return True

    times = []
    its = chat_with(quick, clock=lambda: now)
    conversation, field, *_ = parts(its.panel)
    conversation.observe(lambda change: times.append(now), names="value")
    field.value = "go\n"
    finished(its.panel)
    streamed = times[1:-1]  # the question comes first, the whole answer last
    assert 40 <= len(streamed) <= 50
    assert all(later - earlier >= 0.2 - 1e-9 for earlier, later in itertools.pairwise(streamed))
    assert text_of(conversation).endswith("x" * 1000)


# ------------------------------------------------------------------------------------------------- no thread is left


def test_closing_the_panel_ends_the_answer():
    endless = Endless()
    its = chat_with(endless)
    _, field, *_ = parts(its.panel)
    field.value = "go\n"
    assert endless.wrote.wait(5)
    its.panel.close()
    finished(its.panel, seconds=5)


def test_running_the_cell_again_ends_what_the_old_panel_writes(monkeypatch):
    endless = Endless()
    monkeypatch.setattr(chat, "write_answer", lambda *_, on_text, stopped, **__: endless([], on_text, stopped))
    before = threading.active_count()
    old = chat_panel(None, None)
    parts(old)[1].value = "go\n"
    assert endless.wrote.wait(5) and threading.active_count() == before + 1
    chat_panel(None, None)
    assert threading.active_count() == before and not parts(old)[2].disabled


def test_python_ends_cleanly_while_an_answer_is_written():
    code = """
import time
from racecourse.learn.widgets.chat import Chat

def endless(messages, on_text, stopped):
    while not stopped():
        on_text("x")
        time.sleep(0.001)
    print("stopped in order")
    return False

chat = Chat(endless, max_new_tokens=9)
chat.field.value = "go\\n"
time.sleep(0.1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "stopped in order", "")


def test_no_room_for_an_answer_is_refused():
    with pytest.raises(ValueError, match="max_new_tokens=0 leaves no room"):
        chat_panel(None, None, max_new_tokens=0)


def test_the_module_needs_no_torch_until_a_model_writes():
    code = (
        "import sys; import racecourse.learn.widgets.chat\n"
        "print([name for name in ('torch', 'ipywidgets') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
