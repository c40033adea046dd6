"""From one sample to many: what the step loops call through a pointer.

The loops are compiled once and kept on disk, whatever the loss and the law of the data; these few lines
are what is compiled for each, with the user's function folded into them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import prange, types

from desgd_fast.kernels.gradients.linear import MOST_NODES, MOST_ROWS, add_gradients
from desgd_fast.kernels.jit.adoption import adopted, attempt
from desgd_fast.kernels.jit.arithmetic import borrow, entries, kept_apart, wide_vectors
from desgd_fast.kernels.jit.compile import Absent, Integers, Matrix, Reals, elementary, exact, kernel, pointer
from desgd_fast.kernels.loops.steps import padded

_VECTOR, _MATRIX, _ROWS = types.float64[::1], types.float64[:, ::1], types.int64[::1]
_MANY_ROWS = types.int64[:, ::1]
GRADIENT = types.void(_MATRIX, types.int64, _MATRIX, _VECTOR, _MANY_ROWS, _ROWS, _VECTOR, _VECTOR, _MATRIX)
LINK = types.void(_VECTOR, _VECTOR, types.int64, types.int64)
VALUE = types.float64(_VECTOR, _MATRIX, _VECTOR, types.int64, types.int64)
HESSIAN = types.void(_VECTOR, _MATRIX, _VECTOR, types.int64, types.int64, _MATRIX, _MATRIX)
LAW = types.void(_VECTOR, _VECTOR, types.int64, types.int64, _MATRIX, _VECTOR)

# Told in :func:`.linear.add_gradients`.
Oracle = tuple[bool, float, Any, Any]

# What stands for a link, a gradient or a law where there is none.
NO_LINK, NO_GRADIENT, NO_LAW = Absent(LINK), Absent(GRADIENT), Absent(LAW)

# Samples whose gradients are added up together.
FOUR = 4
_0, _2, _3 = np.uint64(0), np.uint64(2), np.uint64(3)


@exact
def work_size(dim: int, n_features: int) -> int:
    """Entries of ``work`` that :func:`add_gradients` needs for iterates of so many coordinates."""
    return padded(max(FOUR * dim, MOST_NODES * MOST_ROWS * (dim // n_features + 1)))


def _returning(function: Callable[..., Any]) -> Any:
    """Somebody's function that returns a number; where it raises, nan, since kernels have nobody to tell."""
    ours = adopted(function)

    @elementary
    def evaluate(*args: Any) -> Any:
        result, raised = attempt(ours, args)
        return np.nan if raised else float(result)

    return evaluate


def _writing(function: Callable[..., Any], place: int) -> Any:
    """Somebody's function that fills the argument at this place; where it raises, the first entry is nan."""
    ours = adopted(function)

    @elementary
    def fill(*args: Any) -> None:
        if attempt(ours, args)[1]:
            entries(args[place], 0, 1)[_0] = np.nan

    return fill


@cache
def free_gradients(gradient: Callable[..., Any]) -> Any:
    """Pointer to out[i] += factors[i] · mean of gradient(x[i], a, y, ·) over rows[i, :counts[i]].

    x[i] has ``dim`` coordinates and may have some more places; out is not x. Gradients are written to
    FOUR parts of ``work`` and added up from there together, which spares the memory most of the sum's own
    coming and going.
    """
    of_sample = _writing(gradient, -1)

    @pointer(GRADIENT)
    def add(
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
        wide_vectors()
        kept_apart()  # from a caller in C that has no wide vectors
        x, features, targets, rows = borrow(x), borrow(features), borrow(targets), borrow(rows)
        counts, factors, work, out = borrow(counts), borrow(factors), borrow(work), borrow(out)
        n_features, part = features.shape[1], np.uint64(dim)
        for i in range(np.uint64(x.shape[0])):
            point, factor = entries(x, i * x.shape[1], dim), factors[i] / counts[i]
            fours = counts[i] - counts[i] % FOUR
            for start in range(0, fours, FOUR):
                for q in range(FOUR):
                    row = np.uint64(rows[i, np.uint64(start + q)])
                    sample = entries(features, row * n_features, n_features)
                    of_sample(point, sample, targets[row], entries(work, q * dim, dim))
                for t in range(part):
                    four = (work[t] + work[part + t]) + (work[_2 * part + t] + work[_3 * part + t])
                    out[i, t] += factor * four
            for q in range(fours, counts[i]):
                row = np.uint64(rows[i, np.uint64(q)])
                sample = entries(features, row * n_features, n_features)
                of_sample(point, sample, targets[row], entries(work, 0, dim))
                for t in range(part):
                    out[i, t] += factor * work[t]

    return add


@cache
def link_slopes(slope: Callable[..., Any]) -> Any:
    """Pointer to scores[q] = slope(scores[q], labels[q]), q < n, for a model with one score."""
    of_score = _returning(slope)

    @pointer(LINK)
    def link(scores: Reals, labels: Reals, n: int, n_scores: int) -> None:
        wide_vectors()
        for q in range(n):
            u = np.uint64(q)
            scores[u] = of_score(scores[u], labels[u])

    return link


@cache
def link_scores(slopes: Callable[..., Any]) -> Any:
    """Pointer to slopes(scores, label) on the scores of each of n samples, for a model with several."""
    of_scores = _writing(slopes, 0)

    @pointer(LINK)
    def link(scores: Reals, labels: Reals, n: int, n_scores: int) -> None:
        wide_vectors()
        for q in range(n):
            of_scores(scores[q * n_scores : (q + 1) * n_scores], labels[q])

    return link


@cache
def mean_value(value: Callable[..., Any]) -> Any:
    """Pointer to the mean of value(x, a, y) over rows ``first`` … ``last`` - 1."""
    of_sample = _returning(value)

    @pointer(VALUE)
    def mean(x: Reals, features: Matrix, targets: Reals, first: int, last: int) -> float:
        total = 0.0
        for row in range(first, last):
            total += of_sample(x, features[row], targets[row])
        return total / (last - first)

    return mean


@cache
def mean_hessian(hessian: Callable[..., Any]) -> Any:
    """Pointer to the mean of hessian(x, a, y, out) over rows ``first`` … ``last`` - 1."""
    of_sample = _writing(hessian, -1)

    @pointer(HESSIAN)
    def mean(
        x: Reals, features: Matrix, targets: Reals, first: int, last: int, sample: Matrix, out: Matrix
    ) -> None:
        of_sample(x, features[first], targets[first], out)
        for row in range(first + 1, last):
            of_sample(x, features[row], targets[row], sample)
            for i in range(x.size):
                for j in range(x.size):
                    out[i, j] += sample[i, j]
        for i in range(x.size):
            for j in range(x.size):
                out[i, j] /= last - first

    return mean


@cache
def draw_samples(sample: Callable[..., Any], n_normals: int, n_uniforms: int) -> Any:
    """Pointer to ``count`` calls of y = sample(normals, uniforms, node, a), each with variates of its own."""
    one = _returning(sample)

    @pointer(LAW)
    def draw(
        normals: Reals, uniforms: Reals, node: int, count: int, features: Matrix, targets: Reals
    ) -> None:
        for q in range(count):
            targets[q] = one(
                normals[q * n_normals : (q + 1) * n_normals],
                uniforms[q * n_uniforms : (q + 1) * n_uniforms],
                node,
                features[q],
            )

    return draw


@kernel(parallel=True)
def evaluate_gradients(
    oracle: Oracle,
    points: Matrix,
    first: Integers,
    last: Integers,
    features: Matrix,
    targets: Reals,
    out: Matrix,
) -> None:
    """out[i] += mean gradient at points[i] over rows first[i] … last[i] - 1."""
    for i in prange(points.shape[0]):
        dim = points.shape[1]
        rows, work = np.empty((1, last[i] - first[i]), np.int64), np.empty(work_size(dim, features.shape[1]))
        counts, factors = np.empty(1, np.int64), np.empty(1)
        counts[0], factors[0] = rows.size, 1.0
        for q in range(rows.size):
            rows[0, q] = first[i] + q
        # What a gradient leaves unwritten shows.
        for t in range(work.size):
            work[t] = np.nan
        point, total = points[i : i + 1], out[i : i + 1]
        add_gradients(oracle, point, dim, features, targets, rows, counts, factors, work, total)


@kernel(parallel=True)
def evaluate_values(
    value: Any,
    points: Matrix,
    first: Integers,
    last: Integers,
    features: Matrix,
    targets: Reals,
    out: Reals,
) -> None:
    """out[i] = mean value at points[i] over rows first[i] … last[i] - 1."""
    for i in prange(points.shape[0]):
        out[i] = value(points[i], features, targets, first[i], last[i])


@kernel()
def evaluate_hessian(hessian: Any, point: Reals, features: Matrix, targets: Reals, out: Matrix) -> None:
    """out = mean hessian at the point over all rows."""
    hessian(point, features, targets, 0, targets.size, np.empty(out.shape), out)


@kernel()
def draw_law(draw: Any, normals: Reals, uniforms: Reals, node: int, features: Matrix, targets: Reals) -> None:
    """Samples of one node into the rows of features and targets."""
    draw(normals, uniforms, node, targets.size, features, targets)
