"""What excursions are checked for."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check
from desgd_fast.problems.protocols import ClosedLaw
from desgd_fast.theory.checks import known_degree
from desgd_fast.theory.results import TailIndex


def power_law(name: str, value: Any) -> None:
    """An algorithm whose steps grow with the iterates."""
    check.instance(name, value, (Algorithm,))
    known_degree(name, value)
    if value.degree == "bounded":
        raise ValueError(
            f"{name} must be linear or homogeneous, got {value!r}, whose steps are bounded: all moments are "
            "finite, and no power law says how likely an excursion is; simulate it and count"
        )


def constant_step_size(name: str, value: Any) -> None:
    """No schedule: under one there is no stationary law."""
    if callable(value):
        raise TypeError(f"{name} must be constant for a stationary law to exist, got the schedule {value!r}")


def own_coordinates(name: str, algorithm: Algorithm, problem: Any) -> None:
    """Parts that act on inner products alone, where iterates are held in the eigenbasis of a covariance."""
    bound = [part for part in algorithm.parts if not part.equivariant]
    if isinstance(problem, ClosedLaw) and problem.basis is not None and bound:
        raise ValueError(
            f"{name} must not act on coordinates, as {bound[0]!r} does, unless the covariance is diagonal"
        )


def stationary(name: str, tail: TailIndex) -> None:
    """A tail index that is a number: there is a stationary law, and its tail is a power law."""
    if not tail.stationary:
        raise ValueError(
            f"{name} must leave a stationary law, but here rho = {tail.lyapunov_exponent:.3g} ± "
            f"{tail.lyapunov_stderr:.2g} is not below 0 beyond its error"
        )
    if not np.isfinite(tail.alpha):
        raise ValueError(f"{name} leaves a law all of whose moments are finite: there is no power law")


def noisy(name: str, usual: float) -> None:
    """Noise at the optimum, without which the stationary law is a point."""
    if not usual > 0:
        raise ValueError(
            f"{name} must have noise at its optimum: without it the stationary law is that point"
        )


def one_per_run(name: str, function: Callable[[NDArray[np.float64]], Any], deviations: Any) -> Any:
    """What a function of deviations (n_runs, n_nodes, dim) makes of them, if that is (n_runs,) numbers."""
    values = np.asarray(function(deviations), np.float64)
    if values.shape != deviations.shape[:1]:
        raise ValueError(
            f"{name} must return one number for each of {len(deviations)} runs from deviations of shape "
            f"{deviations.shape}, got shape {values.shape}"
        )
    return values
