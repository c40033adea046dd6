"""When a node takes a gradient, and when it talks: participation, orders, local steps."""

from numpy.typing import ArrayLike

from desgd_fast.algorithms import checks
from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Reals, inlined


def adapt_then_combine() -> Algorithm:
    """x_i ← Σ_j W_ij (x_j − η_j d_j(x_j)): nodes move, then mix (Chen & Sayed, IEEE TSP 2012).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.adapt_then_combine().adapt_first
    True
    """
    return Algorithm(order="adapt-then-combine")


def combine_then_adapt() -> Algorithm:
    """x_i ← Σ_j W_ij x_j − η_i d_i(x_i): what all algorithms do unless told (Lian et al., NeurIPS 2017).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.combine_then_adapt().adapt_first
    False
    """
    return Algorithm(order="combine-then-adapt")


def local_steps(count: int) -> Algorithm:
    """W only at the last of every ``count`` steps, the identity at the others (Stich, ICLR 2019).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.chain(dsf.algorithms.heavy_ball(0.9), dsf.algorithms.local_steps(5))
    chain(heavy_ball(0.9), local_steps(5))
    """
    return Algorithm(local_steps=check.positive_integer("count", count))


@inlined
def _bernoulli(
    step: int, node: int, uniforms: Reals, memory: Reals, links: Reals, parameters: Reals
) -> float:
    return 1.0 if uniforms[0] <= parameters[node % parameters.size] else 0.0


def _bernoulli_outcomes(dim: int, probability: float) -> list[tuple[float, list[float]]]:
    return [(probability, [probability]), (1 - probability, [1.0])]


def bernoulli(probability: ArrayLike) -> Algorithm:
    """Each node takes a gradient with this probability at each step, on its own; mixing goes on.

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
            "bernoulli",
            _bernoulli,
            tuple(map(float, probabilities)),
            uniforms=1,
            per_node=True,
            outcomes=_bernoulli_outcomes,
        )
    )
