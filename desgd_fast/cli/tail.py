"""The command ``desgd-fast tail``: a table and a picture of the tail of a column of numbers."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BAD_OPTION = 2

# Those that can take infinite values.
CENSORING = ("hill", "smoothed_hill")
ESTIMATORS = ("compare", "hill", "moment", "pickands", "smoothed_hill", "bias_reduced_hill", "mmo")


def _as_options(text: str) -> str:
    """Advice about arguments as advice about options."""
    for name in ("nan_policy", "on_infinite"):
        text = re.sub(rf"\b{name}='(\w+)'", rf"--{name.replace('_', '-')} \1", text)
    return text


def _fail(text: str) -> NoReturn:
    typer.echo(f"desgd-fast tail: {_as_options(text)}", err=True)
    raise typer.Exit(BAD_OPTION)


def _read_table(source: Any, file: str, column: str | None) -> "NDArray[np.float64]":
    """One column of a CSV table; without a header where every entry of the first line is a number."""
    import pandas as pd

    try:
        lines = source.read()
        first = lines.lstrip().split("\n", 1)[0]
        header = None if all(_is_number(entry) for entry in first.split(",")) else 0
        from io import StringIO

        table = pd.read_csv(StringIO(lines), header=header, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:
        _fail(f"{file} is not a CSV table: {error}")
    table.columns = table.columns.map(str)
    if column is None:
        if table.shape[1] != 1:
            _fail(f"--column must name one of {', '.join(table.columns)}")
        column = table.columns[0]
    if column not in table.columns:
        _fail(f"--column must be one of {', '.join(table.columns)}, got {column}")
    values = pd.to_numeric(table[column], errors="coerce")
    if bool((values.isna() & table[column].notna()).any()):
        _fail(f"--column {column} holds entries that are not numbers")
    return values.to_numpy(dtype=float)


def _is_number(entry: str) -> bool:
    try:
        float(entry)
    except ValueError:
        return False
    return True


def _read(file: str, column: str | None) -> "NDArray[np.float64]":
    import numpy as np

    if file == "-":
        return _read_table(sys.stdin, "standard input", column)
    path = Path(file)
    if not path.is_file():
        _fail(f"no such file: {file}")
    if path.suffix == ".npy":
        try:
            array = np.load(path)
        except ValueError as error:
            _fail(f"{file} is not a .npy array of numbers: {error}")
        if array.ndim == 1 and column is None:
            return np.asarray(array)
        if array.ndim != 2:
            _fail(f"{file} must hold a vector or a table, got shape {array.shape}")
        if column is None or not column.isdecimal() or int(column) >= array.shape[1]:
            _fail(f"--column must be a number from 0 to {array.shape[1] - 1}, got {column}")
        return np.asarray(array[:, int(column)])
    with path.open(encoding="utf-8") as source:
        return _read_table(source, file, column)


def _count(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def tail(
    file: Annotated[str, typer.Argument(help="A .csv or .npy file, or - for CSV on standard input.")],
    column: Annotated[str | None, typer.Option(help="Column, by its name (CSV) or number from 0.")] = None,
    estimator: Annotated[str, typer.Option(help=f"One of {', '.join(ESTIMATORS)}.")] = "compare",
    side: Annotated[str, typer.Option("--tail", help="abs, upper or lower.")] = "abs",
    k: Annotated[
        str,
        typer.Option(
            help="Values above the threshold: a number, a fraction, min-amse, double-bootstrap or ks."
        ),
    ] = "min-amse",
    level: Annotated[float, typer.Option(help="Confidence level.")] = 0.95,
    nan_policy: Annotated[str, typer.Option(help="raise or omit missing values.")] = "raise",
    on_infinite: Annotated[
        str, typer.Option(help=f"raise, or censor infinite values; of {', '.join(CENSORING)} only.")
    ] = "raise",
    dependent: Annotated[bool, typer.Option(help="The values are one series in time order.")] = False,
    rng: Annotated[int, typer.Option(help="Seed of rules that resample.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture to write.")] = Path("tail.png"),
    picture: Annotated[bool, typer.Option(help="Whether to write the picture.")] = True,
) -> None:
    """Tail index of a column of numbers, with intervals: prints a table, writes a picture."""
    if estimator not in ESTIMATORS:
        _fail(f"--estimator must be one of {', '.join(ESTIMATORS)}, got {estimator}")
    if on_infinite != "raise" and estimator not in CENSORING:
        _fail(f"--on-infinite is an option of {', '.join(CENSORING)}, got --estimator {estimator}")
    values = _read(file, column)
    from desgd_fast import tails

    options: dict[str, Any] = {"tail": side, "level": level, "nan_policy": nan_policy}
    if estimator in CENSORING:
        options["on_infinite"] = on_infinite
    try:
        function: Callable[..., Any] = getattr(tails, estimator)
        if estimator == "mmo":
            result = function(values, centre="median", level=level)
        elif estimator == "pickands":
            result = function(values, *([] if k == "min-amse" else [_count(k)]), **options)
        else:
            extra = {} if estimator == "smoothed_hill" else {"dependent": dependent}
            result = function(values, _count(k), rng=rng, **extra, **options)
        typer.echo(str(result))
        reason = getattr(result, "reasons", {}).get("Hill")
        if picture and reason is not None:
            typer.echo(f"no picture: {_as_options(reason)}")
        elif picture:
            _draw(values, _count(k), {**options, "dependent": dependent, "rng": rng}, output)
            typer.echo(f"picture: {output}")
    except (ValueError, TypeError, OSError, ImportError) as error:
        _fail(str(error))


def _draw(values: "NDArray[np.float64]", k: int | float | str, options: dict[str, Any], output: Path) -> None:
    from desgd_fast import plots, tails

    estimate = tails.hill(values, k, **options)
    sample = {name: options[name] for name in ("tail", "nan_policy", "on_infinite") if name in options}
    from desgd_fast.plots.axes import new_figure

    figure = new_figure(10, 4.2)
    left, right = figure.subplots(1, 2)
    plots.hill_plot(values, level=options["level"], estimate=estimate, ax=left, **sample)
    plots.tail_plot(values, estimate=estimate, ax=right, **sample)
    figure.savefig(output)
