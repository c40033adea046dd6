"""Whether a power law describes the tail at all."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.rng import RNG, generator_from, key_from
from desgd_fast.kernels.tails import resampling as tails_resampling
from desgd_fast.tails import checks, thresholds
from desgd_fast.tails.fit.resamples import resamples
from desgd_fast.tails.fit.results import GoodnessOfFit
from desgd_fast.tails.samples import TopValues

Array = NDArray[np.float64]


def count_above(top: TopValues, k: Any, rng: RNG) -> int:
    """A valid k of one sample, by rule or given."""
    n = int(top.n_positive[0])
    checked = checks.threshold_count("k", k, thresholds.RULES, (), top.ordered.shape[1])
    chosen = int(thresholds.Choice(checked, rng)(top)[0])
    checks.threshold_below("k", chosen, n - 1, n)
    checks.some_spread("x", bool(top.ordered[0, -1] > top.ordered[0, -chosen - 1]), chosen)
    return chosen


def log_ratios(values: Array, threshold: float | Array) -> Array:
    """log(X/threshold), also where the quotient leaves the range of doubles."""
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        quotient = values / threshold
        inside = (quotient > 1e-300) & np.isfinite(quotient)
        return np.where(inside, np.log(quotient), np.log(values) - np.log(threshold))


def goodness_of_fit(top: TopValues, k: Any, n_resamples: int, rng: RNG, progress: bool) -> GoodnessOfFit:
    """The bootstrap test; see :func:`desgd_fast.tails.goodness_of_fit`."""
    generator = generator_from(rng)
    chosen = count_above(top, k, generator)
    key = key_from(generator)
    n = int(top.n_positive[0])
    tail = top.ordered[0, -chosen - 1 :]
    logs = log_ratios(tail, tail[0])
    alpha = (chosen + 1) / logs.sum()
    fitted = -np.expm1(-alpha * logs)
    below = np.searchsorted(tail, tail, side="left") / (chosen + 1)
    distance = float(np.abs(fitted - below).max())
    refitted = isinstance(k, str) and k == thresholds.KOLMOGOROV_SMIRNOV
    body = log_ratios(top.ordered[0, top.ordered.shape[1] - n : -chosen - 1], tail[0])
    n_as_far = 0
    for first, stop in resamples(n_resamples, n if refitted else chosen, progress):
        distances = np.empty(stop - first)
        if refitted:
            tails_resampling.bootstrap_refitted_distance(body, chosen + 1, alpha, key, first, distances)
        else:
            tails_resampling.bootstrap_pareto_distance(key, chosen + 1, first, distances)
        # A distance that ties with the data's counts, hence the allowance for rounding.
        n_as_far += int((distances >= distance * (1 - 1e-12)).sum())
    p_value = n_as_far / n_resamples
    return GoodnessOfFit(p_value, distance, float(alpha), float(tail[0]), chosen, n_resamples, refitted)
