"""A model that walks from node to node: h(s) is the Perron root of the walk weighed with what nodes do.

‖x⁺‖ / ‖x‖ at node j has a law of its own wherever x points, m_j(s) = E(‖x⁺‖ / ‖x‖)^s. Along a Markov chain
with transitions P the moments grow like the powers of the matrix P_ij m_j(s), and rho = Σ π_j rho_j
(Donsker & Varadhan, 1975; Gürbüzbalaban, Hu, Şimşekli & Zhu, TMLR 2023, on steps that are such a chain).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from desgd_fast.theory.closed.factors import Factor

Array = NDArray[np.float64]

_MOST_STEPS = 100


@dataclass(frozen=True, eq=False)
class WalkingFactor(Factor):
    """Transitions P, their stationary law π, and what each node multiplies by."""

    transitions: sparse.csr_array
    law: Array
    nodes: tuple[Factor, ...]

    @property
    def method(self) -> str:
        """How the nodes' averages are taken."""
        return self.nodes[0].method

    def log_growth(self, s: float) -> float:
        known = {id(node): node.log_growth(s) for node in self.nodes}
        logs = np.array([known[id(node)] for node in self.nodes])
        largest = float(logs.max())
        return largest + math.log(perron_root(self.transitions * np.exp(logs - largest)))

    def lyapunov_exponent(self) -> float:
        known = {id(node): node.lyapunov_exponent() for node in self.nodes}
        return float(self.law @ np.array([known[id(node)] for node in self.nodes]))


def perron_root(matrix: sparse.csr_array) -> float:
    """Of a non-negative irreducible matrix, by the iteration of Noda (Numerische Mathematik 17, 1971).

    x ← (σI − A)⁻¹x with σ = max_i (Ax)_i / x_i falls to the root quadratically, however many eigenvalues have
    its size.
    """
    identity, x = sparse.eye_array(matrix.shape[0], format="csc"), np.ones(matrix.shape[0])
    shift = math.inf
    for _ in range(_MOST_STEPS):
        ratios = (matrix @ x) / x
        above, shift = shift, float(ratios.max())
        if shift >= above or shift - ratios.min() <= 1e-15 * shift:
            return min(shift, above)
        # A shift that is the root to rounding would make the system singular.
        system = sparse.csc_array(shift * (1 + 1e-15) * identity - matrix)
        x = np.abs(sparse_linalg.splu(system).solve(x))
        x /= x.max()
    return shift
