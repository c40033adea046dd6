"""What comes back: frozen results with named axes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast import _validate

if TYPE_CHECKING:
    import xarray

# One number for one sample, an array in bulk; a union would have to be narrowed at every use.
Floats = Any
Ints = Any


class DivergenceWarning(RuntimeWarning):
    """Some runs overflowed; they are kept and flagged."""


class FailedCellsWarning(RuntimeWarning):
    """Some cells of a sweep raised; their tracebacks are kept."""


class OtherVersionWarning(RuntimeWarning):
    """A store was begun by another version of this package."""


@dataclass(frozen=True)
class SweepEstimate:
    """What a sweep would take, from one of its cells.

    Attributes
    ----------
    n_cells, n_waiting : int
        Cells of the grid, and those that have yet to be computed.
    cell : dict
        Coordinates of the cell that was computed.
    seconds : float
        Time it took, kernels compiled.
    result_bytes : int
        Size of all results together, uncompressed.
    process_bytes : int
        Most memory that the computing process has held.
    workers : int
        Processes at work.
    """

    n_cells: int
    n_waiting: int
    cell: dict[str, bool | int | float | str]
    seconds: float
    result_bytes: int
    process_bytes: int
    workers: int

    @property
    def remaining_seconds(self) -> float:
        """Time for the cells that wait, if all take as long as this one."""
        return self.seconds * math.ceil(self.n_waiting / self.workers)


@dataclass(frozen=True, eq=False)
class Runs:
    """What :func:`desgd_fast.simulate` returns.

    Attributes
    ----------
    final : (n_runs, n_nodes, dim) array or None
        Last iterates, with ``keep="all"``.
    average : (n_runs, n_nodes, dim) array or None
        Averages of the last iterates, with ``keep="all"`` and averaging.
    final_norms, average_norms : (n_runs, n_nodes) array, or None without averaging
        ‖x_i − x*‖ of the two.
    gram : (n_runs, n_nodes, n_nodes) array or None
        ⟨x_i − x*, x_j − x*⟩ of the last iterates, with ``keep="gram"``.
    diverged : (n_runs,) bool array
        Whether anything in the run overflowed to inf or nan; such runs are kept as they are.
    optimum : (dim,) array
        x*.
    first_run : int
        Number of the first run.
    """

    final: NDArray[np.floating] | None
    average: NDArray[np.floating] | None
    final_norms: NDArray[np.float64]
    average_norms: NDArray[np.float64] | None
    gram: NDArray[np.float64] | None
    diverged: NDArray[np.bool_]
    optimum: NDArray[np.float64]
    first_run: int

    def __repr__(self) -> str:
        n_runs, n_nodes = self.final_norms.shape
        kept = ", ".join(
            name
            for name in ("final", "average", "final_norms", "average_norms", "gram")
            if getattr(self, name) is not None
        )
        return f"Runs({n_runs} runs of {n_nodes} nodes, {self.diverged.sum()} diverged; kept: {kept})"

    def norms(self, of: str = "final", *, stacked: bool = False) -> NDArray[np.float64]:
        """Distance to the optimum.

        Parameters
        ----------
        of : {"final", "average"}
            The last iterates, or the averages of the last ones.
        stacked : bool
            One norm a run, of all nodes' deviations as one vector, instead of one a node.

        Returns
        -------
        (n_runs, n_nodes) or (n_runs,) array

        Raises
        ------
        ValueError
            If averages are asked for and ``simulate`` was called with ``average_last=0``.
        """
        _validate.choice("of", of, ("final", "average"))
        norms = self.final_norms if of == "final" else self.average_norms
        _validate.was_kept("of", of, norms)
        assert norms is not None
        return euclidean(norms) if stacked else norms

    def gradient_noise(
        self,
        problem: Any,
        *,
        batch_size: ArrayLike,
        max_points: int = 20,
        k: Any = 0.05,
        threads: int | None = None,
        **options: Any,
    ) -> "GradientNoise":
        """The noise of minibatches where these runs ended, and its tail index beside the iterates' own.

        Parameters
        ----------
        problem : GaussianRegression, DatasetRegression, EmpiricalRisk or StreamingRisk
            What was simulated; runs do not keep it.
        batch_size : scalar or (n_nodes,) array
            The minibatch b.
        max_points : int
            Most runs to take points from: the first that did not diverge.
        k : int or fraction
            Order statistics above the threshold, of the noise and of the iterates' distances ‖x_i − x*‖.
        threads : int or None
            Most threads to use; None for all.
        **options
            ``n_samples``, ``groups`` and ``rng`` of :func:`desgd_fast.gradient_noise`, which samples the
            noise at points of your own.

        Returns
        -------
        GradientNoise

        Raises
        ------
        ValueError, TypeError
            If an argument is out of range, all runs diverged, or iterates were not kept.

        Examples
        --------
        >>> import numpy as np, desgd_fast as dsf
        >>> problem = dsf.GaussianRegression(dim=2)
        >>> runs = dsf.simulate(
        ...     problem, np.full((4, 4), 0.25), step_size=0.3, batch_size=1, n_steps=50, n_runs=200, rng=0)
        >>> noise = runs.gradient_noise(problem, batch_size=1, n_samples=100, rng=0)
        >>> noise.norms.shape, noise.iterates.alpha.shape
        ((1, 20, 100, 4), (4,))
        """
        from desgd_fast.noise import noise_of_runs

        return noise_of_runs(
            self, problem, batch_size=batch_size, max_points=max_points, k=k, threads=threads, **options
        )

    def to_xarray(self) -> "xarray.Dataset":
        """Everything kept, over the axes run, node and coordinate."""
        import xarray

        axes = ("run", "node", "coordinate")
        variables: dict[str, Any] = {
            "diverged": ("run", self.diverged),
            "optimum": ("coordinate", self.optimum),
        }
        for name in ("final", "average", "final_norms", "average_norms"):
            value = getattr(self, name)
            if value is not None:
                variables[name] = (axes[: value.ndim], value)
        if self.gram is not None:
            variables["gram"] = (("run", "node", "other_node"), self.gram)
        return xarray.Dataset(variables, coords={"run": self.first_run + np.arange(self.diverged.size)})


def euclidean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean length along the last axis, finite wherever it is representable."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        lengths = np.asarray(np.sqrt(np.square(values).sum(axis=-1)))
        # Squares of what lies beyond these overflow, or lose digits.
        extreme = ~((lengths > 1e-140) & (lengths < 1e140))
        if extreme.any():
            rows = values[extreme]
            largest = np.abs(rows).max(axis=-1)
            unit = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
            lengths[extreme] = unit * np.sqrt(np.square(rows / unit[..., None]).sum(axis=-1))
    return lengths


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

    def to_xarray(self) -> "xarray.Dataset":
        """The numbers as a Dataset over axes sample_0, sample_1, …; warnings in its attributes."""
        try:
            import xarray
        except ImportError as error:
            raise ImportError("to_xarray() needs xarray: pip install 'desgd-fast[sweeps]'") from error
        axes = [f"sample_{i}" for i in range(np.ndim(self.alpha))]
        variables: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.name == "sensitivity" and value is not None:
                variables["sensitivity_low"], variables["sensitivity_high"] = ((axes, side) for side in value)
            elif entry.name not in ("sensitivity", "level", "estimator", "warnings"):
                variables[entry.name] = (axes, value)
        attributes = {
            "level": self.level,
            "estimator": self.estimator,
            "warnings": list(self.warnings),
        }
        return xarray.Dataset(variables, attrs=attributes)


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
        """Pointwise confidence interval for alpha, (ci_low, ci_high), at the given k (default: every k)."""
        from desgd_fast._tail_intervals import path_interval

        places = self.k if k is None else np.asarray(k)
        return path_interval(self.alpha, self.signed_xi, places, self.n_censored, self.level)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        yield self.k
        yield self.alpha


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold chosen from the data, with what the choice rests on.

    Attributes
    ----------
    rule : str
        ``"ks"`` or ``"double-bootstrap"``.
    k : int
        Order statistics above the threshold.
    threshold : float
        X_(k+1).
    alpha : float
        Tail index by the rule's own fit.
    n_used : int
        Positive values of the chosen tail.
    distance : float
        Kolmogorov–Smirnov distance of the fit; nan for other rules.
    resample_minima : (int, int) or None
        k1 and k2 of the double bootstrap.
    attempts : int
        Double bootstraps run.
    warnings : tuple of str
        What a careful reader should know.
    """

    rule: str
    k: int
    threshold: float
    alpha: float
    n_used: int
    distance: float = float("nan")
    resample_minima: tuple[int, int] | None = None
    attempts: int = 1
    warnings: tuple[str, ...] = ()

    @property
    def exponent(self) -> float:
        """Exponent of the density, alpha + 1."""
        return self.alpha + 1


@dataclass(frozen=True)
class GoodnessOfFit:
    """How far the tail is from a power law, and how often a power law is as far.

    Attributes
    ----------
    p_value : float
        Share of resamples at least as far from their fit.
    distance : float
        Kolmogorov–Smirnov distance of the data from their fit.
    alpha, threshold, k
        The fit.
    n_resamples : int
        Resamples behind the p-value.
    refitted : bool
        Whether the threshold was chosen anew in every resample.
    """

    p_value: float
    distance: float
    alpha: float
    threshold: float
    k: int
    n_resamples: int
    refitted: bool


@dataclass(frozen=True)
class LikelihoodRatio:
    """Pareto against another tail.

    Attributes
    ----------
    log_ratio : float
        Log likelihood of Pareto minus that of the alternative.
    statistic : float
        ``log_ratio`` over its standard deviation: standard normal if neither is nearer (Vuong 1989).
    p_value : float
        Two-sided; small means that the sign can be trusted.
    alternative : str
        The other tail.
    parameters : tuple of float
        Its fit: (mu, sigma) of the lognormal, (rate,) of the exponential.
    alpha, threshold, k
        The Pareto fit.
    """

    log_ratio: float
    statistic: float
    p_value: float
    alternative: str
    parameters: tuple[float, ...]
    alpha: float
    threshold: float
    k: int

    @property
    def favours(self) -> str:
        """``"pareto"``, the alternative, or ``"neither"`` where p > 0.1."""
        if not self.p_value <= 0.1:
            return "neither"
        return "pareto" if self.log_ratio > 0 else self.alternative


@dataclass(frozen=True, eq=False)
class TailComparison:
    """Several estimators on one sample; prints as a table.

    Attributes
    ----------
    estimates : dict of str to TailEstimate
        By name.
    disagreements : tuple of (str, str)
        Pairs whose intervals do not meet.
    """

    estimates: dict[str, TailEstimate]
    disagreements: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        lines = [f"{'estimator':<20}{'alpha':>9}{'stderr':>9}{'ci_low':>9}{'ci_high':>9}{'k':>9}"]
        lines += [
            f"{name:<20}{e.alpha:>9.4g}{e.stderr:>9.2g}{e.ci_low:>9.4g}{e.ci_high:>9.4g}{e.k or '':>9}"
            for name, e in self.estimates.items()
        ]
        lines += [f"disagree: {first} and {second}" for first, second in self.disagreements]
        lines += [f"{name}: {text}" for name, e in self.estimates.items() for text in e.warnings]
        return "\n".join(lines)


@dataclass(frozen=True)
class MixingReport:
    """What :func:`desgd_fast.mixing_report` found in a mixing matrix; ``print`` it for a table.

    Attributes
    ----------
    n_nodes, n_edges, n_components : int
        Nodes, pairs of distinct nodes with a weight in either direction, connected components.
    row_sum_error, column_sum_error : float
        max |sum − 1| over rows and over columns.
    symmetric : bool
        Whether max |W_ij − W_ji| is at most 1e-12.
    smallest_weight : float
        min W_ij over all pairs, zeros included.
    smallest_eigenvalue : float
        The smallest eigenvalue (its real part where W is not symmetric).
    second_eigenvalue_modulus : float
        max |μ| over the eigenvalues of W but one 1; 1.0 where the graph is not connected, 0.0 for one node.
    """

    n_nodes: int
    n_edges: int
    n_components: int
    row_sum_error: float
    column_sum_error: float
    symmetric: bool
    smallest_weight: float
    smallest_eigenvalue: float
    second_eigenvalue_modulus: float

    @property
    def connected(self) -> bool:
        """Whether every node reaches every other."""
        return self.n_components == 1

    @property
    def doubly_stochastic(self) -> bool:
        """Whether no weight is negative and all rows and columns sum to one within 1e-12."""
        return self.smallest_weight >= 0 and max(self.row_sum_error, self.column_sum_error) <= 1e-12

    @property
    def spectral_gap(self) -> float:
        """1 − second_eigenvalue_modulus."""
        return 1.0 - self.second_eigenvalue_modulus

    def rows(self) -> list[tuple[str, str]]:
        """(label, value) pairs, as printed."""
        return [
            ("nodes", str(self.n_nodes)),
            ("edges", str(self.n_edges)),
            ("components", str(self.n_components)),
            ("largest error of a row sum", f"{self.row_sum_error:.1e}"),
            ("largest error of a column sum", f"{self.column_sum_error:.1e}"),
            ("symmetric", "yes" if self.symmetric else "no"),
            ("smallest weight", f"{self.smallest_weight:.6g}"),
            ("smallest eigenvalue", f"{self.smallest_eigenvalue:.6g}"),
            ("second eigenvalue modulus", f"{self.second_eigenvalue_modulus:.6g}"),
            ("spectral gap", f"{self.spectral_gap:.6g}"),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{label:<30}{value:>11}" for label, value in self.rows())

    def to_xarray(self) -> "xarray.Dataset":
        """Every number as a scalar variable."""
        import xarray

        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return xarray.Dataset(values | {"spectral_gap": self.spectral_gap})


class NotStationaryWarning(RuntimeWarning):
    """The Lyapunov exponent is not below 0 beyond its error: no stationary law, no tail index."""


class LightTailWarning(RuntimeWarning):
    """The tail index lies above every moment tried; what is reported bounds it from below."""


class PrecisionWarning(RuntimeWarning):
    """The requested standard error was not reached."""


class _Measured:
    """A value with a normal standard error."""

    value: float
    stderr: float

    def __float__(self) -> float:
        return self.value

    @property
    def ci_low(self) -> float:
        """Lower end of the 95% interval."""
        return self.value - _NORMAL_95 * self.stderr

    @property
    def ci_high(self) -> float:
        """Upper end of the 95% interval."""
        return self.value + _NORMAL_95 * self.stderr

    def to_xarray(self) -> "xarray.Dataset":
        """One scalar variable per attribute."""
        return _scalars_to_xarray(self)


@dataclass(frozen=True)
class CriticalStepSize(_Measured):
    """The step size at which something first goes wrong; ``float()`` of it is ``value``.

    Attributes
    ----------
    value : float
        The critical step size; 0 where no step size is stable (an eigenvalue −1 of W).
    stderr : float
        Its standard error; 0 where the computation is exact.
    at : str
        ``"infinite-variance"`` (h(2) = 1) or ``"divergence"`` (rho = 0).
    binding : str
        ``"variance"`` or ``"divergence"`` where the multiplicative noise sets the limit; ``"mean"`` where
        the mean of the iterates goes unstable at the same step size or before.
    mean_value : float
        Step size at which the mean of the iterates goes unstable.
    method : str
        ``"exact"``, ``"quadrature"`` or ``"population"``.
    warnings : tuple of str
        What a reader of the number must know.
    """

    value: float
    stderr: float
    at: str
    binding: str
    mean_value: float
    method: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Growth(_Measured):
    """A growth exponent of the random product: log h(s), or its slope rho at s = 0.

    Attributes
    ----------
    value, stderr : float
        The exponent per step and its standard error (0 by quadrature).
    s : float
        The moment; 0 for the Lyapunov exponent.
    bias : float
        Estimated effect of the finite population, already removed from ``value``.
    n_particles, n_steps, burn_in : int
        Population, steps averaged over, and steps thrown away before; 0 by quadrature.
    method : str
        ``"quadrature"`` or ``"population"``.
    warnings : tuple of str
        What a reader of the number must know.
    """

    value: float
    stderr: float
    s: float
    bias: float
    n_particles: int
    n_steps: int
    burn_in: int
    method: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class TailIndex:
    """The tail index alpha of the stationary law: h(alpha) = 1.

    Attributes
    ----------
    alpha, stderr : float
        The index and its standard error. nan where there is no stationary law; where
        ``lower_bound`` is set, alpha is the largest moment shown to be finite, not an estimate.
    lyapunov_exponent, lyapunov_stderr : float
        rho and its standard error.
    stationary : bool
        Whether rho lies below 0 by more than its error. Without a stationary law there is no tail index.
    lower_bound : bool
        Whether the tail is lighter than the cap, so that ``alpha`` only bounds the index from below.
    bias : float
        Estimated effect of the finite population on alpha, already removed.
    n_particles, n_steps, burn_in : int
        Population, steps averaged over in the last stage, and steps thrown away; 0 by quadrature.
    method : str
        ``"quadrature"`` or ``"population"``.
    warnings : tuple of str
        What a reader of the number must know.
    """

    alpha: float
    stderr: float
    lyapunov_exponent: float
    lyapunov_stderr: float
    stationary: bool
    lower_bound: bool
    bias: float
    n_particles: int
    n_steps: int
    burn_in: int
    method: str
    warnings: tuple[str, ...] = ()

    def __float__(self) -> float:
        return self.alpha

    @property
    def ci_low(self) -> float:
        """Lower end of the 95% interval."""
        return self.alpha - _NORMAL_95 * self.stderr

    @property
    def ci_high(self) -> float:
        """Upper end of the 95% interval."""
        return math.inf if self.lower_bound else self.alpha + _NORMAL_95 * self.stderr

    def to_xarray(self) -> "xarray.Dataset":
        """One scalar variable per attribute."""
        return _scalars_to_xarray(self)


@dataclass(frozen=True)
class Contender:
    """One way of descending: its tail, h(2), and its two critical step sizes."""

    tail: TailIndex
    second_moment_growth: float
    infinite_variance: CriticalStepSize
    divergence: CriticalStepSize


@dataclass(frozen=True)
class Verdict:
    """A claim, whether the numbers bear it out (None: cannot be told within the errors), and the numbers."""

    claim: str
    holds: bool | None
    evidence: str


@dataclass(frozen=True)
class Comparison:
    """What :func:`desgd_fast.theory.compare` returns.

    Attributes
    ----------
    contenders : dict of str to Contender
        "centralized", "disconnected" and every graph by name.
    verdicts : tuple of Verdict
        One for each theorem and graph.
    """

    contenders: dict[str, Contender]
    verdicts: tuple[Verdict, ...]

    def to_xarray(self) -> "xarray.Dataset":
        """Numbers along the axis ``contender``."""
        import xarray

        rows = self.contenders.values()
        columns = {
            "alpha": [row.tail.alpha for row in rows],
            "alpha_stderr": [row.tail.stderr for row in rows],
            "lower_bound": [row.tail.lower_bound for row in rows],
            "stationary": [row.tail.stationary for row in rows],
            "lyapunov_exponent": [row.tail.lyapunov_exponent for row in rows],
            "second_moment_growth": [row.second_moment_growth for row in rows],
            "infinite_variance": [row.infinite_variance.value for row in rows],
            "divergence": [row.divergence.value for row in rows],
            "divergence_stderr": [row.divergence.stderr for row in rows],
        }
        data = {name: ("contender", values) for name, values in columns.items()}
        return xarray.Dataset(data, coords={"contender": list(self.contenders)})

    def summary(self) -> str:
        """The table and the verdicts as text."""
        lines = [f"{'':16}{'alpha':>10}{'± ':>10}{'rho':>12}{'h(2)':>10}{'η: alpha=2':>12}{'η: rho=0':>12}"]
        for name, row in self.contenders.items():
            tail = row.tail
            alpha = ("≥" if tail.lower_bound else "") + (f"{tail.alpha:.4g}" if tail.stationary else "none")
            lines.append(
                f"{name:16}{alpha:>10}{tail.stderr:>10.2g}{tail.lyapunov_exponent:>12.4g}"
                f"{row.second_moment_growth:>10.5g}{row.infinite_variance.value:>12.6g}{row.divergence.value:>12.6g}"
            )
        words = {True: "yes", False: "no", None: "cannot be told"}
        lines += [f"{v.claim}: {words[v.holds]} ({v.evidence})" for v in self.verdicts]
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class RegimeMap:
    """What :func:`desgd_fast.theory.regime_map` returns.

    Attributes
    ----------
    labels : tuple
        One label for each graph.
    step_sizes : (n_steps,) array
        η.
    log_growth : (n_graphs, n_steps) array
        log h(2) of each graph.
    log_growth_disconnected : (n_steps,) array
        log h(2) without communication.
    boundary : (n_graphs,) array
        Smallest η at which the two are equal; nan where they are not in the range.
    norm_bound : (n_graphs, n_steps) array
        1 − 2P(λ* < 1/η), the published criterion.
    """

    labels: tuple[Any, ...]
    step_sizes: NDArray[np.float64]
    log_growth: NDArray[np.float64]
    log_growth_disconnected: NDArray[np.float64]
    boundary: NDArray[np.float64]
    norm_bound: NDArray[np.float64]

    def to_xarray(self) -> "xarray.Dataset":
        """Axes ``graph`` and ``step_size``."""
        import xarray

        both = ("graph", "step_size")
        return xarray.Dataset(
            {
                "log_growth": (both, self.log_growth),
                "log_growth_disconnected": ("step_size", self.log_growth_disconnected),
                "boundary": ("graph", self.boundary),
                "norm_bound": (both, self.norm_bound),
            },
            coords={"graph": list(self.labels), "step_size": self.step_sizes},
        )


_NORMAL_95 = 1.959963984540054


def _scalars_to_xarray(result: Any) -> "xarray.Dataset":
    import xarray

    values = {f.name: getattr(result, f.name) for f in fields(result)}
    values["warnings"] = "; ".join(values.get("warnings", ()))
    values["ci_low"], values["ci_high"] = result.ci_low, result.ci_high
    return xarray.Dataset({name: ((), value) for name, value in values.items()})


@dataclass(frozen=True, eq=False)
class Training:
    """What :func:`desgd_fast.train` returns.

    Attributes
    ----------
    final : (n_runs, n_nodes, P) array
        Last parameters of every node.
    average : (n_runs, n_nodes, P) array or None
        Averages of the last iterates, with ``average_last``.
    diverged : (n_runs,) bool array
        Whether any parameter overflowed to inf or nan; such runs are kept as they are.
    record_steps : (n_records,) integer array
        Steps taken before each record.
    consensus_distance : (n_runs, n_records) array
        (mean over nodes of ‖x_i − mean of x‖²)^½.
    train_loss, train_accuracy : (n_runs, n_records, n_nodes) array
        Of each node's network on all training samples; accuracy is nan for the squared loss.
    test_loss, test_accuracy : (n_runs, n_records, n_nodes) array or None
        On the held-out samples.
    train_ensemble_accuracy, test_ensemble_accuracy : (n_runs, n_records) array, or None likewise
        Of all nodes' networks together: a sample is given the class that the mean of their probabilities, the
        softmax of the outputs, makes the likeliest.
    names, shapes : tuple
        Name and shape of each of the network's parameters, in the order in which they make up the P entries.
    first_run : int
        Number of the first run.
    checkpoints : (n_runs, n_kept, P) array or None
        Parameters of one node at the last steps, where they were asked for.
    """

    final: NDArray[np.float64]
    average: NDArray[np.float64] | None
    diverged: NDArray[np.bool_]
    record_steps: NDArray[np.int64]
    consensus_distance: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    train_accuracy: NDArray[np.float64]
    test_loss: NDArray[np.float64] | None
    test_accuracy: NDArray[np.float64] | None
    train_ensemble_accuracy: NDArray[np.float64]
    test_ensemble_accuracy: NDArray[np.float64] | None
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    first_run: int
    checkpoints: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        n_runs, n_nodes, size = self.final.shape
        count = self.diverged.sum()
        return f"Training({n_runs} runs of {n_nodes} nodes, {size} parameters each, {count} diverged)"

    def parameters(self, of: str = "final") -> dict[str, NDArray[np.float64]]:
        """Every parameter by its name, with the axes run and node before its own.

        Parameters
        ----------
        of : {"final", "average"}
            The last iterates, or the averages of the last ones.

        Raises
        ------
        ValueError
            If averages are asked for and ``train`` was called with ``average_last=0``.
        """
        _validate.choice("of", of, ("final", "average"))
        parameters = self.final if of == "final" else self.average
        _validate.was_kept("of", of, parameters)
        assert parameters is not None
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        parts = np.split(parameters, ends[:-1], axis=-1)
        leading = parameters.shape[:2]
        return {
            name: part.reshape(leading + shape)
            for name, shape, part in zip(self.names, self.shapes, parts, strict=True)
        }

    def weights(self, of: str = "final") -> list[NDArray[np.float64]]:
        """The parameters of two axes or more, layer by layer: all but biases and the like.

        Parameters
        ----------
        of : {"final", "average"}
            As for :meth:`parameters`.
        """
        return [value for value in self.parameters(of).values() if value.ndim >= 4]

    def to_xarray(self) -> "xarray.Dataset":
        """The records over the axes run, step and node, and the parameters."""
        import xarray

        variables: dict[str, Any] = {
            "diverged": ("run", self.diverged),
            "consensus_distance": (("run", "step"), self.consensus_distance),
        }
        for name in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            if getattr(self, name) is not None:
                variables[name] = (("run", "step", "node"), getattr(self, name))
        for name in ("train_ensemble_accuracy", "test_ensemble_accuracy"):
            if getattr(self, name) is not None:
                variables[name] = (("run", "step"), getattr(self, name))
        for name in ("final", "average"):
            if getattr(self, name) is not None:
                variables[name] = (("run", "node", "parameter"), getattr(self, name))
        coords = {"run": self.first_run + np.arange(self.diverged.size), "step": self.record_steps}
        return xarray.Dataset(variables, coords=coords)


class OptimumWarning(RuntimeWarning):
    """The point that distances are measured from is no stationary point."""


@dataclass(frozen=True, eq=False)
class PartitionReport:
    """How the nodes' data differ; prints as a table.

    Attributes
    ----------
    shares : (n_nodes,) int array
        Rows of each node.
    labels : (n_labels,) array
        The distinct targets.
    label_counts : (n_nodes, n_labels) int array
        Rows of each node with each of them.
    label_distance : (n_nodes,) array
        Total variation distance of the node's targets from those of all rows: 0 alike, near 1 disjoint.
    gradient_distance : (n_nodes,) array
        ‖∇f_i(x) − ∇f(x)‖, f being the mean over all rows: what keeps the nodes' optima apart.
    effective_sample_size : float
        n_nodes² / Σ 1/n_i where no two nodes hold the same row. The unweighted average of the nodes' means
        varies as the mean of so many rows would: all rows where shares are equal, fewer otherwise.
    """

    shares: NDArray[np.int64]
    labels: NDArray[np.float64]
    label_counts: NDArray[np.int64]
    label_distance: NDArray[np.float64]
    gradient_distance: NDArray[np.float64]
    effective_sample_size: float

    def __str__(self) -> str:
        lines = [f"{'node':>6}{'rows':>8}{'labels':>8}{'label distance':>16}{'gradient distance':>19}"]
        for node, share in enumerate(self.shares):
            lines.append(
                f"{node:>6}{share:>8}{np.count_nonzero(self.label_counts[node]):>8}"
                f"{self.label_distance[node]:>16.3f}{self.gradient_distance[node]:>19.4g}"
            )
        lines.append(f"{self.shares.sum()} rows, effective sample size {self.effective_sample_size:.1f}")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class GradientNoise:
    """What :func:`desgd_fast.gradient_noise` and :meth:`Runs.gradient_noise` return; prints as a table.

    Attributes
    ----------
    groups : tuple of str
        Names of the groups of coordinates, ``"all"`` first.
    norms : (n_groups, n_points, n_samples, n_nodes) array
        ‖g_i(x) − ∇f_i(x)‖ over the group's coordinates.
    tail : TailEstimate
        Tail index of the noise, over (n_groups, n_nodes).
    iterates : TailEstimate or None
        Tail index of ‖x_i − x*‖ of the runs that the points come from, over (n_nodes,); None for points of
        your own.
    """

    groups: tuple[str, ...]
    norms: NDArray[np.float64]
    tail: TailEstimate
    iterates: TailEstimate | None

    def __str__(self) -> str:
        lines = [f"{'node':>6}" + "".join(f"{name:>24}" for name in (*self.groups, "iterates"))]
        estimates = [(self.tail, group) for group in range(len(self.groups))]
        for node in range(self.norms.shape[-1]):
            entries = [self._entry(tail, (group, node)) for tail, group in estimates]
            entries.append("" if self.iterates is None else self._entry(self.iterates, (node,)))
            lines.append(f"{node:>6}" + "".join(f"{entry:>24}" for entry in entries))
        return "\n".join(lines)

    @staticmethod
    def _entry(tail: TailEstimate, place: tuple[int, ...]) -> str:
        return f"{tail.alpha[place]:.3g} [{tail.ci_low[place]:.3g}, {tail.ci_high[place]:.3g}]"
