"""Servers and tokens: everybody receives the same, and those who are woken alone take gradients."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms
from tests.mixing.test_processes import KEY, uniforms
from tests.truth import mixing as truth
from tests.truth import simulation as reference

GRAPH = nx.lollipop_graph(3, 2)
METROPOLIS = dsf.mixing_matrix(GRAPH)


def gradient(x: np.ndarray, step: int, node: int, run: int) -> np.ndarray:
    zeta = reference.normal_vector(KEY, 2, 0, step, node, run)
    chi = reference.chi_square(KEY, 3, step, node, run)
    return reference.collapsed_gradient(x, zeta, chi, 1.0, 1.0, 3, np.ones(2))


def simulated(W: dsf.mixing.MixingProcess, algorithm: algorithms.Algorithm, **options: object) -> np.ndarray:
    shared = {"step_size": 0.1, "batch_size": 3, "n_steps": 12, "n_runs": 20, "initial": 1.0, "rng": 1}
    problem = dsf.GaussianRegression(dim=2)
    return dsf.simulate(problem, W, algorithm=algorithm, engine="collapsed", **{**shared, **options}).final


def test_sampled_clients_take_local_steps_from_the_servers_model() -> None:
    algorithm = algorithms.fedavg(3)
    final = simulated(dsf.mixing.server(5, 2), algorithm)
    for run in (0, 19):
        model = np.ones(2)
        for first in range(0, 12, 3):
            clients = []
            for node in truth.sampled(5, uniforms(2, first, run)[:2]):
                x = model
                for step in range(first, first + 3):
                    x = x - 0.1 * gradient(x, step, node, run)
                clients.append(x)
            model = np.mean(clients, axis=0)
        np.testing.assert_allclose(final[run], np.broadcast_to(model, (5, 2)), rtol=0, atol=1e-13)


def test_all_clients_take_part_by_default_and_each_as_many_steps_as_it_has() -> None:
    counts = [1, 3, 2, 3, 1]
    final = simulated(dsf.mixing.server(5), algorithms.fedavg(counts))
    model = np.ones(2)
    for first in range(0, 12, 3):
        clients = [model] * 5
        for node, count in enumerate(counts):
            for step in range(first, first + count):
                clients[node] = clients[node] - 0.1 * gradient(clients[node], step, node, 7)
        model = np.mean(clients, axis=0)
    np.testing.assert_allclose(final[7], np.broadcast_to(model, (5, 2)), rtol=0, atol=1e-13)


WALK = nx.to_numpy_array(GRAPH) / nx.to_numpy_array(GRAPH).sum(axis=1, keepdims=True)
DEGREES = nx.to_numpy_array(GRAPH).sum(axis=1)
TOKENS = {
    "graph": (dsf.mixing.token(GRAPH), lambda u: truth.walk(WALK, DEGREES / DEGREES.sum(), u)),
    "Metropolis": (
        dsf.mixing.token(METROPOLIS),
        lambda u: truth.walk(METROPOLIS.toarray(), np.full(5, 0.2), u),
    ),
    "cyclic": (
        dsf.mixing.token(np.roll(np.eye(5), 1, axis=1)),
        lambda u: truth.walk(np.roll(np.eye(5), 1, axis=1), np.full(5, 0.2), u),
    ),
    "self-repellent": (
        dsf.mixing.self_repellent_token(GRAPH, 3.0),
        lambda u: truth.repelled(WALK, DEGREES / DEGREES.sum(), 3.0, None, u),
    ),
    "forgetting": (
        dsf.mixing.self_repellent_token(METROPOLIS, 2.0, forgetting=0.2),
        lambda u: truth.repelled(METROPOLIS.toarray(), np.full(5, 0.2), 2.0, 0.2, u),
    ),
}


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_walk_and_their_holders_alone_take_gradients(name: str) -> None:
    process, places_of = TOKENS[name]
    final = simulated(process, algorithms.token_sgd())
    for run in (0, 19):
        places = places_of([uniforms(1, step, run)[0] for step in range(12)])
        model = np.ones(2)
        for step, node in enumerate(places):
            model = model - 0.1 * gradient(model, step, node, run)
        np.testing.assert_allclose(final[run], np.broadcast_to(model, (5, 2)), rtol=0, atol=1e-13)


@pytest.mark.parametrize("make", [TOKENS["forgetting"][0], dsf.mixing.server(5, 2)], ids=["token", "server"])
def test_same_bits_for_any_threads_and_cuts(
    make: dsf.mixing.MixingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    from desgd_fast.simulation import running

    algorithm = algorithms.chain(algorithms.fedavg(2), algorithms.heavy_ball(0.5))
    whole = simulated(make, algorithm)
    np.testing.assert_array_equal(simulated(make, algorithm, threads=1), whole)
    np.testing.assert_array_equal(simulated(make, algorithm, first_run=17, n_runs=1), whole[17:18])
    monkeypatch.setattr(running, "_STATE_BYTES", 1)
    monkeypatch.setattr(running, "_CALL_VARIATES", 1)
    np.testing.assert_array_equal(simulated(make, algorithm), whole)


def test_a_self_repellent_token_evens_out_its_visits() -> None:
    ring, n_steps = nx.cycle_graph(9), 900

    def spread(process: dsf.mixing.MixingProcess) -> float:
        rule = getattr(process.function, "py_func", process.function)
        generator, memory, weights = np.random.default_rng(0), np.zeros(process.n_memory), np.empty(9)
        visits, base = np.zeros(9), process.base
        for k in range(n_steps):
            drawn = np.array([1 - generator.uniform()])
            rule(k, base.data, base.indptr, base.indices, drawn, process.tables, memory, weights)
            visits += weights
        return float(np.std(visits))

    assert spread(dsf.mixing.self_repellent_token(ring, 10.0)) < 0.3 * spread(dsf.mixing.token(ring))


def test_a_servers_second_moment_is_the_sum_over_all_samples() -> None:
    from itertools import combinations

    process, Q = dsf.mixing.server(5, 3), np.arange(25.0).reshape(5, 5)
    rows = [np.isin(np.arange(5), chosen) / 3 for chosen in combinations(range(5), 3)]
    expected = np.mean([row @ Q @ row for row in rows])
    assert process.quadratic is not None
    np.testing.assert_allclose(process.quadratic(Q), expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dsf.mixing.server(3, 4), ValueError, "n_sampled must be"),
        (lambda: dsf.mixing.server(0), ValueError, "n_nodes must be"),
        (lambda: dsf.mixing.token(nx.empty_graph(2)), ValueError, "chain must lead from every node"),
        (lambda: dsf.mixing.token([[0.5, 0.4], [0.5, 0.5]]), ValueError, "chain must be row-stochastic"),
        (
            lambda: dsf.mixing.self_repellent_token(np.roll(np.eye(3), 1, axis=1), 1.0),
            ValueError,
            "chain must be reversible",
        ),
        (lambda: dsf.mixing.self_repellent_token(GRAPH, -1.0), ValueError, "strength must be"),
        (
            lambda: simulated(dsf.mixing.server(5, 2), algorithms.woken()),
            ValueError,
            "algorithm must adapt before it combines under W=server",
        ),
        (
            lambda: simulated(dsf.mixing.link_failures(GRAPH, 0.1), algorithms.woken()),
            ValueError,
            "algorithm must not be woken.* under W=link_failures.* which wakes no nodes",
        ),
        (
            lambda: simulated(dsf.mixing.server(5), algorithms.local_steps([1, 2])),
            ValueError,
            "algorithm must have local steps for each of the 5 nodes, got 2",
        ),
    ],
)
def test_bad_servers_and_tokens_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
