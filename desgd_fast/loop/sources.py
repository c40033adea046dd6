"""Where a problem's gradients come from, as the step loop takes it: the arrays of its law, or of its rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from desgd_fast.experiment import Experiment
from desgd_fast.kernels.draw import random
from desgd_fast.kernels.draw.samples import DISTINCT
from desgd_fast.kernels.gradients import oracles
from desgd_fast.kernels.gradients.gaussian import Gaussian
from desgd_fast.kernels.gradients.minibatches import Rows, Stream
from desgd_fast.kernels.jit.lanes import SAMPLES
from desgd_fast.loop import checks
from desgd_fast.loop.layout import Layout
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.protocols import ClosedLaw, FreshSamples, OwnRows
from desgd_fast.problems.rows import SAMPLINGS


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


def gaussian(problem: ClosedLaw, experiment: Experiment, layout: Layout, direct: bool) -> Gaussian:
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


def rows(problem: OwnRows, experiment: Experiment) -> Rows:
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


def stream(problem: FreshSamples, experiment: Experiment) -> Stream:
    law = problem.law
    problems_checks.truth_per_node("problem", law.truth, experiment.n_nodes)
    most = random.MOST_INDICES // max(law.n_normals, law.n_uniforms, 1)
    checks.distinct_counters("batch_size", experiment.batch_sizes, most, f"for {law}")
    draw = oracles.draw_samples(law.sample, law.n_normals, law.n_uniforms)
    numbers = law.n_features, law.n_normals, law.n_uniforms, experiment.batch_sizes
    return Stream(*problem.loss.oracle, problem.dim, draw, *numbers)


def source_of(problem: Any, experiment: Experiment, layout: Layout, direct: bool) -> Any:
    """Gradients of the problem: from their closed law, unless every sample is to be drawn."""
    if isinstance(problem, ClosedLaw):
        return gaussian(problem, experiment, layout, direct)
    return rows(problem, experiment) if isinstance(problem, OwnRows) else stream(problem, experiment)
