"""The fused engine for real rows: plain steps of linear models, SAMPLES runs side by side."""

import numpy as np

from desgd_fast.common.memory import aligned_zeros
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.draw.samples import RESHUFFLE
from desgd_fast.kernels.jit.lanes import SAMPLES
from desgd_fast.kernels.loops import rows, steps
from desgd_fast.loop import checks
from desgd_fast.loop.layout import Layout
from desgd_fast.loop.sources import sampling_bounds
from desgd_fast.problems.protocols import OwnRows
from desgd_fast.problems.rows import SAMPLINGS
from desgd_fast.simulation.engines.engine import Engine, Task
from desgd_fast.simulation.engines.vectors import Vectors

# Coordinates up to which rows are faster with runs side by side than alone.
_WIDEST = 32


def refusal(task: Task) -> str | None:
    """Short rows of a linear model, and plain steps."""
    problem, experiment = task.problem, task.experiment
    if not isinstance(problem, OwnRows):
        return "a data set"
    loss = problem.loss
    for fault, reason in (
        (not experiment.plain, "plain steps with a mixing matrix that stays"),
        (experiment.step_sizes.shape[1] > 1, "the same step sizes for all runs"),
        (loss.slope is None, f"a linear model, whose loss tells its slope: {loss} does not"),
        (loss.outputs > 1, f"a loss with one output, got {loss.outputs}"),
        (problem.dim > _WIDEST, f"dim ≤ {_WIDEST}, got {problem.dim}: wider rows fill registers alone"),
    ):
        if fault:
            return reason
    return None


def cost(task: Task) -> float:
    """Row numbers and mixing, and two passes over every row."""
    return 4.0 + float(task.experiment.batch_sizes.mean()) * (1.0 + 0.4 * float(task.problem.dim))


def chain(task: Task) -> Vectors:
    """Runs side by side, whatever their number."""
    problem, experiment = task.problem, task.experiment
    n_nodes, dim, batch_sizes = experiment.n_nodes, problem.dim, experiment.batch_sizes
    partition = problem.partition(n_nodes, batch_sizes)
    checks.distinct_counters("batch_size", batch_sizes, random.MOST_INTEGERS, "for a data set")
    kind, even = SAMPLINGS[problem.sampling], dim + dim % 2
    entries = aligned_zeros(partition.targets.size, even + 2)
    entries[:, :dim], entries[:, even] = partition.features, partition.targets
    bounds = sampling_bounds(partition.shares, batch_sizes, kind)
    table = rows.Table(entries, kind, batch_sizes, partition.offsets, bounds)
    _, ridge, link, _ = problem.loss.oracle
    step_sizes = np.ascontiguousarray(experiment.step_sizes[:, 0])
    descent = rows.Descent(link, ridge, step_sizes, experiment.algorithm.adapt_first)
    base = experiment.process.base
    graph = rows.Graph(base.indptr, base.indices, base.data)
    average_from = experiment.n_steps - experiment.average_last

    def step(runs: Vectors, first_step: int, n_steps: int, first_run: int, threads: int) -> None:
        span = steps.Span(first_step, n_steps, average_from, first_run)
        rows.advance_rows(runs.state, runs.sums, graph, table, descent, experiment.key, span)

    return Vectors(
        layout=Layout(n_nodes, dim, SAMPLES, even * SAMPLES, 1),
        root=np.ones(dim),
        basis=None,
        offset=np.asarray(problem.optimum, np.float64),
        draws_per_step=SAMPLES * dim * int(batch_sizes.sum()),
        step=step,
        # Permutations of every run.
        memory_bytes=8 * SAMPLES * partition.targets.size if kind >= RESHUFFLE else 0,
    )


ENGINE = Engine("direct", refusal, cost, chain)
