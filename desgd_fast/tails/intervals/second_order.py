"""The tail index with an interval that keeps its level when the tail is a power only in the limit."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from desgd_fast.kernels.tails import spacings as kernels
from desgd_fast.kernels.tails.dependence import measure_dependence
from desgd_fast.tails import checks, engine
from desgd_fast.tails import samples as tails_samples
from desgd_fast.tails.intervals import biases
from desgd_fast.tails.results import TailEstimate
from desgd_fast.tails.samples import Samples, TopValues

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

# What known biases leave: exponents of its terms, and the prior variance of each relative to the others.
POWERS = 0.2 * 2.0 ** (np.arange(9) / 2)
SHARES = POWERS**0.8 / (POWERS**0.8).sum()
# Its standard deviations at the deepest threshold.
SCALES = np.array([0.1, 0.4, 1.5])
# Deepest threshold, as a share of the sample; ratio of consecutive ones; least spacings in a bin, a model.
DEEPEST = 0.5
RATIO = 2**-0.5
LEAST_BIN, LEAST_DEPTH = 8, 60
# Probability with which a true model is refused, and the shift between two, in deviations, that refuses.
MISFIT = 0.1
AGREEMENT = 0.7
# Posterior deviations times this: they are for a law drawn from the prior, and too long for most.
SHRINK = 0.9
# In a series spacings of different ranks err together, of which the posterior knows nothing.
SHRINK_DEPENDENT = 1.1
# Dependence multiplies variances; by steps of this ratio, so that models can be kept.
STEP = 2**0.25
# Level of the test for light tails, the share of the sample it looks at, and the least number.
LIGHT_LEVEL = 0.05
LIGHT_SHARE = 0.1
LEAST_LIGHT = 50
LEAST_VALUES = 2


@lru_cache(maxsize=64)
def bin_edges(n: int, censored: int) -> Counts:
    """Ranks that separate the bins: falling by RATIO from half the sample, after the censored values."""
    deepest = min(n - 1, max(int(DEEPEST * n), censored + LEAST_BIN))
    steps = np.arange(int(np.log(deepest) / -np.log(RATIO)) + 1)
    ranks = np.unique((deepest * RATIO**steps).astype(np.int64))
    return np.concatenate([[censored], ranks[(ranks >= censored + LEAST_BIN) | (ranks == deepest)]])


@lru_cache(maxsize=64)
def designs(n: int, censored: int, inflation: float) -> kernels.Designs:
    """Models of the log mean spacings of n values, variances multiplied by ``inflation``."""
    edges = bin_edges(n, censored)
    return models(edges / n, np.diff(edges).astype(np.float64), n, inflation)


def models(ends: Array, masses: Array, n: int, inflation: float) -> kernels.Designs:
    """Models of log means over bins of the given masses, between shares ``ends`` of n values.

    As many exponentials as a bin's mass would leave its mean with the same variance.
    """
    effective = masses / inflation
    n_bins = np.flatnonzero(np.cumsum(masses) >= LEAST_DEPTH) + 1
    if not n_bins.size:
        n_bins = np.array([masses.size])
    middle = np.minimum((ends[:-1] + ends[1:] + 1 / n) / 2, ends[1:])
    known, shares = biases.known(tuple(middle))
    with np.errstate(divide="ignore"):  # some have no share
        log_shares = np.log(shares)
    depths, width = n_bins.size, masses.size
    rotation, ones = np.zeros((depths, width, width)), np.zeros((depths, width))
    shapes, shrinkage = np.zeros((depths, width, len(known))), np.zeros((depths, SCALES.size, width))
    variance, log_weight = np.empty((2, depths, SCALES.size))
    shape_means, shape_squares = np.empty((2, depths, SCALES.size, len(known)))
    root = np.sqrt(special.polygamma(1, effective))
    for d, m in enumerate(n_bins):
        terms = (middle[:m, np.newaxis] / ends[m]) ** POWERS * np.sqrt(SHARES)
        left, singular, _ = np.linalg.svd(terms / root[:m, np.newaxis], full_matrices=True)
        power = np.zeros(m)
        power[: singular.size] = singular**2
        rotation[d, :m, :m] = left.T / root[:m]
        ones[d, :m] = rotation[d, :m, :m].sum(axis=1)
        shapes[d, :m] = rotation[d, :m, :m] @ known[:, :m].T
        shrunk = 1 / (1 + SCALES[:, np.newaxis] ** 2 * power)
        shrinkage[d, :, :m] = shrunk
        variance[d] = 1 / (shrunk * ones[d, :m] ** 2).sum(axis=1)
        log_weight[d] = 0.5 * (np.log(shrunk).sum(axis=1) + np.log(variance[d]))
        shape_means[d] = variance[d, :, np.newaxis] * ((shrunk * ones[d, :m]) @ shapes[d, :m])
        rest = shapes[d, :m] - ones[d, :m, np.newaxis] * shape_means[d][:, np.newaxis]
        shape_squares[d] = (shrunk[:, :, np.newaxis] * rest**2).sum(axis=1)
    critical = special.chdtri(np.maximum(n_bins - 1, 1), MISFIT)
    offsets = special.digamma(effective) - np.log(effective)
    return kernels.Designs(
        n_bins.astype(np.int64),
        masses,
        offsets,
        rotation,
        ones,
        shapes,
        log_shares,
        shrinkage,
        variance,
        log_weight,
        shape_means,
        shape_squares,
        critical,
    )


@dataclass(frozen=True)
class Found:
    """Columns of the result over all samples; ``log_xi`` holds what the kernel finds of it."""

    log_xi: Array
    threshold: Array
    gini: Array
    inflation: Array
    k: Counts
    n_used: Counts
    n_dropped: Counts
    n_censored: Counts
    n_ties: Counts

    @classmethod
    def empty(cls, n: int) -> "Found":
        """Room for n samples, of which nothing is known."""
        threshold, gini = np.full((2, n), np.nan)
        k, n_used, n_dropped, n_censored, n_ties = np.zeros((5, n), np.int64)
        return cls(
            np.full((n, 3), np.nan), threshold, gini, np.ones(n), k, n_used, n_dropped, n_censored, n_ties
        )

    def light(self, k: Counts) -> NDArray[np.bool_]:
        """Where the excesses over the k largest are no heavier than exponential."""
        with np.errstate(invalid="ignore"):
            deviates = np.sqrt(12 * (k - 1) / self.inflation) * (self.gini - 0.5)
            return np.asarray(deviates < special.ndtri(1 - LIGHT_LEVEL))

    def package(self, samples: Samples, level: float, dependent: bool) -> TailEstimate:
        """The estimates, in the shape of the samples."""
        shrink = SHRINK_DEPENDENT if dependent else SHRINK
        log_xi, spread = self.log_xi[:, kernels.CENTRE], shrink * self.log_xi[:, kernels.SPREAD]
        alpha, xi = np.exp(-log_xi), np.exp(log_xi)
        with np.errstate(over="ignore"):  # at levels next to 1
            reach = np.exp(special.ndtri((1 + level) / 2) * spread)

        def shaped(values: NDArray[Any]) -> Any:
            return values.reshape(samples.shape) if samples.bulk else values[0].item()

        return TailEstimate(
            alpha=shaped(alpha),
            xi=shaped(xi),
            stderr=shaped(alpha * spread),
            xi_stderr=shaped(xi * spread),
            ci_low=shaped(alpha / reach),
            ci_high=shaped(alpha * reach),
            level=level,
            k=shaped(self.k),
            threshold=shaped(self.threshold),
            n_used=shaped(self.n_used),
            n_dropped=shaped(self.n_dropped),
            n_censored=shaped(self.n_censored),
            n_ties=shaped(self.n_ties),
            sensitivity=None,
            estimator="tail index" + (", dependent data" if dependent else ""),
            warnings=tuple(self._warnings(samples)),
        )

    def doubts(self, samples: Samples) -> list[str]:
        """Where there is no tail index to speak of."""
        notes = []
        light = self.light(light_count(self.n_used))
        if light.any():
            notes.append(
                f"no power tail is seen{_where(light, samples)}: the largest values exceed the "
                f"{100 * (1 - LIGHT_SHARE):g}% quantile no more unevenly than exponential ones "
                f"(Gini's index, test at {100 * LIGHT_LEVEL:g}%)"
            )
        failed = np.isnan(self.log_xi[:, kernels.CENTRE])
        if failed.any():
            notes.append(
                f"no interval that counts the bias{_where(failed, samples)}: "
                "too few values, or too many equal ones"
            )
        return notes

    def _warnings(self, samples: Samples) -> list[str]:
        notes = self.doubts(samples)
        tied = self.n_ties > 0
        if tied.any():
            notes.append(
                f"ties above the threshold{_where(tied, samples)}: rounding makes the interval too narrow"
            )
        censored = int(self.n_censored.sum())
        if censored:
            notes.append(f"{censored} infinite values count as larger than all finite ones")
        return notes


def _where(rows: NDArray[np.bool_], samples: Samples) -> str:
    """In how many of many samples."""
    return f" in {int(rows.sum())} of {rows.size} samples" if samples.bulk else ""


def light_count(n: Counts) -> Counts:
    """Excesses that the test for light tails looks at."""
    return np.maximum((LIGHT_SHARE * n).astype(np.int64), np.minimum(LEAST_LIGHT, n // 2))


def fill(found: Found, samples: Samples, top: TopValues, level: float, length: int | None) -> None:
    """Estimates of one chunk of samples; ``length`` of the blocks of dependent data, 0 for the rule's."""
    where = top.where
    found.n_used[where] = top.n_positive
    found.n_dropped[where] = top.n_zero + top.n_nan
    found.n_censored[where] = top.n_infinite
    possible = (top.n_positive >= LEAST_VALUES) & (top.n_positive - 1 > top.n_infinite)
    if samples.nan_policy == "propagate":
        possible &= top.n_nan == 0
    rows = np.arange(where.start, where.stop)
    _infer(found, top, np.flatnonzero(possible))
    k = np.maximum(found.k[where], 1)
    estimated = found.k[where] > 0
    moments, ties = engine.log_moments(top, k, top.n_infinite)
    found.n_ties[where] = np.where(estimated, ties, 0)
    found.threshold[where] = np.where(estimated, engine.order_statistic(top, k + 1), np.nan)
    if length is not None:
        blocks = np.empty((len(k), 3))
        slopes = np.broadcast_to([1.0, 0.0], moments.shape)
        measure_dependence(
            samples.rows[where],
            samples.side,
            found.threshold[where],
            moments,
            np.ascontiguousarray(slopes),
            length,
            blocks,
        )
        found.inflation[where] = inflation(blocks, moments[:, 0], k, (1 - level) / 2)
        _infer(found, top, np.flatnonzero(estimated))
    testable = np.flatnonzero(possible & (top.n_infinite == 0) & (top.n_positive > 10))
    gini = np.empty(testable.size)
    kernels.measure_inequality(top.ordered[testable], light_count(top.n_positive[testable]), gini)
    found.gini[rows[testable]] = gini


def inflation(blocks: Array, xi: Array, k: Counts, tail_mass: float) -> Array:
    """What dependence multiplies the variance of Hill's k·xi by, its uncertainty counted: a power of STEP.

    At least 1, as if all k were independent, and at most k, as if they were one.
    """
    variance, freedom, _ = blocks.T
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = variance / (k * xi**2) * (special.stdtrit(freedom, tail_mass) / special.ndtri(tail_mass)) ** 2
        steps = np.ceil(np.log(np.clip(ratio, 1.0, k)) / np.log(STEP))
    return np.asarray(STEP ** np.where(np.isfinite(steps), steps, 0.0))


def _infer(found: Found, top: TopValues, places: Counts) -> None:
    """The posterior of the given rows of the chunk, together those that share a model."""
    rows = top.where.start + places
    kinds = np.stack([top.n_positive[places], top.n_infinite[places], found.inflation[rows]], axis=1)
    for n, censored, factor in np.unique(kinds, axis=0):
        alike = (kinds == (n, censored, factor)).all(axis=1)
        edges = bin_edges(int(n), int(censored))
        ordered = (
            top.ordered if alike.size == len(top.ordered) and alike.all() else top.ordered[places[alike]]
        )
        totals, result = np.empty((len(ordered), edges.size - 1)), np.empty((len(ordered), 3))
        kernels.sum_spacings(ordered, edges, totals)
        n_bins = posterior(totals, designs(int(n), int(censored), float(factor)), result)
        found.log_xi[rows[alike]] = result
        found.k[rows[alike]] = np.where(n_bins > 0, edges[n_bins], 0)


def posterior(totals: Array, models: kernels.Designs, found: Array) -> Counts:
    """Fills ``found`` with the posterior of each row of bin totals; how many bins it rests on, 0 if none."""
    kernels.weigh_biases(totals, models, AGREEMENT, found)
    depth = found[:, kernels.DEPTH].astype(np.int64)
    return np.where(depth >= 0, models.n_bins[depth], 0)


def measure(samples: Samples, level: float, length: int | None) -> Found:
    """The posterior of every sample; ``length`` as for :func:`fill`."""
    found = Found.empty(len(samples.rows))
    for top in tails_samples.top_values(samples, samples.rows.shape[1]):
        if not samples.bulk:
            checks.enough_positive("x", int(top.n_positive[0]), LEAST_VALUES, samples.tail)
            checks.threshold_above("x", int(top.n_positive[0]) - 1, int(top.n_infinite[0]))
        fill(found, samples, top, level, length)
    return found


def count_bias(estimate: TailEstimate, found: Found, samples: Samples, dependent: bool) -> TailEstimate:
    """The estimate with the interval of :func:`tail_index`, stretched to alpha where that lies outside."""
    counted = found.package(samples, estimate.level, dependent)
    alpha = np.asarray(estimate.alpha, np.float64)
    known = np.isfinite(alpha)
    low = np.where(known, np.minimum(alpha, np.asarray(counted.ci_low)), np.nan)
    high = np.where(known, np.maximum(alpha, np.asarray(counted.ci_high)), np.nan)
    return replace(
        estimate,
        ci_low=low if samples.bulk else low.item(),
        ci_high=high if samples.bulk else high.item(),
        warnings=(*estimate.warnings, *found.doubts(samples)),
    )
