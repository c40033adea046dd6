"""What is zero for ever: a state that begins without memory never leaves a subspace.

Gradient tracking keeps Σ_i t_i = Σ_i g_i, the gradients it saw last. EXTRA keeps Σ_i q_i = 0, and thanks to
that Σ_i m_i = 0, which a step would change otherwise: such forms are not found one by one, only as the
largest space of forms that are zero at the beginning, that gradients do not enter, and that a step maps into
itself. Left in, what is zero in the law would stay for ever once rounding has made it something else, and
show up as an eigenvalue 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from desgd_fast.theory.moments.parts import Direction, Rows
from desgd_fast.theory.moments.rounds import Chain

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Conserved:
    """Orthonormal forms of a node's rows, (forms, n), zero for ``each``, or ``summed`` over who talk."""

    each: Array
    summed: Array
    label: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, made: Sequence[list[Direction]], waiting: bool, chain: Chain) -> "Conserved":
        """What the outcomes of the local rules leave at zero; ``waiting`` if a node may take no part.

        Each list in ``made`` holds what may happen at the nodes of one step.
        """
        held, n = rows.local_memory, rows.n
        together = [
            [
                np.pad(memory, ((1, n - 1 - held), (0, 0)))
                for one in listed
                for memory in _changes(one, waiting)
            ]
            for listed in made
        ]
        changes = [change for listed in together for change in listed]
        maps, entering = [one[:, :n] for one in changes], [one[:, n:] for one in changes]
        memory = np.eye(n)[1 : 1 + held]
        each = _staying(np.delete(memory, np.array(rows.mixed, int) - 1, axis=0), entering, maps)
        summed = np.zeros((0, n))
        if chain.keeps_sums:
            # Nodes that differ in their outcomes must still all move the same form.
            apart = [(one - listed[0])[:, :n] @ _kernel(each).T for listed in together for one in listed[1:]]
            summed = _staying(memory, [*entering, *apart], [listed[0][:, :n] for listed in together])
        return cls(each, _kernel(np.vstack([each, _kernel(summed)])), _label(chain))

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


def _changes(one: Direction, waiting: bool) -> list[Array]:
    """What a node may make of its memory in one outcome."""
    return [one.memory, one.looked] if waiting else [one.memory]


def _kernel(matrix: Array) -> Array:
    """Orthonormal rows that span {v : matrix v = 0}."""
    _, sizes, vectors = np.linalg.svd(matrix)
    rank = np.count_nonzero(sizes > 1e-12 * max(1.0, float(sizes.max(initial=0.0))))
    return np.asarray(vectors[rank:])


def _staying(forms: Array, entering: Sequence[Array], maps: Sequence[Array]) -> Array:
    """The largest space of forms among these that nothing enters and that all maps lead back into."""
    while True:
        outside = _kernel(forms).T
        unwanted = np.hstack([*entering, *(one @ outside for one in maps)])
        fewer = np.asarray(_kernel((forms @ unwanted).T) @ forms)
        if len(fewer) == len(forms):
            return fewer
        forms = fewer


def _label(chain: Chain) -> NDArray[np.int64]:
    """Which nodes ever talk to each other."""
    matrices = [one.weights for listed in chain.rounds for one in listed]
    talk = sum(abs(one) for one in matrices)
    return np.asarray(connected_components(talk, connection="weak")[1], np.int64)
