"""What no step changes: a state that begins without memory keeps out of it.

Gradient tracking keeps Σ_i t_i = Σ_i g_i, the gradients it saw last. Left in, a difference between the two
would stay for ever, and show up as an eigenvalue 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from desgd_fast.mixing import MixingProcess
from desgd_fast.theory.moments.parts import Direction, Rows

Array = NDArray[np.float64]


def _kernel(matrix: Array) -> Array:
    """Orthonormal rows that span {v : matrix v = 0}."""
    _, sizes, vectors = np.linalg.svd(matrix)
    rank = np.count_nonzero(sizes > 1e-12 * max(1.0, float(sizes.max(initial=0.0))))
    return np.asarray(vectors[rank:])


@dataclass(frozen=True, eq=False)
class Conserved:
    """Orthonormal forms of a node's rows, (forms, n), kept by ``each``, or ``summed`` over who talk."""

    each: Array
    summed: Array
    label: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, made: Sequence[Direction], process: MixingProcess) -> "Conserved":
        """What the outcomes of the local rules leave as it is."""
        n, held = rows.n, rows.local_memory
        still = np.eye(n, n + 2)[1 : 1 + held]
        changes = [one.memory[:, : n + 2] - still for one in made]
        kept = np.zeros((0, n)) if held == 0 else _padded(_kernel(np.hstack(changes).T), n)
        mixed = list(rows.mixed)
        unmixed = _kernel(kept[:, mixed].T) @ kept if mixed else kept
        rest = _kernel(unmixed) if len(unmixed) else np.eye(n)
        summed = _span(kept @ rest.T @ rest)
        n_nodes = process.n_nodes
        _, label = (
            connected_components(process.mean, connection="weak")
            if process.mean.shape[0] > 1
            else (1, np.zeros(n_nodes, int))
        )
        sums = np.asarray(process.mean.sum(axis=0)).ravel() * (
            1 if process.mean.shape[0] == n_nodes else n_nodes
        )
        if np.abs(sums - 1).max() > 1e-9:  # columns do not sum to one: sums are not kept
            summed = np.zeros((0, n))
        return cls(unmixed, summed, np.asarray(label, np.int64))

    def removed(self, states: Array) -> Array:
        """States (…, nodes, n·c) without their parts along what is conserved."""
        if not (len(self.each) or len(self.summed)):
            return states
        n = (self.each if len(self.each) else self.summed).shape[1]
        wide = states.reshape(*states.shape[:-1], n, -1)
        if len(self.each):
            wide = wide - np.einsum("fr,fs,...isc->...irc", self.each, self.each, wide)
        if len(self.summed):
            member = np.eye(self.label.max() + 1)[self.label]
            share = member @ (member / member.sum(axis=0)).T
            wide = wide - np.einsum(
                "fr,fs,ij,...jsc->...irc", self.summed, self.summed, share, wide, optimize=True
            )
        return np.asarray(wide.reshape(states.shape))

    def removed_twice(self, raw: Array) -> Array:
        """Second moments (…, nodes, n·c, nodes, n·c) of such states."""
        if not (len(self.each) or len(self.summed)):
            return raw
        for _ in range(2):  # one side, then the other
            turned = np.moveaxis(raw, (-2, -1), (-4, -3))
            raw = self.removed(turned)
        return np.ascontiguousarray(raw)


def _padded(forms: Array, n: int) -> Array:
    """Forms of the memory of local rules as forms of all rows."""
    return np.pad(forms, ((0, 0), (1, n - 1 - forms.shape[1])))


def _span(vectors: Array) -> Array:
    """Orthonormal rows with the same span."""
    if vectors.size == 0:
        return vectors
    _, sizes, basis = np.linalg.svd(vectors, full_matrices=False)
    return np.asarray(basis[sizes > 1e-12])
