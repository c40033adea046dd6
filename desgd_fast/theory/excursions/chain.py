"""An experiment as a Markov chain: whole states, iterates and memory, that are advanced, measured, copied."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.experiment import Experiment
from desgd_fast.kernels.loops.general import State
from desgd_fast.kernels.loops.steps import Span
from desgd_fast.loop.layout import Layout
from desgd_fast.loop.loop import Loop
from desgd_fast.problems.protocols import ClosedLaw
from desgd_fast.theory.excursions import checks
from desgd_fast.theory.excursions.fused import Fused
from desgd_fast.theory.question import cycle

Real = NDArray[np.float64]
# What an excursion is followed along: the norm of all nodes, that of one, or a function of the deviations.
Along = int | Callable[[Real], Any] | None

_NEVER = 2**62


@dataclass(eq=False)
class Chain:
    """States of an experiment, looked at after every ``cycle`` of steps, when the law is the same again."""

    loop: Loop
    layout: Layout
    offset: Real
    basis: Real | None
    cycle: int
    fused: Fused | None
    clock: int = 0

    @classmethod
    def of(cls, problem: Any, experiment: Experiment) -> "Chain":
        """The chain of a problem under an experiment."""
        layout = Layout.of(experiment.n_nodes, problem.dim, most_lanes=1)
        basis = problem.basis if isinstance(problem, ClosedLaw) else None
        optimum = np.asarray(problem.optimum, np.float64)
        offset = optimum if basis is None else optimum @ basis
        loop, fused = Loop.of(problem, experiment), Fused.of(problem, experiment)
        return cls(loop, layout, offset, basis, cycle(problem, experiment), fused)

    @property
    def state_bytes(self) -> int:
        """Memory of one state."""
        return 8 * self.layout.n_nodes * self.layout.size + self.loop.memory_bytes

    def start(self, n_runs: int) -> State:
        """So many runs at the optimum, before their first step."""
        iterates = self.layout.zeros(n_runs)
        self.layout.pack(np.broadcast_to(self.offset, (self.layout.n_nodes, self.offset.size)), iterates)
        return State(iterates, np.empty((n_runs, 0, 0)), *self.loop.begin(n_runs))

    def advance(self, state: State, first_run: int, n_cycles: int = 1) -> None:
        """Take states on, under the numbers of these runs."""
        n_steps = n_cycles * self.cycle
        if self.fused is None:
            self.loop.advance(state, Span(self.clock, n_steps, _NEVER, first_run))
        else:
            after = self.fused.advance(self.deviations(state), self.clock, n_steps, first_run)
            state.iterates[:, :, : self.offset.size] = self.offset + after
        self.clock += n_steps

    def deviations(self, state: State) -> Real:
        """x − x* of every node, (n_runs, n_nodes, dim), in the coordinates of the state."""
        return np.asarray(state.iterates[:, :, : self.offset.size] - self.offset)


def take(state: State, places: NDArray[np.int64]) -> State:
    """Copies of the states at these places."""
    return State(*(np.take(field, places, axis=0) for field in state))


def joined(states: Iterable[State]) -> State:
    """States one after the other."""
    return State(*(np.concatenate(fields) for fields in zip(*states, strict=True)))


@dataclass(frozen=True, eq=False)
class Gauge:
    """How far out a whole state is: the norm of all deviations, and of what nodes remember on their scale.

    Momentum and the like are counted from their median, in units of what they are where iterates deviate by
    one; so a state is near only where iterates and memory both are.
    """

    chain: Chain
    along: Along
    centres: tuple[Real, ...] = ()
    rates: tuple[Real, ...] = ()

    @classmethod
    def fitted(cls, chain: Chain, along: Along, state: State) -> "Gauge":
        """The gauge with the scales of these states."""
        typical = np.median(_length(chain.deviations(state)))
        centres, rates = [], []
        for memory in _memories(state, chain.layout.n_nodes):
            centres.append(np.median(memory, axis=0))
            scale = np.median(_lengths(memory - centres[-1]), axis=0)
            rates.append(np.divide(typical, scale, out=np.zeros_like(scale), where=scale > 0))
        return cls(chain, along, tuple(centres), tuple(rates))

    def __call__(self, state: State) -> tuple[Real, Real]:
        """How far out states are, and what they are along the direction that is watched; (n_runs,) both."""
        deviations = self.chain.deviations(state)
        length = _length(deviations)
        far = length
        memories = _memories(state, self.chain.layout.n_nodes)
        for memory, centre, rate in zip(memories, self.centres, self.rates, strict=True):
            far = np.sqrt(far**2 + np.square(rate * _lengths(memory - centre)).sum(axis=-1))
        if self.along is None:
            return far, length
        if isinstance(self.along, int):
            return far, np.sqrt(np.square(deviations[:, self.along]).sum(axis=-1))
        basis = self.chain.basis
        return far, checks.one_per_run(
            "along", self.along, deviations if basis is None else deviations @ basis.T
        )


def _length(deviations: Real) -> Real:
    """Of every run's deviations, stacked."""
    return np.asarray(np.sqrt(np.einsum("rnc,rnc->r", deviations, deviations)))


def _memories(state: State, n_nodes: int) -> list[Real]:
    """Vectors of memory that are kept, (n_runs, n_nodes, n_vectors, size) each."""
    kept = (memory for memory in (state.memory, state.messages) if memory.size)
    return [memory.reshape(len(memory), n_nodes, -1, memory.shape[-1]) for memory in kept]


def _lengths(memory: Real) -> Real:
    """Of each vector of all nodes, stacked, (n_runs, n_vectors)."""
    return np.asarray(np.sqrt(np.einsum("rnvc,rnvc->rv", memory, memory)))
