"""The Flag Aggregator: what gradients have in common, as the subspace that is nearest to most of them."""

import math
from functools import partial

import numpy as np

from desgd_fast.algorithms.aggregation.coordinates import needs
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

# Keeps the weight of a vector that lies in the subspace finite, as in the authors' code.
_SMALL = 1e-7


@inlined
def cosines_of(received: Matrix, lengths: Reals) -> Matrix:
    """Between all vectors, and their lengths; zero with a vector of length zero."""
    count = received.shape[0]
    cosines = np.zeros((count, count))
    for i in range(count):
        lengths[i] = math.sqrt((received[i] ** 2).sum())
        for j in range(i + 1):
            size = lengths[i] * lengths[j]
            if size != 0:  # nan passes
                cosines[i, j] = cosines[j, i] = (received[i] * received[j]).sum() / size
    return cosines


@inlined
def _flag(out: Reals, received: Matrix, weights: Reals, own: int, uniforms: Reals, parameters: Reals) -> None:
    count = received.shape[0]
    rank, rounds, coded = int(parameters[0]), int(parameters[1]), parameters[2] > 0
    if rank == 0:
        rank = (count + 1) // 2
    lengths = np.empty(count)
    cosines = cosines_of(received, lengths)
    emphasis, shares = np.ones(count), np.empty(count)
    # A direction y_k of the subspace is Σ_i basis[i, k] ĝ_i: eigenvectors of a small matrix find it.
    basis = np.zeros((count, rank))
    for turn in range(rounds + 1):
        values, vectors = np.linalg.eigh(cosines * np.outer(emphasis, emphasis))
        for k in range(rank):
            value = values[count - 1 - k]
            real = value > 1e-12 * values[count - 1]
            for i in range(count):
                basis[i, k] = emphasis[i] * vectors[i, count - 1 - k] / math.sqrt(value) if real else 0.0
        along = cosines @ basis
        if turn < rounds:
            for i in range(count):
                shares[i] = (along[i] ** 2).sum()
                emphasis[i] = (max(1.0 - shares[i], 0.0) + _SMALL) ** -0.25
    sizes = np.full(count, 1.0 / rank) if coded else lengths / count
    onto = basis @ (sizes @ along)
    for t in range(out.size):
        out[t] = 0.0
        for i in range(count):
            if lengths[i] != 0:
                out[t] += onto[i] * received[i, t] / lengths[i]


def flag(rank: int | None = None, *, n_iterations: int = 5, as_coded: bool = False) -> Algorithm:
    """The mean of the moves, projected on the subspace Y with the least Σ_i √(1 − ‖Yᵀĝ_i‖²).

    ĝ_i are the moves g_i at unit length: the Flag Aggregator of Almasi, Mishra, Vamanan & Ravi (ICLR 2024),
    d = (1/p) Σ_i Y Yᵀ g_i, at a server, by reweighted least squares from the subspace of all alike; without
    their regulariser (λ = 0).

    Parameters
    ----------
    rank : int, optional
        Dimension of Y; by default (p + 1) / 2 rounded down, of p vectors.
    n_iterations : int
        Reweightings; the authors' code makes one from a random subspace.
    as_coded : bool
        The authors' code returns (1/rank) Σ_i Y Yᵀ ĝ_i, whatever the lengths of the gradients: steps are
        bounded.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> [dsf.algorithms.flag(as_coded=coded).degree for coded in (False, True)]
    ['homogeneous', 'bounded']
    """
    rank = 0 if rank is None else check.positive_integer("rank", rank)
    n_iterations = check.integer("n_iterations", n_iterations, 0)
    coded = check.flag("as_coded", as_coded)
    return Algorithm(
        aggregation=Part(
            "flag",
            _flag,
            (float(rank), float(n_iterations), float(coded)),
            degree="bounded" if coded else "homogeneous",
            of_moves=True,
            refuses=partial(needs, max(rank, 1), f"a subspace of dimension {rank}"),
        )
    )
