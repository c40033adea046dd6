"""The general loop: any problem under any algorithm, one run at a time."""

from functools import partial

import numpy as np

from desgd_fast.kernels.loops import general
from desgd_fast.kernels.loops.steps import Span
from desgd_fast.loop.layout import Layout
from desgd_fast.loop.loop import Loop
from desgd_fast.problems.protocols import ClosedLaw
from desgd_fast.simulation.engines.engine import Engine, Task
from desgd_fast.simulation.engines.vectors import Vectors

# Nanoseconds of a step of all nodes that move from which it pays to wake other threads for it.
_WORTH_SHARING = 100_000.0


def collapsed_refusal(task: Task) -> str | None:
    """A closed law, of one gradient a minibatch."""
    if not isinstance(task.problem, ClosedLaw):
        return "the closed gradient law of GaussianRegression"
    algorithm = task.experiment.algorithm
    return f"one gradient of a minibatch: {algorithm!r} takes two" if algorithm.twice else None


def refusal(task: Task) -> str | None:
    """Coordinates of their own, where a part looks at coordinates."""
    rotated = isinstance(task.problem, ClosedLaw) and task.problem.basis is not None
    if rotated and not task.experiment.algorithm.equivariant:
        parts = [repr(part) for part in task.experiment.algorithm.parts if not part.equivariant]
        return f"a diagonal covariance: {parts[0]} acts on coordinates, gradients have others"
    return None


def collapsed_cost(task: Task) -> float:
    """A vector of normals, a chi-square, and five slots."""
    return 120.0 + 2.6 * float(task.problem.dim)


def direct_cost(task: Task) -> float:
    """All samples of a minibatch, drawn or read, and five slots."""
    dim, batch_size = float(task.problem.dim), float(task.experiment.batch_sizes.mean())
    if isinstance(task.problem, ClosedLaw):
        return 60.0 + 2.0 * batch_size * (dim + 1)
    return 40.0 + batch_size * (3.0 + 0.3 * dim)


def chain(task: Task, direct: bool) -> Vectors:
    """One run after the other, on every core."""
    problem, experiment = task.problem, task.experiment
    loop = Loop.of(problem, experiment, direct)
    layout = Layout.of(experiment.n_nodes, problem.dim, most_lanes=1)
    basis = problem.basis if isinstance(problem, ClosedLaw) else None
    optimum = np.asarray(problem.optimum, np.float64)
    n_nodes = experiment.n_nodes
    average_from = experiment.n_steps - experiment.average_last
    cost = direct_cost(task) if direct else collapsed_cost(task)
    moving = n_nodes if experiment.process.event_rate is None else 1
    worth_sharing = moving > 1 and moving * cost > _WORTH_SHARING

    def step(runs: Vectors, first_step: int, n_steps: int, first_run: int, threads: int) -> None:
        state = general.State(runs.state, runs.sums, *runs.memory)
        span = Span(first_step, n_steps, average_from, first_run)
        loop.advance(state, span, share_nodes=len(runs.state) < threads and worth_sharing)

    return Vectors(
        layout=layout,
        root=np.ones(problem.dim),
        basis=basis,
        offset=optimum if basis is None else optimum @ basis,
        draws_per_step=problem.dim * int(experiment.batch_sizes.sum() if direct else n_nodes),
        step=step,
        memory_bytes=loop.memory_bytes,
        begin=loop.begin,
    )


ENGINES = (
    Engine(
        "collapsed",
        lambda task: collapsed_refusal(task) or refusal(task),
        collapsed_cost,
        partial(chain, direct=False),
    ),
    Engine("direct", refusal, direct_cost, partial(chain, direct=True)),
)
