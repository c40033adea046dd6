"""Real rows, runs side by side: the plain truth's runs, and the general loop's, the same bits however cut."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast.experiment import experiment
from desgd_fast.kernels.draw.random import ROWS
from desgd_fast.kernels.draw.samples import REPLACEMENT
from desgd_fast.kernels.jit.lanes import SAMPLES
from desgd_fast.kernels.loops import rows
from desgd_fast.simulation import engines
from desgd_fast.simulation.engines import loop
from desgd_fast.simulation.engines.engine import Task
from desgd_fast.simulation.engines.rows import refusal
from desgd_fast.simulation.results import Runs
from tests.harness import ORDERS, ordered
from tests.truth import losses as truth
from tests.truth import simulation as reference

KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
SAMPLINGS = ["replacement", "without-replacement", "reshuffle", "shuffle-once", "flip-flop"]
GRAPHS = {
    "alone": nx.empty_graph(1),
    "pair": nx.path_graph(2),
    "star": nx.star_graph(5),
    "ring": nx.cycle_graph(4),
    "many": nx.path_graph(19),
}
LOSSES = {
    "ridge": (dsf.losses.ridge(0.2), truth.least_squares),
    "logistic": (dsf.losses.logistic(), truth.logistic),
}


def risk(n_rows: int, dim: int, loss: dsf.Loss, sampling: str, **options: object) -> dsf.EmpiricalRisk:
    generator = np.random.default_rng(dim)
    features = generator.standard_normal((n_rows, dim))
    labels = np.where(generator.random(n_rows) < 0.5, -1.0, 1.0)
    return dsf.EmpiricalRisk(loss, features, labels, sampling=sampling, reference=np.zeros(dim), **options)


@settings(max_examples=60)
@given(
    graph=st.sampled_from(sorted(GRAPHS)),
    dim=st.integers(1, 9),
    loss=st.sampled_from(sorted(LOSSES)),
    sampling=st.sampled_from(SAMPLINGS),
    order=st.sampled_from(ORDERS),
    falling=st.booleans(),
    first_run=st.integers(0, 20),
    data=st.data(),
)
def test_runs_equal_the_plain_truth(
    graph: str,
    dim: int,
    loss: str,
    sampling: str,
    order: str,
    falling: bool,
    first_run: int,
    data: st.DataObject,
) -> None:
    W, (ours, plain) = dsf.mixing_matrix(GRAPHS[graph]).toarray(), LOSSES[loss]
    n_nodes, n_steps, average_last = len(W), 5, 3
    problem = risk(11 * n_nodes + 3, dim, ours, sampling)
    sizes = np.array(data.draw(st.lists(st.integers(1, 11), min_size=n_nodes, max_size=n_nodes)))
    rates = np.array(data.draw(st.lists(st.floats(0.01, 0.3), min_size=n_nodes, max_size=n_nodes)))
    eta = [np.full(n_nodes, 0.2 * 0.9**k) if falling else rates for k in range(n_steps)]
    runs = dsf.simulate(
        problem,
        W,
        step_size=(lambda k: 0.2 * 0.9**k) if falling else rates,
        batch_size=sizes,
        n_steps=n_steps,
        n_runs=10,
        first_run=first_run,
        average_last=average_last,
        algorithm=ordered(order),
        initial=0.5,
        rng=1,
    )
    part = problem.partition(n_nodes)
    for place in (0, data.draw(st.integers(1, 9))):
        run, path = first_run + place, [np.full((n_nodes, dim), 0.5)]
        for step in range(n_steps):
            gradients = np.empty((n_nodes, dim))
            for i, (first, last) in enumerate(zip(part.offsets[:-1], part.offsets[1:], strict=True)):
                chosen = first + np.array(truth.batch(sampling, KEY, last - first, sizes[i], step, i, run))
                each = [
                    truth.complex_step(
                        lambda x, r=r: plain(x, part.features[r], part.targets[r], ours.ridge), path[-1][i]
                    )
                    for r in chosen
                ]
                gradients[i] = np.mean(each, axis=0)
            path.append(reference.mix_and_step(path[-1], W, gradients, eta[step], order == ORDERS[1]))
        np.testing.assert_allclose(runs.final[place], path[-1], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(
            runs.average[place], np.mean(path[-average_last:], axis=0), rtol=1e-10, atol=1e-12
        )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_general_loop_takes_the_same_steps(
    sampling: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    W = dsf.mixing_matrix(nx.complete_graph(5))
    problem = risk(83, 6, dsf.losses.huber(ridge=0.1), sampling)

    def simulate(n_steps: int) -> Runs:
        return dsf.simulate(
            problem,
            W,
            step_size=0.1,
            batch_size=[1, 2, 5, 9, 16],
            n_steps=n_steps,
            n_runs=21,
            average_last=1,
            algorithm=ordered(order),
            rng=5,
        )

    together = [simulate(n_steps) for n_steps in range(1, 14)]
    monkeypatch.setattr(engines, "ENGINES", loop.ENGINES)
    for n_steps, runs in enumerate(together, 1):
        alone = simulate(n_steps)
        np.testing.assert_allclose(runs.final, alone.final, rtol=0, atol=1e-13)
        np.testing.assert_allclose(runs.average, alone.average, rtol=0, atol=1e-13)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("batch_size", [1, 9])
def test_a_node_that_hears_nobody_moves_the_same_whoever_else_there_is(
    sampling: str, batch_size: int
) -> None:
    generator = np.random.default_rng(3)
    features, targets = generator.standard_normal((20 * 37, 5)), generator.standard_normal(20 * 37)

    def simulate(n_nodes: int, other_batches: int) -> Runs:
        held = n_nodes * 37
        problem = dsf.EmpiricalRisk(
            dsf.losses.least_squares(),
            features[:held],
            targets[:held],
            np.repeat(np.arange(n_nodes), 37),
            sampling,
            reference=np.zeros(5),
        )
        sizes = np.full(n_nodes, other_batches)
        sizes[:2] = batch_size
        return dsf.simulate(
            problem, np.eye(n_nodes), step_size=0.1, batch_size=sizes, n_steps=12, n_runs=9, rng=2
        )

    few = simulate(2, 1)
    for n_nodes, other_batches in ((3, 1), (20, 1), (20, 30)):
        np.testing.assert_array_equal(simulate(n_nodes, other_batches).final[:, :2], few.final)


@pytest.mark.parametrize("bound", [3, 3 << 30, (1 << 32) - 1])
def test_draws_are_those_of_the_plain_truth_also_where_many_are_rejected(bound: int) -> None:
    n_nodes, first_run, step = 3, 16, 7
    sizes = np.array([1, 6, 3])
    table = rows.Table(
        np.zeros((1, 4)),
        REPLACEMENT,
        sizes,
        np.zeros(n_nodes + 1, np.int64),
        np.full((8, 8), bound, np.uint64),
    )
    drawn = np.zeros((8, n_nodes * SAMPLES), np.int64)
    rows.draw_rows(table, 0, n_nodes, KEY, np.uint64(step), np.uint64(first_run), drawn)
    for node, size in enumerate(sizes):
        for r in range(SAMPLES):
            for q in range(size):
                expected = reference.integer(KEY, bound, q, step, node, first_run + r, int(ROWS))
                assert drawn[q, node * SAMPLES + r] == expected


@pytest.mark.parametrize(
    ("loss", "dim", "options", "reason"),
    [
        (dsf.losses.least_squares(), 32, {}, None),
        (dsf.losses.logistic(), 3, {"step_size": dsf.schedules.polynomial_decay(0.1)}, None),
        (dsf.losses.logistic(), 3, {"algorithm": dsf.algorithms.heavy_ball(0.5)}, "plain steps"),
        (dsf.losses.logistic(), 3, {"step_size": [[0.1], [0.2]]}, "the same step sizes for all runs"),
        (dsf.losses.multinomial(2), 3, {}, "a loss with one output, got 2"),
        (dsf.losses.least_squares(), 33, {}, "dim ≤ 32, got 33"),
    ],
)
def test_what_cannot_go_side_by_side_is_refused_with_its_reason(
    loss: dsf.Loss, dim: int, options: dict, reason: str | None
) -> None:
    generator = np.random.default_rng(0)
    features, labels = generator.standard_normal((9, dim)), np.ones(9)
    problem = dsf.EmpiricalRisk(loss, features, labels, reference=np.zeros(loss.outputs * dim))
    W = dsf.mixing_matrix(nx.path_graph(3))
    asked = {"step_size": 0.1, "batch_size": 1, "n_steps": 2, "n_runs": 2, **options}
    refused = refusal(Task(problem, experiment(W, **asked)))
    assert refused is None if reason is None else refused is not None and reason in refused
    assert not dsf.simulate(problem, W, rng=0, **asked).diverged.any()
