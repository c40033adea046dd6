"""Figures that are known of published systems: frontiers, rates and tail indices."""

import numpy as np
import pytest
from scipy import optimize

import desgd_fast as dsf
from desgd_fast import algorithms as a


@pytest.mark.parametrize("common", [False, True])
def test_zeroth_order_steps_have_the_closed_form(common: bool) -> None:
    """One number for z (zᵀg): h(2) = 1 − 2η + η²[1 − 1/N + (d + 2)(b + d + 1) / (bN)], or of a common z."""
    dim, batch_size, n_nodes, step_size = 100, 5, 8, 0.01
    bracket = 1 - 1 / n_nodes + (dim + 2) * (batch_size + dim + 1) / (batch_size * n_nodes)
    if common:
        bracket = (dim + 2) * (1 + (dim + 1) / (batch_size * n_nodes))
    options = {"step_size": step_size, "batch_size": batch_size}
    algorithm, W = a.just_one_byte(common=common), np.full((n_nodes, n_nodes), 1 / n_nodes)
    grown = dsf.theory.second_moment_growth(
        dsf.GaussianRegression(dim=dim), W, algorithm=algorithm, **options
    )
    assert grown == pytest.approx(1 - 2 * step_size + step_size**2 * bracket, rel=1e-12)
    rooted = a.just_one_byte(common=common, root_of=n_nodes)
    longer = options | {"step_size": step_size / np.sqrt(n_nodes)}
    assert dsf.theory.second_moment_growth(
        dsf.GaussianRegression(dim=dim), W, algorithm=rooted, **longer
    ) == pytest.approx(grown, rel=1e-12)


def test_zeroth_order_steps_turn_coordinates_into_each_other() -> None:
    problem = dsf.GaussianRegression(dim=2, covariance=[[2.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ValueError, match="problem must have isotropic features"):
        dsf.theory.second_moment_growth(
            problem, [[1.0]], step_size=0.1, batch_size=1, algorithm=a.just_one_byte()
        )


# Clip C = 1 and noise of standard deviation 2 after it, η = ½: the rate 2 / (η σ² C) is one.
ONE = {"W": [[1.0]], "batch_size": 1, "rng": 3, "engine": "collapsed", "step_size": 0.5}
PRIVATE = {"algorithm": a.dp_sgd(1.0, 2.0, 1), **ONE}
POINT = dsf.GaussianRegression(dim=1, noise_std=0.0)


def moves_from(x: float) -> np.ndarray:
    moves: np.ndarray = dsf.simulate(POINT, n_steps=1, n_runs=50_000, initial=x, **PRIVATE).final.ravel() - x
    return moves


def test_clipped_steps_with_noise_have_an_exponential_tail() -> None:
    for x, slope in ((6.0, 0.76), (9.0, 0.80)):
        moves = moves_from(x)
        stderr = 2 * moves.std() / np.sqrt(moves.size) / moves.var()
        assert abs(-2 * moves.mean() / moves.var() - slope) < 4 * stderr + 0.005
    # Far out E exp(r · move) = 1 at r = 1. Four standard errors, of 0.012.
    far = moves_from(1e8)
    rate = optimize.brentq(lambda r: np.exp(r * far).mean() - 1, 0.5, 2.0)
    assert abs(rate - 1) < 4 * 0.012


def test_clipped_steps_are_stationary_where_plain_ones_are_not() -> None:
    noisy = dsf.GaussianRegression(dim=1, noise_std=1.0)
    options = ONE | {"step_size": 4.0}
    rho = dsf.theory.lyapunov_exponent(POINT, [[1.0]], step_size=4.0, batch_size=1)
    assert rho.value == pytest.approx(0.36, abs=0.005)
    runs = dsf.simulate(
        noisy, n_steps=100, n_runs=20_000, initial=0.0, algorithm=a.clipped(1.0), keep="norms", **options
    )
    # 20 values lie beyond the quantile 99.9 %: the interval of their order statistics, false alarm 1e-4.
    above = np.count_nonzero(runs.norms() > 5.396)
    assert 5 <= above <= 42


def test_signs_of_a_sample_have_the_mean_of_an_arcsine() -> None:
    error = np.array([1.0, -2.0, 0.5])
    runs = dsf.simulate(
        dsf.GaussianRegression(dim=3, noise_std=0.0),
        n_steps=1,
        n_runs=20_000,
        initial=error,
        algorithm=a.compressed(a.sign(scaled=False)),
        **ONE | {"step_size": 1.0},
    )
    mean = (error - runs.final[:, 0]).mean(axis=0)
    expected = 2 / np.pi * np.arcsin(error / np.linalg.norm(error))
    assert (np.abs(mean - expected) < 6 / np.sqrt(20_000)).all()


# Standard deviations with n in ALIE, where ours has n − 1.
ALIE = a.a_little_is_enough([4], factor=1.5 * np.sqrt(3 / 4))
SERVERS = {
    "median": (a.coordinate_median(), 4.21),
    "median under sign flip": (a.chain(a.coordinate_median(), a.sign_flip([4])), 4.87),
    "median under ALIE": (a.chain(a.coordinate_median(), ALIE), 2.92),
    "Krum under ALIE": (a.chain(a.krum(1), ALIE), 1.66),
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::desgd_fast.common.warnings.PrecisionWarning")  # its stderr says as much
@pytest.mark.parametrize("name", SERVERS)
def test_tails_at_a_server_under_attack(name: str) -> None:
    """Five workers, d = 2, b = 1, η = 1, by a population; each figure printed has an error like ours."""
    algorithm, published = SERVERS[name]
    tail = dsf.theory.tail_index(
        dsf.GaussianRegression(dim=2),
        dsf.mixing.server(5),
        step_size=1.0,
        batch_size=1,
        algorithm=a.chain(algorithm, a.adapt_then_combine()),
        rtol=0.03,
        n_particles=1000,
        rng=0,
    )
    assert abs(tail.alpha - published) < 4 * np.sqrt(2) * tail.stderr + 0.005
