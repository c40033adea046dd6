"""Graphs, the weights on their edges, and the mixing matrices made of them."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from desgd_fast.common.check.arrays import real_array
from desgd_fast.common.check.values import belongs_to, given, number, positive_number


def undirected_graph(name: str, graph: Any) -> None:
    """An undirected networkx graph with at least one node."""
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise TypeError(
            f"{name} must be an undirected networkx graph, a sparse adjacency or an array of edges, "
            f"got {given(graph)}"
        )
    if graph.is_directed():
        raise ValueError(f"{name} must be undirected, got a {type(graph).__name__}; see its to_undirected()")
    some_node(name, graph)


def some_node(name: str, graph: Any) -> None:
    """A graph that is not empty."""
    if graph.number_of_nodes() == 0:
        raise ValueError(f"{name} must have at least one node, got an empty graph")


def symmetric_adjacency(name: str, value: Any) -> sparse.csr_array:
    """A square sparse array of finite numbers ≥ 0, the same both ways: CSR, indices sorted, no zeros."""
    if value.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of real numbers, got one of {value.dtype}")
    if value.ndim != 2 or value.shape[0] != value.shape[1] or value.shape[0] == 0:
        raise ValueError(f"{name} must be a square adjacency with at least one row, got shape {value.shape}")
    matrix = sparse.csr_array(value, dtype=np.float64, copy=True)
    if not (np.isfinite(matrix.data).all() and (matrix.data >= 0).all()):
        raise ValueError(f"{name} must hold finite edge weights of at least 0")
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    symmetric(name, matrix)
    return matrix


def edge_array(name: str, value: NDArray[Any]) -> NDArray[Any]:
    """An (n_edges, 2) array of node numbers, at least one."""
    if value.dtype.kind not in "iu" or value.ndim != 2 or value.shape[1] != 2 or value.size == 0:
        raise ValueError(
            f"{name} must be an (n_edges, 2) array of node numbers, got shape {value.shape} of "
            f"{value.dtype}; give an adjacency as a sparse array"
        )
    if value.min() < 0:
        raise ValueError(f"{name} must hold node numbers of at least 0, got {value.min()}")
    return value


def linked(name: str, links: sparse.csr_array) -> sparse.csr_array:
    """An adjacency with at least one link."""
    if links.nnz == 0:
        raise ValueError(f"{name} must have at least one link between two nodes, got none")
    return links


def connected(name: str, matrix: sparse.csr_array) -> sparse.csr_array:
    """One from every node of which every other is reached."""
    parts, _ = csgraph.connected_components(matrix, directed=True, connection="strong")
    if parts > 1:
        raise ValueError(f"{name} must lead from every node to every other, but falls into {parts} parts")
    return matrix


def reversible(name: str, transitions: sparse.csr_array, law: NDArray[np.float64]) -> None:
    """A chain with π_i P_ij = π_j P_ji."""
    flow = sparse.diags_array(law) @ transitions
    difference = abs(flow - flow.T)
    if difference.nnz and difference.max() > 1e-9:
        raise ValueError(f"{name} must be reversible, but flows differ by up to {difference.max():.3g}")


def losses_per_node(name: str, value: Any, n_nodes: int) -> NDArray[np.float64]:
    """One probability below 1 for each node, or for all."""
    array = real_array(name, value)
    if array.shape not in ((), (n_nodes,)) or not ((array >= 0) & (array < 1)).all():
        raise ValueError(
            f"{name} must be a number from 0 to below 1, or one for each of the {n_nodes} nodes, "
            f"got {given(value)}"
        )
    return np.broadcast_to(array, (n_nodes,))


def edge_weights(name: str, graph: Any, weight: Any, rule: str) -> None:
    """None, or the name of an attribute that is a positive finite number on every edge."""
    if weight is None:
        return
    if not isinstance(weight, str) or not hasattr(graph, "edges"):
        raise TypeError(
            f"{name} must be None or the name of an edge attribute of a networkx graph, got {given(weight)}"
        )
    if rule == "uniform":
        raise ValueError(
            f"{name} must be None for rule='uniform', which weighs all edges alike, got {weight!r}"
        )
    for start, end, value in graph.edges(data=weight):
        if value is None:
            raise ValueError(
                f"{name} must name an attribute of every edge, but ({start!r}, {end!r}) has no {weight!r}"
            )
        try:
            positive_number(f"{weight!r} of edge ({start!r}, {end!r})", value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name} must name positive edge weights: {error}") from None


def laplacian_step(name: str, delta: Any, rule: str, largest_degree: float, *, allow_negative: bool) -> float:
    """The edge weight of rule="laplacian", in [0, 1 / largest degree]; absent for every other rule."""
    belongs_to(name, delta, "rule", "laplacian", rule)
    if rule != "laplacian":
        return 0.0
    limit = np.inf if allow_negative or largest_degree == 0 else 1.0 / largest_degree
    allowed = "a number ≥ 0" if limit == np.inf else f"a number from 0 to 1/(largest degree) = {limit:.6g}"
    if delta is None:
        raise ValueError(f"{name} must be {allowed} for rule='laplacian', got None")
    result = number(name, delta, allowed)
    if result < 0 or result > limit * (1 + 1e-12):
        hint = "; allow_negative=True permits more" if result > 0 else ""
        raise ValueError(f"{name} must be {allowed}, got {given(delta)}{hint}")
    return result


def stochastic_matrix(
    name: str,
    value: Any,
    *,
    allow_row_stochastic: bool = False,
    allow_negative: bool = False,
    by_columns: bool = False,
) -> sparse.csr_array:
    """Entries ≥ 0, rows and columns summing to one: float64 CSR with sorted int64 indices, no zeros.

    Only rows need to where that is allowed, and only columns where it goes ``by_columns``.
    """
    dtype = getattr(value, "dtype", None)
    if sparse.issparse(value):
        if value.dtype.kind not in "fiu":
            raise TypeError(f"{name} must be an array of real numbers, got one of {value.dtype}")
        matrix = sparse.csr_array(value, dtype=np.float64, copy=True)
    else:
        array = np.atleast_2d(real_array(name, value, finite=False))
        matrix = sparse.csr_array(array) if array.ndim == 2 else array
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] == 0:
        raise ValueError(f"{name} must be a square matrix with at least one row, got shape {matrix.shape}")
    if not np.isfinite(matrix.data).all():
        raise ValueError(f"{name} must be finite, got nan or infinite entries")
    if not allow_negative and (matrix.data < 0).any():
        raise ValueError(
            f"{name} must have no negative weights, got {matrix.data.min():.6g}; "
            "pass allow_negative=True to permit that"
        )
    rows, columns = (1, "row"), (0, "column")
    sums_to_one = [columns] if by_columns else [rows] if allow_row_stochastic else [rows, columns]
    wanted = f"{sums_to_one[0][1]}-stochastic" if len(sums_to_one) == 1 else "doubly stochastic"
    for axis, kind in sums_to_one:
        sums = np.asarray(matrix.sum(axis=axis)).ravel()
        worst = int(np.argmax(np.abs(sums - 1)))
        if abs(sums[worst] - 1) > 1e-9:
            hint = "; pass allow_row_stochastic=True to permit that" if kind == "column" else ""
            if dtype in (np.float16, np.float32) and abs(sums[worst] - 1) < 1e-2:
                hint = (
                    f"; {dtype} has too few digits for that: compute it in float64, or if it is symmetric "
                    f"take {name} = {name}.astype(float); {name} += np.diag(1 - {name}.sum(axis=1))"
                )
            raise ValueError(f"{name} must be {wanted}, but {kind} {worst} sums to {sums[worst]:.12g}{hint}")
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    matrix.sort_indices()
    return sparse.csr_array(
        (matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)), shape=matrix.shape
    )


def named_graphs(name: str, value: object) -> None:
    """A mapping from labels to mixing matrices, with at least one entry."""
    if not isinstance(value, Mapping) or not value:
        raise TypeError(
            f"{name} must be a mapping from labels to mixing matrices, not empty, got {given(value)}"
        )


def common_size(name: str, sizes: dict[str, int]) -> int:
    """The number of nodes that all graphs share."""
    if len(set(sizes.values())) != 1:
        raise ValueError(f"{name} must all have the same number of nodes, got {given(sizes)}")
    return next(iter(sizes.values()))


def symmetric(name: str, matrix: sparse.csr_array) -> None:
    """A mixing matrix whose links weigh the same both ways."""
    difference = abs(matrix - matrix.T)
    if difference.nnz and difference.max() > 1e-12:
        raise ValueError(f"{name} must be symmetric, but weights differ by up to {difference.max():.6g}")


def some(name: str, value: Any) -> list[Any]:
    """What is iterable and has at least one entry."""
    if (
        isinstance(value, str | bytes | np.ndarray)
        or sparse.issparse(value)
        or not isinstance(value, Iterable)
    ):
        raise TypeError(f"{name} must be a sequence of mixing matrices, not empty, got {given(value)}")
    listed = list(value)
    if not listed:
        raise TypeError(f"{name} must be a sequence of mixing matrices, not empty, got {given(value)}")
    return listed
