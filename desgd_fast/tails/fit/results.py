"""How far to trust a fitted power law: its threshold, its distance from the data, its rivals."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from desgd_fast.common import html
from desgd_fast.common.forms import dataset, table
from desgd_fast.tails.results import TailEstimate

if TYPE_CHECKING:
    import xarray


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

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> choice = tails.ks_threshold(1 + np.random.default_rng(0).pareto(2.0, 1000))
    >>> choice.rule, round(choice.exponent - choice.alpha, 6), choice.k < choice.n_used
    ('ks', 1.0, True)
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

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> sample = 1 + np.random.default_rng(0).pareto(2.0, 1000)
    >>> fit = tails.goodness_of_fit(sample, k=200, n_resamples=100, rng=0)
    >>> fit.p_value > 0.1, fit.k, fit.n_resamples
    (True, 200, 100)
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
        Of Vuong's test: ``log_ratio`` over its standard deviation, standard normal if neither is nearer.
        Of the test against the lognormal: standard deviation over mean of log(X/threshold), about 1 for
        Pareto and less for the lognormal.
    p_value : float
        Small means that the sign can be trusted (Vuong's test, two-sided), or that the Pareto law is
        rejected for the lognormal one.
    alternative : str
        The other tail.
    parameters : tuple of float
        Its fit: (mu, sigma) of the lognormal, (−inf, inf) where its limit, Pareto, fits best; (rate,) of the
        exponential.
    alpha, threshold, k
        The Pareto fit.
    test : str
        ``"Vuong"`` or ``"uniformly most powerful unbiased"``.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> sample = np.random.default_rng(0).exponential(size=1000)
    >>> tails.likelihood_ratio(sample, "exponential", k=500).favours
    'exponential'
    """

    log_ratio: float
    statistic: float
    p_value: float
    alternative: str
    parameters: tuple[float, ...]
    alpha: float
    threshold: float
    k: int
    test: str

    @property
    def favours(self) -> str:
        """``"pareto"`` (not over the lognormal, its superset), the alternative, or ``"neither"``: p > 0.1."""
        if not self.p_value <= 0.1:
            return "neither"
        return "pareto" if self.log_ratio > 0 else self.alternative


@dataclass(frozen=True, eq=False)
class TailComparison:
    """Several estimators on one sample; prints as a table.

    Attributes
    ----------
    estimates : dict of str to TailEstimate
        Those that have one, by name of the estimator.
    disagreements : tuple of (str, str)
        Pairs whose intervals do not meet.
    reasons : dict of str to str
        Why the others have none.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import tails
    >>> comparison = tails.compare(np.random.default_rng(0).standard_t(3, 2000))
    >>> sorted(comparison.estimates)
    ['Hill', 'MMO', 'Pickands', 'bias-reduced Hill', 'moment', 'tail index']
    """

    estimates: dict[str, TailEstimate]
    disagreements: tuple[tuple[str, str], ...]
    reasons: dict[str, str]

    def __str__(self) -> str:
        columns = ["estimator:<20", "alpha:>9.4g", "stderr:>9.2g", "ci_low:>9.4g", "ci_high:>9.4g", "k:>9"]
        rows: list[tuple[Any, ...]] = [
            (name, e.alpha, e.stderr, e.ci_low, e.ci_high, e.k or "") for name, e in self.estimates.items()
        ]
        if self.reasons:
            columns.append("  reason:")
            rows = [(*row, "") for row in rows]
            rows += [(name, *[math.nan] * 4, "", "  " + reason) for name, reason in self.reasons.items()]
        return "\n".join([*table(columns, rows), *self._notes()])

    def _repr_html_(self) -> str:
        rows: list[list[Any]] = [
            [name, e.alpha, e.stderr, e.ci_low, e.ci_high, e.k or ""] for name, e in self.estimates.items()
        ]
        notes = [f"{name}: {reason}" for name, reason in self.reasons.items()]
        columns = ("estimator", "alpha", "stderr", "ci_low", "ci_high", "k")
        return html.grid("Tail indices of one sample", columns, rows, notes + self._notes())

    def _notes(self) -> list[str]:
        """Which to quote, which contradict each other, and what each warns of."""
        quoted = "tail index" in self.estimates
        notes = ["to quote: tail index, whose interval alone counts the bias"] if quoted else []
        notes += [f"disagree: {first} and {second}" for first, second in self.disagreements]
        return notes + [f"{name}: {text}" for name, e in self.estimates.items() for text in e.warnings]

    def to_xarray(self) -> "xarray.Dataset":
        """The numbers over an axis of estimators; nan, and the reason, where there is none."""
        names = [*self.estimates, *self.reasons]
        found = [self.estimates.get(name) for name in names]
        numbers = ("alpha", "xi", "stderr", "xi_stderr", "ci_low", "ci_high", "threshold")
        columns = {name: [math.nan if e is None else getattr(e, name) for e in found] for name in numbers}
        columns |= {name: [0 if e is None else getattr(e, name) for e in found] for name in ("k", "n_used")}
        columns["warnings"] = ["" if e is None else "; ".join(e.warnings) for e in found]
        columns["reason"] = [self.reasons.get(name, "") for name in names]
        return dataset(
            {name: ("estimator", values) for name, values in columns.items()},
            {"estimator": names},
            {"disagreements": [" and ".join(pair) for pair in self.disagreements]},
        )
