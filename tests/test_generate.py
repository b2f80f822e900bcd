"""Generation: against transformers on the real model, and its mechanics on a tiny one with random weights."""

import random

import pytest
import tokenizers
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, TopKLogitsWarper, TopPLogitsWarper

from racecourse.models import Tokenizer, Transformer, generate, load
from racecourse.models.generation import generate_ids, keep_top_k, keep_top_p, pad_left, sample
from racecourse.models.text_stream import TextStream
from racecourse.models.zoo import fetch

INF = float("inf")

# The real model against transformers ---------------------------------------------------------------------------------

QUESTIONS = [
    *("What is the capital of Norway?", "Name three fruits.", "Why is the sky blue?", "What is 17 + 25?"),
    *("Write one sentence about the sea.", "Translate 'good morning' to French.", "Who wrote Hamlet?", "Count to 7."),
    *("Give me a recipe for soup.", "What does a compiler do?", "Say hello.", "How many legs has a spider?"),
    *("Explain photosynthesis to a child.", "List the planets.", "Is 91 a prime number?", "What is a haiku?"),
    *("Describe a dog in five words.", "What is the boiling point of water?", "Name a cat.", "Why do we sleep?"),
]  # fmt: skip
TEXTS = [
    *("Once upon a time", "The", "In 1969, the first", "def fibonacci(n):\n", "Dear Sir,", "1, 2, 3, 4,", "\n\n"),
    *("import numpy as np\n\n", "The quick brown fox", "Water is", "# Introduction\n\n", "SELECT name FROM", "<html>"),
    *("Je m'appelle", "To be, or not to be,", "E = mc", "Monday, Tuesday,", "The opposite of hot is", "Roses are red,"),
    *("It was a dark and stormy night;", "According to the report,", "x = 5\ny = 7\nprint(x + y)  #", "A B C D E"),
    *("The recipe calls for 2 cups of", "She opened the door and", "for i in range(10):", "France: Paris. Italy:"),
    *("Breaking news: " * 12, "yes no " * 30, "In conclusion, we have shown that"),
]  # fmt: skip
NEW_TOKENS = 24


@pytest.fixture(scope="module")
def smollm2():
    return load("smollm2-135m-instruct", device="cpu", dtype=torch.float32)


@pytest.fixture(scope="module")
def witness():
    return AutoModelForCausalLM.from_pretrained(fetch(), dtype=torch.float32).eval()


def transformers_greedy(witness, ids: list[int]) -> list[int]:
    """One prompt at a time, so that no padding of theirs is trusted."""
    ids_BT = torch.tensor([ids])
    settings = {"max_new_tokens": NEW_TOKENS, "do_sample": False, "eos_token_id": 2, "pad_token_id": 2}
    return witness.generate(ids_BT, attention_mask=torch.ones_like(ids_BT), **settings)[0, len(ids) :].tolist()


def gap_at_first_difference(witness, prompt: list[int], ours: list[int], theirs: list[int]) -> float:
    """How much transformers' own logits prefer its token, where the two texts part."""
    n_same = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    with torch.no_grad():
        logits_V = witness(torch.tensor([prompt + theirs[:n_same]])).logits[0, -1]
    return (logits_V[theirs[n_same]] - logits_V[ours[n_same]]).item()


@pytest.mark.parametrize("n_prompts", [20, pytest.param(50, marks=pytest.mark.slow)])
def test_greedy_equals_transformers(smollm2, witness, n_prompts):
    """Ours in batches of ten prompts of mixed lengths. Only a tie to within 1e-4 may fall either way."""
    model, tokenizer = smollm2
    chats = [tokenizer.chat([{"role": "user", "content": question}]) for question in QUESTIONS]
    prompts = [tokenizer.encode(text) for text in chats + TEXTS]
    random.Random(0).shuffle(prompts)  # long and short ones in every batch
    assert len(prompts) == 50
    prompts = prompts[:n_prompts]
    ours = []
    for start in range(0, n_prompts, 10):
        batch = prompts[start : start + 10]
        ours += generate_ids(model, batch, max_new_tokens=NEW_TOKENS, eos_ids=tokenizer.eos_ids, pad_id=2)
    n_ended = sum(row[-1] == 2 for row in ours)
    assert 1 < n_ended < n_prompts - 1, f"{n_ended} ended by themselves: both kinds of ending should be tested"
    ties = []
    for prompt, row in zip(prompts, ours, strict=True):
        expected = transformers_greedy(witness, prompt)
        if row != expected:
            gap = gap_at_first_difference(witness, prompt, row, expected)
            assert gap < 1e-4, f"{tokenizer.decode(prompt)!r}: {row} instead of {expected}, gap of the logits {gap}"
            ties.append(gap)
    assert len(ties) <= 1, f"{len(ties)} ties in {n_prompts} prompts are no accident: {ties}"


def test_a_real_chat_ends_by_itself(smollm2):
    model, tokenizer = smollm2
    prompts = [
        tokenizer.chat([{"role": "user", "content": "What is the capital of France?"}]),
        "The capital of France is",
    ]
    texts = generate(model, tokenizer, prompts, max_new_tokens=16, stop=[".", "\n"])
    assert texts == ["The capital of France is Paris", " Paris"]


# Sampling ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top_p", [0.05, 0.3, 0.7, 0.9, 0.99])
def test_top_p_equals_a_plain_loop_and_transformers(top_p):
    torch.manual_seed(0)
    logits_BV = torch.randn(20, 50) * 3
    ours = keep_top_p(logits_BV, top_p)
    assert torch.equal(ours, TopPLogitsWarper(top_p)(None, logits_BV))
    for kept_V, logits_V in zip(ours, logits_BV, strict=True):
        probs = logits_V.double().softmax(-1).tolist()
        reached, nucleus = 0.0, set()
        for token in sorted(range(50), key=lambda i: -probs[i]):
            nucleus.add(token)
            reached += probs[token]
            if reached >= top_p:
                break
        assert {i for i in range(50) if kept_V[i] > -INF} == nucleus


def test_top_p_worked_by_hand():
    logits_BV = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log()  # sorted: 0.4, 0.3, 0.2, 0.1
    for top_p, kept in [(0.39, [1]), (0.41, [1, 3]), (0.69, [1, 3]), (0.71, [1, 2, 3]), (0.95, [0, 1, 2, 3])]:
        assert (keep_top_p(logits_BV, top_p)[0] > -INF).nonzero().flatten().tolist() == kept, top_p


@pytest.mark.parametrize("top_k", [1, 2, 7, 50])
def test_top_k_equals_sorting_and_transformers(top_k):
    torch.manual_seed(0)
    logits_BV = torch.randn(20, 50)
    ours = keep_top_k(logits_BV, top_k)
    assert torch.equal(ours, TopKLogitsWarper(top_k)(None, logits_BV))
    for kept_V, logits_V in zip(ours, logits_BV.tolist(), strict=True):
        best = sorted(range(50), key=lambda i: -logits_V[i])[:top_k]
        assert sorted(best) == (kept_V > -INF).nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"temperature": 1.0, "top_p": 1.0}, [0.1, 0.4, 0.2, 0.3]),
        ({"temperature": 0.5}, [1 / 30, 16 / 30, 4 / 30, 9 / 30]),  # squares: 1, 16, 4, 9
        ({"temperature": 2.0, "top_k": 2}, [0, 0.4**0.5, 0, 0.3**0.5]),
        ({"temperature": 1.0, "top_p": 0.75}, [0, 4 / 9, 2 / 9, 3 / 9]),
        ({"temperature": 1.0, "top_k": 3, "top_p": 0.75}, [0, 4 / 7, 0, 3 / 7]),  # after top-k: 4/9 + 3/9 > 0.75
    ],
)
def test_sampled_frequencies_match_exact_probabilities(settings, expected):
    n = 20_000
    probs_V = torch.tensor(expected, dtype=torch.double) / sum(expected)
    logits_BV = torch.tensor([[0.1, 0.4, 0.2, 0.3]]).log().expand(n, 4) + 5.0  # logits are free up to a constant
    counts_V = sample(logits_BV, **settings, generator=torch.Generator().manual_seed(0)).bincount(minlength=4).double()
    possible = probs_V > 0
    assert counts_V[~possible].sum() == 0
    expected_V = n * probs_V[possible]
    chi_square = ((counts_V[possible] - expected_V) ** 2 / expected_V).sum().item()
    assert chi_square < 16.3  # three degrees of freedom or fewer: exceeded by chance once in 1000


# Mechanics, on a tiny model whose tokens are the 256 bytes -----------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_hf() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=258,
        hidden_size=96,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=16,
        max_position_embeddings=64,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def tiny(tiny_hf) -> Transformer:
    return Transformer.from_hf(tiny_hf)


@pytest.fixture(scope="module")
def letters() -> Tokenizer:
    """One token per byte (not in the order of the bytes), then <eos> and <pad>."""
    alphabet = {c: i for i, c in enumerate(sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()))}
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(alphabet, []))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = tokenizers.decoders.ByteLevel()
    bpe.add_special_tokens(["<eos>", "<pad>"])
    return Tokenizer(bpe, eos_ids=[256], pad_id=257)


def greedy_without_cache(hf, ids: list[int], n: int, eos: int) -> list[int]:
    """The whole text through transformers' model again for every token."""
    new: list[int] = []
    while len(new) < n and eos not in new:
        with torch.no_grad():
            new.append(hf(torch.tensor([ids + new])).logits[0, -1].argmax().item())
    return new


PROMPTS = [[5], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0], [17, 200], list(range(100, 140)), [255] * 7]


def test_a_batch_equals_each_row_alone_without_cache(tiny, tiny_hf):
    eos = greedy_without_cache(tiny_hf, PROMPTS[1], 6, -1)[5]  # so that at least one row ends early
    expected = [greedy_without_cache(tiny_hf, ids, 20, eos) for ids in PROMPTS]
    assert len(set(map(len, expected))) > 1
    assert generate_ids(tiny, PROMPTS, max_new_tokens=20, eos_ids=[eos], pad_id=3) == expected
    for ids, row in zip(PROMPTS, expected, strict=True):
        assert generate_ids(tiny, [ids], max_new_tokens=20, eos_ids=[eos]) == [row]


def test_padding_id_does_not_matter(tiny):
    results = [generate_ids(tiny, PROMPTS, max_new_tokens=10, pad_id=pad) for pad in (0, 99, 257)]
    assert results[0] == results[1] == results[2]


def test_pad_left():
    ids_BT, n_pad_B = pad_left([[1, 2, 3], [4], [5, 6]], pad_id=9)
    assert ids_BT.tolist() == [[1, 2, 3], [9, 9, 4], [9, 5, 6]]
    assert n_pad_B.tolist() == [0, 2, 1]


def test_prefill_reads_the_last_token_only_and_each_step_one_token(tiny, monkeypatch):
    calls = []
    forward = Transformer.forward

    def spy(self, ids_BT, **kwargs):
        logits_BTV = forward(self, ids_BT, **kwargs)
        calls.append((tuple(ids_BT.shape), tuple(logits_BTV.shape), kwargs["cache"].max_tokens))
        return logits_BTV

    monkeypatch.setattr(Transformer, "forward", spy)
    generate_ids(tiny, [[1, 2, 3], [4]], max_new_tokens=3)
    assert calls == [((2, 3), (2, 1, 258), 5), ((2, 1), (2, 1, 258), 5), ((2, 1), (2, 1, 258), 5)]


def test_seeds(tiny):
    def text(seed, **settings):
        settings = {"temperature": 1.5, "max_new_tokens": 12, **settings}
        return generate_ids(tiny, PROMPTS[:2], seed=seed, **settings)

    assert text(1) == text(1)
    assert text(1) != text(2)
    assert text(None) != text(None)
    assert text(1, top_k=1) == text(2, top_k=1) == text(3, temperature=0.0)
    state = torch.get_rng_state()
    text(1), text(None)
    assert torch.equal(torch.get_rng_state(), state), "the global random numbers were touched"


def test_no_gradients_and_the_model_can_still_learn_afterwards(tiny_hf):
    model = Transformer.from_hf(tiny_hf).requires_grad_(True)
    generate_ids(model, [[1, 2]], max_new_tokens=2)
    model(torch.tensor([[1, 2, 3]])).sum().backward()
    assert model.embed.weight.grad.abs().sum() > 0


def test_half_precision_runs(tiny_hf):
    model = Transformer.from_hf(tiny_hf).to(torch.bfloat16)
    assert len(generate_ids(model, PROMPTS, max_new_tokens=3, temperature=1.0, top_p=0.9, seed=0)[0]) == 3


class Script:
    """A model that writes given ids, whatever it reads: row b of `rows`, then `filler` for ever."""

    def __init__(self, config, rows: list[list[int]], filler: int = 0) -> None:
        self.config, self.rows, self.filler, self.step = config, rows, filler, 0

    def parameters(self):
        yield torch.zeros(1)

    def __call__(self, ids_BT, cache, last_only):
        ids = [row[self.step] if self.step < len(row) else self.filler for row in self.rows]
        self.step += 1
        return torch.nn.functional.one_hot(torch.tensor(ids), self.config.vocab_size).float()[:, None]


def written(tiny, letters, texts, **settings) -> tuple[list[str], list[list[str]]]:
    """Results and streamed pieces when the model writes `texts`, byte by byte, each followed by <eos>."""
    pieces: list[list[str]] = [[] for _ in texts]
    model = Script(tiny.config, [[*letters.encode(text), 256] for text in texts])
    results = generate(
        model,
        letters,
        ["p"] * len(texts),
        on_text=lambda row, piece: pieces[row].append(piece),
        **{"max_new_tokens": 40, **settings},
    )
    assert ["".join(row) for row in pieces] == results, "the pieces must join to the result"
    assert "" not in [piece for row in pieces for piece in row]
    return results, pieces


def test_eos_ends_each_row_and_is_not_part_of_the_text(tiny, letters):
    assert written(tiny, letters, ["short", "", "a longer one"])[0] == ["short", "", "a longer one"]


def test_the_length_limit_cuts(tiny, letters):
    assert written(tiny, letters, ["short", "a longer one"], max_new_tokens=7)[0] == ["short", "a longe"]


def test_stop_strings_across_tokens(tiny, letters):
    texts = ["one STOP two", "no stop in here", "STOP", "ST STO STOP", "end here\n\nmore"]
    results, pieces = written(tiny, letters, texts, stop=["STOP", "\n\n"])
    assert results == ["one ", "no stop in here", "", "ST STO ", "end here"]
    assert pieces[0] == list("one ")
    assert pieces[3] == ["ST ", "STO "]  # held back until it is clear that they begin no stop string


def test_the_stop_string_that_is_complete_first_wins(tiny, letters):
    assert written(tiny, letters, ["xabcx", "xbcx"], stop=["abcx", "bc"])[0] == ["xa", "x"]
    assert written(tiny, letters, ["xabc"], stop=["bc", "abc"])[0] == ["x"]
    assert written(tiny, letters, ["aaab"], stop="aab")[0] == ["a"]


def test_characters_are_streamed_whole(tiny, letters):
    text = "é漢\U0001f989!"  # 2, 3 and 4 bytes, each its own token
    results, pieces = written(tiny, letters, [text])
    assert (results, pieces) == ([text], [["é", "漢", "\U0001f989", "!"]])
    assert written(tiny, letters, [text], max_new_tokens=4)[0] == ["é\ufffd"]  # cut inside 漢
    assert written(tiny, letters, [text], stop="漢")[0] == ["é"]


def test_any_cutting_into_tokens_gives_the_same_text():
    """Random bytes in random chunks against a plain search over the finished text."""
    rng = random.Random(0)
    for _ in range(3000):
        data = "".join(rng.choice("abé") for _ in range(rng.randint(0, 12))).encode()
        stop = ["".join(rng.choice("abé") for _ in range(rng.randint(1, 3))) for _ in range(rng.randint(0, 3))]
        cuts = sorted(rng.randint(0, len(data)) for _ in range(4))
        chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
        emitted: list[str] = []
        stream = TextStream(type("Chunks", (), {"token_bytes": staticmethod(chunks.__getitem__)}), stop, emitted.append)
        for i in range(len(chunks)):
            if stream.push(i):
                break
        assert stream.finish() == "".join(emitted) == plain_cut(data.decode(), stop)


def plain_cut(text: str, stop: list[str]) -> str:
    """Read letter by letter; at the first letter that completes stop strings, cut before the longest of them."""
    for end in range(1, len(text) + 1):
        complete = [s for s in stop if text[:end].endswith(s)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


def test_finished_rows_are_not_reported(tiny):
    seen = []
    model = Script(tiny.config, [[1, 2], [3, 4, 5, 6]], filler=9)
    rows = generate_ids(model, [[0], [0]], max_new_tokens=4, eos_ids=[2], on_id=lambda row, i: seen.append((row, i)))
    assert rows == [[1, 2], [3, 4, 5, 6]]
    assert seen == [(0, 1), (1, 3), (0, 2), (1, 4), (1, 5), (1, 6)]
    model = Script(tiny.config, [[1, 2], [3, 2]])
    generate_ids(model, [[0], [0]], max_new_tokens=50, eos_ids=[2])
    assert model.step == 2, "the model went on after all rows had ended"


def test_small_cases(tiny, letters):
    assert generate(tiny, letters, []) == []
    assert generate(tiny, letters, ["a", "b"], max_new_tokens=0) == ["", ""]
    assert len(generate_ids(tiny, [[1] * 60], max_new_tokens=4)[0]) == 4  # exactly the context of 64


@pytest.mark.parametrize(
    ("prompts", "settings", "message"),
    [
        (["ok", "x" * 60], {"max_new_tokens": 5}, r"prompt 1 has 60 tokens and max_new_tokens=5 makes 65, .* is 64"),
        (["ok", ""], {}, r"prompt 1 is empty"),
        ("hello", {}, r"must be a list of texts, got the string 'hello'"),
        (["a"], {"temperature": -1.0}, r"temperature=-1.0"),
        (["a"], {"top_k": 0}, r"top_k=0 is not between 1 and the vocabulary's 258"),
        (["a"], {"top_k": 259}, r"top_k=259"),
        (["a"], {"top_p": 0.0}, r"top_p=0.0"),
        (["a"], {"top_p": 1.5}, r"top_p=1.5"),
        (["a"], {"max_new_tokens": -1}, r"max_new_tokens=-1"),
        (["a"], {"stop": ["x", ""]}, r"empty string"),
    ],
)
def test_errors_name_the_values(tiny, letters, prompts, settings, message):
    with pytest.raises(ValueError, match=message):
        generate(tiny, letters, prompts, **{"max_new_tokens": 8, **settings})
