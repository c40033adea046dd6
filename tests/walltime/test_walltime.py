"""Seconds beside steps: event by event, and what holds whatever the times."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast import walltime


@st.composite
def times(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.integers(3, 12)), draw(st.integers(2, 6))
    return np.random.default_rng(draw(st.integers(0, 999))).lognormal(0, 1, shape)


@settings(deadline=None)
@given(times(), st.integers(0, 99), st.floats(0, 2))
def test_gossip_waits_for_neighbours_and_no_one_else(compute: np.ndarray, seed: int, link: float) -> None:
    n_steps, n = compute.shape
    graph = nx.gnp_random_graph(n, 0.5, seed=seed)
    at = [[0.0] * n]
    for k in range(n_steps):
        before = at[-1]
        arrived = [max([before[i], *(before[j] + (link if k else 0.0) for j in graph[i])]) for i in range(n)]
        at.append([arrived[i] + compute[k, i] for i in range(n)])
    clock = walltime.gossip(graph, compute, link)
    np.testing.assert_allclose(clock.ends, [max(row) for row in at[1:]], rtol=1e-12)
    # Waiting for neighbours alone is no slower than waiting for all.
    assert (clock.ends <= walltime.synchronous(compute, link).ends + 1e-9).all()


@settings(deadline=None)
@given(times(), st.integers(1, 4), st.floats(0, 1))
def test_buffers_fill_in_the_order_of_arrival(compute: np.ndarray, buffer: int, link: float) -> None:
    n_rounds, n = compute.shape
    arrivals, models, turns = list(compute[0] + link), [0] * n, [0] * n
    expected, late, version = [], [], 0
    while len(expected) < n_rounds * n // buffer:
        row = []
        for place in range(buffer):
            client = int(np.argmin(arrivals))
            now = arrivals[client]
            row.append(version - models[client])
            turns[client] += 1
            models[client] = version + (place == buffer - 1)
            arrivals[client] = now + compute[turns[client] % n_rounds, client] + link
        version += 1
        expected.append(now)
        late.append(row)
    clock = walltime.buffered(compute, buffer, link)
    np.testing.assert_allclose(clock.ends, expected, rtol=1e-12)
    np.testing.assert_array_equal(clock.delays, late)
    assert clock.delay_law.sum() == pytest.approx(1.0)


def coded(compute: np.ndarray, shares: float, tolerance: float, conforms: object) -> np.ndarray:
    """Round by round: stragglers are left behind where the scheme allows, else all are awaited."""
    state, durations = np.zeros(compute.shape, bool), []
    for r, row in enumerate(shares * compute):
        wait = (1 + tolerance) * row.min()
        late = row > wait
        if conforms(state[:r], late):
            state[r] = late
            durations.append(min(wait, row.max()))
        else:
            durations.append(row.max())
    return np.cumsum(durations)


@settings(deadline=None)
@given(times(), st.sampled_from([(1, 2), (1, 3), (2, 3), (2, 5)]), st.floats(0, 2), st.data())
def test_coded_rounds_end_as_the_straggler_model_lets_them(
    compute: np.ndarray, model: tuple[int, int], tolerance: float, data: st.DataObject
) -> None:
    (burst, window), n = model, compute.shape[1]
    most = data.draw(st.integers(0, n - 1))

    def bursty(state: np.ndarray, late: np.ndarray) -> bool:
        last = state[max(0, len(state) - (window - 1)) :]
        recent = last[: max(0, len(last) - (burst - 1))] if burst > 1 else last
        if len(state) < burst:
            recent = state[:0]
        few = (last.any(axis=0) | late).sum() <= most
        return bool(few and not (recent.any(axis=0) & late).any())

    shares = -(-burst * most // (window - 1 + burst)) + 1
    if len(compute) > burst:
        clock = walltime.selective_repetition(compute, burst, window, most, tolerance=tolerance)
        np.testing.assert_allclose(clock.ends, coded(compute, shares, tolerance, bursty)[burst:], rtol=1e-12)
    later, load = window - 2 + burst, (most + 1) * (window - 1 + burst) / (burst + (window - 1) * (most + 1))
    if len(compute) > later:
        clock = walltime.multiplexed_coding(compute, burst, window, most, tolerance=tolerance)
        np.testing.assert_allclose(clock.ends, coded(compute, load, tolerance, bursty)[later:], rtol=1e-12)
    clock = walltime.gradient_coding(compute, most, tolerance=tolerance)
    expected = coded(compute, most + 1, tolerance, lambda state, late: late.sum() <= most)
    np.testing.assert_allclose(clock.ends, expected, rtol=1e-12)


def test_the_steps_of_a_budget_are_those_that_end_in_it(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("# seconds\n1, 2\n3, 1\n2, 2\n")
    trace = walltime.read_times(path)
    clock = walltime.synchronous(trace)
    np.testing.assert_array_equal(clock.ends, [2.0, 5.0, 7.0])
    assert clock.steps_within([1.9, 2.0, 6.0, 99.0]).tolist() == [0, 1, 2, 3]
    drawn = walltime.draw_times(trace, 50, 2, rng=0)
    assert {tuple(row) for row in drawn} == {tuple(row) for row in trace}


def test_delays_of_a_buffer_are_a_law_that_simulations_take() -> None:
    compute = walltime.draw_times(lambda rng, shape: rng.exponential(size=shape), 200, 5, rng=0)
    clock = walltime.buffered(compute, 1)
    # Five clients alike: an update is as late as the others are fast, four steps on average.
    assert float(clock.delay_law @ np.arange(clock.delay_law.size)) == pytest.approx(4.0, abs=0.1)
    algorithm = dsf.algorithms.fedbuff(clock.delay_law)
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2),
        dsf.mixing.server(5, 1),
        step_size=0.05,
        batch_size=3,
        n_steps=20,
        algorithm=algorithm,
        rng=0,
    )
    assert np.isfinite(runs.final).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: walltime.synchronous([1.0, 2.0]), ValueError, "compute must be an"),
        (lambda: walltime.synchronous([[1.0, -2.0]]), ValueError, "compute must be an .* with -2"),
        (lambda: walltime.synchronous([[1.0, 2.0]], [1.0]), ValueError, "link must be a number of seconds"),
        (lambda: walltime.gossip(nx.path_graph(3), [[1.0, 2.0]]), ValueError, "graph must have 2 nodes"),
        (lambda: walltime.buffered([[1.0, 2.0]], 3), ValueError, "buffer must be"),
        (lambda: walltime.gradient_coding([[1.0, 2.0]], 2), ValueError, "stragglers must be"),
        (
            lambda: walltime.selective_repetition(np.ones((9, 3)), 2, 4, 1),
            ValueError,
            "window must be a",
        ),
        (lambda: walltime.multiplexed_coding(np.ones((2, 3)), 1, 4, 1), ValueError, "compute must have more"),
        (lambda: walltime.draw_times(np.ones((2, 3)), 5, 4), ValueError, "law must have 4 nodes"),
    ],
)
def test_bad_times_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
