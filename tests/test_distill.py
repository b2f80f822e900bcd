"""Learning from written answers: what is judged, what is accepted, and that it teaches."""

import pytest
import torch

from racecourse.models.shipped import load_shipped
from racecourse.reasoning.distill import Trace, Traces, accepted_traces
from racecourse.reasoning.sampling import Sample
from racecourse.reasoning.tasks import ChainedArithmetic, Problem
from racecourse.scaling.corpora import NOT_JUDGED


@pytest.fixture(scope="module")
def chains():
    return load_shipped("chains-base")


def test_only_what_stands_after_the_prompt_is_judged(chains):
    """Worked by hand: 3+5=8#8 and the end token; inputs lose the last token, targets the first."""
    tokenizer = chains[1]
    corpus = Traces([Trace("3+5=", "8#8")], [Trace("1+1+1=", "#3")], tokenizer, context=10)
    batch = corpus.batch(0, 2)
    ids = tokenizer.encode("3+5=8#8")
    end, pad = tokenizer.eos_ids[0], tokenizer.pad_id
    assert batch.ids_BT.tolist() == [[*ids, end, pad, pad]] * 2
    expected = [NOT_JUDGED] * 3 + [*ids[4:], end] + [NOT_JUDGED] * 3
    assert batch.targets_BT.tolist() == [expected] * 2
    held_out = corpus.evaluation(5)
    assert held_out.ids_BT.shape == (1, 10)
    assert tokenizer.decode([t for t in held_out.targets_BT[0].tolist() if t >= 0]) == "#3" + tokenizer.decode([end])


def test_rows_are_drawn_anew_each_step_and_again_for_the_same_step(chains):
    traces = [Trace(f"{i}+1=", f"#{(i + 1) % 10}") for i in range(10)]
    corpus = Traces(traces, traces, chains[1], context=8)
    first, again, other, seeded = (
        corpus.batch(0, 64),
        corpus.batch(0, 64),
        corpus.batch(1, 64),
        corpus.batch(0, 64, seed=1),
    )
    assert torch.equal(first.ids_BT, again.ids_BT)
    assert not torch.equal(first.ids_BT, other.ids_BT) and not torch.equal(first.ids_BT, seeded.ids_BT)
    assert len({tuple(row) for row in first.ids_BT.tolist()}) == 10


def test_what_cannot_be_learned_from_is_said(chains):
    with pytest.raises(ValueError, match="ask the teacher for more samples"):
        Traces([], [Trace("1+1=", "#2")], chains[1], context=8)
    with pytest.raises(ValueError, match="has 7 tokens; context=5 takes 6"):
        Traces([Trace("1+1=", "#2")], [Trace("1+1=", "#2")], chains[1], context=5)


def test_answers_are_kept_if_they_are_right_and_ended_by_themselves():
    """By hand: wrong, right, right but cut off, right after a thought, unfinished."""
    asked = [Problem("3+5-9=", "9"), Problem("1+1+1=", "3")]
    drawn = [
        [Sample("89#8", 5, True), Sample("#9", 3, True), Sample("89#9", 4, False)],
        [Sample("23#3", 5, True), Sample("23", 2, False)],
    ]
    assert accepted_traces(ChainedArithmetic(), asked, drawn) == [Trace("3+5-9=", "#9"), Trace("1+1+1=", "23#3")]
