"""Sizes of features and noise that second moments can be computed of: their fourth powers are doubles."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.problems.protocols import ClosedLaw, FreshSamples, OwnRows, Problem
from desgd_fast.theory.moments import checks


def largest_feature(problem: Problem) -> float:
    """Of a direction of features its size; refuses a problem with one that is out of range."""
    kinds: ArrayLike = 1.0
    own: Any = problem
    if isinstance(problem, ClosedLaw):
        kinds = np.multiply.outer(np.asarray(own.feature_std), np.sqrt(own.eigenvalues))
    elif isinstance(problem, OwnRows):
        kinds = np.abs(own.features).max()
    elif isinstance(problem, FreshSamples) and own.law.feature_moments is not None:
        kinds = np.sqrt(own.law.feature_moments[0])
    sizes: NDArray[np.float64] = np.asarray(kinds)
    checks.squares_hold("problem", "features of sizes", sizes)
    return float(sizes.max())


def noise_in_range(problem: Problem) -> None:
    """Refuse a problem with noise that is neither absent nor in range."""
    kinds: ArrayLike = 0.0
    own: Any = problem
    if isinstance(problem, ClosedLaw):
        kinds = own.noise_std
    elif isinstance(problem, OwnRows):
        kinds = np.abs(own.targets).max()
    elif isinstance(problem, FreshSamples):
        kinds = np.sqrt(checks.known_noise("problem", own))
    sizes: NDArray[np.float64] = np.asarray(kinds)
    checks.squares_hold("problem", "noise or targets of sizes", sizes[sizes > 0])
