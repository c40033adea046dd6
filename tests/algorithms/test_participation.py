"""Who takes part, and gradients that come late: each equals its recursion, on the same random numbers."""

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms
from tests.truth import simulation as reference

KEY = np.random.default_rng(1).integers(0, 2**32, size=2, dtype=np.uint64)
PARTICIPATION, RULES = 11 << 28, 12 << 28
PATH = dsf.mixing_matrix(nx.path_graph(3)).toarray()


def uniform(purpose: int, step: int, node: int, run: int) -> float:
    c0, c1, _, _ = reference.words(KEY, purpose + (1 << 27), step, node, run)
    return float(reference.uniform(c0, c1))


def one(direction, iterate, memory, normals, uniforms, parameters):
    for t in range(direction.size):
        direction[t] = 1.0


def rounds_taken(participation: algorithms.Algorithm, steps_of_a_round: int) -> np.ndarray:
    """(n_runs, n_nodes): steps that every node has taken in twelve rounds."""
    parts = participation, algorithms.local_rule(one), algorithms.local_steps(steps_of_a_round)
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2),
        np.eye(3),
        step_size=1.0,
        batch_size=3,
        n_steps=12 * steps_of_a_round,
        n_runs=20,
        initial=0.0,
        algorithm=algorithms.chain(*parts),
        rng=1,
    )
    return -runs.final[..., 0]


def in_chain(join: float, leave: float, drawn: list[float]) -> list[bool]:
    inside: list[bool] = []
    for u in drawn:
        before = inside[-1] if inside else None
        inside.append(u <= (join / (join + leave) if before is None else 1 - leave if before else join))
    return inside


JOIN, LEAVE = [0.1, 0.5, 1.0], [0.3, 0.5, 0.2]
CASES = {
    "bernoulli": (algorithms.bernoulli(JOIN), lambda node, u: [v <= JOIN[node] for v in u]),
    "markov": (algorithms.markov(JOIN, LEAVE), lambda node, u: in_chain(JOIN[node], LEAVE[node], u)),
    "markov alike": (algorithms.markov(0.2, 0.4), lambda node, u: in_chain(0.2, 0.4, u)),
    "poisson": (
        algorithms.poisson([0.1, 1.0, 3.0]),
        lambda node, u: [v <= 1 - np.exp(-[0.1, 1.0, 3.0][node]) for v in u],
    ),
    "cyclic": (algorithms.cyclic(3), lambda node, u: [k % 3 == node for k in range(12)]),
    "timetable": (
        algorithms.cyclic(5, [1, 2, 4], offset=[4, 0, 3]),
        lambda node, u: [(k - [4, 0, 3][node]) % 5 < [1, 2, 4][node] for k in range(12)],
    ),
    "always": (algorithms.always(), lambda node, u: [True] * 12),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("period", [1, 3])
def test_nodes_take_all_steps_of_the_rounds_that_they_take_part_in(name: str, period: int) -> None:
    participation, rounds = CASES[name]
    taken = rounds_taken(participation, period)
    for run in (0, 19):
        for node in range(3):
            drawn = [uniform(PARTICIPATION, k * period, node, run) for k in range(12)]
            assert taken[run, node] == period * sum(rounds(node, drawn))


def test_nodes_with_local_steps_of_their_own_wait_for_the_others() -> None:
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2),
        np.eye(3),
        step_size=1.0,
        batch_size=3,
        n_steps=12,
        initial=0.0,
        algorithm=algorithms.chain(algorithms.local_rule(one), algorithms.local_steps([1, 4, 2])),
    )
    np.testing.assert_array_equal(-runs.final[0, :, 0], [3, 12, 6])


def gradient(x: np.ndarray, step: int, node: int, run: int) -> np.ndarray:
    zeta = reference.normal_vector(KEY, 2, 0, step, node, run)
    chi = reference.chi_square(KEY, 3, step, node, run)
    return reference.collapsed_gradient(x, zeta, chi, 1.0, 1.0, 3, np.ones(2))


LAW = np.array([0.2, 0.5, 0.3])
DELAYS = {
    "none": (algorithms.delayed(0), lambda step, node, run: 0),
    "fixed": (algorithms.delayed(2), lambda step, node, run: 2),
    "by node": (algorithms.delayed([0, 3, 1]), lambda step, node, run: [0, 3, 1][node]),
    "random": (
        algorithms.randomly_delayed(LAW),
        lambda step, node, run: int(np.searchsorted(np.cumsum(LAW), uniform(RULES, step, node, run))),
    ),
}


@pytest.mark.parametrize("name", DELAYS)
@pytest.mark.parametrize("missing", [False, True], ids=["all", "some"])
def test_late_gradients_are_taken_where_the_node_was(name: str, missing: bool) -> None:
    late, delay = DELAYS[name]
    parts = [late, algorithms.heavy_ball(0.5)]
    if missing:
        parts.append(algorithms.cyclic(3))
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2),
        PATH,
        step_size=0.1,
        batch_size=3,
        n_steps=9,
        n_runs=20,
        initial=1.0,
        algorithm=algorithms.chain(*parts),
        engine="collapsed",
        rng=1,
    )
    for run in (0, 19):
        path, velocity = [np.ones((3, 2))], np.zeros((3, 2))
        for step in range(9):
            moved = np.zeros((3, 2))
            for node in range(3):
                if not missing or step % 3 == node:
                    at = path[step - min(step, delay(step, node, run))][node]
                    velocity[node] = 0.5 * velocity[node] + gradient(at, step, node, run)
                    moved[node] = 0.1 * velocity[node]
            path.append(PATH @ path[-1] - moved)
        np.testing.assert_allclose(runs.final[run], path[-1], rtol=0, atol=1e-13)


MESSAGES = 13 << 28
LATE = {
    "fixed": (algorithms.delayed_messages(2), lambda step, node, run: 2),
    "by node": (algorithms.delayed_messages([0, 3, 1]), lambda step, node, run: [0, 3, 1][node]),
    "random": (
        algorithms.randomly_delayed_messages(LAW),
        lambda step, node, run: int(np.searchsorted(np.cumsum(LAW), uniform(MESSAGES, step, node, run))),
    ),
}


@pytest.mark.parametrize("name", LATE)
@pytest.mark.parametrize("kind", ["combine first", "adapt first", "half of the way, every other step"])
def test_late_messages_say_where_the_others_were(name: str, kind: str) -> None:
    late, delay = LATE[name]
    adapt_first, size, period = (
        kind == "adapt first",
        0.5 if "half" in kind else 1.0,
        2 if "half" in kind else 1,
    )
    parts = [late, algorithms.local_steps(period), algorithms.consensus_step(size)]
    if adapt_first:
        parts.append(algorithms.adapt_then_combine())
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=2),
        PATH,
        step_size=0.1,
        batch_size=3,
        n_steps=12,
        n_runs=20,
        initial=1.0,
        algorithm=algorithms.chain(*parts),
        engine="collapsed",
        rng=1,
    )
    for run in (0, 19):
        x, sent = np.ones((3, 2)), []
        for step in range(12):
            g = np.array([gradient(x[node], step, node, run) for node in range(3)])
            x = x - 0.1 * g if adapt_first else x
            if (step + 1) % period == 0:
                sent.append(x)
                seen = [sent[max(len(sent) - 1 - delay(step, node, run), 0)][node] for node in range(3)]
                others = PATH - np.diag(np.diag(PATH))
                x = x + size * (others @ seen - others.sum(axis=1)[:, None] * x)
            x = x if adapt_first else x - 0.1 * g
        np.testing.assert_allclose(runs.final[run], x, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: algorithms.delayed_messages(-1), ValueError, "steps must hold integers from 0"),
        (
            lambda: dsf.simulate(
                dsf.GaussianRegression(2),
                dsf.mixing.server(3),
                step_size=0.1,
                batch_size=1,
                n_steps=1,
                algorithm=algorithms.delayed_messages(1),
            ),
            ValueError,
            "where nodes do not combine messages on their own",
        ),
        (lambda: algorithms.markov(0.0, 0.5), ValueError, "join must hold probabilities above 0"),
        (
            lambda: algorithms.markov([0.1, 0.2], [0.1, 0.2, 0.3]),
            ValueError,
            "join and leave must have one number",
        ),
        (lambda: algorithms.cyclic(3, 4), ValueError, "active must hold integers from 1 to 3"),
        (lambda: algorithms.cyclic(3, 0.5), TypeError, "active must hold integers"),
        (lambda: algorithms.poisson(0.0), ValueError, "rate must hold positive numbers"),
        (lambda: algorithms.delayed(-1), ValueError, "steps must hold integers from 0"),
        (
            lambda: algorithms.randomly_delayed([0.5, 0.4]),
            ValueError,
            "probabilities must be probabilities that",
        ),
        (
            lambda: algorithms.chain(algorithms.delayed(1), algorithms.randomly_delayed([1.0])),
            ValueError,
            "exclude each other",
        ),
        (
            lambda: algorithms.chain(algorithms.bernoulli(0.5), algorithms.woken()),
            ValueError,
            "participation must be given once",
        ),
    ],
)
def test_bad_participations_and_delays_are_refused(make: object, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make()
