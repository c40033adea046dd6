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
    def mix_and_combine(
        out: Reals, received: Matrix, weights: Reals, own: int, uniforms: Reals, parameters: Reals
    ) -> None:
        count = received.shape[0]
        distances, order = square_distances(received), np.empty(count, np.int64)
        mixed = np.empty_like(received)
        for i in range(count):
            sort_by(distances[i], order)
            mean_of_rows(received, order, count - int(parameters[0]), mixed[i])
        combine(out, mixed, weights, own, uniforms, parameters[1:])

    return mix_and_combine


@cache
def _bucketed(combine: Callable[..., Any]) -> Callable[..., Any]:
    combine = compilable(combine)

    @inlined
    def fill_and_combine(
        out: Reals, received: Matrix, weights: Reals, own: int, uniforms: Reals, parameters: Reals
    ) -> None:
        count, size, of_own = received.shape[0], int(parameters[0]), -1
        n_buckets = (count + size - 1) // size
        order, buckets = np.empty(count, np.int64), np.empty((n_buckets, received.shape[1]))
        sort_by(uniforms[:count], order)
        for b in range(n_buckets):
            members = order[b * size : min((b + 1) * size, count)]
            mean_of_rows(received, members, members.size, buckets[b])
            for i in range(members.size):
                of_own = b if members[i] == own else of_own
        combine(out, buckets, weights[:n_buckets], of_own, uniforms, parameters[1:])

    return fill_and_combine


def bucketing(aggregation: Algorithm, size: int) -> Algorithm:
    """Vectors put at random into buckets of this size, anew at each step, and their means aggregated.

    Karimireddy, He & Jaggi, ICLR 2022. The last bucket holds what is left. Any of them may hold a Byzantine
    vector: the aggregation has to bear as many.

    Parameters
    ----------
    aggregation : Algorithm
        With nothing but an aggregation that draws no numbers: :func:`krum`, :func:`coordinate_median`, …
    size : int
        Vectors in a bucket.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.bucketing(dsf.algorithms.coordinate_median(), 2)
    coordinate_median_of_buckets(2)
    """
    inner = checks.aggregation_alone("aggregation", aggregation)
    size = check.positive_integer("size", size)

    def refuses(count: int) -> str | None:
        return inner.refuses(-(-count // size)) if inner.refuses else None

    return Algorithm(
        aggregation=replace(
            inner,
            name=f"{inner.name}_of_buckets",
            function=_bucketed(inner.function),
            parameters=(float(size), *inner.parameters),
            uniforms="dim",
            refuses=refuses,
        )
    )


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
