"""Arrays of real or whole numbers: any shape, one per node, a vector, a list."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common.check.values import given


def real_array(name: str, value: ArrayLike, *, finite: bool = True) -> NDArray[np.float64]:
    """A C-contiguous float64 array, masked entries as nan; finite unless told otherwise."""
    try:
        raw = np.asarray(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be an array of real numbers, got {given(value)}") from None
    masked = np.ma.getmaskarray(value) if isinstance(value, np.ma.MaskedArray) else np.False_
    if raw.dtype.kind == "O":
        raw = _from_objects(name, raw, np.broadcast_to(masked, raw.shape))
    if raw.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be an array of real numbers, got {given(value)}")
    with np.errstate(over="ignore"):
        result = np.ascontiguousarray(raw, dtype=np.float64).reshape(raw.shape)
    if np.any(masked):
        result = np.where(masked, np.nan, result)
    if finite and not np.isfinite(result).all():
        odd = np.count_nonzero(~np.isfinite(result))
        raise ValueError(f"{name} must be finite, got {odd} nan, masked or infinite entries")
    return result


def _from_objects(name: str, raw: NDArray[Any], masked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Numbers that NumPy keeps as objects, such as integers beyond 64 bits; what is none is named."""
    result = np.full(raw.shape, np.nan)
    for place in np.argwhere(~masked):
        entry = raw[tuple(place)]
        where = ", ".join(map(str, place))
        if not isinstance(entry, Real) or isinstance(entry, bool):
            raise TypeError(
                f"{name} must be an array of real numbers, got {given(entry)} of type "
                f"{type(entry).__name__} as entry [{where}]"
            )
        try:
            result[tuple(place)] = float(entry)
        except OverflowError:
            raise ValueError(
                f"{name} must be within ±1.8e308, got {given(entry)} as entry [{where}]"
            ) from None
    return result


def vector(name: str, value: ArrayLike, dim: int) -> NDArray[np.float64]:
    """A scalar or (dim,) array of finite numbers, as an array of length dim."""
    array = real_array(name, value)
    if array.shape not in ((), (dim,)):
        raise ValueError(f"{name} must be a scalar or have shape ({dim},), got shape {array.shape}")
    return np.broadcast_to(array, (dim,)).copy()


def n_axes(name: str, value: Any) -> int:
    """Axes of what is to be an array, whose rows must have one length."""
    try:
        return np.ndim(value)
    except ValueError:
        raise ValueError(f"{name} must have rows of one length, got {given(value)}") from None


def entries(value: Any) -> NDArray[Any]:
    """An array; of nothing that can be one, an empty one of numbers."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError):
        return np.empty(0)


def integer_array(name: str, value: ArrayLike, allowed: str) -> NDArray[Any]:
    """An array of whole numbers of any width, none masked; ``allowed`` words what may be given."""
    array = entries(value)
    if array.dtype.kind not in "iu" or np.ma.is_masked(value):
        raise TypeError(f"{name} must {allowed}, got {given(value)}")
    return array


def _per_node_shape(name: str, shape: tuple[int, ...], n_nodes: int) -> None:
    if shape not in ((), (n_nodes,)):
        raise ValueError(f"{name} must be a scalar or have one entry per node ({n_nodes}), got shape {shape}")


def positive_per_node(
    name: str, value: ArrayLike, n_nodes: int, *, zero: bool = False
) -> NDArray[np.float64]:
    """A scalar or one value per node, all positive (or also zero), as an array of length n_nodes."""
    array = real_array(name, value)
    _per_node_shape(name, array.shape, n_nodes)
    if (array < 0).any() or (not zero and (array == 0).any()):
        raise ValueError(f"{name} must be {'at least 0' if zero else 'positive'}, got {given(value)}")
    return np.broadcast_to(array, (n_nodes,)).copy()


def counts_per_node(name: str, value: ArrayLike, n_nodes: int) -> NDArray[np.int64]:
    """A scalar or one whole number from 1 to 2^53 per node, as an int64 array of length n_nodes."""
    # Kernels divide by them: a larger integer has no double of its own.
    allowed = "be an integer from 1 to 2**53 or one per node"
    array = integer_array(name, value, allowed)
    _per_node_shape(name, array.shape, n_nodes)
    if (array < 1).any() or (array > 2**53).any():
        raise ValueError(f"{name} must {allowed}, got {given(value)}")
    return np.broadcast_to(array, (n_nodes,)).astype(np.int64)


def positive_list(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """One or more positive numbers, increasing."""
    array = real_array(name, value)
    if array.ndim != 1 or array.size == 0 or (array <= 0).any() or (np.diff(array) <= 0).any():
        raise ValueError(f"{name} must be a list of positive numbers in increasing order, got {given(value)}")
    return array


def counts_list(name: str, value: ArrayLike) -> NDArray[np.int64]:
    """One or more whole numbers of at least one."""
    allowed = "be a list of integers ≥ 1"
    array = integer_array(name, value, allowed)
    if array.ndim != 1 or array.size == 0 or (array < 1).any() or (array > 2**53).any():
        raise ValueError(f"{name} must {allowed}, got {given(value)}")
    return array.astype(np.int64)
