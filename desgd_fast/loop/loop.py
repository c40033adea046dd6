"""The compiled step loop of one experiment on one problem: any problem under any algorithm."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from desgd_fast.common.pieces import pieces
from desgd_fast.experiment import Experiment
from desgd_fast.kernels.loops import general
from desgd_fast.kernels.loops.slots import Rules
from desgd_fast.kernels.loops.steps import Span
from desgd_fast.loop import checks
from desgd_fast.loop.layout import Layout
from desgd_fast.loop.rules import rules_of
from desgd_fast.loop.sources import source_of

# Multiplications of one call, unless a single step has more: some tenths of a second.
_CALL_PRODUCTS = 1 << 26


@dataclass(frozen=True, eq=False)
class Loop:
    """Where gradients come from and what nodes do with them, ready to advance runs.

    ``size`` is the length of an iterate's row, ``dim`` coordinates filled up with zeros.
    """

    experiment: Experiment
    dim: int
    size: int
    source: Any
    rules: Rules

    @classmethod
    def of(
        cls, problem: Any, experiment: Experiment, direct: bool = False, *, at_infinity: bool = False
    ) -> "Loop":
        """The loop of a problem: gradients from their closed law, unless every sample is to be drawn.

        So it is where minibatches give two gradients. At infinity additive noise is left out.
        """
        layout = Layout.of(experiment.n_nodes, problem.dim, most_lanes=1)
        source = source_of(problem, experiment, layout, direct or experiment.algorithm.twice)
        rules = rules_of(experiment, problem.dim, at_infinity=at_infinity)
        if rules.by_sample:
            checks.samples("problem", problem, source, experiment.algorithm)
        return cls(experiment, problem.dim, layout.size, source, rules)

    @property
    def memory_bytes(self) -> int:
        """What a run keeps beyond its iterates."""
        rules = self.rules
        vectors = (rules.local_memory + rules.message_memory) * self.size
        return 8 * (self.experiment.n_nodes * (vectors + rules.presence) + self._links)

    @property
    def _links(self) -> int:
        """Numbers of the mixing process and of its round."""
        return self.rules.link_memory + (self.rules.weights.size if self.rules.weighs else 0)

    def begin(self, n_runs: int) -> tuple[Any, ...]:
        """Memory of so many runs before their first step: that of local rules, messages, presence, links."""
        n_nodes, size, rules = self.experiment.n_nodes, self.size, self.rules
        vectors = ((n_nodes * count, size) for count in (rules.local_memory, rules.message_memory))
        shapes = *vectors, (n_nodes, rules.presence), (self._links,)
        return tuple(np.zeros((n_runs, *shape)) for shape in shapes)

    def advance(self, state: general.State, span: Span, *, share_nodes: bool = False) -> None:
        """Take all runs of a state through a span, runs in parallel or the nodes of each.

        In calls short enough to be interrupted.
        """
        sizes, n_runs = self.experiment.step_sizes, len(state.iterates)
        if sizes.shape[1] > 1:
            first = span.first_run - self.experiment.first_run
            sizes = np.ascontiguousarray(sizes[:, first : first + n_runs])
        kernel = general.advance_nodes if share_nodes else general.advance_runs
        products = n_runs * self.size * (int(self.experiment.batch_sizes.sum()) + self.rules.indices.size)
        for first, stop in pieces(span.n_steps, products, _CALL_PRODUCTS):
            piece = span._replace(first_step=span.first_step + first, n_steps=stop - first)
            kernel(state, self.source, self.rules, sizes, self.experiment.key, piece)
