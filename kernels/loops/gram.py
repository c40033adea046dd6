"""Inner products only: with isotropic features the Gram matrix of the deviations is itself a Markov chain.

LANES runs side by side, run innermost. ``state[m, i, run]`` is L_im, the m-th coordinate of node i in a
basis that the nodes span one after the other, so that L is lower triangular and Gram = L Lᵀ. The cost does
not depend on the dimension d, which must be at least 2N.

Rows of LANES numbers are addressed by their position in an array, since a slice costs two atomic counts.
"""

import math

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.random import (
    BARTLETT_CHI_SQUARE,
    BARTLETT_NORMALS,
    CHI_SQUARE,
    FEATURES,
    fill_chi_square,
    fill_normals,
)
from desgd_fast.kernels.jit.arithmetic import multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, inlined, kernel
from desgd_fast.kernels.jit.lanes import LANES, load, spread, store
from desgd_fast.kernels.loops.steps import (
    ADAPT_FIRST,
    BATCH_SIZE,
    FEATURE_STD,
    FIRST_RUN,
    FIRST_STEP,
    N_STEPS,
    NOISE_STD,
    STEP_SIZE,
    filled,
)

SHIFT = np.uint64(4)

# A pivot below this fraction of its diagonal entry is rounding error: the node adds no direction of its own.
_RANK_TOLERANCE = 1e-14

# Squared sizes beyond which a run changes its unit.
_SMALLEST, _LARGEST = 2.0**-300, 2.0**300


@inlined
def whole_fills(count: int) -> int:
    """Rows of normals in the shortest fill that yields at least ``count`` rows."""
    return filled(count * LANES) // LANES


@inlined
def normal_rows(n_nodes: int) -> int:
    """Rows of normals that one step needs: Z, then the strict lower triangle of the Bartlett factor T."""
    return whole_fills(n_nodes * n_nodes) + whole_fills(n_nodes * (n_nodes - 1) // 2)


@inlined
def draw_gram_step(
    key: Words, step: Word, first_run: Word, chi_parameters: Reals, normals: Reals, chi_squares: Reals
) -> None:
    """All variates of one step, into rows of LANES: ``normals`` as above, 2N rows of ``chi_squares``.

    The first N chi-squares are those of the minibatches, the others the squared Bartlett diagonal with
    d − N − i degrees of freedom for node i; column i·LANES + lane of ``chi_parameters`` belongs to row i.
    """
    zero = np.uint64(0)
    n_nodes = chi_squares.shape[0] // 2
    flat, size = normals.reshape(normals.size), n_nodes * LANES
    count = whole_fills(n_nodes * n_nodes) * LANES
    fill_normals(key, FEATURES, zero, step, zero, first_run, count, flat)
    if n_nodes > 1:
        rest = flat[count:]
        count = whole_fills(n_nodes * (n_nodes - 1) // 2) * LANES
        fill_normals(key, BARTLETT_NORMALS, zero, step, zero, first_run, count, rest)
    out = chi_squares.reshape(2 * size)
    fill_chi_square(key, CHI_SQUARE, step, zero, first_run, SHIFT, chi_parameters, 0, size, out)
    fill_chi_square(
        key, BARTLETT_CHI_SQUARE, step, zero, first_run, SHIFT, chi_parameters, size, size, out[size:]
    )


@inlined
def weigh_gradients(
    state: Reals,
    nodes: Reals,
    units: Reals,
    normals: Reals,
    chi_squares: Reals,
    along: int,
    across: int,
    work: Reals,
) -> None:
    """Minus step size times gradient is along·e + across·ζ, ζ standard normal; rows along + i, across + i."""
    wide_vectors()
    n_nodes = state.shape[0]
    for i in range(n_nodes):
        dot = square = spread(0.0)
        for m in range(i + 1):
            coordinate = load(state, m * n_nodes + i)
            dot = multiply_add(coordinate, load(normals, m * n_nodes + i), dot)
            square = multiply_add(coordinate, coordinate, square)
        store(work, along + i, dot)
        store(work, across + i, square)
        feature_std = nodes[i, FEATURE_STD]
        gain = nodes[i, STEP_SIZE] * feature_std / nodes[i, BATCH_SIZE]
        for lane in range(LANES):
            chi, noise_std = math.sqrt(chi_squares[i, lane]), nodes[i, NOISE_STD] * units[lane]
            squared = work[across + i, lane]
            tau = math.sqrt(feature_std * feature_std * squared + noise_std * noise_std)
            # At the optimum itself there is no direction to project on.
            projection = work[along + i, lane] / squared if squared > 0.0 else 0.0
            work[along + i, lane] = -gain * chi * (feature_std * chi + (noise_std - tau) * projection)
            work[across + i, lane] = -gain * chi * tau


@inlined
def mix_rows(
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    first: int,
    x: Reals,
    offset: int,
    out: Reals,
    out_offset: int,
) -> None:
    """Row out_offset + i of out = Σ_j W_ij times row offset + j of x, which is zero for j < first."""
    wide_vectors()
    for i in range(indptr.size - 1):
        total = spread(0.0)
        for k in range(indptr[i], indptr[i + 1]):
            if indices[k] >= first:
                total = multiply_add(weights[k], load(x, offset + indices[k]), total)
        store(out, out_offset + i, total)


@inlined
def move_columns(
    state: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    adapt_first: bool,
    normals: Reals,
    along: int,
    across: int,
    work: Reals,
) -> None:
    """Columns of A = W L + diag(along) L + diag(across) Z into the first N² rows of ``work``."""
    wide_vectors()
    n_nodes = state.shape[0]
    spare = across + n_nodes
    for m in range(n_nodes):
        start = m * n_nodes
        if not adapt_first:
            mix_rows(indptr, indices, weights, m, state, start, work, start)
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
            mix_rows(indptr, indices, weights, 0, work, spare, work, start)


@inlined
def spread_columns(
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    adapt_first: bool,
    normals: Reals,
    chi_squares: Reals,
    across: int,
    work: Reals,
) -> None:
    """Columns of diag(across) T, what leaves the span of the nodes, into the next N² rows of ``work``."""
    wide_vectors()
    n_nodes = indptr.size - 1
    spare = across + n_nodes
    bartlett = whole_fills(n_nodes * n_nodes)
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
            mix_rows(indptr, indices, weights, m, work, spare, work, start)


@inlined
def step_gram(
    state: Reals,
    gram: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    nodes: Reals,
    adapt_first: bool,
    units: Reals,
    normals: Reals,
    chi_squares: Reals,
    work: Reals,
) -> None:
    """One step of LANES runs from drawn variates: the lower triangle gram[i, j] of the next Gram matrix.

    Gram⁺ = A Aᵀ + diag(across) T Tᵀ diag(across) with the columns above, W outside where nodes adapt first.
    ``nodes`` as in the vector steps, a run's noise stds multiplied by its ``units``; ``work`` has shape
    (2N² + 3N, LANES).
    """
    wide_vectors()
    n_nodes = state.shape[0]
    along = 2 * n_nodes * n_nodes
    across = along + n_nodes
    weigh_gradients(state, nodes, units, normals, chi_squares, along, across, work)
    move_columns(state, indptr, indices, weights, adapt_first, normals, along, across, work)
    spread_columns(indptr, indices, weights, adapt_first, normals, chi_squares, across, work)
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
    states: Reals,
    exponents: Reals,
    indptr: Integers,
    indices: Integers,
    weights: Reals,
    nodes: Reals,
    chi_parameters: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """Advance the factors 2^exponents[block, lane]·states[block, m, i, lane] of runs by N_STEPS steps."""
    n_nodes = states.shape[1]
    for block in prange(states.shape[0]):
        first_run = np.uint64(plan[FIRST_RUN] + block * LANES)
        state, exponent = states[block], exponents[block]
        gram = np.empty((n_nodes, n_nodes, LANES))
        normals = np.empty((normal_rows(n_nodes), LANES))
        chi_squares = np.empty((2 * n_nodes, LANES))
        work = np.empty((2 * n_nodes * n_nodes + 3 * n_nodes, LANES))
        inverse, units = np.empty(LANES), np.empty(LANES)
        for lane in range(LANES):
            units[lane] = 2.0 ** -max(exponent[lane], -1000.0)
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            draw_gram_step(key, step, first_run, chi_parameters, normals, chi_squares)
            step_gram(
                state,
                gram,
                indptr,
                indices,
                weights,
                nodes,
                plan[ADAPT_FIRST] != 0,
                units,
                normals,
                chi_squares,
                work,
            )
            factor_gram(gram, state, inverse)
            rescale_runs(state, gram, exponent, units)
