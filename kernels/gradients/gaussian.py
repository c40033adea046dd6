"""Minibatch gradients of Gaussian least squares, from their closed law or sample by sample.

In the eigenbasis of the covariance, whose eigenvalues have the roots ``roots``: with s = roots·(x − x*), z a
standard normal vector and chi² a chi-square of the batch, the gradient is roots·(along·s + across·z) with two
numbers that depend on s·z, s·s and chi (the law told in ``desgd_fast.simulation``).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from desgd_fast.kernels.draw.normals import (
    Counter,
    Vectors,
    arrange_vectors,
    fill_vectors,
    number_runs,
    room_of,
)
from desgd_fast.kernels.draw.random import CHI_SQUARE, FEATURES, chi_square_attempt
from desgd_fast.kernels.jit.arithmetic import (
    aligned_empty,
    borrow,
    entries,
    kept_apart,
    multiply_add,
    rows,
    wide_vectors,
)
from desgd_fast.kernels.jit.compile import Integers, Matrix, Reals, Word, Words, elementary, exact
from desgd_fast.kernels.jit.lanes import LANES, load_from, spread, spread_from, store_entries, total

# Samples of a minibatch that are drawn at once, where every sample is drawn.
SAMPLED = 16

# Nodes and steps for which chi-squares are drawn together.
BLOCK, AHEAD = 8, 8


class Gaussian(NamedTuple):
    """Features N(0, feature std² · covariance), noise and batch of every node.

    ``gains`` are feature std / batch size.

    ``chi`` is the (shape, scale, boost) of every node, eight columns more than nodes.
    """

    feature_stds: Reals
    noise_stds: Reals
    batch_sizes: Integers
    gains: Reals
    chi: Matrix
    roots: Reals
    optimum: Reals
    dim: int
    direct: bool


class GaussianRoom(NamedTuple):
    """What gradients of some nodes need: normal vectors, inner products, s, and chi-squares.

    Chi-squares are those of every BLOCK nodes for AHEAD steps, of which the last drawn are number
    ``drawn[block]``; or, where there is room for a single node, its own for one step. Position t of a block
    is step ``steps[t]`` of its node ``nodes[t]``, whose law is ``chi[:, t]``.
    """

    vectors: Vectors
    normals: Reals
    dots: Reals
    squares: Reals
    scaled: Matrix
    chi_squares: Reals
    steps: Words
    nodes: Words
    chi: Matrix
    drawn: Integers


@exact
def reserve_gaussian(source: Gaussian, together: int, size: int, run: Word, like: Matrix) -> GaussianRoom:
    """Room for so many nodes, with rows of ``size``."""
    dim, n_nodes = source.dim, source.batch_sizes.size
    many = SAMPLED if source.direct else together
    length = dim + 1 if source.direct else dim
    vectors = arrange_vectors(many, length, 1, run, source.direct, like)
    # A row is read to the end of its last register.
    normals = np.zeros(room_of(vectors, many) + size + LANES)
    ahead = together > 1 or n_nodes == 1
    count = BLOCK * AHEAD if ahead else BLOCK
    steps, nodes, chi = np.empty(count, np.uint64), np.empty(count, np.uint64), np.empty((3, count))
    for t in range(count):
        steps[t], nodes[t] = np.uint64(t // BLOCK), np.uint64(t % BLOCK)
    blocks = 0 if source.direct else (n_nodes + BLOCK - 1) // BLOCK if ahead else 1
    drawn = np.empty(blocks, np.int64)
    for block in range(blocks):
        drawn[block] = -1
    chi_squares = np.empty(blocks * count)
    scaled = aligned_empty(together, size, like)
    dots, squares = np.empty(together), np.empty(together)
    return GaussianRoom(vectors, normals, dots, squares, scaled, chi_squares, steps, nodes, chi, drawn)


@exact
def number_run(room: GaussianRoom, run: Word) -> GaussianRoom:
    """The same room for another run."""
    number_runs(room.vectors, run)
    drawn = borrow(room.drawn)
    for block in range(drawn.size):
        drawn[block] = -1
    return room


@exact
def fill_chi_squares(
    source: Gaussian, counter: Counter, first_step: Word, first_node: Word, room: GaussianRoom, out: Reals
) -> None:
    """Chi-squares at all positions of a block: their chains of operations are long, and overlap."""
    wide_vectors()
    kept_apart()
    key, out, chi, run = borrow(counter.key), borrow(out), borrow(room.chi), counter.run
    steps, nodes, laws = borrow(room.steps), borrow(room.nodes), borrow(source.chi)
    for i in range(3):
        for t in range(out.size):
            u = np.uint64(t)
            chi[np.uint64(i), u] = laws[np.uint64(i), first_node + nodes[u]]
    for t in range(out.size):
        u = np.uint64(t)
        step, node = first_step + steps[u], first_node + nodes[u]
        out[u] = chi_square_attempt(
            key, CHI_SQUARE, np.uint64(0), step, node, run, chi[0, u], chi[1, u], chi[2, u]
        )
    # Rejections (5 % at most) try again outside the vector loop.
    for t in range(out.size):
        u, attempt = np.uint64(t), np.uint64(1)
        while out[u] < 0.0:
            step, node = first_step + steps[u], first_node + nodes[u]
            out[u] = chi_square_attempt(
                key, CHI_SQUARE, attempt, step, node, run, chi[0, u], chi[1, u], chi[2, u]
            )
            attempt += np.uint64(1)


@elementary
def chi_squares_of(source: Gaussian, counter: Counter, first: int, count: int, room: GaussianRoom) -> Any:
    """A chi-square with as many degrees of freedom as the batch has samples, for each of the nodes."""
    chi_squares, drawn = borrow(room.chi_squares), borrow(room.drawn)
    if room.steps.size == BLOCK:
        fill_chi_squares(source, counter, counter.step, np.uint64(first), room, chi_squares)
        return entries(chi_squares, 0, count)
    block, period = first // BLOCK, np.int64(counter.step) // AHEAD
    ours = entries(chi_squares, block * BLOCK * AHEAD, BLOCK * AHEAD)
    if drawn[block] != period:
        fill_chi_squares(source, counter, np.uint64(period * AHEAD), np.uint64(block * BLOCK), room, ours)
        drawn[block] = period
    place = np.int64(counter.step) - period * AHEAD
    return entries(ours, place * BLOCK + first - block * BLOCK, count)


@elementary
def scale_nodes(source: Gaussian, first: int, count: int, x: Matrix, scaled: Matrix) -> None:
    """s = roots·(x − x*) of some nodes."""
    wide_vectors()
    x, scaled, roots, optimum = borrow(x), borrow(scaled), borrow(source.roots), borrow(source.optimum)
    size = x.shape[1]
    for i in range(count):
        here, there = (first + i) * size, i * size
        for t in range(0, size, LANES):
            value = load_from(roots, t) * (load_from(x, here + t) - load_from(optimum, t))
            store_entries(scaled, there + t, value)


@elementary
def sum_products(s: Matrix, z: Reals, stride: int, count: int, dots: Reals, squares: Reals) -> None:
    """Inner products s·z and s·s, row by row; rows of z lie ``stride`` apart."""
    wide_vectors()
    s, z, dots, squares = borrow(s), borrow(z), borrow(dots), borrow(squares)
    size = s.shape[1]
    for i in range(count):
        here, there = i * size, i * stride
        dot = square = spread(0.0)
        for t in range(0, size, LANES):
            value = load_from(s, here + t)
            dot = multiply_add(value, load_from(z, there + t), dot)
            square = multiply_add(value, value, square)
        dots[i], squares[i] = total(dot), total(square)


@elementary
def find_factors(
    source: Gaussian, first: int, count: int, factors: Reals, chi_squares: Reals, room: GaussianRoom
) -> None:
    """Of some nodes together, dots and squares turned into across and along."""
    wide_vectors()
    feature_stds, noise_stds, gains = (
        borrow(source.feature_stds),
        borrow(source.noise_stds),
        borrow(source.gains),
    )
    along, across = borrow(room.squares), borrow(room.dots)
    base = np.uint64(first)
    for i in range(count):
        u = np.uint64(i)
        node, square = base + u, along[u]
        feature_std, noise_std, chi = feature_stds[node], noise_stds[node], math.sqrt(chi_squares[u])
        gain = factors[u] * gains[node] * chi
        tau = math.sqrt(feature_std * feature_std * square + noise_std * noise_std)
        # At the optimum itself there is no direction to project on.
        projection = across[u] / square if square > 0.0 else 0.0
        along[u] = gain * (feature_std * chi + (noise_std - tau) * projection)
        across[u] = gain * tau


@elementary
def add_laws(
    roots: Reals, along: Reals, across: Reals, s: Matrix, z: Reals, stride: int, count: int, out: Matrix
) -> None:
    """out += roots·(along·s + across·z), row by row."""
    wide_vectors()
    roots, s, z, out = borrow(roots), borrow(s), borrow(z), borrow(out)
    size = s.shape[1]
    for i in range(count):
        a, b, here, there = spread_from(along, i), spread_from(across, i), i * size, i * stride
        for t in range(0, size, LANES):
            law = multiply_add(a, load_from(s, here + t), b * load_from(z, there + t))
            store_entries(out, here + t, multiply_add(load_from(roots, t), law, load_from(out, here + t)))


@elementary
def add_collapsed(
    source: Gaussian,
    room: GaussianRoom,
    first: int,
    last: int,
    counter: Counter,
    x: Matrix,
    factors: Reals,
    out: Matrix,
) -> None:
    """out[i - first] += factors[i - first] · gradient of node i at x[i], drawn from its closed law."""
    count, z, s, stride = last - first, room.normals, room.scaled, room.vectors.stride
    fill_vectors(room.vectors, counter, FEATURES, np.uint64(0), np.uint64(first), count, z)
    chi_squares = chi_squares_of(source, counter, first, count, room)
    scale_nodes(source, first, count, x, s)
    sum_products(s, z, stride, count, room.dots, room.squares)
    find_factors(source, first, count, factors, chi_squares, room)
    add_laws(source.roots, room.squares, room.dots, s, z, stride, count, out)


@elementary
def add_sampled(
    source: Gaussian,
    room: GaussianRoom,
    first: int,
    last: int,
    counter: Counter,
    x: Matrix,
    factors: Reals,
    out: Matrix,
) -> None:
    """The same sample by sample; a sample's last normal is the noise of its target."""
    wide_vectors()
    out, factors, roots = borrow(out), borrow(factors), borrow(source.roots)
    z, scaled, dim, half = borrow(room.normals), borrow(room.scaled), source.dim, (source.dim + 2) // 2
    stride = room.vectors.stride
    size = out.shape[1]
    scale_nodes(source, first, last - first, x, scaled)
    for i in range(last - first):
        there, node, s = i * size, first + i, rows(scaled, i, 1)
        feature_std, noise_std = source.feature_stds[node], source.noise_stds[node]
        gain = factors[i] * source.gains[node]
        for drawn in range(0, source.batch_sizes[node], SAMPLED):
            count = min(SAMPLED, source.batch_sizes[node] - drawn)
            index = np.uint64(drawn * half)
            fill_vectors(room.vectors, counter, FEATURES, index, np.uint64(node), count, z)
            for q in range(count):
                drawn = entries(z, q * stride, size + LANES)
                sum_products(s, drawn, stride, 1, room.dots, room.squares)
                factor = gain * (feature_std * room.dots[0] - noise_std * drawn[dim])
                for t in range(0, size, LANES):
                    value = factor * load_from(drawn, t)
                    sum_of_both = multiply_add(load_from(roots, t), value, load_from(out, there + t))
                    store_entries(out, there + t, sum_of_both)
