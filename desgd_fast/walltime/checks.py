"""What times are checked for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.check.arrays import integer_array, real_array
from desgd_fast.common.check.values import given, number

# Seconds: sums and products of them stay within double precision.
_LONGEST = 1e100


def times(name: str, value: Any) -> NDArray[np.float64]:
    """(n_steps, n_nodes) seconds, none negative, at least one of each."""
    array = real_array(name, value)
    if array.ndim != 2 or array.size == 0 or (array < 0).any() or (array > _LONGEST).any():
        odd = array.min(initial=0.0) or array.max(initial=0.0)
        raise ValueError(
            f"{name} must be an (n_steps, n_nodes) array of seconds from 0 to {_LONGEST:g}, "
            f"got shape {array.shape}" + (f" with {odd:g}" if array.ndim == 2 and array.size else "")
        )
    return array


def seconds(name: str, value: Any) -> float:
    """A time, or a factor of times."""
    return number(name, value, f"a number from 0 to {_LONGEST:g}", lambda second: 0 <= second <= _LONGEST)


def links(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Seconds ≥ 0: a number, or one for every step and node."""
    array = real_array(name, value)
    if array.shape not in ((), shape) or (array < 0).any() or (array > _LONGEST).any():
        raise ValueError(
            f"{name} must be a number of seconds from 0 to {_LONGEST:g} or have shape {shape}, "
            f"got {given(value)}"
        )
    return np.broadcast_to(array, shape)


def nodes(name: str, count: int, n_nodes: int) -> None:
    """A graph with as many nodes as there are columns of times."""
    if count != n_nodes:
        raise ValueError(f"{name} must have {n_nodes} nodes, one for each column of compute, got {count}")


def rounds(name: str, n_steps: int, extra: int) -> None:
    """Rounds enough that the first step ends."""
    if n_steps <= extra:
        raise ValueError(f"{name} must have more than {extra} rows: a step ends {extra} rounds later")


def ends(name: str, value: Any) -> NDArray[np.float64]:
    """(n_steps,) seconds, none before the one before it."""
    array = real_array(name, value)
    if array.ndim != 1 or array.size == 0 or (np.diff(array) < 0).any():
        raise ValueError(f"{name} must be an (n_steps,) array of seconds in order, got {given(value)}")
    return array


def delays(name: str, value: Any, n_steps: int) -> NDArray[np.int64]:
    """(n_steps, n_updates) numbers of steps ≥ 0."""
    allowed = f"be None or integers from 0 to {n_steps}, not empty"
    array = integer_array(name, value, allowed)
    if array.size == 0 or (array < 0).any() or (array > n_steps).any():
        raise ValueError(f"{name} must {allowed}, got {given(value)}")
    return array.astype(np.int64)
