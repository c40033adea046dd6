"""States of two numbers, whose tail index a discretised transfer operator gives: every kind of setting."""

import numpy as np
import pytest

import desgd_fast as dsf
from desgd_fast import algorithms, mixing, theory
from tests.truth import theory as truth

HALVES, THREE_QUARTERS = np.full((2, 2), 0.5), np.array([[0.75, 0.25], [0.25, 0.75]])
SWAPPING = np.array([[0.3, 0.7], [0.7, 0.3]])  # with an eigenvalue −0.4
# The operator is good to this; over 16 settings one is beyond 3 standard errors with probability 4 %.
GOOD = 5e-4
SETTINGS = [
    (HALVES, (0.5, 0.5), (1, 1), {}),
    (HALVES, (0.7, 0.7), (1, 1), {}),
    (HALVES, (0.3, 0.8), (1, 1), {}),
    (HALVES, (0.5, 0.5), (1, 1), {"stds": (1.0, 1.2)}),
    (HALVES, (0.8, 0.8), (2, 2), {"stds": (0.7, 1.1)}),
    (THREE_QUARTERS, (0.6, 0.6), (1, 1), {}),
    (THREE_QUARTERS, (0.7, 0.7), (3, 3), {}),
    (THREE_QUARTERS, (0.7, 0.7), (1, 4), {}),
    (THREE_QUARTERS, (0.5, 0.6), (2, 1), {}),
    (THREE_QUARTERS, (0.6, 0.6), (1, 1), {"adapt_first": True}),
    (THREE_QUARTERS, (0.5, 0.8), (2, 1), {"adapt_first": True}),
    (SWAPPING, (0.5, 0.5), (1, 1), {}),
    (SWAPPING, (1.0, 1.0), (2, 2), {"adapt_first": True}),
]


def agrees(seen: theory.TailIndex, expected: float) -> None:
    assert abs(seen.alpha - expected) < 3 * np.hypot(seen.stderr, GOOD * expected)
    assert seen.stderr < 0.02 * expected


@pytest.mark.slow
@pytest.mark.parametrize(("W", "step_size", "batch_size", "change"), SETTINGS)
def test_two_nodes(W, step_size, batch_size, change) -> None:
    adapt_first = change.get("adapt_first", False)
    seen = theory.tail_index(
        dsf.GaussianRegression(1, change.get("stds", (1.0, 1.0))),
        W,
        step_size=step_size,
        batch_size=batch_size,
        algorithm=algorithms.adapt_then_combine() if adapt_first else algorithms.sgd(),
        rtol=0.002,
        rng=0,
        threads=1,
    )
    agrees(seen, truth.planar_tail_index(*truth.two_nodes(W, step_size, batch_size, **change)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "W", "law"),
    [
        (
            algorithms.sgd(),
            mixing.link_failures(HALVES, 0.4),
            truth.two_nodes(HALVES, (0.5, 0.5), (1, 1), failure=0.4),
        ),
        (algorithms.heavy_ball(0.5), [[1.0]], truth.one_node_with_momentum(0.5, 1, 0.5)),
        (algorithms.delayed(1), [[1.0]], truth.one_node_with_delay(0.5, 1)),
    ],
    ids=["links", "momentum", "delay"],
)
def test_the_general_loop(algorithm, W, law) -> None:
    options = {"step_size": 0.5, "batch_size": 1, "rtol": 0.005, "rng": 0, "threads": 1}
    agrees(
        theory.tail_index(dsf.GaussianRegression(1), W, algorithm=algorithm, **options),
        truth.planar_tail_index(*law),
    )
