"""Gradient noise, a minibatch gradient minus the whole one: how heavy its tails are beside the iterates'."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast import tails
from desgd_fast.common import check
from desgd_fast.common.rng import RNG, key_from
from desgd_fast.measurement import checks
from desgd_fast.measurement.results import GradientNoise
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.protocols import ClosedLaw, FreshSamples, OwnRows, Problem, offers
from desgd_fast.problems.rows import local_gradients
from desgd_fast.simulation import checks as simulation_checks
from desgd_fast.simulation.results import Runs, euclidean
from desgd_fast.simulation.running import simulate
from desgd_fast.tails.results import TailEstimate


def gradient_noise(
    problem: Problem,
    points: ArrayLike | Runs,
    *,
    batch_size: ArrayLike,
    max_points: int = 20,
    n_samples: int = 1000,
    groups: Mapping[str, ArrayLike] | None = None,
    k: Any = None,
    rng: RNG = None,
    threads: int | None = None,
) -> GradientNoise:
    """Sample g_i(x) − ∇f_i(x) at given points, and measure its tail index.

    Şimşekli, Sagun & Gürbüzbalaban (ICML 2019) and Battash, Wolf & Lindenbaum (2024) study this noise; the
    iterates' own tail, which the recursion makes, is another thing: given runs as ``points``, it is measured
    beside.

    Parameters
    ----------
    problem : GaussianRegression, DatasetRegression, EmpiricalRisk or StreamingRisk
        What the nodes minimise.
    points : (n_nodes, dim) or (n_points, n_nodes, dim) array, or Runs
        Where each node takes its gradients; of runs, where they ended.
    batch_size : scalar or (n_nodes,) array
        The minibatch b.
    max_points : int
        Most runs to take points from: the first that did not diverge.
    n_samples : int
        Minibatches drawn at each point by each node.
    groups : mapping of names to coordinates, optional
        Groups of coordinates to measure apart, such as ``{"bias": [0], "rest": range(1, 5)}``.
        All coordinates together always come first, as ``"all"``.
    k : None, int or fraction
        None is :func:`desgd_fast.tails.tail_index`, whose ``warnings`` say where no power tail is seen (its
        test at 5 %); any other k is Hill's estimate from so many of the n_points · n_samples norms of a node,
        which gives light tails a number too.
    rng, threads
        As in :func:`desgd_fast.simulate`.

    Returns
    -------
    GradientNoise

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, the points are not finite, all runs diverged, or iterates
        were not kept.

    Notes
    -----
    ∇f_i is exact but for a StreamingRisk, where the mean of a point's n_samples draws stands for it. The
    noise is read off steps of size 1, which costs the last digits where points are far larger than gradients.

    Examples
    --------
    >>> import desgd_fast as dsf, numpy as np
    >>> law = dsf.laws.linear([0.0, 0.0], noise=dsf.laws.student_t(3.0))
    >>> problem = dsf.StreamingRisk(dsf.losses.least_squares(), law)
    >>> noise = dsf.gradient_noise(problem, np.zeros((2, 2)), batch_size=1, n_samples=20_000, rng=0)
    >>> noise.norms.shape, bool((abs(noise.tail.alpha - 3) < 1).all())
    ((1, 1, 20000, 2), True)
    """
    problems_checks.offers_gradients("problem", problem, offers(problem))
    max_points = check.positive_integer("max_points", max_points)
    iterates = None
    if isinstance(points, Runs):
        simulation_checks.was_kept_all("points", points.final)
        simulation_checks.some_converged("points", points.diverged)
        assert points.final is not None
        sound = ~points.diverged
        iterates = _tail(points.norms()[sound], k, 0, threads)
        points = points.final[sound][:max_points]
    array = simulation_checks.points("points", points, problem.dim)
    n_nodes = array.shape[1]
    n_samples = check.integer("n_samples", n_samples, 2, 2**31)
    places = simulation_checks.coordinate_groups("groups", groups, problem.dim)
    true = true_gradients(problem, array)
    key = key_from(rng)
    norms = np.empty((len(places), len(array), n_samples, n_nodes))
    for p, (point, gradient) in enumerate(zip(array, true, strict=True)):
        runs = simulate(
            problem,
            np.eye(n_nodes),
            step_size=1.0,
            batch_size=batch_size,
            n_steps=1,
            n_runs=n_samples,
            first_run=p * n_samples,
            initial=point,
            rng=key.tolist(),
            threads=threads,
        )
        assert runs.final is not None
        drawn = point - runs.final
        noise = drawn - (drawn.mean(axis=0) if gradient is None else gradient)
        for group, coordinates in enumerate(places.values()):
            norms[group, p] = euclidean(noise[..., coordinates])
    pooled = norms.reshape(len(places), -1, n_nodes)
    return GradientNoise(
        groups=tuple(places),
        norms=norms,
        tail=_tail(pooled, k, 1, threads),
        iterates=iterates,
    )


def _tail(norms: NDArray[np.float64], k: Any, axis: int, threads: int | None) -> TailEstimate:
    with checks.sample_of("problem"):
        if k is None:
            return tails.tail_index(norms, axis=axis, threads=threads)
        return tails.hill(norms, k=k, axis=axis, threads=threads)


def true_gradients(problem: Problem, points: NDArray[np.float64]) -> list[NDArray[np.float64] | None]:
    """∇f_i(points[p, i]) for each of the (n_points, n_nodes, dim) points; None where there is no formula."""
    n_nodes = points.shape[1]
    if isinstance(problem, FreshSamples):
        return [None] * len(points)
    if isinstance(problem, ClosedLaw):
        feature_stds, _ = problem.stds(n_nodes)
        basis = np.eye(problem.dim) if problem.basis is None else problem.basis
        rotated = (points - np.asarray(problem.optimum)) @ basis * problem.eigenvalues
        return list(feature_stds[:, None] ** 2 * (rotated @ basis.T))
    assert isinstance(problem, OwnRows)
    return list(local_gradients(problem.loss, points, problem.partition(n_nodes)))
