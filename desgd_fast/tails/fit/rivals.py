"""Pareto against other laws of the tail."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from desgd_fast.common.rng import RNG, generator_from, key_from
from desgd_fast.kernels.tails.resampling import bootstrap_variation
from desgd_fast.tails import checks
from desgd_fast.tails.fit.distance import count_above, log_ratios
from desgd_fast.tails.fit.resamples import resamples
from desgd_fast.tails.fit.results import LikelihoodRatio
from desgd_fast.tails.samples import TopValues

ALTERNATIVES = ("lognormal", "exponential")

Array = NDArray[np.float64]

# Beyond so many standard deviations the cut normal law is expanded about the exponential one.
FAR = 30.0
# Where the cut is so far out that the two laws are equal in double precision.
FARTHEST = 1e7
# A normal law so many standard deviations above the cut does not feel it.
UNCUT = 1e3


def cut_normal_moments(a: float) -> tuple[float, float]:
    """Mean, and mean square, of Z − a for a standard normal Z above a.

    From the hazard λ: λ − a and 1 − a(λ − a); far out by the asymptotic expansion of Mills' ratio, since
    these differences cancel.
    """
    if a > FAR:
        u = a**-2
        mean = (1 + u * (-2 + u * (10 + u * (-74 + u * 706)))) / a
        square = u * (2 + u * (-10 + u * (74 + u * (-706 + u * 8162))))
        return mean, square
    mean = float(np.sqrt(2 / np.pi) / special.erfcx(a / np.sqrt(2))) - a
    return mean, 1 - a * mean


def fit_lognormal_tail(logs: Array) -> tuple[float, float] | None:
    """(a, sigma) of a normal law cut off below 0 that fits logs > 0 best; None for the limit a → ∞.

    Maximum likelihood in an exponential family: mean and mean square are matched (Cohen 1950). Their ratio
    mean square/mean² rises with the cut a = −mu/sigma from 1 to 2, which is Pareto: where the
    values have 2 or more, no member is as likely as the limit.
    """
    first, second = float(logs.mean()), float(np.mean(logs**2))
    if first > UNCUT * float(logs.std()):
        return -first / float(logs.std()), float(logs.std())

    def gap(a: float) -> float:
        mean, square = cut_normal_moments(a)
        return square / mean**2 - second / first**2

    if gap(FARTHEST) <= 0:
        return None
    a = float(optimize.brentq(gap, -2 * UNCUT, FARTHEST, xtol=1e-12, rtol=1e-13))
    return a, first / cut_normal_moments(a)[0]


def likelihood_ratio(
    top: TopValues, k: Any, alternative: str, n_resamples: int, rng: RNG, progress: bool
) -> LikelihoodRatio:
    """See :func:`desgd_fast.tails.likelihood_ratio`."""
    generator = generator_from(rng)
    chosen = count_above(top, k, generator)
    tail = top.ordered[0, -chosen - 1 :]
    threshold = float(tail[0])
    logs = log_ratios(tail[1:], threshold)
    alpha = 1 / float(logs.mean())
    # Densities of log(X/threshold): the Jacobian is the same on both sides.
    pareto = np.log(alpha) - alpha * logs
    if alternative == "exponential":
        # Over the largest value, so that no excess overflows.
        excess = (tail[1:] - threshold) / tail[-1]
        mean = float(excess.mean())
        other = np.log(threshold) - np.log(tail[-1]) - np.log(mean) - excess / mean + logs
        difference = pareto - other
        total, spread = float(difference.sum()), float(difference.std()) * np.sqrt(chosen)
        # Without spread there is nothing to tell apart.
        statistic = total / spread if spread > 1e-9 * np.sqrt(chosen) else 0.0
        p_value = float(special.erfc(abs(statistic) / np.sqrt(2)))
        with np.errstate(over="ignore"):
            parameters: tuple[float, ...] = (float(1 / np.float64(mean) / tail[-1]),)
        test = "Vuong"
    else:
        checks.two_values("x", bool(logs[-1] > logs[0]), chosen)
        total, parameters = _against_lognormal(logs, pareto, threshold)
        statistic = float(logs.std() / logs.mean())
        p_value = _variation_p_value(statistic, chosen, n_resamples, key_from(generator), progress)
        test = "uniformly most powerful unbiased"
    return LikelihoodRatio(total, statistic, p_value, alternative, parameters, alpha, threshold, chosen, test)


def _against_lognormal(logs: Array, pareto: Array, threshold: float) -> tuple[float, tuple[float, float]]:
    """Log likelihood ratio, which a limit of the other family cannot have above 0, and (mu, sigma)."""
    fitted = fit_lognormal_tail(logs)
    if fitted is None:
        return 0.0, (-np.inf, np.inf)
    a, sigma = fitted
    z = logs / sigma
    if a > 0:
        # Squares of a, which may be large, cancel against Mills' ratio.
        other = -0.5 * z**2 - a * z - np.log(sigma * np.sqrt(np.pi / 2) * special.erfcx(a / np.sqrt(2)))
    else:
        other = -0.5 * (z + a) ** 2 - np.log(sigma * np.sqrt(2 * np.pi)) - special.log_ndtr(-a)
    return min(0.0, float((pareto - other).sum())), (float(np.log(threshold)) - a * sigma, sigma)


def _variation_p_value(
    variation: float, size: int, n_resamples: int, key: NDArray[np.uint64], progress: bool
) -> float:
    """How often an exponential sample varies as little: an exact Monte Carlo test (Barnard 1963)."""
    as_small = 0
    for first, stop in resamples(n_resamples, size, progress):
        squares = np.empty(stop - first)
        bootstrap_variation(key, size, first, squares)
        as_small += int((squares <= (1 + variation**2) * (1 + 1e-12)).sum())
    return (1 + as_small) / (1 + n_resamples)
