"""Leading eigenvalues and fixed points of linear maps that are only ever applied."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import linalg as sparse_linalg

Array = NDArray[np.float64]
Operator = Callable[[Array], Array]

# Vectors kept at a time, at most, and numbers that they may fill together.
_MOST_VECTORS, _MOST_NUMBERS = 120, 2**27
_MOST_RESTARTS = 400
# Unknowns up to which all eigenvalues are cheap.
_DENSE = 600


def _n_vectors(size: int) -> int:
    return max(8, min(_MOST_VECTORS, _MOST_NUMBERS // size))


def leading(operator: Operator, start: Array, tolerance: float = 1e-13) -> float:
    """The largest real eigenvalue that ``start`` has a part in, by Arnoldi's method, restarted.

    Nothing is found outside the space that the operator reaches from ``start``.
    """
    size, vector = start.size, start / np.linalg.norm(start)
    most = min(size, _n_vectors(size))
    value = 0.0
    for _ in range(_MOST_RESTARTS):
        basis, square = np.zeros((most + 1, size)), np.zeros((most + 1, most))
        basis[0] = vector
        for k in range(most):
            image = operator(basis[k])
            for _ in range(2):  # Gram-Schmidt twice is enough
                parts = basis[: k + 1] @ image
                image -= parts @ basis[: k + 1]
                square[: k + 1, k] += parts
            rest = float(np.linalg.norm(image))
            scale = float(np.linalg.norm(square[: k + 1, k]))
            if not np.isfinite(rest + scale):
                return np.inf
            values, vectors = np.linalg.eig(square[: k + 1, : k + 1])
            top = int(np.argmax(values.real))
            value, ritz = float(values[top].real), vectors[:, top].real
            residual = rest * abs(ritz[-1]) / max(float(np.linalg.norm(ritz)), 1e-300)
            if rest <= 1e-14 * scale or residual <= tolerance * abs(value):
                return value
            square[k + 1, k], basis[k + 1] = rest, image / rest
        vector = ritz @ basis[:most]
        vector /= np.linalg.norm(vector)
    return value


def radius(operator: Operator, size: int) -> float:
    """The spectral radius of any linear map."""
    if size <= _DENSE:
        dense = np.stack([operator(unit) for unit in np.eye(size)], axis=1)
        return float(np.abs(np.linalg.eigvals(dense)).max()) if np.isfinite(dense).all() else np.inf
    wrapped = sparse_linalg.LinearOperator((size, size), matvec=operator, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(size)
    values = sparse_linalg.eigs(wrapped, k=2, v0=start, return_eigenvectors=False, tol=1e-11)
    return float(np.abs(values).max())


def fixed_point(operator: Operator, added: Array) -> Array:
    """The x with x = operator(x) + added."""
    if not added.any():
        return added
    wrapped = sparse_linalg.LinearOperator(
        (added.size,) * 2, matvec=lambda x: x - operator(x), dtype=np.float64
    )
    restart = min(added.size, _n_vectors(added.size))
    x, _ = sparse_linalg.gmres(wrapped, added, rtol=1e-13, atol=0.0, restart=restart, maxiter=_MOST_RESTARTS)
    return np.asarray(x)
