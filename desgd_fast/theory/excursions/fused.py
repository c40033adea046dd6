"""Plain steps on Gaussian features, many runs side by side: the loop's law in a fraction of its time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.experiment import Experiment
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.loops import steps
from desgd_fast.loop.layout import Layout
from desgd_fast.problems.protocols import ClosedLaw

Real = NDArray[np.float64]

_NEVER = 2**62


@dataclass(frozen=True, eq=False)
class Fused:
    """The fused kernel of one experiment; it takes and returns deviations (n_runs, n_nodes, dim)."""

    layout: Layout
    root: Real
    combination: steps.Combination
    law: steps.GaussianSteps
    key: NDArray[np.uint64]

    @classmethod
    def of(cls, problem: Any, experiment: Experiment) -> "Fused | None":
        """Of an experiment that it can take; None for any other."""
        if not (isinstance(problem, ClosedLaw) and experiment.plain):
            return None
        base, batch_sizes = experiment.process.base, experiment.batch_sizes
        layout = Layout.of(experiment.n_nodes, problem.dim)
        chi = np.append(np.repeat(batch_sizes, layout.lanes), np.ones(8))  # drawn in eights
        scale, sizes = layout.scale(problem.eigenvalues, np.float64), experiment.step_sizes[:, 0]
        return cls(
            layout,
            np.sqrt(problem.eigenvalues),
            steps.Combination(base.indptr, base.indices, base.data, experiment.algorithm.adapt_first),
            steps.GaussianSteps(
                np.ascontiguousarray(sizes),
                *problem.stds(experiment.n_nodes),
                batch_sizes,
                random.chi_square_parameters(chi),
                scale,
                False,
            ),
            experiment.key,
        )

    def advance(self, deviations: Real, first_step: int, n_steps: int, first_run: int) -> Real:
        """The deviations so many steps later."""
        n_runs, n_nodes, dim = deviations.shape
        lanes, (parts, _, width) = self.layout.lanes, self.layout.shape
        n_blocks = -(-n_runs // lanes)
        runs = np.zeros((n_blocks * lanes, n_nodes, dim))
        runs[:n_runs] = deviations * self.root
        wide = runs.reshape(n_blocks, parts, width, n_nodes, dim).transpose(0, 3, 1, 4, 2)
        state = self.layout.zeros(n_blocks)
        state[..., : dim * lanes] = wide.reshape(n_blocks, n_nodes, -1)
        span = steps.Span(first_step, n_steps, _NEVER, first_run)
        nothing = np.empty((n_blocks, 0, 0))
        steps.advance_runs(state, nothing, self.combination, self.law, self.key, self.layout.tuple, span)
        return np.asarray(self.layout.unpack(state)[:n_runs] / self.root)
