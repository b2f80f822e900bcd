"""Corpora: batches depend on their arguments alone, targets are the next token, and what is judged can be known."""

import ast
from collections import Counter
from pathlib import Path

import pytest
import torch

from racecourse.models import Tokenizer
from racecourse.scaling import corpora
from racecourse.scaling.corpora import NOT_JUDGED, AssociativeRecall, Domains, FactRecall, LengthTwoPath, TextCorpus


def text_corpus() -> TextCorpus:
    return TextCorpus(range(1000), range(5000, 5200), vocab_size=6000, context=10)


CORPORA = {
    "facts": FactRecall(n_facts=50, n_symbols=16),
    "recall": AssociativeRecall(n_pairs=5, n_keys=9, n_values=7, n_queries=3),
    "path": LengthTwoPath(n_nodes=12, degree=4),
    "domains": Domains(n_domains=3, n_symbols=9, context=12),
    "text": text_corpus(),
}


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
def test_a_batch_depends_on_step_size_and_seed_alone(corpus) -> None:
    first = corpus.batch(7, 4, seed=1)
    corpus.batch(3, 4, seed=2)  # asking for others changes nothing
    again = corpus.batch(7, 4, seed=1)
    assert torch.equal(first.ids_BT, again.ids_BT) and torch.equal(first.targets_BT, again.targets_BT)
    for other in (corpus.batch(8, 4, seed=1), corpus.batch(7, 4, seed=2)):
        assert not torch.equal(first.ids_BT, other.ids_BT)
    assert torch.equal(corpus.evaluation(5).ids_BT, corpus.evaluation(9).ids_BT[:5]) or corpus is CORPORA["text"]


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
def test_a_judged_target_is_the_next_token(corpus) -> None:
    for batch in (corpus.batch(0, 6), corpus.evaluation(6)):
        assert batch.ids_BT.shape == batch.targets_BT.shape == (6, corpus.context)
        assert batch.ids_BT.dtype == batch.targets_BT.dtype == torch.int64
        assert 0 <= batch.ids_BT.min() and batch.ids_BT.max() < corpus.vocab_size
        shown, wanted = batch.ids_BT[:, 1:], batch.targets_BT[:, :-1]
        assert ((wanted == shown) | (wanted == NOT_JUDGED)).all()
        assert (batch.targets_BT != NOT_JUDGED).any(-1).all()


def test_a_key_has_one_value_and_only_values_are_judged() -> None:
    corpus = FactRecall(n_facts=200, n_symbols=8, key_length=3, value_length=2)
    value_of = {}
    for step in range(80):
        batch = corpus.batch(step, 32)
        for ids, targets in zip(batch.ids_BT.tolist(), batch.targets_BT.tolist(), strict=True):
            assert targets[:2] == [NOT_JUDGED] * 2
            value_of.setdefault(tuple(ids[:3]), set()).add(tuple(targets[2:]))
    assert len(value_of) == 200 and all(len(values) == 1 for values in value_of.values())
    asked = {tuple(ids[:3]) for ids in corpus.evaluation(200).ids_BT.tolist()}
    assert asked == set(value_of), "the evaluation asks for the facts that were trained on"


def test_facts_are_random_and_another_world_has_others() -> None:
    corpus = FactRecall(n_facts=20_000, n_symbols=64)
    values = corpus.rows[:, 3:].flatten()
    counts = torch.bincount(values, minlength=64).float()
    expected = len(values) / 64
    chi2 = ((counts - expected) ** 2 / expected).sum().item()
    assert 63 - 5 * 126**0.5 < chi2 < 63 + 5 * 126**0.5  # chi-square with 63 degrees of freedom, five sigma
    assert corpus.bits == 20_000 * 3 * 6
    assert not torch.equal(corpus.rows, FactRecall(world=1).rows)
    with pytest.raises(ValueError, match="n_facts=65 exceeds the 64 keys"):
        FactRecall(n_facts=65, n_symbols=8, key_length=2)


def test_the_answer_of_an_associative_query_stands_in_the_row() -> None:
    corpus = AssociativeRecall(n_pairs=6, n_keys=11, n_values=5, n_queries=4)
    for batch in (corpus.batch(0, 50), corpus.evaluation(50)):
        for ids, targets in zip(batch.ids_BT.tolist(), batch.targets_BT.tolist(), strict=True):
            pairs = dict(zip(ids[:12:2], ids[1:12:2], strict=True))
            assert len(pairs) == 6 and all(k < 11 <= v < 16 for k, v in pairs.items())
            judged = [place for place, target in enumerate(targets) if target != NOT_JUDGED]
            assert judged == [12, 14, 16, 18], "at each repeated key"
            assert [targets[place] for place in judged] == [pairs[ids[place]] for place in judged]
            assert len({ids[place] for place in judged}) == 4
    with pytest.raises(ValueError, match="n_queries=7, n_pairs=6"):
        AssociativeRecall(n_pairs=6, n_queries=7)


def test_a_pair_is_as_likely_with_any_value() -> None:
    """Nothing can be learned by heart: over many rows a key has all values."""
    corpus = AssociativeRecall(n_pairs=6, n_keys=11, n_values=5, n_queries=4)
    ids = corpus.batch(0, 2000).ids_BT
    seen = Counter(zip(ids[:, 0].tolist(), ids[:, 1].tolist(), strict=True))
    assert len(seen) == 55 and min(seen.values()) > 10


def test_every_window_comes_once_before_any_comes_again() -> None:
    corpus = text_corpus()
    n = len(corpus.windows)
    assert n == 99 and corpus.n_tokens == 990
    starts = torch.cat([corpus.batch(step, 7).ids_BT[:, 0] for step in range(3 * n // 7)]).tolist()
    for epoch in range(3):
        seen = starts[epoch * n : (epoch + 1) * n]
        assert len(set(seen)) == len(seen)
    assert starts[:n] != starts[n : 2 * n], "each epoch has an order of its own"
    targets = sorted(t for step in range(n) for t in corpus.batch(step, 1).targets_BT[0].tolist())
    assert targets == list(range(1, 991)), "in one epoch each token but the first is a target once"


def test_the_evaluation_spreads_over_the_held_out_text() -> None:
    starts = text_corpus().evaluation(5).ids_BT[:, 0].tolist()
    assert starts[0] == 5000 and starts[-1] == 5180 and len(set(starts)) == 5
    assert len(text_corpus().evaluation(1000).ids_BT) == 19


def test_a_text_too_short_for_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="10 tokens do not fill one window of 11"):
        TextCorpus(range(10), range(100), vocab_size=100, context=10)


def test_held_out_files_are_not_trained_on() -> None:
    train, held_out = (
        {path for path in corpora.python_files() if corpora.is_held_out(path) == flag} for flag in (False, True)
    )
    assert len(train) > 300 and 0.05 < len(held_out) / (len(train) + len(held_out)) < 0.2
    assert not train & held_out
    names = {path.name for path in train | held_out}
    assert {"argparse.py", "json.py"} & names and "test_json.py" not in names
    folders = {part for path in train for part in path.parts}
    assert not folders & {"test", "site-packages", "encodings"}


def test_the_text_is_python() -> None:
    """The held-out files, cut where the text was joined, still parse."""
    files = corpora.python_text(held_out=True).split("\f")
    parsed = 0
    for source in files:
        try:
            ast.parse(source)
            parsed += 1
        except SyntaxError:
            continue  # some files contain a form feed themselves
    assert parsed > 0.7 * len(files)


def test_the_shipped_tokenizer_reads_any_text_and_shortens_python() -> None:
    tokenizer = Tokenizer.from_folder(corpora.TOKENIZER)
    assert tokenizer.vocab_size == 512
    for text in ("def f(x):\n    return x + 1\n", "naïve Ω 马 🐎\t\x00", ""):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    code = Path(ast.__file__).read_text(encoding="utf-8")
    assert len(code) / len(tokenizer.encode(code)) > 1.8


def test_a_tokenizer_learns_what_is_frequent(tmp_path) -> None:
    tokenizer = corpora.train_tokenizer("horse race horse race\n" * 20, vocab_size=270, folder=tmp_path)
    assert tokenizer.vocab_size <= 270
    assert len(tokenizer.encode("horse")) < 5 <= len(tokenizer.encode("zebra"))
    assert tokenizer.decode(tokenizer.encode("zebra 马")) == "zebra 马"


@pytest.mark.slow
def test_the_python_corpus_is_as_large_as_the_lesson_says() -> None:
    corpus = corpora.python_corpus(context=64)
    assert 2.5e6 < corpus.n_tokens < 6e6
    assert corpus.vocab_size == 512


def test_exactly_one_node_lies_between_start_and_goal() -> None:
    corpus = LengthTwoPath(n_nodes=12, degree=4)
    for batch in (corpus.batch(0, 200), corpus.evaluation(200)):
        for ids, targets in zip(batch.ids_BT.tolist(), batch.targets_BT.tolist(), strict=True):
            from_start = {token for token in ids if token < 12}
            to_goal = {token - 12 for token in ids if 12 <= token < 24}
            assert len(from_start) == len(to_goal) == 4 and ids[-1] == 24
            assert targets[:-1] == [NOT_JUDGED] * 8 and from_start & to_goal == {targets[-1]}
    places = {row.index(t[-1]) for row, t in zip(batch.ids_BT.tolist(), batch.targets_BT.tolist(), strict=True)}
    assert len(places) == 8, "the answer's edge may stand anywhere"
    with pytest.raises(ValueError, match="degree=7 needs 13 nodes, and there are 12"):
        LengthTwoPath(n_nodes=12, degree=7)


def test_a_row_keeps_to_one_language() -> None:
    corpus = Domains(n_domains=3, n_symbols=9, n_next=2, context=30)
    follows = [[set(row.tolist()) for row in table] for table in corpus.followers]
    batch = corpus.evaluation(60)
    for i, (ids, targets) in enumerate(zip(batch.ids_BT.tolist(), batch.targets_BT.tolist(), strict=True)):
        pairs = [*zip(ids, targets, strict=True)]
        fitting = [d for d in range(3) if all(b in follows[d][a] for a, b in pairs)]
        assert fitting == [i % 3]
    assert all(len(after) == 2 for table in follows for after in table)
