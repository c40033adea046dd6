"""Losses: values equal formulas, derivatives a complex step of them, and simulated steps the plain truth."""

import math
import re
from math import exp, tanh

import networkx as nx
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast.common.warnings import DivergenceWarning, OptimumWarning
from desgd_fast.kernels.gradients import oracles
from tests.truth import losses as truth

PATH = dsf.mixing_matrix(nx.path_graph(3)).toarray()
KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
SIGNS, REALS, CLASSES = (-1.0, 1.0), None, (0.0, 1.0, 2.0)

LOSSES = {
    "least squares": (dsf.losses.least_squares(), truth.least_squares, (0.0,), REALS),
    "ridge": (dsf.losses.ridge(0.3), truth.least_squares, (0.3,), REALS),
    "logistic": (dsf.losses.logistic(0.1), truth.logistic, (0.1,), SIGNS),
    "multinomial": (dsf.losses.multinomial(3, 0.1), truth.multinomial, (0.1, 3), CLASSES),
    "huber": (dsf.losses.huber(0.7, 0.1), truth.huber, (0.1, 0.7), REALS),
    "welsch": (dsf.losses.welsch(1.5, 0.1), truth.welsch, (0.1, 1.5), REALS),
    "tukey": (dsf.losses.tukey(1.5, 0.1), truth.tukey, (0.1, 1.5), REALS),
    "quantile": (dsf.losses.quantile(0.8, 0.1), truth.quantile, (0.1, 0.8), REALS),
}
every_loss = pytest.mark.parametrize(("loss", "formula", "parameters", "labels"), LOSSES.values(), ids=LOSSES)


def sample(loss: dsf.Loss, labels: tuple | None, n_features: int, seed: int) -> tuple:
    generator = np.random.default_rng(seed)
    a, x = generator.standard_normal(n_features), generator.standard_normal(loss.outputs * n_features)
    y = float(generator.choice(labels)) if labels else float(2 * generator.standard_normal())
    return x, a, y


@every_loss
@given(n_features=st.integers(1, 6), seed=st.integers(0, 2**32))
def test_values_and_derivatives_equal_the_formula(
    loss: dsf.Loss, formula: object, parameters: tuple, labels: tuple | None, n_features: int, seed: int
) -> None:
    x, a, y = sample(loss, labels, n_features, seed)

    def plain(z: np.ndarray) -> complex:
        return formula(z, a, y, *parameters)

    np.testing.assert_allclose(loss.value(x, a, y), plain(x.astype(complex)).real, rtol=1e-12, atol=1e-14)
    out = np.full(x.size, np.nan)
    loss.gradient(x, a, y, out)
    np.testing.assert_allclose(out, truth.complex_step(plain, x), rtol=1e-11, atol=1e-13)
    matrix = np.full((x.size, x.size), np.nan)
    loss.hessian(x, a, y, matrix)
    h = 1e-6
    for i, direction in enumerate(np.eye(x.size)):
        ends = [truth.complex_step(plain, x + sign * h * direction) for sign in (1, -1)]
        change = (ends[0] - ends[1]) / (2 * h)
        # Unless a kink lies between the ends, as one in a million draws may have it.
        np.testing.assert_allclose(matrix[i], change, rtol=0, atol=1e-7 * max(1, np.abs(matrix).max()))


@pytest.mark.parametrize("name", ["logistic", "multinomial", "huber"])
def test_gradients_equal_automatic_differentiation(name: str) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    loss, _, parameters, labels = LOSSES[name]
    x, a, y = sample(loss, labels, 4, 5)
    formula = {
        "logistic": lambda x: jax.numpy.logaddexp(0.0, -y * (a @ x)),
        "multinomial": lambda x: -jax.nn.log_softmax(x.reshape(3, -1) @ a)[int(y)],
        "huber": lambda x: jax.numpy.where(
            abs(a @ x - y) <= 0.7, (a @ x - y) ** 2 / 2, 0.7 * (abs(a @ x - y) - 0.35)
        ),
    }[name]
    out = np.empty(x.size)
    loss.gradient(x, a, y, out)
    slope = jax.grad(lambda x: formula(x) + parameters[0] / 2 * (x @ x))(x)
    np.testing.assert_allclose(out, slope, rtol=1e-12, atol=1e-14)


def test_extreme_margins_overflow_nowhere() -> None:
    a = np.array([1.0])
    for loss, labels in ((dsf.losses.logistic(), (-1.0, 1.0)), (dsf.losses.multinomial(2), (0.0, 1.0))):
        for y in labels:
            for scale in (-1e4, 1e4):
                x = np.linspace(-scale, scale, loss.outputs) if loss.outputs > 1 else np.array([scale])
                out = np.empty(x.size)
                loss.gradient(x, a, y, out)
                assert np.isfinite(out).all()
                assert np.abs(out).max() <= 1
                assert np.isfinite(loss.value(x, a, y))


@pytest.mark.parametrize("make", [dsf.losses.welsch, dsf.losses.tukey])
def test_robust_losses_are_convex_outside_a_ball_only(make: object) -> None:
    loss, a, matrix = make(1.0, ridge=0.1), np.array([1.0]), np.empty((1, 1))
    curvatures = []
    for x in np.linspace(-10, 10, 401):
        loss.hessian(np.array([x]), a, 0.0, matrix)
        curvatures.append(matrix[0, 0])
    inner = np.abs(np.linspace(-10, 10, 401)) < 3
    curvatures = np.array(curvatures)
    assert curvatures[inner].min() < 0
    assert curvatures[~inner].min() > 0.09


def rows(loss: dsf.Loss, labels: tuple | None, n_rows: int = 23, n_features: int = 3, seed: int = 3) -> tuple:
    generator = np.random.default_rng(seed)
    features = generator.standard_normal((n_rows, n_features))
    targets = (
        generator.choice(labels, n_rows)
        if labels
        else features.sum(axis=1) + generator.standard_normal(n_rows)
    )
    return features, targets


@every_loss
def test_risk_and_its_gradient_are_means_over_all_rows(
    loss: dsf.Loss, formula: object, parameters: tuple, labels: tuple | None
) -> None:
    features, targets = rows(loss, labels)
    problem = dsf.EmpiricalRisk(loss, features, targets, reference=np.zeros(3 * loss.outputs))
    x = np.random.default_rng(0).standard_normal(problem.dim)

    def mean(z: np.ndarray) -> complex:
        return np.mean([formula(z, a, y, *parameters) for a, y in zip(features, targets, strict=True)])

    np.testing.assert_allclose(problem.value(x), mean(x.astype(complex)).real, rtol=1e-12)
    np.testing.assert_allclose(problem.gradient(x), truth.complex_step(mean, x), rtol=0, atol=1e-12)


def mean_gradients(
    loss: dsf.Loss, points: np.ndarray, counts: np.ndarray, features: np.ndarray, targets: np.ndarray
) -> np.ndarray:
    """Mean gradients at points[i] over the first counts[i] rows, as the step loops add them up."""
    out = np.zeros(points.shape)
    oracles.evaluate_gradients(loss.oracle, points, np.zeros_like(counts), counts, features, targets, out)
    return out


@pytest.mark.parametrize("width", [*range(1, 18), 64])
@pytest.mark.parametrize("name", ["logistic", "multinomial"])
def test_gradients_touch_their_own_coordinates_whatever_the_width(name: str, width: int) -> None:
    loss, _, _, labels = LOSSES[name]
    counts = np.arange(1, 19)
    _, targets = rows(loss, labels, counts.size)
    generator = np.random.default_rng(width)
    # What lies behind the last row must not be read, nor what lies behind a point be written.
    features = np.full((counts.size + 1, width), np.nan)
    features[:-1] = generator.standard_normal((counts.size, width))
    points = generator.standard_normal((counts.size, loss.outputs * width))
    expected, out = np.zeros(points.shape), np.empty(points.shape[1])
    for i, count in enumerate(counts):
        for a, y in zip(features[:count], targets[:count], strict=True):
            loss.gradient(points[i], a, y, out)
            expected[i] += out / count
    found = mean_gradients(loss, points, counts, features[:-1], targets)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * width)


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 15, 16, 17, 64])
@pytest.mark.parametrize("name", ["logistic", "multinomial"])
def test_a_linear_model_steps_as_its_whole_gradient_does(name: str, width: int) -> None:
    loss, _, _, labels = LOSSES[name]
    features, targets = rows(loss, labels, 60, width)
    whole = dsf.Loss(loss.gradient, loss.value, outputs=loss.outputs, labels=loss.labels)
    W = dsf.mixing_matrix(nx.cycle_graph(10))
    origin = np.zeros(loss.outputs * width)
    batch_size = [1, 2, 3, 4, 5, 6, 4, 5, 6, 1]
    finals = [
        dsf.simulate(
            dsf.EmpiricalRisk(one, features, targets, reference=origin),
            W,
            step_size=0.1,
            batch_size=batch_size,
            n_steps=20,
            n_runs=2,
            rng=KEY,
            keep="all",
        ).final
        for one in (loss, whole)
    ]
    np.testing.assert_allclose(finals[0], finals[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["logistic", "multinomial"])
def test_a_linear_model_takes_the_same_steps_for_any_threads_and_any_cut(name: str) -> None:
    loss, _, _, labels = LOSSES[name]
    features, targets = rows(loss, labels, 130, 13)
    problem = dsf.EmpiricalRisk(loss, features, targets, reference=np.zeros(loss.outputs * 13))
    W = dsf.mixing_matrix(nx.cycle_graph(13))

    def final(n_runs: int, first_run: int, threads: int) -> np.ndarray:
        runs = dsf.simulate(
            problem,
            W,
            step_size=0.2,
            batch_size=9,
            n_steps=30,
            n_runs=n_runs,
            first_run=first_run,
            rng=KEY,
            keep="all",
            threads=threads,
        )
        return runs.final

    whole = final(5, 0, 1)
    np.testing.assert_array_equal(final(5, 0, 2), whole)
    np.testing.assert_array_equal(np.concatenate([final(2, 0, 2), final(3, 2, 1)]), whole)


@pytest.mark.parametrize("margin", [1.0, 699.0, 709.0, 745.0, 1e4, 1e300, np.inf])
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_slopes_of_extreme_margins_are_the_limits(margin: float) -> None:
    features, targets = np.ones((3, 1)), np.array([1.0, -1.0, 1.0])
    counts = np.arange(1, 4)
    for sign in (-1.0, 1.0):
        points = np.full((3, 1), sign * margin)
        slopes = -targets / (1 + np.exp(targets * sign * margin))
        expected = slopes.cumsum() / counts
        found = mean_gradients(dsf.losses.logistic(), points, counts, features, targets)
        np.testing.assert_allclose(found[:, 0], expected, rtol=1e-14, atol=5e-324)


@pytest.mark.parametrize("name", ["least squares", "logistic", "multinomial", "huber", "welsch"])
def test_nan_passes_through_every_link(name: str) -> None:
    loss, _, _, labels = LOSSES[name]
    features, targets = rows(loss, labels, 20)
    points = np.zeros((2, 3 * loss.outputs))
    points[1] = np.nan
    found = mean_gradients(loss, points, np.array([19, 19]), features, targets)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize("name", ["logistic", "multinomial"])
def test_a_ridge_that_overflows_is_divergence(name: str) -> None:
    loss, _, _, labels = LOSSES[name]
    features, targets = rows(loss, labels, 20)
    problem = dsf.EmpiricalRisk(loss, features, targets, reference=np.zeros(3 * loss.outputs))
    with pytest.warns(DivergenceWarning):
        runs = dsf.simulate(problem, PATH, step_size=1e9, batch_size=2, n_steps=100, n_runs=3, rng=KEY)
    assert runs.diverged.all()


@pytest.mark.parametrize("name", ["logistic", "multinomial", "huber", "welsch"])
def test_optimum_is_stationary(name: str) -> None:
    loss, _, _, labels = LOSSES[name]
    problem = dsf.EmpiricalRisk(loss, *rows(loss, labels))
    assert np.linalg.norm(problem.gradient(problem.optimum)) < 1e-12
    nearby = problem.optimum + 1e-3 * np.random.default_rng(0).standard_normal((20, problem.dim))
    assert min(problem.value(x) for x in nearby) > problem.value(problem.optimum)


def test_least_squares_optimum_is_the_closed_one() -> None:
    features, targets = rows(dsf.losses.least_squares(), None)
    for ridge in (0.0, 0.3):
        loss = dsf.losses.ridge(ridge) if ridge else dsf.losses.least_squares()
        closed = dsf.DatasetRegression(features, targets, ridge=ridge).optimum
        np.testing.assert_allclose(dsf.EmpiricalRisk(loss, features, targets).optimum, closed, atol=1e-12)


def test_a_search_that_does_not_settle_says_so() -> None:
    data = np.ones((4, 1)), np.array([0.0, 1.0, 5.0, 7.0])
    with pytest.warns(OptimumWarning, match="pass reference="):
        _ = dsf.EmpiricalRisk(dsf.losses.quantile(0.3), *data).optimum
    assert dsf.EmpiricalRisk(dsf.losses.quantile(0.3), *data, reference=[1.0]).optimum.tolist() == [1.0]


# The user's own


@numba.njit
def cauchy_gradient(x, a, y, out):
    r = -y
    for j in range(a.size):
        r += a[j] * x[j]
    for j in range(a.size):
        out[j] = r / (1 + r * r) * a[j]


@numba.njit
def cauchy_value(x, a, y):
    r = -y
    for j in range(a.size):
        r += a[j] * x[j]
    return 0.5 * np.log(1 + r * r)


def test_a_users_loss_steps_as_the_plain_truth_does() -> None:
    loss = dsf.Loss(gradient=cauchy_gradient, value=cauchy_value)
    features, targets = rows(loss, None)
    problem = dsf.EmpiricalRisk(loss, features, targets)
    runs = dsf.simulate(
        problem, PATH, step_size=0.2, batch_size=2, n_steps=7, n_runs=2, rng=1, average_last=3
    )
    part = problem.partition(3)
    for run in range(2):

        def gradient(step: int, node: int, x: np.ndarray, run: int = run) -> np.ndarray:
            first, last = part.offsets[node : node + 2]
            chosen = truth.batch("replacement", KEY, last - first, 2, step, node, run)
            a, y = part.features[first:last][chosen], part.targets[first:last][chosen]
            r = a @ x - y
            return (r / (1 + r**2)) @ a / 2

        path = truth.run(np.zeros((3, 3)), PATH, [0.2] * 7, gradient, 7)
        np.testing.assert_allclose(runs.final[run], path[-1], rtol=0, atol=1e-12)
        np.testing.assert_allclose(runs.average[run], path[-3:].mean(axis=0), rtol=0, atol=1e-12)


# Functions within a user's functions


@numba.njit
def by_attribute(s, y):
    return np.exp(s) + math.exp(y) + np.tanh(s) + math.tanh(y)


@numba.njit
def by_name(s, y):
    return exp(s) + exp(y) + tanh(s) + tanh(y)


@numba.njit
def by_another_function(s, y):
    return by_attribute(s, y)


@numba.njit
def by_a_closure(s, y):
    def inner(z):
        return math.exp(z) + math.tanh(z)

    return inner(s) + inner(y)


@numba.njit
def of_arrays_and_integers(s, y):
    both = np.array([s, y])
    return (np.exp(both) + np.tanh(both)).sum() + 0.0 * (math.exp(1) + np.exp(np.float32(1)) + np.tanh(2))


@numba.njit
def with_an_array_to_fill(s, y):
    out = np.empty(2)
    np.exp(np.array([s, y]), out)
    return out.sum() + np.tanh(s) + np.tanh(y)


@pytest.mark.parametrize(
    "function",
    [by_attribute, by_name, by_another_function, by_a_closure, of_arrays_and_integers, with_an_array_to_fill],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_functions_within_a_slope_mean_what_they_mean_elsewhere(function: object) -> None:
    slope = oracles.link_slopes(function)
    scores = np.array([0.0, -1.5, 700.0, -740.0, 710.0, -np.inf, np.inf, np.nan])
    labels = np.linspace(-3, 3, scores.size)
    expected = np.exp(scores) + np.exp(labels) + np.tanh(scores) + np.tanh(labels)
    call_link(slope, scores, labels, scores.size)
    np.testing.assert_allclose(scores, expected, rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("function", [by_attribute, by_name, by_another_function, by_a_closure])
def test_a_slope_leaves_no_call_that_breaks_its_loop(function: object) -> None:
    assert not re.search(r"call double @\S*(exp|tanh)", oracles.link_slopes(function).inspect_llvm())
    assert re.search(r"call double @\S*exp", numba.cfunc("f8(f8, f8)")(by_attribute.py_func).inspect_llvm())


@numba.njit
def call_link(link, scores, labels, n):
    link(scores, labels, n, 1)


@numba.njit("float64(int64)")
def of_an_integer(k):
    return 2.0 * k


@numba.njit
def by_a_conversion(s, y):
    return of_an_integer(s)


def test_signatures_of_a_helper_still_convert() -> None:
    scores = np.array([2.7, -1.2])
    call_link(oracles.link_slopes(by_a_conversion), scores, np.zeros(2), 2)
    np.testing.assert_array_equal(scores, [4.0, -2.0])


@numba.njit
def leaves_numba(s, y):
    with numba.objmode(r="float64"):
        r = math.exp(s)
    return r


@pytest.mark.filterwarnings("ignore:Code running in object mode")
def test_a_slope_may_leave_compiled_code() -> None:
    scores = np.array([0.0, 1.0])
    call_link(oracles.link_slopes(leaves_numba), scores, np.zeros(2), 2)
    np.testing.assert_array_equal(scores, [1.0, math.e])


@numba.njit
def descending(s, y):
    return s if s < 1.0 else descending(s - 1.0, y)


def test_a_slope_may_call_itself() -> None:
    scores = np.array([0.25, 1.5, 7.75])
    call_link(oracles.link_slopes(descending), scores, np.zeros(3), 3)
    np.testing.assert_array_equal(scores, [0.25, 0.5, 0.75])


# Bad input


@numba.njit
def three_arguments(x, a, y):
    return 0.0


@numba.njit
def writes_nan(x, a, y, out):
    out[:] = a
    out[0] = np.nan


@numba.njit
def leaves_a_hole(x, a, y, out):
    out[0] = a[0]


@numba.njit
def does_not_compile(x, a, y, out):
    out[0] = a.no_such_attribute


@numba.njit
def adds_lists(x, a, y, out):
    out[0] = [a[0]] * y


@numba.njit
def raises(x, a, y, out):
    if y > 0:
        raise ValueError("positive")
    out[:] = a


def plain_python(x, a, y, out):
    out[:] = a


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (
            three_arguments,
            TypeError,
            r"compiled function gradient\(x, a, y, out\), got one with arguments \(x, a, y\)",
        ),
        (plain_python, TypeError, r"gradient must be a function gradient\(x, a, y, out\).*@numba.njit above"),
        (np.add, TypeError, r"gradient must be a function gradient\(x, a, y, out\) compiled"),
        (None, TypeError, r"gradient must be a function gradient\(x, a, y, out\) compiled"),
        (
            writes_nan,
            ValueError,
            r"gradient must give finite.*gradient\(x, a, y, out\), but.*entry 0 of 3",
        ),
        (leaves_a_hole, ValueError, r"gradient must give finite numbers in every entry.*entry 1 of 3"),
        (
            does_not_compile,
            TypeError,
            r"must compile as gradient\(x, a, y, out\).*no_such_attribute",
        ),
        (adds_lists, TypeError, r"found for signature: mul\(list\(float64\)<iv=None>, float64\)"),
        (raises, ValueError, r"gradient must give finite.*or raised an error there"),
    ],
)
def test_bad_gradients_are_refused_with_the_signature_to_write(
    gradient: object, error: type, message: str
) -> None:
    features, targets = rows(LOSSES["ridge"][0], None)
    with pytest.raises(error, match=message):
        dsf.EmpiricalRisk(dsf.Loss(gradient=gradient, value=cauchy_value), features, targets)


@numba.njit
def gives_up_far_out(x, a, y, out):
    if abs(x[0]) > 0.1:
        raise ValueError("too far")
    out[:] = a


def test_a_gradient_that_raises_in_the_middle_of_a_run_is_divergence() -> None:
    loss = dsf.Loss(gradient=gives_up_far_out, value=cauchy_value)
    problem = dsf.EmpiricalRisk(loss, np.ones((6, 2)), np.zeros(6), reference=np.zeros(2))
    with pytest.warns(DivergenceWarning):
        runs = dsf.simulate(problem, PATH, step_size=0.01, batch_size=1, n_steps=30, n_runs=2, rng=0)
    assert runs.diverged.all()
    assert not dsf.simulate(
        problem, PATH, step_size=0.01, batch_size=1, n_steps=5, n_runs=2, rng=0
    ).diverged.any()


@numba.njit
def is_nan(s, y):
    return np.nan


@numba.njit
def is_nothing(s, y):
    pass


def test_bad_functions_of_a_linear_model_are_refused_by_their_names() -> None:
    features, targets = rows(LOSSES["ridge"][0], None)
    ready = LOSSES["ridge"][0]

    def problem(slope: object, curvature: object) -> dsf.EmpiricalRisk:
        loss = dsf.losses.linear_model(by_attribute, slope, curvature)
        return dsf.EmpiricalRisk(loss, features, targets)

    with pytest.raises(ValueError, match=r"slope must give finite numbers .* as slope\(s, y\)"):
        problem(is_nan, None)
    with pytest.raises(TypeError, match=r"slope must compile as slope\(s, y\)"):
        problem(is_nothing, None)
    with pytest.raises(ValueError, match=r"curvature must give finite numbers .* as curvature\(s, y\)"):
        _ = problem(by_name, is_nan).optimum
    with pytest.raises(TypeError, match=r"slope must be a function slope\(s, y\) compiled"):
        dsf.Loss(ready.gradient, ready.value, slope=lambda s, y: s)
    with pytest.raises(ValueError, match="ridge must be"):
        dsf.Loss(ready.gradient, ready.value, slope=by_name, ridge=-1.0)


def test_bad_labels_and_losses_are_refused() -> None:
    features = np.ones((3, 1))
    with pytest.raises(ValueError, match=r"targets must be among -1, 1 for this loss, got 0 in row 1"):
        dsf.EmpiricalRisk(dsf.losses.logistic(), features, [1.0, 0.0, -1.0])
    with pytest.raises(ValueError, match=r"targets must be among 0, 1, 2 for this loss, got 3 in row 2"):
        dsf.EmpiricalRisk(dsf.losses.multinomial(3), features, [1.0, 0.0, 3.0])
    with pytest.raises(TypeError, match="loss must be a Loss"):
        dsf.EmpiricalRisk(cauchy_gradient, features, [1.0, 0.0, 3.0])
    with pytest.raises(TypeError, match=r"value must be a compiled function value\(x, a, y\)"):
        dsf.Loss(gradient=cauchy_gradient, value=writes_nan)
    for make, argument in (
        (lambda: dsf.losses.ridge(-1.0), "ridge"),
        (lambda: dsf.losses.multinomial(1), "n_classes"),
        (lambda: dsf.losses.huber(0.0), "threshold"),
        (lambda: dsf.losses.welsch(0.0), "scale"),
        (lambda: dsf.losses.quantile(1.0), "level"),
    ):
        with pytest.raises(ValueError, match=f"{argument} must be"):
            make()
