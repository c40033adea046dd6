"""The networks of the published figures, as their text and their code have them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.mixing.rules import mixing_matrix

if TYPE_CHECKING:
    import networkx as nx


@dataclass(frozen=True, eq=False)
class Network:
    """One curve of a figure: who talks to whom, and the settings at each of its points.

    ``row_stochastic`` permits columns of W that do not sum to one.
    """

    W: NDArray[np.float64]
    batch_sizes: tuple[int, ...]
    step_sizes: tuple[float, ...]
    row_stochastic: bool = False

    def thinned(self, n_points: int) -> "Network":
        """The same curve at so many of its points, first and last among them."""
        total = len(self.step_sizes)
        kept = np.unique(np.linspace(0, total - 1, min(n_points, total)).round().astype(int))
        return Network(
            self.W,
            tuple(self.batch_sizes[k] for k in kept),
            tuple(self.step_sizes[k] for k in kept),
            self.row_stochastic,
        )


def row_stochastic_star(n_nodes: int) -> NDArray[np.float64]:
    """The star of the published code: the hub averages over all, a leaf over the hub and itself.

    Its rows sum to one, its columns do not: the hub's opinion weighs more than a leaf's.
    """
    W = np.diag(np.full(n_nodes, 0.5))
    W[:, 0] = 0.5
    W[0] = 1 / n_nodes
    return W


def laplacian(graph: "nx.Graph[Any]", delta: float) -> NDArray[np.float64]:
    """W = I − δL, whose weights may be negative; δ = 0 leaves every node alone."""
    return np.asarray(mixing_matrix(graph, "laplacian", delta=delta, allow_negative=True).toarray())


def of_eight(published: bool) -> dict[str, NDArray[np.float64]]:
    """The five graphs of figure 7, the star with the published weights or doubly stochastic ones."""
    import networkx as nx

    graphs = {
        "complete": nx.complete_graph(8),
        "cycle": nx.cycle_graph(8),
        "star": nx.star_graph(7),
        "hypercube": nx.hypercube_graph(3),
        "bipartite": nx.complete_bipartite_graph(4, 4),
    }
    matrices = {name: np.asarray(mixing_matrix(graph).toarray()) for name, graph in graphs.items()}
    if published:
        matrices["star"] = row_stochastic_star(8)
    return matrices
