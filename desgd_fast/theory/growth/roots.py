"""Roots of growth exponents that carry noise: alpha with log h(alpha) = 0, and the step size with rho = 0.

Known beforehand: log h(0) = 0, rho, and for Gaussian features log h(2) without noise. Each evaluation adds
(s, log h(s), slope). A polynomial through all of them proposes where to look next; the answer is one step of
Newton's method from the last look, so short that an error of its slope is far below the error of its value.
Convexity keeps the bracket honest.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from desgd_fast.theory.closed.factors import FEW_DRAWS, SIGNIFICANT
from desgd_fast.theory.closed.second_moments import SecondMoments
from desgd_fast.theory.growth.particles import Particles
from desgd_fast.theory.growth.population import Estimate, Population, estimate
from desgd_fast.theory.question import Setting

Array = NDArray[np.float64]

# Values of s, or of the step size, to look at before taking the best so far.
_MOST_POINTS = 16
# The most looks at such a moment.
_LUCKY_LOOKS = 8
# A standard error that is known worse than this asks for a longer look.
_DOUBTFUL = 0.4
# Below such an s there is no tail index: log h above 0 means that what growth has selected does not shrink.
_NEARLY_ZERO = 0.02
# Bracket, relative to s, at whose lower end the search stops where its upper end cannot be seen.
_BLIND = 0.1
# A step from below the root keeps away from either end of its bracket by so much of it.
_MARGIN = 0.1
# The last step towards a root is at most so many standard errors: its slope and its bend hardly matter.
_SHORT = 2.0
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
        return estimate(self.s, self.sums, self.population.stride, self.population.rate)

    @property
    def patient(self) -> bool:
        """Whether the stretch may still grow."""
        return len(self.sums) < self.population.look * self.population.patience

    def worth_longer(self, seen: Estimate, target: float) -> bool:
        """Whether the error is above the target, or not well enough known, and more steps may be taken."""
        return self.patient and (seen.stderr > target or seen.doubt > _DOUBTFUL)


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


def tail_index(walk: Walk, rtol: float, cap: float) -> Root:
    """Solve log h(alpha) = 0 to the relative standard error rtol; ``status`` says how it ended.

    "found", "not stationary" (rho not below 0 beyond doubt), "light" (alpha above the cap), "luck" (a larger
    moment would rest on too few draws), "slow" (the error stayed above rtol), or "unsettled" (growth near the
    root changes from look to look: the population is too small to keep what makes the tail).
    """
    population = walk.population
    log_two = math.log(population.growth2) if isinstance(population, Population) else math.nan
    # h(2) < 1 already proves rho < 0, by convexity.
    lyapunov = lyapunov_exponent(walk, 0.05 if log_two >= 0 else 0.1)

    def end(status: str, value: float, slope: float, seen: Estimate) -> Root:
        moved = math.hypot(seen.stderr, seen.value / slope * seen.slope_stderr) / slope
        error = moved if status in ("found", "slow") else math.nan
        return Root(value, error, -seen.bias / slope, lyapunov, status, seen.n_steps)

    if not log_two < 0 and lyapunov.slope > -SIGNIFICANT * lyapunov.slope_stderr:
        return end("not stationary", math.nan, math.inf, lyapunov)
    curve, low, high, s = Curve(), 0.0, math.inf, min(2.0, cap)
    size = _EXACT * abs(lyapunov.slope)
    curve.slopes.append((0.0, lyapunov.slope, lyapunov.slope_stderr + size))
    if math.isfinite(log_two):
        curve.values.append((2.0, log_two, size))
        low, high = (2.0, math.inf) if log_two < 0 else (0.0, 2.0)
    exact = proven = low
    for _ in range(_MOST_POINTS):
        seen = walk.look(s)
        slope = max(seen.slope, 1e-300)
        while True:
            lucky = seen.n_draws < FEW_DRAWS
            close = abs(seen.value) <= max(_SHORT * seen.stderr, 0.1 * rtol * s * slope)
            if lucky and len(walk.sums) >= _LUCKY_LOOKS * population.look:
                break
            if not (lucky or (close and walk.worth_longer(seen, rtol * s * slope))):
                break
            seen = walk.look_longer()
            slope = max(seen.slope, 1e-300)
        if lucky:  # nothing can be seen from here on
            high = min(high, s)
            if high - low <= _BLIND * high:
                return end("luck", proven, math.inf, seen)
            s = 0.5 * (low + high)
            continue
        if close:
            break
        curve.values.append((s, seen.value, seen.stderr + size))
        curve.slopes.append((s, seen.slope, 0.1 * abs(seen.slope) + seen.slope_stderr + size))
        if seen.value < -SIGNIFICANT * seen.stderr:
            low = proven = max(proven, s)
            if s >= cap:
                return end("light", cap, math.inf, seen)
        elif seen.value > SIGNIFICANT * seen.stderr:
            if s < _NEARLY_ZERO:
                return Root(math.nan, math.nan, math.nan, seen, "not stationary", seen.n_steps)
            high = min(high, s)
        s = _following(s, curve, seen, low, high, cap)
    if lucky:
        return end("luck", proven, math.inf, seen)
    if not close or seen.slope <= SIGNIFICANT * seen.slope_stderr:
        # What a population too small has shown to be finite need not be so.
        return end("unsettled", exact, math.inf, seen)
    # Moments shown to be finite stay so, however far the last value is off.
    alpha = max(s - seen.value / slope, proven)
    return end("found" if seen.stderr / slope <= rtol * s else "slow", alpha, slope, seen)


def _following(s: float, curve: Curve, seen: Estimate, low: float, high: float, cap: float) -> float:
    """The next s: Newton's step from beyond the root, where convexity makes it safe, or a short one."""
    newton = s - seen.value / seen.slope if seen.slope > 0 else math.inf
    if not (low < newton < high and (seen.value > 0 or newton <= 1.1 * s)):
        newton = min(max(curve.root(low, high), s / 3), 3 * s)
        if math.isfinite(high):  # a curve through noise may creep along one end of the bracket
            margin = _MARGIN * (high - low)
            newton = min(max(newton, low + margin), high - margin)
    return min(newton, cap)


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
