"""Eight nodes learn handwritten digits: the less their labels overlap, the more the algorithm matters."""

import networkx as nx
from sklearn.datasets import load_digits

import desgd_fast as dsf

features, labels = load_digits(return_X_y=True)
W = dsf.mixing_matrix(nx.cycle_graph(8))
rules = {
    "plain": dsf.algorithms.sgd(),
    "gradient tracking": dsf.algorithms.gradient_tracking(),
    "heavy ball": dsf.algorithms.heavy_ball(0.5),
}

for beta in (100.0, 0.1):
    problem = dsf.EmpiricalRisk(
        dsf.losses.multinomial(10, ridge=0.1),
        features / 16,
        labels,
        assignment=dsf.partitions.ByLabel(beta, least_rows=20, rng=0),
        sampling="reshuffle",
    )
    print(f"Dirichlet({beta:g})\n{problem.report(8)}")
    for name, algorithm in rules.items():
        runs = dsf.simulate(
            problem,
            W,
            step_size=dsf.schedules.warm_up(dsf.schedules.polynomial_decay(0.3, offset=100), n_steps=20),
            batch_size=10,
            n_steps=1000,
            n_runs=4,
            average_last=200,
            algorithm=algorithm,
            rng=1,
        )
        print(f"{name:<20}distance of the nodes' averages: {runs.norms('average').mean():.4f}")
