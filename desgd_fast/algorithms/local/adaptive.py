"""Adaptive rules: every coordinate's step divided by a running size of its gradients.

Their steps are bounded, whatever the gradients are: no run has a power tail.
"""

import math
from collections.abc import Callable
from typing import Any

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined

# Vectors of memory: running means of gradients and of their squares; in the first place of the third the
# steps taken, by whose number the means are corrected for their start at zero.
_FIRST, _SECOND, _COUNT, _LAST = range(4)


@inlined
def corrections(memory: Matrix, parameters: Reals) -> tuple[float, float]:
    """1 − decay^k of both means, at the node's k-th step."""
    memory[_COUNT, 0] += 1
    count = memory[_COUNT, 0]
    return 1 - parameters[0] ** count, 1 - parameters[1] ** count


@inlined
def _adam(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    first, second = memory[_FIRST], memory[_SECOND]
    of_first, of_second = corrections(memory, parameters)
    for t in range(direction.size):
        first[t] = parameters[0] * first[t] + (1 - parameters[0]) * direction[t]
        second[t] = parameters[1] * second[t] + (1 - parameters[1]) * direction[t] * direction[t]
        direction[t] = first[t] / of_first / (math.sqrt(second[t] / of_second) + parameters[2])


def _adaptive(
    name: str,
    function: Callable[..., Any],
    decay: float,
    decay_of_squares: float,
    epsilon: float,
    memory: int,
) -> Algorithm:
    numbers = (
        checks.momentum("decay", decay),
        checks.momentum("decay_of_squares", decay_of_squares),
        check.positive_number("epsilon", epsilon),
    )
    part = Part(name, function, numbers, memory, role="direction", degree="bounded", equivariant=False)
    return Algorithm((part,))


def adam(decay: float = 0.9, decay_of_squares: float = 0.999, *, epsilon: float = 1e-8) -> Algorithm:
    """m̂ / (√v̂ + ε), of running means m of g and v of g² (Kingma & Ba, ICLR 2015).

    Parameters
    ----------
    decay, decay_of_squares : float
        β₁ and β₂, from 0 to below 1.
    epsilon : float
        ε > 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.adam().degree
    'bounded'
    """
    return _adaptive("adam", _adam, decay, decay_of_squares, epsilon, 3)


@inlined
def _amsgrad(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    first, second, most = memory[_FIRST], memory[_SECOND], memory[_LAST]
    of_first, of_second = corrections(memory, parameters)
    for t in range(direction.size):
        first[t] = parameters[0] * first[t] + (1 - parameters[0]) * direction[t]
        second[t] = parameters[1] * second[t] + (1 - parameters[1]) * direction[t] * direction[t]
        # Not a maximum: nan must pass through.
        most[t] = most[t] if most[t] >= second[t] else second[t]
        direction[t] = first[t] / of_first / (math.sqrt(most[t] / of_second) + parameters[2])


def amsgrad(decay: float = 0.9, decay_of_squares: float = 0.999, *, epsilon: float = 1e-8) -> Algorithm:
    """Adam with the largest v so far (Reddi, Kale & Kumar, ICLR 2018; corrected for its start as in PyTorch).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.amsgrad(0.9, 0.99)
    amsgrad(0.9, 0.99, 1e-08)
    """
    return _adaptive("amsgrad", _amsgrad, decay, decay_of_squares, epsilon, 4)


@inlined
def _adabelief(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    first, second = memory[_FIRST], memory[_SECOND]
    of_first, of_second = corrections(memory, parameters)
    for t in range(direction.size):
        first[t] = parameters[0] * first[t] + (1 - parameters[0]) * direction[t]
        surprise = direction[t] - first[t]
        second[t] = parameters[1] * second[t] + (1 - parameters[1]) * surprise * surprise + parameters[2]
        direction[t] = first[t] / of_first / (math.sqrt(second[t] / of_second) + parameters[2])


def adabelief(decay: float = 0.9, decay_of_squares: float = 0.999, *, epsilon: float = 1e-16) -> Algorithm:
    """Adam whose v follows (g − m)² + ε / (1 − β₂), how wrong m was (Zhuang et al., NeurIPS 2020).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.adabelief().degree
    'bounded'
    """
    return _adaptive("adabelief", _adabelief, decay, decay_of_squares, epsilon, 3)


@inlined
def _diffgrad(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    first, second, last = memory[_FIRST], memory[_SECOND], memory[_LAST]
    of_first, of_second = corrections(memory, parameters)
    for t in range(direction.size):
        friction = 1 / (1 + math.exp(-abs(last[t] - direction[t])))
        last[t] = direction[t]
        first[t] = parameters[0] * first[t] + (1 - parameters[0]) * direction[t]
        second[t] = parameters[1] * second[t] + (1 - parameters[1]) * direction[t] * direction[t]
        size = math.sqrt(second[t] / of_second) + parameters[2]
        direction[t] = friction * (first[t] / of_first) / size


@inlined
def _diffgrad_as_coded(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    first, second = memory[_FIRST], memory[_SECOND]
    of_first, of_second = corrections(memory, parameters)
    for t in range(direction.size):
        first[t] = parameters[0] * first[t] + (1 - parameters[0]) * direction[t]
        second[t] = parameters[1] * second[t] + (1 - parameters[1]) * direction[t] * direction[t]
        size = (math.sqrt(second[t]) + parameters[2]) / math.sqrt(of_second)
        direction[t] = 0.5 * (first[t] / of_first) / size


def diffgrad(
    decay: float = 0.9,
    decay_of_squares: float = 0.999,
    *,
    epsilon: float = 1e-8,
    as_coded: bool = False,
) -> Algorithm:
    """Adam times 1 / (1 + exp(−abs(g_before − g))), which slows coordinates that change little.

    Dubey et al., IEEE TNNLS 2020.

    Parameters
    ----------
    decay, decay_of_squares, epsilon
        As for :func:`adam`.
    as_coded : bool
        The authors' first code compares the gradient with itself, so that the factor is always ½, and adds ε
        before v is corrected for its start.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.diffgrad(as_coded=True)
    diffgrad_as_coded(0.9, 0.999, 1e-08)
    """
    if check.flag("as_coded", as_coded):
        return _adaptive("diffgrad_as_coded", _diffgrad_as_coded, decay, decay_of_squares, epsilon, 3)
    return _adaptive("diffgrad", _diffgrad, decay, decay_of_squares, epsilon, 4)


@inlined
def _frugal(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    first, second = memory[_FIRST], memory[_SECOND]
    n_blocks, every = parameters[3], parameters[4]
    round_ = math.floor(memory[_LAST, 0] / every)
    if memory[_LAST, 0] == round_ * every:
        memory[_COUNT, 0] = 0.0
        for t in range(direction.size):
            first[t] = second[t] = 0.0
    memory[_LAST, 0] += 1
    of_first, of_second = corrections(memory, parameters)
    block = round_ - n_blocks * math.floor(round_ / n_blocks)
    for t in range(direction.size):
        if math.floor(t * n_blocks / direction.size) == block:
            first[t] = parameters[0] * first[t] + (1 - parameters[0]) * direction[t]
            second[t] = parameters[1] * second[t] + (1 - parameters[1]) * direction[t] * direction[t]
            direction[t] = first[t] / of_first / (math.sqrt(second[t] / of_second) + parameters[2])
        elif direction[t] != 0:
            # nan keeps its own.
            signed = math.copysign(1.0, direction[t])
            direction[t] = signed if direction[t] == direction[t] else direction[t]


def frugal(
    n_blocks: int,
    *,
    every: int,
    decay: float = 0.9,
    decay_of_squares: float = 0.999,
    epsilon: float = 1e-8,
) -> Algorithm:
    """Adam on one block of coordinates at a time, signs of the gradient on the others (Zmushko et al., 2024).

    Blocks take turns; Adam begins anew at each.

    Parameters
    ----------
    n_blocks : int
        Blocks of as many coordinates, in the order of the coordinates.
    every : int
        Steps of a turn.
    decay, decay_of_squares, epsilon
        As for :func:`adam`.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.frugal(4, every=50).degree
    'bounded'
    """
    numbers = (
        checks.momentum("decay", decay),
        checks.momentum("decay_of_squares", decay_of_squares),
        check.positive_number("epsilon", epsilon),
        float(check.positive_integer("n_blocks", n_blocks)),
        float(check.positive_integer("every", every)),
    )
    part = Part("frugal", _frugal, numbers, 4, role="direction", degree="bounded", equivariant=False)
    return Algorithm((part,))
