"""Files that data are read from: tables as CSV, images as IDX."""

import math
import warnings
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.check.arrays import real_array
from desgd_fast.common.check.values import given, installed


def csv_columns(name: str, path: Any) -> tuple[list[str], NDArray[np.float64]]:
    """Column names and the (n_rows, n_columns) numbers of a complete numeric CSV file with a header."""
    installed("CSV files need", "cli", "pandas")
    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, index_col=False, skipinitialspace=True)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ValueError(f"{name} must be a readable CSV file, got {str(path)!r}: {reason}") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{name} must be a CSV file with a header, got {str(path)!r}: {error}") from None
    names = [str(column) for column in frame.columns]
    if len(frame) == 0 or len(names) < 2:
        raise ValueError(
            f"{name} must hold a target, at least one feature and one row, "
            f"got {len(frame)} rows of {len(names)} columns in {str(path)!r}"
        )
    for label, column in zip(names, frame.columns, strict=True):
        if not pd.api.types.is_numeric_dtype(frame[column]) or pd.api.types.is_bool_dtype(frame[column]):
            bad = pd.to_numeric(frame[column], errors="coerce").isna() & frame[column].notna()
            shown = frame[column][bad].iloc[0] if bad.any() else frame[column].iloc[0]
            raise ValueError(f"{name}: column {label!r} of {str(path)!r} is not numeric, it holds {shown!r}")
        missing = int(frame[column].isna().sum())
        if missing:
            raise ValueError(
                f"{name}: column {label!r} of {str(path)!r} has {missing} missing values; "
                "fill or drop those rows"
            )
    return names, real_array(name, frame.to_numpy(dtype=np.float64))


def column(name: str, value: Any, names: list[str]) -> int:
    """Position of a named column."""
    if value not in names:
        raise ValueError(f"{name} must be one of the columns {', '.join(names)}, got {given(value)}")
    return names.index(value)


def varying_columns(name: str, path: Any, names: list[str], table: NDArray[np.float64]) -> None:
    """No column holds the same number in every row."""
    constant = np.flatnonzero(np.ptp(table, axis=0) == 0)
    if constant.size:
        raise ValueError(
            f"{name}: column {names[constant[0]]!r} of {str(path)!r} is constant; "
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


def file_content(name: str, path: Any, opener: Any) -> bytes:
    """Everything in a file."""
    try:
        with opener(path, "rb") as file:
            return bytes(file.read())
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{name} must name a readable file, got {given(str(path))}: {error}") from None


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
