"""Sums of weighted log spacings, the posterior of a tail index given them, and the inequality of excesses."""

import math
from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from desgd_fast.kernels.jit.arithmetic import wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined, kernel
from desgd_fast.kernels.jit.log_ratio import log_ratio

# Columns of what :func:`weigh_biases` finds.
CENTRE, SPREAD, LOW, HIGH, DEPTH = 0, 1, 2, 3, 4

# Steps towards a quantile: Newton's, or halvings where those would leave the bracket.
MOST_STEPS = 100
CLOSE = 1e-13
ROOT_TWO = math.sqrt(2.0)
ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


class Designs(NamedTuple):
    """Gaussian models of log mean spacings, one for each depth, in the coordinates that make them diagonal.

    Depth d takes the first ``n_bins[d]`` bins. ``masses`` and ``offsets`` (bins,): spacings in a bin, and the
    mean of log(Gamma(mass)/mass). ``rotation`` (depths, bins, bins) whitens and rotates; ``ones`` (depths,
    bins) is what it makes of a constant. For each of the scales of the bias: ``shrinkage`` (depths, scales,
    bins), ``variance`` and ``log_weight`` (depths, scales). ``critical`` (depths,) is the largest misfit.
    """

    n_bins: Integers
    masses: Reals
    offsets: Reals
    rotation: NDArray[np.float64]
    ones: Matrix
    shrinkage: NDArray[np.float64]
    variance: Matrix
    log_weight: Matrix
    critical: Reals


@kernel(parallel=True)
def sum_spacings(top: Matrix, edges: Integers, totals: Matrix) -> None:
    """Σ i·log(X_(i)/X_(i+1)) over edges[j] < i ≤ edges[j+1], of each row.

    By parts, Σ log(X_(i)/X_(b+1)) + a·log(X_(a+1)/X_(b+1)) with (a, b] the bin: positive terms, so that
    nothing cancels. top (rows, width) ascending; totals (rows, bins).
    """
    rows, width = top.shape
    for r in prange(rows):
        wide_vectors()
        for j in range(edges.size - 1):
            above, last = edges[j], edges[j + 1]
            part = top[r, width - last - 1 : width - above]
            threshold = part[0]
            total = above * log_ratio(part[part.size - 1], threshold)
            for i in range(1, part.size):
                total += log_ratio(part[i], threshold)
            totals[r, j] = total


@inlined
def mixture_quantile(
    probability: float, start: float, means: Reals, deviations: Reals, weights: Reals
) -> float:
    """The quantile of a mixture of normal laws: Newton's steps from ``start``, kept in a bracket."""
    low, high = math.inf, -math.inf
    for s in range(means.size):
        low = min(low, means[s] - 10.0 * deviations[s])
        high = max(high, means[s] + 10.0 * deviations[s])
    here = start
    for _ in range(MOST_STEPS):
        below, density = 0.0, 0.0
        for s in range(means.size):
            z = (here - means[s]) / deviations[s]
            below += 0.5 * weights[s] * (1.0 + math.erf(z / ROOT_TWO))
            density += weights[s] * math.exp(-0.5 * z * z) / (deviations[s] * ROOT_TWO_PI)
        if below < probability:
            low = here
        else:
            high = here
        moved = here - (below - probability) / density if density > 0.0 else low
        last = here
        here = moved if low < moved < high else 0.5 * (low + high)
        if abs(here - last) < CLOSE:
            break
    return here


@inlined
def infer_constant(
    values: Reals, depth: int, designs: Designs, rotated: Reals, means: Reals, weights: Reals
) -> float:
    """Posterior means of the constant and weights, one for each scale of the bias; the least bad misfit."""
    n_bins = designs.n_bins[depth]
    for a in range(n_bins):
        total = 0.0
        for b in range(n_bins):
            total += designs.rotation[depth, a, b] * values[b]
        rotated[a] = total
    greatest, misfit = -math.inf, math.inf
    for s in range(means.size):
        cross, square = 0.0, 0.0
        for a in range(n_bins):
            kept = designs.shrinkage[depth, s, a] * rotated[a]
            cross += kept * designs.ones[depth, a]
            square += kept * rotated[a]
        means[s] = designs.variance[depth, s] * cross
        distance = square - means[s] * cross
        weights[s] = designs.log_weight[depth, s] - 0.5 * distance
        if weights[s] > greatest:
            greatest, misfit = weights[s], distance
    total = 0.0
    for s in range(means.size):
        weights[s] = math.exp(weights[s] - greatest)
        total += weights[s]
    for s in range(means.size):
        weights[s] /= total
    return misfit


@kernel(parallel=True)
def weigh_biases(
    totals: Matrix,
    designs: Designs,
    shrink: float,
    agreement: float,
    tail_mass: float,
    found: Matrix,
) -> None:
    """Log extreme value index of each row: posterior median, deviation, quantiles and the depth used.

    The deepest model that fits, and whose posterior mean is within ``agreement`` deviations of that of
    every shallower one, the shallower's deviations; the shallowest where none does. Deviations are
    multiplied by ``shrink``. totals (rows, bins); found (rows, 5), nan where spacings vanish.
    """
    rows = totals.shape[0]
    depths, scales = designs.variance.shape
    for r in prange(rows):
        values, rotated = np.empty(totals.shape[1]), np.empty(totals.shape[1])
        means, weights, deviations = np.empty(scales), np.empty(scales), np.empty(scales)
        centre, spread = np.empty(depths), np.empty(depths)
        sound = 0
        while sound < values.size and totals[r, sound] > 0.0:
            values[sound] = math.log(totals[r, sound] / designs.masses[sound]) - designs.offsets[sound]
            sound += 1
        chosen = -1
        for d in range(depths):
            if designs.n_bins[d] > sound:
                break
            misfit = infer_constant(values, d, designs, rotated, means, weights)
            first, second = 0.0, 0.0
            for s in range(scales):
                first += weights[s] * means[s]
            for s in range(scales):
                second += weights[s] * (designs.variance[d, s] + (means[s] - first) ** 2)
            centre[d], spread[d] = first, math.sqrt(second)
            agrees = misfit <= designs.critical[d]
            for shallower in range(d):
                agrees &= abs(first - centre[shallower]) <= agreement * spread[shallower]
            if agrees or d == 0:
                chosen = d
        found[r, DEPTH] = chosen
        if chosen < 0:
            for column in range(DEPTH):
                found[r, column] = math.nan
            continue
        infer_constant(values, chosen, designs, rotated, means, weights)
        for s in range(scales):
            deviations[s] = shrink * math.sqrt(designs.variance[chosen, s])
        found[r, SPREAD] = shrink * spread[chosen]
        middle = mixture_quantile(0.5, centre[chosen], means, deviations, weights)
        found[r, CENTRE] = middle
        low, high = middle - 2.0 * found[r, SPREAD], middle + 2.0 * found[r, SPREAD]
        found[r, LOW] = mixture_quantile(tail_mass, low, means, deviations, weights)
        found[r, HIGH] = mixture_quantile(1.0 - tail_mass, high, means, deviations, weights)


@kernel(parallel=True)
def measure_inequality(top: Matrix, k: Integers, gini: Reals) -> None:
    """Gini's index of the excesses X_(i) − X_(k+1), i ≤ k, of each row; nan where they vanish.

    Σ_i (2i − k − 1)·e_(i)/((k − 1)·Σ e_i), e ascending. top (rows, width); k, gini (rows,).
    """
    rows, width = top.shape
    for r in prange(rows):
        part = top[r, width - k[r] - 1 :]
        largest = part[k[r]]
        total, weighted = 0.0, 0.0
        for i in range(1, part.size):
            # Over the largest value, so that no sum overflows.
            excess = (part[i] - part[0]) / largest
            total += excess
            weighted += (2.0 * i - k[r] - 1.0) * excess
        gini[r] = weighted / ((k[r] - 1.0) * total) if total > 0.0 else math.nan
