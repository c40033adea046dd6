"""The fused engines for Gaussian features and plain steps: many runs in one pass."""

from dataclasses import replace
from functools import partial

import numpy as np

from desgd_fast.experiment import Experiment
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.loops import steps
from desgd_fast.loop import checks
from desgd_fast.loop.layout import Layout
from desgd_fast.problems.protocols import ClosedLaw
from desgd_fast.simulation.engines.engine import Engine, Task
from desgd_fast.simulation.engines.vectors import Vectors


def refusal(task: Task) -> str | None:
    """A closed law, and steps without a memory."""
    if not isinstance(task.problem, ClosedLaw):
        return "the closed gradient law of GaussianRegression"
    if not task.experiment.plain:
        return "plain steps with a mixing matrix that stays"
    if task.experiment.step_sizes.shape[1] != 1:
        return "step sizes that are the same for all runs"
    return None


def combination_of(experiment: Experiment) -> steps.Combination:
    """The mixing matrix, and which side of the step it stands on."""
    base = experiment.process.base
    return steps.Combination(base.indptr, base.indices, base.data, experiment.algorithm.adapt_first)


def collapsed_cost(task: Task) -> float:
    """A vector of normals, a chi-square, two inner products, and mixing."""
    return 17.0 + 2.0 * float(task.problem.dim)


def direct_cost(task: Task) -> float:
    """A vector of normals for every sample, and mixing."""
    batch_size, dim = float(task.experiment.batch_sizes.mean()), float(task.problem.dim)
    return 8.0 + 0.3 * dim + 1.6 * batch_size * (dim + 1)


def chain(task: Task, direct: bool) -> Vectors:
    """Runs side by side, as many as fit a core's cache."""
    problem, experiment = task.problem, task.experiment
    n_nodes, dim, batch_sizes = experiment.n_nodes, problem.dim, experiment.batch_sizes
    feature_stds, noise_stds = problem.stds(n_nodes)
    layout = Layout.of(n_nodes, dim)
    if direct:
        layout = replace(layout, tile=1)
        most = random.MOST_INDICES // (dim // 2 + 1)
        checks.distinct_counters("batch_size", batch_sizes, most, f"with engine='direct' and dim={dim}")
    # Eight to spare: they are drawn in eights, from any node on.
    chi = random.chi_square_parameters(np.append(np.repeat(batch_sizes, layout.lanes), np.ones(8)))
    scale, sizes = (
        layout.scale(problem.eigenvalues, task.dtype),
        np.ascontiguousarray(experiment.step_sizes[:, 0]),
    )
    stepping = steps.GaussianSteps(sizes, feature_stds, noise_stds, batch_sizes, chi, scale, direct)
    combination = combination_of(experiment)
    average_from = experiment.n_steps - experiment.average_last
    group = max(layout.tile, steps.CHI_SQUARES // layout.lanes)

    def step(runs: Vectors, first_step: int, n_steps: int, first_run: int, threads: int) -> None:
        few = runs.state.shape[0] < threads and n_nodes >= 8 * threads * group
        kernel = steps.advance_nodes if few else steps.advance_runs
        span = steps.Span(first_step, n_steps, average_from, first_run)
        kernel(runs.state, runs.sums, combination, stepping, experiment.key, layout.tuple, span)

    return Vectors(
        layout=layout,
        root=np.sqrt(problem.eigenvalues),
        basis=problem.basis,
        offset=np.zeros(dim),
        draws_per_step=layout.lanes * dim * int(batch_sizes.sum() if direct else n_nodes),
        step=step,
        dtype=task.dtype,
    )


ENGINES = (
    Engine("collapsed", refusal, collapsed_cost, partial(chain, direct=False)),
    Engine("direct", refusal, direct_cost, partial(chain, direct=True)),
)
