"""What comes late: gradients taken where the node was some steps ago, messages that say where it was."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _go_back(place: Reals, iterate: Reals, memory: Matrix, delay: int) -> None:
    """To the iterate of so many steps ago; memory holds the last ones, the latest first."""
    if delay > 0:
        for t in range(place.size):
            place[t] = memory[delay - 1, t]
    for v in range(memory.shape[0] - 1, 0, -1):
        for t in range(iterate.size):
            memory[v, t] = memory[v - 1, t]
    for t in range(iterate.size):
        memory[0, t] = iterate[t]


@inlined
def _look_back(place: Reals, iterate: Reals, memory: Matrix, uniforms: Reals, parameters: Reals) -> None:
    _go_back(place, iterate, memory, int(parameters[0]))


@inlined
def _drawn(uniforms: Reals, up_to: Reals, count: int) -> int:
    delay = 0
    while delay < count - 1 and uniforms[0] > up_to[delay]:
        delay += 1
    return delay


@inlined
def _look_back_at_random(
    place: Reals, iterate: Reals, memory: Matrix, uniforms: Reals, parameters: Reals
) -> None:
    _go_back(place, iterate, memory, _drawn(uniforms, parameters, parameters.size))


@inlined
def _as_it_is(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    pass


def delayed(steps: ArrayLike) -> Algorithm:
    """x_k+1 = Σ_j W_ij x_j,k − η g_i(x_i,k−τ): gradients of fresh minibatches where the node was τ steps ago.

    In the first τ steps they are taken where it started. Asynchronous SGD with a fixed delay (Agarwal &
    Duchi, NeurIPS 2011). Steps at which a node takes no part count too.

    Parameters
    ----------
    steps : int or (n_nodes,) array of int
        τ ≥ 0, for all nodes or for each. A node keeps as many iterates.

    Raises
    ------
    ValueError, TypeError
        If a delay is no integer of at least 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.delayed(3)
    delayed(3)
    """
    return Algorithm((_fixed("delayed", _as_it_is, steps, role="delay", look=_look_back),))


def randomly_delayed(probabilities: ArrayLike) -> Algorithm:
    """Gradients with a delay drawn anew at every step and node: τ = 0, 1, … with these probabilities.

    Gradients as in :func:`delayed`, in an order that may overtake (Lian et al., NeurIPS 2015).

    Parameters
    ----------
    probabilities : (most + 1,) array
        Of the delays 0, 1, …, summing to one.

    Raises
    ------
    ValueError, TypeError
        If they are no probabilities that sum to one.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.randomly_delayed([0.5, 0.25, 0.25]).local[0].memory
    2
    """
    options: dict[str, Any] = {"role": "delay", "look": _look_back_at_random}
    return Algorithm((_drawn_anew("randomly_delayed", _as_it_is, probabilities, **options),))


def _fixed(name: str, function: Callable[..., Any], steps: ArrayLike, **options: Any) -> Part:
    """A part with one delay for all nodes or one for each, which keeps as many iterates."""
    delays = checks.rounds("steps", steps, 0, 10_000)
    numbers, memory = tuple(map(float, delays)), max(int(delays.max()), 1)
    return Part(name, function, numbers, memory, per_node=True, keeps_iterates=True, **options)


def _drawn_anew(name: str, function: Callable[..., Any], probabilities: ArrayLike, **options: Any) -> Part:
    """A part whose delay is drawn, by the chances of at most so many steps."""
    law = checks.law("probabilities", probabilities)
    numbers, memory = tuple(map(float, np.cumsum(law))), max(law.size - 1, 1)
    return Part(name, function, numbers, memory, uniforms=1, keeps_iterates=True, outcomes=_delays, **options)


def _delays(dim: int, *up_to: float) -> list[tuple[float, NDArray[np.float64]]]:
    chances = np.diff(up_to, prepend=0.0)
    return [(float(p), np.array([u - p / 2])) for p, u in zip(chances, up_to, strict=True)]


@inlined
def _send_late(
    message: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    _go_back(message, iterate, memory, int(parameters[0]))


@inlined
def _send_late_at_random(
    message: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    _go_back(message, iterate, memory, _drawn(uniforms, parameters, parameters.size))


def delayed_messages(steps: ArrayLike) -> Algorithm:
    """x_i,k+1 = W_ii x_i,k + Σ_j≠i W_ij x_j,k−τ − η g_i(x_i,k): neighbours as they were τ rounds ago.

    The agreement algorithm with delays of Tsitsiklis, Bertsekas & Athans (IEEE TAC 1986). In the first τ
    rounds they are as they were in the first. Nodes know themselves as they are.

    Parameters
    ----------
    steps : int or (n_nodes,) array of int
        τ ≥ 0 of the messages of all nodes or of each. A node keeps as many iterates.

    Raises
    ------
    ValueError, TypeError
        If a delay is no integer of at least 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.delayed_messages(3)
    delayed_messages(3)
    """
    return Algorithm(message=_fixed("delayed_messages", _send_late, steps, own_iterate=True))


def randomly_delayed_messages(probabilities: ArrayLike) -> Algorithm:
    """Messages as in :func:`delayed_messages`, with a delay drawn anew for every round and sender.

    Parameters
    ----------
    probabilities : (most + 1,) array
        Of the delays 0, 1, …, summing to one.

    Raises
    ------
    ValueError, TypeError
        If they are no probabilities that sum to one.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.randomly_delayed_messages([0.5, 0.5])
    randomly_delayed_messages(0.5, 1)
    """
    name = "randomly_delayed_messages"
    return Algorithm(message=_drawn_anew(name, _send_late_at_random, probabilities, own_iterate=True))


@inlined
def _look_back_stale(
    place: Reals, iterate: Reals, memory: Matrix, uniforms: Reals, parameters: Reals
) -> None:
    _go_back(place, iterate, memory, _drawn(uniforms, parameters, parameters.size - 1))


@inlined
def _discount(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    last = parameters.size - 1
    weight = (1.0 + _drawn(uniforms, parameters, last)) ** -parameters[last]
    for t in range(direction.size):
        direction[t] *= weight


def stale_discount(probabilities: ArrayLike, power: float) -> Algorithm:
    """:func:`randomly_delayed`, with every gradient weighted by (1 + τ)^−power, τ its delay.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.stale_discount([0.5, 0.5], 0.5)
    stale_discount(0.5, 1, 0.5)
    """
    law = checks.law("probabilities", probabilities)
    power = check.non_negative_number("power", power)
    part = Part(
        "stale_discount",
        _discount,
        (*map(float, np.cumsum(law)), power),
        max(law.size - 1, 1),
        uniforms=1,
        role="delay",
        look=_look_back_stale,
        keeps_iterates=True,
        outcomes=lambda dim, *numbers: _delays(dim, *numbers[:-1]),
    )
    return Algorithm((part,))
