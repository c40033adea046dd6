"""What a mixing matrix does to disagreement: its spectrum."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse import csgraph, linalg

from desgd_fast.common import html
from desgd_fast.common.forms import dataset, scalars
from desgd_fast.mixing.processes import MixingProcess, as_process
from desgd_fast.mixing.rules import _DENSE, _TOLERANCE, _ends, second_eigenvalue

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
    mean_square_contraction : float
        Second largest eigenvalue of E[WᵀW]: E‖x − x̄‖² shrinks at least by this factor in a round of mixing
        (Boyd et al. 2006); nan where it is not known, or columns do not sum to one.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> report = dsf.mixing_report(dsf.mixing_matrix(nx.cycle_graph(4)))
    >>> report.connected, report.doubly_stochastic, round(report.spectral_gap, 3)
    (True, True, 0.667)
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
    mean_square_contraction: float

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
            ("second eigenvalue of E[WᵀW]", f"{self.mean_square_contraction:.6g}"),
        ]

    def __str__(self) -> str:
        return "\n".join(f"{label:<30}{value:>11}" for label, value in self.rows())

    def _repr_html_(self) -> str:
        return html.card("Mixing matrix", self.rows())

    def to_xarray(self) -> "xarray.Dataset":
        """Every number as a scalar variable."""
        return dataset(scalars(self) | {"spectral_gap": ((), self.spectral_gap)})


def mixing_report(W: ArrayLike | sparse.sparray | MixingProcess) -> MixingReport:
    """What a mixing matrix does: sums, symmetry, connectivity and the ends of its spectrum.

    Of a process it is the mean matrix E[W] that is described, and E[WᵀW] by its second eigenvalue.

    The second largest eigenvalue modulus is the factor by which mixing alone shrinks the
    disagreement between nodes at every step; the smallest eigenvalue bounds the step size at which
    the mean iterate stays stable (step_size · feature_std² < 1 + smallest eigenvalue).

    Parameters
    ----------
    W : (n_nodes, n_nodes) array or scipy.sparse array, or a mixing process
        Rows sum to one. Columns need not, and weights may be negative: the report says so.
        Above 512 nodes the eigenvalues come from Lanczos or Arnoldi iterations to about 1e-7,
        without a dense matrix.

    Returns
    -------
    MixingReport

    Raises
    ------
    TypeError, ValueError
        If ``W`` is not a square matrix of finite numbers whose rows sum to one.

    Examples
    --------
    >>> import networkx as nx
    >>> import desgd_fast as dsf
    >>> print(dsf.mixing_report(dsf.mixing_matrix(nx.cycle_graph(8))))
    nodes                                   8
    edges                                   8
    components                              1
    largest error of a row sum        0.0e+00
    largest error of a column sum     0.0e+00
    symmetric                             yes
    smallest weight                         0
    smallest eigenvalue             -0.333333
    second eigenvalue modulus        0.804738
    spectral gap                     0.195262
    second eigenvalue of E[WᵀW]      0.647603

    Pairs that gossip mix far slower than neighbours who all talk at once:

    >>> gossip = dsf.mixing.pairwise_gossip(nx.cycle_graph(8))
    >>> round(dsf.mixing_report(gossip).mean_square_contraction, 6)
    0.963388
    """
    process = as_process("W", W, allow_row_stochastic=True, allow_negative=True)
    if process.common:
        return _of_one_row(process)
    matrix = process.mean
    n_nodes = matrix.shape[0]
    off_diagonal = sparse.coo_array(matrix - sparse.diags_array(matrix.diagonal()))
    off_diagonal.eliminate_zeros()
    row, column = off_diagonal.coords
    pairs = np.unique(np.minimum(row, column) * np.int64(n_nodes) + np.maximum(row, column))
    n_components, _ = csgraph.connected_components(off_diagonal, directed=False)
    difference = abs(matrix - matrix.T)
    symmetric = bool(difference.nnz == 0 or difference.max() <= _TOLERANCE)
    modulus, smallest = _spectrum(matrix, symmetric, int(n_components))
    column_sum_error = float(np.abs(matrix.sum(axis=0) - 1).max())
    contraction = np.nan
    if process.square is not None and column_sum_error <= _TOLERANCE:
        contraction = 1.0 if n_components > 1 else second_eigenvalue(process.square())
    return MixingReport(
        n_nodes=n_nodes,
        n_edges=int(pairs.size),
        n_components=int(n_components),
        row_sum_error=float(np.abs(matrix.sum(axis=1) - 1).max()),
        column_sum_error=column_sum_error,
        symmetric=symmetric,
        smallest_weight=float(matrix.min()),
        smallest_eigenvalue=smallest,
        second_eigenvalue_modulus=modulus,
        mean_square_contraction=contraction,
    )


def _of_one_row(process: MixingProcess) -> MixingReport:
    """W = 1 wᵀ: nobody disagrees after one round."""
    row, n_nodes = process.mean.toarray().ravel(), process.n_nodes
    heard = int(np.count_nonzero(row))
    column_sum_error = float(np.abs(n_nodes * row - 1).max())
    return MixingReport(
        n_nodes=n_nodes,
        n_edges=heard * (n_nodes - heard) + heard * (heard - 1) // 2,
        n_components=1,
        row_sum_error=float(abs(row.sum() - 1)),
        column_sum_error=column_sum_error,
        symmetric=bool(np.ptp(row) <= _TOLERANCE),
        smallest_weight=float(row.min()),
        smallest_eigenvalue=0.0 if n_nodes > 1 else 1.0,
        second_eigenvalue_modulus=0.0,
        mean_square_contraction=0.0 if column_sum_error <= _TOLERANCE else np.nan,
    )


def _spectrum(matrix: sparse.csr_array, symmetric: bool, n_components: int) -> tuple[float, float]:
    """Second largest eigenvalue modulus, and the smallest eigenvalue (real part)."""
    n_nodes = matrix.shape[0]
    if n_nodes == 1:
        return 0.0, float(matrix[0, 0])
    if symmetric:
        second, smallest = _ends(matrix)
        second = 1.0 if n_components > 1 else second
        return max(abs(second), abs(smallest)), smallest
    if n_nodes <= _DENSE:
        values = np.linalg.eigvals(matrix.toarray())
        others = np.delete(values, np.argmin(np.abs(values - 1)))
        return float(np.abs(others).max()), float(values.real.min())
    # By Brauer's theorem W − 1·1ᵀ/n has the eigenvalues of W with one 1 replaced by 0.
    deflated = linalg.LinearOperator(matrix.shape, matvec=lambda x: matrix @ x - np.mean(x), dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(n_nodes)
    largest = linalg.eigs(deflated, 1, which="LM", v0=start, tol=1e-7, return_eigenvectors=False)
    smallest = linalg.eigs(matrix, 1, which="SR", v0=start, tol=1e-7, return_eigenvectors=False)
    return float(np.abs(largest[0])), float(smallest[0].real)
