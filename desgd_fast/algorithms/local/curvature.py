"""Rules that look at curvature: what a minibatch's Hessian H makes of a vector of random signs z.

Hutchinson's estimate of its diagonal is z ⊙ Hz, whose mean is diag(H). Hz is (g(x + δz) − g(x)) / δ, two
gradients of one minibatch: exact for quadratic losses, a finite difference for others.
"""

import math
from collections.abc import Callable
from typing import Any

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

# δ over the largest coordinate, or over 1: far enough for the difference to keep half of the digits.
_LENGTH = 1e-3

# Vectors of memory: the gradient at the iterate, the mean of gradients, that of curvatures, and in the first
# place of the last the steps taken.
_GRADIENT, _MEAN, _CURVATURE, _COUNT = range(4)


@inlined
def random_sign(uniform: float) -> float:
    """One or minus one."""
    return 1.0 if uniform <= 0.5 else -1.0


@inlined
def is_due(memory: Matrix, every: float) -> bool:
    """Whether curvature is looked at in this step."""
    count = memory[_COUNT, 0]
    return bool(count == every * math.floor(count / every))


@inlined
def length_aside(iterate: Reals, size: int) -> float:
    """δ; it grows with the iterate, in whose last digits it would be lost."""
    largest = 1.0
    for t in range(size):
        largest = max(largest, abs(iterate[t]))
    return _LENGTH * largest


@inlined
def _look_aside(place: Reals, iterate: Reals, memory: Matrix, uniforms: Reals, parameters: Reals) -> None:
    # The first parameter is how often curvature is looked at.
    if is_due(memory, parameters[0]):
        length = length_aside(iterate, uniforms.size)
        for t in range(uniforms.size):
            place[t] = iterate[t] + length * random_sign(uniforms[t])


@inlined
def diagonal(gradient: float, aside: float, uniform: float, length: float) -> float:
    """A coordinate of z ⊙ Hz."""
    return random_sign(uniform) * (aside - gradient) / length


@inlined
def _adahessian(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    decay, of_squares, power, epsilon = parameters[1], parameters[2], parameters[3], parameters[4]
    memory[_COUNT, 0] += 1
    count, length = memory[_COUNT, 0], length_aside(iterate, direction.size)
    for t in range(direction.size):
        gradient = memory[_GRADIENT, t]
        curvature = diagonal(gradient, direction[t], uniforms[t], length)
        mean = decay * memory[_MEAN, t] + (1 - decay) * gradient
        square = of_squares * memory[_CURVATURE, t] + (1 - of_squares) * curvature * curvature
        memory[_MEAN, t], memory[_CURVATURE, t] = mean, square
        size = math.sqrt(square / (1 - of_squares**count)) ** power + epsilon
        direction[t] = mean / (1 - decay**count) / size


def adahessian(
    decay: float = 0.9, decay_of_squares: float = 0.999, *, power: float = 1.0, epsilon: float = 1e-4
) -> Algorithm:
    """m̂ / (v̂^power + ε), m a running mean of g, v the root of one of (z ⊙ Hz)²: AdaHessian.

    Yao et al., AAAI 2021, without their averages of curvatures over blocks of parameters. On a quadratic loss
    v does not depend on the iterate: unlike Adam's, its steps grow with it, and tails are power laws.

    Parameters
    ----------
    decay, decay_of_squares : float
        β₁ and β₂, from 0 to below 1.
    power : float
        k in (0, 1], the power of the curvature.
    epsilon : float
        ε > 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.adahessian().degree
    'homogeneous'
    """
    numbers = (
        1.0,
        checks.momentum("decay", decay),
        checks.momentum("decay_of_squares", decay_of_squares),
        check.number("power", power, "a number above 0 and at most 1", lambda value: 0 < value <= 1),
        check.positive_number("epsilon", epsilon),
    )
    return Algorithm((_looking_aside("adahessian", _adahessian, numbers, "homogeneous"),))


@inlined
def _sophia(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    decay, of_curvatures, scale, epsilon = parameters[1], parameters[2], parameters[3], parameters[4]
    seen, length = is_due(memory, parameters[0]), length_aside(iterate, direction.size)
    memory[_COUNT, 0] += 1
    for t in range(direction.size):
        gradient = memory[_GRADIENT, t]
        if seen:
            curvature = diagonal(gradient, direction[t], uniforms[t], length)
            memory[_CURVATURE, t] = of_curvatures * memory[_CURVATURE, t] + (1 - of_curvatures) * curvature
        mean = decay * memory[_MEAN, t] + (1 - decay) * gradient
        memory[_MEAN, t] = mean
        step = mean / max(scale * memory[_CURVATURE, t], epsilon)
        # Neither a minimum nor a maximum: nan must pass through.
        direction[t] = 1.0 if step > 1 else -1.0 if step < -1 else step


def sophia(
    decay: float = 0.96,
    decay_of_curvatures: float = 0.99,
    *,
    every: int = 10,
    scale: float = 0.01,
    epsilon: float = 1e-12,
) -> Algorithm:
    """clip(m / max(γh, ε), 1), coordinate by coordinate, h a running mean of z ⊙ Hz: Sophia-H.

    Liu et al., ICLR 2024, algorithm 3 with Hutchinson's estimate; z are signs, theirs are normal. The labels
    that their Gauss–Newton–Bartlett estimate (Sophia-G) draws are not known here. Steps are bounded.

    Parameters
    ----------
    decay, decay_of_curvatures : float
        β₁ and β₂, from 0 to below 1.
    every : int
        Steps from one look at the curvature to the next, k.
    scale : float
        γ > 0.
    epsilon : float
        ε > 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.sophia(every=5).degree
    'bounded'
    """
    numbers = (
        float(check.positive_integer("every", every)),
        checks.momentum("decay", decay),
        checks.momentum("decay_of_curvatures", decay_of_curvatures),
        check.positive_number("scale", scale),
        check.positive_number("epsilon", epsilon),
    )
    return Algorithm((_looking_aside("sophia", _sophia, numbers, "bounded"),))


def _looking_aside(name: str, function: Callable[..., Any], numbers: tuple[float, ...], degree: str) -> Part:
    return Part(
        name,
        function,
        numbers,
        memory=4,
        uniforms="dim",
        degree=degree,
        equivariant=False,
        role="direction",
        look=_look_aside,
        twice=True,
        unscaled=2,
    )
