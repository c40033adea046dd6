"""How fast random products grow: a population of directions, weighted by a power of their growth.

A particle is a direction with φ = 1 for the quadratic form φ of the exact second moments, E[φ(Me)] =
h(2) φ(e). One step multiplies by a fresh M; y = φ(Me), its log growth is ½ log y, its weight gains the factor
(y/h(2))^{s/2}. As E[y] = h(2) whatever the direction, y/h(2) − 1 is a control variate with mean exactly 0.
Particles live in the lanes of blocks; a particle's number is its run in the counter.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.normals import Counter
from desgd_fast.kernels.draw.random import RESAMPLING, philox_pair, unit
from desgd_fast.kernels.jit.arithmetic import aligned_empty, exp, log, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, inlined, kernel
from desgd_fast.kernels.jit.lanes import LANES, load, spread, store
from desgd_fast.kernels.loops.gram import (
    GramSteps,
    draw_gram_step,
    factor_gram,
    reserve_draws,
    reserve_gram,
    step_gram,
)
from desgd_fast.kernels.loops.steps import (
    Combination,
    GaussianSteps,
    Shape,
    Span,
    finish_nodes,
    nodes_of_group,
    step_group,
    vectors_of,
    work_space,
)


class Walk(NamedTuple):
    """The moment's order s, h(2), and the quadratic form or forms φ."""

    order: float
    growth: float
    forms: Reals


class Particles(NamedTuple):
    """A population in blocks of LANES: states, weights, and how far each has grown along its whole past."""

    states: Reals
    weights: Reals
    grown: Reals


# Columns of ``sums``: weights W and growth L before the step, and with w = (y/h(2))^{s/2}, l = ½ log y,
# c = y/h(2) − 1 the sums of W, Ww, Wc, W(L + l)w, Wwc, Wlwc, Wc², (Ww)², WL and the largest Ww.
WEIGHT, WEIGHTED, CONTROL, SLOPE, WEIGHTED_CONTROL, SLOPE_CONTROL, CONTROL_SQUARED = 0, 1, 2, 3, 4, 5, 6
WEIGHTED_SQUARED, PAST, LARGEST = 7, 8, 9
N_SUMS = 10

_TINY = 1e-280


@inlined
def record_growth(form_values: Reals, walk: Walk, weights: Reals, grown: Reals, sums: Reals) -> None:
    """Turn φ of every run into its weight and its part in the sums."""
    wide_vectors()
    half, growth = 0.5 * walk.order, walk.growth
    reference = log(growth)
    terms = np.empty((N_SUMS, LANES))
    for lane in range(LANES):
        y = max(form_values[lane], _TINY)
        logarithm = log(y)
        w = exp(max(min(half * (logarithm - reference), 600.0), -600.0))
        before = weights[lane]
        after = before * w
        control = y / growth - 1.0
        past = grown[lane]
        weights[lane] = after
        grown[lane] = past + 0.5 * logarithm
        terms[WEIGHT, lane] = before
        terms[WEIGHTED, lane] = after
        terms[CONTROL, lane] = before * control
        terms[SLOPE, lane] = grown[lane] * after
        terms[WEIGHTED_CONTROL, lane] = after * control
        terms[SLOPE_CONTROL, lane] = 0.5 * logarithm * after * control
        terms[CONTROL_SQUARED, lane] = before * control * control
        terms[WEIGHTED_SQUARED, lane] = after * after
        terms[PAST, lane] = before * past
        terms[LARGEST, lane] = after
    for k in range(LARGEST):
        total = 0.0
        for lane in range(LANES):
            total += terms[k, lane]
        sums[k] = total
    largest = 0.0
    for lane in range(LANES):
        largest = max(largest, terms[LARGEST, lane])
    sums[LARGEST] = largest


@inlined
def form_of_gram(form: Reals, gram: Reals, values: Reals) -> None:
    """Into values: Σ_{i≥j} form_ij gram_ij, run by run; form has its off-diagonal entries doubled."""
    wide_vectors()
    n_nodes = form.shape[0]
    total = spread(0.0)
    for i in range(n_nodes):
        for j in range(i + 1):
            total = multiply_add(form[i, j], load(gram, i * n_nodes + j), total)
    store(values, 0, total)


@inlined
def form_of_vectors(forms: Reals, x: Reals, values: Reals) -> None:
    """Into values: Σ_c Σ_{i≥j} form_ij x_ic x_jc, run by run; one form for all coordinates c or one each."""
    wide_vectors()
    n_nodes = forms.shape[1]
    dim = x.shape[1] // LANES
    total = spread(0.0)
    for c in range(dim):
        which = c if forms.shape[0] > 1 else 0
        for i in range(n_nodes):
            part = spread(0.0)
            for j in range(i + 1):
                part = multiply_add(forms[which, i, j], load(x, j * dim + c), part)
            total = multiply_add(part, load(x, i * dim + c), total)
    store(values, 0, total)


@inlined
def invert_root(values: Reals) -> None:
    """Values to the power −½: what brings a particle back to φ = 1."""
    for lane in range(LANES):
        values[lane] = 1.0 / math.sqrt(max(values[lane], _TINY))


@kernel(parallel=True)
def grow_gram(
    key: Words,
    walk: Walk,
    combination: Combination,
    steps: GramSteps,
    span: Span,
    particles: Particles,
    sums: Reals,
) -> None:
    """Advance states[block, m, i, run] by steps of Gram states; sums[step, block, column]."""
    n_nodes = particles.states.shape[1]
    for block in prange(particles.states.shape[0]):
        wide_vectors()
        state, weight, grown = particles.states[block], particles.weights[block], particles.grown[block]
        first_run = np.uint64(block * LANES)
        draws, room = reserve_draws(n_nodes, first_run, state), reserve_gram(n_nodes)
        values = np.empty(LANES)
        for k in range(span.n_steps):
            step = np.uint64(span.first_step + k)
            draw_gram_step(Counter(key, step, first_run), steps.chi, draws)
            step_gram(state, combination, steps, step, draws, room)
            form_of_gram(walk.forms, room.gram, values)
            record_growth(values, walk, weight, grown, sums[k, block])
            factor_gram(room.gram, state, room.inverse)
            invert_root(values)
            for m in range(n_nodes):
                for i in range(m, n_nodes):
                    row = m * n_nodes + i
                    store(state, row, load(state, row) * load(values, 0))


@kernel(parallel=True)
def grow_vectors(
    key: Words,
    walk: Walk,
    combination: Combination,
    steps: GaussianSteps,
    shape: Shape,
    span: Span,
    particles: Particles,
    sums: Reals,
) -> None:
    """:func:`grow_gram` on the coordinates themselves, states[block, node, (coordinate, run)].

    ``walk.forms`` has one matrix in all, or one for each of the dim coordinates.
    """
    n_nodes, size = particles.states.shape[1], particles.states.shape[2]
    for block in prange(particles.states.shape[0]):
        wide_vectors()
        x, weight, grown = particles.states[block], particles.weights[block], particles.grown[block]
        first_run = np.uint64(block * LANES)
        y, nothing = aligned_empty(n_nodes, size, x), np.empty((1, 1))
        work = work_space(vectors_of(steps, shape, first_run, x), steps.direct, shape, x)
        values = np.empty(LANES)
        for k in range(span.n_steps):
            counter = Counter(key, np.uint64(span.first_step + k), first_run)
            for first_node in range(0, n_nodes, nodes_of_group(shape)):
                step_group(first_node, x, y, combination, steps, counter, shape, work)
            finish_nodes(0, n_nodes, x, y, combination, False, nothing)
            form_of_vectors(walk.forms, y, values)
            record_growth(values, walk, weight, grown, sums[k, block])
            invert_root(values)
            for row in range(n_nodes * size // LANES):
                store(x, row, load(y, row) * load(values, 0))


@kernel()
def plan_copies(key: Words, step: Word, weights: Reals, source: Integers, target: Integers) -> int:
    """Systematic resampling: which particle overwrites which, in source and target; returns how many.

    Every particle keeps its place where its weight lets it live. Sets the weights to 1.
    """
    n = weights.size
    zero = np.uint64(0)
    word, _ = philox_pair(RESAMPLING, step, zero, zero, key[0], key[1])
    total = 0.0
    for p in range(n):
        total += weights[p]
    scale = n / total
    offset = 1.0 - unit(word)
    cumulative = 0.0
    before = 0
    n_sources = 0
    n_targets = 0
    for p in range(n):
        cumulative += weights[p]
        after = math.floor(cumulative * scale + offset) if p < n - 1 else n
        copies = after - before
        before = after
        for _ in range(copies - 1):
            source[n_sources] = p
            n_sources += 1
        if copies == 0:
            target[n_targets] = p
            n_targets += 1
        weights[p] = 1.0
    return min(n_sources, n_targets)


@kernel(parallel=True)
def copy_particles(population: Reals, source: Integers, target: Integers, n_copies: int) -> None:
    """Overwrite particle target[k] by source[k] in population[block, row, lane]; the two never overlap."""
    lanes = population.shape[2]
    for k in prange(n_copies):
        old, new = source[k], target[k]
        for row in range(population.shape[1]):
            population[new // lanes, row, new % lanes] = population[old // lanes, row, old % lanes]
