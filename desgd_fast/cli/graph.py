"""What commands say about graphs: weight rules, names, and files to read them from."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    import networkx as nx

Rule = Literal["metropolis", "laplacian", "max-degree", "best-constant", "uniform"]

NAMES = ("cycle", "path", "star", "complete", "grid", "hypercube", "bipartite", "regular", "disconnected")
HELP = f"Who talks to whom: {', '.join(NAMES)}, or a file (.graphml, else one edge “a b” a line)."


def build(name: str, n_nodes: int, degree: int, rng: int) -> "nx.Graph[Any]":
    """The named graph on n_nodes nodes, or the one in the file of that name."""
    import networkx as nx

    if name not in NAMES:
        return _read(Path(name))
    if n_nodes < 1:
        raise typer.BadParameter(f"--n-nodes must be at least 1, got {n_nodes}")
    if name == "hypercube":
        if n_nodes & (n_nodes - 1):
            raise typer.BadParameter(f"--n-nodes must be a power of two for a hypercube, got {n_nodes}")
        return nx.hypercube_graph(n_nodes.bit_length() - 1) if n_nodes > 1 else nx.empty_graph(1)
    if name == "grid":
        rows = max(rows for rows in range(1, int(n_nodes**0.5) + 1) if n_nodes % rows == 0)
        return nx.grid_2d_graph(rows, n_nodes // rows)
    if name == "regular":
        if not 0 <= degree < n_nodes or degree * n_nodes % 2:
            raise typer.BadParameter(
                f"--degree must be below --n-nodes and their product even, got {degree} and {n_nodes}"
            )
        return nx.random_regular_graph(degree, n_nodes, seed=rng)
    if name == "bipartite":
        return nx.complete_bipartite_graph(n_nodes // 2, n_nodes - n_nodes // 2)
    if name == "star":
        return nx.star_graph(n_nodes - 1)
    builders = {"cycle": nx.cycle_graph, "path": nx.path_graph, "complete": nx.complete_graph}
    return builders.get(name, nx.empty_graph)(n_nodes)


def _read(path: Path) -> "nx.Graph[Any]":
    import networkx as nx

    if not path.is_file():
        raise typer.BadParameter(f"--graph must be one of {', '.join(NAMES)} or a file, got '{path}'")
    try:
        if path.suffix == ".graphml":
            return nx.read_graphml(path)
        return nx.read_edgelist(path, data=False)
    except Exception as error:
        # networkx passes on whatever its parsers raise.
        raise typer.BadParameter(f"--graph: cannot read a graph from '{path}': {error}") from None
