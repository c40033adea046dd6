"""ATOMO: a vector, or a matrix, sent as few atoms of a decomposition, its mean kept."""

import numpy as np

from desgd_fast.algorithms.algorithm import Part
from desgd_fast.algorithms.compression.sparsifiers import REAL_BITS, index_bits
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def atom_probabilities(sizes: Reals, budget: float, refilled: bool, out: Reals) -> None:
    """min(1, budget · size / Σ sizes); what atoms above 1 do not use may be refilled to the others."""
    left, certain, total = budget, 0, 0.0
    for i in range(sizes.size):
        total += sizes[i]
        out[i] = 0.0
    for _ in range(sizes.size):
        raised = False
        for i in range(sizes.size):
            # Not "at least": nan is no atom that is sent for certain.
            if out[i] < 1 and left * sizes[i] >= total and total > 0:
                out[i] = 1.0
                raised = True
        if not refilled or not raised:
            break
        left, total, certain = budget, 0.0, 0
        for i in range(sizes.size):
            if out[i] < 1:
                total += sizes[i]
            else:
                certain += 1
        left = budget - certain
    for i in range(sizes.size):
        if out[i] < 1 and total != 0:
            out[i] = left * sizes[i] / total


@inlined
def _atomic(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    dim = vector.size
    sizes, probabilities = np.empty(dim), np.empty(dim)
    for t in range(dim):
        sizes[t] = abs(vector[t])
    atom_probabilities(sizes, parameters[0], parameters[1] > 0, probabilities)
    for t in range(dim):
        # Not above: nan must pass through.
        if uniforms[t] > probabilities[t]:
            vector[t] = 0.0
        elif probabilities[t] > 0:
            vector[t] /= probabilities[t]


@inlined
def _atomic_matrix(
    vector: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    n_rows = int(parameters[2])
    n_columns = vector.size // n_rows
    matrix = np.empty((n_rows, n_columns))
    for t in range(vector.size):
        matrix[t // n_columns, t % n_columns] = vector[t]
    left, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    probabilities = np.empty(sizes.size)
    atom_probabilities(sizes, parameters[0], parameters[1] > 0, probabilities)
    for t in range(vector.size):
        vector[t] = 0.0
    for i in range(sizes.size):
        if uniforms[i] <= probabilities[i]:
            for t in range(vector.size):
                atom = left[t // n_columns, i] * right[i, t % n_columns]
                vector[t] += sizes[i] / probabilities[i] * atom


def atomic(budget: float, *, n_rows: int | None = None, refilled: bool = True) -> Part:
    """ATOMO: atom i of v = Σ_i λ_i a_i sent with probability p_i, as λ_i a_i / p_i.

    Wang et al., NeurIPS 2018: p_i = min(1, budget · abs(λ_i) / Σ_j abs(λ_j)) sends ``budget`` atoms on
    average, with the least variance.

    Parameters
    ----------
    budget : float
        Atoms sent on average (s in the paper).
    n_rows : int, optional
        Take the vector as a matrix of so many rows, and its singular vectors as atoms; else coordinates.
    refilled : bool
        Whether what atoms with p_i = 1 leave of the budget goes to the others, as published; the authors'
        code does not.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.compressed(dsf.algorithms.atomic(2.0)).degree
    'homogeneous'
    """
    budget = check.positive_number("budget", budget)
    numbers: tuple[float, ...] = budget, float(check.flag("refilled", refilled))
    if n_rows is None:
        return Part(
            "atomic",
            _atomic,
            numbers,
            uniforms="dim",
            degree="homogeneous",
            equivariant=False,
            bits=lambda dim: budget * (REAL_BITS + index_bits(dim)),
        )
    rows = check.positive_integer("n_rows", n_rows)
    return Part(
        "atomic",
        _atomic_matrix,
        (*numbers, float(rows)),
        uniforms=rows,
        degree="homogeneous",
        equivariant=False,
        refuses=lambda dim: f"makes them {rows} rows" if dim % rows else None,
        bits=lambda dim: budget * REAL_BITS * (1 + rows + dim // rows),
    )
