"""Exact second moments of algorithms, networks and data sets: published figures and refusals."""

from dataclasses import replace
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory
from desgd_fast.theory.moments.krylov import radius

DIABETES = Path(__file__).parents[2] / "examples" / "diabetes.csv"
RING = nx.cycle_graph(8)
THIRDS = mixing.mixing_matrix(RING, "laplacian", delta=1 / 3)
HALVES = [nx.Graph([(i, (i + 1) % 8) for i in range(first, 8, 2)]) for first in (0, 1)]


def turns():
    """The two perfect matchings of the ring."""
    graphs = [nx.Graph() for _ in HALVES]
    for graph, half in zip(graphs, HALVES, strict=True):
        graph.add_nodes_from(range(8))
        graph.add_edges_from(half.edges)
    return mixing.alternate(graphs)


def frontier(W, algorithm=algorithms.sgd(), batch_size=5, problem=dsf.GaussianRegression(dim=100)):  # noqa: B008
    critical = theory.critical_step_size(
        problem, W, batch_size=batch_size, at="infinite-variance", algorithm=algorithm
    )
    assert critical.method == "exact"
    return critical.value


@pytest.mark.parametrize(
    ("W", "expected"),
    [
        (mixing.link_failures(THIRDS, 0.1), 0.17965),
        (mixing.link_failures(THIRDS, 0.3), 0.17191),
        (mixing.link_failures(THIRDS, 0.5), 0.16078),
        (turns(), 0.17444),
        (mixing.random_matching(RING), 0.16584),
        (mixing.pairwise_gossip(RING), 0.12511),
        (mixing.one_peer_exponential(8, order="random"), 0.17078),
        (mixing.one_peer_exponential(8), 0.17517),
        (mixing.one_peer_exponential(8).mean, 0.19135),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_frontiers_of_networks_that_change(W, expected):
    assert frontier(W) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(("momentum", "expected"), [(0.5, 0.2679), (0.9, 0.4577)])
def test_momentum_moves_the_frontier_towards_the_centralized_one(momentum, expected):
    step = frontier(THIRDS, algorithms.heavy_ball(momentum))
    assert step / (1 - momentum) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(("dim", "batch", "momentum"), [(1, 1, 0.5), (10, 3, 0.9), (100, 5, 0.2)])
def test_one_node_with_momentum_has_a_closed_form(dim, batch, momentum):
    problem = dsf.GaussianRegression(dim, feature_std=1.5)
    step = frontier([[1.0]], algorithms.heavy_ball(momentum), batch, problem)
    expected = 2 * batch / (1.5**2 * (dim + 1 + batch * (1 - momentum) / (1 + momentum)))
    assert step / (1 - momentum) == pytest.approx(expected, rel=1e-9)


def test_tracking_has_its_frontier_where_its_invariant_subspace_has_it():
    algorithm = algorithms.chain(algorithms.gradient_tracking(), algorithms.adapt_then_combine())
    assert frontier(THIRDS, algorithm) == pytest.approx(0.30211, abs=5e-6)


def test_what_is_zero_for_ever_is_no_growth():
    # At dyadic steps rounding is exact, and what it would leave of a conserved sum shows as 1.
    grown = theory.second_moment_growth(
        dsf.GaussianRegression(dim=100), THIRDS, step_size=0.0625, batch_size=5, algorithm=algorithms.extra()
    )
    assert grown == pytest.approx(0.893284, abs=5e-7)
    assert frontier(THIRDS, algorithms.extra()) == pytest.approx(0.16161, abs=5e-6)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_the_radius_of_a_map_of_low_rank(rank):
    vectors = np.random.default_rng(rank).standard_normal((rank, 700))
    expected = np.linalg.eigvalsh(vectors @ vectors.T).max(initial=0.0)
    assert radius(lambda x: x @ vectors.T @ vectors, 700) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, 0.56738), (2, 0.32195), (5, 0.20611), (10, 0.16108), (50, 0.11219), (200, 0.0993)],
)
def test_local_steps_move_the_frontier_from_centralized_to_disconnected(count, expected):
    fedavg = algorithms.chain(algorithms.adapt_then_combine(), algorithms.local_steps(count))
    digits = 5e-5 if count == 200 else 5e-6
    assert frontier(mixing.server(8), fedavg) == pytest.approx(expected, abs=digits)


@pytest.mark.parametrize(("k", "expected"), [(50, 0.11851), (10, 0.04086), (1, 0.00658)])
def test_compressed_gradients(k, expected):
    compressed = algorithms.compressed(algorithms.random_k(k))
    assert frontier(THIRDS, compressed) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    ("k", "consensus", "expected"), [(50, 0.4, 0.14284), (10, 0.08, 0.10125), (1, 0.01, 0.09434)]
)
def test_differences_of_messages(k, consensus, expected):
    choco = algorithms.chain(
        algorithms.compressed(algorithms.random_k(k, unbiased=False), "messages", memory="difference"),
        algorithms.consensus_step(consensus),
    )
    assert frontier(THIRDS, choco) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize("k", [1, 5])
def test_one_node_that_compresses_has_the_share_of_the_plain_frontier(k):
    problem = dsf.GaussianRegression(dim=10)
    plain = frontier([[1.0]], batch_size=3, problem=problem)
    compressed = frontier([[1.0]], algorithms.compressed(algorithms.random_k(k)), 3, problem)
    assert compressed == pytest.approx(k / 10 * plain, rel=1e-9)


def test_diabetes_records_on_a_ring():
    problem = dsf.DatasetRegression.from_csv(DIABETES, "target", assignment=np.arange(442) % 8)
    growth = theory.second_moment_growth(problem, THIRDS, step_size=0.11803, batch_size=1)
    assert growth == pytest.approx(0.998086, abs=5e-7)


def own(direction, iterate, memory, normals, uniforms, parameters):
    for t in range(direction.size):
        direction[t] = abs(direction[t])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"algorithm": algorithms.clipped(1.0)}, "algorithm must be linear .* bounded"),
        ({"algorithm": algorithms.coordinate_median()}, "algorithm must be linear .* homogeneous"),
        ({"algorithm": algorithms.local_rule(own, degree="linear")}, "algorithm holds own.*does not add up"),
        ({"W": mixing.gilbert_elliott(nx.path_graph(2), 0.2, 0.3)}, "W must be .* its outcomes"),
        ({"problem": dsf.EmpiricalRisk(dsf.losses.logistic(), [[1.0], [2.0]], [1, -1])}, "problem must have"),
    ],
)
def test_what_is_not_known_is_refused_with_the_reason(change, message):
    arguments = {
        "problem": dsf.GaussianRegression(dim=2),
        "W": [[0.5, 0.5], [0.5, 0.5]],
        "step_size": 0.1,
        "batch_size": 1,
    } | change
    with pytest.raises(ValueError, match=message):
        theory.second_moment_growth(arguments.pop("problem"), arguments.pop("W"), **arguments)


MOMENTUM = algorithms.heavy_ball(0.5)


@pytest.mark.parametrize("algorithm", [algorithms.sgd(), MOMENTUM])
@pytest.mark.parametrize(
    ("sizes", "step_size", "message"),
    [
        ({"noise_std": 1e200}, 0.1, "problem must have noise or targets of sizes from 1e-75"),
        ({"noise_std": 1e-200}, 0.1, "problem must have noise or targets of sizes"),
        ({"feature_std": 1e80}, 0.1, "problem must have features of sizes from 1e-75"),
        ({"feature_std": 1e-160}, 0.1, "problem must have features of sizes"),
        ({}, 1e200, "step_size is too large for double precision"),
        ({}, 1e-20, "step_size is too small for double precision"),
    ],
)
def test_sizes_beyond_double_precision_are_named(algorithm, sizes, step_size, message):
    problem = dsf.GaussianRegression(2, **sizes)
    with pytest.raises(ValueError, match=message):
        theory.stationary_covariance(problem, THIRDS, step_size=step_size, batch_size=1, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", [algorithms.sgd(), MOMENTUM])
def test_growth_does_not_depend_on_the_size_of_noise(algorithm):
    asked = {"step_size": 0.1, "batch_size": 1, "algorithm": algorithm}
    loud, quiet = (dsf.GaussianRegression(2, noise_std=noise) for noise in (1e200, 1.0))
    expected = theory.second_moment_growth(quiet, THIRDS, **asked)
    assert theory.second_moment_growth(loud, THIRDS, **asked) == expected


@pytest.mark.parametrize("step_size", [1e-4, 1e-7, 1e-9])
def test_small_steps_have_the_covariance_of_their_limit(step_size):
    # η d / (2 b N (1 − β)) at every node, up to O(η): memory is far larger than what moves slowly.
    asked = {"step_size": step_size, "batch_size": 1, "algorithm": MOMENTUM}
    covariance = theory.stationary_covariance(dsf.GaussianRegression(2), np.full((2, 2), 0.5), **asked)
    assert covariance.sum() / step_size == pytest.approx(4.0, rel=1e-3)


def test_a_population_under_push_sum_grows_as_second_moments_do():
    # It begins anew at rounds beyond the first, where nothing has been pushed yet.
    push = mixing.push_sum(nx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)]))
    asked = {"step_size": 0.3, "batch_size": 1, "algorithm": algorithms.stochastic_gradient_push()}
    problem = dsf.GaussianRegression(1)
    exact = theory.second_moment_growth(problem, push, **asked)
    found = theory.moment_growth(problem, push, 2.0, rtol=0.02, rng=0, **asked)
    assert found.value == pytest.approx(np.log(exact), abs=5 * found.stderr + found.bias)


@pytest.mark.parametrize(
    "algorithm", [algorithms.fedavg(3), algorithms.fedbuff([0.5, 0.5])], ids=["FedAvg", "FedBuff"]
)
def test_one_choice_of_clients_stands_for_all_where_they_are_alike(algorithm):
    problem, server = dsf.GaussianRegression(dim=2), dsf.mixing.server(5, 2)
    every = replace(server, exchangeable=False)
    options = {"step_size": 0.1, "batch_size": 2, "algorithm": algorithm}
    growths = [theory.second_moment_growth(problem, W, **options) for W in (server, every)]
    assert growths[0] == pytest.approx(growths[1], rel=1e-10)
    one, all_of_them = (theory.stationary_covariance(problem, W, **options) for W in (server, every))
    np.testing.assert_allclose(one, all_of_them, rtol=1e-9)
    # Of those that are not, too many choices are refused at once.
    large = dsf.mixing.server(30, 15)
    assert theory.second_moment_growth(problem, large, **options) < 1
    with pytest.raises(ValueError, match="W has more than 4096 outcomes"):
        theory.second_moment_growth(problem, large, **options | {"batch_size": [1] * 29 + [2]})
