"""The norm bound that draws the published regime map: which side of 1/η the worst eigenvalue falls on.

The nonzero eigenvalues of H = Σ_q a_q a_qᵀ, b samples in d dimensions, have the law of those of B Bᵀ with B
lower bidiagonal of size m = min(b, d): independent chi variables with n, n−1, …, n−m+1 degrees of freedom
on the diagonal, n = max(b, d), and m−1, …, 1 below it (Dumitriu and Edelman, J. Math. Phys. 43, 2002).
"""

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.random import CHI_SQUARE, fill_chi_square
from desgd_fast.kernels.jit.compile import Integers, Reals, Words, inlined, kernel

_BISECTIONS = 40


@inlined
def fill_tridiagonal(squares: Reals, size: int, diagonal: Reals, coupling: Reals) -> None:
    """Diagonal and squared off-diagonal of B Bᵀ from the squares of B's diagonal, then of its subdiagonal."""
    diagonal[0] = squares[0]
    for k in range(1, size):
        diagonal[k] = squares[k] + squares[size + k - 1]
        coupling[k] = squares[k - 1] * squares[size + k - 1]


@inlined
def count_below(diagonal: Reals, coupling: Reals, size: int, bound: float) -> int:
    """Eigenvalues of the tridiagonal matrix below a bound, by Sturm's sequence."""
    count = 0
    pivot = 1.0
    for k in range(size):
        pivot = diagonal[k] - bound - (coupling[k] / pivot if k > 0 else 0.0)
        if pivot == 0.0:
            pivot = 1e-300
        if pivot < 0.0:
            count += 1
    return count


@inlined
def find_extremes(diagonal: Reals, coupling: Reals, size: int, singular: bool, ends: Reals) -> None:
    """Smallest and largest eigenvalue into ends; the smallest is 0 where b < d."""
    top = 0.0
    for k in range(size):
        top += diagonal[k]
    low, high = 0.0, top
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if count_below(diagonal, coupling, size, middle) >= size:
            high = middle
        else:
            low = middle
    ends[1] = 0.5 * (low + high)
    low, high = 0.0, ends[1]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if count_below(diagonal, coupling, size, middle) >= 1:
            high = middle
        else:
            low = middle
    ends[0] = 0.0 if singular else 0.5 * (low + high)


@kernel(parallel=True)
def count_smaller(
    key: Words,
    sizes: Integers,
    power: float,
    step_sizes: Reals,
    frobenius: bool,
    chi_parameters: Reals,
    out: Integers,
) -> None:
    """out[draw, k] = 1 where λ* < 1/η_k: λ* the eigenvalue of H/b farthest from 1/η_k at the worst node.

    The worst node has the largest ‖I − η H/b‖, in the spectral or the Frobenius norm; s² is ``power``.
    ``sizes`` are nodes, dimension, batch size and the number of the first draw.
    """
    n_nodes, dim, batch_size, first_draw = sizes[0], sizes[1], sizes[2], sizes[3]
    size = min(batch_size, dim)
    count = chi_parameters.shape[1]
    singular = batch_size < dim
    unit = power / batch_size
    zero = np.uint64(0)
    for draw in prange(out.shape[0]):
        squares = np.empty(count)
        diagonals, couplings = np.empty((n_nodes, size)), np.zeros((n_nodes, size))
        ends, known = np.empty((n_nodes, 2)), np.zeros(n_nodes, dtype=np.int64)
        traces = np.zeros((n_nodes, 2))
        for node in range(n_nodes):
            first = np.uint64(node * count)
            number = np.uint64(first_draw + draw)
            fill_chi_square(key, CHI_SQUARE, zero, first, number, zero, chi_parameters, 0, count, squares)
            fill_tridiagonal(squares, size, diagonals[node], couplings[node])
            for k in range(size):
                value = diagonals[node, k] * unit
                traces[node, 0] += value
                traces[node, 1] += value * value + 2.0 * couplings[node, k] * unit * unit
        for k in range(step_sizes.size):
            step = step_sizes[k]
            worst, largest = 0, -1.0
            for node in range(n_nodes):
                if frobenius:
                    norm = dim - 2.0 * step * traces[node, 0] + step * step * traces[node, 1]
                else:
                    if known[node] == 0:
                        find_extremes(diagonals[node], couplings[node], size, singular, ends[node])
                        known[node] = 1
                    norm = max(abs(1.0 - step * unit * ends[node, 0]), abs(1.0 - step * unit * ends[node, 1]))
                if norm > largest:
                    worst, largest = node, norm
            if known[worst] == 0:
                find_extremes(diagonals[worst], couplings[worst], size, singular, ends[worst])
                known[worst] = 1
            out[draw, k] = 1 if unit * (ends[worst, 0] + ends[worst, 1]) < 2.0 / step else 0
