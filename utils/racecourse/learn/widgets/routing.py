"""Which expert took which token of a text: choose the layer, and one expert to see alone.

Without arguments it shows a made-up router that sees only what kind of characters a token has, so that it works where
there is no model.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from racecourse.learn.widgets.explorer import Choice, Steps, explorer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from racecourse.learn.widgets.frame import Explorer

EXAMPLE_TEXT = '''def count_words(path):
    """How often each word occurs."""
    counts = {}
    for word in open(path).read().split():
        counts[word] = counts.get(word, 0) + 1
    return counts
'''


def describe_routing(
    pieces: Sequence[str], expert_T: Sequence[int], only: int | None = None, n_frequent: int = 3
) -> str:
    """The figure in words: the busiest expert, or one expert's share and the tokens that it takes most often."""
    counts = Counter(int(expert) for expert in expert_T)
    expert = counts.most_common(1)[0][0] if only is None else only
    own = Counter(piece for piece, its in zip(pieces, expert_T, strict=True) if its == expert)
    takes = f"takes {own.total()} of {len(pieces)} tokens ({own.total() / len(pieces):.0%})"
    often = ", ".join(f"{piece!r} ({n})" for piece, n in own.most_common(n_frequent))
    line = f"expert {expert} {takes}, most often {often}." if own else f"expert {expert} {takes}."
    return f"Experts in use: {len(counts)}. The busiest, {line}" if only is None else f"E{line[1:]}"


def describe_domains(share_DE: Sequence[Sequence[float]], domains: Sequence[str]) -> str:
    """A map of domains and experts in words: where most of each domain's tokens go."""
    phrases = []
    for domain, share_E in zip(domains, share_DE, strict=True):
        shares = [float(share) for share in share_E]
        best = max(range(len(shares)), key=shares.__getitem__)
        phrases.append(f"{domain}: expert {best} ({shares[best]:.0%})")
    return f"Most used by {'; '.join(phrases)}. An even share is {1 / len(share_DE[0]):.1%}."


def routing_explorer(
    pieces: Sequence[str] | None = None,
    expert_LT: Sequence[Sequence[int]] | None = None,
    *,
    n_experts: int | None = None,
    layers: Sequence[int] | None = None,
) -> Explorer:
    """The explorer over the first choice of every layer's router for each token of a text.

    `layers` names the rows of `expert_LT` (0, 1, ... by default); `n_experts` where some expert takes no token at all.
    """
    from racecourse.learn.plots import plot_routing, routing_size

    if pieces is None or expert_LT is None:
        pieces, expert_LT = _example()
    names = list(range(len(expert_LT)) if layers is None else layers)
    n_experts = n_experts or 1 + max(int(expert) for expert_T in expert_LT for expert in expert_T)

    def draw(ax: Axes, row: int, only: int | None) -> str:
        who = "which expert took which token" if only is None else f"tokens of expert {only}"
        plot_routing(pieces, expert_LT[row], title=f"layer {names[row]}: {who}", only=only, ax=ax)
        return f"Layer {names[row]}: {describe_routing(pieces, expert_LT[row], only)}"

    controls = {
        "row": Steps("Layer", options={str(n): i for i, n in enumerate(names)}, value=0),
        "only": Choice("Expert", options={"all": None} | {str(e): e for e in range(n_experts)}, value=None),
    }
    return explorer("Which expert took which token", draw, controls, size=routing_size(pieces))


def _example(E: int = 4, n_layers: int = 2) -> tuple[list[str], list[list[int]]]:
    """Tokens of a small program, and for each layer the best of E experts with random weights on crude features."""
    import numpy as np

    pieces = re.findall(r"\n *| ?\w+| ?[^\w\s]+", EXAMPLE_TEXT)
    kinds = (str.isspace, str.isalpha, str.isdigit, str.islower, lambda c: c in "()[]{}", lambda c: c in '.,:"')
    features_TF = np.array([[np.mean([kind(c) for c in piece]) for kind in kinds] for piece in pieces])
    features_TF = np.hstack((features_TF, [[len(piece) / 4] for piece in pieces]))
    features_TF -= features_TF.mean(0)
    weights_LFE = np.random.default_rng(3).normal(size=(n_layers, features_TF.shape[1], E))
    return pieces, (features_TF @ weights_LFE).argmax(-1).tolist()
