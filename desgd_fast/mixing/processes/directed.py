"""Push-sum on directed graphs: columns sum to one, and a weight that is pushed along makes rows do so."""

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import stationary_law
from desgd_fast.mixing.processes.process import MixingProcess

if TYPE_CHECKING:
    import networkx as nx


@inlined
def _push(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    # Memory: 1/w of this round, by which steps are multiplied, and after it the w of the next, 0 before the
    # first: a population begins anew at any round.
    n_nodes = indptr.size - 1
    for node in range(n_nodes):
        weight = memory[n_nodes + node]
        memory[node] = 1.0 if weight == 0.0 else 1.0 / weight
    for node in range(n_nodes):
        total = 0.0
        for e in range(indptr[node], indptr[node + 1]):
            weights[e] = base[e] / memory[indices[e]]
            total += weights[e]
        for e in range(indptr[node], indptr[node + 1]):
            weights[e] /= total
        memory[n_nodes + node] = total


def push_sum(graph: "nx.DiGraph[Any] | Any") -> MixingProcess:
    """Nodes push shares of what they hold along directed links, and of a weight w_i that begins as 1.

    With P column-stochastic and y_i what node i holds, y ← P y, w ← P w, and x_i = y_i / w_i is what a run
    keeps (Kempe, Dobra & Gehrke, FOCS 2003): x_i ← Σ_j W_ij x_j with W_ij = P_ij w_j / (P w)_i, whose rows
    sum to one. A gradient that is taken off y_j moves x_j by 1/w_j of it, which
    :func:`desgd_fast.algorithms.stochastic_gradient_push` does. The w tend to N π, Pπ = π.

    Parameters
    ----------
    graph : networkx.DiGraph, or (n_nodes, n_nodes) array or sparse array
        Strongly connected. Node i of a graph pushes equal shares to itself and to all that it points to; or
        P, P_ij the share of j that i receives.

    Returns
    -------
    MixingProcess
        Its ``mean`` is the matrix that W tends to, which is row-stochastic.

    Raises
    ------
    ValueError, TypeError
        If ``graph`` is neither, or not strongly connected.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> links = nx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)])
    >>> dsf.mixing.push_sum(links).mean.toarray().round(2)[2]
    array([0.25, 0.25, 0.5 ])
    """
    # Who sends whom which share, rows summing to one.
    shares = checks.connected("graph", _shares(graph))
    pushed = sparse.csr_array(shares.T)
    pushed.sort_indices()
    law = stationary_law(shares)
    limit = sparse.csr_array(sparse.diags_array(1 / law) @ pushed @ sparse.diags_array(law))
    n_nodes = law.size
    return MixingProcess(
        pushed,
        limit,
        _push,
        n_memory=2 * n_nodes,
        wakes=True,
        name=f"push_sum({n_nodes} nodes)",
        outcomes=lambda meeting, memory: [(1.0, [])],
    )


def _shares(graph: Any) -> sparse.csr_array:
    import networkx as nx

    if not isinstance(graph, nx.DiGraph):
        return checks.stochastic_matrix("graph", graph, by_columns=True).T.tocsr()
    checks.some_node("graph", graph)
    links = sparse.csr_array(nx.to_scipy_sparse_array(graph, weight=None, dtype=np.float64))
    whole = sparse.csr_array(links.maximum(sparse.eye_array(links.shape[0])))
    return sparse.csr_array(sparse.diags_array(1 / np.asarray(whole.sum(axis=1)).ravel()) @ whole)
