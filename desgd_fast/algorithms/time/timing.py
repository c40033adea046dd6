"""When nodes move and when they talk: orders, local steps."""

import numpy as np
from numpy.typing import ArrayLike

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm


def adapt_then_combine() -> Algorithm:
    """x_i ← Σ_j W_ij (x_j − η_j d_j(x_j)): nodes move, then mix (Chen & Sayed, IEEE TSP 2012).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.adapt_then_combine().adapt_first
    True
    """
    return Algorithm(order="adapt-then-combine")


def combine_then_adapt() -> Algorithm:
    """x_i ← Σ_j W_ij x_j − η_i d_i(x_i): what all algorithms do unless told (Lian et al., NeurIPS 2017).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.combine_then_adapt().adapt_first
    False
    """
    return Algorithm(order="combine-then-adapt")


def local_steps(count: ArrayLike) -> Algorithm:
    """W only at the last of every ``count`` steps, the identity at the others (Stich, ICLR 2019).

    Where nodes have counts of their own, a round has as many steps as the largest, and who has taken all its
    steps waits for the others.

    Parameters
    ----------
    count : int or (n_nodes,) array of int
        Steps of a round, at least 1, for all nodes or for each.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.chain(dsf.algorithms.heavy_ball(0.9), dsf.algorithms.local_steps(5))
    chain(heavy_ball(0.9), local_steps(5))
    >>> dsf.algorithms.local_steps([1, 5, 2])
    local_steps([1, 5, 2])
    """
    counts = checks.rounds("count", count, 1, 2**31)
    if np.ndim(count) == 0:
        return Algorithm(local_steps=int(counts[0]))
    return Algorithm(local_steps=tuple(map(int, counts)))
