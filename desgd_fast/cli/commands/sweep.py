"""``desgd-fast sweep`` and ``desgd-fast show``: many parameter points from a file, and a look at them."""

import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from desgd_fast.cli import output
from desgd_fast.cli.commands import sweep_config
from desgd_fast.cli.commands.sweep_config import Config
from desgd_fast.cli.options import given

if TYPE_CHECKING:
    import pandas as pd
    import xarray

    from desgd_fast.sweeps.results import SweepEstimate


def sweep(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(help="TOML file; see examples/sweep.toml.", dir_okay=False)],
    resume: Annotated[bool, typer.Option(help="Go on with a store that is there already.")] = False,
    retry_failed: Annotated[bool, typer.Option(help="With --resume: compute failed cells again.")] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Only say how many cells, and how much time and memory; writes nothing.")
    ] = False,
    store: Annotated[str | None, typer.Option(help="Where to write; overrides the file.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; overrides the file.")] = None,
    cluster: Annotated[
        str | None, typer.Option(help="Address of a dask scheduler, such as tcp://host:8786.")
    ] = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Run the function that the file names as module:function, and connect to its cluster. Both "
            "can be any code: without this option a file from elsewhere only runs functions of this package.",
        ),
    ] = False,
    progress: Annotated[
        bool | None, typer.Option(help="Show a progress bar; by default on a terminal.", show_default=False)
    ] = None,
) -> dict[str, Any]:
    """Compute a function over a grid of parameters into a Zarr store, whatever interrupts it.

    Interrupt it, kill it, lose the machine: the same command with --resume goes on with what is missing, also
    of more values on an axis.
    """
    plan = sweep_config.read(config, trust)
    place = plan.store if store is None else store
    n_workers = plan.workers if workers is None else workers
    arguments: dict[str, Any] = {
        "fixed": plan.fixed,
        "store": place,
        "rng": plan.rng,
        "version": plan.version,
    }
    if dry_run:
        return {"store": place, "cost": _estimate(plan, n_workers, arguments)}
    from desgd_fast.common.warnings import FailedCellsWarning
    from desgd_fast.sweeps import sweeping as sweeps
    from desgd_fast.sweeps.store.journal import Folder

    if not resume:
        given.refuse(context, ["retry_failed"], "changes nothing without --resume")
    if cluster or plan.cluster:
        given.refuse(context, ["workers"], "changes nothing with a cluster, which has its own")
    if not resume and sweeps.stored_attributes(Folder(place), place) is not None:
        raise typer.BadParameter(f"'{place}' holds a sweep already; --resume goes on with it")
    with _team(cluster or plan.cluster, n_workers) as team, warnings.catch_warnings():
        # The last lines say the same.
        warnings.simplefilter("ignore", FailedCellsWarning)
        ds = sweeps.sweep(
            plan.function,
            plan.grid,
            workers=team,
            retry_failed=retry_failed,
            progress=sys.stderr.isatty() if progress is None else progress,
            **arguments,
        )
    typer.echo(f"{ds.attrs['cells_done']} cells done, {ds.attrs['cells_failed']} failed: {place}")
    result = {"store": place} | {name: ds.attrs[name] for name in ("cells_done", "cells_failed")}
    if ds.attrs["cells_failed"]:
        _show_failures(ds, plan)
        raise output.Incomplete(result)
    return result


def _team(cluster: str | None, n_workers: int) -> Any:
    if cluster is None:
        return nullcontext(n_workers)
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("--cluster needs dask: pip install 'desgd-fast[cluster]'") from error
    try:
        return Client(cluster, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"--cluster: no dask scheduler answers at {cluster}: {error}") from None


def _estimate(plan: Config, n_workers: int, arguments: dict[str, Any]) -> "SweepEstimate":
    from desgd_fast.sweeps import sweeping as sweeps

    try:
        cost = sweeps.estimate(plan.function, plan.grid, workers=n_workers, **arguments)
    except (ValueError, TypeError) as error:
        line = plan.source.line_about(str(error))
        if not line:
            raise
        raise typer.BadParameter(f"{line}: {error}") from error
    axes = " × ".join(f"{name} ({len(values)})" for name, values in plan.grid.items())
    done = cost.n_cells - cost.n_waiting
    where = ", ".join(f"{name} = {_short(label)}" for name, label in cost.cell.items())
    rows = [
        ("cells", f"{cost.n_cells}: {axes}" + (f"; {done} done" if done else "")),
        ("one of them", f"{_duration(cost.seconds)} at {where}"),
        ("time", f"about {_duration(cost.remaining_seconds)} on {cost.workers} workers, if all take as long"),
        ("results", f"{_size(cost.result_bytes)} before compression"),
        ("memory", f"{_size(cost.process_bytes)} for each process"),
        ("store", arguments["store"]),
    ]
    for label, value in rows:
        typer.echo(f"{label:<12} {value}")
    return cost


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{1000 * seconds:.3g} ms"


def _size(n_bytes: float) -> str:
    for unit, size in (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10)):
        if n_bytes >= size:
            return f"{n_bytes / size:.3g} {unit}"
    return f"{n_bytes:.0f} B"


def _show_failures(ds: "xarray.Dataset", plan: Config | None = None) -> None:
    """Each kind of failure once, with its first place and, if it is about an argument, its line."""
    import numpy as np

    status = ds.cell_status.values
    reasons: dict[str, list[tuple[int, ...]]] = {}
    for place in np.argwhere(status == 2):
        at = tuple(int(i) for i in place)
        text = str(ds.cell_failure.values[at]).strip().splitlines()[-1]
        reasons.setdefault(text, []).append(at)
    for text, places in reasons.items():
        where = ", ".join(
            f"{dim} = {_short(ds[dim].values.tolist()[i])}"
            for dim, i in zip(ds.cell_status.dims, places[0], strict=True)
        )
        typer.echo(f"  {len(places)} failed, the first at {where}: {text}", err=True)
        if plan is not None and (line := plan.source.line_about(text.partition(": ")[2])):
            typer.echo(f"    {line}", err=True)


def show(
    store: Annotated[str, typer.Argument(help="Store of a sweep, perhaps unfinished.")],
    variable: Annotated[
        str | None, typer.Option("--variable", "-y", help="Variable to show; alpha or the first by default.")
    ] = None,
    against: Annotated[
        str | None, typer.Option("--against", "-x", help="Coordinate down the table and along the picture.")
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(help="Only where AXIS=LABEL (nearest number); repeat for more.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(help="Draw the variable into this picture.", dir_okay=False, callback=given.drawable),
    ] = None,
) -> dict[str, Any]:
    """Show what is in the store of a sweep: a table of one variable, and a picture of it."""
    from desgd_fast.sweeps import sweeping as sweeps
    from desgd_fast.sweeps.store.journal import Folder

    attributes = sweeps.stored_attributes(Folder(store), store)
    if attributes is None:
        raise typer.BadParameter(f"no sweep in '{store}'")
    ds = sweeps.open_store(store)
    typer.echo(
        f"{attributes['cells_done']} cells done, {attributes['cells_failed']} failed, "
        f"{attributes['cells_waiting']} waiting; begun {attributes['begun']} "
        f"by desgd_fast {attributes['desgd_fast']}"
    )
    _show_failures(ds)
    axes = [str(dim) for dim in ds.cell_status.dims]
    names = [str(name) for name in ds.data_vars if name not in ("cell_status", "cell_failure")]
    result: dict[str, Any] = {"attributes": attributes, "variables": names}
    if not names:
        return result
    numbers = [name for name in names if ds[name].dtype.kind in "bif"]
    y = variable or ("alpha" if "alpha" in names else (numbers or names)[0])
    x = against or next((axis for axis in axes if ds[axis].dtype.kind in "if"), axes[0])
    for name, known, option in ((y, names, "--variable"), (x, axes, "--against")):
        if name not in known:
            raise typer.BadParameter(f"{option} must be one of {', '.join(known)}, got {name}")
    ds = _at(ds, axes, at or [])
    typer.echo(f"variables: {', '.join(names)}\n")
    typer.echo(_table(ds, y, x).to_string(float_format=lambda value: f"{value:.6g}", na_rep="-"))
    if plot is not None:
        if y not in numbers:
            raise typer.BadParameter(f"--variable must be numbers to be drawn, one of {', '.join(numbers)}")
        _draw(ds, y, x, plot)
        typer.echo(f"\npicture in {plot}")
    shown = ds[y].load()
    return result | {
        "variable": y,
        "axes": {str(dim): shown[dim].values for dim in shown.dims},
        "values": shown.values,
        "picture": plot,
    }


def _at(ds: "xarray.Dataset", axes: list[str], wanted: list[str]) -> "xarray.Dataset":
    for entry in wanted:
        axis, equals, label = entry.partition("=")
        if not equals or axis not in axes:
            raise typer.BadParameter(f"--at must be AXIS=LABEL with one of {', '.join(axes)}, got {entry}")
        numeric = ds[axis].dtype.kind in "if"
        try:
            ds = ds.sel({axis: [float(label)]}, method="nearest") if numeric else ds.sel({axis: [label]})
        except (KeyError, ValueError):
            labels = ", ".join(_short(value) for value in ds[axis].values.tolist())
            raise typer.BadParameter(f"--at {axis} must be one of {labels}, got {label}") from None
    return ds


def _over_axes(ds: "xarray.Dataset", name: str) -> "xarray.DataArray":
    """The variable over the axes of the grid: the median over its own axes."""
    own = [dim for dim in ds[name].dims if dim not in ds.cell_status.dims]
    return ds[name].load().median(own) if own else ds[name].load()


def _table(ds: "xarray.Dataset", y: str, x: str) -> "pd.DataFrame":
    import pandas as pd

    values = _over_axes(ds, y)
    if values.dtype.kind not in "bifc":
        values = values.astype(object)
    others = [str(dim) for dim in values.dims if dim != x]
    typer.echo(f"{y}{'' if set(values.dims) == set(ds[y].dims) else ', median over its own axes'}")
    frame = values.transpose(x, *others).to_series().rename(y)
    table = frame.unstack(others) if others else frame.to_frame()
    return pd.DataFrame(table).reindex(ds[x].values)


def _draw(ds: "xarray.Dataset", y: str, x: str, path: Path) -> None:
    from desgd_fast import plots

    band = [end for end in ("ci_low", "ci_high") if y == "alpha" and end in ds]
    flat = ds[[name for name in (y, *band, "lower_bound") if name in ds]].copy()
    for name in flat.data_vars:
        flat[name] = _over_axes(ds, str(name))
    others = [dim for dim in flat[y].dims if dim != x]
    label = " / ".join(map(str, others)) or None
    if label is not None and len(others) > 1:
        flat = flat.stack({label: others})
        names = [" / ".join(map(_short, at)) for at in flat[label].values]
        flat = flat.drop_vars([label, *others]).assign_coords({label: names})
    from desgd_fast.plots.axes import new_figure

    figure = new_figure(7, 4.5)
    low, high = band if len(band) == 2 else ("", "")
    plots.parameter_plot(flat, x, y=y, by=label, low=low, high=high, ax=figure.subplots())
    figure.savefig(path)
