"""Standard normal vectors, one for each node or sample of a run.

Counter (purpose | first + j, step, node, run) gives, by Box–Muller, coordinate 2j its cosine and coordinate
2j + 1 its sine. Where d is odd the last coordinate shares its counter with that of the run whose number
differs in bit 4: cosine where the bit is 0, sine where it is 1.
"""

from typing import Any, NamedTuple

import numpy as np

from desgd_fast.kernels.draw.random import philox_pair, turn_doubles
from desgd_fast.kernels.jit.arithmetic import aligned_empty, borrow, entries, kept_apart, wide_vectors
from desgd_fast.kernels.jit.compile import Matrix, Reals, Word, Words, exact
from desgd_fast.kernels.jit.lanes import LANES, load_from, spread, store_entries

# The bit of a run's number that tells which half of a shared counter is its own.
SHARING = np.uint64(16)


class Counter(NamedTuple):
    """What the numbers of one step of one run are a function of."""

    key: Words
    step: Word
    run: Word


class Vectors(NamedTuple):
    """Room for some vectors of one length, and which counter each pair of their coordinates takes."""

    indices: Words
    owners: Words
    masks: Words
    pairs: Reals
    out: Matrix


@exact
def reserve_vectors(count: int, dim: int, size: int, samples: bool, like: Matrix) -> Vectors:
    """Room for ``count`` vectors of ``dim`` coordinates in rows of ``size``: of nodes, or samples of one."""
    half = (dim + 1) // 2
    n_pairs = (count * half + LANES - 1) // LANES * LANES
    indices, owners = np.empty(n_pairs, np.uint64), np.empty(n_pairs, np.uint64)
    masks = np.empty(n_pairs, np.uint64)
    for t in range(n_pairs):
        vector, j = t // half, t % half
        indices[t] = np.uint64(t if samples else j)
        owners[t] = np.uint64(0 if samples else vector)
        masks[t] = ~SHARING if 2 * j + 1 == dim else ~np.uint64(0)
    out = aligned_empty(count, size, like)
    for i in range(count):
        for c in range(size):
            out[i, c] = 0.0
    return Vectors(indices, owners, masks, aligned_empty(2, n_pairs, like).reshape(-1), out)


@exact
def fill_vectors(
    counter: Counter, purpose: Word, first_index: Word, first_owner: Word, count: int, dim: int, room: Vectors
) -> None:
    """Normals into out[:count, :dim]: of nodes from ``first_owner`` on, or of that node's samples."""
    wide_vectors()
    kept_apart()
    key, indices, owners = borrow(counter.key), borrow(room.indices), borrow(room.owners)
    masks, pairs, out = borrow(room.masks), borrow(room.pairs), borrow(room.out)
    k0, k1, half, n_pairs = key[0], key[1], (dim + 1) // 2, indices.size
    steps, runs = spread(counter.step), spread(counter.run)
    for t in range(0, n_pairs, LANES):
        index = (load_from(indices, t) + first_index) | purpose
        a, b = philox_pair(
            index, steps, load_from(owners, t) + first_owner, runs & load_from(masks, t), k0, k1
        )
        store_entries(pairs, t, a)
        store_entries(pairs, n_pairs + t, b)
    turn_doubles(pairs, n_pairs)
    whole, lone = dim // 2, n_pairs if counter.run & SHARING else 0
    for i in range(count):
        begin: Any = i * half
        row = entries(out, i * out.shape[1], out.shape[1])
        cosines, sines = entries(pairs, begin, half), entries(pairs, n_pairs + begin, half)
        for c in range(whole):
            row[2 * c] = cosines[c]
            row[2 * c + 1] = sines[c]
        if dim % 2:
            row[dim - 1] = pairs[lone + begin + whole]
