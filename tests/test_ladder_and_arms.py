"""Lessons 02 and 03: the ladder's and the contest's models, and what the shipped runs and notebooks say."""

import dataclasses
import re

import nbformat
import pytest

from conftest import ROOT
from racecourse.models.shipped import CHECKPOINTS, shipped_names
from racecourse.scaling import arms, count_parameters, fit, flops_per_token
from racecourse.scaling.arms import ARMS, COARSE, CONTESTS, DENSE, FINE, LONGER, SEEDS, WIDE, WIDE_FF, arm, load_results
from racecourse.scaling.ladder import FURTHER, GRID, HELD_OUT, load_ladder, make_ladder, new_model, recipe, tiny


@pytest.mark.parametrize("contest", CONTESTS.values(), ids=CONTESTS)
def test_the_contest_is_fair(contest: arms.Contest) -> None:
    """Equal work per token within 1 %, router included; equal parameters in all within 7 %."""
    context = contest.corpus.context
    flops = {name: flops_per_token(arm(name, contest), context, training=True) for name in ARMS}
    total = {name: count_parameters(arm(name, contest)).total for name in ARMS}
    for name in (LONGER, COARSE, FINE):
        assert flops[name] == pytest.approx(flops[DENSE], rel=0.05)
    assert flops[LONGER] == flops[DENSE] and flops[WIDE] > 3 * flops[DENSE]
    for name in (FINE, WIDE, WIDE_FF):
        assert total[name] == pytest.approx(total[COARSE], rel=0.07)
    # the mixture without its routers: one row per expert and layer
    assert total[COARSE] - total[WIDE_FF] == contest.n_layers * 8 * contest.d_model
    assert total[COARSE] > 3.5 * total[DENSE]
    with pytest.raises(ValueError, match="no contestant 'sparse'"):
        arm("sparse", contest)


def test_all_contestants_train_alike_but_for_the_longer_one() -> None:
    contest = CONTESTS["facts"]
    base = dataclasses.replace(contest.training, bias_step=0.0, seed=1)
    for name in ARMS:
        settings = arms.settings(name, contest, seed=1)
        assert (settings.bias_step > 0) is (name in (COARSE, FINE))
        same = dataclasses.replace(settings, bias_step=0.0)
        if name == LONGER:
            assert same.n_steps == 1.3 * base.n_steps
            same = dataclasses.replace(same, n_steps=base.n_steps, eval_every=base.eval_every)
        assert same == base


def test_the_shipped_runs_support_the_lessons_verdicts() -> None:
    runs = load_results()
    assert set(runs) == {(contest, name, seed) for contest in CONTESTS for name in ARMS for seed in SEEDS}

    def ends(contest: str, name: str) -> list[float]:
        return [runs[contest, name, seed].last.exact for seed in SEEDS]

    for mixture in (COARSE, FINE):
        assert min(ends("facts", mixture)) > 2 * max(ends("facts", LONGER)) > 2 * max(ends("facts", DENSE))
        assert max(ends("path", mixture)) < max(ends("path", DENSE)) + 0.1
    for contest in ("facts", "path"):
        assert min(ends(contest, WIDE)) > max(ends(contest, FINE) + ends(contest, COARSE))
    assert min(ends("facts", WIDE_FF)) > max(ends("facts", FINE))
    assert max(ends("path", WIDE_FF)) < max(ends("path", COARSE)) < min(ends("path", LONGER)) + 0.01
    found = {name: [runs["lookup", name, seed].last.accuracy for seed in SEEDS] for name in ARMS}
    assert all(accuracy > 0.99 or accuracy < 0.25 for ends in found.values() for accuracy in ends)  # all or nothing
    n_found = {name: sum(accuracy > 0.9 for accuracy in ends) for name, ends in found.items()}
    assert n_found[DENSE] == n_found[LONGER] == 3 > max(n_found[COARSE], n_found[FINE]) and n_found[WIDE_FF] == 0


def test_results_survive_a_file(tmp_path) -> None:
    runs = {key: run for key, run in load_results().items() if key[2] == 0}
    arms.save_results(runs, "here", tmp_path / "runs.json")
    assert load_results(tmp_path / "runs.json") == runs
    assert load_results(tmp_path / "nothing.json") == {}


def test_the_ladder_grows_in_width_alone() -> None:
    sizes = [count_parameters(tiny(width)).total for width in (16, 32, 48, 64, 128)]
    assert sizes == sorted(sizes)
    for width in (16, 64):
        model = new_model(width)
        assert sum(p.numel() for p in model.parameters()) == count_parameters(tiny(width)).total
        assert model.embed.weight.std().item() == pytest.approx(0.5 * width**-0.5, rel=0.05)
        assert recipe(width, 2**19).n_steps * 16 * 128 == 2**19
    assert max(width for width, _ in GRID) < HELD_OUT[0] and max(n for _, n in GRID) < HELD_OUT[1]


def test_the_shipped_ladder_is_whole_and_its_law_predicts(tmp_path) -> None:
    runs = load_ladder()
    there = {(run.width, run.n_tokens, run.seed) for run in runs}
    assert there == {(*size, seed) for size in (*GRID, HELD_OUT) for seed in SEEDS} | {(*size, 0) for size in FURTHER}
    for run in runs:
        assert run.n_parameters == count_parameters(tiny(run.width)).total
    for seed in SEEDS:
        ladder = [run for run in runs if run.seed == seed and (run.width, run.n_tokens) in GRID]
        (held_out,) = [run for run in runs if run.seed == seed and run.width == HELD_OUT[0]]
        law = fit([r.n_parameters for r in ladder], [r.n_tokens for r in ladder], [r.loss for r in ladder]).law
        predicted = law.loss(n_parameters=float(held_out.n_parameters), n_tokens=float(held_out.n_tokens))
        assert abs(predicted / held_out.loss - 1) < 0.1, "the lesson says: one ladder in three is some 8 % off"


def test_a_finished_run_of_the_ladder_is_not_made_again(tmp_path) -> None:
    path = tmp_path / "ladder.json"
    path.write_text((ROOT / "utils/racecourse/scaling/data/ladder.json").read_text(encoding="utf-8"), encoding="utf-8")
    before = load_ladder(path)
    assert make_ladder(None, [(*GRID[0], 0)], path, made_on="here") == before  # type: ignore[arg-type]


def test_the_shipped_models_are_small() -> None:
    assert shipped_names() == ["chains-base", "countdown-base", "python-dense", "python-moe"]
    assert sum(file.stat().st_size for file in CHECKPOINTS.rglob("*") if file.is_file()) < 10e6


def printed(lesson: str) -> str:
    notebook = nbformat.read(ROOT / f"lessons/{lesson}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output["text"] for output in outputs if output.get("name") == "stdout")


def test_lesson_02_prints_what_it_says() -> None:
    text = printed("02_scaling_laws")
    error = re.search(r"the prediction is ([+-][\d.]+)% off", text)
    assert error and abs(float(error[1])) < 10
    assert "all 24 losses equal, to the last digit: True" in text
    for figure in ("92.6", "58.9", "18.4", "5.88e+23", "3.79e+25", "549"):
        assert figure in text


def test_lesson_03_prints_what_it_says() -> None:
    text = printed("03_mixture_of_experts")
    for figure in ("671,026,404,352", "37,552,282,624", "70,272", "327,680", "516,096", "46,702,792,704",
                   "12,879,925,248",
                   "6,919,161,856", "1,282,017,280", "32,763,876,352"):  # fmt: skip
        assert figure in text
    gaps = re.search(r"from SortedExperts: (\S+), from token by token: (\S+), from transformers' Mixtral: (\S+)", text)
    assert gaps and all(float(gap) < 1e-4 for gap in gaps.groups())
    recalled = dict(
        re.findall(r"^(dense|MoE 8, top-1|wide dense) .*facts recalled\s+([\d.]+)%", text, flags=re.MULTILINE)
    )
    assert float(recalled["dense"]) < 25 < 60 < float(recalled["MoE 8, top-1"]) < float(recalled["wide dense"])
