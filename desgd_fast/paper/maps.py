"""Published regime maps: where coupling lightens the tail, exactly and by the published norm bound."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast import theory
from desgd_fast.paper.networks import laplacian
from desgd_fast.paper.table import Row, Table
from desgd_fast.problems.gaussian import GaussianRegression

if TYPE_CHECKING:
    import xarray


def compute(
    problem: GaussianRegression,
    *,
    n_nodes: tuple[int, ...],
    step_sizes: tuple[float, ...],
    batch_size: int,
    delta: float,
    norm: str,
    n_draws: int,
    rng: Any,
) -> "xarray.Dataset":
    """Log h(2) of complete graphs with W = I − δL over (n_nodes, step_size), beside the norm bound."""
    import networkx as nx

    graphs = {n: laplacian(nx.complete_graph(n), delta) for n in n_nodes}
    picture = theory.regime_map(
        problem, graphs, step_sizes, batch_size=batch_size, norm=norm, n_draws=n_draws, rng=rng
    )
    alone = theory.critical_step_size(problem, [[1.0]], batch_size=batch_size, at="divergence")
    dataset = picture.to_xarray().rename(graph="n_nodes")
    dataset["divergence_disconnected"] = ((), alone.value)
    dataset["norm_bound_stderr"] = 2 * np.sqrt(_variance(dataset.norm_bound) / n_draws)
    return dataset


def compare(dataset: "xarray.Dataset", table: dict[str, NDArray[np.float64]], n_draws: int) -> Table:
    """Published entries 1 − 2P beside our own, cell by cell; the published ones rest on n_draws each."""
    columns = {float(name): values for name, values in table.items() if name != "n_nodes"}
    own_steps, rows = dataset.step_size.values, []
    for step, values in columns.items():
        nearest = int(np.argmin(np.abs(own_steps - step)))
        if abs(own_steps[nearest] - step) > 1e-5:
            continue
        for n, value in zip(table["n_nodes"].astype(int), values, strict=True):
            if n not in dataset.n_nodes.values:
                continue
            ours = float(dataset.norm_bound.sel(n_nodes=n).isel(step_size=nearest))
            # One probability behind both, the pooled one, kept off 0 and 1 where it would have no error.
            total = n_draws + dataset.attrs["n_draws"]
            pooled = (n_draws * value + dataset.attrs["n_draws"] * ours) / total
            edge = 1 / total
            variance = max(_variance(pooled), edge * (1 - edge))
            stderr = 2 * math.sqrt(variance * (1 / n_draws + 1 / dataset.attrs["n_draws"]))
            rows.append(Row(f"N = {n}", step, float(value), ours, stderr))
    return Table("nodes", "step_size", tuple(rows), (_boundaries(dataset),))


def _variance(bound: Any) -> Any:
    """P(1 − P) from 1 − 2P."""
    return (1 - bound) * (1 + bound) / 4


def _boundaries(dataset: "xarray.Dataset") -> str:
    found = dataset.boundary.dropna("n_nodes")
    if not found.size:
        lighter = bool(
            (dataset.log_growth < dataset.log_growth_disconnected).sel(n_nodes=slice(2, None)).all()
        )
        side = "lightens" if lighter else "makes heavier"
        return f"exactly: coupling {side} the tail at every step size of the map (log h(2) with and without)"
    ends = f"from η = {float(found[0]):.4g} (N = {int(found.n_nodes[0])})"
    return f"exact boundary {ends} to {float(found[-1]):.4g} (N = {int(found.n_nodes[-1])})"
