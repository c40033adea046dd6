"""``desgd-fast alpha`` and ``desgd-fast frontier``: the tail index and the critical step sizes of a graph."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from desgd_fast.cli import algorithms as cli_algorithms
from desgd_fast.cli import graph as cli_graph
from desgd_fast.cli import options, output
from desgd_fast.cli.algorithms import Delay, Named, Participation
from desgd_fast.cli.graph import Rule

Graph = Annotated[str, typer.Option(help=cli_graph.HELP)]
Nodes = Annotated[int, typer.Option(help="Number of nodes of a named graph.")]
Degree = Annotated[int, typer.Option(help="Neighbours of each node of --graph regular.")]
WeightRule = Annotated[Rule, typer.Option(help="How edges are weighted.")]
Delta = Annotated[float | None, typer.Option(help="Weight of an edge for --rule laplacian.")]
Mixing = Annotated[str | None, typer.Option(help=cli_graph.MIXING_HELP)]
Dim = Annotated[int, typer.Option(help="Coordinates of an iterate.")]
FeatureStd = Annotated[float, typer.Option(help="Standard deviation of a feature.")]
Batch = Annotated[int, typer.Option(help="Samples per node and step.")]
Seed = Annotated[int, typer.Option(help="Seed: the same one gives the same numbers.")]
Threads = Annotated[int | None, typer.Option(help="Most threads to use; all by default.")]
Progress = Annotated[bool, typer.Option(help="Show a progress bar.")]


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
        str, typer.Option(help="Step size: a number, a list 0.1,0.2 or a range first:last:count.")
    ] = "0.18:0.184:9",
    graph: Graph = "cycle",
    n_nodes: Nodes = 8,
    degree: Degree = 4,
    rule: WeightRule = "metropolis",
    delta: Delta = None,
    mixing: Mixing = None,
    dim: Dim = 100,
    feature_std: FeatureStd = 1.0,
    batch_size: Batch = 5,
    algorithm: Named = None,
    participation: Participation = None,
    delay: Delay = None,
    rtol: Annotated[float, typer.Option(help="Relative standard error to stop at.")] = 0.01,
    plot: Annotated[
        Path | None,
        typer.Option(help="Write the curve to this picture.", dir_okay=False, callback=options.drawable),
    ] = None,
    published: Annotated[
        bool, typer.Option(help="Draw the published curve of the cycle (arXiv 2205.06689) over it.")
    ] = False,
    rng: Seed = 0,
    threads: Threads = None,
    progress: Progress = False,
) -> dict[str, Any]:
    """Tail index of streaming regression on a graph, for one step size or a range.

    Without options: the cycle of 8 nodes with d = 100 and b = 5 of the literature, across its frontier.
    """
    import desgd_fast as dsf
    from desgd_fast.common.warnings import LightTailWarning, NotStationaryWarning

    if plot is None:
        options.refuse(context, ["published"], "changes nothing without --plot")
    W = cli_graph.matrix(graph, n_nodes, degree, rng, rule, delta=delta, mixing=mixing, context=context)
    problem = dsf.GaussianRegression(dim, feature_std)
    steps = step_sizes(step_size)
    shared: dict[str, Any] = {
        "batch_size": batch_size,
        "algorithm": cli_algorithms.read(algorithm, participation, delay),
    }
    common: dict[str, Any] = {"rng": rng, "threads": threads, "progress": progress}
    typer.echo(f"{'step size':>12} {'alpha':>10} {'±':>9} {'rho':>12} {'±':>9}  verdict")
    found = []
    for step in steps:
        with warnings.catch_warnings():
            # The last column says the same.
            for category in (NotStationaryWarning, LightTailWarning):
                warnings.simplefilter("ignore", category)
            tail = dsf.theory.tail_index(problem, W, step_size=step, rtol=rtol, **shared, **common)
        found.append(tail)
        verdict = "tail" if tail.alpha >= 2 else "infinite variance"
        if tail.lower_bound:
            verdict = "lighter than alpha"
        if not tail.stationary:
            verdict = "no stationary law"
        typer.echo(
            f"{step:12.8g} {tail.alpha:10.5g} {tail.stderr:9.2g} {tail.lyapunov_exponent:12.5g} "
            f"{tail.lyapunov_stderr:9.2g}  {verdict}"
        )
    if plot is not None:
        from desgd_fast import plots

        frontiers = tuple(
            dsf.theory.critical_step_size(problem, W, at=at, rng=rng, threads=threads, **shared).value
            for at in ("infinite-variance", "divergence")
        )
        from desgd_fast.plots.axes import new_figure

        figure = new_figure(7, 4.5)
        ax = plots.tail_index_plot(
            steps,
            [tail.alpha for tail in found],
            [tail.stderr for tail in found],
            frontiers=(frontiers[0], frontiers[1]),
            ax=figure.subplots(),
        )
        if published:
            plots.published_cycle_plot(ax=ax)
        figure.savefig(plot)
        typer.echo(f"picture in {plot}")
    return {
        "graph": graph,
        "points": [{"step_size": step} | output.plain(tail) for step, tail in zip(steps, found, strict=True)],
        "picture": plot,
    }


def frontier(
    context: typer.Context,
    graph: Graph = "cycle",
    n_nodes: Nodes = 8,
    degree: Degree = 4,
    rule: WeightRule = "metropolis",
    delta: Delta = None,
    mixing: Mixing = None,
    dim: Dim = 100,
    feature_std: FeatureStd = 1.0,
    batch_size: Batch = 5,
    algorithm: Named = None,
    participation: Participation = None,
    delay: Delay = None,
    rtol: Annotated[float, typer.Option(help="Relative standard error of the divergence.")] = 1e-3,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Write the windows of step sizes to this picture.", dir_okay=False, callback=options.drawable
        ),
    ] = None,
    rng: Seed = 0,
    threads: Threads = None,
    progress: Progress = False,
) -> dict[str, Any]:
    """Step sizes at which the variance becomes infinite and at which the stationary law disappears.

    For the graph, for one node with the joint minibatch (centralized) and for nodes that never talk
    (disconnected).
    """
    import desgd_fast as dsf

    W = cli_graph.matrix(graph, n_nodes, degree, rng, rule, delta=delta, mixing=mixing, context=context)
    n = dsf.mixing.as_process("W", W).n_nodes
    problem = dsf.GaussianRegression(dim, feature_std)
    rows: list[tuple[str, Any, int]] = [
        (graph, W, batch_size),
        ("centralized", [[1.0]], n * batch_size),
        ("disconnected", [[1.0]], batch_size),
    ]
    typer.echo(f"{'':14} {'alpha = 2':>13} {'rho = 0':>13} {'±':>9} {'mean':>10}  binds")
    values = []
    found = {}
    for name, matrix, batch in rows:
        shared: dict[str, Any] = {
            "batch_size": batch,
            "algorithm": cli_algorithms.read(algorithm, participation, delay),
        }
        exact = dsf.theory.critical_step_size(problem, matrix, at="infinite-variance", **shared)
        end = dsf.theory.critical_step_size(
            problem, matrix, at="divergence", rtol=rtol, rng=rng, threads=threads, progress=progress, **shared
        )
        values.append((exact.value, end.value))
        found[name] = {"infinite-variance": exact, "divergence": end}
        typer.echo(
            f"{name:14} {exact.value:13.8g} {end.value:13.8g} {end.stderr:9.2g} {exact.mean_value:10.5g}  "
            f"{exact.binding}"
        )
    if plot is not None:
        from desgd_fast import plots
        from desgd_fast.plots.axes import new_figure

        figure = new_figure(7, 4.5)
        plots.frontier_plot([name for name, _, _ in rows], values, ax=figure.subplots())
        figure.savefig(plot)
        typer.echo(f"picture in {plot}")
    return found | {"picture": plot}
