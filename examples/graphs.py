"""Which graph has the heavier tail? The same descent, at the same step size, on four graphs."""

import networkx as nx

import desgd_fast as dsf

problem = dsf.GaussianRegression(dim=2)
graphs = {
    "disconnected": nx.empty_graph(8),
    "cycle": nx.cycle_graph(8),
    "star": nx.star_graph(7),
    "complete": nx.complete_graph(8),
}

print(f"{'graph':<14}{'spectral gap':>14}{'infinite variance':>20}{'alpha at 0.42':>14}{'95 % interval':>20}")
for name, graph in graphs.items():
    W = dsf.mixing_matrix(graph)
    frontier = float(dsf.theory.critical_step_size(problem, W, batch_size=1, at="infinite-variance"))
    runs = dsf.simulate(
        problem, W, step_size=0.42, batch_size=1, n_steps=300, n_runs=20_000, keep="norms", rng=1
    )
    tail = dsf.tails.tail_index(runs.norms(stacked=True))
    interval = f"{tail.ci_low:.2f} … {tail.ci_high:.2f}"
    gap = dsf.mixing_report(W).spectral_gap
    print(f"{name:<14}{gap:>14.3f}{frontier:>20.4f}{tail.alpha:>14.2f}{interval:>20}")
