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
from typing import Any

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.random import CHI_SQUARE, FEATURES, FILL, fill_chi_square, fill_normals
from desgd_fast.kernels.jit.arithmetic import aligned_empty, borrow, kept_apart, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, elementary, exact, kernel
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

# Columns of ``nodes``: what distinguishes one node from another.
STEP_SIZE, FEATURE_STD, NOISE_STD, BATCH_SIZE = 0, 1, 2, 3

# Entries of ``plan``: which steps of which runs to compute, and how; TILE is the number of nodes in a tile.
FIRST_STEP, N_STEPS, AVERAGE_FROM, FIRST_RUN, SHIFT, DIM, TILE, ADAPT_FIRST, DIRECT = range(9)

# How many nodes before its turn a node's neighbours are fetched from memory.
AHEAD = 6

# Chi-squares drawn together, at least: their chains of operations are long, and overlap.
CHI_SQUARES = 64

# Normals that the direct law draws at once: samples of a minibatch that stay in the first-level cache.
SAMPLED = 1600

_1, _2 = np.uint64(1), np.uint64(2)


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
def nodes_of_group(plan: Integers) -> int:
    """Nodes whose chi-squares are drawn together: one tile or several."""
    return int(max(plan[TILE], CHI_SQUARES >> plan[SHIFT]))


@exact
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


@exact
def fetch_neighbours(indptr: Integers, indices: Integers, node: int, x: Reals) -> None:
    """Ask for the beginnings of the rows that mixing will read: on a large graph each waits for memory."""
    for m in range(indptr[node], indptr[node + 1]):
        first = indices[m] * x.shape[1]
        prefetch(x, first)
        prefetch(x, first + 8)


@exact
def sum_products(
    x: Reals, node: int, direction: Reals, offset: int, shift: int, place: int, dots: Reals, squares: Reals
) -> None:
    """dots[place + l] = Σ x·direction and squares[place + l] = Σ x² over the positions of run l.

    ``direction`` begins at ``offset``. Whole vectors are written: entries beyond the last run's are lost.
    """
    wide_vectors()
    size, parts, lanes = x.shape[1], parts_of(shift), 1 << shift
    span = size // parts
    for part in range(parts):
        first, begin = node * size + part * span, offset + part * span
        # Two sums each, since one would wait for itself.
        dot = square = other_dot = other_square = spread(x.dtype.type(0.0))
        for t in range(0, span - LANES, 2 * LANES):
            value, other = load_from(x, first + t), load_from(x, first + t + LANES)
            dot = multiply_add(value, load_from(direction, begin + t), dot)
            square = multiply_add(value, value, square)
            other_dot = multiply_add(other, load_from(direction, begin + t + LANES), other_dot)
            other_square = multiply_add(other, other, other_square)
        if span // LANES % 2 == 1:
            value = load_from(x, first + span - LANES)
            dot = multiply_add(value, load_from(direction, begin + span - LANES), dot)
            square = multiply_add(value, value, square)
        dot, square = dot + other_dot, square + other_square
        store_entries(dots, place + part * LANES, sum_period(dot, lanes))
        store_entries(squares, place + part * LANES, sum_period(square, lanes))


@exact
def parts_of(shift: int) -> int:
    """Parts of LANES runs that a node's row consists of."""
    return max(1, (1 << shift) // LANES)


@elementary
def scale_of(scale: Reals, row: int, lanes: int) -> Any:
    """The eigenvalues of a part's vector: one for all of it where LANES runs or more lie side by side."""
    return spread_from(scale, row) if lanes >= LANES else load_from(scale, row * LANES)


@exact
def add_gradient(
    scale: Reals,
    along: Reals,
    across: Reals,
    place: int,
    shift: int,
    direction: Reals,
    offset: int,
    x: Reals,
    node: int,
) -> None:
    """x[node] += scale·(along·x[node] + across·direction), the factors of the runs beginning at ``place``."""
    wide_vectors()
    size, parts, lanes = x.shape[1], parts_of(shift), 1 << shift
    span = size // parts
    for part in range(parts):
        first, begin = node * size + part * span, offset + part * span
        a = repeat_period(load_from(along, place + part * LANES), lanes)
        b = repeat_period(load_from(across, place + part * LANES), lanes)
        for row in range(span // LANES):
            t = row * LANES
            value = load_from(x, first + t)
            step = multiply_add(a, value, b * load_from(direction, begin + t))
            store_entries(x, first + t, multiply_add(scale_of(scale, row, lanes), step, value))


@exact
def mix_and_step(
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    scale: Reals,
    along: Reals,
    across: Reals,
    place: int,
    shift: int,
    direction: Reals,
    offset: int,
    x: Reals,
    node: int,
    y: Reals,
) -> None:
    """Mix the neighbours and add the gradient, one pass over the first three neighbours and the gradient."""
    wide_vectors()
    size, parts, lanes = x.shape[1], parts_of(shift), 1 << shift
    span = size // parts
    i, j, k, u, v, w = first_neighbours(indptr, indices, weights, node)
    for part in range(parts):
        start, begin = part * span, offset + part * span
        a = repeat_period(load_from(along, place + part * LANES), lanes)
        b = repeat_period(load_from(across, place + part * LANES), lanes)
        for row in range(span // LANES):
            t = start + row * LANES
            mixed = multiply_add(v, load_from(x, j * size + t), u * load_from(x, i * size + t))
            mixed = multiply_add(w, load_from(x, k * size + t), mixed)
            gradient = b * load_from(direction, begin + row * LANES)
            gradient = multiply_add(a, load_from(x, node * size + t), gradient)
            store_entries(y, node * size + t, multiply_add(scale_of(scale, row, lanes), gradient, mixed))
    mix_others(indptr, indices, weights, node, x, y)


@exact
def fill_group(
    first_node: int,
    last_node: int,
    chi_parameters: Reals,
    key: Words,
    step: Word,
    first_run: Word,
    plan: Integers,
    chi_squares: Reals,
) -> None:
    """The chi-squares of a group of nodes, those of a node's runs side by side."""
    label, shift = np.uint64(first_node), np.uint64(plan[SHIFT])
    offset, count = first_node << plan[SHIFT], padded((last_node - first_node) << plan[SHIFT])
    fill_chi_square(
        key, CHI_SQUARE, step, label, first_run, shift, chi_parameters, offset, count, chi_squares
    )


@exact
def draw_collapsed(
    first_node: int,
    last_node: int,
    x: Reals,
    nodes: Reals,
    key: Words,
    step: Word,
    first_run: Word,
    plan: Integers,
    direction: Reals,
    chi_squares: Reals,
    chi_offset: int,
    along: Reals,
    across: Reals,
) -> None:
    """The closed law of a tile's minibatch gradients: dim normals and one chi-square a node for any batch.

    Node n of the tile finds its direction at n·dim·R and its factors at n·R; ``chi_squares`` of the tile
    begin at ``chi_offset``.
    """
    lanes = 1 << plan[SHIFT]
    stride, n_nodes, label = plan[DIM] * lanes, last_node - first_node, np.uint64(first_node)
    fill_normals(key, FEATURES, np.uint64(0), step, label, first_run, filled(n_nodes * stride), direction)
    for n in range(n_nodes):
        node, place = first_node + n, n * lanes
        sum_products(x, node, direction, n * stride, plan[SHIFT], place, across, along)
        feature_std, noise_std = nodes[node, FEATURE_STD], nodes[node, NOISE_STD]
        gain = nodes[node, STEP_SIZE] * feature_std / nodes[node, BATCH_SIZE]
        # Unsigned, since a signed sum could be negative and would be tested for it inside the vector loop.
        begin, chi_begin = np.uint64(place), np.uint64(chi_offset + place)
        for t in range(lanes):
            lane = begin + np.uint64(t)
            dot, square = np.float64(across[lane]), np.float64(along[lane])
            chi = math.sqrt(chi_squares[chi_begin + np.uint64(t)])
            tau = math.sqrt(feature_std * feature_std * square + noise_std * noise_std)
            # At the optimum itself there is no direction to project on.
            projection = dot / square if square > 0.0 else 0.0
            along[lane] = -gain * chi * (feature_std * chi + (noise_std - tau) * projection)
            across[lane] = -gain * chi * tau


@exact
def draw_minibatch(
    node: int,
    x: Reals,
    nodes: Reals,
    key: Words,
    step: Word,
    first_run: Word,
    plan: Integers,
    direction: Reals,
    samples: Reals,
    along: Reals,
    across: Reals,
) -> None:
    """The minibatch gradient sample by sample; a sample's last normal is the noise of its target."""
    wide_vectors()
    lanes, size = 1 << plan[SHIFT], x.shape[1]
    length, noise, span = (plan[DIM] + 1) * lanes, plan[DIM] * lanes, size // parts_of(plan[SHIFT])
    together = max(1, SAMPLED // length)
    feature_std, noise_std = nodes[node, FEATURE_STD], nodes[node, NOISE_STD]
    batch_size: Any = int(nodes[node, BATCH_SIZE])
    for t in range(size):
        direction[t] = 0.0
    for first in range(0, batch_size, together):
        count = min(together, batch_size - first)
        # Each sample needs half as many counters as normals, and no fill more than those of its samples.
        index = np.uint64((first // together) * filled(together * length))
        fill_normals(key, FEATURES, index, step, np.uint64(node), first_run, filled(count * length), samples)
        for q in range(count):
            offset = q * length
            sum_products(x, node, samples, offset, plan[SHIFT], 0, across, along)
            for lane in range(lanes):
                across[lane] = feature_std * across[lane] - noise_std * samples[offset + noise + lane]
            for part in range(parts_of(plan[SHIFT])):
                factor = repeat_period(load_from(across, part * LANES), lanes)
                for t in range(part * span, (part + 1) * span, LANES):
                    gathered = multiply_add(factor, load_from(samples, offset + t), load_from(direction, t))
                    store_entries(direction, t, gathered)
    gain = nodes[node, STEP_SIZE] * feature_std / nodes[node, BATCH_SIZE]
    for lane in range(lanes):
        along[lane] = 0.0
        across[lane] = -gain


@exact
def step_group(
    first_node: int,
    x: Reals,
    y: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    nodes: Reals,
    chi_parameters: Reals,
    scale: Reals,
    key: Words,
    step: Word,
    plan: Integers,
    first_run: Word,
    work: tuple[Reals, Reals, Reals, Reals, Reals],
) -> None:
    """Gradient steps of a group of nodes: to the mixed iterate in y, or within x where mixing comes after."""
    x, y, key, plan = borrow(x), borrow(y), borrow(key), borrow(plan)
    indptr, indices, weights, nodes = borrow(indptr), borrow(indices), borrow(weights), borrow(nodes)
    scale, chi_parameters = borrow(scale), borrow(chi_parameters)
    direction, samples, chi_squares = borrow(work[0]), borrow(work[1]), borrow(work[2])
    along, across = borrow(work[3]), borrow(work[4])
    shift, tile, n_nodes = plan[SHIFT], plan[TILE], x.shape[0]
    last_node = min(first_node + nodes_of_group(plan), n_nodes)
    if not plan[DIRECT]:
        fill_group(first_node, last_node, chi_parameters, key, step, first_run, plan, chi_squares)
    for start in range(first_node, last_node, tile):
        stop = min(start + tile, last_node)
        if plan[DIRECT]:
            draw_minibatch(start, x, nodes, key, step, first_run, plan, direction, samples, along, across)
        else:
            draw_collapsed(
                start,
                stop,
                x,
                nodes,
                key,
                step,
                first_run,
                plan,
                direction,
                chi_squares,
                (start - first_node) << shift,
                along,
                across,
            )
        for node in range(start, stop):
            place, offset = (node - start) << shift, ((node - start) * plan[DIM]) << shift
            if plan[ADAPT_FIRST]:
                add_gradient(scale, along, across, place, shift, direction, offset, x, node)
            else:
                fetch_neighbours(indptr, indices, min(node + AHEAD, n_nodes - 1), x)
                mix_and_step(
                    indptr,
                    indices,
                    weights,
                    scale,
                    along,
                    across,
                    place,
                    shift,
                    direction,
                    offset,
                    x,
                    node,
                    y,
                )


@exact
def finish_nodes(
    first_node: int,
    last_node: int,
    x: Reals,
    y: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    step: Word,
    plan: Integers,
    sums: Reals,
) -> None:
    """Mix if that is still to be done, and add to the running sum of the last iterates."""
    wide_vectors()
    x, y, sums, plan = borrow(x), borrow(y), borrow(sums), borrow(plan)
    indptr, indices, weights = borrow(indptr), borrow(indices), borrow(weights)
    for node in range(first_node, last_node):
        if plan[ADAPT_FIRST]:
            mix_row(indptr, indices, weights, node, x, y)
        if step >= np.uint64(plan[AVERAGE_FROM]):
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
def work_space(like: Reals, plan: Integers) -> tuple[Reals, Reals, Reals, Reals, Reals]:
    """What a tile needs: direction, samples, chi-squares and both factors.

    The last vector may overhang, over numbers that count for nothing so long as they are finite.
    """
    lanes, dim = 1 << plan[SHIFT], plan[DIM]
    sampled = max(SAMPLED, (dim + 1) * lanes) if plan[DIRECT] else 0
    directions = filled(plan[TILE] * dim * lanes) + LANES
    runs = padded(nodes_of_group(plan) * lanes) + LANES
    direction = aligned_empty(1, directions, like)[0]
    samples = aligned_empty(1, filled(sampled) + LANES, like)[0]
    for t in range(direction.size):
        direction[t] = 0.0
    for t in range(samples.size):
        samples[t] = 0.0
    return (
        direction,
        samples,
        np.empty(runs),
        aligned_empty(1, runs, like)[0],
        aligned_empty(1, runs, like)[0],
    )


@kernel(parallel=True)
def advance_runs(
    state: Reals,
    sums: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    nodes: Reals,
    chi_parameters: Reals,
    scale: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """Advance state[block, node, t] by N_STEPS steps, blocks of runs in parallel.

    ``nodes[node]`` holds (step size, feature std, noise std, batch size), column node·R + lane of
    ``chi_parameters`` the (shape, scale, boost) of a chi-square. ``scale`` is told in :func:`scale_of`.
    ``sums`` gathers the iterates from step AVERAGE_FROM on (step k leads to iterate k + 1).
    """
    n_nodes, size = state.shape[1], state.shape[2]
    for block in prange(state.shape[0]):
        first_run = np.uint64(plan[FIRST_RUN] + (block << plan[SHIFT]))
        x, y, total = state[block], aligned_empty(n_nodes, size, state), sums[block]
        work = work_space(state, plan)
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            for first_node in range(0, n_nodes, nodes_of_group(plan)):
                step_group(
                    first_node,
                    x,
                    y,
                    indptr,
                    indices,
                    weights,
                    nodes,
                    chi_parameters,
                    scale,
                    key,
                    step,
                    plan,
                    first_run,
                    work,
                )
            finish_nodes(0, n_nodes, x, y, indptr, indices, weights, step, plan, total)
            x, y = y, x
        if plan[N_STEPS] % 2:
            copy_nodes(x, y)


@kernel(parallel=True)
def advance_nodes(
    state: Reals,
    sums: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    nodes: Reals,
    chi_parameters: Reals,
    scale: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """:func:`advance_runs` with the nodes of each step in parallel: for few runs on large graphs."""
    n_nodes, size = state.shape[1], state.shape[2]
    group = nodes_of_group(plan)
    n_groups = (n_nodes + group - 1) // group
    spare = aligned_empty(n_nodes, size, state)
    for block in range(state.shape[0]):
        first_run = np.uint64(plan[FIRST_RUN] + (block << plan[SHIFT]))
        x, y, total = state[block], spare, sums[block]
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            for number in prange(n_groups):
                first_node: Any = np.int64(number) * group
                step_group(
                    first_node,
                    x,
                    y,
                    indptr,
                    indices,
                    weights,
                    nodes,
                    chi_parameters,
                    scale,
                    key,
                    step,
                    plan,
                    first_run,
                    work_space(state, plan),
                )
            for number in prange(n_groups):
                first_node = np.int64(number) * group
                last_node = min(first_node + group, n_nodes)
                finish_nodes(first_node, last_node, x, y, indptr, indices, weights, step, plan, total)
            x, y = y, x
        if plan[N_STEPS] % 2:
            copy_nodes(x, y)
