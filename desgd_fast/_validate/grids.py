"""The grid of a sweep: axes, their values and labels, and the arguments beside them."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from desgd_fast._validate.values import given


def named_arguments(name: str, value: Any, *, empty: bool = True) -> dict[str, Any]:
    """A mapping from the names of arguments, perhaps absent."""
    if value is None and empty:
        return {}
    if not isinstance(value, Mapping) or (not value and not empty):
        kind = "a mapping from argument names" + ("" if empty else ", not empty")
        raise TypeError(f"{name} must be {kind}, got {given(value)}")
    for key in value:
        if not isinstance(key, str) or not key.isidentifier():
            raise ValueError(f"{name} must be keyed by argument names, got {given(key)}")
    return dict(value)


def axis_values(name: str, value: Any) -> list[Any]:
    """The values along one axis, in a sequence."""
    if not isinstance(value, list | tuple | range) and not (
        isinstance(value, np.ndarray) and value.ndim == 1
    ):
        raise TypeError(
            f"{name} must be a sequence of values or a mapping from labels to values, got {given(value)}"
        )
    return list(value)


def axis_labels(name: str, values: Collection[Any]) -> list[bool | int | float | str]:
    """Coordinates: all numbers, all texts or all booleans, none of them twice."""
    labels = [value.item() if isinstance(value, np.generic) else value for value in values]
    if not labels:
        raise ValueError(f"{name} must hold at least one value, got none")
    for kinds in (bool, str, int, int | float):
        if all(
            isinstance(label, kinds) and (kinds is bool or not isinstance(label, bool)) for label in labels
        ):
            break
    else:
        odd = next((label for label in labels if not isinstance(label, bool | int | float | str)), labels)
        raise TypeError(
            f"{name} must hold numbers, texts or booleans, all of one kind, got {given(odd)}; anything else "
            "goes into a mapping from labels: {'label': value}"
        )
    if isinstance(labels[0], int | float) and not all(isinstance(label, int) for label in labels):
        labels = [float(label) for label in labels]
    seen = set()
    for label in labels:
        if label != label:
            raise ValueError(f"{name} must not hold nan")
        if label in seen:
            raise ValueError(f"{name} must hold every value once, got {label!r} more than once")
        seen.add(label)
    return labels


def not_both(name: str, fixed: Mapping[str, Any], varied: Mapping[str, Any]) -> None:
    """Arguments that are fixed do not vary."""
    for key in fixed:
        if key in varied:
            raise ValueError(f"{name} must not set {key!r}, which the grid varies")
