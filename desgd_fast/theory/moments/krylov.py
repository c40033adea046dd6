"""Leading eigenvalues and fixed points of linear maps that are only ever applied."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.sparse import linalg as sparse_linalg

Array = NDArray[np.float64]
Operator = Callable[[Array], Array]

# Vectors kept at a time, at most, and numbers that they may fill together.
_MOST_VECTORS, _MOST_NUMBERS = 120, 2**27
_MOST_RESTARTS, _MOST_STEPS, _MOST_REFINEMENTS = 400, 4000, 6
# Unknowns up to which all eigenvalues are cheap.
_DENSE = 600


def _n_vectors(size: int) -> int:
    return max(8, min(_MOST_VECTORS, _MOST_NUMBERS // size))


def leading(operator: Operator, start: Array, self_adjoint: bool) -> float:
    """The largest real eigenvalue that ``start`` has a part in; inf where it overflows.

    Nothing is found outside the space that the operator reaches from ``start``. Lanczos where the operator is
    self-adjoint, which keeps three vectors; else Arnoldi, restarted.
    """
    vector = start / np.linalg.norm(start)
    if not np.isfinite(operator(vector)).all():
        return math.inf
    return _lanczos(operator, vector) if self_adjoint else _arnoldi(operator, vector)


def _lanczos(operator: Operator, vector: Array) -> float:
    """Without orthogonalisation: repeated eigenvalues do no harm, and errors are squares of residuals."""
    before, coupling, value = np.zeros_like(vector), 0.0, 0.0
    diagonal: list[float] = []
    beside: list[float] = []
    for k in range(_MOST_STEPS):
        image = operator(vector) - coupling * before
        diagonal.append(float(vector @ image))
        image -= diagonal[-1] * vector
        coupling, before = float(np.linalg.norm(image)), vector
        if coupling <= 1e-11 * abs(diagonal[0]) or k % 8 == 7:
            top = (k, k)
            values, vectors = linalg.eigh_tridiagonal(diagonal, beside, select="i", select_range=top)
            value = float(values[0])
            if coupling * abs(vectors[-1, 0]) <= 1e-7 * abs(value):
                break
        beside.append(coupling)
        vector = image / coupling
    return value


def _arnoldi(operator: Operator, vector: Array) -> float:
    most, value = min(vector.size, _n_vectors(vector.size)), 0.0
    for _ in range(_MOST_RESTARTS):
        before = value
        value, ritz, settled = _arnoldi_once(operator, vector, most, np.real)
        if settled or abs(value - before) <= 1e-14 * abs(value):  # rounding keeps the residual where it is
            break
        vector = ritz / np.linalg.norm(ritz)
    return value


def _arnoldi_once(
    operator: Operator, vector: Array, most: int, size_of: Callable[[Any], Array]
) -> tuple[float, Array, bool]:
    """The largest size of an eigenvalue, its vector's real part, and whether it has settled."""
    basis, square = np.zeros((most + 1, vector.size)), np.zeros((most + 1, most))
    basis[0], value, ritz = vector, math.inf, vector
    for k in range(most):
        image = operator(basis[k])
        for _ in range(2):  # Gram-Schmidt twice is enough
            parts = basis[: k + 1] @ image
            image -= parts @ basis[: k + 1]
            square[: k + 1, k] += parts
        rest, scale = float(np.linalg.norm(image)), float(np.linalg.norm(square[: k + 1, k]))
        if not math.isfinite(rest + scale):
            return math.inf, vector, True
        ended = rest <= 1e-13 * scale
        if ended or k % 4 == 3 or k == most - 1:
            values, vectors = np.linalg.eig(square[: k + 1, : k + 1])
            top = int(np.argmax(size_of(values)))
            value, ritz = float(size_of(values[top])), vectors[:, top].real
            if ended or rest * abs(vectors[-1, top]) <= 1e-12 * abs(value):
                return value, ritz @ basis[: k + 1], True
        square[k + 1, k], basis[k + 1] = rest, image / rest
    return value, ritz @ basis[:most], False


def radius(operator: Operator, size: int) -> float:
    """The spectral radius of any linear map."""
    if size <= _DENSE:
        dense = np.stack([operator(unit) for unit in np.eye(size)], axis=1)
        return float(np.abs(np.linalg.eigvals(dense)).max()) if np.isfinite(dense).all() else math.inf
    start = np.random.default_rng(0).standard_normal(size)
    # ARPACK cannot begin where the map has a lower rank than it wants vectors; there this is all.
    value, _, settled = _arnoldi_once(operator, start / np.linalg.norm(start), _n_vectors(size), np.abs)
    if settled:
        return value
    wrapped = sparse_linalg.LinearOperator((size, size), matvec=operator, dtype=np.float64)
    values = sparse_linalg.eigs(wrapped, k=2, v0=start, return_eigenvectors=False, tol=1e-11)
    return float(np.abs(values).max())


def fixed_point(
    operator: Operator, added: Array, *, self_adjoint: bool = False, sizes: Operator = np.abs
) -> Array:
    """The x with x = operator(x) + added, each entry to eleven digits of what ``sizes(x)`` says counts there.

    Conjugate gradients where a contracting operator is self-adjoint, which keep three vectors; else GMRES.
    """
    if not added.any():
        return added
    wrapped = sparse_linalg.LinearOperator(
        (added.size,) * 2, matvec=lambda x: x - operator(x), dtype=np.float64
    )
    restart = min(added.size, _n_vectors(added.size))
    x, rest = np.zeros_like(added), added
    # Where steps are small the largest entries settle at once, and hide what is left of the others.
    for _ in range(_MOST_REFINEMENTS):
        if self_adjoint:
            more, _ = sparse_linalg.cg(wrapped, rest, rtol=1e-13, atol=0.0, maxiter=_MOST_STEPS)
        else:
            more, _ = sparse_linalg.gmres(
                wrapped, rest, rtol=1e-13, atol=0.0, restart=restart, maxiter=_MOST_RESTARTS
            )
        x += more
        if (np.abs(more) <= 1e-11 * sizes(x)).all():
            break
        rest = added - (x - operator(x))
    return x
