"""Attacks on data: what is flipped, and what is not."""

import numpy as np
import pytest

import desgd_fast as dsf


def test_labels_of_byzantine_nodes_are_flipped_and_nothing_else() -> None:
    generator = np.random.default_rng(0)
    features, targets = generator.standard_normal((12, 2)), np.arange(12.0) % 3
    problem = dsf.EmpiricalRisk(dsf.losses.multinomial(3, ridge=0.1), features, targets, assignment="shared")
    before, after = (one.partition(3) for one in (problem, dsf.label_flip(problem, [1], n_nodes=3)))
    np.testing.assert_array_equal(after.features, before.features)
    expected = before.targets.copy()
    expected[12:24] = 2 - expected[12:24]
    np.testing.assert_array_equal(after.targets, expected)
    np.testing.assert_array_equal(after.offsets, before.offsets)


def test_without_labels_the_sign_changes_and_the_optimum_is_the_true_one() -> None:
    problem = dsf.EmpiricalRisk(dsf.losses.least_squares(), [[1.0], [1.0], [2.0]], [3.0, 5.0, -1.0])
    flipped = dsf.label_flip(problem, [1], n_nodes=2)
    np.testing.assert_array_equal(flipped.targets, [3.0, -1.0, -5.0])
    np.testing.assert_array_equal(flipped.optimum, problem.optimum)


def test_bad_arguments_are_refused() -> None:
    problem = dsf.EmpiricalRisk(dsf.losses.least_squares(), [[1.0], [2.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="byzantine must be an integer from 0 to 1"):
        dsf.label_flip(problem, [2], n_nodes=2)
    for nobody in (3, [], [1, 1]):
        with pytest.raises(ValueError, match="byzantine must hold numbers of nodes, each once"):
            dsf.label_flip(problem, nobody, n_nodes=2)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="problem must be"):
        dsf.label_flip(dsf.GaussianRegression(dim=2), [0], n_nodes=2)  # type: ignore[arg-type]
