"""How a node combines what it receives.

An aggregation is a function of (out, received, weights, own, parameters): row i of ``received`` came from a
neighbour whose weight in W is ``weights[i]``, row ``own`` is the node's (−1 if W gives it no weight).
"""

import numpy as np

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _coordinate_median(out: Reals, received: Matrix, weights: Reals, own: int, parameters: Reals) -> None:
    count = received.shape[0]
    column = np.empty(count)
    for t in range(out.size):
        for i in range(count):
            place = i
            while place > 0 and column[place - 1] > received[i, t]:
                column[place] = column[place - 1]
                place -= 1
            column[place] = received[i, t]
        out[t] = 0.5 * (column[(count - 1) // 2] + column[count // 2])


def coordinate_median() -> Algorithm:
    """The median of every coordinate over a node's neighbourhood, itself included (Yin et al., ICML 2018).

    W says who is a neighbour; the sizes of its weights do not matter.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.coordinate_median().degree
    'homogeneous'
    """
    return Algorithm(
        aggregation=Part("coordinate_median", _coordinate_median, degree="homogeneous", equivariant=False)
    )
