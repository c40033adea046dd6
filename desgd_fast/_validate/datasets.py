"""Features and targets: one row for every sample of a data set."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast._validate.arrays import real_array
from desgd_fast._validate.values import given


def samples(name: str, value: ArrayLike, dim: int | None = None) -> NDArray[np.float64]:
    """(n_rows, dim) finite numbers with at least one row and one column, and as many columns as told."""
    array = real_array(name, value)
    if array.ndim != 2 or 0 in array.shape or dim not in (None, array.shape[1]):
        width = "dim" if dim is None else dim
        raise ValueError(f"{name} must have shape (n_rows, {width}), not empty, got shape {array.shape}")
    return array.copy()


def one_per_row(name: str, value: ArrayLike, n_rows: int) -> NDArray[np.float64]:
    """(n_rows,) finite numbers."""
    array = real_array(name, value)
    if array.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one entry per row of features ({n_rows},), got shape {array.shape}"
        )
    return array.copy()


def same_rows(name: str, shape: tuple[int, ...], targets_name: str, targets_shape: tuple[int, ...]) -> None:
    """Features and targets of equally many samples, at least one."""
    if not shape or shape[0] == 0:
        raise ValueError(f"{name} must have at least one row, got shape {shape}")
    if not targets_shape or targets_shape[0] != shape[0]:
        raise ValueError(
            f"{targets_name} must have one entry per row of features ({shape[0]}), got shape {targets_shape}"
        )


def labels(name: str, value: ArrayLike, n_rows: int, n_outputs: int | None) -> NDArray[np.int64]:
    """(n_rows,) whole numbers from 0 to n_outputs - 1."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integer labels for loss='cross-entropy', got {given(value)}")
    if array.shape != (n_rows,):
        raise ValueError(
            f"{name} must have one label per row of features ({n_rows},), got shape {array.shape}"
        )
    if array.min() < 0 or (n_outputs is not None and array.max() >= n_outputs):
        bound = "" if n_outputs is None else f" to {n_outputs - 1}"
        raise ValueError(
            f"{name} must be labels from 0{bound}, got values from {array.min()} to {array.max()}"
        )
    return array.astype(np.int64)


def responses(name: str, value: ArrayLike, n_rows: int, n_outputs: int | None) -> NDArray[np.float64]:
    """(n_rows,) or (n_rows, n_outputs) finite numbers, as an array of two axes."""
    array = real_array(name, value)
    array = array[:, np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2 or array.shape[0] != n_rows or n_outputs not in (None, array.shape[1]):
        width = "n_outputs" if n_outputs is None else n_outputs
        raise ValueError(
            f"{name} must have shape ({n_rows},) or ({n_rows}, {width}) for loss='squared', "
            f"got shape {np.shape(value)}"
        )
    return array


def allowed_labels(name: str, targets: NDArray[np.float64], labels: tuple[float, ...] | None) -> None:
    """Targets that the loss knows."""
    if labels is None:
        return
    strange = ~np.isin(targets, labels)
    if strange.any():
        known = ", ".join(f"{label:g}" for label in labels[:12]) + (", …" if len(labels) > 12 else "")
        row = int(np.argmax(strange))
        raise ValueError(f"{name} must be among {known} for this loss, got {targets[row]:g} in row {row}")


def labels_of_outputs(name: str, least: int, most: int, shape: tuple[int, ...]) -> None:
    """Labels that the outputs of a module, (n_rows, n_outputs, …), have a column for."""
    if len(shape) < 2 or least < 0 or most >= shape[1]:
        raise ValueError(
            f"{name} must be labels from 0 to {shape[1] - 1 if len(shape) > 1 else 0}, one per output of the "
            f"module, got values from {least} to {most}"
        )


def held_out(name: str, value: Any) -> tuple[Any, Any]:
    """A pair (features, targets)."""
    if not isinstance(value, tuple) or len(value) != 2:
        raise TypeError(f"{name} must be None or a pair (features, targets), got {given(value)}")
    return value
