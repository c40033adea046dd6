"""The step size at which rho = 0, for every problem, process and algorithm, against exact roots."""

from typing import Any

import networkx as nx
import numpy as np
import pytest
from scipy import optimize

import desgd_fast as dsf
from desgd_fast import algorithms, theory

FEATURES = np.array([1.0, 0.5, 2.2])
ROWS = dsf.DatasetRegression(FEATURES[:, None], [1.0, 0.0, 1.0])
QUICK: dict[str, Any] = {"at": "divergence", "batch_size": 1, "rtol": 0.01, "rng": 0, "threads": 1}
# Values may be off by 5 of their standard errors: false alarm 6e-7 for each test.
FAR = 5


def test_rows_of_one_coordinate_diverge_where_their_mean_logarithm_vanishes() -> None:
    exact = optimize.brentq(lambda step: np.log(np.abs(1 - step * FEATURES**2)).mean(), 1.01, 2)
    found = theory.critical_step_size(ROWS, [[1.0]], **QUICK)
    assert (found.method, found.stderr) == ("exact", 0.0)
    assert found.value == pytest.approx(exact, rel=1e-9)


def test_momentum_zero_diverges_where_quadrature_says() -> None:
    problem = dsf.GaussianRegression(dim=1)
    exact = theory.critical_step_size(problem, [[1.0]], **QUICK)
    found = theory.critical_step_size(problem, [[1.0]], algorithm=algorithms.heavy_ball(0.0), **QUICK)
    assert exact.method == "quadrature"
    assert 0 < found.stderr <= 0.01 * found.value
    assert abs(found.value - exact.value) < FAR * found.stderr


@pytest.mark.parametrize(
    ("problem", "algorithm", "reason"),
    [
        (dsf.GaussianRegression(dim=2), algorithms.clipped(1.0), "steps under clipped"),
        (
            dsf.EmpiricalRisk(dsf.losses.huber(), [[1.0], [2.0]], [0.0, 1.0]),
            algorithms.sgd(),
            "gradients of Loss",
        ),
    ],
)
def test_bounded_steps_diverge_nowhere(problem: object, algorithm: algorithms.Algorithm, reason: str) -> None:
    with pytest.raises(ValueError, match=f"{reason}.*all moments are finite at every step size"):
        theory.critical_step_size(problem, [[1.0]], algorithm=algorithm, **QUICK)


def test_comparing_bounded_steps_finds_no_index_and_no_frontier() -> None:
    problem = dsf.GaussianRegression(dim=1)
    table = theory.compare(
        problem,
        {"pair": np.full((2, 2), 0.5)},
        step_size=0.4,
        batch_size=1,
        algorithm=algorithms.clipped(1.0),
    )
    assert [row.infinite_variance for row in table.contenders.values()] == [None] * 3
    assert [verdict.holds for verdict in table.verdicts] == [None, None]
    assert "all moments are finite" in table.summary()
    assert np.isnan(table.to_xarray().divergence).all()


def test_a_rival_that_an_algorithm_cannot_be_is_left_out_with_its_reason() -> None:
    woken = algorithms.chain(algorithms.woken(), algorithms.clipped(1.0))
    table = theory.compare(
        dsf.GaussianRegression(dim=1),
        {"gossip": dsf.mixing.pairwise_gossip(nx.path_graph(2))},
        step_size=0.4,
        batch_size=1,
        algorithm=woken,
    )
    assert list(table.contenders) == ["gossip"]
    assert all("algorithm" in verdict.evidence or "W" in verdict.evidence for verdict in table.verdicts)


def test_a_map_of_rows_and_of_changing_networks_is_that_of_their_second_moments() -> None:
    steady = np.full((3, 3), 1 / 3)
    graphs = {"steady": steady, "failing": dsf.mixing.link_failures(steady, 0.5)}
    heavy = algorithms.heavy_ball(0.3)
    picture = theory.regime_map(ROWS, graphs, [0.1, 0.2], batch_size=1, algorithm=heavy)
    for row, W in zip(picture.log_growth, graphs.values(), strict=True):
        growth = theory.second_moment_growth(ROWS, W, step_size=0.2, batch_size=1, algorithm=heavy)
        assert row[1] == np.log(growth)
    apart = theory.second_moment_growth(ROWS, np.eye(3), step_size=0.1, batch_size=1, algorithm=heavy)
    assert picture.log_growth_disconnected[0] == np.log(apart)
    assert np.isnan(picture.norm_bound).all()


def test_draws_of_the_norm_bound_do_not_depend_on_the_pieces_that_hear_an_interrupt(monkeypatch) -> None:
    asked = {"dim": 4, "batch_size": 3, "rng": 0, "n_draws": 300}
    whole = theory.norm_bound([3, 50], [0.1, 0.5], **asked)
    monkeypatch.setattr("desgd_fast.theory.descents.comparison._CALL_UNKNOWNS", 200)
    np.testing.assert_array_equal(theory.norm_bound([3, 50], [0.1, 0.5], **asked), whole)
