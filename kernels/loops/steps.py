"""The step loops: mix with the neighbours, take a gradient step, many runs side by side.

State of a block of R = 2^shift runs: ``x[node, t]``, coordinate c of run r at t = c·R + r, filled up with
zeros to a multiple of LANES, so that every loop is one of whole vectors whatever the dimension. What is
filled up stays zero, because ``scale`` is zero there. Where R is more than LANES, every LANES runs are a
part of their own, one after another. So factors that differ from run to run repeat from vector to vector.

A gradient, times minus the step size, is ``scale·(along·x + across·direction)`` with one ``along`` and one
``across`` per run: the collapsed law draws ``direction`` from N(0, I), the direct one sums a minibatch.
Nodes come in tiles, whose normals are drawn together, and groups, whose chi-squares are: a call for every
node would cost more than the work for it where the dimension is small.

Arithmetic is in the precision of the state; factors are computed in double.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.normals import FILL, Counter, Vectors, arrange_vectors, fill_vectors, room_of
from desgd_fast.kernels.draw.random import CHI_SQUARE, FEATURES, fill_chi_square
from desgd_fast.kernels.jit.arithmetic import aligned_empty, borrow, kept_apart, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import (
    Integers,
    Matrix,
    Reals,
    Word,
    Words,
    behind_pointer,
    elementary,
    exact,
    kernel,
)
from desgd_fast.kernels.jit.lanes import (
    LANES,
    SAMPLES,
    load_entries,
    load_from,
    load_some,
    prefetch,
    repeat_period,
    spread,
    spread_from,
    store_entries,
    store_some,
    sum_period,
)

# How many nodes before its turn a node's neighbours are fetched from memory.
AHEAD = 6

# Chi-squares drawn together, at least: their chains of operations are long, and overlap.
CHI_SQUARES = 64

# Normals that the direct law draws at once: samples of a minibatch that stay in the first-level cache.
SAMPLED = 1600

_1, _2 = np.uint64(1), np.uint64(2)

# Coordinates whose products are summed apart.
CLASSES = 16


class Span(NamedTuple):
    """Which steps of which runs; iterates from step ``average_from`` on (k leads to k + 1) are summed."""

    first_step: int
    n_steps: int
    average_from: int
    first_run: int


class Shape(NamedTuple):
    """2^shift runs side by side, of ``dim`` coordinates each; ``tile`` nodes draw their normals together."""

    shift: int
    dim: int
    tile: int


class Combination(NamedTuple):
    """W in compressed rows, each with at least one entry, and whether nodes take their steps before it."""

    indptr: Integers
    indices: Integers
    weights: Reals
    adapt_first: bool


class GaussianSteps(NamedTuple):
    """Step sizes [step, node], in one row if constant, and the law of every node's gradients.

    Column node·R + lane of ``chi`` holds the (shape, scale, boost) of a chi-square. ``scale`` is told in
    :func:`scale_of`; ``direct`` draws every sample instead.
    """

    step_sizes: Matrix
    feature_stds: Reals
    noise_stds: Reals
    batch_sizes: Integers
    chi: Matrix
    scale: Reals
    direct: bool


class Work(NamedTuple):
    """What a tile needs: normals, and both factors of every run of its nodes.

    Node n of the tile finds its direction at n·stride, every part of it ``part`` after the last one, its
    factors at n·R. The direct law gathers its direction from ``samples``.
    """

    vectors: Vectors
    stride: int
    part: int
    direction: Reals
    samples: Reals
    chi_squares: Reals
    along: Reals
    across: Reals


@exact
def padded(count: int) -> int:
    """The next multiple of 8, the length of vector loops."""
    return (count + 7) & ~7


@exact
def filled(count: int) -> int:
    """The next multiple of FILL, in which normals are drawn."""
    return (count + FILL - 1) & -FILL


@exact
def largest(values: Integers) -> int:
    """The maximum, at least 0; NumPy's compiles a formatted error message."""
    most = 0
    for value in values:
        most = max(most, value)
    return most


@exact
def nodes_of_group(shape: Shape) -> int:
    """Nodes whose chi-squares are drawn together: one tile or several."""
    return int(max(shape.tile, CHI_SQUARES >> shape.shift))


@elementary
def first_neighbours(
    indptr: Integers, indices: Integers, weights: Reals, node: int
) -> tuple[int, int, int, float, float, float]:
    """Three neighbours and their weights; a node with fewer takes itself again with weight zero."""
    row = np.uint64(node)
    n, first = indptr[row + _1] - indptr[row], np.uint64(indptr[row])
    j, v = (indices[first + _1], weights[first + _1]) if n > 1 else (node, 0.0)
    k, w = (indices[first + _2], weights[first + _2]) if n > 2 else (node, 0.0)
    return indices[first], j, k, weights[first], v, w


@elementary
def mix_others(indptr: Integers, indices: Integers, weights: Reals, node: int, x: Reals, y: Reals) -> None:
    """Add what all neighbours but the first three weigh, two in a pass."""
    wide_vectors()
    size = x.shape[1]
    first, last = indptr[node] + 3, indptr[node + 1]
    for m in range(first, last, 2):
        i, u = indices[m], weights[m]
        j, v = (indices[m + 1], weights[m + 1]) if m + 1 < last else (node, 0.0)
        for t in range(0, size - LANES + 1, LANES):
            sum_of_two = multiply_add(u, load_from(x, i * size + t), load_from(y, node * size + t))
            store_entries(y, node * size + t, multiply_add(v, load_from(x, j * size + t), sum_of_two))
        for t in range(size - size % LANES, size):
            y[node, t] = multiply_add(v, x[j, t], multiply_add(u, x[i, t], y[node, t]))


@elementary
def mix_row(indptr: Integers, indices: Integers, weights: Reals, node: int, x: Reals, y: Reals) -> None:
    """y[node] = Σ_j W[node, j] x[j], W in compressed rows, each with at least one entry."""
    wide_vectors()
    size = x.shape[1]
    i, j, k, u, v, w = first_neighbours(indptr, indices, weights, node)
    for t in range(0, size - LANES + 1, LANES):
        mixed = multiply_add(v, load_from(x, j * size + t), u * load_from(x, i * size + t))
        store_entries(y, node * size + t, multiply_add(w, load_from(x, k * size + t), mixed))
    for t in range(size - size % LANES, size):
        y[node, t] = multiply_add(w, x[k, t], multiply_add(v, x[j, t], u * x[i, t]))
    mix_others(indptr, indices, weights, node, x, y)


@elementary
def fetch_neighbours(indptr: Integers, indices: Integers, node: int, x: Reals) -> None:
    """Ask for the beginnings of the rows that mixing will read: on a large graph each waits for memory."""
    for m in range(indptr[node], indptr[node + 1]):
        first = indices[m] * x.shape[1]
        prefetch(x, first)
        prefetch(x, first + 8)


@elementary
def products(
    x: Reals, first: int, normals: Reals, begin: int, count: int, lanes: int, squared: bool
) -> tuple[Any, Any]:
    """Sums of x·normals and of x² over ``count`` vectors, of each run in its lanes.

    Each coordinate modulo CLASSES has a sum of its own, and sums are folded by halves of these: one order,
    however many of them lie in a vector.
    """
    zero = spread(x.dtype.type(0.0))
    dot = square = zero
    # Vectors with coordinates of different classes.
    apart = min(lanes, LANES)
    if apart < 4:
        other_dot = other_square = zero
        for v in range(0, count, apart):
            value = load_from(x, first + v * LANES)
            dot = multiply_add(value, load_from(normals, begin + v * LANES), dot)
            if squared:
                square = multiply_add(value, value, square)
            if apart == 2 and v + 1 < count:
                other = load_from(x, first + (v + 1) * LANES)
                other_dot = multiply_add(other, load_from(normals, begin + (v + 1) * LANES), other_dot)
                if squared:
                    other_square = multiply_add(other, other, other_square)
        return dot + other_dot, square + other_square
    # Halves of the classes without a coordinate would add zero.
    while apart > 4 and count <= apart // 2:
        apart //= 2
    quarter = apart // 4
    for low in range(2 if apart > 4 else 1):
        half_dot = half_square = zero
        for high in range(2 if apart > 8 else 1):
            d0 = d1 = d2 = d3 = zero
            s0 = s1 = s2 = s3 = zero
            for v in range(low + 2 * high, count, apart):
                value = load_from(x, first + v * LANES)
                d0 = multiply_add(value, load_from(normals, begin + v * LANES), d0)
                if squared:
                    s0 = multiply_add(value, value, s0)
                t = v + quarter
                if t < count:
                    value = load_from(x, first + t * LANES)
                    d1 = multiply_add(value, load_from(normals, begin + t * LANES), d1)
                    if squared:
                        s1 = multiply_add(value, value, s1)
                t += quarter
                if t < count:
                    value = load_from(x, first + t * LANES)
                    d2 = multiply_add(value, load_from(normals, begin + t * LANES), d2)
                    if squared:
                        s2 = multiply_add(value, value, s2)
                t += quarter
                if t < count:
                    value = load_from(x, first + t * LANES)
                    d3 = multiply_add(value, load_from(normals, begin + t * LANES), d3)
                    if squared:
                        s3 = multiply_add(value, value, s3)
            half_dot = half_dot + ((d0 + d2) + (d1 + d3))
            half_square = half_square + ((s0 + s2) + (s1 + s3))
        dot, square = dot + half_dot, square + half_square
    return dot, square


@elementary
def sum_products(x: Reals, node: int, work: Work, n: int) -> None:
    """Of every run, Σ x·direction into across and Σ x² into along, where node n of the tile has its factors.

    Whole vectors are written: entries beyond the last run's are lost.
    """
    wide_vectors()
    lanes = work.vectors.lanes
    size, parts = x.shape[1], parts_of(lanes)
    span = size // parts
    for part in range(parts):
        first, begin = node * size + part * span, n * work.stride + part * work.part
        dot, square = products(x, first, work.direction, begin, span // LANES, lanes, True)
        place = n * lanes + part * LANES
        store_entries(work.across, place, sum_period(dot, lanes))
        store_entries(work.along, place, sum_period(square, lanes))


@elementary
def parts_of(lanes: int) -> int:
    """Parts of LANES runs that a node's row consists of."""
    return max(1, lanes // LANES)


@elementary
def scale_of(scale: Reals, row: int, lanes: int) -> Any:
    """The eigenvalues of a part's vector: one for all of it where LANES runs or more lie side by side."""
    return spread_from(scale, row) if lanes >= LANES else load_from(scale, row * LANES)


@elementary
def add_gradient(scale: Reals, work: Work, n: int, x: Reals, node: int) -> None:
    """x[node] += scale·(along·x[node] + across·direction), node n of the tile."""
    wide_vectors()
    lanes = work.vectors.lanes
    size, parts = x.shape[1], parts_of(lanes)
    span = size // parts
    for part in range(parts):
        first, begin = node * size + part * span, n * work.stride + part * work.part
        a = repeat_period(load_from(work.along, n * lanes + part * LANES), lanes)
        b = repeat_period(load_from(work.across, n * lanes + part * LANES), lanes)
        for row in range(span // LANES):
            t = row * LANES
            value = load_from(x, first + t)
            step = multiply_add(a, value, b * load_from(work.direction, begin + t))
            store_entries(x, first + t, multiply_add(scale_of(scale, row, lanes), step, value))


@elementary
def mix_and_step(
    combination: Combination, scale: Reals, work: Work, n: int, x: Reals, node: int, y: Reals
) -> None:
    """Mix the neighbours and add the gradient, one pass over the first three neighbours and the gradient."""
    wide_vectors()
    indptr, indices, weights = combination.indptr, combination.indices, combination.weights
    lanes = work.vectors.lanes
    size, parts = x.shape[1], parts_of(lanes)
    span = size // parts
    i, j, k, u, v, w = first_neighbours(indptr, indices, weights, node)
    for part in range(parts):
        start, begin = part * span, n * work.stride + part * work.part
        a = repeat_period(load_from(work.along, n * lanes + part * LANES), lanes)
        b = repeat_period(load_from(work.across, n * lanes + part * LANES), lanes)
        for row in range(span // LANES):
            t = start + row * LANES
            mixed = multiply_add(v, load_from(x, j * size + t), u * load_from(x, i * size + t))
            mixed = multiply_add(w, load_from(x, k * size + t), mixed)
            gradient = b * load_from(work.direction, begin + row * LANES)
            gradient = multiply_add(a, load_from(x, node * size + t), gradient)
            store_entries(y, node * size + t, multiply_add(scale_of(scale, row, lanes), gradient, mixed))
    mix_others(indptr, indices, weights, node, x, y)


@elementary
def gain_of(steps: GaussianSteps, counter: Counter, node: int) -> float:
    """Step size times feature std over minibatch."""
    row = np.int64(counter.step) if steps.step_sizes.shape[0] > 1 else 0
    return float(steps.step_sizes[row, node] * steps.feature_stds[node] / steps.batch_sizes[node])


@elementary
def fill_group(
    first_node: int, last_node: int, steps: GaussianSteps, counter: Counter, shape: Shape, chi_squares: Reals
) -> None:
    """The chi-squares of a group of nodes, those of a node's runs side by side."""
    label, shift = np.uint64(first_node), np.uint64(shape.shift)
    offset, count = first_node << shape.shift, padded((last_node - first_node) << shape.shift)
    fill_chi_square(
        counter.key,
        CHI_SQUARE,
        counter.step,
        label,
        counter.run,
        shift,
        steps.chi,
        offset,
        count,
        chi_squares,
    )


@elementary
def draw_collapsed(
    first_node: int, last_node: int, x: Reals, steps: GaussianSteps, counter: Counter, work: Work, offset: int
) -> None:
    """The closed law of a tile's minibatch gradients: dim normals and one chi-square a node for any batch.

    The chi-squares of the tile begin at ``offset``.
    """
    lanes, n_nodes = work.vectors.lanes, last_node - first_node
    label = np.uint64(first_node)
    fill_vectors(work.vectors, counter, FEATURES, np.uint64(0), label, n_nodes, work.direction)
    along, across, chi_squares = work.along, work.across, work.chi_squares
    for n in range(n_nodes):
        node = first_node + n
        sum_products(x, node, work, n)
        feature_std, noise_std = steps.feature_stds[node], steps.noise_stds[node]
        gain = gain_of(steps, counter, node)
        # Unsigned, since a signed sum could be negative and would be tested for it inside the vector loop.
        begin, chi_begin = np.uint64(n * lanes), np.uint64(offset + n * lanes)
        for t in range(lanes):
            lane = begin + np.uint64(t)
            dot, square = np.float64(across[lane]), np.float64(along[lane])
            chi = math.sqrt(chi_squares[chi_begin + np.uint64(t)])
            tau = math.sqrt(feature_std * feature_std * square + noise_std * noise_std)
            # At the optimum itself there is no direction to project on.
            projection = dot / square if square > 0.0 else 0.0
            along[lane] = -gain * chi * (feature_std * chi + (noise_std - tau) * projection)
            across[lane] = -gain * chi * tau


@elementary
def draw_minibatch(node: int, x: Reals, dim: int, steps: GaussianSteps, counter: Counter, work: Work) -> None:
    """The minibatch gradient sample by sample; a sample's last normal is the noise of its target."""
    wide_vectors()
    vectors, samples = work.vectors, work.samples
    along, across, direction = work.along, work.across, work.direction
    lanes, size = vectors.lanes, x.shape[1]
    parts, side = parts_of(lanes), min(lanes, LANES)
    span, part_stride = size // parts, vectors.stride // parts
    together, n_counters = samples_together(vectors), vectors.whole + (1 if vectors.shared else 0)
    feature_std, noise_std = steps.feature_stds[node], steps.noise_stds[node]
    batch_size: Any = steps.batch_sizes[node]
    for t in range(0, size, LANES):
        store_entries(direction, t, spread(x.dtype.type(0.0)))
    for first in range(0, batch_size, together):
        count = min(together, batch_size - first)
        index = np.uint64(first * n_counters)
        fill_vectors(vectors, counter, FEATURES, index, np.uint64(node), count, samples)
        for q in range(count):
            for part in range(parts):
                begin, lane = q * vectors.stride + part * part_stride, part * LANES
                dot, _ = products(x, node * size + part * span, samples, begin, span // LANES, lanes, False)
                store_entries(across, lane, sum_period(dot, lanes))
                noise = np.uint64(begin + dim * side)
                for t in range(side):
                    r = np.uint64(lane + t)
                    across[r] = feature_std * across[r] - noise_std * samples[noise + np.uint64(t)]
                factor = repeat_period(load_from(across, lane), lanes)
                for t in range(0, span, LANES):
                    sample = load_from(samples, begin + t)
                    place = part * span + t
                    store_entries(direction, place, multiply_add(factor, sample, load_from(direction, place)))
    gain = gain_of(steps, counter, node)
    for lane in range(lanes):
        along[lane] = 0.0
        across[lane] = -gain


@exact
def samples_together(vectors: Vectors) -> int:
    """Samples of a minibatch that are drawn at once."""
    return max(1, SAMPLED // vectors.stride)


@exact
def step_group(
    first_node: int,
    x: Reals,
    y: Reals,
    combination: Combination,
    steps: GaussianSteps,
    counter: Counter,
    shape: Shape,
    work: Work,
) -> None:
    """Gradient steps of a group of nodes: to the mixed iterate in y, or within x where mixing comes after."""
    x, y, combination, steps = borrow(x), borrow(y), borrow(combination), borrow(steps)
    counter, work, scale, n_nodes = borrow(counter), borrow(work), borrow(steps.scale), x.shape[0]
    last_node = min(first_node + nodes_of_group(shape), n_nodes)
    if not steps.direct:
        fill_group(first_node, last_node, steps, counter, shape, work.chi_squares)
    for start in range(first_node, last_node, shape.tile):
        stop = min(start + shape.tile, last_node)
        if steps.direct:
            draw_minibatch(start, x, shape.dim, steps, counter, work)
        else:
            draw_collapsed(start, stop, x, steps, counter, work, (start - first_node) << shape.shift)
        for node in range(start, stop):
            if combination.adapt_first:
                add_gradient(scale, work, node - start, x, node)
            else:
                ahead = min(node + AHEAD, n_nodes - 1)
                fetch_neighbours(combination.indptr, combination.indices, ahead, x)
                mix_and_step(combination, scale, work, node - start, x, node, y)


@exact
def finish_nodes(
    first_node: int, last_node: int, x: Reals, y: Reals, combination: Combination, summing: bool, sums: Reals
) -> None:
    """Mix if that is still to be done, and add to the running sum of the last iterates."""
    wide_vectors()
    x, y, sums, combination = borrow(x), borrow(y), borrow(sums), borrow(combination)
    indptr, indices, weights = combination.indptr, combination.indices, combination.weights
    for node in range(first_node, last_node):
        if combination.adapt_first:
            mix_row(indptr, indices, weights, node, x, y)
        if summing:
            for t in range(y.shape[1]):
                sums[node, t] += y[node, t]


@exact
def copy_nodes(x: Reals, y: Reals) -> None:
    """y = x; a slice assignment would compile a formatted error message, which takes seconds."""
    kept_apart()
    rest = x.size % SAMPLES
    last = x.size - rest
    store_some(y, last, rest, load_some(x, last, rest))
    for t in range(0, last, SAMPLES):
        store_entries(y, t, load_entries(x, t))


@exact
def vectors_of(steps: GaussianSteps, shape: Shape, first_run: Word, like: Reals) -> Vectors:
    """Normals of a tile of nodes, or of some samples of one with the noise of their targets."""
    lanes = 1 << shape.shift
    if steps.direct:
        together = max(1, SAMPLED // ((shape.dim + 1) * lanes))
        return arrange_vectors(together, shape.dim + 1, lanes, first_run, True, like)
    return arrange_vectors(shape.tile, shape.dim, lanes, first_run, False, like)


@exact
def work_space(vectors: Vectors, direct: bool, shape: Shape, like: Reals) -> Work:
    """Room for a tile.

    The last vector may overhang, over numbers that count for nothing so long as they are finite.
    """
    lanes, size = vectors.lanes, like.shape[like.ndim - 1]
    stride = size if direct else vectors.stride
    runs = padded(nodes_of_group(shape) * lanes) + LANES
    drawn = room_of(vectors, samples_together(vectors) if direct else shape.tile) + FILL
    direction = aligned_empty(1, size if direct else drawn, like)[0]
    samples = aligned_empty(1, drawn if direct else 0, like)[0]
    for values in (direction, samples):
        for t in range(values.size):
            values[t] = 0.0
    return Work(
        vectors,
        stride,
        stride // parts_of(lanes),
        direction,
        samples,
        np.empty(runs),
        aligned_empty(1, runs, like)[0],
        aligned_empty(1, runs, like)[0],
    )


@behind_pointer
def advance_block(
    state: Reals,
    sums: Reals,
    combination: Combination,
    steps: GaussianSteps,
    key: Words,
    shape: Shape,
    span: Span,
    block: int,
) -> None:
    """Advance state[block, node, t]."""
    n_nodes, size = state.shape[1], state.shape[2]
    first_run = np.uint64(span.first_run + (block << shape.shift))
    x, y, total = state[block], aligned_empty(n_nodes, size, state), sums[block]
    work = work_space(vectors_of(steps, shape, first_run, state), steps.direct, shape, state)
    for k in range(span.first_step, span.first_step + span.n_steps):
        counter = Counter(key, np.uint64(k), first_run)
        for first_node in range(0, n_nodes, nodes_of_group(shape)):
            step_group(first_node, x, y, combination, steps, counter, shape, work)
        finish_nodes(0, n_nodes, x, y, combination, k >= span.average_from, total)
        x, y = y, x
    if span.n_steps % 2:
        copy_nodes(x, y)


@kernel(parallel=True)
def advance_blocks(
    advance: Any,
    state: Reals,
    sums: Reals,
    combination: Combination,
    steps: GaussianSteps,
    key: Words,
    shape: Shape,
    span: Span,
) -> None:
    """Advance every block by a pointer to :func:`advance_block`, blocks in parallel."""
    for block in prange(state.shape[0]):
        advance(state, sums, combination, steps, key, shape, span, np.int64(block))


def advance_runs(
    state: Reals,
    sums: Reals,
    combination: Combination,
    steps: GaussianSteps,
    key: Words,
    shape: Shape,
    span: Span,
) -> None:
    """Advance state[block, node, t], blocks of runs in parallel; ``sums`` gathers the last iterates."""
    arguments = state, sums, combination, steps, key, shape, span
    advance_blocks(advance_block(*arguments, 0), *arguments)


@kernel(parallel=True)
def advance_nodes(
    state: Reals,
    sums: Reals,
    combination: Combination,
    steps: GaussianSteps,
    key: Words,
    shape: Shape,
    span: Span,
) -> None:
    """:func:`advance_runs` with the nodes of each step in parallel: for few runs on large graphs."""
    n_nodes, size = state.shape[1], state.shape[2]
    group = nodes_of_group(shape)
    n_groups = (n_nodes + group - 1) // group
    spare = aligned_empty(n_nodes, size, state)
    for block in range(state.shape[0]):
        first_run = np.uint64(span.first_run + (block << shape.shift))
        x, y, total = state[block], spare, sums[block]
        # Named here, as Numba wants it of what the threads share.
        vectors = Vectors(*vectors_of(steps, shape, first_run, state))
        for k in range(span.first_step, span.first_step + span.n_steps):
            for number in prange(n_groups):
                first_node: Any = np.int64(number) * group
                work = work_space(vectors, steps.direct, shape, state)
                counter = Counter(key, np.uint64(k), first_run)
                step_group(first_node, x, y, combination, steps, counter, shape, work)
            for number in prange(n_groups):
                first_node = np.int64(number) * group
                last_node = min(first_node + group, n_nodes)
                finish_nodes(first_node, last_node, x, y, combination, k >= span.average_from, total)
            x, y = y, x
        if span.n_steps % 2:
            copy_nodes(x, y)
