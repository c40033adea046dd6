"""Fully connected networks: forward, backward and the step loop of decentralized SGD.

The parameters of a node lie in one row: for each layer the weights (n_out, n_in), row by row, then, with
biases, n_out of them. Units are counted through all layers, the inputs first.

A minibatch is worked in groups of eight samples side by side: ``values[group · n_units + unit]`` holds a
unit's value for eight samples, one vector register. Both products with a weight matrix then multiply a
weight with a register, whatever the sizes, and no sum is ever taken across a register. The update of
the weights needs the same values sample by sample, in ``across[sample, unit]``. Samples beyond the batch
are zeros, and what comes of them is never added.
"""

import math
from typing import Any

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.random import ROWS, fill_integers
from desgd_fast.kernels.jit.arithmetic import exp, multiply_add, tanh, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, elementary, exact, kernel
from desgd_fast.kernels.jit.lanes import (
    SAMPLES,
    load_entries,
    load_samples,
    spread_entry,
    store,
    store_entries,
    zeros,
)
from desgd_fast.kernels.loops.plan import ADAPT_FIRST, AVERAGE_FROM, FIRST_RUN, FIRST_STEP, N_STEPS
from desgd_fast.kernels.loops.steps import copy_nodes
from desgd_fast.kernels.loops.updates import (
    TRACKING,
    communicates,
    keeps_gradient,
    mix_node,
    take_step,
    update_gradient,
)

# Entries of ``network``, followed by the numbers of units of every layer, the inputs first.
TANH, SLOPE, CROSS_ENTROPY, BIASES, SIZES = range(5)

# Columns of ``nodes``: what distinguishes one node from another. Rows FIRST_ROW … + N_ROWS - 1 are its own.
BATCH_SIZE, FIRST_ROW, N_ROWS = range(3)

# Entries of ``plan`` that mean something else here.
REPLACEMENT = 8

Graph = tuple[Integers, Integers, Reals]
Data = tuple[Reals, Reals, Integers]

# Three matrices with a row for each node: the memory of an update rule, the same after mixing, and the last
# gradients.
Memory = tuple[Reals, Reals, Reals]

# What a step writes to: values and errors of units, values sample by sample, the rows drawn, and lengths.
Work = tuple[Reals, Reals, Reals, Integers, Reals]

# Rows of ``vectors``, with one direction for each node, or one that all nodes use in turn.
SCALE, CENTRE, DIRECTIONS = range(3)


@exact
def units_below(network: Reals, layer: int) -> int:
    """Number of units before those of a layer; of all units for the layer after the last."""
    total = 0
    for i in range(SIZES, SIZES + layer):
        total += int(network[i])
    return total


@exact
def parameters_below(network: Reals, layer: int) -> int:
    """Number of parameters before those of a layer of weights."""
    total = 0
    for i in range(SIZES, SIZES + layer):
        total += int(network[i + 1]) * (int(network[i]) + int(network[BIASES]))
    return total


@elementary
def add_column(matrix: Reals, at: int, row_stride: int, value: Any, sums: Any) -> Any:
    """Eight sums, plus the weights of eight rows in one column times its value."""
    s0, s1, s2, s3, s4, s5, s6, s7 = sums
    return (
        multiply_add(spread_entry(matrix, at), value, s0),
        multiply_add(spread_entry(matrix, at + row_stride), value, s1),
        multiply_add(spread_entry(matrix, at + 2 * row_stride), value, s2),
        multiply_add(spread_entry(matrix, at + 3 * row_stride), value, s3),
        multiply_add(spread_entry(matrix, at + 4 * row_stride), value, s4),
        multiply_add(spread_entry(matrix, at + 5 * row_stride), value, s5),
        multiply_add(spread_entry(matrix, at + 6 * row_stride), value, s6),
        multiply_add(spread_entry(matrix, at + 7 * row_stride), value, s7),
    )


@elementary
def multiply_matrix(
    matrix: Reals,
    first: int,
    row_stride: int,
    column_stride: int,
    n_rows: int,
    n_columns: int,
    vectors: Reals,
    source: int,
    out: Reals,
    target: int,
) -> None:
    """out[target + r] = Σ_c matrix[first + r·row_stride + c·column_stride]·vectors[source + c].

    Eight rows of eight samples at once, which is what keeps the multipliers busy, and four columns in one go:
    stepping from row to row costs as much as multiplying. Folded into callers that know one stride is 1.
    """
    zero = zeros()
    whole = n_columns - n_columns % 4
    r = 0
    while r + 8 <= n_rows:
        at = first + r * row_stride
        sums = (zero, zero, zero, zero, zero, zero, zero, zero)
        for c in range(0, whole, 4):
            sums = add_column(matrix, at, row_stride, load_samples(vectors, source + c), sums)
            at += column_stride
            sums = add_column(matrix, at, row_stride, load_samples(vectors, source + c + 1), sums)
            at += column_stride
            sums = add_column(matrix, at, row_stride, load_samples(vectors, source + c + 2), sums)
            at += column_stride
            sums = add_column(matrix, at, row_stride, load_samples(vectors, source + c + 3), sums)
            at += column_stride
        for c in range(whole, n_columns):
            sums = add_column(matrix, at, row_stride, load_samples(vectors, source + c), sums)
            at += column_stride
        s0, s1, s2, s3, s4, s5, s6, s7 = sums
        store(out, target + r, s0)
        store(out, target + r + 1, s1)
        store(out, target + r + 2, s2)
        store(out, target + r + 3, s3)
        store(out, target + r + 4, s4)
        store(out, target + r + 5, s5)
        store(out, target + r + 6, s6)
        store(out, target + r + 7, s7)
        r += 8
    while r < n_rows:
        at, total = first + r * row_stride, zero
        for c in range(n_columns):
            total = multiply_add(spread_entry(matrix, at), load_samples(vectors, source + c), total)
            at += column_stride
        store(out, target + r, total)
        r += 1


@exact
def activate(values: Reals, first: int, count: int, network: Reals) -> None:
    """Apply tanh, or z where z > 0 and slope·z elsewhere, to ``count`` units in place."""
    wide_vectors()
    slope = network[SLOPE]
    if network[TANH]:
        for i in range(np.uint64(first), np.uint64(first + count)):
            for q in range(SAMPLES):
                values[i, q] = tanh(values[i, q])
        return
    for i in range(np.uint64(first), np.uint64(first + count)):
        for q in range(SAMPLES):
            z = values[i, q]
            values[i, q] = z if z > 0.0 else slope * z


@exact
def scale_by_derivative(values: Reals, first: int, count: int, network: Reals, errors: Reals) -> None:
    """Multiply the errors by the derivative of the activation, written in the activated values."""
    wide_vectors()
    slope = network[SLOPE]
    if network[TANH]:
        for i in range(np.uint64(first), np.uint64(first + count)):
            for q in range(SAMPLES):
                errors[i, q] *= 1.0 - values[i, q] * values[i, q]
        return
    for i in range(np.uint64(first), np.uint64(first + count)):
        for q in range(SAMPLES):
            errors[i, q] = errors[i, q] if values[i, q] > 0.0 else slope * errors[i, q]


@exact
def propagate_forward(parameters: Reals, network: Reals, group: int, values: Reals) -> None:
    """Fill the values of all units of a group of samples, whose inputs are there already."""
    wide_vectors()
    n_layers = network.size - SIZES - 1
    unit, position = group * units_below(network, n_layers + 1), 0
    for layer in range(n_layers):
        n_in, n_out = int(network[SIZES + layer]), int(network[SIZES + layer + 1])
        multiply_matrix(parameters, position, n_in, 1, n_out, n_in, values, unit, values, unit + n_in)
        position += n_in * n_out
        unit += n_in
        if network[BIASES]:
            for o in range(n_out):
                for q in range(SAMPLES):
                    values[unit + o, q] += parameters[position + o]
            position += n_out
        if layer < n_layers - 1:
            activate(values, unit, n_out, network)


@exact
def measure_errors(
    values: Reals, first: int, count: int, n_samples: int, factor: float, network: Reals, errors: Reals
) -> None:
    """Turn the targets held in ``errors`` into factor · (the outputs, or their softmax, less the targets)."""
    for q in range(n_samples):
        if network[CROSS_ENTROPY]:
            largest = values[first, q]
            for c in range(1, count):
                largest = max(largest, values[first + c, q])
            total = 0.0
            for c in range(count):
                values[first + c, q] = exp(values[first + c, q] - largest)
                total += values[first + c, q]
            for c in range(count):
                values[first + c, q] /= total
        for c in range(count):
            errors[first + c, q] = factor * (values[first + c, q] - errors[first + c, q])


@exact
def propagate_backward(parameters: Reals, network: Reals, group: int, values: Reals, errors: Reals) -> None:
    """Carry the errors of the outputs back to every unit but the inputs."""
    wide_vectors()
    n_layers = network.size - SIZES - 1
    first = group * units_below(network, n_layers + 1)
    for layer in range(n_layers - 1, 0, -1):
        n_in, n_out = int(network[SIZES + layer]), int(network[SIZES + layer + 1])
        unit = first + units_below(network, layer)
        position = parameters_below(network, layer)
        multiply_matrix(parameters, position, 1, n_in, n_in, n_out, errors, unit + n_in, errors, unit)
        scale_by_derivative(values, unit, n_in, network, errors)


@exact
def add_row(
    errors: Reals,
    unit: int,
    n_units: int,
    batch_size: int,
    across: Reals,
    first: int,
    count: int,
    y: Reals,
    position: int,
) -> None:
    """y[position + i] += Σ_q error_q(unit)·across[q, first + i] for i < count."""
    wide_vectors()
    for q in range(batch_size):
        error = errors[q // SAMPLES * n_units + unit, q % SAMPLES]
        for i in range(count):
            y[position + i] = multiply_add(error, across[q, first + i], y[position + i])


@elementary
def spread_rows(errors: Reals, at: int) -> Any:
    """One sample's errors of four neighbouring units."""
    return (
        spread_entry(errors, at),
        spread_entry(errors, at + SAMPLES),
        spread_entry(errors, at + 2 * SAMPLES),
        spread_entry(errors, at + 3 * SAMPLES),
    )


@elementary
def add_four(y: Reals, at: int, a: Any, b: Any, c: Any, d: Any, values: Any) -> None:
    """Add four samples' errors times their values to eight neighbouring weights."""
    total = multiply_add(a, values[0], load_entries(y, at))
    total = multiply_add(b, values[1], total)
    total = multiply_add(c, values[2], total)
    store_entries(y, at, multiply_add(d, values[3], total))


@exact
def add_products(
    errors: Reals,
    unit: int,
    n_units: int,
    batch_size: int,
    across: Reals,
    first: int,
    n_in: int,
    n_out: int,
    y: Reals,
    position: int,
) -> None:
    """y[position + o·n_in + i] += Σ_q error_q(unit + o)·across[q, first + i].

    The errors of four units for four samples stay in registers along the rows of weights.
    """
    wide_vectors()
    whole, width = n_in - n_in % SAMPLES, across.shape[1]
    fours = batch_size - batch_size % 4
    o = 0
    while o + 4 <= n_out:
        at = position + o * n_in
        for q in range(0, fours, 4):
            error = (q // SAMPLES * n_units + unit + o) * SAMPLES + q % SAMPLES
            a0, a1, a2, a3 = spread_rows(errors, error)
            b0, b1, b2, b3 = spread_rows(errors, error + 1)
            c0, c1, c2, c3 = spread_rows(errors, error + 2)
            d0, d1, d2, d3 = spread_rows(errors, error + 3)
            for i in range(0, whole, SAMPLES):
                place = q * width + first + i
                values = (
                    load_entries(across, place),
                    load_entries(across, place + width),
                    load_entries(across, place + 2 * width),
                    load_entries(across, place + 3 * width),
                )
                add_four(y, at + i, a0, b0, c0, d0, values)
                add_four(y, at + n_in + i, a1, b1, c1, d1, values)
                add_four(y, at + 2 * n_in + i, a2, b2, c2, d2, values)
                add_four(y, at + 3 * n_in + i, a3, b3, c3, d3, values)
        for q in range(fours, batch_size):
            error = (q // SAMPLES * n_units + unit + o) * SAMPLES + q % SAMPLES
            rows = spread_rows(errors, error)
            for i in range(0, whole, SAMPLES):
                value = load_entries(across, q * width + first + i)
                for r in range(4):
                    place = at + r * n_in + i
                    store_entries(y, place, multiply_add(rows[r], value, load_entries(y, place)))
        if whole < n_in:
            for row in range(o, o + 4):
                rest = position + row * n_in + whole
                add_row(errors, unit + row, n_units, batch_size, across, first + whole, n_in - whole, y, rest)
        o += 4
    while o < n_out:
        add_row(errors, unit + o, n_units, batch_size, across, first, n_in, y, position + o * n_in)
        o += 1


@exact
def add_gradient(network: Reals, batch_size: int, across: Reals, errors: Reals, y: Reals) -> None:
    """Add to y, a row of parameters, the gradients that these errors make, summed over the batch."""
    wide_vectors()
    n_layers = network.size - SIZES - 1
    n_units = units_below(network, n_layers + 1)
    position, unit = 0, 0
    for layer in range(n_layers):
        n_in, n_out = int(network[SIZES + layer]), int(network[SIZES + layer + 1])
        add_products(errors, unit + n_in, n_units, batch_size, across, unit, n_in, n_out, y, position)
        position += n_in * n_out
        unit += n_in
        if network[BIASES]:
            for o in range(n_out):
                for q in range(batch_size):
                    y[position] += errors[q // SAMPLES * n_units + unit + o, q % SAMPLES]
                position += 1


@exact
def gather_batch(
    features: Reals,
    targets: Reals,
    rows: Integers,
    first_row: int,
    drawn: Integers,
    batch_size: int,
    network: Reals,
    values: Reals,
    errors: Reals,
) -> None:
    """Put the inputs and the targets of the drawn rows where forward and backward look for them."""
    n_layers = network.size - SIZES - 1
    n_units = units_below(network, n_layers + 1)
    outputs = units_below(network, n_layers)
    for q in range(batch_size):
        row = rows[first_row + drawn[q, 0]]
        group = q // SAMPLES * n_units
        for i in range(features.shape[1]):
            values[group + i, q % SAMPLES] = features[row, i]
        for i in range(targets.shape[1]):
            errors[group + outputs + i, q % SAMPLES] = targets[row, i]


@exact
def keep_apart(drawn: Integers, batch_size: int, n_rows: int) -> None:
    """Floyd's subset: draw q lies in [0, n_rows - batch_size + q]; if taken, it becomes the upper end."""
    for q in range(batch_size):
        for earlier in range(q):
            if drawn[earlier, 0] == drawn[q, 0]:
                drawn[q, 0] = n_rows - batch_size + q


@exact
def draw_batch(
    key: Words,
    step: Word,
    node: int,
    run: Word,
    nodes: Integers,
    bounds: Words,
    plan: Integers,
    drawn: Integers,
) -> None:
    """Which of the node's rows make its minibatch: drawn[:batch size, 0]."""
    fill_integers(key, ROWS, step, np.uint64(node), run, bounds, 1, drawn)
    if not plan[REPLACEMENT]:
        keep_apart(drawn, nodes[node, BATCH_SIZE], nodes[node, N_ROWS])


@exact
def largest_entry(matrix: Reals, row: int) -> int:
    """The column of a row's maximum, the first of several."""
    best = 0
    for c in range(1, matrix.shape[1]):
        best = c if matrix[row, c] > matrix[row, best] else best
    return best


@exact
def measure_outputs(
    values: Reals,
    first: int,
    q: int,
    targets: Reals,
    row: int,
    network: Reals,
    shares: Reals,
    place: int,
) -> tuple[float, float]:
    """Loss of sample q, whose target is that ``row``, and 1 if it is classified correctly, else 0.

    Its softmax is added to ``shares[place]``.
    """
    best = 0
    for c in range(1, targets.shape[1]):
        best = c if values[first + c, q] > values[first + best, q] else best
    loss = 0.0
    if network[CROSS_ENTROPY]:
        total = 0.0
        for c in range(targets.shape[1]):
            total += math.exp(values[first + c, q] - values[first + best, q])
        for c in range(targets.shape[1]):
            shares[place, c] += math.exp(values[first + c, q] - values[first + best, q]) / total
            if targets[row, c] != 0.0:
                loss += targets[row, c] * (math.log(total) + values[first + best, q] - values[first + c, q])
    else:
        for c in range(targets.shape[1]):
            loss += 0.5 * (values[first + c, q] - targets[row, c]) ** 2
    return loss, 1.0 if best == largest_entry(targets, row) else 0.0


@exact
def find_errors(
    parameters: Reals, network: Reals, targets: Reals, batch_size: int, factor: float, work: Work
) -> None:
    """From a gathered minibatch, what :func:`add_gradient` takes: errors, times ``factor``, and values."""
    values, errors, across = work[0], work[1], work[2]
    n_layers = network.size - SIZES - 1
    n_units, outputs = units_below(network, n_layers + 1), units_below(network, n_layers)
    for group in range((batch_size + SAMPLES - 1) // SAMPLES):
        first, n_samples = group * n_units, min(SAMPLES, batch_size - group * SAMPLES)
        propagate_forward(parameters, network, group, values)
        for q in range(n_samples):
            for i in range(outputs):
                across[group * SAMPLES + q, i] = values[first + i, q]
        measure_errors(values, first + outputs, targets.shape[1], n_samples, factor, network, errors)
        propagate_backward(parameters, network, group, values, errors)


@exact
def step_network(
    x: Reals,
    y: Reals,
    memory: Memory,
    node: int,
    graph: Graph,
    nodes: Integers,
    step_size: float,
    rule: Reals,
    network: Reals,
    data: Data,
    bounds: Words,
    key: Words,
    step: Word,
    run: Word,
    plan: Integers,
    work: Work,
    vectors: Reals,
) -> None:
    """One minibatch of one node: y[node] = Σ_j W[node, j] x[j] − step size · what the rule makes of it.

    With ADAPT_FIRST x[node] loses its step in place, and mixing is left to :func:`finish_node`.
    """
    wide_vectors()
    features, targets, rows = data
    values, errors, across, drawn = work[0], work[1], work[2], work[3]
    batch_size, mixing, plain = nodes[node, BATCH_SIZE], communicates(rule, step), keeps_gradient(rule)
    draw_batch(key, step, node, run, nodes, bounds, plan, drawn)
    gather_batch(features, targets, rows, nodes[node, FIRST_ROW], drawn, batch_size, network, values, errors)
    # A plain step needs no gradient of its own: it is added to the parameters as it is summed.
    factor = -step_size / batch_size if plain else 1.0 / batch_size
    find_errors(x[node], network, targets, batch_size, factor, work)
    moved = x if plan[ADAPT_FIRST] else y
    if not plan[ADAPT_FIRST]:
        mix_node(mixing, graph, node, x, y)
    if plain:
        add_gradient(network, batch_size, across, errors, moved[node])
        return
    before, velocity, last_gradient = memory
    direction = vectors[DIRECTIONS + node % (vectors.shape[0] - DIRECTIONS)]
    for t in range(direction.size):
        direction[t] = 0.0
    add_gradient(network, batch_size, across, errors, direction)
    if rule[TRACKING] != 0.0:
        mix_node(mixing, graph, node, before, velocity)
    scale, centre = vectors[SCALE], vectors[CENTRE]
    update_gradient(node, x, rule, scale, centre, 1, work[4], velocity, last_gradient, direction)
    take_step(step_size, direction, node, moved)


@exact
def finish_node(
    graph: Graph, rule: Reals, node: int, x: Reals, y: Reals, step: Word, plan: Integers, sums: Reals
) -> None:
    """Mix if that is still to be done, and add to the running sum of the last iterates."""
    wide_vectors()
    if plan[ADAPT_FIRST]:
        mix_node(communicates(rule, step), graph, node, x, y)
    if step >= np.uint64(plan[AVERAGE_FROM]):
        for t in range(y.shape[1]):
            sums[node, t] += y[node, t]


@exact
def reserve(nodes: Integers, network: Reals) -> Work:
    """Room for one step of one node."""
    most, n_units = most_drawn(nodes), units_below(network, network.size - SIZES)
    n_rows = (most + SAMPLES - 1) // SAMPLES * n_units
    values, errors = np.zeros((n_rows, SAMPLES)), np.zeros((n_rows, SAMPLES))
    return values, errors, np.empty((most, n_units)), np.empty((most, 1), np.int64), np.empty(SAMPLES)


@exact
def reserve_vectors(rule: Reals, n_directions: int, size: int) -> Reals:
    """Rows for :func:`.updates.update_gradient`: ones, zeros, and directions; none where steps are plain."""
    vectors = np.zeros((0 if keeps_gradient(rule) else DIRECTIONS + n_directions, size))
    if vectors.shape[0] > 0:
        for t in range(size):
            vectors[SCALE, t] = 1.0
    return vectors


@exact
def most_drawn(nodes: Integers) -> int:
    """The largest batch, padded to the fours that integers are drawn in."""
    most = 1
    for node in range(nodes.shape[0]):
        most = max(most, nodes[node, BATCH_SIZE])
    return (most + 3) // 4 * 4


@exact
def count_choices(nodes: Integers, replacement: int) -> Words:
    """The number of rows that draw q of a node chooses from, at [q, node]; unused draws choose from one."""
    bounds = np.empty((most_drawn(nodes), nodes.shape[0]), np.uint64)
    for node in range(nodes.shape[0]):
        batch_size = nodes[node, BATCH_SIZE]
        for q in range(bounds.shape[0]):
            later = 0 if replacement else batch_size - 1 - q
            bounds[q, node] = np.uint64(nodes[node, N_ROWS] - later if q < batch_size else 1)
    return bounds


@kernel()
def draw_minibatches(
    key: Words, run: Word, nodes: Integers, rows: Integers, plan: Integers, out: Integers
) -> None:
    """Which ``rows`` the minibatches of one run hold: out[k, node, q] at step FIRST_STEP + k < + N_STEPS."""
    n_nodes, bounds = nodes.shape[0], count_choices(nodes, plan[REPLACEMENT])
    drawn = np.empty((bounds.shape[0], 1), np.int64)
    for k in range(plan[N_STEPS]):
        step = np.uint64(plan[FIRST_STEP] + k)
        for node in range(n_nodes):
            draw_batch(key, step, node, run, nodes, bounds, plan, drawn)
            for q in range(nodes[node, BATCH_SIZE]):
                out[k, node, q] = rows[nodes[node, FIRST_ROW] + drawn[q, 0]]


@kernel(parallel=True)
def train_runs(
    state: Reals,
    sums: Reals,
    memory: Reals,
    graph: Graph,
    nodes: Integers,
    step_sizes: Reals,
    rule: Reals,
    network: Reals,
    data: Data,
    key: Words,
    plan: Integers,
) -> None:
    """Advance state[run, node, parameter] by N_STEPS steps, runs in parallel.

    ``nodes[node]`` holds (batch size, first of its rows, their number). ``step_sizes[k, run, node]`` belongs
    to step k of a run; an axis of length 1 to all of them. ``data`` is (features, targets, rows): one row of
    outputs for each of the features, and the rows of all nodes. ``graph``, ``rule`` and ``memory`` as in
    :func:`.descent.advance_losses`, plan, averaging and ``sums`` as in :func:`.steps.advance_runs`.
    """
    n_nodes, size = state.shape[1], state.shape[2]
    bounds = count_choices(nodes, plan[REPLACEMENT])
    for run in prange(state.shape[0]):
        label = np.uint64(plan[FIRST_RUN] + run)
        x, y, total = state[run], np.empty((n_nodes, size)), sums[run]
        before, last_gradient = memory[run, 0], memory[run, memory.shape[1] - 1]
        after = np.empty((n_nodes, size)) if rule[TRACKING] != 0.0 else before
        work, vectors = reserve(nodes, network), reserve_vectors(rule, 1, size)
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            sizes = step_sizes[np.int64(step) % step_sizes.shape[0], np.int64(run) % step_sizes.shape[1]]
            for node in range(n_nodes):
                step_network(
                    x,
                    y,
                    (before, after, last_gradient),
                    node,
                    graph,
                    nodes,
                    sizes[node],
                    rule,
                    network,
                    data,
                    bounds,
                    key,
                    step,
                    label,
                    plan,
                    work,
                    vectors,
                )
            for node in range(n_nodes):
                finish_node(graph, rule, node, x, y, step, plan, total)
            x, y = y, x
            before, after = after, before
        if plan[N_STEPS] % 2:
            copy_nodes(x, y)
            if rule[TRACKING] != 0.0:
                copy_nodes(before, after)


@kernel(parallel=True)
def train_nodes(
    state: Reals,
    sums: Reals,
    memory: Reals,
    graph: Graph,
    nodes: Integers,
    step_sizes: Reals,
    rule: Reals,
    network: Reals,
    data: Data,
    key: Words,
    plan: Integers,
) -> None:
    """:func:`train_runs` with the nodes of each step in parallel: for fewer runs than threads."""
    n_nodes, size = state.shape[1], state.shape[2]
    bounds, vectors = count_choices(nodes, plan[REPLACEMENT]), reserve_vectors(rule, n_nodes, size)
    spare, spare_memory = np.empty((n_nodes, size)), np.empty((n_nodes, size))
    for run in range(state.shape[0]):
        label = np.uint64(plan[FIRST_RUN] + run)
        x, y, total = state[run], spare, sums[run]
        before, last_gradient = memory[run, 0], memory[run, memory.shape[1] - 1]
        after = spare_memory if rule[TRACKING] != 0.0 else before
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            sizes = step_sizes[np.int64(step) % step_sizes.shape[0], np.int64(run) % step_sizes.shape[1]]
            for node in prange(n_nodes):
                step_network(
                    x,
                    y,
                    (before, after, last_gradient),
                    int(np.int64(node)),
                    graph,
                    nodes,
                    sizes[node],
                    rule,
                    network,
                    data,
                    bounds,
                    key,
                    step,
                    label,
                    plan,
                    reserve(nodes, network),
                    vectors,
                )
            for node in prange(n_nodes):
                finish_node(graph, rule, int(np.int64(node)), x, y, step, plan, total)
            x, y = y, x
            before, after = after, before
        if plan[N_STEPS] % 2:
            copy_nodes(x, y)
            if rule[TRACKING] != 0.0:
                copy_nodes(before, after)


@kernel(parallel=True)
def measure_networks(
    parameters: Reals,
    network: Reals,
    features: Reals,
    targets: Reals,
    losses: Reals,
    right: Reals,
    together: Reals,
) -> None:
    """Sum over chunks of samples: losses[chunk, run, node], and how many each node classifies ``right``.

    ``together[chunk, run]`` are right by the mean of the nodes' softmax. A sample is classified correctly
    where its largest output is that of its largest target.
    """
    n_layers = network.size - SIZES - 1
    n_units, outputs = units_below(network, n_layers + 1), units_below(network, n_layers)
    n_chunks, n_runs, n_nodes = losses.shape
    for task in prange(n_chunks * n_runs):
        chunk, run = task // n_runs, task % n_runs
        first, last = chunk * features.shape[0] // n_chunks, (chunk + 1) * features.shape[0] // n_chunks
        values, shares = np.zeros((n_units, SAMPLES)), np.zeros((last - first, targets.shape[1]))
        for node in range(n_nodes):
            losses[chunk, run, node] = 0.0
            right[chunk, run, node] = 0.0
            for start in range(first, last, SAMPLES):
                count = min(SAMPLES, last - start)
                for q in range(count):
                    for i in range(features.shape[1]):
                        values[i, q] = features[start + q, i]
                propagate_forward(parameters[run, node], network, 0, values)
                for q in range(count):
                    row = start + q
                    loss, hit = measure_outputs(
                        values, outputs, q, targets, row, network, shares, row - first
                    )
                    losses[chunk, run, node] += loss
                    right[chunk, run, node] += hit
        together[chunk, run] = 0.0
        for row in range(first, last):
            if largest_entry(shares, row - first) == largest_entry(targets, row):
                together[chunk, run] += 1.0
