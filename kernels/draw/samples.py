"""Which rows a minibatch holds: independent, distinct, or the next ones of a permutation."""

from typing import Any

import numpy as np

from desgd_fast.kernels.draw.random import PERMUTATION, fill_permutation
from desgd_fast.kernels.jit.arithmetic import compact
from desgd_fast.kernels.jit.compile import Integers, Word, Words, elementary, exact

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
        number = epoch
        if sampling == SHUFFLE_ONCE:
            number = 0
        elif sampling == FLIP_FLOP:
            number = epoch - epoch % 2
        if current[node] != number:
            fill_permutation(
                key, PERMUTATION, np.uint64(number), np.uint64(node), run, first_row, n_rows, order
            )
            current[node] = number
        backwards = sampling == FLIP_FLOP and epoch % 2 == 1
        rows[to, q] = first_row + order[first_row + (n_rows - 1 - place if backwards else place)]
        place += 1
        if place == n_rows:
            epoch, place = epoch + 1, 0
