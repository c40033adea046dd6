"""Step sizes that change: functions of the step's number k = 0, 1, …, for simulate's ``step_size``.

Any function will do that takes the array of all k and returns (n_steps,) or (n_steps, n_nodes) step sizes.

>>> import desgd_fast as dsf, numpy as np
>>> dsf.schedules.step_decay(0.8, factor=0.5, every=2)(np.arange(5)).tolist()
[0.8, 0.8, 0.4, 0.4, 0.2]
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import check

Schedule = Callable[[NDArray[np.int64]], NDArray[Any]]


def polynomial_decay(initial: float, *, power: float = 0.5, offset: float = 1.0) -> Schedule:
    """initial · (1 + k / offset)^(−power).

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> dsf.schedules.polynomial_decay(0.5, power=1.0)(np.arange(3)).round(3).tolist()
    [0.5, 0.25, 0.167]
    """
    initial = check.positive_number("initial", initial)
    power = check.non_negative_number("power", power)
    offset = check.positive_number("offset", offset)
    return lambda k: initial * (1 + k / offset) ** -power


def step_decay(initial: float, *, factor: float, every: int) -> Schedule:
    """initial · factor^⌊k / every⌋.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> dsf.schedules.step_decay(1.0, factor=0.1, every=100)(np.array([99, 100])).round(3).tolist()
    [1.0, 0.1]
    """
    initial = check.positive_number("initial", initial)
    factor = check.positive_number("factor", factor)
    every = check.positive_integer("every", every)
    return lambda k: initial * factor ** (k // every)


def cosine_decay(initial: float, *, n_steps: int, final: float = 0.0) -> Schedule:
    """From initial to final along half a cosine over n_steps steps, and final from then on.

    The last of n_steps steps is one short of the end, so that none is zero (Loshchilov & Hutter, ICLR 2017).

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> dsf.schedules.cosine_decay(1.0, n_steps=4)(np.arange(4)).round(3).tolist()
    [1.0, 0.854, 0.5, 0.146]
    """
    initial = check.positive_number("initial", initial)
    n_steps = check.positive_integer("n_steps", n_steps)
    final = check.non_negative_number("final", final)
    return lambda k: final + 0.5 * (initial - final) * (1 + np.cos(np.pi * np.minimum(k / n_steps, 1.0)))


def warm_up(schedule: Schedule, *, n_steps: int) -> Schedule:
    """The schedule after n_steps steps that rise evenly to its first value.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> slow = dsf.schedules.warm_up(dsf.schedules.polynomial_decay(1.0), n_steps=2)
    >>> slow(np.arange(4)).round(3).tolist()
    [0.333, 0.667, 1.0, 0.707]
    """
    check.takes("schedule", schedule, "schedule(k)")
    n_steps = check.positive_integer("n_steps", n_steps)

    def warmed(k: NDArray[np.int64]) -> NDArray[Any]:
        given = check.answer("schedule", schedule, "schedule(k)", np.maximum(k - n_steps, 0))
        sizes = check.real_array("schedule(k)", given, finite=False)
        rising = np.asarray(np.minimum((k + 1) / (n_steps + 1), 1.0))
        return np.asarray(sizes * rising.reshape(*rising.shape, *[1] * (sizes.ndim - rising.ndim)))

    return warmed
