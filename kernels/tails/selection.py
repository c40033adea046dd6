"""Order statistics of many samples at once, and sums of their logarithms.

Samples are rows. ``top`` holds the largest values of each row in ascending order,
padded with zeros on the left: X_(i), the i-th largest, is ``top[row, width - i]``.
"""

import math
from typing import Any

import numpy as np
from numba import prange

from desgd_fast.kernels.jit.arithmetic import aligned_empty, bits_to_double, double_to_bits, exp, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, elementary, inlined, kernel
from desgd_fast.kernels.jit.lanes import SAMPLES, load_entries, prefetch, store_reached
from desgd_fast.kernels.jit.log_ratio import log_ratio

# Columns of the counts that a selection leaves behind.
POSITIVE, ZERO, NAN, INFINITE = 0, 1, 2, 3

# How each tail turns the bits of a value into those of its magnitude: (bits kept, bits flipped).
SIGN = np.uint64(1 << 63)
ABS = np.array([~SIGN, 0], np.uint64)
UPPER = np.array([~np.uint64(0), 0], np.uint64)
LOWER = np.array([~np.uint64(0), SIGN], np.uint64)

SMALLEST = 5e-324
INFINITY_BITS = np.uint64(0x7FF0000000000000)
ROWS_PER_TASK = 64
BLOCK = 1024

# Values that stay in the first-level cache, and so many that counting them costs less than moving them.
PILOT = 4096
MOST_BISECTED = 4 * PILOT


@elementary
def padded(count: int) -> int:
    """The next multiple of 16: a vector loop, unrolled, leaves nothing over."""
    return (count + 15) & ~15


@elementary
def fetched_ahead(n: int) -> int:
    """How far ahead to fetch memory: a row, unless it would leave the cache before it is read."""
    return n if n <= MOST_BISECTED else 0


@elementary
def below(value: float) -> Any:
    """The next smaller double, of a positive one."""
    return bits_to_double(double_to_bits(value) - np.uint64(1))


@elementary
def magnitude(value: Any, kept: Word, flipped: Word) -> Any:
    """What the chosen tail measures of a value, without a branch; what is not positive is no observation."""
    return bits_to_double((double_to_bits(value) & kept) ^ flipped)


@elementary
def is_ordinary(value: float) -> Any:
    """1 for a positive finite double, else 0: as integers those are 1 … INFINITY_BITS − 1."""
    return np.uint64(double_to_bits(value) - np.uint64(1) < INFINITY_BITS - np.uint64(1))


@inlined
def count_ordinary(row: Reals, kept: Word, flipped: Word) -> Any:
    """How many magnitudes are positive and finite."""
    wide_vectors()
    n_ordinary = np.uint64(0)
    for i in range(row.size):
        n_ordinary += is_ordinary(magnitude(row[i], kept, flipped))
    return np.int64(n_ordinary)


@inlined
def count_kinds(row: Reals, kept: Word, flipped: Word, n_ordinary: int, counts: Integers) -> None:
    """How many values of the row are positive, zero, nan and infinite on this side."""
    positive, zero, nan, infinite = row.size, 0, 0, 0
    if n_ordinary < row.size:
        positive = 0
        for i in range(row.size):
            value = magnitude(row[i], kept, flipped)
            positive += value > 0.0
            zero += value == 0.0
            nan += row[i] != row[i]
            infinite += abs(value) == math.inf
    counts[POSITIVE], counts[ZERO], counts[NAN], counts[INFINITE] = positive, zero, nan, infinite


@inlined
def find_level(values: Reals, m: int, slack: int, least: float) -> float:
    """A level ≥ least > 0 that m of the values reach, no more than m + slack unless they are tied; or least.

    Bisection on bits, since positive doubles are ordered as their bits are.
    """
    wide_vectors()
    smallest, greatest = math.inf, least
    for i in range(values.size):
        smallest, greatest = min(smallest, values[i]), max(greatest, values[i])
    low, high = double_to_bits(max(least, smallest)), double_to_bits(greatest)
    reached: Any = values.size
    while low < high and reached > m + slack:
        middle = high - ((high - low) >> np.uint64(1))
        level = bits_to_double(middle)
        count = np.uint64(0)
        for i in range(values.size):
            count += np.uint64(values[i] >= level)
        # Chosen without a branch, which would be mispredicted every other time.
        enough = np.int64(count) >= m
        reached = np.int64(count) if enough else reached
        low = middle if enough else low
        high = high if enough else middle - np.uint64(1)
    return float(bits_to_double(low))


@inlined
def find_maxima(row: Reals, kept: Word, flipped: Word, maxima: Reals) -> Any:
    """The largest magnitude, or 0, among every maxima.size-th value; how many magnitudes are ordinary."""
    wide_vectors()
    n_groups, distance = maxima.size, fetched_ahead(row.size)
    n_ordinary = np.uint64(0)
    for g in range(n_groups):
        maxima[g] = 0.0
    for start in range(0, row.size, n_groups):
        # Half of the next row is fetched here, half when values are gathered.
        for ahead in range(0, n_groups // 2, SAMPLES):
            prefetch(row, distance + start // 2 + ahead)
        part = row[start : min(start + n_groups, row.size)]
        for g in range(part.size):
            value = magnitude(part[g], kept, flipped)
            n_ordinary += is_ordinary(value)
            maxima[g] = value if value > maxima[g] else maxima[g]
    return np.int64(n_ordinary)


@inlined
def draw_pilot(row: Reals, kept: Word, flipped: Word, pilot: Reals) -> None:
    """Magnitudes, or 0, at even distances."""
    stride = row.size // pilot.size
    for i in range(pilot.size):
        value = magnitude(row[i * stride], kept, flipped)
        pilot[i] = value if value > 0.0 else 0.0


@inlined
def gather_reached(row: Reals, kept: Word, flipped: Word, floor: float, found: Reals) -> Any:
    """Copy the magnitudes ≥ floor > 0 into ``found``, one longer than the row; their number."""
    wide_vectors()
    n, n_found = np.uint64(row.size), np.uint64(0)
    whole, distance = n - n % np.uint64(SAMPLES), np.uint64(fetched_ahead(row.size))
    for start in range(np.uint64(0), whole, np.uint64(SAMPLES)):
        prefetch(row, distance + (n + start) // np.uint64(2))
        reached = magnitude(load_entries(row, start), kept, flipped)
        n_found += store_reached(found, n_found, reached, floor)
    for i in range(whole, n):
        value = magnitude(row[i], kept, flipped)
        # Written always, and kept or overwritten.
        found[n_found] = value
        n_found += np.uint64(value >= floor)
    return np.int64(n_found)


@inlined
def move_to_front(values: Reals, start: int, stop: int, pivot: float, equal: bool) -> Any:
    """Bring what exceeds (or equals) the pivot to the front of values[start:stop]; where it ends."""
    edge = np.uint64(start)
    for i in range(np.uint64(start), np.uint64(stop)):
        value = values[i]
        values[i] = values[edge]
        values[edge] = value
        edge += np.uint64(value == pivot) if equal else np.uint64(value > pivot)
    return np.int64(edge)


@inlined
def keep_largest(values: Reals, n_values: int, m: int, pivot: float) -> None:
    """Reorder ``values`` so that its m largest come first (quickselect; ties with the pivot end it)."""
    start, stop = 0, n_values
    above = move_to_front(values, start, stop, pivot, False)
    if above >= m:
        stop = above
    else:
        start = above
    while stop - start > 1 and start < m < stop:
        first = values[start]
        middle = values[(start + stop) // 2]
        last = values[stop - 1]
        pivot = max(min(first, middle), min(max(first, middle), last))
        above = move_to_front(values, start, stop, pivot, False)
        if above >= m:
            stop = above
        else:
            start = move_to_front(values, above, stop, pivot, True)


@kernel(parallel=True)
def select_top_values(data: Reals, side: Words, m: Integers, top: Reals, counts: Integers) -> None:
    """The m[row] largest positive magnitudes of each row, unsorted, in the last places of ``top``.

    data (rows, n); m (rows,); top (rows, width ≥ max m) is zero elsewhere; counts (rows, 4).
    """
    rows, n = data.shape
    width = top.shape[1]
    n_tasks = (rows + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    for task in prange(n_tasks):
        wide_vectors()
        kept, flipped = side[0], side[1]
        found = np.empty(n + 1)
        pilot = aligned_empty(1, min(PILOT, padded(n // 2)), found)[0]
        for r in range(task * ROWS_PER_TASK, min(rows, (task + 1) * ROWS_PER_TASK)):
            row = data[r]
            n_groups = padded(max(2 * m[r], int(0.5 * math.sqrt(m[r] * n))))
            grouped = n_groups <= pilot.size
            n_ordinary = (
                find_maxima(row, kept, flipped, pilot[:n_groups])
                if grouped
                else count_ordinary(row, kept, flipped)
            )
            count_kinds(row, kept, flipped, n_ordinary, counts[r])
            wanted = min(m[r], counts[r, POSITIVE])
            floor, guess = SMALLEST, SMALLEST
            if grouped:
                # Where m groups have a value to show, m values there are; few groups have two.
                floor = find_level(pilot[:n_groups], wanted, wanted // 16 + 1, SMALLEST)
            elif n > MOST_BISECTED:
                # So many groups would leave the cache: what a sample very likely, but not surely, tells.
                draw_pilot(row, kept, flipped, pilot)
                expected = pilot.size * wanted / n
                error = math.sqrt(expected)
                floor = find_level(pilot, int(expected + 3.0 * error) + 2, int(error), SMALLEST)
                guess = find_level(pilot, int(expected) + 1, 0, floor)
            n_found = gather_reached(row, kept, flipped, floor, found)
            if n_found < wanted:
                n_found = gather_reached(row, kept, flipped, SMALLEST, found)
            if n_found <= MOST_BISECTED:
                guess = find_level(found[:n_found], wanted, 0, SMALLEST)
            keep_largest(found, n_found, wanted, below(guess))
            for i in range(width - wanted):
                top[r, i] = 0.0
            for i in range(wanted):
                top[r, width - wanted + i] = found[i]


@kernel(parallel=True)
def copy_magnitudes(data: Reals, side: Words, magnitudes: Reals, counts: Integers) -> None:
    """Whole rows of magnitudes, 0 for what is not positive, and counts (rows, blocks, 4) per block."""
    rows, n = data.shape
    n_blocks = counts.shape[1]
    length = (n + n_blocks - 1) // n_blocks
    for task in prange(rows * n_blocks):
        wide_vectors()
        r, block = task // n_blocks, task % n_blocks
        start, stop = min(n, block * length), min(n, (block + 1) * length)
        source, target = data[r, start:stop], magnitudes[r, start:stop]
        n_ordinary = count_ordinary(source, side[0], side[1])
        count_kinds(source, side[0], side[1], n_ordinary, counts[r, block])
        for i in range(source.size):
            value = magnitude(source[i], side[0], side[1])
            target[i] = value if value > 0.0 else 0.0


@kernel(parallel=True)
def measure_log_excesses(top: Reals, k: Integers, censored: Integers, moments: Reals, ties: Integers) -> None:
    """Mean and mean square of log X_(i)/X_(k+1), i ≤ k, and the number of i ≤ k with X_(i) = X_(i+1).

    The ``censored`` largest are known only to be at least the next one: they count
    as equal to it, and the mean is over the k − censored others (Bhattacharya,
    Kallitsis & Stoev 2019, eq. 1.3). top (rows, width); k, censored, ties (rows,); moments (rows, 2).
    """
    rows, width = top.shape
    n_tasks = (rows + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    for task in prange(n_tasks):
        wide_vectors()
        for r in range(task * ROWS_PER_TASK, min(rows, (task + 1) * ROWS_PER_TASK)):
            if k[r] <= censored[r] or k[r] >= width or not top[r, width - k[r] - 1] > 0.0:
                moments[r, 0], moments[r, 1], ties[r] = math.nan, math.nan, 0
                continue
            row = top[r, width - k[r] - 1 : width - censored[r]]
            threshold = row[0]
            first, second = 0.0, 0.0
            for i in range(1, row.size):
                excess = log_ratio(row[i], threshold)
                first += excess
                second += excess * excess
            equal = 0
            for i in range(1, row.size):
                equal += row[i] == row[i - 1]
            largest = log_ratio(row[row.size - 1], threshold)
            moments[r, 0] = (first + censored[r] * largest) / (k[r] - censored[r])
            moments[r, 1] = (second + censored[r] * largest * largest) / (k[r] - censored[r])
            ties[r] = equal


@inlined
def weigh_spacings(ascending: Reals, rank: int, spacings: Reals) -> None:
    """Spacings log(X_(j)/X_(j+1)) times j of consecutive values, the largest of which has this rank.

    ascending (length + 1,), spacings (length,): slices walked upwards, since a loop over downward
    indices is not vectorised.
    """
    for t in range(ascending.size - 1):
        spacings[t] = (rank + ascending.size - 2.0 - t) * log_ratio(ascending[t + 1], ascending[t])


@kernel(parallel=True)
def accumulate_spacings(ordered: Reals, n_values: int, censored: int, alpha: Reals) -> None:
    """Hill's alpha for every k of one sample, (k − censored)/Σ_{censored < j ≤ k} j·log(X_(j)/X_(j+1)).

    A sum of positive terms, hence without cancellation. ordered (≥ n_values,) ascending, the sample in its
    last places; alpha (n_values − 1,), entry k − 1 for k; nan for k ≤ censored.
    """
    size = n_values - 1
    start = min(censored, size)
    for i in range(start):
        alpha[i] = math.nan
    n_blocks = (size - start + BLOCK - 1) // BLOCK
    offsets = np.zeros(n_blocks + 1)
    for block in prange(n_blocks):
        wide_vectors()
        spacings = np.empty(BLOCK)
        first = start + block * BLOCK
        length = min(size - first, BLOCK)
        above = ordered.size - first
        weigh_spacings(ordered[above - length - 1 : above], first + 1, spacings)
        total = 0.0
        for t in range(length):
            total += spacings[t]
        offsets[block + 1] = total
    for block in range(n_blocks):
        offsets[block + 1] += offsets[block]
    for block in prange(n_blocks):
        wide_vectors()
        # Logarithms are taken twice: that costs less than another trip to memory.
        spacings, sums = np.empty(BLOCK), np.empty(BLOCK)
        first = start + block * BLOCK
        length = min(size - first, BLOCK)
        above = ordered.size - first
        weigh_spacings(ordered[above - length - 1 : above], first + 1, spacings)
        running = offsets[block]
        for t in range(length):
            running += spacings[length - 1 - t]
            sums[t] = running
        target = alpha[first : first + length]
        for t in range(length):
            target[t] = (first - start + t + 1.0) / sums[t]


@kernel()
def accumulate_excesses(ordered: Reals, n_values: int, mean: Reals, mean_square: Reals) -> None:
    """Mean and mean square of log X_(i)/X_(k+1), i ≤ k, for every k of one sample.

    Recurrences of positive terms: with d = log X_(k)/X_(k+1), A_k = A_{k−1} + k·d and
    B_k = B_{k−1} + 2·d·A_{k−1} + k·d².
    """
    last = ordered.size - 1
    first, second = 0.0, 0.0
    for i in range(n_values - 1):
        step = log_ratio(ordered[last - i], ordered[last - i - 1])
        second += step * (2.0 * first + (i + 1.0) * step)
        first += (i + 1.0) * step
        mean[i], mean_square[i] = first / (i + 1.0), second / (i + 1.0)


@kernel(parallel=True)
def average_hill(top: Reals, k: Integers, most: Integers, censored: Integers, xi: Reals) -> None:
    """Mean of Hill's estimates H_j over k < j ≤ most for each row; nan for k ≤ censored or a short row."""
    rows, width = top.shape
    for r in prange(rows):
        last = width - 1
        if k[r] <= censored[r] or most[r] > last or not top[r, max(last - most[r], 0)] > 0.0:
            xi[r] = math.nan
            continue
        running, total = 0.0, 0.0
        for j in range(censored[r] + 1, most[r] + 1):
            running += j * log_ratio(top[r, last - j + 1], top[r, last - j])
            if j > k[r]:
                total += running / (j - censored[r])
        xi[r] = total / (most[r] - k[r])


@inlined
def shape_ratio(first: float, second: float, third: float, tau: int) -> Any:
    """T_n(tau) of Fraga Alves, Gomes & de Haan (2003), tau in {0, 1}, from the three log moments."""
    if tau == 0:
        top = math.log(first) - 0.5 * math.log(second / 2.0)
        return top / (0.5 * math.log(second / 2.0) - math.log(third / 6.0) / 3.0)
    root = math.sqrt(second / 2.0)
    return (first - root) / (root - (third / 6.0) ** (1.0 / 3.0))


@inlined
def shape_from_ratio(ratio: float) -> float:
    """The second-order parameter −|3(T − 1)/(T − 3)|."""
    return -abs(3.0 * (ratio - 1.0) / (ratio - 3.0))


N_PROBES = 256


@inlined
def estimate_shape(row: Reals, k_low: int, k_high: int, probes: Reals) -> float:
    """Rho at k_high, tau in {0, 1} chosen as the steadier over [k_low, k_high] (Gomes & Pestana 2007)."""
    last = row.size - 1
    stride = max(1, (k_high - k_low) // N_PROBES)
    first, second, third = 0.0, 0.0, 0.0
    n_probes = 0
    final_zero, final_one = math.nan, math.nan
    for k in range(1, k_high + 1):
        step = log_ratio(row[last - k + 1], row[last - k])
        third += step * (3.0 * second + step * (3.0 * first + k * step))
        second += step * (2.0 * first + k * step)
        first += k * step
        if k == k_high or (k >= k_low and (k_high - k) % stride == 0 and n_probes < N_PROBES):
            mean1, mean2, mean3 = first / k, second / k, third / k
            final_zero = shape_from_ratio(shape_ratio(mean1, mean2, mean3, 0))
            final_one = shape_from_ratio(shape_ratio(mean1, mean2, mean3, 1))
            if n_probes < N_PROBES:
                probes[0, n_probes], probes[1, n_probes] = final_zero, final_one
                n_probes += 1
    spread = np.zeros(2)
    for tau in range(2):
        centre = np.median(probes[tau, :n_probes])
        for i in range(n_probes):
            spread[tau] += (probes[tau, i] - centre) ** 2
    return final_one if spread[1] < spread[0] else final_zero


@inlined
def estimate_scale(row: Reals, n: int, k: int, rho: float, log_index: Reals) -> float:
    """Beta of Gomes & Martins (2002) at k: the scale of the second-order term, given its exponent rho."""
    last = row.size - 1
    weights, plain, once, twice = 0.0, 0.0, 0.0, 0.0
    log_k = log_index[k]
    for i in range(1, k + 1):
        weight = exp(-rho * (log_index[i] - log_k))
        spacing = i * log_ratio(row[last - i + 1], row[last - i])
        weights += weight
        plain += spacing
        once += weight * spacing
        twice += weight * weight * spacing
    weights, plain, once, twice = weights / k, plain / k, once / k, twice / k
    return math.exp(rho * (log_k - math.log(n))) * (weights * plain - once) / (weights * once - twice)


@kernel(parallel=True)
def estimate_second_order(
    ordered: Reals, n_values: Integers, censored: Integers, log_index: Reals, second_order: Reals
) -> None:
    """(rho, beta) of U(t) = C·t^xi·(1 + xi·beta·t^rho/rho + …) for each row, at k = ⌊n^0.999⌋.

    ordered (rows, width) ascending; n_values, censored (rows,), the censored largest left out; log_index[i] =
    log i; second_order (rows, 2), nan where there are too few values or no spread.
    """
    rows, width = ordered.shape
    n_tasks = (rows + ROWS_PER_TASK - 1) // ROWS_PER_TASK
    for task in prange(n_tasks):
        probes = np.empty((2, N_PROBES))
        for r in range(task * ROWS_PER_TASK, min(rows, (task + 1) * ROWS_PER_TASK)):
            row = ordered[r, : width - censored[r]]
            n = n_values[r] - censored[r]
            k_high = min(n - 1, int(n**0.999))
            k_low = max(1, int(n**0.995))
            second_order[r, 0], second_order[r, 1] = math.nan, math.nan
            if k_high >= 3 and row[row.size - 1] > row[row.size - 1 - k_high]:
                rho = estimate_shape(row, k_low, k_high, probes)
                second_order[r, 0] = rho
                second_order[r, 1] = estimate_scale(row, n, k_high, rho, log_index)
