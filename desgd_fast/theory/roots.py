"""Roots of growth exponents that carry noise: alpha with log h(alpha) = 0, and the step size with rho = 0.

Known without noise: log h(0) = 0 and log h(2). Each evaluation adds (s, log h(s), stderr). A polynomial
through all of them, weighted by their errors, proposes the next s and gives the slope at the root; the last
evaluation is extended until its error over that slope is small enough. Convexity keeps the bracket honest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from desgd_fast.theory.particles import Particles
from desgd_fast.theory.population import BIAS_ERROR, Estimate, Population, estimate
from desgd_fast.theory.question import Setting
from desgd_fast.theory.second_moments import SecondMoments

Array = NDArray[np.float64]

# The most looks at a moment that rests on single draws.
_LUCKY_LOOKS = 8
# Values of s, or of the step size, to look at before taking the best so far.
_MOST_POINTS = 12
# rho counts as negative when it is so by this many standard errors.
SIGNIFICANT = 3.0
# One draw that carries more than this share of all weight: the moment rests on luck.
LARGEST_SHARE = 0.05
# Below such an s there is no tail index: log h above 0 means that what growth has selected does not shrink.
_NEARLY_ZERO = 0.02
# A proposal this close to the evaluated s is reached by the slope alone.
_CLOSE = 0.02
# Standard errors assumed for values known exactly, relative to the size of log h.
_EXACT = 1e-6


@dataclass
class Walk:
    """A population with the sums of its current stretch, so that a stretch can be made longer."""

    population: Population | Particles
    tick: Callable[[int, float], object]
    s: float = math.nan
    sums: Array = field(default_factory=lambda: np.empty((0, 0)))

    def look(self, s: float) -> Estimate:
        """Settle at s and take a first look."""
        self.s = s
        self.population.settle(s)
        self.sums = self.population.grow(s, self.population.look)
        self.tick(self.population.look * self.population.stride + self.population.burn_in, s)
        return self._seen()

    def look_longer(self) -> Estimate:
        """Double the current stretch."""
        further = self.population.grow(self.s, len(self.sums))
        self.tick(len(further) * self.population.stride, self.s)
        self.sums = np.concatenate([self.sums, further])
        return self._seen()

    def _seen(self) -> Estimate:
        return estimate(self.s, self.sums, self.population.stride)

    @property
    def patient(self) -> bool:
        """Whether the stretch may still grow."""
        return len(self.sums) < self.population.look * self.population.patience

    def worth_longer(self, seen: Estimate, target: float) -> bool:
        """Whether more steps can bring the error to the target; the share of the bias in it they leave."""
        return self.patient and seen.stderr > target and BIAS_ERROR * abs(seen.bias) <= target


@dataclass
class Curve:
    """What is known of log h: values and slopes with their errors."""

    values: list[tuple[float, float, float]] = field(default_factory=list)
    slopes: list[tuple[float, float, float]] = field(default_factory=list)

    def polynomial(self) -> np.polynomial.Polynomial:
        """Weighted least squares of a polynomial with value 0 at s = 0, of degree 4 at most."""
        degree = min(len(self.values) + len(self.slopes), 4)
        powers = np.arange(1, degree + 1)
        rows = [np.power(s, powers) / e for s, _, e in self.values]
        rows += [powers * np.power(s, powers - 1.0) / e for s, _, e in self.slopes]
        target = [value / e for _, value, e in self.values + self.slopes]
        scale = np.linalg.norm(np.array(rows), axis=0)
        coefficients = np.linalg.lstsq(np.array(rows) / scale, np.array(target), rcond=1e-12)[0] / scale
        return np.polynomial.Polynomial(np.concatenate([[0.0], coefficients]))

    def steepness(self, s: float) -> float:
        """Size of the slope at s."""
        return max(abs(float(self.polynomial().deriv()(s))), 1e-300)

    def root(self, low: float, high: float) -> float:
        """The root of the polynomial inside the bracket, else the point where the search should go on."""
        roots = np.asarray(self.polynomial().roots(), dtype=np.complex128)
        real = roots.real[np.abs(roots.imag) < 1e-9]
        real = real[(real > max(low, 1e-6)) & (real < high)]
        if real.size:
            return float(real.min())
        return (low + high) / 2 if math.isfinite(high) else 1.5 * low


@dataclass(frozen=True)
class Root:
    """A root with its standard error and the part of it that a finite population would have moved it by."""

    value: float
    stderr: float
    bias: float
    lyapunov: Estimate
    status: str
    n_steps: int


def lyapunov_exponent(walk: Walk, rtol: float) -> Estimate:
    """Rho to a relative error, or until it is plainly not below 0."""
    seen = walk.look(0.0)
    while walk.patient and seen.slope_stderr > rtol * abs(seen.slope):
        if seen.slope > 10 * seen.slope_stderr:
            break
        seen = walk.look_longer()
    return seen


def _slope_at_two(walk: Walk) -> Estimate:
    seen = walk.look(2.0)
    while walk.patient and seen.slope_stderr > 0.05 * abs(seen.slope):
        seen = walk.look_longer()
    return seen


def tail_index(walk: Walk, rtol: float, cap: float) -> Root:
    """Solve log h(alpha) = 0 to the relative standard error rtol; ``status`` says how it ended.

    "found", "not stationary" (rho not below 0 beyond doubt), "light" (alpha above the cap), "luck" (a larger
    moment would rest on single draws), or "slow" (the error stayed above rtol).
    """
    assert isinstance(walk.population, Population)
    log_two = math.log(walk.population.growth2)
    # h(2) < 1 already proves rho < 0, by convexity.
    lyapunov = lyapunov_exponent(walk, 0.1 if log_two < 0 else 0.05)

    def end(status: str, value: float, slope: float, seen: Estimate) -> Root:
        error = seen.stderr / slope if status in ("found", "slow") else math.nan
        return Root(value, error, -seen.bias / slope, lyapunov, status, seen.n_steps)

    if log_two >= 0 and lyapunov.slope > -SIGNIFICANT * lyapunov.slope_stderr:
        return end("not stationary", math.nan, math.inf, lyapunov)
    curve, size = Curve(), _EXACT * max(abs(log_two), abs(lyapunov.slope))
    curve.slopes.append((0.0, lyapunov.slope, lyapunov.slope_stderr + size))
    curve.values.append((2.0, log_two, size))
    two = _slope_at_two(walk)
    curve.slopes.append((2.0, two.slope, two.slope_stderr + size))
    low, high = (2.0, math.inf) if log_two < 0 else (0.0, 2.0)
    proven, s = low, min(curve.root(low * (1 - 1e-6), high * (1 + 1e-6)), cap)
    for _ in range(_MOST_POINTS):
        seen = walk.look(s)
        target = rtol * s * curve.steepness(s)
        while walk.worth_longer(seen, target) and abs(seen.value) < SIGNIFICANT * seen.stderr:
            seen = walk.look_longer()
        while (
            seen.n_steps < _LUCKY_LOOKS * walk.population.look
            and seen.value < 0
            and seen.largest_share > LARGEST_SHARE
        ):
            seen = walk.look_longer()
        if seen.value < 0 and seen.largest_share > LARGEST_SHARE:
            return end("luck", proven, math.inf, seen)
        curve.values.append((s, seen.value, seen.stderr + size))
        if seen.value < -SIGNIFICANT * seen.stderr:
            low = proven = max(proven, s)
            if s >= cap:
                return end("light", cap, math.inf, seen)
        elif seen.value > SIGNIFICANT * seen.stderr:
            high = min(high, s)
        slope = curve.steepness(s)
        if abs(seen.value) / slope <= _CLOSE * s:
            break
        s = min(max(curve.root(low, high), s / 3), 3 * s, cap)
    while walk.worth_longer(seen, rtol * s * slope):
        seen = walk.look_longer()
        curve.values[-1] = (s, seen.value, seen.stderr + size)
        slope = curve.steepness(s)
    # Moments shown to be finite stay so, however far the last value is off.
    alpha = max(s - seen.value / slope, proven)
    return end("found" if seen.stderr / slope <= rtol * s else "slow", alpha, slope, seen)


def tail_index_by_slopes(walk: Walk, rtol: float, cap: float) -> Root:
    """:func:`tail_index` where nothing is known beforehand: Newton's method, from values and slopes alone.

    log h is convex and 0 at 0, so that from beyond the root Newton's method comes down to it, and short of
    it a step to the right is safe.
    """
    lyapunov = lyapunov_exponent(walk, 0.1)

    def end(status: str, value: float, slope: float, seen: Estimate) -> Root:
        error = seen.stderr / slope if status in ("found", "slow") else math.nan
        return Root(value, error, -seen.bias / slope, lyapunov, status, seen.n_steps)

    if lyapunov.slope > -SIGNIFICANT * lyapunov.slope_stderr:
        return end("not stationary", math.nan, math.inf, lyapunov)
    low, high, s = 0.0, math.inf, min(2.0, cap)
    for _ in range(_MOST_POINTS):
        seen = walk.look(s)
        while walk.worth_longer(seen, abs(seen.value) / SIGNIFICANT):  # the sign decides where to go on
            if abs(seen.slope) > 0 and seen.stderr <= rtol * s * abs(seen.slope):
                break
            seen = walk.look_longer()
        if seen.value < 0:
            low = max(low, s)
            if s >= cap:
                return end("light", cap, math.inf, seen)
        elif s < _NEARLY_ZERO and seen.value > SIGNIFICANT * seen.stderr:
            return Root(math.nan, math.nan, math.nan, seen, "not stationary", seen.n_steps)
        else:
            high = min(high, s)
        newton = s - seen.value / seen.slope if seen.slope > 0 else math.inf
        if seen.slope > 0 and abs(newton - s) <= _CLOSE * s:
            break
        if seen.value < 0 and not math.isfinite(high):
            s = min(max(newton, 1.1 * s) if newton < 2 * s else 2 * s, cap)
        else:
            s = newton if low < newton < high else 0.5 * (low + high)
    slope = max(seen.slope, 1e-300)
    while walk.worth_longer(seen, rtol * s * slope):
        seen = walk.look_longer()
        slope = max(seen.slope, 1e-300)
    if seen.value < 0 and seen.largest_share > LARGEST_SHARE:
        return end("luck", low, math.inf, seen)
    return end("found" if seen.stderr / slope <= rtol * s else "slow", s - seen.value / slope, slope, seen)


def divergence(
    setting: Setting, walk_at: Callable[[Setting], Walk], start: float, rtol: float
) -> tuple[float, float]:
    """The step size at which rho = 0, and its standard error.

    Starts below it, where h(2) = 1. The first slope is that of ½ log h(2), which is exact; then secants.
    The same key at every step size makes rho a smooth function of it.
    """
    step, previous, slope = start, None, _slope_of_second_moments(setting, start)
    for _ in range(_MOST_POINTS):
        walk = walk_at(setting.at_step_size(step))
        seen = walk.look(0.0)
        tolerance = rtol * step
        if previous is not None:
            # A window much narrower than rtol still deserves to be seen.
            tolerance = min(tolerance, 0.05 * abs(step - start))
        while walk.patient and (
            seen.slope_stderr > 0.5 * tolerance * slope and abs(seen.slope) < 10 * seen.slope_stderr
        ):
            seen = walk.look_longer()
        if previous is not None and previous[0] != step:
            secant = (seen.slope - previous[1]) / (step - previous[0])
            slope = secant if secant > 0 else slope
        correction = seen.slope / slope
        previous = (step, seen.slope)
        if abs(correction) <= max(tolerance, 2 * seen.slope_stderr / slope) and step != start:
            break
        step = min(max(step - correction, step / 2), 2 * step)
    return step - correction, seen.slope_stderr / slope


def _slope_of_second_moments(setting: Setting, step: float) -> float:
    def log_growth(factor: float) -> float:
        return math.log(SecondMoments(setting.at_step_size(step * factor)).growth())

    return 0.5 * (log_growth(1 + 1e-5) - log_growth(1 - 1e-5)) / (2e-5 * step)
