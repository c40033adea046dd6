"""Pictures of simulated runs: survival functions node by node, and the graph with each node's tail."""

from typing import TYPE_CHECKING, Any

import numpy as np

from desgd_fast.common import check
from desgd_fast.plots import checks
from desgd_fast.plots.axes import STYLES, axes_or_new

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

# More nodes than this crowd a circle.
_MOST_ON_A_CIRCLE = 24


def survival_plot(
    dataset: "xarray.Dataset",
    *,
    norms: str = "final_norms",
    by: str = "node",
    alpha: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """How often a distance from the optimum exceeds t, one curve a node, on logarithmic axes.

    A power tail is a straight line of slope −alpha. Overflowed runs count as larger than all others.

    Parameters
    ----------
    dataset : xarray.Dataset
        From :meth:`desgd_fast.simulation.Runs.to_xarray`, or the file that ``desgd-fast run`` writes.
    norms : str
        Variable over ``run`` and ``by``.
    by : str
        Dimension with one curve for each label.
    alpha : float, optional
        Draw a line of slope −alpha beside the tail.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> runs = dsf.simulate(
    ...     dsf.GaussianRegression(dim=1), [[1.0]], step_size=0.5, batch_size=1, n_steps=50, n_runs=200, rng=0
    ... )
    >>> ax = dsf.plots.survival_plot(runs.to_xarray(), alpha=2.9)
    >>> ax.get_xscale(), ax.get_yscale()
    ('log', 'log')
    """
    checks.dataset("dataset", dataset)
    norms = checks.variable("norms", norms, dataset)
    checks.dimension("by", by, dataset[norms])
    checks.two_dimensions("norms", dataset[norms].dims)
    checks.decades("norms", dataset[norms].values)
    if alpha is not None:
        alpha = check.positive_number("alpha", alpha)
    ax = axes_or_new(ax)
    for k, label in enumerate(dataset[by].values):
        colour, line, _ = STYLES[k % len(STYLES)]
        values = np.sort(dataset[norms].sel({by: label}).values)
        n = values.size
        # The largest value first, and the share of the runs at least as large.
        share = np.arange(n, 0, -1) / n
        finite = np.isfinite(values) & (values > 0)
        # The second round of styles is drawn thicker.
        width = 1.2 + 0.8 * (k // len(STYLES))
        name = f"{by} {label}" if k < 2 * len(STYLES) else None
        ax.plot(values[finite], share[finite], color=colour, linestyle=line, linewidth=width, label=name)
    start = float(np.quantile(dataset[norms].values, 0.98))
    if alpha is not None and 0 < start < np.inf:
        ends = start * np.array([1.0, 10 ** (1.5 / alpha)])
        # Beside the data, three times as high as they are where the line begins.
        ax.plot(ends, 0.06 * (ends / start) ** -alpha, color="0.6", linewidth=3, label=f"slope −{alpha:.3g}")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("distance t from the optimum")
    ax.set_ylabel("P(distance > t)")
    ax.legend(fontsize="small")
    return ax


def graph_plot(dataset: "xarray.Dataset", *, value: str = "tail_alpha", ax: "Axes | None" = None) -> "Axes":
    """The graph of a run, every node with its tail index: the darker, the heavier the tail.

    Parameters
    ----------
    dataset : xarray.Dataset
        With the mixing matrix entry by entry (``mixing_row``, ``mixing_column``, ``mixing_weight``) and a
        variable over ``node``, as in the file that ``desgd-fast run`` writes.
    value : str
        Variable to colour by, and to write into the nodes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; new axes by default.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import xarray
    >>> from desgd_fast import plots
    >>> entries = {"mixing_row": ("entry", [0, 1]), "mixing_column": ("entry", [1, 0])}
    >>> weights = {"mixing_weight": ("entry", [0.5, 0.5]), "tail_alpha": ("node", [2.0, 3.0])}
    >>> ax = plots.graph_plot(xarray.Dataset(entries | weights))
    >>> [text.get_text() for text in ax.texts]
    ['2', '3']
    """
    import networkx as nx
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    checks.dataset("dataset", dataset, ("mixing_row", "mixing_column", "mixing_weight"))
    checks.variable("value", value, dataset)
    ax = axes_or_new(ax)
    values = np.asarray(dataset[value].values, dtype=float)
    graph: nx.Graph[Any] = nx.empty_graph(values.size)
    entries = (dataset[f"mixing_{name}"].values for name in ("row", "column", "weight"))
    for row, column, weight in zip(*entries, strict=True):
        if row != column and weight != 0:
            graph.add_edge(int(row), int(column), weight=abs(float(weight)))
    small = values.size <= _MOST_ON_A_CIRCLE
    places = nx.circular_layout(graph) if small else nx.spring_layout(graph, seed=0)
    # Half the greys are enough, and leave the numbers readable.
    scale = Normalize(*(np.nanpercentile(values, [0, 100]) if np.isfinite(values).any() else (0, 1)))
    shades = ScalarMappable(scale, "Greys_r")
    widths = np.array([data["weight"] for _, _, data in graph.edges(data=True)])
    ends = [(places[a], places[b]) for a, b in graph.edges]
    for (start, end), width in zip(ends, widths / widths.max(initial=1e-300), strict=True):
        ax.plot(*zip(start, end, strict=True), color="0.6", linewidth=0.5 + 1.5 * width, zorder=1)
    at = np.array([places[node] for node in range(values.size)])
    size = 900 if small else 60
    ax.scatter(
        at[:, 0], at[:, 1], s=size, c=shades.to_rgba(values), edgecolors="black", linewidths=1, zorder=2
    )
    if small:
        for place, number in zip(at, values, strict=True):
            dark = np.isfinite(number) and scale(number) < 0.5
            text = f"{number:.3g}" if np.isfinite(number) else "none"
            ax.text(
                place[0],
                place[1],
                text,
                ha="center",
                va="center",
                color="white" if dark else "black",
                fontsize="small",
            )
    ax.figure.colorbar(shades, ax=ax, label="tail index α (dark: heavier)", shrink=0.7)
    ax.set_axis_off()
    ax.set_aspect("equal")
    ax.margins(0.15)
    return ax
