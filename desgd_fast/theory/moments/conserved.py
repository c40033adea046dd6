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

from desgd_fast.algorithms import Algorithm
from desgd_fast.mixing import MixingProcess
from desgd_fast.theory.moments.parts import Direction, Rows, directions
from desgd_fast.theory.moments.rounds import Chain, chain, period

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Conserved:
    """Orthonormal forms of a node's rows, (forms, n), zero for ``each``, or ``summed`` over who talk."""

    each: Array
    summed: Array
    label: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, made: Sequence[list[Direction]], chain: Chain) -> "Conserved":
        """What the outcomes of the local rules leave at zero; a list holds what nodes may do at one step."""
        algorithm = rows.algorithm
        waiting = algorithm.participation is not None or isinstance(algorithm.local_steps, tuple)
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
        if not self:
            return states
        wide = states.reshape(*states.shape[:-1], self.each.shape[1], -1)
        return self._removed(wide, self.each, self.summed).reshape(states.shape)

    def removed_from_memory(self, memory: Array) -> Array:
        """What nodes remember, (…, nodes, vectors of local rules, c), likewise."""
        local = slice(1, 1 + memory.shape[-2])
        return self._removed(memory, self.each[:, local], self.summed[:, local])

    def __bool__(self) -> bool:
        return len(self.each) + len(self.summed) > 0

    def _removed(self, wide: Array, each: Array, summed: Array) -> Array:
        if len(each):
            wide = wide - np.einsum("fr,fs,...isc->...irc", each, each, wide)
        if len(summed):
            member = np.eye(self.label.max() + 1)[self.label]
            share = member @ (member / member.sum(axis=0)).T
            wide = wide - np.einsum("fr,fs,ij,...jsc->...irc", summed, summed, share, wide, optimize=True)
        return np.asarray(wide)

    def removed_twice(self, raw: Array) -> Array:
        """Second moments (…, nodes, n·c, nodes, n·c) of such states."""
        if not self:
            return raw
        for _ in range(2):  # one side, then the other
            turned = np.moveaxis(raw, (-2, -1), (-4, -3))
            raw = self.removed(turned)
        return np.ascontiguousarray(raw)


def conserved(algorithm: Algorithm, process: MixingProcess, dim: int) -> Conserved | None:
    """What a linear algorithm leaves at zero far from the optimum; None where its rules are not known."""
    if not any(part.memory for part in algorithm.local):
        return None
    rows = Rows.of(algorithm, at_infinity=True)
    try:
        made = [one for _, one in directions(rows, dim)]
        listed = chain(process, period(process, 1), outcomes=False)
    except ValueError:
        return None
    found = Conserved.of(rows, made, listed)
    return found or None


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
