"""Who waits for whom: everybody, neighbours, or the first few."""

import heapq
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from desgd_fast.common import check
from desgd_fast.mixing.graphs import adjacency
from desgd_fast.walltime import checks
from desgd_fast.walltime.clock import Clock


def synchronous(compute: ArrayLike, link: ArrayLike = 0.0) -> Clock:
    """Everybody waits for the slowest: a step takes max_i (compute_i + link_i).

    Parameters
    ----------
    compute : (n_steps, n_nodes) array
        Seconds that each node computes.
    link : float or (n_steps, n_nodes) array
        Seconds until what it sends has arrived.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> dsf.walltime.synchronous([[1.0, 3.0], [2.0, 1.0]], link=0.5).ends.tolist()
    [3.5, 6.0]
    """
    compute = checks.times("compute", compute)
    whole = compute + checks.links("link", link, compute.shape)
    return Clock(np.cumsum(whole.max(axis=1)), name="synchronous")


def gossip(graph: Any, compute: ArrayLike, link: ArrayLike = 0.0) -> Clock:
    """Nodes wait for their neighbours alone: t_i(k+1) = max_j (t_j(k) + link_j) + compute_i.

    A slow node holds up its neighbours at the next step, theirs at the one after. A step ends when its last
    node is done.

    Parameters
    ----------
    graph : networkx.Graph, sparse array, or (n_edges, 2) array of integers
        As for :func:`desgd_fast.mixing_matrix`.
    compute, link
        As for :func:`synchronous`; nodes do not wait for links from themselves.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> dsf.walltime.gossip(nx.path_graph(3), [[5, 1, 1], [1, 1, 1]]).ends.tolist()
    [5.0, 6.0]
    """
    compute = checks.times("compute", compute)
    links = adjacency("graph", graph)
    n_steps, n_nodes = compute.shape
    checks.nodes("graph", links.shape[0], n_nodes)
    away = checks.links("link", link, compute.shape)
    at, ends = np.zeros(n_nodes), np.empty(n_steps)
    sent = np.zeros(n_nodes)
    for k in range(n_steps):
        arrived = sparse.csr_array((sent[links.indices], links.indices, links.indptr), links.shape)
        latest = np.asarray(arrived.max(axis=1).todense()).ravel()
        at = np.maximum(at, latest) + compute[k]
        sent = at + away[k]
        ends[k] = at.max()
    return Clock(ends, name="gossip")


def buffered(compute: ArrayLike, buffer: int, link: ArrayLike = 0.0) -> Clock:
    """Nobody waits: the server steps with every ``buffer`` updates that arrive, late ones too.

    FedBuff (Nguyen et al., AISTATS 2022): a client sends its update, fetches the model of that moment and
    goes on; ``buffer=1`` is asynchronous SGD. The delays, in steps of the server, are what
    :func:`desgd_fast.algorithms.randomly_delayed` and ``fedbuff`` take.

    Parameters
    ----------
    compute : (n_rounds, n_nodes) array
        Seconds of each client's first, second, … update; when one has none left, its times begin again.
    buffer : int
        Updates to a step.
    link : float or (n_rounds, n_nodes) array
        Seconds that an update is under way.

    Returns
    -------
    Clock
        Of n_rounds · n_nodes // buffer steps.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> clock = dsf.walltime.buffered([[1.0, 3.0]] * 4, 1)
    >>> clock.ends.tolist(), clock.delays[:, 0].tolist()
    ([1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0, 6.0], [0, 0, 0, 3, 1, 0, 0, 3])
    """
    compute = checks.times("compute", compute)
    away = checks.links("link", link, compute.shape)
    n_rounds, n_nodes = compute.shape
    buffer = check.integer("buffer", buffer, 1, compute.size)
    under_way = [(compute[0, i] + away[0, i], i, 0) for i in range(n_nodes)]
    heapq.heapify(under_way)
    n_steps, rounds = compute.size // buffer, np.zeros(n_nodes, np.int64)
    ends, delays = np.empty(n_steps), np.empty((n_steps, buffer), np.int64)
    for step in range(n_steps):
        for place in range(buffer):
            now, client, fetched = heapq.heappop(under_way)
            delays[step, place] = step - fetched
            rounds[client] += 1
            k = rounds[client] % n_rounds
            # Whoever completes a step fetches what it makes.
            model = step + (place == buffer - 1)
            heapq.heappush(under_way, (now + compute[k, client] + away[k, client], client, model))
        ends[step] = now
    return Clock(ends, delays, f"buffered({buffer})")
