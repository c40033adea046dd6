"""Pictures of one sample: its tail, its quantiles, and the estimates at every threshold."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast import tails
from desgd_fast.common import check
from desgd_fast.plots import checks
from desgd_fast.plots.axes import axes_or_new
from desgd_fast.simulation.results import Runs
from desgd_fast.tails.results import TailPath
from desgd_fast.theory.excursions.results import Exceedance
from desgd_fast.theory.results import TailIndex

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Points beyond this number cannot be told apart on paper.
MOST_POINTS = 2000
# A computed index is drawn through one value in so many, the outermost, but no fewer than these.
_OUTERMOST, _FEWEST = 1000, 50


def _thinned(size: int) -> NDArray[np.int64]:
    """Ranks 1 … size, evenly spaced in the logarithm and few enough to draw."""
    if size <= MOST_POINTS:
        return np.arange(1, size + 1)
    return np.unique(np.geomspace(1, size, MOST_POINTS).astype(np.int64))


def hill_plot(
    x: ArrayLike,
    *,
    level: float = 0.95,
    estimate: tails.TailEstimate | None = None,
    ax: "Axes | None" = None,
    **sample: Any,
) -> "Axes":
    """Hill's estimate against the number of order statistics used, beside the interval that counts its bias.

    Grey: Hill's pointwise interval, which leaves the bias out. Dashed: the interval of the estimate, at its
    k; the bar below marks every k at which Hill's estimate lies in it.

    Parameters
    ----------
    x : array_like
        One sample.
    level : float
        Confidence level of the band.
    estimate : TailEstimate, optional
        What decides; :func:`desgd_fast.tails.tail_index` unless given.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.
    **sample
        ``tail``, ``nan_policy``, ``on_infinite`` as for :func:`desgd_fast.tails.hill`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import plots
    >>> ax = plots.hill_plot(np.random.default_rng(0).pareto(2.0, 1000))
    >>> ax.get_ylabel()
    'tail index alpha'
    """
    level = check.fraction("level", level)
    if estimate is not None:
        check.instance("estimate", estimate, (tails.TailEstimate,))
    path = tails.hill_path(x, level=level, **sample)
    ax = axes_or_new(ax)
    k = _thinned(path.alpha.size)
    k = k[k > path.n_censored]
    low, high = path.interval(k)
    ax.fill_between(k, low, high, color="0.85", linewidth=0, label=f"{100 * level:g}% of Hill, no bias")
    ax.plot(k, path.alpha[k - 1], color="black", linewidth=1.2, label="Hill")
    estimate = tails.tail_index(x, level=level, **sample) if estimate is None else estimate
    if np.isfinite(estimate.alpha):
        agrees = (path.alpha[k - 1] >= estimate.ci_low) & (path.alpha[k - 1] <= estimate.ci_high)
        band = f"{100 * estimate.level:g}% interval of {estimate.estimator}"
        ax.axhspan(
            estimate.ci_low, estimate.ci_high, facecolor="none", edgecolor="0.3", linestyle="--", label=band
        )
        ax.plot(k, np.where(agrees, 0.0, np.nan), color="0.5", linewidth=6, label="k where Hill agrees")
        ax.errorbar(
            [estimate.k],
            [estimate.alpha],
            yerr=[[estimate.alpha - estimate.ci_low], [estimate.ci_high - estimate.alpha]],
            fmt="o",
            color="black",
            capsize=3,
            label=f"alpha = {estimate.alpha:.3g} at k = {estimate.k}",
        )
    ax.set_xscale("log")
    settled = path.alpha[k - 1][k >= min(20, k[-1])]
    settled = settled[np.isfinite(settled)]
    if settled.size:
        ax.set_ylim(0, 1.6 * settled.max())
    ax.set_xlabel("order statistics above the threshold, k")
    ax.set_ylabel("tail index alpha")
    ax.legend()
    return ax


def tail_plot(
    x: ArrayLike | Runs,
    *,
    estimate: tails.TailEstimate | None = None,
    computed: TailIndex | None = None,
    exceedance: Exceedance | None = None,
    ax: "Axes | None" = None,
    **sample: Any,
) -> "Axes":
    """Empirical survival function on logarithmic axes, with the fitted power law above the threshold.

    Its height is what data above the threshold have on average, from the k-th largest to the k/100-th. With
    a ``computed`` index or an ``exceedance`` three instruments are in one picture: what was simulated, what
    was estimated from it, and what theory computes of the same law without it; far out all should lie on one
    line.

    Parameters
    ----------
    x : array_like or Runs
        One sample; of runs the norms of all nodes' deviations, stacked.
    estimate : TailEstimate, optional
        The fit to draw; :func:`desgd_fast.tails.tail_index` unless given.
    computed : TailIndex, optional
        From :func:`desgd_fast.theory.tail_index`, drawn through the outermost data; no line where there is no
        index.
    exceedance : Exceedance, optional
        From :func:`desgd_fast.theory.exceedance`, drawn with its 95% intervals.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.
    **sample
        ``tail``, ``nan_policy``, ``on_infinite`` as for :func:`desgd_fast.tails.hill`.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import plots
    >>> ax = plots.tail_plot(np.random.default_rng(0).pareto(2.0, 1000))
    >>> ax.get_xscale(), ax.get_yscale()
    ('log', 'log')
    """
    if isinstance(x, Runs):
        x = x.norms(stacked=True)
    if estimate is None:
        estimate = tails.tail_index(x, **sample)
    check.instance("estimate", estimate, (tails.TailEstimate,))
    path = tails.hill_path(x, **sample)
    checks.decades("x", path.ordered)
    from scipy.special import ndtri

    ax = axes_or_new(ax)
    n = path.n_used
    rank = _thinned(n)
    rank = rank[rank > path.n_censored]
    ax.plot(
        path.ordered[path.ordered.size - rank],
        rank / n,
        linestyle="none",
        marker="o",
        markersize=3,
        markerfacecolor="none",
        color="0.4",
        label="data",
    )
    largest = path.ordered[path.ordered.size - 1 - path.n_censored]
    end = largest if exceedance is None else max(largest, exceedance.thresholds[-1])
    if np.isfinite(estimate.alpha) and estimate.threshold > 0:
        # An estimate without the bias of Hill's is of the tail beyond: its line begins where Hill's agrees.
        inside = (path.alpha >= estimate.ci_low) & (path.alpha <= estimate.ci_high)
        agreeing = np.flatnonzero(inside[: int(estimate.k)]) + 1
        k = int(agreeing[-1]) if agreeing.size else int(estimate.k)
        ax.plot(
            *_power_law(path, k, estimate.alpha, end),
            color="black",
            linewidth=1.5,
            label=f"power law, alpha = {estimate.alpha:.3g}",
        )
        ax.axvline(estimate.threshold, color="black", linestyle=":", linewidth=1, label="threshold")
    if computed is not None and computed.stationary and not computed.lower_bound:
        ax.plot(
            *_power_law(path, max(path.n_censored + 1, n // _OUTERMOST, _FEWEST), computed.alpha, end),
            color="black",
            linestyle="--",
            linewidth=1.5,
            label=f"computed alpha = {computed.alpha:.3g}",
        )
    if exceedance is not None:
        # An interval that reaches 0 would leave a logarithmic axis.
        reach = ndtri(0.975) * exceedance.stderr
        ax.errorbar(
            exceedance.thresholds,
            exceedance.probability,
            yerr=[np.minimum(reach, 0.99 * exceedance.probability), reach],
            fmt="s",
            markersize=4,
            color="black",
            capsize=3,
            label=f"computed, alpha = {exceedance.alpha:.3g}",
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("x")
    ax.set_ylabel("P(X > x)")
    ax.legend()
    return ax


def _power_law(path: TailPath, k: int, alpha: float, end: float) -> tuple[Any, Any]:
    """Both ends of the line of this slope through the k largest values, at their mean height."""
    k = min(k, path.n_used)
    first = max(path.n_censored + 1, k // 100)
    rank = np.unique(np.geomspace(first, max(first, k), 100).astype(np.int64))
    x = path.ordered[path.ordered.size - rank]
    height = np.mean(np.log(rank / path.n_used) + alpha * np.log(x))
    start = path.ordered[max(path.ordered.size - 1 - k, 0)]
    ends = np.array([start if start > 0 else x[-1], end])
    return ends, np.exp(np.clip(height - alpha * np.log(ends), -700, 700))


def qq_plot(
    x: ArrayLike, *, estimate: tails.TailEstimate | None = None, ax: "Axes | None" = None, **sample: Any
) -> "Axes":
    """Pareto quantile plot: log of the values above the threshold against exponential quantiles.

    A straight line of slope xi = 1/alpha is what a power law makes; the fit is drawn through the threshold.

    Parameters
    ----------
    x, estimate, ax, **sample
        As for :func:`tail_plot`, but that the estimate is Hill's with its default k unless given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import plots
    >>> ax = plots.qq_plot(np.random.default_rng(0).pareto(2.0, 1000))
    >>> ax.get_xlabel()
    'quantile of the exponential law'
    """
    if estimate is None:
        estimate = tails.hill(x, **sample)
    check.instance("estimate", estimate, (tails.TailEstimate,))
    path = tails.hill_path(x, **sample)
    check.integer("estimate.k", estimate.k, 1, path.n_used)
    ax = axes_or_new(ax)
    rank = _thinned(estimate.k)
    rank = rank[rank > path.n_censored]
    quantile = np.log((estimate.k + 1) / rank)
    logs = np.log(path.ordered[path.ordered.size - rank]) - np.log(estimate.threshold)
    ax.scatter(quantile, logs, s=10, facecolors="none", edgecolors="0.4")
    ends = np.array([0.0, quantile.max()])
    ax.plot(
        ends, estimate.xi * ends, color="black", linewidth=1.5, label=f"slope 1/alpha = {estimate.xi:.3g}"
    )
    ax.set_xlabel("quantile of the exponential law")
    ax.set_ylabel("log(x / threshold)")
    ax.legend()
    return ax


def mean_excess(x: ArrayLike, *, level: float = 0.95, ax: "Axes | None" = None, **sample: Any) -> "Axes":
    """Mean excess over a threshold against the threshold, with its pointwise normal interval.

    It rises along a line of slope 1/(alpha − 1) for a power law with alpha > 1, is flat for an exponential
    tail and falls for a lighter one. Thresholds with fewer than five values above are left out.

    Parameters
    ----------
    x, ax, **sample
        As for :func:`tail_plot`; infinite values are an error.
    level : float
        Confidence level of the band.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import plots
    >>> ax = plots.mean_excess(np.random.default_rng(0).pareto(3.0, 1000))
    >>> ax.get_ylabel()
    'mean excess'
    """
    from scipy.special import ndtri

    level = check.fraction("level", level)
    path = tails.hill_path(x, level=level, **sample)
    ax = axes_or_new(ax)
    k = _thinned(path.n_used - 1)
    k = k[k >= min(5, k[-1])]
    descending = path.ordered[::-1][: path.n_used]
    threshold = descending[k]
    mean = np.cumsum(descending)[k - 1] / k
    scale = descending[0]
    squares = np.cumsum((descending / scale) ** 2)[k - 1] / k
    variance = np.maximum(squares - (mean / scale) ** 2, 0)
    reach = ndtri((1 + level) / 2) * scale * np.sqrt(variance / k)
    excess = mean - threshold
    ax.fill_between(
        threshold,
        excess - reach,
        excess + reach,
        color="0.85",
        linewidth=0,
        label=f"{100 * level:g}% interval",
    )
    ax.plot(threshold, excess, color="black", linewidth=1.2, label="mean excess")
    ax.set_xlabel("threshold")
    ax.set_ylabel("mean excess")
    ax.legend()
    return ax
