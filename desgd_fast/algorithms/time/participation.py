"""Who takes gradients in a round: a factor of the node's step size, 0 where it stays out.

A participation is a function of (round, node, uniforms, memory, links, parameters) that is asked once a
round; ``memory`` holds numbers that the node keeps, ``links`` those of the mixing process.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Reals, inlined


def always() -> Algorithm:
    """Every node takes a gradient at every step, as all algorithms do unless told.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.always()
    sgd()
    """
    return Algorithm()


@inlined
def _bernoulli(
    meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals
) -> float:
    return 1.0 if uniforms[0] <= parameters[node % parameters.size] else 0.0


def _coin(dim: int, probability: float) -> list[tuple[float, list[float]]]:
    return [(probability, [probability]), (1 - probability, [1.0])]


def bernoulli(probability: ArrayLike) -> Algorithm:
    """Each node takes part in a round with this probability, on its own; mixing goes on.

    Parameters
    ----------
    probability : scalar or (n_nodes,) array
        In (0, 1], for all nodes or for each.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.bernoulli(0.5).participation
    bernoulli(0.5)
    """
    probabilities = checks.probabilities("probability", probability)
    return Algorithm(
        participation=Part(
            "bernoulli", _bernoulli, _numbers(probabilities), uniforms=1, per_node=True, outcomes=_coin
        )
    )


@inlined
def _markov(
    meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals
) -> float:
    first = 2 * node % parameters.size
    join, leave = parameters[first], parameters[first + 1]
    if meeting == 0:
        memory[0] = 1.0 if uniforms[0] <= join / (join + leave) else 0.0
    else:
        memory[0] = 1.0 if uniforms[0] <= (1.0 - leave if memory[0] > 0.0 else join) else 0.0
    return float(memory[0])


def markov(join: ArrayLike, leave: ArrayLike) -> Algorithm:
    """Nodes come and go: who is out joins with probability ``join`` a round, who is in leaves with ``leave``.

    Each node's chain begins in its stationary law, in with probability join / (join + leave); it stays in for
    1 / leave rounds on average. With join + leave = 1 it is :func:`bernoulli`.

    Parameters
    ----------
    join, leave : scalar or (n_nodes,) array
        In (0, 1], for all nodes or for each.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.markov(0.05, 0.45).participation
    markov(0.05, 0.45)
    """
    joins, leaves = checks.probabilities("join", join), checks.probabilities("leave", leave)
    pairs = checks.together(join=joins, leave=leaves)
    return Algorithm(
        participation=Part("markov", _markov, _numbers(pairs), memory=1, uniforms=1, per_node=True, width=2)
    )


@inlined
def _cyclic(
    meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals
) -> float:
    first = 3 * node % parameters.size
    length, active, offset = parameters[first], parameters[first + 1], parameters[first + 2]
    begins = offset if offset >= 0.0 else node * active
    return 1.0 if (meeting - begins) % length < active else 0.0


def cyclic(length: int, active: ArrayLike = 1, *, offset: ArrayLike | None = None) -> Algorithm:
    """Nodes take part by a timetable: ``active`` rounds out of every ``length``, from round ``offset`` on.

    Parameters
    ----------
    length : int
        Rounds after which the timetable begins anew.
    active : scalar or (n_nodes,) array of int
        Rounds of it in which a node takes part, for all nodes or for each.
    offset : scalar or (n_nodes,) array of int, optional
        The first of them; by default node i begins at i · active, so that nodes come one after the other.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.cyclic(8).participation
    cyclic(8, 1, -1)
    """
    length = check.positive_integer("length", length)
    rounds = checks.rounds("active", active, 1, length)
    begins = np.array([-1.0]) if offset is None else checks.rounds("offset", offset, 0, length)
    numbers = checks.together(length=np.array([float(length)]), active=rounds, offset=begins)
    return Algorithm(
        participation=Part("cyclic", _cyclic, _numbers(numbers), per_node=True, width=3, period=length)
    )


@inlined
def _poisson(
    meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals
) -> float:
    return 1.0 if uniforms[0] <= -math.expm1(-parameters[node % parameters.size]) else 0.0


def _tick(dim: int, rate: float) -> list[tuple[float, list[float]]]:
    return _coin(dim, -math.expm1(-rate))


def poisson(rate: ArrayLike) -> Algorithm:
    """A node takes part when its Poisson clock has ticked since the last round: with probability 1 − e^−rate.

    Clocks of their own in place of rounds, one round a unit of time; a clock that ticks more than once in it
    makes one step, so that rates should be small where order matters.

    Parameters
    ----------
    rate : scalar or (n_nodes,) array
        Ticks in a round, for all nodes or for each.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.poisson([0.1, 0.2]).participation
    poisson(0.1, 0.2)
    """
    rates = checks.positive_numbers("rate", rate)
    return Algorithm(
        participation=Part("poisson", _poisson, _numbers(rates), uniforms=1, per_node=True, outcomes=_tick)
    )


@inlined
def _woken(meeting: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals) -> float:
    return links[node] if links.size > 0 else 1.0


def woken() -> Algorithm:
    """Only those whom the mixing process wakes take a gradient: the pair that gossips, the clients sampled.

    For :func:`desgd_fast.mixing.pairwise_gossip`, ``random_matching``, ``node_dropout``, ``server``,
    ``poisson_clocks`` and tokens, which say in every round who that is, and ``push_sum``, which says by which
    factor steps are longer.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.woken()
    woken()
    """
    return Algorithm(participation=Part("woken", _woken, woken=True))


def _numbers(array: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(map(float, array.ravel()))
