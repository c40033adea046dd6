"""From one sample to many: what the step loops call through a pointer.

The loops are compiled once and kept on disk, whatever the loss and the law of the data; these few lines
are what is compiled for each, with the user's function folded into them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import prange, types

from ._jit import Integers, Matrix, Reals, adopted, kernel, pointer
from ._math import wide_vectors

_VECTOR, _MATRIX, _ROWS = types.float64[::1], types.float64[:, ::1], types.int64[::1]
GRADIENT = types.void(_VECTOR, _MATRIX, _VECTOR, _ROWS, types.int64, _MATRIX, _VECTOR)
VALUE = types.float64(_VECTOR, _MATRIX, _VECTOR, types.int64, types.int64)
HESSIAN = types.void(_VECTOR, _MATRIX, _VECTOR, types.int64, types.int64, _MATRIX, _MATRIX)
LAW = types.void(_VECTOR, _VECTOR, types.int64, types.int64, _MATRIX, _VECTOR)

# Samples whose gradients are added up together.
FOUR = 4


@cache
def mean_gradient(gradient: Callable[..., Any]) -> Any:
    """Pointer to the mean of gradient(x, a, y, out) over the first ``count`` of ``rows``.

    Gradients are written to FOUR rows of ``samples`` and added up from there together, which spares the
    memory most of the sum's own coming and going.
    """
    of_sample = adopted(gradient)

    @pointer(GRADIENT)
    def mean(
        x: Reals, features: Matrix, targets: Reals, rows: Integers, count: int, samples: Matrix, out: Reals
    ) -> None:
        wide_vectors()
        factor = 1.0 / count
        for t in range(out.size):
            out[t] = 0.0
        for start in range(0, count, FOUR):
            last = min(start + FOUR, count)
            for q in range(start, last):
                of_sample(x, features[rows[q]], targets[rows[q]], samples[q - start])
            if last == start + FOUR:
                for t in range(out.size):
                    four = (samples[0, t] + samples[1, t]) + (samples[2, t] + samples[3, t])
                    out[t] += factor * four
            else:
                for q in range(last - start):
                    for t in range(out.size):
                        out[t] += factor * samples[q, t]

    return mean


@cache
def mean_linear_gradient(slope: Callable[..., Any], ridge: float) -> Any:
    """The same for slope(aᵀx, y)·a + ridge·x: FOUR samples at a time, so that none waits for another."""
    of_prediction = adopted(slope)

    @pointer(GRADIENT)
    def mean(
        x: Reals, features: Matrix, targets: Reals, rows: Integers, count: int, samples: Matrix, out: Reals
    ) -> None:
        wide_vectors()
        for t in range(out.size):
            out[t] = ridge * x[t]
        for start in range(0, count - FOUR + 1, FOUR):
            i, j, k, m = rows[start], rows[start + 1], rows[start + 2], rows[start + 3]
            p, q, r, s = 0.0, 0.0, 0.0, 0.0
            for t in range(x.size):
                p += features[i, t] * x[t]
                q += features[j, t] * x[t]
                r += features[k, t] * x[t]
                s += features[m, t] * x[t]
            p = of_prediction(p, targets[i]) / count
            q = of_prediction(q, targets[j]) / count
            r = of_prediction(r, targets[k]) / count
            s = of_prediction(s, targets[m]) / count
            for t in range(x.size):
                two = p * features[i, t] + q * features[j, t]
                out[t] += two + (r * features[k, t] + s * features[m, t])
        for start in range(count - count % FOUR, count):
            i, p = rows[start], 0.0
            for t in range(x.size):
                p += features[i, t] * x[t]
            p = of_prediction(p, targets[i]) / count
            for t in range(x.size):
                out[t] += p * features[i, t]

    return mean


@cache
def mean_scores_gradient(slopes: Callable[..., Any], ridge: float) -> Any:
    """The same for a matrix x = X: slopes(scores, y) turns the scores X a into the factors of a in place."""
    of_scores = adopted(slopes)

    @pointer(GRADIENT)
    def mean(
        x: Reals, features: Matrix, targets: Reals, rows: Integers, count: int, samples: Matrix, out: Reals
    ) -> None:
        wide_vectors()
        width = features.shape[1]
        n_scores = x.size // width
        for t in range(out.size):
            out[t] = ridge * x[t]
        for start in range(0, count, FOUR):
            last = min(start + FOUR, count)
            for c in range(n_scores):
                for q in range(start, last):
                    total = 0.0
                    for t in range(width):
                        total += features[rows[q], t] * x[c * width + t]
                    samples[q - start, c] = total
            for q in range(start, last):
                of_scores(samples[q - start, :n_scores], targets[rows[q]])
            if last < start + FOUR:
                for c in range(n_scores):
                    for q in range(start, last):
                        p = samples[q - start, c] / count
                        for t in range(width):
                            out[c * width + t] += p * features[rows[q], t]
                continue
            i, j, k, m = rows[start], rows[start + 1], rows[start + 2], rows[start + 3]
            for c in range(n_scores):
                p, q0 = samples[0, c] / count, samples[1, c] / count
                r, s = samples[2, c] / count, samples[3, c] / count
                for t in range(width):
                    two = p * features[i, t] + q0 * features[j, t]
                    out[c * width + t] += two + (r * features[k, t] + s * features[m, t])

    return mean


@cache
def mean_value(value: Callable[..., Any]) -> Any:
    """Pointer to the mean of value(x, a, y) over rows ``first`` … ``last`` - 1."""
    of_sample = adopted(value)

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
    of_sample = adopted(hessian)

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
    one = adopted(sample)

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


@cache
def draw_nothing() -> Any:
    """Pointer that stands for a law where the data are finite."""

    @pointer(LAW)
    def draw(
        normals: Reals, uniforms: Reals, node: int, count: int, features: Matrix, targets: Reals
    ) -> None:
        return

    return draw


@kernel(parallel=True)
def evaluate_gradients(
    gradient: Any,
    points: Matrix,
    first: Integers,
    last: Integers,
    features: Matrix,
    targets: Reals,
    out: Matrix,
) -> None:
    """out[i] = mean gradient at points[i] over rows first[i] … last[i] - 1."""
    for i in prange(points.shape[0]):
        count = last[i] - first[i]
        rows, samples = np.arange(first[i], last[i]), np.full((FOUR, points.shape[1]), np.nan)
        gradient(points[i], features, targets, rows, count, samples, out[i])


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
