"""Networks that change: the law of whole runs is that of plain NumPy with random numbers of its own."""

from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
from scipy import stats

import desgd_fast as dsf
from desgd_fast import algorithms, mixing
from tests.truth import networks as truth

RUNS, STEPS, ETA, BATCH = 4000, 25, 0.15, 2
START = np.array([[3.0, -1.0], [0.0, 1.0], [2.0, 2.0], [-2.0, 0.0]])
# On a path every colour has one link or two; a kite has links of unlike chances.
PATH, KITE = nx.path_graph(4), nx.Graph([(0, 1), (1, 2), (0, 2), (2, 3)])
METROPOLIS = dsf.mixing_matrix(KITE).toarray()
ATC = algorithms.chain(algorithms.woken(), algorithms.adapt_then_combine())
DEGREES = nx.to_numpy_array(KITE).sum(axis=1)
WALK = nx.to_numpy_array(KITE) / DEGREES[:, None]
CALLED = [(1 / DEGREES[i] + 1 / DEGREES[j]) / 4 for i, j in KITE.edges]


def pairs(*links: tuple[int, int]) -> np.ndarray:
    """The matrix that averages these."""
    W = np.eye(4)
    for i, j in links:
        W[i, i] = W[j, j] = W[i, j] = W[j, i] = 0.5
    return W


PROCESSES = {
    "failing links": (mixing.link_failures(KITE, 0.4), algorithms.sgd(), truth.failing(METROPOLIS, 0.4)),
    "gossip": (mixing.pairwise_gossip(KITE), algorithms.woken(), truth.gossiping(list(KITE.edges), CALLED)),
    "matchings": (
        mixing.random_matching(PATH),
        algorithms.sgd(),
        truth.one_of([pairs((0, 1), (2, 3)), pairs((1, 2))]),
    ),
    "server": (mixing.server(4, 2), ATC, truth.sampling(4, 2)),
    "token": (mixing.token(KITE), ATC, truth.walking(WALK, DEGREES / DEGREES.sum())),
}


def rows() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((4, 6, 2)) * [1.0, 2.0]
    return features, np.where(features.sum(axis=2) + generator.standard_normal((4, 6)) > 0, 1.0, -1.0)


FEATURES, LABELS = rows()
PROBLEMS = {
    "least squares": (dsf.GaussianRegression(2, optimum=1.0), truth.gaussian(2, BATCH)),
    "logistic on rows": (
        dsf.EmpiricalRisk(
            dsf.losses.logistic(ridge=0.1),
            FEATURES.reshape(-1, 2),
            LABELS.ravel(),
            assignment=np.repeat(np.arange(4), 6),
        ),
        truth.logistic(FEATURES, LABELS, BATCH, 0.1),
    ),
    "huber on a stream": (
        dsf.StreamingRisk(
            dsf.losses.huber(),
            dsf.laws.linear([1.0, 1.0], features=dsf.laws.student_t(5), noise=dsf.laws.gaussian(1.0)),
        ),
        truth.huber(2, BATCH, 5, 1.345),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("on", PROBLEMS)
def test_runs_have_the_law_of_plain_loops(name: str, on: str) -> None:
    (process, algorithm, draw), (problem, gradients) = PROCESSES[name], PROBLEMS[on]

    def simulate(**options: object) -> np.ndarray:
        shared = {"step_size": ETA, "batch_size": BATCH, "n_steps": STEPS, "n_runs": RUNS, "rng": 5}
        shared |= {"initial": START, "algorithm": algorithm}
        return dsf.simulate(problem, process, **{**shared, **options}).final

    ours = simulate()
    theirs = truth.run(draw, gradients, RUNS, STEPS, START, ETA, algorithm.adapt_first, seed=7)
    seen: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda x: np.linalg.norm(x - problem.optimum, axis=(1, 2)),
        lambda x: x[:, 3, 0] - 0.5 * x[:, 0, 1],
    ]
    for number in seen:
        # Two each of fifteen: false alarm 1e-6 in all.
        assert stats.ks_2samp(number(ours), number(theirs)).pvalue > 1e-6 / 30
    # The same bits for any threads and cuts.
    cut = simulate(first_run=RUNS - 3, n_runs=3, threads=1)
    np.testing.assert_array_equal(cut, ours[-3:])
