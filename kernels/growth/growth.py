"""How fast random products grow: a population of directions, weighted by a power of their growth.

A particle is a direction with φ = 1 for the quadratic form φ of the exact second moments, E[φ(Me)] =
h(2) φ(e). One step multiplies by a fresh M; y = φ(Me), its log growth is ½ log y, its weight gains the factor
y^{s/2}. As E[y] = h(2) whatever the direction, y/h(2) − 1 is a control variate with mean exactly 0.
Particles live in the lanes of blocks; a particle's number is its run in the counter.
"""

import math

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.random import RESAMPLING, philox_pair, unit
from desgd_fast.kernels.jit.arithmetic import aligned_empty, exp, log, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, inlined, kernel
from desgd_fast.kernels.jit.lanes import LANES, load, spread, store
from desgd_fast.kernels.loops.gram import draw_gram_step, factor_gram, normal_rows, step_gram
from desgd_fast.kernels.loops.steps import (
    ADAPT_FIRST,
    FIRST_STEP,
    N_STEPS,
    finish_nodes,
    nodes_of_group,
    step_group,
    work_space,
)

Graph = tuple[Integers, Integers, Reals]

# Columns of ``sums``: weights W before the step, and with w = y^{s/2}, l = ½ log y, c = y/h(2) − 1
# the sums of W, Ww, Wc, Wlw, Wwc, Wlwc, Wc², (Ww)² and the largest Ww.
WEIGHT, WEIGHTED, CONTROL, SLOPE, WEIGHTED_CONTROL, SLOPE_CONTROL, CONTROL_SQUARED = 0, 1, 2, 3, 4, 5, 6
WEIGHTED_SQUARED, LARGEST = 7, 8
N_SUMS = 9

_TINY = 1e-280


@inlined
def record_growth(form_values: Reals, moment: Reals, weights: Reals, sums: Reals) -> None:
    """Turn φ of every run into its weight and its part in the sums; ``moment`` is (s, h(2))."""
    wide_vectors()
    half, growth = 0.5 * moment[0], moment[1]
    terms = np.empty((N_SUMS, LANES))
    for lane in range(LANES):
        y = max(form_values[lane], _TINY)
        logarithm = log(y)
        w = exp(max(min(half * logarithm, 600.0), -600.0))
        before = weights[lane]
        after = before * w
        control = y / growth - 1.0
        weights[lane] = after
        terms[WEIGHT, lane] = before
        terms[WEIGHTED, lane] = after
        terms[CONTROL, lane] = before * control
        terms[SLOPE, lane] = 0.5 * logarithm * after
        terms[WEIGHTED_CONTROL, lane] = after * control
        terms[SLOPE_CONTROL, lane] = 0.5 * logarithm * after * control
        terms[CONTROL_SQUARED, lane] = before * control * control
        terms[WEIGHTED_SQUARED, lane] = after * after
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
    plan: Integers,
    moment: Reals,
    graph: Graph,
    nodes: Reals,
    chi_parameters: Reals,
    form: Reals,
    population: Reals,
    weights: Reals,
    sums: Reals,
) -> None:
    """Advance population[block, m, i, run] by N_STEPS steps of Gram states; sums[step, block, column].

    ``plan``, ``nodes`` and ``graph`` (compressed rows of W) as in the vector steps, ``chi_parameters`` as in
    the Gram step.
    """
    n_nodes = population.shape[1]
    indptr, indices, mixing = graph
    for block in prange(population.shape[0]):
        wide_vectors()
        state, weight = population[block], weights[block]
        first_run = np.uint64(block * LANES)
        normals = np.empty((normal_rows(n_nodes), LANES))
        chi_squares = np.empty((2 * n_nodes, LANES))
        work = np.empty((2 * n_nodes * n_nodes + 3 * n_nodes, LANES))
        gram = np.empty((n_nodes, n_nodes, LANES))
        values, inverse, units = np.empty(LANES), np.empty(LANES), np.ones(LANES)
        adapt_first = plan[ADAPT_FIRST] != 0
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            draw_gram_step(key, step, first_run, chi_parameters, normals, chi_squares)
            step_gram(
                state, gram, indptr, indices, mixing, nodes, adapt_first, units, normals, chi_squares, work
            )
            form_of_gram(form, gram, values)
            record_growth(values, moment, weight, sums[k, block])
            factor_gram(gram, state, inverse)
            invert_root(values)
            for m in range(n_nodes):
                for i in range(m, n_nodes):
                    row = m * n_nodes + i
                    store(state, row, load(state, row) * load(values, 0))


@kernel(parallel=True)
def grow_vectors(
    key: Words,
    plan: Integers,
    moment: Reals,
    graph: Graph,
    nodes: Reals,
    chi_parameters: Reals,
    scale: Reals,
    forms: Reals,
    population: Reals,
    weights: Reals,
    sums: Reals,
) -> None:
    """:func:`grow_gram` on the coordinates themselves, population[block, node, (coordinate, run)].

    The layout, ``scale`` and ``plan`` are those of the vector steps; ``forms`` has one matrix in all, or one
    for each of the dim coordinates.
    """
    n_nodes, size = population.shape[1], population.shape[2]
    indptr, indices, mixing = graph
    for block in prange(population.shape[0]):
        wide_vectors()
        x, weight = population[block], weights[block]
        first_run = np.uint64(block * LANES)
        y, nothing = aligned_empty(n_nodes, size, population), np.empty((1, 1))
        work, values = work_space(population, plan), np.empty(LANES)
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            for first_node in range(0, n_nodes, nodes_of_group(plan)):
                step_group(
                    first_node,
                    x,
                    y,
                    indptr,
                    indices,
                    mixing,
                    nodes,
                    chi_parameters,
                    scale,
                    key,
                    step,
                    plan,
                    first_run,
                    work,
                )
            finish_nodes(0, n_nodes, x, y, indptr, indices, mixing, step, plan, nothing)
            form_of_vectors(forms, y, values)
            record_growth(values, moment, weight, sums[k, block])
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
