"""Mixing matrices: what every rule must give on every graph, and the report against dense linear algebra."""

import itertools
import tracemalloc

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import desgd_fast as dsf
from desgd_fast.mixing import rules as mixing

RULES = ["metropolis", "max-degree", "best-constant", "uniform", "laplacian"]


@st.composite
def graphs(draw: st.DrawFn, least: int = 1) -> nx.Graph:
    """Any undirected graph up to 12 nodes: disconnected ones, self-loops and parallel edges included."""
    n_nodes = draw(st.integers(least, 12))
    node = st.integers(0, n_nodes - 1)
    graph = draw(st.sampled_from([nx.Graph, nx.MultiGraph]))()
    graph.add_nodes_from(range(n_nodes))
    for start, end in draw(st.lists(st.tuples(node, node), max_size=30)):
        graph.add_edge(start, end, length=draw(st.floats(0.01, 100.0)))
    return graph


def build(graph: nx.Graph, rule: str, **options: object) -> np.ndarray:
    simple = nx.Graph(graph)
    simple.remove_edges_from(list(nx.selfloop_edges(simple)))
    if rule == "laplacian":
        largest = max(dict(simple.degree()).values())
        options["delta"] = 0.7 / max(largest, 1)
    return dsf.mixing_matrix(graph, rule, **options).toarray()


@given(graphs(), st.sampled_from(RULES), st.booleans())
def test_every_rule_is_doubly_stochastic_and_symmetric(graph: nx.Graph, rule: str, lazy: bool) -> None:
    W = build(graph, rule, lazy=lazy)
    assert (W >= 0).all()
    np.testing.assert_allclose(W.sum(axis=0), 1, rtol=0, atol=1e-12)
    np.testing.assert_allclose(W.sum(axis=1), 1, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(W, W.T)


@given(graphs(), st.sampled_from(RULES))
def test_weights_sit_on_the_edges_only(graph: nx.Graph, rule: str) -> None:
    W = build(graph, rule)
    np.fill_diagonal(W, 0)
    adjacency = nx.to_numpy_array(graph) > 0
    np.fill_diagonal(adjacency, False)
    np.testing.assert_array_equal(W > 0, adjacency)


@given(graphs(), st.sampled_from(["metropolis", "max-degree", "best-constant"]))
def test_edge_weights_keep_the_matrix_doubly_stochastic(graph: nx.Graph, rule: str) -> None:
    report = dsf.mixing_report(dsf.mixing_matrix(graph, rule, weight="length"))
    assert report.doubly_stochastic
    assert report.symmetric


@given(graphs(), st.sampled_from(RULES))
def test_lazy_mixing_has_no_negative_eigenvalue(graph: nx.Graph, rule: str) -> None:
    assert np.linalg.eigvalsh(build(graph, rule, lazy=True)).min() >= -1e-12


@given(graphs(), st.sampled_from(RULES), st.integers(0, 2**32))
def test_mixing_preserves_the_mean_and_contracts_disagreement(
    graph: nx.Graph, rule: str, entropy: int
) -> None:
    W = build(graph, rule)
    x = np.random.default_rng(entropy).standard_normal((W.shape[0], 3))
    mixed = W @ x
    np.testing.assert_allclose(mixed.mean(axis=0), x.mean(axis=0), rtol=0, atol=1e-12)
    before = np.linalg.norm(x - x.mean(axis=0))
    after = np.linalg.norm(mixed - mixed.mean(axis=0))
    assert after <= dsf.mixing_report(W).second_eigenvalue_modulus * before + 1e-11


@given(graphs(), st.sampled_from(RULES))
def test_report_agrees_with_dense_eigenvalues(graph: nx.Graph, rule: str) -> None:
    W = build(graph, rule)
    report = dsf.mixing_report(W)
    values = np.linalg.eigvalsh(W)
    second = np.abs(np.delete(values, np.argmax(values))).max(initial=0.0)
    assert report.second_eigenvalue_modulus == pytest.approx(second, abs=1e-12)
    assert report.smallest_eigenvalue == pytest.approx(values.min(), abs=1e-12)
    assert report.spectral_gap == 1 - report.second_eigenvalue_modulus
    assert report.n_components == nx.number_connected_components(graph)
    assert report.connected == nx.is_connected(graph)
    assert report.n_edges == len({frozenset(edge) for edge in graph.edges() if edge[0] != edge[1]})


@settings(max_examples=50)
@given(graphs(least=2), st.floats(0.0, 1.0))
def test_best_constant_mixes_no_slower_than_any_other_constant(graph: nx.Graph, share: float) -> None:
    simple = nx.Graph(graph)
    simple.remove_edges_from(list(nx.selfloop_edges(simple)))
    # Joined into one component: most random graphs fall apart, and no constant mixes those.
    one_each = [min(component) for component in nx.connected_components(simple)]
    simple.add_edges_from(itertools.pairwise(one_each))
    delta = share / max(dict(simple.degree()).values())
    best = dsf.mixing_report(dsf.mixing_matrix(simple, "best-constant"))
    other = dsf.mixing_report(dsf.mixing_matrix(simple, "laplacian", delta=delta))
    assert best.second_eigenvalue_modulus <= other.second_eigenvalue_modulus + 1e-12


def test_unlimited_best_constant_balances_both_ends_of_the_spectrum() -> None:
    graph = nx.star_graph(9)
    W = dsf.mixing_matrix(graph, "best-constant", allow_negative=True).toarray()
    values = np.linalg.eigvalsh(W)
    assert W.min() < 0
    assert -values[0] == pytest.approx(values[-2])  # Xiao & Boyd (2004), section 4.1


def test_best_constant_of_a_disconnected_graph_serves_its_components() -> None:
    cycle = nx.cycle_graph(6)
    two = nx.disjoint_union(cycle, cycle)
    expected = dsf.mixing_matrix(cycle, "best-constant").toarray()
    np.testing.assert_allclose(
        dsf.mixing_matrix(two, "best-constant").toarray()[:6, :6], expected, atol=1e-14
    )


@pytest.mark.parametrize(
    ("graph", "weight"),
    [
        (nx.cycle_graph(8), 1 / 3),
        (nx.hypercube_graph(3), 1 / 4),
        (nx.complete_bipartite_graph(4, 4), 1 / 5),
        (nx.complete_graph(8), 1 / 8),
    ],
)
@pytest.mark.parametrize("rule", ["metropolis", "max-degree"])
def test_regular_graphs_average_over_the_neighbourhood(graph: nx.Graph, weight: float, rule: str) -> None:
    W = dsf.mixing_matrix(graph, rule)
    np.testing.assert_allclose(W.data, weight, rtol=1e-15)
    np.testing.assert_allclose(W.diagonal(), weight, rtol=1e-15)


def test_uniform_on_the_complete_graph_is_the_average_of_all() -> None:
    np.testing.assert_allclose(dsf.mixing_matrix(nx.complete_graph(5), "uniform").toarray(), 0.2, rtol=1e-15)


@pytest.mark.parametrize("rule", RULES)
def test_one_node_keeps_its_own_iterate(rule: str) -> None:
    W = build(nx.empty_graph(1), rule)
    np.testing.assert_array_equal(W, [[1.0]])
    report = dsf.mixing_report(W)
    assert (report.second_eigenvalue_modulus, report.spectral_gap, report.connected) == (0.0, 1.0, True)


@pytest.mark.parametrize("rule", RULES)
def test_a_graph_without_edges_gives_the_identity(rule: str) -> None:
    np.testing.assert_array_equal(build(nx.empty_graph(4), rule), np.eye(4))


def test_disconnected_graph_does_not_contract() -> None:
    report = dsf.mixing_report(dsf.mixing_matrix(nx.disjoint_union(nx.cycle_graph(3), nx.path_graph(2))))
    assert (report.n_components, report.connected) == (2, False)
    assert (report.second_eigenvalue_modulus, report.spectral_gap) == (1.0, 0.0)


def test_self_loops_and_parallel_edges_change_nothing() -> None:
    plain = nx.path_graph(4)
    decorated = nx.MultiGraph([*plain.edges, (0, 1), (0, 1), (2, 2)])
    np.testing.assert_array_equal(dsf.mixing_matrix(decorated).toarray(), dsf.mixing_matrix(plain).toarray())


def test_parallel_edges_add_their_weights() -> None:
    parallel = nx.MultiGraph()
    parallel.add_edge(0, 1, weight=1.0)
    parallel.add_edge(0, 1, weight=2.0)
    single = nx.Graph()
    single.add_edge(0, 1, weight=3.0)
    np.testing.assert_array_equal(
        dsf.mixing_matrix(parallel, weight="weight").toarray(),
        dsf.mixing_matrix(single, weight="weight").toarray(),
    )


def test_edge_weights_are_ignored_unless_named() -> None:
    weighted = nx.path_graph(3)
    nx.set_edge_attributes(weighted, 5.0, "weight")
    np.testing.assert_array_equal(
        dsf.mixing_matrix(weighted).toarray(), dsf.mixing_matrix(nx.path_graph(3)).toarray()
    )
    assert (dsf.mixing_matrix(weighted, weight="weight") != dsf.mixing_matrix(weighted)).nnz > 0


def test_rows_follow_the_order_of_the_nodes() -> None:
    graph = nx.Graph()
    graph.add_nodes_from(["hub", "b", "a"])
    graph.add_edges_from([("hub", "a"), ("hub", "b")])
    assert dsf.mixing_matrix(graph).toarray()[1, 2] == 0.0


def test_negative_weights_of_a_large_delta_need_permission() -> None:
    graph = nx.complete_graph(30)
    with pytest.raises(ValueError, match=r"delta must be a number from 0 to .* allow_negative=True"):
        dsf.mixing_matrix(graph, "laplacian", delta=0.05)
    W = dsf.mixing_matrix(graph, "laplacian", delta=0.05, allow_negative=True)
    report = dsf.mixing_report(W)
    assert report.smallest_weight == pytest.approx(-0.45)
    assert report.smallest_eigenvalue == pytest.approx(-0.5)
    assert not report.doubly_stochastic
    assert report.column_sum_error < 1e-12


@pytest.mark.parametrize(
    ("graph", "second", "smallest"),
    [
        (nx.cycle_graph(2000), (1 + 2 * np.cos(2 * np.pi / 2000)) / 3, -1 / 3),
        (nx.complete_bipartite_graph(400, 400), 1 / 401, -399 / 401),
        (nx.hypercube_graph(10), 1 - 2 / 11, -9 / 11),
        (nx.complete_graph(600), 0.0, 0.0),
    ],
)
def test_iterative_eigenvalues_match_closed_forms(graph: nx.Graph, second: float, smallest: float) -> None:
    assert graph.number_of_nodes() > mixing._DENSE
    report = dsf.mixing_report(dsf.mixing_matrix(graph))
    assert report.second_eigenvalue_modulus == pytest.approx(max(second, -smallest), abs=1e-7)
    assert report.smallest_eigenvalue == pytest.approx(smallest, abs=1e-7)


def test_iterative_gap_of_a_long_ring_is_relatively_accurate() -> None:
    report = dsf.mixing_report(dsf.mixing_matrix(nx.cycle_graph(20_000)))
    exact = (2 / 3) * (1 - np.cos(2 * np.pi / 20_000))
    assert report.spectral_gap == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("n_nodes", [40, 700])
def test_report_of_a_row_stochastic_matrix_says_so(n_nodes: int) -> None:
    generator = np.random.default_rng(7)
    W = generator.random((n_nodes, n_nodes)) * (generator.random((n_nodes, n_nodes)) < 0.1) + np.eye(n_nodes)
    W /= W.sum(axis=1, keepdims=True)
    report = dsf.mixing_report(W)
    values = np.linalg.eigvals(W)
    others = np.delete(values, np.argmin(np.abs(values - 1)))
    assert not report.symmetric
    assert not report.doubly_stochastic
    assert report.row_sum_error < 1e-12 < 1e-3 < report.column_sum_error
    assert report.second_eigenvalue_modulus == pytest.approx(np.abs(others).max(), abs=1e-7)
    assert report.smallest_eigenvalue == pytest.approx(values.real.min(), abs=1e-7)


def test_large_graph_stays_sparse() -> None:
    graph = nx.random_regular_graph(4, 100_000, seed=1)
    tracemalloc.start()
    W = dsf.mixing_matrix(graph)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert W.nnz == 500_000
    assert abs(W.sum(axis=0) - 1).max() < 1e-12
    assert peak < 200e6  # one dense matrix would be 80 GB
    x = np.random.default_rng(0).standard_normal(100_000)
    assert np.std(W @ x) < 0.6 * np.std(x)


def test_report_prints_and_converts() -> None:
    report = dsf.mixing_report(dsf.mixing_matrix(nx.cycle_graph(8)))
    assert "spectral gap" in str(report)
    dataset = report.to_xarray()
    assert float(dataset["spectral_gap"]) == report.spectral_gap
    assert int(dataset["n_nodes"]) == 8


@pytest.mark.parametrize(
    ("graph", "options", "error", "message"),
    [
        ([[0, 1], [1, 0]], {}, TypeError, "graph must be an undirected networkx graph"),
        (nx.DiGraph([(0, 1)]), {}, ValueError, "graph must be undirected"),
        (nx.MultiDiGraph([(0, 1)]), {}, ValueError, "graph must be undirected"),
        (nx.Graph(), {}, ValueError, "graph must have at least one node"),
        (nx.path_graph(3), {"rule": "fast"}, ValueError, "rule must be one of 'metropolis'"),
        (nx.path_graph(3), {"rule": "laplacian"}, ValueError, "delta must be"),
        (nx.path_graph(3), {"rule": "laplacian", "delta": 0.6}, ValueError, "delta must be"),
        (nx.path_graph(3), {"rule": "laplacian", "delta": -0.1}, ValueError, "delta must be"),
        (nx.path_graph(3), {"rule": "laplacian", "delta": float("nan")}, ValueError, "delta must be"),
        (nx.path_graph(3), {"rule": "laplacian", "delta": "a"}, TypeError, "delta must be"),
        (nx.path_graph(3), {"delta": 0.1}, ValueError, "delta belongs to rule='laplacian'"),
        (nx.path_graph(3), {"lazy": 1}, TypeError, "lazy must be True or False"),
        (nx.path_graph(3), {"weight": 3}, TypeError, "weight must be None or the name"),
        (nx.path_graph(3), {"weight": "length"}, ValueError, "weight must name an attribute of every edge"),
        (
            nx.path_graph(3),
            {"weight": "w", "rule": "uniform"},
            ValueError,
            "weight must be None for rule='uniform'",
        ),
        (
            nx.Graph([(0, 1, {"w": -1.0})]),
            {"weight": "w"},
            ValueError,
            "weight must name positive edge weights",
        ),
        (
            nx.Graph([(0, 1, {"w": "far"})]),
            {"weight": "w"},
            TypeError,
            "weight must name positive edge weights",
        ),
    ],
)
def test_bad_input_is_named(graph: object, options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dsf.mixing_matrix(graph, **options)


@pytest.mark.parametrize(
    ("W", "message"),
    [
        (np.ones((2, 3)), "W must be a square matrix"),
        (np.ones((2, 2)), "row 0 sums to 2"),
        ([[np.nan, 1], [1, 0]], "W must be finite"),
    ],
)
def test_report_refuses_what_is_not_a_mixing_matrix(W: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dsf.mixing_report(W)


def test_a_matrix_in_single_precision_is_refused_with_a_remedy_that_works() -> None:
    single = dsf.mixing_matrix(nx.cycle_graph(5), lazy=True).toarray().astype(np.float32)
    with pytest.raises(
        ValueError, match="float32 has too few digits for that: compute it in float64"
    ) as refused:
        dsf.mixing_report(single)
    remedy = str(refused.value).partition("symmetric take ")[2]
    names: dict = {"W": single, "np": np}
    exec(remedy, names)
    assert dsf.mixing_report(names["W"]).n_nodes == 5


@given(graphs(), st.sampled_from(RULES))
def test_sparse_adjacencies_and_edge_arrays_are_the_graphs_they_hold(graph: nx.Graph, rule: str) -> None:
    simple = nx.Graph(graph)
    expected = build(simple, rule)
    np.testing.assert_array_equal(
        build_from(nx.to_scipy_sparse_array(simple, weight=None), simple, rule), expected
    )
    edges = np.array([*simple.edges, (len(simple) - 1, len(simple) - 1)])
    turned = np.concatenate([edges, edges[:3, ::-1]])  # both ways and twice is once
    np.testing.assert_array_equal(build_from(turned, simple, rule), expected)


def build_from(value: object, graph: nx.Graph, rule: str) -> np.ndarray:
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    largest = max(dict(graph.degree()).values())
    options = {"delta": 0.7 / max(largest, 1)} if rule == "laplacian" else {}
    return dsf.mixing_matrix(value, rule, **options).toarray()


def test_entries_of_a_sparse_adjacency_are_edge_weights() -> None:
    graph = nx.path_graph(3)
    graph.edges[0, 1]["length"], graph.edges[1, 2]["length"] = 2.0, 5.0
    weighted = nx.to_scipy_sparse_array(graph, weight="length")
    np.testing.assert_array_equal(
        dsf.mixing_matrix(weighted).toarray(), dsf.mixing_matrix(graph, weight="length").toarray()
    )


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (np.eye(3), r"graph must be an \(n_edges, 2\) array of node numbers"),
        (np.zeros((0, 2), int), r"graph must be an \(n_edges, 2\) array"),
        (np.array([[0, -1]]), "graph must hold node numbers of at least 0, got -1"),
        (sparse.csr_array([[0.0, 1.0], [0.0, 0.0]]), "graph must be symmetric"),
        (sparse.csr_array([[0.0, -1.0], [-1.0, 0.0]]), "graph must hold finite edge weights"),
        (sparse.csr_array((2, 3)), "graph must be a square adjacency"),
    ],
)
def test_bad_adjacencies_are_refused(graph: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dsf.mixing_matrix(graph)
