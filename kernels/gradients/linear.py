"""Linear models on the minibatches of a few nodes: scores of rows, and sums of rows, in whole registers.

A node's iterate holds one vector of weights per score, one after the other; a row's score is their inner
product. Only what makes a score a slope, the link, differs from loss to loss: it is called through a pointer,
for all the nodes' scores together, so that it takes full registers too. All else is compiled once.
"""

from typing import Any

import numpy as np

from desgd_fast.kernels.jit.arithmetic import borrow, compact, kept_apart, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, elementary, exact
from desgd_fast.kernels.jit.lanes import (
    SAMPLES,
    four_totals,
    load_entries,
    load_some,
    spread_entry,
    store_entries,
    store_some,
    total,
    zeros,
)
from desgd_fast.kernels.loops.steps import largest, padded

# Rows of one node, and nodes, whose scores are held at once.
MOST_ROWS, MOST_NODES = 8, 8

_1, _2, _3 = np.uint64(1), np.uint64(2), np.uint64(3)


@elementary
def score_four(features: Matrix, i: int, j: int, k: int, m: int, x: Matrix, first: int, width: int) -> Any:
    """Inner products of x[first : first + width] with the rows of features from i, j, k and m on."""
    compact()
    p, q, r, s = zeros(), zeros(), zeros(), zeros()
    rest = width % SAMPLES
    t = width - rest
    if rest:
        along = load_some(x, first + t, rest)
        p = multiply_add(load_some(features, i + t, rest), along, p)
        q = multiply_add(load_some(features, j + t, rest), along, q)
        r = multiply_add(load_some(features, k + t, rest), along, r)
        s = multiply_add(load_some(features, m + t, rest), along, s)
    for t in range(0, width - rest, SAMPLES):
        along = load_entries(x, first + t)
        p = multiply_add(load_entries(features, i + t), along, p)
        q = multiply_add(load_entries(features, j + t), along, q)
        r = multiply_add(load_entries(features, k + t), along, r)
        s = multiply_add(load_entries(features, m + t), along, s)
    return four_totals(p, q, r, s)


@elementary
def score_one(features: Matrix, i: int, x: Matrix, first: int, width: int) -> float:
    """The same with one row."""
    compact()
    p = zeros()
    rest = width % SAMPLES
    t = width - rest
    if rest:
        p = multiply_add(load_some(features, i + t, rest), load_some(x, first + t, rest), p)
    for t in range(0, width - rest, SAMPLES):
        p = multiply_add(load_entries(features, i + t), load_entries(x, first + t), p)
    return float(total(p))


@elementary
def add_four(
    factor: float,
    scores: Reals,
    place: int,
    n_scores: int,
    features: Matrix,
    i: int,
    j: int,
    k: int,
    m: int,
    out: Matrix,
    first: int,
    width: int,
) -> None:
    """Add four rows, each times factor and its score, to out[first : first + width]."""
    compact()
    p, q = factor * spread_entry(scores, place), factor * spread_entry(scores, place + n_scores)
    r = factor * spread_entry(scores, place + 2 * n_scores)
    s = factor * spread_entry(scores, place + 3 * n_scores)
    rest = width % SAMPLES
    t = width - rest
    if rest:
        value = load_some(out, first + t, rest)
        value = multiply_add(load_some(features, i + t, rest), p, value)
        value = multiply_add(load_some(features, j + t, rest), q, value)
        value = multiply_add(load_some(features, k + t, rest), r, value)
        value = multiply_add(load_some(features, m + t, rest), s, value)
        store_some(out, first + t, rest, value)
    for t in range(0, width - rest, SAMPLES):
        value = load_entries(out, first + t)
        value = multiply_add(load_entries(features, i + t), p, value)
        value = multiply_add(load_entries(features, j + t), q, value)
        value = multiply_add(load_entries(features, k + t), r, value)
        store_entries(out, first + t, multiply_add(load_entries(features, m + t), s, value))


@elementary
def add_one(
    factor: float, scores: Reals, place: int, features: Matrix, i: int, out: Matrix, first: int, width: int
) -> None:
    """The same with one row."""
    compact()
    p = factor * spread_entry(scores, place)
    rest = width % SAMPLES
    t = width - rest
    if rest:
        value = multiply_add(load_some(features, i + t, rest), p, load_some(out, first + t, rest))
        store_some(out, first + t, rest, value)
    for t in range(0, width - rest, SAMPLES):
        row = load_entries(features, i + t)
        store_entries(out, first + t, multiply_add(row, p, load_entries(out, first + t)))


@elementary
def rows_now(counts: Integers, i: int, start: int) -> Any:
    """Rows of node i from ``start`` on that are taken together."""
    return max(min(counts[np.uint64(i)] - start, MOST_ROWS), 0)


@elementary
def score_rows(
    x: Matrix,
    n_scores: int,
    features: Matrix,
    targets: Reals,
    rows: Integers,
    counts: Integers,
    start: int,
    scores: Reals,
    labels: Reals,
) -> int:
    """Scores at x[i], a row's side by side, and targets of rows[i, start : start + MOST_ROWS]; how many."""
    compact()
    width, n, stride = features.shape[1], 0, np.uint64(n_scores)
    for i in range(x.shape[0]):
        node, count = np.uint64(i), rows_now(counts, i, start)
        fours = count - count % 4
        for q in range(0, fours, 4):
            u, place = np.uint64(start + q), np.uint64(n + q)
            a, b, c, d = rows[node, u], rows[node, u + _1], rows[node, u + _2], rows[node, u + _3]
            labels[place], labels[place + _1] = targets[np.uint64(a)], targets[np.uint64(b)]
            labels[place + _2], labels[place + _3] = targets[np.uint64(c)], targets[np.uint64(d)]
            a, b, c, d = a * width, b * width, c * width, d * width
            for label in range(n_scores):
                v = place * stride + np.uint64(label)
                four = score_four(features, a, b, c, d, x, i * x.shape[1] + label * width, width)
                scores[v], scores[v + stride] = four[0], four[1]
                scores[v + _2 * stride], scores[v + _3 * stride] = four[2], four[3]
        for q in range(fours, count):
            row, place = rows[node, np.uint64(start + q)], np.uint64(n + q)
            labels[place] = targets[np.uint64(row)]
            for label in range(n_scores):
                first = i * x.shape[1] + label * width
                scores[place * stride + np.uint64(label)] = score_one(features, row * width, x, first, width)
        n += count
    return n


@elementary
def add_rows(
    factors: Reals,
    scores: Reals,
    n_scores: int,
    features: Matrix,
    rows: Integers,
    counts: Integers,
    start: int,
    out: Matrix,
) -> None:
    """Add to out[i] the mean over its minibatch, times factors[i], of the same rows times their scores."""
    compact()
    width, n = features.shape[1], 0
    for i in range(out.shape[0]):
        node, count = np.uint64(i), rows_now(counts, i, start)
        fours = count - count % 4
        factor = factors[node] / counts[node]
        for q in range(0, fours, 4):
            u = np.uint64(start + q)
            a, b = rows[node, u] * width, rows[node, u + _1] * width
            c, d = rows[node, u + _2] * width, rows[node, u + _3] * width
            for label in range(n_scores):
                place, first = (n + q) * n_scores + label, i * out.shape[1] + label * width
                add_four(factor, scores, place, n_scores, features, a, b, c, d, out, first, width)
        for q in range(fours, count):
            a = rows[node, np.uint64(start + q)] * width
            for label in range(n_scores):
                place, first = (n + q) * n_scores + label, i * out.shape[1] + label * width
                add_one(factor, scores, place, features, a, out, first, width)
        n += count


@elementary
def add_ridge(ridge: float, x: Matrix, factors: Reals, out: Matrix) -> None:
    """out[i] += factors[i]·ridge·x[i]."""
    compact()
    width = x.shape[1]
    rest = width % SAMPLES
    for i in range(x.shape[0]):
        factor, last = factors[np.uint64(i)] * ridge, (i + 1) * width - rest
        if rest:
            value = load_some(out, last, rest) + factor * load_some(x, last, rest)
            store_some(out, last, rest, value)
        for t in range(i * width, last, SAMPLES):
            store_entries(out, t, load_entries(out, t) + factor * load_entries(x, t))


@exact
def add_gradients(
    oracle: tuple[bool, float, Any, Any],
    x: Matrix,
    dim: int,
    features: Matrix,
    targets: Reals,
    rows: Integers,
    counts: Integers,
    factors: Reals,
    work: Reals,
    out: Matrix,
) -> None:
    """out[i] += factors[i] · mean gradient at x[i] over rows[i, :counts[i]]; out is not x.

    The oracle is (linear, ridge, link, gradient), the last two pointers. A linear model's gradient is the
    link of a row's scores times the row, plus ridge·x[i]; ``link(scores, labels, n, n_scores)`` works in
    place. Of any other loss ``gradient`` does all of it.
    """
    kept_apart()
    wide_vectors()
    compact()
    linear, ridge, link, gradient = oracle
    if not linear:
        gradient(x, dim, features, targets, rows, counts, factors, work, out)
        return
    x, features, targets, rows = borrow(x), borrow(features), borrow(targets), borrow(rows)
    counts, factors, work, out = borrow(counts), borrow(factors), borrow(work), borrow(out)
    most, n_scores = MOST_NODES * MOST_ROWS, dim // features.shape[1]
    labels, scores = work[:most], work[most:]
    if ridge > 0.0:
        add_ridge(ridge, x, factors, out)
    for start in range(0, largest(counts), MOST_ROWS):
        n = score_rows(x, n_scores, features, targets, rows, counts, start, scores, labels)
        if n_scores == 1:
            # Whole registers: the last one's other places repeat a sample, and nobody reads them.
            last = np.uint64(n - 1)
            for q in range(n, padded(n)):
                scores[np.uint64(q)], labels[np.uint64(q)] = scores[last], labels[last]
            n = padded(n)
        link(scores, labels, n, n_scores)
        add_rows(factors, scores, n_scores, features, rows, counts, start, out)
