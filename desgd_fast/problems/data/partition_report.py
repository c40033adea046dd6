"""How the rows of a data set lie on the nodes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import html
from desgd_fast.common.forms import table


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
        return "\n".join([*table(columns, self._rows()), self._sum()])

    def _repr_html_(self) -> str:
        columns = ("node", "rows", "labels", "label distance", "gradient distance")
        return html.grid("Rows on the nodes", columns, self._rows(), [self._sum()])

    def _rows(self) -> list[tuple[Any, ...]]:
        n_labels = np.count_nonzero(self.label_counts, axis=1)
        rows = zip(self.shares, n_labels, self.label_distance, self.gradient_distance, strict=True)
        return [(node, *row) for node, row in enumerate(rows)]

    def _sum(self) -> str:
        return f"{self.shares.sum()} rows, effective sample size {self.effective_sample_size:.1f}"
