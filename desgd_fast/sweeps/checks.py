"""What sweeps and their grids are checked for."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NoReturn

import numpy as np

from desgd_fast.common.check.values import given, integer


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


def describable(name: str, value: object) -> str:
    """A value whose printed form tells it from others, whatever the process."""
    text = repr(value)
    if " at 0x" in text:
        raise TypeError(
            f"{name} must be something that a store can tell from other values: a number, text, array, "
            f"graph, dataclass or function, got {given(value)}; give its class a repr of its values"
        )
    return f"{type(value).__qualname__} {text}"


def same_sweep(name: str, stored: Any, asked: Any) -> None:
    """A store made by the same function over the same grid with the same fixed arguments and rng."""
    differences = list(_differences("", stored, asked))
    if differences:
        shown = "; ".join(differences[:5]) + ("; …" if len(differences) > 5 else "")
        raise ValueError(
            f"{name} must be new or hold the same sweep, but it was made with other parameters: {shown}. "
            "Choose another store, or delete this one"
        )


_ABSENT = object()


def _differences(place: str, stored: Any, asked: Any) -> Iterator[str]:
    if isinstance(stored, Mapping) and isinstance(asked, Mapping):
        for key in [*stored, *(key for key in asked if key not in stored)]:
            inner = f"{place}.{key}" if place else str(key)
            yield from _differences(inner, stored.get(key, _ABSENT), asked.get(key, _ABSENT))
    elif stored != asked:
        was, now = ("absent" if value is _ABSENT else given(value) for value in (stored, asked))
        yield f"{place} was {was}, now {now}"


def is_a_sweep(name: str, value: object, ours: bool) -> None:
    """Nothing yet, or the store of a sweep."""
    if not ours:
        raise ValueError(
            f"{name} must be new or the store of a sweep, got {given(value)}, which holds other things"
        )


def unlocked(name: str, value: object, free: bool) -> None:
    """A store that no other process is writing."""
    if not free:
        raise ValueError(
            f"{name}={given(value)} is being written by another process; wait for it, or stop it"
        )


def workers(name: str, value: Any) -> None:
    """A number of processes, an executor, or a Dask client."""
    if isinstance(value, bool) or not (isinstance(value, int | np.integer) or hasattr(value, "submit")):
        raise TypeError(
            f"{name} must be a number of processes, a concurrent.futures executor or a dask.distributed "
            f"Client, got {given(value)}"
        )
    if isinstance(value, int | np.integer):
        integer(name, value, 1)


def not_picklable(name: str, error: Exception) -> NoReturn:
    """Something that reaches other processes."""
    raise TypeError(
        f"{name} must be picklable to reach workers in other processes, but: {error}; use workers=1, or "
        "build such things inside the function"
    ) from error
