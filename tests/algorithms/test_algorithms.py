"""Algorithms: each equals its recursion step by step, for every problem and engine, in both orders."""

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms
from desgd_fast.simulation import Runs
from tests.harness import ORDERS, ordered
from tests.truth import losses as truth
from tests.truth import simulation as reference

PATH = dsf.mixing_matrix(nx.path_graph(3)).toarray()
KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
EXTRAS = {"weight_decay": 0.2, "clip_norm": 0.8, "local_steps": 3}

RULES = {
    "plain": (algorithms.sgd, {}),
    "heavy ball": (algorithms.heavy_ball, {"momentum": 0.6}),
    "nesterov": (algorithms.nesterov, {"momentum": 0.6}),
    "gradient tracking": (algorithms.gradient_tracking, {}),
}
SCHEDULES = {
    "constant": 0.1,
    "per node": np.array([0.05, 0.1, 0.15]),
    "schedule": dsf.schedules.polynomial_decay(0.2),
    "schedule per node": lambda k: 0.1 / (1 + k[:, None]) * np.array([1.0, 2.0, 3.0]),
}


EXTRA_PARTS = {
    "clip_norm": algorithms.clipped,
    "weight_decay": algorithms.weight_decay,
    "local_steps": algorithms.local_steps,
}


def rule_of(name: str, extras: dict, order: str = ORDERS[0]) -> tuple[algorithms.Algorithm, dict]:
    """The algorithm, and the options of its truth."""
    make, options = RULES[name]
    flags = {"nesterov": name == "nesterov", "tracking": name == "gradient tracking"}
    before = [part(extras[extra]) for extra, part in EXTRA_PARTS.items() if extra in extras]
    return algorithms.chain(*before, make(**options), ordered(order)), {**options, **extras, **flags}


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
    problem = dsf.EmpiricalRisk(dsf.losses.least_squares(), features, targets)
    start, part = generator.standard_normal((3, 5)), problem.partition(3)
    for order in ORDERS:
        algorithm, options = rule_of(name, extras, order)
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
                algorithm=algorithm,
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
    start = np.array([[3.0, 0.0], [0.0, 1.0], [1.0, -2.0]])
    basis, root = problem.basis, np.sqrt(problem.eigenvalues)
    for order in ORDERS:
        algorithm, options = rule_of(name, extras, order)
        if algorithm.plain:
            continue  # told with the engines
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
                algorithm=algorithm,
                engine=engine,
                rng=1,
            )
            for run in range(3):

                def gradient(step: int, node: int, x: np.ndarray, run: int = 63 + run) -> np.ndarray:
                    error = basis.T @ (x - optimum)
                    if engine == "direct":
                        drawn = np.stack(
                            [reference.normal_vector(KEY, 3, 2 * q, step, node, run) for q in range(3)]
                        )
                        return basis @ reference.sampled_gradient(
                            error, drawn[:, :2], drawn[:, -1], 1.0, 0.5, root
                        )
                    zeta = reference.normal_vector(KEY, 2, 0, step, node, run)
                    chi = reference.chi_square(KEY, 3, step, node, run)
                    return basis @ reference.collapsed_gradient(error, zeta, chi, 1.0, 0.5, 3, root)

                path = truth.run(
                    start, PATH, sizes(step_size, 8), gradient, 8, adapt_first=order == ORDERS[1], **options
                )
                np.testing.assert_allclose(runs.final[run], path[-1], rtol=0, atol=1e-11)
                np.testing.assert_allclose(runs.average[run], path[-3:].mean(axis=0), rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", RULES)
def test_same_bits_for_any_threads_cut_and_neighbours(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from desgd_fast.simulation import running as simulation

    algorithm, _ = rule_of(name, EXTRAS)
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
            return dsf.simulate(problem, PATH, algorithm=algorithm, **{**defaults, **options}).final

        whole = simulate()
        np.testing.assert_array_equal(simulate(threads=1), whole)
        np.testing.assert_array_equal(simulate(first_run=65, n_runs=2), whole[65:67])
        with monkeypatch.context() as patch:
            patch.setattr(simulation, "_STATE_BYTES", 1)
            patch.setattr(simulation, "_CALL_VARIATES", 1)
            np.testing.assert_array_equal(simulate(), whole)


def test_gradient_tracking_finds_the_common_optimum_where_plain_steps_do_not() -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((30, 2))
    targets = features.sum(axis=1) + generator.standard_normal(30)
    problem = dsf.DatasetRegression(features, targets, assignment="sorted", replacement=False)
    options = {"step_size": 0.1, "batch_size": 10, "n_steps": 3000, "rng": 0}
    plain = dsf.simulate(problem, PATH, **options).norms()
    for order in ORDERS:
        tracked = dsf.simulate(
            problem,
            PATH,
            algorithm=algorithms.chain(algorithms.gradient_tracking(), ordered(order)),
            **options,
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
        (lambda: algorithms.heavy_ball(1.0), ValueError, "momentum must be a number from 0 to below 1"),
        (lambda: algorithms.heavy_ball("big"), TypeError, "momentum must be"),
        (lambda: algorithms.weight_decay(-1.0), ValueError, "rate must be"),
        (lambda: algorithms.clipped(0.0), ValueError, "norm must be"),
        (lambda: algorithms.clipped(math.nan), ValueError, "norm must be"),
        (lambda: algorithms.local_steps(0), ValueError, "count must hold"),
        (lambda: algorithms.bernoulli(0.0), ValueError, "probability must hold"),
        (lambda: algorithms.bernoulli([0.5, 1.5]), ValueError, "probability must hold"),
        (
            lambda: algorithms.chain(algorithms.heavy_ball(0.5), algorithms.gradient_tracking()),
            ValueError,
            r"heavy_ball\(0.5\) and gradient_tracking\(\) exclude each other",
        ),
        (
            lambda: algorithms.chain(algorithms.local_steps(2), algorithms.local_steps(3)),
            ValueError,
            "local steps must be given once, got 2 and 3",
        ),
        (
            lambda: algorithms.chain(ordered(ORDERS[0]), ordered(ORDERS[1])),
            ValueError,
            "order must be given once",
        ),
        (lambda: algorithms.chain("sgd"), TypeError, r"algorithms\[0\] must be a Algorithm"),
        (lambda: algorithms.local_rule(3), TypeError, "function must be a function"),
        (lambda: algorithms.local_rule(print, degree="cubic"), ValueError, "degree must be one of"),
        (lambda: algorithms.local_rule(print, memory=1, mixed=2), ValueError, "mixed must be"),
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
        ({"algorithm": "heavy ball"}, TypeError, "algorithm must be a Algorithm"),
        ({"step_size": lambda k: np.ones(3)}, ValueError, r"step_size must return shape \(8,\) or \(8, 3\)"),
        ({"step_size": lambda k: -1.0 * k}, ValueError, "step_size must return step sizes of at least 0"),
        ({"step_size": lambda k: k / 0.0}, ValueError, r"step_size\(k\) must be finite"),
        (
            {"engine": "gram", "keep": "norms", "algorithm": algorithms.heavy_ball()},
            ValueError,
            "engine='gram' needs plain steps",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_steps_are_refused(change: dict, error: type, message: str) -> None:
    options = {"step_size": 0.1, "batch_size": 1, "n_steps": 8, **change}
    with pytest.raises(error, match=message):
        dsf.simulate(dsf.GaussianRegression(dim=20), PATH, **options)


def gaussian_run(algorithm: algorithms.Algorithm, W: np.ndarray = PATH, **options: object) -> Runs:
    problem = dsf.GaussianRegression(dim=3, noise_std=0.5)
    defaults = {"step_size": 0.1, "batch_size": 2, "n_steps": 12, "n_runs": 40, "rng": 1, "initial": 1.0}
    return dsf.simulate(problem, W, algorithm=algorithm, **{**defaults, **options})


def plain_gradient(step: int, node: int, x: np.ndarray, run: int) -> np.ndarray:
    zeta, chi = (
        reference.normal_vector(KEY, 3, 0, step, node, run),
        reference.chi_square(KEY, 2, step, node, run),
    )
    return reference.collapsed_gradient(x, zeta, chi, 1.0, 0.5, 2, np.ones(3))


def test_a_part_of_your_own_equals_its_recursion_and_scales_by_its_parameter() -> None:
    def sign(direction, iterate, memory, normals, uniforms, parameters):
        for t in range(direction.size):
            memory[0, t] += 1.0
            direction[t] = parameters[0] * memory[0, t] * np.sign(direction[t]) + 0.1 * iterate[t]

    runs = gaussian_run(algorithms.local_rule(sign, parameters=(0.3,), memory=1), engine="collapsed")
    for run in (0, 39):
        x = np.ones((3, 3))
        for step in range(12):
            g = np.stack([plain_gradient(step, node, x[node], run) for node in range(3)])
            x = PATH @ x - 0.1 * (0.3 * (step + 1) * np.sign(g) + 0.1 * x)
        np.testing.assert_allclose(runs.final[run], x, rtol=0, atol=1e-12)


def test_parts_draw_variates_of_their_own_that_depend_on_run_node_and_step_alone() -> None:
    def noise(direction, iterate, memory, normals, uniforms, parameters):
        for t in range(direction.size):
            direction[t] = normals[t]

    def coin(direction, iterate, memory, normals, uniforms, parameters):
        for t in range(direction.size):
            direction[t] += uniforms[0]

    one = algorithms.local_rule(noise, normals="dim")
    both = algorithms.chain(one, algorithms.local_rule(coin, uniforms=1))
    options = {"step_size": 1.0, "n_steps": 1, "n_runs": 4000, "initial": 0.0}
    drawn, shifted = -gaussian_run(one, **options).final, -gaussian_run(both, **options).final
    # Moments of 36,000 normals and 12,000 uniforms within six standard errors: false alarm 1e-8.
    assert abs(drawn.mean()) < 6 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 6 * np.sqrt(2 / drawn.size)
    uniforms = (shifted - drawn).reshape(-1, 3)
    np.testing.assert_allclose(uniforms, uniforms[:, :1] + np.zeros(3), atol=1e-12)
    assert abs(uniforms[:, 0].mean() - 0.5) < 6 * np.sqrt(1 / 12 / len(uniforms))
    np.testing.assert_array_equal(
        gaussian_run(one, **options | {"n_runs": 3, "first_run": 7}).final, -drawn[7:10]
    )


def test_participation_skips_steps_and_memory() -> None:
    def in_turn(step, node, uniforms, memory, links, parameters):
        memory[0] += 1.0
        return parameters[0] if step % 3 == node else 0.0

    rule = algorithms.participation_rule(in_turn, parameters=(2.0,), memory=1)
    runs = gaussian_run(algorithms.chain(rule, algorithms.heavy_ball(0.5)), engine="collapsed")
    x, velocity = np.ones((3, 3)), np.zeros((3, 3))
    for step in range(12):
        node = step % 3
        g = plain_gradient(step, node, x[node], 5)
        velocity[node] = 0.5 * velocity[node] + g
        moved = np.zeros((3, 3))
        moved[node] = 0.2 * velocity[node]
        x = PATH @ x - moved
    np.testing.assert_allclose(runs.final[5], x, rtol=0, atol=1e-12)


def test_bernoulli_participation_happens_with_its_probability() -> None:
    def one(direction, iterate, memory, normals, uniforms, parameters):
        for t in range(direction.size):
            direction[t] = 1.0

    shares = [0.1, 0.5, 1.0]
    algorithm = algorithms.chain(algorithms.bernoulli(shares), algorithms.local_rule(one))
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=1),
        np.eye(3),
        step_size=1.0,
        batch_size=1,
        n_steps=100,
        n_runs=2000,
        algorithm=algorithm,
        rng=4,
    )
    taken = -runs.final[..., 0].mean(axis=0) / 100
    # 200,000 coins a node, six standard errors: false alarm 1e-8.
    for share, mean in zip(shares, taken, strict=True):
        assert abs(mean - share) <= 6 * np.sqrt(share * (1 - share) / 200_000)
    with pytest.raises(ValueError, match="algorithm must hold one number or one for each of the 3"):
        gaussian_run(algorithms.bernoulli([0.5, 0.5]))


def test_messages_stand_for_iterates_where_nodes_mix() -> None:
    def halved(message, iterate, memory, normals, uniforms, parameters):
        for t in range(message.size):
            memory[0, t] = message[t]
            message[t] *= 0.5

    for order in ORDERS:
        rule = algorithms.message_rule(halved, memory=1)
        runs = gaussian_run(algorithms.chain(rule, ordered(order)), engine="collapsed")
        x, half = np.ones((3, 3)), 0.5 * (PATH - np.eye(3)) + np.eye(3)
        for step in range(12):
            g = np.stack([plain_gradient(step, node, x[node], 5) for node in range(3)])
            x = half @ (x - 0.1 * g) if order == ORDERS[1] else half @ x - 0.1 * g
        np.testing.assert_allclose(runs.final[5], x, rtol=0, atol=1e-12)


def test_random_masks_send_their_share_of_the_coordinates() -> None:
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=200, noise_std=0.0),
        np.full((2, 2), 0.5),
        step_size=1e-300,
        batch_size=1,
        n_steps=1,
        n_runs=500,
        initial=np.array([[1.0], [3.0]]) + np.zeros((2, 200)),
        algorithm=algorithms.compressed(algorithms.random_mask(0.3), "messages"),
        rng=2,
    )
    # x₀ + ½(B₁x₁ − B₀x₀): the shares of the four outcomes, 100,000 each within six standard errors.
    values, counts = np.unique(runs.final[:, 0].round(12), return_counts=True)
    np.testing.assert_allclose(values, [0.5, 1.0, 2.0, 2.5])
    expected = np.array([0.3 * 0.7, 0.7 * 0.7, 0.3 * 0.3, 0.3 * 0.7])
    spread = np.sqrt(expected * (1 - expected) / 100_000)
    assert (np.abs(counts / 100_000 - expected) < 6 * spread).all()


def test_the_coordinate_median_is_that_of_the_neighbourhood() -> None:
    runs = gaussian_run(algorithms.coordinate_median(), engine="collapsed")
    x = np.ones((3, 3))
    for step in range(12):
        g = np.stack([plain_gradient(step, node, x[node], 5) for node in range(3)])
        x = np.stack([np.median(x[PATH[node] > 0], axis=0) for node in range(3)]) - 0.1 * g
    np.testing.assert_allclose(runs.final[5], x, rtol=0, atol=1e-12)


def test_a_part_that_raises_is_divergence() -> None:
    def fails(direction, iterate, memory, normals, uniforms, parameters):
        if direction[0] > -np.inf:
            raise ValueError

    with pytest.warns(dsf.warnings.DivergenceWarning, match="40 of 40 runs"):
        runs = gaussian_run(algorithms.local_rule(fails))
    assert runs.diverged.all()


def test_parts_bound_to_coordinates_refuse_an_eigenbasis() -> None:
    problem = dsf.GaussianRegression(dim=2, covariance=[[2.0, 0.5], [0.5, 1.0]])
    masked = algorithms.compressed(algorithms.random_mask(0.5), "messages")
    with pytest.raises(ValueError, match=r"a diagonal covariance: random_mask\(0.5, 1\) acts on coordinates"):
        dsf.simulate(problem, PATH, step_size=0.1, batch_size=1, n_steps=2, algorithm=masked)


def test_the_degree_of_an_algorithm_is_the_worst_of_its_parts() -> None:
    assert algorithms.sgd().degree == algorithms.gradient_tracking().degree == "linear"
    assert algorithms.chain(algorithms.heavy_ball(), algorithms.coordinate_median()).degree == "homogeneous"
    assert algorithms.chain(algorithms.coordinate_median(), algorithms.clipped(1.0)).degree == "bounded"
    assert not algorithms.coordinate_median().equivariant


def few_rows() -> dsf.EmpiricalRisk:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 3))
    return dsf.EmpiricalRisk(dsf.losses.least_squares(), features, features.sum(axis=1) + rng.normal(size=40))


def few_runs(W: Any, algorithm: algorithms.Algorithm) -> Any:
    options = {"step_size": 0.05, "batch_size": 3, "n_steps": 20, "n_runs": 3, "engine": "direct", "rng": 0}
    return dsf.simulate(few_rows(), W, algorithm=algorithm, **options).final


def as_it_is(direction, iterate, memory, normals, uniforms, parameters):
    pass


def test_a_rule_for_every_sample_that_changes_nothing_is_sgd() -> None:
    W = dsf.mixing_matrix(nx.cycle_graph(4))
    by_sample = algorithms.local_rule(as_it_is, by_sample=True)
    np.testing.assert_allclose(few_runs(W, by_sample), few_runs(W, algorithms.sgd()), atol=1e-13)
    with pytest.raises(ValueError, match="must come before heavy_ball"):
        algorithms.chain(algorithms.heavy_ball(0.5), by_sample)


def test_a_gradient_is_taken_where_the_local_rule_looks() -> None:
    def behind(place, iterate, memory, uniforms, parameters):
        for t in range(place.size):
            place[t] = memory[0, t]

    def remember(direction, iterate, memory, normals, uniforms, parameters):
        for t in range(iterate.size):
            memory[0, t] = iterate[t]

    part = algorithms.local_rule(remember, look=behind, memory=1)
    problem = dsf.EmpiricalRisk(dsf.losses.least_squares(), [[2.0]], [1.0])
    options = {"step_size": 0.1, "batch_size": 1, "n_runs": 1, "initial": 1.0, "rng": 0, "engine": "direct"}
    x, last = 1.0, 0.0
    for n_steps in range(1, 5):
        x, last = x - 0.1 * 2.0 * (2.0 * last - 1.0), x
        runs = dsf.simulate(problem, [[1.0]], algorithm=part, n_steps=n_steps, **options)
        assert runs.final.item() == pytest.approx(x, abs=1e-12)


def flip(sent, before, byzantine, normals, parameters):
    for i in range(sent.shape[0]):
        if byzantine[i] > 0:
            for t in range(sent.shape[1]):
                sent[i, t] = 2.0 * before[i, t] - sent[i, t]


@pytest.mark.parametrize("aggregation", [algorithms.sgd(), algorithms.coordinate_median()])
@pytest.mark.parametrize("attack", [False, True])
def test_a_server_is_the_complete_graph_with_its_row_computed_once(
    aggregation: algorithms.Algorithm, attack: bool
) -> None:
    part = algorithms.Part("flip", flip)
    attacked = algorithms.Algorithm(attack=part, byzantine=(1,)) if attack else algorithms.sgd()
    algorithm = algorithms.chain(algorithms.adapt_then_combine(), attacked, aggregation)
    complete = few_runs(np.full((4, 4), 0.25), algorithm)
    np.testing.assert_allclose(few_runs(dsf.mixing.server(4), algorithm), complete, atol=1e-13)
    if attack:
        unattacked = algorithms.chain(algorithms.adapt_then_combine(), aggregation)
        assert np.abs(complete - few_runs(dsf.mixing.server(4), unattacked)).max() > 1e-3


def test_a_consensus_step_is_a_lazier_matrix() -> None:
    W = dsf.mixing_matrix(nx.cycle_graph(4)).toarray()
    lazy = 0.7 * np.eye(4) + 0.3 * W
    np.testing.assert_allclose(
        few_runs(W, algorithms.consensus_step(0.3)), few_runs(lazy, algorithms.sgd()), atol=1e-13
    )
