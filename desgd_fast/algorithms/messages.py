"""What a node sends in place of its iterate.

A message rule has the arguments of a local rule; ``direction`` is a copy of the iterate, which it changes
into what the neighbours, and the node itself, mix: x_i ← x_i + γ (Σ_j W_ij m_j − m_i).
"""

from desgd_fast.algorithms.algorithm import Algorithm
from desgd_fast.common import check


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
