"""Graphs as adjacencies: networkx, sparse arrays, or arrays of edges."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from desgd_fast.common.memory import told
from desgd_fast.mixing import checks


def adjacency(name: str, graph: Any, weight: str | None = None) -> sparse.csr_array:
    """(n_nodes, n_nodes) symmetric weights a_ij > 0 without self-loops, indices sorted.

    ``graph`` is an undirected networkx graph, a symmetric sparse array of the a_ij, or an (n_edges, 2)
    array of node numbers, whose edges all weigh one.
    """
    if sparse.issparse(graph):
        matrix = checks.symmetric_adjacency(name, graph)
    elif isinstance(graph, np.ndarray):
        edges = checks.edge_array(name, graph)
        _tell(name, int(edges.max()) + 1, len(edges))
        matrix = _of_edges(edges)
    else:
        matrix = _of_networkx(name, graph, weight)
    row, column = rows_of(matrix), matrix.indices
    if (row != column).all():
        return matrix
    between = row != column
    starts = np.concatenate([[0], np.cumsum(np.bincount(row[between], minlength=matrix.shape[0]))])
    return sparse.csr_array((matrix.data[between], column[between], starts), shape=matrix.shape)


def rows_of(matrix: sparse.csr_array) -> NDArray[Any]:
    """Row of every entry, in the type of its columns."""
    nodes = np.arange(matrix.shape[0], dtype=matrix.indices.dtype)
    return np.repeat(nodes, np.diff(matrix.indptr))


def mirrored(links: sparse.csr_array) -> NDArray[np.int64]:
    """Of every entry of a symmetric pattern, where the entry of the other way stands."""
    numbered = (np.arange(links.nnz), links.indices, links.indptr)
    return np.asarray(sparse.csr_array(numbered, shape=links.shape).T.tocsr().data, np.int64)


def link_numbers(links: sparse.csr_array) -> NDArray[np.int64]:
    """Of every entry of a symmetric pattern the number of its link, the same both ways; −1 on the diagonal.

    Links are numbered by their ends, the smaller one first.
    """
    row, column = rows_of(links), links.indices
    numbers, upper = np.full(links.nnz, -1), row < column
    numbers[upper] = np.arange(np.count_nonzero(upper))
    numbers[mirrored(links)[upper]] = numbers[upper]
    return numbers


def laplacian(
    row: NDArray[Any], column: NDArray[Any], weights: NDArray[np.float64], n_nodes: int
) -> sparse.csr_array:
    """Σ w_e (e_i − e_j)(e_i − e_j)ᵀ over the entries e = (i, j) that are given."""
    rows = np.concatenate([row, column, row, column])
    columns = np.concatenate([row, column, column, row])
    values = np.concatenate([weights, weights, -weights, -weights])
    return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=(n_nodes, n_nodes)))


def with_diagonal(matrix: sparse.csr_array, diagonal: NDArray[np.float64]) -> sparse.csr_array:
    """An adjacency's weights with these on the diagonal, zeros too, indices sorted."""
    n_nodes, row, column = matrix.shape[0], rows_of(matrix), matrix.indices
    nodes = np.arange(n_nodes + 1, dtype=matrix.indptr.dtype)
    own = matrix.indptr[:-1] + nodes[:-1] + np.bincount(row[column < row], minlength=n_nodes)
    place = np.ones(matrix.nnz + n_nodes, bool)
    place[own] = False
    data, indices = np.empty(place.size), np.empty(place.size, column.dtype)
    data[place], indices[place] = matrix.data, column
    data[own], indices[own] = diagonal, nodes[:-1]
    return sparse.csr_array((data, indices, matrix.indptr + nodes), shape=matrix.shape)


def stationary_law(transitions: sparse.csr_array) -> NDArray[np.float64]:
    """π with πᵀP = πᵀ of an irreducible chain."""
    n_nodes = transitions.shape[0]
    if np.abs(np.asarray(transitions.sum(axis=0)).ravel() - 1).max() <= 1e-12:
        return np.full(n_nodes, 1.0 / n_nodes)
    # πᵀ(I − P) = 0 with one equation replaced by Σπ = 1.
    system = sparse.lil_array(sparse.eye_array(n_nodes) - transitions.T)
    system[n_nodes - 1] = np.ones(n_nodes)
    right = np.zeros(n_nodes)
    right[-1] = 1.0
    return np.asarray(sparse.linalg.spsolve(sparse.csc_array(system), right))


def _of_networkx(name: str, graph: Any, weight: str | None) -> sparse.csr_array:
    import networkx as nx

    checks.undirected_graph(name, graph)
    _tell(name, graph.number_of_nodes(), graph.number_of_edges())
    matrix = nx.to_scipy_sparse_array(graph, weight=weight, dtype=np.float64, format="csr")
    if weight is None:
        matrix.data[:] = 1.0
    matrix.sort_indices()
    return sparse.csr_array(matrix)


def _tell(name: str, n_nodes: int, n_edges: int) -> None:
    """What an adjacency takes while it and its weights are made, 40 bytes an entry, before it does."""
    told(f"{name} of {n_nodes:,} nodes and {n_edges:,} edges", 40 * (2 * n_edges + n_nodes))


def _of_edges(edges: NDArray[np.integer[Any]]) -> sparse.csr_array:
    n_nodes = int(edges.max()) + 1
    ends = edges.astype(np.int32 if n_nodes < 2**31 else np.int64)
    row, column = np.concatenate([ends, ends[:, ::-1]]).T
    matrix = sparse.coo_array((np.ones(row.size), (row, column)), shape=(n_nodes, n_nodes)).tocsr()
    matrix.sort_indices()
    matrix.data[:] = 1.0
    return sparse.csr_array(matrix)
