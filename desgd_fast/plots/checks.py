"""What pictures are checked for."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.common.check.values import given

# Of an axis whose margins double precision holds.
_MOST_DECADES = 300


def dataset(name: str, value: Any, variables: Collection[str] = ()) -> None:
    """An xarray.Dataset that has these variables or coordinates."""
    check.installed("pictures of datasets need", "sweeps", "xarray")
    import xarray

    check.instance(name, value, (xarray.Dataset,))
    for variable in variables:
        if variable not in value:
            raise ValueError(f"{name} must have {variable!r}, got {given(list(value.variables))}")


def variable(name: str, value: Any, dataset: Any) -> str:
    """The name of a variable or coordinate of a dataset."""
    if not isinstance(value, str) or value not in dataset:
        raise ValueError(f"{name} must name one of {given(list(dataset.variables))}, got {given(value)}")
    return value


def dimension(name: str, value: Any, dataset: Any) -> str:
    """The name of a dimension of a dataset."""
    if not isinstance(value, str) or value not in dataset.dims:
        raise ValueError(f"{name} must name one of {given(list(dataset.dims))}, got {given(value)}")
    return value


def two_dimensions(name: str, dims: tuple[Any, ...]) -> None:
    """A variable over runs and one other dimension."""
    if len(dims) != 2:
        raise ValueError(f"{name} must name a variable over two dimensions, got one over {dims}")


def windows(name: str, value: Any, count: int | None = None) -> NDArray[np.float64]:
    """(n, 2) step sizes: where alpha = 2 and where rho = 0."""
    array = check.real_array(name, value)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) == 0 or count not in (None, len(array)):
        pairs = "a pair" if count is None else f"{count} pairs"
        raise ValueError(f"{name} must hold {pairs} of step sizes, got {given(value)}")
    return array


def curve(name: str, value: ArrayLike, n_points: int | None = None) -> NDArray[np.float64]:
    """(n_points,) numbers, nan where there is none."""
    array = check.real_array(name, value, finite=False)
    if array.ndim != 1 or array.size == 0 or n_points not in (None, array.size):
        length = "n_points" if n_points is None else n_points
        raise ValueError(f"{name} must have shape ({length},), got {array.shape}")
    return array


def decades(name: str, values: NDArray[np.float64]) -> None:
    """Numbers of which one logarithmic axis holds all that are positive and finite."""
    shown = values[(values > 0) & np.isfinite(values)]
    if shown.size and np.log10(shown.max()) - np.log10(shown.min()) > _MOST_DECADES:
        raise ValueError(f"{name} must span at most {_MOST_DECADES} decades, for a logarithmic axis")
