"""The arguments of a question about second moments, checked."""

from typing import Any, TypeGuard

from numpy.typing import ArrayLike

from desgd_fast.algorithms import Algorithm
from desgd_fast.algorithms import checks as algorithm_checks
from desgd_fast.common import check
from desgd_fast.mixing import MixingProcess
from desgd_fast.mixing.processes import as_process
from desgd_fast.problems.gaussian import GaussianRegression
from desgd_fast.theory.moments.recursion import Recursion


def has_closed_law(problem: Any, W: Any, algorithm: Any) -> TypeGuard[GaussianRegression]:
    """Whether :mod:`..second_moments` answers: plain steps on Gaussian features with one matrix."""
    plain = isinstance(algorithm, Algorithm) and algorithm.plain
    return isinstance(problem, GaussianRegression) and plain and not isinstance(W, MixingProcess)


def recursion(
    problem: Any,
    W: Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm,
    allow_row_stochastic: bool,
    at_infinity: bool,
) -> Recursion:
    """The second moments of any linear algorithm; refuses, with the reason, what they are not known for."""
    process = as_process(
        "W",
        W,
        allow_row_stochastic=check.flag("allow_row_stochastic", allow_row_stochastic),
        allow_negative=True,
    )
    check.instance("algorithm", algorithm, (Algorithm,))
    algorithm_checks.fits_nodes(algorithm, process.n_nodes)
    batch_sizes = check.counts_per_node("batch_size", batch_size, process.n_nodes)
    step_sizes = check.positive_per_node("step_size", step_size, process.n_nodes)
    return Recursion.of(problem, process, algorithm, step_sizes, batch_sizes, at_infinity=at_infinity)
