"""The step loop for Gaussian features under any update rule; :mod:`.steps` is faster where it is plain."""

import numpy as np
from numba import prange

from desgd_fast.kernels.jit.arithmetic import aligned_empty, borrow, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, Words, exact, kernel
from desgd_fast.kernels.jit.lanes import LANES, load_from, repeat_period, store_entries
from desgd_fast.kernels.loops.steps import (
    ADAPT_FIRST,
    AVERAGE_FROM,
    DIM,
    DIRECT,
    FIRST_RUN,
    FIRST_STEP,
    N_STEPS,
    SHIFT,
    TILE,
    copy_nodes,
    draw_collapsed,
    draw_minibatch,
    fill_group,
    nodes_of_group,
    work_space,
)
from desgd_fast.kernels.loops.updates import (
    TRACKING,
    add_nodes,
    communicates,
    mix_nodes,
    take_step,
    update_gradient,
)


@exact
def combine(
    along: Reals,
    across: Reals,
    place: int,
    shift: int,
    x: Reals,
    node: int,
    direction: Reals,
    offset: int,
    gradient: Reals,
) -> None:
    """gradient = along·x[node] + across·direction, factors of up to LANES runs from ``place`` on."""
    wide_vectors()
    size, lanes = x.shape[1], 1 << shift
    a = repeat_period(load_from(along, place), lanes)
    b = repeat_period(load_from(across, place), lanes)
    for t in range(0, size, LANES):
        value = multiply_add(a, load_from(x, node * size + t), b * load_from(direction, offset + t))
        store_entries(gradient, t, value)


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
    work: tuple[Reals, Reals, Reals, Reals, Reals],
    gradient: Reals,
    lengths: Reals,
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
    gradient, lengths, key, plan = borrow(gradient), borrow(lengths), borrow(key), borrow(plan)
    direction, samples, chi_squares = borrow(work[0]), borrow(work[1]), borrow(work[2])
    along, across = borrow(work[3]), borrow(work[4])
    scale_and_centre = borrow(scale_and_centre)
    scale, centre = scale_and_centre[0], scale_and_centre[1]
    lanes, tile, group = 1 << plan[SHIFT], plan[TILE], nodes_of_group(plan)
    row_of_step = np.int64(step) if step_sizes.shape[0] > 1 else 0
    for node in range(x.shape[0]):
        n = node % tile
        if not plan[DIRECT] and node % group == 0:
            last_node = min(node + group, x.shape[0])
            fill_group(node, last_node, chi_parameters, key, step, first_run, plan, chi_squares)
        if plan[DIRECT]:
            draw_minibatch(node, x, nodes, key, step, first_run, plan, direction, samples, along, across)
        elif n == 0:
            draw_collapsed(
                node,
                min(node + tile, x.shape[0]),
                x,
                nodes,
                key,
                step,
                first_run,
                plan,
                direction,
                chi_squares,
                node % group * lanes,
                along,
                across,
            )
        combine(along, across, n * lanes, plan[SHIFT], x, node, direction, n * plan[DIM] * lanes, gradient)
        update_gradient(node, x, rule, scale, centre, lanes, lengths, velocity, last_gradient, gradient)
        take_step(step_sizes[row_of_step, node], gradient, node, y)


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
        x, y, total = state[block], aligned_empty(n_nodes, size, state), sums[block]
        # The momentum, or the tracked and the last gradient; the momentum's rule leaves the second alone.
        tracked, last_gradient = memory[block, 0], memory[block, memory.shape[1] - 1]
        spare = aligned_empty(n_nodes if rule[TRACKING] != 0.0 else 0, size, state)
        work, gradient = work_space(state, plan), aligned_empty(1, size, state)[0]
        lengths = np.empty(LANES)
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
                gradient,
                lengths,
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
