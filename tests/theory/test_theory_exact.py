"""Exact second moments and the one-node quadrature against dense algebra and known values."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desgd_fast import GaussianRegression, algorithms, mixing_matrix, theory
from desgd_fast.theory.closed.one_node import OneNode
from desgd_fast.theory.closed.second_moments import SecondMoments
from desgd_fast.theory.question import setting
from tests.harness import ORDERS, ordered
from tests.truth import theory as reference


def laplacian_weights(graph, delta):
    return np.eye(len(graph)) - delta * nx.laplacian_matrix(graph).toarray()


def random_weights(rng, n, symmetric):
    """A doubly stochastic matrix: a mixture of permutations."""
    mixture = rng.dirichlet(np.ones(4))
    W = sum(p * np.eye(n)[rng.permutation(n)] for p in mixture) * 0.7 + 0.3 * np.eye(n)
    return (W + W.T) / 2 if symmetric else W


def random_case(seed, symmetric, heterogeneous, isotropic):
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    W = random_weights(rng, n, symmetric)
    eigenvalues = np.full(d, 1.3) if isotropic else rng.uniform(0.5, 2, d)
    size = n if heterogeneous else 1
    draw = {
        "power": rng.uniform(0.5, 2, size),
        "noise": rng.uniform(0.5, 2, size),
        "batch_size": rng.integers(1, 6, size),
        "step_size": rng.uniform(0.02, 0.5, size),
    }
    arrays = {name: np.broadcast_to(value, (n,)).copy() for name, value in draw.items()}
    problem = GaussianRegression(
        dim=d,
        feature_std=np.sqrt(arrays["power"]),
        noise_std=np.sqrt(arrays["noise"]),
        covariance=eigenvalues,
    )
    return W, problem, eigenvalues, arrays


@pytest.mark.parametrize("order", ORDERS)
@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.booleans(), st.booleans(), st.booleans())
def test_second_moments_agree_with_the_dense_kronecker_recursion(
    order, seed, symmetric, heterogeneous, isotropic
):
    W, problem, eigenvalues, a = random_case(seed, symmetric, heterogeneous, isotropic)
    adapt_first = order == "adapt-then-combine"
    matrix = reference.second_moment_matrix(
        W, eigenvalues, a["power"], a["batch_size"], a["step_size"], adapt_first
    )
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    arguments = {"step_size": a["step_size"], "batch_size": a["batch_size"], "algorithm": ordered(order)}
    assert theory.second_moment_growth(problem, W, **arguments) == pytest.approx(radius, rel=1e-9)
    if radius >= 1:
        with pytest.raises(ValueError, match="step_size must keep the second moments finite"):
            theory.stationary_covariance(problem, W, **arguments)
    elif radius < 0.999:
        noise = reference.second_moment_noise(
            W, eigenvalues, a["power"], a["noise"], a["batch_size"], a["step_size"], adapt_first
        )
        n = len(W)
        solution = np.linalg.solve(np.eye(len(matrix)) - matrix, noise).reshape(-1, n, n).sum(axis=0)
        np.testing.assert_allclose(
            theory.stationary_covariance(problem, W, **arguments), solution, rtol=1e-8, atol=1e-12
        )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", ["star", "cycle"])
def test_iteration_and_dense_algebra_agree_on_larger_graphs(order, name):
    graph = nx.star_graph(19) if name == "star" else nx.cycle_graph(20)
    W = laplacian_weights(graph, 0.04)
    rng = np.random.default_rng(1)
    power, batch_size = rng.uniform(0.8, 1.2, 20), rng.integers(2, 6, 20)
    step_size, noise_power = rng.uniform(0.1, 0.3, 20), np.ones(20)
    problem = GaussianRegression(dim=2, feature_std=np.sqrt(power))
    adapt_first = order == "adapt-then-combine"
    matrix = reference.second_moment_matrix(W, np.ones(2), power, batch_size, step_size, adapt_first)
    noise = reference.second_moment_noise(
        W, np.ones(2), power, noise_power, batch_size, step_size, adapt_first
    )
    solution = np.linalg.solve(np.eye(len(matrix)) - matrix, noise).reshape(2, 20, 20).sum(axis=0)
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    arguments = {"step_size": step_size, "batch_size": batch_size, "algorithm": ordered(order)}
    assert theory.second_moment_growth(problem, W, **arguments) == pytest.approx(radius, rel=1e-10)
    np.testing.assert_allclose(
        theory.stationary_covariance(problem, W, **arguments), solution, rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("covariance", [None, [1.0, 2.0, 2.0]])
def test_leading_form_is_multiplied_by_exactly_h2(order, covariance):
    rng = np.random.default_rng(5)
    W = random_weights(rng, 4, symmetric=False)
    problem = GaussianRegression(dim=3, covariance=covariance)
    question = setting(
        problem,
        W,
        step_size=rng.uniform(0.1, 0.4, 4),
        batch_size=2,
        algorithm=ordered(order),
        allow_row_stochastic=False,
    )
    moments = SecondMoments(question)
    form, growth = moments.leading_form(), moments.growth()
    matrix = reference.second_moment_matrix(
        W,
        problem.eigenvalues,
        question.power,
        question.batch_size,
        question.step_size,
        order == "adapt-then-combine",
    )
    groups = np.searchsorted(question.eigenvalues, problem.eigenvalues)
    stacked = np.concatenate([form[group].ravel() for group in groups])
    np.testing.assert_allclose(stacked @ matrix, growth * stacked, rtol=1e-9, atol=1e-12)
    assert all(np.linalg.eigvalsh(f)[0] > 0 for f in form)


@pytest.mark.parametrize(
    ("n_nodes", "delta", "expected"),
    [(10, 0.02, 0.7005), (30, 0.025, 0.6489), (30, 0.05, 0.3619)],
)
def test_frontiers_of_complete_graphs_lie_on_both_sides_of_disconnected(n_nodes, delta, expected):
    W = laplacian_weights(nx.complete_graph(n_nodes), delta)
    problem = GaussianRegression(dim=1)
    value = theory.critical_step_size(problem, W, batch_size=1, at="infinite-variance").value
    assert value == pytest.approx(expected, abs=5e-5)


def test_frontiers_at_the_published_size():
    problem = GaussianRegression(dim=100)
    cycle = laplacian_weights(nx.cycle_graph(8), 1 / 3)
    for W, batch_size, expected in [(np.eye(8), 5, 0.09434), (cycle, 5, 0.18227), ([[1.0]], 40, 0.56738)]:
        critical = theory.critical_step_size(problem, W, batch_size=batch_size, at="infinite-variance")
        assert critical.value == pytest.approx(expected, abs=5e-6)
        assert critical.binding == "variance"
        assert critical.value < critical.mean_value


@pytest.mark.parametrize("order", ORDERS)
@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.booleans())
def test_second_moments_neither_grow_nor_shrink_at_the_frontier(order, seed, symmetric):
    W, problem, eigenvalues, a = random_case(seed, symmetric, True, False)
    critical = theory.critical_step_size(
        problem, W, batch_size=a["batch_size"], at="infinite-variance", algorithm=ordered(order)
    )
    step_size = np.full(len(W), critical.value)
    matrix = reference.second_moment_matrix(
        W, eigenvalues, a["power"], a["batch_size"], step_size, order == "adapt-then-combine"
    )
    assert np.abs(np.linalg.eigvals(matrix)).max() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("graph", [nx.star_graph(13), nx.path_graph(12), nx.grid_2d_graph(3, 5)], ids=len)
def test_answers_from_the_diagonal_alone_are_those_of_all_moments(order, graph):
    W, dim, adapt_first = mixing_matrix(graph), 2, order == "adapt-then-combine"
    n = W.shape[0]
    power, batch_size, noise_power = np.ones(n), np.full(n, 2), np.linspace(1, 2, n)
    problem = GaussianRegression(dim, noise_std=np.sqrt(noise_power))
    critical = theory.critical_step_size(
        problem, W, batch_size=2, at="infinite-variance", algorithm=ordered(order)
    )

    def moments(step_size):
        steps = np.full(n, step_size)
        shared = (W.toarray(), np.ones(dim), power)
        matrix = reference.second_moment_matrix(*shared, batch_size, steps, adapt_first)
        noise = reference.second_moment_noise(*shared, noise_power, batch_size, steps, adapt_first)
        return matrix, noise

    assert np.abs(np.linalg.eigvals(moments(critical.value)[0])).max() == pytest.approx(1, abs=1e-11)
    step = 0.7 * critical.value
    matrix, noise = moments(step)
    arguments = {"step_size": step, "batch_size": 2, "algorithm": ordered(order)}
    growth = theory.second_moment_growth(problem, W, **arguments)
    assert growth == pytest.approx(np.abs(np.linalg.eigvals(matrix)).max(), rel=1e-12)
    covariance = np.linalg.solve(np.eye(len(matrix)) - matrix, noise).reshape(dim, n, n).sum(axis=0)
    np.testing.assert_allclose(
        theory.stationary_covariance(problem, W, **arguments), covariance, rtol=1e-10, atol=1e-12
    )


def test_mean_binds_where_an_eigenvalue_is_minus_one():
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    critical = theory.critical_step_size(
        GaussianRegression(dim=3), swap, batch_size=1, at="infinite-variance"
    )
    assert critical.value == 0
    assert critical.binding == "mean"


def test_adapt_then_combine_with_the_average_is_one_node_with_the_joint_minibatch():
    problem = GaussianRegression(dim=4)
    joint = theory.second_moment_growth(problem, [[1.0]], step_size=0.3, batch_size=6)
    average = theory.second_moment_growth(
        problem, np.full((3, 3), 1 / 3), step_size=0.3, batch_size=2, algorithm=ordered("adapt-then-combine")
    )
    assert average == pytest.approx(joint, rel=1e-13)


def test_disconnected_graph_grows_as_its_worst_node():
    problem = GaussianRegression(dim=2, feature_std=[1.0, 2.0])
    both = theory.second_moment_growth(problem, np.eye(2), step_size=0.3, batch_size=2)
    alone = theory.second_moment_growth(
        GaussianRegression(dim=2, feature_std=2.0), [[1.0]], step_size=0.3, batch_size=2
    )
    assert both == pytest.approx(alone, rel=1e-14)


@pytest.mark.parametrize(("step", "expected"), [(0.5, 2.90397), (1.0, 1.09083)])
def test_one_node_tail_index_with_one_coordinate_and_one_sample(step, expected):
    assert OneNode(1, 1, step).tail_index(64.0) == pytest.approx(expected, abs=5e-6)


@pytest.mark.parametrize(
    ("dim", "batch", "variance", "divergence"), [(10, 1, 0.16667, 0.17989), (100, 5, 0.09434, 0.09458)]
)
def test_one_node_frontiers(dim, batch, variance, divergence):
    problem = GaussianRegression(dim=dim)
    for at, expected in (("infinite-variance", variance), ("divergence", divergence)):
        critical = theory.critical_step_size(problem, [[1.0]], batch_size=batch, at=at)
        assert critical.value == pytest.approx(expected, abs=5e-6)


def fourth_moment(dim, batch, contraction):
    """h(4) of one node from the moments of chi-square variables."""
    c = contraction / batch

    def rising(degrees, k):
        return np.prod([degrees + 2.0 * i for i in range(k)])

    x, y = [rising(batch, k) for k in range(5)], [rising(dim - 1, k) for k in range(3)]
    along = 1 - 4 * c * x[1] + 6 * c**2 * x[2] - 4 * c**3 * x[3] + c**4 * x[4]
    cross = 2 * c**2 * y[1] * (x[1] - 2 * c * x[2] + c**2 * x[3])
    return along + cross + c**4 * x[2] * y[2]


@pytest.mark.parametrize(
    ("dim", "batch", "contraction"),
    [
        (1, 1, 0.6),
        (1, 4, 1.0),
        (2, 1, 0.5),
        (2, 3, 1.0),
        (3, 1, 0.4),
        (5, 2, 0.5),
        (100, 5, 0.0943),
        (10**6, 5, 1e-5),
        (10**6, 10**6, 0.6),
    ],
)
def test_quadrature_reproduces_the_second_and_fourth_moments(dim, batch, contraction):
    node = OneNode(dim, batch, contraction)
    second = 1 - 2 * contraction + contraction**2 * (batch + dim + 1) / batch
    fourth = fourth_moment(dim, batch, contraction)
    assert node.log_growth(2.0) == pytest.approx(np.log(second), rel=1e-9, abs=1e-13)
    assert node.log_growth(4.0) == pytest.approx(np.log(fourth), rel=1e-9, abs=1e-13)


@pytest.mark.parametrize("dim", [1, 2, 3, 30])
def test_rho_is_the_slope_of_log_h_at_zero(dim):
    node = OneNode(dim, 2, 0.4)

    def slope(s):
        return (node.log_growth(s) - node.log_growth(-s)) / (2 * s)

    # One Richardson step leaves an error of order s⁴.
    extrapolated = (4 * slope(1e-3) - slope(2e-3)) / 3
    assert node.lyapunov_exponent() == pytest.approx(extrapolated, rel=1e-8)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"step_size": 0.0}, ValueError, "step_size must be positive"),
        ({"step_size": [0.1, 0.1]}, ValueError, "step_size must be a scalar or have one entry per node"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
        ({"algorithm": algorithms.clipped(1.0)}, ValueError, "algorithm must be linear"),
        ({"W": [[0.5, 0.4], [0.5, 0.6]]}, ValueError, "W must be doubly stochastic"),
        ({"W": [[1.0, 0.0]]}, ValueError, "W must be a square matrix"),
        (
            {"problem": "mnist"},
            TypeError,
            "problem must be a GaussianRegression, a data set or a StreamingRisk",
        ),
    ],
)
def test_bad_input_is_named(change, error, message):
    arguments = {
        "problem": GaussianRegression(dim=2),
        "W": [[1.0]],
        "step_size": 0.1,
        "batch_size": 1,
    } | change
    with pytest.raises(error, match=message):
        theory.second_moment_growth(arguments.pop("problem"), arguments.pop("W"), **arguments)
