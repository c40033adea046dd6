"""Hill's estimator where a known limit hides the largest values, or keeps them out of the sample."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from desgd_fast.common import check
from desgd_fast.common.rng import RNG
from desgd_fast.tails.data import single
from desgd_fast.tails.results import TailEstimate


def censored_hill(
    x: ArrayLike,
    k: Any = "min-amse",
    *,
    limit: float,
    tail: str = "abs",
    level: float = 0.95,
    nan_policy: str = "raise",
    rng: RNG = None,
) -> TailEstimate:
    """Hill's estimator where a value at a known limit stands for any value beyond it.

    Of the k values above the threshold t = X_(k+1), D lie below the limit c and m = k − D reach it. The most
    likely xi is [Σ log(X_i/t) + m·log(c/t)]/D (exponentials censored at a fixed time, Lawless 2003, section
    4.1; for tails Beirlant, Guillou, Dierckx & Fils-Villetard 2007). The interval for alpha treats
    2·alpha·D·xi as chi-square with 2D + 1 degrees of freedom (Cox 1953), or 2k where nothing is censored,
    which is exact. It assumes a Pareto law from the threshold to the limit.

    Parameters
    ----------
    x : (n,) array_like
        One sample. Values of ``limit`` or more, infinite ones too, count as censored.
    k : int, float or str
        As for :func:`hill`; of a rule the censored values come on top.
    limit : float
        The largest value that the measurement can show.
    tail, nan_policy, rng
        As for :func:`hill`; of ``"lower"`` the limit bounds −x. No ``"propagate"``.
    level : float
        Confidence level.

    Returns
    -------
    TailEstimate
        ``n_censored`` values reached the limit.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.minimum(np.random.default_rng(0).pareto(1.5, 10_000) + 1, 20.0)
    >>> result = tails.censored_hill(x, 1000, limit=20.0)
    >>> bool(result.ci_low < 1.5 < result.ci_high)
    True
    >>> bool(result.n_censored == np.sum(x == 20))
    True
    """
    limit = check.positive_number("limit", limit)
    level = check.fraction("level", level)
    values = single.magnitudes("x", x, tail)
    values = np.where(values >= limit, np.inf, values)
    found = single.exceedances(values, k, nan_policy=nan_policy, rng=rng, censoring=True)
    seen = found.k - found.n_censored
    total = found.logs[:seen].sum() + found.n_censored * (np.log(limit) - np.log(found.threshold))
    xi = float(total / seen)
    shape = seen + (0.5 if found.n_censored else 0.0)
    low, high = single.gamma_interval(xi * seen / shape, shape, level)
    return single.estimate(
        found,
        xi=xi,
        xi_stderr=xi / seen**0.5,
        interval=(low, high),
        level=level,
        estimator=f"Hill censored at {limit:g}",
        warnings=single.left_out(k),
    )


def truncated_hill(
    x: ArrayLike,
    k: Any = "min-amse",
    *,
    upper: float,
    tail: str = "abs",
    level: float = 0.95,
    nan_policy: str = "raise",
    rng: RNG = None,
) -> TailEstimate:
    """Hill's estimator of a tail that a known upper bound cuts off: no larger value can be in the sample.

    Given the threshold t = X_(k+1), the logarithms y = log(X_i/t) are exponential, cut off at
    L = log(upper/t); the most likely alpha solves 1/alpha − L/(e^(alpha·L) − 1) = mean(y) (Aban, Meerschaert
    & Panorska 2006, Theorem 2, with the bound known). The interval holds the alpha ≥ 0 whose likelihood
    ratio stays below the chi-square quantile. Where mean(y) ≥ L/2 the values crowd towards the bound
    and no alpha > 0 is most likely: alpha is 0, with a warning.

    Parameters
    ----------
    x : (n,) array_like
        One sample.
    k : int, float or str
        As for :func:`hill`.
    upper : float
        The bound; a value above it is an error.
    tail, nan_policy, rng
        As for :func:`hill`; of ``"lower"`` it bounds −x. No ``"propagate"``.
    level : float
        Confidence level.

    Returns
    -------
    TailEstimate
        alpha of the law before it was cut.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(0).pareto(1.5, 10_000) + 1
    >>> x = x[x < 20]
    >>> result = tails.truncated_hill(x, 1000, upper=20.0)
    >>> bool(result.ci_low < 1.5 < result.ci_high)
    True
    """
    upper = check.positive_number("upper", upper)
    level = check.fraction("level", level)
    values = single.magnitudes("x", x, tail)
    beyond = int((values > upper).sum())
    if beyond:
        raise ValueError(f"x must not exceed upper={upper:g}, got {beyond} values above it")
    found = single.exceedances(values, k, nan_policy=nan_policy, rng=rng)
    length = float(np.log(upper) - np.log(found.threshold))
    # All at the bound have no most likely u, but one as negative as rounding lets it be.
    mean = min(float(found.logs.mean()) / length, 1 - 2**-53)

    def slope(u: float) -> float:
        return cut_mean(u) - mean

    # u = alpha·L: 1/u exceeds the mean, and so does the reflected one for u < 0.
    reach = 2 / min(mean, 1 - mean)
    best = float(optimize.brentq(slope, -reach, reach, xtol=1e-14, rtol=1e-13))

    def deviance(u: float) -> float:
        return 2 * found.k * (log_likelihood(best, mean) - log_likelihood(u, mean))

    low, high = single.likelihood_interval(deviance, best, level, -1e3 * reach, 1e3 * reach)
    alpha, curvature = max(best, 0.0) / length, found.k * cut_variance(best)
    stderr = float(1 / np.sqrt(curvature)) / length
    crowded = () if alpha > 0 else ("the values crowd towards the upper bound: no alpha above 0 fits",)
    return single.estimate(
        found,
        xi=1 / alpha if alpha > 0 else np.inf,
        xi_stderr=stderr / alpha**2 if alpha > 0 else np.inf,
        interval=(max(low, 0.0) / length, max(high, 0.0) / length),
        level=level,
        alpha=alpha,
        stderr=stderr,
        estimator=f"Hill truncated at {upper:g}",
        warnings=single.left_out(k) + crowded,
    )


def cut_mean(u: float) -> float:
    """Mean 1/u − 1/(e^u − 1) of an exponential of rate u cut off at 1; ½ at u = 0."""
    if abs(u) < 1e-3:
        return 0.5 - u / 12 + u**3 / 720
    return 1 / u - (1 / float(np.expm1(u)) if u < 700 else 0.0)


def cut_variance(u: float) -> float:
    """Its variance 1/u² − e^u/(e^u − 1)², 1/12 at u = 0."""
    if abs(u) < 1e-2:
        return 1 / 12 - u**2 / 240
    return 1 / u**2 - (0.25 / float(np.sinh(u / 2)) ** 2 if abs(u) < 700 else 0.0)


def log_likelihood(u: float, mean: float) -> float:
    """log u − log(1 − e^(−u)) − u·mean, per value."""
    if abs(u) < 1e-3:
        return u / 2 - u**2 / 24 - u * mean
    # For u < 0 the same after reflection, which takes no exponential of a large number.
    return float(np.log(abs(u)) - np.log(-np.expm1(-abs(u))) - abs(u) * (mean if u > 0 else 1 - mean))
