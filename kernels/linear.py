"""Linear models on the minibatches of a few nodes: scores of rows, and sums of rows, in whole registers.

A node's iterate holds one vector of weights per score, one after the other; a row's score is their inner
product. Scores of all nodes lie together, so that what is done to each takes full registers too.

``places`` hold where in ``features`` the rows begin; all positions are flat.
"""

from typing import Any

import numpy as np

from ._jit import Integers, Matrix, Reals, elementary
from ._lanes import (
    SAMPLES,
    load_entries,
    load_some,
    multiply_add,
    spread_entry,
    store_entries,
    store_some,
    total,
    zeros,
)

# Rows of one node, and nodes, whose scores are held at once.
MOST_ROWS, MOST_NODES = 8, 8

_1, _2, _3 = np.uint64(1), np.uint64(2), np.uint64(3)


@elementary
def score_four(
    features: Matrix, i: int, j: int, k: int, m: int, x: Matrix, first: int, width: int
) -> tuple[float, float, float, float]:
    """Inner products of x[first : first + width] with the rows of features from i, j, k and m on."""
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
    return total(p), total(q), total(r), total(s)


@elementary
def score_one(features: Matrix, i: int, x: Matrix, first: int, width: int) -> float:
    """The same with one row."""
    p = zeros()
    rest = width % SAMPLES
    t = width - rest
    if rest:
        p = multiply_add(load_some(features, i + t, rest), load_some(x, first + t, rest), p)
    for t in range(0, width - rest, SAMPLES):
        p = multiply_add(load_entries(features, i + t), load_entries(x, first + t), p)
    return float(total(p))


@elementary
def rows_now(counts: Integers, i: int, start: int) -> Any:
    """Rows of node i from ``start`` on that are taken together."""
    return max(min(counts[np.uint64(i)] - start, MOST_ROWS), 0)


@elementary
def score_rows(
    x: Matrix, n_scores: int, features: Matrix, places: Integers, counts: Integers, start: int, scores: Reals
) -> None:
    """Scores of the rows at ``places`` at the nodes' x, those of a row side by side."""
    width, n = features.shape[1], 0
    for i in range(x.shape[0]):
        last = n + rows_now(counts, i, start)
        fours = last - (last - n) % 4
        for q in range(n, fours, 4):
            u = np.uint64(q)
            a, b, c, d = places[u], places[u + _1], places[u + _2], places[u + _3]
            for label in range(n_scores):
                v, first = np.uint64(q * n_scores + label), i * x.shape[1] + label * width
                s = np.uint64(n_scores)
                (
                    scores[v],
                    scores[v + s],
                    scores[v + _2 * s],
                    scores[v + _3 * s],
                ) = score_four(features, a, b, c, d, x, first, width)
        for q in range(fours, last):
            for label in range(n_scores):
                scores[np.uint64(q * n_scores + label)] = score_one(
                    features, places[np.uint64(q)], x, i * x.shape[1] + label * width, width
                )
        n = last


@elementary
def add_four(
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
    """Add four rows, each times its score, to out[first : first + width]."""
    p, q = spread_entry(scores, place), spread_entry(scores, place + n_scores)
    r, s = spread_entry(scores, place + 2 * n_scores), spread_entry(scores, place + 3 * n_scores)
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
def add_one(scores: Reals, place: int, features: Matrix, i: int, out: Matrix, first: int, width: int) -> None:
    """The same with one row."""
    p = spread_entry(scores, place)
    rest = width % SAMPLES
    t = width - rest
    if rest:
        value = multiply_add(load_some(features, i + t, rest), p, load_some(out, first + t, rest))
        store_some(out, first + t, rest, value)
    for t in range(0, width - rest, SAMPLES):
        row = load_entries(features, i + t)
        store_entries(out, first + t, multiply_add(row, p, load_entries(out, first + t)))


@elementary
def add_rows(
    scores: Reals,
    n_scores: int,
    features: Matrix,
    places: Integers,
    counts: Integers,
    start: int,
    out: Matrix,
) -> None:
    """Add to the nodes' out the rows at ``places``, each times what its scores have become."""
    width, n = features.shape[1], 0
    for i in range(out.shape[0]):
        last = n + rows_now(counts, i, start)
        fours = last - (last - n) % 4
        for q in range(n, fours, 4):
            u = np.uint64(q)
            a, b, c, d = places[u], places[u + _1], places[u + _2], places[u + _3]
            for label in range(n_scores):
                first = i * out.shape[1] + label * width
                add_four(scores, q * n_scores + label, n_scores, features, a, b, c, d, out, first, width)
        for q in range(fours, last):
            for label in range(n_scores):
                first = i * out.shape[1] + label * width
                add_one(scores, q * n_scores + label, features, places[np.uint64(q)], out, first, width)
        n = last


@elementary
def add_ridge(ridge: float, x: Matrix, factors: Reals, weights: Reals, out: Matrix) -> None:
    """out[i] += factors[i]·ridge·x[i]; ``weights`` is somewhere to work."""
    if ridge == 0.0:  # known when compiled
        return
    width = x.shape[1]
    for i in range(x.shape[0]):
        weights[0] = ridge * factors[i]
        add_one(weights, 0, x, i * width, out, i * width, width)


@elementary
def take_rows(
    rows: Integers,
    counts: Integers,
    factors: Reals,
    start: int,
    width: int,
    targets: Reals,
    places: Integers,
    labels: Reals,
    weights: Reals,
) -> int:
    """Where rows[i, start : start + MOST_ROWS] begin, their targets and shares of factors[i]; how many."""
    n: Any = np.uint64(0)
    for i in range(factors.size):
        weight = factors[np.uint64(i)] / counts[np.uint64(i)]
        for q in range(rows_now(counts, i, start)):
            row = rows[np.uint64(i), np.uint64(start + q)]
            places[n], labels[n], weights[n] = row * width, targets[np.uint64(row)], weight
            n += _1
    return int(np.int64(n))
