"""Exact stationary second moments against simulated ones: false-alarm probability below 1e-5 a case."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory

PATH = nx.path_graph(4)
W = dsf.mixing_matrix(PATH)
GENERATOR = np.random.default_rng(3)
FEATURES = GENERATOR.standard_normal((20, 3))
ROWS = dsf.DatasetRegression(FEATURES, FEATURES @ [1.0, -2.0, 0.5] + np.arange(20) % 4, ridge=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "network", "algorithm"),
    [
        (ROWS, W, algorithms.chain(algorithms.heavy_ball(0.5), algorithms.bernoulli([0.5, 0.7, 0.9, 1.0]))),
        (ROWS, mixing.link_failures(PATH, 0.3), algorithms.gradient_tracking()),
    ],
)
def test_simulated_second_moments_agree(problem, network, algorithm):
    arguments = {"step_size": 0.05, "batch_size": 2, "algorithm": algorithm}
    exact = theory.stationary_covariance(problem, network, **arguments)
    # From the optimum on, what is missing of the moments after 300 steps is below a thousandth of them.
    assert theory.second_moment_growth(problem, network, **arguments) ** 300 < 1e-3
    start = np.asarray(problem.optimum)
    runs = dsf.simulate(
        problem, network, n_steps=300, n_runs=1500, initial=start, rng=1, keep="gram", **arguments
    )
    stderr = runs.gram.std(axis=0) / np.sqrt(len(runs.gram))
    assert (np.abs(runs.gram.mean(axis=0) - exact) < 5 * stderr).all()
