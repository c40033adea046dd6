"""Directions scaled: by constants for each coordinate, by the size of the first gradient, or looked ahead."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from numpy.typing import ArrayLike

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.algorithms.compression.memory import compilable
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _preconditioned(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(direction.size):
        direction[t] *= parameters[t]


def preconditioned(factors: ArrayLike) -> Algorithm:
    """Every coordinate of the direction times a constant of its own: mirror descent with a quadratic mirror.

    Two time scales (TTUR of Heusel et al., NeurIPS 2017) are two different constants.

    Parameters
    ----------
    factors : (dim,) array
        Above zero.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.preconditioned([1.0, 0.25]).degree
    'linear'
    """
    array = checks.factors("factors", factors)
    count = len(array)
    return Algorithm(
        (
            Part(
                "preconditioned",
                _preconditioned,
                tuple(map(float, array)),
                equivariant=False,
                refuses=lambda dim: None if dim == count else f"has {count} factors",
            ),
        )
    )


@inlined
def _optimistic(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    last = memory[0]
    for t in range(direction.size):
        gradient = direction[t]
        direction[t] = 2 * gradient - last[t]
        last[t] = gradient


def optimistic() -> Algorithm:
    """2g − (g of the step before): optimistic mirror descent, unconstrained (Daskalakis et al., ICLR 2018).

    The first step's is 2g.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.optimistic().degree
    'linear'
    """
    return Algorithm((Part("optimistic", _optimistic, memory=1, role="direction"),))


@inlined
def _signal_to_noise(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    begin, dim = memory[0], direction.size
    square, mean, spread = 0.0, 0.0, 0.0
    for t in range(dim):
        square += begin[t] * begin[t]
    if square == 0:
        for t in range(dim):
            begin[t] = direction[t]
            square += begin[t] * begin[t]
    for t in range(dim):
        mean += begin[t] / dim
    for t in range(dim):
        spread += (begin[t] - mean) ** 2 / (dim - 1)
    # Where the first gradient has no spread there is nothing to go by.
    if spread > 0:
        ratio = math.sqrt(square / spread)
        for t in range(dim):
            direction[t] *= ratio


def signal_to_noise() -> Algorithm:
    """The direction times ‖g₀‖ / std(g₀), g₀ the node's first gradient (SGD-SaI, Xu et al. 2024).

    One ratio for all coordinates, which are one block of parameters here; the authors' addition of 1e-8 to
    the standard deviation is left out. Chain :func:`moving_average` before it for their momentum. Nodes never
    forget their first gradient: every run has a law of its own, and theory refuses to speak of one.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.chain(dsf.algorithms.moving_average(0.9), dsf.algorithms.signal_to_noise())
    chain(moving_average(0.9), signal_to_noise())
    """
    part = Part("signal_to_noise", _signal_to_noise, memory=1, degree="unknown", equivariant=False)
    return Algorithm((part,))


@cache
def _projected(rule: Callable[..., Any]) -> Callable[..., Any]:
    rule = compilable(rule)

    @inlined
    def project(
        direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
    ) -> None:
        dim = direction.size
        along, of_gradient, of_iterate = 0.0, 0.0, 0.0
        for t in range(dim):
            along += direction[t] * iterate[t]
            of_gradient += direction[t] * direction[t]
            of_iterate += iterate[t] * iterate[t]
        rule(direction, iterate, memory, normals, uniforms, parameters[1:])
        if abs(along) * math.sqrt(dim) < parameters[0] * math.sqrt(of_gradient * of_iterate):
            radial = 0.0
            for t in range(dim):
                radial += direction[t] * iterate[t]
            for t in range(dim):
                direction[t] -= radial / of_iterate * iterate[t]

    return project


def projected(rule: Algorithm, *, threshold: float = 0.1) -> Algorithm:
    """A rule whose direction loses its part along the iterate where the gradient is all but orthogonal to it.

    Where abs(cos(g, x)) < threshold / √dim, d ← d − (dᵀx / ‖x‖²) x: AdamP of :func:`adam`, SGDP of
    :func:`heavy_ball` (Heo et al., ICLR 2021). All coordinates are one block; iterates count from the origin.

    Parameters
    ----------
    rule : Algorithm
        With nothing but one local rule.
    threshold : float
        δ of the paper.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.projected(dsf.algorithms.heavy_ball(0.9)).degree
    'homogeneous'
    """
    inner = checks.local_rule_alone("rule", rule)
    threshold = check.positive_number("threshold", threshold)
    return Algorithm(
        (
            replace(
                inner,
                name=f"projected_{inner.name}",
                function=_projected(inner.function),
                parameters=(threshold, *inner.parameters),
                degree=max(inner.degree, "homogeneous", key=checks.DEGREES.index),
                array_form=None,
            ),
        )
    )
