"""What exact second moments are checked for; the messages say what is missing."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.kernels.gradients import losses
from desgd_fast.problems.protocols import FreshSamples, OwnRows
from desgd_fast.theory.checks import LARGEST

# Sizes whose fourth powers are doubles, from here to LARGEST.
_SMALLEST = 1e-75


def squares_hold(name: str, what: str, sizes: NDArray[np.float64]) -> None:
    """Sizes whose squares' squares double precision holds."""
    odd = sizes[~((sizes >= _SMALLEST) & (sizes <= LARGEST))]
    if odd.size:
        raise ValueError(
            f"{name} must have {what} from {_SMALLEST:g} to {LARGEST:g} (fourth powers are doubles), got "
            f"{odd[0]:.3g}; rescale it"
        )


def linear(name: str, algorithm: Any) -> None:
    """An algorithm whose step is linear in iterates and gradients."""
    if algorithm.degree != "linear":
        what = "its steps are bounded" if algorithm.degree == "bounded" else "no exact moments are known"
        raise ValueError(
            f"{name} must be linear for exact second moments, got {algorithm!r}, which is "
            f"{algorithm.degree}: {what}"
        )
    for part in (algorithm.aggregation, algorithm.attack):
        if part is not None:
            raise ValueError(f"{name} must take weighted means for exact second moments, got {part!r}")


def linear_part(name: str, part: Any, linear: bool) -> None:
    """A part that is what it says."""
    if not linear:
        raise ValueError(
            f"{name} holds {part!r}, which says that it is linear; its function does not add up, or does not "
            "treat all coordinates alike, so that its second moments are unknown"
        )


def same_for_all_nodes(name: str, part: Any) -> None:
    """A local rule or message with the same numbers at all nodes."""
    if part.per_node and len(part.parameters) > part.width:
        raise ValueError(
            f"{name} holds {part!r} with numbers of every node's own: its second moments are not known yet"
        )


def known_outcomes(name: str, part: Any) -> Callable[..., Any]:
    """A part that lists what its uniforms may decide."""
    if part.outcomes is None:
        raise ValueError(
            f"{name} holds {part!r}, which draws uniforms and does not list its outcomes (Part.outcomes): "
            "its second moments are unknown"
        )
    outcomes: Callable[..., Any] = part.outcomes
    return outcomes


def common_to_coordinates(name: str, part: Any) -> None:
    """A random part that does the same to all coordinates."""
    if part.variates(1)[1] and not part.equivariant:
        raise ValueError(
            f"{name} holds {part!r}, which treats coordinates differently at random: its second moments are "
            "known for features with independent coordinates only"
        )


def isotropic(name: str, part: Any, isotropic: bool) -> None:
    """Isotropic features, where a part turns coordinates into each other."""
    if not isotropic:
        raise ValueError(
            f"{name} must have isotropic features for exact second moments of {part!r}, which multiplies "
            "with a random matrix"
        )


def memoryless(name: str, part: Any) -> None:
    """A participation whose next turn does not depend on its last."""
    if part.memory:
        raise ValueError(f"{name} holds {part!r}, whose memory makes second moments unknown")


def repeats(name: str, part: Any, repeats: bool) -> None:
    """A participation that begins again after the steps it says."""
    if not repeats:
        raise ValueError(
            f"{name} holds {part!r}, which does not repeat itself after {part.period} rounds: state its "
            "period for exact second moments"
        )


def quadratic(name: str, loss: Any) -> tuple[float, float]:
    """Curvature in the prediction, and ridge, of a quadratic loss."""
    if loss.slope is not losses.square_slope:
        raise ValueError(f"{name} must have a quadratic loss for exact second moments, got {loss!r}")
    return 1.0, loss.ridge


def independent_batches(name: str, sampling: str) -> None:
    """Minibatches that do not depend on the ones before."""
    if sampling not in ("replacement", "without-replacement"):
        raise ValueError(
            f"{name} must draw its minibatches independently for exact second moments, got "
            f"sampling={sampling!r}: the steps of an epoch depend on each other"
        )


def known_outcomes_of_process(name: str, process: Any) -> None:
    """A mixing process that lists what may happen in a round."""
    if process.outcomes is None:
        raise ValueError(
            f"{name} must be a matrix, or a process that states its quadratic or its outcomes, for "
            f"exact second moments; {process.name} does not, or its matrix is met twice in a step, or a "
            "participation reads its memory"
        )


def few(name: str, what: str, count: int, most: int) -> None:
    """No more of something than can be enumerated."""
    if count > most:
        raise ValueError(
            f"{name} has more than {most} {what}: too many to enumerate for exact second moments"
        )


def known_law(name: str, problem: Any) -> None:
    """A problem whose gradients may have known moments."""
    if not isinstance(problem, OwnRows | FreshSamples):
        raise TypeError(
            f"{name} must be a GaussianRegression, a data set or a StreamingRisk for exact second moments, "
            f"got {type(problem).__name__}"
        )


def grows_at_infinity(name: str, loss: Any) -> tuple[float, float]:
    """Curvature in the prediction, and ridge, far from the optimum, where they are not both 0."""
    far = loss.at_infinity()
    curvature, ridge = float(far.curvature_at_infinity), float(far.ridge)
    if curvature == 0 and ridge == 0:
        raise ValueError(
            f"{name} must have gradients that grow for exact second moments: those of {loss!r} stay bounded"
        )
    return curvature, ridge


def known_moments(name: str, problem: Any) -> tuple[float, float]:
    """Second and fourth moments of independent features."""
    if problem.law.feature_moments is None:
        raise ValueError(
            f"{name} must have a law that states its feature_moments for exact second moments, got "
            f"{problem.law!r}"
        )
    second, fourth = problem.law.feature_moments
    if not math.isfinite(fourth):
        raise ValueError(
            f"{name} must have features with a fourth moment for exact second moments, got {problem.law!r}"
        )
    return second, fourth


def known_noise(name: str, problem: Any) -> float:
    """Variance of the targets about those of the optimum, the same point for all nodes."""
    law = problem.law
    if law.noise_variance is None or not math.isfinite(law.noise_variance):
        raise ValueError(
            f"{name} must have a law that states a finite noise_variance for a stationary covariance, got "
            f"{law!r}"
        )
    if law.truth is None or not bool((law.truth == problem.optimum).all()):
        raise ValueError(
            f"{name} must measure distances from the one truth of its law for a stationary covariance"
        )
    return float(law.noise_variance)
