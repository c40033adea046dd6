"""Exact second moments of small systems against the sum over everything that can happen in a step."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory
from tests.truth import moments as truth

W = np.array([[0.6, 0.4], [0.4, 0.6]])
ETA = np.array([0.2, 0.3])
STDS, NOISE, VALUES = [1.0, 0.8], [0.5, 1.5], np.array([1.0, 0.6])
OPTIMUM = np.array([1.0, -2.0])
ATC = algorithms.adapt_then_combine()


def sgd(x, look, gradient, memory):
    return gradient(x), memory


def heavy_ball(x, look, gradient, memory):
    v = 0.5 * memory[:, 0] + gradient(x)
    return v, v[:, None]


def nesterov(x, look, gradient, memory):
    g = gradient(x)
    v = 0.5 * memory[:, 0] + g
    return g + 0.5 * v, v[:, None]


def tracking(x, look, gradient, memory):
    g = gradient(x)
    t = memory[:, 0] + g - memory[:, 1]
    return t, np.stack([t, g], axis=1)


def extra(x, look, gradient, memory):
    g = gradient(x)
    made, apart = g + memory[:, 1], memory[:, 0] + memory[:, 2]
    return made, np.stack([apart - made, made - 0.5 * apart - g, made], axis=1)


def decay(x, look, gradient, memory):
    return gradient(x) + 0.3 * (x + OPTIMUM), memory


RULES = {
    "sgd": (sgd, 0, 0, algorithms.sgd()),
    "heavy_ball": (heavy_ball, 1, 0, algorithms.heavy_ball(0.5)),
    "nesterov": (nesterov, 1, 0, algorithms.nesterov(0.5)),
    "tracking": (tracking, 2, 1, algorithms.gradient_tracking()),
    "extra": (extra, 3, 1, algorithms.extra()),
    "decay": (decay, 0, 0, algorithms.weight_decay(0.3)),
}


def average(weights, rows):
    return np.einsum("nij,nj...->ni...", weights, rows)


def stepping(rule, mixed, adapt_first, weights, gradient, present):
    """A step of states (n, 1 + memory, nodes, d) with a matrix and 0/1 presences for every sample."""

    def step(state):
        x, memory = state[:, 0], state[:, 1:].copy()
        for v in range(mixed):
            memory[:, v] = average(weights, memory[:, v])
        y = x if adapt_first else average(weights, x)
        direction, after = rule(x, x, gradient, memory)
        there = present[:, :, None]
        moved = y - there * ETA[:, None] * direction
        memory = np.where(there[:, None] > 0, after, memory)
        moved = average(weights, moved) if adapt_first else moved
        return np.concatenate([moved[:, None], memory], axis=1)

    return step


def gaussian(values=VALUES):
    problem = dsf.GaussianRegression(2, STDS, NOISE, values, OPTIMUM)
    return problem, truth.gaussian_samples(1, STDS, NOISE, values)


def rows(distinct=False):
    rng = np.random.default_rng(1)
    A, y = rng.standard_normal((7, 2)), rng.standard_normal(7)
    assignment = np.array([0, 0, 0, 1, 1, 1, 1])
    problem = dsf.DatasetRegression(A, y, assignment, not distinct)
    e = y - A @ problem.optimum
    parts = [A[assignment == i] for i in (0, 1)], [e[assignment == i] for i in (0, 1)]
    return problem, truth.row_samples(*parts, 2 if distinct else 1, distinct)


def of_system(samples, name, adapt_first=False, chance=1.0, failure=None, steps=1, weights=W):
    rule, memory, mixed, _ = RULES[name]
    laws = [samples]
    if failure is not None:
        laws.append(truth.events([failure]))
    chances, a, e, *failed = truth.together(*laws)
    gradient = lambda x: truth.gradient(x, a, e)  # noqa: E731
    n, size = len(chances), 1 + memory
    fixed, identity = np.tile(weights, (n, 1, 1)), np.tile(np.eye(2), (n, 1, 1))
    met = fixed if failure is None else np.where(failed[0][:, :, None] > 0, identity, fixed)
    ways = []
    for decided, pattern in zip(*truth.events([chance, chance]), strict=True):  # once a round
        present, shape = np.tile(pattern, (n, 1)), (size, 2, 2)
        talking = truth.matrices(stepping(rule, mixed, adapt_first, met, gradient, present), n, shape)
        apart = truth.matrices(stepping(rule, 0, adapt_first, identity, gradient, present), n, shape)
        ways.append((decided, [(chances, apart)] * (steps - 1) + [(chances, talking)]))
    return truth.second_moments([way for way in ways if way[0] > 0], 2, 4)


def agree(problem, network, algorithm, expected, batch_size=1):
    growth, covariance = expected
    arguments = {"step_size": ETA, "batch_size": batch_size, "algorithm": algorithm}
    assert theory.second_moment_growth(problem, network, **arguments) == pytest.approx(growth, rel=1e-12)
    assert growth < 1
    found = theory.stationary_covariance(problem, network, **arguments)
    np.testing.assert_allclose(found, covariance, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("adapt_first", [False, True], ids=["cta", "atc"])
@pytest.mark.parametrize("name", list(RULES))
def test_local_rules_on_gaussian_features(name, adapt_first):
    problem, samples = gaussian()
    algorithm = algorithms.chain(RULES[name][3], ATC) if adapt_first else RULES[name][3]
    agree(problem, W, algorithm, of_system(samples, name, adapt_first))


@pytest.mark.parametrize("distinct", [False, True], ids=["replacement", "distinct"])
@pytest.mark.parametrize("name", list(RULES))
def test_local_rules_on_rows_of_nodes_with_optima_of_their_own(name, distinct, monkeypatch):
    problem, samples = rows(distinct)
    monkeypatch.setattr("tests.theory.test_moments_truth.OPTIMUM", problem.optimum)
    agree(problem, W, RULES[name][3], of_system(samples, name), 2 if distinct else 1)


@pytest.mark.parametrize("make", [gaussian, rows])
@pytest.mark.parametrize(
    "change",
    [{"chance": 0.6}, {"failure": 0.3}, {"steps": 3}, {"steps": 2, "failure": 0.4, "chance": 0.7}],
    ids=lambda change: "-".join(change),
)
@pytest.mark.parametrize("name", ["sgd", "tracking"])
def test_participation_failing_links_and_local_steps(make, change, name):
    problem, samples = make()
    algorithm = RULES[name][3]
    if "chance" in change:
        algorithm = algorithms.chain(algorithm, algorithms.bernoulli(change["chance"]))
    if "steps" in change:
        algorithm = algorithms.chain(algorithm, algorithms.local_steps(change["steps"]))
    network = mixing.link_failures(W, change["failure"]) if "failure" in change else W
    agree(problem, network, algorithm, of_system(samples, name, **change))


def test_one_random_matrix_met_twice_in_a_step():
    problem, samples = gaussian(np.ones(2))
    graph = nx.path_graph(2)
    gossip = mixing.pairwise_gossip(graph)
    expected = of_system(samples, "tracking", adapt_first=True, failure=0.0, weights=np.full((2, 2), 0.5))
    agree(problem, gossip, algorithms.chain(RULES["tracking"][3], ATC), expected)


@pytest.mark.parametrize("adapt_first", [False, True], ids=["cta", "atc"])
@pytest.mark.parametrize("law", [[0.0, 0.0, 1.0], [0.5, 0.2, 0.3]], ids=["fixed", "random"])
def test_late_messages(law, adapt_first):
    problem, samples = gaussian(np.ones(2))
    laws = [law for _ in range(2)]
    chances, a, e, *delays = truth.together(samples, *((np.array(one), np.arange(3)) for one in laws))
    n = len(chances)
    others = np.tile(W * (1 - np.eye(2)), (n, 1, 1))

    def step(state):
        x, moved = state[:, 0], ETA[:, None] * truth.gradient(state[:, 0], a, e)
        x = x - moved if adapt_first else x
        known = np.concatenate([x[:, None], state[:, 1:]], axis=1)
        seen = np.stack([known[np.arange(n), delays[i], i] for i in range(2)], axis=1)
        mixed = x + average(others, seen) - others.sum(axis=2)[:, :, None] * x
        mixed = mixed if adapt_first else mixed - moved
        return np.stack([mixed, known[:, 0], known[:, 1]], axis=1)

    expected = truth.second_moments([(1.0, [(chances, truth.matrices(step, n, (3, 2, 2)))])], 2, 4)
    late = algorithms.delayed_messages(2) if law[2] == 1 else algorithms.randomly_delayed_messages(law)
    agree(problem, W, algorithms.chain(late, ATC) if adapt_first else late, expected)
