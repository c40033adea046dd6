"""What sweeps and their grids are checked for."""

import errno
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
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


def version(name: str, value: Any) -> None:
    """A text of the user's, or nothing."""
    if value is not None and (not isinstance(value, str) or not value):
        raise TypeError(f"{name} must be a text, not empty, got {given(value)}")


def cannot_be_told(name: str, value: Any, reason: str) -> NoReturn:
    """Something that a store can tell from everything else."""
    raise TypeError(
        f"{name} must be something that a store can tell from other things, got {given(value)}: {reason}; "
        "give version='…', a text that stands for all such things and changes when they do, or pass a name "
        "from which the function makes it"
    )


def same_sweep(name: str, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """A store made by the same function over the same grid with the same fixed arguments and rng."""
    differences = list(_differences((), stored, asked))
    # What only one of two functions refers to follows from another difference.
    shown = [text for whole, text in differences if not whole] or [text for _, text in differences]
    if shown:
        more = f"; and {len(shown) - 5} more" if len(shown) > 5 else ""
        raise ValueError(
            f"{name} must be new or hold the same sweep, but it was made with other parameters: "
            f"{'; '.join(shown[:5])}{more}. Choose another store, or delete this one"
        )


_ABSENT = object()


def _differences(path: tuple[str, ...], stored: Any, asked: Any) -> Iterator[tuple[bool, str]]:
    """Whether a definition is there on one side only, and a sentence, for each difference."""
    if isinstance(stored, Mapping) and isinstance(asked, Mapping):
        for key in [*stored, *(key for key in asked if key not in stored)]:
            yield from _differences((*path, key), stored.get(key, _ABSENT), asked.get(key, _ABSENT))
        if len(path) > 1 and stored.keys() == asked.keys() and list(stored) != list(asked):
            yield False, f"{_place(path)} had its entries in another order"
    elif _by_entries(stored, asked):
        for i, (was, now) in enumerate(zip(stored, asked, strict=True)):
            yield from _differences((*path, str(i)), was, now)
    # Python calls True, 1 and 1.0 equal, and nan unequal to itself.
    elif repr(stored) != repr(asked):
        whole = path[0] == "definitions" and len(path) == 2
        was, now = ("absent" if value is _ABSENT else given(value) for value in (stored, asked))
        yield whole, _place(path) + ("" if path[-1] == "body" else f" was {was}, now {now}")


def _by_entries(stored: Any, asked: Any) -> bool:
    """Whether these are lists whose entries are worth comparing one by one."""
    lists = isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked)
    return lists and any(isinstance(entry, Mapping | list) for entry in (*stored, *asked))


_PARTS = {
    "default": "the default of {} in {}",
    "captured": "{} captured by {}",
    "global": "global {} in {}",
    "attribute": "attribute {} of {}",
}


def _place(path: tuple[str, ...]) -> str:
    """Where in the description of a sweep, in words."""
    if path[0] == "definitions":
        _, owner, *rest = path
        if rest[:1] == ["body"]:
            return f"the code of {owner}"
        if len(rest) > 1 and rest[0] in _PARTS:
            return _PARTS[rest[0]].format(_place(tuple(rest[1:])), owner)
        return _place((owner, *rest))
    place = ""
    for part in path:
        if part.startswith("."):
            place += part
        elif not part.startswith("@"):
            place += f".{part}" if part.replace(".", "").isidentifier() else f"[{part}]"
    return place.removeprefix(".")


def one_place(name: str, value: str) -> None:
    """A path or URL of one place: for all that read and write Zarr, '::' chains several."""
    if "::" in value:
        raise ValueError(f"{name} must be a path or URL without '::', got {given(value)}")


@contextmanager
def reachable(name: str, value: str) -> Iterator[None]:
    """A place where a folder of files is, or can be made."""
    try:
        yield
    except (OSError, ImportError, ValueError) as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise  # the place is right
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(
            f"{name} must be a folder, or a place where one can be made, got {given(value)}: {reason}"
        ) from error


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


def unchanged(name: str, value: object, before: Any, now: Any) -> None:
    """A store that is still what it was when its parameters were compared."""
    if before != now:
        raise ValueError(f"{name}={given(value)} has just been changed by another process; try again")


def workers(name: str, value: Any) -> Any:
    """A number of processes, an executor, or a Dask client."""
    if isinstance(value, bool) or not (isinstance(value, int | np.integer) or hasattr(value, "submit")):
        raise TypeError(
            f"{name} must be a number of processes, a concurrent.futures executor or a dask.distributed "
            f"Client, got {given(value)}"
        )
    return integer(name, value, 1) if isinstance(value, int | np.integer) else value


def not_picklable(name: str, error: Exception) -> NoReturn:
    """Something that reaches other processes."""
    raise TypeError(
        f"{name} must be picklable to reach workers in other processes, but: {error}; use workers=1, or "
        "build such things inside the function"
    ) from error
