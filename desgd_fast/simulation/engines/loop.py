"""The general loop: any problem under any algorithm, one run at a time."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from desgd_fast.algorithms import Part
from desgd_fast.experiment import Experiment
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.draw.samples import DISTINCT
from desgd_fast.kernels.gradients import oracles
from desgd_fast.kernels.gradients.gaussian import Gaussian
from desgd_fast.kernels.gradients.minibatches import Rows, Stream
from desgd_fast.kernels.jit.lanes import SAMPLES
from desgd_fast.kernels.loops import general, slots
from desgd_fast.kernels.loops.steps import Span
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.protocols import ClosedLaw, FreshSamples, OwnRows
from desgd_fast.problems.rows import SAMPLINGS
from desgd_fast.simulation import checks
from desgd_fast.simulation.engines.engine import Engine, Task
from desgd_fast.simulation.engines.layout import Layout
from desgd_fast.simulation.engines.vectors import Vectors

# Nanoseconds of a step of all nodes from which it pays to wake other threads for it.
_WORTH_SHARING = 100_000.0

_NONE = np.empty(0)


def rules_of(experiment: Experiment, dim: int) -> slots.Rules:
    """The algorithm and the mixing process as the loop takes them."""
    algorithm, process = experiment.algorithm, experiment.process
    participation, message, aggregation = algorithm.participation, algorithm.message, algorithm.aggregation
    local, sent = _numbers(algorithm.local, dim), _numbers((message,) if message else (), dim)
    base = process.base
    return slots.Rules(
        participation is not None,
        slots.participation(participation.function) if participation else slots.NO_PARTICIPATE,
        np.array(participation.parameters, float) if participation else _NONE,
        participation.memory if participation else 0,
        participation.variates(1)[1] if participation else 0,
        bool(algorithm.local),
        slots.transform(tuple(part.function for part in algorithm.local))
        if algorithm.local
        else slots.NO_TRANSFORM,
        local.parameters,
        local.cuts,
        local.memory,
        sum(part.mixed for part in algorithm.local),
        local.normals,
        local.uniforms,
        message is not None,
        slots.transform((message.function,)) if message else slots.NO_TRANSFORM,
        sent.parameters,
        sent.cuts,
        sent.memory,
        sent.normals,
        sent.uniforms,
        base.indptr,
        base.indices,
        base.data,
        not process.fixed,
        slots.NO_WEIGH if process.function is None else slots.weighing(process.function),
        np.ascontiguousarray(process.tables),
        process.n_uniforms,
        aggregation is not None,
        slots.aggregation(aggregation.function) if aggregation else slots.NO_COMBINE,
        np.array(aggregation.parameters, float) if aggregation else _NONE,
        algorithm.adapt_first,
        algorithm.period,
        1.0,
    )


class _Numbers(NamedTuple):
    """What some parts take together."""

    parameters: NDArray[np.float64]
    cuts: NDArray[np.int64]
    memory: int
    normals: int
    uniforms: int


def _numbers(parts: tuple[Part, ...], dim: int) -> _Numbers:
    counts = [(part.memory, *part.variates(dim), len(part.parameters)) for part in parts]
    parameters = np.array([value for part in parts for value in part.parameters], float)
    memory, normals, uniforms = (sum(count[i] for count in counts) for i in range(3))
    return _Numbers(parameters, np.array(counts, np.int64).reshape(-1), memory, normals, uniforms)


def sampling_bounds(
    shares: NDArray[np.int64], batch_sizes: NDArray[np.int64], kind: int
) -> NDArray[np.uint64]:
    """What every draw of every node is below, for :class:`..kernels.draw.minibatches.Sampling`."""
    draws = np.arange(-(-int(batch_sizes.max()) // 4) * 4)[:, None]
    # Floyd's algorithm lets draw q of b choose among the first n - b + q + 1 rows; unused draws among one.
    distinct = np.maximum(shares - batch_sizes + draws + 1, 1)
    bounds = np.ones((draws.size, (-(-shares.size // SAMPLES) + 1) * SAMPLES), np.uint64)
    bounds[:, : shares.size] = np.where(draws < batch_sizes, distinct if kind == DISTINCT else shares, 1)
    return bounds


def _gaussian(problem: ClosedLaw, experiment: Experiment, layout: Layout, direct: bool) -> Gaussian:
    n_nodes, dim, batch_sizes = experiment.n_nodes, problem.dim, experiment.batch_sizes
    most = random.MOST_INDICES // (dim // 2 + 1) if direct else random.MOST_INDICES
    checks.distinct_counters("batch_size", batch_sizes, most, f"with engine='direct' and dim={dim}")
    feature_stds, noise_stds = problem.stds(n_nodes)
    optimum = np.asarray(problem.optimum, np.float64)
    return Gaussian(
        feature_stds,
        noise_stds,
        batch_sizes,
        feature_stds / batch_sizes,
        random.chi_square_parameters(np.append(batch_sizes, np.ones(8))),
        layout.row(np.sqrt(problem.eigenvalues)),
        layout.row(optimum if problem.basis is None else optimum @ problem.basis),
        dim,
        direct,
    )


def _rows(problem: OwnRows, experiment: Experiment) -> Rows:
    partition = problem.partition(experiment.n_nodes, experiment.batch_sizes)
    checks.distinct_counters("batch_size", experiment.batch_sizes, random.MOST_INTEGERS, "for a data set")
    kind = SAMPLINGS[problem.sampling]
    return Rows(
        *problem.loss.oracle,
        problem.dim,
        partition.features,
        partition.targets,
        kind,
        experiment.batch_sizes,
        partition.offsets,
        sampling_bounds(partition.shares, experiment.batch_sizes, kind),
    )


def _stream(problem: FreshSamples, experiment: Experiment) -> Stream:
    law = problem.law
    problems_checks.truth_per_node("problem", law.truth, experiment.n_nodes)
    most = random.MOST_INDICES // max(law.n_normals, law.n_uniforms, 1)
    checks.distinct_counters("batch_size", experiment.batch_sizes, most, f"for {law}")
    draw = oracles.draw_samples(law.sample, law.n_normals, law.n_uniforms)
    numbers = law.n_features, law.n_normals, law.n_uniforms, experiment.batch_sizes
    return Stream(*problem.loss.oracle, problem.dim, draw, *numbers)


def collapsed_refusal(task: Task) -> str | None:
    """A closed law."""
    return None if isinstance(task.problem, ClosedLaw) else "the closed gradient law of GaussianRegression"


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
    layout = Layout.of(experiment.n_nodes, problem.dim, most_lanes=1)
    source: Any
    if isinstance(problem, ClosedLaw):
        source = _gaussian(problem, experiment, layout, direct)
    else:
        source = _rows(problem, experiment) if isinstance(problem, OwnRows) else _stream(problem, experiment)
    basis = problem.basis if isinstance(problem, ClosedLaw) else None
    optimum = np.asarray(problem.optimum, np.float64)
    rules, n_nodes, size = rules_of(experiment, problem.dim), experiment.n_nodes, layout.size
    n_memory, n_messages = n_nodes * rules.local_memory, n_nodes * rules.message_memory
    average_from = experiment.n_steps - experiment.average_last
    cost = direct_cost(task) if direct else collapsed_cost(task)
    worth_sharing = n_nodes > 1 and n_nodes * cost > _WORTH_SHARING

    def begin(n_runs: int) -> tuple[Any, ...]:
        rows = (n_memory, size), (n_messages, size), (n_nodes, rules.presence)
        return tuple(np.zeros((n_runs, *shape)) for shape in rows)

    def step(runs: Vectors, first_step: int, n_steps: int, first_run: int, threads: int) -> None:
        state = general.State(runs.state, runs.sums, *runs.memory)
        few = len(runs.state) < threads and worth_sharing
        kernel = general.advance_nodes if few else general.advance_runs
        step_sizes = experiment.step_sizes
        if step_sizes.shape[1] > 1:
            first = first_run - experiment.first_run
            step_sizes = np.ascontiguousarray(step_sizes[:, first : first + len(runs.state)])
        span = Span(first_step, n_steps, average_from, first_run)
        kernel(state, source, rules, step_sizes, problem.dim, experiment.key, span)

    return Vectors(
        layout=layout,
        root=np.ones(problem.dim),
        basis=basis,
        offset=optimum if basis is None else optimum @ basis,
        draws_per_step=problem.dim * int(experiment.batch_sizes.sum() if direct else n_nodes),
        step=step,
        memory_bytes=8 * size * (n_memory + n_messages),
        begin=begin,
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
