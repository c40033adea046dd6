"""simulate(): reproducible however the work is cut, equal in law to theory, honest about divergence.

Statistical tests use fixed keys; each says how likely it was to fail by chance when the key was chosen.
"""

import dataclasses
import inspect
import threading
import warnings
from collections.abc import Iterator

import networkx as nx
import numba
import numpy as np
import pytest
from scipy import sparse, stats

import desgd_fast as dsf
from desgd_fast import algorithms
from desgd_fast.common import threads as common_threads
from desgd_fast.common.warnings import DivergenceWarning
from desgd_fast.kernels.loops import general, steps
from desgd_fast.loop import layout
from desgd_fast.loop.layout import Layout
from desgd_fast.simulation import running as simulation
from desgd_fast.simulation.results import Runs, euclidean
from tests.harness import ORDERS, ordered
from tests.truth import simulation as reference

CYCLE = dsf.mixing_matrix(nx.cycle_graph(4)).toarray()
PATH = dsf.mixing_matrix(nx.path_graph(3)).toarray()
ONE = [[1.0]]
# Nodes 1 and 2 talk, 0 and 3 do not.
PAIR_APART = np.array([[1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1.0]])
ENGINES = ["collapsed", "direct"]
COVARIANCE = np.array([[2.0, 0.7, 0.0], [0.7, 1.0, -0.2], [0.0, -0.2, 0.5]])


def gaussian(**options: object) -> dsf.GaussianRegression:
    return dsf.GaussianRegression(**{"dim": 3, "noise_std": 1.0, **options})


def data(n_rows: int = 30, dim: int = 3, **options: object) -> dsf.DatasetRegression:
    generator = np.random.default_rng(11)
    features = generator.standard_normal((n_rows, dim))
    return dsf.DatasetRegression(
        features, features.sum(axis=1) + generator.standard_normal(n_rows), **options
    )


def permuted() -> dsf.EmpiricalRisk:
    rows = data()
    return dsf.EmpiricalRisk(dsf.losses.huber(), rows.features, rows.targets, sampling="reshuffle")


def simulate(problem: object, W: object, **options: object) -> Runs:
    defaults = {"step_size": 0.1, "batch_size": 2, "n_steps": 9, "n_runs": 150, "rng": 1}
    return dsf.simulate(problem, W, **{**defaults, **options})


def assert_same_bits(a: Runs, b: Runs, part: slice = slice(None)) -> None:
    for name in ("final", "average", "final_norms", "average_norms", "gram", "diverged"):
        first, second = getattr(a, name), getattr(b, name)
        assert (first is None) == (second is None)
        if first is not None:
            np.testing.assert_array_equal(first[part], second, err_msg=name)


AVERAGED = {"average_last": 4}
SINGLE = {**AVERAGED, "dtype": "float32"}
SETTINGS = {
    "collapsed": (gaussian(), CYCLE, AVERAGED),
    "direct": (gaussian(covariance=COVARIANCE), CYCLE, {**AVERAGED, "engine": "direct"}),
    "adapt first, wide": (
        gaussian(dim=801),
        PATH,
        {**AVERAGED, "algorithm": ordered(ORDERS[1]), "step_size": 1e-3},
    ),
    "single": (gaussian(dim=7), CYCLE, SINGLE),
    "single, direct": (gaussian(covariance=COVARIANCE), CYCLE, {**SINGLE, "engine": "direct"}),
    "data": (data(), CYCLE, {**AVERAGED, "batch_size": 3}),
    "data without replacement": (data(replacement=False), PATH, {**AVERAGED, "batch_size": [1, 3, 10]}),
    "data, permuted": (permuted(), CYCLE, {**AVERAGED, "batch_size": [1, 2, 3, 9]}),
    "data, wide": (data(n_rows=60, dim=40), PATH, {**AVERAGED, "step_size": 0.01}),
    "gram": (gaussian(dim=6), PATH, {"engine": "gram", "keep": "gram", "initial": 1.0}),
}
DOUBLE = {name: case for name, case in SETTINGS.items() if "dtype" not in case[2]}
every_setting = pytest.mark.parametrize(("problem", "W", "options"), SETTINGS.values(), ids=SETTINGS)


# Reproducible to the bit


@every_setting
def test_same_bits_for_any_thread_count(problem: object, W: np.ndarray, options: dict) -> None:
    one, two, all_of_them = (simulate(problem, W, threads=threads, **options) for threads in (1, 2, None))
    assert_same_bits(one, two)
    assert_same_bits(one, all_of_them)


@every_setting
@pytest.mark.parametrize(("state_bytes", "variates"), [(1, 1), (1, 1 << 27), (1 << 26, 1), (20_000, 30_000)])
def test_same_bits_for_any_chunks(
    problem: object,
    W: np.ndarray,
    options: dict,
    state_bytes: int,
    variates: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = simulate(problem, W, **options)
    monkeypatch.setattr(simulation, "_STATE_BYTES", state_bytes)
    monkeypatch.setattr(simulation, "_CALL_VARIATES", variates)
    assert_same_bits(simulate(problem, W, **options), whole)


@every_setting
def test_same_bits_for_any_split_of_the_runs(problem: object, W: np.ndarray, options: dict) -> None:
    whole = simulate(problem, W, **options)
    for start, stop in ((0, 1), (1, 64), (63, 65), (64, 150), (149, 150)):
        part = simulate(problem, W, first_run=start, n_runs=stop - start, **options)
        assert part.first_run == start
        assert_same_bits(whole, part, slice(start, stop))


@pytest.mark.parametrize(
    ("problem", "W", "options"),
    [
        *(SETTINGS[name] for name in ("data", "data without replacement", "gram")),
        (gaussian(), CYCLE, {**AVERAGED, "algorithm": algorithms.heavy_ball(0.5)}),
    ],
)
def test_where_all_arithmetic_is_double_single_precision_keeps_the_same_runs_rounded(
    problem: object, W: np.ndarray, options: dict
) -> None:
    double, single = (simulate(problem, W, dtype=dtype, **options) for dtype in ("float64", "float32"))
    for name in ("final", "average"):
        if (values := getattr(double, name)) is not None:
            rounded = getattr(single, name)
            assert rounded.dtype == np.float32
            assert rounded.nbytes == values.nbytes // 2
            np.testing.assert_array_equal(rounded, values.astype(np.float32))
    kept = {"final": double.final, "average": double.average}
    assert_same_bits(double, dataclasses.replace(single, **kept))


@pytest.mark.parametrize("algorithm", [algorithms.sgd(), algorithms.heavy_ball(0.1)], ids=repr)
def test_what_overflows_single_precision_alone_is_divergence(algorithm: algorithms.Algorithm) -> None:
    options = {"step_size": 3.0, "n_steps": 60, "n_runs": 20, "algorithm": algorithm}
    double = simulate(gaussian(dim=50), CYCLE, **options)
    with pytest.warns(DivergenceWarning, match="20 of 20 runs diverged"):
        single = simulate(gaussian(dim=50), CYCLE, dtype="float32", **options)
    assert not double.diverged.any()
    assert single.diverged.all()


def test_same_bits_whether_nodes_or_runs_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    W = sparse.csr_array(dsf.mixing_matrix(nx.random_regular_graph(3, 400, seed=1)))
    problem, options = gaussian(dim=2), {"n_runs": 3, "n_steps": 7, "average_last": 2, "threads": 2}
    called = []
    by_nodes = steps.advance_nodes
    monkeypatch.setattr(steps, "advance_nodes", lambda *args: (called.append(1), by_nodes(*args)))
    shared = simulate(problem, W, **options)
    assert called or numba.config.NUMBA_NUM_THREADS == 1
    monkeypatch.setattr(steps, "advance_nodes", steps.advance_runs)
    assert_same_bits(shared, simulate(problem, W, **options))


def test_same_bits_however_the_mixing_matrix_is_stored() -> None:
    whole = simulate(gaussian(), PATH)
    entries = sparse.coo_array(PATH)
    halves = sparse.coo_array(
        (np.tile(entries.data / 2, 2), (np.tile(entries.row, 2), np.tile(entries.col, 2))), shape=(3, 3)
    )
    everywhere = sparse.csr_array(
        (PATH.ravel(), np.tile(np.arange(3, dtype=np.int32), 3), np.array([0, 3, 6, 9], np.int32)),
        shape=(3, 3),
    )
    assert everywhere.nnz == 9  # explicit zeros among them
    for stored in (PATH.tolist(), np.asfortranarray(PATH), PATH[::-1, ::-1], halves, everywhere):
        assert_same_bits(whole, simulate(gaussian(), stored))
    assert stored is everywhere
    assert everywhere.nnz == 9  # the caller's matrix is left alone


def test_same_bits_for_any_type_of_number() -> None:
    whole = simulate(gaussian(), CYCLE, step_size=0.125, initial=2.0)
    for step_size in (np.float32(0.125), np.float16(0.125), [0.125] * 4, np.full(4, 0.125)[::-1]):
        assert_same_bits(whole, simulate(gaussian(), CYCLE, step_size=step_size, initial=2))
    for batch_size in (np.int8(2), np.uint64(2), [2, 2, 2, 2], np.array([2] * 4, np.uint16)):
        assert_same_bits(
            whole, simulate(gaussian(), CYCLE, step_size=0.125, initial=np.int8(2), batch_size=batch_size)
        )
    integers = np.array([[1, 0], [0, 1], [1, 1], [2, 1], [1, 3], [4, 1]])
    targets = np.arange(6)
    exact = simulate(dsf.DatasetRegression(integers.astype(float), targets.astype(float)), PATH)
    for features in (
        integers,
        np.asfortranarray(integers, np.float32),
        np.repeat(integers, 2, axis=1)[:, ::2],
    ):
        assert_same_bits(exact, simulate(dsf.DatasetRegression(features, targets), PATH))


def test_a_generator_gives_a_new_experiment_each_time_and_an_integer_the_same() -> None:
    generator = np.random.default_rng(5)
    first, second = (simulate(gaussian(), ONE, rng=generator) for _ in range(2))
    assert not np.isclose(first.final, second.final).any()
    assert_same_bits(first, simulate(gaussian(), ONE, rng=np.random.default_rng(5)))
    assert_same_bits(simulate(gaussian(), ONE, rng=5), first)


def test_two_python_threads_may_simulate_at_once() -> None:
    alone = [simulate(gaussian(), CYCLE, rng=seed) for seed in range(4)]
    together: dict[int, Runs] = {}

    def work(seed: int) -> None:
        together[seed] = simulate(gaussian(), CYCLE, rng=seed, threads=1 + seed % 2)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for seed in range(4):
        assert_same_bits(alone[seed], together[seed])


# Special cases of the network


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dim", [1, 3, 37])
def test_disconnected_nodes_are_single_nodes(dim: int, engine: str, order: str, dtype: str) -> None:
    # From 64 runs side by side to 16, to 1.
    options = {"engine": engine, "algorithm": ordered(order), "average_last": 3, "dtype": dtype, "n_runs": 40}
    single = simulate(gaussian(dim=dim), ONE, **options)
    few, many = (simulate(gaussian(dim=dim), sparse.eye_array(n), **options) for n in (47, 1900))
    pair = simulate(gaussian(dim=dim), PAIR_APART, **options)
    assert len({Layout.of(n, dim).lanes for n in (1, 47, 1900)}) > 1
    for name in ("final", "average"):
        np.testing.assert_array_equal(getattr(many, name)[:, :1], getattr(single, name))
        np.testing.assert_array_equal(getattr(many, name)[:, :47], getattr(few, name))
        np.testing.assert_array_equal(getattr(few, name)[:, [0, 3]], getattr(pair, name)[:, [0, 3]])
    # 190 correlations of 20 nodes' values, six standard errors: false alarm 4e-7.
    values = few.final[:, :20].astype(float).transpose(1, 0, 2).reshape(20, -1)
    assert np.abs(np.corrcoef(values) - np.eye(20)).max() < 6 / np.sqrt(values.shape[1])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("engine", [*ENGINES, "gram"])
@pytest.mark.parametrize("order", ORDERS)
def test_a_constant_schedule_gives_the_runs_of_the_constant(engine: str, order: str, dtype: str) -> None:
    options = {
        "engine": engine,
        "algorithm": ordered(order),
        "dtype": dtype,
        "keep": "norms" if engine == "gram" else "all",
    }
    each = np.array([0.05, 0.1, 0.15])
    for constant, schedule in (
        (0.1, lambda k: np.full(k.size, 0.1)),
        (each, lambda k: np.broadcast_to(each, (k.size, 3))),
    ):
        usual = simulate(gaussian(dim=7), PATH, step_size=constant, **options)
        assert_same_bits(simulate(gaussian(dim=7), PATH, step_size=schedule, **options), usual)


@pytest.mark.parametrize("engine", ENGINES)
def test_same_bits_for_any_layout(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"engine": engine, "average_last": 4, "n_runs": 70, "initial": 1.0}
    whole = [simulate(gaussian(dim=dim), CYCLE, **options) for dim in (3, 20)]
    for tile, block, most_lanes in (
        (1600, 32_768, 1),
        (7, 32_768, 64),
        (300, 600, 8),
        (1 << 20, 1 << 20, 32),
    ):
        for name, value in (("_TILE", tile), ("_BLOCK", block), ("_MOST_LANES", most_lanes)):
            monkeypatch.setattr(layout, name, value)
        for dim, usual in zip((3, 20), whole, strict=True):
            assert_same_bits(simulate(gaussian(dim=dim), CYCLE, **options), usual)


@pytest.mark.parametrize("engine", ENGINES)
def test_averaging_everything_after_adapting_is_one_node_with_the_joint_batch(engine: str) -> None:
    options = {"engine": engine, "n_steps": 15, "step_size": 0.2, "initial": 1.0, "average_last": 5}
    n_runs = 20_000
    joint = simulate(
        gaussian(),
        np.full((4, 4), 0.25),
        batch_size=2,
        algorithm=ordered(ORDERS[1]),
        n_runs=n_runs,
        rng=2,
        **options,
    )
    np.testing.assert_allclose(joint.final, joint.final[:, :1] + np.zeros((4, 1)), rtol=0, atol=1e-13)
    single = simulate(gaussian(), ONE, batch_size=8, n_runs=n_runs, rng=3, **options)
    # Six tests, false alarm 1e-7 in all.
    for a, b in ((joint.final, single.final), (joint.average, single.average)):
        for measure in (lambda x: euclidean(x[:, 0]), lambda x: x[:, 0, 0], lambda x: x[:, 0, 2]):
            assert stats.ks_2samp(measure(a), measure(b), method="asymp").pvalue > 1.6e-8


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", ORDERS)
def test_the_smallest_problem_works(engine: str, order: str) -> None:
    runs = simulate(
        gaussian(dim=1), ONE, batch_size=1, n_steps=1, n_runs=1, engine=engine, algorithm=ordered(order)
    )
    assert runs.final.shape == (1, 1, 1)
    key = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
    path = reference.gaussian_run(
        np.zeros((1, 1)),
        np.eye(1),
        [0.1],
        [1],
        [1.0],
        [1.0],
        np.ones(1),
        key,
        0,
        1,
        direct=engine == "direct",
        adapt_first=order == ORDERS[1],
    )
    np.testing.assert_allclose(runs.final[0], path[-1], rtol=1e-12)


# The whole wrapper against the reference


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "covariance", [None, [0.5, 1.0, 2.0], COVARIANCE], ids=["isotropic", "diagonal", "full"]
)
def test_simulated_runs_equal_the_reference(order: str, engine: str, dtype: str, covariance: object) -> None:
    optimum, start = np.array([1.0, -2.0, 0.5]), np.arange(9.0).reshape(3, 3)
    feature_std, noise_std = np.array([0.8, 1.0, 1.2]), np.array([0.0, 1.0, 2.0])
    step_size, batch_size = np.array([0.05, 0.1, 0.15]), np.array([1, 2, 5])
    problem = gaussian(covariance=covariance, optimum=optimum, feature_std=feature_std, noise_std=noise_std)
    runs = simulate(
        problem,
        PATH,
        step_size=step_size,
        batch_size=batch_size,
        initial=start,
        engine=engine,
        algorithm=ordered(order),
        average_last=4,
        n_runs=2,
        first_run=77,
        dtype=dtype,
    )
    single = dtype == "float32"
    tolerance = 2e-5 if single else 1e-11
    key = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
    basis = np.eye(3) if problem.basis is None else problem.basis
    for run in range(2):
        path = reference.gaussian_run(
            (start - optimum) @ basis,
            PATH,
            step_size,
            batch_size,
            feature_std,
            noise_std,
            np.sqrt(problem.eigenvalues),
            key,
            77 + run,
            9,
            direct=engine == "direct",
            adapt_first=order == ORDERS[1],
            single=single,
        )
        iterates = path @ basis.T + optimum
        np.testing.assert_allclose(runs.final[run], iterates[-1], rtol=0, atol=tolerance)
        np.testing.assert_allclose(runs.average[run], iterates[-4:].mean(axis=0), rtol=0, atol=tolerance)
        np.testing.assert_allclose(
            runs.norms()[run], np.linalg.norm(iterates[-1] - optimum, axis=1), rtol=0, atol=tolerance
        )
        np.testing.assert_allclose(
            runs.norms("average", stacked=True)[run],
            np.linalg.norm(iterates[-4:].mean(axis=0) - optimum),
            rtol=0,
            atol=tolerance,
        )


@pytest.mark.parametrize("order", ORDERS)
def test_full_batches_without_replacement_are_gradient_descent(order: str) -> None:
    problem = data(n_rows=10, replacement=False, ridge=0.1)
    runs = simulate(
        problem, PATH, batch_size=[4, 3, 3], algorithm=ordered(order), initial=1.0, n_steps=50, n_runs=5
    )
    partition = problem.partition(3)
    x = np.ones((3, 3))
    for _ in range(50):
        gradients = np.array(
            [
                reference.data_gradient(x[i], partition.features[low:high], partition.targets[low:high], 0.1)
                for i, (low, high) in enumerate(zip(partition.offsets, partition.offsets[1:], strict=False))
            ]
        )
        x = reference.mix_and_step(x, PATH, gradients, np.full(3, 0.1), order == ORDERS[1])
    np.testing.assert_allclose(runs.final, np.broadcast_to(x, runs.final.shape), rtol=0, atol=1e-12)


@pytest.mark.parametrize("replacement", [True, False])
def test_minibatch_gradients_have_the_right_mean_and_covariance(replacement: bool) -> None:
    problem = data(n_rows=7, replacement=replacement)
    runs = simulate(problem, ONE, batch_size=3, step_size=1.0, n_steps=1, n_runs=20_000)
    gradients = -runs.final[:, 0]  # from the origin
    per_row = -problem.features * problem.targets[:, None]
    scatter = np.cov(per_row.T, bias=True) / 3 * (1 if replacement else (7 - 3) / (7 - 1))
    root = np.linalg.inv(np.linalg.cholesky(scatter))
    scores = (gradients - per_row.mean(axis=0)) @ root.T
    # Nine numbers within 6 standard errors: false alarm 2e-8.
    assert np.abs(scores.mean(axis=0)).max() < 6 / np.sqrt(len(scores))
    products = scores[:, :, None] * scores[:, None, :]
    error = products.mean(axis=0) - np.eye(3)
    assert (np.abs(error) < 6 * products.std(axis=0) / np.sqrt(len(scores))).all()


def test_minibatches_without_replacement_are_uniform_subsets() -> None:
    # Rows are unit vectors scaled to binary digits: the first step from the origin shows which were drawn.
    problem = dsf.DatasetRegression(np.eye(6), np.ones(6), replacement=False)
    runs = simulate(problem, ONE, batch_size=3, step_size=3.0, n_steps=1, n_runs=20_000)
    assert set(np.unique(runs.final)) == {0.0, 1.0}
    subsets = runs.final[:, 0] @ 2 ** np.arange(6)
    _, counts = np.unique(subsets, return_counts=True)
    assert counts.size == 20
    # False alarm 1e-8.
    assert stats.chisquare(counts).pvalue > 1e-8


# Averages, starting points, what is kept


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("average_last", [1, 4, 9])
def test_average_is_the_mean_of_the_last_iterates(order: str, average_last: int) -> None:
    for problem in (gaussian(covariance=COVARIANCE, optimum=3.0), data()):
        runs = simulate(problem, CYCLE, average_last=average_last, algorithm=ordered(order), n_runs=70)
        iterates = [
            simulate(problem, CYCLE, n_steps=k, algorithm=ordered(order), n_runs=70).final
            for k in range(10 - average_last, 10)
        ]
        np.testing.assert_array_equal(iterates[-1], runs.final)
        np.testing.assert_allclose(runs.average, np.mean(iterates, axis=0), rtol=0, atol=1e-13)


@pytest.mark.parametrize("problem", [gaussian(optimum=[1.0, 2.0, 3.0]), data()], ids=["gaussian", "data"])
def test_starting_points_broadcast(problem: object) -> None:
    full = np.tile([0.5, -1.0, 2.0], (4, 1))
    assert_same_bits(simulate(problem, CYCLE, initial=full[0]), simulate(problem, CYCLE, initial=full))
    assert_same_bits(simulate(problem, CYCLE, initial=0.0), simulate(problem, CYCLE))
    assert_same_bits(simulate(problem, CYCLE, initial=2), simulate(problem, CYCLE, initial=np.full(3, 2.0)))
    full[2] = 9.0
    still = simulate(problem, np.eye(4), initial=full, step_size=1e-300)
    np.testing.assert_allclose(still.final, np.broadcast_to(full, still.final.shape), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("problem", "W", "options"), [case for name, case in DOUBLE.items() if name != "gram"]
)
def test_keeping_norms_only_gives_the_same_norms(problem: object, W: np.ndarray, options: dict) -> None:
    everything = simulate(problem, W, **options)
    norms = simulate(problem, W, keep="norms", **options)
    assert norms.final is None
    assert norms.average is None
    np.testing.assert_array_equal(norms.final_norms, everything.final_norms)
    np.testing.assert_array_equal(norms.average_norms, everything.average_norms)
    for kept, lengths in ((everything.final, norms.norms()), (everything.average, norms.norms("average"))):
        np.testing.assert_allclose(
            lengths, np.linalg.norm(kept - everything.optimum, axis=2), rtol=1e-12, atol=1e-14
        )


def test_a_subnormal_step_size_goes_nowhere() -> None:
    runs = simulate(gaussian(), CYCLE, step_size=5e-324, initial=1.0)
    np.testing.assert_array_equal(runs.final, 1.0)


def test_without_noise_the_optimum_is_a_fixed_point() -> None:
    for engine in ENGINES:
        runs = simulate(gaussian(noise_std=0.0, optimum=2.0), CYCLE, initial=2.0, engine=engine)
        np.testing.assert_array_equal(runs.final, 2.0)


def test_an_enormous_batch_follows_the_mean_gradient() -> None:
    # The noise of a mean over 10^9 samples is below 1e-4 here by more than ten standard deviations.
    runs = simulate(gaussian(), CYCLE, batch_size=10**9, initial=1.0)
    np.testing.assert_allclose(runs.final, 0.9**9, rtol=0, atol=1e-4)


def test_very_many_coordinates_and_nodes_work() -> None:
    wide = simulate(gaussian(dim=100_000), ONE, step_size=1e-6, n_steps=2, n_runs=2, initial=1.0)
    # ‖x‖²/d after two steps of relative size 2e-6 and noise of relative variance 2e-12·d = 2e-7.
    np.testing.assert_allclose(wide.norms() / np.sqrt(100_000), 1.0, rtol=0, atol=1e-3)
    many = simulate(gaussian(), sparse.eye_array(5000), n_runs=2, step_size=1e-3, initial=1.0)
    # Each coordinate follows (1 - 1e-3)^9 but for noise of standard deviation 1e-3·√(9·5/2) = 0.005.
    np.testing.assert_allclose(many.final, 0.999**9, rtol=0, atol=0.05)


# Law


MOMENT_CASES = {
    "isotropic": (gaussian(), "combine-then-adapt", "collapsed"),
    "diagonal, unequal nodes": (
        gaussian(covariance=[0.5, 1.0, 2.0], feature_std=[0.8, 1.0, 1.2], noise_std=[0.0, 1.0, 2.0]),
        "adapt-then-combine",
        "collapsed",
    ),
    "full": (gaussian(covariance=COVARIANCE, noise_std=[2.0, 1.0, 0.5]), "combine-then-adapt", "collapsed"),
    "full, direct": (gaussian(covariance=COVARIANCE), "adapt-then-combine", "direct"),
}
PRECISIONS = pytest.mark.parametrize("dtype", ["float64", "float32"])


@PRECISIONS
@pytest.mark.parametrize("case", MOMENT_CASES)
def test_mean_and_second_moments_match_the_exact_recursion(case: str, dtype: str) -> None:
    problem, order, engine = MOMENT_CASES[case]
    start = np.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.0], [0.0, 0.0, 3.0]])
    step_size, batch_size = np.array([0.05, 0.1, 0.08]), np.array([2, 3, 4])
    runs = simulate(
        problem,
        PATH,
        step_size=step_size,
        batch_size=batch_size,
        algorithm=ordered(order),
        engine=engine,
        initial=start,
        n_steps=12,
        n_runs=40_000,
        dtype=dtype,
    )
    feature_std, noise_std = problem.stds(3)
    basis = np.eye(3) if problem.basis is None else problem.basis
    mean, second = reference.moments(
        start @ basis,
        PATH,
        step_size,
        batch_size,
        feature_std,
        noise_std,
        problem.eigenvalues,
        12,
        order == ORDERS[1],
    )
    deviation = runs.final.astype(float) @ basis
    products = deviation[:, :, None] * deviation[:, None]
    # 27 numbers within 5 standard errors: false alarm 2e-5 a case.
    for sample, exact in ((deviation, mean), (products, second.transpose(1, 2, 0))):
        error = sample.std(axis=0) / np.sqrt(len(sample))
        np.testing.assert_array_less(np.abs(sample.mean(axis=0) - exact), 5 * error)


@pytest.mark.slow
@PRECISIONS
@pytest.mark.parametrize("order", ORDERS)
def test_stationary_covariance_matches_theory(order: str, dtype: str) -> None:
    problem, options = (
        gaussian(noise_std=[0.5, 1.0, 1.5, 2.0]),
        {"step_size": 0.1, "batch_size": 2, "algorithm": ordered(order)},
    )
    runs = simulate(problem, CYCLE, n_steps=300, n_runs=40_000, dtype=dtype, **options)
    inner = np.einsum("rip,rjp->rij", runs.final, runs.final)
    exact = dsf.theory.stationary_covariance(problem, CYCLE, **options)
    # Ten numbers within 5 standard errors: false alarm 6e-6.
    error = inner.std(axis=0) / np.sqrt(len(inner))
    np.testing.assert_array_less(np.abs(inner.mean(axis=0) - exact), 5 * error)


def quantities(runs: Runs) -> Iterator[tuple[str, np.ndarray]]:
    for name, x in (("final", runs.final), ("average", runs.average)):
        yield f"norm of {name}", runs.norms(name)[:, 0]
        yield f"stacked norm of {name}", runs.norms(name, stacked=True)
        yield f"inner product in {name}", (x[:, 0] * x[:, 1]).sum(axis=1)
        yield f"coordinate of {name}", x[:, 1, 0]
        yield f"last coordinate of {name}", x[:, 3, -1]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "problem",
    [
        gaussian(),
        gaussian(dim=6, covariance=[0.1, 0.5, 1.0, 1.0, 1.5, 2.0]),
        gaussian(covariance=COVARIANCE, optimum=1.0),
        gaussian(feature_std=[0.5, 1.0, 1.0, 1.5], noise_std=[0.0, 1.0, 3.0, 1.0]),
    ],
    ids=["isotropic", "diagonal", "full", "unequal nodes"],
)
def test_collapsed_and_direct_engines_agree_in_law(problem: dsf.GaussianRegression, order: str) -> None:
    options = {
        "step_size": [0.1, 0.15, 0.2, 0.25],
        "batch_size": [1, 2, 3, 5],
        "n_steps": 20,
        "n_runs": 20_000,
        "average_last": 10,
        "initial": 0.5,
        "algorithm": ordered(order),
    }
    collapsed = simulate(problem, CYCLE, engine="collapsed", rng=21, **options)
    direct = simulate(problem, CYCLE, engine="direct", rng=22, **options)
    # Eighty comparisons in all, false alarm 1e-8 each: 8e-7.
    for (name, a), (_, b) in zip(quantities(collapsed), quantities(direct), strict=True):
        assert stats.ks_2samp(a, b, method="asymp").pvalue > 1e-8, name


@PRECISIONS
@pytest.mark.parametrize("order", ORDERS)
def test_gram_and_collapsed_engines_agree_in_law(order: str, dtype: str) -> None:
    problem = gaussian(dim=8, feature_std=[0.5, 1.0, 1.0, 1.5], noise_std=[0.0, 1.0, 3.0, 1.0])
    options = {
        "step_size": [0.05, 0.1, 0.1, 0.15],
        "batch_size": [1, 2, 3, 5],
        "n_steps": 20,
        "n_runs": 20_000,
        "initial": 0.5,
        "algorithm": ordered(order),
        "keep": "gram",
    }
    gram = simulate(problem, CYCLE, engine="gram", rng=31, **options)
    collapsed = simulate(problem, CYCLE, engine="collapsed", rng=32, dtype=dtype, **options)
    np.testing.assert_allclose(gram.norms() ** 2, np.einsum("rii->ri", gram.gram), rtol=1e-10)
    # Twenty comparisons in all, false alarm 1e-8 each: 2e-7.
    rows_of, columns_of = np.triu_indices(4)
    for i, j in zip(rows_of, columns_of, strict=True):
        assert stats.ks_2samp(gram.gram[:, i, j], collapsed.gram[:, i, j], method="asymp").pvalue > 1e-8


# Divergence


def test_divergence_is_flagged_kept_and_told_once() -> None:
    problem, options = gaussian(dim=1), {"step_size": 10.0, "batch_size": 1, "n_runs": 200, "n_steps": 310}
    options["engine"] = "collapsed"
    with pytest.warns(DivergenceWarning) as caught:
        runs = simulate(problem, ONE, average_last=1, **options)
    n_diverged = np.count_nonzero(runs.diverged)
    assert 20 < n_diverged < 180
    assert len(caught) == 1
    assert f"{n_diverged} of 200 runs diverged" in str(caught[0].message)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(runs.diverged, ~np.isfinite(runs.final).all(axis=(1, 2)))
    np.testing.assert_array_equal(np.isfinite(runs.norms(stacked=True)), ~runs.diverged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        again = simulate(problem, ONE, first_run=30, **{**options, "n_runs": 100})
    np.testing.assert_array_equal(again.final, runs.final[30:130])
    # A diverged run does not touch the runs beside it.
    key = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
    for run in np.flatnonzero(~runs.diverged)[:3]:
        path = reference.gaussian_run(
            np.zeros((1, 1)),
            np.eye(1),
            [10.0],
            [1],
            [1.0],
            [1.0],
            np.ones(1),
            key,
            int(run),
            310,
            direct=False,
            adapt_first=False,
        )
        np.testing.assert_allclose(runs.final[run], path[-1], rtol=1e-9)


def test_an_overflow_of_the_average_alone_is_divergence_too() -> None:
    options = {"engine": "direct", "initial": 1e307, "step_size": 1e-300, "n_steps": 20, "n_runs": 7}
    with pytest.warns(DivergenceWarning, match="7 of 7"):
        runs = simulate(gaussian(dim=1, feature_std=0.1), ONE, average_last=20, **options)
    assert np.isfinite(runs.final).all()
    assert np.isinf(runs.average).all()
    assert runs.diverged.all()


def test_norms_of_huge_and_tiny_iterates_are_exact() -> None:
    runs = simulate(gaussian(), ONE, engine="direct", initial=1e200, step_size=1e-300)
    np.testing.assert_allclose(runs.norms(stacked=True), np.sqrt(3) * 1e200, rtol=1e-14)
    assert not runs.diverged.any()
    assert euclidean(np.array([3e-310, 4e-310])) == pytest.approx(5e-310, rel=1e-12)
    assert euclidean(np.array([3e307, 4e307])) == pytest.approx(5e307, rel=1e-12)
    assert euclidean(np.zeros(3)) == 0.0
    assert np.isnan(euclidean(np.array([np.nan, 1.0])))
    assert euclidean(np.array([np.inf, 1.0])) == np.inf


# Bad input


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a kernel was called")

    for module, name in (
        (steps, "advance_runs"),
        (steps, "advance_nodes"),
        (general, "advance_runs"),
        (general, "advance_nodes"),
    ):
        monkeypatch.setattr(module, name, refuse)


ROW_STOCHASTIC = np.array([[0.5, 0.5], [1.0, 0.0]])


@pytest.mark.usefixtures("no_kernels")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"problem": 3},
            TypeError,
            "problem must be a problem such as GaussianRegression, .* or StreamingRisk, got 3",
        ),
        ({"W": None}, TypeError, "W must be an array of real numbers"),
        ({"W": "ring"}, TypeError, "W must be an array of real numbers"),
        ({"W": np.ones((2, 3)) / 3}, ValueError, r"W must be a square matrix .* \(2, 3\)"),
        ({"W": np.zeros((0, 0))}, ValueError, "W must be a square matrix with at least one row"),
        ({"W": np.eye(2) * (1 + 1j)}, TypeError, "W must be an array of real numbers"),
        ({"W": sparse.eye_array(2, dtype=complex)}, TypeError, "W must be an array of real numbers"),
        ({"W": [[np.nan, 1], [1, 0]]}, ValueError, "W must be finite"),
        ({"W": [[-0.5, 1.5], [1.5, -0.5]]}, ValueError, "W must have no negative weights"),
        ({"W": [[0.0, 0.0], [1.0, 1.0]]}, ValueError, "W must be doubly stochastic, but row 0 sums to 0"),
        ({"W": sparse.csr_array((2, 2))}, ValueError, "W must be doubly stochastic, but row 0 sums to 0"),
        ({"W": [[0.5, 0.6], [0.5, 0.4]]}, ValueError, "row 0 sums to 1.1"),
        ({"W": ROW_STOCHASTIC}, ValueError, "column 0 sums to 1.5; pass allow_row_stochastic=True"),
        ({"problem": gaussian(noise_std=[1.0, 2.0])}, ValueError, r"noise_std must .* per node \(4\)"),
        ({"step_size": 0}, ValueError, "step_size must be positive"),
        ({"step_size": [0.1, 0.1, -0.1, 0.1]}, ValueError, "step_size must be positive"),
        ({"step_size": np.nan}, ValueError, "step_size must be finite"),
        ({"step_size": "0.1"}, TypeError, "step_size must be an array of real numbers"),
        (
            {"step_size": [0.1, 0.1]},
            ValueError,
            r"step_size must be a scalar or have one entry per node \(4\)",
        ),
        ({"step_size": np.full((4, 1), 0.1)}, ValueError, r"step_size must .* got shape \(4, 1\)"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer from 1"),
        ({"batch_size": 2.0}, TypeError, "batch_size must be an integer from 1"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer from 1"),
        ({"batch_size": np.nan}, TypeError, "batch_size must be an integer from 1"),
        ({"batch_size": [1, 2]}, ValueError, r"batch_size must .* one entry per node \(4\)"),
        ({"batch_size": 2**63 - 1}, ValueError, r"batch_size must be an integer from 1 to 2\*\*53"),
        (
            {"batch_size": np.uint64(2**63 + 5)},
            ValueError,
            r"batch_size must be an integer from 1 to 2\*\*53",
        ),
        ({"batch_size": 2**28, "engine": "direct"}, ValueError, "batch_size must be at most 134217728"),
        ({"batch_size": 2**25, "problem": data()}, ValueError, "batch_size must be at most 16777216"),
        (
            {"batch_size": 9, "problem": data(replacement=False)},
            ValueError,
            "batch_size must be at most the 8 rows of node 0",
        ),
        ({"problem": data(n_rows=3)}, ValueError, r"n_nodes must be at most the number of rows"),
        ({"problem": data(), "engine": "collapsed"}, ValueError, "engine='collapsed' needs the closed"),
        (
            {"engine": "gram", "problem": gaussian(dim=8)},
            ValueError,
            "engine='gram' needs keep='norms' or 'gram'",
        ),
        ({"engine": "gram", "keep": "norms"}, ValueError, "engine='gram' needs dim ≥ 2 n_nodes"),
        (
            {"engine": "gram", "problem": gaussian(covariance=COVARIANCE)},
            ValueError,
            "needs isotropic features",
        ),
        ({"n_steps": 0}, ValueError, "n_steps must be an integer from 1"),
        ({"n_steps": 10.0}, TypeError, "n_steps must be an integer from 1"),
        ({"n_steps": 2**32}, ValueError, "n_steps must be an integer from 1 to 4294967295"),
        ({"n_runs": 0}, ValueError, "n_runs must be an integer from 1"),
        ({"n_runs": None}, TypeError, "n_runs must be an integer from 1"),
        ({"first_run": -1}, ValueError, "first_run must be an integer from 0"),
        ({"first_run": 2**32 - 149}, ValueError, "first_run must be an integer from 0 to 4294967146"),
        ({"average_last": 10}, ValueError, "average_last must be an integer from 0 to 9"),
        ({"average_last": -1}, ValueError, "average_last must be an integer from 0 to 9"),
        ({"algorithm": "heavy_ball"}, TypeError, "algorithm must be a Algorithm"),
        ({"engine": "fast"}, ValueError, "engine must be one of 'auto'"),
        ({"keep": "none"}, ValueError, "keep must be one of 'all', 'norms'"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of 'float64', 'float32'"),
        ({"initial": np.nan}, ValueError, "initial must be finite"),
        (
            {"initial": np.zeros(2)},
            ValueError,
            r"initial must be None, a scalar or have shape \(3,\) or \(4, 3\)",
        ),
        ({"initial": np.zeros((3, 4))}, ValueError, "initial must be None, a scalar or have shape"),
        ({"allow_row_stochastic": 1}, TypeError, "allow_row_stochastic must be True or False"),
        ({"progress": 1}, TypeError, "progress must be True or False"),
        ({"threads": 0}, ValueError, "threads must be an integer ≥ 1"),
        ({"threads": 1.5}, TypeError, "threads must be an integer ≥ 1"),
        ({"rng": "seed"}, TypeError, "rng must be None, a non-negative integer"),
        ({"rng": -1}, ValueError, "rng must be None, a non-negative integer"),
    ],
)
def test_bad_input_is_named_before_any_kernel_runs(
    change: dict, error: type[Exception], message: str
) -> None:
    options = {"problem": gaussian(), "W": CYCLE, **change}
    with pytest.raises(error, match=message):
        simulate(options.pop("problem"), options.pop("W"), **options)


def test_row_stochastic_mixing_is_possible_on_request() -> None:
    runs = simulate(
        gaussian(),
        ROW_STOCHASTIC,
        allow_row_stochastic=True,
        initial=[[1.0] * 3, [2.0] * 3],
        n_steps=1,
        step_size=1e-300,
    )
    np.testing.assert_allclose(runs.final[0], [[1.5] * 3, [1.0] * 3], rtol=1e-15)


def test_everything_after_the_graph_is_keyword_only() -> None:
    kinds = [parameter.kind for parameter in inspect.signature(dsf.simulate).parameters.values()]
    assert set(kinds[2:]) == {inspect.Parameter.KEYWORD_ONLY}


# Threads and forks


def test_thread_limit_is_restored_even_after_an_error() -> None:
    before = numba.get_num_threads()
    with common_threads.limited_to(1) as count:
        assert count == numba.get_num_threads() == 1
    assert numba.get_num_threads() == before
    with pytest.raises(ZeroDivisionError), common_threads.limited_to(1):
        raise ZeroDivisionError
    assert numba.get_num_threads() == before
    with common_threads.limited_to(10**6) as count:
        assert count == numba.config.NUMBA_NUM_THREADS


def test_negative_weights_run_when_permitted() -> None:
    W = dsf.mixing_matrix(nx.complete_graph(30), "laplacian", delta=0.05, allow_negative=True)
    options = {"step_size": 0.1, "batch_size": 1, "n_steps": 5, "rng": 0}
    with pytest.raises(ValueError, match=r"W must have no negative weights.*allow_negative=True"):
        dsf.simulate(gaussian(), W, **options)
    runs = dsf.simulate(gaussian(), W, allow_negative=True, **options)
    assert not runs.diverged.any()
