"""Which node holds which row: rules that take the targets and the number of nodes.

A rule is any function ``rule(targets, n_nodes)`` that returns the node of every row, or where nodes hold rows
in common an (n_nodes, n_rows) array of bools, who holds what; here are those of the literature on data that
differ from node to node.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.common.memory import aligned_zeros
from desgd_fast.common.rng import RNG, generator_from
from desgd_fast.problems import checks

# Draws of a whole partition before a rule gives up on its smallest share.
_ATTEMPTS = 1000


class Partition(NamedTuple):
    """Rows of a data set grouped by node.

    Attributes
    ----------
    features : (n_rows, n_features) array
        C-contiguous float64; rows ``offsets[i]:offsets[i + 1]`` belong to node i.
    targets : (n_rows,) array
    offsets : (n_nodes + 1,) int64 array
    rows : int64 array
        Where each row stood in the data set; a row that several nodes hold is there once for each.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import partitions
    >>> held = partitions.group(np.ones((5, 2)), np.arange(5.0), "even", 2)
    >>> held.shares, held.rows
    (array([3, 2]), array([0, 2, 4, 1, 3]))
    """

    features: NDArray[np.float64]
    targets: NDArray[np.float64]
    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]

    @property
    def shares(self) -> NDArray[np.int64]:
        """Rows of each node."""
        return np.diff(self.offsets)


@dataclass(frozen=True)
class Even:
    """Deal the rows out in turn: row r to node r mod n_nodes.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> dsf.partitions.Even()(np.zeros(5), 2)
    array([0, 1, 0, 1, 0])
    """

    def __call__(self, targets: NDArray[np.float64], n_nodes: int) -> NDArray[np.int64]:
        """Return the node of every row."""
        return np.arange(targets.size) % n_nodes


@dataclass(frozen=True)
class Sorted:
    """Order the rows by target and cut the order into blocks that differ by at most one row.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> dsf.partitions.Sorted()(np.array([3.0, 1.0, 2.0, 0.0]), 2)
    array([1, 0, 1, 0])
    """

    def __call__(self, targets: NDArray[np.float64], n_nodes: int) -> NDArray[np.int64]:
        """Return the node of every row."""
        nodes = np.arange(targets.size) % n_nodes
        nodes[np.argsort(targets, kind="stable")] = np.sort(nodes)
        return nodes


@dataclass(frozen=True)
class Shared:
    """Give every row to every node: each draws from the whole data set, independently of the others.

    The setting of the theory, where all nodes draw from one law; nodes that do not communicate then differ
    from one centralized node by the size of the batch only.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> dsf.partitions.Shared()(np.zeros(2), 3).tolist()
    [[True, True], [True, True], [True, True]]
    """

    def __call__(self, targets: NDArray[np.float64], n_nodes: int) -> NDArray[np.bool_]:
        """Return who holds what, (n_nodes, n_rows)."""
        return np.ones((n_nodes, targets.size), bool)


@dataclass(frozen=True)
class ByLabel:
    """Deal out each label's rows in proportions drawn from Dirichlet(beta, …, beta) over the nodes.

    The rule of Li, Diao, Chen and He, "Federated learning on non-IID data silos" (ICDE 2022): label by label,
    nodes that already hold n_rows / n_nodes rows or more get none of it; all is drawn again until every
    node holds ``least_rows`` rows.

    Parameters
    ----------
    beta : float
        Concentration: the smaller, the fewer labels a node sees.
    least_rows : int
        Smallest share.
    rng : None, int, Generator, ...
        As in :func:`desgd_fast.simulate`; a given integer always makes the same partition.

    Raises
    ------
    ValueError
        If an argument is out of range, or when used, if no partition with such shares was found.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> labels = np.repeat([0.0, 1.0, 2.0], 50)
    >>> nodes = dsf.partitions.ByLabel(0.5, least_rows=10, rng=0)(labels, 4)
    >>> bool(np.bincount(nodes).min() >= 10)
    True
    """

    beta: float
    least_rows: int = 1
    rng: RNG = 0

    def __post_init__(self) -> None:
        check.positive_number("beta", self.beta)
        check.positive_integer("least_rows", self.least_rows)
        generator_from(self.rng)

    def __call__(self, targets: NDArray[np.float64], n_nodes: int) -> NDArray[np.int64]:
        """Return the node of every row."""
        generator = generator_from(self.rng)
        labels, label_of_row = np.unique(targets, return_inverse=True)
        checks.room_for_shares("least_rows", self.least_rows, n_nodes, targets.size)
        for _ in range(_ATTEMPTS):
            nodes = np.empty(targets.size, np.int64)
            shares = np.zeros(n_nodes, np.int64)
            for label in range(labels.size):
                rows = generator.permutation(np.flatnonzero(label_of_row == label))
                proportions = generator.dirichlet(np.full(n_nodes, self.beta))
                proportions[shares * n_nodes >= targets.size] = 0.0
                if not proportions.sum() > 0:
                    break  # a tiny beta can leave every proportion of the open nodes at zero
                nodes[rows] = _deal(proportions, rows.size)
                shares += np.bincount(nodes[rows], minlength=n_nodes)
            else:
                if shares.min() >= self.least_rows:
                    return nodes
        checks.no_partition("least_rows", self.least_rows, n_nodes, _ATTEMPTS)


@dataclass(frozen=True)
class ByQuantity:
    """Shuffle the rows and cut them into shares drawn from Dirichlet(beta, …, beta) over the nodes.

    Quantity skew of Li et al. (ICDE 2022): every node sees the same law, through more or fewer rows. Drawn
    again until every node holds ``least_rows`` rows. Parameters as in :class:`ByLabel`.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> np.bincount(dsf.partitions.ByQuantity(0.5, rng=1)(np.zeros(100), 3)).sum()
    np.int64(100)
    """

    beta: float
    least_rows: int = 1
    rng: RNG = 0

    def __post_init__(self) -> None:
        check.positive_number("beta", self.beta)
        check.positive_integer("least_rows", self.least_rows)
        generator_from(self.rng)

    def __call__(self, targets: NDArray[np.float64], n_nodes: int) -> NDArray[np.int64]:
        """Return the node of every row."""
        generator = generator_from(self.rng)
        checks.room_for_shares("least_rows", self.least_rows, n_nodes, targets.size)
        rows = generator.permutation(targets.size)
        for _ in range(_ATTEMPTS):
            dealt = _deal(generator.dirichlet(np.full(n_nodes, self.beta)), targets.size)
            if np.bincount(dealt, minlength=n_nodes).min() >= self.least_rows:
                nodes = np.empty(targets.size, np.int64)
                nodes[rows] = dealt
                return nodes
        checks.no_partition("least_rows", self.least_rows, n_nodes, _ATTEMPTS)


def _deal(proportions: NDArray[np.float64], n_rows: int) -> NDArray[np.int64]:
    """The node of each of n_rows rows in order, cut at the proportions' cumulative sums."""
    cuts = (np.cumsum(proportions / proportions.sum())[:-1] * n_rows).astype(np.int64)
    return np.searchsorted(cuts, np.arange(n_rows), side="right").astype(np.int64)


def group(
    features: NDArray[np.float64],
    targets: NDArray[np.float64],
    assignment: Any,
    n_nodes: int,
    batch_size: ArrayLike | None = None,
    distinct: bool = False,
) -> Partition:
    """Order the rows by the node that ``assignment`` gives them to, checked.

    So are minibatches, if given, which must fit the nodes' shares where their rows are ``distinct``.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import partitions
    >>> partitions.group(np.eye(4), np.array([3.0, 1.0, 2.0, 0.0]), "sorted", 2).targets
    array([1., 0., 3., 2.])
    """
    rows, offsets = deal(assignment, targets, n_nodes, batch_size, distinct)
    checks.columns("features", features, 2, targets.size)
    # mode="raise" would go through a buffer.
    grouped = np.take(features, rows, axis=0, out=aligned_zeros(rows.size, features.shape[1]), mode="clip")
    return Partition(grouped, targets[rows], offsets, rows)


def deal(
    assignment: Any,
    targets: NDArray[np.float64],
    n_nodes: int,
    batch_size: ArrayLike | None = None,
    distinct: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ``rows`` and ``offsets`` of :func:`group`.

    Examples
    --------
    >>> import numpy as np
    >>> from desgd_fast import partitions
    >>> partitions.deal("even", np.arange(5.0), 2)
    (array([0, 2, 4, 1, 3]), array([0, 3, 5]))
    """
    n_nodes = check.positive_integer("n_nodes", n_nodes)
    checks.columns("targets", targets, 1)
    check.flag("distinct", distinct)
    checks.enough_rows("n_nodes", n_nodes, targets.size)
    nodes, rows = _holders(assignment, targets, n_nodes)
    shares = np.bincount(nodes, minlength=n_nodes)
    if batch_size is not None:
        batch_sizes = check.counts_per_node("batch_size", batch_size, n_nodes)
        if distinct:
            checks.batches_within("batch_size", batch_sizes, shares)
    return rows, np.concatenate(([0], np.cumsum(shares))).astype(np.int64)


def _holders(
    assignment: Any, targets: NDArray[np.float64], n_nodes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Nodes and the rows they hold, node by node; by a rule's name, a rule, or as given."""
    assignment = checks.assignment("assignment", assignment, targets.size)
    if isinstance(assignment, str):
        assignment = {"even": Even(), "sorted": Sorted(), "shared": Shared()}[assignment]
    if callable(assignment):
        dealt = check.answer(
            "assignment", assignment, "assignment(targets, n_nodes)", targets.copy(), n_nodes
        )
        assignment = checks.nodes_of_rows("assignment", dealt, targets.size)
    holders = np.asarray(assignment)
    checks.every_node_used("assignment", holders, n_nodes)
    if holders.ndim == 2:
        nodes, rows = map(np.ascontiguousarray, np.nonzero(holders))
    else:
        rows = np.argsort(holders, kind="stable")
        nodes = holders[rows]
    return nodes, rows
