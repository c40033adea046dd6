"""Sums over disjoint blocks, for the tail index of stable laws."""

import math

import numpy as np
from numba import prange

from desgd_fast.kernels.jit.compile import Reals, inlined, kernel


@inlined
def length(vector: Reals) -> float:
    """‖vector‖, whose squares neither overflow nor vanish."""
    largest = 0.0
    for d in range(vector.size):
        largest = max(largest, abs(vector[d]))
    if vector.size == 1 or largest == 0.0:
        return largest
    square = 0.0
    for d in range(vector.size):
        ratio = vector[d] / largest
        square += ratio * ratio
    return largest * math.sqrt(square)


@kernel(parallel=True)
def measure_block_sums(
    data: Reals, block_size: int, epsilon: float, log_sums: Reals, log_norms: Reals
) -> None:
    """log(‖sum of a block‖ + epsilon), and the mean of log(‖x‖ + epsilon) over the block.

    data (samples, n, dim), so scaled that no sum overflows; log_sums, log_norms (samples, n // block_size).
    -inf for a zero.
    """
    samples, _, dim = data.shape
    n_blocks = log_sums.shape[1]
    for task in prange(samples * n_blocks):
        s, b = task // n_blocks, task % n_blocks
        total = np.zeros(dim)
        norms = 0.0
        for t in range(b * block_size, (b + 1) * block_size):
            for d in range(dim):
                total[d] += data[s, t, d]
            norms += math.log(length(data[s, t]) + epsilon)
        log_sums[s, b] = math.log(length(total) + epsilon)
        log_norms[s, b] = norms / block_size
