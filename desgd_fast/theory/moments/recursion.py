"""The recursion of second moments as a linear operator: h(2), the stationary covariance, critical steps."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from desgd_fast.algorithms import Algorithm
from desgd_fast.mixing import MixingProcess
from desgd_fast.theory.moments import checks, parts, rounds
from desgd_fast.theory.moments.conserved import Conserved
from desgd_fast.theory.moments.gradients import Gradients, gradients_of
from desgd_fast.theory.moments.krylov import fixed_point, leading, radius
from desgd_fast.theory.moments.stages import MixStage, Moments, NodeStage

Array = NDArray[np.float64]

# Step sizes below which a critical one counts as 0, and beyond which none is looked for.
_SMALLEST, _LARGEST = 2.0**-30, 2.0**30


@dataclass(frozen=True, eq=False)
class Recursion:
    """Second moments of all rows of all nodes, followed through the rounds of a network.

    At infinity parts that only add noise are left out: h(2) does not see them.
    """

    gradients: Gradients
    process: MixingProcess
    algorithm: Algorithm
    step_sizes: Array
    at_infinity: bool

    @classmethod
    def of(
        cls,
        problem: Any,
        process: MixingProcess,
        algorithm: Algorithm,
        step_sizes: Array,
        batch_sizes: NDArray[np.int64],
        *,
        at_infinity: bool,
    ) -> "Recursion":
        """Of a problem that offers the moments of its gradients; refuses what is not linear or not known."""
        checks.linear("algorithm", algorithm)
        gradients = gradients_of(problem, process.n_nodes, batch_sizes, at_infinity=at_infinity)
        result = cls(gradients, process, algorithm, step_sizes, at_infinity)
        for part in (*result._rows.local, algorithm.message):
            if part is not None and not gradients.independent_coordinates:
                checks.common_to_coordinates("algorithm", part)
            if part is not None and part.gains is not None:
                isotropic = gradients.independent_coordinates and gradients.multiplicities.size == 1
                checks.isotropic("problem", part, isotropic)
        return result

    def at_step_size(self, step_size: float) -> "Recursion":
        """The same with one common step size."""
        other = replace(self, step_sizes=np.array([step_size]))
        for name in ("_rows", "_alike", "_chain", "_directions", "_sendings", "_conserved"):
            other.__dict__[name] = getattr(self, name)
        return other

    @cached_property
    def _rows(self) -> parts.Rows:
        return parts.Rows.of(self.algorithm, at_infinity=self.at_infinity)

    @property
    def _dim(self) -> int:
        return round(float(self.gradients.multiplicities.sum())) * self.gradients.size

    @cached_property
    def _chain(self) -> rounds.Chain:
        participation = self.algorithm.participation
        period = rounds.period(self.process, 1 if participation is None else participation.period)
        return rounds.chain(self.process, period, outcomes=self._outcomes, alike=self._alike)

    @property
    def _outcomes(self) -> bool:
        """Whether every matrix counts: met twice in a step, or read by a participation."""
        participation = self.algorithm.participation
        twice = self.algorithm.adapt_first and bool(self._rows.mixed)
        reads = participation is not None and parts.reads_links(participation, self.process)
        return twice or reads or self._own_iterate

    @cached_property
    def _alike(self) -> bool:
        """Whether one matrix stands for all: nodes may change places, and moments do not tell them apart."""
        algorithm = self.algorithm
        listed = (*algorithm.local, algorithm.participation)
        return (
            self._outcomes
            and self.process.exchangeable
            and self.gradients.alike
            and bool(np.ptp(self.step_sizes) == 0)
            and not isinstance(algorithm.local_steps, tuple)
            and not any(part.per_node for part in listed if part is not None)
        )

    @cached_property
    def _directions(self) -> list[tuple[float, list[parts.Direction]]]:
        return list(parts.directions(self._rows, self._dim))

    @cached_property
    def _sendings(self) -> list[tuple[float, NodeStage]]:
        """What happens before nodes mix, by the outcomes that all nodes share."""
        listed: Any = [(1.0, parts.staying(self._rows.n))]
        if self._sends:
            listed = parts.sending(self._rows, self._dim)
        elif self.algorithm.adapt_first:
            return []
        if not self.algorithm.adapt_first:
            listed = [(chance, parts.remembering(law)) for chance, law in listed]
        return [(chance, NodeStage(law, self.gradients)) for chance, law in listed]

    @cached_property
    def _receiving(self) -> NodeStage:
        """What happens after nodes have mixed what they sent."""
        return NodeStage(
            parts.receiving(self._rows.n, 0 if self.algorithm.adapt_first else 1), self.gradients
        )

    @property
    def _sends(self) -> bool:
        """Whether nodes mix something else than their iterates."""
        return self.algorithm.message is not None or self.algorithm.consensus_step not in (None, 1.0)

    @property
    def _own_iterate(self) -> bool:
        """Whether nodes combine messages with their own iterates."""
        message = self.algorithm.message
        return message is not None and message.own_iterate

    @property
    def _consensus_step(self) -> float:
        step = self.algorithm.consensus_step
        return 1.0 if step is None else step

    @cached_property
    def _conserved(self) -> Conserved:
        made = [listed for _, listed in self._directions]
        return Conserved.of(self._rows, made, self._chain)

    # One round -------------------------------------------------------------------------------------------

    @cached_property
    def _moves(self) -> dict[Any, list[tuple[float, NodeStage]]]:
        return {}

    def _move(self, factors: parts.Factors, change: Any) -> list[tuple[float, NodeStage]]:
        """The ways in which nodes move at a step, by the outcomes that all nodes share."""
        if (factors, change) not in self._moves:
            listed = []
            for chance, made in self._directions:
                law = parts.moving(self._rows, made, self.step_sizes, factors)
                listed.append((chance, NodeStage(change(law) if change else law, self.gradients)))
            self._moves[factors, change] = listed
        return self._moves[factors, change]

    def _meet(self, one: rounds.Round, moments: Moments, memory: tuple[int, ...]) -> Moments:
        """Iterates and these rows of memory mixed with one matrix; before adapting, the old ones kept."""
        n, others = self._rows.n, 0 if self.algorithm.adapt_first else 1
        sent = _either(self._sendings, moments) if self._sendings else moments
        if not self._sends:
            return MixStage(one.weights, (0, *memory), n + others, one.quadratic).forward(sent)
        if not self._own_iterate:
            mixed = MixStage(one.weights, (n, *memory), n + 1 + others, one.quadratic).forward(sent)
            return self._receiving.forward(mixed)
        if memory:
            sent = MixStage(one.weights, memory, n + 1 + others).forward(sent)
        own = sparse.diags_array(one.weights.diagonal())
        kept = sparse.eye_array(self.process.n_nodes) - self._consensus_step * (
            sparse.eye_array(self.process.n_nodes) - own
        )
        for weights, row in ((one.weights - own, n), (kept, 0)):
            sent = MixStage(weights, (row,), n + 1 + others).forward(sent)
        return self._receiving.forward(sent)

    def _round(self, turn: int, one: rounds.Round, moments: Moments) -> Moments:
        """Local steps, the last of them with mixing; who takes part is decided once for all of them."""
        found = parts.factors(self.algorithm.participation, turn, one.memory, self.process.n_nodes)
        ways = parts.decided(found, self.process.n_nodes) if self.algorithm.period > 1 else [(1.0, found)]
        return reduce(add, [self._steps(factors, one, moments).times(chance) for chance, factors in ways])

    def _steps(self, factors: parts.Factors, one: rounds.Round, moments: Moments) -> Moments:
        """The steps of a round."""
        taken = [
            parts.not_waiting(factors, self.algorithm.local_steps, k) for k in range(self.algorithm.period)
        ]
        for earlier in taken[:-1]:
            moments = _either(self._move(earlier, None), moments)
        mixed, n = self._rows.mixed, self._rows.n
        together = self._sends or (one.quadratic is not None and bool(mixed))
        if mixed and (self.algorithm.adapt_first or not together):
            moments = MixStage(one.weights, mixed, n).forward(moments)
        if self.algorithm.adapt_first:
            return self._meet(one, _either(self._move(taken[-1], None), moments), ())
        if together:
            moments = self._meet(one, moments, mixed)
            return _either(self._move(taken[-1], parts.from_memory), moments)
        mixing = MixStage(one.weights, (0,), n, one.quadratic)
        return _either(self._move(taken[-1], parts.without_iterate), moments, mixing)

    def _turns(self, starts: dict[int, Moments]) -> dict[int, Moments]:
        """From the situations at which turns begin, once around."""
        now = starts
        for turn in range(self._chain.period):
            following: dict[int, Moments] = {}
            for z, moments in now.items():
                for one in self._chain.rounds[z]:
                    after = self._round(turn, one, moments).times(one.probability)
                    after = after.without_names() if self._alike else after
                    there = following.get(one.following)
                    following[one.following] = after if there is None else there + after
            now = following
        return now

    # As operators on vectors -----------------------------------------------------------------------------

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        """Situations, groups, nodes, coordinates of a node's rows."""
        groups, n_nodes = self.gradients.multiplicities.size, self.process.n_nodes
        return len(self._chain.starts), groups, n_nodes, self._rows.n * self.gradients.size

    def _after(self, weights: Array, means: Array, raws: Array | None) -> tuple[Array, Array | None]:
        """Means and raw moments of all situations at which turns begin, one turn later."""
        starts = self._chain.starts
        listed = [None] * len(starts) if raws is None else raws
        after = self._turns(
            {z: Moments(w, m, r) for z, w, m, r in zip(starts, weights, means, listed, strict=True)}
        )
        means = np.stack([after[z].mean if z in after else np.zeros(self._shape[1:]) for z in starts])
        if raws is None:
            return means, None
        moments = (after[z].raw if z in after else None for z in starts)
        return means, np.stack([np.zeros(raws.shape[1:]) if raw is None else raw for raw in moments])

    def _mean_step(self, flat: Array) -> Array:
        mean = self._conserved.removed(flat.reshape(self._shape))
        nothing = np.zeros(self._shape[0])
        return self._conserved.removed(self._after(nothing, mean, None)[0]).ravel()

    def _step(self, flat: Array) -> Array:
        raw = self._conserved.removed_twice(flat.reshape(*self._shape, *self._shape[2:]))
        nothing = np.zeros(self._shape)
        after = self._after(np.zeros(self._shape[0]), nothing, raw)[1]
        assert after is not None
        return self._conserved.removed_twice(after).ravel()

    # Answers ---------------------------------------------------------------------------------------------

    @property
    def _n_steps(self) -> int:
        """Steps of a turn."""
        return self._chain.period * self.algorithm.period

    def growth(self) -> float:
        """h(2): the spectral radius of the recursion among states that begin without memory, per step."""
        n_starts, groups, n_nodes, size = self._shape
        start = np.zeros((n_starts, groups, n_nodes, size, n_nodes, size))
        coordinates = np.arange(self.gradients.size)
        nodes = np.arange(n_nodes)
        start[:, :, nodes[:, None], coordinates, nodes[:, None], coordinates] = 1.0
        with np.errstate(over="ignore", invalid="ignore"):  # far beyond any critical step
            value = leading(self._step, start.ravel(), self._self_adjoint())
        return float(max(value, 0.0) ** (1 / self._n_steps)) if math.isfinite(value) else math.inf

    def _self_adjoint(self) -> bool:
        """Whether a step is its own adjoint among second moments, as two random ones tell."""
        generator = np.random.default_rng(0)
        flat = []
        for _ in range(2):
            raw = generator.standard_normal((*self._shape, *self._shape[2:]))
            flat.append((raw + raw.transpose(0, 1, 4, 5, 2, 3)).ravel())
        one, other = (self._conserved.removed_twice(x.reshape(raw.shape)).ravel() for x in flat)
        there, back = float(one @ self._step(other)), float(other @ self._step(one))
        return abs(there - back) <= 1e-11 * float(np.linalg.norm(one) * np.linalg.norm(other))

    def mean_growth(self) -> float:
        """The factor by which the mean state grows per step."""
        with np.errstate(over="ignore", invalid="ignore"):
            value = radius(self._mean_step, math.prod(self._shape))
        return float(value ** (1 / self._n_steps)) if math.isfinite(value) else math.inf

    def covariance(self) -> Array:
        """E⟨e_i, e_j⟩ where turns begin, (nodes, nodes), of the stationary law; needs h(2) < 1."""
        weights = self._stationary_weights()
        zeros = np.zeros(self._shape)
        drift = self._conserved.removed(self._after(weights, zeros, None)[0])
        mean = fixed_point(self._mean_step, drift.ravel()).reshape(self._shape)
        nothing = np.zeros((*self._shape, *self._shape[2:]))
        noise = self._after(weights, mean, nothing)[1]
        assert noise is not None
        added = self._conserved.removed_twice(noise).ravel()
        flat = fixed_point(self._step, added, self_adjoint=self._self_adjoint(), sizes=self._sizes)
        size, n = self.gradients.size, self._rows.n
        raw = flat.reshape(*self._shape[:3], n, size, self._shape[2], n, size)[:, :, :, 0, :, :, 0]
        result = np.einsum("zpicjc->ij", raw)
        return np.asarray((result + result.T) / 2)

    def _sizes(self, flat: Array) -> Array:
        """√(E S_i² · E S_j²) for second moments E S_i S_j, which may be far smaller."""
        _, _, n_nodes, size = self._shape
        raw = flat.reshape(-1, n_nodes * size, n_nodes * size)
        roots = np.sqrt(np.abs(np.einsum("pii->pi", raw)))
        return np.asarray((roots[:, :, None] * roots[:, None, :]).ravel())

    def _stationary_weights(self) -> Array:
        """How often each situation begins a turn, in the long run from the first."""
        starts = self._chain.starts
        place = {z: k for k, z in enumerate(starts)}
        matrix = np.zeros((len(starts),) * 2)
        for k, z in enumerate(starts):
            reached = {z: 1.0}
            for _ in range(self._chain.period):
                following: dict[int, float] = {}
                for here, chance in reached.items():
                    for one in self._chain.rounds[here]:
                        so_far = following.get(one.following, 0.0)
                        following[one.following] = so_far + chance * one.probability
                reached = following
            for there, chance in reached.items():
                matrix[k, place[there]] += chance
        lazy = (matrix + np.eye(len(starts))) / 2  # so that a periodic chain settles, too
        for _ in range(60):
            lazy = lazy @ lazy
            lazy /= lazy.sum(axis=1, keepdims=True)
        return np.asarray(lazy[0])

    def critical_step_size(self) -> tuple[float, float]:
        """The smallest common step sizes at which h(2) = 1, and at which the mean stops contracting."""
        unit = 1 / float(np.linalg.norm(self.gradients.slopes, ord=2, axis=(2, 3)).max())
        mean = _crossing(lambda step: self.at_step_size(step).mean_growth() - 1, unit)
        if mean == 0:
            return 0.0, 0.0
        return _crossing(lambda step: self.at_step_size(step).growth() - 1, unit, below=mean), mean


def _crossing(excess: Callable[[float], float], unit: float, below: float = math.inf) -> float:
    """Where a function of the step size leaves the negatives, or ``below`` where it has not by then."""
    low = min(unit, below / 2)
    while excess(low) >= 0:
        low /= 2
        if low < _SMALLEST * unit:
            return 0.0
    high = min(2 * low, below)
    while excess(high) < 0:
        if high >= min(below, _LARGEST * unit):
            return high
        low, high = high, min(2 * high, below)
    return float(optimize.toms748(excess, low, high, xtol=1e-300, rtol=1e-12))


def _either(
    stages: Sequence[tuple[float, NodeStage]], moments: Moments, mixing: MixStage | None = None
) -> Moments:
    """One of some stages, at random."""
    results = [stage.forward(moments, mixing).times(chance) for chance, stage in stages]
    return reduce(Moments.__add__, results)
