"""Text to token ids and back, and the chat template, over the `tokenizers` library.

Only byte-level BPE (SmolLM2, Qwen, OLMoE, DeepSeek): every token stands for some bytes, and decoding joins the bytes.
One token may end in the middle of a character, so `token_bytes` is what a streaming reader wants.

Left out: sentencepiece tokenizers (Llama 2, Mixtral), truncation, padding, and special tokens that are added behind
the caller's back: a prompt is exactly the ids of its text. A special token that is written in the text, as the chat
template does, becomes one id; so does one in a user's message, as everywhere in this field.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import tokenizers
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Tokenizer:
    """A byte-level BPE tokenizer with its chat template."""

    def __init__(self, bpe: tokenizers.Tokenizer, *, eos_ids: Sequence[int], pad_id: int, chat_template: str = "",
                 special_tokens: dict[str, str] | None = None):  # fmt: skip
        decoder = type(bpe.decoder).__name__
        if decoder != "ByteLevel":
            raise ValueError(f"the tokenizer's decoder is {decoder!r}; only byte-level BPE ('ByteLevel') is supported")
        self._bpe = bpe
        self.eos_ids = tuple(eos_ids)
        self.pad_id = pad_id
        self.vocab_size = bpe.get_vocab_size()
        self._chat_template = chat_template
        self._special_tokens = special_tokens or {}
        self._bytes = _bytes_of_tokens(bpe)

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """Read tokenizer.json, tokenizer_config.json and generation_config.json of a Hugging Face folder."""
        folder = Path(folder)
        bpe = tokenizers.Tokenizer.from_str((folder / "tokenizer.json").read_text(encoding="utf-8"))
        config = _read_json(folder / "tokenizer_config.json")
        template_file = folder / "chat_template.jinja"
        template = template_file.read_text(encoding="utf-8") if template_file.exists() else config.get("chat_template")
        special = {name: _content(config[name]) for name in ("bos_token", "eos_token", "pad_token") if config.get(name)}
        eos_ids = [_id_of(bpe, special["eos_token"])] if "eos_token" in special else []
        if (folder / "generation_config.json").exists():
            more = _read_json(folder / "generation_config.json").get("eos_token_id", [])
            eos_ids = sorted({*eos_ids, *(more if isinstance(more, list) else [more])})
        if not eos_ids:
            raise ValueError(f"{folder} names no token that ends a text: set eos_token in tokenizer_config.json")
        pad_id = _id_of(bpe, special["pad_token"]) if "pad_token" in special else eos_ids[0]
        return cls(bpe, eos_ids=eos_ids, pad_id=pad_id, chat_template=template or "", special_tokens=special)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, with nothing added.

        Bytes that the vocabulary has no token for are dropped, as the library does. SmolLM2 lacks six control
        characters and those that begin with the bytes F1 and F2, in planes of Unicode that are nearly empty.
        """
        return self._bpe.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, special tokens included; bytes that are not UTF-8 become U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that one token stands for.

        Nothing for an id without a token: Qwen's models have some more output rows than tokens.
        """
        return self._bytes.get(token_id, b"")

    def chat(self, messages: list[dict[str, str]], add_generation_prompt: bool = True, **template_variables) -> str:
        """The text that this model was trained to see for a conversation.

        `messages` are dicts with "role" and "content". `template_variables` go to the model's own template, for
        example `enable_thinking=False` for Qwen3.
        """
        if not self._chat_template:
            raise ValueError("this tokenizer has no chat template: pass plain text to encode instead")
        if isinstance(messages, str):
            raise TypeError(f"messages must be a list: use [{{'role': 'user', 'content': {messages!r}}}]")
        template = _template_environment().from_string(self._chat_template)
        variables = {**self._special_tokens, "tools": None, "documents": None, **template_variables}
        return template.render(messages=messages, add_generation_prompt=add_generation_prompt, **variables)


def _template_environment() -> ImmutableSandboxedEnvironment:
    """Jinja2 as chat templates expect it: transformers' settings. A template comes from the net, hence the sandbox."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    environment.globals["raise_exception"] = _refuse
    return environment


def _refuse(message: str) -> None:
    raise ValueError(f"the chat template refuses this conversation: {message}")


def _bytes_of_tokens(bpe: tokenizers.Tokenizer) -> dict[int, bytes]:
    """What each id stands for. A vocabulary file spells bytes as printable characters; added tokens are plain text."""
    byte_of = _byte_alphabet()
    table = {i: bytes(byte_of[c] for c in token) for token, i in bpe.get_vocab(with_added_tokens=False).items()
             if all(c in byte_of for c in token)}  # fmt: skip
    added = {i: token.content.encode() for i, token in bpe.get_added_tokens_decoder().items()}
    return table | added


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's 256 characters: printable bytes stand for themselves, the others for U+0100 and on, in order.

    >>> _byte_alphabet()["Ġ"]  # the space
    32
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


def _id_of(bpe: tokenizers.Tokenizer, token: str) -> int:
    token_id = bpe.token_to_id(token)
    if token_id is None:
        raise ValueError(f"tokenizer_config.json names the token {token!r}, which tokenizer.json does not have")
    return token_id


def _read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def _content(token: str | dict) -> str:
    """A special token in tokenizer_config.json is a string or a dict with its properties."""
    return token if isinstance(token, str) else token["content"]
