"""Times of single kernels: ``python -m pytest bench/test_kernels.py`` (needs the extra ``bench``)."""

from typing import Any

import networkx as nx
import numpy as np
import pytest

import desgd_fast as dsf
from bench.simulation import simulation
from desgd_fast.kernels.draw import normals, random

pytest.importorskip("pytest_benchmark")

_KEY = np.array([1, 2], np.uint64)
_ZERO, _SHIFT = np.uint64(0), np.uint64(4)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [64, 1600, 12_800])
def test_draw_normals(benchmark: Any, size: int, dtype: str) -> None:
    out = np.empty((64, size), dtype)
    benchmark(normals.draw_normals, _KEY, random.FEATURES, _ZERO, _ZERO, _ZERO, out)
    assert abs(out.mean()) < 0.2


@pytest.mark.parametrize("degrees", [1, 5, 1000])
def test_draw_chi_square(benchmark: Any, degrees: int) -> None:
    parameters, out = random.chi_square_parameters(np.full(64, degrees)), np.empty((64, 64))
    benchmark(random.draw_chi_square, _KEY, random.CHI_SQUARE, _ZERO, _ZERO, _ZERO, _SHIFT, parameters, out)
    assert (out > 0).all()


def test_draw_integers(benchmark: Any) -> None:
    bounds, out = np.full((8, 64), 100, np.uint64), np.empty((64, 8, 64), np.int64)
    benchmark(random.draw_integers, _KEY, random.ROWS, _ZERO, _ZERO, _ZERO, bounds, out)
    assert ((out >= 0) & (out < 100)).all()


@pytest.mark.parametrize("engine", ["direct", "collapsed", "gram"])
@pytest.mark.parametrize("dim", [16, 100, 1000])
def test_advance(benchmark: Any, engine: str, dim: int) -> None:
    benchmark(simulation(engine, 32, 20, dim=dim, step_size=0.5 / dim).call)


def test_advance_rows(benchmark: Any) -> None:
    generator = np.random.default_rng(0)
    features = generator.standard_normal((400, 20))
    problem = dsf.DatasetRegression(features, features.sum(axis=1))
    W = dsf.mixing_matrix(nx.cycle_graph(8))
    benchmark(lambda: dsf.simulate(problem, W, step_size=0.01, batch_size=5, n_steps=50, n_runs=20, rng=0))


@pytest.mark.parametrize("n_nodes", [1000, 20_000])
def test_advance_nodes(benchmark: Any, n_nodes: int) -> None:
    W = dsf.mixing_matrix(nx.random_regular_graph(4, n_nodes, seed=0))
    benchmark(simulation("collapsed", 1, 10, weights=W, dim=10, threads=None).call)


def test_hill(benchmark: Any) -> None:
    samples = np.random.default_rng(0).pareto(2.0, (1000, 1000))
    benchmark(lambda: dsf.tails.hill(samples, 50, axis=1))


def test_hill_path(benchmark: Any) -> None:
    sample = np.random.default_rng(0).pareto(2.0, 10**6)
    benchmark(lambda: dsf.tails.hill_path(sample))
