"""The threshold above which a power law fits best in Kolmogorov–Smirnov distance."""

import math
from typing import Any

import numpy as np
from numba import prange

from desgd_fast.kernels.jit.arithmetic import exp, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, inlined, kernel
from desgd_fast.kernels.jit.log_ratio import log_ratio

PIECE = 512
N_COARSE = 32


@inlined
def distance_at(logs: Reals, first: Integers, i: int, j: int, alpha: float, n_tail: float) -> Any:
    """|fitted − empirical distribution function| at the j-th distinct value, fit above the i-th."""
    fitted = 1.0 - exp(-alpha * (logs[j] - logs[i]))
    return abs(fitted - (first[j] - first[i]) / n_tail)


@inlined
def largest_distance(
    logs: Reals, first: Integers, i: int, alpha: float, n_tail: float, limit: float, witness: Integers
) -> Any:
    """The distance of the fit above the i-th distinct value, or any number above ``limit`` once one is met.

    ``witness[0]`` is where the last one was met: neighbouring thresholds fail at the same place, which
    makes most candidates cost one exponential.
    """
    n_distinct = logs.size
    w = witness[0]
    if w > i:
        found = distance_at(logs, first, i, w, alpha, n_tail)
        if found > limit:
            return found
    stride = max(1, (n_distinct - i) // N_COARSE)
    for j in range(i, n_distinct, stride):
        found = distance_at(logs, first, i, j, alpha, n_tail)
        if found > limit:
            witness[0] = j
            return found
    largest, where = 0.0, i
    start = i
    while start < n_distinct:
        stop = min(start + PIECE, n_distinct)
        found = 0.0
        for j in range(start, stop):
            found = max(found, distance_at(logs, first, i, j, alpha, n_tail))
        if found > largest:
            largest, where = found, start
            if largest > limit:
                break
        start = stop
    stop = min(where + PIECE, n_distinct)
    for j in range(where, stop):
        if distance_at(logs, first, i, j, alpha, n_tail) >= largest:
            witness[0] = j
    return largest


@inlined
def search_threshold(logs: Reals, first: Integers, alpha: Reals, n: int, out: Reals) -> None:
    """(index of the best distinct value, alpha, distance); of equals the lowest threshold.

    Coarse candidates come first, so that a good limit is known early; the order does not change the answer.
    """
    n_candidates = logs.size - 1
    witness = np.zeros(1, np.int64)
    best, best_i = math.inf, 0
    stride = 1
    while 2 * stride < n_candidates:
        stride *= 2
    offset = 0
    while stride >= 1:
        for i in range(offset, n_candidates, stride if offset == 0 else 2 * stride):
            n_tail = float(n - first[i])
            found = largest_distance(logs, first, i, alpha[i], n_tail, best, witness)
            if found < best or (found == best and i < best_i):
                best, best_i = found, i
        stride //= 2
        offset = stride
    out[0], out[1], out[2] = best_i, alpha[best_i], best


@inlined
def fit_above(logs: Reals, first: Integers, n_distinct: int, n: int, alpha: Reals) -> None:
    """m/Σ log(X/threshold) over the m values ≥ each distinct value as threshold; inf at the largest."""
    total = 0.0
    alpha[n_distinct - 1] = math.inf
    for d in range(n_distinct - 2, -1, -1):
        total += (n - first[d + 1]) * (logs[d + 1] - logs[d])
        alpha[d] = (n - first[d]) / total


@inlined
def find_distinct(ordered: Reals, n: int, logs: Reals, first: Integers, alpha: Reals) -> int:
    """Distinct values of an ascending sample: log X/X_max, how many values lie below, and the fit above each.

    The fit is that of Clauset, Shalizi & Newman (2009, eq. 3.1), whose exponent is alpha + 1. Returns the
    number of distinct values.
    """
    offset = ordered.size - n
    largest = ordered[ordered.size - 1]
    n_distinct = 0
    for j in range(n):
        if j == 0 or ordered[offset + j] != ordered[offset + j - 1]:
            logs[n_distinct] = log_ratio(ordered[offset + j], largest)
            first[n_distinct] = j
            n_distinct += 1
    fit_above(logs, first, n_distinct, n, alpha)
    return n_distinct


@kernel(parallel=True)
def find_thresholds(ordered: Reals, n_values: Integers, out: Reals) -> None:
    """(values below the threshold, alpha, distance) of each row's best power law; nan without spread.

    ordered (rows, width) ascending, row r in its last n_values[r] places; out (rows, 3).
    """
    rows, width = ordered.shape
    for r in prange(rows):
        wide_vectors()
        logs, alpha, first = np.empty(width), np.empty(width), np.empty(width, np.int64)
        n = n_values[r]
        n_distinct = find_distinct(ordered[r], n, logs, first, alpha) if n > 0 else 0
        if n_distinct < 2:
            out[r, 0], out[r, 1], out[r, 2] = math.nan, math.nan, math.nan
        else:
            search_threshold(logs[:n_distinct], first[:n_distinct], alpha, n, out[r])
            out[r, 0] = first[int(out[r, 0])]
