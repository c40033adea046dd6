"""Who talks to whom at which step: mixing matrices that change, drawn anew or in turn.

A process has a matrix in compressed rows, ``base``, whose pattern holds every weight that may occur, and a
short compiled function that fills in the weights of one meeting of a run.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing import checks
from desgd_fast.mixing.rules import mixing_matrix

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False)
class MixingProcess:
    """A mixing matrix for every round of every run, for the ``W`` of :func:`desgd_fast.simulate`.

    A round is a step, or as many local steps as the algorithm has.

    Attributes
    ----------
    base : (n_nodes, n_nodes) sparse array
        Every weight that may occur, at its largest.
    mean : (n_nodes, n_nodes) sparse array
        E[W], over the randomness or the turns.
    function : callable or None
        ``function(meeting, base, indptr, indices, uniforms, tables, memory, weights)`` fills ``weights``,
        in the order of ``base``'s, for a round's number 0, 1, …; None where the matrix stays.
    tables : (rows, columns) array
        Numbers of its own.
    n_uniforms : int
        Uniforms that it draws for each round.
    n_memory : int
        Numbers that it keeps from one round to the next, zeros before the first; a participation reads them.
    common : bool
        Whether all nodes receive the same, as from a server: ``base`` and ``mean`` then hold that one row.
    name : str
        As it is called in messages and representations.
    period : int
        Rounds after which it begins again, if it depends on the round's number.
    outcomes : callable or None
        ``outcomes(memory)`` lists all that the uniforms of a round may decide, as pairs of a probability and
        the uniforms that bring it about. Exact second moments follow the memory through all of them.
    variance : callable or None
        ``variance(Q)`` = E[W Q Wᵀ] − E[W] Q E[W]ᵀ for arrays Q (…, n_nodes, n_nodes), where rounds are
        independent and outcomes too many to list. Exact second moments need one of the two where a process
        draws uniforms.
    """

    base: sparse.csr_array = field(repr=False)
    mean: sparse.csr_array = field(repr=False)
    function: Callable[..., Any] | None = field(default=None, repr=False)
    tables: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    n_uniforms: int = 0
    n_memory: int = 0
    common: bool = False
    name: str = "fixed"
    period: int = 1
    outcomes: Callable[[NDArray[np.float64]], Sequence[tuple[float, Any]]] | None = field(
        default=None, repr=False
    )
    variance: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = field(default=None, repr=False)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return int(self.base.shape[1])

    @property
    def fixed(self) -> bool:
        """Whether every step has the same matrix, with a row for every node."""
        return self.function is None and not self.common


def as_process(
    name: str, value: Any, *, allow_row_stochastic: bool = False, allow_negative: bool = False
) -> MixingProcess:
    """A process as it is, and a doubly stochastic matrix as one that stays."""
    if isinstance(value, MixingProcess):
        return value
    matrix = checks.stochastic_matrix(
        name, value, allow_row_stochastic=allow_row_stochastic, allow_negative=allow_negative
    )
    return MixingProcess(matrix, matrix)


def _with_diagonal(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same with every diagonal entry in its pattern, zeros too."""
    n_nodes = matrix.shape[0]
    entries = sparse.coo_array(matrix)
    rows = np.concatenate([entries.row, np.arange(n_nodes)])
    columns = np.concatenate([entries.col, np.arange(n_nodes)])
    values = np.concatenate([entries.data, np.zeros(n_nodes)])
    whole = sparse.coo_array((values, (rows, columns)), shape=matrix.shape).tocsr()
    whole.sort_indices()
    return sparse.csr_array(
        (whole.data, whole.indices.astype(np.int64), whole.indptr.astype(np.int64)), shape=matrix.shape
    )


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


def _lost_links(
    first: NDArray[np.int64], second: NDArray[np.int64], squares: NDArray[np.float64], Q: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Σ_e squares_e s_e(Q) (e_i − e_j)(e_i − e_j)ᵀ, s_e(Q) = Q_ii + Q_jj − Q_ij − Q_ji."""
    diagonal = np.einsum("...ii->...i", Q)
    across = Q[..., first, second] + Q[..., second, first]
    parts = squares * (diagonal[..., first] + diagonal[..., second] - across)
    result = np.zeros_like(Q)
    # Every link once: no entry off the diagonal is met twice.
    result[..., first, second] = result[..., second, first] = -parts
    np.einsum("...ii->...i", result)[...] = -result.sum(axis=-1)
    return result


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
    matrix = _matrix_of("graph", graph)
    checks.symmetric("graph", matrix)
    base = _with_diagonal(matrix)
    entries = sparse.coo_array(base)
    low, high = np.minimum(entries.row, entries.col), np.maximum(entries.row, entries.col)
    links, number = np.unique(low * base.shape[0] + high, return_inverse=True)
    linking = links // base.shape[0] != links % base.shape[0]
    numbers = np.where(linking, np.cumsum(linking) - 1, -1)[number]
    tables = np.stack([numbers.astype(np.float64), np.full(numbers.size, probability)])
    first, second = np.divmod(links[linking], base.shape[0])
    lost = probability * (1 - probability) * np.asarray(base[first, second]).ravel() ** 2
    mean = (1 - probability) * base + probability * sparse.eye_array(base.shape[0], format="csr")
    return MixingProcess(
        base,
        sparse.csr_array(mean),
        _fail_links,
        tables,
        int(linking.sum()),
        name=f"link_failures({probability:g})",
        variance=partial(_lost_links, first, second, lost),
    )


@inlined
def _take_turns(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    row = meeting % tables.shape[0]
    for e in range(weights.size):
        weights[e] = tables[row, e]


def alternate(matrices: Sequence[Any]) -> MixingProcess:
    """Mixing matrices in turn: the first at the first meeting, and from the beginning after the last.

    Parameters
    ----------
    matrices : sequence of (n_nodes, n_nodes) arrays or sparse arrays, or of networkx graphs
        Doubly stochastic, of one size; graphs are given Metropolis weights.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If there is none, or one of them is not doubly stochastic or of another size.

    Examples
    --------
    >>> import numpy as np, desgd_fast as dsf
    >>> pair, other = [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]], [[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]
    >>> dsf.mixing.alternate([pair, other]).mean.toarray()[1]
    array([0.25, 0.5 , 0.25])
    """
    listed = [
        _matrix_of(f"matrices[{i}]", matrix) for i, matrix in enumerate(checks.some("matrices", matrices))
    ]
    checks.common_size("matrices", {f"[{i}]": matrix.shape[0] for i, matrix in enumerate(listed)})
    pattern = sum((abs(matrix) for matrix in listed[1:]), abs(listed[0]))
    base = _with_diagonal(sparse.csr_array(pattern))
    entries = sparse.coo_array(base)
    tables = np.stack([np.asarray(matrix[entries.row, entries.col]).ravel() for matrix in listed])
    mean = sparse.csr_array(sum(listed[1:], listed[0]) / len(listed))
    name = f"alternate({len(listed)} matrices)"
    return MixingProcess(base, mean, _take_turns, tables, name=name, period=len(listed))


def _matrix_of(name: str, value: Any) -> sparse.csr_array:
    """Metropolis weights of a graph, or the matrix that was given."""
    import networkx as nx

    matrix = mixing_matrix(value) if isinstance(value, nx.Graph) else value
    return checks.stochastic_matrix(name, matrix)
