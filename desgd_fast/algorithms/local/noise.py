"""Noise added to directions."""

import math

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _gaussian_noise(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(direction.size):
        direction[t] += parameters[0] * normals[t]


def gaussian_noise(scale: float) -> Algorithm:
    """g ← g + scale · z, every z_t standard normal (SGLD of Welling & Teh, ICML 2011; DP-SGD).

    Chained before :func:`clipped` it is clipped too, after it the steps have its tails.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.gaussian_noise(0.1).local[0].additive
    True
    """
    scale = check.non_negative_number("scale", scale)
    return Algorithm((Part("gaussian_noise", _gaussian_noise, (scale,), normals="dim", additive=True),))


@inlined
def positive_stable(index: float, uniform: float, other: float) -> float:
    """A positive stable variate, E exp(−t A) = exp(−t^index), of two uniforms (Kanter, Ann. Probab. 1975)."""
    angle = math.pi * uniform
    # At the upper end of (0, 1] the sine is zero.
    sine = max(math.sin(angle), 1e-16)
    rate = math.sin((1 - index) * angle) / -math.log(min(other, 1 - 1e-16))
    size: float = math.sin(index * angle) / sine ** (1 / index) * rate ** ((1 - index) / index)
    return size


@inlined
def _stable_noise(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    scale, index = parameters[0], parameters[1]
    factor = scale * math.sqrt(2.0)
    if index < 2:
        factor *= math.sqrt(positive_stable(index / 2, uniforms[0], uniforms[1]))
    for t in range(direction.size):
        direction[t] += factor * normals[t]


def stable_noise(scale: float, index: float) -> Algorithm:
    """g ← g + ξ, ξ isotropic and stable: E exp(i uᵀξ) = exp(−(scale · ‖u‖)^index).

    As Şimşekli et al. (ICML 2019) model gradient noise. Its own tail index is ``index``, so that the
    iterates' is min(index, α) under a linear or homogeneous algorithm (Grincevičius 1975; Grey 1994). After
    a clip, in one dimension, it is index − 1 (Veraverbeke 1977), and below index 1 there is no stationary
    law.

    Parameters
    ----------
    scale : float
        Of every coordinate; at index 2 they are normal with variance 2 · scale².
    index : float
        In (0, 2].

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.stable_noise(0.1, 1.5)
    stable_noise(0.1, 1.5)
    """
    scale = check.non_negative_number("scale", scale)
    index = check.number("index", index, "a number above 0 and at most 2", lambda value: 0 < value <= 2)
    part = Part("stable_noise", _stable_noise, (scale, index), normals="dim", uniforms=2, additive=True)
    return Algorithm((part,))
