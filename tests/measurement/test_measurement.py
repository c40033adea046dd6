"""measure_tail is simulate, norms and tail_index in one."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast.common.warnings import DivergenceWarning
from desgd_fast.tails.results import TailEstimate

PROBLEM = dsf.GaussianRegression(dim=2, optimum=[1.0, 2.0])
W = dsf.mixing_matrix(nx.cycle_graph(4))
SETTINGS = {"step_size": 0.3, "batch_size": 1, "n_steps": 40, "n_runs": 500, "rng": 3}


@pytest.mark.parametrize("average_last", [0, 5])
@pytest.mark.parametrize("stacked", [True, False])
def test_equals_the_three_calls_it_stands_for(average_last: int, stacked: bool) -> None:
    measured = dsf.measure_tail(PROBLEM, W, average_last=average_last, stacked=stacked, **SETTINGS)
    runs = dsf.simulate(PROBLEM, W, average_last=average_last, initial=PROBLEM.optimum, **SETTINGS)
    norms = runs.norms("average" if average_last else "final", stacked=stacked)
    expected = dsf.tails.tail_index(norms, axis=None if stacked else 0)
    # Engines that keep norms only may differ from those that keep iterates in the last bits.
    np.testing.assert_allclose(measured.alpha, expected.alpha, rtol=1e-9)
    np.testing.assert_allclose(measured.ci_high, expected.ci_high, rtol=1e-9)
    assert np.shape(measured.alpha) == (() if stacked else (4,))


@pytest.mark.parametrize("stacked", [True, False])
def test_no_tail_index_where_runs_diverge(stacked: bool) -> None:
    with pytest.warns(DivergenceWarning):
        measured = dsf.measure_tail(
            PROBLEM, W, stacked=stacked, **SETTINGS | {"step_size": 50.0, "n_steps": 400}
        )
    assert isinstance(measured, TailEstimate)
    assert np.isnan(measured.alpha).all()
    assert (np.asarray(measured.n_censored) == 500).all()
    assert "500 of 500 runs diverged" in str(measured)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"stacked": 1}, "stacked must be"), ({"n_runs": 0}, "n_runs must be"), ({"k": "most"}, "k must be")],
)
def test_bad_input_is_named(change: dict[str, object], words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        dsf.measure_tail(PROBLEM, W, **SETTINGS | change)


def test_bounded_steps_are_said_to_have_no_power_tail() -> None:
    from desgd_fast import algorithms

    options = {"step_size": 0.9, "batch_size": 1, "n_steps": 300, "n_runs": 2000, "rng": 1, "k": 0.2}
    problem = dsf.GaussianRegression(dim=1)
    clipped = dsf.measure_tail(problem, [[1.0]], algorithm=algorithms.clipped(50.0), **options)
    assert "clipped(50) bounds the steps: there is no power tail" in clipped.warnings[-1]
    assert "lies below 50, where clipping sets in" in clipped.warnings[-1]
    plain = dsf.measure_tail(problem, [[1.0]], **options)
    assert not any("bounds the steps" in warning for warning in plain.warnings)
    # The plateau is that of the plain law.
    assert plain.ci_low < clipped.alpha < plain.ci_high


def test_computed_alpha_stands_beside_the_estimate() -> None:
    one = dsf.GaussianRegression(dim=1)
    settings = {"step_size": 0.5, "batch_size": 1, "n_steps": 120, "n_runs": 5000, "rng": 1}
    measured = dsf.measure_tail(one, np.eye(1), compare_with_theory=True, **settings)
    assert measured.warnings[0].startswith("computed alpha = 2.904")
    distance = float(measured.warnings[0].rsplit(" by ", 1)[1].split()[0])
    # Six standard errors: false alarm 2e-9.
    assert abs(distance) < 6
    assert distance == pytest.approx((measured.alpha - 2.90397) / measured.stderr, abs=0.06)


def test_theory_that_refuses_says_why() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    data = dsf.DatasetRegression(rows, rows[:, 0])
    measured = dsf.measure_tail(
        data, np.eye(2), compare_with_theory=True, step_size=0.1, batch_size=1, n_steps=5, n_runs=200, rng=1
    )
    assert "computed" in measured.warnings[0]


def test_runs_that_stay_at_the_optimum_have_no_tail_to_measure():
    still = dsf.GaussianRegression(dim=2, noise_std=0.0)
    with pytest.raises(ValueError, match="problem must move iterates away from its optimum"):
        dsf.measure_tail(still, [[1.0]], step_size=0.01, batch_size=1, n_steps=1, n_runs=40)
