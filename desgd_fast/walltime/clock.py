"""When steps end."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.walltime import checks


@dataclass(frozen=True, eq=False)
class Clock:
    """When the steps of a run end, in seconds from its start.

    Attributes
    ----------
    ends : (n_steps,) array
        Seconds at which each step is done by all that take part in it.
    delays : (n_steps, n_updates) array of int, or None
        Steps that each update of a step came late, where gradients are not awaited: the law that
        :func:`desgd_fast.algorithms.randomly_delayed` takes is :attr:`delay_law`.
    name : str
        Who waits for whom.

    Examples
    --------
    >>> import numpy as np, desgd_fast as dsf
    >>> dsf.walltime.Clock(np.array([1.0, 3.0, 6.0])).seconds_per_step
    2.0
    """

    ends: NDArray[np.float64] = field(repr=False)
    delays: NDArray[np.int64] | None = field(default=None, repr=False)
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends", checks.ends("ends", self.ends))
        if self.delays is not None:
            object.__setattr__(self, "delays", checks.delays("delays", self.delays, self.ends.size))

    @property
    def seconds_per_step(self) -> float:
        """In the long run: the time of all steps over their number."""
        return float(self.ends[-1] / self.ends.size)

    @property
    def delay_law(self) -> NDArray[np.float64]:
        """Shares of the delays 0, 1, …; all mass on 0 where everybody is awaited."""
        return np.array([1.0]) if self.delays is None else np.bincount(self.delays.ravel()) / self.delays.size

    def steps_within(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """How many steps are done by then: the n_steps of a run that is to be compared at equal time.

        Examples
        --------
        >>> import numpy as np, desgd_fast as dsf
        >>> dsf.walltime.synchronous(np.ones((5, 2))).steps_within([0.5, 3.0]).tolist()
        [0, 3]
        """
        return np.searchsorted(self.ends, check.real_array("seconds", seconds, finite=False), side="right")
