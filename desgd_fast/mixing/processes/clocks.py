"""Poisson clocks of nodes and of links: one event a round, no common step."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import adjacency, laplacian, link_numbers, rows_of
from desgd_fast.mixing.processes.matchings import drawn_set, one_set_at_a_time, open_set
from desgd_fast.mixing.processes.process import MixingProcess

if TYPE_CHECKING:
    import networkx as nx


@inlined
def _tick(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    # Every link is a set of its own, and the last set, without links, stands for all nodes. After the nodes'
    # flags, memory keeps the set that ticked last, counted from one: a link carries as its round ends, which
    # is where the next one begins.
    n_nodes, nodes = indptr.size - 1, int(tables[2, 0])
    last = int(memory[n_nodes]) - 1
    open_set(nodes if last < 0 else last, base, indptr, indices, tables, memory, weights)
    ticked = drawn_set(uniforms[0], tables)
    memory[n_nodes] = ticked + 1.0
    awake = math.ceil(uniforms[1] * n_nodes) - 1 if ticked == nodes else -1
    for node in range(n_nodes):
        memory[node] = 1.0 if node == awake else 0.0


def poisson_clocks(
    graph: "nx.Graph[Any] | sparse.sparray | NDArray[Any]",
    *,
    node_rate: float = 1.0,
    link_rate: float | None = None,
) -> MixingProcess:
    """Every node and every link has a Poisson clock; a round is one event of them all, without common steps.

    A node that ticks takes a gradient (:func:`desgd_fast.algorithms.woken`), the ends of a link that ticks
    average with weight ½; events come at ``event_rate``, the sum of all rates, each on its own node or link
    with probability rate / ``event_rate``. What a link carries is seen from the next round on, that is,
    after its event. The asynchronous model of Boyd et al. (IEEE Transactions on Information Theory 2006) and
    of DADAO (Nabli & Oyallon, ICML 2023), :func:`desgd_fast.algorithms.dadao`.

    Parameters
    ----------
    graph : networkx.Graph, sparse array, or (n_edges, 2) array of integers
        Connected; as for :func:`desgd_fast.mixing_matrix`.
    node_rate : float
        Gradients of a node in a unit of time.
    link_rate : float, optional
        Messages on all links together in a unit of time, all links alike. By default that of DADAO,
        √(2 χ₁ χ₂), with 1/χ₁ the second smallest eigenvalue of L / n_edges, L the graph Laplacian, and
        χ₂ = max over links of ½ (e_i − e_j)ᵀ (L / n_edges)⁺ (e_i − e_j): an (n_nodes, n_nodes) array.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If ``graph`` is no connected undirected graph with a link, or a rate not positive.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> clocks = dsf.mixing.poisson_clocks(nx.path_graph(3))
    >>> clocks.name, clocks.event_rate
    ('poisson_clocks(1, 2)', 5.0)
    """
    links = checks.connected("graph", checks.linked("graph", adjacency("graph", graph)))
    node_rate = check.positive_number("node_rate", node_rate)
    links.data[:] = 0.5
    n_nodes, n_links = links.shape[0], links.nnz // 2
    link_rate = _published(links) if link_rate is None else check.positive_number("link_rate", link_rate)
    rate = n_nodes * node_rate + link_rate
    chances = np.append(np.full(n_links, link_rate / n_links), n_nodes * node_rate) / rate
    gossip = one_set_at_a_time(links, link_numbers(links), chances, False, "")
    tables = np.vstack([gossip.tables, np.full(gossip.tables.shape[1], float(n_links))])

    def outcomes(meeting: int, memory: NDArray[np.float64]) -> list[tuple[float, list[float]]]:
        on_links = [(chances[e], [tables[1, e], 1.0]) for e in range(n_links)]
        each = chances[n_links] / n_nodes
        return on_links + [(each, [1.0, (node + 0.5) / n_nodes]) for node in range(n_nodes)]

    return replace(
        gossip,
        function=_tick,
        tables=tables,
        n_uniforms=2,
        n_memory=n_nodes + 1,
        remembers=True,
        outcomes=outcomes,
        event_rate=rate,
        name=f"poisson_clocks({node_rate:g}, {link_rate:g})",
    )


def _published(links: sparse.csr_array) -> float:
    """√(2 χ₁ χ₂) of links that are all as likely."""
    row, column = rows_of(links), links.indices
    i, j = row[row < column], column[row < column]
    shares = laplacian(i, j, np.full(i.size, 1.0 / i.size), links.shape[0]).toarray()
    values, vectors = np.linalg.eigh(shares)
    apart = (vectors[i, 1:] - vectors[j, 1:]) / np.sqrt(values[1:])
    resistance = 0.5 * np.square(apart).sum(axis=1).max()
    return math.sqrt(2 * resistance / values[1])
