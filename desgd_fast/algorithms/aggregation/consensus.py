"""Consensus-based optimisation: particles that know values of an objective, and no gradients."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

from desgd_fast.algorithms.algorithm import Algorithm, Part
from desgd_fast.algorithms.compression.memory import compilable
from desgd_fast.common import check
from desgd_fast.kernels.jit.compile import Matrix, Reals, inlined


@inlined
def _stay(
    direction: Reals, iterate: Reals, memory: Matrix, normals: Reals, uniforms: Reals, parameters: Reals
) -> None:
    for t in range(direction.size):
        direction[t] = 0.0


@cache
def _drawn_together(objective: Callable[..., Any]) -> Callable[..., Any]:
    value_at = compilable(objective)

    @inlined
    def drift_and_spread(
        out: Reals, received: Matrix, weights: Reals, own: int, normals: Reals, parameters: Reals
    ) -> None:
        drift, noise, sharpness, isotropic = parameters[0], parameters[1], parameters[2], parameters[3] > 0
        count, least, total = received.shape[0], math.inf, 0.0
        for i in range(count):
            least = min(least, value_at(received[i]))
        for t in range(out.size):
            out[t] = 0.0
        for i in range(count):
            # Of the best 1, so that none overflows and not all vanish.
            share = weights[i] * math.exp(-sharpness * (value_at(received[i]) - least))
            total += share
            for t in range(out.size):
                out[t] += share * received[i, t]
        length = 0.0
        for t in range(out.size):
            out[t] /= total
            length += (received[own, t] - out[t]) ** 2
        for t in range(out.size):
            apart = received[own, t] - out[t]
            size = math.sqrt(length) if isotropic else apart
            # Without a weight of its own a node does not know where it stands.
            out[t] = math.nan if own < 0 else received[own, t] - drift * apart + noise * size * normals[t]

    return drift_and_spread


def consensus_based(
    objective: Callable[..., Any],
    *,
    drift: float = 0.1,
    noise: float = 0.4,
    sharpness: float = 30.0,
    isotropic: bool = False,
) -> Algorithm:
    """Consensus-based optimisation: x_i ← x_i − λ (x_i − m) + σ |x_i − m| z_i, m a mean of the best.

    m = Σ_j x_j exp(−β f(x_j)) / Σ_j exp(−β f(x_j)), z_i standard normal. Every node is a particle, and no
    gradient is used: Pinnau, Totzeck, Tse & Martin (Math. Models Methods Appl. Sci. 2017), where |·| is the
    Euclidean length, and Carrillo, Jin, Li & Zhu (ESAIM: COCV 2021), where it is that of every coordinate.
    Under W = J/N as published; under another W a node sees its neighbours, weighted with W, and W must give
    it a weight of its own. The problem counts for its dimension, and for the optimum from which distances
    are taken.

    Parameters
    ----------
    objective : callable
        f: an array (dim,) ↦ a number; a Python function that compiles, or one under ``@numba.njit``.
    drift : float
        λ, in (0, 1]: the published rate times the time step.
    noise : float
        σ: the published one times the root of the time step.
    sharpness : float
        β > 0: the larger, the nearer is m to the best particle.
    isotropic : bool
        Whether the noise is as long in every direction, as first published.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Examples
    --------
    >>> import numba, numpy as np, desgd_fast as dsf
    >>> @numba.njit
    ... def rastrigin(x):
    ...     return np.sum(x**2 + 10 * (1 - np.cos(2 * np.pi * x)))
    >>> runs = dsf.simulate(
    ...     dsf.GaussianRegression(dim=2),
    ...     np.full((50, 50), 0.02),
    ...     step_size=1.0,
    ...     batch_size=1,
    ...     n_steps=300,
    ...     n_runs=1,
    ...     initial=np.random.default_rng(0).uniform(-3, 3, (50, 2)),
    ...     algorithm=dsf.algorithms.consensus_based(rastrigin),
    ...     rng=0,
    ... )
    >>> bool(np.abs(runs.final).max() < 0.01)
    True
    """
    check.compilable("objective", objective)
    drift = check.number("drift", drift, "a number in (0, 1]", lambda value: 0 < value <= 1)
    numbers = drift, check.non_negative_number("noise", noise), check.positive_number("sharpness", sharpness)
    part = Part(
        "consensus_based",
        _drawn_together(objective),
        (*numbers, float(check.flag("isotropic", isotropic))),
        normals="dim",
        degree="unknown",
        equivariant=False,
    )
    return Algorithm((Part("stay", _stay),), aggregation=part)
