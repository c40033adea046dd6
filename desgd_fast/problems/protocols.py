"""What a problem can offer: instruments ask for one of these, never for a class."""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.problems.data.partitions import Partition
from desgd_fast.problems.laws import Law
from desgd_fast.problems.losses import Loss


@runtime_checkable
class Problem(Protocol):
    """Something to minimise: the number of coordinates, and the point that distances are measured from."""

    @property
    def dim(self) -> int:
        """Number of coordinates of an iterate."""

    @property
    def optimum(self) -> Any:
        """(dim,) array."""


@runtime_checkable
class Homogeneous(Problem, Protocol):
    """Gradients that are homogeneous far from the optimum, which is all that tails depend on."""

    def at_infinity(self) -> Any:
        """The problem with those gradients everywhere, and no noise."""


@runtime_checkable
class ClosedLaw(Problem, Protocol):
    """Gaussian features: minibatch gradients have a closed law."""

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        """Of the covariance, (dim,)."""

    @property
    def basis(self) -> NDArray[np.float64] | None:
        """Its eigenvectors, in columns; None for the coordinates themselves."""

    @property
    def isotropic(self) -> bool:
        """Whether the eigenvalues are all the same."""

    def stds(self, n_nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Of features and noise, (n_nodes,) each."""


@runtime_checkable
class OwnRows(Problem, Protocol):
    """A data set spread over the nodes."""

    @property
    def loss(self) -> Loss:
        """Of one row."""

    @property
    def sampling(self) -> str:
        """How a node picks its minibatches."""

    def partition(self, n_nodes: int, batch_size: ArrayLike | None = None) -> Partition:
        """Rows grouped by the node that holds them."""


@runtime_checkable
class FreshSamples(Problem, Protocol):
    """A law that every minibatch is drawn from anew."""

    @property
    def loss(self) -> Loss:
        """Of one sample."""

    @property
    def law(self) -> Law:
        """Of samples."""


def offers(problem: object) -> tuple[str, ...]:
    """What the problem can offer, in words."""
    kinds = {"a closed gradient law": ClosedLaw, "rows": OwnRows, "fresh samples": FreshSamples}
    return tuple(word for word, kind in kinds.items() if isinstance(problem, kind))
