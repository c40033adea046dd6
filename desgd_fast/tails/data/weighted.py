"""The tails of values that stand for more than one each."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.common.rng import RNG
from desgd_fast.tails import checks
from desgd_fast.tails.data import single
from desgd_fast.tails.fit.distance import log_ratios
from desgd_fast.tails.intervals import second_order
from desgd_fast.tails.results import TailEstimate
from desgd_fast.tails.samples import Samples

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
    omitted = single.left_out(k)
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
        warnings=omitted,
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
    squares = float((top**2 * (logs - xi) ** 2).sum())
    if top.min() < 1 and squares > 0:
        effective = min(effective, (xi * total) ** 2 / squares)
    few = (f"the weights leave {effective:.1f} independent values' worth",) if effective < 10 else ()
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
        warnings=single.left_out(k) + few,
    )


def written_out(x: ArrayLike, counts: ArrayLike, tail: str, nan_policy: str) -> Array:
    """Positive values of the tail as many times as they were seen."""
    values, seen = positive_entries(x, counts, tail, nan_policy, whole=True)
    if seen.sum() > MOST_REPEATED:
        raise ValueError(f"counts must be at most {MOST_REPEATED} in all here, got {seen.sum():.0f}")
    return np.repeat(values, seen.astype(np.int64))


def tail_index_of_weights(
    x: ArrayLike, weights: ArrayLike, *, tail: str, level: float, nan_policy: str
) -> TailEstimate:
    """(w_1 + … + w_i)/Σ w takes the place of i/n; a bin counts as many values as Kish (1965) says."""
    level = check.fraction("level", level)
    values, heavy = positive_entries(x, weights, tail, nan_policy, whole=False)
    # Known biases end far beyond any sample.
    n, each = values.size, np.maximum(heavy / heavy.max(), 1e-12)
    above = np.cumsum(each)
    edges = second_order.bin_edges(n, 0)
    edges = np.unique(
        np.minimum(np.searchsorted(above, above[-1] * (edges[1:] / n) * (1 - 1e-12)) + 1, n - 1)
    )
    starts = np.append(0, edges[:-1])
    mass, squares = (np.add.reduceat(part[: edges[-1]], starts) for part in (each, each**2))
    spacings = above[:-1] * log_ratios(values[:-1], values[1:])
    totals = np.add.reduceat(spacings[: edges[-1]], starts) * mass / squares
    ends = np.append(0.0, above[edges - 1]) / above[-1]
    found = second_order.Found.empty(1)
    depth = second_order.posterior(
        totals[np.newaxis], second_order.models(ends, mass**2 / squares, n, 1.0), found.log_xi
    )
    k = int(edges[depth[0] - 1]) if depth[0] else 0
    found.k[0], found.n_used[0], found.n_dropped[0] = k, n, np.size(x) - n
    if k:
        found.threshold[0] = values[k]
        found.n_ties[0] = (np.diff(values[: k + 1]) == 0).sum()
    sample = Samples(values[np.newaxis], (), tail, nan_policy, None)
    return found.package(sample, level, dependent=False)
