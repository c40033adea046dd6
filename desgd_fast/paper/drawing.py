"""Pictures of the published figures done again: what is computed, what is measured, and what was printed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from desgd_fast import plots
from desgd_fast.plots.axes import STYLES, new_figure

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_DPI = 120

# Below and above these nothing is to be told apart.
_LIMITS = (0.4, 12.0)
_TICKS = (0.5, 1, 2, 5, 10)

_READING = (
    "black: what the index is; blue: what the published estimator reads, "
    "2 at any finite variance, about 0.9 where runs diverge"
)


def curves(
    dataset: "xarray.Dataset", title: str, parameter: str, published: Mapping[str, tuple[Any, Any]]
) -> "Figure":
    """One panel a network: alpha by theory, and what Hill and MMO read on simulated runs."""
    names = [str(name) for name in dataset.network.values]
    rows = -(-len(names) // _COLUMNS)
    figure = new_figure(11.0, 1.1 + 3.1 * rows, dpi=_DPI)
    grid = figure.subplots(rows, min(_COLUMNS, len(names)), sharey=True, squeeze=False)
    for place, (ax, name) in enumerate(zip(grid.flat, names, strict=False)):
        _panel(ax, dataset.sel(network=name), parameter, published.get(name))
        ax.set_title(name, fontsize="medium")
        if place % _COLUMNS:
            ax.set_ylabel("")
        if place + _COLUMNS < len(names):
            ax.set_xlabel("")
    for ax in grid.flat[len(names) :]:
        ax.set_visible(False)
    handles: dict[str, Any] = {}
    for ax in grid.flat[: len(names)]:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label.partition(" at η")[0], handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize="small", frameon=False
    )
    figure.suptitle(f"{title}{_rough(dataset)}\n{_READING}", fontsize="medium")
    return figure


def _panel(ax: "Axes", curve: "xarray.Dataset", parameter: str, printed: tuple[Any, Any] | None) -> None:
    places = np.asarray(curve[parameter].values, dtype=float)
    half = 0.5 * float(np.diff(places).mean())
    ends = (places[0] - half, places[-1] + half)
    ax.axhline(2, color="0.75", linewidth=0.8, zorder=0.5)
    if "infinite_variance" in curve:
        variance, divergence = float(curve.infinite_variance), float(curve.divergence)
        for place, line, name in (
            (variance, "--", "α = 2, from here on infinite variance"),
            (divergence, ":", "ρ = 0"),
        ):
            if ends[0] <= place <= ends[1]:
                ax.axvline(place, linestyle=line, linewidth=1, color="0.25", label=name)
        if divergence < ends[1]:
            plots.shade_no_law(ax, max(divergence, ends[0]), ends[1])
    else:
        for place, stationary in zip(places, curve.stationary.values, strict=True):
            if not stationary:
                plots.shade_no_law(ax, place - half, place + half)
    plots.parameter_plot(curve, parameter, low="alpha_low", high="alpha_high", ax=ax)
    theory = ax.get_lines()
    next(line for line in theory if line.get_marker() == "o").set_label("computed α, 95% band")
    theory[-1].set_label("computed: α at least this")
    low, high = (np.abs(curve[f"hill_{end}"].values - curve.hill.values) for end in ("low", "high"))
    ax.errorbar(
        places,
        curve.hill.values,
        yerr=[low, high],
        fmt="s",
        markersize=3,
        linewidth=0.7,
        color="0.6",
        zorder=1,
        label="Hill on simulated runs, 95% interval",
    )
    ax.plot(
        places,
        curve.mmo.values,
        linestyle="-",
        linewidth=1.2,
        marker="D",
        markersize=3,
        color="#0072b2",
        markerfacecolor="none",
        label="MMO on simulated runs, as published",
    )
    if printed is not None:
        ax.plot(
            *printed,
            linestyle="none",
            marker="x",
            markersize=6,
            color="#d55e00",
            label="published values",
            zorder=4,
        )
    ax.set_xlim(ends)
    ax.set_yscale("log")
    ax.set_ylim(_LIMITS)
    ax.set_yticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    ax.minorticks_off()


def regimes(dataset: "xarray.Dataset", title: str, published: Mapping[str, Any]) -> "Figure":
    """The regime map, with the boundary that the published entries draw."""
    figure = new_figure(7.5, 5.2, dpi=_DPI)
    ax = plots.regime_plot(dataset, ax=figure.subplots())
    steps = np.array([float(name) for name in published if name != "n_nodes"])
    entries = np.stack([values for name, values in published.items() if name != "n_nodes"], axis=1)
    for n, row in zip(published["n_nodes"], entries, strict=True):
        # Each row rises through 0, if anywhere, once.
        beyond = int(np.searchsorted(row > 0, True))
        if 0 < beyond < row.size:
            before, after = row[beyond - 1], row[beyond]
            step = steps[beyond - 1] + (steps[beyond] - steps[beyond - 1]) * before / (before - after)
            ax.plot(step, n, linestyle="none", marker="x", color="#d55e00", label="_published")
    ax.plot([], [], linestyle="none", marker="x", color="#d55e00", label="published criterion, as printed")
    end = float(dataset.divergence_disconnected)
    if end < dataset.step_size.values[-1]:
        ax.axvline(end, linestyle=":", color="black", label="disconnected: ρ = 0")
    else:
        ax.plot([], [], linestyle="none", label=f"disconnected: ρ = 0 at η = {end:.4g}, outside")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2, fontsize="small", frameon=False)
    figure.suptitle(f"{title}, W = I − {dataset.attrs['delta']:g} L{_rough(dataset)}", fontsize="medium")
    return figure


def layers(dataset: "xarray.Dataset", title: str) -> "Figure":
    """One column a layer: what MMO and Hill read of its weights; below, how well the networks learnt."""
    columns = dataset.sizes["layer"]
    figure = new_figure(11.0, 9.0, dpi=_DPI)
    grid = figure.subplots(3, max(columns, 3), sharex=True, squeeze=False)
    for row, (estimator, label) in enumerate((("mmo", "MMO, as published"), ("hill", "Hill"))):
        for column, ax in enumerate(grid[row, :columns]):
            layer = dataset.isel(layer=column)
            _training_curves(ax, layer, *(layer[estimator + ending] for ending in ("", "_low", "_high")))
            ax.axhline(2, color="0.75", linewidth=0.8, zorder=0.5)
            ax.set_title(f"layer {column + 1}" if row == 0 else "", fontsize="medium")
        grid[row, 0].set_ylabel(f"α by {label}")
        # Of the curves: an interval may have no upper end.
        highest = np.nanmax(dataset[estimator].median("run").values, initial=2.0)
        for ax in grid[row, :columns]:
            ax.set_ylim(0, 1.3 * highest)
    for ax in grid[:2, columns:].flat:
        ax.set_visible(False)
    below = (
        ("test_accuracy", "test accuracy", "linear"),
        ("train_loss", "training loss", "log"),
        ("consensus_distance", "consensus distance", "log"),
    )
    for ax, (variable, label, scale) in zip(grid[2], below, strict=False):
        values = dataset[variable].where(dataset.diverged == 0)
        _training_curves(ax, dataset, values, values.min("run"), values.max("run"))
        ax.set_xlabel("step size η")
        ax.set_ylabel(label)
        ax.set_xscale("log")
        ax.set_yscale(scale)
        if scale == "log":
            middle = values.median("run").values
            middle = middle[middle > 0]
            ax.set_ylim(0.5 * middle.min(initial=1.0), 2 * middle.max(initial=1.0))
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize="small", frameon=False)
    n_runs = int(dataset.attrs["n_runs"])
    runs = f"median of {n_runs} runs" if n_runs > 1 else "one run"
    figure.suptitle(
        f"{title}, {dataset.attrs['images']}{_rough(dataset)}\n"
        f"{runs}; bands: above the 95% interval, for MMO that of stable laws only; below the range of runs",
        fontsize="medium",
    )
    return figure


def _training_curves(ax: "Axes", dataset: "xarray.Dataset", values: Any, lowest: Any, highest: Any) -> None:
    """One line a network against the step size, the median over runs, with a band."""
    for name, (colour, line, marker) in zip(dataset.network.values, STYLES, strict=False):
        steps = dataset.step_size.sel(network=name).values
        middle, low, high = (
            part.sel(network=name).median("run").values
            if "run" in part.dims
            else part.sel(network=name).values
            for part in (values, lowest, highest)
        )
        ax.fill_between(steps, low, high, color=colour, alpha=0.1, linewidth=0)
        ax.plot(
            steps,
            middle,
            label=str(name),
            color=colour,
            linestyle=line,
            marker=marker,
            markersize=4,
            linewidth=1,
        )


def _rough(dataset: "xarray.Dataset") -> str:
    return " (quick: few points, few runs)" if dataset.attrs.get("quick") else ""


def atlas(dataset: "xarray.Dataset") -> "Figure":
    """A row for every system: alpha by theory and by Hill at the largest common step size."""
    point = dataset.isel(fraction=-1)
    names = [str(name) for name in point.system.values]
    places = np.arange(len(names))[::-1]
    figure = new_figure(8.0, 1.6 + 0.2 * len(names), dpi=_DPI)
    ax = figure.subplots()
    colours = {"linear": "C0", "homogeneous": "C1", "bounded": "C2", "unknown": "C3"}
    alpha, hill = (np.asarray(point[name].values, dtype=float) for name in ("alpha", "hill"))
    for degree, colour in colours.items():
        chosen = np.asarray(point.degree.values) == degree
        if not chosen.any():
            continue
        told, most = chosen & np.isfinite(alpha), np.asarray(point.lower_bound.values, dtype=bool)
        for which, marker, words in ((told & ~most, "D", ""), (told & most, ">", " (or more)")):
            label = f"{degree}, by theory{words}"
            if which.any():
                ax.plot(alpha[which], places[which], marker, markersize=5, color=colour, label=label)
        low, high = (np.asarray(point[f"hill_{end}"].values)[chosen] for end in ("low", "high"))
        middle = hill[chosen]
        ax.errorbar(
            middle,
            places[chosen],
            xerr=np.maximum([middle - low, high - middle], 0),
            fmt="o",
            markersize=4,
            fillstyle="none",
            color=colour,
            label=f"{degree}, by Hill" + (" (a plateau, not a tail)" if degree == "bounded" else ""),
        )
    ax.axvline(2, color="0.75", linewidth=0.8, zorder=0.5)
    ax.set(
        yticks=places,
        yticklabels=names,
        ylim=(-1, len(names)),
        xscale="log",
        xlabel=f"tail index at {float(point.fraction):g} of the step size where plain DE-SGD has α = 2",
    )
    ax.tick_params(axis="y", labelsize="small")
    ax.grid(axis="y", linewidth=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return figure
