"""The step loops: every kernel equals the slow truth fed the same noise, on any graph and any layout."""

from dataclasses import dataclass, replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import desgd_fast as dsf
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.jit.lanes import LANES
from desgd_fast.kernels.loops import steps
from desgd_fast.loop.layout import Layout
from desgd_fast.mixing.checks import stochastic_matrix
from tests.truth import simulation as reference

KEY = np.array([0x9D2C5681, 0x1234567], np.uint64)

# Layouts with 64, 32, 16, 8, 4, 2 and 1 runs side by side, whole and broken numbers of vectors.
DIMS = [1, 2, 3, 7, 8, 27, 50, 121, 300, 450, 801]


@st.composite
def doubly_stochastic(draw: st.DrawFn, most: int = 7) -> np.ndarray:
    """Metropolis weights of a random, possibly disconnected graph, or an asymmetric blend of permutations."""
    n_nodes = draw(st.integers(1, most))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        graph = nx.gnp_random_graph(n_nodes, draw(st.floats(0, 1)), seed=int(generator.integers(2**31)))
        return dsf.mixing_matrix(graph).toarray()
    shares = generator.dirichlet(np.ones(draw(st.integers(1, 6))))
    return sum(share * np.eye(n_nodes)[generator.permutation(n_nodes)] for share in shares)


@dataclass
class Network:
    """Nodes that all differ, in one layout, as the kernels take them."""

    W: np.ndarray
    layout: Layout
    seed: int
    adapt_first: bool
    direct: bool = False
    dtype: str = "float64"

    def __post_init__(self) -> None:
        generator = np.random.default_rng(self.seed)
        n_nodes, dim = len(self.W), self.layout.dim
        # A schedule, which has a row for each of the steps below, or constant step sizes.
        rows = 8 if generator.random() < 0.5 else 1
        self.step_sizes = generator.uniform(0.01, 1.5, (rows, n_nodes)) / (dim + 1)
        self.feature_std = generator.uniform(0.5, 1.5, n_nodes)
        self.noise_std = generator.uniform(0.0, 2.0, n_nodes) * (generator.random(n_nodes) < 0.8)
        self.batch_size = generator.integers(1, 6, n_nodes)
        self.root = generator.uniform(0.5, 1.5, dim)
        self.start = generator.standard_normal((n_nodes, dim)) * (generator.random() < 0.9)

    @property
    def graph(self) -> tuple[np.ndarray, ...]:
        matrix = stochastic_matrix("W", self.W)
        return matrix.indptr, matrix.indices, matrix.data

    def state(self, n_blocks: int) -> np.ndarray:
        state = self.layout.zeros(n_blocks, self.dtype)
        self.layout.pack(self.root * self.start, state)
        return state

    def advance(
        self,
        kernel,
        state: np.ndarray,
        sums: np.ndarray,
        first: int,
        n_steps: int,
        average_from: int,
        run: int,
    ) -> None:
        scale = self.layout.scale(self.root**2, self.dtype)
        degrees = np.append(np.repeat(self.batch_size, self.layout.lanes), np.ones(8))
        chi = random.chi_square_parameters(degrees)
        law = self.feature_std, self.noise_std, self.batch_size, chi, scale, self.direct
        stepping = steps.GaussianSteps(self.step_sizes, *law)
        combination = steps.Combination(*self.graph, self.adapt_first)
        span = steps.Span(first, n_steps, average_from, run)
        kernel(state, sums, combination, stepping, KEY, self.layout.tuple, span)


def network(
    W: np.ndarray, dim: int, seed: int, adapt_first: bool, direct: bool, dtype: str = "float64"
) -> Network:
    layout = Layout.of(len(W), dim)
    return Network(W, replace(layout, tile=1) if direct else layout, seed, adapt_first, direct, dtype)


# The layout


@given(st.integers(1, 400), st.sampled_from(DIMS) | st.integers(1, 2000), st.sampled_from([1, 16, 64]))
def test_layout_gives_every_coordinate_of_every_run_its_own_place(
    n_nodes: int, dim: int, most_lanes: int
) -> None:
    layout = Layout.of(n_nodes, dim, most_lanes)
    places = layout.unpack(np.broadcast_to(np.arange(layout.size), (1, n_nodes, layout.size)))[:, 0]
    assert places.shape == (layout.lanes, dim)
    assert np.unique(places).size == places.size
    assert layout.size % LANES == 0
    assert layout.size % max(layout.lanes, LANES) == 0
    assert 1 <= layout.tile < 2 * n_nodes


@settings(max_examples=40)
@given(st.integers(1, 5), st.sampled_from(DIMS), st.sampled_from([1, 16, 64]), st.integers(1, 3))
def test_packing_and_unpacking_are_inverse(n_nodes: int, dim: int, most_lanes: int, n_blocks: int) -> None:
    layout = Layout.of(n_nodes, dim, most_lanes)
    values = np.random.default_rng(dim).standard_normal((n_nodes, dim))
    state = layout.zeros(n_blocks)
    layout.pack(values, state)
    runs = layout.unpack(state)
    np.testing.assert_array_equal(runs, np.broadcast_to(values, (n_blocks * layout.lanes, n_nodes, dim)))
    assert np.count_nonzero(state) == runs.size  # the padding stays zero


# Mixing


def mixed(W: np.ndarray, x: np.ndarray) -> np.ndarray:
    matrix = stochastic_matrix("W", W)
    y = np.full_like(x, np.nan)
    for node in range(len(W)):
        steps.mix_row(matrix.indptr, matrix.indices, matrix.data, node, x, y)
    return y


@given(doubly_stochastic(9), st.integers(0, 2**32))
def test_mixing_preserves_the_mean_and_contracts_disagreement(W: np.ndarray, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((len(W), 37))
    y = mixed(W, x)
    np.testing.assert_allclose(y, W @ x, rtol=0, atol=1e-14)
    np.testing.assert_allclose(y.mean(axis=0), x.mean(axis=0), rtol=0, atol=1e-14)
    # Disagreement shrinks by the second singular value at least: for symmetric W the second |eigenvalue|.
    second = np.linalg.svd(W - 1 / len(W), compute_uv=False)[0]
    if np.array_equal(W, W.T):
        assert second == pytest.approx(np.abs(np.linalg.eigvalsh(W - 1 / len(W))).max(), abs=1e-12)
    before, after = (np.linalg.norm(z - z.mean(axis=0), axis=0) for z in (x, y))
    assert (after <= second * before + 1e-13).all()


@given(doubly_stochastic(9))
def test_mixing_keeps_consensus(W: np.ndarray) -> None:
    np.testing.assert_allclose(mixed(W, np.ones((len(W), 8))), 1.0, rtol=0, atol=1e-14)


# Gaussian steps


@settings(max_examples=60)
@given(
    doubly_stochastic(),
    st.sampled_from(DIMS),
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
    st.integers(1, 4),
    st.sampled_from(["float64", "float32"]),
)
def test_gaussian_steps_equal_the_reference(
    W: np.ndarray, dim: int, seed: int, adapt_first: bool, direct: bool, n_steps: int, dtype: str
) -> None:
    case = network(W, dim, seed, adapt_first, direct, dtype)
    lanes, single = case.layout.lanes, dtype == "float32"
    first_run = 5 * lanes
    state, sums = case.state(2), case.layout.zeros(2)
    case.advance(steps.advance_runs, state, sums, 0, n_steps, n_steps - 1, first_run)
    last, total = (case.layout.unpack(packed) / case.root for packed in (state, sums))
    assert state.dtype == dtype
    np.testing.assert_array_equal(last, total)
    for run in {0, lanes - 1, 2 * lanes - 1}:
        path = reference.gaussian_run(
            case.start,
            W,
            case.step_sizes[: n_steps if len(case.step_sizes) > 1 else 1],
            case.batch_size,
            case.feature_std,
            case.noise_std,
            case.root,
            KEY,
            first_run + run,
            n_steps,
            direct=direct,
            adapt_first=adapt_first,
            single=single,
        )
        tolerance = (2e-5 if single else 1e-11) * max(1.0, np.abs(path).max())
        np.testing.assert_allclose(last[run], path[-1], rtol=0, atol=tolerance)
    assert not state[..., lanes * dim :].any()


@settings(max_examples=20)
@given(
    st.integers(1, 90),
    st.sampled_from([1, 3, 50, 801]),
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
    st.integers(1, 3),
)
def test_sharing_out_nodes_or_runs_gives_the_same_bits(
    n_nodes: int, dim: int, seed: int, adapt_first: bool, direct: bool, n_steps: int
) -> None:
    W = dsf.mixing_matrix(nx.gnp_random_graph(n_nodes, 0.1, seed=1)).toarray()
    case = network(W, dim, seed, adapt_first, direct)
    results = []
    for kernel in (steps.advance_runs, steps.advance_nodes):
        state, sums = case.state(2), case.layout.zeros(2)
        case.advance(kernel, state, sums, 3, n_steps, 4, 0)
        results.append((state, sums))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


@settings(max_examples=20)
@given(doubly_stochastic(), st.sampled_from(DIMS), st.integers(0, 2**32), st.booleans(), st.booleans())
def test_steps_can_be_cut_anywhere(
    W: np.ndarray, dim: int, seed: int, adapt_first: bool, direct: bool
) -> None:
    case = network(W, dim, seed, adapt_first, direct)
    whole, parts = case.state(1), case.state(1)
    whole_sums, part_sums = case.layout.zeros(1), case.layout.zeros(1)
    case.advance(steps.advance_runs, whole, whole_sums, 0, 6, 2, 0)
    for first, count in ((0, 1), (1, 2), (3, 3)):
        case.advance(steps.advance_runs, parts, part_sums, first, count, 2, 0)
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(whole_sums, part_sums)


# No layout shows


def run_in(
    layout: Layout, W: np.ndarray, seed: int, adapt_first: bool, direct: bool, dtype: str, n_runs: int = 128
) -> tuple[np.ndarray, np.ndarray]:
    """Last iterates and their sums of so many runs, from a state in one layout."""
    case = Network(W, layout, seed, adapt_first, direct, dtype)
    n_blocks = n_runs // layout.lanes
    state, sums = case.state(n_blocks), layout.zeros(n_blocks)
    case.advance(steps.advance_runs, state, sums, 0, 3, 1, 0)
    return layout.unpack(state), layout.unpack(sums)


@settings(max_examples=30)
@given(
    doubly_stochastic(),
    st.sampled_from([1, 2, 3, 5, 8, 16, 17, 31, 40, 67]),
    st.integers(0, 2**32),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["float64", "float32"]),
)
def test_same_bits_for_any_runs_and_nodes_side_by_side(
    W: np.ndarray, dim: int, seed: int, adapt_first: bool, direct: bool, dtype: str
) -> None:
    results = []
    for shift in range(7):
        lanes = 1 << shift
        size = -(-dim * lanes // LANES) * LANES
        for tile in (1,) if direct else (1, 1 + shift % 3, 8):
            layout = Layout(len(W), dim, lanes, size, tile)
            results.append(run_in(layout, W, seed, adapt_first, direct, dtype))
    for last, total in results[1:]:
        np.testing.assert_array_equal(last, results[0][0])
        np.testing.assert_array_equal(total, results[0][1])
