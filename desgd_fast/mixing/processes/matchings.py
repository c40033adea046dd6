"""One set of links at a time: gossip in pairs, matchings, one peer each.

The links of ``base`` are parted into sets, in each of which a node listens to one other at most. In a round
one set is open: its links carry what ``base`` says, nodes keep the rest, and nobody else listens.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from desgd_fast.common import check
from desgd_fast.common.memory import told
from desgd_fast.kernels.graphs.colours import colour_edges
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import adjacency, laplacian, link_numbers, mirrored, rows_of, with_diagonal
from desgd_fast.mixing.processes.process import MixingProcess

if TYPE_CHECKING:
    import networkx as nx

ORDERS = ("random", "cyclic")


@inlined
def open_set(
    chosen: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    """Let the links of this set carry; memory says who listens."""
    for node in range(indptr.size - 1):
        kept, own = 1.0, indptr[node]
        for e in range(indptr[node], indptr[node + 1]):
            weights[e] = base[e] if tables[0, e] == chosen else 0.0
            kept -= weights[e]
            own = e if indices[e] == node else own
        weights[own] = kept
        memory[node] = 1.0 if kept < 1.0 else 0.0


@inlined
def drawn_set(uniform: float, tables: Matrix) -> int:
    """The set that a uniform falls into."""
    low, high = 0, tables.shape[1] - 1
    while low < high:
        middle = (low + high) // 2
        if uniform <= tables[1, middle]:
            high = middle
        else:
            low = middle + 1
    return low


@inlined
def _draw_set(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    open_set(drawn_set(uniforms[0], tables), base, indptr, indices, tables, memory, weights)


@inlined
def _take_set(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    open_set(meeting % int(tables[1, 0]), base, indptr, indices, tables, memory, weights)


def one_set_at_a_time(
    links: sparse.csr_array, sets: NDArray[Any], probabilities: NDArray[np.float64], cyclic: bool, name: str
) -> MixingProcess:
    """``links`` holds the weights of open links and no diagonal, ``sets`` the set of every entry."""
    n_nodes = links.shape[0]
    base = with_diagonal(links, np.ones(n_nodes))
    own = rows_of(base) == base.indices
    tables = np.ones((2, max(base.nnz, probabilities.size)))
    tables[0, : base.nnz][own] = -1.0
    tables[0, : base.nnz][~own] = sets
    # The sum of all is one, whatever the roundings.
    tables[1, : probabilities.size - 1] = np.cumsum(probabilities[:-1])
    if cyclic:
        tables[1, 0] = probabilities.size
    expected = sparse.csr_array((links.data * probabilities[sets], links.indices, links.indptr), links.shape)
    mean = with_diagonal(expected, 1.0 - np.asarray(expected.sum(axis=1)).ravel())
    listener, source, weight = rows_of(links), links.indices, links.data
    order = np.argsort(sets, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(sets, minlength=probabilities.size))[:-1])

    def opened(e: NDArray[Any]) -> sparse.csr_array:
        rows, columns = np.concatenate([listener[e], listener[e]]), np.concatenate([source[e], listener[e]])
        moved = sparse.coo_array((np.concatenate([weight[e], -weight[e]]), (rows, columns)), mean.shape)
        return sparse.csr_array(sparse.eye_array(n_nodes) + moved)

    def quadratic(Q: NDArray[np.float64]) -> NDArray[np.float64]:
        # With W = I − D: W̄Q + QW̄ᵀ − Q + E[DQDᵀ], and D has rows for those who listen alone.
        result = mean @ Q + (mean @ Q.T).T - Q
        for probability, e in zip(probabilities, members, strict=True):
            i, j = listener[e], source[e]
            apart = Q[np.ix_(i, i)] - Q[np.ix_(i, j)] - Q[np.ix_(j, i)] + Q[np.ix_(j, j)]
            result[np.ix_(i, i)] += probability * np.outer(weight[e], weight[e]) * apart
        return np.asarray(result)

    def square() -> sparse.csr_array:
        spread = laplacian(listener, source, probabilities[sets] * weight**2, n_nodes)
        return sparse.csr_array(mean + mean.T - sparse.eye_array(n_nodes) + spread)

    def outcomes(meeting: int, memory: NDArray[np.float64]) -> list[tuple[float, list[float]]]:
        return [(chance, [up_to]) for chance, up_to in zip(probabilities, tables[1], strict=False)]

    return MixingProcess(
        base,
        mean,
        _take_set if cyclic else _draw_set,
        tables,
        0 if cyclic else 1,
        n_nodes,
        wakes=True,
        remembers=False,
        name=name,
        quadratic=None if cyclic else quadratic,
        square=square,
        turns=tuple(map(opened, members)) if cyclic else (),
        outcomes=None if cyclic else outcomes,
    )


def pairwise_gossip(graph: "nx.Graph[Any] | sparse.sparray | NDArray[Any]") -> MixingProcess:
    """One pair a round averages: a node wakes, calls a neighbour, and both take ½(x_i + x_j).

    Every node is as likely to wake as any other and calls each of its d_i neighbours alike, so that the link
    i–j meets with probability p_ij = (1/d_i + 1/d_j) / N and

        W = I − ½ (e_i − e_j)(e_i − e_j)ᵀ,    E[W] = I − ½ Σ_ij p_ij (e_i − e_j)(e_i − e_j)ᵀ

    (Boyd, Ghosh, Prabhakar & Shah, IEEE Transactions on Information Theory 2006). All nodes take their
    gradients at every step; only the woken pair does under :func:`desgd_fast.algorithms.woken`.

    Parameters
    ----------
    graph : networkx.Graph, sparse array, or (n_edges, 2) array of integers
        As for :func:`desgd_fast.mixing_matrix`; of a node without neighbours nobody hears.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If ``graph`` is no undirected graph, or has no links.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> dsf.mixing.pairwise_gossip(nx.cycle_graph(4)).mean.toarray()[0]
    array([0.75 , 0.125, 0.   , 0.125])
    """
    links = checks.linked("graph", adjacency("graph", graph))
    row, column = rows_of(links), links.indices
    degrees = np.diff(links.indptr)
    links.data[:] = 0.5
    called = (1.0 / degrees[row] + 1.0 / degrees[column])[row < column]
    return one_set_at_a_time(links, link_numbers(links), called / called.sum(), False, "pairwise_gossip()")


def random_matching(graph: "nx.Graph[Any] | sparse.sparray | NDArray[Any]") -> MixingProcess:
    """A matching drawn anew every round: its pairs average, x_i, x_j ← ½(x_i + x_j), the others keep theirs.

    The links are parted into matchings by colouring, as many as the largest degree if the graph is bipartite
    and fewer than twice as many otherwise, and each is as likely as any other, so that
    E[W] = I − L / (2 · number of matchings), L the graph Laplacian (MATCHA: Wang, Sahu, Yang, Joshi & Kar,
    2019, with one matching a round and the weight ½). On a ring of even size both matchings are perfect.

    Parameters
    ----------
    graph : networkx.Graph, sparse array, or (n_edges, 2) array of integers
        As for :func:`desgd_fast.mixing_matrix`.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If ``graph`` is no undirected graph, or has no links.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> dsf.mixing.random_matching(nx.cycle_graph(4)).mean.toarray()[0]
    array([0.5 , 0.25, 0.  , 0.25])
    """
    links = checks.linked("graph", adjacency("graph", graph))
    links.data[:] = 0.5
    indptr, indices = links.indptr.astype(np.int64), links.indices.astype(np.int64)
    colours = np.empty(links.nnz, np.int64)
    colour_edges(indptr, indices, mirrored(links), colours)
    used, matchings = np.unique(colours, return_inverse=True)
    return one_set_at_a_time(
        links, matchings, np.full(used.size, 1.0 / used.size), False, "random_matching()"
    )


def one_peer_exponential(n_nodes: int, *, order: str = "cyclic") -> MixingProcess:
    """Each node averages with the one 2^t ahead: x_i ← ½(x_i + x_{i + 2^t mod N}), another t each round.

    Directed, and doubly stochastic at every step: W = ½(I + P^{2^t}) with P the cyclic shift and
    t = 0, …, ⌈log₂ N⌉ − 1 in turn or drawn. In turn, and with N a power of two, so many rounds make the exact
    mean of all (Assran et al., ICML 2019; Ying et al., NeurIPS 2021).

    Parameters
    ----------
    n_nodes : int
        At least 2.
    order : {"cyclic", "random"}
        Whether t takes turns or is drawn anew, uniformly.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If ``n_nodes`` is below 2 or ``order`` unknown.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.mixing.one_peer_exponential(4).mean.toarray()[0]
    array([0.5 , 0.25, 0.25, 0.  ])
    """
    n_nodes = check.integer("n_nodes", n_nodes, 2)
    check.choice("order", order, ORDERS)
    told(f"n_nodes={n_nodes:,}", 50 * n_nodes * (n_nodes - 1).bit_length())
    count = (n_nodes - 1).bit_length()
    peers = (np.arange(n_nodes)[:, None] + 2 ** np.arange(count)) % n_nodes
    # Columns of a row in increasing order, and with them the t of each.
    sets = np.argsort(peers, axis=1)
    starts = count * np.arange(n_nodes + 1)
    columns = np.take_along_axis(peers, sets, axis=1).ravel()
    links = sparse.csr_array((np.full(columns.size, 0.5), columns, starts), shape=(n_nodes, n_nodes))
    equally = np.full(count, 1.0 / count)
    name = f"one_peer_exponential({n_nodes}, order={order!r})"
    return one_set_at_a_time(links, sets.ravel(), equally, order == "cyclic", name)
