"""What a step does to second moments: stages, each linear in (weight, mean, raw second moments).

Arrays have an axis for groups of coordinates that share a law, and one for coordinates that only a law of all
of them together describes; one of the two has length 1. ``raw`` holds E[S Sᵀ], summed over the coordinates of
a group. A node's block has n rows: its iterate's deviation from the optimum, then its vectors of memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.theory.moments.gradients import Gradients
from desgd_fast.theory.moments.parts import NodeLaw

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """P(Z), E[S; Z] (groups, nodes, n·c) and E[S Sᵀ; Z] (groups, nodes, n·c, nodes, n·c) of an event Z.

    With weight and mean 0 a state moves as the difference between two runs does: no additive noise, no
    optimum that draws it.
    """

    weight: float
    mean: Array
    raw: Array | None

    def __add__(self, other: "Moments") -> "Moments":
        raw = None if self.raw is None or other.raw is None else self.raw + other.raw
        return Moments(self.weight + other.weight, self.mean + other.mean, raw)

    def times(self, probability: float) -> "Moments":
        """The moments on an independent event of this probability."""
        if probability == 1:
            return self
        raw = None if self.raw is None else probability * self.raw
        return Moments(probability * self.weight, probability * self.mean, raw)

    def without_names(self) -> "Moments":
        """The mean over all numberings of the nodes."""
        n_nodes = self.mean.shape[1]
        mean = np.broadcast_to(self.mean.mean(axis=1, keepdims=True), self.mean.shape).copy()
        if self.raw is None:
            return Moments(self.weight, mean, None)
        own = _own_blocks(self.raw).sum(axis=1)
        between = (self.raw.sum(axis=(1, 3)) - own) / max(n_nodes * (n_nodes - 1), 1)
        raw = np.broadcast_to(between[:, None, :, None], self.raw.shape).copy()
        _own_blocks(raw)[...] = own[:, None] / n_nodes
        return Moments(self.weight, mean, raw)


def _outer(left: Array, right: Array) -> Array:
    return np.asarray(left[..., :, None] * right[..., None, :])


def _second(maps: Array, drift: Array, weight: float, mean: Array, raw: Array) -> Array:
    """E[(K S + k)(K S + k)ᵀ] node by node, from the moments of S."""
    cross = _outer((maps @ mean[..., None])[..., 0], drift)
    constant = weight * _outer(drift, drift)
    return np.asarray(maps @ raw @ np.swapaxes(maps, -1, -2) + cross + np.swapaxes(cross, -1, -2) + constant)


def _own_blocks(raw: Array) -> Array:
    """The nodes' own blocks, (groups, nodes, n·c, n·c), as a view that can be written to."""
    blocks: Array = np.einsum("piris->pirs", raw)
    return blocks


@dataclass(frozen=True, eq=False)
class NodeStage:
    """Every node changes its own rows by a random linear map that may take a gradient."""

    law: NodeLaw
    gradients: Gradients

    @cached_property
    def _each(self) -> tuple[Array, Array]:
        """Of every outcome: its map (outcomes, groups, nodes, n'·c, n·c), and what it makes of zeros."""
        law, source, n, size = self.law, self.gradients, self.law.n_rows, self.gradients.size
        slopes, optimum, identity = source.slopes, source.optimum[:, None, :], np.eye(size)
        # Rows and coordinates on axes of their own: (outcomes, groups, nodes, n', c, n, c).
        of_rows = law.maps[:, None, :, :, None, :n, None] * identity[:, None, :]
        of_place = law.places[:, None, None, None, None, :n, None] * slopes[:, :, None, :, None, :]
        maps = of_rows + law.maps[:, None, :, :, None, n : n + 1, None] * of_place
        pulled = source.drift + law.places[:, n, None, None, None] * (slopes @ optimum[..., None])[..., 0]
        drift = law.maps[:, None, :, :, n, None] * pulled[:, :, :, None, :]
        drift = drift + law.maps[:, None, :, :, n + 1, None] * optimum[:, :, None, :]
        shape = (*maps.shape[:2], max(maps.shape[2], drift.shape[2]))
        maps = np.broadcast_to(maps, (*shape, *maps.shape[3:]))
        drift = np.broadcast_to(drift, (*shape, *drift.shape[3:]))
        return maps.reshape(*shape, -1, n * size), drift.reshape(*shape, -1)

    @cached_property
    def _average(self) -> tuple[Array, Array]:
        """The mean map (groups, nodes, n'·c, n·c) and drift (groups, nodes, n'·c)."""
        maps, drift = self._each
        chance = self.law.probabilities[:, None, :, None]
        return (chance[..., None] * maps).sum(axis=0), (chance * drift).sum(axis=0)

    @cached_property
    def _drift(self) -> Array:
        return self._average[1]

    def _side(self, array: Array, mixing: "MixStage | None") -> Array:
        """The mean map on the first axis of nodes of (groups, nodes, n·c, …) arrays."""
        law, (groups, n_nodes, _, *rest) = self.law, array.shape
        wide = array.reshape(groups, n_nodes, law.n_rows, self.gradients.size, -1)
        rows = law.mean_maps[:, :, : law.n_rows]
        result = (rows @ wide.reshape(groups, n_nodes, law.n_rows, -1)).reshape(
            groups, n_nodes, -1, *wide.shape[3:]
        )
        for place, _, column in law.gradients_taken:
            used = np.flatnonzero(place[:-1])
            at = sum(place[r] * wide[:, :, r] for r in used)
            result += column[:, :, None, None] * (self.gradients.slopes @ at)[:, :, None]
        if mixing is not None:
            mixing.add(wide, result)
        return np.asarray(result.reshape(groups, n_nodes, -1, *rest))

    def forward(self, moments: Moments, mixing: "MixStage | None" = None) -> Moments:
        """The moments after it; ``mixing`` adds W x to what the maps make of the iterates x before."""
        drift = self._drift
        moved = self._side(moments.mean, mixing)
        if moments.raw is None:
            return Moments(moments.weight, moved + moments.weight * drift, None)
        raw = moments.raw
        for _ in range(2):  # twice, for K raw Kᵀ is symmetric: its transpose is itself
            raw = np.ascontiguousarray(self._side(raw, mixing).transpose(0, 3, 4, 1, 2))
        if mixing is not None:
            mixing.vary(moments.raw, raw)
        if moments.weight or moments.mean.any():
            far = np.broadcast_to(drift, moved.shape)
            cross = np.einsum("pir,pjs->pirjs", moved, far)
            constant = moments.weight * np.einsum("pir,pjs->pirjs", far, far)
            raw += cross + cross.transpose(0, 3, 4, 1, 2) + constant
        _own_blocks(raw)[...] += self._variance(moments.weight, moments.mean, moments.raw)
        return Moments(moments.weight, moved + moments.weight * drift, raw)

    def _variance(self, weight: float, mean: Array, raw: Array) -> Array:
        """What the nodes' own randomness adds to their own blocks, (groups, nodes, n'·c, n'·c)."""
        law, source, n = self.law, self.gradients, self.law.n_rows
        groups, n_nodes, _ = mean.shape
        own, size = _own_blocks(raw), source.size
        result: Any = 0.0
        if len(law.probabilities) > 1:
            maps, drift = self._each
            chance = law.probabilities[:, None, :, None, None]
            result = (chance * _second(maps, drift, weight, mean, own)).sum(axis=0)
            result = result - _second(*self._average, weight, mean, own)
        rows, optimum = own.reshape(groups, n_nodes, n, size, n, size), source.optimum[:, None]
        for place, taken, _ in law.gradients_taken:
            at = np.einsum("r,pirs->pis", place[:n], mean.reshape(groups, n_nodes, n, size))
            square = np.tensordot(np.tensordot(rows, place[:n], (4, 0)), place[:n], (2, 0))
            cross = place[n] * _outer(at, optimum)
            square = square + cross + np.swapaxes(cross, -1, -2)
            square = square + weight * place[n] ** 2 * _outer(optimum, optimum)
            variance = source.variance(weight, at + weight * place[n] * optimum, square)
            result = result + _kronecker(taken, variance)
        if law.noise is not None:
            unit = source.multiplicities[:, None, None, None] * np.eye(size)
            result = result + weight * _kronecker(law.noise, unit)
        return np.asarray(result)


def _kronecker(rows: Array, coordinates: Array) -> Array:
    """(nodes, n', n') ⊗ (groups, nodes, c, c) → (groups, nodes, n'·c, n'·c)."""
    product = rows[None, :, :, None, :, None] * coordinates[:, :, None, :, None, :]
    groups, n_nodes, n, size = product.shape[:4]
    return np.asarray(product.reshape(groups, n_nodes, n * size, n * size))


@dataclass(frozen=True, eq=False)
class MixStage:
    """Some rows of all nodes are averaged with W, or with a random one: its mean, and Q ↦ E[W Q Wᵀ]."""

    weights: Any
    rows: tuple[int, ...]
    n_rows: int
    quadratic: Callable[[Array], Array] | None = None

    def _mix(self, array: Array) -> Array:
        """W on the first axis of nodes."""
        wide = array.reshape(*array.shape[:2], self.n_rows, -1)
        result = wide.copy()
        result[:, :, list(self.rows)] = 0.0
        self.add(wide, result)
        return result.reshape(array.shape)

    def forward(self, moments: Moments) -> Moments:
        raw = moments.raw
        if raw is None:
            return Moments(moments.weight, self._mix(moments.mean), None)
        for _ in range(2):
            raw = np.ascontiguousarray(self._mix(raw).transpose(0, 3, 4, 1, 2))
        assert moments.raw is not None
        self.vary(moments.raw, raw)
        return Moments(moments.weight, self._mix(moments.mean), raw)

    def add(self, wide: Array, out: Array) -> None:
        """Add W on the mixed rows to (groups, nodes, n, …) arrays."""
        rows = list(self.rows)
        mixed = np.moveaxis(wide[:, :, rows], 1, 0)
        averaged = (self.weights @ mixed.reshape(wide.shape[1], -1)).reshape(mixed.shape)
        out[:, :, rows] += np.moveaxis(averaged, 0, 1)

    def vary(self, raw: Array, out: Array) -> None:
        """Add what W's own randomness makes of moments to those after the mixing."""
        if self.quadratic is None:
            return
        groups, n_nodes, size, *_ = raw.shape
        shape = (groups, n_nodes, self.n_rows, size // self.n_rows, n_nodes, self.n_rows, -1)
        before, after = raw.reshape(shape), out.reshape(shape)
        for p, r, s, c, t in product(range(groups), self.rows, self.rows, *2 * [range(shape[3])]):
            block = before[p, :, r, c, :, s, t]
            after[p, :, r, c, :, s, t] += self.quadratic(block) - (self.weights @ (self.weights @ block).T).T
