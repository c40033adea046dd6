"""Rules that look at curvature: on batches whose Hessian is known, step by step, and of their class."""

from typing import Any

import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms as a
from tests.truth import algorithms as truth

ETA, N_STEPS = 0.1, 9
# All rows at every step: the Hessian of the first is diagonal, that of the second is not.
DIAGONAL, FULL = np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[2.0, 1.0], [0.0, 1.0]])
RULES = {
    "adahessian": (
        a.adahessian(0.8, 0.9, power=0.5),
        lambda g, h, s: truth.adahessian(g, h, s, 0.8, 0.9, 0.5, 1e-4),
    ),
    "sophia": (
        a.sophia(0.8, 0.9, every=3, scale=0.5),
        lambda g, h, s: truth.sophia(g, h, s, 0.8, 0.9, 3, 0.5, 1e-12),
    ),
}


def ended(algorithm: a.Algorithm, features: np.ndarray, **options: Any) -> np.ndarray:
    problem = dsf.EmpiricalRisk(
        dsf.losses.least_squares(), features, [1.0, -1.0], sampling="without-replacement"
    )
    defaults = {"step_size": ETA, "batch_size": 2, "n_steps": N_STEPS, "initial": 2.0, "rng": 1}
    final: np.ndarray = dsf.simulate(problem, [[1.0]], algorithm=algorithm, **defaults | options).final
    return final[:, 0]


@pytest.mark.parametrize("name", RULES)
def test_they_follow_their_recursion(name: str) -> None:
    algorithm, rule = RULES[name]
    x, state = np.full(2, 2.0), {}
    hessian = DIAGONAL.T @ DIAGONAL / 2
    for _ in range(N_STEPS):
        g = DIAGONAL.T @ (DIAGONAL @ x - [1.0, -1.0]) / 2
        x = x - ETA * rule(g, np.diag(hessian), state)
    np.testing.assert_allclose(ended(algorithm, DIAGONAL)[0], x, rtol=1e-9)


def test_curvature_is_seen_through_random_signs() -> None:
    moves = 2.0 - ended(a.adahessian(0.0, 0.0, epsilon=1e-12), FULL, n_steps=1, n_runs=400)
    hessian, gradient = FULL.T @ FULL / 2, FULL.T @ (FULL @ [2.0, 2.0] - [1.0, -1.0]) / 2
    # z ⊙ Hz is the diagonal plus or minus what is beside it, for both coordinates at once.
    signs = (gradient / (moves / ETA) - np.diag(hessian)) / hessian[0, 1]
    np.testing.assert_allclose(np.abs(signs), 1.0, atol=1e-6)
    np.testing.assert_allclose(signs[:, 0], signs[:, 1], atol=1e-6)
    # Six standard errors: false alarm 1e-8.
    assert abs(signs[:, 0].mean()) < 6 / np.sqrt(400)


@pytest.mark.parametrize("order", [a.sgd(), a.adapt_then_combine()], ids=["combine first", "adapt first"])
def test_curvature_is_seen_however_far_out_nodes_are(order: a.Algorithm) -> None:
    # A difference of gradients a fixed length apart would be lost in the last digits of such iterates.
    problem, W = dsf.GaussianRegression(dim=3, noise_std=0.0), [[0.75, 0.25], [0.25, 0.75]]
    start = np.random.default_rng(0).standard_normal((2, 3))
    options: dict[str, Any] = {"step_size": ETA, "batch_size": 2, "n_steps": 30, "n_runs": 3, "rng": 1}
    algorithm = a.chain(a.adahessian(), order)
    near, far = (
        dsf.simulate(problem, W, algorithm=algorithm, initial=size * start, **options).final / size
        for size in (1e3, 1e12)
    )
    np.testing.assert_allclose(far, near, rtol=1e-8)


def test_steps_grow_with_the_iterate_or_stay_bounded_as_declared() -> None:
    ends = [ended(a.adahessian(), FULL, initial=size) for size in (1e3, 2e3, 3e3)]
    np.testing.assert_allclose(ends[2] - ends[1], ends[1] - ends[0], rtol=1e-6)
    far = ended(a.sophia(), FULL, initial=1e6)
    assert np.abs(far - 1e6).max() <= ETA * N_STEPS * (1 + 1e-9)


def count_steps(direction, iterate, memory, normals, uniforms, parameters):
    memory[0, 0] += 1.0


def as_it_is(direction, iterate, memory, normals, uniforms, parameters):
    pass


def test_growth_leaves_out_what_does_not_grow_with_the_iterate() -> None:
    problem, options = dsf.GaussianRegression(dim=1), {"step_size": 0.8, "batch_size": 1, "rng": 0}
    options |= {"rtol": 0.2, "n_particles": 128}
    plain = a.local_rule(as_it_is, degree="linear", memory=1)
    counting = a.local_rule(count_steps, degree="linear", memory=1, unscaled=1)
    grown = [
        dsf.theory.moment_growth(problem, [[1.0]], 2.0, algorithm=one, **options).value
        for one in (plain, counting, a.local_rule(count_steps, degree="linear", memory=1))
    ]
    assert grown[0] == grown[1] != grown[2]


def test_one_gradient_of_a_minibatch_is_not_enough() -> None:
    problem = dsf.GaussianRegression(dim=1)
    options = {"step_size": 0.1, "batch_size": 1, "n_steps": 1, "engine": "collapsed"}
    with pytest.raises(ValueError, match="one gradient of a minibatch"):
        dsf.simulate(problem, [[1.0]], algorithm=a.adahessian(), **options)
