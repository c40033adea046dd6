"""Mixing matrices that take turns: a network that changes by a plan."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy import sparse

from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing import checks
from desgd_fast.mixing.graphs import rows_of
from desgd_fast.mixing.processes.process import MixingProcess, matrix_of, whole_diagonal


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
    turn = meeting % int(tables[2, 0])
    weights[:] = 0.0
    for i in range(int(tables[2, 1 + turn]), int(tables[2, 2 + turn])):
        weights[int(tables[0, i])] = tables[1, i]


def alternate(matrices: Iterable[Any]) -> MixingProcess:
    """Mixing matrices in turn: the first at the first round, and from the beginning after the last.

    A network that changes by a plan is ``alternate(graph_at(k) for k in range(n_steps))``.

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

    Twelve nodes that move about a square and talk to those near them:

    >>> import networkx as nx
    >>> rng = np.random.default_rng(0)
    >>> places = np.cumsum(rng.normal(0.5, 0.05, (50, 12, 2)) - 0.5, axis=0) % 1
    >>> near = (nx.random_geometric_graph(12, 0.4, pos=dict(enumerate(at))) for at in places)
    >>> dsf.mixing.alternate(near).name
    'alternate(50 matrices)'
    """
    listed = [
        matrix_of(f"matrices[{i}]", matrix) for i, matrix in enumerate(checks.some("matrices", matrices))
    ]
    checks.common_size("matrices", {f"[{i}]": matrix.shape[0] for i, matrix in enumerate(listed)})
    base = listed[0]
    for matrix in listed[1:]:
        base = base.maximum(matrix)
    base = whole_diagonal(sparse.csr_array(base))
    n_nodes = base.shape[0]
    keys = rows_of(base).astype(np.int64) * n_nodes + base.indices
    starts = np.concatenate([[0], np.cumsum([matrix.nnz for matrix in listed])])
    tables = np.zeros((3, max(starts[-1], starts.size + 1)))
    for first, last, matrix in zip(starts, starts[1:], listed, strict=False):
        tables[0, first:last] = np.searchsorted(keys, rows_of(matrix) * np.int64(n_nodes) + matrix.indices)
        tables[1, first:last] = matrix.data
    tables[2, 0], tables[2, 1 : 1 + starts.size] = len(listed), starts
    mean = sparse.csr_array(sum(listed[1:], listed[0]) / len(listed))
    name = f"alternate({len(listed)} matrices)"

    def square() -> sparse.csr_array:
        return sparse.csr_array(sum((W.T @ W for W in listed[1:]), listed[0].T @ listed[0]) / len(listed))

    return MixingProcess(base, mean, _take_turns, tables, name=name, square=square, turns=tuple(listed))
