"""Ways of descending side by side: theorems put to the test, and maps of regimes."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.forms import dataset, table
from desgd_fast.theory.results import CriticalStepSize, TailIndex

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class Contender:
    """One way of descending.

    Attributes
    ----------
    tail : TailIndex
        Its tail index.
    second_moment_growth : float
        h(2), below 1 where the variance is finite; nan where it is not known.
    infinite_variance, divergence : CriticalStepSize or None
        Where h(2) = 1, and where rho = 0; None where that is not known, or nowhere.
    """

    tail: TailIndex
    second_moment_growth: float
    infinite_variance: CriticalStepSize | None
    divergence: CriticalStepSize | None


@dataclass(frozen=True)
class Verdict:
    """Whether the numbers bear out a claim.

    Attributes
    ----------
    claim : str
        What is claimed.
    holds : bool or None
        Whether it holds; None where that cannot be told within the errors.
    evidence : str
        The numbers.
    """

    claim: str
    holds: bool | None
    evidence: str


def _number(found: CriticalStepSize | None, name: str = "value") -> float:
    return math.nan if found is None else float(getattr(found, name))


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
        rows = self.contenders.values()
        columns = {
            "alpha": [row.tail.alpha for row in rows],
            "alpha_stderr": [row.tail.stderr for row in rows],
            "lower_bound": [row.tail.lower_bound for row in rows],
            "stationary": [row.tail.stationary for row in rows],
            "lyapunov_exponent": [row.tail.lyapunov_exponent for row in rows],
            "second_moment_growth": [row.second_moment_growth for row in rows],
            "infinite_variance": [_number(row.infinite_variance) for row in rows],
            "divergence": [_number(row.divergence) for row in rows],
            "divergence_stderr": [_number(row.divergence, "stderr") for row in rows],
        }
        variables = {name: ("contender", values) for name, values in columns.items()}
        return dataset(variables, {"contender": list(self.contenders)})

    def summary(self) -> str:
        """The table and the verdicts as text."""
        columns = [
            ":16",
            "alpha:>10",
            "± :>10.2g",
            "rho:>12.4g",
            "h(2):>10.5g",
            "η: alpha=2:>12.6g",
            "η: rho=0:>12.6g",
        ]
        lines = [*table(columns, (self._row(name) for name in self.contenders))]
        words = {True: "yes", False: "no", None: "cannot be told"}
        lines += [f"{v.claim}: {words[v.holds]} ({v.evidence})" for v in self.verdicts]
        return "\n".join(lines)

    def _row(self, name: str) -> tuple[str | float, ...]:
        row = self.contenders[name]
        tail = row.tail
        alpha = ("≥" if tail.lower_bound else "") + f"{tail.alpha:.4g}"
        if not tail.stationary or tail.method == "bounded":
            alpha = "none"
        step_sizes = (_number(row.infinite_variance), _number(row.divergence))
        return name, alpha, tail.stderr, tail.lyapunov_exponent, row.second_moment_growth, *step_sizes


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
        both = ("graph", "step_size")
        return dataset(
            {
                "log_growth": (both, self.log_growth),
                "log_growth_disconnected": ("step_size", self.log_growth_disconnected),
                "boundary": ("graph", self.boundary),
                "norm_bound": (both, self.norm_bound),
            },
            {"graph": list(self.labels), "step_size": self.step_sizes},
        )
