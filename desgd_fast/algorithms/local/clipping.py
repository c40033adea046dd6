"""Directions made short: clipped, or of one length."""

import math
from typing import Any

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _clipped(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    square = 0.0
    for t in range(direction.size):
        square += direction[t] * direction[t]
    length = math.sqrt(square)
    # Not a minimum: nan must pass through.
    if length > parameters[0]:
        factor = parameters[0] / length
        for t in range(direction.size):
            direction[t] *= factor


def _clipped_arrays(direction: Any, iterate: Any, memory: list[Any], parameters: Any) -> Any:
    lengths = (direction**2).sum(-1, keepdims=True) ** 0.5
    # Ones where nothing is to be shortened; nan passes through.
    excess = lengths / parameters[0]
    return direction / (excess * (excess > 1) + (excess <= 1) + 0 * excess)


def clipped(norm: float, *, of: str = "batch") -> Algorithm:
    """g ← g · min(1, norm / ‖g‖): the gradient, shortened to a length (Pascanu et al., ICML 2013).

    Steps are bounded: under it the stationary law has all moments, whatever the tail below ``norm`` looks
    like.

    Parameters
    ----------
    norm : float
        Longest that a gradient may be.
    of : {"batch", "samples"}
        Whether the mean over a minibatch is clipped, or every sample's gradient before the mean is taken.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.clipped(1.0).degree
    'bounded'
    """
    norm = check.positive_number("norm", norm)
    if check.choice("of", of, ("batch", "samples")) == "samples":
        return Algorithm((Part("clipped_samples", _clipped, (norm,), degree="bounded", by_sample=True),))
    return Algorithm((Part("clipped", _clipped, (norm,), degree="bounded", array_form=_clipped_arrays),))


@inlined
def _normalized(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    square = 0.0
    for t in range(direction.size):
        square += direction[t] * direction[t]
    # Not where it is nan, which must pass through.
    if square != 0:
        factor = 1 / math.sqrt(square)
        for t in range(direction.size):
            direction[t] *= factor


def _normalized_arrays(direction: Any, iterate: Any, memory: list[Any], parameters: Any) -> Any:
    squares = (direction**2).sum(-1, keepdims=True)
    return direction / (squares + (squares == 0)) ** 0.5


def normalized() -> Algorithm:
    """g / ‖g‖: steps of length η (Cutkosky & Mehta, ICML 2020); zero where g is.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.chain(dsf.algorithms.heavy_ball(0.9), dsf.algorithms.normalized()).degree
    'bounded'
    """
    part = Part("normalized", _normalized, degree="bounded", array_form=_normalized_arrays)
    return Algorithm((part,))
