"""The step loop for Gaussian features under any update rule; :mod:`.steps` is faster where it is plain."""

import numpy as np
from numba import prange

from ._jit import Integers, Reals, Word, Words, exact, kernel
from ._math import aligned_empty, borrow, multiply_add, wide_vectors
from .random import CHI_SQUARE, fill_chi_square
from .steps import (
    ADAPT_FIRST,
    AVERAGE_FROM,
    DIRECT,
    FIRST_RUN,
    FIRST_STEP,
    N_STEPS,
    SHIFT,
    TILE,
    WIDTH,
    copy_nodes,
    draw_collapsed,
    draw_minibatch,
    padded,
)
from .updates import TRACKING, add_nodes, communicates, mix_nodes, take_step, update_gradient


@exact
def combine(along: Reals, across: Reals, x: Reals, node: int, direction: Reals) -> None:
    """direction = along·x[node] + across·direction, the factors repeating from part to part."""
    wide_vectors()
    width = along.size
    for start in range(0, direction.size, width):
        offset = np.uint64(start)
        for t in range(width):
            u = offset + np.uint64(t)
            direction[u] = multiply_add(along[t], x[node, u], across[t] * direction[u])


@exact
def fill_tile(
    key: Words,
    step: Word,
    first_node: int,
    n_nodes: int,
    first_run: Word,
    plan: Integers,
    parameters: Reals,
    out: Reals,
) -> None:
    """The chi-squares of the nodes from ``first_node`` on that share a vector loop."""
    lanes = 1 << plan[SHIFT]
    count = min(TILE // lanes, n_nodes - first_node) * lanes
    shift = np.uint64(plan[SHIFT])
    fill_chi_square(
        key,
        CHI_SQUARE,
        step,
        np.uint64(first_node),
        first_run,
        shift,
        parameters,
        first_node * lanes,
        padded(count),
        out,
    )


@exact
def step_gaussian(
    step: Word,
    first_run: Word,
    x: Reals,
    y: Reals,
    nodes: Reals,
    chi_parameters: Reals,
    scale_and_centre: Reals,
    step_sizes: Reals,
    rule: Reals,
    velocity: Reals,
    last_gradient: Reals,
    work: Reals,
    factors: Reals,
    chi_squares: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """Move every node from y, which may be x, by its gradient at x."""
    x, y, nodes, chi_parameters, step_sizes = (
        borrow(x),
        borrow(y),
        borrow(nodes),
        borrow(chi_parameters),
        borrow(step_sizes),
    )
    rule, velocity, last_gradient = borrow(rule), borrow(velocity), borrow(last_gradient)
    scale_and_centre, work, factors = borrow(scale_and_centre), borrow(work), borrow(factors)
    chi_squares, key, plan = borrow(chi_squares), borrow(key), borrow(plan)
    scale, centre = scale_and_centre[0], scale_and_centre[1]
    direction, sample, along, across, lengths = work[0], work[1], factors[0], factors[1], factors[2]
    lanes = 1 << plan[SHIFT]
    row_of_step = np.int64(step) if step_sizes.shape[0] > 1 else 0
    for node in range(x.shape[0]):
        if plan[DIRECT]:
            draw_minibatch(x, node, nodes, sample, key, step, first_run, plan, direction, along, across)
        else:
            place = node % (TILE // lanes)
            if place == 0:
                fill_tile(key, step, node, x.shape[0], first_run, plan, chi_parameters, chi_squares)
            draw_collapsed(
                x,
                node,
                nodes,
                chi_squares,
                place * lanes,
                key,
                step,
                first_run,
                plan,
                direction,
                along,
                across,
            )
        combine(along, across, x, node, direction)
        update_gradient(node, x, rule, scale, centre, lanes, lengths, velocity, last_gradient, direction)
        take_step(step_sizes[row_of_step, node], direction, node, y)


@kernel(parallel=True)
def advance_gaussian(
    state: Reals,
    sums: Reals,
    memory: Reals,
    graph: tuple[Integers, Integers, Reals],
    nodes: Reals,
    chi_parameters: Reals,
    scale_and_centre: Reals,
    step_sizes: Reals,
    rule: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """Advance state[block, node, t] by N_STEPS steps, as :func:`.steps.advance_runs` does with other rules.

    ``nodes`` holds −1 for a step size, which makes its gradients positive; ``step_sizes``, ``rule`` and
    ``memory`` are told in :func:`.descent.advance_losses`. ``scale_and_centre`` holds the eigenvalue of the
    coordinate at t, and what to add to it for the point itself.
    """
    n_nodes, size = state.shape[1], state.shape[2]
    lanes = 1 << plan[SHIFT]
    for block in prange(state.shape[0]):
        first_run = np.uint64(plan[FIRST_RUN] + block * lanes)
        x, y, total = state[block], aligned_empty(n_nodes, size), sums[block]
        # The momentum, or the tracked and the last gradient; the momentum's rule leaves the second alone.
        tracked, last_gradient = memory[block, 0], memory[block, memory.shape[1] - 1]
        spare = aligned_empty(n_nodes if rule[TRACKING] != 0.0 else 0, size)
        work, factors = aligned_empty(2, size), aligned_empty(3, plan[WIDTH])
        for t in range(size):
            work[0, t] = 0.0
            work[1, t] = 0.0
        chi_squares = np.empty(TILE)
        for k in range(plan[N_STEPS]):
            step = np.uint64(plan[FIRST_STEP] + k)
            mixing = communicates(rule, step)
            if rule[TRACKING] != 0.0:
                mix_nodes(mixing, graph, tracked, spare)
                tracked, spare = spare, tracked
            if not plan[ADAPT_FIRST]:
                mix_nodes(mixing, graph, x, y)
            step_gaussian(
                step,
                first_run,
                x,
                x if plan[ADAPT_FIRST] else y,
                nodes,
                chi_parameters,
                scale_and_centre,
                step_sizes,
                rule,
                tracked,
                last_gradient,
                work,
                factors,
                chi_squares,
                key,
                plan,
            )
            if plan[ADAPT_FIRST]:
                mix_nodes(mixing, graph, x, y)
            if step >= np.uint64(plan[AVERAGE_FROM]):
                add_nodes(y, total)
            x, y = y, x
        if rule[TRACKING] != 0.0 and plan[N_STEPS] % 2:
            copy_nodes(tracked, spare)
        if plan[N_STEPS] % 2:
            copy_nodes(x, y)
