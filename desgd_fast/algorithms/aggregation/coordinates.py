"""The mean, and aggregations that look at one coordinate after the other."""

from functools import partial

import numpy as np

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def sort_column(received: Matrix, t: int, column: Reals) -> None:
    """Coordinate t of all vectors, in ascending order."""
    for i in range(received.shape[0]):
        place = i
        while place > 0 and column[place - 1] > received[i, t]:
            column[place] = column[place - 1]
            place -= 1
        column[place] = received[i, t]


@inlined
def mean_between(column: Reals, first: int, last: int) -> float:
    """Mean of the entries ``first`` … ``last`` - 1; not a number where there are none."""
    total = 0.0 if first < last else np.nan
    for i in range(first, last):
        total += column[i]
    return total / (last - first)


def needs(count: int, why: str, n_received: int) -> str | None:
    """What an aggregation says of neighbourhoods that are too small for it."""
    return None if n_received >= count else f"takes {count} or more ({why})"


@inlined
def _mean(out: Reals, received: Matrix, weights: Reals, own: int, uniforms: Reals, parameters: Reals) -> None:
    count = received.shape[0]
    for t in range(out.size):
        total = 0.0
        for i in range(count):
            total += received[i, t]
        out[t] = total / count


def mean() -> Algorithm:
    """The mean of what a node receives, all alike whatever the weights in W.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.mean().degree
    'linear'
    """
    return Algorithm(aggregation=Part("mean", _mean))


@inlined
def _coordinate_median(
    out: Reals, received: Matrix, weights: Reals, own: int, uniforms: Reals, parameters: Reals
) -> None:
    count = received.shape[0]
    column = np.empty(count)
    for t in range(out.size):
        sort_column(received, t, column)
        out[t] = mean_between(column, (count - 1) // 2, count // 2 + 1)


def coordinate_median() -> Algorithm:
    """The median of every coordinate over a node's neighbourhood, itself included (Yin et al., ICML 2018).

    On a cycle, nodes that combine before they adapt may alternate in sign, take their neighbours' sign, and
    move by gradients of their own old one, away from the optimum, at any step size; nodes that adapt first
    (:func:`adapt_then_combine`) come back.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.coordinate_median().degree
    'homogeneous'
    """
    return Algorithm(
        aggregation=Part("coordinate_median", _coordinate_median, degree="homogeneous", equivariant=False)
    )


@inlined
def _trimmed_mean(
    out: Reals, received: Matrix, weights: Reals, own: int, uniforms: Reals, parameters: Reals
) -> None:
    count, trimmed = received.shape[0], int(parameters[0])
    column = np.empty(count)
    for t in range(out.size):
        sort_column(received, t, column)
        out[t] = mean_between(column, trimmed, count - trimmed)


def trimmed_mean(n_byzantine: int) -> Algorithm:
    """The mean of every coordinate without its f largest and f smallest values (Yin et al., ICML 2018).

    Parameters
    ----------
    n_byzantine : int
        f; a neighbourhood must hold 2f + 1 nodes or more.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.trimmed_mean(1)
    trimmed_mean(1)
    """
    f = check.integer("n_byzantine", n_byzantine, 0)
    return Algorithm(
        aggregation=Part(
            "trimmed_mean",
            _trimmed_mean,
            (float(f),),
            degree="homogeneous",
            equivariant=False,
            refuses=partial(needs, 2 * f + 1, "2f + 1"),
        )
    )
