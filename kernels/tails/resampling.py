"""Bootstraps of tail statistics that never sort: sorted uniforms come from exponential spacings."""

import math
from typing import Any

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.random import RESAMPLING, RESAMPLING_SUMS, fill_chi_square, philox
from desgd_fast.kernels.jit.arithmetic import bits_to_double, double_to_bits, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Reals, Word, Words, elementary, inlined, kernel
from desgd_fast.kernels.jit.lanes import LANES, load, spread, store, total
from desgd_fast.kernels.jit.log_ratio import log_ratio
from desgd_fast.kernels.tails.threshold import fit_above, search_threshold

# Resamples are summed in this many groups whatever the number of threads, so that rounding is the same.
N_GROUPS = 16

# Values of each resample that are worked on together: all LANES of them stay in the first-level cache.
TILE = 128

SHIFT = np.uint64(LANES.bit_length() - 1)

_SQRT_HALF = np.uint64(0x3FE6A09E667F3BCD)
_ONE = np.uint64(0x3FF0000000000000)
_TWO_TO_52 = np.uint64(0x4330000000000000)
_MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)


@elementary
def exponential_of(word: Word) -> Any:
    """−log u for u = (word + ½)/2³², to 1e-11: without a division, so cheaper than log u."""
    bits = double_to_bits(bits_to_double(word | _TWO_TO_52) - (4503599627370496.0 - 0.5))
    offset = bits - _SQRT_HALF + _ONE
    t = bits_to_double((offset & _MANTISSA) + _SQRT_HALF) - 1.0
    exponent = bits_to_double((offset >> np.uint64(52)) | _TWO_TO_52) - (4503599627370496.0 + 1023.0 + 32.0)
    # Chebyshev interpolant of log(1 + t)/t for 1 + t in [√½, √2].
    p = multiply_add(t, 0.05235939384213644, -0.09804458451007568)
    p = multiply_add(t, p, 0.10047199190334152)
    p = multiply_add(t, p, -0.09945986830064908)
    p = multiply_add(t, p, 0.1100603790750665)
    p = multiply_add(t, p, -0.124954361559447)
    p = multiply_add(t, p, 0.14290811811733256)
    p = multiply_add(t, p, -0.16667024539772607)
    p = multiply_add(t, p, 0.1999988813698818)
    p = multiply_add(t, p, -0.24999992728950937)
    p = multiply_add(t, p, 0.33333334249244445)
    p = multiply_add(t, p, -0.500000000359497)
    p = multiply_add(t, p, 0.9999999999874644)
    return -multiply_add(exponent, 0.6931471805599453, t * p)


@inlined
def fill_exponentials(
    key: Words,
    index0: int,
    stage: Word,
    sample: Word,
    first_resample: Word,
    shift: Word,
    quarter: int,
    out: Reals,
) -> None:
    """Standard exponentials into out[:4·quarter], quarter a multiple of 8 and of 2^shift.

    Position t of each quarter belongs to resample ``first_resample + (t mod 2^shift)`` and draws four numbers
    with index ``index0 + (t >> shift)``.
    """
    wide_vectors()
    k0, k1 = key[0], key[1]
    lane = (np.uint64(1) << shift) - np.uint64(1)
    base = RESAMPLING | np.uint64(index0)
    second, third, fourth = out[quarter:], out[2 * quarter :], out[3 * quarter :]
    for t in range(quarter):
        u = np.uint64(t)
        c0, c1, c2, c3 = philox(base + (u >> shift), stage, sample, first_resample + (u & lane), k0, k1)
        out[t] = bits_to_double(c0)
        second[t] = bits_to_double(c1)
        third[t] = bits_to_double(c2)
        fourth[t] = bits_to_double(c3)
    for t in range(4 * quarter):
        out[t] = exponential_of(double_to_bits(out[t]))


@elementary
def quarter_of(size: int) -> int:
    """A quarter of size, rounded up to whole vectors."""
    return (size + 31) // 32 * 8


@inlined
def draw_block_sums(
    key: Words, stage: Word, sample: Word, first_resample: Word, size: int, sums: Reals
) -> None:
    """Sums of blocks of TILE exponentials, ``size`` in all: gamma variates; sums (≥ blocks · LANES,)."""
    wide_vectors()
    parameters = np.zeros((3, LANES))
    for block in range((size + TILE - 1) // TILE):
        shape = min(TILE, size - block * TILE) - 1.0 / 3.0
        parameters[0, :] = shape
        parameters[1, :] = 1.0 / math.sqrt(9.0 * shape)
        # The lower bits count the attempts.
        purpose = RESAMPLING_SUMS | np.uint64(block << 6)
        part = sums[block * LANES : (block + 1) * LANES]
        fill_chi_square(key, purpose, stage, sample, first_resample, SHIFT, parameters, 0, LANES, part)


@inlined
def accumulate_tile(tile: Reals, length: int) -> Any:
    """Replace exponentials by their running sums, each lane its own; the last of these."""
    wide_vectors()
    running = spread(0.0)
    for t in range(length):
        running = running + load(tile, t)
        store(tile, t, running)
    return running


@inlined
def pick_sorted(logs: Reals, length: int, offset: Reals, scale: Reals, tile: Reals) -> None:
    """Replace running sums by the logs that they point at: logs has one entry to spare."""
    wide_vectors()
    start, factor = load(offset, 0), load(scale, 0)
    for t in range(length):
        store(tile, t, multiply_add(factor, load(tile, t), start))
    for i in range(length * LANES):
        tile[i] = logs[np.uint64(tile[i])]


@inlined
def add_square_errors(
    tile: Reals, start: int, length: int, weights: Reals, inverse: Reals, carried: Reals, totals: Reals
) -> None:
    """Add (M2 − 2·M1²)² of the values before each of the sorted logs, times the weight of its lane.

    carried (3, LANES): the value before the first, the sums of first and of second powers.
    """
    wide_vectors()
    weight = load(weights, 0)
    previous, first, second = load(carried, 0), load(carried, 1), load(carried, 2)
    for t in range(length):
        k = start + t
        value = load(tile, t)
        step = previous - value
        excess = float(k) * step
        second = multiply_add(step, multiply_add(2.0, first, excess), second)
        first = first + excess
        previous = value
        mean = first * inverse[k]
        gap = multiply_add(-2.0 * mean, mean, second * inverse[k])
        totals[k] += total(weight * (gap * gap))
    store(carried, 0, previous)
    store(carried, 1, first)
    store(carried, 2, second)


@inlined
def resample_lanes(
    logs: Reals,
    key: Words,
    stage: Word,
    sample: Word,
    first_resample: Word,
    weights: Reals,
    inverse: Reals,
    sums: Reals,
    totals: Reals,
) -> None:
    """Criterion of LANES resamples side by side, since a running sum alone would wait on itself.

    The t-th of n sorted uniforms is the share of the t-th partial sum of n + 1 exponentials (Devroye 1986,
    V.3). Sums of blocks come first, and the exponentials of a block are scaled to theirs: given
    their sum, exponentials have a law free of it. So no more than one block need be at hand.
    totals (size,), entry k for k values above the threshold; inverse (size,); sums (≥ blocks · LANES,).
    """
    size = totals.size
    draw_block_sums(key, stage, sample, first_resample, size + 1, sums)
    tile = np.empty(TILE * LANES)
    # In units of the distance between two values.
    offset, width, scale = np.zeros(LANES), np.zeros(LANES), np.empty(LANES)
    for i in range((size + TILE) // TILE * LANES):
        width[i % LANES] += sums[i]
    for i in range((size + TILE) // TILE * LANES):
        sums[i] *= (logs.size - 1) / width[i % LANES]
    carried = np.zeros((3, LANES))
    for start in range(0, size, TILE):
        length = min(TILE, size + 1 - start)
        quarter = (length + 3) // 4 * LANES
        fill_exponentials(key, start // 4, stage, sample, first_resample, SHIFT, quarter, tile)
        store(scale, 0, accumulate_tile(tile, length))
        block = sums[start // TILE * LANES :]
        for lane in range(LANES):
            scale[lane] = block[lane] / scale[lane]
        length = min(length, size - start)
        pick_sorted(logs, length, offset, scale, tile)
        for lane in range(LANES):
            offset[lane] += block[lane]
        if start == 0:
            store(carried, 0, load(tile, 0))
        add_square_errors(tile, start, length, weights, inverse, carried, totals)


@kernel(parallel=True)
def bootstrap_square_errors(
    logs: Reals, key: Words, stage: int, sample: int, first: int, stop: int, totals: Reals
) -> None:
    """Add (M2 − 2·M1²)² of resamples first … stop − 1, for every k < size: Danielsson et al. (2001).

    logs (n + 1,): n descending and one entry to spare; totals (N_GROUPS, size), one row per group of
    resamples, entry k; first is a multiple of LANES.
    """
    size = totals.shape[1]
    inverse = np.zeros(size)
    for k in range(1, size):
        inverse[k] = 1.0 / k
    for group in prange(N_GROUPS):
        sums, weights = np.empty((size + TILE) // TILE * LANES), np.empty(LANES)
        batch = first // LANES
        for start in range(LANES * (batch + (group - batch) % N_GROUPS), stop, LANES * N_GROUPS):
            for lane in range(LANES):
                weights[lane] = 1.0 if start + lane < stop else 0.0
            resample_lanes(
                logs,
                key,
                np.uint64(stage),
                np.uint64(sample),
                np.uint64(start),
                weights,
                inverse,
                sums,
                totals[group],
            )


@kernel()
def descend_logs(ascending: Reals, logs: Reals) -> None:
    """log X_(1)/X_(n), …, 0, and this again to spare; ascending (n,), logs (n + 1,)."""
    n = ascending.size
    for i in range(n):
        logs[i] = log_ratio(ascending[n - 1 - i], ascending[n - 1])
    logs[n] = logs[n - 1]


@kernel(parallel=True)
def bootstrap_pareto_distance(key: Words, n_tail: int, first: int, distances: Reals) -> None:
    """Kolmogorov–Smirnov distance of samples that are Pareto, each with its own fitted alpha.

    distances (n,): of resamples first, first + 1, ….

    The law is free of alpha: logarithms above the threshold are exponential with an estimated scale.
    The convention is that of ``find_thresholds``: n_tail values ≥ the threshold, the first one equal to it.
    """
    for r in prange(distances.size):
        wide_vectors()
        size = n_tail - 1
        work = np.empty(4 * quarter_of(size))
        fill_exponentials(
            key, 0, np.uint64(2), np.uint64(0), np.uint64(first + r), np.uint64(0), quarter_of(size), work
        )
        # Rényi: the i-th smallest of size exponentials is Σ_{j ≤ i} E_j/(size − j + 1).
        total, mean = 0.0, 0.0
        for i in range(size):
            total += work[i] / (size - i)
            work[i] = total
            mean += total
        alpha = n_tail / mean
        largest = 0.0
        for i in range(size):
            largest = max(largest, abs(1.0 - math.exp(-alpha * work[i]) - (i + 1.0) / n_tail))
        distances[r] = largest


@kernel(parallel=True)
def bootstrap_variation(key: Words, size: int, first: int, variations: Reals) -> None:
    """Mean square over squared mean of samples of exponentials; variations (n,), resamples first, ….

    So are logarithms above the threshold of a Pareto law, whatever its alpha.
    """
    for r in prange(variations.size):
        wide_vectors()
        work = np.empty(4 * quarter_of(size))
        fill_exponentials(
            key, 0, np.uint64(6), np.uint64(0), np.uint64(first + r), np.uint64(0), quarter_of(size), work
        )
        total, square = 0.0, 0.0
        for i in range(size):
            total += work[i]
            square += work[i] * work[i]
        variations[r] = size * square / (total * total)


@kernel(parallel=True)
def bootstrap_refitted_distance(
    body: Reals, n_tail: int, alpha: float, key: Words, first_resample: int, distances: Reals
) -> None:
    """Distance of the best power law in samples whose tail is Pareto and whose body is resampled.

    The semi-parametric bootstrap of Clauset, Shalizi & Newman (2009, section 4.1): each of n values comes
    from the tail with probability n_tail/n. body (n − n_tail,): ascending log(X/threshold) ≤ 0.
    """
    n = body.size + n_tail
    for r in prange(distances.size):
        wide_vectors()
        resample = np.uint64(first_resample + r)
        work = np.empty(4 * quarter_of(n + 1))
        fill_exponentials(key, 0, np.uint64(3), np.uint64(0), resample, np.uint64(0), quarter_of(n), work)
        # P(E < c) = n_tail/n for a standard exponential E.
        cut = -math.log1p(-min(n_tail / n, 1.0 - 1e-16))
        tail_size = 0
        for t in range(n):
            tail_size += work[t] < cut
        body_size = n - tail_size
        values = np.empty(n)
        fill_exponentials(key, 0, np.uint64(4), np.uint64(0), resample, np.uint64(0), quarter_of(n + 1), work)
        total = 0.0
        for t in range(body_size + 1):
            total += work[t]
            work[t] = total
        for t in range(body_size):
            values[t] = body[min(int(work[t] / total * body.size), body.size - 1)]
        fill_exponentials(key, 0, np.uint64(5), np.uint64(0), resample, np.uint64(0), quarter_of(n), work)
        running = 0.0
        for t in range(tail_size):
            running += work[t] / (tail_size - t)
            values[body_size + t] = running / alpha
        logs, fitted, first = np.empty(n), np.empty(n), np.empty(n, np.int64)
        n_distinct = 0
        for t in range(n):
            if t == 0 or values[t] != values[t - 1]:
                logs[n_distinct], first[n_distinct] = values[t], t
                n_distinct += 1
        fit_above(logs, first, n_distinct, n, fitted)
        found = np.zeros(3)
        if n_distinct > 1:
            search_threshold(logs[:n_distinct], first[:n_distinct], fitted, n, found)
        distances[r] = found[2]
