"""A token that walks from node to node and carries the model."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import adjacency, stationary_law
from desgd_fast.mixing.processes.process import MixingProcess, one_row

if TYPE_CHECKING:
    import networkx as nx

# Rows of a token's table: where the neighbours of every node begin, themselves, what adds up to their
# probabilities, the probabilities, and a law of nodes: where the token starts, or the measure it is to have.
_BEGIN, _NEIGHBOURS, _UP_TO, _CHANCES, _LAW = range(5)


@inlined
def _hold(holder: int, memory: Reals, weights: Reals) -> None:
    """The token is here: after the nodes' flags, memory keeps its place."""
    for node in range(weights.size):
        weights[node], memory[node] = 0.0, 0.0
    weights[holder], memory[holder], memory[weights.size] = 1.0, 1.0, float(holder)


@inlined
def _start(uniform: float, tables: Matrix, n_nodes: int) -> int:
    node, total = 0, tables[4, 0]
    while uniform > total and node < n_nodes - 1:
        node += 1
        total += tables[4, node]
    return node


@inlined
def _walk(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    if meeting == 0:
        _hold(_start(uniforms[0], tables, weights.size), memory, weights)
        return
    holder = int(memory[weights.size])
    low, high = int(tables[0, holder]), int(tables[0, holder + 1]) - 1
    while low < high:
        middle = (low + high) // 2
        if uniforms[0] <= tables[2, middle]:
            high = middle
        else:
            low = middle + 1
    _hold(int(tables[1, low]), memory, weights)


@inlined
def _avoid_visited(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    # After flags and place: the strength's parameters are in the last row, the visits' measure in memory.
    n_nodes = weights.size
    strength, forgetting = tables[5, 0], tables[5, 1]
    if meeting == 0:
        for node in range(n_nodes):
            memory[n_nodes + 1 + node] = tables[4, node]
        place = _start(uniforms[0], tables, n_nodes)
    else:
        holder = int(memory[n_nodes])
        first, last = int(tables[0, holder]), int(tables[0, holder + 1])
        total = 0.0
        for i in range(first, last):
            there = int(tables[1, i])
            total += tables[3, i] * (memory[n_nodes + 1 + there] / tables[4, there]) ** -strength
        left, place = uniforms[0] * total, int(tables[1, last - 1])
        for i in range(first, last):
            there = int(tables[1, i])
            left -= tables[3, i] * (memory[n_nodes + 1 + there] / tables[4, there]) ** -strength
            if left <= 0.0:
                place = there
                break
    _hold(place, memory, weights)
    gain = forgetting if forgetting > 0.0 else 1.0 / (meeting + 2.0)
    for node in range(n_nodes):
        memory[n_nodes + 1 + node] *= 1.0 - gain
    memory[n_nodes + 1 + place] += gain


def token(chain: "nx.Graph[Any] | Any") -> MixingProcess:
    """A model walks from node to node: the holder's iterate is everybody's, and it alone takes a gradient.

    θ ← θ − η g_j(θ) at the node j where the token is, j a Markov chain with transitions P (random-walk SGD:
    Johansson, Rabi & Johansson, SIAM Journal on Optimization 2009), under :func:`desgd_fast.algorithms.woken`
    and :func:`desgd_fast.algorithms.adapt_then_combine`. It starts in the chain's stationary law π, so that
    E[W] = 1πᵀ. A cyclic order is a permutation matrix.

    Parameters
    ----------
    chain : networkx.Graph, (n_edges, 2) array of integers, or (n_nodes, n_nodes) array or sparse array
        A graph, whose neighbours are all as likely (π as the degrees), or transitions P, rows summing to one,
        of an irreducible chain; ``mixing_matrix(graph)`` makes one whose π is uniform.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If ``chain`` is neither, or not connected.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> dsf.mixing.token(nx.star_graph(2)).mean.toarray()
    array([[0.5 , 0.25, 0.25]])
    """
    transitions, stationary = _chain(chain)
    n_nodes = transitions.shape[0]
    tables = _tables(transitions, stationary)

    def outcomes(meeting: int, memory: NDArray[np.float64]) -> list[tuple[float, list[float]]]:
        if meeting == 0:
            chances, up_to = stationary, np.cumsum(stationary)
        else:
            holder = int(memory[n_nodes])
            here = slice(transitions.indptr[holder], transitions.indptr[holder + 1])
            chances, up_to = transitions.data[here], tables[_UP_TO, here]
        middles = up_to - chances / 2
        return [(float(chance), [float(u)]) for chance, u in zip(chances, middles, strict=True)]

    return MixingProcess(
        one_row(np.ones(n_nodes)),
        one_row(stationary),
        _walk,
        tables,
        1,
        n_nodes + 1,
        wakes=True,
        common=True,
        name=f"token({n_nodes} nodes)",
        outcomes=outcomes,
        walk=transitions,
    )


def self_repellent_token(
    chain: "nx.Graph[Any] | Any", strength: float, *, forgetting: float | None = None
) -> MixingProcess:
    """A token that avoids where it has been: K_ij ∝ P_ij (x_j / μ_j)^−strength, x the measure of its visits.

    SA-SRRW of Hu, Doshi & Eun (ICLR 2024, arXiv 2401.09665, with the kernel of Doshi, Hu & Eun, ICML 2023):
    after each move x ← x + γ_n (δ_j − x) with γ_n = 1 / (n + 2), or a constant, from x = μ on. The measure
    tends to μ, and with it K to P, unless γ is constant.

    Parameters
    ----------
    chain : networkx.Graph, (n_edges, 2) array of integers, or (n_nodes, n_nodes) array or sparse array
        The base chain, as for :func:`token`, reversible with respect to its stationary law μ.
    strength : float
        α ≥ 0; 0 is :func:`token`.
    forgetting : float, optional
        γ where it is to be constant, in (0, 1).

    Returns
    -------
    MixingProcess
        Its ``mean`` is that of the base chain, which the visits tend to.

    Raises
    ------
    ValueError, TypeError
        If ``chain`` is not connected or not reversible, or a number out of range.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> dsf.mixing.self_repellent_token(nx.cycle_graph(5), 10.0).name
    'self_repellent_token(5 nodes, 10)'
    """
    strength = check.non_negative_number("strength", strength)
    constant = 0.0 if forgetting is None else check.fraction("forgetting", forgetting)
    transitions, stationary = _chain(chain)
    checks.reversible("chain", transitions, stationary)
    n_nodes, tables = transitions.shape[0], _tables(transitions, stationary)
    numbers = np.zeros((1, tables.shape[1]))
    numbers[0, :2] = strength, constant
    return MixingProcess(
        one_row(np.ones(n_nodes)),
        one_row(stationary),
        _avoid_visited,
        np.concatenate([tables, numbers]),
        1,
        2 * n_nodes + 1,
        wakes=True,
        common=True,
        name=f"self_repellent_token({n_nodes} nodes, {strength:g})",
    )


def _chain(chain: Any) -> tuple[sparse.csr_array, NDArray[np.float64]]:
    """Transitions, and the stationary law."""
    import networkx as nx

    if isinstance(chain, nx.Graph) or (isinstance(chain, np.ndarray) and chain.dtype.kind in "iu"):
        links = checks.linked("chain", checks.connected("chain", adjacency("chain", chain)))
        degrees = np.diff(links.indptr).astype(np.float64)
        links.data = 1.0 / np.repeat(degrees, np.diff(links.indptr))
        return links, degrees / degrees.sum()
    matrix = checks.stochastic_matrix("chain", chain, allow_row_stochastic=True)
    checks.connected("chain", matrix)
    return matrix, stationary_law(matrix)


def _tables(transitions: sparse.csr_array, law: NDArray[np.float64]) -> NDArray[np.float64]:
    tables = np.ones((5, max(transitions.nnz, law.size + 1)))
    tables[_BEGIN, : law.size + 1] = transitions.indptr
    tables[_NEIGHBOURS, : transitions.nnz] = transitions.indices
    total = np.cumsum(transitions.data)
    before = np.concatenate([[0.0], total])[transitions.indptr[:-1]]
    tables[_UP_TO, : transitions.nnz] = total - np.repeat(before, np.diff(transitions.indptr))
    tables[_CHANCES, : transitions.nnz] = transitions.data
    tables[_LAW, : law.size] = law
    return tables
