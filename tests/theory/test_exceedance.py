"""Exceedance by regenerative splitting, against integral equations, known values and simulation."""

from dataclasses import fields, replace

import networkx as nx
import numpy as np
import pytest

from desgd_fast import (
    DatasetRegression,
    GaussianRegression,
    algorithms,
    losses,
    mixing,
    mixing_matrix,
    plots,
    simulate,
    theory,
)
from desgd_fast.common.warnings import PrecisionWarning
from desgd_fast.problems.rows import EmpiricalRisk
from tests.truth import exceedance as reference

SCALAR = GaussianRegression(dim=1, noise_std=1.0)
ONE_NODE = {"step_size": 0.5, "batch_size": 1}
RING = mixing_matrix(nx.cycle_graph(4))


THRESHOLDS = [3, 10, 30, 100, 1e3, 1e4, 1e5]


@pytest.fixture(scope="module")
def equation():
    """One node in one dimension, to 1e-15, by its integral equation."""
    return theory.exceedance(SCALAR, [[1.0]], THRESHOLDS, **ONE_NODE)


@pytest.fixture(scope="module")
def scalar(equation):
    """The same by splitting."""
    options = {"rtol": 0.15, "n_particles": 40_000, "rng": 1, "radius": equation.radius}
    return theory.exceedance(SCALAR, [[1.0]], THRESHOLDS, **ONE_NODE, **options)


def test_the_equation_of_one_dimension_is_that_of_the_reference(equation):
    assert equation.method == "integral equation"
    # That has 300 points, log S linear between them.
    np.testing.assert_allclose(equation.probability, reference.survival(THRESHOLDS, 0.5), rtol=2.5e-3)
    assert (equation.stderr < 2e-3 * equation.probability).all()
    # Four billion simulated steps.
    seen, error = np.array([0.01253475, 4.16952e-4, 1.7522e-5, 5.70e-7]), [3.3e-6, 6.5e-7, 9.2e-8, 2.5e-8]
    distance = (equation.probability[:4] - seen) / np.hypot(error, equation.stderr[:4])
    assert (np.abs(distance) < 3.3).all()


def test_levels_that_are_nearly_always_and_never_exceeded():
    options = {"step_size": 0.05, "batch_size": 1}
    with pytest.warns(PrecisionWarning, match="nothing is seen of levels from 1e\\+12 on"):
        found = theory.exceedance(SCALAR, [[1.0]], [1e-300, 1e-6, 1e12], **options)
    # The density at 0 is below 0.4 over the smallest scale there is, η.
    assert (found.probability[:2] > 1 - 1e-4).all()
    assert found.probability[2] == 0.0
    assert np.isnan(found.return_time[2])
    assert np.isnan(found.constant)


def test_splitting_has_the_return_times_of_the_equation(equation, scalar):
    distance = scalar.return_time - equation.return_time
    assert (np.abs(distance) < 3.3 * scalar.return_time_stderr).all()


@pytest.mark.parametrize(("dim", "batch", "step_size"), [(5, 2, 0.5), (2, 1, 0.5)])
def test_the_equation_of_several_dimensions_agrees_with_splitting(dim, batch, step_size):
    options = {"step_size": step_size, "batch_size": batch, "rng": 0}
    problem, thresholds = GaussianRegression(dim=dim, noise_std=0.7, feature_std=0.9), [2, 10, 50]
    exact = theory.exceedance(problem, [[1.0]], thresholds, **options)
    split = theory.exceedance(
        problem, [[1.0]], thresholds, **options, radius=exact.radius, n_particles=8000, rtol=0.25
    )
    assert (exact.method, split.method) == ("integral equation", "splitting")
    # Twelve comparisons in both cases at 4 standard errors of 20 groups: false alarm in about a hundred keys.
    assert (np.abs(split.probability - exact.probability) < 4 * split.stderr).all()
    assert (np.abs(split.return_time - exact.return_time) < 4 * split.return_time_stderr).all()
    assert (exact.stderr < 0.01 * exact.probability).all()
    again = theory.exceedance(problem, [[1.0]], thresholds, **options, along=0)
    assert (again.probability == exact.probability).all()


def test_one_dimension_agrees_with_the_integral_equation(scalar):
    assert scalar.method == "splitting"
    truth = reference.survival(scalar.thresholds, 0.5)
    # Seven correlated comparisons: at 3.3 standard errors a false alarm in some hundreds of keys.
    assert (np.abs(scalar.probability - truth) < 3.3 * scalar.stderr + 0.01 * truth).all()
    assert (scalar.stderr < 0.16 * scalar.probability).all()
    assert scalar.probability[-1] < 1.3e-15
    assert abs(scalar.constant - 0.335) < 3.3 * scalar.constant_stderr
    assert scalar.constant_stderr < 0.06


def test_one_dimension_agrees_with_a_billion_steps_of_simulation(scalar):
    known = np.array([0.012534, 4.179e-4, 1.708e-5, 5.24e-7])
    error = np.array([1e-5, 1.3e-6, 2.0e-7, 4.3e-8])
    distance = np.abs(scalar.probability[:4] - known) / np.hypot(scalar.stderr[:4], error)
    assert (distance < 3.3).all()


def test_excursions_are_rarer_than_the_steps_they_last(scalar):
    assert (scalar.return_time * scalar.probability > 1).all()
    assert (np.diff(scalar.return_time) > 0).all()
    assert (np.diff(scalar.probability) < 0).all()


def tail(alpha, rho=-0.3):
    """A tail index that somebody gives."""
    known = theory.tail_index(SCALAR, [[1.0]], **ONE_NODE)
    return replace(known, alpha=alpha, lyapunov_exponent=rho)


def test_bits_depend_on_the_key_alone():
    found = [
        theory.exceedance(
            SCALAR, [[1.0]], [2, 5], **ONE_NODE, rtol=0.5, n_particles=400, rng=key, threads=threads
        )
        for key, threads in ((0, 1), (0, 2), (1, 2))
    ]
    assert (found[0].probability == found[1].probability).all()
    assert (found[0].return_time == found[1].return_time).all()
    assert (found[0].probability != found[2].probability).all()


def test_results_become_a_dataset(scalar):
    dataset = scalar.to_xarray()
    assert dataset.probability.dims == ("threshold",)
    assert set(dataset.data_vars) == {part.name for part in fields(scalar)} - {"thresholds"}


def test_a_tail_plot_draws_the_computed_survival_function(scalar):
    runs = simulate(SCALAR, [[1.0]], **ONE_NODE, n_steps=60, n_runs=2000, rng=0)
    ax = plots.tail_plot(runs, exceedance=scalar)
    bars = ax.containers[0]
    np.testing.assert_allclose(bars.lines[0].get_ydata(), scalar.probability)
    assert ax.get_xlim()[1] > 1e5


ROWS = EmpiricalRisk(losses.least_squares(), [[1.0], [2.0]], [0.0, 1.0], sampling="shuffle-once")
QUIET = GaussianRegression(dim=1, noise_std=0.0)
CLIPPED = algorithms.clipped(1.0)
BAD = [
    ({"thresholds": [3, 2]}, ValueError, "thresholds must be a list of positive numbers in increasing order"),
    ({"along": 1}, ValueError, "along must be an integer from 0 to 0, got 1"),
    ({"along": "nodes"}, TypeError, "along must be"),
    ({"along": lambda deviations: 1.0}, ValueError, "along must return one number for each of"),
    ({"radius": 0.0}, ValueError, "radius must be a positive finite number"),
    ({"rtol": 1.0}, ValueError, "rtol must be a number strictly between 0 and 1"),
    ({"n_particles": 100}, ValueError, "n_particles must be an integer ≥ 320, got 100"),
    ({"alpha": 2.9}, TypeError, "alpha must be a TailIndex, got 2.9"),
    ({"step_size": lambda k: 0.5 + 0 * k}, TypeError, "step_size must be constant for a stationary law"),
    (
        {"step_size": 3.0},
        ValueError,
        r"step_size must leave a stationary law, but here rho = .* is not below 0",
    ),
    ({"algorithm": CLIPPED}, ValueError, "algorithm must be linear or homogeneous, got clipped"),
    ({"problem": ROWS}, ValueError, "problem must not keep the permutation of its rows for ever"),
    (
        {"problem": GaussianRegression(dim=1, noise_std=0.0)},
        ValueError,
        "problem must have noise at its optimum",
    ),
]


@pytest.mark.parametrize(("changes", "error", "message"), BAD, ids=[next(iter(bad[0])) for bad in BAD])
def test_bad_input_is_refused_by_name(changes, error, message):
    arguments = {"problem": SCALAR, "W": [[1.0]], "thresholds": [3.0], **ONE_NODE} | changes
    if "problem" in changes and changes["problem"] is ROWS:
        arguments["alpha"] = tail(2.9)
    with pytest.raises(error, match=message):
        theory.exceedance(**arguments)


def test_excursions_on_rows_are_as_likely_as_simulated():
    problem = DatasetRegression([[1.0], [0.5], [2.2]], [1.0, 0.0, 1.0])
    options = {"step_size": 0.55, "batch_size": 1}
    found = theory.exceedance(problem, [[1.0]], [3, 10], **options, rtol=0.2, rng=0, threads=1)
    runs = simulate(
        problem, [[1.0]], **options, n_steps=200, n_runs=20_000, initial=problem.optimum, keep="norms", rng=1
    )
    seen = (runs.norms(stacked=True)[:, None] > found.thresholds).mean(axis=0)
    # Two comparisons at 5 standard errors: false alarm 1.2e-6.
    assert (np.abs(found.probability - seen) < 5 * np.hypot(found.stderr, np.sqrt(seen / 20_000))).all()


@pytest.mark.slow
def test_excursions_under_a_median_are_as_likely_as_simulated():
    median = algorithms.chain(algorithms.adapt_then_combine(), algorithms.coordinate_median())
    problem, server = GaussianRegression(dim=2), mixing.server(4)
    options = {"step_size": 0.8, "batch_size": 1, "algorithm": median}
    alpha = theory.tail_index(problem, server, **options, rtol=0.1, rng=0)
    found = theory.exceedance(problem, server, [1, 3, 10], **options, alpha=alpha, rtol=0.2, rng=1)
    # A million runs.
    seen, error = np.array([0.512614, 0.022676, 6.80e-5]), np.array([7.2e-4, 1.5e-4, 8.3e-6])
    # Three comparisons at 4.5 standard errors of 20 groups: false alarm below 1e-3.
    assert (np.abs(found.probability - seen) < 4.5 * np.hypot(found.stderr, error)).all()
    assert found.stderr[2] < 0.2 * found.probability[2]
