"""A step whose growth does not remember: ‖x⁺‖ / ‖x‖ drawn again and again from one state.

Where all nodes are at one point x after a step, remember nothing else, and no rotation changes what they do,
R = ‖x⁺‖ / ‖x‖ has one law wherever x is, and those of following steps are independent. Then h(s) = E R^s is
an average over draws of R, with an error that is simply theirs. It is so for a server that sends all
clients the same, under any aggregation by distances, and for one node.
"""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import threads as common_threads
from desgd_fast.experiment import Experiment
from desgd_fast.kernels.growth import runs
from desgd_fast.kernels.loops.general import State
from desgd_fast.kernels.loops.steps import Span
from desgd_fast.loop.loop import Loop
from desgd_fast.problems.protocols import ClosedLaw
from desgd_fast.theory.closed.factors import FEW_DRAWS, Factor
from desgd_fast.theory.question import cycle

Array = NDArray[np.float64]

# The largest moment that is looked at.
_LARGEST = 1024.0
# Draws to begin with, and at most; bytes of the states that are drawn side by side.
_FEWEST, _MOST, _BYTES = 2**16, 2**23, 2**26
_NEVER = np.iinfo(np.int64).max


@dataclass(eq=False)
class Draws(Factor):
    """Draws of log R, of which there are as many as were asked for; steps of a cycle count as one."""

    problem: Any
    experiment: Experiment
    threads: int | None
    logs: Array = field(default_factory=lambda: np.empty(0))

    method = "draws"

    def __post_init__(self) -> None:
        self._loop = Loop.of(self.problem, self.experiment, at_infinity=True)
        self._cycle = cycle(self.problem, self.experiment)
        self._step = 0

    @classmethod
    def of(cls, far: Any, asked: Experiment, threads: int | None) -> "Draws | None":
        """Of an experiment that does not remember; None for any other."""
        algorithm, process = asked.algorithm, asked.process
        forgets = not any(part.memory for part in algorithm.parts) and not (
            process.remembers and process.n_memory > 0
        )
        # In one dimension the only rotation is −1, which linear steps do not mind either.
        unmoved = algorithm.equivariant or (far.dim == 1 and algorithm.degree == "linear")
        isotropic = far.dim == 1 or (isinstance(far, ClosedLaw) and far.isotropic)
        if not (forgets and isotropic and unmoved):
            return None
        draws = cls(far, asked, threads)
        return draws if draws._meets() else None

    def _state(self, count: int) -> State:
        """All nodes at one point, at length one together."""
        iterates = np.zeros((count, self.experiment.n_nodes, self._loop.size))
        iterates[..., 0] = self.experiment.n_nodes**-0.5
        return State(iterates, np.empty((count, 0, 0)), *self._loop.begin(count))

    def _advance(self, count: int) -> tuple[State, Array]:
        state, logs = self._state(count), np.empty(count)
        with common_threads.limited_to(self.threads):
            self._loop.advance(state, Span(self._step, self._cycle, _NEVER, 0))
            runs.bring_back_runs(state, self._loop.rules.local_scales, logs)
        self._step += self._cycle
        return state, logs

    def _meets(self) -> bool:
        """Whether all nodes are at one point again."""
        iterates = self._advance(64)[0].iterates
        return bool(np.abs(iterates - iterates[:, :1]).max() <= 1e-12)

    def _draw(self, size: int) -> None:
        """Have so many draws."""
        numbers = self._loop.memory_bytes // 8 + self.experiment.n_nodes * self._loop.size
        at_once = min(max(_BYTES // (8 * numbers), 1), 2**14)
        rounds = math.ceil((size - self.logs.size) / at_once)
        self.logs = np.concatenate([self.logs, *(self._advance(at_once)[1] for _ in range(rounds))])

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.logs.size)

    def _powers(self, s: float) -> tuple[Array, float]:
        """R^s in units of the largest, and its logarithm."""
        largest = s * float(self.logs.max())
        return np.exp(s * self.logs - largest), largest

    def log_growth(self, s: float) -> float:
        powers, largest = self._powers(s)
        return (largest + math.log(powers.mean())) / self._cycle

    def log_growth_stderr(self, s: float) -> float:
        powers, _ = self._powers(s)
        return float(powers.std() / powers.mean()) / math.sqrt(self.size) / self._cycle

    def slope(self, s: float) -> float:
        powers, _ = self._powers(s)
        return float(powers @ self.logs / powers.sum()) / self._cycle

    def lyapunov_exponent(self) -> float:
        return float(self.logs.mean()) / self._cycle

    def lyapunov_stderr(self) -> float:
        return float(self.logs.std()) / math.sqrt(self.size) / self._cycle

    def seen(self) -> float:
        low, high = 0.0, 1.0
        while self._effective(high) >= FEW_DRAWS and high < _LARGEST:
            low, high = high, 2 * high
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self._effective(middle) >= FEW_DRAWS else (low, middle)
        return low

    def _effective(self, s: float) -> float:
        powers, _ = self._powers(s)
        return float(powers.sum() ** 2 / (powers @ powers))

    def precise(self, rtol: float, s: float | None = None) -> "Draws":
        wanted = max(self.size, _FEWEST)
        while True:
            self._draw(wanted)
            if s == 0:
                excess = self.lyapunov_stderr() / (rtol * abs(self.lyapunov_exponent()))
            else:
                moment = self.tail_index(_LARGEST) if s is None else s
                lack = FEW_DRAWS / self._effective(moment) if math.isfinite(moment) else math.inf
                if lack * self.size > _MOST:  # hopeless
                    return self
                excess = self.log_growth_stderr(moment) / (rtol * moment * abs(self.slope(moment)))
                excess = max(excess, math.sqrt(lack))
            if excess <= 1 or self.size >= _MOST:
                return self
            wanted = min(_MOST, math.ceil(self.size * min(1.1 * excess**2, 8.0)))
