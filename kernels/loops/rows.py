"""The plain step loop on real rows: linear models, no memory, SAMPLES runs side by side.

State of a block: ``x[node, t]``, coordinate c of run r at t = c·SAMPLES + r, filled up with zeros to an even
number of coordinates. The rows that the runs draw lie anywhere in the table: they are read two columns at a
time and turned into vectors of runs once, for the scores, and kept for the sum.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.random import ROWS, bounded_words, philox_pair, redo_integers
from desgd_fast.kernels.draw.samples import DISTINCT, RESHUFFLE, keep_distinct, take_next_of_runs
from desgd_fast.kernels.jit.arithmetic import (
    aligned_empty,
    borrow,
    compact,
    entries,
    kept_apart,
    multiply_add,
    wide_vectors,
)
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, Word, Words, elementary, exact, kernel
from desgd_fast.kernels.jit.lanes import (
    SAMPLES,
    counters_of_samples,
    load_entries,
    load_pairs,
    spread_samples,
    store_entries,
    union,
    zeros,
)
from desgd_fast.kernels.loops.steps import Span, copy_nodes, first_neighbours, largest, mix_others, mix_row

# Samples of a node, and nodes, that are worked on together, at most; and doubles that their rows may fill.
MOST_ROWS, MOST_NODES, TOGETHER = 8, 16, 2048

_0, _1, _2, _3, _4, _5, _6, _7 = (np.uint64(k) for k in range(8))
_32, _63 = np.uint64(32), np.uint64(63)


class Graph(NamedTuple):
    """The mixing matrix in compressed rows, each with at least one entry."""

    indptr: Integers
    indices: Integers
    weights: Reals


class Table(NamedTuple):
    """Samples, and how node i picks batch_sizes[i] of its own: those from offsets[i] to offsets[i + 1] - 1.

    A row of ``entries`` is (features, 0 if they are odd in number, target, 0). Draw q of node i is below
    bounds[q, i], q < a multiple of 4; ``kind`` is told in :mod:`..draw.samples`.
    """

    entries: Matrix
    kind: int
    batch_sizes: Integers
    offsets: Integers
    bounds: Words


class Descent(NamedTuple):
    """Steps step_sizes[k, node], or step_sizes[0, node], along link(aᵀx, y)·a + ridge·x.

    ``link`` is told in :func:`..gradients.linear.add_gradients`; ``adapt_first``: they mix afterwards.
    """

    link: Any
    ridge: float
    step_sizes: Matrix
    adapt_first: bool


class Work(NamedTuple):
    """What some nodes' minibatches need.

    ``places[q, n·SAMPLES + r]`` is where row q begins of the n-th node in run r. Columns, scores and targets
    are those of one sample in SAMPLES runs after the other. ``order[r]`` keeps the permutations numbered
    ``current``, ``marks`` what :func:`..draw.samples.keep_distinct` needs.
    """

    places: Integers
    columns: Matrix
    scores: Reals
    labels: Reals
    marks: Integers
    order: Integers
    current: Integers


@exact
def nodes_together(table: Table) -> int:
    """Nodes whose minibatches fit the nearest cache together; by the problem alone."""
    rows = min(largest(table.batch_sizes), MOST_ROWS) * SAMPLES
    return int(max(1, min(MOST_NODES, TOGETHER // (rows * table.entries.shape[1]))))


@exact
def draw_rows(
    table: Table, first: int, last: int, key: Words, step: Word, first_run: Word, drawn: Integers
) -> None:
    """drawn[q, n·SAMPLES + r]: draw q of node ``first`` + n in run ``first_run`` + r.

    The counters are those of :func:`..draw.random.fill_integers`.
    """
    kept_apart()
    wide_vectors()
    compact()
    key, drawn = borrow(key), borrow(drawn)
    batch_sizes, bounds = borrow(table.batch_sizes), borrow(table.bounds)
    k0, k1, width, in_doubt = key[_0], key[_1], drawn.shape[1], spread_samples(_0)
    steps, runs = spread_samples(step), counters_of_samples(first_run)
    for node in range(np.uint64(first), np.uint64(last)):
        nodes, batch_size = spread_samples(node), batch_sizes[node]
        place = (np.int64(node) - first) * SAMPLES
        for q in range(0, batch_size, 4):
            u = np.uint64(q)
            a, b = philox_pair(spread_samples(ROWS | (u >> _2)), steps, nodes, runs, k0, k1)
            value, unsure = bounded_words(a >> _32, spread_samples(bounds[u, node]))
            store_entries(drawn, q * width + place, value)
            in_doubt = in_doubt | unsure
            if q + 1 < batch_size:
                value, unsure = bounded_words(a, spread_samples(bounds[u + _1, node]))
                store_entries(drawn, (q + 1) * width + place, value)
                in_doubt = in_doubt | unsure
            if q + 2 < batch_size:
                value, unsure = bounded_words(b >> _32, spread_samples(bounds[u + _2, node]))
                store_entries(drawn, (q + 2) * width + place, value)
                in_doubt = in_doubt | unsure
            if q + 3 < batch_size:
                value, unsure = bounded_words(b, spread_samples(bounds[u + _3, node]))
                store_entries(drawn, (q + 3) * width + place, value)
                in_doubt = in_doubt | unsure
    if union(in_doubt) >> _63:
        redo_rows(table, first, last, key, step, first_run, drawn)


@exact
def redo_rows(
    table: Table, first: int, last: int, key: Words, step: Word, first_run: Word, drawn: Integers
) -> None:
    """:func:`draw_rows` with rejections."""
    kept_apart()
    one_run = np.empty((table.bounds.shape[0], last - first), np.int64)
    for r in range(SAMPLES):
        run = first_run + np.uint64(r)
        redo_integers(key, ROWS, step, np.uint64(first), run, table.bounds, last - first, one_run)
        for q in range(one_run.shape[0]):
            for n in range(last - first):
                drawn[q, n * SAMPLES + r] = one_run[q, n]


@elementary
def find_rows(
    table: Table, first: int, last: int, key: Words, step: Word, first_run: Word, work: Work
) -> None:
    """Fill ``work.places``."""
    compact()
    places, width = work.places, table.entries.shape[1]
    if table.kind < RESHUFFLE:
        draw_rows(table, first, last, key, step, first_run, places)
    for node in range(first, last):
        n, column = np.uint64(node), (node - first) * SAMPLES
        batch_size, first_row = table.batch_sizes[n], table.offsets[n]
        n_rows = table.offsets[n + _1] - first_row
        if table.kind >= RESHUFFLE:
            take_next_of_runs(
                key,
                step,
                node,
                first_run,
                table.kind,
                batch_size,
                first_row,
                n_rows,
                work.order,
                work.current,
                places,
                column,
            )
        elif table.kind == DISTINCT and batch_size > 1:
            for r in range(SAMPLES):
                keep_distinct(places, column + r, batch_size, n_rows, work.marks)
        for q in range(batch_size):
            place = q * places.shape[1] + column
            store_entries(places, place, (load_entries(places, place) + first_row) * width)


@elementary
def score_row(table: Matrix, place: int, x: Matrix, node: int, work: Work, slot: int) -> None:
    """Scores and targets of the rows that begin at ``work.places`` from this flat one on; keeps columns."""
    compact()
    flat, p, columns = entries(work.places, 0, 0), np.uint64(place), work.columns
    rows = (
        flat[p],
        flat[p + _1],
        flat[p + _2],
        flat[p + _3],
        flat[p + _4],
        flat[p + _5],
        flat[p + _6],
        flat[p + _7],
    )
    point, kept, width = node * x.shape[1], slot * columns.shape[1], table.shape[1] - 2
    even, odd = zeros(), zeros()
    label, _ = load_pairs(table, rows, width)
    store_entries(work.labels, slot * SAMPLES, label)
    for c in range(0, width, 2):
        t, u = c * SAMPLES, (c + 1) * SAMPLES
        a, b = load_pairs(table, rows, c)
        store_entries(columns, kept + t, a)
        store_entries(columns, kept + u, b)
        even = multiply_add(a, load_entries(x, point + t), even)
        odd = multiply_add(b, load_entries(x, point + u), odd)
    store_entries(work.scores, slot * SAMPLES, even + odd)


@elementary
def add_samples(
    more: bool,
    graph: Graph,
    descent: Descent,
    gain: float,
    batch_size: int,
    x: Matrix,
    node: int,
    work: Work,
    slot: int,
    count: int,
    y: Matrix,
) -> None:
    """y[node] = Σ_j weight_j x[j] + gain·(ridge·x[node] + Σ_s score_s·columns_s / batch_size).

    s goes over ``count`` samples from ``slot`` on. If ``more``, y[node] is in place of the first two terms.
    """
    compact()
    size, columns, scores = x.shape[1], work.columns, work.scores
    source, decay, mixing = y if more else x, 0.0 if more else gain * descent.ridge, False
    i, j, k, u, v, w = node, node, node, 1.0, 0.0, 0.0
    if not (more or descent.adapt_first):
        i, j, k, u, v, w = first_neighbours(graph.indptr, graph.indices, graph.weights, node)
        mixing = graph.indptr[np.uint64(node + 1)] - graph.indptr[np.uint64(node)] > 3
    if i == node:
        u, decay = u + decay, 0.0
    elif j == node:
        v, decay = v + decay, 0.0
    elif k == node:
        w, decay = w + decay, 0.0
    i, j, k, point = i * size, j * size, k * size, node * size
    factor, begin = gain / batch_size, slot * size
    score = load_entries(scores, slot * SAMPLES) * factor
    for first in range(0, size, 2 * SAMPLES):
        for t in (first, first + SAMPLES):
            value = u * load_entries(source, i + t)
            value = multiply_add(v, load_entries(source, j + t), value)
            value = multiply_add(w, load_entries(source, k + t), value)
            store_entries(y, point + t, multiply_add(score, load_entries(columns, begin + t), value))
    for s in range(slot + 1, slot + count):
        score = load_entries(scores, s * SAMPLES) * factor
        for t in range(0, size, SAMPLES):
            value = load_entries(y, point + t)
            store_entries(y, point + t, multiply_add(score, load_entries(columns, s * size + t), value))
    if decay != 0.0:
        for t in range(0, size, SAMPLES):
            value = load_entries(y, point + t)
            store_entries(y, point + t, multiply_add(decay, load_entries(x, point + t), value))
    if mixing:
        mix_others(graph.indptr, graph.indices, graph.weights, node, x, y)


@elementary
def step_nodes(
    first: int,
    last: int,
    x: Matrix,
    y: Matrix,
    graph: Graph,
    table: Table,
    descent: Descent,
    key: Words,
    step: Word,
    first_run: Word,
    work: Work,
) -> None:
    """y[i] = x[i], or what its neighbours mix to, less step size times gradient at x[i], first ≤ i < last."""
    compact()
    most, step_sizes = 0, descent.step_sizes
    of_step = step if step_sizes.shape[0] > 1 else _0
    find_rows(table, first, last, key, step, first_run, work)
    for node in range(first, last):
        most = max(most, table.batch_sizes[np.uint64(node)])
    for start in range(0, most, MOST_ROWS):
        slot = 0
        for node in range(first, last):
            for q in range(start, min(start + MOST_ROWS, table.batch_sizes[np.uint64(node)])):
                place = q * work.places.shape[1] + (node - first) * SAMPLES
                score_row(table.entries, place, x, node, work, slot)
                slot += 1
        descent.link(work.scores, work.labels, slot * SAMPLES, 1)
        slot = 0
        for node in range(first, last):
            batch_size = table.batch_sizes[np.uint64(node)]
            count = min(MOST_ROWS, batch_size - start)
            if count > 0:
                gain = -step_sizes[of_step, np.uint64(node)]
                add_samples(start > 0, graph, descent, gain, batch_size, x, node, work, slot, count, y)
                slot += count


@elementary
def finish_nodes(
    x: Matrix, y: Matrix, graph: Graph, adapt_first: bool, averaging: bool, sums: Matrix
) -> None:
    """Mix if that is still to be done: the iterates come back to x. Add them to the running sum."""
    if adapt_first:
        for node in range(x.shape[0]):
            mix_row(graph.indptr, graph.indices, graph.weights, node, y, x)
    if averaging:
        iterates = x if adapt_first else y
        for t in range(0, x.size, SAMPLES):
            store_entries(sums, t, load_entries(sums, t) + load_entries(iterates, t))


@exact
def advance_block(
    x: Matrix,
    y: Matrix,
    sums: Matrix,
    graph: Graph,
    table: Table,
    descent: Descent,
    key: Words,
    span: Span,
    work: Work,
) -> None:
    """Advance the SAMPLES runs from ``span.first_run`` on, with y to spare."""
    kept_apart()
    wide_vectors()
    compact()
    x, y, sums, key = borrow(x), borrow(y), borrow(sums), borrow(key)
    graph = Graph(borrow(graph.indptr), borrow(graph.indices), borrow(graph.weights))
    sizes, offsets, bounds = borrow(table.batch_sizes), borrow(table.offsets), borrow(table.bounds)
    table = Table(borrow(table.entries), table.kind, sizes, offsets, bounds)
    descent = Descent(descent.link, descent.ridge, borrow(descent.step_sizes), descent.adapt_first)
    work = Work(
        borrow(work.places),
        borrow(work.columns),
        borrow(work.scores),
        borrow(work.labels),
        borrow(work.marks),
        borrow(work.order),
        borrow(work.current),
    )
    n_nodes, together, first_run = x.shape[0], nodes_together(table), np.uint64(span.first_run)
    for k in range(span.n_steps):
        step = np.uint64(span.first_step + k)
        for first in range(0, n_nodes, together):
            last = min(first + together, n_nodes)
            step_nodes(first, last, x, y, graph, table, descent, key, step, first_run, work)
        finish_nodes(x, y, graph, descent.adapt_first, bool(step >= np.uint64(span.average_from)), sums)
        if not descent.adapt_first:
            x, y = y, x
    if not descent.adapt_first and span.n_steps % 2:
        copy_nodes(x, y)


@exact
def reserve_work(table: Table, size: int, like: Matrix) -> Work:
    """Room for the minibatches of nodes taken together, and no permutation drawn yet."""
    together, n_nodes, most_rows = nodes_together(table), table.batch_sizes.size, 0
    for node in range(n_nodes):
        most_rows = max(most_rows, table.offsets[node + 1] - table.offsets[node])
    samples = together * min(MOST_ROWS, largest(table.batch_sizes))
    # The last place counts the batches, whose numbers mark the rows they hold.
    marks: Any = np.empty(most_rows + 1, np.int64)
    current = np.empty(n_nodes, np.int64)
    places: Any = aligned_empty(table.bounds.shape[0], together * SAMPLES, marks)
    for row in range(marks.size):
        marks[row] = 0
    for node in range(n_nodes):
        current[node] = -1
    return Work(
        places,
        aligned_empty(samples, size, like),
        aligned_empty(1, samples * SAMPLES, like)[0],
        aligned_empty(1, samples * SAMPLES, like)[0],
        marks,
        np.empty(SAMPLES * table.offsets[n_nodes] if table.kind >= RESHUFFLE else 0, np.int64),
        current,
    )


@kernel(parallel=True)
def advance_rows(
    state: Reals, sums: Reals, graph: Graph, table: Table, descent: Descent, key: Words, span: Span
) -> None:
    """Advance state[block, node, t] by ``span.n_steps`` steps, blocks of SAMPLES runs in parallel."""
    n_nodes, size = state.shape[1], state.shape[2]
    for block in prange(state.shape[0]):
        x, y = state[block], aligned_empty(n_nodes, size, state)
        first_run = span.first_run + block * SAMPLES
        mine = Span(span.first_step, span.n_steps, span.average_from, first_run)
        advance_block(x, y, sums[block], graph, table, descent, key, mine, reserve_work(table, size, state))
