"""One estimate per sample, in bulk: choose k, evaluate, add the interval, collect."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from desgd_fast.common import check
from desgd_fast.common.rng import RNG
from desgd_fast.kernels.tails import selection as kernels
from desgd_fast.kernels.tails.dependence import measure_dependence
from desgd_fast.tails import checks, thresholds
from desgd_fast.tails.intervals import classical
from desgd_fast.tails.results import TailEstimate
from desgd_fast.tails.samples import Samples, TopValues, top_values

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

# Thresholds at which sensitivity is reported, as multiples of k.
SENSITIVITY_GRID = 2.0 ** (np.arange(-4, 5) / 4)
# What ties do, and what to do about them.
TIES = "rounding makes the interval too narrow (whole numbers: tails.zeta; a limit: tails.censored_hill)"
# Standard errors of alpha between those thresholds that one Pareto sample in 500 exceeds by chance.
DRIFT = 4.5
# What an interval at a k that a rule chose leaves out, and in how many samples it holds alpha
# (docs/calibration.md).
UNCOUNTED = (
    "the interval leaves out the bias, which the rule for k makes as large as the spread: on laws other than "
    "Pareto it holds alpha in 0 to 95 % of samples; tail_index counts the bias"
)


@dataclass(frozen=True)
class Evaluation:
    """xi of some samples at their k, and what its interval needs."""

    xi: Array
    n_ties: Counts
    # M1, M2, and the derivatives of xi by them; for dependent data.
    moments: Array
    slopes: Array


@dataclass(frozen=True)
class Estimator:
    """What the engine must know of an estimator."""

    name: str
    evaluate: Callable[[TopValues, Counts, Counts], Evaluation]
    # k times the variance of xi-hat; None for the chi-square law.
    variance: Callable[[Array], Array] | None = None
    # The threshold of k is the order statistic stride·k + offset, counted from the largest.
    stride: int = 1
    offset: int = 1
    least: int = 2
    # Largest values that count only as larger than the others.
    trim: int = 0
    # Whether the whole sample is needed whatever k is.
    whole: bool = False
    # What its interval leaves out, and whether it does so at any k and not only at that of a rule.
    omits: str = UNCOUNTED
    always: bool = False

    def rank(self, k: Counts) -> Counts:
        """The order statistic that k puts the threshold at."""
        return self.stride * k + self.offset

    def most(self, n: Counts | int) -> Any:
        """The largest k that n values can serve."""
        return (n - self.offset) // self.stride

    def censored(self, top: TopValues) -> Counts:
        """How many of the largest values count only as larger than the others."""
        return top.n_infinite + self.trim

    def served(self, top: TopValues, k: Counts) -> Counts:
        """K where the values at hand can serve it, else 0, for which kernels read nothing."""
        at_hand = np.minimum(top.n_positive, top.ordered.shape[1])
        fits = (k <= self.most(at_hand)) & (k > self.censored(top)) & (top.n_positive >= self.least)
        return np.where(fits, k, 0)


def alpha_of(xi: Array) -> Array:
    """1/xi where that is a tail index, inf where xi ≤ 0 says there is none, nan where xi is nan."""
    with np.errstate(divide="ignore"):
        return np.asarray(1 / np.maximum(xi, 0.0))


def order_statistic(top: TopValues, rank: Counts) -> Array:
    """X_(rank) of each row; nan where there is none."""
    width = top.ordered.shape[1]
    place = np.clip(width - rank, 0, width - 1)[:, np.newaxis]
    values = np.take_along_axis(top.ordered, place, axis=1)[:, 0]
    return np.where((rank >= 1) & (rank <= np.minimum(top.n_positive, width)), values, np.nan)


def log_moments(top: TopValues, k: Counts, censored: Counts) -> tuple[Array, Counts]:
    """(M1, M2) of the log excesses over X_(k+1), and ties."""
    moments, ties = np.empty((len(k), 2)), np.empty(len(k), np.int64)
    kernels.measure_log_excesses(top.ordered, k, censored, moments, ties)
    return moments, ties


def positive(xi: Array) -> Array:
    """What is above 0, else nan."""
    return np.where(xi > 0, xi, np.nan)


def hill(top: TopValues, k: Counts, censored: Counts) -> Evaluation:
    """M1; equal values above the threshold tell nothing."""
    moments, ties = log_moments(top, k, censored)
    return Evaluation(positive(moments[:, 0]), ties, moments, np.broadcast_to([1.0, 0.0], moments.shape))


def moment_xi(first: Array, second: Array) -> Array:
    """M1 + 1 − ½/(1 − M1²/M2); nan at k = 1, where M2 = M1²."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 1 - first**2 / second
        return np.where(ratio > 1e-14, first + 1 - 0.5 / ratio, np.nan)


def moment(top: TopValues, k: Counts, censored: Counts) -> Evaluation:
    """The moment estimator."""
    moments, ties = log_moments(top, k, censored)
    first, second = moments.T
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 1 - first**2 / second
        slopes = np.stack([1 - first / (second * ratio**2), 0.5 * first**2 / (second**2 * ratio**2)], axis=1)
    return Evaluation(moment_xi(first, second), ties, moments, slopes)


def pickands(top: TopValues, k: Counts, censored: Counts) -> Evaluation:
    """log₂[(X_(k) − X_(2k))/(X_(2k) − X_(4k))]."""
    high, middle, low = (order_statistic(top, multiple * k) for multiple in (1, 2, 4))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        xi = np.log2(high - middle) - np.log2(middle - low)
    xi = np.where(np.isfinite(xi), xi, np.nan)
    nothing = np.full((len(k), 2), np.nan)
    _, ties = log_moments(top, 4 * k - 1, censored)
    return Evaluation(xi, ties, nothing, nothing)


def smoothed_hill(ratio: int) -> Callable[[TopValues, Counts, Counts], Evaluation]:
    """The mean of H_j over j = k + 1 … ratio·k."""

    def evaluate(top: TopValues, k: Counts, censored: Counts) -> Evaluation:
        most = ratio * k
        moments, ties = log_moments(top, most, censored)
        xi = np.empty(len(k))
        kernels.average_hill(top.ordered, k, most, censored, xi)
        return Evaluation(positive(xi), ties, moments, np.full((len(k), 2), np.nan))

    return evaluate


def bias_reduced(top: TopValues, k: Counts, censored: Counts) -> Evaluation:
    """Hill's estimate times 1 − beta/(1 − rho)·(n/k)^rho, rho and beta estimated far below the threshold."""
    moments, ties = log_moments(top, k, censored)
    rho, beta = thresholds.second_order(top).T
    with np.errstate(all="ignore"):
        factor = 1 - beta / (1 - rho) * (top.n_positive / k) ** rho
    return Evaluation(
        positive(moments[:, 0]) * factor, ties, moments, np.stack([factor, np.zeros(len(k))], axis=1)
    )


@dataclass
class Collected:
    """Columns of the result over all samples."""

    xi: Array
    n_exponentials: Array
    quantile: Array
    threshold: Array
    k: Counts
    n_used: Counts
    n_dropped: Counts
    n_censored: Counts
    n_ties: Counts
    sensitivity: Array

    @classmethod
    def empty(cls, n: int) -> "Collected":
        """Room for n samples."""
        xi, n_exponentials, quantile, threshold = np.empty((4, n))
        k, n_used, n_dropped, n_censored, n_ties = np.empty((5, n), np.int64)
        sensitivity = np.full((2, n), np.nan)
        return cls(
            xi, n_exponentials, quantile, threshold, k, n_used, n_dropped, n_censored, n_ties, sensitivity
        )


def estimate(
    samples: Samples,
    estimator: Estimator,
    k: Any,
    *,
    level: float,
    sensitivity: bool | None,
    rng: RNG = None,
    dependent: bool = False,
    block_length: int | None = None,
    shrink: int = 1,
    beside: Callable[[TopValues], None] | None = None,
) -> TailEstimate:
    """Run an estimator over all samples; a rule's k is divided by ``shrink``.

    ``beside`` is given whole samples in order, for an interval that takes the place of this one.
    """
    level = check.fraction("level", level)
    n_samples, n = samples.rows.shape
    checked = checks.threshold_count("k", k, thresholds.RULES, samples.shape, n)
    spread = not samples.bulk if sensitivity is None else check.flag("sensitivity", sensitivity)
    dependent = check.flag("dependent", dependent)
    length = 0 if block_length is None else check.integer("block_length", block_length, 1, max(1, n // 2))
    choose = thresholds.Choice(checked, rng)
    reach = 2 if spread else 1
    whole = estimator.whole or beside is not None
    needed = n if whole else choose.least_values(n, lambda k: estimator.rank(reach * k))
    out = Collected.empty(n_samples)
    for top in top_values(samples, needed):
        if not samples.bulk:
            checks.enough_positive("x", int(top.n_positive[0]), estimator.least, samples.tail)
        chosen = choose(top)
        if isinstance(checked, str) and shrink > 1:
            chosen = np.maximum(1, chosen // shrink)
        _fill(out, samples, estimator, top, chosen, (level, dependent, length))
        if spread:
            out.sensitivity[:, top.where] = _sensitivity(estimator, top, chosen)
        if beside is not None:
            beside(top)
    notes = choose.notes
    if (estimator.always or isinstance(checked, str)) and beside is None:
        notes = [*notes, estimator.omits]
    return _package(out, samples, estimator, (level, spread, dependent), notes)


def _fill(
    out: Collected,
    samples: Samples,
    estimator: Estimator,
    top: TopValues,
    k: Counts,
    settings: tuple[float, bool, int],
) -> None:
    """Estimates of one chunk of samples; a single one that admits none raises, many are nan."""
    level, dependent, length = settings
    where = top.where
    censored = estimator.censored(top)
    if not samples.bulk:
        n_positive = int(top.n_positive[0])
        checks.threshold_below("k", int(k[0]), estimator.most(n_positive), n_positive)
        checks.threshold_above("k", int(k[0]), int(censored[0]))
    served = estimator.served(top, k)
    if samples.nan_policy == "propagate":
        served = np.where(top.n_nan == 0, served, 0)
    result = estimator.evaluate(top, served, censored)
    if not samples.bulk and served[0]:
        spread = bool(result.moments[0, 0] > 0 or not np.isnan(result.xi[0]))
        checks.some_spread("x", spread, int(k[0]))
    possible = served > 0
    rank = estimator.rank(served)
    out.xi[where] = result.xi
    out.k[where] = k
    out.threshold[where] = np.where(possible, order_statistic(top, rank), np.nan)
    out.n_used[where] = top.n_positive
    out.n_dropped[where] = top.n_zero + top.n_nan
    out.n_censored[where] = top.n_infinite
    out.n_ties[where] = result.n_ties
    out.n_exponentials[where] = k - censored
    out.quantile[where] = -special.ndtri((1 - level) / 2)
    if dependent:
        found = np.empty((len(k), 3))
        threshold = np.where(possible, order_statistic(top, served + 1), np.nan)
        measure_dependence(
            samples.rows[where],
            samples.side,
            threshold,
            np.ascontiguousarray(result.moments),
            np.ascontiguousarray(result.slopes),
            length,
            found,
        )
        variance, freedom, _ = found.T
        independent = result.xi**2 if estimator.variance is None else estimator.variance(result.xi)
        # The number of independent exceedances that would leave the same variance.
        with np.errstate(divide="ignore", invalid="ignore"):
            out.n_exponentials[where] = independent * np.square(k.astype(np.float64)) / variance
        out.quantile[where] = -special.stdtrit(freedom, (1 - level) / 2)


def _sensitivity(estimator: Estimator, top: TopValues, k: Counts) -> Array:
    """Lowest and highest alpha over the grid of thresholds around k, (2, n_samples)."""
    low, high = np.full(len(k), np.inf), np.full(len(k), -np.inf)
    censored, served = estimator.censored(top), estimator.served(top, k)
    for factor in SENSITIVITY_GRID:
        near = estimator.served(top, np.maximum(np.rint(k * factor).astype(np.int64), 1))
        near = np.where(near > 0, near, served)
        alpha = alpha_of(estimator.evaluate(top, near, censored).xi)
        low, high = np.fmin(low, alpha), np.fmax(high, alpha)
    return np.stack([low, high])


def _package(
    out: Collected,
    samples: Samples,
    estimator: Estimator,
    settings: tuple[float, bool, bool],
    notes: list[str],
) -> TailEstimate:
    level, spread, dependent = settings
    xi = out.xi
    n_exponentials = np.where(np.isnan(xi), np.nan, out.n_exponentials)
    alpha = alpha_of(xi)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = xi**2 if estimator.variance is None else estimator.variance(xi)
        xi_stderr = np.sqrt(variance / n_exponentials)
        stderr = np.where(xi > 0, xi_stderr * alpha**2, np.where(np.isnan(xi), np.nan, np.inf))
    if estimator.variance is None and dependent:
        low, high = classical.logarithmic_interval(xi, n_exponentials, out.quantile)
    elif estimator.variance is None:
        low, high = classical.chi_square_interval(xi, n_exponentials, out.quantile)
    else:
        low, high = classical.normal_interval(xi, xi_stderr, out.quantile)

    def shaped(values: NDArray[Any]) -> Any:
        return values.reshape(samples.shape) if samples.bulk else values[0].item()

    return TailEstimate(
        alpha=shaped(alpha),
        xi=shaped(xi),
        stderr=shaped(stderr),
        xi_stderr=shaped(xi_stderr),
        ci_low=shaped(low),
        ci_high=shaped(high),
        level=level,
        k=shaped(out.k),
        threshold=shaped(out.threshold),
        n_used=shaped(out.n_used),
        n_dropped=shaped(out.n_dropped),
        n_censored=shaped(out.n_censored),
        n_ties=shaped(out.n_ties),
        sensitivity=(shaped(out.sensitivity[0]), shaped(out.sensitivity[1])) if spread else None,
        estimator=estimator.name + (", dependent data" if dependent else ""),
        warnings=(*notes, *_warnings(out, samples, dependent, stderr)),
    )


def _warnings(out: Collected, samples: Samples, dependent: bool, stderr: Array) -> list[str]:
    notes = []
    failed = int(np.isnan(out.xi).sum())
    if failed:
        who = f"{failed} of {out.xi.size} samples admit" if samples.bulk else "the sample admits"
        notes.append(f"{who} no estimate at this k")
    tied = int((out.n_ties > 0).sum())
    if tied:
        who = f"{tied} samples have" if samples.bulk else f"{int(out.n_ties[0])}"
        notes.append(f"{who} ties among the largest values: {TIES}")
    censored = int(out.n_censored.sum())
    if censored:
        notes.append(f"{censored} infinite values count as larger than all finite ones")
    with np.errstate(invalid="ignore"):
        drift = (out.sensitivity[1] - out.sensitivity[0]) / stderr
    drifting = int(((drift > DRIFT) & np.isfinite(drift)).sum())
    if drifting:
        one = f"alpha drifts by {drift[0]:.1f} standard errors"
        who = f"{drifting} samples drift" if samples.bulk else one
        notes.append(f"{who} between k/2 and 2k: the bias shows; a smaller k has less")
    if dependent and bool((out.n_exponentials < 10).any()):
        notes.append("dependence leaves fewer than 10 independent exceedances' worth; the interval is rough")
    return notes


HILL = Estimator("Hill", hill)
MOMENT = Estimator(
    "moment",
    moment,
    classical.moment_variance,
    least=3,
    omits="the interval leaves out the bias: long, it holds alpha in about 90 % of samples, but of log-gamma "
    "laws and mixtures in 0 to 80 %; tail_index counts the bias",
)
PICKANDS = Estimator(
    "Pickands",
    pickands,
    classical.pickands_variance,
    stride=4,
    offset=0,
    least=4,
    omits="the interval leaves out the bias: at n/40 it holds alpha in 84 % of samples of 10,000, 40 % of "
    "stable(1.8), and in fewer of larger ones; tail_index counts the bias",
    always=True,
)
BIAS_REDUCED = Estimator(
    "bias-reduced Hill",
    bias_reduced,
    np.square,
    least=5,
    whole=True,
    omits="the interval leaves out the error of the correction: it holds alpha in 70 % of Pareto samples and "
    "in none where rho is near 0; tail_index counts the bias",
    always=True,
)


def trimmed(trim: int) -> Estimator:
    """Hill's estimator without the ``trim`` largest values."""
    return Estimator(f"Hill without the {trim} largest", hill, least=trim + 2, trim=trim)


def smoothed(ratio: int) -> Estimator:
    """The smoothed Hill estimator; its variance is that of Resnick & Stărică (1997)."""
    shrinkage = 2 / (ratio - 1) * (1 - np.log(ratio) / (ratio - 1))
    return Estimator(
        "smoothed Hill",
        smoothed_hill(ratio),
        lambda xi: np.asarray(xi**2 * shrinkage),
        stride=ratio,
        least=ratio + 1,
    )
