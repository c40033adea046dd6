"""How likely an excursion is: the stationary survival function, where no simulation sees it."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.forms import dataset

if TYPE_CHECKING:
    import xarray

Real = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Exceedance:
    """P(‖E‖ > t) of the stationary law, and how long one waits for it.

    Attributes
    ----------
    thresholds : (n,) array
        The levels t.
    probability, stderr : (n,) arrays
        P(‖E‖ > t), or of what ``along`` says, and its standard error from independent groups; of an integral
        equation, what a coarser grid changes and 0.05 % of it.
    return_time, return_time_stderr : (n,) arrays
        Mean number of steps from one excursion above t to the next; an excursion begins where a run leaves
        the states within ``radius`` and ends where it comes back to them. nan for t below ``radius``.
    constant, constant_stderr : float
        C of P(‖E‖ > t) ~ C t^−alpha, a mean of P t^alpha over ten to a hundred times ``radius``; its error
        counts that of alpha and what P t^alpha still changes there. nan where alpha is only a bound.
    alpha, alpha_stderr : float
        The tail index, from :func:`desgd_fast.theory.tail_index`.
    radius : float
        Where excursions begin.
    n_particles, n_steps : int
        Particles of all rounds, and steps that ordinary runs and particles have taken; 0 without any.
    method : str
        "splitting" or "integral equation".
    warnings : tuple of str
        What a reader of the numbers must know.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> found = dsf.theory.exceedance(problem, [[1.0]], [3, 1e4], step_size=0.5, batch_size=1, rng=0)
    >>> found.thresholds, bool(found.return_time[1] > 1e11)
    (array([3.e+00, 1.e+04]), True)
    """

    thresholds: Real
    probability: Real
    stderr: Real
    return_time: Real
    return_time_stderr: Real
    constant: float
    constant_stderr: float
    alpha: float
    alpha_stderr: float
    radius: float
    n_particles: int
    n_steps: int
    method: str
    warnings: tuple[str, ...] = ()

    def to_xarray(self) -> "xarray.Dataset":
        """One variable per attribute, over the axis threshold where it has one."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        values["warnings"] = "; ".join(self.warnings)
        thresholds = values.pop("thresholds")
        return dataset(
            {name: (("threshold",) if np.ndim(value) else (), value) for name, value in values.items()},
            {"threshold": thresholds},
        )
