"""What a problem is made of, and what the theory asks of one."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast._validate.arrays import real_array
from desgd_fast._validate.values import given


def covariance(
    name: str, value: ArrayLike | None, dim: int
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Eigenvalues (dim,) and eigenvectors (dim, dim) in columns; no eigenvectors where it is diagonal."""
    if value is None:
        return np.ones(dim), None
    array = real_array(name, value)
    if array.shape == (dim,):
        eigenvalues, basis = array.copy(), None
    elif array.shape == (dim, dim):
        if not np.allclose(array, array.T, rtol=1e-10, atol=0):
            raise ValueError(f"{name} must be symmetric, got a matrix that differs from its transpose")
        eigenvalues, basis = np.linalg.eigh(array)
    else:
        raise ValueError(
            f"{name} must be None or have shape ({dim},) or ({dim}, {dim}), got shape {array.shape}"
        )
    if eigenvalues.min() <= dim * np.finfo(float).eps * max(eigenvalues.max(), 0.0):
        raise ValueError(f"{name} must be positive definite, got smallest eigenvalue {eigenvalues.min():.3g}")
    return eigenvalues, basis


def full_rank(name: str, rank: int, dim: int) -> None:
    """Linearly independent columns, so that the least squares solution is unique."""
    if rank < dim:
        raise ValueError(
            f"{name} must have linearly independent columns unless ridge > 0, got rank {rank} with {dim} "
            "columns; drop the redundant columns or pass a ridge"
        )


def truth(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """(dim,) or (n_nodes, dim) finite numbers, as rows (1 or n_nodes, dim)."""
    array = real_array(name, value)
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise ValueError(f"{name} must have shape (dim,) or (n_nodes, dim), got shape {array.shape}")
    return np.array(np.atleast_2d(array))


def truth_per_node(name: str, rows: NDArray[np.float64] | None, n_nodes: int) -> None:
    """A truth common to all nodes, or one for each node of the graph."""
    if rows is not None and rows.shape[0] not in (1, n_nodes):
        raise ValueError(
            f"{name} must have a truth common to all nodes or one for each of the {n_nodes}, "
            f"got {rows.shape[0]}"
        )


def closed_gradient_law(name: str, value: object, kind: type) -> None:
    """A problem whose gradient has a closed law, which the theory needs."""
    if not isinstance(value, kind):
        raise TypeError(
            f"{name} must be a {kind.__name__}, whose gradient has a closed law, got {given(value)}; "
            "for any other problem only simulation applies: measure simulate(...) with desgd_fast.tails"
        )


def finite_variance(name: str, growth: float) -> None:
    """A step size at which the second moments have a limit."""
    if growth >= 1:
        raise ValueError(
            f"{name} must keep the second moments finite, but here h(2) = {growth:.12g} ≥ 1: the variance is "
            "infinite; stay below critical_step_size(..., at='infinite-variance')"
        )
