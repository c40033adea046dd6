"""Laws of sums of independent heavy-tailed values, by convolution on a grid of log x."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Log x where densities are kept, and the nodes of an integral over log y; what a log density is at least.
GRID = np.linspace(-8.0, 26.0, 341)
NODES = 200
LEAST = -600.0


def added(log_density: Callable[[Array], Array], doublings: int, symmetric: bool) -> Array:
    """Log density at exp(GRID) of the sum of 2**doublings values, positive ones or symmetric about 0."""
    at = log_density(np.exp(GRID))
    for _ in range(doublings):
        at = _doubled(np.maximum(at, LEAST), symmetric)
    return at


def _doubled(log_density: Array, symmetric: bool) -> Array:
    """Of X + Y, twice ∫ f(x − y)·f(y) dy over y ≤ x/2, that is from −∞ or from 0."""
    slope = (log_density[-1] - log_density[-2]) / (GRID[-1] - GRID[-2])

    def f(x: Array) -> Array:
        log_x = np.log(x)
        beyond = slope * np.maximum(log_x - GRID[-1], 0.0)
        return np.asarray(np.exp(np.interp(log_x, GRID, log_density) + beyond))

    x = np.exp(GRID)[:, np.newaxis]
    total = np.zeros(GRID.size)
    far = np.broadcast_to(GRID[-1], GRID.shape)
    for sign, last in ((-1, GRID - np.log(2)), (1, far))[: 1 + symmetric]:
        log_y = np.linspace(np.full(GRID.size, GRID[0] - 2), last, NODES, axis=1)
        y = np.exp(log_y)
        total += np.trapezoid(f(x + sign * y) * f(y) * y, log_y, axis=1)
        # What lies below the first node, where f(y) is level.
        total += np.exp(log_density + GRID[0] - 2) * f(y[:, 0])
    return np.asarray(np.log(2 * np.maximum(total, np.exp(LEAST))))


def bias(u: Array, log_density: Array, alpha: float) -> Array:
    """Log(alpha/a) at P(X > x) = u, by sums over the grid and a power beyond it."""
    mass = np.exp(log_density + GRID)
    parts = np.diff(GRID) * (mass[1:] + mass[:-1]) / 2
    beyond = np.cumsum(np.append(parts, mass[-1] / alpha)[::-1])[::-1]
    survival = beyond / (beyond[0] + mass[0])
    return np.asarray(np.interp(-np.log(u), -np.log(survival), np.log(alpha * beyond / mass)))
