"""A point that is no minimiser is not passed off as one."""

import warnings

import numpy as np
import pytest

import desgd_fast as dsf

A = np.random.default_rng(0).normal(size=(40, 2))


@pytest.mark.parametrize(
    ("loss", "features", "targets"),
    [
        (dsf.losses.logistic(), A, np.sign(A[:, 0])),
        (dsf.losses.huber(1e-13), A, A[:, 0] + 1),
        (dsf.losses.least_squares(), 1e-300 * A, A[:, 0]),
    ],
    ids=["separable labels", "gradients of 1e-13", "features of 1e-300"],
)
def test_no_minimiser_found_is_said(loss, features, targets):
    with pytest.warns(dsf.warnings.OptimumWarning, match="distances|Distances"):
        _ = dsf.EmpiricalRisk(loss, features, targets).optimum


@pytest.mark.parametrize("targets", [0 * A[:, 0], A[:, 0]])
def test_a_minimiser_is_not_doubted(targets):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _ = dsf.EmpiricalRisk(dsf.losses.least_squares(), A, targets).optimum
        _ = dsf.EmpiricalRisk(dsf.losses.logistic(1e-4), A, np.sign(A[:, 0])).optimum
