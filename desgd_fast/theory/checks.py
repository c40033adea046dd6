"""What the questions of theory are checked for."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check

P = ParamSpec("P")
R = TypeVar("R")

# Relative changes that rounding hides.
_ROUNDING = 1e-13
# Below this squares vanish.
_SMALLEST = 1e-150
# Up to this fourth powers are doubles.
LARGEST = 1e75


def plain_algorithm(name: str, value: Any) -> Algorithm:
    """An algorithm whose nodes step along the gradient itself and average at every step."""
    check.instance(name, value, (Algorithm,))
    if not value.plain:
        raise ValueError(
            f"{name} must be plain, in either order: nothing is computed yet for {value!r}; "
            "simulate it and measure"
        )
    assert isinstance(value, Algorithm)
    return value


def known_degree(name: str, algorithm: Algorithm) -> None:
    """Parts all of which say what their steps are far from the optimum."""
    unknown = [part for part in algorithm.parts if part.degree == "unknown"]
    if unknown:
        raise ValueError(
            f"{name} must be linear, homogeneous or bounded for theory, got {unknown[0]!r}, of which nothing "
            "is known far from the optimum; simulate it and measure, or state its degree"
        )


def step_size_that_stays(name: str, value: Any) -> None:
    """A step size for all runs and steps: no schedule, and none for each run."""
    if callable(value) or check.n_axes(name, value) > 1:
        raise ValueError(
            f"{name} must be a number or one for each node, the same at every step, got {value!r}"
        )


def homogeneous_at_infinity(name: str, problem: Any, protocol: type) -> None:
    """A problem that knows what is left of it far from its optimum."""
    if not isinstance(problem, protocol):
        raise TypeError(f"{name} must know its gradients far from the optimum, got {type(problem).__name__}")


def forgets_permutations(name: str, sampling: str) -> None:
    """Rows that are not drawn from one permutation for ever, which a run would remember."""
    if sampling == "shuffle-once":
        raise ValueError(
            f"{name} must not keep the permutation of its rows for ever (sampling='shuffle-once'): every run "
            "then has a stationary law of its own; 'reshuffle' and 'flip-flop' draw new ones"
        )


def own_coordinates(name: str, problem: Any, algorithm: Algorithm) -> None:
    """Coordinates of their own, where a part looks at coordinates."""
    if getattr(problem, "basis", None) is not None and not algorithm.equivariant:
        part = next(part for part in algorithm.parts if not part.equivariant)
        raise ValueError(f"{name} must have a diagonal covariance: {part!r} acts on coordinates")


def grows(name: str, asked: Any) -> None:
    """Steps that grow with the distance, so that there is a rate of growth."""
    reason = getattr(asked, "bounded", None)
    if reason:
        raise ValueError(f"{name} must be linear or homogeneous for a rate of growth: {reason}")


def diverges(name: str, asked: Any) -> None:
    """Steps that grow with the distance, so that too large ones diverge."""
    reason = getattr(asked, "bounded", None)
    if reason:
        raise ValueError(
            f"{name} must be linear or homogeneous to have a critical step size: {reason}, and all moments "
            "are finite at every step size"
        )


def above_nothing(name: str, contraction: float) -> None:
    """Steps that floating point tells from none."""
    if contraction < _SMALLEST:
        raise ValueError(
            f"{name} is too small for double precision: a step changes iterates by {contraction:.1g} of "
            "themselves"
        )


def step_in_range(name: str, contraction: float) -> None:
    """Steps whose squares double precision holds."""
    if not contraction <= LARGEST:
        raise ValueError(
            f"{name} is too large for double precision: a step multiplies iterates by {contraction:.3g}"
        )


def in_doubles(function: Callable[P, R]) -> Callable[P, R]:
    """The same question, refused where its numbers leave the range of doubles."""

    @wraps(function)
    def asked(*arguments: P.args, **named: P.kwargs) -> R:
        with np.errstate(over="raise", invalid="raise"):
            try:
                return function(*arguments, **named)
            except (FloatingPointError, OverflowError, np.linalg.LinAlgError) as error:
                raise ValueError(
                    f"problem takes growth out of the range of doubles at such step sizes: {error}"
                ) from error

    return asked


def within_range(name: str, finite: bool, n_steps: int) -> None:
    """Growth that floating point holds until iterates are brought back to length one."""
    if not finite:
        raise ValueError(
            f"{name} is too large for double precision: iterates overflow within {n_steps} steps"
        )


def above_rounding(
    name: str, contraction: float, least: float = _ROUNDING, lost: str = "growth is seen"
) -> None:
    """Steps that change iterates by more than their last digits."""
    if contraction < least:
        raise ValueError(
            f"{name} is too small for double precision: a step changes iterates by {contraction:.3g} of "
            f"themselves, and no {lost} below {least:g}"
        )


def order_of_a_moment(name: str, value: Any) -> float:
    """An order at which moments of layers are neither all alike nor beyond double precision."""
    return check.number(name, value, "a number from 1e-6 to 1e6", lambda order: 1e-6 <= order <= 1e6)
