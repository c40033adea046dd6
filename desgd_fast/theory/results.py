"""What theory computes for one network: growth exponents, critical step sizes, the tail index."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsFloat

from desgd_fast.common import html
from desgd_fast.common.forms import dataset, scalars

if TYPE_CHECKING:
    import xarray

_NORMAL_95 = 1.959963984540054


class _Measured(SupportsFloat):
    """A number, which ``float()`` gives, with a normal standard error."""

    stderr: float
    warnings: tuple[str, ...]

    @property
    def ci_low(self) -> float:
        """Lower end of the 95% interval."""
        return float(self) - _NORMAL_95 * self.stderr

    @property
    def ci_high(self) -> float:
        """Upper end of the 95% interval."""
        return float(self) + _NORMAL_95 * self.stderr

    def _repr_html_(self) -> str:
        entries: list[tuple[str, object]] = [
            (name.replace("_", " "), value)
            for name, (_, value) in scalars(self).items()
            if name != "warnings"
        ]
        return html.card(type(self).__name__, entries, notes=self.warnings)

    def to_xarray(self) -> "xarray.Dataset":
        """One scalar variable per attribute."""
        return dataset(
            scalars(self)
            | {
                "warnings": ((), "; ".join(self.warnings)),
                "ci_low": ((), self.ci_low),
                "ci_high": ((), self.ci_high),
            }
        )


@dataclass(frozen=True)
class CriticalStepSize(_Measured):
    """The step size at which something first goes wrong; ``float()`` of it is ``value``.

    Attributes
    ----------
    value : float
        The critical step size; 0 where no step size is stable (an eigenvalue −1 of W), infinite where
        all are.
    stderr : float
        Its standard error; 0 where the computation is exact.
    at : str
        ``"infinite-variance"`` (h(2) = 1) or ``"divergence"`` (rho = 0).
    binding : str
        ``"variance"`` or ``"divergence"`` where the multiplicative noise sets the limit; ``"mean"`` where
        the mean of the iterates goes unstable at the same step size or before.
    mean_value : float
        Step size at which the mean of the iterates goes unstable; nan where it was not computed.
    method : str
        ``"exact"``, ``"quadrature"`` or ``"population"``.
    warnings : tuple of str
        What a reader of the number must know.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> end = dsf.theory.critical_step_size(problem, [[1.0]], batch_size=1, at="infinite-variance")
    >>> round(float(end), 4), end.stderr, end.method
    (0.6667, 0.0, 'exact')
    """

    value: float
    stderr: float
    at: str
    binding: str
    mean_value: float
    method: str
    warnings: tuple[str, ...] = ()

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class Growth(_Measured):
    """A growth exponent of the random product: log h(s), or its slope rho at s = 0.

    Attributes
    ----------
    value, stderr : float
        The exponent per step and its standard error (0 where nothing is drawn).
    s : float
        The moment; 0 for the Lyapunov exponent.
    bias : float
        Estimated effect of the finite population, already removed from ``value``.
    n_particles, n_steps, burn_in : int
        Population or draws, steps averaged over, and steps thrown away before; 0 where nothing is drawn.
    method : str
        ``"quadrature"``, ``"exact"`` (a sum over all minibatches), ``"draws"`` (of a step that does not
        remember) or ``"population"``.
    warnings : tuple of str
        What a reader of the number must know.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> rho = dsf.theory.lyapunov_exponent(problem, [[1.0]], step_size=0.5, batch_size=1)
    >>> round(float(rho), 4), rho.s, rho.method
    (-0.4846, 0.0, 'quadrature')
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

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class DominatingRow:
    """The row of a data set that makes the tail: large excursions draw it again and again.

    Attributes
    ----------
    node, row : int
        The node that holds it, and its number in the data set.
    contraction : float
        η‖a‖²/b: beyond 2 a step along this row alone overshoots by more than it corrects.
    share : float
        Share of steps of a large excursion in whose minibatch it is.
    chance : float
        The same of all steps.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> row = dsf.theory.DominatingRow(node=3, row=123, contraction=5.76, share=0.26, chance=0.018)
    >>> round(row.share / row.chance)
    14
    """

    node: int
    row: int
    contraction: float
    share: float
    chance: float


@dataclass(frozen=True)
class TailIndex(_Measured):
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
        Population or draws, steps averaged over in the last stage, and steps thrown away; 0 where nothing
        is drawn.
    method : str
        ``"quadrature"``, ``"exact"`` (a sum over all minibatches), ``"draws"`` (of a step that does not
        remember), ``"population"``, or ``"bounded"`` where every moment is finite.
    warnings : tuple of str
        What a reader of the number must know.
    dominating_row : DominatingRow or None
        The row that makes the tail, where nodes hold rows and one of them does.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> tail = dsf.theory.tail_index(dsf.GaussianRegression(1), [[1.0]], step_size=0.5, batch_size=1)
    >>> round(float(tail), 5), tail.stationary, tail.lower_bound
    (2.90397, True, False)
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
    dominating_row: DominatingRow | None = None

    def __float__(self) -> float:
        return self.alpha

    @property
    def ci_high(self) -> float:
        """Upper end of the 95% interval."""
        return math.inf if self.lower_bound else super().ci_high
