"""Second moments of streams with known features, and of losses that are quadratic at infinity."""

from itertools import product

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms, laws, losses, theory

RING = dsf.mixing_matrix(nx.cycle_graph(4))
TRUTH = np.array([1.0, -0.5, 2.0])
OPTIONS = {"step_size": 0.08, "batch_size": 2}


def stream(
    features: laws.Distribution, noise: float = 0.7, loss: dsf.Loss | None = None
) -> dsf.StreamingRisk:
    law = laws.linear(TRUTH, features=features, noise=laws.gaussian(noise))
    return dsf.StreamingRisk(loss or losses.least_squares(), law)


@pytest.mark.parametrize(
    "algorithm",
    [
        algorithms.sgd(),
        algorithms.chain(algorithms.heavy_ball(0.4), algorithms.adapt_then_combine()),
        algorithms.compressed(algorithms.random_k(1)),
        algorithms.chain(algorithms.bernoulli(0.5), algorithms.weight_decay(0.1)),
    ],
    ids=["sgd", "momentum", "masks", "decay"],
)
def test_gaussian_features_have_the_moments_of_the_closed_law(algorithm: algorithms.Algorithm) -> None:
    closed = dsf.GaussianRegression(dim=3, feature_std=1.3, noise_std=0.7, optimum=TRUTH)
    drawn = stream(laws.gaussian(1.3))
    for ask in (theory.second_moment_growth, theory.stationary_covariance):
        found = [ask(problem, RING, algorithm=algorithm, **OPTIONS) for problem in (closed, drawn)]
        np.testing.assert_allclose(found[1], found[0], rtol=1e-10)


def test_signs_and_uniforms_have_the_spectral_radius_of_all_their_steps() -> None:
    """E[M ⊗ M] in full, two nodes and coordinates; three points are exact for uniforms to degree 5."""
    weights, step = np.array([[0.75, 0.25], [0.25, 0.75]]), 0.3
    nodes, chances = np.polynomial.legendre.leggauss(3)
    for features, points, p in (
        (laws.rademacher(0.8), np.array([-0.8, 0.8]), np.array([0.5, 0.5])),
        (laws.uniform(1.5), 1.5 * nodes, chances / 2),
    ):
        total = np.zeros((16, 16))
        for places in product(range(points.size), repeat=4):
            a = points[list(places)].reshape(2, 2)
            step_of = np.kron(weights, np.eye(2))
            for i in range(2):
                step_of[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] -= step * np.outer(a[i], a[i])
            total += p[list(places)].prod() * np.kron(step_of, step_of)
        problem = dsf.StreamingRisk(losses.least_squares(), laws.linear([0.0, 0.0], features=features))
        found = theory.second_moment_growth(problem, weights, step_size=step, batch_size=1)
        assert found == pytest.approx(np.abs(np.linalg.eigvals(total)).max(), rel=1e-12)


@pytest.mark.parametrize(
    "problem", [stream(laws.gaussian()), dsf.DatasetRegression(np.eye(4, 3) + 1, np.ones(4))]
)
def test_losses_count_by_what_is_left_of_them_at_infinity(problem: dsf.StreamingRisk) -> None:
    def same(loss: dsf.Loss) -> dsf.StreamingRisk | dsf.EmpiricalRisk:
        if isinstance(problem, dsf.StreamingRisk):
            return dsf.StreamingRisk(loss, problem.law)
        return dsf.EmpiricalRisk(loss, problem.features, problem.targets)

    growth = [
        theory.second_moment_growth(same(loss), RING, **OPTIONS)
        for loss in (losses.huber(ridge=0.3), losses.ridge(0.3), losses.ridge(0.3).at_infinity())
    ]
    assert growth[0] == pytest.approx((1 - 0.08 * 0.3) ** 2, rel=1e-12)
    assert growth[1] == pytest.approx(growth[2], rel=1e-12)
    with pytest.raises(ValueError, match=r"problem must have gradients that grow .* stay bounded"):
        theory.second_moment_growth(same(losses.huber()), RING, **OPTIONS)
    with pytest.raises(ValueError, match="problem must have a quadratic loss"):
        theory.stationary_covariance(same(losses.huber(ridge=0.3)), RING, **OPTIONS)


def test_unknown_moments_are_refused() -> None:
    def ask(problem: dsf.StreamingRisk) -> None:
        theory.stationary_covariance(problem, RING, **OPTIONS)

    with pytest.raises(ValueError, match=r"problem must have features with a fourth moment .* student_t"):
        ask(stream(laws.student_t(4.0)))
    law = laws.linear(TRUTH)
    own = dsf.Law(law.sample, 3, law.n_normals, name="mine")
    with pytest.raises(ValueError, match="problem must have a law that states its feature_moments"):
        ask(dsf.StreamingRisk(losses.least_squares(), own))
    with pytest.raises(ValueError, match="must measure distances from the one truth of its law"):
        ask(dsf.StreamingRisk(losses.least_squares(), law, np.zeros(3)))
    heavy = laws.linear(TRUTH, noise=laws.student_t(2.0))
    with pytest.raises(ValueError, match="must have a law that states a finite noise_variance"):
        ask(dsf.StreamingRisk(losses.least_squares(), heavy))
