"""Growth of any homogeneous algorithm on any problem: the step loop itself, far from the optimum.

A particle is a whole state: iterates, and what nodes remember. The loop advances it with the noise off, by
the problem at infinity; its length is brought back to one, its weight gains that length to the power s, and
the population is resampled in proportion to the weights. It needs φ(cS) = cφ(S), not linearity:

    log h(s) = s · rate + (1 / stride) · (log(mean of Σ W ℓ^s / Σ W) + what :mod:`.population` adds to it)

over stretches of ``stride`` steps in which a particle grows by ℓ more than at the typical rate. The slope of
log h is the growth of survivors along their whole past: the last step alone does not know which will grow.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.common import threads as common_threads
from desgd_fast.common.pieces import pieces
from desgd_fast.experiment import Experiment
from desgd_fast.kernels.draw.minibatches import sampling_of
from desgd_fast.kernels.gradients.minibatches import Rows
from desgd_fast.kernels.growth import growth, runs
from desgd_fast.kernels.loops import general
from desgd_fast.kernels.loops.steps import Span
from desgd_fast.loop.loop import Loop
from desgd_fast.theory import checks
from desgd_fast.theory.growth.population import LONGEST_INTERVAL, SPREAD
from desgd_fast.theory.moments.conserved import Conserved, conserved
from desgd_fast.theory.question import cycle, epoch

Array = NDArray[np.float64]

# Stretches of one step, of one epoch or of a typical path, after which a population has forgotten its begin.
_BURN_IN = 64
# Normals of one call: some tenths of a second.
_CALL_NORMALS = 1 << 24
# Stretches that show the typical rate.
_SEEN = 8
# Paths that show rho, and steps of each between two looks at it.
_PATHS, _PATIENT = 256, 64
# Logarithm of growth whose square numbers still hold.
_IN_RANGE = 300.0
# Steps over which the rows drawn are counted, and parts of the population that count them side by side.
_COUNTED, _PARTS = 64, 16
_NEVER = np.iinfo(np.int64).max


@dataclass(eq=False)
class Particles:
    """A population in progress; every call of ``grow`` continues where the last one stopped.

    ``problem`` is one at infinity, ``most`` the number of particles, of which a typical path needs fewer, and
    ``burn_in`` the steps that were thrown away before the current stretch. Weights are relative to growth at
    ``rate``, near what is typical: a power of an epoch's growth may be beyond the range of numbers.
    """

    problem: Any
    experiment: Experiment
    most: int
    threads: int | None = None
    step: int = 0
    stride: int = 1
    patience: int = 16
    burn_in: int = 0
    look: int = 64
    rate: float = math.nan
    loop: Loop = field(init=False)

    def __post_init__(self) -> None:
        self.loop = Loop.of(self.problem, self.experiment, at_infinity=True)
        self._at_rows = isinstance(self.loop.source, Rows)
        # A particle copied halfway through a permutation would go on with another's.
        self._epoch = epoch(self.problem, self.experiment)
        # Halfway through a round nobody would have been called.
        self._cycle = cycle(self.problem, self.experiment)
        asked = self.experiment
        # Rounding would keep what is zero in the law alive while all else shrinks.
        self._conserved = conserved(asked.algorithm, asked.process, self.problem.dim)
        self._begin(1.0)
        self._source, self._target = (np.zeros(self.most, np.int64) for _ in range(2))

    @property
    def n_particles(self) -> int:
        """How many there are at the current s."""
        return self._weights.size

    def _begin(self, s: float) -> None:
        """Forget everything, where a cycle begins; a typical path, s = 0, is long rather than one of many."""
        self.step = -(-self.step // self._cycle) * self._cycle
        count = self.most if s > 0 else min(_PATHS, self.most)
        iterates = np.zeros((count, self.experiment.n_nodes, self.loop.size))
        iterates[..., : self.problem.dim] = self._directions(count, seeded=s > 0 and self._at_rows)
        iterates /= np.sqrt(np.square(iterates).sum(axis=(1, 2), keepdims=True))
        self._state = general.State(iterates, np.empty((count, 0, 0)), *self.loop.begin(count))
        self._weights, self._grown = np.ones(count), np.zeros(count)

    def _directions(self, count: int, seeded: bool) -> Array:
        """At random; where nodes hold rows, half of the particles point along one at its node.

        If a row makes the tail, it does so by being drawn again and again, which a population that has not
        found it cannot see; rows are given particles in proportion to their own growth.
        """
        generator = np.random.default_rng(self.experiment.key)
        n_nodes, dim = self.experiment.n_nodes, self.problem.dim
        directions = np.empty((count, n_nodes, dim))
        for first, stop in pieces(count, n_nodes * dim, _CALL_NORMALS):
            generator.standard_normal(out=directions[first:stop])
        if seeded:
            source = self.loop.source
            squares = np.square(source.features).sum(axis=1)
            every_other = np.arange(0, count, 2)
            chosen = generator.choice(squares.size, every_other.size, p=squares**2 / np.square(squares).sum())
            node = np.searchsorted(source.offsets, chosen, side="right") - 1
            directions[every_other] *= 0.01
            row = np.zeros((every_other.size, dim))
            row[:, : source.features.shape[1]] = source.features[chosen]
            directions[every_other, node] += row / np.sqrt(squares[chosen])[:, None]
        return directions

    def _advance(self, s: float, n_stretches: int, watch: Callable[[int], None] = lambda step: None) -> Array:
        """Sums over the population of every stretch, (n_stretches, N_SUMS); ``watch`` sees its weights."""
        sums = np.zeros((n_stretches, growth.N_SUMS))
        logs, scales = np.empty(self.n_particles), self.loop.rules.local_scales
        with common_threads.limited_to(self.threads):
            for k in range(n_stretches):
                self.loop.advance(self._state, Span(self.step, self.stride, _NEVER, 0))
                runs.bring_back_runs(self._state, scales, logs)
                if self._conserved is not None:
                    self._forget(self._conserved)
                self._record(s, logs, sums[k])
                watch(self.step)
                self.step += self.stride
                if s != 0:
                    self._resample()
        return sums

    def _forget(self, zero: Conserved) -> None:
        """Set to zero what the algorithm leaves there."""
        memory = self._state.memory
        shape = (len(memory), self.experiment.n_nodes, -1, memory.shape[-1])
        memory[...] = zero.removed_from_memory(memory.reshape(shape)).reshape(memory.shape)

    def _record(self, s: float, logs: Array, sums: Array) -> None:
        """Turn the growth of every particle into its weight and its part in the sums."""
        before, grown = self._weights, self._grown + logs
        after = before * np.exp(np.clip(s * (logs - self.rate * self.stride), -600.0, 600.0))
        # Of products: BLAS would wake threads for an inner product, which then contend with the kernels'.
        sums[growth.WEIGHT], sums[growth.PAST] = before.sum(), (self._grown * before).sum()
        sums[growth.WEIGHTED], sums[growth.SLOPE] = after.sum(), (grown * after).sum()
        sums[growth.WEIGHTED_SQUARED] = np.square(after).sum()
        sums[growth.LARGEST] = after.max()
        self._weights, self._grown = after, grown

    def _resample(self) -> None:
        step = np.uint64(self.step)
        n = growth.plan_copies(self.experiment.key, step, self._weights, self._source, self._target)
        for array in (self._grown, self._state.iterates, *self._state[2:]):
            if array.size:
                flat = array.reshape(self.n_particles, -1, 1)
                growth.copy_particles(flat, self._source, self._target, n)

    def settle(self, s: float) -> None:
        """Burn in at s, and choose how often to resample from the spread of the weights seen."""
        if math.isnan(self.rate):
            self._see_rate()
        self.stride = self._epoch
        if s == 0:
            held = math.floor(_IN_RANGE / max(abs(self.rate) * self._epoch, 1e-9))
            self.stride *= max(min(math.ceil(_PATIENT / self._epoch), held), 1)
        if s == 0 or self._at_rows:
            # A row that is not drawn again at once is lost: begin anew, with every row, and resample always.
            self._begin(s)
            self._throw_away(s, _BURN_IN)
            return
        if self.n_particles < self.most:
            self._begin(s)
        probe = self._advance(s, 8)
        variance = probe[:, growth.WEIGHTED_SQUARED] * self.n_particles / probe[:, growth.WEIGHTED] ** 2 - 1
        spread = max(float(variance.mean()), 1e-12)
        self.stride = int(min(max(SPREAD**2 / spread, 1), LONGEST_INTERVAL))
        self._throw_away(s, math.ceil(_BURN_IN / self.stride))

    def _see_rate(self) -> None:
        """What growth is typical, from paths that are thrown away; refused where single steps overflow."""
        self.rate, self.stride = 0.0, self._epoch
        self._begin(0.0)
        with np.errstate(over="ignore", invalid="ignore"):
            self._advance(0.0, _SEEN)
        self.rate = float(self._grown.mean()) / (_SEEN * self.stride)
        checks.within_range("step_size", math.isfinite(self.rate), self.stride)

    def _throw_away(self, s: float, n_stretches: int) -> None:
        self._advance(s, n_stretches)
        self.burn_in = n_stretches * self.stride

    def grow(self, s: float, n_stretches: int) -> Array:
        """The sums of so many further stretches at s."""
        return self._advance(s, n_stretches)

    def dominating_row(self, s: float) -> tuple[int, int, float] | None:
        """Node, place among all rows, and share of steps of the row drawn most beyond its chance.

        In the law that weighs paths with their growth to the power s; None where no row is drawn there at
        least twice as often as by chance.
        """
        if not self._at_rows:
            return None
        source, key, total = self.loop.source, self.experiment.key, 0.0
        counts = np.zeros((_PARTS, len(source.features)))

        def count(step: int) -> None:
            nonlocal total
            total += float(self._weights.sum())
            runs.count_rows(sampling_of(source), key, np.uint64(step), self._weights, counts)

        self.settle(s)
        self._advance(s, _COUNTED, count)
        shares = counts.sum(axis=0) / total
        n_rows = np.diff(source.offsets)
        chances = np.repeat(source.batch_sizes / n_rows, n_rows)
        row = int(np.argmax(shares - chances))
        node = int(np.searchsorted(source.offsets, row, side="right")) - 1
        return (node, row, float(shares[row])) if shares[row] >= 2 * chances[row] else None
