"""Who talks to whom: a graph becomes a doubly stochastic matrix, and a matrix becomes a spectral report."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph, linalg

from desgd_fast.common import check
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import adjacency, rows_of, with_diagonal

if TYPE_CHECKING:
    import networkx as nx


# Whether nodes average with their neighbours before or after the gradient step.
RULES = ("metropolis", "laplacian", "max-degree", "best-constant", "uniform")


# Up to this many nodes all eigenvalues are computed densely, which is both faster and exact.
_DENSE = 512


_TOLERANCE = 1e-12


def mixing_matrix(
    graph: "nx.Graph[Any] | sparse.sparray | NDArray[np.integer[Any]]",
    rule: str = "metropolis",
    *,
    delta: float | None = None,
    lazy: bool = False,
    weight: str | None = None,
    allow_negative: bool = False,
) -> sparse.csr_array:
    r"""Symmetric, doubly stochastic mixing matrix of an undirected graph.

    With a_ij = 1 on every edge (or the edge's ``weight``) and degrees d_i = Σ_j a_ij, the weight
    of the edge i–j is

    ================  ==========================================================================
    rule              W_ij, i ≠ j
    ================  ==========================================================================
    "metropolis"      a_ij / (1 + max(d_i, d_j))
    "laplacian"       delta · a_ij, that is W = I − delta · L with L the graph Laplacian
    "max-degree"      a_ij / (1 + max_k d_k)
    "best-constant"   a_ij · min(2 / (λ_max + λ_2), 1 / max_k d_k), λ the eigenvalues of L
    "uniform"         1 / n_nodes; on the complete graph that is W = J/N
    ================  ==========================================================================

    and W_ii = 1 − Σ_j W_ij. On a regular graph "metropolis" and "max-degree" are the plain average
    over a node and its neighbours. "best-constant" [1]_ is the constant that mixes fastest among
    those that leave every weight non-negative; in a disconnected graph λ_2 is the smallest
    eigenvalue above zero, so that it mixes fastest inside the components.

    Parameters
    ----------
    graph : networkx.Graph or networkx.MultiGraph, sparse array, or (n_edges, 2) array of integers
        Undirected, at least one node. Row i of W is the i-th of ``graph.nodes``. Self-loops are
        ignored (the rule decides W_ii). Parallel edges count as one, or add their weights where
        ``weight`` is given. A single node gives ``[[1.0]]``; components of a disconnected graph
        do not mix, and nodes without edges keep W_ii = 1. A scipy.sparse array is a symmetric
        adjacency, whose entries are the a_ij; an array of integers holds the two ends of every edge,
        nodes numbered from 0 to the largest number in it. Both are far faster on large graphs.
    rule : {"metropolis", "laplacian", "max-degree", "best-constant", "uniform"}
        See above.
    delta : float, optional
        Weight of an edge for ``rule="laplacian"``, at least 0 and at most 1 / max_k d_k.
    lazy : bool
        Return (I + W) / 2, whose eigenvalues are all non-negative.
    weight : str, optional
        Edge attribute of a networkx graph that holds a_ij > 0. None ignores whatever weights the graph
        carries.
    allow_negative : bool
        Permit the negative W_ii of a large ``delta``, and let "best-constant" use 2 / (λ_max + λ_2)
        without the limit. Rows and columns still sum to one.

    Returns
    -------
    scipy.sparse.csr_array
        (n_nodes, n_nodes), float64; row and column sums are one to 1e-12. No dense matrix is formed.

    Raises
    ------
    TypeError
        If ``graph`` is no graph, or another argument has the wrong type.
    ValueError
        If ``graph`` is directed, empty, or not symmetric, an edge weight is missing or not positive,
        ``delta`` is missing, superfluous or out of range, or ``rule`` is unknown.

    References
    ----------
    .. [1] L. Xiao and S. Boyd, "Fast linear iterations for distributed averaging",
       Systems & Control Letters 53 (2004) 65-78, section 4.1.

    Examples
    --------
    >>> import networkx as nx
    >>> import desgd_fast as dsf
    >>> dsf.mixing_matrix(nx.path_graph(3)).toarray().round(3)
    array([[0.667, 0.333, 0.   ],
           [0.333, 0.333, 0.333],
           [0.   , 0.333, 0.667]])
    >>> dsf.mixing_matrix(nx.cycle_graph(4), "laplacian", delta=0.25).toarray()[0]
    array([0.5 , 0.25, 0.  , 0.25])
    """
    check.choice("rule", rule, RULES)
    check.flag("lazy", lazy)
    check.flag("allow_negative", allow_negative)
    checks.edge_weights("weight", graph, weight, rule)
    links = adjacency("graph", graph, weight)
    n_nodes = links.shape[0]
    degrees = np.asarray(links.sum(axis=1)).ravel()
    largest = degrees.max()
    delta = checks.laplacian_step("delta", delta, rule, largest, allow_negative=allow_negative)
    row = rows_of(links)
    if rule == "metropolis":
        links.data /= 1.0 + np.maximum(degrees[row], degrees[links.indices])
    elif rule == "laplacian":
        links.data *= delta
    elif rule == "max-degree":
        links.data /= 1.0 + largest
    elif rule == "best-constant":
        links.data *= _best_constant(links, degrees, allow_negative)
    else:
        links.data[:] = 1.0 / n_nodes
    diagonal = np.asarray(1.0 - np.bincount(row, links.data, n_nodes), np.float64)
    # What is zero in exact arithmetic must not come out as a negative weight of one rounding error.
    diagonal[np.abs(diagonal) < 1e-13] = 0.0
    matrix = with_diagonal(links, diagonal)
    if lazy:
        matrix = sparse.csr_array((matrix + sparse.eye_array(n_nodes)) / 2)
    matrix.eliminate_zeros()
    return matrix


def _best_constant(links: sparse.csr_array, degrees: NDArray[np.float64], allow_negative: bool) -> float:
    """2 / (λ_max + λ_2) of the Laplacian, at most 1 / max degree unless negative weights are allowed."""
    if links.nnz == 0:
        return 0.0
    # λ of L are read off W = I − L / (2 max degree), whose eigenvalues 1 − λ / (2 max degree) are in [0, 1].
    scale = 2.0 * degrees.max()
    walk = sparse.csr_array(sparse.diags_array(1.0 - degrees / scale) + links / scale)
    _, labels = csgraph.connected_components(links, directed=False)
    parts = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    ends = [_ends(walk[nodes][:, nodes]) for nodes in parts if nodes.size > 1]
    smallest_nonzero = scale * (1.0 - max(second for second, _ in ends))
    largest = scale * (1.0 - min(smallest for _, smallest in ends))
    best = 2.0 / (smallest_nonzero + largest)
    return float(best if allow_negative else min(best, 1.0 / degrees.max()))


def _ends(matrix: sparse.csr_array) -> tuple[float, float]:
    """Second largest and smallest eigenvalue of a symmetric matrix whose rows sum to one, largest one."""
    if matrix.shape[0] <= _DENSE:
        values = np.linalg.eigvalsh(matrix.toarray())
        return float(values[-2]), float(values[0])
    return second_eigenvalue(matrix), _extreme(matrix, "SA", matrix, beyond=_bound(matrix) - 1e-9, rank=1)


def second_eigenvalue(matrix: sparse.csr_array) -> float:
    """Second largest eigenvalue of a symmetric matrix whose rows sum to one, largest one; 0 of one node."""
    if matrix.shape[0] <= _DENSE:
        return float(np.linalg.eigvalsh(matrix.toarray())[-2]) if matrix.shape[0] > 1 else 0.0
    lower = _bound(matrix)

    def without_mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(matrix @ x - (1.0 - lower) * np.mean(x))

    # Moving the eigenvalue 1 of the constant vector below all others leaves the second one on top.
    second = linalg.LinearOperator(matrix.shape, matvec=without_mean, dtype=np.float64)
    return _extreme(second, "LA", matrix, beyond=1.0 + 1e-9, rank=2)


def _bound(matrix: sparse.csr_array) -> float:
    """What no eigenvalue is below (Gershgorin)."""
    diagonal = matrix.diagonal()
    return float((diagonal - np.asarray(abs(matrix).sum(axis=1)).ravel() + np.abs(diagonal)).min())


def _extreme(operator: Any, which: str, matrix: sparse.csr_array, *, beyond: float, rank: int) -> float:
    """The extreme eigenvalue of ``operator``, which is the rank-th of ``matrix`` counted from ``beyond``."""
    # ARPACK's own starting vector is random; a fixed one makes the report reproducible to the bit.
    start = np.random.default_rng(0).standard_normal(matrix.shape[0])
    try:
        values = linalg.eigsh(
            operator, 1, which=which, v0=start, tol=1e-7, ncv=20, maxiter=100, return_eigenvectors=False
        )
        return float(values[0])
    except linalg.ArpackNoConvergence:
        # Rings, paths and grids crowd the ends of the spectrum, but factorise almost without fill.
        values = linalg.eigsh(
            sparse.csc_array(matrix), rank, sigma=beyond, v0=start, return_eigenvectors=False
        )
        return float(values[np.argmax(np.abs(values - beyond))])
