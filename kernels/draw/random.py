"""Counter-based randomness: every variate is a pure function of (key, purpose, index, step, node, run).

Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011) turns a counter of four 32-bit words into four
random ones. The counter is (purpose and index, step, node, run), so no state is kept, any step can be
resumed and any split of the work gives the same bits.

Normals are told in :mod:`.normals`. Fills have whole lengths, because the scalar remainder of a vectorised
loop costs twenty times more per value than its body. Chi-squares work on *lanes*: 2^shift runs side by side,
position t of a fill belonging to run ``first_run + (t mod 2^shift)``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.kernels.jit.arithmetic import (
    bits_to_double,
    double_to_bits,
    exp,
    kept_apart,
    log,
    multiply_add,
    sin_cos_pi,
    sqrt,
    wide_vectors,
)
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, elementary, exact, kernel
from desgd_fast.kernels.jit.lanes import (
    SAMPLES,
    counters_of_samples,
    load_entries,
    spread_samples,
    store_entries,
    union,
)

# What a variate is for: the top four bits of the first counter word.
FEATURES = np.uint64(0 << 28)
CHI_SQUARE = np.uint64(2 << 28)
ROWS = np.uint64(3 << 28)
BARTLETT_NORMALS = np.uint64(4 << 28)
BARTLETT_CHI_SQUARE = np.uint64(5 << 28)
RESAMPLING = np.uint64(6 << 28)
UNIFORMS = np.uint64(7 << 28)
PERMUTATION = np.uint64(8 << 28)
RESAMPLING_SUMS = np.uint64(9 << 28)
LINKS = np.uint64(10 << 28)
PARTICIPATION = np.uint64(11 << 28)
RULES = np.uint64(12 << 28)
MESSAGES = np.uint64(13 << 28)
INITIAL_WEIGHTS = np.uint64(15 << 28)

# Indices below that; and integers a fill may draw, whose attempts are counted from bit 24 on.
MOST_INDICES = 1 << 28
MOST_INTEGERS = 1 << 24

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_12 = np.uint64(12)
_24 = np.uint64(24)
_63 = np.uint64(63)
_0 = np.uint64(0)
_1 = np.uint64(1)
_2 = np.uint64(2)
_ONE_BITS = np.uint64(0x3FF0000000000000)


@elementary
def philox_pair(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word]:
    """Philox4x32-10 of a counter under a key: c0·2^32 + c1 and c2·2^32 + c3 of the result."""
    for _ in range(9):
        # Only the factors are masked: the vector multiplier ignores upper halves, so that costs nothing.
        p0 = _M0 * (c0 & _LOW)
        p1 = _M1 * (c2 & _LOW)
        c0 = (p1 >> _32) ^ c1 ^ k0
        c1 = p1
        c2 = (p0 >> _32) ^ c3 ^ k1
        c3 = p0
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    # The tenth round leaves the words where they belong: nothing to cut apart and put together again.
    p0 = _M0 * (c0 & _LOW)
    p1 = _M1 * (c2 & _LOW)
    return p1 ^ ((c1 ^ k0) << _32), p0 ^ ((c3 ^ k1) << _32)


@elementary
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """Philox4x32-10 of a counter under a key: 32-bit words held in uint64."""
    a, b = philox_pair(c0, c1, c2, c3, k0, k1)
    return a >> _32, a & _LOW, b >> _32, b & _LOW


@elementary
def unit(bits: Any) -> Any:
    """Uniform on (0, 1] in steps of 2^-52, from the upper 52 of 64 bits."""
    return 2.0 - bits_to_double((bits >> _12) | _ONE_BITS)


@elementary
def squared_radius(bits: Word) -> Any:
    """Box–Muller's -2 log U."""
    return -2.0 * log(unit(bits))


@elementary
def turn(radius: float, bits: Word) -> tuple[float, float]:
    """A point at this radius and a uniform angle: a half turn from 52 bits, a sign from another."""
    sine, cosine = sin_cos_pi(bits_to_double((bits >> _12) | _ONE_BITS) - 1.5)
    signed = bits_to_double(double_to_bits(radius) ^ (bits << _63))
    return signed * cosine, signed * sine


@elementary
def chi_square_attempt(
    key: Words,
    purpose: Word,
    attempt: Word,
    step: Word,
    node: Word,
    run: Word,
    shape: float,
    scale: float,
    boost: float,
) -> float:
    """One Marsaglia–Tsang (ACM TOMS 2000) proposal: a chi-square variate, or -1 if rejected.

    For ``df`` degrees of freedom: shape d = a - 1/3 and scale 1/√(9d) with a = df/2 (+1 if df < 2), and
    boost = 1/a where df < 2 (the variate is multiplied by U^boost), else 0.
    """
    k0, k1 = key[0], key[1]
    index = purpose + (attempt << _2)
    a, b = philox_pair(index, step, node, run, k0, k1)
    x, _ = turn(sqrt(squared_radius(a)), b)
    a, b = philox_pair(index + _1, step, node, run, k0, k1)
    v = multiply_add(scale, x, 1.0)
    v = v * v * v
    positive = max(v, 1e-300)
    accepted = log(unit(a)) < multiply_add(shape, 1.0 - positive + log(positive), 0.5 * x * x)
    value = 2.0 * shape * positive
    if boost > 0.0:
        value *= exp(boost * log(unit(b)))
    return value if accepted and v > 0.0 else -1.0


def chi_square_parameters(degrees: NDArray[Any]) -> Reals:
    """Columns (shape, scale, boost) for :func:`chi_square_attempt`, padded to a multiple of 8."""
    df = np.ones(-(-degrees.size // 8) * 8)
    df[: degrees.size] = degrees
    small = df < 2
    shape = df / 2 + small - 1 / 3
    return np.stack([shape, 1 / np.sqrt(9 * shape), np.where(small, 2 / df, 0.0)])


@exact
def fill_chi_square(
    key: Words,
    purpose: Word,
    step: Word,
    first_node: Word,
    first_run: Word,
    shift: Word,
    parameters: Reals,
    offset: int,
    count: int,
    out: Reals,
) -> None:
    """Chi-square variates into out[:count], count a multiple of 8.

    Position t belongs to node ``first_node + (t >> shift)``; its (shape, scale, boost) are
    ``parameters[:, offset + t]``.
    """
    wide_vectors()
    lane = (_1 << shift) - _1
    base = np.uint64(offset)
    for t in range(count):
        u = np.uint64(t)
        out[u] = chi_square_attempt(
            key,
            purpose,
            np.uint64(0),
            step,
            first_node + (u >> shift),
            first_run + (u & lane),
            parameters[0, base + u],
            parameters[1, base + u],
            parameters[2, base + u],
        )
    # Rejections (5 % at most) try again outside the vector loop.
    for t in range(count):
        u = np.uint64(t)
        attempt = _1
        while out[u] < 0.0:
            out[u] = chi_square_attempt(
                key,
                purpose,
                attempt,
                step,
                first_node + (u >> shift),
                first_run + (u & lane),
                parameters[0, base + u],
                parameters[1, base + u],
                parameters[2, base + u],
            )
            attempt += _1


@elementary
def below(word: Word, bound: Word) -> np.int64:
    """Uniform integer in [0, bound) from 32 random bits, or -1 if rejected (Lemire, TOMACS 2019)."""
    product = word * bound
    low = product & _LOW
    # The remainder, a slow division, is below bound: only a low word below bound needs it.
    accepted = low >= bound or low >= (_LOW - bound + _1) % bound
    return np.int64(product >> _32) if accepted else np.int64(-1)


@elementary
def bounded_words(words: Any, bounds: Any) -> tuple[Any, Any]:
    """Integers below the bounds from the lower halves of words; the highest bit tells that one is in doubt.

    A low word of the product below its bound may be rejected (Lemire 2019): that is looked into apart.
    """
    # Only for the vector multiplier: bounds have no upper halves.
    product = (words & _LOW) * (bounds & _LOW)
    return product >> _32, (product & _LOW) - bounds


@elementary
def bounded_halves(words: Any, upper: Any, lower: Any) -> tuple[Any, Any, Any]:
    """:func:`bounded_words` from both halves of words."""
    x, unsure = bounded_words(words >> _32, upper)
    y, too = bounded_words(words, lower)
    return x, y, unsure | too


@exact
def fill_integers(
    key: Words,
    purpose: Word,
    step: Word,
    first_node: Word,
    run: Word,
    bounds: Words,
    count: int,
    out: Integers,
) -> None:
    """Unbiased integers out[q, i] in [0, bounds[q, first_node + i]), i < count; q a multiple of 4."""
    wide_vectors()
    k0, k1 = key[0], key[1]
    whole = np.uint64(count - count % SAMPLES)
    steps, runs = spread_samples(step), spread_samples(run)
    in_doubt, doubt = spread_samples(_0), _0
    n_nodes, width = np.uint64(bounds.shape[1]), np.uint64(out.shape[1])
    for q in range(0, bounds.shape[0], 4):
        index, u = purpose | np.uint64(q >> 2), np.uint64(q)
        for i in range(np.uint64(0), whole, np.uint64(SAMPLES)):
            nodes = counters_of_samples(first_node + i)
            a, b = philox_pair(spread_samples(index), steps, nodes, runs, k0, k1)
            for half, words in ((_0, a), (_2, b)):
                first = (u + half) * n_nodes + first_node + i
                upper, lower = load_entries(bounds, first), load_entries(bounds, first + n_nodes)
                x, y, unsure = bounded_halves(words, upper, lower)
                first = (u + half) * width + i
                store_entries(out, first, x)
                store_entries(out, first + width, y)
                in_doubt = in_doubt | unsure
        for i in range(whole, np.uint64(count)):
            a, b = philox_pair(index, step, first_node + i, run, k0, k1)
            for half, words in ((_0, a), (_2, b)):
                upper, lower = bounds[u + half, first_node + i], bounds[u + half + _1, first_node + i]
                out[u + half, i], out[u + half + _1, i], unsure = bounded_halves(words, upper, lower)
                doubt |= unsure
    if (union(in_doubt) | doubt) >> _63:
        redo_integers(key, purpose, step, first_node, run, bounds, count, out)


@exact
def redo_integers(
    key: Words,
    purpose: Word,
    step: Word,
    first_node: Word,
    run: Word,
    bounds: Words,
    count: int,
    out: Integers,
) -> None:
    """:func:`fill_integers` with rejections, of probability below bound / 2^32 each."""
    kept_apart()
    k0, k1 = key[0], key[1]
    for q in range(bounds.shape[0]):
        for i in range(count):
            node = first_node + np.uint64(i)
            # The first attempts of four share a counter.
            index, place, attempt, value = np.uint64(q >> 2), q & 3, np.uint64(0), np.int64(-1)
            while value < 0:
                words = philox(purpose | (attempt << _24) | index, step, node, run, k0, k1)
                value = below(words[place], bounds[q, node])
                index, place, attempt = np.uint64(q), 0, attempt + _1
            out[q, i] = value


@exact
def fill_uniforms(
    key: Words, purpose: Word, step: Word, node: Word, run: Word, count: int, half: int, out: Reals
) -> None:
    """Uniforms on (0, 1] into out[:count] and out[half : half + count]: the pair t from counter t."""
    wide_vectors()
    k0, k1 = key[0], key[1]
    upper = np.uint64(half)
    for t in range(count):
        u = np.uint64(t)
        a, b = philox_pair(purpose + u, step, node, run, k0, k1)
        out[u] = unit(a)
        out[upper + u] = unit(b)


@exact
def fill_permutation(
    key: Words, purpose: Word, epoch: Word, node: Word, run: Word, first: int, count: int, out: Integers
) -> None:
    """A uniform permutation of 0 … count - 1 into out[first : first + count] (Fisher–Yates from inside out).

    Place j changes with an earlier one: its draw, from 0 to j, reads the counters of :func:`fill_integers`.
    """
    k0, k1 = key[0], key[1]
    for start in range(0, count, 4):
        four = philox(purpose | np.uint64(start >> 2), epoch, node, run, k0, k1)
        for j in range(start, min(start + 4, count)):
            bound = np.uint64(j + 1)
            value = below(four[j - start], bound)
            attempt = _1
            while value < 0:
                word, _, _, _ = philox(purpose | (attempt << _24) | np.uint64(j), epoch, node, run, k0, k1)
                value = below(word, bound)
                attempt += _1
            out[first + j] = out[first + value]
            out[first + value] = j


@kernel()
def draw_chi_square(
    key: Words,
    purpose: Word,
    step: Word,
    first_node: Word,
    first_run: Word,
    shift: Word,
    parameters: Reals,
    out: Reals,
) -> None:
    """:func:`fill_chi_square` for every row of out, row r being step ``step + r``."""
    for r in range(out.shape[0]):
        fill_chi_square(
            key,
            purpose,
            step + np.uint64(r),
            first_node,
            first_run,
            shift,
            parameters,
            0,
            out.shape[1],
            out[r],
        )


@kernel()
def draw_integers(
    key: Words, purpose: Word, step: Word, first_node: Word, run: Word, bounds: Words, out: Integers
) -> None:
    """:func:`fill_integers` for every out[r], r being step ``step + r``."""
    for r in range(out.shape[0]):
        fill_integers(key, purpose, step + np.uint64(r), first_node, run, bounds, out.shape[2], out[r])
