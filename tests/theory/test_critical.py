"""The step size at which rho = 0, for every problem, process and algorithm, against exact roots."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize

import desgd_fast as dsf
from desgd_fast import algorithms, theory

FEATURES = np.array([1.0, 0.5, 2.2])
ROWS = dsf.DatasetRegression(FEATURES[:, None], [1.0, 0.0, 1.0])
QUICK: dict[str, Any] = {"at": "divergence", "batch_size": 1, "rtol": 0.01, "rng": 0, "threads": 1}
# Values may be off by 5 of their standard errors: false alarm 6e-7 for each test.
FAR = 5


def test_rows_of_one_coordinate_diverge_where_their_mean_logarithm_vanishes() -> None:
    exact = optimize.brentq(lambda step: np.log(np.abs(1 - step * FEATURES**2)).mean(), 1.01, 2)
    found = theory.critical_step_size(ROWS, [[1.0]], **QUICK)
    assert found.method == "population"
    assert 0 < found.stderr <= 0.01 * found.value
    assert abs(found.value - exact) < FAR * found.stderr


def test_momentum_zero_diverges_where_quadrature_says() -> None:
    problem = dsf.GaussianRegression(dim=1)
    exact = theory.critical_step_size(problem, [[1.0]], **QUICK)
    found = theory.critical_step_size(problem, [[1.0]], algorithm=algorithms.heavy_ball(0.0), **QUICK)
    assert exact.method == "quadrature"
    assert abs(found.value - exact.value) < FAR * found.stderr


@pytest.mark.parametrize(
    ("problem", "algorithm", "reason"),
    [
        (dsf.GaussianRegression(dim=2), algorithms.clipped(1.0), "steps under clipped"),
        (
            dsf.EmpiricalRisk(dsf.losses.huber(), [[1.0], [2.0]], [0.0, 1.0]),
            algorithms.sgd(),
            "gradients of Loss",
        ),
    ],
)
def test_bounded_steps_diverge_nowhere(problem: object, algorithm: algorithms.Algorithm, reason: str) -> None:
    with pytest.raises(ValueError, match=f"{reason}.*all moments are finite at every step size"):
        theory.critical_step_size(problem, [[1.0]], algorithm=algorithm, **QUICK)
