"""Regenerative splitting: excursions from a bounded set, multiplied on their way up.

With A = {states within ``radius``}, the stationary law outside of A is

    π(B) = (rate of leaving A per step) · E[steps that an excursion spends in B],      B ∩ A = ∅.

An ordinary simulation gives the rate and the states in which excursions begin. They are carried on as
particles, which end where they return to A. With V(x) = (‖x‖ / radius)^s, up to the last level, they are
resampled in proportion to weight · V, and weigh what is left of it: unbiased for any s, and good where s is
the tail index, because V is then nearly harmonic (Dean & Dupuis 2009 on splitting by a subsolution;
Blanchet, Lam & Zwart 2012 and Collamore, Diao & Vidyashankar 2014 on the tails of perpetuities).

Runs and particles come in groups that have nothing in common, so that their spread is the error.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.kernels.loops.general import State
from desgd_fast.theory.excursions import checks
from desgd_fast.theory.excursions.chain import Along, Chain, Gauge, joined, take

Real = NDArray[np.float64]

# Levels that the constant is read off, in units of what four in five states lie below.
FAR = np.geomspace(10, 100, 7)
# Independent groups, the fewest ordinary runs of each, and particles for each of these.
GROUPS, _RUNS, _SHARE = 20, 64, 8
# How often these are looked at to find what is usual.
_LOOKS = 32
# Share of the steps that ordinary runs spend within the radius.
WITHIN = 0.8
# Particles are resampled where so small a share of them would carry the same information.
_EFFECTIVE = 0.5
# Ordinary runs are watched for at most so many steps a particle, and must leave the bounded set in that time.
_LONGEST = 64
# A population has done its work where this share of its weight is left to pass the last level.
_NEGLIGIBLE = 1e-3
# A population that has not passed the last level after so many times what drift alone would take is stuck.
_PATIENCE = 100


@dataclass(eq=False)
class Splitting:
    """Ordinary runs, and particles that climb from where these leave the bounded set.

    ``levels`` are the thresholds and, for the constant, those at 10 … 100 times what is usual. A state that
    exceeds j of them counts in column j of ``_steps``, an excursion that does so in column j of ``_visits``,
    a row for each group.
    """

    chain: Chain
    along: Along
    thresholds: Real
    radius: float | None
    exponent: float
    drift: float
    generator: np.random.Generator
    tick: Callable[[int], object]
    n_each: int
    reached: bool = True
    n_steps: int = 0

    def __post_init__(self) -> None:
        self._run_steps, self._n_runs = 0, max(_RUNS, self.n_each // _SHARE)
        self._settle()
        self._steps, self._visits = np.zeros((2, GROUPS, self.levels.size + 1))

    def probability(self, levels: Real) -> Real:
        """Of exceeding each of these levels, (GROUPS, levels)."""
        return self._above(self._steps, levels)

    def rate(self, levels: Real) -> Real:
        """Of excursions that exceed each of these levels, per cycle, (GROUPS, levels)."""
        return self._above(self._visits, levels)

    def _above(self, counts: Real, levels: Real) -> Real:
        beyond = counts[:, :0:-1].cumsum(axis=1)[:, ::-1]
        return np.asarray(beyond[:, np.searchsorted(self.levels, levels)] / self._run_steps)

    def advance(self) -> None:
        """Ordinary runs until ``n_each`` excursions a group have begun, and as many particles on those."""
        exits, groups = self._leave(self.n_each)
        if groups.size:
            self._climb(exits, groups, self.n_each)

    def _settle(self) -> None:
        """Ordinary runs until they are stationary, and how far the bounded set reaches."""
        relaxation = max(1.0, 2 / self.exponent) / self.drift
        count = max(_LOOKS, math.ceil(10 * relaxation / self.chain.cycle))
        self.runs = self.chain.start(GROUPS * self._n_runs)
        self._step(self.runs, 0, count)
        self.gauge, seen = Gauge.fitted(self.chain, self.along, self.runs), []
        for _ in range(_LOOKS):
            self._step(self.runs, 0, count // _LOOKS)
            seen.append(self.gauge(self.runs))
        far, height = np.quantile(seen, WITHIN, axis=(0, 2))
        middle = float(np.median([one for one, _ in seen]))
        checks.noisy("problem", float(height))
        if self.radius is None:
            self.radius = usual_radius(float(far), middle, self.thresholds)
        self.far_levels = height * FAR
        self.levels = np.union1d(self.thresholds, self.far_levels)
        self._outermost = self.levels[-1] * far / height
        self._inside = self.gauge(self.runs)[0] <= self.radius

    def _step(self, state: State, first_run: int, n_cycles: int = 1) -> None:
        self.chain.advance(state, first_run, n_cycles)
        count = len(state.iterates) * n_cycles * self.chain.cycle
        self.n_steps += count
        self.tick(count)

    def _leave(self, n_each: int) -> tuple[State, NDArray[np.int64]]:
        """States in which excursions begin, and their groups."""
        assert self.radius is not None
        states, groups, group = [], [], np.repeat(np.arange(GROUPS), self._n_runs)
        n_exits = 0
        for _ in range(_LONGEST * n_each):
            self._step(self.runs, 0)
            far, height = self.gauge(self.runs)
            inside = far <= self.radius
            exceeded = np.searchsorted(self.levels, height)
            _count(self._steps, group, exceeded, inside.astype(np.float64))
            leaving = np.flatnonzero(self._inside & ~inside)
            self._inside = inside
            self._run_steps += self._n_runs
            states.append(take(self.runs, leaving))
            groups.append(group[leaving])
            n_exits += leaving.size
            if n_exits >= GROUPS * n_each:
                break
        return joined(states), np.concatenate(groups)

    def _climb(self, exits: State, groups: NDArray[np.int64], n_each: int) -> None:
        """Multiply excursions that begin in these states, until none has anything left to add."""
        assert self.radius is not None
        shape, group = (GROUPS, n_each), np.repeat(np.arange(GROUPS), n_each)
        passed = self._visits[:, -1].sum()
        far, height = self.gauge(exits)
        top = self._see(groups, np.ones(groups.size), height, np.zeros(groups.size, np.int64))
        tilt = self._tilt(far)
        places, weights = np.zeros(shape, np.int64), np.full(shape, -np.inf)
        for row in range(GROUPS):
            own = np.flatnonzero(groups == row)
            if own.size:
                chosen, weights[row] = self._resample(np.zeros(own.size), tilt[own], n_each)
                places[row] = own[chosen]
        climb = math.log1p(self._outermost / self.radius) / (self.drift * self.chain.cycle)
        for _ in range(1000 + int(_PATIENCE * climb)):
            state, top = take(exits, places.ravel()), top[places.ravel()]
            self._step(state, GROUPS * self._n_runs)
            far, height = self.gauge(state)
            weights[~(far > self.radius).reshape(shape)] = -np.inf
            top = self._see(group, np.exp(weights).ravel(), height, top)
            tilt = self._tilt(far).reshape(shape)
            ahead = np.exp(weights + tilt - self._tilt(self._outermost)).sum()
            if ahead <= _NEGLIGIBLE * (self._visits[:, -1].sum() - passed):
                return
            exits, places = state, np.arange(group.size).reshape(shape)
            for row in map(int, np.flatnonzero(_effective(weights + tilt) < _EFFECTIVE * n_each)):
                chosen, weights[row] = self._resample(weights[row], tilt[row], n_each)
                places[row] = places[row, chosen]
        self.reached = False

    def _tilt(self, far: Any) -> Any:
        """log V."""
        with np.errstate(divide="ignore"):
            return self.exponent * np.log(np.minimum(far, self._outermost) / self.radius)

    def _see(
        self, groups: NDArray[np.int64], weights: Real, height: Real, before: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Count weighted states and first passages; the most levels that each has exceeded by now."""
        exceeded = np.searchsorted(self.levels, height)
        top = np.maximum(before, exceeded)
        _count(self._steps, groups, exceeded, weights)
        _count(self._visits, groups, top, weights)
        _count(self._visits, groups, before, -weights)
        return top

    def _resample(self, weights: Real, tilt: Real, count: int) -> tuple[NDArray[np.int64], Real]:
        """Which of a group go on, so many in proportion to weight · V (systematic), and what they weigh."""
        both = weights + tilt
        largest = both.max()
        if largest == -np.inf:
            return np.zeros(count, np.int64), np.full(count, -np.inf)
        heights = np.cumsum(np.exp(both - largest))
        marks = (self.generator.random() + np.arange(count)) * (heights[-1] / count)
        chosen = np.minimum(np.searchsorted(heights, marks, side="right"), both.size - 1)
        return chosen, largest + math.log(heights[-1] / count) - tilt[chosen]


def usual_radius(far: float, middle: float, thresholds: Real) -> float:
    """Of the bounded set: ``WITHIN`` of the steps lie within it, or fewer if a threshold does, but half."""
    return max(min(far, float(thresholds[0])), middle)


def _count(counts: Real, groups: NDArray[np.int64], columns: NDArray[np.int64], weights: Real) -> None:
    """counts[group, column] += weight."""
    n_columns = counts.shape[1]
    counts += np.bincount(groups * n_columns + columns, weights, counts.size).reshape(counts.shape)


def _effective(logs: Real) -> Real:
    """Effective sample size of the weights with these logarithms, a row each; infinite where none is left."""
    largest = logs.max(axis=1, keepdims=True)
    weights = np.exp(logs - np.where(np.isfinite(largest), largest, 0.0))
    squares = np.square(weights).sum(axis=1)
    size = np.full(len(logs), np.inf)
    np.divide(weights.sum(axis=1) ** 2, squares, out=size, where=squares > 0)
    return size
