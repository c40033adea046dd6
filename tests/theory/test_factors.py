"""Growth that does not remember: walks of a token, and steps that end at one point."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, sparse

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory
from desgd_fast.theory.closed.walks import perron_root

SCALAR, PLANE = dsf.GaussianRegression(dim=1), dsf.GaussianRegression(dim=2)
TOKEN = {"step_size": (0.2, 1.2), "batch_size": 1, "algorithm": algorithms.token_sgd()}
QUICK: dict[str, Any] = {"rng": 0, "threads": 1}
# Values may be off by 4.5 of their standard errors: false alarm 1e-5 for each comparison.
FAR = 4.5


def switching(chance: float) -> np.ndarray:
    """Transitions of two nodes."""
    return np.array([[1 - chance, chance], [chance, 1 - chance]])


@pytest.mark.parametrize(
    ("chance", "expected"), [(0.02, 0.836), (0.1, 0.957), (0.5, 1.151), (0.9, 1.214), (1.0, 1.224)]
)
def test_a_token_has_its_published_index(chance: float, expected: float) -> None:
    seen = theory.tail_index(SCALAR, mixing.token(switching(chance)), **TOKEN)
    assert seen.alpha == pytest.approx(expected, abs=6e-4)
    assert (seen.method, seen.stderr) == ("quadrature", 0.0)


def test_a_tokens_moments_are_those_of_its_matrix() -> None:
    steps, transitions = (0.2, 0.7, 1.1), np.array([[0.1, 0.6, 0.3], [0.5, 0.0, 0.5], [0.2, 0.2, 0.6]])
    alone = {"batch_size": 2, "algorithm": algorithms.sgd()}
    for s in (0.0, 1.7):
        options = {**TOKEN, "step_size": steps, "batch_size": 2}
        walk = mixing.token(transitions)
        if s == 0:
            seen = theory.lyapunov_exponent(PLANE, walk, **options).value
            rho = [theory.lyapunov_exponent(PLANE, [[1.0]], step_size=one, **alone).value for one in steps]
            expected = walk.mean.toarray()[0] @ rho
        else:
            seen = theory.moment_growth(PLANE, walk, s, **options).value
            logs = [theory.moment_growth(PLANE, [[1.0]], s, step_size=one, **alone).value for one in steps]
            expected = np.log(np.abs(np.linalg.eigvals(transitions * np.exp(logs))).max())
        assert seen == pytest.approx(expected, rel=1e-12)


def test_a_token_on_rows_is_exact_and_diverges_where_rho_is_zero() -> None:
    rows = dsf.DatasetRegression([[1.0], [0.5], [2.2], [-0.8]], [1.0, 0.0, 1.0, 0.5])
    walk = mixing.token(switching(0.3))
    options = {"batch_size": 1, "algorithm": algorithms.token_sgd()}
    assert theory.tail_index(rows, walk, step_size=0.5, **options).method == "exact"
    end = theory.critical_step_size(rows, walk, at="divergence", **options)
    assert abs(theory.lyapunov_exponent(rows, walk, step_size=end.value, **options).value) < 1e-9


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_the_perron_root_is_the_largest_eigenvalue(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.random((n, n)) * (generator.random((n, n)) < 0.4)
    matrix[np.arange(n), (np.arange(n) + 1) % n] += 10.0 ** generator.uniform(-6, 1, n)  # irreducible
    expected = np.abs(np.linalg.eigvals(matrix)).max()
    assert perron_root(sparse.csr_array(matrix)) == pytest.approx(expected, rel=1e-9)


def test_a_cycle_of_many_nodes_has_the_geometric_mean_for_its_root() -> None:
    sizes = np.random.default_rng(0).uniform(0.1, 2.0, 1000)
    matrix = sparse.csr_array((sizes, (np.arange(1000), (np.arange(1000) + 1) % 1000)))
    assert perron_root(matrix) == pytest.approx(np.exp(np.log(sizes).mean()), rel=1e-12)


def test_a_token_agrees_with_the_population() -> None:
    walk = mixing.token(switching(0.5))
    exact = theory.tail_index(SCALAR, walk, **TOKEN)
    remembering = algorithms.chain(algorithms.token_sgd(), algorithms.heavy_ball(0.0))
    options = {**TOKEN, "algorithm": remembering, "rtol": 0.02, "n_particles": 1024, **QUICK}
    seen = theory.tail_index(SCALAR, walk, **options)
    assert seen.method == "population"
    assert abs(seen.alpha - exact.alpha) < FAR * seen.stderr


def test_one_node_with_features_of_any_law_in_one_dimension() -> None:
    law = dsf.laws.linear([1.0], features=dsf.laws.uniform())
    problem = dsf.StreamingRisk(dsf.losses.least_squares(), law)
    seen = theory.tail_index(problem, [[1.0]], step_size=1.2, batch_size=1, **QUICK)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    zero = 1.2**-0.5  # in units of a
    a = np.concatenate([zero * (1 + nodes) / 2, zero + (3**0.5 - zero) * (1 + nodes) / 2])
    p = np.concatenate([zero * weights, (3**0.5 - zero) * weights]) / 2 / 3**0.5
    expected = optimize.brentq(lambda s: p @ np.abs(1 - 1.2 * a**2) ** s - 1, 0.1, 10)
    assert seen.method == "draws"
    assert seen.stderr <= 0.01 * seen.alpha
    assert abs(seen.alpha - expected) < FAR * seen.stderr


def test_a_server_with_local_steps_has_index_two_at_its_frontier() -> None:
    """An exact truth: h(2) = 1 is where alpha = 2."""
    network, fedavg = mixing.server(5, 2), algorithms.fedavg(3)
    end = theory.critical_step_size(PLANE, network, batch_size=1, at="infinite-variance", algorithm=fedavg)
    options = {"step_size": end.value, "batch_size": 1, "algorithm": fedavg, **QUICK}
    seen = theory.tail_index(PLANE, network, **options)
    assert seen.method == "draws"
    assert abs(seen.alpha - 2) < FAR * seen.stderr
    far = theory.moment_growth(PLANE, network, 60.0, **options)
    assert "rest on few draws" in far.warnings[0]


@pytest.mark.slow
def test_krum_at_a_server_has_its_published_index_in_both_ways() -> None:
    options = {"step_size": 1.0, "batch_size": 1, **QUICK}
    krum = algorithms.chain(algorithms.adapt_then_combine(), algorithms.krum(1))
    seen = theory.tail_index(PLANE, mixing.server(5), algorithm=krum, **options)
    assert seen.method == "draws"
    # Computed apart from this package: E R^s = 1 at 2.848, to about half a per cent.
    assert abs(seen.alpha - 2.848) < FAR * np.hypot(seen.stderr, 0.015)
    remembering = algorithms.chain(krum, algorithms.heavy_ball(0.0))
    other = theory.tail_index(PLANE, mixing.server(5), algorithm=remembering, rtol=0.03, **options)
    assert other.method == "population"
    assert abs(other.alpha - seen.alpha) < FAR * np.hypot(seen.stderr, other.stderr)
