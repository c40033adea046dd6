"""How fast the general loop grows: whole states that are brought back to length one after every stretch."""

import math

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.minibatches import Sampling, choose_rows, reserve_epochs, reserve_sampling
from desgd_fast.kernels.draw.normals import Counter
from desgd_fast.kernels.jit.arithmetic import entries, rows, wide_vectors
from desgd_fast.kernels.jit.compile import Matrix, Reals, Word, Words, elementary, exact, kernel
from desgd_fast.kernels.loops.general import State

_TINY = 1e-280


@elementary
def square_of(x: Matrix) -> float:
    """Sum of squares of all entries."""
    wide_vectors()
    all_of_it, total = entries(x, 0, x.size), 0.0
    for t in range(all_of_it.size):
        total += all_of_it[t] * all_of_it[t]
    return total


@elementary
def scale_by(factor: float, x: Matrix) -> None:
    """Multiply all entries."""
    wide_vectors()
    all_of_it = entries(x, 0, x.size)
    for t in range(all_of_it.size):
        all_of_it[t] *= factor


@exact
def bring_back(x: Matrix, memory: Matrix, messages: Matrix, scales: Reals) -> float:
    """Scale a state to length one; the logarithm of the length it had.

    A node's vector v of memory belongs to it where ``scales[v]`` is one; without such numbers all do.
    """
    square = square_of(x) + (square_of(memory) if scales.size == 0 else 0.0) + square_of(messages)
    for v in range(memory.shape[0] if scales.size > 0 else 0):
        square += scales[v % scales.size] * square_of(rows(memory, v, 1))
    factor = 1.0 / math.sqrt(max(square, _TINY))
    scale_by(factor, x)
    scale_by(factor, messages)
    for v in range(memory.shape[0]):
        if scales.size == 0 or scales[v % scales.size] > 0.0:
            scale_by(factor, rows(memory, v, 1))
    return 0.5 * math.log(max(square, _TINY))


@kernel(parallel=True)
def bring_back_runs(state: State, scales: Reals, logs: Reals) -> None:
    """:func:`bring_back` of every run; ``logs[run]`` is the logarithm of the length that it had."""
    for run in prange(state.iterates.shape[0]):
        logs[run] = bring_back(state.iterates[run], state.memory[run], state.messages[run], scales)


@kernel(parallel=True)
def count_rows(sampling: Sampling, key: Words, step: Word, weights: Reals, counts: Matrix) -> None:
    """counts[part, r] += weight of the runs of this part that drew row r at this step."""
    n_runs, n_parts, n_nodes = weights.size, counts.shape[0], sampling.batch_sizes.size
    for part in prange(n_parts):
        epochs, room = reserve_epochs(sampling), reserve_sampling(sampling, n_nodes)
        for run in range(part * n_runs // n_parts, (part + 1) * n_runs // n_parts):
            for node in range(n_nodes):
                epochs.current[node] = -1
            choose_rows(sampling, epochs, room, 0, n_nodes, Counter(key, step, np.uint64(run)))
            for node in range(n_nodes):
                for q in range(sampling.batch_sizes[node]):
                    counts[part, room.rows[node, q]] += weights[run]
