"""Links that fail: on their own, in bursts, or with the nodes at their ends; nodes keep what is not sent."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import laplacian, link_numbers, rows_of
from desgd_fast.mixing.processes.process import MixingProcess, matrix_of, whole_diagonal

if TYPE_CHECKING:
    import networkx as nx


@inlined
def _fail_links(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    for node in range(indptr.size - 1):
        lost, own = 0.0, indptr[node]
        for e in range(indptr[node], indptr[node + 1]):
            if indices[e] == node:
                own = e
            if tables[0, e] >= 0.0 and uniforms[int(tables[0, e])] <= tables[1, e]:
                weights[e] = 0.0
                lost += base[e]
            else:
                weights[e] = base[e]
        weights[own] += lost


def link_failures(graph: "nx.Graph[Any] | Any", probability: float) -> MixingProcess:
    """Every link fails at every step with this probability; both ends keep what it would have carried.

    W_k = W + Σ_failed w_ij (e_i − e_j)(e_i − e_j)ᵀ, doubly stochastic at every step, with
    E[W_k] = (1 − probability) W + probability · I.

    Parameters
    ----------
    graph : networkx.Graph, or (n_nodes, n_nodes) array or sparse array
        A graph, which is given Metropolis weights, or a symmetric mixing matrix.
    probability : float
        In [0, 1).

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If the matrix is not symmetric and doubly stochastic, or the probability out of range.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> process = dsf.mixing.link_failures(nx.cycle_graph(4), 0.5)
    >>> process.mean.toarray()[0].round(3)
    array([0.667, 0.167, 0.   , 0.167])
    """
    probability = check.number("probability", probability, "a number from 0 to below 1", lambda p: 0 <= p < 1)
    base = _symmetric_base(graph)
    numbers = link_numbers(base)
    tables = np.stack([numbers.astype(np.float64), np.full(numbers.size, probability)])
    mean = sparse.csr_array((1 - probability) * base + probability * sparse.eye_array(base.shape[0]))
    row, column = rows_of(base), base.indices
    upper = row < column
    i, j, apart = row[upper], column[upper], probability * (1 - probability) * base.data[upper] ** 2

    def quadratic(Q: NDArray[np.float64]) -> NDArray[np.float64]:
        difference = apart * (Q[i, i] + Q[j, j] - Q[i, j] - Q[j, i])
        return np.asarray(mean @ (mean @ Q.T).T + laplacian(i, j, difference, base.shape[0]))

    def square() -> sparse.csr_array:
        return sparse.csr_array(mean @ mean + laplacian(i, j, 2 * apart, base.shape[0]))

    return MixingProcess(
        base,
        mean,
        _fail_links,
        tables,
        int(upper.sum()),
        name=f"link_failures({probability:g})",
        quadratic=quadratic,
        square=square,
    )


@inlined
def _fail_in_bursts(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    begin, fail, stay = tables[1, 0], tables[1, 1], tables[1, 2]
    for link in range(memory.size):
        limit = begin if meeting == 0 else stay if memory[link] > 0.0 else fail
        memory[link] = 1.0 if uniforms[link] <= limit else 0.0
    for node in range(indptr.size - 1):
        lost, own = 0.0, indptr[node]
        for e in range(indptr[node], indptr[node + 1]):
            if indices[e] == node:
                own = e
            if tables[0, e] >= 0.0 and memory[int(tables[0, e])] > 0.0:
                weights[e] = 0.0
                lost += base[e]
            else:
                weights[e] = base[e]
        weights[own] += lost


def gilbert_elliott(graph: "nx.Graph[Any] | Any", failure: float, recovery: float) -> MixingProcess:
    """Links fail in bursts: good ones turn bad with probability ``failure``, bad ones good with ``recovery``.

    The chain of Gilbert (Bell System Technical Journal 1960) on every link, which carries nothing while it is
    bad; it begins in its stationary law, bad with probability failure / (failure + recovery). Bursts last
    1 / recovery rounds on average; with failure + recovery = 1 it is :func:`link_failures`.

    Parameters
    ----------
    graph : networkx.Graph, or (n_nodes, n_nodes) array or sparse array
        A graph, which is given Metropolis weights, or a symmetric mixing matrix.
    failure, recovery : float
        In (0, 1].

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If the matrix is not symmetric and doubly stochastic, or a probability out of range.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> process = dsf.mixing.gilbert_elliott(nx.cycle_graph(4), 0.1, 0.3)
    >>> process.mean.toarray()[0].round(3)
    array([0.5 , 0.25, 0.  , 0.25])
    """
    failure, recovery = (
        check.number(name, value, "a number above 0 and at most 1", lambda p: 0 < p <= 1)
        for name, value in (("failure", failure), ("recovery", recovery))
    )
    base, bad = _symmetric_base(graph), failure / (failure + recovery)
    check.number("recovery", recovery, "above 1e-16 of failure", lambda _: bad < 1)
    numbers = link_numbers(base)
    tables = np.zeros((2, max(numbers.size, 3)))
    tables[0, : numbers.size] = numbers
    tables[1, :3] = bad, failure, 1 - recovery
    links = int((numbers >= 0).sum()) // 2
    mean = sparse.csr_array((1 - bad) * base + bad * sparse.eye_array(base.shape[0]))
    once = link_failures(base, bad)
    return MixingProcess(
        base,
        mean,
        _fail_in_bursts,
        tables,
        links,
        links,
        name=f"gilbert_elliott({failure:g}, {recovery:g})",
        quadratic=once.quadratic if failure + recovery == 1 else None,
        square=once.square,
    )


@inlined
def _drop_nodes(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    for node in range(memory.size):
        memory[node] = 0.0 if uniforms[node] <= tables[0, node] else 1.0
    for node in range(indptr.size - 1):
        lost, own = 0.0, indptr[node]
        for e in range(indptr[node], indptr[node + 1]):
            there = indices[e]
            weights[e] = base[e]
            if there == node:
                own = e
            elif memory[node] * memory[there] == 0.0:
                weights[e] = 0.0
                lost += base[e]
        weights[own] += lost


def node_dropout(graph: "nx.Graph[Any] | Any", probability: ArrayLike) -> MixingProcess:
    """Every node is away in a round with this probability, and all its links with it.

    Both ends of a link keep what it would have carried, so that W_k is doubly stochastic at every step, with
    E[W_k]_ij = (1 − p_i)(1 − p_j) W_ij. Nodes that are away go on with their gradients, unless
    :func:`desgd_fast.algorithms.woken` has them wait.

    Parameters
    ----------
    graph : networkx.Graph, or (n_nodes, n_nodes) array or sparse array
        A graph, which is given Metropolis weights, or a symmetric mixing matrix.
    probability : float or (n_nodes,) array
        In [0, 1), for all nodes or for each.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If the matrix is not symmetric and doubly stochastic, or a probability out of range.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> dsf.mixing.node_dropout(nx.cycle_graph(4), 0.5).mean.toarray()[0].round(3)
    array([0.833, 0.083, 0.   , 0.083])
    """
    base = _symmetric_base(graph)
    n_nodes = base.shape[0]
    away = checks.losses_per_node("probability", probability, n_nodes)
    up = 1 - away
    row, column = rows_of(base), base.indices
    between = row != column
    met = sparse.csr_array((base.data * between * up[row] * up[column], column, base.indptr), base.shape)
    mean = met.copy()
    mean.data[~between] = 1 - np.asarray(met.sum(axis=1)).ravel()
    moments = _Dropout(met, away / up)
    shown = ", ".join(f"{p:g}" for p in (away[:1] if np.ptp(away) == 0 else away[:3]))
    return MixingProcess(
        base,
        mean,
        _drop_nodes,
        away[None, :],
        n_nodes,
        n_nodes,
        wakes=True,
        remembers=False,
        name=f"node_dropout({shown}{', …' if np.ptp(away) and n_nodes > 3 else ''})",
        quadratic=moments.quadratic,
        square=moments.square,
    )


class _Dropout:
    """Second moments of W = I − L, L_ij = −w_ij a_i a_j, where a_i is 1 for nodes that are there.

    In (LQL)_ik = Σ_jl w_ij w_kl a_i a_j a_k a_l (Q_ik − Q_il − Q_jk + Q_jl) the expectation of the four a is
    the product of their means, times 1/E[a_x] for each x that occurs twice: ``excess`` is that less one.
    """

    def __init__(self, met: sparse.csr_array, excess: NDArray[np.float64]) -> None:
        self.met, self.excess = met, excess
        self.total = np.asarray(met.sum(axis=1)).ravel()
        self.laplacian = sparse.csr_array(sparse.diags_array(self.total) - met)

    def quadratic(self, Q: NDArray[np.float64]) -> NDArray[np.float64]:
        m, c, left = self.met.toarray(), self.excess, self.laplacian @ Q
        right = (self.laplacian @ Q.T).T
        both = (self.laplacian @ left.T).T
        diagonal = np.diag(Q)
        once = (m * c) @ m * Q - (m * Q * c) @ m - (m * c) @ (m * Q.T).T + (m * (c * diagonal)) @ m
        across = m * (c[:, None] * (left - np.diag(left)[:, None]) + c * (right - np.diag(right)))
        apart = m**2 * np.outer(c, c) * (diagonal[:, None] + diagonal - Q - Q.T)
        alone = c * np.diag(both) + apart.sum(axis=1)
        return np.asarray(Q - left - right + both + once + across - apart + np.diag(alone))

    def square(self) -> sparse.csr_array:
        m, c, both = self.met, sparse.diags_array(self.excess), self.laplacian @ self.laplacian
        once = m @ c @ m
        loads, squares = sparse.diags_array(self.total), m * m
        across = c @ (loads @ m + squares)
        apart = 2 * (c @ squares @ c)
        alone = self.excess * both.diagonal() + once.diagonal() + np.asarray(apart.sum(axis=1)).ravel()
        identity = sparse.eye_array(m.shape[0])
        whole = identity - 2 * self.laplacian + both + once - across - across.T - apart
        return sparse.csr_array(whole + sparse.diags_array(alone))


def _symmetric_base(graph: Any) -> sparse.csr_array:
    matrix = matrix_of("graph", graph)
    checks.symmetric("graph", matrix)
    return whole_diagonal(matrix)
