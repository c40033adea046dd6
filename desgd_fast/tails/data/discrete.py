"""Tails of whole numbers, whose ties are no rounding but the law itself."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from desgd_fast.common import check
from desgd_fast.tails import checks
from desgd_fast.tails.data import single
from desgd_fast.tails.results import TailEstimate

Array = NDArray[np.float64]

KOLMOGOROV_SMIRNOV = "ks"
# Terms that are summed one by one before the rest is taken by Euler and Maclaurin.
N_TERMS = 32
# Fewer values are not offered as a tail when the threshold is searched for.
LEAST_TAIL = 10


def log_zeta(exponent: float, first: Array | float) -> Array:
    """log Σ_{j ≥ 0} (1 + j/q)^(−s), Hurwitz' zeta function without its leading power, for s > 1 and q ≥ 1."""
    q = np.asarray(first, np.float64)
    j = np.arange(N_TERMS).reshape((-1,) + (1,) * q.ndim)
    head = np.exp(-exponent * np.log1p(j / q)).sum(axis=0)
    end = q + N_TERMS
    ratio = exponent / end
    second, third = (exponent + 1) / end, (exponent + 2) / end
    # Over q, which may be as large as numbers are.
    series = end / q / (exponent - 1) + (0.5 + ratio / 12 - ratio * second * third / 720) / q
    return np.asarray(np.log(q) + np.log(head / q + np.exp(-exponent * np.log1p(N_TERMS / q)) * series))


def zeta(
    x: ArrayLike,
    threshold: int | str = "ks",
    *,
    counts: ArrayLike | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
) -> TailEstimate:
    """The tail index of whole numbers by discrete maximum likelihood.

    From the threshold q on, P(X = x) = x^(−s)/ζ(s, q), ζ being Hurwitz' zeta function; s maximises
    −n·log ζ(s, q) − s·Σ log x (Clauset, Shalizi & Newman 2009, eq. 3.5), and alpha = s − 1 is the index of
    P(X ≥ x). The interval holds the alpha whose likelihood ratio stays below the chi-square quantile. Hill's
    estimator, made for continuous laws, is biased on such data and its interval too narrow.

    Parameters
    ----------
    x : (n,) array_like
        One sample of whole numbers.
    threshold : int or "ks"
        The smallest value of the tail, itself in it; by default the one whose fit is nearest to the data in
        Kolmogorov–Smirnov distance (section 3.3 there). The interval does not know of that search.
    counts : (n,) array_like of int, optional
        How many times each value was observed.
    level : float
        Confidence level.
    nan_policy : {"raise", "omit"}
        What nan and masked values do.

    Returns
    -------
    TailEstimate
        ``k`` counts the observations of the threshold or more.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(0).zipf(2.5, 5000)
    >>> result = tails.zeta(x)
    >>> bool(result.ci_low < 1.5 < result.ci_high)
    True
    >>> values, counts = np.unique(x, return_counts=True)
    >>> tails.zeta(values, counts=counts).alpha == result.alpha
    True
    """
    level = check.fraction("level", level)
    values = single.magnitudes("x", x, "upper")
    weights = np.ones(values.size) if counts is None else checks.counts("counts", counts, values.shape)
    missing = np.isnan(values)
    if check.choice("nan_policy", nan_policy, ("raise", "omit")) == "raise":
        checks.no_missing("x", int(missing.sum()))
    values, weights = values[~missing], weights[~missing]
    checks.whole_numbers("x", values)
    used = (values >= 1) & (weights > 0)
    distinct, place = np.unique(values[used], return_inverse=True)
    seen = np.bincount(place, weights[used], distinct.size).astype(np.float64)
    checks.enough_positive("x", distinct.size, 2, "upper")
    if isinstance(threshold, str):
        check.choice("threshold", threshold, (KOLMOGOROV_SMIRNOV,))
        first = nearest_threshold(distinct, seen)
    else:
        smallest = check.integer("threshold", threshold, 1, 2**53)
        first = int(np.searchsorted(distinct, smallest))
        checks.some_above("threshold", smallest, distinct[-1])
        if distinct[first] > smallest:
            distinct, seen = np.insert(distinct, first, smallest), np.insert(seen, first, 0.0)
    tail = Tail(distinct[first:], seen[first:])
    alpha = tail.most_likely()

    def deviance(other: float) -> float:
        return 2 * (tail.log_likelihood(alpha) - tail.log_likelihood(other))

    low, high = single.likelihood_interval(deviance, alpha, level, alpha * 1e-6, alpha * 1e3)
    stderr = tail.standard_error(alpha)
    return TailEstimate(
        alpha=alpha,
        xi=1 / alpha,
        stderr=stderr,
        xi_stderr=stderr / alpha**2,
        ci_low=low,
        ci_high=high,
        level=level,
        k=int(tail.n),
        threshold=float(tail.values[0]),
        n_used=int(seen.sum()),
        n_dropped=int(missing.sum() + weights[values < 1].sum()),
        n_censored=0,
        n_ties=0,
        sensitivity=None,
        estimator="zeta",
    )


class Tail:
    """Distinct whole numbers from the threshold on, and how often each was seen."""

    def __init__(self, values: Array, seen: Array) -> None:
        self.values, self.seen = values, seen
        self.n = float(seen.sum())
        self.logs = np.log(values / values[0])
        self.mean_log = float((seen * self.logs).sum() / self.n)

    def log_likelihood(self, alpha: float) -> float:
        """Of alpha = s − 1, but for a constant."""
        return -self.n * (float(log_zeta(alpha + 1, self.values[0])) + (alpha + 1) * self.mean_log)

    def most_likely(self) -> float:
        """The alpha of the largest likelihood, which is concave."""
        # The continuous law at the threshold and half a unit below it bracket the discrete one widely.
        most = 100 / self.mean_log
        found = optimize.minimize_scalar(
            lambda log_alpha: -self.log_likelihood(float(np.exp(log_alpha))) / self.n,
            bounds=(np.log(most) - 20, np.log(most)),
            method="bounded",
            options={"xatol": 1e-10},
        )
        return float(np.exp(found.x))

    def standard_error(self, alpha: float) -> float:
        """From the curvature of log ζ, the variance of log X (eq. 3.6 there)."""
        step = 1e-3 * alpha
        around = [float(log_zeta(alpha + 1 + shift, self.values[0])) for shift in (-step, 0.0, step)]
        return float(step / np.sqrt(self.n * (around[0] - 2 * around[1] + around[2])))

    def distance(self) -> float:
        """Largest difference between the fitted and the empirical share of values of x or more."""
        exponent = self.most_likely() + 1
        fitted = np.exp(
            log_zeta(exponent, self.values) - log_zeta(exponent, self.values[0]) - exponent * self.logs
        )
        return float(np.abs(fitted - np.cumsum(self.seen[::-1])[::-1] / self.n).max())


def nearest_threshold(distinct: Array, seen: Array) -> int:
    """The place of the threshold with the smallest distance."""
    above = np.cumsum(seen[::-1])[::-1]
    # Two values are needed, and a tail of a few is always near to some law.
    places = [i for i in range(distinct.size - 1) if i == 0 or above[i] >= LEAST_TAIL]
    return min(places, key=lambda i: Tail(distinct[i:], seen[i:]).distance())
