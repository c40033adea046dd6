"""Standard normals by coordinate: what a coordinate gets depends on nothing but its counter.

A counter (purpose | j, step, node, run) gives, by Box–Muller, a cosine and a sine in double precision; in
single, two cosines and then two sines. Of a vector with d coordinates they are the j-th two, or four. Where
half of that is enough for what the last counter has to give, two runs share it, those whose numbers differ
in bit 4: the cosines belong to the one without that bit, the sines to the other.

Vectors of 2^k runs lie side by side, run innermost, as :mod:`..loops.steps` has them; LANES counters are
drawn at once, those of neighbouring runs first.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from desgd_fast.kernels.draw import single
from desgd_fast.kernels.draw.random import philox_pair, squared_radius, turn
from desgd_fast.kernels.jit.arithmetic import borrow, double_to_bits, sqrt, wide_vectors
from desgd_fast.kernels.jit.compile import Reals, Word, Words, elementary, exact, kernel
from desgd_fast.kernels.jit.lanes import (
    LANES,
    as_words,
    by_coordinate,
    counters,
    load_from,
    load_two,
    spread,
    store_entries,
)

# The bit of a run's number that tells which half of a shared counter is its own.
SHARING = np.uint64(16)

# Normals of LANES counters, in words of 64 bits: doubles, or pairs of floats.
CHUNK = 2 * LANES

# A fill is a multiple of so many normals.
FILL = 2 * CHUNK


class Counter(NamedTuple):
    """What the numbers of one step are a function of, for runs from ``run`` on."""

    key: Words
    step: Word
    run: Word


class Vectors(NamedTuple):
    """Some vectors of equal length, of as many nodes or as many samples of one node, for ``lanes`` runs.

    ``whole`` counters are a run's own; ``stride`` normals lie between the beginnings of two vectors. Where
    the runs do not fill a register, ``indices``, ``nodes`` and ``runs`` tell every position its counter.
    """

    lanes: int
    whole: int
    shared: bool
    samples: bool
    stride: int
    indices: Words
    nodes: Words
    runs: Words


def turn_words(
    out: Reals, start: int, n_groups: int, stride: int, n_chunks: int, second: int, lanes: int
) -> None:
    """Box–Muller in place, from words for the radii and, ``second`` words further on, for the angles.

    Chunk j of group g begins at word ``start + g·stride + j·CHUNK``.
    """


@elementary
def turn_double(out: Reals, t: int, second: int, lanes: int) -> None:
    """The last stage of :func:`turn_doubles` for one chunk."""
    cosine, sine = turn(load_from(out, t), double_to_bits(load_from(out, t + second)))
    first, last = by_coordinate(cosine, sine, lanes)
    store_entries(out, t, first)
    store_entries(out, t + second, last)


@elementary
def turn_single(out: Reals, t: int, second: int, lanes: int) -> None:
    """The last stage of :func:`turn_singles` for one chunk."""
    cosine, sine = single.turn(load_two(out, t), as_words(load_two(out, t + second)))
    first, last = by_coordinate(cosine, sine, lanes)
    store_entries(out, t, first)
    store_entries(out, t + second, last)


@exact
def turn_doubles(
    out: Reals, start: int, n_groups: int, stride: int, n_chunks: int, second: int, lanes: int
) -> None:
    """:func:`turn_words` for doubles."""
    wide_vectors()
    # In stages: one loop's dependency chain would be too long to overlap with itself.
    for g in range(n_groups):
        for j in range(n_chunks):
            t = start + g * stride + j * CHUNK
            store_entries(out, t, squared_radius(double_to_bits(load_from(out, t))))
    for g in range(n_groups):
        for j in range(n_chunks):
            t = start + g * stride + j * CHUNK
            store_entries(out, t, sqrt(load_from(out, t)))
    for g in range(n_groups):
        # A loop without a choice in it where there is none.
        if lanes >= LANES:
            for j in range(n_chunks):
                turn_double(out, start + g * stride + j * CHUNK, second, LANES)
        else:
            for j in range(n_chunks):
                turn_double(out, start + g * stride + j * CHUNK, second, lanes)


@exact
def turn_singles(
    out: Reals, start: int, n_groups: int, stride: int, n_chunks: int, second: int, lanes: int
) -> None:
    """:func:`turn_words` for floats, two in a word."""
    wide_vectors()
    for g in range(n_groups):
        for j in range(n_chunks):
            t = 2 * (start + g * stride + j * CHUNK)
            store_entries(out, t, single.squared_radius(as_words(load_two(out, t))))
    for g in range(n_groups):
        for j in range(n_chunks):
            t = 2 * (start + g * stride + j * CHUNK)
            store_entries(out, t, single.sqrt(load_two(out, t)))
    for g in range(n_groups):
        # A loop without a choice in it where there is none.
        if lanes >= LANES:
            for j in range(n_chunks):
                turn_single(out, 2 * (start + g * stride + j * CHUNK), 2 * second, LANES)
        else:
            for j in range(n_chunks):
                turn_single(out, 2 * (start + g * stride + j * CHUNK), 2 * second, lanes)


@overload(turn_words)
def _overload_turn_words(out, start, n_groups, stride, n_chunks, second, lanes):  # type: ignore[no-untyped-def]
    chosen = turn_singles if out.dtype == types.float32 else turn_doubles
    return lambda out, start, n_groups, stride, n_chunks, second, lanes: chosen(
        out, start, n_groups, stride, n_chunks, second, lanes
    )


@elementary
def fill_chunk(
    out: Reals, start: int, second: int, indices: Any, rest: tuple[Any, Any, Any], k0: Word, k1: Word
) -> None:
    """Words of LANES counters, for radii and, ``second`` on, angles; (step, nodes, runs) is ``rest``."""
    a, b = philox_pair(indices, rest[0], rest[1], rest[2], k0, k1)
    store_entries(out, start, a)
    store_entries(out, start + second, b)


@exact
def fill_normals(
    key: Words, purpose: Word, index: Word, step: Word, node: Word, run: Word, count: int, out: Reals
) -> None:
    """A sequence into out[:count], count a multiple of FILL: the normals of counters from ``index`` on."""
    wide_vectors()
    k0, k1 = key[0], key[1]
    rest = spread(step), spread(node), spread(run)
    n_chunks = count * out.itemsize // (8 * CHUNK)
    for j in range(n_chunks):
        indices = counters((purpose | index) + np.uint64(j * LANES))
        fill_chunk(out, j * CHUNK, LANES, indices, rest, k0, k1)
    turn_words(out, 0, 1, 0, n_chunks, LANES, 1)


@exact
def arrange_vectors(count: int, dim: int, lanes: int, first_run: Word, samples: bool, like: Reals) -> Vectors:
    """How to draw ``count`` vectors or fewer of ``dim`` coordinates in the precision of ``like``."""
    width: Any = 8 // like.itemsize
    n_counters: Any = (dim + 2 * width - 1) // (2 * width)
    shared = dim - 2 * width * (n_counters - 1) <= width
    rows = 2 * width * n_counters - (width if shared and lanes > LANES else 0)
    per_vector = n_counters * lanes
    size = (count * per_vector + LANES - 1) // LANES * LANES if lanes < LANES else 0
    indices, nodes, runs = np.empty(size, np.uint64), np.empty(size, np.uint64), np.empty(size, np.uint64)
    for t in range(size):
        vector, index = t // per_vector, t % per_vector // lanes
        indices[t] = np.uint64(vector * n_counters + index if samples else index)
        nodes[t] = np.uint64(0 if samples else vector)
    whole = n_counters - (1 if shared else 0)
    vectors = Vectors(lanes, whole, shared, samples, rows * lanes, indices, nodes, runs)
    number_runs(vectors, first_run)
    return vectors


@exact
def number_runs(vectors: Vectors, first_run: Word) -> None:
    """Draw the vectors of other runs from now on."""
    n_counters, runs = vectors.whole + (1 if vectors.shared else 0), borrow(vectors.runs)
    for t in range(runs.size):
        place = t % (n_counters * vectors.lanes)
        run = first_run + np.uint64(place % vectors.lanes)
        last = place // vectors.lanes == n_counters - 1
        runs[t] = run & ~SHARING if vectors.shared and last else run


@exact
def room_of(vectors: Vectors, count: int) -> int:
    """Normals of so many vectors, whole registers."""
    return (count * vectors.stride + FILL - 1) & -FILL


@exact
def fill_vectors(
    vectors: Vectors, counter: Counter, purpose: Word, index: Word, node: Word, count: int, out: Reals
) -> None:
    """The first ``count`` vectors: of nodes from ``node`` on, or its samples at counters from ``index`` on.

    Coordinate c of vector n and run r lies at n·stride + c·R + r; where R is more than LANES, every LANES
    runs are a part of the vector, one after another. What lies between vectors is finite.
    """
    wide_vectors()
    k0, k1 = counter.key[0], counter.key[1]
    steps, lanes, whole = spread(counter.step), vectors.lanes, vectors.whole
    per_vector = whole + (1 if vectors.shared else 0)
    if lanes < LANES:
        n_chunks = (count * per_vector * lanes + LANES - 1) // LANES
        if vectors.samples or count == 1:
            # A product with the node, and what follows of it, is the same for all.
            owners = spread(node)
            for j in range(n_chunks):
                indices = (load_from(vectors.indices, j * LANES) + index) | purpose
                rest = steps, owners, load_from(vectors.runs, j * LANES)
                fill_chunk(out, j * CHUNK, LANES, indices, rest, k0, k1)
        else:
            for j in range(n_chunks):
                indices = (load_from(vectors.indices, j * LANES) + index) | purpose
                owners = load_from(vectors.nodes, j * LANES) + node
                rest = steps, owners, load_from(vectors.runs, j * LANES)
                fill_chunk(out, j * CHUNK, LANES, indices, rest, k0, k1)
        turn_words(out, 0, 1, 0, n_chunks, LANES, lanes)
    else:
        parts = lanes // LANES
        # Words of a part, and from its share of a counter to the other's.
        span = whole * CHUNK + ((LANES if parts > 1 else CHUNK) if vectors.shared else 0)
        apart = span if parts > 1 else LANES
        n_owners, each = (1, count) if vectors.samples else (count, 1)
        for n in range(n_owners):
            owner = spread(node + np.uint64(n))
            for q in range(each):
                base = purpose | (index + np.uint64(q * per_vector))
                for part in range(parts):
                    start = ((n + q) * parts + part) * span
                    run = counter.run + np.uint64(part * LANES)
                    rest = steps, owner, counters(run)
                    for j in range(whole):
                        indices = spread(base + np.uint64(j))
                        fill_chunk(out, start + j * CHUNK, LANES, indices, rest, k0, k1)
                    if vectors.shared and part % 2 == 0:
                        rest = steps, owner, counters(run & ~SHARING)
                        indices = spread(base + np.uint64(whole))
                        fill_chunk(out, start + whole * CHUNK, apart, indices, rest, k0, k1)
        if vectors.shared and parts > 1:
            if whole > 0:
                turn_words(out, 0, count * parts, span, whole, LANES, lanes)
            turn_words(out, whole * CHUNK, count * parts // 2, 2 * span, 1, apart, lanes)
        else:
            turn_words(out, 0, 1, 0, count * parts * span // CHUNK, LANES, lanes)
    if vectors.shared and lanes <= LANES and counter.run & SHARING:
        own = 8 // out.itemsize * lanes
        for n in range(count):
            first = np.uint64((n + 1) * vectors.stride - 2 * own)
            for t in range(own):
                out[first + np.uint64(t)] = out[first + np.uint64(own + t)]


@kernel()
def draw_normals(key: Words, purpose: Word, step: Word, node: Word, run: Word, out: Reals) -> None:
    """:func:`fill_normals` over every row of out, row r being step ``step + r``."""
    for r in range(out.shape[0]):
        fill_normals(key, purpose, np.uint64(0), step + np.uint64(r), node, run, out.shape[1], out[r])


@kernel()
def draw_vectors(key: Words, purpose: Word, step: Word, node: Word, run: Word, out: Reals) -> None:
    """:func:`fill_vectors` into out[node, coordinate, run], from these nodes and runs on."""
    n_nodes, dim, lanes = out.shape
    vectors = arrange_vectors(n_nodes, dim, lanes, run, False, out)
    drawn = np.empty(room_of(vectors, n_nodes), out.dtype)
    fill_vectors(vectors, Counter(key, step, run), purpose, np.uint64(0), node, n_nodes, drawn)
    side, part = min(lanes, LANES), vectors.stride // max(1, lanes // LANES)
    for n in range(n_nodes):
        for c in range(dim):
            for r in range(lanes):
                out[n, c, r] = drawn[n * vectors.stride + r // side * part + c * side + r % side]
