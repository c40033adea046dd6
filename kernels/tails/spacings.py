"""Sums of weighted log spacings, the posterior of a tail index given them, and the inequality of excesses."""

import math
from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from desgd_fast.kernels.jit.arithmetic import exp, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, inlined, kernel
from desgd_fast.kernels.jit.log_ratio import log_ratio

# Columns of what :func:`weigh_biases` finds.
CENTRE, SPREAD, DEPTH = 0, 1, 2

Cube = NDArray[np.float64]


class Designs(NamedTuple):
    """Gaussian models of log mean spacings, one for each depth, in the coordinates that make them diagonal.

    Depth d takes the first ``n_bins[d]`` bins. ``masses`` and ``offsets`` (bins,): spacings in a bin, and the
    mean of log(Gamma(mass)/mass). ``rotation`` (depths, bins, bins) whitens and rotates; ``ones`` (depths,
    bins) is what it makes of a constant, ``shapes`` (depths, bins, shapes) of the biases of known laws. For
    each of the scales of what is left of the bias: ``log_share`` (scales, shapes), the prior; ``shrinkage``
    (depths, scales, bins), ``variance`` and ``log_weight`` (depths, scales); and of each shape the constant
    that fits it best, ``shape_means``, and the squared distance that leaves, ``shape_squares`` (depths,
    scales, shapes). ``critical`` (depths,) is the largest misfit.
    """

    n_bins: Integers
    masses: Reals
    offsets: Reals
    rotation: Cube
    ones: Matrix
    shapes: Cube
    log_share: Matrix
    shrinkage: Cube
    variance: Matrix
    log_weight: Matrix
    shape_means: Cube
    shape_squares: Cube
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
def weigh_models(
    rotated: Reals, depth: int, designs: Designs, means: Matrix, weights: Matrix, product: Reals
) -> float:
    """Posterior means of the constant and log weights, (scales, shapes); the misfit of the weightiest.

    The squared distance of data y and shape f, y'Py − 2·y'Pf + f'Pf, P the precision less the constant's.
    """
    bins = designs.n_bins[depth]
    greatest, misfit = -math.inf, math.inf
    for s in range(means.shape[0]):
        variance, cross = designs.variance[depth, s], 0.0
        for a in range(bins):
            cross += designs.shrinkage[depth, s, a] * designs.ones[depth, a] * rotated[a]
        square = 0.0
        product[:] = 0.0
        for a in range(bins):
            rest = rotated[a] - variance * cross * designs.ones[depth, a]
            rest *= designs.shrinkage[depth, s, a]
            square += rest * rotated[a]
            shapes = designs.shapes[depth, a]
            for j in range(product.size):
                product[j] += rest * shapes[j]
        for j in range(product.size):
            distance = square - 2.0 * product[j] + designs.shape_squares[depth, s, j]
            means[s, j] = variance * cross - designs.shape_means[depth, s, j]
            weights[s, j] = designs.log_weight[depth, s] + designs.log_share[s, j] - 0.5 * distance
            if weights[s, j] > greatest:
                greatest, misfit = weights[s, j], distance
    for s in range(means.shape[0]):
        for j in range(product.size):
            weights[s, j] = exp(weights[s, j] - greatest)
    return misfit


@kernel(parallel=True)
def weigh_biases(totals: Matrix, designs: Designs, agreement: float, found: Matrix) -> None:
    """Log extreme value index of each row: posterior mean and deviation, and the depth used.

    The deepest model that fits, and whose posterior mean is within ``agreement`` deviations of that of
    every shallower one, the shallower's deviations; the shallowest where none does.
    totals (rows, bins); found (rows, 3), nan where spacings vanish.
    """
    rows, bins = totals.shape
    depths, scales = designs.variance.shape
    shapes = designs.log_share.shape[1]
    for r in prange(rows):
        wide_vectors()
        values, rotated, product = np.empty(bins), np.empty(bins), np.empty(shapes)
        means, weights = np.empty((scales, shapes)), np.empty((scales, shapes))
        centre, spread = np.empty(depths), np.empty(depths)
        sound = 0
        while sound < bins and totals[r, sound] > 0.0:
            values[sound] = math.log(totals[r, sound] / designs.masses[sound]) - designs.offsets[sound]
            sound += 1
        chosen = -1
        for d in range(depths):
            if designs.n_bins[d] > sound:
                break
            for a in range(designs.n_bins[d]):
                rotated[a] = 0.0
                for b in range(designs.n_bins[d]):
                    rotated[a] += designs.rotation[d, a, b] * values[b]
            misfit = weigh_models(rotated, d, designs, means, weights, product)
            total, first, second = 0.0, 0.0, 0.0
            for s in range(scales):
                for j in range(shapes):
                    total += weights[s, j]
                    first += weights[s, j] * means[s, j]
            first /= total
            for s in range(scales):
                for j in range(shapes):
                    second += weights[s, j] * (designs.variance[d, s] + (means[s, j] - first) ** 2)
            centre[d], spread[d] = first, math.sqrt(second / total)
            agrees = misfit <= designs.critical[d]
            for shallower in range(d):
                agrees &= abs(first - centre[shallower]) <= agreement * spread[shallower]
            if agrees or d == 0:
                chosen = d
        found[r, DEPTH] = chosen
        found[r, CENTRE] = centre[chosen] if chosen >= 0 else math.nan
        found[r, SPREAD] = spread[chosen] if chosen >= 0 else math.nan


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
