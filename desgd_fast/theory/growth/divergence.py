"""The step size at which rho = 0, for any algorithm: bracketed, solved on common paths, and looked at longer.

rho as a function of the step size may be nearly flat and then steep, where a slow direction gives way to one
that explodes, so that secants from afar say nothing: a bracket is narrowed instead. The same key at every
step size makes what is solved a function, whose error is that of rho over its slope at the root.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize

from desgd_fast.theory.growth.roots import Walk

# The first step size, the factor to the next, and how far the search goes.
_FIRST, _FACTOR, _FURTHEST = 1.0, 2.0, 2.0**40
# Paths that are enough to search with.
_PATHS = 64
# Relative distance from the root that a look along all paths corrects.
_CLOSE = 0.005
# Share of the step size over which the slope at the root is seen.
_WIDTH = 0.02


def divergence(walk_at: Callable[[float, int | None], Walk], rtol: float) -> tuple[float, float, bool]:
    """The step size, its standard error, and whether that is as small as asked for.

    ``walk_at`` takes a step size and a number of paths, None for the usual one. 0 where no step size
    contracts, infinite where none diverges.
    """
    seen: dict[float, float] = {}

    def rho(step: float) -> float:
        if step not in seen:
            # Steps so large that a stretch of them overflows are far beyond the root.
            with np.errstate(over="ignore", invalid="ignore"):
                slope = walk_at(step, _PATHS).look(0.0).slope
            seen[step] = slope if math.isfinite(slope) else math.inf
        return seen[step]

    low, high = _bracket(rho)
    if low == 0 or math.isinf(high):
        return (0.0 if low == 0 else math.inf), 0.0, True
    while math.isinf(rho(high)):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if rho(middle) < 0 else (low, middle)
    step = float(optimize.toms748(rho, low, high, xtol=1e-300, rtol=max(rtol, _CLOSE)))
    slope = (rho((1 + _WIDTH) * step) - rho(step)) / (_WIDTH * step)
    if slope <= 0:
        slope = (rho(high) - rho(low)) / (high - low)
    step -= walk_at(step, None).look(0.0).slope / slope
    walk = walk_at(step, None)
    longer = walk.look(0.0)
    while walk.patient and longer.slope_stderr > rtol * step * slope:
        longer = walk.look_longer()
    stderr = longer.slope_stderr / slope
    return step - longer.slope / slope, stderr, stderr <= rtol * step


def known_divergence(rho: Callable[[float], float]) -> float:
    """The step size at which rho, known exactly, is 0; 0 where none contracts, infinite where all do."""

    def bounded(step: float) -> float:  # a factor that may be 0 has rho = −∞
        return max(rho(step), -1e3)

    low, high = _bracket(bounded)
    if low == 0 or math.isinf(high):
        return 0.0 if low == 0 else math.inf
    return float(optimize.toms748(bounded, low, high, xtol=1e-300, rtol=1e-14))


def _bracket(rho: Callable[[float], float]) -> tuple[float, float]:
    """Step sizes apart between which rho changes its sign; from 0, or to infinity, if it never does."""
    low = high = _FIRST
    while rho(low) >= 0:
        low, high = low / _FACTOR, low
        if low < 1 / _FURTHEST:
            return 0.0, high
    while rho(high) < 0:
        low, high = high, high * _FACTOR
        if high > _FURTHEST:
            return low, math.inf
    return low, high
