"""Arrays laid out for vector registers."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def aligned_zeros(*shape: int, dtype: Any = np.float64) -> NDArray[Any]:
    """Zeros that start on a cache line."""
    count, item = math.prod(shape), np.dtype(dtype).itemsize
    raw = np.zeros(count + 64 // item - 1, dtype)
    skip = -raw.ctypes.data % 64 // item
    return raw[skip : skip + count].reshape(shape)
