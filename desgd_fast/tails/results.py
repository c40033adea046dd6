"""A tail index as measured: at one threshold, and at every one."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import html
from desgd_fast.common.forms import dataset

if TYPE_CHECKING:
    import xarray

# One number for one sample, an array in bulk; a union would have to be narrowed at every use.
Floats = Any
Ints = Any


@dataclass(frozen=True, eq=False)
class TailEstimate:
    """A tail index with its interval and everything needed to judge it.

    For one sample every entry is a number; for many (``axis=``) every entry but
    ``level``, ``estimator`` and ``warnings`` is an array over the samples, nan where a
    sample admits no estimate. Prints as a summary.

    Attributes
    ----------
    alpha : float or array
        Tail index: P(X > t) ~ c·t^(−alpha). inf where the data show no heavy tail (xi ≤ 0).
    xi : float or array
        Extreme value index, 1/alpha where that is positive.
    stderr, xi_stderr : float or array
        Standard errors of alpha (delta method) and of xi.
    ci_low, ci_high : float or array
        Confidence interval for alpha at ``level``.
    level : float
        Confidence level.
    k : int or array
        Number of order statistics above the threshold; 0 where an estimator uses no threshold.
    threshold : float or array
        X_(k+1), the value above which the tail was measured; nan without a threshold.
    n_used : int or array
        Positive values of the chosen tail.
    n_dropped : int or array
        Zeros, and nan or masked values under ``nan_policy="omit"``.
    n_censored : int or array
        Infinite values, counted as larger than all others (``on_infinite="censor"``).
    n_ties : int or array
        Among the k + 1 largest, values equal to the next larger one.
    sensitivity : (float or array, float or array) or None
        Lowest and highest alpha over the thresholds k/2 … 2k; None where not asked for.
    estimator : str
        Name of the estimator.
    warnings : tuple of str
        What a careful reader should know before using the number.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> estimate = tails.hill(1 + np.random.default_rng(0).pareto(2.0, 1000), 200)
    >>> estimate.k, bool(estimate.ci_low < 2 < estimate.ci_high)
    (200, True)
    """

    alpha: Floats
    xi: Floats
    stderr: Floats
    xi_stderr: Floats
    ci_low: Floats
    ci_high: Floats
    level: float
    k: Ints
    threshold: Floats
    n_used: Ints
    n_dropped: Ints
    n_censored: Ints
    n_ties: Ints
    sensitivity: tuple[Floats, Floats] | None
    estimator: str
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        bulk = np.ndim(self.alpha) > 0
        lines = [self._bulk_head() if bulk else self._single_head()]
        lines += [f"warning: {text}" for text in self.warnings]
        return "\n".join(lines)

    def _single_head(self) -> str:
        percent = f"{100 * self.level:g}%"
        lines = [
            f"{self.estimator}: alpha = {self.alpha:.4g} ± {self.stderr:.2g}, "
            f"{percent} interval [{self.ci_low:.4g}, {self.ci_high:.4g}]",
            f"xi = {self.xi:.4g}, k = {self.k} of {self.n_used} values, threshold {self.threshold:.6g}",
            f"dropped {self.n_dropped}, censored {self.n_censored}, tied {self.n_ties}",
        ]
        if self.sensitivity is not None:
            low, high = self.sensitivity
            lines.insert(2, f"alpha over k/2 … 2k: {low:.4g} to {high:.4g}")
        return "\n".join(lines)

    def _bulk_head(self) -> str:
        alpha = np.asarray(self.alpha)
        answered = alpha[~np.isnan(alpha)]
        quartiles = (
            np.quantile(answered, [0.25, 0.5, 0.75], method="nearest") if answered.size else [np.nan] * 3
        )
        return (
            f"{self.estimator}: {alpha.size} samples, {answered.size} with an estimate\n"
            f"alpha median {quartiles[1]:.4g}, quartiles {quartiles[0]:.4g} and {quartiles[2]:.4g}"
        )

    def _repr_html_(self) -> str:
        if np.ndim(self.alpha):
            first, *lines = self._bulk_head().splitlines()
            return html.card(first, [("over all samples", line) for line in lines], notes=self.warnings)
        rows = [
            ("alpha", self.alpha),
            (f"{100 * self.level:g}% interval", f"{self.ci_low:.4g} … {self.ci_high:.4g}"),
            ("standard error", self.stderr),
            ("values above the threshold", f"{self.k} of {self.n_used}"),
            ("threshold", self.threshold),
        ]
        picture = html.interval(self.alpha, self.ci_low, self.ci_high)
        return html.card(self.estimator, rows, picture, self.warnings)

    def to_xarray(self) -> "xarray.Dataset":
        """The numbers as a Dataset over axes sample_0, sample_1, …; warnings in its attributes."""
        axes = [f"sample_{i}" for i in range(np.ndim(self.alpha))]
        apart = ("sensitivity", "level", "estimator", "warnings")
        entries = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in apart}
        entries["sensitivity_low"], entries["sensitivity_high"] = self.sensitivity or (None, None)
        return dataset(
            {name: (axes, value) for name, value in entries.items()},
            attributes={"level": self.level, "estimator": self.estimator, "warnings": list(self.warnings)},
        )


@dataclass(frozen=True, eq=False)
class TailPath:
    """An estimate for every threshold of one sample: ``k, alpha = hill_path(x)``.

    Attributes
    ----------
    alpha : (n_used − 1,) array
        Tail index at k = 1, 2, …; inf where xi ≤ 0, nan where k does not exceed the censored values.
    ordered : (n,) array
        The sample in ascending order, its zeros first.
    n_used, n_dropped, n_censored : int
        As in :class:`TailEstimate`.
    level : float
        Confidence level of ``interval``.
    estimator : str
        Name of the estimator.
    signed_xi : (n_used − 1,) array or None
        Extreme value index of estimators that tell light tails apart, whose alpha is inf; None of the others.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> path = tails.hill_path(1 + np.random.default_rng(0).pareto(2.0, 1000))
    >>> k, alpha = path
    >>> int(k[-1]), bool(path.interval([200])[0][0] < alpha[199])
    (999, True)
    """

    alpha: NDArray[np.float64]
    ordered: NDArray[np.float64]
    n_used: int
    n_dropped: int
    n_censored: int
    level: float
    estimator: str
    signed_xi: NDArray[np.float64] | None = None

    @property
    def k(self) -> NDArray[np.int64]:
        """1 … n_used − 1."""
        return np.arange(1, self.alpha.size + 1)

    @property
    def xi(self) -> NDArray[np.float64]:
        """Extreme value index at every k; 1/alpha but for estimators that tell light tails apart."""
        return 1 / self.alpha if self.signed_xi is None else self.signed_xi

    @property
    def threshold(self) -> NDArray[np.float64]:
        """X_(k+1) at every k."""
        return self.ordered[self.ordered.size - self.n_used : -1][::-1]

    def interval(self, k: NDArray[np.int64] | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pointwise confidence interval for alpha, (ci_low, ci_high), at the given k (default: every k).

        Of the spread alone: what the bias adds, :func:`desgd_fast.tails.tail_index` counts.
        """
        from desgd_fast.tails.checks import path_places
        from desgd_fast.tails.intervals.classical import path_interval

        places = self.k if k is None else path_places("k", k, self.alpha.size)
        return path_interval(self.alpha, self.signed_xi, places, self.n_censored, self.level)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        yield self.k
        yield self.alpha
