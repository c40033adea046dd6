"""The numbers behind the page that explores them, by theory alone: ``python docs/explore/compute.py``.

They take a while, and change only with the theory: they stand in ``data.json`` beside this file.
"""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

import desgd_fast as dsf

DATA = Path(__file__).with_name("data.json")
N_NODES = 8
GRAPHS = {
    "disconnected": nx.empty_graph(N_NODES),
    "cycle": nx.cycle_graph(N_NODES),
    "star": nx.star_graph(N_NODES - 1),
    "complete": nx.complete_graph(N_NODES),
    "centralized": nx.empty_graph(1),
}
DIMS, BATCHES = (1, 2, 5), (1, 5)
MOMENTS = (1.0, 2.0, 3.0)
N_STEP_SIZES = 12
# Moments tried; and the largest index that is shown, since a population is less sure of those above.
TRIED, CAP = 8.0, 4.0


def number(value: float) -> float | None:
    """Four digits; None where there is none."""
    return float(f"{value:.4g}") if math.isfinite(value) else None


def setting(graph: str, dim: int, batch: int) -> dict[str, Any]:
    """Problem, matrix and minibatch; the centralized node draws for all."""
    n_nodes = GRAPHS[graph].number_of_nodes()
    return {
        "problem": dsf.GaussianRegression(dim),
        "W": dsf.mixing_matrix(GRAPHS[graph]),
        "batch_size": batch * N_NODES // n_nodes,
    }


def point(step_size: float, of: dict[str, Any]) -> dict[str, Any]:
    """Everything about one step size of one setting."""
    law = of | {"step_size": step_size}
    sampled = law | {"rng": 0, "rtol": 0.03}
    tail = dsf.theory.tail_index(**sampled, cap=TRIED)
    bound = tail.lower_bound or tail.alpha > CAP
    growth = [
        math.log(dsf.theory.second_moment_growth(**law))
        if s == 2.0
        else float(dsf.theory.moment_growth(s=s, **sampled))
        for s in MOMENTS
    ]
    return {
        "alpha": CAP if bound else number(tail.alpha),
        "stderr": 0.0 if bound else number(tail.stderr),
        "bound": bound,
        "stationary": tail.stationary,
        "rho": number(tail.lyapunov_exponent),
        "growth": [number(value) for value in growth],
    }


def frontiers(of: dict[str, Any]) -> list[float]:
    """Step sizes of infinite variance, exact, and of divergence."""
    variance = dsf.theory.critical_step_size(**of, at="infinite-variance")
    divergence = dsf.theory.critical_step_size(**of, at="divergence", rng=0, rtol=3e-3)
    return [float(variance), float(divergence)]


def main() -> None:
    """Compute everything, one network after another, and write it down."""
    warnings.simplefilter("ignore")
    panels = []
    for dim in DIMS:
        for batch in BATCHES:
            settings = {graph: setting(graph, dim, batch) for graph in GRAPHS}
            ends = {graph: frontiers(of) for graph, of in settings.items()}
            first = 0.6 * min(low for low, _ in ends.values())
            last = 1.04 * sorted(high for _, high in ends.values())[-2]
            step_sizes = [float(f"{step:.4g}") for step in np.linspace(first, last, N_STEP_SIZES)]
            curves = {
                graph: {
                    "frontiers": [number(end) for end in ends[graph]],
                    "points": [point(step, of) for step in step_sizes],
                }
                for graph, of in settings.items()
            }
            panels.append({"dim": dim, "batch": batch, "step_sizes": step_sizes, "graphs": curves})
            print(f"dim {dim}, batch {batch} done", flush=True)
    data = {"n_nodes": N_NODES, "cap": CAP, "moments": MOMENTS, "panels": panels}
    DATA.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    main()
