"""What rounds of a network there are: the matrices of a mixing process as a finite chain of situations."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from desgd_fast.mixing import MixingProcess
from desgd_fast.theory.moments import checks
from desgd_fast.theory.moments.parts import compiled

Array = NDArray[np.float64]

_MOST_SITUATIONS = 4096
# Below this many nodes a dense product beats a sparse one.
_DENSE_NODES = 128


@dataclass(frozen=True, eq=False)
class Round:
    """One way in which a round goes from a situation: its probability, matrix, memory, and where it leads.

    ``weights`` is the matrix itself, or its mean where ``quadratic``, Q ↦ E[W Q Wᵀ], says how it varies.
    """

    probability: float
    weights: Any
    quadratic: Any
    memory: Array
    following: int

    @property
    def keeps_sums(self) -> bool:
        """Whether all columns sum to one: on average, and without variance."""
        columns = np.asarray(self.weights.sum(axis=0)).ravel()
        varied = 0.0 if self.quadratic is None else float(self.quadratic(np.eye(columns.size)).sum())
        return bool(np.abs(columns - 1).max() <= 1e-9 and varied <= columns.size * (1 + 1e-9))


@dataclass(frozen=True, eq=False)
class Chain:
    """Situations between rounds: ``rounds[z]`` lists what may happen from z, ``turns[z]`` is its turn.

    After ``period`` rounds the turns begin again.
    """

    rounds: list[list[Round]]
    turns: list[int]
    period: int

    @property
    def starts(self) -> list[int]:
        """Situations at which turns begin."""
        return [z for z, turn in enumerate(self.turns) if turn == 0]

    @property
    def keeps_sums(self) -> bool:
        """Whether no matrix that may come changes a sum over all nodes."""
        return all(one.keeps_sums for listed in self.rounds for one in listed)


def period(process: MixingProcess, rounds: int) -> int:
    """Rounds after which the process and something that repeats after so many both begin again."""
    return math.lcm(max(len(process.turns), 1), rounds)


def chain(process: MixingProcess, period: int, *, outcomes: bool, alike: bool = False) -> Chain:
    """All situations that a process gets into from its first, followed through turns of ``period`` rounds.

    With ``outcomes`` every matrix is followed; else they may be averaged over. With ``alike`` one of them
    stands for all, which differ in the numbering of the nodes.
    """
    averaged = process.quadratic is not None and not outcomes
    if not (averaged or process.turns or process.function is None):
        checks.known_outcomes_of_process("W", process)
    first = np.zeros(0 if averaged else process.n_memory)
    rounds: list[list[Round]] = []
    # The first round of all is of its own where there is a memory to begin with.
    begins = process.remembers and first.size > 0
    seen = [(0, first, begins)]
    number = {(0, first.tobytes(), begins): 0}
    for turn, memory, new in seen:  # grows as it goes
        found: dict[tuple[bytes, bytes], Round] = {}
        meeting = turn if new or first.size == 0 else turn + period
        for probability, weights, after in _listed(process, meeting, memory, averaged, alike):
            kept = after if process.remembers else first
            situation = ((turn + 1) % period, kept.tobytes(), False)
            if situation not in number:
                number[situation] = len(seen)
                seen.append((situation[0], kept, False))
                checks.few("W", "situations", len(seen), _MOST_SITUATIONS)
            data = (
                weights.toarray() if sparse.issparse(weights) and process.n_nodes <= _DENSE_NODES else weights
            )
            same = (after.tobytes(), data.data.tobytes() if sparse.issparse(data) else data.tobytes())
            if same in found:
                probability += found[same].probability
            quadratic = process.quadratic if averaged and process.function is not None else None
            found[same] = Round(probability, weights, quadratic, after, number[situation])
        rounds.append(list(found.values()))
    return Chain(rounds, [turn for turn, _, _ in seen], period)


def _listed(
    process: MixingProcess, meeting: int, memory: Array, averaged: bool, alike: bool
) -> Iterator[tuple[float, Any, Array]]:
    """Probabilities, matrices and memory of all outcomes of a round."""
    base = process.base
    if process.function is None or averaged:
        yield 1.0, _square(process, process.mean), memory
        return
    function = compiled(process.function)
    listed: Any = [(1.0, [])]
    if alike:
        listed = [(1.0, np.full(process.n_uniforms, 0.5))]
    elif process.outcomes is not None:
        listed = list(islice(process.outcomes(meeting, memory), _MOST_SITUATIONS + 1))
    checks.few("W", "outcomes", len(listed), _MOST_SITUATIONS)
    for probability, uniforms in listed:
        weights, kept = np.zeros(base.data.size), memory.copy()
        drawn = np.array(uniforms, float)
        function(meeting, base.data, base.indptr, base.indices, drawn, process.tables, kept, weights)
        matrix = sparse.csr_array((weights, base.indices, base.indptr), shape=base.shape)
        yield float(probability), _square(process, matrix), kept


def _square(process: MixingProcess, weights: Any) -> Any:
    """A matrix with a row for every node."""
    if process.common:
        return np.tile(weights.toarray(), (process.n_nodes, 1))
    return weights.toarray() if process.n_nodes <= _DENSE_NODES else weights
