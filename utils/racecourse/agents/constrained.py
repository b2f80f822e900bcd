"""Constrained decoding: a model writes a tool's call and cannot write one that does not fit.

The call is a form. Braces, names and keys are printed for the model; where there is a choice, its logits are looked at
for those tokens alone from which a valid end can still be reached. Printed text costs no pass of its own: the model
reads it together with what it has to choose next. So a call of 40 tokens may take 15 passes, not 40.

Left out: negative numbers, fractions, true and false, patterns, optional keys (all are written), and characters and
escapes that the tokenizer cuts in two; SmolLM2 has no token for the escape of a line break.

Shape legend: B batch (1), T tokens, V vocabulary.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from racecourse.agents.tools import Tool

if TYPE_CHECKING:
    from torch import Tensor

    from racecourse.models.cache import KVCache
    from racecourse.models.tokenizer import Tokenizer
    from racecourse.models.transformer import Transformer

PLAIN = re.compile(r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*')  # the inside of a JSON string, without \u escapes
ANNOTATIONS = {"type", "title", "description", "default"}
UNDERSTOOD = {  # what a schema may ask for, by its type
    "string": {"enum", "minLength", "maxLength"},
    "integer": {"minimum", "maximum"},
    "array": {"items", "maxItems"},
    "object": {"properties", "required", "additionalProperties", "$defs"},
}


class Form:
    """A call as a form to fill in. Each method writes one kind of value, complete and valid."""

    def __init__(self, writer: Writer, *, most_characters: int, most_items: int) -> None:
        self.writer, self.vocabulary = writer, writer.reader.vocabulary
        self.most_characters, self.most_items = most_characters, most_items  # of a text and of a list
        self.definitions: Mapping[str, Any] = {}

    def write_call(self, tools: Sequence[Tool]) -> str:
        """{"tool": ..., "arguments": ...} or {"answer": ...}, as JSON that fits one of the tools.

        Raises:
            ValueError: the tool's schema asks for something that this form cannot promise.
        """
        starts = {f'{{"tool": {json.dumps(tool.name)}, "arguments": ': tool for tool in tools}
        start = self.one_of(['{"answer": ', *starts])
        if start in starts:
            schema = starts[start].arguments.model_json_schema()
            self.definitions = schema.get("$defs", {})
            self.value(schema)
        else:
            self.string({"minLength": 1})
        self.writer.append("}")
        return self.writer.text

    def value(self, schema: Mapping[str, Any]) -> None:
        schema = self.resolved(schema)
        kind = schema.get("type", "")
        if kind not in UNDERSTOOD or set(schema) - ANNOTATIONS - UNDERSTOOD[kind]:
            raise cannot_promise(schema)
        write = {"string": self.string, "integer": self.integer, "array": self.array, "object": self.object}[kind]
        write(schema)

    def resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema itself where only its name is given."""
        return self.definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def one_of(self, options: Sequence[str]) -> str:
        """One of several texts, none of which begins another. The model is asked only where they part."""
        left = {option: option for option in options}  # what of each is still to be written
        while len(left) > 1:
            chosen = self.writer.choose(self.vocabulary.beginnings(left.values()))
            text = self.writer.append_token(chosen)
            left = {option: rest[len(text) :] for option, rest in left.items() if rest.startswith(text)}
        ((option, rest),) = left.items()
        self.writer.append(rest)
        return option

    def string(self, schema: Mapping[str, Any]) -> None:
        """Text between quotes. A token that holds the closing quote closes; what it holds behind that is dropped."""
        if "enum" in schema:
            self.one_of([json.dumps(option) for option in schema["enum"]])
            return
        vocabulary, n_written = self.vocabulary, 0
        least = schema.get("minLength", 0)
        most = max(least, min(schema.get("maxLength", self.most_characters), self.most_characters))
        self.writer.append('"')
        while True:
            fits_V = (vocabulary.length_V >= 0) & (vocabulary.length_V <= most - n_written)
            long_enough_V = vocabulary.length_V >= least - n_written
            chosen = self.writer.choose(fits_V & (long_enough_V | ~vocabulary.closes_V))
            if vocabulary.closes_V[chosen]:
                self.writer.append(vocabulary.inside(chosen) + '"')
                return
            n_written += int(vocabulary.length_V[chosen])
            self.writer.append_token(chosen)

    def integer(self, schema: Mapping[str, Any]) -> None:
        """A whole number in its range, 0 to a million without one; it ends where the model wants to go on."""
        low, high = schema.get("minimum", 0), schema.get("maximum", 1_000_000)
        if high < 0:
            raise cannot_promise(schema)
        digits = ""
        while True:
            allowed = [i for i in self.vocabulary.digits if leads_to(digits + self.vocabulary.text_of[i], low, high)]
            if digits and low <= int(digits) <= high:
                allowed += self.vocabulary.ends_of_a_number
            chosen = self.writer.choose(allowed)
            if chosen in self.vocabulary.ends_of_a_number:
                return
            digits += self.writer.append_token(chosen)

    def array(self, schema: Mapping[str, Any]) -> None:
        """A list that the model may end before each item."""
        item = self.resolved(schema["items"])
        opening = {"string": '"', "object": "{"}.get(item.get("type", ""))
        if opening is None:
            raise cannot_promise(schema)
        self.writer.append("[")
        ends = self.vocabulary.beginnings(["]"])
        for n in range(min(schema.get("maxItems", self.most_items), self.most_items)):
            separator = ", " if n else ""
            goes_on = self.vocabulary.beginnings([separator + opening])
            if self.writer.choose(ends | goes_on) in ends:
                break
            self.writer.append(separator)
            self.value(item)
        self.writer.append("]")

    def object(self, schema: Mapping[str, Any]) -> None:
        """Every key in the schema's order, those with a default, too."""
        self.writer.append("{")
        for n, (key, value) in enumerate(schema.get("properties", {}).items()):
            self.writer.append((", " if n else "") + json.dumps(key) + ": ")
            self.value(value)
        self.writer.append("}")


def cannot_promise(schema: Mapping[str, Any]) -> ValueError:
    return ValueError(
        f"a small model's calls cannot hold a value like {dict(schema)}: describe it by text, whole numbers from 0 on, "
        "a choice of texts, or lists of texts or of objects"
    )


def leads_to(digits: str, low: int, high: int) -> bool:
    """Whether these digits, or these and more, are a number from `low` to `high`.

    >>> [leads_to(digits, 15, 120) for digits in ("1", "2", "13", "007")]
    [True, True, False, False]
    """
    if digits != str(int(digits)):
        return False
    least = int(digits)  # "13" leads to 13, 130 to 139, ...; "0" to 0 alone
    more = range(len(str(high))) if least else range(1)
    return any(least * 10**k <= high and low <= (least + 1) * 10**k - 1 for k in more)


class Writer:
    """A text that the model goes on with: some of it is given, some chosen among the tokens that are allowed."""

    def __init__(self, reader: Reader, prompt: Sequence[int], *, temperature: float, seed: int) -> None:
        import torch

        self.reader, self.ids, self.text, self.temperature = reader, list(prompt), "", temperature
        self.generator = torch.Generator(next(reader.model.parameters()).device).manual_seed(seed)

    def append(self, text: str) -> None:
        """Write what is certain. The model reads it together with what follows, in one pass."""
        self.ids += self.reader.tokenizer.encode(text)
        self.text += text

    def append_token(self, token_id: int) -> str:
        """Write what was chosen, and return its text."""
        text = self.reader.vocabulary.text_of[token_id]
        self.ids.append(token_id)
        self.text += text
        return text

    def choose(self, allowed: Tensor | Iterable[int]) -> int:
        """The model's choice among ids, or where a mask (V,) is true. It is not written yet."""
        import torch

        from racecourse.models.generation import sample

        logits_BV = self.reader.logits(self.ids)
        if not isinstance(allowed, torch.Tensor):
            ids, allowed = list(allowed), torch.zeros(logits_BV.shape[1], dtype=torch.bool)
            allowed[ids] = True
        allowed_BV = logits_BV.masked_fill(~allowed.to(logits_BV.device), -math.inf)
        return int(sample(allowed_BV, self.temperature, generator=self.generator))


class Reader:
    """A model that reads on from where a text differs from the last one: the prompt of step 3 begins like that of 2."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer, self.vocabulary = model, tokenizer, Vocabulary(tokenizer, model.config.vocab_size)
        self.seen: list[int] = []
        self.cache: KVCache | None = None

    def logits(self, ids: list[int]) -> Tensor:
        """The logits (1, V) of the token after `ids`."""
        import torch

        from racecourse.models import KVCache

        if self.cache is None or len(ids) > self.cache.max_tokens:
            config, weight = self.model.config, next(self.model.parameters())
            room = min(2 * len(ids) + 512, config.max_context)
            self.cache = KVCache(config, batch_size=1, max_tokens=room, device=weight.device, dtype=weight.dtype)
            self.seen = []
        n_same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(self.seen, ids, strict=False)))
        self.cache.length = min(n_same, len(ids) - 1)  # what lies behind is overwritten; one token has to be read
        with torch.inference_mode():
            new_BT = torch.tensor([ids[self.cache.length :]], device=self.cache.k.device)
            logits_BV = self.model(new_BT, cache=self.cache, last_only=True)[:, -1]
        self.seen = list(ids)
        return logits_BV


class Vocabulary:
    """What each token may do in the form. Special tokens, and those that end inside a character, may do nothing."""

    def __init__(self, tokenizer: Tokenizer, n_logits: int) -> None:
        import torch

        self.text_of: dict[int, str] = {}
        for i in range(tokenizer.vocab_size):
            try:
                text = tokenizer.token_bytes(i).decode()
            except UnicodeDecodeError:
                continue
            if text and not re.fullmatch(r"<.+>", text):  # <|im_end|>, <file_sep>
                self.text_of[i] = text
        self.id_of = {text: i for i, text in self.text_of.items()}
        self.digits = [i for i, text in self.text_of.items() if text.isascii() and text.isdigit()]
        self.ends_of_a_number = [i for i, text in self.text_of.items() if text[0] in ",}]"]
        lengths, closes = [-1] * n_logits, [False] * n_logits
        for i, text in self.text_of.items():
            inside = self.inside(i)
            if inside == text or text[len(inside)] == '"':
                lengths[i], closes[i] = len(json.loads(f'"{inside}"')), inside != text
        self.length_V = torch.tensor(lengths)  # characters that a token adds to a string; -1: cannot stand in one
        self.closes_V = torch.tensor(closes)  # it holds the quote that closes the string

    def inside(self, token_id: int) -> str:
        """What of a token can stand in a string: all, or what comes before a quote or a control character."""
        text = self.text_of[token_id]
        match = PLAIN.match(text)
        assert match is not None  # nothing at all matches, too
        return match.group()

    def beginnings(self, texts: Iterable[str]) -> set[int]:
        """Every token that one of the texts begins with."""
        return {self.id_of[text[:n]] for text in texts for n in range(1, len(text) + 1) if text[:n] in self.id_of}
