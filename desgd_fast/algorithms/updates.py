"""What a node does with its gradient: a rule of one kind, told by a few numbers.

With g the minibatch gradient at x, and every line applied in this order,

    g ← g · min(1, clip_norm / ‖g‖)
    g ← g + weight_decay · x
    v ← momentum · v + g                       where momentum > 0
    d = v, or g + momentum · v (Nesterov), or the tracked gradient, or g
    x ← W x − η d   or   x ← W (x − η d)       by simulate's ``order``

and W only at the last of every ``local_steps`` steps, the identity at the others.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desgd_fast.algorithms import checks


@dataclass(frozen=True)
class Update:
    """An update rule; the functions of this module make them.

    Attributes
    ----------
    momentum : float
        In [0, 1); 0 is none.
    nesterov : bool
        Look ahead along the momentum.
    tracking : bool
        Track the network's mean gradient; excludes momentum.
    weight_decay : float
        Added to the gradient as weight_decay · x, at least 0.
    clip_norm : float
        Longest minibatch gradient; longer ones are shortened to it. inf clips nothing.
    local_steps : int
        Steps from one mixing to the next.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.updates.heavy_ball(0.9, clip_norm=1.0).plain
    False
    """

    momentum: float = 0.0
    nesterov: bool = False
    tracking: bool = False
    weight_decay: float = 0.0
    clip_norm: float = math.inf
    local_steps: int = 1

    def __post_init__(self) -> None:
        checks.update_rule(
            self.momentum, self.nesterov, self.tracking, self.weight_decay, self.clip_norm, self.local_steps
        )

    @property
    def plain(self) -> bool:
        """Whether the step is the gradient itself and the nodes mix at every step."""
        return self == Update()

    @property
    def remembers(self) -> bool:
        """Whether the step depends on earlier gradients."""
        return self.tracking or self.momentum > 0

    def memory(self, n_nodes: int) -> tuple[int, int]:
        """Vectors of memory that a node keeps, and the nodes that keep them."""
        return (2 if self.tracking else 1), (n_nodes if self.remembers else 0)

    @property
    def rule(self) -> NDArray[np.float64]:
        """The numbers as the kernels take them."""
        return np.array(
            [
                self.momentum,
                self.nesterov,
                self.tracking,
                self.weight_decay,
                self.clip_norm,
                self.local_steps,
            ],
            np.float64,
        )


def plain(*, weight_decay: float = 0.0, clip_norm: float = math.inf, local_steps: int = 1) -> Update:
    """The gradient itself (Lian et al., NeurIPS 2017; with local steps: Stich, ICLR 2019).

    Parameters
    ----------
    weight_decay, clip_norm, local_steps
        As in :class:`Update`; so in the other functions.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.updates.plain(local_steps=4).local_steps
    4
    """
    return Update(weight_decay=weight_decay, clip_norm=clip_norm, local_steps=local_steps)


def heavy_ball(
    momentum: float = 0.9, *, weight_decay: float = 0.0, clip_norm: float = math.inf, local_steps: int = 1
) -> Update:
    """Momentum: v ← momentum · v + g, and the step is v (Polyak 1964; decentralized: Yu et al., ICML 2019).

    Every node keeps a momentum of its own, which is not mixed.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.updates.heavy_ball().momentum
    0.9
    """
    return Update(momentum, weight_decay=weight_decay, clip_norm=clip_norm, local_steps=local_steps)


def nesterov(
    momentum: float = 0.9, *, weight_decay: float = 0.0, clip_norm: float = math.inf, local_steps: int = 1
) -> Update:
    """v ← momentum · v + g, and the step is g + momentum · v (Sutskever et al., ICML 2013, as widely coded).

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.updates.nesterov(0.5).nesterov
    True
    """
    return Update(
        momentum, nesterov=True, weight_decay=weight_decay, clip_norm=clip_norm, local_steps=local_steps
    )


def gradient_tracking(
    *, weight_decay: float = 0.0, clip_norm: float = math.inf, local_steps: int = 1
) -> Update:
    """t_i ← Σ_j W_ij t_j + g_i − (g_i of the step before), and the step is t_i (Pu & Nedić 2021).

    The first step's is g_i. The t_i sum to the g_i at every step, so that nodes with different data
    agree on one optimum under a constant step size. Between the mixings of ``local_steps`` the t_j are not
    mixed either.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.updates.gradient_tracking().remembers
    True
    """
    return Update(tracking=True, weight_decay=weight_decay, clip_norm=clip_norm, local_steps=local_steps)
