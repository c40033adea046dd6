"""Arrays laid out for vector registers, and memory told of before it is taken."""

import math
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common.warnings import MemoryWarning


def aligned_zeros(*shape: int, dtype: Any = np.float64) -> NDArray[Any]:
    """Zeros that start on a cache line."""
    count, item = math.prod(shape), np.dtype(dtype).itemsize
    raw = np.zeros(count + 64 // item - 1, dtype)
    skip = -raw.ctypes.data % 64 // item
    return raw[skip : skip + count].reshape(shape)


def told(what: str, n_bytes: float) -> None:
    """Refuse what takes more memory than is free, warn of what takes more than half, before any of it."""
    free = free_bytes()
    if 2 * n_bytes <= free:
        return
    said = f"{what} takes about {n_bytes / 2**30:.3g} GiB, and {free / 2**30:.3g} GiB are free"
    if n_bytes > free:
        raise MemoryError(said)
    warnings.warn(said, MemoryWarning, stacklevel=3)


def free_bytes() -> float:
    """Memory that can be taken without swapping, as Linux tells, else all there is; infinite if unknown."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf
