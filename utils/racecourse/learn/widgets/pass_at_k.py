"""pass@k and a vote among k for easy and hard problems: choose the mix, how wrong answers agree, n and k.

An answer is one of ten digits, as in lesson 04. Of the nine wrong ones, one may be a mistake that many answers share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from racecourse.learn.widgets.explorer import Slider, Steps, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer

KS = tuple(2**power for power in range(9))
N_PROBLEMS = 40  # that are asked n times each
N_VOTES = 20_000  # drawn for each point of the vote's curve
DEFAULT: dict[str, Any] = {"easy": 60, "hard": 10, "hard_share": 50, "shared": 30, "n_samples": 64, "k": 8}


class Mix(NamedTuple):
    """A mean over easy and hard problems, and each of the two."""

    mean: float
    easy: float
    hard: float


def pass_at_k_explorer() -> Explorer:
    """The explorer. Its curves are chances; its dots are what n answers to each of 40 problems would tell you."""
    percent = {"low": 0, "high": 100, "step": 5}
    controls = {
        "easy": Slider("Easy problem, % right", value=DEFAULT["easy"], **percent),
        "hard": Slider("Hard problem, % right", low=0, high=50, value=DEFAULT["hard"]),
        "hard_share": Slider("Hard among all, %", value=DEFAULT["hard_share"], **percent),
        "shared": Slider("Wrong with one mistake, %", value=DEFAULT["shared"], **percent),
        "n_samples": Steps("n, answers drawn", options=KS[2:], value=DEFAULT["n_samples"]),
        "k": Steps("k", options=KS, value=DEFAULT["k"]),
    }
    return explorer("pass@k and a vote", draw_pass_at_k, controls)


def draw_pass_at_k(ax: Axes, easy: float, hard: float, hard_share: float, shared: float, n_samples: int, k: int) -> str:
    """Draw both curves and the estimates from n answers; say in words what k answers are worth."""
    from racecourse.learn.plots import BLUE
    from racecourse.learn.policy import plot_pass_curves

    chances, share = (easy / 100, hard / 100), hard_share / 100
    passed = [mix([chance(p, k) for p in chances], share) for k in KS]
    voted = [mix([vote(p, shared / 100, k) for p in chances], share) for k in KS]
    curves = {
        "one right among k: pass@k": [at.mean for at in passed],
        "a vote among k": [at.mean for at in voted],
        "pass@k, hard problems only": [at.hard for at in passed],
        "a vote, hard problems only": [at.hard for at in voted],
    }
    title = f"{hard_share:g} % hard problems ({hard:g} % right), the others {easy:g} % right"
    plot_pass_curves(curves, KS, title=title, ax=ax)
    estimated = estimates(chances, share, n_samples)
    label = f"pass@k, estimated from n = {n_samples}"
    ax.plot(KS[: len(estimated)], estimated, "o", mfc="none", mec=BLUE, markersize=11, label=label)
    ax.axvline(k, color="#666666", linewidth=1, linestyle=":")
    ax.set_ylabel("share of problems solved")
    ax.legend(frameon=False, fontsize=8)
    here = KS.index(k)
    passes, votes = passed[here], voted[here]
    says = f"{n_samples} answers cannot tell pass@{k}: draw at least {k}."
    if k <= n_samples:
        says = f"From {n_samples} answers to each of {N_PROBLEMS} problems it is estimated as {estimated[here]:.1%}."
    return (
        f"pass@{k} is {passes.mean:.1%}: easy problems {passes.easy:.1%}, hard ones {passes.hard:.1%}. "
        f"A vote among {k} gets {votes.mean:.1%}: easy {votes.easy:.1%}, hard {votes.hard:.1%}. {says}"
    )


def mix(values: Sequence[float], hard_share: float) -> Mix:
    easy, hard = values
    return Mix((1 - hard_share) * easy + hard_share * hard, easy, hard)


def chance(p: float, k: int) -> float:
    """That one of k answers is right, if each is right with chance p."""
    return 1 - (1 - p) ** k


def vote(p: float, shared: float, k: int) -> float:
    """How often a vote among k answers is won by the right one; a tie counts by its share. From drawn votes.

    Of the wrong answers a share `shared` makes one and the same mistake; the others are spread over eight more.
    """
    import numpy as np

    wrong = 1 - p
    chances = [p, wrong * shared, *[wrong * (1 - shared) / 8] * 8]
    counts = np.random.default_rng(0).multinomial(k, chances, size=N_VOTES)
    leads = counts == counts.max(axis=1, keepdims=True)
    return float(np.mean(leads[:, 0] / leads.sum(axis=1)))


def estimates(chances: tuple[float, float], hard_share: float, n_samples: int) -> list[float]:
    """pass@k for every k up to n, estimated without bias from one draw of n answers to each of the problems."""
    import numpy as np

    n_hard = round(hard_share * N_PROBLEMS)
    p = np.repeat(chances, (N_PROBLEMS - n_hard, n_hard))
    n_correct = np.random.default_rng(1).binomial(n_samples, p)
    return [
        float(np.mean([1 - math.comb(n_samples - c, k) / math.comb(n_samples, k) for c in n_correct.tolist()]))
        for k in KS
        if k <= n_samples
    ]
