"""What Byzantine nodes send: they know all messages, and all iterates as they were before the step.

An attack is a function of (sent, before, byzantine, normals, parameters) that overwrites the rows of ``sent``
whose entry of ``byzantine`` is one. Those of this module act on moves, ``sent − before``, as attacks on
gradients at a server do: nodes have to move before they send (:func:`adapt_then_combine`), and all Byzantine
ones move alike.
"""

import math
from collections.abc import Sequence

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def honest_moments(sent: Matrix, before: Matrix, byzantine: Reals, t: int) -> tuple[float, float]:
    """Mean and standard deviation of coordinate t of honest nodes' moves."""
    total, square, count = 0.0, 0.0, 0
    for i in range(byzantine.size):
        if byzantine[i] == 0:
            total += sent[i, t] - before[i, t]
            count += 1
    mean = total / count
    for i in range(byzantine.size):
        if byzantine[i] == 0:
            square += (sent[i, t] - before[i, t] - mean) ** 2
    return mean, math.sqrt(square / max(count - 1, 1))


@inlined
def _moments_attack(
    sent: Matrix, before: Matrix, byzantine: Reals, normals: Reals, parameters: Reals
) -> None:
    for t in range(sent.shape[1]):
        mean, spread = honest_moments(sent, before, byzantine, t)
        for i in range(byzantine.size):
            if byzantine[i] != 0:
                sent[i, t] = before[i, t] + parameters[0] * mean + parameters[1] * spread


def _on_moments(name: str, byzantine: Sequence[int], of_mean: float, of_spread: float) -> Algorithm:
    part = Part(
        name,
        _moments_attack,
        (of_mean, of_spread),
        degree="homogeneous" if of_spread else "linear",
        equivariant=of_spread == 0,
    )
    return Algorithm(attack=part, byzantine=check.nodes("byzantine", byzantine))


def sign_flip(byzantine: Sequence[int]) -> Algorithm:
    """Byzantine nodes move by minus the mean of the honest moves.

    Parameters
    ----------
    byzantine : sequence of int
        The Byzantine nodes.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.sign_flip([4]).byzantine
    (4,)
    """
    return _on_moments("sign_flip", byzantine, -1.0, 0.0)


def inner_product(byzantine: Sequence[int], *, factor: float = 2.0) -> Algorithm:
    """Byzantine nodes move by −factor times the mean of the honest moves (Xie, Koyejo & Gupta, UAI 2019).

    Parameters
    ----------
    byzantine : sequence of int
        The Byzantine nodes.
    factor : float
        Above zero.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.inner_product([0, 1], factor=3.0).attack
    inner_product(-3, 0)
    """
    return _on_moments("inner_product", byzantine, -check.positive_number("factor", factor), 0.0)


def a_little_is_enough(byzantine: Sequence[int], *, factor: float = 1.5) -> Algorithm:
    """Byzantine nodes move by the honest mean + factor · standard deviation (Baruch et al., NeurIPS 2019).

    Parameters
    ----------
    byzantine : sequence of int
        The Byzantine nodes.
    factor : float
        Standard deviations (with n − 1) from the mean, of every coordinate.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.a_little_is_enough([4]).degree
    'homogeneous'
    """
    return _on_moments("a_little_is_enough", byzantine, 1.0, check.number("factor", factor))


def zero(byzantine: Sequence[int]) -> Algorithm:
    """Byzantine nodes stay where they are.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.zero([2]).degree
    'linear'
    """
    return _on_moments("zero", byzantine, 0.0, 0.0)


@inlined
def _gaussian_attack(
    sent: Matrix, before: Matrix, byzantine: Reals, normals: Reals, parameters: Reals
) -> None:
    for i in range(byzantine.size):
        if byzantine[i] != 0:
            for t in range(normals.size):
                sent[i, t] = before[i, t] + parameters[0] * normals[t]


def gaussian(byzantine: Sequence[int], *, scale: float = 1.0) -> Algorithm:
    """Byzantine nodes move by one normal vector, whatever the others do.

    Parameters
    ----------
    byzantine : sequence of int
        The Byzantine nodes.
    scale : float
        Standard deviation of every coordinate.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.gaussian([4], scale=10.0)
    gaussian(10)
    """
    scale = check.non_negative_number("scale", scale)
    part = Part("gaussian", _gaussian_attack, (scale,), normals="dim", additive=True)
    return Algorithm(attack=part, byzantine=check.nodes("byzantine", byzantine))
