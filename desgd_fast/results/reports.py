"""What is known beforehand: how a network mixes, how the nodes' data differ, what a sweep takes."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desgd_fast.results._forms import dataset, scalars, table

if TYPE_CHECKING:
    import xarray


@dataclass(frozen=True)
class MixingReport:
    """What :func:`desgd_fast.mixing_report` found in a mixing matrix; ``print`` it for a table.

    Attributes
    ----------
    n_nodes, n_edges, n_components : int
        Nodes, pairs of distinct nodes with a weight in either direction, connected components.
    row_sum_error, column_sum_error : float
        max |sum − 1| over rows and over columns.
    symmetric : bool
        Whether max |W_ij − W_ji| is at most 1e-12.
    smallest_weight : float
        min W_ij over all pairs, zeros included.
    smallest_eigenvalue : float
        The smallest eigenvalue (its real part where W is not symmetric).
    second_eigenvalue_modulus : float
        max |μ| over the eigenvalues of W but one 1; 1.0 where the graph is not connected, 0.0 for one node.
    """

    n_nodes: int
    n_edges: int
    n_components: int
    row_sum_error: float
    column_sum_error: float
    symmetric: bool
    smallest_weight: float
    smallest_eigenvalue: float
    second_eigenvalue_modulus: float

    @property
    def connected(self) -> bool:
        """Whether every node reaches every other."""
        return self.n_components == 1

    @property
    def doubly_stochastic(self) -> bool:
        """Whether no weight is negative and all rows and columns sum to one within 1e-12."""
        return self.smallest_weight >= 0 and max(self.row_sum_error, self.column_sum_error) <= 1e-12

    @property
    def spectral_gap(self) -> float:
        """1 − second_eigenvalue_modulus."""
        return 1.0 - self.second_eigenvalue_modulus

    def rows(self) -> list[tuple[str, str]]:
        """(label, value) pairs, as printed."""
        return [
            ("nodes", str(self.n_nodes)),
            ("edges", str(self.n_edges)),
            ("components", str(self.n_components)),
            ("largest error of a row sum", f"{self.row_sum_error:.1e}"),
            ("largest error of a column sum", f"{self.column_sum_error:.1e}"),
            ("symmetric", "yes" if self.symmetric else "no"),
            ("smallest weight", f"{self.smallest_weight:.6g}"),
            ("smallest eigenvalue", f"{self.smallest_eigenvalue:.6g}"),
            ("second eigenvalue modulus", f"{self.second_eigenvalue_modulus:.6g}"),
            ("spectral gap", f"{self.spectral_gap:.6g}"),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{label:<30}{value:>11}" for label, value in self.rows())

    def to_xarray(self) -> "xarray.Dataset":
        """Every number as a scalar variable."""
        return dataset(scalars(self) | {"spectral_gap": ((), self.spectral_gap)})


@dataclass(frozen=True, eq=False)
class PartitionReport:
    """How the nodes' data differ; prints as a table.

    Attributes
    ----------
    shares : (n_nodes,) int array
        Rows of each node.
    labels : (n_labels,) array
        The distinct targets.
    label_counts : (n_nodes, n_labels) int array
        Rows of each node with each of them.
    label_distance : (n_nodes,) array
        Total variation distance of the node's targets from those of all rows: 0 alike, near 1 disjoint.
    gradient_distance : (n_nodes,) array
        ‖∇f_i(x) − ∇f(x)‖, f being the mean over all rows: what keeps the nodes' optima apart.
    effective_sample_size : float
        n_nodes² / Σ 1/n_i where no two nodes hold the same row. The unweighted average of the nodes' means
        varies as the mean of so many rows would: all rows where shares are equal, fewer otherwise.
    """

    shares: NDArray[np.int64]
    labels: NDArray[np.float64]
    label_counts: NDArray[np.int64]
    label_distance: NDArray[np.float64]
    gradient_distance: NDArray[np.float64]
    effective_sample_size: float

    def __str__(self) -> str:
        columns = ["node:>6", "rows:>8", "labels:>8", "label distance:>16.3f", "gradient distance:>19.4g"]
        n_labels = np.count_nonzero(self.label_counts, axis=1)
        rows = zip(self.shares, n_labels, self.label_distance, self.gradient_distance, strict=True)
        lines = [*table(columns, ((node, *row) for node, row in enumerate(rows)))]
        lines.append(f"{self.shares.sum()} rows, effective sample size {self.effective_sample_size:.1f}")
        return "\n".join(lines)


@dataclass(frozen=True)
class SweepEstimate:
    """What a sweep would take, from one of its cells.

    Attributes
    ----------
    n_cells, n_waiting : int
        Cells of the grid, and those that have yet to be computed.
    cell : dict
        Coordinates of the cell that was computed.
    seconds : float
        Time it took, kernels compiled.
    result_bytes : int
        Size of all results together, uncompressed.
    process_bytes : int
        Most memory that the computing process has held.
    workers : int
        Processes at work.
    """

    n_cells: int
    n_waiting: int
    cell: dict[str, bool | int | float | str]
    seconds: float
    result_bytes: int
    process_bytes: int
    workers: int

    @property
    def remaining_seconds(self) -> float:
        """Time for the cells that wait, if all take as long as this one."""
        return self.seconds * math.ceil(self.n_waiting / self.workers)
