"""The step loop for any loss: a minibatch of a node's own rows, or one drawn from a law."""

from typing import Any

import numpy as np
from numba import prange

from ._jit import Integers, Reals, Word, Words, exact, kernel
from ._lanes import LANES
from ._math import aligned_empty, borrow
from .oracles import FOUR
from .random import FEATURES, ROWS, UNIFORMS, fill_integers, fill_normals, fill_uniforms
from .samples import DISTINCT, RESHUFFLE, keep_distinct, take_drawn, take_next
from .steps import ADAPT_FIRST, AVERAGE_FROM, FIRST_RUN, FIRST_STEP, N_STEPS, copy_nodes, filled, padded
from .updates import (
    TRACKING,
    add_nodes,
    communicates,
    keeps_gradient,
    mix_nodes,
    take_step,
    update_gradient,
)

# Entries of ``plan`` beyond those of .steps, the first one in place of DIRECT.
SAMPLING, DIM, N_NORMALS, N_UNIFORMS = range(8, 12)

# Nodes whose rows are drawn together.
TILE = 64

# What SAMPLING says where the rows come from a law.
STREAM = -1

Graph = tuple[Integers, Integers, Reals]
Data = tuple[Reals, Reals, Integers, Words]


@exact
def largest(values: Integers) -> int:
    """The maximum, at least 0; NumPy's compiles a formatted error message."""
    most = 0
    for value in values:
        most = max(most, value)
    return most


@exact
def largest_gap(offsets: Integers) -> int:
    """The largest difference of neighbours, at least 0."""
    most = 0
    for i in range(offsets.size - 1):
        most = max(most, offsets[i + 1] - offsets[i])
    return most


@exact
def half_of(count: int) -> int:
    """Pairs of variates to fill for so many."""
    return padded((count + 1) // 2)


@exact
def draw_stream(
    node: int,
    step: Word,
    run: Word,
    draw: Any,
    count: int,
    normals: Reals,
    uniforms: Reals,
    features: Reals,
    targets: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """A minibatch of the node's law, and the variates it needs."""
    label = np.uint64(node)
    if plan[N_NORMALS] > 0:
        needed = filled(count * plan[N_NORMALS])
        fill_normals(key, FEATURES, np.uint64(0), step, label, run, needed, normals)
    half = half_of(count * plan[N_UNIFORMS])
    if half > 0:
        fill_uniforms(key, UNIFORMS, step, label, run, half, half, uniforms)
    draw(normals, uniforms, node, count, features, targets)


@exact
def choose_rows(
    node: int,
    step: Word,
    run: Word,
    sampling: int,
    batch_sizes: Integers,
    offsets: Integers,
    bounds: Words,
    drawn: Integers,
    marks: Integers,
    order: Integers,
    current: Integers,
    key: Words,
    rows: Integers,
) -> None:
    """The rows of the node's minibatch; draws are made for a tile of nodes at once."""
    batch_size, first_row = batch_sizes[node], offsets[node]
    n_rows = offsets[node + 1] - first_row
    if sampling >= RESHUFFLE:
        take_next(key, step, node, run, sampling, batch_size, first_row, n_rows, order, current, rows)
        return
    i = node % TILE
    if i == 0:
        count = min(TILE, batch_sizes.size - node)
        fill_integers(key, ROWS, step, np.uint64(node), run, bounds, count, drawn)
    if sampling == DISTINCT:
        keep_distinct(drawn, i, batch_size, n_rows, marks)
    take_drawn(drawn, i, batch_size, first_row, rows)


@exact
def step_losses(
    step: Word,
    run: Word,
    x: Reals,
    y: Reals,
    gradient: Any,
    draw: Any,
    data: Data,
    batch_sizes: Integers,
    step_sizes: Reals,
    rule: Reals,
    velocity: Reals,
    last_gradient: Reals,
    work: tuple[Reals, Reals, Reals],
    choice: tuple[Integers, Integers, Integers, Integers, Integers],
    stream: tuple[Reals, Reals, Reals, Reals],
    key: Words,
    plan: Integers,
) -> None:
    """Move every node from y, which may be x, by its gradient at x."""
    x, y, batch_sizes, step_sizes = borrow(x), borrow(y), borrow(batch_sizes), borrow(step_sizes)
    rule, key, plan = borrow(rule), borrow(key), borrow(plan)
    features, targets, offsets, bounds = borrow(data[0]), borrow(data[1]), borrow(data[2]), borrow(data[3])
    velocity, last_gradient = borrow(velocity), borrow(last_gradient)
    vectors, samples, factors = borrow(work[0]), borrow(work[1]), borrow(work[2])
    direction, scale, centre = vectors[0], vectors[1], vectors[2]
    rows, drawn, marks = borrow(choice[0]), borrow(choice[1]), borrow(choice[2])
    order, current = borrow(choice[3]), borrow(choice[4])
    normals, uniforms = borrow(stream[0]), borrow(stream[1])
    fresh, fresh_targets = borrow(stream[2]), borrow(stream[3])
    dim = plan[DIM]
    row_of_step = np.int64(step) if step_sizes.shape[0] > 1 else 0
    plain = keeps_gradient(rule)
    for node in range(x.shape[0]):
        batch_size = batch_sizes[node]
        if plan[SAMPLING] == STREAM:
            draw_stream(node, step, run, draw, batch_size, normals, uniforms, fresh, fresh_targets, key, plan)
            gradient(x[node, :dim], fresh, fresh_targets, rows, batch_size, samples, direction[:dim])
        else:
            choose_rows(
                node,
                step,
                run,
                plan[SAMPLING],
                batch_sizes,
                offsets,
                bounds,
                drawn,
                marks,
                order,
                current,
                key,
                rows,
            )
            gradient(x[node, :dim], features, targets, rows, batch_size, samples, direction[:dim])
        if not plain:
            update_gradient(node, x, rule, scale, centre, 1, factors, velocity, last_gradient, direction)
        take_step(step_sizes[row_of_step, node], direction, node, y)


@kernel(parallel=True)
def advance_losses(
    state: Reals,
    sums: Reals,
    memory: Reals,
    gradient: Any,
    draw: Any,
    graph: Graph,
    data: Data,
    batch_sizes: Integers,
    step_sizes: Reals,
    rule: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """Advance state[run, node, t] by N_STEPS steps, runs in parallel.

    ``graph`` is (indptr, indices, weights). ``data`` is (features, targets, offsets, bounds): rows offsets[i]
    … offsets[i + 1] - 1 belong to node i, whose draw q is below bounds[q, i]. For a STREAM the features
    only tell the width of a sample, of which N_NORMALS and N_UNIFORMS variates each are drawn.
    ``step_sizes[k, node]`` belongs to step k, or to every step if it has one row. ``rule`` is told in
    :mod:`.updates`, whose ``memory[run]`` holds one vector a node, or two where gradients are tracked.
    """
    n_nodes, size = state.shape[1], state.shape[2]
    features, targets, offsets, bounds = data
    most_drawn, most_rows = largest(batch_sizes), largest_gap(offsets)
    permuting, streaming = plan[SAMPLING] >= RESHUFFLE, plan[SAMPLING] == STREAM
    for block in prange(state.shape[0]):
        run = np.uint64(plan[FIRST_RUN] + block)
        x, y, total = state[block], aligned_empty(n_nodes, size, state), sums[block]
        # The momentum, or the tracked and the last gradient; the momentum's rule leaves the second alone.
        tracked, last_gradient = memory[block, 0], memory[block, memory.shape[1] - 1]
        spare = aligned_empty(n_nodes if rule[TRACKING] != 0.0 else 0, size, state)
        vectors, factors = aligned_empty(3, size, state), np.empty(LANES)
        for t in range(size):
            vectors[0, t] = 0.0
            vectors[1, t] = 1.0
            vectors[2, t] = 0.0
        work = vectors, np.empty((FOUR, plan[DIM])), factors
        rows, current = np.empty(most_drawn, np.int64), np.empty(n_nodes, np.int64)
        for q in range(most_drawn):
            rows[q] = q
        for node in range(n_nodes):
            current[node] = -1
        order = np.empty(targets.size if permuting else 0, np.int64)
        drawn = np.empty((bounds.shape[0], TILE), np.int64)
        # The last place counts the batches, whose numbers mark the rows they hold.
        marks = np.empty(most_rows + 1, np.int64)
        for row in range(marks.size):
            marks[row] = 0
        choice = rows, drawn, marks, order, current
        stream = (
            np.empty(filled(most_drawn * plan[N_NORMALS])),
            np.empty(2 * half_of(most_drawn * plan[N_UNIFORMS])),
            np.empty((most_drawn if streaming else 0, features.shape[1])),
            np.empty(most_drawn if streaming else 0),
        )
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            mixing = communicates(rule, step)
            if rule[TRACKING] != 0.0:
                mix_nodes(mixing, graph, tracked, spare)
                tracked, spare = spare, tracked
            if not plan[ADAPT_FIRST]:
                mix_nodes(mixing, graph, x, y)
            step_losses(
                step,
                run,
                x,
                x if plan[ADAPT_FIRST] else y,
                gradient,
                draw,
                data,
                batch_sizes,
                step_sizes,
                rule,
                tracked,
                last_gradient,
                work,
                choice,
                stream,
                key,
                plan,
            )
            if plan[ADAPT_FIRST]:
                mix_nodes(mixing, graph, x, y)
            if step >= np.uint64(plan[AVERAGE_FROM]):
                add_nodes(y, total)
            x, y = y, x
        if rule[TRACKING] != 0.0 and plan[N_STEPS] % 2:
            copy_nodes(tracked, spare)
        if plan[N_STEPS] % 2:
            copy_nodes(x, y)
