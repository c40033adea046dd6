"""Laws of one sample: factories of compiled sample(normals, uniforms, node, a), which fills a and returns y.

A distribution of one number is a compiled draw(normals, i, uniforms, j), reading from normals[i] or
uniforms[j] on.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

Draw = Callable[..., Any]


@cache
def gaussian(std: float) -> Draw:
    """N(0, std²)."""

    @inlined
    def draw(normals: Reals, i: int, uniforms: Reals, j: int) -> float:
        return float(std * normals[i])

    return draw


@cache
def student_t(df: float, scale: float) -> Draw:
    """Student's t by Bailey's polar formula, two uniforms and no rejection."""

    @inlined
    def draw(normals: Reals, i: int, uniforms: Reals, j: int) -> float:
        # df (U^(−2/df) − 1) without cancellation where U is near 1.
        squared = df * math.expm1(-2.0 / df * math.log(uniforms[j]))
        return float(scale * math.sqrt(squared) * math.cos(2.0 * math.pi * uniforms[j + 1]))

    return draw


@cache
def rademacher(scale: float) -> Draw:
    """A sign."""

    @inlined
    def draw(normals: Reals, i: int, uniforms: Reals, j: int) -> float:
        return scale if uniforms[j] > 0.5 else -scale

    return draw


@cache
def uniform(half_width: float) -> Draw:
    """Uniform about 0."""

    @inlined
    def draw(normals: Reals, i: int, uniforms: Reals, j: int) -> float:
        return float(half_width * (2.0 * uniforms[j] - 1.0))

    return draw


def linear(features: Draw, n_normals: int, n_uniforms: int, noise: Draw, truth: Matrix) -> Draw:
    """Features with a linear target and noise; ``truth`` has a row for each node, or one for all."""
    n_rows = truth.shape[0]

    @inlined
    def sample(normals: Reals, uniforms: Reals, node: int, a: Reals) -> float:
        row, total = node % n_rows, 0.0
        for j in range(a.size):
            a[j] = features(normals, j * n_normals, uniforms, j * n_uniforms)
            total += a[j] * truth[row, j]
        return float(total + noise(normals, a.size * n_normals, uniforms, a.size * n_uniforms))

    return sample


def logistic(features: Draw, n_normals: int, n_uniforms: int, truth: Matrix) -> Draw:
    """Features with a label −1 or 1, whose log odds are linear."""
    n_rows = truth.shape[0]

    @inlined
    def sample(normals: Reals, uniforms: Reals, node: int, a: Reals) -> float:
        row, total = node % n_rows, 0.0
        for j in range(a.size):
            a[j] = features(normals, j * n_normals, uniforms, j * n_uniforms)
            total += a[j] * truth[row, j]
        return 1.0 if uniforms[a.size * n_uniforms] * (1.0 + math.exp(-total)) <= 1.0 else -1.0

    return sample
