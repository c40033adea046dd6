"""The step loop for any loss: a minibatch of a node's own rows, or one drawn from a law."""

from typing import Any

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.normals import fill_normals
from desgd_fast.kernels.draw.random import FEATURES, ROWS, UNIFORMS, fill_integers, fill_uniforms
from desgd_fast.kernels.draw.samples import DISTINCT, RESHUFFLE, keep_distinct, take_drawn, take_next
from desgd_fast.kernels.gradients.linear import MOST_NODES, add_gradients
from desgd_fast.kernels.gradients.oracles import Oracle, work_size
from desgd_fast.kernels.jit.arithmetic import aligned_empty, borrow, compact, kept_apart
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, elementary, exact, kernel
from desgd_fast.kernels.jit.lanes import LANES, SAMPLES, store_entries, zeros
from desgd_fast.kernels.loops.plan import ADAPT_FIRST, AVERAGE_FROM, FIRST_RUN, FIRST_STEP, N_STEPS
from desgd_fast.kernels.loops.steps import copy_nodes, filled, largest, padded
from desgd_fast.kernels.loops.updates import (
    TRACKING,
    add_nodes,
    communicates,
    keeps_gradient,
    mix_nodes,
    take_step,
    update_gradient,
)

# Entries of ``plan`` beyond those of .plan, the first one in place of DIRECT.
SAMPLING, DIM, N_NORMALS, N_UNIFORMS = range(8, 12)

# Nodes whose rows are drawn together.
TILE = 64

# Doubles that the minibatches and gradients of nodes taken together may fill.
TOGETHER = 4096

# What SAMPLING says where the rows come from a law.
STREAM = -1

Graph = tuple[Integers, Integers, Reals]
Data = tuple[Reals, Reals, Integers, Words]


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
def nodes_together(most_drawn: int, n_features: int, size: int) -> int:
    """Nodes whose minibatches fit the nearest cache together, a divisor of TILE; by the problem alone."""
    count = MOST_NODES
    while count > 1 and count * (most_drawn * n_features + size) > TOGETHER:
        count //= 2
    return count


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


@elementary
def choose_rows(
    first: int,
    last: int,
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
    """The rows of the nodes' minibatches; draws are made for a tile of nodes at once."""
    compact()
    if sampling < RESHUFFLE and first % TILE == 0:
        count = min(TILE, bounds.shape[1] - first)
        fill_integers(key, ROWS, step, np.uint64(first), run, bounds, count, drawn)
    for node in range(first, last):
        batch_size, first_row = batch_sizes[node], offsets[node]
        n_rows, to = offsets[node + 1] - first_row, node - first
        if sampling >= RESHUFFLE:
            take_next(key, step, node, run, sampling, batch_size, first_row, n_rows, order, current, rows, to)
            continue
        if sampling == DISTINCT:
            keep_distinct(drawn, node % TILE, batch_size, n_rows, marks)
        take_drawn(drawn, node % TILE, batch_size, first_row, rows, to)


@exact
def step_nodes(
    first: int,
    last: int,
    step: Word,
    run: Word,
    x: Reals,
    y: Reals,
    oracle: Oracle,
    draw: Any,
    data: Data,
    batch_sizes: Integers,
    step_sizes: Reals,
    rule: Reals,
    velocity: Reals,
    last_gradient: Reals,
    work: tuple[Reals, Reals, Reals, Reals, Reals],
    choice: tuple[Integers, Integers, Integers, Integers, Integers],
    stream: tuple[Reals, Reals, Reals, Reals],
    key: Words,
    plan: Integers,
) -> None:
    """Move the nodes ``first`` … ``last`` - 1 from y, which may be x, by their gradients at x."""
    kept_apart()
    x, y, batch_sizes, step_sizes = borrow(x), borrow(y), borrow(batch_sizes), borrow(step_sizes)
    rule, key, plan = borrow(rule), borrow(key), borrow(plan)
    features, targets, offsets, bounds = borrow(data[0]), borrow(data[1]), borrow(data[2]), borrow(data[3])
    velocity, last_gradient = borrow(velocity), borrow(last_gradient)
    directions, vectors, scratch = borrow(work[0]), borrow(work[1]), borrow(work[2])
    weights, factors = borrow(work[3]), borrow(work[4])
    rows, drawn, marks = borrow(choice[0]), borrow(choice[1]), borrow(choice[2])
    order, current = borrow(choice[3]), borrow(choice[4])
    normals, uniforms = borrow(stream[0]), borrow(stream[1])
    fresh, fresh_targets = borrow(stream[2]), borrow(stream[3])
    row_of_step = np.int64(step) if step_sizes.shape[0] > 1 else 0
    streaming = plan[SAMPLING] == STREAM
    # Plain steps from another iterate go straight into it.
    straight = keeps_gradient(rule) and not plan[ADAPT_FIRST]
    if streaming:
        for node in range(first, last):
            start, count = (node - first) * rows.shape[1], batch_sizes[node]
            draw_stream(
                node,
                step,
                run,
                draw,
                count,
                normals,
                uniforms,
                fresh[start : start + count],
                fresh_targets[start : start + count],
                key,
                plan,
            )
    else:
        choose_rows(
            first,
            last,
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
    for node in range(first, last):
        weights[node - first] = -step_sizes[row_of_step, node] if straight else 1.0
    out = y[first:last] if straight else directions[: last - first]
    if not straight:
        for t in range(0, out.size, SAMPLES):
            store_entries(out, t, zeros())
    add_gradients(
        oracle,
        x[first:last],
        plan[DIM],
        fresh if streaming else features,
        fresh_targets if streaming else targets,
        rows,
        batch_sizes[first:last],
        weights[: last - first],
        scratch,
        out,
    )
    if not straight:
        for node in range(first, last):
            direction = out[node - first]
            if not keeps_gradient(rule):
                scale, centre = vectors[0], vectors[1]
                update_gradient(node, x, rule, scale, centre, 1, factors, velocity, last_gradient, direction)
            take_step(step_sizes[row_of_step, node], direction, node, y)


@kernel(parallel=True)
def advance_losses(
    state: Reals,
    sums: Reals,
    memory: Reals,
    oracle: Oracle,
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

    ``oracle`` is told in :func:`..gradients.linear.add_gradients`. ``graph`` is (indptr, indices, weights).
    ``data`` is (features, targets, offsets, bounds): rows offsets[i] … offsets[i + 1] - 1 belong to node
    i, whose draw q is below bounds[q, i]. For a STREAM the features only tell the width of a sample, of
    which N_NORMALS and N_UNIFORMS variates each are drawn.
    ``step_sizes[k, node]`` belongs to step k, or to every step if it has one row. ``rule`` is told in
    :mod:`.updates`, whose ``memory[run]`` holds one vector a node, or two where gradients are tracked.
    """
    n_nodes, size = state.shape[1], state.shape[2]
    features, targets, offsets, bounds = data
    most_drawn, most_rows = largest(batch_sizes), largest_gap(offsets)
    n_together = nodes_together(most_drawn, features.shape[1], size)
    permuting, streaming = plan[SAMPLING] >= RESHUFFLE, plan[SAMPLING] == STREAM
    for block in prange(state.shape[0]):
        run = np.uint64(plan[FIRST_RUN] + block)
        x, y, total = state[block], aligned_empty(n_nodes, size, state), sums[block]
        # The momentum, or the tracked and the last gradient; the momentum's rule leaves the second alone.
        tracked, last_gradient = memory[block, 0], memory[block, memory.shape[1] - 1]
        spare = aligned_empty(n_nodes if rule[TRACKING] != 0.0 else 0, size, state)
        vectors = aligned_empty(2, size, state)
        for t in range(size):
            vectors[0, t] = 1.0
            vectors[1, t] = 0.0
        work = (
            aligned_empty(n_together, size, state),
            vectors,
            np.empty(work_size(plan[DIM], features.shape[1])),
            np.empty(n_together),
            np.empty(LANES),
        )
        rows, current = np.empty((n_together, most_drawn), np.int64), np.empty(n_nodes, np.int64)
        for i in range(n_together):
            for q in range(most_drawn):
                rows[i, q] = i * most_drawn + q
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
            np.empty((n_together * most_drawn if streaming else 0, features.shape[1])),
            np.empty(n_together * most_drawn if streaming else 0),
        )
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            mixing = communicates(rule, step)
            if rule[TRACKING] != 0.0:
                mix_nodes(mixing, graph, tracked, spare)
                tracked, spare = spare, tracked
            if not plan[ADAPT_FIRST]:
                mix_nodes(mixing, graph, x, y)
            for first in range(0, n_nodes, n_together):
                step_nodes(
                    first,
                    min(first + n_together, n_nodes),
                    step,
                    run,
                    x,
                    x if plan[ADAPT_FIRST] else y,
                    oracle,
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
