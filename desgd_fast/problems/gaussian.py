"""Streaming least squares on Gaussian features, whose gradients have a closed law."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.common.memory import told
from desgd_fast.problems import checks

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, eq=False)
class GaussianRegression:
    """Streaming least squares: fresh Gaussian features at every node and step.

    Node i sees a ~ N(0, s_i² Σ) and y = aᵀx* + σ_i ε with ε ~ N(0, 1), and follows the
    minibatch gradient of ½(aᵀx − y)².

    Parameters
    ----------
    dim : int
        Number of coordinates d of an iterate.
    feature_std : float or (n_nodes,) array
        s_i, scale of the features, for all nodes or for each.
    noise_std : float or (n_nodes,) array
        σ_i, standard deviation of the noise in y; may be 0.
    covariance : None, (dim,) array or (dim, dim) array
        Σ, common to all nodes: the identity, its diagonal, or the whole matrix. Positive definite.
    optimum : float or (dim,) array
        x*, common to all nodes.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=3, noise_std=2.0, covariance=[1.0, 2.0, 3.0])
    >>> problem.eigenvalues
    array([1., 2., 3.])
    """

    dim: int
    feature_std: ArrayLike = 1.0
    noise_std: ArrayLike = 1.0
    covariance: ArrayLike | None = None
    optimum: ArrayLike = 0.0
    eigenvalues: NDArray[np.float64] = field(init=False, repr=False)
    basis: NDArray[np.float64] | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        dim = check.positive_integer("dim", self.dim)
        told(f"dim={dim:,}", 16 * dim)
        for name, zero in (("feature_std", False), ("noise_std", True)):
            value = getattr(self, name)
            n_nodes = np.size(value) if check.n_axes(name, value) == 1 else 1
            array = check.positive_per_node(name, value, n_nodes, zero=zero)
            object.__setattr__(self, name, float(array[0]) if np.ndim(value) == 0 else array)
        object.__setattr__(self, "optimum", check.vector("optimum", self.optimum, dim))
        eigenvalues, basis = checks.covariance("covariance", self.covariance, dim)
        object.__setattr__(self, "eigenvalues", eigenvalues)
        object.__setattr__(self, "basis", basis)

    @property
    def isotropic(self) -> bool:
        """Whether Σ is a multiple of the identity, so that only inner products matter."""
        return bool((self.eigenvalues == self.eigenvalues[0]).all())

    def at_infinity(self) -> "GaussianRegression":
        """The same without noise, from its optimum: what is left far from it."""
        return replace(self, noise_std=0.0, optimum=0.0)

    def stds(self, n_nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(s_i), (σ_i) for a graph of n_nodes nodes, each of shape (n_nodes,)."""
        return (
            check.positive_per_node("feature_std", self.feature_std, n_nodes),
            check.positive_per_node("noise_std", self.noise_std, n_nodes, zero=True),
        )
