"""Fully connected networks: forward and backward over minibatches.

The parameters of a node lie in one row: for each layer the weights (n_out, n_in), row by row, then, with
biases, n_out of them. Units are counted through all layers, the inputs first.

A minibatch is worked in groups of eight samples side by side: ``values[group · n_units + unit]`` holds a
unit's value for eight samples, one vector register. Both products with a weight matrix then multiply a
weight with a register, whatever the sizes, and no sum is ever taken across a register. The update of
the weights needs the same values sample by sample, in ``across[sample, unit]``. Samples beyond the batch
are zeros, and what comes of them is never added.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.minibatches import (
    Epochs,
    SamplingRoom,
    choose_rows,
    reserve_sampling,
    sampling_of,
)
from desgd_fast.kernels.draw.normals import Counter
from desgd_fast.kernels.jit.arithmetic import exp, kept_apart, multiply_add, tanh, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, Words, elementary, exact, kernel
from desgd_fast.kernels.jit.lanes import (
    SAMPLES,
    load_entries,
    load_samples,
    spread_entry,
    store,
    store_entries,
    zeros,
)
from desgd_fast.kernels.loops.steps import largest, padded

# Entries of a network's code, followed by the numbers of units of every layer, the inputs first.
TANH, SLOPE, CROSS_ENTROPY, BIASES, SIZES = range(5)


class Network(NamedTuple):
    """The network's ``code``, and the samples: ``rows`` of features and of target outputs, node
    after node, and how they are sampled (:class:`..draw.minibatches.Sampling`).
    """

    code: Reals
    features: Matrix
    targets: Matrix
    rows: Integers
    kind: int
    batch_sizes: Integers
    offsets: Integers
    bounds: Words


class NetworkRoom(NamedTuple):
    """The rows drawn, values and errors of units, and values sample by sample."""

    sampling: SamplingRoom
    values: Matrix
    errors: Matrix
    across: Matrix


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
def gather_batch(source: Network, drawn: Integers, batch_size: int, values: Reals, errors: Reals) -> None:
    """Put the inputs and the targets of the drawn rows where forward and backward look for them."""
    features, targets, rows, code = source.features, source.targets, source.rows, source.code
    n_layers = code.size - SIZES - 1
    n_units = units_below(code, n_layers + 1)
    outputs = units_below(code, n_layers)
    for q in range(batch_size):
        row = rows[drawn[q]]
        group = q // SAMPLES * n_units
        for i in range(features.shape[1]):
            values[group + i, q % SAMPLES] = features[row, i]
        for i in range(targets.shape[1]):
            errors[group + outputs + i, q % SAMPLES] = targets[row, i]


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
    parameters: Reals, network: Reals, targets: Reals, batch_size: int, factor: float, room: NetworkRoom
) -> None:
    """From a gathered minibatch, what :func:`add_gradient` takes: errors, times ``factor``, and values."""
    values, errors, across = room.values, room.errors, room.across
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
def reserve_network(source: Network, together: int) -> NetworkRoom:
    """Room for one step of so many nodes."""
    code = source.code
    most, n_units = padded(largest(source.batch_sizes)), units_below(code, code.size - SIZES)
    n_rows = most // SAMPLES * n_units
    return NetworkRoom(
        reserve_sampling(sampling_of(source), together),
        np.zeros((n_rows, SAMPLES)),
        np.zeros((n_rows, SAMPLES)),
        np.empty((most, n_units)),
    )


@exact
def add_of_network(
    source: Network,
    epochs: Epochs,
    room: NetworkRoom,
    first: int,
    last: int,
    counter: Counter,
    x: Matrix,
    factors: Reals,
    out: Matrix,
) -> None:
    """out[i - first] += factors[i - first] · gradient of node i at x[i] on a minibatch of its rows."""
    wide_vectors()
    kept_apart()
    choose_rows(sampling_of(source), epochs, room.sampling, first, last, counter)
    code, values, errors, across = source.code, room.values, room.errors, room.across
    for node in range(first, last):
        batch_size = source.batch_sizes[node]
        gather_batch(source, room.sampling.rows[node - first], batch_size, values, errors)
        find_errors(x[node], code, source.targets, batch_size, factors[node - first] / batch_size, room)
        add_gradient(code, batch_size, across, errors, out[node - first])


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
