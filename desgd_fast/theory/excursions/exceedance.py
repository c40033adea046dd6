"""How likely excursions are, at levels that no simulation reaches."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from desgd_fast.algorithms import Algorithm
from desgd_fast.common import check
from desgd_fast.common.progress import progress_bar
from desgd_fast.common.rng import RNG, generator_from
from desgd_fast.common.threads import limited_to
from desgd_fast.common.warnings import PrecisionWarning
from desgd_fast.experiment import experiment
from desgd_fast.problems import checks as problems_checks
from desgd_fast.problems.protocols import Problem, offers
from desgd_fast.theory import checks as theory_checks
from desgd_fast.theory.excursions import checks, radial
from desgd_fast.theory.excursions.chain import Along, Chain
from desgd_fast.theory.excursions.results import Exceedance
from desgd_fast.theory.excursions.splitting import GROUPS, Splitting
from desgd_fast.theory.results import TailIndex
from desgd_fast.theory.stability import tail_index

Real = NDArray[np.float64]

# Particles by default, more where steps cost little, fewer where states are large; memory they may take.
_PARTICLES, _MORE_PARTICLES, _FEWEST, _BYTES = 512 * GROUPS, 4096 * GROUPS, 64 * GROUPS, 1 << 27
# What two grids have in common may be wrong by, relatively.
_FLOOR = 5e-4
# How many times as many there may be in the end, and in the next rounds together.
_MOST, _NEXT = 64, 4


@theory_checks.in_doubles
def exceedance(
    problem: Problem,
    W: Any,
    thresholds: ArrayLike,
    *,
    step_size: ArrayLike,
    batch_size: ArrayLike,
    algorithm: Algorithm = Algorithm(),  # noqa: B008
    along: Along = None,
    alpha: TailIndex | None = None,
    radius: float | None = None,
    allow_row_stochastic: bool = False,
    rtol: float = 0.1,
    n_particles: int | None = None,
    rng: RNG = None,
    threads: int | None = None,
    progress: bool = False,
) -> Exceedance:
    """P(‖E‖ > t) of the stationary law, down to 1e-15 and below, with the time between such excursions.

    By regenerative splitting: outside of the bounded set A = {‖E‖ ≤ radius} the stationary law is the rate at
    which runs leave A, times the number of steps that one excursion spends there. An ordinary simulation
    gives the rate and the states in which excursions begin; a population of particles carries these on,
    loses those that return to A, and is resampled in proportion to V(x) = (‖x‖ / radius)^alpha, each
    particle weighing what is left of it; V rises no further beyond the last threshold (Blanchet, Lam & Zwart,
    2012, say why). That is unbiased whatever alpha is, and efficient where it is the tail index, because
    E[V(Mx)] is then V(x) on average over directions. What nodes remember, as momentum, belongs to x.

    The distance of a single node with isotropic features is a Markov chain of its own; its survival function
    solves a linear integral equation, which is solved instead.

    Parameters
    ----------
    problem, W, step_size, batch_size, algorithm
        As in :func:`desgd_fast.simulate`; step sizes are constant, and the algorithm is linear or
        homogeneous: what is bounded has no power law.
    thresholds : (n,) array_like
        Levels t, positive and increasing.
    along : None, int or callable
        What exceeds them: the norm of all deviations x_i − x*, stacked; the norm of one node's; or
        ``along(deviations)``, a number for each of (n_runs, n_nodes, dim) deviations.
    alpha : TailIndex, optional
        What :func:`desgd_fast.theory.tail_index` gives for the same arguments, if it is known already.
    radius : float, optional
        Of A; by default four in five steps of an ordinary run lie within it, or fewer where the first
        threshold is lower.
    allow_row_stochastic : bool
        Permit columns of W that do not sum to one.
    rtol : float
        Relative standard error to reach at every threshold.
    n_particles : int, optional
        Population size, 20 groups together; by default 10,240, more where steps cost little, fewer where
        states are large. More of them follow until ``rtol`` is reached. A single node is split too if given.
    rng : None, int, Generator, ...
        As in ``numpy.random.default_rng``; the same one gives the same bits for any number of threads.
    threads : int, optional
        Most threads to use.
    progress : bool
        Show a progress bar (needs tqdm, in the extra ``cli``).

    Returns
    -------
    Exceedance
        ``.probability``, ``.stderr``, ``.return_time`` for every threshold, ``.constant`` of C t^−alpha.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range, if there is no stationary law (rho ≥ 0), or if steps are bounded.

    Warns
    -----
    PrecisionWarning
        If the standard error asked for was not reached.

    Notes
    -----
    Where steps come in cycles (local steps, epochs of a permutation) the law is that at the end of a cycle.

    Examples
    --------
    >>> import desgd_fast as dsf
    >>> problem = dsf.GaussianRegression(dim=1)
    >>> found = dsf.theory.exceedance(problem, [[1.0]], [3, 1e4], step_size=0.5, batch_size=1, rng=0)
    >>> bool(found.probability[1] < 1e-12), round(found.alpha, 3)
    (True, 2.904)
    """
    problems_checks.offers_gradients("problem", problem, offers(problem))
    levels = check.positive_list("thresholds", thresholds)
    checks.power_law("algorithm", algorithm)
    checks.constant_step_size("step_size", step_size)
    check.fraction("rtol", rtol)
    progress = check.flag("progress", progress)
    generator = generator_from(rng)
    asked = experiment(
        W,
        step_size=step_size,
        batch_size=batch_size,
        n_steps=1,
        algorithm=algorithm,
        allow_row_stochastic=allow_row_stochastic,
        allow_negative=True,
        rng=generator,
    )
    checks.own_coordinates("algorithm", algorithm, problem)
    if isinstance(along, int | np.integer):
        along = check.integer("along", along, 0, asked.n_nodes - 1)
    elif along is not None:
        check.is_callable("along", along)
    if radius is not None:
        radius = check.positive_number("radius", radius)
    if n_particles is not None:
        n_particles = check.integer("n_particles", n_particles, 16 * GROUPS)
    if alpha is None:
        alpha = _tail_of(
            problem,
            W,
            step_size=step_size,
            batch_size=batch_size,
            algorithm=algorithm,
            allow_row_stochastic=allow_row_stochastic,
            rng=generator,
            threads=threads,
            progress=progress,
        )
    check.instance("alpha", alpha, (TailIndex,))
    checks.stationary("step_size", alpha)
    law = radial.Law.of(problem, asked, alpha.alpha, levels[-1])
    if law is not None and n_particles is None and not callable(along):
        return _told(_by_equation(law, levels, radius, alpha, rtol))
    chain = Chain.of(problem, asked)
    size = n_particles
    if size is None:
        most, room = (_PARTICLES, _BYTES) if chain.fused is None else (_MORE_PARTICLES, _BYTES >> 3)
        size = min(most, max(_FEWEST, room // chain.state_bytes))
    n_each = -(-size // GROUPS)
    with limited_to(threads), progress_bar(progress, unit="step", unit_scale=True) as bar:
        splitting = Splitting(
            chain,
            along,
            levels,
            radius,
            alpha.alpha,
            -alpha.lyapunov_exponent,
            generator,
            (lambda done: None) if bar is None else bar.update,
            n_each,
        )
        rounds = _advance(splitting, levels, rtol)
    return _told(_result(splitting, levels, alpha, rtol, rounds * n_each * GROUPS))


def _told(result: Exceedance) -> Exceedance:
    for note in result.warnings:
        warnings.warn(note, PrecisionWarning, stacklevel=4)
    return result


def _by_equation(
    law: radial.Law, thresholds: Real, radius: float | None, tail: TailIndex, rtol: float
) -> Exceedance:
    # Of a bound there is no constant.
    alpha = math.nan if tail.lower_bound else tail.alpha
    fine, coarse = radial.excursions(law, thresholds, radius, alpha)
    size = np.abs(fine.probability)
    change = np.abs(fine.probability - coarse.probability) + _FLOOR * size
    seen = change < fine.probability
    probability, stderr = np.where(seen, fine.probability, 0.0), np.where(seen, change, size + change)
    passed = seen & (fine.rate > 0) & (coarse.rate > 0)
    time, other = (1 / np.where(passed, grid.rate, np.nan) for grid in (fine, coarse))
    of_alpha = tail.stderr * fine.constant * math.log(max(thresholds[-1] / law.noise, math.e))
    return Exceedance(
        thresholds,
        probability,
        stderr,
        time,
        np.abs(time - other) + _FLOOR * time,
        fine.constant,
        math.hypot(fine.constant - coarse.constant, _FLOOR * fine.constant, of_alpha),
        math.inf if tail.lower_bound else tail.alpha,
        tail.stderr,
        fine.radius,
        0,
        0,
        "integral equation",
        _missed(thresholds, probability, stderr, rtol),
    )


def _missed(thresholds: Real, probability: Real, stderr: Real, rtol: float) -> tuple[str, ...]:
    """What was not seen, and whether the error asked for was reached, in words."""
    notes, seen = [], probability > 0
    if not seen.all():
        notes.append(f"nothing is seen of levels from {thresholds[~seen][0]:g} on")
    worst = np.max(stderr[seen] / probability[seen], initial=0.0)
    if worst > rtol:
        notes.append(f"the relative standard error stayed at {worst:.2g}, above rtol={rtol:g}")
    return tuple(notes)


def _tail_of(problem: Any, W: Any, **arguments: Any) -> TailIndex:
    """The tail index, whose doubts are told in the result's words."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return tail_index(problem, W, **arguments)


def _advance(splitting: Splitting, thresholds: Real, rtol: float) -> int:
    """As many rounds as the error asked for takes."""
    done, wanted = 0, 1
    while done < wanted:
        splitting.advance()
        done += 1
        if done == wanted:
            value, stderr = _mean(splitting.probability(thresholds))
            excess = np.max(stderr / np.where(value > 0, rtol * value, np.inf))
            if excess > 1 and splitting.reached:
                wanted = min(math.ceil(done * min(excess**2, _NEXT)), _MOST)
    return done


def _mean(groups: Real) -> tuple[Real, Real]:
    """Over independent groups, with its standard error."""
    return groups.mean(axis=0), groups.std(axis=0, ddof=1) / math.sqrt(GROUPS)


def _result(
    splitting: Splitting, thresholds: Real, tail: TailIndex, rtol: float, n_particles: int
) -> Exceedance:
    assert splitting.radius is not None
    probability, stderr = _mean(splitting.probability(thresholds))
    rate, rate_error = _mean(splitting.rate(thresholds))
    seen = np.where((rate > 0) & (thresholds >= splitting.radius), rate, np.nan)
    constant, constant_stderr = _constant(splitting, tail)
    notes = _missed(thresholds, probability, stderr, rtol)
    if not splitting.reached:
        notes = (f"the population did not pass the last threshold {thresholds[-1]:g}", *notes)
    return Exceedance(
        thresholds,
        probability,
        stderr,
        splitting.chain.cycle / seen,
        splitting.chain.cycle * rate_error / seen**2,
        constant,
        constant_stderr,
        math.inf if tail.lower_bound else tail.alpha,
        tail.stderr,
        splitting.radius,
        n_particles,
        splitting.n_steps,
        "splitting",
        notes,
    )


def _constant(splitting: Splitting, tail: TailIndex) -> tuple[float, float]:
    """C of C t^−alpha: what P t^alpha is where the constant is read off."""
    if tail.lower_bound:
        return math.nan, math.nan
    levels = splitting.far_levels
    groups = splitting.probability(levels) * levels**tail.alpha
    values, half = groups.mean(axis=0), levels.size // 2
    constant, stderr = _mean(groups.mean(axis=1))
    of_alpha = tail.stderr * np.mean(values * np.log(levels))
    change = values[-half:].mean() - values[:half].mean()
    return float(constant), float(np.sqrt(stderr**2 + of_alpha**2 + change**2))
