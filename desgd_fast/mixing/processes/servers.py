"""A server that averages clients and sends all of them the same."""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import check
from desgd_fast.common.memory import told
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined
from desgd_fast.mixing.processes.process import MixingProcess, one_row


@inlined
def _sample_clients(
    meeting: int,
    base: Reals,
    indptr: Integers,
    indices: Integers,
    uniforms: Reals,
    tables: Matrix,
    memory: Reals,
    weights: Reals,
) -> None:
    # Floyd: draw i of S chooses among the first N − S + i + 1 clients, and the last of them if it is taken.
    memory[:] = 0.0
    weights[:] = 0.0
    share = 1.0 / uniforms.size
    for i in range(uniforms.size):
        last = memory.size - uniforms.size + i
        client = int((1.0 - uniforms[i]) * (last + 1))
        if memory[client] > 0.0:
            client = last
        memory[client] = 1.0
        weights[client] = share


def server(n_nodes: int, n_sampled: int | None = None) -> MixingProcess:
    """A server averages clients: x_i ← (1/S) Σ_{j sampled} x_j for all i, S clients drawn anew each round.

    The server of FedAvg (McMahan et al., AISTATS 2017): under ``chain(local_steps(K), adapt_then_combine(),
    woken())`` the clients of a round start from the server's model, take K steps each, and are averaged;
    :func:`desgd_fast.algorithms.fedavg` is that. E[W] = J/N; drawn W are not doubly stochastic.

    Parameters
    ----------
    n_nodes : int
        Number of clients.
    n_sampled : int, optional
        Clients in a round, drawn without replacement; all by default.

    Returns
    -------
    MixingProcess

    Raises
    ------
    ValueError, TypeError
        If there are fewer clients than are to be sampled, or none.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.mixing.server(1000, 10).name
    'server(1000, 10)'
    """
    n_nodes = check.positive_integer("n_nodes", n_nodes)
    told(f"n_nodes={n_nodes:,}", 50 * n_nodes)
    sampled = n_nodes if n_sampled is None else check.integer("n_sampled", n_sampled, 1, n_nodes)
    # Of two clients: the one, and the other too.
    one, both = 1 / (sampled * n_nodes), (sampled - 1) / (sampled * n_nodes * max(n_nodes - 1, 1))

    def quadratic(Q: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full_like(Q, both * Q.sum() + (one - both) * np.trace(Q))

    def outcomes(meeting: int, memory: NDArray[np.float64]) -> Iterator[tuple[float, list[float]]]:
        choices = [range(n_nodes - sampled + i + 1) for i in range(sampled)]
        chance = 1 / math.prod(map(len, choices))
        drawn = (zip(clients, choices, strict=True) for clients in product(*choices))
        for pairs in drawn:  # there may be too many to list
            yield chance, [1 - (client + 0.5) / len(among) for client, among in pairs]

    row = one_row(np.full(n_nodes, 1.0 / n_nodes))
    if sampled == n_nodes:
        return MixingProcess(
            row, row, wakes=True, remembers=False, common=True, name=f"server({n_nodes})", quadratic=quadratic
        )
    return MixingProcess(
        one_row(np.full(n_nodes, 1.0 / sampled)),
        row,
        _sample_clients,
        n_uniforms=sampled,
        n_memory=n_nodes,
        wakes=True,
        remembers=False,
        common=True,
        name=f"server({n_nodes}, {sampled})",
        quadratic=quadratic,
        outcomes=outcomes,
        exchangeable=True,
    )
