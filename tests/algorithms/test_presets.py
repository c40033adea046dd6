"""Published systems: each equals its paper's recursion, and the frontiers are those stated."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory
from tests.algorithms.test_participation import KEY, PARTICIPATION, PATH, RULES, gradient, uniform
from tests.truth import mixing as truth
from tests.truth import simulation as reference


def simulated(W: object, algorithm: algorithms.Algorithm, n_steps: int = 9) -> np.ndarray:
    return dsf.simulate(
        dsf.GaussianRegression(dim=2),
        W,
        step_size=0.1,
        batch_size=3,
        n_steps=n_steps,
        n_runs=20,
        initial=1.0,
        algorithm=algorithm,
        engine="collapsed",
        rng=1,
    ).final


def test_extra_is_its_recursion() -> None:
    final = simulated(PATH, algorithms.extra())
    half = (np.eye(3) + PATH) / 2
    for run in (0, 19):
        g = np.array([gradient(np.ones(2), 0, node, run) for node in range(3)])
        before, x = np.ones((3, 2)), PATH @ np.ones((3, 2)) - 0.1 * g
        for step in range(1, 9):
            new = np.array([gradient(x[node], step, node, run) for node in range(3)])
            before, x, g = x, (np.eye(3) + PATH) @ x - half @ before - 0.1 * (new - g), new
        np.testing.assert_allclose(final[run], x, rtol=0, atol=1e-12)


def test_extra_finds_the_common_optimum() -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((30, 2))
    targets = features.sum(axis=1) + generator.standard_normal(30)
    problem = dsf.DatasetRegression(features, targets, assignment="sorted", replacement=False)
    runs = dsf.simulate(
        problem, PATH, step_size=0.1, batch_size=10, n_steps=3000, algorithm=algorithms.extra(), rng=0
    )
    assert runs.norms().max() < 1e-9


def test_fedau_weighs_clients_by_the_mean_of_their_intervals() -> None:
    chances, cut = [0.9, 0.3, 0.05], 4
    final = simulated(mixing.server(3), algorithms.fedau(chances, cut=cut), n_steps=15)
    for run in (0, 19):
        model, since, mean, count = np.ones(2), [0] * 3, [0.0] * 3, [0] * 3
        for step in range(15):
            change = np.zeros(2)
            for node, chance in enumerate(chances):
                since[node] += 1
                takes_part = uniform(PARTICIPATION, step, node, run) <= chance
                if takes_part:
                    weight = mean[node] if count[node] else 1.0
                    change -= 0.1 * weight * gradient(model, step, node, run) / 3
                if takes_part or since[node] >= cut:
                    mean[node] = (count[node] * mean[node] + since[node]) / (count[node] + 1)
                    count[node], since[node] = count[node] + 1, 0
            model = model + change
        np.testing.assert_allclose(final[run], np.broadcast_to(model, (3, 2)), rtol=0, atol=1e-12)


def test_fedbuff_steps_with_a_buffer_of_late_gradients() -> None:
    law = np.array([0.2, 0.3, 0.5])
    final = simulated(mixing.server(5, 2), algorithms.fedbuff(law, power=0.7))
    for run in (0, 19):
        models = [np.ones(2)]
        for step in range(9):
            c = reference.words(KEY, (10 << 28) + (1 << 27) + np.arange(8), step, 0, run)
            clients = truth.sampled(5, reference.uniform(c[0], c[1])[:2])
            change = np.zeros(2)
            for node in clients:
                delay = int(np.searchsorted(np.cumsum(law), uniform(RULES, step, node, run)))
                at = models[max(step - delay, 0)]
                change += (1 + delay) ** -0.7 * gradient(at, step, node, run) / 2
            models.append(models[-1] - 0.1 * change)
        np.testing.assert_allclose(final[run], np.broadcast_to(models[-1], (5, 2)), rtol=0, atol=1e-12)


def test_fedfix_steps_with_what_has_arrived() -> None:
    intervals = np.array([1, 2, 3])
    final = simulated(mixing.server(3), algorithms.fedfix(intervals))
    for run in (0, 19):
        models = [np.ones(2)]
        for step in range(9):
            change = np.zeros(2)
            for node, interval in enumerate(intervals):
                if (step + 1) % interval == 0:
                    at = models[step - interval + 1]
                    change += interval * gradient(at, step, node, run) / 3
            models.append(models[-1] - 0.1 * change)
        np.testing.assert_allclose(final[run], np.broadcast_to(models[-1], (3, 2)), rtol=0, atol=1e-12)


DIRECTED = nx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)])
SHARES = np.array([[1 / 3, 0, 1 / 2], [1 / 3, 1 / 2, 0], [1 / 3, 1 / 2, 1 / 2]])


@pytest.mark.parametrize("graph", [DIRECTED, SHARES], ids=["graph", "matrix"])
def test_gradient_push_divides_by_the_weight_that_is_pushed_along(graph: object) -> None:
    final = simulated(mixing.push_sum(graph), algorithms.stochastic_gradient_push())
    for run in (0, 19):
        held, weight = np.ones((3, 2)), np.ones(3)
        for step in range(9):
            x = held / weight[:, None]
            moved = held - 0.1 * np.array([gradient(x[node], step, node, run) for node in range(3)])
            held, weight = SHARES @ moved, SHARES @ weight
        np.testing.assert_allclose(final[run], held / weight[:, None], rtol=0, atol=1e-12)


def test_gradient_push_finds_the_mean_optimum_whatever_the_links_favour() -> None:
    features = np.repeat([[1.0], [1.2], [0.8]], 5, axis=0)
    problem = dsf.DatasetRegression(
        features, np.arange(15.0), assignment=np.repeat([0, 1, 2], 5), replacement=False
    )
    asked = {"batch_size": 5, "algorithm": algorithms.stochastic_gradient_push()}
    lengths = [
        dsf.simulate(problem, mixing.push_sum(DIRECTED), step_size=step, n_steps=20_000, **asked)
        .norms()
        .max()
        for step in (1e-2, 1e-3)
    ]
    assert lengths[1] == pytest.approx(0.1 * lengths[0], rel=0.1)  # a bias of order η alone


def test_gradient_push_has_the_moments_of_its_limit() -> None:
    problem, push = dsf.GaussianRegression(dim=3), mixing.push_sum(DIRECTED)
    asked = {"batch_size": 2, "algorithm": algorithms.stochastic_gradient_push()}
    found = theory.second_moment_growth(problem, push, step_size=0.2, **asked)
    law = np.linalg.matrix_power(SHARES, 200)[:, 0]
    limit = SHARES * law / (SHARES @ law)[:, None]
    np.testing.assert_allclose(push.mean.toarray(), limit, atol=1e-12)
    steps = 0.2 / (3 * law)
    mean = limit @ np.diag(1 - steps)
    square = np.kron(mean, mean)
    for i, step in enumerate(steps):
        square[:, 4 * i] += step**2 * (3 + 1) / 2 * np.kron(limit[:, i], limit[:, i])
    assert found == pytest.approx(np.abs(np.linalg.eigvals(square)).max(), rel=1e-8)


def test_bad_directed_graphs_are_refused() -> None:
    with pytest.raises(ValueError, match="graph must lead from every node"):
        mixing.push_sum(nx.DiGraph([(0, 1), (1, 2)]))
    with pytest.raises(ValueError, match="graph must be column-stochastic, but column 0 sums"):
        mixing.push_sum([[0.5, 0.5], [0.6, 0.5]])


RING = mixing.mixing_matrix(nx.cycle_graph(8), "laplacian", delta=1 / 3)


def frontier(W: object, algorithm: algorithms.Algorithm, dim: int = 100, batch_size: int = 5) -> float:
    problem = dsf.GaussianRegression(dim=dim)
    arguments = {"batch_size": batch_size, "at": "infinite-variance", "algorithm": algorithm}
    return float(theory.critical_step_size(problem, W, **arguments).value)


@pytest.mark.parametrize(
    ("delay", "small", "large"),
    [(1, 0.4574, 0.0868), (2, 0.3519, 0.0807), (5, 0.2097, 0.0676), (10, 0.1257, 0.0542)],
)
def test_late_gradients_lower_the_frontier(delay: int, small: float, large: float) -> None:
    assert frontier([[1.0]], algorithms.delayed(delay), 1, 1) == pytest.approx(small, abs=5e-5)
    assert frontier([[1.0]], algorithms.delayed(delay)) == pytest.approx(large, abs=5e-5)


def test_a_random_delay_has_its_frontier_between_those_of_its_delays() -> None:
    between = frontier([[1.0]], algorithms.randomly_delayed([0.0, 0.5, 0.5]), 1, 1)
    assert 0.3519 < between < 0.4574
    certain = frontier([[1.0]], algorithms.randomly_delayed([0.0, 0.0, 1.0]), 1, 1)
    assert certain == pytest.approx(frontier([[1.0]], algorithms.delayed(2), 1, 1), rel=1e-9)


def test_extra_has_its_frontier() -> None:
    assert frontier(RING, algorithms.extra()) == pytest.approx(0.16161, abs=5e-6)


def test_sampled_clients_have_the_closed_form() -> None:
    step = frontier(mixing.server(4, 2), algorithms.fedavg(3))
    mean, square = (1 - step) ** 3, (1 - 2 * step + step**2 * 106 / 5) ** 3
    assert mean**2 + (square - mean**2) / 2 == pytest.approx(1.0, abs=1e-6)


def test_clients_that_take_part_at_random_have_the_closed_form() -> None:
    step, chance = (
        frontier(mixing.server(4), algorithms.chain(algorithms.local_sgd(2), algorithms.bernoulli(0.4))),
        0.4,
    )
    a, m = (1 - step) ** 2, (1 - 2 * step + step**2 * 106 / 5) ** 2
    growth = (1 + chance * (a - 1)) ** 2 + chance / 4 * ((m - 2 * a + 1) - chance * (a - 1) ** 2)
    assert growth == pytest.approx(1.0, abs=1e-6)
