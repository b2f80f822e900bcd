"""QwQ's and R1's stages in miniature: what is paid, what is kept, and in which order models follow one another."""

import pytest
import torch

from racecourse.models.shipped import load_shipped
from racecourse.reasoning import stages
from racecourse.reasoning.tasks import Problem


@pytest.fixture(scope="module")
def base():
    return load_shipped("chains-base")


@pytest.mark.parametrize(("text", "readable", "paid"), [
    ("89#9", True, 1.2), ("89#8", True, 0.2), ("#9", False, 1.0), ("8w9#9", False, 1.0), ("89", False, 0.0),
    ("", False, 0.0), ("#", False, 0.0), ("٣#9", True, 1.2),
])  # fmt: skip
def test_what_a_person_can_read_by_hand(text, readable, paid):
    assert stages.is_readable(text) is readable
    assert stages.right_and_readable(Problem("3+5-9=", "9"), text) == pytest.approx(paid)


def test_chosen_answers_are_right_readable_and_a_quarter_is_everyday(base):
    traces = stages.chosen_answers(*base, seed=0, n=60)
    chains = [trace for trace in traces if "," not in trace.prompt]
    everyday = [trace for trace in traces if "," in trace.prompt]
    assert len(chains) > 20 and len(everyday) == len(chains) // 3 + 1
    for prompt, completion in chains:
        thought, _, answer = completion.partition("#")
        assert thought.isdigit() and int(answer) == eval(prompt[:-1]) % 10
    for prompt, completion in everyday:
        assert completion == "#" + max(prompt[:-1].split(","))


def test_stages_follow_one_another_and_leave_the_base_alone(base, monkeypatch):
    """Each stage gets the model that its recipe says: R1's third begins with the base again."""
    model, tokenizer = base
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    began: list[str] = []
    names: dict[int, str] = {id(model): "base"}
    kept = []  # so that no id is used twice

    def note(kind, original):
        def wrapped(start, *args, **kwargs):
            began.append(f"{kind} of {names[id(start)]}")
            made = original(start, *args, **kwargs)
            names[id(made)] = kind
            kept.append(made)
            return made

        return wrapped

    monkeypatch.setattr(stages, "reinforced", note("RL", stages.reinforced))
    monkeypatch.setattr(stages, "tuned", note("SFT", stages.tuned))
    seen = stages.qwq(model, tokenizer, n_steps=6) + stages.r1(model, tokenizer, n_steps=6)
    assert began == ["RL of base", "RL of RL", "RL of base", "SFT of base", "RL of SFT", "SFT of base", "RL of SFT"]
    assert [s.recipe for s in seen] == ["QwQ"] * 3 + ["R1"] * 6
    assert seen[0].chains == seen[3].chains and seen[0].seconds < 1 < sum(s.seconds for s in seen)
    assert all(0 <= value <= 1 for s in seen for value in (s.chains, s.readable, s.largest))
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
