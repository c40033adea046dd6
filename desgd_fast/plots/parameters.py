"""Pictures over parameters: alpha against any of them, regime maps, and windows of step sizes."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.common import check
from desgd_fast.plots import checks
from desgd_fast.plots.axes import STYLES, axes_or_new
from desgd_fast.theory.descents.verdicts import RegimeMap

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

# What a regime map holds.
_MAPPED = ("boundary", "step_size", "log_growth", "log_growth_disconnected", "norm_bound")
_NAMES = {
    "step_size": "step size η",
    "batch_size": "batch size b",
    "n_nodes": "nodes N",
    "dim": "dimension d",
    "alpha": "tail index α",
}


def published(name: str) -> dict[str, NDArray[np.float64]]:
    """Columns of one of the published tables in ``desgd_fast/paper/data``, by their header.

    Examples
    --------
    >>> from desgd_fast import plots
    >>> plots.published("figure7_cycle")["step_size"].size
    30
    """
    data = resources.files("desgd_fast.paper").joinpath("data").iterdir()
    check.choice("name", name, sorted(Path(file.name).stem for file in data if file.name.endswith(".csv")))
    text = resources.files("desgd_fast.paper").joinpath("data", f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = text.splitlines()
    values = np.array([[float(x) for x in row.split(",")] for row in rows])
    return dict(zip(header.split(","), values.T, strict=True))


def parameter_plot(
    dataset: "xarray.Dataset",
    x: str,
    *,
    y: str = "alpha",
    by: str | None = None,
    low: str = "ci_low",
    high: str = "ci_high",
    ax: "Axes | None" = None,
) -> "Axes":
    """The tail index, or any other variable, against a parameter, one curve a label, each with its band.

    Where ``lower_bound`` is set the value only bounds the index from below: an arrow upwards. Points without
    a stationary law have no value and are left out; :func:`shade_no_law` shows where they are.

    Parameters
    ----------
    dataset : xarray.Dataset
        As :func:`desgd_fast.sweep` returns it.
    x : str
        Coordinate or variable of the horizontal axis.
    y : str
        Variable to draw.
    by : str, optional
        Dimension with one curve for each label.
    low, high : str
        Variables that bound the band; no band where the dataset has none.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> steps = [0.0941, 0.0942, 0.0943]
    >>> fixed = {"problem": dsf.GaussianRegression(dim=100), "W": [[1.0]], "batch_size": 5}
    >>> ds = dsf.sweep(dsf.theory.tail_index, {"step_size": steps}, fixed=fixed)
    >>> dsf.plots.parameter_plot(ds, "step_size").get_ylabel()
    'tail index α'
    """
    checks.dataset("dataset", dataset)
    x, y = checks.variable("x", x, dataset), checks.variable("y", y, dataset)
    by = None if by is None else checks.dimension("by", by, dataset)
    check.instance("low", low, (str,))
    check.instance("high", high, (str,))
    ax = axes_or_new(ax)
    curves = (
        [(None, dataset)]
        if by is None
        else [(label, dataset.sel({by: label})) for label in dataset[by].values]
    )
    for k, (label, curve) in enumerate(curves):
        colour, line, marker = STYLES[k % len(STYLES)]
        places = checks.curve("x", curve[x].values)
        values = checks.curve("y", curve[y].values, places.size)
        bounds = (
            curve["lower_bound"].values == 1 if y == "alpha" and "lower_bound" in curve else values != values
        )
        shown = np.where(bounds, np.nan, values)
        name = None if label is None else str(label)
        ax.plot(
            places,
            shown,
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=4,
            linewidth=1.4,
            label=name,
        )
        if low in curve and high in curve:
            bottom, top = (np.asarray(curve[end].values, dtype=float) for end in (low, high))
            ax.fill_between(places, bottom, top, where=~bounds, color=colour, alpha=0.2, linewidth=0)
        ax.plot(
            places[bounds], values[bounds], linestyle="none", marker=r"$\uparrow$", markersize=9, color=colour
        )
    ax.set_xlabel(_NAMES.get(x, x))
    ax.set_ylabel(_NAMES.get(y, y))
    if by is not None:
        ax.legend(title=by)
    return ax


def mark_frontiers(ax: "Axes", variance: float, divergence: float) -> "Axes":
    """Vertical lines at the step sizes where alpha = 2 and where rho = 0.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from desgd_fast import plots
    >>> ax = plots.mark_frontiers(Figure().subplots(), 0.46, 0.67)
    >>> len(ax.lines)
    2
    """
    ax.axvline(variance, linestyle="--", linewidth=1, color="0.35", label=f"α = 2 at η = {variance:.5g}")
    ax.axvline(
        divergence, linestyle=":", linewidth=1.3, color="black", label=f"ρ = 0 at η = {divergence:.5g}"
    )
    return ax


def shade_no_law(ax: "Axes", start: float, end: float, *, name: str = "no stationary law (ρ ≥ 0)") -> "Axes":
    """Hatch the range of parameters in which there is no stationary law, and so no tail index.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from desgd_fast import plots
    >>> plots.shade_no_law(Figure().subplots(), 0.67, 0.8).patches[0].get_label()
    'no stationary law (ρ ≥ 0)'
    """
    ax.axvspan(start, end, facecolor="0.93", edgecolor="0.75", hatch="///", linewidth=0, zorder=0, label=name)
    return ax


def tail_index_plot(
    step_sizes: ArrayLike,
    alpha: ArrayLike,
    stderr: ArrayLike,
    *,
    label: str = "theory",
    frontiers: tuple[float, float] | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """The tail index against the step size, with its 95% interval.

    Parameters
    ----------
    step_sizes, alpha, stderr : (n_steps,) array
        nan where there is no stationary law.
    label : str
        Name of the curve.
    frontiers : (float, float), optional
        Step sizes at which alpha = 2 and at which rho = 0, drawn as vertical lines.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from desgd_fast import plots
    >>> ax = Figure().subplots()
    >>> plots.tail_index_plot([0.4, 0.5, 0.6], [2.7, 1.6, 0.7], [0.03, 0.02, 0.01], ax=ax).get_ylabel()
    'tail index α'
    """
    places = checks.curve("step_sizes", step_sizes)
    values = checks.curve("alpha", alpha, places.size)
    spread = 1.959963984540054 * np.nan_to_num(
        np.abs(checks.curve("stderr", stderr, places.size)), posinf=0.0
    )
    window = None if frontiers is None else checks.windows("frontiers", [frontiers])
    ax = axes_or_new(ax)
    ax.errorbar(places, values, yerr=spread, marker="o", markersize=3, capsize=2, color="black", label=label)
    if window is not None:
        mark_frontiers(ax, *window[0].tolist())
    ax.set_xlabel(_NAMES["step_size"])
    ax.set_ylabel(_NAMES["alpha"])
    if ax.get_legend_handles_labels()[1]:
        ax.legend()
    return ax


def published_cycle_plot(*, ax: "Axes | None" = None) -> "Axes":
    """Published tail indices of the cycle (arXiv 2205.06689, figure 7), median and range over nodes.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from desgd_fast import plots
    >>> plots.published_cycle_plot(ax=Figure().subplots()).lines[0].get_label()
    'published, measured'
    """
    ax = axes_or_new(ax)
    table = published("figure7_cycle")
    nodes = np.stack([table[f"node{i}"] for i in range(8)])
    step = table["step_size"]
    ax.plot(step, np.median(nodes, axis=0), linestyle="-.", color="tab:blue", label="published, measured")
    ax.fill_between(step, nodes.min(axis=0), nodes.max(axis=0), color="tab:blue", alpha=0.2)
    ax.legend()
    return ax


def regime_plot(
    picture: "RegimeMap | xarray.Dataset", *, label: str = "nodes N", ax: "Axes | None" = None
) -> "Axes":
    """Where coupling makes the tail heavier (dark), with the exact boundary and that of the norm bound.

    Parameters
    ----------
    picture : RegimeMap or xarray.Dataset
        From :func:`desgd_fast.theory.regime_map`, with numbers as labels.
    label : str
        What the labels are.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> W = {n: dsf.mixing_matrix(nx.complete_graph(n), "laplacian", delta=0.02) for n in (5, 20)}
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> picture = dsf.theory.regime_map(problem, W, [0.3, 0.6, 0.9], batch_size=1, rng=0)
    >>> dsf.plots.regime_plot(picture).get_ylabel()
    'nodes N'
    """
    dataset = picture.to_xarray() if isinstance(picture, RegimeMap) else picture
    checks.dataset("picture", dataset, _MAPPED)
    ax = axes_or_new(ax)
    (rows_name,) = dataset.boundary.dims
    rows, steps = np.asarray(dataset[rows_name], dtype=float), dataset.step_size.values
    heavier = (dataset.log_growth > dataset.log_growth_disconnected).values
    shades: Any = {"cmap": "Greys", "vmin": 0, "vmax": 2.5, "shading": "nearest"}
    ax.pcolormesh(steps, rows, heavier.astype(float), **shades)
    known = bool(np.isfinite(dataset.boundary).any())
    ax.plot(
        dataset.boundary,
        rows,
        color="black",
        linewidth=2 if known else 0,
        label=f"exact boundary, h(2) with = without coupling{'' if known else ': not on this map'}",
    )
    bound = dataset.norm_bound.values
    if bound.min() < 0 < bound.max():
        colour, line, _ = STYLES[1]
        ax.contour(steps, rows, bound, levels=[0.0], linestyles=line, colors=[colour])
        ax.plot([], [], linestyle=line, color=colour, label="published criterion, P(λ* < 1/η) = 1/2")
    # The texts go to the middle of their sides of the map, and away from the boundary.
    for side, share, text in (
        (heavier, 0.7, "coupling makes\nthe tail heavier"),
        (~heavier, 0.25, "coupling lightens\nthe tail"),
    ):
        if side.any():
            row = int(np.average(np.arange(rows.size), weights=side.sum(axis=1)).round())
            if side[row].any():
                ax.text(
                    float(np.quantile(steps[side[row]], share)), rows[row], text, ha="center", va="center"
                )
    ax.set_xlabel(_NAMES["step_size"])
    ax.set_ylabel(label)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize="small", frameon=False)
    return ax


def frontier_plot(
    names: list[str], frontiers: list[tuple[float, float]], *, ax: "Axes | None" = None
) -> "Axes":
    """For each graph the window of step sizes with infinite variance, from alpha = 2 to rho = 0.

    Windows are often far narrower than they lie apart, so each stands relative to its own beginning, with
    the step sizes written at its ends.

    Parameters
    ----------
    names : list of str
        One graph a row.
    frontiers : list of (float, float)
        Step sizes at which alpha = 2 and at which rho = 0; 0 where no step size is stable.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from desgd_fast import plots
    >>> ax = plots.frontier_plot(["cycle", "alone"], [(0.18227, 0.18369), (0.09434, 0.09458)])
    >>> [text.get_text() for text in ax.get_yticklabels()]
    ['cycle', 'alone']
    """
    check.instance("names", names, (list, tuple))
    windows = checks.windows("frontiers", frontiers, len(names)).tolist()
    ax = axes_or_new(ax)
    widths = [100 * (end / start - 1) if start > 0 else 0.0 for start, end in windows]
    reach = max([*widths, 1e-3])
    left, right = -0.45 * reach, 1.5 * reach
    parts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("finite variance, α > 2", {"facecolor": "white", "edgecolor": "0.4"}),
        ("infinite variance, α < 2", {"facecolor": "0.25", "edgecolor": "0.25"}),
        ("no stationary law", {"facecolor": "0.93", "edgecolor": "0.6", "hatch": "///"}),
    )
    drawn: dict[str, Any] = {}
    for row, ((start, end), width) in enumerate(zip(windows, widths, strict=True)):
        if start <= 0:
            ax.annotate("no step size is stable", (0, row), (4, 0), textcoords="offset points", va="center")
            continue
        places = (left, 0.0, width, right)
        for (name, style), begin, until in zip(parts, places[:-1], places[1:], strict=True):
            drawn[name] = ax.barh(row, until - begin, left=begin, height=0.26, linewidth=0.8, **style)
        for place, value, side in ((0.0, start, "right"), (width, end, "left")):
            ax.text(place, row + 0.18, f"η = {value:.5g}", ha=side, va="top", fontsize="small")
    ax.axvline(0, ymax=0.85, color="black", linewidth=0.8)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.9)
    ax.set_xlim(left, right)
    ax.set_xlabel("step size beyond the one at which the variance becomes infinite, per cent")
    ax.legend(drawn.values(), drawn.keys(), loc="upper center", ncols=3, fontsize="small", frameon=False)
    return ax
