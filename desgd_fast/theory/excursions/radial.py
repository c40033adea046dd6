"""Excursions of one node with isotropic features: its distance from x* is a Markov chain of one dimension.

With c = η s² λ / b, σ the noise in units of s√λ, independent X ~ χ²(b), Y ~ χ²(d−1) and a standard normal N,

    r'² = ((1 − cX) r − cσ√X N)² + c² (r² + σ²) X Y.

So {r' > t} is what lies beyond one root of a quadratic and below another, and S(t) = P(r > t) solves a linear
integral equation, on a logarithmic grid for S(t)(1 + t/σ)^alpha, which is smooth and ends in the constant,
with alpha 8 at most: of a lighter tail the grids are coarse, and the error that they tell grows.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from desgd_fast.experiment import Experiment
from desgd_fast.problems.protocols import ClosedLaw
from desgd_fast.theory.closed.one_node import chi_rule
from desgd_fast.theory.excursions.splitting import WITHIN, usual_radius

Real = NDArray[np.float64]

# The grid begins at so small a part of σ, and ends so far beyond the last threshold.
_NEAREST, _BEYOND = 1e-3, 100.0
# Distance of grid points where decay is slow, points of the averages over √X and √Y on a panel, and of that
# over N in one dimension; finer and coarser, to see the error.
_FINE, _COARSE = (0.07, 12, 20), (0.1, 10, 16)
# So far before its end the constant is read off.
_WELL_WITHIN = 3.0
# A decay up to this is slow.
_SLOW = 4.0
# Panels graded towards a zero of 1 − cX.
_LEVELS = 3
# Products of points that carry less of both mass and moment than this are left out.
_NEGLIGIBLE = 1e-9
# Logarithms: of how far a grid reaches, and of numbers that may be multiplied by each other.
_FARTHEST, _MOST_LOG = 100.0, 300.0
# The fastest decay that the grid is made for.
_MOST_ALPHA = 8.0


@dataclass(frozen=True)
class Law:
    """One node of ``dim`` coordinates: minibatch, c, σ, and a decay: the tail index, or what it exceeds.

    Beyond the grid S falls as t^−decay. Where it falls faster, what comes back from there is a constant of
    the size of S at its end, 100 times farther out than the last level.
    """

    dim: int
    batch_size: int
    contraction: float
    noise: float
    decay: float

    @classmethod
    def of(cls, problem: object, experiment: Experiment, alpha: float, last: float) -> "Law | None":
        """Of an experiment of this kind; None for any other, or where S(last) is beyond a grid."""
        if not (isinstance(problem, ClosedLaw) and experiment.plain and experiment.n_nodes == 1):
            return None
        eigenvalues, (feature_std, noise_std) = problem.eigenvalues, problem.stds(1)
        if np.ptp(eigenvalues):
            return None
        unit, batch_size = float(feature_std[0]) * math.sqrt(eigenvalues[0]), int(experiment.batch_sizes[0])
        step_size = float(experiment.step_sizes[0, 0, 0])
        noise, decay = float(noise_std[0]) / unit, min(alpha, _MOST_ALPHA)
        reach = math.log(_BEYOND * max(last / noise, 1.0)) if noise else math.inf
        if reach > _FARTHEST or decay * reach > _MOST_LOG:
            return None
        return cls(problem.dim, batch_size, step_size * unit**2 / batch_size, noise, decay)


@dataclass(frozen=True, eq=False)
class Radial:
    """The chain of distances on a grid through ``anchor`` that reaches beyond ``last``."""

    law: Law
    anchor: float
    last: float
    precision: tuple[float, int, int] = _FINE

    @cached_property
    def grid(self) -> Real:
        """Points at equal distances of their logarithms."""
        step, noise = self._step, self.law.noise
        low = math.floor(math.log(_NEAREST * noise / self.anchor) / step)
        high = math.ceil(math.log(_BEYOND * max(self.last, noise) / self.anchor) / step)
        return np.asarray(self.anchor * np.exp(step * np.arange(low, high + 1)))

    @property
    def _step(self) -> float:
        return self.precision[0] * min(1.0, _SLOW / self.law.decay)

    @cached_property
    def survival(self) -> Real:
        """P(r > t) at the grid points."""
        matrix, _, whole = self._operators
        return np.asarray(np.linalg.solve(np.eye(self.grid.size) - matrix, whole), np.float64)

    def probability(self, levels: Real) -> Real:
        """P(r > t) at these levels."""
        first = self.grid[0]
        near = 1 - (1 - self.survival[0]) * (np.minimum(levels / first, 1.0)) ** self.law.dim
        return np.where(levels < first, near, self._between(self.survival, np.maximum(levels, first)))

    def constant(self, alpha: float) -> float:
        """C of P(r > t) ~ C t^−alpha, read off well within the grid."""
        place = self.grid.size - 1 - math.ceil(math.log(_WELL_WITHIN) / self._step)
        return float(self.survival[place] * self.grid[place] ** alpha)

    def rate(self, levels: Real, radius: int) -> Real:
        """Of excursions beyond these levels per step; they leave and end within grid point ``radius``."""
        _, matrix, whole = self._operators
        inside = np.maximum(self.survival - self.survival[radius], 0.0)
        leaving = matrix @ inside + whole * (1 - self.survival[radius])
        wanted, _ = self._places(levels, 4)
        passing = np.full(self.grid.size, np.nan)
        for place in np.unique(wanted[:, None] + np.arange(4)):
            passing[place] = self._passing(matrix, whole, leaving, radius, int(place))
        return self._between(passing, levels)

    def _passing(self, matrix: Real, whole: Real, leaving: Real, radius: int, top: int) -> float:
        """Rate at which excursions pass grid point ``top`` for the first time.

        ν, the mean number of steps of one step's excursions above each point before they pass, solves
        ν = (leaving + K ν) − the same at ``top``; below the radius it is what it is there.
        """
        if top <= radius:
            return float(leaving[radius])
        held = matrix[:, :top].copy()
        held[:, radius] += held[:, :radius].sum(axis=1) + whole
        held = held[:, radius:]
        own, last = held[radius:top], held[top]
        steps = np.linalg.solve(np.eye(top - radius) - own + last, leaving[radius:top] - leaving[top])
        return float(leaving[top] + last @ steps)

    @cached_property
    def _points(self) -> tuple[Real, Real, Real, Real]:
        """1 − cX, cσ√X N, c²XY and their probabilities, at the products of quadrature points."""
        law, (_, n_panel, n_normal) = self.law, self.precision
        n_normal = n_normal if law.dim == 1 else n_normal // 2
        c, half = law.contraction, law.decay / 2
        t, of_t = chi_rule(law.batch_size, 2 * law.decay, 1 / math.sqrt(c), _LEVELS, n_panel)
        u, of_u = np.zeros(1), np.ones(1)
        if law.dim > 1:
            levels = _LEVELS if law.dim <= 3 else 1
            u, of_u = chi_rule(law.dim - 1, law.decay, 0.0 if law.dim <= 40 else None, levels, n_panel)
        normal, of_normal = np.polynomial.hermite_e.hermegauss(n_normal)
        t, u = t[:, None, None], u[:, None]
        along, pushed, across = 1 - c * t**2, c * law.noise * t * normal, (c * t * u) ** 2
        share = of_t[:, None, None] * of_u[:, None] * (of_normal / of_normal.sum())
        size = share * np.maximum(along**2 + across, 1.0) ** half
        kept = size > _NEGLIGIBLE * size.sum()
        fields = (np.broadcast_to(field, share.shape)[kept] for field in (along, pushed, across, share))
        along, pushed, across, share = fields
        return along, pushed, across, share / share.sum()

    @cached_property
    def _operators(self) -> tuple[Real, Real, Real]:
        """K and k: a measure that has M(r) above r and m in all has K M + m k above the points a step later.

        Between grid points M(t)(1 + t/σ)^decay is a cubic through four of them, and in a second K, for
        measures that end within the grid, a straight line through two.
        """
        along, pushed, across, share = self._points
        noise, size = self.law.noise, self.grid.size
        cubic, straight, whole = np.zeros((size, size)), np.zeros((size, size)), np.zeros(size)
        square = along**2 + across
        centre = along * pushed / square
        for i, level in enumerate(self.grid):
            # square · r² − 2 · along · pushed · r + pushed² + across · σ² > level²
            width = centre**2 - (pushed**2 + across * noise**2 - level**2) / square
            root = np.sqrt(np.maximum(width, 0.0))
            above = (width > 0) & (centre + root > 0)  # else every r' exceeds the level
            below = above & (centre - root > 0)
            whole[i] = share[~above].sum() + share[below].sum()
            radii = np.concatenate([(centre + root)[above], (centre - root)[below]])
            shares = np.concatenate([share[above], -share[below]])
            whole[i] += self._add(radii, shares, ((cubic[i], 4), (straight[i], 2)))
        return cubic, straight, whole

    def _add(self, radii: Real, shares: Real, rows: tuple[tuple[Real, int], ...]) -> float:
        """Add Σ share · M(radius) to rows, each by its order; what it has of the whole measure."""
        grid = self.grid
        near, far = radii < grid[0], radii > grid[-1]
        # Below the grid the density of r goes as r^(d−1), beyond it S as r^−decay.
        filled = (radii[near] / grid[0]) ** self.law.dim
        ends = shares[near] @ filled, shares[far] @ (self._weight(grid[-1]) / self._weight(radii[far]))
        inner = ~(near | far)
        smooth = shares[inner] / self._weight(radii[inner])
        for row, order in rows:
            left, weights = self._places(radii[inner], order)
            for k, weight in enumerate(weights):
                row += np.bincount(left + k, smooth * weight, grid.size) * self._weight(grid)
            row[0] += ends[0]
            row[-1] += ends[1]
        return float(shares[near] @ (1 - filled))

    def _weight(self, radii: Real) -> Real:
        return np.asarray((1 + radii / self.law.noise) ** self.law.decay)

    def _places(self, radii: Real, order: int) -> tuple[NDArray[np.int64], list[Real]]:
        """The first of ``order`` grid points around each radius, and Lagrange's weights of all of them."""
        place = np.log(radii / self.grid[0]) / self._step
        left = np.clip(np.floor(place).astype(np.int64) - (order // 2 - 1), 0, self.grid.size - order)
        x = place - left
        points = range(order)
        return left, [
            np.prod([(x - other) / (point - other) for other in points if other != point], axis=0)
            for point in points
        ]

    def _between(self, values: Real, levels: Real) -> Real:
        """A function of the grid points at these levels."""
        left, weights = self._places(levels, 4)
        smooth = values * self._weight(self.grid)
        sums = sum(smooth[left + k] * weight for k, weight in enumerate(weights))
        return np.asarray(sums / self._weight(levels))


@dataclass(frozen=True, eq=False)
class Excursions:
    """P(r > t), the rate of excursions beyond t per step, the constant, and the radius that they leave."""

    probability: Real
    rate: Real
    constant: float
    radius: float


def excursions(
    law: Law, thresholds: Real, radius: float | None, alpha: float
) -> tuple[Excursions, Excursions]:
    """What a fine and a coarse grid say; the constant is that of t^−alpha."""
    fine = _excursions(law, thresholds, radius, alpha, _FINE)
    return fine, _excursions(law, thresholds, fine.radius, alpha, _COARSE)


def _excursions(
    law: Law, thresholds: Real, radius: float | None, alpha: float, precision: tuple[float, int, int]
) -> Excursions:
    chain = Radial(law, radius or law.noise, thresholds[-1], precision)
    if radius is None:
        logs = np.interp([1 - WITHIN, 0.5], chain.survival[::-1], np.log(chain.grid[::-1]))
        far, middle = np.exp(logs).tolist()
        radius = usual_radius(far, middle, thresholds)
    place = int(np.argmin(np.abs(np.log(chain.grid / radius))))
    rate, beyond = np.full(thresholds.size, np.nan), thresholds >= chain.grid[place]
    rate[beyond] = chain.rate(thresholds[beyond], place)
    return Excursions(chain.probability(thresholds), rate, chain.constant(alpha), float(chain.grid[place]))
