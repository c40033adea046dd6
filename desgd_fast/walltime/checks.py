"""What times are checked for."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.check.arrays import real_array


def times(name: str, value: Any) -> NDArray[np.float64]:
    """(n_steps, n_nodes) seconds, none negative, at least one of each."""
    array = real_array(name, value)
    if array.ndim != 2 or array.size == 0 or (array < 0).any():
        raise ValueError(
            f"{name} must be an (n_steps, n_nodes) array of seconds ≥ 0, got shape {array.shape}"
            + (f" with {array.min():g}" if array.size and array.ndim == 2 else "")
        )
    return array


def links(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Seconds ≥ 0: a number, or one for every step and node."""
    array = real_array(name, value)
    if array.shape not in ((), shape) or (array < 0).any():
        raise ValueError(f"{name} must be a number of seconds ≥ 0 or have shape {shape}, got {array.shape}")
    return np.broadcast_to(array, shape)


def nodes(name: str, count: int, n_nodes: int) -> None:
    """A graph with as many nodes as there are columns of times."""
    if count != n_nodes:
        raise ValueError(f"{name} must have {n_nodes} nodes, one for each column of compute, got {count}")


def rounds(name: str, n_steps: int, extra: int) -> None:
    """Rounds enough that the first step ends."""
    if n_steps <= extra:
        raise ValueError(f"{name} must have more than {extra} rows: a step ends {extra} rounds later")
