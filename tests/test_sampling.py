"""Many samples, votes and budgets: against plain counting, and with a model whose every word is known."""

import itertools
import random

import pytest
import torch

from racecourse.models import ModelConfig, Transformer
from racecourse.models.generation import generate_ids
from racecourse.reasoning.bases import CHARACTERS, character_tokenizer
from racecourse.reasoning.sampling import (
    Vote,
    as_sample,
    best_of_n,
    majority_vote,
    pass_at_k,
    sample_texts,
    sample_with_budget,
    vote_accuracy,
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return character_tokenizer(CHARACTERS, tmp_path_factory.mktemp("characters"))


@pytest.mark.parametrize(("n", "c", "k"), [(5, 2, 3), (6, 0, 2), (6, 6, 1), (6, 5, 2), (7, 3, 7), (4, 1, 1)])
def test_pass_at_k_is_the_share_of_choices_that_hold_a_right_one(n, c, k):
    """Every way to choose k of the n samples, listed."""
    samples = [True] * c + [False] * (n - c)
    choices = list(itertools.combinations(samples, k))
    assert pass_at_k(n_samples=n, n_correct=c, k=k) == pytest.approx(sum(map(any, choices)) / len(choices))


def test_pass_at_k_is_unbiased_and_the_plug_in_estimate_is_not():
    """Over all outcomes of six draws, the mean is 1 - (1 - p)^k exactly; 1 - (1 - c/n)^k falls short."""
    p, n, k = 0.3, 6, 4
    outcomes = [
        (sum(draws), p ** sum(draws) * (1 - p) ** (n - sum(draws))) for draws in itertools.product((0, 1), repeat=n)
    ]
    truth = 1 - (1 - p) ** k
    assert sum(w * pass_at_k(n_samples=n, n_correct=c, k=k) for c, w in outcomes) == pytest.approx(truth)
    assert sum(w * (1 - (1 - c / n) ** k) for c, w in outcomes) < truth - 0.02


def test_pass_at_k_of_many_samples_stays_exact():
    assert pass_at_k(n_samples=10_000, n_correct=1, k=100) == pytest.approx(0.01)


@pytest.mark.parametrize(("n", "c", "k", "says"), [
    (4, 5, 1, "n_correct=5"), (4, -1, 1, "n_correct=-1"), (4, 2, 5, "draw more samples"), (4, 2, 0, "k=0"),
])  # fmt: skip
def test_pass_at_k_refuses_what_has_no_meaning(n, c, k, says):
    with pytest.raises(ValueError, match=says):
        pass_at_k(n_samples=n, n_correct=c, k=k)


def test_a_vote_names_all_winners_and_counts_no_abstention():
    assert majority_vote(["7", "4", "7"]) == Vote(("7",), 2, 3)
    assert majority_vote(["4", None, "7", None, None]) == Vote(("4", "7"), 1, 2)
    assert majority_vote([None, None]) == Vote((), 0, 0) == majority_vote([])


def test_a_vote_pays_what_drawing_lots_among_the_winners_gets():
    answers = ["4", "7", "9", "7", "4", None]
    rng = random.Random(0)
    lots = sum(rng.choice(majority_vote(answers).winners) == "7" for _ in range(20_000)) / 20_000
    assert vote_accuracy(answers, "7") == 0.5 == pytest.approx(lots, abs=0.02)
    assert vote_accuracy(answers, "9") == vote_accuracy([None], "9") == 0.0
    assert vote_accuracy(["9"], "9") == 1.0


def test_best_of_n_takes_the_first_of_the_best():
    assert best_of_n(["a", "b", "c"], [0.1, 0.9, 0.9]) == "b"
    with pytest.raises(ValueError, match="2 candidates and 1 scores"):
        best_of_n(["a", "b"], [1.0])
    with pytest.raises(ValueError, match="one at least"):
        best_of_n([], [])


def test_the_tokenizer_has_one_token_for_a_character(tokenizer):
    assert tokenizer.vocab_size == len(CHARACTERS) + 1
    assert tokenizer.encode(CHARACTERS) == list(range(len(CHARACTERS)))
    assert tokenizer.decode(tokenizer.encode("3+5-2=w#6")) == "3+5-2=w#6"
    assert tokenizer.eos_ids == [len(CHARACTERS)] or tuple(tokenizer.eos_ids) == (len(CHARACTERS),)


class Script(Transformer):
    """Writes after every token the one that a table names, and nothing else; what it is asked is kept."""

    def __init__(self, tokenizer, follows: dict[str, str]) -> None:
        super().__init__(ModelConfig("llama", tokenizer.vocab_size, 8, 1, 1, 1, 8, 8, max_context=64))
        end = tokenizer.eos_ids[0]
        pairs = [(tokenizer.encode(a)[0], tokenizer.encode(b)[0] if b else end) for a, b in follows.items()]
        self.next_ids = dict(pairs)

    def forward(self, ids_BT, cache=None, n_pad_B=None, last_only=False):
        if cache is not None:
            cache.length += ids_BT.shape[1]
        logits_BTV = torch.full((*ids_BT.shape, self.config.vocab_size), -100.0)
        for b, row in enumerate(ids_BT.tolist()):
            for t, token in enumerate(row):
                logits_BTV[b, t, self.next_ids.get(token, token)] = 100.0
        return logits_BTV[:, -1:] if last_only else logits_BTV


def budget(tokenizer, follows, **options):
    settings = {"end_of_thinking": "#", "max_thinking": 5, "max_answer_tokens": 3, **options}
    return sample_with_budget(Script(tokenizer, follows), tokenizer, ["9="], **settings)[0]


# Thinks 1, 2, 3, then "#", then the answer 7 and the end. After "w" it thinks 4, 5, then "#".
COUNTS = {"=": "1", "1": "2", "2": "3", "3": "#", "#": "7", "7": "", "w": "4", "4": "5", "5": "#"}


def test_a_thought_within_its_budget_is_left_alone(tokenizer):
    sample = budget(tokenizer, COUNTS)
    assert (sample.text, sample.n_tokens, sample.ended) == ("123#7", 6, True)


def test_a_thought_beyond_its_budget_is_cut_and_answered(tokenizer):
    assert budget(tokenizer, COUNTS, max_thinking=2).text == "12#7"
    assert budget(tokenizer, COUNTS, max_thinking=0).text == "#7"


def test_a_model_that_wants_to_stop_is_made_to_wait(tokenizer):
    assert budget(tokenizer, COUNTS, n_waits=1, wait="w", max_thinking=20).text == "123w45#7"
    assert budget(tokenizer, COUNTS, n_waits=2, wait="w", max_thinking=20).text == "123w45w45#7"
    assert budget(tokenizer, COUNTS, n_waits=2, wait="w", max_thinking=5).text == "123w4#7"  # the budget comes first


def test_an_answer_without_end_is_cut(tokenizer):
    sample = budget(tokenizer, {**COUNTS, "7": "7"})
    assert (sample.text, sample.n_tokens, sample.ended) == ("123#777", 7, False)


def test_budget_forcing_refuses_what_it_cannot_do(tokenizer):
    with pytest.raises(ValueError, match="'##' is 2 tokens"):
        budget(tokenizer, COUNTS, end_of_thinking="##")
    with pytest.raises(ValueError, match="set wait"):
        budget(tokenizer, COUNTS, n_waits=1)


def test_samples_come_in_the_order_of_their_prompts_however_many_rows_fit_at_once(tokenizer):
    model = Script(tokenizer, COUNTS)
    drawn = sample_texts(model, tokenizer, ["1", "2", "3"], n_samples=2, max_new_tokens=8, rows_at_once=4)
    assert [[sample.text for sample in row] for row in drawn] == [["23#7"] * 2, ["3#7"] * 2, ["#7"] * 2]


def test_two_parts_of_a_large_batch_draw_with_different_seeds(tokenizer):
    torch.manual_seed(0)
    model = Transformer(ModelConfig("llama", tokenizer.vocab_size, 8, 1, 1, 1, 8, 8, max_context=64))
    first, second = sample_texts(model, tokenizer, ["1", "1"], max_new_tokens=20, rows_at_once=1, seed=3)
    assert first != second
    assert [first, second] == sample_texts(model, tokenizer, ["1", "1"], max_new_tokens=20, rows_at_once=1, seed=3)


def test_a_sample_counts_its_end_token_and_does_not_show_it(tokenizer):
    end = tokenizer.eos_ids[0]
    assert as_sample(tokenizer, [1, 2, end]) == ("12", 3, True)
    assert as_sample(tokenizer, [1, 2]) == ("12", 2, False)
    assert as_sample(tokenizer, []) == ("", 0, False)


def test_samples_that_share_a_prompt_continue_it_as_if_it_were_repeated(tokenizer):
    """Greedy, with prompts of unlike length: what each prompt alone would get, as often as asked."""
    torch.manual_seed(0)
    model = Transformer(ModelConfig("llama", tokenizer.vocab_size, 16, 2, 2, 1, 8, 16, max_context=64))
    model.init_weights(0.4)
    prompts = [tokenizer.encode(prompt) for prompt in ("3+5=", "9", "1+1-4+5=")]
    alone = [generate_ids(model, [prompt], max_new_tokens=12)[0] for prompt in prompts]
    assert len({tuple(ids) for ids in alone}) > 1
    assert generate_ids(model, prompts, n_samples=3, max_new_tokens=12) == [ids for ids in alone for _ in range(3)]
    drawn = generate_ids(model, prompts[:1], n_samples=6, max_new_tokens=12, temperature=1.0, seed=0)
    assert len({tuple(ids) for ids in drawn}) == 6
