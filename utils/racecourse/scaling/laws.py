"""Scaling laws: the loss of a model from its size and from how much text it saw, fitted on runs and used to plan one.

The law and the fit are those of Hoffmann et al. 2022 (arXiv 2203.15556, section 3.3 and appendix D.2): a floor, plus
what a finite model costs, plus what finite data costs. Done otherwise: sizes are measured from the middle of the
ladder, the search runs until it has converged, and intervals come from a parametric bootstrap, which a short ladder
allows. Left out: laws for mixtures of experts or repeated data. The law sees N, D and the loss, so runs whose settings
were not tuned bend it.

N is the number of parameters, D the number of training tokens, theta the five constants as the search sees them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.optimize import OptimizeResult, minimize

Size = TypeVar("Size", float, np.ndarray)
Runs = Float[np.ndarray, "runs"]

N_CONSTANTS = 5
DELTA = 1e-3  # of the log loss: an error beyond 0.1 % pulls no harder, so that one bad run cannot bend the law
NORMAL = np.array([NormalDist().inv_cdf((i + 0.5) / 100) for i in range(100)])  # 100 equally likely normal numbers


@dataclass(frozen=True)
class Law:
    """loss = E + A / N^alpha + B / D^beta, in nats per token."""

    E: float  # what is left with an unlimited model and unlimited data
    A: float
    B: float
    alpha: float
    beta: float

    def loss(self, *, n_parameters: Size, n_tokens: Size) -> Size:
        """The predicted loss; numbers, or arrays of one shape.

        >>> chinchilla = Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)
        >>> round(chinchilla.loss(n_parameters=70e9, n_tokens=1.4e12), 3)
        1.937
        """
        return self.E + self.A / n_parameters**self.alpha + self.B / n_tokens**self.beta


# The first two are one fit, as the paper prints it and as it stands in the paper's TeX source. The third is Besiroglu
# et al. 2024 (arXiv 2404.10102), fitted to the runs that they read off the first paper's figure 4.
PUBLISHED_LAWS = {
    "Hoffmann et al. 2022, as printed": Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28),
    "Hoffmann et al. 2022, unrounded": Law(
        E=float(np.exp(0.5267228)),
        A=float(np.exp(6.0073404)),
        B=float(np.exp(6.0179186)),
        alpha=0.33917084,
        beta=0.2849083,
    ),
    "Besiroglu et al. 2024": Law(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658),
}


class Optimum(NamedTuple):
    """The best use of a training budget, according to a law."""

    n_parameters: float
    n_tokens: float
    loss: float
    tokens_per_parameter: float


def compute_optimal(law: Law, flops: float, *, flops_per_parameter_and_token: float = 6.0) -> Optimum:
    """Split a budget of `flops` = 6 N D into the N and D of the lowest loss (Hoffmann et al. 2022, equation 4).

    At the optimum 1 % more model and 1 % more data buy the same: alpha A / N^alpha = beta B / D^beta.

    >>> optimum = compute_optimal(PUBLISHED_LAWS["Besiroglu et al. 2024"], 5.76e23)
    >>> round(optimum.tokens_per_parameter, 1)
    18.4
    """
    n_times_d = flops / flops_per_parameter_and_token
    exponent = 1 / (law.alpha + law.beta)
    n_parameters = (law.alpha * law.A / (law.beta * law.B) * n_times_d**law.beta) ** exponent
    n_tokens = n_times_d / n_parameters
    loss = law.loss(n_parameters=n_parameters, n_tokens=n_tokens)
    return Optimum(n_parameters, n_tokens, loss, n_tokens / n_parameters)


def ln_terms(theta: Float[np.ndarray, "5"], ln_n: Runs, ln_d: Runs) -> Float[np.ndarray, "3 runs"]:
    """The logarithms of A / N^alpha, B / D^beta and E, whose sum is the predicted loss."""
    ln_A, ln_B, ln_E, alpha, beta = theta
    return np.stack([ln_A - alpha * ln_n, ln_B - beta * ln_d, np.full_like(ln_n, ln_E)])


def huber_error(
    theta: Float[np.ndarray, "5"], ln_n: Runs, ln_d: Runs, ln_loss: Runs
) -> tuple[float, Float[np.ndarray, "5"]]:
    """How badly five constants explain the runs: the Huber loss of the errors in log loss, and its gradient.

    `theta` is ln A, ln B, ln E, alpha, beta: the logarithms keep A, B and E positive. The sum over runs, not the mean:
    the minimum is the same, but L-BFGS stops when a step gains less than a fixed amount, and on a mean it stops early.
    On the 240 runs of Besiroglu et al. 2024 scipy's defaults reached alpha 0.347 with the sum, 0.276 with the mean.
    """
    terms = ln_terms(theta, ln_n, ln_d)
    ln_predicted = np.logaddexp.reduce(terms)
    error = ln_predicted - ln_loss
    slope = np.clip(error, -DELTA, DELTA)
    by_A, by_B, by_E = np.exp(terms - ln_predicted) * slope  # a term moves ln_predicted by its share of the loss
    gradient = np.array([by_A.sum(), by_B.sum(), by_E.sum(), -by_A @ ln_n, -by_B @ ln_d])
    return float(slope @ (error - slope / 2)), gradient


# Where searches start: the three terms as shares of a typical run's loss, and the two exponents.
STARTS = tuple(itertools.product((0.03, 0.3), (0.03, 0.3), (0.3, 0.6, 0.9), (0.1, 0.3, 0.6, 1.0), (0.1, 0.3, 0.6, 1.0)))
BOUNDS = [(None, None)] * 3 + [(0.0, 2.0)] * 2  # the exponents stay where Hoffmann et al. start them
# scipy's defaults stop when a step gains 2e-9; a good fit's error is about 1e-3, and its last digits gain less
CONVERGED = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 2000, "maxfun": 4000}


def search(ln_n: Runs, ln_d: Runs, ln_loss: Runs, thetas: Sequence[Float[np.ndarray, "5"]]) -> list[OptimizeResult]:
    """Minimise `huber_error` by L-BFGS from every one of `thetas`; the results, best first."""
    runs = (ln_n, ln_d, ln_loss)
    results = [minimize(huber_error, t, runs, "L-BFGS-B", True, bounds=BOUNDS, options=CONVERGED) for t in thetas]
    return sorted(results, key=lambda result: result.fun)


def starting_points(ln_loss: Runs) -> list[Float[np.ndarray, "5"]]:
    """`STARTS` as thetas, for a ladder whose sizes are measured from its middle."""
    return [np.array([*(ln_loss.mean() + np.log(start[:3])), *start[3:]]) for start in STARTS]


def to_law(theta: Float[np.ndarray, "5"], middle_n: float, middle_d: float) -> Law:
    """The constants of a theta that measures ln N and ln D from the middle of the ladder."""
    ln_A, ln_B, ln_E, alpha, beta = (float(number) for number in theta)
    A, B = np.exp(ln_A + alpha * middle_n), np.exp(ln_B + beta * middle_d)
    return Law(E=float(np.exp(ln_E)), A=float(A), B=float(B), alpha=alpha, beta=beta)


class Prediction(NamedTuple):
    """A loss and the interval in which a new run's loss should fall."""

    loss: float | np.ndarray
    low: float | np.ndarray
    high: float | np.ndarray


@dataclass(frozen=True)
class Fit:
    """A law fitted to runs, with what is known about its uncertainty."""

    law: Law
    error: float  # `huber_error` at the law
    scatter: float  # standard deviation of the runs' log loss around the law, corrected for the five fitted constants
    n_starts: int
    n_at_best: int  # how many of the starts ended at this law; few means that another grid might find a better one
    bootstrap: tuple[Law, ...] = ()
    bootstrap_scatter: tuple[float, ...] = ()

    def interval(self, constant: str, level: float = 0.9) -> tuple[float, float]:
        """Where the middle `level` of the bootstrap has one of E, A, B, alpha, beta.

        Raises:
            ValueError: a fit without bootstrap.
        """
        self._needs_bootstrap()
        low, high = np.quantile([getattr(law, constant) for law in self.bootstrap], tails(level))
        return float(low), float(high)

    def predict(
        self, *, n_parameters: float | np.ndarray, n_tokens: float | np.ndarray, level: float = 0.9
    ) -> Prediction:
        """The loss of a run that was not fitted, and the interval that should hold it with probability `level`.

        Two things widen it: every law of the bootstrap predicts another loss, and around each of them the run
        scatters as the ladder's runs did. It does not know of a law that bends outside of the ladder. At level 0.9 it
        held 83 to 86 % of simulated runs beyond a ladder of 6, 87 to 91 % for 9, and 91 to 95 % for 12 and for 20.

        Raises:
            ValueError: a fit without bootstrap.
        """
        self._needs_bootstrap()
        sizes = {"n_parameters": np.asarray(n_parameters, float), "n_tokens": np.asarray(n_tokens, float)}
        draws = [
            np.add.outer(scatter * NORMAL, np.log(law.loss(**sizes)))
            for law, scatter in zip(self.bootstrap, self.bootstrap_scatter, strict=True)
        ]
        low, high = np.exp(np.quantile(np.concatenate(draws), tails(level), axis=0))
        return Prediction(self.law.loss(**sizes), low, high)

    def _needs_bootstrap(self) -> None:
        if not self.bootstrap:
            raise ValueError("n_bootstrap=0 gives no interval; fit with n_bootstrap=200")


def tails(level: float) -> tuple[float, float]:
    if not 0 < level < 1:
        raise ValueError(f"level={level} is not between 0 and 1; 0.9 leaves out 5 % on either side")
    return (1 - level) / 2, (1 + level) / 2


def check_ladder(n_parameters: ArrayLike, n_tokens: ArrayLike, losses: ArrayLike) -> tuple[Runs, Runs, Runs]:
    """ln N, ln D and ln loss of a ladder that can determine five constants; ValueError for any other."""
    columns = [np.asarray(column, float).ravel() for column in (n_parameters, n_tokens, losses)]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"{lengths} parameters, tokens and losses; give one of each per run")
    for name, column in zip(("n_parameters", "n_tokens", "losses"), columns, strict=True):
        wrong = column[~((column > 0) & (column < np.inf))]
        if len(wrong):
            raise ValueError(f"{name} has a {wrong[0]}; leave out runs that failed")
    if lengths[0] <= N_CONSTANTS:
        raise ValueError(
            f"{lengths[0]} runs for {N_CONSTANTS} constants leave nothing to judge them by; make 6 or more"
        )
    for name, column in zip(("model sizes", "token counts"), columns, strict=False):
        if len(np.unique(column)) < 3:
            raise ValueError(f"{len(np.unique(column))} different {name} show no bend; run 3 or more")
    ln_n, ln_d, ln_loss = (np.log(column) for column in columns)
    correlation = np.corrcoef(ln_n, ln_d)[0, 1]
    if abs(correlation) > 0.99:
        raise ValueError(
            f"ln N and ln D have correlation {correlation:.3f}, beyond 0.99: more model and more data cannot be told "
            "apart; train some of the models on other token counts"
        )
    return ln_n, ln_d, ln_loss


def fit(n_parameters: ArrayLike, n_tokens: ArrayLike, losses: ArrayLike, *, n_bootstrap: int = 0, seed: int = 0) -> Fit:
    """Fit a law to runs: one N, D and loss (nats per token) each.

    Bootstrap: the fitted law plus normal scatter makes `n_bootstrap` new sets of losses for the same ladder, each of
    which is fitted. With few runs the scatter itself is a guess, so each set draws its own from what the residuals
    allow (as Student's t does). Resampling the runs instead would leave a short ladder without its ends.

    Raises:
        ValueError: a ladder that cannot determine five constants.
    """
    ln_n, ln_d, ln_loss = check_ladder(n_parameters, n_tokens, losses)
    # From the middle of the ladder A / N^alpha is a share of a loss. Seen from N = 1, A and alpha move together over
    # many powers of ten, and most searches stop short.
    middle_n, middle_d = ln_n.mean(), ln_d.mean()
    ln_n, ln_d = ln_n - middle_n, ln_d - middle_d
    results = search(ln_n, ln_d, ln_loss, starting_points(ln_loss))
    best = results[0]
    fitted = np.logaddexp.reduce(ln_terms(best.x, ln_n, ln_d))
    freedom = len(ln_loss) - N_CONSTANTS
    scatter = np.sqrt(np.sum((ln_loss - fitted) ** 2) / freedom)

    rng = np.random.default_rng(seed)
    scatters = scatter * np.sqrt(freedom / rng.chisquare(freedom, n_bootstrap))
    redrawn = [search(ln_n, ln_d, rng.normal(fitted, one), [best.x])[0] for one in scatters]
    return Fit(
        law=to_law(best.x, middle_n, middle_d),
        error=float(best.fun),
        scatter=float(scatter),
        n_starts=len(results),
        n_at_best=sum(result.fun <= 1.001 * best.fun + 1e-12 for result in results),
        bootstrap=tuple(to_law(result.x, middle_n, middle_d) for result in redrawn),
        bootstrap_scatter=tuple(scatters.tolist()),
    )
