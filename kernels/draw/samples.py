"""Which rows a minibatch holds: independent, distinct, or the next ones of a permutation."""

from typing import Any

import numpy as np

from desgd_fast.kernels.draw.random import PERMUTATION, fill_permutation
from desgd_fast.kernels.jit.arithmetic import compact
from desgd_fast.kernels.jit.compile import Integers, Word, Words, elementary, exact
from desgd_fast.kernels.jit.lanes import SAMPLES

# How a node goes through its rows; from RESHUFFLE on, in permutations.
REPLACEMENT, DISTINCT, RESHUFFLE, SHUFFLE_ONCE, FLIP_FLOP = range(5)


@elementary
def keep_distinct(drawn: Integers, i: int, batch_size: int, n_rows: int, marks: Integers) -> None:
    """Floyd's subset: draw q lies in [0, n_rows - batch_size + q]; if taken, it becomes the upper end.

    Rows taken in this batch carry its number in ``marks``, whose last place counts the batches.
    """
    compact()
    last = marks.size - 1
    marks[last] += 1
    for q in range(batch_size):
        if marks[drawn[q, i]] == marks[last]:
            drawn[q, i] = n_rows - batch_size + q
        marks[drawn[q, i]] = marks[last]


@elementary
def take_drawn(drawn: Integers, i: int, batch_size: int, first_row: int, rows: Integers, to: int) -> None:
    """rows[to]: what column i of ``drawn`` counts from ``first_row``."""
    compact()
    column, row = np.uint64(i), np.uint64(to)
    for q in range(batch_size):
        rows[row, np.uint64(q)] = first_row + drawn[np.uint64(q), column]


@elementary
def permutation_of(epoch: int, sampling: int) -> int:
    """Number of the permutation that an epoch goes through."""
    if sampling == SHUFFLE_ONCE:
        return 0
    return epoch - epoch % 2 if sampling == FLIP_FLOP else epoch


@elementary
def turned(place: int, epoch: int, n_rows: int, sampling: int) -> int:
    """A place of an epoch in its permutation: FLIP_FLOP goes through it backwards in the odd ones."""
    return n_rows - 1 - place if sampling == FLIP_FLOP and epoch % 2 == 1 else place


@exact
def take_next(
    key: Words,
    step: Word,
    node: int,
    run: Word,
    sampling: int,
    batch_size: int,
    first_row: int,
    n_rows: int,
    order: Integers,
    current: Integers,
    rows: Integers,
    to: int,
) -> None:
    """rows[to]: the next rows of the node's permutations, one permutation an epoch.

    ``order[first_row:]`` keeps the permutation numbered ``current[node]``, and is drawn anew when another
    one's turn comes. FLIP_FLOP runs through each backwards before it draws the next.
    """
    compact()
    position: Any = np.int64(step) * batch_size
    epoch, place = position // n_rows, position % n_rows
    for q in range(batch_size):
        number = permutation_of(epoch, sampling)
        if current[node] != number:
            fill_permutation(
                key, PERMUTATION, np.uint64(number), np.uint64(node), run, first_row, n_rows, order
            )
            current[node] = number
        rows[to, q] = first_row + order[first_row + turned(place, epoch, n_rows, sampling)]
        place += 1
        if place == n_rows:
            epoch, place = epoch + 1, 0


@exact
def take_next_of_runs(
    key: Words,
    step: Word,
    node: int,
    first_run: Word,
    sampling: int,
    batch_size: int,
    first_row: int,
    n_rows: int,
    order: Integers,
    current: Integers,
    rows: Integers,
    to: int,
) -> None:
    """rows[q, to + r] is what :func:`take_next` finds in run ``first_run`` + r, counted from ``first_row``.

    ``order`` holds the permutations of SAMPLES runs, one run after the other.
    """
    compact()
    position: Any = np.int64(step) * batch_size
    epoch, place, room = position // n_rows, position % n_rows, order.size // SAMPLES
    for q in range(batch_size):
        number = permutation_of(epoch, sampling)
        if current[node] != number:
            for r in range(SAMPLES):
                run, first = first_run + np.uint64(r), r * room + first_row
                fill_permutation(
                    key, PERMUTATION, np.uint64(number), np.uint64(node), run, first, n_rows, order
                )
            current[node] = number
        at = first_row + turned(place, epoch, n_rows, sampling)
        for r in range(SAMPLES):
            rows[q, to + r] = order[r * room + at]
        place += 1
        if place == n_rows:
            epoch, place = epoch + 1, 0
