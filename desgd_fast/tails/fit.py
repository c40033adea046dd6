"""Whether a power law describes the tail at all."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from desgd_fast.common.rng import RNG, key_from
from desgd_fast.kernels.tails import resampling as tails_resampling
from desgd_fast.tails import checks, thresholds
from desgd_fast.tails.fits import GoodnessOfFit, LikelihoodRatio, TailComparison
from desgd_fast.tails.results import TailEstimate
from desgd_fast.tails.samples import TopValues

ALTERNATIVES = ("lognormal", "exponential")

Array = NDArray[np.float64]


def _count_above(top: TopValues, k: Any, rng: RNG) -> int:
    """A valid k of one sample, by rule or given."""
    n = int(top.n_positive[0])
    checked = checks.threshold_count("k", k, thresholds.RULES, ())
    chosen = int(thresholds.Choice(checked, rng)(top)[0])
    checks.threshold_below("k", chosen, n - 1, n)
    checks.some_spread("x", bool(top.ordered[0, -1] > top.ordered[0, -chosen - 1]), chosen)
    return chosen


def goodness_of_fit(top: TopValues, k: Any, n_resamples: int, rng: RNG) -> GoodnessOfFit:
    """The bootstrap test; see :func:`desgd_fast.tails.goodness_of_fit`."""
    generator = np.random.default_rng(rng)
    chosen = _count_above(top, k, generator)
    key = key_from(generator)
    n = int(top.n_positive[0])
    tail = top.ordered[0, -chosen - 1 :]
    logs = np.log(tail / tail[0])
    alpha = (chosen + 1) / logs.sum()
    fitted = -np.expm1(-alpha * logs)
    below = np.searchsorted(tail, tail, side="left") / (chosen + 1)
    distance = float(np.abs(fitted - below).max())
    distances = np.empty(n_resamples)
    refitted = isinstance(k, str) and k == thresholds.KOLMOGOROV_SMIRNOV
    if refitted:
        body = np.log(top.ordered[0, top.ordered.shape[1] - n : -chosen - 1] / tail[0])
        tails_resampling.bootstrap_refitted_distance(body, chosen + 1, alpha, key, distances)
    else:
        tails_resampling.bootstrap_pareto_distance(key, chosen + 1, distances)
    # A distance that ties with the data's counts, hence the allowance for rounding.
    p_value = float(np.mean(distances >= distance * (1 - 1e-12)))
    return GoodnessOfFit(p_value, distance, float(alpha), float(tail[0]), chosen, n_resamples, refitted)


def fit_lognormal_tail(logs: Array) -> tuple[float, float]:
    """(mu, sigma) of a normal law cut off below 0 that fits logs > 0 best, by maximum likelihood.

    A Pareto tail is its limit mu → −∞, so mu is kept above −10⁴ standard deviations.
    """
    from scipy import optimize

    mean, spread = float(logs.mean()), float(logs.std()) or 1.0

    def negative_likelihood(parameters: Array) -> float:
        mu, sigma = parameters[0] * spread, spread * np.exp(parameters[1])
        z = (logs - mu) / sigma
        return float(np.mean(0.5 * z**2) + np.log(sigma) + special.log_ndtr(mu / sigma))

    starts = [(mean / spread, 0.0), (0.0, 0.5), (-5.0, 1.0), (-30.0, 2.0)]
    bounds = [(-1e4, 1e4), (-10.0, 10.0)]
    found = [
        optimize.minimize(negative_likelihood, start, bounds=bounds, method="L-BFGS-B") for start in starts
    ]
    best = min(found, key=lambda result: result.fun)
    return float(best.x[0] * spread), float(spread * np.exp(best.x[1]))


def likelihood_ratio(top: TopValues, k: Any, alternative: str, rng: RNG) -> LikelihoodRatio:
    """Vuong's test; see :func:`desgd_fast.tails.likelihood_ratio`."""
    chosen = _count_above(top, k, rng)
    tail = top.ordered[0, -chosen - 1 :]
    threshold, values = float(tail[0]), tail[1:]
    logs = np.log(values / threshold)
    alpha = 1 / float(logs.mean())
    # Densities of log(X/threshold): the Jacobian is the same on both sides.
    pareto = np.log(alpha) - alpha * logs
    parameters: tuple[float, ...]
    if alternative == "exponential":
        excess = values / threshold - 1
        rate = 1 / float(excess.mean())
        other = np.log(rate) - rate * excess + logs
        parameters = (rate / threshold,)
    else:
        mu, sigma = fit_lognormal_tail(logs)
        z = (logs - mu) / sigma
        other = -0.5 * z**2 - 0.5 * np.log(2 * np.pi) - np.log(sigma) - special.log_ndtr(mu / sigma)
        parameters = (mu + float(np.log(threshold)), sigma)
    difference = pareto - other
    total = float(difference.sum())
    spread = float(difference.std()) * np.sqrt(chosen)
    # At the boundary where the two laws coincide there is no spread and nothing to tell apart.
    statistic = total / spread if spread > 1e-9 * np.sqrt(chosen) else 0.0
    return LikelihoodRatio(
        total,
        float(statistic),
        float(special.erfc(abs(statistic) / np.sqrt(2))),
        alternative,
        parameters,
        alpha,
        threshold,
        chosen,
    )


def compare(estimates: dict[str, TailEstimate]) -> TailComparison:
    """Pairs of estimates whose intervals do not meet."""
    disagreements = tuple(
        (first, second)
        for first, second in itertools.combinations(estimates, 2)
        if max(estimates[first].ci_low, estimates[second].ci_low)
        > min(estimates[first].ci_high, estimates[second].ci_high)
    )
    return TailComparison(estimates, disagreements)
