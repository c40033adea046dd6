"""Update rules: what becomes of a gradient before it moves the iterate.

One rule for all, told by a few numbers: clip, add the weight decay, gather momentum, track the
network's mean gradient. A step mixes first and then moves every node, or moves and then mixes.
"""

import math

import numpy as np

from desgd_fast.kernels.jit.arithmetic import borrow, kept_apart, multiply_add, wide_vectors
from desgd_fast.kernels.jit.compile import Integers, Reals, Word, exact
from desgd_fast.kernels.loops.steps import copy_nodes, mix_row

# Entries of ``rule``.
MOMENTUM, NESTEROV, TRACKING, WEIGHT_DECAY, CLIP_NORM, LOCAL_STEPS = range(6)


@exact
def communicates(rule: Reals, step: Word) -> bool:
    """Whether the nodes mix at this step: the last of every LOCAL_STEPS."""
    period = int(rule[LOCAL_STEPS])
    return period == 1 or (np.int64(step) + 1) % period == 0


@exact
def keeps_gradient(rule: Reals) -> bool:
    """Whether the step is the gradient itself."""
    still = rule[MOMENTUM] == 0.0 and rule[TRACKING] == 0.0
    return bool(still and rule[WEIGHT_DECAY] == 0.0 and rule[CLIP_NORM] == math.inf)


@exact
def clip_gradient(scale: Reals, bound: float, lanes: int, factors: Reals, direction: Reals) -> None:
    """Shorten the gradient of every run to the length ``bound``.

    ``direction`` still lacks the factor ``scale``, and lengths are those of coordinates divided by its root.
    """
    wide_vectors()
    width = factors.size
    for t in range(width):
        factors[t] = 0.0
    whole = direction.size - direction.size % width
    for start in range(0, whole, width):
        for t in range(width):
            value = direction[start + t]
            factors[t] = multiply_add(scale[start + t] * value, value, factors[t])
    for t in range(whole, direction.size):
        factors[t - whole] = multiply_add(scale[t] * direction[t], direction[t], factors[t - whole])
    while width > lanes:
        width //= 2
        for t in range(width):
            factors[t] += factors[width + t]
    for t in range(lanes):
        length = math.sqrt(factors[t])
        # Not a minimum: nan must pass through.
        factors[t] = bound / length if length > bound else 1.0
    while lanes < factors.size:
        for t in range(lanes):
            factors[lanes + t] = factors[t]
        lanes *= 2
    for start in range(0, whole, factors.size):
        for t in range(factors.size):
            direction[start + t] *= factors[t]
    for t in range(whole, direction.size):
        direction[t] *= factors[t - whole]


@exact
def gather_momentum(momentum: float, nesterov: bool, velocity: Reals, node: int, direction: Reals) -> None:
    """v ← momentum·v + g; the step is v, or g + momentum·v (Nesterov)."""
    wide_vectors()
    for t in range(direction.size):
        gradient = direction[t]
        velocity[node, t] = multiply_add(momentum, velocity[node, t], gradient)
        direction[t] = multiply_add(momentum, velocity[node, t], gradient) if nesterov else velocity[node, t]


@exact
def track_gradient(tracked: Reals, last_gradient: Reals, node: int, direction: Reals) -> None:
    """Add the change of the gradient to what mixing the neighbours' left in ``tracked``: that is the step."""
    wide_vectors()
    for t in range(direction.size):
        gradient = direction[t]
        tracked[node, t] += gradient - last_gradient[node, t]
        last_gradient[node, t] = gradient
        direction[t] = tracked[node, t]


@exact
def update_gradient(
    node: int,
    x: Reals,
    rule: Reals,
    scale: Reals,
    centre: Reals,
    lanes: int,
    factors: Reals,
    velocity: Reals,
    last_gradient: Reals,
    direction: Reals,
) -> None:
    """Turn a gradient, which still lacks the factor ``scale``, into the step that the rule takes.

    ``x + centre`` is what decays; ``velocity`` is the momentum, or the tracked gradient after mixing.
    """
    kept_apart()
    wide_vectors()
    if rule[CLIP_NORM] < math.inf:
        clip_gradient(scale, rule[CLIP_NORM], lanes, factors, direction)
    decay = rule[WEIGHT_DECAY]
    for t in range(direction.size):
        direction[t] = multiply_add(decay, x[node, t] + centre[t], scale[t] * direction[t])
    if rule[TRACKING] != 0.0:
        track_gradient(velocity, last_gradient, node, direction)
    elif rule[MOMENTUM] != 0.0:
        gather_momentum(rule[MOMENTUM], rule[NESTEROV] != 0.0, velocity, node, direction)


@exact
def take_step(step_size: float, direction: Reals, node: int, y: Reals) -> None:
    """y[node] −= step_size·direction."""
    wide_vectors()
    for t in range(direction.size):
        y[node, t] = multiply_add(-step_size, direction[t], y[node, t])


@exact
def mix_node(mixing: bool, graph: tuple[Integers, Integers, Reals], node: int, x: Reals, y: Reals) -> None:
    """y[node] = Σ_j W[node, j] x[j], or x[node] where the nodes do not communicate."""
    kept_apart()
    wide_vectors()
    if mixing:
        mix_row(graph[0], graph[1], graph[2], node, x, y)
    else:
        for t in range(x.shape[1]):
            y[node, t] = x[node, t]


@exact
def mix_nodes(mixing: bool, graph: tuple[Integers, Integers, Reals], x: Reals, y: Reals) -> None:
    """y = W x, or y = x where the nodes do not communicate."""
    kept_apart()
    wide_vectors()
    indptr, indices, weights = borrow(graph[0]), borrow(graph[1]), borrow(graph[2])
    x, y = borrow(x), borrow(y)
    if mixing:
        for node in range(x.shape[0]):
            mix_row(indptr, indices, weights, node, x, y)
    else:
        copy_nodes(x, y)


@exact
def add_nodes(x: Reals, sums: Reals) -> None:
    """sums += x."""
    kept_apart()
    for node in range(x.shape[0]):
        for t in range(x.shape[1]):
            sums[node, t] += x[node, t]
