"""Losses of one sample: factories of compiled gradient(x, a, y, out), value(x, a, y), hessian(x, a, y, out).

A loss of a linear model, phi(aᵀx, y) + ½ ridge ‖x‖², is made from phi and its two derivatives in aᵀx.
Equal parameters give the same functions, so that nothing is compiled twice.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

# value, gradient and hessian of a whole loss; or phi, slope and curvature of a linear model's.
Three = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]


@cache
def linear_model(phi: Three, ridge: float) -> Three:
    """phi(aᵀx, y) + ½ ridge ‖x‖²."""
    of_sample, slope, curvature = phi

    @inlined
    def prediction(x: Reals, a: Reals) -> float:
        total = 0.0
        for j in range(a.size):
            total += a[j] * x[j]
        return total

    @inlined
    def value(x: Reals, a: Reals, y: float) -> float:
        square = 0.0
        for j in range(x.size):
            square += x[j] * x[j]
        return float(of_sample(prediction(x, a), y) + 0.5 * ridge * square)

    @inlined
    def gradient(x: Reals, a: Reals, y: float, out: Reals) -> None:
        factor = slope(prediction(x, a), y)
        if ridge == 0.0:  # known when compiled
            for j in range(a.size):
                out[j] = factor * a[j]
        else:
            for j in range(a.size):
                out[j] = factor * a[j] + ridge * x[j]

    @inlined
    def hessian(x: Reals, a: Reals, y: float, out: Matrix) -> None:
        factor = curvature(prediction(x, a), y)
        for i in range(a.size):
            for j in range(a.size):
                out[i, j] = factor * a[i] * a[j]
            out[i, i] += ridge

    return value, gradient, hessian


@inlined
def square(s: float, y: float) -> float:
    """½ (s − y)²."""
    return 0.5 * (s - y) * (s - y)


@inlined
def square_slope(s: float, y: float) -> float:
    """Derivative of :func:`square`."""
    return s - y


@inlined
def square_curvature(s: float, y: float) -> float:
    """Second derivative of :func:`square`."""
    return 1.0


@cache
def pure_square(curvature: float) -> Three:
    """½ curvature · s², whatever the target: what is left of a loss far from its minimum."""

    @inlined
    def phi(s: float, y: float) -> float:
        return 0.5 * curvature * s * s

    @inlined
    def slope(s: float, y: float) -> float:
        return curvature * s

    @inlined
    def second(s: float, y: float) -> float:
        return curvature

    return phi, slope, second


@cache
def penalty(ridge: float) -> tuple[Any, Any]:
    """½ ridge ‖x‖² and its gradient, as functions of x and of a sample that does not matter."""

    @inlined
    def value(x: Reals, a: Reals, y: float) -> float:
        square = 0.0
        for j in range(x.size):
            square += x[j] * x[j]
        return 0.5 * ridge * square

    @inlined
    def gradient(x: Reals, a: Reals, y: float, out: Reals) -> None:
        for j in range(x.size):
            out[j] = ridge * x[j]

    return value, gradient


@inlined
def log_loss(s: float, y: float) -> float:
    """log(1 + exp(−y s)), y = ±1."""
    margin = y * s
    return max(-margin, 0.0) + math.log1p(math.exp(-abs(margin)))


@inlined
def log_loss_slope(s: float, y: float) -> float:
    """Derivative of :func:`log_loss`."""
    return -y / (1.0 + math.exp(y * s))


@inlined
def log_loss_curvature(s: float, y: float) -> float:
    """Second derivative of :func:`log_loss`."""
    tail = math.exp(-abs(s))
    return tail / ((1.0 + tail) * (1.0 + tail))


@cache
def huber(threshold: float) -> Three:
    """½ r² for |r| ≤ threshold, linear beyond; r = s − y."""

    @inlined
    def phi(s: float, y: float) -> float:
        r = abs(s - y)
        return 0.5 * r * r if r <= threshold else threshold * (r - 0.5 * threshold)

    @inlined
    def slope(s: float, y: float) -> float:
        return min(max(s - y, -threshold), threshold)

    @inlined
    def curvature(s: float, y: float) -> float:
        return 1.0 if abs(s - y) <= threshold else 0.0

    return phi, slope, curvature


@cache
def welsch(scale: float) -> Three:
    """½ scale² (1 − exp(−(r / scale)²)); r = s − y."""

    @inlined
    def phi(s: float, y: float) -> float:
        u = (s - y) / scale
        return -0.5 * scale * scale * math.expm1(-u * u)

    @inlined
    def slope(s: float, y: float) -> float:
        u = (s - y) / scale
        return (s - y) * math.exp(-u * u)

    @inlined
    def curvature(s: float, y: float) -> float:
        u = (s - y) / scale
        return (1.0 - 2.0 * u * u) * math.exp(-u * u)

    return phi, slope, curvature


@cache
def tukey(scale: float) -> Three:
    """(scale² / 6)(1 − (1 − (r / scale)²)³) for |r| ≤ scale, constant beyond; r = s − y."""

    @inlined
    def phi(s: float, y: float) -> float:
        u = (s - y) / scale
        inside = max(1.0 - u * u, 0.0)
        return scale * scale / 6.0 * (1.0 - inside * inside * inside)

    @inlined
    def slope(s: float, y: float) -> float:
        u = (s - y) / scale
        inside = max(1.0 - u * u, 0.0)
        return (s - y) * inside * inside

    @inlined
    def curvature(s: float, y: float) -> float:
        u = (s - y) / scale
        inside = max(1.0 - u * u, 0.0)
        return inside * (1.0 - 5.0 * u * u)

    return phi, slope, curvature


@cache
def quantile(level: float) -> Three:
    """level·(y − s) where y ≥ s, else (1 − level)·(s − y)."""

    @inlined
    def phi(s: float, y: float) -> float:
        return max(level * (y - s), (level - 1.0) * (y - s))

    @inlined
    def slope(s: float, y: float) -> float:
        if s == y:
            return 0.0
        return -level if y > s else 1.0 - level

    @inlined
    def curvature(s: float, y: float) -> float:
        return 0.0

    return phi, slope, curvature


@inlined
def softmax_slopes(scores: Reals, y: float) -> None:
    """Turn scores into the derivatives of −log softmax(scores)_y."""
    largest, total = -math.inf, 0.0
    for label in range(scores.size):
        largest = max(largest, scores[label])
    for label in range(scores.size):
        scores[label] = math.exp(scores[label] - largest)
        total += scores[label]
    for label in range(scores.size):
        scores[label] /= total
    scores[int(y)] -= 1.0


@cache
def multinomial(n_classes: int, ridge: float) -> Three:
    """−log softmax(X a)_y + ½ ridge ‖X‖², X the (n_classes, a.size) matrix whose rows x holds."""

    @inlined
    def score(x: Reals, a: Reals, label: int) -> float:
        first, total = label * a.size, 0.0
        for j in range(a.size):
            total += a[j] * x[first + j]
        return total

    @inlined
    def value(x: Reals, a: Reals, y: float) -> float:
        largest, total = -math.inf, 0.0
        for label in range(n_classes):
            s = score(x, a, label)
            if s > largest:
                total, largest = total * math.exp(largest - s) + 1.0, s
            else:
                total += math.exp(s - largest)
        square = 0.0
        for j in range(x.size):
            square += x[j] * x[j]
        return float(largest + math.log(total) - score(x, a, int(y)) + 0.5 * ridge * square)

    @inlined
    def gradient(x: Reals, a: Reals, y: float, out: Reals) -> None:
        scores = np.empty(n_classes)
        for label in range(n_classes):
            scores[label] = score(x, a, label)
        softmax_slopes(scores, y)
        for label in range(n_classes):
            first = label * a.size
            for j in range(a.size):
                out[first + j] = scores[label] * a[j] + ridge * x[first + j]

    @inlined
    def hessian(x: Reals, a: Reals, y: float, out: Matrix) -> None:
        shares = np.empty(n_classes)
        for label in range(n_classes):
            shares[label] = score(x, a, label)
        softmax_slopes(shares, y)
        shares[int(y)] += 1.0
        for row in range(n_classes):
            for column in range(n_classes):
                factor = shares[row] * ((1.0 if row == column else 0.0) - shares[column])
                for i in range(a.size):
                    for j in range(a.size):
                        out[row * a.size + i, column * a.size + j] = factor * a[i] * a[j]
        for i in range(x.size):
            out[i, i] += ridge

    return value, gradient, hessian
