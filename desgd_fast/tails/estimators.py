"""Tail indices from samples, each with an interval: nothing here needs a simulation.

P(X > t) ~ c·t^(−alpha); xi = 1/alpha. Every estimator takes a vector, or an array of many samples and
``axis=``, and gives a :class:`TailEstimate`. Throughout X_(1) ≥ X_(2) ≥ … are the positive values
of the chosen tail, n their number, and **k counts the order statistics above the threshold**
X_(k+1), 1 ≤ k ≤ n − 1.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.common import threads as common_threads
from desgd_fast.common.rng import RNG, generator_from, key_from
from desgd_fast.kernels.tails import selection as kernels
from desgd_fast.tails import blocks, checks, engine, thresholds
from desgd_fast.tails import samples as tails_samples
from desgd_fast.tails.data import weighted
from desgd_fast.tails.fit import comparison, distance, rivals
from desgd_fast.tails.fit.results import GoodnessOfFit, LikelihoodRatio, TailComparison, ThresholdChoice
from desgd_fast.tails.intervals import second_order
from desgd_fast.tails.results import TailEstimate, TailPath

__all__ = [
    "GoodnessOfFit",
    "LikelihoodRatio",
    "TailComparison",
    "TailEstimate",
    "TailPath",
    "ThresholdChoice",
    "bias_reduced_hill",
    "compare",
    "double_bootstrap",
    "goodness_of_fit",
    "hill",
    "hill_path",
    "ks_threshold",
    "likelihood_ratio",
    "mmo",
    "moment",
    "moment_path",
    "norms",
    "pickands",
    "smoothed_hill",
    "tail_index",
    "trimmed_hill",
]

K = int | float | str | NDArray[np.int64]

# Intervals of Hill's estimate.
CLASSICAL, BIAS_AWARE = "classical", "bias-aware"

# Smoothing reaches so many times as far as k at most: no product with a sample's size overflows.
MOST_RATIO = 2**20

# Fewer values than this are measured before a second thread has woken up.
WORTH_THREADS = 2**17


@contextmanager
def _limited(samples: tails_samples.Samples, threads: int | None, k: K = "min-amse") -> Iterator[int]:
    """Where estimates are made: on as many threads as pay, and nan, not NumPy, says what has no answer."""
    resampling = isinstance(k, str) and k == thresholds.DOUBLE_BOOTSTRAP
    alone = threads is None and not resampling and samples.rows.size < WORTH_THREADS
    with common_threads.limited_to(1 if alone else threads) as count, np.errstate(all="ignore"):
        yield count


@contextmanager
def _all_threads(threads: int | None) -> Iterator[None]:
    """As :func:`_limited`, where every thread pays."""
    with common_threads.limited_to(threads), np.errstate(all="ignore"):
        yield


def hill(
    x: ArrayLike,
    k: K = "min-amse",
    *,
    tail: str = "abs",
    axis: int | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
    on_infinite: str = "raise",
    dependent: bool = False,
    block_length: int | None = None,
    weights: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    interval: str | None = None,
    sensitivity: bool | None = None,
    rng: RNG = None,
    threads: int | None = None,
) -> TailEstimate:
    """Hill's estimator: the maximum likelihood tail index of the values above a threshold.

    xi = (1/k) Σ_{i ≤ k} log(X_(i)/X_(k+1)) (Hill 1975). Where a rule chooses k the bias is as large as the
    spread, and the interval counts it: it is that of :func:`tail_index`, stretched to the estimate where that
    lies outside. Where k is given the interval is the classical one, which trusts that the tail above the
    threshold is Pareto.

    Parameters
    ----------
    x : array_like
        The values: a vector, or with ``axis`` an array of any shape with one sample along that axis.
    k : int, float, str or array of int
        Order statistics above the threshold; a fraction in (0, 1) of the positive values; one
        integer per sample; or a rule: ``"min-amse"`` minimises the asymptotic mean square error with
        second-order parameters estimated from the data (deterministic), ``"double-bootstrap"`` is
        Danielsson et al. (2001), see :func:`double_bootstrap`, and ``"ks"`` is Clauset, Shalizi &
        Newman (2009), see :func:`ks_threshold`.
    tail : {"abs", "upper", "lower"}
        Which values make the tail: |x|, x or −x; only positive ones count.
    axis : int, optional
        Axis along which a sample lies; the results have the shape of the others.
    level : float
        Confidence level.
    nan_policy : {"raise", "omit", "propagate"}
        What nan and masked values do.
    on_infinite : {"raise", "censor"}
        Whether infinite values (diverged runs) are an error or count as larger than all others.
    dependent : bool
        Whether each sample is one stationary series in time order. The interval then rests on blocks of
        consecutive values (jackknife over disjoint blocks of the exceedances' influences, with
        Satterthwaite's degrees of freedom); alpha is the same.
    block_length : int, optional
        Length of those blocks; by default the rule of Politis & White (2004).
    weights : (n,) array_like, optional
        How much of the population each value of one sample stands for, up to a factor: over the k largest
        xi = Σ w_i·log(X_(i)/X_(k+1))/Σ w_i, and the interval is that of (Σ w)²/Σ w² values (Kish 1965), or of
        fewer where heavy weights meet unusual values. k counts values; a rule for k sees no weights.
    counts : (n,) array_like of int, optional
        How many times each value of one sample was observed: the same as ``np.repeat(x, counts)``. k counts
        observations.
    interval : {"classical", "bias-aware"}, optional
        ``"classical"`` is [chi²_{2k,δ/2}, chi²_{2k,1−δ/2}]/(2k·xi-hat): for Pareto data k·xi-hat/xi is a
        Gamma(k, 1) variate, and it holds its level exactly. It assumes just that, and leaves out the bias of
        any other law: with k from a rule it holds alpha in 0 to 95 % of samples (docs/calibration.md).
        ``"bias-aware"`` counts the bias, at any k, but not beside weights or counts. By default the second
        where a rule chooses k and there are no weights or counts. ``stderr`` is of the spread alone.
    sensitivity : bool, optional
        Whether to report the range of alpha over thresholds k/2 … 2k; by default for one sample only.
    rng : None, int, Generator, …
        Seed of rules that resample, as for :func:`numpy.random.default_rng`.
    threads : int, optional
        Most threads to use; the numbers do not depend on it.

    Returns
    -------
    TailEstimate

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or the sample has too few values; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(1).pareto(1.5, 100_000) + 1
    >>> result = tails.hill(x, k=5000)
    >>> bool(result.ci_low < 1.5 < result.ci_high)
    True
    >>> tails.hill(x.reshape(100, 1000), k=50, axis=1).alpha.shape
    (100,)
    """
    if weights is not None or counts is not None:
        checks.one_plain_sample(
            weights=weights,
            counts=counts,
            axis=axis,
            dependent=dependent or None,
            block_length=block_length,
            interval=None if interval == CLASSICAL else interval,
            sensitivity=sensitivity,
            on_infinite=None if on_infinite == "raise" else on_infinite,
        )
        plain: dict[str, Any] = {"tail": tail, "level": level, "nan_policy": nan_policy, "rng": rng}
        if counts is not None:
            return weighted.hill_of_counts(x, counts, k, **plain)
        return weighted.hill_of_weights(x, cast(ArrayLike, weights), k, **plain)
    if interval is None:
        interval = BIAS_AWARE if isinstance(k, str) else CLASSICAL
    bias_aware = check.choice("interval", interval, (CLASSICAL, BIAS_AWARE)) == BIAS_AWARE
    samples = tails_samples.read(x, axis, tail=tail, nan_policy=nan_policy, on_infinite=on_infinite)
    posterior = second_order.Found.empty(len(samples.rows))

    def count(top: tails_samples.TopValues) -> None:
        second_order.fill(posterior, samples, top, level, (block_length or 0) if dependent else None)

    with _limited(samples, threads, k):
        found = engine.estimate(
            samples,
            engine.HILL,
            k,
            level=level,
            sensitivity=sensitivity,
            rng=rng,
            dependent=dependent,
            block_length=block_length,
            beside=count if bias_aware else None,
        )
        return second_order.count_bias(found, posterior, samples, dependent) if bias_aware else found


def tail_index(
    x: ArrayLike,
    *,
    tail: str = "abs",
    axis: int | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
    on_infinite: str = "raise",
    dependent: bool = False,
    block_length: int | None = None,
    weights: ArrayLike | None = None,
    counts: ArrayLike | None = None,
    threads: int | None = None,
) -> TailEstimate:
    """The tail index with an interval that counts the bias of a tail that is a power only in the limit.

    The weighted log spacings Z_i = i·log(X_(i)/X_(i+1)) are nearly exponential with mean xi·exp(f(i/n)),
    where f → 0 at the extreme end (Beirlant, Dierckx, Goegebeur & Matthys 1999; Feuerverger & Hall 1999).
    Here f is unknown: 0, or the bias of a law from one of nine families (beta prime, log-gamma and stable
    laws, mixtures, shifted powers, sums of Lomax, inverse gamma or Student values), with prior probabilities
    that make coverage alike (:mod:`desgd_fast.tails.intervals.biases`), plus Σ_j d_j·u^(r_j), r_j from 0.2
    to 3.2, with independent normal d_j of variance ∝ r_j^0.8 whose common scale is 0.1, 0.4 or 1.5: how well
    the family is taken to be known. Means of Z over bins of i, log-normal nearly, give the posterior of log
    xi in closed form. It is taken at the deepest threshold at which the model fits (chi-square at 10 %) and
    agrees with every higher one to within 0.7 deviations (Lepski's rule).

    Parameters
    ----------
    x : array_like
        The values: a vector, or with ``axis`` an array of any shape with one sample along that axis.
    tail, axis, nan_policy, on_infinite, threads
        As for :func:`hill`.
    level : float
        Level of the interval.
    dependent : bool
        Whether each sample is one stationary series in time order: variances are then multiplied by what
        blocks of consecutive values show (as for :func:`hill`), at the chosen threshold.
    block_length : int, optional
        Length of those blocks; by default the rule of Politis & White (2004).
    weights : (n,) array_like, optional
        How much of the population each value of one sample stands for, up to a factor: Z_i is then
        (w_1 + … + w_i)·log(X_(i)/X_(i+1)), and a bin of them counts as (Σ w)²/Σ w² (Kish 1965).
    counts : (n,) array_like of int, optional
        How many times each value of one sample was observed: the same as ``np.repeat(x, counts)``.

    Returns
    -------
    TailEstimate
        Values at a known limit may be given as infinite ones, with ``on_infinite="censor"``.
        ``alpha`` is 1/xi at the posterior mean of log xi, and log alpha is normal about it; k is the deepest
        spacing used.
        ``warnings`` says where no power tail is seen: where the excesses of the largest tenth are no
        heavier than exponential, one-sided at 5 %, by Gini's index, which is exactly a mean of k − 1
        uniforms where they are exponential (Gail & Gastwirth 1978). Weighted values are not tested.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range or the sample has too few values; the message names it.

    Notes
    -----
    No interval can be short and keep its level for every tail (Sasaki & Wang 2022): this one is short where
    the bias is like a known law's, and longer where it is only a smooth sum of powers of size about 1.5 or
    less. It falls short where the sample shows nothing of the tail: for sums of five heavy values or more,
    above all positive ones (five Fréchet(2.5): it holds alpha in half of samples of 10³ and 10⁴; six inverse
    gamma(2): in 0.85; eight Student-t(3): in 0.79), and where the heaviest part is a minority of a hundredth
    or a tenth (a normal law whose largest hundredth is Pareto(1.5): in 0.73 of samples of 10³; one value in
    ten Student-t(2), the others Student-t(6): in 0.81 of samples of 10⁴). docs/calibration.md has its
    coverage of many laws, and what shorter intervals would hold. Deviations are 0.9 of the posterior's; those
    of dependent data 1.1, since spacings of different ranks then err together. On Pareto samples the
    price is an interval eight times the classical one at 10⁴ values: to be short there is to miss log-gamma
    laws and mixtures, which look the same.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> result = tails.tail_index(np.random.default_rng(0).standard_t(5, 10_000))
    >>> bool(result.ci_low < 5 < result.ci_high)
    True
    >>> tails.tail_index(np.random.default_rng(1).normal(size=10_000)).warnings[0][:22]
    'no power tail is seen:'
    """
    if weights is not None or counts is not None:
        checks.one_plain_sample(
            weights=weights,
            counts=counts,
            axis=axis,
            dependent=dependent or None,
            block_length=block_length,
            on_infinite=None if on_infinite == "raise" else on_infinite,
        )
        if weights is not None:
            return weighted.tail_index_of_weights(x, weights, tail=tail, level=level, nan_policy=nan_policy)
        x, tail = weighted.written_out(x, cast(ArrayLike, counts), tail, nan_policy), "upper"
    samples = tails_samples.read(x, axis, tail=tail, nan_policy=nan_policy, on_infinite=on_infinite)
    level = check.fraction("level", level)
    dependent = check.flag("dependent", dependent)
    n = samples.rows.shape[1]
    length = 0 if block_length is None else check.integer("block_length", block_length, 1, max(1, n // 2))
    few = samples.rows.size < WORTH_THREADS
    with common_threads.limited_to(1 if threads is None and few else threads):
        found = second_order.measure(samples, level, length if dependent else None)
    return found.package(samples, level, dependent)


def moment(
    x: ArrayLike,
    k: K = "min-amse",
    *,
    tail: str = "abs",
    axis: int | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
    dependent: bool = False,
    block_length: int | None = None,
    sensitivity: bool | None = None,
    rng: RNG = None,
    threads: int | None = None,
) -> TailEstimate:
    """The moment estimator, for light and bounded tails too: xi may be zero or negative.

    xi = M1 + 1 − ½/(1 − M1²/M2), M_j the mean of log(X_(i)/X_(k+1))^j over i ≤ k (Dekkers, Einmahl & de
    Haan 1989); its interval is xi ± z·sqrt((1 + xi²)/k) for xi ≥ 0. That leaves the bias out, but is so long
    that it mostly holds alpha: often without an upper end where alpha ≥ 3 and n = 10³, too rarely on
    log-gamma and stable laws (docs/calibration.md). ``alpha`` is inf where xi ≤ 0. Parameters as for
    :func:`hill`; infinite values are an error.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> exponential = np.random.default_rng(0).exponential(size=10_000)
    >>> abs(tails.moment(exponential, k=500).xi) < 0.2  # where Hill, made for xi > 0, says 0.3
    True
    """
    samples = tails_samples.read(x, axis, tail=tail, nan_policy=nan_policy, on_infinite=None)
    with _limited(samples, threads, k):
        return engine.estimate(
            samples,
            engine.MOMENT,
            k,
            level=level,
            sensitivity=sensitivity,
            rng=rng,
            dependent=dependent,
            block_length=block_length,
        )


def pickands(
    x: ArrayLike,
    k: int | float | NDArray[np.int64] = 0.025,
    *,
    tail: str = "abs",
    axis: int | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
    sensitivity: bool | None = None,
    threads: int | None = None,
) -> TailEstimate:
    """Pickands' estimator, which neither the location nor the scale of the data moves.

    xi = log₂[(X_(k) − X_(2k))/(X_(2k) − X_(4k))], 4k ≤ n (Pickands 1975), of any sign; its interval uses the
    variance xi²(2^(2xi+1) + 1)/(2(2^xi − 1) ln 2)²/k, leaves the bias out, and is mostly without an upper end
    in samples of 10³. The threshold is X_(4k). Other parameters as for :func:`hill`; the rules for k are made
    for Hill's estimator and not offered.

    Examples
    --------
    >>> from desgd_fast import tails
    >>> tails.pickands([28.0, 4.0, 2.0, 0.5, 1.0], k=1).xi
    3.0
    """
    samples = tails_samples.read(x, axis, tail=tail, nan_policy=nan_policy, on_infinite=None)
    checks.not_a_rule("k", k)
    with _limited(samples, threads):
        return engine.estimate(samples, engine.PICKANDS, k, level=level, sensitivity=sensitivity)


def smoothed_hill(
    x: ArrayLike,
    k: K = "min-amse",
    *,
    ratio: int = 2,
    tail: str = "abs",
    axis: int | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
    on_infinite: str = "raise",
    sensitivity: bool | None = None,
    rng: RNG = None,
    threads: int | None = None,
) -> TailEstimate:
    """Hill's estimates averaged over j = k + 1 … ratio·k (Resnick & Stărică 1997).

    The variance of xi is xi²·(2/(r − 1))·(1 − ln r/(r − 1))/k with r = ``ratio``. A rule for k sets the
    largest k that is averaged. The interval leaves out the bias, as Hill's classical one does: it holds alpha
    in 90 % or more of samples of Pareto, Fréchet and Student-t(1) laws, in half of Burr's, and in almost none
    of Student-t(5), generalized Pareto(4) and log-gamma (docs/calibration.md). The threshold is
    X_(ratio·k + 1). Other parameters as for :func:`hill`.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> round(float(tails.smoothed_hill([16.0, 8.0, 4.0, 2.0, 1.0], k=2).xi / np.log(2)), 4)
    2.25
    """
    samples = tails_samples.read(x, axis, tail=tail, nan_policy=nan_policy, on_infinite=on_infinite)
    ratio = check.integer("ratio", ratio, 2, MOST_RATIO)
    with _limited(samples, threads, k):
        return engine.estimate(
            samples,
            engine.smoothed(ratio),
            k,
            level=level,
            sensitivity=sensitivity,
            rng=rng,
            shrink=ratio,
        )


def bias_reduced_hill(
    x: ArrayLike,
    k: K = "min-amse",
    *,
    tail: str = "abs",
    axis: int | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
    dependent: bool = False,
    block_length: int | None = None,
    sensitivity: bool | None = None,
    rng: RNG = None,
    threads: int | None = None,
) -> TailEstimate:
    """Hill's estimator with its dominant bias removed, at the same asymptotic variance.

    xi = H_k·(1 − beta/(1 − rho)·(n/k)^rho) (Caeiro, Gomes & Pestana 2005); rho (Fraga Alves, Gomes & de Haan
    2003) and beta (Gomes & Martins 2002) are estimated at k1 = ⌊n^0.999⌋, never at k. The interval leaves out
    the error of both, which is largest where there is no bias: it holds alpha in some 70 % of Pareto samples,
    and in few where rho is near 0 (docs/calibration.md). Other parameters as for :func:`hill`; infinite
    values are an error.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(0).standard_t(3, 10_000)
    >>> abs(tails.bias_reduced_hill(x, k=1000).alpha - 3) < abs(tails.hill(x, k=1000).alpha - 3)
    True
    """
    samples = tails_samples.read(x, axis, tail=tail, nan_policy=nan_policy, on_infinite=None)
    with _limited(samples, threads, k):
        return engine.estimate(
            samples,
            engine.BIAS_REDUCED,
            k,
            level=level,
            sensitivity=sensitivity,
            rng=rng,
            dependent=dependent,
            block_length=block_length,
        )


def trimmed_hill(
    x: ArrayLike,
    k: K = "min-amse",
    *,
    trim: int,
    tail: str = "abs",
    axis: int | None = None,
    level: float = 0.95,
    nan_policy: str = "raise",
    on_infinite: str = "raise",
    sensitivity: bool | None = None,
    rng: RNG = None,
    threads: int | None = None,
) -> TailEstimate:
    """Hill's estimator where the ``trim`` largest values are not trusted: only their rank is used.

    xi = [trim·log(X_(trim+1)/X_(k+1)) + Σ_{trim < i ≤ k} log(X_(i)/X_(k+1))]/(k − trim), the best linear
    estimator (Bhattacharya, Kallitsis & Stoev 2019); its law is exact for Pareto data, with k − trim
    in place of k. The interval leaves out the bias and holds alpha as rarely as Hill's classical one
    (docs/calibration.md). Other parameters as for :func:`hill`.

    Examples
    --------
    >>> from desgd_fast import tails
    >>> tails.trimmed_hill([1e9, 8.0, 4.0, 2.0, 1.0], k=3, trim=1).alpha == tails.trimmed_hill(
    ...     [10.0, 8.0, 4.0, 2.0, 1.0], k=3, trim=1
    ... ).alpha
    True
    """
    samples = tails_samples.read(x, axis, tail=tail, nan_policy=nan_policy, on_infinite=on_infinite)
    trim = check.integer("trim", trim, 0, checks.ANY_NUMBER)
    with _limited(samples, threads, k):
        return engine.estimate(
            samples, engine.trimmed(trim), k, level=level, sensitivity=sensitivity, rng=rng
        )


def _ordered(samples: tails_samples.Samples, least: int) -> tails_samples.TopValues:
    top = next(tails_samples.top_values(samples, samples.rows.shape[1]))
    checks.enough_positive("x", int(top.n_positive[0] - top.n_infinite[0]), least, samples.tail)
    return top


def hill_path(
    x: ArrayLike,
    *,
    tail: str = "abs",
    level: float = 0.95,
    nan_policy: str = "raise",
    on_infinite: str = "raise",
    threads: int | None = None,
) -> TailPath:
    """Hill's estimator at every threshold of one sample, in one sort.

    Unpacks as ``k, alpha = hill_path(x)``; ``.interval(k)`` gives the classical intervals, one threshold at a
    time: they leave out the bias, and no level holds for a whole path. Parameters as for :func:`hill`.

    Examples
    --------
    >>> from desgd_fast import tails
    >>> k, alpha = tails.hill_path([8.0, 4.0, 2.0, 1.0])
    >>> k
    array([1, 2, 3])
    """
    samples = tails_samples.read(x, None, tail=tail, nan_policy=nan_policy, on_infinite=on_infinite)
    level = check.fraction("level", level)
    with _limited(samples, threads):
        top = _ordered(samples, 2)
        alpha = np.empty(top.n_positive[0] - 1)
        kernels.accumulate_spacings(top.ordered[0], top.n_positive[0], top.n_infinite[0], alpha)
    return _path(alpha, top, level, "Hill")


def moment_path(
    x: ArrayLike,
    *,
    tail: str = "abs",
    level: float = 0.95,
    nan_policy: str = "raise",
    threads: int | None = None,
) -> TailPath:
    """The moment estimator at every threshold of one sample; as :func:`hill_path`, intervals as well.

    Examples
    --------
    >>> from desgd_fast import tails
    >>> tails.moment_path([8.0, 5.0, 2.0, 1.0]).xi.shape
    (3,)
    """
    samples = tails_samples.read(x, None, tail=tail, nan_policy=nan_policy, on_infinite=None)
    level = check.fraction("level", level)
    with _limited(samples, threads):
        top = _ordered(samples, 2)
        first, second = np.empty((2, top.n_positive[0] - 1))
        kernels.accumulate_excesses(top.ordered[0], top.n_positive[0], first, second)
    xi = engine.moment_xi(first, second)
    return _path(engine.alpha_of(xi), top, level, "moment", xi)


def _path(
    alpha: NDArray[np.float64],
    top: tails_samples.TopValues,
    level: float,
    name: str,
    xi: NDArray[np.float64] | None = None,
) -> TailPath:
    return TailPath(
        alpha=alpha,
        signed_xi=xi,
        ordered=top.ordered[0],
        n_used=int(top.n_positive[0]),
        n_dropped=int(top.n_zero[0] + top.n_nan[0]),
        n_censored=int(top.n_infinite[0]),
        level=level,
        estimator=name,
    )


def norms(
    x: ArrayLike, *, p: float = 2, centre: str | None = None, nan_policy: str = "raise"
) -> NDArray[np.float64]:
    """Lengths of vectors, so that their tails can be measured: ‖x‖ along the last axis.

    Parameters
    ----------
    x : (n, …, dim) array
        The vectors; an infinite coordinate makes an infinite length.
    p : {1, 2, inf}
        Which norm.
    centre : {None, "mean", "median"}
        What to subtract from each coordinate first, taken over the first axis.
    nan_policy : {"raise", "propagate"}
        Whether nan is an error or makes a nan length.

    Returns
    -------
    (n, …) array

    Examples
    --------
    >>> from desgd_fast import tails
    >>> tails.norms([[3.0, 4.0], [0.0, 1.0]])
    array([5., 1.])
    """
    vectors = checks.vectors("x", x)
    check.choice("nan_policy", nan_policy, ("raise", "propagate"))
    if nan_policy == "raise":
        checks.no_missing("x", int(np.isnan(vectors).sum()))
    power = checks.norm("p", p)
    if centre is not None:
        kind = check.choice("centre", centre, ("mean", "median"))
        with np.errstate(all="ignore"):
            middle = blocks.centre_of(vectors, kind)
            checks.finite_centre("x", middle, kind)
            vectors = vectors - middle
    # A power of two taken out keeps the squares in range and the digits untouched.
    largest = np.max(np.abs(vectors), axis=-1, keepdims=True, initial=0.0)
    exponent = np.frexp(np.where(np.isfinite(largest), largest, 1.0))[1]
    scaled = np.ldexp(vectors, -exponent)
    with np.errstate(all="ignore"):
        return np.asarray(np.ldexp(np.linalg.norm(scaled, ord=power, axis=-1), exponent[..., 0]))


def mmo(
    x: ArrayLike,
    *,
    block_size: int | Sequence[int] | None = None,
    centre: str | None = None,
    remainder: str = "trim",
    preset: str | None = None,
    axis: int | None = None,
    vectors: bool | None = None,
    level: float = 0.95,
    threads: int | None = None,
) -> TailEstimate:
    """The tail index of an **alpha-stable** law from block sums; the estimator of the heavy-tail SGD papers.

    1/alpha = [mean log‖sum of a block of K‖ − mean log‖x‖]/log K over disjoint blocks (Mohammadi,
    Mohammadpour & Ogata 2015, Cor. 2.4). It answers only for stable laws: other tails, however heavy,
    read as something between 1 and 2 (Student-t with 3 degrees of freedom as 1.6). Kept for replication.

    Parameters
    ----------
    x : (n,) or (n, dim) array, or any shape with ``axis``
        Scalars, or vectors in rows.
    block_size : int or sequence of int
        K; of several the median of the estimates is taken. Default 8, whose error is near the least.
    centre : {None, "mean", "median"}
        What to subtract from each coordinate first. Without it a location reads as alpha = 1. Values of
        zero, before or after, are left out and counted, but by the presets, whose scripts count them as 2⁻⁵².
    remainder : {"trim", "raise"}
        What to do with values that fill no block: leave them out and count them, or refuse.
    preset : {"sgd_ht", "desgd", "networks", "tail_index_2019"}, optional
        The published scripts, number for number: 2⁻⁵² added to every norm and
        ``"desgd"`` blocks of 40, the mean subtracted (2025, figure 7);
        ``"sgd_ht"`` median over blocks 2, 5, 10, 20, 50, 100, 40, not centred (ICML 2021);
        ``"networks"`` mean subtracted; median over 2, 5, 10 and for scalars also 20, 50, 100, 500, 1000;
        ``"tail_index_2019"`` mean subtracted from each coordinate, all coordinates as scalars,
        blocks of the largest divisor of their number up to its root.
    axis : int, optional
        Axis of the observations in bulk; the others (but the last, of vectors) index samples.
    vectors : bool, optional
        Whether the last axis holds the coordinates of a vector; by default for (n, dim) without ``axis``.
    level : float
        Confidence level. The interval, from the spread of the blocks' terms, holds alpha in 93 to 96 % of
        samples of symmetric stable laws, in 2 % of stable(0.8) and 67 % of stable(1.2) with
        ``centre="mean"``, and in none of other laws.
    threads : int, optional
        Most threads to use.

    Returns
    -------
    TailEstimate
        k = 0 and no threshold; ``sensitivity`` is the range of alpha over ½, 1, 2 and 4 times the block.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> cauchy = np.random.default_rng(0).standard_cauchy(100_000)
    >>> result = tails.mmo(cauchy)
    >>> bool(result.ci_low < 1 < result.ci_high)
    True
    """
    with _all_threads(threads):
        return blocks.mmo(
            x,
            block_size=block_size,
            centre=centre,
            remainder=remainder,
            preset=preset,
            axis=axis,
            vectors=vectors,
            level=check.fraction("level", level),
        )


def ks_threshold(
    x: ArrayLike, *, tail: str = "abs", nan_policy: str = "raise", threads: int | None = None
) -> ThresholdChoice:
    """The threshold above which a power law fits best (Clauset, Shalizi & Newman 2009).

    Every distinct value is tried; the fit above it is alpha = m/Σ log(X/threshold) over the m values ≥ it,
    and the distance is max |F_fit − F_empirical| at the values, F_empirical counting those strictly below.
    The ``exponent`` of the density, alpha + 1, is what that paper and ``powerlaw`` call alpha. Hill's alpha
    at the same threshold is smaller by the factor (m − 1)/m. There is no interval: Hill's classical one at
    this threshold holds alpha in 0 to 80 % of samples that are not Pareto (docs/calibration.md).

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(0).pareto(2.0, 1000) + 1
    >>> tails.ks_threshold(x).k == tails.hill(x, k="ks").k
    True
    """
    samples = tails_samples.read(x, None, tail=tail, nan_policy=nan_policy, on_infinite=None)
    with _limited(samples, threads):
        top = _ordered(samples, 2)
        below, alpha, distance = thresholds.best_threshold(top)[0]
    n = int(top.n_positive[0])
    checks.some_spread("x", not np.isnan(below), n - 1)
    k = n - int(below) - 1
    return ThresholdChoice(
        rule="ks",
        k=k,
        threshold=float(top.ordered[0, -k - 1]),
        alpha=float(alpha),
        n_used=n,
        distance=float(distance),
    )


def double_bootstrap(
    x: ArrayLike,
    *,
    n_resamples: int = 500,
    ratio: float = 0.5,
    constant: str = "danielsson",
    tail: str = "abs",
    nan_policy: str = "raise",
    rng: RNG = None,
    progress: bool = False,
    threads: int | None = None,
) -> ThresholdChoice:
    """The k that minimises the mean square error of Hill's estimator, by two bootstraps.

    E*(M2 − 2·M1²)² is minimised over k in resamples of n1 values and of n2 = n1²/n, giving k1 and k2; then
    k0 = (k1²/k2)·c with c = (a/(2 − a))^(2(1 − a)), a = log k1/log n1 (Danielsson, de Haan, Peng & de
    Vries 2001). There is no interval: Hill's classical one at this k leaves out a bias as large as the spread
    and holds alpha in 0 to 90 % of samples that are not Pareto (docs/calibration.md).

    Parameters
    ----------
    x : array_like
        One sample.
    n_resamples : int
        Resamples of each size.
    ratio : float
        n2/n, nearly; n1 is the geometric mean of n and n2.
    constant : {"danielsson", "qi"}
        c, or its square root, which other packages use; the published derivation gives c.
    progress : bool
        Whether to show a progress bar.
    tail, nan_policy, rng, threads
        As for :func:`hill`.

    Returns
    -------
    ThresholdChoice

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(0).standard_t(3, 2000)
    >>> tails.double_bootstrap(x, rng=1).k == tails.double_bootstrap(x, rng=1, threads=1).k
    True
    """
    samples = tails_samples.read(x, None, tail=tail, nan_policy=nan_policy, on_infinite=None)
    n_resamples = check.positive_integer("n_resamples", n_resamples)
    ratio = check.fraction("ratio", ratio)
    constant = check.choice("constant", constant, thresholds.CONSTANTS)
    progress = check.flag("progress", progress)
    with _all_threads(threads):
        top = _ordered(samples, 32)
        k, minima, failed = thresholds.double_bootstrap(
            top,
            n_resamples=n_resamples,
            ratio=ratio,
            constant=constant,
            key=key_from(rng),
            progress=progress,
        )
        notes: tuple[str, ...] = ()
        if failed[0]:
            k, _ = thresholds.minimal_error(top.n_positive, thresholds.second_order(top))
            notes = ("no attempt found a minimum; k is that of min-amse",)
        censored = np.zeros(1, np.int64)
        xi = float(engine.hill(top, k, censored).xi[0])
        checks.some_spread("x", xi > 0, int(k[0]))
    return ThresholdChoice(
        rule="double-bootstrap",
        k=int(k[0]),
        threshold=float(top.ordered[0, -int(k[0]) - 1]),
        alpha=1 / xi,
        n_used=int(top.n_positive[0]),
        resample_minima=(int(minima[0, 0]), int(minima[0, 1])),
        attempts=int(minima[0, 2]),
        warnings=notes,
    )


def goodness_of_fit(
    x: ArrayLike,
    k: K = "ks",
    *,
    n_resamples: int = 1000,
    tail: str = "abs",
    nan_policy: str = "raise",
    rng: RNG = None,
    progress: bool = False,
    threads: int | None = None,
) -> GoodnessOfFit:
    """Could the values above the threshold be Pareto? A bootstrap p-value of their distance from the fit.

    With ``k="ks"`` the threshold is chosen anew in every resample, whose body comes from the data (the
    semi-parametric test of Clauset, Shalizi & Newman 2009, section 4.1). With any other k the test is of the
    values above the threshold, given their number: its resamples are Pareto, each with its own fitted alpha.
    A small p-value speaks against the power law.

    Parameters
    ----------
    x : array_like
        One sample.
    k : int, float or str
        As for :func:`hill`.
    n_resamples : int
        Resamples; the p-value has a standard error of at most 0.5/√n_resamples. With ``"ks"`` each costs a
        thread about 0.1 µs for every value of the sample, otherwise 0.05 µs for every one above it.
    progress : bool
        Whether to show a progress bar.
    tail, nan_policy, rng, threads
        As for :func:`hill`.

    Returns
    -------
    GoodnessOfFit

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(0).exponential(size=2000)
    >>> tails.goodness_of_fit(x, k=1000, rng=0).p_value < 0.01
    True
    """
    samples = tails_samples.read(x, None, tail=tail, nan_policy=nan_policy, on_infinite=None)
    n_resamples = check.positive_integer("n_resamples", n_resamples)
    progress = check.flag("progress", progress)
    with _all_threads(threads):
        return distance.goodness_of_fit(_ordered(samples, 3), k, n_resamples, rng, progress)


def likelihood_ratio(
    x: ArrayLike,
    alternative: str = "lognormal",
    k: K = "ks",
    *,
    tail: str = "abs",
    nan_policy: str = "raise",
    n_resamples: int = 2000,
    rng: RNG = None,
    progress: bool = False,
    threads: int | None = None,
) -> LikelihoodRatio:
    """Is the tail above the threshold nearer to Pareto, or to a lognormal or exponential tail?

    Both laws are fitted by maximum likelihood to the k values above the threshold. A lognormal cut off at
    the threshold has Pareto as a limit (mu → −∞), so that ``log_ratio`` ≤ 0, and Pareto is tested by the
    uniformly most powerful unbiased test (Malevergne, Pisarenko & Sornette 2011, Phys. Rev. E 83, 036111;
    del Castillo & Puig 1999): it rejects where sd(y)/mean(y), y = log(X/threshold), is small against its law
    for exponential y, which is drawn ``n_resamples`` times; the p-value (1 + #as small)/(1 + n_resamples)
    is exact whatever their number (Barnard 1963). The exponential contains no Pareto law: Vuong's (1989) test
    of the log likelihood ratio, positive where Pareto is nearer.

    Parameters
    ----------
    x : array_like
        One sample.
    alternative : {"lognormal", "exponential"}
        A lognormal cut off below the threshold, or an exponential starting there.
    k : int, float or str
        As for :func:`hill`.
    n_resamples : int
        Exponential samples that the test against the lognormal draws.
    progress : bool
        Whether to show a progress bar.
    tail, nan_policy, rng, threads
        As for :func:`hill`.

    Returns
    -------
    LikelihoodRatio

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> x = np.random.default_rng(0).pareto(1.5, 5000) + 1
    >>> tails.likelihood_ratio(x, "exponential", k=1000).favours
    'pareto'
    >>> tails.likelihood_ratio(np.exp(x[:1000] ** 0.1), "lognormal", k=500, rng=0).log_ratio <= 0
    True
    """
    samples = tails_samples.read(x, None, tail=tail, nan_policy=nan_policy, on_infinite=None)
    alternative = check.choice("alternative", alternative, rivals.ALTERNATIVES)
    n_resamples = check.positive_integer("n_resamples", n_resamples)
    progress = check.flag("progress", progress)
    with _all_threads(threads):
        return rivals.likelihood_ratio(_ordered(samples, 3), k, alternative, n_resamples, rng, progress)


def compare(
    x: ArrayLike,
    k: K = "min-amse",
    *,
    tail: str = "abs",
    level: float = 0.95,
    nan_policy: str = "raise",
    dependent: bool = False,
    rng: RNG = None,
    threads: int | None = None,
) -> TailComparison:
    """Tail index, Hill, moment, Pickands, bias-reduced Hill and MMO side by side, and where they disagree.

    The first is :func:`tail_index`, whose interval alone counts the bias and which chooses its own k; Hill's
    is the classical one. Two estimates disagree where their intervals do not meet. What the sample does not
    admit has a reason in place of a number (``reasons``); where it admits none at all, the first reason is
    raised. Pickands takes its own default k; MMO, made for stable laws, gets the values themselves with their
    median subtracted, whatever ``tail`` is, and blocks of 8.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> table = tails.compare(np.random.default_rng(0).standard_t(3, 10_000))
    >>> sorted(table.estimates)
    ['Hill', 'MMO', 'Pickands', 'bias-reduced Hill', 'moment', 'tail index']
    """
    samples = tails_samples.read(x, None, tail=tail, nan_policy=nan_policy, on_infinite=None)
    n_nan = int(np.isnan(samples.rows).sum())
    if nan_policy == "raise":
        checks.no_missing("x", n_nan)
    checks.no_infinite("x", int(np.isinf(samples.rows).sum()), censoring=False)
    checks.threshold_count("k", k, thresholds.RULES, (), samples.rows.shape[1])
    common: dict[str, Any] = {
        "tail": tail,
        "level": check.fraction("level", level),
        "nan_policy": nan_policy,
        "threads": threads,
    }
    series: dict[str, Any] = {**common, "dependent": check.flag("dependent", dependent)}
    generator = generator_from(rng)
    values = samples.rows[0]
    if nan_policy == "omit":
        values = values[~np.isnan(values)]
    # The rule for k runs once; where Hill cannot answer, the others try it.
    place: list[K] = [k]

    def first() -> TailEstimate:
        found = hill(x, k, **series, interval=CLASSICAL, rng=generator)
        place[0] = found.k
        return found

    return comparison.collect(
        {
            "tail index": lambda: tail_index(x, **series),
            "Hill": first,
            "moment": lambda: moment(x, place[0], **series, rng=generator),
            "Pickands": lambda: pickands(x, **common),
            "bias-reduced Hill": lambda: bias_reduced_hill(x, place[0], **series, rng=generator),
            "MMO": lambda: mmo(values, centre="median", level=level, threads=threads),
        }
    )
