"""Mixing processes: what they do to W at a step, and that runs under them follow the recursion."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms
from tests.harness import ORDERS, ordered
from tests.truth import mixing as truth
from tests.truth import simulation as reference

KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
WHEEL = nx.wheel_graph(5)
LINKS = 10 << 28


def uniforms(count: int, step: int, run: int) -> np.ndarray:
    """What a process draws: two halves, each filled up to eights."""
    half = (count + 15) // 16 * 8
    c0, c1, c2, c3 = reference.words(KEY, LINKS + (1 << 27) + np.arange(half), step, 0, run)
    return np.concatenate([reference.uniform(c0, c1), reference.uniform(c2, c3)])


def failed(graph: nx.Graph, probability: float, step: int, run: int) -> np.ndarray:
    W = dsf.mixing_matrix(graph).toarray()
    return truth.failed(W, probability, uniforms(graph.number_of_edges(), step, run))


def gossip(graph: nx.Graph, n_steps: int, run: int) -> list[np.ndarray]:
    adjacency = nx.to_numpy_array(graph)
    return [truth.pair(adjacency, uniforms(1, step, run)[0]) for step in range(n_steps)]


def dropouts(graph: nx.Graph, n_steps: int, run: int) -> list[np.ndarray]:
    W = dsf.mixing_matrix(graph).toarray()
    return [truth.dropped(W, np.full(5, 0.4), uniforms(5, step, run)) for step in range(n_steps)]


def bursts(graph: nx.Graph, n_steps: int, run: int) -> list[np.ndarray]:
    W = dsf.mixing_matrix(graph).toarray()
    drawn = [uniforms(graph.number_of_edges(), step, run) for step in range(n_steps)]
    return truth.in_bursts(W, 0.2, 0.3, drawn)


def peers(graph: nx.Graph, n_steps: int, run: int) -> list[np.ndarray]:
    return [truth.one_peer(5, int(np.ceil(3 * uniforms(1, step, run)[0])) - 1) for step in range(n_steps)]


PROCESSES = {
    "link failures": (
        dsf.mixing.link_failures(WHEEL, 0.4),
        lambda graph, n_steps, run: [failed(graph, 0.4, step, run) for step in range(n_steps)],
    ),
    "bursts": (dsf.mixing.gilbert_elliott(WHEEL, 0.2, 0.3), bursts),
    "dropout": (dsf.mixing.node_dropout(WHEEL, 0.4), dropouts),
    "gossip": (dsf.mixing.pairwise_gossip(WHEEL), gossip),
    "one peer": (dsf.mixing.one_peer_exponential(5, order="random"), peers),
}


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
@pytest.mark.parametrize("name", PROCESSES)
def test_runs_under_a_process_follow_the_recursion(name: str, order: str) -> None:
    process, matrices = PROCESSES[name]
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
        np.testing.assert_allclose(
            runs.final[run], run_through(matrices(WHEEL, 9, run), order == ORDERS[1], run), atol=1e-12
        )


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


@pytest.mark.parametrize("process", [process for process, _ in PROCESSES.values()], ids=PROCESSES)
def test_same_bits_for_any_threads_and_cuts(
    process: dsf.mixing.MixingProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    from desgd_fast.simulation import running

    def simulate(**options: object) -> np.ndarray:
        shared = {"step_size": 0.1, "batch_size": 3, "n_steps": 9, "n_runs": 20, "rng": 1, "initial": 1.0}
        return dsf.simulate(dsf.GaussianRegression(dim=2), process, **{**shared, **options}).final

    whole = simulate()
    np.testing.assert_array_equal(simulate(threads=1), whole)
    np.testing.assert_array_equal(simulate(first_run=17, n_runs=1), whole[17:18])
    monkeypatch.setattr(running, "_STATE_BYTES", 1)
    monkeypatch.setattr(running, "_CALL_VARIATES", 1)
    np.testing.assert_array_equal(simulate(), whole)


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
        (lambda: dsf.mixing.gilbert_elliott(WHEEL, 0.0, 0.5), ValueError, "failure must be a number"),
        (
            lambda: dsf.mixing.gilbert_elliott(WHEEL, 0.5, 1.5),
            ValueError,
            "recovery must be a number",
        ),
        (
            lambda: dsf.mixing.node_dropout(WHEEL, [0.1, 0.2]),
            ValueError,
            "probability must be a number from 0",
        ),
        (lambda: dsf.mixing.node_dropout(WHEEL, 1.0), ValueError, "or one for each of the 5 nodes"),
        (
            lambda: dsf.mixing.pairwise_gossip(nx.empty_graph(3)),
            ValueError,
            "graph must have at least",
        ),
        (lambda: dsf.mixing.random_matching("ring"), TypeError, "graph must be an undirected networkx graph"),
        (lambda: dsf.mixing.one_peer_exponential(1), ValueError, "n_nodes must be"),
        (lambda: dsf.mixing.one_peer_exponential(4, order="any"), ValueError, "order must be one of"),
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
