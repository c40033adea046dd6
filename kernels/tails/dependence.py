"""How uncertain a tail estimate is when its values follow each other in time."""

import math
from typing import Any

import numpy as np
from numba import prange

from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, inlined, kernel
from desgd_fast.kernels.jit.log_ratio import log_ratio
from desgd_fast.kernels.tails.selection import magnitude


@inlined
def gather_influence(
    row: Reals,
    kept: Word,
    flipped: Word,
    threshold: float,
    moments: Reals,
    slopes: Reals,
    when: Integers,
    influence: Reals,
) -> int:
    """Times and influences of the exceedances of one series; their number.

    The estimate moves with Σ_t of slopes[0]·(l − M1) + slopes[1]·(l² − 2·M1²), l = log X_t/threshold over
    exceedances: the threshold's own randomness is in the subtracted terms (Hsing 1991). Centred here.
    """
    n_exceed = 0
    total = 0.0
    for t in range(row.size):
        value = magnitude(row[t], kept, flipped)
        if value > threshold:
            excess = log_ratio(value, threshold)
            when[n_exceed] = t
            influence[n_exceed] = slopes[0] * (excess - moments[0]) + slopes[1] * (
                excess * excess - 2.0 * moments[0] * moments[0]
            )
            total += influence[n_exceed]
            n_exceed += 1
    for i in range(n_exceed):
        influence[i] -= total / n_exceed
    return n_exceed


@inlined
def choose_block_length(when: Integers, influence: Reals, n_exceed: int, n: int) -> Any:
    """Block length by the rule of Politis & White (2004; corrected 2009) for a series that is mostly zero."""
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = math.ceil(math.sqrt(n)) + run
    covariance = np.zeros(most + 1)
    for i in range(n_exceed):
        j = i
        while j < n_exceed and when[j] - when[i] <= most:
            covariance[when[j] - when[i]] += influence[i] * influence[j]
            j += 1
    negligible = 2.0 * math.sqrt(math.log10(n) / n) * covariance[0]
    last = most - run
    quiet = 0
    for lag in range(1, most + 1):
        quiet = quiet + 1 if abs(covariance[lag]) < negligible else 0
        if quiet == run:
            last = lag - run
            break
    window = min(2 * max(last, 1), most)
    density, slope = covariance[0], 0.0
    for lag in range(1, window + 1):
        weight = min(1.0, 2.0 * (1.0 - lag / window))
        density += 2.0 * weight * covariance[lag]
        slope += 2.0 * weight * lag * covariance[lag]
    longest = max(1.0, min(3.0 * math.sqrt(n), n / 3.0))
    if density == 0.0:
        return int(longest)
    length = (1.5 * (slope / density) ** 2 * n) ** (1.0 / 3.0)
    return math.ceil(min(max(length, 1.0), longest))


@inlined
def jackknife_blocks(when: Integers, influence: Reals, n_exceed: int, length: int, out: Reals) -> None:
    """Variance of the sum of influences and its degrees of freedom, deleting one block after the other.

    Deleting a block with a share h of the exceedances moves the estimate by its influence/(1 − h); degrees
    of freedom by Satterthwaite, since few large clusters carry most of the variance: (Σ s²)²/Σ s⁴ over blocks
    of variance s², where m⁴ of a block's movement m stands for 3s⁴ and (Σ m²)² for (Σ s²)² + 2·Σ s⁴.
    """
    second, fourth = 0.0, 0.0
    i = 0
    while i < n_exceed:
        block = when[i] // length
        total, members = 0.0, 0
        while i < n_exceed and when[i] // length == block:
            total += influence[i]
            members += 1
            i += 1
        moved = total / (1.0 - min(members / n_exceed, 0.9))
        second += moved * moved
        fourth += moved**4
    out[0] = second
    out[1] = max(3.0 * second * second / fourth - 2.0, 1.0) if fourth > 0.0 else 1.0


@kernel(parallel=True)
def measure_dependence(
    data: Reals,
    side: Words,
    threshold: Reals,
    moments: Reals,
    slopes: Reals,
    block_length: int,
    out: Reals,
) -> None:
    """(variance of the sum of influences, degrees of freedom, block length) of each series, out (rows, 3).

    data (rows, n); threshold (rows,); moments, slopes (rows, 2); block_length 0 lets each series choose.
    """
    rows, n = data.shape
    for r in prange(rows):
        if not threshold[r] > 0.0:
            out[r, 0], out[r, 1], out[r, 2] = math.nan, math.nan, 0.0
            continue
        when, influence = np.empty(n, np.int64), np.empty(n)
        n_exceed = gather_influence(
            data[r], side[0], side[1], threshold[r], moments[r], slopes[r], when, influence
        )
        length = block_length
        if length == 0:
            length = choose_block_length(when, influence, n_exceed, n)
        out[r, 2] = length
        jackknife_blocks(when, influence, n_exceed, length, out[r])
