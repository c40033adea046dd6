"""``desgd-fast run``: simulate on a graph, measure the tail, write a table, a file and a picture."""

import sys
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from desgd_fast.cli.computed import DEFAULT_SHARE, beside, computed
from desgd_fast.cli.options import given
from desgd_fast.cli.options.algorithms import Nodes
from desgd_fast.cli.options.given import panel
from desgd_fast.cli.options.graph import Network
from desgd_fast.cli.options.problem import Regression

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from desgd_fast.mixing import MixingProcess
    from desgd_fast.mixing.report import MixingReport
    from desgd_fast.problems.gaussian import GaussianRegression
    from desgd_fast.problems.rows import DatasetRegression
    from desgd_fast.simulation.results import Runs
    from desgd_fast.tails.results import TailEstimate
    from desgd_fast.theory import TailIndex


# Below these p-values the distances from the optimum are taken to be still on the move, and to have moved.
DRIFT_LEVEL, MOVED_LEVEL = 1e-6, 0.01

# Nodes listed one by one in the table; the file has all of them.
LISTED_NODES = 16

Engine = Literal["auto", "collapsed", "direct", "gram"]


def _from_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make the file's entries the defaults of the options that the command line leaves out."""
    if path is None:
        return None
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise typer.BadParameter(f"cannot read '{path}': {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"'{path}' is not a TOML file: {error}") from None
    defaults = {name.replace("-", "_"): value for name, value in entries.items()}
    known = {str(parameter.name) for parameter in context.command.params} - {"config"}
    unknown = sorted(set(defaults) - known)
    if unknown:
        raise typer.BadParameter(f"'{path}' sets '{unknown[0]}'; known are {', '.join(sorted(known))}")
    context.default_map = defaults
    return path


def run(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with any of these options, named as here; the command line overrides it.",
            callback=_from_config,
            is_eager=True,
        ),
    ] = None,
    regression: Regression = Regression(),  # noqa: B008
    noise_std: Annotated[float, panel("Problem", "Standard deviation of the noise, without --data.")] = 1.0,
    network: Network = Network(),  # noqa: B008
    step_size: Annotated[
        float | None,
        panel(
            "Descent",
            f"Step size. By default {DEFAULT_SHARE} of the one at which the variance becomes infinite.",
        ),
    ] = None,
    theory: Annotated[
        bool,
        panel("Descent", "Compute the frontier, second moments and tail index of this very descent."),
    ] = True,
    batch_size: Annotated[int, panel("Descent", "Samples per node and step.")] = 1,
    steps: Annotated[int, panel("Descent", "Steps of every run.")] = 1000,
    runs: Annotated[int, panel("Descent", "Independent runs: the sample whose tail is measured.")] = 10_000,
    average_last: Annotated[
        int, panel("Descent", "Measure the average of this many last iterates; 0 measures the last one.")
    ] = 0,
    nodes: Nodes = Nodes(),  # noqa: B008
    engine: Annotated[Engine, panel("Descent", "How gradients are drawn; auto takes the fastest.")] = "auto",
    rng: Annotated[int, panel("Descent", "Seed: the same one gives the same numbers.")] = 0,
    threads: Annotated[int | None, panel("Descent", "Most threads to use; all by default.")] = None,
    k: Annotated[
        str,
        panel(
            "Tail",
            "Largest values that Hill's tail index is read from: a fraction of the runs, a number, or the "
            "name of a rule such as min-amse; auto is the tail index whose interval counts the bias.",
        ),
    ] = "auto",
    level: Annotated[float, panel("Tail", "Confidence level of the intervals.")] = 0.95,
    out: Annotated[
        Path, panel("Output", "Folder for runs.nc and tail.png.", file_okay=False, writable=True)
    ] = Path("desgd-fast-run"),
    iterates: Annotated[
        bool, panel("Output", "Write the last iterates too, not only their distances from the optimum.")
    ] = False,
    progress: Annotated[
        bool | None, panel("Output", "Show a progress bar; by default on a terminal.", show_default=False)
    ] = None,
) -> dict[str, Any]:
    """Run decentralized SGD many times and measure how heavy the tail of its iterates is.

    Without options: a small experiment on a ring of 8 nodes, some seconds. With --data and
    --target: least squares on a table in a file, whose columns are first scaled to mean 0 and standard
    deviation 1 and whose rows are spread over the nodes. Every run starts at the optimum x*, the
    least squares solution of the whole file, from which distances ‖x − x*‖ are measured.
    """
    import desgd_fast as dsf
    from desgd_fast.common import check
    from desgd_fast.common.warnings import DivergenceWarning
    from desgd_fast.tails import checks as tails_checks
    from desgd_fast.tails import thresholds

    top = None if k == "auto" else given.number_or_rule(k)
    if top is not None:
        tails_checks.threshold_count("k", top, thresholds.RULES, ())
    check.fraction("level", level)
    W = dsf.mixing.as_process("W", network.weights(context, rng))
    report = dsf.mixing_report(W)
    problem = regression.problem(context, report.n_nodes, batch_size, noise_std)
    rule_of_nodes = nodes.chained()
    known = computed(
        problem,
        W,
        report,
        step_size=step_size,
        batch_size=batch_size,
        algorithm=rule_of_nodes,
        rng=rng,
        threads=threads,
        wanted=theory,
    )
    step_size = known.step_size
    shared: dict[str, Any] = {"step_size": step_size, "batch_size": batch_size, "algorithm": rule_of_nodes}
    # A run that starts at the optimum has only its tail to build up, and no start to forget.
    shared |= {"engine": engine, "initial": problem.optimum, "rng": rng, "threads": threads}
    with warnings.catch_warnings():
        # The table counts the diverged runs.
        warnings.simplefilter("ignore", DivergenceWarning)
        result = dsf.simulate(
            problem,
            W,
            n_steps=steps,
            n_runs=runs,
            average_last=average_last,
            keep="all" if iterates else "norms",
            progress=sys.stderr.isatty() if progress is None else progress,
            **shared,
        )
        # Half the runs at half the time: independent of the other half of the runs at the end.
        halfway = dsf.simulate(
            problem, W, n_steps=max(steps // 2, 1), n_runs=max(runs // 2, 1), keep="norms", **shared
        )
    drift = _drift(
        halfway.norms(stacked=True),
        result.norms(stacked=True)[runs // 2 :],
        int(result.diverged.sum()),
    )
    tail = _tail(result, "average" if average_last else "final", drift, top, level, threads)

    measured = "average of the last iterates" if average_last else "last iterate"
    out.mkdir(parents=True, exist_ok=True)
    _show("Graph", report.rows())
    _show(
        "Descent",
        [
            ("problem", _describe(problem)),
            ("algorithm", repr(rule_of_nodes)),
            ("runs, steps", f"{runs}, {steps}"),
            ("step size, batch size", f"{step_size:.6g}, {batch_size}"),
        ],
    )
    _show(
        "Theory",
        [
            *known.rows,
            ("diverged runs", f"{drift.n_diverged} of {runs}"),
            ("distances at half time and end", drift.verdict),
        ],
    )
    _show_tail(f"Tail index of ‖x − x*‖, {measured}", tail, drift, level)
    note = None if average_last else beside(known.tail, tail.all_nodes, tail.stacked)
    if note is not None:
        typer.echo(f"  note: {note}")
    settings = {
        "problem": _describe(problem),
        "graph": network.graph,
        "rule": network.rule,
        "mixing": W.name,
        "algorithm": repr(rule_of_nodes),
        "engine": engine,
        "step_size": step_size,
        "batch_size": batch_size,
        "n_steps": steps,
        "rng": rng,
        "tail_of": "average_norms" if average_last else "final_norms",
        "stationarity": drift.verdict,
    }
    _write(out / "runs.nc", result, W, report, tail, settings)
    _draw(out / "tail.png", tail, None if average_last else known.tail)
    _show("Files", [("every run", str(out / "runs.nc")), ("picture", str(out / "tail.png"))])
    return {
        "settings": settings,
        "graph": report,
        "stability": dict(known.rows),
        "computed_tail": known.tail,
        "diverged": drift.n_diverged,
        "tail": tail.all_nodes,
        "tail_of_nodes": tail.per_node,
        "files": [out / "runs.nc", out / "tail.png"],
    }


def _describe(problem: "GaussianRegression | DatasetRegression") -> str:
    from desgd_fast.problems.rows import DatasetRegression

    if isinstance(problem, DatasetRegression):
        drawn = "with" if problem.replacement else "without"
        return f"least squares on {problem.n_rows} rows, {problem.dim} features, {drawn} replacement"
    return f"streaming Gaussian least squares, {problem.dim} coordinates"


@dataclass(frozen=True)
class _Drift:
    """Whether the law of the distances has settled, so that it has a tail to speak of."""

    n_diverged: int
    p_value: float
    apart: float
    grows: bool

    @property
    def settled(self) -> bool:
        return not self.n_diverged and self.p_value >= DRIFT_LEVEL

    @property
    def no_tail(self) -> bool:
        return bool(self.n_diverged) or (self.grows and not self.settled)

    @property
    def verdict(self) -> str:
        if self.n_diverged:
            return "runs diverge: no stationary law"
        if self.settled and self.p_value < MOVED_LEVEL:
            return (
                f"nearly the same law, probabilities up to {self.apart:.1%} apart (Kolmogorov–Smirnov "
                f"p = {self.p_value:.1g}): more --steps let it settle"
            )
        if self.settled:
            return f"same law (Kolmogorov–Smirnov p = {self.p_value:.2g})"
        if self.grows:
            return (
                f"still growing (p = {self.p_value:.1g}): no stationary law, or too few --steps to reach it"
            )
        return f"still shrinking (p = {self.p_value:.1g}): the start is not forgotten, take more --steps"


def _drift(earlier: "NDArray[np.float64]", later: "NDArray[np.float64]", n_diverged: int) -> _Drift:
    import numpy as np
    from scipy import stats

    if n_diverged:
        return _Drift(n_diverged, 0.0, 1.0, True)
    test = stats.ks_2samp(earlier, later)
    return _Drift(0, float(test.pvalue), float(test.statistic), bool(np.median(later) > np.median(earlier)))


@dataclass(frozen=True)
class _Tail:
    """Distances from the optimum, and their tail indices where there are any."""

    norms: "NDArray[np.float64]"
    stacked: "NDArray[np.float64]"
    per_node: "TailEstimate | None"
    all_nodes: "TailEstimate | None"


def _tail(
    result: "Runs",
    of: Literal["final", "average"],
    drift: _Drift,
    k: int | float | str | None,
    level: float,
    threads: int | None,
) -> _Tail:
    from desgd_fast import tails

    norms, stacked = result.norms(of=of), result.norms(of=of, stacked=True)
    if drift.no_tail:
        return _Tail(norms, stacked, None, None)
    if k is None:
        per_node = tails.tail_index(norms, axis=0, level=level, threads=threads)
        return _Tail(norms, stacked, per_node, tails.tail_index(stacked, level=level, threads=threads))
    return _Tail(
        norms,
        stacked,
        tails.hill(norms, k, axis=0, level=level, threads=threads),
        tails.hill(stacked, k, level=level, threads=threads),
    )


def _show(title: str, rows: list[tuple[str, str]]) -> None:
    typer.echo(f"\n{title}")
    for label, value in rows:
        typer.echo(f"  {label:<32}{value}")


def _show_tail(title: str, tail: _Tail, drift: _Drift, level: float) -> None:
    nodes, both = tail.per_node, tail.all_nodes
    if nodes is None or both is None:
        _show(title, [("none", "no stationary law to read one from; take a smaller --step-size")])
        return
    typer.echo(f"\n{title}")
    typer.echo(f"  {'':<12}{'alpha':>8}{f'{100 * level:g} % interval':>20}{'k':>8}{'threshold':>12}")

    def line(label: str, alpha: float, low: float, high: float, k: int, threshold: float) -> None:
        typer.echo(f"  {label:<12}{alpha:>8.3f}{f'{low:.3f} … {high:.3f}':>20}{k:>8}{threshold:>12.4g}")

    columns = zip(nodes.alpha, nodes.ci_low, nodes.ci_high, nodes.k, nodes.threshold, strict=True)
    for node, entries in enumerate(columns):
        if node == LISTED_NODES:
            typer.echo(f"  … and {len(nodes.alpha) - LISTED_NODES} nodes more, in the file")
            break
        line(f"node {node}", *entries)
    line("all stacked", both.alpha, both.ci_low, both.ci_high, both.k, both.threshold)
    if both.sensitivity is not None:
        lowest, highest = both.sensitivity
        typer.echo(f"  from k/2 to 2k largest values, all stacked reads {lowest:.3f} … {highest:.3f}")
    for text in dict.fromkeys((*both.warnings, *nodes.warnings)):
        typer.echo(f"  note: {text}")


def _write(
    path: Path,
    result: "Runs",
    W: "MixingProcess",
    report: "MixingReport",
    tail: _Tail,
    settings: dict[str, Any],
) -> None:
    """One netCDF file: the runs, the tail estimates, the matrix entry by entry, and every setting."""
    import numpy as np

    mean = W.mean.tocoo()
    row, column = mean.coords
    dataset = result.to_xarray().assign(
        stacked_norms=("run", tail.stacked),
        mixing_row=("entry", row.astype(np.int64)),
        mixing_column=("entry", column.astype(np.int64)),
        mixing_weight=("entry", mean.data),
    )
    if tail.per_node is not None and tail.all_nodes is not None:
        for name in ("alpha", "stderr", "ci_low", "ci_high", "k", "threshold"):
            dataset[f"tail_{name}"] = ("node", np.asarray(getattr(tail.per_node, name)))
            dataset[f"stacked_tail_{name}"] = ((), getattr(tail.all_nodes, name))
    graph = {f"mixing_{name}": float(value) for name, value in report.to_xarray().items()}
    dataset.attrs |= settings | graph
    dataset.to_netcdf(path, engine="h5netcdf")


def _draw(path: Path, tail: _Tail, computed: "TailIndex | None") -> None:
    """Survival function with the fitted tail beside the Hill plot; without a tail the former alone."""
    import numpy as np

    from desgd_fast import plots
    from desgd_fast.plots.axes import new_figure

    figure = new_figure(10, 4.2)
    distance = "distance from the optimum, all nodes stacked"
    if tail.all_nodes is not None:
        left, right = figure.subplots(1, 2)
        plots.tail_plot(tail.stacked, estimate=tail.all_nodes, computed=computed, ax=left)
        plots.hill_plot(tail.stacked, estimate=tail.all_nodes, level=tail.all_nodes.level, ax=right)
        left.set_xlabel(distance)
    else:
        axes = figure.subplots()
        finite = tail.stacked[np.isfinite(tail.stacked)]
        if finite.size:
            axes.ecdf(finite, complementary=True, color="black")
            axes.set(xscale="log", yscale="log", xlabel=distance, ylabel="P(X > x)")
        axes.set_title(
            f"no stationary law: {tail.stacked.size - finite.size} of {tail.stacked.size} runs overflowed"
        )
    figure.savefig(path)
