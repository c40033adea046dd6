"""Run it and measure it: the tail index of simulated iterates, in one call."""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from desgd_fast import tails, theory
from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check
from desgd_fast.common.rng import RNG
from desgd_fast.measurement import checks
from desgd_fast.problems.gaussian import GaussianRegression
from desgd_fast.problems.rows import DatasetRegression
from desgd_fast.simulation.running import simulate
from desgd_fast.tails.results import TailEstimate


def measure_tail(
    problem: GaussianRegression | DatasetRegression,
    W: Any,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    n_steps: int,
    n_runs: int,
    average_last: int = 0,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    engine: str = "auto",
    initial: ArrayLike | None = None,
    stacked: bool = True,
    k: Any = None,
    level: float = 0.95,
    compare_with_theory: bool = False,
    rng: RNG = None,
    threads: int | None = None,
) -> TailEstimate:
    """Simulate independent runs and measure the tail of their distances from the optimum.

    ``simulate(...)``, ``.norms(...)`` and ``tails.tail_index(...)`` in turn, for :func:`desgd_fast.sweep`.

    Parameters
    ----------
    problem, W, step_size, batch_size, n_steps, n_runs, average_last, algorithm, engine, threads
        As in :func:`desgd_fast.simulate`. With ``average_last`` the average of so many last iterates is
        measured, else the last iterate.
    initial : None, scalar, (dim,) or (n_nodes, dim) array
        Common starting point; None is the optimum, where a run has no start to forget, only its tail to
        build up.
    stacked : bool
        One estimate from ‖x − x*‖ of all nodes as one vector, or one for each node.
    k : None, int, fraction or str
        None is :func:`desgd_fast.tails.tail_index`, whose interval counts the bias; any other k is
        Hill's estimate there, as in :func:`desgd_fast.tails.hill`.
    level : float
        Level of the interval.
    compare_with_theory : bool
        Whether to compute the alpha of the last iterates' stationary law
        (:func:`desgd_fast.theory.tail_index`, some seconds) and set it beside the estimate.
    rng : None, int, Generator, ...
        As in :func:`desgd_fast.simulate`.

    Returns
    -------
    TailEstimate
        Where runs overflowed there is no stationary law to speak of: every estimate is nan, ``n_censored``
        is the number of those runs, and ``warnings`` says so. It also says where an algorithm bounds its
        steps: the law below the scale at which it does looks like a power law, and is none. With
        ``compare_with_theory``, ``warnings`` holds the computed alpha and by how many standard errors each
        estimate differs from it, or why there is none.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range; the message names it.

    Warns
    -----
    DivergenceWarning
        If runs overflowed.

    Examples
    --------
    >>> import networkx as nx, desgd_fast as dsf
    >>> W = dsf.mixing_matrix(nx.cycle_graph(8))
    >>> problem = dsf.GaussianRegression(dim=2)
    >>> frontier = float(dsf.theory.critical_step_size(problem, W, batch_size=1, at="infinite-variance"))
    >>> tail = dsf.measure_tail(
    ...     problem, W, step_size=frontier, batch_size=1, n_steps=500, n_runs=20_000, rng=0
    ... )
    >>> bool(tail.ci_low < 2.0 < tail.ci_high)  # where the variance becomes infinite
    True
    """
    check.flag("stacked", stacked)
    check.flag("compare_with_theory", compare_with_theory)
    level = check.fraction("level", level)
    runs = simulate(
        problem,
        W,
        step_size=step_size,
        batch_size=batch_size,
        n_steps=n_steps,
        n_runs=n_runs,
        average_last=average_last,
        algorithm=algorithm,
        engine=engine,
        initial=getattr(problem, "optimum", None) if initial is None else initial,
        keep="norms",
        rng=rng,
        threads=threads,
    )
    norms = runs.norms("average" if average_last else "final", stacked=stacked)
    n_diverged = int(np.count_nonzero(runs.diverged))
    if n_diverged:
        return _no_estimate(n_diverged, n_runs, norms.shape[1:], level, "tail index" if k is None else "Hill")
    if not (norms > 0).any():
        raise ValueError(
            "problem must move iterates away from its optimum, but all runs ended there: give it noise, or "
            "another initial"
        )
    axis = None if stacked else 0
    with checks.sample_of("problem"):
        if k is None:
            found = tails.tail_index(norms, axis=axis, level=level, threads=threads)
        else:
            found = tails.hill(norms, k, axis=axis, level=level, threads=threads, rng=0)
    if algorithm.degree == "bounded":
        found = replace(found, warnings=(*found.warnings, _plateau(algorithm, problem, found.threshold)))
    if not compare_with_theory:
        return found
    task: dict[str, Any] = {"step_size": step_size, "batch_size": batch_size, "algorithm": algorithm}
    beside = _beside_theory(found, problem, W, task, threads)
    return replace(found, warnings=(beside, *found.warnings))


def _beside_theory(
    found: TailEstimate, problem: Any, W: Any, task: dict[str, Any], threads: int | None
) -> str:
    """The computed alpha, and how far the estimates are from it; or why it is not computed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exact = theory.tail_index(problem, W, **task, rng=0, threads=threads)
    except (TypeError, ValueError, NotImplementedError) as refusal:
        return f"no computed alpha to compare with: {refusal}"
    if not exact.stationary:
        return "computed: no stationary law, hence no alpha"
    if exact.lower_bound:
        return f"computed alpha is at least {exact.alpha:.4g}"
    with np.errstate(invalid="ignore"):
        distance = np.asarray((found.alpha - exact.alpha) / np.hypot(found.stderr, exact.stderr))
    shown = ", ".join(f"{entry:+.1f}" for entry in distance.ravel())
    return (
        f"computed alpha = {exact.alpha:.4g} ± {exact.stderr:.1g}: "
        f"the estimate differs by {shown} standard errors"
    )


def _plateau(algorithm: Algorithm, problem: Any, threshold: Any) -> str:
    """What an estimate is worth where steps are bounded, and the law is no power law far out."""
    part = next(part for part in algorithm.parts if part.degree == "bounded")
    said = f"{part!r} bounds the steps: there is no power tail, and what is read is a plateau of the body"
    clips = part.name in ("clipped", "clipped_samples")
    if clips and isinstance(problem, GaussianRegression):
        # Where the mean gradient, s² (x − x*), reaches the norm.
        scale = part.parameters[0] / float(np.min(problem.feature_std)) ** 2
        if np.min(threshold) < scale:
            said += f"; its threshold {np.min(threshold):.3g} lies below {scale:.3g}, where clipping sets in"
    return said


def _no_estimate(
    n_diverged: int, n_runs: int, shape: tuple[int, ...], level: float, estimator: str
) -> TailEstimate:
    nothing = np.full(shape, np.nan) if shape else np.nan
    none = np.zeros(shape, np.int64) if shape else 0
    return TailEstimate(
        alpha=nothing,
        xi=nothing,
        stderr=nothing,
        xi_stderr=nothing,
        ci_low=nothing,
        ci_high=nothing,
        level=level,
        k=none,
        threshold=nothing,
        n_used=none,
        n_dropped=none,
        n_censored=none + n_diverged,
        n_ties=none,
        sensitivity=None,
        estimator=estimator,
        warnings=(f"{n_diverged} of {n_runs} runs diverged: no stationary law to read a tail index from",),
    )
