"""``desgd-fast alpha`` and ``desgd-fast frontier``: tail indices and critical step sizes, computed."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from desgd_fast.cli import output
from desgd_fast.cli.computed import DEFAULT_SHARE
from desgd_fast.cli.frontiers import Frontiers, critical, in_place_of_step_size
from desgd_fast.cli.options import given
from desgd_fast.cli.options.algorithms import Nodes
from desgd_fast.cli.options.given import panel
from desgd_fast.cli.options.graph import Network
from desgd_fast.cli.options.problem import Regression

if TYPE_CHECKING:
    from desgd_fast.theory import TailIndex

Batch = Annotated[
    int | None, panel("Descent", "Samples per node and step; by default 1 with --data, 5 without.")
]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same numbers.")]
Threads = Annotated[int | None, typer.Option(help="Most threads to use; all by default.")]
Progress = Annotated[bool, typer.Option(help="Show a progress bar.")]

# The problem of the literature.
PUBLISHED = Regression(dim=100)
# Step sizes that are computed by default, from one share of that of infinite variance to another.
_SHARES, _COUNT = (0.985, 1.01), 9


def step_sizes(text: str) -> list[float]:
    """A number, a list "0.1,0.2", or a range "0.165:0.185:11" of so many values."""
    try:
        if ":" in text:
            first, last, count = text.split(":")
            low, high, n = float(first), float(last), int(count)
            if n < 2:
                raise ValueError
            return [low + (high - low) * k / (n - 1) for k in range(n)]
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(
            f"--step-size must be a number, a list like 0.1,0.2 or a range like 0.1:0.2:11, got '{text}'"
        ) from None


def alpha(
    context: typer.Context,
    step_size: Annotated[
        str | None,
        panel(
            "Descent",
            "Step size: a number, a list 0.1,0.2 or a range first:last:count. By default across the one at "
            "which the variance becomes infinite; with --data nine tenths of it, as in desgd-fast run.",
        ),
    ] = None,
    regression: Regression = PUBLISHED,
    network: Network = Network(),  # noqa: B008
    batch_size: Batch = None,
    nodes: Nodes = Nodes(),  # noqa: B008
    rtol: Annotated[float, typer.Option(help="Relative standard error to stop at.")] = 0.01,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write the curve to this picture.", dir_okay=False, callback=given.drawable),
    ] = None,
    published: Annotated[
        bool, typer.Option(help="Draw the published curve of the cycle (arXiv 2205.06689) over it.")
    ] = False,
    rng: Seed = 0,
    threads: Threads = None,
    progress: Progress = False,
) -> dict[str, Any]:
    """Tail index of regression on a graph, for one step size or a range; nothing is simulated.

    Without options: the cycle of 8 nodes with d = 100 and b = 5 of the literature, across its frontier. With
    --data and --target: least squares on a table in a file, as in desgd-fast run.
    """
    import desgd_fast as dsf

    if plot is None:
        given.refuse(context, ["published"], "changes nothing without --plot")
    steps = None if step_size is None else step_sizes(step_size)
    W = network.weights(context, rng)
    batch_size = _batch(regression, batch_size)
    n_nodes = dsf.mixing.as_process("W", W).n_nodes
    problem = regression.problem(context, n_nodes, batch_size)
    shared: dict[str, Any] = {"batch_size": batch_size, "algorithm": nodes.chained()}
    shared |= {"rng": rng, "threads": threads, "progress": progress}
    if steps is None:
        exact = in_place_of_step_size(critical(problem, W, "infinite-variance", **shared))
        first, last = (share * exact for share in _SHARES)
        across = step_sizes(f"{first!r}:{last!r}:{_COUNT}")
        steps = across if regression.data is None else [DEFAULT_SHARE * exact]
    typer.echo(f"{n_nodes} nodes ({network.graph}), batch size {batch_size}")
    typer.echo(f"{'step size':>12} {'alpha':>10} {'±':>9} {'rho':>12} {'±':>9}  verdict")
    found = []
    for step in steps:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # the last column says the same
            tail = dsf.theory.tail_index(problem, W, step_size=step, rtol=rtol, **shared)
        found.append(tail)
        typer.echo(
            f"{step:12.8g} {tail.alpha:10.5g} {tail.stderr:9.2g} {tail.lyapunov_exponent:12.5g} "
            f"{tail.lyapunov_stderr:9.2g}  {_verdict(tail)}"
        )
    if plot is not None:
        from desgd_fast import plots
        from desgd_fast.plots.axes import new_figure

        ends = Frontiers.of(problem, W, rtol=1e-3, **shared)
        figure = new_figure(7, 4.5)
        ax = plots.tail_index_plot(
            steps,
            [tail.alpha for tail in found],
            [tail.stderr for tail in found],
            frontiers=ends.window,
            ax=figure.subplots(),
        )
        if published:
            plots.published_cycle_plot(ax=ax)
        figure.savefig(plot)
        typer.echo(f"picture in {plot}")
    return {
        "graph": network.graph,
        "points": [{"step_size": step} | output.plain(tail) for step, tail in zip(steps, found, strict=True)],
        "picture": plot,
    }


def _batch(regression: Regression, batch_size: int | None) -> int:
    """As published without data, as :func:`run` with data, unless given."""
    return (5 if regression.data is None else 1) if batch_size is None else batch_size


def _verdict(tail: "TailIndex") -> str:
    if not tail.stationary:
        return "no stationary law"
    if tail.method == "bounded":
        return f"all moments finite: {tail.warnings[0]}"
    if tail.lower_bound:
        return "lighter than alpha"
    words = "tail" if tail.alpha >= 2 else "infinite variance"
    row = tail.dominating_row
    return words if row is None else f"{words}, made by record {row.row + 1} at node {row.node}"


def frontier(
    context: typer.Context,
    regression: Regression = PUBLISHED,
    network: Network = Network(),  # noqa: B008
    batch_size: Batch = None,
    nodes: Nodes = Nodes(),  # noqa: B008
    rtol: Annotated[float, typer.Option(help="Relative standard error of the divergence.")] = 1e-3,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write the windows of step sizes to this picture.", dir_okay=False, callback=given.drawable
        ),
    ] = None,
    rng: Seed = 0,
    threads: Threads = None,
    progress: Progress = False,
) -> dict[str, Any]:
    """Step sizes at which the variance becomes infinite and at which the stationary law disappears.

    For the graph, for one node with the joint minibatch (centralized) and for nodes that never talk
    (disconnected). With --data and --target: least squares on a table in a file, as in desgd-fast run.
    """
    from scipy import sparse

    import desgd_fast as dsf

    W = network.weights(context, rng)
    n_nodes = dsf.mixing.as_process("W", W).n_nodes
    batch_size = _batch(regression, batch_size)
    problem = regression.problem(context, n_nodes, batch_size)
    # Nodes that draw from one law are alike; those that hold rows are not.
    alone = [[1.0]] if regression.data is None else sparse.eye_array(n_nodes, format="csr")
    rows: list[tuple[str, Any, int]] = [
        (network.graph, W, batch_size),
        ("centralized", [[1.0]], n_nodes * batch_size),
        ("disconnected", alone, batch_size),
    ]
    common: dict[str, Any] = {"algorithm": nodes.chained(), "rtol": rtol, "rng": rng, "threads": threads}
    typer.echo(f"{'':14} {'alpha = 2':>13} {'rho = 0':>13} {'±':>9} {'mean':>10}  binds")
    found: dict[str, Frontiers] = {}
    reasons: dict[str, None] = {}
    for name, matrix, batch in rows:
        ends = Frontiers.of(problem, matrix, batch_size=batch, progress=progress, **common)
        if name == network.graph:
            ends.refuse_if_empty()
        found[name] = ends
        reasons |= dict.fromkeys(ends.reasons)
        typer.echo(f"{name:14} {ends.line()}")
    for reason in reasons:
        typer.echo(f"- {reason}")
    known = {name: ends.window for name, ends in found.items() if ends.window is not None}
    if plot is not None and known:
        from desgd_fast import plots
        from desgd_fast.plots.axes import new_figure

        figure = new_figure(7, 4.5)
        plots.frontier_plot(list(known), list(known.values()), ax=figure.subplots())
        figure.savefig(plot)
        typer.echo(f"picture in {plot}")
    elif plot is not None:
        typer.echo("no picture: no window between two step sizes is known")
    drawn = plot if known else None
    return {name: ends.plain() for name, ends in found.items()} | {"picture": drawn}
