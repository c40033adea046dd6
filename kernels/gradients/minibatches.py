"""Minibatch gradients of any loss: rows of the node's own, or fresh samples from a law."""

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from desgd_fast.kernels.draw.minibatches import (
    Epochs,
    SamplingRoom,
    choose_rows,
    no_epochs,
    reserve_sampling,
    sampling_of,
)
from desgd_fast.kernels.draw.normals import Counter, fill_normals
from desgd_fast.kernels.draw.random import FEATURES, UNIFORMS, fill_uniforms
from desgd_fast.kernels.gradients.linear import add_gradients
from desgd_fast.kernels.gradients.oracles import work_size
from desgd_fast.kernels.jit.arithmetic import borrow, entries, kept_apart
from desgd_fast.kernels.jit.compile import ELEMENTARY, Integers, Matrix, Reals, Words, exact
from desgd_fast.kernels.loops.steps import filled, largest, padded


class Rows(NamedTuple):
    """A data set grouped by node, how it is sampled (:class:`..draw.minibatches.Sampling`), and a loss.

    The first four are the oracle of :func:`.linear.add_gradients`.
    """

    linear: bool
    ridge: float
    link: Any
    gradient: Any
    dim: int
    features: Matrix
    targets: Reals
    kind: int
    batch_sizes: Integers
    offsets: Integers
    bounds: Words


class RowsRoom(NamedTuple):
    """The rows drawn, and what the oracle needs."""

    sampling: SamplingRoom
    scratch: Reals


class Stream(NamedTuple):
    """A law of samples, which takes so many variates for each, and a loss."""

    linear: bool
    ridge: float
    link: Any
    gradient: Any
    dim: int
    draw: Any
    n_features: int
    n_normals: int
    n_uniforms: int
    batch_sizes: Integers


class StreamRoom(NamedTuple):
    """The samples drawn, their numbers one after the other, and what drawing and the oracle need."""

    rows: Integers
    features: Matrix
    targets: Reals
    normals: Reals
    uniforms: Reals
    scratch: Reals


@exact
def half_of(count: int) -> int:
    """Pairs of variates to fill for so many."""
    return padded((count + 1) // 2)


@exact
def reserve_rows(source: Rows, together: int) -> RowsRoom:
    """Room for so many nodes."""
    scratch = np.empty(work_size(source.dim, source.features.shape[1]))
    return RowsRoom(reserve_sampling(sampling_of(source), together), scratch)


def choose_samples(source: Any, epochs: Epochs, room: Any, first: int, last: int, counter: Counter) -> None:
    """Minibatches of the nodes ``first`` … ``last`` - 1, from their rows or from the law."""
    raise NotImplementedError


def samples_of(source: Any, room: Any) -> Any:
    """Features and targets of samples, and which of them the chosen minibatches hold."""
    raise NotImplementedError


@exact
def add_of_rows(
    source: Rows,
    epochs: Epochs,
    room: RowsRoom,
    first: int,
    last: int,
    counter: Counter,
    x: Matrix,
    factors: Reals,
    out: Matrix,
) -> None:
    """out[i - first] += factors[i - first] · gradient of node i at x[i] on a minibatch of its rows."""
    kept_apart()
    choose_samples(source, epochs, room, first, last, counter)
    add_gradients(
        (source.linear, source.ridge, source.link, source.gradient),
        x[first:last],
        source.dim,
        source.features,
        source.targets,
        room.sampling.rows,
        source.batch_sizes[first:last],
        factors[: last - first],
        room.scratch,
        out[: last - first],
    )


@exact
def reserve_stream(source: Stream, together: int) -> StreamRoom:
    """Room for so many nodes."""
    most = largest(source.batch_sizes)
    rows = np.empty((together, most), np.int64)
    for i in range(together):
        for q in range(most):
            rows[i, q] = i * most + q
    return StreamRoom(
        rows,
        np.empty((together * most, source.n_features)),
        np.empty(together * most),
        np.empty(filled(most * source.n_normals)),
        np.empty(2 * half_of(most * source.n_uniforms)),
        np.empty(work_size(source.dim, source.n_features)),
    )


@exact
def draw_stream(source: Stream, room: StreamRoom, node: int, place: int, counter: Counter) -> None:
    """A minibatch of the node's law into the rows from ``place`` on, and the variates it needs."""
    key, step, run, count = borrow(counter.key), counter.step, counter.run, source.batch_sizes[node]
    label = np.uint64(node)
    if source.n_normals > 0:
        needed = filled(count * source.n_normals)
        fill_normals(key, FEATURES, np.uint64(0), step, label, run, needed, room.normals)
    half = half_of(count * source.n_uniforms)
    if half > 0:
        fill_uniforms(key, UNIFORMS, step, label, run, half, half, room.uniforms)
    features, targets = room.features[place : place + count], room.targets[place : place + count]
    source.draw(room.normals, room.uniforms, node, count, features, targets)


@exact
def add_of_stream(
    source: Stream,
    room: StreamRoom,
    first: int,
    last: int,
    counter: Counter,
    x: Matrix,
    factors: Reals,
    out: Matrix,
) -> None:
    """out[i - first] += factors[i - first] · gradient of node i at x[i] on fresh samples."""
    kept_apart()
    choose_samples(source, no_epochs(), room, first, last, counter)
    add_gradients(
        (source.linear, source.ridge, source.link, source.gradient),
        x[first:last],
        source.dim,
        room.features,
        room.targets,
        room.rows,
        source.batch_sizes[first:last],
        factors[: last - first],
        room.scratch,
        out[: last - first],
    )


@overload(choose_samples, jit_options=ELEMENTARY)
def _choose_samples(source, epochs, room, first, last, counter):  # type: ignore[no-untyped-def]
    if source.instance_class is Rows:

        def choose(source, epochs, room, first, last, counter):  # type: ignore[no-untyped-def]
            choose_rows(sampling_of(source), epochs, room.sampling, first, last, counter)
    else:

        def choose(source, epochs, room, first, last, counter):  # type: ignore[no-untyped-def]
            for node in range(first, last):
                draw_stream(source, room, node, (node - first) * room.rows.shape[1], counter)

    return choose


@overload(samples_of, jit_options=ELEMENTARY)
def _samples_of(source, room):  # type: ignore[no-untyped-def]
    if source.instance_class is Rows:
        return lambda source, room: (source.features, source.targets, room.sampling.rows)
    return lambda source, room: (room.features, room.targets, room.rows)


@exact
def add_by_sample(
    source: Any, room: Any, first: int, last: int, x: Matrix, factors: Reals, out: Matrix, rules: Any
) -> None:
    """out[i - first] += factors[i - first] · mean of what becomes of the gradient of every chosen sample."""
    features, targets, chosen = samples_of(source, room)
    oracle = source.linear, source.ridge, source.link, source.gradient
    size, nothing = x.shape[1], np.empty((0, 0))
    row, count, unit = np.empty((1, 1), np.int64), np.ones(1, np.int64), np.ones(1)
    gradient = np.empty((1, size))
    for node in range(first, last):
        batch_size = source.batch_sizes[node]
        factor = factors[node - first] / batch_size
        for q in range(batch_size):
            row[0, 0] = chosen[node - first, q]
            for t in range(size):
                gradient[0, t] = 0.0
            at = x[node : node + 1]
            add_gradients(oracle, at, source.dim, features, targets, row, count, unit, room.scratch, gradient)
            vector = entries(gradient, 0, source.dim)
            iterate, numbers = entries(x, node * size, source.dim), rules.sample_parameters
            rules.sample_transform(vector, iterate, nothing, unit, unit, numbers, rules.sample_cuts)
            for t in range(size):
                out[node - first, t] += factor * gradient[0, t]
