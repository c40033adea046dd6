"""Eight hospitals, one regression: shares dealt out evenly against shares sorted by the illness itself."""

from pathlib import Path

import networkx as nx

import desgd_fast as dsf

path = Path(__file__).with_name("diabetes.csv")
W = dsf.mixing_matrix(nx.cycle_graph(8))

for assignment in ("even", "sorted"):
    problem = dsf.DatasetRegression.from_csv(path, "target", assignment=assignment)
    runs = dsf.simulate(
        problem,
        W,
        step_size=0.11,
        batch_size=1,
        n_steps=500,
        n_runs=4000,
        initial=problem.optimum,
        keep="norms",
        rng=1,
    )
    tail = dsf.tails.tail_index(runs.norms(stacked=True))
    print(f"{assignment}: {tail}\n")
