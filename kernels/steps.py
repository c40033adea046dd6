"""The step loops: mix with the neighbours, take a gradient step, many runs side by side.

State of a block of R = 2^shift runs: ``x[node, t]``, t counting (coordinate, run) with the run innermost,
so that every loop is one long vector loop whatever the dimension. The coordinates come in two halves,
each padded with zeros to ``half`` positions: coordinate c < h sits at c·R, coordinate h + c at half + c·R.
Padding stays zero, because ``scale`` is zero there. Loops whose factors repeat from run to run go in parts
of ``width`` positions, a power of two that R and both halves divide.

A gradient, times minus the step size, is ``scale·(along·x + across·direction)`` with one ``along`` and one
``across`` per run: the collapsed law draws ``direction`` from N(0, I), the direct one sums a minibatch.

Functions called for every node make no slices: each costs two atomic reference counts. Positions are
unsigned, since a signed sum could be negative and would be tested for it inside the vector loop.
"""

import math

import numpy as np
from numba import prange

from ._jit import Integers, Reals, Word, Words, elementary, exact, kernel
from ._math import aligned_empty, borrow, multiply_add, wide_vectors
from .random import CHI_SQUARE, FEATURES, fill_chi_square, fill_normals

# Chi-squares drawn together: one for each run of TILE / R nodes.
TILE = 64

# Columns of ``nodes``: what distinguishes one node from another.
STEP_SIZE, FEATURE_STD, NOISE_STD, BATCH_SIZE = 0, 1, 2, 3

# Entries of ``plan``: which steps of which runs to compute, and how.
FIRST_STEP, N_STEPS, AVERAGE_FROM, FIRST_RUN, SHIFT, PAIRS, WIDTH, ADAPT_FIRST, DIRECT = range(9)


@exact
def padded(count: int) -> int:
    """The next multiple of 8, the length of vector loops."""
    return (count + 7) & ~7


@exact
def largest(values: Integers) -> int:
    """The maximum, at least 0; NumPy's compiles a formatted error message."""
    most = 0
    for value in values:
        most = max(most, value)
    return most


@elementary
def first_neighbours(
    indptr: Integers, indices: Integers, weights: Reals, node: int
) -> tuple[int, int, int, float, float, float]:
    """Three neighbours and their weights; a node with fewer takes itself again with weight zero."""
    first = indptr[node]
    n = indptr[node + 1] - first
    j, v = (indices[first + 1], weights[first + 1]) if n > 1 else (node, 0.0)
    k, w = (indices[first + 2], weights[first + 2]) if n > 2 else (node, 0.0)
    return indices[first], j, k, weights[first], v, w


@elementary
def mix_others(indptr: Integers, indices: Integers, weights: Reals, node: int, x: Reals, y: Reals) -> None:
    """Add what all neighbours but the first three weigh, two in a pass."""
    wide_vectors()
    first, last = indptr[node] + 3, indptr[node + 1]
    for m in range(first, last, 2):
        i, u = indices[m], weights[m]
        j, v = (indices[m + 1], weights[m + 1]) if m + 1 < last else (node, 0.0)
        for t in range(x.shape[1]):
            y[node, t] = multiply_add(v, x[j, t], multiply_add(u, x[i, t], y[node, t]))


@elementary
def mix_row(indptr: Integers, indices: Integers, weights: Reals, node: int, x: Reals, y: Reals) -> None:
    """y[node] = Σ_j W[node, j] x[j], W in compressed rows, each with at least one entry."""
    wide_vectors()
    i, j, k, u, v, w = first_neighbours(indptr, indices, weights, node)
    for t in range(x.shape[1]):
        y[node, t] = multiply_add(w, x[k, t], multiply_add(v, x[j, t], u * x[i, t]))
    mix_others(indptr, indices, weights, node, x, y)


@exact
def sum_products(x: Reals, node: int, direction: Reals, lanes: int, dots: Reals, squares: Reals) -> None:
    """dots[l] = Σ x·direction and squares[l] = Σ x² over the positions of run l."""
    wide_vectors()
    width = dots.size
    for t in range(width):
        dots[t] = 0.0
        squares[t] = 0.0
    for start in range(0, x.shape[1], width):
        offset = np.uint64(start)
        for t in range(width):
            value = x[node, offset + np.uint64(t)]
            dots[t] = multiply_add(value, direction[offset + np.uint64(t)], dots[t])
            squares[t] = multiply_add(value, value, squares[t])
    while width > lanes:
        width //= 2
        offset = np.uint64(width)
        for t in range(width):
            dots[t] += dots[offset + np.uint64(t)]
            squares[t] += squares[offset + np.uint64(t)]


@exact
def repeat_lanes(along: Reals, across: Reals, lanes: int) -> None:
    """Continue the first ``lanes`` factors periodically."""
    while lanes < along.size:
        offset = np.uint64(lanes)
        for t in range(lanes):
            along[offset + np.uint64(t)] = along[t]
            across[offset + np.uint64(t)] = across[t]
        lanes *= 2


@exact
def add_gradient(
    scale: Reals, along: Reals, across: Reals, x: Reals, direction: Reals, node: int, y: Reals
) -> None:
    """y[node] += scale·(along·x[node] + across·direction), the factors repeating from part to part."""
    wide_vectors()
    width = along.size
    for start in range(0, x.shape[1], width):
        offset = np.uint64(start)
        for t in range(width):
            u = offset + np.uint64(t)
            step = multiply_add(along[t], x[node, u], across[t] * direction[u])
            y[node, u] = multiply_add(scale[u], step, y[node, u])


@exact
def mix_and_step(
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    scale: Reals,
    along: Reals,
    across: Reals,
    x: Reals,
    direction: Reals,
    node: int,
    y: Reals,
) -> None:
    """Mix the neighbours and add the gradient, one pass over the first three neighbours and the gradient."""
    wide_vectors()
    i, j, k, u, v, w = first_neighbours(indptr, indices, weights, node)
    width = along.size
    for start in range(0, x.shape[1], width):
        offset = np.uint64(start)
        for t in range(width):
            at = offset + np.uint64(t)
            mixed = multiply_add(w, x[k, at], multiply_add(v, x[j, at], u * x[i, at]))
            step = multiply_add(along[t], x[node, at], across[t] * direction[at])
            y[node, at] = multiply_add(scale[at], step, mixed)
    mix_others(indptr, indices, weights, node, x, y)


@exact
def draw_collapsed(
    x: Reals,
    node: int,
    nodes: Reals,
    chi_squares: Reals,
    chi_offset: int,
    key: Words,
    step: Word,
    first_run: Word,
    plan: Integers,
    direction: Reals,
    along: Reals,
    across: Reals,
) -> None:
    """The closed law of a minibatch gradient: dim normals and one chi-square, whatever the batch."""
    wide_vectors()
    shift = np.uint64(plan[SHIFT])
    lanes = 1 << plan[SHIFT]
    count, half = padded(plan[PAIRS] * lanes), direction.size // 2
    fill_normals(key, FEATURES, np.uint64(0), step, np.uint64(node), first_run, shift, count, half, direction)
    sum_products(x, node, direction, lanes, across, along)
    feature_std, noise_std = nodes[node, FEATURE_STD], nodes[node, NOISE_STD]
    gain = nodes[node, STEP_SIZE] * feature_std / nodes[node, BATCH_SIZE]
    for lane in range(lanes):
        dot, square = across[lane], along[lane]
        chi = math.sqrt(chi_squares[np.uint64(chi_offset) + np.uint64(lane)])
        tau = math.sqrt(feature_std * feature_std * square + noise_std * noise_std)
        # At the optimum itself there is no direction to project on.
        projection = dot / square if square > 0.0 else 0.0
        along[lane] = -gain * chi * (feature_std * chi + (noise_std - tau) * projection)
        across[lane] = -gain * chi * tau
    repeat_lanes(along, across, lanes)


@exact
def draw_minibatch(
    x: Reals,
    node: int,
    nodes: Reals,
    sample: Reals,
    key: Words,
    step: Word,
    first_run: Word,
    plan: Integers,
    direction: Reals,
    along: Reals,
    across: Reals,
) -> None:
    """The minibatch gradient sample by sample; a sample's last normal is the noise of its target."""
    wide_vectors()
    shift = np.uint64(plan[SHIFT])
    lanes, pairs = 1 << plan[SHIFT], plan[PAIRS]
    count, half = padded(pairs * lanes), sample.size // 2
    noise = np.uint64(half + (pairs - 1) * lanes)
    feature_std, noise_std = nodes[node, FEATURE_STD], nodes[node, NOISE_STD]
    width = along.size
    for t in range(direction.size):
        direction[t] = 0.0
    for q in range(int(nodes[node, BATCH_SIZE])):
        fill_normals(
            key,
            FEATURES,
            np.uint64(q * pairs),
            step,
            np.uint64(node),
            first_run,
            shift,
            count,
            half,
            sample,
        )
        sum_products(x, node, sample, lanes, across, along)
        for lane in range(lanes):
            across[lane] = feature_std * across[lane] - noise_std * sample[noise + np.uint64(lane)]
        repeat_lanes(along, across, lanes)
        for start in range(0, direction.size, width):
            offset = np.uint64(start)
            for t in range(width):
                u = offset + np.uint64(t)
                direction[u] = multiply_add(across[t], sample[u], direction[u])
    gain = nodes[node, STEP_SIZE] * feature_std / nodes[node, BATCH_SIZE]
    for t in range(width):
        along[t] = 0.0
        across[t] = -gain


@exact
def step_node(
    node: int,
    x: Reals,
    y: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    scale: Reals,
    along: Reals,
    across: Reals,
    direction: Reals,
    adapt_first: bool,
) -> None:
    """Apply a gradient: to the mixed iterate in y, or within x where mixing comes after."""
    if adapt_first:
        add_gradient(scale, along, across, x, direction, node, x)
    else:
        mix_and_step(indptr, indices, weights, scale, along, across, x, direction, node, y)


@exact
def step_tile(
    tile: int,
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
    direction: Reals,
    sample: Reals,
    chi_squares: Reals,
    along: Reals,
    across: Reals,
) -> None:
    """Gradient steps of one tile of nodes: TILE / R of them, so that their chi-squares fill a vector loop."""
    x, y, direction, sample, along, across = (
        borrow(x),
        borrow(y),
        borrow(direction),
        borrow(sample),
        borrow(along),
        borrow(across),
    )
    indptr, indices, weights, nodes = borrow(indptr), borrow(indices), borrow(weights), borrow(nodes)
    scale, chi_squares, key, plan = borrow(scale), borrow(chi_squares), borrow(key), borrow(plan)
    chi_parameters = borrow(chi_parameters)
    lanes = 1 << plan[SHIFT]
    first_node = tile * (TILE // lanes)
    last_node = min(first_node + TILE // lanes, x.shape[0])
    if not plan[DIRECT]:
        fill_chi_square(
            key,
            CHI_SQUARE,
            step,
            np.uint64(first_node),
            first_run,
            np.uint64(plan[SHIFT]),
            chi_parameters,
            first_node * lanes,
            padded((last_node - first_node) * lanes),
            chi_squares,
        )
    for node in range(first_node, last_node):
        if plan[DIRECT]:
            draw_minibatch(x, node, nodes, sample, key, step, first_run, plan, direction, along, across)
        else:
            offset = (node - first_node) * lanes
            draw_collapsed(
                x, node, nodes, chi_squares, offset, key, step, first_run, plan, direction, along, across
            )
        step_node(
            node, x, y, indptr, indices, weights, scale, along, across, direction, plan[ADAPT_FIRST] != 0
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
    for node in range(x.shape[0]):
        for t in range(x.shape[1]):
            y[node, t] = x[node, t]


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
    ``chi_parameters`` the (shape, scale, boost) of a chi-square, ``scale[t]`` the eigenvalue of
    the coordinate at t.
    ``sums`` gathers the iterates from step AVERAGE_FROM on (step k leads to iterate k + 1).
    """
    n_nodes, size = state.shape[1], state.shape[2]
    lanes = 1 << plan[SHIFT]
    n_tiles = (n_nodes * lanes + TILE - 1) // TILE
    for block in prange(state.shape[0]):
        first_run = np.uint64(plan[FIRST_RUN] + block * lanes)
        x, y, total = state[block], aligned_empty(n_nodes, size), sums[block]
        work, factors = aligned_empty(2, size), aligned_empty(2, plan[WIDTH])
        direction, sample, along, across = work[0], work[1], factors[0], factors[1]
        for t in range(size):
            direction[t] = 0.0
            sample[t] = 0.0
        chi_squares = np.empty(TILE)
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            for tile in range(n_tiles):
                step_tile(
                    tile,
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
                    direction,
                    sample,
                    chi_squares,
                    along,
                    across,
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
    lanes = 1 << plan[SHIFT]
    tile_nodes = TILE // lanes
    n_tiles = (n_nodes + tile_nodes - 1) // tile_nodes
    spare = aligned_empty(n_nodes, size)
    for block in range(state.shape[0]):
        first_run = np.uint64(plan[FIRST_RUN] + block * lanes)
        x, y, total = state[block], spare, sums[block]
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            for tile in prange(n_tiles):
                work, factors = aligned_empty(2, size), aligned_empty(2, plan[WIDTH])
                direction, sample, along, across = work[0], work[1], factors[0], factors[1]
                for t in range(size):
                    direction[t] = 0.0
                    sample[t] = 0.0
                step_tile(
                    tile,
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
                    direction,
                    sample,
                    np.empty(TILE),
                    along,
                    across,
                )
            for tile in prange(n_tiles):
                last_node = min((tile + 1) * tile_nodes, n_nodes)
                finish_nodes(tile * tile_nodes, last_node, x, y, indptr, indices, weights, step, plan, total)
            x, y = y, x
        if plan[N_STEPS] % 2:
            copy_nodes(x, y)
