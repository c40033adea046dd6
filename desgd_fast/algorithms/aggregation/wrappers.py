"""What is done to received vectors before they are aggregated."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.aggregation.coordinates import needs
from desgd_fast.algorithms.aggregation.distances import mean_of_rows, sort_by, square_distances
from desgd_fast.algorithms.algorithm import Algorithm
from desgd_fast.algorithms.compression.memory import compilable
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@cache
def _mixed(combine: Callable[..., Any]) -> Callable[..., Any]:
    combine = compilable(combine)

    @inlined
    def mix_and_combine(out: Reals, received: Matrix, weights: Reals, own: int, parameters: Reals) -> None:
        count = received.shape[0]
        distances, order = square_distances(received), np.empty(count, np.int64)
        mixed = np.empty_like(received)
        for i in range(count):
            sort_by(distances[i], order)
            mean_of_rows(received, order, count - int(parameters[0]), mixed[i])
        combine(out, mixed, weights, own, parameters[1:])

    return mix_and_combine


def nearest_neighbour_mixing(aggregation: Algorithm, n_byzantine: int) -> Algorithm:
    """Every vector replaced by the mean of the n − f nearest to it, itself included, before an aggregation.

    Allouah et al., AISTATS 2023.

    Parameters
    ----------
    aggregation : Algorithm
        With nothing but an aggregation: :func:`krum`, :func:`coordinate_median`, …
    n_byzantine : int
        f.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.nearest_neighbour_mixing(dsf.algorithms.trimmed_mean(1), 1)
    trimmed_mean_of_nearest_neighbours(1, 1)
    """
    inner = checks.aggregation_alone("aggregation", aggregation)
    f = check.integer("n_byzantine", n_byzantine, 0)

    def refuses(count: int) -> str | None:
        return needs(2 * f + 1, "2f + 1", count) or (inner.refuses(count) if inner.refuses else None)

    return Algorithm(
        aggregation=replace(
            inner,
            name=f"{inner.name}_of_nearest_neighbours",
            function=_mixed(inner.function),
            parameters=(float(f), *inner.parameters),
            degree=max(inner.degree, "homogeneous", key=checks.DEGREES.index),
            refuses=refuses,
        )
    )
