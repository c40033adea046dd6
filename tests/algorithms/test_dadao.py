"""DADAO: a flow between the events of Poisson clocks, against its definition and its generator."""

import networkx as nx
import numpy as np
import pytest
from scipy import linalg

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory
from tests.algorithms.test_participation import RULES, gradient, uniform
from tests.mixing.test_processes import uniforms
from tests.truth import algorithms as truth
from tests.truth import mixing as truth_mixing

EVERYBODY = 2**32 - 1
PATH = nx.path_graph(3)
CLOCKS = mixing.poisson_clocks(PATH)


def dadao(L: float, mu: float = 1.0, clocks: mixing.MixingProcess = CLOCKS) -> algorithms.Algorithm:
    gap = dsf.mixing_report(clocks).spectral_gap
    rate = clocks.event_rate
    assert rate is not None
    return algorithms.dadao(L, mu, event_rate=rate, spectral_gap=gap)


def simulated(**options: object) -> np.ndarray:
    shared = {"step_size": 1 / 8, "batch_size": 3, "n_steps": 40, "n_runs": 20, "initial": 1.0, "rng": 1}
    problem = dsf.GaussianRegression(dim=2)
    arguments = {**shared, "algorithm": dadao(2.0), "engine": "collapsed", **options}
    return dsf.simulate(problem, CLOCKS, **arguments).final


@pytest.mark.parametrize(
    ("graph", "rate"),
    [
        (PATH, 2.0),  # L / 2 has the eigenvalues 0, 1/2, 3/2, and links of resistance 2: √(2 · 2 · 1)
        (nx.star_graph(299), 299.0),  # L / 299: 1/299, and resistance 299
        (nx.complete_graph(4), np.sqrt(2 * (6 / 4) * (0.5 * 2 * 6 / 4))),
    ],
)
def test_links_tick_at_the_published_rate(graph: nx.Graph, rate: float) -> None:
    clocks = mixing.poisson_clocks(graph)
    assert clocks.event_rate == pytest.approx(len(graph) + rate, rel=1e-9)


def ticks(step: int, run: int) -> tuple[str, int]:
    """What happens at an event of the path of three nodes: three in five are gradients."""
    on, which = uniforms(2, step, run)[:2]
    return ("link", int(np.ceil(on / 0.2)) - 1) if on <= 0.4 else ("node", int(np.ceil(3 * which)) - 1)


def test_nodes_flow_between_events() -> None:
    final = simulated()
    c = truth.dadao_constants(2.0, 1.0, 1.0)  # Σ λ_e L_e of the path is its Laplacian: χ₁ = 1
    A = truth.dadao_flow(c)
    kinds = set()
    for run in (0, 19):
        state = np.zeros((6, 3, 2))
        state[0] = 1.0
        for step in range(40):
            waited = -np.log(uniform(RULES, step, EVERYBODY, run)) / 5
            state = np.einsum("rs,sic->ric", linalg.expm(A * waited), state)
            kind, which = ticks(step, run)
            kinds.add((kind, which))
            if kind == "node":
                g = gradient(state[0, which], step, which, run)
                state = truth.dadao_gradient(state, which, g, c)
            else:
                state = truth.dadao_link(state, *truth_mixing.links_of(nx.to_numpy_array(PATH))[which], c)
        np.testing.assert_allclose(final[run], state[0], rtol=0, atol=1e-12)
    assert len(kinds) == 5


def generator(L: float, dim: int, batch_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one coordinate's E[S Sᵀ] at infinity, where Σz = Σz̃ = 0: the flow, and all events by their rates."""
    c = truth.dadao_constants(L, 1.0, 1.0)
    size, kappa = 18, (dim + 1) / batch_size

    def matrix(event: object) -> np.ndarray:
        states = np.eye(size).reshape(size, 6, 3)
        return np.stack([event(state).ravel() for state in states], axis=1)

    flow = np.kron(truth.dadao_flow(c), np.eye(3))
    spread = np.stack([truth.dadao_gradient(np.zeros((6, 3)), i, 1.0, c).ravel() for i in range(3)])
    square = np.zeros((size**2, size**2))
    for i in range(3):
        mean = matrix(lambda state, i=i: truth.dadao_gradient(state, i, state[0, i], c))
        square += np.kron(mean, mean)
        square[:, i * size + i] += kappa * np.kron(spread[i], spread[i])
    for i, j in PATH.edges:
        moved = matrix(lambda state, i=i, j=j: truth.dadao_link(state, i, j, c))
        square += np.kron(moved, moved)
    sums = np.zeros((2, size))
    sums[0, 12:15], sums[1, 15:] = 1.0, 1.0
    basis = linalg.null_space(sums)
    both = np.kron(basis, basis)
    drift = np.kron(flow, np.eye(size)) + np.kron(np.eye(size), flow)
    return both.T @ drift @ both, both.T @ square @ both


@pytest.mark.parametrize(("L", "abscissa"), [(1.0, 0.45), (2.0, -0.016)])
def test_second_moments_are_those_of_the_generator(L: float, abscissa: float) -> None:
    drift, events = generator(L, 100, 5)
    identity = np.eye(len(drift))
    assert np.linalg.eigvals(drift + events - 5 * identity).real.max() == pytest.approx(abscissa, abs=0.005)
    # Seen at events, waiting times are integrated out: 5 ∫ e^(t drift) e^(−5t) dt, then an event.
    seen = np.abs(np.linalg.eigvals(events @ np.linalg.inv(5 * identity - drift))).max()
    growth = theory.second_moment_growth(
        dsf.GaussianRegression(dim=100), CLOCKS, step_size=1 / (4 * L), batch_size=5, algorithm=dadao(L)
    )
    assert growth == pytest.approx(seen, rel=1e-8)


def test_it_finds_the_common_optimum_of_nodes_with_different_data() -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((40, 2))
    targets = features @ [1.0, -2.0] + generator.standard_normal(40)
    problem = dsf.DatasetRegression(features, targets, assignment="sorted", replacement=False)
    shares = [features[part] for part in np.array_split(np.argsort(targets, kind="stable"), 4)]
    values = [np.linalg.eigvalsh(a.T @ a / len(a)) for a in shares]
    L, mu = max(v[-1] for v in values), min(v[0] for v in values)
    clocks = mixing.poisson_clocks(nx.cycle_graph(4))
    asked = {"step_size": 1 / (4 * L), "batch_size": 10, "algorithm": dadao(L, mu, clocks), "rng": 0}
    lengths = [dsf.simulate(problem, clocks, n_steps=n, **asked).norms().max() for n in (1, 2000, 6000)]
    assert lengths[1] < 0.1 * lengths[0]
    assert lengths[2] < 1e-9 * lengths[0]


def test_same_bits_for_any_threads_and_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    from desgd_fast.simulation import running

    whole = simulated()
    np.testing.assert_array_equal(simulated(threads=1), whole)
    np.testing.assert_array_equal(simulated(first_run=17, n_runs=1), whole[17:18])
    monkeypatch.setattr(running, "_STATE_BYTES", 1)
    monkeypatch.setattr(running, "_CALL_VARIATES", 1)
    np.testing.assert_array_equal(simulated(), whole)


def test_constants_are_free() -> None:
    part = algorithms.dadao(2.0, 1.0, event_rate=5.0, spectral_gap=0.1, beta=0.3, nu=0.2).local[0]
    assert part.parameters[1] == 0.2
    assert part.parameters[2] == pytest.approx(np.sqrt(0.1) / 8)  # the others as published for this ν
    assert part.parameters[6] == 0.3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mixing.poisson_clocks(nx.empty_graph(2)), "graph must have at least one link"),
        (lambda: mixing.poisson_clocks(nx.Graph([(0, 1), (2, 3)])), "graph must lead from every node"),
        (lambda: mixing.poisson_clocks(PATH, link_rate=0.0), "link_rate must be a positive finite number"),
        (lambda: algorithms.dadao(1.0, 2.0, event_rate=1.0, spectral_gap=0.1), "strong_convexity must be"),
        (lambda: algorithms.dadao(1.0, 1.0, event_rate=1.0, spectral_gap=0.0), "spectral_gap must be"),
        (lambda: algorithms.dadao(1.0, 1.0, event_rate=1.0, spectral_gap=0.1, rho=1.0), "constants must be"),
        (
            lambda: dsf.simulate(
                dsf.GaussianRegression(2),
                mixing.pairwise_gossip(PATH),
                step_size=0.1,
                batch_size=1,
                n_steps=1,
                algorithm=dadao(1.0),
            ),
            "under a W whose rounds are events",
        ),
    ],
)
def test_bad_clocks_and_constants_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
