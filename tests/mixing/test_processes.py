"""Mixing processes: what they do to W at a step, and that runs under them follow the recursion."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast import algorithms
from tests.harness import ORDERS, ordered
from tests.truth import simulation as reference

KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
WHEEL = nx.wheel_graph(5)
LINKS = 10 << 28


def failed(graph: nx.Graph, probability: float, step: int, run: int) -> np.ndarray:
    """W of one step: links are numbered by their ends, and their uniforms lie in two halves."""
    W = dsf.mixing_matrix(graph).toarray()
    links = sorted((min(link), max(link)) for link in graph.edges)
    half = (len(links) + 15) // 16 * 8
    c0, c1, c2, c3 = reference.words(KEY, LINKS + (1 << 27) + np.arange(half), step, 0, run)
    uniforms = np.concatenate([reference.uniform(c0, c1), reference.uniform(c2, c3)])
    for (i, j), uniform in zip(links, uniforms, strict=False):
        if uniform <= probability:
            apart = np.eye(len(W))[i] - np.eye(len(W))[j]
            W = W + W[i, j] * np.outer(apart, apart)
    return W


def run_through(matrices: list[np.ndarray], adapt_first: bool, run: int) -> np.ndarray:
    x = np.ones((len(matrices[0]), 2))
    for step, W in enumerate(matrices):
        g = np.stack(
            [
                reference.collapsed_gradient(
                    x[node],
                    reference.normal_vector(KEY, 2, 0, step, node, run),
                    reference.chi_square(KEY, 3, step, node, run),
                    1.0,
                    1.0,
                    3,
                    np.ones(2),
                )
                for node in range(len(W))
            ]
        )
        x = W @ (x - 0.1 * g) if adapt_first else W @ x - 0.1 * g
    return x


@pytest.mark.parametrize("order", ORDERS)
def test_runs_with_failing_links_follow_the_recursion(order: str) -> None:
    process = dsf.mixing.link_failures(WHEEL, 0.4)
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2),
        process,
        step_size=0.1,
        batch_size=3,
        n_steps=9,
        n_runs=20,
        initial=1.0,
        algorithm=ordered(order),
        engine="collapsed",
        rng=1,
    )
    for run in (0, 19):
        matrices = [failed(WHEEL, 0.4, step, run) for step in range(9)]
        np.testing.assert_allclose(
            runs.final[run], run_through(matrices, order == ORDERS[1], run), atol=1e-12
        )


@given(st.integers(2, 12), st.integers(0, 1000), st.floats(0.0, 0.99))
def test_failing_links_leave_w_symmetric_and_doubly_stochastic(n: int, seed: int, probability: float) -> None:
    graph = nx.gnp_random_graph(n, 0.5, seed=seed)
    process = dsf.mixing.link_failures(graph, probability)
    base, weights = process.base, np.empty(process.base.nnz)
    uniforms = np.random.default_rng(seed).uniform(size=process.n_uniforms)
    assert process.n_uniforms == graph.number_of_edges()
    rule = getattr(process.function, "py_func", process.function)
    rule(0, base.data, base.indptr, base.indices, uniforms, process.tables, np.empty(0), weights)
    W = np.zeros((n, n))
    W[np.repeat(np.arange(n), np.diff(base.indptr)), base.indices] = weights
    np.testing.assert_allclose(W, W.T, atol=1e-15)
    np.testing.assert_allclose(W.sum(axis=1), 1.0)
    gone = np.count_nonzero(np.triu(base.toarray(), 1)) - np.count_nonzero(np.triu(W, 1))
    assert gone == np.count_nonzero(uniforms <= probability)


def test_failing_links_have_the_mean_they_say() -> None:
    process = dsf.mixing.link_failures(WHEEL, 0.3)
    mean = np.mean([failed(WHEEL, 0.3, step, 0) for step in range(20_000)], axis=0)
    # Twenty-five entries of means of 20,000 bounded by one, six standard errors: false alarm 1e-7.
    np.testing.assert_allclose(mean, process.mean.toarray(), atol=6 * 0.5 / np.sqrt(20_000))


@pytest.mark.parametrize("period", [1, 2])
def test_alternating_matrices_take_turns_at_meetings(period: int) -> None:
    turns = [dsf.mixing_matrix(nx.cycle_graph(4)).toarray(), np.full((4, 4), 0.25), np.eye(4)]
    process = dsf.mixing.alternate([nx.cycle_graph(4), turns[1], turns[2]])
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2),
        process,
        step_size=0.1,
        batch_size=3,
        n_steps=14,
        n_runs=2,
        initial=1.0,
        algorithm=algorithms.local_steps(period),
        engine="collapsed",
        rng=1,
    )
    matrices = [turns[step // period % 3] if (step + 1) % period == 0 else np.eye(4) for step in range(14)]
    np.testing.assert_allclose(runs.final[1], run_through(matrices, False, 1), atol=1e-12)
    np.testing.assert_allclose(process.mean.toarray(), np.mean(turns, axis=0))


def test_a_process_that_never_fails_is_its_matrix() -> None:
    options = {"step_size": 0.1, "batch_size": 2, "n_steps": 20, "n_runs": 5, "rng": 0}
    problem = dsf.EmpiricalRisk(dsf.losses.least_squares(), np.eye(5), np.arange(5.0))
    fixed = dsf.simulate(problem, dsf.mixing_matrix(WHEEL), **options)
    changing = dsf.simulate(problem, dsf.mixing.link_failures(WHEEL, 0.0), **options)
    np.testing.assert_allclose(changing.final, fixed.final, atol=1e-14)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: dsf.mixing.link_failures(WHEEL, 1.0), ValueError, "probability must be a number from 0 to"),
        (lambda: dsf.mixing.link_failures(3, 0.1), ValueError, "graph must be"),
        (
            lambda: dsf.mixing.link_failures(np.roll(np.eye(3), 1, axis=1), 0.1),
            ValueError,
            "graph must be symmetric",
        ),
        (lambda: dsf.mixing.alternate([]), TypeError, "matrices must be a sequence"),
        (lambda: dsf.mixing.alternate([np.eye(2), np.eye(3)]), ValueError, "matrices must all have the same"),
        (
            lambda: dsf.mixing.alternate([np.eye(2), np.ones((2, 2))]),
            ValueError,
            r"matrices\[1\] must be doubly",
        ),
    ],
)
def test_bad_processes_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
