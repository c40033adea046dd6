"""One sample above its threshold, for estimators that a likelihood defines."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from desgd_fast.common import check
from desgd_fast.common.rng import RNG
from desgd_fast.tails import checks, samples, thresholds
from desgd_fast.tails.engine import TIES, UNCOUNTED
from desgd_fast.tails.fit.distance import log_ratios
from desgd_fast.tails.results import TailEstimate

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """Where in a sample its tail begins, and what was left out of it."""

    k: int
    threshold: float
    n_used: int
    n_dropped: int
    n_censored: int = 0
    n_ties: int = 0


@dataclass(frozen=True)
class Exceedances(Place):
    """The k largest values of a sample: log X/threshold in ascending order; the censored ones are inf."""

    logs: Array = field(default_factory=lambda: np.empty(0))


def magnitudes(name: str, x: ArrayLike, tail: str) -> Array:
    """What the chosen tail measures of one sample's values."""
    values = check.real_array(name, x, finite=False)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional here, got shape {values.shape}")
    tail = check.choice("tail", tail, samples.SIDES)
    return np.abs(values) if tail == "abs" else (values if tail == "upper" else -values)


def exceedances(values: Array, k: Any, *, nan_policy: str, rng: RNG, censoring: bool = False) -> Exceedances:
    """The k largest of positive values, k given or chosen by a rule."""
    sample = samples.read(
        values, None, tail="upper", nan_policy=nan_policy, on_infinite="censor" if censoring else None
    )
    checked = checks.threshold_count("k", k, thresholds.RULES, (), values.size)
    if sample.nan_policy != "omit":
        checks.no_missing("x", int(np.isnan(values).sum()))
    top = next(samples.top_values(sample, values.size))
    n, censored = int(top.n_positive[0]), int(top.n_infinite[0])
    checks.enough_positive("x", n - censored, 2, "upper")
    with np.errstate(all="ignore"):
        chosen = int(thresholds.Choice(checked, rng)(top)[0])
    checks.threshold_below("k", chosen, n - 1, n)
    checks.threshold_above("k", chosen, censored)
    tail = top.ordered[0, -chosen - 1 :]
    finite = tail[: tail.size - censored]
    checks.some_spread("x", bool(finite[-1] > finite[0]), chosen)
    logs = log_ratios(finite[1:], float(finite[0]))
    return Exceedances(
        k=chosen,
        threshold=float(finite[0]),
        n_used=n,
        n_dropped=int(top.n_zero[0] + top.n_nan[0]),
        n_censored=censored,
        n_ties=int((np.diff(finite) == 0).sum()),
        logs=np.append(logs, np.full(censored, np.inf)),
    )


def estimate(
    place: Place,
    *,
    xi: float,
    xi_stderr: float,
    interval: tuple[float, float],
    level: float,
    warnings: tuple[str, ...] = (),
    **words: Any,
) -> TailEstimate:
    """The result of one sample."""
    alpha = 1 / xi if xi > 0 else np.inf
    notes: tuple[str, ...] = ()
    if place.n_ties:
        notes = (f"{place.n_ties} ties among the largest values: {TIES}",)
    result = TailEstimate(
        alpha=alpha,
        xi=xi,
        stderr=xi_stderr * alpha**2,
        xi_stderr=xi_stderr,
        ci_low=interval[0],
        ci_high=interval[1],
        level=level,
        k=place.k,
        threshold=place.threshold,
        n_used=place.n_used,
        n_dropped=place.n_dropped,
        n_censored=place.n_censored,
        n_ties=place.n_ties,
        sensitivity=None,
        estimator="",
    )
    return replace(result, **words, warnings=notes + warnings)


def left_out(k: Any) -> tuple[str, ...]:
    """What the interval at a k that a rule chose leaves out."""
    return (UNCOUNTED,) if isinstance(k, str) else ()


def gamma_interval(xi: float, shape: float, level: float) -> tuple[float, float]:
    """For alpha, where shape·xi-hat/xi is a Gamma(shape, 1) variate."""
    outside = (1 - level) / 2
    low, high = special.gammaincinv(shape, outside), special.gammainccinv(shape, outside)
    with np.errstate(over="ignore"):  # of next to nothing, at levels next to 1
        return float(low / (shape * xi)), float(high / (shape * xi))


def likelihood_interval(
    deviance: Callable[[float], float], best: float, level: float, low: float, high: float
) -> tuple[float, float]:
    """Where the deviance, 0 at the best value, stays below the chi-square quantile; at most [low, high]."""
    bound = 2 * float(special.gammaincinv(0.5, level))

    def above(value: float) -> float:
        return deviance(value) - bound

    def end(edge: float) -> float:
        if above(edge) <= 0:
            return edge
        return float(optimize.brentq(above, edge, best, xtol=1e-14 * abs(edge - best), maxiter=1000))

    return end(low), end(high)
