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


def _mask_outcomes(dim: int, share: float) -> list[tuple[float, list[float]]]:
    return [(share, [share] * dim), (1 - share, [1.0] * dim)]


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
    return Algorithm(
        message=Part(
            "random_mask",
            _random_mask,
            (share,),
            uniforms="dim",
            equivariant=False,
            outcomes=_mask_outcomes,
        )
    )


def consensus_step(size: float) -> Algorithm:
    """x_i ← x_i + size · (Σ_j W_ij m_j − m_i): a share of the way to the neighbours' mean.

    γ of CHOCO-SGD (Koloskova, Stich & Jaggi, ICML 2019), where m_j are compressed copies; with the iterates
    themselves it is W replaced by (1 − γ) I + γ W.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.algorithms.consensus_step(0.4)
    consensus_step(0.4)
    """
    return Algorithm(consensus_step=check.positive_number("size", size))
