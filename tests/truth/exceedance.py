"""The stationary law of one-dimensional SGD by its integral equation; imports none of the package."""

import numpy as np


def survival(levels, step_size, noise_std=1.0):
    """P(|X| > t) where X is (1 − η a²) X + η a σ ε in law, with standard normal a and ε.

    S(t) = P(X > t) solves S(t) = E S((t − η a σ ε) / |1 − η a²|), for X is symmetric. Iterated on a
    logarithmic grid, with log S linear in log t between its points and beyond them, and S linear below them,
    where S(0) = ½; Gauss–Legendre in a on
    both sides of the zero of 1 − η a², Gauss–Hermite in ε.
    """
    grid = np.geomspace(1e-2, 30 * max(levels), 300)
    zero = step_size**-0.5
    nodes, weights = np.polynomial.legendre.leggauss(40)
    pieces = [(0, zero / 2), (zero / 2, zero), (zero, 1.5 * zero), (1.5 * zero, 9)]
    a = np.concatenate([low + (high - low) * (1 + nodes) / 2 for low, high in pieces])
    p = np.concatenate([(high - low) / 2 * weights for low, high in pieces])
    p *= np.sqrt(2 / np.pi) * np.exp(-(a**2) / 2)
    eps, q = np.polynomial.hermite_e.hermegauss(12)
    q = q / q.sum()
    moved = grid[:, None, None] - step_size * noise_std * a[:, None] * eps
    moved /= np.abs(1 - step_size * a**2)[:, None]
    share = (p[:, None] * q).ravel() / p.sum()
    length = np.abs(moved)
    place = np.log(np.maximum(length, grid[0]) / grid[0]) / np.log(grid[1] / grid[0])
    left = np.minimum(place.astype(int), grid.size - 2)
    place -= left
    near, inward = length < grid[0], length / grid[0]
    logs = np.log(0.5 / (1 + grid) ** 2.5)
    for _ in range(100):
        beyond = np.exp(logs[left] + place * (logs[left + 1] - logs[left]))
        beyond = np.where(near, 0.5 + inward * (np.exp(logs[0]) - 0.5), beyond)
        there = np.where(moved < 0, 1 - beyond, beyond).reshape(grid.size, -1)
        logs = np.log(there @ share)
    return 2 * np.exp(np.interp(np.log(levels), np.log(grid), logs))
