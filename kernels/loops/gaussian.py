"""The step loop for Gaussian features under any update rule; :mod:`.steps` is faster where it is plain."""

import numpy as np
from numba import prange

from desgd_fast.kernels.draw.normals import Counter
from desgd_fast.kernels.jit.arithmetic import aligned_empty, borrow, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Words, exact, kernel
from desgd_fast.kernels.jit.lanes import LANES, load_from, repeat_period, store_entries
from desgd_fast.kernels.loops.plan import (
    ADAPT_FIRST,
    AVERAGE_FROM,
    DIM,
    FIRST_RUN,
    FIRST_STEP,
    N_STEPS,
    SHIFT,
    TILE,
)
from desgd_fast.kernels.loops.steps import (
    GaussianSteps,
    Shape,
    Work,
    copy_nodes,
    draw_collapsed,
    draw_minibatch,
    fill_group,
    nodes_of_group,
    vectors_of,
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
    counter: Counter,
    x: Reals,
    y: Reals,
    steps: GaussianSteps,
    centre: Reals,
    step_sizes: Reals,
    rule: Reals,
    velocity: Reals,
    last_gradient: Reals,
    work: Work,
    gradient: Reals,
    lengths: Reals,
    shape: Shape,
) -> None:
    """Move every node from y, which may be x, by its gradient at x."""
    x, y, steps, step_sizes, counter = (
        borrow(x),
        borrow(y),
        borrow(steps),
        borrow(step_sizes),
        borrow(counter),
    )
    rule, velocity, last_gradient = borrow(rule), borrow(velocity), borrow(last_gradient)
    gradient, lengths, work, centre = borrow(gradient), borrow(lengths), borrow(work), borrow(centre)
    direction, along, across, scale = work.direction, work.along, work.across, steps.scale
    lanes, tile, group = 1 << shape.shift, shape.tile, nodes_of_group(shape)
    row_of_step = np.int64(counter.step) if step_sizes.shape[0] > 1 else 0
    for node in range(x.shape[0]):
        n = node % tile
        if not steps.direct and node % group == 0:
            fill_group(node, min(node + group, x.shape[0]), steps, counter, shape, work.chi_squares)
        if steps.direct:
            draw_minibatch(node, x, shape.dim, steps, counter, work)
        elif n == 0:
            last_node = min(node + tile, x.shape[0])
            draw_collapsed(node, last_node, x, steps, counter, work, node % group * lanes)
        combine(along, across, n * lanes, shape.shift, x, node, direction, n * work.stride, gradient)
        update_gradient(node, x, rule, scale, centre, lanes, lengths, velocity, last_gradient, gradient)
        take_step(step_sizes[row_of_step, node], gradient, node, y)


@kernel(parallel=True)
def advance_gaussian(
    state: Reals,
    sums: Reals,
    memory: Reals,
    graph: tuple[Integers, Integers, Reals],
    steps: GaussianSteps,
    centre: Reals,
    step_sizes: Reals,
    rule: Reals,
    key: Words,
    plan: Integers,
) -> None:
    """Advance state[block, node, t] by N_STEPS steps, as :func:`.steps.advance_runs` does with other rules.

    ``steps`` holds −1 for a step size, which makes its gradients positive; ``step_sizes``, ``rule`` and
    ``memory`` are told in :func:`.descent.advance_losses`. ``steps.scale`` holds the eigenvalue of the
    coordinate at t, ``centre`` what to add to it for the point itself.
    """
    n_nodes, size = state.shape[1], state.shape[2]
    shape = Shape(plan[SHIFT], plan[DIM], plan[TILE])
    lanes = 1 << shape.shift
    for block in prange(state.shape[0]):
        first_run = np.uint64(plan[FIRST_RUN] + block * lanes)
        x, y, total = state[block], aligned_empty(n_nodes, size, state), sums[block]
        # The momentum, or the tracked and the last gradient; the momentum's rule leaves the second alone.
        tracked, last_gradient = memory[block, 0], memory[block, memory.shape[1] - 1]
        spare = aligned_empty(n_nodes if rule[TRACKING] != 0.0 else 0, size, state)
        work = work_space(vectors_of(steps, shape, first_run, state), steps.direct, shape, state)
        gradient = aligned_empty(1, size, state)[0]
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
                Counter(key, step, first_run),
                x,
                x if plan[ADAPT_FIRST] else y,
                steps,
                centre,
                step_sizes,
                rule,
                tracked,
                last_gradient,
                work,
                gradient,
                lengths,
                shape,
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
