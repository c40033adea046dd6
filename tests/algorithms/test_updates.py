"""Update rules: each equals its recursion step by step, for every problem and engine, in both orders."""

import math

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from tests.truth import losses as truth
from tests.truth import simulation as reference

PATH = dsf.mixing_matrix(nx.path_graph(3)).toarray()
KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
ORDERS = ["combine-then-adapt", "adapt-then-combine"]
EXTRAS = {"weight_decay": 0.2, "clip_norm": 0.8, "local_steps": 3}

RULES = {
    "plain": (dsf.updates.plain, {}),
    "heavy ball": (dsf.updates.heavy_ball, {"momentum": 0.6}),
    "nesterov": (dsf.updates.nesterov, {"momentum": 0.6}),
    "gradient tracking": (dsf.updates.gradient_tracking, {}),
}
SCHEDULES = {
    "constant": 0.1,
    "per node": np.array([0.05, 0.1, 0.15]),
    "schedule": dsf.schedules.polynomial_decay(0.2),
    "schedule per node": lambda k: 0.1 / (1 + k[:, None]) * np.array([1.0, 2.0, 3.0]),
}


def rule_of(name: str, extras: dict) -> tuple[dsf.updates.Update, dict]:
    make, options = RULES[name]
    flags = {"nesterov": name == "nesterov", "tracking": name == "gradient tracking"}
    return make(**options, **extras), {**options, **extras, **flags}


def sizes(step_size: object, n_steps: int) -> np.ndarray:
    values = step_size(np.arange(n_steps)) if callable(step_size) else np.array([step_size] * n_steps)
    return np.asarray(values)


EXTRA_CASES = [{}, {"weight_decay": 0.2}, {"clip_norm": 0.8}, {"local_steps": 3}, EXTRAS]
every_extra = pytest.mark.parametrize("extras", EXTRA_CASES, ids=["none", *EXTRAS, "all"])


@pytest.mark.parametrize("name", RULES)
@every_extra
def test_steps_on_data_equal_the_recursion(name: str, extras: dict) -> None:
    generator = np.random.default_rng(3)
    features, targets = generator.standard_normal((14, 5)), generator.standard_normal(14)
    update, options = rule_of(name, extras)
    problem = dsf.EmpiricalRisk(dsf.losses.least_squares(), features, targets)
    start, part = generator.standard_normal((3, 5)), problem.partition(3)
    for order in ORDERS:
        for step_size in SCHEDULES.values():
            runs = dsf.simulate(
                problem,
                PATH,
                step_size=step_size,
                batch_size=2,
                n_steps=8,
                average_last=3,
                initial=start,
                n_runs=2,
                first_run=5,
                update=update,
                order=order,
                rng=1,
            )
            for run in range(2):

                def gradient(step: int, node: int, x: np.ndarray, run: int = 5 + run) -> np.ndarray:
                    a, y = (z[part.offsets[node] : part.offsets[node + 1]] for z in part[:2])
                    chosen = truth.batch("replacement", KEY, len(y), 2, step, node, run)
                    return reference.data_gradient(x, a[chosen], y[chosen], 0.0)

                path = truth.run(
                    start, PATH, sizes(step_size, 8), gradient, 8, adapt_first=order == ORDERS[1], **options
                )
                np.testing.assert_allclose(runs.final[run], path[-1], rtol=0, atol=1e-12)
                np.testing.assert_allclose(runs.average[run], path[-3:].mean(axis=0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
@every_extra
@pytest.mark.parametrize("engine", ["collapsed", "direct"])
def test_gaussian_steps_equal_the_recursion(name: str, extras: dict, engine: str) -> None:
    covariance, optimum = np.array([[2.0, 0.7], [0.7, 1.0]]), np.array([1.0, -2.0])
    problem = dsf.GaussianRegression(dim=2, covariance=covariance, optimum=optimum, noise_std=0.5)
    update, options = rule_of(name, extras)
    start = np.array([[3.0, 0.0], [0.0, 1.0], [1.0, -2.0]])
    basis, root = problem.basis, np.sqrt(problem.eigenvalues)
    for order in ORDERS:
        for step_size in (SCHEDULES["per node"], SCHEDULES["schedule"]):
            runs = dsf.simulate(
                problem,
                PATH,
                step_size=step_size,
                batch_size=3,
                n_steps=8,
                average_last=3,
                initial=start,
                n_runs=3,
                first_run=63,
                update=update,
                order=order,
                engine=engine,
                rng=1,
            )
            for run in range(3):

                def gradient(step: int, node: int, x: np.ndarray, run: int = 63 + run) -> np.ndarray:
                    error = basis.T @ (x - optimum)
                    if engine == "direct":
                        drawn = reference.samples(KEY, step, node, run, 3, 2)
                        return basis @ reference.sampled_gradient(
                            error, drawn[:, :2], drawn[:, -1], 1.0, 0.5, root
                        )
                    drawn = reference.directions(KEY, step, run, 3, 2)
                    zeta = drawn[node]
                    chi = reference.chi_square(KEY, 3, step, node, run)
                    return basis @ reference.collapsed_gradient(error, zeta, chi, 1.0, 0.5, 3, root)

                path = truth.run(
                    start, PATH, sizes(step_size, 8), gradient, 8, adapt_first=order == ORDERS[1], **options
                )
                np.testing.assert_allclose(runs.final[run], path[-1], rtol=0, atol=1e-11)
                np.testing.assert_allclose(runs.average[run], path[-3:].mean(axis=0), rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", RULES)
def test_same_bits_for_any_threads_cut_and_neighbours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from desgd_fast.simulation import experiment as simulation

    update, _ = rule_of(name, EXTRAS)
    generator = np.random.default_rng(3)
    data = dsf.EmpiricalRisk(
        dsf.losses.least_squares(),
        generator.standard_normal((14, 5)),
        generator.standard_normal(14),
        sampling="flip-flop",
    )
    for problem in (data, dsf.GaussianRegression(dim=5)):

        def simulate(problem: object = problem, **options: object) -> np.ndarray:
            defaults = {"step_size": 0.1, "batch_size": 2, "n_steps": 13, "n_runs": 70, "rng": 1}
            return dsf.simulate(problem, PATH, update=update, **{**defaults, **options}).final

        whole = simulate()
        np.testing.assert_array_equal(simulate(threads=1), whole)
        np.testing.assert_array_equal(simulate(first_run=65, n_runs=2), whole[65:67])
        with monkeypatch.context() as patch:
            patch.setattr(simulation, "_STATE_BYTES", 1)
            patch.setattr(simulation, "_CALL_VARIATES", 1)
            np.testing.assert_array_equal(simulate(), whole)


def test_the_plain_rule_told_otherwise_gives_the_same_gaussian_runs() -> None:
    # Wide enough for as many runs side by side under any rule, hence for the same random numbers.
    problem = dsf.GaussianRegression(dim=70, noise_std=0.5)
    options = {"batch_size": 2, "n_steps": 20, "n_runs": 70, "rng": 1}
    for engine in ("collapsed", "direct"):
        usual = dsf.simulate(problem, PATH, step_size=0.02, engine=engine, **options)
        scheduled = dsf.simulate(
            problem, PATH, step_size=lambda k: np.full(k.size, 0.02), engine=engine, **options
        )
        np.testing.assert_allclose(scheduled.final, usual.final, rtol=0, atol=1e-13)


def test_gradient_tracking_finds_the_common_optimum_where_plain_steps_do_not() -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((30, 2))
    targets = features.sum(axis=1) + generator.standard_normal(30)
    problem = dsf.DatasetRegression(features, targets, assignment="sorted", replacement=False)
    options = {"step_size": 0.1, "batch_size": 10, "n_steps": 3000, "rng": 0}
    plain = dsf.simulate(problem, PATH, **options).norms()
    for order in ORDERS:
        tracked = dsf.simulate(
            problem, PATH, update=dsf.updates.gradient_tracking(), order=order, **options
        ).norms()
        assert tracked.max() < 1e-12
    assert plain.min() > 1e-3


def test_schedules_are_what_they_say() -> None:
    k = np.arange(100)
    np.testing.assert_allclose(dsf.schedules.polynomial_decay(2.0, power=1.0, offset=4.0)(k), 2 / (1 + k / 4))
    assert dsf.schedules.step_decay(1.0, factor=0.5, every=30)(k)[[0, 29, 30, 59, 60]].tolist() == [
        1.0,
        1.0,
        0.5,
        0.5,
        0.25,
    ]
    cosine = dsf.schedules.cosine_decay(1.0, n_steps=50, final=0.1)(k)
    np.testing.assert_allclose(cosine[[0, 25, 50, 99]], [1.0, 0.55, 0.1, 0.1])
    warmed = dsf.schedules.warm_up(lambda k: 1.0 / (1 + k), n_steps=10)(k)
    np.testing.assert_allclose(warmed[[0, 9, 10, 11]], [1 / 11, 10 / 11, 1.0, 0.5])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dsf.updates.heavy_ball(1.0), ValueError, "momentum must be a number from 0 to below 1"),
        (lambda: dsf.updates.heavy_ball("big"), TypeError, "momentum must be"),
        (lambda: dsf.updates.plain(weight_decay=-1.0), ValueError, "weight_decay must be"),
        (lambda: dsf.updates.plain(clip_norm=0.0), ValueError, "clip_norm must be"),
        (lambda: dsf.updates.plain(clip_norm=math.nan), ValueError, "clip_norm must be"),
        (lambda: dsf.updates.plain(local_steps=0), ValueError, "local_steps must be"),
        (lambda: dsf.updates.Update(momentum=0.5, tracking=True), ValueError, "tracking excludes momentum"),
        (lambda: dsf.schedules.step_decay(1.0, factor=0.5, every=0), ValueError, "every must be"),
        (lambda: dsf.schedules.cosine_decay(0.0, n_steps=5), ValueError, "initial must be"),
    ],
)
def test_bad_rules_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"update": "heavy ball"}, TypeError, "update must be a Update"),
        ({"step_size": lambda k: np.ones(3)}, ValueError, r"step_size must return shape \(8,\) or \(8, 3\)"),
        ({"step_size": lambda k: -1.0 * k}, ValueError, "step_size must return step sizes of at least 0"),
        ({"step_size": lambda k: k / 0.0}, ValueError, r"step_size\(k\) must be finite"),
        (
            {"engine": "gram", "keep": "norms", "update": dsf.updates.heavy_ball()},
            ValueError,
            "engine='gram' needs the plain update",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_steps_are_refused(change: dict, error: type, message: str) -> None:
    options = {"step_size": 0.1, "batch_size": 1, "n_steps": 8, **change}
    with pytest.raises(error, match=message):
        dsf.simulate(dsf.GaussianRegression(dim=20), PATH, **options)
