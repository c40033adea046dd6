"""Permutations of rows: a step of theory is an epoch, whose batches hold every row once."""

from itertools import permutations

import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import theory

ROWS, ETA = np.array([[2.0, 0.0], [1.0, 1.0], [0.5, -1.5]]), 0.4
OPTIONS = {"step_size": ETA, "batch_size": 1, "n_particles": 512, "rng": 0}


def on_rows(features: np.ndarray, sampling: str) -> dsf.EmpiricalRisk:
    return dsf.EmpiricalRisk(dsf.losses.least_squares(), features, np.ones(len(features)), sampling=sampling)


def test_growth_is_that_of_products_over_permutations() -> None:
    """h(2) of an epoch is the spectral radius of the mean of M ⊗ M over the six orders, three steps each."""
    steps = [np.eye(2) - ETA * np.outer(a, a) for a in ROWS]
    epochs = [steps[i] @ steps[j] @ steps[k] for i, j, k in permutations(range(3))]
    exact = np.log(np.abs(np.linalg.eigvals(np.mean([np.kron(m, m) for m in epochs], axis=0))).max()) / 3
    found = theory.moment_growth(on_rows(ROWS, "reshuffle"), [[1.0]], 2.0, rtol=0.02, **OPTIONS)
    # False alarm 1e-4; a drawn batch each step, with replacement, grows at another rate.
    assert abs(found.value - exact) < 4 * found.stderr
    mean = np.mean([np.kron(m, m) for m in steps], axis=0)
    assert abs(np.log(np.abs(np.linalg.eigvals(mean)).max()) - exact) > 10 * found.stderr


@pytest.mark.parametrize("sampling", ["reshuffle", "flip-flop"])
def test_in_one_dimension_factors_commute_and_no_tail_is_left(sampling: str) -> None:
    features = np.array([[0.5, 1.0, 2.0, 2.9]]).T
    problem = on_rows(features, sampling)
    exact = np.log(np.abs(1 - ETA * features**2)).mean()
    grown = theory.moment_growth(problem, [[1.0]], 3.0, rtol=0.5, **OPTIONS | {"n_particles": 64})
    assert grown.value == pytest.approx(3.0 * exact, rel=1e-9)
    drawn = theory.moment_growth(on_rows(features, "replacement"), [[1.0]], 3.0, rtol=0.2, **OPTIONS)
    assert drawn.value > grown.value + 4 * drawn.stderr


def test_a_permutation_that_is_kept_is_refused() -> None:
    with pytest.raises(ValueError, match="problem must not keep the permutation of its rows for ever"):
        theory.moment_growth(on_rows(ROWS, "shuffle-once"), [[1.0]], 2.0, **OPTIONS)


def test_a_step_size_that_overflows_within_an_epoch_is_refused() -> None:
    asked = OPTIONS | {"step_size": 1e30}
    features = np.random.default_rng(0).standard_normal((12, 2))
    with pytest.raises(ValueError, match="step_size is too large for double precision"):
        theory.lyapunov_exponent(on_rows(features, "reshuffle"), [[1.0]], **asked)
