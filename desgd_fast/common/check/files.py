"""Files that data are read from: columns of tables, images as IDX."""

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.check.values import given


def varying_columns(name: str, path: Any, names: Sequence[str], table: NDArray[np.float64]) -> None:
    """No column holds the same number in every row."""
    constant = [name for name, spread in zip(names, np.ptp(table, axis=0), strict=True) if spread == 0]
    if constant:
        what = (
            f"column {constant[0]!r}" if len(constant) == 1 else f"columns {', '.join(map(repr, constant))}"
        )
        raise ValueError(
            f"{name}: {what} of {str(path)!r} {'is' if len(constant) == 1 else 'are'} constant; "
            "every feature and the target must vary"
        )


def one_file_of(name: str, folder: Any, names: Collection[str]) -> Path:
    """The first of these files that the folder holds."""
    try:
        found = [path for path in (Path(folder) / entry for entry in names) if path.is_file()]
    except TypeError:
        raise TypeError(f"{name} must be a path, got {given(folder)}") from None
    if not found:
        raise ValueError(f"{name} must hold one of the files {', '.join(names)}, got {given(str(folder))}")
    return found[0]


def idx_head(name: str, path: Any, content: bytes) -> None:
    """Start of an IDX file of unsigned bytes."""
    if (
        len(content) < 4
        or content[:3] != b"\x00\x00\x08"
        or not content[3]
        or len(content) < 4 + 4 * content[3]
    ):
        raise ValueError(
            f"{name} must name an IDX file of unsigned bytes, which begins with 00 00 08, got {str(path)!r} "
            f"that begins with {content[:4].hex(' ') or 'nothing'}"
        )


def idx_length(name: str, path: Any, shape: tuple[int, ...], n_bytes: int) -> None:
    """As many bytes as the axes say."""
    if math.prod(shape) != n_bytes:
        raise ValueError(
            f"{name}: {str(path)!r} says it holds {' × '.join(map(str, shape))} bytes, but {n_bytes} follow; "
            "it is damaged or was cut short"
        )


def as_many(name: str, what: str, count: int, other: str, other_count: int) -> None:
    """Two files of equally many entries."""
    if count != other_count:
        raise ValueError(f"{name} must hold as many {what} as {other}, got {count} and {other_count}")
