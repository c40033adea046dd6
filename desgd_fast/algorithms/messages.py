"""What a node sends in place of its iterate.

A message rule has the arguments of a local rule; ``direction`` is a copy of the iterate, which it changes
into what the neighbours, and the node itself, mix: x_i ← x_i + γ (Σ_j W_ij m_j − m_i).
"""

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _random_mask(
    message: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(message.size):
        if uniforms[t] > parameters[0]:
            message[t] = 0.0


def random_mask(share: float) -> Algorithm:
    """Every coordinate of a message is sent with probability ``share``, and is zero otherwise.

    Of what is not sent a node mixes nothing: with m_j = B_j x_j, x_i ← x_i + Σ_j W_ij m_j − m_i.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.random_mask(0.25)
    random_mask(0.25)
    """
    share = check.fraction("share", share)
    return Algorithm(message=Part("random_mask", _random_mask, (share,), uniforms="dim", equivariant=False))
