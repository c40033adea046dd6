"""The command ``desgd-fast tail``: a table and a picture of the tail of a column of numbers."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from desgd_fast.cli.options import given
from desgd_fast.cli.options.given import Decimal, Header, Separator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from desgd_fast.common.files.tables import Table

Estimator = Literal[
    "compare", "tail_index", "hill", "moment", "pickands", "smoothed_hill", "bias_reduced_hill", "mmo"
]

# The estimators' arguments, by what the command's function calls them.
ARGUMENTS = {
    "side": "tail",
    "k": "k",
    "level": "level",
    "nan_policy": "nan_policy",
    "on_infinite": "on_infinite",
    "dependent": "dependent",
    "rng": "rng",
}


def tail(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            help="CSV with any usual separator, gzipped or not, .npy or .npz; - for standard input."
        ),
    ],
    column: Annotated[str | None, typer.Option(help="Column, by its name or number from 0.")] = None,
    header: Header = None,
    separator: Separator = None,
    decimal: Decimal = None,
    estimator: Annotated[Estimator, typer.Option(help="What measures the tail.")] = "compare",
    side: Annotated[Literal["abs", "upper", "lower"], typer.Option("--tail", help="Which values.")] = "abs",
    k: Annotated[
        str | None,
        typer.Option(
            help="Values above the threshold: a number, a fraction, min-amse, double-bootstrap or ks; "
            "by default min-amse, or what Pickands' estimator takes."
        ),
    ] = None,
    level: Annotated[float, typer.Option(help="Confidence level.")] = 0.95,
    nan_policy: Annotated[Literal["raise", "omit"], typer.Option(help="What missing values do.")] = "raise",
    on_infinite: Annotated[
        Literal["raise", "censor"],
        typer.Option(help="Whether infinite values are refused or count as larger than all others."),
    ] = "raise",
    dependent: Annotated[bool, typer.Option(help="The values are one series in time order.")] = False,
    rng: Annotated[int, typer.Option(help="Seed of rules that resample.")] = 0,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Picture to write.", dir_okay=False, callback=given.drawable),
    ] = Path("tail.png"),
    picture: Annotated[bool, typer.Option(help="Whether to write the picture.")] = True,
) -> dict[str, Any]:
    """Tail index of a column of numbers, with intervals: prints a table, writes a picture."""
    from desgd_fast import tails

    function: Callable[..., Any] = getattr(tails, estimator)
    given.refuse_unless_taken(context, function, ARGUMENTS, f"--estimator {estimator}")
    if not picture:
        given.refuse(context, ["output"], "changes nothing with --no-picture")
    table = _read(file, header, separator, decimal)
    position = table.column("--column", column)
    values = table.numbers(position)
    chosen: dict[str, Any] = {
        "tail": side,
        "level": level,
        "nan_policy": nan_policy,
        "on_infinite": on_infinite,
        "dependent": dependent,
        "rng": rng,
    }
    if k is not None:
        chosen["k"] = given.number_or_rule(k)
    if estimator == "mmo":
        chosen["centre"] = "median"
    result = function(values, **given.taken_by(function, chosen))
    typer.echo(f"{table.describe()}; {table.called(position)}")
    for note in table.notes():
        typer.echo(f"note: {note}")
    for line in str(result).splitlines():
        typer.echo(given.in_options(line, context.command))
    reason = getattr(result, "reasons", {}).get("tail index" if k is None else "Hill")
    if picture and reason is not None:
        typer.echo(f"no picture: {reason}")
    elif picture:
        _draw(values, chosen, output)
        typer.echo(f"picture: {output}")
    return {
        "file": table.describe(),
        "column": table.called(position),
        "notes": list(table.notes()),
        "estimates": getattr(result, "estimates", {estimator: result}),
        "refused": getattr(result, "reasons", {}),
        "picture": output if picture and reason is None else None,
    }


def _read(file: str, header: bool | None, separator: str | None, decimal: str | None) -> "Table":
    from desgd_fast.common.files import tables

    dialect: dict[str, Any] = {"header": header, "separator": separator, "decimal": decimal}
    if file == "-":
        return tables.parse("FILE", "standard input", sys.stdin.buffer.read(), **dialect)
    return tables.read("FILE", file, **dialect)


def _draw(values: "NDArray[np.float64]", chosen: dict[str, Any], output: Path) -> None:
    """The tail beside the Hill plot; the estimate is Hill's where k is given, whatever the table shows."""
    from desgd_fast import plots, tails
    from desgd_fast.plots.axes import new_figure

    function: Callable[..., Any] = tails.hill if "k" in chosen else tails.tail_index
    estimate = function(values, **given.taken_by(function, chosen))
    sample = {name: chosen[name] for name in ("tail", "nan_policy", "on_infinite")}
    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    plots.hill_plot(values, level=chosen["level"], estimate=estimate, ax=left, **sample)
    plots.tail_plot(values, estimate=estimate, ax=right, **sample)
    figure.savefig(output)
