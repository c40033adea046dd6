"""What samples, thresholds and blocks are checked for."""

import math
from collections.abc import Collection, Iterable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.check.arrays import real_array
from desgd_fast.common.check.values import given, integer

# Of values that are still to be drawn.
ANY_NUMBER = 2**53


def block_shape(name: str, shape: tuple[int, ...], axis: int | None, are_vectors: bool) -> None:
    """Scalars (n,), vectors (n, dim), or more axes with axis= given."""
    if axis is None and len(shape) != (2 if are_vectors else 1):
        raise ValueError(f"{name} must have shape (n,) or (n, dim) unless axis= is given, got shape {shape}")
    if are_vectors and len(shape) < 2:
        raise ValueError(f"{name} must have a last axis of coordinates for vectors=True, got shape {shape}")
    if 0 in shape:
        raise ValueError(f"{name} must hold at least one value, got shape {shape}")


def block_sizes(name: str, value: Any) -> tuple[int, ...]:
    """One whole number ≥ 2, or several."""
    if not isinstance(value, Iterable) or isinstance(value, str) or getattr(value, "ndim", 1) == 0:
        return (integer(name, value, 2),)
    try:
        sizes = tuple(integer(name, size, 2) for size in value)
    except TypeError as error:
        raise TypeError(f"{name} must be an integer ≥ 2 or several, got {given(value)}") from error
    if not sizes:
        raise ValueError(f"{name} must be an integer ≥ 2 or several, got none")
    return sizes


def block_fits(name: str, n: int, block_size: int, preset: str | None) -> None:
    """Two blocks at least, each of two values at least."""
    if block_size < 2 or n < 2 * block_size:
        source = "" if preset is None else f" of preset={preset!r}"
        raise ValueError(
            f"{name} must hold at least two blocks of at least two values, got {n} values for blocks of "
            f"{block_size}{source}"
        )


def no_remainder(name: str, n: int, sizes: tuple[int, ...]) -> None:
    """A whole number of blocks."""
    for size in sizes:
        if n % size:
            raise ValueError(
                f"{name} must hold whole blocks of {size}, got {n} values; or pass remainder='trim'"
            )


def preset_alone(name: str, **others: Any) -> None:
    """A preset decides everything that it names."""
    for other, value in others.items():
        if value is not None:
            raise ValueError(f"{name} already fixes {other}, got {other}={given(value)}; pass one")


def sample_rows(name: str, value: Any, axis: int | None) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Samples as contiguous rows (n_samples, n), masked entries as nan, and the shape over the samples."""
    array = real_array(name, value, finite=False)
    if axis is None:
        if array.ndim != 1:
            raise ValueError(
                f"{name} must be one-dimensional, got shape {array.shape}; pass axis= for one estimate per "
                f"sample, or tails.norms({name}) for vectors"
            )
        return array[np.newaxis], ()
    if array.ndim == 0:
        raise ValueError(f"{name} must have at least one axis, got a single number")
    position = integer("axis", axis, -array.ndim, array.ndim - 1)
    moved = np.moveaxis(array, position, -1)
    if moved.size == 0:
        raise ValueError(f"{name} must hold at least one value, got shape {array.shape}")
    return np.ascontiguousarray(moved).reshape(-1, moved.shape[-1]), moved.shape[:-1]


def vectors(name: str, value: Any) -> NDArray[np.float64]:
    """An array (n, …, dim) of vectors, masked entries as nan."""
    array = real_array(name, value, finite=False)
    if array.ndim < 2:
        raise ValueError(f"{name} must have shape (n, …, dim), got shape {array.shape}")
    return array


def finite_centre(name: str, centre: NDArray[np.float64], kind: str) -> None:
    """A mean or median that can be subtracted; nan is none's business here."""
    if np.isinf(centre).any():
        raise ValueError(f"{name} must have a finite {kind} for centre={kind!r}, got an infinite one")


def norm(name: str, value: Any) -> float:
    """The order of a norm: 1, 2 or inf."""
    if not isinstance(value, Real) or isinstance(value, bool) or value not in (1, 2, math.inf):
        raise ValueError(f"{name} must be 1, 2 or inf, got {given(value)}")
    return float(value)


def no_missing(name: str, n_missing: int) -> None:
    """No nan or masked values."""
    if n_missing:
        raise ValueError(
            f"{name} must have no missing values, got {n_missing} nan or masked entries; "
            "drop them with nan_policy='omit'"
        )


def no_infinite(name: str, n_infinite: int, *, censoring: bool = True) -> None:
    """No infinite values."""
    hint = "; count them as larger than all others with on_infinite='censor'" if censoring else ""
    if n_infinite:
        raise ValueError(f"{name} must be finite, got {n_infinite} infinite entries{hint}")


def enough_positive(name: str, n_positive: int, least: int, side: str) -> None:
    """Enough positive values in the chosen tail."""
    if n_positive < least:
        raise ValueError(
            f"{name} must have at least {least} non-zero values in its tail (tail={side!r}), got {n_positive}"
        )


def two_values(name: str, differ: bool, k: int) -> None:
    """Values above the threshold that differ among themselves."""
    if not differ:
        raise ValueError(f"{name} must have two different values above the threshold, got {k} equal ones")


def some_spread(name: str, spread: bool, k: int) -> None:
    """Values above the threshold that differ from it."""
    if not spread:
        raise ValueError(
            f"{name} must vary above the threshold, got {k + 1} equal largest values; choose a larger k, "
            "unless all values are the same"
        )


def threshold_count(
    name: str, value: Any, rules: Collection[str], shape: tuple[int, ...], n: int = ANY_NUMBER
) -> str | float | NDArray[np.int64]:
    """A rule's name, a fraction in (0, 1), or whole numbers ≥ 1, one for all samples or one each.

    Of n values at most n − 1 lie above one of them. A single sample's k beyond that is refused; among the k
    of many samples whatever is larger becomes n, which no sample can serve.
    """
    allowed = "an integer ≥ 1 (or one per sample), a fraction in (0, 1)"
    if rules:
        allowed += f", or one of {', '.join(map(repr, rules))}"
    if isinstance(value, str):
        if value not in rules:
            raise ValueError(f"{name} must be {allowed}, got {given(value)}")
        return value
    try:
        array = np.asarray(value)
    except ValueError:
        raise TypeError(f"{name} must be {allowed}, got {given(value)}") from None
    if array.dtype.kind == "f" and array.ndim == 0:
        if not 0 < array < 1:
            raise ValueError(f"{name} must be {allowed}, got {given(value)}")
        return float(array)
    # Integers of any size: those beyond 64 bits are objects.
    whole = array.dtype.kind in "iu" or (
        array.dtype == object and all(type(entry) is int for entry in array.flat)
    )
    if not whole or np.ma.is_masked(value):
        raise TypeError(f"{name} must be {allowed}, got {given(value)}")
    if array.shape not in ((), shape):
        raise ValueError(
            f"{name} must be a scalar or have one entry per sample, shape {shape}, got {array.shape}"
        )
    if array.size and array.min() < 1:
        raise ValueError(f"{name} must be {allowed}, got {given(value)}")
    # A sample of one value or none is refused with what it lacks.
    if shape == () and n > 1:
        threshold_below(name, int(array), n - 1, n, why="values")
    # A short kind of integer cannot be compared with a long sample.
    wide = array.astype({"i": np.int64, "u": np.uint64}.get(array.dtype.kind, object))
    return np.asarray(np.minimum(wide, max(n, 1)), np.int64).ravel()


def counts(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """How often each value was seen: whole numbers ≥ 0, some positive, together at most 2**53."""
    array = weights(name, value, shape)
    whole_numbers(name, array)
    with np.errstate(over="ignore"):
        if array.sum() > 2**53:
            raise ValueError(f"{name} must be at most 2**53 in all, got {given(value)}")
    return array


def weights(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """One finite number ≥ 0 for each value, some positive."""
    array = real_array(name, value)
    if array.shape != shape:
        raise ValueError(f"{name} must have one entry per value, shape {shape}, got shape {array.shape}")
    if (array < 0).any() or not array.any():
        raise ValueError(f"{name} must be at least 0, and some of them above, got {given(value)}")
    return array


def one_plain_sample(*, weights: Any, counts: Any, **others: Any) -> None:
    """Weights or counts, and none of what is made for samples without them."""
    if weights is not None and counts is not None:
        raise ValueError("weights must be None where counts are given; pass one")
    name = "counts" if weights is None else "weights"
    for other, value in others.items():
        if value is not None:
            raise ValueError(f"{other} must be left out where {name}= are given, got {given(value)}")


def whole_numbers(name: str, array: NDArray[np.float64]) -> None:
    """Whole finite numbers."""
    if not np.isfinite(array).all() or (array != np.rint(array)).any():
        odd = array[~np.isfinite(array) | (array != np.rint(array))][0]
        raise ValueError(f"{name} must be whole numbers, got {float(odd)!r}")


def some_above(name: str, threshold: int, largest: float) -> None:
    """A threshold below the largest value."""
    if threshold >= largest:
        raise ValueError(f"{name} must be below the largest value {largest:g}, got {threshold}")


def count_of(value: Any, n: int) -> int:
    """The k of one sample of n observations, a whole number or a fraction of them."""
    checked = threshold_count("k", value, (), (), n)
    k = max(1, int(checked * n)) if isinstance(checked, float) else int(np.ravel(checked)[0])
    threshold_below("k", k, n - 1, n)
    return k


def path_places(name: str, value: Any, most: int) -> NDArray[np.int64]:
    """Whole numbers from 1 to the last k of a path, in any shape."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuO" or ((array < 1) | (array > most)).any():
        raise ValueError(f"{name} must be integers from 1 to {most}, got {given(value)}")
    return array.astype(np.int64)


def not_a_rule(name: str, value: Any) -> None:
    """A number of order statistics, not the name of a rule."""
    if isinstance(value, str):
        raise ValueError(f"{name} must be an integer ≥ 1 or a fraction in (0, 1) here, got {value!r}")


def threshold_below(name: str, k: int, most: int, n_used: int, why: str = "positive values") -> None:
    """A number of order statistics that the sample can serve."""
    if k > most:
        raise ValueError(f"{name} must be at most {most} for {n_used} {why}, got {given(k)}")


def threshold_above(name: str, k: int, n_censored: int) -> None:
    """More order statistics than values that are censored or trimmed."""
    if k <= n_censored:
        raise ValueError(f"{name} must exceed the {n_censored} censored or trimmed values, got {k}")
