"""Which of its own rows a node's minibatch holds, for every way of sampling them."""

from typing import Any, NamedTuple

import numpy as np

from desgd_fast.kernels.draw.normals import Counter
from desgd_fast.kernels.draw.random import ROWS, fill_integers
from desgd_fast.kernels.draw.samples import DISTINCT, RESHUFFLE, keep_distinct, take_drawn, take_next
from desgd_fast.kernels.jit.arithmetic import borrow, compact
from desgd_fast.kernels.jit.compile import Integers, Word, Words, exact, kernel
from desgd_fast.kernels.jit.lanes import SAMPLES


class Sampling(NamedTuple):
    """Node i draws batch_sizes[i] of the rows offsets[i] … offsets[i + 1] - 1; draw q is below bounds[q, i].

    ``bounds`` has a multiple of 4 rows, and columns for a whole register of nodes beyond the last.
    """

    kind: int
    batch_sizes: Integers
    offsets: Integers
    bounds: Words


class Epochs(NamedTuple):
    """The permutations that nodes go through, and their numbers: one room for all nodes of a run."""

    order: Integers
    current: Integers


class SamplingRoom(NamedTuple):
    """Rows of the minibatches of some nodes, and what drawing them takes."""

    rows: Integers
    drawn: Integers
    marks: Integers


@exact
def reserve_epochs(sampling: Sampling) -> Epochs:
    """No permutation drawn yet."""
    n_nodes = sampling.batch_sizes.size
    order = np.empty(sampling.offsets[n_nodes] if sampling.kind >= RESHUFFLE else 0, np.int64)
    current = np.empty(n_nodes, np.int64)
    for node in range(n_nodes):
        current[node] = -1
    return Epochs(order, current)


@exact
def no_epochs() -> Epochs:
    """Where no node goes through permutations."""
    return Epochs(np.empty(0, np.int64), np.empty(0, np.int64))


@exact
def sampling_of(source: Any) -> Sampling:
    """How a source of its own rows samples them; Numba hands parallel loops no tuples of tuples."""
    return Sampling(source.kind, source.batch_sizes, source.offsets, source.bounds)


@exact
def reserve_sampling(sampling: Sampling, together: int) -> SamplingRoom:
    """Room for the minibatches of so many nodes."""
    most_drawn, most_rows = 0, 0
    for node in range(sampling.batch_sizes.size):
        most_drawn = max(most_drawn, sampling.batch_sizes[node])
        most_rows = max(most_rows, sampling.offsets[node + 1] - sampling.offsets[node])
    # The last place counts the batches, whose numbers mark the rows they hold.
    marks = np.empty(most_rows + 1, np.int64)
    for row in range(marks.size):
        marks[row] = 0
    width = (together + SAMPLES - 1) // SAMPLES * SAMPLES
    return SamplingRoom(
        np.empty((together, most_drawn), np.int64),
        np.empty((sampling.bounds.shape[0], width), np.int64),
        marks,
    )


@exact
def choose_rows(
    sampling: Sampling, epochs: Epochs, room: SamplingRoom, first: int, last: int, counter: Counter
) -> None:
    """The rows of the minibatches of nodes ``first`` … ``last`` - 1, into room.rows."""
    compact()
    kind, key, step, run = sampling.kind, borrow(counter.key), counter.step, counter.run
    batch_sizes, offsets = borrow(sampling.batch_sizes), borrow(sampling.offsets)
    rows, drawn, marks = borrow(room.rows), borrow(room.drawn), borrow(room.marks)
    order, current = borrow(epochs.order), borrow(epochs.current)
    if kind < RESHUFFLE:
        bounds = borrow(sampling.bounds)
        fill_integers(key, ROWS, step, np.uint64(first), run, bounds, drawn.shape[1], drawn)
    for node in range(first, last):
        batch_size, first_row, to = batch_sizes[node], offsets[node], node - first
        n_rows = offsets[node + 1] - first_row
        if kind >= RESHUFFLE:
            take_next(key, step, node, run, kind, batch_size, first_row, n_rows, order, current, rows, to)
            continue
        if kind == DISTINCT:
            keep_distinct(drawn, to, batch_size, n_rows, marks)
        take_drawn(drawn, to, batch_size, first_row, rows, to)


@kernel()
def draw_minibatches(
    sampling: Sampling, rows: Integers, key: Words, run: Word, first_step: int, out: Integers
) -> None:
    """Which ``rows`` the minibatches of one run hold: out[k, node, q] at step ``first_step`` + k."""
    n_nodes = out.shape[1]
    epochs, room = reserve_epochs(sampling), reserve_sampling(sampling, n_nodes)
    for k in range(out.shape[0]):
        choose_rows(sampling, epochs, room, 0, n_nodes, Counter(key, np.uint64(first_step + k), run))
        for node in range(n_nodes):
            for q in range(sampling.batch_sizes[node]):
                out[k, node, q] = rows[room.rows[node, q]]
