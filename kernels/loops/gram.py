"""Inner products only: with isotropic features the Gram matrix of the deviations is itself a Markov chain.

LANES runs side by side, run innermost. ``state[m, i, run]`` is L_im, the m-th coordinate of node i in a
basis that the nodes span one after the other, so that L is lower triangular and Gram = L Lᵀ. The cost does
not depend on the dimension d, which must be at least 2N.

Rows of LANES numbers are addressed by their position in an array, since a slice costs two atomic counts.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.normals import Counter, Vectors, arrange_vectors, fill_vectors
from desgd_fast.kernels.draw.random import (
    BARTLETT_CHI_SQUARE,
    BARTLETT_NORMALS,
    CHI_SQUARE,
    FEATURES,
    fill_chi_square,
)
from desgd_fast.kernels.jit.arithmetic import borrow, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, Word, Words, inlined, kernel
from desgd_fast.kernels.jit.lanes import LANES, load, spread, store
from desgd_fast.kernels.loops.steps import Combination, Span

SHIFT = np.uint64(4)

# A pivot below this fraction of its diagonal entry is rounding error: the node adds no direction of its own.
_RANK_TOLERANCE = 1e-14

# Squared sizes beyond which a run changes its unit.
_SMALLEST, _LARGEST = 2.0**-300, 2.0**300


class GramSteps(NamedTuple):
    """Step sizes times the features' variance [step, node], in one row if constant, and every node's law.

    Column i·LANES + lane of ``chi`` holds the (shape, scale, boost) of the chi-square in row i of a step's.
    """

    step_sizes: Matrix
    feature_stds: Reals
    noise_stds: Reals
    batch_sizes: Integers
    chi: Matrix


class GramDraws(NamedTuple):
    """All variates of one step, rows of LANES runs.

    ``normals`` holds Z in N columns of N, then from row ``bartlett`` on the strict lower triangle of the
    Bartlett factor T. The first N chi-squares are those of the minibatches, the others the squared diagonal
    of T, with d − N − i degrees of freedom for node i.
    """

    inside: Vectors
    outside: Vectors
    bartlett: int
    normals: Reals
    chi_squares: Reals


class GramWork(NamedTuple):
    """Room for a step: the next Gram matrix, 2N columns and 3N rows of scratch, the unit of every run."""

    gram: Reals
    columns: Reals
    inverse: Reals
    units: Reals


@inlined
def reserve_gram(n_nodes: int) -> GramWork:
    """Room for a step of so many nodes, every run in units of one."""
    return GramWork(
        np.empty((n_nodes, n_nodes, LANES)),
        np.empty((2 * n_nodes * n_nodes + 3 * n_nodes, LANES)),
        np.empty(LANES),
        np.ones(LANES),
    )


@inlined
def reserve_draws(n_nodes: int, first_run: Word, like: Reals) -> GramDraws:
    """Room for the variates of one step of these runs."""
    inside = arrange_vectors(1, n_nodes * n_nodes, LANES, first_run, False, like)
    outside = arrange_vectors(1, max(1, n_nodes * (n_nodes - 1) // 2), LANES, first_run, False, like)
    bartlett = inside.stride // LANES
    normals = np.empty((bartlett + outside.stride // LANES, LANES))
    return GramDraws(inside, outside, bartlett, normals, np.empty((2 * n_nodes, LANES)))


@inlined
def draw_gram_step(counter: Counter, chi: Matrix, draws: GramDraws) -> None:
    """The variates of one step."""
    counter, chi, draws = borrow(counter), borrow(chi), borrow(draws)
    zero, normals, chi_squares = np.uint64(0), draws.normals, draws.chi_squares
    key, step, first_run = counter.key, counter.step, counter.run
    n_nodes = chi_squares.shape[0] // 2
    flat, size = normals.reshape(normals.size), n_nodes * LANES
    fill_vectors(draws.inside, counter, FEATURES, zero, zero, 1, flat)
    if n_nodes > 1:
        rest = flat[draws.bartlett * LANES :]
        fill_vectors(draws.outside, counter, BARTLETT_NORMALS, zero, zero, 1, rest)
    out = chi_squares.reshape(2 * size)
    fill_chi_square(key, CHI_SQUARE, step, zero, first_run, SHIFT, chi, 0, size, out)
    fill_chi_square(key, BARTLETT_CHI_SQUARE, step, zero, first_run, SHIFT, chi, size, size, out[size:])


@inlined
def weigh_gradients(
    state: Reals, steps: GramSteps, step: Word, draws: GramDraws, room: GramWork, along: int, across: int
) -> None:
    """Minus step size times gradient is along·e + across·ζ, ζ standard normal; rows along + i, across + i."""
    wide_vectors()
    n_nodes = state.shape[0]
    row = np.int64(step) if steps.step_sizes.shape[0] > 1 else 0
    normals, chi_squares, work, units = draws.normals, draws.chi_squares, room.columns, room.units
    for i in range(n_nodes):
        dot = square = spread(0.0)
        for m in range(i + 1):
            coordinate = load(state, m * n_nodes + i)
            dot = multiply_add(coordinate, load(normals, m * n_nodes + i), dot)
            square = multiply_add(coordinate, coordinate, square)
        store(work, along + i, dot)
        store(work, across + i, square)
        feature_std = steps.feature_stds[i]
        gain = steps.step_sizes[row, i] * feature_std / steps.batch_sizes[i]
        for lane in range(LANES):
            chi, noise_std = math.sqrt(chi_squares[i, lane]), steps.noise_stds[i] * units[lane]
            squared = work[across + i, lane]
            tau = math.sqrt(feature_std * feature_std * squared + noise_std * noise_std)
            # At the optimum itself there is no direction to project on.
            projection = work[along + i, lane] / squared if squared > 0.0 else 0.0
            work[along + i, lane] = -gain * chi * (feature_std * chi + (noise_std - tau) * projection)
            work[across + i, lane] = -gain * chi * tau


@inlined
def mix_rows(
    combination: Combination, first: int, x: Reals, offset: int, out: Reals, out_offset: int
) -> None:
    """Row out_offset + i of out = Σ_j W_ij times row offset + j of x, which is zero for j < first."""
    wide_vectors()
    indptr, indices, weights = combination.indptr, combination.indices, combination.weights
    for i in range(indptr.size - 1):
        total = spread(0.0)
        for k in range(indptr[i], indptr[i + 1]):
            if indices[k] >= first:
                total = multiply_add(weights[k], load(x, offset + indices[k]), total)
        store(out, out_offset + i, total)


@inlined
def move_columns(
    state: Reals, combination: Combination, normals: Reals, along: int, across: int, work: Reals
) -> None:
    """Columns of A = W L + diag(along) L + diag(across) Z into the first N² rows of ``work``."""
    wide_vectors()
    n_nodes, adapt_first = state.shape[0], combination.adapt_first
    spare = across + n_nodes
    for m in range(n_nodes):
        start = m * n_nodes
        if not adapt_first:
            mix_rows(combination, m, state, start, work, start)
        for i in range(n_nodes):
            moved = load(work, across + i) * load(normals, start + i)
            if i >= m:
                coordinate = load(state, start + i)
                moved = multiply_add(load(work, along + i), coordinate, moved)
                if adapt_first:
                    moved = moved + coordinate
            if adapt_first:
                store(work, spare + i, moved)
            else:
                store(work, start + i, load(work, start + i) + moved)
        if adapt_first:
            mix_rows(combination, 0, work, spare, work, start)


@inlined
def spread_columns(combination: Combination, draws: GramDraws, across: int, work: Reals) -> None:
    """Columns of diag(across) T, what leaves the span of the nodes, into the next N² rows of ``work``."""
    wide_vectors()
    n_nodes, adapt_first = combination.indptr.size - 1, combination.adapt_first
    spare, bartlett = across + n_nodes, draws.bartlett
    normals, chi_squares = draws.normals, draws.chi_squares
    for m in range(n_nodes):
        start = (n_nodes + m) * n_nodes
        for lane in range(LANES):
            work[spare + m, lane] = math.sqrt(chi_squares[n_nodes + m, lane])
        out = spare if adapt_first else start
        store(work, out + m, load(work, across + m) * load(work, spare + m))
        for i in range(m + 1, n_nodes):
            normal = load(normals, bartlett + i * (i - 1) // 2 + m)
            store(work, out + i, load(work, across + i) * normal)
        if adapt_first:
            mix_rows(combination, m, work, spare, work, start)


@inlined
def step_gram(
    state: Reals, combination: Combination, steps: GramSteps, step: Word, draws: GramDraws, room: GramWork
) -> None:
    """One step of LANES runs from drawn variates: the lower triangle gram[i, j] of the next Gram matrix.

    Gram⁺ = A Aᵀ + diag(across) T Tᵀ diag(across) with the columns above, W outside where nodes adapt first.
    A run's noise stds are multiplied by its unit.
    """
    wide_vectors()
    combination, steps = borrow(combination), borrow(steps)
    n_nodes, adapt_first = state.shape[0], combination.adapt_first
    gram, work = room.gram, room.columns
    along = 2 * n_nodes * n_nodes
    across = along + n_nodes
    weigh_gradients(state, steps, step, draws, room, along, across)
    move_columns(state, combination, draws.normals, along, across, work)
    spread_columns(combination, draws, across, work)
    for i in range(n_nodes):
        for j in range(i + 1):
            # Without outer mixing, T being lower triangular, its columns beyond j do not reach row j.
            n_columns = 2 * n_nodes if adapt_first else n_nodes + j + 1
            total = spread(0.0)
            for m in range(n_columns):
                total = multiply_add(load(work, m * n_nodes + i), load(work, m * n_nodes + j), total)
            store(gram, i * n_nodes + j, total)


@inlined
def factor_gram(gram: Reals, state: Reals, inverse: Reals) -> None:
    """Cholesky factor of gram into state, column by column; ``inverse`` is one row of scratch."""
    wide_vectors()
    n_nodes = state.shape[0]
    for m in range(n_nodes):
        for i in range(m, n_nodes):
            total = load(gram, i * n_nodes + m)
            for k in range(m):
                start = k * n_nodes
                total = multiply_add(-load(state, start + i), load(state, start + m), total)
            store(state, m * n_nodes + i, total)
        for lane in range(LANES):
            pivot = state[m, m, lane]
            kept = pivot > _RANK_TOLERANCE * gram[m, m, lane]
            inverse[lane] = 1.0 / math.sqrt(pivot) if kept else 0.0
        for i in range(m, n_nodes):
            store(state, m * n_nodes + i, load(state, m * n_nodes + i) * load(inverse, 0))


@inlined
def rescale_runs(state: Reals, gram: Reals, exponents: Reals, units: Reals) -> None:
    """Bring every run that has grown or shrunk too far back near one, by a power of two kept in exponents."""
    n_nodes = state.shape[0]
    for lane in range(LANES):
        trace = 0.0
        for i in range(n_nodes):
            trace += gram[i, i, lane]
        if trace > 0.0 and math.isfinite(trace) and not _SMALLEST <= trace <= _LARGEST:
            shift = np.floor(0.5 * math.log2(trace))
            factor = 2.0**-shift
            for m in range(n_nodes):
                for i in range(m, n_nodes):
                    state[m, i, lane] *= factor
            exponents[lane] += shift
            # Noise of a run that shrank without any is zero in all units.
            units[lane] = 2.0 ** -max(exponents[lane], -1000.0)


@kernel(parallel=True)
def advance_gram(
    states: Reals, exponents: Reals, combination: Combination, steps: GramSteps, key: Words, span: Span
) -> None:
    """Advance the factors 2^exponents[block, lane]·states[block, m, i, lane] of runs."""
    n_nodes = states.shape[1]
    for block in prange(states.shape[0]):
        first_run = np.uint64(span.first_run + block * LANES)
        state, exponent = states[block], exponents[block]
        draws, room = reserve_draws(n_nodes, first_run, state), reserve_gram(n_nodes)
        for lane in range(LANES):
            room.units[lane] = 2.0 ** -max(exponent[lane], -1000.0)
        for k in range(span.first_step, span.first_step + span.n_steps):
            step = np.uint64(k)
            draw_gram_step(Counter(key, step, first_run), steps.chi, draws)
            step_gram(state, combination, steps, step, draws, room)
            factor_gram(room.gram, state, room.inverse)
            rescale_runs(state, room.gram, exponent, room.units)
