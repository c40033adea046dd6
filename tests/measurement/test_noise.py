"""Gradient noise: centred, of the right size, and as heavy as the data make it."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf

CYCLE = dsf.mixing_matrix(nx.cycle_graph(4)).toarray()


def data() -> dsf.EmpiricalRisk:
    generator = np.random.default_rng(5)
    features = generator.standard_normal((20, 3))
    labels = np.where(features.sum(axis=1) + generator.standard_normal(20) > 0, 1.0, -1.0)
    return dsf.EmpiricalRisk(dsf.losses.logistic(0.1), features, labels)


def test_noise_on_data_has_the_norms_of_its_rows() -> None:
    problem, points = data(), np.random.default_rng(1).standard_normal((2, 4, 3))
    noise = dsf.gradient_noise(
        problem, points, batch_size=1, n_samples=500, groups={"first": [0], "others": [1, 2]}, rng=3
    )
    assert noise.groups == ("all", "first", "others")
    assert noise.norms.shape == (3, 2, 500, 4)
    np.testing.assert_allclose(noise.norms[0], np.hypot(noise.norms[1], noise.norms[2]))
    part = problem.partition(4)
    for p, point in enumerate(points):
        for node, x in enumerate(point):
            a = part.features[part.offsets[node] : part.offsets[node + 1]]
            y = part.targets[part.offsets[node] : part.offsets[node + 1]]
            rows = -(y / (1 + np.exp(y * (a @ x))))[:, None] * a
            possible = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
            seen = noise.norms[0, p, :, node]
            # Every draw is one of the five rows, and 500 draws miss a row with probability 2e-48.
            nearest = np.abs(seen[:, None] - possible)
            assert nearest.min(axis=1).max() < 1e-12
            assert nearest.min(axis=0).max() < 1e-12


def test_noise_of_gaussian_regression_has_its_exact_size() -> None:
    problem = dsf.GaussianRegression(
        dim=3, covariance=[[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.5]], optimum=1.0, noise_std=0.5
    )
    point = np.array([[1.0, 2.0, 0.0]])
    noise = dsf.gradient_noise(problem, point, batch_size=4, n_samples=40_000, rng=3)
    error = point[0] - 1.0
    covariance = np.asarray(problem.covariance)
    tilted = covariance @ error
    # Isserlis: b·Cov g = Σ (eᵀΣe + σ²) + Σe eᵀΣ.
    trace = (np.trace(covariance) * (error @ tilted + 0.25) + tilted @ tilted) / 4
    squares = noise.norms[0, 0, :, 0] ** 2
    # Within 6 standard errors: false alarm 2e-9.
    assert abs(squares.mean() - trace) < 6 * squares.std() / 200


def test_noise_is_as_heavy_as_the_targets_noise() -> None:
    for df in (2.0, 4.0):
        law = dsf.laws.linear([0.0], features=dsf.laws.rademacher(), noise=dsf.laws.student_t(df))
        problem = dsf.StreamingRisk(dsf.losses.least_squares(), law)
        noise = dsf.gradient_noise(problem, np.zeros((2, 1)), batch_size=1, n_samples=200_000, k=0.002, rng=1)
        # 400 order statistics: five standard errors and the bias; false alarm below 1e-6.
        assert (np.abs(noise.tail.alpha / df - 1) < 5 / np.sqrt(400) + 0.05).all()


def test_noise_along_runs_comes_with_the_iterates_index() -> None:
    problem = dsf.GaussianRegression(dim=2)
    runs = dsf.simulate(problem, CYCLE, step_size=0.3, batch_size=1, n_steps=50, n_runs=500, rng=0)
    noise = dsf.gradient_noise(problem, runs, batch_size=1, n_samples=200, max_points=5, rng=0)
    assert noise.norms.shape == (1, 5, 200, 4)
    assert noise.iterates is not None
    direct = dsf.tails.tail_index(runs.norms(), axis=0)
    np.testing.assert_array_equal(noise.iterates.alpha, direct.alpha)
    assert len(str(noise).splitlines()) == 5
    again = dsf.gradient_noise(problem, runs.final[:5], batch_size=1, n_samples=200, rng=0)
    np.testing.assert_array_equal(again.norms, noise.norms)
    assert again.iterates is None
    assert not np.isclose(noise.norms[0, 0], noise.norms[0, 1]).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"problem": 3}, TypeError, "problem must be a"),
        ({"points": np.zeros(3)}, ValueError, r"points must have shape \(n_nodes, 3\) or"),
        ({"points": np.full((4, 3), np.nan)}, ValueError, "points must be finite"),
        ({"n_samples": 1}, ValueError, "n_samples must be"),
        ({"groups": [0, 1]}, TypeError, "groups must be a mapping"),
        ({"groups": {"a": [3]}}, ValueError, r"groups\['a'\] must be a list of integers from 0 to 2"),
        ({"groups": {"a": []}}, TypeError, r"groups\['a'\] must be a list"),
    ],
)
def test_bad_input_is_named(change: dict, error: type, message: str) -> None:
    arguments = {"problem": data(), "points": np.zeros((4, 3)), "batch_size": 1, "n_samples": 10, **change}
    problem, points = arguments.pop("problem"), arguments.pop("points")
    with pytest.raises(error, match=message):
        dsf.gradient_noise(problem, points, **arguments)


def test_runs_without_iterates_are_refused() -> None:
    problem = dsf.GaussianRegression(dim=2)
    runs = dsf.simulate(problem, CYCLE, step_size=0.1, batch_size=1, n_steps=5, keep="norms", rng=0)
    with pytest.raises(ValueError, match="keep='all'"):
        dsf.gradient_noise(problem, runs, batch_size=1)


def test_diverged_runs_give_no_points() -> None:
    problem = dsf.GaussianRegression(dim=2)
    runs = dsf.simulate(problem, CYCLE, step_size=0.3, batch_size=1, n_steps=50, n_runs=50, rng=0)
    marked = replace(runs, diverged=np.arange(50) < 2)
    noise = dsf.gradient_noise(problem, marked, batch_size=1, n_samples=20, max_points=3, rng=0)
    at_others = dsf.gradient_noise(problem, runs.final[2:5], batch_size=1, n_samples=20, rng=0)
    np.testing.assert_array_equal(noise.norms, at_others.norms)
    with pytest.raises(ValueError, match="max_points must be"):
        dsf.gradient_noise(problem, runs, batch_size=1, max_points=0)
    with pytest.raises(ValueError, match="points must hold a run that did not diverge, but all 50 did"):
        dsf.gradient_noise(problem, replace(runs, diverged=np.ones(50, bool)), batch_size=1)


def test_gaussian_gradient_noise_is_said_to_have_no_power_tail():
    # With b = 1 000 the noise is nearly normal.
    problem = dsf.GaussianRegression(dim=1)
    noise = dsf.gradient_noise(problem, np.ones((1, 1)), batch_size=1000, n_samples=5000, rng=0)
    assert any("no power tail is seen" in text for text in noise.tail.warnings)
