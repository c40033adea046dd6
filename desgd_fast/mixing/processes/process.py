"""The value that stands for a mixing matrix that changes.

A process has a matrix in compressed rows, ``base``, whose pattern holds every weight that may occur, and a
short compiled function that fills in the weights of one round of a run.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from desgd_fast.common import check
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import rows_of, with_diagonal
from desgd_fast.mixing.rules import mixing_matrix


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
    wakes : bool
        Whether it says who takes part in a round (:func:`desgd_fast.algorithms.woken`): the first n_nodes
        numbers of its memory are factors of their steps, 1 or 0 but for ``push_sum``, or there are none where
        all take part.
    remembers : bool
        Whether a round depends on the memory of the one before; where it does not, memory is what a round
        writes for participations.
    common : bool
        Whether all nodes receive the same, as from a server: ``base`` and ``mean`` then hold that one row.
    name : str
        As it is called in messages and representations.
    quadratic : callable or None
        (n_nodes, n_nodes) array Q ↦ E[W Q Wᵀ], exactly, where the matrices of different rounds are
        independent and have one law.
    square : callable or None
        () ↦ E[WᵀW], a sparse array, over the stationary law or the turns.
    turns : tuple of sparse arrays
        The matrices where they take turns.
    outcomes : callable or None
        ``outcomes(meeting, memory)`` lists all that a round's uniforms may decide, as pairs of a probability
        and the uniforms that bring it about; rounds from 1 on have one law, given the memory. Exact second
        moments follow the memory through them where there is no ``quadratic``, or where a participation
        reads the memory.
    exchangeable : bool
        Whether all nodes may change places in it, as the clients of a server.
    walk : (n_nodes, n_nodes) sparse array or None
        Transitions P, where one model walks from node to node as a Markov chain, whose law is ``mean``.
    event_rate : float or None
        Rounds in a unit of time, where rounds are the events of Poisson clocks: the waiting times between
        them are exponential.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> process = dsf.mixing.link_failures(nx.cycle_graph(4), 0.5)
    >>> process.name, process.n_uniforms, process.mean.toarray()[0].round(3)
    ('link_failures(0.5)', 4, array([0.667, 0.167, 0.   , 0.167]))
    """

    base: sparse.csr_array = field(repr=False)
    mean: sparse.csr_array = field(repr=False)
    function: Callable[..., Any] | None = field(default=None, repr=False)
    tables: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    n_uniforms: int = 0
    n_memory: int = 0
    wakes: bool = False
    remembers: bool = True
    common: bool = False
    name: str = "fixed"
    quadratic: Callable[[NDArray[np.float64]], NDArray[np.float64]] | None = field(default=None, repr=False)
    square: Callable[[], sparse.csr_array] | None = field(default=None, repr=False)
    turns: tuple[sparse.csr_array, ...] = field(default=(), repr=False)
    outcomes: Callable[[int, NDArray[np.float64]], Iterable[tuple[float, Any]]] | None = field(
        default=None, repr=False
    )
    exchangeable: bool = False
    walk: sparse.csr_array | None = field(default=None, repr=False)
    event_rate: float | None = None

    def __post_init__(self) -> None:
        indices, indptr = (
            part.astype(np.int64, copy=False) for part in (self.base.indices, self.base.indptr)
        )
        base = sparse.csr_array((self.base.data, indices, indptr), shape=self.base.shape)
        object.__setattr__(self, "base", base)

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
    """A process as it is, and a doubly stochastic matrix as one that stays.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.mixing.as_process("W", [[0.5, 0.5], [0.5, 0.5]]).fixed
    True
    """
    if isinstance(value, MixingProcess):
        return value
    check.flag("allow_row_stochastic", allow_row_stochastic)
    check.flag("allow_negative", allow_negative)
    matrix = checks.stochastic_matrix(
        name, value, allow_row_stochastic=allow_row_stochastic, allow_negative=allow_negative
    )
    return MixingProcess(
        matrix,
        matrix,
        quadratic=lambda Q: np.asarray(matrix @ (matrix @ Q.T).T),
        square=lambda: sparse.csr_array(matrix.T @ matrix),
    )


def matrix_of(name: str, value: Any) -> sparse.csr_array:
    """Metropolis weights of a graph, or the matrix that was given."""
    import networkx as nx

    matrix = mixing_matrix(value) if isinstance(value, nx.Graph) else value
    return checks.stochastic_matrix(name, matrix)


def whole_diagonal(matrix: sparse.csr_array) -> sparse.csr_array:
    """The same with every diagonal entry in its pattern, zeros too."""
    between = rows_of(matrix) != matrix.indices
    starts = np.concatenate([[0], np.cumsum(between)])[matrix.indptr]
    links = sparse.csr_array((matrix.data[between], matrix.indices[between], starts), shape=matrix.shape)
    return with_diagonal(links, matrix.diagonal())


def one_row(values: NDArray[np.float64]) -> sparse.csr_array:
    """The row that all nodes have in common."""
    return sparse.csr_array((values, np.arange(values.size), [0, values.size]), shape=(1, values.size))
