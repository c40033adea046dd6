"""Hill's estimator of values that stand for more than one each."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.common.rng import RNG
from desgd_fast.tails import checks, single
from desgd_fast.tails.fit import log_ratios
from desgd_fast.tails.results import TailEstimate

Array = NDArray[np.float64]

# Observations that are written out one by one so that a rule can choose k among them.
MOST_REPEATED = 2**24


def positive_entries(
    x: ArrayLike, weights: ArrayLike, tail: str, nan_policy: str, *, whole: bool
) -> tuple[Array, Array]:
    """Positive values of the tail in descending order, and their weights."""
    values = single.magnitudes("x", x, tail)
    if whole:
        checked = checks.counts("counts", weights, values.shape)
    else:
        checked = checks.weights("weights", weights, values.shape)
    missing = np.isnan(values)
    if check.choice("nan_policy", nan_policy, ("raise", "omit")) == "raise":
        checks.no_missing("x", int(missing.sum()))
    checks.no_infinite("x", int(np.isinf(values).sum()), censoring=False)
    used = (values > 0) & (checked > 0) & ~missing
    checks.enough_positive("x", int(used.sum()), 2, tail)
    order = np.argsort(-values[used], kind="stable")
    return values[used][order], checked[used][order]


def hill_of_counts(
    x: ArrayLike, counts: ArrayLike, k: Any, *, tail: str, level: float, nan_policy: str, rng: RNG
) -> TailEstimate:
    """What Hill's estimator gives for ``np.repeat(x, counts)``, which is not written out."""
    level = check.fraction("level", level)
    values, seen = positive_entries(x, counts, tail, nan_policy, whole=True)
    entries = single.magnitudes("x", x, tail)
    dropped = np.asarray(counts, np.float64)[(entries == 0) | np.isnan(entries)].sum()
    n = int(seen.sum())
    if isinstance(k, str):
        if n > MOST_REPEATED:
            raise ValueError(f"k must be a number for counts of more than {MOST_REPEATED} in all, got {k!r}")
        k = single.exceedances(np.repeat(values, seen.astype(np.int64)), k, nan_policy="raise", rng=rng).k
    chosen = checks.count_of(k, n)
    above = np.cumsum(seen)
    last = int(np.searchsorted(above, chosen, side="right"))
    checks.some_spread("x", bool(values[0] > values[last]), chosen)
    logs = log_ratios(values[:last], float(values[last]))
    xi = float((seen[:last] * logs).sum() / chosen)
    distinct = np.unique(values[: last + 1]).size
    return single.estimate(
        single.Place(chosen, float(values[last]), n, int(dropped), n_ties=chosen + 1 - distinct),
        xi=xi,
        xi_stderr=xi / chosen**0.5,
        interval=single.gamma_interval(xi, chosen, level),
        level=level,
        estimator="Hill",
    )


def hill_of_weights(
    x: ArrayLike, weights: ArrayLike, k: Any, *, tail: str, level: float, nan_policy: str, rng: RNG
) -> TailEstimate:
    """Σ w_i·log(X_i/X_(k+1))/Σ w_i over the k largest values, each with its weight.

    The interval is that of so many equally weighted values as would leave the same variance: (Σ w)²/Σ w²
    where weights have nothing to do with size (Kish 1965), and xi²·(Σ w)²/Σ w²(log(X_i/X_(k+1)) − xi)² where
    they have (Binder 1983); the smaller one.
    """
    level = check.fraction("level", level)
    values, heavy = positive_entries(x, weights, tail, nan_policy, whole=False)
    n = values.size
    chosen = (
        single.exceedances(values, k, nan_policy="raise", rng=rng).k
        if isinstance(k, str)
        else checks.count_of(k, n)
    )
    checks.some_spread("x", bool(values[0] > values[chosen]), chosen)
    logs, top = log_ratios(values[:chosen], float(values[chosen])), heavy[:chosen] / heavy[:chosen].max()
    total = float(top.sum())
    xi = float((top * logs).sum() / total)
    effective = total**2 / float((top**2).sum())
    if top.min() < 1:
        effective = min(effective, (xi * total) ** 2 / float((top**2 * (logs - xi) ** 2).sum()))
    return single.estimate(
        single.Place(
            chosen,
            float(values[chosen]),
            n,
            np.size(x) - n,
            n_ties=int((np.diff(values[: chosen + 1]) == 0).sum()),
        ),
        xi=xi,
        xi_stderr=xi / effective**0.5,
        interval=single.gamma_interval(xi, effective, level),
        level=level,
        estimator="weighted Hill",
        warnings=(f"the weights leave {effective:.1f} independent values' worth",) if effective < 10 else (),
    )
