"""Blocks that a tail estimator sums over."""

from typing import Any

import numpy as np

from desgd_fast._validate.values import given, integer


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
    if np.ndim(value) == 0:
        return (integer(name, value, 2),)
    sizes = tuple(integer(name, size, 2) for size in value)
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
