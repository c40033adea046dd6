"""What commands say about graphs: weight rules, names, and files to read them from."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from desgd_fast.cli.options import calls, given
from desgd_fast.cli.options.given import panel

if TYPE_CHECKING:
    import networkx as nx
    from scipy import sparse

    from desgd_fast.mixing import MixingProcess
    from desgd_fast.mixing.files import GraphFile

Rule = Literal["metropolis", "laplacian", "max-degree", "best-constant", "uniform"]

_ON_GRAPHS = (
    "link_failures",
    "gilbert_elliott",
    "node_dropout",
    "pairwise_gossip",
    "poisson_clocks",
    "random_matching",
    "token",
    "self_repellent_token",
)
_ON_NODES = ("one_peer_exponential", "server")
NAMES = ("cycle", "path", "star", "complete", "grid", "hypercube", "bipartite", "regular", "disconnected")
MIXING_HELP = (
    "How the links of the graph change: link_failures(0.1), gilbert_elliott(0.1, 0.3), node_dropout(0.1), "
    "pairwise_gossip, poisson_clocks, random_matching, one_peer_exponential, server(10), token, "
    "self_repellent_token(5). By default they stay."
)
HELP = (
    f"Who talks to whom: {', '.join(NAMES)}, or a file: .graphml, .gml, .gexf, .adjlist, else an edge list, "
    "two nodes a line or two and a weight."
)


@dataclass(frozen=True)
class Network:
    """The options of a graph and of how it changes."""

    graph: Annotated[str, panel("Graph", HELP)] = "cycle"
    n_nodes: Annotated[int, panel("Graph", "Number of nodes of a named graph.")] = 8
    degree: Annotated[int, panel("Graph", "Neighbours of each node of --graph regular.")] = 4
    rule: Annotated[Rule, panel("Graph", "How edges are weighted.")] = "metropolis"
    delta: Annotated[float | None, panel("Graph", "Weight of an edge for --rule laplacian.")] = None
    lazy: Annotated[bool, panel("Graph", "Mix with (I + W)/2.")] = False
    mixing: Annotated[str | None, panel("Graph", MIXING_HELP)] = None

    def weights(self, context: typer.Context, rng: int) -> "sparse.csr_array | MixingProcess":
        """Who talks to whom; options that change nothing are refused."""
        named = asdict(self)
        return matrix(named.pop("graph"), rng=rng, context=context, **named)


def matrix(
    name: str,
    n_nodes: int,
    degree: int,
    rng: int,
    rule: str,
    *,
    delta: float | None = None,
    lazy: bool = False,
    mixing: str | None = None,
    context: typer.Context | None = None,
) -> "sparse.csr_array | MixingProcess":
    """Mixing matrix of the named graph on n_nodes nodes, or of the one in a file, which is described aloud.

    With ``mixing`` it is the process of that name on the graph.

    With the context of a command, options that the graph does not have are refused.
    """
    from desgd_fast.mixing.rules import mixing_matrix

    ignored = [*([] if name in NAMES else ["n_nodes"]), *([] if name == "regular" else ["degree"])]
    if context is not None:
        given.refuse(context, ignored, f"changes nothing with --graph {name}")
    if name in NAMES:
        W = mixing_matrix(build(name, n_nodes, degree, rng), rule, delta=delta, lazy=lazy)
        return W if mixing is None else process(mixing, W)
    file = read(name)
    if file.weight is not None and rule == "uniform":
        raise typer.BadParameter(f"--rule uniform weighs all edges alike, but '{name}' has weights")
    typer.echo(f"graph: {file.description}")
    W = mixing_matrix(file.graph, rule, delta=delta, lazy=lazy, weight=file.weight)
    return W if mixing is None else process(mixing, W)


def process(text: str, W: "sparse.csr_array") -> "MixingProcess":
    """The named process on the graph of a mixing matrix: with its weights, or on its links alone."""
    from functools import partial

    from desgd_fast import mixing

    makers = {name: partial(getattr(mixing, name), W) for name in _ON_GRAPHS}
    makers |= {name: partial(getattr(mixing, name), W.shape[0]) for name in _ON_NODES}
    result: MixingProcess = calls.made("--mixing", text, makers)
    return result


def build(name: str, n_nodes: int, degree: int, rng: int) -> "nx.Graph[Any]":
    """The named graph on n_nodes nodes."""
    import networkx as nx

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


def read(name: str) -> "GraphFile":
    """The graph in a file."""
    from desgd_fast.mixing.files import read_graph

    if not Path(name).is_file():
        raise typer.BadParameter(f"--graph must be one of {', '.join(NAMES)} or a file, got '{name}'")
    return read_graph(name, argument="--graph")
