"""Aggregations that go by the distances between vectors: the geometric median, Krum, and kin."""

import math
from functools import partial

import numpy as np

from desgd_fast.algorithms.aggregation.coordinates import mean_between, needs, sort_column
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined


@inlined
def square_distance(one: Reals, other: Reals) -> float:
    """‖one − other‖²; infinite where it is not a number."""
    total = 0.0
    for t in range(one.size):
        difference = one[t] - other[t]
        total += difference * difference
    return total if total < np.inf else np.inf


@inlined
def square_distances(received: Matrix) -> Matrix:
    """Between all vectors."""
    count = received.shape[0]
    distances = np.zeros((count, count))
    for i in range(count):
        for j in range(i):
            distances[i, j] = distances[j, i] = square_distance(received[i], received[j])
    return distances


@inlined
def sort_by(keys: Reals, order: Integers) -> None:
    """The positions of the keys, in ascending order of keys; of equal ones the first comes first."""
    for i in range(keys.size):
        place = i
        while place > 0 and keys[order[place - 1]] > keys[i]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = i


@inlined
def mean_of_rows(received: Matrix, chosen: Integers, count: int, out: Reals) -> None:
    """Mean of the vectors that the first so many entries of ``chosen`` name."""
    for t in range(out.size):
        total = 0.0
        for i in range(count):
            total += received[chosen[i], t]
        out[t] = total / count


@inlined
def krum_scores(distances: Matrix, n_neighbours: int, scores: Reals) -> None:
    """Sum of the so many smallest square distances from each vector to others."""
    count = distances.shape[0]
    others, order = np.empty(count - 1), np.empty(count - 1, np.int64)
    for i in range(count):
        for j in range(count - 1):
            others[j] = distances[i, j + (j >= i)]
        sort_by(others, order)
        scores[i] = 0.0
        for j in range(n_neighbours):
            scores[i] += others[order[j]]


@inlined
def _multi_krum(out: Reals, received: Matrix, weights: Reals, own: int, parameters: Reals) -> None:
    count = received.shape[0]
    scores, order = np.empty(count), np.empty(count, np.int64)
    krum_scores(square_distances(received), count - int(parameters[0] + parameters[1]), scores)
    sort_by(scores, order)
    kept = int(parameters[2])
    mean_of_rows(received, order, kept if kept > 0 else count + kept, out)


# Vectors that Krum leaves out of a sum over n: itself among them, or not.
_NEIGHBOURS = {"n-f-2": 2, "n-f-1": 1}


def _krum(name: str, n_byzantine: int, neighbours: str, kept: int) -> Algorithm:
    f = check.integer("n_byzantine", n_byzantine, 0)
    beyond = _NEIGHBOURS[check.choice("neighbours", neighbours, tuple(_NEIGHBOURS))]
    return Algorithm(
        aggregation=Part(
            name,
            _multi_krum,
            (float(f), float(beyond), float(kept)),
            degree="homogeneous",
            refuses=partial(needs, max(f + beyond + 1, kept), f"a score sums {neighbours} distances"),
        )
    )


def krum(n_byzantine: int, *, neighbours: str = "n-f-2") -> Algorithm:
    """The vector with the least sum of square distances to its nearest others.

    Blanchard et al., NeurIPS 2017.

    Parameters
    ----------
    n_byzantine : int
        f, of the n vectors of a neighbourhood. Robust where n ≥ 2f + 3.
    neighbours : {"n-f-2", "n-f-1"}
        Nearest others in a sum: the first as published, the second as ByzFL and Garfield have it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.krum(1).equivariant
    True
    """
    return _krum("krum", n_byzantine, neighbours, 1)


def multi_krum(n_byzantine: int, *, kept: int | None = None, neighbours: str = "n-f-2") -> Algorithm:
    """The mean of the vectors with the least Krum scores (Blanchard et al., NeurIPS 2017).

    Parameters
    ----------
    n_byzantine, neighbours
        As for :func:`krum`.
    kept : int, optional
        Vectors in the mean; by default n − f.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.multi_krum(1, kept=3).degree
    'homogeneous'
    """
    f = check.integer("n_byzantine", n_byzantine, 0)
    # Zero stands for all.
    return _krum("multi_krum", f, neighbours, -f if kept is None else check.positive_integer("kept", kept))


@inlined
def _nearest_neighbour_averaging(
    out: Reals, received: Matrix, weights: Reals, own: int, parameters: Reals
) -> None:
    count = received.shape[0]
    if own < 0:
        out[:] = np.nan
        return
    distances, order = np.empty(count), np.empty(count, np.int64)
    for i in range(count):
        distances[i] = square_distance(received[i], received[own])
    distances[own] = -1.0
    sort_by(distances, order)
    mean_of_rows(received, order, count - int(parameters[0]), out)


def nearest_neighbour_averaging(n_byzantine: int, *, n_discarded: int | None = None) -> Algorithm:
    """The mean of a node's own vector and those nearest to it (Farhadkhani et al., ICML 2023).

    Parameters
    ----------
    n_byzantine : int
        f, of the n vectors of a neighbourhood.
    n_discarded : int, optional
        Farthest vectors that are left out; by default f.

    Notes
    -----
    Nodes must have a weight of their own in W: there is nothing that a server is near to, and its runs
    diverge.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.nearest_neighbour_averaging(2)
    nearest_neighbour_averaging(2)
    """
    f = check.integer("n_byzantine", n_byzantine, 0)
    discarded = f if n_discarded is None else check.integer("n_discarded", n_discarded, 0)
    return Algorithm(
        aggregation=Part(
            "nearest_neighbour_averaging",
            _nearest_neighbour_averaging,
            (float(discarded),),
            degree="homogeneous",
            refuses=partial(needs, max(2 * f, discarded) + 1, f"f = {f}, {discarded} discarded"),
        )
    )


@inlined
def _bulyan(out: Reals, received: Matrix, weights: Reals, own: int, parameters: Reals) -> None:
    count, f = received.shape[0], int(parameters[0])
    distances = square_distances(received)
    n_selected = count - 2 * f
    selected, left = np.empty(n_selected, np.int64), np.arange(count)
    scores, order = np.empty(count), np.empty(count, np.int64)
    for s in range(n_selected):
        n_left = count - s
        among = np.empty((n_left, n_left))
        for i in range(n_left):
            for j in range(n_left):
                among[i, j] = distances[left[i], left[j]]
        krum_scores(among, max(n_left - f - 2, 1), scores[:n_left])
        sort_by(scores[:n_left], order[:n_left])
        selected[s] = left[order[0]]
        for i in range(order[0], n_left - 1):
            left[i] = left[i + 1]
    column, chosen = np.empty(n_selected), np.empty((n_selected, 1))
    kept = n_selected - 2 * f
    for t in range(out.size):
        for i in range(n_selected):
            chosen[i, 0] = received[selected[i], t]
        sort_column(chosen, 0, column)
        median = mean_between(column, (n_selected - 1) // 2, n_selected // 2 + 1)
        # Values in order: the nearest to the median stand side by side.
        first = 0
        while first + kept < n_selected and column[first + kept] - median < median - column[first]:
            first += 1
        out[t] = mean_between(column, first, first + kept)


def bulyan(n_byzantine: int) -> Algorithm:
    """n − 2f vectors chosen by Krum, one by one; of each coordinate the mean of the n − 4f next the median.

    El Mhamdi, Guerraoui & Rouault, ICML 2018.

    Parameters
    ----------
    n_byzantine : int
        f; a neighbourhood must hold n ≥ 4f + 3 nodes.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.bulyan(1).equivariant
    False
    """
    f = check.integer("n_byzantine", n_byzantine, 0)
    return Algorithm(
        aggregation=Part(
            "bulyan",
            _bulyan,
            (float(f),),
            degree="homogeneous",
            equivariant=False,
            refuses=partial(needs, 4 * f + 3, "4f + 3"),
        )
    )


@inlined
def _geometric_median(out: Reals, received: Matrix, weights: Reals, own: int, parameters: Reals) -> None:
    count = received.shape[0]
    for t in range(out.size):
        out[t] = mean_between(received[:, t], 0, count)
    scale = 0.0
    for i in range(count):
        scale += math.sqrt(square_distance(received[i], out)) / count
    nearest, before = parameters[0] * scale, np.empty(out.size)
    for _ in range(int(parameters[1])):
        total, moved = 0.0, 0.0
        for t in range(out.size):
            before[t] = out[t]
            out[t] = 0.0
        for i in range(count):
            distance = math.sqrt(square_distance(received[i], before))
            weight = 1.0 / max(distance, nearest)
            total += weight
            for t in range(out.size):
                out[t] += weight * received[i, t]
        for t in range(out.size):
            out[t] = out[t] / total if scale > 0 else before[t]
        moved = square_distance(out, before)
        # Not "above": where nothing is a number there is nothing to be gained either.
        if not moved > (1e-12 * scale) ** 2:
            break


def geometric_median(*, smoothing: float = 1e-6, n_iterations: int = 100) -> Algorithm:
    """argmin_z Σ_i ‖z − x_i‖, by Weiszfeld's iteration from the mean (Pillutla, Kakade & Harchaoui, 2022).

    Parameters
    ----------
    smoothing : float
        Least distance that a weight 1 / ‖z − x_i‖ sees, in mean distances from the mean: at this scale the
        objective is round, so that the iteration may stand on a vector.
    n_iterations : int
        At most so many; it ends where z moves no more.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.geometric_median().equivariant
    True
    """
    smoothing = check.positive_number("smoothing", smoothing)
    n_iterations = check.positive_integer("n_iterations", n_iterations)
    return Algorithm(
        aggregation=Part(
            "geometric_median",
            _geometric_median,
            (smoothing, float(n_iterations)),
            degree="homogeneous",
        )
    )
