"""What each node minimises and where its data come from."""

from dataclasses import dataclass, field
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast import _validate, partitions
from desgd_fast.partitions import Partition

if TYPE_CHECKING:
    from desgd_fast.losses import Loss


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
        dim = _validate.positive_integer("dim", self.dim)
        for name, zero in (("feature_std", False), ("noise_std", True)):
            value = getattr(self, name)
            n_nodes = np.size(value) if np.ndim(value) == 1 else 1
            array = _validate.positive_per_node(name, value, n_nodes, zero=zero)
            object.__setattr__(self, name, float(array[0]) if np.ndim(value) == 0 else array)
        object.__setattr__(self, "optimum", _validate.vector("optimum", self.optimum, dim))
        eigenvalues, basis = _validate.covariance("covariance", self.covariance, dim)
        object.__setattr__(self, "eigenvalues", eigenvalues)
        object.__setattr__(self, "basis", basis)

    @property
    def isotropic(self) -> bool:
        """Whether Σ is a multiple of the identity, so that only inner products matter."""
        return bool((self.eigenvalues == self.eigenvalues[0]).all())

    def stds(self, n_nodes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(s_i), (σ_i) for a graph of n_nodes nodes, each of shape (n_nodes,)."""
        return (
            _validate.positive_per_node("feature_std", self.feature_std, n_nodes),
            _validate.positive_per_node("noise_std", self.noise_std, n_nodes, zero=True),
        )


@dataclass(frozen=True, eq=False)
class DatasetRegression:
    """Least squares on a data set whose rows are spread over the nodes.

    Node i, holding the n_i rows (a_r, y_r), minimises

        f_i(x) = (1 / 2n_i) Σ_r (a_rᵀx − y_r)² + ½ ridge ‖x‖²

    and draws a fresh minibatch of its own rows at every step.

    Parameters
    ----------
    features : (n_rows, dim) array
        One row per sample, finite, used as they are: nothing is centred or scaled here (see
        :meth:`from_csv`), and an intercept is a column of ones.
    targets : (n_rows,) array
        What the features predict.
    assignment : "even", "sorted", "shared", rule, (n_rows,) integer or (n_nodes, n_rows) bool array
        Which node holds each row. "even" deals the rows out in turn, row r to node r mod n_nodes;
        "sorted" orders them by target and cuts the order into blocks, so that every node sees
        another part of the target's range. Either way the shares differ by at most one row. "shared"
        gives every node all rows. An array names each row's node, from 0 to n_nodes − 1, and leaves no
        node empty; see :class:`desgd_fast.EmpiricalRisk` for the others.
    replacement : bool
        Whether a minibatch may hold the same row twice. Without replacement a batch is at most
        as large as the node's share.
    ridge : float
        Weight of the penalty, at least 0.

    Attributes
    ----------
    optimum : (dim,) array
        The global least squares solution: the minimiser of (1 / 2n_rows) Σ_r (a_rᵀx − y_r)² +
        ½ ridge ‖x‖² over all rows, whoever holds them. Where all nodes hold equally many rows it
        is also the minimiser of the average of the f_i.

    Raises
    ------
    ValueError, TypeError
        If an argument has the wrong shape or range, or if the optimum is not unique because columns
        of ``features`` depend on each other linearly and ``ridge`` is 0.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.DatasetRegression([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 3.0, 5.0])
    >>> problem.optimum.round(12)
    array([1., 2.])
    >>> problem.partition(2).offsets
    array([0, 2, 3])
    """

    features: NDArray[np.float64]
    targets: NDArray[np.float64]
    assignment: Any = "even"
    replacement: bool = True
    ridge: float = 0.0
    optimum: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        features = _validate.samples("features", self.features)
        targets = _validate.one_per_row("targets", self.targets, features.shape[0])
        ridge = _validate.non_negative_number("ridge", self.ridge)
        assignment = _validate.assignment("assignment", self.assignment, features.shape[0])
        replacement = _validate.flag("replacement", self.replacement)
        optimum = _least_squares(features, targets, ridge)
        for name, value in (
            ("features", features),
            ("targets", targets),
            ("assignment", assignment),
            ("replacement", replacement),
            ("ridge", ridge),
            ("optimum", optimum),
        ):
            object.__setattr__(self, name, value)

    @property
    def dim(self) -> int:
        """Number of coordinates of an iterate."""
        return int(self.features.shape[1])

    @property
    def n_rows(self) -> int:
        """Number of samples."""
        return int(self.features.shape[0])

    @property
    def loss(self) -> "Loss":
        """½ (aᵀx − y)² + ½ ridge ‖x‖²."""
        from desgd_fast import losses

        return losses.ridge(self.ridge)

    @property
    def sampling(self) -> str:
        """How a node picks its minibatches, as :class:`desgd_fast.EmpiricalRisk` says it."""
        return "replacement" if self.replacement else "without-replacement"

    def partition(self, n_nodes: int, batch_size: ArrayLike | None = None) -> Partition:
        """Group the rows by the node that holds them.

        Parameters
        ----------
        n_nodes : int
            Number of nodes of the graph.
        batch_size : int or (n_nodes,) integer array, optional
            Checked against the nodes' shares where minibatches are drawn without replacement.

        Returns
        -------
        Partition

        Raises
        ------
        ValueError, TypeError
            If there are fewer rows than nodes, ``assignment`` leaves a node empty or names one
            beyond the graph, or a batch without replacement exceeds its node's share.
        """
        return partitions.group(
            self.features, self.targets, self.assignment, n_nodes, batch_size, not self.replacement
        )

    @classmethod
    def from_csv(
        cls,
        path: str | PathLike[str],
        target: str,
        *,
        standardise: bool = True,
        assignment: str | ArrayLike = "even",
        replacement: bool = True,
        ridge: float = 0.0,
    ) -> "DatasetRegression":
        """Read a CSV file with a header: one column is the target, all others are features.

        Parameters
        ----------
        path : str or path
            The file. Every column must be numeric, complete, and not constant.
        target : str
            Name of the target's column.
        standardise : bool
            Shift and scale every feature and the target to mean 0 and standard deviation 1, which
            makes an intercept superfluous and step sizes comparable between data sets. The
            optimum is then in standard deviations of the target per standard deviation of the feature.
        assignment, replacement, ridge
            As in :class:`DatasetRegression`.

        Raises
        ------
        ImportError
            Without pandas, which the extra ``cli`` installs.
        ValueError
            If the file is absent or not a table, ``target`` is no column of it, or a column is
            constant, not numeric or incomplete.

        Examples
        --------
        >>> import desgd_fast as dsf
        >>> problem = dsf.DatasetRegression.from_csv("examples/diabetes.csv", "target")
        >>> problem.features.shape, problem.optimum[2].round(3)
        ((442, 10), np.float64(0.321))
        """
        names, table = _validate.csv_columns("path", path)
        column = _validate.column("target", target, names)
        _validate.flag("standardise", standardise)
        _validate.varying_columns("path", path, names, table)
        if standardise:
            table = (table - table.mean(axis=0)) / table.std(axis=0)
        return cls(np.delete(table, column, axis=1), table[:, column].copy(), assignment, replacement, ridge)


def _least_squares(
    features: NDArray[np.float64], targets: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    """Minimiser of (1 / 2n) ‖A x − y‖² + ½ ridge ‖x‖² by the singular values of A stacked on √(n·ridge)·I."""
    n_rows, dim = features.shape
    if ridge > 0:
        features = np.vstack([features, np.sqrt(n_rows * ridge) * np.eye(dim)])
        targets = np.concatenate([targets, np.zeros(dim)])
    optimum, _, rank, _ = np.linalg.lstsq(features, targets, rcond=None)
    _validate.full_rank("features", int(rank), dim)
    return np.asarray(optimum)
