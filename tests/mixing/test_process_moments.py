"""Second moments of mixing processes: closed forms against the sum over all outcomes, on any graph."""

import itertools
from collections.abc import Callable

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast.mixing import MixingProcess
from tests.harness import ORDERS, ordered
from tests.truth import mixing as truth

Outcomes = list[tuple[float, np.ndarray]]


@st.composite
def linked(draw: st.DrawFn, most: int = 5) -> nx.Graph:
    n = draw(st.integers(2, most))
    graph = nx.gnp_random_graph(n, draw(st.floats(0.2, 1.0)), seed=draw(st.integers(0, 99)))
    graph.add_edge(*draw(st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True)))
    return graph


def masks(chances: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """All patterns of events with these chances, as uniforms: 0 where they happen, 1 where not."""
    return [
        (float(np.prod(np.where(happens, chances, 1 - chances))), np.where(happens, 0.0, 1.0))
        for happens in itertools.product([True, False], repeat=len(chances))
    ]


def weights(graph: nx.Graph) -> np.ndarray:
    return dsf.mixing_matrix(graph).toarray()


def failing(graph: nx.Graph, chance: float) -> tuple[MixingProcess, Outcomes]:
    W, count = weights(graph), graph.number_of_edges()
    return dsf.mixing.link_failures(graph, chance), [
        (p, truth.failed(W, chance, u)) for p, u in masks(np.full(count, chance))
    ]


def dropping(graph: nx.Graph, chance: float) -> tuple[MixingProcess, Outcomes]:
    W, chances = weights(graph), chance / (1 + np.arange(len(graph)))
    return dsf.mixing.node_dropout(graph, chances), [
        (p, truth.dropped(W, chances, u)) for p, u in masks(chances)
    ]


def gossiping(graph: nx.Graph, chance: float) -> tuple[MixingProcess, Outcomes]:
    adjacency, outcomes = nx.to_numpy_array(graph), []
    degrees, alone = adjacency.sum(axis=1), np.count_nonzero(adjacency.sum(axis=1) == 0)
    for i, j in truth.links_of(adjacency):
        apart = np.eye(len(graph))[i] - np.eye(len(graph))[j]
        probability = (1 / degrees[i] + 1 / degrees[j]) / (len(graph) - alone)
        outcomes.append((probability, np.eye(len(graph)) - 0.5 * np.outer(apart, apart)))
    return dsf.mixing.pairwise_gossip(graph), outcomes


def peering(graph: nx.Graph, chance: float) -> tuple[MixingProcess, Outcomes]:
    n, count = len(graph), (len(graph) - 1).bit_length()
    outcomes = [(1 / count, truth.one_peer(n, t)) for t in range(count)]
    return dsf.mixing.one_peer_exponential(n, order="random"), outcomes


@settings(max_examples=40, deadline=None)
@given(linked(), st.floats(0.01, 0.99), st.sampled_from([failing, dropping, gossiping, peering]), st.data())
def test_moments_are_the_sums_over_all_outcomes(
    graph: nx.Graph, chance: float, make: Callable[..., tuple[MixingProcess, Outcomes]], data: st.DataObject
) -> None:
    process, outcomes = make(graph, chance)
    Q = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((len(graph),) * 2)
    assert sum(p for p, _ in outcomes) == pytest.approx(1.0)
    np.testing.assert_allclose(
        process.mean.toarray(), truth.second_moment(outcomes, lambda W: W), rtol=0, atol=1e-13
    )
    assert process.quadratic is not None
    assert process.square is not None
    np.testing.assert_allclose(
        process.quadratic(Q), truth.second_moment(outcomes, lambda W: W @ Q @ W.T), rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        process.square().toarray(), truth.second_moment(outcomes, lambda W: W.T @ W), rtol=0, atol=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(linked(most=9), st.booleans())
def test_matchings_part_the_links(graph: nx.Graph, complete: bool) -> None:
    graph = nx.complete_graph(len(graph)) if complete else graph
    process = dsf.mixing.random_matching(graph)
    count, largest = round(1 / process.tables[1, 0]), max(dict(graph.degree()).values())
    assert largest <= count <= (largest if nx.is_bipartite(graph) else 2 * largest - 1)
    matrices = [drawn(process, (c + 0.5) / count) for c in range(count)]
    for W in matrices:
        np.testing.assert_array_equal(W @ W, W)  # the means of pairs, each node in one at most
        np.testing.assert_array_equal(W, W.T)
    np.testing.assert_array_equal(
        sum(2 * W - np.diag(np.diag(2 * W)) for W in matrices), nx.to_numpy_array(graph)
    )
    outcomes = [(1 / count, W) for W in matrices]
    Q = np.arange(len(graph) ** 2.0).reshape(len(graph), -1)
    assert process.quadratic is not None
    np.testing.assert_allclose(
        process.quadratic(Q), truth.second_moment(outcomes, lambda W: W @ Q @ W.T), rtol=0, atol=1e-11
    )


def drawn(process: MixingProcess, *uniforms: float) -> np.ndarray:
    """W of a process for these uniforms."""
    base, filled = process.base, np.empty(process.base.nnz)
    rule = getattr(process.function, "py_func", process.function)
    numbers = np.array(uniforms), process.tables, np.zeros(process.n_memory)
    rule(0, base.data, base.indptr, base.indices, *numbers, filled)
    W = np.zeros((process.n_nodes,) * 2)
    W[np.repeat(np.arange(process.n_nodes), np.diff(base.indptr)), base.indices] = filled
    return W


def test_turns_are_the_matrices_in_turn() -> None:
    process = dsf.mixing.one_peer_exponential(8)
    assert process.quadratic is None
    product = np.eye(8)
    for t, W in enumerate(process.turns):
        np.testing.assert_array_equal(W.toarray(), truth.one_peer(8, t))
        product = W @ product
    np.testing.assert_allclose(product, 1 / 8)  # log₂ N rounds make the mean of all


PROCESSES = [
    dsf.mixing.link_failures(nx.wheel_graph(7), 0.3),
    dsf.mixing.gilbert_elliott(nx.wheel_graph(7), 0.2, 0.5),
    dsf.mixing.node_dropout(nx.wheel_graph(7), 0.2),
    dsf.mixing.pairwise_gossip(nx.wheel_graph(7)),
    dsf.mixing.poisson_clocks(nx.wheel_graph(7)),
    dsf.mixing.random_matching(nx.wheel_graph(7)),
    dsf.mixing.one_peer_exponential(7),
    dsf.mixing.alternate([nx.path_graph(7), nx.star_graph(6)]),
]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_the_report_of_a_process_is_of_its_mean_and_its_square(process: MixingProcess) -> None:
    report = dsf.mixing_report(process)
    mean = dsf.mixing_report(process.mean)
    assert report.doubly_stochastic
    assert report.second_eigenvalue_modulus == mean.second_eigenvalue_modulus
    assert process.square is not None
    second = np.linalg.eigvalsh(process.square().toarray())[-2]
    assert report.mean_square_contraction == pytest.approx(second, abs=1e-12)
    # What is drawn about a mean mixes no better than the mean: E[WᵀW] ⪰ E[W]ᵀE[W].
    assert report.mean_square_contraction >= mean.mean_square_contraction - 1e-12


def test_the_report_scales_to_large_graphs() -> None:
    n = 20_000
    ring = np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1)
    shifts = np.random.default_rng(0).permutation(n)
    edges = np.concatenate([ring, np.stack([shifts, np.roll(shifts, 1)], axis=1)])
    report = dsf.mixing_report(dsf.mixing.link_failures(dsf.mixing_matrix(edges), 0.2))
    assert 0.5 < report.mean_square_contraction < 1


@settings(max_examples=40, deadline=None)
@given(
    graph=linked(),
    chance=st.floats(0.05, 0.95),
    make=st.sampled_from([failing, dropping, gossiping, peering]),
    dim=st.integers(1, 100),
    step_size=st.floats(0.01, 0.5),
    takes_part=st.floats(0.1, 1.0),
    order=st.sampled_from(ORDERS),
)
def test_no_independent_randomness_about_a_mean_lowers_the_second_moment(
    graph: nx.Graph,
    chance: float,
    make: Callable[..., tuple[MixingProcess, Outcomes]],
    dim: int,
    step_size: float,
    takes_part: float,
    order: str,
) -> None:
    """E[W Q Wᵀ] ⪰ W̄ Q W̄ᵀ, and what a step does to second moments keeps that order: so do their growths."""
    problem, process = dsf.GaussianRegression(dim), make(graph, chance)[0]
    taking = takes_part ** np.arange(len(graph))

    def growth(W: object, steps: object, *parts: dsf.algorithms.Algorithm) -> float:
        algorithm = dsf.algorithms.chain(ordered(order), *parts)
        return dsf.theory.second_moment_growth(problem, W, step_size=steps, batch_size=5, algorithm=algorithm)

    mean = growth(process.mean, step_size * taking)
    links = growth(process, step_size * taking)
    both = growth(process, step_size, dsf.algorithms.bernoulli(taking))
    assert mean <= links * (1 + 1e-9)
    assert links <= both * (1 + 1e-9)
